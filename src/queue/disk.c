/*
 * System calls that are not interrupted. See disk.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "queue/disk.h"

/* Network file systems let a signal interrupt even those that local ones finish. */
#define UNTIL_DONE(r, call) do { (r) = (call); } while ((r) == -1 && errno == EINTR)

int
disk_open(int dir, const char *name, int flags)
{
	int fd;

	UNTIL_DONE(fd, openat(dir, name, flags | O_CLOEXEC));
	return fd;
}

int
disk_make(int dir, const char *name, int flags, mode_t mode)
{
	int fd;

	UNTIL_DONE(fd, openat(dir, name, flags | O_CLOEXEC, mode));
	return fd;
}

int
disk_lock(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int r;

	UNTIL_DONE(r, fcntl(fd, F_OFD_SETLK, &lock));
	return r;
}

int
disk_read(int fd, uint64_t at, char *p, size_t n)
{
	while (n > 0) {
		ssize_t k;

		UNTIL_DONE(k, pread(fd, p, n, (off_t)at));
		if (k == 0)
			errno = EIO;
		if (k <= 0)
			return -1;
		p += k;
		at += (uint64_t)k;
		n -= (size_t)k;
	}
	return 0;
}

int
disk_write(int fd, uint64_t at, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k;

		UNTIL_DONE(k, pwrite(fd, p, n, (off_t)at));
		if (k == 0)
			errno = ENOSPC;
		if (k <= 0)
			return -1;
		p += k;
		at += (uint64_t)k;
		n -= (size_t)k;
	}
	return 0;
}

int
disk_sync(int fd)
{
	int r;

	UNTIL_DONE(r, fsync(fd));
	return r;
}

int
disk_sync_data(int fd)
{
	int r;

	UNTIL_DONE(r, fdatasync(fd));
	return r;
}

/* One that was interrupted may have been done. */
int
disk_unlink(int dir, const char *name)
{
	int r = unlinkat(dir, name, 0);

	if (r == 0 || errno != EINTR)
		return r;
	UNTIL_DONE(r, unlinkat(dir, name, 0));
	return r == -1 && errno == ENOENT ? 0 : r;
}

int
disk_rename(int from, const char *old, int to, const char *new)
{
	int r;

	UNTIL_DONE(r, renameat(from, old, to, new));
	return r;
}
