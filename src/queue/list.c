/*
 * What there is in the queue. See list.h.
 */
#include <stdlib.h>
#include <string.h>
#include "json.h"
#include "printable.h"
#include "queue/list.h"

void
list_duration(struct buf *out, time_t seconds)
{
	static const struct { char unit; time_t seconds; } units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
	size_t said = 0;

	if (seconds <= 0)
		buf_puts(out, "0s");
	for (size_t i = 0; i < 4 && said < 2 && seconds > 0; i++)
		if (seconds >= units[i].seconds) {
			buf_printf(out, "%lld%c", (long long)(seconds / units[i].seconds), units[i].unit);
			seconds %= units[i].seconds;
			said++;
		} else if (said > 0)
			break;
}

static void
add_error(struct buf *out, const struct outcome *o)
{
	printable_add(out, o->what, strlen(o->what), sizeof(o->what));
	if (o->why[0] != '\0') {
		buf_puts(out, ": ");
		printable_add(out, o->why, strlen(o->why), sizeof(o->why));
	}
}

static const char *
state_word(enum spool_state state)
{
	return state == SPOOL_DONE ? "sent" : state == SPOOL_PENDING ? "waiting" : "failed";
}

/* ---- for people ---- */

static void
add_text(struct buf *out, const struct spool_item *item, bool busy, time_t now)
{
	const struct envelope *e = &item->envelope;

	buf_printf(out, "%s  %llu octets  ", item->id, (unsigned long long)item->size);
	list_duration(out, now - item->created);
	buf_puts(out, " old  <");
	printable_add(out, e->sender, strlen(e->sender), 512);
	buf_puts(out, ">  ");
	if (busy)
		buf_puts(out, "is being sent");
	else if (item->held)
		buf_puts(out, "held");
	else if (item->next <= now)
		buf_puts(out, "due now");
	else {
		buf_puts(out, "next in ");
		list_duration(out, item->next - now);
	}
	buf_putc(out, '\n');
	if (item->error.status != 0) {
		buf_puts(out, "    ");
		add_error(out, &item->error);
		buf_putc(out, '\n');
	}
	for (size_t i = 0; i < e->count; i++) {
		buf_puts(out, "    ");
		printable_add(out, e->rcpt[i].path, strlen(e->rcpt[i].path), 512);
		if (item->state[i] != SPOOL_PENDING)
			buf_printf(out, " (%s)", state_word(item->state[i]));
		buf_putc(out, '\n');
		if (e->rcpt[i].fate != NULL) {
			buf_puts(out, "        ");
			add_error(out, e->rcpt[i].fate);
			buf_putc(out, '\n');
		}
	}
}

/* ---- for programs ---- */

static void
add_json_error(struct buf *out, const struct outcome *o)
{
	struct buf text = {0};

	if (o == NULL || o->status == 0)
		return;
	add_error(&text, o);
	json_text(out, "error", buf_str(&text));
	buf_free(&text);
}

static void
add_json(struct buf *out, const struct spool_item *item, bool busy, time_t now)
{
	const struct envelope *e = &item->envelope;

	buf_putc(out, '{');
	json_text(out, "id", item->id);
	json_number(out, "size", (long long)item->size);
	json_number(out, "created", item->created);
	json_number(out, "age", now - item->created);
	json_number(out, "next", item->next);
	json_number(out, "attempts", item->attempts);
	json_bool(out, "held", item->held);
	json_bool(out, "sending", busy);
	json_text(out, "sender", e->sender);
	add_json_error(out, &item->error);
	json_name(out, "recipients");
	buf_putc(out, '[');
	for (size_t i = 0; i < e->count; i++) {
		json_item(out);
		buf_putc(out, '{');
		json_text(out, "address", e->rcpt[i].path);
		json_text(out, "state", state_word(item->state[i]));
		add_json_error(out, e->rcpt[i].fate);
		buf_putc(out, '}');
	}
	buf_puts(out, "]}");
}

/* A file that cannot be used is shown, too. */
static void
add_broken(struct buf *out, const char *id, const struct outcome *o, bool json)
{
	if (json) {
		buf_putc(out, '{');
		json_text(out, "id", id);
	} else
		buf_printf(out, "%s  ", id);
	if (json)
		add_json_error(out, o);
	else
		add_error(out, o);
	buf_puts(out, json ? "}" : "\n");
}

int
list_queue(struct buf *out, struct spool *s, bool json, time_t older, size_t *shown, struct outcome *o)
{
	time_t now = time(NULL);
	char **ids;
	size_t n;

	*shown = 0;
	if (spool_list(s, &ids, &n, o) == -1)
		return -1;
	buf_puts(out, json ? "[" : "");
	for (size_t i = 0; i < n; i++) {
		struct spool_item item;
		struct outcome why;
		bool busy;
		enum spool_answer answer = spool_look(s, ids[i], &item, &busy, &why);

		if (answer == SPOOL_BROKEN || (answer == SPOOL_OK && now - item.created >= older)) {
			if (json && *shown > 0)
				buf_puts(out, ",\n");
			if (answer == SPOOL_BROKEN)
				add_broken(out, ids[i], &why, json);
			else if (json)
				add_json(out, &item, busy, now);
			else
				add_text(out, &item, busy, now);
			++*shown;
		}
		if (answer == SPOOL_OK)
			spool_item_close(&item);
		free(ids[i]);
	}
	free(ids);
	buf_puts(out, json ? "]\n" : "");
	return 0;
}
