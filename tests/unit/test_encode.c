/*
 * Raw 8-bit text in header fields: RFC 2047, RFC 2231, folding (encode.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <cmocka.h>
#include "mail/encode.h"

/* The field encoded; the caller frees it. changed: what encode_field() said. */
static char *
encoded(const char *field, bool *changed)
{
	struct header h = {0};
	struct buf out = {0};

	header_parse(&h, field, strlen(field));
	assert_int_equal(h.count, 1);
	*changed = encode_field(&h, 0);
	header_write(&h, &out);
	header_free(&h);
	return out.data;
}

static char *
folded(const char *field, bool *changed)
{
	struct header h = {0};
	struct buf out = {0};

	header_parse(&h, field, strlen(field));
	assert_int_equal(h.count, 1);
	*changed = encode_fold(&h, 0);
	header_write(&h, &out);
	header_free(&h);
	return out.data;
}

struct encoding {
	const char *in;
	const char *out;	/* NULL: not changed */
};

static void
check_table(const struct encoding *t, size_t n)
{
	bool changed;
	char *out;

	for (; n > 0; n--, t++) {
		out = encoded(t->in, &changed);
		assert_string_equal(out, t->out == NULL ? t->in : t->out);
		assert_int_equal(changed, t->out != NULL);
		free(out);
	}
}

#define CHECK(table) check_table(table, sizeof(table) / sizeof((table)[0]))

