/*
 * From a name to a connected socket: what the resolver may say, who wins the race, what is told when nobody does. The resolver is this file's own
 * getaddrinfo(), which answers for names under .test and asks the real one for all others.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>
#include <cmocka.h>
#include "mem.h"
#include "net/dial.h"

#define LONG	20000	/* ms: a deadline that no test reaches */
#define SHORT	60	/* ms: one that passes */

/* ---- the resolver ---- */

static struct resolver {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	const char *addresses;	/* for "many.test": numeric, separated by blanks */
	int error;		/* for "error.test" */
	bool released;		/* "slow.test" may answer */
	bool answered;		/* and what it answered was freed */
	bool unmasked;		/* the look-up could be hit by a signal */
} resolver = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int
real_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **list)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(host, port, hints, list);
}

/* The numeric addresses of a text, in its order. */
static int
scripted(const char *text, const char *port, const struct addrinfo *hints, struct addrinfo **list)
{
	struct addrinfo numeric = *hints, **end = list;
	char *copy = mem_dup(text), *rest = copy, *one;

	numeric.ai_flags |= AI_NUMERICHOST;
	while ((one = strsep(&rest, " ")) != NULL) {
		if (real_getaddrinfo(one, port, &numeric, end) != 0)
			abort();
		while (*end != NULL)
			end = &(*end)->ai_next;
	}
	free(copy);
	return 0;
}

static int
slow(const char *port, const struct addrinfo *hints, struct addrinfo **list)
{
	struct timespec until;
	sigset_t mask;

	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	(void)pthread_mutex_lock(&resolver.lock);
	resolver.unmasked = sigismember(&mask, SIGTERM) != 1 || sigismember(&mask, SIGCHLD) != 1;
	while (!resolver.released && pthread_cond_timedwait(&resolver.changed, &resolver.lock, &until) == 0)
		;
	(void)pthread_mutex_unlock(&resolver.lock);
	return scripted("127.0.0.9", port, hints, list);
}

int
getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **list)
{
	const char *dot = strrchr(host, '.');

	if ((hints->ai_flags & AI_NUMERICHOST) != 0 || dot == NULL || strcmp(dot, ".test") != 0)
		return real_getaddrinfo(host, port, hints, list);
	if (strcmp(host, "many.test") == 0)
		return scripted(resolver.addresses, port, hints, list);
	if (strcmp(host, "slow.test") == 0)
		return slow(port, hints, list);
	errno = EMFILE;
	return resolver.error;
}

/* Seen so that a test may wait for the end of a look-up that was left behind. */
void
freeaddrinfo(struct addrinfo *list)
{
	void (*real)(struct addrinfo *);
	bool answer = list->ai_family == AF_INET &&
	    ((const struct sockaddr_in *)(const void *)list->ai_addr)->sin_addr.s_addr == htonl(0x7f000009);

	*(void **)&real = dlsym(RTLD_NEXT, "freeaddrinfo");
	real(list);
	if (!answer)
		return;
	(void)pthread_mutex_lock(&resolver.lock);
	resolver.answered = true;
	(void)pthread_cond_broadcast(&resolver.changed);
	(void)pthread_mutex_unlock(&resolver.lock);
}

/* ---- listeners ---- */

/* A port that nobody has at any address, and that the system gives to no connection by itself: others will listen at it as well. */
static uint16_t
free_port(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	uint16_t port = 0;

	for (int i = 0; i < 1000 && port == 0; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		any.sin_port = htons((uint16_t)(20000 + arc4random_uniform(12000)));
		if (fd != -1 && bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0)
			port = ntohs(any.sin_port);
		(void)close(fd);
	}
	return port;
}

/* A listening socket on a port of its own, or on the given one; -1 where there is no such address. */
static int
listener(const char *address, uint16_t *port, int backlog)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *a;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char service[8];
	int fd;

	if (*port == 0)
		*port = free_port();
	(void)snprintf(service, sizeof(service), "%u", (unsigned)*port);
	assert_int_equal(real_getaddrinfo(address, service, &hints, &a), 0);
	fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || bind(fd, a->ai_addr, a->ai_addrlen) == -1 || (backlog >= 0 && listen(fd, backlog) == -1) ||
	    getsockname(fd, (struct sockaddr *)&ss, &len) == -1) {
		if (fd != -1)
			(void)close(fd);
		fd = -1;
	} else {
		*port = ntohs(ss.ss_family == AF_INET ? ((struct sockaddr_in *)&ss)->sin_port : ((struct sockaddr_in6 *)&ss)->sin6_port);
	}
	freeaddrinfo(a);
	return fd;
}

