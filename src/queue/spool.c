/*
 * The queue on disk. See spool.h; the text of a file is spool_format.c's.
 */
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "queue/disk.h"
#include "queue/removal.h"
#include "queue/spool_format.h"

#define BLOCK		65536
#define RUNNER_FLAGS	(O_RDWR | O_NOFOLLOW | O_NONBLOCK)
#define SMALL		65536	/* octets of a message whose file may wait to be deleted */
#define LEFT_AFTER	86400	/* seconds until a temporary file has no writer any more */

static enum cause
cause_of(int error)
{
	return error == ENOSPC || error == EDQUOT ? CAUSE_QUEUE_FULL : CAUSE_QUEUE;
}

int
spool_failed(const struct spool *s, int status, const char *what, struct outcome *o)
{
	int error = errno;

	return outcome_set(o, status, STAGE_QUEUE, cause_of(error), strerror(error), "cannot %s the queue %s", what, s->path);
}

static int
item_failed(const struct spool_item *item, const char *what, struct outcome *o)
{
	int error = errno;

	return outcome_set(o, EX_IOERR, STAGE_QUEUE, cause_of(error), strerror(error), "cannot %s message %s of the queue", what, item->id);
}

/* ---- the directory ---- */

/*
 * Whoever runs us may see what is in a queue of that owner: he is it, or root. A directory of root's that he may write to by his own rights, as volumes of containers are, is
 * given to him.
 */
static bool
is_own(const struct stat *st, const char *path)
{
	if (getuid() == 0 || st->st_uid == getuid())
		return true;
	return st->st_uid == 0 && getauxval(AT_SECURE) == 0 && access(path, W_OK | X_OK) == 0;
}

static int
open_directory(struct spool *s, struct outcome *o)
{
	struct stat st;

	s->dir = disk_open(AT_FDCWD, s->path, O_RDONLY | O_DIRECTORY);
	if (s->dir == -1 || fstat(s->dir, &st) == -1)
		return spool_failed(s, EX_CANTCREAT, "open", o);
	if ((st.st_mode & S_IWOTH) != 0)
		return outcome_set(o, EX_CANTCREAT, STAGE_QUEUE, CAUSE_QUEUE_EXPOSED, "everybody may write to it", "refusing the queue %s", s->path);
	s->foreign = !is_own(&st, s->path);
	s->uid = st.st_uid;
	s->gid = st.st_gid;
	return 0;
}

int
spool_open(struct spool *s, const char *path, struct outcome *o)
{
	*s = (struct spool){.dir = -1, .path = mem_dup(path)};
	if (open_directory(s, o) == 0)
		return 0;
	spool_close(s);
	return -1;
}

void
spool_close(struct spool *s)
{
	removals_free(s->removals);
	if (s->dir != -1)
		(void)close(s->dir);
	free(s->path);
	*s = (struct spool){.dir = -1};
}

/* What we make is to be another user's. */
static bool
gives(const struct spool *s)
{
	return geteuid() == 0 && s->uid != 0;
}

int
spool_give(const struct spool *s, int fd)
{
	return gives(s) ? fchown(fd, s->uid, s->gid) : 0;
}

/* Made by whom the queue belongs to, or by us: nobody else may hold its lock. */
static bool
is_trusted(const struct spool *s, const struct stat *st)
{
	return st->st_uid == s->uid || st->st_uid == 0 || st->st_uid == geteuid();
}

/* Makes the file, which is never there without belonging to whom it has to. errno EEXIST: somebody else was first. */
static int
make_runner(const struct spool *s)
{
	char name[sizeof(SPOOL_NEW) + SPOOL_ID_SIZE] = SPOOL_NEW;
	int fd, r, error;

	if (!gives(s)) {
		fd = disk_make(s->dir, "runner", RUNNER_FLAGS | O_CREAT | O_EXCL, 0600);
		return fd == -1 ? -1 : close(fd);
	}
	spool_make_id(name + sizeof(SPOOL_NEW) - 1, time(NULL));
	fd = disk_make(s->dir, name, RUNNER_FLAGS | O_CREAT | O_EXCL, 0600);
	if (fd == -1)
		return -1;
	r = spool_give(s, fd) == 0 ? linkat(s->dir, name, s->dir, "runner", 0) : -1;
	error = errno;
	(void)disk_unlink(s->dir, name);
	(void)close(fd);
	errno = error;
	return r;
}

