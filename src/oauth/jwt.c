/*
 * Signed JSON Web Tokens. See jwt.h. This is the room of oauth's signatures, the only one there that knows OpenSSL.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>
#include "base64.h"
#include "json.h"
#include "mail/encode.h"
#include "net/openssl.h"
#include "net/tls_trust.h"
#include "oauth/jwt.h"

#define KEY_BITS_MIN	2048
#define CERTIFICATE_MAX	65536	/* octets of its file; what is behind is not looked at */
#define JTI_OCTETS	24

/* ---- what signs ---- */

static BIO *
over(const struct buf *b)
{
	return b->len > INT_MAX ? NULL : BIO_new_mem_buf(buf_str(b), (int)b->len);
}

/* Returns why the key cannot be used, or NULL. The caller frees it in either case. */
static const char *
read_key(EVP_PKEY **key, const struct jwt *j)
{
	struct tls_passphrase passphrase = {.known = j->passphrase};
	BIO *bio = over(j->key);

	*key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, tls_tell_passphrase, &passphrase);
	BIO_free(bio);
	if (*key == NULL && !passphrase.asked)
		return "no private key in PEM form in it";
	if (*key == NULL)
		return j->passphrase == NULL ? "the key is encrypted, and no passphrase is set" : "the key is encrypted with another passphrase";
	if (!EVP_PKEY_is_a(*key, "RSA"))
		return "the key is not an RSA key";
	return EVP_PKEY_get_bits(*key) < KEY_BITS_MIN ? "the key is shorter than 2048 bits" : NULL;
}

/* The file, as far as it may be of use. Returns 0, or -1 with errno set. */
static int
read_file(struct buf *out, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error;
	ssize_t n = -1;

	if (fd == -1)
		return -1;
	while (out->len < CERTIFICATE_MAX && ((n = read(fd, buf_room(out, 4096), 4096)) > 0 || (n == -1 && errno == EINTR)))
		out->len += n > 0 ? (size_t)n : 0;
	error = errno;
	(void)close(fd);
	errno = error;
	buf_end(out);
	return n == -1 ? -1 : 0;
}

/* The first certificate in the file. The caller frees it, in either case. */
static int
read_certificate(X509 **cert, const char *path, struct outcome *o)
{
	struct tls_passphrase none = {0};	/* a certificate may be encrypted as well, as far as OpenSSL goes */
	struct buf text = {0};
	BIO *bio;
	int r = 0;

	if (read_file(&text, path) == -1) {
		r = outcome_set(o, EX_CONFIG, STAGE_SECRET, CAUSE_SECRET_UNREADABLE, strerror(errno), "cannot read client-certificate %s", path);
	} else {
		bio = over(&text);
		*cert = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, tls_tell_passphrase, &none);
		BIO_free(bio);
		if (*cert == NULL)
			r = outcome_set(o, EX_CONFIG, STAGE_SECRET, CAUSE_OAUTH_KEY, "no certificate in PEM form in it", "cannot use client-certificate %s", path);
	}
	buf_wipe(&text);	/* its key may be in the same file */
	return r;
}

/* ---- the token ---- */

/* A member whose value is a text of the configuration, or none where that is NULL. Octets that are not UTF-8, which JSON cannot hold, become U+FFFD each. */
static void
add_text(struct buf *b, const char *name, const char *value)
{
	struct buf clean = {0};

	if (value == NULL)
		return;
	if (encode_is_utf8(value, strlen(value))) {
		json_text(b, name, value);
		return;
	}
	for (; *value != '\0'; value++)
		if ((unsigned char)*value < 0x80)
			buf_putc(&clean, *value);
		else
			buf_puts(&clean, "\357\277\275");
	json_text(b, name, clean.data);
	buf_free(&clean);
}

/* A member whose value is what the certificate comes to under the hash. */
static bool
add_thumbprint(struct buf *b, const char *name, const X509 *cert, const EVP_MD *hash)
{
	unsigned char octets[EVP_MAX_MD_SIZE];
	struct buf text = {0};
	unsigned n;

	if (X509_digest(cert, hash, octets, &n) != 1)
		return false;
	base64_encode_url(&text, octets, n);
	json_text(b, name, text.data);
	buf_free(&text);
	return true;
}

