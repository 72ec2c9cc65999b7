/*
 * Signing in: each mechanism octet for octet, what follows a refusal, and that no secret is shown.
 */
#include <openssl/evp.h>
#include "smtp/auth.h"
#include "smtp_peer.h"

#define USER "app@example.com"
#define PASSWORD "s3cret, of \"words\" \303\274"

/* One try to sign in, and all that came of it. */
struct attempt {
	struct peer peer;
	struct smarthost host;
	struct client client;
	struct outcome o;
	int status;
	struct buf trace;
};

static struct attempt *
new_attempt(const char *offer)
{
	struct attempt *a = mem_alloc(sizeof(*a));

	a->peer.ehlo = mem_printf("250-hello\r\n250 AUTH %s", offer);
	a->host = (struct smarthost){.host = mem_dup("127.0.0.1"), .tls = TLS_MODE_NONE, .user = mem_dup(USER)};
	a->host.password = (struct secret_source){.kind = SECRET_TEXT, .value = mem_dup(PASSWORD)};
	return a;
}

static void
use_token(struct attempt *a, const char *token)
{
	a->host.token = (struct secret_source){.kind = SECRET_TEXT, .value = mem_dup(token)};
}

static void
sign_in(struct attempt *a)
{
	struct trace trace;
	char block[4096];
	ssize_t n;
	int fd = memfd_create("trace", MFD_CLOEXEC);

	peer_start(&a->peer);
	a->host.port = a->peer.port;
	trace_init(&trace, fd, NULL);
	a->status = client_open(&a->client, &a->host, true, "client.example.com", clock_now() + PATIENCE, &trace, &a->o);
	client_close(&a->client);
	peer_stop(&a->peer);
	peer_must(lseek(fd, 0, SEEK_SET) == 0, "lseek");
	while ((n = read(fd, block, sizeof(block))) > 0)
		buf_add(&a->trace, block, (size_t)n);
	(void)close(fd);
}

static void
free_attempt(struct attempt *a)
{
	free((void *)(uintptr_t)a->peer.ehlo);
	free(a->host.host);
	free(a->host.user);
	free(a->host.password.value);
	free(a->host.token.value);
	free(a->host.auth);
	free(a->host.authorization_id);
	free(a->host.tls_certificate);
	peer_free(&a->peer);
	buf_free(&a->trace);
	free(a);
}

/* Line i of what the smarthost was told after EHLO, or "". Valid until the next call. */
static const char *
told(const struct attempt *a, size_t i)
{
	static struct buf line;
	const char *p = buf_str(&a->peer.commands);

	for (i++; i > 0 && p != NULL; i--)
		if ((p = strchr(p, '\n')) != NULL)
			p++;
	buf_reset(&line);
	buf_add(&line, p == NULL ? "" : p, p == NULL ? 0 : strcspn(p, "\n"));
	return line.data;
}

/* True where line i is prefix and then the octets in base64, and nothing else. */
static void
assert_response(const struct attempt *a, size_t i, const char *prefix, const char *octets, size_t n)
{
	const char *line = told(a, i);
	size_t skip = strlen(prefix);
	unsigned char *want = mem_alloc(n * 2 + 8);

	(void)EVP_EncodeBlock(want, (const unsigned char *)octets, (int)n);
	if (strncmp(line, prefix, skip) != 0 || strcmp(line + skip, (char *)want) != 0)
		fail_msg("\"%s\", not \"%s%s\"", line, prefix, (char *)want);
	free(want);
}

/* Neither the text nor its base64, in whole or in its first 12 octets, stands anywhere that a person could see it. */
static void
assert_hidden(struct attempt *a, const char *secret, size_t n)
{
	char base64[1024], places[4][8192];

	(void)EVP_EncodeBlock((unsigned char *)base64, (const unsigned char *)secret, (int)n);
	base64[12] = '\0';
	(void)strlcpy(places[0], buf_str(&a->trace), sizeof(places[0]));
	(void)strlcpy(places[1], a->o.why, sizeof(places[1]));
	(void)strlcpy(places[2], a->o.what, sizeof(places[2]));
	(void)strlcpy(places[3], a->client.reply.text, sizeof(places[3]));
	for (size_t i = 0; i < 4; i++) {
		assert_null(strstr(places[i], base64));
		if (memchr(secret, '\0', n) == NULL)
			assert_null(memmem(places[i], strlen(places[i]), secret, n));
	}
}

