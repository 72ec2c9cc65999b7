/*
 * Sends what is due in the queue, over as few connections as it can; tells senders what could not be sent.
 */
#ifndef QUEUE_RUNNER_H
#define QUEUE_RUNNER_H

#include <stdbool.h>
#include "config.h"
#include "mail/aliases.h"
#include "outcome.h"
#include "trace.h"

/* What a run has to know; all borrowed. */
struct runner_setup {
	const struct config *config;	/* with a queue */
	const struct aliases *aliases;
	const char *host;		/* this host's name */
	struct trace *trace;
	bool woken;			/* by a message that was sent: what cannot be used is told by other runs */
	bool all;			/* also what is not due yet */
	bool (*stopped)(void);		/* true: no further message is begun; or NULL */
	char match;			/* 'I', 'R', 'S': only what has this text in its identifier, a recipient or the sender; else '\0' */
	const char *match_text;
};

/* What came of it. */
struct runner_result {
	size_t tried;
	bool elsewhere;			/* somebody else's run does it */
	struct outcome trouble;		/* with the queue itself, though the run went on; status 0: none */
};

/*
 * One run, until nothing is due any more, also of what comes in meanwhile. Somebody else's run at the same queue is told to do the same, and this one returns at once; but
 * where only some are matched it waits for the other, as long as a message may take. Each attempt leaves its log line. -1: o: 73 or 74, the queue itself cannot be used; 75,
 * the other run takes longer; 77, it is another user's.
 */
int runner_run(const struct runner_setup *setup, struct runner_result *res, struct outcome *o);

/*
 * Starts a run in a process of its own, which holds nothing of ours: no descriptor, no terminal, no session. It does what run(arg) does; whatever goes wrong in it, the
 * messages are in the queue. -1: errno, it could not be started.
 */
int runner_detach(void (*run)(void *), void *arg);

#endif
