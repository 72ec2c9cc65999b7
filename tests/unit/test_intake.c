/*
 * What the caller of -bs sends: where a message ends and where it does not, wherever the reads end; lines, chunks, and what was said too late or for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include "message_input.h"
#include "smtp/intake.h"

#define PATIENCE	60000	/* milliseconds: far more than anything here takes */
#define SHORT		50	/* that a silence lasts which is waited for */

struct octets {
	const char *p;
	size_t n;
};

#define IN(s) { s, sizeof(s) - 1 }

/* ---- input ---- */

/* An input whose other end stays open: it falls silent behind these octets. The other end in *other. */
static struct intake *
intake_silent(const char *text, int *other)
{
	int fd[2];

	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	assert_true(write(fd[1], text, strlen(text)) == (ssize_t)strlen(text));
	*other = fd[1];
	return intake_new(fd[0], SHORT);
}

static void
intake_close(struct intake *in)
{
	(void)close(in->fd);
	intake_free(in);
}

/* ---- messages ---- */

static char *
render(struct message *m)
{
	char *text = header_and_body(m);

	message_free(m);
	return text;
}

/* The message that these octets are, behind all dots. The caller frees it. */
static char *
message_of(const char *p, size_t n)
{
	struct message m;

	read_message(&m, p, n);
	return render(&m);
}

/* The message as intake_data() hands it on. The caller frees it. */
static char *
take_data(struct intake *in, bool lf_ends, enum intake_result want)
{
	struct message m;
	struct outcome o = {0};
	struct message_reader *r = message_begin(&m, false, NULL, &o);

	assert_int_equal(intake_data(in, lf_ends, r), want);
	assert_int_equal(message_end(r), 0);
	return render(&m);
}

/* All that is left, line by line, is this; and then nothing more. */
static void
assert_rest(struct intake *in, const char *p, size_t n)
{
	char line[256];
	size_t len, from;
	bool crlf;

	for (from = 0; from < n; ) {
		const char *lf = memchr(p + from, '\n', n - from);

		assert_non_null(lf);
		assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_OK);
		assert_int_equal(len + 1 + crlf, (size_t)(lf - p) + 1 - from);
		assert_memory_equal(line, p + from, len);
		assert_int_equal(crlf, lf > p + from && lf[-1] == '\r');
		from = (size_t)(lf - p) + 1;
	}
	assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_END);
}

/* ---- the end of data ---- */

/*
 * The rule of CONTRACT section 3a, in octets. The header before each row has line ends of the mode; "end", CRLF, ".", CRLF and "NEXT", CRLF come behind it. body: what
 * the message is then, beyond the header: where there is no "end" in it the row was the end, and next is the line that comes after.
 */
