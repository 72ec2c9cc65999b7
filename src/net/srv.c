/*
 * SRV records. See srv.h.
 *
 * The system's resolver asks, aside (aside.h), since it cannot be interrupted; what it brings is not trusted.
 */
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include "aside.h"
#include "config_text.h"
#include "mem.h"
#include "net/srv.h"

#define ANSWER_MAX	65536	/* octets; more do not fit into a DNS message */

/* A DNS message as it is read. */
struct message {
	const unsigned char *start, *end;
	const unsigned char *p;
};

/* The next number of 16 bits; 0 and p at NULL where there is none. */
static unsigned
take_number(struct message *m)
{
	unsigned n;

	if (m->p == NULL || m->end - m->p < 2) {
		m->p = NULL;
		return 0;
	}
	n = (unsigned)m->p[0] << 8 | m->p[1];
	m->p += 2;
	return n;
}

static void
skip(struct message *m, size_t n)
{
	m->p = m->p != NULL && (size_t)(m->end - m->p) >= n ? m->p + n : NULL;
}

static void
skip_name(struct message *m)
{
	int n = m->p != NULL && m->p < m->end ? dn_skipname(m->p, m->end) : -1;

	m->p = n < 0 ? NULL : m->p + n;
}

/* What stands in an SRV record of n octets (RFC 2782). */
static void
take_record(struct message *m, size_t n, struct srv *s)
{
	const unsigned char *end = m->p + n;

	s->priority = (uint16_t)take_number(m);
	s->weight = (uint16_t)take_number(m);
	s->port = (uint16_t)take_number(m);
	if (m->p == NULL || m->p >= end || dn_expand(m->start, end, m->p, s->host, sizeof(s->host)) != end - m->p)
		m->p = NULL;
	else
		m->p = end;
}

/* A target is a host's name, never an address. */
static bool
is_name(const char *s)
{
	return config_is_host(s) && strchr(s, ':') == NULL && strspn(s, "0123456789.") < strlen(s);
}

int
srv_parse(struct srv_list *list, const unsigned char *answer, size_t n, bool implicit, bool *none)
{
	struct message m = {.start = answer, .end = answer + n, .p = answer};
	unsigned questions, records;
	size_t found = 0;

	*none = false;
	skip(&m, 4);
	questions = take_number(&m);
	records = take_number(&m);
	skip(&m, 4);
	for (; m.p != NULL && questions > 0; questions--) {
		skip_name(&m);
		skip(&m, 4);
	}
	for (; m.p != NULL && records > 0 && found < SRV_MAX; records--) {
		struct srv s = {.implicit = implicit};
		unsigned type, class;
		size_t len;

		skip_name(&m);
		type = take_number(&m);
		class = take_number(&m);
		skip(&m, 4);
		len = take_number(&m);
		if (m.p == NULL || (size_t)(m.end - m.p) < len)
			return -1;
		if (type != ns_t_srv || class != ns_c_in) {	/* a CNAME on the way, for one */
			skip(&m, len);
			continue;
		}
		take_record(&m, len, &s);
		if (m.p != NULL && s.host[0] == '\0')
			*none = true;
		else if (m.p != NULL && is_name(s.host) && s.port != 0) {
			list->server[list->count++] = s;
			found++;
		}
	}
	return m.p == NULL ? -1 : 0;
}

/* Moves one of the first same servers to the front, by lot: whoever has twice the weight is taken twice as often (RFC 2782, "Weight"). */
static void
draw(struct srv *server, size_t same, uint32_t (*below)(uint32_t))
{
	uint32_t sum = 0, lot, chosen = 0;
	struct srv s;

	for (size_t i = 0; i < same; i++)
		sum += server[i].weight;
	lot = below(sum + 1);
	for (sum = server[0].weight; sum < lot; sum += server[chosen].weight)
		chosen++;
	s = server[chosen];
	memmove(server + 1, server, chosen * sizeof(*server));
	server[0] = s;
}

