/*
 * Asks the smarthost without sending. See probe.h.
 */
#include <stdlib.h>
#include <string.h>
#include "mem.h"
#include "printable.h"
#include "probe.h"
#include "smtp/judge.h"
#include "relay.h"

static void
add_line(struct buf *out, const struct recipient *r, const char *word, const char *why)
{
	buf_putc(out, '<');
	printable_add(out, r->path, strlen(r->path), 320);
	buf_printf(out, ">... %s", word);
	if (why[0] != '\0') {
		buf_puts(out, ": ");
		printable_add(out, why, strlen(why), 512);
	}
	buf_putc(out, '\n');
}

/* The smarthost's no, or that it gave none for good. */
static void
add_failure(struct buf *out, const struct recipient *r, const struct outcome *o)
{
	bool asked = o->stage >= STAGE_MAIL || o->stage == STAGE_ENVELOPE;

	add_line(out, r, asked && !outcome_temporary(o) ? "refused" : "unknown", o->why[0] != '\0' ? o->why : o->what);
}

/* "Too many recipients" begins a further transaction, as in sending. -1: it was refused, and nobody can be asked any more. */
static int
begin_again(struct relay *relay, struct result *r, struct envelope *e, size_t i, struct outcome *o)
{
	envelope_revive(e, i, RCPT_PENDING);
	relay_reset(relay);
	return relay_mail(relay, r, e, 0, false, o);
}

/* *asked: recipients taken in this transaction; *over: o is for all that are left. */
static int
ask_one(struct relay *relay, struct result *r, struct envelope *e, size_t i, size_t *asked, bool *over, struct outcome *o)
{
	int status = relay_rcpt(relay, r, e, i, o);

	if (status == -1 && *asked > 0 && o->cause == CAUSE_REPLY && judge_enough(&relay->client.reply)) {
		*asked = 0;
		*over = begin_again(relay, r, e, i, o) == -1;
		status = *over ? -1 : relay_rcpt(relay, r, e, i, o);
	}
	*asked += status == 0;
	return status;
}

static void
ask(struct relay *relay, struct result *r, struct envelope *e, struct buf *out)
{
	struct outcome o;
	char words[256];
	size_t asked = 0;
	bool over = false;

	for (size_t i = 0; i < e->count; i++) {
		struct recipient *rcpt = &e->rcpt[i];

		if (rcpt->state == RCPT_FAILED) {
			add_failure(out, rcpt, rcpt->fate);
			continue;
		}
		if (!over && ask_one(relay, r, e, i, &asked, &over, &o) == 0) {
			reply_words(&relay->client.reply, words, sizeof(words));
			add_line(out, rcpt, "deliverable", words);
			rcpt->state = RCPT_PENDING;	/* it was only asked: nothing repeats it */
			continue;
		}
		if (rcpt->state != RCPT_FAILED)
			envelope_fail(e, i, &o);
		add_failure(out, rcpt, &o);
	}
}

void
probe_recipients(struct result *r, const struct config *c, struct envelope *e, struct trace *t, struct buf *out)
{
	struct relay *relay = mem_alloc(sizeof(*relay));
	struct outcome o;

	relay_init(relay, c, t);
	relay->one_job = true;
	r->envelope = e;
	if (relay_mail(relay, r, e, 0, false, &o) == 0)
		ask(relay, r, e, out);
	else {
		r->outcome = o;
		for (size_t i = 0; i < e->count; i++)
			add_failure(out, &e->rcpt[i], e->rcpt[i].state == RCPT_FAILED ? e->rcpt[i].fate : &o);
		envelope_fail_rest(e);
	}
	relay_reset(relay);
	relay_close(relay);
	free(relay);
}
