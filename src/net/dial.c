/*
 * A name and a port to one connected socket. See dial.h.
 *
 * getaddrinfo() cannot be interrupted, so for a name it runs aside (aside.h). Then connections are raced (RFC 8305 sections 4 and 5).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>
#include "aside.h"
#include "mem.h"
#include "net/dial.h"

#define EACH_MAX	10000		/* ms that are spent on seeing which addresses are there */
#define STAGGER		250		/* ms until the next is begun (RFC 8305 section 5, "Connection Attempt Delay") */

static const char timeout_words[] = "no answer before the deadline";

/* ---- look-up ---- */

struct lookup {
	int error;		/* EAI_... */
	int sys;		/* errno for EAI_SYSTEM */
	struct addrinfo *list;
	char port[8];
	char host[];
};

/*
 * No AI_ADDRCONFIG: where only loopback is configured glibc would then ask for IPv6 alone, and never find an IPv4 address in /etc/hosts. A family
 * that this machine lacks costs nothing, as connect() refuses it at once.
 */
static int
resolve(const char *host, const char *port, int flags, struct addrinfo **list)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};

	*list = NULL;
	return getaddrinfo(host, port, &hints, list);
}

static void
lookup_free(void *arg)
{
	struct lookup *l = arg;

	if (l->list != NULL)
		freeaddrinfo(l->list);
	free(l);
}

static void
lookup_work(void *arg)
{
	struct lookup *l = arg;

	l->error = resolve(l->host, l->port, 0, &l->list);
	l->sys = errno;
}

static int
lookup_failed(const char *host, int error, int sys, struct outcome *o)
{
	const char *why = error == EAI_SYSTEM ? strerror(sys) : gai_strerror(error);

	switch (error) {
	case EAI_NONAME:
#ifdef EAI_NODATA
	case EAI_NODATA:
#endif
#ifdef EAI_ADDRFAMILY
	case EAI_ADDRFAMILY:
#endif
#ifdef EAI_IDN_ENCODE
	case EAI_IDN_ENCODE:
#endif
		return outcome_set(o, EX_NOHOST, STAGE_LOOKUP, CAUSE_NO_HOST, why, "cannot find %s", host);
	default:
		return outcome_set(o, EX_TEMPFAIL, STAGE_LOOKUP, CAUSE_LOOKUP, why, "cannot look up %s", host);
	}
}

/* Done once. */
static void
use_time(struct dial_meanwhile *m)
{
	if (m->work != NULL)
		m->work(m->arg);
	m->work = NULL;
}

/* Runs the look-up aside. As aside_run(). */
static int
run_aside(struct lookup *l, struct dial_meanwhile *m, msec deadline)
{
	struct aside *a = aside_begin(lookup_work, lookup_free, l);

	if (a == NULL)
		return -1;
	use_time(m);
	return aside_end(a, deadline);
}

/* The addresses of a name. The caller frees them with freeaddrinfo(). */
static int
look_up(const char *host, const char *port, struct dial_meanwhile *m, msec deadline, struct addrinfo **list, struct outcome *o)
{
	struct lookup *l;
	int r;

	if (resolve(host, port, AI_NUMERICHOST, list) == 0)
		return 0;
	l = mem_alloc(sizeof(*l) + strlen(host) + 1);
	(void)strlcpy(l->host, host, strlen(host) + 1);
	(void)strlcpy(l->port, port, sizeof(l->port));
	r = run_aside(l, m, deadline);
	if (r == 0)
		return outcome_set(o, EX_TEMPFAIL, STAGE_LOOKUP, CAUSE_TIMEOUT, timeout_words, "looking up %s", host);
	if (r == -1) {
		l->error = EAI_SYSTEM;
		l->sys = errno;
	}
	*list = l->list;
	l->list = NULL;
	r = l->error == 0 ? 0 : lookup_failed(host, l->error, l->sys, o);
	lookup_free(l);
	return r;
}

/* ---- the race ---- */

struct race {
	const struct addrinfo *address[DIAL_ADDRESSES];
	struct pollfd fd[DIAL_ADDRESSES];	/* fd -1: not begun, failed, or connected */
	msec since[DIAL_ADDRESSES];		/* when it was begun */
	struct dial_attempt *attempt;		/* what became of each */
	size_t addresses;
	size_t begun;
	size_t running;
	msec next;				/* when the next is begun */
	int error;				/* the last failure, 0: none yet */
	size_t failed;				/* whose failure is told */
	int winner;				/* the first that was connected to, or -1 */
	int fd_won;
	struct dial_meanwhile meanwhile;
	struct trace *trace;
};

