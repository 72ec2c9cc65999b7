/*
 * What is said to a token endpoint, and what it answers. See grant.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>
#include "base64.h"
#include "json_read.h"
#include "oauth/grant.h"
#include "oauth/jwt.h"
#include "printable.h"
#include "secret.h"

#define TOKEN_MAX	16384	/* octets of a token */
#define ASSERTION_TIME	300	/* seconds that an assertion of ours is good for */
#define PATIENCE	10	/* seconds that are waited where the endpoint asks for it, before it is asked once more */

/* ---- forms ---- */

static void
add(struct grant *g, const char *name, const char *value)
{
	http_form_add(&g->form, name, value, strlen(value));
	http_form_add(&g->shown, name, value, strlen(value));
}

static void
add_secret(struct grant *g, const char *name, const struct buf *value)
{
	http_form_add(&g->form, name, value->data, value->len);
	buf_printf(&g->shown, "%s%s=***", g->shown.len > 0 ? "&" : "", name);
	if (g->hides < GRANT_HIDDEN)
		buf_add(&g->hidden[g->hides++], value->data, value->len);
}

/* What the endpoint says of our secrets, as they are or in percent or base64 form, becomes "***". */
static void
mask(struct buf *text, const struct grant *g)
{
	for (size_t i = 0; i < 3 * g->hides; i++) {
		const struct buf *secret = &g->hidden[i / 3];
		struct buf form = {0};
		char *at;

		if (i % 3 == 0)
			buf_add(&form, secret->data, secret->len);
		else if (i % 3 == 1)
			http_form_add(&form, "", secret->data, secret->len);
		else
			base64_encode(&form, secret->data, secret->len);
		while (form.len > (i % 3 == 1) && (at = strstr(buf_str(text), form.data + (i % 3 == 1))) != NULL) {	/* the form begins with '=' */
			size_t n = form.len - (i % 3 == 1), rest = strlen(at + n);

			for (size_t k = 0; k < n && k < 3; k++)
				at[k] = '*';
			if (n > 3)
				memmove(at + 3, at + n, rest + 1);
			text->len = strlen(text->data);
			if (n <= 3)
				break;
		}
		buf_wipe(&form);
	}
}

static int
get(struct buf *out, const struct secret_source *src, const char *what, const struct smarthost *h, msec deadline, struct outcome *o)
{
	char name[400];

	(void)snprintf(name, sizeof(name), "%s of %s", what, h->host);
	return secret_get(out, src, name, deadline, o);
}

