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
		(void)(way->submission != NULL ? submission_send(way->submission, own, e, m, way->deadline) :
		    submit(own, c, e, m, way->deadline, way->trace));
	own->envelope = e;
	if (submit_status(own) == 0 || envelope_count(e, RCPT_DONE) > 0)	/* an alias may be many: who has got it gets it once */
		return 0;
	if (report_first(own) != NULL)
		*o = *report_first(own);
	return -1;
}

/* One notice from this sender, to that one. -1: o. */
static int
notify_from(struct result *r, const struct notice *what, struct message *about, const char *sender, const char *to, const struct notify_way *way, struct outcome *o)
{
	struct result own = {.started = clock_now()};
	struct config one = only_remote(way->config, r);
	struct envelope e = {0};
	struct message m = {.body.fd = -1};
	struct notice n = *what;
	int status = -1;

	*o = (struct outcome){0};
	if (make_envelope(&e, way, sender, to, o) == 0) {
		if (n.to == NULL)
			n.to = e.rcpt[0].original != NULL ? e.rcpt[0].original : e.rcpt[0].path;
		status = notice_make(&m, &n, about, o);
	}
	if (status == 0) {
		e.requiretls = n.envelope->requiretls;
		status = send_from(&own, &e, &m, &one, way, o);
		outgoing_message_id(&m, r->notice_id, sizeof(r->notice_id));
	}
	message_free(&m);
	envelope_free(&e);
	submit_free(&own);
	return status;
}

/* Whether the null sender was what the smarthost did not take. */
static bool
is_sender_refused(const struct outcome *o)
{
	return o->stage == STAGE_MAIL && o->code >= 500 && (o->cause == CAUSE_REPLY || o->cause == CAUSE_SENDER);
}

/* From the null sender; where that is refused, once more from the configuration's from. */
static int
notify(struct result *r, const struct notice *n, struct message *about, const char *to, const struct notify_way *way, struct outcome *o)
{
	int status = notify_from(r, n, about, "<>", to, way, o);

	if (status == -1 && is_sender_refused(o) && way->config->from != NULL)
		status = notify_from(r, n, about, way->config->from, to, way, o);
	return status;
}

int
notify_sender(struct result *r, struct message *message, const char *text, const struct notify_way *way)
{
	const struct config *c = way->config;
	char *from = daemon_of(r->envelope);
	struct notice n = {
		.to = r->envelope->sender, .from = c->override_from && r->envelope->from != NULL ? r->envelope->from : from, .reporting_mta = c->hostname != NULL ? c->hostname : way->host,
		.remote_mta = remote(r) != NULL ? r->host : NULL, .envelope = r->envelope, .run = &r->outcome, .message_id = r->message_id,
		.text = text, .until = way->until, .arrival = way->arrival != 0 ? way->arrival : time(NULL), .now = time(NULL),
	};
	char *to = address_of_sender(r->envelope);
	struct outcome o, postmaster;
	int status = notify(r, &n, message, to, way, &o);

	if (status == -1 && way->postmaster && outcome_final(&o)) {
		n.to = NULL;
		status = notify(r, &n, message, "postmaster", way, &postmaster);
		if (status == -1 && !outcome_final(&postmaster))
			o = postmaster;
	}
	r->notice = status == 0 ? "sent" : "failed";
	r->notice_later = status == -1 && !outcome_final(&o);
	if (status == -1)
		(void)snprintf(r->notice_why, sizeof(r->notice_why), "%.100s: %.140s", o.what, o.why);
	free(from);
	free(to);
	return status;
}
