/*
 * The address parser and the paths made from what it finds: RFC 5322 appendix A, what real callers write, and what hostile ones might.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "mail/address.h"
#include "mem.h"

struct parse_case {
	const char *text;
	const char *want;
};

static void
add_span(struct buf *b, const char *text, struct span s)
{
	buf_add(b, text + s.start, s.end - s.start);
}

/* What was found, a line each: "name|local@domain", a bare name without @, then errors: "!reason|element". */
static char *
render(const char *text, size_t len)
{
	struct address_list l;
	struct buf b = {0};

	address_parse(&l, text, len);
	for (size_t i = 0; i < l.count; i++) {
		add_span(&b, text, l.mailbox[i].name);
		buf_printf(&b, "|%s", l.mailbox[i].local);
		if (l.mailbox[i].domain != NULL)
			buf_printf(&b, "@%s", l.mailbox[i].domain);
		buf_putc(&b, '\n');
	}
	for (size_t i = 0; i < l.errors; i++) {
		buf_printf(&b, "!%s|", l.error[i].reason);
		add_span(&b, text, l.error[i].element);
		buf_putc(&b, '\n');
	}
	address_free(&l);
	buf_puts(&b, "");
	return b.data;
}

static void
check_cases(const struct parse_case *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *got = render(c[i].text, strlen(c[i].text));

		if (strcmp(got, c[i].want) != 0)
			print_message("input: %s\n", c[i].text);
		assert_string_equal(got, c[i].want);
		free(got);
	}
}

#define CHECK(cases) check_cases(cases, sizeof(cases) / sizeof((cases)[0]))

static void
rfc5322_appendix_a(void **state)
{
	static const struct parse_case cases[] = {
		/* A.1.1 */
		{ " John Doe <jdoe@machine.example>", "John Doe|jdoe@machine.example\n" },
		{ " Michael Jones <mjones@machine.example>", "Michael Jones|mjones@machine.example\n" },
		/* A.1.2 */
		{ " \"Joe Q. Public\" <john.q.public@example.com>", "\"Joe Q. Public\"|john.q.public@example.com\n" },
		{ " Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
		    "Mary Smith|mary@x.test\n|jdoe@example.org\nWho?|one@y.test\n" },
		{ " <boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
		    "|boss@nil.test\n\"Giant; \\\"Big\\\" Box\"|sysservices@example.net\n" },
		/* A.1.3 */
		{ " A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
		    "Ed Jones|c@a.test\n|joe@where.test\nJohn|jdoe@one.test\n" },
		{ " Undisclosed recipients:;", "" },
		/* A.2 */
		{ " \"Mary Smith: Personal Account\" <smith@home.example>", "\"Mary Smith: Personal Account\"|smith@home.example\n" },
		/* A.3 */
		{ " Jane Brown <j-brown@other.example>", "Jane Brown|j-brown@other.example\n" },
		/* A.4 */
		{ " John Doe <jdoe@node.example>", "John Doe|jdoe@node.example\n" },
		/* A.5 */
		{ " Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete|pete@silly.test\n" },
		{ "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n         joe@example.org,\r\n"
		    "  John <jdoe@one.test> (my dear friend); (the end of the group)",
		    "Chris Jones|c@public.example\n|joe@example.org\nJohn|jdoe@one.test\n" },
		{ "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", "" },
		/* A.6.1 */
		{ " Joe Q. Public <john.q.public@example.com>", "Joe Q. Public|john.q.public@example.com\n" },
		{ " Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example", "Mary Smith|mary@example.net\n|jdoe@test.example\n" },
		/* A.6.3 */
		{ " John Doe <jdoe@machine(comment).  example>", "John Doe|jdoe@machine.example\n" },
		{ " Mary Smith\r\n  \r\n          <mary@example.net>", "Mary Smith|mary@example.net\n" },
	};

	(void)state;
	CHECK(cases);
}

