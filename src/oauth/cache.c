/*
 * Access tokens across runs. See cache.h.
 */
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "oauth/cache.h"
#include "oauth/jwt.h"

#define FORMAT		"1"
#define MARGIN_MAX	300	/* seconds before its end that a token is not used any more; or a tenth of its life */
#define LIFETIME_MAX	86400
#define FILE_MAX	65536
#define LOCK_MAX	20000	/* milliseconds that a lock is waited for, or a third of the time left */
#define LOCK_PAUSE	50	/* milliseconds between two looks */

/* ---- the place ---- */

static bool
is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* The directory, made if the one that it is in is there. -1: it is not for us. */
static int
open_place(const char *path, bool make)
{
	int fd;

	if (make)
		(void)mkdir(path, 0700);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd != -1 && !is_ours(fd)) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

static int
open_in(const char *parent, const char *name)
{
	char *path = mem_printf("%s/%s", parent, name);
	int fd = open_place(path, true);

	free(path);
	return fd;
}

/* In a queue that is ours alone. */
static int
open_in_queue(const char *queue)
{
	int dir = queue != NULL ? open_place(queue, false) : -1;

	if (dir == -1)
		return -1;
	(void)close(dir);
	return open_in(queue, "tokens");
}

static int
open_at_home(void)
{
	const char *cache = secure_getenv("XDG_CACHE_HOME");
	const struct passwd *pw;
	char *path;
	int fd;

	if (cache != NULL && *cache == '/')
		return open_in(cache, "sendmail-submit");
	pw = getpwuid(getuid());
	if (pw == NULL || pw->pw_dir == NULL || *pw->pw_dir != '/')
		return -1;
	path = mem_printf("%s/.cache", pw->pw_dir);
	fd = open_place(path, true);
	if (fd != -1) {
		(void)close(fd);
		fd = open_in(path, "sendmail-submit");
	}
	free(path);
	return fd;
}

/* A file that is written anew is another secret or key. */
static void
add_file(struct buf *b, const char *path)
{
	struct stat st = {0};

	buf_printf(b, "%s\n", path == NULL ? "" : path);
	if (path != NULL && stat(path, &st) == 0)
		buf_printf(b, "%ju\n", (uintmax_t)st.st_ino);
}

/* What the token is for: whoever changes any of it asks anew. */
static void
set_name(struct token_cache *c, const struct smarthost *h)
{
	const struct oauth *a = h->oauth;
	struct buf b = {0};
	uint64_t sum[2] = {0xcbf29ce484222325U, 0x84222325cbf29ce4U};

	buf_printf(&b, FORMAT "\n%d\n%s\n%s\n%s\n%s\n%s\n", (int)a->grant, h->title, h->user, a->token_url != NULL ? a->token_url : "", a->client_id != NULL ? a->client_id : "",
	    a->scope != NULL ? a->scope : "");
	buf_printf(&b, "%s\n%s\n", a->client_secret.value != NULL && a->client_secret.kind != SECRET_TEXT ? a->client_secret.value : "", a->refresh_token_file != NULL ? a->refresh_token_file : "");
	add_file(&b, a->client_certificate);
	add_file(&b, a->service_account_file);
	for (size_t i = 0; i < b.len; i++)	/* FNV-1a, twice: a name, nothing that has to withstand anybody */
		for (size_t k = 0; k < 2; k++)
			sum[k] = (sum[k] ^ (unsigned char)b.data[i]) * 0x100000001b3U + k;
	(void)snprintf(c->name, sizeof(c->name), "token-%016jx%016jx", (uintmax_t)sum[0], (uintmax_t)sum[1]);
	buf_free(&b);
}

void
cache_open(struct token_cache *c, const struct smarthost *h)
{
	*c = (struct token_cache){.dir = -1, .lock = -1, .refresh = -1};
	if (getauxval(AT_SECURE) != 0)
		return;
	if (h->token_cache != NULL)
		c->dir = open_place(h->token_cache, false);
	else {
		c->dir = open_in_queue(h->queue);
		if (c->dir == -1)
			c->dir = open_at_home();
	}
	set_name(c, h);
}

void
cache_close(struct token_cache *c)
{
	if (c->lock != -1)
		(void)close(c->lock);
	if (c->refresh != -1)
		(void)close(c->refresh);
	if (c->dir != -1)
		(void)close(c->dir);
	c->dir = c->lock = c->refresh = -1;
}

/* A lock of this descriptor's, waited for until then. */
static bool
take_lock(int fd, msec until)
{
	struct timespec pause = {.tv_nsec = LOCK_PAUSE * 1000000L};

	while (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		if ((errno != EWOULDBLOCK && errno != EINTR) || clock_left(until) == 0)
			return false;
		(void)nanosleep(&pause, NULL);
	}
	return true;
}

