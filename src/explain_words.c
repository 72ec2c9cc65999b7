/*
 * The words of the mail system: commands and extensions of SMTP, mechanisms of sign-in, exit statuses and flags of this program. See explain_table.h.
 *
 * Sources: the RFCs and other documents named in each row, the IANA registry of SMTP service extensions, and for what this program does sendmail(8).
 * A text of a command, and what it is here, are lines of HELP with -bs: at most 400 characters each.
 */
#include <sysexits.h>
#include "explain_table.h"

#define NO_SUCH		"not known (500)"
#define NOT_USED	". This program does not use it"
#define USED		". Used by this program"
#define OBSOLETE	". Obsolete: 502 nearly everywhere"
#define NO_EFFECT	"Accepted, and without effect"
#define NO_MODE		"Refused with status 64: "
#define MECHANISM	"Mechanism of AUTH: "
#define UNTOLD		". The password itself does not go over the wire"
#define FIRST		". Only as the first argument"
#define NO_STANDARD	", no standard"

/* The first twelve are those that HELP lists, in its order. */
const struct explain_command explain_commands[] = {
	{"EHLO", "EHLO name", "Begins the session with the name of the client, or its address as [192.0.2.1], and asks for the extensions. "
	    "250 with a line for each; 500 or 502: say HELO; 501, 504 or 550: not with this name",
	    "EHLO localhost", "RFC 5321 section 4.1.1.1", "any name will do, and MAIL may come without it; a message that is begun is given up"},
	{"HELO", "HELO name", "Begins the session as EHLO does, but without extensions. 250; 501, 504 or 550: not with this name",
	    "HELO localhost", "RFC 5321 section 4.1.1.1", ""},
	{"MAIL", "MAIL FROM:<address> [SIZE=n] [BODY=7BIT|8BITMIME] [SMTPUTF8] [RET=FULL|HDRS] [ENVID=id]",
	    "Begins a message and names its sender; <> is the null sender, which gets no notices. 250; 503 one is begun already; 530 sign-in or TLS comes first; "
	    "550 or 553 not with this sender; 552 too large; 555 a parameter is not known",
	    "MAIL FROM:<app@example.com>", "RFC 5321 section 4.1.1.2",
	    "the connection to the smarthost is made at the first MAIL, and its verdict is the answer (451 for 421 and 530); where none can be had, "
	    "a queue takes the message, or 451 tells why"},
	{"RCPT", "RCPT TO:<address> [NOTIFY=NEVER|SUCCESS,FAILURE,DELAY] [ORCPT=rfc822;address]",
	    "Names a recipient, after MAIL and once for each. 250, or 251 where it is forwarded; 450, 451 or 452 try later; "
	    "550 no such mailbox, or not for it; 551 moved; 553 no such address; 503 MAIL comes first",
	    "RCPT TO:<user@example.net>", "RFC 5321 section 4.1.1.3",
	    "the smarthost's own verdict is the answer; a name with an alias is answered for all whom it leads to"},
	{"DATA", "DATA", "The message follows after 354: header, an empty line, text; a line with a lone dot ends it, "
	    "and a line of it that begins with a dot is written with two. Then 250: the server has it; 451 or 452 try later; 552 too large; 554 refused. "
	    "503 RCPT comes first; 554 no recipient was taken",
	    "DATA", "RFC 5321 section 4.1.1.4", "where DATA ended in a bare LF, as from a script, a dot between two LF ends the message as well"},
	{"BDAT", "BDAT octets [LAST]", "So many octets of the message follow at once, without a 354 and without doubled dots; LAST ends it. "
	    "In place of DATA where CHUNKING is offered. 250 for each; for the last the verdict as after DATA",
	    "BDAT 1000 LAST", "RFC 3030 section 2", "a malformed one ends the dialogue with 421: nobody knows where its octets end"},
	{"RSET", "RSET", "Forgets sender, recipients and message; the session goes on. 250", "RSET", "RFC 5321 section 4.1.1.5", ""},
	{"NOOP", "NOOP [text]", "Does nothing. 250", "NOOP", "RFC 5321 section 4.1.1.9", ""},
	{"VRFY", "VRFY address", "Asks whether there is such a mailbox. 250 or 251 yes; 252 not told, but mail is tried; 550 no; 502 not available",
	    "VRFY user@example.net", "RFC 5321 section 4.1.1.6", "not answered for good (252): RCPT asks the smarthost"},
	{"EXPN", "EXPN name", "Asks who is on a mailing list. 250 with a line for each; 252 or 502 not told, as nearly everywhere; 550 no such list",
	    "EXPN staff", "RFC 5321 section 4.1.1.7", "not available (502)"},
	{"HELP", "HELP [command]", "Explains the commands, or one of them. 214, or 211; 502 not available", "HELP RCPT", "RFC 5321 section 4.1.1.8", "explains extensions, reply codes and exit statuses as well"},
	{"QUIT", "QUIT", "Ends the session. 221, and the connection is closed", "QUIT", "RFC 5321 section 4.1.1.10", "a message that is begun and not ended is given up"},
	{"STARTTLS", "STARTTLS", "Begins TLS on this connection, after EHLO and before sign-in; EHLO comes again behind it. "
	    "220, then the handshake; 454 not now; 501 malformed",
	    "STARTTLS", "RFC 3207 section 4", "not available (502): this is a pipe. The connection to the smarthost has TLS of its own"},
	{"AUTH", "AUTH mechanism [initial-response]", "Signs in, after EHLO and before MAIL, within TLS as a rule. "
	    "334 and a challenge, answered in base64 (* gives it up); 235 signed in; 535 refused; 454 try later; "
	    "504 no such mechanism; 432 or 534 not this one for this account; 530 or 538 TLS comes first",
	    "AUTH PLAIN AGFwcABzZWNyZXQ=", "RFC 4954 section 4", "not available (502): this is a pipe. Sign-in at the smarthost is configured"},
	{"SEND", "SEND FROM:<address>", "Begins a message for the terminals of its recipients, as MAIL does for their mailboxes" OBSOLETE,
	    "SEND FROM:<app@example.com>", "RFC 821 section 3.4", "not available (502); see MAIL"},
	{"SOML", "SOML FROM:<address>", "Begins a message for the terminal of who is there, and for the mailbox of who is not" OBSOLETE,
	    "SOML FROM:<app@example.com>", "RFC 821 section 3.4", "not available (502); see MAIL"},
	{"SAML", "SAML FROM:<address>", "Begins a message for both terminal and mailbox" OBSOLETE,
	    "SAML FROM:<app@example.com>", "RFC 821 section 3.4", "not available (502); see MAIL"},
	{"TURN", "TURN", "Changes sides: the server is to send now what it has for the client. Unsafe, as nobody has signed in" OBSOLETE,
	    "TURN", "RFC 821 section 3.8", "not available (502)"},
	{"ETRN", "ETRN [@|#]name", "Asks the server to send what it has queued for that host, over a new connection; @ with its subdomains, # a queue of that name. "
	    "250 to 253 it does, or has nothing; 458 not now; 459 not for that host",
	    "ETRN example.com", "RFC 1985", NO_SUCH},
	{"ATRN", "ATRN [domain[,domain ...]]", "Asks for the mail of those domains over this very connection, after sign-in; after 250 both change sides. "
	    "450 not these domains; 451 not now; 453 there is none; 530 sign-in comes first",
	    "ATRN example.com", "RFC 2645", NO_SUCH},
	{"BURL", "BURL url [LAST]", "Takes the message, or a part of it, from an IMAP server; LAST ends it. In place of DATA, or mixed with BDAT. "
	    "250, for the last the verdict as after DATA; 554 not from that URL",
	    "BURL imap://app@example.com/Sent/;uid=25;urlauth=submit+app LAST", "RFC 4468", NO_SUCH},
	{"LHLO", "LHLO name", "Begins a session of LMTP, by which a server hands mail to mailboxes, as EHLO does in SMTP. 250 with the extensions; "
	    "a message has a reply for each recipient",
	    "LHLO localhost", "RFC 2033 section 4.1", NO_SUCH},
	{"XCLIENT", "XCLIENT name=value ...", "Tells a server behind a proxy who the client is: NAME, ADDR, PORT, PROTO, HELO, LOGIN and others. "
	    "220, and the session begins anew; 503 not within a message; 550 not from this client",
	    "XCLIENT ADDR=192.0.2.1 NAME=client.example.com", "Postfix" NO_STANDARD, NO_SUCH},
	{"XFORWARD", "XFORWARD name=value ...", "Tells a server behind a filter, for its log, who the client is: NAME, ADDR, PROTO, HELO, SOURCE and others. "
	    "250; 503 not within a message; 550 not from this client",
	    "XFORWARD ADDR=192.0.2.1 NAME=client.example.com", "Postfix" NO_STANDARD, NO_SUCH},
};
const size_t explain_commands_count = sizeof(explain_commands) / sizeof(explain_commands[0]);

