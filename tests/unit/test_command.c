/*
 * The commands of SMTP as a caller says them: verbs, what is no SMTP at all, paths and parameters, chunks, help.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "dsn.h"
#include "smtp/command.h"

static void
verbs(void **state)
{
	static const struct { const char *line; enum verb verb; const char *argument; } rows[] = {
		{"EHLO localhost", VERB_EHLO, "localhost"}, {"helo  x y", VERB_HELO, "x y"}, {"Mail FROM:<a@x>", VERB_MAIL, "FROM:<a@x>"},
		{"RCPT\tTO:<a@x>", VERB_RCPT, "TO:<a@x>"}, {"DATA", VERB_DATA, ""}, {"data  ", VERB_DATA, ""}, {"BDAT 10 LAST", VERB_BDAT, "10 LAST"},
		{"rset", VERB_RSET, ""}, {"NOOP what ever", VERB_NOOP, "what ever"}, {"VRFY a", VERB_VRFY, "a"}, {"EXPN a", VERB_EXPN, "a"},
		{"HELP mail", VERB_HELP, "mail"}, {"QUIT", VERB_QUIT, ""}, {"STARTTLS", VERB_STARTTLS, ""}, {"AUTH PLAIN AA==", VERB_AUTH, "PLAIN AA=="},
		{"SEND FROM:<a@x>", VERB_SEND, "FROM:<a@x>"}, {"SOML x", VERB_SOML, "x"}, {"SAML x", VERB_SAML, "x"}, {"TURN", VERB_TURN, ""},
	};
	static const char *const unknown[] = {
		"", "   ", "DAT", "DATAX", "DATA.", "DATA:", "QUIT;", "MAIL:FROM", "MAI L", "X", "1", "RSET\001", "\303\251HLO x", "BDAT10", "XEXCH50 1 2", ".",
	};
	const char *argument;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (command_verb(rows[i].line, &argument) != rows[i].verb)
			fail_msg("%s: %d", rows[i].line, (int)command_verb(rows[i].line, &argument));
		assert_string_equal(argument, rows[i].argument);
	}
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		if (command_verb(unknown[i], &argument) != VERB_UNKNOWN)
			fail_msg("%s: %d", unknown[i], (int)command_verb(unknown[i], &argument));
}

/* A browser that was led here by a page (cross-protocol attacks), or a message where a command is due. */
static void
foreign(void **state)
{
	static const char *const rows[] = {
		"GET / HTTP/1.1", "POST / HTTP/1.1", "CONNECT mail.example.com:25 HTTP/1.1", "PUT /x HTTP/1.1", "HEAD / HTTP/1.0", "OPTIONS * HTTP/1.1",
		"Host: localhost", "Content-Type: text/plain", "From: a@x", "To: <b@x>", "Subject:", "Subject : x", "X-Y:z", "Received: from x", "GET\t/",
	};
	static const char *const ours[] = {
		"", " ", ":", " : x", "EHLO x", "MAIL FROM:<a@x>", "RCPT TO:<b@x>", "MAIL: FROM:<a@x>", "RCPT:TO:<b@x>", "FROM:<a@x>", "TO:<b@x>", "DATA", "data:",
		"HELP: x", "get", "what", "no such command", "GETTING there", "GET", "POSTMASTER", "help me: please",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!command_is_foreign(rows[i]))
			fail_msg("\"%s\" is taken for SMTP", rows[i]);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (command_is_foreign(ours[i]))
			fail_msg("\"%s\" is not taken for SMTP", ours[i]);
}

/* The code, and that there are words for it. p is then free for the next. */
static int
parse(struct path_command *p, enum verb verb, const char *argument)
{
	const char *why = NULL;
	int code;

	command_free(p);
	code = command_path(p, verb, argument, &why);
	assert_non_null(why);
	return code;
}

