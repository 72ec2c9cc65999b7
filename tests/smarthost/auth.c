/*
 * SASL as the server: RFC 4954, PLAIN (RFC 4616), LOGIN, EXTERNAL (RFC 4422),
 * CRAM-MD5 (RFC 2195), XOAUTH2, OAUTHBEARER (RFC 7628).  SCRAM: scram.c.
 *
 * Every credential that arrives is noted before it is judged.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/x509.h>

#include "smarthost.h"

static int
digit64(char ch)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p;

	p = ch == '\0' ? NULL : strchr(digits, ch);
	return p == NULL ? -1 : (int)(p - digits);
}

char *
base64_decode(const char *text, size_t *len)
{
	size_t i, n = strlen(text), pad = 0;
	unsigned long bits = 0;
	unsigned char *out;
	int d;

	if (n % 4 != 0)
		return NULL;
	while (pad < 2 && pad < n && text[n - 1 - pad] == '=')
		pad++;
	if ((out = malloc(n / 4 * 3 + 1)) == NULL)
		abort();
	*len = 0;
	for (i = 0; i < n; i++) {
		d = i >= n - pad ? 0 : digit64(text[i]);
		if (d < 0) {
			free(out);
			return NULL;
		}
		bits = bits << 6 | (unsigned long)d;
		if (i % 4 != 3)
			continue;
		out[(*len)++] = (unsigned char)(bits >> 16);
		out[(*len)++] = (unsigned char)(bits >> 8);
		out[(*len)++] = (unsigned char)bits;
	}
	*len -= pad;
	out[*len] = '\0';
	return (char *)out;
}

void
auth_nonsense(struct conn *c, const char *mechanism, const char *what)
{
	record_violation(c, "syntax", "AUTH %s: %s: %s", mechanism, what,
	    c->line);
	answer(c, ST_AUTH_DONE, mechanism, 501, "5.5.2", what);
}

/* The first answer of an exchange belongs to "auth", later ones to a stage of
 * their own. */
static bool
respond(struct conn *c, struct saying *s, enum stage stage,
    const char *mechanism, const char *text)
{
	if (c->auth_answers++ == 0)
		plan(c, s, ST_AUTH, stage, mechanism, text);
	else
		plan(c, s, stage, ST_NONE, mechanism, text);
	return s->code != 0;
}

char *
auth_ask(struct conn *c, const char *mechanism, const char *challenge,
    size_t challenge_len, size_t *len)
{
	unsigned char coded[4096];
	struct saying s;
	char *got;

	EVP_EncodeBlock(coded, (const unsigned char *)challenge,
	    (int)challenge_len);
	snprintf(s.own, sizeof(s.own), "334 %s\r\n", (const char *)coded);
	respond(c, &s, ST_AUTH_CONT, mechanism, s.own);
	if (!speak(c, &s) || s.code != 334 || !io_line(c))
		return NULL;
	if (strcmp(c->line, "*") == 0) {
		answer(c, ST_AUTH_DONE, mechanism, 501, "5.7.0", "Given up");
		return NULL;
	}
	if ((got = base64_decode(c->line, len)) == NULL)
		auth_nonsense(c, mechanism, "no base64");
	return got;
}

char *
auth_first(struct conn *c, const char *mechanism, const char *initial,
    size_t *len)
{
	char *got;

	if (*initial == '\0')
		return auth_ask(c, mechanism, "", 0, len);
	if (strcmp(initial, "=") == 0)
		initial = "";
	if ((got = base64_decode(initial, len)) == NULL)
		auth_nonsense(c, mechanism, "no base64");
	return got;
}

void
auth_verdict(struct conn *c, const char *mechanism, bool ok, const char *user)
{
	struct saying s;

	respond(c, &s, ST_AUTH_DONE, mechanism, ok ?
	    reply_text(c, &s, 235, "2.7.0", "Authentication successful") :
	    reply_text(c, &s, 535, "5.7.8", "Authentication credentials invalid"));
	if (s.code == 235) {
		c->authenticated = true;
		strlcpy(c->auth_user, user, sizeof(c->auth_user));
		strlcpy(c->auth_mechanism, mechanism,
		    sizeof(c->auth_mechanism));
	}
	speak(c, &s);
}

