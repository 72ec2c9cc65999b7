/*
 * JSON as this program writes it (RFC 8259): objects and arrays put together in a buffer. A comma is set where the buffer does not end in the bracket that opens one.
 */
#ifndef JSON_H
#define JSON_H

#include "mem.h"

/* A string as a value, its quotes around it. Controls are escaped; other octets go out as they are: what comes from outside is passed through printable_add() first. */
void json_string(struct buf *b, const char *s);

/* The name of a member, with the comma before it where one is needed, and the colon; its value is for the caller to add. */
void json_name(struct buf *b, const char *name);

/* The comma before a further item of an array, where one is needed. */
void json_item(struct buf *b);

/* Whole members. Of a text from outside (NULL: null) at most max octets, printable. */
void json_text(struct buf *b, const char *name, const char *value);
void json_outside(struct buf *b, const char *name, const char *value, size_t max);
void json_number(struct buf *b, const char *name, long long value);
void json_bool(struct buf *b, const char *name, int value);

#endif
