/*
 * --check: the whole way that a message would go. See check.h; how it is told is check_tell.c's, what is seen of a smarthost check_smarthost.c's.
 */
#include <sys/stat.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>
#include "check.h"
#include "check_smarthost.h"
#include "check_tell.h"
#include "json.h"
#include "keep.h"
#include "log.h"
#include "outgoing.h"
#include "queue/list.h"
#include "report.h"

#define QUEUE_OLD	3600	/* seconds that a message in the queue waits before that is worth a look */

/* All that a check holds. */
struct check {
	const struct check_setup *setup;
	const struct config *config;
	struct teller tell;
	struct result *result;
	struct envelope *envelope;
	struct outcome stop;	/* why sending would come to no smarthost; status 0: it would */
	bool sender;		/* there is one */
	bool kept;		/* there is a queue that takes messages */
	size_t through;		/* the smarthost that would take the message, or no less than there are */
	struct buf smarthosts;	/* the items of the array "smarthosts" */
	struct facts *facts;	/* of each smarthost */
};

/* ---- who, and by which configuration ---- */

static const char *
user_name(char *number, size_t size)
{
	const struct passwd *pw = getpwuid(getuid());

	(void)snprintf(number, size, "uid-%ld", (long)getuid());
	return pw != NULL ? pw->pw_name : number;
}

/* Root reads what others cannot. */
static void
add_readers(struct buf *b, const char *path)
{
	const struct group *gr;
	struct stat st;

	if (geteuid() != 0 || stat(path, &st) == -1 || (st.st_mode & S_IROTH) != 0)
		return;
	gr = getgrgid(st.st_gid);
	if ((st.st_mode & S_IRGRP) == 0)
		buf_printf(b, "; no other user may read it");
	else if (gr != NULL)
		buf_printf(b, "; other users may read it in group %s alone", gr->gr_name);
}

static void
check_config(struct check *c)
{
	const char *path = c->config->path;
	char number[32];
	struct buf b = {0};

	if (c->setup->trouble->status != 0) {
		c->stop = *c->setup->trouble;
		tell_failure(&c->tell, MARK_BAD, -1, c->stop.stage == STAGE_USAGE ? "flags" : "configuration", &c->stop);
		return;
	}
	buf_printf(&b, "%s, read as %s", path != NULL ? path : "the environment", user_name(number, sizeof(number)));
	if (path != NULL)
		add_readers(&b, path);
	tell(&c->tell, MARK_GOOD, -1, "configuration", "%s", b.data);
	buf_free(&b);
}

static void
stop(struct check *c, const char *step, const struct outcome *o)
{
	tell_failure(&c->tell, MARK_BAD, -1, step, o);
	if (c->stop.status == 0 || outcome_worse(c->stop.status, o->status) != c->stop.status)
		c->stop = *o;
}

/* ---- the envelope ---- */

static void
complain(void *arg, const char *path, unsigned line, const char *text)
{
	struct check *c = arg;

	if (line > 0)
		tell(&c->tell, MARK_CARE, -1, "aliases", "%s line %u: %s", path, line, text);
	else
		tell(&c->tell, MARK_CARE, -1, "aliases", "%s: %s", path, text);
}

static void
check_aliases(struct check *c, struct aliases *a)
{
	struct outcome o = {0};

	if (aliases_load(a, c->config->aliases, complain, c, &o) == -1)
		stop(c, "aliases", &o);
	else if (c->config->aliases != NULL)
		tell(&c->tell, MARK_GOOD, -1, "aliases", "%s: %zu", c->config->aliases, a->count);
	a->host = c->setup->host;
}

/* Where the sender comes from. */
static const char *
sender_words(const struct check *c)
{
	if (c->config->override_from)
		return "from of the configuration, before any other";
	if (c->setup->options->sender != NULL)
		return "as -f says";
	if (c->config->from != NULL)
		return "from of the configuration, where there is no -f";
	return "the user's name, where neither -f nor the message says anything else";
}

