/*
 * SCRAM. See scram.h.
 */
#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base64.h"
#include "net/openssl.h"
#include "smtp/scram.h"

#define NONCE_OCTETS	24	/* 32 characters of base64, no padding */

static const EVP_MD *
digest(const struct scram *s)
{
	return s->hash == SCRAM_SHA_1 ? EVP_sha1() : EVP_sha256();
}

static size_t
digest_size(const struct scram *s)
{
	return s->hash == SCRAM_SHA_1 ? 20 : 32;
}

void
saslname_add(struct buf *out, const char *name)
{
	for (; *name != '\0'; name++)
		if (*name == ',' || *name == '=')
			buf_puts(out, *name == ',' ? "=2C" : "=3D");
		else
			buf_putc(out, *name);
}

static void
make_nonce(struct scram *s, const char *given)
{
	unsigned char octets[NONCE_OCTETS];
	struct buf text = {0};

	arc4random_buf(octets, sizeof(octets));
	base64_encode(&text, octets, sizeof(octets));
	(void)strlcpy(s->nonce, given != NULL ? given : text.data, sizeof(s->nonce));
	buf_free(&text);
}

void
scram_first(struct scram *s, enum scram_hash hash, enum scram_binding binding, const char *channel, const struct buf *bound, const char *user,
    const char *authorization_id, const char *nonce, struct buf *out)
{
	*s = (struct scram){.hash = hash};
	make_nonce(s, nonce);
	if (binding == SCRAM_BOUND) {
		buf_printf(&s->gs2, "p=%s,", channel);
		buf_add(&s->bound, bound->data, bound->len);
	} else {
		buf_puts(&s->gs2, binding == SCRAM_NOT_OFFERED ? "y," : "n,");
	}
	if (authorization_id != NULL && *authorization_id != '\0') {
		buf_puts(&s->gs2, "a=");
		saslname_add(&s->gs2, authorization_id);
	}
	buf_putc(&s->gs2, ',');
	buf_puts(&s->bare, "n=");
	saslname_add(&s->bare, user);
	buf_printf(&s->bare, ",r=%s", s->nonce);
	buf_add(out, s->gs2.data, s->gs2.len);
	buf_add(out, s->bare.data, s->bare.len);
}

/* ---- server-first-message ---- */

struct challenge {
	const char *nonce;
	size_t nonce_len;
	struct buf salt;
	int iterations;
};

/* The value of attribute name at *p, which is moved behind it; NULL: it is not there. */
static const char *
take(const char **p, const char *end, char name, size_t *n)
{
	const char *value, *comma;

	if (end - *p < 2 || (*p)[0] != name || (*p)[1] != '=')
		return NULL;
	value = *p + 2;
	comma = memchr(value, ',', (size_t)(end - value));
	*n = (size_t)((comma != NULL ? comma : end) - value);
	*p = comma != NULL ? comma + 1 : end;
	return value;
}

/* A whole number without sign or leading zero, up to a bound; -1: it is none, or beyond. */
static int
number(const char *p, size_t n, int max)
{
	int value = 0;

	if (n == 0 || *p == '0')
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)p[i]) || value > (max - (p[i] - '0')) / 10)
			return -1;
		value = value * 10 + (p[i] - '0');
	}
	return value;
}

static const char *
read_challenge(const struct scram *s, struct challenge *c, const char *p, size_t n)
{
	const char *end = p + n, *salt, *iterations;
	size_t own = strlen(s->nonce), len;

	if (n >= 2 && p[0] == 'm' && p[1] == '=')
		return "it asks for an extension of SCRAM that is not known here";
	if (memchr(p, '\0', n) != NULL)
		return "its challenge is not SCRAM's";
	c->nonce = take(&p, end, 'r', &c->nonce_len);
	if (c->nonce == NULL || c->nonce_len <= own || memcmp(c->nonce, s->nonce, own) != 0)
		return "its challenge does not go on from what was said to it";
	salt = take(&p, end, 's', &len);
	if (salt == NULL || base64_decode(&c->salt, salt, len) == -1 || c->salt.len == 0)
		return "its challenge has no salt";
	iterations = take(&p, end, 'i', &len);
	c->iterations = iterations == NULL ? -1 : number(iterations, len, SCRAM_ITERATIONS_MAX);
	if (c->iterations == -1)
		return "its challenge has no number of iterations, or one that is out of all proportion";
	return c->iterations < SCRAM_ITERATIONS_MIN ? "its challenge asks for a proof from which the password could be guessed" : NULL;
}

