/*
 * Lines in, flights out, one deadline, in clear and in TLS.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <time.h>
#include <cmocka.h>
#include "mem.h"
#include "net/stream.h"
#include "tls_peer.h"

#define HOST	"smtp.example.com"
#define LONG	20000		/* ms: a deadline that no test reaches */
#define SHORT	60		/* ms: one that passes */

static struct identity authority, server;
static char ca_file[] = "/tmp/test_stream.XXXXXX";

static int
group_up(void **state)
{
	static const struct cert_spec ca = {.cn = "Test Authority", .ca = true}, host = {.cn = "x", .san = "DNS:" HOST};
	int fd = mkstemp(ca_file);

	(void)state;
	if (fd == -1 || close(fd) == -1)
		return -1;
	authority = make_identity(&ca, NULL);
	server = make_identity(&host, &authority);
	write_pem(ca_file, authority.cert, NULL, NULL);
	return 0;
}

static int
group_down(void **state)
{
	(void)state;
	free_identity(&authority);
	free_identity(&server);
	return unlink(ca_file);
}

/* A stream over one end of a socket pair; the other end, blocking. */
static int
pair(struct stream *s, int type, long ms)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
	stream_init(s, fd[0], clock_now() + ms);
	return fd[1];
}

static void
say(int fd, const void *p, size_t n)
{
	assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), (ssize_t)n);
}

static void
assert_line(struct stream *s, const char *expected, size_t len)
{
	char line[512];
	ptrdiff_t n = stream_readline(s, line, sizeof(line));

	if (n == -1)
		fail_msg("no line but: %s", s->why);
	assert_int_equal(n, len);
	assert_memory_equal(line, expected, len + 1);
}

/* ---- reading ---- */

static void
test_lines(void **state)
{
	static const struct { const char *in; size_t len; const char *out; } cases[] = {
		{"220 ready\r\n", 11, "220 ready"}, {"250-x\n", 6, "250-x"}, {"\r\n", 2, ""}, {"\n", 1, ""}, {"\r\r\n", 3, "\r"},
		{"a\rb\r\n", 5, "a\rb"}, {"a\0b\0\0\r\n", 7, "a?b??"}, {"\0\n", 2, "?"}, {"\377\200\n", 3, "\377\200"},
	};
	struct stream s;
	int peer = pair(&s, SOCK_STREAM, LONG);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		say(peer, cases[i].in, cases[i].len);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_line(&s, cases[i].out, strlen(cases[i].out));
	assert_int_equal(stream_pending(&s), 0);
	stream_close(&s);
	(void)close(peer);
}

static void
test_line_in_pieces(void **state)
{
	static const char text[] = "250 one octet at a time\r\n";
	struct stream s;
	int peer = pair(&s, SOCK_SEQPACKET, LONG);	/* so that each octet is read alone */

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		say(peer, text + i, 1);
	assert_line(&s, "250 one octet at a time", 23);
	stream_close(&s);
	(void)close(peer);
}

static void
test_longest_line(void **state)
{
	static const struct { const char *in, *out; } cases[] = {
		{"1234567\n", "1234567"}, {"123456\r\n", "123456"}, {"12345678\n", NULL}, {"1234567\r\n", NULL}, {"12345678", NULL}, {"1234567890123", NULL},
	};
	char line[9];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stream s;
		struct outcome o;
		int peer = pair(&s, SOCK_STREAM, LONG);

		say(peer, cases[i].in, strlen(cases[i].in));
		if (cases[i].out != NULL) {
			assert_int_equal(stream_readline(&s, line, sizeof(line)), strlen(cases[i].out));
			assert_string_equal(line, cases[i].out);
		} else {
			assert_int_equal(stream_readline(&s, line, sizeof(line)), -1);
			assert_int_equal(s.error, STREAM_TOO_LONG);
			assert_int_equal(stream_fail(&s, STAGE_EHLO, "waiting for the reply to EHLO", &o), -1);
			assert_int_equal(o.status, EX_PROTOCOL);
			assert_int_equal(o.cause, CAUSE_NONSENSE);
			assert_string_equal(o.why, "a line of more than 8 octets");
		}
		stream_close(&s);
		(void)close(peer);
	}
}

