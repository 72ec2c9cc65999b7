/*
 * The heart: one message, its envelope, the smarthosts in order. See submit.h.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "mem.h"
#include "smtp/client.h"
#include "submit.h"

#define SHARE_MIN 10000		/* milliseconds that a smarthost which is not the last one has at least to get through AUTH */

/* What is learned from a connection, for the log. */
static void
note(struct result *r, const struct client *c)
{
	(void)strlcpy(r->address, c->dialed.address, sizeof(r->address));
	(void)strlcpy(r->tls, c->tls, sizeof(r->tls));
	(void)strlcpy(r->auth, c->mechanism, sizeof(r->auth));
	r->reply[0] = '\0';
	if (c->reply.code != 0)
		reply_words(&c->reply, r->reply, sizeof(r->reply));
	r->dsn_dropped = c->dsn_dropped;
}

static void
give_up(struct result *r, const struct outcome *o)
{
	r->tried = mem_grow(r->tried, r->tries + 1, sizeof(*r->tried));
	r->tried[r->tries++] = *o;
}

/* The time until which a smarthost may take to get through AUTH: all there is for the last one, else its share. */
static msec
open_deadline(msec deadline, size_t left)
{
	msec now = clock_now(), share = (deadline - now) / (msec)left;

	if (left == 1)
		return deadline;
	if (share < SHARE_MIN)
		share = SHARE_MIN;
	return now + share < deadline ? now + share : deadline;
}

/* One smarthost. 0: done; -1: o, and *next tells whether another one may be tried. */
static int
try(struct result *r, const struct config *c, struct client *client, size_t i, struct envelope *e, struct message *m, msec deadline,
    struct trace *t, struct outcome *o, bool *next)
{
	size_t left = c->smarthosts - i;
	int status;

	r->smarthost = &c->smarthost[i];
	*next = true;
	if (client_open(client, r->smarthost, c->hostname, open_deadline(deadline, left), t, o) == -1) {
		note(r, client);
		return -1;
	}
	client->last = left == 1;
	client->stream.deadline = deadline;
	status = client_send(client, e, m, o);
	note(r, client);
	*next = !client->committed && o->stage == STAGE_MAIL && outcome_temporary(o);
	client_close(client);
	return status;
}

/* Those who have neither got it nor been refused share the fate of the run. */
static void
fail_rest(struct envelope *e)
{
	for (size_t i = 0; i < e->count; i++)
		if (e->rcpt[i].state == RCPT_PENDING || e->rcpt[i].state == RCPT_TAKEN)
			e->rcpt[i].state = RCPT_FAILED;
}

int
submit(struct result *r, const struct config *c, struct envelope *e, struct message *m, msec deadline, struct trace *t)
{
	struct client *client = mem_alloc(sizeof(*client));
	struct outcome o;
	int status = -1;
	bool next = true;

	(void)outcome_set(&o, EX_SOFTWARE, STAGE_NONE, CAUSE_BUG, "there is none", "no smarthost to send to");
	for (size_t i = 0; i < c->smarthosts && status == -1 && next; i++) {
		o = (struct outcome){0};
		status = try(r, c, client, i, e, m, deadline, t, &o, &next);
		if (status == -1 && next)
			give_up(r, &o);
	}
	free(client);
	r->envelope = e;
	r->size = message_size(m);
	if (status == 0)
		return 0;
	r->outcome = o;
	for (size_t i = 0; i < r->tries && next; i++)
		if (outcome_worse(r->outcome.status, r->tried[i].status) != r->outcome.status)
			r->outcome = r->tried[i];
	fail_rest(e);
	return -1;
}

int
submit_status(const struct result *r)
{
	int status = r->outcome.status;

	if (r->envelope == NULL)
		return status;
	for (size_t i = 0; i < r->envelope->count; i++)
		if (r->envelope->rcpt[i].fate != NULL)
			status = outcome_worse(status, r->envelope->rcpt[i].fate->status);
	for (size_t i = 0; i < r->envelope->bads; i++)
		status = outcome_worse(status, r->envelope->bad[i].status);
	if (status == 0 && envelope_count(r->envelope, RCPT_DONE) < r->envelope->count)
		return EX_SOFTWARE;	/* whatever went wrong, it did not go well */
	return status;
}

void
submit_free(struct result *r)
{
	free(r->tried);
	*r = (struct result){0};
}
