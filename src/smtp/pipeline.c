/*
 * Messages one after another without waiting for each. See pipeline.h.
 *
 * With CHUNKING a flight has MAIL, RCPT and the message in one BDAT, of as many messages as there is room for. RSET goes ahead of each: one that failed
 * may have left its MAIL standing (RFC 3030 section 2), and the recipients of the next must never be added to it; a second one follows only when RSET is known to be taken, and none where
 * something may stand and RSET is known to be refused. Without, DATA ends a flight: the answers to an
 * envelope are read before its message goes, with which the next one's envelope goes.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "mail/address.h"
#include "mail/mime.h"
#include "smtp/pipeline.h"
#include "smtp/transaction.h"

#define MOST_FIRST	16		/* messages in flight at first */
#define FAST_MS		1000		/* milliseconds from a message to its answer */
#define OCTETS_MAX	(1024 * 1024)	/* in flight */
#define RCPTS_MAX	1000		/* recipients in flight: what is answered to them must have room while we still write (INPUT_MAX in stream.c) */

bool
pipeline_is_chunked(const struct client *c)
{
	return c->cap.pipelining && c->cap.chunking && c->last && !c->fragile;
}

void
pipeline_begin(struct pipeline *p, struct client *c)
{
	*p = (struct pipeline){.c = c, .chunked = pipeline_is_chunked(c)};
	p->most = MOST_FIRST;
	p->ring = mem_grow(NULL, PIPELINE_MAX, sizeof(*p->ring));
}

void
pipeline_end(struct pipeline *p)
{
	free(p->ring);
	*p = (struct pipeline){0};
}

static struct pipelined *
at(const struct pipeline *p, size_t i)
{
	return &p->ring[(p->first + i) % PIPELINE_MAX];
}

static struct transaction
transaction_of(const struct pipeline *p, struct pipelined *x)
{
	return (struct transaction){.c = p->c, .e = x->e, .m = x->m, .o = &x->o, .size = x->size, .eight_bit = x->eight_bit, .in_flight = p->chunked, .held = true,
	    .cut = x->cut};
}

bool
pipeline_is_full(const struct pipeline *p)
{
	if (p->chunked && !p->proven && p->count > 0)
		return true;
	return p->chunked ? p->count >= p->most || p->octets >= OCTETS_MAX || p->recipients >= RCPTS_MAX : p->count > 1;
}

/* An address that this smarthost cannot take, or was not asked to: transaction_prepare() tells it so. */
static bool
has_utf8(const struct pipeline *p, const struct envelope *e)
{
	if (e->utf8 && p->c->cap.utf8)
		return false;
	for (size_t i = 0; i < e->count; i++)
		if (e->rcpt[i].state == RCPT_PENDING && address_is_utf8(e->rcpt[i].path))
			return true;
	return false;
}

bool
pipeline_takes(const struct pipeline *p, struct envelope *e, struct message *m)
{
	struct outcome o = {0};
	struct transaction t = {.c = p->c, .e = e, .m = m, .o = &o, .size = message_size(m)};
	size_t pending = envelope_count(e, RCPT_PENDING);

	return !p->broken && !(p->stubborn && p->reset) && !pipeline_is_full(p) && p->c->cap.pipelining && pending > 0 && pending <= FLIGHT_RCPTS && (!p->chunked || t.size <= INLINE_MAX) &&
	    !mime_needed(m, p->c->cap.eight_bit) && !transaction_lacks(&t) && !has_utf8(p, e) && transaction_prepare(&t) == 0;
}

/* No more can be made of the connection, nor is what it still says of any use. */
static void
break_off(struct pipeline *p)
{
	p->broken = p->deaf = true;
	p->c->can_quit = false;
}

/* More are in flight only while answers come fast: of a run that is killed those are sent again whose answers it has not read. */
static void
grow(struct pipeline *p, msec took)
{
	p->most = took < FAST_MS ? p->most + 3 : p->most / 2;
	p->most = p->most > PIPELINE_MAX ? PIPELINE_MAX : p->most < MOST_FIRST ? MOST_FIRST : p->most;
}