static void
what_callers_write(void **state)
{
	static const struct parse_case cases[] = {
		{ "", "" },
		{ " \t ", "" },
		{ ",,a@x,, b@y ,", "|a@x\n|b@y\n" },
		{ "root (Cron Daemon)", "|root\n" },
		{ "Anacron <root>", "Anacron|root\n" },
		{ "\"Anacron\" <root>", "\"Anacron\"|root\n" },
		{ "<a@x,b@y>", "|a@x\n|b@y\n" },
		{ "<a@x, b@y>, Bob <c@z>", "|a@x\n|b@y\nBob|c@z\n" },
		{ "John Q. Public <a@b>", "John Q. Public|a@b\n" },
		{ "a . b @ c", "|a.b@c\n" },
		{ "a (x) . (y) b (z) @ (q) c (r) . d", "|a.b@c.d\n" },
		{ "\"john doe\"@x.org", "|john doe@x.org\n" },
		{ "<\"john doe\"@x.org>", "|john doe@x.org\n" },
		{ "\"a\\\"b\\\\c\".d@x", "|a\"b\\c.d@x\n" },
		{ "\"a<b>,c\"@x", "|a<b>,c@x\n" },
		{ "\"a@b\"@x", "|a@b@x\n" },
		{ "u@[IPv6:::1]", "|u@[IPv6:::1]\n" },
		{ "u@[ 192.0.2.1 ]", "|u@[192.0.2.1]\n" },
		{ "Doe, John <j@y>", "|Doe\nJohn|j@y\n" },
		{ "\"Doe, John\" <j@y>", "\"Doe, John\"|j@y\n" },
		{ "Group: a@x, b@y;", "|a@x\n|b@y\n" },
		{ "Group: a@x, b@y;, c@z", "|a@x\n|b@y\n|c@z\n" },
		{ "a@x, \"The Group\" : <b@y>,,root (c) ; , d@z", "|a@x\n|b@y\n|root\n|d@z\n" },
		{ "undisclosed-recipients:;", "" },
		{ "undisclosed-recipients: ; (none)", "" },
		{ "@route:a@x", "|a@x\n" },
		{ "<@r1,@r2:a@x>", "|a@x\n" },
		{ "Bob <@r1,,@[192.0.2.1] , @r3 : a@x>", "Bob|a@x\n" },
		{ "a@b.", "|a@b\n" },
		{ "<a@b.c.>", "|a@b.c\n" },
		{ "a(one(two(three)two)one)@b", "|a@b\n" },
		{ "(only a comment)", "" },
		{ "(c1) , (c2) a@b", "|a@b\n" },
		{ "(a (nested \\( ) comment", "!unbalanced parenthesis|(a (nested \\( ) comment\n" },
		{ "J\303\270ran <j\303\270ran@ex\303\244mple.org>", "J\303\270ran|j\303\270ran@ex\303\244mple.org\n" },
		{ "J\370ran <a@x>", "J\370ran|a@x\n" },
		{ "=?utf-8?q?B=2C_C?= <bob@example.org>", "=?utf-8?q?B=2C_C?=|bob@example.org\n" },
		{ "a@x,\r\n\tb@y,\r\n c@z", "|a@x\n|b@y\n|c@z\n" },
		{ "\"a\r\n b\" <a@x>", "\"a\r\n b\"|a@x\n" },
		{ "\"a\r\n b\"@x", "|a b@x\n" },
		{ "-leading-dash@example.org", "|-leading-dash@example.org\n" },
		{ "verp-bob=example.org@example.org", "|verp-bob=example.org@example.org\n" },
		{ "a@x <a@X>", "|a@x\n" },
	};

	(void)state;
	CHECK(cases);
}

