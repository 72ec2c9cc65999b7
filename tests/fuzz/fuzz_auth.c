/*
 * Any octets as all that a smarthost says while it is signed in to. Whatever they are: it comes to an end; who is signed in was told 235, and by SCRAM has heard a
 * proof; another mechanism is tried only where the one before was unknown or unfit; and the secret, or what was sent of it, stands nowhere that a person looks.
 *
 * The first octet chooses the mechanism and its data; each reply is said in its turn. Our nonces are always the same, so that an
 * input can be right.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <openssl/rand.h>
#include <unistd.h>
#include "must.h"
#include "iterations.h"
#include "base64.h"
#include "mem.h"
#include "smtp/auth.h"
#include "smtp/reply.h"
#include "smtp/scram.h"

enum { MECHANISM = 15, AUTHORIZATION_ID = 16, LONG_SECRET = 32, ODD_USER = 64, PASSWORD_ONLY = 128 };

#define LINE_TEXT	16	/* where the text of a line of the trace begins */
#define PREFIX		8	/* octets of a response that must not be seen again */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const mechanisms[] = {
	NULL, "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER", "EXTERNAL",
};

#define MECHANISMS	(sizeof(mechanisms) / sizeof(mechanisms[0]))

/* The smarthost's end of the connection. */
struct peer {
	int fd;
	const char *p, *end;	/* what it says */
	struct buf said;	/* to it */
};

/* One sign-in, and all that came of it. */
struct attempt {
	struct smarthost host;
	const char *secret;	/* that is used by all mechanisms but EXTERNAL */
	char mechanism[32];
	struct outcome o;
	int r;
	struct peer peer;
	struct buf trace;
};

/* Instead of OpenSSL's: nothing is left to chance here. */
int
RAND_bytes(unsigned char *p, int n)
{
	memset(p, 0, (size_t)n);
	return 1;
}

/* ---- the smarthost ---- */

/* A line of at most REPLY_LINE_MAX octets and CRLF, without its end; NULL: there is none. *p is moved behind it. */
static const char *
next_line(const char **p, const char *end, size_t *n)
{
	const char *line = *p, *lf = memchr(line, '\n', (size_t)(end - line));

	if (lf == NULL || lf - line > REPLY_LINE_MAX + 1)
		return NULL;
	*p = lf + 1;
	*n = (size_t)(lf - line) - (lf > line && lf[-1] == '\r');
	return line;
}

/* The code of the next reply; 0: there is none that is whole and right. */
static int
next_code(const char **p, const char *end)
{
	int code = 0;
	size_t n;

	for (size_t lines = 0; lines < REPLY_LINES_MAX; lines++) {
		const char *line = next_line(p, end, &n);
		int its;

		if (line == NULL || n < 3 || line[0] < '2' || line[0] > '5' || !isdigit((unsigned char)line[1]) || !isdigit((unsigned char)line[2]) ||
		    (n > 3 && line[3] != ' ' && line[3] != '-'))
			return 0;
		its = 100 * (line[0] - '0') + 10 * (line[1] - '0') + line[2] - '0';
		if (code != 0 && its != code)
			return 0;
		code = its;
		if (n == 3 || line[3] == ' ')
			return code;
	}
	return 0;
}

/* The next reply, or all that is left where there is none; that is the end then. */
static void
answer(struct peer *peer)
{
	const char *from = peer->p;
	bool last = next_code(&peer->p, peer->end) == 0;

	if (last)
		peer->p = peer->end;
	(void)send(peer->fd, from, (size_t)(peer->p - from), MSG_NOSIGNAL);	/* who has heard enough may be gone */
	if (last)
		(void)shutdown(peer->fd, SHUT_WR);
}

static void *
converse(void *arg)
{
	struct peer *peer = arg;
	ssize_t n;

	buf_puts(&peer->said, "");
	for (;;) {
		char *to = buf_room(&peer->said, 4096);

		n = recv(peer->fd, to, 4096, 0);
		if (n == -1 && errno == EINTR)
			continue;	/* the fuzzer's own timer */
		if (n <= 0)
			break;
		peer->said.len += (size_t)n;
		buf_end(&peer->said);
		if (to[n - 1] == '\n')
			answer(peer);
	}
	return NULL;
}