static void
test_end_of_connection(void **state)
{
	static const char *const texts[] = {"", "220 no line end"};
	char line[64];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct stream s;
		struct outcome o;
		int peer = pair(&s, SOCK_STREAM, LONG);

		say(peer, "250 a\r\n", 7);
		say(peer, texts[i], strlen(texts[i]));
		(void)close(peer);
		assert_line(&s, "250 a", 5);
		assert_int_equal(stream_readline(&s, line, sizeof(line)), -1);
		assert_int_equal(s.error, STREAM_CLOSED);
		assert_int_equal(stream_fail(&s, STAGE_BANNER, "waiting for the greeting of x port 25", &o), -1);
		assert_int_equal(o.status, EX_TEMPFAIL);
		assert_int_equal(o.stage, STAGE_BANNER);
		assert_int_equal(o.cause, CAUSE_LOST);
		assert_string_equal(o.what, "waiting for the greeting of x port 25");
		assert_string_equal(o.why, "the smarthost closed the connection");
		assert_int_equal(stream_puts(&s, "QUIT\r\n"), -1);
		assert_int_equal(stream_flush(&s), -1);
		stream_close(&s);
	}
}

/* ---- the deadline ---- */

static void
assert_timeout(const struct stream *s)
{
	struct outcome o;

	assert_int_equal(s->error, STREAM_TIMEOUT);
	assert_int_equal(stream_fail(s, STAGE_DOT, "waiting", &o), -1);
	assert_int_equal(o.status, EX_TEMPFAIL);
	assert_int_equal(o.cause, CAUSE_TIMEOUT);
	assert_string_equal(o.why, "no answer before the deadline");
}

static void
test_silence(void **state)
{
	struct stream s;
	int peer = pair(&s, SOCK_STREAM, SHORT);
	char line[64];

	(void)state;
	assert_int_equal(stream_readline(&s, line, sizeof(line)), -1);
	assert_timeout(&s);
	stream_close(&s);
	(void)close(peer);
}

static void
test_deadline_that_has_passed(void **state)
{
	struct stream s;
	char line[64];

	(void)state;
	for (int reading = 0; reading < 2; reading++) {
		int peer = pair(&s, SOCK_STREAM, -1);

		say(peer, "220 late\r\n", 10);
		assert_int_equal(stream_puts(&s, "EHLO x\r\n"), 0);
		assert_int_equal(reading ? stream_readline(&s, line, sizeof(line)) : stream_flush(&s), -1);
		assert_timeout(&s);
		stream_close(&s);
		(void)close(peer);
	}
}

/* Until the other side is gone. */
static void *
trickle(void *arg)
{
	int fd = *(int *)arg;

	while (send(fd, "x", 1, MSG_NOSIGNAL) == 1)
		(void)poll(NULL, 0, 1);
	(void)close(fd);
	return NULL;
}

static void
test_an_octet_now_and_then(void **state)
{
	static char line[1 << 20];
	struct stream s;
	int peer = pair(&s, SOCK_STREAM, SHORT);
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, trickle, &peer), 0);
	assert_int_equal(stream_readline(&s, line, sizeof(line)), -1);
	assert_timeout(&s);
	stream_close(&s);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* Until the other side is gone: lines without end, nothing read. */
static void *
flood(void *arg)
{
	int fd = *(int *)arg;
	char text[4096];

	memset(text, '\n', sizeof(text));
	while (send(fd, text, sizeof(text), MSG_NOSIGNAL) > 0)
		;
	(void)close(fd);
	return NULL;
}

