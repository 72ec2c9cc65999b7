/*
 * Causes and remedies: every cause has one, and what servers say is matched as CONTRACT and the collected refusals ask.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <cmocka.h>
#include "explain_table.h"

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
		{STAGE_RCPT, 550, "5.1.1", "550 5.1.1 <x@relay.example.net>: User unknown", "no such recipient"},
		{STAGE_RCPT, 550, "5.4.5", "550 5.4.5 Daily SMTP relay sending limit exceeded", "daily limit"},
		{STAGE_RCPT, 550, "5.7.64", "550 5.7.64 TenantAttribution; Relay Access Denied", "connector"},
		{STAGE_RCPT, 553, "5.7.1", "553 5.7.1 <a@x>: Sender address rejected: not owned by user b", "may not send with this sender"},
		{STAGE_RCPT, 550, "5.1.0", "550 5.1.0 <a@x>: Sender address rejected: User unknown", "may not send with this sender"},
		{STAGE_RCPT, 504, "5.5.2", "504 5.5.2 <box>: Helo command rejected: need fully-qualified hostname", "EHLO"},
		{STAGE_RCPT, 550, "", "550 Sender verify failed", "may not send with this sender"},
		{STAGE_RCPT, 550, "5.7.1", "550 5.7.1 No", "write to that address"},
		{STAGE_RCPT, 552, "5.2.3", "552 5.2.3 Too large", "too large"},
		{STAGE_DOT, 554, "5.7.1", "554 5.7.1 Service unavailable; client blocked using zen.spamhaus.org", "network"},
		{STAGE_DOT, 554, "5.7.9", "554 5.7.9 Message not accepted for policy reasons", "content"},
		{STAGE_DOT, 550, "5.7.30", "550 5.7.30 Unauthenticated", "does not sign"},
		{STAGE_MAIL, 550, "5.7.30", "550 5.7.30 REQUIRETLS support required", "requiretls"},
		{STAGE_MAIL, 450, "4.1.2", "450 4.1.2 <a@x>: Domain not found", "cannot be looked up"},
		{STAGE_MAIL, 550, "", "550 Unauthenticated senders not allowed", "those who sign in"},
		{STAGE_MAIL, 503, "5.5.1", "503 5.5.1 Error: send HELO/EHLO first", "sign-in or TLS first"},
		{STAGE_MAIL, 530, "5.7.57", "530 5.7.57 Client not authenticated to send mail", "no user is set"},
		{STAGE_MAIL, 554, "5.7.60", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", "not the address of the account"},
		{STAGE_DOT, 550, "5.7.26", "550 5.7.26 Unauthenticated mail", "SPF"},
		{STAGE_AUTH, 454, "4.7.0", "454 4.7.0 Too many login attempts, please try again later", "too many sign-ins"},
		{STAGE_AUTH, 432, "", "432 A password transition is needed", "no password that fits"},
		{STAGE_DOT, 421, "4.7.28", "421-4.7.28 To protect our users from spam, mail sent from your IP address has been temporarily rate limited", "sent all"},
		{STAGE_DOT, 451, "", "451 Spam filter: try again later", "own trouble"},
		{STAGE_RCPT, 554, "5.7.1", "554 5.7.1 Service unavailable; Sender address [a@x] blocked using dbl.spamhaus.org", "domain of the sender"},
		{STAGE_RCPT, 550, "", "550 recipient is blacklisted", "not to be written to"},
		{STAGE_AUTH, 535, "", "535 Login attempts exceeded", "too many sign-ins"},
		{STAGE_MAIL, 552, "5.2.2", "552 5.2.2 Sending quota exceeded", "sent all"},
		{STAGE_RCPT, 452, "4.2.2", "452 4.2.2 mailbox over quota", "mailbox is full"},
		{STAGE_RCPT, 450, "4.2.0", "450 4.2.0 mailbox busy", "passes"},
		{STAGE_RCPT, 553, "5.7.1", "553 5.7.1 <a@x>: Sender address rejected: not logged in", "sign in"},
		{STAGE_RCPT, 553, "5.1.8", "553 5.1.8 <a@x>: Sender address rejected: Domain not found", "domain of the sender"},
		{STAGE_STARTTLS, 554, "5.7.3", "554 5.7.3 Unable to initialize security subsystem", "TLS is broken"},
		{STAGE_STARTTLS, 454, "", "454 TLS not available", "TLS is broken"},
		{STAGE_RCPT, 450, "4.1.1", "450 4.1.1 unverified address: Address verification in progress", "asks the server"},
		{STAGE_DOT, 454, "", "454 Throttling failure: Maximum sending rate exceeded", "sent all"},
		{STAGE_DOT, 550, "", "550 Domain x has exceeded the max emails per hour", "sent all"},
		{STAGE_DOT, 432, "4.3.2", "432 4.3.2 Concurrent connections limit exceeded", "sent all"},
		{STAGE_RCPT, 553, "", "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "sign in"},
		{STAGE_MAIL, 550, "5.7.1", "550 5.7.1 Your account is suspended", "locked"},
		{STAGE_MAIL, 501, "", "501 <root>: sender address must contain a domain", "no domain"},
		{STAGE_DOT, 554, "5.4.0", "554 5.4.0 Error: too many hops", "circle"},
		{STAGE_DOT, 550, "5.7.1", "550 5.7.1 This message fails SPF", "SPF"},
		{STAGE_DOT, 552, "5.7.0", "552 5.7.0 This message was blocked because its content presents a potential security issue", "harmful"},
		{STAGE_AUTH, 535, "", "535 Authentication failed: account is disabled", "locked or disabled"},
		{STAGE_AUTH, 535, "5.7.139", "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled", "switched off"},
		{STAGE_AUTH, 451, "", "451 Authentication failed: Maximum credits exceeded", "all that it may"},
		{STAGE_AUTH, 501, "", "501 Malformed", "our part of the sign-in"},
		{STAGE_BANNER, 451, "4.7.1", "451 4.7.1 Come back later", "busy"},
		{STAGE_BANNER, 451, "4.7.1", "451 4.7.1 Greylisting in action", "second try"},
		{STAGE_BANNER, 554, "5.7.1", "554 5.7.1 No SMTP service here", "does not want to talk"},
		{STAGE_EHLO, 451, "", "451 Later", "own trouble"},
		{STAGE_RCPT, 421, "4.7.66", "421 4.7.66 TLS 1.2 is required", "shutting down"},
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

/* ---- the table ---- */