/* A file that is replaced while it is waited for is another one: the lock has to be on the one that is there. *held: it is, or there are no locks here. */
static int
lock_file(int dir, const char *path, int flags, msec until, bool *held)
{
	struct timespec pause = {.tv_nsec = LOCK_PAUSE * 1000000L};
	struct stat ours, there;

	for (;;) {
		int fd = openat(dir, path, flags | O_CLOEXEC | O_NONBLOCK, 0600);

		if (fd == -1 && (flags & O_ACCMODE) == O_RDWR && (flags & O_CREAT) == 0)
			fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		*held = true;
		if (fd == -1)
			return -1;
		*held = take_lock(fd, until) || clock_left(until) > 0;	/* else there are no locks here */
		if (!*held || (fstat(fd, &ours) == 0 && fstatat(dir, path, &there, 0) == 0 && ours.st_ino == there.st_ino && ours.st_dev == there.st_dev))
			return fd;
		(void)close(fd);
		(void)nanosleep(&pause, NULL);
		if (clock_left(until) == 0) {
			*held = false;
			return -1;
		}
	}
}

static msec
lock_until(msec deadline)
{
	int left = clock_left(deadline) / 3;

	return clock_now() + (left < LOCK_MAX ? left : LOCK_MAX);
}

/* The file of the refresh token; what a run that was killed has left comes into its place first. */
static int
lock_refresh(const char *path, msec until, bool *held)
{
	int fd = lock_file(AT_FDCWD, path, O_RDWR, until, held);

	while (fd != -1 && *held && cache_adopt(path)) {
		(void)close(fd);	/* which is not the one that is there any more */
		fd = lock_file(AT_FDCWD, path, O_RDWR, until, held);
	}
	return fd;
}

bool
cache_lock(struct token_cache *c, const struct smarthost *h, msec deadline)
{
	msec until = lock_until(deadline);
	char name[sizeof(c->name) + 8];
	bool held;

	(void)snprintf(name, sizeof(name), "%s.lock", c->name);
	if (c->dir != -1)
		c->lock = lock_file(c->dir, name, O_RDWR | O_CREAT | O_NOFOLLOW, until, &held);
	if (h->oauth->refresh_token_file == NULL)
		return true;
	c->refresh = lock_refresh(h->oauth->refresh_token_file, until, &held);
	return held;
}

/* ---- the files ---- */

/* Format, end of its life, token. */
static bool
read_file(const struct token_cache *c, struct buf *token, long long *until)
{
	int fd = c->dir == -1 ? -1 : openat(c->dir, c->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	char *text, *space, *end;
	ssize_t n = -1;
	bool good = false;

	if (fd == -1)
		return false;
	text = mem_alloc(FILE_MAX + 1);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0)
		n = read(fd, text, FILE_MAX);
	(void)close(fd);
	if (n > 4 && strncmp(text, FORMAT " ", 2) == 0 && text[n - 1] == '\n') {
		text[n - 1] = '\0';
		*until = strtoll(text + 2, &end, 10);
		space = strchr(text + 2, ' ');
		good = space == end && space[1] != '\0' && strlen(text) == (size_t)n - 1;
		if (good)
			buf_puts(token, space + 1);
	}
	explicit_bzero(text, FILE_MAX);
	free(text);
	return good;
}

bool
cache_get(const struct token_cache *c, struct buf *token)
{
	long long until, now = (long long)time(NULL);

	if (read_file(c, token, &until) && until > now && until <= now + LIFETIME_MAX)
		return true;
	buf_wipe(token);
	return false;
}

/*
 * Gives a new file owner and mode of the one that it replaces. False: the owner cannot be kept, and the file would be somebody else's. Where the group cannot be kept nobody else may read it.
 */
static bool
make_like(int fd, const struct stat *like)
{
	bool same = fchown(fd, like->st_uid, like->st_gid) == 0;

	if (!same && like->st_uid != geteuid())
		return false;
	same = same || fchown(fd, (uid_t)-1, like->st_gid) == 0;
	(void)fchmod(fd, same ? like->st_mode & 0777 : like->st_mode & 0700);	/* it has 0600, which does */
	return true;
}

static bool
write_all(int fd, const char *p, size_t n)
{
	for (size_t done = 0; done < n; ) {
		ssize_t r = write(fd, p + done, n - done);

		if (r == -1 && errno != EINTR)
			return false;
		done += r > 0 ? (size_t)r : 0;
	}
	return true;
}

/* A new file in the place of an old one, by way of a temporary one. */
static bool
put_file(int dir, const char *name, const char *temporary, const char *p, size_t n, bool sync, const struct stat *like)
{
	int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), error;
	bool good = fd != -1 && (like == NULL || make_like(fd, like)) && write_all(fd, p, n) && (!sync || fsync(fd) == 0);

	error = errno;
	if (fd != -1 && close(fd) == -1 && good) {
		good = false;
		error = errno;
	}
	if (good && renameat(dir, temporary, dir, name) == -1) {
		good = false;
		error = errno;
	}
	if (fd != -1 && !good)
		(void)unlinkat(dir, temporary, 0);
	if (good && sync)
		(void)fsync(dir);
	errno = error;
	return good;
}

