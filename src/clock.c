/*
 * Time as this program waits for it. See clock.h.
 */
#include <limits.h>
#include <time.h>
#include "clock.h"

#define SHARE_MIN 10000		/* milliseconds */

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

msec
clock_share(msec deadline, size_t left)
{
	msec now = clock_now(), share = (deadline - now) / (msec)left;

	if (left == 1)
		return deadline;
	if (share < SHARE_MIN)
		share = SHARE_MIN;
	return now + share < deadline ? now + share : deadline;
}

void
clock_stamp(char *out, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	if (localtime_r(&now, &tm) == NULL || strftime(out, size, "%Y-%m-%dT%H:%M:%S%z", &tm) == 0)
		out[0] = '\0';
}
