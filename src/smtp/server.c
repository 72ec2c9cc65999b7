/*
 * The other side of the dialogue, on standard input and output. See server.h.
 *
 * A transaction lives from MAIL to the verdict on the message, to RSET, EHLO or QUIT, or to the end of the input; its envelope and result with it. A command that is
 * refused costs nothing but itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "explain.h"
#include "mail/address.h"
#include "outgoing.h"
#include "printable.h"
#include "smtp/ahead.h"
#include "smtp/command.h"
#include "smtp/flight.h"
#include "smtp/session.h"

/* Replies */

/* The caller is about to be waited for. */
static bool
before_wait(void *arg)
{
	struct session *s = arg;

	session_flush(s);
	return !s->over;
}

static void
refuse_syntax(struct session *s, int code, enum verb verb, const char *why)
{
	struct buf b = {0};

	if (*why != '\0')
		buf_printf(&b, "%s\n", why);
	buf_printf(&b, "Syntax: %s", command_syntax(verb));
	session_refuse(s, code, "5.5.4", b.data);
	buf_free(&b);
}

/* Transactions */

static void
forget_message(struct session *s)
{
	if (s->reader != NULL)
		(void)message_end(s->reader);
	s->reader = NULL;
	message_free(&s->message);
}

/* The caller gives it up. Where the session ends with it, nobody waits for the smarthost. */
static void
drop(struct session *s)
{
	s->sender_refused = false;
	if (s->reader != NULL)
		forget_message(s);
	if (!s->begun)
		return;
	if (!s->over && !s->stored)
		relay_reset(&s->relay);
	s->result.word = "dropped";
	session_finish(s);
}

/* What has come already goes along with what is asked of the smarthost now; mail: MAIL, which is; NULL: the end of a message is, and MAIL is next. */
static void
look_ahead(struct session *s, const struct path_command *mail)
{
	if (mail == NULL && flight_is_next(s))
		s->next.len = 0;	/* all of it goes at once */
	else if (s->relay.open && !s->envelope.requiretls)
		ahead_lines(&s->next, &s->relay.client, s->in, &s->source, mail, s->envid, !s->relay.wary);
	s->relay.next = s->relay.open && !s->envelope.requiretls && s->next.len > 0 ? &s->next : NULL;
}

/* The message is whole: repaired, sent, answered. */
static void
end_message(struct session *s)
{
	struct outcome *o = &s->reading;
	int status = message_end(s->reader);

	s->reader = NULL;
	s->result.started = clock_now();
	if (status == 0)
		status = outgoing_repair(&s->message, &s->envelope, s->setup->config, s->setup->host, "", o);	/* the user who runs us is not the one who writes */
	outgoing_message_id(&s->message, s->result.message_id, sizeof(s->result.message_id));
	if (status == -1 && !s->stored)
		relay_reset(&s->relay);
	else if (status == 0 && !s->stored) {
		look_ahead(s, NULL);
		status = relay_message(&s->relay, &s->result, &s->envelope, &s->message, o) == -1 && !session_goes_on(s, o) ? -1 : 0;
	}
	session_end_message(s, status, o);
	message_free(&s->message);
}

static void
input_failed(struct session *s, enum intake_result r)
{
	if (r == INTAKE_END) {
		session_end(s, s->in->error != 0 ? EX_NOINPUT : s->reader != NULL ? EX_DATAERR : EX_OK);
		return;
	}
	session_end(s, r == INTAKE_IDLE ? EX_TEMPFAIL : EX_USAGE);
	session_reply(s, 421, r == INTAKE_IDLE ? "4.4.2" : "4.7.0", r == INTAKE_IDLE ? "Nothing was said for too long; closing" : "A line without end; closing");
}

/* Commands */

static void
do_ehlo(struct session *s, enum verb verb, const char *name)
{
	struct buf b = {0};

	if (*name == '\0') {
		refuse_syntax(s, 501, verb, "");
		return;
	}
	drop(s);
	s->basic = verb == VERB_HELO;
	buf_printf(&b, "%s greets you", s->setup->host);
	if (verb == VERB_EHLO)
		buf_puts(&b, "\nPIPELINING\n8BITMIME\nSMTPUTF8\nSIZE\nDSN\nENHANCEDSTATUSCODES\nCHUNKING\nHELP");
	session_reply(s, 250, NULL, b.data);
	buf_free(&b);
}

