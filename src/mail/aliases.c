/*
 * The alias file without local delivery: see aliases.h. Syntax as in aliases(5) of Sendmail 8 and Postfix.
 *
 * Expansion visits each alias and each included file once, whatever refers to it; its recursion is bounded by DEPTH_MAX. Included files
 * are opened without following a link, must be root's, and nobody else may be able to write them.
 */
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>
#include "mail/address.h"
#include "mail/aliases.h"
#include "mail/unique.h"
#include "mem.h"

#define FILE_MAX	(16 * 1024 * 1024)	/* octets of the alias file */
#define INCLUDE_MAX	(1024 * 1024)		/* octets of an included file */
#define INCLUDES_MAX	100
#define RESULTS_MAX	10000
#define DEPTH_MAX	50
#define BLANKS		" \t\r"

/* Where a problem is, and whom to tell. */
struct place {
	const char *path;
	unsigned line;
	aliases_complain complain;
	void *arg;
};

static void complain(const struct place *at, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
complain(const struct place *at, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (at->complain == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	at->complain(at->arg, at->path, at->line, text);
}

/* Files */

static const char *
check_file(int fd, size_t max, bool include)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	if (include && st.st_uid != 0)
		return "not owned by root";
	if (include && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return "others than root can write it";
	if (st.st_size > (off_t)max)
		return "too large";
	return NULL;
}

/* The whole file, at most max octets. NULL, or why not: static text, or strerror's. */
static const char *
read_file(struct buf *out, const char *path, size_t max, bool include)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (include ? O_NOFOLLOW : 0));
	const char *reason;
	ssize_t n = 1;

	if (fd == -1)
		return strerror(errno);
	reason = check_file(fd, max, include);
	while (reason == NULL && n != 0) {
		n = read(fd, buf_room(out, 16384), 16384);
		if (n == -1 && errno != EINTR)
			reason = strerror(errno);
		if (n > 0)
			out->len += (size_t)n;
		if (out->len > max)
			reason = "too large";
		buf_end(out);
	}
	(void)close(fd);
	return reason;
}

/* The next line as a string, without its end and the blanks there; NULL at the end of the file. A NUL in it ends what is seen of it. */
static char *
next_line(struct buf *file, size_t *offset)
{
	char *line = file->data + *offset, *end;
	size_t left = file->len - *offset, len;

	if (file->len == 0 || left == 0)
		return NULL;
	end = memchr(line, '\n', left);
	len = end != NULL ? (size_t)(end - line) : left;
	*offset += end != NULL ? len + 1 : len;
	line[len] = '\0';
	for (len = strlen(line); len > 0 && strchr(BLANKS, line[len - 1]) != NULL; len--)
		line[len - 1] = '\0';
	return line;
}

/* Reading the alias file */

struct loader {
	struct aliases *a;
	size_t size;
	struct buf entry;	/* name and values with their continuation lines */
	struct place at;	/* its first line */
};

