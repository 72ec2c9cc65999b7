/*
 * Whole transactions in flight: those of a caller of -bs who does not wait, to a smarthost with CHUNKING (RFC 2920, RFC 3030). Where MAIL, RCPT and the message have all come, they go on
 * without a wait for what comes of the one before; the replies follow in their order. Whatever is not plain - an alias for several, an address outside ASCII, a
 * command in between - goes step by step, once nothing is in flight any more. What was in flight when the line broke, and was not looked at, is taken once more.
 */
#ifndef SMTP_FLIGHT_H
#define SMTP_FLIGHT_H

#include "smtp/session.h"

/* Puts the next transaction on its way. False: it has not wholly come, or does not go this way. May wait for the smarthost, never for the caller. */
bool flight_take(struct session *s);

/* True where the next transaction would go this way, once the present one is at its end. */
bool flight_is_next(const struct session *s);

/* Waits for what comes of all that is in flight, and answers it. */
void flight_land(struct session *s);

#endif
