/*
 * JSON as this program reads it (RFC 8259): one object, checked as a whole and strictly before anything of it is taken. What comes in is hostile.
 */
#ifndef JSON_READ_H
#define JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include "mem.h"

#define JSON_DEPTH_MAX	32	/* brackets within brackets */

/*
 * True where the n octets (no NUL need follow) are one JSON object with nothing but blanks around it: UTF-8 without a byte order mark, strings and numbers as the grammar
 * has them, no NUL in a string (\u0000), surrogates in pairs, no member of the object itself twice, no deeper than JSON_DEPTH_MAX.
 */
bool json_is_object(const char *text, size_t n);

/* The members of the object itself, not of those within it; text has passed json_is_object(). False: there is none of that name, or it is of another kind. */
bool json_get_string(const char *text, size_t n, const char *name, struct buf *out);	/* appended to out, escapes undone, as UTF-8 */
bool json_get_integer(const char *text, size_t n, const char *name, long long *value);	/* a number without fraction and exponent that fits, or a string that holds such a one alone */

#endif
