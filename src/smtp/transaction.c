/*
 * One message to its recipients: MAIL, RCPT, DATA or BDAT, in flights where PIPELINING is offered, in further transactions where
 * the smarthost takes no more recipients in this one (RFC 5321 sections 3.3 and 4.5.3.1.10; RFC 1870, 2920, 3030, 3461, 6152, 6531, 8689).
 *
 * A flight is written whole, then its replies are read in the same order. Who has got the message is seen from the recipients' states
 * alone; struct transaction keeps beside them only what became of the message on the line.
 *
 * A write that fails is not told where it fails: the stream then fails every call, but gives the replies that had come before. So whoever
 * reads the next one learns what the smarthost said before it hung up, or else that the connection is gone, at the stage that it had reached.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "dsn.h"
#include "mail/address.h"
#include "mail/encode.h"
#include "mail/mime.h"
#include "smtp/body.h"
#include "smtp/client.h"
#include "smtp/judge.h"

#define FLIGHT_MAX	1000	/* recipients; Postfix forgives as many beyond its limit (smtpd_recipient_overshoot_limit) */
#define INLINE_MAX	65536	/* octets of a message that may share a flight with its envelope */
#define DRAIN_MAX	10000	/* milliseconds that are spent on answers which mean nothing any more */

/* What one transaction is doing. */
struct transaction {
	struct client *c;
	struct envelope *e;
	struct message *m;
	struct outcome *o;
	uint64_t size;		/* 0: not known */
	bool eight_bit;		/* BODY=8BITMIME is needed */
	bool in_flight;		/* the message has gone with its envelope: an answer too many before its own would be taken for it */
	bool cut;		/* the line broke before all of the message had left: no answer can mean that it was taken */
	size_t limit;		/* recipients that the smarthost took in an earlier transaction before it said enough; 0: not known */
};

static const char stray_words[] = "it said something that nobody had asked for";

/* Something is about to be said that has an answer. */
static void
expect_answer(struct transaction *t)
{
	if (t->c->due == 0)
		reply_expect(&t->c->stream);
	t->c->due++;
}

static void
put(struct transaction *t, const char *line, size_t n)
{
	struct stream *s = &t->c->stream;

	expect_answer(t);
	if (s->error != STREAM_OK)
		return;
	trace_line(t->c->trace, '>', line, n);
	if (stream_write(s, line, n) == 0)
		(void)stream_puts(s, "\r\n");
}

static bool
wants_dsn(const struct envelope *e)
{
	return e->notify != 0 || e->ret != NULL || e->envid != NULL;
}

static bool
rcpt_wants_dsn(const struct envelope *e, const struct recipient *r)
{
	return wants_dsn(e) || r->notify != 0 || r->orcpt != NULL;
}

static void
put_mail(struct transaction *t)
{
	const struct capability *cap = &t->c->cap;
	struct buf b = {0};

	buf_printf(&b, "MAIL FROM:<%s>", t->e->sender);
	if (cap->size && t->size > 0)
		buf_printf(&b, " SIZE=%llu", (unsigned long long)t->size);
	if (t->eight_bit && cap->eight_bit)
		buf_puts(&b, " BODY=8BITMIME");
	if (t->e->utf8 && cap->utf8)
		buf_puts(&b, " SMTPUTF8");
	if (t->e->requiretls)
		buf_puts(&b, " REQUIRETLS");
	if (cap->dsn && t->e->ret != NULL)
		buf_printf(&b, " RET=%s", t->e->ret);
	if (cap->dsn && t->e->envid != NULL) {
		buf_puts(&b, " ENVID=");
		dsn_add_xtext(&b, t->e->envid);
	}
	put(t, b.data, b.len);
	buf_free(&b);
}

static void
put_rcpt(struct transaction *t, const struct recipient *r)
{
	const char *original = r->original != NULL ? r->original : r->path;
	unsigned notify = r->notify != 0 ? r->notify : t->e->notify;
	struct buf b = {0};

	buf_printf(&b, "RCPT TO:<%s>", r->path);
	if (t->c->cap.dsn && rcpt_wants_dsn(t->e, r)) {
		if (notify != 0) {
			buf_puts(&b, " NOTIFY=");
			dsn_add_notify(&b, notify);
		}
		if (r->orcpt != NULL) {
			if (!address_is_utf8(r->orcpt) || (t->e->utf8 && t->c->cap.utf8))	/* else it cannot be said there */
				buf_printf(&b, " ORCPT=%s", r->orcpt);
		} else if (!address_is_utf8(original)) {
			buf_puts(&b, " ORCPT=rfc822;");
			dsn_add_xtext(&b, original);
		} else if (t->e->utf8 && t->c->cap.utf8) {
			buf_puts(&b, " ORCPT=utf-8;");
			dsn_add_unitext(&b, original);
		}
	}
	put(t, b.data, b.len);
	buf_free(&b);
}

