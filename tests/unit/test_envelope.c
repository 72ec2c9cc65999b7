/*
 * The envelope: who sends, who receives, and what is refused by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include <cmocka.h>
#include "mail/envelope.h"
#include "mem.h"

/* The passwd entry of whoever runs us; NULL: none. Stands in for the one of the C library. */
static struct passwd *entry;

struct passwd *
getpwuid(uid_t uid)
{
	assert_int_equal(uid, getuid());
	return entry;
}

static struct passwd alice = { .pw_name = (char []){ "alice" }, .pw_gecos = (char []){ "Alice A,Room 1,,x" } };

/* An envelope made from a header in lines ended by LF, arguments and what else the source has. */
struct fixture {
	struct envelope_source src;
	struct aliases aliases;
	struct message m;
	struct envelope e;
	struct outcome o;
	struct buf said;
};

static void
hear(void *arg, const char *path, unsigned line, const char *text)
{
	struct fixture *f = arg;

	(void)path;
	buf_printf(&f->said, "%u: %s\n", line, text);
}

static int
setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	entry = &alice;
	f->src.host = "zoo.example.net";
	f->src.aliases = &f->aliases;
	f->src.complain = hear;
	f->src.complain_arg = f;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	envelope_free(&f->e);
	header_free(&f->m.header);
	aliases_free(&f->aliases);
	buf_free(&f->said);
	free(f);
	return 0;
}

/* header: lines ended by LF. arguments: up to a NULL, or NULL. */
static int
make(struct fixture *f, const char *header, char *const *argument)
{
	struct buf b = {0};

	for (const char *s = header; *s != '\0'; s++)
		buf_puts(&b, *s == '\n' ? "\r\n" : (char[]){ *s, '\0' });
	envelope_free(&f->e);
	header_free(&f->m.header);
	memset(&f->m.header, 0, sizeof(f->m.header));
	header_parse(&f->m.header, buf_str(&b), b.len);
	buf_free(&b);
	f->src.argument = argument;
	for (f->src.arguments = 0; argument != NULL && argument[f->src.arguments] != NULL; f->src.arguments++)
		;
	return envelope_make(&f->e, &f->src, &f->m, &f->o);
}

#define ARGS(...) ((char *[]){ __VA_ARGS__, NULL })
#define BOB ARGS("bob@example.org")

static void
add_alias(struct fixture *f, const char *name, const char *value)
{
	struct aliases *a = &f->aliases;

	if (a->path == NULL)
		a->path = mem_dup("/etc/aliases");
	a->alias = mem_grow(a->alias, a->count + 1, sizeof(*a->alias));
	a->alias[a->count] = (struct alias){ .name = mem_dup(name), .value = mem_dup(value), .line = (unsigned)a->count + 1 };
	a->count++;
}

/* The recipients: "path", "path(original)", "path!" failed, joined by blanks. */
static void
recipients_are(struct fixture *f, const char *want)
{
	struct buf b = {0};

	buf_puts(&b, "");
	for (size_t i = 0; i < f->e.count; i++) {
		buf_printf(&b, "%s%s", i == 0 ? "" : " ", f->e.rcpt[i].path);
		if (f->e.rcpt[i].original != NULL)
			buf_printf(&b, "(%s)", f->e.rcpt[i].original);
		if (f->e.rcpt[i].state == RCPT_FAILED)
			buf_putc(&b, '!');
	}
	assert_string_equal(b.data, want);
	buf_free(&b);
}

static void
sends_to(struct fixture *f, const char *header, char *const *argument, const char *want)
{
	assert_int_equal(make(f, header, argument), 0);
	assert_int_equal(f->e.bads, 0);
	recipients_are(f, want);
}

static void
refused(struct fixture *f, const char *header, char *const *argument, int status, enum cause cause, const char *what)
{
	assert_int_equal(make(f, header, argument), -1);
	assert_int_equal(f->o.status, status);
	assert_int_equal(f->o.cause, cause);
	assert_string_equal(f->o.what, what);
}

static void
sender_is(struct fixture *f, const char *header, const char *want)
{
	assert_int_equal(make(f, header, BOB), 0);
	assert_string_equal(f->e.sender, want);
}

static void
sender_of_the_flag(void **state)
{
	static const char *const cases[][2] = {
		{ "a@x", "a@x" },
		{ "<a@x>", "a@x" },
		{ "Alice A <a@x>", "a@x" },
		{ "alice", "alice@zoo.example.net" },
		{ "<alice>", "alice@zoo.example.net" },
		{ "MAILER-DAEMON", "MAILER-DAEMON@zoo.example.net" },
		{ "\"john doe\"@x", "\"john doe\"@x" },
		{ "", "" },
		{ "<>", "" },
		{ " < > ", "" },
	};
	struct fixture *f = *state;

	add_alias(f, "alice", "elsewhere@x");
	f->src.from = "config@example.com";
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f->src.sender = cases[i][0];
		sender_is(f, "From: other@example.org\n", cases[i][1]);
	}
}

