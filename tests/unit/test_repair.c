/*
 * What is added to, taken from and changed in the header (repair.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <cmocka.h>
#include "mail/repair.h"

static const struct repair plain = { .domain = "example.com", .sender = "me@example.org", .encode = true, .now = 1700000000 };

#define DATE	"Date: Wed, 15 Nov 2023 00:43:20 +0230\r\n"
#define ID	"Message-ID: <*@example.com>\r\n"
#define HAS	"Date: d\r\nFrom: a@b\r\nMessage-ID: <x@y>\r\n"

/* The header repaired, with a star for what a made Message-ID begins with; the caller frees it. */
static char *
repaired(const char *header, const struct repair *r, bool eight_bit, bool utf8)
{
	struct message m = { .eight_bit = eight_bit, .utf8 = utf8 };
	struct buf out = {0};
	char *id, *at;

	header_parse(&m.header, header, strlen(header));
	repair_header(&m, r);
	header_write(&m.header, &out);
	header_free(&m.header);
	id = strstr(out.data, "<1700000000.");
	if (id != NULL) {
		at = strchr(id, '@');
		assert_int_equal(at - id, strlen("<1700000000.") + 24);
		id[1] = '*';
		memmove(id + 2, at, strlen(at) + 1);
	}
	return out.data;
}

static void
check(const char *header, const struct repair *r, const char *want)
{
	char *out = repaired(header, r, false, false);

	assert_string_equal(out, want);
	free(out);
}

static void
a_whole_header_is_not_touched(void **state)
{
	const char *h = "date: d\r\nFROM:  a@b (c)\r\nMessage-Id: <x@y>\r\nTo: a@b,\r\n\tc@d\r\nSubject:  x  \r\nBad: \"(\r\n";

	(void)state;
	check(h, &plain, h);
}

static void
what_is_missing_is_added_at_the_top(void **state)
{
	struct repair r = plain;

	(void)state;
	check("Subject: x\r\n", &r, DATE "From: me@example.org\r\nTo: undisclosed-recipients:;\r\n" ID "Subject: x\r\n");
	check("", &r, DATE "From: me@example.org\r\nTo: undisclosed-recipients:;\r\n" ID);
	check("Cc: a@b\r\nFrom: \r\nDate:\r\n", &r, DATE "From: me@example.org\r\n" ID "Cc: a@b\r\n");
	r.full_name = "John Q. Doe";
	r.domain = NULL;
	check("To: a\r\n", &r, DATE "From: \"John Q. Doe\" <me@example.org>\r\nMessage-ID: <*@example.org>\r\nTo: a@example.org\r\n");
	r.full_name = "Hansi\xc3\xbc";
	r.domain = "bad domain\r\nBcc: x";
	check("To: a@b\r\n", &r, DATE "From: =?utf-8?q?Hansi=C3=BC?= <me@example.org>\r\nMessage-ID: <*@example.org>\r\nTo: a@b\r\n");
	r.full_name = "x\r\nBcc: y";
	check("To: a@b\r\nMessage-ID: <x@y>\r\n", &r, DATE "From: \"x  Bcc: y\" <me@example.org>\r\nTo: a@b\r\nMessage-ID: <x@y>\r\n");
	r.sender = r.domain = NULL;
	check("To: a@b\r\nFrom: x\r\n", &r, "Date: Wed, 15 Nov 2023 00:43:20 +0230\r\nMessage-ID: <*@localhost>\r\nTo: a@b\r\nFrom: x\r\n");
	r = plain;
	r.full_name = " \t";
	check("To: a@b\r\nMessage-ID: <x@y>\r\n", &r, DATE "From: me@example.org\r\nTo: a@b\r\nMessage-ID: <x@y>\r\n");
}

static void
message_ids_differ(void **state)
{
	struct message a = {0}, b = {0};

	(void)state;
	repair_header(&a, &plain);
	repair_header(&b, &plain);
	assert_string_not_equal(a.header.field[3].text, b.header.field[3].text);
	header_free(&a.header);
	header_free(&b.header);
}

