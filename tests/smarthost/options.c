/*
 * The command line.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "smarthost.h"

enum {
	O_DIR = 256, O_CERTS, O_NAME, O_LISTEN, O_TLS, O_CERT, O_CLIENT_CERT,
	O_TLS_MIN, O_TLS_MAX, O_EXT, O_EXT_TLS, O_EXT_AUTH, O_AUTH,
	O_AUTH_CLEAR, O_USER, O_PASSWORD, O_TOKEN, O_OAUTH_ERROR,
	O_SCRAM_ITERATIONS, O_AUTH_OPTIONAL, O_TLS_OPTIONAL, O_SCRIPT, O_RULE,
	O_REPLAY, O_REPLAY_EXACT, O_CUT_AFTER, O_NO_STORE, O_LIFETIME,
	O_MAX_CONNECTIONS, O_BACKGROUND, O_DIE_WITH_PARENT, O_UNTIL_EOF, O_HELP
};

static const struct option longopts[] = {
	{ "dir", required_argument, NULL, O_DIR },
	{ "certs", required_argument, NULL, O_CERTS },
	{ "name", required_argument, NULL, O_NAME },
	{ "listen", required_argument, NULL, O_LISTEN },
	{ "tls", required_argument, NULL, O_TLS },
	{ "cert", required_argument, NULL, O_CERT },
	{ "client-cert", required_argument, NULL, O_CLIENT_CERT },
	{ "tls-min", required_argument, NULL, O_TLS_MIN },
	{ "tls-max", required_argument, NULL, O_TLS_MAX },
	{ "ext", required_argument, NULL, O_EXT },
	{ "ext-tls", required_argument, NULL, O_EXT_TLS },
	{ "ext-auth", required_argument, NULL, O_EXT_AUTH },
	{ "auth", required_argument, NULL, O_AUTH },
	{ "auth-clear", required_argument, NULL, O_AUTH_CLEAR },
	{ "user", required_argument, NULL, O_USER },
	{ "password", required_argument, NULL, O_PASSWORD },
	{ "token", required_argument, NULL, O_TOKEN },
	{ "oauth-error", required_argument, NULL, O_OAUTH_ERROR },
	{ "scram-iterations", required_argument, NULL, O_SCRAM_ITERATIONS },
	{ "auth-optional", no_argument, NULL, O_AUTH_OPTIONAL },
	{ "tls-optional", no_argument, NULL, O_TLS_OPTIONAL },
	{ "script", required_argument, NULL, O_SCRIPT },
	{ "rule", required_argument, NULL, O_RULE },
	{ "replay", required_argument, NULL, O_REPLAY },
	{ "replay-exact", no_argument, NULL, O_REPLAY_EXACT },
	{ "cut-after", required_argument, NULL, O_CUT_AFTER },
	{ "no-store", no_argument, NULL, O_NO_STORE },
	{ "lifetime", required_argument, NULL, O_LIFETIME },
	{ "max-connections", required_argument, NULL, O_MAX_CONNECTIONS },
	{ "background", no_argument, NULL, O_BACKGROUND },
	{ "die-with-parent", no_argument, NULL, O_DIE_WITH_PARENT },
	{ "until-eof", required_argument, NULL, O_UNTIL_EOF },
	{ "help", no_argument, NULL, O_HELP },
	{ NULL, 0, NULL, 0 },
};

static const char help_text[] =
"smarthost --dir DIR [option ...]: a submission server for tests; see README\n"
"  --dir DIR              where port, pid, dialogue, violations, auth, N.env\n"
"                         and N.msg are written (made if need be)\n"
"  --certs DIR            where the certificates are or are made (default: DIR)\n"
"  --name NAME            what it calls itself (smtp.example.com)\n"
"  --listen HOST:PORT[/TLS]   any number of times (127.0.0.1:0); [::1]:0;\n"
"                         /hole: a port where a connect() hangs\n"
"  --tls none|starttls|implicit      (starttls)\n"
"  --cert KIND            which certificate it shows (good), see below\n"
"  --client-cert request|require     asks for a client certificate\n"
"  --tls-min V, --tls-max V          1.0 1.1 1.2 1.3\n"
"  --ext LIST             extensions, separated by commas: A,B or +A,-B\n"
"  --ext-tls LIST         the same within TLS (as --ext)\n"
"  --ext-auth LIST        the same after AUTH (as --ext-tls)\n"
"  --auth LIST            mechanisms (with --user: PLAIN,LOGIN)\n"
"  --auth-clear LIST      mechanisms offered before STARTTLS (none)\n"
"  --user U --password P  what is accepted; then AUTH has to come before MAIL\n"
"  --token T              for XOAUTH2 and OAUTHBEARER (the password)\n"
"  --oauth-error JSON     the challenge after a wrong token\n"
"  --scram-iterations N   (4096)\n"
"  --auth-optional, --tls-optional   MAIL is taken without\n"
"  --script FILE, --rule RULE        what to do at which stage, see README\n"
"  --replay FILE          a recorded dialogue; --replay-exact: a line that\n"
"                         differs is a violation\n"
"  --cut-after N          RST after N octets of message\n"
"  --no-store             no N.msg, only size and SHA-256 in N.env\n"
"  --lifetime SECONDS     (60) ends then, whatever happens\n"
"  --max-connections N    ends after that many\n"
"  --background           returns when it listens; the process is in DIR/pid\n"
"  --die-with-parent      ends when its parent does\n"
"  --until-eof FD         ends when this inherited descriptor is at its end\n"
"Certificates:\n";

static bool
number(const char *what, const char *text, unsigned long max,
    unsigned long *n)
{
	const char *err;

	*n = (unsigned long)strtonum(text, 0, (long long)max, &err);
	if (err != NULL)
		fprintf(stderr, "smarthost: %s %s: %s\n", what, text, err);
	return err == NULL;
}

/* The place of a word in a list of words that NULL ends; -1 and a line. */
static int
choose(const char *what, const char *text, const char *const *words)
{
	int i;

	for (i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], text) == 0)
			return i;
	}
	fprintf(stderr, "smarthost: %s: what is %s?\n", what, text);
	return -1;
}

