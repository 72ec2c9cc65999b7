/*
 * The configuration: what is taken, what is refused with its line, and where it comes from (CONTRACT section 7).
 */
#include <sys/stat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include <cmocka.h>
#include "config.h"
#include "config_text.h"

#define HOST "smarthost \"smtp.example.com\" { }\n"

static int
parse(struct config *c, const char *text, struct outcome *o)
{
	*c = (struct config){.encode_headers = true, .timeout = CONFIG_DEFAULT_TIMEOUT, .idle_timeout = CONFIG_DEFAULT_IDLE};
	return config_parse(c, text, "x.conf", false, o);
}

static void
defaults(void **state)
{
	struct config c;
	struct outcome o;

	(void)state;
	assert_int_equal(parse(&c, HOST, &o), 0);
	assert_int_equal(c.smarthosts, 1);
	assert_string_equal(c.smarthost[0].host, "smtp.example.com");
	assert_int_equal(c.smarthost[0].port, 587);
	assert_int_equal(c.smarthost[0].tls, TLS_MODE_STARTTLS);
	assert_int_equal(c.smarthost[0].tls_min_version, 12);
	assert_null(c.smarthost[0].user);
	assert_int_equal(c.timeout, 300);
	assert_true(c.encode_headers);
	assert_false(c.override_from || c.requiretls);
	assert_int_equal(c.log, LOG_TO_SYSLOG);
	config_free(&c);
}

static void
everything(void **state)
{
	static const char text[] =
	    "# comment\n"
	    "smarthost \"first\" { host = \"10.0.0.1\" port = 2525 tls = \"none\" }\n"
	    "smarthost \"smtp.example.com\" {\n"
	    "  tls = \"implicit\" user = \"app@example.com\" password = 'a${b}\\\\c\"d' auth = \"LOGIN\" authorization-id = \"z\"\n"
	    "  tls-ca-file = \"/ca.pem\" tls-name = \"mx.example.com\" tls-certificate = \"/c.pem\" tls-key = \"/k.pem\" tls-min-version = \"1.3\"\n"
	    "  tls-fingerprint = \"sha256:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00112233445566778899aabbccddeeff\"\n"
	    "}\n"
	    "from = \"app@example.com\" domain = \"example.com\" hostname = \"[192.0.2.1]\" local-to = \"admin@example.com\"\n"
	    "aliases = \"/etc/aliases\" override-from = yes encode-headers = false requiretls = true timeout = \"1h30m\" log = \"/var/log/x\"\n"
	    "delivery = \"interactive\"\n";
	struct config c;
	struct outcome o;

	(void)state;
	if (parse(&c, text, &o) != 0)
		fail_msg("%s: %s", o.what, o.why);
	assert_int_equal(c.smarthosts, 2);
	assert_string_equal(c.smarthost[0].title, "first");
	assert_string_equal(c.smarthost[0].host, "10.0.0.1");
	assert_int_equal(c.smarthost[0].port, 2525);
	assert_int_equal(c.smarthost[0].tls, TLS_MODE_NONE);
	assert_int_equal(c.smarthost[1].port, 465);
	assert_int_equal(c.smarthost[1].password.kind, SECRET_TEXT);
	assert_string_equal(c.smarthost[1].password.value, "a${b}\\c\"d");
	assert_string_equal(c.smarthost[1].auth, "LOGIN");
	assert_int_equal(c.smarthost[1].tls_min_version, 13);
	assert_int_equal(c.timeout, 5400);
	assert_true(c.override_from && c.requiretls);
	assert_false(c.encode_headers);
	assert_int_equal(c.log, LOG_TO_FILE);
	assert_string_equal(c.log_file, "/var/log/x");
	assert_string_equal(c.hostname, "[192.0.2.1]");
	config_free(&c);
}

