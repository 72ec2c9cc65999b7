/*
 * The smarthost of the benchmark: every client is measured against this one,
 * so that it must never be what a client waits for.
 *
 *	sink [options]
 *	    --cert FILE --key FILE	PEM; needed unless --plain
 *	    --implicit			TLS at once, instead of STARTTLS
 *	    --plain			no TLS at all
 *	    --no-auth			AUTH is neither offered nor needed
 *	    --user U --password P	the only ones accepted (else 535);
 *					without: any are
 *	    --without KEYWORD		not offered: PIPELINING SIZE 8BITMIME
 *					SMTPUTF8 DSN ENHANCEDSTATUSCODES
 *					CHUNKING; may be repeated
 *	    --delay-message MS		a slow smarthost: sleeps so long before
 *					it replies to the end of a message
 *	    --counters FILE		see below
 *	    --records			counts TLS records too (costs time)
 *	    --verify			sums up what arrived (costs time)
 *	    --port N			default: 0, any
 *	    --threads N			connections at a time, default 32
 *	    --until-stdin-closes	ends when its input does
 *	sink --show FILE		the counters in a file, as text
 *
 * It listens on 127.0.0.1, prints the port as one line, and stays until SIGTERM
 * (or until its input ends).  Replies are collected and go out in one write
 * once no complete command is left in what was read.
 *
 * The file of the counters is mapped and holds a 64-bit integer for each, in
 * the order of the machine, and from octet 512 on their names in the same
 * order, one a line: unpack("Q*", ...) and split() read it at any time.  While
 * "active" is 0, zeros may be written over the integers.  A message is counted
 * before it is replied to; all that a connection did is, once it is no longer
 * "active".  So whoever has run a client waits until "connections" is what it
 * was before plus those that the client made, and "active" is 0.
 *
 * "octets" is content without stuffed dots.  "records" are those received with
 * application data, "record_octets" what they had on the wire with headers.
 * "wire_in" and "wire_out" are all octets, in clear and TLS.  "batch" is the
 * largest number of commands in one read.  "refusals" are replies with 4xx or
 * 5xx.  "checksum" is the sum (modulo 2^64) of a hash of each message from its
 * first empty line on: the same messages in any order make the same sum.
 */
#include <sys/socket.h>

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "sink.h"

#define INPUT	((size_t)64 * 1024)	/* of a connection */
#define OUTPUT	((size_t)32 * 1024)
#define SILENCE	300			/* seconds until a client is given up */

static const char *const keywords[] = {
	"PIPELINING", "SIZE 1073741824", "8BITMIME", "SMTPUTF8", "DSN",
	"ENHANCEDSTATUSCODES", "CHUNKING"
};
#define KEYWORDS	(sizeof(keywords) / sizeof(keywords[0]))
#define ENHANCED	(1U << 5)
#define CHUNKING	(1U << 6)

static struct {
	const char	*cert, *key, *user, *password, *counters, *show;
	SSL_CTX		*ctx;
	unsigned	 offered;		/* a bit for each keyword */
	long		 delay, threads, port;
	int		 listener;
	bool		 implicit, plain, no_auth, records, verify, stdin_ends;
} opt = { .offered = (1U << KEYWORDS) - 1, .threads = 32 };

struct conn {
	SSL		*ssl;
	int		 fd;
	bool		 open, greeted, authenticated, mail, chunks;
	size_t		 rcpts, at, len, outlen;
	uint64_t	 batch, record, in, out;
	struct content	 content;
	char		 input[INPUT], output[OUTPUT];
};

/* ---- input and output ---- */

static void
flush(struct conn *c)
{
	size_t done = 0;
	ssize_t n;

	while (c->open && done < c->outlen) {
		if (c->ssl != NULL)
			n = SSL_write(c->ssl, c->output + done,
			    (int)(c->outlen - done));
		else
			n = send(c->fd, c->output + done, c->outlen - done,
			    MSG_NOSIGNAL);
		if (n <= 0)
			c->open = false;
		else
			done += (size_t)n;
	}
	if (c->ssl == NULL)
		c->out += done;
	c->outlen = 0;
}

static void
say(struct conn *c, const char *text)
{
	size_t n = strlen(text);

	if (c->outlen + n > OUTPUT)
		flush(c);
	memcpy(c->output + c->outlen, text, n);
	c->outlen += n;
}

