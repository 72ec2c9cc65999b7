/*
 * The alias file: what is read from it, what a name leads to, and what it must never do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>
#include <cmocka.h>
#include "mail/aliases.h"
#include "mem.h"

/* A directory of its own for each test, and what was complained of: "line: text", a line each. */
struct fixture {
	char dir[64];
	struct buf said;
	struct aliases a;
};

static int
setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	strlcpy(f->dir, "/tmp/test-aliases.XXXXXX", sizeof(f->dir));
	*state = f;
	return mkdtemp(f->dir) == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	static const char *const names[] = { "aliases", "list", "other", "link", "pipe", "sub" };
	struct fixture *f = *state;
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
		(void)remove(path);
	}
	(void)rmdir(f->dir);
	aliases_free(&f->a);
	buf_free(&f->said);
	free(f);
	return 0;
}

static void
hear(void *arg, const char *path, unsigned line, const char *text)
{
	struct fixture *f = arg;

	assert_non_null(path);
	buf_printf(&f->said, "%u: %s\n", line, text);
}

static void
path_of(const struct fixture *f, const char *name, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/%s", f->dir, name);
}

static void
write_file(const struct fixture *f, const char *name, const char *text, size_t len)
{
	char path[128];
	FILE *fp;

	path_of(f, name, path, sizeof(path));
	fp = fopen(path, "w");
	assert_non_null(fp);
	assert_int_equal(fwrite(text, 1, len, fp), len);
	assert_int_equal(fclose(fp), 0);
	assert_int_equal(chmod(path, 0644), 0);
}

/* Writes and loads the alias file; %s in it becomes the directory. */
static void
load(struct fixture *f, const char *text)
{
	struct buf b = {0};
	struct outcome o;
	char path[128];

	for (const char *s = text; *s != '\0'; s++) {
		if (s[0] == '%' && s[1] == 's') {
			buf_puts(&b, f->dir);
			s++;
		} else
			buf_putc(&b, *s);
	}
	write_file(f, "aliases", buf_str(&b), b.len);
	buf_free(&b);
	path_of(f, "aliases", path, sizeof(path));
	assert_int_equal(aliases_load(&f->a, path, hear, f, &o), 0);
}

/* What a name leads to, joined by blanks; "(nothing)", "(no alias)". */
static void
expands(struct fixture *f, const char *name, const char *want)
{
	struct buf b = {0};
	char **out;
	bool found;
	size_t n = aliases_expand(&f->a, name, &out, &found, hear, f);

	assert_true(found || n == 0);
	if (n == 0)
		buf_puts(&b, found ? "(nothing)" : "(no alias)");
	for (size_t i = 0; i < n; i++) {
		buf_printf(&b, "%s%s", i == 0 ? "" : " ", out[i]);
		free(out[i]);
	}
	free(out);
	assert_string_equal(b.data, want);
	buf_free(&b);
}

static void
said(struct fixture *f, const char *want)
{
	assert_string_equal(buf_str(&f->said), want);
	buf_reset(&f->said);
}

static void
names_and_values(void **state)
{
	struct fixture *f = *state;

	load(f,
	    "# comment\n"
	    "Root:\tadmin@example.com\r\n"
	    "   \n"
	    "team : a@x.org, Bob <b@y.org>,\n"
	    "# in between\n"
	    "\tc@z.org ,\n"
	    "  # indented comment\n"
	    " carol\n"
	    "\"quoted name\": q@x.org\n"
	    "colon: \"john: doe\"@x.org\n"
	    "last: a@x.org, a@x.org");
	said(f, "");
	assert_int_equal(f->a.count, 5);
	expands(f, "root", "admin@example.com");
	expands(f, "ROOT", "admin@example.com");
	expands(f, "team", "a@x.org b@y.org c@z.org carol");
	expands(f, "quoted name", "q@x.org");
	expands(f, "colon", "\"john: doe\"@x.org");
	expands(f, "last", "a@x.org");
	expands(f, "nobody", "(no alias)");
	expands(f, "tea", "(no alias)");
	expands(f, "", "(no alias)");
	said(f, "");
}

