/*
 * For tests that need a TLS server at the other end: certificates made on the spot, and a server in a thread over one end of a socket pair. All of
 * it in this header, as unit tests are programs of one file.
 */
#ifndef TLS_PEER_H
#define TLS_PEER_H

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define DAY	86400L

/* What a certificate says; all zero but cn is a good one of a host, made for today. */
struct cert_spec {
	const char *cn;
	const char *san;		/* as openssl's subjectAltName: "DNS:a,IP:127.0.0.1"; NULL: none */
	const char *eku;		/* extendedKeyUsage; NULL: none */
	long from, until;		/* days from now; 0: yesterday, tomorrow */
	bool ca;
};

struct identity {
	X509 *cert;
	EVP_PKEY *key;
};

static inline void
must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "test setup failed: %s\n", what);
	ERR_print_errors_fp(stderr);
	abort();
}

static inline void
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	must(e != NULL && X509_add_ext(cert, e, -1) == 1, value);
	X509_EXTENSION_free(e);
}

/* Signed by the issuer, or by itself where that is NULL. */
static inline struct identity
make_identity(const struct cert_spec *spec, const struct identity *issuer)
{
	static long serial = 1000;
	struct identity id = {.cert = X509_new(), .key = EVP_EC_gen("P-256")};
	X509_NAME *name;

	must(id.cert != NULL && id.key != NULL, "X509_new");
	X509_set_version(id.cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(id.cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(id.cert), (spec->from != 0 ? spec->from : -1) * DAY);
	X509_gmtime_adj(X509_getm_notAfter(id.cert), (spec->until != 0 ? spec->until : 1) * DAY);
	X509_set_pubkey(id.cert, id.key);
	name = X509_get_subject_name(id.cert);
	must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)spec->cn, -1, -1, 0) == 1, "CN");
	X509_set_issuer_name(id.cert, issuer != NULL ? X509_get_subject_name(issuer->cert) : name);
	if (spec->ca)
		add_extension(id.cert, id.cert, NID_basic_constraints, "critical,CA:TRUE");
	if (spec->san != NULL)
		add_extension(id.cert, id.cert, NID_subject_alt_name, spec->san);
	if (spec->eku != NULL)
		add_extension(id.cert, id.cert, NID_ext_key_usage, spec->eku);
	must(X509_sign(id.cert, issuer != NULL ? issuer->key : id.key, EVP_sha256()) > 0, "X509_sign");
	return id;
}

static inline void
free_identity(struct identity *id)
{
	X509_free(id->cert);
	EVP_PKEY_free(id->key);
	*id = (struct identity){0};
}

/* A PEM file of a certificate, a key (encrypted where there is a passphrase), or both; NULL: without. */
static inline void
write_pem(const char *path, X509 *cert, EVP_PKEY *key, const char *passphrase)
{
	FILE *f = fopen(path, "w");

	must(f != NULL, path);
	if (cert != NULL)
		must(PEM_write_X509(f, cert) == 1, path);
	if (key != NULL)
		must(PEM_write_PKCS8PrivateKey(f, key, passphrase != NULL ? EVP_aes_128_cbc() : NULL, passphrase,
		    passphrase != NULL ? (int)strlen(passphrase) : 0, NULL, NULL) == 1, path);
	must(fclose(f) == 0, path);
}

/* A server in a thread. The dialogue is the test's; what it does not say is a handshake and nothing else. */
struct tls_peer {
	int fd;				/* ours; the other end is the client's */
	const struct identity *id;
	const struct identity *chain;	/* sent along, or NULL */
	const struct identity *client_ca;	/* a client certificate of this CA is demanded; NULL: none */
	int min, max;			/* TLS versions; 0: any */
	void (*dialogue)(SSL *ssl, struct tls_peer *peer);
	void *arg;			/* the dialogue's */
	pthread_t thread;
	bool accepted;			/* results, once it was joined */
	char sni[256];
	char client[256];		/* subject of the client's certificate */
	char got[64];			/* what came after the handshake, where there is no dialogue */
};

static inline SSL_CTX *
peer_context(struct tls_peer *peer)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	must(ctx != NULL, "SSL_CTX_new");
	if (peer->max != 0 && peer->max < TLS1_2_VERSION)
		SSL_CTX_set_security_level(ctx, 0);
	must(SSL_CTX_set_min_proto_version(ctx, peer->min) == 1 && SSL_CTX_set_max_proto_version(ctx, peer->max) == 1, "versions");
	must(SSL_CTX_use_certificate(ctx, peer->id->cert) == 1 && SSL_CTX_use_PrivateKey(ctx, peer->id->key) == 1, "identity");
	if (peer->chain != NULL)
		must(SSL_CTX_add1_chain_cert(ctx, peer->chain->cert) == 1, "chain");
	if (peer->client_ca != NULL) {
		must(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), peer->client_ca->cert) == 1, "client CA");
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		(void)SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"t", 1);
	}
	return ctx;
}

static inline void
peer_note(struct tls_peer *peer, SSL *ssl)
{
	const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	X509 *cert = SSL_get1_peer_certificate(ssl);

	(void)snprintf(peer->sni, sizeof(peer->sni), "%s", sni != NULL ? sni : "");
	if (cert != NULL)
		(void)X509_NAME_oneline(X509_get_subject_name(cert), peer->client, sizeof(peer->client));
	X509_free(cert);
}

static inline void *
peer_run(void *arg)
{
	struct tls_peer *peer = arg;
	SSL_CTX *ctx = peer_context(peer);
	SSL *ssl = SSL_new(ctx);
	int n;

	must(ssl != NULL && SSL_set_fd(ssl, peer->fd) == 1, "SSL_new");
	peer->accepted = SSL_accept(ssl) == 1;
	if (peer->accepted) {
		peer_note(peer, ssl);
		if (peer->dialogue != NULL) {
			peer->dialogue(ssl, peer);
		} else {
			n = SSL_read(ssl, peer->got, sizeof(peer->got) - 1);
			peer->got[n > 0 ? n : 0] = '\0';
		}
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	(void)close(peer->fd);
	return NULL;
}

/* Starts it; the client's end of the connection, non-blocking. The server gives up after ten seconds of silence. */
static inline int
peer_start(struct tls_peer *peer)
{
	struct timeval patience = {.tv_sec = 10};
	int fd[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0, "socketpair");
	must(setsockopt(fd[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
	    setsockopt(fd[1], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0, "setsockopt");
	must(fcntl(fd[0], F_SETFL, O_NONBLOCK) == 0, "fcntl");
	peer->fd = fd[1];
	must(pthread_create(&peer->thread, NULL, peer_run, peer) == 0, "pthread_create");
	return fd[0];
}

static inline void
peer_join(struct tls_peer *peer)
{
	must(pthread_join(peer->thread, NULL) == 0, "pthread_join");
}

#endif
