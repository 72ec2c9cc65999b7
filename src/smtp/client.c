/*
 * The client side of SMTP: greet, secure, sign in. See client.h; the transaction is in transaction.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>
#include "config_text.h"
#include "secret.h"
#include "smtp/auth.h"
#include "smtp/client.h"

#define RESUME_MAX	10000	/* milliseconds that a handshake with a session of an earlier run may take */
#define WITNESS_MAX	60000	/* milliseconds that the last one is tried to be connected to while somebody looks on */
#define CONNECT_MAX	10000	/* milliseconds that one which is not the last is tried to be connected to: dead, it costs seconds, not its share */

static void
show(const struct client *c, enum client_step step, const struct outcome *o)
{
	if (c->witness != NULL)
		c->witness->saw(c->witness->arg, step, c, o);
}

/* Reads the reply to what was last asked. */
static int
hear(struct client *c, enum stage stage, const char *to, struct outcome *o)
{
	char doing[300];

	(void)snprintf(doing, sizeof(doing), "waiting for %s of %s port %u", to, c->host->host, (unsigned)c->host->port);
	if (reply_read(&c->reply, &c->stream, c->trace, stage, doing, o) == -1)
		return -1;
	c->heard = c->heard || c->secure;
	return 0;
}

/* A write that fails is told by whoever reads the answer: what the smarthost said before the line broke comes first. */
static void
say(struct client *c, const char *line)
{
	reply_expect(&c->stream);
	trace_line(c->trace, '>', line, strlen(line));
	if (stream_puts(&c->stream, line) == 0 && stream_puts(&c->stream, "\r\n") == 0)
		(void)stream_flush(&c->stream);
}

static int
greet(struct client *c, struct outcome *o)
{
	if (hear(c, STAGE_BANNER, "the greeting", o) == -1)
		return -1;
	c->fragile = strstr(c->reply.text, "Dovecot") != NULL;	/* 2.3 dies of a BDAT behind a MAIL that its relay refuses */
	if (c->reply.code == 220) {
		show(c, CLIENT_GREETED, NULL);
		return 0;
	}
	return reply_fail(&c->reply, STAGE_BANNER, o, "%s does not accept connections", c->host->host);
}

/* A full name, not a number (RFC 5321 section 2.3.5). */
static bool
is_full_name(const char *s)
{
	size_t n = strlen(s);

	return strchr(s, '.') != NULL && config_is_host(s) && strpbrk(s, ":_") == NULL && s[n - 1] != '.' && strspn(s, "0123456789.") < n;
}

/* The configured name; else the host's own if it has a dot; else the literal of the address that we connect from (RFC 5321 section 4.1.3). */
static const char *
ehlo_name(struct client *c)
{
	if (c->ehlo != NULL)
		return c->ehlo;
	if (c->own_name[0] == '\0' && (gethostname(c->own_name, sizeof(c->own_name) - 1) == -1 || !is_full_name(c->own_name)))
		(void)strlcpy(c->own_name, c->dialed.local, sizeof(c->own_name));
	return c->own_name;
}

/* HELO offers nothing. A smarthost that has refused EHLO for good and hangs up is told by that refusal, which o holds. */
static int
say_helo(struct client *c, const char *name, struct outcome *o)
{
	struct outcome refused = *o;
	char line[300];

	(void)snprintf(line, sizeof(line), "HELO %s", name);
	say(c, line);
	if (hear(c, STAGE_EHLO, "the answer to HELO", o) == -1) {
		if (o->cause == CAUSE_LOST)
			*o = refused;
		return -1;
	}
	if (c->reply.code / 100 == 2) {
		show(c, CLIENT_EHLO, NULL);
		return 0;
	}
	return reply_fail(&c->reply, STAGE_EHLO, o, "%s refused EHLO and HELO %s", c->host->host, name);
}

/* EHLO, and where it is refused for good HELO (RFC 5321 section 3.2). */
static int
introduce(struct client *c, struct outcome *o)
{
	char line[300];
	const char *name = ehlo_name(c);

	(void)snprintf(line, sizeof(line), "EHLO %s", name);
	say(c, line);
	if (hear(c, STAGE_EHLO, "the answer to EHLO", o) == -1)
		return -1;
	c->can_quit = true;
	if (c->reply.code / 100 == 2) {
		capability_parse(&c->cap, &c->reply);
		show(c, CLIENT_EHLO, NULL);
		return 0;
	}
	memset(&c->cap, 0, sizeof(c->cap));
	(void)reply_fail(&c->reply, STAGE_EHLO, o, "%s refused EHLO %s", c->host->host, name);
	return c->reply.code / 100 == 5 ? say_helo(c, name, o) : -1;
}

