/*
 * The least that a client can do with this library of TLS: what no program that
 * submits a message can be faster than.  No configuration, no header, nothing
 * that is not needed to have a message accepted by a smarthost that is known.
 *
 *	floor --port N [--name HOST] [trust] [options] FILE
 *	    --port N			at 127.0.0.1
 *	    --name HOST			what the certificate is for; localhost
 *	    --ca FILE | --capath DIR | --system
 *					who is trusted; --system as OpenSSL does
 *					by default
 *	    --plain			no TLS
 *	    --implicit			TLS at once, instead of STARTTLS
 *	    --user U --password P	AUTH PLAIN; without: no AUTH
 *	    --recipients N		default 1
 *	    --bdat			BDAT instead of DATA: all in one flight
 *	    --messages N		the file so often, over one connection
 *	    --window W			with --bdat: so many messages at a time
 *					without a reply; default 1
 *	floor --startup			ends at once: what it costs to start
 *
 * FILE is a message with CRLF at the end of each line.  Exit status 0: all were
 * accepted; 1: they were not, and the reply (or what failed) is on stderr.
 *
 * What is written is kept until something must be read, so that the end of the
 * TLS handshake and EHLO, or a message and QUIT, are one write.  While a write
 * has to wait, what arrives is read: long flights do not end in a deadlock.
 * With DATA, MAIL, RCPT and DATA of a message ride with the end of the one
 * before: a round trip for each.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#define SMALL	((size_t)64 * 1024)	/* a file that is read, not mapped */
#define RECORD	((size_t)16 * 1024)
#define OUTPUT	(8 * RECORD)		/* before it is encrypted */
#define WIRE	(4 * (RECORD + 256))	/* ready for the socket */

static struct {
	const char	*ca, *capath, *name, *user, *password, *file;
	size_t		 messages, recipients, window, port;
	bool		 system, plain, implicit, bdat;
} opt = { .name = "localhost", .messages = 1, .recipients = 1, .window = 1 };

/* The socket, with what is to be written, and what arrived. */
static struct {
	int		 fd;
	size_t		 outlen, at, len, size;
	unsigned char	*in, out[WIRE];
} wire;

static SSL_CTX	*ctx;
static SSL	*ssl;

static char	 output[OUTPUT];	/* what we say, in clear */
static size_t	 outlen;
static char	 input[RECORD];		/* what we are told, in clear */
static size_t	 input_at, input_len;

static const char *message;
static size_t	 message_len;

static _Noreturn void
die(const char *what)
{
	unsigned long e = ERR_peek_error();

	if (e != 0)
		fprintf(stderr, "floor: %s: %s\n", what,
		    ERR_error_string(e, NULL));
	else
		fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	_exit(1);
}

/* ---- the socket ---- */

/* Reads what is there; waits for it where nothing is. */
static void
wire_read(int flags)
{
	ssize_t n;

	if (wire.at == wire.len)
		wire.at = wire.len = 0;
	if (wire.size - wire.len < RECORD) {
		wire.size = wire.size * 2 + 2 * RECORD;
		if ((wire.in = realloc(wire.in, wire.size)) == NULL)
			die("memory");
	}
	n = recv(wire.fd, wire.in + wire.len, wire.size - wire.len, flags);
	if (n == 0)
		errno = ECONNRESET;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		die("reading");
	if (n > 0)
		wire.len += (size_t)n;
}

