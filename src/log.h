/*
 * One line a run, key=value, to syslog (facility mail), a file or standard error (CONTRACT section 6). The only room that calls syslog().
 *
 * The log handle is the one global of the program. A log that cannot be written costs no mail and breaks no silence: log_error() tells a run that fails itself.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include "config.h"
#include "mem.h"

/* Chooses where lines go. tag: as -L gave it, or NULL for "sendmail"; at most 32 octets of it count, and "_" stands for all
 * but letters, digits and "._/-". Nothing is opened yet. */
void log_open(enum log_kind kind, const char *file, const char *tag);

/* Whether lines are JSON objects, which log_field() and its like then make. After log_open(). */
void log_as_json(bool json);

/* For a process that has left its caller's descriptors behind: what went to standard error goes to syslog. */
void log_detach(void);

/*
 * Adds " key=value" to a line (without the blank if it is the first). Everything but printable ASCII is written by vis(3) rules, and a value with a blank, a quote or
 * nothing in it is put in double quotes, so that no value can make a field or a line. As JSON: a member of the object, its value a string of the same characters.
 */
void log_field(struct buf *line, const char *key, const char *value);
void log_number(struct buf *line, const char *key, long long value);

/* The name of the command that runs us, where the system tells it and it is the one who called; else NULL. Asked for once. */
const char *log_caller(void);

/* Writes the line, made by log_field(), within two seconds at the most. priority as syslog(3): LOG_INFO, LOG_ERR, ... */
void log_write(int priority, struct buf *line);

/* Where lines go: "syslog, facility mail", "standard error", or the file. */
const char *log_where(void);

/* Why what was written there is lost without anybody noticing, or NULL: syslog(3) says nothing. */
const char *log_lost(void);

/* What of a run's traces could not be written: "the log", "the transcript", "the refresh token", as static text. Only a run that fails itself tells it, the first one. */
void log_remember(const char *what, const char *where, const char *why);

/* That ("cannot write the log /x: No space left on device"), or NULL. */
const char *log_error(void);

/* What is remembered of one of them ("the log", "the transcript"): why it could not be written, or NULL. */
const char *log_trouble(const char *what);

#endif