static void
what_is_no_address_is_named(void **state)
{
	static const struct parse_case cases[] = {
		{ "<>", "!null sender|<>\n" },
		{ "<,>", "!null sender|<,>\n" },
		{ "<e2scrub@>", "!no domain|<e2scrub@>\n" },
		{ "e2scrub@, b@y", "|b@y\n!no domain|e2scrub@\n" },
		{ "@x", "!no local part|@x\n" },
		{ "<@x>", "!no local part|<@x>\n" },
		{ "@", "!no domain|@\n" },
		{ "a@x b@y", "!two addresses without a comma|a@x b@y\n" },
		{ "a@x b@y, c@z", "|c@z\n!two addresses without a comma|a@x b@y\n" },
		{ "<a@x> <b@y>", "!two addresses without a comma|<a@x> <b@y>\n" },
		{ "a@x <b@y>", "!two addresses without a comma|a@x <b@y>\n" },
		{ "a@x <A@x>", "!two addresses without a comma|a@x <A@x>\n" },
		{ "a@x <a@x,a@x>", "!two addresses without a comma|a@x <a@x,a@x>\n" },
		{ "<a@x b@y>", "!two addresses without a comma|<a@x b@y>\n" },
		{ "<a@x, b c@y>, d@z", "|d@z\n!several words but no address|<a@x, b c@y>\n" },
		{ "a@x@y", "!more than one @|a@x@y\n" },
		{ "John Doe", "!several words but no address|John Doe\n" },
		{ "root(Cron)Daemon", "!several words but no address|root(Cron)Daemon\n" },
		{ "a@exa(c)mple.org", "!two addresses without a comma|a@exa(c)mple.org\n" },
		{ "<John Doe>", "!several words but no address|<John Doe>\n" },
		{ "a..b@x", "!misplaced dot|a..b@x\n" },
		{ ".a@x", "!misplaced dot|.a@x\n" },
		{ "a.@x", "!misplaced dot|a.@x\n" },
		{ "a.", "!misplaced dot|a.\n" },
		{ "a@.x", "!misplaced dot|a@.x\n" },
		{ "a@x..y", "!misplaced dot|a@x..y\n" },
		{ "a@x..", "!misplaced dot|a@x..\n" },
		{ ". <a@x>", "!misplaced dot|. <a@x>\n" },
		{ "a@[192.0.2.1]b", "!two addresses without a comma|a@[192.0.2.1]b\n" },
		{ "a@[192.0.2.1].b", "!misplaced dot|a@[192.0.2.1].b\n" },
		{ "a@x.[192.0.2.1]", "!misplaced domain literal|a@x.[192.0.2.1]\n" },
		{ "a@[192\\.0.2.1]", "!malformed domain literal|a@[192\\.0.2.1]\n" },
		{ "a@[[192.0.2.1]", "!malformed domain literal|a@[[192.0.2.1]\n" },
		{ "[list] <a@x>, b@y", "|b@y\n!misplaced domain literal|[list] <a@x>\n" },
		{ "a\\b@x, c@y", "|c@y\n!backslash outside quotes|a\\b@x\n" },
		{ "a)@x, c@y", "|c@y\n!unbalanced parenthesis or bracket|a)@x\n" },
		{ "a]@x, c@y", "|c@y\n!unbalanced parenthesis or bracket|a]@x\n" },
		{ "a@x>, c@y", "|c@y\n!unbalanced angle bracket|a@x>\n" },
		{ "<a@x>>, c@y", "|c@y\n!unbalanced angle bracket|<a@x>>\n" },
		{ "<<a@x>, c@y", "|c@y\n!angle bracket not closed|<<a@x>\n" },
		{ "bob@x, <unclosed@y", "|bob@x\n!angle bracket not closed|<unclosed@y\n" },
		{ "U <unclosed@x, Bob <b@y>", "Bob|b@y\n!angle bracket not closed|U <unclosed@x\n" },
		{ "U <unclosed@x, b@y", "|b@y\n!angle bracket not closed|U <unclosed@x\n" },
		{ "a@x; b@y", "!semicolon outside a group|a@x; b@y\n" },
		{ "a@x; b@y, c@z", "|c@z\n!semicolon outside a group|a@x; b@y\n" },
		{ ";", "!semicolon outside a group|;\n" },
		{ "mailto:b@y, c@z", "|c@z\n!group without a semicolon|mailto:b@y\n" },
		{ ":a@x;", "!group without a name|:a@x;\n" },
		{ "G: a@x, H: b@y;, c@z", "|a@x\n|c@z\n!group within a group|H: b@y\n" },
		{ "G: a@x, b c, d@z; , e@q", "|a@x\n|d@z\n|e@q\n!several words but no address|b c\n" },
		{ "G: a@x; b@y, c@z", "|a@x\n|c@z\n!no comma after a group|b@y\n" },
		{ "G: a@x;;, c@z", "|a@x\n|c@z\n!no comma after a group|;\n" },
		{ "G: <a@x;>, c@z;", "|c@z\n!semicolon outside a group|<a@x;>\n" },
		{ "a@example.org Bcc: evil@example.org", "!two addresses without a comma|a@example.org Bcc: evil@example.org\n" },
		{ "a Bcc: evil@example.org", "!group without a semicolon|a Bcc: evil@example.org\n" },
		{ "<@r a@x>", "!no local part|<@r a@x>\n" },
		{ "@r1,@r2:a@x", "|a@x\n!no local part|@r1\n" },
	};

	(void)state;
	CHECK(cases);
}