static void
bad_senders_are_named(void **state)
{
	static const char *const cases[] = { "a@b\r\nRCPT TO:<c@d>", "a@x, b@y", "a b", "Name <>", "a@", "a@x y", "<a@x", "a@-/x", "G:;" };
	struct fixture *f = *state;
	char what[400];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f->src.sender = cases[i];
		(void)snprintf(what, sizeof(what), "sender \"%s\" is no address", cases[i]);
		refused(f, "", BOB, EX_USAGE, CAUSE_BAD_ADDRESS, what);
		assert_string_not_equal(f->o.why, "");
	}
}

static void
sender_of_configuration_and_header(void **state)
{
	struct fixture *f = *state;

	sender_is(f, "From: a@x\n", "a@x");
	sender_is(f, "From: a@x, b@y\nSender: S <s@z>\n", "s@z");
	sender_is(f, "From: A <a@x>, b@y\n", "a@x");
	sender_is(f, "From: Doe, John <j@y>\n", "j@y");
	sender_is(f, "From: a@x\nSender: bare\n", "a@x");
	sender_is(f, "From: root (Cron Daemon)\n", "alice@zoo.example.net");
	sender_is(f, "From: <e2scrub@>\n", "alice@zoo.example.net");
	sender_is(f, "From: \"Bacula <root@zoo\n", "alice@zoo.example.net");
	sender_is(f, "From: a@x\370y\n", "alice@zoo.example.net");
	sender_is(f, "", "alice@zoo.example.net");
	f->src.from = "Config <c@example.com>";
	sender_is(f, "From: a@x\nSender: s@z\n", "c@example.com");
	f->src.override_from = true;
	f->src.sender = "flag@x";
	sender_is(f, "From: a@x\n", "c@example.com");
	f->src.sender = "";
	sender_is(f, "From: a@x\n", "c@example.com");
	f->src.from = NULL;
	f->src.sender = "flag@x";
	sender_is(f, "From: a@x\n", "flag@x");
}

static void
default_sender_is_the_user(void **state)
{
	struct fixture *f = *state;

	f->src.sender = "<>";
	sender_is(f, "", "");
	assert_string_equal(f->e.default_sender, "alice@zoo.example.net");
}

static void
which_domain(void **state)
{
	struct fixture *f = *state;

	f->src.domain = "example.com";
	f->src.from = "a@from.example";
	f->src.user_domain = "user.example";
	sends_to(f, "", ARGS("root"), "root@example.com");
	assert_string_equal(f->e.domain, "example.com");
	f->src.domain = NULL;
	sends_to(f, "", ARGS("root"), "root@zoo.example.net");
	f->src.host = "zoo";
	sends_to(f, "", ARGS("root"), "root@from.example");
	f->src.host = NULL;
	sends_to(f, "", ARGS("root"), "root@from.example");
	f->src.host = "bad..host";
	sends_to(f, "", ARGS("root"), "root@from.example");
	f->src.from = NULL;
	f->src.sender = "a@x";
	sends_to(f, "", ARGS("root"), "root@user.example");
}

/* 78 where a domain is needed and there is none; not where it is not. */
static void
no_domain_at_all(void **state)
{
	struct fixture *f = *state;
	static const char what[] = "no domain to complete \"alice\" with";

	f->src.host = "zoo";
	sends_to(f, "From: a@x\n", BOB, "bob@example.org");
	assert_null(f->e.domain);
	assert_null(f->e.default_sender);
	refused(f, "From: a@x\n", ARGS("root"), EX_CONFIG, CAUSE_NO_DOMAIN, "no domain to complete \"root\" with");
	refused(f, "From: a@x\n", ARGS("root@localhost"), EX_CONFIG, CAUSE_NO_DOMAIN, "no domain to complete \"root\" with");
	refused(f, "From: bare\n", BOB, EX_CONFIG, CAUSE_NO_DOMAIN, what);
	f->src.sender = "";
	refused(f, "", BOB, EX_CONFIG, CAUSE_NO_DOMAIN, what);
	refused(f, "From: \n", BOB, EX_CONFIG, CAUSE_NO_DOMAIN, what);
	refused(f, "From: a@x\nResent-To: b@x\n", BOB, EX_CONFIG, CAUSE_NO_DOMAIN, what);
	sends_to(f, "From: a@x\n", BOB, "bob@example.org");
	f->src.local_to = "admin@example.com";
	sends_to(f, "From: a@x\n", ARGS("root"), "admin@example.com(root@localhost)");
	f->src.local_to = NULL;
	add_alias(f, "root", "r@example.com");
	sends_to(f, "From: a@x\n", ARGS("root"), "r@example.com(root@localhost)");
}

