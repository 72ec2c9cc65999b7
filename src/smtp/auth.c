/*
 * Signing in: which mechanism, and what its end means. See auth.h; the mechanisms themselves are in sasl.c.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include "oauth/token.h"
#include "secret.h"
#include "smtp/auth.h"
#include "smtp/sasl.h"

/* What was fetched so far; each once, since a command may ask a person or count its calls. */
struct secrets {
	struct buf password;
	struct buf token;
	struct buf none;
	struct buf hidden[SASL_MECHANISMS + 1];	/* what was sent so far, in base64 */
	size_t hides;
	bool kept;			/* the token is from the cache: it may be refused though another one would not be */
	struct buf refused;		/* the token that was, to which this has happened; the next one is fetched */
};

static bool
usable(const struct sasl_mechanism *m, const struct smarthost *h)
{
	if (h->auth != NULL && strcmp(h->auth, m->name) != 0)
		return false;
	switch (m->needs) {
	case SASL_CERTIFICATE:
		return h->tls_certificate != NULL;
	case SASL_TOKEN:
		return h->token.kind != SECRET_NONE || h->oauth != NULL;
	case SASL_PASSWORD:
		return h->user != NULL && h->password.kind != SECRET_NONE;
	}
	return false;
}

bool
auth_wanted(const struct smarthost *h)
{
	return h->user != NULL || h->token.kind != SECRET_NONE || h->oauth != NULL || (h->auth != NULL && strcmp(h->auth, "EXTERNAL") == 0);
}

/* The secret that the mechanism needs, or NULL: o. */
static const struct buf *
secret_for(struct secrets *known, const struct sasl_mechanism *m, const struct smarthost *h, msec deadline, struct trace *t, struct outcome *o)
{
	bool token = m->needs == SASL_TOKEN;
	struct buf *b = m->needs == SASL_CERTIFICATE ? &known->none : token ? &known->token : &known->password;
	char what[300];

	if (token && h->oauth != NULL)
		return b->len > 0 || oauth_token(b, &known->kept, h, &known->refused, deadline, t, o) == 0 ? b : NULL;
	(void)snprintf(what, sizeof(what), "%s of %s", token ? "token" : "password", h->host);
	if (m->needs != SASL_CERTIFICATE && b->len == 0 && secret_get(b, token ? &h->token : &h->password, what, deadline, o) == -1)
		return NULL;
	return b;
}

/*
 * The last reply as a verdict. 1: signed in; 0: not by this mechanism, but the next may be tried, o tells why; -1: o.
 *
 * Three refusals say nothing about the password: of a mechanism that is not known after all (504), of one that the account has to be moved to first (432, RFC 4954
 * section 6), and of a channel binding: by name, or before our proof has gone (some say 4xx to a type that they do not know).
 */
static int
verdict(const struct sasl *a)
{
	const struct sasl_mechanism *m = a->mechanism;
	const struct smarthost *h = a->host;
	struct outcome *o = a->outcome;
	int code = a->reply.code;
	bool bound = m->binding != TLS_NO_BINDING;

	if (code == 235 && a->cancelled)
		return outcome_set(o, EX_PROTOCOL, STAGE_AUTH, CAUSE_SASL, "it takes what was cancelled", "cannot sign in to %s by AUTH %s", h->host, m->name);
	if (code == 235 && a->owes_proof)
		return outcome_set(o, EX_PROTOCOL, STAGE_AUTH, CAUSE_UNPROVEN, "it takes the password, but has not proved that it knows it",
		    "cannot sign in to %s by AUTH %s", h->host, m->name);
	if (code == 235)
		return 1;
	(void)reply_fail(&a->reply, STAGE_AUTH, o, "%s refused to sign %s in (AUTH %s)", h->host, h->user != NULL ? h->user : "the client", m->name);
	if (code == 535 && (o->enhanced[0] == '\0' || strcmp(o->enhanced, "5.7.8") == 0))
		o->cause = m->refused;
	if (code == 504 || code == 432 || (bound && a->intercepted))
		return 0;
	return bound && code != 421 && (a->binding_refused || !a->proof_sent) ? 0 : -1;
}

