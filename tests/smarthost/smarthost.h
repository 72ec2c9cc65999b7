/*
 * The scriptable smarthost: what its rooms share.
 *
 * A submission server for tests (RFC 5321, 6409) that is strict about what it
 * receives, stores it for comparison, and can be told to misbehave.  One
 * process listens; each connection has a child of its own.
 *
 *	main.c     listening, children, the end of its life
 *	options.c  the command line
 *	certs.c    the certificates it makes for itself
 *	tls.c      the server's side of TLS
 *	io.c       octets from and to the client
 *	record.c   the files in which a test finds what happened
 *	script.c   rules: at which stage to do what
 *	replay.c   a recorded dialogue spoken again
 *	speak.c    every reply: the usual one, or what a rule makes of it
 *	offer.c    the extensions, as told to offer and as really said
 *	session.c  the commands
 *	path.c     addresses and parameters of MAIL and RCPT
 *	message.c  DATA and BDAT
 *	auth.c     SASL, all but SCRAM
 *	scram.c    SCRAM
 */
#ifndef SMARTHOST_H
#define SMARTHOST_H

#include <sys/types.h>

#include <openssl/ssl.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LISTEN_MAX	16
#define LIST_SIZE	4096	/* a list of extensions or mechanisms */
#define LINE_SIZE	16384	/* a command line; longer ones are cut */
#define REPLY_SIZE	8192	/* a reply of our own */
#define STEP_MAX	8	/* actions in a rule */
#define CHUNK_SIZE	65536	/* octets read from the client at once */

enum tls_use {
	TLS_NONE, TLS_STARTTLS, TLS_IMPLICIT
};

/* The points of a dialogue at which a rule can act; names in script.c. */
enum stage {
	ST_NONE, ST_CONNECT, ST_TLS, ST_BANNER, ST_EHLO, ST_HELO, ST_STARTTLS,
	ST_AUTH, ST_AUTH_CONT, ST_AUTH_DONE, ST_MAIL, ST_RCPT, ST_DATA,
	ST_BODY, ST_DOT, ST_BDAT, ST_RSET, ST_NOOP, ST_VRFY, ST_HELP, ST_QUIT,
	ST_UNKNOWN, ST_COUNT
};

enum act {
	ACT_PASS, ACT_REPLY, ACT_RAW, ACT_STALL, ACT_CLOSE, ACT_RESET, ACT_CUT,
	ACT_DELAY, ACT_TRICKLE, ACT_INJECT, ACT_FLOOD, ACT_FLOOD_LINES
};

struct step {
	enum act		 act;
	unsigned long		 n;
	char			*text;
	size_t			 len;
};

struct range {
	unsigned long		 lo, hi;	/* both included */
};

struct rule {
	enum stage		 stage;
	char			*glob;		/* or NULL: any */
	struct range		 times;
	bool			 in_connection;	/* count there, not in the transaction */
	struct range		 connections;
	struct step		 step[STEP_MAX];
	size_t			 nsteps;
};

struct script {
	struct rule		*rule;
	size_t			 nrules;
};

/* One step of a recorded dialogue: a line of the client, and the answer. */
struct exchange {
	char			*client;	/* NULL: the greeting */
	char			*reply;		/* with its CRLFs */
};

struct replay {
	struct exchange		*exchange;
	size_t			 nexchanges;
	bool			 knows_ehlo;
};

struct listener {
	char			 host[64];
	char			 port[8];
	enum tls_use		 tls;
	bool			 tls_given;
	bool			 hole;		/* a connect to it never ends */
	int			 fd, filler;
};

/* A list of extensions, mechanisms or the like, separated by commas. */
typedef char list[LIST_SIZE];

struct options {
	const char		*dir;
	const char		*certs;
	const char		*name;		/* in the greeting */
	struct listener		 listen[LISTEN_MAX];
	size_t			 nlisten;
	enum tls_use		 tls;
	const char		*cert;
	int			 client_cert;	/* SSL_VERIFY_... */
	int			 tls_min, tls_max;
	list			 ext_clear, ext_tls, ext_auth;
	bool			 hide_starttls;
	list			 auth, auth_clear;
	const char		*user, *password, *token, *oauth_error;
	unsigned long		 scram_iterations;
	bool			 auth_optional, tls_optional;
	struct script		 script;
	struct replay		 replay;
	bool			 replay_exact;
	unsigned long long	 cut_after;	/* 0: never */
	bool			 no_store;
	unsigned long		 lifetime;	/* seconds */
	unsigned long		 max_connections; /* 0: any number */
	bool			 background, die_with_parent;
	int			 until_eof;	/* a descriptor, or -1 */
};

