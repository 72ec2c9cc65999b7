/*
 * The words of a DSN request (RFC 3461): NOTIFY, RET, ENVID, as flags and SMTP parameters share them.
 */
#ifndef DSN_H
#define DSN_H

#include <stdbool.h>
#include "mem.h"

/* NOTIFY of RFC 3461 section 4.1. */
enum dsn_notify { DSN_NEVER = 1, DSN_SUCCESS = 2, DSN_FAILURE = 4, DSN_DELAY = 8 };

#define DSN_ENVID_MAX	100	/* octets that every server takes (RFC 3461 section 4.4) */

/* "never", or a list with commas of success, failure and delay, in any case: enum dsn_notify, or 0 where it is neither. */
unsigned dsn_notify(const char *text);

/* Adds "SUCCESS,FAILURE" for the bits. */
void dsn_add_notify(struct buf *b, unsigned notify);

/* "FULL" or "HDRS" for the word in any case, or NULL. Static text. */
const char *dsn_ret(const char *text);

/* True for 1 to 100 octets of printable ASCII. */
bool dsn_is_envid(const char *text);

/* Adds s as xtext (RFC 3461 section 4). */
void dsn_add_xtext(struct buf *b, const char *s);

/* Adds s, UTF-8, as utf-8-addr-unitext (RFC 6533 section 3), for where SMTPUTF8 is in use. */
void dsn_add_unitext(struct buf *b, const char *s);

/* What the xtext means, or NULL where it is none or holds a NUL. The caller frees it. */
char *dsn_decode_xtext(const char *xtext);

#endif