/* No user configured: everybody is welcome. */
static bool
password_fits(const struct conn *c, const char *user, const char *password)
{
	return c->opt->user == NULL || (strcmp(user, c->opt->user) == 0 &&
	    c->opt->password != NULL &&
	    strcmp(password, c->opt->password) == 0);
}

static void
plain(struct conn *c, const char *mechanism, const char *initial)
{
	const char *user, *password;
	char *got;
	size_t len, n;

	if ((got = auth_first(c, mechanism, initial, &len)) == NULL)
		return;
	n = strlen(got);
	user = n < len ? got + n + 1 : NULL;
	n = user != NULL ? n + 1 + strlen(user) : len;
	password = n < len ? got + n + 1 : NULL;
	if (password == NULL ||
	    (size_t)(password - got) + strlen(password) != len)
		auth_nonsense(c, mechanism, "not authzid NUL user NUL password");
	else {
		record_auth(c, mechanism, got, user, password);
		auth_verdict(c, mechanism, password_fits(c, user, password),
		    user);
	}
	free(got);
}

static void
login(struct conn *c, const char *mechanism, const char *initial)
{
	char *user, *password = NULL;
	size_t len;

	if (*initial != '\0')
		user = auth_first(c, mechanism, initial, &len);
	else
		user = auth_ask(c, mechanism, "Username:", 9, &len);
	if (user != NULL)
		password = auth_ask(c, mechanism, "Password:", 9, &len);
	if (password != NULL) {
		record_auth(c, mechanism, NULL, user, password);
		auth_verdict(c, mechanism, password_fits(c, user, password),
		    user);
	} else if (user != NULL)
		record_auth(c, mechanism, NULL, user, NULL);
	free(user);
	free(password);
}

/* The common name of a client certificate that was verified. */
static bool
certificate_name(const struct conn *c, char *name, size_t size)
{
	X509 *cert;
	bool ok;

	name[0] = '\0';
	if (c->ssl == NULL ||
	    (cert = SSL_get1_peer_certificate(c->ssl)) == NULL)
		return false;
	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName,
	    name, (int)size);
	ok = SSL_get_verify_result(c->ssl) == X509_V_OK;
	X509_free(cert);
	return ok;
}

static void
external(struct conn *c, const char *mechanism, const char *initial)
{
	char name[256], *got;
	size_t len;
	bool ok;

	if ((got = auth_first(c, mechanism, initial, &len)) == NULL)
		return;
	ok = certificate_name(c, name, sizeof(name));
	record_auth(c, mechanism, got, name, NULL);
	auth_verdict(c, mechanism, ok &&
	    (*got == '\0' || strcmp(got, name) == 0), name);
	free(got);
}

static void
cram_md5(struct conn *c, const char *mechanism, const char *initial)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	char challenge[512], hex[2 * EVP_MAX_MD_SIZE + 1] = "", *got, *digest;
	const char *key = c->opt->password != NULL ? c->opt->password : "";
	unsigned i, n = 0;
	size_t len;

	if (*initial != '\0') {
		auth_nonsense(c, mechanism, "an initial response");
		return;
	}
	snprintf(challenge, sizeof(challenge), "<%u.%ld@%.200s>", c->id,
	    (long)time(NULL), c->opt->name);
	got = auth_ask(c, mechanism, challenge, strlen(challenge), &len);
	if (got == NULL)
		return;
	HMAC(EVP_md5(), key, (int)strlen(key), (unsigned char *)challenge,
	    strlen(challenge), mac, &n);
	for (i = 0; i < n; i++)
		snprintf(hex + 2 * (size_t)i, 3, "%02x", mac[i]);
	digest = strrchr(got, ' ');
	if (digest != NULL)
		*digest++ = '\0';
	record_auth(c, mechanism, NULL, got, digest);
	auth_verdict(c, mechanism, c->opt->user == NULL || (digest != NULL &&
	    strcmp(got, c->opt->user) == 0 && strcmp(digest, hex) == 0), got);
	free(got);
}

