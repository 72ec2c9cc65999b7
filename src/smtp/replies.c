/*
 * The replies to the caller of -bs on their way out. See replies.h.
 */
#include <string.h>
#include "put.h"
#include "smtp/replies.h"

#define REPLY_WIDTH	400	/* octets of text in a line: RFC 5321 section 4.5.3.1.5 allows 512 in all */
#define HELD_MAX	16384	/* octets that are held back */

int
replies_flush(struct replies *r)
{
	int status = r->held.len > 0 ? put(r->fd, r->held.data, r->held.len, r->wait) : 0;

	buf_reset(&r->held);
	return status;
}

/* Octets of text that go into one line: cut at a blank where there is one. */
static size_t
line_part(const char *text, size_t n)
{
	size_t part = REPLY_WIDTH;

	if (n <= REPLY_WIDTH)
		return n;
	while (part > REPLY_WIDTH / 2 && text[part] != ' ')
		part--;
	return part > REPLY_WIDTH / 2 ? part : REPLY_WIDTH;
}

int
replies_add(struct replies *r, int code, const char *enhanced, const char *text)
{
	const char *p = text;

	do {
		size_t n = strcspn(p, "\n"), part = line_part(p, n);
		const char *next = p + part + (p[part] == '\n' || (part < n && p[part] == ' '));

		buf_printf(&r->held, "%03d%c", code, *next == '\0' ? ' ' : '-');
		if (enhanced != NULL && *enhanced != '\0')
			buf_printf(&r->held, "%s ", enhanced);
		buf_add(&r->held, p, part);
		buf_puts(&r->held, "\r\n");
		p = next;
	} while (*p != '\0');
	return r->held.len > HELD_MAX ? replies_flush(r) : 0;
}
