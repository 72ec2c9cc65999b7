/*
 * Whom the TLS policy trusts, under which name, in which version, and in which words it says no. Fingerprints and our own certificate: test_tls_keys.c.
 */
#include "tls_world.h"

/* ---- names ---- */

static void
test_good_names(void **state)
{
	static const char *const names[] = {HOST, "SMTP.Example.COM", HOST ".", "a.wild.example.com", "127.0.0.1", "::1", "::1%lo"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct tls_policy policy = {.name = names[i], .ca_file = world.ca_file};
		struct tls_peer peer = {.id = &world.server};
		struct outcome o = {0};

		if (!talk(&policy, &peer, &o))
			fail_msg("%s: %s", names[i], o.why);
	}
}

static void
test_wrong_names(void **state)
{
	static const char *const names[] = {
		"mail.example.com", "example.com", "x.smtp.example.com", "a.b.wild.example.com", "wild.example.com", "127.0.0.2", "::2", "ignored",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct tls_policy policy = {.name = names[i], .ca_file = world.ca_file};
		struct tls_peer peer = {.id = &world.server};
		char *words = mem_printf("certificate is for smtp.example.com, *.wild.example.com, 127.0.0.1, ::1, not for %s", names[i]);

		assert_refused(&policy, &peer, CAUSE_CERT_NAME, words);
		free(words);
	}
}

static void
test_partial_wildcard_is_no_match(void **state)
{
	static const struct cert_spec spec = {.cn = "x", .san = "DNS:smt*.example.com"};
	struct identity id = make_identity(&spec, &world.ca);
	struct tls_policy policy = {.name = HOST, .ca_file = world.ca_file};
	struct tls_peer peer = {.id = &id};

	(void)state;
	assert_refused(&policy, &peer, CAUSE_CERT_NAME, "certificate is for smt*.example.com, not for " HOST);
	free_identity(&id);
}

static void
test_names_of_no_host_are_refused(void **state)
{
	static const char *const names[] = {"", ".", ".example.com"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct tls_policy policy = {.name = names[i], .ca_file = world.ca_file};

		assert_no_context(&policy, EX_CONFIG, CAUSE_CONFIG_WRONG, "tls-name", "not a host's name");
	}
}

static void
test_sni_is_for_names_only(void **state)
{
	static const struct { const char *name, *sni; } cases[] = {{HOST, HOST}, {HOST ".", HOST}, {"127.0.0.1", ""}, {"::1", ""}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_policy policy = {.name = cases[i].name, .ca_file = world.ca_file};
		struct tls_peer peer = {.id = &world.server};
		struct outcome o = {0};

		assert_true(talk(&policy, &peer, &o));
		assert_string_equal(peer.sni, cases[i].sni);
	}
}

/* Names that no tool would make. */
static void
add_raw_names(struct identity *id, const char *name, size_t len, int copies)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();

	for (int i = 0; i < copies; i++) {
		GENERAL_NAME *g = GENERAL_NAME_new();
		ASN1_IA5STRING *s = ASN1_IA5STRING_new();

		must(g != NULL && s != NULL && ASN1_STRING_set(s, name, (int)len) == 1, "name");
		GENERAL_NAME_set0_value(g, GEN_DNS, s);
		must(sk_GENERAL_NAME_push(names, g) > 0, "names");
	}
	must(X509_add1_ext_i2d(id->cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1, "names");
	must(X509_sign(id->cert, world.ca.key, EVP_sha256()) > 0, "X509_sign");
	GENERAL_NAMES_free(names);
}

/* A certificate's text is the other side's: bounded, and what we have to say is still there behind it. */
static void
test_hostile_names_are_bounded(void **state)
{
	static const struct cert_spec spec = {.cn = "x"};
	static char huge[4000];
	static const struct { const char *name; size_t len; int copies; const char *words; } cases[] = {
		{HOST "\0.evil.example", sizeof(HOST) + 13, 1, "certificate is for " HOST "\\0.evil.example, not for " HOST},
		{"evil\r\nname", 10, 1, "certificate is for evil\\r\\nname, not for " HOST},
		{"", 0, 1, "certificate is for no host by a subject alternative name (it is CN=x), not for " HOST},
		{"a.example", 9, 1000, "a.example, a.example, a...., not for " HOST},
		{huge, sizeof(huge), 10, "aaa...,..., not for " HOST},
	};

	(void)state;
	memset(huge, 'a', sizeof(huge));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct identity id = make_identity(&spec, &world.ca);
		struct tls_policy policy = {.name = HOST, .ca_file = world.ca_file};
		struct tls_peer peer = {.id = &id};

		add_raw_names(&id, cases[i].name, cases[i].len, cases[i].copies);
		assert_refused(&policy, &peer, CAUSE_CERT_NAME, cases[i].words);
		free_identity(&id);
	}
}

