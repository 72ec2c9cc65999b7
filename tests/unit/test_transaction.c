/*
 * One message to its recipients: what is said in which dialect, each recipient's own fate, and what becomes of it when the smarthost refuses or the line
 * breaks at any place.
 */
#include <poll.h>
#include "smtp/body.h"
#include "smtp_peer.h"

#define TEXT	"Subject: x\n\nhello\n.\n..x\n"
#define SENT	"Subject: x\r\n\r\nhello\r\n.\r\n..x\r\n"
#define STUFFED	"Subject: x\r\n\r\nhello\r\n..\r\n...x\r\n.\r\n"

static const char *const dialects[] = {
	"250-hi\r\n250-PIPELINING\r\n250 CHUNKING", "250-hi\r\n250 PIPELINING", "250-hi\r\n250 CHUNKING", "250 hi",
};

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
new_run(const char *ehlo, const char *recipients)
{
	struct run *r = mem_alloc(sizeof(*r));

	r->peer.ehlo = ehlo;
	envelope_of(&r->envelope, "a@x.org", recipients);
	message_of(&r->message, TEXT, sizeof(TEXT) - 1);
	return r;
}

static void
add_rule(struct run *r, const char *on, const char *say, enum then then)
{
	size_t i = 0;

	while (r->peer.rule[i].on != NULL)
		i++;
	r->peer.rule[i] = (struct rule){.on = on, .say = say, .then = then};
}

/* last: as where no other smarthost is left. */
static void
send_it(struct run *r, bool last)
{
	static char address[] = "127.0.0.1";

	peer_start(&r->peer);
	r->host = (struct smarthost){.host = address, .port = r->peer.port, .tls = TLS_MODE_NONE};
	assert_int_equal(client_open(&r->client, &r->host, true, "c.example.com", clock_now() + PATIENCE, NULL, &r->o), 0);
	r->client.last = last;
	r->status = client_send(&r->client, &r->envelope, &r->message, &r->o);
	assert_int_equal(envelope_count(&r->envelope, RCPT_TAKEN), 0);
	client_close(&r->client);
	peer_stop(&r->peer);
	if (strstr(r->peer.ehlo, "PIPELINING") == NULL)
		assert_int_equal(r->peer.ahead, 0);
}

static void
free_run(struct run *r)
{
	peer_free(&r->peer);
	envelope_free(&r->envelope);
	message_free(&r->message);
	free(r);
}

static void
assert_fates(const struct run *r, const char *want, const char *delivered)
{
	if (strcmp(fates(&r->envelope), want) != 0)
		fail_msg("%s, not %s (%s)", fates(&r->envelope), want, r->peer.ehlo);
	assert_string_equal(buf_str(&r->peer.delivered), delivered);
}

static void
assert_failed(const struct run *r, int status, enum stage stage)
{
	if (r->status != -1 || r->o.status != status || r->o.stage != stage)
		fail_msg("%d %s, not %d %s: %s: %s (%s)", r->o.status, outcome_stage_name(r->o.stage), status, outcome_stage_name(stage), r->o.what,
		    r->o.why, r->peer.ehlo);
}

static bool
chunks(const struct run *r)
{
	return strstr(r->peer.ehlo, "CHUNKING") != NULL;
}

static void
goes_well(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct run *r = new_run(dialects[i % 4], "b@x.org,c@x.org");
		char want[300];

		send_it(r, i >= 4);
		assert_int_equal(r->status, 0);
		assert_fates(r, "D D", "b@x.org\nc@x.org\n");
		assert_string_equal(r->peer.data.data, chunks(r) ? SENT : STUFFED);
		(void)snprintf(want, sizeof(want), "EHLO c.example.com\nMAIL FROM:<a@x.org>\nRCPT TO:<b@x.org>\nRCPT TO:<c@x.org>\n%s\nQUIT\n",
		    chunks(r) ? "BDAT 29 LAST" : "DATA");
		assert_int_equal(sizeof(SENT) - 1, 29);
		assert_string_equal(r->peer.commands.data, want);
		assert_int_equal(r->client.reply.code, 250);
		free_run(r);
	}
}

