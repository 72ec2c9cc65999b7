/*
 * Large bodies that stay in the file they come from: what is read is what a copy would have been, or an error.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include "mail/lanes.h"
#include "message_input.h"

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))
#define HEADER		"Subject: large\n\n"
#define BLOCK		LANES_MOST
#define LARGE		(STORE_MEMORY + 3 * BLOCK)
#define PLACES		11

/* The system's call that reads again: from its n-th on it fails, or tells of an end; or it reads little, and signals come between. A definition of the program's own comes before the C library's. */
struct {
	size_t count;
	size_t from;		/* 1: the first; 0: never */
	int error;		/* 0: the end */
	bool slow;
} reads;

ssize_t
pread(int fd, void *p, size_t n, off_t at)
{
	reads.count++;
	if (reads.from > 0 && reads.count >= reads.from) {
		errno = reads.error;
		return reads.error == 0 ? 0 : -1;
	}
	if (reads.slow && reads.count % 3 == 0) {
		errno = EINTR;
		return -1;
	}
	return (ssize_t)syscall(SYS_pread64, fd, p, reads.slow && n > 7001 ? 7001 : n, at);
}

/* Not each place where it is slow, and nothing new. */
static int
step(void)
{
	return getenv("UNDER_VALGRIND") == NULL ? 1 : 9;
}

/* Lines of 76 octets or so, with that line end; line number i ends at another place in each block. */
static struct buf
lines(const char *line_end, size_t size)
{
	struct buf b = {0};

	buf_puts(&b, HEADER);
	for (size_t i = 0; b.len < size; i++) {
		for (size_t n = 0; n < 70 + i % 7; n++)
			buf_putc(&b, (char)('a' + (i + n) % 26));
		buf_puts(&b, *line_end != '\0' ? line_end : i % 3 == 0 ? "\r\n" : "\n");
	}
	return b;
}

/* The octets as whoever gets them in pieces reads them, which copies. */
static void
read_copied(struct message *m, const struct buf *text, bool dot_ends)
{
	struct outcome o = {0};
	char *copy = mem_ndup(text->data, text->len);
	struct message_reader *r = message_begin(m, dot_ends, NULL, &o);

	message_add(r, copy, text->len);
	assert_int_equal(message_end(r), 0);
	free(copy);
}

static void
assert_same(struct message *m, struct message *copied)
{
	struct outcome o = {0};
	const char *p, *q;
	ptrdiff_t n, k;

	assert_int_equal(m->body.length, copied->body.length);
	assert_int_equal(m->longest, copied->longest);
	assert_int_equal(m->eight_bit, copied->eight_bit);
	assert_int_equal(m->empty, copied->empty);
	assert_int_equal(m->header.count, copied->header.count);
	for (uint64_t at = 0; at < m->body.length; at += (uint64_t)(n < k ? n : k)) {
		n = store_read(&m->body, at, &p, &o);
		k = store_read(&copied->body, at, &q, &o);
		assert_in_range(n, 1, STORE_BLOCK);
		assert_in_range(k, 1, STORE_BLOCK);
		assert_memory_equal(p, q, (size_t)(n < k ? n : k));
	}
	assert_int_equal(store_read(&m->body, m->body.length, &p, &o), 0);
}

/* The text on a descriptor, from that offset on, is read as if it came in pieces; lent: and its body stays there. */
static void
assert_read(const struct buf *text, bool dot_ends, bool lent)
{
	struct message m, copied;
	struct outcome o = {0};
	int fd = open_whole(text->data, text->len);

	assert_int_equal(message_read(&m, fd, dot_ends, NULL, &o), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), text->len);
	read_copied(&copied, text, dot_ends);
	assert_int_equal(m.body.lent != NULL, lent);
	assert_true(!lent || (m.body.fd == -1 && m.body.memory.len == 0));
	assert_same(&m, &copied);
	assert_same(&m, &copied);	/* and again */
	message_free(&m);
	message_free(&copied);
	(void)close(fd);
}

