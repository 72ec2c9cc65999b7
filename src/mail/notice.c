/*
 * The notice of failure to a sender. See notice.h.
 *
 * Owns the three parts of a report (RFC 6522) and the fields of RFC 3464 sections 2.2 and 2.3. Whatever comes from outside is written by one of add_clean(), add_whole(), add_printable() and
 * add_utf8(), none of which lets a line end through; but for the returned message, whose octets are told apart by a boundary that nobody
 * can know before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "mail/address.h"
#include "mail/encode.h"
#include "mail/notice.h"
#include "mail/token.h"
#include "mail/words.h"
#include "printable.h"

#define FULL_MAX	(64 * 1024)	/* octets of a message that is returned whole unasked */
#define COLUMNS		76
#define WHOLE_MAX	900		/* octets on a line of what is not torn at its blanks */
#define SUBJECT_MAX	200		/* octets of the subject that are told again */
#define ID_MAX		900		/* octets of a Message-ID that is referred to */
#define PRINTABLE_MAX	1024		/* octets of anything else from outside */
#define INDENT		"    "

struct writer {
	const struct notice *n;
	struct message *m;
	struct message *about;
	struct outcome *o;
	bool failed;			/* o says why */
	bool full;			/* the body is returned too */
	bool eight_bit;			/* what is returned holds octets above 127 */
	char boundary[40];
	struct scan scan;
	uint64_t column;		/* octets of the line so far */
};

/* ---- what is written ---- */

static void
put(struct writer *w, const char *p, size_t n)
{
	const char *end = p + n, *lf;

	scan_add(&w->scan, p, n);
	if (!w->failed && store_add(&w->m->body, p, n, w->o) < 0)
		w->failed = true;
	for (; p < end && (lf = memchr(p, '\n', (size_t)(end - p))) != NULL; p = lf + 1) {
		w->column += (uint64_t)(lf - p);
		if (w->column > w->m->longest + 1)	/* the CR is counted */
			w->m->longest = w->column - 1;
		w->column = 0;
	}
	w->column += (uint64_t)(end - p);
}

static void
end_line(struct writer *w)
{
	if (w->column > 0)
		put(w, "\r\n", 2);
}

/* Writes what was collected, and empties it. */
static void
put_buf(struct writer *w, struct buf *b)
{
	put(w, buf_str(b), b->len);
	buf_reset(b);
}

static bool
is_printable(char c)
{
	return c >= ' ' && c <= '~';
}

/* Adds n octets with a question mark for what is not printable; raw: octets above 127 stay. */
static void
add_clean(struct buf *b, const char *s, size_t n, bool raw)
{
	for (size_t i = 0; i < n; i++)
		buf_putc(b, is_printable(s[i]) || (raw && (unsigned char)s[i] > 127) ? s[i] : '?');
}

/*
 * Adds words to a line that has this many columns already, with CRLF and the indent where it would pass 76. A word that is longer than
 * a line is cut.
 */
static void
add_words(struct buf *b, size_t column, const char *s, const char *indent)
{
	size_t margin = strlen(indent), n;

	for (s += strspn(s, " "); *s != '\0'; s += strspn(s, " ")) {
		n = strcspn(s, " ");
		if (n > COLUMNS - margin)
			n = COLUMNS - margin;
		if (column + 1 + n > COLUMNS) {
			buf_printf(b, "\r\n%s", indent);
			column = margin;
		} else {
			buf_putc(b, ' ');
			column++;
		}
		buf_add(b, s, n);
		column += n;
		s += n;
	}
}

/* The same with any octets. */
static void
add_printable(struct buf *b, size_t column, const char *s, const char *indent)
{
	struct buf line = {0};

	printable_add(&line, s, strlen(s), PRINTABLE_MAX);
	add_words(b, column, buf_str(&line), indent);
	buf_free(&line);
}

/* The same with printable lines: each on lines of its own, a line end before each. */
static void
add_lines(struct buf *b, const char *text)
{
	struct buf line = {0};
	size_t n;

	for (; *text != '\0'; text += text[n] == '\n' ? n + 1 : n) {
		n = strcspn(text, "\n");
		buf_reset(&line);
		add_clean(&line, text, n, false);
		add_words(b, COLUMNS, buf_str(&line), INDENT);
	}
	buf_free(&line);
}

