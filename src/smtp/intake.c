/*
 * What the caller of -bs sends. See intake.h.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "clock.h"
#include "smtp/intake.h"

#define FLOOD_MAX	(1024 * 1024)	/* octets of one line */

/* Room for so many octets in all, from the begin of the block on, where what is not taken stands then. */
static void
make_room(struct intake *in, size_t size)
{
	in->len -= in->at;
	if (in->len > 0)
		memmove(in->block, in->block + in->at, in->len);
	in->at = 0;
	if (in->room < size) {
		in->block = mem_grow(in->block, size, 1);
		in->room = size;
	}
}

struct intake *
intake_new(int fd, int idle)
{
	struct intake *in = mem_alloc(sizeof(*in));

	in->fd = fd;
	in->idle = idle;
	make_room(in, INTAKE_BLOCK);
	return in;
}

void
intake_free(struct intake *in)
{
	free(in->block);
	free(in);
}

/* One read, which does not wait. False: nothing came. */
static bool
take_in(struct intake *in)
{
	ssize_t n = read(in->fd, in->block + in->len, INTAKE_BLOCK);

	if (n > 0) {
		in->len += (size_t)n;
		return true;
	}
	in->ended = n == 0 || (errno != EINTR && errno != EAGAIN);
	in->error = n == 0 || !in->ended ? 0 : errno;
	return false;
}

/* Reads a block when the last one is taken. */
static enum intake_result
fill(struct intake *in)
{
	struct pollfd wait = {.fd = in->fd, .events = POLLIN};
	msec deadline;
	int n;

	if (in->at < in->len)
		return INTAKE_OK;
	if (in->waiting != NULL && !in->waiting(in->arg))
		in->ended = true;
	deadline = clock_now() + in->idle;
	for (;;) {
		if (in->ended)
			return INTAKE_END;
		n = poll(&wait, 1, clock_left(deadline));
		if (n == 0 && clock_left(deadline) == 0)
			return INTAKE_IDLE;
		if (n <= 0)
			continue;
		make_room(in, INTAKE_BLOCK);
		if (take_in(in))
			return INTAKE_OK;
	}
}

bool
intake_more(struct intake *in)
{
	struct pollfd now = {.fd = in->fd, .events = POLLIN};

	if (in->ended || in->len - in->at >= INTAKE_AHEAD || poll(&now, 1, 0) <= 0)
		return false;
	make_room(in, INTAKE_AHEAD + INTAKE_BLOCK);
	return take_in(in);
}

void
intake_back(struct intake *in, const char *p, size_t n)
{
	make_room(in, in->len - in->at + n);
	if (in->len > 0)
		memmove(in->block + n, in->block, in->len);
	memcpy(in->block, p, n);
	in->len += n;
}

struct intake *
intake_view(const struct intake *in)
{
	struct intake *view = mem_alloc(sizeof(*view));

	view->fd = -1;
	view->ended = true;
	view->len = in->len - in->at < INTAKE_AHEAD ? in->len - in->at : INTAKE_AHEAD;
	view->block = mem_grow(NULL, view->len + 1, 1);
	memcpy(view->block, in->block + in->at, view->len);
	return view;
}

enum intake_result
intake_line(struct intake *in, char *line, size_t size, size_t *len, bool *crlf)
{
	size_t seen = 0;
	char last = '\0';

	*len = 0;
	for (;;) {
		enum intake_result r = fill(in);
		const char *from = in->block + in->at, *lf;
		size_t n, room;

		if (r != INTAKE_OK)
			return r;
		lf = memchr(from, '\n', in->len - in->at);
		n = lf == NULL ? in->len - in->at : (size_t)(lf - from);
		room = size - 1 - *len;
		memcpy(line + *len, from, n < room ? n : room);
		*len += n < room ? n : room;
		seen += n;
		if (n > 0)
			last = from[n - 1];
		in->at += n + (lf != NULL);
		line[*len] = '\0';
		if (lf != NULL)
			break;
		if (seen > FLOOD_MAX)
			return INTAKE_FLOOD;
	}
	*crlf = last == '\r';
	seen -= *crlf;
	if (seen > size - 1)
		return INTAKE_TOO_LONG;
	*len = seen;
	line[seen] = '\0';
	return INTAKE_OK;
}

