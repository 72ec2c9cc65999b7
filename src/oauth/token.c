/*
 * An access token: from the cache, else from the endpoint. See token.h.
 */
#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include "log.h"
#include "oauth/cache.h"
#include "oauth/grant.h"
#include "oauth/token.h"

/* A refresh token that was replaced may be good no more. But where another one than the one that was used is there by now, a person has put it there. */
static void
store_refresh(const struct smarthost *h, const struct buf *used, const struct buf *refresh, struct trace *t)
{
	const char *path = h->oauth->refresh_token_file, *why;

	if (path == NULL || refresh->len == 0 || cache_holds(path, refresh))
		return;
	if (!cache_holds(path, used)) {
		trace_note(t, "%s holds another refresh token by now, which stays", path);
		return;
	}
	if (cache_replace(path, refresh)) {
		trace_note(t, "the new refresh token is in %s", path);
		return;
	}
	why = strerror(errno);
	log_remember("the refresh token", path, why);
	trace_note(t, "cannot write the new refresh token to %s: %s", path, why);
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
	if (g.hides > 0)
		store_refresh(h, &g.hidden[0], &token.refresh, t);	/* the first secret of that grant is the token that was used */
	grant_free(&g);
	buf_wipe(&reply.body);
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
look(const struct token_cache *c, const struct smarthost *h, struct buf *out, const struct buf *refused)
{
	if (h->token_fresh || !cache_get(c, out))
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
	bool alone = true;
	int r = 0;

	cache_open(&c, h);
	*kept = look(&c, h, out, refused);
	if (!*kept) {
		alone = cache_lock(&c, h, deadline);
		*kept = look(&c, h, out, refused);	/* whoever had the lock may have got one */
	}
	if (*kept)
		trace_note(t, "the token for %s was kept", h->host);
	else if (!alone)
		r = outcome_set(o, EX_TEMPFAIL, STAGE_SECRET, CAUSE_OAUTH_DOWN, "another process waits for the endpoint", "cannot get a token for %s", h->host);
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