/* In one voice: ASCII, no stop at the end (inner sentences may have one), no blank at either end, no two in a row, and the words of the field. */
static void
check_text(const char *where, const char *text, bool required)
{
	static const char *const banned[] = {
		"e-mail", "email", "login", "log in", "username", "please", "!", "simply", "mail server refused", "SSL", "timed out", "ERROR", "failed to", "unable to", "relayhost",
	};
	size_t n = strlen(text);

	if (required && n == 0)
		fail_msg("%s: there is no text", where);
	if (n == 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (text[i] < ' ' || text[i] > '~')
			fail_msg("%s: \"%s\" is not plain", where, text);
	if (text[n - 1] == '.' || text[n - 1] == ' ' || text[0] == ' ' || strstr(text, "  ") != NULL)
		fail_msg("%s: \"%s\" has a stop or a blank too many", where, text);
	for (size_t i = 0; i < sizeof(banned) / sizeof(banned[0]); i++)
		if (strstr(text, banned[i]) != NULL)
			fail_msg("%s: \"%s\" says \"%s\"", where, text, banned[i]);
}

/* A cause goes on after "Likely cause: ", a remedy tells what to do. Both are there, or neither. */
static void
check_why(const char *where, const struct explanation *e, bool required)
{
	check_text(where, e->cause, required);
	check_text(where, e->remedy, required || e->cause[0] != '\0');
}

static void
every_row_is_told(void **state)
{
	char where[80];

	(void)state;
	for (int c = CAUSE_USAGE; c < CAUSE_COUNT; c++) {
		struct outcome o = {.cause = (enum cause)c};

		(void)snprintf(where, sizeof(where), "cause %d", c);
		check_text(where, explain(&o)->cause, false);
		check_text(where, explain(&o)->remedy, true);
	}
	for (size_t i = 0; i < explain_hints_count; i++) {
		(void)snprintf(where, sizeof(where), "hint %zu", i);
		check_why(where, &explain_hints[i].why, true);
	}
	for (size_t i = 0; i < explain_codes_count; i++) {
		const struct explain_code *row = &explain_codes[i];

		(void)snprintf(where, sizeof(where), "%d", row->code);
		check_text(where, row->text, true);
		check_text(where, row->source, true);
		check_why(where, &row->why, row->code >= 400);
		if (i > 0 && row->code <= explain_codes[i - 1].code)
			fail_msg("%d is not in its place", row->code);
	}
	for (size_t i = 0; i < explain_enhanceds_count; i++) {
		const struct explain_enhanced *row = &explain_enhanceds[i];

		check_text(row->code, row->text, true);
		check_text(row->code, row->source, true);
		check_why(row->code, &row->why, strcmp(row->code, "X.1.5") != 0 && strcmp(row->code, "X.1.9") != 0 && strcmp(row->code, "X.3.6") != 0);
	}
	for (size_t i = 0; i < explain_commands_count; i++) {
		const struct explain_command *row = &explain_commands[i];

		check_text(row->name, row->text, true);
		check_text(row->name, row->example, true);
		check_text(row->name, row->here, false);
		check_text(row->name, row->source, true);
		assert_int_equal(strncmp(row->syntax, row->name, strlen(row->name)), 0);
		assert_int_equal(strncmp(row->example, row->name, strlen(row->name)), 0);
	}
	for (size_t i = 0; i < explain_extensions_count; i++) {
		check_text(explain_extensions[i].keyword, explain_extensions[i].text, true);
		check_text(explain_extensions[i].keyword, explain_extensions[i].source, true);
	}
	for (size_t i = 0; i < explain_statuses_count; i++) {
		const struct explain_status *row = &explain_statuses[i];

		check_text(row->name, row->text, true);
		check_why(row->name, &row->why, row->status != EX_OK && row->status != EX_OSFILE);
	}
	for (size_t i = 0; i < explain_flags_count; i++) {
		check_text(explain_flags[i].flag, explain_flags[i].text, true);
		check_text(explain_flags[i].flag, explain_flags[i].brief, false);
	}
}

/* The registry of enhanced status codes (RFC 5248) as it stands, and every reply code of RFC 5321 and of what it is extended by. */
static void
nothing_is_missing(void **state)
{
	static const int last[] = {0, 10, 4, 6, 7, 6, 10, 30};
	static const int codes[] = {
		211, 214, 220, 221, 235, 250, 251, 252, 253, 334, 354, 355, 421, 432, 450, 451, 452, 453, 454, 455, 458, 459, 500, 501, 502, 503, 504, 521, 523, 525, 530, 534, 535, 538,
		550, 551, 552, 553, 554, 555, 556,
	};
	static const char *const commands[] = {"EHLO", "HELO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "VRFY", "EXPN", "HELP", "QUIT", "STARTTLS", "AUTH", "ETRN"};

	(void)state;
	for (int subject = 0; subject <= 7; subject++)
		for (int detail = 0; detail <= last[subject]; detail++) {
			char code[16];
			size_t n = 0;

			(void)snprintf(code, sizeof(code), "X.%d.%d", subject, detail);
			for (size_t i = 0; i < explain_enhanceds_count; i++)
				n += strcmp(explain_enhanceds[i].code, code) == 0;
			if (n != 1)
				fail_msg("%s is there %zu times", code, n);
		}
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (explain_code_row(codes[i]) == NULL)
			fail_msg("%d is missing", codes[i]);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (explain_syntax(commands[i])[0] == '\0')
			fail_msg("%s is missing", commands[i]);
	for (int status = EX_USAGE; status <= EX_CONFIG; status++) {
		size_t n = 0;

		for (size_t i = 0; i < explain_statuses_count; i++)
			n += explain_statuses[i].status == status;
		if (n != 1)
			fail_msg("exit status %d is there %zu times", status, n);
	}
}

/* ---- topics ---- */

static void
topic(const char *asked, const char *says, const char *unknown)
{
	char *copy = strdup(asked);
	struct buf out = {0}, none = {0};
	bool known = explain_topics(&out, &copy, 1, &none);
	char *text = mem_dup(buf_str(&out));

	for (char *p = text; *p != '\0'; p++)	/* where lines are broken is of no interest */
		if (*p == '\n')
			*p = ' ';
	for (char *p = strstr(text, "     "); p != NULL; p = strstr(text, "     "))
		(void)memmove(p + 1, p + 5, strlen(p + 5) + 1);
	if (strstr(text, says) == NULL || known != (unknown[0] == '\0') || strcmp(buf_str(&none), unknown) != 0)
		fail_msg("\"%s\": %s; unknown \"%s\"", asked, text, buf_str(&none));
	for (const char *p = buf_str(&out); *p != '\0' && asked[0] != '\0'; p += strcspn(p, "\n") + 1)
		if (strcspn(p, "\n") > 79 && strpbrk(p, " \n") < p + 70)
			fail_msg("\"%s\": a long line: %.100s", asked, p);
	free(text);
	free(copy);
	buf_free(&out);
	buf_free(&none);
}

static void
topics(void **state)
{
	(void)state;
	topic("550", "To RCPT (exit status 67): there is no such recipient", "");
	topic("550", "RFC 5321 section 4.2.3", "");
	topic("550 5.7.30", "Exchange Online no longer takes passwords here", "");
	topic("550 5.7.30", "REQUIRETLS", "");
	topic("5.7.30", "after the message (69): the smarthost does not sign for the domain of the sender", "");
	topic("535-5.7.8 Username and Password not accepted", "535  The sign-in failed", "");
	topic("x.7.8", "5.7.8  User and password were not accepted", "");
	topic("554 5.7.1 <b@example.net>: Relay access denied", "to RCPT (77): it takes mail for others only from those who sign in", "");
	topic("550 5.1.1 The email account that you tried to reach does not exist. - gsmtp", "no such recipient", "");
	topic("421: closing", "421  No service now", "");
	topic("599", "In no standard; by its digits: refused for good", "");
	topic("5.7.620", "The sending IP address is banned", "");
	topic("5.7.650", "In no registry", "");
	topic("4.7.999", "In no registry; by its digits: refused for now, about security and rules", "");
	topic("5.123.4", "of the server's own", "");
	topic("2.1.5", "The recipient is valid", "");
	topic("rcpt", "Syntax: RCPT TO:<address>", "");
	topic("STARTTLS", "Begins TLS", "");
	topic("STARTTLS", "This program does so unless tls is", "");
	topic("pipelining", "RFC 2920", "");
	topic("SCRAM-SHA-256", "Mechanism of AUTH", "");
	topic("75", "75 EX_TEMPFAIL", "");
	topic("ex_noperm", "77 EX_NOPERM", "");
	topic("0", "0 EX_OK", "");
	topic("-f", "-f sender", "");
	topic("-fa@example.com", "-f sender", "");
	topic("-q15m", "-q[time]", "");
	topic("-oitrue", "-oi  The same as -i", "");
	topic("-oem", "-oemode  The same as -e", "");
	topic("--check", "Goes the whole way", "");
	topic("-bd", "Refused with status 64", "");
	topic("79", "", "79");
	topic("-Z", "", "-Z");
	topic("--checks", "", "--checks");
	topic("RCPT nonsense", "Names a recipient", "nonsense");
	topic("600", "", "600");
	topic("5.7", "", "5.7");
	topic("", "Commands of SMTP", "");
	topic("5.7.1.2", "", "5.7.1.2");
	topic("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

/* Every name that the list has can be asked for. */
static void
all_topics_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < explain_commands_count; i++)
		topic(explain_commands[i].name, explain_commands[i].name, "");
	for (size_t i = 0; i < explain_extensions_count; i++)
		topic(explain_extensions[i].keyword, explain_extensions[i].keyword, "");
	for (size_t i = 0; i < explain_flags_count; i++)
		topic(explain_flags[i].flag, explain_flags[i].flag, "");
	for (size_t i = 0; i < explain_enhanceds_count; i++)
		if (strchr(explain_enhanceds[i].code, '-') == NULL)
			topic(explain_enhanceds[i].code, explain_enhanceds[i].code + 1, "");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cause_has_a_remedy), cmocka_unit_test(replies), cmocka_unit_test(no_reply_is_left_out),
		cmocka_unit_test(every_row_is_told), cmocka_unit_test(nothing_is_missing), cmocka_unit_test(topics), cmocka_unit_test(all_topics_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
