/*
 * What became of it: a failure as a value, and the one table of exit statuses (CONTRACT section 6).
 *
 * Whatever can fail returns 0 or -1 and, when -1, has filled in a struct outcome: the exit status it asks for, the stage it
 * happened at, what happened and why in words for a person, the smarthost's reply where there was one, and the cause, which
 * explain.c turns into "likely because" and "what to do".
 */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <stdbool.h>
#include <stddef.h>

enum stage {
	STAGE_NONE,
	STAGE_USAGE, STAGE_CONFIG, STAGE_SECRET, STAGE_INPUT, STAGE_MESSAGE, STAGE_ENVELOPE,
	STAGE_LOOKUP, STAGE_CONNECT, STAGE_BANNER, STAGE_EHLO, STAGE_STARTTLS, STAGE_TLS, STAGE_AUTH,
	STAGE_MAIL, STAGE_RCPT, STAGE_DATA, STAGE_DOT,
	STAGE_QUEUE,
	STAGE_COUNT
};

/* Why it failed, as far as it is known; explain.c has the words for each. CAUSE_REPLY: the reply itself tells. */
enum cause {
	CAUSE_NONE,
	CAUSE_REPLY,
	CAUSE_USAGE,			/* a flag or argument that is not understood */
	CAUSE_NO_TOPIC,			/* --explain, and it is none */
	CAUSE_DAEMON,			/* -bd, -bD */
	CAUSE_CONFIG_MISSING,		/* no configuration anywhere */
	CAUSE_CONFIG_UNREADABLE,
	CAUSE_CONFIG_WRONG,
	CAUSE_CONFIG_EXPOSED,		/* a password in a file that others can read */
	CAUSE_NO_DOMAIN,		/* a bare name, and nothing to complete it with */
	CAUSE_CONFIG_FLAG,		/* -C names a file that it may not */
	CAUSE_SECRET_MISSING,
	CAUSE_SECRET_UNREADABLE,
	CAUSE_OAUTH_KEY,		/* the key that signs for a token cannot be used */
	CAUSE_OAUTH_ANSWER,		/* the token endpoint answers with what is no token, and no error */
	CAUSE_OAUTH_REFUSED,		/* the token endpoint refuses (RFC 6749 section 5.2), or for now */
	CAUSE_OAUTH_STORE,		/* the refresh token cannot be kept */
	CAUSE_OAUTH_ACCOUNT,		/* the service account's file is none */
	CAUSE_OAUTH_DOWN,		/* the token endpoint cannot be reached */
	CAUSE_OAUTH_TLS,		/* nor trusted */
	CAUSE_OAUTH_PROXY,
	CAUSE_OAUTH_CONSENT,		/* nobody has authorized yet, or the authorization has ended */
	CAUSE_SECRET_LATE,		/* nobody has filled the pipe that it comes from */
	CAUSE_SECRET_COMMAND,		/* the command that prints the secret failed */
	CAUSE_OUTPUT,			/* standard output does not take it */
	CAUSE_INPUT,			/* standard input closed or unreadable */
	CAUSE_CHANGED,			/* a file with a message is not what it was when it was read first */
	CAUSE_SPACE,			/* nowhere to keep a large message */
	CAUSE_HEADER_TOO_LARGE,
	CAUSE_LOOP,			/* more than 50 Received fields */
	CAUSE_NO_RECIPIENTS,
	CAUSE_BAD_ADDRESS,
	CAUSE_ALIAS_FILE,		/* a line of it makes no sense */
	CAUSE_ALIAS,			/* a name whose alias leads to nothing that can be sent to */
	CAUSE_NEEDS_SMTPUTF8,
	CAUSE_NEEDS_8BITMIME,
	CAUSE_TOO_LARGE,		/* more than the SIZE the smarthost announced */
	CAUSE_NO_HOST,			/* the name does not exist */
	CAUSE_NO_SRV,			/* srv is true, and the domain has no such records */
	CAUSE_LOOKUP,			/* the look-up failed for now */
	CAUSE_UNREACHABLE,		/* refused, no route */
	CAUSE_TIMEOUT,
	CAUSE_LOST,			/* the connection ended early */
	CAUSE_REPEATED,			/* lost within a transaction, and its envelope could not be repeated */
	CAUSE_NONSENSE,			/* not SMTP, or beyond its bounds */
	CAUSE_NO_STARTTLS,
	CAUSE_INJECTED,			/* octets in clear after the answer to STARTTLS */
	CAUSE_TLS,			/* the handshake failed otherwise */
	CAUSE_TLS_CLIENT_CERT,		/* our own certificate or key cannot be used */
	CAUSE_CERT_CA,			/* signed by nobody we trust */
	CAUSE_CERT_EXPIRED,
	CAUSE_CERT_NOT_YET,
	CAUSE_CERT_NAME,
	CAUSE_CERT_OTHER,
	CAUSE_CERT_FINGERPRINT,
	CAUSE_NO_TRUST_STORE,
	CAUSE_NO_OPENSSL,		/* the library is not here */
	CAUSE_CLEAR_AUTH,		/* credentials would go in clear over a network */
	CAUSE_NO_AUTH_OFFERED,
	CAUSE_NO_COMMON_MECHANISM,
	CAUSE_REFUSED_PROOF,		/* 535 to SCRAM or CRAM-MD5 */
	CAUSE_REFUSED_BOUND,		/* 535 to SCRAM with channel binding */
	CAUSE_REFUSED_TOKEN,		/* 535 to OAUTHBEARER or XOAUTH2 */
	CAUSE_REFUSED_CERTIFICATE,	/* 535 to EXTERNAL */
	CAUSE_NEEDS_AUTH,		/* 530 to MAIL within TLS, from one who has not signed in */
	CAUSE_SENDER,			/* 530 to MAIL from one who has signed in */
	CAUSE_SASL,			/* the smarthost breaks the rules of the mechanism */
	CAUSE_UNPROVEN,			/* it was to prove that it knows the password, and has not */
	CAUSE_DOWNGRADE,		/* its offer of channel binding was taken out on the way */
	CAUSE_NO_REQUIRETLS,
	CAUSE_QUEUE,			/* the queue cannot be used */
	CAUSE_QUEUE_EXPOSED,		/* everybody may write to it */
	CAUSE_QUEUE_RUNNER,		/* the file "runner" in it cannot be used */
	CAUSE_QUEUE_FULL,		/* no room in it */
	CAUSE_TRACE,			/* the log or the transcript cannot be written */
	CAUSE_QUEUE_LIMIT,		/* nor by the configuration */
	CAUSE_QUEUE_BUSY,		/* another run, or another process at that message */
	CAUSE_QUEUE_FOREIGN,		/* the queue is somebody else's */
	CAUSE_QUEUE_BROKEN,		/* a message in it is not what was written */
	CAUSE_EXPIRED,			/* a message has been in it for too long */
	CAUSE_SYSTEM,			/* a system call failed that does not */
	CAUSE_BUG,
	CAUSE_COUNT
};