/* True where host is the domain or lies in it. */
static bool
is_within(const char *host, const char *domain)
{
	size_t n = strlen(host), k = strlen(domain);

	return n >= k && strcasecmp(host + n - k, domain) == 0 && (n == k || host[n - k - 1] == '.');
}

/*
 * Whom to verify. What DNS says of a domain's servers can be forged, so a server that SRV has named is known by the domain, or by its own name
 * if that lies in the domain (RFC 6186 section 6, RFC 6125 section 6.2.1); any other is for the configuration to name (tls-name).
 */
static void
set_names(const struct client *c, struct tls_policy *policy)
{
	const struct smarthost *h = c->host;

	policy->name = h->tls_name != NULL ? h->tls_name : h->host;
	if (c->domain[0] == '\0')
		return;
	policy->sni = h->host;
	if (h->tls_name != NULL)
		return;
	if (is_within(h->host, c->domain))
		policy->also = c->domain;
	else
		policy->name = c->domain;
}

/* The passphrase of our key, where there is one. */
static int
get_passphrase(const struct client *c, struct buf *passphrase, struct outcome *o)
{
	char what[300];

	(void)snprintf(what, sizeof(what), "passphrase of the key for %s", c->host->host);
	if (c->host->tls_key_password.kind == SECRET_NONE)
		return 0;
	return secret_get(passphrase, &c->host->tls_key_password, what, c->stream.deadline, o);
}

int
client_ask_again(struct client *c, struct outcome *o)
{
	char line[300];

	if (c->asked_again || c->mechanism[0] == '\0')
		return 0;
	c->asked_again = true;
	(void)snprintf(line, sizeof(line), "EHLO %s", ehlo_name(c));
	say(c, line);
	if (hear(c, STAGE_EHLO, "the answer to EHLO", o) == -1)
		return -1;
	if (c->reply.code == 421)
		return reply_fail(&c->reply, STAGE_EHLO, o, "%s ended the session", c->host->host);
	if (c->reply.code / 100 == 2) {	/* else it stays with what it had offered */
		capability_parse(&c->cap, &c->reply);
		show(c, CLIENT_EHLO, NULL);
	}
	c->reply.code = 0;
	return 0;
}

/* All that TLS needs but a connection. NULL: o. */
static struct tls *
make_tls(const struct client *c, struct outcome *o)
{
	const struct smarthost *h = c->host;
	struct tls_policy policy = {
		.ca_file = h->tls_ca_file, .fingerprint = h->tls_fingerprint, .certificate = h->tls_certificate, .key = h->tls_key,
		.min_version = h->tls_min_version,
		.session_cache = h->tls_certificate == NULL && c->witness == NULL ? h->tls_session_cache : NULL,	/* not all keep the client's with it */
	};
	struct buf passphrase = {0};
	struct tls *tls = NULL;
	char peer[300];

	set_names(c, &policy);
	(void)snprintf(peer, sizeof(peer), "%s %u", h->host, (unsigned)h->port);
	policy.peer = peer;
	if (get_passphrase(c, &passphrase, o) == 0) {
		policy.passphrase = passphrase.len > 0 ? &passphrase : NULL;
		tls = tls_new(&policy, o);
	}
	buf_wipe(&passphrase);
	return tls;
}

/* While the connection is under way. A passphrase may have to be waited for, which only the one does who has a connection. */
static void
make_ready(void *arg)
{
	struct client *c = arg;

	if (c->host->tls != TLS_MODE_NONE && c->host->tls_key_password.kind == SECRET_NONE)
		c->ready = make_tls(c, &c->not_ready);
}

static int
secure(struct client *c, struct outcome *o)
{
	struct tls *tls = c->ready;
	msec deadline = c->stream.deadline, begun = clock_now();
	int r;

	c->can_quit = false;
	c->ready = NULL;
	*o = c->not_ready;
	if (tls == NULL && o->status == 0)
		tls = make_tls(c, o);
	if (tls == NULL)
		return -1;
	c->resumes = tls_resumes(tls);
	if (c->resumes && c->stream.deadline > clock_now() + RESUME_MAX)
		c->stream.deadline = clock_now() + RESUME_MAX;
	r = stream_start_tls(&c->stream, tls, o);
	c->stream.deadline = deadline;
	c->took.tls = clock_now() - begun;
	if (r == -1)
		return -1;
	c->secure = true;
	(void)strlcpy(c->tls, tls_describe(tls), sizeof(c->tls));
	if (c->trace != NULL)
		c->trace->tls = true;
	trace_note(c->trace, "%s with %s, verified", c->tls, tls_name(tls));
	show(c, CLIENT_SECURED, NULL);
	return 0;
}

