/*
 * The message, read once. See message.h.
 *
 * Owns the way from raw input to lines, in layers that each take a piece of any length, so that nothing depends on where a read ended:
 * NUL out, line ends made LF and bare CR made spaces, dots, header apart from body. CONTRACT section 3; RFC 5322 sections 2.1 and 2.2;
 * the dots as Sendmail 8 treats them.
 */
#include <sys/stat.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "mail/message.h"

#define BLOCK		(256 * 1024)	/* octets that are written at a time; of a small message so many: */
#define SMALL		(16 * 1024)
#define PIECE		(64 * 1024)	/* and read: what stays in the processor's cache is copied in a quarter of the time */
#define HELD_MAX	(64 * 1024)	/* octets of ">From " lines before the header */

enum part { TOP, HEADER, BODY, DONE };

enum kind {
	KIND_EMPTY,
	KIND_FIELD,
	KIND_CONTINUATION,
	KIND_MBOX,		/* "From " in the first line */
	KIND_QUOTED_MBOX,	/* ">From " before any field */
	KIND_TEXT
};

struct message_reader {
	struct message *m;
	struct outcome *o;
	enum part part;
	bool failed;
	bool dot_ends;
	bool may_lend;		/* the body may stay in a file that it comes from */
	bool first;		/* in the first line */
	bool bol;		/* at the beginning of a line */
	bool dot;		/* this line began with a dot, which is held back */
	uint64_t cr;		/* CRs at the end of what came: what follows decides what they are */
	struct buf line;	/* the line being read, in the header */
	struct buf block;	/* the header, lines with CRLF */
	struct buf held;	/* ">From " lines, each with LF */
	uint64_t column;	/* octets of the line being read, in the body */
	struct scan scan;
	char *out;		/* the body, not stored yet */
	size_t used;
	size_t room;		/* octets that out has */
};

/* The number of octets below 128 at the beginning. */
static size_t
ascii_run(const char *p, size_t n)
{
	uint64_t w[4];
	size_t i = 0;

	for (; n - i >= sizeof(w); i += sizeof(w)) {
		memcpy(w, p + i, sizeof(w));
		if (((w[0] | w[1] | w[2] | w[3]) & UINT64_C(0x8080808080808080)) != 0)
			break;
	}
	while (i < n && ((unsigned char)p[i] & 0x80) == 0)
		i++;
	return i;
}

/* The first octet of a character of several: how many follow, and the range of the second (RFC 3629 section 4). */
static void
scan_first(struct scan *s, unsigned char c)
{
	s->low = 0x80;
	s->high = 0xbf;
	if (c >= 0xc2 && c <= 0xdf) {
		s->more = 1;
	} else if (c >= 0xe0 && c <= 0xef) {
		s->more = 2;
		s->low = c == 0xe0 ? 0xa0 : 0x80;
		s->high = c == 0xed ? 0x9f : 0xbf;
	} else if (c >= 0xf0 && c <= 0xf4) {
		s->more = 3;
		s->low = c == 0xf0 ? 0x90 : 0x80;
		s->high = c == 0xf4 ? 0x8f : 0xbf;
	} else {
		s->broken = true;
	}
}

void
scan_add(struct scan *s, const char *p, size_t n)
{
	size_t i = 0;
	unsigned char c;

	while (i < n && !s->broken) {
		if (s->more == 0) {
			i += ascii_run(p + i, n - i);
			if (i == n)
				return;
			s->eight_bit = true;
			scan_first(s, (unsigned char)p[i++]);
			continue;
		}
		c = (unsigned char)p[i++];
		s->broken = c < s->low || c > s->high;
		s->more--;
		s->low = 0x80;
		s->high = 0xbf;
	}
}

bool
scan_is_utf8(const struct scan *s)
{
	return s->eight_bit && !s->broken && s->more == 0;
}

static void
store_out(struct message_reader *r, const char *p, size_t n)
{
	scan_add(&r->scan, p, n);
	if (store_add(&r->m->body, p, n, r->o) < 0)
		r->failed = true;
}

