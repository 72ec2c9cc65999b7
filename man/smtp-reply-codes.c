/*
 * Prints the page smtp-reply-codes(7) from the table that the program itself explains by (explain.h), so that the two cannot disagree: make man.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "explain_table.h"

#define WIDTH	79

_Noreturn void
mem_exhausted(void)
{
	abort();
}

/* A word of text as mdoc has it: nothing in it is an escape, and nothing at the begin of a line a request. */
static size_t
put_word(const char *word, size_t n, size_t column)
{
	size_t width = 0;

	if (column == 0 && (*word == '.' || *word == '\'')) {
		fputs("\\&", stdout);
		width += 2;
	}
	for (size_t i = 0; i < n; i++)
		if (word[i] == '\\') {
			fputs("\\e", stdout);
			width += 2;
		} else {
			(void)putchar(word[i]);
			width++;
		}
	return width;
}

/* Text on lines of its own; a sentence begins a line. */
static void
put_text(const char *text)
{
	size_t column = 0;

	while (*text != '\0') {
		size_t n = strcspn(text, " ");
		bool ends = n > 1 && text[n - 1] == '.';

		if (column > 0 && column + 1 + n > WIDTH) {
			(void)putchar('\n');
			column = 0;
		} else if (column > 0) {
			(void)putchar(' ');
			column++;
		}
		column += put_word(text, n, column);
		text += n;
		while (*text == ' ')
			text++;
		if (ends && *text != '\0') {
			(void)putchar('\n');
			column = 0;
		}
	}
	(void)putchar('\n');
}

/* "Text." with a capital letter, and where that is from. */
static void
put_meaning(const char *text, const char *source)
{
	char line[1024];

	(void)snprintf(line, sizeof(line), "%c%s%s%s%s.", *text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text, text + 1, *source != '\0' ? " (" : "", source,
	    *source != '\0' ? ")" : "");
	put_text(line);
}

static void
put_why(const struct explanation *e)
{
	char line[1024];

	if (e->cause[0] == '\0')
		return;
	(void)snprintf(line, sizeof(line), "Likely cause: %s.", e->cause);
	puts(".br");
	put_text(line);
	(void)snprintf(line, sizeof(line), "Remedy: %s.", e->remedy);
	puts(".br");
	put_text(line);
}

static void
begin(const char *section, const char *width)
{
	printf(".Sh %s\n", section);
	if (width != NULL)
		printf(".Bl -tag -width %s\n", width);
}

static void
put_commands(void)
{
	begin("COMMANDS", "STARTTLS");
	for (size_t i = 0; i < explain_commands_count; i++) {
		const struct explain_command *c = &explain_commands[i];

		printf(".It %s\n", c->name);
		put_meaning(c->text, c->source);
		puts(".Bd -literal -compact");
		(void)put_word(c->syntax, strlen(c->syntax), 0);
		puts("\n.Ed");
		if (strcmp(c->syntax, c->example) == 0)
			continue;
		puts("For example:");
		puts(".Bd -literal -compact");
		(void)put_word(c->example, strlen(c->example), 0);
		puts("\n.Ed");
	}
	puts(".El");
}

static void
put_extensions(void)
{
	begin("EXTENSIONS", "SCRAM-SHA-256-PLUS");
	for (size_t i = 0; i < explain_extensions_count; i++) {
		printf(".It %s\n", explain_extensions[i].keyword);
		put_meaning(explain_extensions[i].text, explain_extensions[i].source);
	}
	puts(".El");
}

static void
put_codes(void)
{
	begin("REPLY CODES", NULL);
	put_text("The first digit tells how it went: 2 well, 3 well so far, 4 not now, 5 not at all. The second one is about 0 the form of the command, 1 information, "
	    "2 the connection, 3 sign-in, 5 the mail system.");
	puts(".Bl -tag -width 250");
	for (size_t i = 0; i < explain_codes_count; i++) {
		printf(".It %d\n", explain_codes[i].code);
		put_meaning(explain_codes[i].text, explain_codes[i].source);
		put_why(&explain_codes[i].why);
	}
	puts(".El");
}

static void
put_enhanced(void)
{
	begin("ENHANCED STATUS CODES", NULL);
	put_text("They follow the reply code: class, subject and detail (RFC 3463). X stands for the class: 2 success, 4 not now, 5 not at all. Several rows of one code are by "
	    "different authorities.");
	puts(".Bl -tag -width 5.7.606-649");
	for (size_t i = 0; i < explain_enhanceds_count; i++) {
		printf(".It %s\n", explain_enhanceds[i].code);
		put_meaning(explain_enhanceds[i].text, explain_enhanceds[i].source);
		put_why(&explain_enhanceds[i].why);
	}
	puts(".El");
}

static void
put_statuses(void)
{
	begin("STATUSES OF SENDMAIL", NULL);
	puts("The exit statuses of\n.Xr sendmail 8 :\n.Bl -tag -width Ds");
	for (size_t i = 0; i < explain_statuses_count; i++) {
		if (explain_statuses[i].name[0] != '\0')
			printf(".It %d Pq Dv %s\n", explain_statuses[i].status, explain_statuses[i].name);
		else
			printf(".It %d\n", explain_statuses[i].status);
		put_meaning(explain_statuses[i].text, "");
		put_why(&explain_statuses[i].why);
	}
	puts(".El");
}

int
main(void)
{
	puts(".\\\" Made by man/smtp-reply-codes.c from the program's own table: make man.");
	puts(".Dd November 26, 2026\n.Dt SMTP-REPLY-CODES 7\n.Os\n.Sh NAME\n.Nm smtp-reply-codes\n.Nd commands, extensions and reply codes of SMTP\n.Sh DESCRIPTION");
	puts("What an SMTP server says, what it usually means to one who submits mail to a\nsmarthost with\n.Xr sendmail 8 ,\nand what helps.");
	puts(".Li sendmail \\-\\-explain\nand a code, a command, an extension, an exit status or a flag tells the same on\nthe terminal;");
	puts(".Li sendmail \\-\\-explain \\(dq550 5.7.1 Relaying denied\\(dq\nexplains a whole reply as it came.");
	put_commands();
	put_extensions();
	put_codes();
	put_enhanced();
	put_statuses();
	puts(".Sh SEE ALSO\n.Xr sendmail.conf 5 ,\n.Xr sendmail 8\n.Sh STANDARDS");
	puts("RFC 5321 (SMTP), RFC 3463 and RFC 5248 (enhanced status codes), and those named\nabove.\n"
	    "What is said of providers is what they have published, or are seen to answer.");
	return ferror(stdout) != 0 || fflush(stdout) == EOF;
}
