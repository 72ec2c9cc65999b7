/*
 * The configuration: sendmail.conf through libconfuse, or the environment of a container. See config.h; the options are
 * described in sendmail.conf(5).
 *
 * This file turns text into a checked struct config. Finding and reading the file, and the environment's short form, are in
 * config_source.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "config.h"
#include "config_take.h"
#include "config_text.h"
#include "mem.h"

/* libconfuse keeps pointers into these tables and copies them; they are made anew for each parse. */
#define TEXT(name, take) CFG_STR_CB(name, NULL, CFGF_NODEFAULT, take)

/* The section oauth within a smarthost's. */
static cfg_opt_t oauth_options[] = {
	TEXT("provider", take_provider),
	TEXT("tenant", take_tenant),
	TEXT("grant", take_grant),
	TEXT("token-url", take_url),
	TEXT("device-url", take_url),
	TEXT("client-id", take_text),
	TEXT("client-secret", take_secret),
	TEXT("client-secret-file", take_secret_file),
	TEXT("client-secret-env", take_text),
	TEXT("client-secret-command", take_text),
	TEXT("client-certificate", take_path),
	TEXT("client-key", take_path),
	TEXT("client-key-password", take_secret),
	TEXT("client-key-password-file", take_secret_file),
	TEXT("client-key-password-env", take_text),
	TEXT("client-key-password-command", take_text),
	TEXT("scope", take_text),
	TEXT("refresh-token-file", take_path),
	TEXT("service-account-file", take_path),
	TEXT("ca-file", take_path),
	TEXT("proxy", take_proxy),
	TEXT("proxy-user", take_text),
	TEXT("proxy-password", take_secret),
	TEXT("proxy-password-file", take_secret_file),
	TEXT("proxy-password-env", take_text),
	TEXT("proxy-password-command", take_text),
	CFG_END()
};

