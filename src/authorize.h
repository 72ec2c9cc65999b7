/*
 * --authorize: a person lets this program send, in a browser elsewhere, and a refresh token is kept (RFC 8628).
 */
#ifndef AUTHORIZE_H
#define AUTHORIZE_H

#include "config.h"
#include "outcome.h"
#include "trace.h"

/*
 * For the smarthost of that title (NULL: the only one with oauth). Prints what to do on standard output, a terminal, and waits until it is done. -1: o. Nothing is written but the file that
 * refresh-token-file names, and the cache.
 */
int authorize(const struct config *c, const char *title, struct trace *t, struct outcome *o);

#endif
