/*
 * Sends what is due in the queue. See runner.h.
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>
#include "mem.h"
#include "queue/attempt.h"
#include "queue/runner.h"
#include "queue/schedule.h"
#include "queue/spool.h"
#include "queue/turn.h"
#include "submit.h"

#define CHUNK		8192	/* messages that are known of at a time */
#define CREW_AFTER	4	/* messages that tell how long one takes, behind the first */
#define CREW_LEAST	32	/* messages that are worth others */
#define CREW_OPEN_MS	5000	/* milliseconds for a further connection: some let it wait for as long as there is the first one */
#define CREW_WORTH	500	/* milliseconds of work for each of them */
#define SYNC_MOST	64	/* messages that were removed */
#define FILES_LEAST	16	/* that may be open, whatever the limit is */
#define BACKS_MAX	32	/* messages that wait until nothing is in flight */
#define RENEW_MS	60000	/* milliseconds for which a smarthost that was of no use is not asked again */

/* One run. */
struct runner {
	const struct runner_setup *setup;
	struct runner_result *res;
	struct spool spool;
	struct submission submission;
	msec begun;		/* when seen was */
	msec renewed;		/* when the smarthosts were last given a chance */
	int turn;		/* the file "runner" */
	bool all;		/* also what is not due yet */
	char match;		/* as in setup */
	size_t most;		/* messages that may be in flight: each has a file open */
	size_t flying;
	size_t backs;
	pid_t worker[CONFIG_CONNECTIONS_MAX];	/* who sends at the same time */
	size_t crew;		/* their number */
	bool hired;		/* that was seen to, for this part of the list */
	time_t since;		/* when they began; 0: nobody else sends */
	struct attempted *back;	/* what is to be sent alone, or has somebody to be told, when nothing is in flight any more; the latest first */
	char **seen;		/* what cannot be used, or written to: once in a run, though it stays as it is */
	size_t seens;
};

/* ---- which ---- */

static bool
matches(const struct runner *r, const struct spool_item *item)
{
	const struct envelope *e = &item->envelope;
	const char *text = r->setup->match_text;
	bool found = false;

	switch (r->match) {
	case 'I':
		return strstr(item->id, text) != NULL;
	case 'S':
		return strcasestr(e->sender, text) != NULL;
	case 'R':
		for (size_t i = 0; i < e->count; i++)
			found = found || (item->state[i] == SPOOL_PENDING && strcasestr(e->rcpt[i].path, text) != NULL);
		return found;
	default:
		return true;
	}
}

static bool
is_time(const struct runner *r, time_t next, bool held)
{
	return !held && (r->all || schedule_is_due(next, time(NULL)));
}

static void
remember(struct runner *r, const char *id)
{
	r->seen = mem_grow(r->seen, r->seens + 1, sizeof(*r->seen));
	r->seen[r->seens++] = mem_dup(id);
}

/* ---- the sending of it ---- */

static struct attempt
attempt_of(struct runner *r)
{
	const struct runner_setup *setup = r->setup;

	return (struct attempt){
		.config = setup->config, .aliases = setup->aliases, .host = setup->host, .trace = setup->trace, .spool = &r->spool, .submission = &r->submission,
	};
}

static void
end_attempt(struct runner *r, struct attempted *t)
{
	const struct attempt a = attempt_of(r);
	struct outcome o;

	if (attempt_end(&a, t, &o) == -1 || (r->spool.unsynced >= r->spool.unsynced_most && spool_sync(&r->spool, false, &o) == -1))
		r->res->trouble = o;
}