/* What this program uses, the rest of the registry, what is in no registry, mechanisms. */
const struct explain_extension explain_extensions[] = {
	{"SIZE", "The largest message that is taken, in octets; 0 or nothing: no bound is told. SIZE=n at MAIL tells how large the message is. "
	    "This program tells it, and does not send what is larger", "RFC 1870"},
	{"8BITMIME", "Text with 8-bit octets is taken. BODY=8BITMIME or BODY=7BIT at MAIL. This program uses it, else such text is made quoted-printable", "RFC 6152"},
	{"SMTPUTF8", "Addresses and header fields with letters outside ASCII are taken. SMTPUTF8 at MAIL. This program uses it where an address needs it", "RFC 6531"},
	{"DSN", "Notifications can be asked for: RET=FULL|HDRS and ENVID=id at MAIL, NOTIFY=NEVER or SUCCESS,FAILURE,DELAY and ORCPT=type;address at RCPT. "
	    "This program does so with -N, -R and -V, else they are dropped", "RFC 3461"},
	{"REQUIRETLS", "The message is passed on only over verified TLS, on the whole way. REQUIRETLS at MAIL; offered within TLS alone. "
	    "This program uses it with requiretls or -O requiretls=yes, and then sends nothing without it", "RFC 8689"},
	{"PIPELINING", "Several commands may be sent without waiting for each reply. This program does so", "RFC 2920"},
	{"CHUNKING", "The command BDAT is known: the message goes in chunks of a told length. This program uses it", "RFC 3030"},
	{"ENHANCEDSTATUSCODES", "Replies have a second code such as 5.1.1, which says more. This program goes by it", "RFC 2034"},
	{"STARTTLS", "TLS can be begun by the command STARTTLS. This program does so unless tls is \"implicit\" or \"none\", and stops where it is missing", "RFC 3207"},
	{"AUTH", "One can sign in, by the mechanisms listed; often within TLS alone. AUTH=address at MAIL names who has first submitted the message. "
	    "This program signs in by the best that both have, or the one that auth names; it gives no AUTH=", "RFC 4954"},
	{"AUTH=", "The list of AUTH as it was written before the standard: AUTH=LOGIN PLAIN. This program reads it as AUTH LOGIN PLAIN", "no standard"},
	{"BINARYMIME", "Messages with octets of any value and no lines are taken, by BDAT alone. BODY=BINARYMIME at MAIL" NOT_USED, "RFC 3030"},
	{"HELP", "The command HELP is known" NOT_USED, "RFC 5321 section 4.1.1.8"},
	{"VRFY", "The command VRFY is known. This program uses it with --check alone", "RFC 5321 section 4.1.1.6"},
	{"EXPN", "The command EXPN is known. This program uses it with --check alone", "RFC 5321 section 4.1.1.7"},
	{"ETRN", "The command ETRN is known: the queue can be run for a host" NOT_USED, "RFC 1985"},
	{"ATRN", "The command ATRN is known: mail can be fetched after sign-in" NOT_USED, "RFC 2645"},
	{"BURL", "The command BURL is known: the message can come from an IMAP server; behind it from which" NOT_USED, "RFC 4468"},
	{"CHECKPOINT", "A message that broke off can be gone on with. TRANSID=id at MAIL. Experimental" NOT_USED, "RFC 1845"},
	{"CONNEG", "What the recipient's device can show, a fax for example. CONNEG at RCPT" NOT_USED, "RFC 4141"},
	{"CONPERM", "The content may be converted for the recipient. CONPERM at MAIL" NOT_USED, "RFC 4141"},
	{"DELIVERBY", "The message has to be there in time. BY=seconds;R (else return it) or BY=seconds;N (else tell the sender) at MAIL. "
	    "Behind it the least time" NOT_USED, "RFC 2852"},
	{"FUTURERELEASE", "The server holds the message until a time. HOLDFOR=seconds or HOLDUNTIL=date at MAIL. Behind it the longest time and the last date" NOT_USED,
	    "RFC 4865"},
	{"LIMITS", "How much is taken: MAILMAX messages in a session, RCPTMAX recipients of each, in RCPTDOMAINMAX domains. "
	    "This program goes by the replies (452) instead", "RFC 9422"},
	{"MT-PRIORITY", "Messages have a priority, -9 to 9. MT-PRIORITY=n at MAIL" NOT_USED, "RFC 6710"},
	{"MTRK", "Where a message is can be asked for later. MTRK=certifier[:seconds] at MAIL" NOT_USED, "RFC 3885"},
	{"NO-SOLICITING", "Classes of advertising that are not wanted. SOLICIT=class at MAIL" NOT_USED, "RFC 3865"},
	{"RRVS", "Nothing is delivered where the mailbox has changed its owner since a date. RRVS=date at RCPT" NOT_USED, "RFC 7293"},
	{"SUBMITTER", "Who is responsible for this hop, for Sender ID. SUBMITTER=address at MAIL. Out of use" NOT_USED, "RFC 4405"},
	{"UTF8SMTP", "Addresses outside ASCII, before SMTPUTF8. ALT-ADDRESS=address at MAIL and RCPT. Out of use" NOT_USED, "RFC 5336"},
	{"VERB", "The command VERB is known: the server tells how it delivers" NOT_USED, "Sendmail, no RFC"},
	{"ONEX", "The command ONEX is known: one message in this session" NOT_USED, "Sendmail, no RFC"},
	{"PRDR", "There can be a reply for each recipient after the message. PRDR at MAIL" NOT_USED, "Exim" NO_STANDARD},
	{"PIPECONNECT", "A client that was here before may send EHLO and more before the greeting" NOT_USED, "Exim" NO_STANDARD},
	{"XCLIENT", "The command XCLIENT is known: a proxy tells who its client is" NOT_USED, "Postfix" NO_STANDARD},
	{"XFORWARD", "The command XFORWARD is known: a filter tells who the client is" NOT_USED, "Postfix" NO_STANDARD},
	{"X-ANONYMOUSTLS", "TLS between servers of Exchange; not STARTTLS" NOT_USED, "Exchange" NO_STANDARD},
	{"X-EXPS", "Sign-in between servers of Exchange; not AUTH" NOT_USED, "Exchange" NO_STANDARD},
	{"XOORG", "The organization that a message comes from, between servers of Exchange. XOORG=domain at MAIL" NOT_USED, "Exchange" NO_STANDARD},
	{"SCRAM-SHA-256-PLUS", MECHANISM "as SCRAM-SHA-256, and bound to the TLS connection" UNTOLD ". This program's first choice",
	    "RFC 7677; binding RFC 9266, RFC 5929"},
	{"SCRAM-SHA-256", MECHANISM "both sides prove that they know the password, by salted SHA-256" UNTOLD USED,
	    "RFC 7677"},
	{"SCRAM-SHA-1-PLUS", MECHANISM "as SCRAM-SHA-256-PLUS, with SHA-1" UNTOLD USED,
	    "RFC 5802; binding RFC 9266, RFC 5929"},
	{"SCRAM-SHA-1", MECHANISM "as SCRAM-SHA-256, with SHA-1" UNTOLD USED, "RFC 5802"},
	{"EXTERNAL", MECHANISM "the client certificate of TLS says who it is; no password is sent, only the identity to act as, if any" USED " with tls-certificate",
	    "RFC 4422 appendix A"},
	{"OAUTHBEARER", MECHANISM "sends user and access token of OAuth 2.0. The token goes over the wire, within TLS" USED " with oauth, token-command or token-file", "RFC 7628"},
	{"XOAUTH2", MECHANISM "as OAUTHBEARER, in another form; the token goes over the wire, within TLS" USED " with oauth, token-command or token-file",
	    "Google and Microsoft" NO_STANDARD},
	{"PLAIN", MECHANISM "sends user and password in base64, which hides nothing. The password itself goes over the wire, within TLS" USED
	    " where nothing better is offered", "RFC 4616"},
	{"LOGIN", MECHANISM "sends user and password in base64, each after a prompt. The password itself goes over the wire, within TLS" USED
	    " where PLAIN is not offered", "MS-XLOGIN, no RFC"},
	{"CRAM-MD5", MECHANISM "sends user and an MD5 digest of challenge and password" UNTOLD ", but who listens can guess at it" USED " after all others", "RFC 2195"},
	{"DIGEST-MD5", MECHANISM "digests as of HTTP; withdrawn" NOT_USED, "RFC 2831; historic by RFC 6331"},
	{"GSSAPI", MECHANISM "a ticket of Kerberos" NOT_USED, "RFC 4752"},
	{"NTLM", MECHANISM "sign-in of Windows by challenge and digest" NOT_USED, "MS-SMTPNTLM, no RFC"},
};
const size_t explain_extensions_count = sizeof(explain_extensions) / sizeof(explain_extensions[0]);

