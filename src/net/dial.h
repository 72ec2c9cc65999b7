/*
 * A name and a port to one connected socket: look-up where it can be given up, addresses raced (RFC 8305).
 */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include <stdint.h>
#include "clock.h"
#include "outcome.h"
#include "trace.h"

#define DIAL_ADDRESSES	16	/* that are tried; whoever has more has others in reserve than we have time */
#define DIAL_EACH(ms)	(-(ms))	/* that patience, and each address is tried to its end, for 10 s or a third of the time at most, to see which of them are there */

/* What became of one address. */
struct dial_attempt {
	char address[64];	/* numeric */
	int error;		/* why it was not connected to, as errno; 0: it was, or another was faster, or nothing came of it in time */
	msec took;		/* milliseconds until it was; -1: it was not */
};

struct dialed {
	int fd;			/* non-blocking, TCP_NODELAY, close-on-exec */
	char address[64];	/* the smarthost's, numeric, without brackets or port */
	msec lookup;		/* milliseconds that the look-up has taken, and then to connect; -1: it never came so far */
	msec connect;
	struct dial_attempt attempt[DIAL_ADDRESSES];	/* in the order they are tried */
	size_t attempts;	/* addresses there are */
	char local[72];		/* our own end as an address literal: "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 section 4.1.3) */
};

/* What the caller has to do anyway: it is done once, while the name is looked up, or while the first connection is under way. */
struct dial_meanwhile {
	void (*work)(void *arg);
	void *arg;
};

/*
 * Connects to host (a name, or a numeric address) and port before the deadline, and once its addresses are known within patience milliseconds (0: no other bound), or DIAL_EACH of so many. Look-up runs in a thread of its own that is left behind
 * when the deadline passes. meanwhile: or NULL; not called where neither comes so far. Addresses are taken in the order of getaddrinfo(), families alternating; a further one is begun when the one before has
 * failed or 250 ms have passed; the first that connects wins. -1: 68 (CAUSE_NO_HOST) the name does not exist or has no address;
 * 75 look-up failed, nobody answered, refused (why: the last address's error, in system words) or the deadline passed.
 */
int dial(struct dialed *d, const char *host, uint16_t port, int patience, const struct dial_meanwhile *meanwhile, msec deadline, struct trace *t,
    struct outcome *o);

/* True where every address that host stands for by its form is loopback: "localhost", 127.0.0.0/8, ::1. By what is connected: dial_is_loopback(d->address). */
bool dial_is_loopback(const char *address);

#endif