/* Takes out of the pipeline what comes out first. False: there was nothing. */
static bool
land(struct runner *r)
{
	const struct pipelined *x = submission_get(&r->submission);
	struct attempted *t;
	struct outcome o;

	if (x == NULL)
		return false;
	r->flying--;
	t = x->owner;
	submission_tell(&r->submission, x, &t->result);
	t->again = x->again || (x->status == 0 && envelope_count(&t->item.envelope, RCPT_PENDING) > 0);
	if (!t->again && attempt_is_plain(t)) {
		end_attempt(r, t);
		return true;
	}
	if (envelope_count(&t->item.envelope, RCPT_DONE) > 0 && attempt_record(t, &o) == -1)
		r->res->trouble = o;
	t->next = r->back;
	r->back = t;
	r->backs++;
	return true;
}

/* Nothing is in flight any more. What has come back is sent alone, and whoever has to be told is. */
static void
land_all(struct runner *r)
{
	const struct attempt a = attempt_of(r);
	struct attempted *t, *list = NULL;
	struct outcome o;

	while (land(r))
		;
	while ((t = r->back) != NULL) {	/* in their order again */
		r->back = t->next;
		t->next = list;
		list = t;
	}
	r->backs = 0;
	while ((t = list) != NULL) {
		list = t->next;
		if (t->again)
			attempt_send(&a, t);
		end_attempt(r, t);
	}
	if (spool_sync(&r->spool, true, &o) == -1)
		r->res->trouble = o;
}

/* Room for one more. It is read from disk before, so that the smarthost has its time meanwhile. */
static void
make_room(struct runner *r)
{
	if (submission_is_full(&r->submission) || r->flying + r->backs >= r->most)
		for (size_t half = r->flying / 2; r->flying > half; )
			(void)land(r);
	if (r->backs >= BACKS_MAX || r->flying + r->backs >= r->most)
		land_all(r);
}

/* Sends it, along with others where that can be. */
static void
try(struct runner *r, struct spool_item *item)
{
	char id[SPOOL_ID_SIZE];
	const struct attempt a = attempt_of(r);
	struct attempted *t;
	struct outcome o;

	if (clock_now() - r->renewed > RENEW_MS) {	/* a run may last for as long as mail comes */
		submission_renew(&r->submission);
		r->renewed = clock_now();
	}
	r->res->tried++;
	(void)strlcpy(id, item->id, sizeof(id));
	t = attempt_begin(&a, item, &o);
	if (t == NULL) {
		if (o.status != 0)
			r->res->trouble = o;
		remember(r, id);
		return;
	}
	make_room(r);
	if (!t->sends || !submission_takes(&r->submission, &t->item.envelope, &t->message)) {
		land_all(r);
		attempt_send(&a, t);
		end_attempt(r, t);
		return;
	}
	submission_put(&r->submission, &t->item.envelope, &t->message, attempt_time(&a, t), t);
	r->flying++;
}

/* ---- one after the other ---- */

/* One message of the list. */
static void
consider(struct runner *r, const char *id)
{
	struct spool_item item;
	struct outcome why;
	enum spool_answer answer = spool_get(&r->spool, id, true, &item, &why);

	if (answer == SPOOL_BROKEN && why.cause == CAUSE_SYSTEM)
		r->res->trouble = why;
	else if (answer == SPOOL_BROKEN) {
		remember(r, id);
		if (!r->setup->woken)
			attempt_log_trouble(id, &why);
	}
	if (answer != SPOOL_OK)
		return;
	if (is_time(r, item.next, item.held) && matches(r, &item) && !(r->since != 0 && item.tried >= r->since))
		try(r, &item);
	spool_item_close(&item);
}

static bool
is_stopped(const struct runner *r)
{
	return r->setup->stopped != NULL && r->setup->stopped();
}

/* A message that may be tried now, and when a smarthost was last asked for it. */
struct candidate {
	time_t asked;
	char id[SPOOL_ID_DIGITS + 1];
};

/* That of whom none was asked for longest comes first: whatever may hold a run up is not in the way of the same messages each time. */
static int
compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	return x->asked != y->asked ? (x->asked < y->asked ? -1 : 1) : strcmp(x->id, y->id);
}

static bool
was_seen(const struct runner *r, const char *id)
{
	return r->seens > 0 && bsearch(&id, r->seen, r->seens, sizeof(*r->seen), spool_compare) != NULL;
}

