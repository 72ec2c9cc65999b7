/*
 * The body of a message in a file that can be read again: it is looked through, and nothing of it is copied.
 *
 * That is for lines of ASCII of no more than 998 octets, which go out as they stand but for the CRs that are missing. Of each block a sum
 * is kept, and compared before the block is given out: a file that somebody changes meanwhile is an error, never another message.
 */
#ifndef MAIL_LENT_H
#define MAIL_LENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lent;

/*
 * Looks through the file from one offset up to another, or to its end where that comes first. no_dots: a line must not begin with a dot. NULL: there
 * is something in it that has to be changed before it goes out, or it cannot be read: whoever reads it in the ordinary way will see. fd is not
 * owned and must stay open.
 */
struct lent *lent_look(int fd, uint64_t from, uint64_t to, bool no_dots);

uint64_t lent_length(const struct lent *l);	/* octets with every line ending in CRLF */
uint64_t lent_end(const struct lent *l);	/* the offset in the file at which it ends */
size_t lent_longest(const struct lent *l);	/* the longest line, octets without CRLF */

#define LENT_CHANGED	(-2)

/*
 * Octets from offset on, which is less than lent_length(): a pointer to them in *p, which is good until the next call, and their number. -1: errno.
 * LENT_CHANGED: the file is not what it was.
 */
ptrdiff_t lent_read(struct lent *l, uint64_t offset, const char **p);

void lent_free(struct lent *l);		/* NULL is allowed */

#endif
