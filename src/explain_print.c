/*
 * --explain, HELP and --help: the rows of the table as text. See explain.h.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "explain_table.h"

#define WIDTH		79	/* columns */
#define INDENT		4
#define FLAG_WIDTH	20	/* columns of a flag with its value in --help */
#define WORD_MAX	80	/* octets of a word of a topic that are looked at */

/* ---- text ---- */

/* Words from a point of a line on, broken between them, further lines indented. */
static void
add_wrapped(struct buf *b, const char *text, size_t column, size_t indent)
{
	const char *p = text;
	bool first = true;

	while (*p != '\0') {
		size_t n = strcspn(p, " ");

		if (!first && column + 1 + n > WIDTH) {
			buf_printf(b, "\n%*s", (int)indent, "");
			column = indent;
		} else if (!first) {
			buf_putc(b, ' ');
			column++;
		}
		buf_add(b, p, n);
		column += n;
		p += n + strspn(p + n, " ");
		first = false;
	}
	buf_putc(b, '\n');
}

static void
add_line(struct buf *b, const char *text)
{
	buf_printf(b, "%*s", INDENT, "");
	add_wrapped(b, text, INDENT, INDENT);
}

/* "Label: text" on lines of its own, where there is a text. */
static void
add_labelled(struct buf *b, const char *label, const char *text, const char *stop)
{
	struct buf line = {0};

	if (text[0] == '\0')
		return;
	buf_printf(&line, "%s: %s%s", label, text, stop);
	add_line(b, line.data);
	buf_free(&line);
}

static void
add_why(struct buf *b, const struct explanation *e)
{
	add_labelled(b, "Likely cause", e->cause, ".");
	add_labelled(b, "Remedy", e->remedy, ".");
}

/* The head of a topic: its name, and what it is, with a capital letter. */
static void
add_head(struct buf *b, const char *name, const char *text, const char *source)
{
	struct buf line = {0};

	if (b->len > 0)
		buf_putc(b, '\n');
	buf_printf(b, "%s  ", name);
	buf_printf(&line, "%c%s.", toupper((unsigned char)text[0]), text + 1);
	if (source[0] != '\0')
		buf_printf(&line, " (%s)", source);
	add_wrapped(b, line.data, strlen(name) + 2, INDENT);
	buf_free(&line);
}

/* ---- replies ---- */

/* A reply that is asked about. */
struct asked {
	int code;		/* 0: none was given */
	char enhanced[12];
	struct buf words;
};

/* What a reply comes to, command by command, by the very function that a failure is explained by. Those that come to the same are told together. */
static void
add_stages(struct buf *b, const struct asked *a)
{
	static const struct { enum stage stage; const char *name; } stages[] = {
		{STAGE_BANNER, "as the greeting"}, {STAGE_EHLO, "to EHLO"}, {STAGE_STARTTLS, "to STARTTLS"}, {STAGE_AUTH, "to AUTH"}, {STAGE_MAIL, "to MAIL"},
		{STAGE_RCPT, "to RCPT"}, {STAGE_DATA, "to DATA"}, {STAGE_DOT, "after the message"},
	};
	enum { STAGES = sizeof(stages) / sizeof(stages[0]) };
	const struct explanation *e[STAGES];
	struct outcome o = {.cause = CAUSE_REPLY, .code = a->code != 0 ? a->code : 100 * (a->enhanced[0] - '0') + 50};
	bool told[STAGES] = {false};
	struct buf line = {0};

	if (o.code < 400)
		return;
	(void)strlcpy(o.enhanced, a->enhanced, sizeof(o.enhanced));
	(void)strlcpy(o.why, buf_str(&a->words), sizeof(o.why));
	for (size_t i = 0; i < STAGES; i++) {
		o.stage = stages[i].stage;
		e[i] = explain(&o);
	}
	buf_puts(b, "\nAs an answer to this program:\n");
	for (size_t i = 0; i < STAGES; i++) {
		buf_reset(&line);
		for (size_t k = i; k < STAGES; k++)
			if (!told[k] && strcmp(e[k]->cause, e[i]->cause) == 0 && strcmp(e[k]->remedy, e[i]->remedy) == 0) {
				buf_printf(&line, "%s%s (%s", line.len > 0 ? ", " : "", stages[k].name, line.len > 0 ? "" : "exit status ");
				if (o.code == 530 && stages[k].stage == STAGE_MAIL)
					buf_puts(&line, "76 where it wants TLS, else 77)");
				else
					buf_printf(&line, "%d)", outcome_status(stages[k].stage, o.code, o.enhanced));
				told[k] = true;
			}
		if (line.len == 0)
			continue;
		buf_printf(&line, ": %s. Remedy: %s.", e[i]->cause, e[i]->remedy);
		line.data[0] = (char)toupper((unsigned char)line.data[0]);
		add_line(b, line.data);
	}
	buf_free(&line);
}

