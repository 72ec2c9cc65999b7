/*
 * Text for a person or a caller, to a descriptor that somebody else has opened: a terminal, a pipe, a file, blocking or not.
 */
#ifndef PUT_H
#define PUT_H

#include <stddef.h>

#define PUT_WAIT	10000	/* milliseconds that a reader may stand still before it gets no more */

/*
 * Writes the n octets, waiting for a reader that does not take them until wait milliseconds have passed in all. 0; -1: errno, ETIMEDOUT for a
 * reader that stood still.
 */
int put(int fd, const char *p, size_t n, int wait);

#endif