static void
check_envelope(struct check *c, const struct aliases *a)
{
	const struct options *opt = c->setup->options;
	struct envelope_source src;
	struct message none = {0};
	struct outcome o = {0};

	outgoing_source(&src, c->config, c->setup->host, a);
	src.sender = opt->sender;
	src.complain = complain;
	src.complain_arg = c;
	c->result->envelope = c->envelope;
	src.argument = opt->recipient;
	src.arguments = opt->recipients;
	if (opt->recipients > 0)
		c->sender = envelope_make(c->envelope, &src, &none, &o) == 0;
	else
		c->sender = envelope_begin(c->envelope, &src, &o) == 0;
	if (!c->sender) {
		stop(c, o.stage == STAGE_USAGE && c->envelope->sender != NULL ? "recipient" : "sender", &o);
		c->sender = c->envelope->sender != NULL;
	}
	if (c->envelope->sender == NULL) {
		c->result->envelope = NULL;
		return;
	}
	c->envelope->requiretls = opt->requiretls || c->config->requiretls;
	c->envelope->notify = opt->notify;
	c->envelope->ret = opt->ret;
	c->envelope->envid = opt->envid;
	tell(&c->tell, MARK_GOOD, -1, "sender", "<%s>: %s", c->envelope->sender, sender_words(c));
	for (size_t i = 0; i < c->envelope->count; i++)
		if (c->envelope->rcpt[i].state == RCPT_FAILED)
			tell_failure(&c->tell, MARK_BAD, -1, "recipient", c->envelope->rcpt[i].fate);
}

/* ---- the smarthosts ---- */

/* What sending would make of it: another smarthost, or not (submit.c). The recipients' fates are those of the one that decides. */
static bool
goes_on(struct check *c, const struct smarthost_check *one, const struct outcome *o, size_t i)
{
	if (o->status == 0) {
		c->through = i;
		return false;
	}
	if (one->opened && (one->committed || !((o->stage == STAGE_EHLO || o->stage == STAGE_MAIL) && outcome_temporary(o)))) {
		c->result->outcome = *o;
		return false;
	}
	submit_give_up(c->result, o);
	return true;
}

/*
 * One that sending would not come to is gone to all the same, and asked about all recipients; but their fates stay those of the one that decides. bad: recipients that
 * were none before.
 */
static void
check_beside(struct check *c, struct smarthost_check *one, const bool *bad, struct outcome *o)
{
	struct envelope *e = c->envelope;
	struct outcome *fates = mem_alloc((e->count + 1) * sizeof(*fates));

	for (size_t i = 0; i < e->count; i++)
		if (!bad[i] && e->rcpt[i].fate != NULL) {
			fates[i] = *e->rcpt[i].fate;
			envelope_revive(e, i, RCPT_PENDING);
		}
	check_smarthost(one, o);
	for (size_t i = 0; i < e->count; i++)
		if (fates[i].status != 0)
			envelope_fail(e, i, &fates[i]);
	free(fates);
}

/* What only one smarthost could not take the next one may (submit.c). */
static void
forget_unfit(struct check *c, const bool *bad)
{
	struct envelope *e = c->envelope;

	for (size_t i = 0; i < e->count; i++)
		if (!bad[i] && e->rcpt[i].state == RCPT_FAILED)
			envelope_revive(e, i, RCPT_PENDING);
}

