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

/* A message that is being tried: what was read of it, and what comes of it. */
struct attempted {
	struct spool_item item;
	struct message message;
	struct result result;
	time_t asked;			/* when a smarthost was asked for it before */
	bool sends;			/* somebody is still to get it; else there is only somebody to be told */
	bool again;			/* it was in flight, and has come back */
	struct attempted *next;		/* the owner's */
};

/*
 * An attempt: begun, sent by attempt_send() or in a pipeline of the owner's, and ended, which leaves its log line. The order is what makes it safe to be killed anywhere: that it is
 * tried, and when it is to be tried again, is written down before a smarthost is asked, what became of it is on disk before anybody is told, that he was before the next step.
 *
 * attempt_begin() takes item over. NULL: there is nothing to send, or it cannot be read (o: 74; the log says so). attempt_end() frees t, and may send a notice: nothing may be in
 * flight then, unless attempt_is_plain(). -1: o: 74; the queue could not be read or written, and the log says so.
 */
struct attempted *attempt_begin(const struct attempt *a, struct spool_item *item, struct outcome *o);
void attempt_send(const struct attempt *a, struct attempted *t);
int attempt_end(const struct attempt *a, struct attempted *t, struct outcome *o);

/* Writes down who has got it, or never will, where the rest has to wait for its end. -1: o: 74. */
int attempt_record(struct attempted *t, struct outcome *o);

/* Milliseconds that the message may take. */
msec attempt_time(const struct attempt *a, const struct attempted *t);

/* True where all have got it, and nobody is to be told anything. */
bool attempt_is_plain(const struct attempted *t);

/* The log line of a message that cannot be used. */
void attempt_log_trouble(const char *id, const struct outcome *o);

#endif
