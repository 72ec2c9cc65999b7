/*
 * The files of messages that were removed: they are closed, by which the system deletes them, and the directory is synced, in a thread beside the sending. To delete a
 * file takes the system as long as to send what was in it.
 */
#ifndef QUEUE_REMOVAL_H
#define QUEUE_REMOVAL_H

struct removals;

/* For one directory, which is not owned; most: files that may be open, and as many again while they are deleted. The last waits for what is under way. */
struct removals *removals_new(int dir, size_t most);
void removals_free(struct removals *r);		/* NULL is allowed */

/* One more: a file that has no name any more, and belongs to r from now on; it is deleted at once where there are too many. */
void removals_add(struct removals *r, int fd);

/* What was added is seen to from now on, once what is under way has come to its end. -1: errno, of that or of this. */
int removals_begin(struct removals *r);

/* Waits for what is under way: it is deleted, and that outlives a power loss. -1: errno. */
int removals_end(struct removals *r);

#endif
