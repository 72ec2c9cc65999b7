/*
 * One run: options, configuration, message, envelope, repair, submission, report. See run.h.
 */
#include <sys/auxv.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "authorize.h"
#include "check.h"
#include "config.h"
#include "config_print.h"
#include "desk.h"
#include "explain.h"
#include "keep.h"
#include "log.h"
#include "mail/aliases.h"
#include "mail/envelope.h"
#include "mail/message.h"
#include "mail/notice.h"
#include "notify.h"
#include "options.h"
#include "outgoing.h"
#include "probe.h"
#include "put.h"
#include "report.h"
#include "run.h"
#include "smtp/server.h"
#include "submit.h"

#define NOTICE_MIN 10000	/* milliseconds that a notice has at least */

#ifndef VERSION
#define VERSION "unknown"
#endif

/* All that a delivery holds; freed as a whole. */
struct delivery {
	struct options opt;
	struct config config;
	struct aliases aliases;
	struct message message;
	struct envelope envelope;
	struct result result;
	struct trace trace;
	msec deadline;		/* of sending; 0: it never came so far */
	bool wake;		/* the queue is to be run in the background */
	struct keeper keeper;
	char host[256];
};

void
run_drain(void)
{
	/* A person who types is not kept waiting for the end of what nobody will read. */
	if (isatty(STDIN_FILENO) == 0)
		message_drain(STDIN_FILENO);
}

/* A problem of the alias file: told as a warning, since mail goes on. */
static void
complain(void *arg, const char *path, unsigned line, const char *text)
{
	struct outcome o;

	(void)arg;
	(void)outcome_set(&o, EX_CONFIG, STAGE_CONFIG, CAUSE_ALIAS_FILE, text, line > 0 ? "%s line %u" : "%s", path, line);
	report_failure(STDERR_FILENO, &o);
}

/* A delivery that goes well is silent: what is wrong with the alias file goes to the log, and newaliases tells it in full. */
static void
note_warning(void *arg, const char *path, unsigned line, const char *text)
{
	struct result *r = arg;

	if (r->warning[0] == '\0')
		(void)snprintf(r->warning, sizeof(r->warning), "%s line %u: %s", path, line, text);
}

static int
read_message(struct delivery *d, const struct process *p, struct outcome *o)
{
	if (p->stdin_closed)
		return outcome_set(o, EX_NOINPUT, STAGE_INPUT, CAUSE_INPUT, "it is closed", "cannot read the message from standard input");
	/* with a queue it may have to be kept, so that a file that is changed meanwhile must not matter */
	if (message_read(&d->message, STDIN_FILENO, !d->opt.ignore_dots, d->config.queue, o) == -1)
		return -1;
	return 0;
}

static void
host_name(char *host, size_t size)
{
	if (gethostname(host, size) == -1)
		(void)strlcpy(host, "localhost", size);
	host[size - 1] = '\0';
}

static int
load_aliases(struct delivery *d, struct outcome *o)
{
	if (aliases_load(&d->aliases, d->config.aliases, note_warning, &d->result, o) == -1)
		return -1;
	d->aliases.host = d->host;
	return 0;
}

static int
make_envelope(struct delivery *d, struct outcome *o)
{
	const struct options *opt = &d->opt;
	const struct config *c = &d->config;
	struct envelope_source src;

	if (load_aliases(d, o) == -1)
		return -1;
	outgoing_source(&src, c, d->host, &d->aliases);
	src.from_header = opt->from_header;
	src.sender = opt->sender;
	src.argument = opt->recipient;
	src.arguments = opt->recipients;
	src.complain = note_warning;
	src.complain_arg = &d->result;
	if (envelope_make(&d->envelope, &src, &d->message, o) == -1)
		return -1;
	d->envelope.notify = opt->notify;
	d->envelope.ret = opt->ret;
	d->envelope.envid = opt->envid;
	d->envelope.requiretls = opt->requiretls || c->requiretls;
	return 0;
}

/* -B 7BIT of a body that is not. What goes out is what the body is. */
static void
check_body_type(struct delivery *d)
{
	if (d->opt.body != NULL && *d->opt.body == '7' && d->message.eight_bit && d->result.warning[0] == '\0')
		(void)strlcpy(d->result.warning, "-B 7BIT was given, but the body is 8-bit", sizeof(d->result.warning));
}

/* The envelope, repaired message and time to send it in. -1: o is the failure of the run, told by the caller. */
static int
prepare(struct delivery *d, const struct process *p, struct outcome *o)
{
	if (read_message(d, p, o) == -1)
		return -1;
	d->result.started = clock_now();
	check_body_type(d);
	if (make_envelope(d, o) == -1) {
		if (d->envelope.bads == 0 || o->status != EX_DATAERR)
			return -1;
		d->result.envelope = &d->envelope;	/* it has each address that is none, to be told by name */
		*o = (struct outcome){0};
		return -1;
	}
	d->result.envelope = &d->envelope;
	if (outgoing_repair(&d->message, &d->envelope, &d->config, d->host, d->opt.full_name, o) == -1)
		return -1;
	outgoing_message_id(&d->message, d->result.message_id, sizeof(d->result.message_id));
	return 0;
}

