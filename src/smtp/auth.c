/*
 * Signing in: SASL over SMTP. See auth.h.
 */
#include <openssl/evp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "secret.h"
#include "smtp/auth.h"
#include "smtp/reply.h"

#define COMMAND_MAX 510		/* octets of a command line without CRLF; a longer initial response goes in a continuation (RFC 4954 section 4) */

/* One attempt to sign in: what its steps share. */
struct attempt {
	struct stream *stream;
	struct trace *trace;
	const struct smarthost *host;
	struct buf secret;		/* the password or token */
	struct buf response;		/* what was last sent, in base64: never to be shown */
	struct reply reply;
	struct outcome *outcome;
};

static void
encode(struct buf *out, const void *p, size_t n)
{
	char *to;

	if (n > INT_MAX / 2)
		n = 0;	/* secret.c bounds it far below */
	to = buf_room(out, 4 * (n / 3 + 1));
	out->len += (size_t)EVP_EncodeBlock((unsigned char *)to, p, (int)n);
	buf_end(out);
}

static const char *
text_or_empty(const char *s)
{
	return s == NULL ? "" : s;
}

/* Replaces by "***" each place in the reply where at least so many of the secret's first octets stand, as far as they go. */
static void
mask(struct reply *r, const struct buf *secret, size_t least)
{
	size_t out = 0;

	for (size_t in = 0; in < r->len; ) {
		size_t same = 0;

		while (same < secret->len && in + same < r->len && r->text[in + same] == secret->data[same])
			same++;
		if (same > 0 && same >= least) {
			for (size_t i = 0; i < same && i < 3; i++)
				r->text[out++] = '*';
			in += same;
		} else
			r->text[out++] = r->text[in++];
	}
	r->text[out] = '\0';
	r->len = out;
}

/* The secret itself where it stands whole; of what was sent also the beginning, since servers cut the commands that they quote. */
static void
mask_all(struct attempt *a)
{
	mask(&a->reply, &a->secret, a->secret.len);
	mask(&a->reply, &a->response, a->response.len < 8 ? a->response.len : 8);
}

/*
 * Reads the answer without showing it, masks what it must not hold, and only then shows it.
 */
static int
answer(struct attempt *a)
{
	char words[512], doing[300];

	(void)snprintf(doing, sizeof(doing), "waiting for the answer of %s to AUTH", a->host->host);
	if (reply_read(&a->reply, a->stream, NULL, STAGE_AUTH, doing, a->outcome) == -1) {
		if (a->outcome->cause == CAUSE_NONSENSE)
			(void)strlcpy(a->outcome->why, "it answered with something that is not SMTP", sizeof(a->outcome->why));
		return -1;
	}
	mask_all(a);
	reply_words(&a->reply, words, sizeof(words));
	trace_line(a->trace, '<', words, strlen(words));
	return 0;
}

/* Sends one line, of which the trace shows only what is no secret, and reads the answer, which tells of a failed write as well. */
static int
say(struct attempt *a, const char *shown, const char *line)
{
	trace_line(a->trace, '>', shown, strlen(shown));
	if (stream_puts(a->stream, line) == 0 && stream_puts(a->stream, "\r\n") == 0)
		(void)stream_flush(a->stream);
	return answer(a);
}

/* AUTH mechanism with an initial response; one too long for a command line, or none (NULL), goes after a 334. */
static int
start(struct attempt *a, const char *mechanism, const char *response)
{
	struct buf line = {0};
	char shown[64];
	bool initial = response != NULL && strlen(mechanism) + strlen(response) + 6 <= COMMAND_MAX;
	int r;

	(void)snprintf(shown, sizeof(shown), "AUTH %s%s", mechanism, initial ? " ***" : "");
	buf_printf(&line, "AUTH %s%s", mechanism, initial ? " " : "");
	if (initial)
		buf_puts(&line, *response == '\0' ? "=" : response);
	r = say(a, shown, line.data);
	if (r == 0 && !initial && response != NULL && a->reply.code == 334)
		r = say(a, "***", response);
	buf_wipe(&line);
	return r;
}