static void
plain(void **state)
{
	struct attempt *a = new_attempt("PLAIN LOGIN");

	(void)state;
	a->peer.auth[0] = "235 2.7.0 welcome";
	sign_in(a);
	assert_int_equal(a->status, 0);
	assert_string_equal(a->client.mechanism, "PLAIN");
	assert_response(a, 0, "AUTH PLAIN ", "\0" USER "\0" PASSWORD, sizeof("\0" USER "\0" PASSWORD) - 1);
	assert_string_equal(told(a, 1), "QUIT");
	assert_hidden(a, PASSWORD, sizeof(PASSWORD) - 1);
	assert_hidden(a, "\0" USER "\0" PASSWORD, sizeof("\0" USER "\0" PASSWORD) - 1);
	assert_non_null(strstr(a->trace.data, "C: AUTH PLAIN ***"));
	free_attempt(a);
}

static void
plain_with_authorization_id(void **state)
{
	static const char want[] = "boss@example.com\0" USER "\0" PASSWORD;
	struct attempt *a = new_attempt("PLAIN");

	(void)state;
	a->host.authorization_id = mem_dup("boss@example.com");
	a->peer.auth[0] = "235 ok";
	sign_in(a);
	assert_int_equal(a->status, 0);
	assert_response(a, 0, "AUTH PLAIN ", want, sizeof(want) - 1);
	free_attempt(a);
}

/* User first, password second, whatever is asked. */
static void
login(void **state)
{
	static const char *const prompts[][2] = {
		{"334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"}, {"334 UGFzc3dvcmQ6", "334 VXNlcm5hbWU6"}, {"334", "334 "}, {"334 not base64!", "334 =="},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(prompts) / sizeof(prompts[0]); i++) {
		struct attempt *a = new_attempt("LOGIN");

		a->peer.auth[0] = prompts[i][0];
		a->peer.auth[1] = prompts[i][1];
		a->peer.auth[2] = "235 ok";
		sign_in(a);
		assert_int_equal(a->status, 0);
		assert_string_equal(told(a, 0), "AUTH LOGIN");
		assert_response(a, 1, "", USER, sizeof(USER) - 1);
		assert_response(a, 2, "", PASSWORD, sizeof(PASSWORD) - 1);
		assert_hidden(a, PASSWORD, sizeof(PASSWORD) - 1);
		free_attempt(a);
	}
}

static void
external(void **state)
{
	static const struct { const char *id; const char *line; } rows[] = {
		{NULL, "AUTH EXTERNAL ="}, {"boss@example.com", "AUTH EXTERNAL Ym9zc0BleGFtcGxlLmNvbQ=="},
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct attempt *a = new_attempt("PLAIN EXTERNAL");

		a->host.tls_certificate = mem_dup("unused without TLS");
		a->host.authorization_id = rows[i].id == NULL ? NULL : mem_dup(rows[i].id);
		a->peer.auth[0] = "235 ok";
		sign_in(a);
		assert_int_equal(a->status, 0);
		assert_string_equal(told(a, 0), rows[i].line);
		free_attempt(a);
	}
}

static void
bearers(void **state)
{
	struct attempt *a = new_attempt("PLAIN XOAUTH2");
	char want[200];
	int n;

	(void)state;
	use_token(a, "ya29.tok+en/==");
	a->peer.auth[0] = "235 ok";
	sign_in(a);
	assert_int_equal(a->status, 0);
	n = snprintf(want, sizeof(want), "user=" USER "\001auth=Bearer ya29.tok+en/==\001\001");
	assert_response(a, 0, "AUTH XOAUTH2 ", want, (size_t)n);
	assert_hidden(a, "ya29.tok+en/==", 14);
	free_attempt(a);

	a = new_attempt("XOAUTH2 OAUTHBEARER PLAIN");
	use_token(a, "ya29.tok+en/==");
	free(a->host.user);
	a->host.user = mem_dup("a=b,c@example.com");
	a->peer.auth[0] = "235 ok";
	sign_in(a);
	assert_int_equal(a->status, 0);
	n = snprintf(want, sizeof(want), "n,a=a=3Db=2Cc@example.com,\001host=127.0.0.1\001port=%u\001auth=Bearer ya29.tok+en/==\001\001",
	    (unsigned)a->peer.port);
	assert_response(a, 0, "AUTH OAUTHBEARER ", want, (size_t)n);
	free_attempt(a);
}

