/*
 * One attempt at a message of the queue: it is sent to whoever has not got it, senders are told what could not be, and all of it is written down.
 */
#ifndef QUEUE_ATTEMPT_H
#define QUEUE_ATTEMPT_H

#include "config.h"
#include "mail/aliases.h"
#include "outcome.h"
#include "queue/spool.h"
#include "submit.h"
#include "trace.h"

/* What an attempt needs; all borrowed. */
struct attempt {
	const struct config *config;
	const struct aliases *aliases;
	const char *host;		/* this host's name */
	struct trace *trace;
	struct spool *spool;
	struct submission *submission;
};

/*
 * Makes it, and leaves its log line. The order is what makes it safe to be killed anywhere: that it was tried, and when it is to be tried again, is on disk before a
 * smarthost is asked, what became of it before anybody is told, that he was before the next step. -1: o: 74; the queue could not be read or written, and the log says so.
 */
int attempt_item(const struct attempt *a, struct spool_item *item, struct outcome *o);

/* The log line of a message that cannot be used. */
void attempt_log_trouble(const char *id, const struct outcome *o);

#endif