/* ---- trust and dates ---- */

static void
test_untrusted_authority(void **state)
{
	struct tls_policy policy = {.name = HOST, .ca_file = world.other_file};
	struct tls_peer peer = {.id = &world.server}, with_chain = {.id = &world.server, .chain = &world.ca};

	(void)state;
	assert_refused(&policy, &peer, CAUSE_CERT_CA, "signed by an authority that is not trusted: CN=Test Authority");
	assert_refused(&policy, &with_chain, CAUSE_CERT_CA, "not trusted: CN=Test Authority");
}

static void
test_authority_of_the_same_name(void **state)
{
	static const struct cert_spec twin_spec = {.cn = "Test Authority", .ca = true};
	struct identity twin = make_identity(&twin_spec, NULL);
	struct tls_policy policy = {.name = HOST, .ca_file = world.path};
	struct tls_peer peer = {.id = &world.server};

	(void)state;
	write_pem(world.path, twin.cert, NULL, NULL);
	assert_refused(&policy, &peer, CAUSE_CERT_CA, "CN=Test Authority");
	free_identity(&twin);
}

static void
test_self_signed(void **state)
{
	static const struct cert_spec spec = {.cn = "lonely", .san = "DNS:" HOST};
	struct identity id = make_identity(&spec, NULL);
	struct tls_policy policy = {.name = HOST, .ca_file = world.ca_file};
	struct tls_peer peer = {.id = &id}, again = {.id = &id};
	struct outcome o = {0};

	(void)state;
	assert_refused(&policy, &peer, CAUSE_CERT_CA, "signed by itself, by no authority that is trusted: CN=lonely");
	write_pem(world.path, id.cert, NULL, NULL);
	policy.ca_file = world.path;
	assert_true(talk(&policy, &again, &o));
	free_identity(&id);
}

/* Today and some days in UTC, as the words have it. */
static char *
day(long days)
{
	time_t when = time(NULL) + days * DAY;
	struct tm tm;
	char text[16];

	(void)strftime(text, sizeof(text), "%Y-%m-%d", gmtime_r(&when, &tm));
	return mem_dup(text);
}

static void
test_dates(void **state)
{
	static const struct cert_spec old = {.cn = "old", .san = "DNS:" HOST, .from = -20, .until = -10};
	static const struct cert_spec young = {.cn = "young", .san = "DNS:" HOST, .from = 10, .until = 20};
	struct identity expired = make_identity(&old, &world.ca), not_yet = make_identity(&young, &world.ca);
	struct tls_policy policy = {.name = HOST, .ca_file = world.ca_file};
	struct tls_peer peer_expired = {.id = &expired}, peer_not_yet = {.id = &not_yet};
	char *before = day(10), *after = day(-10), *words;

	(void)state;
	words = mem_printf("certificate expired on %s (CN=old)", after);
	assert_refused(&policy, &peer_expired, CAUSE_CERT_EXPIRED, words);
	free(words);
	words = mem_printf("certificate is not valid before %s (CN=young)", before);
	assert_refused(&policy, &peer_not_yet, CAUSE_CERT_NOT_YET, words);
	free(words);
	free(before);
	free(after);
	free_identity(&expired);
	free_identity(&not_yet);
}

static void
test_expired_authority(void **state)
{
	static const struct cert_spec old = {.cn = "Old Authority", .ca = true, .from = -20, .until = -10};
	static const struct cert_spec spec = {.cn = "x", .san = "DNS:" HOST};
	struct identity ca = make_identity(&old, NULL), id = make_identity(&spec, &ca);
	struct tls_policy policy = {.name = HOST, .ca_file = world.path};
	struct tls_peer peer = {.id = &id};

	(void)state;
	write_pem(world.path, ca.cert, NULL, NULL);
	assert_refused(&policy, &peer, CAUSE_CERT_EXPIRED, "certificate of an authority expired on");
	free_identity(&id);
	free_identity(&ca);
}

