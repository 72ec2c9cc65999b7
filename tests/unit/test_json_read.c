/*
 * JSON that comes in: what is an object and what is none, corner by corner of RFC 8259, and what is taken out of one.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "json.h"
#include "json_read.h"

/* By way of a copy of just that size, without a NUL behind it, so that a read beyond it is noticed. */
static bool
is_object(const char *p, size_t n)
{
	char *copy = malloc(n > 0 ? n : 1);
	bool r;

	assert_non_null(copy);
	memcpy(copy, p, n);
	r = json_is_object(copy, n);
	free(copy);
	return r;
}

static void
check(bool good, const char *p, size_t n)
{
	if (is_object(p, n) != good)
		fail_msg("%s: %.*s", good ? "refused" : "taken", (int)n, p);
}

static void
check_text(bool good, const char *text)
{
	check(good, text, strlen(text));
}

/* n octets within each of so many frames: what goes before them, and behind. */
static void
check_within(bool good, const char *p, size_t n, const char *const frames[][2], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct buf b = {0};

		buf_puts(&b, frames[i][0]);
		buf_add(&b, p, n);
		buf_puts(&b, frames[i][1]);
		check(good, b.data, b.len);
		buf_free(&b);
	}
}

/* The value in every place where one may stand. */
static void
check_value(bool good, const char *p, size_t n)
{
	static const char *const frames[][2] = {
		{"{\"a\":", "}"}, {"{\"a\": ", " }"}, {"{\"a\":[", "]}"}, {"{\"a\":[0,", ",0]}"}, {"{\"a\":{\"b\":", "}}"}, {"{\"a\":0,\"b\":", ",\"c\":0}"},
	};

	check_within(good, p, n, frames, sizeof(frames) / sizeof(frames[0]));
}

/* The inside of a string, as a value and as a name. */
static void
check_string(bool good, const char *p, size_t n)
{
	static const char *const frames[][2] = {{"{\"a\":\"", "\"}"}, {"{\"", "\":0}"}, {"{\"a\":[{\"", "\":\"\"}]}"}};

	check_within(good, p, n, frames, sizeof(frames) / sizeof(frames[0]));
}

/* ---- documents ---- */

static void
good_documents(void **state)
{
	static const char *const rows[] = {
		"{}", " { } ", "\t\n\r {\t\n\r }\t\n\r ", "{\"\":0}", "{\"a\":{}}", "{\"a\":[]}", "{\"a\":[ ]}", "{\"a\":[[],{},[{}]]}", "{\"a\":1,\"b\":2}",
		" { \"a\" : [ 1 , 2 ] , \"b\" : { \"c\" : null } } ", "{\"a\":\"}\"}", "{\"a\":\"\\\"}\"}", "{\"a\":\"//\"}", "{\"a\":{\"b\":1,\"b\":2}}", "{\"a\":1,\"A\":2}",
		"{\"a\":1,\"a \":2}", "{\"a\":[{\"x\":1},{\"x\":1}],\"x\":1}", "{\"\":1,\" \":1}", "{\"a\":{\"a\":{\"a\":1}}}", "{\"\\u00e9\\\\\":\"\\ud83d\\ude00\\n\\\"\"}",
		"{\"\303\251\":\"\342\202\254\360\237\230\200\"}", "{\"a\":[true,false,null,-1.5e+10,0.1E-2]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t end = (size_t)(strrchr(rows[i], '}') - rows[i]) + 1;

		check_text(true, rows[i]);
		for (size_t n = 0; n < strlen(rows[i]); n++)	/* cut short it is none, but for the blanks */
			check(n >= end, rows[i], n);
	}
}

