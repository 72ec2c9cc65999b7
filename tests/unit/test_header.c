/*
 * The header block: names, folded fields, finding, dropping, replacing, adding.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include "mail/header.h"

static void
assert_written(const struct header *h, const char *expected)
{
	struct buf out = {0};

	header_write(h, &out);
	assert_string_equal(buf_str(&out), expected);
	buf_free(&out);
}

static void
parse(struct header *h, const char *text)
{
	memset(h, 0, sizeof(*h));
	header_parse(h, text, strlen(text));
}

static void
a_name_is_printable_ascii_then_blanks_then_a_colon(void **state)
{
	static const struct {
		const char *line;
		size_t name;
	} cases[] = {
		{ "Subject: x", 7 }, { "Subject:", 7 }, { "To : x", 2 }, { "To \t : x", 2 }, { "X-!#$%&'*+/=?^_`{|}~.1:", 22 },
		{ "a:b:c", 1 }, { "", 0 }, { ":", 0 }, { ": x", 0 }, { " : x", 0 }, { " To: x", 0 }, { "\tTo: x", 0 }, { "To", 0 },
		{ "To ", 0 }, { "two words: x", 0 }, { "From a@b Sun Nov 22 01:00:00 2026", 0 }, { "From : a@b", 4 },
		{ "S\303\274bject: x", 0 }, { "a\177: x", 0 }, { "a\001: x", 0 }, { "a\r: x", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(header_name(cases[i].line, strlen(cases[i].line)), cases[i].name);
	assert_int_equal(header_name("To: x", 2), 0);	/* no octet beyond the length is looked at */
}

static void
fields_keep_their_text_and_folds(void **state)
{
	const char *text = "Received: from a\r\n\tby b;\r\n date\r\nSubject : x\r\nX-Empty:\r\nto:a@b\r\n";
	struct header h;
	const char *body;
	size_t len;

	(void)state;
	parse(&h, text);
	assert_int_equal(h.count, 4);
	assert_string_equal(h.field[0].text, "Received: from a\r\n\tby b;\r\n date\r\n");
	assert_int_equal(h.field[0].len, strlen(h.field[0].text));
	assert_int_equal(h.field[1].name_len, 7);
	body = header_body(&h.field[1], &len);
	assert_int_equal(len, 2);
	assert_memory_equal(body, " x", 2);
	body = header_body(&h.field[0], &len);
	assert_int_equal(len, strlen(" from a\r\n\tby b;\r\n date"));
	(void)header_body(&h.field[2], &len);
	assert_int_equal(len, 0);
	body = header_body(&h.field[3], &len);
	assert_memory_equal(body, "a@b", 3);
	assert_written(&h, text);
	header_free(&h);
	assert_int_equal(h.count, 0);
}

static void
what_is_no_field_is_not_taken_in(void **state)
{
	struct header h;

	(void)state;
	parse(&h, " folded\r\nno field\r\n more\r\nTo: a\r\n\r\n: b\r\n");
	assert_int_equal(h.count, 1);
	assert_written(&h, "To: a\r\n");
	header_free(&h);
	parse(&h, "");
	assert_int_equal(h.count, 0);
	header_free(&h);
}

static void
a_block_without_a_last_line_end_is_read_whole(void **state)
{
	struct header h;
	size_t len;

	(void)state;
	parse(&h, "To: a\r\nCc: b");
	assert_int_equal(h.count, 2);
	assert_memory_equal(header_body(&h.field[1], &len), " b", 2);
	assert_int_equal(len, 2);
	header_free(&h);
}

static void
fields_are_found_in_any_case_and_only_whole(void **state)
{
	struct header h;

	(void)state;
	parse(&h, "To: a\r\nTo-Do: b\r\nTO : c\r\nT: d\r\n");
	assert_int_equal(header_find(&h, "to", 0), 0);
	assert_int_equal(header_find(&h, "To", 1), 2);
	assert_int_equal(header_find(&h, "To", 3), -1);
	assert_int_equal(header_find(&h, "To", 100), -1);
	assert_int_equal(header_find(&h, "Cc", 0), -1);
	assert_true(header_is(&h.field[3], "t"));
	assert_false(header_is(&h.field[3], "to"));
	header_free(&h);
}

