/*
 * The words of a DSN request: what counts as one, and xtext there and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "dsn.h"

static void
notify(void **state)
{
	static const struct { const char *text; unsigned bits; } rows[] = {
		{"NEVER", DSN_NEVER}, {"never", DSN_NEVER}, {"SUCCESS", DSN_SUCCESS}, {"Failure", DSN_FAILURE}, {"delay", DSN_DELAY},
		{"SUCCESS,FAILURE", DSN_SUCCESS | DSN_FAILURE}, {"delay,SUCCESS,failure", DSN_SUCCESS | DSN_FAILURE | DSN_DELAY},
		{"FAILURE,FAILURE", DSN_FAILURE}, {"NEVER,NEVER", DSN_NEVER},
		{"", 0}, {",", 0}, {"SUCCESS,", 0}, {",SUCCESS", 0}, {"SUCCESS,,DELAY", 0}, {"SUCCESS DELAY", 0}, {"SUCCESS, DELAY", 0},
		{"NEVER,SUCCESS", 0}, {"DELAY,NEVER", 0}, {"SUCCES", 0}, {"SUCCESSS", 0}, {"NONE", 0}, {"SUCCESS;DELAY", 0}, {" NEVER", 0},
		{"NEVER ", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (dsn_notify(rows[i].text) != rows[i].bits)
			fail_msg("\"%s\": %u, not %u", rows[i].text, dsn_notify(rows[i].text), rows[i].bits);
}

/* Each set that there can be is written so that it is read back. */
static void
notify_there_and_back(void **state)
{
	(void)state;
	for (unsigned bits = 1; bits < 16; bits++) {
		struct buf b = {0};

		if ((bits & DSN_NEVER) != 0 && bits != DSN_NEVER)
			continue;
		buf_puts(&b, "NOTIFY=");
		dsn_add_notify(&b, bits);
		assert_int_equal(dsn_notify(b.data + 7), bits);
		assert_int_equal(strspn(b.data + 7, "ABCDEFGHIJKLMNOPQRSTUVWXYZ,"), b.len - 7);
		buf_free(&b);
	}
}

static void
ret(void **state)
{
	static const char *const none[] = {"", "FUL", "FULLY", "HDR", "HDRSS", "HEADERS", " FULL", "FULL ", "FULL,HDRS"};

	(void)state;
	assert_string_equal(dsn_ret("full"), "FULL");
	assert_string_equal(dsn_ret("FULL"), "FULL");
	assert_string_equal(dsn_ret("Hdrs"), "HDRS");
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_null(dsn_ret(none[i]));
}

static void
envid(void **state)
{
	char text[DSN_ENVID_MAX + 2];

	(void)state;
	assert_true(dsn_is_envid("x"));
	assert_true(dsn_is_envid(" a b+=~"));
	assert_false(dsn_is_envid(""));
	for (int c = 1; c < 256; c++) {
		char one[] = {'a', (char)c, 'b', '\0'};

		assert_int_equal(dsn_is_envid(one), c >= 0x20 && c <= 0x7e);
	}
	memset(text, 'x', sizeof(text));
	text[DSN_ENVID_MAX] = '\0';
	assert_true(dsn_is_envid(text));
	text[DSN_ENVID_MAX] = 'x';
	text[DSN_ENVID_MAX + 1] = '\0';
	assert_false(dsn_is_envid(text));
}

/* RFC 3461 section 4: what may stand for itself, and two upper-case hexadecimal digits for all else. */
static void
xtext_of_each_octet(void **state)
{
	(void)state;
	for (int c = 1; c < 256; c++) {
		bool self = c >= '!' && c <= '~' && c != '+' && c != '=';
		char one[] = {(char)c, '\0'}, want[8], *back;
		struct buf b = {0};

		(void)snprintf(want, sizeof(want), self ? "%c" : "+%02X", c);
		dsn_add_xtext(&b, one);
		assert_string_equal(b.data, want);
		back = dsn_decode_xtext(b.data);
		assert_non_null(back);
		assert_string_equal(back, one);
		free(back);
		back = dsn_decode_xtext(one);
		if (self)
			assert_string_equal(back, one);
		else
			assert_null(back);
		free(back);
		buf_free(&b);
	}
}

/* RFC 6533 section 3: letters outside ASCII stand for themselves. */
static void
unitext(void **state)
{
	struct buf b = {0};

	(void)state;
	dsn_add_unitext(&b, "a+b=c d\\e\177\303\251@\344\270\255.example");
	assert_string_equal(b.data, "a\\x{2B}b\\x{3D}c\\x{20}d\\x{5C}e\\x{7F}\303\251@\344\270\255.example");
	buf_free(&b);
}

static void
xtext_there_and_back(void **state)
{
	static const char text[] = "a+b=c d@\"e\\f\"\t\r\n\177\303\251.example";
	struct buf b = {0};
	char *back;

	(void)state;
	dsn_add_xtext(&b, text);
	assert_string_equal(b.data, "a+2Bb+3Dc+20d@\"e\\f\"+09+0D+0A+7F+C3+A9.example");
	back = dsn_decode_xtext(b.data);
	assert_string_equal(back, text);
	free(back);
	buf_free(&b);
	back = dsn_decode_xtext("");
	assert_string_equal(back, "");
	free(back);
}

static void
no_xtext(void **state)
{
	static const char *const rows[] = {
		"+", "+2", "a+", "a+2", "+2G", "+G2", "+2b", "+0d", "++2B", "+ 2", "a b", "a=b", "=", "a\tb", "a\r\nb", "\177", "\303\251",
		"+00", "a+00b", "+2+2B", "+-1", "+0x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *got = dsn_decode_xtext(rows[i]);

		if (got != NULL)
			fail_msg("\"%s\" was taken as \"%s\"", rows[i], got);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(notify), cmocka_unit_test(notify_there_and_back), cmocka_unit_test(ret), cmocka_unit_test(envid),
		cmocka_unit_test(xtext_of_each_octet), cmocka_unit_test(xtext_there_and_back), cmocka_unit_test(unitext), cmocka_unit_test(no_xtext),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
