/*
 * What a person and the log are told. See report.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <sysexits.h>
#include <unistd.h>
#include "explain.h"
#include "log.h"
#include "printable.h"
#include "put.h"
#include "report.h"

static void
add_failure(struct buf *b, const struct outcome *o)
{
	const struct explanation *e = explain(o);

	buf_puts(b, "sendmail: ");
	printable_add(b, o->what, strlen(o->what), sizeof(o->what));
	if (o->why[0] != '\0') {
		buf_puts(b, ": ");
		printable_add(b, o->why, strlen(o->why), sizeof(o->why));
	}
	if (b->data[b->len - 1] != '.')
		buf_putc(b, '.');
	if (e->cause[0] != '\0')
		buf_printf(b, " Likely cause: %s.", e->cause);
	if (e->remedy[0] != '\0')
		buf_printf(b, " Remedy: %s.", e->remedy);
	buf_putc(b, '\n');
}

void
report_fate(struct buf *b, const struct outcome *o)
{
	add_failure(b, o);
}

void
report_failure(int fd, const struct outcome *o)
{
	struct buf b = {0};

	add_failure(&b, o);
	(void)put(fd, buf_str(&b), b.len, PUT_WAIT);	/* who does not listen is told nothing */
	buf_free(&b);
}

static bool
same(const struct outcome *a, const struct outcome *b)
{
	return a->status == b->status && strcmp(a->what, b->what) == 0 && strcmp(a->why, b->why) == 0;
}

void
report_text(struct buf *b, const struct result *r)
{
	const struct envelope *e = r->envelope;
	bool told = false;

	for (size_t i = 0; i < r->tries && r->outcome.status != 0; i++) {
		add_failure(b, &r->tried[i]);
		told = told || same(&r->outcome, &r->tried[i]);
	}
	if (r->outcome.status != 0 && !told)
		add_failure(b, &r->outcome);
	for (size_t i = 0; e != NULL && i < e->bads; i++)
		add_failure(b, &e->bad[i]);
	for (size_t i = 0; e != NULL && i < e->count; i++)
		if (e->rcpt[i].fate != NULL)
			add_failure(b, e->rcpt[i].fate);
}

void
report_result(int fd, const struct result *r)
{
	struct buf b = {0};

	report_text(&b, r);
	if (b.len > 0 && log_error() != NULL) {
		buf_puts(&b, "sendmail: ");
		printable_add(&b, log_error(), strlen(log_error()), 512);
		buf_puts(&b, ".\n");
	}
	(void)put(fd, buf_str(&b), b.len, PUT_WAIT);
	buf_free(&b);
}

static void
add_recipients(struct buf *line, const struct envelope *e, enum rcpt_state state, const char *key)
{
	struct buf list = {0};

	for (size_t i = 0; i < e->count && list.len < 1024; i++)
		if (e->rcpt[i].state == state)
			buf_printf(&list, "%s%s", list.len > 0 ? "," : "", e->rcpt[i].path);
	if (list.len > 0)
		log_field(line, key, list.data);
	buf_free(&list);
}

const struct outcome *
report_first(const struct result *r)
{
	if (r->outcome.status != 0)
		return &r->outcome;
	for (size_t i = 0; r->envelope != NULL && i < r->envelope->count; i++)
		if (r->envelope->rcpt[i].fate != NULL)
			return r->envelope->rcpt[i].fate;
	if (r->envelope != NULL && r->envelope->bads > 0)
		return &r->envelope->bad[0];
	return NULL;
}

static void
add_envelope(struct buf *line, const struct result *r)
{
	const struct envelope *e = r->envelope;

	if (r->queue_id[0] != '\0')
		log_field(line, "queue", r->queue_id);
	if (r->message_id[0] != '\0')
		log_field(line, "msgid", r->message_id);
	if (e == NULL)
		return;
	log_field(line, "from", e->sender);
	add_recipients(line, e, RCPT_DONE, "to");
	add_recipients(line, e, RCPT_FAILED, "failed");
	add_recipients(line, e, RCPT_QUEUED, "queued");
	log_number(line, "recipients", (long long)e->count);
	log_number(line, "sent", (long long)envelope_count(e, RCPT_DONE));
	log_number(line, "size", (long long)r->size);
}

