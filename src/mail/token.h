/*
 * The lexical tokens of a field body, their places kept (RFC 5322 section 3.2), for whoever changes one and keeps the rest: encoding.
 * Addresses for the envelope are read by address.h, which knows the grammar; this room only knows where words, quoted strings and
 * comments begin and end. Linear, without recursion.
 */
#ifndef MAIL_TOKEN_H
#define MAIL_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include "mem.h"

enum token_grammar {
	TOKEN_IN_TEXT,		/* unstructured: blanks and words */
	TOKEN_IN_COMMENT,	/* what stands between the outermost parentheses: words (quoted pairs in them), parentheses, blanks */
	TOKEN_IN_ADDRESSES,
	TOKEN_IN_PARAMETERS,	/* the specials are ; and = */
	TOKEN_IN_STRUCTURED	/* what stands in angle brackets is one token */
};

enum token_type {
	TOKEN_BLANK,		/* SP, HTAB, folds */
	TOKEN_WORD,
	TOKEN_QUOTED,		/* with its quotes */
	TOKEN_COMMENT,		/* outermost, with its parentheses */
	TOKEN_OPAQUE,		/* a domain literal; in TOKEN_IN_STRUCTURED also <...> */
	TOKEN_SPECIAL		/* one octet */
};

enum token_fate {
	TOKEN_KEEP,
	TOKEN_ENCODE,		/* to become part of an encoded word */
	TOKEN_ENCODED		/* is an encoded word already */
};

struct token {
	size_t start;
	size_t end;
	enum token_type type;
	enum token_fate fate;	/* TOKEN_KEEP; set by whoever encodes */
	bool raw;		/* holds an octet above 127 */
};

struct tokens {
	const char *text;	/* what was parsed; not owned */
	enum token_grammar grammar;
	struct token *token;
	size_t count;
	size_t size;
};

/* False if a quoted string, comment or domain literal never ends: then there are no tokens. The caller calls tokens_free() in any case. */
bool tokens_parse(struct tokens *ts, const char *text, size_t len, enum token_grammar grammar);
void tokens_free(struct tokens *ts);

/* Adds what token i means to out: unquoted, quoted pairs resolved, unfolded. */
void token_meaning(const struct tokens *ts, size_t i, struct buf *out);

/* True where token i is the special c. */
bool token_is(const struct tokens *ts, size_t i, char c);

/* True where the n octets are an encoded word (RFC 2047 section 2). */
bool token_is_encoded_word(const char *s, size_t n);

#endif
