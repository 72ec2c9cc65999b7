/*
 * The body made fit for the way. See mime.h.
 *
 * Owns the walk through a MIME structure (RFC 2046 section 5.1), quoted-printable (RFC 2045 section 6.7) and the folding of lines that may
 * not be encoded. The same walk goes over the body twice. The first time it notes what each leaf of text needs, an octet a leaf; the second
 * time it writes. Where the structure is not what the RFC says, the rest up to the next delimiter is left as it is.
 *
 * Everything written goes through put(), which folds: no line can come out too long. What was written is looked at again: where it is
 * still 8-bit and may not be, the message is refused.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "mail/content.h"
#include "mail/encode.h"
#include "mail/mime.h"

#define DEPTH_MAX	100		/* multiparts in multiparts; deeper ones are opaque */
#define LEAVES_MAX	100000		/* leaves of text that are looked at; more are opaque */
#define HEADER_MAX	(64 * 1024)	/* octets of a part's header; a part with more is opaque */
#define QUOTED_MAX	75		/* octets of a quoted-printable line without the = at its end */

/* What a leaf of text needs, and what it holds. */
enum need { NEED_QUOTED = 1, HAS_8BIT = 2, HAS_UTF8 = 4 };

enum mode { IN_HEADER, IN_TEXT, IN_OPAQUE };

struct level {
	char *boundary;
	size_t len;
	bool digest;
};

struct walk {
	struct message *m;
	bool eight_bit_ok;
	bool writing;			/* the second time */
	bool failed;			/* o says why */
	struct outcome *o;
	enum mode mode;
	bool in_message;		/* the header is that of a message, not of a part */
	bool in_digest;			/* the part is one of a digest */
	struct buf header;		/* lines of the header being read */
	struct level level[DEPTH_MAX];
	size_t depth;
	struct buf need;		/* an octet a leaf: enum need */
	size_t leaves;			/* seen so far */
	unsigned here;			/* what the leaf we are in needs (when writing) */
	struct scan scan;		/* of the leaf we are in (when not) */
	uint64_t column;		/* octets of its line so far */
	bool long_line;
	struct store out;
	struct scan written;
	uint64_t width;			/* octets of the line being written */
	uint64_t longest;
	char quoted[QUOTED_MAX + 1];	/* the quoted-printable line being made */
	size_t quoted_len;
	bool soft;			/* it goes on from the one before */
};

static void
put_raw(struct walk *w, const char *p, size_t n)
{
	scan_add(&w->written, p, n);
	if (!w->failed && store_add(&w->out, p, n, w->o) < 0)
		w->failed = true;
}

static void
put_end_line(struct walk *w)
{
	if (!w->writing)
		return;
	if (w->width > w->longest)
		w->longest = w->width;
	w->width = 0;
	put_raw(w, "\r\n", 2);
}

/* A line or a piece of one, folded where it gets too long. */
static void
put(struct walk *w, const char *p, size_t n)
{
	size_t room;

	while (w->writing && n > 0) {
		if (w->width == MESSAGE_LINE_MAX) {
			put_end_line(w);
			put_raw(w, " ", 1);
			w->width = 1;
		}
		room = MESSAGE_LINE_MAX - (size_t)w->width;
		if (room > n)
			room = n;
		put_raw(w, p, room);
		w->width += room;
		p += room;
		n -= room;
	}
}

/* Lines, each ended by CRLF. */
static void
put_lines(struct walk *w, const struct buf *lines)
{
	const char *p = buf_str(lines), *end;

	while ((end = memmem(p, lines->len - (size_t)(p - buf_str(lines)), "\r\n", 2)) != NULL) {
		put(w, p, (size_t)(end - p));
		put_end_line(w);
		p = end + 2;
	}
}

static void
put_quoted(struct walk *w, bool soft)
{
	if (soft)
		w->quoted[w->quoted_len++] = '=';
	put(w, w->quoted, w->quoted_len);
	put_end_line(w);
	w->quoted_len = 0;
	w->soft = soft;
}

/*
 * True where the octet at the beginning of a line must not stand there as it is: a dot, "From ", and where soft line breaks come before or
 * after, a hyphen, which could make a delimiter. n octets are there; whole: they go up to the end of the line.
 */
