/*
 * What --check sees of one smarthost. See check_smarthost.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "check_smarthost.h"
#include "json.h"
#include "mail/address.h"
#include "mem.h"
#include "printable.h"
#include "secret.h"
#include "smtp/client.h"
#include "smtp/judge.h"
#include "url.h"

#define LOOKUPS_MAX	10	/* recipients that VRFY and EXPN are said for */
#define LOOKUPS_TIME	10000	/* milliseconds that all of that may take */
#define LEAVE_TIME	5000	/* milliseconds that the end of the dialogue may take */
#define CERTIFICATES_MAX 10
#define DAYS_FEW	14	/* days before its end that a certificate is worth a look */
#define FACT_MAX	1024	/* octets of a text */

/* One smarthost that is being checked. */
struct sight {
	struct smarthost_check *check;
	struct teller *tell;
	struct facts *facts;
	struct client *client;
	msec since;		/* when the last step ended */
	bool *unfit;		/* recipients that the smarthost could never take */
	msec since_lookups;	/* when what decides nothing began; 0: it did not */
};

/* Milliseconds since the last step. */
static msec
lap(struct sight *s)
{
	msec now = clock_now(), took = now - s->since;

	s->since = now;
	return took;
}

static void
set(char **fact, const char *text)
{
	free(*fact);
	*fact = mem_dup(text);
}

/* ---- secrets ---- */

/* What can be had once is left for the sign-in, which also decides: it may need another one. */
static void
see_secret(struct sight *s, const char *option, const struct secret_source *source, const char *what, msec deadline)
{
	struct buf secret = {0};
	struct outcome o = {0};
	char name[300];

	if (source->kind == SECRET_NONE)
		return;
	if (source->kind == SECRET_TEXT)
		tell(s->tell, MARK_GOOD, -1, "secret", "%s is in the configuration", option);
	else if (secret_is_fleeting(source))
		tell(s->tell, MARK_GOOD, -1, "secret", "%s comes from %s, when it is needed", option, source->kind == SECRET_COMMAND ? "a command" : "a pipe");
	else {
		(void)snprintf(name, sizeof(name), "%s %s", what, s->check->smarthost->host);
		if (secret_get(&secret, source, name, deadline, &o) == -1)
			tell_failure(s->tell, MARK_CARE, lap(s), "secret", &o);
		else
			tell(s->tell, MARK_GOOD, lap(s), "secret", "%s is read from %s", option, source->value);
	}
	buf_wipe(&secret);
}

/* The token itself is got when the sign-in comes to it. */
static void
see_oauth(struct sight *s, const struct oauth *a, msec deadline)
{
	static const char *const grants[] = {[OAUTH_CLIENT] = "client credentials", [OAUTH_REFRESH] = "a refresh token", [OAUTH_SERVICE] = "a service account"};
	struct secret_source refresh = {.kind = SECRET_FILE, .value = a->refresh_token_file}, account = {.kind = SECRET_FILE, .value = a->service_account_file};
	struct url u;

	if (a->token_url != NULL && url_parse(&u, a->token_url, false))
		tell(s->tell, MARK_GOOD, -1, "token", "by %s from %s", grants[a->grant], u.host);
	else
		tell(s->tell, MARK_GOOD, -1, "token", "by %s", grants[a->grant]);
	see_secret(s, "client-secret", &a->client_secret, "client-secret of", deadline);
	see_secret(s, "client-key-password", &a->client_key_password, "client-key-password of", deadline);
	if (a->refresh_token_file != NULL)
		see_secret(s, "refresh token", &refresh, "refresh token of", deadline);
	if (a->service_account_file != NULL)
		see_secret(s, "service account", &account, "service account of", deadline);
}

static void
see_secrets(struct sight *s, msec deadline)
{
	const struct smarthost *h = s->check->smarthost;

	see_secret(s, "password", &h->password, "password of", deadline);
	see_secret(s, "token", &h->token, "token of", deadline);
	if (h->oauth != NULL)
		see_oauth(s, h->oauth, deadline);
	if (h->tls_certificate != NULL)
		see_secret(s, "tls-key-password", &h->tls_key_password, "passphrase of the key for", deadline);
}

