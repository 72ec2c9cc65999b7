/*
 * The replies to the caller of -bs on their way out: well formed whatever their text, held back while commands are there to be answered (RFC 2920 section 3.2).
 */
#ifndef SMTP_REPLIES_H
#define SMTP_REPLIES_H

#include "mem.h"

struct replies {
	int fd;
	int wait;		/* milliseconds that the caller may stand still before he gets no more */
	struct buf held;	/* the owner frees it */
};

/* Adds a reply of as many lines as text has (joined by LF, printable); long ones are cut. enhanced: NULL or "": none. -1: as replies_flush(). */
int replies_add(struct replies *r, int code, const char *enhanced, const char *text);

/* Writes all that is held. -1: the caller does not take it. */
int replies_flush(struct replies *r);

#endif
