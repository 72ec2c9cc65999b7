/*
 * Extensions: the lists that the options give, the answer to EHLO made of
 * them, and what that answer (which a rule may have changed) really offered.
 */
#include <stdlib.h>
#include <string.h>

#include "smarthost.h"

/* Whether the item at p, n octets, has this keyword. */
static bool
is_keyword(const char *p, size_t n, const char *word)
{
	size_t w = strlen(word);

	return n >= w && strncasecmp(p, word, w) == 0 &&
	    (n == w || p[w] == ' ');
}

bool
list_has(const char *l, const char *word)
{
	size_t n;

	for (; *l != '\0'; l += n + (l[n] == ',')) {
		n = strcspn(l, ",");
		if (is_keyword(l, n, word))
			return true;
	}
	return false;
}

static void
list_add(list l, const char *item, size_t n)
{
	size_t used = strlen(l);

	if (n == 0 || used + n + 2 > LIST_SIZE)
		return;
	if (used > 0)
		l[used++] = ',';
	memcpy(l + used, item, n);
	l[used + n] = '\0';
}

/* Drops what has the keyword with which the item starts. */
static void
list_drop(list l, const char *item, size_t n)
{
	char word[128];
	list old;
	const char *p;
	size_t len;

	snprintf(word, sizeof(word), "%.*s", (int)(n < 100 ? n : 100), item);
	word[strcspn(word, " ")] = '\0';
	strlcpy(old, l, sizeof(old));
	l[0] = '\0';
	for (p = old; *p != '\0'; p += len + (p[len] == ',')) {
		len = strcspn(p, ",");
		if (!is_keyword(p, len, word))
			list_add(l, p, len);
	}
}

void
list_edit(list l, const char *spec)
{
	size_t n;

	if (*spec != '+' && *spec != '-')
		l[0] = '\0';
	for (; *spec != '\0'; spec += n + (spec[n] == ',')) {
		n = strcspn(spec, ",");
		if (*spec == '-')
			list_drop(l, spec + 1, n - 1);
		else if (*spec == '+') {
			list_drop(l, spec + 1, n - 1);
			list_add(l, spec + 1, n - 1);
		} else
			list_add(l, spec, n);
	}
}

/* What is offered in the present state, STARTTLS and AUTH included. */
static void
current_list(const struct conn *c, list l)
{
	const struct options *opt = c->opt;
	const char *mechanisms;
	char line[LIST_SIZE];
	size_t i;

	strlcpy(l, c->authenticated ? opt->ext_auth : c->ssl != NULL ?
	    opt->ext_tls : opt->ext_clear, LIST_SIZE);
	if (c->tls == TLS_STARTTLS && c->ssl == NULL && !opt->hide_starttls)
		list_add(l, "STARTTLS", 8);
	mechanisms = c->ssl == NULL && c->tls != TLS_NONE ? opt->auth_clear :
	    opt->auth;
	if (*mechanisms == '\0')
		return;
	snprintf(line, sizeof(line), "AUTH %.*s", LIST_SIZE / 2, mechanisms);
	for (i = 0; line[i] != '\0'; i++) {
		if (line[i] == ',')
			line[i] = ' ';
	}
	list_add(l, line, strlen(line));
}

void
offer_text(const struct conn *c, char *buf, size_t size)
{
	const char *p;
	list l;
	size_t n, used;

	current_list(c, l);
	used = (size_t)snprintf(buf, size, "250%c%s\r\n",
	    l[0] != '\0' ? '-' : ' ', c->opt->name);
	for (p = l; *p != '\0' && used < size; p += n + (p[n] == ',')) {
		n = strcspn(p, ",");
		used += (size_t)snprintf(buf + used, size - used,
		    "250%c%.*s\r\n", p[n] == ',' ? '-' : ' ', (int)n, p);
	}
}

static void
note_mechanisms(struct offer *o, const char *p, size_t n)
{
	size_t len;

	while (n > 0) {
		for (len = 0; len < n && p[len] != ' '; len++)
			continue;
		list_add(o->mechanisms, p, len);
		len += len < n;
		p += len;
		n -= len;
	}
}

static void
note_item(struct offer *o, const char *p, size_t n)
{
	list_add(o->keywords, p, n);
	if (is_keyword(p, n, "SIZE") && n > 5)
		o->size = strtoull(p + 5, NULL, 10);
	else if (n > 5 && (is_keyword(p, n, "AUTH") ||
	    strncasecmp(p, "AUTH=", 5) == 0)) {
		note_mechanisms(o, p + 5, n - 5);
		list_add(o->keywords, "AUTH", 4);
	}
}

void
offer_note(struct offer *o, const char *text, size_t len)
{
	const char *end;
	bool first = true;
	size_t n;

	memset(o, 0, sizeof(*o));
	while (text != NULL && len > 0 &&
	    (end = memchr(text, '\n', len)) != NULL) {
		n = (size_t)(end - text);
		if (n > 4 && !first)
			note_item(o, text + 4, n - 4 - (end[-1] == '\r'));
		first = false;
		text += n + 1;
		len -= n + 1;
	}
}

bool
offered(const struct conn *c, const char *keyword)
{
	return list_has(c->offer.keywords, keyword);
}

bool
mechanism_offered(const struct conn *c, const char *mechanism)
{
	return list_has(c->offer.mechanisms, mechanism);
}
