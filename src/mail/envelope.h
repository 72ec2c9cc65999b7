/*
 * The envelope: sender, recipients, DSN, BODY, SMTPUTF8, from flags, header and configuration (CONTRACT section 4).
 */
#ifndef MAIL_ENVELOPE_H
#define MAIL_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include "dsn.h"
#include "mail/aliases.h"
#include "mail/message.h"
#include "outcome.h"

enum rcpt_state {
	RCPT_PENDING,		/* nothing known yet */
	RCPT_TAKEN,		/* the smarthost said 25x to RCPT; the message is not yet accepted */
	RCPT_DONE,		/* the smarthost has accepted the message for it */
	RCPT_QUEUED,		/* the message is in the queue for it */
	RCPT_FAILED		/* fate says why; it may be worth trying again */
};

struct recipient {
	char *path;		/* local@domain, checked, as it stands between < and > */
	char *original;		/* ORCPT: the address before aliases, or NULL where it is the same */
	unsigned notify;	/* enum dsn_notify of its own, or 0: that of the envelope */
	char *orcpt;		/* "rfc822;xtext" as it was given, or NULL: made from original or path */
	enum rcpt_state state;
	struct outcome *fate;	/* of RCPT_FAILED; NULL there where the run as a whole failed, and the run's own outcome tells */
};

struct envelope {
	char *sender;		/* local@domain, checked; "" is the null sender */
	bool sender_is_local;	/* it was a bare name, or at localhost or this host without a dot, or made from the user's: mail to it is for the aliases first */
	struct recipient *rcpt;
	size_t count;
	size_t size;
	unsigned notify;	/* enum dsn_notify, or 0: not asked for */
	const char *ret;	/* "FULL", "HDRS" or NULL */
	const char *envid;	/* ENVID before xtext, or NULL */
	bool utf8;		/* an address needs SMTPUTF8 */
	bool requiretls;
	struct outcome *bad;	/* addresses in the header that are none: one entry each, status 65 */
	size_t bads;
	char *from;		/* the configuration's from, completed; or NULL */
	char *user;		/* who runs us, the login name or "uid-N", where sender or From may have to be made of it; else it is not asked for: NULL, as the next two */
	char *default_sender;	/* user@domain, for a From that has to be made when the sender is null; NULL where domain is */
	char *full_name;	/* of the user, from the passwd entry, or NULL */
	char *domain;		/* what completes bare names; NULL where none is known and no sender or recipient needed one */
};

/* Where the envelope comes from: all borrowed. */
struct envelope_source {
	bool from_header;		/* -t */
	const char *sender;		/* -f, as given; NULL: none */
	char *const *argument;		/* recipients on the command line, as given */
	size_t arguments;
	const char *from;		/* of the configuration, or NULL */
	bool override_from;
	const char *domain;		/* of the configuration, or NULL */
	const char *host;		/* the host's name */
	const char *user_domain;	/* domain of the smarthost's user, or NULL */
	const char *local_to;		/* or NULL */
	const struct aliases *aliases;	/* never NULL; may be empty */
	aliases_complain complain;
	void *complain_arg;
};

/*
 * Makes the envelope. -1: nothing may be sent (64 an argument is no address, or there is no recipient and no -t; 65 no recipients in the
 * message; 78 the configuration's own addresses are wrong). 0: it may, though bads may hold addresses of the header that could not be used, and some
 * recipients may already be RCPT_FAILED (an alias that leads nowhere).
 */
int envelope_make(struct envelope *e, const struct envelope_source *src, const struct message *m, struct outcome *o);

/*
 * The same in steps, for a dialogue that gives one address at a time (-bs). envelope_begin(): the sender, src->sender; no recipients. -1: o (64 it is no address, 78).
 * envelope_add(): one more recipient, through the aliases: what was added is from *first on, nothing where all of it is RCPT_TAKEN already. Who has failed under the same
 * address is asked anew. -1: o, and nothing was added.
 */
int envelope_begin(struct envelope *e, const struct envelope_source *src, struct outcome *o);
int envelope_add(struct envelope *e, const struct envelope_source *src, const char *recipient, size_t *first, struct outcome *o);

/* Whether a From that has to be made for this header can be made; what it is made of is known then. -1: 78. */
int envelope_check_from(struct envelope *e, const struct header *h, struct outcome *o);

/* The number of recipients in a state. */
size_t envelope_count(const struct envelope *e, enum rcpt_state state);

/* Recipient i has failed for this reason. */
void envelope_fail(struct envelope *e, size_t i, const struct outcome *why);

/* Recipient i has not failed after all. */
void envelope_revive(struct envelope *e, size_t i, enum rcpt_state state);

/* Those who have neither got it nor been refused share the fate of the run. */
void envelope_fail_rest(struct envelope *e);

void envelope_free(struct envelope *e);

#endif
