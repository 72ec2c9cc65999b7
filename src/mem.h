/*
 * Memory that is there when it is asked for, and growing buffers.
 *
 * Nothing in this program can go on without memory, so nothing checks for it: where there is none, mem_exhausted() is called,
 * which main.c defines (it reads standard input to its end, says so and exits 71; nothing was sent then, or the line to the
 * smarthost is cut before the end of data, which sends nothing either). Tests define their own.
 */
#ifndef MEM_H
#define MEM_H

#include <stdarg.h>
#include <stddef.h>

/* Called when memory runs out or a size overflows. Does not return. */
_Noreturn void mem_exhausted(void);

/* n octets, all zero. The caller frees them. */
void *mem_alloc(size_t n);

/* p (or NULL) made n elements of the given size; new ones are not initialised. The caller frees the result instead of p. */
void *mem_grow(void *p, size_t n, size_t size);

/* A copy of the string, of n octets of it, or a string made by printf rules. The caller frees it. */
char *mem_dup(const char *s);
char *mem_ndup(const char *s, size_t n);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Octets that grow. All zero is an empty one. data[len] is always a NUL once anything was added, which is not counted in len;
 * data is NULL before.
 */
struct buf {
	char *data;
	size_t len;
	size_t size;
};

void buf_add(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* Makes room for n more octets and returns where they go; the caller writes them and adds to len, then calls buf_end(). */
char *buf_room(struct buf *b, size_t n);
void buf_end(struct buf *b);

/* The content as a string, never NULL. Valid until the next change. */
const char *buf_str(const struct buf *b);

void buf_reset(struct buf *b);	/* empty, memory kept */
void buf_free(struct buf *b);	/* empty, memory given back */
void buf_wipe(struct buf *b);	/* the same, overwritten first: for secrets */

#endif
