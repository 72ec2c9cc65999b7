/*
 * When a message of the queue is due, and how the queue is listed.
 */
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
#include "queue/list.h"
#include "queue/schedule.h"
#include "queue/spool.h"
#include "queue/turn.h"

/* A minute at first, growing with the age to an hour, an eighth more or less. */
static void
backoff(void **state)
{
	static const struct { time_t age, wait; } rows[] = {{0, 60}, {-5, 60}, {59, 60}, {60, 60}, {600, 600}, {3600, 3600}, {86400, 3600}, {5 * 86400, 3600}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		time_t now = 1800000000, least = rows[i].wait * 10, most = 0;

		for (size_t k = 0; k < 1000; k++) {
			time_t wait = schedule_next(rows[i].age, now) - now;

			assert_true(wait >= rows[i].wait - rows[i].wait / 8 && wait <= rows[i].wait + rows[i].wait / 8 + 1);
			least = wait < least ? wait : least;
			most = wait > most ? wait : most;
			assert_false(schedule_is_due(now + wait, now));
			assert_true(schedule_is_due(now + wait, now + wait));
		}
		assert_true(most > least);	/* not all at once */
	}
}

/* What counts of the time between two attempts. */
static void
waited(void **state)
{
	static const struct { time_t created, tried, waited, now, lifetime, result; } rows[] = {
		{1000, 0, 0, 1000, 5 * 86400, 0}, {1000, 0, 0, 1060, 5 * 86400, 60}, {1000, 1060, 60, 1200, 5 * 86400, 200}, {1000, 1060, 60, 500, 5 * 86400, 60},
		{5000, 0, 0, 1000, 5 * 86400, 0}, {1000, 0, 0, 1800000000, 5 * 86400, 86400}, {1000, 1800000000, 86400, 1800000060, 5 * 86400, 86460},
		{1000, 1800000000, 100, 1800000000 + 7 * 86400, 5 * 86400, 86500}, {1000, 0, 0, 1800000000, 86400, 21600}, {1000, 0, 0, 1800000000, 60, 3600},
		{1000, 0, 0, 1800000000, 30 * 86400, 86400},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct spool_item item = {.created = rows[i].created, .tried = rows[i].tried, .waited = rows[i].waited};

		assert_int_equal(schedule_waited(&item, rows[i].lifetime, rows[i].now), rows[i].result);
	}
}

/* A clock that was wrong must not keep a message for years. */
static void
due(void **state)
{
	static const time_t now = 1800000000;

	(void)state;
	assert_true(schedule_is_due(0, now));
	assert_true(schedule_is_due(now, now));
	assert_false(schedule_is_due(now + 1, now));
	assert_false(schedule_is_due(now + 3600, now));
	assert_true(schedule_is_due(now + 2 * 3600, now));
	assert_true(schedule_is_due(now + 365 * 86400, now));
}

static bool
all(const struct envelope *e, size_t i)
{
	(void)e;
	(void)i;
	return true;
}

static char directory[32];

static int
make_directory(void **state)
{
	(void)state;
	(void)strlcpy(directory, "/tmp/test-runner-XXXXXX", sizeof(directory));
	return mkdtemp(directory) == NULL ? -1 : 0;
}

static int
remove_directory(void **state)
{
	char command[64];

	(void)state;
	(void)snprintf(command, sizeof(command), "%s/runner", directory);
	(void)unlink(command);
	return rmdir(directory);
}

