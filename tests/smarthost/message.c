/*
 * DATA (RFC 5321 4.1.1.4) and BDAT (RFC 3030): the message into a file, every
 * octet looked at.
 */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "smarthost.h"

#define LINE_LIMIT	998	/* without CRLF */

enum state {
	AT_START, IN_LINE, AFTER_CR, AFTER_DOT, AFTER_DOT_CR, AT_END
};

static void
sink_flush(struct sink *k)
{
	if (k->fp != NULL && (k->limit == 0 || k->size <= k->limit))
		fwrite(k->out, 1, k->out_len, k->fp);
	EVP_DigestUpdate(k->md, k->out, k->out_len);
	k->out_len = 0;
}

static bool
sink_open(struct conn *c)
{
	struct sink *k = &c->sink;

	if (k->open)
		return true;
	memset(k, 0, sizeof(*k));
	k->last = -1;
	k->limit = c->offer.size;
	snprintf(k->path, sizeof(k->path), "%s/.msg.%u", c->opt->dir, c->id);
	if (!c->opt->no_store && (k->fp = fopen(k->path, "w")) == NULL)
		return false;
	if ((k->md = EVP_MD_CTX_new()) == NULL ||
	    !EVP_DigestInit_ex(k->md, EVP_sha256(), NULL))
		abort();
	k->open = true;
	return true;
}

static void
once(struct conn *c, bool *told, const char *kind, const char *what)
{
	if (*told)
		return;
	*told = true;
	record_violation(c, kind, "%s at octet %llu of the message", what,
	    c->sink.size);
}

/* One octet of the message as it is to be stored. */
static void
sink_put(struct conn *c, unsigned char ch)
{
	struct sink *k = &c->sink;

	if (k->last == '\r' && ch != '\n')
		once(c, &k->told_cr, "bare-cr", "a bare CR");
	if (ch == '\n' && k->last != '\r')
		once(c, &k->told_lf, "bare-lf", "a bare LF");
	if (ch == '\0')
		once(c, &k->told_nul, "nul", "a NUL");
	if (ch >= 0x80 && !k->eight) {
		k->eight = true;
		if (!c->tx.eight)
			record_violation(c, "8bit-body",
			    "without BODY=8BITMIME, at octet %llu", k->size);
	}
	k->column = ch == '\n' && k->last == '\r' ? 0 : k->column + 1;
	if (k->column > LINE_LIMIT + (ch == '\r'))
		once(c, &k->told_long, "long-line", "a line over 998 octets");
	k->last = ch;
	k->size++;
	k->out[k->out_len++] = ch;
	if (k->out_len == sizeof(k->out))
		sink_flush(k);
}

static enum state
in_line(struct conn *c, unsigned char ch)
{
	if (ch == '\r')
		return AFTER_CR;
	sink_put(c, ch);
	return IN_LINE;
}

/* Only CRLF.CRLF ends the data. */
static enum state
feed(struct conn *c, enum state st, unsigned char ch)
{
	switch (st) {
	case AT_START:
		return ch == '.' ? AFTER_DOT : in_line(c, ch);
	case AFTER_CR:
		sink_put(c, '\r');
		if (ch != '\n')
			return in_line(c, ch);
		sink_put(c, '\n');
		return AT_START;
	case AFTER_DOT:
		if (ch == '\r')
			return AFTER_DOT_CR;
		if (ch != '.')
			once(c, &c->sink.told_dot, "dot", "a dot not doubled");
		return in_line(c, ch);
	case AFTER_DOT_CR:
		if (ch == '\n')
			return AT_END;
		sink_put(c, '\r');
		return in_line(c, ch);
	default:
		return in_line(c, ch);
	}
}

/* Takes as many plain octets at once as there are in the midst of a line;
 * only a matter of speed. */
static size_t
sink_run(struct conn *c, size_t max)
{
	const unsigned char *p = c->in + c->in_pos;
	struct sink *k = &c->sink;
	size_t n = 0;

	if (max > io_pending(c))
		max = io_pending(c);
	if (max > sizeof(k->out) - k->out_len)
		max = sizeof(k->out) - k->out_len;
	if (k->column + max > LINE_LIMIT)
		max = k->column < LINE_LIMIT ? LINE_LIMIT - k->column : 0;
	while (n < max && p[n] >= ' ' && p[n] < 0x7f)
		n++;
	if (n == 0 || k->last == '\r')
		return 0;
	memcpy(k->out + k->out_len, p, n);
	k->out_len += n;
	k->column += n;
	k->size += n;
	k->last = p[n - 1];
	c->in_pos += n;
	c->body_octets += n;
	if (k->out_len == sizeof(k->out))
		sink_flush(k);
	return n;
}

/* How many octets may be taken at once without passing --cut-after. */
static size_t
until_cut(const struct conn *c)
{
	unsigned long long cut = c->opt->cut_after;

	if (cut == 0)
		return CHUNK_SIZE;
	return cut > c->body_octets + 1 &&
	    cut - c->body_octets - 1 < CHUNK_SIZE ?
	    (size_t)(cut - c->body_octets - 1) : 0;
}

