/*
 * Octets from outside made fit for a terminal, a log line or a message: vis(3), bounded.
 */
#ifndef PRINTABLE_H
#define PRINTABLE_H

#include <stddef.h>
#include "mem.h"

/*
 * Adds the n octets to b as printable ASCII, C style (\n, \t, \r, \033); at most max of them, then "...".
 */
void printable_add(struct buf *b, const char *s, size_t n, size_t max);

/* The same, and double quotes and backslashes escaped too, for a value that stands in quotes. */
void printable_quoted(struct buf *b, const char *s, size_t n, size_t max);

#endif