/* A port that refuses: bound, but nobody listens. */
#define REFUSING	-1

/* A listener that answers nobody any more, as its queue is full. The sockets that fill it are closed by the caller. */
#define FILLERS	4

static void
fill_queue(uint16_t port, int fillers[FILLERS])
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	for (size_t i = 0; i < FILLERS; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_true(fillers[i] >= 0);
		(void)connect(fillers[i], (struct sockaddr *)&to, sizeof(to));
	}
}

static void
close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
}

static size_t
open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	if (dir == NULL)
		return 0;
	while (readdir(dir) != NULL)
		n++;
	(void)closedir(dir);
	return n;
}

static int
go(struct dialed *d, const char *host, uint16_t port, long ms, struct outcome *o)
{
	struct trace silent;

	trace_init(&silent, -1, NULL);
	*o = (struct outcome){0};
	return dial(d, host, port, 0, NULL, clock_now() + ms, &silent, o);
}

/* As go(), giving what was traced. The caller frees it. */
static char *
go_traced(struct dialed *d, const char *host, uint16_t port, long ms, struct outcome *o, int *r)
{
	FILE *f = tmpfile();
	struct trace t;
	char *text = mem_alloc(65536);

	assert_non_null(f);
	trace_init(&t, fileno(f), NULL);
	*o = (struct outcome){0};
	*r = dial(d, host, port, 0, NULL, clock_now() + ms, &t, o);
	rewind(f);
	text[fread(text, 1, 65535, f)] = '\0';
	(void)fclose(f);
	return text;
}

static size_t
count(const char *text, const char *word)
{
	size_t n = 0;

	for (; (text = strstr(text, word)) != NULL; text += strlen(word))
		n++;
	return n;
}

/* ---- tests ---- */

