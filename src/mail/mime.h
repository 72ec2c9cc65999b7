/*
 * The body made fit for the way: quoted-printable for text that is 8-bit where only 7-bit passes, or that has lines over 998 octets
 * (RFC 2045 section 6.7), leaf by leaf of a MIME structure (RFC 2046 section 5.1); lines that may not be encoded are folded.
 *
 * Two passes over the stored body, constant memory: the first finds the leaves and what each needs, the second writes the new body.
 */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include <stdbool.h>
#include "mail/message.h"

/* True where mime_convert() would have something to do: lines over 998 octets, or 8-bit content and eight_bit_ok false. */
bool mime_needed(const struct message *m, bool eight_bit_ok);

/*
 * Rewrites the body of m so that no line is longer than 998 octets and, unless eight_bit_ok, no octet is above 127. A body that is not
 * MIME, or a leaf that is text (or has no Content-Type) with no encoding (7bit, 8bit, binary or none), becomes quoted-printable, its Content-Transfer-Encoding
 * set; message/rfc822 is looked into. Anything else, and all that is inside multipart/signed or multipart/encrypted or belongs to a message
 * with DKIM-Signature, is not encoded: its long lines are folded as Postfix does (CRLF and a blank after 998 octets), and where it is 8-bit and may not be, the
 * message is refused (65, CAUSE_NEEDS_8BITMIME). Headers of parts are folded, and encoded where 7-bit is needed; a multipart or message/rfc822 that said
 * 8bit then says 7bit. Sets m's facts (eight_bit, longest) anew. -1: o says why, the body is as it was.
 */
int mime_convert(struct message *m, bool eight_bit_ok, struct outcome *o);

#endif
