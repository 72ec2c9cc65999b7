/*
 * Raw 8-bit parameters of Content-Type and Content-Disposition in the form of RFC 2231: name*=utf-8''M%C3%BCller, in pieces where it is long.
 */
#ifndef MAIL_RFC2231_H
#define MAIL_RFC2231_H

#include "mail/line.h"

/*
 * Writes the field body to l, raw values of parameters encoded, raw comments as encoded words, all else as it is. A raw value that
 * stands beside the same parameter in extended form (name="u-umlaut"; name*=...) is left out. A boundary is never touched. False if the body
 * cannot be parsed or has more than 32 raw values: then nothing was written.
 */
bool rfc2231_encode(struct line *l, const char *body, size_t len);

#endif
