/*
 * Signed tokens: what is in them, by whose key they are, and keys and certificates that are not taken.
 */
#include <errno.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <cmocka.h>
#include "base64.h"
#include "json_read.h"
#include "oauth/jwt.h"
#include "tls_peer.h"

#define WHAT	"client-key /etc/ssl/app.key"
#define SECRET	"open sesame"

/* What all tests share: keys, the certificate of the first, and its file. */
static struct {
	char dir[64], path[96];
	EVP_PKEY *key, *other;
	X509 *cert, *other_cert;
	struct buf pem, encrypted, passphrase;
} world;

/* ---- making keys and files ---- */

/* Signed by itself. */
static X509 *
make_certificate(EVP_PKEY *key, const char *cn)
{
	X509 *cert = X509_new();
	X509_NAME *name;

	must(cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1, "X509_new");
	(void)ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(cert), -DAY);
	(void)X509_gmtime_adj(X509_getm_notAfter(cert), DAY);
	name = X509_get_subject_name(cert);
	must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0) == 1, "CN");
	must(X509_set_issuer_name(cert, name) == 1 && X509_set_pubkey(cert, key) == 1 && X509_sign(cert, key, EVP_sha256()) > 0, "X509_sign");
	return cert;
}

/* Takes what was written. */
static void
drain(BIO *bio, struct buf *out)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);

	must(n > 0, "PEM");
	buf_add(out, p, (size_t)n);
	BIO_free(bio);
}

/* In PEM form, encrypted where there is a passphrase; old: as OpenSSL did before PKCS #8. */
static void
add_key(struct buf *out, EVP_PKEY *key, const char *passphrase, bool old)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const EVP_CIPHER *cipher = passphrase != NULL ? EVP_aes_128_cbc() : NULL;
	int n = passphrase != NULL ? (int)strlen(passphrase) : 0;

	must(bio != NULL && (old ? PEM_write_bio_PrivateKey_traditional(bio, key, cipher, (const unsigned char *)passphrase, n, NULL, NULL) :
	    PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, passphrase, n, NULL, NULL)) == 1, "PEM of a key");
	drain(bio, out);
}

static void
add_certificate(struct buf *out, X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());

	must(bio != NULL && PEM_write_bio_X509(bio, cert) == 1, "PEM of a certificate");
	drain(bio, out);
}

/* Encrypted, which nobody does. */
static void
add_encrypted_certificate(struct buf *out, X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());

	must(bio != NULL && PEM_ASN1_write_bio((i2d_of_void *)i2d_X509, PEM_STRING_X509, bio, cert, EVP_aes_128_cbc(), (const unsigned char *)SECRET, (int)strlen(SECRET), NULL,
	    NULL) == 1, "PEM of an encrypted certificate");
	drain(bio, out);
}

static void
write_file(const struct buf *content)
{
	FILE *f = fopen(world.path, "w");

	must(f != NULL && fwrite(buf_str(content), 1, content->len, f) == content->len && fclose(f) == 0, world.path);
}

static int
up(void **state)
{
	(void)state;
	(void)strlcpy(world.dir, "/tmp/test_jwt.XXXXXX", sizeof(world.dir));
	if (mkdtemp(world.dir) == NULL)
		return -1;
	(void)snprintf(world.path, sizeof(world.path), "%s/file.pem", world.dir);
	world.key = EVP_RSA_gen(2048);
	world.other = EVP_RSA_gen(2048);
	must(world.key != NULL && world.other != NULL, "keys");
	world.cert = make_certificate(world.key, "app");
	world.other_cert = make_certificate(world.other, "other");
	add_key(&world.pem, world.key, NULL, false);
	add_key(&world.encrypted, world.key, SECRET, false);
	buf_puts(&world.passphrase, SECRET);
	return 0;
}

