/*
 * Any header through repair_header(). What comes out must be a header still, with lines of at most 998 octets, without Bcc, and
 * repairing it must come to an end: encoding may make an address of what was none, which is then completed, but a third time changes
 * nothing. The first octet of the input chooses what is asked for.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "mail/repair.h"

enum { ENCODE = 1, OVERRIDE = 2, EIGHT_BIT = 4, UTF8 = 8, NAMED = 16, NO_DOMAIN = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
require(bool ok)
{
	if (!ok)
		abort();
}

/* The lines of the input as message.c would hand them on: CRLF at their ends, no NUL, no other CR, nothing but fields. */
static void
make_header(struct header *h, const char *p, size_t n)
{
	struct buf block = {0}, line = {0};
	size_t i;

	for (i = 0; i <= n; i++) {
		if (i < n && p[i] != '\n') {
			if (p[i] != '\0' && p[i] != '\r')
				buf_putc(&line, p[i]);
			continue;
		}
		if (line.len > 0 && (header_name(line.data, line.len) > 0 || (block.len > 0 && strchr(" \t", line.data[0]) != NULL))) {
			buf_add(&block, line.data, line.len);
			buf_puts(&block, "\r\n");
		}
		buf_reset(&line);
	}
	if (block.len > 0)
		header_parse(h, block.data, block.len);
	buf_free(&block);
	buf_free(&line);
}

/* Every line but the first begins with a blank, none is empty, none too long; a name may be of any length. */
static void
check_field(const struct field *f)
{
	const char *p = f->text, *end;

	require(f->len >= 3 && strlen(f->text) == f->len && header_name(f->text, f->len) == f->name_len && f->name_len > 0);
	require(f->text[f->body - 1] == ':');
	for (; *p != '\0'; p = end + 2) {
		end = strstr(p, "\r\n");
		require(end != NULL && end > p && memchr(p, '\n', (size_t)(end - p)) == NULL);
		require(p == f->text || *p == ' ' || *p == '\t');
		require(end - p <= MESSAGE_LINE_MAX || (p == f->text && f->body > MESSAGE_LINE_MAX - 1));
	}
	require(!header_is(f, "Bcc") && !header_is(f, "Resent-Bcc") && !header_is(f, "Return-Path"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct repair r = { .domain = "example.org", .sender = "user@example.com", .now = 1700000000 };
	struct message m = {0};
	struct buf first = {0}, second = {0};
	size_t i;

	if (size == 0)
		return 0;
	make_header(&m.header, (const char *)data + 1, size - 1);
	r.encode = (data[0] & ENCODE) != 0;
	r.override_from = (data[0] & OVERRIDE) != 0 ? "app@example.net" : NULL;
	r.full_name = (data[0] & NAMED) != 0 ? "J\xc3\xb6rg \"X\"" : NULL;
	if ((data[0] & NO_DOMAIN) != 0)
		r.domain = NULL;
	m.eight_bit = (data[0] & EIGHT_BIT) != 0;
	m.utf8 = (data[0] & UTF8) != 0;
	repair_header(&m, &r);
	for (i = 0; i < m.header.count; i++)
		check_field(&m.header.field[i]);
	repair_header(&m, &r);
	header_write(&m.header, &first);
	repair_header(&m, &r);
	header_write(&m.header, &second);
	require(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	buf_free(&first);
	buf_free(&second);
	header_free(&m.header);
	return 0;
}
