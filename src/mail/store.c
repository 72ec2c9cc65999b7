/*
 * Octets of any number, in memory or past a bound in an unnamed file. See store.h.
 *
 * Owns the file, which has no name at any time another program could use it, and the memory. Follows CONTRACT section 3, last point.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "mail/store.h"

#define STORE_PIECE	(32 * 1024)	/* octets collected before they are written to the file; what comes in larger pieces is not copied */

void
store_init(struct store *s, const char *directory)
{
	memset(s, 0, sizeof(*s));
	s->directory = directory;
	s->fd = -1;
}

static int
fail(const struct store *s, struct outcome *o)
{
	return outcome_set(o, EX_IOERR, STAGE_INPUT, CAUSE_SPACE, strerror(errno), "cannot keep the message in %s", s->place);
}

/* An unnamed file in the directory, or -1. */
static int
make_file(const char *directory)
{
	char *path;
	int fd;

#ifdef O_TMPFILE
	fd = open(directory, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
#endif
	path = mem_printf("%s/sendmail.XXXXXXXXXX", directory);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		(void)unlink(path);
	free(path);
	return fd;
}

static int
write_all(int fd, const char *p, size_t n)
{
	ssize_t w;

	while (n > 0) {
		w = write(fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

/* Makes the file in that directory and moves what is in memory there. False: not there. */
static bool
move_to(struct store *s, const char *directory)
{
	int fd;

	if (directory == NULL || *directory == '\0')
		return false;
	fd = make_file(directory);
	if (fd < 0)
		return false;
	if (write_all(fd, s->memory.data, s->memory.len) < 0) {
		(void)close(fd);
		return false;
	}
	s->fd = fd;
	s->place = directory;
	buf_reset(&s->memory);
	return true;
}

static void
leave_memory(struct store *s)
{
	s->no_file = !move_to(s, s->directory) && !move_to(s, secure_getenv("TMPDIR")) && !move_to(s, "/var/tmp") &&
	    !move_to(s, "/tmp");
}

static int
flush(struct store *s, struct outcome *o)
{
	if (write_all(s->fd, s->memory.data, s->memory.len) < 0)
		return fail(s, o);
	buf_reset(&s->memory);
	return 0;
}

static int
add_to_file(struct store *s, const void *p, size_t n, struct outcome *o)
{
	if (s->memory.len + n > STORE_PIECE && flush(s, o) < 0)
		return -1;
	if (n < STORE_PIECE)
		buf_add(&s->memory, p, n);
	else if (write_all(s->fd, p, n) < 0)
		return fail(s, o);
	s->length += n;
	return 0;
}

int
store_add(struct store *s, const void *p, size_t n, struct outcome *o)
{
	if (n == 0)
		return 0;
	if (s->fd < 0 && !s->no_file && n > STORE_MEMORY - s->memory.len)
		leave_memory(s);
	if (s->fd >= 0)
		return add_to_file(s, p, n, o);
	if (s->no_file && n > STORE_HARD - s->memory.len)
		return outcome_set(o, EX_IOERR, STAGE_INPUT, CAUSE_SPACE, "no directory for a temporary file can be written",
		    "the message is larger than the %d MiB that may stay in memory", STORE_HARD / (1024 * 1024));
	buf_add(&s->memory, p, n);
	s->length += n;
	return 0;
}

int
store_finish(struct store *s, struct outcome *o)
{
	if (s->fd < 0)
		return 0;
	if (flush(s, o) < 0)
		return -1;
	buf_free(&s->memory);
	return 0;
}

void
store_lend(struct store *s, struct lent *l, const char *place)
{
	s->lent = l;
	s->length = lent_length(l);
	s->place = place;
}

static ptrdiff_t
read_lent(struct store *s, uint64_t offset, const char **p, struct outcome *o)
{
	ptrdiff_t n = lent_read(s->lent, offset, p);

	if (n > STORE_BLOCK)
		return STORE_BLOCK;
	if (n > 0)
		return n;
	return outcome_set(o, EX_IOERR, STAGE_INPUT, n == LENT_CHANGED ? CAUSE_CHANGED : CAUSE_SYSTEM,
	    n == LENT_CHANGED ? "somebody has changed it meanwhile" : strerror(errno), "cannot read the message from %s again", s->place);
}

/* Octets that are in the file; a file that became shorter is an error. */
static ptrdiff_t
read_file(struct store *s, uint64_t offset, size_t max, struct outcome *o)
{
	ssize_t n;

	if (s->block == NULL)
		s->block = mem_grow(NULL, STORE_BLOCK, 1);

	do
		n = pread(s->fd, s->block, max, (off_t)offset);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return n;
	return outcome_set(o, EX_IOERR, STAGE_INPUT, CAUSE_SYSTEM, n < 0 ? strerror(errno) : "the file became shorter",
	    "cannot read the message back from %s", s->place);
}

ptrdiff_t
store_read(struct store *s, uint64_t offset, const char **p, struct outcome *o)
{
	size_t max = STORE_BLOCK;
	ptrdiff_t n;
	uint64_t in_file = s->fd < 0 ? 0 : s->length - s->memory.len;

	if (offset >= s->length)
		return 0;
	if (s->lent != NULL)
		return read_lent(s, offset, p, o);
	if (max > s->length - offset)
		max = (size_t)(s->length - offset);
	if (offset < in_file) {
		if (max > in_file - offset)
			max = (size_t)(in_file - offset);
		n = read_file(s, offset, max, o);
		*p = s->block;
		return n;
	}
	*p = s->memory.data + (offset - in_file);
	return (ptrdiff_t)max;
}

bool
store_is_there(struct store *s)
{
	struct outcome o;
	const char *p;
	uint64_t at = 0;
	ptrdiff_t n = 1;

	while (s->lent != NULL && (n = store_read(s, at, &p, &o)) > 0)
		at += (uint64_t)n;
	return n >= 0;
}

void
store_free(struct store *s)
{
	if (s->fd >= 0)
		(void)close(s->fd);
	buf_free(&s->memory);
	free(s->block);
	lent_free(s->lent);
	store_init(s, s->directory);
}
