/*
 * One transaction, command by command: what is said, and what each answer means (RFC 5321 sections 3.3 and 4.5.3.1.10; RFC 1870, 2920, 3030, 3461, 6152, 6531, 8689). See
 * transaction.h.
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
#include "smtp/body.h"
#include "smtp/judge.h"
#include "smtp/transaction.h"

#define QUIT_MAX	2000	/* milliseconds that are spent on an answer to QUIT that has begun to come */
#define DRAIN_MAX	10000	/* milliseconds that are spent on answers which mean nothing any more */

static const char stray_words[] = "it said something that nobody had asked for";

/* Something is about to be said that has an answer. */
static void
expect_answer(struct transaction *t)
{
	if (t->c->due == 0)
		reply_expect(&t->c->stream);
	t->c->due++;
}

/* The first of what has gone ahead, and its length. */
static const char *
first_ahead(const struct client *c, size_t *n)
{
	const char *p = c->ahead.data + c->ahead_at;

	*n = strcspn(p, "\n");
	return p;
}

/*
 * What has gone ahead is not asked after all: its answers mean nothing. Where they have begun something there, only RSET may follow; a 354 waits for a message that will never
 * come.
 */
static void
drop_ahead(struct transaction *t, bool reset)
{
	struct outcome ignored, *o = t->o;
	size_t n;
	bool good = true;

	t->o = &ignored;
	while (good && client_is_ahead(t->c)) {
		(void)first_ahead(t->c, &n);
		t->c->ahead_at += n + 1;
		good = transaction_hear(t, STAGE_MAIL, "what went ahead") == 0;
		t->c->data_in_vain = t->c->data_in_vain || (good && t->c->reply.code / 100 == 3);
		good = good && t->c->reply.code != 421 && t->c->reply.code / 100 != 3 &&
		    (reset || t->c->reply.code / 100 != 2);
	}
	t->o = o;
	t->c->ahead_at = t->c->ahead.len;
	if (!good)
		stream_give_up(&t->c->stream, "what was asked ahead of its turn did not come to pass");
}

/* The owner's next lines go along with what was just put. */
static void
put_ahead(struct transaction *t)
{
	struct client *c = t->c;
	const char *p = c->next == NULL ? "" : buf_str(c->next);

	if (!c->cap.pipelining || c->stream.error != STREAM_OK || client_is_ahead(c))
		return;
	buf_reset(&c->ahead);
	c->ahead_at = 0;
	for (size_t n; *p != '\0'; p += n + 1) {
		n = strcspn(p, "\n");
		transaction_put(t, p, n);
	}
	if (c->next != NULL)
		buf_add(&c->ahead, c->next->data, c->next->len);
	c->next = NULL;
}

void
transaction_put(struct transaction *t, const char *line, size_t n)
{
	struct stream *s = &t->c->stream;
	size_t first;

	if (client_is_ahead(t->c)) {
		if (strncmp(first_ahead(t->c, &first), line, n) == 0 && first == n) {
			t->c->ahead_at += n + 1;
			return;
		}
		drop_ahead(t, n == 4 && memcmp(line, "RSET", 4) == 0);
	}
	expect_answer(t);
	if (s->error != STREAM_OK)
		return;
	trace_line(t->c->trace, '>', line, n);
	if (stream_write(s, line, n) == 0)
		(void)stream_puts(s, "\r\n");
}

bool
transaction_wants_dsn(const struct envelope *e, const struct recipient *r)
{
	return e->notify != 0 || e->ret != NULL || e->envid != NULL || (r != NULL && (r->notify != 0 || r->orcpt != NULL));
}

void
transaction_add_mail(const struct transaction *t, struct buf *b)
{
	const struct capability *cap = &t->c->cap;

	buf_printf(b, "MAIL FROM:<%s>", t->e->sender);
	if (cap->size && t->size > 0)
		buf_printf(b, " SIZE=%llu", (unsigned long long)t->size);
	if (t->eight_bit && cap->eight_bit)
		buf_puts(b, " BODY=8BITMIME");
	if (t->e->utf8 && cap->utf8)
		buf_puts(b, " SMTPUTF8");
	if (t->e->requiretls)
		buf_puts(b, " REQUIRETLS");
	if (cap->dsn && t->e->ret != NULL)
		buf_printf(b, " RET=%s", t->e->ret);
	if (cap->dsn && t->e->envid != NULL) {
		buf_puts(b, " ENVID=");
		dsn_add_xtext(b, t->e->envid);
	}
}

