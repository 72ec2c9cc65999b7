/*
 * Time as this program waits for it. See clock.h.
 */
#include <limits.h>
#include <time.h>
#include "clock.h"

msec
clock_now(void)
{
	struct timespec ts = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (msec)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int
clock_left(msec deadline)
{
	msec left = deadline - clock_now();

	if (left <= 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}