static void
flush(struct message_reader *r)
{
	store_out(r, r->out, r->used);
	r->used = 0;
}

/* Room for more than there was. */
static void
make_room(struct message_reader *r)
{
	flush(r);
	if (r->room < BLOCK)
		r->out = mem_grow(r->out, BLOCK, 1);
	r->room = BLOCK;
}

static void
emit(struct message_reader *r, const char *p, size_t n)
{
	if (n > r->room - r->used)
		make_room(r);
	memcpy(r->out + r->used, p, n);
	r->used += n;
}

static void
body_text(struct message_reader *r, const char *p, size_t n)
{
	r->column += n;
	emit(r, p, n);
}

static void
body_end_line(struct message_reader *r)
{
	if (r->column > r->m->longest)
		r->m->longest = r->column;
	r->column = 0;
	emit(r, "\r\n", 2);
}

/*
 * What the line is, by its first octets: a name that is not complete in the longest line allowed is none. Sendmail 8 drops "From " only,
 * Postfix ">From " as well: here that is dropped where a field follows, and text otherwise.
 */
static enum kind
line_kind(const struct message_reader *r)
{
	const char *p = buf_str(&r->line);
	size_t n = r->line.len;

	if (n == 0)
		return KIND_EMPTY;
	if (header_name(p, n < MESSAGE_LINE_MAX ? n : MESSAGE_LINE_MAX) > 0)
		return KIND_FIELD;
	if (r->part == HEADER && (*p == ' ' || *p == '\t'))
		return KIND_CONTINUATION;
	if (r->first && strncmp(p, "From ", 5) == 0)
		return KIND_MBOX;
	if (r->part == TOP && n <= MESSAGE_LINE_MAX && r->held.len + n < HELD_MAX && strncmp(p, ">From ", 6) == 0)
		return KIND_QUOTED_MBOX;
	return KIND_TEXT;
}

/* The header is at its end; what was read beyond it becomes body. The line being read is not at its end yet. */
static void
begin_body(struct message_reader *r)
{
	const char *p = buf_str(&r->held), *end;

	r->part = BODY;
	while ((end = strchr(p, '\n')) != NULL) {
		body_text(r, p, (size_t)(end - p));
		body_end_line(r);
		p = end + 1;
	}
	for (size_t i = 0, n; i < r->line.len; i += n) {
		n = r->line.len - i < BLOCK ? r->line.len - i : BLOCK;
		body_text(r, r->line.data + i, n);
	}
	buf_free(&r->held);
	buf_free(&r->line);
}

static void
header_text(struct message_reader *r, const char *p, size_t n)
{
	buf_add(&r->line, p, n);
	if (r->line.len > MESSAGE_LINE_MAX && line_kind(r) == KIND_TEXT) {
		begin_body(r);
	} else if (r->block.len + r->line.len > MESSAGE_HEADER_MAX) {
		r->failed = true;
		(void)outcome_set(r->o, EX_DATAERR, STAGE_MESSAGE, CAUSE_HEADER_TOO_LARGE, NULL,
		    "the header of the message is larger than %d MiB", MESSAGE_HEADER_MAX / (1024 * 1024));
	}
}

static void
add_header_line(struct message_reader *r)
{
	buf_add(&r->block, r->line.data, r->line.len);
	buf_puts(&r->block, "\r\n");
}

static void
header_end_line(struct message_reader *r)
{
	switch (line_kind(r)) {
	case KIND_FIELD:
		r->part = HEADER;
		buf_free(&r->held);
		add_header_line(r);
		break;
	case KIND_CONTINUATION:
		/* A line of blanks alone would end the header for some receivers, and says nothing: it goes. */
		if (strspn(r->line.data, " \t") < r->line.len)
			add_header_line(r);
		break;
	case KIND_QUOTED_MBOX:
		buf_add(&r->held, r->line.data, r->line.len);
		buf_putc(&r->held, '\n');
		break;
	case KIND_MBOX:
		break;
	case KIND_EMPTY:
		if (r->held.len == 0) {
			r->part = BODY;
			break;
		}
		/* FALLTHROUGH */
	case KIND_TEXT:
		begin_body(r);
		body_end_line(r);
		break;
	}
	r->first = false;
	buf_reset(&r->line);
}

