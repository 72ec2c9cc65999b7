/*
 * One message to its recipients: the transactions that it takes, in flights where PIPELINING is offered (RFC 2920), in further transactions where
 * the smarthost takes no more recipients in this one (RFC 5321 section 4.5.3.1.10); and the same step by step. See client.h.
 *
 * A flight is written whole, then its replies are read in the same order. Who has got the message is seen from the recipients' states
 * alone; struct transaction keeps beside them only what became of the message on the line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "mail/address.h"
#include "mail/encode.h"
#include "mail/mime.h"
#include "smtp/transaction.h"

#define FLIGHT_MAX	1000	/* recipients; Postfix forgives as many beyond its limit (smtpd_recipient_overshoot_limit) */

static int
put_ending(struct transaction *t, enum ending ending)
{
	t->in_flight = ending == END_MESSAGE;
	if (t->in_flight)
		return transaction_put_message(t, true);
	if (ending == END_DATA)
		transaction_put_data(t);
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
		transaction_put_mail(t);
	for (; n < max && *next < t->e->count; *next = transaction_next(t->e, *next + 1)) {
		transaction_put_rcpt(t, &t->e->rcpt[*next]);
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
	size_t next = transaction_next(t->e, 0), *batch = mem_grow(NULL, max, sizeof(*batch));
	bool first = true, enough = false;
	ptrdiff_t n = 0;
	int r = 0;

	if (!t->c->cap.pipelining) {
		transaction_put_mail(t);
		(void)stream_flush(&t->c->stream);
		r = transaction_read_mail(t);
	}
	first = t->c->cap.pipelining;
	while (r == 0 && next < t->e->count && !enough && (t->limit == 0 || *taken < t->limit)) {
		*ending = choose_ending(t);
		n = put_flight(t, first, &next, batch, max, ending);
		if (n == -1)
			r = -1;
		else if (first && (r = transaction_read_mail(t)) == -1 && t->c->reply.code >= 400 && t->c->reply.code != 421)
			transaction_drain(t, (size_t)n, *ending);
		for (ptrdiff_t i = 0; r == 0 && i < n; i++) {
			r = transaction_read_rcpt(t, batch[i], *taken, &enough);
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
		return transaction_read_verdict(t);
	if (!t->c->cap.chunking) {
		if (ending == END_NONE) {
			transaction_put_data(t);
			(void)stream_flush(&t->c->stream);
		}
		if (transaction_read_data(t) == -1)
			return -1;
	}
	return transaction_put_message(t, t->c->cap.chunking) == -1 ? -1 : transaction_read_verdict(t);
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
		transaction_drain(t, 0, ending);
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
int
transaction_prepare(struct transaction *t)
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

void
transaction_note_dsn(struct transaction *t)
{
	t->c->dsn_dropped = false;
	for (size_t i = 0; i < t->e->count && !t->c->cap.dsn; i++)
		t->c->dsn_dropped = t->c->dsn_dropped || transaction_wants_dsn(t->e, &t->e->rcpt[i]);
}

/* True where the message needs, or asks for, what the smarthost has not offered so far. */
bool
transaction_lacks(const struct transaction *t)
{
	const struct capability *cap = &t->c->cap;
	bool dsn = transaction_wants_dsn(t->e, NULL), utf8 = t->e->utf8;

	for (size_t i = 0; i < t->e->count; i++)
		dsn = dsn || transaction_wants_dsn(t->e, &t->e->rcpt[i]);
	return (dsn && !cap->dsn) || (utf8 && !cap->utf8) || (t->e->requiretls && !cap->requiretls) ||
	    ((t->eight_bit || (t->m != NULL && t->m->eight_bit)) && !cap->eight_bit) || (cap->size_max > 0 && t->size > cap->size_max);
}

int
client_send(struct client *c, struct envelope *e, struct message *m, struct outcome *o)
{
	struct transaction t = {.c = c, .e = e, .m = m, .o = o, .size = message_size(m)};
	size_t before;

	*o = (struct outcome){0};
	if (transaction_lacks(&t) && client_ask_again(c, o) == -1)
		return -1;
	if (transaction_prepare(&t) == -1)
		return -1;
	transaction_note_dsn(&t);
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
	if (transaction_lacks(&t) && client_ask_again(c, o) == -1)
		return -1;
	return check_requiretls(&t) == -1 ? -1 : check_utf8(&t);
}

int
client_mail(struct client *c, struct envelope *e, uint64_t size, bool eight_bit, struct outcome *o)
{
	struct transaction t = {.c = c, .e = e, .o = o, .size = size, .eight_bit = eight_bit};

	*o = (struct outcome){0};
	if (transaction_lacks(&t) && client_ask_again(c, o) == -1)
		return -1;
	if (check_requiretls(&t) == -1 || check_size(&t) == -1 || check_sender_utf8(&t) == -1)
		return -1;
	transaction_put_mail(&t);
	(void)stream_flush(&c->stream);
	return transaction_read_mail(&t);
}

int
client_rcpt(struct client *c, struct envelope *e, size_t i, struct outcome *o)
{
	struct transaction t = {.c = c, .e = e, .o = o};
	bool enough = false;

	*o = (struct outcome){0};
	if (check_rcpt_utf8(&t, i) == 0) {
		transaction_put_rcpt(&t, &e->rcpt[i]);
		(void)stream_flush(&c->stream);
		if (transaction_read_rcpt(&t, i, 0, &enough) == -1)
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
	transaction_note_dsn(&t);
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
	transaction_put(&t, line, strlen(line));
	(void)stream_flush(&c->stream);
	return transaction_hear(&t, STAGE_MAIL, verb);
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
	if (!c->can_quit || c->parted || c->stream.fd == -1)
		return false;
	return client_is_ahead(c) ? c->stream.error == STREAM_OK : stream_is_quiet(&c->stream);
}
