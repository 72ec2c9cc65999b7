/*
 * The modes of the queue. See desk.h.
 */
#include <sys/select.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>
#include "desk.h"
#include "printable.h"
#include "put.h"
#include "queue/list.h"
#include "queue/runner.h"
#include "queue/spool.h"
#include "report.h"

static int
told(const struct outcome *o)
{
	report_note(o);
	report_failure(STDERR_FILENO, o);
	return o->status;
}

/* ---- an end that was asked for ---- */

static volatile sig_atomic_t stopping;

static void
stop(int sig)
{
	(void)sig;
	stopping = 1;
}

static bool
is_stopping(void)
{
	return stopping != 0;
}

/* Whoever ends a run that goes on and on gets the message that is being sent finished; asked twice, it ends at once. What was ignored stays so. */
static void
heed(int sig)
{
	struct sigaction end = {.sa_handler = stop, .sa_flags = SA_RESTART | (int)SA_RESETHAND}, before;

	(void)sigemptyset(&end.sa_mask);
	if (sigaction(sig, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		(void)sigaction(sig, &end, NULL);
}

/* Until the next run, or the end. */
static void
rest(long seconds)
{
	struct timespec time = {.tv_sec = seconds};
	sigset_t ends, before;

	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &ends, &before);
	if (!is_stopping())
		(void)pselect(0, NULL, NULL, NULL, &time, &before);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
}

/* ---- the modes ---- */

static int
run_once(const struct keeper *k, bool all, struct outcome *o)
{
	struct runner_setup setup = {
		.config = k->config, .aliases = k->aliases, .host = k->host, .trace = k->trace, .all = all, .stopped = is_stopping, .match = k->options->match,
		.match_text = k->options->match_text,
	};
	struct runner_result res;

	if (runner_run(&setup, &res, o) == -1)
		return told(o);
	return res.trouble.status != 0 ? told(&res.trouble) : EX_OK;
}

/* Where a mode needs the queue: -1 says why it may not be used. Who only puts messages into it may not see those of others. */
static int
check_queue(const struct config *c, struct outcome *o)
{
	if (o->status != 0)
		return -1;
	if (c->queue == NULL)
		return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, "queue is not set", "there is no queue");
	if (!spool_is_own(c->queue))
		return outcome_set(o, EX_NOPERM, STAGE_QUEUE, CAUSE_QUEUE_FOREIGN, "it belongs to another user", "cannot look into the queue %s", c->queue);
	return 0;
}

static int
open_queue(const struct config *c, struct spool *s, struct outcome *o)
{
	return check_queue(c, o) == -1 ? -1 : spool_open(s, c->queue, o);
}

/* Exit status 1: --older-than, and something is. */
int
desk_list(const struct keeper *k, struct outcome *o)
{
	const struct options *opt = k->options;
	struct buf out = {0};
	struct spool s;
	size_t shown, buried = 0;
	int status;

	if (o->status == 0 ? k->config->queue == NULL : o->cause == CAUSE_CONFIG_MISSING)
		return report_say(opt->json ? "[]\n" : "Mail queue is empty (no queue is configured)\n");
	status = open_queue(k->config, &s, o);
	if (status == 0) {
		status = list_queue(&out, &s, opt->json, opt->older, &shown, o);
		buried = spool_buried(&s);
		spool_close(&s);
	}
	if (status == -1)
		return told(o);
	if (shown == 0 && !opt->json && opt->older == 0)
		buf_puts(&out, "Mail queue is empty\n");
	if (buried > 0 && !opt->json)
		buf_printf(&out, "In %s/failed, where nobody could be told of them: %zu\n", k->config->queue, buried);
	status = out.len > 0 ? report_say(out.data) : EX_OK;
	buf_free(&out);
	return status == EX_OK && opt->older > 0 && shown > 0 ? 1 : status;
}

/* The message as it would go out; on a terminal with nothing that it would obey. */
static int
show(const struct spool_item *item, struct outcome *o)
{
	bool terminal = isatty(STDOUT_FILENO) == 1;
	char block[65536];
	struct buf line = {0};
	uint64_t at = 0;
	int status = 0;

	while (status == 0 && at < item->size) {
		size_t n = item->size - at < sizeof(block) ? (size_t)(item->size - at) : sizeof(block);

		status = spool_octets(item, at, block, n, o);
		if (status == -1)
			break;
		buf_reset(&line);
		for (size_t i = 0; i < n && terminal; i++)
			if (block[i] == '\n')
				buf_putc(&line, '\n');
			else if (block[i] != '\r')
				printable_add(&line, block + i, 1, 1);
		status = put(STDOUT_FILENO, terminal ? buf_str(&line) : block, terminal ? line.len : n, PUT_WAIT);
		if (status == -1)
			(void)outcome_set(o, EX_IOERR, STAGE_NONE, CAUSE_OUTPUT, strerror(errno), "cannot write to standard output");
		at += n;
	}
	buf_free(&line);
	return status;
}

/* One message, which is held against all others unless it is only shown. */
static int
steer_item(char how, struct spool *s, struct spool_item *item, struct outcome *o)
{
	switch (how) {
	case 'r':
		return spool_remove(s, item, o);
	case 's':
		return show(item, o);
	case 'l':
		item->next = time(NULL);
		break;
	}
	item->held = how == 'h';
	return spool_note(item, true, o);
}

int
desk_steer(const struct keeper *k, struct outcome *o)
{
	const char *id = k->options->match_text;
	enum spool_answer answer;
	struct spool_item item;
	struct spool s;
	bool busy;
	int status;

	if (open_queue(k->config, &s, o) == -1)
		return told(o);
	if (k->options->steer == 's')
		answer = spool_look(&s, id, &item, &busy, o);
	else
		answer = spool_get(&s, id, false, &item, o);
	status = answer == SPOOL_OK ? steer_item(k->options->steer, &s, &item, o) : -1;
	if (answer == SPOOL_BROKEN && k->options->steer == 'r')
		status = spool_remove_id(&s, id, o);
	if (answer == SPOOL_GONE)
		(void)outcome_set(o, EX_USAGE, STAGE_USAGE, CAUSE_USAGE, "mailq shows those that there are", "there is no message %.40s in the queue", id);
	else if (answer == SPOOL_BUSY)
		(void)outcome_set(o, EX_TEMPFAIL, STAGE_QUEUE, CAUSE_QUEUE_BUSY, "it is being sent", "cannot change message %.40s of the queue", id);
	if (answer == SPOOL_OK)
		spool_item_close(&item);
	spool_close(&s);
	return status == -1 ? told(o) : EX_OK;
}

int
desk_run(const struct keeper *k, struct outcome *o)
{
	long interval = k->options->interval;
	int status = EX_OK, before;

	if (check_queue(k->config, o) == -1)
		return told(o);
	if (interval == 0)
		return run_once(k, true, o);
	heed(SIGTERM);
	heed(SIGINT);
	/* A queue that cannot be used ends it, so that an init system sees it; unless that may have been for a moment only. */
	for (bool first = true; !is_stopping(); first = false) {
		before = status;
		status = run_once(k, false, o);
		if (status == EX_CANTCREAT && (first || before == EX_CANTCREAT))
			return status;
		rest(interval);
	}
	return EX_OK;
}