static void
paths(void **state)
{
	static const struct { enum verb verb; const char *argument, *path; } rows[] = {
		{VERB_MAIL, "FROM:<a@x>", "<a@x>"}, {VERB_MAIL, "from:<a@x>", "<a@x>"}, {VERB_MAIL, "From: <a@x>", "<a@x>"}, {VERB_MAIL, "FROM :\t<a@x>", "<a@x>"},
		{VERB_MAIL, "FROM:a@x", "a@x"}, {VERB_MAIL, "FROM: a@x ", "a@x"}, {VERB_MAIL, "FROM:alice", "alice"}, {VERB_MAIL, "FROM:<>", "<>"},
		{VERB_MAIL, "FROM:<@r1,@r2:a@x>", "<@r1,@r2:a@x>"}, {VERB_MAIL, "FROM:<\"a b\"@x>", "<\"a b\"@x>"},
		{VERB_MAIL, "FROM:<\"a>b\"@x>", "<\"a>b\"@x>"}, {VERB_MAIL, "FROM:<\"a\\\">b\"@x>", "<\"a\\\">b\"@x>"}, {VERB_MAIL, "FROM:\"a b\"@x", "\"a b\"@x"},
		{VERB_MAIL, "FROM:<a@x> SIZE=1", "<a@x>"}, {VERB_MAIL, "FROM:a@x SIZE=1", "a@x"}, {VERB_MAIL, "FROM:<\303\251@x>", "<\303\251@x>"},
		{VERB_RCPT, "TO:<b@x>", "<b@x>"}, {VERB_RCPT, "to: b@x", "b@x"}, {VERB_RCPT, "TO:<postmaster>", "<postmaster>"},
		{VERB_RCPT, "TO:<b@x>\tNOTIFY=NEVER", "<b@x>"},
	};
	struct path_command p = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (parse(&p, rows[i].verb, rows[i].argument) != 0)
			fail_msg("%s is refused", rows[i].argument);
		assert_string_equal(p.path, rows[i].path);
		assert_int_equal(p.null, strcmp(rows[i].path, "<>") == 0);
	}
	command_free(&p);
	command_free(&p);	/* no harm in that */
}

/* 501; and a path never goes on into what stands behind it. */
static void
no_paths(void **state)
{
	static const struct { enum verb verb; const char *argument; } rows[] = {
		{VERB_MAIL, ""}, {VERB_MAIL, "FROM"}, {VERB_MAIL, "FROM:"}, {VERB_MAIL, "FROM: "}, {VERB_MAIL, "FROM <a@x>"}, {VERB_MAIL, "<a@x>"}, {VERB_MAIL, "TO:<a@x>"},
		{VERB_MAIL, "FROMM:<a@x>"}, {VERB_MAIL, "FROM:<a@x"}, {VERB_MAIL, "FROM:<a@x>SIZE=1"}, {VERB_MAIL, "FROM:<a@x>>"}, {VERB_MAIL, "FROM:<\"a@x>"},
		{VERB_MAIL, "FROM:\"a@x"}, {VERB_MAIL, "FROM:<\"a\\\"@x>"}, {VERB_MAIL, "FROM:<a@x><b@x>"}, {VERB_MAIL, "FROM:<\"a\\"},
		{VERB_RCPT, ""}, {VERB_RCPT, "TO:"}, {VERB_RCPT, "TO:<>"}, {VERB_RCPT, "FROM:<b@x>"}, {VERB_RCPT, "TO:<b@x"}, {VERB_RCPT, "TO <b@x>"},
	};
	struct path_command p = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (parse(&p, rows[i].verb, rows[i].argument) != 501)
			fail_msg("%s is not refused with 501", rows[i].argument);
	command_free(&p);
}

static void
mail_parameters(void **state)
{
	struct path_command p = {0};

	(void)state;
	assert_int_equal(parse(&p, VERB_MAIL, "FROM:<a@x>"), 0);
	assert_false(p.size_given || p.eight_bit || p.utf8);
	assert_true(p.ret == NULL && p.envid == NULL && p.orcpt == NULL && p.notify == 0 && p.size == 0);
	assert_int_equal(parse(&p, VERB_MAIL, "FROM:<a@x> SIZE=123456789012 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=q+2B7+20x"), 0);
	assert_true(p.size_given && p.eight_bit && p.utf8 && p.size == 123456789012);
	assert_string_equal(p.ret, "HDRS");
	assert_string_equal(p.envid, "q+7 x");
	assert_int_equal(parse(&p, VERB_MAIL, "FROM:<>  ret=full\tbody=7bit smtputf8 size=0 "), 0);
	assert_true(p.size_given && !p.eight_bit && p.utf8 && p.size == 0 && p.null);
	assert_string_equal(p.ret, "FULL");
	assert_int_equal(parse(&p, VERB_MAIL, "FROM:<a@x> SIZE=18446744073709551615"), 0);
	command_free(&p);
	assert_int_equal(parse(&p, VERB_MAIL, "FROM:<a@x> SIZE=999999999999999999"), 0);
	assert_true(p.size == 999999999999999999);
	command_free(&p);
}

