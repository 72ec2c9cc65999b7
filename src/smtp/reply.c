/*
 * A reply of the smarthost. See reply.h.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include "smtp/reply.h"

int
reply_line(const char *line, size_t len, bool *last, const char **text)
{
	if (len < 3 || line[0] < '2' || line[0] > '5' || !isdigit((unsigned char)line[1]) || !isdigit((unsigned char)line[2]))
		return -1;
	if (len > 3 && line[3] != ' ' && line[3] != '-')
		return -1;
	*last = len == 3 || line[3] == ' ';
	*text = len > 4 ? line + 4 : line + len;
	return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

/* Length of an enhanced status code of the reply's own class at the start of text, else 0 (RFC 2034 section 4). */
static size_t
enhanced_length(int code, const char *text, size_t len)
{
	size_t i = 1, dots = 0, digits = 0;

	if (len < 5 || text[0] != '0' + code / 100 || text[1] != '.')
		return 0;
	for (; i < len && (isdigit((unsigned char)text[i]) || text[i] == '.'); i++) {
		if (text[i] == '.') {
			if (dots++ > 0 && digits == 0)
				return 0;
			digits = 0;
		} else if (++digits > 3)
			return 0;
	}
	if (dots != 2 || digits == 0 || i > 9 || (i < len && text[i] != ' '))
		return 0;
	return i;
}

/* A last word: 421 at any time, or a refusal behind which the connection ends. */
static bool
is_last_word(const struct stream *s, const char *p, size_t n)
{
	return n >= 4 && (strncmp(p, "421", 3) == 0 || (s->error != STREAM_OK && (*p == '4' || *p == '5')));
}

void
reply_expect(struct stream *s)
{
	if (!stream_is_quiet(s) && stream_pending(s) > 0 && !is_last_word(s, s->in.data + s->in_at, stream_pending(s)))
		stream_give_up(s, "it said something that nobody had asked for");
}

static void
keep_line(struct reply *r, const char *text, size_t len)
{
	size_t code = enhanced_length(r->code, text, len);

	if (code > 0 && strncmp(r->enhanced, text, code) == 0 && r->enhanced[code] == '\0') {
		size_t said = code < len ? code + 1 : code;	/* once is enough */

		text += said;
		len -= said;
	} else if (code > 0 && r->enhanced[0] == '\0') {
		memcpy(r->enhanced, text, code);
		r->enhanced[code] = '\0';
	}
	if (r->lines > 0 && r->len < sizeof(r->text) - 1)
		r->text[r->len++] = '\n';
	if (len > sizeof(r->text) - 1 - r->len) {
		len = sizeof(r->text) - 1 - r->len;
		r->cut = true;
	}
	memcpy(r->text + r->len, text, len);
	r->len += len;
	r->text[r->len] = '\0';
	r->lines++;
}

static int
nonsense(const char *line, const char *why, enum stage stage, const char *doing, struct outcome *o)
{
	char text[200];

	(void)snprintf(text, sizeof(text), "%s: \"%.100s\"", why, line);
	return outcome_set(o, EX_PROTOCOL, stage, CAUSE_NONSENSE, text, "%s", doing);
}

static int
read_lines(struct reply *r, struct stream *s, struct trace *t, enum stage stage, const char *doing, struct outcome *o)
{
	char line[REPLY_LINE_MAX + 3];
	const char *text;
	bool last = false;

	while (!last) {
		ptrdiff_t n = stream_readline(s, line, sizeof(line));
		int code;

		if (n < 0)
			return stream_fail(s, stage, doing, o);
		trace_line(t, '<', line, (size_t)n);
		code = reply_line(line, (size_t)n, &last, &text);
		if (code < 0)
			return nonsense(line, "it answered with something that is not SMTP", stage, doing, o);
		if (r->lines > 0 && code != r->code)
			return nonsense(line, "the code changes within one reply", stage, doing, o);
		if (r->lines == REPLY_LINES_MAX)
			return nonsense(line, "the reply has more than 512 lines", stage, doing, o);
		r->code = code;
		keep_line(r, text, (size_t)(line + n - text));
	}
	return 0;
}

int
reply_read(struct reply *r, struct stream *s, struct trace *t, enum stage stage, const char *doing, struct outcome *o)
{
	r->code = 0;
	r->enhanced[0] = r->text[0] = '\0';
	r->lines = r->len = 0;
	r->cut = false;
	if (read_lines(r, s, t, stage, doing, o) == 0)
		return 0;
	r->code = 0;	/* half a reply says nothing */
	return -1;
}

void
reply_words(const struct reply *r, char *out, size_t size)
{
	(void)snprintf(out, size, "%03d%s", r->code, r->len > 0 ? " " : "");
	(void)strlcat(out, r->text, size);
	for (char *p = out; *p != '\0'; p++)
		if (*p == '\n')
			*p = ' ';
}

int
reply_fail(const struct reply *r, enum stage stage, struct outcome *o, const char *fmt, ...)
{
	char what[sizeof(o->what)], words[sizeof(o->why)];
	va_list ap;
	int status = outcome_status(stage, r->code, r->enhanced);
	bool expected = r->code >= 400;

	if (stage == STAGE_RCPT && r->code >= 500 && r->enhanced[0] == '\0' && strcasestr(r->text, "relay") != NULL)
		status = EX_NOPERM;	/* a refused relay of a server without enhanced codes: "550 relay not permitted" */
	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	reply_words(r, words, sizeof(words));
	(void)outcome_set(o, status, stage, expected ? CAUSE_REPLY : CAUSE_NONSENSE, words, "%s", what);
	o->code = r->code;
	(void)strlcpy(o->enhanced, r->enhanced, sizeof(o->enhanced));
	return -1;
}