/* Counts an octet of a message; false: the line is cut here. */
static bool
within_cut(struct conn *c)
{
	c->body_octets++;
	if (c->opt->cut_after == 0 || c->body_octets < c->opt->cut_after)
		return true;
	record_event(c, '#', "reset by us after %llu octets of message",
	    c->body_octets);
	io_reset(c);
	return false;
}

static bool
more(struct conn *c)
{
	if (io_pending(c) > 0 || io_fill(c, true))
		return true;
	record_event(c, '#', "end in the midst of a message, after %llu octets",
	    c->sink.size);
	c->gone = true;
	return false;
}

static bool
read_data(struct conn *c)
{
	enum state st = AT_START;

	while (st != AT_END) {
		if (!more(c))
			return false;
		if (st == IN_LINE && sink_run(c, until_cut(c)) > 0)
			continue;
		if (!within_cut(c))
			return false;
		st = feed(c, st, c->in[c->in_pos++]);
	}
	return true;
}

/* Digest and files; false if they could not be written. */
static bool
store(struct conn *c)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
	struct sink *k = &c->sink;
	unsigned i, n = 0;
	bool ok = true;

	sink_flush(k);
	EVP_DigestFinal_ex(k->md, digest, &n);
	for (i = 0; i < n; i++)
		snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
	if (k->fp != NULL)
		ok = fclose(k->fp) == 0;
	k->fp = NULL;
	return ok && record_message(c, hex);
}

/* The reply to the end of the message. */
static void
conclude(struct conn *c, enum stage a, enum stage b, const char *key)
{
	struct saying s;
	struct sink *k = &c->sink;
	const char *text;
	int code;

	record_event(c, 'B', "%llu octets", k->size);
	if (c->tx.nrecipients == 0)
		text = reply_text(c, &s, 554, "5.5.1", "No valid recipients");
	else if (k->limit > 0 && k->size > k->limit)
		text = reply_text(c, &s, 552, "5.3.4",
		    "Message size exceeds fixed limit");
	else
		text = reply_text(c, &s, 250, "2.0.0", "Message accepted");
	strlcpy(c->line, ".", sizeof(c->line));
	c->unanswered = true;
	code = plan(c, &s, a, b, key, text);
	if (code >= 200 && code < 300 && c->tx.nrecipients > 0 && !store(c))
		record_violation(c, "trouble", "the message cannot be stored");
	transaction_reset(c);
	speak(c, &s);
}

void
command_data(struct conn *c)
{
	struct saying s;
	const char *text;
	int code;

	if (!c->tx.open)
		text = reply_text(c, &s, 503, "5.5.1", "MAIL first");
	else if (c->tx.nrecipients == 0)
		text = reply_text(c, &s, 554, "5.5.1", "No valid recipients");
	else if (c->sink.chunks > 0)
		text = reply_text(c, &s, 503, "5.5.1", "BDAT goes on with BDAT");
	else
		text = reply_text(c, &s, 354, NULL, "End with a lone dot");
	code = plan(c, &s, ST_DATA, ST_NONE, "", text);
	if (!speak(c, &s) || code != 354)
		return;
	say(c, ST_BODY, "", NULL);
	if (c->gone || !sink_open(c) || !read_data(c))
		return;
	c->ends_flight = false;
	conclude(c, ST_DOT, ST_NONE, "");
}

/* Whether the octets of a chunk were all taken. */
static bool
read_chunk(struct conn *c, unsigned long long left, bool keep)
{
	size_t n, max;

	while (left > 0) {
		if (!more(c))
			return false;
		max = until_cut(c);
		n = keep ? sink_run(c, left < max ? (size_t)left : max) : 0;
		left -= n;
		if (n > 0)
			continue;
		if (!within_cut(c))
			return false;
		if (keep)
			sink_put(c, c->in[c->in_pos]);
		c->in_pos++;
		left--;
	}
	return true;
}

static void
check_end(struct conn *c)
{
	struct sink *k = &c->sink;

	if (k->last == '\r')
		once(c, &k->told_cr, "bare-cr", "a bare CR");
	if (k->size > 0 && k->last != '\n')
		record_violation(c, "no-final-crlf", "BDAT LAST ended without");
}

void
command_bdat(struct conn *c, const char *arg)
{
	unsigned long long len;
	bool last, keep;
	char *end;

	len = strtoull(arg, &end, 10);
	last = strcasecmp(end, " LAST") == 0;
	if (!isdigit((unsigned char)*arg) || (*end != '\0' && !last)) {
		record_violation(c, "syntax", "%s", c->line);
		answer(c, ST_BDAT, arg, 501, "5.5.4", "BDAT octets [LAST]");
		return;
	}
	if (!offered(c, "CHUNKING"))
		record_violation(c, "order", "BDAT was not offered");
	keep = c->tx.open && c->tx.nrecipients > 0 && sink_open(c);
	c->unanswered = false;
	say(c, ST_BODY, "", NULL);
	if (c->gone || !read_chunk(c, len, keep))
		return;
	c->unanswered = true;
	if (!keep) {
		answer(c, ST_BDAT, last ? "LAST" : "", 503, "5.5.1",
		    "No valid recipients");
		return;
	}
	c->sink.chunks++;
	if (last) {
		check_end(c);
		conclude(c, ST_BDAT, ST_DOT, "LAST");
	} else
		answer(c, ST_BDAT, "", 250, "2.0.0", "Chunk taken");
}