static const struct row {
	struct octets in;
	struct { const char *body, *next; } crlf, lf;
} rows[] = {
	/* the ends that there are */
	{ IN("x\r\n.\r\n"), { "x\r\n", "end" }, { "x\r\n", "end" } },
	{ IN("x\n.\n"), { "x\r\n.\r\nend\r\n", "NEXT" }, { "x\r\n", "end" } },
	{ IN(".\r\n"), { "", "end" }, { ".\r\nend\r\n", "NEXT" } },
	{ IN(".\n"), { ".\r\nend\r\n", "NEXT" }, { "", "end" } },
	{ IN("\r\n.\r\n"), { "\r\n", "end" }, { "\r\n", "end" } },
	{ IN("\n.\n"), { "\r\n.\r\nend\r\n", "NEXT" }, { "\r\n", "end" } },
	{ IN("x\r\r\n.\r\n"), { "x\r\n", "end" }, { "x\r\n", "end" } },
	{ IN("x\0\r\n.\r\n"), { "x\r\n", "end" }, { "x\r\n", "end" } },
	{ IN("x.\r\n.\r\n"), { "x.\r\n", "end" }, { "x.\r\n", "end" } },
	{ IN("x\r\n.\n"), { "x\r\n.\r\nend\r\n", "NEXT" }, { "x\r\n", "end" } },
	/* none of them: a line end of each kind before the dot and behind it */
	{ IN("x\n.\r\n"), { "x\r\n.\r\nend\r\n", "NEXT" }, { "x\r\n.\r\nend\r\n", "NEXT" } },
	{ IN("x\r.\r\n"), { "x .\r\nend\r\n", "NEXT" }, { "x .\r\nend\r\n", "NEXT" } },
	{ IN("x\r.\n"), { "x .\r\nend\r\n", "NEXT" }, { "x .\r\nend\r\n", "NEXT" } },
	{ IN("x\r.\r"), { "x . end\r\n", "NEXT" }, { "x . end\r\n", "NEXT" } },
	{ IN("x\n.\r"), { "x\r\n. end\r\n", "NEXT" }, { "x\r\n end\r\n", "NEXT" } },
	{ IN("x\r\n.\r"), { "x\r\n end\r\n", "NEXT" }, { "x\r\n end\r\n", "NEXT" } },
	{ IN("x\r\n.\r\r\n"), { "x\r\n\r\nend\r\n", "NEXT" }, { "x\r\n\r\nend\r\n", "NEXT" } },
	{ IN("x\r\n.\r.\r\n"), { "x\r\n .\r\nend\r\n", "NEXT" }, { "x\r\n .\r\nend\r\n", "NEXT" } },
	{ IN("x\r\n\r.\r\n"), { "x\r\n .\r\nend\r\n", "NEXT" }, { "x\r\n .\r\nend\r\n", "NEXT" } },
	{ IN("x\n\r.\r\n"), { "x\r\n .\r\nend\r\n", "NEXT" }, { "x\r\n .\r\nend\r\n", "NEXT" } },
	{ IN("x\n.\r\r\n"), { "x\r\n.\r\nend\r\n", "NEXT" }, { "x\r\n\r\nend\r\n", "NEXT" } },
	{ IN("x\r\n. \r\n"), { "x\r\n \r\nend\r\n", "NEXT" }, { "x\r\n \r\nend\r\n", "NEXT" } },
	{ IN("x\r\n .\r\n"), { "x\r\n .\r\nend\r\n", "NEXT" }, { "x\r\n .\r\nend\r\n", "NEXT" } },
	/* NUL is no part of a line end, and taken out only behind all this */
	{ IN("x\r\n.\0\r\n"), { "x\r\n\r\nend\r\n", "NEXT" }, { "x\r\n\r\nend\r\n", "NEXT" } },
	{ IN("x\r\n\0.\r\n"), { "x\r\n.\r\nend\r\n", "NEXT" }, { "x\r\n.\r\nend\r\n", "NEXT" } },
	{ IN("x\r\0\n.\r\n"), { "x\r\n.\r\nend\r\n", "NEXT" }, { "x\r\n.\r\nend\r\n", "NEXT" } },
	{ IN("x\r\0\n.\n"), { "x\r\n.\r\nend\r\n", "NEXT" }, { "x\r\n", "end" } },
	{ IN("x\r\n.\r\0\n"), { "x\r\n\r\nend\r\n", "NEXT" }, { "x\r\n\r\nend\r\n", "NEXT" } },
	{ IN("x\n\0.\n"), { "x\r\n.\r\nend\r\n", "NEXT" }, { "x\r\n.\r\nend\r\n", "NEXT" } },
	{ IN("x\n.\0\n"), { "x\r\n.\r\nend\r\n", "NEXT" }, { "x\r\n\r\nend\r\n", "NEXT" } },
	/* dots are undone where a line of the mode begins, and nowhere else */
	{ IN("."), { "end\r\n", "NEXT" }, { "end\r\n", "NEXT" } },
	{ IN(".\r"), { " end\r\n", "NEXT" }, { " end\r\n", "NEXT" } },
	{ IN(".."), { ".end\r\n", "NEXT" }, { ".end\r\n", "NEXT" } },
	{ IN("x\r\n..\r\n"), { "x\r\n.\r\nend\r\n", "NEXT" }, { "x\r\n.\r\nend\r\n", "NEXT" } },
	{ IN("x\r\n...\r\n"), { "x\r\n..\r\nend\r\n", "NEXT" }, { "x\r\n..\r\nend\r\n", "NEXT" } },
	{ IN("x\r\n.y\r\n"), { "x\r\ny\r\nend\r\n", "NEXT" }, { "x\r\ny\r\nend\r\n", "NEXT" } },
	{ IN("x\r\n..\n"), { "x\r\n.\r\nend\r\n", "NEXT" }, { "x\r\n.\r\nend\r\n", "NEXT" } },
	{ IN("x\n..\r\n"), { "x\r\n..\r\nend\r\n", "NEXT" }, { "x\r\n.\r\nend\r\n", "NEXT" } },
	{ IN("x\n.y\n"), { "x\r\n.y\r\nend\r\n", "NEXT" }, { "x\r\ny\r\nend\r\n", "NEXT" } },
	{ IN("x\r.y\r\n"), { "x .y\r\nend\r\n", "NEXT" }, { "x .y\r\nend\r\n", "NEXT" } },
	/* what stands behind the end is left */
	{ IN("x\r\n.\r\ny\r\n.\r\n"), { "x\r\n", "y" }, { "x\r\n", "y" } },
	{ IN("x\n.\n.\r\n"), { "x\r\n.\r\n.\r\nend\r\n", "NEXT" }, { "x\r\n", "." } },
	{ IN("x\n\n.\n\n.\r\n"), { "x\r\n\r\n.\r\n\r\n.\r\nend\r\n", "NEXT" }, { "x\r\n\r\n", "" } },
	{ IN("x\r\n.\n.\r\n"), { "x\r\n.\r\n.\r\nend\r\n", "NEXT" }, { "x\r\n", "." } },
	/* smuggling, as it is tried */
	{ IN("x\n.\r\nMAIL FROM:<e@x>\r\nRCPT TO:<v@x>\r\nDATA\r\ny\r\n"),
	    { "x\r\n.\r\nMAIL FROM:<e@x>\r\nRCPT TO:<v@x>\r\nDATA\r\ny\r\nend\r\n", "NEXT" },
	    { "x\r\n.\r\nMAIL FROM:<e@x>\r\nRCPT TO:<v@x>\r\nDATA\r\ny\r\nend\r\n", "NEXT" } },
	{ IN("x\r\n.\r\r\nRSET\r\n"), { "x\r\n\r\nRSET\r\nend\r\n", "NEXT" }, { "x\r\n\r\nRSET\r\nend\r\n", "NEXT" } },
	{ IN("x\r\n.\nRSET\n"), { "x\r\n.\r\nRSET\r\nend\r\n", "NEXT" }, { "x\r\n", "RSET" } },
	{ IN("x\r\n\r\r.\r\r\n\n.\r\nRSET\r\n"), { "x\r\n  .\r\n\r\n.\r\nRSET\r\nend\r\n", "NEXT" }, { "x\r\n  .\r\n\r\n.\r\nRSET\r\nend\r\n", "NEXT" } },
};