void
transaction_put_mail(struct transaction *t)
{
	struct buf b = {0};

	transaction_add_mail(t, &b);
	transaction_put(t, b.data, b.len);
	put_ahead(t);
	buf_free(&b);
}

void
transaction_add_rcpt(const struct transaction *t, const struct recipient *r, struct buf *b)
{
	const char *original = r->original != NULL ? r->original : r->path;
	unsigned notify = r->notify != 0 ? r->notify : t->e->notify;

	buf_printf(b, "RCPT TO:<%s>", r->path);
	if (t->c->cap.dsn && transaction_wants_dsn(t->e, r)) {
		if (notify != 0) {
			buf_puts(b, " NOTIFY=");
			dsn_add_notify(b, notify);
		}
		if (r->orcpt != NULL) {
			if (!address_is_utf8(r->orcpt) || (t->e->utf8 && t->c->cap.utf8))	/* else it cannot be said there */
				buf_printf(b, " ORCPT=%s", r->orcpt);
		} else if (!address_is_utf8(original)) {
			buf_puts(b, " ORCPT=rfc822;");
			dsn_add_xtext(b, original);
		} else if (t->e->utf8 && t->c->cap.utf8) {
			buf_puts(b, " ORCPT=utf-8;");
			dsn_add_unitext(b, original);
		}
	}
}

void
transaction_put_rcpt(struct transaction *t, const struct recipient *r)
{
	struct buf b = {0};

	transaction_add_rcpt(t, r, &b);
	transaction_put(t, b.data, b.len);
	buf_free(&b);
}

/* A failure after the message has gone. */
static void
add_doubt(struct transaction *t)
{
	if (t->c->uncertain)
		(void)strlcat(t->o->why, "; it may have taken the message or not", sizeof(t->o->why));
}

int
transaction_hear(struct transaction *t, enum stage stage, const char *to)
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
	more = transaction_hear(t, STAGE_RCPT, "RCPT") == 0 || s->error == STREAM_TIMEOUT;
	s->deadline = deadline;
	*t->o = kept;
	return more;
}