/* A failure after the message has gone. */
static void
add_doubt(struct transaction *t)
{
	if (t->c->uncertain)
		(void)strlcat(t->o->why, "; it may have taken the message or not", sizeof(t->o->why));
}

static int
hear(struct transaction *t, enum stage stage, const char *to)
{
	char doing[300];
	int r;

	(void)snprintf(doing, sizeof(doing), "waiting for the answer of %s to %s", t->c->host->host, to);
	r = reply_read(&t->c->reply, &t->c->stream, t->c->trace, stage, doing, t->o);
	t->c->due -= t->c->due > 0;
	if (r == -1)
		add_doubt(t);
	if (r == -1 || t->c->reply.code == 421)
		t->c->can_quit = false;	/* nobody listens, and QUIT may not stand in a flight behind DATA */
	return r;
}

/*
 * True where the smarthost does not end the session though it has said so (421), and the message was in the same flight: what it answers
 * belongs to nobody knows whom. One that hangs up has not taken the message.
 */
static bool
goes_on(struct transaction *t)
{
	struct stream *s = &t->c->stream;
	struct outcome kept = *t->o;
	msec deadline = s->deadline, soon = clock_now() + DRAIN_MAX;
	bool more;

	if (!t->c->uncertain)
		return false;
	if (deadline > soon)
		s->deadline = soon;
	more = hear(t, STAGE_RCPT, "RCPT") == 0 || s->error == STREAM_TIMEOUT;
	s->deadline = deadline;
	*t->o = kept;
	return more;
}

static int
read_mail(struct transaction *t)
{
	if (hear(t, STAGE_MAIL, "MAIL") == -1)
		return -1;
	if (t->c->reply.code / 100 == 2)
		return 0;
	(void)reply_fail(&t->c->reply, STAGE_MAIL, t->o, "%s refused the sender <%s>", t->c->host->host, t->e->sender);
	if (t->c->reply.code == 421 && goes_on(t))
		add_doubt(t);
	if (t->c->reply.code == 530)
		judge_530(t->o, &t->c->reply, t->c->secure, t->c->mechanism[0] != '\0');
	return -1;
}

/*
 * The verdict on recipient i. taken: recipients taken in this transaction before it. *enough is set where it is left for the next one.
 */
static int
read_rcpt(struct transaction *t, size_t i, size_t taken, bool *enough)
{
	struct recipient *r = &t->e->rcpt[i];
	struct outcome fate;

	if (hear(t, STAGE_RCPT, "RCPT") == -1)
		return -1;
	t->c->committed = true;
	if (t->c->reply.code / 100 == 2) {
		r->state = RCPT_TAKEN;
		return 0;
	}
	if (t->c->reply.code == 421) {
		(void)reply_fail(&t->c->reply, STAGE_RCPT, t->o, "%s ended the session at <%s>", t->c->host->host, r->path);
		if (goes_on(t))
			add_doubt(t);
		return -1;
	}
	if (taken > 0 && judge_enough(&t->c->reply)) {
		*enough = true;
		return 0;
	}
	(void)reply_fail(&t->c->reply, STAGE_RCPT, &fate, "<%s> was refused by %s", r->path, t->c->host->host);
	envelope_fail(t->e, i, &fate);
	return 0;
}

static size_t
next_pending(const struct envelope *e, size_t i)
{
	while (i < e->count && e->rcpt[i].state != RCPT_PENDING)
		i++;
	return i;
}

/* True where the smarthost says yes to a message whose end it has not seen. A no may come early. */
static bool
is_early_yes(struct stream *s)
{
	return !stream_is_quiet(s) && stream_pending(s) > 0 && s->in.data[s->in_at] == '2';
}

/*
 * The message and its end, without waiting for the answer. -1: it could not be read back, and the smarthost waits for octets that will never come.
 */