struct outcome {
	int status;		/* from sysexits.h; 0: it went well, or nothing is known yet */
	enum stage stage;
	enum cause cause;
	int code;		/* the smarthost's reply code, else 0 */
	char enhanced[12];	/* its enhanced status code ("5.1.1"), else "" */
	char what[384];		/* what happened: "cannot connect to smtp.example.com port 587" */
	char why[512];		/* why: the smarthost's words, or the system's; may hold any octet, print through vis(3) */
};

/* Fills in o. what is a printf format. Returns -1, so that a caller can return it. */
int outcome_set(struct outcome *o, int status, enum stage stage, enum cause cause, const char *why, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/*
 * The exit status that a reply code asks for at a stage (CONTRACT section 6, "By stage"). code: 400 to 599; enhanced: "" where
 * there is none.
 */
int outcome_status(enum stage stage, int code, const char *enhanced);

/* Whichever of two statuses wins when there are several fates (78 77 76 65 67 69 68 75); 0 loses against all. */
int outcome_worse(int a, int b);

/* True where the same attempt may go well later: 68 and 75. */
bool outcome_temporary(const struct outcome *o);

/*
 * True where a queue keeps the message (CONTRACT section 6): what passes by itself, or is for the configuration or the smarthost's operator to mend and says nothing about
 * the message: look-up, connection, TLS, sign-in, secrets.
 */
bool outcome_keeps(const struct outcome *o);

/*
 * The enhanced status code of a failure (RFC 3463, registry of RFC 5248): the smarthost's own where there is one, else what its reply code or the
 * cause comes to. Never empty; valid as long as o is.
 */
const char *outcome_enhanced(const struct outcome *o);

/* The short name of a stage, as the log has it: "rcpt". */
/* True where it was refused for good. What is wrong with this machine, its configuration or the way to the smarthost is no verdict. */
bool outcome_final(const struct outcome *o);

const char *outcome_stage_name(enum stage stage);

#endif
