/*
 * Memory that is there when it is asked for, and growing buffers. See mem.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem.h"

#define SMALL (64 * 1024)	/* octets of a buffer */

void *
mem_alloc(size_t n)
{
	void *p = calloc(1, n == 0 ? 1 : n);

	if (p == NULL)
		mem_exhausted();
	return p;
}

void *
mem_grow(void *p, size_t n, size_t size)
{
	p = reallocarray(p, n == 0 ? 1 : n, size);
	if (p == NULL)
		mem_exhausted();
	return p;
}

char *
mem_dup(const char *s)
{
	return mem_ndup(s, strlen(s));
}

char *
mem_ndup(const char *s, size_t n)
{
	char *p;

	if (n == SIZE_MAX)
		mem_exhausted();
	p = mem_alloc(n + 1);
	if (n > 0)
		memcpy(p, s, n);
	return p;
}

char *
mem_printf(const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	if (n < 0)
		mem_exhausted();
	return p;
}

/* Octets moved to larger memory; what may be a secret, which is never large, leaves nothing behind. */
static char *
move(char *data, size_t len, size_t old, size_t size)
{
	char *to;

	if (old > SMALL)
		return mem_grow(data, size, 1);
	to = mem_grow(NULL, size, 1);
	if (len > 0)
		memcpy(to, data, len);
	to[len] = '\0';
	if (data != NULL)
		explicit_bzero(data, old);
	free(data);
	return to;
}

char *
buf_room(struct buf *b, size_t n)
{
	size_t need, size;

	if (n > SIZE_MAX / 2 - b->len - 1)
		mem_exhausted();
	need = b->len + n + 1;
	if (need > b->size) {
		size = b->size < 64 ? 64 : b->size;
		while (size < need)
			size += size / 2;
		b->data = move(b->data, b->len, b->size, size);
		b->size = size;
	}
	return b->data + b->len;
}

void
buf_end(struct buf *b)
{
	b->data[b->len] = '\0';
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	char *to = buf_room(b, n);

	if (n > 0)
		memcpy(to, p, n);
	b->len += n;
	buf_end(b);
}

void
buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_putc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	char *p;
	int n = vasprintf(&p, fmt, ap);

	if (n < 0)
		mem_exhausted();
	buf_add(b, p, (size_t)n);
	explicit_bzero(p, (size_t)n);	/* it may be a credential, and b is wiped by whoever knows */
	free(p);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

const char *
buf_str(const struct buf *b)
{
	return b->data == NULL ? "" : b->data;
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

void
buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){0};
}

void
buf_wipe(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->size);
	buf_free(b);
}
