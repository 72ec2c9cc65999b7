/*
 * A field body as it is written anew, folded at 76 columns. See line.h.
 */
#include <string.h>
#include "mail/line.h"

#define NAME_WIDE	40	/* a line is not folded right after a field name that is shorter */

static size_t
column(const struct line *l)
{
	return l->base + l->out.len - l->start;
}

static void
fold(struct line *l)
{
	char *at;

	buf_room(&l->out, 2);
	at = l->out.data + l->fold;
	memmove(at + 2, at, l->out.len - l->fold);
	memcpy(at, "\r\n", 2);
	l->out.len += 2;
	buf_end(&l->out);
	l->start = l->fold + 2;
	l->base = 0;
	l->foldable = false;
}

/* Adds octets; where there are line ends among them, the last line begins after the last of them. */
static bool
add(struct line *l, const char *p, size_t n)
{
	const char *end = memrchr(p, '\n', n);

	buf_add(&l->out, p, n);
	if (end == NULL)
		return false;
	l->start = l->out.len - (n - (size_t)(end + 1 - p));
	l->base = 0;
	l->foldable = false;
	return true;
}

void
line_blank(struct line *l, const char *p, size_t n)
{
	size_t at = l->out.len;

	if (n == 0)
		return;
	if (add(l, p, n))
		l->content = false;
	else if (l->content || l->base > NAME_WIDE) {
		l->fold = at;
		l->foldable = true;
	}
}

void
line_word(struct line *l, const char *p, size_t n)
{
	if (n == 0)
		return;
	l->content = true;
	if (!add(l, p, n) && column(l) > LINE_WIDTH && l->foldable)
		fold(l);
}

void
line_separate(struct line *l)
{
	if (l->out.len == 0 || strchr(" \t", l->out.data[l->out.len - 1]) == NULL)
		line_blank(l, " ", 1);
}

size_t
line_room(struct line *l, size_t wanted)
{
	size_t used = column(l);

	if ((used > LINE_WIDTH || LINE_WIDTH - used < wanted) && l->foldable) {
		fold(l);
		used = column(l);
	}
	return used > LINE_WIDTH ? 0 : LINE_WIDTH - used;
}