static int
tls_use(const char *text)
{
	static const char *const words[] = { "none", "starttls", "implicit",
	    NULL };

	return choose("tls", text, words);
}

static bool
read_version(const char *text, int *version)
{
	static const char *const words[] = { "1.0", "1.1", "1.2", "1.3", NULL };
	static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION,
	    TLS1_2_VERSION, TLS1_3_VERSION };
	int i;

	if ((i = choose("TLS version", text, words)) < 0)
		return false;
	*version = versions[i];
	return true;
}

static bool
read_client_cert(const char *text, int *mode)
{
	static const char *const words[] = { "request", "require", NULL };
	int i;

	if ((i = choose("client-cert", text, words)) < 0)
		return false;
	*mode = SSL_VERIFY_PEER | (i == 1 ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
	return true;
}

/* "127.0.0.1:0", "[::1]:2525/implicit" */
static bool
read_listener(struct options *opt, const char *text)
{
	struct listener *l = &opt->listen[opt->nlisten];
	const char *colon, *slash;
	size_t n;
	int use;

	if (opt->nlisten == LISTEN_MAX || (colon = strrchr(text, ':')) == NULL) {
		fprintf(stderr, "smarthost: --listen %s\n", text);
		return false;
	}
	n = (size_t)(colon - text);
	if (text[0] == '[' && n > 1 && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	snprintf(l->host, sizeof(l->host), "%.*s", (int)n, text);
	slash = strchr(colon, '/');
	n = slash != NULL ? (size_t)(slash - colon) - 1 : strlen(colon + 1);
	snprintf(l->port, sizeof(l->port), "%.*s", (int)n, colon + 1);
	if (slash != NULL && strcmp(slash, "/hole") == 0)
		l->hole = true;
	else if (slash != NULL) {
		if ((use = tls_use(slash + 1)) < 0)
			return false;
		l->tls = (enum tls_use)use;
		l->tls_given = true;
	}
	opt->nlisten++;
	return true;
}

static bool
read_rule(struct options *opt, const char *text)
{
	char err[1024];

	if (script_add(&opt->script, text, err, sizeof(err)))
		return true;
	fprintf(stderr, "smarthost: --rule %s\n", err);
	return false;
}

/* The lists are edited once all options are known. */
struct specs {
	const char	*clear, *tls, *auth;
};

static bool
set_string(struct options *opt, struct specs *specs, int o, const char *arg)
{
	const char **where;

	switch (o) {
	case O_DIR:		where = &opt->dir; break;
	case O_CERTS:		where = &opt->certs; break;
	case O_NAME:		where = &opt->name; break;
	case O_CERT:		where = &opt->cert; break;
	case O_EXT:		where = &specs->clear; break;
	case O_EXT_TLS:		where = &specs->tls; break;
	case O_EXT_AUTH:	where = &specs->auth; break;
	case O_USER:		where = &opt->user; break;
	case O_PASSWORD:	where = &opt->password; break;
	case O_TOKEN:		where = &opt->token; break;
	case O_OAUTH_ERROR:	where = &opt->oauth_error; break;
	default:		return false;
	}
	*where = arg;
	return true;
}

static bool
set_flag(struct options *opt, int o)
{
	bool *where;

	switch (o) {
	case O_AUTH_OPTIONAL:	where = &opt->auth_optional; break;
	case O_TLS_OPTIONAL:	where = &opt->tls_optional; break;
	case O_REPLAY_EXACT:	where = &opt->replay_exact; break;
	case O_NO_STORE:	where = &opt->no_store; break;
	case O_BACKGROUND:	where = &opt->background; break;
	case O_DIE_WITH_PARENT:	where = &opt->die_with_parent; break;
	default:		return false;
	}
	*where = true;
	return true;
}

static bool
set_number(struct options *opt, int o, const char *arg)
{
	unsigned long n = 0;

	switch (o) {
	case O_SCRAM_ITERATIONS:
		return number("scram-iterations", arg, 10000000,
		    &opt->scram_iterations);
	case O_CUT_AFTER:
		if (!number("cut-after", arg, LONG_MAX, &n))
			return false;
		opt->cut_after = n;
		return true;
	case O_LIFETIME:
		return number("lifetime", arg, 86400, &opt->lifetime);
	case O_MAX_CONNECTIONS:
		return number("max-connections", arg, 1000000,
		    &opt->max_connections);
	default:
		if (!number("until-eof", arg, 65535, &n))
			return false;
		opt->until_eof = (int)n;
		return true;
	}
}

static bool
set_other(struct options *opt, int o, const char *arg)
{
	int use;

	switch (o) {
	case O_LISTEN:
		return read_listener(opt, arg);
	case O_TLS:
		if ((use = tls_use(arg)) < 0)
			return false;
		opt->tls = (enum tls_use)use;
		return true;
	case O_CLIENT_CERT:
		return read_client_cert(arg, &opt->client_cert);
	case O_TLS_MIN:
		return read_version(arg, &opt->tls_min);
	case O_TLS_MAX:
		return read_version(arg, &opt->tls_max);
	case O_AUTH:
		strlcpy(opt->auth, arg, sizeof(opt->auth));
		return true;
	case O_AUTH_CLEAR:
		strlcpy(opt->auth_clear, arg, sizeof(opt->auth_clear));
		return true;
	case O_SCRIPT:
		return script_read(&opt->script, arg);
	case O_RULE:
		return read_rule(opt, arg);
	case O_REPLAY:
		return replay_read(&opt->replay, arg);
	default:
		return set_number(opt, o, arg);
	}
}

/* "-STARTTLS" among the extensions in clear hides what --tls would add. */
static bool
hides_starttls(const char *spec)
{
	const char *p = spec != NULL ? strstr(spec, "-STARTTLS") : NULL;

	return p != NULL && (p == spec || p[-1] == ',');
}

static void
settle_lists(struct options *opt, const struct specs *specs)
{
	strlcpy(opt->ext_clear, "PIPELINING,SIZE 10485760,8BITMIME,SMTPUTF8,"
	    "DSN,ENHANCEDSTATUSCODES,CHUNKING,HELP", sizeof(opt->ext_clear));
	opt->hide_starttls = hides_starttls(specs->clear);
	if (specs->clear != NULL)
		list_edit(opt->ext_clear, specs->clear);
	memcpy(opt->ext_tls, opt->ext_clear, sizeof(opt->ext_tls));
	if (specs->tls != NULL)
		list_edit(opt->ext_tls, specs->tls);
	memcpy(opt->ext_auth, opt->ext_tls, sizeof(opt->ext_auth));
	if (specs->auth != NULL)
		list_edit(opt->ext_auth, specs->auth);
}

static bool
settle(struct options *opt, const struct specs *specs)
{
	size_t i;

	if (opt->dir == NULL || !certs_known(opt->cert)) {
		fprintf(stderr, opt->dir == NULL ? "smarthost: --dir is needed\n"
		    : "smarthost: no certificate of that kind\n");
		return false;
	}
	settle_lists(opt, specs);
	if (opt->certs == NULL)
		opt->certs = opt->dir;
	if (opt->token == NULL)
		opt->token = opt->password;
	if (opt->nlisten == 0 && !read_listener(opt, "127.0.0.1:0"))
		return false;
	for (i = 0; i < opt->nlisten; i++) {
		if (!opt->listen[i].tls_given)
			opt->listen[i].tls = opt->tls;
	}
	return true;
}

int
options_read(struct options *opt, int argc, char **argv)
{
	struct specs specs = { NULL, NULL, NULL };
	bool auth_given = false;
	int o;

	memset(opt, 0, sizeof(*opt));
	opt->name = "smtp.example.com";
	opt->tls = TLS_STARTTLS;
	opt->cert = "good";
	opt->client_cert = SSL_VERIFY_NONE;
	opt->oauth_error = "{\"status\":\"401\",\"schemes\":\"bearer\","
	    "\"scope\":\"mail\"}";
	opt->scram_iterations = 4096;
	opt->lifetime = 60;
	opt->until_eof = -1;
	while ((o = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (o == O_HELP) {
			fputs(help_text, stdout);
			certs_list(stdout);
			return -1;
		}
		auth_given = auth_given || o == O_AUTH;
		if (o == '?' || (!set_string(opt, &specs, o, optarg) &&
		    !set_flag(opt, o) && !set_other(opt, o, optarg)))
			return 64;
	}
	if (optind < argc) {
		fprintf(stderr, "smarthost: what is %s?\n", argv[optind]);
		return 64;
	}
	if (!auth_given && opt->user != NULL)
		strlcpy(opt->auth, "PLAIN,LOGIN", sizeof(opt->auth));
	return settle(opt, &specs) ? 0 : 64;
}

void
options_free(struct options *opt)
{
	script_free(&opt->script);
	replay_free(&opt->replay);
}
