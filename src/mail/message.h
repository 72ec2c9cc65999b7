/*
 * The message: standard input read once to its end, line ends made CRLF, header and body apart, the body held in memory or in an
 * unnamed file (CONTRACT section 3).
 */
#ifndef MAIL_MESSAGE_H
#define MAIL_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>
#include "mail/header.h"
#include "mail/store.h"
#include "outcome.h"

#define MESSAGE_HEADER_MAX	(4 * 1024 * 1024)	/* octets of header; beyond, 65 */
#define MESSAGE_LINE_MAX	998			/* octets of a line without its CRLF; RFC 5322 section 2.1.1 */
#define MESSAGE_RECEIVED_MAX	50			/* Received fields; beyond, a mail loop */

struct message {
	struct header header;
	struct store body;	/* what follows the empty line; every line ends in CRLF */
	bool empty;		/* there was no octet of input */
	bool eight_bit;		/* an octet above 127 in the body */
	bool utf8;		/* ... and all of them are valid UTF-8 */
	uint64_t longest;	/* the longest line of the body, octets without CRLF */
};

/* What is to be known of octets that come in pieces: all zero at the start. */
struct scan {
	bool eight_bit;		/* there was an octet above 127 */
	bool broken;		/* ... which cannot be UTF-8 (RFC 3629) */
	unsigned more;		/* octets the present character still lacks */
	unsigned char low;	/* the range of the next of them */
	unsigned char high;
};

void scan_add(struct scan *s, const char *p, size_t n);

/* True where there were octets above 127 and all that came is whole, valid UTF-8. */
bool scan_is_utf8(const struct scan *s);

/*
 * Reads fd to its end. dot_ends: a line with a lone dot ends the message and a leading ".." stands for "." (no -i); what follows is
 * read and dropped. directory: where a large body goes first, or NULL. Line ends, NUL, bare CR, the mbox line "From ", a header that
 * ends the input, a first line that is no field: as CONTRACT section 3 says. EINTR is not an end. Without a directory a large body in a
 * regular file may stay there (lent.h): fd is to stay open as long as m is used. On failure (66 cannot be read, 65 header too
 * large, 74 no room, or a file that has become shorter) the input has been read to its end all the same.
 */
int message_read(struct message *m, int fd, bool dot_ends, const char *directory, struct outcome *o);

/*
 * The same for octets that come in pieces, from whoever finds the end by itself. message_add() changes the n octets at p. A failure is kept
 * until message_end(), which ends the reader in any case; m is then as after message_read().
 */
struct message_reader;
struct message_reader *message_begin(struct message *m, bool dot_ends, const char *directory, struct outcome *o);
void message_add(struct message_reader *r, char *p, size_t n);
int message_end(struct message_reader *r);

/*
 * The same for size octets of a file from an offset on, where no dot ends anything. -1 with o->status 0: it cannot be read, errno. place: what to call
 * the file in messages; it must last as long as m is used.
 */
int message_read_part(struct message *m, int fd, uint64_t at, uint64_t size, const char *place, const char *directory, struct outcome *o);

/* Reads and drops whatever is left in fd, so that whoever writes it gets no SIGPIPE. */
void message_drain(int fd);

/* Octets of header, empty line and body as they would go out now, as SIZE= declares it (RFC 1870). */
uint64_t message_size(const struct message *m);

void message_free(struct message *m);

#endif
