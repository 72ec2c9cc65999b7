/*
 * The sendmail command line. See options.h; CONTRACT section 2 has the table of flags.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include "config.h"
#include "explain.h"
#include "options.h"

/* How a letter takes its value. */
enum takes {
	UNKNOWN,
	FLAG,			/* no value */
	VALUE,			/* attached, or the next argument */
	ATTACHED,		/* attached or none: -q15m, -d0.1 */
	UNLESS_DASH		/* as VALUE, but a next argument that begins with '-' is not one */
};

static enum takes
takes(char letter)
{
	static const struct { const char *letters; enum takes how; } table[] = {
		{"cGIimnstTUvxJ", FLAG}, {"ABbDFfhLMNOpRrVX", VALUE}, {"qdQ", ATTACHED}, {"eCo", UNLESS_DASH},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strchr(table[i].letters, letter) != NULL)
			return table[i].how;
	return UNKNOWN;
}

static int
usage(struct outcome *o, enum cause cause, const char *why, const char *flag, const char *value)
{
	return outcome_set(o, EX_USAGE, STAGE_USAGE, cause, why, "flag %s%s refused", flag, value == NULL ? "" : value);
}

static int
take_body_mode(struct options *opt, const char *value, struct outcome *o)
{
	bool daemon = strcmp(value, "d") == 0 || strcmp(value, "D") == 0;

	if (opt->fixed && strcmp(value, "s") == 0)
		opt->mode = MODE_SERVE;		/* its caller waits for an answer */
	if (opt->fixed && !daemon)
		return usage(o, CAUSE_USAGE, "it does not go with the first flag", "-b", value);
	switch (strlen(value) == 1 ? *value : '\0') {
	case 'm':
		opt->mode = MODE_DELIVER;
		return 0;
	case 'p':
		opt->mode = MODE_LIST;
		return 0;
	case 'i':
		opt->mode = MODE_ALIASES;
		return 0;
	case 's':
		opt->mode = MODE_SERVE;
		return 0;
	case 'v':
		opt->mode = MODE_VERIFY;
		return 0;
	case 'd':
	case 'D':
		return usage(o, CAUSE_DAEMON, "this program is no daemon", "-b", value);
	default:
		return usage(o, CAUSE_USAGE, "there is no such mode here", "-b", value);
	}
}

/* -N never, or a list of success, failure, delay. */
static int
take_notify(struct options *opt, const char *value, struct outcome *o)
{
	unsigned bits = dsn_notify(value);

	if (bits == 0)
		return usage(o, CAUSE_USAGE, "it takes never, or a list of success, failure, delay", "-N ", value);
	opt->notify = bits;
	return 0;
}

static int
take_return(struct options *opt, const char *value, struct outcome *o)
{
	if (dsn_ret(value) == NULL)
		return usage(o, CAUSE_USAGE, "it takes full or hdrs", "-R ", value);
	opt->ret = dsn_ret(value);
	return 0;
}

static int
take_envid(struct options *opt, const char *value, struct outcome *o)
{
	if (!dsn_is_envid(value))
		return usage(o, CAUSE_USAGE, "it takes 1 to 100 characters of printable ASCII", "-V ", value);
	opt->envid = value;
	return 0;
}

static int
take_body_type(struct options *opt, const char *value, struct outcome *o)
{
	if (strcasecmp(value, "7BIT") == 0 || strcasecmp(value, "8BITMIME") == 0) {
		opt->body = *value == '7' ? "7BIT" : "8BITMIME";
		return 0;
	}
	return usage(o, CAUSE_USAGE, "it takes 7BIT or 8BITMIME", "-B ", value);
}

static void
take_error_mode(struct options *opt, const char *value)
{
	switch (*value) {
	case 'q':
		opt->errors = ERRORS_QUIET;
		break;
	case 'm':
	case 'w':
		opt->errors = ERRORS_MAIL;
		break;
	case 'e':
		opt->errors = ERRORS_MAIL_OK;
		break;
	default:
		opt->errors = ERRORS_PRINT;
	}
}

/* What is none of the three letters is as if it was not said. */
static void
take_delivery(struct options *opt, const char *value)
{
	switch (*value) {
	case 'i':
		opt->delivery = DELIVERY_INTERACTIVE;
		break;
	case 'b':
		opt->delivery = DELIVERY_BACKGROUND;
		break;
	case 'q':
	case 'd':
		opt->delivery = DELIVERY_QUEUE;
		break;
	}
}

/* -o: one letter and its value; -oi, -oem, -odi ... */
static void
take_old_option(struct options *opt, const char *value)
{
	if (*value == 'i')
		opt->ignore_dots = value[1] == '\0' || strchr("tTyY1", value[1]) != NULL;
	else if (*value == 'e')
		take_error_mode(opt, value + 1);
	else if (*value == 'd')
		take_delivery(opt, value + 1);
}

