/*
 * The table of exit statuses (CONTRACT section 6) and the values that failures are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sysexits.h>
#include <cmocka.h>
#include "outcome.h"

static void
status_by_stage(void **state)
{
	static const struct { enum stage stage; int code; const char *enhanced; int status; } rows[] = {
		{STAGE_BANNER, 554, "", EX_UNAVAILABLE}, {STAGE_BANNER, 421, "4.3.2", EX_TEMPFAIL},
		{STAGE_EHLO, 501, "5.5.4", EX_UNAVAILABLE}, {STAGE_EHLO, 421, "", EX_TEMPFAIL},
		{STAGE_STARTTLS, 502, "", EX_PROTOCOL}, {STAGE_STARTTLS, 454, "4.7.0", EX_TEMPFAIL},
		{STAGE_AUTH, 535, "5.7.8", EX_NOPERM}, {STAGE_AUTH, 550, "5.7.30", EX_NOPERM}, {STAGE_AUTH, 454, "4.7.0", EX_TEMPFAIL},
		{STAGE_MAIL, 552, "", EX_DATAERR}, {STAGE_MAIL, 550, "5.3.4", EX_DATAERR}, {STAGE_MAIL, 530, "5.7.0", EX_PROTOCOL},
		{STAGE_MAIL, 530, "5.7.1", EX_NOPERM}, {STAGE_MAIL, 550, "5.1.7", EX_NOPERM}, {STAGE_MAIL, 553, "5.7.1", EX_NOPERM},
		{STAGE_MAIL, 555, "", EX_NOPERM}, {STAGE_MAIL, 451, "", EX_TEMPFAIL},
		{STAGE_RCPT, 550, "5.1.1", EX_NOUSER}, {STAGE_RCPT, 551, "", EX_NOUSER}, {STAGE_RCPT, 553, "", EX_NOUSER},
		{STAGE_RCPT, 554, "5.1.2", EX_NOUSER}, {STAGE_RCPT, 554, "5.7.1", EX_NOPERM}, {STAGE_RCPT, 550, "5.7.1", EX_NOPERM},
		{STAGE_RCPT, 530, "", EX_NOPERM}, {STAGE_RCPT, 552, "", EX_TEMPFAIL}, {STAGE_RCPT, 554, "", EX_UNAVAILABLE},
		{STAGE_RCPT, 450, "4.2.0", EX_TEMPFAIL}, {STAGE_RCPT, 503, "", EX_UNAVAILABLE},
		{STAGE_DATA, 554, "", EX_UNAVAILABLE}, {STAGE_DATA, 451, "", EX_TEMPFAIL},
		{STAGE_DOT, 552, "5.3.4", EX_DATAERR}, {STAGE_DOT, 554, "5.6.0", EX_DATAERR}, {STAGE_DOT, 554, "5.7.1", EX_UNAVAILABLE},
		{STAGE_DOT, 421, "", EX_TEMPFAIL},
		{STAGE_RCPT, 354, "", EX_PROTOCOL}, {STAGE_DOT, 600, "", EX_PROTOCOL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (outcome_status(rows[i].stage, rows[i].code, rows[i].enhanced) != rows[i].status)
			fail_msg("%s %d %s: %d", outcome_stage_name(rows[i].stage), rows[i].code, rows[i].enhanced,
			    outcome_status(rows[i].stage, rows[i].code, rows[i].enhanced));
}

/* 78 77 76 65 67 69 68 75: each loses against all before it, whichever side it comes from. */
static void
worse_of_two(void **state)
{
	static const int order[] = {78, 77, 76, 65, 67, 69, 68, 75, 0};

	(void)state;
	for (size_t i = 0; i < 9; i++)
		for (size_t k = i; k < 9; k++) {
			assert_int_equal(outcome_worse(order[i], order[k]), order[i]);
			assert_int_equal(outcome_worse(order[k], order[i]), order[i]);
		}
}

static void
set_bounds_and_clears(void **state)
{
	struct outcome o;
	char longer[2000];

	(void)state;
	memset(&o, 0x55, sizeof(o));
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(outcome_set(&o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, longer, "%s", longer), -1);
	assert_int_equal(o.status, EX_CONFIG);
	assert_int_equal(o.code, 0);
	assert_string_equal(o.enhanced, "");
	assert_int_equal(strlen(o.what), sizeof(o.what) - 1);
	assert_int_equal(strlen(o.why), sizeof(o.why) - 1);
}

static void
temporary(void **state)
{
	struct outcome o = {.status = EX_TEMPFAIL};

	(void)state;
	assert_true(outcome_temporary(&o));
	o.status = EX_NOHOST;
	assert_true(outcome_temporary(&o));
	o.status = EX_NOUSER;
	assert_false(outcome_temporary(&o));
}

static void
every_stage_has_a_name(void **state)
{
	(void)state;
	for (int s = 0; s < STAGE_COUNT; s++)
		assert_non_null(outcome_stage_name((enum stage)s));
	assert_string_equal(outcome_stage_name(STAGE_RCPT), "rcpt");
}