/* ---- the way ---- */

static void
see_servers(struct sight *s, const struct srv_list *list)
{
	msec took = lap(s);

	for (size_t i = 0; i < list->count; i++) {
		const struct srv *srv = &list->server[i];

		tell(s->tell, MARK_GOOD, took, "SRV", "%s port %u, %s, priority %u, weight %u", srv->host, (unsigned)srv->port,
		    srv->implicit ? "TLS at once" : "STARTTLS", (unsigned)srv->priority, (unsigned)srv->weight);
	}
}

/* Addresses, and what became of each. The failure of the only one is told as that of the connection. */
static void
see_addresses(struct sight *s, const struct client *c)
{
	const struct dialed *d = &c->dialed;
	unsigned port = c->host->port;
	struct buf b = {0};

	for (size_t i = 0; i < d->attempts; i++)
		buf_printf(&b, "%s%s", i > 0 ? ", " : "", d->attempt[i].address);
	if (d->attempts > 0)
		tell(s->tell, MARK_GOOD, d->lookup, "look-up", "%s is %s", c->host->host, b.data);
	buf_free(&b);
	for (size_t i = 0; i < d->attempts; i++) {
		const struct dial_attempt *a = &d->attempt[i];

		if (a->took >= 0)
			tell(s->tell, MARK_GOOD, a->took, "connect", "%s port %u", a->address, port);
		else if (d->fd != -1 || d->attempts > 1)
			tell(s->tell, MARK_CARE, -1, "connect", "%s port %u: %s", a->address, port, a->error != 0 ? strerror(a->error) : "no answer");
	}
}

static void
see_connection(struct sight *s, const struct client *c)
{
	see_addresses(s, c);
	(void)lap(s);
	s->facts->connected = true;
	set(&s->facts->address, c->dialed.address);
}

static void
see_words(struct sight *s, const char *step, const struct client *c)
{
	char words[FACT_MAX];

	reply_words(&c->reply, words, sizeof(words));
	tell(s->tell, MARK_GOOD, lap(s), step, "%s", words);
}

/* What EHLO offers: the lines of the reply but the first. HELO offers nothing. */
static void
see_ehlo(struct sight *s, const struct client *c)
{
	const char *line = strchr(c->reply.text, '\n');
	struct buf b = {0}, *items = &s->facts->extensions;

	buf_reset(items);
	while (line != NULL) {
		size_t n = strcspn(++line, "\n");
		char *one = mem_ndup(line, n);
		struct buf text = {0};

		buf_printf(&b, "%s%s", b.len > 0 ? ", " : "", one);
		printable_add(&text, one, n, FACT_MAX);
		json_item(items);
		json_string(items, buf_str(&text));
		buf_free(&text);
		free(one);
		line = strchr(line, '\n');
	}
	if (!c->secure) {
		buf_reset(&s->facts->clear);
		buf_puts(&s->facts->clear, buf_str(items));
	}
	tell(s->tell, MARK_GOOD, lap(s), "EHLO", "%s: %s", c->secure ? "within TLS" : "in clear", b.len > 0 ? b.data : "no extensions");
	buf_free(&b);
}

/* ---- TLS ---- */

static void
see_certificate(struct sight *s, const struct tls_certificate *one, bool own)
{
	struct buf *b = &s->facts->certificates;
	struct buf text = {0};

	buf_puts(&text, one->subject);
	if (own && one->names[0] != '\0')
		buf_printf(&text, ", for %s", one->names);
	if (strcmp(one->subject, one->issuer) != 0)
		buf_printf(&text, ", signed by %s", one->issuer);
	if (one->days < 0)
		buf_printf(&text, ", expired on %s", one->until);
	else
		buf_printf(&text, ", good until %s: %d days left", one->until, one->days);
	tell(s->tell, one->days < DAYS_FEW ? MARK_CARE : MARK_GOOD, -1, "certificate", "%s", text.data);
	buf_free(&text);
	json_item(b);
	buf_putc(b, '{');
	json_outside(b, "subject", one->subject, FACT_MAX);
	json_outside(b, "issuer", one->issuer, FACT_MAX);
	json_outside(b, "names", one->names, FACT_MAX);
	json_text(b, "until", one->until);
	json_number(b, "days_left", one->days);
	buf_putc(b, '}');
}

