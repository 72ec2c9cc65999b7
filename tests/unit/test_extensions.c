/*
 * What of the extensions is used: SIZE, 8BITMIME, SMTPUTF8, DSN, REQUIRETLS, each where it is offered and needed, and what becomes of a message that needs
 * one which is not there.
 */
#include "smtp_peer.h"

#define ASCII	"Subject: x\n\nhello\n"
#define EIGHT	"Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGr\303\274\303\237e\n"

struct run {
	struct peer peer;
	struct smarthost host;
	struct client client;
	struct envelope envelope;
	struct message message;
	struct outcome o;
	int status;
};

static struct run *
new_run(const char *offer, const char *recipients, const char *text)
{
	struct run *r = mem_alloc(sizeof(*r));

	r->peer.ehlo = offer;
	envelope_of(&r->envelope, "a@x.org", recipients);
	message_of(&r->message, text, strlen(text));
	return r;
}

static void
send_it(struct run *r, bool secure)
{
	static char address[] = "127.0.0.1";

	peer_start(&r->peer);
	r->host = (struct smarthost){.host = address, .port = r->peer.port, .tls = TLS_MODE_NONE};
	assert_int_equal(client_open(&r->client, &r->host, true, "c.example.com", clock_now() + PATIENCE, NULL, &r->o), 0);
	r->client.secure = secure;	/* as after a handshake */
	r->status = client_send(&r->client, &r->envelope, &r->message, &r->o);
	client_close(&r->client);
	peer_stop(&r->peer);
}

static void
free_run(struct run *r)
{
	peer_free(&r->peer);
	envelope_free(&r->envelope);
	message_free(&r->message);
	free(r);
}

/* Line i of what was said after EHLO. */
static void
assert_line(const struct run *r, size_t i, const char *want)
{
	const char *p = r->peer.commands.data;

	for (i++; i > 0; i--)
		p = strchr(p, '\n') + 1;
	if (strncmp(p, want, strlen(want)) != 0 || p[strlen(want)] != '\n')
		fail_msg("\"%.*s\", not \"%s\"", (int)strcspn(p, "\n"), p, want);
}

