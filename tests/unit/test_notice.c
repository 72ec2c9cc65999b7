/*
 * The notice of failure (mail/notice.h): its structure, its fields, what of the message it returns, and that nothing from
 * outside gets out of its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "message_input.h"
#include "mail/encode.h"
#include "mail/mime.h"
#include "mail/notice.h"
#include "mail/repair.h"

#define NOW	1700000000
#define STDERR	"sendmail: smtp.example.com refused <bob@example.net>: 550 5.1.1 No such user. " \
	"Likely cause: the address does not exist. Remedy: check it.\n"
#define SIMPLE	"Message-ID: <1@example.com>\nSubject: Report\nTo: bob@example.net\n\nHello.\n"

/* A message that failed, its notice, and what the notice says. */
struct world {
	struct envelope envelope;
	struct recipient rcpt[3];
	struct outcome fate[3];
	struct outcome bad[1];
	struct outcome run;
	struct notice n;
	struct message about;
	struct message m;
	char *text;		/* header, empty line and body */
	char *part[3];		/* the parts, with their headers */
	size_t parts;
};

/* One recipient whom the smarthost refused, and the message. */
static struct world *
begin(const char *message)
{
	struct world *w = mem_alloc(sizeof(*w));

	read_message(&w->about, message, strlen(message));
	w->rcpt[0] = (struct recipient){ .path = "bob@example.net", .state = RCPT_FAILED, .fate = &w->fate[0] };
	(void)outcome_set(&w->fate[0], EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, "550 5.1.1 No such user", "refused");
	w->fate[0].code = 550;
	(void)strlcpy(w->fate[0].enhanced, "5.1.1", sizeof(w->fate[0].enhanced));
	w->envelope = (struct envelope){ .sender = "alice@example.com", .rcpt = w->rcpt, .count = 1, .bad = w->bad };
	w->n = (struct notice){ .to = "alice@example.com", .from = "MAILER-DAEMON@example.com", .reporting_mta = "host.example.com",
	    .remote_mta = "smtp.example.com", .envelope = &w->envelope, .run = &w->run, .message_id = "<1@example.com>", .text = STDERR,
	    .arrival = NOW - 60, .now = NOW };
	return w;
}

/* Lines, facts and 8-bit octets are as the notice says. */
static void
check_facts(const struct message *m, const char *body)
{
	const char *end;
	uint64_t longest = 0;
	size_t n = strlen(body);

	assert_true(n == m->body.length);
	for (const char *p = body; *p != '\0'; p = end + 2) {
		end = p + strcspn(p, "\r\n");
		assert_memory_equal(end, "\r\n", 2);
		if ((uint64_t)(end - p) > longest)
			longest = (uint64_t)(end - p);
	}
	assert_true(m->longest == longest);
	assert_false(m->empty);
	assert_int_equal(m->eight_bit, encode_is_8bit(body, n));
	assert_int_equal(m->utf8, m->eight_bit && encode_is_utf8(body, n));
	for (size_t i = 0; i < m->header.count; i++)
		for (const char *p = m->header.field[i].text; *p != '\0'; p = end + 2) {
			end = p + strcspn(p, "\r\n");
			assert_memory_equal(end, "\r\n", 2);
			assert_true(end - p <= MESSAGE_LINE_MAX && end > p);
		}
}

static char *
field(const struct world *w, const char *name)
{
	ptrdiff_t i = header_find(&w->m.header, name, 0);
	const char *body;
	size_t len;

	if (i < 0)
		return NULL;
	assert_int_equal(header_find(&w->m.header, name, (size_t)i + 1), -1);
	body = header_body(&w->m.header.field[i], &len);
	return mem_ndup(body + 1, len - 1);
}

static void
assert_field(const struct world *w, const char *name, const char *want)
{
	char *got = field(w, name);

	if (want == NULL)
		assert_null(got);
	else
		assert_string_equal(got, want);
	free(got);
}

/* Takes the body apart at its delimiters. */
static void
split(struct world *w, char *body)
{
	char *type = field(w, "Content-Type"), *b = strstr(type, "boundary=\""), *delimiter, *p, *end;

	assert_non_null(b);
	b += strlen("boundary=\"");
	*strchr(b, '"') = '\0';
	assert_int_equal(strlen(b), 32);
	delimiter = mem_printf("\r\n--%s", b);
	assert_memory_equal(body, delimiter + 2, strlen(delimiter) - 2);
	for (p = body + strlen(delimiter) - 2; strncmp(p, "--\r\n", 4) != 0; p = end + strlen(delimiter)) {
		assert_memory_equal(p, "\r\n", 2);
		end = strstr(p, delimiter);
		assert_non_null(end);
		assert_true(w->parts < 3);
		w->part[w->parts++] = mem_ndup(p + 2, (size_t)(end - p) - 2);
	}
	assert_string_equal(p, "--\r\n");
	free(delimiter);
	free(type);
}