static void
settle(struct pipeline *p, struct pipelined *x, int status)
{
	x->settled = true;
	x->status = status;
	x->again = x->again || (status == -1 && x->cut && x->o.code == 0);
	if (p->c->reply.code != 0)
		reply_words(&p->c->reply, x->reply, sizeof(x->reply));
	grow(p, clock_now() - x->begun);
	p->late = p->late || (status == -1 && x->o.cause == CAUSE_TIMEOUT);
	p->worked = p->worked || status == 0;
	p->standing = status == -1 || envelope_count(x->e, RCPT_DONE) == 0;
	p->reset = p->reset || p->standing;
	if (status == -1 && x->o.code == 421)
		break_off(p);
	for (size_t i = 0; status == -1 && i < x->e->count; i++)
		if (x->e->rcpt[i].state == RCPT_TAKEN)
			x->e->rcpt[i].state = RCPT_PENDING;
}

/* ---- the envelope ---- */

static void
put_envelope(struct pipeline *p, struct pipelined *x)
{
	struct transaction t = transaction_of(p, x);

	if (x->reset)
		transaction_put(&t, "RSET", 4);
	transaction_put_mail(&t);
	for (size_t i = transaction_next(x->e, 0); i < x->e->count; i = transaction_next(x->e, i + 1), x->asked++)
		transaction_put_rcpt(&t, &x->e->rcpt[i]);
	if (!p->chunked)
		transaction_put_data(&t);
}

/* One that is refused does no harm where nothing stands there. */
static int
read_reset(struct pipeline *p, struct transaction *t)
{
	if (transaction_hear(t, STAGE_MAIL, "RSET") == -1)
		return -1;
	p->proven = p->c->reply.code / 100 == 2;
	p->stubborn = !p->proven;
	if (p->proven || (p->c->reply.code != 421 && !p->standing))
		return 0;
	(void)reply_fail(&p->c->reply, STAGE_MAIL, t->o, "%s refused to begin anew", p->c->host->host);
	t->o->status = EX_TEMPFAIL;	/* that is no message's fault, nor a verdict on it */
	if (t->o->code != 421) {
		t->o->code = 0;
		t->o->cause = CAUSE_NONSENSE;
		if (p->chunked)
			(void)strlcat(t->o->why, "; it may have taken the message or not", sizeof(t->o->why));
	}
	break_off(p);
	return -1;
}

/* Nobody has looked at the message: another connection, or another smarthost, may do better. What has gone along with its envelope may have been taken. */
static bool
is_untried(const struct pipelined *x, bool gone)
{
	return x->o.stage == STAGE_MAIL && (x->o.code == 421 || (x->o.code == 0 && !gone) || (x->o.code != 0 && !gone && outcome_temporary(&x->o)));
}

/* The answers to the envelope. 1: somebody was taken; 0: nobody was, -1: the message as a whole has failed; then it is settled. */
static int
read_envelope(struct pipeline *p, struct pipelined *x, enum ending ending)
{
	struct transaction t = transaction_of(p, x);
	bool enough = false;
	size_t taken = 0, n = 0;
	int r = x->reset ? read_reset(p, &t) : 0;

	if (r == 0)
		r = transaction_read_mail(&t);
	if (r == -1) {
		x->again = is_untried(x, ending == END_MESSAGE && !x->cut);
		if (!p->deaf && x->o.code >= 400 && x->o.code != 421)
			transaction_drain(&t, x->asked, ending);
		else
			break_off(p);
	}
	for (size_t i = transaction_next(x->e, 0); r == 0 && n < x->asked; i = transaction_next(x->e, i + 1), n++) {
		r = transaction_read_rcpt(&t, i, p->live ? 0 : taken, &enough);
		taken += r == 0 && x->e->rcpt[i].state == RCPT_TAKEN;
		if (r == -1)
			break_off(p);
	}
	if (r == 0 && taken > 0)
		return 1;
	if (r == 0)
		transaction_drain(&t, 0, ending);
	if (!p->c->can_quit)
		break_off(p);
	settle(p, x, r);
	return r;
}

