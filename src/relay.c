/*
 * The live way to the smarthost. See relay.h.
 */
#include <stdlib.h>
#include <sysexits.h>
#include "mail/address.h"
#include "relay.h"

#define RESET_MIN_MS	1000	/* milliseconds that RSET may take though the time is up ... */
#define RESET_MAX_MS	10000	/* ... and though there is more: it only keeps a connection */
#define REFUSED_MS	60000	/* milliseconds before a refused password is tried again */

void
relay_init(struct relay *r, const struct config *c, struct trace *t)
{
	*r = (struct relay){.config = c, .trace = t, .left = 1000 * (msec)c->timeout};
	r->refused = mem_alloc(c->smarthosts * sizeof(*r->refused));
}

static void
hang_up(struct relay *r)
{
	if (r->open) {
		r->wary = r->wary || r->client.data_in_vain;
		client_close(&r->client);
	}
	r->open = r->begun = r->stale = r->proven = false;
}

/* True after a step that failed because the connection did. */
static bool
is_lost(const struct relay *r)
{
	return r->open && (!r->client.can_quit || r->client.stream.error != STREAM_OK);
}

/* A smarthost that has ended the connection meanwhile, or has said what nobody asked for, is not listened to any more: its answers would be taken for others. */
static void
check(struct relay *r)
{
	if (r->open && !client_usable(&r->client))
		hang_up(r);
}

/* The clock of the transaction runs from here ... */
static msec
start(struct relay *r)
{
	msec now = clock_now();

	if (r->open)
		r->client.stream.deadline = now + r->left;
	return now;
}

/* ... to here. What happened on the connection is noted for the log; one that is of no use any more is closed. */
static void
stop(struct relay *r, msec started, struct result *res)
{
	msec used = clock_now() - started;

	r->left = used < r->left ? r->left - used : 0;
	if (!r->open)
		return;
	if (res != NULL)
		submit_note(res, &r->client);
	if (is_lost(r))
		hang_up(r);
}

/* A password that was refused is not tried again at each message: accounts are locked for less. */
static int
open_smarthost(struct relay *r, struct result *res, size_t i, bool last, msec deadline, struct outcome *o)
{
	const struct config *c = r->config;
	struct relay_refusal *refused = &r->refused[i];
	int status;

	res->smarthost = &c->smarthost[i];
	if (clock_now() < refused->until) {
		*o = refused->outcome;
		res->host[0] = res->address[0] = res->tls[0] = res->auth[0] = res->reply[0] = '\0';
		return -1;
	}
	status = client_open(&r->client, res->smarthost, last, c->hostname, deadline, r->trace, o);
	submit_note(res, &r->client);
	if (status == -1 && o->stage == STAGE_AUTH && o->code >= 500) {
		refused->until = clock_now() + REFUSED_MS;
		refused->outcome = *o;
	}
	return status;
}

/* Connects and says MAIL: smarthosts in order (or only this one), until one has taken the sender or refused it for good. */
static int
begin(struct relay *r, struct result *res, struct envelope *e, const struct smarthost *only, msec started, struct outcome *o)
{
	const struct config *c = r->config;
	msec deadline = started + r->left;
	size_t before = res->tries, last = only != NULL ? (size_t)(only - c->smarthost) : c->smarthosts - 1;
	int status = -1;
	bool next = true;

	hang_up(r);
	for (size_t i = only != NULL ? last : 0; i <= last && status == -1 && next; i++) {
		status = open_smarthost(r, res, i, i == last, clock_share(deadline, last - i + 1), o);
		if (status == 0) {
			r->open = true;
			r->client.stream.deadline = deadline;
			status = client_mail(&r->client, e, r->size, r->eight_bit, o);
			next = outcome_temporary(o);
			if (status == -1 && next && i < last)
				hang_up(r);
		}
		if (status == -1 && next)
			submit_give_up(res, o);
	}
	r->begun = status == 0;
	if (status == -1 && next)
		*o = *submit_worst(res, before);
	return status;
}

/* What a transaction that is spoilt is answered with. */
static int
tell_spoilt(const struct relay *r, struct outcome *o)
{
	return outcome_set(o, EX_TEMPFAIL, STAGE_DOT, CAUSE_REPEATED, r->spoilt, "the envelope had to be repeated at the smarthost; nothing was sent");
}

