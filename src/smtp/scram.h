/*
 * SCRAM, the client's side: what is said and what is checked, without a connection (RFC 5802; SHA-256: RFC 7677; channel binding: RFC 5056, RFC 5929, RFC 9266).
 *
 * The password's octets are taken as they are: ASCII needs no SASLprep, and outside it servers disagree. So are the user's, but for "," and "=".
 */
#ifndef SMTP_SCRAM_H
#define SMTP_SCRAM_H

#include <stdbool.h>
#include <stddef.h>
#include "mem.h"

#define SCRAM_HASH_MAX		32		/* octets of SHA-256 */
#define SCRAM_ITERATIONS_MIN	4096		/* RFC 7677 section 4 */
#define SCRAM_ITERATIONS_MAX	1000000		/* takes a second or so; a server that asks for more could hold us as long as it likes */

enum scram_hash { SCRAM_SHA_1, SCRAM_SHA_256 };

/* What the client says of channel binding (the gs2-cbind-flag). */
enum scram_binding {
	SCRAM_NOT_BOUND,	/* "n": we cannot, or do not want to */
	SCRAM_NOT_OFFERED,	/* "y": we can, and the server did not offer it; one that did knows then that its offer was changed on the way */
	SCRAM_BOUND,		/* "p": to the channel told */
};

/* One exchange. All zero is none; the caller ends it with scram_wipe(). */
struct scram {
	enum scram_hash hash;
	struct buf gs2;			/* gs2-header */
	struct buf bound;		/* octets of the channel */
	struct buf bare;		/* client-first-message-bare */
	char nonce[33];			/* ours */
	bool answered;			/* signature is known */
	unsigned char signature[SCRAM_HASH_MAX];	/* what the server has to prove itself with */
};

/*
 * Begins, and appends client-first-message to out. channel: for SCRAM_BOUND its type ("tls-exporter") and octets, else NULL. authorization_id: or NULL.
 * nonce: NULL for one of random, or at most 32 of printable ASCII without commas (for tests).
 */
void scram_first(struct scram *s, enum scram_hash hash, enum scram_binding binding, const char *channel, const struct buf *bound, const char *user,
    const char *authorization_id, const char *nonce, struct buf *out);

/*
 * Takes server-first-message, n octets, and appends client-final-message, which proves the password. NULL: done, else why it cannot be answered, in words:
 * the server's nonce does not go on from ours, an extension that must be understood, no salt, no or too many iterations.
 */
const char *scram_final(struct scram *s, const char *challenge, size_t n, const struct buf *password, struct buf *out);

/*
 * Takes server-final-message. 1: the server has proved that it knows the password too; 0: it says why it refuses ("e="), which goes into error; -1: it has
 * proved nothing.
 */
int scram_verify(const struct scram *s, const char *final, size_t n, char *error, size_t size);

/* Appends what the server has to prove itself with, in base64 as it stands in server-final-message; after scram_final(). */
void scram_add_signature(const struct scram *s, struct buf *out);

void scram_wipe(struct scram *s);

/* Appends a name as SASL headers have it: "," and "=" written =2C and =3D (RFC 5801 section 4). */
void saslname_add(struct buf *out, const char *name);

#endif
