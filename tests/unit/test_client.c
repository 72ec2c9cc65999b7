/*
 * A session until mail can be sent: greeting, EHLO and HELO, STARTTLS refused and missing; and its end.
 */
#include "smtp_peer.h"

struct session {
	struct peer peer;
	struct smarthost host;
	struct client client;
	struct outcome o;
	int status;
};

static void
open_session(struct session *s, msec wait)
{
	static char address[] = "127.0.0.1";

	peer_start(&s->peer);
	s->host.host = address;
	s->host.port = s->peer.port;
	s->status = client_open(&s->client, &s->host, true, "client.example.com", clock_now() + wait, NULL, &s->o);
	assert_int_equal(s->status, s->o.status == 0 ? 0 : -1);
	client_close(&s->client);
	client_close(&s->client);	/* no harm in that */
	peer_stop(&s->peer);
}

/* One session with one rule. */
static struct session *
session(enum tls_mode tls, const char *on, const char *say, enum then then)
{
	struct session *s = mem_alloc(sizeof(*s));

	s->host.tls = tls;
	s->peer.rule[0] = (struct rule){.on = on, .say = say, .then = then};
	open_session(s, PATIENCE);
	return s;
}

static void
assert_end(struct session *s, int status, enum stage stage, enum cause cause, const char *commands)
{
	if (s->o.status != status || s->o.stage != stage || s->o.cause != cause)
		fail_msg("%d %s cause %d, not %d %s cause %d: %s: %s", s->o.status, outcome_stage_name(s->o.stage), (int)s->o.cause, status,
		    outcome_stage_name(stage), (int)cause, s->o.what, s->o.why);
	assert_string_equal(buf_str(&s->peer.commands), commands);
	peer_free(&s->peer);
	free(s);
}