/* A challenge that this mechanism has no answer to is cancelled (RFC 4954 section 4). */
static int
end_challenge(struct attempt *a)
{
	if (a->reply.code != 334)
		return 0;
	return say(a, "*", "*");
}

static int
plain(struct attempt *a)
{
	struct buf b = {0};
	int r;

	buf_puts(&b, text_or_empty(a->host->authorization_id));
	buf_putc(&b, '\0');
	buf_puts(&b, text_or_empty(a->host->user));
	buf_putc(&b, '\0');
	buf_add(&b, a->secret.data, a->secret.len);
	encode(&a->response, b.data, b.len);
	buf_wipe(&b);
	r = start(a, "PLAIN", a->response.data);
	return r == 0 ? end_challenge(a) : r;
}

/* Whatever the prompts say: the user first, the password second. */
static int
login(struct attempt *a)
{
	const char *user = text_or_empty(a->host->user);

	if (start(a, "LOGIN", NULL) == -1)
		return -1;
	if (a->reply.code != 334)
		return 0;
	encode(&a->response, user, strlen(user));
	if (say(a, "***", a->response.data) == -1)
		return -1;
	if (a->reply.code != 334)
		return 0;
	buf_wipe(&a->response);
	encode(&a->response, a->secret.data, a->secret.len);
	if (say(a, "***", a->response.data) == -1)
		return -1;
	return end_challenge(a);
}

static int
external(struct attempt *a)
{
	const char *id = text_or_empty(a->host->authorization_id);
	int r;

	encode(&a->response, id, strlen(id));
	r = start(a, "EXTERNAL", a->response.data);
	return r == 0 ? end_challenge(a) : r;
}

/*
 * A refused token is answered with 334 and what is wrong with it in JSON; the exchange is then ended by an empty line (XOAUTH2) or
 * a lone ^A (OAUTHBEARER, RFC 7628 section 3.2.3), to which the refusal proper comes. What the JSON says is added to it.
 */
static int
end_bearer(struct attempt *a, const char *end)
{
	unsigned char json[1024] = "";
	char words[1100];
	size_t n = a->reply.len - a->reply.len % 4;

	if (a->reply.code != 334)
		return 0;
	if (n > sizeof(json) / 3 * 4 - 4)
		n = sizeof(json) / 3 * 4 - 4;
	if (EVP_DecodeBlock(json, (const unsigned char *)a->reply.text, (int)n) < 0)
		json[0] = '\0';
	if (say(a, end, end) == -1)
		return -1;
	(void)snprintf(words, sizeof(words), " %s", (const char *)json);
	(void)strlcat(a->reply.text, words, sizeof(a->reply.text));
	a->reply.len = strlen(a->reply.text);
	mask_all(a);
	return 0;
}

static int
xoauth2(struct attempt *a)
{
	struct buf b = {0};

	buf_printf(&b, "user=%s\001auth=Bearer ", text_or_empty(a->host->user));
	buf_add(&b, a->secret.data, a->secret.len);
	buf_puts(&b, "\001\001");
	encode(&a->response, b.data, b.len);
	buf_wipe(&b);
	if (start(a, "XOAUTH2", a->response.data) == -1)
		return -1;
	return end_bearer(a, "");
}

/* RFC 7628 section 3.1; "," and "=" in the identity are written =2C and =3D (RFC 5801 section 4). */
static int
oauthbearer(struct attempt *a)
{
	struct buf b = {0};

	buf_puts(&b, "n,");
	if (a->host->user != NULL) {
		buf_puts(&b, "a=");
		for (const char *p = a->host->user; *p != '\0'; p++)
			if (*p == ',' || *p == '=')
				buf_puts(&b, *p == ',' ? "=2C" : "=3D");
			else
				buf_putc(&b, *p);
	}
	buf_printf(&b, ",\001host=%s\001port=%u\001auth=Bearer ", a->host->host, (unsigned)a->host->port);
	buf_add(&b, a->secret.data, a->secret.len);
	buf_puts(&b, "\001\001");
	encode(&a->response, b.data, b.len);
	buf_wipe(&b);
	if (start(a, "OAUTHBEARER", a->response.data) == -1)
		return -1;
	return end_bearer(a, "AQ==");
}