static int
down(void **state)
{
	(void)state;
	(void)unlink(world.path);
	(void)rmdir(world.dir);
	EVP_PKEY_free(world.key);
	EVP_PKEY_free(world.other);
	X509_free(world.cert);
	X509_free(world.other_cert);
	buf_wipe(&world.pem);
	buf_wipe(&world.encrypted);
	buf_wipe(&world.passphrase);
	return 0;
}

static struct jwt
plain_jwt(void)
{
	return (struct jwt){.issuer = "app", .audience = "https://login.example/token", .key = &world.pem, .what = WHAT, .lifetime = 600};
}

/* ---- reading tokens ---- */

static void
decode(struct buf *out, const char *p, size_t n)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned bits = 0, have = 0;

	assert_int_not_equal(n % 4, 1);
	for (size_t i = 0; i < n; i++) {
		const char *at = memchr(digit, p[i], sizeof(digit) - 1);

		assert_non_null(at);
		bits = (bits << 6 | (unsigned)(at - digit)) & 0xffff;
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_putc(out, (char)(bits >> have & 0xff));
		}
	}
	assert_int_equal(bits & ((1u << have) - 1), 0);
}

struct token {
	struct buf header, claims;
};

static void
free_token(struct token *t)
{
	buf_free(&t->header);
	buf_free(&t->claims);
}

static bool
verify(EVP_PKEY *key, const char *text, size_t n, const struct buf *signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good;

	must(ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1, "EVP_DigestVerifyInit");
	good = EVP_DigestVerify(ctx, (const unsigned char *)signature->data, signature->len, (const unsigned char *)text, n) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

/* Takes the token apart; it is signed by the first key, and not by the other. */
static struct token
take_apart(const char *text)
{
	struct token t = {0};
	struct buf signature = {0};
	const char *first = strchr(text, '.'), *second;
	EVP_PKEY *public = X509_get_pubkey(world.cert);

	assert_non_null(first);
	second = strchr(first + 1, '.');
	assert_non_null(second);
	assert_null(strchr(second + 1, '.'));
	decode(&t.header, text, (size_t)(first - text));
	decode(&t.claims, first + 1, (size_t)(second - first) - 1);
	decode(&signature, second + 1, strlen(second + 1));
	assert_int_equal(signature.len, 256);
	assert_true(verify(public, text, (size_t)(second - text), &signature));
	assert_false(verify(public, text, (size_t)(second - text) - 1, &signature));
	assert_false(verify(world.other, text, (size_t)(second - text), &signature));
	assert_true(json_is_object(t.header.data, t.header.len));
	assert_true(json_is_object(t.claims.data, t.claims.len));
	EVP_PKEY_free(public);
	buf_free(&signature);
	return t;
}

static struct token
signed_by(const struct jwt *j)
{
	struct buf out = {0};
	struct outcome o = {0};
	struct token t;

	ERR_raise(ERR_LIB_USER, ERR_R_INTERNAL_ERROR);	/* somebody else's, before */
	if (jwt_sign(&out, j, &o) != 0)
		fail_msg("%s: %s", o.what, o.why);
	assert_int_equal(ERR_peek_error(), 0);
	t = take_apart(out.data);
	buf_free(&out);
	return t;
}

static void
assert_member(const struct buf *json, const char *name, const char *value)
{
	struct buf out = {0};
	bool found = json_get_string(json->data, json->len, name, &out);

	if (value == NULL ? found || strstr(json->data, name) != NULL : !found || strcmp(out.data, value) != 0)
		fail_msg("%s is %s, not %s", name, found ? out.data : "not there", value != NULL ? value : "none");
	buf_free(&out);
}

/* ---- what is in a token ---- */

static void
base64url(void **state)
{
	static const struct { const char *octets; size_t n; const char *coded; } rows[] = {
		{"", 0, ""}, {"f", 1, "Zg"}, {"fo", 2, "Zm8"}, {"foo", 3, "Zm9v"}, {"foob", 4, "Zm9vYg"}, {"fooba", 5, "Zm9vYmE"}, {"foobar", 6, "Zm9vYmFy"},
		{"\0", 1, "AA"}, {"\0\0\0", 3, "AAAA"}, {"\373\377\376", 3, "-__-"}, {"\377\377\377\377", 4, "_____w"}, {"\3\354\377\340\301", 5, "A-z_4ME"},
	};
	char octets[300];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = {0};

		base64_encode_url(&b, rows[i].octets, rows[i].n);
		assert_string_equal(buf_str(&b), rows[i].coded);
		assert_int_equal(b.len, strlen(rows[i].coded));
		base64_encode_url(&b, rows[i].octets, rows[i].n);	/* behind what is there */
		assert_int_equal(b.len, 2 * strlen(rows[i].coded));
		assert_string_equal(buf_str(&b) + strlen(rows[i].coded), rows[i].coded);
		buf_free(&b);
	}
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (char)(i * 167);
	for (size_t n = 0; n <= sizeof(octets); n++) {
		struct buf b = {0}, back = {0};

		base64_encode_url(&b, octets, n);
		assert_int_equal(b.len, (4 * n + 2) / 3);
		decode(&back, buf_str(&b), b.len);
		assert_int_equal(back.len, n);
		assert_memory_equal(buf_str(&back), octets, n);
		buf_free(&b);
		buf_free(&back);
	}
}

