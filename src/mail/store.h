/*
 * Octets of any number: in memory up to a bound, past it in an unnamed file (CONTRACT section 3, last point).
 *
 * The file is an O_TMPFILE, or a mkstemp() unlinked at once, in the first of the given directory, $TMPDIR, /var/tmp and /tmp where
 * one can be made and written. Where there is none the octets stay in memory up to 32 MiB; beyond that, and when the disk is
 * full half way, store_add() fails with status 74.
 */
#ifndef MAIL_STORE_H
#define MAIL_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "mail/lent.h"
#include "mem.h"
#include "outcome.h"

#define STORE_MEMORY	(1024 * 1024)		/* then a file is used */
#define STORE_BLOCK	(64 * 1024)		/* most that is read back at a time */
#define STORE_HARD	(32 * 1024 * 1024)	/* most that is kept in memory where no file can be made */

struct store {
	const char *directory;	/* tried first; NULL: none. Not owned */
	struct buf memory;	/* what is not in the file (yet): collected in large pieces */
	int fd;			/* -1: all is in memory */
	uint64_t length;	/* of all of it */
	char *block;		/* the last that was read from the file; NULL: nothing was */
	bool no_file;		/* no file could be made: stays in memory */
	const char *place;	/* the directory the file is in, for messages. Not owned */
	struct lent *lent;	/* all of it is there instead; NULL: it is not */
};

void store_init(struct store *s, const char *directory);
int store_add(struct store *s, const void *p, size_t n, struct outcome *o);

/* No more will be added: what is still in memory beside a file goes to the file. */
int store_finish(struct store *s, struct outcome *o);

/* Instead of all of the above: what l is, which the store owns from now on; place: what to call it in messages. Not owned. */
void store_lend(struct store *s, struct lent *l, const char *place);

/* Octets from offset on: a pointer to them in *p, which is good until the next call, and their number (at most STORE_BLOCK, 0 at the end), or -1 (74). */
ptrdiff_t store_read(struct store *s, uint64_t offset, const char **p, struct outcome *o);

/* False: it was lent, and the file is not what it was any more. */
bool store_is_there(struct store *s);

void store_free(struct store *s);

#endif
