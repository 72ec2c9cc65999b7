/*
 * URLs as the configuration may have them (RFC 3986): of a token endpoint, of a proxy.
 */
#ifndef URL_H
#define URL_H

#include <stdbool.h>
#include <stdint.h>

/* A URL in its parts. */
struct url {
	char host[256];		/* name or numeric address, without brackets */
	uint16_t port;
	char path[1024];	/* with its query; "/" at least */
};

/* Takes "https://host[:port][/path]", or with proxy "http://host[:port]": no user, no fragment, printable ASCII. False: it is none. */
bool url_parse(struct url *u, const char *text, bool proxy);

#endif