static void
see_certificates(struct sight *s, const struct client *c)
{
	struct tls_certificate list[CERTIFICATES_MAX];
	size_t n = c->stream.tls != NULL ? tls_certificates(c->stream.tls, list, CERTIFICATES_MAX) : 0;

	buf_reset(&s->facts->certificates);
	for (size_t i = 0; i < n; i++)
		see_certificate(s, &list[i], i == 0);
}

static void
see_tls(struct sight *s, const struct client *c)
{
	tell(s->tell, MARK_GOOD, lap(s), "TLS", "%s", c->tls);
	set(&s->facts->tls, c->tls);
	see_certificates(s, c);
	set(&s->facts->trusted, tls_trusted(c->stream.tls));
	tell(s->tell, MARK_GOOD, -1, "trust", "%s, by %s", tls_name(c->stream.tls), s->facts->trusted);
}

/* ---- as it goes ---- */

static const char *
step_name(enum stage stage)
{
	switch (stage) {
	case STAGE_SECRET:
		return "secret";
	case STAGE_LOOKUP:
		return "look-up";
	case STAGE_CONNECT:
		return "connect";
	case STAGE_BANNER:
		return "banner";
	case STAGE_EHLO:
		return "EHLO";
	case STAGE_STARTTLS:
		return "STARTTLS";
	case STAGE_TLS:
		return "TLS";
	case STAGE_AUTH:
		return "AUTH";
	case STAGE_RCPT:
		return "RCPT";
	default:
		return "MAIL";
	}
}

static void
see_failure(struct sight *s, const struct client *c, const struct outcome *o)
{
	if (o->stage == STAGE_CONNECT)
		see_addresses(s, c);
	if (o->stage == STAGE_TLS)
		see_certificates(s, c);
	tell_failure(s->tell, MARK_BAD, lap(s), step_name(o->stage), o);
}

static void
saw(void *arg, enum client_step step, const struct client *c, const struct outcome *o)
{
	struct sight *s = arg;

	if (!c->host->srv) {
		set(&s->facts->host, c->host->host);
		s->facts->port = c->host->port;
	}
	switch (step) {
	case CLIENT_SERVERS:
		see_servers(s, c->servers);
		break;
	case CLIENT_CONNECTED:
		see_connection(s, c);
		break;
	case CLIENT_GREETED:
		see_words(s, "banner", c);
		set(&s->facts->banner, c->reply.text);
		break;
	case CLIENT_EHLO:
		see_ehlo(s, c);
		break;
	case CLIENT_STARTTLS:
		see_words(s, "STARTTLS", c);
		break;
	case CLIENT_SECURED:
		see_tls(s, c);
		break;
	case CLIENT_SIGNED_IN:
		set(&s->facts->mechanism, c->mechanism);
		tell(s->tell, MARK_GOOD, lap(s), "AUTH", "%s, as %s", c->mechanism, c->host->user != NULL ? c->host->user : "the certificate says");
		break;
	case CLIENT_FAILED:
		see_failure(s, c, o);
		break;
	}
}

/* ---- the envelope ---- */

/* What a recipient came to, as -bv has it. */
static void
note_recipient(struct sight *s, const struct recipient *r, const struct outcome *o, const char *words)
{
	struct buf *b = &s->facts->recipients;

	json_item(b);
	buf_putc(b, '{');
	json_outside(b, "address", r->path, FACT_MAX);
	json_text(b, "state", o->status == 0 ? "deliverable" : outcome_temporary(o) ? "unknown" : "refused");
	json_outside(b, "reply", words, FACT_MAX);
	buf_putc(b, '}');
}

