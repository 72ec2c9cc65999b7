/*
 * Any octets as all that a caller says to -bs. What it is answered has the form of SMTP, and is as many replies as the commands, ends of data and chunks that were said,
 * by a plain reading of them; alike wherever the reads end. A smarthost that takes everything gets each message that was answered 250 and no other, with CRLF
 * alone as line end and no early end, by commands that are in order and ask for nothing that it does not offer.
 *
 * The first octet says whether there is a smarthost (else there is no configuration), what it offers, and whether the input comes in pieces.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>
#include "loopback.h"
#include "mem.h"
#include "smtp/command.h"
#include "smtp/server.h"

enum { LIVE = 1, CHUNKING = 2, EIGHT_BIT = 4, UTF8 = 8, DSN = 16, SIZE = 32, CUT = 64 };

#define SIZE_LIMIT	2000
#define LINE_MAX_TEXT	998

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The smarthost: takes all there is, as long as it is in order. */
struct smart {
	int listener;
	uint16_t port;
	sem_t gone;
	int how;		/* what it offers */
	unsigned connections;
	unsigned messages;
	/* the present session */
	int fd;
	char in[16384];
	size_t at, len;
	char *mail;		/* its parameters, or NULL: no transaction */
	unsigned rcpts;
};

/* ---- the smarthost ---- */

static bool
octet(struct smart *s, char *c)
{
	ssize_t n;

	if (s->at == s->len) {
		n = recv(s->fd, s->in, sizeof(s->in), 0);
		if (n <= 0)
			return false;
		s->at = 0;
		s->len = (size_t)n;
	}
	*c = s->in[s->at++];
	return true;
}

/* One line without its CRLF; false at the end. A CR or LF alone, or a NUL, is never right. */
static bool
next_line(struct smart *s, struct buf *line)
{
	char c;

	buf_reset(line);
	buf_puts(line, "");
	for (;;) {
		if (!octet(s, &c)) {
			must(line->len == 0, "no half line");
			return false;
		}
		must(c != '\0' && c != '\n', "no NUL, no LF alone");
		if (c != '\r') {
			buf_putc(line, c);
			continue;
		}
		must(octet(s, &c) && c == '\n', "no CR alone");
		return true;
	}
}

static void
answer(struct smart *s, const char *text)
{
	must(send(s->fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text), "an answer that is taken");
}

static bool
is_8bit(const char *p)
{
	for (; *p != '\0'; p++)
		if ((unsigned char)*p > 127)
			return true;
	return false;
}

/* A line of the message, dots undone. */
static void
check_text(struct smart *s, const char *line, bool *header)
{
	must(strlen(line) <= LINE_MAX_TEXT || *header, "no line too long");
	must(!is_8bit(line) || strstr(s->mail, " BODY=8BITMIME") != NULL || strstr(s->mail, " SMTPUTF8") != NULL, "8-bit text was announced");
	must(!*header || strncasecmp(line, "Bcc:", 4) != 0, "no Bcc");
	*header = *header && *line != '\0';
}

static void
end_message(struct smart *s)
{
	s->messages++;
	free(s->mail);
	s->mail = NULL;
	answer(s, "250 2.0.0 taken\r\n");
}

static void
take_data(struct smart *s)
{
	struct buf line = {0};
	bool header = true;

	answer(s, "354 go on\r\n");
	for (bool begun = false;; begun = true) {
		bool more = next_line(s, &line);

		must(more || !begun, "a whole message");
		if (!more) {	/* DATA had gone ahead, and nothing came of it: the connection is given up */
			buf_free(&line);
			return;
		}
		if (strcmp(line.data, ".") == 0)
			break;
		must(*line.data != '.' || line.data[1] == '.', "dots stuffed");
		check_text(s, *line.data == '.' ? line.data + 1 : line.data, &header);
	}
	must(!header, "a header and its end");
	buf_free(&line);
	end_message(s);
}

static void
take_chunk(struct smart *s, size_t n)
{
	struct buf line = {0};
	bool header = true;
	size_t seen = 0;

	while (seen < n) {
		must(next_line(s, &line), "a whole chunk");
		check_text(s, line.data, &header);
		seen += line.len + 2;
	}
	must(seen == n && !header, "a chunk that ends with a line");
	buf_free(&line);
	end_message(s);
}

/* What stands behind the path, which may hold anything in quotes. */
static const char *
parameters(const char *line)
{
	const char *p = strchr(line, '<');
	bool quoted = false;

	must(p != NULL, "a path");
	for (p++; *p != '\0' && (quoted || *p != '>'); p++) {
		if (quoted && *p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '"')
			quoted = !quoted;
	}
	must(*p == '>', "a path that ends");
	return p + 1;
}

