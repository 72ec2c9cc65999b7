/*
 * The envelope: see envelope.h and CONTRACT section 4. Here who sends and which domain completes bare names; who receives is in
 * recipients.c. Who we are is the real user id, never the environment.
 */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>
#include "mail/address.h"
#include "mail/envelope.h"
#include "mail/recipients.h"
#include "mem.h"

/* What to say when an address is none. */
struct culprit {
	int status;
	enum stage stage;
	enum cause cause;
	const char *label;
};

static const struct culprit flag_f = { EX_USAGE, STAGE_USAGE, CAUSE_BAD_ADDRESS, "sender" };
static const struct culprit option_from = { EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, "from" };
static const struct culprit option_local_to = { EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, "local-to" };

/* The path of the one address that text is, completed with the domain if it is as good as a bare name: *completed, if that is asked. -1: o. The caller frees *path. */
static int
path_of(char **path, bool *completed, const char *text, const struct envelope *e, const char *host, const struct culprit *c, struct outcome *o)
{
	struct address_list list;
	const struct mailbox *m;
	const char *reason = "not one address", *domain = e->domain;
	int result = -1;

	address_parse(&list, text, strlen(text));
	m = list.mailbox;
	if (list.errors == 0 && list.count == 1) {
		if (m->domain != NULL && (domain == NULL || !address_is_bare(m->domain, host)))
			domain = m->domain;
		reason = domain == NULL ? NULL : address_check(m->local, domain);
		result = domain == NULL ? recipients_no_domain(o, m->local) : reason == NULL ? 0 : -1;
	} else if (list.errors > 0)
		reason = list.error[0].reason;
	if (reason != NULL)
		(void)outcome_set(o, c->status, c->stage, c->cause, reason, "%s \"%.200s\" is no address", c->label, text);
	if (result == 0)
		*path = address_path(m->local, domain);
	if (completed != NULL)
		*completed = result == 0 && domain != m->domain;
	address_free(&list);
	return result;
}

/* The domain of the address that text is, if anybody else may know it, or NULL. The caller frees it. */
static char *
domain_of(const char *text, const char *host)
{
	struct address_list list;
	char *domain = NULL;

	if (text == NULL)
		return NULL;
	address_parse(&list, text, strlen(text));
	if (list.count == 1 && !address_is_bare(list.mailbox[0].domain, host) && address_check("x", list.mailbox[0].domain) == NULL)
		domain = mem_dup(list.mailbox[0].domain);
	address_free(&list);
	return domain;
}

/* What completes bare names: NULL if nothing can. -1: o. */
static int
choose_domain(struct envelope *e, const struct envelope_source *src, struct outcome *o)
{
	const char *reason;

	if (src->domain != NULL) {
		if ((reason = address_check("x", src->domain)) != NULL)
			return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, reason, "domain \"%.200s\" is no domain", src->domain);
		e->domain = mem_dup(src->domain);
	} else if (src->host != NULL && strchr(src->host, '.') != NULL && address_check("x", src->host) == NULL)
		e->domain = mem_dup(src->host);
	else if ((e->domain = domain_of(src->from, src->host)) == NULL && src->user_domain != NULL && address_check("x", src->user_domain) == NULL)
		e->domain = mem_dup(src->user_domain);
	return 0;
}

/* The full name of a passwd entry: up to the first comma, & is the login name with a capital, as finger has it. NULL: none. */
static char *
full_name(const struct passwd *pw)
{
	struct buf b = {0};
	char first;

	for (const char *s = pw->pw_gecos; s != NULL && *s != '\0' && *s != ','; s++) {
		if (*s != '&') {
			buf_putc(&b, (unsigned char)*s < ' ' || *s == 0x7f ? ' ' : *s);
			continue;
		}
		first = pw->pw_name[0];
		if (first >= 'a' && first <= 'z')
			first = (char)(first - 'a' + 'A');
		if (first != '\0') {
			buf_putc(&b, first);
			buf_puts(&b, pw->pw_name + 1);
		}
	}
	if (strspn(buf_str(&b), " ") == b.len)
		buf_free(&b);
	return b.data;
}

/* Who runs us: the login name (uid-N if there is none that can be an address), the full name, and the address that they make. Asked for once, where it is needed. */
static void
find_user(struct envelope *e)
{
	const struct passwd *pw;

	if (e->user != NULL)
		return;
	pw = getpwuid(getuid());
	if (pw != NULL)
		e->full_name = full_name(pw);
	if (pw != NULL && address_check(pw->pw_name, "x") == NULL)
		e->user = mem_dup(pw->pw_name);
	else
		e->user = mem_printf("uid-%lu", (unsigned long)getuid());
	if (e->domain != NULL && address_check(e->user, e->domain) == NULL)
		e->default_sender = address_path(e->user, e->domain);
}