/* Nothing of a field is used where a quote, comment or literal never ends. */
static void
run_aways_spoil_the_field(void **state)
{
	static const struct parse_case cases[] = {
		{ "a@x, \"b <c@y>, d@z", "!unbalanced quote|a@x, \"b <c@y>, d@z\n" },
		{ "a@x, \"b\\\"", "!unbalanced quote|a@x, \"b\\\"\n" },
		{ "a@x, \"b\\", "!unbalanced quote|a@x, \"b\\\n" },
		{ "a@x (c, b@y", "!unbalanced parenthesis|a@x (c, b@y\n" },
		{ "a@x ((c), b@y", "!unbalanced parenthesis|a@x ((c), b@y\n" },
		{ "a@x, b@[192.0.2.1, c@y", "!unbalanced square bracket|a@x, b@[192.0.2.1, c@y\n" },
	};

	(void)state;
	CHECK(cases);
}

/* The quoted forms may hold some control characters where they are only names; no address ever does. */
static void
control_characters_are_errors(void **state)
{
	static const struct parse_case cases[] = {
		{ "a@b\r\nRCPT TO:<c@d>", "!control character|a@b\r\nRCPT TO:<c@d>\n" },
		{ "a@b\nc@d", "!control character|a@b\nc@d\n" },
		{ "a@b\n c@d", "!control character|a@b\n c@d\n" },
		{ "a@b\r\n", "!control character|a@b\n" },
		{ "a@b\rc, d@e", "|d@e\n!control character|a@b\rc\n" },
		{ "a\001b@x, d@e", "|d@e\n!control character|a\001b@x\n" },
		{ "a@x\177y, d@e", "|d@e\n!control character|a@x\177y\n" },
		{ "\"a\r\nb\"@x, d@e", "|d@e\n!control character|\"a\r\nb\"@x\n" },
		{ "\"a\\\r\n b\"@x, d@e", "|d@e\n!control character|\"a\\\r\n b\"@x\n" },
		{ "\"a\\\nb\"@x, d@e", "|d@e\n!control character|\"a\\\nb\"@x\n" },
		{ "\"a\tb\"@x, d@e", "|d@e\n!control character|\"a\tb\"@x\n" },
		{ "\"a\nb\" <c@x>, d@e", "|d@e\n!control character|\"a\nb\" <c@x>\n" },
		{ "\"a\033$Bb\" <c@x>, d@e", "\"a\033$Bb\"|c@x\n|d@e\n" },
		{ "c@x (a\033b\tc), d@e", "|c@x\n|d@e\n" },
		{ "c@x (a\nb), d@e", "|d@e\n!control character|c@x (a\nb)\n" },
		{ "a@[192.0.2.1\n], d@e", "|d@e\n!malformed domain literal|a@[192.0.2.1\n]\n" },
	};
	static const char nul[] = "a\0b@x, \"c\0d\"@y, e@z\0.org, f@q";
	struct address_list l;

	(void)state;
	CHECK(cases);
	address_parse(&l, nul, sizeof(nul) - 1);
	assert_int_equal(l.count, 1);
	assert_int_equal(l.errors, 3);
	assert_string_equal(l.mailbox[0].local, "f");
	for (size_t i = 0; i < l.errors; i++)
		assert_string_equal(l.error[i].reason, "control character");
	address_free(&l);
}

