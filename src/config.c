/*
 * The configuration: sendmail.conf through libconfuse, or the environment of a container. See config.h; the options are
 * described in sendmail.conf(5).
 *
 * This file turns text into a checked struct config. Finding and reading the file, and the environment's short form, are in
 * config_source.c.
 */
#include <confuse.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "config.h"
#include "config_text.h"
#include "mem.h"

#define SMARTHOSTS_MAX	100

/*
 * libconfuse gives its callbacks no argument of ours: while a file is being parsed this is where errors go. Set and cleared by
 * config_parse() alone.
 */
static struct {
	const char *path;
	bool quiet;		/* tell file and line, no text */
	struct config *config;
	const cfg_t *password;	/* the section whose password was read last: what comes next may be a piece of it */
	int password_line;
	struct outcome *outcome;
} parsing;

/* What libconfuse says of text that may be a piece of a password is said without that text; NULL: there is no such text. */
static const char *
hidden(const cfg_t *cfg, const char *fmt)
{
	if (parsing.quiet)
		return "it cannot be understood";
	if (strstr(fmt, "octal") != NULL || strstr(fmt, "escape") != NULL)
		return "a backslash in double quotes begins no number that there is; put the value into single quotes";
	if (parsing.password != NULL && (parsing.password == cfg || parsing.password_line == cfg->line) && strncmp(fmt, "option", 6) != 0)
		return "what stands behind the password is no option; put a password with blanks or quotes into single quotes";
	return NULL;
}

static void
parse_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	const char *why = hidden(cfg, fmt);
	char text[400];

	if (parsing.outcome->status != 0)
		return;		/* the first error tells most */
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	(void)outcome_set(parsing.outcome, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, why != NULL ? why : text, "error in %s line %d",
	    parsing.path, cfg->line);
}

/* A flag of our own in cfg_opt_t: libconfuse sets CFGF_MODIFIED before it calls back, so that tells nothing. */
#define GIVEN (1 << 30)

/* An option given twice is refused: which of two passwords is meant is a guess. */
static bool
repeated(cfg_t *cfg, cfg_opt_t *opt)
{
	parsing.password = NULL;
	if ((opt->flags & GIVEN) != 0) {
		cfg_error(cfg, "option '%s' is given twice", opt->name);
		return true;
	}
	opt->flags |= GIVEN;
	config_note(parsing.config, cfg_title(cfg), opt->name, (unsigned)cfg->line, NULL);
	return false;
}

static bool
has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

/* Any text without control characters. */
static int
take_text(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	if (repeated(cfg, opt))
		return -1;
	if (*value == '\0' || has_control(value)) {
		cfg_error(cfg, "option '%s' is empty or holds a control character", opt->name);
		return -1;
	}
	*(const char **)result = value;
	return 0;
}

/* A file by its full name: whoever calls the program chooses the current directory. */
static int
take_path(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	if (*value != '/') {
		cfg_error(cfg, "option '%s' is no file's full name, which begins with /", opt->name);
		return -1;
	}
	return take_text(cfg, opt, value, result);
}

/* The same, or a name without a slash: a credential of systemd's. */
static int
take_secret_file(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return strchr(value, '/') == NULL ? take_text(cfg, opt, value, result) : take_path(cfg, opt, value, result);
}

/* A password: any octets. */
static int
take_secret(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	if (repeated(cfg, opt))
		return -1;
	if (*value == '\0') {
		cfg_error(cfg, "option '%s' is empty", opt->name);
		return -1;
	}
	if (config_is_secret(opt->name)) {
		parsing.password = cfg;
		parsing.password_line = cfg->line;
	}
	*(const char **)result = value;
	return 0;
}

bool
config_is_host(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > 255 || *s == '-' || *s == '.')
		return false;
	return strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:") == n && strstr(s, "..") == NULL;
}

static int
take_host(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	if (repeated(cfg, opt))
		return -1;
	if (!config_is_host(value)) {
		cfg_error(cfg, "option '%s' is no host name or address (international names in their xn-- form)", opt->name);
		return -1;
	}
	*(const char **)result = value;
	return 0;
}