static void
test_input_is_bounded_while_a_write_waits(void **state)
{
	char *big = mem_alloc(4 << 20);
	struct stream s;
	int peer = pair(&s, SOCK_STREAM, 10 * SHORT);
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, flood, &peer), 0);
	assert_int_equal(stream_write(&s, big, 4 << 20), -1);
	assert_timeout(&s);
	assert_true(stream_pending(&s) <= (1 << 20) + 16384);
	stream_close(&s);
	assert_int_equal(pthread_join(thread, NULL), 0);
	free(big);
}

/* ---- writing ---- */

static void
test_a_flight_leaves_in_one_write(void **state)
{
	static const char flight[] = "MAIL FROM:<>\r\nRCPT TO:<a@example.com>\r\nDATA\r\n";
	char got[256];
	struct stream s;
	int peer = pair(&s, SOCK_SEQPACKET, LONG);	/* a write is a packet */

	(void)state;
	assert_int_equal(stream_puts(&s, "MAIL FROM:<>\r\n"), 0);
	assert_int_equal(stream_puts(&s, "RCPT TO:<a@example.com>\r\n"), 0);
	assert_int_equal(stream_write(&s, "DATA\r\n", 6), 0);
	assert_int_equal(recv(peer, got, sizeof(got), MSG_DONTWAIT), -1);
	assert_int_equal(stream_flush(&s), 0);
	assert_int_equal(recv(peer, got, sizeof(got), MSG_DONTWAIT), sizeof(flight) - 1);
	assert_memory_equal(got, flight, sizeof(flight) - 1);
	assert_int_equal(stream_flush(&s), 0);	/* nothing left: no empty packet */
	assert_int_equal(recv(peer, got, sizeof(got), MSG_DONTWAIT), -1);
	stream_close(&s);
	(void)close(peer);
}

static void
test_full_records_leave_at_once(void **state)
{
	static const struct { size_t first, second; ptrdiff_t packets[4]; } cases[] = {
		{16383, 0, {-1}}, {16384, 0, {16384, -1}}, {40000, 0, {32768, -1}}, {10, 16374, {16384, -1}}, {10, 40000, {16384, 16384, -1}},
		{16380, 3, {-1}},
	};
	static char text[40000], got[70000];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stream s;
		int peer = pair(&s, SOCK_SEQPACKET, LONG);
		size_t sent = 0;

		assert_int_equal(stream_write(&s, text, cases[i].first), 0);
		assert_int_equal(stream_write(&s, text, cases[i].second), 0);
		for (const ptrdiff_t *p = cases[i].packets; ; p++) {
			assert_int_equal(recv(peer, got, sizeof(got), MSG_DONTWAIT), *p);
			if (*p == -1)
				break;
			sent += (size_t)*p;
		}
		assert_int_equal(stream_flush(&s), 0);
		assert_int_equal(recv(peer, got, sizeof(got), MSG_DONTWAIT), cases[i].first + cases[i].second - sent == 0 ? -1 :
		    (ptrdiff_t)(cases[i].first + cases[i].second - sent));
		stream_close(&s);
		(void)close(peer);
	}
}

/* A server that answers before it reads: what it reads counts. */
#define REPLIES	40000		/* lines of 16 octets */
#define OUTPUT	(3 << 20)

struct talker {
	int fd;
	size_t got;
	bool orderly;		/* octet i is i * 7 */
};

static char *
all_replies(void)
{
	struct buf b = {0};

	for (int i = 0; i < REPLIES; i++)
		buf_printf(&b, "250 2.1.5 %04d\r\n", i % 10000);
	return b.data;
}

static char *
all_output(void)
{
	char *p = mem_alloc(OUTPUT);

	for (size_t i = 0; i < OUTPUT; i++)
		p[i] = (char)(i * 7);
	return p;
}

static void
count(struct talker *t, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++, t->got++)
		if (p[i] != (char)(t->got * 7))
			t->orderly = false;
}

