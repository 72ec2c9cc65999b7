/*
 * SRV records: what a name server says, whatever it says, and the order in which servers are tried.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "net/srv.h"

#define HEADER(answers)	"\x12\x34\x81\x80\0\1\0" answers "\0\0\0\0"
#define QUESTION	"\13_submission\4_tcp\7example\3com\0\0\x21\0\1"
#define RECORD(length)	"\xc0\x0c\0\x21\0\1\0\0\0\x3c\0" length
#define DOMAIN		"\xc0\x1d"	/* example.com in the question */

static int
parse(struct srv_list *list, const void *answer, size_t n, bool *none)
{
	unsigned char *copy = malloc(n == 0 ? 1 : n);	/* of just this size, so that a read beyond is noticed */
	int r;

	assert_non_null(copy);
	memcpy(copy, answer, n);
	*list = (struct srv_list){0};
	r = srv_parse(list, copy, n, true, none);
	free(copy);
	return r;
}

static void
records(void **state)
{
	static const char answer[] = HEADER("\3") QUESTION
	    RECORD("\x0d") "\0\1\0\2\2\x4b\4smtp" DOMAIN
	    "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\2" DOMAIN	/* CNAME */
	    RECORD("\x19") "\xff\xff\0\0\1\xd1\2mx\6hoster\7example\0";
	struct srv_list list;
	bool none;

	(void)state;
	assert_int_equal(parse(&list, answer, sizeof(answer) - 1, &none), 0);
	assert_false(none);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.server[0].host, "smtp.example.com");
	assert_int_equal(list.server[0].priority, 1);
	assert_int_equal(list.server[0].weight, 2);
	assert_int_equal(list.server[0].port, 587);
	assert_true(list.server[0].implicit);
	assert_string_equal(list.server[1].host, "mx.hoster.example");
	assert_int_equal(list.server[1].priority, 65535);
	assert_int_equal(list.server[1].port, 465);
	for (size_t n = 0; n < sizeof(answer) - 1; n++)		/* cut anywhere it is malformed */
		assert_int_equal(parse(&list, answer, n, &none), -1);
}

static void
odd_records(void **state)
{
	static const struct { const char *answer; size_t n; int status; size_t count; bool none; } rows[] = {
#define ROW(answer, status, count, none) {answer, sizeof(answer) - 1, status, count, none}
		ROW(HEADER("\0") QUESTION, 0, 0, false),
		ROW(HEADER("\1") QUESTION RECORD("\7") "\0\0\0\0\0\0\0", 0, 0, true),		/* "." */
		ROW(HEADER("\1") QUESTION RECORD("\x0d") "\0\0\0\0\0\0\4smtp" DOMAIN, 0, 0, false),	/* port 0 */
		ROW(HEADER("\1") QUESTION RECORD("\x0d") "\0\0\0\0\2\x4b\4sm p" DOMAIN, 0, 0, false),	/* no host name */
		ROW(HEADER("\1") QUESTION RECORD("\x0d") "\0\0\0\0\2\x4b\4s\nmp" DOMAIN, 0, 0, false),
		ROW(HEADER("\1") QUESTION RECORD("\x0e") "\0\0\0\0\2\x4b\4smtp" DOMAIN "x", -1, 0, false),	/* longer than its name */
		ROW(HEADER("\1") QUESTION RECORD("\x0c") "\0\0\0\0\2\x4b\4smtp" DOMAIN, -1, 0, false),	/* shorter */
		ROW(HEADER("\1") QUESTION RECORD("\6") "\0\0\0\0\2\x4b", -1, 0, false),			/* no name at all */
		ROW(HEADER("\1") QUESTION RECORD("\x08") "\0\0\0\0\2\x4b\xc0\x37", -1, 0, false),	/* a name that points at itself */
		ROW(HEADER("\1") QUESTION "\xc0\x0c\0\x21\0\3\0\0\0\x3c\0\x0d\0\0\0\0\2\x4b\4smtp" DOMAIN, 0, 0, false),	/* another class */
		ROW("\x12\x34\x81\x80\xff\xff\xff\xff\0\0\0\0", -1, 0, false),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct srv_list list;
		bool none;

		assert_int_equal(parse(&list, rows[i].answer, rows[i].n, &none), rows[i].status);
		if (rows[i].status == 0)
			assert_int_equal(list.count, rows[i].count);
		assert_int_equal(none, rows[i].none);
	}
}

/* More than have room. */
static void
many_records(void **state)
{
	static const char begin[] = HEADER("\x40") QUESTION, record[] = RECORD("\x0d") "\0\0\0\0\2\x4b\4smtp" DOMAIN;
	unsigned char answer[4096];
	size_t n = sizeof(begin) - 1;
	struct srv_list list;
	bool none;

	(void)state;
	memcpy(answer, begin, n);
	for (size_t i = 0; i < 64; i++, n += sizeof(record) - 1)
		memcpy(answer + n, record, sizeof(record) - 1);
	assert_int_equal(parse(&list, answer, n, &none), 0);
	assert_int_equal(list.count, SRV_MAX);
	assert_int_equal(srv_parse(&list, answer, n, false, &none), 0);		/* the other service has as much room */
	assert_int_equal(list.count, 2 * SRV_MAX);
}

static uint32_t lot;

static uint32_t
drawn(uint32_t below)
{
	assert_true(below > 0);
	return lot % below;
}

static void
order(void **state)
{
	static const struct srv servers[] = {
		{.host = "d", .priority = 9, .weight = 5}, {.host = "b", .priority = 1, .weight = 3}, {.host = "c", .priority = 1, .weight = 1},
		{.host = "a", .priority = 50, .implicit = true}, {.host = "z", .priority = 1, .weight = 0},
	};
	static const struct { uint32_t lot; const char *order; } rows[] = {{0, "azcbd"}, {1, "acbzd"}, {2, "abzcd"}, {3, "abczd"}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct srv s[5];
		char got[6] = "";

		memcpy(s, servers, sizeof(s));
		lot = rows[i].lot;
		srv_order(s, 5, drawn);
		for (size_t k = 0; k < 5; k++)
			got[k] = s[k].host[0];
		if (got[0] != 'a' || got[4] != 'd' || strcmp(got, rows[i].order) != 0)
			fail_msg("lot %u: %s, not %s", (unsigned)rows[i].lot, got, rows[i].order);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(records), cmocka_unit_test(odd_records), cmocka_unit_test(many_records), cmocka_unit_test(order)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