/* Our proof by a certificate's key (RFC 7523 section 2.2). */
static int
add_assertion(struct grant *g, const struct oauth *a, msec deadline, struct outcome *o)
{
	struct secret_source file = {.kind = SECRET_FILE, .value = a->client_key};
	struct buf key = {0}, passphrase = {0}, token = {0};
	char *what = mem_printf("client-key %s", a->client_key);
	struct jwt j = {
		.issuer = a->client_id, .subject = a->client_id, .audience = g->url, .certificate = a->client_certificate, .key = &key, .what = what, .lifetime = ASSERTION_TIME,
	};
	int r = get(&key, &file, "client-key", g->host, deadline, o);

	if (r == 0 && a->client_key_password.kind != SECRET_NONE) {
		r = get(&passphrase, &a->client_key_password, "client-key-password", g->host, deadline, o);
		j.passphrase = &passphrase;
	}
	if (r == 0)
		r = jwt_sign(&token, &j, o);
	if (r == 0) {
		add(g, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
		add_secret(g, "client_assertion", &token);
	}
	buf_wipe(&key);
	buf_wipe(&passphrase);
	buf_wipe(&token);
	free(what);
	return r;
}

/* Who we are: client_id, and what proves it where there is something. */
static int
add_client(struct grant *g, const struct oauth *a, msec deadline, struct outcome *o)
{
	struct buf secret = {0};
	int r = 0;

	add(g, "client_id", a->client_id);
	if (a->client_certificate != NULL)
		return add_assertion(g, a, deadline, o);
	if (a->client_secret.kind == SECRET_NONE)
		return 0;
	r = get(&secret, &a->client_secret, "client-secret", g->host, deadline, o);
	if (r == 0)
		add_secret(g, "client_secret", &secret);
	buf_wipe(&secret);
	return r;
}

static int
make_client(struct grant *g, const struct oauth *a, msec deadline, struct outcome *o)
{
	add(g, "grant_type", "client_credentials");
	if (a->scope != NULL)
		add(g, "scope", a->scope);
	return add_client(g, a, deadline, o);
}

/* A file that is not there yet is what --authorize is for. */
static int
make_refresh(struct grant *g, const struct oauth *a, msec deadline, struct outcome *o)
{
	struct secret_source file = {.kind = SECRET_FILE, .value = a->refresh_token_file};
	struct buf refresh = {0};
	int r = get(&refresh, &file, "refresh token", g->host, deadline, o);

	if (r == -1) {
		if (access(a->refresh_token_file, F_OK) == -1 && errno == ENOENT)
			o->cause = CAUSE_OAUTH_CONSENT;
		return -1;
	}
	add(g, "grant_type", "refresh_token");
	add_secret(g, "refresh_token", &refresh);
	buf_wipe(&refresh);
	if (a->scope != NULL)
		add(g, "scope", a->scope);
	return add_client(g, a, deadline, o);
}

static int
bad_account(const struct oauth *a, const char *why, struct outcome *o)
{
	return outcome_set(o, EX_CONFIG, STAGE_SECRET, CAUSE_OAUTH_ACCOUNT, why, "cannot use service-account-file %s", a->service_account_file);
}

/* Google's key file: it has the account, its key, and where to go. The account acts as the user whose mailbox it is. */
static int
make_service(struct grant *g, const struct oauth *a, msec deadline, struct outcome *o)
{
	struct secret_source source = {.kind = SECRET_FILE, .value = a->service_account_file};
	struct buf file = {0}, email = {0}, key = {0}, url = {0}, id = {0}, token = {0};
	char *what = mem_printf("private_key of %s", a->service_account_file);
	struct jwt j = {.subject = g->host->user, .scope = a->scope, .key = &key, .what = what, .lifetime = ASSERTION_TIME};
	struct url u;
	int r = get(&file, &source, "service account", g->host, deadline, o);

	if (r == 0 && !json_is_object(file.data, file.len))
		r = bad_account(a, "it is no JSON object", o);
	else if (r == 0 && (!json_get_string(file.data, file.len, "client_email", &email) || !json_get_string(file.data, file.len, "private_key", &key)))
		r = bad_account(a, "it has no client_email, or no private_key", o);
	if (r == 0 && json_get_string(file.data, file.len, "private_key_id", &id))
		j.key_id = id.data;
	if (r == 0 && a->token_url != NULL)
		buf_puts(&url, a->token_url);
	else if (r == 0 && (!json_get_string(file.data, file.len, "token_uri", &url) || !url_parse(&u, url.data, false)))
		r = bad_account(a, "its token_uri is missing, or no https URL; set token-url", o);
	if (r == 0) {
		g->url = mem_dup(url.data);
		j.issuer = email.data;
		j.audience = g->url;
		r = jwt_sign(&token, &j, o);
	}
	if (r == 0) {
		add(g, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
		add_secret(g, "assertion", &token);
	}
	buf_wipe(&file);
	buf_wipe(&key);
	buf_wipe(&token);
	buf_free(&email);
	buf_free(&url);
	buf_free(&id);
	free(what);
	return r;
}

int
grant_make(struct grant *g, const struct smarthost *h, msec deadline, struct outcome *o)
{
	const struct oauth *a = h->oauth;

	*g = (struct grant){.host = h};
	if (a->grant == OAUTH_SERVICE)
		return make_service(g, a, deadline, o);
	g->url = mem_dup(a->token_url);
	return a->grant == OAUTH_REFRESH ? make_refresh(g, a, deadline, o) : make_client(g, a, deadline, o);
}

int
grant_device(struct grant *g, const struct smarthost *h, msec deadline, struct outcome *o)
{
	(void)deadline;
	(void)o;
	*g = (struct grant){.host = h, .url = mem_dup(h->oauth->device_url)};
	add(g, "client_id", h->oauth->client_id);
	if (h->oauth->scope != NULL)
		add(g, "scope", h->oauth->scope);
	return 0;
}

int
grant_poll(struct grant *g, const struct smarthost *h, const char *device_code, msec deadline, struct outcome *o)
{
	struct buf code = {0};

	*g = (struct grant){.host = h, .url = mem_dup(h->oauth->token_url)};
	add(g, "grant_type", "urn:ietf:params:oauth:grant-type:device_code");
	buf_puts(&code, device_code);
	add_secret(g, "device_code", &code);
	buf_wipe(&code);
	return add_client(g, h->oauth, deadline, o);
}

void
grant_free(struct grant *g)
{
	free(g->url);
	while (g->hides > 0)
		buf_wipe(&g->hidden[--g->hides]);
	buf_wipe(&g->form);
	buf_free(&g->shown);
	*g = (struct grant){0};
}

/* ---- asking ---- */

/* A failure on the way to the endpoint, as that of getting a token. */
static int
no_token(const struct smarthost *h, struct outcome *o)
{
	char why[sizeof(o->why)];
	int status = o->status;
	enum cause cause = o->cause;

	switch (cause) {
	case CAUSE_NO_HOST:
	case CAUSE_LOOKUP:
	case CAUSE_UNREACHABLE:
	case CAUSE_TIMEOUT:
	case CAUSE_LOST:
		status = EX_TEMPFAIL;
		cause = CAUSE_OAUTH_DOWN;
		break;
	case CAUSE_TLS:
	case CAUSE_CERT_CA:
	case CAUSE_CERT_EXPIRED:
	case CAUSE_CERT_NOT_YET:
	case CAUSE_CERT_NAME:
	case CAUSE_CERT_OTHER:
	case CAUSE_NO_TRUST_STORE:
	case CAUSE_NO_OPENSSL:
		cause = CAUSE_OAUTH_TLS;
		break;
	default:
		break;
	}
	(void)snprintf(why, sizeof(why), "%.300s: %.200s", o->what, o->why);
	return outcome_set(o, status, STAGE_SECRET, cause, why, "cannot get a token for %s", h->host);
}

static int
post_once(struct http_reply *r, const struct grant *g, msec deadline, struct trace *t, struct outcome *o)
{
	const struct oauth *a = g->host->oauth;
	struct http_request q = {.url = g->url, .ca_file = a->ca_file, .proxy = a->proxy, .form = &g->form, .shown = &g->shown};
	struct buf login = {0}, password = {0};
	int status = 0;

	if (a->proxy_user != NULL) {
		status = get(&password, &a->proxy_password, "proxy-password", g->host, deadline, o);
		(void)buf_room(&login, strlen(a->proxy_user) + password.len + 2);	/* never moved: no copies are left */
		buf_printf(&login, "%s:", a->proxy_user);
		buf_add(&login, password.data, password.len);
		q.proxy_login = &login;
	}
	buf_wipe(&password);
	if (status == 0)
		status = http_post(r, &q, deadline, t, o);
	buf_wipe(&login);
	if (status == -1) {
		buf_wipe(&r->body);
		return no_token(g->host, o);
	}
	return 0;
}

int
grant_post(struct http_reply *r, const struct grant *g, bool again, msec deadline, struct trace *t, struct outcome *o)
{
	struct timespec pause;
	long wait;

	if (post_once(r, g, deadline, t, o) == -1)
		return -1;
	wait = r->retry_after > 0 ? r->retry_after : 1;
	if (!again || (r->status != 429 && r->status != 503) || wait > PATIENCE || clock_left(deadline) < 2000 * wait)
		return 0;
	trace_note(t, "it asks for patience: once more in %ld s", wait);
	pause = (struct timespec){.tv_sec = wait};
	(void)nanosleep(&pause, NULL);
	buf_wipe(&r->body);
	return post_once(r, g, deadline, t, o);
}

/* ---- answers ---- */

/* Octets that a token may have (RFC 6750 section 2.1 and RFC 6749 appendix A, and what providers make of it): least is a blank for a refresh token. */
static bool
is_token(const struct buf *b, char least)
{
	if (b->len == 0 || b->len > TOKEN_MAX)
		return false;
	for (size_t i = 0; i < b->len; i++)
		if (b->data[i] < least || b->data[i] > '~')
			return false;
	return true;
}

static int
useless(const struct smarthost *h, const char *why, struct outcome *o)
{
	return outcome_set(o, EX_PROTOCOL, STAGE_SECRET, CAUSE_OAUTH_ANSWER, why, "cannot get a token for %s", h->host);
}

/* True where somebody has to authorize anew. */
static bool
wants_consent(const struct oauth *a, const char *error)
{
	if (strcmp(error, "access_denied") == 0 || strcmp(error, "expired_token") == 0)
		return true;
	return a->grant == OAUTH_REFRESH && (strcmp(error, "invalid_grant") == 0 || strcmp(error, "interaction_required") == 0 || strcmp(error, "consent_required") == 0);
}

static bool
passes(const char *error, int status)
{
	return status == 408 || status == 429 || status >= 500 || strcmp(error, "temporarily_unavailable") == 0 || strcmp(error, "server_error") == 0;
}

/* An error: its name, and what it says of it. Providers put several lines into it; the first one tells. */
static int
refused(const struct http_reply *r, const struct grant *g, bool json, char *error, struct outcome *o)
{
	const struct smarthost *h = g->host;
	struct buf name = {0}, text = {0}, why = {0};
	const char *first;

	if (json) {
		(void)json_get_string(r->body.data, r->body.len, "error", &name);
		(void)json_get_string(r->body.data, r->body.len, "error_description", &text);
	}
	mask(&name, g);
	mask(&text, g);
	(void)snprintf(error, 64, "%.63s", buf_str(&name));
	first = buf_str(&text) + strspn(buf_str(&text), "\r\n ");
	buf_printf(&why, "%d", r->status);
	if (name.len > 0)
		buf_printf(&why, " %.80s", name.data);
	if (text.len > 0)
		buf_printf(&why, ": %.*s", (int)(strcspn(first, "\r\n") < 360 ? strcspn(first, "\r\n") : 360), first);
	if (r->retry_after > 0)
		buf_printf(&why, " (it asks to wait %ld s)", r->retry_after);
	if (r->status / 100 == 3)
		(void)useless(h, "it sends us elsewhere: token-url is not the last address", o);
	else if (name.len == 0 && !passes("", r->status))
		(void)useless(h, why.data, o);
	else
		(void)outcome_set(o, passes(error, r->status) ? EX_TEMPFAIL : EX_NOPERM, STAGE_SECRET, passes(error, r->status) ? CAUSE_OAUTH_DOWN :
		    wants_consent(h->oauth, error) ? CAUSE_OAUTH_CONSENT : CAUSE_OAUTH_REFUSED, why.data, "no token for %s", h->host);
	buf_wipe(&name);
	buf_wipe(&text);
	buf_free(&why);
	return -1;
}

int
grant_answer(struct token *t, const struct http_reply *r, const struct grant *g, char *error, struct outcome *o)
{
	const struct smarthost *h = g->host;
	bool json = r->body.len > 0 && json_is_object(r->body.data, r->body.len);
	struct buf type = {0};
	long long lifetime = 0;
	bool bearer;

	*t = (struct token){0};
	error[0] = '\0';
	if (r->status != 200)
		return refused(r, g, json, error, o);
	if (!json)
		return useless(h, "the endpoint answers with what is no JSON object", o);
	if (json_get_string(r->body.data, r->body.len, "refresh_token", &t->refresh) && !is_token(&t->refresh, ' '))
		buf_wipe(&t->refresh);
	bearer = !json_get_string(r->body.data, r->body.len, "token_type", &type) || strcasecmp(type.data, "Bearer") == 0;
	buf_free(&type);
	if (!bearer)
		return useless(h, "the endpoint gives a token that is no bearer token", o);
	if (!json_get_string(r->body.data, r->body.len, "access_token", &t->access) || !is_token(&t->access, '!')) {
		buf_wipe(&t->access);
		return useless(h, "the endpoint gives no access token, or one that cannot be used", o);
	}
	if (json_get_integer(r->body.data, r->body.len, "expires_in", &lifetime) && lifetime > 0)
		t->lifetime = lifetime > 86400 ? 86400 : (long)lifetime;
	return 0;
}

void
token_free(struct token *t)
{
	buf_wipe(&t->access);
	buf_wipe(&t->refresh);
	*t = (struct token){0};
}
