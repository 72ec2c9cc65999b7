/*
 * Which of many strings came before: for lists of recipients, without a cost that grows with the square of their number.
 */
#ifndef MAIL_UNIQUE_H
#define MAIL_UNIQUE_H

#include <stdbool.h>
#include <stddef.h>

/* Sets again[i] where the same string stands at a lower index already, and clears the others. Both arrays are the caller's. */
void unique_mark(const char *const *string, size_t n, bool *again);

#endif
