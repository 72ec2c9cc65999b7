/*
 * URLs as the configuration may have them. See url.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "url.h"

static bool
take_port(struct url *u, const char *s, size_t n)
{
	char digits[6];

	if (n == 0 || n > 5 || strspn(s, "0123456789") < n || *s == '0')
		return false;
	(void)snprintf(digits, sizeof(digits), "%.*s", (int)n, s);
	if (strtol(digits, NULL, 10) > 65535)
		return false;
	u->port = (uint16_t)strtol(digits, NULL, 10);
	return true;
}

bool
url_parse(struct url *u, const char *text, bool proxy)
{
	const char *scheme = proxy ? "http://" : "https://", *host, *end, *colon;
	size_t n;

	*u = (struct url){.port = proxy ? 3128 : 443};
	for (const char *p = text; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~' || *p == '#' || *p == '"' || *p == '<' || *p == '>' || *p == '\\')
			return false;
	if (strncasecmp(text, scheme, strlen(scheme)) != 0)
		return false;
	host = text + strlen(scheme);
	n = strcspn(host, "/?");
	end = host + n;
	if (memchr(host, '@', n) != NULL || strlcpy(u->path, *end == '/' ? end : "/", sizeof(u->path)) >= sizeof(u->path) || *end == '?')
		return false;
	if (*host == '[') {
		colon = memchr(host, ']', n);
		if (colon == NULL)
			return false;
		host++;
		n = (size_t)(colon - host);
		colon++;
	} else {
		colon = memchr(host, ':', n);
		n = colon != NULL ? (size_t)(colon - host) : n;
		colon = colon != NULL ? colon : end;
	}
	if (n == 0 || n >= sizeof(u->host))
		return false;
	(void)snprintf(u->host, sizeof(u->host), "%.*s", (int)n, host);
	if (strspn(u->host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:") != n)
		return false;
	return colon == end || (*colon == ':' && take_port(u, colon + 1, (size_t)(end - colon) - 1));
}