static void
one_bad_of_four(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct run *r = new_run(dialects[i % 4], "a@x.org,bad@x.org,c@x.org,d@x.org");

		add_rule(r, "RCPT TO:<bad@", "550 5.1.1 no such user", GO_ON);
		send_it(r, i >= 4);
		assert_int_equal(r->status, 0);
		assert_fates(r, "D 67 D D", "a@x.org\nc@x.org\nd@x.org\n");
		assert_string_equal(r->envelope.rcpt[1].fate->why, "550 5.1.1 no such user");
		assert_non_null(strstr(r->envelope.rcpt[1].fate->what, "<bad@x.org>"));
		free_run(r);
	}
}

/* Everybody is refused: nothing counts as sent, not after a 354, not after a 250 to BDAT, and a connection that breaks after that changes nothing. */
static void
all_refused(void **state)
{
	static const struct { const char *on, *say; enum then then; bool dot; } rows[] = {
		{"DATA", "354 go on all the same", GO_ON, true}, {"DATA", "554 5.5.1 no valid recipients", GO_ON, false},
		{"DATA", NULL, HANG_UP, false}, {"DATA", "354 go on", HANG_UP, false}, {"BDAT", "250 2.0.0 taken all the same", GO_ON, false},
		{"BDAT", NULL, HANG_UP, false}, {"RCPT TO:<c@", "550 5.1.1 bye", HANG_UP, false}, {"QUIT", "221 bye", GO_ON, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) * 8; i++) {
		struct run *r = new_run(dialects[i % 4], "b@x.org,c@x.org");

		add_rule(r, rows[i / 8].on, rows[i / 8].say, rows[i / 8].then);
		add_rule(r, "RCPT", "550 5.1.1 no such user", GO_ON);
		send_it(r, i / 4 % 2 == 1);
		if (r->status != 0)
			fail_msg("%s %s: %s: %s (%s)", rows[i / 8].on, rows[i / 8].say, r->o.what, r->o.why, r->peer.ehlo);
		assert_fates(r, "67 67", "");
		if (rows[i / 8].dot && i % 4 == 1)
			assert_string_equal(r->peer.data.data, ".\r\n");
		free_run(r);
	}
}

/* MAIL refused: the answers to what came behind it in the flight are taken in their order, so that QUIT is heard, and MAIL's own is told. */
static void
sender_refused(void **state)
{
	static const struct { const char *say; int status; } rows[] = {
		{"550 5.7.1 not you", EX_NOPERM}, {"451 4.3.0 later", EX_TEMPFAIL}, {"552 5.3.4 too large", EX_DATAERR}, {"530 5.7.1 sign in", EX_NOPERM},
	};

	(void)state;
	for (size_t i = 0; i < 4 * 8; i++) {
		struct run *r = new_run(dialects[i % 4], "b@x.org,c@x.org");

		add_rule(r, "MAIL", rows[i / 8].say, GO_ON);
		if (i % 2 == 0)
			add_rule(r, "DATA", "354 go on", GO_ON);
		else
			add_rule(r, "BDAT", "250 2.0.0 taken", GO_ON);
		send_it(r, i / 4 % 2 == 1);
		assert_failed(r, rows[i / 8].status, STAGE_MAIL);
		assert_string_equal(r->o.why, rows[i / 8].say);
		assert_fates(r, "P P", "");
		assert_string_equal(r->peer.commands.data + r->peer.commands.len - 5, "QUIT\n");
		assert_int_equal(r->client.committed, i / 4 % 2 == 1 && i % 4 == 0);	/* only with the message in the flight */
		free_run(r);
	}
}

static void
ready_for_many(struct run *r, size_t n)
{
	struct buf list = {0};

	for (size_t i = 0; i < n; i++)
		buf_printf(&list, "%sr%zu@x.org", i > 0 ? "," : "", i);
	envelope_free(&r->envelope);
	envelope_of(&r->envelope, "a@x.org", list.data);
	buf_free(&list);
}

/* Each of n, but for the refused one, has got it exactly once. */
static void
assert_once_each(struct run *r, size_t n, size_t refused)
{
	unsigned *got = mem_alloc(n * sizeof(*got));

	for (const char *p = r->peer.delivered.data; *p != '\0'; p = strchr(p, '\n') + 1) {
		size_t i = strtoul(p + 1, NULL, 10);

		assert_true(i < n);
		got[i]++;
	}
	for (size_t i = 0; i < n; i++) {
		if (got[i] != (i != refused))
			fail_msg("recipient %zu: %u times (%s)", i, got[i], r->peer.ehlo);
		assert_int_equal(r->envelope.rcpt[i].state, i == refused ? RCPT_FAILED : RCPT_DONE);
	}
	free(got);
}

