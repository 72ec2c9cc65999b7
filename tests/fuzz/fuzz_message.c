/*
 * Any octets as a message: what is read has CRLF only, no NUL, a header made of fields and facts that are true, alike wherever the reads end;
 * converted, no line is too long and nothing is 8-bit that may not be. What may stay in its file is the same from there.
 *
 * The first octet says how: dots are data, how the input is cut.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "mail/mime.h"
#include "mem.h"

#define PIECES	12	/* small ones of a cut input, then large ones: a pipe in packet mode holds 16 */
#define LARGE	4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool good)
{
	if (!good)
		abort();
}

static int
open_whole(const uint8_t *data, size_t size)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

/* Each read gets a piece of the input. Longer input than a pipe takes is given whole. */
static int
open_cut(const uint8_t *data, size_t size, size_t seed)
{
	size_t at = 0, n;
	int fd[2];

	if (size > (16 - PIECES) * LARGE)
		return open_whole(data, size);
	must(pipe2(fd, O_DIRECT | O_CLOEXEC) == 0);
	for (size_t i = 0; at < size; i++, at += n) {
		n = 1 + (seed >> i % 5) * (i + 1) % 37;
		if (n > size - at || i + 1 >= PIECES)
			n = size - at;
		if (n > LARGE)
			n = LARGE;
		must(write(fd[1], data + at, n) == (ssize_t)n);
	}
	(void)close(fd[1]);
	return fd[0];
}

static char *
body_of(struct message *m)
{
	struct buf out = {0};
	struct outcome o;
	const char *p;
	ptrdiff_t n;

	buf_puts(&out, "");
	while ((n = store_read(&m->body, out.len, &p, &o)) > 0)
		buf_add(&out, p, (size_t)n);
	must(n == 0 && out.len == m->body.length && strlen(out.data) == out.len);
	return out.data;
}

/* CRLF only; no line longer than max. The longest line. */
static uint64_t
check_lines(const char *p, uint64_t max)
{
	uint64_t longest = 0;
	size_t n;

	for (; *p != '\0'; p += n + 2) {
		n = strcspn(p, "\r\n");
		must(p[n] == '\r' && p[n + 1] == '\n' && n <= max);
		if (n > longest)
			longest = n;
	}
	return longest;
}

static bool
is_8bit(const char *p)
{
	for (; *p != '\0'; p++)
		if ((unsigned char)*p > 127)
			return true;
	return false;
}

static void
check_header(const struct header *h)
{
	const struct field *f;
	size_t len;

	for (size_t i = 0; i < h->count; i++) {
		f = &h->field[i];
		must(f->name_len > 0 && f->body > f->name_len && f->text[f->body - 1] == ':' && f->len == strlen(f->text));
		must(header_body(f, &len) == f->text + f->body && f->body + len + 2 == f->len);
		(void)check_lines(f->text, UINT64_MAX);
		for (const char *p = f->text; (p = strstr(p, "\r\n")) != NULL; p += 2)
			must(p[2] == '\0' || p[2] == ' ' || p[2] == '\t');
	}
}

static void
check_message(struct message *m, uint64_t max)
{
	char *body = body_of(m);

	check_header(&m->header);
	must(check_lines(body, max) == m->longest && is_8bit(body) == m->eight_bit);
	must(m->eight_bit || !m->utf8);
	free(body);
}

static void
read_or_die(struct message *m, int fd, bool dot_ends)
{
	struct outcome o;

	must(message_read(m, fd, dot_ends, NULL, &o) == 0);
	(void)close(fd);
}

static void
check_conversion(const uint8_t *data, size_t size, bool dot_ends, bool eight_bit_ok)
{
	struct message m;
	struct outcome o;
	char *before, *after;
	int status;

	read_or_die(&m, open_whole(data, size), dot_ends);
	before = body_of(&m);
	status = mime_convert(&m, eight_bit_ok, &o);
	after = body_of(&m);
	if (status == 0) {
		check_message(&m, MESSAGE_LINE_MAX);
		must(!mime_needed(&m, eight_bit_ok) && (eight_bit_ok || !m.eight_bit));
	} else {
		must(!eight_bit_ok && o.status == 65 && o.cause == CAUSE_NEEDS_8BITMIME && strcmp(before, after) == 0);
	}
	free(before);
	free(after);
	message_free(&m);
}

/* Octets that may stay in their file are, as a body, what a copy would be. */
static void
check_lent(const uint8_t *data, size_t size, bool dot_ends)
{
	int fd = open_whole(data, size);
	struct lent *l = lent_look(fd, 0, UINT64_MAX, dot_ends);
	struct message m;
	struct outcome o;
	struct message_reader *r;
	struct buf in = {0}, out = {0};
	const char *p;
	char *body;
	ptrdiff_t n;

	if (l != NULL) {
		buf_puts(&in, "A: b\n\n");
		buf_add(&in, data, size);
		r = message_begin(&m, dot_ends, NULL, &o);
		message_add(r, in.data, in.len);
		must(message_end(r) == 0);
		body = body_of(&m);
		for (buf_puts(&out, ""); out.len < lent_length(l); buf_add(&out, p, (size_t)n))
			must((n = lent_read(l, out.len, &p)) > 0);
		must(strcmp(body, out.data) == 0 && lent_longest(l) == m.longest && lent_end(l) == size && !m.eight_bit);
		free(body);
		buf_free(&in);
		buf_free(&out);
		message_free(&m);
	}
	lent_free(l);
	(void)close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message whole, cut;
	bool dot_ends;
	char *a, *b;

	if (size == 0)
		return 0;
	dot_ends = (data[0] & 1) != 0;
	read_or_die(&whole, open_whole(data + 1, size - 1), dot_ends);
	check_message(&whole, UINT64_MAX);
	read_or_die(&cut, open_cut(data + 1, size - 1, data[0]), dot_ends);
	a = body_of(&whole);
	b = body_of(&cut);
	must(strcmp(a, b) == 0 && whole.header.count == cut.header.count && message_size(&whole) == message_size(&cut));
	must(whole.utf8 == cut.utf8 && whole.empty == cut.empty);
	free(a);
	free(b);
	message_free(&whole);
	message_free(&cut);
	check_lent(data + 1, size - 1, dot_ends);
	check_conversion(data + 1, size - 1, dot_ends, true);
	check_conversion(data + 1, size - 1, dot_ends, false);
	return 0;
}