/*
 * STARTTLS (RFC 3207). What came in clear behind the answer was put there by somebody else, and what EHLO said before is forgotten.
 */
static int
start_tls(struct client *c, struct outcome *o)
{
	if (!c->cap.starttls)
		return outcome_set(o, EX_PROTOCOL, STAGE_STARTTLS, CAUSE_NO_STARTTLS, "it does not offer STARTTLS",
		    "cannot secure the connection to %s port %u", c->host->host, (unsigned)c->host->port);
	say(c, "STARTTLS");
	if (hear(c, STAGE_STARTTLS, "the answer to STARTTLS", o) == -1)
		return -1;
	if (c->reply.code != 220)
		return reply_fail(&c->reply, STAGE_STARTTLS, o, "%s refused STARTTLS", c->host->host);
	show(c, CLIENT_STARTTLS, NULL);
	c->can_quit = false;
	if (stream_pending(&c->stream) > 0)
		return outcome_set(o, EX_PROTOCOL, STAGE_STARTTLS, CAUSE_INJECTED, "text came in clear after the answer to STARTTLS",
		    "cannot secure the connection to %s port %u", c->host->host, (unsigned)c->host->port);
	if (secure(c, o) == -1)
		return -1;
	return introduce(c, o);
}

static int
sign_in(struct client *c, struct outcome *o)
{
	msec begun = clock_now();
	int r;

	if (!auth_wanted(c->host))
		return 0;
	if (!c->secure && !dial_is_loopback(c->dialed.address))
		return outcome_set(o, EX_CONFIG, STAGE_AUTH, CAUSE_CLEAR_AUTH, "tls is \"none\", and it is not on this machine",
		    "refusing to send the password to %s in clear", c->host->host);
	r = auth_sign_in(&c->stream, c->host, &c->cap, c->trace, c->mechanism, o);
	c->took.auth = clock_now() - begun;
	c->can_quit = r == 0 || o->cause != CAUSE_NONSENSE;	/* else it may still be waiting for a response */
	if (r == 0)
		show(c, CLIENT_SIGNED_IN, NULL);
	return r;
}

static int
open_session(struct client *c, struct outcome *o)
{
	if (c->host->tls == TLS_MODE_IMPLICIT && secure(c, o) == -1)
		return -1;
	if (greet(c, o) == -1 || introduce(c, o) == -1)
		return -1;
	if (c->host->tls == TLS_MODE_STARTTLS && start_tls(c, o) == -1)
		return -1;
	return sign_in(c, o);
}

/* How long to wait for a connection. Who looks on is not kept waiting for one that never comes: after a minute the system has given up asking, or soon will. */
static int
patience(const struct client *c)
{
	if (c->witness != NULL)
		return DIAL_EACH(c->last ? WITNESS_MAX : CONNECT_MAX);
	return c->last ? 0 : CONNECT_MAX;
}

/* One connection to c->host. */
static int
connect_once(struct client *c, msec deadline, struct outcome *o)
{
	const struct dial_meanwhile meanwhile = {make_ready, c};
	int r;

	if (c->trace != NULL)
		c->trace->tls = false;
	c->not_ready = (struct outcome){0};
	stream_init(&c->stream, -1, deadline);
	r = dial(&c->dialed, c->host->host, c->host->port, patience(c), &meanwhile, deadline, c->trace, o);
	c->took = CLIENT_NO_TIMES;
	c->took.lookup = c->dialed.lookup;
	c->took.connect = c->dialed.connect;
	if (r == -1) {
		show(c, CLIENT_FAILED, o);
		tls_free(c->ready);
		c->ready = NULL;
		return -1;
	}
	show(c, CLIENT_CONNECTED, NULL);
	stream_init(&c->stream, c->dialed.fd, deadline);
	r = open_session(c, o);
	c->reply.code = 0;
	if (r == -1) {
		show(c, CLIENT_FAILED, o);
		client_close(c);
	}
	return r;
}

static void
forget(struct client *c)
{
	memset(&c->cap, 0, sizeof(c->cap));
	c->tls[0] = c->mechanism[0] = '\0';
	c->secure = c->can_quit = c->heard = c->parted = false;
	c->own_name[0] = '\0';
}

