/*
 * Every reply passes here: the usual one, or what a rule or the recorded
 * dialogue makes of it.
 */
#include <ctype.h>
#include <string.h>

#include "smarthost.h"

#define FLOOD_BLOCK	16384
#define FLOOD_LINE	512

static int
code_of(const char *text, size_t len)
{
	if (len < 3 || !isdigit((unsigned char)text[0]) ||
	    !isdigit((unsigned char)text[1]) ||
	    !isdigit((unsigned char)text[2]))
		return 0;
	return (text[0] - '0') * 100 + (text[1] - '0') * 10 + text[2] - '0';
}

/* Takes over one action; true if it says by itself what is sent. */
static bool
take_step(struct saying *s, const struct step *st)
{
	switch (st->act) {
	case ACT_REPLY:
	case ACT_RAW:
		s->text = st->text;
		s->len = st->len;
		return true;
	case ACT_PASS:
		return true;
	case ACT_FLOOD:
	case ACT_FLOOD_LINES:
		s->flooding = true;
		s->flood_lines = st->act == ACT_FLOOD_LINES;
		s->flood = st->n;
		return true;
	case ACT_DELAY:
		s->delay += st->n;
		return false;
	case ACT_TRICKLE:
		s->trickle = st->n;
		return false;
	case ACT_CUT:
		s->cutting = true;
		s->cut = st->n;
		return true;
	case ACT_INJECT:
		s->inject = st->text;
		s->inject_len = st->len;
		return false;
	default:
		s->end = st->act;
		return false;
	}
}

static void
take_rule(struct saying *s, const struct rule *r)
{
	bool told = false;
	size_t i;

	for (i = 0; i < r->nsteps; i++)
		told = take_step(s, &r->step[i]) || told;
	if (s->end != ACT_PASS && !told)
		s->len = 0;
}

int
plan(struct conn *c, struct saying *s, enum stage a, enum stage b,
    const char *key, const char *text)
{
	const struct rule *r;
	const char *recorded;

	c->seen[a]++;
	c->seen_in_tx[a]++;
	c->seen[b]++;
	c->seen_in_tx[b]++;
	if ((recorded = replay_answer(c, a)) != NULL)
		text = recorded;
	s->text = text;
	s->len = text != NULL ? strlen(text) : 0;
	s->end = ACT_PASS;
	s->inject = NULL;
	s->inject_len = 0;
	s->delay = s->trickle = s->flood = s->cut = 0;
	s->flooding = s->flood_lines = s->cutting = false;
	r = script_match(c, a, key);
	if (r == NULL && b != ST_NONE)
		r = script_match(c, b, key);
	if (r != NULL)
		take_rule(s, r);
	s->code = code_of(s->text, s->len);
	return s->code;
}

/* By now the client has had all the time the rule gave it to talk out of
 * turn (RFC 2920 3.1, RFC 3207 4.2, RFC 4954 4). */
static void
check_flight(struct conn *c)
{
	if (!c->unanswered)
		return;
	c->unanswered = false;
	if (!c->ends_flight && offered(c, "PIPELINING"))
		return;
	while (io_fill(c, false))
		continue;
	if (io_pending(c) == 0)
		return;
	if (c->seen[ST_BANNER] == 1 && c->line[0] == '\0')
		record_violation(c, "early", "%zu octets before the greeting",
		    io_pending(c));
	else
		record_violation(c, "pipelining", "%zu octets behind: %s",
		    io_pending(c), c->line);
}

static void
record_said(const struct conn *c, const char *text, size_t len)
{
	const char *end;
	size_t n;

	while (len > 0) {
		end = memchr(text, '\n', len);
		n = end != NULL ? (size_t)(end - text) + 1 : len;
		record_line(c, 'S', text,
		    n > 1 && text[n - 1] == '\n' && text[n - 2] == '\r' ?
		    n - 2 : n);
		text += n;
		len -= n;
	}
}

