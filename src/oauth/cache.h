/*
 * Access tokens across runs: a file each, mode 0600, where nobody else can write, and a lock, so that of several processes one asks the endpoint. Where there is no such place nothing is kept.
 */
#ifndef OAUTH_CACHE_H
#define OAUTH_CACHE_H

#include <stdbool.h>
#include "clock.h"
#include "config.h"
#include "mem.h"

struct token_cache {
	int dir;		/* -1: there is no place */
	int lock;		/* held, or -1 */
	int refresh;		/* the file of the refresh token, locked, or -1 */
	char name[80];		/* of the file: what the token is for */
};

/*
 * Opens the place: token-cache of the configuration; else "tokens" in the queue, else sendmail-submit in $XDG_CACHE_HOME or in .cache of the user's home; made where it is missing. Not for a
 * program that runs with rights of its own. Ended with cache_close().
 */
void cache_open(struct token_cache *c, const struct smarthost *h);
void cache_close(struct token_cache *c);

/*
 * Waits for the locks, of the place and of the refresh token's file, for a third of the time left at most. Without that of the place it goes on; false: that of the refresh token is held by
 * somebody else for too long. What a run that was killed has left is adopted.
 */
bool cache_lock(struct token_cache *c, const struct smarthost *h, msec deadline);

/* The token, if there is one that is good for a while yet. */
bool cache_get(const struct token_cache *c, struct buf *token);

/* Keeps a token for so many seconds. What cannot be kept is not. */
void cache_put(const struct token_cache *c, const struct buf *token, long lifetime);

/* Forgets the token, unless another one is kept by now; NULL: whichever it is. */
void cache_drop(const struct token_cache *c, const struct buf *token);

/*
 * A refresh token in its file, PATH, the links of which are followed: written as PATH.new, synced, renamed; owner, group and mode are kept as far as may be. Where no other file may take its
 * place it is written as it is. False: errno. cache_adopt(): a PATH.new that is whole and not older, from a run that was killed before it could rename it, takes its place (true); any other is
 * removed; under the lock. cache_holds(): that text is there.
 */
bool cache_replace(const char *path, const struct buf *text);
bool cache_adopt(const char *path);
bool cache_holds(const char *path, const struct buf *text);

#endif
