/*
 * Any octets as what a name server answers to the look-up of SRV records. Never is anything read beyond them; what is taken has a host name and a port, is no more
 * than there is room for, and is what a plain reading of the answer finds. Put into order it is the same servers, implicit TLS
 * first, then by priority.
 *
 * The first octet chooses the lots that are drawn.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "must.h"
#include "net/srv.h"

#define ANSWER_MAX	65536
#define HOST_SIZE	sizeof(((struct srv *)NULL)->host)
#define HOST_CHARACTERS	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t seed, drawn;

/* The lot: for seed 0 the lowest always, for 255 the highest, else one of a fixed row. */
static uint32_t
below(uint32_t bound)
{
	must(bound > 0 && bound <= 2 * SRV_MAX * UINT16_MAX + 1, "a lot among some");
	drawn++;
	if (seed == 0 || seed == 255)
		return seed == 0 ? 0 : bound - 1;
	return (seed * 2654435761u + drawn * 40503u) % bound;
}

/* A copy that ends where memory ends: so the C library, which is not instrumented, is caught as well. */
static const unsigned char *
copy_to_edge(const uint8_t *p, size_t n)
{
	static unsigned char *edge;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (edge == NULL) {
		unsigned char *room = mmap(NULL, ANSWER_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		must(room != MAP_FAILED && mprotect(room + ANSWER_MAX, page, PROT_NONE) == 0, "memory with an end");
		edge = room + ANSWER_MAX;
	}
	if (n > 0)
		memcpy(edge - n, p, n);
	return edge - n;
}

static bool
is_host_name(const char *host)
{
	size_t n = strlen(host);

	if (strspn(host, "0123456789.") == n)
		return false;	/* an address */
	return n > 0 && n < HOST_SIZE && strspn(host, HOST_CHARACTERS ".") == n && *host != '-' && *host != '.' && strstr(host, "..") == NULL;
}

/* A plain reading of the answer, on its own. */
struct reading {
	const uint8_t *p;
	size_t n, at;
	bool bad;		/* it is malformed */
	bool odd;		/* it has a name that cannot be told about here: what else than a host name it holds, too many jumps */
	size_t count;		/* servers */
	bool none;		/* it says that there are none */
};

static unsigned
number(struct reading *r)
{
	r->at += 2;
	r->bad = r->bad || r->at > r->n;
	return r->bad ? 0 : (unsigned)r->p[r->at - 2] << 8 | r->p[r->at - 1];
}

/*
 * A name from r->at on, which is moved behind it; host (of HOST_SIZE) gets what it expands to. It may point only to what stands before end
 * (RFC 1035 section 4.1.4: a prior occurrence).
 */
static void
expand(struct reading *r, size_t end, char *host)
{
	size_t at = r->at, behind = 0, len = 0, jumps = 0;

	while (at < end && r->p[at] != 0 && !r->bad && !r->odd) {
		size_t c = r->p[at++];

		if (c >= 0xc0 && at < end) {
			behind = behind == 0 ? at + 1 : behind;
			at = (c & 0x3f) << 8 | r->p[at];
			r->odd = ++jumps > 4;
			continue;
		}
		r->bad = c > 0x3f || at + c > end || len + c + 2 > 255;	/* of octets as they are sent, the last length 0 counted */
		for (; c > 0 && !r->bad; c--, at++) {
			r->odd = r->odd || strchr(HOST_CHARACTERS, r->p[at]) == NULL || r->p[at] == '\0';
			host[len++] = (char)r->p[at];
		}
		host[len++] = '.';
	}
	r->bad = r->bad || at >= end;
	host[len > 0 ? len - 1 : 0] = '\0';
	r->at = behind > 0 ? behind : at + 1;
}

static void
pass_name(struct reading *r)
{
	while (r->at < r->n && r->p[r->at] != 0 && r->p[r->at] < 0xc0) {
		r->bad = r->bad || r->p[r->at] > 0x3f;
		r->at += 1 + (size_t)r->p[r->at];
	}
	r->at += r->at < r->n && r->p[r->at] >= 0xc0 ? 2 : 1;
	r->bad = r->bad || r->at > r->n;
}

static void
record(struct reading *r)
{
	char host[HOST_SIZE];
	unsigned kind, class, port;
	size_t end;

	pass_name(r);
	kind = number(r);
	class = number(r);
	r->at += 4;
	end = number(r);
	end += r->at;
	r->bad = r->bad || end > r->n;
	if (r->bad || kind != 33 || class != 1) {
		r->at = end;
		return;
	}
	r->at += 4;
	port = number(r);
	if (r->bad || r->at >= end) {
		r->bad = true;
		return;
	}
	expand(r, end, host);
	r->bad = r->bad || r->at != end;
	r->none = r->none || (!r->bad && host[0] == '\0');
	r->count += !r->bad && is_host_name(host) && port != 0;
}

static struct reading
read_otherwise(const uint8_t *answer, size_t n)
{
	struct reading r = {.p = answer, .n = n, .at = 4};
	unsigned questions = number(&r), records = number(&r);

	r.at += 4;
	r.bad = r.bad || r.at > n;
	for (; questions > 0 && !r.bad; questions--) {
		pass_name(&r);
		r.at += 4;
		r.bad = r.bad || r.at > n;
	}
	for (; records > 0 && !r.bad && !r.odd && r.count < SRV_MAX; records--)
		record(&r);
	return r;
}

/* One service's answer; from before on it is what srv_parse() has added. */
static void
check_parse(struct srv_list *list, size_t before, int r, bool none, bool implicit, const uint8_t *answer, size_t n)
{
	struct reading otherwise = read_otherwise(answer, n);
	size_t added = list->count - before;

	must(list->count >= before && added <= SRV_MAX && list->count <= 2 * SRV_MAX, "no more than there is room for");
	must(r == 0 || r == -1, "yes or no");
	for (size_t i = before; i < list->count; i++) {
		const struct srv *s = &list->server[i];

		must(memchr(s->host, '\0', sizeof(s->host)) != NULL && is_host_name(s->host) && s->port != 0, "a host name and a port");
		must(s->implicit == implicit, "of this service");
	}
	must(otherwise.odd || r == (otherwise.bad ? -1 : 0), "malformed is malformed");
	must(otherwise.odd || r == -1 || (added == otherwise.count && none == otherwise.none), "each server that is told of");
	if (r == -1)
		list->count = before;	/* as srv_find() does */
}

static bool
same(const struct srv *a, const struct srv *b)
{
	return strcmp(a->host, b->host) == 0 && a->port == b->port && a->implicit == b->implicit && a->priority == b->priority && a->weight == b->weight;
}

static size_t
occurs(const struct srv_list *list, const struct srv *s)
{
	size_t n = 0;

	for (size_t i = 0; i < list->count; i++)
		n += same(&list->server[i], s);
	return n;
}

static void
check_order(struct srv_list *list)
{
	struct srv_list before = *list;

	drawn = 0;
	srv_order(list->server, list->count, below);
	must(drawn == list->count, "a lot for each place");
	for (size_t i = 0; i < before.count; i++)
		must(occurs(list, &before.server[i]) == occurs(&before, &before.server[i]), "the same servers");
	for (size_t i = 1; i < list->count; i++) {
		const struct srv *a = &list->server[i - 1], *b = &list->server[i];

		must(a->implicit || !b->implicit, "implicit TLS first");
		must(a->implicit != b->implicit || a->priority <= b->priority, "then by priority");
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = size - 1, before;
	struct srv_list list = {0};
	unsigned char *copy;
	bool none;
	int r;

	if (size == 0 || n > ANSWER_MAX)
		return 0;
	seed = data[0];
	copy = malloc(n);
	must(copy != NULL || n == 0, "memory");
	if (n > 0)
		memcpy(copy, data + 1, n);
	r = srv_parse(&list, copy, n, true, &none);
	free(copy);
	check_parse(&list, 0, r, none, true, data + 1, n);
	before = list.count;
	r = srv_parse(&list, copy_to_edge(data + 1, n), n, false, &none);
	check_parse(&list, before, r, none, false, data + 1, n);
	check_order(&list);
	return 0;
}
