/*
 * The table itself: what explain.c looks things up in, and what the page smtp-reply-codes(7) is made from. For the room of explain alone, and the page's generator.
 *
 * Each text is a phrase or sentences without a stop at the end, in ASCII, as it can stand behind "Likely cause: " or "Remedy: ".
 */
#ifndef EXPLAIN_TABLE_H
#define EXPLAIN_TABLE_H

#include <stdbool.h>
#include "explain.h"

/* A command of SMTP. */
struct explain_command {
	const char *name;	/* "RCPT" */
	const char *syntax;	/* "RCPT TO:<address> [NOTIFY=NEVER|SUCCESS,FAILURE,DELAY] [ORCPT=rfc822;address]" */
	const char *text;	/* what it does */
	const char *example;	/* "RCPT TO:<user@example.net>" */
	const char *source;	/* "RFC 5321 section 4.1.1.3" */
	const char *here;	/* what -bs makes of it, where that is worth a word; else "" */
};

/* A service extension: a keyword in the answer to EHLO. */
struct explain_extension {
	const char *keyword;
	const char *text;
	const char *source;
};

/* A reply code. */
struct explain_code {
	int code;
	const char *text;	/* what it means */
	const char *source;
	bool plain;		/* it says enough, whatever it answers */
	struct explanation why;	/* "" where it is no failure */
};

/* What goes before a hint. */
enum explain_hint_kind {
	HINT_WORDS,		/* nothing: it is sure */
	HINT_CODE,		/* an enhanced status code that says something */
	HINT_STAGE		/* that, and a reply code that says enough by itself */
};

/* What a reply usually means at one stage. 0, NULL: any. enhanced that ends in a dot: any that begin so; words: stand in the reply, case apart. */
struct explain_hint {
	enum stage stage;
	int code;		/* or its first digit */
	const char *enhanced;
	const char *words;
	enum explain_hint_kind kind;
	struct explanation why;
};

/* What an enhanced status code speaks of: only there it goes before what is known of the stage. */
enum explain_at {
	AT_ANY,
	AT_AUTH,		/* sign-in */
	AT_MAIL,		/* the sender; it may be told at RCPT, too */
	AT_RCPT,		/* a recipient; it may be told after the message, too */
	AT_DOT			/* the message */
};

/* An enhanced status code; several rows of one code where not all give it the same meaning. */
struct explain_enhanced {
	const char *code;	/* "X.1.1": of each class; "5.7.57": of that one alone; "5.7.606-649": of each of these */
	const char *text;
	const char *source;	/* "RFC 3463", "Exchange Online", "Gmail" */
	bool vague;		/* it says so little that the command which it answers tells more about the cause */
	enum explain_at at;
	struct explanation why;
};

/* An exit status of this program. */
struct explain_status {
	int status;
	const char *name;	/* "EX_TEMPFAIL" */
	const char *text;
	struct explanation why;
};

/* A flag of this program. */
struct explain_flag {
	const char *flag;	/* "-f", "--check" */
	const char *value;	/* " sender"; "" where it takes none */
	const char *brief;	/* one line of --help, or "" where --help leaves it out */
	const char *text;
};

extern const struct explain_hint explain_hints[];
extern const size_t explain_hints_count;
extern const struct explain_command explain_commands[];
extern const size_t explain_commands_count;
extern const struct explain_extension explain_extensions[];
extern const size_t explain_extensions_count;
extern const struct explain_code explain_codes[];
extern const size_t explain_codes_count;
extern const struct explain_enhanced explain_enhanceds[];
extern const size_t explain_enhanceds_count;
extern const struct explain_status explain_statuses[];
extern const size_t explain_statuses_count;
extern const struct explain_flag explain_flags[];
extern const size_t explain_flags_count;

/* The row of a reply code, or NULL. */
const struct explain_code *explain_code_row(int code);

/* True where the row is for the enhanced status code ("5.1.1", "X.1.1"). */
bool explain_enhanced_fits(const struct explain_enhanced *row, const char *code);

#endif