static void
assert_span(const char *text, struct span s, const char *want)
{
	char *got = mem_ndup(text + s.start, s.end - s.start);

	assert_string_equal(got, want);
	free(got);
}

static void
places_in_the_input(void **state)
{
	static const char text[] = " \"B. C\" (x) <@r:b@y> (z) ,\r\n root(Cron(d)) , G: a . b @ x. ; , <c@p,d@q>";
	static const char *const element[] = { "\"B. C\" (x) <@r:b@y> (z)", "root(Cron(d))", "a . b @ x.", "<c@p,d@q>", "<c@p,d@q>" };
	static const char *const spec[] = { "b@y", "root", "a . b @ x.", "c@p", "d@q" };
	static const char *const comment[] = { "(x)", "(z)", "(Cron(d))" };
	struct address_list l;

	(void)state;
	address_parse(&l, text, sizeof(text) - 1);
	assert_int_equal(l.count, 5);
	assert_int_equal(l.errors, 0);
	for (size_t i = 0; i < l.count; i++) {
		assert_span(text, l.mailbox[i].element, element[i]);
		assert_span(text, l.mailbox[i].spec, spec[i]);
		assert_span(text, l.mailbox[i].name, i == 0 ? "\"B. C\"" : "");
	}
	assert_null(l.mailbox[1].domain);
	assert_int_equal(l.comments, 3);
	for (size_t i = 0; i < l.comments; i++)
		assert_span(text, l.comment[i], comment[i]);
	address_free(&l);
}

/* An error inside angle brackets or a group leaves nothing behind from its own element. */
static void
nothing_of_a_bad_element_stays(void **state)
{
	static const char text[] = "<a@x,b@y,c@z d>, <e@f>";
	struct address_list l;

	(void)state;
	address_parse(&l, text, sizeof(text) - 1);
	assert_int_equal(l.count, 1);
	assert_string_equal(l.mailbox[0].local, "e");
	assert_int_equal(l.errors, 1);
	assert_span(text, l.error[0].element, "<a@x,b@y,c@z d>");
	address_free(&l);
}

static void
repeat(struct buf *b, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_puts(b, s);
}

/* piece n times, after head and before tail: so many mailboxes and errors. */
static void
check_long(const char *head, const char *piece, size_t n, const char *tail, size_t count, size_t errors)
{
	struct address_list l;
	struct buf b = {0};

	buf_puts(&b, head);
	repeat(&b, piece, n);
	buf_puts(&b, tail);
	address_parse(&l, b.data, b.len);
	assert_int_equal(l.count, count);
	assert_int_equal(l.errors, errors);
	address_free(&l);
	buf_free(&b);
}

static void
long_inputs(void **state)
{
	(void)state;
	check_long("", "user@example.org, ", 5000, "", 5000, 0);
	check_long("", "x", 100000, "@y", 1, 0);
	check_long("", ",", 100000, "", 0, 0);
	check_long("", "<", 100000, "", 0, 1);
	check_long("", "<,", 50000, "", 0, 50000);
	check_long("", ">", 100000, "", 0, 1);
	check_long("", "(", 100000, "", 0, 1);
	check_long("", "((", 50000, "a", 0, 1);
	check_long("a@b (", "()", 50000, ")", 1, 0);
	check_long("", "(x)", 33333, "a@b", 1, 0);
	check_long("", "a:", 50000, ";", 0, 1);
	check_long("", "a:,", 33333, "", 0, 33333);
	check_long("", "a:b;,", 20000, "", 20000, 0);
	check_long("", "@a,", 33333, "", 0, 33333);
	check_long("<", "@a,", 33333, ":b@c>", 1, 0);
	check_long("<", "a,", 50000, "b c>", 0, 1);
	check_long("", "<a@b>,c d,", 10000, "", 10000, 10000);
	check_long("", "a.", 50000, "b@c", 1, 0);
	check_long("", "a ", 50000, "<b@c>", 1, 0);
	check_long("\"", "\\\"", 50000, "\"@b", 1, 0);
	check_long("", "\"\"", 50000, "@b", 0, 1);
	check_long("a@", "[", 100000, "", 0, 1);
	check_long("", "a@x <a@x>,", 10000, "", 10000, 0);
}