static void
wire_send(const unsigned char *p, size_t n)
{
	struct pollfd pfd = { .fd = wire.fd, .events = POLLIN | POLLOUT };
	ssize_t done;

	while (n > 0) {
		done = send(wire.fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (done > 0) {
			p += done;
			n -= (size_t)done;
		} else if (errno != EAGAIN && errno != EINTR) {
			die("writing");
		} else if (poll(&pfd, 1, -1) > 0 && pfd.revents & POLLIN) {
			wire_read(MSG_DONTWAIT);
		}
	}
}

static void
wire_flush(void)
{
	wire_send(wire.out, wire.outlen);
	wire.outlen = 0;
}

/* As BIO_write_ex() and BIO_read_ex(). */
static int
wire_put(BIO *bio, const char *p, size_t n, size_t *done)
{
	(void)bio;
	if (n > WIRE - wire.outlen)
		wire_flush();
	if (n > WIRE) {
		wire_send((const unsigned char *)p, n);
	} else {
		memcpy(wire.out + wire.outlen, p, n);
		wire.outlen += n;
	}
	*done = n;
	return 1;
}

static int
wire_get(BIO *bio, char *p, size_t n, size_t *done)
{
	(void)bio;
	while (wire.at == wire.len) {
		if (wire.outlen > 0)
			wire_flush();
		wire_read(0);
	}
	if (n > wire.len - wire.at)
		n = wire.len - wire.at;
	memcpy(p, wire.in + wire.at, n);
	wire.at += n;
	*done = n;
	return 1;
}

/* A flush that is asked for is left to the next read. */
static long
wire_control(BIO *bio, int command, long n, void *p)
{
	(void)bio;
	(void)n;
	(void)p;
	return command == BIO_CTRL_FLUSH;
}

static void
wire_open(void)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)opt.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	int on = 1;

	wire.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (wire.fd == -1 ||
	    setsockopt(wire.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    connect(wire.fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		die("connecting");
}

/* ---- TLS ---- */

static void
tls_prepare(void)
{
	BIO_METHOD *method;
	BIO *bio;
	bool ok;

	/* names of ciphers, of errors, and openssl.cnf are of no use here */
	if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
	    OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_LOAD_CONFIG |
	    OPENSSL_INIT_NO_ATEXIT, NULL) ||
	    !OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_SSL_STRINGS |
	    OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_LOAD_CONFIG |
	    OPENSSL_INIT_NO_ATEXIT, NULL) ||
	    (ctx = SSL_CTX_new(TLS_client_method())) == NULL)
		die("TLS");
	if (opt.ca != NULL)
		ok = SSL_CTX_load_verify_file(ctx, opt.ca);
	else if (opt.capath != NULL)
		ok = SSL_CTX_load_verify_dir(ctx, opt.capath);
	else
		ok = opt.system && SSL_CTX_set_default_verify_paths(ctx);
	if (!ok)
		die("whom to trust");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "wire");
	if (method == NULL || !BIO_meth_set_write_ex(method, wire_put) ||
	    !BIO_meth_set_read_ex(method, wire_get) ||
	    !BIO_meth_set_ctrl(method, wire_control) ||
	    (bio = BIO_new(method)) == NULL || (ssl = SSL_new(ctx)) == NULL)
		die("TLS");
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	if (!SSL_set_tlsext_host_name(ssl, opt.name) ||
	    !SSL_set1_host(ssl, opt.name))
		die("the name");
}

static bool encrypted;

static void
tls_start(void)
{
	if (SSL_connect(ssl) != 1) {
		if (SSL_get_verify_result(ssl) != X509_V_OK)
			fprintf(stderr, "floor: %s\n",
			    X509_verify_cert_error_string(
			    SSL_get_verify_result(ssl)));
		die("handshake");
	}
	encrypted = true;
}

/* ---- what is said, and what is told ---- */

static void
write_out(const char *p, size_t n)
{
	size_t done;

	if (n == 0)
		return;
	if (!encrypted)
		(void)wire_put(NULL, p, n, &done);
	else if (SSL_write_ex(ssl, p, n, &done) != 1)
		die("writing");
}

static void
output_end(void)
{
	write_out(output, outlen);
	outlen = 0;
}

static void
say(const char *p, size_t n)
{
	while (n > OUTPUT - outlen) {
		size_t part = OUTPUT - outlen;

		memcpy(output + outlen, p, part);
		outlen += part;
		output_end();
		p += part;
		n -= part;
	}
	memcpy(output + outlen, p, n);
	outlen += n;
}

static void
say_text(const char *text)
{
	say(text, strlen(text));
}