static void
add_times(struct buf *line, const struct client_times *t)
{
	const struct { const char *key; msec took; } times[] = {
		{"lookup-ms", t->lookup}, {"connect-ms", t->connect}, {"tls-ms", t->tls}, {"auth-ms", t->auth}, {"transfer-ms", t->transfer},
	};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		if (times[i].took >= 0)
			log_number(line, times[i].key, times[i].took);
}

static void
add_smarthost(struct buf *line, const struct result *r)
{
	if (r->smarthost == NULL)
		return;
	log_field(line, "smarthost", r->host[0] != '\0' ? r->host : r->smarthost->host);
	if (r->host[0] != '\0' || !r->smarthost->srv)
		log_number(line, "port", r->host[0] != '\0' ? r->port : r->smarthost->port);
	if (r->address[0] != '\0')
		log_field(line, "address", r->address);
	if (r->tls[0] != '\0')
		log_field(line, "tls", r->tls);
	if (r->auth[0] != '\0') {
		log_field(line, "auth", r->auth);
		log_field(line, "user", r->smarthost->user != NULL ? r->smarthost->user : "");
	}
	if (r->reply[0] != '\0')
		log_field(line, "reply", r->reply);
	if (r->dsn_dropped)
		log_field(line, "dropped", "DSN");
	if (r->asked)
		add_times(line, &r->took);
}

/* Why smarthosts were given up before the one that took it. */
static void
add_passed_over(struct buf *line, const struct result *r)
{
	struct buf list = {0};

	for (size_t i = 0; i < r->tries; i++)
		buf_printf(&list, "%s%s", i > 0 ? "; " : "", r->tried[i].what);
	log_field(line, "passed-over", list.data);
	buf_free(&list);
}

/* The next run may not be able to sign in: that is worth a word also where this one goes well. */
static void
log_warning(struct buf *line)
{
	char text[160];

	(void)snprintf(text, sizeof(text), "cannot write the refresh token: %s", log_trouble("the refresh token"));
	log_field(line, "warning", text);
}

void
report_log(const struct result *r)
{
	const struct outcome *o = report_first(r);
	size_t safe = r->envelope == NULL ? 0 : envelope_count(r->envelope, RCPT_DONE) + envelope_count(r->envelope, RCPT_QUEUED);
	struct buf line = {0};

	log_field(&line, "status", r->word != NULL ? r->word : o == NULL ? "sent" : safe > 0 ? "partial" : "failed");
	log_number(&line, "exit", r->status);
	log_number(&line, "uid", (long long)getuid());
	if (log_caller() != NULL)
		log_field(&line, "caller", log_caller());
	add_envelope(&line, r);
	add_smarthost(&line, r);
	if (o == NULL && r->kept.status != 0)
		o = &r->kept;
	if (o != NULL) {
		log_field(&line, "stage", outcome_stage_name(o->stage));
		log_field(&line, "error", o->what);
		log_field(&line, "why", o->why);
	}
	if (r->notice != NULL) {
		log_field(&line, "notice", r->notice);
		log_field(&line, r->notice_why[0] != '\0' ? "notice-why" : "notice-id", r->notice_why[0] != '\0' ? r->notice_why : r->notice_id);
	}
	if (log_trouble("the refresh token") != NULL)
		log_warning(&line);
	else if (r->warning[0] != '\0')
		log_field(&line, "warning", r->warning);
	if (r->tries > 0 && r->outcome.status == 0)
		add_passed_over(&line, r);
	log_number(&line, "ms", clock_now() - r->started);
	log_write(o == NULL ? LOG_INFO : o->status == EX_TEMPFAIL ? LOG_WARNING : LOG_ERR, &line);
	buf_free(&line);
}

void
report_note(const struct outcome *o)
{
	struct result failed = {.started = clock_now(), .outcome = *o, .status = o->status};

	report_log(&failed);
}

int
report_say(const char *text)
{
	struct outcome o;

	if (put(STDOUT_FILENO, text, strlen(text), PUT_WAIT) == 0)
		return EX_OK;
	(void)outcome_set(&o, EX_IOERR, STAGE_NONE, CAUSE_OUTPUT, strerror(errno), "cannot write to standard output");
	report_failure(STDERR_FILENO, &o);
	return o.status;
}
