/*
 * The message as it is read: line ends, NUL, dots, header and body apart; the same wherever a read ends.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "message_input.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include "mail/message.h"

struct given {
	const char *p;
	size_t n;
};

#define IN(s) { s, sizeof(s) - 1 }

static char *
read_fd(struct message *m, int fd, bool dot_ends)
{
	struct outcome o = {0};
	char c;

	if (message_read(m, fd, dot_ends, NULL, &o) < 0)
		fail_msg("%s: %s", o.what, o.why);
	assert_int_equal(read(fd, &c, 1), 0);	/* it was read to its end */
	(void)close(fd);
	return header_and_body(m);
}

static void
assert_read(const char *p, size_t n, bool dot_ends, const char *expected)
{
	struct message m;
	char *got = read_fd(&m, open_whole(p, n), dot_ends);

	assert_string_equal(got, expected);
	assert_int_equal(m.empty, n == 0);
	assert_int_equal(message_size(&m), strlen(expected) - 2);
	free(got);
	message_free(&m);
}

static const struct {
	struct given in;
	const char *out;
} line_cases[] = {
	{ IN("To: a\r\n\r\nb\r\n"), "To: a\r\n--\r\nb\r\n" },
	{ IN("To: a\n\nb\n"), "To: a\r\n--\r\nb\r\n" },
	{ IN("To: a\r\nCc: c\n\r\nb\n\nd\r\n"), "To: a\r\nCc: c\r\n--\r\nb\r\n\r\nd\r\n" },
	{ IN("To: a\r\r\n\r\r\nb\r\r\r\r\nc\r\r\n"), "To: a\r\n--\r\nb\r\nc\r\n" },
	{ IN("To: a\n\na\rb\r\rc\n"), "To: a\r\n--\r\na b  c\r\n" },
	{ IN("To: a\n\n\ra\n"), "To: a\r\n--\r\n a\r\n" },
	{ IN("To: a\n\nb\r"), "To: a\r\n--\r\nb\r\n" },
	{ IN("To: a\n\nb\r\r\r"), "To: a\r\n--\r\nb\r\n" },
	{ IN("To: a\n\nb\n\r"), "To: a\r\n--\r\nb\r\n\r\n" },
	{ IN("To: a\n\nb"), "To: a\r\n--\r\nb\r\n" },
	{ IN("To: a\n\n\0b\0\0c\0\r\0\n\0"), "To: a\r\n--\r\nbc\r\n" },
	{ IN("To: a\n\nb\r\0\0\nc\r\0d\n"), "To: a\r\n--\r\nb\r\nc d\r\n" },
	{ IN("Su\0bject: a\0b\n\0\nc\n"), "Subject: ab\r\n--\r\nc\r\n" },
	{ IN("Subject: a\rBcc: evil@example.org\n\nb\n"), "Subject: a Bcc: evil@example.org\r\n--\r\nb\r\n" },
	{ IN("To: a\n\n\n\n"), "To: a\r\n--\r\n\r\n\r\n" },
	{ IN("To: a\n\nx\n.\r\ny\r.\r\rz\n"), "To: a\r\n--\r\nx\r\n.\r\ny .  z\r\n" },
};

