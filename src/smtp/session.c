/*
 * What the parts of -bs share. See session.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include "mail/address.h"
#include "smtp/session.h"
#include "smtp/verdict.h"

#define STORE_MS	60000	/* milliseconds for which a smarthost that could not be reached is not asked again: the caller would wait each time */

/* Replies */

void
session_end(struct session *s, int status)
{
	if (!s->over || s->status == EX_OK)
		s->status = status;
	s->over = true;
}

/* The caller does not take what he is told: nothing more is tried. */
static void
give_up(struct session *s)
{
	s->unheard = true;
	session_end(s, EX_IOERR);
}

void
session_flush(struct session *s)
{
	if (!s->unheard && replies_flush(&s->replies) == -1)
		give_up(s);
}

void
session_reply(struct session *s, int code, const char *enhanced, const char *text)
{
	if (!s->unheard && replies_add(&s->replies, code, enhanced, text) == -1)
		give_up(s);
}

void
session_refuse(struct session *s, int code, const char *enhanced, const char *text)
{
	session_reply(s, code, enhanced, text);
	if (++s->bad < SERVER_BAD_MAX)
		return;
	session_reply(s, 421, "4.7.0", "Too many commands that are none; closing");
	session_end(s, EX_USAGE);
}

void
session_refuse_order(struct session *s, const char *text)
{
	if (s->sender_refused)
		session_reply(s, 503, "5.5.1", text);
	else
		session_refuse(s, 503, "5.5.1", text);
}

void
session_answer_failure(struct session *s, const struct outcome *o, const char *bad_address)
{
	struct verdict v;

	verdict_of(&v, o);
	if (o->cause == CAUSE_BAD_ADDRESS)
		session_refuse(s, v.code, bad_address, v.text.data);
	else
		session_reply(s, v.code, v.enhanced, v.text.data);
	buf_free(&v.text);
}

void
session_answer_success(struct session *s, const char *enhanced)
{
	const struct reply *r = &s->relay.client.reply;
	struct buf b = {0};

	verdict_add_words(&b, r->text, r->enhanced);
	session_reply(s, r->code, r->enhanced[0] == '2' ? r->enhanced : enhanced, buf_str(&b));
	buf_free(&b);
}

/* Transactions */

void
session_finish(struct session *s)
{
	s->result.envelope = &s->envelope;
	s->result.status = s->result.word != NULL ? s->status : submit_status(&s->result);
	s->setup->finished(s->setup->arg, &s->result);
	s->transactions++;
	submit_free(&s->result);
	envelope_free(&s->envelope);
	free(s->envid);
	s->envid = NULL;
	s->begun = s->stored = s->in_vain = false;
	s->asked = 0;
}

bool
session_is_verdict(const struct outcome *o)
{
	return o->stage >= STAGE_MAIL && o->code != 0 && o->code != 421;
}

bool
session_goes_on(struct session *s, const struct outcome *o)
{
	if (s->setup->keep == NULL || session_is_verdict(o) || !outcome_keeps(o))
		return false;
	s->stored = true;
	s->unreachable = *o;
	s->store_until = clock_now() + STORE_MS;
	if (s->result.tries == 0)
		submit_give_up(&s->result, o);
	relay_reset(&s->relay);
	return true;
}

/* The message goes into the queue. */
static int
store(struct session *s, struct outcome *o)
{
	for (size_t i = 0; i < s->envelope.count; i++)
		if (s->envelope.rcpt[i].state == RCPT_PENDING)
			s->envelope.rcpt[i].state = RCPT_TAKEN;	/* a try that failed has given them back */
	for (size_t i = 0; i < s->envelope.count; i++)	/* MAIL need not have asked for what an alias needs */
		s->envelope.utf8 = s->envelope.utf8 || (s->envelope.rcpt[i].state == RCPT_TAKEN && address_is_utf8(s->envelope.rcpt[i].path));
	return s->setup->keep(s->setup->arg, &s->result, &s->envelope, &s->message, &s->unreachable, o);
}

void
session_fail(struct session *s, const struct outcome *o, const char *bad_address)
{
	session_answer_failure(s, o, bad_address);
	s->result.outcome = *o;
	envelope_fail_rest(&s->envelope);
	session_finish(s);
}

/* The answer to a message that was taken. */
static void
answer_end(struct session *s)
{
	char text[80];

	if (!s->stored) {
		session_answer_success(s, "2.0.0");
		return;
	}
	(void)snprintf(text, sizeof(text), "In the queue as %s", s->result.queue_id);
	session_reply(s, 250, "2.0.0", text);
}

void
session_end_message(struct session *s, int status, struct outcome *o)
{
	if (status == 0 && s->stored)
		status = store(s, o);
	if (status == -1) {
		session_fail(s, o, "5.6.0");
		return;
	}
	answer_end(s);
	session_finish(s);
}