static int
put_message(struct transaction *t, bool chunked)
{
	struct stream *s = &t->c->stream;
	char line[64];

	t->c->can_quit = false;
	t->c->committed = true;
	if (chunked) {
		(void)snprintf(line, sizeof(line), "BDAT %llu LAST", (unsigned long long)t->size);
		put(t, line, strlen(line));
	} else
		expect_answer(t);
	trace_note(t->c->trace, "the message, %llu octets", (unsigned long long)t->size);
	if (body_write(s, t->m, !chunked, t->o) == -1 && s->error == STREAM_OK)
		return -1;
	if (!t->in_flight && (!chunked || s->out.len > 0) && is_early_yes(s))	/* else the last octet may have left already */
		stream_give_up(s, stray_words);
	if (!chunked)
		(void)stream_puts(s, ".\r\n");
	(void)stream_flush(s);
	t->cut = s->error != STREAM_OK;
	t->c->uncertain = !t->cut;
	return 0;
}

/* Reads the verdict on the message: those who were taken have got it, or have not. */
static int
read_verdict(struct transaction *t)
{
	int r = hear(t, STAGE_DOT, "the message");

	if (t->cut && (r == -1 || t->c->reply.code < 400))
		return stream_fail(&t->c->stream, STAGE_DATA, "sending the message", t->o);
	if (r == -1)
		return -1;
	if (t->in_flight && t->c->reply.code / 100 == 2 && !stream_is_quiet(&t->c->stream) && stream_pending(&t->c->stream) > 0) {
		stream_give_up(&t->c->stream, stray_words);
		t->c->can_quit = false;
		return outcome_set(t->o, EX_TEMPFAIL, STAGE_DOT, CAUSE_LOST, "it answered more than it was asked; it may have taken the message or not",
		    "waiting for the answer of %s to the message", t->c->host->host);
	}
	t->c->uncertain = false;
	t->c->can_quit = t->c->reply.code != 421;
	if (t->c->reply.code / 100 != 2)
		return reply_fail(&t->c->reply, STAGE_DOT, t->o, "%s refused the message", t->c->host->host);
	for (size_t i = 0; i < t->e->count; i++)
		if (t->e->rcpt[i].state == RCPT_TAKEN)
			t->e->rcpt[i].state = RCPT_DONE;
	return 0;
}

static void
put_data(struct transaction *t)
{
	t->c->can_quit = false;
	put(t, "DATA", 4);
}

/* The answer to DATA. 0: the message may go. */
static int
read_data(struct transaction *t)
{
	if (hear(t, STAGE_DATA, "DATA") == -1)
		return -1;
	if (t->c->reply.code / 100 == 3)
		return 0;
	t->c->can_quit = t->c->reply.code >= 400 && t->c->reply.code != 421;	/* else 354 may be on its way */
	return reply_fail(&t->c->reply, STAGE_DATA, t->o, "%s refused the message", t->c->host->host);
}

/* What the last flight of the envelope ends with. */
enum ending { END_NONE, END_DATA, END_MESSAGE };

/*
 * Reads the answers that are due but mean nothing, since nobody can get the message: to so many RCPT and to the ending of the flight. A 3xx waits for
 * a message, and is given a lone dot; but where a recipient was taken nevertheless that would send an empty message, and the connection is
 * dropped. o stays as it is.
 */
static void
drain(struct transaction *t, size_t rcpts, enum ending ending)
{
	struct stream *s = &t->c->stream;
	struct outcome kept = *t->o;
	msec deadline = s->deadline, now = clock_now();
	bool heard = true;

	if (deadline > now + DRAIN_MAX)
		s->deadline = now + DRAIN_MAX;
	while (heard && rcpts-- > 0)
		heard = hear(t, STAGE_RCPT, "RCPT") == 0 && t->c->reply.code / 100 != 2;
	if (heard && ending != END_NONE)
		heard = hear(t, STAGE_DATA, "DATA") == 0;
	if (heard && ending == END_MESSAGE && t->c->reply.code >= 400)
		t->c->uncertain = false;	/* refused like all before it */
	if (heard && ending == END_DATA && t->c->reply.code / 100 == 3) {
		put(t, ".", 1);
		(void)stream_flush(s);
		heard = hear(t, STAGE_DOT, "the lone dot") == 0;
	}
	t->c->can_quit = heard;
	s->deadline = deadline;
	*t->o = kept;
}