static const struct {
	struct given in;
	const char *out;
} header_cases[] = {
	{ IN(""), "--\r\n" },
	{ IN("\n"), "--\r\n" },
	{ IN("\0"), "--\r\n" },
	{ IN("To: a"), "To: a\r\n--\r\n" },
	{ IN("To: a\n"), "To: a\r\n--\r\n" },
	{ IN("To: a\n\n"), "To: a\r\n--\r\n" },
	{ IN("To: a\n b"), "To: a\r\n b\r\n--\r\n" },
	{ IN("To : a\n\tb\nCC:\n\nc"), "To : a\r\n\tb\r\nCC:\r\n--\r\nc\r\n" },
	{ IN("Subject: caf\351 \303\251\n\nc\n"), "Subject: caf\351 \303\251\r\n--\r\nc\r\n" },
	/* a line of blanks alone in a field goes, and the field goes on */
	{ IN("To: a,\n \t \n b\n\nc\n"), "To: a,\r\n b\r\n--\r\nc\r\n" },
	{ IN("To: a\n \n\nc\n"), "To: a\r\n--\r\nc\r\n" },
	/* what is no field begins the body */
	{ IN("hello\nTo: a\n"), "--\r\nhello\r\nTo: a\r\n" },
	{ IN("\nTo: a\n"), "--\r\nTo: a\r\n" },
	{ IN(" continuation\nSubject: x\n\nb\n"), "--\r\n continuation\r\nSubject: x\r\n\r\nb\r\n" },
	{ IN(" \nSubject: x\n"), "--\r\n \r\nSubject: x\r\n" },
	{ IN("To: a\nhello there\nmore: text\n"), "To: a\r\n--\r\nhello there\r\nmore: text\r\n" },
	{ IN("warning: disk is full\nplease check: /var\n"), "warning: disk is full\r\n--\r\nplease check: /var\r\n" },
	{ IN(": x\n"), "--\r\n: x\r\n" },
	{ IN("S\303\274: x\n"), "--\r\nS\303\274: x\r\n" },
	/* mbox */
	{ IN("From a@b Sun Nov 22 01:00:00 2026\nTo: a\n\nFrom b\n"), "To: a\r\n--\r\nFrom b\r\n" },
	{ IN("From a@b Sun Nov 22 01:00:00 2026\nhello\n"), "--\r\nhello\r\n" },
	{ IN("From a@b Sun Nov 22 01:00:00 2026"), "--\r\n" },
	{ IN("From : a@b\nTo: a\n"), "From : a@b\r\nTo: a\r\n--\r\n" },
	{ IN("From x\nFrom y\nTo: a\n"), "--\r\nFrom y\r\nTo: a\r\n" },
	{ IN("To: a\nFrom b\nCc: c\n"), "To: a\r\n--\r\nFrom b\r\nCc: c\r\n" },
	{ IN(">From a@b\n>From c@d remote from e\nTo: a\n\nb\n"), "To: a\r\n--\r\nb\r\n" },
	{ IN("From x\n>From a@b\nTo: a\n\nb\n"), "To: a\r\n--\r\nb\r\n" },
	{ IN(">From the desk of\nnobody: x\n\n>From b"), "nobody: x\r\n--\r\n>From b\r\n" },
	{ IN(">From the desk of\n>From nobody\nhello\n"), "--\r\n>From the desk of\r\n>From nobody\r\nhello\r\n" },
	{ IN(">From the desk\n\nTo: a\n"), "--\r\n>From the desk\r\n\r\nTo: a\r\n" },
	{ IN(">From the desk"), "--\r\n>From the desk\r\n" },
};

static const struct {
	struct given in;
	const char *out;
	const char *with_i;	/* -i: dots are data */
} dot_cases[] = {
	{ IN("To: a\n\nx\n.\ny\n"), "To: a\r\n--\r\nx\r\n", "To: a\r\n--\r\nx\r\n.\r\ny\r\n" },
	{ IN("To: a\n\nx\r\n.\r\ny\r\n"), "To: a\r\n--\r\nx\r\n", "To: a\r\n--\r\nx\r\n.\r\ny\r\n" },
	{ IN("To: a\n\nx\n."), "To: a\r\n--\r\nx\r\n", "To: a\r\n--\r\nx\r\n.\r\n" },
	{ IN("To: a\n\nx\n.\r"), "To: a\r\n--\r\nx\r\n", "To: a\r\n--\r\nx\r\n.\r\n" },
	{ IN("To: a\n\nx\n.\0\r\r\ny"), "To: a\r\n--\r\nx\r\n", "To: a\r\n--\r\nx\r\n.\r\ny\r\n" },
	{ IN("To: a\n\n..\n...\n.x\n..x\n.y.\n"), "To: a\r\n--\r\n.\r\n..\r\n.x\r\n.x\r\n.y.\r\n",
	    "To: a\r\n--\r\n..\r\n...\r\n.x\r\n..x\r\n.y.\r\n" },
	{ IN("To: a\n\n. \nx.\n. .\n"), "To: a\r\n--\r\n. \r\nx.\r\n. .\r\n", "To: a\r\n--\r\n. \r\nx.\r\n. .\r\n" },
	{ IN("To: a\n\nb\r.\n\r.\n"), "To: a\r\n--\r\nb .\r\n .\r\n", "To: a\r\n--\r\nb .\r\n .\r\n" },
	{ IN("To: a\n\n.\rb\n"), "To: a\r\n--\r\n. b\r\n", "To: a\r\n--\r\n. b\r\n" },
	{ IN(".\n"), "--\r\n", "--\r\n.\r\n" },
	{ IN("."), "--\r\n", "--\r\n.\r\n" },
	{ IN("To: a\n.\nCc: b\n"), "To: a\r\n--\r\n", "To: a\r\n--\r\n.\r\nCc: b\r\n" },
	{ IN("To: a\n..b\n"), "To: a\r\n--\r\n.b\r\n", "To: a\r\n--\r\n..b\r\n" },
	{ IN(">From x\n.\n"), "--\r\n>From x\r\n", "--\r\n>From x\r\n.\r\n" },
};

