/*
 * The OpenSSL policy, and a TLS connection as non-blocking steps. See tls.h.
 *
 * A peer is verified inside the handshake, so that a server we do not trust gets neither our certificate nor an octet of the dialogue; a
 * pinned fingerprint is compared right after it, before the caller may read or write. The verify callback only keeps the certificate that failed, so
 * that the failure can be told in words. RFC 8446, RFC 5246; names RFC 6125, SNI RFC 6066 section 3, policy RFC 8314 section 4.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include "mem.h"
#include "net/tls.h"

#define HASH_SIZE	32	/* of SHA-256 */
#define NAMES_MAX	200	/* octets of a certificate's names that are told */

enum pin { PIN_NONE, PIN_CERTIFICATE, PIN_KEY };

struct tls {
	SSL_CTX *ctx;
	SSL *ssl;
	char *name;			/* what is verified */
	bool numeric;			/* it is an address */
	enum pin pin;
	unsigned char pinned[HASH_SIZE];
	bool asked_passphrase;		/* the key is encrypted */
	X509 *bad;			/* the certificate that failed verification */
	int bad_error;			/* X509_V_ERR_... */
	int bad_depth;			/* 0: the server's own */
	bool open;			/* handshake done and the peer verified */
	bool refused;			/* an alert said that our certificate is wrong or missing; in TLS 1.3 it comes after the handshake */
	bool broken;			/* nothing more is said, not even goodbye */
	char error[160];
	char describe[96];
};

/* ---- words ---- */

/* The oldest error in OpenSSL's queue, or the system's. */
static const char *
error_words(int sys)
{
	unsigned long code = ERR_peek_error();
	const char *words;

	if (code == 0)
		return sys != 0 && sys != EPIPE ? strerror(sys) : "the smarthost closed the connection";
	if (ERR_SYSTEM_ERROR(code))
		return strerror(ERR_GET_REASON(code));
	words = ERR_reason_error_string(code);
	return words != NULL ? words : "unknown TLS error";
}

static void
distinguished_name(const X509_NAME *name, char *out, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int n;

	out[0] = '\0';
	if (bio == NULL)
		return;
	if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0) {
		n = BIO_read(bio, out, (int)size - 1);
		out[n > 0 ? n : 0] = '\0';
	}
	BIO_free(bio);
}

static void
date_words(const ASN1_TIME *when, char *out, size_t size)
{
	struct tm tm;

	if (when == NULL || ASN1_TIME_to_tm(when, &tm) != 1 || strftime(out, size, "%Y-%m-%d", &tm) == 0)
		(void)strlcpy(out, "a date that cannot be read", size);
}

/* One name of a certificate in text; "" where it is of a kind that no host has. */
static void
general_name(const GENERAL_NAME *name, char *out, size_t size)
{
	int type, len;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);

	out[0] = '\0';
	if (type != GEN_DNS && type != GEN_IPADD)
		return;
	len = ASN1_STRING_length(value);
	if (type == GEN_DNS)
		(void)snprintf(out, size, "%.*s", len, (const char *)ASN1_STRING_get0_data(value));
	else if (len == 4 || len == 16)
		(void)inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(value), out, (socklen_t)size);
}

/* The names that a certificate is for, as many as have room. The caller frees them. */
static char *
names_of(const X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	struct buf b = {0};
	char one[NAMES_MAX];

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && b.len <= NAMES_MAX; i++) {
		general_name(sk_GENERAL_NAME_value(names, i), one, sizeof(one));
		if (one[0] != '\0')
			buf_printf(&b, "%s%s", b.len > 0 ? ", " : "", one);
	}
	if (b.len > NAMES_MAX) {
		b.len = NAMES_MAX;
		buf_puts(&b, "...");
	}
	GENERAL_NAMES_free(names);
	if (b.len == 0) {
		distinguished_name(X509_get_subject_name(cert), one, sizeof(one));
		buf_printf(&b, "no host by a subject alternative name (it is %s)", one[0] != '\0' ? one : "of nobody");
	}
	return b.data;
}

/* ---- files ---- */

