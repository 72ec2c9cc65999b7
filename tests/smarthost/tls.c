/*
 * The server's side of TLS (RFC 3207, 8314): context, handshake.
 */
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "smarthost.h"

static bool
load(SSL_CTX *ctx, const struct options *opt)
{
	static const unsigned char id[] = "smarthost";
	char cert[PATH_MAX], key[PATH_MAX], ca[PATH_MAX];

	snprintf(cert, sizeof(cert), "%s/%s.pem", opt->certs, opt->cert);
	snprintf(key, sizeof(key), "%s/%s.key", opt->certs, opt->cert);
	snprintf(ca, sizeof(ca), "%s/ca.pem", opt->certs);
	SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1);
	if (opt->tls_max != 0 && opt->tls_max < TLS1_2_VERSION)
		SSL_CTX_set_cipher_list(ctx, "DEFAULT:@SECLEVEL=0");
	SSL_CTX_set_verify(ctx, opt->client_cert, NULL);
	return SSL_CTX_set_min_proto_version(ctx, opt->tls_min) &&
	    SSL_CTX_set_max_proto_version(ctx, opt->tls_max) &&
	    SSL_CTX_use_certificate_chain_file(ctx, cert) == 1 &&
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1 &&
	    SSL_CTX_load_verify_file(ctx, ca) == 1;
}

SSL_CTX *
tls_context(const struct options *opt)
{
	SSL_CTX *ctx;

	ctx = SSL_CTX_new(TLS_server_method());
	if (ctx == NULL || !load(ctx, opt)) {
		ERR_print_errors_fp(stderr);
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return ctx;
}

static bool
shake_hands(SSL *ssl, int fd)
{
	struct pollfd pfd = { .fd = fd };
	int n;

	while ((n = SSL_accept(ssl)) != 1) {
		switch (SSL_get_error(ssl, n)) {
		case SSL_ERROR_WANT_READ:
			pfd.events = POLLIN;
			break;
		case SSL_ERROR_WANT_WRITE:
			pfd.events = POLLOUT;
			break;
		default:
			return false;
		}
		poll(&pfd, 1, -1);
	}
	return true;
}

static void
record_tls(const struct conn *c)
{
	const char *sni = SSL_get_servername(c->ssl,
	    TLSEXT_NAMETYPE_host_name);
	char peer[256] = "none";
	X509 *cert;

	if ((cert = SSL_get1_peer_certificate(c->ssl)) != NULL)
		X509_NAME_oneline(X509_get_subject_name(cert), peer,
		    sizeof(peer));
	X509_free(cert);
	record_event(c, '#', "TLS %s %s sni=%s resumed=%s client=%s",
	    SSL_get_version(c->ssl), SSL_get_cipher_name(c->ssl),
	    sni != NULL ? sni : "none",
	    SSL_session_reused(c->ssl) ? "yes" : "no", peer);
}

bool
tls_start(struct conn *c)
{
	struct saying s;
	const char *why;
	SSL *ssl;

	plan(c, &s, ST_TLS, ST_NONE, "", NULL);
	if (!speak(c, &s))
		return false;
	if (s.len > 0 || s.flooding) {
		io_stall(c);
		return false;
	}
	if ((ssl = SSL_new(c->ctx)) == NULL || !SSL_set_fd(ssl, c->fd))
		abort();
	if (!shake_hands(ssl, c->fd)) {
		why = ERR_reason_error_string(ERR_peek_last_error());
		record_event(c, '#', "TLS handshake failed: %s",
		    why != NULL ? why : "the client went away");
		SSL_free(ssl);
		io_close(c, false);
		return false;
	}
	c->ssl = ssl;
	record_tls(c);
	return true;
}

const char *
tls_version(const struct conn *c)
{
	return c->ssl != NULL ? SSL_get_version(c->ssl) : "none";
}