static void
line_ends_are_decided_line_by_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(line_cases) / sizeof(line_cases[0]); i++)
		assert_read(line_cases[i].in.p, line_cases[i].in.n, false, line_cases[i].out);
}

static void
the_header_ends_where_no_field_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(header_cases) / sizeof(header_cases[0]); i++)
		for (int dots = 0; dots < 2; dots++)
			assert_read(header_cases[i].in.p, header_cases[i].in.n, dots == 1, header_cases[i].out);
}

static void
dots_end_the_message_unless_they_are_data(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(dot_cases) / sizeof(dot_cases[0]); i++) {
		assert_read(dot_cases[i].in.p, dot_cases[i].in.n, true, dot_cases[i].out);
		assert_read(dot_cases[i].in.p, dot_cases[i].in.n, false, dot_cases[i].with_i);
	}
}

/* Reads the input cut in two at every place, and octet by octet; all must give the same. */
static void
check_cuts(const char *p, size_t n, bool dot_ends, const char *expected)
{
	size_t every[256];
	struct message m;
	char *got;

	for (size_t i = 0; i < n; i++)
		every[i] = i;
	for (size_t cut = 0; cut <= n; cut++) {
		got = read_fd(&m, cut < n ? open_pieces(p, n, &cut, 1) : open_pieces(p, n, every, n), dot_ends);
		assert_string_equal(got, expected);
		free(got);
		message_free(&m);
	}
}

static void
nothing_depends_on_where_a_read_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(line_cases) / sizeof(line_cases[0]); i++)
		check_cuts(line_cases[i].in.p, line_cases[i].in.n, false, line_cases[i].out);
	for (size_t i = 0; i < sizeof(header_cases) / sizeof(header_cases[0]); i++)
		check_cuts(header_cases[i].in.p, header_cases[i].in.n, true, header_cases[i].out);
	for (size_t i = 0; i < sizeof(dot_cases) / sizeof(dot_cases[0]); i++) {
		check_cuts(dot_cases[i].in.p, dot_cases[i].in.n, true, dot_cases[i].out);
		check_cuts(dot_cases[i].in.p, dot_cases[i].in.n, false, dot_cases[i].with_i);
	}
}

static uint32_t
next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

/* The same rules, written as slowly and plainly as can be: a body's lines, NUL out, CRs before LF or the end out, others spaces. */
static char *
plain_body(const char *p, size_t n, bool dot_ends)
{
	struct buf clean = {0}, line = {0}, out = {0};
	const char *text;
	size_t i, after;

	buf_puts(&out, "A: b\r\n--\r\n");
	for (i = 0; i < n; i++)
		if (p[i] != '\0')
			buf_putc(&clean, p[i]);
	for (i = 0; i < clean.len; i++) {
		after = i + strspn(buf_str(&clean) + i, "\r");
		if (after < clean.len && clean.data[after] != '\n') {
			buf_putc(&line, clean.data[i] == '\r' ? ' ' : clean.data[i]);
			if (i + 1 < clean.len)
				continue;
		}
		i = after;
		text = buf_str(&line);
		if (dot_ends && strcmp(text, ".") == 0)
			break;
		buf_printf(&out, "%s\r\n", dot_ends && strncmp(text, "..", 2) == 0 ? text + 1 : text);
		buf_reset(&line);
	}
	buf_free(&clean);
	buf_free(&line);
	return out.data;
}

