/*
 * Whom we trust, and who we are: certificates and keys from files. For net/tls*.c, and for oauth/jwt.c, which has a key as well.
 */
#ifndef NET_TLS_TRUST_H
#define NET_TLS_TRUST_H

#include "net/openssl.h"
#include "net/tls.h"

/*
 * Loads the authorities of the policy: its ca_file (a file, or a hashed directory), else the system's; which of its files or directories that is goes into where. -1: o: 76 CAUSE_NO_TRUST_STORE,
 * 78 the file.
 */
int tls_trust(SSL_CTX *ctx, const struct tls_policy *policy, char *where, size_t size, struct outcome *o);

/* Where systems have all authorities in one file, until NULL. */
extern const char *const tls_bundles[];

/* What OpenSSL asks for a passphrase, with this as its pem_password_cb: it never asks on a terminal. */
struct tls_passphrase {
	const struct buf *known;	/* or NULL */
	bool asked;
};
int tls_tell_passphrase(char *to, int size, int writing, void *passphrase);

/* Loads our own certificate, with its chain, and key. -1: o: 78, what names the file. */
int tls_use_certificate(SSL_CTX *ctx, const struct tls_policy *policy, struct outcome *o);

#endif