static void
greetings(void **state)
{
	static const struct { const char *say; enum then then; int status; enum cause cause; } rows[] = {
		{"554 5.7.1 not you", GO_ON, EX_UNAVAILABLE, CAUSE_REPLY}, {"554 5.7.1 not you", HANG_UP, EX_UNAVAILABLE, CAUSE_REPLY},
		{"421 4.3.2 shutting down", HANG_UP, EX_TEMPFAIL, CAUSE_REPLY}, {"450 later", GO_ON, EX_TEMPFAIL, CAUSE_REPLY},
		{"250 hello", GO_ON, EX_PROTOCOL, CAUSE_NONSENSE}, {"SSH-2.0-OpenSSH_9.2", GO_ON, EX_PROTOCOL, CAUSE_NONSENSE},
		{"HTTP/1.1 400 Bad Request", HANG_UP, EX_PROTOCOL, CAUSE_NONSENSE}, {NULL, HANG_UP, EX_TEMPFAIL, CAUSE_LOST},
		{"220-half a greeting", HANG_UP, EX_TEMPFAIL, CAUSE_LOST},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_end(session(TLS_MODE_NONE, "BANNER", rows[i].say, rows[i].then), rows[i].status, STAGE_BANNER, rows[i].cause, "");
}

static void
goes_well(void **state)
{
	(void)state;
	assert_end(session(TLS_MODE_NONE, "BANNER", "220-one\r\n220 two", GO_ON), 0, STAGE_NONE, CAUSE_NONE, "EHLO client.example.com\nQUIT\n");
}

static void
ehlo_and_helo(void **state)
{
#define BOTH "EHLO client.example.com\nHELO client.example.com\n"
	static const struct { const char *on, *say; enum then then; int status; enum cause cause; const char *commands; } rows[] = {
		{"EHLO", "502 5.5.1 what", GO_ON, 0, CAUSE_NONE, BOTH "QUIT\n"},
		{"EHLO", "554 what", GO_ON, 0, CAUSE_NONE, BOTH "QUIT\n"},
		{"EHLO", "451 later", GO_ON, EX_TEMPFAIL, CAUSE_REPLY, "EHLO client.example.com\nQUIT\n"},
		{"EHLO", "421 bye", HANG_UP, EX_TEMPFAIL, CAUSE_REPLY, "EHLO client.example.com\n"},
		{"EHLO", "354 what", GO_ON, EX_PROTOCOL, CAUSE_NONSENSE, "EHLO client.example.com\nQUIT\n"},
		{"EHLO", "hello", GO_ON, EX_PROTOCOL, CAUSE_NONSENSE, "EHLO client.example.com\n"},
		{"EHLO", NULL, HANG_UP, EX_TEMPFAIL, CAUSE_LOST, "EHLO client.example.com\n"},
		{"EHLO", "554 5.7.1 your address is listed", HANG_UP, EX_UNAVAILABLE, CAUSE_REPLY, "EHLO client.example.com\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session *s = session(TLS_MODE_NONE, rows[i].on, rows[i].say, rows[i].then);

		if (strncmp(buf_str(&s->peer.commands), BOTH, sizeof(BOTH) - 1) == 0)
			assert_false(s->client.cap.pipelining || s->client.cap.size);
		assert_end(s, rows[i].status, rows[i].status == 0 ? STAGE_NONE : STAGE_EHLO, rows[i].cause, rows[i].commands);
	}
}

static void
helo_refused(void **state)
{
	struct session *s = mem_alloc(sizeof(*s));

	(void)state;
	s->host.tls = TLS_MODE_NONE;
	s->peer.rule[0] = (struct rule){.on = "EHLO", .say = "502 5.5.1 what"};
	s->peer.rule[1] = (struct rule){.on = "HELO", .say = "550 5.7.1 nor that"};
	open_session(s, PATIENCE);
	assert_non_null(strstr(s->o.why, "nor that"));
	assert_end(s, EX_UNAVAILABLE, STAGE_EHLO, CAUSE_REPLY, BOTH "QUIT\n");
}

/* No STARTTLS: stop before AUTH, whatever else is offered. */
static void
starttls_missing(void **state)
{
	static char user[] = "app", password[] = "word";
	struct session *s = mem_alloc(sizeof(*s));

	(void)state;
	s->host = (struct smarthost){.tls = TLS_MODE_STARTTLS, .user = user, .password = {.kind = SECRET_TEXT, .value = password}};
	s->peer.ehlo = "250-hello\r\n250-XSTARTTLS\r\n250 AUTH PLAIN";
	open_session(s, PATIENCE);
	assert_end(s, EX_PROTOCOL, STAGE_STARTTLS, CAUSE_NO_STARTTLS, "EHLO client.example.com\nQUIT\n");
	assert_end(session(TLS_MODE_STARTTLS, "EHLO", "502 5.5.1 HELO then", GO_ON), EX_PROTOCOL, STAGE_STARTTLS, CAUSE_NO_STARTTLS, BOTH "QUIT\n");
}

static void
starttls_refused(void **state)
{
	static const struct { const char *say; enum then then; int status; enum cause cause; bool quit; } rows[] = {
		{"454 4.7.0 not now", GO_ON, EX_TEMPFAIL, CAUSE_REPLY, true}, {"502 5.5.1 no", GO_ON, EX_PROTOCOL, CAUSE_REPLY, true},
		{"250 yes", GO_ON, EX_PROTOCOL, CAUSE_NONSENSE, true}, {NULL, HANG_UP, EX_TEMPFAIL, CAUSE_LOST, false},
		{"421 bye", HANG_UP, EX_TEMPFAIL, CAUSE_REPLY, false},
		{"220 go\r\n250-smtp.example.com\r\n250 AUTH PLAIN", GO_ON, EX_PROTOCOL, CAUSE_INJECTED, false},
		{"220 go\r\n2", GO_ON, EX_PROTOCOL, CAUSE_INJECTED, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session *s = mem_alloc(sizeof(*s));

		s->host.tls = TLS_MODE_STARTTLS;
		s->peer.ehlo = "250-hello\r\n250 STARTTLS";
		s->peer.rule[0] = (struct rule){.on = "STARTTLS", .say = rows[i].say, .then = rows[i].then};
		open_session(s, PATIENCE);
		assert_false(s->client.secure);
		assert_end(s, rows[i].status, STAGE_STARTTLS, rows[i].cause,
		    rows[i].quit ? "EHLO client.example.com\nSTARTTLS\nQUIT\n" : "EHLO client.example.com\nSTARTTLS\n");
	}
}

/* A smarthost that says nothing at all, or not the last line: the deadline ends it, and no QUIT is said. */
static void
silence(void **state)
{
	static const struct { const char *on, *say; enum stage stage; const char *commands; } rows[] = {
		{"BANNER", NULL, STAGE_BANNER, ""}, {"EHLO", "250-and so on", STAGE_EHLO, "EHLO client.example.com\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session *s = mem_alloc(sizeof(*s));

		s->host.tls = TLS_MODE_NONE;
		s->peer.rule[0] = (struct rule){.on = rows[i].on, .say = rows[i].say};
		open_session(s, 3000);
		assert_end(s, EX_TEMPFAIL, rows[i].stage, CAUSE_TIMEOUT, rows[i].commands);
	}
}

/* Nobody listens: nothing of the client is left open, and descriptor 0 least of all. */
static void
no_connection(void **state)
{
	struct session *s = mem_alloc(sizeof(*s));
	static char address[] = "127.0.0.1";

	(void)state;
	peer_start(&s->peer);
	peer_stop(&s->peer);
	s->host.host = address;
	s->host.port = s->peer.port;
	assert_int_equal(client_open(&s->client, &s->host, true, NULL, clock_now() + PATIENCE, NULL, &s->o), -1);
	assert_int_equal(s->client.stream.fd, -1);
	client_close(&s->client);
	assert_end(s, EX_TEMPFAIL, STAGE_CONNECT, CAUSE_UNREACHABLE, "");
}

/* A name of our own where none is configured: never empty, never of one word that means nothing there. */
static void
own_name(void **state)
{
	struct session *s = mem_alloc(sizeof(*s));
	static char address[] = "127.0.0.1";
	char *name;

	(void)state;
	peer_start(&s->peer);
	s->host = (struct smarthost){.host = address, .port = s->peer.port, .tls = TLS_MODE_NONE};
	assert_int_equal(client_open(&s->client, &s->host, true, NULL, clock_now() + PATIENCE, NULL, &s->o), 0);
	client_close(&s->client);
	peer_stop(&s->peer);
	name = mem_ndup(s->peer.commands.data + 5, strcspn(s->peer.commands.data + 5, "\n"));
	assert_true(strcmp(name, "[127.0.0.1]") == 0 || strchr(name, '.') != NULL);
	free(name);
	peer_free(&s->peer);
	free(s);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(greetings), cmocka_unit_test(goes_well), cmocka_unit_test(ehlo_and_helo), cmocka_unit_test(helo_refused),
		cmocka_unit_test(starttls_missing), cmocka_unit_test(starttls_refused), cmocka_unit_test(silence),
		cmocka_unit_test(no_connection), cmocka_unit_test(own_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
