/*
 * System calls on the files of the queue, each until it is done: a signal interrupts none of them. All: -1 and errno as the system has it.
 */
#ifndef QUEUE_DISK_H
#define QUEUE_DISK_H

#include <sys/types.h>
#include <stddef.h>
#include <stdint.h>

/* openat(2) of what exists, with O_CLOEXEC. */
int disk_open(int dir, const char *name, int flags);

/* The same of what is made, with that mode. */
int disk_make(int dir, const char *name, int flags, mode_t mode);

/* Holds an open file against all others, also those in this process that have opened it themselves. errno EAGAIN: somebody else holds it. */
int disk_lock(int fd);

/* All n octets, or -1; a file that ends before is EIO, one that cannot grow ENOSPC. */
int disk_read(int fd, uint64_t at, char *p, size_t n);
int disk_write(int fd, uint64_t at, const char *p, size_t n);

/* fsync(2), and fdatasync(2) where the file keeps its size. */
int disk_sync(int fd);
int disk_sync_data(int fd);

int disk_unlink(int dir, const char *name);
int disk_rename(int from, const char *old, int to, const char *new);

#endif
