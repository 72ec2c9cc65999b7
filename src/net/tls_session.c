/*
 * TLS sessions across runs. See tls_session.h.
 */
#include <sys/auxv.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include "mem.h"
#include "net/tls_session.h"

#define SIZE_MAX_OCTETS	65536	/* a session with its certificate has 2 to 4 KiB */
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
	add_file(&b, p->ca_file);
	add_value(&b, p->fingerprint);
	add_file(&b, p->certificate);
	add_file(&b, p->key);
	buf_printf(&b, "%d", p->min_version);
	ok = EVP_Digest(b.data, b.len, hash, &n, EVP_sha256(), NULL) == 1;
	buf_free(&b);
	for (unsigned i = 0; ok && i < n; i++)
		(void)snprintf(place->name + 2 * i, 3, "%02x", hash[i]);
	return ok;
}

/* A place where nobody else could put anything. */
static bool
is_ours(int fd, mode_t kind)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == kind && (st.st_uid == geteuid() || st.st_uid == 0) && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

void
tls_session_open(struct tls_session_place *place, const struct tls_policy *policy)
{
	*place = (struct tls_session_place){.dir = -1};
	if (policy->session_cache == NULL || policy->peer == NULL || getauxval(AT_SECURE) != 0 || !set_name(place, policy))
		return;
	place->dir = open(policy->session_cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place->dir != -1 && !is_ours(place->dir, S_IFDIR))
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
still_good(const SSL_SESSION *session, const struct tls_policy *p)
{
	X509 *cert = SSL_SESSION_get0_peer((SSL_SESSION *)(uintptr_t)session);

	if (cert == NULL || SSL_SESSION_is_resumable(session) != 1)
		return false;
	if (p->fingerprint != NULL)
		return true;	/* which is compared again after the handshake */
	return X509_cmp_current_time(X509_get0_notAfter(cert)) > 0 && X509_cmp_current_time(X509_get0_notBefore(cert)) < 0 &&
	    (is_for(cert, p->name) || is_for(cert, p->also));
}

SSL_SESSION *
tls_session_load(const struct tls_session_place *place, const struct tls_policy *policy)
{
	int fd = place->dir == -1 ? -1 : openat(place->dir, place->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct buf b = {0};
	const unsigned char *p;
	SSL_SESSION *session = NULL;
	ssize_t n = 0;

	if (fd == -1)
		return NULL;
	if (is_ours(fd, S_IFREG)) {
		while (b.len <= SIZE_MAX_OCTETS && (n = read(fd, buf_room(&b, 8192), 8192)) > 0)
			b.len += (size_t)n;
		p = (const unsigned char *)b.data;
		if (n == 0 && b.len > 0)
			session = d2i_SSL_SESSION(NULL, &p, (long)b.len);
	}
	(void)close(fd);
	buf_wipe(&b);
	if (session != NULL && !still_good(session, policy)) {
		SSL_SESSION_free(session);
		session = NULL;
	}
	return session;
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
}

void
tls_session_drop(const struct tls_session_place *place)
{
	if (place->dir != -1)
		(void)unlinkat(place->dir, place->name, 0);
}