/* 452 at the hundredth of 1,500, in either spelling: the rest go in further transactions, of the size that was learned. */
static void
too_many_recipients(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct run *r = new_run(dialects[i % 4], "x");

		ready_for_many(r, 1500);
		r->peer.max_rcpt = 99;
		add_rule(r, "RCPT TO:<r700@", "550 5.1.1 no such user", GO_ON);
		send_it(r, i >= 4);
		assert_int_equal(r->status, 0);
		assert_once_each(r, 1500, 700);
		assert_int_equal(r->peer.messages, 16);
		assert_int_equal(r->peer.connections, 1);
		free_run(r);
	}
}

static void
more_than_a_flight(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct run *r = new_run(dialects[i], "x");

		ready_for_many(r, 2500);
		send_it(r, true);
		assert_int_equal(r->status, 0);
		assert_once_each(r, 2500, SIZE_MAX);
		assert_int_equal(r->peer.messages, 1);
		free_run(r);
	}
}

/* What is no "too many": nobody taken before it, or no room, or 552 with another meaning. Nothing is tried for ever. */
static void
not_too_many(void **state)
{
	static const struct { const char *on, *say, *fates; } rows[] = {
		{"RCPT", "452 4.5.3 too many", "75 75 75"}, {"RCPT TO:<c@", "452 4.3.1 no room", "D 75 D"}, {"RCPT TO:<c@", "450 4.2.0 later", "D 75 D"},
		{"RCPT TO:<c@", "552 5.2.2 mailbox full", "D 75 D"}, {"RCPT TO:<c@", "552 too many recipients", "D 75 D"},
		{"RCPT TO:<c@", "452 too many recipients", "D 75 D"}, {"RCPT TO:<c@", "452 4.5.3 too many", "D 75 D"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) * 4; i++) {
		struct run *r = new_run(dialects[i % 4], "b@x.org,c@x.org,d@x.org");

		add_rule(r, rows[i / 4].on, rows[i / 4].say, GO_ON);
		send_it(r, true);
		assert_int_equal(r->status, 0);
		assert_fates(r, rows[i / 4].fates, i / 4 == 0 ? "" : "b@x.org\nd@x.org\n");
		free_run(r);
	}
}

/* The second transaction fails: who got it in the first one has got it. */
static void
second_transaction_fails(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct run *r = new_run(dialects[i], "b@x.org,c@x.org,d@x.org");

		r->peer.max_rcpt = 2;
		r->peer.rule[0] = (struct rule){.on = "MAIL", .nth = 2, .say = "451 4.7.1 too fast"};
		send_it(r, false);
		assert_failed(r, EX_TEMPFAIL, STAGE_MAIL);
		assert_true(r->client.committed);
		assert_fates(r, "D D P", "b@x.org\nc@x.org\n");
		free_run(r);
	}
}