/* Adds what keeps its blanks, folded only where a line would get longer than a line may be. */
static void
add_whole(struct buf *b, const char *s)
{
	size_t left = strlen(s), n;

	for (; left > 0; left -= n, s += n) {
		n = left < WHOLE_MAX ? left : WHOLE_MAX;
		add_clean(b, s, n, false);
		if (n < left)
			buf_puts(b, "\r\n ");
	}
}

/* ---- header ---- */

/* The first words of a field body, as far as they may be told again, with one blank between them. */
static void
first_words(struct buf *b, const char *p, size_t len)
{
	size_t i = 0, n;

	while (i < len) {
		for (n = 0; i + n < len && ((unsigned char)p[i + n] > 127 || (is_printable(p[i + n]) && p[i + n] != ' ')); n++)
			;
		if (n >= COLUMNS || b->len + 1 + n > SUBJECT_MAX) {
			buf_puts(b, " ...");
			return;
		}
		if (n > 0) {
			buf_putc(b, ' ');
			buf_add(b, p + i, n);
		}
		i += n > 0 ? n : 1;
	}
}

static void
add_subject(struct header *h, const struct header *about, bool delayed)
{
	const char *start = delayed ? "Subject: Delayed:" : "Subject: Undeliverable:";
	ptrdiff_t i = header_find(about, "Subject", 0);
	struct buf words = {0}, text = {0};
	const char *body;
	size_t len;

	if (i >= 0) {
		body = header_body(&about->field[i], &len);
		first_words(&words, body, len);
	}
	buf_puts(&text, words.len > 0 ? start : delayed ? "Subject: Delayed mail" : "Subject: Undeliverable mail");
	add_words(&text, strlen(start), buf_str(&words), " ");
	header_append(h, buf_str(&text));
	(void)encode_field(h, h->count - 1);
	buf_free(&words);
	buf_free(&text);
}

/* Adds a field with this value between what goes before and after it. */
static void
add_field(struct header *h, const char *before, const char *value, const char *after)
{
	struct buf text = {0};

	buf_puts(&text, before);
	add_clean(&text, value, strlen(value), true);
	buf_puts(&text, after);
	header_append(h, buf_str(&text));
	buf_free(&text);
}

static bool
is_message_id(const char *s)
{
	size_t n = strlen(s);

	if (n < 3 || n > ID_MAX || s[0] != '<' || s[n - 1] != '>')
		return false;
	for (size_t i = 1; i < n - 1; i++)
		if (!is_printable(s[i]) || strchr(" <>", s[i]) != NULL)
			return false;
	return true;
}

static void
make_header(struct writer *w, bool report)
{
	struct header *h = &w->m->header;

	add_field(h, "From: Mail Delivery System <", w->n->from, ">");
	add_field(h, "To: ", w->n->to, "");
	add_subject(h, &w->about->header, w->n->until != 0);
	if (is_message_id(w->n->message_id)) {
		add_field(h, "In-Reply-To: ", w->n->message_id, "");
		add_field(h, "References: ", w->n->message_id, "");
	}
	header_append(h, "Auto-Submitted: auto-replied");
	header_append(h, "MIME-Version: 1.0");
	add_field(h, report ? "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"" :
	    "Content-Type: multipart/mixed; boundary=\"", w->boundary, "\"");
	if (w->eight_bit)
		header_append(h, "Content-Transfer-Encoding: 8bit");
}