static void
all_members(void **state)
{
	struct jwt j = plain_jwt();
	struct token t;
	long long iat, nbf, end, now = (long long)time(NULL);
	struct buf jti = {0};

	(void)state;
	j.subject = "sub@example.com";
	j.scope = "https://mail.google.com/ other";
	j.key_id = "0123abcd";
	t = signed_by(&j);
	assert_string_equal(t.header.data, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"0123abcd\"}");
	assert_member(&t.claims, "iss", "app");
	assert_member(&t.claims, "sub", "sub@example.com");
	assert_member(&t.claims, "aud", "https://login.example/token");
	assert_member(&t.claims, "scope", "https://mail.google.com/ other");
	assert_true(json_get_integer(t.claims.data, t.claims.len, "iat", &iat) && iat >= now && iat <= now + 60);
	assert_true(json_get_integer(t.claims.data, t.claims.len, "nbf", &nbf) && nbf == iat);
	assert_true(json_get_integer(t.claims.data, t.claims.len, "exp", &end) && end == iat + 600);
	assert_false(json_get_string(t.claims.data, t.claims.len, "iat", &jti));	/* numbers, RFC 7519 section 2 */
	assert_true(json_get_string(t.claims.data, t.claims.len, "jti", &jti));
	assert_int_equal(jti.len, 32);
	buf_free(&jti);
	free_token(&t);
}

static void
left_out(void **state)
{
	struct jwt j = plain_jwt();
	struct token t = signed_by(&j);

	(void)state;
	assert_string_equal(t.header.data, "{\"alg\":\"RS256\",\"typ\":\"JWT\"}");
	assert_member(&t.claims, "sub", NULL);
	assert_member(&t.claims, "scope", NULL);
	assert_member(&t.claims, "iss", "app");
	free_token(&t);
}

/* Appended to what is there; no two have the same jti. */
static void
two_tokens(void **state)
{
	struct jwt j = plain_jwt();
	struct buf out = {0};
	struct outcome o;
	struct buf jti[2] = {0};
	char *second;

	(void)state;
	buf_puts(&out, "before ");
	assert_int_equal(jwt_sign(&out, &j, &o), 0);
	buf_puts(&out, " ");
	assert_int_equal(jwt_sign(&out, &j, &o), 0);
	assert_memory_equal(out.data, "before ey", 9);
	assert_int_equal(out.len, strlen(out.data));
	second = strrchr(out.data, ' ');
	*second = '\0';
	for (int i = 0; i < 2; i++) {
		struct token t = take_apart(i == 0 ? out.data + 7 : second + 1);

		assert_true(json_get_string(t.claims.data, t.claims.len, "jti", &jti[i]));
		free_token(&t);
	}
	assert_string_not_equal(jti[0].data, jti[1].data);
	buf_free(&jti[0]);
	buf_free(&jti[1]);
	buf_free(&out);
}