/* By priority; those without weight first, as the lot wants it. */
static int
compare(const void *a, const void *b)
{
	const struct srv *x = a, *y = b;

	if (x->implicit != y->implicit)
		return x->implicit ? -1 : 1;
	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return x->weight == y->weight ? strcmp(x->host, y->host) : x->weight < y->weight ? -1 : 1;
}

void
srv_order(struct srv *server, size_t count, uint32_t (*below)(uint32_t))
{
	qsort(server, count, sizeof(*server), compare);
	for (size_t i = 0; i < count; i++) {
		size_t same = 1;

		while (i + same < count && server[i + same].priority == server[i].priority && server[i + same].implicit == server[i].implicit)
			same++;
		draw(server + i, same, below);
	}
}

/* ---- the look-up ---- */

struct query {
	int error;		/* h_errno of the resolver; 0: there is an answer */
	int n;			/* octets of it */
	unsigned char answer[ANSWER_MAX];
	char name[];
};

/* From a thread: glibc wants a state for that. musl has none, and keeps nothing between two look-ups. */
static void
ask(void *arg)
{
	struct query *q = arg;
#ifdef __GLIBC__
	struct __res_state state;

	memset(&state, 0, sizeof(state));
	q->error = NO_RECOVERY;
	if (res_ninit(&state) != 0)
		return;
	q->n = res_nquery(&state, q->name, ns_c_in, ns_t_srv, q->answer, sizeof(q->answer));
	q->error = q->n >= 0 ? 0 : state.res_h_errno;
	res_nclose(&state);
#else
	h_errno = TRY_AGAIN;
	q->n = res_query(q->name, ns_c_in, ns_t_srv, q->answer, sizeof(q->answer));
	q->error = q->n >= 0 ? 0 : h_errno;
#endif
	if (q->n > (int)sizeof(q->answer))
		q->n = sizeof(q->answer);
}

/* One service. What is wrong, in words, or NULL: then what there is has been added. *none: the domain says that there is nothing. */
static const char *
find(struct srv_list *list, const char *service, const char *domain, bool implicit, msec deadline, struct trace *t, bool *none)
{
	size_t room = strlen(service) + strlen(domain) + 16;
	struct query *q = mem_alloc(sizeof(*q) + room);
	size_t before = list->count;
	const char *why = NULL;
	int r;

	(void)snprintf(q->name, room, "%s._tcp.%s", service, domain);
	trace_note(t, "looking for %s", q->name);
	*none = false;
	r = aside_run(ask, free, q, deadline);
	if (r == 0)
		return "no answer before the deadline";
	if (r == -1)
		why = "there is no thread to look it up";
	else if (q->error != 0 && q->error != HOST_NOT_FOUND && q->error != NO_DATA)
		why = hstrerror(q->error);
	else if (q->error == 0 && srv_parse(list, q->answer, (size_t)q->n, implicit, none) == -1)
		why = "the name server's answer is malformed";
	free(q);
	if (why != NULL)
		list->count = before;
	return why;
}

int
srv_find(struct srv_list *list, const char *domain, bool implicit, bool starttls, msec deadline, struct trace *t, struct outcome *o)
{
	const char *why = NULL, *other = NULL;
	bool none = false, other_none = false;

	*list = (struct srv_list){0};
	if (implicit)
		why = find(list, "_submissions", domain, true, deadline, t, &none);
	if (starttls)
		other = find(list, "_submission", domain, false, deadline, t, &other_none);
	srv_order(list->server, list->count, arc4random_uniform);
	for (size_t i = 0; i < list->count; i++)
		trace_note(t, "%s port %u, %s", list->server[i].host, (unsigned)list->server[i].port, list->server[i].implicit ? "implicit TLS" : "STARTTLS");
	if (list->count > 0)
		return 0;
	if (why == NULL)
		why = other;
	if (why != NULL)
		return outcome_set(o, EX_TEMPFAIL, STAGE_LOOKUP, CAUSE_LOOKUP, why, "cannot look up the SRV records of %s", domain);
	return outcome_set(o, EX_NOHOST, STAGE_LOOKUP, CAUSE_NO_SRV, none || other_none ? "the domain says that it has no submission server" :
	    "there is no _submissions._tcp or _submission._tcp record", "cannot find the submission servers of %s", domain);
}
