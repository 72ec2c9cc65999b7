/*
 * MAIL and RCPT: paths (RFC 5321 4.1.2) and parameters (RFC 1870 SIZE, 6152
 * 8BITMIME, 3030 BINARYMIME, 3461 DSN, 4954 AUTH, 6531 SMTPUTF8, 8689).
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "smarthost.h"

#define PATH_MAX_LEN	256
#define LOCAL_MAX	64
#define DOMAIN_MAX	255

struct refusal {
	int		 code;
	const char	*enhanced;
	const char	*text;
};

static const struct refusal fine = { 0, NULL, NULL };

struct parameter {
	const char	*name;
	const char	*extension;
	bool		(*valid)(const char *value);
};

/* Printable ASCII, '+' only before two upper-case hex digits, no '='. */
static bool
is_xtext(const char *v)
{
	for (; *v != '\0'; v++) {
		if (*v == '+') {
			if (strspn(v + 1, "0123456789ABCDEF") < 2)
				return false;
			v += 2;
		} else if (*v < '!' || *v > '~' || *v == '=')
			return false;
	}
	return true;
}

static bool
is_number(const char *v)
{
	size_t n = strspn(v, "0123456789");

	return n > 0 && n <= 20 && v[n] == '\0';
}

static bool
is_body(const char *v)
{
	return strcasecmp(v, "7BIT") == 0 || strcasecmp(v, "8BITMIME") == 0;
}

static bool
is_ret(const char *v)
{
	return strcasecmp(v, "FULL") == 0 || strcasecmp(v, "HDRS") == 0;
}

static bool
is_envid(const char *v)
{
	return *v != '\0' && strlen(v) <= 100 && is_xtext(v);
}

static bool
is_notify(const char *v)
{
	size_t n;

	if (strcasecmp(v, "NEVER") == 0)
		return true;
	for (;; v += n + 1) {
		n = strcspn(v, ",");
		if (!(n == 7 && (strncasecmp(v, "SUCCESS", n) == 0 ||
		    strncasecmp(v, "FAILURE", n) == 0)) &&
		    !(n == 5 && strncasecmp(v, "DELAY", n) == 0))
			return false;
		if (v[n] == '\0')
			return true;
	}
}

static bool
is_orcpt(const char *v)
{
	const char *semicolon = strchr(v, ';');

	if (semicolon == NULL || semicolon == v || strlen(v) > 500)
		return false;
	if (strncasecmp(v, "utf-8;", 6) == 0)
		return true;
	return is_xtext(semicolon + 1);
}

static bool
is_empty(const char *v)
{
	return *v == '\0';
}

static const struct parameter mail_parameters[] = {
	{ "SIZE", "SIZE", is_number },
	{ "BODY", "8BITMIME", is_body },
	{ "RET", "DSN", is_ret },
	{ "ENVID", "DSN", is_envid },
	{ "AUTH", "AUTH", is_xtext },
	{ "SMTPUTF8", "SMTPUTF8", is_empty },
	{ "REQUIRETLS", "REQUIRETLS", is_empty },
	{ NULL, NULL, NULL },
};

static const struct parameter rcpt_parameters[] = {
	{ "NOTIFY", "DSN", is_notify },
	{ "ORCPT", "DSN", is_orcpt },
	{ NULL, NULL, NULL },
};

static const struct parameter *
find_parameter(const struct parameter *p, const char *word, size_t n)
{
	for (; p->name != NULL; p++) {
		if (strlen(p->name) == n && strncasecmp(p->name, word, n) == 0)
			return p;
	}
	return NULL;
}

static const struct refusal *
too_large(const struct conn *c, const char *size)
{
	static const struct refusal large = { 552, "5.3.4",
	    "Message size exceeds fixed limit" };

	return c->offer.size > 0 && strtoull(size, NULL, 10) > c->offer.size ?
	    &large : &fine;
}

/* What a parameter of MAIL changes; or why it cannot be. */
static const struct refusal *
take_parameter(struct conn *c, const char *name, const char *value)
{
	static const struct refusal no_tls = { 530, "5.7.4",
	    "REQUIRETLS needs TLS" };

	if (strcmp(name, "SIZE") == 0)
		return too_large(c, value);
	if (strcmp(name, "BODY") == 0)
		c->tx.eight = strcasecmp(value, "8BITMIME") == 0;
	else if (strcmp(name, "SMTPUTF8") == 0)
		c->tx.utf8 = true;
	else if (strcmp(name, "REQUIRETLS") == 0 && c->ssl == NULL)
		return &no_tls;
	return &fine;
}