static bool
send_slowly(struct conn *c, const char *text, size_t len, unsigned long ms)
{
	size_t i;

	for (i = 0; i < len && !c->gone; i++) {
		io_delay(ms);
		io_send(c, text + i, 1);
	}
	return !c->gone;
}

/* One line of that many octets. */
static bool
flood_one(struct conn *c, const struct saying *s)
{
	char block[FLOOD_BLOCK];
	unsigned long left = s->flood;
	size_t n;

	snprintf(block, sizeof(block), "%03d ", s->code);
	io_send(c, block, 4);
	memset(block, 'x', sizeof(block));
	while (left > 0 && !c->gone) {
		n = left < sizeof(block) ? left : sizeof(block);
		io_send(c, block, n);
		left -= n;
	}
	return io_send(c, "\r\n", 2);
}

/* That many continuation lines and a last one; 0: without end. */
static bool
flood_many(struct conn *c, const struct saying *s)
{
	char line[FLOOD_LINE + 1], last[FLOOD_LINE];
	unsigned long i;

	memset(line, 'x', FLOOD_LINE);
	snprintf(last, sizeof(last), "%03d end\r\n", s->code);
	memcpy(line, last, 3);
	line[3] = '-';
	memcpy(line + FLOOD_LINE - 2, "\r\n", 2);
	for (i = 0; (s->flood == 0 || i < s->flood) && !c->gone; i++)
		io_send(c, line, FLOOD_LINE);
	return io_send(c, last, strlen(last));
}

/* The reply and what is smuggled in behind it, in one write. */
static bool
send_reply(struct conn *c, const struct saying *s)
{
	char both[2 * REPLY_SIZE];
	size_t len = s->cutting && s->cut < s->len ? s->cut : s->len;

	record_said(c, s->text, len);
	if (s->trickle > 0)
		return send_slowly(c, s->text, len, s->trickle);
	if (s->inject_len == 0 || len + s->inject_len > sizeof(both))
		return io_send(c, s->text, len);
	record_event(c, '#', "with %zu octets behind it", s->inject_len);
	memcpy(both, s->text, len);
	memcpy(both + len, s->inject, s->inject_len);
	return io_send(c, both, len + s->inject_len);
}

static void
finish(struct conn *c, const struct saying *s)
{
	if (s->end == ACT_STALL)
		io_stall(c);
	else if (s->end == ACT_RESET) {
		record_event(c, '#', "reset by us");
		io_reset(c);
	} else if (s->end == ACT_CLOSE || s->cutting) {
		record_event(c, '#', "closed by us");
		io_close(c, false);
	}
}

bool
speak(struct conn *c, struct saying *s)
{
	if (c->gone)
		return false;
	if (s->delay > 0)
		io_delay(s->delay);
	check_flight(c);
	if (s->flooding) {
		record_event(c, 'S', "(a flood of %lu %s)", s->flood,
		    s->flood_lines ? "lines" : "octets");
		if (s->flood_lines)
			flood_many(c, s);
		else
			flood_one(c, s);
	} else if (s->len > 0)
		send_reply(c, s);
	if (!c->gone)
		finish(c, s);
	return !c->gone;
}

int
say(struct conn *c, enum stage stage, const char *key, const char *text)
{
	struct saying s;
	int code;

	code = plan(c, &s, stage, ST_NONE, key, text);
	return speak(c, &s) ? code : 0;
}

const char *
reply_text(const struct conn *c, struct saying *s, int code,
    const char *enhanced, const char *text)
{
	if (enhanced != NULL && offered(c, "ENHANCEDSTATUSCODES"))
		snprintf(s->own, sizeof(s->own), "%d %s %s\r\n", code, enhanced,
		    text);
	else
		snprintf(s->own, sizeof(s->own), "%d %s\r\n", code, text);
	return s->own;
}

int
answer(struct conn *c, enum stage stage, const char *key, int code,
    const char *enhanced, const char *text)
{
	struct saying s;

	code = plan(c, &s, stage, ST_NONE, key,
	    reply_text(c, &s, code, enhanced, text));
	return speak(c, &s) ? code : 0;
}
