/*
 * SASL mechanisms over SMTP. See sasl.h.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include "base64.h"
#include "net/openssl.h"
#include "smtp/sasl.h"

#define COMMAND_MAX 510		/* octets of a command line without CRLF; a longer initial response goes in a continuation (RFC 4954 section 4) */

static const char *
text_or_empty(const char *s)
{
	return s == NULL ? "" : s;
}

/* A reply may be folded at a blank. */
static bool
is_same(char said, char secret)
{
	return said == secret || (said == '\n' && secret == ' ');
}

/* Replaces by "***" each place in the reply where at least so many of the secret's first octets stand, as far as they go. */
static void
mask(struct reply *r, const struct buf *secret, size_t least)
{
	size_t out = 0;

	for (size_t in = 0; in < r->len; ) {
		size_t same = 0;

		while (same < secret->len && in + same < r->len && is_same(r->text[in + same], secret->data[same]))
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

/* The secret itself where it stands whole, also in base64; of what was sent also the beginning, since servers cut the commands that they quote. */
static void
mask_all(struct sasl *a)
{
	struct buf coded = {0};

	mask(&a->reply, a->secret, a->secret->len);
	base64_encode(&coded, a->secret->data, a->secret->len);
	mask(&a->reply, &coded, coded.len);
	buf_wipe(&coded);
	mask(&a->reply, &a->response, a->response.len < 8 ? a->response.len : 8);
	mask(&a->reply, &a->proof, a->proof.len);
	mask(&a->reply, &a->signature, a->signature.len);
	for (size_t i = 0; i < a->hides; i++)
		mask(&a->reply, &a->hidden[i], a->hidden[i].len < 8 ? a->hidden[i].len : 8);
}

/* A challenge that tells what a person must not see: the secret, or what passwords can be tried on, as the smarthost's proof in SCRAM is. */
static bool
tells_secret(const struct sasl *a)
{
	if (a->reply.code != 334)
		return false;
	return a->proof_sent || (a->decoded && a->secret->len > 0 && a->challenge.len > 0 &&
	    memmem(a->challenge.data, a->challenge.len, a->secret->data, a->secret->len) != NULL);
}

/*
 * Reads the answer without showing it, masks what it must not hold, and only then shows it.
 */
static int
answer(struct sasl *a)
{
	char words[512], doing[300];

	(void)snprintf(doing, sizeof(doing), "waiting for the answer of %s to AUTH", a->host->host);
	if (reply_read(&a->reply, a->stream, NULL, STAGE_AUTH, doing, a->outcome) == -1) {
		if (a->outcome->cause == CAUSE_NONSENSE)
			(void)strlcpy(a->outcome->why, "it answered with something that is not SMTP", sizeof(a->outcome->why));
		return -1;
	}
	buf_wipe(&a->challenge);
	a->decoded = a->reply.code == 334 && base64_decode(&a->challenge, a->reply.text, a->reply.len) == 0;
	mask_all(a);
	reply_words(&a->reply, words, sizeof(words));
	if (tells_secret(a))
		(void)strlcpy(words, "334 ***", sizeof(words));
	trace_line(a->trace, '<', words, strlen(words));
	return 0;
}

/* Sends one line, of which the trace shows only what is no secret, and reads the answer, which tells of a failed write as well. */
static int
say(struct sasl *a, const char *shown, const char *line)
{
	reply_expect(a->stream);
	trace_line(a->trace, '>', shown, strlen(shown));
	if (stream_puts(a->stream, line) == 0 && stream_puts(a->stream, "\r\n") == 0)
		(void)stream_flush(a->stream);
	return answer(a);
}

/* AUTH mechanism with an initial response; one too long for a command line, or none (NULL), goes after a 334. */
static int
start(struct sasl *a, const char *mechanism, const char *response)
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
end_challenge(struct sasl *a)
{
	if (a->reply.code != 334)
		return 0;
	a->cancelled = true;
	return say(a, "*", "*");
}

/* The smarthost breaks the rules of the mechanism: the exchange is cancelled, whatever is answered to that. */
static int
broken(struct sasl *a, enum cause cause, const char *why)
{
	if (end_challenge(a) == -1)
		*a->outcome = (struct outcome){0};
	return outcome_set(a->outcome, EX_PROTOCOL, STAGE_AUTH, cause, why, "cannot sign in to %s by AUTH %s", a->host->host, a->mechanism->name);
}

static int
plain(struct sasl *a)
{
	struct buf b = {0};
	int r;

	buf_puts(&b, text_or_empty(a->host->authorization_id));
	buf_putc(&b, '\0');
	buf_puts(&b, text_or_empty(a->host->user));
	buf_putc(&b, '\0');
	buf_add(&b, a->secret->data, a->secret->len);
	base64_encode(&a->response, b.data, b.len);
	buf_wipe(&b);
	r = start(a, "PLAIN", a->response.data);
	return r == 0 ? end_challenge(a) : r;
}

/* Whatever the prompts say: the user first, the password second. */
static int
login(struct sasl *a)
{
	const char *user = text_or_empty(a->host->user);

	if (start(a, "LOGIN", NULL) == -1)
		return -1;
	if (a->reply.code != 334)
		return 0;
	base64_encode(&a->response, user, strlen(user));
	if (say(a, "***", a->response.data) == -1)
		return -1;
	if (a->reply.code != 334)
		return 0;
	buf_wipe(&a->response);
	base64_encode(&a->response, a->secret->data, a->secret->len);
	if (say(a, "***", a->response.data) == -1)
		return -1;
	return end_challenge(a);
}

static int
external(struct sasl *a)
{
	const char *id = text_or_empty(a->host->authorization_id);
	int r;

	base64_encode(&a->response, id, strlen(id));
	r = start(a, "EXTERNAL", a->response.data);
	return r == 0 ? end_challenge(a) : r;
}

/* Adds what the smarthost said before its refusal to that refusal. */
static void
add_words(struct sasl *a, const char *words, size_t n)
{
	struct buf b = {0};

	buf_putc(&b, ' ');
	buf_add(&b, words, n < 1000 ? n : 1000);
	(void)strlcat(a->reply.text, b.data, sizeof(a->reply.text));
	a->reply.len = strlen(a->reply.text);
	mask_all(a);
	buf_wipe(&b);
}

/*
 * A refused token is answered with 334 and what is wrong with it in JSON; the exchange is then ended by an empty line (XOAUTH2) or
 * a lone ^A (OAUTHBEARER, RFC 7628 section 3.2.3), to which the refusal proper comes. What the JSON says is added to it.
 */
static int
end_bearer(struct sasl *a, const char *end)
{
	struct buf json = {0};
	int r;

	if (a->reply.code != 334)
		return 0;
	buf_add(&json, buf_str(&a->challenge), a->challenge.len);
	r = say(a, end, end);
	if (r == 0)
		add_words(a, json.data, json.len);
	buf_wipe(&json);
	return r == 0 ? end_challenge(a) : r;
}

static int
xoauth2(struct sasl *a)
{
	struct buf b = {0};

	buf_printf(&b, "user=%s\001auth=Bearer ", text_or_empty(a->host->user));
	buf_add(&b, a->secret->data, a->secret->len);
	buf_puts(&b, "\001\001");
	base64_encode(&a->response, b.data, b.len);
	buf_wipe(&b);
	if (start(a, "XOAUTH2", a->response.data) == -1)
		return -1;
	return end_bearer(a, "");
}

/* RFC 7628 section 3.1. */
static int
oauthbearer(struct sasl *a)
{
	struct buf b = {0};

	buf_puts(&b, "n,");
	if (a->host->user != NULL) {
		buf_puts(&b, "a=");
		saslname_add(&b, a->host->user);
	}
	buf_printf(&b, ",\001host=%s\001port=%u\001auth=Bearer ", a->host->host, (unsigned)a->host->port);
	buf_add(&b, a->secret->data, a->secret->len);
	buf_puts(&b, "\001\001");
	base64_encode(&a->response, b.data, b.len);
	buf_wipe(&b);
	if (start(a, "OAUTHBEARER", a->response.data) == -1)
		return -1;
	return end_bearer(a, "AQ==");
}

/* RFC 2195: the HMAC of the challenge in hexadecimal digits, behind the user. */
static int
cram_md5(struct sasl *a)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	struct buf b = {0};

	if (openssl_load(a->outcome) == -1)
		return -1;
	if (start(a, "CRAM-MD5", NULL) == -1)
		return -1;
	if (a->reply.code != 334)
		return 0;
	if (!a->decoded)
		return broken(a, CAUSE_SASL, "its challenge is not base64");
	if (HMAC(EVP_md5(), a->secret->data, (int)a->secret->len, (const unsigned char *)buf_str(&a->challenge), a->challenge.len, digest, &size) == NULL)
		return broken(a, CAUSE_SASL, "OpenSSL refuses MD5 on this system");
	buf_printf(&b, "%s ", text_or_empty(a->host->user));
	for (unsigned i = 0; i < size; i++)
		buf_printf(&a->proof, "%02x", digest[i]);
	buf_puts(&b, buf_str(&a->proof));
	base64_encode(&a->response, b.data, b.len);
	buf_wipe(&b);
	if (say(a, "***", a->response.data) == -1)
		return -1;
	return end_challenge(a);
}

/* ---- SCRAM ---- */

/* What to say of channel binding by a mechanism without it: that its lack is the smarthost's only where that offers none at all. */
static enum scram_binding
not_bound(const struct sasl *a)
{
	struct buf b = {0};
	bool able = tls_binding(a->stream->tls, TLS_EXPORTER, &b) || tls_binding(a->stream->tls, TLS_SERVER_END_POINT, &b);

	buf_wipe(&b);
	return able && strstr(a->cap->auth, "-PLUS ") == NULL ? SCRAM_NOT_OFFERED : SCRAM_NOT_BOUND;
}

/* The last challenge: the smarthost proves that it knows the password too, or says why it refuses. */
static int
hear_proof(struct sasl *a, const struct scram *s)
{
	char error[64] = "";
	int r = a->decoded ? scram_verify(s, buf_str(&a->challenge), a->challenge.len, error, sizeof(error)) : -1;

	if (r == -1)
		return broken(a, CAUSE_UNPROVEN, "it cannot prove that it knows the password");
	if (r == 0 && strcmp(error, "server-does-support-channel-binding") == 0)
		return broken(a, CAUSE_DOWNGRADE, "it says that it had offered channel binding, which is not what came here");
	a->owes_proof = r != 1;
	a->intercepted = strcmp(error, "channel-bindings-dont-match") == 0;
	a->binding_refused = strcmp(error, "channel-binding-not-supported") == 0 || strcmp(error, "unsupported-channel-binding-type") == 0;
	if (say(a, "", "") == -1)
		return -1;
	if (error[0] != '\0')
		add_words(a, error, strlen(error));
	return end_challenge(a);
}

/* From the first challenge on, which some make their refusal. */
static int
answer_challenge(struct sasl *a, struct scram *s)
{
	struct buf final = {0};
	const char *why = "its challenge is not base64";
	int r;

	if (a->decoded && strncmp(buf_str(&a->challenge), "e=", 2) == 0)
		return hear_proof(a, s);
	if (a->decoded)
		why = scram_final(s, buf_str(&a->challenge), a->challenge.len, a->secret, &final);
	if (why != NULL)
		return broken(a, CAUSE_SASL, why);
	buf_wipe(&a->response);
	base64_encode(&a->response, final.data, final.len);
	buf_puts(&a->proof, strstr(final.data, ",p=") + 3);
	scram_add_signature(s, &a->signature);
	buf_wipe(&final);
	a->proof_sent = true;
	r = say(a, "***", a->response.data);
	return r == 0 && a->reply.code == 334 ? hear_proof(a, s) : r;
}

static int
scram_with(struct sasl *a, enum scram_binding binding, const char *channel, const struct buf *bound)
{
	struct scram s;
	struct buf first = {0};
	int r;

	if (openssl_load(a->outcome) == -1)
		return -1;
	scram_first(&s, a->mechanism->hash, binding, channel, bound, text_or_empty(a->host->user), a->host->authorization_id, NULL, &first);
	base64_encode(&a->response, first.data, first.len);
	a->owes_proof = true;
	r = start(a, a->mechanism->name, a->response.data);
	if (r == 0 && a->reply.code == 334)
		r = answer_challenge(a, &s);
	buf_wipe(&first);
	scram_wipe(&s);
	return r;
}

static int
scram(struct sasl *a)
{
	return scram_with(a, not_bound(a), NULL, NULL);
}

static int
scram_plus(struct sasl *a)
{
	struct buf bound = {0};
	int r = 0;

	if (tls_binding(a->stream->tls, a->mechanism->binding, &bound))
		r = scram_with(a, SCRAM_BOUND, tls_binding_name(a->mechanism->binding), &bound);
	buf_wipe(&bound);
	return r;
}

/* ---- the table ---- */

const struct sasl_mechanism sasl_mechanisms[SASL_MECHANISMS] = {
	{"SCRAM-SHA-256-PLUS", SASL_PASSWORD, scram_plus, SCRAM_SHA_256, TLS_EXPORTER, CAUSE_REFUSED_BOUND},
	{"SCRAM-SHA-256-PLUS", SASL_PASSWORD, scram_plus, SCRAM_SHA_256, TLS_SERVER_END_POINT, CAUSE_REFUSED_BOUND},
	{"SCRAM-SHA-256", SASL_PASSWORD, scram, SCRAM_SHA_256, TLS_NO_BINDING, CAUSE_REFUSED_PROOF},
	{"SCRAM-SHA-1-PLUS", SASL_PASSWORD, scram_plus, SCRAM_SHA_1, TLS_EXPORTER, CAUSE_REFUSED_BOUND},
	{"SCRAM-SHA-1-PLUS", SASL_PASSWORD, scram_plus, SCRAM_SHA_1, TLS_SERVER_END_POINT, CAUSE_REFUSED_BOUND},
	{"SCRAM-SHA-1", SASL_PASSWORD, scram, SCRAM_SHA_1, TLS_NO_BINDING, CAUSE_REFUSED_PROOF},
	{"EXTERNAL", SASL_CERTIFICATE, external, 0, TLS_NO_BINDING, CAUSE_REFUSED_CERTIFICATE},
	{"OAUTHBEARER", SASL_TOKEN, oauthbearer, 0, TLS_NO_BINDING, CAUSE_REFUSED_TOKEN},
	{"XOAUTH2", SASL_TOKEN, xoauth2, 0, TLS_NO_BINDING, CAUSE_REFUSED_TOKEN},
	{"PLAIN", SASL_PASSWORD, plain, 0, TLS_NO_BINDING, CAUSE_REPLY},
	{"LOGIN", SASL_PASSWORD, login, 0, TLS_NO_BINDING, CAUSE_REPLY},
	{"CRAM-MD5", SASL_PASSWORD, cram_md5, 0, TLS_NO_BINDING, CAUSE_REFUSED_PROOF},
};