static cfg_t *
parser_new(void)
{
	static cfg_opt_t smarthost[] = {
		TEXT("host", take_host),
		CFG_INT_CB("port", 0, CFGF_NODEFAULT, take_port),
		TEXT("tls", take_tls),
		TEXT("user", take_secret),
		TEXT("password", take_secret),
		TEXT("password-file", take_secret_file),
		TEXT("password-env", take_text),
		TEXT("password-command", take_text),
		TEXT("token-command", take_text),
		TEXT("token-file", take_secret_file),
		TEXT("auth", take_mechanism),
		TEXT("authorization-id", take_secret),
		TEXT("tls-ca-file", take_path),
		TEXT("tls-fingerprint", take_fingerprint),
		TEXT("tls-name", take_host),
		TEXT("tls-certificate", take_path),
		TEXT("tls-key", take_path),
		TEXT("tls-key-password", take_secret),
		TEXT("tls-key-password-file", take_secret_file),
		TEXT("tls-key-password-env", take_text),
		TEXT("tls-key-password-command", take_text),
		TEXT("tls-min-version", take_version),
		CFG_BOOL_CB("srv", cfg_false, CFGF_NODEFAULT, take_bool),
		CFG_SEC("oauth", oauth_options, CFGF_MULTI),
		CFG_END()
	};
	static cfg_opt_t top[] = {
		CFG_SEC("smarthost", smarthost, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
		TEXT("from", take_address),
		TEXT("domain", take_host),
		TEXT("hostname", take_ehlo),
		TEXT("local-to", take_address),
		TEXT("aliases", take_path),
		CFG_BOOL_CB("override-from", cfg_false, CFGF_NODEFAULT, take_bool),
		CFG_BOOL_CB("encode-headers", cfg_true, CFGF_NODEFAULT, take_bool),
		CFG_BOOL_CB("requiretls", cfg_false, CFGF_NODEFAULT, take_bool),
		TEXT("tls-session-cache", take_path),
		TEXT("token-cache", take_path),
		TEXT("timeout", take_duration),
		TEXT("idle-timeout", take_duration),
		TEXT("log", take_log),
		TEXT("log-format", take_log_format),
		TEXT("transcript", take_path),
		TEXT("queue", take_path),
		TEXT("queue-lifetime", take_duration),
		CFG_INT_CB("queue-max-messages", 0, CFGF_NODEFAULT, take_bound),
		CFG_INT_CB("queue-max-size", 0, CFGF_NODEFAULT, take_bound),
		CFG_INT_CB("queue-connections", 0, CFGF_NODEFAULT, take_connections),
		TEXT("delivery", take_delivery),
		CFG_END()
	};
	cfg_t *cfg = cfg_init(top, CFGF_NONE);

	if (cfg == NULL)
		mem_exhausted();
	(void)cfg_set_error_function(cfg, take_error);
	(void)cfg_set_validate_func(cfg, "smarthost", take_number);
	return cfg;
}

static char *
get(cfg_t *cfg, const char *name)
{
	const char *s = cfg_getstr(cfg, name);

	return s == NULL ? NULL : mem_dup(s);
}

/* Options have no default of libconfuse's: it would mark them as given. */
static bool
get_bool(cfg_t *cfg, const char *name, bool otherwise)
{
	return cfg_size(cfg, name) > 0 ? cfg_getbool(cfg, name) == cfg_true : otherwise;
}

struct secret_option {
	const char *name;
	enum secret_kind kind;
};

static const struct secret_option password_options[] = {
	{"password", SECRET_TEXT}, {"password-file", SECRET_FILE}, {"password-env", SECRET_ENV}, {"password-command", SECRET_COMMAND},
	{NULL, SECRET_NONE},
};

static const struct secret_option key_options[] = {
	{"tls-key-password", SECRET_TEXT}, {"tls-key-password-file", SECRET_FILE}, {"tls-key-password-env", SECRET_ENV},
	{"tls-key-password-command", SECRET_COMMAND}, {NULL, SECRET_NONE},
};

static const struct secret_option token_options[] = {
	{"token-file", SECRET_FILE}, {"token-command", SECRET_COMMAND}, {NULL, SECRET_NONE},
};

/* Which of the ways to a secret is given; more than one is a contradiction. */
static int
get_secret(struct secret_source *out, cfg_t *sec, const struct secret_option *ways, const struct smarthost *s, struct outcome *o)
{
	for (; ways->name != NULL; ways++) {
		if (cfg_getstr(sec, ways->name) == NULL)
			continue;
		if (out->kind != SECRET_NONE)
			return take_wrong(s, "a password or token is given in two ways", o);
		out->kind = ways->kind;
		out->value = get(sec, ways->name);
	}
	return 0;
}

static const struct secret_option client_options[] = {
	{"client-secret", SECRET_TEXT}, {"client-secret-file", SECRET_FILE}, {"client-secret-env", SECRET_ENV}, {"client-secret-command", SECRET_COMMAND}, {NULL, SECRET_NONE},
};

static const struct secret_option client_key_options[] = {
	{"client-key-password", SECRET_TEXT}, {"client-key-password-file", SECRET_FILE}, {"client-key-password-env", SECRET_ENV},
	{"client-key-password-command", SECRET_COMMAND}, {NULL, SECRET_NONE},
};

static const struct secret_option proxy_options[] = {
	{"proxy-password", SECRET_TEXT}, {"proxy-password-file", SECRET_FILE}, {"proxy-password-env", SECRET_ENV}, {"proxy-password-command", SECRET_COMMAND}, {NULL, SECRET_NONE},
};

/* What the named provider's addresses and scopes are, where they are not given. */
static int
fill_in(struct oauth *a, const char *tenant, const struct smarthost *s, struct outcome *o)
{
	static const char microsoft[] = "https://login.microsoftonline.com/";
	bool google = a->provider != NULL && *a->provider == 'g';

	if (a->provider == NULL)
		return tenant == NULL ? 0 : take_wrong(s, "oauth has a tenant, but no provider = \"microsoft\"", o);
	if (google && tenant != NULL)
		return take_wrong(s, "oauth of the provider google has no tenant", o);
	if (!google && tenant == NULL)
		return take_wrong(s, "oauth of the provider microsoft takes a tenant", o);
	if (a->token_url == NULL && a->grant != OAUTH_SERVICE)
		a->token_url = google ? mem_dup("https://oauth2.googleapis.com/token") : mem_printf("%s%s/oauth2/v2.0/token", microsoft, tenant);
	if (a->device_url == NULL)
		a->device_url = google ? mem_dup("https://oauth2.googleapis.com/device/code") : mem_printf("%s%s/oauth2/v2.0/devicecode", microsoft, tenant);
	if (a->scope == NULL && google)
		a->scope = mem_dup("https://mail.google.com/");
	else if (a->scope == NULL)
		a->scope = mem_dup(a->grant == OAUTH_CLIENT ? "https://outlook.office365.com/.default" : "https://outlook.office.com/SMTP.Send offline_access");
	return 0;
}

/* By what is given; grant says the same, or settles it. */
static int
choose_grant(struct oauth *a, const char *grant, const struct smarthost *s, struct outcome *o)
{
	enum oauth_grant given = a->service_account_file != NULL ? OAUTH_SERVICE : a->refresh_token_file != NULL ? OAUTH_REFRESH : OAUTH_CLIENT;

	a->grant = grant == NULL ? given : *grant == 's' ? OAUTH_SERVICE : *grant == 'r' ? OAUTH_REFRESH : OAUTH_CLIENT;
	if (a->service_account_file != NULL && a->refresh_token_file != NULL)
		return take_wrong(s, "oauth has both a service-account-file and a refresh-token-file", o);
	if (a->grant != given && a->grant != OAUTH_CLIENT)
		return take_wrong(s, a->grant == OAUTH_SERVICE ? "oauth takes a service-account-file for that grant" : "oauth takes a refresh-token-file for that grant", o);
	if (a->grant == OAUTH_CLIENT && given != OAUTH_CLIENT)
		return take_wrong(s, "oauth has a file for another grant", o);
	return 0;
}

static int
check_oauth(const struct oauth *a, const struct smarthost *s, struct outcome *o)
{
	bool proven = a->client_secret.kind != SECRET_NONE || a->client_certificate != NULL;

	if (s->user == NULL)
		return take_wrong(s, "oauth is given, but no user: whose mailbox it is for", o);
	if (s->token.kind != SECRET_NONE)
		return take_wrong(s, "a token is given in two ways", o);
	if (a->client_secret.kind != SECRET_NONE && a->client_certificate != NULL)
		return take_wrong(s, "oauth has both a client-secret and a client-certificate", o);
	if ((a->client_certificate == NULL) != (a->client_key == NULL))
		return take_wrong(s, "oauth takes client-certificate and client-key together", o);
	if (a->client_key_password.kind != SECRET_NONE && a->client_key == NULL)
		return take_wrong(s, "oauth has a client-key-password, but no client-key", o);
	if (a->grant == OAUTH_SERVICE && (a->client_secret.kind != SECRET_NONE || a->client_certificate != NULL))
		return take_wrong(s, "oauth has a service-account-file, so it takes no client-secret and no client-certificate", o);
	if (a->refresh_token_file != NULL && a->refresh_token_file[strlen(a->refresh_token_file) - 1] == '/')
		return take_wrong(s, "refresh-token-file of oauth is a directory", o);
	if (a->grant != OAUTH_SERVICE && a->token_url == NULL)
		return take_wrong(s, "oauth takes a token-url, or a provider", o);
	if (a->grant != OAUTH_SERVICE && a->client_id == NULL)
		return take_wrong(s, "oauth takes a client-id", o);
	if (a->grant == OAUTH_CLIENT && !proven)
		return take_wrong(s, "oauth takes a client-secret, a client-certificate, a refresh-token-file or a service-account-file", o);
	if (a->proxy == NULL && (a->proxy_user != NULL || a->proxy_password.kind != SECRET_NONE))
		return take_wrong(s, "oauth has a proxy-user or proxy-password, but no proxy", o);
	if ((a->proxy_user == NULL) != (a->proxy_password.kind == SECRET_NONE))
		return take_wrong(s, "oauth takes proxy-user and proxy-password together", o);
	return 0;
}

static int
take_oauth(struct smarthost *s, cfg_t *outer, struct outcome *o)
{
	cfg_t *sec = cfg_size(outer, "oauth") > 0 ? cfg_getnsec(outer, "oauth", 0) : NULL;
	struct oauth *a;

	if (sec == NULL)
		return 0;
	if (cfg_size(outer, "oauth") > 1)
		return take_wrong(s, "oauth is given twice", o);
	a = s->oauth = mem_alloc(sizeof(*a));
	a->provider = get(sec, "provider");
	a->token_url = get(sec, "token-url");
	a->device_url = get(sec, "device-url");
	a->client_id = get(sec, "client-id");
	a->scope = get(sec, "scope");
	a->client_certificate = get(sec, "client-certificate");
	a->client_key = get(sec, "client-key");
	a->refresh_token_file = get(sec, "refresh-token-file");
	a->service_account_file = get(sec, "service-account-file");
	a->ca_file = get(sec, "ca-file");
	a->proxy = get(sec, "proxy");
	a->proxy_user = get(sec, "proxy-user");
	take_inner(sec, s->title);
	if (get_secret(&a->client_secret, sec, client_options, s, o) == -1 || get_secret(&a->client_key_password, sec, client_key_options, s, o) == -1 ||
	    get_secret(&a->proxy_password, sec, proxy_options, s, o) == -1)
		return -1;
	if (choose_grant(a, cfg_getstr(sec, "grant"), s, o) == -1 || fill_in(a, cfg_getstr(sec, "tenant"), s, o) == -1)
		return -1;
	return check_oauth(a, s, o);
}

/* Signing in takes a user and a way to prove it; half of that is a mistake better told now than as a refusal at night. */
static int
check_credentials(const struct smarthost *s, struct outcome *o)
{
	bool secret = s->password.kind != SECRET_NONE || s->token.kind != SECRET_NONE || s->oauth != NULL;

	if (s->password.kind != SECRET_NONE && s->user == NULL)
		return take_wrong(s, "a password is given, but no user", o);
	if (s->user != NULL && !secret && s->tls_certificate == NULL)
		return take_wrong(s, "a user is given, but no password", o);
	if (s->auth != NULL && strcmp(s->auth, "EXTERNAL") == 0 && s->tls_certificate == NULL)
		return take_wrong(s, "auth EXTERNAL takes a client certificate: set tls-certificate", o);
	if (s->tls_key != NULL && s->tls_certificate == NULL)
		return take_wrong(s, "tls-key is given, but no tls-certificate", o);
	if (s->tls_key_password.kind != SECRET_NONE && s->tls_certificate == NULL)
		return take_wrong(s, "tls-key-password is given, but no tls-certificate", o);
	return 0;
}

/* With srv the records name servers and ports, all with TLS. */
static int
check_srv(const struct smarthost *s, cfg_t *sec, struct outcome *o)
{
	if (!s->srv)
		return 0;
	if (cfg_size(sec, "port") > 0)
		return take_wrong(s, "srv is true, so the port comes from DNS: leave out one of the two", o);
	if (s->tls == TLS_MODE_NONE)
		return take_wrong(s, "srv finds servers with TLS alone, and tls is \"none\"", o);
	if (strchr(s->host, ':') != NULL || strspn(s->host, "0123456789.") == strlen(s->host))
		return take_wrong(s, "srv is true, so the smarthost has to be a domain, not an address", o);
	return 0;
}

static int
take_smarthost(struct smarthost *s, cfg_t *sec, struct outcome *o)
{
	const char *tls = cfg_getstr(sec, "tls"), *version = cfg_getstr(sec, "tls-min-version");

	s->line = (unsigned)sec->line;
	s->title = mem_dup(cfg_title(sec));
	s->host = cfg_getstr(sec, "host") != NULL ? get(sec, "host") : mem_dup(s->title);
	if (!config_is_host(s->host))
		return take_wrong(s, "its title is no host name or address; set host", o);
	s->tls = TLS_MODE_STARTTLS;
	if (tls != NULL)
		s->tls = *tls == 'i' ? TLS_MODE_IMPLICIT : *tls == 'n' ? TLS_MODE_NONE : TLS_MODE_STARTTLS;
	s->port = cfg_size(sec, "port") > 0 ? (uint16_t)cfg_getint(sec, "port") : config_default_port(s->tls);
	s->tls_min_version = version != NULL && strcmp(version, "1.3") == 0 ? 13 : 12;
	s->user = get(sec, "user");
	s->auth = get(sec, "auth");
	s->authorization_id = get(sec, "authorization-id");
	s->tls_ca_file = get(sec, "tls-ca-file");
	s->tls_fingerprint = get(sec, "tls-fingerprint");
	s->tls_name = get(sec, "tls-name");
	s->tls_certificate = get(sec, "tls-certificate");
	s->tls_key = get(sec, "tls-key");
	s->srv = get_bool(sec, "srv", false);
	s->tls_any = tls == NULL;
	if (get_secret(&s->password, sec, password_options, s, o) == -1 || get_secret(&s->token, sec, token_options, s, o) == -1 ||
	    get_secret(&s->tls_key_password, sec, key_options, s, o) == -1 || take_oauth(s, sec, o) == -1)
		return -1;
	return check_credentials(s, o) == 0 ? check_srv(s, sec, o) : -1;
}

static void
wipe_texts(char **texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (texts[i] != NULL)
			explicit_bzero(texts[i], strlen(texts[i]));
}

/* libconfuse frees what it parsed without overwriting it. */
static void
wipe_parser(cfg_t *cfg)
{
	for (unsigned i = 0; i < cfg_size(cfg, "smarthost"); i++) {
		cfg_t *sec = cfg_getnsec(cfg, "smarthost", i);
		char *secrets[] = {cfg_getstr(sec, "password"), cfg_getstr(sec, "tls-key-password")};

		wipe_texts(secrets, sizeof(secrets) / sizeof(secrets[0]));
		for (unsigned k = 0; k < cfg_size(sec, "oauth"); k++) {
			cfg_t *a = cfg_getnsec(sec, "oauth", k);
			char *inner[] = {cfg_getstr(a, "client-secret"), cfg_getstr(a, "client-key-password"), cfg_getstr(a, "proxy-password")};

			wipe_texts(inner, sizeof(inner) / sizeof(inner[0]));
		}
	}
	(void)cfg_free(cfg);
}

static int
take_all(struct config *c, cfg_t *cfg, const char *path, struct outcome *o)
{
	const char *log = cfg_getstr(cfg, "log"), *timeout = cfg_getstr(cfg, "timeout"), *idle = cfg_getstr(cfg, "idle-timeout"),
	    *format = cfg_getstr(cfg, "log-format"), *lifetime = cfg_getstr(cfg, "queue-lifetime"), *delivery = cfg_getstr(cfg, "delivery");

	if (log != NULL && strcmp(log, "syslog") != 0) {
		c->log = *log == '/' ? LOG_TO_FILE : LOG_TO_STDERR;
		c->log_file = *log == '/' ? mem_dup(log) : NULL;
	}
	c->log_json = format != NULL && *format == 'j';
	if (timeout != NULL)
		c->timeout = (unsigned)config_duration(timeout);
	c->queue = get(cfg, "queue");
	c->queue_max_messages = cfg_size(cfg, "queue-max-messages") > 0 ? cfg_getint(cfg, "queue-max-messages") : 0;
	c->queue_max_size = cfg_size(cfg, "queue-max-size") > 0 ? cfg_getint(cfg, "queue-max-size") : 0;
	if (cfg_size(cfg, "queue-connections") > 0)
		c->queue_connections = cfg_getint(cfg, "queue-connections");
	if (lifetime != NULL)
		c->queue_lifetime = (unsigned)config_duration(lifetime);
	if (delivery != NULL)
		c->delivery = *delivery;
	if ((c->delivery == 'b' || c->delivery == 'q') && c->queue == NULL)
		return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, "delivery asks for a queue, but queue is not set", "error in %s", path);
	if (idle != NULL)
		c->idle_timeout = (unsigned)config_duration(idle);
	c->from = get(cfg, "from");
	c->domain = get(cfg, "domain");
	c->hostname = get(cfg, "hostname");
	c->local_to = get(cfg, "local-to");
	c->aliases = get(cfg, "aliases");
	c->transcript = get(cfg, "transcript");
	c->tls_session_cache = get(cfg, "tls-session-cache");
	c->token_cache = get(cfg, "token-cache");
	c->override_from = get_bool(cfg, "override-from", c->override_from);
	c->encode_headers = get_bool(cfg, "encode-headers", c->encode_headers);
	c->requiretls = get_bool(cfg, "requiretls", c->requiretls);
	c->smarthosts = cfg_size(cfg, "smarthost");
	c->smarthost = mem_alloc(c->smarthosts * sizeof(*c->smarthost));
	for (unsigned i = 0; i < c->smarthosts; i++)
		if (take_smarthost(&c->smarthost[i], cfg_getnsec(cfg, "smarthost", i), o) == -1)
			return -1;
	for (size_t i = 0; i < c->smarthosts; i++) {
		c->smarthost[i].tls_session_cache = c->tls_session_cache;
		c->smarthost[i].token_cache = c->token_cache;
		c->smarthost[i].queue = c->queue;
	}
	if (c->override_from && c->from == NULL)
		return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, "override-from is true, but from is not set",
		    "error in %s", path);
	if (c->smarthosts == 0)
		return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, "it names no smarthost", "error in %s", path);
	return 0;
}

int
config_parse(struct config *c, const char *text, const char *path, bool quiet, struct outcome *o)
{
	cfg_t *cfg = parser_new();
	int r;

	*o = (struct outcome){0};
	take_begin(c, path, quiet, o);
	r = cfg_parse_buf(cfg, text) == CFG_SUCCESS ? 0 : -1;
	if (r == -1 && o->status == 0)
		(void)outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, "it cannot be understood", "error in %s line %d", path,
		    cfg->line);
	if (r == 0)
		r = take_all(c, cfg, path, o);
	wipe_parser(cfg);
	take_end();
	return r;
}