static void
begin_transaction(struct session *s, struct path_command *p)
{
	struct outcome o = {0};

	s->source.sender = p->null ? "<>" : p->path;
	s->result.started = clock_now();
	if (s->setup->trouble->status != 0) {
		o = *s->setup->trouble;
		memset(&s->envelope, 0, sizeof(s->envelope));
		s->envelope.sender = mem_dup("");
	} else if (envelope_begin(&s->envelope, &s->source, &o) == 0) {
		s->envelope.utf8 = p->utf8 || address_is_utf8(p->path) || address_is_utf8(s->envelope.sender);
		s->envelope.requiretls = s->setup->requiretls || s->setup->config->requiretls;
		s->envelope.ret = p->ret;
		s->envelope.envid = s->envid = p->envid;
		p->envid = NULL;
		s->stored = s->setup->keep != NULL && (s->setup->store || clock_now() < s->store_until);
		if (s->setup->store)
			s->unreachable = o;
		if (!s->stored)
			look_ahead(s, p);
		s->begun = s->stored || relay_mail(&s->relay, &s->result, &s->envelope, p->size, p->eight_bit, &o) == 0 || session_goes_on(s, &o);
		if (s->begun && s->stored)
			session_reply(s, 250, "2.1.0", "Sender taken");
		else if (s->begun)
			session_answer_success(s, "2.1.0");
		if (s->begun)
			return;
	} else if (s->envelope.sender == NULL)
		s->envelope.sender = mem_dup("");
	session_fail(s, &o, "5.1.7");
	s->sender_refused = o.cause != CAUSE_BAD_ADDRESS;
}

static void
do_mail(struct session *s, const char *argument)
{
	struct path_command p;
	const char *why;
	int code;

	s->whole = s->returned > 0;
	s->returned -= s->whole;
	if (s->in_vain)
		drop(s);
	if (s->begun) {
		session_refuse_order(s, "A message is begun already; RSET gives it up");
		return;
	}
	s->sender_refused = false;
	code = command_path(&p, VERB_MAIL, argument, &why);
	if (code != 0)
		refuse_syntax(s, code, VERB_MAIL, why);
	else if (address_is_utf8(p.path) && !p.utf8 && !s->basic)
		session_refuse(s, 501, "5.6.7", "An address outside ASCII takes the parameter SMTPUTF8");
	else
		begin_transaction(s, &p);
	command_free(&p);
}

/* Of several that one RCPT has come to, one was refused: so it is for all of them, or those who were taken would get it again and again. */
static void
take_back(struct session *s, size_t i, const struct outcome *refusal)
{
	struct envelope *e = &s->envelope;

	for (; i < e->count; i++)
		if (e->rcpt[i].state == RCPT_TAKEN) {
			envelope_fail(e, i, refusal);
			relay_take_back(&s->relay);
		}
}

/* The verdict on what one RCPT has come to, from recipient i on: the first refusal, else the last word. */
static void
ask_recipients(struct session *s, size_t first, const struct path_command *p)
{
	struct envelope *e = &s->envelope;
	struct outcome refusal = {0};

	if (first == e->count) {
		session_reply(s, 250, "2.1.5", "Named already");
		return;
	}
	for (size_t i = first; i < e->count; i++) {
		struct recipient *r = &e->rcpt[i];

		r->notify = p->notify;
		r->orcpt = p->orcpt == NULL ? NULL : mem_dup(p->orcpt);
		if (refusal.status != 0 && r->state == RCPT_PENDING)
			envelope_fail(e, i, &refusal);
		else if (r->state == RCPT_FAILED)
			refusal = *r->fate;
		else if (s->stored)
			r->state = RCPT_TAKEN;
		else if (relay_rcpt(&s->relay, &s->result, e, i, &refusal) == -1 && session_goes_on(s, &refusal)) {
			refusal = (struct outcome){0};
			envelope_revive(e, i, RCPT_TAKEN);
		}
	}
	if (refusal.status == 0) {
		if (s->stored)
			session_reply(s, 250, "2.1.5", "Recipient taken");
		else
			session_answer_success(s, "2.1.5");
		return;
	}
	take_back(s, first, &refusal);
	session_answer_failure(s, &refusal, "5.1.3");
}

static void
add_recipient(struct session *s, const struct path_command *p)
{
	size_t first;
	struct outcome o = {0};

	if (s->envelope.count >= SERVER_RCPT_MAX) {
		session_reply(s, 452, "4.5.3", "Too many recipients; the others take another message");
		return;
	}
	if (envelope_add(&s->envelope, &s->source, p->path, &first, &o) == -1) {
		session_answer_failure(s, &o, "5.1.3");
		return;
	}
	s->asked++;
	s->in_vain = false;
	ask_recipients(s, first, p);
}

