/*
 * Where the configuration comes from: the file of -C, of SENDMAIL_CONF, the default one, or the environment of a container
 * (CONTRACT section 7). See config.h.
 */
#include <sys/stat.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "config.h"
#include "config_text.h"
#include "mem.h"

#ifndef CONFIG_PATH
#define CONFIG_PATH "/etc/sendmail.conf"
#endif
#define CONFIG_MAX (1024 * 1024)	/* octets of a file */
#define PIECE 4096	/* octets of it that are read at a time: the buffer is overwritten afterwards, all of it */

long
config_duration(const char *text)
{
	static const struct { char unit; long seconds; } units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
	long total = 0;
	size_t next = 0;

	do {
		long n = 0;
		size_t u;

		if (!isdigit((unsigned char)*text) || (*text == '0' && isdigit((unsigned char)text[1])))
			return -1;
		for (; isdigit((unsigned char)*text); text++)
			if ((n = n * 10 + (*text - '0')) > 7 * 86400)
				return -1;
		if (*text == '\0' && next == 0)
			total = n;	/* a number alone: seconds */
		else {
			for (u = next; u < 4 && units[u].unit != *text; u++)
				;
			if (u == 4)
				return -1;
			total += n * units[u].seconds;
			next = u + 1;
			text++;
		}
	} while (*text != '\0');
	return total >= 1 && total <= 7 * 86400 ? total : -1;
}

long
config_port(const char *text, const char **why)
{
	long n = (long)strtonum(text, 1, 65535, why);

	if (*why == NULL && !isdigit((unsigned char)*text))
		*why = "invalid";
	else if (*why == NULL && *text == '0')
		*why = "written with a leading zero";
	return n;
}

uint16_t
config_default_port(enum tls_mode tls)
{
	return tls == TLS_MODE_IMPLICIT ? 465 : tls == TLS_MODE_NONE ? 25 : 587;
}

static int
read_all(struct buf *out, int fd)
{
	ssize_t n;

	do {
		n = read(fd, buf_room(out, PIECE), PIECE);
		if (n > 0) {
			out->len += (size_t)n;
			buf_end(out);
		}
	} while ((n > 0 && out->len <= CONFIG_MAX) || (n < 0 && errno == EINTR));
	return n < 0 ? -1 : 0;
}

static int
unreadable(const char *path, const char *why, struct outcome *o)
{
	return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_UNREADABLE, why, "cannot read the configuration %s", path);
}

static bool
has_password(const struct config *c)
{
	for (size_t i = 0; i < c->smarthosts; i++) {
		const struct smarthost *s = &c->smarthost[i];
		const struct oauth *a = s->oauth;

		if (s->password.kind == SECRET_TEXT || s->tls_key_password.kind == SECRET_TEXT)
			return true;
		if (a != NULL && (a->client_secret.kind == SECRET_TEXT || a->client_key_password.kind == SECRET_TEXT || a->proxy_password.kind == SECRET_TEXT))
			return true;
	}
	return false;
}

static int
load_fd(struct config *c, int fd, const char *path, const struct config_source *src, struct outcome *o)
{
	struct buf raw = {0}, text = {0};
	struct stat st;
	const char *why;
	unsigned line = 0;
	int r = -1;

	c->path = mem_dup(path);
	if (fstat(fd, &st) == -1 || read_all(&raw, fd) == -1)
		(void)unreadable(path, strerror(errno), o);
	else if (raw.len > CONFIG_MAX || memchr(buf_str(&raw), '\0', raw.len) != NULL)
		(void)outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, "it is no text, or larger than 1 MiB", "error in %s", path);
	else if ((why = config_scan(&text, buf_str(&raw), src->privileged, &line)) != NULL)
		(void)outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, why, "error in %s line %u", path, line);
	else
		r = config_parse(c, buf_str(&text), path, src->flag != NULL || src->privileged, o);
	if (r == 0 && has_password(c) && (st.st_mode & S_IROTH) != 0)
		r = outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_EXPOSED, "others can read the password in it",
		    "refusing the configuration %s", path);
	buf_wipe(&raw);
	buf_wipe(&text);
	return r;
}

/* The file of -C: its name comes from whoever wrote the flag, so it may only be a file that the administrator put below /etc. */
static int
load_flag(struct config *c, const struct config_source *src, struct outcome *o)
{
	char real[PATH_MAX];
	struct stat st;
	int fd, r = -1;

	if (realpath(src->flag, real) == NULL || strncmp(real, "/etc/", 5) != 0 ||
	    (fd = open(real, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)) == -1)
		return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_FLAG, "it is no file below /etc that can be read", "refusing -C %s",
		    src->flag);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		r = load_fd(c, fd, real, src, o);
	else
		(void)outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_FLAG,
		    "it is not a regular file owned by root that nobody else may write", "refusing -C %s", src->flag);
	(void)close(fd);
	return r;
}

