/*
 * A body that is read again instead of copied. See lent.h.
 *
 * Owns the blocks: each is whole lines, so that none depends on another. What a line end is: CONTRACT section 3.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "mail/lanes.h"
#include "mail/lent.h"
#include "mail/message.h"

#define BLOCK		LANES_MOST	/* octets that are read at a time: what stays in the processor's cache */
#define NONE		SIZE_MAX
#define SHORT		80	/* a line of so many octets is copied without a call: those of base64 have 76 (RFC 2045 section 6.8) */

struct block {
	uint64_t from;		/* offset in the file */
	uint64_t begins;	/* offset in the body */
	uint64_t sum;
	size_t width;		/* octets of each line without its LF, where all have as many and there is no CR, as in an attachment; else 0 */
};

struct lent {
	int fd;
	const struct lanes *lanes;
	uint32_t key[LANES_KEY];	/* of the sums, drawn anew each time */
	struct block *block;	/* one more than count: the end of the last */
	size_t count;
	size_t room;
	size_t longest;
	bool open;		/* the last block ends without a line end: nothing can follow */
	size_t loaded;		/* the block that text is; NONE: there is none */
	char *raw;		/* BLOCK octets, and SHORT to spare */
	char *lines;		/* raw with its CRs; NULL: not needed yet */
	const char *text;
};

/* ---- the look ---- */

/* The width of a block (see there). Where an LF ends each of so many lines and all else is text, there is no other LF, no CR and no NUL. */
static size_t
width_of(const struct lanes *lanes, const char *p, size_t n, bool no_dots)
{
	const char *lf = memchr(p, '\n', n);
	size_t width = lf == NULL ? 0 : (size_t)(lf - p), lines = n / (width + 1);

	if (width == 0 || width > MESSAGE_LINE_MAX || lines * (width + 1) != n)
		return 0;
	for (size_t i = 0; i < n; i += width + 1)
		if (p[i + width] != '\n' || (no_dots && p[i] == '.'))
			return 0;
	return lanes->count_text(p, n) == n - lines ? width : 0;
}

/* Octets without the CR at the end. */
static size_t
without_cr(const char *p, size_t n)
{
	return n > 0 && p[n - 1] == '\r' ? n - 1 : n;
}

/* A line without its LF; *crs counts the CR before that. */
static inline bool
look_at_line(struct lent *l, const char *p, size_t n, bool no_dots, size_t *crs)
{
	size_t len = without_cr(p, n);

	if (len > MESSAGE_LINE_MAX || (no_dots && len > 0 && *p == '.'))
		return false;
	*crs += n - len;
	if (len > l->longest)
		l->longest = len;
	return true;
}

/* The octets of the line ends that are missing, or -1: something has to be changed. All lines but the last of the file have an LF. */
static ptrdiff_t
look_at(struct lent *l, const char *p, size_t n, bool no_dots)
{
	const char *end = p + n, *from = p, *lf;
	size_t lines = 0, crs = 0, all = 0;
	struct scan scan = {0};

	scan_add(&scan, p, n);
	if (scan.eight_bit || memchr(p, '\0', n) != NULL)
		return -1;
	for (; (lf = memchr(p, '\n', (size_t)(end - p))) != NULL; p = lf + 1, lines++)
		if (!look_at_line(l, p, (size_t)(lf - p), no_dots, &crs))
			return -1;
	for (const char *cr = from; (cr = memchr(cr, '\r', (size_t)(end - cr))) != NULL; cr++)
		all++;
	if (all != crs)		/* a CR that ends no line */
		return -1;
	l->open = p < end;
	if (l->open && !look_at_line(l, p, (size_t)(end - p), no_dots, &crs))
		return -1;
	return (ptrdiff_t)(lines - crs) + (l->open ? 2 : 0);
}

/* Fills p as far as the file goes. */
static ptrdiff_t
read_at(int fd, uint64_t at, char *p, size_t n)
{
	size_t got = 0;
	ssize_t k = 1;

	while (got < n && k > 0) {
		k = pread(fd, p + got, n - got, (off_t)(at + got));
		if (k > 0)
			got += (size_t)k;
		else if (k < 0 && errno == EINTR)
			k = 1;
	}
	return k < 0 ? -1 : (ptrdiff_t)got;
}

/* The whole lines of n octets; at the end of the file also one without a line end. */
static size_t
whole_lines(const char *p, size_t n)
{
	const char *lf = n < BLOCK ? NULL : memrchr(p, '\n', n);

	return lf == NULL ? n : (size_t)(lf - p) + 1;
}

