/*
 * Whom we trust, and who we are: certificates and keys from files. For net/tls*.c alone.
 */
#ifndef NET_TLS_TRUST_H
#define NET_TLS_TRUST_H

#include <openssl/ssl.h>
#include "net/tls.h"

/*
 * Loads the authorities of the policy: its ca_file (a file, or a hashed directory), else the system's; which of its files or directories that is goes into where. -1: o: 76 CAUSE_NO_TRUST_STORE,
 * 78 the file.
 */
int tls_trust(SSL_CTX *ctx, const struct tls_policy *policy, char *where, size_t size, struct outcome *o);

/* Where systems have all authorities in one file, until NULL. */
extern const char *const tls_bundles[];

/* Loads our own certificate, with its chain, and key. -1: o: 78, what names the file. */
int tls_use_certificate(SSL_CTX *ctx, const struct tls_policy *policy, struct outcome *o);

#endif