static void
rcpt_parameters(void **state)
{
	struct path_command p = {0};

	(void)state;
	assert_int_equal(parse(&p, VERB_RCPT, "TO:<b@x> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bc@x"), 0);
	assert_int_equal(p.notify, DSN_SUCCESS | DSN_DELAY);
	assert_string_equal(p.orcpt, "rfc822;b+2Bc@x");
	assert_int_equal(parse(&p, VERB_RCPT, "TO:<b@x> orcpt=RFC822;b@x notify=never"), 0);
	assert_int_equal(p.notify, DSN_NEVER);
	assert_string_equal(p.orcpt, "RFC822;b@x");
	assert_int_equal(parse(&p, VERB_RCPT, "TO:<b@x> ORCPT=x-400;b"), 0);
	command_free(&p);
}

/* 555 for what is not known, 501 for what is malformed or comes twice; nothing of it can go on to the smarthost. */
static void
bad_parameters(void **state)
{
	static const struct { enum verb verb; const char *parameters; int code; } rows[] = {
		{VERB_MAIL, "X=1", 555}, {VERB_MAIL, "AUTH=<>", 555}, {VERB_MAIL, "NOTIFY=NEVER", 555}, {VERB_MAIL, "ORCPT=rfc822;a@x", 555}, {VERB_MAIL, "SIZES=1", 555},
		{VERB_MAIL, "<b@x>", 555}, {VERB_MAIL, "REQUIRETLS", 555}, {VERB_MAIL, "=1", 555}, {VERB_MAIL, "SIZE=1 X", 555},
		{VERB_MAIL, "SIZE", 501}, {VERB_MAIL, "SIZE=", 501}, {VERB_MAIL, "SIZE=x", 501}, {VERB_MAIL, "SIZE=1x", 501}, {VERB_MAIL, "SIZE=-1", 501},
		{VERB_MAIL, "SIZE=+1", 501}, {VERB_MAIL, "SIZE=1 SIZE=1", 501}, {VERB_MAIL, "SIZE=99999999999999999999999999", 501},
		{VERB_MAIL, "SIZE=18446744073709551617", 501},
		{VERB_MAIL, "BODY", 501}, {VERB_MAIL, "BODY=", 501}, {VERB_MAIL, "BODY=8BIT", 501}, {VERB_MAIL, "BODY=7BIT BODY=7BIT", 501},
		{VERB_MAIL, "BODY=BINARYMIME", 501}, {VERB_MAIL, "SMTPUTF8=1", 501}, {VERB_MAIL, "SMTPUTF8 SMTPUTF8", 501}, {VERB_MAIL, "SMTPUTF8=", 501},
		{VERB_MAIL, "RET", 501}, {VERB_MAIL, "RET=", 501}, {VERB_MAIL, "RET=ALL", 501}, {VERB_MAIL, "RET=FULL RET=FULL", 501},
		{VERB_MAIL, "ENVID", 501}, {VERB_MAIL, "ENVID=", 501}, {VERB_MAIL, "ENVID=+", 501}, {VERB_MAIL, "ENVID=+0D+0ARSET", 501}, {VERB_MAIL, "ENVID=a ENVID=b", 501},
		{VERB_MAIL, "ENVID=+C3+A9", 501}, {VERB_MAIL, "ENVID=a=b", 501},
		{VERB_RCPT, "X=1", 555}, {VERB_RCPT, "SIZE=1", 555}, {VERB_RCPT, "SMTPUTF8", 555}, {VERB_RCPT, "BODY=7BIT", 555}, {VERB_RCPT, "RET=FULL", 555},
		{VERB_RCPT, "NOTIFY", 501}, {VERB_RCPT, "NOTIFY=", 501}, {VERB_RCPT, "NOTIFY=NEVER,DELAY", 501}, {VERB_RCPT, "NOTIFY=NOW", 501},
		{VERB_RCPT, "NOTIFY=NEVER NOTIFY=NEVER", 501}, {VERB_RCPT, "NOTIFY=SUCCESS,", 501},
		{VERB_RCPT, "ORCPT", 501}, {VERB_RCPT, "ORCPT=", 501}, {VERB_RCPT, "ORCPT=a@x", 501}, {VERB_RCPT, "ORCPT=rfc822;", 501}, {VERB_RCPT, "ORCPT=;a@x", 501},
		{VERB_RCPT, "ORCPT=rfc822;a+x", 501}, {VERB_RCPT, "ORCPT=rfc 822;a@x", 501}, {VERB_RCPT, "ORCPT=rfc822;a=b", 501}, {VERB_RCPT, "ORCPT=r\\c;a", 501},
		{VERB_RCPT, "ORCPT=rfc822;a@x ORCPT=rfc822;a@x", 501}, {VERB_RCPT, "ORCPT=rfc822;\303\251@x", 501},
	};
	struct path_command p = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *argument = mem_printf("%s:<a@x> %s", rows[i].verb == VERB_MAIL ? "FROM" : "TO", rows[i].parameters);
		int code = parse(&p, rows[i].verb, argument);

		if (code != rows[i].code)
			fail_msg("%s: %d, not %d", argument, code, rows[i].code);
		free(argument);
	}
	command_free(&p);
}

