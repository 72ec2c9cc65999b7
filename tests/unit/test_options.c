/*
 * The sendmail command line (CONTRACT section 2).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sysexits.h>
#include <cmocka.h>
#include "mail/envelope.h"
#include "options.h"

#define ARGS 12

/* Parses a NULL-terminated list behind "sendmail"; 0, or the exit status. */
static int
parse(struct options *opt, const char *const *args)
{
	static struct outcome o;
	static char copy[ARGS][256], *argv[ARGS + 2], name[] = "sendmail";
	int argc = 1;

	argv[0] = name;
	for (; args[argc - 1] != NULL; argc++) {
		(void)strlcpy(copy[argc - 1], args[argc - 1], sizeof(copy[0]));
		argv[argc] = copy[argc - 1];
	}
	argv[argc] = NULL;
	return options_parse(opt, argc, argv, &o) == 0 ? 0 : o.status;
}

static void
accepted(void **state)
{
	static const struct { const char *args[ARGS]; const char *sender, *first; size_t recipients; bool t, i; } rows[] = {
		{{"-t", "-i"}, NULL, NULL, 0, true, true},
		{{"-ti"}, NULL, NULL, 0, true, true},
		{{"-tif", "a@x"}, "a@x", NULL, 0, true, true},
		{{"-tifa@x"}, "a@x", NULL, 0, true, true},
		{{"-oi", "-t"}, NULL, NULL, 0, true, true},
		{{"-oitrue", "-t"}, NULL, NULL, 0, true, true},
		{{"-f", "", "b@y"}, "", "b@y", 1, false, false},
		{{"-f<>", "b@y"}, "<>", "b@y", 1, false, false},
		{{"-fa@x", "-f", "c@z", "-t"}, "c@z", NULL, 0, true, false},
		{{"-ra@x", "b@y", "c@z"}, "a@x", "b@y", 2, false, false},
		{{"-i", "--", "-leading@x"}, NULL, "-leading@x", 1, false, true},
		{{"b@y", "-t"}, NULL, "b@y", 2, false, false},
		{{"-q", "b@y"}, NULL, NULL, 0, false, false},	/* checked below: refused */
		{{"-oem", "-oi", "b@y"}, NULL, "b@y", 1, false, true},
		{{"-e", "-oi", "b@y"}, NULL, "b@y", 1, false, true},
		{{"-em", "-t"}, NULL, NULL, 0, true, false},
		{{"-o", "-t"}, NULL, NULL, 0, true, false},
		{{"-C", "-t"}, NULL, NULL, 0, true, false},
		{{"-odi", "-odb", "-odq", "-om", "-oo", "-m", "-n", "-G", "-U", "-t"}, NULL, NULL, 0, true, false},
		{{"-h", "3", "-p", "smtp", "-L", "tag", "-Am", "-A", "c", "-t"}, NULL, NULL, 0, true, false},
		{{"-d0.1", "-D", "/dev/null", "-cIsTxJ", "-Q", "-Mfoo", "-t"}, NULL, NULL, 0, true, false},
		{{"-O", "DeliveryMode=b", "-OTimeout.x=1", "-X", "/tmp/x", "-t"}, NULL, NULL, 0, true, false},
		{{"-bm", "b@y"}, NULL, "b@y", 1, false, false},
		{{"-v", "-B8BITMIME", "-B", "7bit", "b@y"}, NULL, "b@y", 1, false, false},
	};

	(void)state;
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		struct options opt;
		int status = parse(&opt, rows[k].args);

		if (strcmp(rows[k].args[0], "-q") == 0) {
			assert_int_equal(status, EX_USAGE);
			continue;
		}
		if (status != 0 || opt.recipients != rows[k].recipients || opt.from_header != rows[k].t || opt.ignore_dots != rows[k].i)
			fail_msg("row %zu (%s): %d", k, rows[k].args[0], status);
		if (rows[k].sender != NULL)
			assert_string_equal(opt.sender, rows[k].sender);
		else
			assert_null(opt.sender);
		if (rows[k].first != NULL)
			assert_string_equal(opt.recipient[0], rows[k].first);
	}
}

/* The modes of the queue, which act at the head of the line alone. */
static void
queue_modes(void **state)
{
	static const struct { const char *args[ARGS]; enum mode mode; long interval; char match, steer; const char *text; } rows[] = {
		{{"-q"}, MODE_RUN, 0, 0, 0, NULL}, {{"-qf"}, MODE_RUN, 0, 0, 0, NULL}, {{"-q15m"}, MODE_RUN, 900, 0, 0, NULL}, {{"-q1h30m", "-v"}, MODE_RUN, 5400, 0, 0, NULL},
		{{"-qIab"}, MODE_RUN, 0, 'I', 0, "ab"}, {{"-qR@x"}, MODE_RUN, 0, 'R', 0, "@x"}, {{"-qSroot"}, MODE_RUN, 0, 'S', 0, "root"},
		{{"--queue-remove", "1a"}, MODE_STEER, 0, 0, 'r', "1a"}, {{"--queue-hold", "1a"}, MODE_STEER, 0, 0, 'h', "1a"},
		{{"--queue-release", "1a"}, MODE_STEER, 0, 0, 'l', "1a"}, {{"--queue-show", "1a"}, MODE_STEER, 0, 0, 's', "1a"}, {{"-bp"}, MODE_LIST, 0, 0, 0, NULL},
	};

	(void)state;
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		struct options opt;

		assert_int_equal(parse(&opt, rows[k].args), 0);
		assert_int_equal(opt.mode, rows[k].mode);
		assert_int_equal(opt.interval, rows[k].interval);
		assert_int_equal(opt.match, rows[k].match);
		assert_int_equal(opt.steer, rows[k].steer);
		if (rows[k].text != NULL)
			assert_string_equal(opt.match_text, rows[k].text);
	}
}