/* Refused, or hung up, with words or without, at each place. Nobody counts as done who is not. */
static void
breaks_at_each_place(void **state)
{
	static const struct { const char *on, *say; enum then then; int status; enum stage stage; const char *fates; } rows[] = {
		{"MAIL", "421 4.3.2 bye", HANG_UP, EX_TEMPFAIL, STAGE_MAIL, "P P"}, {"MAIL", NULL, HANG_UP, EX_TEMPFAIL, STAGE_MAIL, "P P"},
		{"MAIL", "what", GO_ON, EX_PROTOCOL, STAGE_MAIL, "P P"}, {"MAIL", "354 what", HANG_UP, EX_PROTOCOL, STAGE_MAIL, "P P"},
		{"RCPT TO:<b@", "421 4.3.2 bye", HANG_UP, EX_TEMPFAIL, STAGE_RCPT, "P P"}, {"RCPT TO:<b@", NULL, HANG_UP, EX_TEMPFAIL, STAGE_RCPT, "P P"},
		{"RCPT TO:<c@", "421 4.3.2 bye", HANG_UP, EX_TEMPFAIL, STAGE_RCPT, "P P"}, {"RCPT TO:<c@", NULL, HANG_UP, EX_TEMPFAIL, STAGE_RCPT, "P P"},
		{"RCPT TO:<c@", "550 half", HANG_UP, EX_TEMPFAIL, STAGE_NONE, "P 67"}, {"RCPT TO:<c@", "550", HANG_UP, EX_TEMPFAIL, STAGE_NONE, "P 67"},
		{"DATA", "421 4.3.2 bye", HANG_UP, EX_TEMPFAIL, STAGE_DATA, "P P"}, {"DATA", NULL, HANG_UP, EX_TEMPFAIL, STAGE_DATA, "P P"},
		{"DATA", "451 4.3.0 later", GO_ON, EX_TEMPFAIL, STAGE_DATA, "P P"}, {"DATA", "250 what", GO_ON, EX_PROTOCOL, STAGE_DATA, "P P"},
		{"DATA", "554 5.7.1 no", GO_ON, EX_UNAVAILABLE, STAGE_DATA, "P P"},
		{".", "421 4.3.2 bye", HANG_UP, EX_TEMPFAIL, STAGE_DOT, "P P"}, {".", NULL, HANG_UP, EX_TEMPFAIL, STAGE_DOT, "P P"},
		{".", "250-half", HANG_UP, EX_TEMPFAIL, STAGE_DOT, "P P"}, {".", "554 5.6.0 no", GO_ON, EX_DATAERR, STAGE_DOT, "P P"},
		{".", "552 5.3.4 too large", GO_ON, EX_DATAERR, STAGE_DOT, "P P"}, {".", "354 what", GO_ON, EX_PROTOCOL, STAGE_DOT, "P P"},
		{".", "what", GO_ON, EX_PROTOCOL, STAGE_DOT, "P P"}, {".", "554 5.7.1 spam", HANG_UP, EX_UNAVAILABLE, STAGE_DOT, "P P"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) * 8; i++) {
		struct run *r = new_run(dialects[i % 4], "b@x.org,c@x.org");
		const char *on = rows[i / 8].on;

		if (*on == 'D' && chunks(r)) {
			free_run(r);
			continue;
		}
		add_rule(r, *on == '.' && chunks(r) ? "BDAT" : on, rows[i / 8].say, rows[i / 8].then);
		send_it(r, i / 4 % 2 == 1);
		if (rows[i / 8].stage == STAGE_NONE)
			assert_int_equal(r->o.status, EX_TEMPFAIL);	/* at DATA or BDAT, wherever it was noticed */
		else
			assert_failed(r, rows[i / 8].status, rows[i / 8].stage);
		assert_fates(r, rows[i / 8].fates, rows[i / 8].say != NULL && strcmp(rows[i / 8].say, "250-half") == 0 ? "b@x.org\nc@x.org\n" : "");
		assert_int_equal(r->status, -1);
		if (*on == 'R' || *on == '.')
			assert_true(r->client.committed || rows[i / 8].say == NULL || *rows[i / 8].say == '4');
		if (*on == '.' && (rows[i / 8].say == NULL || strcmp(rows[i / 8].say, "what") == 0))
			assert_non_null(strstr(r->o.why, "it may have taken the message or not"));
		free_run(r);
	}
}

static void
make_large(struct run *r, size_t n)
{
	char *text = mem_alloc(n);

	memset(text, 'x', n);
	memcpy(text, "Subject: x\n\n", 12);
	for (size_t i = 80; i < n; i += 80)
		text[i] = '\n';
	message_free(&r->message);
	message_of(&r->message, text, n);
	free(text);
}

/* The smarthost says no and hangs up while the message is still being written: its words are told. Without words it is a lost connection; a yes is a lie. */
static void
early_answers(void **state)
{
	static const struct { const char *say; int status; enum stage stage; const char *why; } rows[] = {
		{"552 5.3.4 too large", EX_DATAERR, STAGE_DOT, "552 5.3.4 too large"}, {"421 4.3.2 bye", EX_TEMPFAIL, STAGE_DOT, "421 4.3.2 bye"},
		{"554 5.7.1 spam", EX_UNAVAILABLE, STAGE_DOT, "554 5.7.1 spam"}, {NULL, EX_TEMPFAIL, STAGE_DATA, ""},
		{"250 2.0.0 taken", EX_TEMPFAIL, STAGE_DATA, ""}, {"552-half", EX_TEMPFAIL, STAGE_DATA, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) * 4; i++) {
		struct run *r = new_run(dialects[i % 4], "b@x.org,c@x.org");

		make_large(r, 16 * 1024 * 1024);
		add_rule(r, "BODY", rows[i / 4].say, HANG_UP);
		send_it(r, true);
		assert_failed(r, rows[i / 4].status, rows[i / 4].stage);
		assert_non_null(strstr(r->o.why, rows[i / 4].why));
		assert_null(strstr(r->o.why, "may have taken"));
		assert_fates(r, "P P", "");
		free_run(r);
	}
}