static void
names_lead_to_names(void **state)
{
	struct fixture *f = *state;

	load(f,
	    "postmaster: root\n"
	    "root: Admins, carol\n"
	    "admins: alice, a@x.org, \\root\n"
	    "alice: alice, alice@y.org\n"
	    "odd: \"two words\", \\alice\n");
	expands(f, "postmaster", "alice alice@y.org a@x.org root carol");
	expands(f, "alice", "alice alice@y.org");
	expands(f, "odd", "\"two words\" alice");
	expands(f, "\\root", "root");
	said(f, "");
}

static void
loops_end(void **state)
{
	struct fixture *f = *state;

	load(f, "a: b\nb: c, b@x\nc: a, c@x\nd: e\ne: d\n");
	expands(f, "a", "c@x b@x");
	said(f, "3: alias \"a\" leads back to itself\n");
	expands(f, "d", "(nothing)");
	said(f, "5: alias \"d\" leads back to itself\n");
}

/* Two ways to the same alias are no loop. */
static void
diamonds_are_no_loops(void **state)
{
	struct fixture *f = *state;

	load(f, "a: b, c\nb: d\nc: d\nd: d@x\n");
	expands(f, "a", "d@x");
	said(f, "");
}

static void
no_commands_no_files(void **state)
{
	struct fixture *f = *state;
	char path[128];

	load(f,
	    "run: |/bin/touch %s/list\n"
	    "quoted: \"|/bin/touch %s/list, x\", a@x\n"
	    "file: /dev/null\n"
	    "qfile: \"%s/list\"\n"
	    "error: error:5.7.1 no\n");
	expands(f, "run", "(nothing)");
	expands(f, "quoted", "a@x");
	assert_non_null(strstr(buf_str(&f->said), "1: commands are never run, skipped: |/bin/touch"));
	assert_non_null(strstr(buf_str(&f->said), "2: commands are never run, skipped: |/bin/touch"));
	buf_reset(&f->said);
	expands(f, "file", "(nothing)");
	said(f, "3: files are never written, skipped: /dev/null\n");
	expands(f, "qfile", "(nothing)");
	assert_non_null(strstr(buf_str(&f->said), "4: files are never written, skipped: "));
	buf_reset(&f->said);
	expands(f, "error", "(nothing)");
	said(f, "5: \"error:5.7.1 no\" is no address, skipped: group without a semicolon\n");
	path_of(f, "list", path, sizeof(path));
	assert_int_equal(access(path, F_OK), -1);
}

static void
bad_lines_are_named(void **state)
{
	struct fixture *f = *state;

	load(f,
	    " lost: x@y\n"
	    "no colon here\n"
	    ": no name\n"
	    "empty:\n"
	    "a@b: c@d\n"
	    "\"open: a@x\n"
	    "root: first@x\n"
	    "ROOT: second@x\n"
	    "bad: a@x b@y, good@x, c@-/d\n");
	said(f,
	    "1: continues nothing, skipped: lost: x@y\n"
	    "2: not of the form \"name: values\", skipped: no colon here\n"
	    "3: not of the form \"name: values\", skipped: : no name\n"
	    "4: alias \"empty\" has no value, skipped\n"
	    "5: not of the form \"name: values\", skipped: a@b: c@d\n"
	    "6: not of the form \"name: values\", skipped: \"open: a@x\n"
	    "8: alias \"root\" again, skipped: line 7 has it\n");
	expands(f, "root", "first@x");
	expands(f, "bad", "good@x");
	said(f,
	    "9: \"a@x b@y\" is no address, skipped: two addresses without a comma\n"
	    "9: \"c@-/d\" cannot be sent to, skipped: character in the domain that no domain has\n");
}

static void
no_file_and_unreadable_files(void **state)
{
	struct fixture *f = *state;
	struct outcome o;
	char path[128];

	assert_int_equal(aliases_load(&f->a, NULL, hear, f, &o), 0);
	assert_int_equal(f->a.count, 0);
	expands(f, "root", "(no alias)");
	path_of(f, "list", path, sizeof(path));
	assert_int_equal(aliases_load(&f->a, path, hear, f, &o), -1);
	assert_int_equal(o.status, EX_CONFIG);
	assert_int_equal(o.cause, CAUSE_CONFIG_UNREADABLE);
	assert_non_null(strstr(o.what, path));
	assert_string_equal(o.why, "No such file or directory");
	assert_int_equal(aliases_load(&f->a, f->dir, hear, f, &o), -1);
	assert_int_equal(o.status, EX_CONFIG);
	assert_string_equal(o.why, "not a regular file");
	path_of(f, "pipe", path, sizeof(path));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(aliases_load(&f->a, path, hear, f, &o), -1);
	assert_string_equal(o.why, "not a regular file");
	load(f, "");
	assert_int_equal(f->a.count, 0);
	expands(f, "root", "(no alias)");
}