/* One line of a reply. */
static const char *
next_line(size_t *len)
{
	const char *line, *end;
	size_t n;

	while ((end = memchr(input + input_at, '\n',
	    input_len - input_at)) == NULL) {
		input_len -= input_at;
		memmove(input, input + input_at, input_len);
		input_at = 0;
		if (input_len == sizeof(input)) {
			errno = EMSGSIZE;
			die("a line");
		}
		if (!encrypted)
			(void)wire_get(NULL, input + input_len,
			    sizeof(input) - input_len, &n);
		else if (SSL_read_ex(ssl, input + input_len,
		    sizeof(input) - input_len, &n) != 1)
			die("reading");
		input_len += n;
	}
	line = input + input_at;
	*len = (size_t)(end - line);
	input_at += *len + 1;
	return line;
}

/* A reply that begins with this digit; nothing else will do. */
static void
expect(char digit)
{
	const char *line;
	size_t n;

	output_end();
	do {
		line = next_line(&n);
		if (n < 3 || line[0] != digit) {
			fprintf(stderr, "floor: %.*s\n", (int)n, line);
			_exit(1);
		}
	} while (n > 3 && line[3] == '-');
}

/* ---- a message ---- */

/* The next dot at the start of a line that begins after one of these octets. */
static const char *
next_dot(const char *p, const char *limit)
{
	const char *end = message + message_len;

	while (p < limit) {
		p = memchr(p, '\n', (size_t)(limit - p));
		if (p == NULL || ++p == end)
			return NULL;
		if (*p == '.' && p - message > 1 && p[-2] == '\r')
			return p;
	}
	return NULL;
}

/* As much as fills whole records: that need not be copied.  What is left. */
static const char *
say_records(const char *p, const char *end)
{
	size_t part = (RECORD - outlen % RECORD) % RECORD, n;

	if ((size_t)(end - p) < part + RECORD)
		return p;
	say(p, part);
	output_end();
	p += part;
	n = (size_t)(end - p) / RECORD * RECORD;
	write_out(p, n);
	return p + n;
}

/* The content, with dots before dots. */
static void
say_content(void)
{
	const char *p = message, *seen = p, *end = p + message_len;
	const char *limit, *dot;

	if (p < end && *p == '.')
		say(".", 1);
	while (p < end) {
		limit = (size_t)(end - p) > OUTPUT ? p + OUTPUT : end;
		dot = next_dot(seen, limit);
		seen = dot != NULL ? dot : limit;
		p = say_records(p, seen);
		if (dot == NULL && limit < end)
			continue;
		say(p, (size_t)(seen - p));
		p = seen;
		if (dot != NULL)
			say(".", 1);
	}
}

/* MAIL, RCPT, and DATA or all of the message. */
static void
say_message(const char *envelope, size_t len)
{
	say(envelope, len);
	if (!opt.bdat)
		return;
	if (message_len <= OUTPUT - outlen) {
		say(message, message_len);
		return;
	}
	output_end();
	write_out(message, message_len);
}

static void
expect_envelope(void)
{
	for (size_t i = 0; i < opt.recipients + 1; i++)
		expect('2');
}

static char *
make_envelope(size_t *len)
{
	char *text = malloc(opt.recipients * 48 + 128), *p = text;

	if (text == NULL)
		die("memory");
	p += sprintf(p, "MAIL FROM:<from@example.com>\r\n");
	for (size_t i = 0; i < opt.recipients; i++)
		p += sprintf(p, "RCPT TO:<to%zu@example.com>\r\n", i);
	if (opt.bdat)
		p += sprintf(p, "BDAT %zu LAST\r\n", message_len);
	else
		p += sprintf(p, "DATA\r\n");
	*len = (size_t)(p - text);
	return text;
}

/* A round trip for each message, and one more. */
static void
send_data(void)
{
	size_t len;
	char *envelope = make_envelope(&len);

	say_message(envelope, len);
	for (size_t i = 0; i < opt.messages; i++) {
		expect_envelope();
		expect('3');
		say_content();
		say_text(".\r\n");
		if (i + 1 < opt.messages)
			say_message(envelope, len);
		else
			say_text("QUIT\r\n");
		expect('2');
	}
}

/* When the window is full, half of it is waited for: then as many are written
 * at once. */
