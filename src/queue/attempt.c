/*
 * One attempt at a message of the queue. See attempt.h.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include "mail/notice.h"
#include "mem.h"
#include "notify.h"
#include "outgoing.h"
#include "queue/attempt.h"
#include "queue/schedule.h"
#include "report.h"

#define WARN_AFTER	(4 * 3600)	/* seconds until the sender is told that it takes long */
#define NOTICE_TIME	60		/* seconds that a notice has, where a message has as many */
#define TELL_MIN	86400		/* seconds that a notice has at least, though queue-lifetime may be shorter */

static size_t
count(const struct spool_item *item, enum spool_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < item->envelope.count; i++)
		n += item->state[i] == state;
	return n;
}

/* ---- the message ---- */

/* What an attempt has made of the recipients. Who may still get it is pending again; whoever cannot has failed. */
static void
take_over(struct spool_item *item, const struct result *r)
{
	for (size_t i = 0; i < item->envelope.count; i++) {
		struct recipient *rcpt = &item->envelope.rcpt[i];
		const struct outcome *fate = rcpt->fate != NULL ? rcpt->fate : &r->outcome;

		if (item->state[i] != SPOOL_PENDING)
			continue;
		if (rcpt->state == RCPT_DONE)
			item->state[i] = SPOOL_DONE;
		else if (rcpt->state == RCPT_FAILED && outcome_final(fate)) {
			if (rcpt->fate == NULL)
				envelope_fail(&item->envelope, i, fate);
			item->state[i] = SPOOL_FAILED;
		}
	}
}

/* Who has waited for too long has failed; what the last attempt said is told with it. */
static void
expire(struct spool_item *item, const struct result *r, time_t lifetime)
{
	struct outcome o;

	if (item->waited < lifetime)
		return;
	for (size_t i = 0; i < item->envelope.count; i++) {
		const struct outcome *last = item->envelope.rcpt[i].fate != NULL ? item->envelope.rcpt[i].fate : &r->outcome;

		if (item->state[i] != SPOOL_PENDING)
			continue;
		(void)outcome_set(&o, last->status != 0 ? last->status : EX_TEMPFAIL, STAGE_QUEUE, CAUSE_EXPIRED, last->why, "<%s> could not be sent to within %lld %s",
		    item->envelope.rcpt[i].path, (long long)(item->waited < 7200 ? item->waited / 60 : item->waited / 3600), item->waited < 7200 ? "minutes" : "hours");
		envelope_fail(&item->envelope, i, &o);
		item->state[i] = SPOOL_FAILED;
	}
}

/* ---- who is told ---- */

enum telling { TOLD, TELL_LATER, CANNOT_TELL };

/* The states as the log tells them. */
static void
set_states(struct spool_item *item)
{
	for (size_t i = 0; i < item->envelope.count; i++)
		item->envelope.rcpt[i].state = item->state[i] == SPOOL_PENDING ? RCPT_QUEUED : item->state[i] == SPOOL_DONE ? RCPT_DONE : RCPT_FAILED;
}

/* The states as a notice tells them: of those whom it is about, and of those who have got it. */
static void
set_states_about(struct spool_item *item, enum spool_state about, unsigned event)
{
	for (size_t i = 0; i < item->envelope.count; i++) {
		enum rcpt_state *state = &item->envelope.rcpt[i].state;

		if (item->state[i] == SPOOL_DONE)
			*state = RCPT_DONE;
		else if (item->state[i] == about && notice_asked(&item->envelope, i, event))
			*state = about == SPOOL_FAILED ? RCPT_FAILED : RCPT_QUEUED;
		else
			*state = RCPT_PENDING;
	}
}