/*
 * True where the message is safe in the queue, and all that remains is for others; or where it cannot be put there, and there is no other way. Else it is sent at once.
 */
static bool
is_left_to_queue(struct delivery *d)
{
	enum delivery_mode mode = keep_mode(&d->keeper);
	struct outcome o;

	if (mode == DELIVERY_INTERACTIVE || envelope_count(&d->envelope, RCPT_PENDING) == 0)
		return false;
	if (keep_now(&d->keeper, &d->result, &d->envelope, &d->message, &o) == -1) {
		if (keep_only(&d->config)) {
			d->result.outcome = o;
			envelope_fail_rest(&d->envelope);
			return true;
		}
		(void)snprintf(d->result.warning, sizeof(d->result.warning), "%.120s: %.120s", o.what, o.why);
		return false;
	}
	d->wake = mode == DELIVERY_BACKGROUND;
	return true;
}

static void
deliver(struct delivery *d, const struct process *p, struct outcome *o)
{
	if (prepare(d, p, o) == -1)
		return;
	d->result.size = message_size(&d->message);
	if (is_left_to_queue(d))
		return;
	d->deadline = d->result.started + 1000 * ((msec)d->config.timeout + (msec)(message_size(&d->message) / 65536));
	if (envelope_count(&d->envelope, RCPT_PENDING) > 0)
		(void)submit(&d->result, &d->config, &d->envelope, &d->message, d->deadline, &d->trace);
	if (d->config.queue != NULL && submit_status(&d->result) != 0)
		keep_rest(&d->keeper, &d->result, &d->envelope, &d->message);
	else
		d->wake = true;
}

/* Whether a notice has a chance: the message is known, and the smarthost could be spoken to. */
static bool
may_notify(const struct delivery *d)
{
	const struct outcome *o = &d->result.outcome;
	bool unreachable = o->status != 0 && (o->stage == STAGE_SECRET || (o->stage >= STAGE_LOOKUP && o->stage <= STAGE_AUTH));

	return d->opt.errors >= ERRORS_MAIL && d->result.envelope != NULL && !unreachable && !keep_only(&d->config) && notice_wanted(&d->envelope, &d->message);
}

/* -oem: the failure goes to the sender. True if it has been sent. */
static bool
notify(struct delivery *d)
{
	msec soonest = clock_now() + NOTICE_MIN;
	struct notify_way way = {
		.config = &d->config, .aliases = &d->aliases, .host = d->host, .deadline = d->deadline > soonest ? d->deadline : soonest, .trace = &d->trace,
	};
	struct buf text = {0};
	int status;

	report_text(&text, &d->result);
	status = notify_sender(&d->result, &d->message, buf_str(&text), &way);
	buf_free(&text);
	return status == 0;
}

/* Tells the person, or the sender, and the log, and says which exit status it is. */
static int
finish(struct delivery *d)
{
	struct result *r = &d->result;
	bool notified;

	r->status = submit_status(r);
	notified = r->status != 0 && may_notify(d) && notify(d);
	if (notified && d->opt.errors == ERRORS_MAIL_OK)
		r->status = EX_OK;
	report_log(r);
	if (d->opt.errors != ERRORS_QUIET && !notified)
		report_result(STDERR_FILENO, r);
	if (d->wake)
		keep_wake(&d->keeper);
	return r->status;
}

/* -bv */
static int
verify(struct delivery *d, const struct process *p, struct outcome *o)
{
	struct result *r = &d->result;
	struct buf out = {0};
	int status = EX_OK;

	if (d->opt.from_header ? prepare(d, p, o) == 0 : make_envelope(d, o) == 0)
		probe_recipients(r, &d->config, &d->envelope, &d->trace, &out);
	if (out.len > 0)
		status = report_say(out.data);
	buf_free(&out);
	r->status = submit_fates(r);
	if (r->status == 0)
		r->word = "verified";
	report_log(r);
	if (d->opt.errors != ERRORS_QUIET)
		report_result(STDERR_FILENO, r);
	return r->status != 0 ? r->status : status;
}

/* A message of -bs for the queue. */
static int
keep_message(void *arg, struct result *r, struct envelope *e, struct message *m, const struct outcome *error, struct outcome *o)
{
	const struct delivery *d = arg;

	return keep_taken(&d->keeper, r, e, m, error, o);
}