/* One that is in no list: what its digits say (RFC 5321 section 4.2.1). */
static void
add_unlisted_code(struct buf *b, int code)
{
	static const char *const kinds[] = {
		"", "", "success", "the server waits for more", "refused for now", "refused for good",
	};
	static const char *const subjects[] = {
		"the form of the command", "information", "the connection", "sign-in", "no certain subject", "the mail system", "no certain subject", "no certain subject",
		"no certain subject", "no certain subject",
	};
	char name[8], text[160];

	(void)snprintf(name, sizeof(name), "%d", code);
	(void)snprintf(text, sizeof(text), "in no standard; by its digits: %s, about %s", kinds[code / 100], subjects[code / 10 % 10]);
	add_head(b, name, text, "RFC 5321 section 4.2.1");
}

static void
add_code(struct buf *b, int code)
{
	const struct explain_code *row = explain_code_row(code);
	char name[8];

	if (row == NULL) {
		add_unlisted_code(b, code);
		return;
	}
	(void)snprintf(name, sizeof(name), "%d", code);
	add_head(b, name, row->text, row->source);
	add_why(b, &row->why);
}

static void
add_enhanced(struct buf *b, const char *code)
{
	static const char *const subjects[] = {
		"no subject", "an address", "the mailbox", "the mail system", "network and routing", "the dialogue", "the content", "security and rules",
	};
	char text[160];
	long subject = strtol(code + 2, NULL, 10);
	bool found = false;

	for (size_t i = 0; i < explain_enhanceds_count; i++) {
		const struct explain_enhanced *row = &explain_enhanceds[i];

		if (!explain_enhanced_fits(row, code))
			continue;
		add_head(b, code, row->text, row->source);
		if (code[0] != '2')
			add_why(b, &row->why);
		found = true;
	}
	if (found)
		return;
	(void)snprintf(text, sizeof(text), "in no registry; by its digits: %s, about %s",
	    code[0] == '2' ? "success" : code[0] == '4' ? "refused for now" : "refused for good", subject < 8 ? subjects[subject] : "something of the server's own");
	add_head(b, code, text, "RFC 3463");
}

/* ---- other topics ---- */

static const struct explain_command *
find_command(const char *name)
{
	for (size_t i = 0; i < explain_commands_count; i++)
		if (strcasecmp(explain_commands[i].name, name) == 0)
			return &explain_commands[i];
	return NULL;
}

static bool
add_command(struct buf *b, const char *name)
{
	const struct explain_command *c = find_command(name);

	if (c == NULL)
		return false;
	add_head(b, c->name, c->text, c->source);
	add_labelled(b, "Syntax", c->syntax, "");
	add_labelled(b, "Example", c->example, "");
	add_labelled(b, "With -bs", c->here, ".");
	return true;
}

static bool
add_extension(struct buf *b, const char *keyword)
{
	for (size_t i = 0; i < explain_extensions_count; i++)
		if (strcasecmp(explain_extensions[i].keyword, keyword) == 0) {
			add_head(b, explain_extensions[i].keyword, explain_extensions[i].text, explain_extensions[i].source);
			return true;
		}
	return false;
}

