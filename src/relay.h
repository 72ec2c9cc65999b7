/*
 * The live way to the smarthost: one connection, kept from message to message, on which each command of somebody else's dialogue is passed on and
 * each verdict is handed back (-bs, -bv; CONTRACT section 3a).
 *
 * A connection that is lost between transactions is opened again. One that is lost within a transaction, before all of the message has
 * left, is opened again too, to the same smarthost, and the envelope repeated; if a verdict differs from the one that was given, the transaction is spoilt: all that
 * follows in it fails with 75, and nothing is sent.
 *
 * The time of a transaction (timeout) runs only while the smarthost is waited for, not while the caller is.
 */
#ifndef RELAY_H
#define RELAY_H

#include "smtp/client.h"
#include "submit.h"

/* A password that was refused: until then sign-in fails as it did, untried. */
struct relay_refusal {
	msec until;
	struct outcome outcome;
};

struct relay {
	const struct config *config;
	struct trace *trace;
	struct client client;
	bool open;		/* there is a connection, as far as is known */
	bool begun;		/* it has taken a MAIL that no message and no RSET has ended */
	const char *spoilt;	/* why nothing can come of the transaction any more, or NULL. Static text */
	bool stale;		/* the envelope there is not the one here any more: it is repeated before the message */
	bool one_job;		/* timeout bounds all transactions together, not each */
	struct relay_refusal *refused;	/* for each smarthost */
	bool eight_bit;		/* what MAIL said */
	uint64_t size;
	msec left;		/* of the transaction's time */
	bool proven;		/* the smarthost takes RSET as it should, on this connection: pipeline.h */
	bool wary;		/* DATA that went ahead has cost a connection: it does so no more */
	const struct buf *next;	/* what the caller will ask next, as client.h has it; or NULL. The owner sets it before relay_mail() and relay_message(), for that one call */
};

/* c and t are borrowed. The caller ends r with relay_close(). */
void relay_init(struct relay *r, const struct config *c, struct trace *t);

/*
 * Begins a transaction: connects if there is no connection, smarthosts in order as submit() does, and says MAIL. size, eight_bit: as client_mail(). 0: e's sender was
 * taken. -1: o; a verdict of the smarthost's on the sender has stage STAGE_MAIL and a code. res notes the smarthost for the log.
 */
int relay_mail(struct relay *r, struct result *res, struct envelope *e, uint64_t size, bool eight_bit, struct outcome *o);

/* RCPT for recipient i, RCPT_PENDING. 0: RCPT_TAKEN. -1: o; it is RCPT_FAILED with that fate. */
int relay_rcpt(struct relay *r, struct result *res, struct envelope *e, size_t i, struct outcome *o);

/* The message, repaired, to those who were taken. 0: they are RCPT_DONE. -1: o; nobody has got it, unless o says that it is not known. */
int relay_message(struct relay *r, struct result *res, struct envelope *e, struct message *m, struct outcome *o);

/* Recipients that were RCPT_TAKEN are so no more: the smarthost has to forget them. */
void relay_take_back(struct relay *r);

/* Ends a transaction without a message. */
void relay_reset(struct relay *r);

/*
 * Between transactions: several whole ones in flight on the connection that there is. p is begun on it, and the connection its own until relay_landed(), with p empty, ends p. False: the smarthost
 * does not bear it, or there is no connection, or another smarthost might have to be tried; relay_bears(): no more than that is asked.
 */
bool relay_bears(const struct relay *r);
bool relay_fly(struct relay *r, struct pipeline *p);
void relay_landed(struct relay *r, struct pipeline *p);

/* QUIT, and the end of the connection. */
void relay_close(struct relay *r);

#endif
