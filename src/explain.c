/*
 * The one table of causes and remedies. See explain.h.
 */
#include <string.h>
#include "explain.h"

/* What the program itself knows to be the cause. */
static const struct explanation by_cause[CAUSE_COUNT] = {
	[CAUSE_NONE] = {"", ""},
	[CAUSE_USAGE] = {"", "see \"sendmail --help\" or sendmail(8) for the flags"},
	[CAUSE_NOT_YET] = {"", "leave the flag out, or wait for a version that has it"},
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
	[CAUSE_SECRET_COMMAND] = {"", "run the command by hand as the same user: it has to print the secret and exit 0"},
	[CAUSE_INPUT] = {"the caller has closed it, or has given a directory", "give the message on standard input"},
	[CAUSE_SPACE] = {"the disk is full, or nothing can be written", "make room in the queue, $TMPDIR, /var/tmp or /tmp"},
	[CAUSE_HEADER_TOO_LARGE] = {"what should be the body has been taken for the header, or there are too many recipients in it",
	    "put an empty line between header and body; give recipients on the command line"},
	[CAUSE_LOOP] = {"it is being sent in a circle, by a forwarding to itself for example", "follow its Received fields and break the circle"},
	[CAUSE_NO_RECIPIENTS] = {"To, Cc and Bcc are missing or empty, or -t was forgotten",
	    "give recipients on the command line, or in the header together with -t"},
	[CAUSE_BAD_ADDRESS] = {"", "correct it: an address is like name@example.com or Name <name@example.com>, with commas between addresses"},
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
	[CAUSE_CLEAR_AUTH] = {"", "set tls to \"starttls\" or \"implicit\""},
	[CAUSE_NO_AUTH_OFFERED] = {"the port is the wrong one (25 as a rule takes no sign-in), or AUTH is offered after TLS alone",
	    "use port 587 with tls = \"starttls\" or 465 with \"implicit\"; leave user out if none is needed"},
	[CAUSE_NO_COMMON_MECHANISM] = {"the smarthost takes other ways to sign in, or option auth asks for one that it lacks",
	    "remove auth, or give what it asks for: a password, a token-command, or a client certificate"},
	[CAUSE_REFUSED_PROOF] = {"wrong user or password; or the smarthost offers this mechanism, but has no password of that user that fits it",
	    "check user and password; if they are right, set auth = \"PLAIN\""},
	[CAUSE_REFUSED_BOUND] = {"wrong user or password; or somebody is in between, which channel binding shows",
	    "check user and password; if they are right, ask the operator before you try another mechanism"},
	[CAUSE_REFUSED_TOKEN] = {"the token is expired, or for another account, service or scope", "see that token-command or token-file gives a fresh access token for SMTP"},
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
	[CAUSE_QUEUE_LIMIT] = {"queue-max-messages or queue-max-size is reached, since the smarthost could not be used for a while, or nobody runs sendmail -q",
	    "see with mailq what waits and why; then run sendmail -q, or raise the bound"},
	[CAUSE_QUEUE_BUSY] = {"", "try again when that has ended"},
	[CAUSE_QUEUE_FOREIGN] = {"", "run it as the user to whom the directory belongs, or as root"},
	[CAUSE_QUEUE_BROKEN] = {"the disk or the file system has altered it, or it is of another version of this program", "look at the file; it was left as it is"},
	[CAUSE_EXPIRED] = {"the smarthost could not be used for all that time", "see what the last attempt says; send it again when that is mended"},
	[CAUSE_SYSTEM] = {"this machine or container is short of something", "see what the system says, and raise the limit"},
	[CAUSE_BUG] = {"a bug in this program", "please report it with the output of -v"},
};

