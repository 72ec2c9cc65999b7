/*
 * An access token for XOAUTH2 and OAUTHBEARER: from the cache, else from the endpoint (CONTRACT section 5).
 */
#ifndef OAUTH_TOKEN_H
#define OAUTH_TOKEN_H

#include <stdbool.h>
#include "clock.h"
#include "config.h"
#include "mem.h"
#include "outcome.h"
#include "trace.h"

/*
 * Gets a token for h->oauth, before the deadline; *kept: it is from the cache, and not the one that was refused (or empty). A refresh token that the endpoint has replaced is stored before the access token is used; where that is not possible the
 * old one is left, and the log of a run that fails tells. -1: o (78 a secret of ours; 75 the endpoint cannot be reached, or not now; 76 it is not trusted, or answers with nonsense; 77 it refuses). The caller
 * ends out with buf_wipe().
 */
int oauth_token(struct buf *out, bool *kept, const struct smarthost *h, const struct buf *refused, msec deadline, struct trace *t, struct outcome *o);

/* The smarthost has refused that token: it is not used again. */
void oauth_drop(const struct smarthost *h, const struct buf *token);

#endif