static void
reply(struct conn *c, const char *code, const char *enhanced, const char *text)
{
	if (*code >= '4')
		count(REFUSALS, 1);
	say(c, code);
	say(c, " ");
	if (enhanced != NULL && (opt.offered & ENHANCED) != 0) {
		say(c, enhanced);
		say(c, " ");
	}
	say(c, text);
	say(c, "\r\n");
}

/* Reads once more; what was collected is sent before that may have to wait. */
static bool
fill(struct conn *c)
{
	ssize_t n;

	if (c->at > 0) {
		c->len -= c->at;
		if (c->len > 0)
			memmove(c->input, c->input + c->at, c->len);
		c->at = 0;
	}
	if (c->outlen > 0 && (c->ssl == NULL || !SSL_has_pending(c->ssl)))
		flush(c);
	count_max(BATCH, c->batch);
	c->batch = 0;
	if (!c->open || c->len == INPUT)
		return c->open = false;
	if (c->ssl != NULL)
		n = SSL_read(c->ssl, c->input + c->len, (int)(INPUT - c->len));
	else
		n = recv(c->fd, c->input + c->len, INPUT - c->len, 0);
	if (n <= 0)
		return c->open = false;
	if (c->ssl == NULL)
		c->in += (uint64_t)n;
	c->len += (size_t)n;
	return true;
}

/* A line without its end, which becomes a NUL.  NULL: there are no more. */
static char *
next_line(struct conn *c)
{
	char *line, *end;

	while ((end = memchr(c->input + c->at, '\n', c->len - c->at)) == NULL)
		if (!fill(c))
			return NULL;
	line = c->input + c->at;
	c->at = (size_t)(end + 1 - c->input);
	if (end > line && end[-1] == '\r')
		end--;
	*end = '\0';
	return line;
}

/* ---- TLS ---- */

/* What a record is for shows only when it has been decrypted: TLS 1.3 has its
 * type at the end, earlier versions have it in the header. */
static void
see_record(int out, int version, int type, const void *buf, size_t len,
    SSL *ssl, void *arg)
{
	struct conn *c = arg;
	const unsigned char *p = buf;
	bool inner = SSL_version(ssl) == TLS1_3_VERSION;

	(void)version;
	if (out)
		return;
	if (type == SSL3_RT_HEADER && len == SSL3_RT_HEADER_LENGTH)
		c->record = ((uint64_t)p[3] << 8 | p[4]) + len;
	else if (type != SSL3_RT_INNER_CONTENT_TYPE || len != 1)
		return;
	if (inner == (type == SSL3_RT_INNER_CONTENT_TYPE) &&
	    *p == SSL3_RT_APPLICATION_DATA) {
		count(RECORDS, 1);
		count(RECORD_OCTETS, c->record);
	}
}

static void
start_tls(struct conn *c)
{
	flush(c);
	if (!c->open)
		return;
	if (c->at < c->len || (c->ssl = SSL_new(opt.ctx)) == NULL ||
	    SSL_set_fd(c->ssl, c->fd) != 1) {
		c->open = false;
		return;
	}
	if (opt.records) {
		SSL_set_msg_callback(c->ssl, see_record);
		SSL_set_msg_callback_arg(c->ssl, c);
	}
	if (SSL_accept(c->ssl) != 1) {
		ERR_clear_error();
		count(HANDSHAKES_FAILED, 1);
		c->open = false;
		return;
	}
	count(HANDSHAKES, 1);
	if (SSL_session_reused(c->ssl))
		count(RESUMED, 1);
}

/* ---- content ---- */

/* Nothing of a transaction is left. */
static void
forget(struct conn *c)
{
	c->mail = c->chunks = false;
	c->rcpts = 0;
	c->content = (struct content){ .header = START };
}

static void
message_end(struct conn *c)
{
	struct timespec ts = { opt.delay / 1000,
	    opt.delay % 1000 * 1000000 };

	if (opt.verify)
		count(CHECKSUM, sum_end(&c->content));
	count(RECIPIENTS, c->rcpts);
	count(OCTETS, c->content.octets);
	count(MESSAGES, 1);
	forget(c);
	if (opt.delay > 0) {
		flush(c);
		while (nanosleep(&ts, &ts) == -1 && errno == EINTR)
			continue;
	}
	reply(c, "250", "2.0.0", "Ok: queued");
}

