/*
 * Removed messages are deleted beside the sending. See removal.h.
 *
 * In several threads, since to delete is mostly to wait: a file system that is told to discard what is free waits for the disk each time.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "aside.h"
#include "mem.h"
#include "queue/disk.h"
#include "queue/removal.h"

#define SHARES		8	/* threads at a time */
#define SHARE		8	/* files for each of them */
#define PATIENCE	600000	/* milliseconds for a disk that does not answer */

/* What one thread does. */
struct share {
	int dir;		/* is synced; -1: another one does that */
	int fd[SHARE];
	size_t n;
	int error;		/* errno; 0: none */
};

struct removals {
	int dir;
	size_t most;
	int fd[SHARES * SHARE];	/* what was added */
	size_t n;
	struct share *share[SHARES];	/* what is under way */
	struct aside *aside[SHARES];	/* ... in there; NULL: nothing is */
};

struct removals *
removals_new(int dir, size_t most)
{
	struct removals *r = mem_alloc(sizeof(*r));

	r->most = most < SHARES * SHARE ? most : SHARES * SHARE;
	r->dir = dir;
	return r;
}

void
removals_add(struct removals *r, int fd)
{
	if (r->n >= r->most)
		(void)close(fd);
	else
		r->fd[r->n++] = fd;
}

/* That the names are gone is what has to outlive a power loss, not that the files are. */
static void
work(void *arg)
{
	struct share *s = arg;

	s->error = s->dir != -1 && disk_sync(s->dir) == -1 ? errno : 0;
	for (size_t i = 0; i < s->n; i++)
		(void)close(s->fd[i]);
}

static int
fail(int error)
{
	errno = error;
	return error == 0 ? 0 : -1;
}

int
removals_end(struct removals *r)
{
	msec until = clock_now() + PATIENCE;
	int error = 0;

	for (size_t i = 0; i < SHARES; i++) {
		struct share *s = r->share[i];

		if (r->aside[i] == NULL)
			continue;
		if (aside_end(r->aside[i], until) == 1) {	/* else the share is the thread's */
			error = s->error != 0 ? s->error : error;
			free(s);
		} else
			error = ETIMEDOUT;
		r->aside[i] = NULL;
	}
	return fail(error);
}

int
removals_begin(struct removals *r)
{
	int error = removals_end(r) == -1 ? errno : 0;

	for (size_t i = 0; i < SHARES; i++) {
		struct share *s = mem_alloc(sizeof(*s));

		s->dir = i == 0 ? r->dir : -1;
		for (size_t k = i; k < r->n; k += SHARES)
			s->fd[s->n++] = r->fd[k];
		r->share[i] = s;
		r->aside[i] = s->n > 0 || i == 0 ? aside_begin(work, free, s) : NULL;
		if (r->aside[i] == NULL) {	/* nothing to do, or no thread: then at once */
			work(s);
			error = s->error != 0 ? s->error : error;
			free(s);
		}
	}
	r->n = 0;
	return fail(error);
}

void
removals_free(struct removals *r)
{
	if (r == NULL)
		return;
	(void)removals_end(r);
	for (size_t i = 0; i < r->n; i++)
		(void)close(r->fd[i]);
	free(r);
}