static const struct refusal *
read_parameter(struct conn *c, const struct parameter *table, char *word)
{
	static const struct refusal unknown = { 555, "5.5.4",
	    "Unsupported option" };
	static const struct refusal wrong = { 501, "5.5.4", "Bad parameter" };
	const struct parameter *p;
	char *value;

	value = word + strcspn(word, "=");
	p = find_parameter(table, word, (size_t)(value - word));
	if (p == NULL || !offered(c, p->extension)) {
		record_violation(c, "parameter", "not offered: %s", word);
		return &unknown;
	}
	value += *value == '=';
	if (!p->valid(value)) {
		record_violation(c, "parameter", "wrong: %s", word);
		return &wrong;
	}
	return take_parameter(c, p->name, value);
}

static bool
given_twice(const char *params, const char *word, size_t n)
{
	unsigned times = 0;
	size_t len;

	n = strcspn(word, "= ") < n ? strcspn(word, "= ") : n;
	for (; *params != '\0'; params += len + (params[len] == ' ')) {
		len = strcspn(params, " ");
		times += len >= n && strncasecmp(params, word, n) == 0 &&
		    strchr("= ", params[n]) != NULL;
	}
	return times > 1;
}

static const struct refusal *
read_parameters(struct conn *c, const struct parameter *table,
    const char *params)
{
	const struct refusal *r, *first = &fine;
	char word[LINE_SIZE];
	const char *p;
	size_t n;

	for (p = params; *p != '\0'; p += n + (p[n] == ' ')) {
		n = strcspn(p, " ");
		strlcpy(word, p, n < sizeof(word) ? n + 1 : sizeof(word));
		if (n == 0)
			record_violation(c, "syntax", "two blanks: %s",
			    c->line);
		else if (given_twice(params, p, n))
			record_violation(c, "parameter", "twice: %s", word);
		r = n == 0 ? &fine : read_parameter(c, table, word);
		if (first == &fine)
			first = r;
	}
	return first;
}

