/*
 * A field body as it is written anew: text goes in, and CRLF is put before blanks where a line would grow past 76 columns (RFC 2047 section 2).
 */
#ifndef MAIL_LINE_H
#define MAIL_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include "mem.h"

#define LINE_WIDTH	76	/* columns, without CRLF */

struct line {
	struct buf out;		/* what has been written */
	size_t base;		/* columns that stand before out on its first line: the field's name and colon */
	size_t start;		/* where the last line begins in out */
	size_t fold;		/* where CRLF may be put into the last line, before a blank */
	bool foldable;		/* fold is such a place */
	bool content;		/* the last line holds more than blanks */
	bool changed;		/* set by whoever writes something else than what was there */
};

/* Adds n octets of blanks (which may hold folds): the line may be folded before them. */
void line_blank(struct line *l, const char *p, size_t n);

/* Adds n octets that are not to be torn apart; folds before the last blank where the line gets too long. */
void line_word(struct line *l, const char *p, size_t n);

/* Adds one blank where the last octet is none. */
void line_separate(struct line *l);

/* The columns left on the line, after folding where there are fewer than wanted and folding is possible. */
size_t line_room(struct line *l, size_t wanted);

#endif
