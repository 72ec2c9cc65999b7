/*
 * The sendmail command line (CONTRACT section 2): Sendmail 8's letters, clustered or not, values attached or not, into one struct.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include "dsn.h"
#include "mem.h"
#include "outcome.h"

/* Those up to MODE_VERIFY send or ask. */
enum mode { MODE_DELIVER, MODE_SERVE, MODE_VERIFY, MODE_RUN, MODE_STEER, MODE_PRINT, MODE_LIST, MODE_ALIASES, MODE_CHECK, MODE_AUTHORIZE, MODE_EXPLAIN, MODE_VERSION, MODE_HELP };

/* -oe: what a failure of a message that could be read is told by; from ERRORS_MAIL on by a notice. */
enum error_mode {
	ERRORS_PRINT,		/* p: standard error and exit status */
	ERRORS_QUIET,		/* q: exit status alone */
	ERRORS_MAIL,		/* m, w: a notice to the sender, and the exit status */
	ERRORS_MAIL_OK		/* e: a notice, and status 0 */
};

/* -od: when a message is sent. */
enum delivery_mode { DELIVERY_DEFAULT, DELIVERY_INTERACTIVE, DELIVERY_BACKGROUND, DELIVERY_QUEUE };

struct options {
	enum mode mode;
	bool fixed;			/* it was chosen by a first argument that no later one goes against */
	enum delivery_mode delivery;		/* -od, -O DeliveryMode=; DEFAULT: as the configuration says */
	long interval;			/* -q15m: seconds between two runs of the queue, 0: one run */
	char match;			/* -qI, -qR, -qS: 'I', 'R', 'S', else '\0' */
	const char *match_text;		/* what it is to be matched with */
	char steer;			/* MODE_STEER, --queue-...: 'r'emove, 'h'old, re'l'ease, 's'how the message match_text */
	bool called_mailq;		/* by that name */
	bool json;			/* mailq --json, --check --json */
	long older;			/* mailq --older-than: seconds, 0: not asked */
	bool from_header;		/* -t */
	bool ignore_dots;		/* -i */
	bool verbose;			/* -v */
	bool requiretls;		/* -O requiretls=yes */
	enum error_mode errors;
	const char *body;		/* -B: "7BIT", "8BITMIME" or NULL */
	const char *sender;		/* -f, -r; NULL: none */
	const char *full_name;		/* -F */
	const char *config;		/* -C */
	const char *log_tag;		/* -L */
	unsigned notify;		/* -N: enum dsn_notify, 0: not asked */
	const char *ret;		/* -R: "FULL", "HDRS" or NULL */
	const char *envid;		/* -V */
	char **recipient;		/* what follows the flags, the topics of --explain; borrowed from argv */
	size_t recipients;
};

/*
 * Reads argv. argv[0] chooses a personality (mailq, newaliases). -1: 64, o. Everything in opt is borrowed from argv.
 */
int options_parse(struct options *opt, int argc, char **argv, struct outcome *o);

/* Adds the text of --help. */
void options_help(struct buf *out);

#endif
