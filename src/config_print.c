/*
 * The configuration in force. See config_print.h.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config_print.h"
#include "printable.h"

#define COMMENT_AT	48	/* column of where a value came from */

/* ---- where it came from ---- */

/* The place where an option was given, or NULL; section NULL: outside of a smarthost's. */
static const struct config_origin *
origin(const struct config *c, const char *section, const char *prefix, const char *name)
{
	char whole[64];

	(void)snprintf(whole, sizeof(whole), "%s%s", prefix != NULL ? prefix : "", name);
	for (size_t i = 0; i < c->origins; i++) {
		const struct config_origin *o = &c->origin[i];

		if (strcmp(o->name, whole) == 0 && (section == NULL ? o->section == NULL : o->section != NULL && strcmp(o->section, section) == 0))
			return o;
	}
	return NULL;
}

static void
add_origin(struct buf *out, size_t from, const struct config_origin *o, const char *otherwise)
{
	if (o == NULL && *otherwise == '\0') {
		buf_putc(out, '\n');
		return;
	}
	do
		buf_putc(out, ' ');
	while (out->len - from < COMMENT_AT);
	if (o == NULL)
		buf_printf(out, "# %s\n", otherwise);
	else if (o->variable != NULL)
		buf_printf(out, "# %s\n", o->variable);
	else
		buf_printf(out, "# line %u\n", o->line);
}

/* ---- values ---- */

static void
add_quoted(struct buf *out, const char *value)
{
	size_t from = out->len;
	char *text;

	printable_quoted(out, value, strlen(value), 4096);
	text = mem_dup(out->data + from);
	out->len = from;
	buf_putc(out, '"');
	for (const char *p = text; *p != '\0'; p++)	/* which would be expanded when it is read again */
		buf_printf(out, p[0] == '$' && p[1] == '{' ? "\\%c" : "%c", *p);
	buf_putc(out, '"');
	free(text);
}

/* What prints one option of a section (NULL: none), indented as its section. */
struct printer {
	const struct config *config;
	struct buf *out;
	const char *section;
	const char *prefix;	/* of the names of options of a section within, or NULL */
};

static size_t
begin(const struct printer *p)
{
	size_t from = p->out->len;

	buf_puts(p->out, p->prefix != NULL ? "        " : p->section != NULL ? "    " : "");
	return from;
}

/* An option that is not set is told as a comment: it has no value that could stand in a file. */
static void
print_text(const struct printer *p, const char *name, const char *value)
{
	size_t from = begin(p);

	if (value == NULL)
		buf_printf(p->out, "# %s", name);
	else {
		buf_printf(p->out, "%s = ", name);
		add_quoted(p->out, value);
	}
	add_origin(p->out, from, origin(p->config, p->section, p->prefix, name), value == NULL ? "not set" : "default");
}

static void
print_word(const struct printer *p, const char *name, const char *value)
{
	size_t from = begin(p);

	buf_printf(p->out, "%s = %s", name, value);
	add_origin(p->out, from, origin(p->config, p->section, p->prefix, name), "default");
}

static void
print_bool(const struct printer *p, const char *name, bool value)
{
	print_word(p, name, value ? "true" : "false");
}

/* A number; 0: there is no bound. */
static void
print_number(const struct printer *p, const char *name, long value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%ld", value);
	if (value == 0)
		print_text(p, name, NULL);
	else
		print_word(p, name, text);
}

/* Seconds, in the largest unit that tells them. */
static void
print_duration(const struct printer *p, const char *name, unsigned seconds)
{
	static const struct { char unit; unsigned seconds; } units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
	char text[24];
	size_t u = 0;

	while (seconds % units[u].seconds != 0)
		u++;
	(void)snprintf(text, sizeof(text), "%u%c", seconds / units[u].seconds, units[u].unit);
	print_text(p, name, text);
}

/* A secret, by whichever of its ways it is given: NAME, NAME-file, NAME-env, NAME-command. What stands in the configuration itself is not told. */
static void
print_secret(const struct printer *p, const char *name, const struct secret_source *s)
{
	static const char *const suffix[] = {[SECRET_NONE] = "", [SECRET_TEXT] = "", [SECRET_FILE] = "-file", [SECRET_ENV] = "-env", [SECRET_COMMAND] = "-command"};
	char whole[64];
	size_t from;

	(void)snprintf(whole, sizeof(whole), "%s%s", name, suffix[s->kind]);
	if (s->kind == SECRET_NONE && strcmp(name, "token") == 0)
		(void)strlcpy(whole, "token-file", sizeof(whole));	/* there is no "token" */
	if (s->kind != SECRET_TEXT) {
		print_text(p, whole, s->kind == SECRET_NONE ? NULL : s->value);
		return;
	}
	from = begin(p);
	buf_printf(p->out, "# %s is hidden", name);
	add_origin(p->out, from, origin(p->config, p->section, p->prefix, name), "");
}

/* ---- all of it ---- */

