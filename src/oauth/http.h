/*
 * The little of HTTP that a token endpoint takes: one POST over TLS and its answer (RFC 9110, RFC 9112), through a proxy by CONNECT where the configuration names one. Everything is
 * bounded, and nothing is followed: not a redirection, not a name of the environment's.
 */
#ifndef OAUTH_HTTP_H
#define OAUTH_HTTP_H

#include <stdbool.h>
#include "clock.h"
#include "mem.h"
#include "net/stream.h"
#include "outcome.h"
#include "trace.h"
#include "url.h"

#define HTTP_BODY_MAX	(256 * 1024)	/* octets of an answer's body */

struct http_request {
	const char *url;		/* https://... */
	const char *ca_file;		/* or NULL: the system's authorities */
	const char *proxy;		/* http://..., or NULL */
	const struct buf *proxy_login;	/* "user:password", or NULL */
	const struct buf *form;		/* the body: application/x-www-form-urlencoded */
	const struct buf *shown;	/* the same for the trace, secrets masked */
};

struct http_reply {
	int status;		/* 200 to 599 */
	struct buf body;	/* the caller wipes it */
	long retry_after;	/* seconds, 0: not told */
};

/*
 * Sends the request and reads the whole answer before the deadline. -1: o, as net/ tells it: look-up, connection, TLS; 75 the connection was lost or the time is up; 76 (CAUSE_OAUTH_ANSWER) what
 * came is not HTTP, or beyond its bounds; the proxy refuses. No octet of the request's body has left then unless TLS stands and the endpoint is verified.
 */
int http_post(struct http_reply *r, const struct http_request *q, msec deadline, struct trace *t, struct outcome *o);

/* Reads an answer of host's from the stream. Exposed for tests and fuzzing. */
int http_read(struct http_reply *r, struct stream *s, const char *host, struct trace *t, struct outcome *o);

/* Adds "name=value" to a form, with '&' where it is not the first, percent-encoded. */
void http_form_add(struct buf *form, const char *name, const char *value, size_t n);

#endif
