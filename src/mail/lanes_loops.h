/*
 * The loops of lanes.c for one width, which includes this for each. Defined there: WIDTH, the octets of a vector; LANES(x), the name of x for that width; TARGET,
 * the attribute of a function with such vectors; PRODUCTS(x), of each 64 bits the upper half times the lower one. All are undefined again at the end.
 */
typedef signed char LANES(octets) __attribute__((vector_size(WIDTH)));
typedef uint8_t LANES(counts) __attribute__((vector_size(WIDTH)));
typedef uint32_t LANES(words) __attribute__((vector_size(WIDTH)));
typedef uint64_t LANES(pairs) __attribute__((vector_size(WIDTH)));

/* Each octet of found counts for itself, as far as it goes; then they are added: by twos, and these by a multiplication. */
TARGET static size_t
LANES(count_text)(const char *p, size_t n)
{
	size_t count = 0;

	while (n >= 2 * WIDTH) {
		size_t steps = n / (2 * WIDTH) < UINT8_MAX / 2 ? n / (2 * WIDTH) : UINT8_MAX / 2;
		LANES(counts) found = {0};
		LANES(pairs) sums;

		n -= steps * 2 * WIDTH;
		for (; steps > 0; steps--, p += 2 * WIDTH) {
			LANES(octets) a, b;

			memcpy(&a, p, WIDTH);
			memcpy(&b, p + WIDTH, WIDTH);
			found -= (LANES(counts))((a > '\r') + (b > '\r'));	/* what is true is -1 */
		}
		sums = (LANES(pairs))found;
		sums = (sums & EVEN_OCTETS) + (sums >> CHAR_BIT & EVEN_OCTETS);
		for (size_t i = 0; i < WIDTH / sizeof(uint64_t); i++)
			count += (size_t)(sums[i] * ONES >> 48);
	}
	for (; n > 0; n--, p++)
		count += (signed char)*p > '\r';
	return count;
}

TARGET static uint64_t
LANES(nh)(const uint32_t *key, const char *p, size_t n)
{
	LANES(pairs) sum[STRIPE / WIDTH] = {{0}};
	char rest[STRIPE] = {0};
	uint64_t total = 0;

	while (n > 0) {
		if (n < STRIPE) {
			p = memcpy(rest, p, n);
			n = STRIPE;
		}
		for (size_t i = 0; i < STRIPE / WIDTH; i++) {
			LANES(words) w, k;

			memcpy(&w, p + i * WIDTH, WIDTH);
			memcpy(&k, (const char *)key + i * WIDTH, WIDTH);
			w += k;
			sum[i] += PRODUCTS(w);
		}
		p += STRIPE;
		n -= STRIPE;
		key += STRIPE / sizeof(*key);
	}
	for (size_t i = 0; i < STRIPE / sizeof(uint64_t); i++)
		total += sum[i * sizeof(uint64_t) / WIDTH][i % (WIDTH / sizeof(uint64_t))];
	return total;
}

TARGET static uint64_t
LANES(sum)(const uint32_t *key, const char *p, size_t n)
{
	uint64_t sums[LANES_MOST / LANES_PIECE] = {0};
	size_t k;

	for (uint64_t *s = sums; n > 0; s++, p += k, n -= k) {
		k = n < LANES_PIECE ? n : LANES_PIECE;
		*s = LANES(nh)(key, p, k);
	}
	return LANES(nh)(key + LANES_PIECE / sizeof(*key), (const char *)sums, sizeof(sums));
}

#undef WIDTH
#undef LANES
#undef TARGET
#undef PRODUCTS