static void
print_oauth(const struct printer *outer, const struct oauth *a)
{
	static const char *const grants[] = {[OAUTH_CLIENT] = "client-credentials", [OAUTH_REFRESH] = "refresh-token", [OAUTH_SERVICE] = "service-account"};
	struct printer inner = *outer, *p = &inner;

	p->prefix = "oauth ";
	buf_puts(p->out, "    oauth {\n");
	print_text(p, "grant", grants[a->grant]);
	print_text(p, "token-url", a->token_url);
	print_text(p, "device-url", a->device_url);
	print_text(p, "client-id", a->client_id);
	print_secret(p, "client-secret", &a->client_secret);
	print_text(p, "client-certificate", a->client_certificate);
	print_text(p, "client-key", a->client_key);
	print_secret(p, "client-key-password", &a->client_key_password);
	print_text(p, "scope", a->scope);
	print_text(p, "refresh-token-file", a->refresh_token_file);
	print_text(p, "service-account-file", a->service_account_file);
	print_text(p, "ca-file", a->ca_file);
	print_text(p, "proxy", a->proxy);
	print_text(p, "proxy-user", a->proxy_user);
	print_secret(p, "proxy-password", &a->proxy_password);
	buf_puts(p->out, "    }\n");
}

static void
print_smarthost(const struct printer *p, const struct smarthost *s)
{
	static const char *const tls[] = {[TLS_MODE_STARTTLS] = "starttls", [TLS_MODE_IMPLICIT] = "implicit", [TLS_MODE_NONE] = "none"};

	print_text(p, "host", s->host);
	print_bool(p, "srv", s->srv);
	if (s->srv)
		print_text(p, "port", NULL);	/* which DNS names */
	else
		print_number(p, "port", s->port);
	print_text(p, "tls", s->srv && s->tls_any ? NULL : tls[s->tls]);
	print_text(p, "user", s->user);
	print_secret(p, "password", &s->password);
	print_secret(p, "token", &s->token);
	if (s->oauth != NULL)
		print_oauth(p, s->oauth);
	else
		buf_puts(p->out, "    # oauth is not set\n");
	print_text(p, "auth", s->auth);
	print_text(p, "authorization-id", s->authorization_id);
	print_text(p, "tls-ca-file", s->tls_ca_file);
	print_text(p, "tls-fingerprint", s->tls_fingerprint);
	print_text(p, "tls-name", s->tls_name);
	print_text(p, "tls-certificate", s->tls_certificate);
	print_text(p, "tls-key", s->tls_key);
	print_secret(p, "tls-key-password", &s->tls_key_password);
	print_text(p, "tls-min-version", s->tls_min_version == 13 ? "1.3" : "1.2");
}

static void
print_top(const struct printer *p)
{
	const struct config *c = p->config;

	print_text(p, "from", c->from);
	print_text(p, "domain", c->domain);
	print_text(p, "hostname", c->hostname);
	print_text(p, "local-to", c->local_to);
	print_text(p, "aliases", c->aliases);
	print_bool(p, "override-from", c->override_from);
	print_bool(p, "encode-headers", c->encode_headers);
	print_bool(p, "requiretls", c->requiretls);
	print_text(p, "tls-session-cache", c->tls_session_cache);
	print_text(p, "token-cache", c->token_cache);
	print_duration(p, "timeout", c->timeout);
	print_duration(p, "idle-timeout", c->idle_timeout);
	print_text(p, "log", c->log == LOG_TO_FILE ? c->log_file : c->log == LOG_TO_STDERR ? "stderr" : "syslog");
	print_text(p, "log-format", c->log_json ? "json" : "text");
	print_text(p, "transcript", c->transcript);
	print_text(p, "queue", c->queue);
	print_text(p, "delivery", c->delivery == 'b' ? "background" : c->delivery == 'q' ? "queue" : "interactive");
	print_duration(p, "queue-lifetime", c->queue_lifetime);
	print_number(p, "queue-max-messages", c->queue_max_messages);
	print_number(p, "queue-max-size", c->queue_max_size);
	print_number(p, "queue-connections", c->queue_connections);
}

void
config_print(const struct config *c, struct buf *out)
{
	struct printer p = {.config = c, .out = out};

	buf_puts(out, "# ");
	if (c->path != NULL)
		printable_add(out, c->path, strlen(c->path), 4096);
	else
		buf_puts(out, "the environment");
	buf_putc(out, '\n');
	for (size_t i = 0; i < c->smarthosts; i++) {
		size_t from = out->len;

		buf_puts(out, "smarthost ");
		add_quoted(out, c->smarthost[i].title);
		buf_puts(out, " {");
		add_origin(out, from, origin(c, c->smarthost[i].title, NULL, ""), "");
		p.section = c->smarthost[i].title;
		print_smarthost(&p, &c->smarthost[i]);
		buf_puts(out, "}\n");
	}
	p.section = NULL;
	print_top(&p);
}