/*
 * Whether it may be tried in this pass, before all of it is read. What was asked for since the pass began has had its turn; one that seems to be asked for in time to come was
 * before the clock was put back.
 */
static bool
may_try(const struct runner *r, const char *id, time_t pass, bool first, struct candidate *c)
{
	struct spool_item head = {0};
	time_t now = time(NULL);

	*c = (struct candidate){0};
	(void)strlcpy(c->id, id, sizeof(c->id));
	if (was_seen(r, id))
		return false;
	if (!spool_peek(&r->spool, id, &head))
		return true;	/* consider() tells why */
	c->asked = head.asked > now ? 0 : head.asked;
	return is_time(r, head.next, head.held) && (first || head.asked < pass || head.asked > now);
}

/*
 * The next of those that may be tried, behind the last one where there were some before: CHUNK at the most, however many there are in the queue, in list, which has room for
 * twice as many.
 */
static int
choose(struct runner *r, struct candidate *list, size_t *n, const struct candidate *last, time_t pass, struct outcome *o)
{
	struct candidate c, bound = {0};
	struct spool_walk w;
	const char *id;

	*n = 0;
	if (r->seens > 0)
		qsort(r->seen, r->seens, sizeof(*r->seen), spool_compare);
	if (spool_walk_begin(&r->spool, &w, o) == -1)
		return -1;
	while ((id = spool_walk_next(&w)) != NULL) {
		if (!may_try(r, id, pass, last == NULL, &c) || (last != NULL && compare(&c, last) <= 0) || (bound.id[0] != '\0' && compare(&c, &bound) > 0))
			continue;
		list[(*n)++] = c;
		if (*n == 2 * CHUNK) {
			qsort(list, *n, sizeof(*list), compare);
			*n = CHUNK;
			bound = list[CHUNK - 1];
		}
	}
	if (*n > 0)
		qsort(list, *n, sizeof(*list), compare);
	if (*n > CHUNK)
		*n = CHUNK;
	return spool_walk_end(&w, o);
}

/* ---- several at once ---- */

/*
 * Each goes through the whole list, beginning elsewhere: what another one has open, or has tried in this pass, is passed over. Who gets no connection does nothing, and the
 * rest is done without him.
 */
static _Noreturn void
work(struct runner *r, const struct candidate *list, size_t n, size_t start, pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);	/* whoever ends the run ends all of it */
	if (getppid() != parent)
		_exit(0);
	submission_leave(&r->submission);
	*r->res = (struct runner_result){0};
	r->crew = 0;
	if (submission_open(&r->submission, clock_now() + CREW_OPEN_MS))
		for (size_t i = 0; i < n && !is_stopped(r); i++)
			consider(r, list[(start + i) % n].id);
	land_all(r);
	submission_end(&r->submission);
	_exit(r->res->trouble.status);
}

/*
 * How many others are worth their connection: where each message takes a round trip, since the smarthost offers no CHUNKING, and the rest would take long.
 */
static size_t
worth(const struct runner *r, msec begun, size_t done, size_t left)
{
	size_t most = (size_t)r->setup->config->queue_connections - 1, others;
	msec took = clock_now() - begun;

	if (r->hired || r->match != '\0' || done < CREW_AFTER || left < CREW_LEAST || !submission_is_serial(&r->submission))
		return 0;
	others = (size_t)(took * (msec)left / (msec)done / CREW_WORTH);
	return others > most ? most : others;
}

static void
hire(struct runner *r, const struct candidate *list, size_t n, size_t others)
{
	pid_t parent = getpid();

	r->hired = true;	/* or could not be */
	land_all(r);
	r->since = time(NULL);
	for (size_t k = 1; k <= others && r->crew < CONFIG_CONNECTIONS_MAX; k++) {
		pid_t pid = fork();

		if (pid == 0)
			work(r, list, n, k * n / (others + 1), parent);
		if (pid == -1)
			break;
		r->worker[r->crew++] = pid;
	}
}