static void
do_data(struct conn *c)
{
	enum place place = FRESH;

	if (c->rcpts == 0 || c->chunks) {
		reply(c, "503", "5.5.1", "No recipients, or BDAT has begun");
		return;
	}
	reply(c, "354", NULL, "Go ahead");
	while (place != DATA_END) {
		if (c->at == c->len && !fill(c))
			return;
		c->at += undot(&c->content, opt.verify, &place,
		    c->input + c->at, c->len - c->at);
	}
	message_end(c);
}

static void
do_bdat(struct conn *c, const char *args)
{
	char *rest;
	uint64_t left = strtoull(args, &rest, 10);
	bool last = strcasecmp(rest, " LAST") == 0, good = c->rcpts > 0;
	size_t n;

	if (rest == args || (*rest != '\0' && !last)) {
		reply(c, "501", "5.5.4", "Not understood");
		flush(c);
		c->open = false;	/* nobody knows what comes next */
		return;
	}
	while (left > 0) {
		if (c->at == c->len && !fill(c))
			return;
		n = c->len - c->at < left ? c->len - c->at : (size_t)left;
		if (good)
			content(&c->content, opt.verify, c->input + c->at, n);
		c->at += n;
		left -= n;
	}
	c->chunks = good;
	if (!good)
		reply(c, "503", "5.5.1", "No recipients");
	else if (last)
		message_end(c);
	else
		reply(c, "250", "2.0.0", "Ok");
}

/* ---- commands ---- */

static void
do_ehlo(struct conn *c)
{
	forget(c);
	c->greeted = true;
	say(c, "250-sink\r\n");
	for (unsigned i = 0; i < KEYWORDS; i++) {
		if ((opt.offered & 1U << i) == 0)
			continue;
		say(c, "250-");
		say(c, keywords[i]);
		say(c, "\r\n");
	}
	if (!opt.plain && c->ssl == NULL)
		say(c, "250-STARTTLS\r\n");
	else if (!opt.no_auth)
		say(c, "250-AUTH PLAIN LOGIN\r\n");
	say(c, "250 HELP\r\n");
}

/* Base64; what is decoded ends in NULs. */
static bool
decode(const char *text, char *to, size_t size)
{
	size_t n = text == NULL ? size : strlen(text);

	memset(to, 0, size);
	return n == 0 || (n % 4 == 0 && n < size && EVP_DecodeBlock(
	    (unsigned char *)to, (const unsigned char *)text, (int)n) >= 0);
}

static void
do_auth(struct conn *c, const char *args)
{
	char user[1024], password[1024], plain[1024];
	const char *line;
	bool login = strncasecmp(args, "LOGIN", 5) == 0, good;

	if (c->authenticated || opt.no_auth || !(opt.plain || c->ssl != NULL)) {
		reply(c, "503", "5.5.1", "Not now");
		return;
	}
	if ((!login && strncasecmp(args, "PLAIN", 5) != 0) ||
	    (args[5] != ' ' && args[5] != '\0')) {
		reply(c, "504", "5.5.4", "Not understood");
		return;
	}
	if (args[5] == '\0')
		reply(c, "334", NULL, login ? "VXNlcm5hbWU6" : "");
	line = args[5] == '\0' ? next_line(c) : args + 6;
	good = decode(line, login ? user : plain, sizeof(user));
	if (login) {
		reply(c, "334", NULL, "UGFzc3dvcmQ6");
		good = decode(next_line(c), password, sizeof(password)) && good;
	} else {
		snprintf(user, sizeof(user), "%s", plain + strlen(plain) + 1);
		snprintf(password, sizeof(password), "%s",
		    plain + strlen(plain) + strlen(user) + 2);
	}
	good = good && (opt.user == NULL || strcmp(user, opt.user) == 0) &&
	    (opt.password == NULL || strcmp(password, opt.password) == 0);
	c->authenticated = good;
	reply(c, good ? "235" : "535", good ? "2.7.0" : "5.7.8",
	    good ? "Welcome" : "Not with these");
}

static void
do_starttls(struct conn *c)
{
	if (opt.plain || c->ssl != NULL) {
		reply(c, "503", "5.5.1", "Not now");
		return;
	}
	reply(c, "220", "2.0.0", "Go ahead");
	start_tls(c);
	forget(c);
	c->greeted = false;
}