static void *
talk_first(void *arg)
{
	struct talker *t = arg;
	char *replies = all_replies(), got[8192];
	size_t sent = 0, all = strlen(replies);
	ssize_t n = 1;

	while (sent < all && n > 0) {
		n = send(t->fd, replies + sent, all - sent, MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
	}
	while ((n = recv(t->fd, got, sizeof(got), 0)) > 0)
		count(t, got, (size_t)n);
	free(replies);
	(void)close(t->fd);
	return NULL;
}

static void
exchange(struct stream *s)
{
	char *output = all_output(), expected[32];

	assert_int_equal(stream_write(s, output, OUTPUT), 0);
	assert_int_equal(stream_flush(s), 0);
	for (int i = 0; i < REPLIES; i++) {
		(void)snprintf(expected, sizeof(expected), "250 2.1.5 %04d", i % 10000);
		assert_line(s, expected, 14);
	}
	assert_int_equal(stream_pending(s), 0);
	free(output);
}

static void
test_replies_are_read_while_a_write_waits(void **state)
{
	struct stream s;
	struct talker t = {.fd = pair(&s, SOCK_STREAM, LONG), .orderly = true};
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, talk_first, &t), 0);
	exchange(&s);
	stream_close(&s);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(t.got, OUTPUT);
	assert_true(t.orderly);
}

/* SIGPIPE has its default here: it would end the test. */
static void
test_a_last_word_is_heard(void **state)
{
	char *big = mem_alloc(4 << 20), line[64];
	struct stream s;
	int peer = pair(&s, SOCK_STREAM, LONG);

	(void)state;
	(void)signal(SIGPIPE, SIG_DFL);
	say(peer, "250 ok\r\n421 4.3.2 going down\r\nhalf", 34);
	(void)close(peer);
	assert_int_equal(stream_write(&s, big, 4 << 20), -1);
	assert_int_equal(s.error, STREAM_CLOSED);
	assert_line(&s, "250 ok", 6);
	assert_line(&s, "421 4.3.2 going down", 20);
	assert_int_equal(stream_readline(&s, line, sizeof(line)), -1);
	assert_string_equal(s.why, "the smarthost closed the connection");
	stream_close(&s);
	free(big);
}

/* ---- TLS ---- */

static int
secure(struct stream *s, struct tls_peer *peer, long ms, struct outcome *o)
{
	struct tls_policy policy = {.name = HOST, .ca_file = ca_file};
	struct tls *tls = tls_new(&policy, o);

	(void)signal(SIGPIPE, SIG_IGN);
	assert_non_null(tls);
	stream_init(s, peer_start(peer), clock_now() + ms);
	return stream_start_tls(s, tls, o);
}

static void
greet_and_listen(SSL *ssl, struct tls_peer *peer)
{
	int *sizes = peer->arg;
	char got[20000];

	(void)SSL_write(ssl, "220 ready\r\n250", 14);
	(void)SSL_write(ssl, " ok\r\n", 5);
	for (int i = 0; i < 4; i++)
		sizes[i] = SSL_read(ssl, got, sizeof(got));	/* no more than a record at a time */
}

static void
test_tls_lines_and_records(void **state)
{
	static char big[16384];
	int sizes[4];
	struct tls_peer peer = {.id = &server, .dialogue = greet_and_listen, .arg = sizes};
	struct outcome o = {0};
	struct stream s;

	(void)state;
	if (secure(&s, &peer, LONG, &o) == -1)
		fail_msg("%s", o.why);
	assert_line(&s, "220 ready", 9);
	assert_line(&s, "250 ok", 6);
	assert_int_equal(stream_puts(&s, "EHLO x\r\n"), 0);
	assert_int_equal(stream_puts(&s, "NOOP\r\n"), 0);
	assert_int_equal(stream_flush(&s), 0);
	assert_int_equal(stream_write(&s, big, sizeof(big)), 0);
	assert_int_equal(stream_puts(&s, "."), 0);
	assert_int_equal(stream_flush(&s), 0);
	stream_close(&s);
	peer_join(&peer);
	assert_int_equal(sizes[0], 14);
	assert_int_equal(sizes[1], 16384);
	assert_int_equal(sizes[2], 1);
	assert_int_equal(sizes[3], 0);	/* close_notify */
}