/* A refused token: 334 with JSON, ended as each mechanism wants it; what the JSON says is told. */
static void
refused_token(void **state)
{
	static const struct { const char *offer, *end; } rows[] = {{"XOAUTH2", ""}, {"OAUTHBEARER", "AQ=="}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct attempt *a = new_attempt(rows[i].offer);

		use_token(a, "ya29.tok+en/==");
		a->peer.auth[0] = "334 eyJzdGF0dXMiOiI0MDAiLCJnb3QiOiJ5YTI5LnRvaytlbi89PSJ9";	/* {"status":"400","got":"ya29.tok+en/=="} */
		a->peer.auth[1] = "535 5.7.8 not accepted";
		sign_in(a);
		assert_int_equal(a->status, -1);
		assert_int_equal(a->o.status, EX_NOPERM);
		assert_string_equal(told(a, 1), rows[i].end);
		assert_string_equal(told(a, 2), "QUIT");
		assert_non_null(strstr(a->o.why, "535 5.7.8 not accepted {\"status\":\"400\",\"got\":\"***\"}"));
		assert_hidden(a, "ya29.tok+en/==", 14);
		free_attempt(a);
	}
}

/* A token of 3,000 octets goes behind a 334, wholly, and not in the command line (RFC 4954 section 4); one that just fits does not. */
static void
long_token(void **state)
{
	static const struct { size_t n; bool initial; } rows[] = {{3000, false}, {65536, false}, {200, true}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct attempt *a = new_attempt("XOAUTH2");
		struct buf token = {0}, want = {0};

		while (token.len < rows[i].n)
			buf_putc(&token, (char)('a' + token.len % 26));
		use_token(a, token.data);
		buf_printf(&want, "user=" USER "\001auth=Bearer %s\001\001", token.data);
		a->peer.auth[0] = rows[i].initial ? "235 ok" : "334 ";
		a->peer.auth[1] = "235 ok";
		sign_in(a);
		assert_int_equal(a->status, 0);
		if (!rows[i].initial)
			assert_string_equal(told(a, 0), "AUTH XOAUTH2");
		assert_response(a, rows[i].initial ? 0 : 1, rows[i].initial ? "AUTH XOAUTH2 " : "", want.data, want.len);
		buf_free(&token);
		buf_free(&want);
		free_attempt(a);
	}
}

/* The longest command line with an initial response has 512 octets, its CRLF counted. */
static void
command_line_bound(void **state)
{
	size_t longest = 0;

	(void)state;
	for (size_t n = 330; n <= 380; n++) {
		struct attempt *a = new_attempt("PLAIN");
		struct buf password = {0};
		size_t len;

		while (password.len < n)
			buf_putc(&password, 'p');
		free(a->host.password.value);
		a->host.password.value = password.data;
		a->peer.auth[0] = n * 4 / 3 > 600 ? "334 " : "235 ok";
		sign_in(a);
		len = strlen(told(a, 0)) + 2;
		assert_true(len <= 512);
		longest = len > longest ? len : longest;
		free_attempt(a);
	}
	assert_true(longest > 508);
}