static void
random_input_in_random_pieces_is_read_by_the_same_rules(void **state)
{
	static const char head[] = "A: b\n\n", alphabet[] = "\r\r\n\n\0..ab \200";
	uint32_t seed = 1;
	char text[200], *got, *expected;
	size_t cut[8], n, cuts;
	struct message m;

	(void)state;
	(void)memcpy(text, head, sizeof(head) - 1);
	for (int round = 0; round < 20000; round++) {
		n = sizeof(head) - 1 + next_random(&seed) % 40;
		for (size_t i = sizeof(head) - 1; i < n; i++)
			text[i] = alphabet[next_random(&seed) % (sizeof(alphabet) - 1)];
		cuts = next_random(&seed) % 8;
		for (size_t i = 0, at = 0; i < cuts; i++)
			cut[i] = at += next_random(&seed) % (n - at + 1);
		got = read_fd(&m, open_pieces(text, n, cut, cuts), round % 2 == 0);
		expected = plain_body(text + sizeof(head) - 1, n - sizeof(head) + 1, round % 2 == 0);
		assert_string_equal(got, expected);
		free(got);
		free(expected);
		message_free(&m);
	}
}

/* What message_begin(), message_add() and message_end() make of the input, cut there; between cuts nothing of it is kept but by the reader. */
static char *
add_pieces(struct message *m, const char *p, size_t n, const size_t *cut, size_t cuts, bool dot_ends)
{
	struct outcome o = {0};
	struct message_reader *r = message_begin(m, dot_ends, NULL, &o);
	size_t from = 0, to;

	for (size_t i = 0; i <= cuts; i++) {
		char *piece;

		to = i < cuts ? cut[i] : n;
		piece = mem_ndup(p + from, to - from);
		message_add(r, piece, to - from);
		memset(piece, '!', to - from);
		free(piece);
		from = to;
	}
	assert_int_equal(message_end(r), 0);
	return header_and_body(m);
}

/* As message_read(), whole, cut at each place, octet by octet, and with empty pieces between. */
static void
check_pieces(const char *p, size_t n, bool dot_ends)
{
	struct message read, added;
	char *want = read_fd(&read, open_whole(p, n), dot_ends), *got;
	size_t every[512];

	assert_true(n <= 256);
	for (size_t i = 0; i < 512; i++)
		every[i] = i / 2;
	for (size_t cut = 0; cut <= n + 1; cut++) {
		got = cut <= n ? add_pieces(&added, p, n, &cut, 1, dot_ends) : add_pieces(&added, p, n, every, 2 * n, dot_ends);
		assert_string_equal(got, want);
		assert_true(message_size(&added) == message_size(&read) && added.longest == read.longest && added.header.count == read.header.count);
		assert_true(added.empty == read.empty && added.eight_bit == read.eight_bit && added.utf8 == read.utf8);
		free(got);
		message_free(&added);
	}
	free(want);
	message_free(&read);
}

static void
pieces_that_are_added_are_read_alike(void **state)
{
	static const struct given more[] = {
		IN("Subject: \303\251\n\ncaf\303\251\r\n\342\202\254\n"), IN("Subject: x\n\n\303\n\251"), IN("A: b\n\n0123456789\n\ncaf\351"),
	};

	(void)state;
	for (int dots = 0; dots < 2; dots++) {
		for (size_t i = 0; i < sizeof(line_cases) / sizeof(line_cases[0]); i++)
			check_pieces(line_cases[i].in.p, line_cases[i].in.n, dots == 1);
		for (size_t i = 0; i < sizeof(header_cases) / sizeof(header_cases[0]); i++)
			check_pieces(header_cases[i].in.p, header_cases[i].in.n, dots == 1);
		for (size_t i = 0; i < sizeof(dot_cases) / sizeof(dot_cases[0]); i++)
			check_pieces(dot_cases[i].in.p, dot_cases[i].in.n, dots == 1);
		for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
			check_pieces(more[i].p, more[i].n, dots == 1);
	}
}

