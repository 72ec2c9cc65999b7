/*
 * One run: what the flags ask for, from standard input to the exit status.
 */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>

/* What main.c has found out about the process before anything else was opened. */
struct process {
	bool stdin_closed;	/* descriptor 0 was closed at the start */
	bool privileged;	/* setuid or setgid: the environment counts for nothing */
};

/* Does it. Returns the exit status; everything a person or the log has to be told has been told. */
int run(int argc, char **argv, const struct process *p);

/* Reads standard input to its end as far as it was not yet read; for whoever has to give up. */
void run_drain(void);

#endif
