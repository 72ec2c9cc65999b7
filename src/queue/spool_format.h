/*
 * The text of a file of the queue: what spool.c writes and reads. See sendmail-queue(5).
 *
 *	head		fixed width: magic and version, lengths; then what changes: times and flags
 *	error		fixed width, changes: what befell the last attempt as a whole
 *	recipients	fixed width each, change: state and fate
 *	envelope	lines
 *	message		octets
 *	end		fixed width: the checksum of all that does not change
 */
#ifndef QUEUE_SPOOL_FORMAT_H
#define QUEUE_SPOOL_FORMAT_H

#include <stdbool.h>
#include <stdint.h>
#include "mem.h"
#include "queue/spool.h"

#define SPOOL_HEAD_SIZE		256	/* octets; one sector has all of it, so that it cannot be torn */
#define SPOOL_STATE_AT		96	/* where in the head it begins to change */
#define SPOOL_RECORD_SIZE	256	/* of the error, and of each recipient */
#define SPOOL_END_SIZE		27
#define SPOOL_ENVELOPE_MAX(recipients)	(4096 + 2048 * (uint64_t)(recipients))	/* more than addresses can take */

/* The lengths of the parts that have one. */
struct spool_lengths {
	uint64_t recipients;	/* their number */
	uint64_t envelope;
	uint64_t message;
};

/* FNV-1a of 64 bits, begun with SPOOL_SUM_BEGIN. It tells accidents, not attackers. */
#define SPOOL_SUM_BEGIN 14695981039346656037ULL
uint64_t spool_sum(uint64_t sum, const void *p, size_t n);

/* Appends the part that never changes; SPOOL_STATE_AT octets. */
void spool_add_head(struct buf *b, const struct spool_lengths *l);

/* Appends what changes in the head; SPOOL_HEAD_SIZE - SPOOL_STATE_AT octets. */
void spool_add_state(struct buf *b, const struct spool_item *item);

/* Reads both. NULL, or what is wrong in words. */
const char *spool_read_head(const char *p, struct spool_lengths *l, struct spool_item *item);

/* Appends an outcome with its state as one record; o NULL: none. */
void spool_add_record(struct buf *b, char state, const struct outcome *o);

/* Reads one; o is all zero where there is none, or it cannot be read. The state. */
char spool_read_record(const char *p, struct outcome *o);

/* Appends the envelope; created as item has it. */
void spool_add_envelope(struct buf *b, const struct envelope *e, bool (*wanted)(const struct envelope *, size_t), time_t created);

/* Reads one of n octets, NUL-terminated, which is changed. NULL, or what is wrong in words. */
const char *spool_read_envelope(char *text, size_t n, struct envelope *e, time_t *created);

void spool_add_end(struct buf *b, uint64_t sum);
bool spool_is_end(const char *p, uint64_t sum);

#endif