/* A failure is told at the end, whatever comes after it; no piece at all is an empty message. */
static void
pieces_that_fail_are_told_at_the_end(void **state)
{
	struct outcome o = {0};
	struct message m;
	struct message_reader *r = message_begin(&m, false, NULL, &o);
	char head[] = "A: ", tail[] = "\n\nbody\n", *block = mem_alloc(65536);

	(void)state;
	message_add(r, head, 3);
	for (size_t i = 0; i <= MESSAGE_HEADER_MAX / 65536; i++) {
		memset(block, 'x', 65536);
		message_add(r, block, 65536);
	}
	message_add(r, tail, strlen(tail));
	assert_int_equal(message_end(r), -1);
	assert_int_equal(o.status, EX_DATAERR);
	assert_int_equal(o.cause, CAUSE_HEADER_TOO_LARGE);
	message_free(&m);
	r = message_begin(&m, false, NULL, &o);
	assert_int_equal(message_end(r), 0);
	assert_true(m.empty);
	assert_int_equal(m.header.count, 0);
	message_free(&m);
	free(block);
}

/* A line end of each kind at each place around the reader's own block of 64 KiB, in a file and as a body past the memory bound. */
static void
line_ends_across_blocks_are_line_ends(void **state)
{
	static const char *const ends[] = { "\n", "\r\n", "\r\r\r\n" };
	struct message m;

	(void)state;
	for (size_t shift = 0; shift < 6; shift++) {
		struct buf in = {0}, out = {0};
		char *got;

		buf_puts(&in, "A: b\n\n");
		buf_puts(&out, "A: b\r\n--\r\n");
		for (size_t block = 1; block < 20; block++) {
			size_t pad = block * 65536 - 3 + shift - in.len;
			char *text = mem_alloc(pad + 1);

			memset(text, 'a', pad);
			buf_printf(&in, "%s%s", text, ends[block % 3]);
			buf_printf(&out, "%s\r\n", text);
			free(text);
		}
		got = read_fd(&m, open_whole(in.data, in.len), true);
		assert_true(m.body.fd >= 0);
		assert_true(strcmp(got, out.data) == 0);
		free(got);
		message_free(&m);
		buf_free(&in);
		buf_free(&out);
	}
}

static void
the_body_is_described(void **state)
{
	static const struct {
		const char *body;
		bool eight_bit, utf8;
		uint64_t longest;
	} cases[] = {
		{ "", false, false, 0 }, { "abc\nde\n", false, false, 3 }, { "a\nabcd", false, false, 4 }, { "\n\n", false, false, 0 },
		{ "caf\303\251\n", true, true, 5 }, { "caf\351\n", true, false, 4 }, { "\303\n\251", true, false, 1 },
		{ "\303", true, false, 1 }, { "\251", true, false, 1 }, { "\300\257", true, false, 2 }, { "\301\277", true, false, 2 },
		{ "\340\237\277", true, false, 3 }, { "\340\240\200", true, true, 3 }, { "\355\237\277", true, true, 3 },
		{ "\355\240\200", true, false, 3 }, { "\356\200\200", true, true, 3 }, { "\360\217\277\277", true, false, 4 },
		{ "\360\220\200\200", true, true, 4 }, { "\364\217\277\277", true, true, 4 }, { "\364\220\200\200", true, false, 4 },
		{ "\365\200\200\200", true, false, 4 }, { "\377", true, false, 1 }, { "\360\237\230\200 \342\202\254 \303\251", true, true, 11 },
		{ "\303\251\351", true, false, 3 }, { "\342\202a", true, false, 3 },
	};
	struct message m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = mem_printf("Subject: \351\n\n%s", cases[i].body);
		size_t n = strlen(text);

		for (size_t cut = 0; cut < n; cut++) {
			free(read_fd(&m, open_pieces(text, n, &cut, 1), true));
			assert_int_equal(m.eight_bit, cases[i].eight_bit);
			assert_int_equal(m.utf8, cases[i].utf8);
			assert_true(m.longest == cases[i].longest);
			message_free(&m);
		}
		free(text);
	}
}

