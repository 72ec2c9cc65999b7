/*
 * The text of a file of the queue. See spool_format.h.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mail/address.h"
#include "printable.h"
#include "queue/spool_format.h"

#define MAGIC	"sendmail-submit queue 1\n"
#define TIME_MAX	999999999999
#define WHAT_MAX	80
#define WHY_MAX		120

uint64_t
spool_sum(uint64_t sum, const void *p, size_t n)
{
	const unsigned char *octet = p;

	for (size_t i = 0; i < n; i++)
		sum = (sum ^ octet[i]) * 1099511628211ULL;
	return sum;
}

/* Fills up with blanks and a line end to so many octets from the given place on. */
static void
pad(struct buf *b, size_t from, size_t size)
{
	while (b->len - from < size - 1)
		buf_putc(b, ' ');
	buf_putc(b, '\n');
}

/* ---- numbers of fixed width ---- */

/* The next number, of so many digits, behind what must stand before it; false where it is not so. */
static bool
take_number(const char **p, const char *before, size_t digits, uint64_t *value)
{
	size_t n = strlen(before);

	if (strncmp(*p, before, n) != 0)
		return false;
	*p += n;
	*value = 0;
	for (size_t i = 0; i < digits; i++) {
		if (!isdigit((unsigned char)(*p)[i]))
			return false;
		*value = *value * 10 + (uint64_t)((*p)[i] - '0');
	}
	*p += digits;
	return true;
}

/* ---- the head ---- */

void
spool_add_head(struct buf *b, const struct spool_lengths *l)
{
	size_t from = b->len;

	buf_puts(b, MAGIC);
	buf_printf(b, "recipients=%09" PRIu64 " envelope=%012" PRIu64 " message=%015" PRIu64, l->recipients, l->envelope, l->message);
	pad(b, from, SPOOL_STATE_AT);
}

/* A time as 12 digits can tell it. */
static uint64_t
time_digits(time_t t)
{
	return t < 0 ? 0 : t > TIME_MAX ? TIME_MAX : (uint64_t)t;
}

void
spool_add_state(struct buf *b, const struct spool_item *item)
{
	size_t from = b->len;

	buf_printf(b, "next=%012" PRIu64 " tried=%012" PRIu64 " asked=%012" PRIu64 " waited=%012" PRIu64 " attempts=%09u held=%d warned=%d", time_digits(item->next),
	    time_digits(item->tried), time_digits(item->asked), time_digits(item->waited), item->attempts < 999999999 ? item->attempts : 999999999, item->held, item->warned);
	pad(b, from, SPOOL_HEAD_SIZE - SPOOL_STATE_AT);
}

const char *
spool_read_head(const char *p, struct spool_lengths *l, struct spool_item *item)
{
	uint64_t next, tried, asked, waited, attempts, held, warned;
	const char *state = p + SPOOL_STATE_AT;

	if (strncmp(p, MAGIC, strlen(MAGIC)) != 0)
		return strncmp(p, MAGIC, strlen(MAGIC) - 2) == 0 ? "it is from another version" : "it is no message of this queue";
	p += strlen(MAGIC);
	if (!take_number(&p, "recipients=", 9, &l->recipients) || !take_number(&p, " envelope=", 12, &l->envelope) || !take_number(&p, " message=", 15, &l->message) ||
	    !take_number(&state, "next=", 12, &next) || !take_number(&state, " tried=", 12, &tried) || !take_number(&state, " asked=", 12, &asked) ||
	    !take_number(&state, " waited=", 12, &waited) ||
	    !take_number(&state, " attempts=", 9, &attempts) || !take_number(&state, " held=", 1, &held) ||
	    !take_number(&state, " warned=", 1, &warned))
		return "its head is malformed";
	if (l->recipients == 0 || l->recipients > SPOOL_RECIPIENTS_MAX || l->envelope > SPOOL_ENVELOPE_MAX(l->recipients) || held > 1 || warned > 1)
		return "its head tells what cannot be";
	item->next = (time_t)next;
	item->tried = (time_t)tried;
	item->asked = (time_t)asked;
	item->waited = (time_t)waited;
	item->attempts = (unsigned)attempts;
	item->held = held == 1;
	item->warned = warned == 1;
	return NULL;
}

/* ---- records ---- */

/*
 * Appends text for a record: printable, without what separates, and so that it stays as it is when it is written again: a backslash is left alone.
 */
