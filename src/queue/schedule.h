/*
 * When a message of the queue is tried.
 */
#ifndef QUEUE_SCHEDULE_H
#define QUEUE_SCHEDULE_H

#include <stdbool.h>
#include <time.h>
#include "queue/spool.h"

/*
 * The seconds that a message has waited by now. From one attempt to the next no more counts than a quarter of the lifetime (in seconds), but an hour in any case, and a day
 * at most: neither a clock that was wrong when it came, nor a machine that was off, ends it before it was tried.
 */
time_t schedule_waited(const struct spool_item *item, time_t lifetime, time_t now);

/* When a message that has waited so long is to be tried again: after a minute at first, growing to an hour, and by lot a little more or less. */
time_t schedule_next(time_t waited, time_t now);

/* True where a message is due: its time has come, or is so far off that a clock must have jumped. */
bool schedule_is_due(time_t next, time_t now);

#endif
