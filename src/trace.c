/*
 * The dialogue with the smarthost, shown as it happens. See trace.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include "mem.h"
#include "printable.h"
#include "trace.h"

#define TRACE_LINE_MAX 1024	/* octets of a line that are shown */

void
trace_init(struct trace *t, int fd)
{
	t->fd = fd;
	t->start = clock_now();
	t->tls = false;
}

/* A terminal or pipe that does not take it loses the dialogue, not the mail. */
static void
put(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t r = write(fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return;
		p += r;
		n -= (size_t)r;
	}
}

void
trace_line(struct trace *t, char dir, const char *line, size_t len)
{
	struct buf b = {0};

	if (t == NULL || t->fd < 0)
		return;
	buf_printf(&b, "%6lld ms %s %s ", (long long)(clock_now() - t->start), t->tls ? "tls  " : "clear",
	    dir == '>' ? "C:" : dir == '<' ? "S:" : "* ");
	printable_add(&b, line, len, TRACE_LINE_MAX);
	buf_putc(&b, '\n');
	put(t->fd, b.data, b.len);
	buf_free(&b);
}

void
trace_note(struct trace *t, const char *fmt, ...)
{
	va_list ap;
	struct buf b = {0};

	if (t == NULL || t->fd < 0)
		return;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	trace_line(t, '*', b.data, b.len);
	buf_free(&b);
}
