/*
 * Pinned fingerprints, and the certificate that we show ourselves.
 */
#include "tls_world.h"

/* ---- fingerprints ---- */

/* A fingerprint of the certificate, or of its key. The caller frees it. */
static char *
fingerprint(const struct identity *id, bool key, bool colons)
{
	unsigned char hash[32], *der = NULL;
	struct buf b = {0};
	unsigned n;
	int len;

	if (key) {
		len = i2d_PUBKEY(id->key, &der);
		must(len > 0 && EVP_Digest(der, (size_t)len, hash, &n, EVP_sha256(), NULL) == 1, "hash");
		OPENSSL_free(der);
	} else {
		must(X509_digest(id->cert, EVP_sha256(), hash, &n) == 1, "hash");
	}
	buf_puts(&b, key ? "spki-sha256:" : "sha256:");
	for (size_t i = 0; i < sizeof(hash); i++)
		buf_printf(&b, colons ? "%s%02X" : "%s%02x", colons && i > 0 ? ":" : "", hash[i]);
	return b.data;
}

/* It stands for chain, name and dates. */
static void
test_fingerprint_matches(void **state)
{
	static const struct cert_spec spec = {.cn = "old", .san = "DNS:elsewhere.example", .from = -20, .until = -10};
	struct identity id = make_identity(&spec, &world.other);

	(void)state;
	environment("/nonexistent", "/nonexistent");
	for (int i = 0; i < 4; i++) {
		char *pin = fingerprint(&id, (i & 1) != 0, (i & 2) != 0);
		struct tls_policy policy = {.name = HOST, .fingerprint = pin};
		struct tls_peer peer = {.id = &id};
		struct outcome o = {0};

		if (!talk(&policy, &peer, &o))
			fail_msg("%s: %s", pin, o.why);
		free(pin);
	}
	environment(NULL, NULL);
	free_identity(&id);
}

/* And nothing stands for it: the certificate here is good. assert_refused() sees that not an octet was sent. */
static void
test_fingerprint_mismatch_names_the_other(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		bool key = i == 1;
		char *pin = fingerprint(&world.other, key, false), *real = fingerprint(&world.server, key, false);
		struct tls_policy policy = {.name = HOST, .ca_file = world.ca_file, .fingerprint = pin};
		struct tls_peer peer = {.id = &world.server};

		assert_refused(&policy, &peer, CAUSE_CERT_FINGERPRINT, real);
		free(pin);
		free(real);
	}
}

static void
test_nothing_is_read_or_written_after_a_mismatch(void **state)
{
	char *pin = fingerprint(&world.other, false, false), c;
	struct tls_policy policy = {.name = HOST, .fingerprint = pin};
	struct tls_peer peer = {.id = &world.server};
	struct outcome o = {0};
	struct tls *t = tls_new(&policy, &o);
	int fd = peer_start(&peer);

	(void)state;
	assert_int_equal(handshake(t, fd, &o), TLS_FAILED);
	assert_int_equal(tls_write(t, "secret", 6), TLS_FAILED);
	assert_int_equal(tls_read(t, &c, 1), TLS_FAILED);
	assert_string_not_equal(tls_error(t), "");
	tls_free(t);
	(void)close(fd);
	peer_join(&peer);
	assert_string_equal(peer.got, "");
	free(pin);
}

static void
test_malformed_fingerprints(void **state)
{
	static const char *const pins[] = {
		"", "sha256:", "sha256:00", "md5:00112233445566778899aabbccddeeff", "0011",
		"sha256:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
		"sha256:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1g",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pins) / sizeof(pins[0]); i++) {
		struct tls_policy policy = {.name = HOST, .fingerprint = pins[i]};

		assert_no_context(&policy, EX_CONFIG, CAUSE_CONFIG_WRONG, "tls-fingerprint", "hexadecimal");
	}
}

/* ---- our own certificate ---- */

/* 1: the key, written with one passphrase, can be used with the other. */
static int
locked_key_opens(const char *cert, const char *key, const struct identity *id, const char *written, const char *told)
{
	struct buf passphrase = {0};
	struct tls_policy policy = {.name = HOST, .ca_file = world.ca_file, .certificate = cert, .key = key, .passphrase = &passphrase};
	struct outcome o = {0};
	struct tls *tls;

	write_pem(key, NULL, id->key, written);
	buf_puts(&passphrase, told);
	tls = tls_new(&policy, &o);
	buf_wipe(&passphrase);
	if (tls == NULL)
		assert_string_equal(o.why, "tls-key-password is not its passphrase");
	tls_free(tls);
	return tls != NULL;
}