const struct explain_status explain_statuses[] = {
	{EX_OK, "EX_OK", "Every recipient was accepted by the smarthost, or the message is safe in the queue for it", {"", ""}},
	{1, "", "mailq --older-than has found a message in the queue that is that old", {"the smarthost could not be used for that time, or nobody runs the queue",
	    "see with mailq what waits and why; then run sendmail -q"}},
	{EX_USAGE, "EX_USAGE", "A wrong flag, neither -t nor a recipient, or an argument that is no address; nothing was sent. With -bs the caller spoke no SMTP",
	    {"a slip of the pen, or a caller written for another program", "correct the command line; sendmail --help lists the flags"}},
	{EX_DATAERR, "EX_DATAERR", "The message: no recipients in it, a bad address in its header, too large (552, 5.3.4), or its content was refused (5.6.x). "
	    "With -bs the input ended within a message", {"the message was made wrong, or an attachment is too large", "correct it, or send it smaller"}},
	{EX_NOINPUT, "EX_NOINPUT", "Standard input is closed or cannot be read; nothing was sent", {"the caller has closed it, or has given a directory",
	    "give the message on standard input"}},
	{EX_NOUSER, "EX_NOUSER", "A recipient was refused for good (550, 551, 553, 5.1.x), or its alias leads nowhere; the others got the message",
	    {"there is no such mailbox", "check the address for a slip of the pen; sending it again does not help"}},
	{EX_NOHOST, "EX_NOHOST", "The name of the smarthost does not exist, or with srv its domain names no server. With a queue the mail is kept and the status is 0",
	    {"the name is misspelt, or the resolver of this machine or container does not know it",
	    "check the name of the smarthost, and /etc/resolv.conf; then send it again"}},
	{EX_UNAVAILABLE, "EX_UNAVAILABLE", "Refused for good in another way (554 and the like, or at the greeting), a mail loop, or REQUIRETLS is not offered",
	    {"the smarthost takes the content for spam, or takes no mail from here", "see what the reply says, and ask its operator; sending it again as it is does not help"}},
	{EX_SOFTWARE, "EX_SOFTWARE", "The program came to where it never should", {"a bug in this program", "report it with the output of -v"}},
	{EX_OSERR, "EX_OSERR", "The system gave no memory, process or descriptor, or no random numbers", {"this machine or container is short of something",
	    "see what the system says, and raise the limit"}},
	{EX_OSFILE, "EX_OSFILE", "Never given by this program; by Sendmail where a file of the system is wrong", {"", ""}},
	{EX_CANTCREAT, "EX_CANTCREAT", "The queue cannot be used, or is full by its bounds; the message could not be sent either",
	    {"the directory or its rights are wrong, or queue-max-messages or queue-max-size is reached",
	    "see that who sends may write there, and with mailq what waits"}},
	{EX_IOERR, "EX_IOERR", "No room for a large message, its file was changed while it was sent, an error of the queue's disk, or the output cannot be written",
	    {"the disk is full, or the reader of the output has gone", "make room in the queue, $TMPDIR, /var/tmp or /tmp"}},
	{EX_TEMPFAIL, "EX_TEMPFAIL", "Worth trying again: look-up, connection, time-out, lost connection, any reply of 4xx; with a queue the mail is kept and the status is 0. "
	    "With -bs the caller said nothing for too long", {"the smarthost or the network has a trouble that passes, or it takes mail at the second try only",
	    "send it again later, or configure a queue, which does so by itself"}},
	{EX_PROTOCOL, "EX_PROTOCOL", "TLS or the certificate failed, STARTTLS is missing, or what answers does not speak SMTP. No password was sent in clear; "
	    "with a queue the mail is kept and the status is 0", {"port and tls do not fit, the certificate is not trusted, or somebody is in between",
	    "check host, port and tls (587: \"starttls\", 465: \"implicit\"), and the certificate that is told"}},
	{EX_NOPERM, "EX_NOPERM", "Sign-in was refused (535) or is missing (530), the sender was refused, or this account may not send to the recipient (5.7.1). "
	    "With a queue the mail is kept, with status 0, where it is about sign-in. Also: queue or configuration of another user",
	    {"wrong user or password, or a sender that is not the account's own", "check user and password; set from to the account's address, and override-from = true"}},
	{EX_CONFIG, "EX_CONFIG", "The configuration or a secret is missing, unreadable or wrong; file and line are told. "
	    "With a queue the mail is kept, with status 0, where it is a secret",
	    {"a slip of the pen, or the user who sends may not read the file", "correct it; sendmail --check tries the whole way"}},
};
const size_t explain_statuses_count = sizeof(explain_statuses) / sizeof(explain_statuses[0]);