static bool
is_null_sender(const char *s)
{
	s += strspn(s, " \t");
	if (*s == '<')
		s += 1 + strspn(s + 1, " \t");
	else
		return *s == '\0';
	return *s == '>' && s[1 + strspn(s + 1, " \t")] == '\0';
}

/* The first mailbox of that field that has a domain and can be sent from, or NULL; completed where the domain is a name of this host that nobody else knows. The caller frees it. */
static char *
header_sender(struct envelope *e, const struct header *h, const char *name, const char *host)
{
	struct address_list list;
	ptrdiff_t i = header_find(h, name, 0);
	const char *body;
	char *path = NULL;
	size_t len;

	if (i == -1)
		return NULL;
	body = header_body(&h->field[i], &len);
	address_parse(&list, body, len);
	for (size_t k = 0; k < list.count && path == NULL; k++) {
		const struct mailbox *m = &list.mailbox[k];

		if (m->domain != NULL && address_check(m->local, m->domain) == NULL) {
			e->sender_is_local = e->domain != NULL && address_is_bare(m->domain, host);
			path = address_path(m->local, e->sender_is_local ? e->domain : m->domain);
		}
	}
	address_free(&list);
	return path;
}

static int
choose_sender(struct envelope *e, const struct envelope_source *src, const struct header *h, struct outcome *o)
{
	if (src->override_from && e->from != NULL)
		e->sender = mem_dup(e->from);
	else if (src->sender != NULL && is_null_sender(src->sender))
		e->sender = mem_dup("");
	else if (src->sender != NULL)
		return path_of(&e->sender, &e->sender_is_local, src->sender, e, src->host, &flag_f, o);
	else if (e->from != NULL)
		e->sender = mem_dup(e->from);
	else if ((e->sender = header_sender(e, h, "Sender", src->host)) == NULL && (e->sender = header_sender(e, h, "From", src->host)) == NULL) {
		find_user(e);
		if (e->default_sender == NULL)
			return recipients_no_domain(o, e->user);
		e->sender = mem_dup(e->default_sender);
		e->sender_is_local = true;
	}
	return 0;
}

static bool
says_something(const struct field *f)
{
	size_t len;
	const char *body = header_body(f, &len);

	for (size_t i = 0; i < len; i++)
		if (strchr(" \t\r\n", body[i]) == NULL)
			return true;
	return false;
}

/* True where repair_header() may have to make a From or Resent-From, for which it needs an address. */
static bool
may_lack_from(const struct header *h)
{
	bool from = false;

	for (size_t i = 0; i < h->count; i++) {
		const struct field *f = &h->field[i];

		if (f->name_len > 7 && strncasecmp(f->text, "Resent-", 7) == 0)
			return true;
		from = from || (header_is(f, "From") && says_something(f));
	}
	return !from;
}

/* Everything but the recipients. */
static int
begin(struct envelope *e, const struct envelope_source *src, const struct header *h, struct outcome *o)
{
	int result;

	memset(e, 0, sizeof(*e));
	result = choose_domain(e, src, o);

	if (result == 0 && src->from != NULL)
		result = path_of(&e->from, NULL, src->from, e, src->host, &option_from, o);
	if (result == 0)
		result = choose_sender(e, src, h, o);
	return result;
}

int
envelope_begin(struct envelope *e, const struct envelope_source *src, struct outcome *o)
{
	const struct header none = {0};

	return begin(e, src, &none, o);
}

int
envelope_check_from(struct envelope *e, const struct header *h, struct outcome *o)
{
	if (!may_lack_from(h))
		return 0;
	find_user(e);
	if (*e->sender != '\0' || e->default_sender != NULL)
		return 0;
	return recipients_no_domain(o, e->user);
}

/* The recipients that src asks for. */
static int
collect(struct envelope *e, const struct envelope_source *src, const struct message *m, struct outcome *o)
{
	char *local_to = NULL;
	int result = 0;

	if (src->local_to != NULL)
		result = path_of(&local_to, NULL, src->local_to, e, src->host, &option_local_to, o);
	if (result == 0)
		result = recipients_collect(e, src, local_to, m, o);
	free(local_to);
	return result;
}

static void
free_recipient(struct recipient *r)
{
	free(r->path);
	free(r->original);
	free(r->orcpt);
	free(r->fate);
	*r = (struct recipient){0};
}

