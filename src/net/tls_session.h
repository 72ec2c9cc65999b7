/*
 * TLS sessions kept across runs, so that the next handshake with the same smarthost is shorter (RFC 8446 section 2.2, RFC 5077). For net/tls.c alone.
 *
 * A session stands for the certificate that was verified when it began. So one is kept for one policy (names, authorities, fingerprint, our own certificate)
 * at one host and port and for a day, its certificate's name and dates are checked again, and it does not renew itself. And whoever could put one into the directory could make us trust him: it is used
 * only where that is the user's or root's and nobody else may write to it, and never in a program with rights that its caller lacks.
 */
#ifndef NET_TLS_SESSION_H
#define NET_TLS_SESSION_H

#include "net/openssl.h"
#include "net/tls.h"

#define TLS_HOST_FLAGS	(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)	/* a common name is no host name (RFC 9525 section 2) */

struct tls_session_place {
	int dir;		/* the directory; -1: no sessions are kept */
	char name[80];		/* of the file in it */
};

/* Where the sessions of this policy are; all zero but dir -1 where none can be kept. Ended with tls_session_close(). */
void tls_session_open(struct tls_session_place *place, const struct tls_policy *policy);
void tls_session_close(struct tls_session_place *place);

/* The session that is kept, its certificate one that the policy takes (name: its name, as certificates have it), or NULL. The caller frees it. */
SSL_SESSION *tls_session_load(const struct tls_session_place *place, const struct tls_policy *policy, const char *name);

/* Puts the session in the place of the one that is kept, and removes those that are too old. What fails leaves none, or the old one. */
void tls_session_save(const struct tls_session_place *place, const SSL_SESSION *session);

/* Removes the one that is kept: it was not taken. */
void tls_session_drop(const struct tls_session_place *place);

#endif
