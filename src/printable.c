/*
 * Octets from outside made fit for a terminal, a log line or a message. See printable.h.
 */
#define LIBBSD_NETBSD_VIS
#include <stdbool.h>
#include <string.h>
#include <vis.h>
#include "printable.h"

/* Octet by octet: what a locale calls printable, musl's "C" among them, is none of ours. */
#define ESCAPES		(VIS_CSTYLE | VIS_OCTAL | VIS_NL | VIS_TAB | VIS_NOLOCALE)

/* vis(3) would leave it as it is, but takes its time for each character. */
static bool
is_plain(const char *s, size_t n)
{
	while (n > 0 && *s >= ' ' && *s <= '~' && *s != '\\' && *s != '"') {
		s++;
		n--;
	}
	return n == 0;
}

static void
add(struct buf *b, const char *s, size_t n, size_t max, int flags)
{
	size_t shown = n < max ? n : max;
	char *to;

	if (is_plain(s, shown))
		buf_add(b, s, shown);
	else {
		to = buf_room(b, 4 * shown + 1);
		b->len += (size_t)strvisx(to, s, shown, flags);
		buf_end(b);
	}
	if (shown < n)
		buf_puts(b, "...");
}

void
printable_add(struct buf *b, const char *s, size_t n, size_t max)
{
	add(b, s, n, max, ESCAPES);
}

void
printable_quoted(struct buf *b, const char *s, size_t n, size_t max)
{
	add(b, s, n, max, ESCAPES | VIS_DQ);
}
