/*
 * The message on the wire: dots stuffed wherever a line begins, at every border of what is read and written in pieces; octets counted right.
 */
#include <fcntl.h>
#include "mail/mime.h"
#include "smtp/body.h"
#include "smtp_peer.h"

#define BLOCK 65536	/* what body.c reads at a time */

/* Whatever comes out of a socket, collected in a thread. */
struct sink {
	int fd;
	struct buf got;
	pthread_t thread;
};

static void *
sink_run(void *arg)
{
	struct sink *k = arg;
	char block[8192];
	ssize_t n;

	while ((n = read(k->fd, block, sizeof(block))) > 0)
		buf_add(&k->got, block, (size_t)n);
	(void)close(k->fd);
	return NULL;
}

/* What body_write() sends. The caller frees it. */
static struct buf
written(struct message *m, bool stuffed)
{
	struct sink k = {0};
	struct stream s;
	struct outcome o;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_int_equal(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
	k.fd = fd[1];
	peer_must(pthread_create(&k.thread, NULL, sink_run, &k) == 0, "pthread_create");
	stream_init(&s, fd[0], clock_now() + PATIENCE);
	assert_int_equal(body_write(&s, m, stuffed, &o), 0);
	assert_int_equal(stream_flush(&s), 0);
	stream_close(&s);
	peer_must(pthread_join(k.thread, NULL) == 0, "pthread_join");
	return k.got;
}

/* The same by the letter of RFC 5321 section 4.5.2, octet by octet. */
static struct buf
expected(const char *p, size_t n)
{
	struct buf b = {0};

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '.' && (i == 0 || p[i - 1] == '\n'))
			buf_putc(&b, '.');
		buf_putc(&b, p[i]);
	}
	return b;
}

static void
assert_same(const struct buf *got, const char *want, size_t n, const char *name)
{
	if (got->len != n || memcmp(got->data, want, n) != 0)
		fail_msg("%s: %zu octets went out, not %zu, or not these", name, got->len, n);
}

/* Sends header and body both ways. text is what the message consists of, as it should be without stuffing. */
static void
check(struct message *m, const char *text, size_t n, const char *name)
{
	struct buf plain = written(m, false), stuffed = written(m, true), want = expected(text, n);

	assert_same(&plain, text, n, name);
	assert_same(&stuffed, want.data, want.len, name);
	assert_int_equal(message_size(m), plain.len);
	buf_free(&plain);
	buf_free(&stuffed);
	buf_free(&want);
}

static void
message_made(struct message *m, const char *header, const char *body, size_t n)
{
	struct outcome o;

	memset(m, 0, sizeof(*m));
	header_parse(&m->header, header, strlen(header));
	store_init(&m->body, NULL);
	assert_int_equal(store_add(&m->body, body, n, &o), 0);
	assert_int_equal(store_finish(&m->body, &o), 0);
}