/* True where EHLO has the keyword. */
static bool
offers(const struct facts *f, const char *keyword)
{
	char quoted[16], more[16];

	(void)snprintf(quoted, sizeof(quoted), "\"%s\"", keyword);
	(void)snprintf(more, sizeof(more), "\"%s ", keyword);
	return strcasestr(buf_str(&f->extensions), quoted) != NULL || strcasestr(buf_str(&f->extensions), more) != NULL;
}

/* One recipient's verdict, told. */
static void
see_verdict(struct sight *s, size_t i, struct outcome *o)
{
	struct envelope *e = s->check->envelope;
	struct recipient *r = &e->rcpt[i];
	char words[FACT_MAX];

	if (r->state == RCPT_FAILED) {
		tell_failure(s->tell, MARK_BAD, lap(s), "RCPT", o);
		note_recipient(s, r, o, o->why);
		if (!s->check->fates)
			envelope_revive(e, i, RCPT_PENDING);
		*o = (struct outcome){0};
		return;
	}
	reply_words(&s->client->reply, words, sizeof(words));
	tell(s->tell, MARK_GOOD, lap(s), "RCPT", "<%s>: %s", r->path, words);
	note_recipient(s, r, o, words);
	r->state = RCPT_PENDING;	/* it was only asked */
}

static int
see_mail(struct sight *s, struct outcome *o)
{
	struct client *c = s->client;
	struct envelope *e = s->check->envelope;
	char words[FACT_MAX];

	if (client_mail(c, e, 0, false, o) == -1) {
		tell_failure(s->tell, MARK_BAD, lap(s), "MAIL", o);
		return -1;
	}
	reply_words(&c->reply, words, sizeof(words));
	tell(s->tell, MARK_GOOD, lap(s), "MAIL", "<%s>: %s", e->sender, words);
	return 0;
}

/*
 * A further transaction, as in sending, where this one takes no more recipients; between them there would be the message, here it is RSET, of which nothing depends. 0: go on; 1: the rest
 * cannot be asked; -1: o.
 */
static int
begin_again(struct sight *s, size_t i, struct outcome *o)
{
	struct envelope *e = s->check->envelope;
	struct outcome reset;

	tell(s->tell, MARK_CARE, lap(s), "RCPT", "<%s>: %s; the rest goes in a further transaction", e->rcpt[i].path, o->why);
	envelope_revive(e, i, RCPT_PENDING);
	*o = (struct outcome){0};
	if (client_reset(s->client, &reset) == -1) {
		tell_failure(s->tell, MARK_CARE, lap(s), "RSET", &reset);
		return 1;
	}
	return see_mail(s, o);
}

/* -1: o is for all that are left. */
static int
see_recipients(struct sight *s, struct outcome *o)
{
	struct envelope *e = s->check->envelope;
	size_t taken = 0;

	for (size_t i = 0; i < e->count; i++) {
		struct recipient *r = &e->rcpt[i];
		int status;

		if (r->state == RCPT_FAILED || s->unfit[i])
			continue;
		status = client_rcpt(s->client, e, i, o);
		if (status == -1 && taken > 0 && r->state == RCPT_FAILED && o->code != 0 && judge_enough(&s->client->reply)) {
			status = begin_again(s, i, o);
			if (status != 0)
				return status == 1 ? 0 : -1;
			taken = 0;
			status = client_rcpt(s->client, e, i, o);
		}
		if (status == -1 && r->state != RCPT_FAILED) {	/* the connection has failed */
			tell_failure(s->tell, MARK_BAD, lap(s), "RCPT", o);
			return -1;
		}
		taken += status == 0;
		see_verdict(s, i, o);
	}
	return 0;
}