static void
test_numeric_hosts(void **state)
{
	static const struct { const char *listen, *host, *address, *local; } cases[] = {
		{"127.0.0.1", "127.0.0.1", "127.0.0.1", "[127.0.0.1]"},
		{"127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1", "[127.0.0.1]"},
		{"::1", "::1", "::1", "[IPv6:::1]"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint16_t port = 0;
		int fd = listener(cases[i].listen, &port, 5), on = 0;
		socklen_t len = sizeof(on);
		struct dialed d;
		struct outcome o;

		if (fd == -1)
			continue;	/* no IPv6 here */
		assert_int_equal(go(&d, cases[i].host, port, LONG, &o), 0);
		assert_string_equal(d.address, cases[i].address);
		assert_string_equal(d.local, cases[i].local);
		assert_true((fcntl(d.fd, F_GETFL) & O_NONBLOCK) != 0);
		assert_true((fcntl(d.fd, F_GETFD) & FD_CLOEXEC) != 0);
		assert_int_equal(getsockopt(d.fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
		assert_true(on != 0);
		(void)close(d.fd);
		(void)close(fd);
	}
}

/* The real resolver, and a name that /etc/hosts has. */
static void
test_localhost(void **state)
{
	uint16_t port = 0;
	int fd = listener("127.0.0.1", &port, 5);
	struct dialed d;
	struct outcome o;

	(void)state;
	assert_true(fd >= 0);
	if (go(&d, "localhost", port, LONG, &o) == -1)
		fail_msg("%s: %s", o.what, o.why);
	assert_string_equal(d.address, "127.0.0.1");
	assert_true(dial_is_loopback(d.address));
	(void)close(d.fd);
	(void)close(fd);
}

static void
test_resolver_errors(void **state)
{
	static const struct { int error, status; enum cause cause; } cases[] = {
		{EAI_NONAME, EX_NOHOST, CAUSE_NO_HOST}, {EAI_NODATA, EX_NOHOST, CAUSE_NO_HOST}, {EAI_ADDRFAMILY, EX_NOHOST, CAUSE_NO_HOST},
		{EAI_AGAIN, EX_TEMPFAIL, CAUSE_LOOKUP}, {EAI_FAIL, EX_TEMPFAIL, CAUSE_LOOKUP}, {EAI_MEMORY, EX_TEMPFAIL, CAUSE_LOOKUP},
		{EAI_SYSTEM, EX_TEMPFAIL, CAUSE_LOOKUP},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dialed d;
		struct outcome o;

		resolver.error = cases[i].error;
		assert_int_equal(go(&d, "error.test", 587, LONG, &o), -1);
		assert_int_equal(d.fd, -1);
		assert_int_equal(o.status, cases[i].status);
		assert_int_equal(o.cause, cases[i].cause);
		assert_int_equal(o.stage, STAGE_LOOKUP);
		assert_non_null(strstr(o.what, "error.test"));
		assert_string_equal(o.why, cases[i].error == EAI_SYSTEM ? strerror(EMFILE) : gai_strerror(cases[i].error));
	}
}

static void
test_names_that_are_none(void **state)
{
	char long_name[1001];
	const char *const names[] = {"", "a..b", long_name};

	(void)state;
	memset(long_name, 'a', 1000);
	long_name[1000] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct dialed d;
		struct outcome o;

		assert_int_equal(go(&d, names[i], 587, LONG, &o), -1);
		assert_int_equal(o.stage, STAGE_LOOKUP);
		assert_true(o.status == EX_NOHOST || o.status == EX_TEMPFAIL);
	}
}

/* The look-up is left behind at the deadline, takes no signals, and cleans up after itself when it ends. */
static void
test_slow_resolver(void **state)
{
	struct dialed d;
	struct outcome o;
	struct timespec until;

	(void)state;
	assert_int_equal(go(&d, "slow.test", 587, SHORT, &o), -1);
	assert_int_equal(o.status, EX_TEMPFAIL);
	assert_int_equal(o.stage, STAGE_LOOKUP);
	assert_int_equal(o.cause, CAUSE_TIMEOUT);
	assert_string_equal(o.why, "no answer before the deadline");
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	(void)pthread_mutex_lock(&resolver.lock);
	resolver.released = true;
	(void)pthread_cond_broadcast(&resolver.changed);
	while (!resolver.answered && pthread_cond_timedwait(&resolver.changed, &resolver.lock, &until) == 0)
		;
	assert_true(resolver.answered);
	assert_false(resolver.unmasked);
	(void)pthread_mutex_unlock(&resolver.lock);
}

static void
test_refused(void **state)
{
	uint16_t port = 0;
	int fd = listener("127.0.0.1", &port, REFUSING);
	struct dialed d;
	struct outcome o;
	char *what = mem_printf("cannot connect to 127.0.0.1 port %u", (unsigned)port), *why = mem_printf("127.0.0.1: %s", strerror(ECONNREFUSED));

	(void)state;
	assert_int_equal(go(&d, "127.0.0.1", port, LONG, &o), -1);
	assert_int_equal(d.fd, -1);
	assert_int_equal(o.status, EX_TEMPFAIL);
	assert_int_equal(o.stage, STAGE_CONNECT);
	assert_int_equal(o.cause, CAUSE_UNREACHABLE);
	assert_string_equal(o.what, what);
	assert_string_equal(o.why, why);
	free(what);
	free(why);
	(void)close(fd);
}

static void
test_the_next_address_is_tried(void **state)
{
	uint16_t port = 0;
	int fds[3] = {listener("127.0.0.3", &port, 5), listener("127.0.0.1", &port, REFUSING), listener("127.0.0.2", &port, REFUSING)};
	size_t before = open_descriptors();
	struct dialed d;
	struct outcome o;

	(void)state;
	resolver.addresses = "127.0.0.1 127.0.0.2 127.0.0.3";
	assert_int_equal(go(&d, "many.test", port, LONG, &o), 0);
	assert_string_equal(d.address, "127.0.0.3");
	assert_int_equal(open_descriptors(), before == 0 ? 0 : before + 1);
	(void)close(d.fd);
	close_all(fds, 3);
}

/* One that does not answer costs its head start, not the deadline; and its socket is closed. */
static void
test_a_silent_address_is_overtaken(void **state)
{
	uint16_t port = 0;
	int silent = listener("127.0.0.1", &port, 0), live = listener("127.0.0.2", &port, 5), fillers[FILLERS];
	struct dialed d;
	struct outcome o;
	size_t before;
	msec start = clock_now();

	(void)state;
	assert_true(silent >= 0 && live >= 0);
	fill_queue(port, fillers);
	before = open_descriptors();
	resolver.addresses = "127.0.0.1 127.0.0.2";
	assert_int_equal(go(&d, "many.test", port, LONG, &o), 0);
	assert_string_equal(d.address, "127.0.0.2");
	assert_true(clock_now() - start >= 200);	/* the first had its time */
	assert_int_equal(open_descriptors(), before == 0 ? 0 : before + 1);
	(void)close(d.fd);
	close_all(fillers, FILLERS);
	(void)close(silent);
	(void)close(live);
}

static void
test_deadline_of_the_race(void **state)
{
	static const long times[] = {-1, SHORT, 2 * 250 + SHORT};
	uint16_t port = 0;
	int silent = listener("127.0.0.1", &port, 0), fillers[FILLERS];
	size_t before;
	char *why = mem_printf("127.0.0.1: no answer before the deadline");

	(void)state;
	fill_queue(port, fillers);
	before = open_descriptors();
	resolver.addresses = "127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1";
	for (size_t i = 0; i < 3; i++) {
		struct dialed d;
		struct outcome o;

		assert_int_equal(go(&d, times[i] < 0 ? "127.0.0.1" : "many.test", port, times[i], &o), -1);
		assert_int_equal(o.status, EX_TEMPFAIL);
		assert_int_equal(o.stage, STAGE_CONNECT);
		assert_int_equal(o.cause, CAUSE_TIMEOUT);
		assert_string_equal(o.why, why);
		assert_int_equal(open_descriptors(), before);
	}
	for (size_t i = 0; i < 2; i++) {	/* patience ends before the deadline */
		struct dialed d;
		struct outcome o = {0};
		struct trace none;

		trace_init(&none, -1, NULL);
		assert_int_equal(dial(&d, i == 0 ? "127.0.0.1" : "many.test", port, SHORT, NULL, clock_now() + 600000, &none, &o), -1);
		assert_int_equal(o.cause, CAUSE_TIMEOUT);
	}
	free(why);
	close_all(fillers, FILLERS);
	(void)close(silent);
}

/* What is told is the silent one's name, not that of the one that refused. */
static void
test_the_silent_one_is_told(void **state)
{
	uint16_t port = 0;
	int silent = listener("127.0.0.1", &port, 0), fillers[FILLERS];
	int refusing[2] = {listener("127.0.0.2", &port, REFUSING), listener("127.0.0.3", &port, REFUSING)};
	struct dialed d;
	struct outcome o;

	(void)state;
	fill_queue(port, fillers);
	resolver.addresses = "127.0.0.2 127.0.0.1 127.0.0.3";
	assert_int_equal(go(&d, "many.test", port, 1000, &o), -1);
	assert_int_equal(o.cause, CAUSE_TIMEOUT);
	assert_string_equal(o.why, "127.0.0.1: no answer before the deadline");
	close_all(fillers, FILLERS);
	close_all(refusing, 2);
	(void)close(silent);
}

/* The first that answers is taken, but each is heard to its end; only one connection is left. */
static void
test_each_address_is_tried(void **state)
{
	uint16_t port = 0;
	int live[2] = {listener("127.0.0.2", &port, 5), listener("127.0.0.4", &port, 5)};
	int silent = listener("127.0.0.1", &port, 0), refusing = listener("127.0.0.3", &port, REFUSING), fillers[FILLERS];
	struct dialed d;
	struct outcome o = {0};
	struct trace none;
	size_t before;

	(void)state;
	trace_init(&none, -1, NULL);
	fill_queue(port, fillers);
	before = open_descriptors();
	resolver.addresses = "127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4";
	assert_int_equal(dial(&d, "many.test", port, DIAL_EACH(60000), NULL, clock_now() + 3600, &none, &o), 0);
	assert_string_equal(d.address, "127.0.0.2");
	assert_int_equal(d.attempts, 4);
	assert_string_equal(d.attempt[0].address, "127.0.0.1");
	assert_true(d.attempt[0].took == -1 && d.attempt[0].error == 0);	/* silent */
	assert_true(d.attempt[1].took >= 0 && d.attempt[1].error == 0);
	assert_true(d.attempt[2].took == -1 && d.attempt[2].error == ECONNREFUSED);
	assert_true(d.attempt[3].took >= 0 && d.attempt[3].error == 0);
	assert_int_equal(open_descriptors(), before == 0 ? 0 : before + 1);
	(void)close(d.fd);
	close_all(fillers, FILLERS);
	close_all(live, 2);
	(void)close(silent);
	(void)close(refusing);
}

static void
test_families_alternate(void **state)
{
	static const char *const order[] = {
		"connecting to ::1\n", "connecting to 127.0.0.1\n", "connecting to ::1\n", "connecting to 127.0.0.2\n", "connecting to ::1\n",
	};
	uint16_t port = 0;
	int four = listener("127.0.0.1", &port, REFUSING), six = listener("::1", &port, REFUSING), r;
	struct dialed d;
	struct outcome o;
	char *text;
	const char *p;

	(void)state;
	if (six == -1) {
		(void)close(four);
		skip();
	}
	resolver.addresses = "::1 ::1 ::1 127.0.0.1 127.0.0.2";
	text = go_traced(&d, "many.test", port, LONG, &o, &r);
	assert_int_equal(r, -1);
	p = text;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		p = strstr(p, "connecting to ");
		assert_non_null(p);
		assert_memory_equal(p, order[i], strlen(order[i]));
		p++;
	}
	assert_non_null(strstr(o.why, "::1: "));
	free(text);
	(void)close(four);
	(void)close(six);
}

static void
test_no_more_than_sixteen_addresses(void **state)
{
	struct buf b = {0};
	uint16_t port = 0;
	int fd = listener("127.0.0.1", &port, REFUSING), r;
	struct dialed d;
	struct outcome o;
	char *text;

	(void)state;
	for (int i = 1; i <= 200; i++)
		buf_printf(&b, "%s127.0.0.%d", i > 1 ? " " : "", i);
	resolver.addresses = b.data;
	text = go_traced(&d, "many.test", port, LONG, &o, &r);
	assert_int_equal(r, -1);
	assert_int_equal(count(text, "connecting to "), 16);
	assert_memory_equal(o.why, "127.0.0.16: ", 12);	/* the last one's error */
	free(text);
	buf_free(&b);
	(void)close(fd);
}

/* That there is no way to an address says less than a refusal, in whichever order they came. TCP has no way to a broadcast address. */
static void
test_no_route_is_told_only_alone(void **state)
{
	static const struct { const char *addresses; const char *address; int error; } cases[] = {
		{"127.0.0.1 255.255.255.255", "127.0.0.1", ECONNREFUSED}, {"255.255.255.255 127.0.0.1", "127.0.0.1", ECONNREFUSED},
		{"255.255.255.255", "255.255.255.255", ENETUNREACH},
	};
	uint16_t port = 0;
	int fd = listener("127.0.0.1", &port, REFUSING);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *why = mem_printf("%s: %s", cases[i].address, strerror(cases[i].error));
		struct dialed d;
		struct outcome o;

		resolver.addresses = cases[i].addresses;
		assert_int_equal(go(&d, "many.test", port, LONG, &o), -1);
		assert_int_equal(o.cause, CAUSE_UNREACHABLE);
		assert_string_equal(o.why, why);
		free(why);
	}
	(void)close(fd);
}