static int
file_failed(struct outcome *o, enum cause cause, const char *option, const char *path, const char *why)
{
	return outcome_set(o, EX_CONFIG, STAGE_TLS, cause, why, "cannot use %s %s", option, path);
}

/* OpenSSL does not say why a file cannot be opened: this does. */
static int
check_readable(const char *option, const char *path, enum cause cause, struct outcome *o)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd == -1)
		return file_failed(o, cause, option, path, strerror(errno));
	(void)close(fd);
	return 0;
}

/* "1a2b3c4d.0", as c_rehash names certificates in a directory. */
static bool
is_hash_name(const char *s)
{
	size_t n = strspn(s, "0123456789abcdef");

	return n == 8 && s[n] == '.' && isdigit((unsigned char)s[n + 1]) != 0;
}

static bool
has_hashes(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;
	bool found = false;

	if (dir == NULL)
		return false;
	while (!found && (e = readdir(dir)) != NULL)
		found = is_hash_name(e->d_name);
	(void)closedir(dir);
	return found;
}

/* Directories, separated by colons: the first with certificates in it is trusted. */
static bool
trust_directory(struct tls *t, const char *list)
{
	char *copy = mem_dup(list), *rest = copy, *path;
	bool found = false;

	while (!found && (path = strsep(&rest, ":")) != NULL)
		found = has_hashes(path) && SSL_CTX_load_verify_dir(t->ctx, path) == 1;
	free(copy);
	return found;
}

static const char *
from_environment(const char *name)
{
	const char *value = secure_getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* The system's store; where the environment names one, it is that and no other. */
static bool
trust_system(struct tls *t)
{
	static const char *const bundles[] = {
		"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem",
	};
	const char *dir = from_environment(X509_get_default_cert_dir_env());
	const char *file = from_environment(X509_get_default_cert_file_env());

	if (dir != NULL || file != NULL)
		return (dir != NULL && trust_directory(t, dir)) || (file != NULL && SSL_CTX_load_verify_file(t->ctx, file) == 1);
	if (trust_directory(t, X509_get_default_cert_dir()) || SSL_CTX_load_verify_file(t->ctx, X509_get_default_cert_file()) == 1)
		return true;
	for (size_t i = 0; i < sizeof(bundles) / sizeof(bundles[0]); i++)
		if (SSL_CTX_load_verify_file(t->ctx, bundles[i]) == 1)
			return true;
	return false;
}

/* The file (or hashed directory) alone; what is in it is trusted, also an authority that is itself signed by another. */
static int
trust_file(struct tls *t, const char *path, struct outcome *o)
{
	static const char option[] = "tls-ca-file";
	struct stat st;

	if (check_readable(option, path, CAUSE_CONFIG_UNREADABLE, o) == -1)
		return -1;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		if (!has_hashes(path) || SSL_CTX_load_verify_dir(t->ctx, path) != 1)
			return file_failed(o, CAUSE_CONFIG_WRONG, option, path, "no certificate in it has the name that c_rehash gives");
	} else if (SSL_CTX_load_verify_file(t->ctx, path) != 1) {
		return file_failed(o, CAUSE_CONFIG_WRONG, option, path, "no certificate in PEM form in it");
	}
	(void)X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(t->ctx), X509_V_FLAG_PARTIAL_CHAIN);
	return 0;
}

/* Never asks on a terminal. */
static int
no_passphrase(char *p, int size, int writing, void *arg)
{
	struct tls *t = arg;

	(void)p;
	(void)size;
	(void)writing;
	t->asked_passphrase = true;
	return 0;
}