static void
too_large_is_refused(void **state)
{
	struct fixture *f = *state;
	struct outcome o;
	char path[128];

	write_file(f, "list", "root: a@x\n", 10);
	path_of(f, "list", path, sizeof(path));
	assert_int_equal(truncate(path, 16 * 1024 * 1024 + 1), 0);
	assert_int_equal(aliases_load(&f->a, path, hear, f, &o), -1);
	assert_string_equal(o.why, "too large");
}

/* Only root can make files that are root's: for anybody else, that theirs are refused is all there is to see. */
static bool
refused_unless_root(struct fixture *f, const char *name, const char *want)
{
	if (getuid() == 0)
		return false;
	expands(f, name, want);
	assert_non_null(strstr(buf_str(&f->said), "not owned by root"));
	return true;
}

static void
included_files(void **state)
{
	static const char list[] = "# members\n\na@x.org\n  Bob <b@y.org>, carol  \n|/bin/false\nroot\nbroken b@y\n";
	struct fixture *f = *state;

	load(f, "list: :include:%s/list, z@x.org\nquoted: \":include: %s/list\"\nroot: r@x.org\n");
	write_file(f, "list", list, sizeof(list) - 1);
	if (refused_unless_root(f, "list", "z@x.org"))
		return;
	expands(f, "list", "a@x.org b@y.org carol r@x.org z@x.org");
	said(f,
	    "5: commands are never run, skipped: |/bin/false\n"
	    "7: \"broken b@y\" is no address, skipped: several words but no address\n");
	expands(f, "quoted", "a@x.org b@y.org carol r@x.org");
}

static void
included_files_do_not_loop(void **state)
{
	struct fixture *f = *state;
	struct buf b = {0};

	load(f, "list: :include:%s/list\nlist2: :include:%s/list\n");
	buf_printf(&b, ":include:%s/list\n:include:%s/other\nlist\na@x\n", f->dir, f->dir);
	write_file(f, "list", b.data, b.len);
	write_file(f, "other", b.data, b.len);
	buf_free(&b);
	if (refused_unless_root(f, "list", "(nothing)"))
		return;
	expands(f, "list", "a@x");
	said(f, "3: alias \"list\" leads back to itself\n3: alias \"list\" leads back to itself\n");
}

static void
refuses_include(struct fixture *f, const char *why)
{
	expands(f, "list", "(nothing)");
	assert_non_null(strstr(buf_str(&f->said), "1: cannot include "));
	assert_non_null(strstr(buf_str(&f->said), why));
	buf_reset(&f->said);
}

static void
unsafe_includes_are_refused(void **state)
{
	struct fixture *f = *state;
	char list[128], link[128];

	load(f, "list: :include:%s/list\nrel: :include:list\n");
	path_of(f, "list", list, sizeof(list));
	path_of(f, "link", link, sizeof(link));
	refuses_include(f, "No such file");
	expands(f, "rel", "(nothing)");
	said(f, "2: cannot include list, skipped: its name does not begin with a slash\n");
	assert_int_equal(mkdir(list, 0755), 0);
	refuses_include(f, "not a regular file");
	assert_int_equal(rmdir(list), 0);
	assert_int_equal(mkfifo(list, 0644), 0);
	refuses_include(f, "not a regular file");
	assert_int_equal(unlink(list), 0);
	write_file(f, "other", "a@x\n", 4);
	assert_int_equal(symlink("other", list), 0);
	refuses_include(f, "symbolic link");
	assert_int_equal(unlink(list), 0);
}

static void
includes_of_others_are_refused(void **state)
{
	struct fixture *f = *state;
	char list[128];

	load(f, "list: :include:%s/list\n");
	write_file(f, "list", "a@x\n", 4);
	if (refused_unless_root(f, "list", "(nothing)"))
		return;
	path_of(f, "list", list, sizeof(list));
	expands(f, "list", "a@x");
	assert_int_equal(chmod(list, 0664), 0);
	refuses_include(f, "others than root can write it");
	assert_int_equal(chmod(list, 0646), 0);
	refuses_include(f, "others than root can write it");
	assert_int_equal(chmod(list, 0644), 0);
	assert_int_equal(chown(list, 1, 0), 0);
	refuses_include(f, "not owned by root");
	assert_int_equal(chown(list, 0, 0), 0);
	assert_int_equal(truncate(list, 1024 * 1024 + 1), 0);
	refuses_include(f, "too large");
}