/* True where the smarthost has taken it already. One that has failed is forgotten. */
static bool
is_taken(struct envelope *e, const char *path)
{
	for (size_t i = 0; i < e->count; i++) {
		if (!address_same(e->rcpt[i].path, path))
			continue;
		if (e->rcpt[i].state == RCPT_TAKEN)
			return true;
		free_recipient(&e->rcpt[i]);
		e->count--;
		memmove(&e->rcpt[i], &e->rcpt[i + 1], (e->count - i) * sizeof(*e->rcpt));
		break;
	}
	return false;
}

/* Moves the recipients of one to e, but for those that were taken already. How many. */
static size_t
append(struct envelope *e, struct envelope *one)
{
	size_t added = 0;

	for (size_t i = 0; i < one->count; i++) {
		if (is_taken(e, one->rcpt[i].path))
			continue;
		if (e->count == e->size) {
			e->size = e->size == 0 ? 16 : e->size * 2;
			e->rcpt = mem_grow(e->rcpt, e->size, sizeof(*e->rcpt));
		}
		e->rcpt[e->count++] = one->rcpt[i];
		one->rcpt[i] = (struct recipient){0};
		added++;
	}
	return added;
}

int
envelope_add(struct envelope *e, const struct envelope_source *src, const char *recipient, size_t *first, struct outcome *o)
{
	struct envelope_source source = *src;
	struct envelope one = {.domain = e->domain != NULL ? mem_dup(e->domain) : NULL};
	struct address_list list;
	char *argument = mem_dup(recipient);
	int result = 0;

	address_parse(&list, recipient, strlen(recipient));
	if (list.errors == 0 && list.count != 1)
		result = outcome_set(o, EX_USAGE, STAGE_USAGE, CAUSE_BAD_ADDRESS, "not one address", "recipient \"%.200s\" is no address", recipient);
	address_free(&list);
	source.from_header = false;
	source.argument = &argument;
	source.arguments = 1;
	if (result == 0)
		result = collect(&one, &source, NULL, o);
	if (result == 0)
		*first = append(e, &one);
	if (result == 0)
		*first = e->count - *first;
	envelope_free(&one);
	free(argument);
	return result;
}

static void
set_utf8(struct envelope *e)
{
	e->utf8 = address_is_utf8(e->sender);
	for (size_t i = 0; i < e->count && !e->utf8; i++)
		e->utf8 = e->rcpt[i].state == RCPT_PENDING && address_is_utf8(e->rcpt[i].path);
}

int
envelope_make(struct envelope *e, const struct envelope_source *src, const struct message *m, struct outcome *o)
{
	int result;

	memset(e, 0, sizeof(*e));
	if (!src->from_header && src->arguments == 0)
		return outcome_set(o, EX_USAGE, STAGE_USAGE, CAUSE_USAGE, NULL, "no recipients: neither an address nor -t is given");
	result = begin(e, src, &m->header, o);
	if (result == 0)
		result = envelope_check_from(e, &m->header, o);
	if (result == 0)
		result = collect(e, src, m, o);
	if (result == 0)
		set_utf8(e);
	return result;
}

size_t
envelope_count(const struct envelope *e, enum rcpt_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < e->count; i++)
		n += e->rcpt[i].state == state;
	return n;
}

void
envelope_fail(struct envelope *e, size_t i, const struct outcome *why)
{
	struct recipient *r = &e->rcpt[i];

	if (r->fate == NULL)
		r->fate = mem_alloc(sizeof(*r->fate));
	*r->fate = *why;
	r->state = RCPT_FAILED;
}

void
envelope_revive(struct envelope *e, size_t i, enum rcpt_state state)
{
	free(e->rcpt[i].fate);
	e->rcpt[i].fate = NULL;
	e->rcpt[i].state = state;
}

void
envelope_fail_rest(struct envelope *e)
{
	for (size_t i = 0; i < e->count; i++)
		if (e->rcpt[i].state == RCPT_PENDING || e->rcpt[i].state == RCPT_TAKEN)
			e->rcpt[i].state = RCPT_FAILED;
}

void
envelope_free(struct envelope *e)
{
	for (size_t i = 0; i < e->count; i++)
		free_recipient(&e->rcpt[i]);
	free(e->rcpt);
	free(e->bad);
	free(e->sender);
	free(e->from);
	free(e->default_sender);
	free(e->user);
	free(e->full_name);
	free(e->domain);
	memset(e, 0, sizeof(*e));
}
