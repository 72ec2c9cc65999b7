/*
 * For tests of the SMTP rooms: a smarthost in a thread that plays a dialogue on loopback, in clear, and notes all that it was told; and
 * what a client needs to talk to it. All of it in this header, as unit tests are programs of one file.
 */
#ifndef SMTP_PEER_H
#define SMTP_PEER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>
#include <cmocka.h>
#include "mem.h"
#include "smtp/client.h"

#define RULES_MAX	16
#define PATIENCE	60000	/* milliseconds: far more than anything here takes */

enum then { GO_ON, HANG_UP };

/*
 * What is said to a line that begins with on, at its nth time (0: each time). "BANNER", "BODY" (once 1,000 octets of the message have come) and "." (the
 * end of the message) are no lines. say: without its last CRLF; NULL: nothing at all.
 */
struct rule {
	const char *on;
	unsigned nth;
	const char *say;
	enum then then;
};

struct peer {
	const char *ehlo;		/* the answer to EHLO */
	struct rule rule[RULES_MAX];	/* until on is NULL */
	const char *auth[8];		/* answers to AUTH and to the lines behind a 334, in this order */
	size_t max_rcpt;		/* most that are taken in a transaction; 0: any */
	bool strict;			/* a second MAIL is refused until RSET or the end of a message that somebody gets; rules for "END <sender" go before those for the end */
	bool deaf;			/* a message by BDAT that nobody gets is not read, but taken for commands */
	size_t cut_in;			/* octets that it reads in a connection, and then hangs up; 0: any */
	unsigned cut_out;		/* answers that it gives in a connection, and then hangs up; 0: any */
	struct buf commands;		/* lines that came, each with '\n' */
	struct buf data;		/* the last message, as it came: with its lone dot behind DATA */
	struct buf delivered;		/* who got a message, each with '\n' */
	struct buf pairs;		/* "sender recipient\n" for each of them */
	struct buf flow;		/* 'C' for each line that came, 'S' for each answer, in their order */
	unsigned messages;		/* that were answered 2xx and had a recipient */
	unsigned connections;
	unsigned ahead;			/* lines that came before the one before them was answered */
	unsigned hits[RULES_MAX];
	size_t said;			/* of auth */
	int listener;
	uint16_t port;
	pthread_t thread;
	/* the present connection and transaction */
	int fd;
	char in[16384];
	size_t at, len;
	bool mail;
	bool over;
	size_t taken;
	size_t heard;
	unsigned answers;
	char from[200];
	struct buf to;
};

static inline void
peer_must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

static inline bool
peer_octet(struct peer *p, char *c)
{
	ssize_t n;

	if (p->cut_in > 0 && p->heard++ == p->cut_in)
		return false;
	if (p->at == p->len) {
		n = recv(p->fd, p->in, sizeof(p->in), 0);
		if (n <= 0)
			return false;
		p->at = 0;
		p->len = (size_t)n;
	}
	*c = p->in[p->at++];
	return true;
}

/* Adds one line with its CRLF. */
static inline bool
peer_line(struct peer *p, struct buf *line)
{
	char c = '\0';

	while (c != '\n') {
		if (!peer_octet(p, &c))
			return false;
		buf_putc(line, c);
	}
	return true;
}

