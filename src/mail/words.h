/*
 * Encoded words (RFC 2047) written into a line: out of a text, or out of the tokens of a field body that are marked for it.
 */
#ifndef MAIL_WORDS_H
#define MAIL_WORDS_H

#include "mail/line.h"
#include "mail/token.h"

/* What the octets of a raw text are called: "utf-8", else "unknown-8bit". */
const char *words_charset(const char *text, size_t n);

/* The octets of the first character of a text of n > 0: 1 to 4 where it is utf-8, else 1. */
size_t words_character(const char *text, size_t n, bool utf8);

/*
 * Adds the text as encoded words with blanks between them, in Q or B, whichever is shorter. strict: only what RFC 2047 section 5 (3) allows in
 * phrases stands for itself in Q; so it fits comments as well.
 */
void words_encode(struct line *l, const char *text, size_t n, bool strict);

/*
 * Adds the tokens from..to-1: those marked TOKEN_ENCODE together with the blanks between them as encoded words, raw comments encoded word by
 * word, the others as they are. Blanks between two encoded words are shown by nobody (section 6.2), so those that count go inside.
 */
void words_put(struct line *l, const struct tokens *ts, size_t from, size_t to);

/* Marks the raw words of a text or comment TOKEN_ENCODE, and encoded words TOKEN_ENCODED. */
void words_mark(struct tokens *ts);

#endif
