/*
 * Octets in base64, as mail, SASL, HTTP and JWT have them (RFC 4648 sections 4 and 5). Without OpenSSL, which is not loaded for it.
 */
#ifndef BASE64_H
#define BASE64_H

#include <stddef.h>
#include "mem.h"

/* Appends n octets in base64, with padding. */
void base64_encode(struct buf *out, const void *p, size_t n);

/* The same in the alphabet for URLs and file names, without padding. */
void base64_encode_url(struct buf *out, const void *p, size_t n);

/* Appends what n octets of base64 stand for. -1: it is none (blanks, padding that is missing or stands elsewhere, other characters); out is as it was. */
int base64_decode(struct buf *out, const char *p, size_t n);

#endif
