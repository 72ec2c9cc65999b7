/*
 * The recipients of an envelope: see recipients.h. CONTRACT section 4; RFC 5322 sections 3.6.3 and 3.6.6 for where they stand in a header.
 *
 * First all that is asked for is gathered and what came twice dropped, so that no name is looked up twice; then local names go through the
 * aliases; then what has become the same is dropped again.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include "mail/address.h"
#include "mail/recipients.h"
#include "mail/unique.h"
#include "mem.h"

#define BADS_MAX	100	/* bad addresses that are told one by one */
#define SHOWN		200	/* octets of an address that are shown */

/* An address that is asked for: local names have no domain yet. */
struct wanted {
	char *local;
	char *domain;		/* NULL: local */
};

struct gathering {
	struct envelope *e;
	const struct envelope_source *src;
	const char *local_to;
	struct wanted *wanted;
	size_t count;
	size_t size;
	size_t tidy_at;		/* duplicates are dropped when there are so many recipients */
	const char *complete;	/* the domain of the envelope, or what stands for it as long as nothing is sent there */
	int result;		/* -1: o says why nothing may be sent */
	struct outcome *o;
};

int
recipients_no_domain(struct outcome *o, const char *name)
{
	return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_NO_DOMAIN, "the host's name has no dot, and domain and from are not set",
	    "no domain to complete \"%.*s\" with", SHOWN, name);
}