static void
begin_part(struct writer *w, const char *type, bool eight_bit)
{
	struct buf b = {0};

	buf_printf(&b, "%s--%s\r\nContent-Type: %s\r\n%s\r\n", w->m->body.length > 0 ? "\r\n" : "", w->boundary, type,
	    eight_bit ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	put_buf(w, &b);
	buf_free(&b);
}

/* A date as RFC 5322 section 3.3 has it: the program never sets a locale, so the names are those of C. */
static void
add_date(struct buf *b, const char *field, time_t when)
{
	struct tm tm;
	char text[64];

	if (localtime_r(&when, &tm) != NULL && strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S %z", &tm) > 0)
		buf_printf(b, "%s: %s\r\n", field, text);
}

/* ---- for a person ---- */

/* In which state those are who are told of. */
static enum rcpt_state
told(const struct notice *n)
{
	return n->until != 0 ? RCPT_QUEUED : RCPT_FAILED;
}

static void
put_failed(struct writer *w, struct buf *b)
{
	const struct envelope *e = w->n->envelope;

	for (size_t i = 0; i < e->count; i++)
		if (e->rcpt[i].state == told(w->n)) {
			add_printable(b, COLUMNS, e->rcpt[i].path, INDENT);
			put_buf(w, b);
		}
	for (size_t i = 0; i < e->bads; i++)
		add_printable(b, COLUMNS, e->bad[i].what, INDENT);
}

static void
put_words(struct writer *w, const char *returned)
{
	static const char greeting[] = "This is sendmail-submit on";
	const struct envelope *e = w->n->envelope;
	size_t done = envelope_count(e, RCPT_DONE);
	bool named = envelope_count(e, told(w->n)) + e->bads > 0;
	struct buf b = {0};

	begin_part(w, "text/plain; charset=us-ascii", false);
	buf_puts(&b, greeting);
	add_printable(&b, strlen(greeting), w->n->reporting_mta, "");
	buf_puts(&b, ".\r\n\r\n");
	if (strcmp(w->n->to, e->sender) != 0) {
		buf_puts(&b, "The sender of a message cannot be told what became of it:");
		add_printable(&b, COLUMNS, e->sender, INDENT);
		buf_puts(&b, "\r\n\r\nThe");
	} else
		buf_puts(&b, "Your");
	buf_printf(&b, " message could not be sent%s%s", w->n->until != 0 ? " yet" : "", named ? " to:\r\n" : ".");
	put_failed(w, &b);
	if (done > 0)
		buf_printf(&b, "\r\n\r\nIt was sent to the other recipients (%zu): they need not get it again.", done);
	if (w->n->text[0] != '\0') {
		buf_puts(&b, "\r\n\r\nThe reason:\r\n");
		add_lines(&b, w->n->text);
	}
	if (w->n->until != 0)
		add_date(&b, "\r\n\r\nYou need not send it again. It is tried until", w->n->until);
	else
		buf_puts(&b, "\r\n\r\nIt is not tried again from here.");
	buf_printf(&b, "%s\r\n", returned);
	put_buf(w, &b);
	buf_free(&b);
}

/* ---- for a program ---- */

static unsigned
code_point(const char *s, size_t n)
{
	unsigned c = (unsigned char)s[0];

	if (n > 1)
		c &= 0x7fU >> n;
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	return c;
}

/* The 7-bit form of RFC 6533 section 3, utf-8-addr-xtext. */
static void
add_utf8(struct buf *b, const char *s)
{
	size_t left = strlen(s), n;
	bool valid = encode_is_utf8(s, left);

	for (; left > 0; left -= n, s += n) {
		n = words_character(s, left, valid);
		if (is_printable(*s) && strchr(" +=\\", *s) == NULL)
			buf_putc(b, *s);
		else
			buf_printf(b, "\\x{%02X}", !valid && (unsigned char)*s > 127 ? 0xfffdU : code_point(s, n));
	}
}

static void
add_address(struct buf *b, const char *field, const char *path)
{
	struct buf coded = {0};

	if (address_is_utf8(path)) {
		add_utf8(&coded, path);
		buf_printf(b, "%s: utf-8; ", field);
		add_whole(b, buf_str(&coded));
	} else {
		buf_printf(b, "%s: rfc822; ", field);
		add_whole(b, path);
	}
	buf_puts(b, "\r\n");
	buf_free(&coded);
}

static void
add_value(struct buf *b, const char *before, const char *value)
{
	buf_puts(b, before);
	add_whole(b, value);
	buf_puts(b, "\r\n");
}

static void
add_recipient(struct buf *b, const struct notice *n, const struct recipient *r)
{
	static const struct outcome unknown = {0};
	static const char diagnostic[] = "Diagnostic-Code: smtp;";
	const struct outcome *o = r->fate != NULL ? r->fate : n->run != NULL ? n->run : &unknown;

	buf_puts(b, "\r\n");
	if (r->original != NULL)
		add_address(b, "Original-Recipient", r->original);
	add_address(b, "Final-Recipient", r->path);
	if (n->until != 0)	/* whatever was said of it, it is not for good (RFC 3464 section 2.3.4) */
		buf_printf(b, "Action: delayed\r\nStatus: 4%s\r\n", outcome_enhanced(o) + 1);
	else
		buf_printf(b, "Action: failed\r\nStatus: %s\r\n", outcome_enhanced(o));
	if (o->code != 0 && n->remote_mta != NULL)
		add_value(b, "Remote-MTA: dns; ", n->remote_mta);
	if (o->code != 0) {
		buf_puts(b, diagnostic);
		add_printable(b, strlen(diagnostic), o->why, " ");
		buf_puts(b, "\r\n");
	}
	if (o->stage >= STAGE_LOOKUP)
		add_date(b, "Last-Attempt-Date", n->now);
	if (n->until != 0)
		add_date(b, "Will-Retry-Until", n->until);
}

static void
put_status(struct writer *w)
{
	const struct envelope *e = w->n->envelope;
	struct buf b = {0};

	begin_part(w, "message/delivery-status", false);
	if (e->envid != NULL)
		add_value(&b, "Original-Envelope-Id: ", e->envid);
	add_value(&b, "Reporting-MTA: dns; ", w->n->reporting_mta);
	add_date(&b, "Arrival-Date", w->n->arrival);
	for (size_t i = 0; i < e->count; i++)
		if (e->rcpt[i].state == told(w->n)) {
			add_recipient(&b, w->n, &e->rcpt[i]);
			put_buf(w, &b);
		}
	buf_free(&b);
}

/* ---- what is returned ---- */

static bool
is_blind(const struct field *f)
{
	return header_is(f, "Bcc") || header_is(f, "Resent-Bcc");
}

/* The field as it is returned: over-long lines folded, as what is handed in may not have been repaired. */
static void
put_field(struct writer *w, const struct field *f)
{
	struct header one = {0};
	struct buf text = {0};

	header_parse(&one, f->text, f->len);
	header_drop(&one, "Bcc");
	header_drop(&one, "Resent-Bcc");
	for (size_t i = 0; i < one.count; i++)
		(void)encode_fold(&one, i);
	header_write(&one, &text);
	put_buf(w, &text);
	end_line(w);
	buf_free(&text);
	header_free(&one);
}

static void
put_body(struct writer *w)
{
	uint64_t at = 0;
	const char *p;
	ptrdiff_t n = 0;

	while (!w->failed && (n = store_read(&w->about->body, at, &p, w->o)) > 0) {
		put(w, p, (size_t)n);
		at += (uint64_t)n;
	}
	w->failed = w->failed || n < 0;
	end_line(w);
}

static void
put_returned(struct writer *w)
{
	const struct header *h = &w->about->header;

	begin_part(w, w->full ? "message/rfc822" : "text/rfc822-headers", w->eight_bit);
	for (size_t i = 0; i < h->count; i++)
		put_field(w, &h->field[i]);
	if (!w->full)
		return;
	put(w, "\r\n", 2);
	put_body(w);
}

/* True where a body would fail as it did before. asked: RET=FULL. */
static bool
would_fail_again(const struct outcome *o, bool asked)
{
	if (o->cause == CAUSE_TOO_LARGE || o->cause == CAUSE_NEEDS_8BITMIME || o->code == 552 || strcmp(o->enhanced, "5.3.4") == 0)
		return true;
	return !asked && o->stage == STAGE_DOT && o->code >= 500;
}

static bool
returns_body(const struct notice *n, const struct message *about)
{
	const struct envelope *e = n->envelope;
	bool asked = e->ret != NULL && strcmp(e->ret, "FULL") == 0;

	if (n->until != 0 || e->requiretls || (e->ret != NULL && !asked) || (n->run != NULL && would_fail_again(n->run, asked)))
		return false;
	for (size_t i = 0; i < e->count; i++)
		if (e->rcpt[i].fate != NULL && would_fail_again(e->rcpt[i].fate, asked))
			return false;
	return asked || message_size(about) <= FULL_MAX;
}

/* What of the message is returned; false: it has nothing that can be. */
static bool
choose_returned(struct writer *w)
{
	const struct header *h = &w->about->header;
	bool any = false;

	w->full = returns_body(w->n, w->about) && store_is_there(&w->about->body);
	w->eight_bit = w->full && w->about->eight_bit;
	for (size_t i = 0; i < h->count; i++)
		if (!is_blind(&h->field[i])) {
			any = true;
			w->eight_bit = w->eight_bit || encode_is_8bit(h->field[i].text, h->field[i].len);
		}
	return any || (w->full && w->about->body.length > 0);
}

static void
make_boundary(struct writer *w)
{
	unsigned char octets[16];

	arc4random_buf(octets, sizeof(octets));
	for (size_t i = 0; i < sizeof(octets); i++)
		(void)snprintf(w->boundary + 2 * i, 3, "%02x", (unsigned)octets[i]);
}

static void
make(struct writer *w)
{
	bool report = envelope_count(w->n->envelope, told(w->n)) > 0, returned = choose_returned(w);
	struct buf end = {0};

	make_boundary(w);
	make_header(w, report);
	put_words(w, !returned ? "" : w->full ? " The message is returned below." : " The header of the message is returned below.");
	if (report)
		put_status(w);
	if (returned)
		put_returned(w);
	buf_printf(&end, "\r\n--%s--\r\n", w->boundary);
	put_buf(w, &end);
	buf_free(&end);
}

int
notice_make(struct message *m, const struct notice *n, struct message *about, struct outcome *o)
{
	struct writer *w = mem_alloc(sizeof(*w));
	int status;

	memset(m, 0, sizeof(*m));
	store_init(&m->body, about->body.directory);
	w->n = n;
	w->m = m;
	w->about = about;
	w->o = o;
	make(w);
	m->eight_bit = w->scan.eight_bit;
	m->utf8 = scan_is_utf8(&w->scan);
	status = w->failed || store_finish(&m->body, o) < 0 ? -1 : 0;
	free(w);
	return status;
}

/* ---- whether ---- */

/* A field body without blanks, comments and quotes; the caller frees it. */
static char *
bare(const struct field *f)
{
	struct tokens ts;
	struct buf out = {0};
	const char *body;
	size_t len;

	body = header_body(f, &len);
	(void)tokens_parse(&ts, body, len, TOKEN_IN_PARAMETERS);
	buf_puts(&out, "");
	for (size_t i = 0; i < ts.count; i++)
		if (ts.token[i].type != TOKEN_BLANK && ts.token[i].type != TOKEN_COMMENT)
			token_meaning(&ts, i, &out);
	tokens_free(&ts);
	return out.data;
}

/* True where the field tells that the message is an answer of a program's, or a notice. What cron makes (auto-generated) is neither. */
static bool
is_answer(const struct field *f)
{
	static const char report[] = "multipart/report;", status[] = ";report-type=delivery-status";
	char *text = NULL;
	const char *at;
	bool made = false;

	if (header_is(f, "Auto-Submitted")) {
		text = bare(f);
		text[strcspn(text, ";")] = '\0';
		made = strcasecmp(text, "auto-replied") == 0;
	} else if (header_is(f, "Content-Type")) {
		text = bare(f);
		at = strncasecmp(text, report, strlen(report)) == 0 ? strcasestr(text, status) : NULL;
		made = at != NULL && (at[strlen(status)] == ';' || at[strlen(status)] == '\0');
	}
	free(text);
	return made;
}

bool
notice_may(const struct envelope *e, const struct message *about)
{
	if (e->sender == NULL || e->sender[0] == '\0')
		return false;
	for (size_t i = 0; i < about->header.count; i++)
		if (is_answer(&about->header.field[i]))
			return false;
	return true;
}

bool
notice_asked(const struct envelope *e, size_t i, unsigned event)
{
	unsigned notify = e->rcpt[i].notify != 0 ? e->rcpt[i].notify : e->notify;

	return notify == 0 || (notify & event) != 0;
}

bool
notice_wanted(const struct envelope *e, const struct message *about)
{
	return (e->notify == 0 || (e->notify & DSN_FAILURE) != 0) && notice_may(e, about);
}
