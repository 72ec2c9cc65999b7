/*
 * --authorize. See authorize.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>
#include "authorize.h"
#include "json_read.h"
#include "oauth/cache.h"
#include "oauth/grant.h"
#include "printable.h"
#include "report.h"

#define STEP_TIME	60000	/* milliseconds for one request */
#define INTERVAL	5	/* seconds between two requests, unless the endpoint says otherwise (RFC 8628 section 3.5) */
#define INTERVAL_MAX	300
#define LIFETIME_MAX	3600	/* seconds that a person has */

/* What the endpoint gives a person to do. */
struct device {
	struct buf code;	/* secret */
	struct buf user_code;
	struct buf where;
	long long lifetime;
	long long interval;
};

static int
wrong(struct outcome *o, const char *why)
{
	return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, why, "cannot authorize");
}

static const struct smarthost *
choose(const struct config *c, const char *title, struct outcome *o)
{
	const struct smarthost *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < c->smarthosts; i++)
		if (c->smarthost[i].oauth != NULL && (title == NULL || strcmp(c->smarthost[i].title, title) == 0)) {
			found = &c->smarthost[i];
			n++;
		}
	if (n == 0)
		(void)wrong(o, title == NULL ? "no smarthost has oauth" : "no smarthost of that title has oauth");
	else if (n > 1)
		(void)wrong(o, "several smarthosts have oauth: say the title of one");
	else if (found->oauth->refresh_token_file == NULL)
		(void)wrong(o, "oauth has no refresh-token-file, where what is given would be kept");
	else if (found->oauth->device_url == NULL)
		(void)wrong(o, "oauth has no device-url, and no provider");
	else
		return found;
	return NULL;
}

static int
begin(struct device *d, const struct smarthost *h, struct trace *t, struct outcome *o)
{
	msec deadline = clock_now() + STEP_TIME;
	struct http_reply r = {0};
	struct token none = {0};
	struct grant g;
	char error[64];
	int status = grant_device(&g, h, deadline, o);

	if (status == 0)
		status = grant_post(&r, &g, false, deadline, t, o);
	if (status == 0 && r.status == 200 && json_is_object(r.body.data, r.body.len) && json_get_string(r.body.data, r.body.len, "device_code", &d->code) &&
	    json_get_string(r.body.data, r.body.len, "user_code", &d->user_code) && (json_get_string(r.body.data, r.body.len, "verification_uri", &d->where) ||
	    json_get_string(r.body.data, r.body.len, "verification_url", &d->where))) {
		if (!json_get_integer(r.body.data, r.body.len, "expires_in", &d->lifetime) || d->lifetime <= 0 || d->lifetime > LIFETIME_MAX)
			d->lifetime = LIFETIME_MAX;
		if (!json_get_integer(r.body.data, r.body.len, "interval", &d->interval) || d->interval <= 0)
			d->interval = INTERVAL;
		if (d->interval > INTERVAL_MAX)
			d->interval = INTERVAL_MAX;
	} else if (status == 0) {
		status = r.status == 200 ? 0 : grant_answer(&none, &r, &g, error, o);
		token_free(&none);
		if (status == 0)
			status = outcome_set(o, EX_PROTOCOL, STAGE_SECRET, CAUSE_OAUTH_ANSWER, "it names no code and no address", "cannot use the answer of device-url");
	}
	grant_free(&g);
	buf_wipe(&r.body);
	return status;
}

static void
tell(const struct device *d, const struct smarthost *h)
{
	struct buf b = {0};

	buf_puts(&b, "Open ");
	printable_add(&b, d->where.data, d->where.len, 512);
	buf_puts(&b, " in any browser, sign in as ");
	printable_add(&b, h->user, strlen(h->user), 256);
	buf_puts(&b, ",\nand enter the code ");
	printable_add(&b, d->user_code.data, d->user_code.len, 64);
	buf_printf(&b, " (within %lld minutes). Waiting ...\n", d->lifetime / 60 > 0 ? d->lifetime / 60 : 1);
	(void)report_say(b.data);
	buf_free(&b);
}

