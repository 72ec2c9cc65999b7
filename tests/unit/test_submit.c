/*
 * Several smarthosts in order: what moves on to the next one, and what never does; and what the run says in the end.
 */
#include "smtp_peer.h"
#include "submit.h"

#define LIST	"b@x.org,c@x.org"

struct run {
	struct peer peer[2];
	struct smarthost host[2];
	struct config config;
	struct envelope envelope;
	struct message message;
	struct result result;
	int status;
};

static struct run *
new_run(void)
{
	static char address[] = "127.0.0.1", ehlo[] = "c.example.com";
	struct run *r = mem_alloc(sizeof(*r));

	for (size_t i = 0; i < 2; i++) {
		r->host[i] = (struct smarthost){.host = address, .tls = TLS_MODE_NONE};
		r->peer[i].ehlo = "250-hi\r\n250 PIPELINING";
	}
	r->config = (struct config){.smarthost = r->host, .smarthosts = 2, .hostname = ehlo};
	envelope_of(&r->envelope, "a@x.org", LIST);
	message_of(&r->message, "Subject: x\n\nhello\n", 18);
	return r;
}

static void
submit_it(struct run *r)
{
	for (size_t i = 0; i < 2; i++) {
		peer_start(&r->peer[i]);
		r->host[i].port = r->peer[i].port;
	}
	r->status = submit(&r->result, &r->config, &r->envelope, &r->message, clock_now() + PATIENCE, NULL);
	for (size_t i = 0; i < 2; i++)
		peer_stop(&r->peer[i]);
	assert_int_equal(envelope_count(&r->envelope, RCPT_PENDING) + envelope_count(&r->envelope, RCPT_TAKEN), 0);
}

static void
free_run(struct run *r)
{
	submit_free(&r->result);
	peer_free(&r->peer[0]);
	peer_free(&r->peer[1]);
	envelope_free(&r->envelope);
	message_free(&r->message);
	free(r);
}

static void
first_one_does(void **state)
{
	struct run *r = new_run();

	(void)state;
	submit_it(r);
	assert_int_equal(r->status, 0);
	assert_int_equal(submit_status(&r->result), 0);
	assert_string_equal(fates(&r->envelope), "D D");
	assert_int_equal(r->peer[1].connections, 0);
	assert_int_equal(r->result.tries, 0);
	assert_ptr_equal(r->result.smarthost, &r->host[0]);
	assert_string_equal(r->result.reply, "250 2.0.0 queued");
	assert_string_equal(r->result.address, "127.0.0.1");
	free_run(r);
}