int
transaction_read_mail(struct transaction *t)
{
	if (transaction_hear(t, STAGE_MAIL, "MAIL") == -1)
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

int
transaction_read_rcpt(struct transaction *t, size_t i, size_t taken, bool *enough)
{
	struct recipient *r = &t->e->rcpt[i];
	struct outcome fate;

	if (transaction_hear(t, STAGE_RCPT, "RCPT") == -1)
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

size_t
transaction_next(const struct envelope *e, size_t i)
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
 * QUIT rides with the end of the message (RFC 2920 section 3.1) where it is the last one, and all who may get it are in this transaction: of several in flight with the
 * message some may turn out to be left for another one.
 */
static void
put_quit(struct transaction *t)
{
	struct client *c = t->c;

	if (!c->parting || !c->cap.pipelining || envelope_count(t->e, RCPT_PENDING) > (t->in_flight ? 1 : 0))
		return;
	trace_line(c->trace, '>', "QUIT", 4);
	(void)stream_puts(&c->stream, "QUIT\r\n");
	c->parted = true;
}

int
transaction_put_message(struct transaction *t, bool chunked)
{
	struct stream *s = &t->c->stream;
	char line[64];

	t->c->can_quit = false;
	t->c->committed = true;
	if (chunked) {
		(void)snprintf(line, sizeof(line), "BDAT %llu LAST", (unsigned long long)t->size);
		transaction_put(t, line, strlen(line));
	} else
		expect_answer(t);
	trace_note(t->c->trace, "the message, %llu octets", (unsigned long long)t->size);
	if (body_write(s, t->m, !chunked, t->o) == -1 && s->error == STREAM_OK)
		return -1;
	if (!t->in_flight && (!chunked || s->out.len > 0) && is_early_yes(s))	/* else the last octet may have left already */
		stream_give_up(s, stray_words);
	if (!chunked)
		(void)stream_puts(s, ".\r\n");
	put_quit(t);
	put_ahead(t);
	if (!t->held)
		(void)stream_flush(s);
	t->cut = s->error != STREAM_OK;
	t->c->uncertain = !t->cut;
	return 0;
}

/*
 * True where there is more than was asked for: one reply may be that to QUIT. One that refuses may be the verdict itself, and what was taken for it a reply that nobody asked for: then
 * another one follows.
 */
static bool
has_strayed(struct transaction *t)
{
	struct stream *s = &t->c->stream;
	struct outcome *o = t->o, ignored;
	struct reply *kept;
	msec deadline = s->deadline, soon = clock_now() + QUIT_MAX;
	bool strayed;

	if (stream_is_quiet(s) || stream_pending(s) == 0)
		return false;
	if (!t->c->parted)
		return true;
	kept = mem_grow(NULL, 1, sizeof(*kept));
	*kept = t->c->reply;
	t->o = &ignored;
	s->deadline = deadline < soon ? deadline : soon;
	strayed = transaction_hear(t, STAGE_DOT, "QUIT") == 0 && (t->c->reply.code / 100 == 2 || t->c->reply.code == 421 ? stream_pending(s) > 0 : transaction_hear(t, STAGE_DOT, "QUIT") == 0);
	s->deadline = deadline;
	t->o = o;
	t->c->reply = *kept;
	free(kept);
	return strayed;
}

int
transaction_read_verdict(struct transaction *t)
{
	int r = transaction_hear(t, STAGE_DOT, "the message");

	if (t->cut && (r == -1 || t->c->reply.code < 400))
		return stream_fail(&t->c->stream, STAGE_DATA, "sending the message", t->o);
	if (r == -1)
		return -1;
	if (t->in_flight && t->c->due == 0 && t->c->reply.code / 100 == 2 && has_strayed(t)) {
		stream_give_up(&t->c->stream, stray_words);
		t->c->can_quit = false;
		return outcome_set(t->o, EX_TEMPFAIL, STAGE_DOT, CAUSE_LOST, "it answered more than it was asked; it may have taken the message or not",
		    "waiting for the answer of %s to the message", t->c->host->host);
	}
	t->c->uncertain = false;
	t->c->can_quit = t->c->reply.code != 421 && !t->c->parted;
	if (t->c->reply.code / 100 != 2)
		return reply_fail(&t->c->reply, STAGE_DOT, t->o, "%s refused the message", t->c->host->host);
	for (size_t i = 0; i < t->e->count; i++)
		if (t->e->rcpt[i].state == RCPT_TAKEN)
			t->e->rcpt[i].state = RCPT_DONE;
	return 0;
}

void
transaction_put_data(struct transaction *t)
{
	t->c->can_quit = false;
	transaction_put(t, "DATA", 4);
}

int
transaction_read_data(struct transaction *t)
{
	if (transaction_hear(t, STAGE_DATA, "DATA") == -1)
		return -1;
	if (t->c->reply.code / 100 == 3)
		return 0;
	t->c->can_quit = t->c->reply.code >= 400 && t->c->reply.code != 421;	/* else 354 may be on its way */
	return reply_fail(&t->c->reply, STAGE_DATA, t->o, "%s refused the message", t->c->host->host);
}

void
transaction_drain(struct transaction *t, size_t rcpts, enum ending ending)
{
	struct stream *s = &t->c->stream;
	struct outcome kept = *t->o;
	msec deadline = s->deadline, now = clock_now();
	bool heard = true;

	if (deadline > now + DRAIN_MAX)
		s->deadline = now + DRAIN_MAX;
	while (heard && rcpts-- > 0)
		heard = transaction_hear(t, STAGE_RCPT, "RCPT") == 0 && t->c->reply.code / 100 != 2;
	if (heard && ending != END_NONE)
		heard = transaction_hear(t, STAGE_DATA, "DATA") == 0;
	if (heard && ending == END_MESSAGE && t->c->reply.code >= 400)
		t->c->uncertain = false;	/* refused like all before it */
	if (heard && ending == END_DATA && t->c->reply.code / 100 == 3) {
		transaction_put(t, ".", 1);
		(void)stream_flush(s);
		heard = transaction_hear(t, STAGE_DOT, "the lone dot") == 0;
	}
	t->c->can_quit = heard;
	s->deadline = deadline;
	*t->o = kept;
}