static void
no_bcc_survives(void **state)
{
	(void)state;
	check("Bcc: a@b\r\nbcc : c@d,\r\n e@f,\r\n\tg@h\r\n" HAS "BCC\t :x\r\nTo: a@b\r\nResent-bcC: x\r\nReturn-Path: <x>\r\nbCc:\r\n", &plain,
	    "Resent-Date: Wed, 15 Nov 2023 00:43:20 +0230\r\nResent-From: me@example.org\r\nResent-" ID HAS "To: a@b\r\n");
	check("Bcc : x\r\nDKIM-Signature: v=1\r\nTo : a\r\nBcc: y\r\n" HAS, &plain, "DKIM-Signature: v=1\r\nTo : a\r\n" HAS);
}

static void
bare_names_get_the_domain_and_blanks_before_colons_go(void **state)
{
	(void)state;
	check("Date: d\r\nMessage-ID: <x@y>\r\nFrom: root (Cron Daemon)\r\nSender \t: <me>\r\nReply-To: x\r\n"
	    "To:a , b@c,\r\n  Group: d, e@f;, <\"john doe\">\r\nCc: \"john doe\", two words, Foo <g>, <h,\"i\">\r\nX-To: a\r\n", &plain,
	    "Date: d\r\nMessage-ID: <x@y>\r\nFrom: root@example.com (Cron Daemon)\r\nSender: <me@example.com>\r\nReply-To: x@example.com\r\n"
	    "To:a@example.com , b@c,\r\n  Group: d@example.com, e@f;, <\"john doe\"@example.com>\r\n"
	    "Cc: \"john doe\"@example.com, two words, Foo <g@example.com>, <h@example.com,\"i\"@example.com>\r\nX-To: a\r\n");
}

static void
a_resent_message_gets_resent_fields_only(void **state)
{
	struct repair r = plain;

	(void)state;
	check("Resent-To: a\r\nReceived: x\r\nResent-From: old\r\nSubject: x\r\n", &r,
	    "Resent-Date: Wed, 15 Nov 2023 00:43:20 +0230\r\nResent-From: me@example.org\r\nResent-" ID
	    "Resent-To: a@example.com\r\nReceived: x\r\nResent-From: old@example.com\r\nSubject: x\r\n");
	check("Resent-From: A <a@b>\r\nResent-Date: d\r\nResent-Message-ID: <x@y>\r\nSubject: x\r\n", &r,
	    "Resent-From: A <a@b>\r\nResent-Date: d\r\nResent-Message-ID: <x@y>\r\nSubject: x\r\n");
	r.override_from = "app@example.net";
	check("Resent-From: A <a@b>\r\nResent-Sender: s@b\r\nResent-Date: d\r\nResent-Message-ID: <x@y>\r\nFrom: q@r\r\nSender: s@r\r\n", &r,
	    "Resent-From: A <app@example.net>\r\nResent-Sender: app@example.net\r\nResent-Date: d\r\nResent-Message-ID: <x@y>\r\nFrom: q@r\r\nSender: s@r\r\n");
}

static void
override_from_keeps_the_name_and_the_original(void **state)
{
	struct repair r = plain;

	(void)state;
	r.override_from = "app@example.net";
	check("Date: d\r\nMessage-ID: <x@y>\r\nFrom: \"J. Doe\" <j>\r\nSender: s@b\r\nTo: a@b\r\nFrom: second@x\r\n", &r,
	    "Reply-To: \"J. Doe\" <j@example.com>\r\nDate: d\r\nMessage-ID: <x@y>\r\nFrom: \"J. Doe\" <app@example.net>\r\nTo: a@b\r\n");
	check("Date: d\r\nMessage-ID: <x@y>\r\nFrom: root (Cron)\r\nReply-To: q@r\r\nTo: a@b\r\n", &r,
	    "Date: d\r\nMessage-ID: <x@y>\r\nFrom: app@example.net (Cron)\r\nReply-To: q@r\r\nTo: a@b\r\n");
	check("Date: d\r\nMessage-ID: <x@y>\r\nFrom:  App  <app@EXAMPLE.net>\r\nSender: app@example.net\r\nTo: a@b\r\n", &r,
	    "Date: d\r\nMessage-ID: <x@y>\r\nFrom:  App  <app@EXAMPLE.net>\r\nSender: app@example.net\r\nTo: a@b\r\n");
	check("Date: d\r\nMessage-ID: <x@y>\r\nFrom: \"broken\r\nTo: a@b\r\n", &r,
	    "Date: d\r\nMessage-ID: <x@y>\r\nFrom: app@example.net\r\nTo: a@b\r\n");
	check("Date: d\r\nMessage-ID: <x@y>\r\nFrom: Hansi\xc3\xbc <j@b>\r\nTo: a@b\r\n", &r,
	    "Reply-To: =?utf-8?q?Hansi=C3=BC?= <j@b>\r\nDate: d\r\nMessage-ID: <x@y>\r\nFrom: =?utf-8?q?Hansi=C3=BC?= <app@example.net>\r\n"
	    "To: a@b\r\n");
	r.full_name = "Me";
	check("Date: d\r\nMessage-ID: <x@y>\r\nTo: a@b\r\n", &r, "From: Me <app@example.net>\r\nDate: d\r\nMessage-ID: <x@y>\r\nTo: a@b\r\n");
}