/* The smarthost's own where it has one that fits its reply code; else what the reply code and its meaning come to; else what the cause does (RFC 3463, RFC 5248). */
static void
enhanced_status_code(void **state)
{
	static const struct { int status; enum stage stage; enum cause cause; int code; const char *given, *want; } rows[] = {
		{EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 550, "5.1.10", "5.1.10"}, {EX_NOPERM, STAGE_RCPT, CAUSE_REPLY, 554, "5.7.1", "5.7.1"},
		{EX_TEMPFAIL, STAGE_DOT, CAUSE_REPLY, 451, "4.123.456", "4.123.456"}, {EX_TEMPFAIL, STAGE_RCPT, CAUSE_REPLY, 450, "4.2.0", "4.2.0"},
		/* none of its class, or none at all */
		{EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 550, "4.2.0", "5.1.1"}, {EX_TEMPFAIL, STAGE_RCPT, CAUSE_REPLY, 450, "5.1.1", "4.2.0"},
		{EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 550, "5.1", "5.1.1"}, {EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 550, "5.1.1.1", "5.1.1"},
		{EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 550, "5.1.1234", "5.1.1"}, {EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 550, "5..1", "5.1.1"},
		{EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 550, "2.1.5", "5.1.1"}, {EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 550, "5.1.1x", "5.1.1"},
		/* by the reply code */
		{EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 550, "", "5.1.1"}, {EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 551, "", "5.1.6"},
		{EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 553, "", "5.1.3"}, {EX_NOPERM, STAGE_RCPT, CAUSE_REPLY, 550, "", "5.7.1"},
		{EX_TEMPFAIL, STAGE_RCPT, CAUSE_REPLY, 552, "", "5.2.2"}, {EX_DATAERR, STAGE_MAIL, CAUSE_REPLY, 552, "", "5.3.4"},
		{EX_DATAERR, STAGE_DOT, CAUSE_REPLY, 552, "", "5.3.4"}, {EX_NOPERM, STAGE_MAIL, CAUSE_REPLY, 530, "", "5.7.0"},
		{EX_NOPERM, STAGE_AUTH, CAUSE_REPLY, 535, "", "5.7.8"}, {EX_NOPERM, STAGE_MAIL, CAUSE_REPLY, 550, "", "5.7.1"},
		{EX_TEMPFAIL, STAGE_RCPT, CAUSE_REPLY, 450, "", "4.2.0"}, {EX_TEMPFAIL, STAGE_RCPT, CAUSE_REPLY, 451, "", "4.3.0"},
		{EX_TEMPFAIL, STAGE_RCPT, CAUSE_REPLY, 452, "", "4.3.1"}, {EX_TEMPFAIL, STAGE_DOT, CAUSE_REPLY, 421, "", "4.3.2"},
		{EX_UNAVAILABLE, STAGE_DOT, CAUSE_REPLY, 554, "", "5.0.0"}, {EX_TEMPFAIL, STAGE_DOT, CAUSE_REPLY, 499, "", "4.0.0"},
		/* by the cause */
		{EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_MISSING, 0, "", "5.3.5"}, {EX_DATAERR, STAGE_RCPT, CAUSE_NEEDS_SMTPUTF8, 0, "", "5.6.7"},
		{EX_DATAERR, STAGE_MAIL, CAUSE_TOO_LARGE, 0, "", "5.3.4"}, {EX_NOUSER, STAGE_ENVELOPE, CAUSE_ALIAS, 0, "", "5.1.1"},
		{EX_TEMPFAIL, STAGE_CONNECT, CAUSE_UNREACHABLE, 0, "", "4.4.1"}, {EX_TEMPFAIL, STAGE_DOT, CAUSE_LOST, 0, "", "4.4.2"},
		{EX_UNAVAILABLE, STAGE_MESSAGE, CAUSE_LOOP, 0, "", "5.4.6"}, {EX_UNAVAILABLE, STAGE_MAIL, CAUSE_NO_REQUIRETLS, 0, "", "5.7.30"},
		{EX_SOFTWARE, STAGE_NONE, CAUSE_NONE, 0, "", "5.0.0"}, {EX_TEMPFAIL, STAGE_NONE, CAUSE_NONE, 0, "", "4.0.0"},
		{EX_PROTOCOL, STAGE_RCPT, CAUSE_NONSENSE, 354, "", "5.5.0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outcome o = {.status = rows[i].status, .stage = rows[i].stage, .cause = rows[i].cause, .code = rows[i].code};

		(void)strlcpy(o.enhanced, rows[i].given, sizeof(o.enhanced));
		if (strcmp(outcome_enhanced(&o), rows[i].want) != 0)
			fail_msg("%s %d \"%s\" cause %d: %s, not %s", outcome_stage_name(o.stage), o.code, o.enhanced, (int)o.cause, outcome_enhanced(&o),
			    rows[i].want);
	}
}

/* Whatever has failed, there is one; of class 4 where it is for now, 5 where not. */
static void
every_cause_has_an_enhanced_status_code(void **state)
{
	(void)state;
	for (int c = CAUSE_NONE; c < CAUSE_COUNT; c++) {
		struct outcome o = {.status = EX_UNAVAILABLE, .stage = STAGE_MAIL, .cause = (enum cause)c};
		const char *code = outcome_enhanced(&o);

		if ((*code != '4' && *code != '5') || code[1] != '.' || strlen(code) < 5 || strlen(code) >= sizeof(o.enhanced))
			fail_msg("cause %d: \"%s\"", c, code);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_by_stage), cmocka_unit_test(worse_of_two), cmocka_unit_test(set_bounds_and_clears),
		cmocka_unit_test(temporary), cmocka_unit_test(every_stage_has_a_name), cmocka_unit_test(enhanced_status_code),
		cmocka_unit_test(every_cause_has_an_enhanced_status_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
