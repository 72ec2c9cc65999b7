/*
 * The one table of codes, commands, statuses and flags, with causes and remedies: why something is likely to have failed, and what to do about it.
 *
 * It feeds the words on a failure, --explain, HELP of -bs, --help, and the page smtp-reply-codes(7); its rows are in explain_*.c.
 */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include <stdbool.h>
#include "mem.h"
#include "outcome.h"

struct explanation {
	const char *cause;	/* a sentence: "The password is wrong, or ..." */
	const char *remedy;	/* a sentence: "Check user and password-file ..." */
};

/*
 * The explanation for a failure: by its cause, and for CAUSE_REPLY by stage, reply code, enhanced code and the words of the reply. Never NULL; its members may be
 * "" where nothing can be said.
 */
const struct explanation *explain(const struct outcome *o);

/*
 * Adds what there is to say of the topics: reply codes ("550"), enhanced status codes ("5.7.30"), commands and extensions of SMTP, mechanisms, exit statuses ("75",
 * "EX_TEMPFAIL"), flags ("-f", "--check"), or a whole reply as it came ("550 5.7.1 Relaying denied"), in one text or several. Lines of at most 79 columns. none: a line
 * for each topic there is. False: unknown, empty before, has the first word that is none of these; what is known was added.
 */
bool explain_topics(struct buf *out, char *const *topic, size_t topics, struct buf *unknown);

/* Adds what HELP says of the command ("RCPT"): syntax, text, an example, what is different here; lines that end in LF. False: it is none. */
bool explain_help(struct buf *out, const char *command);

/* "RCPT TO:<address> ..." of a command that there is; static text. */
const char *explain_syntax(const char *command);

/* Adds the flags as --help lists them, a line each. */
void explain_flags_brief(struct buf *out);

#endif
