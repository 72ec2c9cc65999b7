/*
 * How a message comes into the queue. See spool.h; the text of its file is spool_format.c's.
 */
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "queue/disk.h"
#include "queue/spool_format.h"

#define TRIES		10	/* identifiers that may be in use already; one is more than will ever be */

struct writer {
	int fd;
	uint64_t at;
	uint64_t sum;		/* of what does not change */
};

static int
add(struct writer *w, const char *p, size_t n, bool summed)
{
	if (disk_write(w->fd, w->at, p, n) == -1)
		return -1;
	w->at += n;
	if (summed)
		w->sum = spool_sum(w->sum, p, n);
	return 0;
}

/* Header, empty line and body. -1: errno, or o where the message cannot be read. */
static int
add_message(struct writer *w, struct message *m, struct outcome *o)
{
	struct buf header = {0};
	const char *p;
	uint64_t offset = 0;
	ptrdiff_t n;
	int r;

	header_write(&m->header, &header);
	buf_puts(&header, "\r\n");
	r = add(w, header.data, header.len, true);
	buf_free(&header);
	while (r == 0 && (n = store_read(&m->body, offset, &p, o)) != 0) {
		r = n < 0 ? -1 : add(w, p, (size_t)n, true);
		offset += n < 0 ? 0 : (uint64_t)n;
	}
	return r;
}

/* All of the file. -1: errno, or o. */
static int
write_all(struct writer *w, const struct envelope *e, bool (*wanted)(const struct envelope *, size_t), struct message *m, const struct outcome *error, time_t now,
    time_t next, struct outcome *o)
{
	struct buf fixed = {0}, changing = {0}, envelope = {0}, end = {0};
	struct spool_item item = {.next = next};
	struct spool_lengths l = {.message = message_size(m)};
	bool tried = error->status != 0;
	int r = -1;

	spool_add_record(&changing, ' ', error);
	for (size_t i = 0; i < e->count; i++)
		if (wanted(e, i)) {
			spool_add_record(&changing, SPOOL_PENDING, e->rcpt[i].state == RCPT_FAILED ? e->rcpt[i].fate : NULL);
			tried = tried || e->rcpt[i].fate != NULL;
			l.recipients++;
		}
	spool_add_envelope(&envelope, e, wanted, now);
	l.envelope = envelope.len;
	item.attempts = tried;
	item.tried = item.asked = tried ? now : 0;
	spool_add_head(&fixed, &l);
	w->sum = spool_sum(SPOOL_SUM_BEGIN, fixed.data, fixed.len);
	spool_add_state(&fixed, &item);
	errno = EFBIG;	/* what nobody could read back is not put in */
	if (envelope.len <= SPOOL_ENVELOPE_MAX(l.recipients) && add(w, fixed.data, fixed.len, false) == 0 && add(w, changing.data, changing.len, false) == 0 &&
	    add(w, envelope.data, envelope.len, true) == 0 && add_message(w, m, o) == 0) {
		spool_add_end(&end, w->sum);
		r = add(w, end.data, end.len, false);
	}
	buf_free(&fixed);
	buf_free(&changing);
	buf_free(&envelope);
	buf_free(&end);
	return r;
}

/* Gives the file its name: without one until now (through /proc), or with a temporary one. */
static int
give_name(const struct spool *s, int fd, const char *temporary, const char *id)
{
	char path[64];

	if (temporary != NULL)
		return linkat(s->dir, temporary, s->dir, id, 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, s->dir, id, AT_SYMLINK_FOLLOW);
}

/* A file without a name, or where that cannot be had with a temporary one, which is set. */
static int
new_file(const struct spool *s, char *temporary, size_t size)
{
	char id[SPOOL_ID_SIZE];
	int fd = -1;

	temporary[0] = '\0';
	if (faccessat(AT_FDCWD, "/proc/self/fd", X_OK, 0) == 0)
		fd = disk_make(s->dir, ".", O_TMPFILE | O_RDWR, 0600);
	if (fd != -1)
		return fd;
	for (int i = 0; fd == -1 && i < TRIES; i++) {
		spool_make_id(id, time(NULL));
		(void)snprintf(temporary, size, SPOOL_NEW "%s", id);
		fd = disk_make(s->dir, temporary, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0600);
		if (fd == -1 && errno != EEXIST)
			break;
	}
	if (fd == -1)
		temporary[0] = '\0';
	return fd;
}