/* The same while a long flight of recipients is written: the verdicts that came are kept. */
static void
early_end_of_a_flight(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct run *r = new_run(dialects[i], "x");

		ready_for_many(r, 900);
		add_rule(r, "RCPT TO:<r0@", "550 5.1.1 no such user", GO_ON);
		add_rule(r, "RCPT TO:<r5@", "421 4.7.0 too much", HANG_UP);
		send_it(r, true);
		assert_failed(r, EX_TEMPFAIL, STAGE_RCPT);
		assert_string_equal(r->o.why, "421 4.7.0 too much");
		assert_int_equal(r->envelope.rcpt[0].fate->status, EX_NOUSER);
		assert_int_equal(envelope_count(&r->envelope, RCPT_PENDING), 899);
		free_run(r);
	}
}

/* A message that cannot be read back: 74, the line is cut, and no end of data was sent. */
static void
cannot_be_read_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct run *r = new_run(dialects[i], "b@x.org");

		make_large(r, 2 * 1024 * 1024);
		assert_int_equal(ftruncate(r->message.body.fd, 100000), 0);
		send_it(r, true);
		assert_failed(r, EX_IOERR, STAGE_INPUT);
		assert_fates(r, "P", "");
		assert_null(strstr(r->peer.commands.data, "QUIT"));
		free_run(r);
	}
}

/* ---- step by step ---- */

static void
open_it(struct run *r)
{
	static char address[] = "127.0.0.1";

	peer_start(&r->peer);
	r->host = (struct smarthost){.host = address, .port = r->peer.port, .tls = TLS_MODE_NONE};
	assert_int_equal(client_open(&r->client, &r->host, true, "c.example.com", clock_now() + PATIENCE, NULL, &r->o), 0);
}

/* It has said these lines, none before the one before it was answered. What the peer has noted may be read then. */
static void
stop_it(struct run *r, const char *commands)
{
	char *want = mem_printf("EHLO c.example.com\n%s", commands);

	client_close(&r->client);
	peer_stop(&r->peer);
	assert_string_equal(buf_str(&r->peer.commands), want);
	assert_int_equal(r->peer.ahead, 0);
	free(want);
}

static int
mail_step(struct run *r)
{
	return client_mail(&r->client, &r->envelope, 0, false, &r->o);
}

static int
rcpt_step(struct run *r, size_t i)
{
	return client_rcpt(&r->client, &r->envelope, i, &r->o);
}

static int
message_step(struct run *r)
{
	bool eight_bit = true;

	assert_int_equal(client_fit(&r->client, &r->envelope, &r->message, &eight_bit, &r->o), 0);
	assert_false(eight_bit);
	return client_message(&r->client, &r->envelope, &r->message, &r->o);
}

static void
steps_go_well(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct run *r = new_run(dialects[i], "b@x.org,bad@x.org,c@x.org");
		char want[300];

		add_rule(r, "RCPT TO:<bad@", "550 5.1.1 no such user", GO_ON);
		open_it(r);
		assert_true(client_usable(&r->client));
		for (int round = 0; round < 2; round++) {
			assert_int_equal(mail_step(r), 0);
			assert_int_equal(r->client.reply.code, 250);
			assert_int_equal(rcpt_step(r, 0), 0);
			assert_int_equal(rcpt_step(r, 1), -1);
			assert_int_equal(r->o.code, 550);
			assert_string_equal(r->o.why, "550 5.1.1 no such user");
			assert_string_equal(fates(&r->envelope), "T 67 P");
			assert_int_equal(rcpt_step(r, 2), 0);
			assert_int_equal(message_step(r), 0);
			assert_string_equal(r->client.reply.text, "2.0.0 queued");
			assert_false(r->client.uncertain);
			assert_true(client_usable(&r->client));
			assert_string_equal(fates(&r->envelope), "D 67 D");
			for (size_t k = 0; k < 3; k++)
				r->envelope.rcpt[k].state = RCPT_PENDING;
		}
#define ROUND "MAIL FROM:<a@x.org>\nRCPT TO:<b@x.org>\nRCPT TO:<bad@x.org>\nRCPT TO:<c@x.org>\n%s\n"
		(void)snprintf(want, sizeof(want), ROUND ROUND "QUIT\n", chunks(r) ? "BDAT 29 LAST" : "DATA", chunks(r) ? "BDAT 29 LAST" : "DATA");
		stop_it(r, want);
		assert_string_equal(r->peer.delivered.data, "b@x.org\nc@x.org\nb@x.org\nc@x.org\n");
		assert_string_equal(r->peer.data.data, chunks(r) ? SENT : STUFFED);
		free_run(r);
	}
}

