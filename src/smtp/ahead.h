/*
 * What a caller of -bs who does not wait will ask next (RFC 2920): it goes to the smarthost along with what is asked now, and is answered in its turn.
 */
#ifndef SMTP_AHEAD_H
#define SMTP_AHEAD_H

#include "mail/envelope.h"
#include "mem.h"
#include "smtp/client.h"
#include "smtp/command.h"
#include "smtp/intake.h"

/*
 * Makes lines what the commands that have come and are not taken yet will come to at the smarthost, as far as that can be told: RCPT of the transaction that mail (its MAIL, taken already)
 * begins, with its envid; or, where mail is NULL, of the next one, with its MAIL. DATA ends them where data, and the smarthost has no CHUNKING. Each ends in LF; none: they are not
 * put ahead. source: for the addresses, as the transaction will use it; its sender is not looked at.
 */
void ahead_lines(struct buf *lines, struct client *c, const struct intake *in, const struct envelope_source *source, const struct path_command *mail,
    const char *envid, bool data);

#endif
