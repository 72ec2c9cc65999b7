/*
 * What is done to each octet of a large body, as many at a time as the processor takes.
 *
 * All processors give the same results; which instructions there are changes the time alone.
 */
#ifndef MAIL_LANES_H
#define MAIL_LANES_H

#include <stddef.h>
#include <stdint.h>

#define LANES_MOST	((size_t)128 * 1024)	/* octets that are summed at a time */
#define LANES_PIECE	((size_t)4 * 1024)	/* octets that are summed with one key, which stays in the processor's nearest cache */
#define LANES_KEY	((LANES_PIECE + LANES_MOST / LANES_PIECE * sizeof(uint64_t)) / sizeof(uint32_t))

struct lanes {
	size_t (*count_text)(const char *p, size_t n);		/* the octets above CR and below 128 */

	/*
	 * The sum of n octets, no more than LANES_MOST. Of 2^31 keys, LANES_KEY words drawn by chance, no more than one gives two different texts of one
	 * length the same sum, whatever they are: NH (Black and others, UMAC, 1999) of each piece, and of these.
	 */
	uint64_t (*sum)(const uint32_t *key, const char *p, size_t n);
};

extern const struct lanes lanes_narrow;		/* for each processor */

const struct lanes *lanes_here(void);		/* what this processor does fastest; static */

#endif
