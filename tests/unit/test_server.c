/*
 * The other side of the dialogue: what a caller says to -bs, what it is answered, and what of it the smarthost gets (CONTRACT section 3a).
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include "smtp_peer.h"
#include "smtp/server.h"

#define EHLO	"EHLO here\r\n"
#define MAIL	"MAIL FROM:<a@x.org>\r\n"
#define RCPT	"RCPT TO:<b@x.org>\r\n"
#define BEGIN	EHLO MAIL RCPT
#define HEAD	"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nFrom: a@x.org\r\nTo: b@x.org\r\nMessage-ID: <1@x.org>\r\n"
#define TEXT	HEAD "\r\nhello\r\n..\r\n...x\r\n"
#define PLAIN	"250-hi\r\n250 ENHANCEDSTATUSCODES"
#define FULL	"250-hi\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 SIZE 100000"

struct talk {
	struct peer peer[2];
	size_t peers;			/* that listen; the smarthosts behind them are not there */
	struct smarthost host[2];
	struct config config;
	struct aliases aliases;
	struct outcome trouble;
	struct trace trace;
	struct server_setup setup;
	struct buf out;			/* all that was said to the caller */
	struct buf codes;		/* the replies' codes, each with a blank */
	struct buf log;			/* of each transaction: its word, or else its status; each with '\n' */
	size_t transactions;
	int status;
	pthread_t thread;
	int say, hear;			/* the caller's ends, in a dialogue */
};

static void
note(void *arg, struct result *r)
{
	struct talk *t = arg;

	if (r->word != NULL)
		buf_printf(&t->log, "%s\n", r->word);
	else
		buf_printf(&t->log, "%d\n", r->status);
}

/* The smarthosts say ehlo to EHLO; NULL: nobody is there. */
static struct talk *
new_talk(const char *ehlo)
{
	static char address[] = "127.0.0.1", name[] = "c.example.com";
	struct talk *t = mem_alloc(sizeof(*t));

	t->peers = ehlo != NULL ? 1 : 0;
	for (size_t i = 0; i < 2; i++) {
		t->peer[i].ehlo = ehlo;
		t->host[i] = (struct smarthost){.host = address, .tls = TLS_MODE_NONE};
	}
	t->config = (struct config){
		.smarthost = t->host, .smarthosts = 1, .hostname = name, .encode_headers = true, .timeout = PATIENCE / 1000, .idle_timeout = PATIENCE / 1000,
	};
	trace_init(&t->trace, -1, NULL);
	t->setup = (struct server_setup){
		.config = &t->config, .trouble = &t->trouble, .aliases = &t->aliases, .host = "here.example.net", .trace = &t->trace, .finished = note, .arg = t,
	};
	return t;
}

static void
start_peers(struct talk *t)
{
	for (size_t i = 0; i < 2; i++) {
		peer_start(&t->peer[i]);
		if (i >= t->peers)
			peer_stop(&t->peer[i]);
		t->host[i].port = t->peer[i].port;
	}
}

static void
stop_peers(struct talk *t)
{
	for (size_t i = 0; i < t->peers; i++)
		peer_stop(&t->peer[i]);
}

/* What RFC 5321 section 4.2 asks of each line, and section 4.5.3.1.5 of its length. */
static void
read_codes(struct talk *t)
{
	char before[4] = "";

	buf_puts(&t->out, "");
	assert_int_equal(strlen(t->out.data), t->out.len);
	buf_puts(&t->codes, "");
	for (const char *p = t->out.data, *end; *p != '\0'; p = end + 2) {
		end = strstr(p, "\r\n");
		assert_non_null(end);
		assert_in_range(end - p, 4, 510);
		for (const char *q = p; q < end; q++)
			assert_in_range(*q, ' ', '~');
		assert_true(strspn(p, "0123456789") == 3 && *p >= '2' && *p <= '5' && (p[3] == ' ' || p[3] == '-'));
		assert_true(*before == '\0' || strncmp(before, p, 3) == 0);
		(void)snprintf(before, sizeof(before), "%.*s", p[3] == '-' ? 3 : 0, p);
		if (*before == '\0')
			buf_printf(&t->codes, "%.3s ", p);
	}
	assert_string_equal(before, "");
}

/* The caller says all this at once, and then nothing more. */
static void
talk(struct talk *t, const char *text, size_t n)
{
	int in = memfd_create("in", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);
	char block[4096];
	ssize_t got;

	assert_true(in >= 0 && out >= 0 && write(in, text, n) == (ssize_t)n && lseek(in, 0, SEEK_SET) == 0);
	start_peers(t);
	t->setup.in = in;
	t->setup.out = out;
	t->status = server_run(&t->setup, &t->transactions);
	stop_peers(t);
	assert_int_equal(lseek(out, 0, SEEK_SET), 0);
	while ((got = read(out, block, sizeof(block))) > 0)
		buf_add(&t->out, block, (size_t)got);
	(void)close(in);
	(void)close(out);
	read_codes(t);
}

static void
free_talk(struct talk *t)
{
	size_t logged = 0;

	for (const char *p = buf_str(&t->log); *p != '\0'; p++)
		logged += *p == '\n';
	assert_int_equal(logged, t->transactions);
	peer_free(&t->peer[0]);
	peer_free(&t->peer[1]);
	aliases_free(&t->aliases);
	buf_free(&t->out);
	buf_free(&t->codes);
	buf_free(&t->log);
	free(t);
}

static void
assert_talk(const struct talk *t, const char *codes, int status, const char *log)
{
	if (strcmp(t->codes.data, codes) != 0)
		fail_msg("\"%s\", not \"%s\":\n%s", t->codes.data, codes, t->out.data);
	if (t->status != status)
		fail_msg("status %d, not %d:\n%s", t->status, status, t->out.data);
	if (strcmp(buf_str(&t->log), log) != 0)
		fail_msg("log \"%s\", not \"%s\":\n%s", buf_str(&t->log), log, t->out.data);
}

static void
assert_said(const struct talk *t, const char *text)
{
	if (strstr(t->out.data, text) == NULL)
		fail_msg("no \"%s\" in:\n%s", text, t->out.data);
}

/* Also that the transactions that it began follow each other as they have to. */
static void
assert_heard(const struct talk *t, const char *commands)
{
	bool begun = false;

	for (const char *p = buf_str(&t->peer[0].commands); *p != '\0'; p = strchr(p, '\n') + 1) {
		if (begun && strncmp(p, "MAIL ", 5) == 0)
			fail_msg("MAIL within a transaction:\n%s", t->peer[0].commands.data);
		begun = strncmp(p, "RCPT ", 5) == 0 || (begun && strncmp(p, "RSET", 4) != 0 && strncmp(p, "EHLO", 4) != 0 && strncmp(p, "DATA", 4) != 0);
	}
	if (commands != NULL)
		assert_string_equal(buf_str(&t->peer[0].commands), commands);
}