/* Trusted are the root, with the chain sent along, and also an authority that is itself signed by another. */
static void
test_intermediate_authority(void **state)
{
	static const struct cert_spec middle = {.cn = "Middle Authority", .ca = true}, spec = {.cn = "x", .san = "DNS:" HOST};
	struct identity between = make_identity(&middle, &world.ca), id = make_identity(&spec, &between);
	struct tls_policy root = {.name = HOST, .ca_file = world.ca_file}, alone = {.name = HOST, .ca_file = world.path};
	struct tls_peer whole = {.id = &id, .chain = &between}, without = {.id = &id}, again = {.id = &id};
	struct outcome o = {0};

	(void)state;
	write_pem(world.path, between.cert, NULL, NULL);
	assert_true(talk(&root, &whole, &o));
	assert_refused(&root, &without, CAUSE_CERT_CA, "not trusted: CN=Middle Authority");
	assert_true(talk(&alone, &again, &o));
	free_identity(&id);
	free_identity(&between);
}

/* What a check shows: whom the certificates belong to, whether or not they are trusted. */
static void
check_chain(const struct tls_policy *policy, const struct identity *id, const struct identity *chain, bool good, const char *subjects, int days)
{
	struct tls_peer peer = {.id = id, .chain = chain};
	struct tls_certificate list[4];
	struct outcome o = {0};
	struct buf got = {0};
	struct tls *t = tls_new(policy, &o);
	int fd;
	size_t n;

	assert_non_null(t);
	assert_int_equal(tls_certificates(t, list, 4), 0);
	fd = peer_start(&peer);
	assert_int_equal(handshake(t, fd, &o), good ? 1 : TLS_FAILED);
	n = tls_certificates(t, list, 4);
	for (size_t i = 0; i < n; i++)
		buf_printf(&got, "%s<%s;", list[i].subject, list[i].issuer);
	assert_string_equal(buf_str(&got), subjects);
	assert_string_equal(list[0].names, HOST);
	assert_true(list[0].days == days || list[0].days == days - 1);	/* a second may pass */
	assert_int_equal(strlen(list[0].until), 10);
	assert_int_equal(tls_certificates(t, list, 1), 1);
	assert_string_equal(tls_trusted(t), policy->fingerprint != NULL ? "tls-fingerprint" : policy->ca_file);
	buf_free(&got);
	tls_free(t);
	(void)close(fd);
	peer_join(&peer);
}

static void
test_certificates_are_shown(void **state)
{
	static const struct cert_spec middle = {.cn = "Middle Authority", .ca = true}, spec = {.cn = "x", .san = "DNS:" HOST};
	static const struct cert_spec old = {.cn = "old", .san = "DNS:" HOST, .from = -20, .until = -10};
	struct identity between = make_identity(&middle, &world.ca), id = make_identity(&spec, &between), expired = make_identity(&old, &world.ca);
	struct tls_policy good = {.name = HOST, .ca_file = world.ca_file}, wrong = {.name = HOST, .ca_file = world.other_file};
	struct tls_policy pinned = {.name = HOST, .fingerprint = "sha256:0000000000000000000000000000000000000000000000000000000000000000"};
	int days;

	(void)state;
	assert_int_equal(ASN1_TIME_diff(&days, &(int){0}, NULL, X509_get0_notAfter(id.cert)), 1);
	check_chain(&good, &id, &between, true, "CN=x<CN=Middle Authority;CN=Middle Authority<CN=Test Authority;CN=Test Authority<CN=Test Authority;", days);
	check_chain(&wrong, &id, &between, false, "CN=x<CN=Middle Authority;CN=Middle Authority<CN=Test Authority;", days);
	check_chain(&pinned, &id, &between, false, "CN=x<CN=Middle Authority;CN=Middle Authority<CN=Test Authority;", days);
	check_chain(&good, &expired, NULL, false, "CN=old<CN=Test Authority;CN=Test Authority<CN=Test Authority;", -10);
	free_identity(&expired);
	free_identity(&id);
	free_identity(&between);
}

static void
test_certificate_for_another_purpose(void **state)
{
	static const struct cert_spec spec = {.cn = "client", .san = "DNS:" HOST, .eku = "clientAuth"};
	struct identity id = make_identity(&spec, &world.ca);
	struct tls_policy policy = {.name = HOST, .ca_file = world.ca_file};
	struct tls_peer peer = {.id = &id};

	(void)state;
	assert_refused(&policy, &peer, CAUSE_CERT_OTHER, "(CN=client)");
	free_identity(&id);
}