/* Runs one mechanism; as verdict(). *intercepted is set where the smarthost says so. */
static int
run(const struct sasl_mechanism *m, struct stream *s, const struct smarthost *h, const struct capability *cap, struct secrets *known, struct trace *t,
    bool *intercepted, struct outcome *o)
{
	struct sasl a = {.mechanism = m, .stream = s, .trace = t, .host = h, .cap = cap, .outcome = o, .hidden = known->hidden, .hides = known->hides};
	int r;

	a.secret = secret_for(known, m, h, s->deadline, t, o);
	if (a.secret == NULL)
		return -1;
	r = m->run(&a);
	if (r == 0)
		r = verdict(&a);
	*intercepted = *intercepted || (a.intercepted && m->binding != TLS_NO_BINDING);
	known->hidden[known->hides++] = a.response;
	buf_wipe(&a.challenge);
	buf_wipe(&a.proof);
	buf_wipe(&a.signature);
	stream_forget(s);
	explicit_bzero(&a.reply, sizeof(a.reply));	/* one that broke off may hold what was not masked yet */
	return r;
}

/* True where the connection has what the mechanism binds to. */
static bool
can_bind(const struct sasl_mechanism *m, struct stream *s)
{
	struct buf b = {0};
	bool can = m->binding == TLS_NO_BINDING || tls_binding(s->tls, m->binding, &b);

	buf_wipe(&b);
	return can;
}

/* True where a token was refused, and the smarthost still listens. */
static bool
is_about_token(const struct sasl_mechanism *m, const struct stream *s, const struct outcome *o)
{
	return m->needs == SASL_TOKEN && s->error == STREAM_OK && o->code == 535;
}

int
auth_sign_in(struct stream *s, const struct smarthost *h, const struct capability *cap, struct trace *t, char *mechanism, struct outcome *o)
{
	struct secrets known = {0};
	char why[sizeof(o->why)];
	bool intercepted = false;
	int r = 0;

	*o = (struct outcome){0};
	for (size_t i = 0; i < SASL_MECHANISMS && r == 0; i++) {
		const struct sasl_mechanism *m = &sasl_mechanisms[i];

		if (!usable(m, h) || !capability_auth(cap, m->name) || !can_bind(m, s))
			continue;
		if (intercepted && m->binding == TLS_NO_BINDING)
			continue;	/* whoever is in between would gain by that */
		(void)strlcpy(mechanism, m->name, 32);
		r = run(m, s, h, cap, &known, t, &intercepted, o);
		if (r == -1 && h->oauth != NULL && is_about_token(m, s, o)) {
			oauth_drop(h, &known.token);
			if (known.kept && known.refused.len == 0) {	/* once */
				trace_note(t, "once more, with a new token");
				known.refused = known.token;
				known.token = (struct buf){0};
				r = run(m, s, h, cap, &known, t, &intercepted, o);
				if (r == -1 && known.token.len > 0)
					oauth_drop(h, &known.token);
			}
		}
	}
	buf_wipe(&known.password);
	buf_wipe(&known.token);
	buf_wipe(&known.refused);
	while (known.hides > 0)
		buf_wipe(&known.hidden[--known.hides]);
	if (r == 1)
		return 0;
	if (intercepted)
		return outcome_set(o, EX_PROTOCOL, STAGE_AUTH, CAUSE_DOWNGRADE, "it says that the TLS connection which it sees is not this one",
		    "cannot sign in to %s by AUTH %s", h->host, mechanism);
	if (r == -1 || o->status != 0)
		return -1;
	if (cap->auth[0] == '\0')
		return outcome_set(o, EX_NOPERM, STAGE_AUTH, CAUSE_NO_AUTH_OFFERED, "it does not offer AUTH", "cannot sign in to %s", h->host);
	(void)snprintf(why, sizeof(why), "it offers%.400sand none of these can be used here", cap->auth);
	return outcome_set(o, EX_NOPERM, STAGE_AUTH, CAUSE_NO_COMMON_MECHANISM, why, "cannot sign in to %s", h->host);
}
