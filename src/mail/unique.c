/*
 * Which of many strings came before: see unique.h. By sorting, since no choice of strings can make that slow.
 */
#include <stdlib.h>
#include <string.h>
#include "mail/unique.h"
#include "mem.h"

struct ranked {
	const char *string;
	size_t index;
};

static int
compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	int order = strcmp(x->string, y->string);

	return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

void
unique_mark(const char *const *string, size_t n, bool *again)
{
	struct ranked *r;

	if (n == 0)
		return;
	r = mem_grow(NULL, n, sizeof(*r));
	for (size_t i = 0; i < n; i++)
		r[i] = (struct ranked){ string[i], i };
	qsort(r, n, sizeof(*r), compare_ranked);
	again[r[0].index] = false;
	for (size_t i = 1; i < n; i++)
		again[r[i].index] = strcmp(r[i - 1].string, r[i].string) == 0;
	free(r);
}