/* "192.0.2.1", "2001:db8::1"; an IPv4-mapped address as IPv4. */
static void
numeric(const struct sockaddr *sa, char *out, size_t size)
{
	const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	const void *address = six;
	int family = sa->sa_family;

	(void)strlcpy(out, "?", size);
	if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(six)) {
		family = AF_INET;
		address = &six->s6_addr[12];
	} else if (family == AF_INET) {
		address = &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
	}
	(void)inet_ntop(family, address, out, (socklen_t)size);
}

/* In the order they came, but families in turn (RFC 8305 section 4), beginning with the first one's. */
static void
interleave(struct race *r, const struct addrinfo *list)
{
	const struct addrinfo *same = list, *other = list;
	bool turn = true;

	while (r->addresses < DIAL_ADDRESSES) {
		while (same != NULL && same->ai_family != list->ai_family)
			same = same->ai_next;
		while (other != NULL && other->ai_family == list->ai_family)
			other = other->ai_next;
		if (same == NULL && other == NULL)
			break;
		if (other == NULL || (turn && same != NULL)) {
			r->address[r->addresses++] = same;
			same = same->ai_next;
		} else {
			r->address[r->addresses++] = other;
			other = other->ai_next;
		}
		turn = !turn;
	}
}

/* The first is the one; who comes after it was only asked whether it is there. */
static void
attempt_won(struct race *r, size_t i)
{
	r->attempt[i].took = clock_now() - r->since[i];
	r->running--;
	if (r->winner == -1) {
		r->winner = (int)i;
		r->fd_won = r->fd[i].fd;
	} else
		(void)close(r->fd[i].fd);
	r->fd[i].fd = -1;
}

/* One attempt is over. That there is no way to its family is told only where nothing better is known. */
static void
attempt_failed(struct race *r, size_t i, int error)
{
	trace_note(r->trace, "%s: %s", r->attempt[i].address, strerror(error));
	r->attempt[i].error = error;
	if (r->fd[i].fd >= 0)
		(void)close(r->fd[i].fd);
	r->fd[i].fd = -1;
	r->next = clock_now();
	if (r->error == 0 || (error != ENETUNREACH && error != EAFNOSUPPORT && error != EADDRNOTAVAIL)) {
		r->error = error;
		r->failed = i;
	}
}

/* Begins the next attempt. */
static void
begin(struct race *r)
{
	size_t i = r->begun++;
	const struct addrinfo *a = r->address[i];
	int on = 1;

	trace_note(r->trace, "connecting to %s", r->attempt[i].address);
	r->since[i] = clock_now();
	r->fd[i] = (struct pollfd){.fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), .events = POLLOUT};
	if (r->fd[i].fd == -1) {
		attempt_failed(r, i, errno);
		return;
	}
	(void)setsockopt(r->fd[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(r->fd[i].fd, a->ai_addr, a->ai_addrlen) == -1 && errno != EINPROGRESS && errno != EINTR) {
		attempt_failed(r, i, errno);
		return;
	}
	r->running++;
	r->next = clock_now() + STAGGER;
}

/* Looks at those that have come to an end. */
static void
settle(struct race *r)
{
	for (size_t i = 0; i < r->begun; i++) {
		int error = 0;
		socklen_t len = sizeof(error);

		if (r->fd[i].fd == -1 || r->fd[i].revents == 0)
			continue;
		if (r->fd[i].revents != POLLOUT && getsockopt(r->fd[i].fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
			error = errno;
		if (error == 0)
			attempt_won(r, i);
		else {
			r->running--;
			attempt_failed(r, i, error);
		}
	}
}

/* Waits for the next thing to happen: an attempt ends, the next is due, the deadline. */
static void
wait_for_race(struct race *r, msec deadline)
{
	int left = clock_left(deadline);

	if (r->begun < r->addresses && clock_left(r->next) < left)
		left = clock_left(r->next);
	if (poll(r->fd, (nfds_t)r->begun, left) <= 0)	/* then revents mean nothing */
		for (size_t i = 0; i < r->begun; i++)
			r->fd[i].revents = 0;
}

/* The deadline has passed: the first that is still silent is the one to tell. */
static void
too_late(struct race *r)
{
	for (size_t i = r->begun; i-- > 0; )
		if (r->fd[i].fd >= 0)
			r->failed = i;
	r->error = 0;
}

/* Until one has won, all have failed, or the deadline has passed; with each, until each has come to its end, if not beyond that bound. */
static void
run(struct race *r, msec each, msec deadline)
{
	while (r->winner == -1 || clock_left(each) > 0) {
		if (clock_left(deadline) == 0) {
			too_late(r);
			return;
		}
		if (r->begun < r->addresses && (r->running == 0 || clock_left(r->next) == 0)) {
			begin(r);
			use_time(&r->meanwhile);
			continue;
		}
		if (r->running == 0)
			return;
		wait_for_race(r, r->winner == -1 ? deadline : each);
		settle(r);
	}
}

/* Both ends of the connection in text. */
static int
describe(struct dialed *d, const struct addrinfo *peer)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);
	char own[64];

	numeric(peer->ai_addr, d->address, sizeof(d->address));
	if (getsockname(d->fd, (struct sockaddr *)&ss, &len) == -1)
		return -1;
	numeric((const struct sockaddr *)&ss, own, sizeof(own));
	(void)snprintf(d->local, sizeof(d->local), "[%s%s]", strchr(own, ':') != NULL ? "IPv6:" : "", own);
	return 0;
}

