/*
 * What OpenSSL has to say, in words for a person. For net/tls*.c alone.
 */
#ifndef NET_TLS_WORDS_H
#define NET_TLS_WORDS_H

#include "net/openssl.h"
#include "net/tls.h"
#include "outcome.h"

/* The oldest error in OpenSSL's queue, else the system's (errno), else that the connection was closed. Valid until the next call into either. */
const char *tls_error_words(int sys);

/*
 * Why a certificate was not taken: error is X509_V_ERR_..., depth 0 the server's own, name the one that was wanted; bad may be NULL. The caller frees
 * the words; *cause is the kind.
 */
char *tls_certificate_words(const X509 *bad, int error, int depth, const char *name, enum cause *cause);

/* Fills in c. */
void tls_certificate(const X509 *cert, struct tls_certificate *c);

#endif
