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

/* One attempt: the envelope, from this sender to that of the message. -1: o. */
static int
make_envelope(struct envelope *e, const struct config *c, const struct aliases *aliases, const char *host, const char *from, const char *to,
    struct outcome *o)
{
	struct envelope_source src;

	outgoing_source(&src, c, host, aliases);
	src.override_from = false;
	src.sender = from;
	if (envelope_begin(e, &src, o) == -1 || envelope_add(e, &src, to, o) == -1)
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

/* The smarthost that spoke, if one did. */
static const char *
remote(const struct result *r)
{
	return r->smarthost != NULL && r->address[0] != '\0' ? r->smarthost->host : NULL;
}

/* Sends it from the sender of e. The fate of the run or of the one recipient is in o. */
static int
send_from(struct result *own, struct envelope *e, struct message *m, const struct config *c, const char *host, msec deadline, struct trace *t,
    struct outcome *o)
{
	if (outgoing_repair(m, e, c, host, NULL, &own->outcome) == 0)
		(void)submit(own, c, e, m, deadline, t);
	own->envelope = e;
	if (submit_status(own) == 0)
		return 0;
	if (report_first(own) != NULL)
		*o = *report_first(own);
	return -1;
}

/* Whether the null sender was what the smarthost did not take. */
static bool
is_sender_refused(const struct outcome *o)
{
	return o->stage == STAGE_MAIL && o->code >= 500 && o->cause == CAUSE_REPLY;
}

/* One notice from this sender. -1: o. */
static int
try(struct result *r, const struct notice *n, struct message *about, const struct config *c, const struct aliases *aliases, const char *host, const char *sender,
    msec deadline, struct trace *t, struct outcome *o)
{
	struct result own = {.started = clock_now()};
	struct envelope e = {0};
	struct message m = {.body.fd = -1};
	char *to = address_of_sender(n->envelope);
	int status = -1;

	*o = (struct outcome){0};
	if (make_envelope(&e, c, aliases, host, sender, to, o) == 0 && notice_make(&m, n, about, o) == 0) {
		e.requiretls = n->envelope->requiretls;
		status = send_from(&own, &e, &m, c, host, deadline, t, o);
		outgoing_message_id(&m, r->notice_id, sizeof(r->notice_id));
	}
	message_free(&m);
	envelope_free(&e);
	submit_free(&own);
	free(to);
	return status;
}

int
notify_sender(struct result *r, struct message *message, const struct config *c, const struct aliases *aliases, const char *host, const char *text,
    msec deadline, struct trace *t)
{
	char *from = daemon_of(r->envelope);
	struct notice n = {
		.to = r->envelope->sender, .from = c->override_from ? c->from : from, .reporting_mta = c->hostname != NULL ? c->hostname : host,
		.remote_mta = remote(r), .envelope = r->envelope, .run = &r->outcome, .message_id = r->message_id, .text = text,
		.arrival = time(NULL), .now = time(NULL),
	};
	struct outcome o;
	int status = try(r, &n, message, c, aliases, host, "<>", deadline, t, &o);

	if (status == -1 && is_sender_refused(&o) && c->from != NULL)
		status = try(r, &n, message, c, aliases, host, c->from, deadline, t, &o);
	r->notice = status == 0 ? "sent" : "failed";
	if (status == -1)
		(void)snprintf(r->notice_why, sizeof(r->notice_why), "%.100s: %.140s", o.what, o.why);
	free(from);
	return status;
}