int
spool_open_runner(const struct spool *s, struct outcome *o)
{
	int fd, error;
	struct stat st;

	fd = disk_open(s->dir, "runner", RUNNER_FLAGS);
	if (fd == -1 && errno == ENOENT) {
		if (make_runner(s) == -1 && errno != EEXIST)
			return spool_failed(s, EX_CANTCREAT, "write to", o);
		fd = disk_open(s->dir, "runner", RUNNER_FLAGS);
	}
	error = errno;
	if (fd != -1 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && is_trusted(s, &st))
		return fd;
	if (fd != -1)
		(void)close(fd);
	return outcome_set(o, EX_CANTCREAT, STAGE_QUEUE, CAUSE_QUEUE_RUNNER, fd == -1 ? strerror(error) : "it is not the queue's owner's",
	    "cannot use the file runner in the queue %s", s->path);
}

void
spool_make_id(char *id, time_t now)
{
	uint64_t random;

	arc4random_buf(&random, sizeof(random));
	(void)snprintf(id, SPOOL_ID_SIZE, "%010" PRIx64 "%016" PRIx64, (uint64_t)now & 0xffffffffff, random);
}

time_t
spool_id_time(const char *id)
{
	char seconds[11];

	(void)strlcpy(seconds, id, sizeof(seconds));
	return (time_t)strtoull(seconds, NULL, 16);
}

bool
spool_is_id(const char *text)
{
	return strlen(text) == SPOOL_ID_DIGITS && strspn(text, "0123456789abcdef") == SPOOL_ID_DIGITS;
}

/* ---- reading ---- */

static enum spool_answer
broken(const struct spool_item *item, const char *why, struct outcome *o)
{
	(void)outcome_set(o, EX_IOERR, STAGE_QUEUE, CAUSE_QUEUE_BROKEN, why, "message %s of the queue cannot be used", item->id);
	return SPOOL_BROKEN;
}

/* The states and fates of the recipients, who are in the envelope already. */
static const char *
take_records(struct spool_item *item, const char *p)
{
	struct outcome fate;

	(void)spool_read_record(p, &item->error);
	item->state = mem_grow(NULL, item->envelope.count, sizeof(*item->state));
	for (size_t i = 0; i < item->envelope.count; i++) {
		char state = spool_read_record(p + (i + 1) * SPOOL_RECORD_SIZE, &fate);

		if (strchr("PSFI", state) == NULL || state == '\0')
			return "the state of a recipient is none";
		item->state[i] = (enum spool_state)state;
		if (state == SPOOL_DONE)
			item->envelope.rcpt[i].state = RCPT_DONE;
		else if (state != SPOOL_PENDING && fate.status != 0)
			envelope_fail(&item->envelope, i, &fate);
		else if (state != SPOOL_PENDING)
			item->envelope.rcpt[i].state = RCPT_FAILED;
		else if (fate.status != 0) {
			envelope_fail(&item->envelope, i, &fate);
			item->envelope.rcpt[i].state = RCPT_PENDING;
		}
	}
	return NULL;
}

/* The checksum over all that does not change. NULL, or what is wrong. */
static const char *
check_sum(struct spool_item *item, const struct spool_lengths *l, const char *head, const char *envelope)
{
	char block[BLOCK], end[SPOOL_END_SIZE];
	uint64_t sum = spool_sum(spool_sum(SPOOL_SUM_BEGIN, head, SPOOL_STATE_AT), envelope, (size_t)l->envelope), at = item->message_at, left = l->message;

	while (left > 0) {
		size_t n = left < sizeof(block) ? (size_t)left : sizeof(block);

		if (disk_read(item->fd, at, block, n) == -1)
			return strerror(errno);
		sum = spool_sum(sum, block, n);
		at += n;
		left -= n;
	}
	if (disk_read(item->fd, at, end, sizeof(end)) == -1)
		return strerror(errno);
	return spool_is_end(end, sum) ? NULL : "its octets are not those that were written";
}

/* Envelope and records. NULL, or what is wrong. */
static const char *
take_envelope(struct spool_item *item, const struct spool_lengths *l, const char *head, bool whole)
{
	size_t records = (size_t)(l->recipients + 1) * SPOOL_RECORD_SIZE, length = (size_t)l->envelope;
	struct buf b = {0};
	const char *why = NULL;
	char *p = buf_room(&b, records + length);

	if (disk_read(item->fd, SPOOL_HEAD_SIZE, p, records + length) == -1)
		why = strerror(errno);
	b.len = records + length;
	buf_end(&b);
	if (why == NULL && whole)
		why = check_sum(item, l, head, p + records);
	if (why == NULL)
		why = spool_read_envelope(p + records, length, &item->envelope, &item->created);
	if (why == NULL && item->envelope.count != l->recipients)
		why = "its envelope has another number of recipients";
	if (why == NULL)
		why = take_records(item, p);
	buf_free(&b);
	return why;
}

