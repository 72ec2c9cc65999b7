/*
 * The text of a configuration made fit for libconfuse. See config_text.h.
 *
 * Follows libconfuse's own rules for strings, words and comments. Takes out the comments, since libconfuse counts the line of one more than once;
 * finds what is never closed, which libconfuse takes for complete; guards "${", which it expands outside single quotes.
 */
#include <ctype.h>
#include <string.h>
#include "config_text.h"

enum place { BARE, SINGLE, DOUBLE, LINE_COMMENT, BLOCK_COMMENT };

struct scan {
	const char *p;
	struct buf *out;
	enum place in;
	unsigned line;
	unsigned begun;		/* line where the string or block comment began */
	unsigned opened;	/* line of the "{" that is still open, the outermost */
	size_t depth;
	bool in_word;
	bool value;		/* "=" was read, and its value has not begun */
	char word[32];		/* the last bare word */
	char option[32];	/* the one before the last "=" */
};

/* What a word is for libconfuse: within one, "//" begins no comment, as in a URL. */
static bool
is_word(char c)
{
	return c != '\0' && strchr(" #\"'\t\n\r={}()+,*", c) == NULL;
}

static void
enter(struct scan *s, enum place place)
{
	s->in = place;
	s->begun = s->line;
	s->in_word = false;
}

static void
take_word(struct scan *s, char c)
{
	size_t n = s->in_word ? strlen(s->word) : 0;

	if (n < sizeof(s->word) - 1) {
		s->word[n] = c;
		s->word[n + 1] = '\0';
	}
	s->in_word = true;
}

/* An octet outside strings and comments. */
static void
take_bare(struct scan *s)
{
	char c = *s->p;

	if (c == '#' || (c == '/' && !s->in_word && s->p[1] == '/'))
		enter(s, LINE_COMMENT);
	else if (c == '/' && !s->in_word && s->p[1] == '*') {
		enter(s, BLOCK_COMMENT);
		s->p++;
	} else if (c == '\'' || c == '"')
		enter(s, c == '\'' ? SINGLE : DOUBLE);
	else if (is_word(c)) {
		take_word(s, c);
		s->value = false;
		return;
	}
	s->in_word = false;
	if (s->in != BARE)
		s->value = false;
	if (c == '=') {
		(void)strlcpy(s->option, s->word, sizeof(s->option));
		s->value = true;
	} else if (c == '{' && s->depth++ == 0)
		s->opened = s->line;
	else if (c == '}' && s->depth > 0)
		s->depth--;
}

static void
take_string(struct scan *s)
{
	char end = s->in == SINGLE ? '\'' : '"';

	if (*s->p == '\\' && s->p[1] != '\0') {
		buf_putc(s->out, *s->p++);
		s->line += *s->p == '\n';
	} else if (*s->p == end)
		s->in = BARE;
}

/* Of a comment only the line ends are left. */
static void
take_comment(struct scan *s)
{
	if (s->in == LINE_COMMENT && *s->p == '\n')
		s->in = BARE;
	else if (s->in == BLOCK_COMMENT && *s->p == '*' && s->p[1] == '/') {
		s->p++;
		s->in = BARE;
	}
	buf_putc(s->out, *s->p == '\n' ? '\n' : ' ');
}

bool
config_is_secret(const char *option)
{
	static const char *const secrets[] = {"password", "tls-key-password", "client-secret", "client-key-password", "proxy-password"};

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		if (strcmp(option, secrets[i]) == 0)
			return true;
	return false;
}

/*
 * What is wrong with the octet that comes, or NULL: where "${" may not be expanded, and escaping it is not enough; and where libconfuse would take
 * something of a password away without a word (a "#" outside quotes, a backslash in double ones).
 */
static const char *
guard(struct scan *s, bool privileged)
{
	bool password = config_is_secret(s->option), expanded = s->p[0] == '$' && s->p[1] == '{' && (s->in == BARE || s->in == DOUBLE);

	if (password && s->in == BARE && s->value && is_word(*s->p))
		return "a password has to stand in single quotes";
	if (password && s->in == DOUBLE && *s->p == '\\')
		return "a backslash in double quotes is taken as an escape; put the password into single quotes";
	if (expanded && (password || (privileged && s->in == BARE)))
		return "\"${\" is expanded there; put the value into single quotes";
	if (expanded && privileged)
		buf_putc(s->out, '\\');
	return NULL;
}

static const char *
unclosed(const struct scan *s, unsigned *line)
{
	*line = s->begun;
	if (s->in == SINGLE || s->in == DOUBLE)
		return "a string begins there and does not end; put a password that holds quotes into single quotes";
	if (s->in == BLOCK_COMMENT)
		return "a comment begins there and does not end";
	*line = s->opened;
	return s->depth > 0 ? "a \"{\" stands there without its \"}\"" : NULL;
}

const char *
config_scan(struct buf *out, const char *text, bool privileged, unsigned *line)
{
	struct scan s = {.p = text, .out = out, .line = 1};

	for (; *s.p != '\0'; s.p++) {
		enum place before = s.in;
		const char *why;

		s.line += *s.p == '\n';
		if ((why = guard(&s, privileged)) != NULL) {
			*line = s.line;
			return why;
		}
		if (s.in == BARE)
			take_bare(&s);
		else if (s.in == SINGLE || s.in == DOUBLE)
			take_string(&s);
		if (before == LINE_COMMENT || before == BLOCK_COMMENT)
			take_comment(&s);
		else if (s.in != LINE_COMMENT && s.in != BLOCK_COMMENT)
			buf_putc(out, *s.p);
	}
	return unclosed(&s, line);
}