/* Undoes %40 and the like in place; false where a percent sign is followed by no two digits, or stands for a NUL. */
static bool
percent_decode(char *s)
{
	char *to = s;

	for (; *s != '\0'; s++) {
		char hex[3] = "";

		if (*s != '%') {
			*to++ = *s;
			continue;
		}
		if (!isxdigit((unsigned char)s[1]) || !isxdigit((unsigned char)s[2]))
			return false;
		hex[0] = s[1];
		hex[1] = s[2];
		if ((*to++ = (char)strtol(hex, NULL, 16)) == '\0')
			return false;
		s += 2;
	}
	*to = '\0';
	return true;
}

static int
bad_url(const char *why, struct outcome *o)
{
	return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, why,
	    "the environment's SENDMAIL_SMARTHOST is not like submission://user@smtp.example.com:587");
}

/* host, host:port, [::1] or [::1]:port */
static int
take_authority(struct smarthost *s, char *host, struct outcome *o)
{
	char *port = NULL, *end;
	const char *why = NULL;

	if (*host == '[') {
		if ((end = strchr(++host, ']')) == NULL || (end[1] != '\0' && end[1] != ':'))
			return bad_url("the address in brackets does not end", o);
		port = end[1] == ':' ? end + 2 : NULL;
		*end = '\0';
	} else if ((end = strchr(host, ':')) != NULL) {
		port = end + 1;
		*end = '\0';
	}
	if (!config_is_host(host))
		return bad_url("it names no host", o);
	s->host = mem_dup(host);
	s->title = mem_dup(host);
	s->port = port == NULL ? config_default_port(s->tls) : (uint16_t)config_port(port, &why);
	return why == NULL ? 0 : bad_url("its port is no number from 1 to 65535", o);
}

static int
take_url(struct smarthost *s, const char *url, struct outcome *o)
{
	static const struct { const char *scheme; enum tls_mode tls; } schemes[] = {
		{"submission://", TLS_MODE_STARTTLS}, {"submissions://", TLS_MODE_IMPLICIT}, {"smtp://", TLS_MODE_NONE},
	};
	size_t i, n = 0;
	char *copy, *at;
	int r;

	for (i = 0; i < 3; i++)
		if (strncasecmp(url, schemes[i].scheme, n = strlen(schemes[i].scheme)) == 0)
			break;
	if (i == 3)
		return bad_url("it begins with none of submission://, submissions://, smtp://", o);
	s->tls = schemes[i].tls;
	copy = mem_dup(url + n);
	n = strlen(copy);
	if (n > 0 && copy[n - 1] == '/')
		copy[n - 1] = '\0';
	if ((at = strrchr(copy, '@')) != NULL) {
		*at++ = '\0';
		if (strchr(copy, ':') != NULL || *copy == '\0' || !percent_decode(copy)) {
			r = bad_url("its user is malformed; a password goes into SENDMAIL_PASSWORD", o);
			explicit_bzero(copy, n);
			free(copy);
			return r;
		}
		s->user = mem_dup(copy);
	}
	r = take_authority(s, at != NULL ? at : copy, o);
	free(copy);
	return r;
}

/* What the variables give. */
static void
note_environment(struct config *c, const struct smarthost *s)
{
	static const struct { const char *name, *variable; } top[] = {{"from", "SENDMAIL_FROM"}, {"domain", "SENDMAIL_DOMAIN"}};
	static const char *const url[] = {"", "host", "tls", "port", "user"};
	const char *value;

	for (size_t i = 0; i < sizeof(url) / sizeof(url[0]); i++)
		if (strcmp(url[i], "user") != 0 || s->user != NULL)
			config_note(c, s->title, url[i], 0, "SENDMAIL_SMARTHOST");
	if (s->password.kind == SECRET_FILE)
		config_note(c, s->title, "password-file", 0, "SENDMAIL_PASSWORD_FILE");
	else if (s->password.kind == SECRET_ENV)
		config_note(c, s->title, "password-env", 0, "SENDMAIL_PASSWORD");
	if ((value = getenv("SENDMAIL_CA_FILE")) != NULL && *value != '\0')
		config_note(c, s->title, "tls-ca-file", 0, "SENDMAIL_CA_FILE");
	for (size_t i = 0; i < sizeof(top) / sizeof(top[0]); i++)
		if ((value = getenv(top[i].variable)) != NULL && *value != '\0')
			config_note(c, NULL, top[i].name, 0, top[i].variable);
}

