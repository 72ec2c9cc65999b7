/*
 * A call that cannot be interrupted, such as getaddrinfo(), or that something else can be done beside, in a thread of its own that is waited for no
 * longer than a deadline.
 */
#ifndef ASIDE_H
#define ASIDE_H

#include "clock.h"

struct aside;

/*
 * Runs work(arg) in a thread, which takes no signal. 1: it has ended, and arg is the caller's again. 0: the deadline has passed; arg belongs to the thread, which
 * calls release(arg) when work ends. -1: there is no thread, errno; arg is the caller's.
 */
int aside_run(void (*work)(void *), void (*release)(void *), void *arg, msec deadline);

/* The same in two steps, for a caller with something to do meanwhile. NULL: there is no thread, errno. The other ends as aside_run() does, 1 or 0, and frees it. */
struct aside *aside_begin(void (*work)(void *), void (*release)(void *), void *arg);
int aside_end(struct aside *a, msec deadline);

#endif
