/*
 * The heart: one message, its envelope, the smarthosts in order. See submit.h.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "mem.h"
#include "smtp/client.h"
#include "submit.h"

#define STALLS_MAX	2	/* messages */
#define FAIR_MS(config)	(1000 * (msec)(config)->timeout / 8)	/* milliseconds in which it must have been possible to connect */
#define RESET_MS	10000	/* milliseconds that the answer to RSET may take */

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
	r->took = c->took;
	r->asked = true;
}

void
submit_tell(struct result *r, struct client *c, const struct pipelined *x)
{
	r->smarthost = c->configured;
	c->took = CLIENT_NO_TIMES;
	c->took.transfer = clock_now() - x->begun;
	submit_note(r, c);
	(void)strlcpy(r->reply, x->reply, sizeof(r->reply));
	r->dsn_dropped = x->dsn_dropped;
	r->size = x->size;
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

void
submission_begin(struct submission *s, const struct config *c, struct trace *t)
{
	*s = (struct submission){.config = c, .trace = t, .client = mem_alloc(sizeof(*s->client))};
	s->down = mem_alloc(c->smarthosts * sizeof(*s->down));
}

static void
hang_up(struct submission *s)
{
	if (s->open)
		client_close(s->client);
	s->open = false;
}

void
submission_end(struct submission *s)
{
	hang_up(s);
	free(s->client);
	free(s->down);
	*s = (struct submission){0};
}

void
submission_renew(struct submission *s)
{
	for (size_t i = 0; i < s->config->smarthosts; i++)
		s->down[i] = (struct outcome){0};
	s->stalls = 0;
}

/* A connection to smarthost i: the one that stands, or a new one; one that could not be had before is not tried again. */
static int
reach(struct submission *s, struct result *r, size_t i, size_t left, msec deadline, bool *reused, struct outcome *o)
{
	const struct config *c = s->config;
	msec had = clock_left(deadline);

	r->smarthost = &c->smarthost[i];
	s->client->stream.deadline = clock_now() + RESET_MS < deadline ? clock_now() + RESET_MS : deadline;
	*reused = s->open && s->at == i && client_usable(s->client) && (!s->dirty || client_reset(s->client, o) == 0);
	s->dirty = false;
	if (!*reused && s->down[i].status != 0) {
		*o = s->down[i];
		return -1;
	}
	if (*reused) {
		s->client->took = CLIENT_NO_TIMES;
		*o = (struct outcome){0};
		return 0;
	}
	hang_up(s);
	s->open = client_open(s->client, r->smarthost, left == 1, c->hostname, clock_share(deadline, left), s->trace, o) == 0;
	s->at = i;
	submit_note(r, s->client);
	if (!s->open && had >= FAIR_MS(c))	/* else another one has used up the time */
		s->down[i] = *o;
	return s->open ? 0 : -1;
}

/*
 * A smarthost that takes connections and then says nothing would have every message wait for the whole deadline; at MAIL that is no message's fault, but perhaps the null
 * sender's. One that greets, takes
 * the sign-in and then nothing more today would be signed in to for each.
 */
static void
note_trouble(struct submission *s, const struct result *r, size_t i, bool reused, const struct envelope *e, const struct outcome *o)
{
	struct outcome *down = &s->down[i];

	s->stalls = o->cause == CAUSE_TIMEOUT ? s->stalls + 1 : 0;
	if (s->stalls >= STALLS_MAX || (s->stalls > 0 && o->stage == STAGE_MAIL && e->sender[0] != '\0')) {
		s->stalls = 0;
		(void)outcome_set(down, EX_TEMPFAIL, STAGE_CONNECT, CAUSE_TIMEOUT, "it did not answer when other messages were sent", "%s was not asked again", r->smarthost->host);
	} else if (!reused && o->stage == STAGE_MAIL && o->code == 421)
		*down = *o;
}

bool
submission_open(struct submission *s, msec deadline)
{
	struct outcome o;

	if (!s->open && s->config->smarthosts > 0)
		s->open = client_open(s->client, &s->config->smarthost[s->at], s->config->smarthosts == 1, s->config->hostname, deadline, s->trace, &o) == 0;
	return s->open;
}

bool
submission_is_serial(const struct submission *s)
{
	return s->open && !pipeline_is_chunked(s->client);
}

void
submission_leave(struct submission *s)
{
	if (s->piped)
		pipeline_end(&s->pipeline);
	if (s->open)
		(void)close(s->client->stream.fd);
	free(s->client);	/* what TLS holds goes with the process */
	s->client = mem_alloc(sizeof(*s->client));
	s->open = s->dirty = s->piped = false;
}

bool
submission_takes(struct submission *s, struct envelope *e, struct message *m)
{
	if (!s->open || (s->alone && !s->piped))
		return false;
	if (!s->piped) {
		if (s->dirty || !client_usable(s->client))
			return false;
		pipeline_begin(&s->pipeline, s->client);
		s->piped = true;
	}
	return pipeline_takes(&s->pipeline, e, m);
}

bool
submission_is_full(const struct submission *s)
{
	return s->piped && pipeline_is_full(&s->pipeline);
}

void
submission_put(struct submission *s, struct envelope *e, struct message *m, msec allowed, void *owner)
{
	pipeline_put(&s->pipeline, e, m, allowed, owner);
}

const struct pipelined *
submission_get(struct submission *s)
{
	const struct pipelined *x = s->piped ? pipeline_get(&s->pipeline) : NULL;

	if (x != NULL || !s->piped)
		return x;
	s->dirty = s->pipeline.reset;
	s->alone = s->alone || s->pipeline.late || (s->pipeline.broken && !s->pipeline.worked);
	if (s->pipeline.broken)
		hang_up(s);
	pipeline_end(&s->pipeline);
	s->piped = false;
	return NULL;
}

void
submission_tell(struct submission *s, const struct pipelined *x, struct result *r)
{
	submit_tell(r, s->client, x);
	if (x->status == 0)
		s->stalls = 0;
	else if (!x->again) {
		r->outcome = x->o;
		envelope_fail_rest(x->e);
		note_trouble(s, r, s->at, true, x->e, &x->o);
	}
}

/* What only this smarthost could not take another one may. */
static void
revive(struct envelope *e)
{
	for (size_t i = 0; i < e->count; i++)
		if (e->rcpt[i].state == RCPT_FAILED && e->rcpt[i].fate != NULL && e->rcpt[i].fate->cause == CAUSE_NEEDS_SMTPUTF8)
			envelope_revive(e, i, RCPT_PENDING);
}

/*
 * The last one has its share of the blame, too, where it has said no for now and nothing more: another would be tried. Not where somebody has got the message, or may have.
 */
static bool
shares_blame(const struct submission *s, const struct envelope *e, const struct outcome *o)
{
	return o->stage == STAGE_MAIL && o->code != 0 && outcome_temporary(o) && !s->client->uncertain && envelope_count(e, RCPT_DONE) == 0;
}

/* One smarthost. 0: done; -1: o, and *next tells whether another one may be tried. */
static int
try(struct submission *s, struct result *r, size_t i, size_t left, struct envelope *e, struct message *m, msec deadline, struct outcome *o, bool *next)
{
	struct client *client = s->client;
	bool reused;
	msec begun;
	int status;

	*next = true;
	do {
		if (reach(s, r, i, left, deadline, &reused, o) == -1)
			return -1;
		*o = (struct outcome){0};
		client->committed = client->uncertain = false;
		client->stream.deadline = deadline;
		client->parting = s->only;
		begun = clock_now();
		status = client_send(client, e, m, o);
		client->took.transfer = clock_now() - begun;
		submit_note(r, client);
		s->dirty = status == -1 || envelope_count(e, RCPT_FAILED) > 0;
		*next = !client->committed && (o->stage == STAGE_EHLO || o->stage == STAGE_MAIL) && outcome_temporary(o);
		if (status == -1 && (o->code == 421 || !(client->can_quit && client->stream.error == STREAM_OK)))
			hang_up(s);
		/* one that stood for a while may have been ended meanwhile, or have taken as many messages as it likes to */
	} while (status == -1 && reused && !s->open && ((*next && o->code == 0 && o->cause != CAUSE_TIMEOUT) || (o->stage == STAGE_MAIL && o->code == 421)));
	note_trouble(s, r, i, reused, e, o);
	return status;
}

/* The smarthost to be tried as the k-th: the first one, then the others in their order. */
static size_t
in_turn(size_t first, size_t k)
{
	return k == 0 ? first : k <= first ? k - 1 : k;
}

int
submission_send(struct submission *s, struct result *r, struct envelope *e, struct message *m, msec deadline)
{
	const struct config *c = s->config;
	size_t first = s->open ? s->at : 0;
	struct outcome o;
	int status = -1;
	bool next = true;

	(void)outcome_set(&o, EX_SOFTWARE, STAGE_NONE, CAUSE_BUG, "there is none", "no smarthost to send to");
	for (size_t k = 0; k < c->smarthosts && status == -1 && next; k++) {
		size_t i = in_turn(first, k);

		o = (struct outcome){0};
		status = try(s, r, i, c->smarthosts - k, e, m, deadline, &o, &next);
		next = next || (status == -1 && k + 1 == c->smarthosts && shares_blame(s, e, &o));
		if (status == -1 && next)
			submit_give_up(r, &o);
		if (status == -1 && next && k + 1 < c->smarthosts)
			revive(e);
	}
	r->envelope = e;
	r->size = message_size(m);
	if (status == 0)
		return 0;
	r->outcome = next && r->tries > 0 ? *submit_worst(r, 0) : o;
	envelope_fail_rest(e);
	return -1;
}

int
submit(struct result *r, const struct config *c, struct envelope *e, struct message *m, msec deadline, struct trace *t)
{
	struct submission s;
	int status;

	submission_begin(&s, c, t);
	s.only = true;
	status = submission_send(&s, r, e, m, deadline);
	submission_end(&s);
	return status;
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

	if (status == 0 && r->envelope != NULL &&
	    envelope_count(r->envelope, RCPT_DONE) + envelope_count(r->envelope, RCPT_QUEUED) < r->envelope->count)
		return EX_SOFTWARE;	/* whatever went wrong, it did not go well */
	return status;
}

void
submit_free(struct result *r)
{
	free(r->tried);
	*r = (struct result){0};
}