/* Nothing can come of the transaction any more. */
static int
spoil(struct relay *r, const char *why, struct outcome *o)
{
	r->spoilt = why;
	return tell_spoilt(r, o);
}

/*
 * MAIL once more: on the connection that stands, where the smarthost takes RSET, or on a new one to the same smarthost: after a verdict on a recipient no other may
 * be tried (CONTRACT section 5). -1: spoilt, o.
 */
static int
mail_again(struct relay *r, struct result *res, struct envelope *e, msec started, struct outcome *o)
{
	const struct smarthost *host = r->client.configured;

	check(r);
	if (r->open && r->begun) {
		bool reset = client_reset(&r->client, o) == 0;

		r->begun = reset && client_mail(&r->client, e, r->size, r->eight_bit, o) == 0;
		if (reset && !r->begun && !is_lost(r)) {
			r->spoilt = "the smarthost did not take the sender again";
			return -1;	/* by a verdict, which is the answer */
		}
	}
	if (r->begun)
		return 0;
	trace_note(r->trace, "the envelope is repeated on a new connection");
	if (begin(r, res, e, host, started, o) == 0)
		return 0;
	if (o->stage >= STAGE_MAIL)
		return spoil(r, "the smarthost did not take the sender again", o);
	r->spoilt = "the connection was lost, and could not be made again";
	return -1;
}

/* Repeats the envelope as far as it was taken. -1: spoilt, o. */
static int
repeat(struct relay *r, struct result *res, struct envelope *e, msec started, struct outcome *o)
{
	if (mail_again(r, res, e, started, o) == -1)
		return -1;
	r->stale = false;
	for (size_t i = 0; i < e->count; i++)
		if (e->rcpt[i].state == RCPT_TAKEN && client_rcpt(&r->client, e, i, o) == -1) {
			envelope_revive(e, i, RCPT_TAKEN);	/* as the caller was told */
			return spoil(r, "a recipient that had been taken is not taken again", o);
		}
	return 0;
}

int
relay_mail(struct relay *r, struct result *res, struct envelope *e, uint64_t size, bool eight_bit, struct outcome *o)
{
	msec started;
	int status = -1;

	if (!r->one_job)
		r->left = 1000 * (msec)r->config->timeout;
	r->spoilt = NULL;
	r->stale = false;
	r->size = size;
	r->eight_bit = eight_bit;
	started = start(r);
	*o = (struct outcome){0};
	check(r);
	if (r->open) {
		r->client.took = CLIENT_NO_TIMES;
		res->smarthost = r->client.configured;
		r->client.next = r->next;
		status = client_mail(&r->client, e, size, eight_bit, o);
		r->client.next = NULL;
		r->begun = status == 0;
		if (status == -1 && o->cause != CAUSE_TIMEOUT && (is_lost(r) || (outcome_temporary(o) && r->config->smarthosts > 1)))
			hang_up(r);
	}
	if (!r->open)
		status = begin(r, res, e, NULL, started, o);
	stop(r, started, res);
	r->next = NULL;
	return status;
}

/* An address that needs SMTPUTF8, which MAIL has not asked for: the caller has no ESMTP, or it is an alias. */
static int
ask_for_utf8(struct relay *r, struct result *res, struct envelope *e, size_t i, msec started, struct outcome *o)
{
	if (e->utf8 || !address_is_utf8(e->rcpt[i].path))
		return 0;
	e->utf8 = true;
	return r->open && r->client.cap.utf8 ? repeat(r, res, e, started, o) : 0;
}

/* RCPT on the connection that there is, or on a new one. */
static int
ask(struct relay *r, struct result *res, struct envelope *e, size_t i, msec started, struct outcome *o)
{
	check(r);
	if (r->open && client_rcpt(&r->client, e, i, o) == 0)
		return 0;
	if (r->open && (!is_lost(r) || o->cause == CAUSE_TIMEOUT))
		return -1;
	return repeat(r, res, e, started, o) == 0 ? client_rcpt(&r->client, e, i, o) : -1;
}

