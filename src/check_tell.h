/*
 * How --check tells what it sees: a line a step for a person, as it goes, or one JSON object at the end (sendmail(8), CHECK). For check.c alone.
 */
#ifndef CHECK_TELL_H
#define CHECK_TELL_H

#include <stdbool.h>
#include "clock.h"
#include "mem.h"
#include "outcome.h"

enum mark {
	MARK_GOOD,
	MARK_CARE,	/* mail goes on, but somebody should look at it */
	MARK_BAD
};

struct teller {
	bool json;
	bool colour;
	const char *smarthost;	/* whose step it is, or NULL. Borrowed */
	struct buf steps;	/* the items of the array "steps" */
	struct outcome last;	/* the last failure that was told */
	enum mark last_mark;
	int status;		/* exit status: 74 where standard output does not take it */
};

void tell_begin(struct teller *t, bool json);
void tell_end(struct teller *t);

/* One step. took: milliseconds, -1: not worth telling. The text may hold any octet. */
void tell(struct teller *t, enum mark mark, msec took, const char *step, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* One that failed; cause and remedy follow, unless the same was told just before. */
void tell_failure(struct teller *t, enum mark mark, msec took, const char *step, const struct outcome *o);

/* A line that is no step, for a person alone. */
void tell_heading(struct teller *t, const char *text);

/* Writes text as it is. */
void tell_raw(struct teller *t, const struct buf *text);

#endif
