/*
 * What EHLO said (RFC 5321 section 4.1.1.1): the extensions that this program uses.
 */
#ifndef SMTP_CAPABILITY_H
#define SMTP_CAPABILITY_H

#include <stdbool.h>
#include <stdint.h>
#include "smtp/reply.h"

struct capability {
	bool starttls;		/* RFC 3207 */
	bool pipelining;	/* RFC 2920 */
	bool eight_bit;		/* 8BITMIME, RFC 6152 */
	bool utf8;		/* SMTPUTF8, RFC 6531 */
	bool dsn;		/* RFC 3461 */
	bool chunking;		/* RFC 3030 */
	bool enhanced;		/* ENHANCEDSTATUSCODES, RFC 2034 */
	bool requiretls;	/* RFC 8689 */
	bool size;		/* SIZE, RFC 1870 */
	uint64_t size_max;	/* its limit, 0: none told */
	char auth[4096];	/* mechanisms, upper case, each between blanks: " PLAIN LOGIN "; "" where AUTH is not offered */
};

/* Parses the reply to EHLO; keywords in any case, "AUTH=LOGIN" as well as "AUTH LOGIN". */
void capability_parse(struct capability *c, const struct reply *r);

/* True where the mechanism (upper case) is offered. */
bool capability_auth(const struct capability *c, const char *mechanism);

#endif