static int
put_ending(struct transaction *t, enum ending ending)
{
	t->in_flight = ending == END_MESSAGE;
	if (t->in_flight)
		return put_message(t, true);
	if (ending == END_DATA)
		put_data(t);
	return 0;
}

/*
 * Writes a flight: MAIL (the first time), up to max pending recipients from *next on, and the ending if they are the last. Its recipients
 * are noted in batch; returns their number, or -1.
 */
static ptrdiff_t
put_flight(struct transaction *t, bool first, size_t *next, size_t *batch, size_t max, enum ending *ending)
{
	size_t n = 0;

	if (first)
		put_mail(t);
	for (; n < max && *next < t->e->count; *next = next_pending(t->e, *next + 1)) {
		put_rcpt(t, &t->e->rcpt[*next]);
		batch[n++] = *next;
	}
	if (*next < t->e->count)
		*ending = END_NONE;
	if (put_ending(t, *ending) == -1)
		return -1;
	(void)stream_flush(&t->c->stream);
	return (ptrdiff_t)n;
}

/* Whether octets of the message may go before the envelope's verdicts are known. */
static enum ending
choose_ending(const struct transaction *t)
{
	if (!t->c->cap.pipelining)
		return END_NONE;
	if (!t->c->cap.chunking)
		return END_DATA;
	return t->c->last && !t->c->fragile && t->size <= INLINE_MAX ? END_MESSAGE : END_NONE;
}

/* The envelope, in as many flights as it takes, and what its last flight ended with. */
static int
send_envelope(struct transaction *t, size_t *taken, enum ending *ending)
{
	size_t max = t->c->cap.pipelining ? (t->limit > 0 && t->limit < FLIGHT_MAX ? t->limit : FLIGHT_MAX) : 1;
	size_t next = next_pending(t->e, 0), *batch = mem_grow(NULL, max, sizeof(*batch));
	bool first = true, enough = false;
	ptrdiff_t n = 0;
	int r = 0;

	if (!t->c->cap.pipelining) {
		put_mail(t);
		(void)stream_flush(&t->c->stream);
		r = read_mail(t);
	}
	first = t->c->cap.pipelining;
	while (r == 0 && next < t->e->count && !enough && (t->limit == 0 || *taken < t->limit)) {
		*ending = choose_ending(t);
		n = put_flight(t, first, &next, batch, max, ending);
		if (n == -1)
			r = -1;
		else if (first && (r = read_mail(t)) == -1 && t->c->reply.code >= 400 && t->c->reply.code != 421)
			drain(t, (size_t)n, *ending);
		for (ptrdiff_t i = 0; r == 0 && i < n; i++) {
			r = read_rcpt(t, batch[i], *taken, &enough);
			*taken += r == 0 && t->e->rcpt[batch[i]].state == RCPT_TAKEN;
		}
		first = false;
	}
	if (enough)
		t->limit = *taken;
	free(batch);
	return r;
}

/* The message to those who were taken, after an envelope that ended so. */
static int
send_message(struct transaction *t, enum ending ending)
{
	if (t->in_flight)
		return read_verdict(t);
	if (!t->c->cap.chunking) {
		if (ending == END_NONE) {
			put_data(t);
			(void)stream_flush(&t->c->stream);
		}
		if (read_data(t) == -1)
			return -1;
	}
	return put_message(t, t->c->cap.chunking) == -1 ? -1 : read_verdict(t);
}

/* One transaction. -1: the message as a whole has failed. */
static int
transact(struct transaction *t)
{
	enum ending ending = END_NONE;
	size_t taken = 0;

	if (send_envelope(t, &taken, &ending) == -1)
		return -1;
	if (taken == 0) {
		drain(t, 0, ending);
		return 0;
	}
	return send_message(t, ending);
}

/* An address that needs SMTPUTF8 where it is not offered, or was not asked for at MAIL. */
static int
check_sender_utf8(struct transaction *t)
{
	if (t->c->cap.utf8 || !address_is_utf8(t->e->sender))
		return 0;
	return outcome_set(t->o, EX_DATAERR, STAGE_MAIL, CAUSE_NEEDS_SMTPUTF8, "it does not offer SMTPUTF8 (5.6.7)",
	    "%s cannot take the sender <%s>", t->c->host->host, t->e->sender);
}