/* A transaction of -bs, for the log. */
static void
note_transaction(void *arg, struct result *r)
{
	struct delivery *d = arg;

	(void)strlcpy(r->warning, d->result.warning, sizeof(r->warning));
	report_log(r);
	if (r->queue_id[0] != '\0' && keep_mode(&d->keeper) == DELIVERY_BACKGROUND)
		keep_wake(&d->keeper);
	d->wake = d->wake || (r->queue_id[0] == '\0' && envelope_count(r->envelope, RCPT_DONE) > 0);	/* the smarthost is there */
	r->queue_id[0] = '\0';
}

/* -bs. o: what became of reading the configuration. */
static int
serve(struct delivery *d, const struct process *p, struct outcome *o)
{
	struct outcome trouble = *o;
	struct server_setup setup = {
		.in = STDIN_FILENO, .out = STDOUT_FILENO, .config = &d->config, .trouble = &trouble, .aliases = &d->aliases, .host = d->host,
		.requiretls = d->opt.requiretls, .trace = &d->trace, .finished = note_transaction, .arg = d,
		.directory = d->config.queue, .keep = d->config.queue != NULL ? keep_message : NULL, .store = keep_mode(&d->keeper) != DELIVERY_INTERACTIVE,
	};
	size_t transactions;

	if (p->stdin_closed) {
		(void)outcome_set(o, EX_NOINPUT, STAGE_INPUT, CAUSE_INPUT, "it is closed", "cannot speak SMTP on standard input");
		return finish(d);
	}
	*o = (struct outcome){0};
	if (trouble.status == 0)
		(void)load_aliases(d, &trouble);
	d->result.status = server_run(&setup, &transactions);
	if (d->wake)
		keep_wake(&d->keeper);
	if (transactions > 0)
		return d->result.status;
	d->result.word = "idle";
	report_log(&d->result);
	return d->result.status;
}

static void
free_delivery(struct delivery *d)
{
	submit_free(&d->result);
	envelope_free(&d->envelope);
	message_free(&d->message);
	aliases_free(&d->aliases);
	config_free(&d->config);
	free(d);
}

static void
check_aliases(const struct config *c, const char *host)
{
	struct aliases a = {0};
	struct outcome o = {0};
	struct buf b = {0};

	if (c->aliases == NULL)
		(void)report_say("no alias file is configured\n");
	else if (aliases_load(&a, c->aliases, complain, NULL, &o) == -1)
		report_failure(STDERR_FILENO, &o);
	else {
		a.host = host;
		for (size_t i = 0; i < a.count; i++) {
			char **out;
			bool found;
			size_t n = aliases_expand(&a, a.alias[i].name, &out, &found, complain, NULL);

			for (size_t k = 0; k < n; k++)
				free(out[k]);
			free(out);
		}
		buf_printf(&b, "%s: %zu aliases\n", c->aliases, a.count);
		(void)report_say(b.data);
		buf_free(&b);
	}
	aliases_free(&a);
}

/* -q. o: what became of reading the configuration. */
static int
run_queue(struct delivery *d, struct outcome *o)
{
	if (o->status == 0)
		(void)load_aliases(d, o);
	return desk_run(&d->keeper, o);
}

/* --print-config. Rights that only the program has are not for showing what is in the file. */
static int
print_config(const struct config *c, struct outcome *o)
{
	struct buf out = {0};
	int status;

	if (o->status == 0 && c->path != NULL && access(c->path, R_OK) == -1)
		(void)outcome_set(o, EX_NOPERM, STAGE_CONFIG, CAUSE_SECRET_UNREADABLE, strerror(errno), "cannot show the configuration %s", c->path);
	if (o->status != 0) {
		report_failure(STDERR_FILENO, o);
		return o->status;
	}
	config_print(c, &out);
	status = report_say(buf_str(&out));
	buf_free(&out);
	return status;
}

/* --check. config: what became of reading it. */
static int
check(struct delivery *d, const struct outcome *config)
{
	struct check_setup setup = {
		.config = &d->config, .trouble = config, .options = &d->opt, .host = d->host, .trace = &d->trace, .version = VERSION, .queue_only = keep_only(&d->config),
	};

	return check_run(&setup, &d->aliases, &d->envelope, &d->result);
}

/* --authorize, where a person sits. A program with rights of its own would write where the person may not. */
static int
authorize_all(struct delivery *d, struct outcome *o)
{
	if (o->status == 0 && isatty(STDIN_FILENO) + isatty(STDOUT_FILENO) < 2)
		(void)outcome_set(o, EX_USAGE, STAGE_USAGE, CAUSE_USAGE, "it is for a person at a terminal", "flag --authorize refused");
	else if (o->status == 0 && getauxval(AT_SECURE) != 0)
		(void)outcome_set(o, EX_USAGE, STAGE_USAGE, CAUSE_USAGE, "the program runs with rights that its caller lacks", "flag --authorize refused");
	if (o->status == 0)
		(void)authorize(&d->config, d->opt.recipients > 0 ? d->opt.recipient[0] : NULL, &d->trace, o);
	if (o->status == 0)
		return EX_OK;
	report_note(o);
	report_failure(STDERR_FILENO, o);
	return o->status;
}