static void
check_smarthosts(struct check *c)
{
	bool *bad = mem_alloc((c->envelope->count + 1) * sizeof(*bad));
	const struct config *config = c->config;
	size_t n = config->smarthosts;
	bool deciding = c->stop.status == 0 && (c->setup->options->recipients == 0 || envelope_count(c->envelope, RCPT_PENDING) > 0);	/* else nobody would be asked */
	msec whole = 1000 * (msec)config->timeout, deadline = clock_now() + whole;
	struct result beside = {0};
	struct smarthost_check one = {.config = config, .tell = &c->tell, .envelope = c->sender ? c->envelope : NULL, .result = c->result, .trace = c->setup->trace};

	for (size_t i = 0; i < c->envelope->count; i++)
		bad[i] = c->envelope->rcpt[i].state == RCPT_FAILED;
	c->facts = mem_alloc(n * sizeof(*c->facts));
	for (size_t i = 0; i < n; i++) {
		struct outcome o;

		one.smarthost = &config->smarthost[i];
		one.facts = &c->facts[i];
		one.fates = deciding;
		one.result = deciding ? c->result : &beside;
		one.committed = false;
		one.beside = 0;
		one.last = i + 1 == n;
		one.deadline = deciding ? deadline : clock_now() + whole;
		one.open_by = deciding ? clock_share(deadline, n - i) : one.deadline;
		if (deciding)
			check_smarthost(&one, &o);
		else
			check_beside(c, &one, bad, &o);
		deciding = deciding && goes_on(c, &one, &o, i);
		deadline += one.beside;
		if (deciding)
			forget_unfit(c, bad);
		json_item(&c->smarthosts);
		facts_write(&c->facts[i], &config->smarthost[i], &o, &c->smarthosts);
	}
	free(bad);
	if (deciding)
		c->result->outcome = *submit_worst(c->result, 0);
	if (c->stop.status != 0)
		c->result->outcome = c->stop;
}

/* ---- the queue, the log ---- */

/* How many messages there are, and since when. */
static void
tell_messages(struct check *c, struct spool *s)
{
	size_t n, buried = spool_buried(s);
	struct buf b = {0};
	struct outcome o;
	time_t age = 0;
	char **ids;

	if (spool_list(s, &ids, &n, &o) == -1) {
		tell_failure(&c->tell, MARK_CARE, -1, "queue", &o);
		return;
	}
	buf_printf(&b, "%s: %zu %s", s->path, n, n == 1 ? "message" : "messages");
	if (n > 0) {
		age = time(NULL) - spool_id_time(ids[0]);
		buf_puts(&b, n == 1 ? ", which waits for " : ", the oldest waits for ");
		list_duration(&b, age);
	}
	if (buried > 0)
		buf_printf(&b, "; %zu in %s/failed, where nobody could be told of them", buried, s->path);
	if (age >= QUEUE_OLD)
		buf_puts(&b, "; mailq tells why");
	tell(&c->tell, age >= QUEUE_OLD || buried > 0 ? MARK_CARE : MARK_GOOD, -1, "queue", "%s", b.data);
	while (n > 0)
		free(ids[--n]);
	free(ids);
	buf_free(&b);
}

/* Without it mail is still sent, unless there is no other way. */
static void
check_queue(struct check *c)
{
	struct outcome o = {0};
	struct spool s;
	bool open, own;

	if (c->config->queue == NULL)
		return;
	open = spool_open(&s, c->config->queue, &o) == 0;
	own = open && spool_is_own(c->config->queue);
	c->kept = open && spool_try(&s, &o) == 0 && (!own || keep_room(c->config, &s, 1, &o) == 0);
	if (!c->kept) {
		tell_failure(&c->tell, c->setup->queue_only ? MARK_BAD : MARK_CARE, -1, "queue", &o);
		if (c->setup->queue_only)
			c->result->outcome = o;
	}
	if (own)
		tell_messages(c, &s);
	else if (c->kept)
		tell(&c->tell, MARK_GOOD, -1, "queue", "%s takes messages; what is in it is for its owner to see", c->config->queue);
	if (open)
		spool_close(&s);
}

/* One of the traces that a run leaves. */
static void
tell_trace(struct check *c, const char *step, const char *what, const char *where)
{
	const char *why = log_trouble(what);
	struct outcome o;

	if (why == NULL) {
		tell(&c->tell, MARK_GOOD, -1, step, "%s", where);
		return;
	}
	(void)outcome_set(&o, EX_CANTCREAT, STAGE_NONE, CAUSE_TRACE, why, "cannot write %s %s", what, where);
	tell_failure(&c->tell, MARK_CARE, -1, step, &o);
}