static void
do_rcpt(struct session *s, const char *argument)
{
	struct path_command p;
	const char *why;
	int code;

	if (!s->begun || s->reader != NULL) {
		session_refuse_order(s, s->begun ? "The message has begun; BDAT or RSET" : "MAIL comes first");
		return;
	}
	code = command_path(&p, VERB_RCPT, argument, &why);
	if (code != 0)
		refuse_syntax(s, code, VERB_RCPT, why);
	else if (address_is_utf8(p.path) && !s->envelope.utf8 && !s->basic)
		session_refuse(s, 501, "5.6.7", "An address outside ASCII takes the parameter SMTPUTF8 at MAIL");
	else
		add_recipient(s, &p);
	command_free(&p);
}

/* Whether a message may come now; else it is refused. */
static bool
may_begin_message(struct session *s)
{
	if (!s->begun || s->asked == 0) {
		session_refuse_order(s, s->begun ? "RCPT comes first" : "MAIL comes first");
		return false;
	}
	s->in_vain = envelope_count(&s->envelope, RCPT_TAKEN) == 0;
	if (s->in_vain)
		session_reply(s, 554, "5.5.1", SESSION_NOBODY);
	return !s->in_vain;
}

static void
begin_message(struct session *s)
{
	s->reading = (struct outcome){0};
	s->reader = message_begin(&s->message, false, s->setup->directory, &s->reading);
}

static void
do_data(struct session *s, const char *argument, bool crlf)
{
	enum intake_result r;

	if (*argument != '\0') {
		refuse_syntax(s, 501, VERB_DATA, "");
		return;
	}
	if (s->reader != NULL) {
		session_refuse_order(s, "The message comes in chunks; BDAT or RSET");
		return;
	}
	if (!may_begin_message(s)) {
		if (s->whole)
			(void)intake_data(s->in, !crlf, NULL);	/* which has come: its content must not be taken for commands */
		return;
	}
	session_reply(s, 354, NULL, SESSION_GO_ON);
	session_flush(s);
	if (s->over)
		return;
	begin_message(s);
	r = intake_data(s->in, !crlf, s->reader);
	if (r == INTAKE_OK)
		end_message(s);
	else
		input_failed(s, r);
}

/* Where a chunk ends that is not understood nobody knows, and its octets must not be taken for commands. */
static void
end_at_chunk(struct session *s)
{
	if (s->over)
		return;
	session_reply(s, 421, "4.7.0", "Where the chunk ends is not known; closing");
	session_end(s, EX_USAGE);
}

static void
do_bdat(struct session *s, const char *argument)
{
	enum intake_result r;
	uint64_t octets;
	bool last;
	char text[64];

	if (!command_chunk(argument, &octets, &last)) {
		refuse_syntax(s, 501, VERB_BDAT, "");
		end_at_chunk(s);
		return;
	}
	if (s->reader == NULL && !may_begin_message(s)) {
		r = s->over ? INTAKE_OK : intake_chunk(s->in, octets, NULL);
		if (r != INTAKE_OK)
			input_failed(s, r);
		return;
	}
	if (s->reader == NULL)
		begin_message(s);
	r = intake_chunk(s->in, octets, s->reader);
	if (r != INTAKE_OK)
		input_failed(s, r);
	else if (last)
		end_message(s);
	else {
		(void)snprintf(text, sizeof(text), "%llu octets", (unsigned long long)octets);
		session_reply(s, 250, "2.0.0", text);
	}
}

static void
do_help(struct session *s, const char *argument)
{
	const char *rest;
	enum verb verb = command_verb(argument, &rest);
	struct buf b = {0}, unknown = {0};
	char *topic = mem_dup(argument);

	if (verb == VERB_UNKNOWN && *argument != '\0')
		(void)explain_topics(&b, &topic, 1, &unknown);
	if (b.len == 0)
		command_help(&b, verb);
	free(topic);
	buf_free(&unknown);
	b.data[--b.len] = '\0';		/* the last line end is the reply's own */
	session_reply(s, 214, "2.0.0", b.data);
	buf_free(&b);
}

