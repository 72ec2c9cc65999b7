/*
 * The OpenSSL policy, and a TLS connection as non-blocking steps. See tls.h.
 *
 * A peer is verified inside the handshake, so that a server we do not trust gets neither our certificate nor an octet of the dialogue; a
 * pinned fingerprint is compared right after it, before the caller may read or write. The verify callback only keeps the certificate that failed, so
 * that the failure can be told in words. RFC 8446, RFC 5246; names RFC 6125, SNI RFC 6066 section 3, policy RFC 8314 section 4.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "mem.h"
#include "net/openssl.h"
#include "net/tls.h"
#include "net/tls_session.h"
#include "net/tls_trust.h"
#include "net/tls_words.h"

#define HASH_SIZE	32	/* of SHA-256 */
#define SEND_SIZE	(32 * (16384 + 64))	/* octets of several records that leave with one system call */

enum pin { PIN_NONE, PIN_CERTIFICATE, PIN_KEY };

struct tls {
	SSL_CTX *ctx;
	SSL *ssl;
	struct tls_session_place place;
	SSL_SESSION *fresh;		/* the last session that the server has given */
	SSL_SESSION *kept;		/* one of an earlier run, to be offered; or NULL */
	bool heard;			/* octets of the smarthost's have come through this connection */
	char *name;			/* what is verified */
	char *also;			/* so, too; or NULL */
	char *sni;			/* what is sent as the name; or NULL */
	bool numeric;			/* it is an address */
	enum pin pin;
	unsigned char pinned[HASH_SIZE];
	X509 *bad;			/* the certificate that failed verification */
	int bad_error;			/* X509_V_ERR_... */
	int bad_depth;			/* 0: the server's own */
	STACK_OF(X509) *bad_chain;	/* that one and those it leads to, as far as they are known */
	char trusted[256];		/* the store that it was verified with */
	bool open;			/* handshake done and the peer verified */
	bool refused;			/* an alert said that our certificate is wrong or missing; in TLS 1.3 it comes after the handshake */
	bool broken;			/* nothing more is said, not even goodbye */
	char error[160];
	char describe[96];
};

/* ---- the policy ---- */

/* The hash in a fingerprint that the configuration has checked. */
static int
parse_pin(struct tls *t, const char *text, struct outcome *o)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = strchr(text, ':'), *digit;
	size_t n = 0;

	if (strncasecmp(text, "sha256:", 7) == 0)
		t->pin = PIN_CERTIFICATE;
	else if (strncasecmp(text, "spki-sha256:", 12) == 0)
		t->pin = PIN_KEY;
	for (; t->pin != PIN_NONE && *p != '\0'; p++) {
		if (*p == ':')
			continue;
		digit = strchr(digits, tolower((unsigned char)*p));
		if (digit == NULL || n == 2 * HASH_SIZE)
			break;
		t->pinned[n / 2] = (unsigned char)(t->pinned[n / 2] << 4 | (digit - digits));
		n++;
	}
	if (n == 2 * HASH_SIZE && *p == '\0')
		return 0;
	return outcome_set(o, EX_CONFIG, STAGE_TLS, CAUSE_CONFIG_WRONG, "not sha256: or spki-sha256: and 64 hexadecimal digits",
	    "cannot use tls-fingerprint %s", text);
}

/* Keeps the first certificate that fails; the verdict stands. */
static int
verified(int ok, X509_STORE_CTX *ctx)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *t = SSL_get_app_data(ssl);

	if (ok == 0 && t->bad_error == X509_V_OK) {
		t->bad_error = X509_STORE_CTX_get_error(ctx);
		t->bad_depth = X509_STORE_CTX_get_error_depth(ctx);
		t->bad = X509_STORE_CTX_get_current_cert(ctx);
		if (t->bad != NULL)
			(void)X509_up_ref(t->bad);
		t->bad_chain = X509_STORE_CTX_get1_chain(ctx);
	}
	return ok;
}

static int
trust(struct tls *t, const struct tls_policy *policy, struct outcome *o)
{
	if (policy->fingerprint != NULL) {
		SSL_CTX_set_verify(t->ctx, SSL_VERIFY_NONE, NULL);
		(void)strlcpy(t->trusted, "tls-fingerprint", sizeof(t->trusted));
		return parse_pin(t, policy->fingerprint, o);
	}
	SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, verified);
	return tls_trust(t->ctx, policy, t->trusted, sizeof(t->trusted), o);
}

