/*
 * SCRAM's iterations, which a server chooses: for fuzz targets, which have no time for many.
 */
#ifndef ITERATIONS_H
#define ITERATIONS_H

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>

#define ITERATIONS_HERE	5000

/* True where the octets have an "i=" with more than that. */
static bool
too_many_iterations(const char *p, size_t n)
{
	for (size_t i = 2; i < n; i++) {
		long count = 0;

		if (p[i - 2] != 'i' || p[i - 1] != '=')
			continue;
		for (size_t k = i; k < n && isdigit((unsigned char)p[k]) && count <= ITERATIONS_HERE; k++)
			count = count * 10 + (p[k] - '0');
		if (count > ITERATIONS_HERE)
			return true;
	}
	return false;
}

#endif
