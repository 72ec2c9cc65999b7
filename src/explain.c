/*
 * Why something has failed, and what helps. See explain.h. The rows for what this program itself knows are here, those for what servers say in explain_hints.c and explain_codes.c.
 */
#include <stdlib.h>
#include <string.h>
#include "explain_table.h"

/* What the program itself knows to be the cause. */
static const struct explanation by_cause[CAUSE_COUNT] = {
	[CAUSE_NONE] = {"", ""},
	[CAUSE_USAGE] = {"", "see \"sendmail --help\" or sendmail(8) for the flags"},
	[CAUSE_NO_TOPIC] = {"", "sendmail --explain alone lists what there is"},
	[CAUSE_DAEMON] = {"it was called as the mail daemon that it replaces",
	    "remove the daemon's start script; for programs that need SMTP on localhost:25 let systemd or inetd start \"sendmail -bs\", see sendmail(8)"},
	[CAUSE_CONFIG_MISSING] = {"the program was installed, but not yet told where to send mail",
	    "write /etc/sendmail.conf (sendmail.conf(5) has an example), or set SENDMAIL_SMARTHOST and SENDMAIL_PASSWORD"},
	[CAUSE_CONFIG_UNREADABLE] = {"the user who sends mail may not read it, or its name is wrong",
	    "check the name and the rights of the file and of the directories above it"},
	[CAUSE_CONFIG_WRONG] = {"", "correct it; sendmail.conf(5) lists the options"},
	[CAUSE_CONFIG_EXPOSED] = {"", "chmod o-r the file, or move the password into a password-file"},
	[CAUSE_NO_DOMAIN] = {"this machine or container has a name without a domain", "set domain or from in the configuration"},
	[CAUSE_CONFIG_FLAG] = {"-C comes from whoever calls the program, so it may name only a file that root has put below /etc",
	    "name the file in the environment variable SENDMAIL_CONF instead"},
	[CAUSE_SECRET_MISSING] = {"", "set password, password-file, password-env or password-command of the smarthost"},
	[CAUSE_SECRET_UNREADABLE] = {"the user who sends mail may not read it, or its name is wrong",
	    "check the name and the rights of the file"},
	[CAUSE_OAUTH_KEY] = {"it is no RSA key in PEM form, is encrypted with another passphrase, or belongs to another certificate", "check client-certificate and client-key"},
	[CAUSE_OAUTH_ANSWER] = {"token-url is not that of a token endpoint, or a proxy has answered in its place", "check token-url, and proxy"},
	[CAUSE_OAUTH_REFUSED] = {"client-id, its secret or certificate, tenant or scope is wrong or has expired, or the provider has not permitted it",
	    "see what the provider says, and correct it there or in the configuration"},
	[CAUSE_OAUTH_STORE] = {"the directory is missing, or this user may not write there", "make the directory for the user who sends, mode 700, and run it as that user"},
	[CAUSE_OAUTH_ACCOUNT] = {"it is not the key file in JSON form that Google gives for a service account", "make a key for the account, and store the file as it is"},
	[CAUSE_OAUTH_DOWN] = {"the token endpoint or the network is down, or a firewall is in the way", "try again later; check token-url, and set proxy if there is one to go through"},
	[CAUSE_OAUTH_TLS] = {"the package ca-certificates is not installed, a proxy shows a certificate of its own, or somebody is in between",
	    "install ca-certificates, or set ca-file of oauth; no secret was sent"},
	[CAUSE_OAUTH_PROXY] = {"it wants a user and password, or does not allow that host", "check proxy, proxy-user and proxy-password; ask its operator"},
	[CAUSE_OAUTH_CONSENT] = {"nobody has authorized this program yet, or the authorization was withdrawn or has expired", "run sendmail --authorize on a terminal; where the provider has no such way put a new refresh token into the file"},
	[CAUSE_SECRET_LATE] = {"nobody writes to the pipe that it comes from", "start what fills the pipe, or name a file"},
	[CAUSE_SECRET_COMMAND] = {"", "run the command by hand as the same user: it has to print the secret and exit 0"},
	[CAUSE_OUTPUT] = {"whoever reads the output has gone away or stands still, or the disk is full", "see where the output goes"},
	[CAUSE_INPUT] = {"the caller has closed it, or has given a directory", "give the message on standard input"},
	[CAUSE_CHANGED] = {"somebody writes to the file while it is being sent", "write the file to its end first, or under another name, and send it then"},
	[CAUSE_SPACE] = {"the disk is full, or nothing can be written", "make room in the queue, $TMPDIR, /var/tmp or /tmp"},
	[CAUSE_HEADER_TOO_LARGE] = {"what should be the body has been taken for the header, or there are too many recipients in it",
	    "put an empty line between header and body; give recipients on the command line"},
	[CAUSE_LOOP] = {"it is being sent in a circle, by a forwarding to itself for example", "follow its Received fields and break the circle"},
	[CAUSE_NO_RECIPIENTS] = {"To, Cc and Bcc are missing or empty, or -t was forgotten",
	    "give recipients on the command line, or in the header together with -t"},
	[CAUSE_BAD_ADDRESS] = {"", "correct it: an address is like name@example.com or Name <name@example.com>, with commas between addresses"},
	[CAUSE_ALIAS_FILE] = {"", "correct the alias file; the line was skipped"},
	[CAUSE_ALIAS] = {"its alias is a program or a file, and only mail can be submitted here", "give it an address in the alias file"},
	[CAUSE_NEEDS_SMTPUTF8] = {"the address has letters outside ASCII",
	    "write its domain in xn-- form, use another address, or a smarthost that offers SMTPUTF8"},
	[CAUSE_NEEDS_8BITMIME] = {"8-bit content that may not be converted, a signed message for example",
	    "encode it as quoted-printable or base64 before it is signed, or use a smarthost that offers 8BITMIME"},
	[CAUSE_TOO_LARGE] = {"an attachment is too large for this provider", "send it smaller, or ask for a higher limit"},
	[CAUSE_NO_HOST] = {"the name is misspelt, or the resolver of this machine or container does not know it",
	    "check the name of the smarthost, and /etc/resolv.conf"},
	[CAUSE_NO_SRV] = {"the domain does not name its servers in DNS, or the resolver of this machine or container does not pass such records on",
	    "leave srv out, and name the server itself as smarthost"},
	[CAUSE_LOOKUP] = {"no name server answers: the network is down, or /etc/resolv.conf is wrong", "check the network and /etc/resolv.conf"},
	[CAUSE_UNREACHABLE] = {"the service is down, a firewall is in the way, the name or port is wrong, or the provider blocks port 25",
	    "check host and port of the smarthost (587 as a rule), and firewalls here and there"},
	[CAUSE_TIMEOUT] = {"the service hangs or is overloaded, or a firewall swallows the traffic",
	    "try again later; if it stays so, check the network between here and there"},
	[CAUSE_LOST] = {"the service was restarted or is overloaded, or something in between cut the connection", "try again later"},
	[CAUSE_REPEATED] = {"the connection was lost meanwhile, and the smarthost does not stand by what it had said", "send it again later"},
	[CAUSE_NONSENSE] = {"something other than a mail server listens there, or the port expects TLS at once",
	    "check host and port; port 465 takes tls = \"implicit\", 587 takes \"starttls\""},
	[CAUSE_NO_STARTTLS] = {"the port is wrong, a firewall removes STARTTLS, or the server has no TLS",
	    "check the port (587; 465 with tls = \"implicit\"); nothing was sent, and no password"},
	[CAUSE_INJECTED] = {"somebody between here and there tried to slip commands in, or the server is broken",
	    "tell the operator of the smarthost; nothing was sent, and no password"},
	[CAUSE_TLS] = {"the port does not speak TLS, or both sides have no version or cipher in common",
	    "check port and tls (465: \"implicit\", 587: \"starttls\")"},
	[CAUSE_TLS_CLIENT_CERT] = {"", "check tls-certificate and tls-key: PEM files that the sending user may read, and that belong together"},
	[CAUSE_CERT_CA] = {"the smarthost has a certificate of its own making or of a private authority, or somebody is in between",
	    "if it is yours, name its authority in tls-ca-file or its certificate in tls-fingerprint; no password was sent"},
	[CAUSE_CERT_EXPIRED] = {"its operator has not renewed it, or the clock of this machine is wrong",
	    "check the clock, and tell the operator; no password was sent"},
	[CAUSE_CERT_NOT_YET] = {"the clock of this machine is wrong", "set the clock; no password was sent"},
	[CAUSE_CERT_NAME] = {"the smarthost is configured under another name than its certificate has, or somebody is in between",
	    "use a name from the certificate as smarthost, or set tls-name; no password was sent"},
	[CAUSE_CERT_OTHER] = {"", "tell the operator of the smarthost; no password was sent"},
	[CAUSE_CERT_FINGERPRINT] = {"the smarthost has a new certificate, or somebody is in between",
	    "ask the operator which it is, and set tls-fingerprint anew only then; no password was sent"},
	[CAUSE_NO_TRUST_STORE] = {"the package ca-certificates is not installed, as in many containers",
	    "install ca-certificates, or set tls-ca-file; no password was sent"},
	[CAUSE_NO_OPENSSL] = {"the package of the library (libssl3 on Debian) is not installed, as in a container that only the program was copied into",
	    "install it; no password was sent"},
	[CAUSE_CLEAR_AUTH] = {"", "set tls to \"starttls\" or \"implicit\""},
	[CAUSE_NO_AUTH_OFFERED] = {"the port is the wrong one (25 as a rule takes no sign-in), or AUTH is offered after TLS alone",
	    "use port 587 with tls = \"starttls\" or 465 with \"implicit\"; leave user out if none is needed"},
	[CAUSE_NO_COMMON_MECHANISM] = {"the smarthost takes other ways to sign in, or option auth asks for one that it lacks",
	    "remove auth, or give what it asks for: a password, a token-command, or a client certificate"},
	[CAUSE_REFUSED_PROOF] = {"wrong user or password; or the smarthost offers this mechanism, but has no password of that user that fits it",
	    "check user and password; if they are right, set auth = \"PLAIN\""},
	[CAUSE_REFUSED_BOUND] = {"wrong user or password; or somebody is in between, which channel binding shows",
	    "check user and password; if they are right, ask the operator before you try another mechanism"},
	[CAUSE_REFUSED_TOKEN] = {"the token is expired, or for another account, service or scope", "see that oauth, token-command or token-file gives a fresh access token for SMTP, of that account"},
	[CAUSE_REFUSED_CERTIFICATE] = {"the smarthost does not know the client certificate, or it is not for that user",
	    "check tls-certificate, user and authorization-id, and ask the operator"},
	[CAUSE_NEEDS_AUTH] = {"it takes mail only from those who sign in", "set user and password; if they are set, ask its operator what this account may"},
	[CAUSE_SENDER] = {"the account may not send with this sender", "set from to the account's own address, and override-from = true"},
	[CAUSE_SASL] = {"the smarthost's side of this mechanism is broken, or something in between changes it",
	    "set auth to another mechanism that it offers, and tell its operator"},
	[CAUSE_UNPROVEN] = {"it is not the server that it says it is, or its side of this mechanism is broken",
	    "tell its operator; no mail was sent, nor the password itself"},
	[CAUSE_DOWNGRADE] = {"somebody between here and there changes what the smarthost says",
	    "tell its operator; no mail was sent, nor the password itself"},
	[CAUSE_NO_REQUIRETLS] = {"", "use a smarthost that offers REQUIRETLS, or do not ask for it"},
	[CAUSE_QUEUE] = {"the directory is missing, its disk is read-only, or the user who sends may not write there",
	    "see that it is there, and that who sends may write to it; sendmail.conf(5) tells which rights it needs"},
	[CAUSE_QUEUE_FULL] = {"the disk is full, or a quota is used up", "make room there"},
	[CAUSE_QUEUE_EXPOSED] = {"its mode lets anybody put files there and take them away", "take that right away: chmod o-w"},
	[CAUSE_QUEUE_RUNNER] = {"the file runner in it was made by another user, or is no plain file", "remove that file"},
	[CAUSE_TRACE] = {"its directory is missing, its disk is full, or the user who sends may not write there", "see that who sends may write to it, or give it another place"},
	[CAUSE_QUEUE_LIMIT] = {"queue-max-messages or queue-max-size is reached, since the smarthost could not be used for a while, or nobody runs sendmail -q",
	    "see with mailq what waits and why; then run sendmail -q, or raise the bound"},
	[CAUSE_QUEUE_BUSY] = {"", "try again when that has ended"},
	[CAUSE_QUEUE_FOREIGN] = {"", "run it as the user to whom the directory belongs, or as root"},
	[CAUSE_QUEUE_BROKEN] = {"the disk or the file system has altered it, or it is of another version of this program", "look at the file; it was left as it is"},
	[CAUSE_EXPIRED] = {"the smarthost could not be used for all that time", "see what the last attempt says; send it again when that is mended"},
	[CAUSE_SYSTEM] = {"this machine or container is short of something", "see what the system says, and raise the limit"},
	[CAUSE_BUG] = {"a bug in this program", "report it with the output of -v"},
};

