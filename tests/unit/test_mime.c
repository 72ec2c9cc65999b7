/*
 * Bodies made fit for the way: what is encoded, what is folded, what is refused, and that it decodes to what it was.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "message_input.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>
#include "mail/mime.h"

#define QP	"Content-Transfer-Encoding: quoted-printable\r\n"
#define X10	"xxxxxxxxxx"
#define X100	X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X1000	X100 X100 X100 X100 X100 X100 X100 X100 X100 X100

static char *
render(struct message *m)
{
	struct buf out = {0};
	char *body = body_of(m);

	header_write(&m->header, &out);
	buf_printf(&out, "\r\n%s", body);
	free(body);
	return out.data;
}

/* The text with LF made CRLF. */
static char *
crlf(const char *text)
{
	struct buf out = {0};

	for (buf_puts(&out, ""); *text != '\0'; text++) {
		if (*text == '\n' && (out.len == 0 || out.data[out.len - 1] != '\r'))
			buf_putc(&out, '\r');
		buf_putc(&out, *text);
	}
	return out.data;
}

static void
check_facts(struct message *m, bool eight_bit_ok)
{
	char *body = body_of(m), *p, *end;
	uint64_t longest = 0;
	bool eight_bit = false;

	for (p = body; *p != '\0'; p = end + 2) {
		end = strchr(p, '\r');
		assert_non_null(end);
		assert_int_equal(end[1], '\n');
		if ((uint64_t)(end - p) > longest)
			longest = (uint64_t)(end - p);
	}
	for (p = body; *p != '\0'; p++)
		eight_bit = eight_bit || (unsigned char)*p > 127;
	assert_true(longest <= MESSAGE_LINE_MAX);
	assert_true(m->longest == longest);
	assert_int_equal(m->eight_bit, eight_bit);
	assert_false(eight_bit && !eight_bit_ok);
	assert_false(mime_needed(m, eight_bit_ok));
	free(body);
}

/* expected NULL: refused, and as it was. */
static void
assert_converted(const char *text, bool eight_bit_ok, const char *expected)
{
	struct message m;
	struct outcome o = {0};
	char *got, *want = crlf(expected == NULL ? text : expected);
	int status;

	read_message(&m, text, strlen(text));
	status = mime_convert(&m, eight_bit_ok, &o);
	assert_int_equal(status, expected == NULL ? -1 : 0);
	if (expected == NULL) {
		assert_int_equal(o.status, EX_DATAERR);
		assert_int_equal(o.cause, CAUSE_NEEDS_8BITMIME);
	} else {
		check_facts(&m, eight_bit_ok);
	}
	got = render(&m);
	assert_string_equal(got, want);
	free(got);
	free(want);
	message_free(&m);
}

