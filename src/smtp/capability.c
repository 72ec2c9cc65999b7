/*
 * What EHLO said. See capability.h.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "smtp/capability.h"

/* Adds the words of an AUTH line, upper case, each between blanks; a list too long for its place loses its end, and with it mechanisms. */
static void
add_mechanisms(struct capability *c, const char *p, size_t n)
{
	size_t len = strlen(c->auth), i = 0;

	while (i < n) {
		size_t word = 0;

		while (i < n && (p[i] == ' ' || p[i] == '\t'))
			i++;
		while (i + word < n && p[i + word] != ' ' && p[i + word] != '\t')
			word++;
		if (word == 0 || len + word + 3 > sizeof(c->auth))
			return;
		if (len == 0)
			c->auth[len++] = ' ';
		for (size_t k = 0; k < word; k++)
			c->auth[len++] = (char)toupper((unsigned char)p[i + k]);
		c->auth[len++] = ' ';
		c->auth[len] = '\0';
		i += word;
	}
}

/* SIZE alone, or SIZE and a limit; what is no number counts as no limit. */
static void
take_size(struct capability *c, const char *p, size_t n)
{
	uint64_t max = 0;

	c->size = true;
	while (n > 0 && *p == ' ') {
		p++;
		n--;
	}
	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)p[i]) || max > UINT64_MAX / 10 - 1)
			return;
		max = max * 10 + (uint64_t)(p[i] - '0');
	}
	c->size_max = max;
}

static void
take_line(struct capability *c, const char *line, size_t len)
{
	static const struct { const char *keyword; size_t flag; } flags[] = {
		{"STARTTLS", offsetof(struct capability, starttls)},
		{"PIPELINING", offsetof(struct capability, pipelining)},
		{"8BITMIME", offsetof(struct capability, eight_bit)},
		{"SMTPUTF8", offsetof(struct capability, utf8)},
		{"DSN", offsetof(struct capability, dsn)},
		{"CHUNKING", offsetof(struct capability, chunking)},
		{"ENHANCEDSTATUSCODES", offsetof(struct capability, enhanced)},
		{"REQUIRETLS", offsetof(struct capability, requiretls)},
	};
	size_t word = 0;

	while (word < len && line[word] != ' ' && line[word] != '=' && line[word] != '\t')
		word++;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strlen(flags[i].keyword) == word && strncasecmp(flags[i].keyword, line, word) == 0)
			*(bool *)((char *)c + flags[i].flag) = true;
	if (word == 4 && strncasecmp(line, "AUTH", 4) == 0 && len > 4)
		add_mechanisms(c, line + 5, len - 5);
	if (word == 4 && strncasecmp(line, "SIZE", 4) == 0)
		take_size(c, line + 4, len - 4);
}

void
capability_parse(struct capability *c, const struct reply *r)
{
	const char *line = strchr(r->text, '\n');

	memset(c, 0, sizeof(*c));
	for (; line != NULL; line = strchr(line, '\n')) {
		line++;
		if (r->cut && strchr(line, '\n') == NULL)
			break;	/* half a keyword, or a number, is another one */
		take_line(c, line, strcspn(line, "\n"));
	}
}

bool
capability_auth(const struct capability *c, const char *mechanism)
{
	size_t n = strlen(mechanism);

	for (const char *p = c->auth; (p = strstr(p, mechanism)) != NULL; p += n)
		if (p > c->auth && p[-1] == ' ' && p[n] == ' ')
			return true;
	return false;
}
