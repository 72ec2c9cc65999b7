/*
 * Many octets at a time: what this processor does fastest, and what each one does, is what the definition says.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "mail/lanes.h"
#include "mem.h"

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))
#define SPARE		64		/* octets by which a text is moved in memory */

static const size_t lengths[] = {0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 4064, 8127, 8128, 8129, 16320, LANES_PIECE - 1, LANES_PIECE, LANES_PIECE + 1,
    3 * LANES_PIECE + 77, LANES_MOST - 1, LANES_MOST};

struct given {
	const struct lanes *all[2];
	uint32_t key[LANES_KEY];
	char *text;		/* LANES_MOST octets, and SPARE */
};

static int
set_up(void **state)
{
	struct given *g = mem_alloc(sizeof(*g));

	g->all[0] = &lanes_narrow;
	g->all[1] = lanes_here();
	g->text = mem_grow(NULL, LANES_MOST + SPARE, 1);
	srandom(7);
	for (size_t i = 0; i < LANES_KEY; i++)
		g->key[i] = (uint32_t)random() * 2 + (uint32_t)(random() & 1);
	for (size_t i = 0; i < LANES_MOST + SPARE; i++)
		g->text[i] = (char)random();
	*state = g;
	return 0;
}

static int
tear_down(void **state)
{
	struct given *g = *state;

	free(g->text);
	free(g);
	return 0;
}

static size_t
count_plainly(const char *p, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += (unsigned char)p[i] > '\r' && (unsigned char)p[i] < 128;
	return count;
}

/* A word at an offset; what the text lacks is zeros. */
static uint32_t
word(const char *p, size_t n, size_t i)
{
	uint32_t w = 0;

	if (i < n)
		memcpy(&w, p + i, n - i < sizeof(w) ? n - i : sizeof(w));
	return w;
}

static uint64_t
nh_plainly(const uint32_t *key, const char *p, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < (n + 63) / 64 * 64; i += 8)
		sum += (uint64_t)(uint32_t)(word(p, n, i) + key[i / 4]) * (uint32_t)(word(p, n, i + 4) + key[i / 4 + 1]);
	return sum;
}

static uint64_t
sum_plainly(const uint32_t *key, const char *p, size_t n)
{
	uint64_t sums[LANES_MOST / LANES_PIECE] = {0};

	for (size_t i = 0; i < n; i += LANES_PIECE)
		sums[i / LANES_PIECE] = nh_plainly(key, p + i, n - i < LANES_PIECE ? n - i : LANES_PIECE);
	return nh_plainly(key + LANES_PIECE / 4, (const char *)sums, sizeof(sums));
}

static void
as_defined(void **state)
{
	struct given *g = *state;

	for (size_t i = 0; i < COUNT(lengths); i++)
		for (const char *p = g->text; p < g->text + SPARE; p += 13)
			for (size_t k = 0; k < COUNT(g->all); k++) {
				assert_int_equal(g->all[k]->count_text(p, lengths[i]), count_plainly(p, lengths[i]));
				assert_true(g->all[k]->sum(g->key, p, lengths[i]) == sum_plainly(g->key, p, lengths[i]));
			}
}

/* Where all octets count, no place for a part of the sum is too small; each octet that does not is seen. */
static void
counts_of_all_and_none(void **state)
{
	struct given *g = *state;
	char octets[] = {0, '\n', '\r', '\r' + 1, ' ', 'z', 127, '\x80', '\xff'};

	for (size_t c = 0; c < sizeof(octets); c++) {
		memset(g->text, octets[c], LANES_MOST);
		for (size_t i = 0; i < COUNT(lengths); i++)
			for (size_t k = 0; k < COUNT(g->all); k++)
				assert_int_equal(g->all[k]->count_text(g->text, lengths[i]), (unsigned char)octets[c] > '\r' && (unsigned char)octets[c] < 128 ? lengths[i] : 0);
	}
	memset(g->text, 'x', LANES_MOST);
	for (size_t at = 0; at < 8200; at++) {
		g->text[at] = '\n';
		for (size_t k = 0; k < COUNT(g->all); k++)
			assert_int_equal(g->all[k]->count_text(g->text, 8200), 8199);
		g->text[at] = 'x';
	}
}

/* A bit of each octet, and two pieces that change places: which is which, their sums do not know. */
static void
sums_know_a_bit_and_the_order(void **state)
{
	struct given *g = *state;
	const struct lanes *lanes = lanes_here();
	size_t n = 2 * LANES_PIECE + 41;
	uint64_t before = lanes->sum(g->key, g->text, n);
	char piece[LANES_PIECE];

	for (size_t i = 0; i < n * 8; i += 7) {
		g->text[i / 8] = (char)(g->text[i / 8] ^ 1 << i % 8);
		assert_true(lanes->sum(g->key, g->text, n) != before);
		g->text[i / 8] = (char)(g->text[i / 8] ^ 1 << i % 8);
	}
	assert_true(lanes->sum(g->key, g->text, n) == before);
	memcpy(piece, g->text, sizeof(piece));
	memcpy(g->text, g->text + LANES_PIECE, LANES_PIECE);
	memcpy(g->text + LANES_PIECE, piece, sizeof(piece));
	assert_true(lanes->sum(g->key, g->text, n) != before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(as_defined, set_up, tear_down),
		cmocka_unit_test_setup_teardown(counts_of_all_and_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sums_know_a_bit_and_the_order, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