static void
what_is_fit_already_is_not_touched(void **state)
{
	static const char *const texts[] = {
		"A: b\n\nplain\n", "A: b\n\n", "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n=x \n--b--\n",
		"A: b\n\n" X100 X100 X100 X100 X100 X100 X100 X100 X100 "12345678901234567890123456789012345678901234567890"
		"123456789012345678901234567890123456789012345678\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_converted(texts[i], false, texts[i]);
	assert_converted("A: b\n\ncaf\303\251\n", true, "A: b\n\ncaf\303\251\n");
}

static void
need_is_told_from_the_facts(void **state)
{
	struct message m;

	(void)state;
	memset(&m, 0, sizeof(m));
	assert_false(mime_needed(&m, false));
	m.eight_bit = true;
	assert_true(mime_needed(&m, false));
	assert_false(mime_needed(&m, true));
	m.longest = MESSAGE_LINE_MAX;
	assert_false(mime_needed(&m, true));
	m.longest++;
	assert_true(mime_needed(&m, true));
}

static void
a_plain_body_becomes_quoted_printable_and_says_so(void **state)
{
	(void)state;
	assert_converted("A: b\n\ncaf\303\251 = x\n", false,
	    "A: b\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n" QP "\ncaf=C3=A9 =3D x\n");
	assert_converted("A: b\n\ncaf\351\n", false,
	    "A: b\nMIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\n" QP "\ncaf=E9\n");
	assert_converted("A: b\nmime-version: 1.0\nCONTENT-transfer-encoding : 8bit\nContent-Type: text/html; charset=x\n\n\351\n", false,
	    "A: b\nmime-version: 1.0\nCONTENT-transfer-encoding : quoted-printable\nContent-Type: text/html; charset=x\n\n=E9\n");
	assert_converted("Content-Type: text/html\nContent-Transfer-Encoding: 8BIT (x)\nA: b\ncontent-transfer-encoding:\n\n\351\n", false,
	    "Content-Type: text/html\n" QP "A: b\nMIME-Version: 1.0\n\n=E9\n");
	assert_converted("MIME-Version: 1.0\n\n\351\n", false,
	    "MIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\n" QP "\n=E9\n");
	assert_converted("MIME-Version: 1.0\nContent-Type: text\n\n\351\n", false,
	    "MIME-Version: 1.0\nContent-Type: text\n" QP "\n=E9\n");
	assert_converted("\n\351\n", false, "MIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\n" QP "\n=E9\n");
}

static void
a_long_line_becomes_quoted_printable_where_it_may(void **state)
{
	struct buf text = {0}, want = {0};

	(void)state;
	buf_puts(&text, "A: b\n\n");
	buf_puts(&want, "A: b\nMIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\n" QP "\n");
	for (int i = 0; i < 999; i++)
		buf_putc(&text, 'y');
	for (int i = 0; i < 13; i++)
		buf_puts(&want, "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy=\n");
	buf_puts(&want, "yyyyyyyyyyyyyyyyyyyyyyyy\n");
	assert_converted(text.data, true, want.data);
	assert_converted(text.data, false, want.data);
	buf_free(&text);
	buf_free(&want);
}

static void
what_a_line_may_not_begin_or_end_with_is_encoded(void **state)
{
	(void)state;
	assert_converted("Content-Type: text/plain\nMIME-Version: 1.0\n\n\351 \n\t\n \nFrom x\nFro\nFrom\n>From x\n.\n..x\n-- \n--b\na\tb  c\n", false,
	    "Content-Type: text/plain\nMIME-Version: 1.0\n" QP
	    "\n=E9=20\n=09\n=20\n=46rom x\nFro\nFrom\n>From x\n=2E\n=2E.x\n--=20\n--b\na\tb  c\n");
}

static const char *const mixed = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b 1\"\n";

static void
assert_mixed(const char *body, bool eight_bit_ok, const char *expected)
{
	char *text = mem_printf("%s\n%s", mixed, body);
	char *want = expected == NULL ? NULL : mem_printf("%s\n%s", mixed, expected);

	assert_converted(text, eight_bit_ok, want);
	free(text);
	free(want);
}

static void
each_leaf_is_converted_only_if_it_needs_it(void **state)
{
	(void)state;
	assert_mixed("preamble\n--b 1\n\n\351\n--b 1 \t\nContent-Type: text/html\nContent-Transfer-Encoding: 8bit\n\nplain = \n"
	    "--b 1\ncontent-transfer-encoding: binary\nContent-Type: text/html;\n charset=x\n\n\351=\n--b 1--\nepilogue =\n", false,
	    "preamble\n--b 1\n" QP "\n=E9\n--b 1 \t\nContent-Type: text/html\nContent-Transfer-Encoding: 8bit\n\nplain = \n"
	    "--b 1\ncontent-transfer-encoding: quoted-printable\nContent-Type: text/html;\n charset=x\n\n=E9=3D\n--b 1--\nepilogue =\n");
	assert_mixed("--b 1\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n\nAAAA\n--b 1\n\n\351\n--b 1--\n", false,
	    "--b 1\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n\nAAAA\n--b 1\n" QP "\n=E9\n--b 1--\n");
	/* no last delimiter, no body, header alone, delimiters in a row */
	assert_mixed("--b 1\nX: y\n--b 1\n--b 1\n\n--b 1\n\n\351\n", false, "--b 1\nX: y\n--b 1\n--b 1\n\n--b 1\n" QP "\n=E9\n");
	assert_mixed("--b 1\nX: y\n\n\351\n--b 1\nX: y", false, "--b 1\nX: y\n" QP "\n=E9\n--b 1\nX: y\n");
}

static void
what_looks_like_a_delimiter_is_text(void **state)
{
	(void)state;
	assert_mixed("--b 1\n\n\351\n--b 1x\n--b\n--b 1-\n--b 1---\n --b 1\n---b 1\n--B 1\n--b 1 x\n--b 1--\n\n--b 1\nafter\n", false,
	    "--b 1\n" QP "\n=E9\n--b 1x\n--b\n--b 1-\n--b 1---\n --b 1\n---b 1\n--B 1\n--b 1 x\n--b 1--\n\n--b 1\nafter\n");
}

static void
what_may_not_be_encoded_is_refused_where_8_bit_cannot_pass(void **state)
{
	static const char *const bodies[] = {
		"pre\351amble\n--b 1\n\nx\n--b 1--\n", "--b 1\n\nx\n--b 1--\nepi\351logue\n",
		"--b 1\nContent-Type: application/x\n\n\351\n--b 1--\n", "--b 1\nContent-Type: message/delivery-status\n\nA: \351\n--b 1--\n",
		"--b 1\nContent-Transfer-Encoding: quoted-printable\n\n\351\n--b 1--\n",
		"--b 1\nContent-Transfer-Encoding: base64\n\n\351\n--b 1--\n", "--b 1\nContent-Transfer-Encoding: x-uue\n\n\351\n--b 1--\n",
		"--b 1\nContent-Transfer-Encoding: 8bit, 7bit\n\n\351\n--b 1--\n",
		"--b 1\nContent-Type: text/plain\nContent-Type: text/html\n\n\351\n--b 1--\n",
		"--b 1\nno header at all \351\n--b 1--\n", "--b 1\nA: b\n \n\n\351\n--b 1--\n",
		"--b 1\nA: b\nno field\n\n\351\n--b 1--\n", "--b 1\n\nx\n--b 1--\n--b 1\n\n\351\n",
		"--b 1\nContent-Type: multipart/mixed\n\n--c\n\n\351\n--c--\n--b 1--\n",
		"--b 1\nContent-Type: multipart/mixed; boundary=\"\"\n\n--\n\n\351\n----\n--b 1--\n",
		"--b 1\nContent-Type: multipart/mixed; boundary=c\nContent-Transfer-Encoding: base64\n\n--c\n\n\351\n--c--\n--b 1--\n",
		"--b 1\nContent-Type: multipart/signed; boundary=c\n\n--c\n\n\351\n--c\nA: b\n\n--c--\n--b 1--\n",
		"--b 1\nContent-Type: Multipart/Encrypted; boundary=c\n\n--c\n\n\351\n--c--\n--b 1--\n",
		"--b 1\nContent-Type: message/rfc822\n\nDKIM-Signature: x\n\n\351\n--b 1--\n",
		"--b 1\nContent-Type: message/rfc822\n\nDKIM-Signature: x\nSubject: \351\n\nx\n--b 1--\n",
		"--b 1\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nA: b\n\n\351\n--b 1--\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		assert_mixed(bodies[i], false, NULL);
	assert_converted("DKIM-Signature: v=1\nContent-Type: text/plain\n\n\351\n", false, NULL);
	assert_converted("Content-Type: multipart/signed; boundary=b\n\n--b\n\n\351\n--b\n\nx\n--b--\n", false, NULL);
	assert_converted("Content-Type: application/octet-stream\n\n\351\n", false, NULL);
	assert_converted("Content-Type: x\n\n\351\n", false, NULL);
}

static void
long_lines_that_may_not_be_encoded_are_folded(void **state)
{
	static const char part[] = X1000 X1000 "\n", folded[] = X100 X100 X100 X100 X100 X100 X100 X100 X100 X10 X10 X10 X10 X10 X10 X10 X10
	    X10 "xxxxxxxx\n xx" X100 X100 X100 X100 X100 X100 X100 X100 X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 "xxxxx\n xxxxx\n";
	static const char *const wraps[] = {
		"--b 1\nContent-Type: application/x\n\n%s--b 1--\n", "%s--b 1\n\nx\n--b 1--\n", "--b 1\n\nx\n--b 1--\n%s",
		"--b 1\nContent-Type: multipart/signed; boundary=c\n\n--c\n\n%s--c--\n--b 1--\n",
		"--b 1\nContent-Transfer-Encoding: quoted-printable\n\n%s--b 1--\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wraps) / sizeof(wraps[0]); i++) {
		const char *at = strstr(wraps[i], "%s");
		struct buf text = {0}, want = {0};

		buf_add(&text, wraps[i], (size_t)(at - wraps[i]));
		buf_add(&want, text.data, text.len);
		buf_printf(&text, "%s%s", part, at + 2);
		buf_printf(&want, "%s%s", folded, at + 2);
		assert_mixed(text.data, true, want.data);
		assert_mixed(text.data, false, want.data);
		buf_free(&text);
		buf_free(&want);
	}
	assert_converted("DKIM-Signature: v=1\n\n" X1000 "\n", true,
	    "DKIM-Signature: v=1\n\n" X100 X100 X100 X100 X100 X100 X100 X100 X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 "xxxxxxxx\n xx\n");
}

static void
structures_in_structures_are_looked_into(void **state)
{
	(void)state;
	assert_mixed("--b 1\nContent-Type: multipart/alternative; charset=\"a;boundary=z\"; x=y (; boundary=q); Boundary=c=_/?\n"
	    "Content-Transfer-Encoding: 8bit\n\n--c=_/?\n\n\351\n--c=_/?--\n\n--b 1\n\n\352\n--b 1--\n", false,
	    "--b 1\nContent-Type: multipart/alternative; charset=\"a;boundary=z\"; x=y (; boundary=q); Boundary=c=_/?\n"
	    "Content-Transfer-Encoding: 7bit\n\n--c=_/?\n" QP "\n=E9\n--c=_/?--\n\n--b 1\n" QP "\n=EA\n--b 1--\n");
	/* the outer delimiter ends an inner multipart that was not closed */
	assert_mixed("--b 1\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\n\351\n--b 1\n\n--c\n\352\n--b 1--\n", false,
	    "--b 1\nContent-Type: multipart/mixed; boundary=c\n\n--c\n" QP "\n=E9\n--b 1\n" QP "\n--c\n=EA\n--b 1--\n");
	assert_mixed("--b 1\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: x\n\n\303\251\n--b 1--\n", false,
	    "--b 1\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\nSubject: x\nMIME-Version: 1.0\n"
	    "Content-Type: text/plain; charset=utf-8\n" QP "\n=C3=A9\n--b 1--\n");
	assert_mixed("--b 1\nContent-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: x\nMIME-Version: 1.0\nContent-Type: text/x\n\n\351\n"
	    "--d\nContent-Type: text/plain\n\n\351\n--d--\n--b 1--\n", false,
	    "--b 1\nContent-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: x\nMIME-Version: 1.0\nContent-Type: text/x\n" QP "\n=E9\n"
	    "--d\nContent-Type: text/plain\n" QP "\n=E9\n--d--\n--b 1--\n");
	assert_converted("Content-Type: message/rfc822\nMIME-Version: 1.0\n\nContent-Type: multipart/mixed; boundary=\"c\\d\"\n\n--cd\n\n\351\n", false,
	    "Content-Type: message/rfc822\nMIME-Version: 1.0\n\nContent-Type: multipart/mixed; boundary=\"c\\d\"\n\n--cd\n" QP "\n=E9\n");
	assert_converted("Content-Type: multipart/mixed;\n boundary=b\nContent-Transfer-Encoding: binary\n\n--b\n\n\351\n--b--\n", false,
	    "Content-Type: multipart/mixed;\n boundary=b\nContent-Transfer-Encoding: 7bit\n\n--b\n" QP "\n=E9\n--b--\n");
}

static void
headers_of_parts_are_made_fit_too(void **state)
{
	struct message m;
	struct outcome o = {0};
	char *got, *text;

	(void)state;
	text = mem_printf("%s\n--b 1\nContent-Disposition: attachment; filename=\"caf\303\251.pdf\"\nContent-Type: application/pdf\n\nx\n"
	    "--b 1\nContent-Description: %s caf\303\251 %s\nContent-Type: message/rfc822\n\nSubject: caf\303\251\n\nx\n--b 1--\n",
	    mixed, X1000, X1000);
	read_message(&m, text, strlen(text));
	assert_int_equal(mime_convert(&m, false, &o), 0);
	check_facts(&m, false);
	got = body_of(&m);
	assert_non_null(strstr(got, "filename*=utf-8''caf%C3%A9.pdf"));
	assert_non_null(strstr(got, "Subject: =?utf-8?"));
	assert_non_null(strstr(got, "\r\n\r\nx\r\n--b 1--\r\n"));
	free(got);
	message_free(&m);
	read_message(&m, text, strlen(text));
	assert_int_equal(mime_convert(&m, true, &o), 0);
	check_facts(&m, true);
	got = body_of(&m);
	assert_non_null(strstr(got, "filename=\"caf\303\251.pdf\""));	/* only what is too long is changed */
	assert_non_null(strstr(got, "Subject: caf\303\251\r\n"));
	free(got);
	free(text);
	message_free(&m);
}

/* Quoted-printable back into what it was. The caller frees it. */
static char *
decode(const char *p)
{
	struct buf out = {0};
	unsigned c;

	for (buf_puts(&out, ""); *p != '\0'; p++) {
		if (*p != '=') {
			buf_putc(&out, *p);
		} else if (strncmp(p, "=\r\n", 3) == 0) {
			p += 2;
		} else {
			char digits[3] = { p[1], p[2], '\0' }, *end;

			c = (unsigned)strtoul(digits, &end, 16);
			assert_true(end == digits + 2 && p[1] < 'a' && p[2] < 'a');
			buf_putc(&out, (char)c);
			p += 2;
		}
	}
	return out.data;
}

static void
assert_quoted_lines(const char *body)
{
	const char *p, *end;

	for (p = body; *p != '\0'; p = end + 2) {
		end = strchr(p, '\r');
		assert_non_null(end);
		assert_int_equal(end[1], '\n');
		assert_true(end - p <= 76);
		assert_true(*p != '.' && strncmp(p, "From ", 5) != 0);
		assert_true(end == p || (end[-1] != ' ' && end[-1] != '\t'));
		for (const char *c = p; c < end; c++)
			assert_true((*c >= ' ' && *c <= '~') || *c == '\t');
	}
}

static uint32_t
next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

static void
quoted_printable_decodes_to_what_it_was(void **state)
{
	static const char *const bits[] = {
		"From ", "F", ".", "-", "--", " ", "\t", "=", "=3D", "\n", "\303\251", "\351", "a", "word ", X10, "\001", "\177", "\377",
	};
	uint32_t seed = 7;
	struct outcome o = {0};
	struct message m;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct buf text = {0};
		char *before, *after, *decoded;
		size_t size = next_random(&seed) % 400, few = 2 + next_random(&seed) % 17;

		buf_puts(&text, "A: b\n\n\351");
		for (size_t i = 0; i < size; i++)
			buf_puts(&text, bits[next_random(&seed) % few]);
		read_message(&m, text.data, text.len);
		before = body_of(&m);
		assert_int_equal(mime_convert(&m, false, &o), 0);
		after = body_of(&m);
		assert_quoted_lines(after);
		decoded = decode(after);
		assert_string_equal(decoded, before);
		free(before);
		free(after);
		free(decoded);
		buf_free(&text);
		message_free(&m);
	}
}

/* Lines longer than the blocks in which the body is read, and a body in a file. */
static void
lines_of_any_length_decode_to_what_they_were(void **state)
{
	struct outcome o = {0};
	struct message m;

	(void)state;
	for (size_t length = 65530; length < 65545; length++) {
		struct buf text = {0};
		char *before, *after, *decoded;

		buf_puts(&text, "A: b\n\n");
		for (size_t line = 0; line < 18; line++) {
			for (size_t i = 0; i < length; i++)
				buf_putc(&text, "From .- \tx="[(i * 7 + line + i / 100) % 11]);
			buf_putc(&text, '\n');
		}
		read_message(&m, text.data, text.len);
		assert_true(m.body.fd >= 0);
		before = body_of(&m);
		assert_int_equal(mime_convert(&m, true, &o), 0);
		check_facts(&m, true);
		after = body_of(&m);
		assert_quoted_lines(after);
		decoded = decode(after);
		assert_true(strcmp(decoded, before) == 0);
		free(before);
		free(after);
		free(decoded);
		buf_free(&text);
		message_free(&m);
	}
}

static size_t
count(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

static void
blanks_after_a_delimiter_are_not_folded_into_the_part(void **state)
{
	struct buf text = {0};

	(void)state;
	buf_puts(&text, "--b 1\n\n\351\n--b 1");
	for (int i = 0; i < 1000; i++)
		buf_putc(&text, ' ');
	buf_puts(&text, "\n\nx\n--b 1--\n");
	assert_mixed(text.data, false, "--b 1\n" QP "\n=E9\n--b 1\n\nx\n--b 1--\n");
	buf_free(&text);
}

/* A soft line break must not put at the beginning of a line what would be a delimiter there. */
static void
encoding_makes_no_delimiter(void **state)
{
	struct outcome o = {0};
	struct message m;

	(void)state;
	for (size_t shift = 0; shift < 80; shift++) {
		struct buf text = {0};
		char *got;

		buf_puts(&text, "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n\351\n");
		for (size_t i = 0; i < shift; i++)
			buf_putc(&text, 'x');
		buf_puts(&text, "--b\xe9\n");
		for (size_t i = 0; i < shift; i++)
			buf_putc(&text, 'x');
		buf_puts(&text, shift == 0 ? "x\n--b--\n" : "--b\n--b--\n");
		read_message(&m, text.data, text.len);
		assert_int_equal(mime_convert(&m, false, &o), 0);
		got = body_of(&m);
		assert_int_equal(strncmp(got, "--b\r\n", 5), 0);
		assert_int_equal(count(got, "\r\n--b\r\n"), 0);
		assert_int_equal(count(got, "\r\n--b--\r\n"), 1);
		free(got);
		buf_free(&text);
		message_free(&m);
	}
}

static void
nesting_beyond_the_bound_is_left_as_it_is(void **state)
{
	(void)state;
	for (int deep = 99; deep < 102; deep++) {
		struct buf text = {0};
		struct message m;
		struct outcome o = {0};

		buf_puts(&text, "Content-Type: multipart/mixed; boundary=b0\n\n");
		for (int i = 1; i < deep; i++)
			buf_printf(&text, "--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n", i - 1, i);
		buf_printf(&text, "--b%d\n\n\351\n", deep - 1);
		read_message(&m, text.data, text.len);
		assert_int_equal(mime_convert(&m, false, &o), deep <= 100 ? 0 : -1);
		message_free(&m);
		buf_free(&text);
	}
}

/* 40,000 messages in messages and 150,000 parts: neither stack nor memory goes with them, and the time goes with the size. */
static void
hostile_structures_end(void **state)
{
	struct buf text = {0};
	struct message m;
	struct outcome o = {0};

	(void)state;
	buf_puts(&text, "Content-Type: message/rfc822\n\n");
	for (int i = 0; i < 40000; i++)
		buf_puts(&text, "Content-Type: message/rfc822\n\n");
	buf_puts(&text, "A: b\n\n\351\n");
	read_message(&m, text.data, text.len);
	assert_int_equal(mime_convert(&m, false, &o), 0);
	message_free(&m);
	buf_reset(&text);
	buf_puts(&text, "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n\351\n");
	for (int i = 0; i < 150000; i++)
		buf_puts(&text, "--b\n\n");
	buf_puts(&text, "x\n");
	read_message(&m, text.data, text.len);
	assert_int_equal(mime_convert(&m, false, &o), 0);
	message_free(&m);
	buf_puts(&text, "\351\n");	/* a leaf too many to be looked at */
	read_message(&m, text.data, text.len);
	assert_int_equal(mime_convert(&m, false, &o), -1);
	message_free(&m);
	buf_reset(&text);
	buf_puts(&text, "Content-Type: multipart/mixed; boundary=b\n\n--b\n");
	for (int i = 0; i < 20000; i++)
		buf_puts(&text, "A: bcde\n");
	buf_puts(&text, "\n\351\n");	/* a header too large to be looked at */
	read_message(&m, text.data, text.len);
	assert_int_equal(mime_convert(&m, false, &o), -1);
	assert_int_equal(o.cause, CAUSE_NEEDS_8BITMIME);
	message_free(&m);
	buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_fit_already_is_not_touched),
		cmocka_unit_test(need_is_told_from_the_facts),
		cmocka_unit_test(a_plain_body_becomes_quoted_printable_and_says_so),
		cmocka_unit_test(a_long_line_becomes_quoted_printable_where_it_may),
		cmocka_unit_test(what_a_line_may_not_begin_or_end_with_is_encoded),
		cmocka_unit_test(each_leaf_is_converted_only_if_it_needs_it),
		cmocka_unit_test(what_looks_like_a_delimiter_is_text),
		cmocka_unit_test(what_may_not_be_encoded_is_refused_where_8_bit_cannot_pass),
		cmocka_unit_test(long_lines_that_may_not_be_encoded_are_folded),
		cmocka_unit_test(structures_in_structures_are_looked_into),
		cmocka_unit_test(headers_of_parts_are_made_fit_too),
		cmocka_unit_test(quoted_printable_decodes_to_what_it_was),
		cmocka_unit_test(lines_of_any_length_decode_to_what_they_were),
		cmocka_unit_test(blanks_after_a_delimiter_are_not_folded_into_the_part),
		cmocka_unit_test(encoding_makes_no_delimiter),
		cmocka_unit_test(nesting_beyond_the_bound_is_left_as_it_is),
		cmocka_unit_test(hostile_structures_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