/* The line of this run is in it already. */
static void
check_log(struct check *c)
{
	if (log_lost() != NULL)
		tell(&c->tell, MARK_CARE, -1, "log", "%s: there is none here (%s), so no line is kept; set log to \"stderr\" or a file", log_where(), log_lost());
	else
		tell_trace(c, "log", "the log", log_where());
	if (c->config->transcript != NULL)
		tell_trace(c, "transcript", "the transcript", c->config->transcript);
}

/* ---- the end ---- */

/* Whether it would be for the queue. */
static bool
would_be_kept(const struct check *c)
{
	const struct result *r = c->result;
	bool kept = r->outcome.status != 0 && outcome_keeps(&r->outcome);

	if (!c->kept || c->stop.status != 0)
		return false;
	for (size_t i = 0; r->outcome.status == 0 && i < c->envelope->count; i++)
		kept = kept || (c->envelope->rcpt[i].fate != NULL && outcome_keeps(c->envelope->rcpt[i].fate));
	return kept;
}

static void
conclude(struct check *c)
{
	const struct result *r = c->result;
	const struct smarthost *host = c->through < c->config->smarthosts ? &c->config->smarthost[c->through] : NULL;
	const char *kept = would_be_kept(c) ? "; what may go well later would be kept in the queue" : "";

	c->tell.smarthost = NULL;
	if (r->status == 0 && host != NULL)
		tell(&c->tell, MARK_GOOD, -1, "result", "a message would be sent through %s: exit status 0", host->title);
	else if (host != NULL && envelope_count(c->envelope, RCPT_FAILED) < c->envelope->count)
		tell(&c->tell, MARK_BAD, -1, "result", "not all recipients would get a message: exit status %d%s", r->status, kept);
	else
		tell(&c->tell, MARK_BAD, -1, "result", "no message would be sent: exit status %d%s", r->status, kept);
}

/* The object. What is told of the connection is that of the smarthost that would take the message, else of the last. */
static void
write_object(struct check *c)
{
	size_t n = c->config->smarthosts, i = c->through < n ? c->through : n - 1;
	char stamp[40], number[32];
	struct buf b = {0};

	buf_putc(&b, '{');
	json_text(&b, "version", c->setup->version);
	clock_stamp(stamp, sizeof(stamp));
	json_text(&b, "time", stamp);
	json_text(&b, "user", user_name(number, sizeof(number)));
	json_number(&b, "status", c->result->status);
	json_bool(&b, "ok", c->result->status == 0);
	json_outside(&b, "configuration", c->config->path, 4096);
	json_outside(&b, "sender", c->sender ? c->envelope->sender : NULL, 1024);
	facts_write_connection(c->facts != NULL && n > 0 ? &c->facts[i] : NULL, &b);
	json_name(&b, "smarthosts");
	buf_printf(&b, "[%s]", buf_str(&c->smarthosts));
	json_name(&b, "steps");
	buf_printf(&b, "[%s]}\n", buf_str(&c->tell.steps));
	tell_raw(&c->tell, &b);
	buf_free(&b);
}

int
check_run(const struct check_setup *s, struct aliases *a, struct envelope *e, struct result *r)
{
	struct check c = {.setup = s, .config = s->config, .result = r, .envelope = e, .through = s->config->smarthosts};
	int status;

	tell_begin(&c.tell, s->options->json);
	check_config(&c);
	if (c.stop.status == 0) {
		check_aliases(&c, a);
		check_envelope(&c, a);
		check_smarthosts(&c);
		check_queue(&c);
	} else
		r->outcome = c.stop;
	r->status = submit_fates(r);
	r->word = "checked";
	report_log(r);
	if (s->trouble->status == 0)
		check_log(&c);
	conclude(&c);
	if (s->options->json)
		write_object(&c);
	status = r->status != 0 ? r->status : c.tell.status;
	for (size_t i = 0; c.facts != NULL && i < s->config->smarthosts; i++)
		facts_free(&c.facts[i]);
	free(c.facts);
	buf_free(&c.smarthosts);
	tell_end(&c.tell);
	return status;
}