static int
check_rcpt_utf8(struct transaction *t, size_t i)
{
	struct recipient *r = &t->e->rcpt[i];
	struct outcome fate;

	if ((t->c->cap.utf8 && t->e->utf8) || !address_is_utf8(r->path))
		return 0;
	(void)outcome_set(&fate, EX_DATAERR, STAGE_RCPT, CAUSE_NEEDS_SMTPUTF8,
	    t->c->cap.utf8 ? "SMTPUTF8 was not given at MAIL (5.6.7)" : "it does not offer SMTPUTF8 (5.6.7)",
	    "%s cannot take the recipient <%s>", t->c->host->host, r->path);
	envelope_fail(t->e, i, &fate);
	return -1;
}

/* Those whose address the smarthost cannot take are told so; the sender's address is everybody's. */
static int
check_utf8(struct transaction *t)
{
	if (check_sender_utf8(t) == -1)
		return -1;
	for (size_t i = 0; i < t->e->count; i++)
		if (t->e->rcpt[i].state == RCPT_PENDING)
			(void)check_rcpt_utf8(t, i);
	return 0;
}

static bool
header_is_8bit(const struct message *m)
{
	for (size_t i = 0; i < m->header.count; i++)
		if (encode_is_8bit(m->header.field[i].text, m->header.field[i].len))
			return true;
	return false;
}

static int
check_requiretls(struct transaction *t)
{
	if (!t->e->requiretls || (t->c->secure && t->c->cap.requiretls))
		return 0;
	return outcome_set(t->o, EX_UNAVAILABLE, STAGE_MAIL, CAUSE_NO_REQUIRETLS, "it does not offer REQUIRETLS",
	    "the message asks for TLS all the way, and %s cannot promise it", t->c->host->host);
}

static int
check_size(struct transaction *t)
{
	const struct capability *cap = &t->c->cap;
	char why[120];

	if (cap->size_max == 0 || t->size <= cap->size_max)
		return 0;
	(void)snprintf(why, sizeof(why), "it has %llu octets, and %llu are the most", (unsigned long long)t->size,
	    (unsigned long long)cap->size_max);
	return outcome_set(t->o, EX_DATAERR, STAGE_MAIL, CAUSE_TOO_LARGE, why, "the message is too large for %s", t->c->host->host);
}

/* The message itself: its octets and its size. */
static int
fit_message(struct transaction *t)
{
	const struct client *c = t->c;

	if (mime_needed(t->m, c->cap.eight_bit) && mime_convert(t->m, c->cap.eight_bit, t->o) == -1)
		return -1;
	t->eight_bit = t->m->eight_bit || header_is_8bit(t->m);
	if (t->eight_bit && !c->cap.eight_bit && !(t->e->utf8 && c->cap.utf8))
		return outcome_set(t->o, EX_DATAERR, STAGE_MESSAGE, CAUSE_NEEDS_8BITMIME, "it does not offer 8BITMIME",
		    "the header holds 8-bit text that cannot be encoded, and %s cannot take it", c->host->host);
	t->size = message_size(t->m);
	return check_size(t);
}

/* What must hold before MAIL: size, body type, SMTPUTF8, REQUIRETLS. */
static int
prepare(struct transaction *t)
{
	if (check_requiretls(t) == -1 || fit_message(t) == -1)
		return -1;
	return check_utf8(t);
}

/* Who was taken, but has not got it, is where it was. */
static int
give_back(struct envelope *e)
{
	for (size_t i = 0; i < e->count; i++)
		if (e->rcpt[i].state == RCPT_TAKEN)
			e->rcpt[i].state = RCPT_PENDING;
	return -1;
}

static void
note_dsn(struct transaction *t)
{
	t->c->dsn_dropped = false;
	for (size_t i = 0; i < t->e->count && !t->c->cap.dsn; i++)
		t->c->dsn_dropped = t->c->dsn_dropped || rcpt_wants_dsn(t->e, &t->e->rcpt[i]);
}