static int
load_environment(struct config *c, const char *url, struct outcome *o)
{
	struct smarthost *s = c->smarthost = mem_alloc(sizeof(*s));
	const char *file = getenv("SENDMAIL_PASSWORD_FILE"), *password = getenv("SENDMAIL_PASSWORD");
	const char *from = getenv("SENDMAIL_FROM"), *domain = getenv("SENDMAIL_DOMAIN"), *ca = getenv("SENDMAIL_CA_FILE");

	c->smarthosts = 1;
	s->tls_min_version = 12;
	if (take_url(s, url, o) == -1)
		return -1;
	if (password != NULL && *password != '\0') {
		s->password.kind = SECRET_ENV;
		s->password.value = mem_dup("SENDMAIL_PASSWORD");
	} else if (file != NULL && *file != '\0') {
		s->password.kind = SECRET_FILE;
		s->password.value = mem_dup(file);
	}
	if (s->user != NULL && s->password.kind == SECRET_NONE)
		return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_SECRET_MISSING,
		    "neither SENDMAIL_PASSWORD nor SENDMAIL_PASSWORD_FILE is set", "SENDMAIL_SMARTHOST names a user without a password");
	if (s->user == NULL && s->password.kind != SECRET_NONE)
		return bad_url("a password is given, but no user", o);
	if (from != NULL && *from != '\0' && !config_is_address(from))
		return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, from, "the environment's SENDMAIL_FROM is no mail address");
	if (domain != NULL && *domain != '\0' && !config_is_host(domain))
		return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, domain, "the environment's SENDMAIL_DOMAIN is no domain name");
	note_environment(c, s);
	c->from = from != NULL && *from != '\0' ? mem_dup(from) : NULL;
	c->domain = domain != NULL && *domain != '\0' ? mem_dup(domain) : NULL;
	s->tls_ca_file = ca != NULL && *ca != '\0' ? mem_dup(ca) : NULL;
	return 0;
}

int
config_load(struct config *c, const struct config_source *src, struct outcome *o)
{
	const char *named = src->privileged ? NULL : getenv("SENDMAIL_CONF");
	const char *url = src->privileged ? NULL : getenv("SENDMAIL_SMARTHOST");
	const char *path = named != NULL && *named != '\0' ? named : CONFIG_PATH;
	int fd, r;

	*c = (struct config){.encode_headers = true, .timeout = CONFIG_DEFAULT_TIMEOUT, .idle_timeout = CONFIG_DEFAULT_IDLE, .delivery = 'i',
	    .queue_lifetime = CONFIG_DEFAULT_LIFETIME, .queue_connections = CONFIG_DEFAULT_CONNECTIONS};
	if (src->flag != NULL)
		return load_flag(c, src, o);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1 && errno == ENOENT && path != named) {
		if (url != NULL && *url != '\0')
			return load_environment(c, url, o);
		return outcome_set(o, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_MISSING, "there is no " CONFIG_PATH " and no SENDMAIL_SMARTHOST",
		    "no configuration");
	}
	if (fd == -1) {
		c->path = mem_dup(path);
		return unreadable(path, strerror(errno), o);
	}
	r = load_fd(c, fd, path, src, o);
	(void)close(fd);
	return r;
}

void
config_note(struct config *c, const char *section, const char *name, unsigned line, const char *variable)
{
	c->origin = mem_grow(c->origin, c->origins + 1, sizeof(*c->origin));
	c->origin[c->origins++] = (struct config_origin){.section = section != NULL ? mem_dup(section) : NULL, .name = mem_dup(name), .line = line, .variable = variable};
}

static void
free_secret(struct secret_source *s)
{
	if (s->value != NULL)
		explicit_bzero(s->value, strlen(s->value));
	free(s->value);
}

static void
free_oauth(struct oauth *a)
{
	if (a == NULL)
		return;
	free_secret(&a->client_secret);
	free_secret(&a->client_key_password);
	free_secret(&a->proxy_password);
	free(a->provider);
	free(a->token_url);
	free(a->device_url);
	free(a->client_id);
	free(a->scope);
	free(a->client_certificate);
	free(a->client_key);
	free(a->refresh_token_file);
	free(a->service_account_file);
	free(a->ca_file);
	free(a->proxy);
	free(a->proxy_user);
	free(a);
}

void
config_free(struct config *c)
{
	for (size_t i = 0; i < c->smarthosts; i++) {
		struct smarthost *s = &c->smarthost[i];

		free_secret(&s->password);
		free_secret(&s->tls_key_password);
		free_secret(&s->token);
		free_oauth(s->oauth);
		free(s->title);
		free(s->host);
		free(s->user);
		free(s->auth);
		free(s->authorization_id);
		free(s->tls_ca_file);
		free(s->tls_fingerprint);
		free(s->tls_name);
		free(s->tls_certificate);
		free(s->tls_key);
	}
	free(c->smarthost);
	free(c->path);
	free(c->from);
	free(c->domain);
	free(c->hostname);
	free(c->local_to);
	free(c->aliases);
	free(c->tls_session_cache);
	free(c->token_cache);
	free(c->queue);
	free(c->log_file);
	free(c->transcript);
	for (size_t i = 0; i < c->origins; i++) {
		free(c->origin[i].section);
		free(c->origin[i].name);
	}
	free(c->origin);
	*c = (struct config){0};
}
