/*
 * Causes and remedies: every cause has one, and what servers say is matched as CONTRACT and the collected refusals ask.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <cmocka.h>
#include "explain.h"

static void
every_cause_has_a_remedy(void **state)
{
	(void)state;
	for (int c = CAUSE_USAGE; c < CAUSE_COUNT; c++) {
		struct outcome o = {.cause = (enum cause)c};
		const struct explanation *e = explain(&o);

		if (e->remedy[0] == '\0')
			fail_msg("cause %d has no remedy", c);
		assert_int_not_equal(e->remedy[strlen(e->remedy) - 1], '.');
	}
}

static void
replies(void **state)
{
	static const struct { enum stage stage; int code; const char *enhanced, *words, *cause; } rows[] = {
		{STAGE_EHLO, 504, "5.5.2", "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", "full name"},
		{STAGE_EHLO, 501, "5.5.4", "501 5.5.4 Invalid domain name", "not allowed"},
		{STAGE_MAIL, 530, "5.7.1", "530 5.7.1 Client was not authenticated", "sign in"},
		{STAGE_MAIL, 530, "5.7.0", "530 5.7.0 Must issue a STARTTLS command first", "wants TLS"},
		{STAGE_MAIL, 550, "5.1.7", "550 5.1.7 Invalid address", "no address"},
		{STAGE_MAIL, 553, "5.7.1", "553 5.7.1 <x@y>: Sender address rejected: not owned by user z", "may not send"},
		{STAGE_RCPT, 550, "5.1.1", "550 5.1.1 User unknown", "no such recipient"},
		{STAGE_RCPT, 554, "5.7.1", "554 5.7.1 Relay access denied", "sign in"},
		{STAGE_RCPT, 452, "4.5.3", "452 4.5.3 Too many recipients", "too many"},
		{STAGE_RCPT, 450, "4.2.0", "450 4.2.0 Greylisted, try again later", "greylisting"},
		{STAGE_AUTH, 535, "5.7.8", "535 5.7.8 Username and Password not accepted", "password"},
		{STAGE_AUTH, 550, "5.7.30", "550 5.7.30 Basic authentication is not supported", "no longer takes passwords"},
		{STAGE_AUTH, 454, "4.7.0", "454 4.7.0 Temporary authentication failure", "own trouble"},
		{STAGE_AUTH, 504, "5.5.4", "504 5.5.4 Unrecognized authentication type", "mechanism"},
		{STAGE_DOT, 552, "5.3.4", "552 5.3.4 Message size exceeds fixed limit", "too large"},
		{STAGE_DOT, 554, "5.7.1", "554 5.7.1 Message rejected as spam", "spam"},
		{STAGE_RCPT, 421, "4.3.2", "421 4.3.2 Service not available", "shutting down"},
		{STAGE_MAIL, 421, "4.7.0", "421 4.7.0 Try again later, closing connection", "limit on how much"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outcome o;
		const struct explanation *e;

		(void)outcome_set(&o, EX_UNAVAILABLE, rows[i].stage, CAUSE_REPLY, rows[i].words, "x");
		o.code = rows[i].code;
		(void)snprintf(o.enhanced, sizeof(o.enhanced), "%s", rows[i].enhanced);
		e = explain(&o);
		if (strstr(e->cause, rows[i].cause) == NULL || e->remedy[0] == '\0')
			fail_msg("%s: \"%s\"", rows[i].words, e->cause);
	}
}

/* Whatever a server says at whichever stage, something can be said about it. */
static void
no_reply_is_left_out(void **state)
{
	(void)state;
	for (int stage = STAGE_BANNER; stage <= STAGE_DOT; stage++)
		for (int code = 400; code <= 599; code++) {
			struct outcome o = {.cause = CAUSE_REPLY, .stage = (enum stage)stage, .code = code};

			if (explain(&o)->remedy[0] == '\0')
				fail_msg("%s %d", outcome_stage_name(o.stage), code);
		}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cause_has_a_remedy), cmocka_unit_test(replies), cmocka_unit_test(no_reply_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