/* A hashed directory with the certificate in it. */
static char *
make_hashed(const char *name, const struct identity *id)
{
	char *dir = in_dir(name), *file;

	must(mkdir(dir, 0700) == 0, dir);
	file = mem_printf("%s/%08lx.0", dir, X509_NAME_hash_ex(X509_get_subject_name(id->cert), NULL, NULL, NULL));
	write_pem(file, id->cert, NULL, NULL);
	free(file);
	return dir;
}

static void
test_ca_file_may_be_a_hashed_directory(void **state)
{
	char *dir = make_hashed("hashed", &world.ca), *empty = in_dir("empty");
	struct tls_policy policy = {.name = HOST, .ca_file = dir};
	struct tls_peer peer = {.id = &world.server};
	struct outcome o = {0};

	(void)state;
	assert_true(talk(&policy, &peer, &o));
	assert_int_equal(mkdir(empty, 0700), 0);
	policy.ca_file = empty;
	assert_no_context(&policy, EX_CONFIG, CAUSE_CONFIG_WRONG, empty, "c_rehash");
	free(dir);
	free(empty);
}

static void
test_unusable_ca_file(void **state)
{
	struct tls_policy policy = {.name = HOST, .ca_file = world.path};
	FILE *f;

	(void)state;
	(void)unlink(world.path);
	assert_no_context(&policy, EX_CONFIG, CAUSE_CONFIG_UNREADABLE, world.path, strerror(ENOENT));
	f = fopen(world.path, "w");
	assert_non_null(f);
	assert_int_equal(fputs("this is no certificate\n", f) >= 0 && fclose(f) == 0, 1);
	assert_no_context(&policy, EX_CONFIG, CAUSE_CONFIG_WRONG, world.path, "no certificate in PEM form in it");
}

static void
test_no_trust_store(void **state)
{
	struct tls_policy policy = {.name = HOST};

	(void)state;
	environment("/nonexistent", "/nonexistent");
	assert_no_context(&policy, EX_PROTOCOL, CAUSE_NO_TRUST_STORE, HOST, "no certificate of any authority");
	environment("/nonexistent", NULL);
	assert_no_context(&policy, EX_PROTOCOL, CAUSE_NO_TRUST_STORE, HOST, "");
	environment(NULL, "/dev/null");
	assert_no_context(&policy, EX_PROTOCOL, CAUSE_NO_TRUST_STORE, HOST, "");
	environment(NULL, NULL);
}

static void
test_store_of_the_environment(void **state)
{
	char *dir = make_hashed("store", &world.ca), *wrong = make_hashed("wrong", &world.other);
	char *list = mem_printf("/nonexistent:%s", dir), *unhashed = in_dir("unhashed");
	const struct { const char *dir, *file; bool trusted; } cases[] = {
		{dir, NULL, true}, {list, NULL, true}, {NULL, world.ca_file, true}, {NULL, world.other_file, false},
		{dir, world.other_file, true}, {wrong, world.ca_file, false},	/* the directory first, and the bundle only without it */
		{unhashed, world.ca_file, true}, {"", world.ca_file, true},
	};

	(void)state;
	assert_int_equal(mkdir(unhashed, 0700), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_policy policy = {.name = HOST};
		struct tls_peer peer = {.id = &world.server};
		struct outcome o = {0};

		environment(cases[i].dir, cases[i].file);
		if (talk(&policy, &peer, &o) != cases[i].trusted)
			fail_msg("case %zu: %s", i, o.why);
	}
	environment(NULL, NULL);
	free(dir);
	free(wrong);
	free(list);
	free(unhashed);
}

/* With a file of its own a smarthost is not trusted for what the system trusts. */
static void
test_ca_file_stands_alone(void **state)
{
	struct tls_policy policy = {.name = HOST, .ca_file = world.other_file};
	struct tls_peer peer = {.id = &world.server};

	(void)state;
	environment(NULL, world.ca_file);
	assert_refused(&policy, &peer, CAUSE_CERT_CA, "CN=Test Authority");
	environment(NULL, NULL);
}

/* ---- versions, and peers that do not speak TLS ---- */