/* These recipients stood between the last MAIL and DATA, of each message; the smarthost was not asked for others in that transaction. */
static void
assert_sent_to(const struct talk *t, const char *want)
{
	struct buf all = {0}, one = {0};

	buf_puts(&all, "");
	for (const char *p = buf_str(&t->peer[0].commands), *end; *p != '\0'; p = end + 1) {
		end = strchr(p, '\n');
		if (strncmp(p, "MAIL ", 5) == 0)
			buf_reset(&one);
		else if (strncmp(p, "RCPT TO:<", 9) == 0)
			buf_printf(&one, "%s%.*s", one.len > 0 ? " " : "", (int)(strcspn(p, ">") - 9), p + 9);
		else if (strncmp(p, "DATA", 4) == 0)
			buf_printf(&all, "%.*s; ", (int)one.len, buf_str(&one));
	}
	assert_string_equal(all.data, want);
	buf_free(&all);
	buf_free(&one);
}

static void
add_rule(struct talk *t, const char *on, unsigned nth, const char *say, enum then then)
{
	size_t i = 0;

	while (t->peer[0].rule[i].on != NULL)
		i++;
	t->peer[0].rule[i] = (struct rule){.on = on, .nth = nth, .say = say, .then = then};
}

static void
add_alias(struct talk *t, const char *name, const char *value)
{
	struct aliases *a = &t->aliases;

	a->alias = mem_grow(a->alias, a->count + 1, sizeof(*a->alias));
	a->alias[a->count] = (struct alias){.name = mem_dup(name), .value = mem_dup(value), .line = (unsigned)a->count + 1};
	a->count++;
}

#define TALK(t, text) talk(t, text, sizeof(text) - 1)

/* ---- a dialogue that goes well ---- */

/* The set that is always offered, whatever the smarthost has, and no more. */
static void
greeting_and_extensions(void **state)
{
	struct talk *t = new_talk(NULL);

	(void)state;
	TALK(t, EHLO "HELO here\r\nehlo  x\nQUIT\r\n");
	assert_talk(t, "220 250 250 250 221 ", 0, "");
	assert_int_equal(strncmp(t->out.data, "220 here.example.net ", 21), 0);
	assert_said(t, "\r\n250-here.example.net greets you\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-SIZE\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n"
	    "250-CHUNKING\r\n250 HELP\r\n250 here.example.net greets you\r\n");
	free_talk(t);
}

/* In each way to end lines; dots undone and done again; the smarthost's own words are the answers. */
static void
a_message_goes_through(void **state)
{
	static const char *const texts[] = {
		BEGIN "DATA\r\n" TEXT ".\r\nQUIT\r\n",
		"EHLO here\nMAIL FROM:<a@x.org>\nRCPT TO:<b@x.org>\nDATA\nDate: Thu, 1 Jan 2026 00:00:00 +0000\nFrom: a@x.org\nTo: b@x.org\nMessage-ID: <1@x.org>\n\n"
		    "hello\n..\n...x\n.\nQUIT\n",
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct talk *t = new_talk(PLAIN);

		add_rule(t, "MAIL", 0, "250 2.1.0 sender fine", GO_ON);
		add_rule(t, "RCPT", 0, "250-2.1.5 recipient\r\n250 2.1.5 fine", GO_ON);
		add_rule(t, ".", 0, "250 2.6.0 queued as 42", GO_ON);
		talk(t, texts[i], strlen(texts[i]));
		assert_talk(t, "220 250 250 250 354 250 221 ", 0, "0\n");
		assert_heard(t, "EHLO c.example.com\nMAIL FROM:<a@x.org>\nRCPT TO:<b@x.org>\nDATA\nQUIT\n");
		assert_string_equal(t->peer[0].data.data, TEXT ".\r\n");
		assert_string_equal(t->peer[0].delivered.data, "b@x.org\n");
		assert_said(t, "\r\n250 2.1.0 sender fine\r\n250-2.1.5 recipient\r\n250 2.1.5 fine\r\n354 ");
		assert_said(t, "\r\n250 2.6.0 queued as 42\r\n221 2.0.0 ");
		free_talk(t);
	}
}

/* With the repairs of section 3. */
static void
it_is_repaired(void **state)
{
	struct talk *t = new_talk(PLAIN);
	const char *data;

	(void)state;
	TALK(t, BEGIN "DATA\r\nSubject: x\r\nBcc: secret@x.org\r\nReturn-Path: <r@x.org>\r\nTo: bare\r\n\r\nhel\rlo\nthere\r\n.\r\n");
	assert_talk(t, "220 250 250 250 354 250 ", 0, "0\n");
	data = t->peer[0].data.data;
	assert_null(strstr(data, "secret"));
	assert_null(strstr(data, "Return-Path"));
	assert_non_null(strstr(data, "\r\nTo: bare@here.example.net\r\n"));
	assert_true(strstr(data, "Date: ") != NULL && strstr(data, "Message-ID: ") != NULL && strstr(data, "From: a@x.org\r\n") != NULL);
	assert_non_null(strstr(data, "\r\n\r\nhel lo\r\nthere\r\n.\r\n"));
	free_talk(t);
}

/* Any number of messages on one connection. */
static void
one_connection_for_all(void **state)
{
	struct talk *t = new_talk(FULL);

	(void)state;
	TALK(t, BEGIN "DATA\r\n" TEXT ".\r\n" MAIL RCPT "RSET\r\n" MAIL RCPT "DATA\r\n" TEXT ".\r\n" MAIL EHLO MAIL RCPT "DATA\r\n" TEXT ".\r\nQUIT\r\n");
	assert_talk(t, "220 250 250 250 354 250 250 250 250 250 250 354 250 250 250 250 250 354 250 221 ", 0, "0\ndropped\n0\ndropped\n0\n");
	assert_heard(t, NULL);
	assert_int_equal(t->peer[0].messages, 3);
	assert_int_equal(t->peer[0].connections, 1);
	free_talk(t);
}

static void
nothing_to_do(void **state)
{
	static const char *const texts[] = {"", "QUIT\r\n", "NOOP", "EHLO x\r\nRSET\r\nNOOP\r\n"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct talk *t = new_talk(PLAIN);

		talk(t, texts[i], strlen(texts[i]));
		assert_int_equal(t->status, 0);
		assert_int_equal(t->transactions, 0);
		assert_int_equal(t->peer[0].connections, 0);
		free_talk(t);
	}
}