static void
test_client_certificate(void **state)
{
	static const struct cert_spec spec = {.cn = "submitter"};
	struct identity id = make_identity(&spec, &world.ca);
	char *both = in_dir("both.pem"), *cert = in_dir("cert.pem"), *key = in_dir("key.pem");
	const struct tls_policy policies[] = {
		{.name = HOST, .ca_file = world.ca_file, .certificate = both}, {.name = HOST, .ca_file = world.ca_file, .certificate = cert, .key = key},
	};

	(void)state;
	write_pem(both, id.cert, id.key, NULL);
	write_pem(cert, id.cert, NULL, NULL);
	write_pem(key, NULL, id.key, NULL);
	for (size_t i = 0; i < 2; i++) {
		struct tls_peer peer = {.id = &world.server, .client_ca = &world.ca};
		struct outcome o = {0};

		if (!talk(&policies[i], &peer, &o))
			fail_msg("%s", o.why);
		assert_string_equal(peer.client, "/CN=submitter");
	}
	assert_int_equal(locked_key_opens(cert, key, &id, "a passphrase", "a passphrase"), 1);
	assert_int_equal(locked_key_opens(cert, key, &id, "a passphrase", "a passphrase\n"), 0);
	assert_int_equal(locked_key_opens(cert, key, &id, "a passphrase", "another"), 0);
	free(both);
	free(cert);
	free(key);
	free_identity(&id);
}

static void
test_unusable_client_certificate(void **state)
{
	static const struct cert_spec spec = {.cn = "submitter"};
	struct identity id = make_identity(&spec, &world.ca);
	EVP_PKEY *rsa = EVP_RSA_gen(2048);
	char *cert = in_dir("c.pem"), *locked = in_dir("locked.pem"), *foreign = in_dir("foreign.pem"), *other = in_dir("rsa.pem");
	const struct { const char *cert, *key, *what, *why; } cases[] = {
		{"/nonexistent/c", NULL, "tls-certificate /nonexistent/c", strerror(ENOENT)},
		{cert, "/nonexistent/k", "tls-key /nonexistent/k", strerror(ENOENT)},
		{cert, NULL, "tls-certificate ", "no private key in PEM form"},
		{cert, cert, "tls-key ", "no private key in PEM form"},
		{cert, locked, "tls-key ", "the key is encrypted with a passphrase"},
		{cert, foreign, "tls-key ", "the key does not belong to the certificate"},
		{cert, other, "tls-key ", "the key does not belong to the certificate"},
		{locked, locked, "tls-certificate ", ""},
	};

	(void)state;
	write_pem(cert, id.cert, NULL, NULL);
	write_pem(locked, NULL, id.key, "a passphrase");
	write_pem(foreign, NULL, world.other.key, NULL);
	write_pem(other, NULL, rsa, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_policy policy = {.name = HOST, .ca_file = world.ca_file, .certificate = cases[i].cert, .key = cases[i].key};

		assert_no_context(&policy, EX_CONFIG, CAUSE_TLS_CLIENT_CERT, cases[i].what, cases[i].why);
	}
	EVP_PKEY_free(rsa);
	free(cert);
	free(locked);
	free(foreign);
	free(other);
	free_identity(&id);
}

/* In TLS 1.2 the server's no comes in the handshake. */
static void
test_server_refuses_our_certificate(void **state)
{
	static const struct cert_spec spec = {.cn = "stranger"};
	struct identity id = make_identity(&spec, &world.other);
	struct tls_policy policy = {.name = HOST, .ca_file = world.ca_file, .certificate = world.path};
	struct tls_peer peer = {.id = &world.server, .client_ca = &world.ca, .max = TLS1_2_VERSION};

	(void)state;
	write_pem(world.path, id.cert, id.key, NULL);
	assert_refused(&policy, &peer, CAUSE_TLS_CLIENT_CERT, "does not take our certificate: ");
	free_identity(&id);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fingerprint_matches),
		cmocka_unit_test(test_fingerprint_mismatch_names_the_other),
		cmocka_unit_test(test_nothing_is_read_or_written_after_a_mismatch),
		cmocka_unit_test(test_malformed_fingerprints),
		cmocka_unit_test(test_client_certificate),
		cmocka_unit_test(test_unusable_client_certificate),
		cmocka_unit_test(test_server_refuses_our_certificate),
	};

	return cmocka_run_group_tests(tests, world_up, world_down);
}
