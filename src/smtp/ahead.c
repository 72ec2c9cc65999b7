/*
 * What a caller will ask next. See ahead.h.
 *
 * Whatever is not plain ends it: an address outside ASCII, an alias that stands for several, a command that will be refused here. Should the transaction ask
 * for something else after all, client and smarthost find together again (drop_ahead() in transaction.c).
 */
#include <string.h>
#include "smtp/ahead.h"
#include "smtp/plain.h"
#include "smtp/transaction.h"

static void
end_line(struct buf *lines)
{
	buf_putc(lines, '\n');
}

/* One RCPT. False: it is not plain. */
static bool
add_recipient(struct buf *lines, const struct transaction *t, const struct envelope_source *source, const char *argument)
{
	struct recipient *r;

	if (!plain_rcpt(t->e, source, argument, &r))
		return false;
	if (r != NULL) {
		transaction_add_rcpt(t, r, lines);
		end_line(lines);
		r->state = RCPT_TAKEN;	/* most likely: naming it again asks for nothing */
	}
	return true;
}

/* RCPT after RCPT, and DATA behind them. */
static void
add_recipients(struct buf *lines, const struct transaction *t, const struct envelope_source *source, const struct intake *in, size_t at, bool data)
{
	char line[COMMAND_LONG_MAX];
	const char *argument;
	size_t n = 0;

	while (intake_look(in, &at, line, sizeof(line))) {
		enum verb verb = command_verb(line, &argument);

		if (((verb == VERB_DATA && *argument == '\0') || verb == VERB_BDAT) && n > 0 && data) {
			buf_puts(lines, "DATA\n");
			return;
		}
		if (verb != VERB_RCPT || n++ == FLIGHT_RCPTS || !add_recipient(lines, t, source, argument))
			return;
	}
}

/* The transaction that MAIL begins. mail_too: with MAIL. */
static void
add_transaction(struct buf *lines, struct client *c, const struct intake *in, size_t at, const struct envelope_source *source, const struct path_command *mail, const char *envid,
    bool mail_too, bool data)
{
	struct envelope e = {0};
	struct outcome o = {0};
	struct transaction t = {.c = c, .e = &e, .o = &o, .size = mail->size, .eight_bit = mail->eight_bit};

	if (!plain_mail(&e, source, mail)) {
		envelope_free(&e);
		return;
	}
	e.envid = envid;
	if (!transaction_lacks(&t) && (c->cap.size_max == 0 || t.size <= c->cap.size_max)) {
		if (mail_too) {
			transaction_add_mail(&t, lines);
			end_line(lines);
		}
		add_recipients(lines, &t, source, in, at, data && !c->cap.chunking);
	}
	e.envid = NULL;	/* not ours */
	envelope_free(&e);
}

void
ahead_lines(struct buf *lines, struct client *c, const struct intake *in, const struct envelope_source *source, const struct path_command *mail,
    const char *envid, bool data)
{
	char line[COMMAND_LONG_MAX];
	struct path_command p;
	const char *argument, *why;
	size_t at = 0;

	buf_reset(lines);
	if (!c->cap.pipelining)
		return;
	if (mail != NULL) {
		add_transaction(lines, c, in, 0, source, mail, envid, false, data);
		return;
	}
	if (!intake_look(in, &at, line, sizeof(line)) || command_verb(line, &argument) != VERB_MAIL)
		return;
	if (command_path(&p, VERB_MAIL, argument, &why) == 0)
		add_transaction(lines, c, in, at, source, &p, p.envid, true, data);
	command_free(&p);
}