/* The name in EHLO: a host name, or an address literal in brackets. */
static int
take_ehlo(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	size_t n = strlen(value);

	if (n > 2 && value[0] == '[' && value[n - 1] == ']' && !has_control(value) && strpbrk(value, " <>\\") == NULL) {
		if (repeated(cfg, opt))
			return -1;
		*(const char **)result = value;
		return 0;
	}
	return take_host(cfg, opt, value, result);
}

bool
config_is_address(const char *s)
{
	const char *at = strrchr(s, '@');

	return at != NULL && at != s && at[1] != '\0' && !has_control(s) && strlen(s) < 256;
}

static int
take_address(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	if (repeated(cfg, opt))
		return -1;
	if (!config_is_address(value)) {
		cfg_error(cfg, "option '%s' is no mail address with a domain", opt->name);
		return -1;
	}
	*(const char **)result = value;
	return 0;
}

static int
take_port(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	const char *why;

	if (repeated(cfg, opt))
		return -1;
	*(long *)result = config_port(value, &why);
	if (why == NULL)
		return 0;
	cfg_error(cfg, "option '%s': the number is %s", opt->name, why);
	return -1;
}

static int
take_bool(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	int b = cfg_parse_boolean(value);

	if (repeated(cfg, opt))
		return -1;
	if (b != cfg_true && b != cfg_false) {
		cfg_error(cfg, "option '%s' is neither true nor false", opt->name);
		return -1;
	}
	*(cfg_bool_t *)result = b == cfg_true ? cfg_true : cfg_false;
	return 0;
}

/* One word out of a list: "starttls|implicit|none". */
static int
take_word(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result, const char *const *words)
{
	struct buf list = {0};

	if (repeated(cfg, opt))
		return -1;
	for (size_t i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], value) == 0) {
			*(const char **)result = value;
			buf_free(&list);
			return 0;
		}
		buf_printf(&list, "%s\"%s\"", i == 0 ? "" : ", ", words[i]);
	}
	cfg_error(cfg, "option '%s' is none of %s", opt->name, list.data);
	buf_free(&list);
	return -1;
}

static const char *const tls_words[] = {"starttls", "implicit", "none", NULL};

static int
take_tls(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return take_word(cfg, opt, value, result, tls_words);
}

static int
take_version(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	static const char *const words[] = {"1.2", "1.3", NULL};

	return take_word(cfg, opt, value, result, words);
}

static int
take_mechanism(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	static const char *const words[] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "EXTERNAL", "OAUTHBEARER", "XOAUTH2",
	    "PLAIN", "LOGIN", "CRAM-MD5", NULL};

	return take_word(cfg, opt, value, result, words);
}

/* "sha256:" or "spki-sha256:" and 64 hexadecimal digits, colons between them allowed. */
static int
take_fingerprint(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	const char *p = strchr(value, ':');
	size_t digits = 0;

	if (repeated(cfg, opt))
		return -1;
	if (strncmp(value, "sha256:", 7) == 0 || strncmp(value, "spki-sha256:", 12) == 0)
		for (p++; isxdigit((unsigned char)*p) || *p == ':'; p++)
			digits += *p != ':';
	if (p == NULL || *p != '\0' || digits != 64) {
		cfg_error(cfg, "option '%s' is not \"sha256:\" or \"spki-sha256:\" and 64 hexadecimal digits", opt->name);
		return -1;
	}
	*(const char **)result = value;
	return 0;
}

static int
take_duration(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	if (repeated(cfg, opt))
		return -1;
	if (config_duration(value) < 0) {
		cfg_error(cfg, "option '%s' is no time from 1s to 7d such as \"5m\" or \"1h30m\"", opt->name);
		return -1;
	}
	*(const char **)result = value;
	return 0;
}