static void
wrong_configuration(void **state)
{
	struct fixture *f = *state;

	f->src.domain = "x\r\nRCPT TO:<c@d>";
	refused(f, "", BOB, EX_CONFIG, CAUSE_CONFIG_WRONG, "domain \"x\r\nRCPT TO:<c@d>\" is no domain");
	f->src.domain = "";
	refused(f, "", BOB, EX_CONFIG, CAUSE_CONFIG_WRONG, "domain \"\" is no domain");
	f->src.domain = NULL;
	f->src.from = "a@x\r\nDATA";
	refused(f, "", BOB, EX_CONFIG, CAUSE_CONFIG_WRONG, "from \"a@x\r\nDATA\" is no address");
	f->src.from = "a@x, b@y";
	refused(f, "", BOB, EX_CONFIG, CAUSE_CONFIG_WRONG, "from \"a@x, b@y\" is no address");
	f->src.from = NULL;
	f->src.local_to = "admin@";
	refused(f, "", BOB, EX_CONFIG, CAUSE_CONFIG_WRONG, "local-to \"admin@\" is no address");
}

static void
recipients_of_the_command_line(void **state)
{
	struct fixture *f = *state;

	sends_to(f, "To: not@read.example\n", ARGS("a@x,b@y", "<c@z>", "Name <d@q>", "root", "-f@x"),
	    "a@x b@y c@z d@q root@zoo.example.net -f@x");
	sends_to(f, "", ARGS("G: a@x, b@y;", "@r:c@z", "<@r1,@r2:d@z>"), "a@x b@y c@z d@z");
	sends_to(f, "", ARGS("\"john doe\"@x", "u@[IPv6:::1]", "a@x."), "\"john doe\"@x u@[IPv6:::1] a@x");
	sends_to(f, "", ARGS("a@x", "", "b@y"), "a@x b@y");
}

static void
bad_arguments_stop_everything(void **state)
{
	struct fixture *f = *state;

	refused(f, "", NULL, EX_USAGE, CAUSE_USAGE, "no recipients: neither an address nor -t is given");
	refused(f, "", ARGS(""), EX_USAGE, CAUSE_USAGE, "no recipients: neither an address nor -t is given");
	refused(f, "", ARGS("good@x", "a@x b@y"), EX_USAGE, CAUSE_BAD_ADDRESS, "recipient \"a@x b@y\" is no address");
	assert_string_equal(f->o.why, "two addresses without a comma");
	refused(f, "", ARGS("a@x, <>"), EX_USAGE, CAUSE_BAD_ADDRESS, "recipient \"<>\" is no address");
	refused(f, "", ARGS("a@b\r\nRCPT TO:<c@d>"), EX_USAGE, CAUSE_BAD_ADDRESS, "recipient \"a@b\r\nRCPT TO:<c@d>\" is no address");
	assert_string_equal(f->o.why, "control character");
	refused(f, "", ARGS("a@x/y"), EX_USAGE, CAUSE_BAD_ADDRESS, "recipient \"a@x/y\" is no address");
	f->src.from_header = true;
	refused(f, "To: good@x\n", ARGS("a b"), EX_USAGE, CAUSE_BAD_ADDRESS, "recipient \"a b\" is no address");
}

static void
recipients_of_the_header(void **state)
{
	struct fixture *f = *state;

	f->src.from_header = true;
	sends_to(f, "To: a@x, Bob <b@y>\nCC : c@z\nBcc: d@z,\n\te@z\nSubject: s@s\nTo: f@z\nReply-To: g@z\n", NULL, "a@x b@y c@z d@z e@z f@z");
	sends_to(f, "To: a@x\n", ARGS("extra@x", "a@X"), "extra@x a@X");
	sends_to(f, "To: undisclosed-recipients:;\nBcc: b@y\nCc:\n", NULL, "b@y");
	sends_to(f, "To: <b@y,c@z>\n", NULL, "b@y c@z");
	sends_to(f, "Subject: x\n", ARGS("a@x"), "a@x");
}

static void
nobody_in_the_header(void **state)
{
	struct fixture *f = *state;

	f->src.from_header = true;
	refused(f, "", NULL, EX_DATAERR, CAUSE_NO_RECIPIENTS, "no recipients");
	refused(f, "To:\nCc: undisclosed-recipients:;\n", NULL, EX_DATAERR, CAUSE_NO_RECIPIENTS, "no recipients");
	refused(f, "To: a@x b@y\n", NULL, EX_DATAERR, CAUSE_BAD_ADDRESS, "address \"a@x b@y\" in To: two addresses without a comma");
}

