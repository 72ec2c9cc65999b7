/*
 * What the sink counts, and how it goes through content.  Only for sink.c,
 * which says what the counters mean.
 */
#ifndef SINK_H
#define SINK_H

#include <sys/mman.h>

#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum counter {
	ACTIVE, CONNECTIONS, HANDSHAKES, RESUMED, HANDSHAKES_FAILED, MESSAGES,
	RECIPIENTS, OCTETS, COMMANDS, BATCH, QUITS, REFUSALS, WIRE_IN, WIRE_OUT,
	RECORDS, RECORD_OCTETS, CHECKSUM, COUNTERS
};

static const char names[] = "active\nconnections\nhandshakes\nresumed\n"
    "handshakes_failed\nmessages\nrecipients\noctets\ncommands\nbatch\nquits\n"
    "refusals\nwire_in\nwire_out\nrecords\nrecord_octets\nchecksum\n";

#define NAMES_AT	512	/* in the file of the counters */
#define COUNTERS_SIZE	1024	/* of that file */

static _Atomic uint64_t counters_of_nobody[COUNTERS];
static _Atomic uint64_t *counters = counters_of_nobody;

static inline void
count(enum counter which, uint64_t n)
{
	atomic_fetch_add(&counters[which], n);
}

static inline void
count_max(enum counter which, uint64_t n)
{
	uint64_t was = atomic_load(&counters[which]);

	while (was < n &&
	    !atomic_compare_exchange_weak(&counters[which], &was, n))
		continue;
}

/* The file in which they are from now on.  -1: errno says why not. */
static inline int
counters_map(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	void *p = MAP_FAILED;

	if (fd == -1)
		return -1;
	if (ftruncate(fd, COUNTERS_SIZE) == 0 && pwrite(fd, names,
	    sizeof(names) - 1, NAMES_AT) == (ssize_t)sizeof(names) - 1)
		p = mmap(NULL, COUNTERS_SIZE, PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
	(void)close(fd);
	if (p == MAP_FAILED)
		return -1;
	counters = p;
	return 0;
}

static inline int
counters_show(const char *path)
{
	static char text[COUNTERS_SIZE + 1];
	uint64_t value;
	char *name, *rest = text + NAMES_AT;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1 || read(fd, text, COUNTERS_SIZE) != COUNTERS_SIZE) {
		perror(path);
		return 1;
	}
	for (size_t i = 0; i < COUNTERS; i++) {
		memcpy(&value, text + i * sizeof(value), sizeof(value));
		name = strsep(&rest, "\n");
		printf("%s %ju\n", name == NULL ? "" : name, (uintmax_t)value);
	}
	(void)close(fd);
	return 0;
}

/* A message so far.  The sum is a hash over words of 8 octets. */
struct content {
	uint64_t	 octets, hash, word, summed;
	unsigned	 fill;
	enum { MIDDLE, START, START_CR, BODY } header;
};

/* Where in DATA: within a line, after its CR, after CRLF, and a dot, and CR. */
enum place { LINE, LINE_CR, FRESH, DOT, DOT_CR, DATA_END };

static inline void
sum_word(struct content *s)
{
	s->hash = (s->hash ^ s->word) * UINT64_C(0x9e3779b97f4a7c15);
	s->hash ^= s->hash >> 29;
	s->word = 0;
}

/* The header differs from client to client: it is passed over. */
static inline void
sum(struct content *s, const char *p, size_t n)
{
	for (; s->header != BODY && n > 0; p++, n--) {
		if (*p == '\n')
			s->header = s->header == MIDDLE ? START : BODY;
		else if (*p != '\r')
			s->header = MIDDLE;
		else if (s->header == START)
			s->header = START_CR;
	}
	s->summed += n;
	for (; s->fill != 0 && n > 0; p++, n--) {
		s->word |= (uint64_t)(unsigned char)*p << 8 * s->fill;
		s->fill = (s->fill + 1) % 8;
		if (s->fill == 0)
			sum_word(s);
	}
	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&s->word, p, 8);
		sum_word(s);
	}
	for (; n > 0; p++, n--)
		s->word |= (uint64_t)(unsigned char)*p << 8 * s->fill++;
}

static inline uint64_t
sum_end(struct content *s)
{
	sum_word(s);
	s->word = s->summed;
	sum_word(s);
	return s->hash;
}

static inline void
content(struct content *s, bool verify, const char *p, size_t n)
{
	s->octets += n;
	if (verify)
		sum(s, p, n);
}

/*
 * Goes through what was read in DATA.  Returns how much was taken: all, unless
 * the end is in it.  What is between two lines with dots is one piece.
 */
static inline size_t
undot(struct content *s, bool verify, enum place *place, const char *start,
    size_t n)
{
	const char *p = start, *piece = start, *end = start + n;

	for (; p < end && *place != DATA_END; p++) {
		switch (*place) {
		case FRESH:
			if (*p == '.') {
				content(s, verify, piece, (size_t)(p - piece));
				piece = p + 1;
				*place = DOT;
				continue;
			}
			break;
		case DOT:
			if (*p == '\r') {
				piece = p + 1;
				*place = DOT_CR;
				continue;
			}
			break;
		case DOT_CR:
			if (*p == '\n') {
				piece = p + 1;
				*place = DATA_END;
				continue;
			}
			content(s, verify, "\r", 1);
			break;
		case LINE_CR:
			if (*p == '\n') {
				*place = FRESH;
				continue;
			}
			break;
		default:
			break;
		}
		*place = LINE;
		if (*p != '\r' &&
		    (p = memchr(p, '\n', (size_t)(end - p))) == NULL) {
			p = end - 1;
			*place = *p == '\r' ? LINE_CR : LINE;
		} else if (*p == '\r') {
			*place = LINE_CR;
		} else if (p > start && p[-1] == '\r') {
			*place = FRESH;
		}
	}
	content(s, verify, piece, (size_t)(p - piece));
	return (size_t)(p - start);
}

#endif