static void
check_row(const struct row *row, bool lf_ends, int fd)
{
	const char *body = lf_ends ? row->lf.body : row->crlf.body, *next = lf_ends ? row->lf.next : row->crlf.next;
	struct intake *in = intake_new(fd, PATIENCE);
	char *got = take_data(in, lf_ends, INTAKE_OK), *want = mem_printf("A: b\r\n--\r\n%s", body), line[256];
	size_t len;
	bool crlf;

	if (strcmp(got, want) != 0)
		fail_msg("row %zu, %s: \"%s\", not \"%s\"", (size_t)(row - rows), lf_ends ? "LF" : "CRLF", got, want);
	assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_OK);
	if (strcmp(line, next) != 0)
		fail_msg("row %zu, %s: \"%s\" is next, not \"%s\"", (size_t)(row - rows), lf_ends ? "LF" : "CRLF", line, next);
	free(got);
	free(want);
	intake_close(in);
}

/* Whole, cut in two at each place, and octet by octet. */
static void
each_row_in_each_mode(void **state)
{
	static const char tail[] = "end\r\n.\r\nNEXT\r\n";
	size_t every[256];

	(void)state;
	for (size_t i = 0; i < 256; i++)
		every[i] = i;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i / 2];
		struct buf b = {0};

		buf_puts(&b, i % 2 == 1 ? "A: b\n\n" : "A: b\r\n\r\n");
		buf_add(&b, row->in.p, row->in.n);
		buf_puts(&b, tail);
		assert_true(b.len < 256);
		check_row(row, i % 2 == 1, open_whole(b.data, b.len));
		check_row(row, i % 2 == 1, open_pieces(b.data, b.len, every, b.len));
		for (size_t cut = 1; cut < b.len; cut++)
			check_row(row, i % 2 == 1, open_pieces(b.data, b.len, &cut, 1));
		buf_free(&b);
	}
}