static void
bounds_of_parameters(void **state)
{
	char text[600];
	struct path_command p = {0};

	(void)state;
	for (int longer = 0; longer < 2; longer++) {
		(void)strlcpy(text, "FROM:<a@x> ENVID=", sizeof(text));
		for (int i = 0; i < DSN_ENVID_MAX + longer; i++)
			(void)strlcat(text, "+20", sizeof(text));
		assert_int_equal(parse(&p, VERB_MAIL, text), longer ? 501 : 0);
	}
	(void)strlcpy(text, "TO:<a@x> ORCPT=rfc822;", sizeof(text));
	memset(text + strlen(text), 'x', 501);
	text[sizeof(text) - 1] = '\0';
	text[22 + 501] = '\0';
	assert_int_equal(parse(&p, VERB_RCPT, text), 501);
	text[22 + 400] = '\0';
	assert_int_equal(parse(&p, VERB_RCPT, text), 0);
	command_free(&p);
}

static void
chunks(void **state)
{
	static const struct { const char *argument; uint64_t octets; bool last; } rows[] = {
		{"0", 0, false}, {"10", 10, false}, {"10 LAST", 10, true}, {"0 LAST", 0, true}, {"10  last", 10, true}, {"10\tLast ", 10, true}, {"10 ", 10, false},
		{"007", 7, false}, {"999999999999999999", 999999999999999999, false},
	};
	static const char *const none[] = {
		"", "LAST", "x", "-1", "+1", "10LAST", "10 LAS", "10 LASTT", "10 LAST LAST", "10 x", "0x10", "1.5", "10,LAST", "99999999999999999999999999",
		"18446744073709551626", "10 L AST",
	};
	uint64_t octets;
	bool last;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!command_chunk(rows[i].argument, &octets, &last))
			fail_msg("\"%s\" is refused", rows[i].argument);
		assert_true(octets == rows[i].octets);
		assert_int_equal(last, rows[i].last);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (command_chunk(none[i], &octets, &last))
			fail_msg("\"%s\" is taken", none[i]);
}

/* Each verb has its syntax, which begins with it, and some words; each line is ASCII and short enough for a reply. */
static void
help(void **state)
{
	(void)state;
	for (int v = VERB_UNKNOWN; v < VERB_COUNT; v++) {
		struct buf b = {0};
		const char *argument;

		command_help(&b, (enum verb)v);
		assert_int_equal(b.data[b.len - 1], '\n');
		for (const char *p = b.data; *p != '\0'; p += strcspn(p, "\n") + 1)
			assert_true(strcspn(p, "\n") <= 400);
		for (size_t i = 0; i < b.len; i++)
			assert_true(b.data[i] == '\n' || (b.data[i] >= ' ' && b.data[i] <= '~'));
		if (v != VERB_UNKNOWN) {
			assert_int_equal(command_verb(command_syntax((enum verb)v), &argument), v);
			assert_int_equal(strncmp(b.data, command_syntax((enum verb)v), strlen(command_syntax((enum verb)v))), 0);
			assert_non_null(strchr(strchr(b.data, '\n') + 1, '\n'));
		} else
			for (int other = VERB_EHLO; other <= VERB_QUIT; other++) {
				const char *name = command_syntax((enum verb)other);

				if (other != VERB_EXPN)
					assert_non_null(memmem(b.data, b.len, name, strcspn(name, " ")));
			}
		buf_free(&b);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(verbs), cmocka_unit_test(foreign), cmocka_unit_test(paths), cmocka_unit_test(no_paths), cmocka_unit_test(mail_parameters),
		cmocka_unit_test(rcpt_parameters), cmocka_unit_test(bad_parameters), cmocka_unit_test(bounds_of_parameters), cmocka_unit_test(chunks),
		cmocka_unit_test(help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