static void
lower(char *s)
{
	for (; *s != '\0'; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
}

/* The name at *s, quoted or not, up to behind the colon; NULL if there is none. The caller frees it. */
static char *
take_name(const char **s)
{
	struct buf name = {0};
	const char *p = *s;

	if (*p == '"') {
		for (p++; *p != '\0' && *p != '"'; p++) {
			if (*p == '\\' && p[1] != '\0')
				p++;
			buf_putc(&name, *p);
		}
		if (*p == '"')
			p++;
	} else
		for (; *p != '\0' && strchr(" \t:\"\\@,;<>()", *p) == NULL; p++)
			buf_putc(&name, *p);
	p += strspn(p, BLANKS);
	if (*p != ':' || name.len == 0) {
		buf_free(&name);
		return NULL;
	}
	*s = p + 1 + strspn(p + 1, BLANKS);
	lower(name.data);
	return name.data;
}

/* The entry that has been collected becomes an alias. */
static void
finish_entry(struct loader *l)
{
	struct aliases *a = l->a;
	const char *s = buf_str(&l->entry);
	char *name;

	if (*s == '\0')
		return;
	if ((name = take_name(&s)) == NULL)
		complain(&l->at, "not of the form \"name: values\", skipped: %.100s", buf_str(&l->entry));
	else if (*s == '\0') {
		complain(&l->at, "alias \"%.64s\" has no value, skipped", name);
		free(name);
	} else {
		if (a->count == l->size) {
			l->size = l->size == 0 ? 64 : l->size * 2;
			a->alias = mem_grow(a->alias, l->size, sizeof(*a->alias));
		}
		a->alias[a->count++] = (struct alias){ .name = name, .value = mem_dup(s), .line = l->at.line };
	}
	buf_reset(&l->entry);
}

static void
read_entries(struct loader *l, struct buf *file)
{
	const char *line, *s;
	size_t offset = 0;
	unsigned number = 0;

	while ((line = next_line(file, &offset)) != NULL) {
		number++;
		s = line + strspn(line, BLANKS);
		if (*s == '\0' || *s == '#')
			continue;
		if (s == line) {
			finish_entry(l);
			l->at.line = number;
		} else if (l->entry.len == 0) {
			l->at.line = number;
			complain(&l->at, "continues nothing, skipped: %.100s", s);
			continue;
		} else
			buf_putc(&l->entry, ' ');
		buf_puts(&l->entry, s);
	}
	finish_entry(l);
}

static int
compare_aliases(const void *a, const void *b)
{
	const struct alias *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

/* Sorted, and of each name only the first one of the file kept. */
static void
sort_aliases(struct loader *l)
{
	struct aliases *a = l->a;
	size_t kept = 0;

	if (a->count == 0)
		return;
	qsort(a->alias, a->count, sizeof(*a->alias), compare_aliases);
	for (size_t i = 1; i < a->count; i++) {
		struct alias *first = &a->alias[kept], *next = &a->alias[i];

		if (strcmp(first->name, next->name) != 0) {
			a->alias[++kept] = *next;
			continue;
		}
		l->at.line = next->line;
		complain(&l->at, "alias \"%.64s\" again, skipped: line %u has it", next->name, first->line);
		free(next->name);
		free(next->value);
	}
	a->count = kept + 1;
}

int
aliases_load(struct aliases *a, const char *path, aliases_complain report, void *arg, struct outcome *o)
{
	struct loader l = { .a = a, .at = { path, 0, report, arg } };
	struct buf file = {0};
	const char *reason;

	memset(a, 0, sizeof(*a));
	if (path == NULL)
		return 0;
	if ((reason = read_file(&file, path, FILE_MAX, false)) != NULL) {
		buf_free(&file);
		return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_UNREADABLE, reason, "cannot read alias file %.256s", path);
	}
	a->path = mem_dup(path);
	read_entries(&l, &file);
	sort_aliases(&l);
	buf_free(&l.entry);
	buf_free(&file);
	return 0;
}

void
aliases_free(struct aliases *a)
{
	for (size_t i = 0; i < a->count; i++) {
		free(a->alias[i].name);
		free(a->alias[i].value);
	}
	free(a->alias);
	free(a->path);
	memset(a, 0, sizeof(*a));
}

/* Expansion */

enum visit { UNSEEN, OPEN, DONE };

struct expansion {
	const struct aliases *a;
	unsigned char *visit;		/* enum visit, one for each alias */
	char *included[INCLUDES_MAX];
	size_t includes;
	unsigned depth;
	char **result;
	size_t count;
	size_t size;
	bool full;
	struct place at;
	const struct alias *alias;	/* the one whose values are being read */
};

static void expand_values(struct expansion *x, const char *values);

static ptrdiff_t
find_alias(const struct aliases *a, const char *name)
{
	char *key = mem_dup(name);
	size_t low = 0, high = a->count, mid;
	int order = 1;

	lower(key);
	while (low < high && order != 0) {
		mid = low + (high - low) / 2;
		order = strcmp(key, a->alias[mid].name);
		if (order < 0)
			high = mid;
		else if (order > 0)
			low = mid + 1;
		else
			low = mid;
	}
	free(key);
	return order == 0 ? (ptrdiff_t)low : -1;
}

/* Takes the string. */
static void
add_result(struct expansion *x, char *result)
{
	if (x->count == RESULTS_MAX) {
		if (!x->full)
			complain(&x->at, "more than %d addresses, the rest skipped", RESULTS_MAX);
		x->full = true;
		free(result);
		return;
	}
	if (x->count == x->size) {
		x->size = x->size == 0 ? 8 : x->size * 2;
		x->result = mem_grow(x->result, x->size, sizeof(*x->result));
	}
	x->result[x->count++] = result;
}

/* A bare name as address_parse would read it back. */
static void
add_bare(struct expansion *x, const char *name)
{
	char *s = address_path(name, "");

	s[strlen(s) - 1] = '\0';
	add_result(x, s);
}

/* One level down; false (and a complaint) where it is too deep. */
static bool
descend(struct expansion *x, const char *what)
{
	if (x->depth == DEPTH_MAX) {
		complain(&x->at, "\"%.100s\" nested more than %d deep, skipped", what, DEPTH_MAX);
		return false;
	}
	x->depth++;
	return true;
}

static void
expand_alias(struct expansion *x, size_t i)
{
	const struct alias *alias = &x->a->alias[i], *outer = x->alias;
	struct place at = x->at;

	if (x->visit[i] == OPEN)
		complain(&x->at, "alias \"%.64s\" leads back to itself", alias->name);
	if (x->visit[i] != UNSEEN || !descend(x, alias->name))
		return;
	x->visit[i] = OPEN;
	x->alias = alias;
	x->at.path = x->a->path;
	x->at.line = alias->line;
	expand_values(x, alias->value);
	x->at = at;
	x->alias = outer;
	x->visit[i] = DONE;
	x->depth--;
}

static void
expand_bare(struct expansion *x, const char *name)
{
	ptrdiff_t i = find_alias(x->a, name);

	if (i == -1 || &x->a->alias[i] == x->alias)
		add_bare(x, name);
	else
		expand_alias(x, (size_t)i);
}

static bool
is_included(struct expansion *x, const char *path)
{
	for (size_t i = 0; i < x->includes; i++)
		if (strcmp(x->included[i], path) == 0)
			return true;
	return false;
}

/* Names in an included file that refer to the alias which includes it lead back to it, they do not name themselves. */
static void
expand_include(struct expansion *x, const char *path)
{
	const struct alias *outer = x->alias;
	struct place at = x->at;
	struct buf file = {0};
	const char *line, *reason = NULL;
	size_t offset = 0;

	if (is_included(x, path) || !descend(x, path))
		return;
	if (x->includes == INCLUDES_MAX)
		reason = "too many included files";
	else if (*path != '/')
		reason = "its name does not begin with a slash";
	else {
		x->included[x->includes++] = mem_dup(path);
		reason = read_file(&file, path, INCLUDE_MAX, true);
	}
	if (reason != NULL)
		complain(&x->at, "cannot include %.100s, skipped: %s", path, reason);
	x->alias = NULL;
	x->at.path = path;
	x->at.line = 0;
	while (reason == NULL && (line = next_line(&file, &offset)) != NULL) {
		x->at.line++;
		line += strspn(line, BLANKS);
		if (*line != '#')
			expand_values(x, line);
	}
	x->at = at;
	x->alias = outer;
	x->depth--;
	buf_free(&file);
}

/* final: bare names have no alias. */
static void
expand_address(struct expansion *x, const char *text, bool final)
{
	struct address_list list;
	const char *reason;

	address_parse(&list, text, strlen(text));
	for (size_t i = 0; i < list.errors; i++)
		complain(&x->at, "\"%.100s\" is no address, skipped: %s", text, list.error[i].reason);
	for (size_t i = 0; i < list.count; i++) {
		const struct mailbox *m = &list.mailbox[i];

		bool local = address_is_local(m->domain, x->a->host);

		if (local && final)
			add_bare(x, m->local);
		else if (local)
			expand_bare(x, m->local);
		else if ((reason = address_check(m->local, m->domain)) != NULL)
			complain(&x->at, "\"%.100s\" cannot be sent to, skipped: %s", text, reason);
		else
			add_result(x, address_path(m->local, m->domain));
	}
	address_free(&list);
}

/* What a value in quotes says, if it is a command, a file or an include; else NULL. The caller frees it. */
static char *
unquote_special(const char *value)
{
	struct buf b = {0};

	if (*value != '"' || (value[1] != '|' && value[1] != '/' && value[1] != ':'))
		return NULL;
	for (const char *s = value + 1; *s != '\0' && *s != '"'; s++) {
		if (*s == '\\' && s[1] != '\0')
			s++;
		buf_putc(&b, *s);
	}
	return b.data;
}

static void
expand_value(struct expansion *x, const char *text)
{
	char *special = unquote_special(text);
	const char *value = special != NULL ? special : text;

	if (*value == '|')
		complain(&x->at, "commands are never run, skipped: %.100s", value);
	else if (*value == '/')
		complain(&x->at, "files are never written, skipped: %.100s", value);
	else if (strncasecmp(value, ":include:", 9) == 0)
		expand_include(x, value + 9 + strspn(value + 9, BLANKS));
	else if (*value == '\\')
		expand_address(x, value + 1, true);
	else
		expand_address(x, value, false);
	free(special);
}

/* The end of the value that begins at s: a comma outside quotes, or the end. */
static const char *
value_end(const char *s)
{
	bool quoted = false;

	for (; *s != '\0' && (quoted || *s != ','); s++) {
		if (*s == '"')
			quoted = !quoted;
		else if (*s == '\\' && s[1] != '\0')
			s++;
	}
	return s;
}

static void
expand_values(struct expansion *x, const char *values)
{
	const char *s = values, *end;
	char *value;
	size_t len;

	while (!x->full) {
		s += strspn(s, BLANKS ",");
		if (*s == '\0')
			return;
		end = value_end(s);
		for (len = (size_t)(end - s); len > 0 && strchr(BLANKS, s[len - 1]) != NULL; len--)
			;
		value = mem_ndup(s, len);
		expand_value(x, value);
		free(value);
		s = end;
	}
}

/* Each result once, the first of those that are alike. */
static void
drop_duplicates(struct expansion *x)
{
	bool *again = mem_alloc(x->count * sizeof(*again));
	size_t kept = 0;

	unique_mark((const char *const *)x->result, x->count, again);
	for (size_t i = 0; i < x->count; i++) {
		if (again[i])
			free(x->result[i]);
		else
			x->result[kept++] = x->result[i];
	}
	x->count = kept;
	free(again);
}

size_t
aliases_expand(const struct aliases *a, const char *name, char ***out, bool *found, aliases_complain report, void *arg)
{
	struct expansion x = { .a = a, .at = { a->path, 0, report, arg } };
	ptrdiff_t i = *name == '\\' ? -1 : find_alias(a, name);

	*out = NULL;
	*found = i != -1 || *name == '\\';
	if (!*found)
		return 0;
	x.visit = mem_alloc(a->count);
	if (i == -1)
		add_bare(&x, name + 1);
	else
		expand_alias(&x, (size_t)i);
	drop_duplicates(&x);
	for (size_t k = 0; k < x.includes; k++)
		free(x.included[k]);
	free(x.visit);
	*out = x.result;
	return x.count;
}
