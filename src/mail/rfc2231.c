/*
 * Parameters in the form of RFC 2231. See rfc2231.h.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "mail/rfc2231.h"
#include "mail/token.h"
#include "mail/words.h"

#define NAME_MAX_LEN	40	/* longer names are left alone: they would be repeated with each piece */
#define PARAMETERS_MAX	32	/* raw parameters; a field with more is nobody's honest work, and left alone */

/* A parameter: tokens first (its semicolon) to end-1. */
struct parameter {
	size_t first;
	size_t end;
	size_t name;		/* its token */
	size_t value;		/* first token of the value, 0: it is no parameter; value_end: the one after its last */
	size_t value_end;
	bool raw;		/* has a value with raw text, and a name that may be encoded */
};

static size_t
skip_blank(const struct tokens *ts, size_t i, size_t end)
{
	while (i < end && (ts->token[i].type == TOKEN_BLANK || ts->token[i].type == TOKEN_COMMENT))
		i++;
	return i;
}

static const char *
name_of(const struct tokens *ts, size_t i, size_t *len)
{
	*len = ts->token[i].end - ts->token[i].start;
	return ts->text + ts->token[i].start;
}

static bool
encodable_name(const struct tokens *ts, size_t i)
{
	const char *name;
	size_t len;

	name = name_of(ts, i, &len);
	return !ts->token[i].raw && len <= NAME_MAX_LEN && memchr(name, '*', len) == NULL &&
	    !(len == 8 && strncasecmp(name, "boundary", 8) == 0);
}

/* The parameter that begins with the semicolon at i. */
static struct parameter
parameter_at(const struct tokens *ts, size_t i)
{
	struct parameter p = { .first = i, .end = i + 1 };
	size_t k;

	while (p.end < ts->count && !token_is(ts, p.end, ';'))
		p.end++;
	p.name = skip_blank(ts, i + 1, p.end);
	if (p.name == p.end || ts->token[p.name].type != TOKEN_WORD)
		return p;
	k = skip_blank(ts, p.name + 1, p.end);
	if (k == p.end || !token_is(ts, k, '='))
		return p;
	p.value = p.value_end = skip_blank(ts, k + 1, p.end);
	if (p.value == p.end)
		return p;
	if (ts->token[p.value].type == TOKEN_QUOTED)
		p.value_end++;
	else
		for (k = p.value; k < p.end; k++)
			if (ts->token[k].type == TOKEN_WORD)
				p.value_end = k + 1;
	for (k = p.value; k < p.value_end; k++)
		p.raw = p.raw || ts->token[k].raw;
	p.raw = p.raw && encodable_name(ts, p.name);
	return p;
}

/* The first semicolon. */
static size_t
first_parameter(const struct tokens *ts)
{
	size_t i = 0;

	while (i < ts->count && !token_is(ts, i, ';'))
		i++;
	return i;
}

/* True where there is a parameter of the same name in extended form. */
static bool
has_extended(const struct tokens *ts, const struct parameter *p)
{
	const char *name, *other;
	struct parameter q;
	size_t len, other_len, i;

	name = name_of(ts, p->name, &len);
	for (i = first_parameter(ts); i < ts->count; i = q.end) {
		q = parameter_at(ts, i);
		if (q.value == 0)
			continue;
		other = name_of(ts, q.name, &other_len);
		if (other_len > len && other[len] == '*' && strncasecmp(name, other, len) == 0)
			return true;
	}
	return false;
}

/* True for attribute-char (RFC 2231 section 7). */
static bool
is_plain(char c)
{
	return isascii((unsigned char)c) && isgraph((unsigned char)c) && strchr("*'%()<>@,;:\\\"/[]?=", c) == NULL;
}

static size_t
encoded_length(const char *s, size_t n)
{
	size_t i, len = 0;

	for (i = 0; i < n; i++)
		len += is_plain(s[i]) ? 1 : 3;
	return len;
}

static void
add_encoded(struct buf *out, const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (is_plain(s[i]))
			buf_putc(out, s[i]);
		else
			buf_printf(out, "%%%02X", (unsigned)(unsigned char)s[i]);
	}
}

/* name*0*=utf-8''...; name*1*=...: as many pieces as it takes, whole characters in each. */
static void
put_pieces(struct line *l, const char *name, size_t name_len, const char *value, size_t n)
{
	const char *charset = words_charset(value, n);
	bool utf8 = strcmp(charset, "utf-8") == 0;
	struct buf piece = {0};
	size_t room, used, take, next, k;

	for (k = 0; n > 0; k++) {
		buf_reset(&piece);
		buf_printf(&piece, "%.*s*%zu*=", (int)name_len, name, k);
		if (k == 0)
			buf_printf(&piece, "%s''", charset);
		room = line_room(l, LINE_WIDTH - 1);
		for (take = 0; take < n; take += next) {
			next = words_character(value + take, n - take, utf8);
			used = piece.len + encoded_length(value + take, next) + 1;
			if (take > 0 && used > room)
				break;
			add_encoded(&piece, value + take, next);
		}
		value += take;
		n -= take;
		if (n > 0)
			buf_putc(&piece, ';');
		line_word(l, piece.data, piece.len);
		if (n > 0)
			line_blank(l, " ", 1);
	}
	buf_free(&piece);
}

static void
put_value(struct line *l, const char *name, size_t name_len, const char *value, size_t n)
{
	const char *charset = words_charset(value, n);
	struct buf whole = {0};

	if (name_len + strlen(charset) + encoded_length(value, n) + strlen(" *='';") > LINE_WIDTH) {
		put_pieces(l, name, name_len, value, n);
		return;
	}
	buf_printf(&whole, "%.*s*=%s''", (int)name_len, name, charset);
	add_encoded(&whole, value, n);
	line_room(l, whole.len + 1);
	line_word(l, whole.data, whole.len);
	buf_free(&whole);
}

static void
put_parameter(struct line *l, const struct tokens *ts, const struct parameter *p)
{
	struct buf value = {0};
	const char *name;
	size_t i, len;

	l->changed = true;
	if (has_extended(ts, p))
		return;
	words_put(l, ts, p->first, p->name);
	line_separate(l);
	for (i = p->value; i < p->value_end; i++)
		token_meaning(ts, i, &value);
	name = name_of(ts, p->name, &len);
	put_value(l, name, len, buf_str(&value), value.len);
	buf_free(&value);
	words_put(l, ts, p->value_end, p->end);
}

static size_t
count_raw(const struct tokens *ts)
{
	struct parameter p;
	size_t i, count = 0;

	for (i = first_parameter(ts); i < ts->count; i = p.end) {
		p = parameter_at(ts, i);
		count += p.raw ? 1 : 0;
	}
	return count;
}

bool
rfc2231_encode(struct line *l, const char *body, size_t len)
{
	struct parameter p;
	struct tokens ts;
	size_t i;
	bool ok;

	ok = tokens_parse(&ts, body, len, TOKEN_IN_PARAMETERS) && count_raw(&ts) <= PARAMETERS_MAX;
	if (ok) {
		i = first_parameter(&ts);
		words_put(l, &ts, 0, i);
		for (; i < ts.count; i = p.end) {
			p = parameter_at(&ts, i);
			if (p.raw)
				put_parameter(l, &ts, &p);
			else
				words_put(l, &ts, p.first, p.end);
		}
	}
	tokens_free(&ts);
	return ok;
}