/* True where a challenge asks for more iterations than there is time for. */
static bool
would_take_long(const char *p, size_t size)
{
	const char *end = p + size, *line;
	bool is = false;
	size_t n;

	while (!is && (line = next_line(&p, end, &n)) != NULL) {
		struct buf challenge = {0};

		is = n > 4 && base64_decode(&challenge, line + 4, n - 4) == 0 && too_many_iterations(challenge.data, challenge.len);
		buf_free(&challenge);
	}
	return is;
}

/* ---- the sign-in ---- */

static void
set_up(struct attempt *a, uint8_t how)
{
	static char host[] = "smtp.example.com", user[] = "app@example.com", odd[] = "a=b,c@example.com", id[] = "boss@example.com", certificate[] = "unused";
	static char secret[] = "s3cret word", long_secret[381], mechanism[32];
	const char *one = mechanisms[(how & MECHANISM) % MECHANISMS];

	for (size_t i = 0; i < sizeof(long_secret) - 1; i++)
		long_secret[i] = (char)('a' + i % 26);
	a->secret = (how & LONG_SECRET) != 0 ? long_secret : secret;
	a->host = (struct smarthost){.host = host, .port = 587, .user = (how & ODD_USER) != 0 ? odd : user};
	a->host.password = (struct secret_source){.kind = SECRET_TEXT, .value = (how & LONG_SECRET) != 0 ? long_secret : secret};
	a->host.token = a->host.password;
	a->host.authorization_id = (how & AUTHORIZATION_ID) != 0 ? id : NULL;
	if (one != NULL) {
		(void)strlcpy(mechanism, one, sizeof(mechanism));
		a->host.auth = mechanism;
		a->host.tls_certificate = strcmp(one, "EXTERNAL") == 0 ? certificate : NULL;
	}
}

static void
sign_in(struct attempt *a, uint8_t how, const uint8_t *p, size_t n)
{
	static int fd = -1;
	struct capability cap = {.auth = " PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-1-PLUS SCRAM-SHA-256 XOAUTH2 OAUTHBEARER EXTERNAL "};
	struct stream s;
	struct trace trace;
	pthread_t thread;
	ssize_t len;
	int pair[2];

	if ((how & PASSWORD_ONLY) != 0)
		(void)strlcpy(cap.auth, " CRAM-MD5 LOGIN PLAIN ", sizeof(cap.auth));
	if (fd == -1)
		fd = memfd_create("trace", MFD_CLOEXEC);
	must(fd != -1 && ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0, "a file for the trace");
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 && fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0, "a connection");
	a->peer = (struct peer){.fd = pair[1], .p = (const char *)p, .end = (const char *)p + n};
	must(pthread_create(&thread, NULL, converse, &a->peer) == 0, "a thread");
	stream_init(&s, pair[0], clock_now() + 10000);
	trace_init(&trace, fd, NULL);
	a->r = auth_sign_in(&s, &a->host, &cap, &trace, a->mechanism, &a->o);
	stream_close(&s);
	must(pthread_join(thread, NULL) == 0, "an end");
	(void)close(pair[1]);
	len = lseek(fd, 0, SEEK_END);
	must(len >= 0 && pread(fd, buf_room(&a->trace, (size_t)len), (size_t)len, 0) == len, "a trace");
	a->trace.len = (size_t)len;
	buf_end(&a->trace);
}

/* ---- what has to be ---- */

/* The next line of the trace, which must be of this direction. */
static const char *
next_traced(char **trace, const char *direction)
{
	char *line = strsep(trace, "\n");

	must(line != NULL && strlen(line) >= LINE_TEXT + 3 && strncmp(line + LINE_TEXT, direction, 3) == 0, "a line of the trace for each that was said");
	return line + LINE_TEXT + 3;
}