static bool
code_fits(int want, int code)
{
	return want == 0 || want == code || want == code / 100;
}

static bool
enhanced_fits(const char *want, const char *enhanced)
{
	size_t n;

	if (want == NULL)
		return true;
	n = strlen(want);
	return want[n - 1] == '.' ? strncmp(enhanced, want, n) == 0 : strcmp(enhanced, want) == 0;
}

static const struct explanation *
hint(const struct outcome *o, enum explain_hint_kind kind)
{
	for (size_t i = 0; i < explain_hints_count; i++) {
		const struct explain_hint *h = &explain_hints[i];

		if (h->kind == kind && (h->stage == STAGE_NONE || h->stage == o->stage) && code_fits(h->code, o->code) && enhanced_fits(h->enhanced, o->enhanced) &&
		    (h->words == NULL || strcasestr(o->why, h->words) != NULL))
			return &h->why;
	}
	return NULL;
}

/* "5.7.606-649": a row of many. */
static bool
is_in_range(const char *range, const char *code)
{
	const char *dot = strrchr(range, '.'), *dash = strchr(range, '-');
	size_t n = (size_t)(dot - range) + 1;
	long detail;

	if (dash == NULL || strncmp(range, code, n) != 0)
		return false;
	detail = strtol(code + n, NULL, 10);
	return detail >= strtol(dot + 1, NULL, 10) && detail <= strtol(dash + 1, NULL, 10);
}

