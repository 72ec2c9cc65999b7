/*
 * The submission servers that a domain names in DNS: SRV records (RFC 2782, RFC 6186 section 3.4, RFC 8314 section 5.1).
 */
#ifndef NET_SRV_H
#define NET_SRV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "clock.h"
#include "outcome.h"
#include "trace.h"

#define SRV_MAX	16	/* records of a service that are looked at */

struct srv {
	char host[256];		/* without the dot at its end */
	uint16_t port;
	bool implicit;		/* TLS at once (_submissions), else STARTTLS (_submission) */
	uint16_t priority, weight;
};

struct srv_list {
	struct srv server[2 * SRV_MAX];
	size_t count;
};

/*
 * Looks up _submissions._tcp and, or, _submission._tcp of the domain before the deadline. list: in the order to be tried, implicit TLS first, then by
 * priority, by lot among equals by their weights. -1: o: 68 the domain has none, or says by "." that it has no such service; 75 the look-up failed for now.
 */
int srv_find(struct srv_list *list, const char *domain, bool implicit, bool starttls, msec deadline, struct trace *t, struct outcome *o);

/*
 * Parses the answer of a name server, n octets of whatever came, and appends its SRV records, up to SRV_MAX of them. Those whose target is no host name are left out. -1: it is no answer. *none: it has
 * the record that says there is no such service. Exposed for tests and fuzzing.
 */
int srv_parse(struct srv_list *list, const unsigned char *answer, size_t n, bool implicit, bool *none);

/* Puts count servers into their order; below gives a random number below its argument. Exposed for tests. */
void srv_order(struct srv *server, size_t count, uint32_t (*below)(uint32_t));

#endif