/* What the client has been told in the last answer to EHLO. */
struct offer {
	list			 keywords;	/* with their parameters */
	list			 mechanisms;
	unsigned long long	 size;		/* 0: no limit */
};

/* What a stage is going to say; made by plan(), said by speak(). */
struct saying {
	const char		*text;
	size_t			 len;
	const char		*inject;
	size_t			 inject_len;
	unsigned long		 delay, trickle;	/* milliseconds */
	unsigned long		 flood, cut;
	bool			 flooding, flood_lines, cutting;
	enum act		 end;	/* ACT_PASS: the session goes on */
	int			 code;
	char			 own[REPLY_SIZE];
};

/* A message on its way in, and what has been noticed about it. */
struct sink {
	FILE			*fp;
	char			 path[1024];
	EVP_MD_CTX		*md;
	unsigned char		 out[CHUNK_SIZE];
	size_t			 out_len;
	unsigned long long	 size, limit;
	unsigned long		 column;
	int			 last;		/* octet, or -1 */
	unsigned		 chunks;	/* of BDAT; 0: DATA */
	bool			 open, eight;
	bool			 told_cr, told_lf, told_nul, told_long, told_dot;
};

struct transaction {
	bool			 open;
	char			 sender[LINE_SIZE];	/* with its parameters */
	char			*recipient;		/* lines, each with its \n */
	size_t			 recipient_len;
	unsigned long		 nrecipients;
	bool			 eight, utf8;
};

/* Shared between all children. */
struct tally {
	_Atomic unsigned	 transactions;
};

struct conn {
	const struct options	*opt;
	struct tally		*tally;
	SSL_CTX			*ctx;
	unsigned		 id;
	int			 fd;
	enum tls_use		 tls;
	SSL			*ssl;		/* NULL: in clear */
	bool			 gone;		/* nothing more to say or hear */
	bool			 eof;		/* the client has said its last */
	unsigned char		 in[CHUNK_SIZE];
	size_t			 in_pos, in_len;
	char			 line[LINE_SIZE];	/* the last one, no CRLF */
	size_t			 line_len;
	bool			 line_bad;	/* NUL in it, or cut */
	bool			 ends_flight;	/* nothing may follow the command */
	bool			 unanswered;	/* nothing said to it so far */
	char			 ehlo[1024];	/* "EHLO name", or empty */
	struct offer		 offer;
	bool			 authenticated;
	char			 auth_user[1024];
	char			 auth_mechanism[32];
	unsigned		 auth_answers;
	struct transaction	 tx;
	struct sink		 sink;
	unsigned long long	 body_octets;	/* of all messages */
	unsigned long		 seen[ST_COUNT], seen_in_tx[ST_COUNT];
	size_t			 replay_at;
};

/*
 * options.c
 */

/* Reads the command line into opt.  Returns 0; or 64 after saying on stderr
 * what is wrong; or -1 when only help was wanted.  Strings point into argv. */
int	options_read(struct options *opt, int argc, char **argv);
void	options_free(struct options *opt);

/*
 * certs.c
 */

/* Makes the authority and all certificates in the directory, unless they are
 * there.  Several processes may call it at once.  False, and a line on stderr. */
bool	certs_make(const char *dir);
/* Whether there is a certificate of that kind. */
bool	certs_known(const char *kind);
/* Prints the kinds, one a line, with what is special about each. */
void	certs_list(FILE *fp);

/*
 * tls.c
 */

/* The server's context as the options want it, or NULL and a line on stderr. */
SSL_CTX	*tls_context(const struct options *opt);
/* Does the handshake as the server.  False: it failed, c->gone is set. */
bool	tls_start(struct conn *c);
/* The version of TLS in use, "none" in clear. */
const char *tls_version(const struct conn *c);

/*
 * io.c
 */

/* Sends all of it, in one write where the socket takes it.  False: gone. */
bool	io_send(struct conn *c, const void *data, size_t len);
/* Gets more octets behind those still unread; with wait, until there are
 * some.  False: none came. */
bool	io_fill(struct conn *c, bool wait);
/* Octets received and not yet used. */
size_t	io_pending(const struct conn *c);
/* Reads a line into c->line.  False: the client is gone. */
bool	io_line(struct conn *c);
/* Says nothing and reads nothing until the client goes. */
void	io_stall(struct conn *c);
/* Ends the connection: with FIN (and close_notify if polite), or with RST. */
void	io_close(struct conn *c, bool polite);
void	io_reset(struct conn *c);
/* Sleeps. */
void	io_delay(unsigned long ms);

/*
 * record.c
 */