static void
utf8_is_told_from_other_octets(void **state)
{
	static const char *const good[] = { "", "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\xe4", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
	    "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\x80", "\xc3!" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(encode_is_utf8(good[i], strlen(good[i])));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(encode_is_utf8(bad[i], strlen(bad[i])));
	assert_true(encode_is_8bit("a\x80", 2));
	assert_false(encode_is_8bit("a\x7f", 2));
}

static void
unstructured_text_is_encoded_word_by_word(void **state)
{
	static const struct encoding t[] = {
		{ "Subject: plain  text (\"x\")\r\n", NULL },
		{ "Subject: Hello W\xc3\xb6rld foo\r\n", "Subject: Hello =?utf-8?b?V8O2cmxk?= foo\r\n" },
		{ "X-Any: Sch\xc3\xb6nes\r\n", "X-Any: =?utf-8?q?Sch=C3=B6nes?=\r\n" },
		{ "Subject: caf\xe9\r\n", "Subject: =?unknown-8bit?q?caf=E9?=\r\n" },
		{ "Subject: Sch\xc3\xb6ne,\r\n  Gr\xc3\xbc\xc3\x9f" "e\r\n", "Subject: =?utf-8?b?U2Now7ZuZSwgIEdyw7zDn2U=?=\r\n" },
		{ "Subject: a=?_?b\xc3\xa4=?_cdef\r\n", "Subject: =?utf-8?b?YT0/Xz9iw6Q9P19jZGVm?=\r\n" },
		{ "Content-Description: abcde\xc3\xa4\r\n", "Content-Description: =?utf-8?q?abcde=C3=A4?=\r\n" },
	};

	(void)state;
	CHECK(t);
}

static void
existing_encoded_words_stay_and_blanks_beside_them_go_inside(void **state)
{
	static const struct encoding t[] = {
		{ "Subject: =?utf-8?q?x=C3=B6?= abc\r\n", NULL },
		{ "Subject: =?utf-8?q?x?= abcd\xc3\xa4\r\n", "Subject: =?utf-8?q?x?= =?utf-8?q?_abcd=C3=A4?=\r\n" },
		{ "Subject: abcd\xc3\xa4  =?utf-8?q?x?=\r\n", "Subject: =?utf-8?q?abcd=C3=A4__?= =?utf-8?q?x?=\r\n" },
		{ "Subject: abcde\xc3\xa4 y =?utf-8?q?x?=\r\n", "Subject: =?utf-8?q?abcde=C3=A4?= y =?utf-8?q?x?=\r\n" },
	};

	(void)state;
	CHECK(t);
}

static void
names_and_comments_of_addresses_are_encoded_and_nothing_else(void **state)
{
	static const struct encoding t[] = {
		{ "From: Hans M\xc3\xbcller <a@b>\r\n", "From: =?utf-8?q?Hans_M=C3=BCller?= <a@b>\r\n" },
		{ "From: \"Hans \\\"M\xc3\xbcller\\\"\" <a@b>\r\n", "From: =?utf-8?b?SGFucyAiTcO8bGxlciI=?= <a@b>\r\n" },
		{ "To: x@y,Hans M\xc3\xbcller<a@b>\r\n", "To: x@y, =?utf-8?q?Hans_M=C3=BCller?= <a@b>\r\n" },
		{ "To: m\xc3\xbcller@b\r\n", NULL },
		{ "To: <m\xc3\xbcller@b>\r\n", NULL },
		{ "To: a@b (Hans M\xc3\xbcller (x))\r\n", "To: a@b (Hans =?utf-8?q?M=C3=BCller?= (x))\r\n" },
		{ "To: a@b (abcdef\\)\xc3\xbc)\r\n", "To: a@b (=?utf-8?b?YWJjZGVmKcO8?=)\r\n" },
		{ "Cc: Kollegen\xc3\xbc: a@b, c@d;\r\n", "Cc: =?utf-8?q?Kollegen=C3=BC?= : a@b, c@d;\r\n" },
		{ "To: =?utf-8?q?a?= (c) Hans M\xc3\xbcller <a@b>\r\n", "To: =?utf-8?q?a?= (c) =?utf-8?q?Hans_M=C3=BCller?= <a@b>\r\n" },
		{ "Resent-To: plain <a@b>, Hans M\xc3\xbcller <c@d>\r\n", "Resent-To: plain <a@b>, =?utf-8?q?Hans_M=C3=BCller?= <c@d>\r\n" },
		{ "Disposition-Notification-To: Hansi\xc3\xbc <c@d>\r\n", "Disposition-Notification-To: =?utf-8?q?Hansi=C3=BC?= <c@d>\r\n" },
		{ "Keywords: one, more \xc3\xbcxyz\r\n", "Keywords: one, =?utf-8?q?more_=C3=BCxyz?=\r\n" },
	};

	(void)state;
	CHECK(t);
}

static void
broken_address_fields_are_encoded_only_where_it_is_sure(void **state)
{
	static const struct encoding t[] = {
		{ "To: \"M\xc3\xbcller <a@b>\r\n", NULL },
		{ "To: (M\xc3\xbcller <a@b>\r\n", NULL },
		{ "To: M\xc3\xbcller, Hans M\xc3\xbcller <a@b>\r\n", "To: M\xc3\xbcller, =?utf-8?q?Hans_M=C3=BCller?= <a@b>\r\n" },
		{ "To: x@y M\xc3\xbcller <a@b>\r\n", NULL },
		{ "To: Hansi\xc3\xbc <a@b\r\n", "To: =?utf-8?q?Hansi=C3=BC?= <a@b\r\n" },
	};

	(void)state;
	CHECK(t);
}

static void
other_structured_fields_have_only_their_comments_encoded(void **state)
{
	static const struct encoding t[] = {
		{ "Received: from \xc3\xbc by <\xc3\xbc>\r\n", NULL },
		{ "Received: from x (hansi\xc3\xbc) by y\r\n", "Received: from x (=?utf-8?q?hansi=C3=BC?=) by y\r\n" },
		{ "Message-ID: <(\xc3\xbc)@x>\r\n", NULL },
		{ "List-Unsubscribe: <http://x/(\xc3\xbc)>\r\n", NULL },
		{ "Content-ID: \xc3\xbc\r\n", NULL },
		{ "Date: now (M\xc3\xa4rzen)\r\n", "Date: now (=?utf-8?q?M=C3=A4rzen?=)\r\n" },
	};

	(void)state;
	CHECK(t);
}

static void
raw_parameters_become_rfc_2231(void **state)
{
	static const struct encoding t[] = {
		{ "Content-Type: a/b; name=\"M\xc3\xbcll \\\"x.pdf\"; charset=utf-8\r\n",
		    "Content-Type: a/b; name*=utf-8''M%C3%BCll%20%22x.pdf; charset=utf-8\r\n" },
		{ "Content-Type: a/b;name=M\xc3\xbcll er.pdf (c)\r\n", "Content-Type: a/b; name*=utf-8''M%C3%BCll%20er.pdf (c)\r\n" },
		{ "Content-Disposition: inline; filename=\"\xe9\"\r\n", "Content-Disposition: inline; filename*=unknown-8bit''%E9\r\n" },
		{ "Content-Type: a/b; name=M\xc3\xbcll\r\n er.pdf\r\n", "Content-Type: a/b; name*=utf-8''M%C3%BCll%20er.pdf\r\n" },
		{ "Content-Type: a/b; name=\"\xc3\xbc\"; x=name*y\r\n", "Content-Type: a/b; name*=utf-8''%C3%BC; x=name*y\r\n" },
		{ "Content-Disposition: inline; filename=\"\xc3\xbc\"; filename*=utf-8''%C3%BC\r\n",
		    "Content-Disposition: inline; filename*=utf-8''%C3%BC\r\n" },
		{ "Content-Type: multipart/mixed; boundary=\"\xc3\xbc\"\r\n", NULL },
		{ "Content-Type: a/b; name=\"\xc3\xbc\r\n", NULL },
		{ "Content-Disposition: attachment; filename=\"\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc.pdf\"\r\n",
		    "Content-Disposition: attachment;\r\n"
		    " filename*0*=utf-8''%C3%A4%C3%B6%C3%BC%C3%A4%C3%B6%C3%BC%C3%A4%C3%B6%C3%BC.;\r\n filename*1*=pdf\r\n" },
	};

	(void)state;
	CHECK(t);
}

static int
b_value(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	assert_non_null(strchr(digits, c));
	return (int)(strchr(digits, c) - digits);
}

/* Decodes the text of an encoded word from p to end into out. */
static void
decode_text(struct buf *out, char encoding, const char *p, const char *end)
{
	char hex[3] = "";
	unsigned v;
	int k;

	for (; encoding == 'q' && p < end; p++) {
		if (*p == '=') {
			memcpy(hex, p + 1, 2);
			buf_putc(out, (char)strtoul(hex, NULL, 16));
			p += 2;
		} else
			buf_putc(out, *p == '_' ? ' ' : *p);
	}
	for (; encoding == 'b' && p < end; p += 4) {
		for (v = 0, k = 0; k < 4; k++)
			v = v << 6 | (p[k] == '=' ? 0u : (unsigned)b_value(p[k]));
		for (k = 0; k < 3 && p[k + 1] != '='; k++)
			buf_putc(out, (char)(v >> (16 - 8 * k) & 255));
	}
}

/*
 * Decodes a body that is made of nothing but encoded words and folds, as RFC 2047 section 6.2 says; each must be at most 75 octets and whole UTF-8,
 * each line at most 76.
 */
static char *
decoded(const char *body)
{
	const char *p = body, *line = body - strlen("Subject:"), *text, *end;
	struct buf out = {0};
	size_t before;

	while ((p = strstr(p, "=?")) != NULL) {
		text = strchr(p + 2, '?') + 3;
		end = strstr(text, "?=");
		assert_true(end + 2 - p <= 75);
		before = out.len;
		decode_text(&out, text[-2], text, end);
		assert_true(encode_is_utf8(out.data + before, out.len - before));
		p = end + 2;
		assert_memory_equal(p, "\r\n", 2);
		assert_true(p - line <= 76);
		line = p + 2;
	}
	return out.data;
}

static void
long_text_decodes_to_the_same_in_words_of_whole_characters(void **state)
{
	static const char *const words[] = { "\xe2\x82\xac", "\xc3\xa4", "\xf0\x9f\x98\x80", "abcdefghijklmnopqrstuvwxy\xc3\xa4 " };
	struct buf field = {0};
	bool changed;
	size_t i, k;
	char *out, *text;

	(void)state;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		buf_reset(&field);
		buf_puts(&field, "Subject: ");
		for (k = 0; k < 20000 / strlen(words[i]); k++)
			buf_puts(&field, words[i]);
		buf_puts(&field, "\xc3\xa4\r\n");
		out = encoded(field.data, &changed);
		assert_true(changed);
		text = decoded(out + strlen("Subject:"));
		assert_int_equal(strlen(text), field.len - strlen("Subject: \r\n"));
		assert_memory_equal(text, field.data + strlen("Subject: "), strlen(text));
		free(text);
		free(out);
	}
	buf_free(&field);
}