static int
nobody_won(const struct race *r, const char *host, uint16_t port, struct outcome *o)
{
	bool timeout = r->error == 0;
	enum cause cause = timeout || r->error == ETIMEDOUT ? CAUSE_TIMEOUT : CAUSE_UNREACHABLE;
	char why[192];

	(void)snprintf(why, sizeof(why), "%s: %s", r->attempt[r->failed].address, timeout ? timeout_words : strerror(r->error));
	return outcome_set(o, EX_TEMPFAIL, STAGE_CONNECT, cause, why, "cannot connect to %s port %u", host, (unsigned)port);
}

/* Connects to one of the addresses; the others' sockets are closed. */
static int
connect_any(struct dialed *d, struct race *r, const char *host, uint16_t port, msec each, msec deadline, struct outcome *o)
{
	int error;

	run(r, each, deadline);
	for (size_t i = 0; i < r->begun; i++)
		if (r->fd[i].fd >= 0)
			(void)close(r->fd[i].fd);
	if (r->winner == -1)
		return nobody_won(r, host, port, o);
	d->fd = r->fd_won;
	if (describe(d, r->address[r->winner]) == 0)
		return 0;
	error = errno;
	(void)close(d->fd);
	d->fd = -1;
	return outcome_set(o, EX_TEMPFAIL, STAGE_CONNECT, CAUSE_LOST, strerror(error), "cannot connect to %s port %u", host, (unsigned)port);
}

int
dial(struct dialed *d, const char *host, uint16_t port, int patience, const struct dial_meanwhile *meanwhile, msec deadline, struct trace *t, struct outcome *o)
{
	struct race race = {.trace = t, .winner = -1, .attempt = d->attempt};
	struct addrinfo *list;
	char service[8];
	msec begun = clock_now(), each = begun;
	int r;

	*d = (struct dialed){.fd = -1, .lookup = -1, .connect = -1};
	if (meanwhile != NULL)
		race.meanwhile = *meanwhile;
	trace_note(t, "looking for %s port %u", host, (unsigned)port);
	(void)snprintf(service, sizeof(service), "%u", (unsigned)port);
	if (look_up(host, service, &race.meanwhile, deadline, &list, o) == -1)
		return -1;
	d->lookup = clock_now() - begun;
	interleave(&race, list);
	d->attempts = race.addresses;
	for (size_t i = 0; i < race.addresses; i++) {
		numeric(race.address[i]->ai_addr, d->attempt[i].address, sizeof(d->attempt[i].address));
		d->attempt[i].took = -1;
	}
	if (patience < 0)
		each = clock_now() + (clock_left(deadline) / 3 < EACH_MAX ? clock_left(deadline) / 3 : EACH_MAX);	/* the rest is for the one that is taken */
	if (patience != 0 && clock_left(deadline) > abs(patience))
		deadline = clock_now() + abs(patience);
	r = connect_any(d, &race, host, port, each, deadline, o);
	freeaddrinfo(list);
	if (r == 0)
		d->connect = clock_now() - begun - d->lookup;
	if (r == 0)
		trace_note(t, "connected to %s, from %s", d->address, d->local);
	return r;
}

bool
dial_is_loopback(const char *address)
{
	struct in_addr four;
	struct in6_addr six;

	if (strcasecmp(address, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, address, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, address, &six) != 1)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
}
