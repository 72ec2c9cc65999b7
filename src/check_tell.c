/*
 * How --check tells what it sees. See check_tell.h.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "check_tell.h"
#include "explain.h"
#include "json.h"
#include "printable.h"
#include "put.h"

#define TEXT_MAX	2048	/* octets of a text */
#define INDENT		"                            "	/* as wide as what stands before the text of a step */

/* Colours are for a terminal, and for who has not refused them (no-color.org). */
static bool
wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) == 1 && (no == NULL || *no == '\0') && term != NULL && strcmp(term, "dumb") != 0;
}

void
tell_begin(struct teller *t, bool json)
{
	*t = (struct teller){.json = json, .colour = !json && wants_colour()};
}

void
tell_end(struct teller *t)
{
	buf_free(&t->steps);
}

void
tell_raw(struct teller *t, const struct buf *text)
{
	if (t->status == 0 && put(STDOUT_FILENO, buf_str(text), text->len, PUT_WAIT) == -1)
		t->status = EX_IOERR;
}

void
tell_heading(struct teller *t, const char *text)
{
	struct buf b = {0};

	if (t->json)
		return;
	printable_add(&b, text, strlen(text), TEXT_MAX);
	buf_putc(&b, '\n');
	tell_raw(t, &b);
	buf_free(&b);
}

/* The check mark, the exclamation mark, the cross: in UTF-8, as terminals have it. */
static void
add_mark(struct buf *b, enum mark mark, bool colour)
{
	static const struct { const char *sign, *colour; } marks[] = {
		[MARK_GOOD] = {"\342\234\223", "\033[32m"}, [MARK_CARE] = {"!", "\033[33m"}, [MARK_BAD] = {"\342\234\227", "\033[31m"},
	};

	buf_printf(b, "%s%s%s", colour ? marks[mark].colour : "", marks[mark].sign, colour ? "\033[0m" : "");
}

static void
add_line(struct buf *b, const struct teller *t, enum mark mark, msec took, const char *step, const char *text)
{
	add_mark(b, mark, t->colour);
	if (took >= 0)
		buf_printf(b, " %6lld ms  ", (long long)took);
	else
		buf_puts(b, "            ");
	buf_printf(b, "%-13s  ", step);
	printable_add(b, text, strlen(text), TEXT_MAX);
	buf_putc(b, '\n');
}

/* The object of one step. */
static void
add_object(struct teller *t, enum mark mark, msec took, const char *step, const char *text, const struct outcome *o)
{
	static const char *const results[] = {[MARK_GOOD] = "ok", [MARK_CARE] = "warning", [MARK_BAD] = "failed"};
	struct buf *b = &t->steps;

	json_item(b);
	buf_putc(b, '{');
	if (t->smarthost != NULL)
		json_outside(b, "smarthost", t->smarthost, TEXT_MAX);
	json_text(b, "step", step);
	json_text(b, "result", results[mark]);
	if (took >= 0)
		json_number(b, "ms", took);
	json_outside(b, "text", text, TEXT_MAX);
	if (o != NULL) {
		const struct explanation *e = explain(o);

		json_number(b, "status", o->status);
		json_text(b, "stage", outcome_stage_name(o->stage));
		if (o->code != 0)
			json_number(b, "code", o->code);
		if (e->cause[0] != '\0')
			json_text(b, "cause", e->cause);
		if (e->remedy[0] != '\0')
			json_text(b, "remedy", e->remedy);
	}
	buf_putc(b, '}');
}

static void
add_explanation(struct buf *b, const struct outcome *o)
{
	const struct explanation *e = explain(o);

	if (e->cause[0] != '\0')
		buf_printf(b, INDENT "Likely cause: %s.\n", e->cause);
	if (e->remedy[0] != '\0')
		buf_printf(b, INDENT "Remedy: %s.\n", e->remedy);
}

void
tell(struct teller *t, enum mark mark, msec took, const char *step, const char *fmt, ...)
{
	struct buf text = {0}, b = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	if (t->json)
		add_object(t, mark, took, step, buf_str(&text), NULL);
	else {
		add_line(&b, t, mark, took, step, buf_str(&text));
		tell_raw(t, &b);
	}
	buf_free(&text);
	buf_free(&b);
}

void
tell_failure(struct teller *t, enum mark mark, msec took, const char *step, const struct outcome *o)
{
	bool again = t->last_mark >= mark && strcmp(o->what, t->last.what) == 0 && strcmp(o->why, t->last.why) == 0;
	struct buf text = {0}, b = {0};

	buf_printf(&text, "%s%s%s", o->what, o->why[0] != '\0' ? ": " : "", o->why);
	if (t->json)
		add_object(t, mark, took, step, buf_str(&text), o);
	else {
		add_line(&b, t, mark, took, step, buf_str(&text));
		if (!again)
			add_explanation(&b, o);
		tell_raw(t, &b);
	}
	t->last = *o;
	t->last_mark = mark;
	buf_free(&text);
	buf_free(&b);
}
