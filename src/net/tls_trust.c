/*
 * Whom we trust, and who we are: certificates and keys from files. See tls_trust.h.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>
#include "net/openssl.h"
#include "net/tls_trust.h"
#include "net/tls_words.h"

static int
file_failed(struct outcome *o, enum cause cause, const char *option, const char *path, const char *why)
{
	return outcome_set(o, EX_CONFIG, STAGE_TLS, cause, why, "cannot use %s %s", option, path);
}

/* OpenSSL does not say why a file cannot be opened: this does, and else what OpenSSL did not like. */
static int
cannot_use(const char *option, const char *path, enum cause unreadable, enum cause wrong, const char *why, struct outcome *o)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd == -1)
		return file_failed(o, unreadable, option, path, strerror(errno));
	(void)close(fd);
	return file_failed(o, wrong, option, path, why);
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

/* Where authorities were found. */
struct place {
	char *path;
	size_t size;
};

static bool
found_at(const struct place *place, const char *path)
{
	(void)strlcpy(place->path, path, place->size);
	return true;
}

/* Directories, separated by colons: the first with certificates in it is trusted. */
static bool
trust_directory(SSL_CTX *ctx, const char *list, const struct place *place)
{
	char *copy = mem_dup(list), *rest = copy, *path;
	bool found = false;

	while (!found && (path = strsep(&rest, ":")) != NULL)
		found = has_hashes(path) && SSL_CTX_load_verify_dir(ctx, path) == 1 && found_at(place, path);
	free(copy);
	return found;
}

static bool
trust_bundle(SSL_CTX *ctx, const char *path, const struct place *place)
{
	return SSL_CTX_load_verify_file(ctx, path) == 1 && found_at(place, path);
}

static const char *
from_environment(const char *name)
{
	const char *value = secure_getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *const tls_bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem", NULL,
};

/* The system's store; where the environment names one, it is that and no other. */
static bool
trust_system(SSL_CTX *ctx, const struct place *place)
{
	const char *dir = from_environment(X509_get_default_cert_dir_env());
	const char *file = from_environment(X509_get_default_cert_file_env());

	if (dir != NULL || file != NULL)
		return (dir != NULL && trust_directory(ctx, dir, place)) || (file != NULL && trust_bundle(ctx, file, place));
	if (trust_directory(ctx, X509_get_default_cert_dir(), place) || trust_bundle(ctx, X509_get_default_cert_file(), place))
		return true;
	for (size_t i = 0; tls_bundles[i] != NULL; i++)
		if (trust_bundle(ctx, tls_bundles[i], place))
			return true;
	return false;
}

/* The file (or hashed directory) alone; what is in it is trusted, also an authority that is itself signed by another. */
static int
trust_file(SSL_CTX *ctx, const char *path, struct outcome *o)
{
	static const char option[] = "tls-ca-file";
	struct stat st;

	if (SSL_CTX_load_verify_file(ctx, path) != 1) {
		if (stat(path, &st) == -1 || !S_ISDIR(st.st_mode))
			return cannot_use(option, path, CAUSE_CONFIG_UNREADABLE, CAUSE_CONFIG_WRONG, "no certificate in PEM form in it", o);
		if (!has_hashes(path) || SSL_CTX_load_verify_dir(ctx, path) != 1)
			return cannot_use(option, path, CAUSE_CONFIG_UNREADABLE, CAUSE_CONFIG_WRONG, "no certificate in it has the name that c_rehash gives", o);
	}
	(void)X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
	return 0;
}

int
tls_trust(SSL_CTX *ctx, const struct tls_policy *policy, char *where, size_t size, struct outcome *o)
{
	struct place place = {where, size};

	if (policy->ca_file != NULL) {
		(void)found_at(&place, policy->ca_file);
		return trust_file(ctx, policy->ca_file, o);
	}
	if (trust_system(ctx, &place))
		return 0;
	return outcome_set(o, EX_PROTOCOL, STAGE_TLS, CAUSE_NO_TRUST_STORE, "this system has no certificate of any authority",
	    "cannot verify %s", policy->name);
}

/* ---- our own ---- */

int
tls_tell_passphrase(char *to, int size, int writing, void *arg)
{
	struct tls_passphrase *p = arg;

	(void)writing;
	p->asked = true;
	if (p->known == NULL || p->known->len > (size_t)size)
		return -1;
	if (p->known->len > 0)
		memcpy(to, p->known->data, p->known->len);
	return (int)p->known->len;
}

/* Why a key cannot be used. */
static const char *
key_words(const SSL_CTX *ctx, const struct tls_passphrase *p)
{
	if (SSL_CTX_get0_privatekey(ctx) != NULL || ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH)
		return "the key does not belong to the certificate";
	if (!p->asked)
		return "no private key in PEM form in it";
	return p->known == NULL ? "the key is encrypted with a passphrase, and tls-key-password is not set" : "tls-key-password is not its passphrase";
}

int
tls_use_certificate(SSL_CTX *ctx, const struct tls_policy *policy, struct outcome *o)
{
	const char *path = policy->certificate, *key = policy->key != NULL ? policy->key : path;
	const char *option = policy->key != NULL ? "tls-key" : "tls-certificate";
	struct tls_passphrase passphrase = {.known = policy->passphrase};
	int r = 0;

	openssl_know_ciphers();
	SSL_CTX_set_default_passwd_cb(ctx, tls_tell_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, &passphrase);
	if (SSL_CTX_use_certificate_chain_file(ctx, path) != 1)
		r = cannot_use("tls-certificate", path, CAUSE_TLS_CLIENT_CERT, CAUSE_TLS_CLIENT_CERT, tls_error_words(0), o);
	else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		r = cannot_use(option, key, CAUSE_TLS_CLIENT_CERT, CAUSE_TLS_CLIENT_CERT, key_words(ctx, &passphrase), o);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
	SSL_CTX_set_default_passwd_cb(ctx, NULL);
	return r;
}
