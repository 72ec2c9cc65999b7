/*
 * Time as this program waits for it: one absolute deadline on the monotonic clock, in milliseconds, passed down to every wait.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

typedef int64_t msec;

/* Now, on the monotonic clock. */
msec clock_now(void);

/* What is left until the deadline as poll(2) takes it: 0 once it has passed, at most INT_MAX. */
int clock_left(msec deadline);

#endif
