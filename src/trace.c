/*
 * The dialogue with the smarthost, shown as it happens. See trace.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include "mem.h"
#include "printable.h"
#include "put.h"
#include "trace.h"

#define TRACE_WAIT 2000		/* milliseconds that it may stand still: the mail has to go on */
#define TRACE_LINE_MAX 1024	/* octets of a line that are shown */

void
trace_init(struct trace *t, int fd)
{
	t->fd = fd;
	t->start = clock_now();
	t->tls = false;
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
	/* A terminal or pipe that does not take it loses the dialogue, not the mail. */
	if (put(t->fd, b.data, b.len, TRACE_WAIT) == -1)
		t->fd = -1;
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
