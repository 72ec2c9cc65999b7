/*
 * Base64. See base64.h.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "base64.h"

static const char common[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

static char
digit_of(unsigned value, const char last[2])
{
	return value < 62 ? common[value] : last[value - 62];
}

static void
encode(struct buf *out, const unsigned char *from, size_t n, const char last[2], bool padded)
{
	char *to = buf_room(out, n / 3 * 4 + 5);
	uint32_t bits = 0;
	unsigned have = 0;	/* bits not yet written */
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | from[i];
		for (have += 8; have >= 6; have -= 6)
			to[len++] = digit_of(bits >> (have - 6) & 63, last);
	}
	if (have > 0)
		to[len++] = digit_of(bits << (6 - have) & 63, last);
	while (padded && len % 4 != 0)
		to[len++] = '=';
	out->len += len;
	buf_end(out);
}

void
base64_encode(struct buf *out, const void *p, size_t n)
{
	encode(out, p, n, "+/", true);
}

void
base64_encode_url(struct buf *out, const void *p, size_t n)
{
	encode(out, p, n, "-_", false);
}

/* What a digit stands for, or -1. */
static int
value_of(char digit)
{
	const char *at = digit == '\0' ? NULL : strchr(common, digit);

	return at != NULL ? (int)(at - common) : digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

int
base64_decode(struct buf *out, const char *p, size_t n)
{
	size_t padding = 0, len = 0;
	uint32_t bits = 0;
	unsigned have = 0;	/* bits not yet taken */
	char *to;

	if (n % 4 != 0)
		return -1;
	while (padding < n && padding < 2 && p[n - 1 - padding] == '=')
		padding++;
	to = buf_room(out, n / 4 * 3 + 1);
	for (size_t i = 0; i < n - padding; i++) {
		int value = value_of(p[i]);

		if (value == -1) {
			buf_end(out);
			return -1;
		}
		bits = bits << 6 | (uint32_t)value;
		have += 6;
		if (have >= 8) {
			have -= 8;
			to[len++] = (char)(bits >> have & 0xff);
		}
	}
	out->len += len;
	buf_end(out);
	return 0;
}