/* As talk_first(), with new keys on the way. */
static void
talk_first_tls(SSL *ssl, struct tls_peer *peer)
{
	struct talker *t = peer->arg;
	char *replies = all_replies(), got[8192];
	size_t all = strlen(replies), half = all / 2;
	int n;

	(void)SSL_write(ssl, replies, (int)half);
	if (SSL_version(ssl) == TLS1_3_VERSION)
		(void)SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
	(void)SSL_write(ssl, replies + half, (int)(all - half));
	while ((n = SSL_read(ssl, got, sizeof(got))) > 0)
		count(t, got, (size_t)n);
	free(replies);
}

static void
test_tls_replies_are_read_while_a_write_waits(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct talker t = {.orderly = true};
		struct tls_peer peer = {.id = &server, .max = versions[i], .dialogue = talk_first_tls, .arg = &t};
		struct outcome o = {0};
		struct stream s;

		assert_int_equal(secure(&s, &peer, LONG, &o), 0);
		exchange(&s);
		stream_close(&s);
		peer_join(&peer);
		assert_int_equal(t.got, OUTPUT);
		assert_true(t.orderly);
	}
}

/* Asks for new keys, and listens only once there is more than the way takes. */
static void
ask_for_keys(SSL *ssl, struct tls_peer *peer)
{
	const struct timespec while_it_waits = {.tv_nsec = 100 * 1000 * 1000};
	struct talker *t = peer->arg;
	char got[8192];
	int n;

	(void)SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
	(void)SSL_write(ssl, "250 ok\r\n", 8);
	for (n = 0; n == 0; )
		must(ioctl(peer->fd, FIONREAD, &n) == 0, "FIONREAD");
	(void)nanosleep(&while_it_waits, NULL);
	while ((n = SSL_read(ssl, got, sizeof(got))) > 0)
		count(t, got, (size_t)n);
}

