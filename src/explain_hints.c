/*
 * What servers say, stage by stage. See explain_table.h. The first row of its kind that fits counts.
 *
 * Postfix tells at RCPT what it thinks of client, EHLO and sender (smtpd_delay_reject, its default), and providers tell limits by many codes: the words have to be looked at.
 */
#include "explain_table.h"

#define TLS_WANTED	{"tls is \"none\", and it wants TLS", "set tls to \"starttls\" or \"implicit\""}
#define AUTH_WANTED	{"it takes mail only from those who sign in", "set user and password"}
#define BAD_SENDER	{"the account may not send with this sender", "set from to the account's own address, and override-from = true"}
#define NO_RELAY	{"it takes mail for others only from those who sign in, or may not take it from this account", \
	    "set user and password, and use the submission port 587"}
#define NO_NETWORK	{"the network that this connection comes from is on a list of those that send spam", \
	    "submit to the provider's port 587 with user set; ask who keeps the list to take the network off"}
#define BAD_NAME	{"the domain of the sender is on a list of those that send spam", "set from to another address; ask who keeps the list to take the domain off"}
#define BAD_EHLO	{"the name in EHLO is not to its taste, and it says so at RCPT", "set hostname to a full name that DNS knows"}
#define SUPPRESSED	{"the smarthost has that recipient on a list of those who are not to be written to", "take the recipient off that list at the provider"}
#define TOO_LARGE	{"the message is too large", "send it smaller, or ask for a higher limit"}
#define GREYLIST	{"it takes mail from strangers only at the second try (greylisting)", "send it again in some minutes"}
#define USED_UP		{"the account has sent all that it may for now", "send the rest later, or ask the provider for more"}
#define LOGINS		{"too many sign-ins in a short time", "wait, and sign in less often: -bs and a queue send many messages over one connection"}
#define LOCKED		{"the account is locked or disabled", "ask the provider to unlock it"}
#define LOOP		{"it is being sent in a circle, by a forwarding to itself for example", "follow its Received fields and break the circle"}
#define FULL		{"the mailbox is full", "send it again later; ask the recipient by another way"}
#define HARMFUL		{"a filter takes the content or an attachment for harmful", "send it in another form, or a link to it"}
#define UNPROVEN	{"SPF, DKIM or DMARC of the sender's domain does not hold for this smarthost", \
	    "set from to an address of the account's own domain; publish the SPF and DKIM records of the smarthost"}

#define RELAY(words)	{STAGE_MAIL, 0, NULL, words, HINT_CODE, NO_RELAY}, {STAGE_RCPT, 0, NULL, words, HINT_CODE, NO_RELAY}