/* A key that is the same for the same mailbox: the domain in lower case. The caller frees it. */
static char *
path_key(const char *path, char kind)
{
	char *key = mem_printf("%c%s", kind, path), *s = strrchr(key, '@');

	for (; s != NULL && *s != '\0'; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
	return key;
}

/* Marks the keys that came before, and frees them. */
static bool *
mark_and_free(char **key, size_t n)
{
	bool *again = mem_alloc(n * sizeof(*again));

	unique_mark((const char *const *)key, n, again);
	for (size_t i = 0; i < n; i++)
		free(key[i]);
	free(key);
	return again;
}

/* Gathering */

/* In the header it costs only itself, as an argument all. */
static void
bad_address(struct gathering *g, const char *text, struct span s, const struct field *f, const char *reason)
{
	struct envelope *e = g->e;
	struct outcome *bad;
	int shown = s.end - s.start < SHOWN ? (int)(s.end - s.start) : SHOWN;

	if (f == NULL) {
		g->result = outcome_set(g->o, EX_USAGE, STAGE_USAGE, CAUSE_BAD_ADDRESS, reason, "recipient \"%.*s\" is no address",
		    shown, text + s.start);
		return;
	}
	if (e->bads > BADS_MAX)
		return;
	if ((e->bads & (e->bads - 1)) == 0)
		e->bad = mem_grow(e->bad, e->bads == 0 ? 1 : e->bads * 2, sizeof(*e->bad));
	bad = &e->bad[e->bads++];
	if (e->bads > BADS_MAX)
		(void)outcome_set(bad, EX_DATAERR, STAGE_ENVELOPE, CAUSE_BAD_ADDRESS, NULL, "more than %d bad addresses in the header", BADS_MAX);
	else
		(void)outcome_set(bad, EX_DATAERR, STAGE_ENVELOPE, CAUSE_BAD_ADDRESS, NULL, "address \"%.*s\" in %.*s: %s", shown,
		    text + s.start, f->name_len < 32 ? (int)f->name_len : 32, f->text, reason);
}

/* Takes over the strings of the mailbox. */
static void
add_wanted(struct gathering *g, struct mailbox *m)
{
	if (g->count == g->size) {
		g->size = g->size == 0 ? 16 : g->size * 2;
		g->wanted = mem_grow(g->wanted, g->size, sizeof(*g->wanted));
	}
	if (address_is_local(m->domain, g->src->host)) {
		free(m->domain);
		m->domain = NULL;
	}
	g->wanted[g->count++] = (struct wanted){ m->local, m->domain };
	m->local = m->domain = NULL;
}

/* The addresses of an argument (f is NULL), or of a field of the header. */
static void
gather_text(struct gathering *g, const char *text, size_t len, const struct field *f)
{
	struct address_list list;
	const char *reason;

	address_parse(&list, text, len);
	for (size_t i = 0; i < list.errors && g->result == 0; i++)
		bad_address(g, text, list.error[i].element, f, list.error[i].reason);
	for (size_t i = 0; i < list.count && g->result == 0; i++) {
		struct mailbox *m = &list.mailbox[i];

		reason = address_check(m->local, m->domain != NULL ? m->domain : g->complete);
		if (reason != NULL)
			bad_address(g, text, m->element, f, reason);
		else
			add_wanted(g, m);
	}
	address_free(&list);
}

static void
gather_field(struct gathering *g, const struct field *f)
{
	size_t len;
	const char *body = header_body(f, &len);

	gather_text(g, body, len, f);
}

static bool
is_one_of(const struct field *f, const char *const *names)
{
	for (; *names != NULL; names++)
		if (header_is(f, *names))
			return true;
	return false;
}

static bool
is_resent(const struct field *f)
{
	return f->name_len > 7 && strncasecmp(f->text, "Resent-", 7) == 0;
}

static bool
same_name(const struct field *a, const struct field *b)
{
	return a->name_len == b->name_len && strncasecmp(a->text, b->text, a->name_len) == 0;
}

/* Most fields there are in a block: Date, From, Sender, To, Cc, Bcc, Message-ID, Reply-To, and some that nobody knows. */
#define BLOCK_MAX	16

/*
 * From the newest block of Resent- fields, the one at the top. It ends where one of its names comes again, or, since blocks are put before trace
 * fields, at Received.
 */
static void
gather_resent(struct gathering *g, const struct header *h)
{
	static const char *const names[] = { "Resent-To", "Resent-Cc", "Resent-Bcc", NULL };
	const struct field *block[BLOCK_MAX];
	size_t n = 0;

	for (size_t i = 0; i < h->count; i++) {
		const struct field *f = &h->field[i];

		if (n > 0 && header_is(f, "Received"))
			break;
		if (!is_resent(f))
			continue;
		for (size_t k = 0; k < n; k++)
			if (same_name(block[k], f))
				return;
		if (n == BLOCK_MAX)
			break;
		block[n++] = f;
		if (is_one_of(f, names))
			gather_field(g, f);
	}
}

/* Any Resent- field makes it a resent message, whose To and Cc had it already (Sendmail 8, Postfix and Exim agree). */
static void
gather_header(struct gathering *g, const struct header *h)
{
	static const char *const names[] = { "To", "Cc", "Bcc", NULL };

	for (size_t i = 0; i < h->count; i++) {
		if (is_resent(&h->field[i])) {
			gather_resent(g, h);
			return;
		}
	}
	for (size_t i = 0; i < h->count; i++)
		if (is_one_of(&h->field[i], names))
			gather_field(g, &h->field[i]);
}

static void
drop_wanted_twice(struct gathering *g)
{
	char **key = mem_grow(NULL, g->count, sizeof(*key)), *path;
	size_t kept = 0;
	bool *again;

	for (size_t i = 0; i < g->count; i++) {
		struct wanted *w = &g->wanted[i];

		path = address_path(w->local, w->domain == NULL ? "" : w->domain);
		key[i] = path_key(path, 'w');
		free(path);
	}
	again = mark_and_free(key, g->count);
	for (size_t i = 0; i < g->count; i++) {
		if (again[i]) {
			free(g->wanted[i].local);
			free(g->wanted[i].domain);
		} else
			g->wanted[kept++] = g->wanted[i];
	}
	g->count = kept;
	free(again);
}

/* Resolving */

/* Takes the path. original: what was asked for, borrowed. */
static void
add_recipient(struct envelope *e, char *path, const char *original)
{
	struct recipient *r;

	if (e->count == e->size) {
		e->size = e->size == 0 ? 16 : e->size * 2;
		e->rcpt = mem_grow(e->rcpt, e->size, sizeof(*e->rcpt));
	}
	r = &e->rcpt[e->count++];
	*r = (struct recipient){ .path = path };
	if (!address_same(path, original))
		r->original = mem_dup(original);
}

/* A local name that has no alias (any more). Takes nothing. */
static void
add_local(struct gathering *g, const char *local, const char *original)
{
	if (g->local_to != NULL)
		add_recipient(g->e, mem_dup(g->local_to), original);
	else if (g->e->domain == NULL)
		g->result = recipients_no_domain(g->o, local);
	else
		add_recipient(g->e, address_path(local, g->e->domain), original);
}

/* One result of an alias; false where no mail can go there. */
static bool
add_expanded(struct gathering *g, const char *text, const char *original)
{
	const struct envelope_source *src = g->src;
	struct address_list list;
	const char *local;
	bool good = false;

	address_parse(&list, text, strlen(text));
	if (list.count == 1 && !address_is_local(list.mailbox[0].domain, src->host)) {
		add_recipient(g->e, mem_dup(text), original);
		good = true;
	} else if (list.count == 1) {
		local = list.mailbox[0].local;
		good = address_check(local, g->complete) == NULL;
		if (good)
			add_local(g, local, original);
		else if (src->complain != NULL)
			src->complain(src->complain_arg, src->aliases->path, 0, "an alias leads to a name that no address can have, skipped");
	}
	address_free(&list);
	return good;
}

static void
drop_recipients_twice(struct envelope *e)
{
	char **key = mem_grow(NULL, e->count, sizeof(*key));
	size_t kept = 0;
	bool *again;

	for (size_t i = 0; i < e->count; i++)
		key[i] = path_key(e->rcpt[i].path, e->rcpt[i].state == RCPT_FAILED ? 'f' : 'p');
	again = mark_and_free(key, e->count);
	for (size_t i = 0; i < e->count; i++) {
		if (again[i]) {
			free(e->rcpt[i].path);
			free(e->rcpt[i].original);
			free(e->rcpt[i].orcpt);
			free(e->rcpt[i].fate);
		} else
			e->rcpt[kept++] = e->rcpt[i];
	}
	e->count = kept;
	free(again);
}

static void
resolve_local(struct gathering *g, const char *local)
{
	const struct envelope_source *src = g->src;
	struct envelope *e = g->e;
	struct outcome fate;
	char *original = address_path(local, g->complete), **out;
	size_t n, good = 0;
	bool found;

	n = aliases_expand(src->aliases, local, &out, &found, src->complain, src->complain_arg);
	for (size_t i = 0; i < n; i++) {
		good += add_expanded(g, out[i], original);
		free(out[i]);
	}
	free(out);
	if (!found)
		add_local(g, local, original);
	else if (good == 0) {
		(void)outcome_set(&fate, EX_NOUSER, STAGE_ENVELOPE, CAUSE_ALIAS, NULL, "alias \"%.64s\" leads to no address", local);
		add_recipient(e, mem_dup(original), original);
		envelope_fail(e, e->count - 1, &fate);
	}
	free(original);
	if (e->count > g->tidy_at) {
		drop_recipients_twice(e);
		g->tidy_at = 2 * e->count + 4096;
	}
}

static void
resolve(struct gathering *g)
{
	for (size_t i = 0; i < g->count && g->result == 0; i++) {
		struct wanted *w = &g->wanted[i];
		char *path;

		if (w->domain == NULL) {
			resolve_local(g, w->local);
			continue;
		}
		path = address_path(w->local, w->domain);
		add_recipient(g->e, path, path);
	}
	drop_recipients_twice(g->e);
}

/* Nobody is left. */
static int
nobody(const struct envelope *e, const struct envelope_source *src, struct outcome *o)
{
	if (!src->from_header)
		return outcome_set(o, EX_USAGE, STAGE_USAGE, CAUSE_USAGE, NULL, "no recipients: neither an address nor -t is given");
	if (e->bads > 0) {
		*o = e->bad[0];
		return -1;
	}
	return outcome_set(o, EX_DATAERR, STAGE_ENVELOPE, CAUSE_NO_RECIPIENTS, NULL, "no recipients");
}

int
recipients_collect(struct envelope *e, const struct envelope_source *src, const char *local_to, const struct message *m, struct outcome *o)
{
	struct gathering g = { .e = e, .src = src, .local_to = local_to, .tidy_at = 4096, .o = o };

	g.complete = e->domain != NULL ? e->domain : "localhost";
	for (size_t i = 0; i < src->arguments && g.result == 0; i++)
		gather_text(&g, src->argument[i], strlen(src->argument[i]), NULL);
	if (g.result == 0 && src->from_header)
		gather_header(&g, &m->header);
	if (g.result == 0) {
		drop_wanted_twice(&g);
		resolve(&g);
	}
	if (g.result == 0 && e->count == 0)
		g.result = nobody(e, src, o);
	for (size_t i = 0; i < g.count; i++) {
		free(g.wanted[i].local);
		free(g.wanted[i].domain);
	}
	free(g.wanted);
	return g.result;
}
