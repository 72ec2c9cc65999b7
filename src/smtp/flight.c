/*
 * Whole transactions in flight. See flight.h.
 *
 * What the caller says is looked at on a view of the input, by the same functions that take it step by step; it is taken only when it is put into the pipeline, and kept until it is known that
 * it will not have to be taken again.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "mail/address.h"
#include "outgoing.h"
#include "smtp/command.h"
#include "smtp/flight.h"
#include "smtp/plain.h"
#include "smtp/transaction.h"

/* A transaction that is in flight, or may be. */
struct flight {
	struct buf raw;			/* as it came */
	struct envelope envelope;	/* a recipient for each RCPT */
	char *envid;
	struct message message;
	struct result result;
	bool data;			/* DATA, not BDAT */
};

/* What of a transaction has come: something that does not go this way; not all; all. */
enum seen { SEEN_OTHER, SEEN_PART, SEEN_WHOLE };

static void
free_flight(struct flight *f)
{
	buf_free(&f->raw);
	envelope_free(&f->envelope);
	free(f->envid);
	message_free(&f->message);
	submit_free(&f->result);
	free(f);
}

/* ---- what has come ---- */

struct line {
	char text[COMMAND_LONG_MAX - 1];
	enum verb verb;
	const char *argument;
	bool crlf;
};

static enum seen
see_line(struct intake *view, struct line *l)
{
	size_t len;
	enum intake_result r = intake_line(view, l->text, sizeof(l->text), &len, &l->crlf);
	bool path;

	if (r != INTAKE_OK)
		return r == INTAKE_END ? SEEN_PART : SEEN_OTHER;
	l->verb = command_verb(l->text, &l->argument);
	path = l->verb == VERB_MAIL || l->verb == VERB_RCPT;
	return strlen(l->text) < len || address_is_utf8(l->text) || (!path && len + 2 > COMMAND_LINE_MAX) ? SEEN_OTHER : SEEN_WHOLE;
}

/* The sender. */
static enum seen
see_mail(struct intake *view, struct line *l, struct flight *f, const struct session *s)
{
	enum seen seen = see_line(view, l);
	uint64_t most = s->relay.client.cap.size_max;
	struct path_command p;
	const char *why;

	if (seen == SEEN_WHOLE && l->verb != VERB_MAIL)
		return SEEN_OTHER;
	if (seen != SEEN_WHOLE)
		return seen;
	if (command_path(&p, VERB_MAIL, l->argument, &why) != 0 || (most > 0 && p.size > most) || !plain_mail(&f->envelope, &s->source, &p))
		seen = SEEN_OTHER;
	f->envelope.envid = f->envid = p.envid;
	p.envid = NULL;
	command_free(&p);
	return seen;
}

/* RCPT after RCPT, and the line behind them. */
static enum seen
see_recipients(struct intake *view, struct line *l, struct flight *f, const struct session *s)
{
	struct recipient *r;
	enum seen seen;

	while ((seen = see_line(view, l)) == SEEN_WHOLE && l->verb == VERB_RCPT)
		if (f->envelope.count == FLIGHT_RCPTS || !plain_rcpt(&f->envelope, &s->source, l->argument, &r) || r == NULL)
			return SEEN_OTHER;
	return seen == SEEN_WHOLE && f->envelope.count == 0 ? SEEN_OTHER : seen;
}

static enum seen
see_message(struct intake *view, const struct line *l, struct flight *f, const struct session *s)
{
	const struct server_setup *setup = s->setup;
	struct outcome o = {0};
	struct message_reader *reader;
	enum intake_result r;
	uint64_t octets = 0;
	bool last;

	f->data = l->verb == VERB_DATA && *l->argument == '\0';
	if (!f->data && (l->verb != VERB_BDAT || !command_chunk(l->argument, &octets, &last) || !last || octets > INLINE_MAX))
		return SEEN_OTHER;
	reader = message_begin(&f->message, false, setup->directory, &o);
	r = f->data ? intake_data(view, !l->crlf, reader) : intake_chunk(view, octets, reader);
	if (message_end(reader) == -1 || r != INTAKE_OK)
		return r == INTAKE_END ? SEEN_PART : SEEN_OTHER;
	f->result.started = clock_now();
	if (outgoing_repair(&f->message, &f->envelope, setup->config, setup->host, "", &o) == -1)
		return SEEN_OTHER;
	outgoing_message_id(&f->message, f->result.message_id, sizeof(f->result.message_id));
	return SEEN_WHOLE;
}

/* Looks at the next transaction; *flight: all that it will take, where it is whole. */
static enum seen
see(const struct session *s, struct flight **flight)
{
	struct intake *view = intake_view(s->in);
	struct flight *f = mem_alloc(sizeof(*f));
	struct line *l = mem_alloc(sizeof(*l));
	enum seen seen = see_mail(view, l, f, s);

	f->message.body.fd = -1;
	if (seen == SEEN_WHOLE)
		seen = see_recipients(view, l, f, s);
	if (seen == SEEN_WHOLE)
		seen = see_message(view, l, f, s);
	if (seen == SEEN_WHOLE) {
		buf_add(&f->raw, s->in->block + s->in->at, view->at);
		*flight = f;
	} else
		free_flight(f);
	intake_free(view);
	free(l);
	return seen;
}

/* ---- what comes of it ---- */