void
cache_put(const struct token_cache *c, const struct buf *token, long lifetime)
{
	long margin = lifetime / 10 < MARGIN_MAX ? lifetime / 10 : MARGIN_MAX;
	char temporary[sizeof(c->name) + 8];
	struct buf b = {0};

	if (c->dir == -1 || lifetime <= 0)
		return;
	(void)buf_room(&b, token->len + 64);	/* no copies of it are left behind */
	buf_printf(&b, FORMAT " %lld %s\n", (long long)time(NULL) + lifetime - margin, token->data);
	(void)snprintf(temporary, sizeof(temporary), "%s.new", c->name);
	(void)unlinkat(c->dir, temporary, 0);	/* of a run that was killed: we have the lock */
	(void)put_file(c->dir, c->name, temporary, b.data, b.len, false, NULL);
	buf_wipe(&b);
}

void
cache_drop(const struct token_cache *c, const struct buf *token)
{
	struct buf kept = {0};
	long long until;

	if (c->dir != -1 && (token == NULL || (read_file(c, &kept, &until) && kept.len == token->len && memcmp(kept.data, token->data, kept.len) == 0)))
		(void)unlinkat(c->dir, c->name, 0);
	buf_wipe(&kept);
}

/* ---- the refresh token ---- */

/* The file itself behind whatever links; its directory, open, and its name in it. */
struct spot {
	int dir;
	char *path;
	const char *name;
	char *temporary;
	struct stat st;
	bool there;
};

static bool
find_spot(struct spot *s, const char *path)
{
	char *real = realpath(path, NULL), *slash;

	*s = (struct spot){.dir = -1, .path = real != NULL ? real : mem_dup(path)};
	slash = strrchr(s->path, '/');
	s->there = stat(s->path, &s->st) == 0;
	s->name = mem_dup(slash + 1);
	s->temporary = mem_printf("%s.new", s->name);
	slash[slash == s->path] = '\0';
	s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->dir != -1;
}

static void
leave_spot(struct spot *s)
{
	int error = errno;

	if (s->dir != -1)
		(void)close(s->dir);
	free(s->path);
	free((char *)(uintptr_t)s->name);
	free(s->temporary);
	errno = error;
}

/* Where no other file can take its place: it is mounted there, or its directory or its owner is another's. */
static bool
write_in_place(const char *path, const struct buf *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	bool good = fd != -1 && write_all(fd, text->data, text->len) && ftruncate(fd, (off_t)text->len) == 0 && fsync(fd) == 0;
	int error = errno;

	if (fd != -1)
		(void)close(fd);
	errno = error;
	return good;
}

bool
cache_replace(const char *path, const struct buf *text)
{
	struct buf b = {0};
	struct spot s;
	bool good = false;
	int error;

	(void)buf_room(&b, text->len + 2);
	buf_add(&b, text->data, text->len);
	buf_putc(&b, '\n');
	if (find_spot(&s, path)) {
		(void)unlinkat(s.dir, s.temporary, 0);
		good = put_file(s.dir, s.name, s.temporary, b.data, b.len, true, s.there ? &s.st : NULL);
	}
	error = errno;
	if (!good && s.there) {
		good = write_in_place(path, &b);
		errno = error;
	}
	leave_spot(&s);
	buf_wipe(&b);
	return good;
}

bool
cache_adopt(const char *path)
{
	struct spot s;
	struct stat st;
	char last = '\0';
	bool adopted = false;
	int fd;

	if (getauxval(AT_SECURE) != 0)
		return false;
	if (find_spot(&s, path)) {
		fd = openat(s.dir, s.temporary, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd != -1 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_size > 1 && (st.st_uid == geteuid() || (s.there && st.st_uid == s.st.st_uid)) &&
		    (!s.there || st.st_mtime >= s.st.st_mtime) && pread(fd, &last, 1, st.st_size - 1) == 1 && last == '\n' && fsync(fd) == 0)
			adopted = renameat(s.dir, s.temporary, s.dir, s.name) == 0;
		else if (fd != -1)
			(void)unlinkat(s.dir, s.temporary, 0);
		if (fd != -1)
			(void)close(fd);
	}
	leave_spot(&s);
	return adopted;
}

bool
cache_holds(const char *path, const struct buf *text)
{
	char *kept = mem_alloc(text->len + 2);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd == -1 ? -1 : read(fd, kept, text->len + 2);
	bool same = n >= (ssize_t)text->len && (n == (ssize_t)text->len || kept[text->len] == '\n') && memcmp(kept, text->data, text->len) == 0;

	if (fd != -1)
		(void)close(fd);
	explicit_bzero(kept, text->len + 2);
	free(kept);
	return same;
}
