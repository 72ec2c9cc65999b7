/*
 * Raw 8-bit text in header fields made fit for every hop. See encode.h; RFC 2047, RFC 2231, RFC 1428.
 *
 * A field body is cut into tokens (token.h), those to be encoded are marked here, and words.h and rfc2231.h write the body anew; what is not
 * marked is written as it was, but the lines of a field that changes are folded at 76 columns.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "mail/address.h"
#include "mail/encode.h"
#include "mail/fieldkind.h"
#include "mail/rfc2231.h"
#include "mail/words.h"

#define NAME_COLUMN	10	/* where a display name may begin: after "Reply-To: " */

/* Octets of the UTF-8 character at p, 0 where it is none (RFC 3629 section 4). */
static size_t
utf8_character(const unsigned char *p, size_t n)
{
	size_t len, i;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len > n)
		return 0;
	for (i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

bool
encode_is_utf8(const char *s, size_t n)
{
	size_t len, i;

	for (i = 0; i < n; i += len) {
		len = utf8_character((const unsigned char *)s + i, n - i);
		if (len == 0)
			return false;
	}
	return true;
}

bool
encode_is_8bit(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if ((unsigned char)s[i] > 127)
			return true;
	return false;
}

char *
encode_name(const char *name)
{
	struct line l = { .base = NAME_COLUMN };
	char *clean = mem_dup(name), *p, *phrase;

	for (p = clean; *p != '\0'; p++)
		if (iscntrl((unsigned char)*p))
			*p = ' ';
	if (!encode_is_8bit(clean, strlen(clean)))
		phrase = address_phrase(clean);
	else {
		words_encode(&l, clean, strlen(clean), true);
		phrase = mem_dup(buf_str(&l.out));
		buf_free(&l.out);
	}
	free(clean);
	return phrase;
}

/* Marks the words and quoted strings of tokens from..to-1, a phrase or part of one without comments or encoded words, where one of them is raw. */
static void
mark_part(struct tokens *ts, size_t from, size_t to)
{
	bool raw = false;
	size_t i;

	for (i = from; i < to; i++)
		raw = raw || ts->token[i].raw;
	for (i = from; i < to; i++)
		if (raw && ts->token[i].type != TOKEN_BLANK)
			ts->token[i].fate = TOKEN_ENCODE;
}

/* Marks what is to be encoded of the phrase in tokens from..to-1. */
static void
mark_phrase(struct tokens *ts, size_t from, size_t to)
{
	struct token *t;
	size_t i, part = from;

	for (i = from; i < to; i++) {
		t = &ts->token[i];
		if (t->type == TOKEN_WORD && token_is_encoded_word(ts->text + t->start, t->end - t->start))
			t->fate = TOKEN_ENCODED;
		if (t->type != TOKEN_COMMENT && t->fate != TOKEN_ENCODED)
			continue;
		mark_part(ts, part, i);
		part = i + 1;
	}
	mark_part(ts, part, to);
}

/*
 * Marks what is surely a phrase: nothing but words, quoted strings and comments between the beginning of an element and its
 * angle bracket or colon; with phrases_only (Keywords) also to its comma or end.
 */
static void
mark_phrases(struct tokens *ts, bool phrases_only)
{
	bool in_angle = false, other = false;
	size_t i, from = 0;

	for (i = 0; i < ts->count; i++) {
		if (in_angle) {
			in_angle = !token_is(ts, i, '>');
			continue;
		}
		if (token_is(ts, i, '<') || token_is(ts, i, ':') || (phrases_only && token_is(ts, i, ','))) {
			if (!other)
				mark_phrase(ts, from, i);
			in_angle = token_is(ts, i, '<');
			other = in_angle;
			from = i + 1;
		} else if (token_is(ts, i, ',') || token_is(ts, i, ';')) {
			from = i + 1;
			other = false;
		} else if (ts->token[i].type == TOKEN_SPECIAL || ts->token[i].type == TOKEN_OPAQUE)
			other = true;
	}
	if (phrases_only && !other)
		mark_phrase(ts, from, ts->count);
}

/* The body of a field of any kind but FIELD_PARAMETERS. False if it cannot be parsed. */
static bool
encode_tokens(struct line *l, const char *body, size_t len, enum field_kind kind)
{
	struct tokens ts;
	bool ok;

	ok = tokens_parse(&ts, body, len, kind == FIELD_TEXT ? TOKEN_IN_TEXT :
	    kind == FIELD_STRUCTURED ? TOKEN_IN_STRUCTURED : TOKEN_IN_ADDRESSES);
	if (kind == FIELD_TEXT)
		words_mark(&ts);
	else if (kind != FIELD_STRUCTURED)
		mark_phrases(&ts, kind == FIELD_PHRASES);
	words_put(l, &ts, 0, ts.count);
	tokens_free(&ts);
	return ok;
}

bool
encode_field(struct header *h, size_t i)
{
	enum field_kind kind = field_kind(&h->field[i]);
	struct line l = { .base = h->field[i].body };
	const char *body;
	bool changed;
	size_t len;

	body = header_body(&h->field[i], &len);
	if (!encode_is_8bit(body, len))
		return false;
	if (kind == FIELD_PARAMETERS)
		changed = rfc2231_encode(&l, body, len) && l.changed;
	else
		changed = encode_tokens(&l, body, len, kind) && l.changed;
	if (changed)
		header_replace(h, i, l.out.data, l.out.len);
	buf_free(&l.out);
	return changed;
}