static void
line_ends(void **state)
{
	static const char *const ends[] = {"\n", "\r\n", ""};

	(void)state;
	for (size_t i = 0; i < COUNT(ends); i++) {
		struct buf text = lines(ends[i], LARGE);

		assert_read(&text, false, true);
		assert_read(&text, true, true);
		buf_puts(&text, "no line end");
		assert_read(&text, false, true);
		text.len--;
		assert_read(&text, true, true);
		buf_free(&text);
	}
}

/* Lines that all have as many octets, as those of an attachment. */
static struct buf
equal_lines(size_t width)
{
	struct buf b = {0};

	buf_puts(&b, HEADER);
	for (size_t i = 0; b.len < LARGE; i++) {
		for (size_t n = 0; n < width; n++)
			buf_putc(&b, (char)('a' + (i + n) % 26));
		buf_putc(&b, '\n');
	}
	return b;
}

static void
lines_of_equal_length(void **state)
{
	static const size_t widths[] = {0, 1, 15, 16, 76, 79, 80, 81, MESSAGE_LINE_MAX, MESSAGE_LINE_MAX + 1};

	(void)state;
	for (size_t i = 0; i < COUNT(widths); i += step() == 1 ? 1 : 4) {
		struct buf text = equal_lines(widths[i]);

		assert_read(&text, i % 2 == 0, widths[i] <= MESSAGE_LINE_MAX);
		text.len--;
		assert_read(&text, false, widths[i] <= MESSAGE_LINE_MAX);
		buf_free(&text);
	}
}

/* Among them one octet that is something else, at each place of a line, of what is compared at a time, and of the rest of a block: whether it may stay, and what it makes of the lines. */
static void
one_octet_among_equal_lines(void **state)
{
	static const char octets[] = {'\n', '\r', '\0', '\x80', '\t', '.', '\x7f', '\x0e'};
	struct buf text = equal_lines(76);
	size_t begins = sizeof(HEADER) - 1, ends = begins + BLOCK / 77 * 77;

	(void)state;
	for (size_t i = 0; i < 320; i += step() == 1 ? 1 : 53) {
		size_t at = i < 160 ? begins + i : ends - (i - 160);
		char was = text.data[at], c = octets[(i + i / 77) % COUNT(octets)];
		bool stays = c == '\r' ? text.data[at + 1] == '\n' : c != '\0' && (unsigned char)c < 128;

		text.data[at] = c;
		assert_read(&text, false, stays);
		assert_read(&text, true, stays && !(c == '.' && text.data[at - 1] == '\n'));
		text.data[at] = was;
	}
	buf_free(&text);
}

static void
small_ones_are_copied(void **state)
{
	struct buf text = lines("\n", STORE_MEMORY - 100);

	(void)state;
	assert_read(&text, false, false);
	buf_free(&text);
}

/* Where a block may begin or end, and elsewhere; the last is the end. */
static size_t
place(const struct buf *text, int i)
{
	static const size_t places[PLACES - 1] = {sizeof(HEADER) - 1, BLOCK - 1000, BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + sizeof(HEADER) - 2, BLOCK + sizeof(HEADER) - 1,
	    BLOCK + sizeof(HEADER), 5 * BLOCK + 7, LARGE - 3000};

	return i < PLACES - 1 ? places[i] : text->len;
}

static void
insert(struct buf *text, size_t at, const char *p, size_t n)
{
	(void)buf_room(text, n);
	memmove(text->data + at + n, text->data + at, text->len - at);
	memcpy(text->data + at, p, n);
	text->len += n;
	buf_end(text);
}

