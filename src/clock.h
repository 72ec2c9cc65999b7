/*
 * Time as this program waits for it: one absolute deadline on the monotonic clock, in milliseconds, passed down to every wait.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stddef.h>
#include <stdint.h>

typedef int64_t msec;

/* Now, on the monotonic clock. */
msec clock_now(void);

/* What is left until the deadline as poll(2) takes it: 0 once it has passed, at most INT_MAX. */
int clock_left(msec deadline);

/* The time of day as logs have it, "2026-11-22T03:14:15+0000", or "" where it cannot be told. size: 40 octets are enough. */
void clock_stamp(char *out, size_t size);

/*
 * The time until which the first of left attempts in turn may take: all there is for the last, else its share of what is left, at least 10 s.
 */
msec clock_share(msec deadline, size_t left);

#endif
