/*
 * The dialogue with the smarthost, shown as it happens, and kept. See trace.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "log.h"
#include "mem.h"
#include "printable.h"
#include "put.h"
#include "trace.h"

#define TRACE_WAIT 2000		/* milliseconds that it may stand still: the mail has to go on */
#define TRACE_LINE_MAX 1024	/* octets of a line that are shown */

void
trace_init(struct trace *t, int fd, const char *transcript)
{
	*t = (struct trace){.fd = fd, .start = clock_now(), .transcript = transcript};
}

/* No more of this run goes into the transcript. */
static void
give_up(struct trace *t, const char *why)
{
	log_remember("the transcript", t->transcript, why);
	t->transcript = NULL;
}

/* Appends whole lines by one write, so that those of several runs do not mix; opened each time, so that the file may be rotated. */
static void
keep(struct trace *t, const char *line)
{
	struct buf b = {0};
	char stamp[40];
	ssize_t n = -1;
	int fd;

	clock_stamp(stamp, sizeof(stamp));
	if (t->run[0] == '\0') {
		(void)snprintf(t->run, sizeof(t->run), "%08x", arc4random());
		buf_printf(&b, "%s %s      0 ms       *  process %ld of user %ld\n", stamp, t->run, (long)getpid(), (long)getuid());
	}
	buf_printf(&b, "%s %s %s", stamp, t->run, line);
	fd = open(t->transcript, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
	do
		n = fd == -1 ? -1 : write(fd, b.data, b.len);
	while (n == -1 && fd != -1 && errno == EINTR);
	if (n != (ssize_t)b.len)
		give_up(t, n == -1 ? strerror(errno) : "no room for a whole line");
	if (fd != -1)
		(void)close(fd);
	buf_free(&b);
}

void
trace_line(struct trace *t, char dir, const char *line, size_t len)
{
	struct buf b = {0};

	if (t == NULL || (t->fd < 0 && t->transcript == NULL))
		return;
	buf_printf(&b, "%6lld ms %s %s ", (long long)(clock_now() - t->start), t->tls ? "tls  " : "clear",
	    dir == '>' ? "C:" : dir == '<' ? "S:" : "* ");
	printable_add(&b, line, len, TRACE_LINE_MAX);
	buf_putc(&b, '\n');
	/* A terminal or pipe that does not take it loses the dialogue, not the mail. */
	if (t->fd >= 0 && put(t->fd, b.data, b.len, TRACE_WAIT) == -1)
		t->fd = -1;
	if (t->transcript != NULL)
		keep(t, b.data);
	buf_free(&b);
}

void
trace_note(struct trace *t, const char *fmt, ...)
{
	va_list ap;
	struct buf b = {0};

	if (t == NULL || (t->fd < 0 && t->transcript == NULL))
		return;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	trace_line(t, '*', b.data, b.len);
	buf_free(&b);
}
