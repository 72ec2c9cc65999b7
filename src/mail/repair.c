/*
 * What is added to, taken from and changed in the header on its way. See repair.h; CONTRACT sections 3 and 4, RFC 5322 section 3.6.
 *
 * Fields are added at the top, in the order Date, From, Reply-To, To, Message-ID; the MIME fields at the end. Date, From and Message-ID with
 * nothing in them count as missing. In a resent message (any Resent- field) what is added are the Resent- forms, at the top of the newest block where
 * it lacks them, and no others of these.
 *
 * override-from: a provider that takes nothing but the account's own address looks at Sender as well as at From, so a Sender with
 * another address is dropped, and so is any From after the first. It applies to a signed message too: the administrator asked for it, and what the provider
 * refuses is of no use with its signature whole.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "mail/address.h"
#include "mail/encode.h"
#include "mail/repair.h"

#define RANDOM_OCTETS	12	/* of a Message-ID */
#define LINE_COLUMNS	76

struct work {
	struct header *h;
	const struct repair *r;
	bool resent;
	bool signature;		/* there is a DKIM-Signature */
	const char *domain;	/* completes bare names; NULL: there is none */
	bool configured;	/* it is the configuration's, not only that of the sender */
};

/* The newest block of Resent- fields: the first of each up to one that comes again, or to a Received field. */
enum resent { RESENT_DATE, RESENT_FROM, RESENT_SENDER, RESENT_TO, RESENT_CC, RESENT_MESSAGE_ID, RESENT_COUNT };

static const char *const resent_names[RESENT_COUNT] = {
	"Resent-Date", "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc", "Resent-Message-ID"
};

static bool
is_resent_field(const struct field *f)
{
	return f->name_len > 7 && strncasecmp(f->text, "Resent-", 7) == 0;
}

static bool
has_resent(const struct header *h)
{
	size_t i;

	for (i = 0; i < h->count; i++)
		if (is_resent_field(&h->field[i]))
			return true;
	return false;
}

/* Where the fields of the newest block are; -1: not in it. Returns where it begins, 0 where there is none (left). */
static size_t
newest_block(const struct header *h, ptrdiff_t place[RESENT_COUNT])
{
	size_t i, k, first = 0;

	for (k = 0; k < RESENT_COUNT; k++)
		place[k] = -1;
	while (first < h->count && !is_resent_field(&h->field[first]))
		first++;
	for (i = first; i < h->count && !header_is(&h->field[i], "Received"); i++) {
		if (!is_resent_field(&h->field[i]))
			continue;
		for (k = 0; k < RESENT_COUNT && !header_is(&h->field[i], resent_names[k]); k++)
			;
		if (k < RESENT_COUNT && place[k] >= 0)
			break;
		if (k < RESENT_COUNT)
			place[k] = (ptrdiff_t)i;
	}
	return first < h->count ? first : 0;
}

static bool
is_empty(const struct field *f)
{
	const char *body;
	size_t len, i;

	body = header_body(f, &len);
	for (i = 0; i < len; i++)
		if (strchr(" \t\r\n", body[i]) == NULL)
			return false;
	return true;
}

/* Takes out the fields of that name with nothing in them. */
static void
drop_empty(struct header *h, const char *name)
{
	size_t i, kept = 0;

	for (i = 0; i < h->count; i++) {
		if (header_is(&h->field[i], name) && is_empty(&h->field[i]))
			free(h->field[i].text);
		else
			h->field[kept++] = h->field[i];
	}
	h->count = kept;
}

