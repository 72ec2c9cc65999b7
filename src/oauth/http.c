/*
 * One POST and its answer. See http.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include "base64.h"
#include "net/dial.h"
#include "oauth/http.h"

#define LINE_MAX_OCTETS	8192	/* of a header field */
#define FIELDS_MAX	100
#define RETRY_LONG	86400	/* seconds */
#define INTERIM_MAX	5	/* answers of 1xx before the real one */

void
http_form_add(struct buf *form, const char *name, const char *value, size_t n)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	buf_printf(form, "%s%s=", form->len > 0 ? "&" : "", name);
	for (size_t i = 0; i < n; i++)
		if (value[i] != '\0' && strchr(plain, value[i]) != NULL)
			buf_putc(form, value[i]);
		else
			buf_printf(form, "%%%02X", (unsigned char)value[i]);
}

/* ---- the dialogue ---- */

/* A conversation with one server. */
struct http {
	struct stream *stream;
	const char *host;
	struct trace *trace;
	struct outcome *o;
};

static int
lost(struct http *h, const char *doing)
{
	(void)stream_fail(h->stream, STAGE_SECRET, doing, h->o);
	if (h->stream->error == STREAM_TOO_LONG)
		h->o->cause = CAUSE_OAUTH_ANSWER;
	return -1;
}

static int
nonsense(struct http *h, const char *why)
{
	return outcome_set(h->o, EX_PROTOCOL, STAGE_SECRET, CAUSE_OAUTH_ANSWER, why, "the answer of %s cannot be used", h->host);
}

/* "Host: name", as it goes into a request. */
static void
add_host(struct buf *b, const struct url *u, bool always_port)
{
	bool six = strchr(u->host, ':') != NULL;

	buf_printf(b, "%s%s%s", six ? "[" : "", u->host, six ? "]" : "");
	if (always_port || u->port != 443)
		buf_printf(b, ":%u", (unsigned)u->port);
}

struct head {
	int status;
	bool chunked;
	bool has_length;
	size_t length;
	long retry_after;
};