/* Nothing of ours has any, since no octet is zero. Reading them would take as long as somebody likes it to. */
static bool
has_holes(int fd, const struct stat *st)
{
	off_t hole = lseek(fd, 0, SEEK_HOLE);

	return hole != -1 && hole < st->st_size;
}

static const char *
read_item(struct spool_item *item, bool whole)
{
	char head[SPOOL_HEAD_SIZE + 1];
	struct spool_lengths l;
	struct stat st;
	const char *why;
	uint64_t size;

	if (fstat(item->fd, &st) == -1 || disk_read(item->fd, 0, head, SPOOL_HEAD_SIZE) == -1)
		return errno == EIO ? "it is too short" : strerror(errno);
	head[SPOOL_HEAD_SIZE] = '\0';
	why = spool_read_head(head, &l, item);
	if (why != NULL)
		return why;
	if (has_holes(item->fd, &st))
		return "it has holes";
	item->message_at = SPOOL_HEAD_SIZE + (l.recipients + 1) * SPOOL_RECORD_SIZE + l.envelope;
	size = item->message_at + l.message + SPOOL_END_SIZE;
	if ((uint64_t)st.st_size != size)
		return (uint64_t)st.st_size < size ? "its end is missing" : "it has more than its end";
	item->size = l.message;
	item->linked = st.st_nlink > 1;
	return take_envelope(item, &l, head, whole);
}

/* True where the name still leads to the file that is open. */
static bool
is_still(const struct spool *s, const struct spool_item *item)
{
	struct stat open, named;

	return fstat(item->fd, &open) == 0 && fstatat(s->dir, item->id, &named, AT_SYMLINK_NOFOLLOW) == 0 && open.st_ino == named.st_ino &&
	    open.st_dev == named.st_dev;
}

/* A name that is no file's is broken; whatever else the system says is no damage. */
static enum spool_answer
cannot_open(const struct spool_item *item, struct outcome *o)
{
	int error = errno;

	if (error == ELOOP || error == EISDIR || error == ENXIO || error == ENODEV)
		return broken(item, strerror(error), o);
	(void)item_failed(item, "open", o);
	if (error == EMFILE || error == ENFILE || error == ENOMEM)
		o->cause = CAUSE_SYSTEM;
	return SPOOL_BROKEN;
}