/* Each with the line it is on and a word of what is said. */
static void
refused(void **state)
{
	static const struct { const char *text, *line, *why; } rows[] = {
		{HOST "\nfrmo = \"a@b\"\n", "line 3", "frmo"},
		{HOST "from = \"a@b\"\nfrom = \"a@b\"\n", "line 3", "twice"},
		{HOST "timeout = 5m\ntimeout = 5m\n", "line 3", "twice"},
		{"smarthost \"x\" { port = 25\n port = 25 }\n", "line 2", "twice"},
		{"smarthost \"x\" { }\nsmarthost \"x\" { }\n", "line 2", "title"},
		{"smarthost \"x\" { port = 0 }\n", "line 1", "small"},
		{"smarthost \"x\" { port = 65536 }\n", "line 1", "large"},
		{"smarthost \"x\" { port = 0587 }\n", "line 1", "zero"},
		{"smarthost \"x\" { port = abc }\n", "line 1", "invalid"},
		{"smarthost \"x\" { tls = \"maybe\" }\n", "line 1", "starttls"},
		{"smarthost \"x\" { auth = \"plain\" }\n", "line 1", "PLAIN"},
		{"smarthost \"x\" { tls-min-version = \"1.1\" }\n", "line 1", "1.2"},
		{"smarthost \"x\" { tls-fingerprint = \"sha256:00\" }\n", "line 1", "64"},
		{"smarthost \"x\" { tls-fingerprint = \"md5:00\" }\n", "line 1", "64"},
		{"smarthost \"x y\" { }\n", "line 1", "host"},
		{"smarthost \"x\" { host = \"a b\" }\n", "line 1", "host"},
		{"smarthost \"x\" { user = \"u\" }\n", "line 1", "password"},
		{"smarthost \"x\" { password = 'p' }\n", "line 1", "user"},
		{"smarthost \"x\" { user = \"u\" password = 'p' password-file = \"/p\" }\n", "line 1", "two ways"},
		{"smarthost \"x\" { auth = \"EXTERNAL\" }\n", "line 1", "certificate"},
		{"smarthost \"x\" { tls-key = \"/k\" }\n", "line 1", "tls-certificate"},
		{HOST "override-from = maybe\n", "line 2", "true nor false"},
		{HOST "override-from = true\n", "x.conf", "from"},
		{HOST "timeout = \"05m\"\n", "line 2", "time"},
		{HOST "timeout = \"8d\"\n", "line 2", "time"},
		{HOST "timeout = \"0\"\n", "line 2", "time"},
		{HOST "log = \"relative\"\n", "line 2", "log"},
		{HOST "from = \"nobody\"\n", "line 2", "address"},
		{HOST "from = \"a@b\\r\\nRCPT TO:<c@d>\"\n", "line 2", "address"},
		{HOST "domain = \"b\\r\\nRCPT\"\n", "line 2", "host name"},
		{HOST "hostname = \"a b\"\n", "line 2", "host name"},
		{HOST "hostname = \"[a\\nb]\"\n", "line 2", "host name"},
		{HOST "queue = \"spool\"\n", "line 2", "full name"},
		{HOST "delivery = \"background\"\n", "", "queue is not set"},
		{HOST "delivery = \"never\"\n", "line 2", "interactive"},
		{HOST "include(\"/etc/passwd\")\n", "line 2", ""},
		{HOST "smarthost { }\n", "line 2", ""},
		{HOST "from = \"a@b\n", "line", ""},
		{"from = \"a@b\"\n", "x.conf", "no smarthost"},
		{"", "x.conf", "no smarthost"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config c;
		struct outcome o;

		if (parse(&c, rows[i].text, &o) != -1)
			fail_msg("accepted: %s", rows[i].text);
		if (o.status != EX_CONFIG || strstr(o.what, rows[i].line) == NULL || strstr(o.why, rows[i].why) == NULL)
			fail_msg("%s: %d \"%s\" \"%s\"", rows[i].text, o.status, o.what, o.why);
		config_free(&c);
	}
}

/* A file that a flag named: its name and line are told, nothing that stands in it. */
static void
quiet(void **state)
{
	struct config c = {0};
	struct outcome o;

	(void)state;
	assert_int_equal(config_parse(&c, "root:SECRETHASH:0\n", "/etc/shadow", true, &o), -1);
	assert_non_null(strstr(o.what, "/etc/shadow line 1"));
	assert_null(strstr(o.what, "SECRET"));
	assert_null(strstr(o.why, "SECRET"));
	assert_null(strstr(o.why, "root"));
	config_free(&c);
}

static void
durations(void **state)
{
	static const struct { const char *text; long seconds; } rows[] = {
		{"1", 1}, {"300", 300}, {"90s", 90}, {"5m", 300}, {"1h30m", 5400}, {"1d", 86400}, {"7d", 604800}, {"1d2h3m4s", 93784},
		{"", -1}, {"0", -1}, {"05", -1}, {"5x", -1}, {"m", -1}, {"5m5h", -1}, {"5m5", -1}, {"-5", -1}, {"8d", -1}, {"7d1s", -1},
		{"99999999999999999999", -1}, {" 5", -1}, {"5 m", -1}, {"1m1m", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (config_duration(rows[i].text) != rows[i].seconds)
			fail_msg("\"%s\": %ld", rows[i].text, config_duration(rows[i].text));
}

static void
load(const char *text, mode_t mode, bool privileged, struct config *c, struct outcome *o, int expected)
{
	char name[] = "/tmp/test_config.XXXXXX";
	int fd = mkstemp(name);
	struct config_source src = {.privileged = privileged};

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
	assert_int_equal(setenv("SENDMAIL_CONF", name, 1), 0);
	*o = (struct outcome){0};
	if (config_load(c, &src, o) != expected)
		fail_msg("%s: %s: %s", text, o->what, o->why);
	(void)unlink(name);
}

/* ${...} is libconfuse's, and harmless but in a password. */
static void
expansion(void **state)
{
	static const struct { const char *text; int expected; } rows[] = {
		{"smarthost \"x\" { user = \"u\" password = \"a${HOME}b\" }", -1},
		{"smarthost \"x\" { user = \"u\" password = a${HOME} }", -1},
		{"smarthost \"x\" { user = \"u\" password = ab#cd\n }", -1},
		{"smarthost \"x\" { user = \"u\" password=word }", -1},
		{"smarthost \"x\" { user = \"u\" password = \"a\\d\" }", -1},
		{"smarthost \"x\" { user = \"u\" password = \"a d\" tls = none }", 0},
		{"smarthost \"x\" { user = \"u\" password = 'a${HOME}b' }", 0},
		{"smarthost \"x\" { user = \"u\" password = 'p' }\n# password = \"${HOME}\"\n", 0},
		{"smarthost \"x\" { user = \"u\" password = 'p' } /* password = \"${HOME}\" */ from = \"${USER_T}@b\"", 0},
	};
	struct config c;
	struct outcome o;

	(void)state;
	assert_int_equal(setenv("USER_T", "me", 1), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		load(rows[i].text, 0600, false, &c, &o, rows[i].expected);
		if (rows[i].expected == -1)
			assert_non_null(strstr(o.why, "single quotes"));
		if (i == 8)
			assert_string_equal(c.from, "me@b");
		config_free(&c);
	}
}

static void
exposed_password(void **state)
{
	static const char with[] = "smarthost \"x\" { user = \"u\" password = 'p' }", file[] = "smarthost \"x\" { user = \"u\" password-file = \"/p\" }";
	struct config c;
	struct outcome o;

	(void)state;
	load(with, 0604, false, &c, &o, -1);
	assert_int_equal(o.cause, CAUSE_CONFIG_EXPOSED);
	config_free(&c);
	load(with, 0640, false, &c, &o, 0);
	config_free(&c);
	load(file, 0644, false, &c, &o, 0);
	config_free(&c);
}

static void
missing_and_flag(void **state)
{
	struct config c;
	struct config_source src = {.flag = "/tmp/whatever.conf"};
	struct outcome o;

	(void)state;
	assert_int_equal(setenv("SENDMAIL_CONF", "/nonexistent/sendmail.conf", 1), 0);
	assert_int_equal(config_load(&c, &src, &o), -1);
	assert_int_equal(o.cause, CAUSE_CONFIG_FLAG);
	config_free(&c);
	src.flag = NULL;
	assert_int_equal(config_load(&c, &src, &o), -1);
	assert_int_equal(o.cause, CAUSE_CONFIG_UNREADABLE);
	assert_non_null(strstr(o.what, "/nonexistent/sendmail.conf"));
	config_free(&c);
	src.flag = "/etc/../etc/passwd";
	assert_int_equal(config_load(&c, &src, &o), -1);
	assert_null(strstr(o.why, "root"));
	config_free(&c);
	assert_int_equal(unsetenv("SENDMAIL_CONF"), 0);
}

/* Comments do not move the lines, what never ends is refused, and an error tells no piece of a password. */
static void
scanned(void **state)
{
	static const struct { const char *text, *line, *why; } rows[] = {
		{"# a\n# b\n// c\nfrmo = 1\n", "line 4", "frmo"},
		{"/* a\n b */\nlog = /tmp//x # \"\nfrmo = 1\n", "line 4", "frmo"},
		{HOST "user = /* c */ 1\n", "line 2", "user"},
		{"smarthost \"x\" {\n", "line 1", "without"},
		{HOST "\nfrom = \"a@b.c\n", "line 3", "string"},
		{HOST "# it's\nfrom = 'a@b.c\n", "line 3", "string"},
		{HOST "/* a\n", "line 2", "comment"},
		{"smarthost \"x\" { password = \"ab\"s3cret\n}\n", "line 1", "single quotes"},
		{"smarthost \"x\" { password = ab s3cret\n}\n", "line 1", "single quotes"},
		{"smarthost \"x\" { password = ab}s3cret\n}\n", "line 1", "single quotes"},
		{"smarthost \"x\" { password = ab\"\n}s3cret\"\n}\n", "line 1", "single quotes"},
		{"smarthost \"x\" { password = 'ab'\n}\nfrmo = 1\n", "line 3", "frmo"},
		{"smarthost \"x\" { password = \"a\\\\${b}\"\n}\n", "line 1", "single quotes"},
		{"smarthost \"x\" { password = \"a\\99999\"\n}\n", "line 1", "single quotes"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = {0};
		struct config c = {0};
		struct outcome o = {0};
		unsigned line = 0;
		const char *why = config_scan(&b, rows[i].text, false, &line);

		if (why != NULL)
			(void)outcome_set(&o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, why, "line %u", line);
		else if (parse(&c, buf_str(&b), &o) == 0)
			fail_msg("accepted: %s", rows[i].text);
		if (strstr(o.what, rows[i].line) == NULL || strstr(o.why, rows[i].why) == NULL || strstr(o.why, "s3cret") != NULL)
			fail_msg("%s: %s: %s", rows[i].text, o.what, o.why);
		config_free(&c);
		buf_wipe(&b);
	}
}

/* With rights that the caller lacks nothing is left to expand, escaped or not. */
static void
scanned_privileged(void **state)
{
	static const struct { const char *text, *out; } rows[] = {
		{"a = \"${B}\"", "a = \"\\${B}\""}, {"a = \"\\${B}\"", "a = \"\\${B}\""}, {"a = \"\\\\${B}\"", "a = \"\\\\\\${B}\""},
		{"a = '${B}'", "a = '${B}'"}, {"a = ${B}", NULL}, {"# ${B}\n", "   \n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = {0};
		unsigned line = 0;
		const char *why = config_scan(&b, rows[i].text, true, &line);

		assert_int_equal(why == NULL, rows[i].out != NULL);
		if (why == NULL)
			assert_string_equal(b.data + strspn(b.data, " "), rows[i].out + strspn(rows[i].out, " "));
		buf_free(&b);
	}
}

static void
too_many(void **state)
{
	struct buf b = {0};
	struct config c;
	struct outcome o;

	(void)state;
	for (int i = 0; i < 100; i++)
		buf_printf(&b, "smarthost \"h%d\" { }\n", i);
	assert_int_equal(parse(&c, b.data, &o), 0);
	config_free(&c);
	buf_puts(&b, "smarthost \"one more\" { }\n");
	assert_int_equal(parse(&c, b.data, &o), -1);
	assert_non_null(strstr(o.what, "line 101"));
	config_free(&c);
	buf_free(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults), cmocka_unit_test(everything), cmocka_unit_test(refused), cmocka_unit_test(quiet),
		cmocka_unit_test(durations), cmocka_unit_test(expansion), cmocka_unit_test(scanned), cmocka_unit_test(scanned_privileged),
		cmocka_unit_test(too_many), cmocka_unit_test(exposed_password), cmocka_unit_test(missing_and_flag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