static void
put_text(struct message_reader *r, const char *p, size_t n)
{
	if (r->part == BODY)
		body_text(r, p, n);
	else
		header_text(r, p, n);
}

/* Text without line ends: the dots. */
static void
take_text(struct message_reader *r, const char *p, size_t n)
{
	if (n == 0)
		return;
	if (r->bol && r->dot_ends && *p == '.') {
		r->dot = true;
		p++;
		n--;
	}
	r->bol = false;
	if (n == 0)
		return;
	if (r->dot && *p != '.')
		put_text(r, ".", 1);
	r->dot = false;
	put_text(r, p, n);
}

static void
take_end_line(struct message_reader *r)
{
	r->bol = true;
	if (r->dot)
		r->part = DONE;
	else if (r->part == BODY)
		body_end_line(r);
	else
		header_end_line(r);
	r->dot = false;
}

/* Whole lines of the body, which most of a large message is: as take_text() and take_end_line() would take them. Returns what is left: at most the begin of a line, or one that may be the end. */
static const char *
take_body(struct message_reader *r, const char *p, const char *end)
{
	uint64_t longest = r->m->longest;
	const char *lf;

	while (p < end && !(*p == '.' && r->dot_ends) && (lf = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		size_t n = (size_t)(lf - p);

		if (n + 2 > r->room - r->used) {
			make_room(r);
			if (n + 2 > BLOCK || r->failed)
				break;
		}
		memcpy(r->out + r->used, p, n);
		r->used += n;
		r->out[r->used++] = '\r';
		r->out[r->used++] = '\n';
		if (n > longest)
			longest = n;
		p = lf + 1;
	}
	r->m->longest = longest;
	return p;
}

/* Text whose line ends are LF. */
static void
take_lines(struct message_reader *r, const char *p, size_t n)
{
	const char *end = p + n, *lf;

	while (p < end && r->part != DONE && !r->failed) {
		if (r->part == BODY && r->bol && (p = take_body(r, p, end)) == end)
			return;
		lf = memchr(p, '\n', (size_t)(end - p));
		if (lf == NULL) {
			take_text(r, p, (size_t)(end - p));
			return;
		}
		take_text(r, p, (size_t)(lf - p));
		take_end_line(r);
		p = lf + 1;
	}
}

/* Takes out the CRs before LF and makes the others spaces, in place; the last octet is no CR. The octets that are left. */
static size_t
join_line_ends(char *p, size_t n)
{
	char *end = p + n, *from = p, *to = p, *cr;

	while ((cr = memchr(from, '\r', (size_t)(end - from))) != NULL) {
		if (to != from)
			memmove(to, from, (size_t)(cr - from));
		to += cr - from;
		for (from = cr; *from == '\r'; from++)
			;
		if (*from != '\n') {
			memset(to, ' ', (size_t)(from - cr));
			to += from - cr;
		}
	}
	if (to != from)
		memmove(to, from, (size_t)(end - from));
	return (size_t)(to - p) + (size_t)(end - from);
}

/* The CRs that were held back turn out to stand inside a line. */
static void
put_spaces(struct message_reader *r)
{
	char spaces[1024];
	size_t n;

	memset(spaces, ' ', sizeof(spaces));
	while (r->cr > 0 && !r->failed && r->part != DONE) {
		n = r->cr < sizeof(spaces) ? (size_t)r->cr : sizeof(spaces);
		take_lines(r, spaces, n);
		r->cr -= n;
	}
}

/* Text without NUL. */
static void
take_octets(struct message_reader *r, char *p, size_t n)
{
	char *end = p + n;

	if (r->cr > 0) {
		for (; p < end && *p == '\r'; p++)
			r->cr++;
		if (p == end)
			return;
		if (*p != '\n')
			put_spaces(r);
		r->cr = 0;
	}
	for (; end > p && end[-1] == '\r'; end--)
		r->cr++;
	take_lines(r, p, join_line_ends(p, (size_t)(end - p)));
}

/* Takes the NULs out, in place; the octets that are left. */
static size_t
drop_nul(char *p, size_t n)
{
	char *end = p + n, *from, *to, *nul;

	from = to = memchr(p, '\0', n);
	if (from == NULL)
		return n;
	while (from < end) {
		for (; from < end && *from == '\0'; from++)
			;
		nul = memchr(from, '\0', (size_t)(end - from));
		if (nul == NULL)
			nul = end;
		memmove(to, from, (size_t)(nul - from));
		to += nul - from;
		from = nul;
	}
	return (size_t)(to - p);
}

/* As read(2), but waits where the descriptor is non-blocking and goes on after a signal. */
static ssize_t
read_some(int fd, char *p, size_t n)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	ssize_t got;

	for (;;) {
		got = read(fd, p, n);
		if (got >= 0 || (errno != EINTR && errno != EAGAIN))
			return got;
		if (errno == EAGAIN)
			(void)poll(&wait, 1, -1);
	}
}