static void
chunks(void **state)
{
	static const struct { const char *text, *codes, *log, *data; } rows[] = {
		{"BDAT 12 LAST\r\nA: b\r\n\r\nhi\r\n", "250 ", "0\n", "\r\n\r\nhi\r\n.\r\n"}, {"BDAT 10\r\nA: b\r\n\r\n.\rBDAT 3 LAST\n\n\nx", "250 250 ", "0\n", "\r\n\r\n..\r\n\r\nx\r\n.\r\n"},
		{"BDAT 11\r\nA: b\r\n\r\n.\r\nBDAT 0\r\nBDAT 0 LAST\r\n", "250 250 250 ", "0\n", "\r\n\r\n..\r\n.\r\n"},
		{"BDAT 5\r\nA: b\rRCPT TO:<c@x.org>\r\nDATA\r\nMAIL FROM:<a@x.org>\r\nRSET\r\nBDAT 6 LAST\r\nQUIT\r\n", "250 503 503 503 250 503 ", "dropped\n", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct talk *t = new_talk(PLAIN);
		char *text = mem_printf(BEGIN "%s", rows[i].text), *codes = mem_printf("220 250 250 250 %s", rows[i].codes);

		talk(t, text, strlen(text));
		assert_talk(t, codes, 0, rows[i].log);
		if (rows[i].data != NULL)
			assert_non_null(strstr(t->peer[0].data.data, rows[i].data));
		else
			assert_int_equal(t->peer[0].messages, 0);
		free(text);
		free(codes);
		free_talk(t);
	}
}

/* Where it is not known how many octets follow, none of them may be taken for a command. */
static void
a_chunk_without_a_length(void **state)
{
	static const char *const lines[] = {"BDAT", "BDAT x", "BDAT -1 LAST", "BDAT 6 LAS", "BDAT 99999999999999999999 LAST"};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(lines) / sizeof(lines[0]); i++) {
		struct talk *t = new_talk(PLAIN);
		char *text = mem_printf("%s" BEGIN "%s\r\nQUIT\r\n" RCPT "DATA\r\n" TEXT ".\r\n", i % 2 == 0 ? "" : "XYZ\r\nXYZ\r\nXYZ\r\nXYZ\r\nXYZ\r\nXYZ\r\nXYZ\r\nXYZ\r\nXYZ\r\n",
		    lines[i / 2]);

		talk(t, text, strlen(text));
		assert_talk(t, i % 2 == 0 ? "220 250 250 250 501 421 " : "220 500 500 500 500 500 500 500 500 500 250 250 250 501 421 ", EX_USAGE, "dropped\n");
		assert_int_equal(t->peer[0].messages, 0);
		free(text);
		free_talk(t);
	}
}

/* The octets of a chunk that is refused are no commands. */
static void
a_refused_chunk_is_taken(void **state)
{
	struct talk *t = new_talk(PLAIN);

	(void)state;
	add_rule(t, "RCPT", 0, "550 5.1.1 no", GO_ON);
	TALK(t, EHLO "BDAT 6\r\nQUIT\r\n" MAIL "BDAT 6 LAST\r\nQUIT\r\n" RCPT "BDAT 7 LAST\r\nQUIT\r\n\nNOOP\r\n");
	assert_talk(t, "220 250 503 250 503 550 554 250 ", 0, "dropped\n");
	free_talk(t);
}

static void
parameters_are_passed_on(void **state)
{
	struct talk *t = new_talk(FULL);

	(void)state;
	TALK(t, EHLO "mail from: a@x.org size=123 BODY=8BITMIME RET=HDRS ENVID=q+2B7\r\n"
	    "rcpt to:<b@x.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c+2Bd@x.org\r\nRCPT TO:<e@x.org>\r\nRSET\r\n"
	    "MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<\303\251@x.org>\r\nQUIT\r\n");
	assert_talk(t, "220 250 250 250 250 250 250 250 221 ", 0, "dropped\ndropped\n");
	assert_heard(t, NULL);
	assert_int_equal(strncmp(t->peer[0].commands.data, "EHLO c.example.com\nMAIL FROM:<a@x.org> SIZE=123 BODY=8BITMIME RET=HDRS ENVID=q+2B7\n"
	    "RCPT TO:<b@x.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c+2Bd@x.org\nRCPT TO:<e@x.org> ORCPT=rfc822;e@x.org\n"
	    "RSET\nMAIL FROM:<> SMTPUTF8\nRCPT TO:<\303\251@x.org>\n", 200), 0);
	free_talk(t);
}

/* ---- what is refused ---- */

static void
order(void **state)
{
	struct talk *t = new_talk(PLAIN);

	(void)state;
	TALK(t, RCPT "DATA\r\nBDAT 0 LAST\r\n" MAIL MAIL "DATA\r\n" RCPT "DATA x\r\n" MAIL RCPT "DATA\r\n" TEXT ".\r\n" RCPT "QUIT\r\n");
	assert_talk(t, "220 503 503 503 250 503 503 250 501 503 250 354 250 503 221 ", 0, "0\n");
	assert_heard(t, "EHLO c.example.com\nMAIL FROM:<a@x.org>\nRCPT TO:<b@x.org>\nDATA\nQUIT\n");
	free_talk(t);
}