/* What each step is refused with is told with its code, and the connection is as good as before, unless nobody can know what comes next. */
static void
steps_are_refused(void **state)
{
	static const struct { const char *on, *say; int status; enum stage stage; int code; const char *fates; } rows[] = {
		{"MAIL", "550 5.7.1 not you", EX_NOPERM, STAGE_MAIL, 550, "P P"}, {"MAIL", "451 4.3.0 later", EX_TEMPFAIL, STAGE_MAIL, 451, "P P"},
		{"MAIL", "354 what", EX_PROTOCOL, STAGE_MAIL, 354, "P P"}, {"RCPT TO:<c@", "550 5.1.1 no", EX_NOUSER, STAGE_RCPT, 550, "T 67"},
		{"RCPT TO:<c@", "452 4.5.3 too many", EX_TEMPFAIL, STAGE_RCPT, 452, "T 75"}, {"RCPT TO:<c@", "552 too many", EX_TEMPFAIL, STAGE_RCPT, 552, "T 75"},
		{"RCPT TO:<c@", "450 4.2.0 later", EX_TEMPFAIL, STAGE_RCPT, 450, "T 75"}, {"RCPT TO:<c@", "354 what", EX_PROTOCOL, STAGE_RCPT, 354, "T 76"},
		{"DATA", "451 4.3.0 later", EX_TEMPFAIL, STAGE_DATA, 451, "T T"}, {"DATA", "554 5.5.1 no", EX_UNAVAILABLE, STAGE_DATA, 554, "T T"},
		{"DATA", "250 what", EX_PROTOCOL, STAGE_DATA, 250, "T T"}, {".", "554 5.6.0 no", EX_DATAERR, STAGE_DOT, 554, "T T"},
		{".", "452 4.3.1 full", EX_TEMPFAIL, STAGE_DOT, 452, "T T"}, {"RSET", "502 5.5.1 what", EX_NOPERM, STAGE_MAIL, 502, "T T"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) * 4; i++) {
		struct run *r = new_run(dialects[i % 4], "b@x.org,c@x.org");
		const char *on = rows[i / 4].on;
		bool good = *on != 'D' || rows[i / 4].code >= 400;	/* else 354 may be on its way, and QUIT would be text */

		if (*on == 'D' && chunks(r)) {
			free_run(r);
			continue;
		}
		add_rule(r, *on == '.' && chunks(r) ? "BDAT" : on, rows[i / 4].say, GO_ON);
		open_it(r);
		r->status = mail_step(r);
		for (size_t k = 0; k < 2 && r->status == 0; k++)
			r->status = rcpt_step(r, k);
		if (r->status == 0)
			r->status = *on == 'R' ? client_reset(&r->client, &r->o) : message_step(r);
		assert_failed(r, rows[i / 4].status, rows[i / 4].stage);
		assert_int_equal(r->o.code, rows[i / 4].code);
		assert_string_equal(r->o.why, rows[i / 4].say);
		assert_int_equal(client_usable(&r->client), good);
		client_close(&r->client);
		peer_stop(&r->peer);
		assert_fates(r, rows[i / 4].fates, "");
		assert_string_equal(r->peer.commands.data + r->peer.commands.len - 5, good ? "QUIT\n" : "DATA\n");
		free_run(r);
	}
}

