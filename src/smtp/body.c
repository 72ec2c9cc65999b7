/*
 * The message on the wire. See body.h.
 */
#include <string.h>
#include "smtp/body.h"

/*
 * Writes a block with dots stuffed; *at_start: whether the block begins at the start of a line, and then whether the next one does. Dots are looked for, not line ends: in
 * most large messages there is none. Each piece that is written ends in the dot that begins the next one.
 */
static int
write_stuffed(struct stream *s, const char *p, size_t n, bool *at_start)
{
	const char *end = p + n, *from = p, *dot = p;

	if (n == 0)
		return 0;
	while ((dot = memchr(dot, '.', (size_t)(end - dot))) != NULL) {
		bool begins = dot == p ? *at_start : dot[-1] == '\n';

		dot++;
		if (begins) {
			if (stream_write(s, from, (size_t)(dot - from)) == -1)
				return -1;
			from = dot - 1;
		}
	}
	*at_start = end[-1] == '\n';
	return stream_write(s, from, (size_t)(end - from));
}

static int
write_block(struct stream *s, const char *p, size_t n, bool stuffed, bool *at_start)
{
	return stuffed ? write_stuffed(s, p, n, at_start) : stream_write(s, p, n);
}

int
body_write(struct stream *s, struct message *m, bool stuffed, struct outcome *o)
{
	struct buf header = {0};
	const char *p;
	uint64_t offset = 0;
	bool at_start = true;
	ptrdiff_t n;
	int r;

	header_write(&m->header, &header);
	buf_puts(&header, "\r\n");
	r = write_block(s, header.data, header.len, stuffed, &at_start);
	buf_free(&header);
	while (r == 0 && (n = store_read(&m->body, offset, &p, o)) != 0) {
		if (n < 0)
			return -1;
		r = write_block(s, p, (size_t)n, stuffed, &at_start);
		offset += (uint64_t)n;
	}
	return r;
}