static int
use_certificate(struct tls *t, const struct tls_policy *policy, struct outcome *o)
{
	const char *path = policy->certificate, *key = policy->key != NULL ? policy->key : path;
	const char *option = policy->key != NULL ? "tls-key" : "tls-certificate";

	if (check_readable("tls-certificate", path, CAUSE_TLS_CLIENT_CERT, o) == -1 ||
	    check_readable(option, key, CAUSE_TLS_CLIENT_CERT, o) == -1)
		return -1;
	SSL_CTX_set_default_passwd_cb(t->ctx, no_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(t->ctx, t);
	if (SSL_CTX_use_certificate_chain_file(t->ctx, path) != 1)
		return file_failed(o, CAUSE_TLS_CLIENT_CERT, "tls-certificate", path, error_words(0));
	if (SSL_CTX_use_PrivateKey_file(t->ctx, key, SSL_FILETYPE_PEM) == 1 && SSL_CTX_check_private_key(t->ctx) == 1)
		return 0;
	if (t->asked_passphrase)
		return file_failed(o, CAUSE_TLS_CLIENT_CERT, option, key, "the key is encrypted with a passphrase");
	if (ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH || SSL_CTX_get0_privatekey(t->ctx) != NULL)
		return file_failed(o, CAUSE_TLS_CLIENT_CERT, option, key, "the key does not belong to the certificate");
	return file_failed(o, CAUSE_TLS_CLIENT_CERT, option, key, "no private key in PEM form in it");
}

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
	return file_failed(o, CAUSE_CONFIG_WRONG, "tls-fingerprint", text, "not sha256: or spki-sha256: and 64 hexadecimal digits");
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
	}
	return ok;
}

static int
trust(struct tls *t, const struct tls_policy *policy, struct outcome *o)
{
	if (policy->fingerprint != NULL) {
		SSL_CTX_set_verify(t->ctx, SSL_VERIFY_NONE, NULL);
		return parse_pin(t, policy->fingerprint, o);
	}
	SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, verified);
	if (policy->ca_file != NULL)
		return trust_file(t, policy->ca_file, o);
	if (trust_system(t))
		return 0;
	return outcome_set(o, EX_PROTOCOL, STAGE_TLS, CAUSE_NO_TRUST_STORE, "this system has no certificate of any authority",
	    "cannot verify %s", t->name);
}

/* The name as certificates have it: without the dot at its end, an address without its zone. */
static int
set_name(struct tls *t, const char *name, struct outcome *o)
{
	unsigned char address[sizeof(struct in6_addr)];
	size_t n = strlen(name);

	t->name = mem_ndup(name, strchr(name, ':') != NULL ? strcspn(name, "%") : n);
	if (n > 1 && t->name[strlen(t->name) - 1] == '.')
		t->name[strlen(t->name) - 1] = '\0';
	t->numeric = inet_pton(AF_INET, t->name, address) == 1 || inet_pton(AF_INET6, t->name, address) == 1;
	if (t->name[0] != '\0' && t->name[0] != '.')	/* to OpenSSL these mean any name, and any below it */
		return 0;
	return file_failed(o, CAUSE_CONFIG_WRONG, "tls-name", name, "not a host's name");
}