static void
do_mail(struct conn *c)
{
	if (!opt.plain && c->ssl == NULL) {
		reply(c, "530", "5.7.0", "STARTTLS first");
	} else if (!opt.no_auth && !c->authenticated) {
		reply(c, "530", "5.7.0", "AUTH first");
	} else if (c->mail || !c->greeted) {
		reply(c, "503", "5.5.1", "Not now");
	} else {
		forget(c);
		c->mail = true;
		reply(c, "250", "2.1.0", "Ok");
	}
}

static void
do_rcpt(struct conn *c)
{
	if (!c->mail || c->chunks) {
		reply(c, "503", "5.5.1", "Not now");
		return;
	}
	c->rcpts++;
	reply(c, "250", "2.1.5", "Ok");
}

/* The words after a command, or NULL: it is another one. */
static const char *
is(const char *line, const char *name)
{
	size_t n = strlen(name);

	if (strncasecmp(line, name, n) != 0)
		return NULL;
	if (line[n] == ' ' || line[n] == ':')
		return line + n + 1;
	return line[n] == '\0' ? line + n : NULL;
}

static void
command(struct conn *c, char *line)
{
	const char *args;

	if (is(line, "RCPT TO") != NULL) {
		do_rcpt(c);
	} else if (is(line, "MAIL FROM") != NULL) {
		do_mail(c);
	} else if (is(line, "DATA") != NULL) {
		do_data(c);
	} else if ((opt.offered & CHUNKING) != 0 &&
	    (args = is(line, "BDAT")) != NULL) {
		do_bdat(c, args);
	} else if (is(line, "EHLO") != NULL) {
		do_ehlo(c);
	} else if (is(line, "STARTTLS") != NULL) {
		do_starttls(c);
	} else if ((args = is(line, "AUTH")) != NULL) {
		do_auth(c, args);
	} else if (is(line, "RSET") != NULL || is(line, "HELO") != NULL) {
		forget(c);
		c->greeted = c->greeted || is(line, "HELO") != NULL;
		reply(c, "250", "2.0.0", "Ok");
	} else if (is(line, "NOOP") != NULL || is(line, "HELP") != NULL) {
		reply(c, "250", "2.0.0", "Ok");
	} else if (is(line, "QUIT") != NULL) {
		count(QUITS, 1);
		reply(c, "221", "2.0.0", "Bye");
		flush(c);
		c->open = false;
	} else {
		reply(c, "502", "5.5.2", "Not understood");
	}
}

static void
serve(struct conn *c)
{
	char *line;

	if (opt.implicit)
		start_tls(c);
	if (c->open)
		reply(c, "220", NULL, "sink ESMTP");
	while (c->open && (line = next_line(c)) != NULL) {
		count(COMMANDS, 1);
		c->batch++;
		command(c, line);
	}
	count_max(BATCH, c->batch);
	if (c->ssl != NULL) {
		(void)SSL_shutdown(c->ssl);
		c->in += BIO_number_read(SSL_get_rbio(c->ssl));
		c->out += BIO_number_written(SSL_get_wbio(c->ssl));
		SSL_free(c->ssl);
		ERR_clear_error();
	}
	count(WIRE_IN, c->in);
	count(WIRE_OUT, c->out);
	(void)close(c->fd);
}

/* Each thread takes one connection after the other. */
static void *
worker(void *arg)
{
	struct timeval limit = { .tv_sec = SILENCE };
	unsigned char seed[16];
	struct conn *c = malloc(sizeof(*c));
	int on = 1, fd;

	(void)arg;
	if (c == NULL || RAND_bytes(seed, sizeof(seed)) != 1 ||
	    RAND_priv_bytes(seed, sizeof(seed)) != 1)
		abort();
	for (;;) {
		fd = accept4(opt.listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd == -1)
			continue;
		count(ACTIVE, 1);
		count(CONNECTIONS, 1);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		memset(c, 0, offsetof(struct conn, input));
		c->fd = fd;
		c->open = true;
		forget(c);
		serve(c);
		count(ACTIVE, UINT64_MAX);
	}
	return NULL;
}

/* ---- the program ---- */

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void
without(const char *name)
{
	size_t n = strlen(name);

	for (unsigned i = 0; i < KEYWORDS; i++)
		if (strncasecmp(name, keywords[i], n) == 0 &&
		    (keywords[i][n] == '\0' || keywords[i][n] == ' ')) {
			opt.offered &= ~(1U << i);
			return;
		}
	fprintf(stderr, "sink: no such keyword: %s\n", name);
	exit(2);
}