/* The other recipients get the mail. */
static void
bad_addresses_of_the_header(void **state)
{
	struct fixture *f = *state;

	f->src.from_header = true;
	assert_int_equal(make(f, "To: a@x, b@y c@z, d@z\ncc: \"open, e@z\nBcc: a@x\001y, f@z, g@-/\n", NULL), 0);
	recipients_are(f, "a@x d@z f@z");
	assert_int_equal(f->e.bads, 4);
	assert_string_equal(f->e.bad[0].what, "address \"b@y c@z\" in To: two addresses without a comma");
	assert_string_equal(f->e.bad[1].what, "address \" \"open, e@z\" in cc: unbalanced quote");
	assert_string_equal(f->e.bad[2].what, "address \"a@x\001y\" in Bcc: control character");
	assert_string_equal(f->e.bad[3].what, "address \"g@-/\" in Bcc: character in the domain that no domain has");
	for (size_t i = 0; i < f->e.bads; i++) {
		assert_int_equal(f->e.bad[i].status, EX_DATAERR);
		assert_int_equal(f->e.bad[i].cause, CAUSE_BAD_ADDRESS);
		assert_int_equal(f->e.bad[i].stage, STAGE_ENVELOPE);
	}
}

static void
many_bad_addresses(void **state)
{
	struct fixture *f = *state;
	struct buf b = {0};

	f->src.from_header = true;
	buf_puts(&b, "To: good@x");
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, ", bad %d", i);
	buf_puts(&b, "\n");
	assert_int_equal(make(f, b.data, NULL), 0);
	recipients_are(f, "good@x");
	assert_int_equal(f->e.bads, 101);
	assert_string_equal(f->e.bad[99].what, "address \"bad 99\" in To: several words but no address");
	assert_string_equal(f->e.bad[100].what, "more than 100 bad addresses in the header");
	buf_free(&b);
}

static void
long_bad_addresses_are_cut(void **state)
{
	struct fixture *f = *state;
	struct buf b = {0};

	f->src.from_header = true;
	buf_puts(&b, "To: good@x, ");
	for (int i = 0; i < 100000; i++)
		buf_putc(&b, 'y');
	buf_puts(&b, "@x\n");
	assert_int_equal(make(f, b.data, NULL), 0);
	assert_int_equal(f->e.bads, 1);
	assert_non_null(strstr(f->e.bad[0].what, "yyy\" in To: the local part is longer than 64 octets"));
	assert_in_range(strlen(f->e.bad[0].what), 200, 300);
	buf_free(&b);
}

static void
resent_messages(void **state)
{
	struct fixture *f = *state;

	f->src.from_header = true;
	sends_to(f, "Resent-From: c@x\nResent-To: b@x\nResent-Bcc: h@x\nTo: first@x\nCc: second@x\n", NULL, "b@x h@x");
	sends_to(f, "Subject: s\nResent-Cc: b@x\nTo: first@x\n", NULL, "b@x");
	/* the newest block is at the top, and ends where a name comes again */
	sends_to(f, "Resent-From: n@x\nResent-To: new@x\nResent-From: o@x\nResent-To: old@x\nResent-Cc: older@x\nTo: first@x\n", NULL, "new@x");
	/* or at a trace field */
	sends_to(f, "Received: by mx\nResent-To: new@x\nReceived: by other\nResent-Cc: old@x\nTo: first@x\n", NULL, "new@x");
	/* no recipient in a Resent- field: whoever had it already does not get it again */
	refused(f, "Resent-From: c@x\nTo: first@x\n", NULL, EX_DATAERR, CAUSE_NO_RECIPIENTS, "no recipients");
	sends_to(f, "Resent-Date: d\nTo: first@x\n", ARGS("arg@x"), "arg@x");
	/* a newest block without recipients sends to nobody, least of all to those of an older one */
	refused(f, "Resent-From: n@x\nResent-From: o@x\nResent-To: old@x\nTo: first@x\n", NULL, EX_DATAERR, CAUSE_NO_RECIPIENTS, "no recipients");
	sends_to(f, "Resent-To: b@x\nTo: first@x\n", ARGS("arg@x"), "arg@x b@x");
}

static void
local_names(void **state)
{
	struct fixture *f = *state;

	f->src.domain = "example.com";
	sends_to(f, "", ARGS("root", "alice@localhost", "bob@LocalHost.localdomain", "carol@ZOO.example.net", "dave@example.net"),
	    "root@example.com alice@example.com bob@example.com carol@example.com dave@example.net");
	f->src.local_to = "Admin <admin@example.org>";
	sends_to(f, "", ARGS("root", "alice@localhost", "dave@example.net"), "admin@example.org(root@example.com) dave@example.net");
	f->src.local_to = "postmaster";
	sends_to(f, "", ARGS("root", "postmaster"), "postmaster@example.com(root@example.com)");
}

