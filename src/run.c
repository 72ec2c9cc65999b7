/*
 * One run: options, configuration, message, envelope, repair, submission, report. See run.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>
#include "config.h"
#include "log.h"
#include "mail/aliases.h"
#include "mail/encode.h"
#include "mail/envelope.h"
#include "mail/message.h"
#include "mail/mime.h"
#include "mail/repair.h"
#include "options.h"
#include "put.h"
#include "report.h"
#include "run.h"
#include "submit.h"

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
	char host[256];
};

void
run_drain(void)
{
	/* A person who types is not kept waiting for the end of what nobody will read. */
	if (isatty(STDIN_FILENO) == 0)
		message_drain(STDIN_FILENO);
}

/* Prints what was asked for. The exit status: who has not got it must not think he has. */
static int
say(const char *text)
{
	struct outcome o;

	if (put(STDOUT_FILENO, text, strlen(text), PUT_WAIT) == 0)
		return EX_OK;
	(void)outcome_set(&o, EX_IOERR, STAGE_NONE, CAUSE_NONE, strerror(errno), "cannot write to standard output");
	report_failure(STDERR_FILENO, &o);
	return o.status;
}

/* A problem of the alias file: told as a warning, since mail goes on. */
static void
complain(void *arg, const char *path, unsigned line, const char *text)
{
	struct outcome o;

	(void)arg;
	(void)outcome_set(&o, EX_CONFIG, STAGE_CONFIG, CAUSE_NONE, text, line > 0 ? "%s line %u" : "%s", path, line);
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
	if (message_read(&d->message, STDIN_FILENO, !d->opt.ignore_dots, NULL, o) == -1)
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

/* The domain of a user name that is an address, or NULL. */
static const char *
user_domain(const struct config *c)
{
	const char *at = c->smarthosts > 0 && c->smarthost[0].user != NULL ? strrchr(c->smarthost[0].user, '@') : NULL;

	return at != NULL && at[1] != '\0' ? at + 1 : NULL;
}

static int
make_envelope(struct delivery *d, struct outcome *o)
{
	const struct options *opt = &d->opt;
	const struct config *c = &d->config;
	struct envelope_source src = {
		.from_header = opt->from_header, .sender = opt->sender, .argument = opt->recipient, .arguments = opt->recipients,
		.from = c->from, .override_from = c->override_from, .domain = c->domain, .host = d->host,
		.user_domain = user_domain(c), .local_to = c->local_to, .aliases = &d->aliases, .complain = note_warning,
		.complain_arg = &d->result,
	};

	if (aliases_load(&d->aliases, c->aliases, note_warning, &d->result, o) == -1)
		return -1;
	d->aliases.host = d->host;
	if (envelope_make(&d->envelope, &src, &d->message, o) == -1)
		return -1;
	d->envelope.notify = opt->notify;
	d->envelope.ret = opt->ret;
	d->envelope.envid = opt->envid;
	d->envelope.requiretls = opt->requiretls || c->requiretls;
	return 0;
}

static int
check_loop(const struct message *m, struct outcome *o)
{
	size_t n = 0;

	for (size_t i = 0; i < m->header.count; i++)
		n += header_is(&m->header.field[i], "Received");
	if (n <= MESSAGE_RECEIVED_MAX)
		return 0;
	return outcome_set(o, EX_UNAVAILABLE, STAGE_MESSAGE, CAUSE_LOOP, "it has more than 50 Received fields", "the message is in a loop");
}

static void
note_message_id(struct result *r, const struct message *m)
{
	ptrdiff_t i = header_find(&m->header, "Message-ID", 0);
	const char *body;
	size_t len;

	if (i < 0)
		return;
	body = header_body(&m->header.field[i], &len);
	while (len > 0 && (*body == ' ' || *body == '\t')) {
		body++;
		len--;
	}
	(void)snprintf(r->message_id, sizeof(r->message_id), "%.*s", len < 255 ? (int)len : 255, body);
}

static int
repair(struct delivery *d, struct outcome *o)
{
	const struct envelope *e = &d->envelope;
	struct repair how = {
		.domain = e->domain, .sender = e->sender[0] != '\0' ? e->sender : e->default_sender,
		.full_name = d->opt.full_name != NULL ? d->opt.full_name : e->full_name,
		.override_from = d->config.override_from ? d->config.from : NULL,
		.encode = d->config.encode_headers, .now = time(NULL),
	};

	if (check_loop(&d->message, o) == -1)
		return -1;
	repair_header(&d->message, &how);
	note_message_id(&d->result, &d->message);
	if (mime_needed(&d->message, true))
		return mime_convert(&d->message, true, o);
	return 0;
}

/* From the message to its fate. -1: o is the failure of the run, told by the caller. */
static int
deliver(struct delivery *d, const struct process *p, struct outcome *o)
{
	struct trace trace;
	msec deadline;

	trace_init(&trace, d->opt.verbose ? STDERR_FILENO : -1);
	if (read_message(d, p, o) == -1)
		return -1;
	d->result.started = clock_now();
	if (make_envelope(d, o) == -1) {
		if (d->envelope.bads == 0 || o->status != EX_DATAERR)
			return -1;
		d->result.envelope = &d->envelope;	/* it has each address that is none, to be told by name */
		*o = (struct outcome){0};
		return -1;
	}
	d->result.envelope = &d->envelope;
	if (repair(d, o) == -1)
		return -1;
	deadline = d->result.started + 1000 * ((msec)d->config.timeout + (msec)(message_size(&d->message) / 65536));
	if (envelope_count(&d->envelope, RCPT_PENDING) == 0)
		return 0;
	(void)submit(&d->result, &d->config, &d->envelope, &d->message, deadline, &trace);
	return 0;
}

/* Tells the person and the log, and says which exit status it is. */
static int
finish(struct delivery *d)
{
	struct result *r = &d->result;

	r->status = submit_status(r);
	report_log(r);
	if (d->opt.errors != ERRORS_QUIET)
		report_result(STDERR_FILENO, r);
	return r->status;
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
		(void)say("no alias file is configured\n");
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
		(void)say(b.data);
		buf_free(&b);
	}
	aliases_free(&a);
}

