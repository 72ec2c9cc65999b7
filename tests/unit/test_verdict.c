/*
 * An outcome as the reply that the caller gets: whose verdict it is, which code it has, and that nothing from outside gets through as it came.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <cmocka.h>
#include "explain.h"
#include "smtp/reply.h"
#include "smtp/verdict.h"

/* What reply_fail() makes of a reply of the smarthost's. */
static void
refusal(struct outcome *o, enum stage stage, int code, const char *enhanced, const char *text)
{
	static struct reply r;

	r = (struct reply){.code = code};
	(void)strlcpy(r.enhanced, enhanced, sizeof(r.enhanced));
	(void)strlcpy(r.text, text, sizeof(r.text));
	r.len = strlen(r.text);
	(void)reply_fail(&r, stage, o, "<b@x.org> was refused by smtp.example.com");
}

static void
assert_code(const struct outcome *o, int code, const char *enhanced)
{
	struct verdict v;

	verdict_of(&v, o);
	if (v.code != code || strcmp(v.enhanced, enhanced) != 0)
		fail_msg("%s %d cause %d: %d %s, not %d %s", outcome_stage_name(o->stage), o->code, (int)o->cause, v.code, v.enhanced, code, enhanced);
	assert_int_equal(v.enhanced[0] - '0', v.code / 100);
	buf_free(&v.text);
}