/* Texts of the configuration: what is UTF-8 comes back as it is, of other octets each is U+FFFD. */
static void
any_octets(void **state)
{
	struct jwt j = plain_jwt();
	struct buf ascii = {0}, all = {0}, want = {0};
	struct token t;

	(void)state;
	for (int c = 1; c < 256; c++) {
		if (c < 128)
			buf_putc(&ascii, (char)c);
		buf_putc(&all, (char)c);
	}
	buf_add(&want, ascii.data, ascii.len);
	for (int c = 128; c < 256; c++)
		buf_puts(&want, "\357\277\275");
	j.issuer = ascii.data;
	j.subject = all.data;
	j.audience = "\303\251\360\237\230\200\",\"aud\":\"x";
	j.scope = "";
	j.key_id = all.data;
	t = signed_by(&j);
	assert_member(&t.claims, "iss", ascii.data);
	assert_member(&t.claims, "sub", want.data);
	assert_member(&t.claims, "aud", j.audience);
	assert_member(&t.claims, "scope", "");
	assert_member(&t.header, "kid", want.data);
	free_token(&t);
	buf_free(&ascii);
	buf_free(&all);
	buf_free(&want);
}

/* ---- certificates ---- */

static char *
thumbprint(const EVP_MD *hash)
{
	unsigned char *der = NULL, octets[EVP_MAX_MD_SIZE];
	int len = i2d_X509(world.cert, &der);
	unsigned n;
	struct buf b = {0};

	must(len > 0, "DER");
	must(EVP_Digest(der, (size_t)len, octets, &n, hash, NULL) == 1, "hash");
	OPENSSL_free(der);
	base64_encode_url(&b, octets, n);
	return b.data;
}

/* The first in the file counts; others, and the key, may be there too. */
static void
thumbprints(void **state)
{
	char *sha1 = thumbprint(EVP_sha1()), *sha256 = thumbprint(EVP_sha256());

	(void)state;
	assert_int_equal(strlen(sha1), 27);
	assert_int_equal(strlen(sha256), 43);
	for (int i = 0; i < 3; i++) {
		struct jwt j = plain_jwt();
		struct buf file = {0};
		struct token t;

		if (i == 2)
			add_key(&file, world.key, NULL, false);
		add_certificate(&file, world.cert);
		if (i > 0)
			add_certificate(&file, world.other_cert);
		write_file(&file);
		j.certificate = world.path;
		if (i == 2)
			j.key = &file;
		t = signed_by(&j);
		assert_member(&t.header, "x5t", sha1);
		assert_member(&t.header, "x5t#S256", sha256);
		assert_member(&t.header, "alg", "RS256");
		free_token(&t);
		buf_wipe(&file);
	}
	free(sha1);
	free(sha256);
}

static void
assert_refused(const struct jwt *j, enum cause cause, const char *what, const char *why)
{
	struct buf out = {0};
	struct outcome o = {0};

	buf_puts(&out, "before");
	ERR_raise(ERR_LIB_USER, ERR_R_INTERNAL_ERROR);
	assert_int_equal(jwt_sign(&out, j, &o), -1);
	if (strcmp(o.what, what) != 0 || strcmp(o.why, why) != 0 || o.cause != cause)
		fail_msg("%d \"%s: %s\", not %d \"%s: %s\"", (int)o.cause, o.what, o.why, (int)cause, what, why);
	assert_int_equal(o.status, EX_CONFIG);
	assert_int_equal(o.stage, STAGE_SECRET);
	assert_string_equal(out.data, "before");
	assert_int_equal(ERR_peek_error(), 0);
	buf_free(&out);
}

