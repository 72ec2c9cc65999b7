/*
 * What of MAIL and RCPT a caller of -bs who does not wait can be told to come to at the smarthost before it is asked: addresses in ASCII, each for one recipient. Whatever else there is
 * is for the step by step way.
 */
#ifndef SMTP_PLAIN_H
#define SMTP_PLAIN_H

#include <stdbool.h>
#include "mail/envelope.h"
#include "smtp/command.h"

/* Begins e with the sender of MAIL, its RET and no ENVID: as envelope_begin(), src->sender is not looked at. False: it is not plain; e is to be freed all the same. */
bool plain_mail(struct envelope *e, const struct envelope_source *src, const struct path_command *mail);

/* Adds the recipient of RCPT, what stands behind it: *added, or NULL where it was named already. False: it is not plain, and *added means nothing. */
bool plain_rcpt(struct envelope *e, const struct envelope_source *src, const char *argument, struct recipient **added);

#endif
