/*
 * Rules: at which stage of which connection to do what.
 *
 *	stage[@glob][#times | ##times] [conn=times] action ...
 *
 * README says what the stages and actions are.
 */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "smarthost.h"

#define RULE_SIZE	65536

static const char *const stages[ST_COUNT] = {
	[ST_NONE] = "", [ST_CONNECT] = "connect", [ST_TLS] = "tls",
	[ST_BANNER] = "banner", [ST_EHLO] = "ehlo", [ST_HELO] = "helo",
	[ST_STARTTLS] = "starttls", [ST_AUTH] = "auth",
	[ST_AUTH_CONT] = "auth-cont", [ST_AUTH_DONE] = "auth-done",
	[ST_MAIL] = "mail", [ST_RCPT] = "rcpt", [ST_DATA] = "data",
	[ST_BODY] = "body", [ST_DOT] = "dot", [ST_BDAT] = "bdat",
	[ST_RSET] = "rset", [ST_NOOP] = "noop", [ST_VRFY] = "vrfy",
	[ST_HELP] = "help", [ST_QUIT] = "quit", [ST_UNKNOWN] = "unknown",
};

enum wants {
	WANTS_NOTHING, WANTS_NUMBER, WANTS_TEXT
};

static const struct {
	const char	*name;
	enum act	 act;
	enum wants	 wants;
} actions[] = {
	{ "pass", ACT_PASS, WANTS_NOTHING },
	{ "reply", ACT_REPLY, WANTS_TEXT },
	{ "raw", ACT_RAW, WANTS_TEXT },
	{ "stall", ACT_STALL, WANTS_NOTHING },
	{ "close", ACT_CLOSE, WANTS_NOTHING },
	{ "reset", ACT_RESET, WANTS_NOTHING },
	{ "cut", ACT_CUT, WANTS_NUMBER },
	{ "delay", ACT_DELAY, WANTS_NUMBER },
	{ "trickle", ACT_TRICKLE, WANTS_NUMBER },
	{ "inject", ACT_INJECT, WANTS_TEXT },
	{ "flood", ACT_FLOOD, WANTS_NUMBER },
	{ "flood-lines", ACT_FLOOD_LINES, WANTS_NUMBER },
};

const char *
stage_name(enum stage stage)
{
	return stages[stage];
}

static bool
parse_number(const char *s, unsigned long *n)
{
	char *end;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	*n = strtoul(s, &end, 10);
	return errno == 0 && *end == '\0';
}

/* "3", "3-5", "3-" */
static bool
parse_range(char *s, struct range *r)
{
	char *dash;

	if ((dash = strchr(s, '-')) != NULL)
		*dash++ = '\0';
	if (!parse_number(s, &r->lo))
		return false;
	if (dash == NULL)
		r->hi = r->lo;
	else if (*dash == '\0')
		r->hi = ULONG_MAX;
	else
		return parse_number(dash, &r->hi);
	return true;
}

static enum stage
parse_stage(const char *name)
{
	int i;

	for (i = ST_NONE + 1; i < ST_COUNT; i++) {
		if (strcmp(stages[i], name) == 0)
			return (enum stage)i;
	}
	return ST_NONE;
}

static bool
parse_selector(char *word, struct rule *r)
{
	char *at, *hash;

	r->times = r->connections = (struct range){ 1, ULONG_MAX };
	if ((hash = strrchr(word, '#')) != NULL) {
		if (!parse_range(hash + 1, &r->times))
			return false;
		if (hash > word && hash[-1] == '#') {
			r->in_connection = true;
			hash--;
		}
		*hash = '\0';
	}
	if ((at = strchr(word, '@')) != NULL) {
		*at++ = '\0';
		if ((r->glob = strdup(at)) == NULL)
			abort();
	}
	r->stage = parse_stage(word);
	if (r->stage != ST_RCPT && r->stage != ST_BDAT)
		r->in_connection = true;
	return r->stage != ST_NONE;
}

static int
hex(char ch)
{
	static const char digits[] = "0123456789abcdef";
	const char *p;

	p = strchr(digits, tolower((unsigned char)ch));
	return ch == '\0' || p == NULL ? -1 : (int)(p - digits);
}

/* One escape behind the backslash; returns how many characters it took. */
static size_t
unescape(const char *p, char *out)
{
	switch (*p) {
	case 'r':
		*out = '\r';
		return 1;
	case 'n':
		*out = '\n';
		return 1;
	case 't':
		*out = '\t';
		return 1;
	case '0':
		*out = '\0';
		return 1;
	case 'x':
		if (hex(p[1]) < 0 || hex(p[2]) < 0)
			return 0;
		*out = (char)(hex(p[1]) * 16 + hex(p[2]));
		return 3;
	case '"':
	case '\\':
		*out = *p;
		return 1;
	default:
		return 0;
	}
}

/* A string in double quotes, from *p, into buf; *p then stands behind it. */
static bool
parse_quoted(const char **p, char *buf, size_t *len)
{
	const char *s = *p;
	size_t took;

	if (*s++ != '"')
		return false;
	while (*s != '"') {
		if (*s == '\0')
			return false;
		if (*s != '\\') {
			buf[(*len)++] = *s++;
			continue;
		}
		if ((took = unescape(s + 1, &buf[(*len)++])) == 0)
			return false;
		s += 1 + took;
	}
	*p = s + 1;
	return true;
}