static void
make(struct world *w)
{
	struct outcome o = {0};
	char *body;

	assert_int_equal(notice_make(&w->m, &w->n, &w->about, &o), 0);
	body = body_of(&w->m);
	check_facts(&w->m, body);
	split(w, body);
	w->text = body;
}

static void
forget(struct world *w)
{
	for (size_t i = 0; i < w->parts; i++)
		free(w->part[i]);
	w->parts = 0;
	free(w->text);
	w->text = NULL;
	message_free(&w->m);
}

static void
finish(struct world *w)
{
	forget(w);
	message_free(&w->about);
	free(w);
}

static void
assert_says(const char *text, const char *want)
{
	if (strstr(text, want) == NULL)
		fail_msg("\"%s\" is not in:\n%s", want, text);
}

static void
the_notice_is_a_report_in_three_parts(void **state)
{
	struct world *w = begin(SIMPLE);

	(void)state;
	make(w);
	assert_field(w, "From", "Mail Delivery System <MAILER-DAEMON@example.com>");
	assert_field(w, "To", "alice@example.com");
	assert_field(w, "Subject", "Undeliverable: Report");
	assert_field(w, "In-Reply-To", "<1@example.com>");
	assert_field(w, "References", "<1@example.com>");
	assert_field(w, "Auto-Submitted", "auto-replied");
	assert_field(w, "MIME-Version", "1.0");
	assert_field(w, "Content-Transfer-Encoding", NULL);
	assert_int_equal(w->m.header.count, 8);
	assert_int_equal(strncmp(w->m.header.field[7].text, "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"", 72), 0);
	assert_int_equal(w->parts, 3);
	assert_string_equal(w->part[0], "Content-Type: text/plain; charset=us-ascii\r\n\r\n"
	    "This is sendmail-submit on host.example.com.\r\n\r\nYour message could not be sent to:\r\n\r\n    bob@example.net\r\n\r\n"
	    "The reason:\r\n\r\n    sendmail: smtp.example.com refused <bob@example.net>: 550 5.1.1 No such\r\n"
	    "    user. Likely cause: the address does not exist. Remedy: check it.\r\n\r\n"
	    "It is not tried again from here. The message is returned below.\r\n");
	assert_string_equal(w->part[1], "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; host.example.com\r\n"
	    "Arrival-Date: Wed, 15 Nov 2023 00:42:20 +0230\r\n\r\nFinal-Recipient: rfc822; bob@example.net\r\nAction: failed\r\n"
	    "Status: 5.1.1\r\nRemote-MTA: dns; smtp.example.com\r\nDiagnostic-Code: smtp; 550 5.1.1 No such user\r\n"
	    "Last-Attempt-Date: Wed, 15 Nov 2023 00:43:20 +0230\r\n");
	assert_string_equal(w->part[2], "Content-Type: message/rfc822\r\n\r\nMessage-ID: <1@example.com>\r\nSubject: Report\r\n"
	    "To: bob@example.net\r\n\r\nHello.\r\n");
	finish(w);
}

static void
the_repaired_notice_is_whole(void **state)
{
	static const struct repair r = { .domain = "example.com", .sender = "x@example.com", .encode = true, .now = NOW };
	struct world *w = begin(SIMPLE);

	(void)state;
	make(w);
	repair_header(&w->m, &r);
	assert_int_equal(w->m.header.count, 10);
	assert_field(w, "Date", "Wed, 15 Nov 2023 00:43:20 +0230");
	assert_int_equal(w->m.header.field[1].name_len, strlen("Message-ID"));
	assert_false(notice_wanted(&w->envelope, &w->m));	/* no notice of a notice */
	finish(w);
}

static void
only_who_failed_is_told(void **state)
{
	struct world *w = begin(SIMPLE);

	(void)state;
	w->rcpt[1] = (struct recipient){ .path = "done@example.net", .state = RCPT_DONE };
	w->rcpt[2] = (struct recipient){ .path = "carol@example.net", .original = "root", .state = RCPT_FAILED };
	w->envelope.count = 3;
	w->envelope.envid = "QQ 314";
	w->envelope.bads = 1;
	(void)outcome_set(&w->bad[0], EX_DATAERR, STAGE_ENVELOPE, CAUSE_BAD_ADDRESS, NULL, "address \"a b\xff\" in To: no domain");
	(void)outcome_set(&w->run, EX_TEMPFAIL, STAGE_CONNECT, CAUSE_TIMEOUT, "timed out", "no answer");
	make(w);
	assert_says(w->part[0], "sent to:\r\n\r\n    bob@example.net\r\n    carol@example.net\r\n    address \"a b\\377\" in To: no domain\r\n\r\n"
	    "It was sent to the other recipients (1)");
	assert_null(strstr(w->part[0], "done@"));
	assert_says(w->part[1], "\r\n\r\nOriginal-Envelope-Id: QQ 314\r\nReporting-MTA: dns; host.example.com\r\nArrival-Date: ");
	assert_says(w->part[1], "+0230\r\n\r\nOriginal-Recipient: rfc822; root\r\nFinal-Recipient: rfc822; carol@example.net\r\n"
	    "Action: failed\r\nStatus: 4.4.1\r\nLast-Attempt-Date: ");
	assert_null(strstr(w->part[1], "done@"));
	assert_null(strstr(w->part[1], "a b"));
	finish(w);
}

static void
without_a_failed_recipient_there_is_no_delivery_status(void **state)
{
	struct world *w = begin(SIMPLE);
	char *type;

	(void)state;
	w->rcpt[0].state = RCPT_DONE;
	w->envelope.bads = 1;
	(void)outcome_set(&w->bad[0], EX_DATAERR, STAGE_ENVELOPE, CAUSE_BAD_ADDRESS, NULL, "address \"a b\" in To: no domain");
	make(w);
	type = field(w, "Content-Type");
	assert_int_equal(strncmp(type, "multipart/mixed; boundary=\"", 27), 0);
	free(type);
	assert_int_equal(w->parts, 2);
	assert_says(w->part[0], "sent to:\r\n\r\n    address \"a b\" in To: no domain\r\n\r\n");
	assert_says(w->part[1], "Content-Type: message/rfc822\r\n");
	forget(w);
	w->envelope.bads = w->envelope.count = 0;
	w->n.run = NULL;
	make(w);
	assert_says(w->part[0], "Your message could not be sent.\r\n\r\nThe reason:\r\n\r\n    sendmail: ");
	finish(w);
}

static void
each_failure_has_a_status(void **state)
{
	static const struct {
		int status; enum stage stage; enum cause cause; int code; const char *enhanced; const char *want;
	} table[] = {
		{EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 550, "5.7.1", "5.7.1"}, {EX_TEMPFAIL, STAGE_RCPT, CAUSE_REPLY, 450, "4.2.2", "4.2.2"},
		{EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 550, "2.1.5", "5.1.1"}, {EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 550, "5.1", "5.1.1"},
		{EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 550, "5.1.1234", "5.1.1"}, {EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 550, "5.1.1\r\nX", "5.1.1"},
		{EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 550, "5..1", "5.1.1"}, {EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 550, "5", "5.1.1"},
		{EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 551, "", "5.1.6"}, {EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, 553, "", "5.1.3"},
		{EX_NOPERM, STAGE_RCPT, CAUSE_REPLY, 550, "", "5.7.1"}, {EX_NOPERM, STAGE_RCPT, CAUSE_REPLY, 530, "", "5.7.0"},
		{EX_TEMPFAIL, STAGE_RCPT, CAUSE_REPLY, 552, "", "5.2.2"}, {EX_DATAERR, STAGE_MAIL, CAUSE_REPLY, 552, "", "5.3.4"},
		{EX_UNAVAILABLE, STAGE_RCPT, CAUSE_REPLY, 554, "", "5.0.0"}, {EX_TEMPFAIL, STAGE_RCPT, CAUSE_REPLY, 450, "", "4.2.0"},
		{EX_TEMPFAIL, STAGE_RCPT, CAUSE_REPLY, 451, "", "4.3.0"}, {EX_TEMPFAIL, STAGE_RCPT, CAUSE_REPLY, 452, "", "4.3.1"},
		{EX_TEMPFAIL, STAGE_BANNER, CAUSE_REPLY, 421, "", "4.3.2"}, {EX_TEMPFAIL, STAGE_DOT, CAUSE_REPLY, 499, "", "4.0.0"},
		{EX_NOPERM, STAGE_AUTH, CAUSE_REPLY, 535, "", "5.7.8"}, {EX_NOPERM, STAGE_AUTH, CAUSE_REPLY, 554, "", "5.7.0"},
		{EX_NOPERM, STAGE_MAIL, CAUSE_REPLY, 550, "", "5.7.1"}, {EX_DATAERR, STAGE_DOT, CAUSE_REPLY, 554, "", "5.6.0"},
		{EX_PROTOCOL, STAGE_DOT, CAUSE_NONSENSE, 354, "", "5.5.0"}, {EX_TEMPFAIL, STAGE_CONNECT, CAUSE_UNREACHABLE, 0, "", "4.4.1"},
		{EX_TEMPFAIL, STAGE_DOT, CAUSE_LOST, 0, "", "4.4.2"}, {EX_TEMPFAIL, STAGE_LOOKUP, CAUSE_LOOKUP, 0, "", "4.4.3"},
		{EX_NOHOST, STAGE_LOOKUP, CAUSE_NO_HOST, 0, "", "5.4.4"}, {EX_PROTOCOL, STAGE_TLS, CAUSE_CERT_NAME, 0, "", "5.7.5"},
		{EX_PROTOCOL, STAGE_STARTTLS, CAUSE_NO_STARTTLS, 0, "", "5.7.10"}, {EX_CONFIG, STAGE_SECRET, CAUSE_SECRET_MISSING, 0, "", "5.3.5"},
		{EX_DATAERR, STAGE_MESSAGE, CAUSE_NEEDS_8BITMIME, 0, "", "5.6.3"}, {EX_DATAERR, STAGE_MAIL, CAUSE_TOO_LARGE, 0, "", "5.3.4"},
		{EX_NOUSER, STAGE_ENVELOPE, CAUSE_ALIAS, 0, "", "5.1.1"}, {EX_TEMPFAIL, STAGE_MAIL, CAUSE_NONE, 0, "", "4.0.0"},
		{EX_SOFTWARE, STAGE_NONE, CAUSE_COUNT, 0, "", "5.0.0"}, {0, STAGE_NONE, CAUSE_NONE, 0, "", "5.0.0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct world *w = begin(SIMPLE);
		char *want = mem_printf("\r\nAction: failed\r\nStatus: %s\r\n", table[i].want);

		(void)outcome_set(&w->fate[0], table[i].status, table[i].stage, table[i].cause, "why", "what");
		w->fate[0].code = table[i].code;
		(void)strlcpy(w->fate[0].enhanced, table[i].enhanced, sizeof(w->fate[0].enhanced));
		make(w);
		assert_says(w->part[1], want);
		assert_int_equal(strstr(w->part[1], "Remote-MTA") != NULL, table[i].code != 0);
		assert_int_equal(strstr(w->part[1], "Diagnostic-Code") != NULL, table[i].code != 0);
		assert_int_equal(strstr(w->part[1], "Last-Attempt-Date") != NULL, table[i].stage >= STAGE_LOOKUP);
		free(want);
		finish(w);
	}
}

static void
addresses_that_are_not_ascii_have_a_7_bit_form(void **state)
{
	struct world *w = begin(SIMPLE);

	(void)state;
	w->rcpt[0].path = "j\303\266r+g=\\x@\xf0\x9f\x98\x80.example";
	w->rcpt[0].original = "\"a \303\251\"@example.org";
	w->rcpt[1] = (struct recipient){ .path = "\"john doe\"@example.org", .state = RCPT_FAILED, .fate = &w->fate[0] };
	w->rcpt[2] = (struct recipient){ .path = "bro\xffken \303\251@example.org", .state = RCPT_FAILED, .fate = &w->fate[0] };
	w->envelope.count = 3;
	w->n.to = "j\303\266rg@example.com";
	make(w);
	assert_false(w->m.eight_bit);
	assert_field(w, "To", "j\303\266rg@example.com");
	assert_says(w->part[1], "\r\nOriginal-Recipient: utf-8; \"a\\x{20}\\x{E9}\"@example.org\r\n"
	    "Final-Recipient: utf-8; j\\x{F6}r\\x{2B}g\\x{3D}\\x{5C}x@\\x{1F600}.example\r\n");
	assert_says(w->part[1], "\r\nFinal-Recipient: rfc822; \"john doe\"@example.org\r\n");
	assert_says(w->part[1], "\r\nFinal-Recipient: utf-8; bro\\x{FFFD}ken\\x{20}\\x{FFFD}\\x{FFFD}@example.org\r\n");
	finish(w);
}

static void
assert_returned(struct world *w, const char *type, bool body)
{
	make(w);
	assert_int_equal(w->parts, 3);
	assert_int_equal(strncmp(w->part[2], type, strlen(type)), 0);
	assert_says(w->part[2], "\r\nSubject: Report\r\n");
	assert_int_equal(strstr(w->part[2], "\r\n\r\nHello.\r\n") != NULL, body);
	assert_says(w->part[0], body ? "The message is returned" : "The header of the message is returned");
	forget(w);
}

static void
assert_full(struct world *w)
{
	assert_returned(w, "Content-Type: message/rfc822\r\n\r\n", true);
}

static void
assert_header_only(struct world *w)
{
	assert_returned(w, "Content-Type: text/rfc822-headers\r\n\r\n", false);
}

static void
ret_and_the_failure_say_what_is_returned(void **state)
{
	struct world *w = begin(SIMPLE);

	(void)state;
	assert_full(w);
	w->envelope.ret = "HDRS";
	assert_header_only(w);
	w->envelope.ret = "FULL";
	assert_full(w);
	w->envelope.requiretls = true;
	assert_header_only(w);
	w->envelope.requiretls = false;
	w->fate[0].code = 552;
	assert_header_only(w);
	w->fate[0].code = 554;
	assert_full(w);
	(void)strlcpy(w->fate[0].enhanced, "5.3.4", sizeof(w->fate[0].enhanced));
	assert_header_only(w);
	w->rcpt[0].fate = NULL;
	w->run = (struct outcome){ .status = EX_DATAERR, .stage = STAGE_MAIL, .cause = CAUSE_TOO_LARGE };
	assert_header_only(w);
	w->run.cause = CAUSE_NEEDS_8BITMIME;
	assert_header_only(w);
	w->run = (struct outcome){ .status = EX_UNAVAILABLE, .stage = STAGE_DOT, .cause = CAUSE_REPLY, .code = 554 };
	assert_full(w);
	w->envelope.ret = NULL;
	assert_header_only(w);
	w->run.code = 451;
	assert_full(w);
	finish(w);
}

static void
a_message_past_64_kib_is_returned_whole_only_if_asked_for(void **state)
{
	(void)state;
	for (size_t size = 65534; size <= 65538; size += 2) {
		struct buf text = {0};
		struct world *w;

		buf_puts(&text, "Subject: Report\r\n\r\nHello.\r\n");
		if (text.len % 2 != 0)
			buf_puts(&text, "x\r\n");
		while (text.len < size)
			buf_puts(&text, "\r\n");
		w = begin(text.data);
		assert_int_equal(message_size(&w->about), size);
		if (size <= 65536)
			assert_full(w);
		else
			assert_header_only(w);
		w->envelope.ret = "FULL";
		assert_full(w);
		finish(w);
		buf_free(&text);
	}
}

static void
no_bcc_is_returned(void **state)
{
	struct world *w = begin("BCC: secret@example.com,\n secret\nSubject: Report\nbcc\t : secret\nresent-Bcc: secret\n\nHello.\n");

	(void)state;
	make(w);
	assert_null(strstr(w->text, "secret"));
	assert_says(w->part[2], "Content-Type: message/rfc822\r\n\r\nSubject: Report\r\n\r\nHello.\r\n");
	forget(w);
	w->envelope.ret = "HDRS";
	make(w);
	assert_null(strstr(w->text, "secret"));
	assert_string_equal(w->part[2], "Content-Type: text/rfc822-headers\r\n\r\nSubject: Report\r\n");
	forget(w);
	header_append(&w->about.header, "X: a\r\nBcc: secret\r\nY: b");	/* which no reader makes */
	make(w);
	assert_null(strstr(w->text, "secret"));
	finish(w);
}

static void
hostile_words_stay_in_their_place(void **state)
{
	static const char evil[] = "550 5.1.1 no\r\nAction: delivered\r\n\r\n--x\033[2J\xff\x7f \"end";
	struct world *w = begin("Subject: x\001\002y\x7f z\rBcc: q\n\nHello.\n");

	(void)state;
	(void)strlcpy(w->fate[0].why, evil, sizeof(w->fate[0].why));
	w->rcpt[0].path = "bob\r\nBcc: x@example.net";
	w->rcpt[0].original = "\n\nroot\t";
	w->envelope.envid = "e\r\nAction: relayed\200";
	w->n.to = "a@b\r\nBcc: x";
	w->n.from = "c@d>\r\nBcc: y";
	w->n.reporting_mta = "host\r\nX: y\200";
	w->n.remote_mta = "smart\nhost";
	w->n.message_id = "<a@b>\r\nBcc: <x@y>";
	w->n.text = "one\r\n.\r\n\r\n--two\003\200";
	make(w);
	assert_false(w->m.eight_bit);
	assert_field(w, "To", "a@b??Bcc: x");
	assert_field(w, "Bcc", NULL);
	assert_field(w, "In-Reply-To", NULL);
	assert_field(w, "References", NULL);
	assert_field(w, "Subject", "Undeliverable: x y z Bcc: q");
	assert_says(w->part[0], "This is sendmail-submit on host\\r\\nX: y\\200.\r\n");
	assert_says(w->part[0], "\r\n    bob\\r\\nBcc: x@example.net\r\n");
	assert_says(w->part[0], "reason:\r\n\r\n    one?\r\n    .?\r\n    ?\r\n    --two??\r\n\r\n");
	assert_says(w->part[1], "\r\nOriginal-Envelope-Id: e??Action: relayed?\r\nReporting-MTA: dns; host??X: y?\r\n");
	assert_says(w->part[1], "\r\nOriginal-Recipient: rfc822; ??root?\r\nFinal-Recipient: rfc822; bob??Bcc: x@example.net\r\n");
	assert_says(w->part[1], "\r\nRemote-MTA: dns; smart?host\r\nDiagnostic-Code: smtp; 550 5.1.1 no\\r\\nAction:\r\n"
	    " delivered\\r\\n\\r\\n--x\\033[2J\\377\\177 \"end\r\n");
	finish(w);
}

static void
lines_are_never_too_long(void **state)
{
	struct world *w = begin(SIMPLE);
	struct buf text = {0}, path = {0};

	(void)state;
	for (size_t i = 0; i < 20000; i++)
		buf_putc(&text, i % 500 == 499 ? ' ' : 'w');
	for (size_t i = 0; i < 1500; i++)
		buf_puts(&path, "\303\266");
	memset(w->fate[0].why, 0xff, sizeof(w->fate[0].why) - 1);
	w->n.text = text.data;
	w->n.reporting_mta = text.data;
	w->n.remote_mta = text.data;
	w->n.message_id = text.data;
	w->envelope.envid = text.data;
	w->rcpt[0].path = path.data;
	w->rcpt[0].original = text.data;
	make(w);
	assert_true(w->m.longest <= MESSAGE_LINE_MAX);
	for (const char *p = w->part[0]; *p != '\0'; p += strcspn(p, "\n") + 1)
		assert_true(strcspn(p, "\r") <= 78);
	finish(w);
	buf_free(&text);
	buf_free(&path);
}

static void
the_subject_is_told_again_as_far_as_it_may(void **state)
{
	struct world *w;
	struct buf text = {0};
	char *subject;
	size_t length = strlen("Subject: ");

	(void)state;
	w = begin("Subject: caf\303\251 au lait\n\nx\n");
	make(w);
	assert_field(w, "Subject", "Undeliverable: =?utf-8?b?Y2Fmw6k=?= au lait");
	finish(w);
	w = begin("Subject: \xff\n\nx\n");
	make(w);
	subject = field(w, "Subject");
	assert_int_equal(strncmp(subject, "Undeliverable: =?unknown-8bit?", 30), 0);
	free(subject);
	finish(w);
	w = begin("Subject:\n\nx\n");
	make(w);
	assert_field(w, "Subject", "Undeliverable mail");
	finish(w);
	buf_puts(&text, "Subject:");
	while (text.len < 400)
		buf_puts(&text, " =?utf-8?q?word?=\n");
	buf_puts(&text, "\nx\n");
	w = begin(text.data);
	make(w);
	subject = field(w, "Subject");
	for (const char *p = subject; *p != '\0'; p += strcspn(p, "\n") + (strchr(p, '\n') != NULL), length = 0)
		assert_true(length + strcspn(p, "\r") <= 76);
	assert_string_equal(subject + strlen(subject) - 3, "...");
	assert_non_null(strstr(subject, "\r\n =?utf-8?q?word?= ="));
	free(subject);
	finish(w);
	buf_reset(&text);
	buf_puts(&text, "Subject: ");
	for (size_t i = 0; i < 5000; i++)
		buf_puts(&text, "\303\251");
	buf_puts(&text, "\n\nx\n");
	w = begin(text.data);
	make(w);
	assert_field(w, "Subject", "Undeliverable: ...");
	finish(w);
	buf_free(&text);
}

/* What mime_convert() makes of the notice for a smarthost without 8BITMIME: all of it is 7-bit then. */
static void
convert(struct world *w)
{
	struct outcome o = {0};

	assert_int_equal(mime_convert(&w->m, false, &o), 0);
	for (size_t i = 0; i < w->parts; i++)
		free(w->part[i]);
	w->parts = 0;
	free(w->text);
	w->text = body_of(&w->m);
	check_facts(&w->m, w->text);
	split(w, w->text);
	assert_false(w->m.eight_bit);
}

static void
eight_bit_content_says_so_and_can_be_converted(void **state)
{
	struct world *w = begin("Subject: Report\n\ncaf\303\251\n");

	(void)state;
	make(w);
	assert_true(w->m.eight_bit && w->m.utf8);
	assert_field(w, "Content-Transfer-Encoding", "8bit");
	assert_string_equal(w->part[2], "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: Report\r\n\r\ncaf\303\251\r\n");
	convert(w);
	assert_field(w, "Content-Transfer-Encoding", "7bit");
	assert_string_equal(w->part[2], "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: Report\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncaf=C3=A9\r\n");
	forget(w);
	w->envelope.ret = "HDRS";
	make(w);
	assert_false(w->m.eight_bit);
	assert_field(w, "Content-Transfer-Encoding", NULL);
	finish(w);
	w = begin("Subject: caf\351\nDKIM-Signature: v=1\n\nx\n");
	w->envelope.ret = "HDRS";
	make(w);
	assert_true(w->m.eight_bit && !w->m.utf8);
	assert_string_equal(w->part[2], "Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: caf\351\r\n"
	    "DKIM-Signature: v=1\r\n");
	convert(w);
	assert_string_equal(w->part[2], "Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	    "Subject: caf=E9\r\nDKIM-Signature: v=3D1\r\n");
	finish(w);
	w = begin("Bcc: caf\351\nSubject: Report\n\nHello.\n");
	assert_full(w);
	finish(w);
}

static void
a_message_in_parts_is_returned_as_it_is(void **state)
{
	static const char inner[] = "Subject: Report\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello.\r\n\r\n--b--\r\n";
	struct world *w = begin(inner);

	(void)state;
	make(w);
	assert_string_equal(strstr(w->part[2], "\r\n\r\n") + 4, inner);
	finish(w);
}

static void
over_long_lines_are_folded_or_can_be(void **state)
{
	struct buf text = {0};
	struct world *w;
	struct outcome o = {0};

	(void)state;
	buf_puts(&text, "Subject: Report\nX: ");
	for (size_t i = 0; i < 3000; i++)
		buf_putc(&text, 'x');
	buf_puts(&text, "\n\n");
	for (size_t i = 0; i < 3000; i++)
		buf_putc(&text, 'y');
	w = begin(text.data);
	make(w);
	assert_int_equal(w->m.longest, 3000);
	assert_int_equal(mime_convert(&w->m, true, &o), 0);
	assert_true(w->m.longest <= MESSAGE_LINE_MAX);
	forget(w);
	w->envelope.ret = "HDRS";
	make(w);
	assert_true(w->m.longest <= MESSAGE_LINE_MAX);
	finish(w);
	buf_free(&text);
}

static void
a_large_body_goes_through_a_file(void **state)
{
	struct buf text = {0};
	struct world *w;
	char *body;

	(void)state;
	buf_puts(&text, "Subject: Report\r\n\r\n");
	for (size_t i = 0; text.len < 3 * STORE_MEMORY; i++)
		buf_printf(&text, "%zu %.*s caf\303\251\r\n", i, (int)(i % 60), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	w = begin(text.data);
	assert_true(w->about.body.fd >= 0);
	w->envelope.ret = "FULL";
	make(w);
	assert_true(w->m.body.fd >= 0);
	body = strstr(w->part[2], "\r\n\r\n") + 4;
	assert_true(strcmp(body, text.data) == 0);
	finish(w);
	buf_free(&text);
}

static void
an_empty_message_returns_nothing(void **state)
{
	struct world *w = begin("");

	(void)state;
	make(w);
	assert_int_equal(w->parts, 2);
	assert_null(strstr(w->part[0], "returned"));
	finish(w);
	w = begin("Bcc: x\n\n");
	make(w);
	assert_int_equal(w->parts, 2);
	finish(w);
	w = begin("\nHello.\n");
	make(w);
	assert_string_equal(w->part[2], "Content-Type: message/rfc822\r\n\r\n\r\nHello.\r\n");
	finish(w);
	w = begin("Subject: Report\n");
	w->n.text = "";
	make(w);
	assert_string_equal(w->part[2], "Content-Type: message/rfc822\r\n\r\nSubject: Report\r\n\r\n");
	assert_null(strstr(w->part[0], "reason"));
	finish(w);
}

static void
boundaries_differ(void **state)
{
	struct world *a = begin(SIMPLE), *b = begin(SIMPLE);
	char *x, *y;

	(void)state;
	make(a);
	make(b);
	x = field(a, "Content-Type");
	y = field(b, "Content-Type");
	assert_string_not_equal(x, y);
	free(x);
	free(y);
	finish(a);
	finish(b);
}

static void
a_body_that_cannot_be_read_is_an_error(void **state)
{
	struct buf text = {0};
	struct outcome o = {0};
	struct world *w;

	(void)state;
	buf_puts(&text, "Subject: Report\n\n");
	while (text.len < 2 * STORE_MEMORY)
		buf_puts(&text, "Hall\xc3\xb6.\n");
	w = begin(text.data);
	w->envelope.ret = "FULL";
	assert_int_equal(ftruncate(w->about.body.fd, 70000), 0);
	assert_int_equal(notice_make(&w->m, &w->n, &w->about, &o), -1);
	assert_int_equal(o.status, EX_IOERR);
	finish(w);
	buf_free(&text);
}

static void
who_is_told(void **state)
{
	static const struct {
		const char *sender; unsigned notify; const char *header; bool wanted;
	} table[] = {
		{"a@b", 0, "", true}, {"", 0, "", false}, {NULL, 0, "", false},
		{"a@b", DSN_NEVER, "", false}, {"a@b", DSN_SUCCESS | DSN_DELAY, "", false},
		{"a@b", DSN_FAILURE, "", true}, {"a@b", DSN_FAILURE | DSN_DELAY, "", true}, {"", DSN_FAILURE, "", false},
		{"a@b", 0, "Auto-Submitted: no", true}, {"a@b", 0, "auto-submitted : (x) NO (y); a=b", true}, {"a@b", 0, "Auto-Submitted:", true},
		{"a@b", 0, "Auto-Submitted: auto-replied", false}, {"a@b", 0, "Auto-Submitted: auto-generated; owner=x", true},
		{"a@b", 0, "Auto-Submitted: no\r\nAuto-Submitted: Auto-Replied", false}, {"a@b", 0, "Auto-Submitted: no-way", true},
		{"a@b", 0, "Content-Type: multipart/report; report-type=delivery-status; boundary=x", false},
		{"a@b", 0, "content-type:\r\n Multipart / Report (c); boundary=\"x;y\";\r\n Report-Type=\"Delivery-Status\"", false},
		{"a@b", 0, "Content-Type: multipart/report; report-type=disposition-notification; boundary=x", true},
		{"a@b", 0, "Content-Type: multipart/report; report-type=delivery-statusx", true},
		{"a@b", 0, "Content-Type: multipart/mixed; report-type=delivery-status", true},
		{"a@b", 0, "Content-Type: multipart/report", true}, {"a@b", 0, "Content-Type: \"", true}, {"a@b", 0, "Content-Type:", true},
		{"a@b", 0, "Subject: multipart/report; report-type=delivery-status", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char *sender = table[i].sender == NULL ? NULL : mem_dup(table[i].sender), *header = mem_printf("X: y\r\n%s\r\n", table[i].header);
		struct envelope e = { .sender = sender, .notify = table[i].notify };
		struct message m = {0};

		header_parse(&m.header, header, strlen(header));
		if (notice_wanted(&e, &m) != table[i].wanted)
			fail_msg("%s %u %s", sender, table[i].notify, table[i].header);
		header_free(&m.header);
		free(header);
		free(sender);
	}
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
		cmocka_unit_test(the_notice_is_a_report_in_three_parts),
		cmocka_unit_test(the_repaired_notice_is_whole),
		cmocka_unit_test(only_who_failed_is_told),
		cmocka_unit_test(without_a_failed_recipient_there_is_no_delivery_status),
		cmocka_unit_test(each_failure_has_a_status),
		cmocka_unit_test(addresses_that_are_not_ascii_have_a_7_bit_form),
		cmocka_unit_test(ret_and_the_failure_say_what_is_returned),
		cmocka_unit_test(a_message_past_64_kib_is_returned_whole_only_if_asked_for),
		cmocka_unit_test(no_bcc_is_returned),
		cmocka_unit_test(hostile_words_stay_in_their_place),
		cmocka_unit_test(lines_are_never_too_long),
		cmocka_unit_test(the_subject_is_told_again_as_far_as_it_may),
		cmocka_unit_test(eight_bit_content_says_so_and_can_be_converted),
		cmocka_unit_test(a_message_in_parts_is_returned_as_it_is),
		cmocka_unit_test(over_long_lines_are_folded_or_can_be),
		cmocka_unit_test(a_large_body_goes_through_a_file),
		cmocka_unit_test(an_empty_message_returns_nothing),
		cmocka_unit_test(boundaries_differ),
		cmocka_unit_test(a_body_that_cannot_be_read_is_an_error),
		cmocka_unit_test(who_is_told),
	};

	return cmocka_run_group_tests(tests, set_zone, NULL);
}
