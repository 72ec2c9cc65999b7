/*
 * Where a password or a token comes from: the configuration itself, a file (systemd's $CREDENTIALS_DIRECTORY for names without a
 * slash), the environment, or a command. Whoever gets one wipes it.
 */
#ifndef SECRET_H
#define SECRET_H

#include <stdbool.h>
#include "clock.h"
#include "config.h"
#include "mem.h"
#include "outcome.h"

#define SECRET_MAX	65536	/* octets */

/*
 * Gets the secret, at most SECRET_MAX octets, one line end at its end taken off; any octet but NUL. A command runs by /bin/sh -c with an empty standard
 * input in a process group of its own, is killed when the deadline passes, and must exit 0. -1: o (78; 75 for a command or FIFO that was too slow).
 * what: how a person calls it ("password of smarthost smtp.example.com"). The caller ends out with buf_wipe().
 */
int secret_get(struct buf *out, const struct secret_source *src, const char *what, msec deadline, struct outcome *o);

/* True where getting it twice is not the same as once: a command, or a file that is a pipe. */
bool secret_is_fleeting(const struct secret_source *src);

#endif