/* A character of three octets at each place around the blocks in which the body is gathered and looked at. */
static void
utf8_is_valid_across_blocks(void **state)
{
	struct message m;

	(void)state;
	for (size_t shift = 0; shift < 8; shift++) {
		for (int good = 0; good < 2; good++) {
			struct buf in = {0};
			char *text = mem_alloc(65536 - 5 + shift);

			memset(text, 'a', 65536 - 6 + shift);
			buf_printf(&in, "A: b\n\n%s%s%s\n", text, good ? "\342\202\254" : "\342\202", text);
			free(read_fd(&m, open_whole(in.data, in.len), true));
			assert_true(m.eight_bit);
			assert_int_equal(m.utf8, good);
			message_free(&m);
			buf_free(&in);
			free(text);
		}
	}
}

/* n octets of text, then the end; the outcome of reading it. */
static int
read_long(struct message *m, const char *head, char fill, size_t n, const char *tail, struct outcome *o)
{
	struct buf in = {0};
	int fd, status;
	char c;

	buf_puts(&in, head);
	memset(buf_room(&in, n), fill, n);
	in.len += n;
	buf_end(&in);
	buf_puts(&in, tail);
	fd = open_whole(in.data, in.len);
	buf_free(&in);
	status = message_read(m, fd, true, NULL, o);
	assert_int_equal(read(fd, &c, 1), 0);
	(void)close(fd);
	return status;
}

static void
a_header_beyond_its_bound_is_65_and_a_body_is_not(void **state)
{
	struct outcome o = {0};
	struct message m;

	(void)state;
	assert_int_equal(read_long(&m, "A: ", 'x', MESSAGE_HEADER_MAX, "\n\nbody\n", &o), -1);
	assert_int_equal(o.status, EX_DATAERR);
	assert_int_equal(o.cause, CAUSE_HEADER_TOO_LARGE);
	message_free(&m);
	assert_int_equal(read_long(&m, "A: b\n ", ' ', MESSAGE_HEADER_MAX, "\n\nbody\n", &o), -1);
	message_free(&m);
	assert_int_equal(read_long(&m, "A: ", 'x', 100000, "\n\nbody\n", &o), 0);
	assert_int_equal(m.header.count, 1);
	assert_int_equal(m.header.field[0].len, 100005);
	assert_int_equal(m.body.length, 6);
	message_free(&m);
	assert_int_equal(read_long(&m, "", 'x', 2 * MESSAGE_HEADER_MAX, "\n", &o), 0);
	assert_int_equal(m.header.count, 0);
	assert_true(m.longest == 2 * MESSAGE_HEADER_MAX);
	message_free(&m);
	assert_int_equal(read_long(&m, "A: b\n", 'x', 2 * MESSAGE_HEADER_MAX, ": c\n", &o), 0);	/* no name is that long */
	assert_int_equal(m.header.count, 1);
	assert_true(m.longest == 2 * MESSAGE_HEADER_MAX + 3);
	message_free(&m);
	assert_int_equal(read_long(&m, "A: b\n", 'x', MESSAGE_LINE_MAX, ": c\n", &o), 0);
	assert_int_equal(m.header.count, 1);
	message_free(&m);
	assert_int_equal(read_long(&m, "A: b\n", 'x', MESSAGE_LINE_MAX - 1, ": c\n", &o), 0);
	assert_int_equal(m.header.count, 2);
	message_free(&m);
	assert_int_equal(read_long(&m, "A: b\n\n", '\r', 3000000, "x\n", &o), 0);
	assert_true(m.longest == 3000001);
	message_free(&m);
	assert_int_equal(read_long(&m, ">From \n", '\n', 3000000, "x\n", &o), 0);
	assert_true(m.body.length == 8 + 6000000 + 3);
	message_free(&m);
}

