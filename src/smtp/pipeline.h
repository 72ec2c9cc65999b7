/*
 * Messages one after another over one connection without waiting for each (RFC 2920): with CHUNKING several are in flight, else the end of one shares a flight with the
 * envelope of the next. What comes of each is read in their order.
 *
 * Only what goes its plain way is sent so. Whatever is out of the ordinary - another smarthost to be tried, a conversion, recipients left for a further transaction - is
 * for client_send(): such a message comes back untried, or with recipients still pending.
 */
#ifndef SMTP_PIPELINE_H
#define SMTP_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "clock.h"
#include "mail/envelope.h"
#include "mail/message.h"
#include "outcome.h"
#include "smtp/client.h"

#define PIPELINE_MAX	256	/* messages in flight */

/* A message in the pipeline, and what came of it. */
struct pipelined {
	void *owner;			/* the caller's */
	struct envelope *e;
	struct message *m;
	uint64_t size;
	msec allowed;			/* that it may take when it is its turn */
	msec begun;
	bool eight_bit;
	bool reset;			/* RSET went ahead of it */
	bool written;			/* its octets have gone, or will with the next flush */
	bool cut;			/* not all of it: the line broke */
	bool settled;			/* what came of it is known */
	size_t asked;			/* recipients in its envelope's flight */
	/* once it is settled: */
	int status;			/* 0: each recipient is RCPT_DONE, RCPT_FAILED with a fate, or RCPT_PENDING for a further transaction; -1: o, or again */
	bool again;			/* nothing is known of it, and it is to be sent again: it was behind one with which the connection broke, or nobody has looked at it */
	struct outcome o;
	bool dsn_dropped;
	char reply[256];		/* the last reply to it, or "" */
};

struct pipeline {
	struct client *c;		/* open, and between transactions */
	bool chunked;
	bool broken;			/* no more is said */
	bool deaf;			/* nor heard: whose answer is what nobody knows any more, or none comes */
	bool reset;			/* a transaction may still stand there: RSET goes ahead */
	bool proven;			/* RSET does what it should: more than one may be in flight */
	bool stubborn;			/* the last RSET was refused */
	bool live;			/* the owner hands on each verdict: no recipient is left pending for a further transaction */
	bool late;			/* an answer did not come in time */
	bool worked;			/* a message was taken */
	struct pipelined *ring;		/* PIPELINE_MAX */
	size_t first, count;
	size_t most;			/* that may be in flight now */
	bool standing;			/* the last one of which is known what came of it may have left its transaction standing */
	uint64_t octets;		/* in flight */
	size_t recipients;		/* the same */
};

/* True where the smarthost takes several in one flight. */
bool pipeline_is_chunked(const struct client *c);

/* c is borrowed, and nobody else's until the pipeline is empty again. */
void pipeline_begin(struct pipeline *p, struct client *c);
void pipeline_end(struct pipeline *p);

/* True where the message may go this way, and there is room for it now. */
bool pipeline_takes(const struct pipeline *p, struct envelope *e, struct message *m);

/* True where there is so much in it that something had better be taken out first: pipeline_get() until it is no more. */
bool pipeline_is_full(const struct pipeline *p);

/*
 * Puts a message in that pipeline_takes(): to its recipients that are RCPT_PENDING. e and m are borrowed until it comes out again. allowed: milliseconds that it may take once
 * it is the first. May wait for what is in flight.
 */
void pipeline_put(struct pipeline *p, struct envelope *e, struct message *m, msec allowed, void *owner);

/* Waits for what comes of the first one, and takes it out: good until the next call. NULL: there is none. */
const struct pipelined *pipeline_get(struct pipeline *p);

#endif