static void
aliases_come_first(void **state)
{
	struct fixture *f = *state;

	add_alias(f, "admins", "root, carol@x.org, local");
	add_alias(f, "looped", "root@localhost");
	add_alias(f, "nowhere", "|/bin/false");
	add_alias(f, "root", "Dave <dave@x.org>, \"odd name\"@y");
	sends_to(f, "", ARGS("Root"), "dave@x.org(Root@zoo.example.net) \"odd name\"@y(Root@zoo.example.net)");
	sends_to(f, "", ARGS("admins@localhost"), "dave@x.org(admins@zoo.example.net) \"odd name\"@y(admins@zoo.example.net) "
	    "carol@x.org(admins@zoo.example.net) local@zoo.example.net(admins@zoo.example.net)");
	f->src.local_to = "all@x.org";
	sends_to(f, "", ARGS("admins", "other"), "dave@x.org(admins@zoo.example.net) \"odd name\"@y(admins@zoo.example.net) "
	    "carol@x.org(admins@zoo.example.net) all@x.org(admins@zoo.example.net)");
	sends_to(f, "", ARGS("looped"), "dave@x.org(looped@zoo.example.net) \"odd name\"@y(looped@zoo.example.net)");
	sends_to(f, "", ARGS("root@example.org"), "root@example.org");
}

static void
aliases_that_lead_nowhere(void **state)
{
	struct fixture *f = *state;

	add_alias(f, "nowhere", "|/bin/false");
	assert_int_equal(make(f, "", ARGS("nowhere", "bob@x")), 0);
	recipients_are(f, "nowhere@zoo.example.net! bob@x");
	assert_int_equal(f->e.rcpt[0].fate->status, EX_NOUSER);
	assert_int_equal(f->e.rcpt[0].fate->cause, CAUSE_ALIAS);
	assert_string_equal(f->e.rcpt[0].fate->what, "alias \"nowhere\" leads to no address");
	assert_string_equal(buf_str(&f->said), "1: commands are never run, skipped: |/bin/false\n");
	assert_int_equal(envelope_count(&f->e, RCPT_FAILED), 1);
	assert_int_equal(envelope_count(&f->e, RCPT_PENDING), 1);
	assert_int_equal(make(f, "", ARGS("nowhere")), 0);
	recipients_are(f, "nowhere@zoo.example.net!");
}

static void
each_once(void **state)
{
	struct fixture *f = *state;

	add_alias(f, "one", "a@x, b@x");
	add_alias(f, "two", "b@X, c@x, root");
	sends_to(f, "", ARGS("a@x", "A@x", "a@X", "<a@x>", "\"a\"@x"), "a@x A@x");
	sends_to(f, "", ARGS("one", "two", "a@x", "root", "root@zoo.example.net"),
	    "a@x(one@zoo.example.net) b@x(one@zoo.example.net) c@x(two@zoo.example.net) root@zoo.example.net(two@zoo.example.net)");
	assert_string_equal(buf_str(&f->said), "");
}

static void
thousands_of_recipients(void **state)
{
	struct fixture *f = *state;
	struct buf b = {0}, all = {0};

	f->src.from_header = true;
	buf_puts(&b, "To: all");
	for (int i = 0; i < 5000; i++)
		buf_printf(&b, ",\n user%d@example.org, user%d@EXAMPLE.org, all, ALL", i, i);
	buf_puts(&b, "\n");
	buf_puts(&all, "a@x");
	for (int i = 0; i < 5000; i++)
		buf_printf(&all, ", user%d@example.org", i * 2);
	add_alias(f, "all", all.data);
	assert_int_equal(make(f, b.data, NULL), 0);
	assert_int_equal(f->e.count, 7501);
	assert_string_equal(f->e.rcpt[0].path, "a@x");
	assert_string_equal(f->e.rcpt[5001].path, "user1@example.org");
	assert_string_equal(f->e.rcpt[7500].path, "user4999@example.org");
	buf_free(&b);
	buf_free(&all);
}

static void
smtputf8_when_needed(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(make(f, "From: J\303\270 <a@x>\n", BOB), 0);
	assert_false(f->e.utf8);
	assert_int_equal(make(f, "", ARGS("j\303\270ran@x", "a@x")), 0);
	assert_true(f->e.utf8);
	assert_int_equal(make(f, "", ARGS("a@ex\303\244mple.org")), 0);
	assert_true(f->e.utf8);
	f->src.sender = "j\303\270@x";
	assert_int_equal(make(f, "", BOB), 0);
	assert_true(f->e.utf8);
	f->src.sender = NULL;
	refused(f, "", ARGS("j\370ran@x"), EX_USAGE, CAUSE_BAD_ADDRESS, "recipient \"j\370ran@x\" is no address");
}

