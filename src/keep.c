/*
 * A message for the queue. See keep.h.
 */
#include <sys/auxv.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include "keep.h"
#include "log.h"
#include "queue/runner.h"
#include "queue/schedule.h"
#include "queue/spool.h"
#include "report.h"

/* Who has not got it yet, and may. */
static bool
is_unfinished(const struct envelope *e, size_t i)
{
	const struct recipient *r = &e->rcpt[i];

	return r->state == RCPT_PENDING || (r->state == RCPT_FAILED && r->fate != NULL && outcome_keeps(r->fate));
}

/* The same where the run as a whole has failed for a reason that passes: those without a fate of their own share it. */
static bool
is_unfinished_with_run(const struct envelope *e, size_t i)
{
	return is_unfinished(e, i) || (e->rcpt[i].state == RCPT_FAILED && e->rcpt[i].fate == NULL);
}

static bool
is_taken(const struct envelope *e, size_t i)
{
	return e->rcpt[i].state == RCPT_TAKEN;
}

int
keep_room(const struct config *c, struct spool *s, uint64_t size, struct outcome *o)
{
	uint64_t messages, octets, max = (uint64_t)c->queue_max_size * 1024 * 1024;
	char why[100];

	if (c->queue_max_messages == 0 && c->queue_max_size == 0)
		return 0;
	if (spool_usage(s, &messages, &octets, o) == -1)
		return -1;
	(void)snprintf(why, sizeof(why), "messages: %llu, octets: %llu", (unsigned long long)messages, (unsigned long long)octets);
	if ((c->queue_max_messages > 0 && messages >= (uint64_t)c->queue_max_messages) || (max > 0 && octets + size > max))
		return outcome_set(o, EX_CANTCREAT, STAGE_QUEUE, CAUSE_QUEUE_LIMIT, why, "the queue %s is full by its configuration", c->queue);
	return 0;
}

/* The message goes into the queue for those that are wanted, who end RCPT_QUEUED. -1: o. */
static int
put_into_queue(const struct config *c, struct result *r, struct envelope *e, struct message *m, bool (*wanted)(const struct envelope *, size_t),
    const struct outcome *error, time_t next, struct outcome *o)
{
	struct spool spool;
	int status;

	if (spool_open(&spool, c->queue, o) == -1)
		return -1;
	status = keep_room(c, &spool, message_size(m), o);
	if (status == 0)
		status = spool_put(&spool, e, wanted, m, error, next, r->queue_id, o);
	spool_close(&spool);
	if (status == -1)
		return -1;
	r->kept = *error;
	for (size_t i = 0; i < e->count; i++) {
		if (!wanted(e, i))
			continue;
		if (r->kept.status == 0 && e->rcpt[i].fate != NULL)
			r->kept = *e->rcpt[i].fate;
		envelope_revive(e, i, RCPT_QUEUED);
	}
	r->size = message_size(m);
	r->envelope = e;
	r->word = submit_fates(r) == 0 ? "queued" : NULL;
	return 0;
}

int
keep_now(const struct keeper *k, struct result *r, struct envelope *e, struct message *m, struct outcome *o)
{
	static const struct outcome nothing = {0};

	return put_into_queue(k->config, r, e, m, is_unfinished, &nothing, time(NULL), o);
}

int
keep_taken(const struct keeper *k, struct result *r, struct envelope *e, struct message *m, const struct outcome *error, struct outcome *o)
{
	time_t now = time(NULL);

	return put_into_queue(k->config, r, e, m, is_taken, error, error->status != 0 ? schedule_next(0, now) : now, o);
}

void
keep_rest(const struct keeper *k, struct result *r, struct envelope *e, struct message *m)
{
	bool run = r->outcome.status != 0 && outcome_keeps(&r->outcome);
	bool (*wanted)(const struct envelope *, size_t) = run ? is_unfinished_with_run : is_unfinished;
	struct outcome error = r->outcome, o;
	time_t now = time(NULL);
	size_t n = 0;

	for (size_t i = 0; i < e->count; i++)
		n += wanted(e, i);
	if (n == 0)
		return;
	if (run)
		r->outcome = (struct outcome){0};
	if (put_into_queue(k->config, r, e, m, wanted, &error, schedule_next(0, now), &o) == 0)
		return;
	if (error.status != 0 && r->tries == 0)
		submit_give_up(r, &error);
	r->outcome = o;
}

/* A run of the queue in the background: nobody is told but the log. */
static void
run_aside(void *arg)
{
	const struct keeper *k = arg;
	struct trace silent;
	struct runner_setup setup = {.config = k->config, .aliases = k->aliases, .host = k->host, .trace = &silent, .woken = true};
	struct runner_result res;
	struct outcome o;

	trace_init(&silent, -1, k->config->transcript);
	log_detach();
	if (runner_run(&setup, &res, &o) == -1)
		report_note(&o);
}

void
keep_wake(const struct keeper *k)
{
	struct keeper copy = *k;
	struct outcome o;

	if (k->config->queue == NULL || !spool_is_own(k->config->queue) || !spool_has_any(k->config->queue) || runner_detach(run_aside, &copy) == 0)
		return;
	(void)outcome_set(&o, EX_OSERR, STAGE_QUEUE, CAUSE_SYSTEM, strerror(errno), "cannot start a run of the queue");
	report_note(&o);
}

bool
keep_only(const struct config *c)
{
	return c->queue != NULL && getauxval(AT_SECURE) != 0 && !spool_is_own(c->queue);
}

enum delivery_mode
keep_mode(const struct keeper *k)
{
	const struct config *c = k->config;

	if (c->queue == NULL)
		return DELIVERY_INTERACTIVE;
	if (keep_only(c))
		return DELIVERY_QUEUE;
	if (k->options->delivery != DELIVERY_DEFAULT)
		return k->options->delivery;
	return c->delivery == 'b' ? DELIVERY_BACKGROUND : c->delivery == 'q' ? DELIVERY_QUEUE : DELIVERY_INTERACTIVE;
}