/* The name as certificates have it: without the dot at its end, an address without its zone. */
static char *
plain_name(const char *name)
{
	size_t n = strlen(name);
	char *plain = mem_ndup(name, strchr(name, ':') != NULL ? strcspn(name, "%") : n);

	if (n > 1 && plain[strlen(plain) - 1] == '.')
		plain[strlen(plain) - 1] = '\0';
	return plain;
}

static int
set_names(struct tls *t, const struct tls_policy *policy, struct outcome *o)
{
	unsigned char address[sizeof(struct in6_addr)];

	t->name = plain_name(policy->name);
	t->numeric = inet_pton(AF_INET, t->name, address) == 1 || inet_pton(AF_INET6, t->name, address) == 1;
	if (policy->also != NULL)
		t->also = plain_name(policy->also);
	if (policy->sni != NULL || !t->numeric)
		t->sni = plain_name(policy->sni != NULL ? policy->sni : policy->name);
	if (t->name[0] != '\0' && t->name[0] != '.')	/* to OpenSSL these mean any name, and any below it */
		return 0;
	return outcome_set(o, EX_CONFIG, STAGE_TLS, CAUSE_CONFIG_WRONG, "not a host's name", "cannot use tls-name %s", policy->name);
}

/* The last one counts: a server gives one or two behind the handshake. */
static int
take_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls *t = SSL_get_app_data(ssl);

	SSL_SESSION_free(t->fresh);
	t->fresh = session;
	return 1;
}

static int
make_context(struct tls *t, const struct tls_policy *policy, struct outcome *o)
{
	long least = policy->min_version == 13 ? TLS1_3_VERSION : TLS1_2_VERSION;

	t->ctx = SSL_CTX_new(TLS_client_method());
	if (t->ctx == NULL)
		return outcome_set(o, EX_OSERR, STAGE_TLS, CAUSE_SYSTEM, tls_error_words(0), "cannot start OpenSSL");
	if (SSL_CTX_get_min_proto_version(t->ctx) < least && SSL_CTX_set_min_proto_version(t->ctx, least) != 1)
		return outcome_set(o, EX_OSERR, STAGE_TLS, CAUSE_SYSTEM, tls_error_words(0), "cannot ask for TLS 1.2");
	(void)SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION);
	(void)SSL_CTX_clear_options(t->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	(void)SSL_CTX_set_mode(t->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	tls_session_open(&t->place, policy);
	(void)SSL_CTX_set_session_cache_mode(t->ctx, t->place.dir == -1 ? SSL_SESS_CACHE_OFF : SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(t->ctx, take_session);
	(void)SSL_CTX_clear_mode(t->ctx, SSL_MODE_AUTO_RETRY);	/* else records without octets could hold a read as long as they come */
	SSL_CTX_set_read_ahead(t->ctx, 1);
	return 0;
}

struct tls *
tls_new(const struct tls_policy *policy, struct outcome *o)
{
	struct tls *t = mem_alloc(sizeof(*t));

	if (openssl_load(o) == -1) {
		free(t);
		return NULL;
	}
	t->place.dir = -1;
	ERR_clear_error();
	if (set_names(t, policy, o) == 0 && make_context(t, policy, o) == 0 && trust(t, policy, o) == 0 &&
	    (policy->certificate == NULL || tls_use_certificate(t->ctx, policy, o) == 0)) {
		t->kept = tls_session_load(&t->place, policy, t->name);
		ERR_clear_error();
		return t;
	}
	tls_free(t);
	return NULL;
}

/* Who has to be at the other end. */
static bool
set_identity(struct tls *t)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);

	X509_VERIFY_PARAM_set_hostflags(param, TLS_HOST_FLAGS);
	if (t->sni != NULL && SSL_set_tlsext_host_name(t->ssl, t->sni) != 1)
		return false;
	if (t->numeric)
		return X509_VERIFY_PARAM_set1_ip_asc(param, t->name) == 1;
	return X509_VERIFY_PARAM_set1_host(param, t->name, 0) == 1 &&
	    (t->also == NULL || X509_VERIFY_PARAM_add1_host(param, t->also, 0) == 1);
}

/* What is written collects until it is flushed, or fills a buffer. */
static bool
collect_writes(SSL *ssl)
{
	BIO *buffer = BIO_new(BIO_f_buffer()), *socket = SSL_get_rbio(ssl);

	if (buffer == NULL || BIO_set_write_buffer_size(buffer, SEND_SIZE) != 1 || BIO_up_ref(socket) != 1) {
		BIO_free(buffer);
		return false;
	}
	SSL_set0_wbio(ssl, BIO_push(buffer, socket));
	return true;
}

