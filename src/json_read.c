/*
 * JSON as this program reads it. See json_read.h.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "json_read.h"

struct reader {
	const char *p, *end;	/* what is still to be read */
	int depth;		/* brackets that are open */
};

/* Takes the octet where it is the next one. */
static bool
next(struct reader *r, char c)
{
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

static void
blanks(struct reader *r)
{
	while (next(r, ' ') || next(r, '\t') || next(r, '\n') || next(r, '\r'))
		;
}

/* The same as next(), behind blanks. */
static bool
token(struct reader *r, char c)
{
	blanks(r);
	return next(r, c);
}

/* ---- strings ---- */

static void
add(struct buf *out, const char *p, size_t n)
{
	if (out != NULL)
		buf_add(out, p, n);
}

/* The octets of the character that p begins with (n > 0); 0: it is not UTF-8 (RFC 3629). */
static size_t
character(const char *p, size_t n)
{
	unsigned char c = (unsigned char)p[0], low = 0x80, high = 0xbf;
	size_t size = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4 || n < size)
		return 0;
	if (c == 0xe0 || c == 0xf0)	/* no longer form than needed */
		low = c == 0xe0 ? 0xa0 : 0x90;
	else if (c == 0xed || c == 0xf4)	/* no surrogate; nothing above U+10FFFF */
		high = c == 0xed ? 0x9f : 0x8f;
	if ((unsigned char)p[1] < low || (unsigned char)p[1] > high)
		return 0;
	for (size_t i = 2; i < size; i++)
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

static void
add_code(struct buf *out, unsigned long code)
{
	unsigned shift = code < 0x80 ? 0 : code < 0x800 ? 6 : code < 0x10000 ? 12 : 18;
	unsigned long first = shift == 0 ? 0 : shift == 6 ? 0xc0 : shift == 12 ? 0xe0 : 0xf0;
	char c = (char)(first | code >> shift);

	add(out, &c, 1);
	while (shift > 0) {
		shift -= 6;
		c = (char)(0x80 | (code >> shift & 0x3f));
		add(out, &c, 1);
	}
}

/* The four digits of \u. */
static bool
four_digits(struct reader *r, unsigned long *code)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at;

	if (r->end - r->p < 4)
		return false;
	*code = 0;
	for (int i = 0; i < 4; i++) {
		at = memchr(digits, *r->p++, sizeof(digits) - 1);
		if (at == NULL)
			return false;
		*code = *code << 4 | (unsigned long)((at - digits) & 0xf);
	}
	return true;
}

/* What follows \u: a character, or the first half of one and its second. */
static bool
escaped_code(struct reader *r, struct buf *out)
{
	unsigned long code, low;

	if (!four_digits(r, &code) || code == 0 || (code >= 0xdc00 && code <= 0xdfff))
		return false;
	if (code >= 0xd800 && code <= 0xdbff) {
		if (!next(r, '\\') || !next(r, 'u') || !four_digits(r, &low) || low < 0xdc00 || low > 0xdfff)
			return false;
		code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
	}
	add_code(out, code);
	return true;
}

/* What follows a backslash. */
static bool
escaped(struct reader *r, struct buf *out)
{
	static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const char *at;

	if (next(r, 'u'))
		return escaped_code(r, out);
	at = r->p < r->end ? memchr(letters, *r->p, sizeof(letters) - 1) : NULL;
	if (at == NULL)
		return false;
	add(out, &meant[at - letters], 1);
	r->p++;
	return true;
}

/* A string from behind its first quote to behind its last; what it says is added to out, where that is not NULL. */
static bool
string(struct reader *r, struct buf *out)
{
	size_t size;

	while (!next(r, '"')) {
		if (next(r, '\\')) {
			if (!escaped(r, out))
				return false;
			continue;
		}
		size = r->p < r->end && (unsigned char)*r->p >= 0x20 ? character(r->p, (size_t)(r->end - r->p)) : 0;
		if (size == 0)
			return false;
		add(out, r->p, size);
		r->p += size;
	}
	return true;
}

/* ---- other values ---- */

static bool
digits(struct reader *r)
{
	const char *start = r->p;

	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	return r->p > start;
}

static bool
number(struct reader *r)
{
	(void)next(r, '-');
	if (!next(r, '0') && !digits(r))
		return false;
	if (next(r, '.') && !digits(r))
		return false;
	if (next(r, 'e') || next(r, 'E')) {
		if (!next(r, '+'))
			(void)next(r, '-');
		return digits(r);
	}
	return true;
}