/* Where nothing comes of a connection that offered a session of an earlier run, that may be the session's fault: once more, without. */
static int
open_host(struct client *c, msec deadline, struct outcome *o)
{
	int r;

	c->resumes = false;
	r = connect_once(c, deadline, o);
	if (r == -1 && c->resumes && !c->heard && clock_left(deadline) > 0) {
		trace_note(c->trace, "once more, without the session");
		forget(c);
		r = connect_once(c, deadline, o);
	}
	return r;
}

/* True where another server of the same domain may do better; a refused password is not tried at all of them. */
static bool
is_worth_another(const struct outcome *o)
{
	return o->stage >= STAGE_LOOKUP && (o->stage < STAGE_AUTH || (o->stage == STAGE_AUTH && outcome_temporary(o)));
}

/* The servers that DNS names for the domain, in their order. The worst failure of all is told. */
static int
open_by_srv(struct client *c, const struct smarthost *host, msec deadline, struct outcome *o)
{
	struct srv_list *list = mem_alloc(sizeof(*list));
	struct outcome failure;
	bool last = c->last;
	int r = srv_find(list, host->host, host->tls_any || host->tls == TLS_MODE_IMPLICIT, host->tls_any || host->tls == TLS_MODE_STARTTLS,
	    deadline, c->trace, o);

	if (r == -1) {
		show(c, CLIENT_FAILED, o);
		free(list);
		return -1;
	}
	c->servers = list;
	show(c, CLIENT_SERVERS, NULL);
	(void)strlcpy(c->domain, host->host, sizeof(c->domain));
	if (c->domain[strlen(c->domain) - 1] == '.')
		c->domain[strlen(c->domain) - 1] = '\0';
	c->target = *host;
	c->target.srv = false;
	c->host = &c->target;
	r = -1;
	for (size_t i = 0; i < list->count && r == -1; i++) {
		c->server = list->server[i];
		c->target.host = c->server.host;
		c->target.port = c->server.port;
		c->target.tls = c->server.implicit ? TLS_MODE_IMPLICIT : TLS_MODE_STARTTLS;
		forget(c);
		c->last = last && i + 1 == list->count;
		r = open_host(c, clock_share(deadline, list->count - i), &failure);
		if (i == 0 || outcome_worse(o->status, failure.status) != o->status)
			*o = failure;
		if (r == -1 && !is_worth_another(&failure))
			break;
	}
	c->last = last;
	c->servers = NULL;
	free(list);
	return r;
}

static int
open_seen(struct client *c, const struct smarthost *host, bool last, const struct client_witness *witness, const char *ehlo, msec deadline, struct trace *trace,
    struct outcome *o)
{
	int r;

	memset(c, 0, sizeof(*c));
	c->configured = c->host = host;
	c->last = last;
	c->witness = witness;
	c->ehlo = ehlo;
	c->trace = trace;
	c->took = CLIENT_NO_TIMES;
	stream_init(&c->stream, -1, deadline);
	r = host->srv ? open_by_srv(c, host, deadline, o) : open_host(c, deadline, o);
	if (r == 0)
		*o = (struct outcome){0};	/* EHLO or a mechanism may have been refused on the way */
	return r;
}

int
client_open(struct client *c, const struct smarthost *host, bool last, const char *ehlo, msec deadline, struct trace *trace, struct outcome *o)
{
	return open_seen(c, host, last, NULL, ehlo, deadline, trace, o);
}

int
client_open_seen(struct client *c, const struct smarthost *host, bool last, const struct client_witness *witness, const char *ehlo, msec deadline, struct trace *trace,
    struct outcome *o)
{
	return open_seen(c, host, last, witness, ehlo, deadline, trace, o);
}

bool
client_is_ahead(const struct client *c)
{
	return c->ahead_at < c->ahead.len;
}

void
client_close(struct client *c)
{
	if (c->can_quit && !c->parted && !client_is_ahead(c) && c->stream.fd != -1 && c->stream.error == STREAM_OK && c->stream.out.len == 0) {
		trace_line(c->trace, '>', "QUIT", 4);
		if (stream_puts(&c->stream, "QUIT\r\n") == 0)
			(void)stream_flush(&c->stream);
	}
	stream_close(&c->stream);
	tls_free(c->ready);
	c->ready = NULL;
	buf_free(&c->ahead);
	c->ahead_at = 0;
}