/* What the first one says, and where the message goes then: to the second, and nobody gets it twice. */
static void
moves_on(void **state)
{
	static const struct { const char *on, *say; enum then then; int status; enum stage stage; } rows[] = {
		{"BANNER", "554 5.7.1 no", HANG_UP, EX_UNAVAILABLE, STAGE_BANNER}, {"BANNER", "421 4.3.2 bye", HANG_UP, EX_TEMPFAIL, STAGE_BANNER},
		{"BANNER", NULL, HANG_UP, EX_TEMPFAIL, STAGE_BANNER}, {"BANNER", "what", GO_ON, EX_PROTOCOL, STAGE_BANNER},
		{"EHLO", "421 bye", HANG_UP, EX_TEMPFAIL, STAGE_EHLO}, {"EHLO", "554 no", HANG_UP, EX_UNAVAILABLE, STAGE_EHLO},
		{"MAIL", "451 4.3.0 later", GO_ON, EX_TEMPFAIL, STAGE_MAIL}, {"MAIL", "421 4.7.0 bye", HANG_UP, EX_TEMPFAIL, STAGE_MAIL},
		{"MAIL", NULL, HANG_UP, EX_TEMPFAIL, STAGE_MAIL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run *r = new_run();

		r->peer[0].rule[0] = (struct rule){.on = rows[i].on, .say = rows[i].say, .then = rows[i].then};
		submit_it(r);
		assert_int_equal(r->status, 0);
		assert_int_equal(submit_status(&r->result), 0);
		assert_string_equal(fates(&r->envelope), "D D");
		assert_string_equal(buf_str(&r->peer[0].delivered), "");
		assert_string_equal(r->peer[1].delivered.data, "b@x.org\nc@x.org\n");
		assert_int_equal(r->result.tries, 1);
		if (r->result.tried[0].status != rows[i].status || r->result.tried[0].stage != rows[i].stage)
			fail_msg("row %zu: %d: %s: %s", i, r->result.tried[0].status, r->result.tried[0].what, r->result.tried[0].why);
		assert_int_equal(r->result.outcome.status, 0);
		free_run(r);
	}
}

/* A 5xx at MAIL, a verdict on a recipient, an octet of the message: never a second one after that. */
static void
never_moves_on(void **state)
{
	static const struct { const char *on, *say; enum then then; int status; const char *fates; } rows[] = {
		{"MAIL", "550 5.7.1 no", GO_ON, EX_NOPERM, "F F"}, {"MAIL", "552 5.3.4 too large", GO_ON, EX_DATAERR, "F F"},
		{"RCPT TO:<b@", "450 4.2.0 later", GO_ON, EX_TEMPFAIL, "75 D"}, {"RCPT TO:<b@", "550 5.1.1 no", GO_ON, EX_NOUSER, "67 D"},
		{"RCPT", "450 4.2.0 later", GO_ON, EX_TEMPFAIL, "75 75"}, {"RCPT", "550 5.1.1 no", HANG_UP, EX_NOUSER, "67 F"},
		{"RCPT TO:<c@", "421 4.3.2 bye", HANG_UP, EX_TEMPFAIL, "F F"}, {"RCPT TO:<c@", NULL, HANG_UP, EX_TEMPFAIL, "F F"},
		{"DATA", "451 4.3.0 later", GO_ON, EX_TEMPFAIL, "F F"}, {"DATA", NULL, HANG_UP, EX_TEMPFAIL, "F F"},
		{".", "451 4.3.0 later", GO_ON, EX_TEMPFAIL, "F F"}, {".", NULL, HANG_UP, EX_TEMPFAIL, "F F"}, {".", "554 5.7.1 spam", GO_ON, EX_UNAVAILABLE, "F F"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run *r = new_run();

		r->peer[0].rule[0] = (struct rule){.on = rows[i].on, .say = rows[i].say, .then = rows[i].then};
		submit_it(r);
		if (submit_status(&r->result) != rows[i].status)
			fail_msg("row %zu: %d: %s: %s", i, submit_status(&r->result), r->result.outcome.what, r->result.outcome.why);
		assert_string_equal(fates(&r->envelope), rows[i].fates);
		assert_int_equal(r->peer[1].connections, 0);
		assert_int_equal(r->result.tries, 0);
		free_run(r);
	}
}

/* Too large for the first one (SIZE) is no failure of the smarthost. */
static void
too_large_for_the_first(void **state)
{
	struct run *r = new_run();

	(void)state;
	r->peer[0].ehlo = "250-hi\r\n250 SIZE 10";
	submit_it(r);
	assert_int_equal(submit_status(&r->result), EX_DATAERR);
	assert_int_equal(r->peer[1].connections, 0);
	assert_string_equal(r->result.reply, "");
	free_run(r);
}

/* The message goes in one flight with its envelope only to the last one: the first may still refuse MAIL for now. */
static void
chunk_in_a_flight(void **state)
{
	struct run *r = new_run();

	(void)state;
	r->peer[0].ehlo = r->peer[1].ehlo = "250-hi\r\n250-PIPELINING\r\n250 CHUNKING";
	r->peer[0].rule[0] = (struct rule){.on = "MAIL", .say = "451 4.3.0 later"};
	submit_it(r);
	assert_int_equal(r->status, 0);
	assert_null(strstr(r->peer[0].commands.data, "BDAT"));
	assert_non_null(strstr(r->peer[1].commands.data, "BDAT"));
	assert_int_equal(r->peer[1].messages, 1);
	free_run(r);
}

/* A password that the first one refuses moves on (for good or not); each host's own fate is kept. */
static void
sign_in_refused(void **state)
{
	static char user[] = "app", password[] = "word";
	struct run *r = new_run();

	(void)state;
	r->host[0].user = user;
	r->host[0].password = (struct secret_source){.kind = SECRET_TEXT, .value = password};
	r->peer[0].ehlo = "250-hi\r\n250 AUTH PLAIN";
	r->peer[0].auth[0] = "535 5.7.8 wrong";
	submit_it(r);
	assert_int_equal(r->status, 0);
	assert_int_equal(r->result.tried[0].status, EX_NOPERM);
	assert_string_equal(r->result.auth, "");
	assert_string_equal(r->peer[1].delivered.data, "b@x.org\nc@x.org\n");
	free_run(r);
}

/* None can be used: the worst of what they said is the run's. */
static void
none_can_be_used(void **state)
{
	static const struct { const char *first, *second; int status; } rows[] = {
		{"421 4.3.2 bye", "554 5.7.1 no", EX_UNAVAILABLE}, {"554 5.7.1 no", "421 4.3.2 bye", EX_UNAVAILABLE}, {"what", "554 5.7.1 no", EX_PROTOCOL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run *r = new_run();

		r->peer[0].rule[0] = (struct rule){.on = "BANNER", .say = rows[i].first, .then = HANG_UP};
		r->peer[1].rule[0] = (struct rule){.on = "BANNER", .say = rows[i].second, .then = HANG_UP};
		submit_it(r);
		assert_int_equal(r->status, -1);
		assert_int_equal(r->result.tries, 2);
		assert_int_equal(submit_status(&r->result), rows[i].status);
		assert_int_equal(r->result.outcome.status, rows[i].status);
		assert_string_equal(fates(&r->envelope), "F F");
		assert_string_equal(r->result.reply, "");
		free_run(r);
	}
}

/* A run that sent nothing is never 0. */
static void
no_smarthost(void **state)
{
	struct run *r = new_run();

	(void)state;
	r->config.smarthosts = 0;
	submit_it(r);
	assert_int_equal(r->status, -1);
	assert_int_equal(submit_status(&r->result), EX_SOFTWARE);
	free_run(r);
}

static void
several_fates(void **state)
{
	static const struct { int run, rcpt, bad, status; } rows[] = {
		{0, 0, 0, EX_SOFTWARE}, {0, EX_NOUSER, 0, EX_NOUSER}, {EX_TEMPFAIL, EX_NOUSER, 0, EX_NOUSER}, {EX_NOPERM, EX_NOUSER, EX_DATAERR, EX_NOPERM},
		{0, EX_NOUSER, EX_DATAERR, EX_DATAERR}, {EX_TEMPFAIL, 0, 0, EX_TEMPFAIL}, {EX_CONFIG, EX_NOPERM, 0, EX_CONFIG},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outcome bad = {.status = rows[i].bad}, why = {.status = rows[i].rcpt};
		struct result result = {.outcome.status = rows[i].run};
		struct envelope e;

		envelope_of(&e, "a@x.org", LIST);
		if (rows[i].rcpt != 0)
			envelope_fail(&e, 1, &why);
		if (rows[i].bad != 0) {
			e.bad = mem_grow(NULL, 1, sizeof(bad));
			e.bad[0] = bad;
			e.bads = 1;
		}
		result.envelope = &e;
		assert_int_equal(submit_status(&result), rows[i].status);
		envelope_free(&e);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_one_does), cmocka_unit_test(moves_on), cmocka_unit_test(never_moves_on), cmocka_unit_test(too_large_for_the_first),
		cmocka_unit_test(chunk_in_a_flight), cmocka_unit_test(sign_in_refused), cmocka_unit_test(none_can_be_used), cmocka_unit_test(no_smarthost),
		cmocka_unit_test(several_fates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
