/*
 * The dialogue with the smarthost, shown as it happens (-v), and kept in the transcript. Nothing of a credential is ever passed to this room: whoever sends
 * one passes a masked line instead. All text goes out through vis(3).
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include "clock.h"

struct trace {
	int fd;			/* where to; -1: nowhere */
	msec start;
	bool tls;		/* marks lines that went through TLS */
	const char *transcript;	/* the file that keeps it, or NULL. Not owned */
	char run[9];		/* what marks the lines of this run there */
};

/* A trace that goes to fd (-1: nowhere) and to the file transcript (NULL: none; made with mode 0600 at the first line; not owned), its clock started. */
void trace_init(struct trace *t, int fd, const char *transcript);

/* One line, without its line end: dir is '<' (from the smarthost), '>' (to it) or '*' (what the program itself notes). Where it cannot be written, the mail goes on. */
void trace_line(struct trace *t, char dir, const char *line, size_t len);
void trace_note(struct trace *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