static void
failing_a_recipient(void **state)
{
	struct fixture *f = *state;
	struct outcome o;

	assert_int_equal(make(f, "", ARGS("a@x", "b@x")), 0);
	assert_int_equal(envelope_count(&f->e, RCPT_PENDING), 2);
	(void)outcome_set(&o, EX_NOUSER, STAGE_RCPT, CAUSE_REPLY, "no", "first");
	envelope_fail(&f->e, 1, &o);
	(void)outcome_set(&o, EX_TEMPFAIL, STAGE_RCPT, CAUSE_REPLY, "no", "second");
	envelope_fail(&f->e, 1, &o);
	assert_int_equal(f->e.rcpt[1].state, RCPT_FAILED);
	assert_string_equal(f->e.rcpt[1].fate->what, "second");
	assert_int_equal(envelope_count(&f->e, RCPT_PENDING), 1);
	assert_int_equal(envelope_count(&f->e, RCPT_FAILED), 1);
}

static void
a_user_without_passwd_entry(void **state)
{
	struct fixture *f = *state;
	char want[64];

	entry = NULL;
	(void)snprintf(want, sizeof(want), "uid-%lu@zoo.example.net", (unsigned long)getuid());
	sender_is(f, "", want);
	assert_string_equal(f->e.default_sender, want);
	assert_null(f->e.full_name);
}

/* A login name that no address can have: the number instead. */
static void
odd_login_names(void **state)
{
	struct passwd odd = { .pw_name = (char []){ "a\r\nb" }, .pw_gecos = (char []){ "" } };
	struct fixture *f = *state;
	char want[64];

	entry = &odd;
	(void)snprintf(want, sizeof(want), "uid-%lu@zoo.example.net", (unsigned long)getuid());
	sender_is(f, "", want);
	odd.pw_name = (char []){ "two words" };
	sender_is(f, "", "\"two words\"@zoo.example.net");
	entry = &alice;
}

static void
full_names(void **state)
{
	static const struct {
		const char *gecos;
		const char *want;
	} cases[] = {
		{ "Alice A,Room 1,,x", "Alice A" },
		{ "& Adams", "Alice Adams" },
		{ "J\303\270ran", "J\303\270ran" },
		{ "a\r\nBcc: b@x", "a  Bcc: b@x" },
		{ "", NULL },
		{ ",x", NULL },
		{ "  ", NULL },
		{ NULL, NULL },
	};
	struct passwd pw = alice;
	struct fixture *f = *state;

	entry = &pw;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pw.pw_gecos = cases[i].gecos == NULL ? NULL : mem_dup(cases[i].gecos);
		assert_int_equal(make(f, "", BOB), 0);
		if (cases[i].want == NULL)
			assert_null(f->e.full_name);
		else
			assert_string_equal(f->e.full_name, cases[i].want);
		free(pw.pw_gecos);
	}
	entry = &alice;
}

/* The environment does not say who we are. */
static void
the_environment_is_not_asked(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(setenv("USER", "mallory", 1), 0);
	assert_int_equal(setenv("LOGNAME", "mallory", 1), 0);
	sender_is(f, "", "alice@zoo.example.net");
}

/* ---- step by step, as -bs gives one address at a time ---- */

static int
begin(struct fixture *f, const char *sender)
{
	envelope_free(&f->e);
	f->o = (struct outcome){0};
	f->src.sender = sender;
	return envelope_begin(&f->e, &f->src, &f->o);
}

/* These are the recipients from the former number on, as recipients_are() has them; the smarthost takes them. */
static void
adds(struct fixture *f, const char *recipient, const char *want)
{
	size_t before = f->e.count, first;
	struct buf b = {0};

	if (envelope_add(&f->e, &f->src, recipient, &first, &f->o) != 0)
		fail_msg("%s: %s: %s", recipient, f->o.what, f->o.why);
	assert_true(f->e.count >= before);	/* nobody who was there is gone */
	buf_puts(&b, "");
	for (size_t i = first; i < f->e.count; i++) {
		buf_printf(&b, "%s%s%s", i == first ? "" : " ", f->e.rcpt[i].path, f->e.rcpt[i].state == RCPT_FAILED ? "!" : "");
		if (f->e.rcpt[i].state == RCPT_PENDING)
			f->e.rcpt[i].state = RCPT_TAKEN;
	}
	assert_string_equal(b.data, want);
	buf_free(&b);
}