static void
take_mail(struct smart *s, const char *line)
{
	const char *said = parameters(line);

	must(s->mail == NULL, "MAIL outside of a transaction");
	must(!is_8bit(line) || strstr(said, " SMTPUTF8") != NULL, "SMTPUTF8 asked for");
	must((s->how & UTF8) != 0 || strstr(said, " SMTPUTF8") == NULL, "SMTPUTF8 only where offered");
	must((s->how & EIGHT_BIT) != 0 || strstr(said, " BODY=") == NULL, "BODY only where offered");
	must((s->how & DSN) != 0 || (strstr(said, " RET=") == NULL && strstr(said, " ENVID=") == NULL), "DSN only where offered");
	must((s->how & SIZE) != 0 || strstr(said, " SIZE=") == NULL, "SIZE only where offered");
	s->mail = mem_dup(said);
	s->rcpts = 0;
	answer(s, "250 2.1.0 sender\r\n");
}

static void
take_rcpt(struct smart *s, const char *line)
{
	const char *said = parameters(line);

	must(s->mail != NULL && strncmp(line, "RCPT TO:<>", 10) != 0, "RCPT within a transaction");
	must(!is_8bit(line) || strstr(s->mail, " SMTPUTF8") != NULL, "SMTPUTF8 asked for");
	must((s->how & DSN) != 0 || (strstr(said, " NOTIFY=") == NULL && strstr(said, " ORCPT=") == NULL), "DSN only where offered");
	s->rcpts++;
	answer(s, "250 2.1.5 recipient\r\n");
}

static void
greet(struct smart *s)
{
	struct buf b = {0};

	buf_puts(&b, "250-hi\r\n");
	buf_puts(&b, (s->how & CHUNKING) != 0 ? "250-CHUNKING\r\n" : "");
	buf_puts(&b, (s->how & EIGHT_BIT) != 0 ? "250-8BITMIME\r\n" : "");
	buf_puts(&b, (s->how & UTF8) != 0 ? "250-SMTPUTF8\r\n" : "");
	buf_puts(&b, (s->how & DSN) != 0 ? "250-DSN\r\n" : "");
	if ((s->how & SIZE) != 0)
		buf_printf(&b, "250-SIZE %d\r\n", SIZE_LIMIT);
	buf_puts(&b, "250 PIPELINING\r\n");
	answer(s, b.data);
	buf_free(&b);
}

/* One command; false: it was the last. */
static bool
take_command(struct smart *s, const char *line)
{
	must(strlen(line) <= COMMAND_LONG_MAX, "no endless command");
	for (const char *p = line; *p != '\0'; p++)
		must((unsigned char)*p >= ' ' && *p != 0x7f, "no control character in a command");
	if (strncmp(line, "MAIL FROM:<", 11) == 0)
		take_mail(s, line);
	else if (strncmp(line, "RCPT TO:<", 9) == 0)
		take_rcpt(s, line);
	else if (strcmp(line, "DATA") == 0 || strncmp(line, "BDAT ", 5) == 0) {
		must(s->mail != NULL && s->rcpts > 0 && (*line == 'B') == ((s->how & CHUNKING) != 0), "the message behind its envelope");
		if (*line == 'D')
			take_data(s);
		else
			take_chunk(s, strtoul(line + 5, NULL, 10));
	} else if (strcmp(line, "RSET") == 0) {
		free(s->mail);
		s->mail = NULL;
		answer(s, "250 2.0.0 reset\r\n");
	} else if (strcmp(line, "QUIT") != 0) {
		must(strcmp(line, "EHLO c.example.com") == 0, "a command that a client says");
		greet(s);
	}
	return strcmp(line, "QUIT") != 0;
}

static void *
listen_to(void *arg)
{
	struct smart *s = arg;
	struct buf line = {0};
	int at_once = 1;

	while ((s->fd = accept(s->listener, NULL, NULL)) != -1) {
		(void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof(at_once));
		s->connections++;
		s->at = s->len = 0;
		answer(s, "220 ready\r\n");
		while (next_line(s, &line) && take_command(s, line.data))
			;
		free(s->mail);
		s->mail = NULL;
		(void)close(s->fd);
		(void)sem_post(&s->gone);
	}
	return NULL;
}

static struct smart *
smarthost(void)
{
	static struct smart s;

	if (s.port != 0)
		return &s;
	must(sem_init(&s.gone, 0, 0) == 0, "a semaphore");
	s.port = serve_loopback(&s.listener, listen_to, &s);
	return &s;
}

/* ---- the caller ---- */

static int
open_whole(const uint8_t *data, size_t size)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0, "an input");
	return fd;
}

