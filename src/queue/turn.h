/*
 * One run at a time: whose turn it is, and what others ask for meanwhile.
 *
 * Who holds the lock of the file "runner" runs. Who wants a run adds an octet to that file, and whoever begins to do what is asked marks the octets under the lock; after
 * giving the lock back he looks whether there is any without a mark. So no request is missed, whoever has the lock next, and nobody has to wait.
 */
#ifndef QUEUE_TURN_H
#define QUEUE_TURN_H

#include "queue/spool.h"

enum turn_request { TURN_NONE, TURN_DUE, TURN_ALL };

/* Asks for a run; where there is no room for that, only a run that goes on misses it. */
void turn_ask(const struct spool *s, enum turn_request what);

/* fd: of spool_open_runner(). 0: it is our turn; 1: it is somebody else's; -1: errno. */
int turn_take(int fd);
void turn_give_back(int fd);

/*
 * The most that anybody asks for and nobody has begun to do. turn_accept() marks it as begun, and is for whose turn it is; where the disk does not let it (*marked false) it
 * would be found again and again.
 */
enum turn_request turn_wanted(int fd);
enum turn_request turn_accept(int fd, bool *marked);

#endif