static void
deliveries(void **state)
{
	static const struct { const char *args[ARGS]; enum delivery_mode mode; } rows[] = {
		{{"b@y"}, DELIVERY_DEFAULT}, {{"-odi", "b@y"}, DELIVERY_INTERACTIVE}, {{"-odb", "b@y"}, DELIVERY_BACKGROUND}, {{"-odq", "b@y"}, DELIVERY_QUEUE},
		{{"-odb", "-odi", "b@y"}, DELIVERY_INTERACTIVE}, {{"-OdeliveryMODE=queue", "b@y"}, DELIVERY_QUEUE}, {{"-odx", "b@y"}, DELIVERY_DEFAULT},
	};

	(void)state;
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		struct options opt;

		assert_int_equal(parse(&opt, rows[k].args), 0);
		assert_int_equal(opt.delivery, rows[k].mode);
	}
}

static void
refused(void **state)
{
	static const char *const rows[][ARGS] = {
		{NULL}, {"-i"}, {"-f"}, {"-t", "-f"}, {"-Z", "b@y"}, {"-tZ"}, {"-k"}, {"-bt"}, {"-be", "b@y"}, {"-bP"}, {"-bh"}, {"-bd"}, {"-bD"},
		{"-bv"}, {"-b", ""}, {"-bmm", "b@y"}, {"-q", "-t"}, {"-q15x"}, {"-t", "-q"}, {"-qR"}, {"-q5m", "b@y"}, {"--queue-hold"}, {"--queue-show", "x", "b@y"}, {"--print-config", "b@y"}, {"-t", "--print-config"}, {"-t", "--version"}, {"-t", "--help"},
		{"--check", "-t"}, {"-t", "--check"}, {"-i", "--explain", "75"}, {"--check", "--older-than", "5m"}, {"-t", "--queue-remove", "x"}, {"--json"}, {"--versionx"}, {"-N", "sometimes", "b@y"}, {"-N", "never,success", "b@y"}, {"-N", "", "b@y"},
		{"-N", "success,", "b@y"}, {"-R", "half", "b@y"}, {"-V", "", "b@y"}, {"-V", "a\nb", "b@y"}, {"-B", "BINARY", "b@y"}, {"-H", "b@y"},
	};

	(void)state;
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		struct options opt;

		if (parse(&opt, rows[k]) != EX_USAGE)
			fail_msg("row %zu (%s) was accepted", k, rows[k][0] == NULL ? "" : rows[k][0]);
	}
}

static void
dsn(void **state)
{
	struct options opt;

	(void)state;
	assert_int_equal(parse(&opt, (const char *const[]){"-N", "success,Failure,delay", "-Rhdrs", "-V", "id 1", "b@y", NULL}), 0);
	assert_int_equal(opt.notify, DSN_SUCCESS | DSN_FAILURE | DSN_DELAY);
	assert_string_equal(opt.ret, "HDRS");
	assert_string_equal(opt.envid, "id 1");
	assert_int_equal(parse(&opt, (const char *const[]){"-Nnever", "-R", "full", "b@y", NULL}), 0);
	assert_int_equal(opt.notify, DSN_NEVER);
	assert_string_equal(opt.ret, "FULL");
}

static void
modes(void **state)
{
	static const struct { const char *arg; enum mode mode; } rows[] = {
		{"--version", MODE_VERSION}, {"--help", MODE_HELP}, {"--print-config", MODE_PRINT}, {"-bp", MODE_LIST}, {"-bi", MODE_ALIASES}, {"-bs", MODE_SERVE},
	};
	struct options opt;
	struct outcome o;
	char mailq[] = "/usr/bin/mailq", newaliases[] = "newaliases";

	(void)state;
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		assert_int_equal(parse(&opt, (const char *const[]){rows[k].arg, NULL}), 0);
		assert_int_equal(opt.mode, rows[k].mode);
	}
	assert_int_equal(options_parse(&opt, 1, (char *[]){mailq, NULL}, &o), 0);
	assert_int_equal(opt.mode, MODE_LIST);
	assert_int_equal(options_parse(&opt, 1, (char *[]){newaliases, NULL}, &o), 0);
	assert_int_equal(opt.mode, MODE_ALIASES);
	assert_int_equal(options_parse(&opt, 0, (char *[]){NULL}, &o), -1);
}

static void
error_modes_and_requiretls(void **state)
{
	struct options opt;

	(void)state;
	assert_int_equal(parse(&opt, (const char *const[]){"-oeq", "-O", "requiretls=yes", "-t", NULL}), 0);
	assert_int_equal(opt.errors, ERRORS_QUIET);
	assert_true(opt.requiretls);
	assert_int_equal(parse(&opt, (const char *const[]){"-eq", "-ep", "-O", "RequireTLS=no", "-t", NULL}), 0);
	assert_int_equal(opt.errors, ERRORS_PRINT);
	assert_false(opt.requiretls);
	assert_int_equal(parse(&opt, (const char *const[]){"-oem", "-t", NULL}), 0);
	assert_int_equal(opt.errors, ERRORS_MAIL);
	assert_int_equal(parse(&opt, (const char *const[]){"-ew", "-t", NULL}), 0);
	assert_int_equal(opt.errors, ERRORS_MAIL);
	assert_int_equal(parse(&opt, (const char *const[]){"-O", "ErrorMode=e", "-t", NULL}), 0);
	assert_int_equal(opt.errors, ERRORS_MAIL_OK);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted), cmocka_unit_test(queue_modes), cmocka_unit_test(deliveries), cmocka_unit_test(refused), cmocka_unit_test(dsn), cmocka_unit_test(modes),
		cmocka_unit_test(error_modes_and_requiretls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