/*
 * The rule once more, written as slowly and plainly as can be. The octets up to and with the end (0: there is none), and what the message is, dots undone, in text. A lone dot that
 * does not end the data because its line ends are not those of the mode is text and stays.
 */
static size_t
plain_data(const char *p, size_t n, bool lf_ends, struct buf *text)
{
	size_t i = 0;
	bool after_crlf = !lf_ends;

	for (;;) {
		const char *left = p + i, *end = lf_ends ? memchr(left, '\n', n - i) : memmem(left, n - i, "\r\n", 2);
		bool dot = i < n && *left == '.', dot_lf = dot && n - i >= 2 && left[1] == '\n', dot_crlf = n - i >= 3 && memcmp(left, ".\r\n", 3) == 0;
		size_t len;

		if (lf_ends && dot_lf)
			return i + 2;
		if (after_crlf && dot_crlf)
			return i + 3;
		if (end == NULL)
			return 0;
		len = (size_t)(end - left) + (lf_ends ? 1 : 2);
		after_crlf = len >= 2 && left[len - 2] == '\r';
		if (dot && !dot_lf && !dot_crlf)
			buf_add(text, left + 1, len - 1);
		else
			buf_add(text, left, len);
		i += len;
	}
}

static uint32_t
next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

static void
random_octets_in_random_pieces(void **state)
{
	static const char alphabet[] = "\r\r\r\r\n\n\n\n......\0xy:", *const heads[] = { "", "A: b\r\n\r\n", "A: b\n\n", "A: b\r\n" };
	uint32_t seed = 2;
	size_t ended = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		bool lf_ends = round % 2 == 1;
		struct buf in = {0}, text = {0};
		size_t cut[8], cuts = next_random(&seed) % 8, end;
		struct intake *intake;
		char *got, *want;

		buf_puts(&in, heads[next_random(&seed) % 4]);
		for (size_t n = next_random(&seed) % 40; n > 0; n--)
			buf_putc(&in, alphabet[next_random(&seed) % (sizeof(alphabet) - 1)]);
		ended += plain_data(buf_str(&in), in.len, lf_ends, &text) > 0;
		buf_reset(&text);
		buf_puts(&in, "\r\n.\r\nNEXT\r\n");
		end = plain_data(in.data, in.len, lf_ends, &text);
		assert_true(end > 0);
		for (size_t i = 0, at = 0; i < cuts; i++)
			cut[i] = at += next_random(&seed) % (in.len - at + 1);
		intake = intake_new(round % 3 == 0 ? open_whole(in.data, in.len) : open_pieces(in.data, in.len, cut, cuts), PATIENCE);
		got = take_data(intake, lf_ends, INTAKE_OK);
		want = message_of(buf_str(&text), text.len);
		if (strcmp(got, want) != 0)
			fail_msg("round %d: \"%s\", not \"%s\"", round, got, want);
		assert_rest(intake, in.data + end, in.len - end);
		free(got);
		free(want);
		buf_free(&in);
		buf_free(&text);
		intake_close(intake);
	}
	assert_true(ended > 1000);	/* else it says little */
}