/* Its own words and code go on as they are, once; but not 421, which would end the caller's session. */
static void
the_smarthosts_own(void **state)
{
	static const struct { enum stage stage; int code; const char *enhanced, *text; int want; const char *want_enhanced, *want_text; } rows[] = {
		{STAGE_MAIL, 550, "5.7.1", "5.7.1 not you", 550, "5.7.1", "not you"}, {STAGE_MAIL, 451, "", "later", 451, "4.3.0", "later"},
		{STAGE_MAIL, 552, "5.3.4", "5.3.4 too large", 552, "5.3.4", "too large"}, {STAGE_RCPT, 550, "5.1.1", "5.1.1 no such user", 550, "5.1.1", "no such user"},
		{STAGE_RCPT, 550, "", "no such user", 550, "5.1.1", "no such user"}, {STAGE_RCPT, 450, "4.2.0", "4.2.0 greylisted", 450, "4.2.0", "greylisted"},
		{STAGE_RCPT, 452, "4.5.3", "4.5.3 too many", 452, "4.5.3", "too many"}, {STAGE_RCPT, 552, "", "full", 552, "5.2.2", "full"},
		{STAGE_DATA, 554, "5.5.1", "5.5.1 no valid recipients", 554, "5.5.1", "no valid recipients"}, {STAGE_DATA, 451, "4.3.0", "4.3.0 x", 451, "4.3.0", "x"},
		{STAGE_DOT, 554, "5.7.1", "5.7.1 spam", 554, "5.7.1", "spam"}, {STAGE_DOT, 552, "", "too large", 552, "5.3.4", "too large"},
		{STAGE_DOT, 452, "4.3.1", "4.3.1 no room", 452, "4.3.1", "no room"}, {STAGE_DOT, 599, "", "x", 599, "5.0.0", "x"},
		{STAGE_MAIL, 421, "4.3.2", "4.3.2 bye", 451, "4.3.2", "bye"}, {STAGE_RCPT, 421, "", "bye", 451, "4.3.2", "bye"},
		{STAGE_DATA, 421, "4.7.0", "4.7.0 bye", 451, "4.7.0", "bye"}, {STAGE_DOT, 421, "4.7.0", "4.7.0 bye", 451, "4.7.0", "bye"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outcome o;
		struct verdict v;

		refusal(&o, rows[i].stage, rows[i].code, rows[i].enhanced, rows[i].text);
		assert_code(&o, rows[i].want, rows[i].want_enhanced);
		verdict_of(&v, &o);
		assert_string_equal(buf_str(&v.text), rows[i].want_text);
		buf_free(&v.text);
	}
}

/* What this program refuses by itself: 5.6.7 for an address, 5.3.4 for a size (CONTRACT section 3a). */
static void
our_own(void **state)
{
	static const struct { int status; enum stage stage; enum cause cause; int code; const char *enhanced; } rows[] = {
		{EX_DATAERR, STAGE_MAIL, CAUSE_NEEDS_SMTPUTF8, 553, "5.6.7"}, {EX_DATAERR, STAGE_RCPT, CAUSE_NEEDS_SMTPUTF8, 553, "5.6.7"},
		{EX_DATAERR, STAGE_MAIL, CAUSE_TOO_LARGE, 552, "5.3.4"}, {EX_DATAERR, STAGE_MESSAGE, CAUSE_NEEDS_8BITMIME, 554, "5.6.3"},
		{EX_DATAERR, STAGE_MESSAGE, CAUSE_HEADER_TOO_LARGE, 552, "5.6.0"}, {EX_UNAVAILABLE, STAGE_MESSAGE, CAUSE_LOOP, 554, "5.4.6"},
		{EX_UNAVAILABLE, STAGE_MAIL, CAUSE_NO_REQUIRETLS, 550, "5.7.30"}, {EX_NOUSER, STAGE_ENVELOPE, CAUSE_ALIAS, 550, "5.1.1"},
		{EX_IOERR, STAGE_INPUT, CAUSE_SPACE, 452, "4.3.1"}, {EX_USAGE, STAGE_USAGE, CAUSE_BAD_ADDRESS, 501, "5.1.3"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outcome o;

		(void)outcome_set(&o, rows[i].status, rows[i].stage, rows[i].cause, "why", "what");
		assert_code(&o, rows[i].code, rows[i].enhanced);
	}
}

/* What stands in the way of any mail: never for good, and never 421. */
static void
in_the_way_of_any(void **state)
{
	static const struct { int status; enum stage stage; enum cause cause; const char *enhanced; } rows[] = {
		{EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_MISSING, "4.3.5"}, {EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, "4.3.5"},
		{EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_UNREADABLE, "4.3.5"}, {EX_CONFIG, STAGE_CONFIG, CAUSE_NO_DOMAIN, "4.3.5"},
		{EX_CONFIG, STAGE_SECRET, CAUSE_SECRET_MISSING, "4.3.5"}, {EX_CONFIG, STAGE_SECRET, CAUSE_SECRET_COMMAND, "4.3.5"},
		{EX_CONFIG, STAGE_AUTH, CAUSE_CLEAR_AUTH, "4.3.5"}, {EX_NOPERM, STAGE_AUTH, CAUSE_NO_COMMON_MECHANISM, "4.3.5"},
		{EX_PROTOCOL, STAGE_STARTTLS, CAUSE_NO_STARTTLS, "4.3.5"}, {EX_PROTOCOL, STAGE_TLS, CAUSE_CERT_NAME, "4.3.5"},
		{EX_PROTOCOL, STAGE_TLS, CAUSE_CERT_EXPIRED, "4.3.5"}, {EX_CONFIG, STAGE_TLS, CAUSE_NO_TRUST_STORE, "4.3.5"},
		{EX_PROTOCOL, STAGE_BANNER, CAUSE_NONSENSE, "4.3.5"},
		{EX_NOHOST, STAGE_LOOKUP, CAUSE_NO_HOST, "4.4.1"}, {EX_TEMPFAIL, STAGE_LOOKUP, CAUSE_LOOKUP, "4.4.1"},
		{EX_TEMPFAIL, STAGE_CONNECT, CAUSE_UNREACHABLE, "4.4.1"}, {EX_TEMPFAIL, STAGE_CONNECT, CAUSE_TIMEOUT, "4.4.1"},
		{EX_TEMPFAIL, STAGE_BANNER, CAUSE_TIMEOUT, "4.4.2"}, {EX_TEMPFAIL, STAGE_EHLO, CAUSE_LOST, "4.4.2"}, {EX_TEMPFAIL, STAGE_TLS, CAUSE_LOST, "4.4.2"},
		{EX_TEMPFAIL, STAGE_MAIL, CAUSE_LOST, "4.4.2"}, {EX_TEMPFAIL, STAGE_RCPT, CAUSE_TIMEOUT, "4.4.2"}, {EX_PROTOCOL, STAGE_RCPT, CAUSE_NONSENSE, "4.4.2"},
		{EX_TEMPFAIL, STAGE_DATA, CAUSE_LOST, "4.4.2"}, {EX_TEMPFAIL, STAGE_DOT, CAUSE_LOST, "4.4.2"}, {EX_PROTOCOL, STAGE_DOT, CAUSE_NONSENSE, "4.4.2"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outcome o;

		(void)outcome_set(&o, rows[i].status, rows[i].stage, rows[i].cause, "why", "what");
		assert_code(&o, 451, rows[i].enhanced);
	}
}

/* A refusal of ours is none of the caller's: AUTH, TLS and EHLO that the smarthost has refused, for good or for now, are 451. */
static void
refused_before_mail(void **state)
{
	static const struct { enum stage stage; int code; const char *enhanced, *want; } rows[] = {
		{STAGE_AUTH, 535, "5.7.8", "4.3.5"}, {STAGE_AUTH, 530, "5.7.0", "4.3.5"}, {STAGE_AUTH, 534, "5.7.9", "4.3.5"}, {STAGE_AUTH, 454, "4.7.0", "4.3.5"},
		{STAGE_STARTTLS, 502, "5.5.1", "4.3.5"}, {STAGE_BANNER, 554, "5.7.1", "4.3.5"}, {STAGE_EHLO, 550, "5.7.1", "4.3.5"},
		{STAGE_BANNER, 421, "4.3.2", "4.4.2"}, {STAGE_EHLO, 421, "4.3.2", "4.4.2"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outcome o;
		struct verdict v;

		refusal(&o, rows[i].stage, rows[i].code, rows[i].enhanced, "secret words");
		verdict_of(&v, &o);
		assert_non_null(strstr(v.text.data, "<b@x.org> was refused by smtp.example.com: "));
		assert_non_null(strstr(v.text.data, "secret words"));
		buf_free(&v.text);
		assert_code(&o, 451, rows[i].want);
	}
}

/* With cause and remedy, where there are some, each on a line of its own. */
static void
cause_and_remedy(void **state)
{
	struct outcome o;
	struct verdict v;
	char *want;

	(void)state;
	for (int c = CAUSE_NONE; c < CAUSE_COUNT; c++) {
		const struct explanation *e;

		if (c == CAUSE_REPLY)
			continue;
		(void)outcome_set(&o, EX_CONFIG, STAGE_CONFIG, (enum cause)c, "why", "what");
		e = explain(&o);
		want = mem_printf("what: why%s%s%s%s", *e->cause != '\0' ? "\nLikely cause: " : "", e->cause, *e->remedy != '\0' ? "\nRemedy: " : "", e->remedy);
		verdict_of(&v, &o);
		assert_string_equal(v.text.data, want);
		free(want);
		buf_free(&v.text);
	}
}

static void
assert_printable(const struct buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		assert_true(b->data[i] == '\n' || (b->data[i] >= ' ' && b->data[i] <= '~'));
	assert_int_equal(strlen(b->data), b->len);
}

/* Any octet in the words of the smarthost, or in what it made this program say. */
static void
nothing_gets_through_raw(void **state)
{
	struct outcome o;
	struct verdict v;
	char text[300];

	(void)state;
	for (int c = 1; c < 256; c++)
		text[c - 1] = (char)c;
	text[255] = '\0';
	refusal(&o, STAGE_RCPT, 550, "5.1.1", text);
	verdict_of(&v, &o);
	assert_printable(&v.text);
	assert_null(strchr(v.text.data, '\n'));
	buf_free(&v.text);
	(void)outcome_set(&o, EX_TEMPFAIL, STAGE_EHLO, CAUSE_NONSENSE, text, "x\r\n250 ok\r\n%s", text);
	verdict_of(&v, &o);
	assert_printable(&v.text);
	assert_null(strstr(v.text.data, "\n250"));
	buf_free(&v.text);
}

static void
words(void **state)
{
	static const struct { const char *text, *enhanced, *want; } rows[] = {
		{"2.1.0 ok", "2.1.0", "ok"}, {"2.1.0", "2.1.0", ""}, {"ok", "", "ok"}, {"ok", "2.1.0", "ok"}, {"one\ntwo", "", "one\ntwo"},
		{"2.1.0 one\ntwo", "2.1.0", "one\ntwo"}, {"", "", ""}, {"\n\n", "", "\n\n"}, {"a\tb\rc\001\303\251", "", "a\\tb\\rc\\001\\303\\251"},
		{"2.1.00 x", "", "2.1.00 x"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = {0};

		verdict_add_words(&b, rows[i].text, rows[i].enhanced);
		assert_string_equal(buf_str(&b), rows[i].want);
		buf_free(&b);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_smarthosts_own), cmocka_unit_test(our_own), cmocka_unit_test(in_the_way_of_any), cmocka_unit_test(refused_before_mail),
		cmocka_unit_test(cause_and_remedy), cmocka_unit_test(nothing_gets_through_raw), cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
