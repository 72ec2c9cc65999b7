/*
 * Replies that mean more, or something else, than their code says.
 */
#ifndef SMTP_JUDGE_H
#define SMTP_JUDGE_H

#include <stdbool.h>
#include "outcome.h"
#include "smtp/reply.h"

/*
 * 530 to MAIL: o, as reply_fail() has made it, gets status and cause by what the smarthost wants: TLS, or sign-in, or from one who has both another sender. Its words
 * tell: 5.7.0 stands for more than one of these, and not all servers have enhanced status codes.
 */
void judge_530(struct outcome *o, const struct reply *r, bool secure, bool signed_in);

/* True where the reply to RCPT means that a further transaction takes the rest (RFC 5321 section 4.5.3.1.10). */
bool judge_enough(const struct reply *r);

#endif