int
tls_attach(struct tls *t, int fd, struct outcome *o)
{
	ERR_clear_error();
	t->ssl = SSL_new(t->ctx);
	if (t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1 || !collect_writes(t->ssl) || !set_identity(t))
		return outcome_set(o, EX_OSERR, STAGE_TLS, CAUSE_SYSTEM, tls_error_words(0), "cannot prepare TLS with %s", t->name);
	SSL_set_app_data(t->ssl, t);
	SSL_set_connect_state(t->ssl);
	if (t->kept != NULL)
		(void)SSL_set_session(t->ssl, t->kept);
	ERR_clear_error();
	return 0;
}

/*
 * Why a step moved nothing: as SSL_get_error() has it, sys as errno was. What collects writes lies below a buffer that OpenSSL puts there
 * for messages of its own (the handshake, new keys), and BIO_f_buffer() does not hand on, at a flush, that the one below is to be tried
 * again: then a socket that is full for the moment looks broken.
 */
static int
step_error(const struct tls *t, int r, int sys)
{
	int error = SSL_get_error(t->ssl, r);

	if (error == SSL_ERROR_SYSCALL && (sys == EAGAIN || sys == EWOULDBLOCK) && BIO_should_retry(SSL_get_wbio(t->ssl)))
		return SSL_ERROR_WANT_WRITE;
	return error;
}

/* ---- the handshake ---- */

static int
handshake_failed(const struct tls *t, int status, enum cause cause, const char *why, struct outcome *o)
{
	return outcome_set(o, status, STAGE_TLS, cause, why, "TLS handshake with %s", t->name);
}

/* The verdict on t->bad in words. */
static int
certificate_failed(const struct tls *t, struct outcome *o)
{
	enum cause cause;
	char *why = tls_certificate_words(t->bad, t->bad_error, t->bad_depth, t->name, &cause);

	(void)handshake_failed(t, EX_PROTOCOL, cause, why, o);
	free(why);
	return -1;
}

/* An alert (RFC 8446 section 6.2) by which the server says that it does not like our certificate. */
static bool
is_certificate_alert(int reason)
{
	int alert = reason - SSL_AD_REASON_OFFSET;

	return (alert >= SSL_AD_BAD_CERTIFICATE && alert <= SSL_AD_CERTIFICATE_UNKNOWN) || alert == SSL_AD_UNKNOWN_CA ||
	    alert == SSL_AD_ACCESS_DENIED || alert == SSL_AD_CERTIFICATE_REQUIRED;
}

/* Why the handshake failed: error as SSL_get_error() has it, sys as errno was. */
static int
explain_failure(const struct tls *t, int error, int sys, struct outcome *o)
{
	int reason = ERR_GET_REASON(ERR_peek_error());
	char why[200];

	if (t->bad_error != X509_V_OK)
		return certificate_failed(t, o);
	if (error == SSL_ERROR_ZERO_RETURN || (error == SSL_ERROR_SYSCALL && ERR_peek_error() == 0))
		return handshake_failed(t, EX_TEMPFAIL, CAUSE_LOST, tls_error_words(sys), o);
	switch (reason) {
	case SSL_R_UNEXPECTED_EOF_WHILE_READING:
		return handshake_failed(t, EX_TEMPFAIL, CAUSE_LOST, "the smarthost closed the connection", o);
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
	case SSL_R_PACKET_LENGTH_TOO_LONG:
	case SSL_R_BAD_RECORD_TYPE:
	case SSL_R_RECORD_TOO_SMALL:
		return handshake_failed(t, EX_PROTOCOL, CAUSE_TLS, "the smarthost does not speak TLS there", o);
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
	case SSL_R_NO_PROTOCOLS_AVAILABLE:
		return handshake_failed(t, EX_PROTOCOL, CAUSE_TLS, "there is no version of TLS that both sides allow", o);
	}
	if (ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SSL && is_certificate_alert(reason)) {
		(void)snprintf(why, sizeof(why), "the smarthost does not take our certificate: %s", tls_error_words(0));
		return handshake_failed(t, EX_PROTOCOL, CAUSE_TLS_CLIENT_CERT, why, o);
	}
	return handshake_failed(t, EX_PROTOCOL, CAUSE_TLS, tls_error_words(sys), o);
}

static bool
hash_of(const X509 *cert, enum pin pin, unsigned char hash[HASH_SIZE])
{
	unsigned char *der = NULL;
	unsigned len = 0;
	int n;
	bool ok;

	if (pin == PIN_CERTIFICATE)
		return X509_digest(cert, EVP_sha256(), hash, &len) == 1;
	n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	ok = n > 0 && EVP_Digest(der, (size_t)n, hash, &len, EVP_sha256(), NULL) == 1;
	OPENSSL_free(der);
	return ok;
}

