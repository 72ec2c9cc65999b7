/*
 * SCRAM-SHA-1 and SCRAM-SHA-256 as the server, with and without channel
 * binding: RFC 5802, 7677; tls-exporter (RFC 9266), tls-server-end-point
 * (RFC 5929).
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "smarthost.h"

#define EXPORTED	32
#define PART_SIZE	4096

struct scram {
	const EVP_MD	*md;
	size_t		 len;		/* of a digest */
	bool		 plus;
	char		 gs2[512];	/* header, as the client sent it */
	char		 binding[128];	/* name, or empty */
	char		 user[512], nonce[512];
	char		 first_bare[PART_SIZE], server_first[PART_SIZE];
	char		 final_bare[PART_SIZE];
	unsigned char	 salted[EVP_MAX_MD_SIZE];
	unsigned char	 signature[EVP_MAX_MD_SIZE];
};

static void
mac(const struct scram *x, const unsigned char *key, const char *text,
    unsigned char *out)
{
	unsigned n;

	HMAC(x->md, key, (int)x->len, (const unsigned char *)text,
	    strlen(text), out, &n);
}

/* "=2C" and "=3D" in a user name are ',' and '='. */
static void
unescape_name(char *dst, size_t size, const char *src, size_t n)
{
	size_t i, len = 0;

	for (i = 0; i < n && len + 1 < size; i++) {
		if (n - i >= 3 && strncmp(src + i, "=2C", 3) == 0) {
			dst[len++] = ',';
			i += 2;
		} else if (n - i >= 3 && strncmp(src + i, "=3D", 3) == 0) {
			dst[len++] = '=';
			i += 2;
		} else
			dst[len++] = src[i];
	}
	dst[len] = '\0';
}

/* "p=tls-exporter,a=x,n=user,r=nonce" into its parts. */
static bool
read_first(struct scram *x, const char *p)
{
	const char *bare, *name, *comma;

	if (strncmp(p, "p=", 2) == 0)
		snprintf(x->binding, sizeof(x->binding), "%.*s",
		    (int)strcspn(p + 2, ","), p + 2);
	else if (strncmp(p, "n,", 2) != 0 && strncmp(p, "y,", 2) != 0)
		return false;
	if ((comma = strchr(p, ',')) == NULL ||
	    (comma = strchr(comma + 1, ',')) == NULL)
		return false;
	bare = comma + 1;
	snprintf(x->gs2, sizeof(x->gs2), "%.*s", (int)(bare - p), p);
	strlcpy(x->first_bare, bare, sizeof(x->first_bare));
	name = bare + 2;
	if (strncmp(bare, "n=", 2) != 0 ||
	    strncmp(comma = name + strcspn(name, ","), ",r=", 3) != 0)
		return false;
	unescape_name(x->user, sizeof(x->user), name, (size_t)(comma - name));
	snprintf(x->nonce, sizeof(x->nonce), "%.*s",
	    (int)strcspn(comma + 3, ","), comma + 3);
	return x->nonce[0] != '\0' && strlen(x->nonce) < 256;
}

/* Whether the client's idea of channel binding can be had, and was not made
 * smaller by somebody on the way (RFC 5802 6). */
static bool
binding_fits(const struct conn *c, const struct scram *x,
    const char *mechanism)
{
	char plus[80];

	if (x->plus)
		return strcmp(x->binding, "tls-exporter") == 0 ||
		    strcmp(x->binding, "tls-server-end-point") == 0;
	snprintf(plus, sizeof(plus), "%s-PLUS", mechanism);
	return x->binding[0] == '\0' &&
	    (x->gs2[0] != 'y' || !list_has(c->opt->auth, plus));
}

/* The data of the binding, at most 64 octets; their number, 0 for none. */
static size_t
binding_data(const struct conn *c, const struct scram *x, unsigned char *out)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	unsigned n = 0;

	if (!x->plus || c->ssl == NULL)
		return 0;
	if (strcmp(x->binding, "tls-exporter") == 0)
		return SSL_export_keying_material(c->ssl, out, EXPORTED, label,
		    sizeof(label) - 1, (const unsigned char *)"", 0, 1) == 1 ?
		    EXPORTED : 0;
	X509_digest(SSL_get_certificate(c->ssl), EVP_sha256(), out, &n);
	return n;
}

/* "c=" of the client's last message: header and data of the binding. */
static bool
bound(const struct conn *c, const struct scram *x, const char *coded)
{
	unsigned char want[sizeof(x->gs2) + EVP_MAX_MD_SIZE];
	size_t n = strlen(x->gs2), len;
	char *got;
	bool ok;

	memcpy(want, x->gs2, n);
	n += binding_data(c, x, want + n);
	if ((got = base64_decode(coded, &len)) == NULL)
		return false;
	ok = len == n && memcmp(got, want, n) == 0;
	free(got);
	return ok;
}

