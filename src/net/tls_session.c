/*
 * TLS sessions across runs. See tls_session.h.
 */
#include <sys/auxv.h>
#include <sys/stat.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "mem.h"
#include "net/openssl.h"
#include "net/tls_session.h"
#include "net/tls_trust.h"

#define HASH_SIZE	32		/* octets of SHA-256 */
#define LIFETIME	(24 * 60 * 60)	/* seconds; then the certificate is looked at again */
#define SKEW		60		/* seconds that the clock of a file system may be ahead of ours: time() is up to a tick behind */
#define SIZE_MAX_OCTETS	65536	/* a session with its certificate has 2 to 4 KiB */
#define PREFIX		"session-"
#define FORMAT		"1"	/* changes when what the name stands for does */

/* Appends a value so that no two lists of values run into the same octets. */
static void
add_value(struct buf *b, const char *value)
{
	buf_printf(b, "%zu:%s,", value == NULL ? 0 : strlen(value), value == NULL ? "-" : value);
}

/* A file that is replaced or changed makes another policy. */
static void
add_file(struct buf *b, const char *path)
{
	struct stat st = {0};

	add_value(b, path);
	if (path != NULL && stat(path, &st) == 0)
		buf_printf(b, "%ju.%ju.%jd.%ld,", (uintmax_t)st.st_ino, (uintmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

/* A directory of authorities, and each file in it. */
static void
add_directory(struct buf *b, const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;
	struct stat st;
	uint64_t sum = 0;

	while (dir != NULL && (e = readdir(dir)) != NULL)
		if (fstatat(dirfd(dir), e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_ino * 31 + (uint64_t)st.st_mtim.tv_sec * 1000003 + (uint64_t)st.st_mtim.tv_nsec + (uint64_t)st.st_size;
	buf_printf(b, "%ju,", (uintmax_t)sum);
	if (dir != NULL)
		(void)closedir(dir);
}

/* Directories, separated by colons. */
static void
add_directories(struct buf *b, const char *list)
{
	char *copy = mem_dup(list), *rest = copy, *path;

	while ((path = strsep(&rest, ":")) != NULL)
		add_file(b, path);
	free(copy);
}

/* Who was trusted when the session began. */
static void
add_authorities(struct buf *b, const struct tls_policy *p)
{
	const char *directories = secure_getenv(X509_get_default_cert_dir_env());

	add_file(b, p->ca_file);
	if (p->ca_file != NULL)
		add_directory(b, p->ca_file);
	if (p->ca_file != NULL || p->fingerprint != NULL)
		return;
	add_directories(b, directories != NULL ? directories : X509_get_default_cert_dir());
	add_file(b, secure_getenv(X509_get_default_cert_file_env()));
	add_file(b, X509_get_default_cert_file());
	for (size_t i = 0; tls_bundles[i] != NULL; i++)
		add_file(b, tls_bundles[i]);
}

/* The file that has the sessions of a policy: the hash of all that it says. */
static bool
set_name(struct tls_session_place *place, const struct tls_policy *p)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	struct buf b = {0};
	bool ok;

	add_value(&b, FORMAT);
	add_value(&b, p->peer);
	add_value(&b, p->name);
	add_value(&b, p->also);
	add_authorities(&b, p);
	add_value(&b, p->fingerprint);
	add_file(&b, p->certificate);
	add_file(&b, p->key);
	buf_printf(&b, "%d", p->min_version);
	ok = EVP_Digest(b.data, b.len, hash, &n, EVP_sha256(), NULL) == 1;
	buf_free(&b);
	(void)strlcpy(place->name, PREFIX, sizeof(place->name));
	for (unsigned i = 0; ok && i < n; i++)
		(void)snprintf(place->name + sizeof(PREFIX) - 1 + 2 * i, 3, "%02x", hash[i]);
	return ok;
}

/* A place where nobody else could put anything. */
static bool
is_ours(const struct stat *st, mode_t kind)
{
	return (st->st_mode & S_IFMT) == kind && (st->st_uid == geteuid() || st->st_uid == 0) && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static bool
is_fresh(const struct stat *st)
{
	time_t age = time(NULL) - st->st_mtime;

	return age >= -SKEW && age < LIFETIME;
}

void
tls_session_open(struct tls_session_place *place, const struct tls_policy *policy)
{
	struct stat st;

	*place = (struct tls_session_place){.dir = -1};
	if (policy->session_cache == NULL || policy->peer == NULL || getauxval(AT_SECURE) != 0 || !set_name(place, policy))
		return;
	place->dir = open(policy->session_cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place->dir != -1 && (fstat(place->dir, &st) == -1 || !is_ours(&st, S_IFDIR)))
		tls_session_close(place);
}

void
tls_session_close(struct tls_session_place *place)
{
	if (place->dir != -1)
		(void)close(place->dir);
	place->dir = -1;
}

static bool
is_for(X509 *cert, const char *name)
{
	return name != NULL && (X509_check_host(cert, name, 0, TLS_HOST_FLAGS, NULL) == 1 || X509_check_ip_asc(cert, name, 0) == 1);
}

/* Its certificate is still one for that name. */
static bool
still_good(const SSL_SESSION *session, const struct tls_policy *p, const char *name)
{
	X509 *cert = SSL_SESSION_get0_peer((SSL_SESSION *)(uintptr_t)session);

	if (cert == NULL || SSL_SESSION_is_resumable(session) != 1)
		return false;
	if (p->fingerprint != NULL)
		return true;	/* which is compared again after the handshake */
	return X509_cmp_current_time(X509_get0_notAfter(cert)) > 0 && X509_cmp_current_time(X509_get0_notBefore(cert)) < 0 &&
	    (is_for(cert, name) || is_for(cert, p->also));
}

SSL_SESSION *
tls_session_load(const struct tls_session_place *place, const struct tls_policy *policy, const char *name)
{
	int fd = place->dir == -1 ? -1 : openat(place->dir, place->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct buf b = {0};
	const unsigned char *p = NULL;
	SSL_SESSION *session = NULL;
	struct stat st;
	ssize_t n = 0;

	if (fd == -1)
		return NULL;
	if (fstat(fd, &st) == 0 && is_ours(&st, S_IFREG) && is_fresh(&st)) {
		while (b.len <= SIZE_MAX_OCTETS && (n = read(fd, buf_room(&b, 8192), 8192)) > 0)
			b.len += (size_t)n;
		p = (const unsigned char *)b.data;
		if (n == 0 && b.len > 0)
			session = d2i_SSL_SESSION(NULL, &p, (long)b.len);
	}
	(void)close(fd);
	if (session != NULL && p != (const unsigned char *)b.data + b.len) {
		SSL_SESSION_free(session);
		session = NULL;
	}
	buf_wipe(&b);
	if (session != NULL && !still_good(session, policy, name)) {
		SSL_SESSION_free(session);
		session = NULL;
	}
	return session;
}

/* Removes what nobody will use any more: sessions of policies that have changed, and what a killed run has left. */
static void
tidy(const struct tls_session_place *place)
{
	int fd = openat(place->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *e;
	struct stat st;

	if (dir == NULL) {
		if (fd != -1)
			(void)close(fd);
		return;
	}
	while ((e = readdir(dir)) != NULL) {
		const char *rest = strncmp(e->d_name, PREFIX, sizeof(PREFIX) - 1) == 0 ? e->d_name + sizeof(PREFIX) - 1 : "";
		size_t n = strspn(rest, "0123456789abcdef");

		if (n == 2 * HASH_SIZE && (rest[n] == '\0' || rest[n] == '.') && fstatat(place->dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && st.st_uid == geteuid() && !is_fresh(&st))
			(void)unlinkat(place->dir, e->d_name, 0);
	}
	(void)closedir(dir);
}

void
tls_session_save(const struct tls_session_place *place, const SSL_SESSION *session)
{
	unsigned char *der = NULL;
	int n = place->dir == -1 ? -1 : i2d_SSL_SESSION(session, &der), fd;
	char new[96];

	if (n <= 0 || n > SIZE_MAX_OCTETS) {
		OPENSSL_clear_free(der, n > 0 ? (size_t)n : 0);
		return;
	}
	(void)snprintf(new, sizeof(new), "%s.%ld", place->name, (long)getpid());
	(void)unlinkat(place->dir, new, 0);	/* of a process with the same number that was killed */
	fd = openat(place->dir, new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd != -1) {
		bool whole = write(fd, der, (size_t)n) == n;

		if (close(fd) == -1 || !whole || renameat(place->dir, new, place->dir, place->name) == -1)
			(void)unlinkat(place->dir, new, 0);
	}
	OPENSSL_clear_free(der, (size_t)n);
	tidy(place);
}

void
tls_session_drop(const struct tls_session_place *place)
{
	if (place->dir != -1)
		(void)unlinkat(place->dir, place->name, 0);
}
