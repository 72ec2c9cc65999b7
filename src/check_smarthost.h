/*
 * What --check sees of one smarthost: its secrets, the way to it, TLS, sign-in, MAIL and RCPT. For check.c alone.
 */
#ifndef CHECK_SMARTHOST_H
#define CHECK_SMARTHOST_H

#include "check_tell.h"
#include "config.h"
#include "mail/envelope.h"
#include "submit.h"

/* What the JSON object tells of a smarthost beside the steps. Texts are owned; NULL: it never came so far. */
struct facts {
	bool connected;
	char *host;		/* the server; with srv another than the smarthost's */
	uint16_t port;
	char *address;
	char *banner;
	char *tls;
	char *mechanism;
	char *trusted;
	struct buf clear;	/* items: what EHLO offers before TLS */
	struct buf extensions;	/* and what its last answer to EHLO offers */
	struct buf certificates;	/* items */
	struct buf recipients;	/* items */
};

struct smarthost_check {
	const struct config *config;
	const struct smarthost *smarthost;
	struct teller *tell;
	struct envelope *envelope;	/* NULL: there is no sender, and MAIL is not said */
	struct facts *facts;		/* empty at the start */
	struct result *result;		/* for the log */
	struct trace *trace;
	bool last;			/* sending would try no other behind it */
	msec open_by;			/* when it has to be signed in to */
	msec deadline;			/* of all of it */
	bool opened;			/* after the check: it was */
	bool committed;			/* it has given a verdict on a recipient: sending would try no other */
	msec beside;			/* milliseconds that went into what sending would not do */
	bool fates;			/* what becomes of a recipient is its fate; else it is told, and the recipient is as before */
};

/*
 * Goes the way to the smarthost, tells each step, and leaves it without a message. o: what kept it from being used (status 0: nothing; a recipient may have been refused).
 */
void check_smarthost(struct smarthost_check *c, struct outcome *o);

/* The object of one smarthost, and those members of it that the whole object repeats ("connected", "address", "banner", "extensions"; of NULL: as never tried). */
void facts_write(const struct facts *f, const struct smarthost *s, const struct outcome *o, struct buf *b);
void facts_write_connection(const struct facts *f, struct buf *b);
void facts_free(struct facts *f);

#endif