static bool
is_risky(const struct walk *w, const char *p, size_t n, bool whole)
{
	if (*p == '.')
		return true;
	if (*p == '-')
		return w->soft || n > QUOTED_MAX || !whole;
	return (n >= 5 || !whole) && strncmp(p, "From ", n < 5 ? n : 5) == 0;
}

/* Text into quoted-printable. A blank that is the last of what is there is encoded, as it could be the last of the line. */
static void
quote(struct walk *w, const char *p, size_t n, bool whole)
{
	static const char hex[] = "0123456789ABCDEF";
	unsigned char c;
	bool coded;

	for (size_t i = 0; i < n; i++) {
		c = (unsigned char)p[i];
		coded = c == '=' || c > 126 || (c < ' ' && c != '\t') || (i + 1 == n && (c == ' ' || c == '\t'));
		if (w->quoted_len + (coded ? 3 : 1) > QUOTED_MAX)
			put_quoted(w, true);
		if (coded || (w->quoted_len == 0 && is_risky(w, p + i, n - i, whole))) {
			w->quoted[w->quoted_len++] = '=';
			w->quoted[w->quoted_len++] = hex[c >> 4];
			w->quoted[w->quoted_len++] = hex[c & 15];
		} else {
			w->quoted[w->quoted_len++] = (char)c;
		}
	}
}

static void
end_leaf(struct walk *w)
{
	unsigned need = 0;

	if (w->mode != IN_TEXT || w->writing)
		return;
	if (w->long_line || (w->scan.eight_bit && !w->eight_bit_ok))
		need |= NEED_QUOTED;
	if (w->scan.eight_bit)
		need |= HAS_8BIT;
	if (scan_is_utf8(&w->scan))
		need |= HAS_UTF8;
	w->need.data[w->leaves - 1] = (char)need;
}

static enum content_kind
begin_leaf(struct walk *w)
{
	if (w->leaves == LEAVES_MAX)
		return CONTENT_OPAQUE;
	w->mode = IN_TEXT;
	if (w->writing)
		w->here = (unsigned char)w->need.data[w->leaves];
	else
		buf_putc(&w->need, 0);
	w->leaves++;
	w->scan = (struct scan){0};
	w->column = 0;
	w->long_line = w->soft = false;
	return CONTENT_TEXT;
}

/* What follows this header begins. The kind that it is taken for. */
static enum content_kind
begin_content(struct walk *w, const struct header *h)
{
	char *boundary;
	bool digest;
	enum content_kind kind = content_kind(h, w->in_digest, &boundary, &digest);

	w->mode = IN_OPAQUE;
	w->here = 0;
	if (kind == CONTENT_MULTIPART && w->depth < DEPTH_MAX) {
		w->level[w->depth++] = (struct level){ .boundary = boundary, .len = strlen(boundary), .digest = digest };
		return kind;
	}
	free(boundary);
	if (kind == CONTENT_TEXT)
		return begin_leaf(w);
	if (kind != CONTENT_MESSAGE)
		return CONTENT_OPAQUE;
	w->mode = IN_HEADER;
	w->in_message = true;
	w->in_digest = false;
	return kind;
}

/* Adds and changes what the header must say of its content, of this kind and these needs, as it goes out. */
static void
complete_header(const struct walk *w, struct header *h, enum content_kind kind, unsigned need, bool message)
{
	if (kind == CONTENT_TEXT && (need & NEED_QUOTED) != 0) {
		if (message && header_find(h, "MIME-Version", 0) < 0)
			header_append(h, "MIME-Version: 1.0");
		if (message && header_find(h, "Content-Type", 0) < 0)
			header_append(h, (need & HAS_UTF8) != 0 ? "Content-Type: text/plain; charset=utf-8" :
			    (need & HAS_8BIT) != 0 ? "Content-Type: text/plain; charset=unknown-8bit" :
			    "Content-Type: text/plain; charset=us-ascii");
		content_set_encoding(h, "quoted-printable");
	} else if ((kind == CONTENT_MULTIPART || kind == CONTENT_MESSAGE) && !w->eight_bit_ok && content_is_wide(h)) {
		content_set_encoding(h, "7bit");
	}
}

