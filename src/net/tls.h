/*
 * The OpenSSL policy: who is trusted, under which name, which versions, our own certificate; and the octets of a TLS connection as
 * non-blocking steps, which stream.c waits between. With tls_*.c, smtp/sasl.c, smtp/scram.c
 * and oauth/jwt.c the only ones that know OpenSSL.
 *
 * Trust: tls-ca-file alone where it is set; else the system's store, its hashed directory where that holds certificates, its bundle where
 * not (reading the whole bundle costs more than the rest of a run); neither: CAUSE_NO_TRUST_STORE, never a silent yes. A fingerprint stands for chain, name and dates. TLS 1.2
 * is the floor; the system's own policy (openssl.cnf) may ask for more and is kept.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include "clock.h"
#include "mem.h"
#include "outcome.h"

struct tls_policy {
	const char *name;		/* the name to verify and to send as SNI: a host name or a numeric address (no SNI then) */
	const char *sni;		/* the name to send in place of that, or NULL */
	const char *ca_file;		/* or NULL */
	const char *fingerprint;	/* "sha256:HEX" or "spki-sha256:HEX", colons allowed in HEX; or NULL. Checked by the configuration */
	const char *certificate;	/* our own, PEM with its chain; or NULL */
	const char *key;		/* its key; NULL: in the same file */
	const struct buf *passphrase;	/* of the key; NULL: not encrypted */
	const char *also;		/* a further name that verifies, or NULL */
	const char *session_cache;	/* the directory where sessions are kept, or NULL (tls_session.h) */
	const char *peer;		/* whose sessions: host and port in text; or NULL */
	int min_version;		/* 12 or 13 for TLS 1.2, 1.3; 0: the floor */
};

struct tls;

/* A step's answer where it is no number of octets. */
enum { TLS_WANT_READ = -2, TLS_WANT_WRITE = -3, TLS_FAILED = -1, TLS_EOF = 0 };

/*
 * Builds a context by the policy, before there is a connection. NULL: o says why: 76 CAUSE_NO_TRUST_STORE; 78 a file of ours cannot be read or used (what names it).
 * The caller frees it with tls_free().
 */
struct tls *tls_new(const struct tls_policy *policy, struct outcome *o);

/* Binds it to a connected, non-blocking socket. -1: o (71). */
int tls_attach(struct tls *tls, int fd, struct outcome *o);

/*
 * One step of the handshake: 1 done and the peer verified, TLS_WANT_READ, TLS_WANT_WRITE, or TLS_FAILED with o filled in: 76 with its own
 * cause and words for a wrong CA, an expired certificate, one not yet valid, a wrong name (naming those it has), a fingerprint that does not match (naming the one it has),
 * a server that does not speak TLS; 75 where the connection was lost in the handshake.
 */
int tls_handshake(struct tls *tls, struct outcome *o);

/* As read(2) and write(2), but that what is written may wait for tls_flush(): octets moved, TLS_EOF (close_notify or end of file), TLS_WANT_..., or TLS_FAILED (tls_error() says why). */
ptrdiff_t tls_read(struct tls *tls, void *p, size_t n);
ptrdiff_t tls_write(struct tls *tls, const void *p, size_t n);

/* Sends what tls_write() has taken and collected. 1: all of it is gone; TLS_WANT_WRITE, or TLS_FAILED. */
ptrdiff_t tls_flush(struct tls *tls);

/* True where octets have come that tls_read() has not given yet: they are not waited for at the socket. */
bool tls_has_octets(const struct tls *tls);

/* The last failure of a read or write in words; static or owned by tls. */
const char *tls_error(struct tls *tls);

/* True where that failure says that the other side does not take our certificate, or wants one. */
bool tls_refused(const struct tls *tls);

/* The name that the policy verifies; owned by tls. */
const char *tls_name(const struct tls *tls);

/* "TLSv1.3 TLS_AES_256_GCM_SHA384", and " resumed" where a session went on; owned by tls. */
const char *tls_describe(struct tls *tls);

/*
 * True where a session of an earlier run is offered. If nothing comes of the connection, that may be the reason: tls_free() has dropped it then.
 */
bool tls_resumes(const struct tls *tls);

/* A certificate in words for a person. Octets as they stand in it: what is shown goes through vis(3). */
struct tls_certificate {
	char subject[200];
	char issuer[200];
	char names[256];	/* the hosts that it is for; "" where it names none */
	char until[12];		/* the last day, "2027-01-31" */
	int days;		/* left until then; below 0: expired */
};

/*
 * The certificates of the smarthost, its own first: those that were found to lead to who is trusted, or where that failed as far as they lead; with a fingerprint those
 * that it has shown. At most max; 0: the handshake has not come so far, or a session went on.
 */
size_t tls_certificates(const struct tls *tls, struct tls_certificate *list, size_t max);

/* Who is trusted: the file or directory of authorities, or "tls-fingerprint"; owned by tls. */
const char *tls_trusted(const struct tls *tls);

/* Channel bindings: what is known to both ends of this connection and to no other (RFC 5056). */
enum tls_binding { TLS_NO_BINDING, TLS_EXPORTER, TLS_SERVER_END_POINT };

/* Its registered name: "tls-exporter" (RFC 9266), "tls-server-end-point" (RFC 5929 section 4). */
const char *tls_binding_name(enum tls_binding kind);

/*
 * Appends the octets that identify the connection. False: it has none of that kind (no TLS, as tls is NULL; TLS 1.2 without the extended master secret; a
 * certificate whose signature has no hash of its own).
 */
bool tls_binding(struct tls *tls, enum tls_binding kind, struct buf *out);

/* What tls_write() has taken and has not left yet never will, nor anything else; for tls_free(). */
void tls_give_up(struct tls *tls);

/* Sends close_notify if that can be done at once, with what is left of what was written, and frees everything. NULL is allowed. */
void tls_free(struct tls *tls);

#endif