/* The end, and what is none, at each place around the block that is read at once. */
static void
the_end_across_blocks(void **state)
{
	static const struct { struct octets in; bool crlf, lf; } cases[] = {
		{ IN("\r\n.\r\n"), true, true }, { IN("\n.\n"), false, true }, { IN("\n.\r\n"), false, false }, { IN("\r.\r\n"), false, false },
		{ IN("\r\n.\r\r\n"), false, false }, { IN("\r\n..\r\n"), false, false },
	};
	char line[64];
	size_t len;
	bool crlf;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) * 2; i++) {
		bool lf_ends = i % 2 == 1, ends = lf_ends ? cases[i / 2].lf : cases[i / 2].crlf;

		for (size_t shift = 0; shift <= 8; shift++) {
			struct buf b = {0};
			struct intake *in;
			char *got;

			buf_puts(&b, "A: b\r\n\r\n");
			memset(buf_room(&b, INTAKE_BLOCK - 8 + shift - b.len), 'a', INTAKE_BLOCK - 8 + shift - b.len);
			b.len = INTAKE_BLOCK - 8 + shift;
			buf_end(&b);
			buf_add(&b, cases[i / 2].in.p, cases[i / 2].in.n);
			buf_puts(&b, "end\r\n.\r\nNEXT\r\n");
			in = intake_new(open_whole(b.data, b.len), PATIENCE);
			got = take_data(in, lf_ends, INTAKE_OK);
			assert_int_equal(strstr(got, "end\r\n") == NULL, ends);
			assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_OK);
			assert_string_equal(line, ends ? "end" : "NEXT");
			free(got);
			buf_free(&b);
			intake_close(in);
		}
	}
}

/* Nothing but the whole of it is an end: each begin of it, and then the end of the input or silence. */
static void
data_without_its_end(void **state)
{
	static const char text[] = "A: b\r\n\r\nx\r\n.\r\n";

	(void)state;
	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		for (int lf_ends = 0; lf_ends < 2; lf_ends++) {
			char *part = mem_ndup(text, n);
			int other;
			struct intake *in = intake_silent(part, &other);

			free(take_data(in, lf_ends == 1, INTAKE_IDLE));
			intake_close(in);
			(void)close(other);
			in = intake_new(open_whole(part, n), PATIENCE);
			free(take_data(in, lf_ends == 1, INTAKE_END));
			free(take_data(in, lf_ends == 1, INTAKE_END));	/* it stays so */
			intake_close(in);
			free(part);
		}
	}
}

/* ---- lines ---- */

static void
lines(void **state)
{
	static const struct { struct octets in; const char *line; size_t len; bool crlf; } cases[] = {
		{ IN("EHLO x\r\n"), "EHLO x", 6, true }, { IN("EHLO x\n"), "EHLO x", 6, false }, { IN("\r\n"), "", 0, true }, { IN("\n"), "", 0, false },
		{ IN("a\r\r\n"), "a\r", 2, true }, { IN("a\rb\r\n"), "a\rb", 3, true }, { IN("a\0b\r\n"), "a\0b", 3, true }, { IN("\0\n"), "\0", 1, false },
		{ IN("\r\0\n"), "\r\0", 2, false }, { IN("\377 \200\r\n"), "\377 \200", 3, true }, { IN(" \t\n"), " \t", 2, false },
	};
	struct buf b = {0};
	char line[64];
	size_t len, every[64];
	bool crlf;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		buf_add(&b, cases[i].in.p, cases[i].in.n);
	buf_puts(&b, "no line end");
	assert_true(b.len < 64);
	for (size_t i = 0; i < 64; i++)
		every[i] = i;
	for (int way = 0; way < 2; way++) {
		struct intake *in = intake_new(way == 0 ? open_whole(b.data, b.len) : open_pieces(b.data, b.len, every, b.len), PATIENCE);

		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_OK);
			assert_int_equal(len, cases[i].len);
			assert_memory_equal(line, cases[i].line, len + 1);
			assert_int_equal(crlf, cases[i].crlf);
		}
		assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_END);
		assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_END);
		intake_close(in);
	}
	buf_free(&b);
}

