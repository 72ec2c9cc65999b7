/*
 * The heart: one message, its envelope, the smarthosts in order -> what became of it.
 */
#ifndef SUBMIT_H
#define SUBMIT_H

#include <stdbool.h>
#include <stdint.h>
#include "clock.h"
#include "config.h"
#include "mail/envelope.h"
#include "mail/message.h"
#include "outcome.h"
#include "smtp/client.h"
#include "smtp/pipeline.h"
#include "trace.h"

/* All that a run has to tell. */
struct result {
	int status;			/* exit status */
	struct outcome outcome;		/* of the run as a whole: status 0 if only recipients failed, or nothing */
	struct outcome *tried;		/* why each smarthost that was given up failed, in order; owned */
	size_t tries;
	const struct envelope *envelope;	/* NULL: it never came so far */
	char message_id[256];
	uint64_t size;			/* octets of the message as it was sent */
	struct client_times took;	/* where it was asked */
	bool asked;			/* a smarthost was asked, not only known to be of no use */
	const struct smarthost *smarthost;	/* the last one tried, or NULL */
	char host[256];			/* the server that was asked, "" where it came to none; with srv another than the smarthost's */
	uint16_t port;
	char address[64];
	char tls[64];			/* "TLSv1.3 TLS_AES_256_GCM_SHA384" or "" */
	char auth[32];			/* mechanism, or "" */
	char reply[256];		/* the last reply to the message: "250 2.0.0 Ok: queued as 4ABC" */
	char warning[256];		/* of the alias file, or "" */
	const char *word;		/* the status in the log, where it is another than sent, partial or failed; else NULL */
	struct outcome kept;		/* why it is in the queue; status 0: for no failure */
	char queue_id[40];		/* of the message in the queue, or "" */
	bool notice_later;		/* the notice failed for a reason that may pass */
	const char *notice;		/* what became of the notice to the sender: "sent", "failed", or NULL: none */
	char notice_id[256];		/* its Message-ID */
	char notice_why[256];		/* why it failed, or "" */
	bool dsn_dropped;		/* a DSN was asked for and could not be had */
	msec started;
};

/*
 * Sends m to all of e's pending recipients through the smarthosts of c, in order (CONTRACT section 5). Each recipient ends RCPT_DONE or
 * RCPT_FAILED; r->outcome is the failure of the message as a whole where there was one (then -1), the worst of r->tried where no smarthost could
 * be used at all. The caller ends r with submit_free().
 */
int submit(struct result *r, const struct config *c, struct envelope *e, struct message *m, msec deadline, struct trace *t);

/*
 * The same for several messages one after another: over one connection as long as it stands, and a smarthost that could not be reached is not asked again. Begun with
 * submission_begin(), which borrows c and t, ended with submission_end().
 */
struct submission {
	const struct config *config;
	struct trace *trace;
	struct client *client;
	bool open;
	bool dirty;			/* a transaction may still stand there */
	bool only;			/* no other message will follow: QUIT rides with the end of this one */
	bool piped;			/* pipeline is begun */
	bool alone;			/* no pipeline any more: something on the way does not bear it */
	struct pipeline pipeline;
	unsigned stalls;		/* messages in a row at which the smarthost said nothing for too long */
	size_t at;			/* the smarthost that it is connected to */
	struct outcome *down;		/* of each smarthost: why it could not be reached; status 0: it was not tried, or could */
};

void submission_begin(struct submission *s, const struct config *c, struct trace *t);
int submission_send(struct submission *s, struct result *r, struct envelope *e, struct message *m, msec deadline);
void submission_end(struct submission *s);

/* Connects to the smarthost that it was connected to last, unless it is now. False: it cannot be; nothing is remembered of that. */
bool submission_open(struct submission *s, msec deadline);

/* True where it is connected, and each message would take a round trip of its own. */
bool submission_is_serial(const struct submission *s);

/* For a child process: lets go of the connection, which is the parent's, without a word; what is known of the smarthosts stays. */
void submission_leave(struct submission *s);

/*
 * The same without waiting for each (pipeline.h), over the connection that stands. submission_takes(): this message may go so now; else it is for submission_send(), once nothing is
 * in flight any more. submission_put() borrows e, m and owner until submission_get() gives them back, in their order, with what came of it in r as submission_send() would have told
 * it; what is to be sent again (again), or still has pending recipients, is for submission_send() then. submission_get(): NULL where nothing is in flight.
 */
bool submission_takes(struct submission *s, struct envelope *e, struct message *m);
bool submission_is_full(const struct submission *s);	/* submission_get() had better come first */
void submission_put(struct submission *s, struct envelope *e, struct message *m, msec allowed, void *owner);
const struct pipelined *submission_get(struct submission *s);
void submission_tell(struct submission *s, const struct pipelined *x, struct result *r);

/* What was learned of smarthosts that are of no use is forgotten: they may be there again. */
void submission_renew(struct submission *s);

/* The worst of what r and its envelope tell, 0 where they tell of no failure. */
int submit_fates(const struct result *r);

/* The exit status for what r and its envelope say (CONTRACT section 6, "With several fates"). */
int submit_status(const struct result *r);

void submit_free(struct result *r);

/*
 * Parts of submit() that relay.c and -bs share: what is learned from a connection, and of a message that was in flight on it; a smarthost that is given up; the worst of those
 * given up from the given one on (there is at least one).
 */
void submit_note(struct result *r, const struct client *c);
void submit_tell(struct result *r, struct client *c, const struct pipelined *x);
void submit_give_up(struct result *r, const struct outcome *o);
const struct outcome *submit_worst(const struct result *r, size_t from);

#endif
