/*
 * Replies as servers send them, legal and not (RFC 5321 section 4.2).
 */
#include <sys/socket.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <fcntl.h>
#include <unistd.h>
#include <cmocka.h>
#include "smtp/capability.h"
#include "smtp/reply.h"

/* Reads one reply from the octets; a peer that has said them and gone. 0, or the exit status. */
static int
read_reply(struct reply *r, const char *octets, size_t n)
{
	int fd[2];
	struct stream s;
	struct outcome o;
	int status;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_int_equal(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(write(fd[1], octets, n), n);
	assert_int_equal(close(fd[1]), 0);
	stream_init(&s, fd[0], clock_now() + 10000);
	status = reply_read(r, &s, NULL, STAGE_MAIL, "waiting", &o) == 0 ? 0 : o.status;
	stream_close(&s);
	return status;
}

static void
lines(void **state)
{
	static const struct { const char *line; int code; bool last; const char *text; } rows[] = {
		{"250 ok", 250, true, "ok"}, {"250-ok", 250, false, "ok"}, {"250", 250, true, ""}, {"250 ", 250, true, ""}, {"250-", 250, false, ""},
		{"599 x", 599, true, "x"}, {"199 x", -1, false, NULL}, {"600 x", -1, false, NULL}, {"25 ok", -1, false, NULL}, {"", -1, false, NULL},
		{"250ok", -1, false, NULL}, {"2500 ok", -1, false, NULL}, {" 250 ok", -1, false, NULL}, {"250_ok", -1, false, NULL},
		{"HTTP/1.1 400", -1, false, NULL}, {"2x0 ok", -1, false, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool last = false;
		const char *text = NULL;
		int code = reply_line(rows[i].line, strlen(rows[i].line), &last, &text);

		if (code != rows[i].code)
			fail_msg("\"%s\": %d", rows[i].line, code);
		if (code > 0) {
			assert_int_equal(last, rows[i].last);
			assert_string_equal(text, rows[i].text);
		}
	}
}

static void
whole_replies(void **state)
{
	static const struct { const char *octets; int status, code; const char *enhanced, *words; } rows[] = {
		{"250 2.1.0 Ok\r\n", 0, 250, "2.1.0", "250 2.1.0 Ok"},
		{"250 ok\n", 0, 250, "", "250 ok"},
		{"550-5.7.1 Not\r\n550-5.7.1 this\r\n550 5.7.1 way\r\n", 0, 550, "5.7.1", "550 5.7.1 Not this way"},
		{"550-first\r\n550 5.1.1 second\r\n", 0, 550, "5.1.1", "550 first 5.1.1 second"},
		{"550 4.1.1 of another class\r\n", 0, 550, "", "550 4.1.1 of another class"},
		{"250 2.11 no code\r\n", 0, 250, "", "250 2.11 no code"},
		{"250 2.1.1000 no code\r\n", 0, 250, "", "250 2.1.1000 no code"},
		{"250 2.1.0\r\n", 0, 250, "2.1.0", "250 2.1.0"},
		{"250\r\n", 0, 250, "", "250"},
		{"250-a\r\n251 b\r\n", EX_PROTOCOL, 0, NULL, NULL},
		{"hello\r\n", EX_PROTOCOL, 0, NULL, NULL},
		{"\r\n", EX_PROTOCOL, 0, NULL, NULL},
		{"250-a\r\n", EX_TEMPFAIL, 0, NULL, NULL},
		{"25", EX_TEMPFAIL, 0, NULL, NULL},
	};
	static struct reply r;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char words[100];
		int status = read_reply(&r, rows[i].octets, strlen(rows[i].octets));

		if (status != rows[i].status)
			fail_msg("\"%s\": %d", rows[i].octets, status);
		if (status != 0)
			continue;
		reply_words(&r, words, sizeof(words));
		assert_int_equal(r.code, rows[i].code);
		assert_string_equal(r.enhanced, rows[i].enhanced);
		assert_string_equal(words, rows[i].words);
	}
}

/* 512 lines are a reply, one more is not; a line beyond the bound is not; text beyond what is kept is dropped. */
static void
bounds(void **state)
{
	static struct reply r;
	char *big = malloc(700 * 1024), *p;
	size_t n;

	(void)state;
	assert_non_null(big);
	for (int lines_wanted = 512; lines_wanted <= 513; lines_wanted++) {
		p = big;
		for (int i = 1; i <= lines_wanted; i++, p += 8)
			memcpy(p, i < lines_wanted ? "250-xy\r\n" : "250 xy\r\n", 8);
		assert_int_equal(read_reply(&r, big, (size_t)(p - big)), lines_wanted == 512 ? 0 : EX_PROTOCOL);
	}
	memset(big, 'x', 5000);
	memcpy(big, "250 ", 4);
	memcpy(big + 4998, "\r\n", 2);
	assert_int_equal(read_reply(&r, big, 5000), EX_PROTOCOL);
	for (n = 0, p = big; n < 10; n++, p += 4000) {
		memset(p, 'y', 4000);
		memcpy(p, n < 9 ? "250-" : "250 ", 4);
		memcpy(p + 3998, "\r\n", 2);
	}
	assert_int_equal(read_reply(&r, big, 40000), 0);
	assert_int_equal(r.len, REPLY_TEXT_MAX - 1);
	free(big);
}

static void
capabilities(void **state)
{
	static struct reply r;
	struct capability c;
	static const char ehlo[] = "250-mail Hello STARTTLS\r\n250-pipelining\r\n250-SIZE 35882577\r\n250-AUTH=LOGIN plain\r\n"
	    "250-AUTH LOGIN XOAUTH2\r\n250-8bitMIME\r\n250-DSN extra words\r\n250-XSTARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n250 CHUNKING\r\n";

	(void)state;
	assert_int_equal(read_reply(&r, ehlo, sizeof(ehlo) - 1), 0);
	capability_parse(&c, &r);
	assert_false(c.starttls);	/* not from the greeting line, not from a longer word */
	assert_true(c.pipelining && c.eight_bit && c.dsn && c.enhanced && c.chunking && c.size);
	assert_false(c.utf8 || c.requiretls);
	assert_int_equal(c.size_max, 35882577);
	assert_true(capability_auth(&c, "LOGIN") && capability_auth(&c, "PLAIN") && capability_auth(&c, "XOAUTH2"));
	assert_false(capability_auth(&c, "OAUTH2") || capability_auth(&c, "AUTH") || capability_auth(&c, "LOG"));
}

static void
size_values(void **state)
{
	static const struct { const char *text; uint64_t max; } rows[] = {
		{"250-x\r\n250 SIZE\r\n", 0}, {"250-x\r\n250 SIZE 0\r\n", 0}, {"250-x\r\n250 SIZE 1000\r\n", 1000},
		{"250-x\r\n250 SIZE abc\r\n", 0}, {"250-x\r\n250 SIZE 99999999999999999999999999\r\n", 0},
	};
	static struct reply r;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct capability c;

		assert_int_equal(read_reply(&r, rows[i].text, strlen(rows[i].text)), 0);
		capability_parse(&c, &r);
		assert_true(c.size);
		assert_int_equal(c.size_max, rows[i].max);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines), cmocka_unit_test(whole_replies), cmocka_unit_test(bounds), cmocka_unit_test(capabilities),
		cmocka_unit_test(size_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