/* ---- the proof ---- */

static bool
hmac(const struct scram *s, const unsigned char *key, const void *p, size_t n, unsigned char *out)
{
	return HMAC(digest(s), key, (int)digest_size(s), p, n, out, NULL) != NULL;
}

/* ClientProof into proof, ServerSignature into s (RFC 5802 section 3). */
static bool
prove(struct scram *s, const struct challenge *c, const struct buf *password, const struct buf *message, unsigned char *proof)
{
	unsigned char salted[SCRAM_HASH_MAX], client[SCRAM_HASH_MAX], stored[SCRAM_HASH_MAX], server[SCRAM_HASH_MAX];
	size_t size = digest_size(s);
	bool ok;

	ok = PKCS5_PBKDF2_HMAC(password->data, (int)password->len, (const unsigned char *)c->salt.data, (int)c->salt.len, c->iterations, digest(s),
	    (int)size, salted) == 1 &&
	    hmac(s, salted, "Client Key", 10, client) && EVP_Digest(client, size, stored, NULL, digest(s), NULL) == 1 &&
	    hmac(s, stored, message->data, message->len, proof) &&
	    hmac(s, salted, "Server Key", 10, server) && hmac(s, server, message->data, message->len, s->signature);
	for (size_t i = 0; ok && i < size; i++)
		proof[i] ^= client[i];
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
	explicit_bzero(stored, sizeof(stored));
	explicit_bzero(server, sizeof(server));
	return ok;
}

const char *
scram_final(struct scram *s, const char *challenge, size_t n, const struct buf *password, struct buf *out)
{
	struct challenge c = {0};
	struct buf bound = {0}, without_proof = {0}, message = {0};
	unsigned char proof[SCRAM_HASH_MAX];
	const char *why = read_challenge(s, &c, challenge, n);

	if (why == NULL) {
		buf_add(&bound, s->gs2.data, s->gs2.len);
		buf_add(&bound, buf_str(&s->bound), s->bound.len);
		buf_puts(&without_proof, "c=");
		base64_encode(&without_proof, bound.data, bound.len);
		buf_printf(&without_proof, ",r=%.*s", (int)c.nonce_len, c.nonce);
		buf_add(&message, s->bare.data, s->bare.len);
		buf_putc(&message, ',');
		buf_add(&message, challenge, n);
		buf_putc(&message, ',');
		buf_add(&message, without_proof.data, without_proof.len);
		if (!prove(s, &c, password, &message, proof))
			why = "OpenSSL refuses the hash functions that SCRAM takes";
	}
	s->answered = why == NULL;
	if (why == NULL) {
		buf_add(out, without_proof.data, without_proof.len);
		buf_puts(out, ",p=");
		base64_encode(out, proof, digest_size(s));
	}
	buf_free(&c.salt);
	buf_wipe(&bound);
	buf_wipe(&without_proof);
	buf_wipe(&message);
	return why;
}

void
scram_add_signature(const struct scram *s, struct buf *out)
{
	base64_encode(out, s->signature, digest_size(s));
}

int
scram_verify(const struct scram *s, const char *final, size_t n, char *error, size_t size)
{
	const char *end = final + n, *p = final, *value;
	struct buf signature = {0};
	size_t len;
	int r = -1;

	value = take(&p, end, 'e', &len);
	if (value != NULL) {
		(void)strlcpy(error, "", size);
		for (size_t i = 0; i < len && i + 1 < size; i++) {
			error[i] = value[i];
			error[i + 1] = '\0';
		}
		return 0;
	}
	value = take(&p, end, 'v', &len);
	if (value != NULL && s->answered && base64_decode(&signature, value, len) == 0 && signature.len == digest_size(s) &&
	    CRYPTO_memcmp(signature.data, s->signature, signature.len) == 0)
		r = 1;
	buf_free(&signature);
	return r;
}

void
scram_wipe(struct scram *s)
{
	buf_free(&s->gs2);
	buf_wipe(&s->bound);
	buf_free(&s->bare);
	explicit_bzero(s, sizeof(*s));
}