static void
add_part(struct buf *b, const char *text, size_t max)
{
	struct buf one = {0};
	size_t used = 0;

	buf_putc(b, '|');
	for (; *text != '\0'; text++) {
		buf_reset(&one);
		if (*text == '|' || *text == '\\')
			buf_putc(&one, *text == '|' ? '/' : '\\');
		else
			printable_add(&one, text, 1, 1);
		if (used + one.len > max)
			break;
		buf_add(b, one.data, one.len);
		used += one.len;
	}
	buf_free(&one);
}

void
spool_add_record(struct buf *b, char state, const struct outcome *o)
{
	size_t from = b->len;

	buf_putc(b, state);
	if (o != NULL && o->status != 0) {
		buf_printf(b, " %d %s %d %s", o->status, outcome_stage_name(o->stage), o->code, o->enhanced[0] != '\0' ? o->enhanced : "-");
		add_part(b, o->what, WHAT_MAX);
		add_part(b, o->why, WHY_MAX);
	}
	if (b->len - from > SPOOL_RECORD_SIZE - 1)
		b->len = from + SPOOL_RECORD_SIZE - 1;
	pad(b, from, SPOOL_RECORD_SIZE);
}

static enum stage
stage_named(const char *name)
{
	for (int i = 0; i < STAGE_COUNT; i++)
		if (strcmp(outcome_stage_name((enum stage)i), name) == 0)
			return (enum stage)i;
	return STAGE_NONE;
}

char
spool_read_record(const char *p, struct outcome *o)
{
	char text[SPOOL_RECORD_SIZE + 1], *rest = text, *part[6], *end;

	*o = (struct outcome){0};
	memcpy(text, p, SPOOL_RECORD_SIZE);
	text[SPOOL_RECORD_SIZE] = '\0';
	end = strchr(text, '\n');
	while (end != NULL && end > text && end[-1] == ' ')
		end--;
	if (end == NULL || end - text < 2 || text[1] != ' ')
		return p[0];
	*end = '\0';
	rest = text + 2;
	for (size_t i = 0; i < 6; i++)
		part[i] = strsep(&rest, i < 3 ? " " : "|");
	if (part[5] == NULL)
		return p[0];
	o->status = (int)strtol(part[0], NULL, 10);
	o->stage = stage_named(part[1]);
	o->code = (int)strtol(part[2], NULL, 10);
	if (o->status < 64 || o->status > 78 || o->code < 0 || o->code > 599) {
		*o = (struct outcome){0};
		return p[0];
	}
	o->cause = o->code != 0 ? CAUSE_REPLY : o->stage == STAGE_QUEUE ? CAUSE_EXPIRED : CAUSE_NONE;
	if (strcmp(part[3], "-") != 0)
		(void)strlcpy(o->enhanced, part[3], sizeof(o->enhanced));
	(void)strlcpy(o->what, part[4], sizeof(o->what));
	(void)strlcpy(o->why, part[5], sizeof(o->why));
	return p[0];
}

/* ---- the envelope ---- */

static void
add_line(struct buf *b, const char *key, const char *value)
{
	if (value != NULL)
		buf_printf(b, "%s %s\n", key, value);
}

void
spool_add_envelope(struct buf *b, const struct envelope *e, bool (*wanted)(const struct envelope *, size_t), time_t created)
{
	buf_printf(b, "created %" PRIu64 "\n", (uint64_t)created);
	add_line(b, "sender", e->sender);
	add_line(b, "ret", e->ret);
	add_line(b, "envid", e->envid);
	add_line(b, "domain", e->domain);
	if (e->sender_is_local)
		add_line(b, "sender-is-local", "1");
	if (e->notify != 0)
		buf_printf(b, "notify %u\n", e->notify);
	if (e->utf8)
		add_line(b, "utf8", "1");
	if (e->requiretls)
		add_line(b, "requiretls", "1");
	for (size_t i = 0; i < e->count; i++) {
		const struct recipient *r = &e->rcpt[i];

		if (!wanted(e, i))
			continue;
		if (r->notify != 0)
			buf_printf(b, "rcpt-notify %u\n", r->notify);
		add_line(b, "rcpt-original", r->original);
		add_line(b, "rcpt-orcpt", r->orcpt);
		add_line(b, "rcpt", r->path);
	}
}

static bool
take_notify(const char *value, unsigned *notify)
{
	if (value[0] < '1' || strlen(value) > 2 || strspn(value, "0123456789") != strlen(value))
		return false;
	*notify = (unsigned)strtoul(value, NULL, 10);
	return *notify < 16 && (*notify == DSN_NEVER || (*notify & DSN_NEVER) == 0);
}

