/*
 * Secrets: from text, file, environment and command; bounded, and never waited for beyond the deadline.
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
#include "secret.h"

static int
get(enum secret_kind kind, const char *value, msec wait, struct buf *out, struct outcome *o)
{
	struct secret_source src = {.kind = kind, .value = mem_dup(value)};
	int r;

	*o = (struct outcome){0};
	r = secret_get(out, &src, "password", clock_now() + wait, o);
	free(src.value);
	return r;
}

static void
file_with(const void *p, size_t n, char *name)
{
	int fd;

	(void)strlcpy(name, "/tmp/test_secret.XXXXXX", 40);
	fd = mkstemp(name);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, p, n), n);
	(void)close(fd);
}

static void
files(void **state)
{
	static const struct { const char *octets; size_t n; const char *secret; } rows[] = {
		{"pass\n", 5, "pass"}, {"pass", 4, "pass"}, {"pass\r\n", 6, "pass"}, {"pass\n\n", 6, "pass\n"}, {" p \xff\x01 \n", 7, " p \xff\x01 "},
		{"\n", 1, NULL}, {"", 0, NULL}, {"a\0b", 3, NULL},
	};
	char name[40];
	struct buf b;
	struct outcome o;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int r;

		file_with(rows[i].octets, rows[i].n, name);
		r = get(SECRET_FILE, name, 10000, &b, &o);
		assert_int_equal(r, rows[i].secret == NULL ? -1 : 0);
		if (r == 0)
			assert_string_equal(b.data, rows[i].secret);
		else
			assert_int_equal(o.status, EX_CONFIG);
		buf_wipe(&b);
		(void)unlink(name);
	}
}

static void
unreadable_and_endless(void **state)
{
	struct buf b;
	struct outcome o;
	char name[40];

	(void)state;
	assert_int_equal(get(SECRET_FILE, "/nonexistent/p", 10000, &b, &o), -1);
	assert_int_equal(o.status, EX_CONFIG);
	assert_non_null(strstr(o.what, "/nonexistent/p"));
	assert_string_equal(o.why, "No such file or directory");
	assert_int_equal(get(SECRET_FILE, "/dev/zero", 10000, &b, &o), -1);
	buf_wipe(&b);
	assert_int_equal(get(SECRET_FILE, "/", 10000, &b, &o), -1);
	buf_wipe(&b);
	(void)snprintf(name, sizeof(name), "/tmp/test_secret.%ld", (long)getpid());
	assert_int_equal(mkfifo(name, 0600), 0);
	assert_int_equal(get(SECRET_FILE, name, 100, &b, &o), -1);
	buf_wipe(&b);
	(void)unlink(name);
}

static void
credentials_directory(void **state)
{
	char directory[] = "/tmp/test_secret.XXXXXX", name[60];
	struct buf b;
	struct outcome o;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(name, sizeof(name), "%s/smtp", directory);
	f = fopen(name, "w");
	assert_non_null(f);
	(void)fputs("from systemd\n", f);
	(void)fclose(f);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", directory, 1), 0);
	assert_int_equal(get(SECRET_FILE, "smtp", 10000, &b, &o), 0);
	assert_string_equal(b.data, "from systemd");
	buf_wipe(&b);
	assert_int_equal(get(SECRET_FILE, "./smtp", 10000, &b, &o), -1);
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	(void)unlink(name);
	(void)rmdir(directory);
}

static void
environment_and_text(void **state)
{
	struct buf b;
	struct outcome o;

	(void)state;
	assert_int_equal(setenv("TEST_SECRET", "s p", 1), 0);
	assert_int_equal(get(SECRET_ENV, "TEST_SECRET", 10000, &b, &o), 0);
	assert_string_equal(b.data, "s p");
	buf_wipe(&b);
	assert_int_equal(unsetenv("TEST_SECRET"), 0);
	assert_int_equal(get(SECRET_ENV, "TEST_SECRET", 10000, &b, &o), -1);
	assert_int_equal(o.status, EX_CONFIG);
	assert_int_equal(get(SECRET_TEXT, "word", 10000, &b, &o), 0);
	assert_string_equal(b.data, "word");
	buf_wipe(&b);
	assert_int_equal(get(SECRET_NONE, "", 10000, &b, &o), -1);
}

static void
commands(void **state)
{
	struct buf b;
	struct outcome o;

	(void)state;
	assert_int_equal(get(SECRET_COMMAND, "echo word; echo noise >&2", 10000, &b, &o), 0);
	assert_string_equal(b.data, "word");
	buf_wipe(&b);
	assert_int_equal(get(SECRET_COMMAND, "cat; echo empty input", 10000, &b, &o), 0);
	assert_string_equal(b.data, "empty input");
	buf_wipe(&b);
	assert_int_equal(get(SECRET_COMMAND, "yes", 600000, &b, &o), -1);	/* not read until the deadline */
	assert_int_equal(o.status, EX_CONFIG);
	assert_non_null(strstr(o.why, "longer"));
	buf_wipe(&b);
	assert_int_equal(get(SECRET_COMMAND, "echo word; echo no key >&2; exit 3", 10000, &b, &o), -1);
	assert_int_equal(o.status, EX_CONFIG);
	assert_non_null(strstr(o.why, "exit status 3"));
	assert_non_null(strstr(o.why, "no key"));
	assert_null(strstr(o.why, "word"));
	buf_wipe(&b);
	assert_int_equal(get(SECRET_COMMAND, "kill -9 $$", 10000, &b, &o), -1);
	assert_non_null(strstr(o.why, "signal 9"));
	buf_wipe(&b);
	assert_int_equal(get(SECRET_COMMAND, "/nonexistent/command", 10000, &b, &o), -1);
	assert_non_null(strstr(o.why, "127"));
	buf_wipe(&b);
	assert_int_equal(get(SECRET_COMMAND, "true", 10000, &b, &o), -1);
	buf_wipe(&b);
	assert_int_equal(get(SECRET_COMMAND, "head -c 10000000 /dev/zero | tr '\\0' x", 20000, &b, &o), -1);
	assert_non_null(strstr(o.why, "longer"));
	buf_wipe(&b);
}

/* Neither a command that hangs nor a child of it that holds the pipe is waited for, and both are gone afterwards. */
static void
hanging_commands(void **state)
{
	static const char *const hang[] = {"sleep 100", "sleep 100 & echo word", "trap '' TERM; sleep 100", "exec >&- 2>&-; sleep 100"};
	struct buf b;
	struct outcome o;

	(void)state;
	for (size_t i = 0; i < sizeof(hang) / sizeof(hang[0]); i++) {
		assert_int_equal(get(SECRET_COMMAND, hang[i], 200, &b, &o), -1);
		assert_int_equal(o.status, EX_TEMPFAIL);
		buf_wipe(&b);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(files), cmocka_unit_test(unreadable_and_endless), cmocka_unit_test(credentials_directory),
		cmocka_unit_test(environment_and_text), cmocka_unit_test(commands), cmocka_unit_test(hanging_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