static bool
make_server_first(const struct conn *c, struct scram *x)
{
	unsigned char salt[16], fresh[18];
	char salt64[32], fresh64[32];
	const char *password = c->opt->password != NULL ? c->opt->password : "";
	int n = (int)strlen(password);

	if (RAND_bytes(salt, sizeof(salt)) != 1 ||
	    RAND_bytes(fresh, sizeof(fresh)) != 1 ||
	    PKCS5_PBKDF2_HMAC(password, n, salt, sizeof(salt),
	    (int)c->opt->scram_iterations, x->md, (int)x->len, x->salted) != 1)
		return false;
	EVP_EncodeBlock((unsigned char *)salt64, salt, sizeof(salt));
	EVP_EncodeBlock((unsigned char *)fresh64, fresh, sizeof(fresh));
	strlcat(x->nonce, fresh64, sizeof(x->nonce));
	snprintf(x->server_first, sizeof(x->server_first), "r=%s,s=%s,i=%lu",
	    x->nonce, salt64, c->opt->scram_iterations);
	return true;
}

/* Checks the proof, and makes the signature for the client to check. */
static bool
proven(struct scram *x, const char *proof64)
{
	unsigned char client_key[EVP_MAX_MD_SIZE], stored[EVP_MAX_MD_SIZE];
	unsigned char sig[EVP_MAX_MD_SIZE], server_key[EVP_MAX_MD_SIZE];
	char message[3 * PART_SIZE], *proof;
	size_t i, len;
	bool ok;

	snprintf(message, sizeof(message), "%s,%s,%s", x->first_bare,
	    x->server_first, x->final_bare);
	mac(x, x->salted, "Client Key", client_key);
	EVP_Digest(client_key, x->len, stored, NULL, x->md, NULL);
	mac(x, stored, message, sig);
	mac(x, x->salted, "Server Key", server_key);
	mac(x, server_key, message, x->signature);
	if ((proof = base64_decode(proof64, &len)) == NULL)
		return false;
	for (i = 0; i < x->len; i++)
		sig[i] ^= client_key[i];
	ok = len == x->len && memcmp(proof, sig, len) == 0;
	free(proof);
	return ok;
}

/* "c=…,r=…,p=…" */
static bool
final_fits(const struct conn *c, struct scram *x, const char *p)
{
	char coded[PART_SIZE];
	const char *proof, *nonce;
	size_t n;

	if (strlen(p) >= PART_SIZE || strncmp(p, "c=", 2) != 0 ||
	    (proof = strstr(p, ",p=")) == NULL)
		return false;
	snprintf(x->final_bare, sizeof(x->final_bare), "%.*s",
	    (int)(proof - p), p);
	n = strcspn(p + 2, ",");
	snprintf(coded, sizeof(coded), "%.*s", (int)n, p + 2);
	nonce = p + 2 + n;
	n = strlen(x->nonce);
	return strncmp(nonce, ",r=", 3) == 0 &&
	    strncmp(nonce + 3, x->nonce, n) == 0 &&
	    strchr(",", nonce[3 + n]) != NULL && bound(c, x, coded) &&
	    proven(x, proof + 3);
}

static void
conclude(struct conn *c, const struct scram *x, const char *mechanism)
{
	char text[2 * EVP_MAX_MD_SIZE] = "v=", *got;
	size_t len;

	EVP_EncodeBlock((unsigned char *)text + 2, x->signature, (int)x->len);
	got = auth_ask(c, mechanism, text, strlen(text), &len);
	if (got == NULL)
		return;
	if (len > 0)
		auth_nonsense(c, mechanism, "an answer to the signature");
	else
		auth_verdict(c, mechanism, true, x->user);
	free(got);
}

void
scram_exchange(struct conn *c, const char *mechanism, const char *initial)
{
	struct scram x = { .md = strncmp(mechanism, "SCRAM-SHA-1", 11) == 0 ?
	    EVP_sha1() : EVP_sha256() };
	char *first, *final;
	size_t len;
	bool ok;

	x.len = (size_t)EVP_MD_get_size(x.md);
	x.plus = strstr(mechanism, "-PLUS") != NULL;
	if ((first = auth_first(c, mechanism, initial, &len)) == NULL)
		return;
	if (len >= PART_SIZE / 4 || !read_first(&x, first) ||
	    !make_server_first(c, &x)) {
		auth_nonsense(c, mechanism, "malformed");
		free(first);
		return;
	}
	free(first);
	record_auth(c, mechanism, NULL, x.user, NULL);
	record_event(c, '#', "SCRAM channel binding: %s",
	    x.binding[0] != '\0' ? x.binding : x.gs2[0] == 'y' ?
	    "client could" : "none");
	final = auth_ask(c, mechanism, x.server_first, strlen(x.server_first),
	    &len);
	if (final == NULL)
		return;
	ok = binding_fits(c, &x, mechanism) && final_fits(c, &x, final) &&
	    (c->opt->user == NULL || strcmp(x.user, c->opt->user) == 0);
	free(final);
	if (ok)
		conclude(c, &x, mechanism);
	else
		auth_verdict(c, mechanism, false, "");
}