/* One command or response, without its CRLF, and how the trace has it. *response: what was sent last that must not be seen again, or NULL. */
static void
check_line(const struct attempt *a, const char *line, const char *shown, int before, const char **response)
{
	bool is_auth = strncmp(line, "AUTH ", 5) == 0;
	size_t name = is_auth ? 5 + strcspn(line + 5, " ") : 0;
	bool argument = is_auth ? line[name] != '\0' : strcmp(line, "") != 0 && strcmp(line, "*") != 0 && strcmp(line, "AQ==") != 0;

	for (const char *p = line; *p != '\0'; p++)
		must(*p >= ' ' && *p <= '~', "printable ASCII");
	must(is_auth ? before == 0 || before == 504 || before == 432 : before == 334, "what is said in its turn");
	must(!is_auth || strlen(line) <= 510, "a command line of 512 octets at the most");
	must(!is_auth || a->host.auth == NULL || (strncmp(line + 5, a->host.auth, name - 5) == 0 && name - 5 == strlen(a->host.auth)), "no other mechanism");
	must(strncmp(shown, line, name) == 0 && strcmp(shown + name, argument ? is_auth ? " ***" : "***" : line + name) == 0, "masked in the trace");
	if (is_auth)
		*response = argument && strlen(line + name + 1) >= PREFIX ? line + name + 1 : NULL;
	else if (strlen(line) >= PREFIX)
		*response = line;
}

static bool
holds(const char *text, const char *response)
{
	return response != NULL && memmem(text, strlen(text), response, PREFIX) != NULL;
}

/* Both sides, line by line; the last line that we said into *last. The code that it was answered with. */
static int
check_dialogue(const struct attempt *a, const char *p, size_t n, const char **last)
{
	const char *end = p + n, *response = NULL;
	char *said = a->peer.said.data, *trace = a->trace.data, *crlf;
	int code = 0;

	for (; *said != '\0'; said = crlf + 2) {
		crlf = strstr(said, "\r\n");
		must(crlf != NULL && (code != 0 || *last == NULL), "whole lines, and none after nonsense");
		*crlf = '\0';
		check_line(a, said, next_traced(&trace, "C: "), code, &response);
		code = next_code(&p, end);
		if (code != 0)
			must(!holds(next_traced(&trace, "S: "), response), "what was sent is not shown when it is said back");
		*last = said;
	}
	must(trace != NULL && *trace == '\0', "no more in the trace than was said");
	must(a->r == 0 || (!holds(a->o.why, response) && !holds(a->o.what, response)), "nor is it told");
	return code;
}

static void
check(struct attempt *a, const char *p, size_t n)
{
	const char *last = NULL, *places[] = {a->peer.said.data, a->trace.data, a->o.what, a->o.why};
	bool scram, proof;
	int code;

	must(strlen(a->peer.said.data) == a->peer.said.len && strlen(a->trace.data) == a->trace.len, "no NUL");
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		must(a->host.tls_certificate != NULL || strstr(places[i], a->secret) == NULL, "the secret is not shown");
	code = check_dialogue(a, p, n, &last);
	must(memchr(a->mechanism, '\0', sizeof(a->mechanism)) != NULL, "a name");
	if (last == NULL) {
		must(a->r == -1 && a->o.cause == CAUSE_NO_COMMON_MECHANISM, "a word to each that offers something of use");
		return;
	}
	must(a->host.auth == NULL || strcmp(a->host.auth, a->mechanism) == 0, "by the mechanism asked for");
	scram = strncmp(a->mechanism, "SCRAM-", 6) == 0;
	proof = *last == '\0' && memmem(p, n, "334 dj", 6) != NULL;	/* "v=" */
	must(a->r == 0 || a->r == -1, "yes or no");
	must(a->r == -1 || (code == 235 && (!scram || proof)), "who is signed in was told so");
	must(a->r == 0 || code != 235 || scram || strcmp(last, "*") == 0, "who was told so is signed in");
	must(a->r == 0 ? a->o.status == 0 || a->o.code == 504 || a->o.code == 432 : a->o.status != 0 && a->o.what[0] != '\0', "a failure has a status and words");
	must(a->o.cause != CAUSE_TIMEOUT && a->o.cause != CAUSE_BUG, "no wait, no bug");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct attempt a = {.r = -1};

	if (size == 0 || size > 8192 || would_take_long((const char *)data + 1, size - 1))
		return 0;
	set_up(&a, data[0]);
	sign_in(&a, data[0], data + 1, size - 1);
	check(&a, (const char *)data + 1, size - 1);
	buf_free(&a.peer.said);
	buf_free(&a.trace);
	return 0;
}