static const char *
skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

/* A reply ends in CRLF, and a lone \n in it means CRLF. */
static void
finish_reply(struct step *st, const char *buf, size_t len)
{
	char *out;
	size_t i, n = 0;

	if ((out = malloc(2 * len + 3)) == NULL)
		abort();
	for (i = 0; i < len; i++) {
		if (buf[i] == '\n' && (i == 0 || buf[i - 1] != '\r'))
			out[n++] = '\r';
		out[n++] = buf[i];
	}
	if (n < 2 || out[n - 1] != '\n') {
		out[n++] = '\r';
		out[n++] = '\n';
	}
	out[n] = '\0';
	st->text = out;
	st->len = n;
}

static bool
parse_text(const char **p, struct step *st)
{
	char *buf;
	size_t len = 0;
	bool ok;

	if ((buf = malloc(strlen(*p) + 3)) == NULL)
		abort();
	ok = parse_quoted(p, buf, &len);
	while (ok && *(*p = skip_blanks(*p)) == '"') {
		if (st->act == ACT_REPLY)
			buf[len++] = '\n';
		ok = parse_quoted(p, buf, &len);
	}
	if (ok && st->act == ACT_REPLY) {
		finish_reply(st, buf, len);
		free(buf);
	} else {
		buf[len] = '\0';
		st->text = buf;
		st->len = len;
	}
	return ok;
}

/* The next word, cut at a blank, into buf. */
static bool
next_word(const char **p, char *buf, size_t size)
{
	size_t n;

	*p = skip_blanks(*p);
	n = strcspn(*p, " \t");
	if (n == 0 || n >= size)
		return false;
	memcpy(buf, *p, n);
	buf[n] = '\0';
	*p = skip_blanks(*p + n);
	return true;
}

static bool
parse_step(const char **p, const char *word, struct step *st)
{
	char number[32];
	size_t i;

	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(actions[i].name, word) != 0)
			continue;
		st->act = actions[i].act;
		if (actions[i].wants == WANTS_TEXT)
			return parse_text(p, st);
		if (actions[i].wants == WANTS_NUMBER)
			return next_word(p, number, sizeof(number)) &&
			    parse_number(number, &st->n);
		return true;
	}
	return false;
}

static void
rule_free(struct rule *r)
{
	size_t i;

	free(r->glob);
	for (i = 0; i < r->nsteps; i++)
		free(r->step[i].text);
}

static const char *
parse_rule(const char *p, struct rule *r)
{
	char word[1024];

	if (!next_word(&p, word, sizeof(word)) || !parse_selector(word, r))
		return "no such stage or selector";
	while (*p != '\0' && *p != '#') {
		if (!next_word(&p, word, sizeof(word)))
			return "a word too long";
		if (strncmp(word, "conn=", 5) == 0) {
			if (!parse_range(word + 5, &r->connections))
				return "conn= wants N, N-M or N-";
			continue;
		}
		if (r->nsteps == STEP_MAX)
			return "too many actions";
		if (!parse_step(&p, word, &r->step[r->nsteps++]))
			return "no such action, or its value is wrong";
		p = skip_blanks(p);
	}
	return r->nsteps == 0 ? "no action" : NULL;
}

bool
script_add(struct script *s, const char *line, char *err, size_t errlen)
{
	struct rule r = { .glob = NULL };
	const char *wrong;

	line = skip_blanks(line);
	if (*line == '\0' || *line == '#')
		return true;
	if ((wrong = parse_rule(line, &r)) != NULL) {
		rule_free(&r);
		snprintf(err, errlen, "%s: %s", line, wrong);
		return false;
	}
	s->rule = reallocarray(s->rule, s->nrules + 1, sizeof(*s->rule));
	if (s->rule == NULL)
		abort();
	s->rule[s->nrules++] = r;
	return true;
}

bool
script_read(struct script *s, const char *path)
{
	char line[RULE_SIZE], err[256];
	unsigned n = 0;
	bool ok = true;
	FILE *fp;

	if ((fp = fopen(path, "r")) == NULL) {
		perror(path);
		return false;
	}
	while (ok && fgets(line, sizeof(line), fp) != NULL) {
		n++;
		line[strcspn(line, "\n")] = '\0';
		ok = script_add(s, line, err, sizeof(err));
		if (!ok)
			fprintf(stderr, "%s:%u: %s\n", path, n, err);
	}
	fclose(fp);
	return ok;
}

void
script_free(struct script *s)
{
	size_t i;

	for (i = 0; i < s->nrules; i++)
		rule_free(&s->rule[i]);
	free(s->rule);
}

static bool
within(const struct range *r, unsigned long n)
{
	return n >= r->lo && n <= r->hi;
}

const struct rule *
script_match(const struct conn *c, enum stage stage, const char *key)
{
	const struct script *s = &c->opt->script;
	const struct rule *r;
	size_t i;

	for (i = 0; i < s->nrules; i++) {
		r = &s->rule[i];
		if (r->stage == stage && within(&r->connections, c->id) &&
		    within(&r->times, r->in_connection ? c->seen[stage] :
		    c->seen_in_tx[stage]) && (r->glob == NULL ||
		    fnmatch(r->glob, key, FNM_CASEFOLD) == 0))
			return r;
	}
	return NULL;
}