static int
take_log(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	if (strcmp(value, "syslog") != 0 && strcmp(value, "stderr") != 0 && *value != '/') {
		cfg_error(cfg, "option '%s' is neither \"syslog\", \"stderr\" nor a file's full name", opt->name);
		return -1;
	}
	return take_text(cfg, opt, value, result);
}

static int
take_log_format(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	static const char *const words[] = {"text", "json", NULL};

	return take_word(cfg, opt, value, result, words);
}

static int
take_delivery(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	static const char *const words[] = {"interactive", "background", "queue", NULL};

	return take_word(cfg, opt, value, result, words);
}

/* A whole number from 1 on, without a leading zero. */
static int
take_bound(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	size_t n = strlen(value);

	if (repeated(cfg, opt))
		return -1;
	if (n == 0 || n > 9 || *value == '0' || strspn(value, "0123456789") != n) {
		cfg_error(cfg, "option '%s' is no number from 1 to 999999999", opt->name);
		return -1;
	}
	*(long *)result = strtol(value, NULL, 10);
	return 0;
}

/* libconfuse takes time in the square of their number. */
static int
check_number(cfg_t *cfg, cfg_opt_t *opt)
{
	if (cfg_opt_size(opt) <= SMARTHOSTS_MAX)
		return 0;
	cfg_error(cfg, "option '%s' is given more than %d times", opt->name, SMARTHOSTS_MAX);
	return -1;
}

/* libconfuse keeps pointers into these tables and copies them; they are made anew for each parse. */
#define TEXT(name, take) CFG_STR_CB(name, NULL, CFGF_NODEFAULT, take)

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
		TEXT("timeout", take_duration),
		TEXT("idle-timeout", take_duration),
		TEXT("log", take_log),
		TEXT("log-format", take_log_format),
		TEXT("transcript", take_path),
		TEXT("queue", take_path),
		TEXT("queue-lifetime", take_duration),
		CFG_INT_CB("queue-max-messages", 0, CFGF_NODEFAULT, take_bound),
		CFG_INT_CB("queue-max-size", 0, CFGF_NODEFAULT, take_bound),
		TEXT("delivery", take_delivery),
		CFG_END()
	};
	cfg_t *cfg = cfg_init(top, CFGF_NONE);

	if (cfg == NULL)
		mem_exhausted();
	(void)cfg_set_error_function(cfg, parse_error);
	(void)cfg_set_validate_func(cfg, "smarthost", check_number);
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

static int
wrong(const struct smarthost *s, const char *text, struct outcome *o)
{
	return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, parsing.quiet ? "it cannot be understood" : text,
	    "error in %s, smarthost that ends at line %u", parsing.path, s->line);
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
			return wrong(s, "a password or token is given in two ways", o);
		out->kind = ways->kind;
		out->value = get(sec, ways->name);
	}
	return 0;
}

/* Signing in takes a user and a way to prove it; half of that is a mistake better told now than as a refusal at night. */
static int
check_credentials(const struct smarthost *s, struct outcome *o)
{
	bool secret = s->password.kind != SECRET_NONE || s->token.kind != SECRET_NONE;

	if (s->password.kind != SECRET_NONE && s->user == NULL)
		return wrong(s, "a password is given, but no user", o);
	if (s->user != NULL && !secret && s->tls_certificate == NULL)
		return wrong(s, "a user is given, but no password", o);
	if (s->auth != NULL && strcmp(s->auth, "EXTERNAL") == 0 && s->tls_certificate == NULL)
		return wrong(s, "auth EXTERNAL takes a client certificate: set tls-certificate", o);
	if (s->tls_key != NULL && s->tls_certificate == NULL)
		return wrong(s, "tls-key is given, but no tls-certificate", o);
	if (s->tls_key_password.kind != SECRET_NONE && s->tls_certificate == NULL)
		return wrong(s, "tls-key-password is given, but no tls-certificate", o);
	return 0;
}

