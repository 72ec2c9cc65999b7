/*
 * The client side of SMTP (RFC 5321, RFC 6409): greet, secure, authenticate, send, quit; and what may share a flight (RFC 2920).
 *
 * One struct client is one connection. client_open() brings it to where mail can be sent; client_send() sends one message, in as many
 * transactions as the smarthost's limit on recipients asks for; client_close() ends it. Whoever has to pass on each verdict as it comes (-bs, -bv)
 * goes step by step instead: client_mail(), client_rcpt(), client_fit(), client_message(), client_reset().
 */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include "config.h"
#include "mail/envelope.h"
#include "mail/message.h"
#include "net/dial.h"
#include "net/srv.h"
#include "net/stream.h"
#include "smtp/capability.h"
#include "smtp/reply.h"
#include "trace.h"

/* Milliseconds that a message has cost by now, -1: it never came so far, or not for this message. */
struct client_times {
	msec lookup, connect, tls, auth, transfer;
};

#define CLIENT_NO_TIMES	(struct client_times){-1, -1, -1, -1, -1}

struct client;

/* What client_open_seen() has just done. */
enum client_step {
	CLIENT_SERVERS,		/* SRV: c->servers */
	CLIENT_CONNECTED,	/* c->dialed */
	CLIENT_GREETED,		/* c->reply, as in the next two; c->secure tells whether it was within TLS */
	CLIENT_EHLO,
	CLIENT_STARTTLS,
	CLIENT_SECURED,		/* c->tls, and c->stream.tls */
	CLIENT_SIGNED_IN,	/* c->mechanism; not where no sign-in is wanted */
	CLIENT_FAILED		/* o; c is as the failure has left it, before it is closed */
};

/* Who watches how a connection is made (--check). */
struct client_witness {
	void (*saw)(void *arg, enum client_step step, const struct client *c, const struct outcome *o);
	void *arg;
};

struct client {
	const struct smarthost *configured;	/* as it was given to client_open() */
	const struct smarthost *host;	/* as it is connected to: the same, or with srv target */
	struct smarthost target;	/* the smarthost as one of its SRV records has it; its strings are borrowed */
	struct srv server;		/* that record */
	char domain[256];		/* whose records they are, or "" */
	struct tls *ready;		/* TLS that was made ready while the connection was, or NULL */
	struct outcome not_ready;	/* why it could not be; status 0: it could, or was left for later */
	bool resumes;			/* a TLS session of an earlier run was offered */
	bool heard;			/* a reply came within TLS */
	const char *ehlo;		/* configured name, or NULL */
	char own_name[256];		/* else what is said in its place; "" before */
	struct trace *trace;
	struct dialed dialed;
	struct stream stream;
	struct capability cap;
	struct reply reply;		/* the last one about the message; code 0 before */
	bool secure;			/* TLS, the smarthost verified */
	bool committed;			/* a recipient's verdict was read, or octets of a message left: no other smarthost may be tried */
	bool last;			/* no other smarthost would be tried anyway: the message may share a flight with its envelope */
	const struct buf *next;		/* what the owner will ask behind what is put now, lines with LF, or NULL: it goes along (RFC 2920) */
	struct buf ahead;		/* what of it has gone and was not asked yet: from ahead_at on */
	size_t ahead_at;
	bool data_in_vain;		/* DATA went ahead, and was not what came next */
	unsigned due;			/* answers to what has been said in a transaction that were not read yet */
	bool uncertain;			/* the message and its end have gone, and what became of it is not known */
	bool parting;			/* the owner will send no other message: QUIT may ride with the end of this one */
	bool parted;			/* it did: nothing more can be said */
	bool can_quit;			/* nothing is due that a QUIT would be taken for a part of */
	bool asked_again;		/* what it offers, after AUTH */
	bool fragile;			/* it cannot bear the message in one flight with its envelope */
	bool dsn_dropped;		/* a DSN was asked for and is not offered */
	char tls[64];			/* "TLSv1.3 TLS_AES_256_GCM_SHA384" or "" */
	char mechanism[32];		/* of AUTH, or "" */
	struct client_times took;
	const struct client_witness *witness;	/* or NULL */
	const struct srv_list *servers;	/* while they are tried */
};