/* Each read gets a piece, small ones first: a pipe in packet mode holds 16. What is longer than that is given whole. */
static int
open_cut(const uint8_t *data, size_t size)
{
	size_t at = 0, n;
	int fd[2];

	if (size > 4 * 4096)
		return open_whole(data, size);
	must(pipe2(fd, O_DIRECT | O_CLOEXEC) == 0, "a pipe");
	for (size_t i = 0; at < size; i++, at += n) {
		n = i < 12 ? 1 + (size_t)data[at] * (i + 1) % 61 : 4096;
		if (n > size - at)
			n = size - at;
		must(write(fd[1], data + at, n) == (ssize_t)n, "a piece");
	}
	(void)close(fd[1]);
	return fd[0];
}

static void
count(void *arg, struct result *r)
{
	must(r->envelope != NULL && r->envelope->sender != NULL && (r->word != NULL || r->status == 0 || r->outcome.status != 0 || r->envelope->count > 0),
	    "a transaction that can be told of");
	++*(size_t *)arg;
}

/* What was answered, in one string. The caller frees it. */
static char *
converse(struct smart *s, const uint8_t *data, size_t size, bool cut, int *status)
{
	static char address[] = "127.0.0.1", name[] = "c.example.com", domain[] = "example.com";
	struct smarthost host = {.host = address, .port = s->port, .tls = TLS_MODE_NONE};
	struct config config = {
		.smarthost = &host, .smarthosts = 1, .hostname = name, .domain = domain, .encode_headers = true, .timeout = 15, .idle_timeout = 15,
	};
	static const struct aliases none;
	struct outcome trouble = {0};
	struct trace trace;
	size_t finished = 0, transactions;
	struct server_setup setup = {
		.config = &config, .trouble = &trouble, .aliases = &none, .host = "here.example.net", .trace = &trace, .finished = count, .arg = &finished,
	};
	unsigned before = s->connections;
	struct buf out = {0};
	off_t len;

	if ((s->how & LIVE) == 0)
		(void)outcome_set(&trouble, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_WRONG, "why\r\n250 ok", "what\n250 ok");
	trace_init(&trace, -1, NULL);
	setup.in = cut ? open_cut(data, size) : open_whole(data, size);
	setup.out = memfd_create("out", MFD_CLOEXEC);
	*status = server_run(&setup, &transactions);
	must(finished == transactions, "each transaction is told of once");
	for (unsigned n = s->connections - before; n > 0; n--)
		while (sem_wait(&s->gone) == -1)
			;	/* the fuzzer's own timer interrupts it */
	len = lseek(setup.out, 0, SEEK_END);
	must(len > 0 && pread(setup.out, buf_room(&out, (size_t)len), (size_t)len, 0) == len, "an output");
	out.len = (size_t)len;
	buf_end(&out);
	must(strlen(out.data) == out.len, "no NUL in it");
	(void)close(setup.in);
	(void)close(setup.out);
	return out.data;
}

/* ---- what has to be ---- */

/* The code of the next reply, 0 where there is none, and that its form is right. */
static int
next_reply(const char **p)
{
	const char *first = *p, *end;
	bool last = false;

	if (*first == '\0')
		return 0;
	for (; !last; *p = end + 2) {
		end = strstr(*p, "\r\n");
		must(end != NULL && end - *p >= 4 && end - *p <= 510, "a line of 512 octets at the most");
		must(strspn(*p, "0123456789") == 3 && **p >= '2' && **p <= '5' && ((*p)[3] == ' ' || (*p)[3] == '-') && strncmp(*p, first, 3) == 0,
		    "a code, and the same in each line");
		for (const char *q = *p; q < end; q++)
			must(*q >= ' ' && *q <= '~', "printable ASCII");
		last = (*p)[3] == ' ';
	}
	return (int)strtol(first, NULL, 10);
}

/* The octets of a message with its end, by the rule of CONTRACT section 3a; 0: it has none. */
static size_t
end_of_data(const char *p, size_t n, bool lf_ends)
{
	const char *crlf = n >= 3 && !lf_ends && memcmp(p, ".\r\n", 3) == 0 ? p - 2 : memmem(p, n, "\r\n.\r\n", 5), *lf = NULL;

	if (lf_ends)
		lf = n >= 2 && memcmp(p, ".\n", 2) == 0 ? p - 1 : memmem(p, n, "\n.\n", 3);
	if (lf != NULL && (crlf == NULL || lf < crlf + 1))
		return (size_t)(lf + 3 - p);
	return crlf == NULL ? 0 : (size_t)(crlf + 5 - p);
}

