/*
 * The heart: one message, its envelope, the smarthosts in order. See submit.h.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "mem.h"
#include "smtp/client.h"
#include "submit.h"

void
submit_note(struct result *r, const struct client *c)
{
	(void)strlcpy(r->host, c->host->srv ? "" : c->host->host, sizeof(r->host));
	r->port = c->host->port;
	(void)strlcpy(r->address, c->dialed.address, sizeof(r->address));
	(void)strlcpy(r->tls, c->tls, sizeof(r->tls));
	(void)strlcpy(r->auth, c->mechanism, sizeof(r->auth));
	r->reply[0] = '\0';
	if (c->reply.code != 0)
		reply_words(&c->reply, r->reply, sizeof(r->reply));
	r->dsn_dropped = c->dsn_dropped;
}

void
submit_give_up(struct result *r, const struct outcome *o)
{
	r->tried = mem_grow(r->tried, r->tries + 1, sizeof(*r->tried));
	r->tried[r->tries++] = *o;
}

const struct outcome *
submit_worst(const struct result *r, size_t from)
{
	const struct outcome *worst = &r->tried[r->tries - 1];

	for (size_t i = from; i < r->tries; i++)
		if (outcome_worse(worst->status, r->tried[i].status) != worst->status)
			worst = &r->tried[i];
	return worst;
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
	if (client_open(client, r->smarthost, left == 1, c->hostname, clock_share(deadline, left), t, o) == -1) {
		submit_note(r, client);
		return -1;
	}
	client->stream.deadline = deadline;
	status = client_send(client, e, m, o);
	submit_note(r, client);
	*next = !client->committed && (o->stage == STAGE_EHLO || o->stage == STAGE_MAIL) && outcome_temporary(o);
	client_close(client);
	return status;
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
			submit_give_up(r, &o);
	}
	free(client);
	r->envelope = e;
	r->size = message_size(m);
	if (status == 0)
		return 0;
	r->outcome = next && r->tries > 0 ? *submit_worst(r, 0) : o;
	envelope_fail_rest(e);
	return -1;
}

int
submit_fates(const struct result *r)
{
	int status = r->outcome.status;

	if (r->envelope == NULL)
		return status;
	for (size_t i = 0; i < r->envelope->count; i++)
		if (r->envelope->rcpt[i].fate != NULL)
			status = outcome_worse(status, r->envelope->rcpt[i].fate->status);
	for (size_t i = 0; i < r->envelope->bads; i++)
		status = outcome_worse(status, r->envelope->bad[i].status);
	return status;
}

int
submit_status(const struct result *r)
{
	int status = submit_fates(r);

	if (status == 0 && r->envelope != NULL && envelope_count(r->envelope, RCPT_DONE) < r->envelope->count)
		return EX_SOFTWARE;	/* whatever went wrong, it did not go well */
	return status;
}

void
submit_free(struct result *r)
{
	free(r->tried);
	*r = (struct result){0};
}
