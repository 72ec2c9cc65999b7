/*
 * A reply of the smarthost: code, enhanced status code, lines; bounded and total (RFC 5321 section 4.2, RFC 2034, RFC 3463).
 */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include "net/stream.h"
#include "trace.h"

#define REPLY_LINE_MAX	4096	/* octets of a line; RFC 5321 allows 512, servers send more */
#define REPLY_LINES_MAX	512	/* lines of a reply */
#define REPLY_TEXT_MAX	16384	/* octets of text that are kept */

struct reply {
	int code;			/* 200 to 599; 0: none was read */
	char enhanced[12];		/* "5.1.1" or "" */
	size_t lines;
	size_t len;
	bool cut;			/* there was more text: the last line kept may have lost its end */
	char text[REPLY_TEXT_MAX];	/* the text after code and separator, lines joined by '\n' */
};

/*
 * Reads one reply. Continuation lines may repeat or change their enhanced code; the codes of all lines must agree. -1: s->error, or nonsense: o filled in with
 * the given stage (75 lost or late; 76 not SMTP), what begins with doing. Every line is traced.
 */
int reply_read(struct reply *r, struct stream *s, struct trace *t, enum stage stage, const char *doing, struct outcome *o);

/*
 * To be called when nothing is due and something is about to be said that has an answer: what is there already was not asked for, and would be taken for that
 * answer, and each one after it for another. The smarthost is then not listened to any more (stream_give_up). Only 421 may come at any time
 * (RFC 5321 section 3.8), and a refusal where the connection ends with it; they stay, and are the answer.
 */
void reply_expect(struct stream *s);

/* Parses one line: its code, or -1 where it is none. *last: no continuation follows; *text: where the text begins. Exposed for tests and fuzzing. */
int reply_line(const char *line, size_t len, bool *last, const char **text);

/* The reply on one line as it goes into a message: "550 5.1.1 User unknown", lines joined by a blank, bounded by size. */
void reply_words(const struct reply *r, char *out, size_t size);

/* Fills in o from a reply of 4xx or 5xx (or one that was not expected: 76): status by outcome_status(). Returns -1. */
int reply_fail(const struct reply *r, enum stage stage, struct outcome *o, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