static void
dropping_takes_all_and_leaves_the_order(void **state)
{
	struct header h;

	(void)state;
	parse(&h, "Bcc: a\r\nTo: b\r\nBCC : c\r\n\td\r\nCc: e\r\nbcc:\r\n");
	assert_int_equal(header_drop(&h, "Bcc"), 3);
	assert_int_equal(header_drop(&h, "Bcc"), 0);
	assert_written(&h, "To: b\r\nCc: e\r\n");
	header_append(&h, "to: f");
	assert_int_equal(header_drop_from(&h, "To", 1), 1);
	assert_int_equal(header_drop_from(&h, "To", 1), 0);
	assert_int_equal(header_drop_from(&h, "To", 9), 0);
	assert_written(&h, "To: b\r\nCc: e\r\n");
	header_free(&h);
}

static void
a_replaced_body_keeps_the_name_as_written(void **state)
{
	struct header h;
	size_t len;
	const char *body;

	(void)state;
	parse(&h, "TO : old\r\nX: y\r\n");
	header_replace(&h, 0, " new,\r\n\tmore", strlen(" new,\r\n\tmore"));
	assert_written(&h, "TO : new,\r\n\tmore\r\nX: y\r\n");
	assert_true(header_is(&h.field[0], "to"));
	assert_int_equal(h.field[0].len, strlen(h.field[0].text));
	body = header_body(&h.field[0], &len);
	header_replace(&h, 1, body, len);
	assert_written(&h, "TO : new,\r\n\tmore\r\nX: new,\r\n\tmore\r\n");
	header_replace(&h, 1, "", 0);
	assert_string_equal(h.field[1].text, "X:\r\n");
	header_free(&h);
}

static void
fields_are_added_before_and_after(void **state)
{
	struct header h = {0};

	(void)state;
	header_prepend(&h, "Subject: 2");
	header_prepend(&h, "Date: 1");
	header_append(&h, "To: 3,\r\n 4");
	assert_written(&h, "Date: 1\r\nSubject: 2\r\nTo: 3,\r\n 4\r\n");
	assert_int_equal(header_find(&h, "subject", 0), 1);
	assert_int_equal(h.field[1].body, 8);
	header_free(&h);
}

static void
a_great_many_fields_and_lines_are_taken(void **state)
{
	struct buf text = {0};
	struct header h = {0};

	(void)state;
	for (int i = 0; i < 200000; i++)
		buf_puts(&text, "a:\r\n b\r\n");
	header_parse(&h, text.data, text.len);
	assert_int_equal(h.count, 200000);
	assert_int_equal(header_drop(&h, "A"), 200000);
	header_free(&h);
	buf_reset(&text);
	buf_puts(&text, "To:");
	for (int i = 0; i < 200000; i++)
		buf_puts(&text, "\r\n b");
	buf_puts(&text, "\r\n");
	header_parse(&h, text.data, text.len);
	assert_int_equal(h.count, 1);
	assert_int_equal(h.field[0].len, text.len);
	header_free(&h);
	buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_printable_ascii_then_blanks_then_a_colon),
		cmocka_unit_test(fields_keep_their_text_and_folds),
		cmocka_unit_test(what_is_no_field_is_not_taken_in),
		cmocka_unit_test(a_block_without_a_last_line_end_is_read_whole),
		cmocka_unit_test(fields_are_found_in_any_case_and_only_whole),
		cmocka_unit_test(dropping_takes_all_and_leaves_the_order),
		cmocka_unit_test(a_replaced_body_keeps_the_name_as_written),
		cmocka_unit_test(fields_are_added_before_and_after),
		cmocka_unit_test(a_great_many_fields_and_lines_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
