/*
 * The values of options as libconfuse reads them. See config_take.h.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "config_take.h"
#include "config_text.h"
#include "mem.h"
#include "url.h"

#define SMARTHOSTS_MAX	100
#define INNER_MAX	(SMARTHOSTS_MAX * 24)

/*
 * libconfuse gives its callbacks no argument of ours: while a file is being parsed this is where errors go. Set by
 * take_begin() alone.
 */
static struct {
	const char *path;
	bool quiet;		/* tell file and line, no text */
	struct config *config;
	struct { const cfg_t *section; const char *name; unsigned line; } inner[INNER_MAX];	/* options of sections within sections: whose they are is known at the end */
	size_t inners;
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

void
take_error(cfg_t *cfg, const char *fmt, va_list ap)
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
	if (strcmp(cfg_name(cfg), "oauth") != 0)
		config_note(parsing.config, cfg_title(cfg), opt->name, (unsigned)cfg->line, NULL);
	else if (parsing.inners < INNER_MAX) {
		parsing.inner[parsing.inners].section = cfg;
		parsing.inner[parsing.inners].name = opt->name;
		parsing.inner[parsing.inners++].line = (unsigned)cfg->line;
	}
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
int
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
int
take_path(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	if (*value != '/') {
		cfg_error(cfg, "option '%s' is no file's full name, which begins with /", opt->name);
		return -1;
	}
	return take_text(cfg, opt, value, result);
}

/* The same, or a name without a slash: a credential of systemd's. */
int
take_secret_file(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return strchr(value, '/') == NULL ? take_text(cfg, opt, value, result) : take_path(cfg, opt, value, result);
}

/* A password: any octets. */
int
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

int
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
int
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

int
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

int
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

int
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

int
take_tls(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return take_word(cfg, opt, value, result, tls_words);
}

int
take_version(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	static const char *const words[] = {"1.2", "1.3", NULL};

	return take_word(cfg, opt, value, result, words);
}

int
take_mechanism(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	static const char *const words[] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "EXTERNAL", "OAUTHBEARER", "XOAUTH2",
	    "PLAIN", "LOGIN", "CRAM-MD5", NULL};

	return take_word(cfg, opt, value, result, words);
}

/* "sha256:" or "spki-sha256:" and 64 hexadecimal digits, colons between them allowed. */
int
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

int
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

int
take_log(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	if (strcmp(value, "syslog") != 0 && strcmp(value, "stderr") != 0 && *value != '/') {
		cfg_error(cfg, "option '%s' is neither \"syslog\", \"stderr\" nor a file's full name", opt->name);
		return -1;
	}
	return take_text(cfg, opt, value, result);
}

int
take_log_format(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	static const char *const words[] = {"text", "json", NULL};

	return take_word(cfg, opt, value, result, words);
}

int
take_delivery(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	static const char *const words[] = {"interactive", "background", "queue", NULL};

	return take_word(cfg, opt, value, result, words);
}

int
take_provider(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	static const char *const words[] = {"microsoft", "google", NULL};

	return take_word(cfg, opt, value, result, words);
}

int
take_grant(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	static const char *const words[] = {"client-credentials", "refresh-token", "service-account", NULL};

	return take_word(cfg, opt, value, result, words);
}

/* It becomes a part of a URL. */
int
take_tenant(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	if (*value == '.' || strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-") != strlen(value)) {
		cfg_error(cfg, "option '%s' is no tenant: an identifier such as 1b0bcd3c-..., or a domain", opt->name);
		return -1;
	}
	return take_text(cfg, opt, value, result);
}

static int
take_url_of(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result, bool proxy)
{
	struct url u;

	if (!url_parse(&u, value, proxy)) {
		cfg_error(cfg, "option '%s' is not like %s", opt->name, proxy ? "http://proxy.example.com:3128" : "https://login.example.com/token");
		return -1;
	}
	return take_text(cfg, opt, value, result);
}

int
take_url(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return take_url_of(cfg, opt, value, result, false);
}

int
take_proxy(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return take_url_of(cfg, opt, value, result, true);
}

/* A whole number from 1 on, without a leading zero. */
int
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

/* The same up to CONFIG_CONNECTIONS_MAX. */
int
take_connections(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	if (take_bound(cfg, opt, value, result) == -1)
		return -1;
	if (*(long *)result <= CONFIG_CONNECTIONS_MAX)
		return 0;
	cfg_error(cfg, "option '%s' is no number from 1 to %d", opt->name, CONFIG_CONNECTIONS_MAX);
	return -1;
}

/* libconfuse takes time in the square of their number. */
int
take_number(cfg_t *cfg, cfg_opt_t *opt)
{
	if (cfg_opt_size(opt) <= SMARTHOSTS_MAX)
		return 0;
	cfg_error(cfg, "option '%s' is given more than %d times", opt->name, SMARTHOSTS_MAX);
	return -1;
}

int
take_wrong(const struct smarthost *s, const char *text, struct outcome *o)
{
	return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, parsing.quiet ? "it cannot be understood" : text,
	    "error in %s, smarthost that ends at line %u", parsing.path, s->line);
}

void
take_inner(const cfg_t *section, const char *title)
{
	for (size_t i = 0; i < parsing.inners; i++)
		if (parsing.inner[i].section == section) {
			char *name = mem_printf("oauth %s", parsing.inner[i].name);

			config_note(parsing.config, title, name, parsing.inner[i].line, NULL);
			free(name);
		}
}

void
take_begin(struct config *c, const char *path, bool quiet, struct outcome *o)
{
	parsing.path = path;
	parsing.config = c;
	parsing.quiet = quiet;
	parsing.inners = 0;
	parsing.password = NULL;
	parsing.outcome = o;
}

void
take_end(void)
{
	parsing.outcome = NULL;
	parsing.config = NULL;
}
