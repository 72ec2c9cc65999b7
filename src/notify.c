/*
 * The notice to a sender, on its way. See notify.h; CONTRACT section 2 (-oem) and RFC 3464, RFC 5321 section 6.1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "mail/address.h"
#include "mail/notice.h"
#include "notify.h"
#include "outgoing.h"
#include "report.h"

/* The envelope, from this sender to that of the message. -1: o. */
static int
make_envelope(struct envelope *e, const struct notify_way *way, const char *from, const char *to, struct outcome *o)
{
	struct envelope_source src;
	size_t first;

	outgoing_source(&src, way->config, way->host, way->aliases);
	src.override_from = false;
	src.sender = from;
	if (envelope_begin(e, &src, o) == -1 || envelope_add(e, &src, to, &first, o) == -1)
		return -1;
	e->utf8 = address_is_utf8(e->sender);
	for (size_t i = 0; i < e->count; i++)
		e->utf8 = e->utf8 || address_is_utf8(e->rcpt[i].path);
	return 0;
}

/* Where mail to the sender goes: a local name has its aliases. The caller frees it. */
static char *
address_of_sender(const struct envelope *e)
{
	const char *at = strrchr(e->sender, '@');

	if (!e->sender_is_local || at == NULL)
		return mem_dup(e->sender);
	return mem_printf("%.*s@localhost", (int)(at - e->sender), e->sender);
}

/* MAILER-DAEMON in the domain that completes names, else in the sender's own. The caller frees it. */
static char *
daemon_of(const struct envelope *e)
{
	const char *at = strrchr(e->sender, '@');

	return address_path("MAILER-DAEMON", e->domain != NULL ? e->domain : at != NULL ? at + 1 : "localhost");
}

/* The smarthost that spoke, or NULL. */
static const struct smarthost *
remote(const struct result *r)
{
	return r->address[0] != '\0' ? r->smarthost : NULL;
}

/* The configuration with the smarthost that has answered alone: another may have refused the password a moment ago. */
static struct config
only_remote(const struct config *c, const struct result *r)
{
	struct config one = *c;

	if (remote(r) != NULL) {
		one.smarthost = c->smarthost + (r->smarthost - c->smarthost);
		one.smarthosts = 1;
	}
	return one;
}

/* Sends it from the sender of e. The fate of the run or of the one recipient is in o. */
static int
send_from(struct result *own, struct envelope *e, struct message *m, const struct config *c, const struct notify_way *way, struct outcome *o)
{
	if (outgoing_repair(m, e, c, way->host, NULL, &own->outcome) == 0 && envelope_count(e, RCPT_PENDING) > 0)
		(void)submit(own, c, e, m, way->deadline, way->trace);
	own->envelope = e;
	if (submit_status(own) == 0)
		return 0;
	if (report_first(own) != NULL)
		*o = *report_first(own);
	return -1;
}

/* One notice from this sender. -1: o. */
static int
notify_from(struct result *r, const struct notice *n, struct message *about, const char *sender, const struct notify_way *way, struct outcome *o)
{
	struct result own = {.started = clock_now()};
	struct config one = only_remote(way->config, r);
	struct envelope e = {0};
	struct message m = {.body.fd = -1};
	char *to = address_of_sender(n->envelope);
	int status = -1;

	*o = (struct outcome){0};
	if (make_envelope(&e, way, sender, to, o) == 0 && notice_make(&m, n, about, o) == 0) {
		e.requiretls = n->envelope->requiretls;
		status = send_from(&own, &e, &m, &one, way, o);
		outgoing_message_id(&m, r->notice_id, sizeof(r->notice_id));
	}
	message_free(&m);
	envelope_free(&e);
	submit_free(&own);
	free(to);
	return status;
}

/* Whether the null sender was what the smarthost did not take. */
static bool
is_sender_refused(const struct outcome *o)
{
	return o->stage == STAGE_MAIL && o->code >= 500 && (o->cause == CAUSE_REPLY || o->cause == CAUSE_SENDER);
}

int
notify_sender(struct result *r, struct message *message, const char *text, const struct notify_way *way)
{
	const struct config *c = way->config;
	char *from = daemon_of(r->envelope);
	struct notice n = {
		.to = r->envelope->sender, .from = c->override_from && r->envelope->from != NULL ? r->envelope->from : from, .reporting_mta = c->hostname != NULL ? c->hostname : way->host,
		.remote_mta = remote(r) != NULL ? r->host : NULL, .envelope = r->envelope, .run = &r->outcome, .message_id = r->message_id,
		.text = text, .arrival = time(NULL), .now = time(NULL),
	};
	struct outcome o;
	int status = notify_from(r, &n, message, "<>", way, &o);

	if (status == -1 && is_sender_refused(&o) && c->from != NULL)
		status = notify_from(r, &n, message, c->from, way, &o);
	r->notice = status == 0 ? "sent" : "failed";
	if (status == -1)
		(void)snprintf(r->notice_why, sizeof(r->notice_why), "%.100s: %.140s", o.what, o.why);
	free(from);
	return status;
}
