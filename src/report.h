/*
 * What a person and the log are told: outcome -> words on standard error (CONTRACT section 6), one log line.
 */
#ifndef REPORT_H
#define REPORT_H

#include <stddef.h>
#include "mail/envelope.h"
#include "outcome.h"
#include "submit.h"

/*
 * Writes "sendmail: what: why. Likely cause: ... Remedy: ..." to fd: one line of printable characters, all else through vis(3).
 */
void report_failure(int fd, const struct outcome *o);

/* Prints text to standard output. The exit status: who has not got it must not think he has (74). */
int report_say(const char *text);

/* The first failure there is to tell, of the run, of a recipient, of an address; NULL: none. */
const struct outcome *report_first(const struct result *r);

/* A line for each smarthost that was given up, for the run as a whole, for each recipient that failed, and for each address that is none. */
void report_result(int fd, const struct result *r);

/* One such line as text, with its line end. */
void report_fate(struct buf *b, const struct outcome *o);

/* The same lines as text, for a notice. */
void report_text(struct buf *b, const struct result *r);

/* The run's log line. */
void report_log(const struct result *r);

/* The log line of what failed without a message. */
void report_note(const struct outcome *o);

#endif
