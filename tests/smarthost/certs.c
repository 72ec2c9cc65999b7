/*
 * The certificates the smarthost makes for itself: an authority that the
 * tests trust, one that they do not, and a certificate for each way in which
 * one can be right or wrong.  Once made they are used again; a lock keeps
 * several smarthosts that share a directory from making them twice.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "smarthost.h"

#define STAMP		"complete-1"	/* another number: made anew */
#define DAY		86400L
#define YEARS		3650		/* days */
#define GOOD_NAMES	"DNS:localhost,DNS:smtp.example.com," \
			"IP:127.0.0.1,IP:::1"
#define KEY_PASSPHRASE	"secret"

enum issuer {
	BY_CA, BY_OTHER, BY_INTERMEDIATE, BY_ITSELF
};

struct recipe {
	const char	*kind;
	const char	*cn;
	const char	*names;		/* subjectAltName, or NULL */
	enum issuer	 issuer;
	long		 from, to;	/* days from now */
	bool		 authority;
	bool		 with_chain;	/* the intermediate goes along */
	const char	*about;		/* NULL: not for a server */
};

static const struct recipe recipes[] = {
	{ "ca", "Test CA", NULL, BY_ITSELF, -1, YEARS, true, false, NULL },
	{ "other", "Unknown CA", NULL, BY_ITSELF, -1, YEARS, true, false, NULL },
	{ "intermediate", "Test Intermediate CA", NULL, BY_CA, -1, YEARS, true,
	    false, NULL },
	{ "client", "client@example.com", NULL, BY_CA, -1, YEARS, false, false,
	    NULL },
	{ "good", "smtp.example.com", GOOD_NAMES, BY_CA, -1, YEARS, false,
	    false, "localhost, smtp.example.com, 127.0.0.1, ::1" },
	{ "expired", "smtp.example.com", GOOD_NAMES, BY_CA, -30, -1, false,
	    false, "good until yesterday" },
	{ "not-yet-valid", "smtp.example.com", GOOD_NAMES, BY_CA, 30, YEARS,
	    false, false, "good in a month" },
	{ "wrong-name", "wrong.example.net", "DNS:wrong.example.net", BY_CA,
	    -1, YEARS, false, false, "wrong.example.net only" },
	{ "wildcard", "*.example.com", "DNS:*.example.com", BY_CA, -1, YEARS,
	    false, false, "*.example.com" },
	{ "ip-only", "127.0.0.1", "IP:127.0.0.1,IP:::1", BY_CA, -1, YEARS,
	    false, false, "127.0.0.1 and ::1, no DNS name" },
	{ "no-san", "localhost", NULL, BY_CA, -1, YEARS, false, false,
	    "localhost as common name only" },
	{ "self-signed", "localhost", GOOD_NAMES, BY_ITSELF, -1, YEARS, false,
	    false, "good names, signed by itself" },
	{ "other-ca", "smtp.example.com", GOOD_NAMES, BY_OTHER, -1, YEARS,
	    false, false, "good names, an authority not in ca.pem" },
	{ "chain", "smtp.example.com", GOOD_NAMES, BY_INTERMEDIATE, -1, YEARS,
	    false, true, "good, through an intermediate that is sent" },
	{ "broken-chain", "smtp.example.com", GOOD_NAMES, BY_INTERMEDIATE, -1,
	    YEARS, false, false, "the same, the intermediate not sent" },
};

#define NRECIPES	(sizeof(recipes) / sizeof(recipes[0]))

struct pair {
	X509		*cert;
	EVP_PKEY	*key;
};

static const struct recipe *
find(const char *kind)
{
	size_t i;

	for (i = 0; i < NRECIPES; i++) {
		if (strcmp(recipes[i].kind, kind) == 0)
			return &recipes[i];
	}
	return NULL;
}

bool
certs_known(const char *kind)
{
	const struct recipe *r = find(kind);

	return r != NULL && r->about != NULL;
}

void
certs_list(FILE *fp)
{
	size_t i;

	for (i = 0; i < NRECIPES; i++) {
		if (recipes[i].about != NULL)
			fprintf(fp, "  %-14s %s\n", recipes[i].kind,
			    recipes[i].about);
	}
}

static FILE *
create(const char *dir, const char *name, const char *suffix)
{
	char path[PATH_MAX];
	FILE *fp;

	snprintf(path, sizeof(path), "%s/%s%s", dir, name, suffix);
	unlink(path);
	if ((fp = fopen(path, "w")) == NULL)
		perror(path);
	else
		fchmod(fileno(fp), strstr(suffix, ".key") != NULL ? 0600 : 0644);
	return fp;
}

static bool
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	bool ok;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

static bool
add_extensions(X509 *cert, X509 *issuer, const struct recipe *r)
{
	return add_extension(cert, issuer, NID_basic_constraints,
	    r->authority ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
	    add_extension(cert, issuer, NID_key_usage, r->authority ?
	    "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
	    add_extension(cert, issuer, NID_subject_key_identifier, "hash") &&
	    (r->issuer == BY_ITSELF || add_extension(cert, issuer,
	    NID_authority_key_identifier, "keyid")) &&
	    (r->names == NULL || add_extension(cert, issuer,
	    NID_subject_alt_name, r->names));
}

static bool
set_serial(X509 *cert)
{
	uint64_t n;

	return RAND_bytes((unsigned char *)&n, sizeof(n)) == 1 &&
	    ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), n >> 1) == 1;
}

