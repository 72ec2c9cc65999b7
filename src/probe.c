/*
 * Asks the smarthost without sending. See probe.h.
 */
#include <stdlib.h>
#include <string.h>
#include "mem.h"
#include "printable.h"
#include "probe.h"
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

/* "Too many recipients" begins a further transaction, as in sending. */
static int
ask_one(struct relay *relay, struct result *r, struct envelope *e, size_t i, size_t *taken, struct outcome *o)
{
	if (relay_rcpt(relay, r, e, i, o) == 0) {
		++*taken;
		return 0;
	}
	if (*taken == 0 || !client_says_enough(&relay->client.reply) || o->cause != CAUSE_REPLY)
		return -1;
	envelope_revive(e, i, RCPT_PENDING);
	*taken = 0;
	relay_reset(relay);
	if (relay_mail(relay, r, e, 0, false, o) == 0 && relay_rcpt(relay, r, e, i, o) == 0) {
		*taken = 1;
		return 0;
	}
	envelope_fail(e, i, o);
	return -1;
}

static void
ask(struct relay *relay, struct result *r, struct envelope *e, struct buf *out)
{
	char words[256];
	size_t taken = 0;

	for (size_t i = 0; i < e->count; i++) {
		struct recipient *rcpt = &e->rcpt[i];
		struct outcome o;

		if (rcpt->state == RCPT_FAILED)
			o = *rcpt->fate;
		else if (ask_one(relay, r, e, i, &taken, &o) == 0) {
			reply_words(&relay->client.reply, words, sizeof(words));
			add_line(out, rcpt, "deliverable", words);
			continue;
		}
		add_failure(out, rcpt, &o);
	}
}

void
probe_recipients(struct result *r, const struct config *c, struct envelope *e, struct trace *t, struct buf *out)
{
	struct relay *relay = mem_alloc(sizeof(*relay));
	struct outcome o;

	relay_init(relay, c, t);
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