bool
intake_look(const struct intake *in, size_t *at, char *line, size_t size)
{
	const char *from = in->block + in->at + *at, *lf = memchr(from, '\n', in->len - in->at - *at);
	size_t n = lf == NULL ? 0 : (size_t)(lf - from);

	if (lf == NULL || n >= size || memchr(from, '\0', n) != NULL)
		return false;
	*at += n + 1;
	n -= n > 0 && from[n - 1] == '\r';
	memcpy(line, from, n);
	line[n] = '\0';
	return true;
}

/* Where in the message the last octet has left us. */
enum place {
	INSIDE,			/* of a line */
	START,			/* of a line, its first octet not seen */
	DOT,			/* of a line that begins with a dot, which is held back */
	DOT_CR			/* the same with a CR behind it */
};

struct data {
	struct message_reader *r;
	bool lf_ends;
	bool crlf;		/* the line end before this line was CRLF */
	enum place place;
	char last;		/* the octet before the present one, INSIDE */
	bool done;
};

static void
put(struct data *d, char *p, size_t n)
{
	if (d->r != NULL)
		message_add(d->r, p, n);
}

static void
put_text(struct data *d, const char *text)
{
	char copy[3];

	(void)strlcpy(copy, text, sizeof(copy));
	put(d, copy, strlen(copy));
}

/* Octets up to the end of the line or of the block; how many. */
static size_t
take_inside(struct data *d, char *p, size_t n)
{
	char *lf = memchr(p, '\n', n);
	size_t taken = lf == NULL ? n : (size_t)(lf - p) + 1;
	char before = lf == NULL || lf == p ? d->last : lf[-1];

	d->last = p[taken - 1];
	put(d, p, taken);
	if (lf != NULL && (before == '\r' || d->lf_ends)) {
		d->crlf = before == '\r';
		d->place = START;
	}
	return taken;
}

/* The octet behind a dot that began a line. A dot is undone where more of a line follows. */
static size_t
take_after_dot(struct data *d, char c)
{
	if (c == '\n' && d->lf_ends) {
		d->done = true;
		return 1;
	}
	if (c == '\r') {
		d->place = DOT_CR;
		return 1;
	}
	if (c == '\n')
		put_text(d, ".");		/* no line of SMTP: all of it is text */
	d->place = INSIDE;
	d->last = '.';
	return 0;
}

static size_t
take_after_dot_cr(struct data *d, char c)
{
	if (c == '\n' && d->crlf) {
		d->done = true;
		return 1;
	}
	put_text(d, c == '\n' ? ".\r" : "\r");
	d->place = INSIDE;
	d->last = '\r';
	return 0;
}

static size_t
take(struct data *d, char *p, size_t n)
{
	switch (d->place) {
	case START:
		d->place = *p == '.' ? DOT : INSIDE;
		d->last = '\n';
		return *p == '.' ? 1 : 0;
	case DOT:
		return take_after_dot(d, *p);
	case DOT_CR:
		return take_after_dot_cr(d, *p);
	case INSIDE:
		break;
	}
	return take_inside(d, p, n);
}

enum intake_result
intake_data(struct intake *in, bool lf_ends, struct message_reader *r)
{
	struct data d = {.r = r, .lf_ends = lf_ends, .crlf = !lf_ends, .place = START, .last = '\n'};

	while (!d.done) {
		enum intake_result result = fill(in);

		if (result != INTAKE_OK)
			return result;
		in->at += take(&d, in->block + in->at, in->len - in->at);
	}
	return INTAKE_OK;
}

enum intake_result
intake_chunk(struct intake *in, uint64_t n, struct message_reader *r)
{
	while (n > 0) {
		enum intake_result result = fill(in);
		size_t part;

		if (result != INTAKE_OK)
			return result;
		part = in->len - in->at < n ? in->len - in->at : (size_t)n;
		if (r != NULL)
			message_add(r, in->block + in->at, part);
		in->at += part;
		n -= part;
	}
	return INTAKE_OK;
}
