/*
 * The commands of SMTP as a caller says them to -bs: verbs, syntax, parameters (RFC 5321 section 4.1; RFC 1870, 3461, 6152, 6531), and what HELP says of
 * each. Strict in what matters, lenient where people and old scripts are: letter case, blanks after the colon, no angle brackets.
 */
#ifndef SMTP_COMMAND_H
#define SMTP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mem.h"

enum verb {
	VERB_UNKNOWN,
	VERB_EHLO, VERB_HELO, VERB_MAIL, VERB_RCPT, VERB_DATA, VERB_BDAT, VERB_RSET, VERB_NOOP, VERB_VRFY, VERB_EXPN, VERB_HELP, VERB_QUIT,
	VERB_STARTTLS, VERB_AUTH, VERB_SEND, VERB_SOML, VERB_SAML, VERB_TURN,
	VERB_COUNT
};

#define COMMAND_LINE_MAX	512	/* octets with the line end; RFC 5321 section 4.5.3.1.4 */
#define COMMAND_LONG_MAX	2048	/* of MAIL and RCPT, whose parameters make them longer */

/* The verb that begins the line, and where its argument begins (blanks before it skipped). */
enum verb command_verb(const char *line, const char **argument);

/* True where the line is not SMTP but the begin of an HTTP request or a field of a message: somebody talks to the wrong program. */
bool command_is_foreign(const char *line);

/* Adds what HELP says: of one verb, of none (VERB_UNKNOWN) a summary. Lines end in LF, the last one too. */
void command_help(struct buf *b, enum verb verb);

/* "MAIL FROM:<address> [SIZE=n] ..."; static text. */
const char *command_syntax(enum verb verb);

/* What MAIL and RCPT say. Ended by command_free(). */
struct path_command {
	char *path;		/* as written, with its angle brackets where there are some: what address_parse() reads */
	bool null;		/* <> */
	bool size_given;
	uint64_t size;
	bool eight_bit;		/* BODY=8BITMIME */
	bool utf8;		/* SMTPUTF8 */
	const char *ret;	/* "FULL", "HDRS" or NULL; static */
	char *envid;		/* decoded, or NULL */
	unsigned notify;	/* enum dsn_notify, or 0 */
	char *orcpt;		/* "rfc822;xtext" as written, or NULL */
};

/*
 * Parses the argument of MAIL or RCPT. 0; else the reply code: 501, or 555 for a parameter that is not known, and *why, static text. p is to be freed in any case.
 */
int command_path(struct path_command *p, enum verb verb, const char *argument, const char **why);
void command_free(struct path_command *p);

/* The argument of BDAT: the octets of the chunk, and whether it is the last. False where it is none. */
bool command_chunk(const char *argument, uint64_t *octets, bool *last);

#endif
