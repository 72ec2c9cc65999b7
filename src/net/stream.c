/*
 * Octets with one deadline, over TCP or TLS: the one place that waits for a socket once it is connected. See stream.h.
 *
 * A read or a write is one non-blocking step, in clear or in TLS; who has to wait polls for what that step asked for, never beyond the
 * deadline. A step is not even tried once the deadline has passed, so that a peer that sends an octet now and then gains nothing.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>
#include "net/stream.h"

#define RECORD 16384			/* the largest TLS record (RFC 8446 section 5.1), and one piece of work without TLS */
#define INPUT_MAX ((size_t)1 << 20)	/* read ahead while a write waits, no further */

static const char closed_words[] = "the smarthost closed the connection";
static const char timeout_words[] = "no answer before the deadline";

void
stream_init(struct stream *s, int fd, msec deadline)
{
	*s = (struct stream){.fd = fd, .deadline = deadline, .said = true};
}

/* The first failure is the one that is told. */
static int
fail(struct stream *s, enum stream_error error, const char *why)
{
	if (s->error == STREAM_OK) {
		s->error = error;
		(void)strlcpy(s->why, why, sizeof(s->why));
	}
	return -1;
}

/* One step: octets read, TLS_EOF, TLS_WANT_READ or TLS_WANT_WRITE; TLS_FAILED: the error is noted. */
static ptrdiff_t
step_read(struct stream *s, void *p, size_t n)
{
	ssize_t r;

	if (s->tls != NULL) {
		r = tls_read(s->tls, p, n);
		if (r == TLS_FAILED)
			(void)fail(s, STREAM_LOST, tls_error(s->tls));
		return r;
	}
	do
		r = recv(s->fd, p, n, MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	if (r >= 0)
		return r;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return TLS_WANT_READ;
	(void)fail(s, STREAM_LOST, strerror(errno));
	return TLS_FAILED;
}

/* The same for writing; a failure is not noted yet, but put into words. */
static ptrdiff_t
step_write(struct stream *s, const void *p, size_t n, const char **why)
{
	ssize_t r;

	if (s->tls != NULL) {
		r = tls_write(s->tls, p, n);
		if (r == TLS_FAILED || r == TLS_EOF)
			*why = tls_error(s->tls);
		return r == TLS_EOF ? TLS_FAILED : r;
	}
	do
		r = send(s->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	if (r >= 0)
		return r;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return TLS_WANT_WRITE;
	*why = errno == EPIPE ? closed_words : strerror(errno);
	return TLS_FAILED;
}

static int
expired(struct stream *s)
{
	if (clock_left(s->deadline) == 0)
		return fail(s, STREAM_TIMEOUT, timeout_words);
	return 0;
}

/* Waits until the socket is ready for any of the events. What it is ready for, or -1. */
static int
await(struct stream *s, short events)
{
	struct pollfd p = {.fd = s->fd, .events = events};
	int n;

	do {
		if (expired(s) == -1)
			return -1;
		n = poll(&p, 1, clock_left(s->deadline));
		if (n < 0 && errno != EINTR)
			return fail(s, STREAM_LOST, strerror(errno));
	} while (n <= 0);
	return p.revents;
}

/* Gives back the room of what was taken, but moves the rest only when it is the smaller part. */
static void
compact(struct stream *s)
{
	if (s->in_at < s->in.len - s->in_at)
		return;
	s->in.len -= s->in_at;
	if (s->in.len > 0)
		memmove(s->in.data, s->in.data + s->in_at, s->in.len);
	s->in_at = 0;
}

/* One step of reading into the input. As step_read(). */
static ptrdiff_t
take(struct stream *s)
{
	ptrdiff_t r;

	compact(s);
	r = step_read(s, buf_room(&s->in, RECORD), RECORD);
	s->said = false;
	if (r > 0) {
		s->in.len += (size_t)r;
		if (s->in.len > s->in_most)
			s->in_most = s->in.len;
		buf_end(&s->in);
	}
	return r;
}

/* TLS has read ahead. */
static bool
has_octets(const struct stream *s)
{
	return s->tls != NULL && tls_has_octets(s->tls);
}

/* Waits until there is more input. */
static int
fill(struct stream *s)
{
	for (;;) {
		ptrdiff_t r;

		if (expired(s) == -1 || (s->said && !has_octets(s) && await(s, POLLIN) == -1))
			return -1;
		r = take(s);
		if (r > 0)
			return 0;
		if (r == TLS_EOF)
			return fail(s, STREAM_CLOSED, closed_words);
		if (r == TLS_FAILED || await(s, r == TLS_WANT_WRITE ? POLLOUT : POLLIN) == -1)
			return -1;
	}
}

/* Reads what is there without waiting for more. -1: the other side has ended the connection, or it is broken. */
static int
take_all(struct stream *s)
{
	ptrdiff_t r = 1;

	while (r > 0 && stream_pending(s) < INPUT_MAX) {
		if (expired(s) == -1)
			return -1;
		r = take(s);
	}
	if (r == TLS_EOF)
		return fail(s, STREAM_CLOSED, closed_words);
	if (r == TLS_WANT_WRITE)	/* TLS has words of its own to say first: what there is to read does not help */
		return await(s, POLLOUT) == -1 ? -1 : 0;
	return r == TLS_FAILED ? -1 : 0;
}

/* Waits until a write may go on, and reads meanwhile: a peer that cannot send its replies takes no more commands. */
static int
await_write(struct stream *s, ptrdiff_t want)
{
	short events = want == TLS_WANT_READ ? POLLIN : POLLOUT;
	bool room = stream_pending(s) < INPUT_MAX;
	int ready;

	if (want == TLS_WANT_READ && !room)
		return fail(s, STREAM_LOST, "more replies than can be kept");
	if (room)
		events |= POLLIN;
	ready = await(s, events);
	if (ready == -1)
		return -1;
	if (room && (ready & ~POLLOUT) != 0)
		return take_all(s);
	return 0;
}

/* A connection that takes no more may still have brought the reply that says why: it is kept for stream_readline(). */
static int
write_failed(struct stream *s, const char *why)
{
	(void)fail(s, strcmp(why, closed_words) == 0 ? STREAM_CLOSED : STREAM_LOST, why);
	while (stream_pending(s) < INPUT_MAX && clock_left(s->deadline) > 0)
		if (take(s) <= 0)
			break;
	return -1;
}

static int
send_all(struct stream *s, const char *p, size_t n)
{
	while (n > 0) {
		const char *why = "";
		ptrdiff_t r;

		if (expired(s) == -1)
			return -1;
		r = step_write(s, p, n, &why);
		if (r >= 0) {
			s->said = true;
			s->held = s->tls != NULL;
			p += r;
			n -= (size_t)r;
			continue;
		}
		if (r == TLS_FAILED)
			return write_failed(s, why);
		if (await_write(s, r) == -1)
			return -1;
	}
	return 0;
}

/* What TLS has collected leaves. */
static int
let_go(struct stream *s)
{
	while (s->held) {
		ptrdiff_t r;

		if (expired(s) == -1)
			return -1;
		r = tls_flush(s->tls);
		if (r == TLS_FAILED)
			return write_failed(s, tls_error(s->tls));
		s->held = r != 1;
		if (s->held && await_write(s, r) == -1)
			return -1;
	}
	return 0;
}

int
stream_start_tls(struct stream *s, struct tls *tls, struct outcome *o)
{
	int r;

	s->tls = tls;
	r = tls_attach(tls, s->fd, o);
	while (r != -1) {
		if (expired(s) == -1)
			break;
		r = tls_handshake(tls, o);
		if (r == 1)
			return 0;
		if (r != TLS_FAILED && await(s, r == TLS_WANT_WRITE ? POLLOUT : POLLIN) == -1)
			break;
	}
	if (s->error == STREAM_OK)
		return fail(s, STREAM_LOST, o->why);
	return outcome_set(o, EX_TEMPFAIL, STAGE_TLS, s->error == STREAM_TIMEOUT ? CAUSE_TIMEOUT : CAUSE_LOST, s->why,
	    "TLS handshake with %s", tls_name(tls));
}

/* What was collected here goes to the system, or into TLS. */
static int
send_out(struct stream *s)
{
	int r;

	if (s->out.len == 0)
		return 0;
	r = send_all(s, s->out.data, s->out.len);
	explicit_bzero(s->out.data, s->out.len);	/* a password may have been in it */
	buf_reset(&s->out);
	return r;
}

/* Collects octets for which there is room in a record. That never grows again: no copies of secrets. */
static void
hold(struct stream *s, const char *p, size_t n)
{
	if (s->out.data == NULL)
		(void)buf_room(&s->out, RECORD);
	memcpy(s->out.data + s->out.len, p, n);
	s->out.len += n;
}

int
stream_write(struct stream *s, const void *data, size_t n)
{
	const char *p = data;

	if (s->error != STREAM_OK)
		return -1;
	while (n > 0) {
		size_t part;

		if (s->out.len == 0 && n >= RECORD) {
			part = n - n % RECORD;
			if (send_all(s, p, part) == -1)
				return -1;
		} else {
			part = RECORD - s->out.len < n ? RECORD - s->out.len : n;
			hold(s, p, part);
			if (s->out.len == RECORD && send_out(s) == -1)
				return -1;
		}
		p += part;
		n -= part;
	}
	return 0;
}

int
stream_puts(struct stream *s, const char *str)
{
	return stream_write(s, str, strlen(str));
}

int
stream_flush(struct stream *s)
{
	int r;

	if (s->error != STREAM_OK)
		return -1;
	r = send_out(s);
	return r == -1 ? -1 : let_go(s);
}

/* Takes n octets, of which the last is LF, off the input into line, which has room. Its length without the line end. */
static ptrdiff_t
take_line(struct stream *s, char *line, size_t n)
{
	size_t len = n - 1;

	memcpy(line, s->in.data + s->in_at, len);
	s->in_at += n;
	if (len > 0 && line[len - 1] == '\r')
		len--;
	line[len] = '\0';
	for (char *nul = line; (nul = memchr(nul, '\0', len - (size_t)(nul - line))) != NULL; )
		*nul = '?';
	return (ptrdiff_t)len;
}

ptrdiff_t
stream_readline(struct stream *s, char *line, size_t size)
{
	size_t seen = 0;	/* octets of the input known to hold no LF */
	char words[64];

	for (;;) {
		size_t n = stream_pending(s) < size - 1 ? stream_pending(s) : size - 1;
		const char *from = n == 0 ? NULL : s->in.data + s->in_at;
		const char *lf = n == seen ? NULL : memchr(from + seen, '\n', n - seen);

		if (lf != NULL)
			return take_line(s, line, (size_t)(lf - from) + 1);
		if (s->error != STREAM_OK)
			return -1;
		seen = n;
		if (n == size - 1) {
			(void)snprintf(words, sizeof(words), "a line of more than %zu octets", size - 1);
			return fail(s, STREAM_TOO_LONG, words);
		}
		if (fill(s) == -1)
			return -1;
	}
}

ptrdiff_t
stream_read(struct stream *s, char *p, size_t n)
{
	if (stream_pending(s) == 0 && s->error == STREAM_OK && fill(s) == -1)
		return s->error == STREAM_CLOSED ? 0 : -1;
	if (stream_pending(s) == 0)
		return s->error == STREAM_CLOSED ? 0 : -1;
	if (n > stream_pending(s))
		n = stream_pending(s);
	memcpy(p, s->in.data + s->in_at, n);
	s->in_at += n;
	return (ptrdiff_t)n;
}

size_t
stream_pending(const struct stream *s)
{
	return s->in.len - s->in_at;
}

bool
stream_is_quiet(struct stream *s)
{
	return s->error == STREAM_OK && take_all(s) == 0 && stream_pending(s) == 0;
}

void
stream_give_up(struct stream *s, const char *why)
{
	(void)fail(s, STREAM_LOST, why);
	s->in_at = s->in.len;
}

int
stream_fail(const struct stream *s, enum stage stage, const char *doing, struct outcome *o)
{
	enum cause cause = CAUSE_LOST;

	if (s->error == STREAM_TOO_LONG)
		return outcome_set(o, EX_PROTOCOL, stage, CAUSE_NONSENSE, s->why, "%s", doing);
	if (s->tls != NULL && tls_refused(s->tls))
		return outcome_set(o, EX_PROTOCOL, stage, CAUSE_TLS_CLIENT_CERT, s->why, "%s", doing);
	if (s->error == STREAM_TIMEOUT)
		cause = CAUSE_TIMEOUT;
	return outcome_set(o, EX_TEMPFAIL, stage, cause, s->why, "%s", doing);
}

void
stream_close(struct stream *s)
{
	if (s->in.data != NULL)
		explicit_bzero(s->in.data, s->in_most);	/* a token may have been in it */
	if (s->tls != NULL && (s->error != STREAM_OK || s->held))	/* what was said not to have left must not leave now */
		tls_give_up(s->tls);
	tls_free(s->tls);
	s->tls = NULL;
	if (s->fd >= 0)
		(void)close(s->fd);
	s->fd = -1;
	buf_free(&s->in);
	s->in_at = 0;
	if (s->out.len > 0)	/* what was sent is overwritten */
		explicit_bzero(s->out.data, s->out.len);
	buf_free(&s->out);
}

void
stream_forget(struct stream *s)
{
	if (s->in.data != NULL && s->in_at > 0)
		explicit_bzero(s->in.data, s->in_at);
}