static bool
word(struct reader *r, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(r->end - r->p) < n || memcmp(r->p, text, n) != 0)
		return false;
	r->p += n;
	return true;
}

/* A member's name and the colon. The name, which holds no NUL, and a NUL are added to names, where that is not NULL. */
static bool
member(struct reader *r, struct buf *names)
{
	if (!token(r, '"') || !string(r, names) || !token(r, ':'))
		return false;
	add(names, "", 1);
	return true;
}

static bool any_value(struct reader *r);

/* An object or array from behind the bracket that opens it to behind the one that closes it. It calls itself, through any_value(), JSON_DEPTH_MAX times at most. */
static bool
bracketed(struct reader *r, char closing, struct buf *names)
{
	if (++r->depth > JSON_DEPTH_MAX)
		return false;
	if (!token(r, closing)) {
		do {
			if ((closing == '}' && !member(r, names)) || !any_value(r))
				return false;
		} while (token(r, ','));
		if (!token(r, closing))
			return false;
	}
	r->depth--;
	return true;
}

static bool
any_value(struct reader *r)
{
	if (token(r, '"'))
		return string(r, NULL);
	if (next(r, '{'))
		return bracketed(r, '}', NULL);
	if (next(r, '['))
		return bracketed(r, ']', NULL);
	return word(r, "true") || word(r, "false") || word(r, "null") || number(r);
}

/* ---- the object ---- */

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* True where one of the names, each with a NUL behind it, is there twice. By sorting, since no choice of names can make that slow. */
static bool
has_twins(const struct buf *names)
{
	const char *p = buf_str(names), *end = p + names->len, **name;
	size_t count = 0, i = 0;
	bool twins = false;

	for (; p < end; p += strlen(p) + 1)
		count++;
	name = mem_grow(NULL, count, sizeof(*name));
	for (p = buf_str(names); p < end; p += strlen(p) + 1)
		name[i++] = p;
	qsort(name, count, sizeof(*name), compare);
	for (i = 1; i < count && !twins; i++)
		twins = strcmp(name[i - 1], name[i]) == 0;
	free(name);
	return twins;
}

bool
json_is_object(const char *text, size_t n)
{
	struct reader r = {.p = text, .end = text + n};
	struct buf names = {0};
	bool good = token(&r, '{') && bracketed(&r, '}', &names);

	blanks(&r);
	good = good && r.p == r.end && !has_twins(&names);
	buf_free(&names);
	return good;
}

/* Goes to the value of the member. */
static bool
find(struct reader *r, const char *name)
{
	struct buf own = {0};
	bool found = false;

	if (!token(r, '{'))
		return false;
	do {
		buf_reset(&own);
		if (!member(r, &own))
			break;
		found = strcmp(own.data, name) == 0;
	} while (!found && any_value(r) && token(r, ','));
	buf_free(&own);
	blanks(r);
	return found;
}

bool
json_get_string(const char *text, size_t n, const char *name, struct buf *out)
{
	struct reader r = {.p = text, .end = text + n};

	if (!find(&r, name) || !next(&r, '"'))
		return false;
	add(out, "", 0);
	return string(&r, out);
}

/* The n octets, which are a number: true where it is a whole one that fits. */
static bool
integer(const char *p, size_t n, long long *to)
{
	bool negative = *p == '-';
	long long sum = 0;	/* below zero, where there is room for one more */
	int digit;

	for (size_t i = negative ? 1 : 0; i < n; i++) {
		digit = p[i] - '0';
		if (digit < 0 || digit > 9 || sum < (LLONG_MIN + digit) / 10)
			return false;
		sum = sum * 10 - digit;
	}
	if (!negative && sum == LLONG_MIN)
		return false;
	*to = negative ? sum : -sum;
	return true;
}

bool
json_get_integer(const char *text, size_t n, const char *name, long long *value)
{
	struct reader r = {.p = text, .end = text + n};
	struct buf own = {0};
	const char *start;
	bool good = find(&r, name), quoted = good && next(&r, '"');

	if (quoted) {
		good = string(&r, &own);
		r = (struct reader){.p = buf_str(&own), .end = buf_str(&own) + own.len};
	}
	start = r.p;
	good = good && number(&r) && (!quoted || r.p == r.end) && integer(start, (size_t)(r.p - start), value);
	buf_wipe(&own);
	return good;
}
