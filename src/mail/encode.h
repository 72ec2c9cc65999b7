/*
 * Raw 8-bit text in header fields made fit for every hop: RFC 2047 encoded words, RFC 2231 parameters, and folding (RFC 5322 section
 * 2.2.3).
 *
 * The charset is utf-8 where the octets are valid UTF-8, else unknown-8bit (RFC 1428). Encoded words are at most 75 octets long, hold whole
 * characters, and are folded so that no line is longer than 76.
 */
#ifndef MAIL_ENCODE_H
#define MAIL_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include "mail/header.h"
#include "mem.h"

/* True where all octets form valid UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool encode_is_utf8(const char *s, size_t n);

/* True where there is an octet above 127. */
bool encode_is_8bit(const char *s, size_t n);

/*
 * A display name from raw text, as it stands before <a@x>: atoms, a quoted string, or encoded words. The caller frees it.
 */
char *encode_name(const char *name);

/*
 * Encodes what is raw 8-bit in field i: unstructured fields word by word, the phrases and comments of address fields (a quoted name is unquoted
 * first), comments of other structured fields, and raw 8-bit parameters of Content-Type and Content-Disposition in RFC 2231 form. What is ASCII stays to the octet.
 * What cannot be encoded (an addr-spec, a message identifier) stays as it is. True if the field was changed.
 */
bool encode_field(struct header *h, size_t i);

/*
 * Folds the lines of field i that are longer than 998 octets: at blanks, after commas in address fields, and where there is neither,
 * at 998 octets (as Postfix does). True if the field was changed.
 */
bool encode_fold(struct header *h, size_t i);

#endif