static bool
add_header(struct buf *out, const struct jwt *j, const X509 *cert)
{
	struct buf b = {0};
	bool good = true;

	buf_putc(&b, '{');
	json_text(&b, "alg", "RS256");
	json_text(&b, "typ", "JWT");
	add_text(&b, "kid", j->key_id);
	if (cert != NULL)
		good = add_thumbprint(&b, "x5t", cert, EVP_sha1()) && add_thumbprint(&b, "x5t#S256", cert, EVP_sha256());
	buf_putc(&b, '}');
	base64_encode_url(out, b.data, b.len);
	buf_free(&b);
	return good;
}

static void
add_claims(struct buf *out, const struct jwt *j)
{
	unsigned char octets[JTI_OCTETS];
	struct buf b = {0}, jti = {0};
	long long now = (long long)time(NULL);

	arc4random_buf(octets, sizeof(octets));
	base64_encode_url(&jti, octets, sizeof(octets));
	buf_putc(&b, '{');
	add_text(&b, "iss", j->issuer);
	add_text(&b, "sub", j->subject);
	add_text(&b, "aud", j->audience);
	add_text(&b, "scope", j->scope);
	json_number(&b, "iat", now);
	json_number(&b, "nbf", now);
	json_number(&b, "exp", now + j->lifetime);
	json_text(&b, "jti", jti.data);
	buf_putc(&b, '}');
	base64_encode_url(out, b.data, b.len);
	buf_free(&jti);
	buf_free(&b);
}

/* Adds the signature of all that is in the buffer. */
static bool
add_signature(struct buf *token, EVP_PKEY *key)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *how = NULL;	/* the other's */
	struct buf signature = {0};
	size_t n;
	bool good;

	good = ctx != NULL && EVP_DigestSignInit(ctx, &how, EVP_sha256(), NULL, key) == 1 && EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PADDING) == 1 &&
	    EVP_DigestSign(ctx, NULL, &n, (const unsigned char *)token->data, token->len) == 1 &&
	    EVP_DigestSign(ctx, (unsigned char *)buf_room(&signature, n), &n, (const unsigned char *)token->data, token->len) == 1;
	if (good) {
		buf_putc(token, '.');
		base64_encode_url(token, signature.data, n);
	}
	buf_wipe(&signature);
	EVP_MD_CTX_free(ctx);
	return good;
}

/* Returns why it cannot be made, or NULL. */
static const char *
make(struct buf *token, const struct jwt *j, const X509 *cert)
{
	EVP_PKEY *key = NULL;
	const char *why = read_key(&key, j);

	if (why == NULL && cert != NULL && X509_check_private_key(cert, key) != 1)
		why = "the key does not belong to the certificate";
	if (why == NULL && !add_header(token, j, cert))
		why = "OpenSSL refuses the hash functions that the certificate is told by";
	if (why == NULL) {
		buf_putc(token, '.');
		add_claims(token, j);
		if (!add_signature(token, key))
			why = "OpenSSL refuses to sign with it";
	}
	EVP_PKEY_free(key);
	return why;
}

int
jwt_sign(struct buf *out, const struct jwt *j, struct outcome *o)
{
	struct buf token = {0};
	X509 *cert = NULL;
	const char *why;
	int r = 0;

	if (openssl_load(o) == -1)
		return -1;
	openssl_know_ciphers();
	ERR_clear_error();
	if (j->certificate != NULL)
		r = read_certificate(&cert, j->certificate, o);
	if (r == 0) {
		why = make(&token, j, cert);
		if (why != NULL)
			r = outcome_set(o, EX_CONFIG, STAGE_SECRET, CAUSE_OAUTH_KEY, why, "cannot use %s", j->what);
		else
			buf_add(out, token.data, token.len);
	}
	buf_wipe(&token);
	X509_free(cert);
	ERR_clear_error();
	return r;
}