/* True where the message needs, or asks for, what the smarthost has not offered so far. */
static bool
lacks(const struct transaction *t)
{
	const struct capability *cap = &t->c->cap;
	bool dsn = wants_dsn(t->e), utf8 = t->e->utf8;

	for (size_t i = 0; i < t->e->count; i++)
		dsn = dsn || rcpt_wants_dsn(t->e, &t->e->rcpt[i]);
	return (dsn && !cap->dsn) || (utf8 && !cap->utf8) || (t->e->requiretls && !cap->requiretls) ||
	    ((t->eight_bit || (t->m != NULL && t->m->eight_bit)) && !cap->eight_bit) || (cap->size_max > 0 && t->size > cap->size_max);
}

int
client_send(struct client *c, struct envelope *e, struct message *m, struct outcome *o)
{
	struct transaction t = {.c = c, .e = e, .m = m, .o = o, .size = message_size(m)};
	size_t before;

	*o = (struct outcome){0};
	if (lacks(&t) && client_ask_again(c, o) == -1)
		return -1;
	if (prepare(&t) == -1)
		return -1;
	note_dsn(&t);
	while ((before = envelope_count(e, RCPT_PENDING)) > 0) {
		if (transact(&t) == -1)
			return give_back(e);
		if (envelope_count(e, RCPT_PENDING) == before)
			return outcome_set(o, EX_SOFTWARE, STAGE_RCPT, CAUSE_BUG, "no recipient was decided", "a transaction came to nothing");
	}
	return 0;
}

int
client_check(struct client *c, struct envelope *e, struct outcome *o)
{
	struct transaction t = {.c = c, .e = e, .o = o};

	*o = (struct outcome){0};
	if (lacks(&t) && client_ask_again(c, o) == -1)
		return -1;
	return check_requiretls(&t) == -1 ? -1 : check_utf8(&t);
}

int
client_mail(struct client *c, struct envelope *e, uint64_t size, bool eight_bit, struct outcome *o)
{
	struct transaction t = {.c = c, .e = e, .o = o, .size = size, .eight_bit = eight_bit};

	*o = (struct outcome){0};
	if (lacks(&t) && client_ask_again(c, o) == -1)
		return -1;
	if (check_requiretls(&t) == -1 || check_size(&t) == -1 || check_sender_utf8(&t) == -1)
		return -1;
	put_mail(&t);
	(void)stream_flush(&c->stream);
	return read_mail(&t);
}

int
client_rcpt(struct client *c, struct envelope *e, size_t i, struct outcome *o)
{
	struct transaction t = {.c = c, .e = e, .o = o};
	bool enough = false;

	*o = (struct outcome){0};
	if (check_rcpt_utf8(&t, i) == 0) {
		put_rcpt(&t, &e->rcpt[i]);
		(void)stream_flush(&c->stream);
		if (read_rcpt(&t, i, 0, &enough) == -1)
			return -1;
	}
	if (e->rcpt[i].state == RCPT_TAKEN)
		return 0;
	*o = *e->rcpt[i].fate;
	return -1;
}

int
client_fit(struct client *c, struct envelope *e, struct message *m, bool *eight_bit, struct outcome *o)
{
	struct transaction t = {.c = c, .e = e, .m = m, .o = o};
	int r;

	*o = (struct outcome){0};
	r = fit_message(&t);
	*eight_bit = t.eight_bit;
	return r;
}

int
client_message(struct client *c, struct envelope *e, struct message *m, struct outcome *o)
{
	struct transaction t = {.c = c, .e = e, .m = m, .o = o, .size = message_size(m)};

	*o = (struct outcome){0};
	note_dsn(&t);
	return send_message(&t, END_NONE);
}

int
client_ask(struct client *c, const char *line, struct outcome *o)
{
	struct envelope none = {0};
	struct transaction t = {.c = c, .e = &none, .o = o};
	char verb[16];

	*o = (struct outcome){0};
	(void)snprintf(verb, sizeof(verb), "%.*s", (int)strcspn(line, " "), line);
	put(&t, line, strlen(line));
	(void)stream_flush(&c->stream);
	return hear(&t, STAGE_MAIL, verb);
}

int
client_reset(struct client *c, struct outcome *o)
{
	if (client_ask(c, "RSET", o) == -1)
		return -1;
	return c->reply.code / 100 == 2 ? 0 : reply_fail(&c->reply, STAGE_MAIL, o, "%s refused to begin anew", c->host->host);
}

bool
client_usable(struct client *c)
{
	return c->can_quit && c->stream.fd != -1 && stream_is_quiet(&c->stream);
}