static void
certificates_not_read(void **state)
{
	static const struct { const char *name; int error; } rows[] = {{"none.pem", ENOENT}, {".", EISDIR}, {"file.pem/x", ENOTDIR}};
	struct buf file = {0};

	(void)state;
	add_certificate(&file, world.cert);
	write_file(&file);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct jwt j = plain_jwt();
		char *path = mem_printf("%s/%s", world.dir, rows[i].name), *what = mem_printf("cannot read client-certificate %s", path);

		j.certificate = path;
		assert_refused(&j, CAUSE_SECRET_UNREADABLE, what, strerror(rows[i].error));
		free(path);
		free(what);
	}
	buf_free(&file);
}

static void
certificates_not_used(void **state)
{
	struct jwt j = plain_jwt();
	struct buf file = {0}, good = {0};
	char *what = mem_printf("cannot use client-certificate %s", world.path);

	(void)state;
	j.certificate = world.path;
	add_certificate(&good, world.cert);
	for (int i = 0; i < 6; i++) {
		buf_reset(&file);
		if (i == 1)
			buf_puts(&file, "certificate\n");
		else if (i == 2)
			buf_add(&file, good.data, good.len / 2);
		else if (i == 3)
			buf_add(&file, world.pem.data, world.pem.len);
		else if (i == 4)
			add_encrypted_certificate(&file, world.cert);
		else if (i == 5)
			buf_puts(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
		write_file(&file);
		assert_refused(&j, CAUSE_OAUTH_KEY, what, "no certificate in PEM form in it");
	}
	j.certificate = "/dev/zero";	/* it has no end */
	assert_refused(&j, CAUSE_OAUTH_KEY, "cannot use client-certificate /dev/zero", "no certificate in PEM form in it");
	j.certificate = world.path;
	buf_reset(&file);
	add_certificate(&file, world.other_cert);
	add_certificate(&file, world.cert);
	write_file(&file);
	assert_refused(&j, CAUSE_OAUTH_KEY, "cannot use " WHAT, "the key does not belong to the certificate");
	buf_free(&file);
	buf_free(&good);
	free(what);
}

/* ---- keys ---- */

static void
encrypted_keys(void **state)
{
	static const struct { const char *with, *passphrase, *why; } rows[] = {
		{SECRET, SECRET, NULL}, {SECRET, NULL, "the key is encrypted, and no passphrase is set"}, {SECRET, "open sesam", "the key is encrypted with another passphrase"},
		{SECRET, SECRET "e", "the key is encrypted with another passphrase"}, {SECRET, "", "the key is encrypted with another passphrase"}, {NULL, NULL, NULL}, {NULL, SECRET, NULL},
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct jwt j = plain_jwt();
		struct buf key = {0}, passphrase = {0};
		struct token t;

		add_key(&key, world.key, rows[i / 2].with, i % 2 != 0);
		if (rows[i / 2].passphrase != NULL)
			buf_puts(&passphrase, rows[i / 2].passphrase);
		j.key = &key;
		j.passphrase = rows[i / 2].passphrase != NULL ? &passphrase : NULL;
		if (rows[i / 2].why != NULL)
			assert_refused(&j, CAUSE_OAUTH_KEY, "cannot use " WHAT, rows[i / 2].why);
		else {
			t = signed_by(&j);
			free_token(&t);
		}
		buf_wipe(&key);
		buf_wipe(&passphrase);
	}
}

/* One that OpenSSL has no room for. */
static void
long_passphrase(void **state)
{
	struct jwt j = plain_jwt();
	struct buf passphrase = {0};

	(void)state;
	for (int i = 0; i < 10000; i++)
		buf_putc(&passphrase, 'x');
	j.key = &world.encrypted;
	j.passphrase = &passphrase;
	assert_refused(&j, CAUSE_OAUTH_KEY, "cannot use " WHAT, "the key is encrypted with another passphrase");
	buf_free(&passphrase);
}

static void
refuse_kind(EVP_PKEY *key, const char *why)
{
	struct jwt j = plain_jwt();
	struct buf pem = {0};

	must(key != NULL, "a key of that kind");
	add_key(&pem, key, NULL, false);
	j.key = &pem;
	assert_refused(&j, CAUSE_OAUTH_KEY, "cannot use " WHAT, why);
	EVP_PKEY_free(key);
	buf_wipe(&pem);
}

static EVP_PKEY *
rsa_pss(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
	EVP_PKEY *key = NULL;

	must(ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048) == 1 && EVP_PKEY_generate(ctx, &key) == 1, "RSA-PSS");
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static void
other_kinds(void **state)
{
	(void)state;
	refuse_kind(EVP_EC_gen("P-256"), "the key is not an RSA key");
	refuse_kind(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "the key is not an RSA key");
	refuse_kind(EVP_RSA_gen(1024), "the key is shorter than 2048 bits");
	if (getenv("UNDER_VALGRIND") != NULL)
		return;	/* slow there, and nothing new */
	refuse_kind(rsa_pss(), "the key is not an RSA key");
	refuse_kind(EVP_RSA_gen(2040), "the key is shorter than 2048 bits");
}

static void
no_keys(void **state)
{
	static const char *const rows[] = {
		"", "\n", "key", "-----BEGIN PRIVATE KEY-----\n", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n", "-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n",
	};
	struct jwt j = plain_jwt();
	struct buf b = {0};
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	j.key = &b;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&b);
		if (i > 0)
			buf_puts(&b, rows[i]);
		assert_refused(&j, CAUSE_OAUTH_KEY, "cannot use " WHAT, "no private key in PEM form in it");
	}
	buf_reset(&b);
	add_certificate(&b, world.cert);
	assert_refused(&j, CAUSE_OAUTH_KEY, "cannot use " WHAT, "no private key in PEM form in it");
	buf_reset(&b);
	must(bio != NULL && PEM_write_bio_PUBKEY(bio, world.key) == 1, "PEM of a public key");
	drain(bio, &b);
	assert_refused(&j, CAUSE_OAUTH_KEY, "cannot use " WHAT, "no private key in PEM form in it");
	for (size_t n = 0; n + 30 < world.pem.len; n += 97) {
		buf_reset(&b);
		buf_add(&b, world.pem.data, n);
		assert_refused(&j, CAUSE_OAUTH_KEY, "cannot use " WHAT, "no private key in PEM form in it");
	}
	buf_wipe(&b);
}