static void
test_loopback(void **state)
{
	static const struct { const char *address; bool is; } cases[] = {
		{"localhost", true}, {"LocalHost", true}, {"127.0.0.1", true}, {"127.255.255.254", true}, {"::1", true}, {"0:0:0:0:0:0:0:1", true},
		{"::ffff:127.0.0.1", true}, {"128.0.0.1", false}, {"0.0.0.0", false}, {"::", false}, {"::2", false}, {"::ffff:192.0.2.1", false},
		{"127.0.0.1.example.com", false}, {"localhost.example.com", false}, {"127.example.com", false}, {"", false}, {"127", false},
		{"notlocalhost", false}, {"::127.0.0.1", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (dial_is_loopback(cases[i].address) != cases[i].is)
			fail_msg("%s", cases[i].address);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numeric_hosts),
		cmocka_unit_test(test_localhost),
		cmocka_unit_test(test_resolver_errors),
		cmocka_unit_test(test_names_that_are_none),
		cmocka_unit_test(test_slow_resolver),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_the_next_address_is_tried),
		cmocka_unit_test(test_a_silent_address_is_overtaken),
		cmocka_unit_test(test_deadline_of_the_race),
		cmocka_unit_test(test_the_silent_one_is_told),
		cmocka_unit_test(test_each_address_is_tried),
		cmocka_unit_test(test_families_alternate),
		cmocka_unit_test(test_no_more_than_sixteen_addresses),
		cmocka_unit_test(test_no_route_is_told_only_alone),
		cmocka_unit_test(test_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
