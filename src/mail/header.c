/*
 * The header block as a list of fields. See header.h.
 *
 * Owns the text of each field. RFC 5322 sections 2.2 and 3.6, with the obsolete forms of 4.5 (blanks before the colon).
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "mail/header.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

size_t
header_name(const char *line, size_t len)
{
	size_t n = 0, i;

	while (n < len && line[n] > ' ' && line[n] < 0x7f && line[n] != ':')
		n++;
	for (i = n; i < len && is_blank(line[i]); i++)
		;
	return i < len && line[i] == ':' ? n : 0;
}

/* The room for one more field at place i. */
static struct field *
make_room(struct header *h, size_t i)
{
	if (h->count == h->size) {
		h->size = h->size == 0 ? 32 : h->size * 2;
		h->field = mem_grow(h->field, h->size, sizeof(*h->field));
	}
	memmove(h->field + i + 1, h->field + i, (h->count - i) * sizeof(*h->field));
	h->count++;
	return h->field + i;
}

/* Puts text, which becomes the header's own, into place i. It must begin with a name and a colon. */
static void
insert(struct header *h, size_t i, char *text, size_t len)
{
	struct field *f = make_room(h, i);
	const char *colon = memchr(text, ':', len);

	f->text = text;
	f->len = len;
	f->name_len = header_name(text, len);
	f->body = colon == NULL ? len : (size_t)(colon - text) + 1;
}

/* Length of the line at p with its line end. */
static size_t
line_length(const char *p, size_t n)
{
	const char *end = memchr(p, '\n', n);

	return end == NULL ? n : (size_t)(end - p) + 1;
}

void
header_parse(struct header *h, const char *block, size_t len)
{
	size_t start = 0, end;

	while (start < len) {
		end = start + line_length(block + start, len - start);
		while (end < len && is_blank(block[end]))
			end += line_length(block + end, len - end);
		if (header_name(block + start, end - start) > 0)
			insert(h, h->count, mem_ndup(block + start, end - start), end - start);
		start = end;
	}
}

bool
header_is(const struct field *f, const char *name)
{
	return strlen(name) == f->name_len && strncasecmp(f->text, name, f->name_len) == 0;
}

ptrdiff_t
header_find(const struct header *h, const char *name, size_t from)
{
	for (size_t i = from; i < h->count; i++)
		if (header_is(h->field + i, name))
			return (ptrdiff_t)i;
	return -1;
}

const char *
header_body(const struct field *f, size_t *len)
{
	size_t end = f->len;

	if (end > f->body && f->text[end - 1] == '\n')
		end--;
	if (end > f->body && f->text[end - 1] == '\r')
		end--;
	*len = end - f->body;
	return f->text + f->body;
}

size_t
header_drop_from(struct header *h, const char *name, size_t from)
{
	size_t kept = from, dropped;

	if (from >= h->count)
		return 0;
	for (size_t i = from; i < h->count; i++) {
		if (header_is(h->field + i, name))
			free(h->field[i].text);
		else
			h->field[kept++] = h->field[i];
	}
	dropped = h->count - kept;
	h->count = kept;
	return dropped;
}

size_t
header_drop(struct header *h, const char *name)
{
	return header_drop_from(h, name, 0);
}

void
header_replace(struct header *h, size_t i, const char *body, size_t len)
{
	struct field *f = h->field + i;
	struct buf text = {0};

	buf_add(&text, f->text, f->body);
	buf_add(&text, body, len);
	buf_puts(&text, "\r\n");
	free(f->text);
	f->text = text.data;
	f->len = text.len;
}

static void
add_line(struct header *h, size_t i, const char *text)
{
	char *line = mem_printf("%s\r\n", text);

	insert(h, i, line, strlen(line));
}

void
header_prepend(struct header *h, const char *text)
{
	add_line(h, 0, text);
}

void
header_append(struct header *h, const char *text)
{
	add_line(h, h->count, text);
}

void
header_write(const struct header *h, struct buf *out)
{
	for (size_t i = 0; i < h->count; i++)
		buf_add(out, h->field[i].text, h->field[i].len);
}

void
header_free(struct header *h)
{
	for (size_t i = 0; i < h->count; i++)
		free(h->field[i].text);
	free(h->field);
	*h = (struct header){0};
}