static const struct {
	const char	*name, **text;
	long		*number;
	bool		*flag;
} known[] = {
	{ "cert", &opt.cert, NULL, NULL },
	{ "key", &opt.key, NULL, NULL },
	{ "user", &opt.user, NULL, NULL },
	{ "password", &opt.password, NULL, NULL },
	{ "counters", &opt.counters, NULL, NULL },
	{ "show", &opt.show, NULL, NULL },
	{ "delay-message", NULL, &opt.delay, NULL },
	{ "port", NULL, &opt.port, NULL },
	{ "threads", NULL, &opt.threads, NULL },
	{ "implicit", NULL, NULL, &opt.implicit },
	{ "plain", NULL, NULL, &opt.plain },
	{ "no-auth", NULL, NULL, &opt.no_auth },
	{ "records", NULL, NULL, &opt.records },
	{ "verify", NULL, NULL, &opt.verify },
	{ "until-stdin-closes", NULL, NULL, &opt.stdin_ends },
	{ "without", NULL, NULL, NULL }
};
#define KNOWN	(sizeof(known) / sizeof(known[0]))

static void
options(int argc, char *argv[])
{
	struct option names_of[KNOWN + 1] = { { NULL, 0, NULL, 0 } };
	int i;

	for (i = 0; i < (int)KNOWN; i++)
		names_of[i] = (struct option){ known[i].name,
		    known[i].flag == NULL, NULL, i };
	while ((i = getopt_long(argc, argv, "", names_of, NULL)) != -1) {
		if (i == '?')
			exit(2);
		if (known[i].text != NULL)
			*known[i].text = optarg;
		else if (known[i].number != NULL)
			*known[i].number = atol(optarg);
		else if (known[i].flag != NULL)
			*known[i].flag = true;
		else
			without(optarg);
	}
	if (optind == argc && !(opt.plain && opt.implicit) && (opt.plain ||
	    opt.show != NULL || (opt.cert != NULL && opt.key != NULL)))
		return;
	fprintf(stderr, "usage: sink --cert FILE --key FILE | --plain "
	    "[options, see sink.c]\n");
	exit(2);
}

static void
load(void)
{
	static const unsigned char id[] = "sink";

	opt.ctx = SSL_CTX_new(TLS_server_method());
	if (opt.ctx == NULL ||
	    !SSL_CTX_set_min_proto_version(opt.ctx, TLS1_2_VERSION) ||
	    !SSL_CTX_set_session_id_context(opt.ctx, id, sizeof(id) - 1) ||
	    SSL_CTX_use_certificate_chain_file(opt.ctx, opt.cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(opt.ctx, opt.key,
	    SSL_FILETYPE_PEM) != 1) {
		ERR_print_errors_fp(stderr);
		exit(1);
	}
	SSL_CTX_set_read_ahead(opt.ctx, 1);
	SSL_CTX_set_default_read_buffer_len(opt.ctx, INPUT);
}

static void
start(void)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)opt.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	socklen_t len = sizeof(sin);
	pthread_t thread;
	int on = 1;

	opt.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (opt.listener == -1 || setsockopt(opt.listener, SOL_SOCKET,
	    SO_REUSEADDR, &on, sizeof(on)) == -1 ||
	    bind(opt.listener, (struct sockaddr *)&sin, len) == -1 ||
	    listen(opt.listener, 4096) == -1 ||
	    getsockname(opt.listener, (struct sockaddr *)&sin, &len) == -1)
		die("cannot listen");
	for (long i = 0; i < opt.threads; i++)
		if ((errno = pthread_create(&thread, NULL, worker, NULL)) != 0)
			die("cannot start a thread");
	printf("%u\n", (unsigned)ntohs(sin.sin_port));
	fflush(stdout);
}

int
main(int argc, char *argv[])
{
	char text[512];
	sigset_t set;
	int which;

	options(argc, argv);
	if (opt.show != NULL)
		return counters_show(opt.show);
	(void)signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	if (!opt.stdin_ends)
		sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (opt.counters != NULL && counters_map(opt.counters) == -1)
		die(opt.counters);
	if (!opt.plain)
		load();
	start();
	if (opt.stdin_ends)
		while (read(STDIN_FILENO, text, sizeof(text)) > 0)
			continue;
	else
		(void)sigwait(&set, &which);
	if (atomic_load(&counters[ACTIVE]) == 0)
		return 0;
	_exit(0);	/* the threads are at work */
}
