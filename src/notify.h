/*
 * The notice to a sender whose message has failed, on its way: made by mail/notice.h, sent through the same smarthosts as any message.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include "submit.h"

/*
 * Tells the sender of r->envelope what became of the message, text being the words for a person. From the null sender; where a smarthost refuses that, once more from
 * the configuration's from. -1: it could not be sent. r->notice and its like tell the log what became of it. deadline bounds all of it.
 */
int notify_sender(struct result *r, struct message *message, const struct config *c, const struct aliases *aliases, const char *host,
    const char *text, msec deadline, struct trace *t);

#endif
