/*
 * An outcome as the reply that the caller gets. See verdict.h.
 */
#include <string.h>
#include <sysexits.h>
#include "explain.h"
#include "printable.h"
#include "smtp/verdict.h"

/* What this program itself refuses, and what it has better words for than the smarthost; all else is in the way of any mail. */
static const struct refusal {
	enum cause cause;
	int code;
} refusals[] = {
	{CAUSE_NEEDS_SMTPUTF8, 553}, {CAUSE_NEEDS_8BITMIME, 554}, {CAUSE_TOO_LARGE, 552}, {CAUSE_HEADER_TOO_LARGE, 552},
	{CAUSE_NO_REQUIRETLS, 550}, {CAUSE_LOOP, 554}, {CAUSE_ALIAS, 550}, {CAUSE_SPACE, 452}, {CAUSE_BAD_ADDRESS, 501}, {CAUSE_SENDER, 550},
	{CAUSE_QUEUE_FULL, 452}, {CAUSE_QUEUE_LIMIT, 452}, {CAUSE_QUEUE, 451}, {CAUSE_QUEUE_EXPOSED, 451},
};

static void
set(struct verdict *v, int code, const char *enhanced)
{
	v->code = code;
	(void)strlcpy(v->enhanced, enhanced, sizeof(v->enhanced));
}

/* The smarthost's verdict on sender, recipient or message. 530 is none: it wants TLS or sign-in, which is for the configuration to see to. */
static bool
is_own(const struct outcome *o)
{
	return o->cause == CAUSE_REPLY && o->code >= 400 && o->code <= 599 && o->code != 530 && o->stage >= STAGE_MAIL;
}

static void
choose_code(struct verdict *v, const struct outcome *o)
{
	if (is_own(o)) {
		set(v, o->code == 421 ? 451 : o->code, outcome_enhanced(o));
		return;
	}
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (refusals[i].cause == o->cause) {
			set(v, refusals[i].code, outcome_enhanced(o));
			return;
		}
	if (o->stage >= STAGE_MAIL && o->code != 530)
		set(v, 451, "4.4.2");
	else if (outcome_temporary(o) && !(o->cause == CAUSE_REPLY && o->stage >= STAGE_STARTTLS))
		set(v, 451, o->stage == STAGE_LOOKUP || o->stage == STAGE_CONNECT ? "4.4.1" : "4.4.2");
	else if (o->status == EX_DATAERR || o->stage == STAGE_MESSAGE)
		set(v, 554, "5.6.0");
	else
		set(v, 451, "4.3.5");
}

void
verdict_add_words(struct buf *b, const char *text, const char *enhanced)
{
	size_t n = strlen(enhanced);

	if (n > 0 && strncmp(text, enhanced, n) == 0)
		text += n + (text[n] == ' ');
	for (;;) {
		n = strcspn(text, "\n");
		printable_add(b, text, n, n);
		if (text[n] == '\0')
			break;
		buf_putc(b, '\n');
		text += n + 1;
	}
}

static void
add_sentence(struct buf *b, const char *label, const char *text)
{
	if (text[0] != '\0')
		buf_printf(b, "\n%s%s", label, text);
}

void
verdict_of(struct verdict *v, const struct outcome *o)
{
	const struct explanation *e = explain(o);

	*v = (struct verdict){0};
	choose_code(v, o);
	if (is_own(o)) {
		verdict_add_words(&v->text, strlen(o->why) > 4 ? o->why + 4 : o->why, o->enhanced);	/* behind the code */
		return;
	}
	printable_add(&v->text, o->what, strlen(o->what), sizeof(o->what));
	if (o->why[0] != '\0') {
		buf_puts(&v->text, ": ");
		printable_add(&v->text, o->why, strlen(o->why), sizeof(o->why));
	}
	add_sentence(&v->text, "Likely cause: ", e->cause);
	add_sentence(&v->text, "Remedy: ", e->remedy);
}