/* The sender is told of those who have failed, and of them alone; or, until a time, of those who have to wait. */
static enum telling
tell(const struct attempt *a, struct spool_item *item, struct message *m, struct result *res, time_t until)
{
	enum spool_state about = until != 0 ? SPOOL_PENDING : SPOOL_FAILED;
	msec seconds = a->config->timeout < NOTICE_TIME ? a->config->timeout : NOTICE_TIME;
	struct notify_way way = {
		.config = a->config, .aliases = a->aliases, .host = a->host, .deadline = clock_now() + 1000 * seconds, .arrival = item->created, .until = until,
		.submission = a->submission, .postmaster = until == 0, .trace = a->trace,
	};
	struct result failed = {.started = res->started, .smarthost = res->smarthost};
	struct envelope *e = &item->envelope;
	struct buf text = {0};
	enum telling answer;
	bool told;

	set_states_about(item, about, until != 0 ? DSN_DELAY : DSN_FAILURE);
	failed.envelope = e;
	(void)strlcpy(failed.address, res->address, sizeof(failed.address));
	(void)strlcpy(failed.host, res->host, sizeof(failed.host));
	(void)strlcpy(failed.message_id, res->message_id, sizeof(failed.message_id));
	for (size_t i = 0; i < e->count; i++)
		if ((e->rcpt[i].state == RCPT_FAILED || e->rcpt[i].state == RCPT_QUEUED) && e->rcpt[i].fate != NULL)
			report_fate(&text, e->rcpt[i].fate);
	if (until != 0 && item->error.status != 0) {
		report_fate(&text, &item->error);
		failed.outcome = item->error;
	}
	told = notify_sender(&failed, m, buf_str(&text), &way) == 0;
	answer = told ? TOLD : failed.notice_later ? TELL_LATER : CANNOT_TELL;
	if (res->notice == NULL) {	/* that of a failure is the one that the log tells */
		res->notice = failed.notice;
		(void)strlcpy(res->notice_id, failed.notice_id, sizeof(res->notice_id));
		(void)strlcpy(res->notice_why, failed.notice_why, sizeof(res->notice_why));
	}
	buf_free(&text);
	submit_free(&failed);
	return answer;
}

/* Of those who have failed, those of whom the sender has been told; or those of whom he did not want to be. */
static void
mark_told(struct spool_item *item, bool unwanted)
{
	for (size_t i = 0; i < item->envelope.count; i++)
		if (item->state[i] == SPOOL_FAILED && !(unwanted && notice_asked(&item->envelope, i, DSN_FAILURE)))
			item->state[i] = SPOOL_TOLD;
}

/* Tells him of those who have failed. */
static enum telling
tell_failed(const struct attempt *a, struct spool_item *item, struct message *m, struct result *res)
{
	time_t lifetime = (time_t)a->config->queue_lifetime;
	enum telling told = TOLD;

	mark_told(item, true);
	if (count(item, SPOOL_FAILED) > 0)
		told = notice_may(&item->envelope, m) ? tell(a, item, m, res, 0) : CANNOT_TELL;
	if (told == TELL_LATER && item->waited >= lifetime + (lifetime > TELL_MIN ? lifetime : TELL_MIN))
		told = CANNOT_TELL;
	if (told == TOLD)
		mark_told(item, false);
	return told;
}

/* Tells him, once, that it takes long. */
static void
tell_delay(const struct attempt *a, struct spool_item *item, struct message *m, struct result *res)
{
	bool asked = false;

	for (size_t i = 0; i < item->envelope.count; i++)
		asked = asked || (item->state[i] == SPOOL_PENDING && notice_asked(&item->envelope, i, DSN_DELAY));
	if (asked && !item->warned && item->waited >= WARN_AFTER && notice_may(&item->envelope, m))
		item->warned = tell(a, item, m, res, item->tried + (time_t)a->config->queue_lifetime - item->waited) != TELL_LATER;
}

/* ---- what becomes of it ---- */

/* What cannot be removed must at least be known to be at its end. */
static int
remove_item(const struct attempt *a, struct spool_item *item, struct outcome *o)
{
	struct outcome ignored;

	if (spool_remove_soon(a->spool, item, o) == 0)
		return 0;
	(void)spool_update(item, &ignored);
	return -1;
}

/* It rests as if it had never been tried: who moves it back into the queue gives it another chance. What became of it is still told in it. */
static int
bury(const struct attempt *a, struct spool_item *item, struct outcome *o)
{
	struct spool_item as_is = *item;
	struct outcome ignored;
	int status;

	as_is.state = mem_grow(NULL, item->envelope.count, sizeof(*as_is.state));
	for (size_t i = 0; i < item->envelope.count; i++)
		as_is.state[i] = item->state[i] == SPOOL_FAILED ? SPOOL_PENDING : item->state[i];
	as_is.next = as_is.tried = as_is.asked = as_is.waited = 0;
	as_is.attempts = 0;
	as_is.warned = false;
	(void)spool_update(&as_is, &ignored);
	status = spool_bury(a->spool, item, o);
	if (status == -1)
		(void)spool_update(item, &ignored);
	free(as_is.state);
	return status;
}

/* Writes down what is so, tells the sender what must be told, and removes what is at its end. */
static int
conclude(const struct attempt *a, struct spool_item *item, struct message *m, struct result *res, struct outcome *o)
{
	enum telling told;

	if (count(item, SPOOL_DONE) == item->envelope.count)
		return remove_item(a, item, o);
	if (spool_update(item, o) == -1)
		return -1;
	told = tell_failed(a, item, m, res);
	if (told == TOLD && count(item, SPOOL_PENDING) > 0 && spool_update(item, o) == -1)
		return -1;
	tell_delay(a, item, m, res);
	if (count(item, SPOOL_PENDING) > 0 || told == TELL_LATER)
		return spool_update(item, o);
	if (told == TOLD)
		return remove_item(a, item, o);
	if (bury(a, item, o) == -1)
		return -1;
	(void)strlcpy(res->warning, "nobody could be told: it rests in failed/ of the queue", sizeof(res->warning));
	return 0;
}

