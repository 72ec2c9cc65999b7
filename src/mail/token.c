/*
 * The lexical tokens of a field body. See token.h.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "mail/encode.h"
#include "mail/token.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const char *
specials(enum token_grammar grammar)
{
	switch (grammar) {
	case TOKEN_IN_COMMENT:
		return "()";
	case TOKEN_IN_ADDRESSES:
		return "<>@,;:";
	case TOKEN_IN_PARAMETERS:
		return ";=";
	default:
		return "";
	}
}

/* The octet after what begins at i with an opening octet and ends with close, quoted pairs skipped; 0: it never ends. */
static size_t
skip_enclosed(const char *text, size_t len, size_t i, char open, char close)
{
	size_t depth = 0;

	for (; i < len; i++) {
		if (text[i] == '\\')
			i++;
		else if (text[i] == close && (open != close || depth > 0)) {
			if (--depth == 0)
				return i + 1;
		} else if (text[i] == open)
			depth++;
	}
	return 0;
}

/* True where c begins another token than a word. */
static bool
ends_word(char c, enum token_grammar grammar)
{
	if (is_blank(c))
		return true;
	if (grammar == TOKEN_IN_TEXT)
		return false;
	if (strchr(specials(grammar), c) != NULL)
		return true;
	if (grammar == TOKEN_IN_COMMENT)
		return false;
	if (c == '[' || c == '<')
		return grammar != TOKEN_IN_PARAMETERS;
	return c == '"' || c == '(';
}

static size_t
skip_word(const char *text, size_t len, size_t i, enum token_grammar grammar)
{
	do {
		if (grammar == TOKEN_IN_COMMENT && text[i] == '\\' && i + 1 < len)
			i++;
		i++;
	} while (i < len && !ends_word(text[i], grammar));
	return i;
}

/* The end of the token at i, and its type; 0: it never ends. */
static size_t
next_token(const char *text, size_t len, size_t i, enum token_grammar grammar, enum token_type *type)
{
	char c = text[i];

	if (is_blank(c)) {
		*type = TOKEN_BLANK;
		while (i < len && is_blank(text[i]))
			i++;
		return i;
	}
	if (grammar == TOKEN_IN_TEXT || !ends_word(c, grammar)) {
		*type = TOKEN_WORD;
		return skip_word(text, len, i, grammar);
	}
	if (strchr(specials(grammar), c) != NULL) {
		*type = TOKEN_SPECIAL;
		return i + 1;
	}
	*type = c == '"' ? TOKEN_QUOTED : c == '(' ? TOKEN_COMMENT : TOKEN_OPAQUE;
	switch (c) {
	case '"':
		return skip_enclosed(text, len, i, '"', '"');
	case '(':
		return skip_enclosed(text, len, i, '(', ')');
	case '[':
		return skip_enclosed(text, len, i, '[', ']');
	default:
		return skip_enclosed(text, len, i, '<', '>');
	}
}

bool
tokens_parse(struct tokens *ts, const char *text, size_t len, enum token_grammar grammar)
{
	struct token t;
	size_t i;

	*ts = (struct tokens){ .text = text, .grammar = grammar };
	for (i = 0; i < len; i = t.end) {
		t = (struct token){ .start = i };
		t.end = next_token(text, len, i, grammar, &t.type);
		if (t.end == 0) {
			ts->count = 0;
			return false;
		}
		t.raw = encode_is_8bit(text + i, t.end - i);
		if (ts->count == ts->size) {
			ts->size = ts->size == 0 ? 32 : ts->size * 2;
			ts->token = mem_grow(ts->token, ts->size, sizeof(*ts->token));
		}
		ts->token[ts->count++] = t;
	}
	return true;
}

void
tokens_free(struct tokens *ts)
{
	free(ts->token);
	*ts = (struct tokens){0};
}

void
token_meaning(const struct tokens *ts, size_t i, struct buf *out)
{
	const struct token *t = &ts->token[i];
	bool pairs = t->type == TOKEN_QUOTED || ts->grammar == TOKEN_IN_COMMENT;
	size_t p = t->start, end = t->end;

	if (t->type == TOKEN_QUOTED) {
		p++;
		end--;
	}
	for (; p < end; p++) {
		if (pairs && ts->text[p] == '\\' && p + 1 < end)
			p++;
		if (ts->text[p] != '\r' && ts->text[p] != '\n')
			buf_putc(out, ts->text[p]);
	}
}

bool
token_is(const struct tokens *ts, size_t i, char c)
{
	return i < ts->count && ts->token[i].type == TOKEN_SPECIAL && ts->text[ts->token[i].start] == c;
}

bool
token_is_encoded_word(const char *s, size_t n)
{
	size_t i, questions = 0, place[4] = {0};

	for (i = 0; i < n; i++) {
		if (!isgraph((unsigned char)s[i]))
			return false;
		if (s[i] == '?') {
			if (questions == 4)
				return false;
			place[questions++] = i;
		}
	}
	return questions == 4 && s[0] == '=' && s[n - 1] == '=' && place[0] == 1 && place[3] == n - 2 && place[1] > 2 &&
	    place[2] == place[1] + 2 && strchr("qQbB", s[place[1] + 1]) != NULL;
}