/* The pinned fingerprint against the one that the server has. */
static int
check_pin(const struct tls *t, const X509 *cert, struct outcome *o)
{
	unsigned char hash[HASH_SIZE];
	char text[2 * HASH_SIZE + 1], why[200];

	if (cert == NULL || !hash_of(cert, t->pin, hash))
		return handshake_failed(t, EX_PROTOCOL, CAUSE_CERT_FINGERPRINT, "the smarthost shows no certificate", o);
	if (memcmp(hash, t->pinned, HASH_SIZE) == 0)
		return 0;
	for (size_t i = 0; i < HASH_SIZE; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", hash[i]);
	(void)snprintf(why, sizeof(why), "its certificate has another fingerprint: %s%s", t->pin == PIN_KEY ? "spki-sha256:" : "sha256:", text);
	return handshake_failed(t, EX_PROTOCOL, CAUSE_CERT_FINGERPRINT, why, o);
}

/* The last word on the peer: nothing is read or written before it. */
static int
check_peer(struct tls *t, struct outcome *o)
{
	X509 *cert = SSL_get1_peer_certificate(t->ssl);
	int r = 0;

	if (t->pin != PIN_NONE)
		r = check_pin(t, cert, o);
	else if (cert == NULL || SSL_get_verify_result(t->ssl) != X509_V_OK)
		r = handshake_failed(t, EX_PROTOCOL, CAUSE_CERT_OTHER, "the certificate was not verified", o);
	X509_free(cert);
	return r;
}

int
tls_handshake(struct tls *t, struct outcome *o)
{
	int r, error, sys;

	ERR_clear_error();
	errno = 0;
	r = SSL_do_handshake(t->ssl);
	sys = errno;
	if (r == 1) {
		if (check_peer(t, o) == -1)
			return TLS_FAILED;
		t->open = true;
		return 1;
	}
	error = step_error(t, r, sys);
	if (error == SSL_ERROR_WANT_READ)
		return TLS_WANT_READ;
	if (error == SSL_ERROR_WANT_WRITE)
		return TLS_WANT_WRITE;
	return explain_failure(t, error, sys, o);
}

/* ---- octets ---- */

/* What a read or a write that moved nothing comes to. */
static ptrdiff_t
no_octets(struct tls *t, int r, int sys)
{
	int error = step_error(t, r, sys);

	if (error == SSL_ERROR_WANT_READ)
		return TLS_WANT_READ;
	if (error == SSL_ERROR_WANT_WRITE)
		return TLS_WANT_WRITE;
	(void)strlcpy(t->error, tls_error_words(sys), sizeof(t->error));
	if (error == SSL_ERROR_ZERO_RETURN)
		return TLS_EOF;
	t->broken = true;
	t->refused = ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SSL && is_certificate_alert(ERR_GET_REASON(ERR_peek_error()));
	if (error == SSL_ERROR_SYSCALL && sys == 0)
		return TLS_EOF;
	/* many servers close without close_notify; a reply cut short is noticed by its missing line end */
	if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return TLS_EOF;
	return TLS_FAILED;
}

static bool
ready(struct tls *t)
{
	if (t->ssl != NULL && t->open)
		return true;
	if (t->error[0] == '\0')
		(void)strlcpy(t->error, "no TLS connection", sizeof(t->error));
	return false;
}

ptrdiff_t
tls_read(struct tls *t, void *p, size_t n)
{
	int r;

	if (!ready(t))
		return TLS_FAILED;
	ERR_clear_error();
	errno = 0;
	r = SSL_read(t->ssl, p, n > INT_MAX ? INT_MAX : (int)n);
	t->heard = t->heard || r > 0;
	return r > 0 ? r : no_octets(t, r, errno);
}

ptrdiff_t
tls_write(struct tls *t, const void *p, size_t n)
{
	int r;

	if (!ready(t))
		return TLS_FAILED;
	ERR_clear_error();
	errno = 0;
	r = SSL_write(t->ssl, p, n > INT_MAX ? INT_MAX : (int)n);
	return r > 0 ? r : no_octets(t, r, errno);
}

ptrdiff_t
tls_flush(struct tls *t)
{
	BIO *out;
	int sys;

	if (!ready(t))
		return TLS_FAILED;
	out = SSL_get_wbio(t->ssl);
	ERR_clear_error();
	errno = 0;
	if (BIO_flush(out) == 1)
		return 1;
	sys = errno;
	if (BIO_should_retry(out))
		return TLS_WANT_WRITE;
	(void)strlcpy(t->error, tls_error_words(sys), sizeof(t->error));
	t->broken = true;
	return TLS_FAILED;
}

bool
tls_has_octets(const struct tls *t)
{
	return t->ssl != NULL && SSL_has_pending(t->ssl) == 1;
}

const char *
tls_error(struct tls *t)
{
	return t->error;
}

bool
tls_refused(const struct tls *t)
{
	return t->refused;
}

const char *
tls_name(const struct tls *t)
{
	return t->name;
}

bool
tls_resumes(const struct tls *t)
{
	return t->kept != NULL;
}

const char *
tls_describe(struct tls *t)
{
	if (t->ssl != NULL)
		(void)snprintf(t->describe, sizeof(t->describe), "%s %s%s", SSL_get_version(t->ssl), SSL_get_cipher_name(t->ssl),
		    SSL_session_reused(t->ssl) == 1 ? " resumed" : "");
	return t->describe;
}

size_t
tls_certificates(const struct tls *t, struct tls_certificate *list, size_t max)
{
	const STACK_OF(X509) *chain = t->bad_chain;
	size_t n = 0;

	if (chain == NULL && t->ssl != NULL)
		chain = t->pin == PIN_NONE ? SSL_get0_verified_chain(t->ssl) : SSL_get_peer_cert_chain(t->ssl);
	for (int i = 0; chain != NULL && i < sk_X509_num(chain) && n < max; i++)
		tls_certificate(sk_X509_value(chain, i), &list[n++]);
	return n;
}

const char *
tls_trusted(const struct tls *t)
{
	return t->trusted;
}

const char *
tls_binding_name(enum tls_binding kind)
{
	return kind == TLS_EXPORTER ? "tls-exporter" : kind == TLS_SERVER_END_POINT ? "tls-server-end-point" : "";
}

/* RFC 9266 section 2: unique only where the master secret depends on the whole handshake. */
static bool
bind_exporter(SSL *ssl, struct buf *out)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	unsigned char secret[HASH_SIZE];

	if ((SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1) ||
	    SSL_export_keying_material(ssl, secret, sizeof(secret), label, sizeof(label) - 1, NULL, 0, 1) != 1)
		return false;
	buf_add(out, secret, sizeof(secret));
	explicit_bzero(secret, sizeof(secret));
	return true;
}