int
relay_rcpt(struct relay *r, struct result *res, struct envelope *e, size_t i, struct outcome *o)
{
	msec started = start(r);
	int status = -1;

	*o = (struct outcome){0};
	if (r->spoilt != NULL)
		(void)tell_spoilt(r, o);
	else if (ask_for_utf8(r, res, e, i, started, o) == 0)
		status = ask(r, res, e, i, started, o);
	stop(r, started, res);
	if (status == -1)
		envelope_fail(e, i, o);
	return status;
}

static int
pass_on(struct relay *r, struct envelope *e, struct message *m, struct outcome *o)
{
	msec begun = clock_now();
	int status;

	r->client.next = r->next;
	status = client_message(&r->client, e, m, o);
	r->client.next = r->next = NULL;

	r->client.took.transfer = clock_now() - begun;
	return status;
}

/*
 * The message on the connection that there is. The envelope is repeated first where the connection is gone, where recipients were taken back, or where the message
 * needs BODY=8BITMIME and MAIL has not said so; what the smarthost offers may then be something else.
 */
static int
send_message(struct relay *r, struct result *res, struct envelope *e, struct message *m, msec started, struct outcome *o)
{
	bool eight_bit = true;

	for (;;) {
		check(r);
		if ((!r->open || r->stale) && repeat(r, res, e, started, o) == -1)
			return -1;
		if (client_fit(&r->client, e, m, &eight_bit, o) == -1)
			return -1;
		if (!eight_bit || r->eight_bit)
			return pass_on(r, e, m, o);
		r->eight_bit = r->stale = true;
		r->size = message_size(m);
	}
}

/* True where the message has certainly not been taken, since the connection ended before its end was said. */
static bool
may_repeat(const struct relay *r, const struct outcome *o)
{
	if (r->spoilt != NULL || !is_lost(r) || r->client.uncertain || o->cause == CAUSE_TIMEOUT)
		return false;
	return o->code == 0 || (o->code == 421 && o->stage == STAGE_DATA);
}

int
relay_message(struct relay *r, struct result *res, struct envelope *e, struct message *m, struct outcome *o)
{
	msec started;
	int status = -1;

	*o = (struct outcome){0};
	r->left += 1000 * (msec)(message_size(m) / 65536);
	started = start(r);
	if (r->spoilt != NULL)
		(void)tell_spoilt(r, o);
	else {
		status = send_message(r, res, e, m, started, o);
		if (status == -1 && may_repeat(r, o))
			status = send_message(r, res, e, m, started, o);
	}
	res->size = message_size(m);
	stop(r, started, res);
	r->next = NULL;
	if (status == -1)
		relay_reset(r);
	r->begun = false;
	return status;
}

void
relay_take_back(struct relay *r)
{
	r->stale = true;
}

void
relay_reset(struct relay *r)
{
	struct outcome o;
	msec kept = r->left, started, used;

	r->left = kept < RESET_MIN_MS ? RESET_MIN_MS : kept > RESET_MAX_MS ? RESET_MAX_MS : kept;
	started = start(r);
	check(r);
	if (r->begun && r->open && client_reset(&r->client, &o) == -1)
		hang_up(r);
	stop(r, started, NULL);
	used = clock_now() - started;
	r->left = used < kept ? kept - used : 0;
	r->begun = false;
}

bool
relay_bears(const struct relay *r)
{
	return r->open && r->config->smarthosts == 1 && pipeline_is_chunked(&r->client);
}

bool
relay_fly(struct relay *r, struct pipeline *p)
{
	check(r);
	if (!relay_bears(r) || r->begun || client_is_ahead(&r->client))
		return false;
	pipeline_begin(p, &r->client);
	p->proven = r->proven;
	p->live = true;
	return true;
}

void
relay_landed(struct relay *r, struct pipeline *p)
{
	bool broken = p->broken;

	r->left = RESET_MAX_MS;	/* each of them had its own time */
	r->begun = p->reset;
	r->proven = p->proven;
	pipeline_end(p);
	if (broken)
		hang_up(r);
	else
		relay_reset(r);
}

void
relay_close(struct relay *r)
{
	hang_up(r);
	free(r->refused);
	r->refused = NULL;
}