/* False: it has said all that it ever says. */
static inline bool
peer_say(struct peer *p, const char *text)
{
	struct buf b = {0};
	size_t done = 0;

	if (p->cut_out > 0 && p->answers++ >= p->cut_out)
		return false;
	buf_putc(&p->flow, 'S');
	buf_printf(&b, "%s\r\n", text);
	while (done < b.len) {
		ssize_t n = send(p->fd, b.data + done, b.len - done, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	buf_free(&b);
	return true;
}

static inline const struct rule *
peer_rule(struct peer *p, const char *line)
{
	for (size_t i = 0; i < RULES_MAX && p->rule[i].on != NULL; i++) {
		if (strncasecmp(line, p->rule[i].on, strlen(p->rule[i].on)) != 0)
			continue;
		if (p->rule[i].nth == 0 || ++p->hits[i] == p->rule[i].nth)
			return &p->rule[i];
	}
	return NULL;
}

/* Answers by the rule for the line, else with usual. The first digit of what was said, or NUL. */
static inline char
peer_answer(struct peer *p, const char *line, const char *usual)
{
	const struct rule *r = peer_rule(p, line);
	const char *text = r != NULL ? r->say : usual;

	bool said = text != NULL && peer_say(p, text);

	p->over = r != NULL && r->then == HANG_UP;
	return said ? *text : '\0';
}

static inline void
peer_reset(struct peer *p)
{
	p->mail = false;
	p->taken = 0;
	buf_reset(&p->to);
}

static inline bool
peer_has(const struct peer *p, const char *line)
{
	bool has = false;

	for (size_t i = 0; i < RULES_MAX && p->rule[i].on != NULL; i++)
		has = has || strncmp(line, p->rule[i].on, strlen(p->rule[i].on)) == 0;
	return has;
}

/* Who has got it from whom. */
static inline void
peer_note_pairs(struct peer *p)
{
	for (const char *at = buf_str(&p->to); *at != '\0'; at += strcspn(at, "\n") + 1)
		buf_printf(&p->pairs, "%s %.*s\n", p->from, (int)strcspn(at, "\n"), at);
}

static inline void
peer_verdict(struct peer *p, const char *on)
{
	bool anybody = p->mail && p->taken > 0;
	char end[sizeof(p->from) + 16];

	(void)snprintf(end, sizeof(end), "END <%s", p->from);
	if (peer_answer(p, peer_has(p, end) ? end : on, anybody ? "250 2.0.0 queued" : "554 5.5.1 no valid recipients") == '2' && anybody) {
		p->messages++;
		buf_add(&p->delivered, buf_str(&p->to), p->to.len);
		peer_note_pairs(p);
	}
	if (anybody || !p->strict)
		peer_reset(p);
}

/* True: a rule for BODY has ended it. */
static inline bool
peer_body_cut(struct peer *p)
{
	const struct rule *r = p->data.len < 1000 ? NULL : peer_rule(p, "BODY");

	if (r != NULL && r->say != NULL)
		(void)peer_say(p, r->say);
	p->over = r != NULL;
	return p->over;
}

static inline void
peer_data(struct peer *p)
{
	size_t start;

	buf_reset(&p->data);
	do {
		start = p->data.len;
		if (!peer_line(p, &p->data) || peer_body_cut(p)) {
			p->over = true;
			return;
		}
	} while (strcmp(p->data.data + start, ".\r\n") != 0);
	peer_verdict(p, ".");
}

static inline void
peer_bdat(struct peer *p, const char *line)
{
	char c;

	buf_reset(&p->data);
	if (p->deaf && p->taken == 0) {
		peer_verdict(p, "BDAT");
		return;
	}
	for (unsigned long n = strtoul(line + 5, NULL, 10); n > 0; n--) {
		if (!peer_octet(p, &c)) {
			p->over = true;
			return;
		}
		buf_putc(&p->data, c);
		if (peer_body_cut(p))
			return;
	}
	peer_verdict(p, "BDAT");
}

static inline void
peer_auth(struct peer *p)
{
	struct buf line = {0};
	const char *text;

	for (;;) {
		text = p->said < 8 && p->auth[p->said] != NULL ? p->auth[p->said++] : "500 5.5.1 the test has no more answers";
		(void)peer_say(p, text);
		buf_reset(&line);
		if (strncmp(text, "334", 3) != 0 || !peer_line(p, &line))
			break;
		buf_add(&p->commands, line.data, line.len - 2);
		buf_putc(&p->commands, '\n');
	}
	buf_free(&line);
}

static inline void
peer_rcpt(struct peer *p, const char *line)
{
	const char *end = strchr(line, '>');

	if (p->max_rcpt > 0 && p->taken >= p->max_rcpt)
		(void)peer_say(p, "452 4.5.3 too many recipients");
	else if (peer_answer(p, line, p->mail ? "250 2.1.5 ok" : "503 5.5.1 MAIL first") == '2' && p->mail) {
		p->taken++;
		buf_printf(&p->to, "%.*s\n", end == NULL ? 0 : (int)(end - line - 9), line + 9);
	}
}

static inline void
peer_mail(struct peer *p, const char *line)
{
	const char *end = strchr(line, '>');

	if (p->strict && p->mail) {
		(void)peer_say(p, "503 5.5.1 nested MAIL");
		return;
	}
	p->mail = peer_answer(p, line, "250 2.1.0 ok") == '2';
	if (p->mail)
		(void)snprintf(p->from, sizeof(p->from), "%.*s", end == NULL ? 0 : (int)(end - line - 11), line + 11);
}

static inline void
peer_command(struct peer *p, const char *line)
{
	if (strncmp(line, "EHLO ", 5) == 0)
		(void)peer_answer(p, line, p->ehlo != NULL ? p->ehlo : "250 hello");
	else if (strncmp(line, "MAIL ", 5) == 0)
		peer_mail(p, line);
	else if (p->strict && strcmp(line, "RSET") == 0) {
		if (peer_answer(p, line, "250 2.0.0 ok") == '2')
			peer_reset(p);
	} else if (p->deaf && strchr("MRBDQE", *line) == NULL)
		(void)peer_say(p, "500 5.5.2 what");
	else if (strncmp(line, "RCPT ", 5) == 0)
		peer_rcpt(p, line);
	else if (strncmp(line, "BDAT ", 5) == 0)
		peer_bdat(p, line);
	else if (strncmp(line, "AUTH ", 5) == 0)
		peer_auth(p);
	else if (strcmp(line, "DATA") != 0)
		(void)peer_answer(p, line, "250 2.0.0 ok");
	else if (peer_answer(p, line, p->taken > 0 ? "354 go on" : "554 5.5.1 no valid recipients") == '3')
		peer_data(p);
	p->over = p->over || strcmp(line, "QUIT") == 0;
}

static inline void
peer_session(struct peer *p)
{
	struct buf line = {0};
	char c;

	p->at = p->len = p->heard = 0;
	p->answers = 0;
	p->over = false;
	peer_reset(p);
	(void)peer_answer(p, "BANNER", "220 smtp.example.com ready");
	while (!p->over && (p->cut_out == 0 || p->answers < p->cut_out) && peer_line(p, &line)) {
		buf_putc(&p->flow, 'C');
		line.len -= line.len >= 2 && line.data[line.len - 2] == '\r' ? 2 : 1;
		buf_end(&line);
		buf_printf(&p->commands, "%s\n", line.data);
		p->ahead += strncmp(line.data, "BDAT ", 5) != 0 && (p->at < p->len || recv(p->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0);
		peer_command(p, line.data);
		buf_reset(&line);
	}
	buf_free(&line);
}

static inline void *
peer_run(void *arg)
{
	struct timeval patience = {.tv_sec = PATIENCE / 1000};
	struct peer *p = arg;
	int at_once = 1;

	while ((p->fd = accept(p->listener, NULL, NULL)) != -1) {
		p->connections++;
		(void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof(at_once));
		(void)setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		(void)setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		peer_session(p);
		(void)close(p->fd);
	}
	return NULL;
}

static inline void
peer_start(struct peer *p)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);

	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	peer_must(p->listener != -1 && bind(p->listener, (struct sockaddr *)&sin, len) == 0 && listen(p->listener, 8) == 0 &&
	    getsockname(p->listener, (struct sockaddr *)&sin, &len) == 0, "listener");
	p->port = ntohs(sin.sin_port);
	peer_must(pthread_create(&p->thread, NULL, peer_run, p) == 0, "pthread_create");
}

/* Ends it, once the client has closed; its notes may be read then. */
static inline void
peer_stop(struct peer *p)
{
	(void)shutdown(p->listener, SHUT_RDWR);
	peer_must(pthread_join(p->thread, NULL) == 0, "pthread_join");
	(void)close(p->listener);
}

static inline void
peer_free(struct peer *p)
{
	buf_free(&p->commands);
	buf_free(&p->data);
	buf_free(&p->delivered);
	buf_free(&p->pairs);
	buf_free(&p->flow);
	buf_free(&p->to);
}

/* A message as it would come from standard input; a large one is copied. */
static inline void
message_of(struct message *m, const char *text, size_t n)
{
	int fd = memfd_create("message", MFD_CLOEXEC);
	struct outcome o;

	peer_must(fd != -1 && write(fd, text, n) == (ssize_t)n && lseek(fd, 0, SEEK_SET) == 0, "memfd_create");
	assert_int_equal(message_read(m, fd, false, "/tmp", &o), 0);
	(void)close(fd);
}

/* An envelope to the recipients of a list with commas. */
static inline void
envelope_of(struct envelope *e, const char *sender, const char *list)
{
	char *copy = mem_dup(list), *rest = copy, *one;

	*e = (struct envelope){.sender = mem_dup(sender)};
	while ((one = strsep(&rest, ",")) != NULL) {
		e->rcpt = mem_grow(e->rcpt, e->count + 1, sizeof(*e->rcpt));
		e->rcpt[e->count++] = (struct recipient){.path = mem_dup(one)};
	}
	free(copy);
}

/* The fates of all recipients: "D" done, "P" pending, "T" taken, a status where refused, "F" where failed with the run. */
static inline const char *
fates(const struct envelope *e)
{
	static char text[256];

	text[0] = '\0';
	for (size_t i = 0; i < e->count; i++) {
		const struct recipient *r = &e->rcpt[i];
		char word[16];

		(void)snprintf(word, sizeof(word), "%s%d", i > 0 ? " " : "", r->fate != NULL ? r->fate->status : 0);
		if (r->fate == NULL)
			(void)snprintf(word, sizeof(word), "%s%c", i > 0 ? " " : "", "PTDQF"[r->state]);
		(void)strlcat(text, word, sizeof(text));
	}
	return text;
}

#endif