/* The next block: its octets in the file, 0 at the end, or -1. */
static ptrdiff_t
look_at_block(struct lent *l, uint64_t to, bool no_dots)
{
	struct block *b = &l->block[l->count];
	uint64_t left = to - b->from;
	ptrdiff_t n = read_at(l->fd, b->from, l->raw, left < BLOCK ? (size_t)left : BLOCK), missing;

	if (n <= 0 || l->open)
		return n <= 0 ? n : -1;
	n = (ptrdiff_t)whole_lines(l->raw, (size_t)n);
	b->width = width_of(l->lanes, l->raw, (size_t)n, no_dots);
	if (b->width > l->longest)
		l->longest = b->width;
	missing = b->width > 0 ? n / (ptrdiff_t)(b->width + 1) : look_at(l, l->raw, (size_t)n, no_dots);
	if (missing < 0)
		return -1;
	b->sum = l->lanes->sum(l->key, l->raw, (size_t)n);
	b[1] = (struct block){.from = b->from + (uint64_t)n, .begins = b->begins + (uint64_t)n + (uint64_t)missing};
	l->count++;
	return n;
}

struct lent *
lent_look(int fd, uint64_t from, uint64_t to, bool no_dots)
{
	struct lent *l = mem_alloc(sizeof(*l));
	ptrdiff_t n = 1;

	l->fd = fd;
	l->loaded = NONE;
	l->lanes = lanes_here();
	arc4random_buf(l->key, sizeof(l->key));
	l->raw = mem_grow(NULL, BLOCK + SHORT, 1);
	while (n > 0) {
		if (l->count + 2 > l->room) {
			l->room = 2 * l->room + 64;
			l->block = mem_grow(l->block, l->room, sizeof(*l->block));
		}
		if (l->count == 0)
			l->block[0] = (struct block){.from = from};
		n = look_at_block(l, to, no_dots);
	}
	if (n == 0)
		return l;
	lent_free(l);
	return NULL;
}

uint64_t
lent_length(const struct lent *l)
{
	return l->block[l->count].begins;
}

uint64_t
lent_end(const struct lent *l)
{
	return l->block[l->count].from;
}

size_t
lent_longest(const struct lent *l)
{
	return l->longest;
}

/* ---- again ---- */

/* The lines of raw, all of that width, with CRs. What is copied beyond a line is overwritten by the next. */
static void
complete_equal_lines(struct lent *l, size_t n, size_t width)
{
	char *to = l->lines;

	for (const char *p = l->raw, *end = p + n; p < end; p += width + 1) {
		if (width <= SHORT)
			memcpy(to, p, SHORT);
		else
			memcpy(to, p, width);
		to += width;
		*to++ = '\r';
		*to++ = '\n';
	}
}

/* The lines of raw with the CRs that are missing, of which there are no more than octets. */
static void
complete_lines(struct lent *l, size_t n)
{
	const char *p = l->raw, *end = p + n, *lf;
	char *to = l->lines;

	for (; (lf = memchr(p, '\n', (size_t)(end - p))) != NULL; p = lf + 1) {
		size_t len = without_cr(p, (size_t)(lf - p));

		memcpy(to, p, len);
		to += len;
		*to++ = '\r';
		*to++ = '\n';
	}
	if (p < end) {
		memcpy(to, p, (size_t)(end - p));
		to += end - p;
		memcpy(to, "\r\n", 2);
	}
}

/* 0, or as lent_read(). */
static int
load(struct lent *l, size_t i)
{
	const struct block *b = &l->block[i];
	size_t n = (size_t)(b[1].from - b->from);
	ptrdiff_t got = read_at(l->fd, b->from, l->raw, n);

	l->loaded = NONE;
	if (got < 0)
		return -1;
	if ((size_t)got != n || l->lanes->sum(l->key, l->raw, n) != b->sum)
		return LENT_CHANGED;
	l->text = l->raw;
	if (b[1].begins - b->begins != n) {
		if (l->lines == NULL)
			l->lines = mem_grow(NULL, 2 * BLOCK + SHORT, 1);
		if (b->width > 0)
			complete_equal_lines(l, n, b->width);
		else
			complete_lines(l, n);
		l->text = l->lines;
	}
	l->loaded = i;
	return 0;
}

ptrdiff_t
lent_read(struct lent *l, uint64_t offset, const char **p)
{
	size_t i = l->loaded == NONE || offset < l->block[l->loaded].begins ? 0 : l->loaded;
	int r;

	while (offset >= l->block[i + 1].begins)
		i++;
	if (i != l->loaded && (r = load(l, i)) != 0)
		return r;
	*p = l->text + (offset - l->block[i].begins);
	return (ptrdiff_t)(l->block[i + 1].begins - offset);
}

void
lent_free(struct lent *l)
{
	if (l == NULL)
		return;
	free(l->block);
	free(l->raw);
	free(l->lines);
	free(l);
}
