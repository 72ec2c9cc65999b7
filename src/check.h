/*
 * --check: the whole way that a message would go, step by step, and nothing is sent (sendmail(8), CHECK).
 */
#ifndef CHECK_H
#define CHECK_H

#include "config.h"
#include "mail/aliases.h"
#include "mail/envelope.h"
#include "options.h"
#include "submit.h"
#include "trace.h"

/* What there is to check with; all borrowed. */
struct check_setup {
	const struct config *config;
	const struct outcome *trouble;	/* what became of reading it; status 0: it is good */
	const struct options *options;	/* --json, -f, recipients */
	const char *host;
	struct trace *trace;
	const char *version;
	bool queue_only;		/* there is no other way than the queue (keep.h) */
};

/*
 * Checks the configuration, each smarthost, the queue, the log; writes the run's log line; prints what it sees. r and e, which are empty, are the caller's to free. Returns the exit
 * status: what sending would have, a queue left aside; 74 where that is 0 and standard output does not take the words.
 */
int check_run(const struct check_setup *s, struct aliases *a, struct envelope *e, struct result *r);

#endif