/* What was said, and how far it was read. */
struct script {
	const char *p;
	size_t n, at;
	unsigned messages;	/* that were answered 250 */
	unsigned bad, maybe;	/* commands refused for their form; and those that may count or not, since a MAIL before them was refused */
	bool refused;
	bool over;		/* nothing more may be answered */
	int status;		/* that the session then ends with */
};

/* Where the line is BDAT that can be understood. */
static bool
is_chunk(const char *line, size_t len, uint64_t *octets, bool *last)
{
	const char *argument;

	return strlen(line) == len && len <= COMMAND_LINE_MAX - 2 && !is_8bit(line) && command_verb(line, &argument) == VERB_BDAT &&
	    command_chunk(argument, octets, last);
}

/* Counts what was refused for its form: ten such end it. */
static void
count_bad(struct script *s, enum verb verb, int code, const char **replies)
{
	const char *next = *replies;

	s->refused = s->refused || (verb == VERB_MAIL && code >= 400 && code != 500 && code != 501 && code != 503 && code != 555);
	if (code != 500 && code != 501 && code != 502 && code != 503 && code != 555)
		return;
	if (code == 503 && s->refused)
		s->maybe++;
	else
		s->bad++;
	if (s->bad + s->maybe >= SERVER_BAD_MAX && next_reply(&next) == 421) {
		*replies = next;
		s->over = true;
		s->status = EX_USAGE;
	}
	must(s->bad < SERVER_BAD_MAX || s->over, "an end to nonsense");
}

/* The message behind DATA, and the answer to it. */
static void
follow_data(struct script *s, bool crlf, const char **replies)
{
	size_t n = end_of_data(s->p + s->at, s->n - s->at, !crlf);
	int code = n == 0 ? 0 : next_reply(replies);

	must(n == 0 || code >= 250, "an answer to the message");
	s->at += n;
	s->over = n == 0;
	s->status = EX_DATAERR;
	s->messages += code == 250;
}

/* The answer to one line, and to what comes with it. */
static void
follow(struct script *s, const char *line, size_t len, bool crlf, const char **replies)
{
	const char *argument;
	enum verb verb = command_verb(line, &argument);
	uint64_t octets = 0;
	bool last = false, chunk = is_chunk(line, len, &octets, &last);
	int code = next_reply(replies);

	if (chunk && octets > s->n - s->at) {
		s->over = true;		/* it may have been refused, or what came of it is a message without its end */
		s->status = -1;
		return;
	}
	s->at += chunk ? (size_t)octets : 0;
	must(code != 0, "an answer to each line");
	if (code == 421 || code == 221) {
		s->over = true;
		s->status = code == 421 ? EX_USAGE : 0;
		return;
	}
	if (code == 354) {
		follow_data(s, crlf, replies);
		return;
	}
	s->messages += chunk && last && code == 250;
	if (verb == VERB_BDAT && (code == 500 || code == 501) && !chunk) {
		must(next_reply(replies) == 421, "an end where the end of a chunk is not known");
		s->over = true;
		s->status = EX_USAGE;
	} else
		count_bad(s, verb, code, replies);
}

/* Commands and replies side by side. */
static void
check(struct script *s, const char *replies, int status)
{
	must(next_reply(&replies) == 220, "a greeting");
	while (!s->over && s->at < s->n) {
		const char *from = s->p + s->at, *lf = memchr(from, '\n', s->n - s->at);
		size_t len = lf == NULL ? 0 : (size_t)(lf - from);
		bool crlf = len > 0 && lf[-1] == '\r';
		char *line;

		if (lf == NULL)
			break;
		len -= crlf;
		line = mem_ndup(from, len);
		s->at = (size_t)(lf + 1 - s->p);
		follow(s, line, len, crlf, &replies);
		free(line);
	}
	must(next_reply(&replies) == 0 || s->status == -1, "no answer to nothing");
	must(s->over && s->status != -1 ? status == s->status : status == 0 || status == EX_DATAERR || s->status == -1, "a status");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smart *s = smarthost();
	struct script script = {0};
	char *replies, *again;
	int status, status_again;

	if (size == 0)
		return 0;
	script.p = (const char *)data + 1;
	script.n = size - 1;
	s->how = data[0];
	s->messages = 0;
	replies = converse(s, data + 1, size - 1, (data[0] & CUT) != 0, &status);
	check(&script, replies, status);
	must(s->messages == script.messages && ((data[0] & LIVE) != 0 || s->messages == 0), "each message that was taken has arrived, and no other");
	if ((data[0] & (LIVE | CUT)) == CUT) {
		again = converse(s, data + 1, size - 1, false, &status_again);
		must(strcmp(again, replies) == 0 && status == status_again, "alike wherever a read ends");
		free(again);
	}
	free(replies);
	return 0;
}