static void
step_by_step(void **state)
{
	struct fixture *f = *state;

	f->src.from = "config@example.com";
	assert_int_equal(begin(f, "<a@x>"), 0);
	assert_string_equal(f->e.sender, "a@x");
	assert_int_equal(f->e.count, 0);
	adds(f, "<b@y>", "b@y");
	adds(f, "c@z", "c@z");
	adds(f, "<\"john doe\"@x>", "\"john doe\"@x");
	adds(f, "<@r1,@r2:d@z>", "d@z");
	recipients_are(f, "b@y c@z \"john doe\"@x d@z");
	assert_int_equal(begin(f, "<>"), 0);
	assert_string_equal(f->e.sender, "");
	assert_null(f->e.user);		/* nobody needs to know yet */
	assert_int_equal(envelope_check_from(&f->e, &(struct header){0}, &f->o), 0);
	assert_string_equal(f->e.default_sender, "alice@zoo.example.net");
	assert_int_equal(begin(f, "bob"), 0);
	assert_string_equal(f->e.sender, "bob@zoo.example.net");
	f->src.override_from = true;
	assert_int_equal(begin(f, "<a@x>"), 0);
	assert_string_equal(f->e.sender, "config@example.com");
}

static void
a_bad_sender_begins_nothing(void **state)
{
	static const char *const cases[] = { "<a@x", "a@x, b@y", "<a@x,b@y>", "a b", "a@", "<a@-/x>", "G:;", "<a@b\r\nRCPT TO:<c@d>>" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (begin(f, cases[i]) != -1)
			fail_msg("%s is taken: %s", cases[i], f->e.sender);
		assert_int_equal(f->o.status, EX_USAGE);
		assert_int_equal(f->o.cause, CAUSE_BAD_ADDRESS);
	}
	f->src.host = "zoo";
	assert_int_equal(begin(f, "bob"), -1);
	assert_int_equal(f->o.status, EX_CONFIG);
	assert_int_equal(f->o.cause, CAUSE_NO_DOMAIN);
	f->src.from = "a@x\r\nDATA";
	assert_int_equal(begin(f, "<a@x>"), -1);
	assert_int_equal(f->o.status, EX_CONFIG);
}

/* Refused by name; those who are there already stay. */
static void
a_bad_recipient_changes_nothing(void **state)
{
	static const char *const cases[] = {
		"<b@y", "b@y, c@z", "<b@y,c@z>", "b c", "b@", "<b@-/y>", "G:;", "G:b@y,c@z;", "", " ", "<>", "b@y\r\nDATA", "\"b@y", "b@y (c",
	};
	struct fixture *f = *state;
	size_t first;

	assert_int_equal(begin(f, "<a@x>"), 0);
	adds(f, "<keep@x>", "keep@x");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f->o = (struct outcome){0};
		if (envelope_add(&f->e, &f->src, cases[i], &first, &f->o) != -1)
			fail_msg("\"%s\" is taken", cases[i]);
		assert_int_equal(f->o.status, EX_USAGE);
		assert_int_equal(f->o.cause, CAUSE_BAD_ADDRESS);
		assert_int_equal(f->e.bads, 0);
	}
	recipients_are(f, "keep@x");
}

/* Through the aliases and local-to, as on the command line. What is there already comes no second time. */
static void
added_through_the_aliases(void **state)
{
	struct fixture *f = *state;
	size_t first;

	add_alias(f, "nowhere", "/dev/null");
	add_alias(f, "root", "admin@example.com");
	add_alias(f, "team", "b@y, c@z, \\local");
	assert_int_equal(begin(f, "<a@x>"), 0);
	adds(f, "<root>", "admin@example.com");
	assert_string_equal(f->e.rcpt[0].original, "root@zoo.example.net");
	adds(f, "<root@localhost>", "");
	adds(f, "b@y", "b@y");
	adds(f, "<team>", "c@z local@zoo.example.net");
	adds(f, "<admin@example.COM>", "");
	adds(f, "nowhere", "nowhere@zoo.example.net!");
	assert_int_equal(f->e.rcpt[f->e.count - 1].fate->status, EX_NOUSER);
	recipients_are(f, "admin@example.com(root@zoo.example.net) b@y c@z(team@zoo.example.net) local@zoo.example.net(team@zoo.example.net) "
	    "nowhere@zoo.example.net!");
	f->src.local_to = "all@example.com";
	adds(f, "<postmaster>", "all@example.com");
	f->src.local_to = NULL;
	f->src.host = "zoo";
	assert_int_equal(begin(f, "<a@x>"), 0);
	assert_int_equal(envelope_add(&f->e, &f->src, "<postmaster>", &first, &f->o), -1);
	assert_int_equal(f->o.cause, CAUSE_NO_DOMAIN);
	assert_int_equal(f->o.status, EX_CONFIG);
}

/*
 * Verdicts come between. Who was refused may be asked for again, any number of times, and stands there once; nobody else is taken for one who was there, and who was
 * taken stays so.
 */
