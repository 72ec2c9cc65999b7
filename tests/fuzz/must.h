/*
 * What a fuzz target holds to be true of any input.
 */
#ifndef MUST_H
#define MUST_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void
must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "not so: %s\n", what);
	abort();
}

/* A copy of just that size, so that a read beyond it is noticed. The caller frees it. */
static inline __attribute__((unused)) char *
must_copy(const char *p, size_t n)
{
	char *to = malloc(n);

	must(to != NULL || n == 0, "memory");
	if (n > 0)
		memcpy(to, p, n);
	return to;
}

#endif