/* One thing that is not as in other lines, at each place. */
static void
what_has_to_be_changed_is_copied(void **state)
{
	static const struct {
		const char *p;
		size_t n;
		bool dot_ends;
		bool lent;
	} cases[] = {
		{"\0", 1, false, false}, {"\r", 1, false, false}, {"\r\r\n", 3, false, false}, {"x\ry", 3, false, false}, {"\n\r\n\r", 4, false, false},
		{"\xc3\xb6", 2, false, false}, {"\xff", 1, false, false}, {"\n.\n", 3, true, false}, {"\n..\n", 4, true, false}, {"\n.x", 3, true, false},
		{"\n.\r\n", 4, true, false}, {"\n.\n", 3, false, true}, {"\n.x\n", 4, false, true}, {"\n\n\n\r\n\n", 6, true, true}, {"x.", 2, true, true},
		{"\x01\x7f\t", 3, false, true}, {"\nFrom x\n>From y\n", 16, false, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (int k = 0, at; k < PLACES; k += step()) {
			struct buf text = lines(i % 2 == 0 ? "\n" : "\r\n", LARGE);

			at = (int)place(&text, k);
			while (cases[i].lent && at > 0 && text.data[at - 1] == '\r')	/* no line end is to be torn */
				at--;
			insert(&text, (size_t)at, cases[i].p, cases[i].n);
			assert_read(&text, cases[i].dot_ends, cases[i].lent);
			buf_free(&text);
		}
}

static void
long_lines_are_copied(void **state)
{
	static const size_t sizes[] = {MESSAGE_LINE_MAX, MESSAGE_LINE_MAX + 1, 2 * BLOCK};
	char *line = mem_alloc(2 * BLOCK + 2);

	(void)state;
	memset(line + 1, 'x', 2 * BLOCK);
	line[0] = '\n';
	for (size_t i = 0; i < COUNT(sizes); i++)
		for (int k = 0; k < PLACES; k += step()) {
			struct buf text = lines("\n", LARGE);
			size_t at = place(&text, k);

			line[1 + sizes[i]] = '\n';
			insert(&text, at, line, sizes[i] + 2);
			line[1 + sizes[i]] = 'x';
			assert_read(&text, false, sizes[i] <= MESSAGE_LINE_MAX);
			buf_free(&text);
		}
	free(line);
}

/* What comes before the body. */
static void
headers(void **state)
{
	static const struct {
		const char *text;
		bool lent;
	} cases[] = {
		{"\n", true}, {"", false}, {"Subject: x\r\n\r\n", true}, {"From a b\nSubject: x\n\n", true}, {">From a b\n\n", false}, {">From a b\nSubject: x\n\n", true},
		{"no field\n", false}, {"Subject: x\nno field\n", false}, {"Subject: x\r\r\n\r\n", true}, {"Subject: x\ry\n\n", true}, {"Subject: x\n y\n\n", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf text = lines("\n", LARGE), all = {0};

		buf_puts(&all, cases[i].text);
		buf_add(&all, text.data + sizeof(HEADER) - 1, text.len - (sizeof(HEADER) - 1));
		assert_read(&all, false, cases[i].lent);
		buf_free(&text);
		buf_free(&all);
	}
}

/* A file that is not at its begin; and a header that is itself large. */
static void
offsets(void **state)
{
	struct buf text = lines("\n", LARGE), large = {0};
	struct message m, copied;
	struct outcome o = {0};
	int fd = open_whole(text.data, text.len);

	(void)state;
	assert_int_equal(lseek(fd, 9, SEEK_SET), 9);
	assert_int_equal(message_read(&m, fd, false, NULL, &o), 0);
	memmove(text.data, text.data + 9, text.len - 9);
	text.len -= 9;
	read_copied(&copied, &text, false);
	assert_same(&m, &copied);
	message_free(&m);
	message_free(&copied);
	(void)close(fd);
	for (int i = 0; large.len < 2 * BLOCK; i++)
		buf_printf(&large, "X-Field-%d: something\n", i);
	buf_puts(&large, "Subject: x\n\n");
	buf_add(&large, text.data + 7, text.len - 7);
	assert_read(&large, true, true);
	buf_free(&large);
	buf_free(&text);
}

/* A message that was read from a file which is open still; its body stayed there unless there is a directory. */
struct given {
	struct message m;
	struct outcome o;
	int fd;
};

static void
give(struct given *g, const struct buf *text, const char *directory)
{
	g->o = (struct outcome){0};
	g->fd = open_whole(text->data, text->len);
	assert_int_equal(message_read(&g->m, g->fd, false, directory, &g->o), 0);
	assert_int_equal(g->m.body.lent != NULL, directory == NULL);
}

static void
take_away(struct given *g)
{
	message_free(&g->m);
	(void)close(g->fd);
}

static void
change(struct given *g, size_t at, char c)
{
	assert_int_equal(pwrite(g->fd, &c, 1, (off_t)at), 1);
}

/* Reads all; the octets until it failed. */
static uint64_t
read_back(struct given *g, const struct buf *text)
{
	const char *p;
	uint64_t at = 0;
	ptrdiff_t n;

	while ((n = store_read(&g->m.body, at, &p, &g->o)) > 0) {
		assert_memory_equal(p, text->data + sizeof(HEADER) - 1 + at, (size_t)n);
		at += (uint64_t)n;
	}
	assert_true(n == 0 || g->o.status != 0);
	return at;
}

/* Whatever is done to the file, nothing of it is given out; and there is no second chance. */
static void
a_file_that_is_changed_is_an_error(void **state)
{
	struct buf text = lines("\r\n", LARGE);
	struct given g;

	(void)state;
	for (int k = 0; k < 9; k += step()) {
		size_t at = place(&text, k);

		give(&g, &text, NULL);
		if (k % 3 == 0)
			assert_int_equal(ftruncate(g.fd, (off_t)at), 0);
		else
			change(&g, at, (char)(text.data[at] ^ 1));
		assert_true(read_back(&g, &text) <= at);
		assert_int_equal(g.o.status, EX_IOERR);
		assert_int_equal(g.o.cause, CAUSE_CHANGED);
		assert_string_equal(g.o.what, "cannot read the message from standard input again");
		take_away(&g);
	}
	buf_free(&text);
}

/* Two octets change places, a word, or a line. */
static void
sums_know_the_order(void **state)
{
	static const size_t distances[] = {1, 8, 16, 32, 64, 72, 4096};
	struct buf text = lines("\r\n", LARGE);
	struct given g;

	(void)state;
	for (size_t i = 0; i < COUNT(distances); i++) {
		size_t at = BLOCK + 1000, other = at + distances[i];

		assert_int_not_equal(text.data[at], text.data[other]);
		give(&g, &text, NULL);
		change(&g, at, text.data[other]);
		change(&g, other, text.data[at]);
		assert_true(read_back(&g, &text) <= at);
		assert_int_equal(g.o.cause, CAUSE_CHANGED);
		take_away(&g);
	}
	buf_free(&text);
}

/* Pairs of bits that a weaker sum takes for nothing, each with many keys. */
static void
sums_know_pairs(void **state)
{
	static const struct {
		size_t distance;
		char first, second;
	} pairs[] = {{35, 0x02, 0x40}, {35, 0x04, '\x80'}, {4, 0x01, 0x01}, {8, 0x08, 0x08}, {8, '\x80', '\x80'}, {16, '\x80', '\x80'}, {32, '\x80', '\x80'}};
	struct buf text = lines("\r\n", LARGE);
	size_t at = sizeof(HEADER) - 1 + 4;	/* the octet 4 of a word of 8 */
	struct given g;

	(void)state;
	for (size_t i = 0; i < 40 * COUNT(pairs); i += (size_t)step()) {
		size_t k = i % COUNT(pairs), other = at + pairs[k].distance;

		give(&g, &text, NULL);
		change(&g, at, (char)(text.data[at] ^ pairs[k].first));
		change(&g, other, (char)(text.data[other] ^ pairs[k].second));
		assert_int_equal(read_back(&g, &text), 0);
		assert_int_equal(g.o.cause, CAUSE_CHANGED);
		take_away(&g);
	}
	buf_free(&text);
}

/* A file that becomes shorter, or cannot be read any more, while it is looked through: no part of it is taken for the whole. */
static void
a_look_that_ends_early(void **state)
{
	static const size_t calls[] = {1, 2, 3, 10};
	struct buf text = lines("\n", LARGE);

	(void)state;
	for (size_t i = 0; i < COUNT(calls); i++)
		for (int error = 0; error <= EIO; error += EIO) {
			struct message m;
			struct outcome o = {0};
			int fd = open_whole(text.data, text.len);

			memset(&reads, 0, sizeof(reads));
			reads.from = calls[i];
			reads.error = error;
			assert_int_equal(message_read(&m, fd, false, NULL, &o), -1);
			assert_int_equal(o.status, error == 0 ? EX_IOERR : EX_NOINPUT);
			assert_int_equal(o.cause, error == 0 ? CAUSE_CHANGED : CAUSE_INPUT);
			assert_int_equal(lseek(fd, 0, SEEK_CUR), text.len);
			message_free(&m);
			memset(&reads, 0, sizeof(reads));
			(void)close(fd);
		}
	buf_free(&text);
}

static void
reads_are_short_and_signals_come(void **state)
{
	struct buf text = lines("", LARGE);

	(void)state;
	reads.slow = true;
	assert_read(&text, false, true);
	memset(&reads, 0, sizeof(reads));
	buf_free(&text);
}

static void
a_disk_that_fails_is_no_change(void **state)
{
	struct buf text = lines("\r\n", LARGE);
	struct given g;

	(void)state;
	give(&g, &text, NULL);
	assert_true(store_is_there(&g.m.body));
	memset(&reads, 0, sizeof(reads));
	reads.from = 5;
	reads.error = EIO;
	assert_true(read_back(&g, &text) > 0);
	assert_int_equal(g.o.status, EX_IOERR);
	assert_int_equal(g.o.cause, CAUSE_SYSTEM);
	assert_false(store_is_there(&g.m.body));
	memset(&reads, 0, sizeof(reads));
	take_away(&g);
	buf_free(&text);
}

/* What may have to be kept is copied, whatever becomes of the file. */
static void
what_may_be_queued_is_copied(void **state)
{
	struct buf text = lines("\r\n", LARGE);
	struct given g;

	(void)state;
	give(&g, &text, "/tmp");
	assert_int_equal(ftruncate(g.fd, 0), 0);
	assert_int_equal(read_back(&g, &text), text.len - (sizeof(HEADER) - 1));
	take_away(&g);
	buf_free(&text);
}

/* What is appended later is not of the message. */
static void
a_file_that_grows_is_what_it_was(void **state)
{
	struct buf text = lines("\r\n", LARGE);
	struct given g;

	(void)state;
	give(&g, &text, NULL);
	assert_int_equal(pwrite(g.fd, "more\r\n", 6, (off_t)text.len), 6);
	assert_int_equal(read_back(&g, &text), text.len - (sizeof(HEADER) - 1));
	assert_int_equal(g.o.status, 0);
	take_away(&g);
	buf_free(&text);
}

static void
a_part_of_a_file(void **state)
{
	struct buf text = lines("\r\n", LARGE), all = {0};
	struct given g = {0};
	struct message copied;

	(void)state;
	buf_puts(&all, "before");
	buf_add(&all, text.data, text.len);
	buf_puts(&all, "behind");
	g.fd = open_whole(all.data, all.len);
	assert_int_equal(message_read_part(&g.m, g.fd, 6, text.len, "a queue", NULL, &g.o), 0);
	assert_non_null(g.m.body.lent);
	read_copied(&copied, &text, false);
	assert_same(&g.m, &copied);
	assert_int_equal(ftruncate(g.fd, 2 * BLOCK), 0);
	(void)read_back(&g, &text);
	assert_string_equal(g.o.what, "cannot read the message from a queue again");
	message_free(&g.m);
	g.o = (struct outcome){0};
	assert_int_equal(message_read_part(&g.m, g.fd, 6, text.len, "a queue", NULL, &g.o), -1);
	assert_int_equal(g.o.status, 0);
	take_away(&g);
	message_free(&copied);
	buf_free(&all);
	buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_ends),
		cmocka_unit_test(lines_of_equal_length),
		cmocka_unit_test(one_octet_among_equal_lines),
		cmocka_unit_test(small_ones_are_copied),
		cmocka_unit_test(what_has_to_be_changed_is_copied),
		cmocka_unit_test(long_lines_are_copied),
		cmocka_unit_test(headers),
		cmocka_unit_test(offsets),
		cmocka_unit_test(a_file_that_is_changed_is_an_error),
		cmocka_unit_test(sums_know_the_order),
		cmocka_unit_test(sums_know_pairs),
		cmocka_unit_test(a_look_that_ends_early),
		cmocka_unit_test(reads_are_short_and_signals_come),
		cmocka_unit_test(a_disk_that_fails_is_no_change),
		cmocka_unit_test(what_may_be_queued_is_copied),
		cmocka_unit_test(a_file_that_grows_is_what_it_was),
		cmocka_unit_test(a_part_of_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