/* One of VRFY and EXPN. False: nothing more can be asked. */
static bool
see_lookup(struct sight *s, const char *verb, const char *path)
{
	char line[512], words[FACT_MAX];
	struct outcome o;

	(void)snprintf(line, sizeof(line), "%s %s", verb, path);
	if (client_ask(s->client, line, &o) == -1) {
		tell(s->tell, MARK_CARE, lap(s), verb, "<%s>: no answer in that: %s: %s", path, o.what, o.why);
		return false;
	}
	reply_words(&s->client->reply, words, sizeof(words));
	if (s->client->reply.code / 100 == 2)
		tell(s->tell, MARK_GOOD, lap(s), verb, "<%s>: %s", path, words);
	else
		tell(s->tell, MARK_CARE, lap(s), verb, "<%s>: no answer in that: %s", path, words);
	return s->client->reply.code != 421;
}

/*
 * VRFY and EXPN, where they are offered, of the first recipients: servers count such questions. Nothing depends on them, RCPT is what counts.
 */
static void
see_lookups(struct sight *s)
{
	static const char *const verbs[] = {"VRFY", "EXPN"};
	const struct envelope *e = s->check->envelope;
	msec soon = clock_now() + LOOKUPS_TIME;

	if (s->client->stream.deadline > soon)
		s->client->stream.deadline = soon;
	for (size_t i = 0; i < e->count && i < LOOKUPS_MAX; i++)
		for (size_t k = 0; k < 2; k++)
			if (offers(s->facts, verbs[k]) && !address_is_utf8(e->rcpt[i].path) && !see_lookup(s, verbs[k], e->rcpt[i].path))
				return;
}

/* What it could never take: told, before anything is said. */
static void
see_unfit(struct sight *s, const bool *before)
{
	struct envelope *e = s->check->envelope;

	for (size_t i = 0; i < e->count; i++)
		if (e->rcpt[i].state == RCPT_FAILED && !before[i]) {
			struct outcome fate = *e->rcpt[i].fate;

			see_verdict(s, i, &fate);
			s->unfit[i] = true;
		}
}

static int
see_envelope(struct sight *s, struct outcome *o)
{
	struct envelope *e = s->check->envelope;
	bool *before = mem_alloc((e->count + 1) * sizeof(*before));
	size_t left = 0;
	int r;

	s->unfit = mem_alloc((e->count + 1) * sizeof(*s->unfit));
	for (size_t i = 0; i < e->count; i++)
		before[i] = e->rcpt[i].state == RCPT_FAILED;
	r = client_check(s->client, e, o);
	if (r == -1)
		tell_failure(s->tell, MARK_BAD, lap(s), "MAIL", o);
	else
		see_unfit(s, before);
	for (size_t i = 0; i < e->count; i++)
		left += e->rcpt[i].state == RCPT_PENDING && !s->unfit[i];
	if (r == 0 && (e->count == 0 || left > 0))	/* else there is nobody to say MAIL for */
		r = see_mail(s, o) == 0 ? see_recipients(s, o) : -1;
	s->check->committed = s->client->committed;
	free(before);
	free(s->unfit);
	if (r == -1)
		return -1;
	s->since_lookups = clock_now();
	see_lookups(s);
	return 0;
}

/* The end of the dialogue: what it says to it is of no weight. */
static void
leave(struct sight *s)
{
	static const char *const verbs[] = {"RSET", "QUIT"};
	struct client *c = s->client;
	struct outcome o;

	c->stream.deadline = clock_now() + LEAVE_TIME;
	if (s->since_lookups == 0)
		s->since_lookups = clock_now();
	for (size_t i = 0; i < 2 && client_usable(c); i++) {
		if (client_ask(c, verbs[i], &o) == -1) {
			tell_failure(s->tell, MARK_CARE, lap(s), verbs[i], &o);
			break;
		}
		see_words(s, verbs[i], c);
	}
	c->can_quit = false;	/* it is said */
	client_close(c);
}