void
message_drain(int fd)
{
	char block[8192];

	while (read_some(fd, block, sizeof(block)) > 0)
		;
}

void
message_add(struct message_reader *r, char *p, size_t n)
{
	if (n == 0)
		return;
	r->m->empty = false;
	if (r->part != DONE && !r->failed)
		take_octets(r, p, drop_nul(p, n));
}

static bool
wants_more(const struct message_reader *r)
{
	return r->part != DONE && !r->failed;
}

/* Where the octets that were just read come from, if that is a regular file of some size, and where it ends. */
static bool
is_large_file(int fd, size_t just_read, uint64_t *at, uint64_t *end)
{
	struct stat st;
	off_t here;

	if (just_read < PIECE || fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || (here = lseek(fd, 0, SEEK_CUR)) == -1)
		return false;
	*at = (uint64_t)here - just_read;
	*end = (uint64_t)st.st_size;
	return *end > *at + STORE_MEMORY;
}

/* The lines of the header that stand at p; the octets that were taken. */
static size_t
add_header(struct message_reader *r, char *p, size_t n)
{
	size_t taken = 0, len;
	const char *lf;

	while (taken < n && r->part < BODY && wants_more(r)) {
		lf = memchr(p + taken, '\n', n - taken);
		len = lf == NULL ? n - taken : (size_t)(lf - p) + 1 - taken;
		message_add(r, p + taken, len);
		taken += len;
	}
	return taken;
}

/* Whether the body, which begins here, stays in the file; *at is its end then. */
static bool
lend_body(struct message_reader *r, int fd, uint64_t *at, uint64_t to, const char *place)
{
	struct message *m = r->m;
	struct lent *l;

	if (r->part != BODY || !r->bol || r->used > 0 || m->body.length > 0 || to - *at <= STORE_MEMORY)
		return false;
	l = lent_look(fd, *at, to, r->dot_ends);
	if (l == NULL)
		return false;
	store_lend(&m->body, l, place);
	m->longest = lent_longest(l);
	*at = lent_end(l);
	return true;
}

/* The octets of a file from one offset up to another, or to its end; that is where it was left. -1: errno. */
static int
read_file(struct message_reader *r, int fd, uint64_t *at, uint64_t to, const char *place)
{
	char *block = mem_grow(NULL, PIECE, 1);
	bool lent = false;
	ssize_t n = 1;
	int error;

	while (n > 0 && *at < to && wants_more(r) && !lent) {
		n = pread(fd, block, to - *at < PIECE ? (size_t)(to - *at) : PIECE, (off_t)*at);
		if (n < 0 && errno == EINTR) {
			n = 1;
		} else if (n > 0 && r->part < BODY) {
			*at += add_header(r, block, (size_t)n);
			lent = lend_body(r, fd, at, to, place);
		} else if (n > 0) {
			message_add(r, block, (size_t)n);
			*at += (uint64_t)n;
		}
	}
	error = errno;
	free(block);
	errno = error;
	return n < 0 ? -1 : 0;
}

