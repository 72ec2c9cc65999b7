/*
 * One transaction, command by command: what is put into a flight, and what each answer means for its recipients. For smtp/ alone: others have client.h and pipeline.h.
 */
#ifndef SMTP_TRANSACTION_H
#define SMTP_TRANSACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mail/envelope.h"
#include "mail/message.h"
#include "outcome.h"
#include "smtp/client.h"

#define FLIGHT_RCPTS	100	/* RCPT that go together with what is behind them: that many each server takes (RFC 5321 section 4.5.3.1.8) */
#define INLINE_MAX	65536	/* octets of a message that may share a flight with its envelope */

/* What one transaction is doing. All is borrowed; o is where failures go. */
struct transaction {
	struct client *c;
	struct envelope *e;
	struct message *m;
	struct outcome *o;
	uint64_t size;		/* 0: not known */
	bool eight_bit;		/* BODY=8BITMIME is needed */
	bool in_flight;		/* the message has gone with its envelope: an answer too many before its own would be taken for it */
	bool held;		/* its end stays in the flight: more follows, and the caller flushes */
	bool cut;		/* the line broke before all of the message had left: no answer can mean that it was taken */
	size_t limit;		/* recipients that the smarthost took in an earlier transaction before it said enough; 0: not known */
};

/* What the last flight of an envelope ends with. */
enum ending { END_NONE, END_DATA, END_MESSAGE };

/* Before MAIL: what the message needs or asks for that was not offered so far; whether it can be sent at all, converted if it must be (-1: o); what becomes of a DSN. */
bool transaction_lacks(const struct transaction *t);
int transaction_prepare(struct transaction *t);
void transaction_note_dsn(struct transaction *t);

/* True where RCPT for r (NULL: for any recipient) carries parameters of a DSN. */
bool transaction_wants_dsn(const struct envelope *e, const struct recipient *r);

/* The first pending recipient from i on, e->count where there is none. */
size_t transaction_next(const struct envelope *e, size_t i);

/* The commands alone. */
void transaction_add_mail(const struct transaction *t, struct buf *b);
void transaction_add_rcpt(const struct transaction *t, const struct recipient *r, struct buf *b);

/* Each puts a command into the flight; stream_flush() sends it. */
void transaction_put(struct transaction *t, const char *line, size_t n);
void transaction_put_mail(struct transaction *t);
void transaction_put_rcpt(struct transaction *t, const struct recipient *r);
void transaction_put_data(struct transaction *t);

/*
 * The message and its end, without waiting for the answer; QUIT behind it where c->parting and nobody is left for a further transaction. -1: it could not be read back, and the smarthost waits for octets that will never come.
 */
int transaction_put_message(struct transaction *t, bool chunked);

/* Reads any reply into c->reply, whatever it says. -1: o, the connection has failed; to: what it answers. */
int transaction_hear(struct transaction *t, enum stage stage, const char *to);

/* Read the answer to what was put. 0: it may go on. -1: o. */
int transaction_read_mail(struct transaction *t);
int transaction_read_data(struct transaction *t);

/* The verdict on recipient i. taken: recipients taken in this transaction before it. *enough is set where it is left for the next one. -1: o, the message as a whole has failed. */
int transaction_read_rcpt(struct transaction *t, size_t i, size_t taken, bool *enough);

/* The verdict on the message: those who were taken have got it, or have not. */
int transaction_read_verdict(struct transaction *t);

/*
 * Reads the answers that are due but mean nothing, since nobody can get the message: to so many RCPT and to the ending of the flight. A 3xx waits for
 * a message, and is given a lone dot; but where a recipient was taken nevertheless that would send an empty message, and the connection is
 * dropped. o stays as it is.
 */
void transaction_drain(struct transaction *t, size_t rcpts, enum ending ending);

#endif
