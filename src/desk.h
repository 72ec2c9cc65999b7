/*
 * The modes in which the queue is seen, steered and run by hand: mailq, --queue-..., -q.
 */
#ifndef DESK_H
#define DESK_H

#include "keep.h"
#include "outcome.h"

/* Each prints what there is to say, and returns the exit status. o: what became of reading the configuration, and is used for what fails. */
int desk_list(const struct keeper *k, struct outcome *o);
int desk_steer(const struct keeper *k, struct outcome *o);
int desk_run(const struct keeper *k, struct outcome *o);

#endif