bool
explain_enhanced_fits(const struct explain_enhanced *row, const char *code)
{
	if (code[0] == '\0' || code[1] != '.')
		return false;
	if (row->code[0] == 'X')
		return strcmp(row->code + 1, code + 1) == 0;
	return strcmp(row->code, code) == 0 || is_in_range(row->code, code);
}

const struct explain_code *
explain_code_row(int code)
{
	for (size_t i = 0; i < explain_codes_count; i++)
		if (explain_codes[i].code == code)
			return &explain_codes[i];
	return NULL;
}

/* True where what the code speaks of can be meant at that stage. */
static bool
is_meant(enum explain_at at, enum stage stage)
{
	switch (at) {
	case AT_ANY:
		return true;
	case AT_AUTH:
		return stage == STAGE_AUTH;
	case AT_MAIL:
		return stage >= STAGE_MAIL;
	case AT_RCPT:
		return stage >= STAGE_RCPT;
	case AT_DOT:
		return stage >= STAGE_DATA;
	}
	return false;
}

/* By an enhanced status code that says something. */
static const struct explanation *
precise(const struct outcome *o)
{
	for (size_t i = 0; i < explain_enhanceds_count; i++) {
		const struct explain_enhanced *row = &explain_enhanceds[i];

		if (explain_enhanced_fits(row, o->enhanced) && is_meant(row->at, o->stage))
			return row->vague || row->why.cause[0] == '\0' ? NULL : &row->why;
	}
	return NULL;
}

