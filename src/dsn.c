/*
 * The words of a DSN request. See dsn.h.
 */
#include <string.h>
#include <strings.h>
#include "dsn.h"

static const struct { const char *word; unsigned bit; } notify_words[] = {
	{"NEVER", DSN_NEVER}, {"SUCCESS", DSN_SUCCESS}, {"FAILURE", DSN_FAILURE}, {"DELAY", DSN_DELAY},
};

#define NOTIFY_WORDS (sizeof(notify_words) / sizeof(notify_words[0]))

unsigned
dsn_notify(const char *text)
{
	unsigned bits = 0;

	for (const char *p = text;; p++) {
		size_t n = strcspn(p, ","), i;

		for (i = 0; i < NOTIFY_WORDS; i++)
			if (strlen(notify_words[i].word) == n && strncasecmp(notify_words[i].word, p, n) == 0)
				break;
		if (i == NOTIFY_WORDS)
			return 0;
		bits |= notify_words[i].bit;
		p += n;
		if (*p == '\0')
			break;
	}
	return (bits & DSN_NEVER) != 0 && bits != DSN_NEVER ? 0 : bits;
}

void
dsn_add_notify(struct buf *b, unsigned notify)
{
	const char *separator = "";

	for (size_t i = 0; i < NOTIFY_WORDS; i++)
		if ((notify & notify_words[i].bit) != 0) {
			buf_printf(b, "%s%s", separator, notify_words[i].word);
			separator = ",";
		}
}

const char *
dsn_ret(const char *text)
{
	if (strcasecmp(text, "FULL") == 0)
		return "FULL";
	return strcasecmp(text, "HDRS") == 0 ? "HDRS" : NULL;
}

bool
dsn_is_envid(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	return n > 0 && n <= DSN_ENVID_MAX;
}

void
dsn_add_xtext(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++)
		if (*s > 0x20 && *s < 0x7f && *s != '+' && *s != '=')
			buf_putc(b, *s);
		else
			buf_printf(b, "+%02X", (unsigned char)*s);
}

void
dsn_add_unitext(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s > 0x20 && *s != 0x7f && *s != '+' && *s != '=' && *s != '\\')
			buf_putc(b, *s);
		else
			buf_printf(b, "\\x{%02X}", (unsigned char)*s);
}

static int
hex_digit(char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

char *
dsn_decode_xtext(const char *xtext)
{
	struct buf b = {0};

	buf_puts(&b, "");
	for (const char *p = xtext; *p != '\0'; p++) {
		int high, low;

		if (*p != '+' && *p > 0x20 && *p < 0x7f && *p != '=') {
			buf_putc(&b, *p);
			continue;
		}
		high = *p == '+' ? hex_digit(p[1]) : -1;
		low = high >= 0 ? hex_digit(p[2]) : -1;
		if (low < 0 || (high == 0 && low == 0)) {
			buf_free(&b);
			return NULL;
		}
		buf_putc(&b, (char)(16 * high + low));
		p += 2;
	}
	return b.data;
}