struct check_case {
	const char *local;
	const char *domain;
	const char *want;
};

#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN

static void
checked_for_smtp(void **state)
{
	static const struct check_case cases[] = {
		{ "a", "b", NULL },
		{ "a.b", "c.d-e.f_g", NULL },
		{ "john doe", "x.org", NULL },
		{ "a<b>\"c\\", "x.org", NULL },
		{ "a", "[192.0.2.1]", NULL },
		{ "a", "[IPv6:::1]", NULL },
		{ "a", "[ipv6:2001:db8::1]", NULL },
		{ "a", "[IPv6:2001:db8:1234:5678:9abc:def0:192.000.002.111]", "malformed domain literal" },
		{ "j\303\270ran", "ex\303\244mple.org", NULL },
		{ "j\370ran", "x", "not valid UTF-8" },
		{ "a", "x\370y", "not valid UTF-8" },
		{ "", "x", "no local part" },
		{ "a", "", "no domain" },
		{ "a\r\nRCPT TO:<c@d>", "x", "control character" },
		{ "a\tb", "x", "control character" },
		{ "a\177", "x", "control character" },
		{ "a", "x\r\nRCPT", "control character" },
		{ "a", "x y", "character in the domain that no domain has" },
		{ "a", "x>", "character in the domain that no domain has" },
		{ "a", "x@y", "character in the domain that no domain has" },
		{ "a", "x..y", "empty label in the domain" },
		{ "a", ".x", "empty label in the domain" },
		{ "a", "x.", "empty label in the domain" },
		{ "a", "[]", "malformed domain literal" },
		{ "a", "[", "malformed domain literal" },
		{ "a", "[192.0.2]", "malformed domain literal" },
		{ "a", "[192.0.2.256]", "malformed domain literal" },
		{ "a", "[::1]", "malformed domain literal" },
		{ "a", "[IPv6:::1", "malformed domain literal" },
		{ "a", "[IPv6:]", "malformed domain literal" },
		{ "a", "[x:y]", "malformed domain literal" },
		{ "a", "[" SIXTY SIXTY "]", "malformed domain literal" },
		{ SIXTY "1234", "x", NULL },
		{ SIXTY "12345", "x", "the local part is longer than 64 octets" },
		{ SIXTY " 1", "x", NULL },			/* with its quotes: 64 */
		{ SIXTY " 12", "x", "the local part is longer than 64 octets" },
		{ "a", SIXTY "123.x", NULL },
		{ "a", SIXTY "1234.x", "label of the domain longer than 63 octets" },
		{ TEN, SIXTY "." SIXTY "." SIXTY "." SIXTY, NULL },	/* 10 + 1 + 243 and the brackets: 256 */
		{ TEN "0", SIXTY "." SIXTY "." SIXTY "." SIXTY, "the address is longer than 254 octets" },
		{ "1234567890", SIXTY "." SIXTY "." SIXTY "." SIXTY "12345678901234567890",
		    "the domain is longer than 255 octets" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *got = address_check(cases[i].local, cases[i].domain);

		assert_string_equal(got == NULL ? "good" : got, cases[i].want == NULL ? "good" : cases[i].want);
	}
}

static void
path_of(const char *local, const char *domain, const char *want)
{
	char *got = address_path(local, domain);

	assert_string_equal(got, want);
	free(got);
}

static void
paths_are_quoted_where_they_must_be(void **state)
{
	(void)state;
	path_of("a", "x", "a@x");
	path_of("a.b+c=d", "x", "a.b+c=d@x");
	path_of("john doe", "x", "\"john doe\"@x");
	path_of("a<b>", "x", "\"a<b>\"@x");
	path_of("a\"b\\c", "x", "\"a\\\"b\\\\c\"@x");
	path_of("a@b", "x", "\"a@b\"@x");
	path_of("a..b", "x", "\"a..b\"@x");
	path_of(".a", "x", "\".a\"@x");
	path_of("a.", "x", "\"a.\"@x");
	path_of("j\303\270ran", "[IPv6:::1]", "j\303\270ran@[IPv6:::1]");
}

/* What address_path writes, address_parse reads as the same mailbox. */
static void
paths_survive_parsing(void **state)
{
	static const char *const locals[] = { "a", "a.b", "john doe", "<>", "a\"b", "a\\b", "(c)", "a,b;c:d", "..", "@", " ", "\303\270" };
	struct address_list l;
	char *path;

	(void)state;
	for (size_t i = 0; i < sizeof(locals) / sizeof(locals[0]); i++) {
		path = address_path(locals[i], "x.org");
		address_parse(&l, path, strlen(path));
		assert_int_equal(l.errors, 0);
		assert_int_equal(l.count, 1);
		assert_string_equal(l.mailbox[0].local, locals[i]);
		assert_string_equal(l.mailbox[0].domain, "x.org");
		address_free(&l);
		free(path);
	}
}

static void
same_mailbox(void **state)
{
	(void)state;
	assert_true(address_same("a@x.org", "a@X.ORG"));
	assert_false(address_same("a@x.org", "A@x.org"));
	assert_false(address_same("a@x.org", "a@x.net"));
	assert_false(address_same("a@x.org", "aa@x.org"));
	assert_false(address_same("\"a@x\"@y", "a@y"));
	assert_true(address_same("\"a@x\"@y", "\"a@x\"@Y"));
	assert_false(address_same("\"a@x\"@y", "\"a@X\"@y"));
	assert_true(address_same("", ""));
	assert_false(address_same("", "a@x"));
}

static void
needs_smtputf8(void **state)
{
	(void)state;
	assert_false(address_is_utf8("a@x"));
	assert_false(address_is_utf8(""));
	assert_true(address_is_utf8("\303\270@x"));
	assert_true(address_is_utf8("a@\303\270"));
}

static void
phrase_of(const char *name, const char *want)
{
	char *got = address_phrase(name);

	assert_string_equal(got, want);
	free(got);
}

static void
phrases(void **state)
{
	(void)state;
	phrase_of("John Doe", "John Doe");
	phrase_of("O'Neil-2", "O'Neil-2");
	phrase_of("John Q. Public", "\"John Q. Public\"");
	phrase_of("a \"Q\" (x)", "\"a \\\"Q\\\" (x)\"");
	phrase_of("back\\slash", "\"back\\\\slash\"");
	phrase_of("two  blanks", "\"two  blanks\"");
	phrase_of(" a", "\" a\"");
	phrase_of("a ", "\"a \"");
	phrase_of("", "\"\"");
	phrase_of("a\r\nBcc: x@y", "\"a  Bcc: x@y\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc5322_appendix_a),
		cmocka_unit_test(what_callers_write),
		cmocka_unit_test(what_is_no_address_is_named),
		cmocka_unit_test(run_aways_spoil_the_field),
		cmocka_unit_test(control_characters_are_errors),
		cmocka_unit_test(places_in_the_input),
		cmocka_unit_test(nothing_of_a_bad_element_stays),
		cmocka_unit_test(long_inputs),
		cmocka_unit_test(checked_for_smtp),
		cmocka_unit_test(paths_are_quoted_where_they_must_be),
		cmocka_unit_test(paths_survive_parsing),
		cmocka_unit_test(same_mailbox),
		cmocka_unit_test(needs_smtputf8),
		cmocka_unit_test(phrases),
	};

	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
