/*
 * A long wire on one machine: a proxy that delays every octet, and the set-up
 * of a connection, as if the round trip took so long.
 *
 *	delay --to PORT --rtt MS [--port N] [--count] [--until-stdin-closes]
 *
 * It listens on 127.0.0.1, prints its port as one line, and stays until SIGTERM
 * (or until its input, which is a pipe, ends).  MS may have a fraction.
 * Bandwidth is not limited; up to 64 MiB are under way in each direction of a
 * connection, then no more is read.
 *
 * connect() on this machine returns at once.  On a wire it takes a round trip:
 * what a client sends before that time counts as sent at that time, and the
 * server sees the connection half a round trip later: a greeting arrives two
 * round trips after connect().  Octets, the end of a direction, and a reset are
 * delivered half a round trip after they came, in order.
 *
 * With --count it prints at its end "connections N" and "flights N": how often
 * octets of a client came that had not been preceded by others of that client
 * since it was last delivered any; the first ones count too.
 */
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROOM	((size_t)64 * 1024 * 1024)	/* under way, one direction */
#define PIECE	((size_t)256 * 1024)		/* read at once */
#define EVENTS	64
#define NEVER	INT64_MAX			/* times are nanoseconds */

enum kind { OCTETS, END, RESET };

struct piece {
	struct piece	*next;
	int64_t		 due;
	enum kind	 kind;
	size_t		 at, len;
	char		 data[];
};

/* One end of a connection, and what is under way to it. */
struct side {
	struct side	*other;
	struct pair	*pair;
	int		 fd;
	uint32_t	 events;		/* as told to epoll */
	bool		 ended;			/* nothing more comes from it */
	bool		 full, told_end;	/* of what is delivered to it */
	size_t		 len;
	struct piece	*first, **last;
};

struct pair {
	struct pair	*next, **back;
	struct side	 client, server;
	int64_t		 start;			/* when the server is called */
	bool		 client_spoke, dead;
};

static struct pair *pairs;
static int	 port_to, port_own, epoll_fd, timer_fd, signal_fd, listener;
static int64_t	 half, armed = NEVER;
static bool	 counting, stdin_ends;
static unsigned long connections, flights;

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void
watch(int fd, void *who, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = who };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) == -1)
		die("epoll");
}

/* ---- a pair of connections ---- */

static void
side_init(struct side *s, struct pair *pair, struct side *other)
{
	s->pair = pair;
	s->other = other;
	s->fd = -1;
	s->last = &s->first;
}

static void
side_free(struct side *s)
{
	struct piece *p;

	if (s->fd != -1)
		(void)close(s->fd);
	while ((p = s->first) != NULL) {
		s->first = p->next;
		free(p);
	}
}

static void
pair_free(struct pair *pair)
{
	if ((*pair->back = pair->next) != NULL)
		pair->next->back = pair->back;
	side_free(&pair->client);
	side_free(&pair->server);
	free(pair);
}