/* Writes the header of a part or of a message in a message. sealed: it is signed. */
static void
put_header(struct walk *w, struct header *h, enum content_kind kind, bool message, bool sealed)
{
	struct buf lines = {0};

	for (size_t i = 0; i < h->count; i++) {
		if (!sealed && !w->eight_bit_ok && encode_is_8bit(h->field[i].text, h->field[i].len))
			(void)encode_field(h, i);
		(void)encode_fold(h, i);
	}
	if (!sealed)
		complete_header(w, h, kind, w->here, message);
	header_write(h, &lines);
	put_lines(w, &lines);
	buf_free(&lines);
}

static void
end_header(struct walk *w)
{
	bool message = w->in_message, sealed;
	struct header h = {0};
	enum content_kind kind = CONTENT_OPAQUE;

	header_parse(&h, buf_str(&w->header), w->header.len);
	sealed = message && header_find(&h, "DKIM-Signature", 0) >= 0;
	w->mode = IN_OPAQUE;
	if (!sealed)
		kind = begin_content(w, &h);
	if (w->writing)
		put_header(w, &h, kind, message, sealed);
	header_free(&h);
	buf_reset(&w->header);
}

/* The header is none, or too large: all of the part is left as it is. */
static void
give_up_header(struct walk *w)
{
	put_lines(w, &w->header);
	buf_reset(&w->header);
	w->mode = IN_OPAQUE;
}

/* True where the line may stand in a header, after what is there already. */
static bool
is_header_line(const struct walk *w, const char *p, size_t n)
{
	if (n + 2 > HEADER_MAX - w->header.len)
		return false;
	if (header_name(p, n) > 0)
		return true;
	for (size_t i = 0; i < n && (p[0] == ' ' || p[0] == '\t'); i++)
		if (p[i] != ' ' && p[i] != '\t')
			return w->header.len > 0;
	return false;
}

static void
take_opaque(struct walk *w, const char *p, size_t n, bool eol)
{
	put(w, p, n);
	if (eol)
		put_end_line(w);
}

static void
take_header(struct walk *w, const char *p, size_t n, bool eol)
{
	if (n == 0 && eol) {
		end_header(w);
		put_end_line(w);
	} else if (eol && is_header_line(w, p, n)) {
		buf_add(&w->header, p, n);
		buf_puts(&w->header, "\r\n");
	} else {
		give_up_header(w);
		take_opaque(w, p, n, eol);
	}
}

static void
take_text(struct walk *w, const char *p, size_t n, bool eol)
{
	if (!w->writing) {
		scan_add(&w->scan, p, n);
		w->column += n;
		w->long_line = w->long_line || w->column > MESSAGE_LINE_MAX;
		if (eol)
			w->column = 0;
	} else if ((w->here & NEED_QUOTED) != 0) {
		quote(w, p, n, eol);
		if (eol)
			put_quoted(w, false);
	} else {
		take_opaque(w, p, n, eol);
	}
}

/* The innermost multipart whose delimiter the line is, or -1. RFC 2046 section 5.1.1: blanks may follow. */
static ptrdiff_t
find_level(const struct walk *w, const char *p, size_t n, bool *closes)
{
	const struct level *l;
	size_t rest;

	if (w->depth == 0 || n < 3 || p[0] != '-' || p[1] != '-')
		return -1;
	while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	for (size_t i = w->depth; i-- > 0; ) {
		l = &w->level[i];
		if (n < 2 + l->len || memcmp(p + 2, l->boundary, l->len) != 0)
			continue;
		rest = n - 2 - l->len;
		*closes = rest == 2 && p[n - 2] == '-' && p[n - 1] == '-';
		if (rest == 0 || *closes)
			return (ptrdiff_t)i;
	}
	return -1;
}

static void
leave_levels(struct walk *w, size_t depth)
{
	while (w->depth > depth)
		free(w->level[--w->depth].boundary);
}

static void
take_delimiter(struct walk *w, size_t level, bool closes, const char *p, size_t n)
{
	if (w->mode == IN_HEADER)
		end_header(w);
	end_leaf(w);
	leave_levels(w, closes ? level : level + 1);
	w->mode = closes ? IN_OPAQUE : IN_HEADER;
	w->in_message = false;
	w->in_digest = !closes && w->level[level].digest;
	buf_reset(&w->header);
	if (n > MESSAGE_LINE_MAX)	/* blanks at the end, which mean nothing, are not folded into a line of the part */
		n = w->level[level].len + (closes ? 4 : 2);
	take_opaque(w, p, n, true);
}