static void
test_versions(void **state)
{
	static const struct { int server, least; const char *version; } cases[] = {
		{TLS1_1_VERSION, 0, NULL}, {TLS1_2_VERSION, 0, "TLSv1.2 "}, {TLS1_2_VERSION, 12, "TLSv1.2 "}, {TLS1_2_VERSION, 13, NULL},
		{TLS1_3_VERSION, 0, "TLSv1.3 "}, {TLS1_3_VERSION, 13, "TLSv1.3 "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_policy policy = {.name = HOST, .ca_file = world.ca_file, .min_version = cases[i].least};
		struct tls_peer peer = {.id = &world.server, .min = cases[i].server, .max = cases[i].server};
		struct outcome o = {0};
		struct tls *t = tls_new(&policy, &o);
		int fd = peer_start(&peer), r = handshake(t, fd, &o);

		if (cases[i].version == NULL) {
			assert_int_equal(r, TLS_FAILED);
			assert_int_equal(o.cause, CAUSE_TLS);
			assert_string_equal(o.why, "there is no version of TLS that both sides allow");
		} else {
			assert_int_equal(r, 1);
			assert_memory_equal(tls_describe(t), cases[i].version, strlen(cases[i].version));
		}
		assert_string_equal(tls_name(t), HOST);
		tls_free(t);
		(void)close(fd);
		peer_join(&peer);
	}
}

/* A peer that has said its text already, and closes. */
static void
handshake_with_text(const char *text, struct outcome *o)
{
	struct tls_policy policy = {.name = HOST, .ca_file = world.ca_file};
	struct tls *t = tls_new(&policy, o);
	int fd[2];

	assert_non_null(t);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_int_equal(write(fd[1], text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(shutdown(fd[1], SHUT_WR), 0);
	assert_int_equal(handshake(t, fd[0], o), TLS_FAILED);
	tls_free(t);
	(void)close(fd[0]);
	(void)close(fd[1]);
}

static void
test_peer_that_does_not_speak_tls(void **state)
{
	static const char *const texts[] = {
		"220 smtp.example.com ESMTP ready\r\n", "250-PIPELINING\r\n250 8BITMIME\r\n", "* OK IMAP4rev1\r\n", "HTTP/1.0 400 Bad Request\r\n\r\n", "POST / HTTP/1.0\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct outcome o = {0};

		handshake_with_text(texts[i], &o);
		assert_int_equal(o.status, EX_PROTOCOL);
		assert_int_equal(o.cause, CAUSE_TLS);
		assert_string_equal(o.why, "the smarthost does not speak TLS there");
	}
}

static void
test_peer_that_goes_away(void **state)
{
	static const char *const texts[] = {"", "\x16\x03\x03"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct outcome o = {0};

		handshake_with_text(texts[i], &o);
		assert_int_equal(o.status, EX_TEMPFAIL);
		assert_int_equal(o.cause, CAUSE_LOST);
		assert_string_equal(o.why, "the smarthost closed the connection");
	}
}

static void
test_free_at_any_time(void **state)
{
	struct tls_policy policy = {.name = HOST, .ca_file = world.ca_file};
	struct outcome o = {0};
	struct tls *t = tls_new(&policy, &o);

	(void)state;
	tls_free(NULL);
	assert_non_null(t);
	assert_string_equal(tls_describe(t), "");
	tls_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_names),
		cmocka_unit_test(test_wrong_names),
		cmocka_unit_test(test_partial_wildcard_is_no_match),
		cmocka_unit_test(test_names_of_no_host_are_refused),
		cmocka_unit_test(test_sni_is_for_names_only),
		cmocka_unit_test(test_hostile_names_are_bounded),
		cmocka_unit_test(test_untrusted_authority),
		cmocka_unit_test(test_authority_of_the_same_name),
		cmocka_unit_test(test_self_signed),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_expired_authority),
		cmocka_unit_test(test_intermediate_authority),
		cmocka_unit_test(test_certificates_are_shown),
		cmocka_unit_test(test_certificate_for_another_purpose),
		cmocka_unit_test(test_ca_file_may_be_a_hashed_directory),
		cmocka_unit_test(test_unusable_ca_file),
		cmocka_unit_test(test_no_trust_store),
		cmocka_unit_test(test_store_of_the_environment),
		cmocka_unit_test(test_ca_file_stands_alone),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_peer_that_does_not_speak_tls),
		cmocka_unit_test(test_peer_that_goes_away),
		cmocka_unit_test(test_free_at_any_time),
	};

	return cmocka_run_group_tests(tests, world_up, world_down);
}
