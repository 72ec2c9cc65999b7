/*
 * The commands of SMTP as a caller says them. See command.h.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "dsn.h"
#include "explain.h"
#include "mail/address.h"
#include "smtp/command.h"

/* What each is, and what it says, is in explain.h's table. */
static const char *const verbs[VERB_COUNT] = {
	[VERB_EHLO] = "EHLO", [VERB_HELO] = "HELO", [VERB_MAIL] = "MAIL", [VERB_RCPT] = "RCPT", [VERB_DATA] = "DATA", [VERB_BDAT] = "BDAT", [VERB_RSET] = "RSET",
	[VERB_NOOP] = "NOOP", [VERB_VRFY] = "VRFY", [VERB_EXPN] = "EXPN", [VERB_HELP] = "HELP", [VERB_QUIT] = "QUIT", [VERB_STARTTLS] = "STARTTLS", [VERB_AUTH] = "AUTH",
	[VERB_SEND] = "SEND", [VERB_SOML] = "SOML", [VERB_SAML] = "SAML", [VERB_TURN] = "TURN",
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static const char *
skip_blanks(const char *s)
{
	while (is_blank(*s))
		s++;
	return s;
}

enum verb
command_verb(const char *line, const char **argument)
{
	const char *start = skip_blanks(line);
	size_t n = 0;
	enum verb verb = VERB_UNKNOWN;

	while (isalpha((unsigned char)start[n]))
		n++;
	*argument = skip_blanks(start + n);
	if (start[n] != '\0' && !is_blank(start[n]))
		return VERB_UNKNOWN;
	for (int v = VERB_UNKNOWN + 1; v < VERB_COUNT; v++)
		if (strlen(verbs[v]) == n && strncasecmp(verbs[v], start, n) == 0)
			verb = (enum verb)v;
	return verb;
}

bool
command_is_foreign(const char *line)
{
	static const char *const methods[] = {"GET", "POST", "CONNECT", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE"};
	size_t n = strcspn(line, " \t:"), colon = n + strspn(line + n, " \t");

	if (n == 0)
		return false;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]) && is_blank(line[n]); i++)
		if (strlen(methods[i]) == n && strncmp(methods[i], line, n) == 0)
			return true;
	if (line[colon] != ':' || line[colon + 1] == '<')
		return false;	/* "FROM:<a@b>" lacks a verb */
	for (int v = VERB_UNKNOWN + 1; v < VERB_COUNT; v++)
		if (strlen(verbs[v]) == n && strncasecmp(verbs[v], line, n) == 0)
			return false;	/* "MAIL: FROM" is a slip of the pen */
	return true;
}

const char *
command_syntax(enum verb verb)
{
	return explain_syntax(verbs[verb]);
}

void
command_help(struct buf *b, enum verb verb)
{
	if (verb != VERB_UNKNOWN) {
		(void)explain_help(b, verbs[verb]);
		return;
	}
	buf_puts(b, "Commands:");
	for (int v = VERB_UNKNOWN + 1; v < VERB_STARTTLS; v++)
		if (v != VERB_EXPN)	/* which is not there */
			buf_printf(b, " %s", verbs[v]);
	buf_puts(b, "\nA message goes like this, each line answered before the next:\n  HELO localhost\n  MAIL FROM:<you@example.com>\n"
	    "  RCPT TO:<friend@example.net>\n  DATA\n  Subject: hello\n\n  text\n  .\n  QUIT\nHELP and a command, or a reply code, explains it.\n");
}

/* The path at s: in angle brackets, quoted strings in it respected, or a word. Its end, or NULL. */
static const char *
path_end(const char *s)
{
	bool bracket = *s == '<', quoted = false;

	for (; *s != '\0'; s++) {
		if (quoted && *s == '\\' && s[1] != '\0')
			s++;
		else if (*s == '"')
			quoted = !quoted;
		else if (!quoted && bracket && *s == '>')
			return s + 1;
		else if (!quoted && !bracket && is_blank(*s))
			break;
	}
	return bracket || quoted ? NULL : s;
}

/* One parameter that is given once: its value goes where take_...() puts it. 0, 501 or 555. */
static int
take_size(struct path_command *p, const char *value)
{
	size_t n = strspn(value, "0123456789");

	if (p->size_given || n == 0 || n > 20 || value[n] != '\0')
		return 501;
	errno = 0;
	p->size_given = true;
	p->size = strtoull(value, NULL, 10);
	return errno == 0 ? 0 : 501;
}