static void
parameters_of_mail(void **state)
{
	static const struct { const char *offer, *text; bool secure, requiretls, utf8; const char *ret, *envid, *line; } rows[] = {
		{"250 hi", ASCII, false, false, false, NULL, NULL, "MAIL FROM:<a@x.org>"},
		{"250-hi\r\n250 SIZE", ASCII, false, false, false, NULL, NULL, "MAIL FROM:<a@x.org> SIZE=21"},
		{"250-hi\r\n250-SIZE 21\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 REQUIRETLS", ASCII, true, false, false, NULL, NULL,
		    "MAIL FROM:<a@x.org> SIZE=21"},
		{"250-hi\r\n250 8BITMIME", EIGHT, false, false, false, NULL, NULL, "MAIL FROM:<a@x.org> BODY=8BITMIME"},
		{"250-hi\r\n250 SIZE", EIGHT, false, false, false, NULL, NULL, NULL},	/* converted */
		{"250-hi\r\n250-SMTPUTF8\r\n250 8BITMIME", ASCII, false, false, true, NULL, NULL, "MAIL FROM:<a@x.org> SMTPUTF8"},
		{"250-hi\r\n250 REQUIRETLS", ASCII, true, true, false, NULL, NULL, "MAIL FROM:<a@x.org> REQUIRETLS"},
		{"250-hi\r\n250 DSN", ASCII, false, false, false, "HDRS", "a+b=c d\177\303", "MAIL FROM:<a@x.org> RET=HDRS ENVID=a+2Bb+3Dc+20d+7F+C3"},
		{"250 hi", ASCII, false, false, false, "FULL", "x", "MAIL FROM:<a@x.org>"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run *r = new_run(rows[i].offer, "b@x.org", rows[i].text);
		char size[60];

		r->envelope.requiretls = rows[i].requiretls;
		r->envelope.utf8 = rows[i].utf8;
		r->envelope.ret = rows[i].ret;
		r->envelope.envid = rows[i].envid;
		send_it(r, rows[i].secure);
		assert_int_equal(r->status, 0);
		(void)snprintf(size, sizeof(size), "MAIL FROM:<a@x.org> SIZE=%zu", r->peer.data.len - 3);
		assert_line(r, 0, rows[i].line != NULL ? rows[i].line : size);
		assert_int_equal(r->client.dsn_dropped, rows[i].ret != NULL && strstr(rows[i].offer, "DSN") == NULL);
		free_run(r);
	}
}

static void
null_sender(void **state)
{
	struct run *r = new_run("250-hi\r\n250 DSN", "b@x.org", ASCII);

	(void)state;
	r->envelope.sender[0] = '\0';
	send_it(r, false);
	assert_int_equal(r->status, 0);
	assert_line(r, 0, "MAIL FROM:<>");
	free_run(r);
}

static void
parameters_of_rcpt(void **state)
{
	static const struct { const char *offer; unsigned notify; const char *path, *original, *line; } rows[] = {
		{"250 DSN", 0, "b@x.org", NULL, "RCPT TO:<b@x.org>"}, {"250-hi\r\n250 DSN", 0, "b@x.org", "c@x.org", "RCPT TO:<b@x.org>"},
		{"250-hi\r\n250 DSN", DSN_NEVER, "b@x.org", NULL, "RCPT TO:<b@x.org> NOTIFY=NEVER ORCPT=rfc822;b@x.org"},
		{"250-hi\r\n250 DSN", DSN_DELAY | DSN_SUCCESS | DSN_FAILURE, "b@x.org", "old+name=1@x.org",
		    "RCPT TO:<b@x.org> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;old+2Bname+3D1@x.org"},
		{"250-hi\r\n250 DSN", DSN_FAILURE, "\"a b\"@x.org", NULL, "RCPT TO:<\"a b\"@x.org> NOTIFY=FAILURE ORCPT=rfc822;\"a+20b\"@x.org"},
		{"250-hi\r\n250 SIZE", DSN_FAILURE, "b@x.org", NULL, "RCPT TO:<b@x.org>"},
		{"250-hi\r\n250 DSN", DSN_FAILURE, "b@x.org", "\303\274@x.org", "RCPT TO:<b@x.org> NOTIFY=FAILURE"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run *r = new_run(rows[i].offer, rows[i].path, ASCII);

		r->envelope.notify = rows[i].notify;
		r->envelope.rcpt[0].original = rows[i].original == NULL ? NULL : mem_dup(rows[i].original);
		send_it(r, false);
		assert_int_equal(r->status, 0);
		assert_line(r, 1, rows[i].line);
		free_run(r);
	}
}

/* 8-bit text where only 7-bit passes, in one chunk and behind DATA: what goes out is announced right, and what comes after it is a command again. */
static void
converted(void **state)
{
	static const char *const offers[] = {"250-hi\r\n250-SIZE\r\n250 CHUNKING", "250-hi\r\n250-SIZE\r\n250-PIPELINING\r\n250 CHUNKING", "250-hi\r\n250 SIZE"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct run *r = new_run(offers[i], "b@x.org", EIGHT);
		char line[80];

		send_it(r, false);
		assert_int_equal(r->status, 0);
		assert_non_null(strstr(r->peer.data.data, "Gr=C3=BC=C3=9Fe\r\n"));
		if (i < 2) {
			(void)snprintf(line, sizeof(line), "BDAT %zu LAST", r->peer.data.len);
			assert_line(r, 2, line);
		}
		assert_line(r, 3, "QUIT");
		free_run(r);
	}
}

/* What cannot be promised is refused before MAIL. */
static void
refused_before_mail(void **state)
{
	static const struct { const char *offer, *text; bool secure, requiretls; int status; enum cause cause; } rows[] = {
		{"250-hi\r\n250 SIZE 20", ASCII, false, false, EX_DATAERR, CAUSE_TOO_LARGE},
		{"250-hi\r\n250 SIZE", ASCII, true, true, EX_UNAVAILABLE, CAUSE_NO_REQUIRETLS},
		{"250-hi\r\n250 REQUIRETLS", ASCII, false, true, EX_UNAVAILABLE, CAUSE_NO_REQUIRETLS},
		{"250-hi\r\n250 SIZE", "Content-Type: multipart/signed; boundary=b\n\n--b\n\n\303\274\n--b--\n", false, false, EX_DATAERR, CAUSE_NEEDS_8BITMIME},
		{"250-hi\r\n250 SIZE", "X-Raw: \303\274\n\nhello\n", false, false, EX_DATAERR, CAUSE_NEEDS_8BITMIME},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run *r = new_run(rows[i].offer, "b@x.org", rows[i].text);

		r->envelope.requiretls = rows[i].requiretls;
		send_it(r, rows[i].secure);
		assert_int_equal(r->status, -1);
		if (r->o.status != rows[i].status || r->o.cause != rows[i].cause)
			fail_msg("row %zu: %d: %s: %s", i, r->o.status, r->o.what, r->o.why);
		assert_line(r, 0, "QUIT");
		assert_int_equal(r->client.reply.code, 0);
		assert_string_equal(fates(&r->envelope), "P");
		free_run(r);
	}
}

/* Where SMTPUTF8 is not offered those who need it are told so, and the others get the mail; where it is the sender's, nobody does. */
static void
no_smtputf8(void **state)
{
	struct run *r = new_run("250-hi\r\n250-PIPELINING\r\n250 8BITMIME", "b@x.org,\303\274@x.org,c@x.org", ASCII);

	(void)state;
	r->envelope.utf8 = true;
	send_it(r, false);
	assert_int_equal(r->status, 0);
	assert_string_equal(fates(&r->envelope), "D 65 D");
	assert_int_equal(r->envelope.rcpt[1].fate->cause, CAUSE_NEEDS_SMTPUTF8);
	assert_line(r, 0, "MAIL FROM:<a@x.org>");
	assert_string_equal(r->peer.delivered.data, "b@x.org\nc@x.org\n");
	free_run(r);

	r = new_run("250-hi\r\n250 8BITMIME", "b@x.org", ASCII);
	free(r->envelope.sender);
	r->envelope.sender = mem_dup("\303\274@x.org");
	r->envelope.utf8 = true;
	send_it(r, false);
	assert_int_equal(r->o.status, EX_DATAERR);
	assert_string_equal(fates(&r->envelope), "P");
	assert_line(r, 0, "QUIT");
	free_run(r);

	r = new_run("250-hi\r\n250 8BITMIME", "\303\274@x.org", ASCII);
	r->envelope.utf8 = true;
	send_it(r, false);
	assert_int_equal(r->status, 0);
	assert_string_equal(fates(&r->envelope), "65");
	assert_line(r, 0, "QUIT");
	free_run(r);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_of_mail), cmocka_unit_test(null_sender), cmocka_unit_test(parameters_of_rcpt), cmocka_unit_test(converted),
		cmocka_unit_test(refused_before_mail), cmocka_unit_test(no_smtputf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