/* --explain */
static int
explain_all(const struct options *opt)
{
	struct buf out = {0}, unknown = {0};
	struct outcome o;
	int status;

	(void)explain_topics(&out, opt->recipient, opt->recipients, &unknown);
	status = report_say(buf_str(&out));
	if (unknown.len > 0) {
		(void)outcome_set(&o, EX_USAGE, STAGE_USAGE, CAUSE_NO_TOPIC, "it is no code, command, extension, exit status or flag", "cannot explain \"%.80s\"", unknown.data);
		report_failure(STDERR_FILENO, &o);
		status = o.status;
	}
	buf_free(&out);
	buf_free(&unknown);
	return status;
}

static int
help(void)
{
	struct buf out = {0};
	int status;

	options_help(&out);
	status = report_say(out.data);
	buf_free(&out);
	return status;
}

/*
 * Personalities and modes that deliver nothing. o: what became of reading the configuration. newaliases never fails: scripts of
 * packages call it on machines where nothing is configured yet.
 */
static int
other_mode(const struct delivery *d, struct outcome *o)
{
	switch (d->opt.mode) {
	case MODE_VERSION:
		return report_say("sendmail-submit " VERSION "\n");
	case MODE_HELP:
		return help();
	case MODE_EXPLAIN:
		return explain_all(&d->opt);
	case MODE_LIST:
		return desk_list(&d->keeper, o);
	case MODE_PRINT:
		return print_config(&d->config, o);
	case MODE_STEER:
		return desk_steer(&d->keeper, o);
	case MODE_ALIASES:
		if (o->status != 0)
			report_failure(STDERR_FILENO, o);
		else
			check_aliases(&d->config, d->host);
		return EX_OK;
	case MODE_DELIVER:
	case MODE_SERVE:
	case MODE_VERIFY:
	case MODE_RUN:
	case MODE_CHECK:
	case MODE_AUTHORIZE:
		break;
	}
	return EX_SOFTWARE;
}

/* The modes that send or ask. o: what became of the flags; config: of the configuration. */
static int
mail_mode(struct delivery *d, const struct process *p, struct outcome *o, const struct outcome *config)
{
	bool good = o->status == 0;

	if (good)
		*o = *config;
	if (good && d->opt.mode == MODE_SERVE)
		return serve(d, p, o);
	if (o->status == 0 && d->opt.mode == MODE_VERIFY)
		return verify(d, p, o);
	if (o->status == 0)
		deliver(d, p, o);
	if (!good && d->opt.mode == MODE_SERVE)
		(void)report_say("421 4.3.0 The program was called with a flag that it refuses; closing\r\n");
	else if (d->result.envelope == NULL && d->opt.mode != MODE_CHECK && (!good || d->opt.mode != MODE_VERIFY || d->opt.from_header))
		run_drain();
	return finish(d);
}

int
run(int argc, char **argv, const struct process *p)
{
	struct delivery *d = mem_alloc(sizeof(*d));
	struct config_source src = {.privileged = p->privileged};
	struct outcome *o = &d->result.outcome, config = {0};
	int status;

	d->result.started = clock_now();
	d->message.body.fd = -1;
	host_name(d->host, sizeof(d->host));
	(void)options_parse(&d->opt, argc, argv, o);
	if (d->opt.mode != MODE_VERSION && d->opt.mode != MODE_HELP && d->opt.mode != MODE_EXPLAIN) {
		src.flag = d->opt.config;
		(void)config_load(&d->config, &src, &config);
		log_open(d->config.log, d->config.log_file, d->opt.log_tag);
		log_as_json(d->config.log_json);
	}
	trace_init(&d->trace, d->opt.verbose ? STDERR_FILENO : -1, d->config.transcript);
	d->keeper = (struct keeper){.config = &d->config, .options = &d->opt, .aliases = &d->aliases, .host = d->host, .trace = &d->trace};
	if (o->status == 0 && d->opt.mode == MODE_RUN)
		status = run_queue(d, &config);
	else if (o->status == 0 && d->opt.mode == MODE_AUTHORIZE)
		status = authorize_all(d, &config);
	else if (d->opt.mode == MODE_CHECK && (o->status == 0 || d->opt.json))
		status = check(d, o->status != 0 ? o : &config);	/* whoever reads JSON gets it */
	else if (o->status == 0 && d->opt.mode > MODE_VERIFY)
		status = other_mode(d, &config);
	else
		status = mail_mode(d, p, o, &config);
	free_delivery(d);
	return status;
}