/* One question whether it is done. 1: it is, token; 0: not yet; -1: o. */
static int
ask(struct token *token, struct device *d, const struct smarthost *h, struct trace *t, struct outcome *o)
{
	msec deadline = clock_now() + STEP_TIME;
	struct http_reply r = {0};
	struct grant g;
	char error[64] = "";
	int status = grant_poll(&g, h, d->code.data, deadline, o);

	if (status == 0)
		status = grant_post(&r, &g, false, deadline, t, o);
	if (status == 0)
		status = grant_answer(token, &r, &g, error, o) == 0 ? 1 : -1;
	grant_free(&g);
	buf_wipe(&r.body);
	if (status == 1)
		return 1;
	if (strcmp(error, "slow_down") == 0 || o->status == EX_TEMPFAIL)	/* and a network that is away is not made worse (RFC 8628 section 3.5) */
		d->interval += 5;
	if (r.retry_after > d->interval)
		d->interval = r.retry_after;
	if (d->interval > INTERVAL_MAX)
		d->interval = INTERVAL_MAX;
	if (strcmp(error, "authorization_pending") == 0 || strcmp(error, "slow_down") == 0 || o->status == EX_TEMPFAIL)
		return 0;	/* a network that is away for a moment ends nothing */
	return -1;
}

static int
wait_for(struct token *token, struct device *d, const struct smarthost *h, struct trace *t, struct outcome *o)
{
	msec end = clock_now() + 1000 * d->lifetime;
	int r = 0;

	while (r == 0 && clock_left(end) > 0) {
		long long left = clock_left(end) / 1000 + 1;
		struct timespec pause = {.tv_sec = d->interval < left ? d->interval : left};

		(void)nanosleep(&pause, NULL);
		if (clock_left(end) > 0)
			r = ask(token, d, h, t, o);
	}
	if (r == 0)
		return outcome_set(o, EX_NOPERM, STAGE_SECRET, CAUSE_OAUTH_CONSENT, "nobody has entered the code in time", "no token for %s", h->host);
	if (r == -1)
		return -1;
	*o = (struct outcome){0};
	return 0;
}

static int
keep(const struct token *token, const struct smarthost *h, struct outcome *o)
{
	const char *path = h->oauth->refresh_token_file;
	struct token_cache c;
	struct buf b = {0};
	int error;
	bool kept;

	if (token->refresh.len == 0)
		return outcome_set(o, EX_PROTOCOL, STAGE_SECRET, CAUSE_OAUTH_ANSWER, "it gives no refresh token; a scope such as offline_access may be missing", "cannot keep the authorization");
	cache_open(&c, h);
	(void)cache_lock(&c, h, clock_now() + STEP_TIME);
	kept = cache_replace(path, &token->refresh);
	error = errno;
	cache_drop(&c, NULL);	/* it may be another account's */
	cache_put(&c, &token->access, token->lifetime);
	cache_close(&c);
	if (!kept)
		return outcome_set(o, EX_CANTCREAT, STAGE_SECRET, CAUSE_OAUTH_STORE, strerror(error), "cannot write the refresh token to %s", path);
	buf_puts(&b, "Authorized; the refresh token is in ");
	printable_add(&b, path, strlen(path), 4096);
	buf_puts(&b, ". Whoever sends has to be able to read it, and its directory has to let him\nreplace it. sendmail --check tells whether it is good.\n");
	(void)report_say(b.data);
	buf_free(&b);
	return 0;
}

/* Better now than when a person has done his part. */
static int
check_place(const struct smarthost *h, struct outcome *o)
{
	char *real = realpath(h->oauth->refresh_token_file, NULL);
	const char *path = real != NULL ? real : h->oauth->refresh_token_file;
	char *directory = mem_ndup(path, (size_t)(strrchr(path, '/') - path) + 1);
	int r = access(directory, W_OK | X_OK) == 0 || access(path, W_OK) == 0 ? 0 : -1;

	if (r == -1)
		(void)outcome_set(o, EX_CANTCREAT, STAGE_SECRET, CAUSE_OAUTH_STORE, strerror(errno), "cannot write the refresh token to %s", path);
	free(directory);
	free(real);
	return r;
}

int
authorize(const struct config *c, const char *title, struct trace *t, struct outcome *o)
{
	const struct smarthost *h = choose(c, title, o);
	struct device d = {0};
	struct token token = {0};
	int r = h == NULL || check_place(h, o) == -1 ? -1 : begin(&d, h, t, o);

	if (r == 0) {
		tell(&d, h);
		r = wait_for(&token, &d, h, t, o);
	}
	if (r == 0)
		r = keep(&token, h, o);
	token_free(&token);
	buf_wipe(&d.code);
	buf_free(&d.user_code);
	buf_free(&d.where);
	return r;
}
