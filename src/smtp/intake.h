/*
 * What the caller of -bs sends: command lines, and the octets of a message up to the end of data. Bounded: a line by its buffer, a wait by the
 * idle time, the message by what mail/store.h keeps.
 */
#ifndef SMTP_INTAKE_H
#define SMTP_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mail/message.h"

#define INTAKE_BLOCK	65536		/* octets that are read at a time */
#define INTAKE_AHEAD	(2 * INTAKE_BLOCK)	/* that are read ahead */

enum intake_result { INTAKE_OK, INTAKE_END, INTAKE_IDLE, INTAKE_TOO_LONG, INTAKE_FLOOD };

struct intake {
	int fd;
	int idle;		/* milliseconds that a read may wait */
	bool (*waiting)(void *arg);	/* called before each wait: nothing may be held back then. False: nobody waits any more */
	void *arg;
	bool ended;		/* end of input, or an error: then errno is kept in error */
	int error;
	size_t at;		/* what is in the block, from at to len, was read and not yet taken */
	size_t len;
	size_t room;		/* octets that the block has */
	char *block;
};

/* The caller sets waiting, where there is something to be called. */
struct intake *intake_new(int fd, int idle);
void intake_free(struct intake *in);	/* fd stays open */

/* Reads what has come, behind what is there, without waiting for it. False: nothing has, or there is as much ahead as there may be. */
bool intake_more(struct intake *in);

/* Octets that were taken are to be taken once more. */
void intake_back(struct intake *in, const char *p, size_t n);

/* A view of what has come and is not taken, as far as it is read ahead, with the same functions: what is taken there is not taken here. It ends where that ends. */
struct intake *intake_view(const struct intake *in);

/*
 * One line into line, without its line end (CRLF or LF), NUL-terminated; *len: its octets, NULs among them included; *crlf: how it ended. INTAKE_TOO_LONG: it had
 * more than size - 1 octets and was dropped, line has its begin; INTAKE_FLOOD: there is no end to it. A last line that has no line end counts as none.
 */
enum intake_result intake_line(struct intake *in, char *line, size_t size, size_t *len, bool *crlf);

/*
 * A look at a line that has come and is not taken yet, the next one where *at is 0, then the one behind it: into line, of size octets, as intake_line() would. False: it has not come, or is
 * none that a command could be.
 */
bool intake_look(const struct intake *in, size_t *at, char *line, size_t size);

/*
 * The message behind DATA into r, or, where that is NULL, away; dots undone (RFC 5321 section 4.5.2). Where DATA itself ended in CRLF, CRLF.CRLF alone is the end of data, and CRLF alone is a line end; where it ended in a
 * bare LF (lf_ends), LF.LF is as well, and LF is one. Nothing else ends it (CONTRACT section 3a): smuggling cannot begin here.
 */
enum intake_result intake_data(struct intake *in, bool lf_ends, struct message_reader *r);

/* n octets of a chunk into r, or, where that is NULL, away. */
enum intake_result intake_chunk(struct intake *in, uint64_t n, struct message_reader *r);

#endif