/* The length of a local part, quoted or not; 0 if it is none. */
static size_t
local_part(const char *p)
{
	const char *s = p;

	if (*s != '"') {
		while ((unsigned char)*s >= 0x80 || isalnum((unsigned char)*s) ||
		    (*s != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", *s) != NULL))
			s++;
		if (*p == '.' || (s > p && s[-1] == '.'))
			return 0;
		return (size_t)(s - p);
	}
	for (s++; *s != '"'; s++) {
		if (*s == '\\')
			s++;
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return 0;
	}
	return (size_t)(s - p) + 1;
}

static size_t
domain_part(const char *p)
{
	const char *s = p;

	if (*s == '[') {
		while (*s > ' ' && *s < 0x7f && *s != ']' && *s != '>')
			s++;
		return *s == ']' ? (size_t)(s - p) + 1 : 0;
	}
	while ((unsigned char)*s >= 0x80 || isalnum((unsigned char)*s) ||
	    *s == '-' || *s == '.' || *s == '_')
		s++;
	if (*p == '.' || *p == '-' || (s > p && (s[-1] == '.' || s[-1] == '-')))
		return 0;
	return (size_t)(s - p);
}

/* Whether the n octets are a mailbox within the limits. */
static bool
is_mailbox(const char *p, size_t n)
{
	size_t local, domain;

	local = local_part(p);
	if (local == 0 || local > LOCAL_MAX || p[local] != '@')
		return local == n && strncasecmp(p, "postmaster", n) == 0;
	domain = domain_part(p + local + 1);
	return domain > 0 && domain <= DOMAIN_MAX &&
	    local + 1 + domain == n && n + 2 <= PATH_MAX_LEN;
}

/* The end of "<...>", quotes respected; NULL if there is none. */
static const char *
path_end(const char *p)
{
	bool quoted = false;

	if (*p != '<')
		return NULL;
	for (; *p != '\0'; p++) {
		if (quoted && *p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (*p == '>' && !quoted)
			return p;
	}
	return NULL;
}

/* "FROM:<a> X=y": the address into addr, *params behind the path. */
static bool
read_path(const char *arg, const char *word, char *addr, size_t size,
    const char **params)
{
	const char *end;
	size_t n = strlen(word);

	if (strncasecmp(arg, word, n) != 0 || (end = path_end(arg + n)) == NULL)
		return false;
	snprintf(addr, size, "%.*s", (int)(end - arg - (ptrdiff_t)n) - 1,
	    arg + n + 1);
	*params = end + 1;
	if (**params != '\0' && **params != ' ')
		return false;
	*params += **params == ' ';
	return true;
}

static bool
has_eight(const char *p)
{
	for (; *p != '\0'; p++) {
		if ((unsigned char)*p >= 0x80)
			return true;
	}
	return false;
}

static const struct refusal *
may_send(const struct conn *c)
{
	static const struct refusal hello = { 503, "5.5.1", "EHLO first" };
	static const struct refusal nested = { 503, "5.5.1", "Nested MAIL" };
	static const struct refusal no_tls = { 530, "5.7.0",
	    "Must issue a STARTTLS command first" };
	static const struct refusal no_auth = { 530, "5.7.0",
	    "Authentication required" };

	if (c->ehlo[0] == '\0')
		return &hello;
	if (c->tx.open)
		return &nested;
	if (c->tls == TLS_STARTTLS && c->ssl == NULL && !c->opt->tls_optional)
		return &no_tls;
	if (c->opt->user != NULL && !c->authenticated && !c->opt->auth_optional)
		return &no_auth;
	return &fine;
}

static const struct refusal *
check_address(struct conn *c, const char *addr, bool may_be_empty)
{
	static const struct refusal syntax = { 501, "5.1.7", "Bad address" };
	static const struct refusal utf8 = { 553, "5.6.7",
	    "That address needs SMTPUTF8" };

	if (*addr == '\0' && may_be_empty)
		return &fine;
	if (has_eight(addr) && !c->tx.utf8) {
		record_violation(c, "8bit-command", "%s", c->line);
		return &utf8;
	}
	if (!is_mailbox(addr, strlen(addr))) {
		record_violation(c, "syntax", "%s", c->line);
		return &syntax;
	}
	return &fine;
}

static const struct refusal *
check_mail(struct conn *c, const char *addr, const char *params)
{
	const struct refusal *r;

	if ((r = may_send(c)) != &fine) {
		if (r->code == 503)
			record_violation(c, "order", "%s", c->line);
		return r;
	}
	if ((r = read_parameters(c, mail_parameters, params)) != &fine)
		return r;
	return check_address(c, addr, true);
}

void
command_mail(struct conn *c, const char *arg)
{
	static const struct refusal syntax = { 501, "5.5.4",
	    "MAIL FROM:<address>" };
	struct saying s;
	char addr[LINE_SIZE];
	const struct refusal *r = &syntax;
	const char *params;
	bool nested = c->tx.open;
	int code;

	if (!nested)
		transaction_reset(c);
	addr[0] = '\0';
	if (read_path(arg, "FROM:", addr, sizeof(addr), &params))
		r = check_mail(c, addr, params);
	else
		record_violation(c, "syntax", "%s", c->line);
	code = plan(c, &s, ST_MAIL, ST_NONE, addr, r->code == 0 ?
	    reply_text(c, &s, 250, "2.1.0", "Sender ok") :
	    reply_text(c, &s, r->code, r->enhanced, r->text));
	if (code == 250 && !nested) {
		c->tx.open = true;
		strlcpy(c->tx.sender, strlen(arg) > 5 ? arg + 5 : arg,
		    sizeof(c->tx.sender));
	}
	speak(c, &s);
}

static void
add_recipient(struct conn *c, const char *path)
{
	size_t n = strlen(path) + 6;

	c->tx.recipient = realloc(c->tx.recipient, c->tx.recipient_len + n + 1);
	if (c->tx.recipient == NULL)
		abort();
	snprintf(c->tx.recipient + c->tx.recipient_len, n + 1, "rcpt %s\n",
	    path);
	c->tx.recipient_len += n;
	c->tx.nrecipients++;
}

static const struct refusal *
check_rcpt(struct conn *c, const char *addr, const char *params)
{
	static const struct refusal no_mail = { 503, "5.5.1", "MAIL first" };
	const struct refusal *r;

	if (!c->tx.open) {
		if (!offered(c, "PIPELINING"))
			record_violation(c, "order", "%s", c->line);
		return &no_mail;
	}
	if ((r = read_parameters(c, rcpt_parameters, params)) != &fine)
		return r;
	return check_address(c, addr, false);
}

void
command_rcpt(struct conn *c, const char *arg)
{
	static const struct refusal syntax = { 501, "5.5.4",
	    "RCPT TO:<address>" };
	struct saying s;
	char addr[LINE_SIZE];
	const struct refusal *r = &syntax;
	const char *params;
	int code;

	addr[0] = '\0';
	if (read_path(arg, "TO:", addr, sizeof(addr), &params))
		r = check_rcpt(c, addr, params);
	else
		record_violation(c, "syntax", "%s", c->line);
	code = plan(c, &s, ST_RCPT, ST_NONE, addr, r->code == 0 ?
	    reply_text(c, &s, 250, "2.1.5", "Recipient ok") :
	    reply_text(c, &s, r->code, r->enhanced, r->text));
	if ((code == 250 || code == 251 || code == 252) && c->tx.open)
		add_recipient(c, strlen(arg) > 3 ? arg + 3 : arg);
	speak(c, &s);
}