/* A recipient, and what was said of him in the lines before. */
static void
add_recipient(struct envelope *e, struct recipient *next, const char *path)
{
	if (e->count == e->size) {
		e->size = e->size == 0 ? 4 : e->size * 2;
		e->rcpt = mem_grow(e->rcpt, e->size, sizeof(*e->rcpt));
	}
	next->path = mem_dup(path);
	e->rcpt[e->count++] = *next;
	*next = (struct recipient){0};
}

/* True where it may stand in an SMTP command as it is. */
static bool
is_path(const char *text)
{
	struct address_list list = {0};
	char *again = NULL;
	bool good;

	address_parse(&list, text, strlen(text));
	good = list.count == 1 && list.errors == 0 && list.mailbox[0].domain != NULL &&
	    address_check(list.mailbox[0].local, list.mailbox[0].domain) == NULL;
	if (good)
		again = address_path(list.mailbox[0].local, list.mailbox[0].domain);
	good = good && strcmp(again, text) == 0;
	free(again);
	address_free(&list);
	return good;
}

/* Once, and if it is good. */
static bool
take_text(char **text, const char *value, bool good)
{
	if (*text != NULL || !good)
		return false;
	*text = mem_dup(value);
	return true;
}

static bool
take_flag(bool *flag, const char *value)
{
	*flag = true;
	return strcmp(value, "1") == 0;
}

static bool
take_created(time_t *created, const char *value)
{
	if (*created != 0 || *value < '1' || strlen(value) > 12 || strspn(value, "0123456789") != strlen(value))
		return false;
	*created = (time_t)strtoull(value, NULL, 10);
	return true;
}

static bool
take_envid(struct envelope *e, const char *value)
{
	if (e->envid != NULL || !dsn_is_envid(value))
		return false;
	e->envid = mem_dup(value);
	return true;
}

static bool
take_line(struct envelope *e, struct recipient *next, time_t *created, const char *key, const char *value)
{
	if (strcmp(key, "rcpt") == 0) {
		if (!is_path(value))
			return false;
		add_recipient(e, next, value);
		return true;
	}
	if (strcmp(key, "created") == 0)
		return take_created(created, value);
	if (strcmp(key, "sender") == 0)
		return take_text(&e->sender, value, *value == '\0' || is_path(value));
	if (strcmp(key, "ret") == 0)
		return (e->ret = dsn_ret(value)) != NULL;
	if (strcmp(key, "envid") == 0)
		return take_envid(e, value);
	if (strcmp(key, "domain") == 0)
		return take_text(&e->domain, value, address_check("x", value) == NULL);
	if (strcmp(key, "sender-is-local") == 0)
		return take_flag(&e->sender_is_local, value);
	if (strcmp(key, "utf8") == 0)
		return take_flag(&e->utf8, value);
	if (strcmp(key, "requiretls") == 0)
		return take_flag(&e->requiretls, value);
	if (strcmp(key, "notify") == 0)
		return take_notify(value, &e->notify);
	if (strcmp(key, "rcpt-notify") == 0)
		return take_notify(value, &next->notify);
	if (strcmp(key, "rcpt-original") == 0)
		return take_text(&next->original, value, is_path(value));
	if (strcmp(key, "rcpt-orcpt") == 0)
		return take_text(&next->orcpt, value, address_is_orcpt(value));
	return false;
}

const char *
spool_read_envelope(char *text, size_t n, struct envelope *e, time_t *created)
{
	struct recipient next = {0};
	char *line, *value;
	bool good = n > 0 && text[n - 1] == '\n' && memchr(text, '\0', n) == NULL;

	*created = 0;
	while (good && (line = strsep(&text, "\n")) != NULL && (text != NULL || *line != '\0')) {
		value = strchr(line, ' ');
		good = value != NULL;
		if (good) {
			*value++ = '\0';
			good = take_line(e, &next, created, line, value);
		}
	}
	good = good && next.original == NULL && next.orcpt == NULL && next.notify == 0;
	free(next.original);
	free(next.orcpt);
	return good && e->sender != NULL && *created != 0 ? NULL : "its envelope is malformed";
}

void
spool_add_end(struct buf *b, uint64_t sum)
{
	buf_printf(b, "\r\nend sum=%016" PRIx64 "\n", sum);
}

bool
spool_is_end(const char *p, uint64_t sum)
{
	struct buf b = {0};
	bool same;

	spool_add_end(&b, sum);
	same = memcmp(p, b.data, b.len) == 0;
	buf_free(&b);
	return same;
}