/*
 * Connects, greets, secures and signs in, all before the deadline; with srv to the first of the domain's servers that gets so far, each with its share of the time.
 * last: there is no other smarthost to try; else one that does not let us connect within 10 s is given up.
 * host, ehlo and trace are borrowed. -1: o by stage; the connection is closed. 0: o is empty.
 */
int client_open(struct client *c, const struct smarthost *host, bool last, const char *ehlo, msec deadline, struct trace *trace, struct outcome *o);

/* The same for one who looks on: each address is tried, for a minute at most, TLS begins anew whatever sessions were kept, and witness is told each step. */
int client_open_seen(struct client *c, const struct smarthost *host, bool last, const struct client_witness *witness, const char *ehlo, msec deadline, struct trace *trace,
    struct outcome *o);

/*
 * Sends m to those recipients of e that are RCPT_PENDING; stream.deadline, which the caller may have moved, bounds it. 0: each of them is RCPT_DONE or RCPT_FAILED with a
 * fate of its own. -1: o says what befell the message as a whole; recipients that are neither are left RCPT_PENDING. The message may have been converted
 * on the way (8BITMIME not offered). A smarthost that refuses and hangs up while it is still written to is told by its own words, if they came.
 */
int client_send(struct client *c, struct envelope *e, struct message *m, struct outcome *o);

/*
 * One step each, before stream.deadline. 0: it was taken. -1: o; its code is that of the smarthost's own verdict, 0 where this program has refused (REQUIRETLS,
 * SIZE, SMTPUTF8) or the connection has failed: then client_usable() is false. client_mail(): size as far as the caller has declared it, 0: not; eight_bit: BODY=8BITMIME, where it is
 * offered; e->utf8 asks for SMTPUTF8. client_rcpt(): recipient i ends RCPT_TAKEN, or RCPT_FAILED with that fate (pending where the connection failed).
 */
int client_mail(struct client *c, struct envelope *e, uint64_t size, bool eight_bit, struct outcome *o);
int client_rcpt(struct client *c, struct envelope *e, size_t i, struct outcome *o);

/* What must hold before MAIL, of the envelope alone: REQUIRETLS, SMTPUTF8. A recipient that cannot be taken is RCPT_FAILED. -1: o, the envelope cannot be taken at all. */
int client_check(struct client *c, struct envelope *e, struct outcome *o);

/* Makes m fit for what this smarthost offers, converted if it must be; *eight_bit: it takes BODY=8BITMIME at MAIL. -1: it cannot be (65). */
int client_fit(struct client *c, struct envelope *e, struct message *m, bool *eight_bit, struct outcome *o);

/* Sends m, which client_fit() has passed, to those who are RCPT_TAKEN: they end RCPT_DONE, or stay as they are (-1). c->uncertain: it may have been taken or not. */
int client_message(struct client *c, struct envelope *e, struct message *m, struct outcome *o);

/*
 * Asks the smarthost, once and only if we have signed in, what it offers now: to those who have signed in some offer more (RFC 4954 section 4 permits to ask). -1: o, the
 * connection has failed. For transaction.c.
 */
int client_ask_again(struct client *c, struct outcome *o);

/* RSET. */
int client_reset(struct client *c, struct outcome *o);

/* Any other command, on a connection between commands. Its answer is c->reply, whatever it says. -1: o, the connection has failed. */
int client_ask(struct client *c, const char *line, struct outcome *o);

/* True where something has gone ahead whose answer was not asked for yet. */
bool client_is_ahead(const struct client *c);

/* True where the connection stands between commands, and the smarthost has not said or ended anything meanwhile. */
bool client_usable(struct client *c);

/* Says QUIT without waiting for its answer, if the connection still stands, and closes. */
void client_close(struct client *c);

#endif