/* size - 1 octets and the line end are taken, one more is too long; the line after it is a line again. */
static void
longest_line(void **state)
{
	static const struct { const char *in; enum intake_result r; const char *line; } cases[] = {
		{"1234567\n", INTAKE_OK, "1234567"}, {"1234567\r\n", INTAKE_OK, "1234567"}, {"12345678\n", INTAKE_TOO_LONG, "1234567"},
		{"12345678\r\n", INTAKE_TOO_LONG, "1234567"}, {"123456789\r\n", INTAKE_TOO_LONG, "1234567"}, {"1234567\r\r\n", INTAKE_TOO_LONG, "1234567"},
		{"1234567890123456789012345678901234567890\n", INTAKE_TOO_LONG, "1234567"},
	};
	char line[8];
	size_t len, every[64];
	bool crlf;

	(void)state;
	for (size_t i = 0; i < 64; i++)
		every[i] = i;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = mem_printf("%sNEXT\r\n", cases[i / 2].in);
		struct intake *in = intake_new(i % 2 == 0 ? open_whole(text, strlen(text)) : open_pieces(text, strlen(text), every, strlen(text)), PATIENCE);

		assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), cases[i / 2].r);
		assert_string_equal(line, cases[i / 2].line);
		assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_OK);
		assert_string_equal(line, "NEXT");
		intake_close(in);
		free(text);
	}
}

static void
a_line_without_end(void **state)
{
	static char text[4 * 1024 * 1024];
	char line[512];
	size_t len;
	bool crlf;
	struct intake *in;

	(void)state;
	memset(text, 'x', sizeof(text));
	in = intake_new(open_whole(text, sizeof(text)), PATIENCE);
	assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_FLOOD);
	intake_close(in);
	memcpy(text + 500000, "\nNEXT\n", 6);
	in = intake_new(open_whole(text, sizeof(text)), PATIENCE);
	assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_TOO_LONG);
	assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_OK);
	assert_string_equal(line, "NEXT");
	intake_close(in);
}

/* Silence ends a wait; what had come of a line before it is no line. */
static void
silence(void **state)
{
	static const char *const texts[] = { "", "QUIT", "QUIT\r" };
	char line[64];
	size_t len;
	bool crlf;
	int other;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct intake *in = intake_silent(texts[i], &other);

		assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_IDLE);
		intake_close(in);
		(void)close(other);
	}
}

static bool
count(void *arg)
{
	++*(unsigned *)arg;
	return true;
}

/* Whoever holds something back is told before each wait, and not while there is something to take. */
static void
told_before_each_wait(void **state)
{
	static const char text[] = "EHLO x\r\nMAIL FROM:<a@x>\r\nDATA\r\nA: b\r\n\r\nx\r\n.\r\nBDAT 4\r\n1234NO";
	unsigned told = 0;
	char line[64], *got;
	size_t len;
	bool crlf;
	int other;
	struct intake *in = intake_silent(text, &other);

	(void)state;
	in->waiting = count;
	in->arg = &told;
	assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_OK);
	assert_int_equal(told, 1);
	assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_OK);
	assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_OK);
	assert_string_equal(line, "DATA");
	got = take_data(in, false, INTAKE_OK);
	assert_string_equal(got, "A: b\r\n--\r\nx\r\n");
	free(got);
	assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_OK);
	assert_int_equal(intake_chunk(in, 4, NULL), INTAKE_OK);
	assert_int_equal(told, 1);
	assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_IDLE);
	assert_int_equal(told, 2);
	assert_int_equal(write(other, "OP\r\n", 4), 4);
	assert_int_equal(intake_chunk(in, 4, NULL), INTAKE_OK);
	assert_int_equal(told, 3);
	intake_close(in);
	(void)close(other);
}

