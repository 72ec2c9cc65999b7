/*
 * The other side of the dialogue: SMTP on standard input and output (-bs; CONTRACT section 3a). A live relay, not a store: MAIL, RCPT and the end of the message are
 * answered with the smarthost's own verdicts. Only where it cannot be reached, and there is a queue, the message is taken into that. One caller, one connection to the smarthost, any number of messages.
 *
 * RFC 5321 (commands and replies), 1870 SIZE, 2034 enhanced codes, 2920 PIPELINING, 3030 CHUNKING, 3461 DSN, 6152 8BITMIME, 6531 SMTPUTF8.
 */
#ifndef SMTP_SERVER_H
#define SMTP_SERVER_H

#include "config.h"
#include "mail/aliases.h"
#include "submit.h"
#include "trace.h"

#define SERVER_BAD_MAX		10	/* commands refused for their form */
#define SERVER_RCPT_MAX		10000	/* recipients of a transaction */

struct server_setup {
	int in, out;
	const struct config *config;
	const struct outcome *trouble;	/* of reading the configuration or the alias file; status 0: none */
	const struct aliases *aliases;
	const char *host;		/* this host's name */
	bool requiretls;
	struct trace *trace;
	const char *directory;		/* where a large body is kept first, or NULL */
	bool store;			/* all messages are to be kept, and the smarthost is not asked */
	/* Keeps m for those recipients of e that are RCPT_TAKEN, who end RCPT_QUEUED; error: what befell it so far. -1: o. NULL: there is no queue. */
	int (*keep)(void *arg, struct result *r, struct envelope *e, struct message *m, const struct outcome *error, struct outcome *o);
	void (*finished)(void *arg, struct result *r);	/* a transaction has come to its end: r is for the log */
	void *arg;
};

/*
 * Speaks until QUIT, the end of the input, or a reason to end it. The exit status: 0; 64 what came was no SMTP; 65 the input ended within a message;
 * 74 the caller does not take the answers; 75 the caller was silent for too long. *transactions: how often finished() was called.
 */
int server_run(const struct server_setup *setup, size_t *transactions);

#endif