static void
an_8bit_body_gets_mime_fields(void **state)
{
	static const struct {
		const char *header;
		bool eight_bit, utf8;
		const char *added;
	} t[] = {
		{ HAS "To: a@b\r\n", false, true, "" },
		{ HAS "To: a@b\r\n", true, true,
		    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n" },
		{ HAS "To: a@b\r\n", true, false,
		    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: 8bit\r\n" },
		{ HAS "To: a@b\r\ncontent-type: text/html\r\n", true, true, "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n" },
		{ HAS "To: a@b\r\nContent-Transfer-Encoding: binary\r\n", true, true,
		    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" },
		{ HAS "To: a@b\r\nMime-Version: 1.0\r\n", true, true, "" },
	};
	size_t i;
	char *out;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		out = repaired(t[i].header, &plain, t[i].eight_bit, t[i].utf8);
		assert_memory_equal(out, t[i].header, strlen(t[i].header));
		assert_string_equal(out + strlen(t[i].header), t[i].added);
		free(out);
	}
}

static void
raw_text_is_encoded_unless_switched_off_or_signed(void **state)
{
	struct repair r = plain;

	(void)state;
	check(HAS "To: a@b\r\nSubject: Hansi\xc3\xbc\r\n", &r, HAS "To: a@b\r\nSubject: =?utf-8?q?Hansi=C3=BC?=\r\n");
	check(HAS "To: a\r\nSubject : Hansi\xc3\xbc\r\ndkim-signature: x\r\n", &r, HAS "To: a\r\nSubject : Hansi\xc3\xbc\r\ndkim-signature: x\r\n");
	r.encode = false;
	check(HAS "To: a@b\r\nSubject: Hansi\xc3\xbc\r\n", &r, HAS "To: a@b\r\nSubject: Hansi\xc3\xbc\r\n");
}

static void
hostile_headers_come_out_whole(void **state)
{
	struct buf h = {0};
	char *out;
	size_t i;

	(void)state;
	buf_puts(&h, HAS "To: ");
	for (i = 0; i < 100000; i++)
		buf_putc(&h, 'x');
	buf_puts(&h, "\r\n");
	for (i = 0; i < 5000; i++)
		buf_puts(&h, i % 2 == 0 ? "bcc\t: secret@example.com,\r\n secret\r\n" : "X\x7e!: \"((<\r\n");
	out = repaired(h.data, &plain, false, false);
	assert_null(strstr(out, "secret"));
	assert_non_null(strstr(out, "xx@example.com\r\n"));
	assert_non_null(strstr(out, "xx\r\n xx"));
	free(out);
	buf_free(&h);
}

static int
set_zone(void **state)
{
	(void)state;
	setenv("TZ", "XXX-2:30", 1);
	tzset();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_header_is_not_touched),
		cmocka_unit_test(what_is_missing_is_added_at_the_top),
		cmocka_unit_test(message_ids_differ),
		cmocka_unit_test(no_bcc_survives),
		cmocka_unit_test(bare_names_get_the_domain_and_blanks_before_colons_go),
		cmocka_unit_test(a_resent_message_gets_resent_fields_only),
		cmocka_unit_test(override_from_keeps_the_name_and_the_original),
		cmocka_unit_test(an_8bit_body_gets_mime_fields),
		cmocka_unit_test(raw_text_is_encoded_unless_switched_off_or_signed),
		cmocka_unit_test(hostile_headers_come_out_whole),
	};

	return cmocka_run_group_tests(tests, set_zone, NULL);
}