/* The line breaks at each step, or 421 says that it will. No other code then, no recipient refused, and nothing can be said any more. */
static void
steps_break(void **state)
{
	static const struct { const char *on, *say; enum stage stage; const char *fates; bool uncertain; } rows[] = {
		{"MAIL", NULL, STAGE_MAIL, "P P", false}, {"MAIL", "421 4.3.2 bye", STAGE_MAIL, "P P", false}, {"MAIL", "250-half", STAGE_MAIL, "P P", false},
		{"RCPT TO:<c@", NULL, STAGE_RCPT, "T P", false}, {"RCPT TO:<c@", "421 4.3.2 bye", STAGE_RCPT, "T P", false}, {"DATA", NULL, STAGE_DATA, "T T", false},
		{"DATA", "421 4.3.2 bye", STAGE_DATA, "T T", false}, {".", NULL, STAGE_DOT, "T T", true}, {".", "421 4.3.2 bye", STAGE_DOT, "T T", false},
		{".", "250-half", STAGE_DOT, "T T", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) * 4; i++) {
		struct run *r = new_run(dialects[i % 4], "b@x.org,c@x.org");
		const char *on = rows[i / 4].on, *say = rows[i / 4].say;

		if (*on == 'D' && chunks(r)) {
			free_run(r);
			continue;
		}
		add_rule(r, *on == '.' && chunks(r) ? "BDAT" : on, say, say != NULL && *say == '4' ? GO_ON : HANG_UP);
		open_it(r);
		r->status = mail_step(r);
		for (size_t k = 0; k < 2 && r->status == 0; k++)
			r->status = rcpt_step(r, k);
		if (r->status == 0)
			r->status = message_step(r);
		assert_failed(r, EX_TEMPFAIL, rows[i / 4].stage);
		assert_int_equal(r->o.code, say != NULL && *say == '4' ? 421 : 0);
		if (client_usable(&r->client))
			fail_msg("%s: %s (%s)", on, say, r->peer.ehlo);
		assert_string_equal(fates(&r->envelope), rows[i / 4].fates);
		assert_int_equal(r->client.uncertain, rows[i / 4].uncertain);
		client_close(&r->client);
		peer_stop(&r->peer);
		assert_null(strstr(r->peer.commands.data, "QUIT"));
		free_run(r);
	}
}

/* What MAIL and RCPT ask for, and what is left out where it is not offered. */
static void
parameters_of_steps(void **state)
{
	static char orcpt[] = "rfc822;q@x.org";
	static const struct { const char *ehlo, *mail, *rcpt; } rows[] = {
		{"250 hi", "MAIL FROM:<a@x.org>\n", "RCPT TO:<b@x.org>\n"},
		{"250-hi\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 DSN",
		    "MAIL FROM:<a@x.org> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=q+2B7\n", "RCPT TO:<b@x.org> NOTIFY=NEVER ORCPT=rfc822;q@x.org\n"},
		{"250-hi\r\n250 SIZE", "MAIL FROM:<a@x.org> SIZE=1000\n", "RCPT TO:<b@x.org>\n"},
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct run *r = new_run(rows[i].ehlo, "b@x.org");
		char *want = mem_printf("%s%sRSET\nQUIT\n", rows[i].mail, rows[i].rcpt);

		r->envelope.ret = "HDRS";
		r->envelope.envid = "q+7";
		r->envelope.utf8 = true;
		r->envelope.rcpt[0].notify = DSN_NEVER;
		r->envelope.rcpt[0].orcpt = mem_dup(orcpt);
		open_it(r);
		assert_int_equal(client_mail(&r->client, &r->envelope, 1000, true, &r->o), 0);
		assert_int_equal(rcpt_step(r, 0), 0);
		assert_int_equal(client_reset(&r->client, &r->o), 0);
		stop_it(r, want);
		free_run(r);
		free(want);
	}
}

/* What this program refuses by itself: no code, nothing said, and the connection as it was. */
static void
steps_refused_by_ourselves(void **state)
{
	struct run *r = new_run("250-hi\r\n250-SIZE 40\r\n250 PIPELINING", "b\303\251@x.org,c@x.org");
	char eight[] = "Subject: x\n\n0123456789012345678901234567890\n";
	bool eight_bit;

	(void)state;
	open_it(r);
	assert_int_equal(client_mail(&r->client, &r->envelope, 41, false, &r->o), -1);
	assert_true(r->o.code == 0 && r->o.cause == CAUSE_TOO_LARGE && r->o.status == EX_DATAERR);
	r->envelope.requiretls = true;
	assert_int_equal(mail_step(r), -1);
	assert_true(r->o.code == 0 && r->o.cause == CAUSE_NO_REQUIRETLS && r->o.status == EX_UNAVAILABLE);
	r->envelope.requiretls = false;
	free(r->envelope.sender);
	r->envelope.sender = mem_dup("\303\251@x.org");
	assert_int_equal(mail_step(r), -1);
	assert_true(r->o.code == 0 && r->o.cause == CAUSE_NEEDS_SMTPUTF8 && r->o.status == EX_DATAERR);
	free(r->envelope.sender);
	r->envelope.sender = mem_dup("a@x.org");
	assert_int_equal(client_mail(&r->client, &r->envelope, 40, false, &r->o), 0);
	assert_int_equal(rcpt_step(r, 0), -1);
	assert_true(r->o.code == 0 && r->o.cause == CAUSE_NEEDS_SMTPUTF8 && r->o.status == EX_DATAERR);
	assert_int_equal(rcpt_step(r, 1), 0);
	message_free(&r->message);
	message_of(&r->message, eight, strlen(eight));
	assert_int_equal(client_fit(&r->client, &r->envelope, &r->message, &eight_bit, &r->o), -1);
	assert_true(r->o.code == 0 && r->o.cause == CAUSE_TOO_LARGE && r->o.status == EX_DATAERR);
	assert_string_equal(fates(&r->envelope), "65 T");
	assert_true(client_usable(&r->client));
	assert_int_equal(client_reset(&r->client, &r->o), 0);
	stop_it(r, "MAIL FROM:<a@x.org> SIZE=40\nRCPT TO:<c@x.org>\nRSET\nQUIT\n");
	free_run(r);
}

