/*
 * Encoded words. See words.h.
 */
#include <string.h>
#include "base64.h"
#include "mail/encode.h"
#include "mail/words.h"

#define WORD_MAX	75	/* octets of an encoded word; RFC 2047 section 2 */

static const char alphanumeric[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

const char *
words_charset(const char *text, size_t n)
{
	return encode_is_utf8(text, n) ? "utf-8" : "unknown-8bit";
}

size_t
words_character(const char *text, size_t n, bool utf8)
{
	unsigned char c = (unsigned char)text[0];
	size_t len = !utf8 || c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	return len < n ? len : n;
}

static bool
q_plain(char c, bool strict)
{
	if (c == '\0')
		return false;
	if (strchr(alphanumeric, c) != NULL || strchr("!*+-/", c) != NULL)
		return true;
	return !strict && c > ' ' && c < 0x7f && strchr("=?_", c) == NULL;
}

static size_t
q_length(const char *text, size_t n, bool strict)
{
	size_t i, len = 0;

	for (i = 0; i < n; i++)
		len += text[i] == ' ' || q_plain(text[i], strict) ? 1 : 3;
	return len;
}

static void
q_add(struct buf *out, const char *text, size_t n, bool strict)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (text[i] == ' ')
			buf_putc(out, '_');
		else if (q_plain(text[i], strict))
			buf_putc(out, text[i]);
		else
			buf_printf(out, "=%02X", (unsigned)(unsigned char)text[i]);
	}
}

static size_t
b_length(size_t n)
{
	return (n + 2) / 3 * 4;
}

/* How many octets of the text, whole characters and at least one, fit into room octets of an encoded word. */
static size_t
fit(const char *text, size_t n, size_t room, bool utf8, bool b, bool strict)
{
	size_t take = 0, q = 0, next;

	while (take < n) {
		next = words_character(text + take, n - take, utf8);
		q += q_length(text + take, next, strict);
		if (take > 0 && (b ? b_length(take + next) : q) > room)
			break;
		take += next;
	}
	return take;
}

void
words_encode(struct line *l, const char *text, size_t n, bool strict)
{
	const char *charset = words_charset(text, n);
	bool utf8 = strcmp(charset, "utf-8") == 0;
	size_t left = q_length(text, n, strict), frame = strlen(charset) + strlen("=?" "?q?" "?=");
	bool b = b_length(n) < left;
	struct buf word = {0};
	size_t room, take;

	while (n > 0) {
		if (b)
			left = b_length(n);
		room = line_room(l, left + frame < WORD_MAX ? left + frame : WORD_MAX);
		if (room > WORD_MAX)
			room = WORD_MAX;
		take = fit(text, n, room > frame ? room - frame : 0, utf8, b, strict);
		buf_reset(&word);
		buf_printf(&word, "=?%s?%c?", charset, b ? 'b' : 'q');
		if (b)
			base64_encode(&word, text, take);
		else
			q_add(&word, text, take, strict);
		buf_puts(&word, "?=");
		line_word(l, word.data, word.len);
		left -= b ? 0 : q_length(text, take, strict);
		text += take;
		n -= take;
		if (n > 0)
			line_blank(l, " ", 1);
	}
	buf_free(&word);
	l->changed = true;
}

void
words_mark(struct tokens *ts)
{
	struct token *t;

	for (t = ts->token; t < ts->token + ts->count; t++) {
		if (t->type == TOKEN_WORD && t->raw)
			t->fate = TOKEN_ENCODE;
		else if (t->type == TOKEN_WORD && token_is_encoded_word(ts->text + t->start, t->end - t->start))
			t->fate = TOKEN_ENCODED;
	}
}

/* A comment that holds raw text: its words encoded, its parentheses and quoted pairs elsewhere kept. */
static void
put_comment(struct line *l, const char *comment, size_t n)
{
	struct tokens inner;

	tokens_parse(&inner, comment + 1, n - 2, TOKEN_IN_COMMENT);
	words_mark(&inner);
	line_word(l, "(", 1);
	words_put(l, &inner, 0, inner.count);
	line_word(l, ")", 1);
	tokens_free(&inner);
}

static void
put_token(struct line *l, const struct tokens *ts, size_t i)
{
	const struct token *t = &ts->token[i];
	const char *p = ts->text + t->start;
	size_t n = t->end - t->start;

	if (t->type == TOKEN_BLANK)
		line_blank(l, p, n);
	else if (t->type == TOKEN_COMMENT && t->raw)
		put_comment(l, p, n);
	else
		line_word(l, p, n);
}

static bool
has_fate(const struct tokens *ts, size_t i, size_t to, enum token_fate fate)
{
	return i < to && ts->token[i].fate == fate;
}

/* True where token i is blank and counts as part of encoded text: between two words to be encoded, or one and one that is already. */
static bool
is_inner_blank(const struct tokens *ts, size_t i, size_t from, size_t to)
{
	bool before, after;

	if (ts->token[i].type != TOKEN_BLANK || i == from)
		return false;
	before = has_fate(ts, i - 1, to, TOKEN_ENCODE);
	after = has_fate(ts, i + 1, to, TOKEN_ENCODE);
	return (before && after) || (before && has_fate(ts, i + 1, to, TOKEN_ENCODED)) ||
	    (after && has_fate(ts, i - 1, to, TOKEN_ENCODED));
}

/* Encodes the words from token i on that belong together. Returns the token after them. */
static size_t
put_run(struct line *l, const struct tokens *ts, size_t i, size_t from, size_t to)
{
	bool comment = ts->grammar == TOKEN_IN_COMMENT;
	struct buf text = {0};

	if (!comment || ts->token[i].type == TOKEN_BLANK)
		line_separate(l);
	while (i < to && (ts->token[i].fate == TOKEN_ENCODE || is_inner_blank(ts, i, from, to)))
		token_meaning(ts, i++, &text);
	words_encode(l, buf_str(&text), text.len, ts->grammar != TOKEN_IN_TEXT);
	buf_free(&text);
	if (i < to && ts->token[i].type != TOKEN_BLANK && (!comment || ts->token[i].fate == TOKEN_ENCODED))
		line_separate(l);
	return i;
}

void
words_put(struct line *l, const struct tokens *ts, size_t from, size_t to)
{
	size_t i = from;

	while (i < to) {
		if (ts->token[i].fate == TOKEN_ENCODE || is_inner_blank(ts, i, from, to))
			i = put_run(l, ts, i, from, to);
		else
			put_token(l, ts, i++);
	}
}