static void
bad_documents(void **state)
{
	static const char *const rows[] = {
		"", " ", "\n", "[]", "[{}]", "\"a\"", "1", "true", "null", "{", "}", "{}{}", "{} {}", "{}}", "{},", "{}x", "{}\v", "{}\f", "x{}", "{]", "[}",
		"\357\273\277{}", "{}\357\273\277", " \357\273\277{}", "{\357\273\277}", "{\"a\"}", "{\"a\":}", "{\"a\" 1}", "{\"a\"=1}", "{\"a\"::1}", "{:1}", "{1:1}", "{a:1}",
		"{'a':1}", "{\"a\":'b'}", "{null:1}", "{\"a\":1,}", "{,\"a\":1}", "{,}", "{\"a\":1,,\"b\":2}", "{\"a\":1 \"b\":2}", "{\"a\":1;\"b\":2}", "{\"a\":1}}", "{{}}",
		"{[]}", "{\"a\":1:2}", "{\"a\",\"b\"}", "{\"a\":1]", "{\"a\":[1}", "{\"a\":{]}", "{\"a\":[}]", "{/**/}", "{\"a\":1}//", "{\"a\":/**/1}", "#\n{}", "{}#", ")]}'\n{}",
		"{\"a\":\"b}", "{\"a:1}", "{\"a\":\"b\"\"c\"}", "{\"a\":1\"b\":1}", "\"{}\"", "{\"a\":[\"b\":1]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_text(false, rows[i]);
	check(false, "{}\0", 3);
	check(false, "\0{}", 3);
	check(false, "{\0}", 3);
	check(false, "{\0\"\0a\0\"\0:\0001\0}\0", 14);
	check(false, "\377\376{\0}\0", 6);
}

/* Each octet, between all words: four of them are blanks. */
static void
blanks(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		bool good = c == ' ' || c == '\t' || c == '\n' || c == '\r';
		char text[] = "?{?\"a\"?:?[?1?,?\"b\"?]?}?";

		for (size_t i = 0; i < sizeof(text) - 1; i++)
			if (text[i] == '?')
				text[i] = (char)c;
		check(good, text, sizeof(text) - 1);
	}
}