/* A line, or a piece of one: bol and eol say which end of the line it has. */
static void
take_piece(struct walk *w, const char *p, size_t n, bool bol, bool eol)
{
	bool closes;
	ptrdiff_t level = bol && eol ? find_level(w, p, n, &closes) : -1;

	if (level >= 0)
		take_delimiter(w, (size_t)level, closes, p, n);
	else if (w->mode == IN_HEADER)
		take_header(w, p, n, eol);
	else if (w->mode == IN_TEXT)
		take_text(w, p, n, eol);
	else
		take_opaque(w, p, n, eol);
}

/* The whole lines of a block; a line longer than the block in pieces, CR and LF together. The octets that were taken. */
static size_t
take_block(struct walk *w, const char *p, size_t n, bool *bol)
{
	size_t taken = 0, len;
	const char *lf;

	while (taken < n && (lf = memchr(p + taken, '\n', n - taken)) != NULL) {
		len = (size_t)(lf - p) - taken;
		take_piece(w, p + taken, len > 0 && lf[-1] == '\r' ? len - 1 : len, *bol, true);
		taken += len + 1;
		*bol = true;
	}
	if (taken > 0)
		return taken;
	if (n > 1 && p[n - 1] == '\r')
		n--;
	take_piece(w, p, n, *bol, false);
	*bol = false;
	return n;
}

/* What the whole message is taken for, and what it needs if it is one leaf, come back in *kind and *need. */
static int
walk_body(struct walk *w, bool writing, enum content_kind *kind, unsigned *need)
{
	const char *p;
	uint64_t at = 0;
	ptrdiff_t n;
	bool bol = true;

	w->writing = writing;
	w->leaves = 0;
	w->mode = IN_OPAQUE;
	w->in_digest = false;
	w->here = 0;
	*kind = CONTENT_OPAQUE;
	if (header_find(&w->m->header, "DKIM-Signature", 0) < 0)
		*kind = begin_content(w, &w->m->header);
	*need = w->here;
	while ((n = store_read(&w->m->body, at, &p, w->o)) > 0 && !w->failed)
		at += take_block(w, p, (size_t)n, &bol);
	if (w->mode == IN_HEADER)
		end_header(w);
	end_leaf(w);
	leave_levels(w, 0);
	buf_reset(&w->header);
	return n < 0 || w->failed ? -1 : 0;
}

static int
convert(struct walk *w)
{
	struct message *m = w->m;
	enum content_kind kind;
	unsigned need;

	if (walk_body(w, false, &kind, &need) < 0 || walk_body(w, true, &kind, &need) < 0 || store_finish(&w->out, w->o) < 0)
		return -1;
	if (w->written.eight_bit && !w->eight_bit_ok)
		return outcome_set(w->o, EX_DATAERR, STAGE_MESSAGE, CAUSE_NEEDS_8BITMIME, NULL,
		    "the message has 8-bit content that may not be re-encoded, and the smarthost does not take 8BITMIME");
	complete_header(w, &m->header, kind, need, true);
	store_free(&m->body);
	m->body = w->out;
	store_init(&w->out, NULL);
	m->eight_bit = w->written.eight_bit;
	m->utf8 = scan_is_utf8(&w->written);
	m->longest = w->longest;
	return 0;
}

bool
mime_needed(const struct message *m, bool eight_bit_ok)
{
	return m->longest > MESSAGE_LINE_MAX || (m->eight_bit && !eight_bit_ok);
}

int
mime_convert(struct message *m, bool eight_bit_ok, struct outcome *o)
{
	struct walk *w;
	int status;

	if (!mime_needed(m, eight_bit_ok))
		return 0;
	w = mem_alloc(sizeof(*w));
	w->m = m;
	w->eight_bit_ok = eight_bit_ok;
	w->o = o;
	store_init(&w->out, m->body.directory);
	status = convert(w);
	store_free(&w->out);
	buf_free(&w->header);
	buf_free(&w->need);
	free(w);
	return status;
}
