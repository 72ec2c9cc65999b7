/*
 * One connection from greeting to QUIT: RFC 5321, 2920 (pipelining), 3207
 * (STARTTLS).
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "smarthost.h"

struct command {
	const char	*verb;
	bool		 ends_flight;
	void		(*run)(struct conn *, const char *);
};

void
transaction_reset(struct conn *c)
{
	free(c->tx.recipient);
	memset(&c->tx, 0, sizeof(c->tx));
	memset(c->seen_in_tx, 0, sizeof(c->seen_in_tx));
	if (c->sink.open && c->sink.fp != NULL)
		fclose(c->sink.fp);
	if (c->sink.path[0] != '\0')
		remove(c->sink.path);
	EVP_MD_CTX_free(c->sink.md);
	memset(&c->sink, 0, sizeof(c->sink));
}

static void
command_ehlo(struct conn *c, const char *name)
{
	struct saying s;
	char text[REPLY_SIZE];
	int code;

	offer_text(c, text, sizeof(text));
	if (*name == '\0') {
		record_violation(c, "syntax", "EHLO without a name");
		answer(c, ST_EHLO, name, 501, NULL, "Whom may I greet?");
		return;
	}
	code = plan(c, &s, ST_EHLO, ST_NONE, name, text);
	if (code == 250) {
		offer_note(&c->offer, s.text, s.len);
		snprintf(c->ehlo, sizeof(c->ehlo), "EHLO %s", name);
		transaction_reset(c);
	}
	speak(c, &s);
}

static void
command_helo(struct conn *c, const char *name)
{
	int code;

	if (*name == '\0') {
		record_violation(c, "syntax", "HELO without a name");
		answer(c, ST_HELO, name, 501, NULL, "Whom may I greet?");
		return;
	}
	offer_note(&c->offer, NULL, 0);
	code = answer(c, ST_HELO, name, 250, NULL, c->opt->name);
	if (code == 250) {
		snprintf(c->ehlo, sizeof(c->ehlo), "HELO %s", name);
		transaction_reset(c);
	}
}

static void
command_starttls(struct conn *c, const char *arg)
{
	int code;

	if (*arg != '\0')
		record_violation(c, "syntax", "STARTTLS with an argument");
	if (!offered(c, "STARTTLS"))
		record_violation(c, "order", "STARTTLS was not offered");
	if (c->tls != TLS_STARTTLS || c->ssl != NULL)
		code = answer(c, ST_STARTTLS, "", 503, "5.5.1",
		    "TLS is not to be had here");
	else
		code = answer(c, ST_STARTTLS, "", 220, "2.0.0",
		    "Ready to start TLS");
	if (code != 220 || c->gone)
		return;
	c->in_pos = c->in_len = 0;
	offer_note(&c->offer, NULL, 0);
	c->ehlo[0] = '\0';
	transaction_reset(c);
	replay_rewind(c);
	tls_start(c);
}

static void
command_rset(struct conn *c, const char *arg)
{
	if (*arg != '\0')
		record_violation(c, "syntax", "RSET with an argument");
	transaction_reset(c);
	answer(c, ST_RSET, arg, 250, "2.0.0", "Ok");
}

static void
command_noop(struct conn *c, const char *arg)
{
	answer(c, ST_NOOP, arg, 250, "2.0.0", "Ok");
}

static void
command_vrfy(struct conn *c, const char *arg)
{
	answer(c, ST_VRFY, arg, 252, "2.0.0", "Send some mail, I'll try");
}

static void
command_help(struct conn *c, const char *arg)
{
	answer(c, ST_HELP, arg, 214, "2.0.0", "There is a README");
}

static void
command_quit(struct conn *c, const char *arg)
{
	if (*arg != '\0')
		record_violation(c, "syntax", "QUIT with an argument");
	answer(c, ST_QUIT, arg, 221, "2.0.0", "Bye");
	io_close(c, true);
}

static void
run_data(struct conn *c, const char *arg)
{
	if (*arg != '\0')
		record_violation(c, "syntax", "DATA with an argument");
	command_data(c);
}

static const struct command commands[] = {
	{ "EHLO", true, command_ehlo },
	{ "HELO", true, command_helo },
	{ "STARTTLS", true, command_starttls },
	{ "AUTH", true, command_auth },
	{ "MAIL", false, command_mail },
	{ "RCPT", false, command_rcpt },
	{ "DATA", true, run_data },
	{ "BDAT", false, command_bdat },
	{ "RSET", false, command_rset },
	{ "NOOP", true, command_noop },
	{ "VRFY", true, command_vrfy },
	{ "EXPN", true, command_vrfy },
	{ "HELP", true, command_help },
	{ "QUIT", true, command_quit },
};

static void
unknown(struct conn *c)
{
	c->ends_flight = false;
	record_violation(c, "syntax", "unknown command: %s", c->line);
	answer(c, ST_UNKNOWN, c->line, 500, "5.5.2", "What?");
}

static bool
has_eight(const char *p)
{
	for (; *p != '\0'; p++) {
		if ((unsigned char)*p >= 0x80)
			return true;
	}
	return false;
}

static void
dispatch(struct conn *c)
{
	const char *arg;
	size_t i, n;

	n = strcspn(c->line, " ");
	arg = c->line + n;
	arg += *arg == ' ';
	if (has_eight(c->line) && !offered(c, "SMTPUTF8"))
		record_violation(c, "8bit-command", "%s", c->line);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!c->line_bad && strlen(commands[i].verb) == n &&
		    strncasecmp(commands[i].verb, c->line, n) == 0) {
			c->ends_flight = commands[i].ends_flight;
			commands[i].run(c, arg);
			return;
		}
	}
	unknown(c);
}

static bool
greet(struct conn *c)
{
	char text[1024];

	c->ends_flight = c->unanswered = true;
	snprintf(text, sizeof(text), "220 %s ESMTP\r\n", c->opt->name);
	say(c, ST_BANNER, "", text);
	return !c->gone;
}

void
session_run(struct conn *c)
{
	say(c, ST_CONNECT, "", NULL);
	if (!c->gone && c->tls == TLS_IMPLICIT)
		tls_start(c);
	if (!c->gone && greet(c)) {
		while (!c->gone && io_line(c))
			dispatch(c);
	}
	if (c->eof || c->gone)
		record_event(c, '#', "end%s", c->seen[ST_QUIT] > 0 ? "" :
		    ", without QUIT");
	transaction_reset(c);
	io_close(c, true);
}