/* -O Name=value */
static void
take_long_option(struct options *opt, const char *value)
{
	if (strncasecmp(value, "requiretls=", 11) == 0)
		opt->requiretls = strcasecmp(value + 11, "yes") == 0 || strcasecmp(value + 11, "true") == 0;
	else if (strncasecmp(value, "ErrorMode=", 10) == 0)
		take_error_mode(opt, value + 10);
	else if (strncasecmp(value, "DeliveryMode=", 13) == 0)
		take_delivery(opt, value + 13);
	else if (strncasecmp(value, "IgnoreDots=", 11) == 0)
		opt->ignore_dots = strchr("tTyY1", value[11]) != NULL && value[11] != '\0';
}

/* -q, -qf: once; -q15m: at that interval; -qItext, -qRtext, -qStext: once, what matches. */
static int
take_queue_run(struct options *opt, bool first, const char *value, struct outcome *o)
{
	if (!first)
		return usage(o, CAUSE_USAGE, "it may only be the first argument", "-q", value);
	opt->mode = MODE_RUN;
	opt->fixed = true;
	if (value == NULL || strcmp(value, "f") == 0)
		return 0;
	if (strchr("IRS", *value) != NULL) {
		opt->match = *value;
		opt->match_text = value + 1;
		return value[1] != '\0' ? 0 : usage(o, CAUSE_USAGE, "what it has to match stands right behind it", "-q", value);
	}
	opt->interval = config_duration(value);
	return opt->interval > 0 ? 0 : usage(o, CAUSE_USAGE, "it takes a time such as 15m, or I, R or S and what to match", "-q", value);
}

static int
take(struct options *opt, char letter, const char *value, bool first, struct outcome *o)
{
	switch (letter) {
	case 't':
		opt->from_header = true;
		return 0;
	case 'i':
		opt->ignore_dots = true;
		return 0;
	case 'v':
		opt->verbose = true;
		return 0;
	case 'f':
	case 'r':
		opt->sender = value;
		return 0;
	case 'F':
		opt->full_name = value;
		return 0;
	case 'C':
		opt->config = value;
		return 0;
	case 'L':
		opt->log_tag = value;
		return 0;
	case 'V':
		return take_envid(opt, value, o);
	case 'N':
		return take_notify(opt, value, o);
	case 'R':
		return take_return(opt, value, o);
	case 'B':
		return take_body_type(opt, value, o);
	case 'b':
		return take_body_mode(opt, value, o);
	case 'q':
		return take_queue_run(opt, first, value, o);
	case 'e':
		take_error_mode(opt, value == NULL ? "" : value);
		return 0;
	case 'o':
		take_old_option(opt, value == NULL ? "" : value);
		return 0;
	case 'O':
		take_long_option(opt, value);
		return 0;
	default:
		return 0;	/* accepted, without effect */
	}
}

/* One argument of clustered letters, from argv[*i]; moves *i over a value in the next one. */
static int
take_cluster(struct options *opt, int argc, char **argv, int *i, struct outcome *o)
{
	int at = *i;
	bool first = at == 1;

	for (const char *p = argv[at] + 1; *p != '\0'; p++) {
		char letter = *p, flag[3] = {'-', *p, '\0'};
		const char *value = p[1] != '\0' ? p + 1 : NULL, *next = *i + 1 < argc ? argv[*i + 1] : NULL;
		enum takes how = takes(letter);

		if (how == UNKNOWN)
			return usage(o, CAUSE_USAGE, "there is no such flag", flag, NULL);
		if (how == FLAG)
			value = NULL;
		else if (value == NULL && next != NULL && (how == VALUE || (how == UNLESS_DASH && *next != '-'))) {
			value = next;
			++*i;
		}
		if (how == VALUE && value == NULL)
			return usage(o, CAUSE_USAGE, "it takes a value", flag, NULL);
		if (take(opt, letter, value, first && p == argv[at] + 1, o) == -1)
			return -1;
		if (how != FLAG)
			return 0;
	}
	return 0;
}

/* --queue-remove ID and its like. */
static int
take_steering(struct options *opt, const char *flag, const char *id, struct outcome *o)
{
	static const struct { const char *flag; char steer; } steers[] = {
		{"--queue-remove", 'r'}, {"--queue-hold", 'h'}, {"--queue-release", 'l'}, {"--queue-show", 's'},
	};

	for (size_t i = 0; i < sizeof(steers) / sizeof(steers[0]); i++)
		if (strcmp(steers[i].flag, flag) == 0) {
			opt->mode = MODE_STEER;
			opt->steer = steers[i].steer;
			opt->match_text = id;
			return id != NULL ? 0 : usage(o, CAUSE_USAGE, "it takes the identifier of a message; mailq shows it", flag, NULL);
		}
	return usage(o, CAUSE_USAGE, "there is no such flag", flag, NULL);
}

/* What belongs to mailq, wherever it stands behind it. */
static int
take_list_flag(struct options *opt, const char *flag, const char *value, struct outcome *o)
{
	if (strcmp(flag, "--json") == 0)
		opt->json = true;
	else if (strcmp(flag, "--older-than") == 0) {
		opt->older = value != NULL ? config_duration(value) : -1;
		if (opt->older <= 0)
			return usage(o, CAUSE_USAGE, "it takes a time such as 15m", flag, value);
	} else
		return usage(o, CAUSE_USAGE, "there is no such flag", flag, NULL);
	return 0;
}

