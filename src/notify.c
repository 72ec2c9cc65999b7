/*
 * The notice to a sender, on its way. See notify.h; CONTRACT section 2 (-oem) and RFC 3464, RFC 5321 section 6.1.
 */
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

/* Sends it from this sender, and leaves a log line. The fate of the run or of the one recipient is in o. */
static int
send_from(struct result *r, struct envelope *e, struct message *m, const struct config *c, msec deadline, struct trace *t, struct outcome *o)
{
	int status = 0;

	if (outgoing_repair(m, e, c, NULL, &r->outcome) == 0)
		(void)submit(r, c, e, m, deadline, t);
	outgoing_message_id(m, r->message_id, sizeof(r->message_id));
	r->envelope = e;
	r->status = submit_status(r);
	r->word = r->status == 0 ? "notice" : NULL;
	report_log(r);
	if (r->status != 0) {
		*o = *report_first(r);
		status = -1;
	}
	return status;
}

/* Whether the null sender was what the smarthost did not take. */
static bool
is_sender_refused(const struct outcome *o)
{
	return o->stage == STAGE_MAIL && o->code >= 500 && o->cause == CAUSE_REPLY;
}

int
notify_sender(const struct result *r, struct message *message, const struct config *c, const struct aliases *aliases, const char *host,
    const char *text, msec deadline, struct trace *t, struct outcome *o)
{
	const char *const senders[] = {"<>", c->from};
	char *from = daemon_of(r->envelope);
	struct notice n = {
		.to = r->envelope->sender, .from = from, .reporting_mta = c->hostname != NULL ? c->hostname : host, .remote_mta = remote(r),
		.envelope = r->envelope, .run = &r->outcome, .message_id = r->message_id, .text = text, .arrival = time(NULL), .now = time(NULL),
	};
	int status = -1;
	bool again = true;

	for (size_t i = 0; i < 2 && senders[i] != NULL && status == -1 && again; i++) {
		struct result own = {.started = clock_now()};
		struct envelope e = {0};
		struct message m = {.body.fd = -1};

		*o = (struct outcome){0};
		if (make_envelope(&e, c, aliases, host, senders[i], n.to, o) == 0 && notice_make(&m, &n, message, o) == 0) {
			e.requiretls = r->envelope->requiretls;
			status = send_from(&own, &e, &m, c, deadline, t, o);
		}
		again = is_sender_refused(o);
		message_free(&m);
		envelope_free(&e);
		submit_free(&own);
	}
	free(from);
	return status;
}