static bool
add_status(struct buf *b, const char *word)
{
	bool number = word[0] != '\0' && strspn(word, "0123456789") == strlen(word) && strlen(word) <= 2;
	char name[32];

	for (size_t i = 0; i < explain_statuses_count; i++) {
		const struct explain_status *row = &explain_statuses[i];

		if (number ? strtol(word, NULL, 10) != row->status : row->name[0] == '\0' || strcasecmp(word, row->name) != 0)
			continue;
		(void)snprintf(name, sizeof(name), "%d%s%s", row->status, row->name[0] != '\0' ? " " : "", row->name);
		add_head(b, name, row->text, "exit status");
		add_why(b, &row->why);
		return true;
	}
	return false;
}

/* A flag as it is written, also with its value attached: "-q15m" is -q, "-oitrue" is -oi. */
static bool
add_flag(struct buf *b, const char *word)
{
	const struct explain_flag *best = NULL;
	char name[80];

	for (size_t i = 0; i < explain_flags_count; i++) {
		const struct explain_flag *f = &explain_flags[i];
		size_t n = strlen(f->flag);
		bool fits = strcmp(word, f->flag) == 0 || (word[0] == '-' && word[1] != '-' && f->value[0] != '\0' && strncmp(word, f->flag, n) == 0) ||
		    (strcmp(f->flag, "-oi") == 0 && strcmp(word, "-oitrue") == 0);

		if (fits && (best == NULL || n > strlen(best->flag)))
			best = f;
	}
	if (best == NULL)
		return false;
	(void)snprintf(name, sizeof(name), "%s%s", best->flag, best->value);
	add_head(b, name, best->text, "flag");
	return true;
}

/* ---- words ---- */

static bool
is_code(const char *word)
{
	return strlen(word) == 3 && word[0] >= '2' && word[0] <= '5' && isdigit((unsigned char)word[1]) && isdigit((unsigned char)word[2]);
}

/* "5.7.30", "X.7.30": class, subject, detail. */
static bool
is_enhanced(const char *word)
{
	size_t subject, detail;

	if (strchr("245Xx", word[0]) == NULL || word[0] == '\0' || word[1] != '.')
		return false;
	subject = strspn(word + 2, "0123456789");
	if (subject < 1 || subject > 3 || word[2 + subject] != '.')
		return false;
	detail = strspn(word + 3 + subject, "0123456789");
	return detail >= 1 && detail <= 3 && word[3 + subject + detail] == '\0';
}

/* The reply is over: what it comes to. */
static void
end_reply(struct buf *b, struct asked *a)
{
	if (a->code != 0 || a->enhanced[0] != '\0')
		add_stages(b, a);
	buf_free(&a->words);
	*a = (struct asked){0};
}

/* True where the word may be a code of the reply that is asked about; else it begins another. */
static bool
is_part(const struct asked *a, const char *word)
{
	if (is_code(word))
		return a->code == 0 && a->enhanced[0] == '\0';
	return a->enhanced[0] == '\0' && a->words.len == 0;
}

static bool
add_word(struct buf *b, struct asked *a, const char *word, bool first)
{
	bool code = is_code(word), command;

	if ((code || is_enhanced(word)) && (first || is_part(a, word))) {
		if (!is_part(a, word))
			end_reply(b, a);
		if (code) {
			a->code = (int)strtol(word, NULL, 10);
			add_code(b, a->code);
			return true;
		}
		(void)strlcpy(a->enhanced, word, sizeof(a->enhanced));
		if (toupper((unsigned char)word[0]) == 'X')
			a->enhanced[0] = '5';
		add_enhanced(b, a->enhanced);
		return true;
	}
	if (first && word[0] == '-' && word[1] != '\0') {
		end_reply(b, a);
		return add_flag(b, word);
	}
	if (a->code != 0 || a->enhanced[0] != '\0') {	/* the words of the reply */
		buf_printf(&a->words, " %s", word);
		return true;
	}
	command = add_command(b, word);
	return add_extension(b, word) || command || add_status(b, word);
}