/* The line broke: what was in flight from there on, first where that is to be sent again too, is taken once more. */
static void
give_back(struct session *s, const struct flight *first)
{
	const struct pipelined *x;
	struct buf raw = {0};

	if (first != NULL) {
		buf_add(&raw, first->raw.data, first->raw.len);
		s->returned++;
	}
	for (; (x = pipeline_get(&s->pipeline)) != NULL; s->returned++) {
		struct flight *f = x->owner;

		buf_add(&raw, f->raw.data, f->raw.len);
		free_flight(f);
	}
	if (raw.len > 0)
		intake_back(s->in, raw.data, raw.len);
	buf_free(&raw);
	s->walks = s->walks || s->pipeline.late || !s->pipeline.worked;
	relay_landed(&s->relay, &s->pipeline);
	s->flying = false;
}

static void
answer_refused_sender(struct session *s, const struct outcome *o)
{
	size_t others = s->envelope.count + 1;

	session_fail(s, o, "5.1.7");
	while (others-- > 0)
		session_reply(s, 503, "5.5.1", "MAIL comes first");
}

/* Returns how many may get it. */
static size_t
answer_envelope(struct session *s)
{
	const struct envelope *e = &s->envelope;
	size_t taken = 0;

	session_reply(s, 250, "2.1.0", "Sender taken");
	for (size_t i = 0; i < e->count; i++)
		if (e->rcpt[i].state == RCPT_FAILED)
			session_answer_failure(s, e->rcpt[i].fate, "5.1.3");
		else {
			session_reply(s, 250, "2.1.5", "Recipient taken");
			taken++;
		}
	return taken;
}

/* All replies to a transaction. */
static void
answer(struct session *s, struct flight *f, struct pipelined *x)
{
	bool failed;

	s->envelope = f->envelope;
	s->envid = f->envid;
	s->message = f->message;
	s->result = f->result;
	s->begun = true;
	f->envelope = (struct envelope){0};
	f->envid = NULL;
	f->message = (struct message){.body.fd = -1};
	f->result = (struct result){0};
	failed = x->status == -1 && !session_goes_on(s, &x->o);
	if (failed && x->o.stage == STAGE_MAIL) {
		answer_refused_sender(s, &x->o);
	} else if (answer_envelope(s) == 0) {
		session_reply(s, 554, "5.5.1", SESSION_NOBODY);
		session_finish(s);
	} else {
		if (f->data)
			session_reply(s, 354, NULL, SESSION_GO_ON);
		session_end_message(s, failed ? -1 : 0, &x->o);
	}
	message_free(&s->message);
}

/* Waits for what comes of the first that is in flight. False: none is. */
static bool
land_first(struct session *s)
{
	const struct pipelined *first;
	struct pipelined x;
	struct flight *f;

	if (s->flying && stream_pending(&s->pipeline.c->stream) == 0)
		session_flush(s);	/* it may take long */
	first = s->flying ? pipeline_get(&s->pipeline) : NULL;
	if (first == NULL)
		return false;
	x = *first;
	f = x.owner;
	if (!x.again)
		submit_tell(&f->result, s->pipeline.c, &x);
	if (x.again || (x.status == -1 && !session_is_verdict(&x.o)))	/* the connection is of no use any more */
		give_back(s, x.again ? f : NULL);
	if (!x.again)
		answer(s, f, &x);
	free_flight(f);
	return true;
}

/* ---- in and out ---- */

/* Whether anything goes this way between transactions. */
static bool
flies(const struct session *s)
{
	const struct server_setup *setup = s->setup;

	return !s->over && !s->walks && relay_bears(&s->relay) && setup->trouble->status == 0 && !setup->requiretls && !setup->config->requiretls &&
	    (setup->keep == NULL || (!setup->store && clock_now() >= s->store_until));
}

static bool
put(struct session *s, struct flight *f)
{
	msec allowed = 1000 * ((msec)s->setup->config->timeout + (msec)(message_size(&f->message) / 65536));

	if (!s->flying)
		s->flying = relay_fly(&s->relay, &s->pipeline);
	while (s->flying && pipeline_is_full(&s->pipeline))
		(void)land_first(s);
	if (!s->flying || s->over || !pipeline_takes(&s->pipeline, &f->envelope, &f->message)) {
		free_flight(f);
		return false;
	}
	s->in->at += f->raw.len;
	s->returned -= s->returned > 0;
	pipeline_put(&s->pipeline, &f->envelope, &f->message, allowed, f);
	return true;
}

/* More has come; or while nothing has, something in flight has landed. */
static bool
more(struct session *s)
{
	if (intake_more(s->in))
		return true;
	if (!land_first(s))
		return false;
	session_flush(s);
	return true;
}

bool
flight_take(struct session *s)
{
	struct flight *f;
	enum seen seen = SEEN_OTHER;

	while (!s->begun && flies(s) && (seen = see(s, &f)) == SEEN_PART && more(s))
		seen = SEEN_OTHER;
	return seen == SEEN_WHOLE && put(s, f);
}

bool
flight_is_next(const struct session *s)
{
	struct flight *f;

	if (!flies(s) || see(s, &f) != SEEN_WHOLE)
		return false;
	free_flight(f);
	return true;
}

void
flight_land(struct session *s)
{
	while (land_first(s))
		;
	if (s->flying)
		relay_landed(&s->relay, &s->pipeline);
	s->flying = false;
}
