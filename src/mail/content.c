/*
 * What a MIME header says. See content.h.
 *
 * Owns the grammar of Content-Type: comments and folds anywhere between tokens, parameters quoted or not (RFC 2045 section 5.1). A
 * parameter that is split or has a charset (RFC 2231) is not put together: a boundary given so makes the whole opaque, which is safe.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "mail/content.h"

struct text {
	const char *p;
	const char *end;
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
at(const struct text *t, char c)
{
	return t->p < t->end && *t->p == c;
}

/* Over a comment with the comments in it. */
static void
skip_comment(struct text *t)
{
	size_t depth = 0;

	do {
		if (*t->p == '(')
			depth++;
		else if (*t->p == ')')
			depth--;
		else if (*t->p == '\\' && t->p + 1 < t->end)
			t->p++;
		t->p++;
	} while (t->p < t->end && depth > 0);
}

static void
skip_blanks(struct text *t)
{
	while (t->p < t->end) {
		if (*t->p == '(')
			skip_comment(t);
		else if (is_space(*t->p))
			t->p++;
		else
			return;
	}
}

/* The token here and its length, which may be 0; blanks on both sides are skipped. */
static const char *
token(struct text *t, size_t *len)
{
	const char *start;

	skip_blanks(t);
	for (start = t->p; t->p < t->end && !is_space(*t->p) && strchr("()<>@,;:\\\"/[]?=", *t->p) == NULL; t->p++)
		;
	*len = (size_t)(t->p - start);
	skip_blanks(t);
	return start;
}

static bool
same(const char *p, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(p, word, len) == 0;
}

static void
quoted_value(struct text *t, struct buf *value)
{
	for (t->p++; t->p < t->end && *t->p != '"'; t->p++) {
		if (*t->p == '\\' && t->p + 1 < t->end)
			t->p++;
		if (*t->p != '\r' && *t->p != '\n')
			buf_putc(value, *t->p);
	}
	if (t->p < t->end)
		t->p++;
}

/* The value of a parameter. One that is not quoted goes up to a blank or semicolon: boundaries hold what no token may. */
static void
parameter_value(struct text *t, struct buf *value)
{
	const char *start;

	skip_blanks(t);
	if (at(t, '"')) {
		quoted_value(t, value);
		return;
	}
	for (start = t->p; t->p < t->end && !is_space(*t->p) && *t->p != ';'; t->p++)
		;
	buf_add(value, start, (size_t)(t->p - start));
}

/* To behind the next semicolon that stands outside quotes and comments; false where there is none. */
static bool
next_parameter(struct text *t)
{
	struct buf dropped = {0};

	while (t->p < t->end && *t->p != ';') {
		if (*t->p == '(')
			skip_comment(t);
		else if (*t->p == '"')
			quoted_value(t, &dropped);
		else
			t->p++;
	}
	buf_free(&dropped);
	if (t->p == t->end)
		return false;
	t->p++;
	return true;
}

/* The boundary among the parameters, or NULL where there is none that can be one. */
static char *
find_boundary(struct text *t)
{
	struct buf value = {0};
	const char *name;
	size_t len;
	bool found = false;

	while (!found && next_parameter(t)) {
		name = token(t, &len);
		if (!at(t, '='))
			continue;
		t->p++;
		buf_reset(&value);
		parameter_value(t, &value);
		found = same(name, len, "boundary");
	}
	while (found && value.len > 0 && is_space(value.data[value.len - 1]))
		value.data[--value.len] = '\0';
	if (found && value.len > 0 && value.len <= CONTENT_BOUNDARY_MAX)
		return value.data;
	buf_free(&value);
	return NULL;
}

static enum content_kind
kind_of_type(const struct field *f, char **boundary, bool *in_digest)
{
	struct text t;
	const char *type, *subtype;
	size_t type_len, subtype_len, len;

	t.p = header_body(f, &len);
	t.end = t.p + len;
	type = token(&t, &type_len);
	if (!at(&t, '/'))
		return same(type, type_len, "text") && (t.p == t.end || *t.p == ';') ? CONTENT_TEXT : CONTENT_OPAQUE;
	t.p++;
	subtype = token(&t, &subtype_len);
	if (same(type, type_len, "text"))
		return CONTENT_TEXT;
	if (same(type, type_len, "message") && same(subtype, subtype_len, "rfc822"))
		return CONTENT_MESSAGE;
	if (!same(type, type_len, "multipart") || same(subtype, subtype_len, "signed") || same(subtype, subtype_len, "encrypted"))
		return CONTENT_OPAQUE;
	*in_digest = same(subtype, subtype_len, "digest");
	*boundary = find_boundary(&t);
	return *boundary != NULL ? CONTENT_MULTIPART : CONTENT_OPAQUE;
}

/* True where the encoding that the field declares is one of the words. */
static bool
is_encoding(const struct field *f, const char *const *words)
{
	struct text t;
	const char *name;
	size_t len;

	t.p = header_body(f, &len);
	t.end = t.p + len;
	name = token(&t, &len);
	if (t.p < t.end)
		return false;
	for (; *words != NULL; words++)
		if (same(name, len, *words))
			return true;
	return false;
}

/* True where every Content-Transfer-Encoding says that there is none. */
static bool
is_plain(const struct header *h)
{
	static const char *const none[] = { "7bit", "8bit", "binary", "", NULL };
	ptrdiff_t i = -1;

	while ((i = header_find(h, "Content-Transfer-Encoding", (size_t)(i + 1))) >= 0)
		if (!is_encoding(&h->field[i], none))
			return false;
	return true;
}

enum content_kind
content_kind(const struct header *h, bool digest, char **boundary, bool *in_digest)
{
	ptrdiff_t i = header_find(h, "Content-Type", 0);

	*boundary = NULL;
	*in_digest = false;
	if (!is_plain(h))
		return CONTENT_OPAQUE;
	if (i < 0)
		return digest ? CONTENT_MESSAGE : CONTENT_TEXT;
	if (header_find(h, "Content-Type", (size_t)i + 1) >= 0)
		return CONTENT_OPAQUE;
	return kind_of_type(&h->field[i], boundary, in_digest);
}

bool
content_is_wide(const struct header *h)
{
	static const char *const wide[] = { "8bit", "binary", NULL };
	ptrdiff_t i = header_find(h, "Content-Transfer-Encoding", 0);

	return i >= 0 && is_encoding(&h->field[i], wide);
}

void
content_set_encoding(struct header *h, const char *encoding)
{
	static const char name[] = "Content-Transfer-Encoding";
	ptrdiff_t i = header_find(h, name, 0);
	char *text;

	if (i < 0) {
		text = mem_printf("%s: %s", name, encoding);
		header_append(h, text);
	} else {
		text = mem_printf(" %s", encoding);
		header_replace(h, (size_t)i, text, strlen(text));
		header_drop_from(h, name, (size_t)i + 1);
	}
	free(text);
}
