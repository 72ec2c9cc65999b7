/*
 * Octets with one deadline, over TCP or TLS. The only place that waits for a socket.
 *
 * Written octets are collected and leave when stream_flush() is called or 16 KiB have come together (a full TLS record). While a write
 * has to wait, what the other side says is read into the input buffer (up to 1 MiB), so that a long flight and its replies cannot block each other.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include "clock.h"
#include "mem.h"
#include "net/tls.h"
#include "outcome.h"

enum stream_error {
	STREAM_OK,
	STREAM_TIMEOUT,		/* the deadline has passed */
	STREAM_CLOSED,		/* the other side has ended the connection */
	STREAM_LOST,		/* the system or TLS says the connection is broken */
	STREAM_TOO_LONG,	/* a line beyond the bound */
};

struct stream {
	int fd;
	struct tls *tls;	/* NULL: in clear */
	msec deadline;		/* for every wait; the owner may move it */
	struct buf in;		/* read, not yet taken: from in_at on */
	size_t in_at;
	size_t in_most;		/* octets there ever were in it */
	struct buf out;		/* written, not yet sent */
	bool held;		/* TLS has octets that have not left yet */
	bool said;		/* something has been sent since something was read: the answer will hardly be there yet */
	enum stream_error error;	/* sticky: once set every call fails; but whole lines that came before it can be read */
	char why[160];		/* in words */
};

/* Takes over a connected, non-blocking socket. */
void stream_init(struct stream *s, int fd, msec deadline);

/*
 * Does the handshake and goes on in TLS; tls is owned by the stream from now on, also on failure. The caller has made sure that nothing is
 * left in the input (stream_pending). -1: o, as tls_handshake(), or 75 for the deadline.
 */
int stream_start_tls(struct stream *s, struct tls *tls, struct outcome *o);

/* Collects octets to send; sends full records. -1: s->error. */
int stream_write(struct stream *s, const void *p, size_t n);
int stream_puts(struct stream *s, const char *str);

/* Sends all that was collected. -1: s->error. */
int stream_flush(struct stream *s);

/*
 * One line, up to LF, into line (NUL-terminated, its CRLF or LF taken off, of at most size - 1 octets; NUL octets are replaced by '?').
 * Its length, or -1: s->error (STREAM_TOO_LONG when there is no LF within size - 1 octets).
 * Lines that had come when a write failed or the connection ended are given first: the last of them may say why.
 */
ptrdiff_t stream_readline(struct stream *s, char *line, size_t size);

/* At most n octets as they come, at least one. Their number; 0: the other side has ended the connection in order; -1: s->error. */
ptrdiff_t stream_read(struct stream *s, char *p, size_t n);

/* Overwrites what was taken and is no longer needed but still lies in the buffer, as what was sent already is: after a secret has passed. */
void stream_forget(struct stream *s);

/* Octets that were received and not yet taken. */
size_t stream_pending(const struct stream *s);

/* False where the other side has ended the connection or has said something that nobody asked for; does not wait. */
bool stream_is_quiet(struct stream *s);

/* Gives the connection up: every call fails from now on, and what was received is dropped. why: words for stream_fail(). */
void stream_give_up(struct stream *s, const char *why);

/* Fills in o for the sticky error: 75 (CAUSE_TIMEOUT, CAUSE_LOST), 76 (CAUSE_NONSENSE). what is "<doing>". Returns -1. */
int stream_fail(const struct stream *s, enum stage stage, const char *doing, struct outcome *o);

/* Ends TLS politely if that needs no wait, closes, frees. */
void stream_close(struct stream *s);

#endif