static void
values(void **state)
{
	static const char *const good[] = {
		"true", "false", "null", "0", "-0", "1", "-1", "10", "1234567890", "0.0", "-0.0", "0.5", "1.5", "10.01", "1e5", "1E5", "1e+5", "1e-5", "0e0", "0E+00", "1.5e10",
		"-1.5E-10", "1e999999", "123456789012345678901234567890", "\"\"", "\"a\"", "[]", "{}", "[1,2,3]", "[[1],[2]]", "{\"a\":{\"a\":1}}",
	};
	static const char *const bad[] = {
		"True", "TRUE", "tru", "truee", "true1", "fals", "nul", "nulll", "NULL", "None", "undefined", "NaN", "nan", "Infinity", "-Infinity", "inf", "01", "00", "-01", "-00",
		"1.", "-1.", "0.", ".5", "-.5", ".", "-", "--1", "+1", "+", "- 1", "1 2", "1e", "1e+", "1e-", "1E", "1.e5", ".e5", "e5", "1e5.5", "1e5e5", "1.5.5", "1ee5", "1e++5", "1e+-5",
		"0x10", "0b1", "1_000", "1,000,", "1f", "1L", "1a", "0e", "1 .5", "1. 5", "1 e5", "\"", "\"a", "a\"", "'a'", "a", "\"a\" \"b\"", "[", "]", "[1", "1]", "[1,", "[,1]", "[1,]", "[,]",
		"[1,,2]", "[1 2]", "[1;2]", "[true false]", "{", "{\"b\"}", "{\"b\":}", "{\"b\":1,}", "{,}", "{\"b\" 1}", "(1)", "<1>", "\\u0031", "\"a\"\\n", "\302\240", "\357\273\2771", "\357\274\221",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		check_value(true, good[i], strlen(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_value(false, bad[i], strlen(bad[i]));
	for (int c = 0; c < 256; c++) {	/* one octet alone is a digit, or nothing */
		char one = (char)c;

		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')	/* within brackets */
			check_value(c >= '0' && c <= '9', &one, 1);
	}
}

/* ---- depth ---- */

/* n arrays or objects within the object. */
static void
check_depth(bool good, int n, char kind)
{
	struct buf b = {0};

	buf_puts(&b, "{\"a\":");
	for (int i = 0; i < n; i++)
		buf_puts(&b, kind == '[' || (kind == 'x' && i % 2 != 0) ? "[" : "{\"a\":");
	buf_puts(&b, "0");
	for (int i = n; i-- > 0;)
		buf_puts(&b, kind == '[' || (kind == 'x' && i % 2 != 0) ? "]" : "}");
	buf_puts(&b, "}");
	check(good, b.data, b.len);
	buf_free(&b);
}

static void
depth(void **state)
{
	struct buf b = {0};

	(void)state;
	for (const char *kind = "[{x"; *kind != '\0'; kind++)
		for (int n = 0; n < 100; n++)
			check_depth(n < JSON_DEPTH_MAX, n, *kind);
	buf_puts(&b, "{\"a\":[");	/* beside each other, not within */
	for (int i = 0; i < 1000; i++)
		buf_puts(&b, "[[{}]],");
	buf_puts(&b, "[]]}");
	check(true, b.data, b.len);
	buf_reset(&b);
	buf_puts(&b, "{\"a\":");
	for (int i = 0; i < 1000000; i++)
		buf_puts(&b, i % 2 == 0 ? "[" : "{\"a\":");
	check(false, b.data, b.len);
	buf_free(&b);
}

/* ---- strings ---- */

static void
escapes(void **state)
{
	static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	static const char *const bad[] = {
		"\\", "\\u", "\\u1", "\\u12", "\\u123", "\\u123g", "\\ug123", "\\u 123", "\\u12 3", "\\u+123", "\\u-123", "\\u0x12", "\\U0041", "\\x41", "\\101", "\\0", "\\'", "\\a", "\\v", "\\\n",
		"\\u{41}", "\\u0000", "a\\u0000b", "\\", "a\\",
	};

	(void)state;
	for (int c = 0; c < 256; c++) {
		const char *at = c == '\0' ? NULL : strchr(letters, c);
		char text[] = {'\\', (char)c, 'x'}, whole[] = "{\"a\":\"\\?\"}";
		struct buf out = {0};

		check_string(at != NULL, text, sizeof(text));
		if (at == NULL)
			continue;
		whole[7] = (char)c;
		assert_true(json_get_string(whole, sizeof(whole) - 1, "a", &out));
		assert_int_equal(out.len, 1);
		assert_int_equal(out.data[0], meant[at - letters]);
		buf_free(&out);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_string(false, bad[i], strlen(bad[i]));
	check_string(true, "\\\\u12", 5);
	check_string(true, "\\\\\\\"", 4);
	check_string(true, "\\u0001\\uabcd\\uABCD", 18);
}

static void
raw_octets(void **state)
{
	(void)state;
	for (int c = 0; c < 128; c++) {
		char one = (char)c;

		if (c != '"' && c != '\\')
			check_string(c >= 0x20, &one, 1);
	}
	for (int c = 128; c < 256; c++) {
		char one = (char)c, more[] = {'a', (char)c, 'b'};

		check_string(false, &one, 1);
		check_string(false, more, sizeof(more));
	}
}

/* A code, in that many octets of UTF-8, fit or not. */
static void
put_code(struct buf *b, unsigned long code, int size)
{
	static const unsigned first[] = {0, 0, 0xc0, 0xe0, 0xf0, 0xf8, 0xfc};

	buf_putc(b, (char)(size == 1 ? code : first[size] | code >> (6 * (size - 1))));
	for (int i = size - 2; i >= 0; i--)
		buf_putc(b, (char)(0x80 | (code >> (6 * i) & 0x3f)));
}

static int
size_of(unsigned long code)
{
	return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

static bool
is_surrogate(unsigned long code)
{
	return code >= 0xd800 && code <= 0xdfff;
}

/* What the string comes to. The caller frees it. */
static struct buf
said(const struct buf *inside)
{
	struct buf b = {0}, out = {0};

	buf_puts(&b, "{\"a\":\"");
	buf_add(&b, inside->data, inside->len);
	buf_puts(&b, "\"}");
	assert_true(is_object(b.data, b.len));
	assert_true(json_get_string(b.data, b.len, "a", &out));
	buf_free(&b);
	return out;
}

/* Every character there is stands for itself. */
static void
all_characters(void **state)
{
	struct buf b = {0}, out;

	(void)state;
	for (unsigned long code = 0x20; code <= 0x10ffff; code++) {
		if (code != '"' && code != '\\' && !is_surrogate(code))
			put_code(&b, code, size_of(code));
		if (code % 4096 != 4095)
			continue;
		out = said(&b);
		assert_int_equal(out.len, b.len);
		assert_memory_equal(buf_str(&out), buf_str(&b), b.len);
		buf_free(&out);
		buf_reset(&b);
	}
	buf_free(&b);
}

/* Longer than needed, surrogates, beyond the last, of five and six octets; and each cut short. */
static void
not_utf8(void **state)
{
	static const unsigned long edges[] = {
		0, 1, 0x22, 0x2f, 0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xcfff, 0xd000, 0xd7ff, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xe000, 0xfffd, 0xfffe, 0xffff, 0x10000, 0x3ffff,
		0x40000, 0xfffff, 0x100000, 0x10ffff, 0x110000, 0x13ffff, 0x140000, 0x1fffff,
	};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
		for (int size = 2; size <= 6; size++) {
			unsigned long code = edges[i];
			bool good = size == size_of(code) && !is_surrogate(code) && code <= 0x10ffff;

			if (size < 4 && code >> (size == 2 ? 11 : 16) != 0)
				continue;
			buf_reset(&b);
			put_code(&b, code, size);
			check_string(good, b.data, b.len);
			for (size_t n = 1; n < b.len; n++) {
				struct buf cut = {0};

				check_string(false, b.data, n);
				buf_add(&cut, b.data, n);
				buf_puts(&cut, "a");
				check_string(false, cut.data, cut.len);
				buf_puts(&cut, "\302\251");
				check_string(false, cut.data, cut.len);
				buf_free(&cut);
				check_string(false, b.data + n, b.len - n);
			}
		}
	for (int c = 0; c < 256; c++) {	/* the second octet of each kind */
		char two[] = {'\303', (char)c}, three[] = {'\341', (char)c, '\200'}, three_last[] = {'\341', '\200', (char)c}, four[] = {'\361', '\200', (char)c, '\200'};

		check_string(c >= 0x80 && c < 0xc0, two, sizeof(two));
		check_string(c >= 0x80 && c < 0xc0, three, sizeof(three));
		check_string(c >= 0x80 && c < 0xc0, three_last, sizeof(three_last));
		check_string(c >= 0x80 && c < 0xc0, four, sizeof(four));
	}
	buf_reset(&b);
	buf_puts(&b, "\355\240\275\355\270\200");	/* a pair, each of its own (CESU-8) */
	check_string(false, b.data, b.len);
	buf_free(&b);
}

static void
escaped_codes(void **state)
{
	(void)state;
	for (unsigned long code = 0; code <= 0xffff; code++) {
		struct buf b = {0}, want = {0}, out;

		buf_printf(&b, code % 2 == 0 ? "\\u%04lx" : "\\u%04lX", code);
		if (code == 0 || is_surrogate(code)) {
			check_string(false, b.data, b.len);
		} else {
			out = said(&b);
			put_code(&want, code, size_of(code));
			assert_string_equal(out.data, want.data);
			buf_free(&out);
		}
		buf_free(&b);
		buf_free(&want);
	}
}

static void
pairs(void **state)
{
	static const unsigned long edges[] = {0x41, 0xd7ff, 0xd800, 0xd801, 0xd83d, 0xdbff, 0xdc00, 0xdc01, 0xde00, 0xdfff, 0xe000};
	static const char *const bad[] = {
		"\\ud83d", "\\ude00", "\\ud83d\\", "\\ud83d\\u", "\\ud83d\\ude0", "\\ud83dude00", "\\ud83d \\ude00", "\\ud83d\\nude00", "\\ud83d\\ud83d\\ude00", "\\ude00\\ud83d", "\\ud83da",
		"\\ud83d\355\270\200", "\355\240\275\\ude00", "\\ud83d\\ude00\\ude00",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_string(false, bad[i], strlen(bad[i]));
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
		for (size_t k = 0; k < sizeof(edges) / sizeof(edges[0]); k++) {
			unsigned long high = edges[i], low = edges[k];
			struct buf b = {0}, want = {0}, out;

			buf_printf(&b, "\\u%04lx\\u%04lx", high, low);
			if (high < 0xdc00 && high >= 0xd800 && low >= 0xdc00 && low < 0xe000) {
				out = said(&b);
				put_code(&want, 0x10000 + (high - 0xd800) * 0x400 + low - 0xdc00, 4);
				assert_string_equal(out.data, want.data);
				buf_free(&out);
			} else
				check_string(!is_surrogate(high) && !is_surrogate(low), b.data, b.len);
			buf_free(&b);
			buf_free(&want);
		}
}

/* ---- twins ---- */

static void
twins(void **state)
{
	static const char *const bad[] = {
		"{\"a\":1,\"a\":1}", "{\"a\":1,\"a\":2}", "{\"a\":1,\"b\":2,\"a\":3}", "{\"\":1,\"\":2}", "{\"a\":1,\"\\u0061\":2}", "{\"\\u0061\":1,\"a\":2}", "{\"\\u00E9\":1,\"\303\251\":2}",
		"{\"\\ud83d\\ude00\":1,\"\360\237\230\200\":2}", "{\"/\":1,\"\\/\":2}", "{\"\\n\":1,\"\\u000a\":2}", "{\"\\\"\":1,\"\\u0022\":2}", "{\"access_token\":\"a\",\"access\\u005ftoken\":\"b\"}",
		"{\"z\":{\"a\":1},\"a\":1,\"a\" :1}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_text(false, bad[i]);
	check_text(true, "{\"a\":1,\"\\\\u0061\":2}");
	check_text(true, "{\"e\\u0301\":1,\"\303\251\":2}");
}

/* Many members, short and long and alike: no time that grows with the square. */
static void
many(void **state)
{
	clock_t begun = clock();

	(void)state;
	for (int round = 0; round < 4; round++) {
		struct buf b = {0};
		int count = 100000;
		long long value;

		buf_puts(&b, "{\"first\":1");
		for (int i = 0; i < count; i++)
			buf_printf(&b, ",\"%s%06d\":%d", round / 2 == 0 ? "" : "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", i, i);
		buf_puts(&b, round % 2 == 0 ? "}" : ",\"f\\u0069rst\":2}");
		assert_int_equal(json_is_object(b.data, b.len), round % 2 == 0);
		if (round == 0) {
			assert_true(json_get_integer(b.data, b.len, "099999", &value));
			assert_int_equal(value, 99999);
		}
		buf_free(&b);
	}
	assert_true((clock() - begun) / CLOCKS_PER_SEC < 60);
}

/* ---- what is taken out ---- */

#define DOCUMENT "{ \"s\" : \"text\", \"empty\":\"\", \"esc\":\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\303\251z\", \"n\" : 42 , \"t\":true, \"f\":false, \"z\":null," \
	" \"o\":{\"s\":\"inner\",\"deep\":\"x\",\"n\":1}, \"l\":[\"s\",{\"deep\":2}], \"\":\"nameless\", \"na\\u006de\":\"by escape\", \"q\":\"a\\\"b\", \"last\":\"end\" }"

static void
strings(void **state)
{
	static const struct { const char *name, *value; } rows[] = {
		{"s", "text"}, {"empty", ""}, {"esc", "a\"\\/\b\f\n\r\t\303\251\360\237\230\200\303\251z"}, {"", "nameless"}, {"name", "by escape"}, {"q", "a\"b"}, {"last", "end"},
		{"n", NULL}, {"t", NULL}, {"f", NULL}, {"z", NULL}, {"o", NULL}, {"l", NULL}, {"deep", NULL}, {"inner", NULL}, {"text", NULL}, {"S", NULL}, {"s ", NULL}, {"las", NULL},
		{"lastt", NULL}, {"na\\u006de", NULL}, {"end", NULL},
	};
	size_t n = strlen(DOCUMENT);
	char *copy = malloc(n);

	(void)state;
	assert_non_null(copy);
	memcpy(copy, DOCUMENT, n);
	assert_true(json_is_object(copy, n));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out = {0};

		buf_puts(&out, "before ");
		if (json_get_string(copy, n, rows[i].name, &out) != (rows[i].value != NULL))
			fail_msg("\"%s\" is %sfound", rows[i].name, rows[i].value == NULL ? "" : "not ");
		assert_memory_equal(out.data, "before ", 7);
		assert_string_equal(out.data + 7, rows[i].value != NULL ? rows[i].value : "");
		assert_int_equal(out.len, strlen(out.data));
		buf_free(&out);
	}
	free(copy);
}

/* An empty string is one, and there is a NUL behind it also where nothing was in the buffer. */
static void
empty_string(void **state)
{
	struct buf out = {0};

	(void)state;
	assert_false(json_get_string("{}", 2, "a", &out));
	assert_null(out.data);
	assert_true(json_get_string("{\"a\":\"\"}", 8, "a", &out));
	assert_int_equal(out.len, 0);
	assert_string_equal(out.data, "");
	buf_free(&out);
}

static void
integers(void **state)
{
	static const struct { const char *text; bool good; long long value; } rows[] = {
		{"0", true, 0}, {"-0", true, 0}, {"1", true, 1}, {"-1", true, -1}, {"3599", true, 3599}, {"9223372036854775807", true, LLONG_MAX}, {"-9223372036854775807", true, -LLONG_MAX},
		{"-9223372036854775808", true, LLONG_MIN}, {"9223372036854775808", false, 0}, {"-9223372036854775809", false, 0}, {"9223372036854775810", false, 0},
		{"9999999999999999999", false, 0}, {"-9999999999999999999", false, 0}, {"18446744073709551616", false, 0}, {"100000000000000000000000000000", false, 0},
		{"1000000000000000000", true, 1000000000000000000}, {"1.0", false, 0}, {"1.5", false, 0}, {"0.0", false, 0}, {"1e3", false, 0}, {"1E3", false, 0}, {"0e0", false, 0},
		{"1e-3", false, 0},
	}, strings_only[] = {
		{"", false, 0}, {" 1", false, 0}, {"1 ", false, 0}, {"+1", false, 0}, {"01", false, 0}, {"00", false, 0}, {"-", false, 0}, {"--1", false, 0}, {"0x10", false, 0}, {"1x", false, 0},
		{"x1", false, 0}, {"1\\n", false, 0}, {"1,2", false, 0}, {"\\u0031\\u0032", true, 12}, {"\\\"1\\\"", false, 0}, {"one", false, 0}, {"\357\274\221", false, 0}, {"true", false, 0},
	};
	static const char *const forms[] = {"{\"v\":%s}", "{\"v\":\"%s\"}", "{\"u\":{\"v\":7},\"v\" : %s ,\"w\":8}", "{\"w\":[\"v\",7],\"v\" : \"%s\" }"};

	(void)state;
	for (size_t i = 0; i < 4 * (sizeof(rows) + sizeof(strings_only)) / sizeof(rows[0]); i++) {
		size_t form = i % 4, row = i / 4, n;
		bool common = row < sizeof(rows) / sizeof(rows[0]);
		const char *text = common ? rows[row].text : strings_only[row - sizeof(rows) / sizeof(rows[0])].text;
		bool good = common ? rows[row].good : strings_only[row - sizeof(rows) / sizeof(rows[0])].good;
		long long want = common ? rows[row].value : strings_only[row - sizeof(rows) / sizeof(rows[0])].value, got = 4711;
		char *frame = mem_printf("%s", forms[form]), *place = strstr(frame, "%s"), *whole;

		*place = '\0';
		whole = mem_printf("%s%s%s", frame, text, place + 2);
		n = strlen(whole);
		if (common || form % 2 != 0) {
			whole = mem_grow(whole, n, 1);	/* without a NUL */
			assert_true(json_is_object(whole, n));
			if (json_get_integer(whole, n, "v", &got) != good || got != (good ? want : 4711))
				fail_msg("%.*s: %lld", (int)n, whole, got);
		}
		free(whole);
		free(frame);
	}
}

static void
no_integers(void **state)
{
	static const char *const names[] = {"s", "empty", "esc", "t", "f", "z", "o", "l", "deep", "", "none", "N"};
	long long value = 4711;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_false(json_get_integer(DOCUMENT, strlen(DOCUMENT), names[i], &value));
	assert_int_equal(value, 4711);
	assert_true(json_get_integer(DOCUMENT, strlen(DOCUMENT), "n", &value));
	assert_int_equal(value, 42);
	assert_false(json_get_integer("{}", 2, "n", &value));
	assert_false(json_get_integer(" { } ", 5, "", &value));
}

/* What json.h writes is read back. */
static void
there_and_back(void **state)
{
	struct buf b = {0}, all = {0}, out = {0};
	long long value;

	(void)state;
	for (unsigned long code = 1; code < 0x3000; code++)
		put_code(&all, code, size_of(code));
	buf_putc(&b, '{');
	json_text(&b, all.data, all.data);
	json_number(&b, "n", LLONG_MIN);
	json_bool(&b, "b", 1);
	json_text(&b, "null", NULL);
	buf_putc(&b, '}');
	assert_true(is_object(b.data, b.len));
	assert_true(json_get_string(b.data, b.len, all.data, &out));
	assert_string_equal(out.data, all.data);
	assert_true(json_get_integer(b.data, b.len, "n", &value));
	assert_true(value == LLONG_MIN);
	buf_free(&b);
	buf_free(&all);
	buf_free(&out);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_documents), cmocka_unit_test(bad_documents), cmocka_unit_test(blanks), cmocka_unit_test(values), cmocka_unit_test(depth), cmocka_unit_test(escapes),
		cmocka_unit_test(raw_octets), cmocka_unit_test(all_characters), cmocka_unit_test(not_utf8), cmocka_unit_test(escaped_codes), cmocka_unit_test(pairs), cmocka_unit_test(twins),
		cmocka_unit_test(many), cmocka_unit_test(strings), cmocka_unit_test(empty_string), cmocka_unit_test(integers), cmocka_unit_test(no_integers), cmocka_unit_test(there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