/* A descriptor that does not block is waited for; one that cannot be read is at its end, and it is known why. */
static void
other_descriptors(void **state)
{
	char line[64];
	size_t len;
	bool crlf;
	int other;
	struct intake *in = intake_silent("", &other);

	(void)state;
	assert_int_equal(fcntl(in->fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_IDLE);
	assert_int_equal(write(other, "NOOP\r\n", 6), 6);
	assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_OK);
	assert_string_equal(line, "NOOP");
	intake_close(in);
	(void)close(other);
	in = intake_new(open("/", O_RDONLY | O_CLOEXEC), PATIENCE);
	assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_END);
	assert_int_equal(in->error, EISDIR);
	intake_close(in);
	in = intake_new(open_whole("", 0), PATIENCE);
	assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_END);
	assert_int_equal(in->error, 0);
	intake_close(in);
}

/* ---- chunks ---- */

/* So many octets whatever they are, and no dot of them undone; the rest is left. */
static void
chunks(void **state)
{
	static const char text[] = "A: b\r\n\r\n.\r\n..\r\nx\n.\nQUIT\r\n";
	const size_t n = sizeof(text) - 1 - 6;
	size_t every[64];
	char line[64];
	size_t len;
	bool crlf;

	(void)state;
	for (size_t i = 0; i < 64; i++)
		every[i] = i;
	for (size_t first = 0; first <= n; first++) {
		for (int way = 0; way < 2; way++) {
			struct intake *in = intake_new(way == 0 ? open_whole(text, sizeof(text) - 1) : open_pieces(text, sizeof(text) - 1, every, sizeof(text) - 1), PATIENCE);
			struct message m;
			struct outcome o = {0};
			struct message_reader *r = message_begin(&m, false, NULL, &o);
			char *got;

			assert_int_equal(intake_chunk(in, first, r), INTAKE_OK);
			assert_int_equal(intake_chunk(in, 0, r), INTAKE_OK);
			assert_int_equal(intake_chunk(in, n - first, r), INTAKE_OK);
			assert_int_equal(message_end(r), 0);
			got = render(&m);
			assert_string_equal(got, "A: b\r\n--\r\n.\r\n..\r\nx\r\n.\r\n");
			assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_OK);
			assert_string_equal(line, "QUIT");
			free(got);
			intake_close(in);
		}
	}
}

static void
chunks_that_nobody_wants(void **state)
{
	static char text[3 * INTAKE_BLOCK + 6];
	char line[64];
	size_t len;
	bool crlf;
	int other;
	struct intake *in;

	(void)state;
	memset(text, '\n', sizeof(text));
	memcpy(text + sizeof(text) - 6, "QUIT\r\n", 6);
	in = intake_new(open_whole(text, sizeof(text)), PATIENCE);
	assert_int_equal(intake_chunk(in, sizeof(text) - 6, NULL), INTAKE_OK);
	assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_OK);
	assert_string_equal(line, "QUIT");
	intake_close(in);
	in = intake_new(open_whole(text, sizeof(text)), PATIENCE);
	assert_int_equal(intake_chunk(in, sizeof(text) + 1, NULL), INTAKE_END);
	intake_close(in);
	in = intake_silent("123", &other);
	assert_int_equal(intake_chunk(in, 4, NULL), INTAKE_IDLE);
	intake_close(in);
	(void)close(other);
}

static void
assert_line(struct intake *in, const char *want)
{
	char line[64];
	size_t len;
	bool crlf;

	assert_int_equal(intake_line(in, line, sizeof(line), &len, &crlf), INTAKE_OK);
	assert_string_equal(line, want);
}