static int
make_context(struct tls *t, const struct tls_policy *policy, struct outcome *o)
{
	long least = policy->min_version == 13 ? TLS1_3_VERSION : TLS1_2_VERSION;

	t->ctx = SSL_CTX_new(TLS_client_method());
	if (t->ctx == NULL)
		return outcome_set(o, EX_OSERR, STAGE_TLS, CAUSE_SYSTEM, error_words(0), "cannot start OpenSSL");
	if (SSL_CTX_get_min_proto_version(t->ctx) < least && SSL_CTX_set_min_proto_version(t->ctx, least) != 1)
		return outcome_set(o, EX_OSERR, STAGE_TLS, CAUSE_SYSTEM, error_words(0), "cannot ask for TLS 1.2");
	(void)SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION);
	(void)SSL_CTX_clear_options(t->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	(void)SSL_CTX_set_mode(t->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	(void)SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(t->ctx, 1);
	return 0;
}

struct tls *
tls_new(const struct tls_policy *policy, struct outcome *o)
{
	struct tls *t = mem_alloc(sizeof(*t));

	ERR_clear_error();
	if (set_name(t, policy->name, o) == 0 && make_context(t, policy, o) == 0 && trust(t, policy, o) == 0 &&
	    (policy->certificate == NULL || use_certificate(t, policy, o) == 0)) {
		ERR_clear_error();
		return t;
	}
	tls_free(t);
	return NULL;
}

int
tls_attach(struct tls *t, int fd, struct outcome *o)
{
	X509_VERIFY_PARAM *param;
	bool ok;

	ERR_clear_error();
	t->ssl = SSL_new(t->ctx);
	ok = t->ssl != NULL && SSL_set_fd(t->ssl, fd) == 1;
	if (ok) {
		param = SSL_get0_param(t->ssl);
		SSL_set_app_data(t->ssl, t);
		SSL_set_connect_state(t->ssl);
		/* a common name is no host name (RFC 9525 section 2) */
		X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
		if (t->numeric)
			ok = X509_VERIFY_PARAM_set1_ip_asc(param, t->name) == 1;
		else
			ok = X509_VERIFY_PARAM_set1_host(param, t->name, 0) == 1 && SSL_set_tlsext_host_name(t->ssl, t->name) == 1;
	}
	if (ok)
		return 0;
	return outcome_set(o, EX_OSERR, STAGE_TLS, CAUSE_SYSTEM, error_words(0), "cannot prepare TLS with %s", t->name);
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
	const char *whose = t->bad_depth == 0 ? "certificate" : "certificate of an authority";
	enum cause cause = CAUSE_CERT_OTHER;
	char subject[NAMES_MAX] = "", issuer[NAMES_MAX] = "", date[40], *names = NULL, *why;

	if (t->bad == NULL)
		return handshake_failed(t, EX_PROTOCOL, cause, X509_verify_cert_error_string(t->bad_error), o);
	distinguished_name(X509_get_subject_name(t->bad), subject, sizeof(subject));
	distinguished_name(X509_get_issuer_name(t->bad), issuer, sizeof(issuer));
	switch (t->bad_error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		cause = CAUSE_CERT_EXPIRED;
		date_words(X509_get0_notAfter(t->bad), date, sizeof(date));
		why = mem_printf("%s expired on %s (%s)", whose, date, subject);
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		cause = CAUSE_CERT_NOT_YET;
		date_words(X509_get0_notBefore(t->bad), date, sizeof(date));
		why = mem_printf("%s is not valid before %s (%s)", whose, date, subject);
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		cause = CAUSE_CERT_NAME;
		names = names_of(t->bad);
		why = mem_printf("certificate is for %s, not for %s", names, t->name);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		cause = CAUSE_CERT_CA;
		why = mem_printf("certificate is signed by itself, by no authority that is trusted: %s", subject);
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
	case X509_V_ERR_CERT_UNTRUSTED:
		cause = CAUSE_CERT_CA;
		why = mem_printf("certificate is signed by an authority that is not trusted: %s", issuer);
		break;
	default:
		why = mem_printf("%s: %s (%s)", whose, X509_verify_cert_error_string(t->bad_error), subject);
	}
	(void)handshake_failed(t, EX_PROTOCOL, cause, why, o);
	free(names);
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
		return handshake_failed(t, EX_TEMPFAIL, CAUSE_LOST, error_words(sys), o);
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
		(void)snprintf(why, sizeof(why), "the smarthost does not take our certificate: %s", error_words(0));
		return handshake_failed(t, EX_PROTOCOL, CAUSE_TLS_CLIENT_CERT, why, o);
	}
	return handshake_failed(t, EX_PROTOCOL, CAUSE_TLS, error_words(sys), o);
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
		return handshake_failed(t, EX_PROTOCOL, CAUSE_CERT_FINGERPRINT, "the server shows no certificate", o);
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
	error = SSL_get_error(t->ssl, r);
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
	int error = SSL_get_error(t->ssl, r);

	if (error == SSL_ERROR_WANT_READ)
		return TLS_WANT_READ;
	if (error == SSL_ERROR_WANT_WRITE)
		return TLS_WANT_WRITE;
	(void)strlcpy(t->error, error_words(sys), sizeof(t->error));
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

const char *
tls_describe(struct tls *t)
{
	if (t->ssl != NULL)
		(void)snprintf(t->describe, sizeof(t->describe), "%s %s", SSL_get_version(t->ssl), SSL_get_cipher_name(t->ssl));
	return t->describe;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	ERR_clear_error();
	if (t->open && !t->broken)
		(void)SSL_shutdown(t->ssl);
	SSL_free(t->ssl);
	SSL_CTX_free(t->ctx);
	X509_free(t->bad);
	ERR_clear_error();
	free(t->name);
	free(t);
}