const struct explain_hint explain_hints[] = {
	{STAGE_AUTH, 0, NULL, "attempts", HINT_WORDS, LOGINS},
	{STAGE_AUTH, 0, NULL, "too many", HINT_WORDS, LOGINS},
	{STAGE_AUTH, 0, NULL, "rate limit", HINT_WORDS, LOGINS},
	{STAGE_AUTH, 0, NULL, "exceeded", HINT_WORDS, USED_UP},
	{STAGE_NONE, 0, NULL, "sender address [", HINT_WORDS, BAD_NAME},
	{STAGE_RCPT, 0, NULL, "helo command", HINT_WORDS, BAD_EHLO},
	{STAGE_NONE, 0, NULL, "blacklisted url", HINT_WORDS, {"a link in the text is on a list of those in spam", "take the link out"}},
	{STAGE_RCPT, 0, NULL, "suppression", HINT_WORDS, SUPPRESSED},
	{STAGE_RCPT, 0, NULL, "recipient is blacklisted", HINT_WORDS, SUPPRESSED},
	{STAGE_NONE, 0, NULL, "blocked using", HINT_WORDS, NO_NETWORK},
	{STAGE_NONE, 0, NULL, "spamhaus", HINT_WORDS, NO_NETWORK},
	{STAGE_NONE, 0, NULL, "blocklist", HINT_WORDS, NO_NETWORK},
	{STAGE_NONE, 0, NULL, "block listed", HINT_WORDS, NO_NETWORK},
	{STAGE_NONE, 0, NULL, "blacklist", HINT_WORDS, NO_NETWORK},
	{STAGE_NONE, 0, NULL, "permanently deferred", HINT_WORDS, NO_NETWORK},
	{STAGE_NONE, 0, NULL, "greylist", HINT_WORDS, GREYLIST},
	{STAGE_NONE, 0, NULL, "over quota", HINT_WORDS, FULL},
	{STAGE_NONE, 0, NULL, "mailbox full", HINT_WORDS, FULL},
	{STAGE_NONE, 0, NULL, "mailbox is full", HINT_WORDS, FULL},
	{STAGE_NONE, 0, NULL, "throttl", HINT_WORDS, USED_UP},
	{STAGE_NONE, 0, NULL, "quota exceeded", HINT_WORDS, USED_UP},
	{STAGE_NONE, 0, NULL, "quotaexceeded", HINT_WORDS, USED_UP},
	{STAGE_NONE, 0, NULL, "rate limit", HINT_WORDS, USED_UP},
	{STAGE_NONE, 0, NULL, "rate exceeded", HINT_WORDS, USED_UP},
	{STAGE_NONE, 0, NULL, "limit exceeded", HINT_CODE, USED_UP},
	{STAGE_NONE, 0, NULL, "messaging limit", HINT_WORDS, USED_UP},
	{STAGE_NONE, 0, NULL, "emails per", HINT_WORDS, USED_UP},
	{STAGE_NONE, 0, NULL, "too much mail", HINT_WORDS, USED_UP},
	{STAGE_NONE, 0, NULL, "too many messages", HINT_WORDS, USED_UP},
	{STAGE_NONE, 0, NULL, "unusual sending", HINT_WORDS, USED_UP},
	{STAGE_NONE, 0, NULL, "too many errors", HINT_WORDS, {"too many commands were refused, recipients that do not exist as a rule", "take the wrong recipients out"}},
	{STAGE_NONE, 0, NULL, "too many hops", HINT_WORDS, LOOP},
	{STAGE_NONE, 0, NULL, "mail loop", HINT_WORDS, LOOP},
	{STAGE_MAIL, 530, NULL, "starttls", HINT_WORDS, TLS_WANTED},
	{STAGE_MAIL, 0, NULL, "starttls", HINT_WORDS, TLS_WANTED},
	{STAGE_MAIL, 5, NULL, "unauthenticated sender", HINT_WORDS, AUTH_WANTED},
	{STAGE_NONE, 5, NULL, "authentication required", HINT_WORDS, AUTH_WANTED},
	{STAGE_NONE, 5, NULL, "smtp auth", HINT_WORDS, AUTH_WANTED},
	{STAGE_NONE, 5, NULL, "not logged in", HINT_WORDS, AUTH_WANTED},
	{STAGE_MAIL, 552, NULL, NULL, HINT_WORDS, TOO_LARGE},
	{STAGE_MAIL, 0, "5.3.4", NULL, HINT_WORDS, TOO_LARGE},
	{STAGE_MAIL, 555, NULL, NULL, HINT_WORDS, {"it does not take a parameter of MAIL that it has offered itself, or the sender is malformed", "check the sender; send without -N, -R and -V"}},
	{STAGE_MAIL, 0, "5.1.1", NULL, HINT_WORDS, {"the sender does not exist there", "set from to the account's own address, and override-from = true"}},
	{STAGE_MAIL, 0, "5.1.2", NULL, HINT_WORDS, {"the domain of the sender does not exist in its eyes", "set from or domain, and override-from = true"}},
	{STAGE_MAIL, 0, "5.1.3", NULL, HINT_WORDS, {"the sender is no address in its eyes", "set from, or give -f"}},
	{STAGE_RCPT, 530, NULL, "starttls", HINT_WORDS, TLS_WANTED},
	{STAGE_RCPT, 530, NULL, NULL, HINT_WORDS, AUTH_WANTED},
	{STAGE_RCPT, 0, NULL, "address verification", HINT_WORDS, {"it asks the server of that address first", "send it again in some minutes"}},
	{STAGE_RCPT, 0, NULL, "too many recipients", HINT_WORDS, {"too many recipients at once", "send it again later, or to fewer at once"}},
	{STAGE_DOT, 432, NULL, NULL, HINT_WORDS, USED_UP},

	{STAGE_NONE, 0, NULL, "client host rejected", HINT_CODE, {"it does not take mail from this network", "set user and password, and use the submission port 587"}},
	{STAGE_RCPT, 5, NULL, "sender address rejected", HINT_CODE, BAD_SENDER},
	{STAGE_RCPT, 5, NULL, "sender verify", HINT_CODE, BAD_SENDER},
	RELAY("relay access denied"),
	RELAY("relay denied"),
	RELAY("relaying"),
	RELAY("relay not permitted"),
	RELAY("to relay"),
	RELAY("rcpthosts"),
	{STAGE_NONE, 5, NULL, "suspended", HINT_CODE, LOCKED},
	{STAGE_AUTH, 0, NULL, "disabled", HINT_CODE, LOCKED},
	{STAGE_AUTH, 0, NULL, "locked", HINT_CODE, LOCKED},
	{STAGE_NONE, 5, NULL, "spf", HINT_CODE, UNPROVEN},
	{STAGE_NONE, 5, NULL, "dmarc", HINT_CODE, UNPROVEN},
	{STAGE_DOT, 5, NULL, "virus", HINT_CODE, HARMFUL},
	{STAGE_DOT, 5, NULL, "attachment", HINT_CODE, HARMFUL},
	{STAGE_DOT, 5, NULL, "security issue", HINT_CODE, HARMFUL},
	{STAGE_DOT, 5, NULL, "spam", HINT_CODE, {"the content looks like spam to it", "change subject or text, and check that From is the account's own"}},
	{STAGE_NONE, 421, "4.7.0", NULL, HINT_CODE, {"a limit on how much may be sent in how short a time", "wait, and send less at once"}},
	{STAGE_EHLO, 501, NULL, NULL, HINT_CODE, {"the name in EHLO has characters that are not allowed", "set hostname to the full name of this machine"}},
	{STAGE_EHLO, 504, NULL, NULL, HINT_CODE, {"it wants a full name in EHLO", "set hostname to a name with a dot"}},
	{STAGE_AUTH, 501, NULL, NULL, HINT_CODE, {"it cannot read our part of the sign-in", "set auth to another mechanism that it offers; check the password or token for blanks and line ends"}},
	{STAGE_AUTH, 504, NULL, NULL, HINT_CODE, {"it does not know the mechanism after all", "set auth to one that it knows"}},
	{STAGE_AUTH, 530, NULL, NULL, HINT_CODE, {"it wants TLS first", "set tls to \"starttls\" or \"implicit\""}},
	{STAGE_AUTH, 454, NULL, NULL, HINT_CODE, {"the smarthost's own trouble with its list of users", "try again later"}},
	{STAGE_MAIL, 501, NULL, NULL, HINT_CODE, {"the sender is malformed, or has no domain", "set from or domain, or give -f"}},
	{STAGE_MAIL, 530, "5.7.0", NULL, HINT_CODE, {"it wants TLS or a sign-in first", "set tls to \"starttls\" or \"implicit\", and user and password"}},
	{STAGE_MAIL, 530, NULL, NULL, HINT_CODE, AUTH_WANTED},
	{STAGE_RCPT, 501, NULL, NULL, HINT_CODE, {"the recipient is malformed", "correct the address"}},
	{STAGE_RCPT, 0, "5.7.", NULL, HINT_CODE, {"the smarthost does not let this account write to that address", "set user and password; ask its operator"}},
	{STAGE_RCPT, 452, NULL, NULL, HINT_CODE, {"too many recipients at once, or no room there", "send it again later"}},
	{STAGE_RCPT, 550, NULL, NULL, HINT_CODE, {"there is no such recipient, or mail from here is not wanted there", "check the address for a slip of the pen"}},
	{STAGE_RCPT, 551, NULL, NULL, HINT_CODE, {"the recipient has moved", "use the address that the reply tells"}},
	{STAGE_RCPT, 552, NULL, NULL, HINT_CODE, {"the mailbox is full, or there are too many recipients at once", "send it again later"}},
	{STAGE_RCPT, 553, NULL, NULL, HINT_CODE, {"there is no such recipient, or the address is malformed", "check the address for a slip of the pen"}},

	{STAGE_BANNER, 4, NULL, NULL, HINT_STAGE, {"the smarthost is busy, or takes no connection from here for now", "try again later"}},
	{STAGE_BANNER, 5, NULL, NULL, HINT_STAGE, {"the smarthost does not want to talk to this address, or takes no mail at all",
	    "check host and port; ask the operator whether this network may connect"}},
	{STAGE_EHLO, 5, NULL, NULL, HINT_STAGE, {"the name in EHLO has characters that are not allowed, or it restricts who may connect",
	    "set hostname to the full name of this machine"}},
	{STAGE_STARTTLS, 0, NULL, NULL, HINT_STAGE, {"TLS is broken or overloaded at the smarthost", "tell its operator; nothing was sent, and no password"}},
	{STAGE_AUTH, 4, NULL, NULL, HINT_STAGE, {"the smarthost's own trouble", "try again later"}},
	{STAGE_AUTH, 0, NULL, NULL, HINT_STAGE, {"the account may not sign in this way", "check user, password and auth, and ask the provider"}},
	{STAGE_MAIL, 5, NULL, NULL, HINT_STAGE, BAD_SENDER},
	{STAGE_RCPT, 4, NULL, NULL, HINT_STAGE, {"a trouble that passes, there or at the recipient's", "send it again later"}},
	{STAGE_RCPT, 5, NULL, NULL, HINT_STAGE, {"the smarthost does not take mail for that address", "check the address; ask the operator"}},
	{STAGE_NONE, 0, "5.6.", NULL, HINT_STAGE, {"the content is in a form that it cannot take", "see what the reply says; simplify the message"}},
	{STAGE_DOT, 5, NULL, NULL, HINT_STAGE, {"the content or its From field is not allowed there",
	    "see what the reply says; set from and override-from if it is about the sender"}},
};
const size_t explain_hints_count = sizeof(explain_hints) / sizeof(explain_hints[0]);