/* ---- the message ---- */

static void
put_message(struct pipeline *p, struct pipelined *x)
{
	struct transaction t = transaction_of(p, x);

	x->written = true;
	if (transaction_put_message(&t, p->chunked) == -1) {	/* it could not be read back; those ahead of it are heard of */
		if (p->chunked)
			p->c->reply.code = 0;	/* it is another one's */
		settle(p, x, -1);
		p->broken = true;
	}
	x->cut = t.cut;
	p->broken = p->broken || t.cut;
}

static void
read_verdict(struct pipeline *p, struct pipelined *x)
{
	struct transaction t = transaction_of(p, x);
	int r;

	p->c->uncertain = true;
	r = transaction_read_verdict(&t);
	if (!p->c->can_quit)
		break_off(p);
	settle(p, x, r);
}

/* What comes of a message that has wholly gone. */
static void
hear_of(struct pipeline *p, struct pipelined *x)
{
	p->c->stream.deadline = clock_now() + x->allowed;
	p->c->uncertain = true;
	p->c->reply.code = 0;
	if (!p->chunked || read_envelope(p, x, END_MESSAGE) == 1)
		read_verdict(p, x);
}

/* Without CHUNKING: the answers to the envelope, and then the message, so that only its verdict is left. */
static void
send_behind_data(struct pipeline *p, struct pipelined *x)
{
	struct transaction t = transaction_of(p, x);

	p->c->stream.deadline = clock_now() + x->allowed;
	p->c->uncertain = false;
	p->c->reply.code = 0;
	if (read_envelope(p, x, END_DATA) != 1)
		return;
	if (transaction_read_data(&t) == -1) {
		if (!p->c->can_quit)
			break_off(p);
		settle(p, x, -1);
		return;
	}
	put_message(p, x);
}

/* ---- in and out ---- */

void
pipeline_put(struct pipeline *p, struct envelope *e, struct message *m, msec allowed, void *owner)
{
	struct pipelined *x, *before = p->count > 0 ? at(p, p->count - 1) : NULL;
	struct transaction t;

	if (!p->chunked && before != NULL && !before->written && !before->settled)
		send_behind_data(p, before);
	x = at(p, p->count++);
	*x = (struct pipelined){.e = e, .m = m, .size = message_size(m), .allowed = allowed, .begun = clock_now(), .owner = owner, .again = true};
	p->octets += x->size;
	if (p->broken)
		return;
	x->again = false;
	x->reset = p->reset || p->chunked;
	p->reset = false;
	p->c->stream.deadline = clock_now() + allowed;
	t = transaction_of(p, x);
	if (transaction_prepare(&t) == -1) {	/* pipeline_takes() has seen to that */
		p->c->reply.code = 0;
		settle(p, x, -1);
		return;
	}
	x->eight_bit = t.eight_bit;
	transaction_note_dsn(&t);
	x->dsn_dropped = p->c->dsn_dropped;
	put_envelope(p, x);
	p->recipients += x->asked;
	if (p->chunked)
		put_message(p, x);
	else
		(void)stream_flush(&p->c->stream);
}

const struct pipelined *
pipeline_get(struct pipeline *p)
{
	struct pipelined *x = at(p, 0);

	if (p->count == 0)
		return NULL;
	if (!x->settled && !p->broken && !p->chunked && !x->written)
		send_behind_data(p, x);
	if (!x->settled && !p->deaf && x->written) {
		(void)stream_flush(&p->c->stream);
		hear_of(p, x);
	}
	if (!x->settled) {
		x->status = -1;
		x->again = true;
	}
	p->first = (p->first + 1) % PIPELINE_MAX;
	p->count--;
	p->octets -= x->size;
	p->recipients -= x->asked;
	p->c->can_quit = !p->broken && p->count == 0;
	return x;
}