enum needs { NEEDS_CERTIFICATE, NEEDS_TOKEN, NEEDS_PASSWORD };

/* Best first. */
static const struct mechanism {
	const char *name;
	enum needs needs;
	int (*run)(struct attempt *);
} mechanisms[] = {
	{"EXTERNAL", NEEDS_CERTIFICATE, external},
	{"OAUTHBEARER", NEEDS_TOKEN, oauthbearer},
	{"XOAUTH2", NEEDS_TOKEN, xoauth2},
	{"PLAIN", NEEDS_PASSWORD, plain},
	{"LOGIN", NEEDS_PASSWORD, login},
};

static bool
usable(const struct mechanism *m, const struct smarthost *h)
{
	if (h->auth != NULL && strcmp(h->auth, m->name) != 0)
		return false;
	switch (m->needs) {
	case NEEDS_CERTIFICATE:
		return h->tls_certificate != NULL;
	case NEEDS_TOKEN:
		return h->token.kind != SECRET_NONE;
	case NEEDS_PASSWORD:
		return h->user != NULL && h->password.kind != SECRET_NONE;
	}
	return false;
}

bool
auth_wanted(const struct smarthost *h)
{
	return h->user != NULL || h->token.kind != SECRET_NONE || (h->auth != NULL && strcmp(h->auth, "EXTERNAL") == 0);
}

/* Runs one mechanism, its secret fetched and wiped here. 1: signed in; 0: the smarthost does not know it after all; -1: o. */
static int
run(const struct mechanism *m, struct stream *s, const struct smarthost *h, struct trace *t, struct outcome *o)
{
	struct attempt a = {.stream = s, .trace = t, .host = h, .outcome = o};
	char what[300];
	int r = 0;

	(void)snprintf(what, sizeof(what), "%s of %s", m->needs == NEEDS_TOKEN ? "token" : "password", h->host);
	if (m->needs != NEEDS_CERTIFICATE)
		r = secret_get(&a.secret, m->needs == NEEDS_TOKEN ? &h->token : &h->password, what, s->deadline, o);
	if (r == 0)
		r = m->run(&a);
	buf_wipe(&a.secret);
	buf_wipe(&a.response);
	stream_forget(s);
	if (r == 0 && a.reply.code != 235)
		(void)reply_fail(&a.reply, STAGE_AUTH, o, "%s refused to sign %s in (AUTH %s)", h->host, text_or_empty(h->user), m->name);
	if (r == 0)
		r = a.reply.code == 235 ? 1 : a.reply.code == 504 ? 0 : -1;
	explicit_bzero(&a.reply, sizeof(a.reply));	/* one that broke off may hold what was not masked yet */
	return r;
}

int
auth_sign_in(struct stream *s, const struct smarthost *h, const struct capability *cap, struct trace *t, char *mechanism, struct outcome *o)
{
	char why[400];
	int r = 0;

	*o = (struct outcome){0};
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]) && r == 0; i++) {
		if (!usable(&mechanisms[i], h) || !capability_auth(cap, mechanisms[i].name))
			continue;
		(void)strlcpy(mechanism, mechanisms[i].name, 32);
		r = run(&mechanisms[i], s, h, t, o);
	}
	if (r != 0)
		return r == 1 ? 0 : -1;
	if (o->status != 0)
		return -1;
	if (cap->auth[0] == '\0')
		return outcome_set(o, EX_NOPERM, STAGE_AUTH, CAUSE_NO_AUTH_OFFERED, "it does not offer AUTH", "cannot sign in to %s", h->host);
	(void)snprintf(why, sizeof(why), "it offers%sand none of these can be used here", cap->auth);
	return outcome_set(o, EX_NOPERM, STAGE_AUTH, CAUSE_NO_COMMON_MECHANISM, why, "cannot sign in to %s", h->host);
}