static void
send_bdat(void)
{
	size_t len, sent = 0, done = 0;
	char *envelope = make_envelope(&len);

	while (done < opt.messages) {
		while (sent < opt.messages && sent - done < opt.window) {
			say_message(envelope, len);
			if (++sent == opt.messages)
				say_text("QUIT\r\n");
		}
		do {
			expect_envelope();
			expect('2');
			done++;
		} while (done < sent && (sent == opt.messages ||
		    sent - done > opt.window / 2));
	}
}

static void
say_auth(void)
{
	char plain[512], coded[1024];
	int n = snprintf(plain, sizeof(plain), "%c%s%c%s", 0, opt.user, 0,
	    opt.password);

	if (n < 0 || n >= (int)sizeof(plain))
		die("the password");
	(void)EVP_EncodeBlock((unsigned char *)coded, (unsigned char *)plain,
	    n);
	say_text("AUTH PLAIN ");
	say_text(coded);
	say_text("\r\n");
	expect('2');
}

/* ---- the program ---- */

static void
load(void)
{
	int fd = open(opt.file, O_RDONLY | O_CLOEXEC);
	char *text = malloc(SMALL);
	struct stat st;
	ssize_t n;

	if (fd == -1 || text == NULL || (n = read(fd, text, SMALL)) < 0)
		die(opt.file);
	message = text;
	message_len = (size_t)n;
	if (message_len < SMALL)
		return;
	if (fstat(fd, &st) == -1)
		die(opt.file);
	message_len = (size_t)st.st_size;
	message = mmap(NULL, message_len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (message == MAP_FAILED)
		die(opt.file);
}

static const char *
value(const char *name, char *argv[])
{
	if (argv[1] == NULL) {
		fprintf(stderr, "floor: %s what?\n", name);
		exit(2);
	}
	return argv[1];
}

/* Options with a value.  false: it is none. */
static bool
option(const char *name, char *argv[])
{
	static const struct {
		const char *name, **text;
		size_t *number;
	} known[] = {
		{ "--ca", &opt.ca, NULL },
		{ "--capath", &opt.capath, NULL },
		{ "--name", &opt.name, NULL },
		{ "--user", &opt.user, NULL },
		{ "--password", &opt.password, NULL },
		{ "--messages", NULL, &opt.messages },
		{ "--recipients", NULL, &opt.recipients },
		{ "--window", NULL, &opt.window },
		{ "--port", NULL, &opt.port }
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(name, known[i].name) != 0)
			continue;
		if (known[i].text != NULL)
			*known[i].text = value(name, argv);
		else
			*known[i].number = strtoul(value(name, argv), NULL, 10);
		return true;
	}
	return false;
}

static void
options(char *argv[])
{
	for (argv++; *argv != NULL; argv++) {
		if (option(*argv, argv))
			argv++;
		else if (strcmp(*argv, "--startup") == 0)
			_exit(0);
		else if (strcmp(*argv, "--system") == 0)
			opt.system = true;
		else if (strcmp(*argv, "--plain") == 0)
			opt.plain = true;
		else if (strcmp(*argv, "--implicit") == 0)
			opt.implicit = true;
		else if (strcmp(*argv, "--bdat") == 0)
			opt.bdat = true;
		else if (**argv != '-')
			opt.file = *argv;
		else
			opt.port = 0, opt.file = NULL;
	}
	if (opt.port == 0 || opt.file == NULL || opt.window == 0 ||
	    opt.messages == 0 || (opt.user == NULL) != (opt.password == NULL)) {
		fprintf(stderr, "usage: floor --port N [options, see floor.c] "
		    "FILE\n");
		exit(2);
	}
}

int
main(int argc, char *argv[])
{
	(void)argc;
	options(argv);
	(void)mallopt(M_TOP_PAD, 1024 * 1024);
	wire_open();
	load();
	if (!opt.plain)
		tls_prepare();
	if (opt.implicit)
		tls_start();
	expect('2');
	say_text("EHLO localhost\r\n");
	expect('2');
	if (!opt.plain && !opt.implicit) {
		say_text("STARTTLS\r\n");
		expect('2');
		tls_start();
		say_text("EHLO localhost\r\n");
		expect('2');
	}
	if (opt.user != NULL)
		say_auth();
	if (opt.bdat)
		send_bdat();
	else
		send_data();
	_exit(0);
}