/* What has come is read ahead, however it comes and up to a bound; nothing is waited for, and none of it is lost or changes places. */
static void
read_ahead(void **state)
{
	static char text[4 * INTAKE_BLOCK];
	struct intake *in;
	int other;
	size_t ahead = 0;

	(void)state;
	in = intake_silent("one\r\ntwo\r\nth", &other);
	assert_true(intake_more(in));
	assert_false(intake_more(in));
	assert_line(in, "one");
	assert_int_equal(write(other, "ree\r\nfour\r\n", 11), 11);
	assert_true(intake_more(in));
	assert_line(in, "two");
	assert_line(in, "three");
	assert_line(in, "four");
	assert_false(intake_more(in));
	(void)close(other);
	assert_false(intake_more(in));
	assert_true(in->ended);
	intake_close(in);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 8 == 7 ? '\n' : (char)('a' + i / 8 % 26);
	in = intake_new(open_whole(text, sizeof(text)), PATIENCE);
	while (intake_more(in)) {
		assert_true(in->len - in->at > ahead && in->len - in->at < INTAKE_AHEAD + INTAKE_BLOCK);
		ahead = in->len - in->at;
	}
	assert_true(ahead >= INTAKE_AHEAD);
	for (size_t i = 0; i < sizeof(text); i += 8) {
		char want[8];

		if (i % 2400 == 0)
			(void)intake_more(in);
		(void)snprintf(want, sizeof(want), "%.7s", text + i);
		assert_line(in, want);
	}
	intake_close(in);
}

/* A view takes what is there, and what it does with it is its own; what was taken can be put back, whatever has come behind it. */
static void
views_and_back(void **state)
{
	static char more[INTAKE_BLOCK / 2];
	struct intake *in, *view;
	struct message m;
	struct outcome o = {0};
	struct message_reader *r;
	char line[64];
	size_t len;
	bool crlf;
	int other;

	(void)state;
	in = intake_silent("zero\r\none\r\nA: b\r\rc\n\n.\r\ntw", &other);
	assert_line(in, "zero");
	view = intake_view(in);
	assert_line(view, "one");
	r = message_begin(&m, false, NULL, &o);
	assert_int_equal(intake_chunk(view, 12, r), INTAKE_OK);	/* which changes it */
	assert_int_equal(message_end(r), 0);
	message_free(&m);
	assert_int_equal(intake_line(view, line, sizeof(line), &len, &crlf), INTAKE_END);
	intake_free(view);
	assert_line(in, "one");
	assert_line(in, "A: b\r\rc");
	intake_back(in, "A: b\n", 5);
	intake_back(in, "one\r\n", 5);
	assert_line(in, "one");
	assert_line(in, "A: b");
	assert_line(in, "");
	assert_line(in, ".");
	assert_int_equal(write(other, "o\r\n", 3), 3);
	assert_line(in, "two");
	for (size_t i = 0; i < sizeof(more); i++)
		more[i] = "1234567\n"[i % 8];
	for (int i = 0; i < 6; i++)
		intake_back(in, more, sizeof(more));	/* more than is ever read ahead */
	assert_false(intake_more(in));
	for (size_t i = 0; i < 6 * sizeof(more) / 8; i++)
		assert_line(in, "1234567");
	assert_int_equal(write(other, "three\r\n", 7), 7);
	assert_line(in, "three");
	view = intake_view(in);
	assert_int_equal(intake_line(view, line, sizeof(line), &len, &crlf), INTAKE_END);
	intake_free(view);
	intake_close(in);
	(void)close(other);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_in_each_mode), cmocka_unit_test(random_octets_in_random_pieces), cmocka_unit_test(the_end_across_blocks),
		cmocka_unit_test(data_without_its_end), cmocka_unit_test(lines), cmocka_unit_test(longest_line), cmocka_unit_test(a_line_without_end),
		cmocka_unit_test(silence), cmocka_unit_test(told_before_each_wait), cmocka_unit_test(other_descriptors), cmocka_unit_test(chunks), cmocka_unit_test(chunks_that_nobody_wants),
		cmocka_unit_test(read_ahead), cmocka_unit_test(views_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