/* RFC 5929 section 4.1: the hash of its signature, SHA-256 where that is MD5 or SHA-1. */
static bool
bind_end_point(SSL *ssl, struct buf *out)
{
	X509 *cert = SSL_get1_peer_certificate(ssl);
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	int nid = NID_undef;
	bool ok;

	ok = cert != NULL && X509_get_signature_info(cert, &nid, NULL, NULL, NULL) == 1 && nid != NID_undef;
	if (nid == NID_md5 || nid == NID_sha1)
		nid = NID_sha256;
	ok = ok && EVP_get_digestbynid(nid) != NULL && X509_digest(cert, EVP_get_digestbynid(nid), hash, &len) == 1;
	X509_free(cert);
	if (ok)
		buf_add(out, hash, len);
	return ok;
}

bool
tls_binding(struct tls *t, enum tls_binding kind, struct buf *out)
{
	bool ok = false;

	if (t == NULL || t->ssl == NULL || !t->open)
		return false;
	ERR_clear_error();
	if (kind == TLS_EXPORTER)
		ok = bind_exporter(t->ssl, out);
	else if (kind == TLS_SERVER_END_POINT)
		ok = bind_end_point(t->ssl, out);
	ERR_clear_error();
	return ok;
}

void
tls_give_up(struct tls *t)
{
	t->broken = true;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	ERR_clear_error();
	if (t->open && !t->broken) {
		(void)SSL_shutdown(t->ssl);
		(void)BIO_flush(SSL_get_wbio(t->ssl));
	}
	if (t->kept != NULL && t->ssl != NULL && !t->heard)
		tls_session_drop(&t->place);	/* it may be the session that keeps the smarthost from answering */
	else if (t->heard && !t->refused && t->fresh != NULL && SSL_session_reused(t->ssl) == 0)
		tls_session_save(&t->place, t->fresh);
	SSL_SESSION_free(t->kept);
	SSL_SESSION_free(t->fresh);
	tls_session_close(&t->place);
	SSL_free(t->ssl);
	SSL_CTX_free(t->ctx);
	X509_free(t->bad);
	sk_X509_pop_free(t->bad_chain, X509_free);
	ERR_clear_error();
	free(t->name);
	free(t->also);
	free(t->sni);
	free(t);
}