static int
take_long_flag(struct options *opt, int argc, char **argv, int *i, struct outcome *o)
{
	const char *flag = argv[*i], *next = *i + 1 < argc ? argv[*i + 1] : NULL;
	bool first = *i == 1;

	if (opt->mode == MODE_LIST && opt->called_mailq && strcmp(flag, "--version") != 0 && strcmp(flag, "--help") != 0) {
		*i += strcmp(flag, "--older-than") == 0 && next != NULL;
		return take_list_flag(opt, flag, next, o);
	}
	if (opt->mode == MODE_CHECK && strcmp(flag, "--json") == 0) {
		opt->json = true;
		return 0;
	}
	if (!first)
		return usage(o, CAUSE_USAGE, "a long flag may only be the first argument", flag, NULL);
	opt->fixed = true;
	if (strcmp(flag, "--version") == 0)
		opt->mode = MODE_VERSION;
	else if (strcmp(flag, "--help") == 0)
		opt->mode = MODE_HELP;
	else if (strcmp(flag, "--check") == 0)
		opt->mode = MODE_CHECK;
	else if (strcmp(flag, "--authorize") == 0)
		opt->mode = MODE_AUTHORIZE;
	else if (strcmp(flag, "--explain") == 0)
		opt->mode = MODE_EXPLAIN;
	else if (strcmp(flag, "--print-config") == 0)
		opt->mode = MODE_PRINT;
	else {
		*i += next != NULL;
		return take_steering(opt, flag, next, o);
	}
	return 0;
}

static void
take_personality(struct options *opt, const char *argv0)
{
	const char *slash = strrchr(argv0, '/'), *name = slash == NULL ? argv0 : slash + 1;

	opt->called_mailq = strcmp(name, "mailq") == 0;
	if (opt->called_mailq)
		opt->mode = MODE_LIST;
	else if (strcmp(name, "newaliases") == 0)
		opt->mode = MODE_ALIASES;
}

/* The mode that the flags behind argument i choose: a caller who asks for a dialogue waits for an answer, also when another flag is refused. */
static enum mode
mode_behind(const struct options *opt, int argc, char **argv, int i)
{
	struct options rest = *opt;
	struct outcome ignored;

	rest.fixed = false;
	for (i++; i < argc && argv[i][0] == '-' && argv[i][1] != '\0' && strcmp(argv[i], "--") != 0; i++)
		if (argv[i][1] != '-')
			(void)take_cluster(&rest, argc, argv, &i, &ignored);
	return rest.mode;
}

int
options_parse(struct options *opt, int argc, char **argv, struct outcome *o)
{
	int i;

	*opt = (struct options){0};
	if (argc > 0)
		take_personality(opt, argv[0]);
	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1] != '\0' && opt->mode != MODE_EXPLAIN; i++) {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (argv[i][1] == '-' ? take_long_flag(opt, argc, argv, &i, o) == -1 : take_cluster(opt, argc, argv, &i, o) == -1) {
			opt->mode = mode_behind(opt, argc, argv, i);
			return -1;
		}
	}
	if (i < argc) {
		opt->recipient = argv + i;
		opt->recipients = (size_t)(argc - i);
	}
	if (opt->mode == MODE_AUTHORIZE && (opt->from_header || opt->recipients > 1))
		return outcome_set(o, EX_USAGE, STAGE_USAGE, CAUSE_USAGE, "it takes the title of one smarthost at most", "flag --authorize refused");
	if (opt->mode == MODE_CHECK && opt->from_header)
		return outcome_set(o, EX_USAGE, STAGE_USAGE, CAUSE_USAGE, "the first flag takes no message", "nothing was done");
	if ((opt->mode == MODE_RUN || opt->mode == MODE_STEER || opt->mode == MODE_PRINT) && (opt->recipients > 0 || opt->from_header))
		return outcome_set(o, EX_USAGE, STAGE_USAGE, CAUSE_USAGE, "the first flag takes no message and no recipients", "nothing was done");
	if ((opt->mode == MODE_DELIVER || opt->mode == MODE_VERIFY) && !opt->from_header && opt->recipients == 0)
		return outcome_set(o, EX_USAGE, STAGE_USAGE, CAUSE_NO_RECIPIENTS, "neither -t nor a recipient was given", "nothing to do");
	return 0;
}

void
options_help(struct buf *out)
{
	buf_puts(out, "usage: sendmail [-t] [-i] [-v] [-f sender] [-F name] [-N when] [-R full|hdrs] [-V id] [--] [recipient ...] < message\n");
	explain_flags_brief(out);
	buf_puts(out, "sendmail --explain -f tells more of a flag; other flags of Sendmail are accepted or refused\nas sendmail(8) says. Configuration: sendmail.conf(5).\n");
}