static int
take_body(struct path_command *p, const char *value, bool *given)
{
	if (*given || (strcasecmp(value, "7BIT") != 0 && strcasecmp(value, "8BITMIME") != 0))
		return 501;
	*given = true;
	p->eight_bit = *value == '8';
	return 0;
}

static int
take_envid(struct path_command *p, const char *value)
{
	if (p->envid != NULL || (p->envid = dsn_decode_xtext(value)) == NULL)
		return 501;
	return dsn_is_envid(p->envid) ? 0 : 501;
}

/* addr-type ";" xtext */
static int
take_orcpt(struct path_command *p, const char *value)
{
	if (p->orcpt != NULL || !address_is_orcpt(value))
		return 501;
	p->orcpt = mem_dup(value);
	return 0;
}

static int
take_mail_parameter(struct path_command *p, const char *name, const char *value, bool *body)
{
	if (strcasecmp(name, "SIZE") == 0)
		return value == NULL ? 501 : take_size(p, value);
	if (strcasecmp(name, "BODY") == 0)
		return value == NULL ? 501 : take_body(p, value, body);
	if (strcasecmp(name, "SMTPUTF8") == 0) {
		if (value != NULL || p->utf8)
			return 501;
		p->utf8 = true;
		return 0;
	}
	if (strcasecmp(name, "RET") == 0) {
		if (value == NULL || p->ret != NULL || (p->ret = dsn_ret(value)) == NULL)
			return 501;
		return 0;
	}
	if (strcasecmp(name, "ENVID") == 0)
		return value == NULL ? 501 : take_envid(p, value);
	return 555;
}

static int
take_rcpt_parameter(struct path_command *p, const char *name, const char *value)
{
	if (strcasecmp(name, "NOTIFY") == 0) {
		if (value == NULL || p->notify != 0 || (p->notify = dsn_notify(value)) == 0)
			return 501;
		return 0;
	}
	if (strcasecmp(name, "ORCPT") == 0)
		return value == NULL ? 501 : take_orcpt(p, value);
	return 555;
}

/* All parameters, in a copy that is cut into words. */
static int
take_parameters(struct path_command *p, enum verb verb, char *s, const char **why)
{
	bool body = false;
	int code = 0;

	while (code == 0 && *(s += strspn(s, " \t")) != '\0') {
		char *end = s + strcspn(s, " \t"), *value;

		if (*end != '\0')
			*end++ = '\0';
		value = strchr(s, '=');
		if (value != NULL)
			*value++ = '\0';
		code = verb == VERB_MAIL ? take_mail_parameter(p, s, value, &body) : take_rcpt_parameter(p, s, value);
		s = end;
	}
	if (code == 555)
		*why = "a parameter that is not known here";
	else if (code != 0)
		*why = "a parameter that is malformed, or given twice";
	return code;
}

int
command_path(struct path_command *p, enum verb verb, const char *argument, const char **why)
{
	const char *word = verb == VERB_MAIL ? "FROM" : "TO", *end;
	size_t n = strlen(word);
	char *parameters;
	int code;

	*p = (struct path_command){0};
	*why = "";
	if (strncasecmp(argument, word, n) != 0 || *(argument = skip_blanks(argument + n)) != ':')
		return 501;
	argument = skip_blanks(argument + 1);
	end = path_end(argument);
	if (end == NULL || end == argument || (*end != '\0' && !is_blank(*end)))
		return 501;
	p->path = mem_ndup(argument, (size_t)(end - argument));
	p->null = strcmp(p->path, "<>") == 0;
	if (p->null && verb == VERB_RCPT)
		return 501;
	parameters = mem_dup(end);
	code = take_parameters(p, verb, parameters, why);
	free(parameters);
	return code;
}

void
command_free(struct path_command *p)
{
	free(p->path);
	free(p->envid);
	free(p->orcpt);
	*p = (struct path_command){0};
}

bool
command_chunk(const char *argument, uint64_t *octets, bool *last)
{
	size_t n = strspn(argument, "0123456789");
	const char *rest = skip_blanks(argument + n);

	if (n == 0 || n > 18 || (*rest != '\0' && !is_blank(argument[n])))
		return false;
	*octets = strtoull(argument, NULL, 10);
	n = strcspn(rest, " \t");
	*last = n == 4 && strncasecmp(rest, "LAST", 4) == 0;
	return *skip_blanks(rest + n) == '\0' && (*last || n == 0);
}
