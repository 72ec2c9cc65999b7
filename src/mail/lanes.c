/*
 * Many octets at a time. See lanes.h.
 */
#include <limits.h>
#include <string.h>
#include "mail/lanes.h"
#ifdef __x86_64__
#include <immintrin.h>
#if __has_include(<sys/platform/x86.h>)		/* glibc 2.33: it has asked the processor already, which takes long on a virtual one */
#include <sys/platform/x86.h>
#define WIDE	CPU_FEATURE_ACTIVE(AVX2)
#endif
#endif

#define STRIPE		64	/* octets that are summed at a time; what is left is filled up with zeros */
#define EVEN_OCTETS	UINT64_C(0x00ff00ff00ff00ff)
#define ONES		UINT64_C(0x0001000100010001)

#define WIDTH		16
#define LANES(x)	x ## _16
#define TARGET
#ifdef __x86_64__
#define PRODUCTS(x)	(pairs_16)_mm_mul_epu32((__m128i)(x), _mm_srli_epi64((__m128i)(x), 32))
#else
#define PRODUCTS(x)	(((pairs_16)(x) & UINT32_MAX) * ((pairs_16)(x) >> 32))
#endif
#include "mail/lanes_loops.h"

const struct lanes lanes_narrow = {count_text_16, sum_16};

#ifdef WIDE
#define WIDTH		32
#define LANES(x)	x ## _32
#define TARGET		__attribute__((target("avx2")))
#define PRODUCTS(x)	(pairs_32)_mm256_mul_epu32((__m256i)(x), _mm256_srli_epi64((__m256i)(x), 32))
#include "mail/lanes_loops.h"

static const struct lanes wide = {count_text_32, sum_32};
#endif

const struct lanes *
lanes_here(void)
{
#ifdef WIDE
	if (WIDE)
		return &wide;
#endif
	return &lanes_narrow;
}