static const char *
word_for(const struct spool_item *item)
{
	if (count(item, SPOOL_PENDING) > 0)
		return count(item, SPOOL_PENDING) == item->envelope.count ? "deferred" : "partial";
	return count(item, SPOOL_DONE) == item->envelope.count ? "sent" : count(item, SPOOL_DONE) > 0 ? "partial" : "failed";
}

void
attempt_log_trouble(const char *id, const struct outcome *o)
{
	struct result res = {.started = clock_now(), .outcome = *o, .status = o->status, .word = "broken"};

	(void)strlcpy(res.queue_id, id, sizeof(res.queue_id));
	report_log(&res);
}

/* That it is tried now, before it is: whoever is killed by it does not begin with it again. */
static int
note_attempt(const struct attempt *a, struct spool_item *item, struct outcome *o)
{
	time_t now = time(NULL);

	item->waited = schedule_waited(item, (time_t)a->config->queue_lifetime, now);
	item->tried = item->asked = now;
	item->attempts++;
	item->next = schedule_next(item->waited, now);
	return spool_note(item, false, o);	/* what a power loss undoes of it is tried once more */
}

static void
dispose(struct attempted *t, int status, const struct outcome *o)
{
	if (status == -1)
		attempt_log_trouble(t->item.id, o);
	message_free(&t->message);
	submit_free(&t->result);
	spool_item_close(&t->item);
	free(t);
}

struct attempted *
attempt_begin(const struct attempt *a, struct spool_item *item, struct outcome *o)
{
	struct attempted *t = mem_alloc(sizeof(*t));
	int status;

	*o = (struct outcome){0};
	t->item = *item;
	*item = (struct spool_item){.fd = -1};
	t->asked = t->item.asked;
	t->message.body.fd = -1;
	t->result = (struct result){.started = clock_now(), .envelope = &t->item.envelope};
	(void)strlcpy(t->result.queue_id, t->item.id, sizeof(t->result.queue_id));
	if (count(&t->item, SPOOL_PENDING) + count(&t->item, SPOOL_FAILED) == 0) {
		dispose(t, spool_remove_soon(a->spool, &t->item, o), o);	/* which could not be done when it ended */
		return NULL;
	}
	status = note_attempt(a, &t->item, o);
	if (status == 0)
		status = spool_message(&t->item, &t->message, o);
	if (status == -1) {
		dispose(t, -1, o);
		return NULL;
	}
	outgoing_message_id(&t->message, t->result.message_id, sizeof(t->result.message_id));
	for (size_t i = 0; i < t->item.envelope.count; i++)
		if (t->item.state[i] == SPOOL_PENDING)
			envelope_revive(&t->item.envelope, i, RCPT_PENDING);	/* what the last attempt said of him is over */
	t->sends = count(&t->item, SPOOL_PENDING) > 0;
	return t;
}

msec
attempt_time(const struct attempt *a, const struct attempted *t)
{
	return 1000 * ((msec)a->config->timeout + (msec)(t->item.size / 65536));
}

void
attempt_send(const struct attempt *a, struct attempted *t)
{
	t->result.started = clock_now();
	if (t->sends)
		(void)submission_send(a->submission, &t->result, &t->item.envelope, &t->message, t->result.started + attempt_time(a, t));
}

int
attempt_record(struct attempted *t, struct outcome *o)
{
	take_over(&t->item, &t->result);
	return spool_update(&t->item, o);
}

bool
attempt_is_plain(const struct attempted *t)
{
	return envelope_count(&t->item.envelope, RCPT_DONE) == t->item.envelope.count;
}

int
attempt_end(const struct attempt *a, struct attempted *t, struct outcome *o)
{
	struct spool_item *item = &t->item;
	struct result *res = &t->result;
	int status;

	*o = (struct outcome){0};
	if (t->sends) {
		item->error = res->outcome;
		take_over(item, res);
		expire(item, res, (time_t)a->config->queue_lifetime);
		if (!res->asked)
			item->asked = t->asked;	/* they were all found unusable before */
	}
	status = conclude(a, item, &t->message, res, o);
	set_states(item);
	res->word = word_for(item);
	res->status = submit_fates(res);
	report_log(res);
	dispose(t, status, o);
	return status;
}
