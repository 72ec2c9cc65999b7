/*
 * A message for a test: descriptors that give octets whole or in pieces, and the body of what was read.
 */
#ifndef MESSAGE_INPUT_H
#define MESSAGE_INPUT_H

#include <sys/mman.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "mail/message.h"

/* A descriptor that gives the octets whole. The caller closes it. */
static __attribute__((unused)) int
open_whole(const char *p, size_t n)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(write(fd, p, n) == (ssize_t)n);
	assert_true(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

/* One from which each read gets the octets up to the next cut, and no more: a pipe in packet mode. */
static __attribute__((unused)) int
open_pieces(const char *p, size_t n, const size_t *cut, size_t cuts)
{
	int fd[2];
	size_t from = 0, to;

	assert_int_equal(pipe2(fd, O_DIRECT | O_CLOEXEC), 0);
	assert_true(fcntl(fd[0], F_SETPIPE_SZ, 1 << 20) > 0);
	for (size_t i = 0; i <= cuts; i++) {
		to = i < cuts ? cut[i] : n;
		if (to > from)
			assert_true(write(fd[1], p + from, to - from) == (ssize_t)(to - from));
		from = to;
	}
	(void)close(fd[1]);
	return fd[0];
}

/* Reads a message that is given whole, in a file that stays open until the next is read: a large body may stay there. */
static __attribute__((unused)) void
read_message(struct message *m, const char *text, size_t n)
{
	static int fd = -1;
	struct outcome o = {0};

	if (fd != -1)
		(void)close(fd);
	fd = open_whole(text, n);
	if (message_read(m, fd, false, NULL, &o) < 0)
		fail_msg("%s: %s", o.what, o.why);
}

/* The body as a string; the caller frees it. */
static __attribute__((unused)) char *
body_of(struct message *m)
{
	struct buf out = {0};
	struct outcome o;
	const char *p;
	ptrdiff_t n;

	buf_puts(&out, "");
	while ((n = store_read(&m->body, out.len, &p, &o)) > 0)
		buf_add(&out, p, (size_t)n);
	return out.data;
}

/* Header, a line "--", body: what was read, in one string. The caller frees it. */
static __attribute__((unused)) char *
header_and_body(struct message *m)
{
	struct buf out = {0};
	char *body = body_of(m);

	header_write(&m->header, &out);
	buf_printf(&out, "--\r\n%s", body);
	assert_int_equal(strlen(body), m->body.length);	/* no NUL got through */
	free(body);
	return out.data;
}

#endif