/* The next word of a text: up to a blank, or to the dash or colon behind a code. False: there is none. */
static bool
next_word(const char **text, char *word, size_t size)
{
	const char *p = *text + strspn(*text, " \t\r\n");
	size_t n = strcspn(p, " \t\r\n");

	if (n > 3 && isdigit((unsigned char)p[0]) && isdigit((unsigned char)p[1]) && isdigit((unsigned char)p[2]) && strchr("-:", p[3]) != NULL) {
		(void)snprintf(word, size, "%.3s", p);
		*text = p + 4;
		return true;
	}
	(void)snprintf(word, size, "%.*s", (int)n, p);
	if (n > 1 && n < size && strchr(":;,", word[n - 1]) != NULL)
		word[n - 1] = '\0';
	*text = p + n;
	return n > 0;
}

/* ---- all of it ---- */

static void
list_all(struct buf *b)
{
	buf_puts(b, "Commands of SMTP\n");
	for (size_t i = 0; i < explain_commands_count; i++)
		buf_printf(b, "%-8s  %s\n", explain_commands[i].name, explain_commands[i].text);
	buf_puts(b, "\nExtensions of SMTP, and mechanisms of sign-in\n");
	for (size_t i = 0; i < explain_extensions_count; i++)
		buf_printf(b, "%-19s  %s\n", explain_extensions[i].keyword, explain_extensions[i].text);
	buf_puts(b, "\nReply codes\n");
	for (size_t i = 0; i < explain_codes_count; i++)
		buf_printf(b, "%d  %s\n", explain_codes[i].code, explain_codes[i].text);
	buf_puts(b, "\nEnhanced status codes (X: 2 success, 4 for now, 5 for good)\n");
	for (size_t i = 0; i < explain_enhanceds_count; i++)
		buf_printf(b, "%-11s  %s (%s)\n", explain_enhanceds[i].code, explain_enhanceds[i].text, explain_enhanceds[i].source);
	buf_puts(b, "\nExit statuses\n");
	for (size_t i = 0; i < explain_statuses_count; i++)
		buf_printf(b, "%2d  %-14s  %s\n", explain_statuses[i].status, explain_statuses[i].name, explain_statuses[i].text);
	buf_puts(b, "\nFlags\n");
	for (size_t i = 0; i < explain_flags_count; i++)
		buf_printf(b, "%s%s  %s\n", explain_flags[i].flag, explain_flags[i].value, explain_flags[i].text);
}

bool
explain_topics(struct buf *out, char *const *topic, size_t topics, struct buf *unknown)
{
	struct asked a = {0};
	char word[WORD_MAX];

	for (size_t i = 0; i < topics; i++) {
		const char *text = topic[i];

		for (bool first = true; next_word(&text, word, sizeof(word)); first = false)
			if (!add_word(out, &a, word, first && a.words.len == 0) && unknown->len == 0)
				buf_puts(unknown, word);
	}
	end_reply(out, &a);
	if (out->len == 0 && unknown->len == 0)
		list_all(out);
	return unknown->len == 0;
}

bool
explain_help(struct buf *out, const char *command)
{
	const struct explain_command *c = find_command(command);

	if (c == NULL)
		return false;
	buf_printf(out, "%s\n", c->syntax);
	add_wrapped(out, c->text, 0, 0);
	buf_printf(out, "Example: %s\n", c->example);
	if (c->here[0] != '\0') {
		buf_puts(out, "Here: ");
		add_wrapped(out, c->here, 6, 0);
	}
	return true;
}

const char *
explain_syntax(const char *command)
{
	const struct explain_command *c = find_command(command);

	return c != NULL ? c->syntax : "";
}

void
explain_flags_brief(struct buf *out)
{
	for (size_t i = 0; i < explain_flags_count; i++) {
		const struct explain_flag *f = &explain_flags[i];
		size_t from = out->len;

		if (f->brief[0] == '\0')
			continue;
		buf_printf(out, "  %s%s", f->flag, f->value);
		if (out->len - from > FLAG_WIDTH) {
			buf_putc(out, '\n');
			from = out->len;
		}
		while (out->len - from < FLAG_WIDTH + 2)
			buf_putc(out, ' ');
		buf_printf(out, "%s\n", f->brief);
	}
}