/* The name, never over another one; and the directory on disk. */
static int
commit(const struct spool *s, int fd, const char *temporary, time_t now, char *id)
{
	struct stat st;
	int r = -1;

	(void)disk_lock(fd);	/* no run takes it before it is safe; where there are no locks, there is no run */
	for (int i = 0; i < TRIES && r == -1; i++) {
		spool_make_id(id, now);
		r = give_name(s, fd, temporary[0] != '\0' ? temporary : NULL, id);
		if (r == -1 && errno != EEXIST)
			return -1;
		if (r == -1 && fstat(fd, &st) == 0 && st.st_nlink == (temporary[0] != '\0' ? 2 : 1))
			r = 0;	/* done all the same: a file server was asked twice */
	}
	if (r == -1)
		return -1;
	if (temporary[0] != '\0')
		(void)disk_unlink(s->dir, temporary);	/* if that fails it is removed with others that were left (spool_list) */
	if (disk_sync(s->dir) == 0)
		return 0;
	r = errno;
	(void)disk_unlink(s->dir, id);	/* nobody may think that it is safe */
	errno = r;
	return -1;
}

int
spool_try(const struct spool *s, struct outcome *o)
{
	char temporary[SPOOL_ID_SIZE + 8];
	static const char block[4096];
	int fd = new_file(s, temporary, sizeof(temporary)), r = -1, error;

	if (fd != -1) {
		r = disk_write(fd, 0, block, sizeof(block)) == 0 && disk_sync(fd) == 0 ? 0 : -1;
		error = errno;
		if (temporary[0] != '\0')
			(void)disk_unlink(s->dir, temporary);
		(void)close(fd);
		errno = error;
	}
	return r == 0 ? 0 : spool_failed(s, EX_CANTCREAT, "write to", o);
}

/* What nobody could read back is not put in. */
static int
check_bounds(const struct envelope *e, bool (*wanted)(const struct envelope *, size_t), const struct message *m, struct outcome *o)
{
	size_t n = 0;

	for (size_t i = 0; i < e->count; i++)
		n += wanted(e, i);
	if (n == 0 || n > SPOOL_RECIPIENTS_MAX)
		return outcome_set(o, EX_CANTCREAT, STAGE_QUEUE, CAUSE_QUEUE, NULL, "the queue does not take a message to %zu recipients", n);
	if (message_size(m) - m->body.length > MESSAGE_HEADER_MAX)
		return outcome_set(o, EX_CANTCREAT, STAGE_QUEUE, CAUSE_QUEUE, NULL, "the queue does not take a header of more than %d MiB", MESSAGE_HEADER_MAX / (1024 * 1024));
	return 0;
}

int
spool_put(struct spool *s, const struct envelope *e, bool (*wanted)(const struct envelope *, size_t), struct message *m, const struct outcome *error,
    time_t next, char *id, struct outcome *o)
{
	struct writer w = {0};
	char temporary[SPOOL_ID_SIZE + 8];
	time_t now = time(NULL);
	int r, kept;

	*o = (struct outcome){0};
	if (check_bounds(e, wanted, m, o) == -1)
		return -1;
	w.fd = new_file(s, temporary, sizeof(temporary));
	if (w.fd == -1)
		return spool_failed(s, EX_CANTCREAT, "write to", o);
	r = write_all(&w, e, wanted, m, error, now, next, o);
	if (r == 0)
		r = s->foreign ? fchmod(w.fd, 0660) : spool_give(s, w.fd);	/* for the queue's owner: by our group, nobody else comes into the directory */
	if (r == 0)
		r = disk_sync(w.fd);
	if (r == 0) {
		r = commit(s, w.fd, temporary, now, id);
		if (r == 0)
			temporary[0] = '\0';
	}
	kept = errno;
	if (r == -1 && temporary[0] != '\0')
		(void)disk_unlink(s->dir, temporary);
	(void)close(w.fd);
	errno = kept;
	if (r == -1 && o->status == 0)
		(void)spool_failed(s, EX_IOERR, "write to", o);
	return r;
}