static void
do_unknown(struct session *s, const char *line)
{
	struct buf b = {0};

	buf_puts(&b, "No such command: \"");
	printable_add(&b, line, strlen(line), 80);
	buf_puts(&b, "\"; HELP lists them");
	session_refuse(s, 500, "5.5.1", b.data);
	buf_free(&b);
}

static void
do_command(struct session *s, enum verb verb, const char *line, const char *argument, bool crlf)
{
	switch (verb) {
	case VERB_EHLO:
	case VERB_HELO:
		do_ehlo(s, verb, argument);
		break;
	case VERB_MAIL:
		do_mail(s, argument);
		break;
	case VERB_RCPT:
		do_rcpt(s, argument);
		break;
	case VERB_DATA:
		do_data(s, argument, crlf);
		break;
	case VERB_BDAT:
		do_bdat(s, argument);
		break;
	case VERB_RSET:
		drop(s);
		session_reply(s, 250, "2.0.0", "Forgotten");
		break;
	case VERB_NOOP:
		session_reply(s, 250, "2.0.0", "Nothing done");
		break;
	case VERB_VRFY:
		if (*argument == '\0')
			refuse_syntax(s, 501, verb, "");
		else
			session_reply(s, 252, "2.0.0", "RCPT asks the smarthost");
		break;
	case VERB_HELP:
		do_help(s, argument);
		break;
	case VERB_QUIT:
		session_reply(s, 221, "2.0.0", "Goodbye");
		session_end(s, EX_OK);
		break;
	case VERB_UNKNOWN:
	case VERB_COUNT:
		do_unknown(s, line);
		break;
	default:
		session_refuse(s, 502, "5.5.1", "Not available here; HELP lists what is");
		break;
	}
	if (verb != VERB_MAIL && verb != VERB_RCPT)
		s->whole = false;
}

/* A line that is none, whatever command it begins with. */
static void
refuse_line(struct session *s, enum verb verb, int code, const char *text)
{
	session_refuse(s, code, "5.5.2", text);
	if (verb == VERB_BDAT)
		end_at_chunk(s);
}

/* One line, whatever it is. */
static void
do_line(struct session *s, const char *line, size_t len, bool crlf)
{
	const char *argument;
	enum verb verb = command_verb(line, &argument);
	bool path = verb == VERB_MAIL || verb == VERB_RCPT;

	if (verb == VERB_UNKNOWN && command_is_foreign(line)) {
		session_reply(s, 421, "4.7.0", "This is SMTP, and that was not; closing");
		session_end(s, EX_USAGE);
	} else if (strlen(line) < len || (address_is_utf8(line) && !path))
		refuse_line(s, verb, 501, "An octet in it that no command may have");
	else if (!path && len + 2 > COMMAND_LINE_MAX)
		refuse_line(s, verb, 500, "The line is too long");
	else
		do_command(s, verb, line, argument, crlf);
}

static void
converse(struct session *s)
{
	char line[COMMAND_LONG_MAX - 1];

	while (!s->over) {
		enum intake_result r;
		const char *argument;
		size_t len;
		bool crlf;

		if (flight_take(s))
			continue;
		flight_land(s);
		if (s->over)
			break;
		r = intake_line(s->in, line, sizeof(line), &len, &crlf);
		if (r == INTAKE_OK)
			do_line(s, line, len, crlf);
		else if (r == INTAKE_TOO_LONG)
			refuse_line(s, command_verb(line, &argument), 500, "The line is too long");
		else
			input_failed(s, r);
	}
}

int
server_run(const struct server_setup *setup, size_t *transactions)
{
	struct session *s = mem_alloc(sizeof(*s));
	struct buf greeting = {0};
	int status;

	s->setup = setup;
	s->in = intake_new(setup->in, (int)(setup->config->idle_timeout * 1000));
	s->replies = (struct replies){.fd = setup->out, .wait = s->in->idle};
	s->in->waiting = before_wait;
	s->in->arg = s;
	relay_init(&s->relay, setup->config, setup->trace);
	outgoing_source(&s->source, setup->config, setup->host, setup->aliases);
	buf_printf(&greeting, "%s ESMTP sendmail-submit; HELP explains", setup->host);
	session_reply(s, 220, NULL, greeting.data);
	buf_free(&greeting);
	converse(s);
	session_flush(s);
	drop(s);
	relay_close(&s->relay);
	status = s->status;
	*transactions = s->transactions;
	buf_free(&s->replies.held);
	buf_free(&s->next);
	intake_free(s->in);
	free(s);
	return status;
}