/* The value of "key=" among fields separated by ^A, to be freed; or NULL. */
static char *
oauth_field(const char *p, const char *key)
{
	size_t n;

	for (; *p != '\0'; p += n + (p[n] == '\1')) {
		n = strcspn(p, "\1");
		if (n >= strlen(key) && strncmp(p, key, strlen(key)) == 0)
			return strndup(p + strlen(key), n - strlen(key));
	}
	return NULL;
}

/* The user in the GS2 header "n,a=user," of OAUTHBEARER, to be freed. */
static char *
gs2_user(const char *p)
{
	if (strncmp(p, "n,a=", 4) == 0)
		return strndup(p + 4, strcspn(p + 4, ","));
	return strncmp(p, "n,,", 3) == 0 ? strdup("") : NULL;
}

static void
oauth(struct conn *c, const char *mechanism, const char *initial)
{
	const char *token = c->opt->token, *bearer;
	char *got, *user, *auth, *again;
	size_t len;
	bool ok;

	if ((got = auth_first(c, mechanism, initial, &len)) == NULL)
		return;
	user = strcmp(mechanism, "XOAUTH2") == 0 ? oauth_field(got, "user=") :
	    gs2_user(got);
	auth = oauth_field(got, "auth=");
	if (user == NULL || auth == NULL ||
	    strncasecmp(auth, "Bearer ", 7) != 0 || len < 2 ||
	    strcmp(got + len - 2, "\1\1") != 0)
		auth_nonsense(c, mechanism, "malformed");
	else {
		bearer = auth + 7;
		record_auth(c, mechanism, NULL, user, bearer);
		ok = token == NULL ? c->opt->user == NULL :
		    strcmp(bearer, token) == 0;
		again = ok ? NULL : auth_ask(c, mechanism, c->opt->oauth_error,
		    strlen(c->opt->oauth_error), &len);
		if (again != NULL && strcmp(mechanism, "OAUTHBEARER") == 0 &&
		    strcmp(again, "\1") != 0)
			record_violation(c, "syntax", "OAUTHBEARER: the answer "
			    "to an error is one ^A");
		if (ok || again != NULL)
			auth_verdict(c, mechanism, ok, user);
		free(again);
	}
	free(user);
	free(auth);
	free(got);
}

static const struct {
	const char	*name;
	bool		 in_clear;	/* shows no secret to a listener */
	void		(*run)(struct conn *, const char *, const char *);
} mechanisms[] = {
	{ "PLAIN", false, plain },
	{ "LOGIN", false, login },
	{ "EXTERNAL", true, external },
	{ "CRAM-MD5", true, cram_md5 },
	{ "XOAUTH2", false, oauth },
	{ "OAUTHBEARER", false, oauth },
	{ "SCRAM-SHA-1", true, scram_exchange },
	{ "SCRAM-SHA-256", true, scram_exchange },
	{ "SCRAM-SHA-1-PLUS", true, scram_exchange },
	{ "SCRAM-SHA-256-PLUS", true, scram_exchange },
};

static void
exchange(struct conn *c, const char *mechanism, const char *initial)
{
	size_t i;

	for (i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
		if (strcasecmp(mechanisms[i].name, mechanism) != 0)
			continue;
		if (c->ssl == NULL && c->tls != TLS_NONE)
			record_violation(c, "clear-credentials", "AUTH %s",
			    mechanism);
		mechanisms[i].run(c, mechanisms[i].name, initial);
		return;
	}
	answer(c, ST_AUTH, mechanism, 504, "5.5.4",
	    "Unrecognized authentication type");
}

void
command_auth(struct conn *c, const char *arg)
{
	char mechanism[64];
	const char *initial;
	size_t n = strcspn(arg, " ");

	snprintf(mechanism, sizeof(mechanism), "%.*s", (int)n, arg);
	initial = arg + n + (arg[n] == ' ');
	c->auth_answers = 0;
	if (c->ehlo[0] == '\0' || c->authenticated || c->tx.open) {
		record_violation(c, "order", "%s", c->line);
		answer(c, ST_AUTH, mechanism, 503, "5.5.1", "Not now");
	} else if (!mechanism_offered(c, mechanism)) {
		record_violation(c, "parameter", "not offered: AUTH %s",
		    mechanism);
		answer(c, ST_AUTH, mechanism, 504, "5.5.4",
		    "Unrecognized authentication type");
	} else
		exchange(c, mechanism, initial);
}