/* Where there is a terminal, nothing is asked on it: neither for a key nor for a certificate. */
static void
no_questions(void **state)
{
	struct buf file = {0};

	(void)state;
	add_encrypted_certificate(&file, world.cert);
	write_file(&file);
	for (int i = 0; i < 2; i++) {
		struct jwt j = plain_jwt();
		struct outcome o;
		struct buf out = {0};
		char said[256];
		int fd, status;
		ssize_t n;
		pid_t pid;

		j.key = i == 0 ? &world.encrypted : &world.pem;
		j.certificate = i == 0 ? NULL : world.path;
		pid = forkpty(&fd, NULL, NULL, NULL);
		assert_int_not_equal(pid, -1);
		if (pid == 0) {
			(void)signal(SIGALRM, SIG_DFL);
			(void)alarm(60);
			_exit(jwt_sign(&out, &j, &o) == -1 && o.cause == CAUSE_OAUTH_KEY ? 0 : 1);
		}
		n = read(fd, said, sizeof(said));
		if (n > 0)
			fail_msg("it says \"%.*s\"", (int)n, said);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		(void)close(fd);
	}
	buf_free(&file);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64url), cmocka_unit_test(all_members), cmocka_unit_test(left_out), cmocka_unit_test(two_tokens), cmocka_unit_test(any_octets),
		cmocka_unit_test(thumbprints), cmocka_unit_test(certificates_not_read), cmocka_unit_test(certificates_not_used), cmocka_unit_test(encrypted_keys),
		cmocka_unit_test(long_passphrase), cmocka_unit_test(other_kinds), cmocka_unit_test(no_keys), cmocka_unit_test(no_questions),
	};

	return cmocka_run_group_tests(tests, up, down);
}