/* Those of --help first, in its order. */
const struct explain_flag explain_flags[] = {
	{"-t", "", "recipients from To, Cc and Bcc, and those given", "Recipients are those of To, Cc and Bcc, in a resent message of the newest block of Resent- fields, "
	    "and those on the command line. Bcc is removed, as always"},
	{"-i", "", "a line with a lone dot is data", "A line with a lone dot is data. Without it such a line ends the message, and a leading .. stands for a single dot"},
	{"-f", " sender", "envelope sender; '' or '<>' for the null sender",
	    "The sender of the envelope; '' and '<>' are the null sender. override-from in the configuration goes before it"},
	{"-F", " name", "full name for a From field that has to be made", "The full name in a From field that has to be made; else it is that of the passwd entry"},
	{"-v", "", "show the dialogue with the smarthost",
	    "Shows the dialogue with the smarthost on standard error, with times and whether it was within TLS; credentials are masked"},
	{"-N", " when", "when a status notification is wanted", "When a status notification (DSN) is wanted: never, or a list of success,failure,delay. "
	    "Dropped, with a word in the log, where the smarthost does not offer DSN"},
	{"-R", " full|hdrs", "how much of the message it is to return", "How much of the message a status notification is to return: all, or its header"},
	{"-V", " id", "the envelope id that it is to tell", "The envelope id that a status notification is to tell: 1 to 100 printable ASCII characters"},
	{"-bs", "", "speak SMTP on standard input and output", "Speaks SMTP on standard input and output, for any number of messages. "
	    "What the smarthost says of sender, recipient and message is the answer; HELP explains the commands"},
	{"-bv", "", "ask the smarthost about the recipients, send nothing", "Asks the smarthost about each recipient, and sends nothing. A line for each: deliverable, "
	    "refused or unknown, with the smarthost's words. A message is read only with -t"},
	{"-q", "[time]", "send what is in the queue, once or at that interval", "Runs the queue: -q tries all that is in it and not held, once; -q15m stays in the foreground "
	    "and tries what is due at that interval" FIRST},
	{"-bp", "", "list the queue", "Lists what waits in the queue, and why; so does mailq, which has --json and --older-than too. Only for the queue's owner and root"},
	{"-bi", "", "check the alias file", "Checks the alias file: tells what is wrong with it, and how many aliases it has; so does newaliases"},
	{"--queue-show", " id", "print a message of the queue", "Prints a message of the queue as it will be sent" FIRST},
	{"--queue-hold", " id", "keep a message in the queue from being sent", "Keeps a message in the queue from being sent, until --queue-release" FIRST},
	{"--queue-release", " id", "make a message of the queue due again", "Makes a message of the queue due: the next run sends it, also where it was held" FIRST},
	{"--queue-remove", " id", "remove a message from the queue", "Removes a message from the queue; nobody is told" FIRST},
	{"--check", " [--json] [-f sender] [recipient ...]", "try the whole way to the smarthost, and send nothing",
	    "Goes the whole way: configuration, secrets, look-up, connection, TLS, sign-in, MAIL, and RCPT for each recipient. "
	    "Says a line for each step (--json: for programs), sends nothing, and exits with the status that sending would have" FIRST},
	{"--authorize", " [smarthost]", "let a person authorize the sending, in a browser",
	    "Shows an address and a code, waits until a person has entered it in a browser, and keeps the refresh token in refresh-token-file (OAuth 2.0). "
	    "On a terminal alone" FIRST},
	{"--explain", " [topic ...]", "what a reply code, command, flag or exit status means", "Explains reply codes, enhanced status codes, commands and extensions of SMTP, "
	    "exit statuses and flags. Without a topic it lists all" FIRST},
	{"--print-config", "", "what is configured, and where",
	    "Prints the configuration in force: every option, its value, and the line or variable that it is from; passwords are hidden" FIRST},
	{"--version", "", "print the version", "Prints the version" FIRST},
	{"--help", "", "print this", "Prints a summary of the flags" FIRST},
	{"--json", "", "", "Behind mailq or --check: the same for programs, as JSON"},
	{"--older-than", " time", "", "Behind mailq: only messages that are older than, say, 15m; the exit status is 1 where there is one"},
	{"--", "", "", "Ends the flags: what follows is a recipient, also where it begins with a dash"},
	{"-r", " sender", "", "The sender of the envelope: an old name of -f"},
	{"-B", " 7BIT|8BITMIME", "", "The body type. The smarthost is told what the body really is; where 7BIT was given and it is not, the log has a warning"},
	{"-C", " file", "", "Uses this configuration: a file below /etc, of root, that nobody else can write. "
	    "Any other is refused with status 78: name it in the environment variable SENDMAIL_CONF"},
	{"-L", " tag", "", "The tag of the log line in place of sendmail; its first 32 characters count"},
	{"-bm", "", "", "Submits a message; the default"},
	{"-qf", "", "", "The same as -q" FIRST},
	{"-qI", "id", "", "As -q, for messages with that text in their identifier" FIRST},
	{"-qR", "text", "", "As -q, for messages with that text in a recipient that still waits" FIRST},
	{"-qS", "text", "", "As -q, for messages with that text in the sender" FIRST},
	{"-e", " mode", "", "How a failure is told: p exit status and standard error, the default; q exit status alone; m or w a notice to the sender and exit status; "
	    "e a notice, and exit status 0"},
	{"-o", "option", "", "An option by its letter: -oi, -oe and -od. All others are accepted, with their value, and without effect"},
	{"-oi", "", "", "The same as -i; so is -oitrue"},
	{"-oe", "mode", "", "The same as -e: p, q, m, w or e"},
	{"-od", "i|b|q", "", "When the message is sent: now (i), in the background (b), or when the queue is run (q, d). Without a queue all send now"},
	{"-om", "", "", NO_EFFECT ": a sender who is a recipient gets a copy anyway"},
	{"-oo", "", "", NO_EFFECT ": old forms of headers are always understood"},
	{"-O", " option=value", "", "DeliveryMode= is as -od, ErrorMode= as -e, IgnoreDots=true as -i; requiretls=yes asks for REQUIRETLS, and sends nothing without it. "
	    "All others are accepted, and without effect"},
	{"-bd", "", "", NO_MODE "this is no daemon. For SMTP on a port let systemd or inetd start sendmail -bs"},
	{"-bD", "", "", NO_MODE "as -bd"},
	{"-bt", "", "", NO_MODE "no test of addresses here. --check and -bv try them for real"},
	{"-be", "", "", NO_MODE "no such mode here"},
	{"-bP", "", "", NO_MODE "no such mode here. See --print-config and mailq"},
	{"-bh", "", "", NO_MODE "no such mode here"},
	{"-A", " c|m", "", NO_EFFECT ": there is one configuration file"},
	{"-Ac", "", "", NO_EFFECT},
	{"-Am", "", "", NO_EFFECT},
	{"-c", "", "", NO_EFFECT},
	{"-d", "[level]", "", NO_EFFECT ", with its level; -v shows the dialogue"},
	{"-D", " file", "", NO_EFFECT ", with its value: no file is written"},
	{"-G", "", "", NO_EFFECT ": mail of others is treated as any"},
	{"-h", " count", "", NO_EFFECT ", with its value: loops are known by the Received fields"},
	{"-I", "", "", NO_EFFECT},
	{"-J", "", "", NO_EFFECT},
	{"-m", "", "", NO_EFFECT ", as -om"},
	{"-M", " x", "", NO_EFFECT ", with its value: there are no macros"},
	{"-n", "", "", NO_EFFECT ": aliases are looked up all the same"},
	{"-p", " protocol", "", NO_EFFECT ", with its value"},
	{"-Q", "[reason]", "", NO_EFFECT ", with its value; --queue-hold holds a message back"},
	{"-s", "", "", NO_EFFECT},
	{"-T", "", "", NO_EFFECT},
	{"-U", "", "", NO_EFFECT ": every message is a first submission"},
	{"-x", "", "", NO_EFFECT},
	{"-X", " file", "", NO_EFFECT ", with its value: no file is written. -v shows the dialogue, and the option transcript keeps it"},
};
const size_t explain_flags_count = sizeof(explain_flags) / sizeof(explain_flags[0]);