/* "HTTP/1.1 200 OK" */
static bool
take_status(struct head *head, const char *line)
{
	if (strncmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') || line[8] != ' ')
		return false;
	line += 9;
	if (strspn(line, "0123456789") != 3 || (line[3] != ' ' && line[3] != '\0') || line[0] < '1' || line[0] > '5')
		return false;
	head->status = (int)strtol(line, NULL, 10);
	return true;
}

static bool
take_length(struct head *head, const char *value)
{
	size_t n = strspn(value, "0123456789"), length;

	if (n == 0 || n > 9 || value[n] != '\0')
		return false;
	length = (size_t)strtoul(value, NULL, 10);
	if (head->has_length && head->length != length)
		return false;
	head->has_length = true;
	head->length = length;
	return true;
}

/* One field of the header; those that matter. */
static bool
take_field(struct head *head, char *line)
{
	char *colon = strchr(line, ':'), *value, *end;

	if (colon == NULL || colon == line || strcspn(line, " \t") < (size_t)(colon - line))
		return false;
	*colon = '\0';
	value = colon + 1 + strspn(colon + 1, " \t");
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	if (strcasecmp(line, "Content-Length") == 0)
		return take_length(head, value);
	if (strcasecmp(line, "Transfer-Encoding") == 0) {
		if (head->chunked || strcasecmp(value, "chunked") != 0)
			return false;
		head->chunked = true;
	}
	if (strcasecmp(line, "Retry-After") == 0)	/* a date is as good as long */
		head->retry_after = strspn(value, "0123456789") == strlen(value) && strlen(value) > 0 && strlen(value) < 6 ? strtol(value, NULL, 10) : RETRY_LONG;
	return true;
}

/* Status line and header of an answer, those of 1xx passed over. */
static int
read_head(struct http *h, struct head *head)
{
	char line[LINE_MAX_OCTETS], doing[300];
	ptrdiff_t n;

	(void)snprintf(doing, sizeof(doing), "waiting for the answer of %s", h->host);
	for (int answers = 0; answers <= INTERIM_MAX; answers++) {
		*head = (struct head){0};
		if (stream_readline(h->stream, line, sizeof(line)) == -1)
			return lost(h, doing);
		if (!take_status(head, line))
			return nonsense(h, "it is no HTTP");
		trace_note(h->trace, "%s answers %d", h->host, head->status);	/* not its words: they may be ours, said back */
		for (int fields = 0; (n = stream_readline(h->stream, line, sizeof(line))) != 0; fields++) {
			if (n == -1)
				return lost(h, doing);
			if (fields == FIELDS_MAX || !take_field(head, line))
				return nonsense(h, fields == FIELDS_MAX ? "its header has too many fields" : "a field of its header is malformed");
		}
		if (head->status >= 200)
			return head->chunked && head->has_length ? nonsense(h, "it tells its length in two ways") : 0;
		if (head->status == 101)
			return nonsense(h, "it goes over to another protocol");
	}
	return nonsense(h, "it does not come to an end");
}

/* n octets of the body. */
static int
read_octets(struct http *h, struct buf *body, size_t n)
{
	char doing[300];

	if (n > HTTP_BODY_MAX - body->len)
		return nonsense(h, "it is too long");
	while (n > 0) {
		ptrdiff_t r = stream_read(h->stream, buf_room(body, n), n);

		if (r <= 0) {
			(void)snprintf(doing, sizeof(doing), "reading the answer of %s", h->host);
			return r == 0 ? outcome_set(h->o, EX_TEMPFAIL, STAGE_SECRET, CAUSE_LOST, "the connection was closed", "%s", doing) : lost(h, doing);
		}
		body->len += (size_t)r;
		buf_end(body);
		n -= (size_t)r;
	}
	return 0;
}

/* Chunks (RFC 9112 section 7.1); extensions and the trailer are passed over. */
static int
read_chunks(struct http *h, struct buf *body)
{
	char line[LINE_MAX_OCTETS];
	int fields = 0;

	for (;;) {
		size_t digits, n;

		if (stream_readline(h->stream, line, sizeof(line)) == -1)
			return lost(h, "reading a chunk");
		digits = strspn(line, "0123456789abcdefABCDEF");
		if (digits == 0 || digits > 7 || (line[digits] != '\0' && strchr("; \t", line[digits]) == NULL))
			return nonsense(h, "the length of a chunk is malformed");
		n = (size_t)strtoul(line, NULL, 16);
		if (n == 0)
			break;
		if (read_octets(h, body, n) == -1)
			return -1;
		if (stream_readline(h->stream, line, sizeof(line)) == -1)
			return lost(h, "reading a chunk");
		if (line[0] != '\0')
			return nonsense(h, "a chunk is longer than it says");
	}
	do {
		if (stream_readline(h->stream, line, sizeof(line)) == -1)
			return lost(h, "reading the end of the chunks");
	} while (line[0] != '\0' && ++fields < FIELDS_MAX);
	return fields < FIELDS_MAX ? 0 : nonsense(h, "its trailer has too many fields");
}

/* Up to the end of the connection. */
static int
read_rest(struct http *h, struct buf *body)
{
	char block[4096];
	ptrdiff_t r;

	while ((r = stream_read(h->stream, block, sizeof(block))) > 0) {
		if ((size_t)r > HTTP_BODY_MAX - body->len)
			return nonsense(h, "it is too long");
		buf_add(body, block, (size_t)r);
	}
	explicit_bzero(block, sizeof(block));
	return r == 0 ? 0 : lost(h, "reading the answer");
}

static int
read_answer(struct http *h, struct http_reply *r)
{
	struct head head;

	if (read_head(h, &head) == -1)
		return -1;
	r->status = head.status;
	r->retry_after = head.retry_after;
	if (head.status == 204 || head.status == 304)
		return 0;
	(void)buf_room(&r->body, head.has_length && head.length < HTTP_BODY_MAX ? head.length + 1 : 65536);	/* fewer copies of a secret */
	if (head.chunked)
		return read_chunks(h, &r->body);
	return head.has_length ? read_octets(h, &r->body, head.length) : read_rest(h, &r->body);
}

int
http_read(struct http_reply *r, struct stream *s, const char *host, struct trace *t, struct outcome *o)
{
	struct http h = {.stream = s, .host = host, .trace = t, .o = o};

	*r = (struct http_reply){0};
	return read_answer(&h, r);
}

/* The way through the proxy (RFC 9110 section 9.3.6). */
static int
tunnel(struct http *h, const struct http_request *q, const struct url *u)
{
	struct buf b = {0};
	struct head head;
	char why[80];
	int r;

	buf_puts(&b, "CONNECT ");
	add_host(&b, u, true);
	trace_line(h->trace, '>', b.data, b.len);
	buf_puts(&b, " HTTP/1.1\r\nHost: ");
	add_host(&b, u, true);
	buf_puts(&b, "\r\n");
	if (q->proxy_login != NULL) {
		buf_puts(&b, "Proxy-Authorization: Basic ");
		base64_encode(&b, q->proxy_login->data, q->proxy_login->len);
		buf_puts(&b, "\r\n");
	}
	buf_puts(&b, "\r\n");
	if (stream_write(h->stream, b.data, b.len) == 0)
		(void)stream_flush(h->stream);
	buf_wipe(&b);
	r = read_head(h, &head);
	if (r == -1 || head.status / 100 == 2)
		return r == 0 && stream_pending(h->stream) > 0 ? nonsense(h, "it says more than was asked") : r;
	(void)snprintf(why, sizeof(why), "it answers %d", head.status);
	return outcome_set(h->o, head.status / 100 == 5 || head.status == 429 || head.status == 408 ? EX_TEMPFAIL : EX_CONFIG, STAGE_SECRET, CAUSE_OAUTH_PROXY, why, "the proxy %s does not let us through to %s", h->host, u->host);
}

static int
start_tls(struct http *h, const struct http_request *q, const struct url *u)
{
	struct tls_policy policy = {.name = u->host, .ca_file = q->ca_file, .min_version = 12};
	struct tls *tls = tls_new(&policy, h->o);

	if (tls == NULL || stream_start_tls(h->stream, tls, h->o) == -1)
		return -1;
	trace_note(h->trace, "%s with %s, verified", tls_describe(tls), u->host);
	return 0;
}

static int
ask(struct http *h, const struct http_request *q, const struct url *u, struct http_reply *r)
{
	struct buf b = {0};

	trace_note(h->trace, "POST %s, %zu octets", q->url, q->form->len);
	trace_line(h->trace, '>', q->shown->data, q->shown->len);
	buf_printf(&b, "POST %s HTTP/1.1\r\nHost: ", u->path);
	add_host(&b, u, false);
	buf_printf(&b, "\r\nUser-Agent: sendmail-submit\r\nAccept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n"
	    "Connection: close\r\n\r\n", q->form->len);
	if (stream_write(h->stream, b.data, b.len) == 0 && stream_write(h->stream, q->form->data, q->form->len) == 0)
		(void)stream_flush(h->stream);
	buf_free(&b);
	return read_answer(h, r);
}

int
http_post(struct http_reply *r, const struct http_request *q, msec deadline, struct trace *t, struct outcome *o)
{
	struct url u, proxy;
	struct stream stream;
	struct http h = {.stream = &stream, .trace = t, .o = o, .host = u.host};
	struct dialed dialed;
	bool tls_before = t != NULL && t->tls;
	int status = -1;

	*r = (struct http_reply){0};
	if (!url_parse(&u, q->url, false) || (q->proxy != NULL && !url_parse(&proxy, q->proxy, true)))
		return outcome_set(o, EX_CONFIG, STAGE_SECRET, CAUSE_CONFIG_WRONG, "it is no URL that can be used", "cannot use %s", q->url);
	if (t != NULL)
		t->tls = false;
	if (dial(&dialed, q->proxy != NULL ? proxy.host : u.host, q->proxy != NULL ? proxy.port : u.port, 0, NULL, deadline, t, o) == 0) {
		stream_init(&stream, dialed.fd, deadline);
		if (q->proxy != NULL) {
			h.host = proxy.host;
			status = tunnel(&h, q, &u);
			h.host = u.host;
		} else
			status = 0;
		if (status == 0 && t != NULL)
			t->tls = true;
		if (status == 0)
			status = start_tls(&h, q, &u) == 0 ? ask(&h, q, &u, r) : -1;
		stream_forget(&stream);
		stream_close(&stream);
	}
	if (t != NULL)
		t->tls = tls_before;
	return status;
}