/* What servers say. The first row that fits counts; 0, NULL: any. enhanced that ends in a dot: any that begin so. */
static const struct by_reply {
	enum stage stage;
	int code;
	const char *enhanced;
	const char *words;	/* stands in the reply, case apart */
	struct explanation text;
} by_reply[] = {
	{0, 421, "4.7.", NULL, {"a limit on how much may be sent in how short a time", "wait, and send less at once"}},
	{0, 421, NULL, NULL, {"the smarthost is shutting down or overloaded", "try again later"}},
	{STAGE_BANNER, 0, NULL, NULL, {"the smarthost does not want to talk to this address, or takes no mail at all",
	    "check host and port; ask the operator whether this network may connect"}},
	{STAGE_EHLO, 504, NULL, NULL, {"it wants a full name in EHLO", "set hostname to a name with a dot"}},
	{STAGE_EHLO, 0, NULL, NULL, {"the name in EHLO has characters that are not allowed, or it restricts who may connect",
	    "set hostname to the full name of this machine"}},
	{STAGE_STARTTLS, 0, NULL, NULL, {"TLS is broken or overloaded at the smarthost", "tell its operator; nothing was sent, and no password"}},
	{STAGE_AUTH, 0, "5.7.30", NULL, {"Exchange Online no longer takes passwords here", "use OAuth 2.0: set token-command"}},
	{STAGE_AUTH, 0, "5.7.9", NULL, {"the account needs an app password, or OAuth 2.0", "make an app password at the provider, or set token-command"}},
	{STAGE_AUTH, 535, NULL, NULL, {"wrong user or password; the provider wants an app password; or password sign-in is switched off there",
	    "check user and password, also for a line end or quotes that do not belong to it"}},
	{STAGE_AUTH, 534, NULL, NULL, {"the provider wants a stronger way to sign in", "make an app password there, or set token-command"}},
	{STAGE_AUTH, 538, NULL, NULL, {"it takes this way to sign in with TLS alone", "set tls to \"starttls\" or \"implicit\""}},
	{STAGE_AUTH, 504, NULL, NULL, {"it does not know the mechanism after all", "set auth to one that it knows"}},
	{STAGE_AUTH, 530, NULL, NULL, {"it wants TLS first", "set tls to \"starttls\" or \"implicit\""}},
	{STAGE_AUTH, 454, NULL, NULL, {"the smarthost's own trouble with its list of users", "try again later"}},
	{STAGE_AUTH, 4, NULL, NULL, {"the smarthost's own trouble", "try again later"}},
	{STAGE_AUTH, 0, NULL, NULL, {"the account may not sign in this way", "check user, password and auth, and ask the provider"}},
	{STAGE_MAIL, 530, NULL, "starttls", {"tls is \"none\", and it wants TLS", "set tls to \"starttls\" or \"implicit\""}},
	{STAGE_MAIL, 530, NULL, "authentic", {"it takes mail only from those who sign in", "set user and password"}},
	{STAGE_MAIL, 530, "5.7.0", NULL, {"tls is \"none\", and it wants TLS", "set tls to \"starttls\" or \"implicit\""}},
	{STAGE_MAIL, 0, NULL, "starttls", {"tls is \"none\", and it wants TLS", "set tls to \"starttls\" or \"implicit\""}},
	{STAGE_MAIL, 530, NULL, NULL, {"it takes mail only from those who sign in", "set user and password"}},
	{STAGE_MAIL, 552, NULL, NULL, {"the message is too large", "send it smaller, or ask for a higher limit"}},
	{STAGE_MAIL, 0, "5.3.4", NULL, {"the message is too large", "send it smaller, or ask for a higher limit"}},
	{STAGE_MAIL, 0, "5.1.7", NULL, {"the sender is no address in its eyes", "set from, or give -f"}},
	{STAGE_MAIL, 555, NULL, NULL, {"it does not know a parameter that it has offered itself", "tell its operator"}},
	{STAGE_MAIL, 5, NULL, NULL, {"the account may not send with this sender", "set from to the account's own address, and override-from = true"}},
	{STAGE_RCPT, 530, NULL, NULL, {"it takes mail only from those who sign in", "set user and password"}},
	{STAGE_RCPT, 0, NULL, "relay", {"it takes mail for others only from those who sign in, or may not take it from this account",
	    "set user and password, and use the submission port 587"}},
	{STAGE_RCPT, 0, "4.2.0", NULL, {"it takes mail from strangers only at the second try (greylisting)", "send it again in some minutes"}},
	{STAGE_RCPT, 0, NULL, "greylist", {"it takes mail from strangers only at the second try (greylisting)", "send it again in some minutes"}},
	{STAGE_RCPT, 452, NULL, NULL, {"too many recipients at once, or no room there", "send it again later"}},
	{STAGE_RCPT, 552, NULL, NULL, {"the mailbox is full, or there are too many recipients at once", "send it again later"}},
	{STAGE_RCPT, 0, "5.1.", NULL, {"there is no such recipient", "check the address for a slip of the pen"}},
	{STAGE_RCPT, 0, "5.2.", NULL, {"the mailbox is full or closed", "ask the recipient by another way"}},
	{STAGE_RCPT, 0, "5.7.", NULL, {"the smarthost does not let this account write to that address", "set user and password; ask its operator"}},
	{STAGE_RCPT, 550, NULL, NULL, {"there is no such recipient, or mail from here is not wanted there", "check the address for a slip of the pen"}},
	{STAGE_RCPT, 551, NULL, NULL, {"the recipient has moved", "use the address that the reply tells"}},
	{STAGE_RCPT, 553, NULL, NULL, {"there is no such recipient, or the address is malformed", "check the address for a slip of the pen"}},
	{STAGE_RCPT, 4, NULL, NULL, {"a trouble that passes, there or at the recipient's", "send it again later"}},
	{STAGE_RCPT, 5, NULL, NULL, {"the smarthost does not take mail for that address", "check the address; ask the operator"}},
	{0, 552, NULL, NULL, {"the message is too large", "send it smaller, or ask for a higher limit"}},
	{0, 0, "5.3.4", NULL, {"the message is too large", "send it smaller, or ask for a higher limit"}},
	{0, 0, "5.6.", NULL, {"the content is in a form that it cannot take", "see what the reply says; simplify the message"}},
	{STAGE_DOT, 0, NULL, "spam", {"the content looks like spam to it", "change subject or text, and check that From is the account's own"}},
	{STAGE_DOT, 5, NULL, NULL, {"the content or its From field is not allowed there",
	    "see what the reply says; set from and override-from if it is about the sender"}},
	{0, 4, NULL, NULL, {"a trouble of the smarthost that passes", "try again later"}},
	{0, 5, NULL, NULL, {"the smarthost does not allow it", "see what the reply says, and ask its operator"}},
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

const struct explanation *
explain(const struct outcome *o)
{
	static const struct explanation none = {"", ""};

	if (o->cause != CAUSE_REPLY)
		return (unsigned)o->cause < CAUSE_COUNT && by_cause[o->cause].cause != NULL ? &by_cause[o->cause] : &none;
	for (size_t i = 0; i < sizeof(by_reply) / sizeof(by_reply[0]); i++) {
		const struct by_reply *r = &by_reply[i];

		if ((r->stage == 0 || r->stage == o->stage) && code_fits(r->code, o->code) && enhanced_fits(r->enhanced, o->enhanced) &&
		    (r->words == NULL || strcasestr(o->why, r->words) != NULL))
			return &r->text;
	}
	return &none;
}