/* The word on new keys finds the way full, behind records that have collected: it waits, and the connection is not taken to be broken. */
static void
test_tls_new_keys_wait_for_room(void **state)
{
	struct talker t = {.orderly = true};
	struct tls_peer peer = {.id = &server, .min = TLS1_3_VERSION, .dialogue = ask_for_keys, .arg = &t};
	struct outcome o = {0};
	struct stream s;
	char *output = all_output();
	int small = 4096;

	(void)state;
	assert_int_equal(secure(&s, &peer, LONG, &o), 0);
	must(setsockopt(s.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0, "SO_SNDBUF");
	assert_int_equal(stream_write(&s, output, 3 * 16384), 0);
	assert_line(&s, "250 ok", 6);
	assert_int_equal(stream_write(&s, output + 3 * 16384, OUTPUT - 3 * 16384), 0);
	assert_int_equal(stream_flush(&s), 0);
	stream_close(&s);
	peer_join(&peer);
	free(output);
	assert_int_equal(t.got, OUTPUT);
	assert_true(t.orderly);
}

static void
refuse_and_go(SSL *ssl, struct tls_peer *peer)
{
	(void)SSL_write(ssl, "421 4.3.2 going down\r\n", 22);
	(void)close(peer->fd);
	peer->fd = -1;
}

static void
test_tls_last_word_is_heard(void **state)
{
	char *big = mem_alloc(4 << 20), line[64];
	struct tls_peer peer = {.id = &server, .dialogue = refuse_and_go};
	struct outcome o = {0};
	struct stream s;

	(void)state;
	assert_int_equal(secure(&s, &peer, LONG, &o), 0);
	peer_join(&peer);
	assert_int_equal(stream_write(&s, big, 4 << 20), -1);
	assert_line(&s, "421 4.3.2 going down", 20);
	assert_int_equal(stream_readline(&s, line, sizeof(line)), -1);
	assert_int_equal(stream_fail(&s, STAGE_DATA, "sending the message", &o), -1);
	assert_int_equal(o.cause, CAUSE_LOST);
	assert_string_equal(o.why, "the smarthost closed the connection");
	stream_close(&s);
	free(big);
}

struct sleeper {
	int wake[2], awake[2];		/* pipes */
	struct buf got;
};

/* Reads nothing until it is woken, then one record, and the rest when the client has gone. */
static void
sleep_and_read(SSL *ssl, struct tls_peer *peer)
{
	struct sleeper *s = peer->arg;
	char got[20000];
	int n;

	must(read(s->wake[0], got, 1) == 1, "wake");
	for (bool first = true; (n = SSL_read(ssl, got, sizeof(got))) > 0; first = false) {
		buf_add(&s->got, got, (size_t)n);
		if (first)
			must(write(s->awake[1], "", 1) == 1, "awake");
	}
}

/* What the caller was told not to have left must not leave when the connection is closed, though there is room by then: it is sent again elsewhere. */
static void
test_tls_what_was_given_up_never_leaves(void **state)
{
	struct sleeper sleeper = {0};
	struct tls_peer peer = {.id = &server, .dialogue = sleep_and_read, .arg = &sleeper};
	struct outcome o = {0};
	struct stream s;
	char line[1024], last[32] = "";
	int r = 0;

	(void)state;
	must(pipe(sleeper.wake) == 0 && pipe(sleeper.awake) == 0, "pipe");
	assert_int_equal(secure(&s, &peer, LONG, &o), 0);
	for (int i = 0; r == 0; i++) {
		s.deadline = clock_now() + 300;
		memset(line, 'x', sizeof(line));
		(void)snprintf(last, sizeof(last), "\nline %d ", i);
		memcpy(line, last, strlen(last));
		r = stream_write(&s, line, sizeof(line)) == 0 ? stream_flush(&s) : -1;
	}
	assert_int_equal(s.error, STREAM_TIMEOUT);
	must(write(sleeper.wake[1], "", 1) == 1 && read(sleeper.awake[0], line, 1) == 1, "wake");
	stream_close(&s);
	peer_join(&peer);
	assert_true(sleeper.got.len > sizeof(line));
	assert_null(strstr(sleeper.got.data, last));
	buf_free(&sleeper.got);
	for (int i = 0; i < 2; i++) {
		(void)close(sleeper.wake[i]);
		(void)close(sleeper.awake[i]);
	}
}

static void
cut_after_half_a_line(SSL *ssl, struct tls_peer *peer)
{
	(void)SSL_write(ssl, "250 acc", 7);
	(void)shutdown(peer->fd, SHUT_RDWR);	/* no close_notify */
}

static void
garbage(SSL *ssl, struct tls_peer *peer)
{
	(void)ssl;
	(void)send(peer->fd, "250 in clear, in the middle of TLS\r\n", 36, MSG_NOSIGNAL);
}

static void
test_tls_broken_records_are_no_line(void **state)
{
	static const struct { void (*dialogue)(SSL *, struct tls_peer *); enum stream_error error; } cases[] = {
		{cut_after_half_a_line, STREAM_CLOSED}, {garbage, STREAM_LOST},
	};
	char line[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_peer peer = {.id = &server, .dialogue = cases[i].dialogue};
		struct outcome o = {0};
		struct stream s;

		assert_int_equal(secure(&s, &peer, LONG, &o), 0);
		assert_int_equal(stream_readline(&s, line, sizeof(line)), -1);
		assert_int_equal(s.error, cases[i].error);
		assert_string_not_equal(s.why, "");
		stream_close(&s);
		peer_join(&peer);
	}
}

static void
test_tls_handshake_deadline(void **state)
{
	struct tls_policy policy = {.name = HOST, .ca_file = ca_file};
	struct outcome o = {0};
	struct stream s;
	int peer = pair(&s, SOCK_STREAM, SHORT);

	(void)state;
	assert_int_equal(stream_start_tls(&s, tls_new(&policy, &o), &o), -1);
	assert_int_equal(o.status, EX_TEMPFAIL);
	assert_int_equal(o.stage, STAGE_TLS);
	assert_int_equal(o.cause, CAUSE_TIMEOUT);
	assert_string_equal(o.what, "TLS handshake with " HOST);
	assert_string_equal(o.why, "no answer before the deadline");
	assert_int_equal(stream_puts(&s, "AUTH PLAIN\r\n"), -1);
	stream_close(&s);
	(void)close(peer);
}

/* The password that was meant for another is not sent, whatever the caller does. */
static void
test_tls_nothing_is_sent_to_a_stranger(void **state)
{
	struct identity stranger = make_identity(&(struct cert_spec){.cn = "x", .san = "DNS:other.example"}, &authority);
	struct tls_peer peer = {.id = &stranger};
	struct outcome o = {0};
	struct stream s;

	(void)state;
	assert_int_equal(secure(&s, &peer, LONG, &o), -1);
	assert_int_equal(o.status, EX_PROTOCOL);
	assert_int_equal(o.cause, CAUSE_CERT_NAME);
	assert_int_equal(stream_puts(&s, "AUTH PLAIN AHgAeQ==\r\n"), -1);
	assert_int_equal(stream_flush(&s), -1);
	stream_close(&s);
	peer_join(&peer);
	assert_false(peer.accepted && peer.got[0] != '\0');
	free_identity(&stranger);
}

/* ---- between commands ---- */

/* Nothing is said: quiet, also once more, and without a wait though the deadline is far. */
static void
test_quiet(void **state)
{
	struct stream s;
	int peer = pair(&s, SOCK_STREAM, LONG);
	msec before = clock_now();

	(void)state;
	assert_true(stream_is_quiet(&s));
	assert_true(stream_is_quiet(&s));
	assert_true(clock_now() - before < LONG / 2);
	say(peer, "250 ok\r\n", 8);
	assert_line(&s, "250 ok", 6);
	assert_true(stream_is_quiet(&s));
	assert_int_equal(stream_puts(&s, "NOOP\r\n"), 0);
	assert_int_equal(stream_flush(&s), 0);
	assert_true(stream_is_quiet(&s));
	stream_close(&s);
	(void)close(peer);
}

/* Something is said that nobody asked for, whole or not; it can be read all the same. */
static void
test_not_quiet(void **state)
{
	static const char *const texts[] = {"421 4.4.2 idle for too long\r\n", "4"};
	struct stream s;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int peer = pair(&s, SOCK_STREAM, LONG);

		say(peer, texts[i], strlen(texts[i]));
		assert_false(stream_is_quiet(&s));
		assert_false(stream_is_quiet(&s));
		assert_int_equal(stream_pending(&s), strlen(texts[i]));
		assert_int_equal(s.error, STREAM_OK);
		if (i == 0) {
			assert_line(&s, "421 4.4.2 idle for too long", 27);
			assert_true(stream_is_quiet(&s));
		}
		stream_close(&s);
		(void)close(peer);
	}
}

