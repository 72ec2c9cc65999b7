/*
 * The header block: walk, find, drop, replace, prepend (RFC 5322 sections 2.2 and 3.6, obsolete forms of 4.5).
 *
 * A header is a list of fields. A field keeps its raw text, lines ended by CRLF, folded lines as they came. A field that was not
 * changed goes out octet for octet as it came in.
 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include "mem.h"

struct field {
	char *text;		/* name, colon, body, each line with its CRLF; NUL-terminated */
	size_t len;
	size_t name_len;	/* without blanks before the colon */
	size_t body;		/* offset of what follows the colon */
};

struct header {
	struct field *field;
	size_t count;
	size_t size;
};

/*
 * Length of the name if the line (without line end) begins a field: printable ASCII without colon, then blanks (SP, HTAB), then a colon;
 * else 0. RFC 5322 sections 2.2 and 4.5.
 */
size_t header_name(const char *line, size_t len);

/* Parses a block of lines ended by CRLF, every one of which begins a field or continues one, and adds its fields. */
void header_parse(struct header *h, const char *block, size_t len);

/* The index of the next field of that name at or after *from* (case-insensitive), or -1. */
ptrdiff_t header_find(const struct header *h, const char *name, size_t from);
bool header_is(const struct field *f, const char *name);

/* A pointer to the body of a field and its length (leading blanks kept, the last CRLF not counted). */
const char *header_body(const struct field *f, size_t *len);

/* Takes out all fields of that name, or those at or after *from*; the number of them. */
size_t header_drop(struct header *h, const char *name);
size_t header_drop_from(struct header *h, const char *name, size_t from);

/*
 * Puts another body (no CRLF at its end; with folds as CRLF blank where wanted) into field i, its name kept as written. The body stands
 * as it is right after the colon: as header_body() gives it, with its leading blank.
 */
void header_replace(struct header *h, size_t i, const char *body, size_t len);

/* Adds a field before the others, or after them. text: "Name: body" without its CRLF. */
void header_prepend(struct header *h, const char *text);
void header_append(struct header *h, const char *text);

/* The whole block as it goes out, without the empty line after it. */
void header_write(const struct header *h, struct buf *out);

void header_free(struct header *h);

#endif