static void
names_for_a_new_field(void **state)
{
	static const struct encoding t[] = {
		{ "John Doe", "John Doe" },
		{ "J. \"D\"", "\"J. \\\"D\\\"\"" },
		{ "J\xc3\xb6rg, (x)", "=?utf-8?b?SsO2cmcsICh4KQ==?=" },
		{ "abcdef \xe9", "=?unknown-8bit?q?abcdef_=E9?=" },
		{ "a\r\nBcc: x\tb", "\"a  Bcc: x b\"" },
	};
	size_t i;
	char *s;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		s = encode_name(t[i].in);
		assert_string_equal(s, t[i].out);
		free(s);
	}
}

/* Lines of at most 998, each after the first beginning with a blank and holding more than blanks. Their number. */
static size_t
check_lines(const char *s)
{
	const char *p, *end;
	size_t lines = 0;

	for (p = s; *p != '\0'; p = end + 2, lines++) {
		end = strstr(p, "\r\n");
		assert_non_null(end);
		assert_true(end - p <= 998);
		assert_true(lines == 0 || *p == ' ');
		assert_true(p + strspn(p, " \t") < end);
	}
	return lines;
}

/* name, then pieces of text, then tail; folded. The caller frees it. */
static char *
fold_many(const char *name, const char *text, size_t times, const char *tail)
{
	struct buf field = {0};
	bool changed;
	char *out;

	buf_puts(&field, name);
	while (times-- > 0)
		buf_puts(&field, text);
	buf_puts(&field, tail);
	buf_puts(&field, "\r\n");
	out = folded(field.data, &changed);
	assert_int_equal(changed, field.len > 1000);
	buf_free(&field);
	return out;
}