/* Read ahead with a reply that was asked for: what is behind it is not quiet either. */
static void
test_not_quiet_behind_a_reply(void **state)
{
	struct stream s;
	int peer = pair(&s, SOCK_STREAM, LONG);

	(void)state;
	say(peer, "250 ok\r\n421 bye\r\n", 17);
	assert_line(&s, "250 ok", 6);
	assert_false(stream_is_quiet(&s));
	assert_line(&s, "421 bye", 7);
	assert_true(stream_is_quiet(&s));
	stream_close(&s);
	(void)close(peer);
}

static void
test_not_quiet_at_the_end(void **state)
{
	struct stream s;
	char line[64];

	(void)state;
	for (int word = 0; word < 2; word++) {
		int peer = pair(&s, SOCK_STREAM, LONG);

		if (word)
			say(peer, "421 bye\r\n", 9);
		(void)close(peer);
		assert_false(stream_is_quiet(&s));
		assert_int_equal(s.error, STREAM_CLOSED);
		assert_false(stream_is_quiet(&s));
		if (word)
			assert_line(&s, "421 bye", 7);
		assert_int_equal(stream_readline(&s, line, sizeof(line)), -1);
		stream_close(&s);
	}
}

/* In TLS: a session ticket of TLS 1.3 is nothing that was said; a line is, and so is the end. */
static void
wait_and_say(SSL *ssl, struct tls_peer *peer)
{
	char c[8];

	(void)peer;
	if (SSL_read(ssl, c, 1) == 1)
		(void)SSL_write(ssl, "421 bye\r\n", 9);
	(void)SSL_read(ssl, c, 1);
	(void)SSL_shutdown(ssl);
}