/* Who does not know a mechanism that he offers (504) is asked the next; a refused password is not tried in another. */
static void
next_mechanism(void **state)
{
	static const struct { const char *answer; int status; bool next; } rows[] = {
		{"504 5.5.4 unknown", 0, true}, {"535 5.7.8 wrong", EX_NOPERM, false}, {"534 5.7.9 app password", EX_NOPERM, false},
		{"454 4.7.0 later", EX_TEMPFAIL, false}, {"530 5.7.0 STARTTLS", EX_NOPERM, false}, {"500 5.5.1 what", EX_NOPERM, false},
		{"421 4.7.0 bye", EX_TEMPFAIL, false}, {"250 what", EX_PROTOCOL, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct attempt *a = new_attempt("LOGIN PLAIN");

		a->peer.auth[0] = rows[i].answer;
		a->peer.auth[1] = "334 VXNlcm5hbWU6";
		a->peer.auth[2] = "334 UGFzc3dvcmQ6";
		a->peer.auth[3] = "235 ok";
		sign_in(a);
		assert_int_equal(a->o.status, rows[i].status);
		assert_int_equal(a->status, rows[i].status == 0 ? 0 : -1);
		assert_int_equal(strcmp(told(a, 1), "AUTH LOGIN") == 0, rows[i].next);
		assert_string_equal(a->client.mechanism, rows[i].next ? "LOGIN" : "PLAIN");
		if (rows[i].status == EX_NOPERM)
			assert_non_null(strstr(a->o.what, USER));
		free_attempt(a);
	}
}

static void
nobody_knows_any(void **state)
{
	struct attempt *a = new_attempt("LOGIN PLAIN");

	(void)state;
	a->peer.auth[0] = a->peer.auth[1] = "504 5.5.4 unknown";
	sign_in(a);
	assert_int_equal(a->status, -1);
	assert_int_equal(a->o.status, EX_NOPERM);
	assert_int_equal(a->o.code, 504);
	free_attempt(a);
}

/* What one mechanism has sent is not shown when the smarthost quotes it to the next. */
static void
echoed_later(void **state)
{
	static const char whole[] = "\0" USER "\0" PASSWORD;
	char base64[200], text[600];
	struct attempt *a = new_attempt("PLAIN LOGIN");

	(void)state;
	(void)EVP_EncodeBlock((unsigned char *)base64, (const unsigned char *)whole, (int)sizeof(whole) - 1);
	(void)snprintf(text, sizeof(text), "535 5.7.8 what was AUTH PLAIN %s?", base64);
	a->peer.auth[0] = "504 5.5.4 unknown";
	a->peer.auth[1] = text;
	sign_in(a);
	assert_int_equal(a->o.status, EX_NOPERM);
	assert_hidden(a, whole, sizeof(whole) - 1);
	free_attempt(a);
}

static void
what_is_chosen(void **state)
{
	static const struct { const char *offer, *auth; bool certificate, token; const char *mechanism; enum cause cause; } rows[] = {
		{"LOGIN PLAIN CRAM-MD5", NULL, false, false, "PLAIN", 0}, {"LOGIN", NULL, false, false, "LOGIN", 0},
		{"LOGIN PLAIN", "LOGIN", false, false, "LOGIN", 0}, {"PLAIN", "LOGIN", false, false, "", CAUSE_NO_COMMON_MECHANISM},
		{"PLAIN XOAUTH2 OAUTHBEARER EXTERNAL", NULL, true, true, "EXTERNAL", 0}, {"PLAIN XOAUTH2 OAUTHBEARER", NULL, true, true, "OAUTHBEARER", 0},
		{"PLAIN XOAUTH2", NULL, true, true, "XOAUTH2", 0}, {"PLAIN XOAUTH2", NULL, true, false, "PLAIN", 0},
		{"PLAIN EXTERNAL", NULL, false, false, "PLAIN", 0}, {"GSSAPI NTLM", NULL, false, false, "", CAUSE_NO_COMMON_MECHANISM},
		{"PLAINX XPLAIN", NULL, false, false, "", CAUSE_NO_COMMON_MECHANISM}, {"", NULL, false, false, "", CAUSE_NO_AUTH_OFFERED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct attempt *a = new_attempt(rows[i].offer);

		a->host.auth = rows[i].auth == NULL ? NULL : mem_dup(rows[i].auth);
		a->host.tls_certificate = rows[i].certificate ? mem_dup("x") : NULL;
		if (rows[i].token)
			use_token(a, "token");
		for (size_t k = 0; k < 3; k++)
			a->peer.auth[k] = strcmp(rows[i].mechanism, "LOGIN") == 0 && k < 2 ? "334 " : "235 ok";
		sign_in(a);
		assert_string_equal(a->client.mechanism, rows[i].mechanism);
		assert_int_equal(a->o.cause, rows[i].cause);
		assert_int_equal(a->o.status, rows[i].cause == 0 ? 0 : EX_NOPERM);
		if (rows[i].cause != 0)
			assert_string_equal(told(a, 0), "QUIT");
		free_attempt(a);
	}
}

/* A smarthost that says the secret back, as it is, in base64, or the beginning of the command: none of it is shown. */
static void
echoed_secrets(void **state)
{
	static const char whole[] = "\0" USER "\0" PASSWORD;
	char base64[200], coded[200], text[8][600];

	(void)state;
	(void)EVP_EncodeBlock((unsigned char *)base64, (const unsigned char *)whole, (int)sizeof(whole) - 1);
	(void)EVP_EncodeBlock((unsigned char *)coded, (const unsigned char *)PASSWORD, (int)sizeof(PASSWORD) - 1);
	(void)snprintf(text[0], 600, "535 5.7.8 no such user with " PASSWORD " here");
	(void)snprintf(text[1], 600, "535 5.7.8 cannot decode AUTH PLAIN %s", base64);
	(void)snprintf(text[2], 600, "535 5.7.8 cannot decode AUTH PLAIN %.40s...", base64);
	(void)snprintf(text[3], 600, "535-5.7.8 " PASSWORD PASSWORD "\r\n535 5.7.8 %s%s", base64, base64);
	(void)snprintf(text[4], 600, "what about AUTH PLAIN %s?", base64);
	(void)snprintf(text[5], 600, "235 hello " PASSWORD "!");
	(void)snprintf(text[6], 600, "535-5.7.8 no s3cret,\r\n535 5.7.8 of \"words\" \303\274 here");
	(void)snprintf(text[7], 600, "535 5.7.8 bad password %s", coded);
	for (size_t i = 0; i < 8; i++) {
		struct attempt *a = new_attempt("PLAIN");

		a->peer.auth[0] = text[i];
		sign_in(a);
		assert_int_equal(a->o.status, i < 4 || i >= 6 ? EX_NOPERM : i == 4 ? EX_PROTOCOL : 0);
		assert_hidden(a, PASSWORD, sizeof(PASSWORD) - 1);
		assert_hidden(a, whole, sizeof(whole) - 1);
		assert_null(strstr(a->o.why, coded));
		if (i < 4 || i == 7)
			assert_non_null(strstr(a->o.why, "***"));
		free_attempt(a);
	}
}

/* A challenge that nobody has asked for is cancelled, and what is asked again after that is no sign-in. */
static void
stray_challenges(void **state)
{
	struct attempt *a = new_attempt("PLAIN");

	(void)state;
	a->peer.auth[0] = "334 more";
	a->peer.auth[1] = "501 5.7.0 cancelled";
	sign_in(a);
	assert_int_equal(a->o.status, EX_NOPERM);
	assert_string_equal(told(a, 1), "*");
	assert_string_equal(told(a, 2), "QUIT");
	free_attempt(a);

	a = new_attempt("PLAIN");
	a->peer.auth[0] = "334 more";
	a->peer.auth[1] = "235 2.7.0 welcome";
	sign_in(a);
	assert_int_equal(a->o.status, EX_PROTOCOL);
	assert_int_equal(a->o.cause, CAUSE_SASL);
	free_attempt(a);

	a = new_attempt("PLAIN");
	a->peer.auth[0] = a->peer.auth[1] = "334 more";
	sign_in(a);
	assert_int_equal(a->o.status, EX_PROTOCOL);
	assert_string_equal(told(a, 2), "");	/* no QUIT into an exchange that is not over */
	free_attempt(a);
}

/* A password that cannot be had: nothing of AUTH is said. */
static void
no_password(void **state)
{
	struct attempt *a = new_attempt("PLAIN");

	(void)state;
	free(a->host.password.value);
	a->host.password = (struct secret_source){.kind = SECRET_FILE, .value = mem_dup("/nonexistent/password")};
	sign_in(a);
	assert_int_equal(a->o.status, EX_CONFIG);
	assert_int_equal(a->o.cause, CAUSE_SECRET_UNREADABLE);
	assert_string_equal(told(a, 0), "QUIT");
	free_attempt(a);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain), cmocka_unit_test(plain_with_authorization_id), cmocka_unit_test(login), cmocka_unit_test(external),
		cmocka_unit_test(bearers), cmocka_unit_test(refused_token), cmocka_unit_test(long_token), cmocka_unit_test(command_line_bound),
		cmocka_unit_test(next_mechanism), cmocka_unit_test(nobody_knows_any), cmocka_unit_test(echoed_later), cmocka_unit_test(what_is_chosen),
		cmocka_unit_test(echoed_secrets), cmocka_unit_test(stray_challenges), cmocka_unit_test(no_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
