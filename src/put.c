/*
 * Text to a descriptor that somebody else has opened. See put.h.
 *
 * The descriptor is shared with others, so it cannot be made non-blocking. A pipe that is ready takes PIPE_BUF octets without blocking.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>
#include "clock.h"
#include "put.h"

int
put(int fd, const char *p, size_t n, int wait)
{
	msec deadline = clock_now() + wait;

	while (n > 0) {
		struct pollfd ready = {.fd = fd, .events = POLLOUT};
		ssize_t r;

		if (poll(&ready, 1, clock_left(deadline)) != 1) {
			if (clock_left(deadline) > 0)
				continue;
			errno = ETIMEDOUT;
			return -1;
		}
		r = write(fd, p, n < PIPE_BUF ? n : PIPE_BUF);
		if (r == -1 && errno != EINTR && errno != EAGAIN)
			return -1;
		if (r > 0) {
			p += r;
			n -= (size_t)r;
		}
	}
	return 0;
}
