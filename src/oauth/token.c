/*
 * An access token: from the cache, else from the endpoint. See token.h.
 */
#include <errno.h>
#include <string.h>
#include "log.h"
#include "oauth/cache.h"
#include "oauth/grant.h"
#include "oauth/token.h"

/* A refresh token that was replaced may be good no more. */
static void
store_refresh(const struct smarthost *h, const struct buf *refresh, struct trace *t)
{
	const char *path = h->oauth->refresh_token_file;

	if (path == NULL || refresh->len == 0 || cache_holds(path, refresh))
		return;
	if (cache_replace(path, refresh)) {
		trace_note(t, "the new refresh token is in %s", path);
		return;
	}
	trace_note(t, "cannot write the new refresh token to %s: %s", path, strerror(errno));
	log_remember("the refresh token", path, strerror(errno));
}

/* Whatever else the answer holds, a new refresh token in it is kept first. */
static int
fetch(struct buf *out, struct token_cache *c, const struct smarthost *h, msec deadline, struct trace *t, struct outcome *o)
{
	struct http_reply reply = {0};
	struct token token = {0};
	struct grant g;
	char error[64];
	int r = grant_make(&g, h, deadline, o);

	if (r == 0)
		r = grant_post(&reply, &g, true, deadline, t, o);
	if (r == 0)
		r = grant_answer(&token, &reply, &g, error, o);
	grant_free(&g);
	buf_wipe(&reply.body);
	store_refresh(h, &token.refresh, t);
	if (r == 0) {
		trace_note(t, "a token for %ld s", token.lifetime);
		cache_put(c, &token.access, token.lifetime);
		buf_add(out, token.access.data, token.access.len);
	}
	token_free(&token);
	return r;
}

/* What is kept, unless it is what was refused. */
static bool
look(const struct token_cache *c, struct buf *out, const struct buf *refused)
{
	if (!cache_get(c, out))
		return false;
	if (out->len != refused->len || memcmp(out->data, refused->data, out->len) != 0)
		return true;
	buf_wipe(out);
	return false;
}

int
oauth_token(struct buf *out, bool *kept, const struct smarthost *h, const struct buf *refused, msec deadline, struct trace *t, struct outcome *o)
{
	struct token_cache c;
	int r = 0;

	cache_open(&c, h);
	*kept = look(&c, out, refused);
	if (!*kept) {
		cache_lock(&c, h, deadline);
		*kept = look(&c, out, refused);	/* whoever had the lock may have got one */
	}
	if (*kept)
		trace_note(t, "the token for %s was kept", h->host);
	else
		r = fetch(out, &c, h, deadline, t, o);
	cache_close(&c);
	return r;
}

void
oauth_drop(const struct smarthost *h, const struct buf *token)
{
	struct token_cache c;

	cache_open(&c, h);
	cache_drop(&c, token);
	cache_close(&c);
}

void
oauth_forget(const struct smarthost *h)
{
	struct token_cache c;

	cache_open(&c, h);
	cache_drop(&c, NULL);
	cache_close(&c);
}
