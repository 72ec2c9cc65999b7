/*
 * For the tests of net/tls.c: authorities and a server certificate that all of them use, and a client that does a handshake by a policy.
 */
#ifndef TLS_WORLD_H
#define TLS_WORLD_H

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <cmocka.h>
#include "mem.h"
#include "net/tls.h"
#include "tls_peer.h"

#define HOST "smtp.example.com"

/* What all tests share: two authorities, a good server certificate, and a directory for files. */
struct world {
	char dir[64];
	char ca_file[96], other_file[96], path[96];
	struct identity ca, other, server;
};

static struct world world;

static inline char *
in_dir(const char *name)
{
	return mem_printf("%s/%s", world.dir, name);
}

static inline int
world_up(void **state)
{
	static const struct cert_spec ca = {.cn = "Test Authority", .ca = true}, other = {.cn = "Other Authority", .ca = true};
	static const struct cert_spec server = {.cn = "ignored", .san = "DNS:" HOST ",DNS:*.wild.example.com,IP:127.0.0.1,IP:::1"};

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)unsetenv("SSL_CERT_DIR");
	(void)unsetenv("SSL_CERT_FILE");
	(void)strlcpy(world.dir, "/tmp/test_tls.XXXXXX", sizeof(world.dir));
	if (mkdtemp(world.dir) == NULL)
		return -1;
	world.ca = make_identity(&ca, NULL);
	world.other = make_identity(&other, NULL);
	world.server = make_identity(&server, &world.ca);
	(void)snprintf(world.ca_file, sizeof(world.ca_file), "%s/ca.pem", world.dir);
	(void)snprintf(world.other_file, sizeof(world.other_file), "%s/other.pem", world.dir);
	(void)snprintf(world.path, sizeof(world.path), "%s/file.pem", world.dir);
	write_pem(world.ca_file, world.ca.cert, NULL, NULL);
	write_pem(world.other_file, world.other.cert, NULL, NULL);
	return 0;
}

static inline int
world_down(void **state)
{
	char *command = mem_printf("rm -rf '%s'", world.dir);

	(void)state;
	if (system(command) != 0)
		return -1;
	free(command);
	free_identity(&world.ca);
	free_identity(&world.other);
	free_identity(&world.server);
	return 0;
}

/* Drives the handshake to its end. */
static inline int
handshake(struct tls *t, int fd, struct outcome *o)
{
	int r = tls_attach(t, fd, o);

	if (r == -1)
		return TLS_FAILED;
	while ((r = tls_handshake(t, o)) == TLS_WANT_READ || r == TLS_WANT_WRITE) {
		struct pollfd p = {.fd = fd, .events = r == TLS_WANT_READ ? POLLIN : POLLOUT};

		if (poll(&p, 1, 10000) <= 0)
			fail_msg("the peer is silent");
	}
	return r;
}

/* A client by the policy against the peer. True: the handshake went well, and "hello" was said. */
static inline bool
talk(const struct tls_policy *policy, struct tls_peer *peer, struct outcome *o)
{
	struct tls *t = tls_new(policy, o);
	int fd, r;

	assert_non_null(t);
	fd = peer_start(peer);
	r = handshake(t, fd, o);
	if (r == 1)
		assert_int_equal(tls_write(t, "hello", 5), 5);
	else
		assert_int_equal(r, TLS_FAILED);
	tls_free(t);
	(void)close(fd);
	peer_join(peer);
	assert_string_equal(peer->got, r == 1 && peer->dialogue == NULL ? "hello" : "");
	return r == 1;
}

static inline void
assert_refused(const struct tls_policy *policy, struct tls_peer *peer, enum cause cause, const char *words)
{
	struct outcome o = {0};

	assert_false(talk(policy, peer, &o));
	if (o.cause != cause || strstr(o.why, words) == NULL)
		fail_msg("cause %d, not %d; why \"%s\", not \"%s\"", (int)o.cause, (int)cause, o.why, words);
	assert_int_equal(o.status, EX_PROTOCOL);
	assert_int_equal(o.stage, STAGE_TLS);
	assert_non_null(strstr(o.what, policy->name));
}

static inline void
assert_no_context(const struct tls_policy *policy, int status, enum cause cause, const char *what, const char *why)
{
	struct outcome o = {0};
	struct tls *t = tls_new(policy, &o);

	assert_null(t);
	if (strstr(o.what, what) == NULL || strstr(o.why, why) == NULL)
		fail_msg("\"%s: %s\", not \"%s: %s\"", o.what, o.why, what, why);
	assert_int_equal(o.status, status);
	assert_int_equal(o.cause, cause);
}

static inline void
environment(const char *dir, const char *file)
{
	if (dir != NULL)
		(void)setenv("SSL_CERT_DIR", dir, 1);
	else
		(void)unsetenv("SSL_CERT_DIR");
	if (file != NULL)
		(void)setenv("SSL_CERT_FILE", file, 1);
	else
		(void)unsetenv("SSL_CERT_FILE");
}

#endif