static void
side_reset(struct side *s)
{
	struct linger l = { .l_onoff = 1 };

	if (s->fd != -1)
		setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

static void
side_open(struct side *s, int fd)
{
	int on = 1;

	s->fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s->events = EPOLLIN;
	watch(fd, s, s->events);
}

/* What is awaited of it. */
static void
side_watch(struct side *s)
{
	struct epoll_event e = { .data.ptr = s };

	if (s->fd == -1)
		return;
	if (!s->ended && s->other->len < ROOM)
		e.events |= EPOLLIN;
	if (s->full)
		e.events |= EPOLLOUT;
	if (e.events != s->events)
		epoll_ctl(epoll_fd, EPOLL_CTL_MOD, s->fd, &e);
	s->events = e.events;
}

/* Something sets out to a side. */
static void
send_off(struct side *to, enum kind kind, const char *data, size_t len,
    int64_t time)
{
	struct pair *pair = to->pair;
	struct piece *p = malloc(sizeof(*p) + len);
	bool from_client = to == &pair->server;

	if (p == NULL)
		die("memory");
	if (from_client && time < pair->start - half)
		time = pair->start - half;
	p->next = NULL;
	p->due = time + half;
	p->kind = kind;
	p->at = 0;
	p->len = len;
	if (len > 0)
		memcpy(p->data, data, len);
	*to->last = p;
	to->last = &p->next;
	to->len += len;
	if (from_client && kind == OCTETS && !pair->client_spoke) {
		pair->client_spoke = true;
		flights++;
	}
}

/* The other side hears of it later, when what was sent before has come. */
static void
side_lost(struct side *s, int64_t time)
{
	if (!s->ended || !s->told_end)
		send_off(s->other, RESET, NULL, 0, time);
	s->ended = s->told_end = true;
	s->full = false;
	(void)close(s->fd);
	s->fd = -1;
}

static void
side_read(struct side *s, int64_t time)
{
	static char data[PIECE];
	ssize_t n;

	if (s->ended || s->other->len >= ROOM)
		return;
	n = recv(s->fd, data, sizeof(data), MSG_DONTWAIT);
	if (n > 0) {
		send_off(s->other, OCTETS, data, (size_t)n, time);
	} else if (n == 0) {
		s->ended = true;
		send_off(s->other, END, NULL, 0, time);
	} else if (errno != EAGAIN && errno != EINTR) {
		side_lost(s, time);
	}
}

/* false: nothing more can be delivered now. */
static bool
deliver(struct side *s, struct piece *p, int64_t time)
{
	ssize_t n;

	if (p->kind == RESET) {
		side_reset(s);
		s->pair->dead = true;
		return false;
	}
	if (s->fd == -1)
		return true;
	if (p->kind == END) {
		s->told_end = true;
		(void)shutdown(s->fd, SHUT_WR);
		return true;
	}
	n = send(s->fd, p->data + p->at, p->len - p->at,
	    MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n >= 0) {
		if (s == &s->pair->client)
			s->pair->client_spoke = false;
		p->at += (size_t)n;
		s->len -= (size_t)n;
		s->full = p->at < p->len;
	} else if (errno == EAGAIN || errno == EINTR) {
		s->full = true;
	} else {
		side_lost(s, time);
		return true;
	}
	return !s->full;
}

/* Delivers what has come.  When the next will have. */
static int64_t
side_serve(struct side *s, int64_t time)
{
	struct piece *p;

	while (!s->full && (p = s->first) != NULL) {
		if (p->due > time)
			return p->due;
		if (!deliver(s, p, time))
			return NEVER;
		s->len -= p->len - p->at;
		if ((s->first = p->next) == NULL)
			s->last = &s->first;
		free(p);
	}
	return NEVER;
}

static void
call_server(struct pair *pair)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port_to),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		die("socket");
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1) {
		side_reset(&pair->client);
		pair->dead = true;
		(void)close(fd);
		return;
	}
	side_open(&pair->server, fd);
}

/* When there will be something to do for it. */
static int64_t
pair_serve(struct pair *pair, int64_t time)
{
	int64_t due, other;

	if (pair->server.fd == -1 && !pair->server.ended) {
		if (pair->start > time)
			return pair->start;
		call_server(pair);
	}
	if (pair->dead)
		return NEVER;
	due = side_serve(&pair->server, time);
	other = side_serve(&pair->client, time);
	if (pair->client.told_end && pair->server.told_end &&
	    pair->client.first == NULL && pair->server.first == NULL)
		pair->dead = true;
	side_watch(&pair->client);
	side_watch(&pair->server);
	return due < other ? due : other;
}

static void
take(int64_t time)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct pair *pair;

	if (fd == -1)
		return;
	if ((pair = calloc(1, sizeof(*pair))) == NULL)
		die("memory");
	connections++;
	side_init(&pair->client, pair, &pair->server);
	side_init(&pair->server, pair, &pair->client);
	pair->start = time + 3 * half;
	pair->back = &pairs;
	if ((pair->next = pairs) != NULL)
		pairs->back = &pair->next;
	pairs = pair;
	side_open(&pair->client, fd);
}

/* ---- all of them ---- */

