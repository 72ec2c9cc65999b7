/*
 * Over-long header lines folded (RFC 5322 sections 2.1.1 and 2.2.3). See encode_fold() in encode.h.
 *
 * One pass. The places where the line that is being written may be folded are remembered as they go by, the last of each class: before a
 * blank or after a comma; before a blank inside a quoted string; anywhere. The best class that has one is used when the line is full. A fold is
 * put before the last of several blanks, so that no line of blanks alone comes out; blanks that would make one are left out.
 */
#include <string.h>
#include "mail/encode.h"
#include "mail/fieldkind.h"
#include "mail/message.h"

struct folder {
	const char *text;
	size_t body;		/* no fold comes before the body */
	size_t start;		/* where the line being written begins in text */
	size_t added;		/* 1: a blank was put before it */
	size_t good;		/* last place of each class; start or before: none */
	size_t quoted;
	size_t anywhere;
	bool content;		/* the line holds more than blanks up to where we are */
	bool structured;	/* quoted strings and comments mean something */
	bool commas;
	bool in_quotes;
	unsigned depth;		/* of parentheses */
	bool escaped;		/* a backslash came before, in a quoted string or comment */
	struct buf out;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Follows quoted strings, comments and quoted pairs over the octet c. */
static void
follow(struct folder *f, char c)
{
	if (f->escaped)
		f->escaped = false;
	else if (c == '\\')
		f->escaped = f->in_quotes || f->depth > 0;
	else if (c == '"' && f->depth == 0)
		f->in_quotes = !f->in_quotes;
	else if (c == '(' && !f->in_quotes)
		f->depth++;
	else if (c == ')' && !f->in_quotes && f->depth > 0)
		f->depth--;
}

/* Remembers where the line may be folded before the octet at i. */
static void
remember(struct folder *f, size_t i)
{
	char c = f->text[i];

	if (!f->escaped && ((unsigned char)c & 0xc0) != 0x80)
		f->anywhere = i;
	if (is_blank(c))
		return;
	if (f->content && i > f->body && is_blank(f->text[i - 1])) {
		if (f->in_quotes)
			f->quoted = i - 1;
		else
			f->good = i - 1;
	} else if (f->commas && f->content && f->text[i - 1] == ',' && !f->in_quotes && f->depth == 0)
		f->good = i;
}

/* The line is full before the octet at i: writes it up to the best place, and begins another. */
static void
break_line(struct folder *f, size_t i)
{
	size_t at;

	if (!f->content) {
		f->start = is_blank(f->text[i]) ? i : i - 1;
		f->added = 0;
		return;
	}
	at = f->good > f->start ? f->good : f->quoted > f->start ? f->quoted : f->anywhere > f->start ? f->anywhere : i;
	buf_add(&f->out, f->text + f->start, at - f->start);
	buf_add(&f->out, "\r\n", 2);
	f->added = is_blank(f->text[at]) ? 0 : 1;
	if (f->added)
		buf_putc(&f->out, ' ');
	f->start = at;
	f->content = at + 1 - f->added < i;
}

/* Where the physical line that begins at i ends, before its CRLF. */
static size_t
line_end(const char *text, size_t len, size_t i)
{
	const char *p = memmem(text + i, len - i, "\r\n", 2);

	return p == NULL ? len : (size_t)(p - text);
}

static void
fold_line(struct folder *f, size_t start, size_t end)
{
	size_t i, stop = end;

	if (end - start > MESSAGE_LINE_MAX)
		while (stop > start && is_blank(f->text[stop - 1]))
			stop--;
	if (stop == start)
		return;
	f->start = f->good = f->quoted = f->anywhere = start;
	f->added = 0;
	f->content = false;
	for (i = start; i < stop; i++) {
		if (i > start && i >= f->body) {
			remember(f, i);
			while (i + f->added - f->start >= MESSAGE_LINE_MAX)
				break_line(f, i);
		}
		f->content = f->content || !is_blank(f->text[i]);
		if (f->structured)
			follow(f, f->text[i]);
	}
	buf_add(&f->out, f->text + f->start, stop - f->start);
	buf_add(&f->out, "\r\n", 2);
}

static bool
has_long_line(const struct field *field)
{
	size_t i, end;

	for (i = 0; i + MESSAGE_LINE_MAX < field->len; i = end + 2) {
		end = line_end(field->text, field->len, i);
		if (end - i > MESSAGE_LINE_MAX)
			return true;
	}
	return false;
}

bool
encode_fold(struct header *h, size_t i)
{
	struct field *field = &h->field[i];
	struct folder f = { .text = field->text, .body = field->body };
	enum field_kind kind;
	size_t at, end;

	if (!has_long_line(field))
		return false;
	kind = field_kind(field);
	f.structured = kind != FIELD_TEXT;
	f.commas = kind == FIELD_ADDRESSES || kind == FIELD_PHRASES;
	for (at = 0; at < field->len; at = end + 2) {
		end = line_end(field->text, field->len, at);
		fold_line(&f, at, end);
	}
	header_replace(h, i, f.out.data + field->body, f.out.len - field->body - 2);
	buf_free(&f.out);
	return true;
}
