/*
 * JSON as this program writes it. See json.h.
 */
#include <string.h>
#include "json.h"
#include "printable.h"

void
json_string(struct buf *b, const char *s)
{
	buf_putc(b, '"');
	for (; *s != '\0'; s++)
		if (*s == '"' || *s == '\\')
			buf_printf(b, "\\%c", *s);
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			buf_printf(b, "\\u%04x", (unsigned char)*s);
		else
			buf_putc(b, *s);
	buf_putc(b, '"');
}

void
json_item(struct buf *b)
{
	if (b->len > 0 && strchr("{[,", b->data[b->len - 1]) == NULL)
		buf_putc(b, ',');
}

void
json_name(struct buf *b, const char *name)
{
	json_item(b);
	json_string(b, name);
	buf_putc(b, ':');
}

void
json_text(struct buf *b, const char *name, const char *value)
{
	json_name(b, name);
	if (value == NULL)
		buf_puts(b, "null");
	else
		json_string(b, value);
}

void
json_outside(struct buf *b, const char *name, const char *value, size_t max)
{
	struct buf text = {0};

	if (value != NULL)
		printable_add(&text, value, strlen(value), max);
	json_text(b, name, value != NULL ? buf_str(&text) : NULL);
	buf_free(&text);
}

void
json_number(struct buf *b, const char *name, long long value)
{
	json_name(b, name);
	buf_printf(b, "%lld", value);
}

void
json_bool(struct buf *b, const char *name, int value)
{
	json_name(b, name);
	buf_puts(b, value != 0 ? "true" : "false");
}