static int
cannot_read(const struct message_reader *r)
{
	return outcome_set(r->o, EX_NOINPUT, STAGE_INPUT, CAUSE_INPUT, strerror(errno), "cannot read the message from standard input");
}

/* A large file from there on, of which octets may still be appended but none go. */
static int
read_large_file(struct message_reader *r, int fd, uint64_t at, uint64_t end)
{
	int status = read_file(r, fd, &at, UINT64_MAX, "standard input");

	if (status == -1)
		(void)cannot_read(r);
	else if (wants_more(r) && at < end)
		status = outcome_set(r->o, EX_IOERR, STAGE_INPUT, CAUSE_CHANGED, "it has become shorter meanwhile", "cannot read the message from standard input");
	if (status == 0 && wants_more(r))
		(void)lseek(fd, (off_t)at, SEEK_SET);
	else
		(void)lseek(fd, 0, SEEK_END);	/* what follows is dropped */
	return status;
}

static int
read_all(struct message_reader *r, int fd)
{
	char *block = mem_grow(NULL, PIECE, 1);	/* not on the stack: few of its pages are ever touched */
	ssize_t n = 1;
	uint64_t at, end;

	for (bool first = true; n > 0 && wants_more(r); first = false) {
		n = read_some(fd, block, PIECE);
		if (n > 0 && first && r->may_lend && is_large_file(fd, (size_t)n, &at, &end)) {
			free(block);
			return read_large_file(r, fd, at, end);
		}
		if (n > 0)
			message_add(r, block, (size_t)n);
	}
	free(block);
	if (n < 0)
		return cannot_read(r);
	if (n > 0)
		message_drain(fd);
	return 0;
}

/* The input is at its end: a line without a line end gets one. */
static int
finish(struct message_reader *r)
{
	struct message *m = r->m;

	if (r->part != DONE && (!r->bol || r->cr > 0))
		take_end_line(r);
	if (r->held.len > 0)
		begin_body(r);
	flush(r);
	if (r->failed || store_finish(&m->body, r->o) < 0)
		return -1;
	header_parse(&m->header, buf_str(&r->block), r->block.len);
	m->eight_bit = r->scan.eight_bit;
	m->utf8 = scan_is_utf8(&r->scan);
	return 0;
}

struct message_reader *
message_begin(struct message *m, bool dot_ends, const char *directory, struct outcome *o)
{
	struct message_reader *r = mem_alloc(sizeof(*r));

	r->out = mem_grow(NULL, SMALL, 1);
	r->room = SMALL;
	memset(m, 0, sizeof(*m));
	m->empty = true;
	store_init(&m->body, directory);
	r->m = m;
	r->o = o;
	r->dot_ends = dot_ends;
	r->may_lend = directory == NULL;
	r->first = r->bol = true;
	return r;
}

static void
free_reader(struct message_reader *r)
{
	buf_free(&r->line);
	buf_free(&r->block);
	buf_free(&r->held);
	free(r->out);
	free(r);
}

int
message_end(struct message_reader *r)
{
	int status = r->failed ? -1 : finish(r);

	free_reader(r);
	return status;
}

int
message_read(struct message *m, int fd, bool dot_ends, const char *directory, struct outcome *o)
{
	struct message_reader *r = message_begin(m, dot_ends, directory, o);

	if (read_all(r, fd) == 0)
		return message_end(r);
	free_reader(r);
	return -1;
}

int
message_read_part(struct message *m, int fd, uint64_t at, uint64_t size, const char *place, const char *directory, struct outcome *o)
{
	struct message_reader *r = message_begin(m, false, directory, o);
	uint64_t end = at + size;
	int error = EIO;	/* it has become shorter */

	if (read_file(r, fd, &at, end, place) == -1)
		error = errno;
	else if (at == end || r->failed)
		return message_end(r);
	free_reader(r);
	errno = error;
	return -1;
}

uint64_t
message_size(const struct message *m)
{
	uint64_t size = m->body.length + 2;

	for (size_t i = 0; i < m->header.count; i++)
		size += m->header.field[i].len;
	return size;
}

void
message_free(struct message *m)
{
	header_free(&m->header);
	store_free(&m->body);
}
