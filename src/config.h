/*
 * The configuration: sendmail.conf through libconfuse, or the environment of a container (CONTRACT section 7). What comes out is
 * checked and complete: whoever uses it needs no default of its own.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "outcome.h"

#define CONFIG_DEFAULT_TIMEOUT	300	/* seconds */
#define CONFIG_DEFAULT_IDLE	300
#define CONFIG_DEFAULT_LIFETIME	(5 * 86400)
#define CONFIG_DEFAULT_CONNECTIONS	20	/* as Postfix has it (default_destination_concurrency_limit) */
#define CONFIG_CONNECTIONS_MAX	100

enum tls_mode { TLS_MODE_STARTTLS, TLS_MODE_IMPLICIT, TLS_MODE_NONE };

/* Where a secret comes from; secret.c gets it. */
enum secret_kind { SECRET_NONE, SECRET_TEXT, SECRET_FILE, SECRET_ENV, SECRET_COMMAND };

struct secret_source {
	enum secret_kind kind;
	char *value;		/* the text itself, the file's name, the variable's name, or the command */
};

/* How an access token is got (RFC 6749): as the client itself, with a refresh token, or as a service account. */
enum oauth_grant { OAUTH_CLIENT, OAUTH_REFRESH, OAUTH_SERVICE };

/* Where a token comes from; complete, also where a provider was named. */
struct oauth {
	enum oauth_grant grant;
	char *provider;			/* or NULL */
	char *token_url;		/* NULL with a service account: its file has it */
	char *device_url;		/* for --authorize; or NULL */
	char *client_id;		/* NULL with a service account */
	char *scope;			/* or NULL */
	struct secret_source client_secret;
	char *client_certificate;	/* these: or NULL */
	char *client_key;
	struct secret_source client_key_password;
	char *refresh_token_file;
	char *service_account_file;
	char *ca_file;
	char *proxy;
	char *proxy_user;
	struct secret_source proxy_password;
};

struct smarthost {
	char *title;		/* as the configuration names it */
	char *host;		/* name or numeric address */
	uint16_t port;
	enum tls_mode tls;
	char *user;		/* or NULL: no AUTH (but for EXTERNAL) */
	struct secret_source password;
	struct secret_source token;
	struct oauth *oauth;	/* in its place, or NULL */
	char *auth;		/* the one mechanism allowed, upper case, or NULL */
	char *authorization_id;	/* or NULL */
	char *tls_ca_file;	/* these: or NULL */
	char *tls_fingerprint;
	char *tls_name;
	char *tls_certificate;
	char *tls_key;
	struct secret_source tls_key_password;
	bool srv;		/* host is a domain whose SRV records name the servers; port is unused */
	bool tls_any;		/* with srv: tls was not given, so that the records decide between implicit and STARTTLS */
	const char *tls_session_cache;	/* these: the configuration's */
	const char *token_cache;
	bool token_fresh;	/* a token that was kept is not enough: --check */
	const char *queue;
	int tls_min_version;	/* 12, 13 */
	unsigned line;		/* of the configuration, 0: environment */
};

enum log_kind { LOG_TO_SYSLOG, LOG_TO_STDERR, LOG_TO_FILE };

/* Where the value of an option came from. */
struct config_origin {
	char *section;		/* the title of the smarthost, or NULL */
	char *name;		/* of the option, "" for the section itself */
	unsigned line;		/* of the file */
	const char *variable;	/* of the environment, or NULL; static */
};

struct config {
	char *path;		/* the file it came from, or NULL: environment */
	struct smarthost *smarthost;
	size_t smarthosts;
	char *from;		/* these: or NULL */
	char *domain;
	char *hostname;
	char *local_to;
	char *aliases;
	bool override_from;
	bool encode_headers;
	bool requiretls;
	char *queue;		/* a directory, or NULL: there is no queue */
	char delivery;		/* 'i', 'b', 'q': interactive, background, queue */
	unsigned queue_lifetime;	/* seconds */
	long queue_max_messages;	/* these: 0: no bound */
	long queue_max_size;		/* MiB */
	long queue_connections;		/* at once, to send what is in it; from 1 on */
	char *tls_session_cache;	/* a directory, or NULL: sessions are not kept */
	char *token_cache;	/* a directory where access tokens are kept, or NULL: chosen by oauth/cache.c */
	unsigned timeout;	/* seconds */
	unsigned idle_timeout;	/* seconds that the caller of -bs may be silent */
	enum log_kind log;
	bool log_json;
	char *log_file;
	char *transcript;	/* a file that keeps the dialogues, or NULL */
	struct config_origin *origin;	/* of what is no default */
	size_t origins;
};

/* What a flag, the environment and the caller's rights say about where to look. */
struct config_source {
	const char *flag;	/* -C, or NULL */
	bool privileged;	/* running setuid or setgid: the environment is ignored */
};

/*
 * Finds, reads and checks the configuration. -1: 78, o with file and line; c holds at least usable log settings (the default) either way. For a file of -C no text of it is
 * ever quoted. The caller frees c with config_free(), which overwrites secrets.
 */
int config_load(struct config *c, const struct config_source *src, struct outcome *o);

/* "5m", "90s", "1h30m", "300": seconds, 1 to 86,400 times 7; -1 where it is none of these. A leading zero is none. */
long config_duration(const char *text);

void config_free(struct config *c);

#endif
