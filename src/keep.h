/*
 * A message that is not sent now, or not to all: whether it is for the queue, and into it (CONTRACT section 6, "With a queue").
 */
#ifndef KEEP_H
#define KEEP_H

#include <stdbool.h>
#include "config.h"
#include "mail/aliases.h"
#include "options.h"
#include "queue/spool.h"
#include "submit.h"

/* What there is to know of a run; all borrowed. */
struct keeper {
	const struct config *config;
	const struct options *options;
	const struct aliases *aliases;
	const char *host;
	struct trace *trace;
};

/* When a message is sent: as the flags say, else the configuration; interactive where there is no queue, queue where that is the only way. */
enum delivery_mode keep_mode(const struct keeper *k);

/*
 * Puts m into the queue for those of e that are RCPT_PENDING. -1: it could not be put there.
 */
int keep_now(const struct keeper *k, struct result *r, struct envelope *e, struct message *m, struct outcome *o);

/*
 * After a try: puts m into the queue for whoever it has failed for a reason that passes, and lets r tell of them no more. Where the queue cannot be used, r tells
 * that beside what happened.
 */
void keep_rest(const struct keeper *k, struct result *r, struct envelope *e, struct message *m);

/* The same for those that are RCPT_TAKEN in a dialogue; error: why the smarthost was not asked, status 0: it was not to be. */
int keep_taken(const struct keeper *k, struct result *r, struct envelope *e, struct message *m, const struct outcome *error, struct outcome *o);

/*
 * Starts a run of the queue in a process of its own, which tells the log alone, where there is anything in a queue of ours. Whatever comes of that, what is in the queue is
 * safe there.
 */
void keep_wake(const struct keeper *k);

/* Whether there is room for a further message of so many octets by the configuration's bounds. -1: o (73), or what reading the queue came to. */
int keep_room(const struct config *c, struct spool *s, uint64_t size, struct outcome *o);

/* True where the queue is the only way: the program was given rights for nothing else, and the secret is its owner's. */
bool keep_only(const struct config *c);

#endif
