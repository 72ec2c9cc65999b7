/*
 * The notice to a sender whose message has failed, on its way: made by mail/notice.h, sent through the same smarthosts as any message.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <time.h>
#include "submit.h"

/* How it goes; all borrowed. */
struct notify_way {
	const struct config *config;
	const struct aliases *aliases;
	const char *host;		/* this host's name */
	msec deadline;			/* for all of it */
	time_t arrival;			/* of the message; 0: now */
	time_t until;			/* struct notice's */
	struct submission *submission;	/* over which it is sent, or NULL: a connection of its own */
	bool postmaster;		/* is told where the sender cannot be, and nobody else will try again */
	struct trace *trace;
};

/*
 * Tells the sender of r->envelope what became of the message, text being the words for a person. From the null sender; where a smarthost refuses that, once more from
 * the configuration's from. -1: it could not be sent. r->notice and its like tell the log what became of it. Where
 * a smarthost has answered, only that one is asked.
 */
int notify_sender(struct result *r, struct message *message, const char *text, const struct notify_way *way);

#endif
