/*
 * Any octets as all that a token endpoint answers, in clear. Whatever it is, it is read within its bounds, and comes to a token that can stand in a line or to a failure with words.
 */
#include <sys/socket.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include "loopback.h"
#include "mem.h"
#include "oauth/grant.h"
#include "oauth/http.h"

#define SIZE_MAX_OCTETS	100000	/* what a socket takes at once */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
judge(const struct http_reply *r)
{
	struct oauth oauth = {.grant = OAUTH_REFRESH};
	struct grant g = {0};
	struct smarthost h = {.host = (char *)"smtp.example.com", .oauth = &oauth};
	struct outcome o = {0};
	struct token t;
	char error[64];

	g.host = &h;
	buf_puts(&g.hidden[g.hides++], "s3cret");
	if (grant_answer(&t, r, &g, error, &o) == 0) {
		must(r->status == 200 && t.access.len > 0 && t.lifetime >= 0 && t.lifetime <= 86400, "a token");
		for (size_t i = 0; i < t.access.len; i++)
			must(t.access.data[i] > ' ' && t.access.data[i] <= '~', "of octets that a token has");
		must(strlen(t.access.data) == t.access.len, "all of it");
	} else
		must(o.status != 0 && o.what[0] != '\0' && o.why[0] != '\0' && strlen(error) < sizeof(error), "a failure has words");
	token_free(&t);
	grant_free(&g);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_reply r;
	struct outcome o = {0};
	struct stream s;
	int pair[2], room = 2 * SIZE_MAX_OCTETS;

	if (size > SIZE_MAX_OCTETS)
		return 0;
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "a pair of sockets");
	(void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	(void)fcntl(pair[1], F_SETFL, O_NONBLOCK);
	(void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
	if (send(pair[1], data, size, MSG_NOSIGNAL) == (ssize_t)size || size == 0) {
		(void)shutdown(pair[1], SHUT_WR);
		stream_init(&s, pair[0], clock_now() + 10000);
		if (http_read(&r, &s, "login.example.com", NULL, &o) == 0) {
			must(r.status >= 200 && r.status <= 599 && r.body.len <= HTTP_BODY_MAX && r.retry_after >= 0, "within its bounds");
			judge(&r);
		} else
			must(o.status != 0 && o.what[0] != '\0' && o.why[0] != '\0', "a failure has words");
		buf_wipe(&r.body);
		stream_close(&s);
	} else
		(void)close(pair[0]);
	(void)close(pair[1]);
	return 0;
}