/* True where one of them has ended; who did not end well has told it to the log. */
static bool
one_is_done(struct runner *r)
{
	for (size_t i = 0; i < r->crew; i++) {
		int status = 0;
		pid_t pid = waitpid(r->worker[i], &status, WNOHANG);

		if (pid == 0 || (pid == -1 && errno == EINTR))
			continue;
		r->worker[i] = r->worker[--r->crew];
		if (status != 0 && !is_stopped(r))
			(void)outcome_set(&r->res->trouble, EX_IOERR, STAGE_QUEUE, CAUSE_QUEUE, "the log tells which", "cannot use messages of the queue %s", r->setup->config->queue);
		return true;
	}
	return false;
}

/* Whoever ends the run ends it for all; each finishes what it is at. */
static void
wait_for_crew(struct runner *r)
{
	const struct timespec moment = {.tv_nsec = 10000000};
	bool told = false;

	while (r->crew > 0) {
		for (size_t i = 0; is_stopped(r) && !told && i < r->crew; i++)
			(void)kill(r->worker[i], SIGTERM);
		told = is_stopped(r);
		if (!one_is_done(r))
			(void)nanosleep(&moment, NULL);
	}
	r->since = 0;
}

/* One pass over all there is. The number of messages that were tried, or -1. */
static ptrdiff_t
pass(struct runner *r, struct outcome *o)
{
	struct candidate *list = mem_grow(NULL, 2 * CHUNK, sizeof(*list)), last;
	size_t n, before = r->res->tried, others;
	time_t day = time(NULL);
	bool first = true;
	int status;

	do {
		size_t from = 0, tried = r->res->tried;
		msec begun = 0;

		status = choose(r, list, &n, first ? NULL : &last, day, o);
		first = r->hired = false;
		for (size_t i = 0; status == 0 && i < n && !is_stopped(r); i++) {
			consider(r, list[i].id);
			if (begun == 0 && r->res->tried > tried) {	/* that one has waited for the connection */
				begun = clock_now();
				from = i;
			}
			if (begun != 0 && (others = worth(r, begun, i - from, n - i - 1)) > 0)
				hire(r, list + i + 1, n - i - 1, others);
		}
		if (n > 0)
			last = list[n - 1];
		land_all(r);
		wait_for_crew(r);
	} while (status == 0 && n == CHUNK && !is_stopped(r));
	free(list);
	return status == -1 ? -1 : (ptrdiff_t)(r->res->tried - before);
}

/* Until nothing is due: what is not due yet is for the first pass alone. */
static int
run_all(struct runner *r, struct outcome *o)
{
	ptrdiff_t n;

	do {
		n = pass(r, o);
		r->all = false;
	} while (n > 0 && !is_stopped(r));
	return n == -1 ? -1 : 0;
}

/* ---- one run at a time ---- */

static void
forget_seen(struct runner *r)
{
	while (r->seens > 0)
		free(r->seen[--r->seens]);
}

/* For those who asked meanwhile. A person who did may know that the smarthost is there again. What was tried a while ago may be due again. */
static void
begin_anew(struct runner *r, bool all)
{
	r->match = '\0';
	r->all = all;
	if (all || clock_now() - r->begun > RENEW_MS) {
		forget_seen(r);
		submission_renew(&r->submission);
		r->begun = r->renewed = clock_now();
	}
}

static int
run_alone(struct runner *r, struct outcome *o)
{
	bool first = true;
	int status = 0, turn = 0;

	for (; status == 0 && (turn = turn_take(r->turn)) == 0; first = false) {
		bool marked = true;
		enum turn_request wanted = first && r->match != '\0' ? TURN_NONE : turn_accept(r->turn, &marked);	/* others come after the few that were asked for */

		if (first)
			r->all = r->all || wanted == TURN_ALL;
		else
			begin_anew(r, wanted == TURN_ALL);
		status = run_all(r, o);
		turn_give_back(r->turn);
		if (status == -1 || !marked || is_stopped(r) || turn_wanted(r->turn) == TURN_NONE)
			return status;
	}
	if (status == 0 && turn == -1)
		return spool_failed(&r->spool, EX_CANTCREAT, "lock the file runner in", o);
	r->res->elsewhere = status == 0 && first;
	return status;
}