static void
test_quiet_in_tls(void **state)
{
	struct tls_peer peer = {.id = &server, .dialogue = wait_and_say};
	struct outcome o = {0};
	struct stream s;
	struct pollfd there;

	(void)state;
	assert_int_equal(secure(&s, &peer, LONG, &o), 0);
	assert_true(stream_is_quiet(&s));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(stream_puts(&s, "x"), 0);
		assert_int_equal(stream_flush(&s), 0);
		do {
			there = (struct pollfd){.fd = s.fd, .events = POLLIN};
			assert_int_equal(poll(&there, 1, LONG), 1);
		} while (stream_is_quiet(&s));	/* a ticket */
		if (i == 0)
			assert_line(&s, "421 bye", 7);
		else
			assert_int_not_equal(s.error, STREAM_OK);
	}
	stream_close(&s);
	peer_join(&peer);
}

static void
test_close_at_any_time(void **state)
{
	struct stream s;
	int peer = pair(&s, SOCK_STREAM, LONG);
	char c;

	(void)state;
	assert_int_equal(stream_puts(&s, "never sent"), 0);
	stream_close(&s);
	assert_int_equal(recv(peer, &c, 1, 0), 0);
	stream_close(&s);
	(void)close(peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_line_in_pieces),
		cmocka_unit_test(test_longest_line),
		cmocka_unit_test(test_end_of_connection),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_deadline_that_has_passed),
		cmocka_unit_test(test_an_octet_now_and_then),
		cmocka_unit_test(test_input_is_bounded_while_a_write_waits),
		cmocka_unit_test(test_a_flight_leaves_in_one_write),
		cmocka_unit_test(test_full_records_leave_at_once),
		cmocka_unit_test(test_replies_are_read_while_a_write_waits),
		cmocka_unit_test(test_a_last_word_is_heard),
		cmocka_unit_test(test_tls_lines_and_records),
		cmocka_unit_test(test_tls_replies_are_read_while_a_write_waits),
		cmocka_unit_test(test_tls_new_keys_wait_for_room),
		cmocka_unit_test(test_tls_last_word_is_heard),
		cmocka_unit_test(test_tls_what_was_given_up_never_leaves),
		cmocka_unit_test(test_tls_broken_records_are_no_line),
		cmocka_unit_test(test_tls_handshake_deadline),
		cmocka_unit_test(test_tls_nothing_is_sent_to_a_stranger),
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_not_quiet),
		cmocka_unit_test(test_not_quiet_behind_a_reply),
		cmocka_unit_test(test_not_quiet_at_the_end),
		cmocka_unit_test(test_quiet_in_tls),
		cmocka_unit_test(test_close_at_any_time),
	};

	return cmocka_run_group_tests(tests, group_up, group_down);
}
