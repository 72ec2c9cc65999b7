/*
 * Log lines and reports: no value from outside can make a field, a line, or reach a terminal unescaped.
 */
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <syslog.h>
#include <unistd.h>
#include <cmocka.h>
#include "log.h"
#include "put.h"
#include "report.h"
#include "trace.h"

/* Drawn for each run of a transcript. A definition of the program's own comes before that of a library, and may leave errno as it likes. */
uint32_t
arc4random(void)
{
	static uint32_t drawn;

	errno = EINVAL;
	return ++drawn;
}

static void
fields(void **state)
{
	static const struct { const char *value, *shown; } rows[] = {
		{"a@b.c", "k=a@b.c"}, {"", "k=\"\""}, {"two words", "k=\"two words\""}, {"a=b", "k=\"a=b\""}, {"say \"hi\"", "k=\"say \\\"hi\\\"\""},
		{"x\nstatus=sent", "k=\"x\\nstatus=sent\""}, {"esc\033[2J", "k=\"esc\\033[2J\""}, {"back\\slash", "k=\"back\\\\slash\""},
		{"gr\xc3\xbc", "k=\"gr\\303\\274\""}, {"cr\r", "k=\"cr\\r\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = {0};

		log_field(&b, "k", rows[i].value);
		assert_string_equal(b.data, rows[i].shown);
		for (size_t k = 0; k < b.len; k++)
			assert_in_range(b.data[k], 0x20, 0x7e);
		buf_free(&b);
	}
}

/* In a locale in which they are characters, as in the only one of some C libraries. */
static void
fields_whatever_the_locale(void **state)
{
	assert_non_null(setlocale(LC_ALL, "C.UTF-8"));
	fields(state);
	assert_non_null(setlocale(LC_ALL, "C"));
}

static void
lines_and_bounds(void **state)
{
	struct buf b = {0};
	char longer[3000];

	(void)state;
	memset(longer, 'y', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	log_field(&b, "a", "1");
	log_number(&b, "n", -5);
	assert_string_equal(b.data, "a=1 n=-5");
	log_field(&b, "long", longer);
	assert_in_range(b.len, 500, 600);
	buf_free(&b);
}

static void
log_file(void **state)
{
	char name[] = "/tmp/test_log.XXXXXX", got[400];
	struct buf b = {0};
	int fd = mkstemp(name);
	ssize_t n;

	(void)state;
	log_open(LOG_TO_FILE, name, "tag\nx[1]: -2.3/4");
	log_field(&b, "status", "sent");
	log_write(LOG_INFO, &b);
	assert_null(log_error());
	n = read(fd, got, sizeof(got) - 1);
	assert_true(n > 0);
	got[n] = '\0';
	assert_non_null(strstr(got, " tag_x_1___-2.3/4["));
	assert_non_null(strstr(got, "]: status=sent\n"));
	assert_ptr_equal(strchr(got, '\n'), got + n - 1);
	(void)close(fd);
	(void)unlink(name);
	log_open(LOG_TO_FILE, "/nonexistent/log", NULL);
	log_write(LOG_INFO, &b);
	assert_non_null(strstr(log_error(), "/nonexistent/log: No such file"));
	log_open(LOG_TO_FILE, "/dev/full", NULL);
	log_write(LOG_INFO, &b);
	assert_non_null(strstr(log_error(), "No space"));
	buf_free(&b);
}

/* What fn writes to a descriptor. */
static void
captured(char *out, size_t size, const struct outcome *o)
{
	int fd[2];
	ssize_t n;

	assert_int_equal(pipe(fd), 0);
	report_failure(fd[1], o);
	(void)close(fd[1]);
	n = read(fd[0], out, size - 1);
	assert_true(n > 0);
	out[n] = '\0';
	(void)close(fd[0]);
}

static void
a_failure_in_words(void **state)
{
	struct outcome o;
	char out[2048];

	(void)state;
	(void)outcome_set(&o, EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, "550 5.1.1 No \033[31msuch\nuser\xff", "<a@b> was refused by h");
	o.code = 550;
	(void)strlcpy(o.enhanced, "5.1.1", sizeof(o.enhanced));
	captured(out, sizeof(out), &o);
	assert_int_equal(strncmp(out, "sendmail: <a@b> was refused by h: 550 5.1.1 No ", 47), 0);
	assert_non_null(strstr(out, "Likely cause: there is no such recipient."));
	assert_non_null(strstr(out, "Remedy: "));
	for (size_t i = 0; i + 1 < strlen(out); i++)
		assert_in_range(out[i], 0x20, 0x7e);
	assert_int_equal(out[strlen(out) - 1], '\n');
}

static void
dialogue(void **state)
{
	struct trace t;
	char out[400];
	int fd[2];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(fd), 0);
	trace_init(&t, fd[1], NULL);
	trace_line(&t, '<', "250 \033x\r", 7);
	t.tls = true;
	trace_line(&t, '>', "QUIT", 4);
	trace_note(&t, "%d", 5);
	(void)close(fd[1]);
	n = read(fd[0], out, sizeof(out) - 1);
	assert_true(n > 0);
	out[n] = '\0';
	assert_non_null(strstr(out, " clear S: 250 \\033x\\r\n"));
	assert_non_null(strstr(out, " tls   C: QUIT\n"));
	assert_non_null(strstr(out, " tls   *  5\n"));
	(void)close(fd[0]);
	trace_init(&t, -1, NULL);
	trace_line(&t, '<', "x", 1);
	trace_line(NULL, '<', "x", 1);
}

/* Whole lines, each with the run that it is of; the file is for its owner alone. */
static void
transcript(void **state)
{
	char path[] = "/tmp/test-transcript-XXXXXX", out[800];
	struct trace t, other;
	struct stat st;
	ssize_t n;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd != -1 && unlink(path) == 0);
	(void)close(fd);
	trace_init(&t, -1, path);
	trace_init(&other, -1, path);
	assert_int_equal(stat(path, &st), -1);	/* not before there is a line */
	trace_line(&t, '>', "QUIT\n250 forged", 15);
	trace_line(&other, '<', "221 Bye", 7);
	trace_line(&t, '<', "221 Bye", 7);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, out, sizeof(out) - 1);
	assert_true(n > 0 && fstat(fd, &st) == 0);
	out[n] = '\0';
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_non_null(strstr(out, " clear C: QUIT\\n250 forged\n"));
	assert_true(strlen(t.run) == 8 && strlen(other.run) == 8 && strcmp(t.run, other.run) != 0);
	n = 0;
	for (const char *p = out; (p = strchr(p, '\n')) != NULL; p++)
		n++;
	assert_int_equal(n, 5);		/* a line each, and one for each run */
	(void)close(fd);
	assert_int_equal(unlink(path), 0);
	log_open(LOG_TO_SYSLOG, NULL, NULL);
	trace_init(&t, -1, "/nonexistent/transcript");
	trace_line(&t, '<', "221 Bye", 7);
	assert_null(t.transcript);
	assert_string_equal(log_error(), "cannot write the transcript /nonexistent/transcript: No such file or directory");
	trace_line(&t, '<', "221 Bye", 7);
}

/* A reader that stands still gets no more, and holds nobody up. */
static void
stalled_reader(void **state)
{
	static char block[4096];
	struct trace t;
	int fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	while (put(fd[1], block, sizeof(block), 10) == 0)
		;
	assert_int_equal(errno, ETIMEDOUT);
	trace_init(&t, fd[1], NULL);
	trace_note(&t, "lost");
	assert_int_equal(t.fd, -1);
	(void)close(fd[0]);
	(void)close(fd[1]);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields), cmocka_unit_test(fields_whatever_the_locale), cmocka_unit_test(lines_and_bounds), cmocka_unit_test(log_file), cmocka_unit_test(a_failure_in_words),
		cmocka_unit_test(dialogue), cmocka_unit_test(transcript), cmocka_unit_test(stalled_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