/* Only some were asked for: whoever runs now does not know which. */
static int
run_matched(struct runner *r, struct outcome *o)
{
	msec until = clock_now() + 1000 * (msec)r->setup->config->timeout;
	struct timespec moment = {.tv_nsec = 100000000};
	int status;

	while ((status = run_alone(r, o)) == 0 && r->res->elsewhere && clock_now() < until) {
		r->res->elsewhere = false;
		(void)nanosleep(&moment, NULL);
	}
	if (status == 0 && r->res->elsewhere)
		return outcome_set(o, EX_TEMPFAIL, STAGE_QUEUE, CAUSE_QUEUE_BUSY, "another run of it goes on", "cannot run the queue %s", r->setup->config->queue);
	return status;
}

/* Each message has a file open: those in flight, the one that was read last, those that were removed, and those that are being deleted. */
static void
share_files(struct runner *r)
{
	struct rlimit limit;
	size_t files = FILES_LEAST, most;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 2 > files)
		files = limit.rlim_cur < 4 * PIPELINE_MAX ? (size_t)limit.rlim_cur / 2 : 2 * PIPELINE_MAX;
	r->spool.unsynced_most = files / 8 < SYNC_MOST ? files / 8 : SYNC_MOST;
	most = files - 2 * r->spool.unsynced_most - 1;
	r->most = most < PIPELINE_MAX ? most : PIPELINE_MAX;
}

int
runner_run(const struct runner_setup *setup, struct runner_result *res, struct outcome *o)
{
	struct runner r = {.setup = setup, .res = res, .turn = -1, .all = setup->all || setup->match != '\0', .match = setup->match, .begun = clock_now(), .renewed = clock_now()};
	int status = -1;

	*res = (struct runner_result){0};
	if (spool_open(&r.spool, setup->config->queue, o) == -1)
		return -1;
	share_files(&r);
	if (r.spool.foreign)
		(void)outcome_set(o, EX_NOPERM, STAGE_QUEUE, CAUSE_QUEUE_FOREIGN, "it belongs to another user", "cannot run the queue %s", setup->config->queue);
	else
		r.turn = spool_open_runner(&r.spool, o);
	if (r.turn != -1) {
		if (setup->match == '\0')
			turn_ask(&r.spool, setup->all ? TURN_ALL : TURN_DUE);
		submission_begin(&r.submission, setup->config, setup->trace);
		status = setup->match != '\0' ? run_matched(&r, o) : run_alone(&r, o);
		submission_end(&r.submission);
	}
	forget_seen(&r);
	free(r.seen);
	if (r.turn != -1)
		(void)close(r.turn);
	spool_close(&r.spool);
	return status;
}

int
runner_detach(void (*run)(void *), void *arg)
{
	pid_t pid = fork();
	int null, status;

	if (pid == -1)
		return -1;
	if (pid > 0) {
		while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
			;
		return 0;
	}
	pid = fork();	/* so that it is nobody's child */
	if (pid != 0)
		_exit(pid == -1 ? EX_OSERR : 0);
	(void)setsid();
	null = open("/dev/null", O_RDWR);
	if (null == -1)
		null = open("/", O_RDONLY);	/* in a bare chroot: nothing can be read from it or written to it */
	for (int fd = 0; fd <= 2; fd++)
		if (null == -1 || dup2(null, fd) == -1)
			_exit(EX_OSERR);	/* rather than to hold what a caller waits for */
	closefrom(3);
	if (chdir("/") == 0)
		run(arg);
	_exit(0);
}
