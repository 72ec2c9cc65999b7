/*
 * Signed JSON Web Tokens (RFC 7515 JWS compact form, RFC 7519) by which a client shows who it is (RFC 7523): with a certificate's key, or a service account's.
 */
#ifndef OAUTH_JWT_H
#define OAUTH_JWT_H

#include "mem.h"
#include "outcome.h"

struct jwt {
	const char *issuer;		/* iss */
	const char *subject;		/* sub, or NULL */
	const char *audience;		/* aud: the token endpoint */
	const char *scope;		/* or NULL */
	const char *key_id;		/* kid, or NULL */
	const char *certificate;	/* the file, PEM, whose SHA-256 goes into x5t#S256 and SHA-1 into x5t; or NULL */
	const struct buf *key;		/* the private key in PEM form, RSA, 2048 bits and more */
	const struct buf *passphrase;	/* of the key, or NULL: not encrypted */
	const char *what;		/* how a person calls the key: "client-key /etc/ssl/app.key", "private_key of /etc/google.json" */
	int lifetime;			/* seconds from now until exp; iat and nbf are now */
};

/*
 * Appends the token, signed with RS256 (RSASSA-PKCS1-v1_5 with SHA-256), with a jti that no other has. Claims that are NULL are left out. -1: o: 78 (STAGE_SECRET, CAUSE_SECRET_UNREADABLE for a
 * certificate that cannot be read, CAUSE_OAUTH_KEY otherwise): the certificate or the key cannot be used, the key is not RSA or too short, the passphrase is wrong or missing; key and certificate do not belong together. What
 * was made of the key is wiped.
 */
int jwt_sign(struct buf *out, const struct jwt *j, struct outcome *o);

#endif