/* Fills the certificate in and signs it; issuer may be the pair itself. */
static bool
fill(struct pair *p, const struct pair *issuer, const struct recipe *r)
{
	X509_NAME *name = X509_get_subject_name(p->cert);

	return X509_set_version(p->cert, X509_VERSION_3) == 1 &&
	    set_serial(p->cert) &&
	    X509_gmtime_adj(X509_getm_notBefore(p->cert), r->from * DAY) != NULL &&
	    X509_gmtime_adj(X509_getm_notAfter(p->cert), r->to * DAY) != NULL &&
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)r->cn, -1, -1, 0) == 1 &&
	    X509_set_pubkey(p->cert, p->key) == 1 &&
	    X509_set_issuer_name(p->cert,
	    X509_get_subject_name(issuer->cert)) == 1 &&
	    add_extensions(p->cert, issuer->cert, r) &&
	    X509_sign(p->cert, issuer->key, EVP_sha256()) > 0;
}

static bool
write_digest(const char *dir, const char *kind, const char *suffix,
    const unsigned char *digest, unsigned len)
{
	unsigned i;
	FILE *fp;

	if ((fp = create(dir, kind, suffix)) == NULL)
		return false;
	for (i = 0; i < len; i++)
		fprintf(fp, "%02x", digest[i]);
	fprintf(fp, "\n");
	return fclose(fp) == 0;
}

/* SHA-256 of the certificate, and of its SubjectPublicKeyInfo. */
static bool
write_fingerprints(const char *dir, const struct recipe *r, X509 *cert)
{
	unsigned char digest[EVP_MAX_MD_SIZE], *der = NULL;
	unsigned len = 0;
	bool ok;
	int n;

	ok = X509_digest(cert, EVP_sha256(), digest, &len) == 1 &&
	    write_digest(dir, r->kind, ".sha256", digest, len);
	n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	ok = ok && n > 0 && EVP_Digest(der, (size_t)n, digest, &len,
	    EVP_sha256(), NULL) == 1 &&
	    write_digest(dir, r->kind, ".spki-sha256", digest, len);
	OPENSSL_free(der);
	return ok;
}

static bool
write_key(const char *dir, const char *kind, EVP_PKEY *key,
    const char *passphrase)
{
	FILE *fp;
	bool ok;

	if ((fp = create(dir, kind, ".key")) == NULL)
		return false;
	ok = PEM_write_PKCS8PrivateKey(fp, key, passphrase != NULL ?
	    EVP_aes_256_cbc() : NULL, passphrase, passphrase != NULL ?
	    (int)strlen(passphrase) : 0, NULL, NULL) == 1;
	return fclose(fp) == 0 && ok;
}

static bool
write_pair(const char *dir, const struct recipe *r, const struct pair *p,
    const struct pair *intermediate)
{
	FILE *fp;
	bool ok;

	if ((fp = create(dir, r->kind, ".pem")) == NULL)
		return false;
	ok = PEM_write_X509(fp, p->cert) == 1 && (!r->with_chain ||
	    PEM_write_X509(fp, intermediate->cert) == 1);
	return fclose(fp) == 0 && ok &&
	    write_key(dir, r->kind, p->key, NULL) &&
	    (strcmp(r->kind, "client") != 0 ||
	    write_key(dir, "client-encrypted", p->key, KEY_PASSPHRASE)) &&
	    write_fingerprints(dir, r, p->cert);
}

static const struct pair *
issuer_of(const struct pair *made, const struct pair *self,
    const struct recipe *r)
{
	switch (r->issuer) {
	case BY_CA:
		return &made[0];
	case BY_OTHER:
		return &made[1];
	case BY_INTERMEDIATE:
		return &made[2];
	default:
		return self;
	}
}

/* The authority where OpenSSL looks it up by hash: ca-dir/HASH.0. */
static bool
make_hashed(const char *dir, X509 *ca)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/ca-dir", dir);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return false;
	snprintf(path, sizeof(path), "%s/ca-dir/%08lx.0", dir,
	    X509_NAME_hash_ex(X509_get_subject_name(ca), NULL, NULL, NULL));
	unlink(path);
	return symlink("../ca.pem", path) == 0;
}

static bool
make_all(const char *dir)
{
	struct pair made[NRECIPES] = { { NULL, NULL } };
	const struct recipe *r;
	struct pair *p;
	bool ok = true;
	size_t i;

	for (i = 0; i < NRECIPES && ok; i++) {
		r = &recipes[i];
		p = &made[i];
		p->key = EVP_EC_gen("P-256");
		p->cert = X509_new();
		ok = p->key != NULL && p->cert != NULL &&
		    X509_NAME_add_entry_by_txt(X509_get_subject_name(p->cert),
		    "O", MBSTRING_ASC, (const unsigned char *)"Smarthost Test",
		    -1, -1, 0) == 1 &&
		    fill(p, issuer_of(made, p, r), r) &&
		    write_pair(dir, r, p, &made[2]);
	}
	ok = ok && make_hashed(dir, made[0].cert);
	for (i = 0; i < NRECIPES; i++) {
		X509_free(made[i].cert);
		EVP_PKEY_free(made[i].key);
	}
	return ok;
}

bool
certs_make(const char *dir)
{
	char lock[PATH_MAX], stamp[PATH_MAX];
	FILE *fp;
	bool ok;
	int fd;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST) {
		perror(dir);
		return false;
	}
	snprintf(lock, sizeof(lock), "%s/.lock", dir);
	snprintf(stamp, sizeof(stamp), "%s/%s", dir, STAMP);
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || flock(fd, LOCK_EX) < 0) {
		perror(lock);
		return false;
	}
	ok = access(stamp, F_OK) == 0;
	if (!ok && make_all(dir) && (fp = create(dir, STAMP, "")) != NULL)
		ok = fclose(fp) == 0;
	close(fd);
	if (!ok)
		fprintf(stderr, "smarthost: %s: no certificates\n", dir);
	return ok;
}