/* 8-bit content: asked for where it is offered, converted where not. */
static void
eight_bit_is_fitted(void **state)
{
	static const char text[] = "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\ncaf\303\251\n";

	(void)state;
	for (int offered = 0; offered < 2; offered++) {
		struct run *r = new_run(offered ? "250-hi\r\n250 8BITMIME" : "250 hi", "b@x.org");
		bool eight_bit = !offered;

		message_free(&r->message);
		message_of(&r->message, text, sizeof(text) - 1);
		open_it(r);
		assert_int_equal(client_fit(&r->client, &r->envelope, &r->message, &eight_bit, &r->o), 0);
		assert_int_equal(eight_bit, offered);
		assert_int_equal(client_mail(&r->client, &r->envelope, 0, eight_bit, &r->o), 0);
		assert_int_equal(rcpt_step(r, 0), 0);
		assert_int_equal(client_message(&r->client, &r->envelope, &r->message, &r->o), 0);
		stop_it(r, offered ? "MAIL FROM:<a@x.org> BODY=8BITMIME\nRCPT TO:<b@x.org>\nDATA\nQUIT\n" : "MAIL FROM:<a@x.org>\nRCPT TO:<b@x.org>\nDATA\nQUIT\n");
		assert_non_null(strstr(r->peer.data.data, offered ? "\r\n\r\ncaf\303\251\r\n.\r\n" : "\r\n\r\ncaf=C3=A9\r\n.\r\n"));
		free_run(r);
	}
}

/* Between transactions the smarthost says something, or is gone. */
static void
no_use_any_more(void **state)
{
	static const struct { const char *say; enum then then; } rows[] = {
		{"250 2.0.0 ok\r\n421 4.4.2 idle", GO_ON}, {"250 2.0.0 ok\r\n4", GO_ON}, {"250 2.0.0 ok", HANG_UP}, {"250 2.0.0 ok\r\n421 4.4.2 idle", HANG_UP},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run *r = new_run("250 hi", "b@x.org");
		struct pollfd there;

		add_rule(r, "RSET", rows[i].say, rows[i].then);
		open_it(r);
		assert_true(client_usable(&r->client));
		assert_int_equal(client_reset(&r->client, &r->o), 0);
		there = (struct pollfd){.fd = r->client.stream.fd, .events = POLLIN};
		assert_true(stream_pending(&r->client.stream) > 0 || poll(&there, 1, PATIENCE) == 1);
		assert_false(client_usable(&r->client));
		client_close(&r->client);
		assert_false(client_usable(&r->client));
		peer_stop(&r->peer);
		free_run(r);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_well), cmocka_unit_test(one_bad_of_four), cmocka_unit_test(all_refused), cmocka_unit_test(sender_refused),
		cmocka_unit_test(too_many_recipients), cmocka_unit_test(more_than_a_flight), cmocka_unit_test(not_too_many),
		cmocka_unit_test(second_transaction_fails), cmocka_unit_test(breaks_at_each_place), cmocka_unit_test(early_answers),
		cmocka_unit_test(early_end_of_a_flight), cmocka_unit_test(cannot_be_read_back),
		cmocka_unit_test(steps_go_well), cmocka_unit_test(steps_are_refused), cmocka_unit_test(steps_break), cmocka_unit_test(parameters_of_steps),
		cmocka_unit_test(steps_refused_by_ourselves), cmocka_unit_test(eight_bit_is_fitted), cmocka_unit_test(no_use_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