/* With srv the records name servers and ports, all with TLS. */
static int
check_srv(const struct smarthost *s, cfg_t *sec, struct outcome *o)
{
	if (!s->srv)
		return 0;
	if (cfg_size(sec, "port") > 0)
		return wrong(s, "srv is true, so the port comes from DNS: leave out one of the two", o);
	if (s->tls == TLS_MODE_NONE)
		return wrong(s, "srv finds servers with TLS alone, and tls is \"none\"", o);
	if (strchr(s->host, ':') != NULL || strspn(s->host, "0123456789.") == strlen(s->host))
		return wrong(s, "srv is true, so the smarthost has to be a domain, not an address", o);
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
		return wrong(s, "its title is no host name or address; set host", o);
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
	    get_secret(&s->tls_key_password, sec, key_options, s, o) == -1)
		return -1;
	return check_credentials(s, o) == 0 ? check_srv(s, sec, o) : -1;
}

/* libconfuse frees what it parsed without overwriting it. */
static void
wipe_parser(cfg_t *cfg)
{
	for (unsigned i = 0; i < cfg_size(cfg, "smarthost"); i++) {
		cfg_t *sec = cfg_getnsec(cfg, "smarthost", i);
		char *secrets[] = {cfg_getstr(sec, "password"), cfg_getstr(sec, "tls-key-password")};

		for (size_t k = 0; k < sizeof(secrets) / sizeof(secrets[0]); k++)
			if (secrets[k] != NULL)
				explicit_bzero(secrets[k], strlen(secrets[k]));
	}
	(void)cfg_free(cfg);
}

static int
take_all(struct config *c, cfg_t *cfg, struct outcome *o)
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
	if (lifetime != NULL)
		c->queue_lifetime = (unsigned)config_duration(lifetime);
	if (delivery != NULL)
		c->delivery = *delivery;
	if ((c->delivery == 'b' || c->delivery == 'q') && c->queue == NULL)
		return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, "delivery asks for a queue, but queue is not set", "error in %s", parsing.path);
	if (idle != NULL)
		c->idle_timeout = (unsigned)config_duration(idle);
	c->from = get(cfg, "from");
	c->domain = get(cfg, "domain");
	c->hostname = get(cfg, "hostname");
	c->local_to = get(cfg, "local-to");
	c->aliases = get(cfg, "aliases");
	c->transcript = get(cfg, "transcript");
	c->tls_session_cache = get(cfg, "tls-session-cache");
	c->override_from = get_bool(cfg, "override-from", c->override_from);
	c->encode_headers = get_bool(cfg, "encode-headers", c->encode_headers);
	c->requiretls = get_bool(cfg, "requiretls", c->requiretls);
	c->smarthosts = cfg_size(cfg, "smarthost");
	c->smarthost = mem_alloc(c->smarthosts * sizeof(*c->smarthost));
	for (unsigned i = 0; i < c->smarthosts; i++)
		if (take_smarthost(&c->smarthost[i], cfg_getnsec(cfg, "smarthost", i), o) == -1)
			return -1;
	for (size_t i = 0; i < c->smarthosts; i++)
		c->smarthost[i].tls_session_cache = c->tls_session_cache;
	if (c->override_from && c->from == NULL)
		return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, "override-from is true, but from is not set",
		    "error in %s", parsing.path);
	if (c->smarthosts == 0)
		return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, "it names no smarthost", "error in %s", parsing.path);
	return 0;
}

int
config_parse(struct config *c, const char *text, const char *path, bool quiet, struct outcome *o)
{
	cfg_t *cfg = parser_new();
	int r;

	*o = (struct outcome){0};
	parsing.path = path;
	parsing.config = c;
	parsing.quiet = quiet;
	parsing.password = NULL;
	parsing.outcome = o;
	r = cfg_parse_buf(cfg, text) == CFG_SUCCESS ? 0 : -1;
	if (r == -1 && o->status == 0)
		(void)outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, "it cannot be understood", "error in %s line %d", path,
		    cfg->line);
	if (r == 0)
		r = take_all(c, cfg, o);
	wipe_parser(cfg);
	parsing.outcome = NULL;
	parsing.config = NULL;
	return r;
}