static const struct explanation *
by_code(const struct outcome *o, bool plain)
{
	const struct explain_code *row = explain_code_row(o->code);

	return row != NULL && row->plain == plain && row->why.cause[0] != '\0' ? &row->why : NULL;
}

/* The most telling first: what is known of this stage and these words, the enhanced status code, the stage and the code, the code, the stage alone, the first digit. */
static const struct explanation *
by_reply(const struct outcome *o)
{
	static const struct explanation passes = {"a trouble of the smarthost that passes", "try again later"};
	static const struct explanation refused = {"the smarthost does not allow it", "see what the reply says, and ask its operator"};
	const struct explanation *e = hint(o, HINT_WORDS);

	if (e == NULL)
		e = precise(o);
	if (e == NULL)
		e = hint(o, HINT_CODE);
	if (e == NULL)
		e = by_code(o, true);
	if (e == NULL)
		e = hint(o, HINT_STAGE);
	if (e == NULL)
		e = by_code(o, false);
	if (e == NULL)
		e = o->code / 100 == 4 ? &passes : &refused;
	return e;
}

const struct explanation *
explain(const struct outcome *o)
{
	static const struct explanation none = {"", ""};

	static const struct explanation kept = {"", "see whether sendmail --check finds the same"};	/* the queue keeps the words of a failure, not its cause */

	if (o->cause == CAUSE_REPLY)
		return by_reply(o);
	if (o->cause == CAUSE_NONE && o->stage >= STAGE_CONFIG)
		return &kept;
	return (unsigned)o->cause < CAUSE_COUNT && by_cause[o->cause].cause != NULL ? &by_cause[o->cause] : &none;
}
