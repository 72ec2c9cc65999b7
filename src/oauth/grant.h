/*
 * What is said to a token endpoint, and what it answers (RFC 6749): client credentials with a secret or a signed assertion (RFC 7523), a refresh token, a service account's assertion, and the
 * two steps of the device authorization grant (RFC 8628).
 */
#ifndef OAUTH_GRANT_H
#define OAUTH_GRANT_H

#include "config.h"
#include "mem.h"
#include "oauth/http.h"
#include "outcome.h"

#define GRANT_HIDDEN	4

/* A request to be made. The caller ends it with grant_free(), which wipes what is secret. */
struct grant {
	const struct smarthost *host;
	char *url;
	struct buf form;
	struct buf shown;	/* the form with secrets masked, for the trace */
	struct buf hidden[GRANT_HIDDEN];	/* those secrets: not to be shown when they are said back */
	size_t hides;
};

/* The request for an access token that the configuration asks for. -1: o (78 a secret, key or file of ours cannot be used). */
int grant_make(struct grant *g, const struct smarthost *h, msec deadline, struct outcome *o);

/* The two requests of the device authorization grant. */
int grant_device(struct grant *g, const struct smarthost *h, msec deadline, struct outcome *o);
int grant_poll(struct grant *g, const struct smarthost *h, const char *device_code, msec deadline, struct outcome *o);
void grant_free(struct grant *g);

/* An answer that is a token. The caller ends it with token_free(). */
struct token {
	struct buf access;
	struct buf refresh;	/* a new one in place of that which was used, or empty */
	long lifetime;		/* seconds, 0: not told */
};

/*
 * Reads an answer to g. A new refresh token is in t even where the rest of it is of no use. -1: o: 77 the endpoint refuses (its error and description in why; CAUSE_OAUTH_CONSENT where somebody has to authorize again), 75 it refuses for now, 76 it is no answer.
 * error, of 64 octets, gets the error's name, "" where there is none.
 */
int grant_answer(struct token *t, const struct http_reply *r, const struct grant *g, char *error, struct outcome *o);
void token_free(struct token *t);

/* Posts the request; with again once more, where the endpoint asks for a short while of patience; tells both in the trace. -1: o. r is empty then. */
int grant_post(struct http_reply *r, const struct grant *g, bool again, msec deadline, struct trace *t, struct outcome *o);

#endif