/* A line of the dialogue; mark is 'C', 'S', 'B' (body) or '#' (event). */
void	record_line(const struct conn *c, char mark, const char *text, size_t len);
void	record_event(const struct conn *c, char mark, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
/* Notes that the client broke a rule.  kind is one word, see README. */
void	record_violation(const struct conn *c, const char *kind,
	    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Notes credentials that were received.  NULL: not part of the mechanism. */
void	record_auth(const struct conn *c, const char *mechanism,
	    const char *authzid, const char *user, const char *secret);
/* Writes DIR/N.env for the transaction, and names its message DIR/N.msg. */
bool	record_message(struct conn *c, const char *sha256);

/*
 * script.c
 */

/* Adds one rule; an empty line or a comment adds none.  False: err says why. */
bool	script_add(struct script *s, const char *line, char *err, size_t errlen);
/* Adds the rules of a file.  False after a line on stderr. */
bool	script_read(struct script *s, const char *path);
void	script_free(struct script *s);
/* The first rule that fits stage and key here and now, or NULL. */
const struct rule *script_match(const struct conn *c, enum stage stage,
	    const char *key);
const char *stage_name(enum stage stage);

/*
 * replay.c
 */

/* Reads a recorded dialogue.  False after a line on stderr. */
bool	replay_read(struct replay *r, const char *path);
void	replay_free(struct replay *r);
/* The recorded answer to what the client just said, or NULL. */
const char *replay_answer(struct conn *c, enum stage stage);
/* After STARTTLS the dialogue starts again behind the greeting. */
void	replay_rewind(struct conn *c);

/*
 * speak.c
 */

/* Decides what is said at stage a (or, no rule being there, b), given the
 * usual text (NULL: usually nothing).  Returns the reply code that the client
 * is going to see, 0 if none.  What the code means must be done between
 * plan() and speak(), so that it is done when the client reads it. */
int	plan(struct conn *c, struct saying *s, enum stage a, enum stage b,
	    const char *key, const char *text);
/* Says it.  False: the connection has ended. */
bool	speak(struct conn *c, struct saying *s);
/* Both at once.  Returns the code, 0 if the connection has ended. */
int	say(struct conn *c, enum stage stage, const char *key, const char *text);
/* "code enhanced text CRLF" into s->own, without the enhanced code where it
 * was not offered. */
const char *reply_text(const struct conn *c, struct saying *s, int code,
	    const char *enhanced, const char *text);
/* Plans and speaks such a reply.  Returns the code said, 0 if gone. */
int	answer(struct conn *c, enum stage stage, const char *key, int code,
	    const char *enhanced, const char *text);

/*
 * offer.c
 */

/* Changes a list as spec says: "A,B" replaces it, "+A,-B" edits it. */
void	list_edit(list l, const char *spec);
/* Whether the list has the word, or an item that starts with it and a blank. */
bool	list_has(const char *l, const char *word);
/* The answer to EHLO, as it has to be now. */
void	offer_text(const struct conn *c, char *buf, size_t size);
/* Notes what an answer to EHLO really said.  NULL: nothing was offered. */
void	offer_note(struct offer *o, const char *text, size_t len);
bool	offered(const struct conn *c, const char *keyword);
bool	mechanism_offered(const struct conn *c, const char *mechanism);

/*
 * session.c, path.c, message.c, auth.c, scram.c
 */

/* The whole of one connection. */
void	session_run(struct conn *c);
/* Forgets sender and recipients. */
void	transaction_reset(struct conn *c);
/* MAIL and RCPT, the argument behind the verb. */
void	command_mail(struct conn *c, const char *arg);
void	command_rcpt(struct conn *c, const char *arg);
void	command_data(struct conn *c);
void	command_bdat(struct conn *c, const char *arg);
void	command_auth(struct conn *c, const char *arg);

/* One step of an exchange: sends 334 with the challenge in base64, returns
 * the octets of the answer with a NUL behind them, to be freed; NULL: over. */
char	*auth_ask(struct conn *c, const char *mechanism, const char *challenge,
	    size_t challenge_len, size_t *len);
/* The answer sent with the command, or that to an empty challenge. */
char	*auth_first(struct conn *c, const char *mechanism, const char *initial,
	    size_t *len);
/* The verdict. */
void	auth_verdict(struct conn *c, const char *mechanism, bool ok,
	    const char *user);
/* An exchange that is no such thing: 501. */
void	auth_nonsense(struct conn *c, const char *mechanism, const char *what);
/* Strict base64.  NULL if it is none; else octets with a NUL, to be freed. */
char	*base64_decode(const char *text, size_t *len);
/* Any SCRAM; the name tells which. */
void	scram_exchange(struct conn *c, const char *mechanism,
	    const char *initial);

#endif