enum spool_answer
spool_get(struct spool *s, const char *id, bool whole, struct spool_item *item, struct outcome *o)
{
	enum spool_answer answer = SPOOL_OK;
	const char *why;

	*item = (struct spool_item){.fd = -1};
	*o = (struct outcome){0};
	if (!spool_is_id(id))
		return SPOOL_GONE;
	(void)strlcpy(item->id, id, sizeof(item->id));
	item->directory = s->path;
	item->fd = disk_open(s->dir, id, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
	if (item->fd == -1 && errno == ENOENT)
		return SPOOL_GONE;
	if (item->fd == -1)
		return cannot_open(item, o);
	if (disk_lock(item->fd) == -1)
		answer = errno == EAGAIN ? SPOOL_BUSY : cannot_open(item, o);
	else if (!is_still(s, item))
		answer = SPOOL_GONE;
	else if ((why = read_item(item, whole)) != NULL)
		answer = broken(item, why, o);
	if (answer != SPOOL_OK)
		spool_item_close(item);
	return answer;
}

bool
spool_peek(const struct spool *s, const char *id, struct spool_item *head)
{
	int fd = spool_is_id(id) ? disk_open(s->dir, id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) : -1;
	char text[SPOOL_HEAD_SIZE + 1] = "";
	struct spool_lengths l;
	bool good;

	*head = (struct spool_item){.fd = -1};
	good = fd != -1 && disk_read(fd, 0, text, SPOOL_HEAD_SIZE) == 0 && spool_read_head(text, &l, head) == NULL;
	if (fd != -1)
		(void)close(fd);
	return good;
}

enum spool_answer
spool_look(struct spool *s, const char *id, struct spool_item *item, bool *busy, struct outcome *o)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	const char *why;

	*item = (struct spool_item){.fd = -1};
	*o = (struct outcome){0};
	*busy = false;
	if (!spool_is_id(id))
		return SPOOL_GONE;
	(void)strlcpy(item->id, id, sizeof(item->id));
	item->fd = disk_open(s->dir, id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	if (item->fd == -1 && errno == ENOENT)
		return SPOOL_GONE;
	if (item->fd == -1)
		return cannot_open(item, o);
	why = read_item(item, false);
	if (why != NULL) {
		(void)broken(item, why, o);
		spool_item_close(item);
		return SPOOL_BROKEN;
	}
	*busy = fcntl(item->fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	return SPOOL_OK;
}

int
spool_octets(const struct spool_item *item, uint64_t offset, char *p, size_t n, struct outcome *o)
{
	return disk_read(item->fd, item->message_at + offset, p, n) == 0 ? 0 : item_failed(item, "read", o);
}

int
spool_message(struct spool_item *item, struct message *m, struct outcome *o)
{
	*o = (struct outcome){0};
	if (message_read_part(m, item->fd, item->message_at, item->size, item->directory, item->directory, o) == 0)
		return 0;
	return o->status == 0 ? item_failed(item, "read", o) : -1;
}

/* ---- what changes ---- */

/* What changes in the head. */
int
spool_note(struct spool_item *item, bool synced, struct outcome *o)
{
	struct buf state = {0};
	int r;

	spool_add_state(&state, item);
	r = disk_write(item->fd, SPOOL_STATE_AT, state.data, state.len);
	if (r == 0 && synced)
		r = disk_sync_data(item->fd);
	buf_free(&state);
	return r == 0 ? 0 : item_failed(item, "write to", o);
}

int
spool_update(struct spool_item *item, struct outcome *o)
{
	struct buf records = {0};
	int r;

	spool_add_record(&records, ' ', &item->error);
	for (size_t i = 0; i < item->envelope.count; i++)
		spool_add_record(&records, (char)item->state[i], item->envelope.rcpt[i].fate);
	r = disk_write(item->fd, SPOOL_HEAD_SIZE, records.data, records.len);
	buf_free(&records);
	return r == 0 ? spool_note(item, true, o) : item_failed(item, "write to", o);
}

static int
unlink_item(const struct spool *s, struct spool_item *item, struct outcome *o)
{
	if (item->linked)
		(void)spool_update(item, o);	/* whoever gets to it by another name must see what has become of it */
	return disk_unlink(s->dir, item->id) == -1 ? item_failed(item, "remove", o) : 0;
}

int
spool_remove(struct spool *s, struct spool_item *item, struct outcome *o)
{
	if (unlink_item(s, item, o) == -1)
		return -1;
	return disk_sync(s->dir) == -1 ? item_failed(item, "remove", o) : 0;
}

int
spool_remove_soon(struct spool *s, struct spool_item *item, struct outcome *o)
{
	if (unlink_item(s, item, o) == -1)
		return -1;
	if (s->removals == NULL)
		s->removals = removals_new(s->dir, s->unsynced_most);
	if (!item->linked && item->size <= SMALL)	/* what has another name stays, and is not to be held; what is large is not to take room any longer */
		item->removals = s->removals;
	s->unsynced++;
	return 0;
}

int
spool_sync(struct spool *s, bool wait, struct outcome *o)
{
	bool failed = s->unsynced > 0 && removals_begin(s->removals) == -1;

	if (failed)
		(void)spool_failed(s, EX_IOERR, "remove messages from", o);
	if (wait && s->removals != NULL && removals_end(s->removals) == -1 && !failed) {	/* in any case nothing is under way then: who is forked has no threads */
		(void)spool_failed(s, EX_IOERR, "remove messages from", o);
		failed = true;
	}
	if (!failed)
		s->unsynced = 0;
	return failed ? -1 : 0;
}

/* The directory failed/, which is made when it is first needed. */
static int
open_failed(const struct spool *s)
{
	int fd, made = mkdirat(s->dir, "failed", 0700);

	if (made == -1 && errno != EEXIST)
		return -1;
	fd = disk_open(s->dir, "failed", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (fd != -1 && made == 0 && spool_give(s, fd) == -1) {
		(void)unlinkat(s->dir, "failed", AT_REMOVEDIR);	/* nobody else could use it */
		(void)close(fd);
		return -1;
	}
	if (fd != -1 && made == 0 && disk_sync(s->dir) == -1) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

int
spool_bury(struct spool *s, struct spool_item *item, struct outcome *o)
{
	int fd = open_failed(s), status = -1;

	if (fd == -1 || disk_rename(s->dir, item->id, fd, item->id) == -1 || disk_sync(fd) == -1 || disk_sync(s->dir) == -1)
		(void)item_failed(item, "move to failed/", o);
	else
		status = 0;
	if (fd != -1)
		(void)close(fd);
	return status;
}

int
spool_remove_id(struct spool *s, const char *id, struct outcome *o)
{
	struct spool_item item = {.fd = -1};

	(void)strlcpy(item.id, id, sizeof(item.id));
	return spool_is_id(id) ? spool_remove(s, &item, o) : outcome_set(o, EX_SOFTWARE, STAGE_QUEUE, CAUSE_BUG, "it is no identifier", "cannot remove a message");
}

void
spool_item_close(struct spool_item *item)
{
	if (item->removals != NULL)
		removals_add(item->removals, item->fd);
	else if (item->fd != -1)
		(void)close(item->fd);
	free(item->state);
	free((void *)(uintptr_t)item->envelope.envid);	/* nobody else's: spool_read_envelope() made it */
	envelope_free(&item->envelope);
	*item = (struct spool_item){.fd = -1};
}

/* ---- the list ---- */

int
spool_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A temporary file whose writer was killed a while ago. */
static void
remove_left(const struct spool *s, const char *name)
{
	struct stat st;

	if (fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && time(NULL) - st.st_mtime > LEFT_AFTER)
		(void)disk_unlink(s->dir, name);
}

int
spool_walk_begin(struct spool *s, struct spool_walk *w, struct outcome *o)
{
	int fd = disk_open(s->dir, ".", O_RDONLY | O_DIRECTORY), error;

	*w = (struct spool_walk){.spool = s, .dir = fd == -1 ? NULL : fdopendir(fd)};
	if (w->dir != NULL)
		return 0;
	error = errno;
	if (fd != -1)
		(void)close(fd);
	errno = error;
	return spool_failed(s, EX_IOERR, "read", o);
}

const char *
spool_walk_next(struct spool_walk *w)
{
	const struct dirent *e;

	while (errno = 0, (e = readdir(w->dir)) != NULL) {
		if (strncmp(e->d_name, SPOOL_NEW, sizeof(SPOOL_NEW) - 1) == 0 && spool_is_id(e->d_name + sizeof(SPOOL_NEW) - 1))
			remove_left(w->spool, e->d_name);
		if (spool_is_id(e->d_name))
			return e->d_name;
	}
	w->error = errno;
	return NULL;
}

int
spool_walk_end(struct spool_walk *w, struct outcome *o)
{
	(void)closedir(w->dir);
	errno = w->error;
	return w->error == 0 ? 0 : spool_failed(w->spool, EX_IOERR, "read", o);
}

int
spool_list(struct spool *s, char ***ids, size_t *count, struct outcome *o)
{
	struct spool_walk w;
	const char *id;
	size_t size = 0;

	*ids = NULL;
	*count = 0;
	if (spool_walk_begin(s, &w, o) == -1)
		return -1;
	while ((id = spool_walk_next(&w)) != NULL) {
		if (*count == size) {
			size = size == 0 ? 64 : size * 2;
			*ids = mem_grow(*ids, size, sizeof(**ids));
		}
		(*ids)[(*count)++] = mem_dup(id);
	}
	if (*count > 0)
		qsort(*ids, *count, sizeof(**ids), spool_compare);
	return spool_walk_end(&w, o);
}

bool
spool_has_any(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;
	bool found = false;

	if (dir == NULL)
		return false;
	while (!found && (e = readdir(dir)) != NULL)
		found = spool_is_id(e->d_name);
	(void)closedir(dir);
	return found;
}

bool
spool_is_own(const char *path)
{
	struct stat st;

	return stat(path, &st) == -1 || is_own(&st, path);	/* one that is not there is told as such by whoever opens it */
}

size_t
spool_buried(const struct spool *s)
{
	int fd = disk_open(s->dir, "failed", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *e;
	size_t n = 0;

	if (dir == NULL) {
		if (fd != -1)
			(void)close(fd);
		return 0;
	}
	while ((e = readdir(dir)) != NULL)
		n += spool_is_id(e->d_name);
	(void)closedir(dir);
	return n;
}

int
spool_usage(struct spool *s, uint64_t *messages, uint64_t *octets, struct outcome *o)
{
	struct stat st;
	char **ids;
	size_t n;

	*messages = *octets = 0;
	if (spool_list(s, &ids, &n, o) == -1)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (fstatat(s->dir, ids[i], &st, AT_SYMLINK_NOFOLLOW) == 0) {
			++*messages;
			*octets += (uint64_t)st.st_size;
		}
		free(ids[i]);
	}
	free(ids);
	return 0;
}