static void
bounded_depth(void **state)
{
	struct fixture *f = *state;
	struct buf b = {0};
	char **out;
	bool found;
	size_t n;

	for (int i = 0; i < 60; i++)
		buf_printf(&b, "n%d: n%d, n%d@x\n", i, i + 1, i);
	load(f, b.data);
	buf_free(&b);
	assert_int_equal(f->a.count, 60);
	expands(f, "n15", "n60 n59@x n58@x n57@x n56@x n55@x n54@x n53@x n52@x n51@x n50@x n49@x n48@x n47@x n46@x n45@x n44@x n43@x n42@x "
	    "n41@x n40@x n39@x n38@x n37@x n36@x n35@x n34@x n33@x n32@x n31@x n30@x n29@x n28@x n27@x n26@x n25@x n24@x n23@x n22@x n21@x "
	    "n20@x n19@x n18@x n17@x n16@x n15@x");
	said(f, "");
	expands(f, "n59", "n60 n59@x");
	n = aliases_expand(&f->a, "n0", &out, &found, hear, f);
	assert_int_equal(n, 50);
	while (n > 0)
		free(out[--n]);
	free(out);
	said(f, "50: \"n50\" nested more than 50 deep, skipped\n");
}

/* Many aliases that all lead to all: each is visited once. */
static void
bounded_results(void **state)
{
	struct fixture *f = *state;
	struct buf b = {0};
	char **out;
	bool found;
	size_t n;

	buf_puts(&b, "all: x@y");
	for (int i = 0; i < 12000; i++)
		buf_printf(&b, ",\n a%d@x", i);
	for (int i = 0; i < 200; i++) {
		buf_printf(&b, "\nt%d: x@y", i);
		for (int k = 0; k < 200; k++)
			buf_printf(&b, ", t%d", k);
	}
	load(f, b.data);
	buf_free(&b);
	n = aliases_expand(&f->a, "all", &out, &found, hear, f);
	assert_int_equal(n, 10000);
	assert_string_equal(out[0], "x@y");
	assert_string_equal(out[9999], "a9998@x");
	while (n > 0)
		free(out[--n]);
	free(out);
	said(f, "1: more than 10000 addresses, the rest skipped\n");
	n = aliases_expand(&f->a, "t7", &out, &found, NULL, NULL);
	assert_true(found);
	assert_in_range(n, 1, 201);
	assert_string_equal(out[0], "x@y");
	while (n > 0)
		free(out[--n]);
	free(out);
}

static void
hostile_octets(void **state)
{
	static const char text[] = "nul\0: a@x\nok: a@x\0b@y\nctl: a\001@x, b@x\nutf: j\303\270ran@x\nesc\\: x\n";
	struct fixture *f = *state;
	struct outcome o;
	char path[128];

	write_file(f, "aliases", text, sizeof(text) - 1);
	path_of(f, "aliases", path, sizeof(path));
	assert_int_equal(aliases_load(&f->a, path, hear, f, &o), 0);
	expands(f, "ok", "a@x");
	expands(f, "ctl", "b@x");
	expands(f, "utf", "j\303\270ran@x");
	expands(f, "nul", "(no alias)");
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(names_and_values),
		WITH_FIXTURE(names_lead_to_names),
		WITH_FIXTURE(loops_end),
		WITH_FIXTURE(diamonds_are_no_loops),
		WITH_FIXTURE(no_commands_no_files),
		WITH_FIXTURE(bad_lines_are_named),
		WITH_FIXTURE(no_file_and_unreadable_files),
		WITH_FIXTURE(too_large_is_refused),
		WITH_FIXTURE(included_files),
		WITH_FIXTURE(included_files_do_not_loop),
		WITH_FIXTURE(unsafe_includes_are_refused),
		WITH_FIXTURE(includes_of_others_are_refused),
		WITH_FIXTURE(bounded_depth),
		WITH_FIXTURE(bounded_results),
		WITH_FIXTURE(hostile_octets),
	};

	return cmocka_run_group_tests_name("aliases", tests, NULL, NULL);
}