/*
 * Personalities and modes that deliver nothing. o: what became of reading the configuration. newaliases never fails: scripts of
 * packages call it on machines where nothing is configured yet.
 */
static int
other_mode(enum mode mode, const struct config *c, const char *host, const struct outcome *o)
{
	switch (mode) {
	case MODE_VERSION:
		return say("sendmail-submit " VERSION "\n");
	case MODE_HELP:
		return say(options_help());
	case MODE_LIST:
		if (o->status != 0 && o->cause != CAUSE_CONFIG_MISSING) {
			report_failure(STDERR_FILENO, o);
			return o->status;
		}
		return say("Mail queue is empty (no queue is configured)\n");
	case MODE_ALIASES:
		if (o->status != 0)
			report_failure(STDERR_FILENO, o);
		else
			check_aliases(c, host);
		return EX_OK;
	case MODE_DELIVER:
		break;
	}
	return EX_SOFTWARE;
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
	if (d->opt.mode != MODE_VERSION && d->opt.mode != MODE_HELP) {
		src.flag = d->opt.config;
		(void)config_load(&d->config, &src, &config);
		log_open(d->config.log, d->config.log_file, d->opt.log_tag);
	}
	if (o->status == 0 && d->opt.mode != MODE_DELIVER)
		status = other_mode(d->opt.mode, &d->config, d->host, &config);
	else {
		if (o->status == 0 && config.status == 0)
			(void)deliver(d, p, o);
		else if (o->status == 0)
			*o = config;
		if (d->result.envelope == NULL)
			run_drain();
		status = finish(d);
	}
	free_delivery(d);
	return status;
}