static void
added_after_verdicts(void **state)
{
	struct outcome no = {.status = EX_NOUSER, .stage = STAGE_RCPT, .cause = CAUSE_REPLY, .code = 550};
	struct fixture *f = *state;

	add_alias(f, "nowhere", "/dev/null");
	assert_int_equal(begin(f, "<a@x>"), 0);
	adds(f, "<good@y>", "good@y");
	adds(f, "<good@y>", "");
	for (int i = 0; i < 4; i++) {
		size_t before = f->e.count, first;
		char other[32];

		assert_int_equal(envelope_add(&f->e, &f->src, i < 3 ? "<bad@y>" : "nowhere", &first, &f->o), 0);
		assert_true(f->e.count >= before);
		assert_int_equal(first, f->e.count - 1);
		for (; first < f->e.count; first++)
			envelope_fail(&f->e, first, &no);
		(void)snprintf(other, sizeof(other), "other%d@y", i);
		adds(f, other, other);
	}
	adds(f, "<good@y>", "");
	assert_int_equal(f->e.count, 7);
	assert_int_equal(envelope_count(&f->e, RCPT_TAKEN), 5);
	assert_int_equal(envelope_count(&f->e, RCPT_PENDING), 0);
}

static int
check_from(struct fixture *f, const char *header)
{
	struct header h = {0};
	int status;

	if (*header != '\0')
		header_parse(&h, header, strlen(header));
	f->o = (struct outcome){0};
	status = envelope_check_from(&f->e, &h, &f->o);
	header_free(&h);
	return status;
}

/* A From has to be made, and there is nothing to make it of: the null sender, and no domain. */
static void
a_from_that_cannot_be_made(void **state)
{
	static const struct { const char *header; int status; } cases[] = {
		{ "", -1 }, { "Subject: x\r\n", -1 }, { "From: \r\n", -1 }, { "From:\r\n \r\n", -1 }, { "From: a@x\r\n", 0 }, { "from : a@x\r\n", 0 },
		{ "From: a@x\r\nResent-To: b@y\r\n", -1 }, { "Sender: a@x\r\n", -1 }, { "From:\r\nFrom: a@x\r\n", 0 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f->src.host = "zoo";
		assert_int_equal(begin(f, "<>"), 0);
		assert_null(f->e.default_sender);
		if (check_from(f, cases[i].header) != cases[i].status)
			fail_msg("\"%s\": %d", cases[i].header, f->o.status);
		if (cases[i].status == -1) {
			assert_int_equal(f->o.status, EX_CONFIG);
			assert_int_equal(f->o.cause, CAUSE_NO_DOMAIN);
			assert_string_equal(f->o.what, "no domain to complete \"alice\" with");
		}
		assert_int_equal(begin(f, "<a@x>"), 0);
		assert_int_equal(check_from(f, cases[i].header), 0);
		f->src.host = "zoo.example.net";
		assert_int_equal(begin(f, "<>"), 0);
		assert_int_equal(check_from(f, cases[i].header), 0);
	}
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(sender_of_the_flag),
		WITH_FIXTURE(bad_senders_are_named),
		WITH_FIXTURE(sender_of_configuration_and_header),
		WITH_FIXTURE(default_sender_is_the_user),
		WITH_FIXTURE(which_domain),
		WITH_FIXTURE(no_domain_at_all),
		WITH_FIXTURE(wrong_configuration),
		WITH_FIXTURE(recipients_of_the_command_line),
		WITH_FIXTURE(bad_arguments_stop_everything),
		WITH_FIXTURE(recipients_of_the_header),
		WITH_FIXTURE(nobody_in_the_header),
		WITH_FIXTURE(bad_addresses_of_the_header),
		WITH_FIXTURE(many_bad_addresses),
		WITH_FIXTURE(long_bad_addresses_are_cut),
		WITH_FIXTURE(resent_messages),
		WITH_FIXTURE(local_names),
		WITH_FIXTURE(aliases_come_first),
		WITH_FIXTURE(aliases_that_lead_nowhere),
		WITH_FIXTURE(each_once),
		WITH_FIXTURE(thousands_of_recipients),
		WITH_FIXTURE(smtputf8_when_needed),
		WITH_FIXTURE(failing_a_recipient),
		WITH_FIXTURE(a_user_without_passwd_entry),
		WITH_FIXTURE(odd_login_names),
		WITH_FIXTURE(full_names),
		WITH_FIXTURE(the_environment_is_not_asked),
		WITH_FIXTURE(step_by_step),
		WITH_FIXTURE(a_bad_sender_begins_nothing),
		WITH_FIXTURE(a_bad_recipient_changes_nothing),
		WITH_FIXTURE(added_through_the_aliases),
		WITH_FIXTURE(added_after_verdicts),
		WITH_FIXTURE(a_from_that_cannot_be_made),
	};

	return cmocka_run_group_tests_name("envelope", tests, NULL, NULL);
}
