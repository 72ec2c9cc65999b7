/*
 * Mailboxes into RFC 5321 paths: the second half of address.h. Sections 4.1.2 (paths), 4.1.3 (address literals) and 4.5.3.1 (lengths)
 * of RFC 5321, section 3.3 of RFC 6531 (UTF-8); phrases are RFC 5322 section 3.2.5.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "dsn.h"
#include "mail/address.h"
#include "mail/encode.h"
#include "mem.h"

static bool
is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

/* RFC 5322 section 3.2.3, atext, and any octet above 127. */
static bool
is_atext(char c)
{
	return !is_control(c) && strchr(" ()<>[]:;@\\,.\"", c) == NULL;
}

/* RFC 5321 section 4.1.2, Dot-string. */
static bool
is_dot_string(const char *s)
{
	bool atom = false;

	for (; *s != '\0'; s++) {
		if (*s != '.' && !is_atext(*s))
			return false;
		if (*s == '.' && !atom)
			return false;
		atom = *s != '.';
	}
	return atom;
}

static void
add_quoted(struct buf *b, const char *s)
{
	buf_putc(b, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			buf_putc(b, '\\');
		buf_putc(b, is_control(*s) ? ' ' : *s);
	}
	buf_putc(b, '"');
}

/* Octets of the local part as it goes out, in quotes where it has to be. */
static size_t
local_length(const char *local)
{
	size_t n = strlen(local);

	if (is_dot_string(local))
		return n;
	for (const char *s = local; *s != '\0'; s++)
		if (*s == '"' || *s == '\\')
			n++;
	return n + 2;
}

/* RFC 5321 section 4.1.3; only the two kinds of literal that are defined. */
static bool
is_literal(const char *domain)
{
	unsigned char address[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN + 8];
	size_t n = strlen(domain);

	if (n < 3 || n - 2 >= sizeof(text) || domain[n - 1] != ']')
		return false;
	memcpy(text, domain + 1, n - 2);
	text[n - 2] = '\0';
	if (strncasecmp(text, "IPv6:", 5) == 0)
		return inet_pton(AF_INET6, text + 5, address) == 1;
	return inet_pton(AF_INET, text, address) == 1;
}

static bool
is_label_octet(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
	    (unsigned char)c > 127;
}

static const char *
check_domain(const char *domain)
{
	size_t length = 0;

	if (*domain == '\0')
		return "no domain";
	if (strlen(domain) > ADDRESS_DOMAIN_MAX)
		return "the domain is longer than 255 octets";
	if (*domain == '[')
		return is_literal(domain) ? NULL : "malformed domain literal";
	for (const char *s = domain; *s != '\0'; s++) {
		if (*s == '.' && length == 0)
			return "empty label in the domain";
		if (*s != '.' && !is_label_octet(*s))
			return is_control(*s) ? "control character" : "character in the domain that no domain has";
		length = *s == '.' ? 0 : length + 1;
		if (length > 63)
			return "label of the domain longer than 63 octets";
	}
	if (length == 0)
		return "empty label in the domain";
	return encode_is_utf8(domain, strlen(domain)) ? NULL : "not valid UTF-8";
}

const char *
address_check(const char *local, const char *domain)
{
	size_t length = local_length(local);

	if (*local == '\0')
		return "no local part";
	for (const char *s = local; *s != '\0'; s++)
		if (is_control(*s))
			return "control character";
	if (!encode_is_utf8(local, strlen(local)))
		return "not valid UTF-8";
	if (length > ADDRESS_LOCAL_MAX)
		return "the local part is longer than 64 octets";
	if (length + strlen(domain) + 3 > ADDRESS_PATH_MAX && strlen(domain) <= ADDRESS_DOMAIN_MAX)
		return "the address is longer than 254 octets";
	return check_domain(domain);
}

char *
address_path(const char *local, const char *domain)
{
	struct buf b = {0};

	if (is_dot_string(local))
		buf_puts(&b, local);
	else
		add_quoted(&b, local);
	buf_putc(&b, '@');
	buf_puts(&b, domain);
	return b.data;
}

bool
address_same(const char *path_a, const char *path_b)
{
	const char *a = strrchr(path_a, '@'), *b = strrchr(path_b, '@');

	if (a == NULL || b == NULL)
		return strcmp(path_a, path_b) == 0;
	return a - path_a == b - path_b && memcmp(path_a, path_b, (size_t)(a - path_a)) == 0 && strcasecmp(a, b) == 0;
}

bool
address_is_utf8(const char *path)
{
	for (; *path != '\0'; path++)
		if ((unsigned char)*path > 127)
			return true;
	return false;
}

char *
address_phrase(const char *name)
{
	struct buf b = {0};
	bool atom = false;
	const char *s;

	for (s = name; *s != '\0' && (is_atext(*s) || (*s == ' ' && atom)); s++)
		atom = *s != ' ';
	if (*s == '\0' && atom)
		buf_puts(&b, name);
	else
		add_quoted(&b, name);
	return b.data;
}

bool
address_is_local(const char *domain, const char *host)
{
	return domain == NULL || strcasecmp(domain, "localhost") == 0 || strcasecmp(domain, "localhost.localdomain") == 0 ||
	    (host != NULL && strcasecmp(domain, host) == 0);
}

bool
address_is_bare(const char *domain, const char *host)
{
	return address_is_local(domain, host) && (domain == NULL || strchr(domain, '.') == NULL || strcasecmp(domain, "localhost.localdomain") == 0);
}

bool
address_is_orcpt(const char *text)
{
	size_t type = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-");
	char *decoded;

	if (type == 0 || text[type] != ';' || text[type + 1] == '\0' || strlen(text) > 500)
		return false;
	if (strncasecmp(text, "utf-8;", 6) == 0 && address_is_utf8(text)) {
		for (const char *s = text + type + 1; *s != '\0'; s++)
			if ((unsigned char)*s <= ' ' || strchr("+=\177", *s) != NULL)
				return false;
		return encode_is_utf8(text, strlen(text));
	}
	decoded = dsn_decode_xtext(text + type + 1);
	free(decoded);
	return decoded != NULL;
}
