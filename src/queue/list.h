/*
 * What there is in the queue, for people and for programs (mailq).
 */
#ifndef QUEUE_LIST_H
#define QUEUE_LIST_H

#include <stdbool.h>
#include <time.h>
#include "mem.h"
#include "outcome.h"
#include "queue/spool.h"

/*
 * Appends the messages that are older than so many seconds (0: all), as text or as JSON; *shown: their number. -1: o: the queue cannot be read.
 */
int list_queue(struct buf *out, struct spool *s, bool json, time_t older, size_t *shown, struct outcome *o);

/* Appends seconds in the two largest units that tell them: "2d3h", "5m", "40s". */
void list_duration(struct buf *out, time_t seconds);

#endif
