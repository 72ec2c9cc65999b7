/*
 * Any octets as JSON from outside. Never is anything read beyond them. Of what passes, nothing cut short passes and nothing with more behind it but blanks; each member of
 * the object is found by its name, and no two have the same; what is taken out, is written and is taken out again is the same, and is the same wherever it stands in the
 * text.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "must.h"
#include "json.h"
#include "json_read.h"

#define MEMBERS_MAX	64	/* that are looked at */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_object(const char *p, size_t n)
{
	char *text = must_copy(p, n);
	bool r = json_is_object(text, n);

	free(text);
	return r;
}

static bool
same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* ---- a plain reading of what has passed ---- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Behind the string that begins here. */
static const char *
behind_string(const char *p)
{
	for (p++; *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p + 1;
}

/* Behind the value, and the blanks, that begin here: at the comma or bracket that ends it. */
static const char *
behind_value(const char *p)
{
	int depth = 0;

	while (depth > 0 || (*p != ',' && *p != '}' && *p != ']')) {
		if (*p == '"') {
			p = behind_string(p);
			continue;
		}
		depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
		p++;
	}
	return p;
}

struct place {
	const char *name, *value, *end;	/* each from its first octet; the value's end, blanks not in it */
};

static size_t
places(const char *p, struct place *place)
{
	size_t count = 0;

	p = strchr(p, '{');
	while (count < MEMBERS_MAX && (*p == '{' || *p == ',')) {
		for (p++; is_blank(*p); p++)
			;
		if (*p != '"')
			break;	/* the object is empty */
		place[count].name = p;
		for (p = behind_string(p); *p == ':' || is_blank(*p); p++)
			;
		place[count].value = p;
		p = behind_value(p);
		place[count].end = p;
		while (is_blank(place[count].end[-1]))
			place[count].end--;
		count++;
	}
	return count;
}

/* ---- what is taken out ---- */

/* {"v":VALUE}: it passes. The caller frees it. */
static struct buf
alone(const char *value, size_t n)
{
	struct buf b = {0};

	buf_puts(&b, "\n{\"v\"\t:");
	buf_add(&b, value, n);
	buf_puts(&b, " }");
	must(is_object(b.data, b.len), "a value that passes does so everywhere");
	return b;
}

static void
check_string(const struct buf *found, const struct buf *text)
{
	struct buf again = {0}, written = {0};

	must(json_get_string(text->data, text->len, "v", &again) && same(&again, found), "the same string at another place");
	must(strlen(found->data) == found->len, "no NUL in it");
	buf_putc(&written, '{');
	json_text(&written, found->data, found->data);
	buf_putc(&written, '}');
	must(is_object(written.data, written.len), "what was taken can be written");
	buf_reset(&again);
	must(json_get_string(written.data, written.len, found->data, &again) && same(&again, found), "and is the same again");
	buf_free(&again);
	buf_free(&written);
}

static void
check_integer(long long found, const struct buf *text)
{
	struct buf written = {0};
	long long again;

	must(json_get_integer(text->data, text->len, "v", &again) && again == found, "the same number at another place");
	for (int i = 0; i < 2; i++) {
		buf_reset(&written);
		buf_printf(&written, i == 0 ? "{\"v\":%lld}" : "{\"v\":\"%lld\"}", found);
		must(is_object(written.data, written.len) && json_get_integer(written.data, written.len, "v", &again) && again == found, "and written");
	}
	buf_free(&written);
}

static void
check_member(const char *text, size_t n, const struct place *m, const char *name)
{
	size_t size = (size_t)(m->end - m->value);
	struct buf one = alone(m->value, size), found = {0};
	long long number;
	bool is_string = json_get_string(text, n, name, &found), is_integer = json_get_integer(text, n, name, &number);

	must(is_string == (*m->value == '"'), "a string is one, and nothing else is");
	must(!is_integer || is_string || memchr("-0123456789", *m->value, 11) != NULL, "an integer is a number, or in a string");
	if (!is_string && !is_integer && (*m->value == '-' || (*m->value >= '0' && *m->value <= '9')))
		must(size >= 19 || memchr(m->value, '.', size) != NULL || memchr(m->value, 'e', size) != NULL || memchr(m->value, 'E', size) != NULL, "why not");
	if (is_string)
		check_string(&found, &one);
	if (is_integer)
		check_integer(number, &one);
	buf_free(&one);
	buf_free(&found);
}

static void
check_members(const char *text, size_t n, const char *terminated)
{
	struct place place[MEMBERS_MAX];
	size_t count = places(terminated, place);
	struct buf name[MEMBERS_MAX] = {0};

	for (size_t i = 0; i < count; i++) {
		struct buf one = alone(place[i].name, (size_t)(behind_string(place[i].name) - place[i].name));

		must(json_get_string(one.data, one.len, "v", &name[i]), "a name is a string");
		buf_free(&one);
		for (size_t k = 0; k < i; k++)
			must(!same(&name[k], &name[i]), "no name twice");
		check_member(text, n, &place[i], name[i].data);
	}
	for (size_t i = 0; i < count; i++)
		buf_free(&name[i]);
}

static void
check_none(const char *text, size_t n)
{
	static const char *const names[] = {"", "v", "access_token", "expires_in", "error"};
	struct buf out = {0};
	long long number;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		bool is_string = json_get_string(text, n, names[i], &out);

		must(is_string || out.len == 0, "nothing where there is nothing");
		(void)json_get_integer(text, n, names[i], &number);
		buf_reset(&out);
	}
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = must_copy((const char *)data, size);
	struct buf more = {0};

	if (!json_is_object(text, size)) {
		free(text);
		return 0;
	}
	for (size_t n = size; n-- > 0 && is_blank(text[n]);)
		must(is_object(text, n), "blanks behind it can go");
	for (size_t n = size > 300 ? size - 300 : 0; n < size; n++) {
		size_t rest = n;

		while (rest < size && is_blank(text[rest]))
			rest++;
		must(is_object(text, n) == (rest == size), "cut short it is none");
	}
	buf_add(&more, text, size);
	check_members(text, size, more.data);
	check_none(text, size);
	buf_puts(&more, " ");
	must(is_object(more.data, more.len), "a blank more");
	buf_puts(&more, "}");
	must(!is_object(more.data, more.len), "a bracket more");
	more.data[more.len - 1] = '\0';
	must(!is_object(more.data, more.len), "a NUL more");
	buf_free(&more);
	free(text);
	return 0;
}