static void
long_lines_are_folded_where_it_does_no_harm(void **state)
{
	char *out;

	(void)state;
	out = fold_many("Subject: ", "abc ", 247, "x");
	assert_null(strstr(out, "\r\n "));	/* 998 octets to the last */
	free(out);
	out = fold_many("Subject: ", "abc ", 25000, "x");
	assert_int_equal(check_lines(out), 101);
	assert_non_null(strstr(out, "abc\r\n abc"));
	free(out);
	out = fold_many("To: ", "a@example.com,", 100, "b@example.com");
	assert_int_equal(check_lines(out), 2);
	assert_non_null(strstr(out, "a@example.com,\r\n a@example.com"));
	free(out);
	out = fold_many("To: a@b, \"", "x y,", 240, "\" <a@b>, c@d");
	assert_int_equal(check_lines(out), 1);
	free(out);
	out = fold_many("To: a@b, \"", "x y,", 248, "\" <a@b>, c@d");
	assert_non_null(strstr(out, "To: a@b,\r\n \"x y"));	/* not in the quoted string */
	assert_non_null(strstr(out, "x y,\"\r\n <a@b>, c@d\r\n"));
	assert_int_equal(check_lines(out), 3);
	free(out);
	out = fold_many("Subject: ", "x", 100000, "");
	check_lines(out);
	free(out);
	out = fold_many("X: a", " ", 3000, "b");
	check_lines(out);
	free(out);
	out = fold_many("X: a", " ", 3000, "");
	assert_string_equal(out, "X: a\r\n");
	free(out);
}

static void
a_fold_without_a_blank_splits_no_character_and_no_quoted_pair(void **state)
{
	const char *fold;
	char *out;

	(void)state;
	out = fold_many("X: ", "\xe2\x82\xac", 400, "");
	check_lines(out);
	for (fold = out; (fold = strstr(fold, "\r\n ")) != NULL; fold++)
		assert_int_equal((unsigned char)fold[3], 0xe2);
	free(out);
	out = fold_many("To: \"", "\\a", 600, "\" <a@b>");
	check_lines(out);
	for (fold = out; (fold = strstr(fold, "\r\n ")) != NULL; fold++)
		assert_int_not_equal(fold[-1], '\\');
	assert_non_null(strstr(out, "a\r\n \\a"));
	free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_is_told_from_other_octets),
		cmocka_unit_test(unstructured_text_is_encoded_word_by_word),
		cmocka_unit_test(existing_encoded_words_stay_and_blanks_beside_them_go_inside),
		cmocka_unit_test(names_and_comments_of_addresses_are_encoded_and_nothing_else),
		cmocka_unit_test(broken_address_fields_are_encoded_only_where_it_is_sure),
		cmocka_unit_test(other_structured_fields_have_only_their_comments_encoded),
		cmocka_unit_test(raw_parameters_become_rfc_2231),
		cmocka_unit_test(long_text_decodes_to_the_same_in_words_of_whole_characters),
		cmocka_unit_test(names_for_a_new_field),
		cmocka_unit_test(long_lines_are_folded_where_it_does_no_harm),
		cmocka_unit_test(a_fold_without_a_blank_splits_no_character_and_no_quoted_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
