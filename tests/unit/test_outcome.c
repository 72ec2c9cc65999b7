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

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_by_stage), cmocka_unit_test(worse_of_two), cmocka_unit_test(set_bounds_and_clears),
		cmocka_unit_test(temporary), cmocka_unit_test(every_stage_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