/* Ways that are allowed, and that a person should know of. */
static void
see_risks(struct sight *s)
{
	const struct client *c = s->client;

	if (!c->secure && !dial_is_loopback(c->dialed.address))
		tell(s->tell, MARK_CARE, -1, "TLS", "there is none: whoever is in between can read and alter the mail; set tls to \"starttls\" or \"implicit\"");
	if (c->mechanism[0] == '\0' && c->cap.auth[0] != '\0')
		tell(s->tell, MARK_CARE, -1, "AUTH", "it is offered, and not used: user is not set");
}

void
check_smarthost(struct smarthost_check *check, struct outcome *o)
{
	const struct smarthost *h = check->smarthost;
	struct sight s = {.check = check, .tell = check->tell, .facts = check->facts, .client = mem_alloc(sizeof(*s.client)), .since = clock_now()};
	struct client_witness witness = {.saw = saw, .arg = &s};
	struct smarthost fresh = *h;
	static const char *const ways[] = {[TLS_MODE_STARTTLS] = "STARTTLS", [TLS_MODE_IMPLICIT] = "TLS at once", [TLS_MODE_NONE] = "no TLS"};
	char title[600];

	if (h->srv)
		(void)snprintf(title, sizeof(title), "smarthost %s: by the SRV records of %s", h->title, h->host);
	else
		(void)snprintf(title, sizeof(title), "smarthost %s: %s port %u, %s", h->title, h->host, (unsigned)h->port, ways[h->tls]);
	tell_heading(s.tell, title);
	s.tell->smarthost = h->title;
	check->result->smarthost = h;
	*o = (struct outcome){0};
	see_secrets(&s, check->open_by);
	fresh.token_fresh = true;	/* a token that was kept would prove nothing */
	check->opened = client_open_seen(s.client, &fresh, check->last, &witness, check->config->hostname, check->open_by, check->trace, o) == 0;
	if (check->opened) {
		s.client->stream.deadline = check->deadline;
		see_risks(&s);
		if (check->envelope != NULL)
			(void)see_envelope(&s, o);
		submit_note(check->result, s.client);
		leave(&s);
		check->beside = s.since_lookups > 0 ? clock_now() - s.since_lookups : 0;
	} else
		submit_note(check->result, s.client);
	s.tell->smarthost = NULL;
	free(s.client);
}

/* ---- the object ---- */

void
facts_write_connection(const struct facts *f, struct buf *b)
{
	static const struct facts none;

	if (f == NULL)
		f = &none;
	json_bool(b, "connected", f->connected);
	json_text(b, "address", f->address);
	json_outside(b, "banner", f->banner, FACT_MAX);
	json_name(b, "extensions");
	buf_printf(b, "[%s]", buf_str(&f->extensions));
}

void
facts_write(const struct facts *f, const struct smarthost *s, const struct outcome *o, struct buf *b)
{
	buf_putc(b, '{');
	json_outside(b, "smarthost", s->title, FACT_MAX);
	json_bool(b, "usable", o->status == 0);
	json_number(b, "status", o->status);
	json_outside(b, "host", f->host != NULL ? f->host : s->host, FACT_MAX);
	json_number(b, "port", f->host != NULL ? f->port : s->port);
	facts_write_connection(f, b);
	json_name(b, "extensions_clear");
	buf_printf(b, "[%s]", buf_str(&f->clear));
	json_text(b, "tls", f->tls);
	json_name(b, "certificates");
	buf_printf(b, "[%s]", buf_str(&f->certificates));
	json_outside(b, "trusted_by", f->trusted, FACT_MAX);
	json_text(b, "auth", f->mechanism);
	json_outside(b, "user", s->user, FACT_MAX);
	json_name(b, "recipients");
	buf_printf(b, "[%s]}", buf_str(&f->recipients));
}

void
facts_free(struct facts *f)
{
	free(f->host);
	free(f->address);
	free(f->banner);
	free(f->tls);
	free(f->mechanism);
	free(f->trusted);
	buf_free(&f->clear);
	buf_free(&f->extensions);
	buf_free(&f->certificates);
	buf_free(&f->recipients);
}