static void
drop_unwanted(struct header *h)
{
	static const char *const always[] = { "Bcc", "Resent-Bcc", "Return-Path" };
	static const char *const if_empty[] = { "Date", "From", "Message-ID", "Resent-Date", "Resent-From", "Resent-Message-ID" };
	size_t i;

	for (i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		header_drop(h, always[i]);
	for (i = 0; i < sizeof(if_empty) / sizeof(if_empty[0]); i++)
		drop_empty(h, if_empty[i]);
}

/* "To : x" becomes "To: x". */
static void
close_up(struct field *f)
{
	size_t blanks = f->body - 1 - f->name_len;

	if (blanks == 0)
		return;
	memmove(f->text + f->name_len, f->text + f->name_len + blanks, f->len + 1 - f->name_len - blanks);
	f->len -= blanks;
	f->body -= blanks;
}

static bool
is_completed(const struct field *f)
{
	static const char *const names[] = {
		"From", "Sender", "Reply-To", "To", "Cc",
		"Resent-From", "Resent-Sender", "Resent-Reply-To", "Resent-To", "Resent-Cc"
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (header_is(f, names[i]))
			return true;
	return false;
}

/* Gives the bare names of field i, and those at a name of this host that nobody else knows, the domain; all else stays. */
static void
complete(const struct work *w, size_t i)
{
	struct address_list list;
	struct buf out = {0};
	const char *body;
	size_t len, k, done = 0;

	body = header_body(&w->h->field[i], &len);
	address_parse(&list, body, len);
	for (k = 0; k < list.count; k++) {
		const struct mailbox *m = &list.mailbox[k];
		char *path;

		if (!address_is_bare(m->domain, w->r->host) || (m->domain != NULL && !w->configured))
			continue;
		if (m->domain == NULL) {
			buf_add(&out, body + done, m->spec.end - done);
			buf_putc(&out, '@');
			buf_puts(&out, w->domain);
		} else {
			path = address_path(m->local, w->domain);
			buf_add(&out, body + done, m->spec.start - done);
			buf_puts(&out, path);
			free(path);
		}
		done = m->spec.end;
	}
	if (done > 0) {
		buf_add(&out, body + done, len - done);
		header_replace(w->h, i, out.data, out.len);
	}
	buf_free(&out);
	address_free(&list);
}

/* True where the list is one mailbox, and it is this address. */
static bool
names_only(const struct address_list *list, const char *address)
{
	bool same;
	char *path;

	if (list->count != 1 || list->errors > 0 || list->mailbox[0].domain == NULL)
		return false;
	path = address_path(list->mailbox[0].local, list->mailbox[0].domain);
	same = address_same(path, address);
	free(path);
	return same;
}

static bool
field_names_only(const struct field *f, const char *address)
{
	struct address_list list;
	const char *body;
	size_t len;
	bool same;

	body = header_body(f, &len);
	address_parse(&list, body, len);
	same = names_only(&list, address);
	address_free(&list);
	return same;
}

/*
 * Puts the address into field i, the display name of its first mailbox kept, or its comment where there is no name. The body as it was, for
 * Reply-To, or NULL: it named nobody else, or nobody. The caller frees it.
 */
static char *
override(struct header *h, size_t i, const char *address)
{
	struct address_list list;
	struct buf out = {0};
	const struct span *s;
	const char *body;
	char *original;
	size_t len;

	body = header_body(&h->field[i], &len);
	address_parse(&list, body, len);
	if (names_only(&list, address)) {
		address_free(&list);
		return NULL;
	}
	original = list.count > 0 ? mem_ndup(body, len) : NULL;
	if (list.count > 0 && list.mailbox[0].name.end > list.mailbox[0].name.start) {
		s = &list.mailbox[0].name;
		buf_printf(&out, " %.*s <%s>", (int)(s->end - s->start), body + s->start, address);
	} else if (list.count > 0 && list.comments > 0)
		buf_printf(&out, " %s %.*s", address, (int)(list.comment[0].end - list.comment[0].start), body + list.comment[0].start);
	else
		buf_printf(&out, " %s", address);
	header_replace(h, i, out.data, out.len);
	buf_free(&out);
	address_free(&list);
	return original;
}

/* A Resent-Sender with another address is given this one rather than dropped: that it comes again is what ends a block. */
static void
override_resent(const struct work *w)
{
	ptrdiff_t place[RESENT_COUNT], sender;

	newest_block(w->h, place);
	sender = place[RESENT_SENDER];
	if (place[RESENT_FROM] >= 0)
		free(override(w->h, (size_t)place[RESENT_FROM], w->r->override_from));
	if (sender >= 0 && !field_names_only(&w->h->field[sender], w->r->override_from))
		free(override(w->h, (size_t)sender, w->r->override_from));
}

/* override-from in a message that is not resent. What Reply-To is to say, or NULL; the caller frees it. */
static char *
override_plain(const struct work *w)
{
	const char *address = w->r->override_from;
	struct header *h = w->h;
	char *original = NULL;
	ptrdiff_t i;

	i = header_find(h, "Sender", 0);
	while (i >= 0 && field_names_only(&h->field[i], address))
		i = header_find(h, "Sender", (size_t)i + 1);
	if (i >= 0)
		header_drop(h, "Sender");
	i = header_find(h, "From", 0);
	if (i >= 0) {
		header_drop_from(h, "From", (size_t)i + 1);
		original = override(h, (size_t)i, address);
	}
	if (header_find(h, "Reply-To", 0) >= 0) {
		free(original);
		original = NULL;
	}
	return original;
}

static void
add_date(struct header *h, const char *name, time_t now)
{
	static const char *const day[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const month[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct tm tm = {0};
	char *text;
	long zone;

	if (localtime_r(&now, &tm) == NULL)
		tm = (struct tm){ .tm_mday = 1, .tm_year = 70, .tm_wday = 4 };
	zone = tm.tm_gmtoff / 60;
	text = mem_printf("%s: %s, %02d %s %04d %02d:%02d:%02d %c%02ld%02ld", name, day[tm.tm_wday], tm.tm_mday, month[tm.tm_mon],
	    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec, zone < 0 ? '-' : '+', labs(zone) / 60, labs(zone) % 60);
	header_prepend(h, text);
	free(text);
}

/* The domain if it is one, in ASCII where that is asked for; else NULL. */
static const char *
valid_domain(const char *domain, bool ascii)
{
	if (domain == NULL || address_check("x", domain) != NULL || (ascii && encode_is_8bit(domain, strlen(domain))))
		return NULL;
	return domain;
}

/* The domain of the configuration, else that of the sender, else NULL. */
static const char *
choose_domain(const struct repair *r, bool ascii)
{
	const char *domain = valid_domain(r->domain, ascii), *at = r->sender != NULL ? strrchr(r->sender, '@') : NULL;

	if (domain == NULL && at != NULL)
		domain = valid_domain(at + 1, ascii);
	return domain;
}

static void
add_message_id(struct header *h, const char *name, const struct repair *r)
{
	const char *domain = choose_domain(r, true);
	unsigned char octets[RANDOM_OCTETS];
	struct buf text = {0};
	size_t i;

	arc4random_buf(octets, sizeof(octets));
	buf_printf(&text, "%s: <%lld.", name, (long long)r->now);
	for (i = 0; i < sizeof(octets); i++)
		buf_printf(&text, "%02x", (unsigned)octets[i]);
	buf_printf(&text, "@%s>", domain == NULL ? "localhost" : domain);
	header_prepend(h, text.data);
	buf_free(&text);
}

static bool
is_nothing(const char *name)
{
	for (; name != NULL && *name != '\0'; name++)
		if ((unsigned char)*name > ' ' && *name != 0x7f)
			return false;
	return true;
}

static void
add_from(struct header *h, const char *field, const struct repair *r)
{
	const char *address = r->override_from != NULL ? r->override_from : r->sender, *last;
	char *name, *text;
	size_t column;

	if (is_nothing(r->full_name))
		text = mem_printf("%s: %s", field, address);
	else {
		name = encode_name(r->full_name);
		last = strrchr(name, '\n');
		column = last != NULL ? strlen(last + 1) : strlen(field) + 2 + strlen(name);
		text = mem_printf("%s: %s%s <%s>", field, name, column + strlen(address) + 3 > LINE_COLUMNS ? "\r\n" : "", address);
		free(name);
	}
	header_prepend(h, text);
	free(text);
}

/* Moves the first field down to place i. */
static void
move_down(struct header *h, size_t i)
{
	struct field first = h->field[0];

	memmove(h->field, h->field + 1, i * sizeof(*h->field));
	h->field[i] = first;
}

/* At the top of the newest block, which Received fields may precede: a block stays together (RFC 5322 section 3.6.6). */
static void
add_resent(const struct work *w)
{
	ptrdiff_t place[RESENT_COUNT];
	size_t top = newest_block(w->h, place);

	if (place[RESENT_MESSAGE_ID] < 0) {
		add_message_id(w->h, resent_names[RESENT_MESSAGE_ID], w->r);
		move_down(w->h, top);
	}
	if (place[RESENT_FROM] < 0) {
		add_from(w->h, resent_names[RESENT_FROM], w->r);
		move_down(w->h, top);
	}
	if (place[RESENT_DATE] < 0) {
		add_date(w->h, resent_names[RESENT_DATE], w->r->now);
		move_down(w->h, top);
	}
}

/* Each goes to the top, so the last one added is the first. reply_to: a field body, or NULL. */
static void
add_plain(const struct work *w, const char *reply_to)
{
	struct header *h = w->h;
	char *text;

	if (header_find(h, "Message-ID", 0) < 0)
		add_message_id(h, "Message-ID", w->r);
	if (header_find(h, "To", 0) < 0 && header_find(h, "Cc", 0) < 0)
		header_prepend(h, "To: undisclosed-recipients:;");
	if (reply_to != NULL) {
		text = mem_printf("Reply-To:%s%s", strchr(" \t\r", reply_to[0]) == NULL ? " " : "", reply_to);
		header_prepend(h, text);
		free(text);
	}
	if (header_find(h, "From", 0) < 0)
		add_from(h, "From", w->r);
	if (header_find(h, "Date", 0) < 0)
		add_date(h, "Date", w->r->now);
}

/* An 8-bit body says so (RFC 2045; RFC 1428 where the charset is not known). */
static void
add_mime(struct header *h, const struct message *m)
{
	if (!m->eight_bit || header_find(h, "MIME-Version", 0) >= 0)
		return;
	header_append(h, "MIME-Version: 1.0");
	if (header_find(h, "Content-Type", 0) < 0)
		header_append(h, m->utf8 ? "Content-Type: text/plain; charset=utf-8" : "Content-Type: text/plain; charset=unknown-8bit");
	if (header_find(h, "Content-Transfer-Encoding", 0) < 0)
		header_append(h, "Content-Transfer-Encoding: 8bit");
}

void
repair_header(struct message *m, const struct repair *r)
{
	struct work w = { .h = &m->header, .r = r, .domain = choose_domain(r, false) };
	char *reply_to = NULL;
	size_t i;

	w.configured = valid_domain(r->domain, false) != NULL;
	w.resent = has_resent(w.h);
	w.signature = header_find(w.h, "DKIM-Signature", 0) >= 0;
	drop_unwanted(w.h);
	for (i = 0; i < w.h->count && !w.signature; i++) {
		close_up(&w.h->field[i]);
		if (w.domain != NULL && is_completed(&w.h->field[i]))
			complete(&w, i);
	}
	if (r->override_from != NULL && w.resent)
		override_resent(&w);
	else if (r->override_from != NULL)
		reply_to = override_plain(&w);
	if (w.resent)
		add_resent(&w);
	else
		add_plain(&w, reply_to);
	add_mime(w.h, m);
	for (i = 0; i < w.h->count; i++) {
		if (r->encode && !w.signature)
			encode_field(w.h, i);
		encode_fold(w.h, i);
	}
	free(reply_to);
}