static void
dots_in_small_messages(void **state)
{
	static const struct { const char *header, *body; } rows[] = {
		{"A: b\r\n", "hello\r\n"}, {"A: b\r\n", ""}, {"A: b\r\n", ".\r\n"}, {"A: b\r\n", ".first\r\nlast\r\n"}, {"A: b\r\n", "..\r\n.\r\n...\r\n"},
		{"A: b\r\n", "a.b\r\n a .\r\n.\r\n"}, {"A: b\r\n", "\r\n.\r\n\r\n"}, {".A: b\r\nC: d\r\n", "x\r\n"}, {"A: b\r\n.C: d\r\n", ".\r\n"},
		{"A: b\r\n .folded\r\n", "x\r\n"}, {"", ".\r\n"}, {"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct message m;
		char *text = mem_printf("%s\r\n%s", rows[i].header, rows[i].body);

		message_made(&m, rows[i].header, rows[i].body, strlen(rows[i].body));
		check(&m, text, strlen(text), text);
		message_free(&m);
		free(text);
	}
}

/* n octets of body: lines of 62 letters, and at octet at the text: "\r\n.\r\n" so that each of its octets stands once at each side of a border. */
static char *
body_with(size_t n, size_t at, const char *text)
{
	char *p = mem_alloc(n);

	for (size_t i = 0; i < n; i++)
		p[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x';
	memcpy(p + at, text, strlen(text));
	return p;
}

static void
check_border(const char *header, size_t n, size_t at, const char *text)
{
	struct message m;
	char *body = body_with(n, at, text), *whole = mem_alloc(n + 100), name[64];
	size_t len = strlen(header);

	(void)snprintf(name, sizeof(name), "%zu octets, border case at %zu", n, at);
	message_made(&m, header, body, n);
	memcpy(whole, header, len);
	memcpy(whole + len, "\r\n", 2);
	memcpy(whole + len + 2, body, n);
	check(&m, whole, len + 2 + n, name);
	message_free(&m);
	free(body);
	free(whole);
}

/* In memory and in a file, around the first two borders of what is read at a time. */
static void
dots_at_block_borders(void **state)
{
	static const size_t sizes[] = {2 * BLOCK + 640, 1024 * 1024 + BLOCK};

	(void)state;
	for (size_t size = 0; size < 2; size++)
		for (size_t border = 1; border <= 2; border++)
			for (size_t before = 0; before <= 6; before++) {
				check_border("A: b\r\n", sizes[size], border * BLOCK - before, "\r\n.\r\n");
				check_border("A: b\r\n", sizes[size], border * BLOCK - before, "\r\n..");
			}
}

/* The stream sends records of 16,384 octets: what is put into one and what goes by it in large pieces stays in order. */
static void
dots_at_record_borders(void **state)
{
	(void)state;
	for (size_t at = 16384 - 12; at < 16384; at++)
		check_border("A: b\r\n", BLOCK, at, "\r\n.\r\n");
}

static void
nothing_but_dots(void **state)
{
	struct buf body = {0}, whole = {0};
	struct message m;

	(void)state;
	while (body.len < 3 * BLOCK)
		buf_puts(&body, body.len % 7 == 0 ? "..\r\n" : ".\r\n");
	buf_printf(&whole, "A: b\r\n\r\n%s", body.data);
	message_made(&m, "A: b\r\n", body.data, body.len);
	check(&m, whole.data, whole.len, "dots");
	message_free(&m);
	buf_free(&body);
	buf_free(&whole);
}

/* BDAT and SIZE count right, also what was converted on the way. */
static void
size_after_conversion(void **state)
{
	static const char text[] = "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGr\303\274\303\237e = \n.\n";
	struct message m;
	struct outcome o;
	struct buf plain;

	(void)state;
	message_of(&m, text, sizeof(text) - 1);
	assert_true(mime_needed(&m, false));
	assert_int_equal(mime_convert(&m, false, &o), 0);
	plain = written(&m, false);
	assert_int_equal(message_size(&m), plain.len);
	assert_non_null(memmem(plain.data, plain.len, "Gr=C3=BC=C3=9Fe", 15));
	for (size_t i = 0; i < plain.len; i++)
		assert_true((unsigned char)plain.data[i] < 0x80);
	buf_free(&plain);
	message_free(&m);
}

/* A file that became shorter is our failure (74), and not the stream's. */
static void
cannot_be_read_back(void **state)
{
	size_t n = 1024 * 1024 + 10;
	char *body = body_with(n, 0, "");
	struct outcome o = {0};
	struct message m;
	struct sink k = {0};
	struct stream s;
	int fd[2];

	(void)state;
	message_made(&m, "A: b\r\n", body, n);
	assert_int_not_equal(m.body.fd, -1);
	assert_int_equal(ftruncate(m.body.fd, 2 * BLOCK), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_int_equal(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
	k.fd = fd[1];
	peer_must(pthread_create(&k.thread, NULL, sink_run, &k) == 0, "pthread_create");
	stream_init(&s, fd[0], clock_now() + PATIENCE);
	assert_int_equal(body_write(&s, &m, true, &o), -1);
	assert_int_equal(s.error, STREAM_OK);
	assert_int_equal(o.status, EX_IOERR);
	stream_close(&s);
	peer_must(pthread_join(k.thread, NULL) == 0, "pthread_join");
	buf_free(&k.got);
	message_free(&m);
	free(body);
}

static void
peer_is_gone(void **state)
{
	size_t n = 1024 * 1024;
	char *body = body_with(n, 0, "");
	struct outcome o = {0};
	struct message m;
	struct stream s;
	int fd[2];

	(void)state;
	message_made(&m, "A: b\r\n", body, n);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_int_equal(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
	(void)close(fd[1]);
	stream_init(&s, fd[0], clock_now() + PATIENCE);
	assert_int_equal(body_write(&s, &m, true, &o), -1);
	assert_int_equal(s.error, STREAM_CLOSED);
	assert_int_equal(o.status, 0);
	stream_close(&s);
	message_free(&m);
	free(body);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(dots_in_small_messages), cmocka_unit_test(dots_at_block_borders), cmocka_unit_test(dots_at_record_borders),
		cmocka_unit_test(nothing_but_dots), cmocka_unit_test(size_after_conversion), cmocka_unit_test(cannot_be_read_back),
		cmocka_unit_test(peer_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
