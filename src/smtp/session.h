/*
 * One session of -bs: its state, its replies, and the end of a transaction. For smtp/ alone: others have server.h.
 */
#ifndef SMTP_SESSION_H
#define SMTP_SESSION_H

#include "relay.h"
#include "smtp/intake.h"
#include "smtp/replies.h"
#include "smtp/server.h"

struct session {
	const struct server_setup *setup;
	struct intake *in;
	struct replies replies;
	struct relay relay;
	struct buf next;		/* what the caller will ask next */
	struct result result;
	struct envelope envelope;
	struct envelope_source source;
	char *envid;
	struct message message;
	struct message_reader *reader;	/* between the first chunk and the last; else NULL */
	struct outcome reading;		/* what became of that */
	bool basic;			/* HELO, not EHLO: the caller has no way to ask for SMTPUTF8 */
	bool begun;			/* MAIL was taken */
	bool stored;			/* the message goes into the queue */
	struct outcome unreachable;	/* why; status 0: it was to from the start */
	msec store_until;		/* until then the smarthost is not asked again */
	struct pipeline pipeline;	/* while flying */
	bool flying;			/* whole transactions may be in flight (flight.h) */
	bool walks;			/* the smarthost does not bear that after all */
	size_t returned;		/* transactions that come next have been in flight, and are taken once more */
	bool whole;			/* the present one is such, so that its message has come; until that is reached */
	bool sender_refused;		/* MAIL was refused for a reason of its own: what was sent along with it is no fault */
	bool in_vain;			/* a message was refused since nobody was taken: MAIL may follow */
	size_t asked;			/* RCPT that were not refused for their form */
	size_t bad;
	size_t transactions;
	int status;
	bool over;
	bool unheard;			/* the caller does not take the replies */
};

/* The session ends with that exit status. The first reason is the one that counts. */
void session_end(struct session *s, int status);

/* What is held of the replies goes to the caller. */
void session_flush(struct session *s);

void session_reply(struct session *s, int code, const char *enhanced, const char *text);

/* Replies to a command that is refused for its form: so many of them end the session. */
void session_refuse(struct session *s, int code, const char *enhanced, const char *text);

/* The same with 503; what was sent along with a sender who was refused is no fault. */
void session_refuse_order(struct session *s, const char *text);

/* Answers with a failure; bad_address: the enhanced code for what is no address, which is a fault of the command. */
void session_answer_failure(struct session *s, const struct outcome *o, const char *bad_address);

/* Answers with what the smarthost has said; where it gives no enhanced code, with ours. */
void session_answer_success(struct session *s, const char *enhanced);

#define SESSION_GO_ON	"The message; a line with a lone dot ends it"
#define SESSION_NOBODY	"No recipient was taken"

/* The transaction is over; it is told to the log. */
void session_finish(struct session *s);

/* The same for one that has failed: it is answered so. */
void session_fail(struct session *s, const struct outcome *o, const char *bad_address);

/* The smarthost cannot be reached (any more), which is no verdict: with a queue the transaction goes on without it. Whoever was taken is taken. */
bool session_goes_on(struct session *s, const struct outcome *o);

/* A verdict of the smarthost's on sender, recipient or message, which does not end its session. */
bool session_is_verdict(const struct outcome *o);

/* The end of the message has come to status (0, or -1: o): it goes into the queue where it is to, and is answered. */
void session_end_message(struct session *s, int status, struct outcome *o);

#endif
