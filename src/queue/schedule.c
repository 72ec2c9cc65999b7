/*
 * When a message of the queue is tried. See schedule.h.
 */
#include <stdint.h>
#include <stdlib.h>
#include "queue/schedule.h"

#define SOONEST		60		/* seconds until a message is tried again */
#define LATEST		3600
#define DAY		86400

time_t
schedule_waited(const struct spool_item *item, time_t lifetime, time_t now)
{
	time_t gap = now - (item->tried != 0 ? item->tried : item->created), most = lifetime / 4;

	if (most < LATEST)
		most = LATEST;
	if (most > DAY)
		most = DAY;
	return item->waited + (gap < 0 ? 0 : gap > most ? most : gap);
}

time_t
schedule_next(time_t waited, time_t now)
{
	time_t wait = waited;

	if (wait < SOONEST)
		wait = SOONEST;
	if (wait > LATEST)
		wait = LATEST;
	return now + wait - wait / 8 + (time_t)arc4random_uniform((uint32_t)wait / 4 + 1);
}

bool
schedule_is_due(time_t next, time_t now)
{
	return next <= now || next > now + LATEST + LATEST / 8;
}