static void
what_cannot_be_read_is_66(void **state)
{
	struct outcome o = {0};
	struct message m;
	int fd = open("/", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(message_read(&m, fd, false, NULL, &o), -1);
	assert_int_equal(o.status, EX_NOINPUT);
	assert_int_equal(o.cause, CAUSE_INPUT);
	message_free(&m);
	(void)close(fd);
	assert_int_equal(message_read(&m, -1, false, NULL, &o), -1);
	assert_int_equal(o.status, EX_NOINPUT);
	message_free(&m);
}

static void
a_descriptor_that_does_not_block_is_waited_for(void **state)
{
	struct message m;
	char *got;
	int fd[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC | O_NONBLOCK), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)usleep(50000);
		_exit(write(fd[1], "To: a\n\nb\n", 9) != 9);
	}
	(void)close(fd[1]);
	got = read_fd(&m, fd[0], false);
	assert_string_equal(got, "To: a\r\n--\r\nb\r\n");
	free(got);
	message_free(&m);
	assert_true(waitpid(pid, NULL, 0) == pid);
}

/* A child that writes that many octets of lines into a pipe, whose other end comes back. */
static int
open_writer(size_t n, pid_t *pid)
{
	static char block[65536];
	int fd[2];

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = i % 64 == 63 ? '\n' : 'a';
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	*pid = fork();
	assert_true(*pid >= 0);
	if (*pid == 0) {
		(void)close(fd[0]);
		for (size_t i = 0; i < n; i += sizeof(block))
			if (write(fd[1], block, sizeof(block)) != sizeof(block))
				_exit(1);
		_exit(0);
	}
	(void)close(fd[1]);
	return fd[0];
}

/* What a sanitizer adds to the memory used is not ours to measure. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEASURE 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define MEASURE 0
#endif
#endif
#ifndef MEASURE
#define MEASURE 1
#endif

static void
memory_does_not_grow_with_the_message(void **state)
{
	const size_t size = 256 * 1024 * 1024;
	struct rusage before, after;
	struct message m;
	struct outcome o = {0};
	pid_t pid;
	int fd = open_writer(size, &pid), status;

	(void)state;
	(void)getrusage(RUSAGE_SELF, &before);
	if (message_read(&m, fd, true, NULL, &o) < 0)
		fail_msg("%s: %s", o.what, o.why);
	(void)getrusage(RUSAGE_SELF, &after);
	assert_true(m.body.length == size + size / 64);
	if (MEASURE)
		assert_true(after.ru_maxrss - before.ru_maxrss < 4096);	/* KiB */
	(void)close(fd);
	message_free(&m);
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_int_equal(status, 0);
}

static void
the_writer_is_read_to_its_end_also_when_nothing_is_wanted(void **state)
{
	struct message m;
	struct outcome o = {0};
	pid_t pid;
	int fd = open_writer(8 * 1024 * 1024, &pid), status;

	(void)state;
	message_drain(fd);
	(void)close(fd);
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_int_equal(status, 0);
	message_drain(-1);
	assert_int_equal(read_long(&m, ".\n", 'x', 1 << 20, "\n", &o), 0);	/* dropped after the dot */
	assert_int_equal(m.body.length, 0);
	message_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_does_not_grow_with_the_message),	/* first: it looks at the most that was ever used */
		cmocka_unit_test(line_ends_are_decided_line_by_line),
		cmocka_unit_test(the_header_ends_where_no_field_is),
		cmocka_unit_test(dots_end_the_message_unless_they_are_data),
		cmocka_unit_test(nothing_depends_on_where_a_read_ends),
		cmocka_unit_test(random_input_in_random_pieces_is_read_by_the_same_rules),
		cmocka_unit_test(pieces_that_are_added_are_read_alike),
		cmocka_unit_test(pieces_that_fail_are_told_at_the_end),
		cmocka_unit_test(line_ends_across_blocks_are_line_ends),
		cmocka_unit_test(the_body_is_described),
		cmocka_unit_test(utf8_is_valid_across_blocks),
		cmocka_unit_test(a_header_beyond_its_bound_is_65_and_a_body_is_not),
		cmocka_unit_test(what_cannot_be_read_is_66),
		cmocka_unit_test(a_descriptor_that_does_not_block_is_waited_for),
		cmocka_unit_test(the_writer_is_read_to_its_end_also_when_nothing_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
