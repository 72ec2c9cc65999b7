/*
 * Octets from and to the client, in clear or through TLS.
 *
 * The socket does not block; every wait is a poll() without an end, since the
 * parent ends all children when the smarthost's time is over.
 */
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "smarthost.h"

#define COMMAND_MAX	512	/* RFC 5321 4.5.3.1.4, with CRLF */
#define COMMAND_MORE	2048	/* MAIL and RCPT with their parameters */
#define COMMAND_AUTH	12288	/* RFC 4954 4 */
#define DRAIN_MAX	65536
#define DRAIN_MS	2000

static void
await(const struct conn *c, short events)
{
	struct pollfd pfd = { .fd = c->fd, .events = events };

	while (poll(&pfd, 1, -1) < 0 && errno == EINTR)
		continue;
}

void
io_delay(unsigned long ms)
{
	struct timespec ts;

	ts.tv_sec = (time_t)(ms / 1000);
	ts.tv_nsec = (long)(ms % 1000) * 1000000;
	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		continue;
}

/* Octets moved, 0 for none yet (events says what to wait for), -1 for gone. */
static ssize_t
tls_result(struct conn *c, int done, const size_t *n, short *events)
{
	if (done == 1)
		return (ssize_t)*n;
	switch (SSL_get_error(c->ssl, done)) {
	case SSL_ERROR_WANT_READ:
		*events = POLLIN;
		return 0;
	case SSL_ERROR_WANT_WRITE:
		*events = POLLOUT;
		return 0;
	default:
		return -1;
	}
}

static ssize_t
send_some(struct conn *c, const char *data, size_t len, short *events)
{
	size_t n = 0;
	ssize_t sent;

	*events = POLLOUT;
	if (c->ssl != NULL)
		return tls_result(c, SSL_write_ex(c->ssl, data, len, &n), &n,
		    events);
	sent = send(c->fd, data, len, MSG_NOSIGNAL);
	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return sent;
}

bool
io_send(struct conn *c, const void *data, size_t len)
{
	const char *p = data;
	short events;
	ssize_t n;

	while (len > 0 && !c->gone) {
		n = send_some(c, p, len, &events);
		if (n < 0) {
			record_event(c, '#', "gone while we were sending");
			c->gone = true;
		} else if (n == 0)
			await(c, events);
		p += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return !c->gone;
}

static ssize_t
receive_some(struct conn *c, void *buf, size_t len, short *events)
{
	size_t n = 0;
	ssize_t got;

	*events = POLLIN;
	if (c->ssl != NULL)
		return tls_result(c, SSL_read_ex(c->ssl, buf, len, &n), &n,
		    events);
	got = recv(c->fd, buf, len, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return got == 0 ? -1 : got;
}

bool
io_fill(struct conn *c, bool wait)
{
	short events;
	ssize_t n;

	if (c->in_pos > 0) {
		memmove(c->in, c->in + c->in_pos, c->in_len - c->in_pos);
		c->in_len -= c->in_pos;
		c->in_pos = 0;
	}
	while (!c->eof && !c->gone && c->in_len < sizeof(c->in)) {
		n = receive_some(c, c->in + c->in_len,
		    sizeof(c->in) - c->in_len, &events);
		if (n > 0) {
			c->in_len += (size_t)n;
			return true;
		}
		if (n < 0)
			c->eof = true;
		else if (!wait)
			return false;
		else
			await(c, events);
	}
	return false;
}

size_t
io_pending(const struct conn *c)
{
	return c->in_len - c->in_pos;
}

static size_t
command_limit(const char *line)
{
	if (strncasecmp(line, "MAIL", 4) == 0 ||
	    strncasecmp(line, "RCPT", 4) == 0)
		return COMMAND_MORE;
	if (strncasecmp(line, "AUTH", 4) == 0 || strpbrk(line, " :") == NULL)
		return COMMAND_AUTH;
	return COMMAND_MAX;
}

/* What is wrong with the line that has been read, its CR not in it. */
static void
check_line(struct conn *c, bool cr)
{
	c->line[c->line_len] = '\0';
	if (!cr)
		record_violation(c, "bare-lf", "in a command line");
	if (memchr(c->line, '\r', c->line_len) != NULL)
		record_violation(c, "bare-cr", "in a command line");
	if (strlen(c->line) != c->line_len) {
		record_violation(c, "nul", "in a command line");
		c->line_bad = true;
	}
	if (c->line_len + 2 > command_limit(c->line))
		record_violation(c, "long-line", "a command of %zu octets%s",
		    c->line_len + 2, c->line_len == sizeof(c->line) - 1 ?
		    " or more" : "");
	record_line(c, 'C', c->line, c->line_len);
}

static void
line_put(struct conn *c, unsigned char ch)
{
	if (c->line_len < sizeof(c->line) - 1)
		c->line[c->line_len++] = (char)ch;
	else
		c->line_bad = true;
}

bool
io_line(struct conn *c)
{
	unsigned char ch;
	bool cr = false;

	c->line_len = 0;
	c->line_bad = false;
	c->unanswered = true;
	for (;;) {
		if (io_pending(c) == 0 && !io_fill(c, true)) {
			if (c->line_len > 0)
				record_event(c, '#', "half a line: %zu octets",
				    c->line_len);
			return false;
		}
		ch = c->in[c->in_pos++];
		if (ch == '\n')
			break;
		if (cr)
			line_put(c, '\r');
		cr = ch == '\r';
		if (!cr)
			line_put(c, ch);
	}
	check_line(c, cr);
	return true;
}

void
io_stall(struct conn *c)
{
	struct pollfd pfd = { .fd = c->fd, .events = POLLRDHUP };

	record_event(c, '#', "silent from now on");
	while (poll(&pfd, 1, -1) <= 0)
		continue;
	c->gone = true;
}

/* Takes what the client still sends, so that our FIN is not made a RST that
 * overtakes the last reply. */
static void
drain(const struct conn *c)
{
	struct pollfd pfd = { .fd = c->fd, .events = POLLIN };
	char buf[4096];
	size_t total = 0;
	ssize_t n;

	while (total < DRAIN_MAX && poll(&pfd, 1, DRAIN_MS) > 0) {
		n = recv(c->fd, buf, sizeof(buf), 0);
		if (n <= 0)
			return;
		total += (size_t)n;
	}
}

void
io_close(struct conn *c, bool polite)
{
	if (c->fd < 0)
		return;
	if (polite && c->ssl != NULL)
		SSL_shutdown(c->ssl);
	shutdown(c->fd, SHUT_WR);
	if (!c->eof)
		drain(c);
	close(c->fd);
	c->fd = -1;
	c->gone = true;
}

void
io_reset(struct conn *c)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (c->fd < 0)
		return;
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c->fd);
	c->fd = -1;
	c->gone = true;
}