static void
listed(void **state)
{
	char sender[] = "a\"b@example.com", path[] = "b@example.net", id[SPOOL_ID_SIZE], subject[] = "Subject: x\r\n\r\nhi\r\n";
	struct recipient rcpt = {.path = path};
	struct envelope e = {.sender = sender, .rcpt = &rcpt, .count = 1};
	struct message m;
	struct outcome o, error;
	struct spool s;
	struct spool_item item;
	struct buf out = {0};
	struct message_reader *reader;
	size_t shown;

	(void)state;
	assert_int_equal(spool_open(&s, directory, &o), 0);
	assert_int_equal(list_queue(&out, &s, true, 0, &shown, &o), 0);
	assert_string_equal(out.data, "[]\n");
	assert_int_equal(shown, 0);
	reader = message_begin(&m, false, NULL, &o);
	message_add(reader, subject, strlen(subject));
	assert_int_equal(message_end(reader), 0);
	(void)outcome_set(&error, EX_TEMPFAIL, STAGE_CONNECT, CAUSE_UNREACHABLE, "no \"way\"\n", "cannot connect");
	(void)strlcpy(sender, "\"a\\\"b\"@x", sizeof(sender));
	assert_int_equal(spool_put(&s, &e, all, &m, &error, 0, id, &o), 0);
	buf_reset(&out);
	assert_int_equal(list_queue(&out, &s, true, 0, &shown, &o), 0);
	assert_int_equal(shown, 1);
	assert_non_null(strstr(out.data, "\"sender\":\"\\\"a\\\\\\\"b\\\"@x\""));
	assert_non_null(strstr(out.data, "\"error\":\"cannot connect: no \\\"way\\\""));
	assert_non_null(strstr(out.data, "{\"address\":\"b@example.net\",\"state\":\"waiting\"}"));
	buf_reset(&out);
	assert_int_equal(list_queue(&out, &s, false, 3600, &shown, &o), 0);
	assert_int_equal(shown, 0);
	assert_int_equal(list_queue(&out, &s, false, 0, &shown, &o), 0);
	assert_non_null(strstr(out.data, "due now"));
	assert_non_null(strstr(out.data, "b@example.net"));
	assert_int_equal(spool_get(&s, id, true, &item, &o), SPOOL_OK);
	buf_reset(&out);
	assert_int_equal(list_queue(&out, &s, false, 0, &shown, &o), 0);
	assert_non_null(strstr(out.data, "is being sent"));
	assert_int_equal(spool_remove(&s, &item, &o), 0);
	spool_item_close(&item);
	spool_close(&s);
	message_free(&m);
	buf_free(&out);
}

/* No request is missed, whoever has the lock next. */
static void
turns(void **state)
{
	struct outcome o;
	struct spool s;
	bool marked;
	int a, b;

	(void)state;
	assert_int_equal(spool_open(&s, directory, &o), 0);
	a = spool_open_runner(&s, &o);
	b = spool_open_runner(&s, &o);
	assert_true(a != -1 && b != -1);
	assert_int_equal(turn_wanted(a), TURN_NONE);
	turn_ask(&s, TURN_DUE);
	assert_int_equal(turn_wanted(a), TURN_DUE);
	assert_int_equal(turn_take(a), 0);
	assert_int_equal(turn_take(b), 1);
	assert_int_equal(turn_accept(a, &marked), TURN_DUE);
	assert_true(marked);
	assert_int_equal(turn_wanted(b), TURN_NONE);
	turn_ask(&s, TURN_ALL);
	turn_ask(&s, TURN_DUE);
	turn_give_back(a);
	assert_int_equal(turn_take(b), 0);	/* who has it now has to do what was asked of the other */
	assert_int_equal(turn_wanted(b), TURN_ALL);
	assert_int_equal(turn_accept(b, &marked), TURN_ALL);
	assert_int_equal(turn_wanted(a), TURN_NONE);
	for (size_t i = 0; i < 70000; i++)
		turn_ask(&s, TURN_DUE);
	turn_ask(&s, TURN_ALL);
	assert_int_equal(turn_accept(b, &marked), TURN_ALL);
	assert_int_equal(turn_wanted(b), TURN_NONE);
	assert_int_equal(lseek(b, 0, SEEK_END), 0);	/* it does not grow for ever */
	turn_give_back(b);
	(void)close(a);
	(void)close(b);
	spool_close(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backoff), cmocka_unit_test(waited), cmocka_unit_test(due), cmocka_unit_test_setup_teardown(listed, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(turns, make_directory, remove_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