static void
arm(int64_t due)
{
	struct itimerspec t = { .it_value = { 0, 0 } };

	if (due == armed)
		return;
	armed = due;
	if (due != NEVER) {
		t.it_value.tv_sec = due / 1000000000;
		t.it_value.tv_nsec = due % 1000000000;
	}
	timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static void
serve_all(void)
{
	struct pair *pair, *next;
	int64_t due = NEVER, time = now(), one;

	for (pair = pairs; pair != NULL; pair = next) {
		next = pair->next;
		one = pair_serve(pair, time);
		if (pair->dead)
			pair_free(pair);
		else if (one < due)
			due = one;
	}
	arm(due);
}

static void
side_event(struct side *s, uint32_t events)
{
	int64_t time = now();

	if (s->fd == -1 || s->pair->dead)
		return;
	if ((events & EPOLLOUT) != 0)
		s->full = false;
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
		return;
	if (!s->ended && s->other->len < ROOM)
		side_read(s, time);
	else if ((events & (EPOLLHUP | EPOLLERR)) != 0)
		side_lost(s, time);
}

static bool
event(const struct epoll_event *e)
{
	uint64_t times;
	char text[512];

	if (e->data.ptr == &signal_fd)
		return false;
	if (e->data.ptr == &stdin_ends)
		return read(STDIN_FILENO, text, sizeof(text)) > 0;
	if (e->data.ptr == &timer_fd) {
		if (read(timer_fd, &times, sizeof(times)) > 0)
			armed = NEVER;
	} else if (e->data.ptr == &listener) {
		take(now());
	} else {
		side_event(e->data.ptr, e->events);
	}
	return true;
}

static void
run(void)
{
	struct epoll_event events[EVENTS];
	int i, n;

	for (;;) {
		n = epoll_wait(epoll_fd, events, EVENTS, -1);
		for (i = 0; i < n; i++)
			if (!event(&events[i]))
				return;
		serve_all();
	}
}

/* ---- the program ---- */

static void
options(int argc, char *argv[])
{
	double rtt = -1;
	bool bad = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--count") == 0)
			counting = true;
		else if (strcmp(argv[i], "--until-stdin-closes") == 0)
			stdin_ends = true;
		else if (strcmp(argv[i], "--to") == 0 && i + 1 < argc)
			port_to = atoi(argv[++i]);
		else if (strcmp(argv[i], "--port") == 0 && i + 1 < argc)
			port_own = atoi(argv[++i]);
		else if (strcmp(argv[i], "--rtt") == 0 && i + 1 < argc)
			rtt = atof(argv[++i]);
		else
			bad = true;
	}
	if (bad || port_to == 0 || !(rtt >= 0 && rtt < 1e6)) {
		fprintf(stderr, "usage: delay --to PORT --rtt MS [--port N] "
		    "[--count] [--until-stdin-closes]\n");
		exit(2);
	}
	half = (int64_t)(rtt * 1e6 / 2);
}

static void
start(void)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port_own),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	socklen_t len = sizeof(sin);
	int on = 1;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (listener == -1 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR,
	    &on, sizeof(on)) == -1 ||
	    bind(listener, (struct sockaddr *)&sin, len) == -1 ||
	    listen(listener, 4096) == -1 ||
	    getsockname(listener, (struct sockaddr *)&sin, &len) == -1)
		die("cannot listen");
	printf("%u\n", (unsigned)ntohs(sin.sin_port));
	fflush(stdout);
}

int
main(int argc, char *argv[])
{
	sigset_t set;

	options(argc, argv);
	(void)prctl(PR_SET_TIMERSLACK, 1UL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (signal_fd == -1 || timer_fd == -1 || epoll_fd == -1)
		die("cannot start");
	start();
	watch(listener, &listener, EPOLLIN);
	watch(timer_fd, &timer_fd, EPOLLIN);
	watch(signal_fd, &signal_fd, EPOLLIN);
	if (stdin_ends)
		watch(STDIN_FILENO, &stdin_ends, EPOLLIN);
	run();
	if (counting)
		printf("connections %lu\nflights %lu\n", connections, flights);
	while (pairs != NULL)
		pair_free(pairs);
	return 0;
}