static void
other_commands(void **state)
{
	static const struct { const char *line, *code; } rows[] = {
		{"NOOP", "250 "}, {"NOOP text", "250 "}, {"RSET", "250 "}, {"VRFY a", "252 "}, {"VRFY", "501 "}, {"EXPN a", "502 "}, {"HELP", "214 "}, {"HELP MAIL", "214 "},
		{"HELP what", "214 "}, {"SEND FROM:<a@x>", "502 "}, {"SOML FROM:<a@x>", "502 "}, {"SAML FROM:<a@x>", "502 "}, {"TURN", "502 "}, {"STARTTLS", "502 "},
		{"AUTH PLAIN AGEAYg==", "502 "}, {"XYZ", "500 "}, {"", "500 "}, {"EHLO", "501 "}, {"HELO", "501 "}, {"MAIL", "501 "}, {"MAIL FROM:<a@x> X=1", "555 "},
		{"MAIL FROM:<a@x> SIZE=x", "501 "}, {"MAIL FROM:<a@x", "501 "}, {"NOOP \303\251", "501 "}, {"MAIL FROM:<\303\251@x>", "501 "}, {"QUIT", "221 "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct talk *t = new_talk(PLAIN);
		char *text = mem_printf(EHLO "%s\r\n", rows[i].line), *codes = mem_printf("220 250 %s", rows[i].code);

		talk(t, text, strlen(text));
		assert_talk(t, codes, 0, "");
		assert_int_equal(t->peer[0].connections, 0);
		free(text);
		free(codes);
		free_talk(t);
	}
}

static void
octets_that_no_command_has(void **state)
{
	struct talk *t = new_talk(PLAIN);

	(void)state;
	TALK(t, EHLO "NOOP\0\r\nMAIL FROM:<a@x.org>\0<c@x.org>\r\n\0\r\nQUIT\0\r\n" MAIL "RCPT TO:<b\0@x.org>\r\nRCPT TO:<\303\251@x.org>\r\nDATA\0\r\nRSET\r\n");
	assert_talk(t, "220 250 501 501 501 501 250 501 501 501 250 ", 0, "dropped\n");
	assert_heard(t, "EHLO c.example.com\nMAIL FROM:<a@x.org>\nRSET\nQUIT\n");
	free_talk(t);
}

/* 512 octets with the line end, and 2,048 of MAIL and RCPT. One that is longer is refused whole. */
static void
long_lines(void **state)
{
	static const struct { const char *begin; size_t n; const char *code; } rows[] = {
		{"NOOP ", 510, "250 "}, {"NOOP ", 511, "500 "}, {"DATA ", 5000, "500 "}, {"MAIL FROM:<a@x.org> ", 2046, "250 "}, {"MAIL FROM:<a@x.org> ", 2047, "500 "},
		{"QUIT ", 100000, "500 "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct talk *t = new_talk(PLAIN);
		char *codes = mem_printf("220 250 %s250 221 ", rows[i].code);
		struct buf b = {0};

		buf_puts(&b, EHLO);
		buf_puts(&b, rows[i].begin);
		memset(buf_room(&b, rows[i].n), ' ', rows[i].n);
		b.len = strlen(EHLO) + rows[i].n;
		buf_end(&b);
		buf_puts(&b, "\r\nNOOP\r\nQUIT\r\n");
		talk(t, b.data, b.len);
		assert_string_equal(t->codes.data, codes);
		free(codes);
		buf_free(&b);
		free_talk(t);
	}
}

/* Ten commands refused for their form end it; what the smarthost refuses does not count. */
static void
ten_bad_commands(void **state)
{
	static const char *const bad[] = {"XYZ\r\n", "EHLO\r\n", "EXPN x\r\n", "DATA\r\n", "MAIL FROM:<a@x> X\r\n", "NOOP \303\251\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct talk *t = new_talk(PLAIN);
		struct buf b = {0};

		for (int k = 0; k < 9; k++)
			buf_printf(&b, "%sNOOP\r\n", bad[i]);
		talk(t, b.data, b.len);
		assert_int_equal(t->status, 0);
		free_talk(t);
		t = new_talk(PLAIN);
		buf_printf(&b, "%sNOOP\r\nQUIT\r\n", bad[i]);
		talk(t, b.data, b.len);
		assert_int_equal(t->status, EX_USAGE);
		assert_int_equal(strlen(t->codes.data), 4 * (1 + 10 + 9 + 1));
		assert_string_equal(t->codes.data + strlen(t->codes.data) - 4, "421 ");
		free_talk(t);
		buf_free(&b);
	}
}

static void
verdicts_do_not_count(void **state)
{
	struct talk *t = new_talk(PLAIN);
	struct buf b = {0};

	(void)state;
	add_rule(t, "RCPT TO:<r", 0, "550 5.1.1 no such user", GO_ON);
	buf_puts(&b, EHLO MAIL);
	for (int i = 0; i < 30; i++)
		buf_printf(&b, "RCPT TO:<r%d@x.org>\r\n", i);
	buf_puts(&b, RCPT "DATA\r\n" TEXT ".\r\nQUIT\r\n");
	talk(t, b.data, b.len);
	assert_string_equal(t->codes.data + strlen(t->codes.data) - 20, "550 250 354 250 221 ");
	assert_string_equal(t->peer[0].delivered.data, "b@x.org\n");
	assert_string_equal(t->log.data, "67\n");
	assert_int_equal(t->status, 0);
	buf_free(&b);
	free_talk(t);
}

/* What was sent along with a MAIL that is refused for a reason of its own is no fault of the caller's, who has been offered PIPELINING. */
static void
sent_along_with_mail(void **state)
{
	struct talk *t = new_talk(PLAIN);
	struct buf b = {0};

	(void)state;
	add_rule(t, "MAIL", 1, "451 4.3.0 later", GO_ON);
	buf_puts(&b, EHLO MAIL);
	for (int i = 0; i < 30; i++)
		buf_puts(&b, RCPT);
	buf_puts(&b, "DATA\r\n" MAIL RCPT "DATA\r\n" TEXT ".\r\nQUIT\r\n");
	talk(t, b.data, b.len);
	assert_string_equal(t->codes.data + strlen(t->codes.data) - 24, "503 250 250 354 250 221 ");
	assert_int_equal(t->status, 0);
	assert_string_equal(t->log.data, "75\n0\n");
	buf_free(&b);
	free_talk(t);
}

/* The bound on the recipients of a transaction is no fault either: the rest take another message. */
static void
too_many_recipients(void **state)
{
	size_t max = getenv("UNDER_VALGRIND") == NULL ? SERVER_RCPT_MAX : 100;	/* slow there, and nothing new */
	struct talk *t = new_talk(PLAIN);
	struct buf b = {0};

	(void)state;
	buf_puts(&b, EHLO MAIL);
	for (size_t i = 0; i < max + (max == SERVER_RCPT_MAX ? 20 : 0); i++)
		buf_printf(&b, "RCPT TO:<r%zu@x.org>\r\n", i);
	buf_puts(&b, "DATA\r\n" TEXT ".\r\nQUIT\r\n");
	talk(t, b.data, b.len);
	assert_string_equal(t->codes.data + strlen(t->codes.data) - 16, max == SERVER_RCPT_MAX ? "452 354 250 221 " : "250 354 250 221 ");
	assert_string_equal(t->log.data, "0\n");
	assert_int_equal(t->peer[0].messages, 1);
	b.len = 0;
	for (const char *p = t->peer[0].delivered.data; *p != '\0'; p = strchr(p, '\n') + 1)
		b.len++;
	assert_int_equal(b.len, max);
	buf_free(&b);
	free_talk(t);
}

/* Somebody else's protocol: ended at once, before anything of it is taken for a command. */
static void
no_smtp_at_all(void **state)
{
	static const char *const texts[] = {
		"GET / HTTP/1.1\r\nHost: localhost:25\r\n\r\n" BEGIN, "POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n" BEGIN "DATA\r\n" TEXT ".\r\n",
		"CONNECT x:25 HTTP/1.1\r\n" BEGIN, "Subject: x\r\nTo: y\r\n\r\n" BEGIN,
	};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct talk *t = new_talk(PLAIN);

		talk(t, texts[i], strlen(texts[i]));
		assert_talk(t, "220 421 ", EX_USAGE, "");
		assert_int_equal(t->peer[0].connections, 0);
		free_talk(t);
	}
}

/* ---- verdicts ---- */

static void
the_smarthosts_verdicts(void **state)
{
	static const struct { const char *on, *say, *codes, *said, *log; } rows[] = {
		{"MAIL", "550 5.7.1 not you", "550 503 503 ", "550 5.7.1 not you", "77\n"}, {"MAIL", "451 4.3.0 later", "451 503 503 ", "451 4.3.0 later", "75\n"},
		{"MAIL", "552 5.3.4 too large", "552 503 503 ", "552 5.3.4 too large", "65\n"}, {"MAIL", "421 4.3.2 bye", "451 503 503 ", "451 4.3.2 bye", "75\n"},
		{"RCPT", "550-5.1.1 no\r\n550 5.1.1 really", "250 550 554 ", "550 5.1.1 no really", "dropped\n"},
		{"RCPT", "450 greylisted", "250 450 554 ", "450 4.2.0 greylisted", "dropped\n"}, {"RCPT", "452 4.5.3 too many", "250 452 554 ", "452 4.5.3 too many", "dropped\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct talk *t = new_talk(PLAIN);
		char *codes = mem_printf("220 250 %s221 ", rows[i].codes);

		add_rule(t, rows[i].on, 0, rows[i].say, GO_ON);
		TALK(t, BEGIN "DATA\r\nQUIT\r\n");
		assert_talk(t, codes, 0, rows[i].log);
		assert_said(t, rows[i].said);
		assert_int_equal(t->peer[0].messages, 0);
		free(codes);
		free_talk(t);
	}
}

/* On the message; the next one is taken on the same connection. */
static void
verdicts_on_the_message(void **state)
{
	static const struct { const char *on, *say, *code, *said, *log; } rows[] = {
		{".", "554 5.7.1 spam", "554", "\r\n554 5.7.1 spam\r\n", "69\n0\n"}, {".", "452 4.3.1 full", "452", "\r\n452 4.3.1 full\r\n", "75\n0\n"},
		{".", "552 too large", "552", "\r\n552 5.3.4 too large\r\n", "65\n0\n"}, {"DATA", "451 4.3.0 later", "451", "\r\n451 4.3.0 later\r\n", "75\n0\n"},
		{"DATA", "554 5.7.1 no", "554", "\r\n554 5.7.1 no\r\n", "69\n0\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct talk *t = new_talk(PLAIN);
		char *codes = mem_printf("220 250 250 250 354 %s 250 250 354 250 221 ", rows[i].code);

		add_rule(t, rows[i].on, 1, rows[i].say, GO_ON);
		TALK(t, BEGIN "DATA\r\n" TEXT ".\r\n" MAIL RCPT "DATA\r\n" TEXT ".\r\nQUIT\r\n");
		assert_talk(t, codes, 0, rows[i].log);
		assert_said(t, rows[i].said);
		assert_heard(t, NULL);
		assert_int_equal(t->peer[0].messages, 1);
		assert_int_equal(t->peer[0].connections, 1);
		free(codes);
		free_talk(t);
	}
}

/* What the smarthost lacks, and what this program refuses by itself: the code, and the next message goes. */
static void
our_own_refusals(void **state)
{
	static const struct { const char *text, *codes, *said; } rows[] = {
		{"MAIL FROM:<\303\251@x.org> SMTPUTF8\r\n", "553 ", "553-5.6.7 "},
		{"MAIL FROM:<a@x.org> SMTPUTF8\r\nRCPT TO:<\303\251@x.org>\r\nRSET\r\n", "250 553 250 ", "553-5.6.7 "},
		{"MAIL FROM:<a@x.org> SIZE=301\r\n", "552 ", "552-5.3.4 "},
		{MAIL RCPT "DATA\r\n" TEXT "0123456789012345678901234567890123456789\r\n0123456789012345678901234567890123456789\r\n0123456789012345678901234567890123456789\r\n"
		    "0123456789012345678901234567890123456789\r\n0123456789012345678901234567890123456789\r\n.\r\n", "250 250 354 552 ", "552-5.3.4 "},
		{"MAIL FROM:<a b@x.org>\r\n", "501 ", "501"}, {"MAIL FROM:<a@x..org>\r\n", "501 ", "501"},
		{MAIL "RCPT TO:<b@-/x.org>\r\nRCPT TO:<b@x.org,c@x.org>\r\nRCPT TO:<G:c@x.org;>\r\nRSET\r\n", "250 501 501 501 250 ", "501"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct talk *t = new_talk("250-hi\r\n250 SIZE 300");
		char *text = mem_printf(EHLO "%s" MAIL RCPT "DATA\r\n" TEXT ".\r\nQUIT\r\n", rows[i].text), *codes = mem_printf("220 250 %s250 250 354 250 221 ", rows[i].codes);

		talk(t, text, strlen(text));
		assert_string_equal(t->codes.data, codes);
		assert_said(t, rows[i].said);
		assert_heard(t, NULL);
		assert_int_equal(t->peer[0].messages, 1);
		assert_int_equal(t->peer[0].connections, 1);
		free(text);
		free(codes);
		free_talk(t);
	}
}

static void
a_loop_and_a_promise(void **state)
{
	struct talk *t = new_talk(PLAIN);
	struct buf b = {0};

	(void)state;
	buf_puts(&b, BEGIN "DATA\r\n");
	for (int i = 0; i < 51; i++)
		buf_puts(&b, "Received: from x\r\n");
	buf_puts(&b, TEXT ".\r\n" MAIL RCPT "DATA\r\n" TEXT ".\r\n");
	talk(t, b.data, b.len);
	assert_talk(t, "220 250 250 250 354 554 250 250 354 250 ", 0, "69\n0\n");
	assert_said(t, "\r\n554-5.4.6 ");
	assert_heard(t, NULL);
	buf_free(&b);
	free_talk(t);
	t = new_talk(PLAIN);
	t->setup.requiretls = true;
	TALK(t, BEGIN "DATA\r\n");
	assert_talk(t, "220 250 550 503 503 ", 0, "69\n");
	free_talk(t);
}

/* A header beyond its bound, behind DATA and in a chunk: refused when all of it was read, nothing of it is sent, and the next message goes. */
static void
a_header_without_end(void **state)
{
	(void)state;
	for (int chunk = 0; chunk < 2; chunk++) {
		struct talk *t = new_talk(PLAIN);
		const size_t n = MESSAGE_HEADER_MAX + 1;
		struct buf b = {0};

		buf_puts(&b, BEGIN);
		if (chunk == 1)
			buf_printf(&b, "BDAT %zu LAST\r\nA: ", n + 3);
		else
			buf_puts(&b, "DATA\r\nA: ");
		memset(buf_room(&b, n), 'x', n);
		b.len += n;
		buf_end(&b);
		buf_puts(&b, chunk == 1 ? "" : "\r\n.\r\n");
		buf_puts(&b, MAIL RCPT "DATA\r\n" TEXT ".\r\nQUIT\r\n");
		talk(t, b.data, b.len);
		assert_talk(t, chunk == 1 ? "220 250 250 250 552 250 250 354 250 221 " : "220 250 250 250 354 552 250 250 354 250 221 ", 0, "65\n0\n");
		assert_heard(t, NULL);
		assert_int_equal(t->peer[0].messages, 1);
		buf_free(&b);
		free_talk(t);
	}
}

/* Named again after it was taken it is not asked for again; after it was refused it is, or is refused: never is anybody answered 250 who was not taken. */
static void
named_again(void **state)
{
	struct talk *t = new_talk(PLAIN);

	(void)state;
	add_rule(t, "RCPT TO:<bad@", 0, "550 5.1.1 no such user", GO_ON);
#define BAD "RCPT TO:<bad@x.org>\r\n"
	TALK(t, BEGIN RCPT BAD BAD "RCPT TO:<c@x.org>\r\n" BAD BAD BAD "RCPT TO:<d@x.org>\r\nDATA\r\n" TEXT ".\r\n");
	assert_talk(t, "220 250 250 250 250 550 550 250 550 550 550 250 354 250 ", 0, "67\n");
	assert_string_equal(t->peer[0].delivered.data, "b@x.org\nc@x.org\nd@x.org\n");
	free_talk(t);
}

/* One RCPT that has come to several: one verdict for all of them, and who was answered a refusal for gets nothing. */
static void
aliases(void **state)
{
	struct talk *t = new_talk(PLAIN);

	(void)state;
	add_alias(t, "nowhere", "/dev/null");
	add_alias(t, "root", "admin@example.com, bad@example.com, other@example.com");
	add_alias(t, "team", "b@x.org, c@x.org");
	add_rule(t, "RCPT TO:<bad@", 0, "550 5.1.1 no such user", GO_ON);
	TALK(t, EHLO MAIL "RCPT TO:<team>\r\nRCPT TO:<nowhere>\r\nRCPT TO:<nowhere>\r\nRCPT TO:<nowhere@localhost>\r\nRCPT TO:<root@here.example.net>\r\nRCPT TO:<d@x.org>\r\n"
	    "DATA\r\n" TEXT ".\r\n" MAIL "RCPT TO:<root>\r\nDATA\r\nRCPT TO:<other@example.com>\r\nDATA\r\n" TEXT ".\r\n");
	assert_talk(t, "220 250 250 250 550 550 550 550 250 354 250 250 550 554 250 354 250 ", 0, "67\n67\n");
	assert_said(t, "\r\n550-5.1.1 ");
	assert_heard(t, NULL);
	assert_sent_to(t, "b@x.org c@x.org d@x.org; other@example.com; ");
	free_talk(t);
}

/* ---- what is in the way of any mail ---- */

static void
no_configuration(void **state)
{
	struct talk *t = new_talk(NULL);

	(void)state;
	(void)outcome_set(&t->trouble, EX_CONFIG, STAGE_CONFIG, CAUSE_CONFIG_MISSING, "No such file or directory", "no configuration: /etc/sendmail.conf");
	t->config = (struct config){.timeout = 300, .idle_timeout = 300};
	TALK(t, BEGIN "DATA\r\nBDAT 6 LAST\r\nQUIT\r\nHELP\r\nVRFY x\r\nRSET\r\n" MAIL "QUIT\r\n");
	assert_talk(t, "220 250 451 503 503 503 214 252 250 451 221 ", 0, "78\n78\n");
	assert_said(t, "\r\n451-4.3.5 no configuration: /etc/sendmail.conf: No such file or directory\r\n451-4.3.5 Likely cause: ");
	assert_said(t, "\r\n451 4.3.5 Remedy: ");
	free_talk(t);
}

static void
nobody_is_there(void **state)
{
	struct talk *t = new_talk(NULL);

	(void)state;
	TALK(t, BEGIN "DATA\r\n" MAIL "QUIT\r\n");
	assert_talk(t, "220 250 451 503 503 451 221 ", 0, "75\n75\n");
	assert_said(t, "\r\n451-4.4.1 cannot connect to 127.0.0.1 port ");
	free_talk(t);
}

/* Sign-in and TLS: a verdict of the smarthost's on us is none on the caller. */
static void
no_way_in(void **state)
{
	static char user[] = "app", password[] = "word";
	static const struct { enum tls_mode tls; const char *on, *say, *auth, *log; } rows[] = {
		{TLS_MODE_NONE, "-", NULL, "535 5.7.8 wrong", "77\n"}, {TLS_MODE_NONE, "-", NULL, "530 5.7.0 what", "77\n"},
		{TLS_MODE_NONE, "-", NULL, "454 4.7.0 later", "75\n"}, {TLS_MODE_STARTTLS, "-", NULL, NULL, "76\n"}, {TLS_MODE_NONE, "BANNER", "554 5.7.1 not you", NULL, "69\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct talk *t = new_talk("250-hi\r\n250 AUTH PLAIN");

		t->host[0].tls = rows[i].tls;
		t->host[0].user = user;
		t->host[0].password = (struct secret_source){.kind = SECRET_TEXT, .value = password};
		t->peer[0].auth[0] = rows[i].auth;
		add_rule(t, rows[i].on, 0, rows[i].say, GO_ON);
		TALK(t, BEGIN "DATA\r\nQUIT\r\n");
		assert_talk(t, "220 250 451 503 503 221 ", 0, rows[i].log);
		assert_said(t, "\r\n451-4.3.5 ");
		assert_null(strstr(buf_str(&t->peer[0].commands), "MAIL"));
		free_talk(t);
	}
}

/* Nor is MAIL refused to the caller where it is us who should have signed in. And a password that was refused is not tried at each message. */
static void
no_way_in_at_mail(void **state)
{
	static char user[] = "app", password[] = "word";
	struct talk *t = new_talk("250-hi\r\n250 AUTH PLAIN");

	(void)state;
	add_rule(t, "MAIL", 0, "530 5.7.0 sign in first", GO_ON);
	TALK(t, EHLO MAIL);
	assert_talk(t, "220 250 451 ", 0, "76\n");
	assert_said(t, "451-4.3.5 ");
	assert_said(t, "sign in first");
	free_talk(t);
	t = new_talk("250-hi\r\n250 AUTH PLAIN");
	t->host[0].user = user;
	t->host[0].password = (struct secret_source){.kind = SECRET_TEXT, .value = password};
	for (size_t i = 0; i < 8; i++)
		t->peer[0].auth[i] = "535 5.7.8 wrong";
	TALK(t, EHLO MAIL MAIL MAIL);
	assert_talk(t, "220 250 451 451 451 ", 0, "77\n77\n77\n");
	assert_int_equal(t->peer[0].connections, 1);
	free_talk(t);
}

/* ---- the end of the data ---- */

/* What no rule of ours makes an end does not become one on the way: one message, and none of what is in it is a command. */
static void
nothing_is_smuggled(void **state)
{
	static const char *const ends[] = {"\n.\r\n", "\r.\r\n", "\r\n.\r\r\n", "\r.\r", "\r\0\n.\r\n", "\r\n\0.\r\n", "\r\n.\0\r\n", "\r\n.\n", "\n.\n"};
	static const size_t lengths[] = {4, 4, 6, 3, 6, 6, 6, 4, 3};

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]) * 4; i++) {
		struct talk *t = new_talk(i / 9 % 2 == 0 ? PLAIN : "250-hi\r\n250 CHUNKING");
		bool lf = i / 18 == 1;
		const char *data, *end;
		struct buf b = {0};

		if (lf && i % 9 >= 7) {		/* LF.LF is one there */
			free_talk(t);
			continue;
		}
		buf_puts(&b, lf ? BEGIN "DATA\n" TEXT : BEGIN "DATA\r\n" TEXT);
		buf_add(&b, ends[i % 9], lengths[i % 9]);
		buf_puts(&b, "MAIL FROM:<evil@x.org>\r\nRCPT TO:<victim@x.org>\r\nDATA\r\nFrom: evil@x.org\r\n\r\nx\r\n.\r\nQUIT\r\n");
		talk(t, b.data, b.len);
		assert_talk(t, "220 250 250 250 354 250 221 ", 0, "0\n");
		assert_int_equal(t->peer[0].messages, 1);
		assert_string_equal(t->peer[0].delivered.data, "b@x.org\n");
		assert_null(strstr(t->peer[0].commands.data, "evil"));
		data = t->peer[0].data.data;
		assert_int_equal(strlen(data), t->peer[0].data.len);
		for (const char *p = data; *p != '\0'; p = end + 2) {
			end = p + strcspn(p, "\r\n");
			assert_true(end[0] == '\r' && end[1] == '\n');
			assert_false(i / 9 % 2 == 0 && end - p == 1 && *p == '.' && end[2] != '\0');
		}
		buf_free(&b);
		free_talk(t);
	}
}

/* The input ends within a message: 65, and nothing of it is sent. Before it, nobody has lost anything. */
static void
the_input_ends(void **state)
{
	static const struct { const char *text; int status; const char *log; } rows[] = {
		{BEGIN "DATA\r\n" TEXT, EX_DATAERR, "dropped\n"}, {BEGIN "DATA\r\n" TEXT ".\r", EX_DATAERR, "dropped\n"}, {BEGIN "DATA\r\n" TEXT "\n.\n", EX_DATAERR, "dropped\n"},
		{BEGIN "DATA\n" TEXT ".", EX_DATAERR, "dropped\n"}, {BEGIN "DATA\r\n", EX_DATAERR, "dropped\n"}, {BEGIN "BDAT 100 LAST\r\n" HEAD, EX_DATAERR, "dropped\n"},
		{BEGIN "BDAT 5\r\nA: b\rBDAT 0", EX_DATAERR, "dropped\n"}, {BEGIN, 0, "dropped\n"}, {BEGIN "DATA", 0, "dropped\n"}, {EHLO MAIL "RCPT TO:<b@", 0, "dropped\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct talk *t = new_talk(i % 2 == 0 ? PLAIN : "250-hi\r\n250 CHUNKING");

		talk(t, rows[i].text, strlen(rows[i].text));
		assert_int_equal(t->status, rows[i].status);
		assert_string_equal(t->log.data, rows[i].log);
		assert_int_equal(t->peer[0].messages, 0);
		assert_null(strstr(t->peer[0].commands.data, "DATA"));
		assert_null(strstr(t->peer[0].commands.data, "BDAT"));
		free_talk(t);
	}
}

/* An input that cannot be read is none that has ended: 66. */
static void
the_input_cannot_be_read(void **state)
{
	struct talk *t = new_talk(PLAIN);
	int out = memfd_create("out", MFD_CLOEXEC);

	(void)state;
	t->setup.in = open("/", O_RDONLY | O_CLOEXEC);
	t->setup.out = out;
	assert_int_equal(server_run(&t->setup, &t->transactions), EX_NOINPUT);
	(void)close(t->setup.in);
	(void)close(out);
	free_talk(t);
}

/* ---- the connection is lost ---- */

#define TWO BEGIN "DATA\r\n" TEXT ".\r\n" MAIL RCPT "DATA\r\n" TEXT ".\r\nQUIT\r\n"

/* Between transactions (or of no use any more there), after RCPT, at DATA: reopened, envelope repeated, and each message there once. */
static void
lost_and_reopened(void **state)
{
	static const struct { const char *on, *say; enum then then; } rows[] = {
		{".", "250 2.0.0 queued", HANG_UP}, {".", "250 2.0.0 queued\r\n421 4.4.2 idle", HANG_UP}, {".", "250 2.0.0 queued\r\n250 what nobody asked for", GO_ON},
		{"RCPT", "250 2.1.5 ok", HANG_UP}, {"RCPT", "250 2.1.5 ok\r\n421 4.4.2 too slow", HANG_UP}, {"RCPT", NULL, HANG_UP}, {"MAIL", "250 2.1.0 ok", HANG_UP},
		{"DATA", NULL, HANG_UP},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) * 2; i++) {
		struct talk *t = new_talk(i % 2 == 0 ? PLAIN : "250-hi\r\n250 CHUNKING");
		const char *on = rows[i / 2].on;

		/* in chunks there is no DATA, and the message may be gone whole before the end of the connection is seen */
		if (i % 2 == 1 && (*on == 'D' || (*on == 'R' && rows[i / 2].say != NULL && strchr(rows[i / 2].say, '\n') == NULL))) {
			free_talk(t);
			continue;
		}
		add_rule(t, *on == '.' && i % 2 == 1 ? "BDAT" : on, 1, rows[i / 2].say, rows[i / 2].then);
		TALK(t, TWO);
		assert_talk(t, "220 250 250 250 354 250 250 250 354 250 221 ", 0, "0\n0\n");
		assert_int_equal(t->peer[0].messages, 2);
		assert_int_equal(t->peer[0].connections, 2);
		assert_string_equal(t->peer[0].delivered.data, "b@x.org\nb@x.org\n");
		free_talk(t);
	}
}

/* After RCPT, and a verdict is another one then: 451 4.4.2, nothing is sent, and the next message goes. */
static void
lost_and_not_the_same(void **state)
{
	static const struct { const char *on, *say; } rows[] = {
		{"RCPT", "550 5.1.1 no such user"}, {"RCPT", "450 4.2.0 later"}, {"MAIL", "550 5.7.1 not you"}, {"MAIL", "451 4.3.0 later"}, {"EHLO", "421 4.3.2 bye"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) * 2; i++) {
		struct talk *t = new_talk(i % 2 == 0 ? PLAIN : "250-hi\r\n250 CHUNKING");

		add_rule(t, "RCPT", 1, "250 2.1.5 ok\r\n421 4.4.2 too slow", HANG_UP);
		add_rule(t, rows[i / 2].on, *rows[i / 2].on == 'R' ? 1 : 2, rows[i / 2].say, GO_ON);	/* a line counts for the first rule that it is for */
		TALK(t, TWO);
		assert_talk(t, "220 250 250 250 354 451 250 250 354 250 221 ", 0, "75\n0\n");
		assert_true(strstr(t->out.data, "\r\n451 4.4.2 ") != NULL || strstr(t->out.data, "\r\n451-4.4.2 ") != NULL);
		assert_heard(t, NULL);
		assert_int_equal(t->peer[0].messages, 1);
		free_talk(t);
	}
}

/* After the dot, or with words that are half: 451, and never a second time. */
static void
lost_after_the_dot(void **state)
{
	static const char *const say[] = {NULL, "421 4.3.2 bye", "250-half"};

	(void)state;
	for (size_t i = 0; i < 3 * 2; i++) {
		struct talk *t = new_talk(i % 2 == 0 ? PLAIN : "250-hi\r\n250 CHUNKING");

		add_rule(t, i % 2 == 0 ? "." : "BDAT", 1, say[i / 2], HANG_UP);
		TALK(t, TWO);
		assert_talk(t, "220 250 250 250 354 451 250 250 354 250 221 ", 0, "75\n0\n");
		assert_int_equal(t->peer[0].connections, 2);
		assert_int_equal(t->peer[0].messages, i / 2 == 2 ? 2 : 1);	/* "250-half" it has taken for itself */
		free_talk(t);
	}
}

/* Several smarthosts, in order: until one has taken the sender or refused it for good. */
static void
several_smarthosts(void **state)
{
	static const struct { const char *on, *say; enum then then; const char *codes, *delivered; } rows[] = {
		{"BANNER", "554 5.7.1 no", HANG_UP, "250 250 354 250 ", "b@x.org\n"}, {"MAIL", "451 4.3.0 later", GO_ON, "250 250 354 250 ", "b@x.org\n"},
		{"MAIL", NULL, HANG_UP, "250 250 354 250 ", "b@x.org\n"}, {"MAIL", "550 5.7.1 no", GO_ON, "550 503 503 ", ""}, {"RCPT", "450 4.2.0 later", GO_ON, "250 450 554 ", ""},
		{".", "451 4.3.0 later", GO_ON, "250 250 354 451 ", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct talk *t = new_talk(PLAIN);
		char *codes = mem_printf("220 250 %s", rows[i].codes);
		const char *text = strstr(rows[i].codes, "354") != NULL ? BEGIN "DATA\r\n" TEXT ".\r\n" : BEGIN "DATA\r\n";

		t->peers = t->config.smarthosts = 2;
		add_rule(t, rows[i].on, 0, rows[i].say, rows[i].then);
		talk(t, text, strlen(text));
		assert_string_equal(t->codes.data, codes);
		assert_string_equal(buf_str(&t->peer[0].delivered), "");
		assert_string_equal(buf_str(&t->peer[1].delivered), rows[i].delivered);
		free(codes);
		free_talk(t);
	}
}

/* After a verdict on a recipient no other smarthost is tried, however often the first one is lost. */
static void
lost_and_no_other_is_tried(void **state)
{
	static const struct { const char *on; unsigned nth; const char *say; } rows[] = {
		{"BANNER", 2, "421 4.3.2 bye"}, {"EHLO", 2, NULL}, {"MAIL", 2, "451 4.3.0 later"}, {"RCPT", 1, "450 4.2.0 later"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct talk *t = new_talk(PLAIN);

		t->peers = t->config.smarthosts = 2;
		add_rule(t, "RCPT", 1, "250 2.1.5 ok\r\n421 4.4.2 too slow", HANG_UP);
		add_rule(t, rows[i].on, rows[i].nth, rows[i].say, HANG_UP);
		TALK(t, BEGIN "DATA\r\n" TEXT ".\r\nQUIT\r\n");
		assert_talk(t, "220 250 250 250 354 451 221 ", 0, "75\n");
		assert_int_equal(t->peer[0].messages, 0);
		assert_int_equal(t->peer[1].connections, 0);
		free_talk(t);
	}
}

/* ---- as it goes on ---- */

static void *
serve(void *arg)
{
	struct talk *t = arg;

	t->status = server_run(&t->setup, &t->transactions);
	(void)close(t->setup.in);
	(void)close(t->setup.out);
	return NULL;
}

static void
open_dialogue(struct talk *t)
{
	int in[2], out[2];

	(void)signal(SIGPIPE, SIG_IGN);
	assert_true(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
	t->setup.in = in[0];
	t->say = in[1];
	t->hear = out[0];
	t->setup.out = out[1];
	start_peers(t);
	assert_int_equal(pthread_create(&t->thread, NULL, serve, t), 0);
}

static void
say(const struct talk *t, const char *text)
{
	assert_int_equal(write(t->say, text, strlen(text)), strlen(text));
}

/* The next reply, which comes though nothing more is said. */
static void
hear(struct talk *t, const char *code)
{
	char line[600];
	size_t n = 0;

	do {
		struct pollfd ready = {.fd = t->hear, .events = POLLIN};

		if (n > 1 && line[n - 1] == '\n' && line[3] == '-')
			n = 0;
		assert_int_equal(poll(&ready, 1, PATIENCE), 1);
		assert_int_equal(read(t->hear, line + n, 1), 1);
		n++;
		assert_true(n < sizeof(line));
	} while (line[n - 1] != '\n' || line[3] == '-');
	if (strncmp(line, code, 3) != 0)
		fail_msg("%.*s, not %s", (int)n, line, code);
}

/* The caller hangs up on both sides, if it has not yet. */
static void
close_dialogue(struct talk *t)
{
	if (t->say != -1)
		(void)close(t->say);
	assert_int_equal(pthread_join(t->thread, NULL), 0);
	if (t->hear != -1)
		(void)close(t->hear);
	stop_peers(t);
}

/* Each answer comes before the next line is waited for: a caller without PIPELINING waits for it. */
static void
one_line_at_a_time(void **state)
{
	static const struct { const char *say, *code; } rows[] = {
		{EHLO, "250"}, {MAIL, "250"}, {RCPT, "250"}, {"RCPT TO:<", NULL}, {"c@x.org>\r", NULL}, {"\n", "250"}, {"DATA\r\n", "354"}, {TEXT, NULL}, {".", NULL}, {"\r\n", "250"},
		{MAIL, "250"}, {RCPT, "250"}, {"BDAT 4\r\nA: b", "250"}, {"BDAT 2 LAST\r\n", NULL}, {"\r", NULL}, {"\n", "250"}, {"XYZ\r\n", "500"}, {"QUIT\r\n", "221"},
	};
	struct talk *t = new_talk(PLAIN);
	char c;

	(void)state;
	open_dialogue(t);
	hear(t, "220");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		say(t, rows[i].say);
		if (rows[i].code != NULL)
			hear(t, rows[i].code);
	}
	assert_int_equal(read(t->hear, &c, 1), 0);
	close_dialogue(t);
	assert_int_equal(t->status, 0);
	assert_string_equal(t->log.data, "0\n0\n");
	assert_string_equal(t->peer[0].delivered.data, "b@x.org\nc@x.org\nb@x.org\n");
	free_talk(t);
}

/* Silence between commands, within a line, a message, a chunk: 421 and 75. */
static void
a_silent_caller(void **state)
{
	static const char *const texts[] = {"", EHLO "NOO", BEGIN "DATA\r\n" TEXT "\r\n.\r", BEGIN "BDAT 10 LAST\r\n123"};
	static const char *const codes[][8] = {{"220"}, {"220", "250"}, {"220", "250", "250", "250", "354"}, {"220", "250", "250", "250"}};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct talk *t = new_talk(PLAIN);

		t->config.idle_timeout = 1;
		open_dialogue(t);
		say(t, texts[i]);
		for (size_t k = 0; codes[i][k] != NULL; k++)
			hear(t, codes[i][k]);
		hear(t, "421");
		close_dialogue(t);
		assert_int_equal(t->status, EX_TEMPFAIL);
		assert_int_equal(t->peer[0].messages, 0);
		free_talk(t);
	}
}

/* A caller that is gone before it is told to go on: 74, and what it said is not sent. */
static void
a_caller_that_does_not_listen(void **state)
{
	static const char *const texts[] = {EHLO MAIL RCPT, BEGIN "DATA\r\n" TEXT ".\r\n"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct talk *t = new_talk(PLAIN);

		open_dialogue(t);
		hear(t, "220");
		(void)close(t->hear);
		t->hear = -1;
		say(t, texts[i]);
		close_dialogue(t);
		if (t->status != EX_IOERR)
			fail_msg("status %d (%zu)", t->status, i);
		assert_int_equal(t->peer[0].messages, 0);
		free_talk(t);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(greeting_and_extensions), cmocka_unit_test(a_message_goes_through), cmocka_unit_test(it_is_repaired),
		cmocka_unit_test(one_connection_for_all), cmocka_unit_test(nothing_to_do), cmocka_unit_test(chunks), cmocka_unit_test(a_chunk_without_a_length),
		cmocka_unit_test(a_refused_chunk_is_taken),
		cmocka_unit_test(parameters_are_passed_on), cmocka_unit_test(order), cmocka_unit_test(other_commands), cmocka_unit_test(octets_that_no_command_has),
		cmocka_unit_test(long_lines), cmocka_unit_test(ten_bad_commands), cmocka_unit_test(verdicts_do_not_count), cmocka_unit_test(sent_along_with_mail), cmocka_unit_test(too_many_recipients),
		cmocka_unit_test(no_smtp_at_all),
		cmocka_unit_test(the_smarthosts_verdicts), cmocka_unit_test(verdicts_on_the_message), cmocka_unit_test(our_own_refusals),
		cmocka_unit_test(a_loop_and_a_promise), cmocka_unit_test(a_header_without_end),
		cmocka_unit_test(named_again), cmocka_unit_test(aliases), cmocka_unit_test(no_configuration),
		cmocka_unit_test(nobody_is_there), cmocka_unit_test(no_way_in), cmocka_unit_test(no_way_in_at_mail),
		cmocka_unit_test(nothing_is_smuggled), cmocka_unit_test(the_input_ends),
		cmocka_unit_test(the_input_cannot_be_read),
		cmocka_unit_test(lost_and_reopened), cmocka_unit_test(lost_and_not_the_same), cmocka_unit_test(lost_after_the_dot),
		cmocka_unit_test(several_smarthosts), cmocka_unit_test(lost_and_no_other_is_tried), cmocka_unit_test(one_line_at_a_time), cmocka_unit_test(a_silent_caller),
		cmocka_unit_test(a_caller_that_does_not_listen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
