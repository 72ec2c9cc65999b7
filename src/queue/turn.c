/*
 * Whose turn it is to run the queue. See turn.h.
 */
#include <sys/file.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "queue/disk.h"
#include "queue/turn.h"

#define REQUESTS_MAX	65536	/* octets before the file is begun anew */
#define PIECE		4096
#define ASK_DUE		'd'
#define ASK_ALL		'a'
#define BEGUN		'.'

void
turn_ask(const struct spool *s, enum turn_request what)
{
	char request = what == TURN_ALL ? ASK_ALL : ASK_DUE;
	int fd = disk_open(s->dir, "runner", O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK);

	if (fd == -1)
		return;
	(void)(write(fd, &request, 1) == 1);
	(void)close(fd);
}

int
turn_take(int fd)
{
	int r;

	do
		r = flock(fd, LOCK_EX | LOCK_NB);
	while (r == -1 && errno == EINTR);
	return r == -1 && errno == EWOULDBLOCK ? 1 : r;
}

void
turn_give_back(int fd)
{
	(void)flock(fd, LOCK_UN);
}

/* Looks through the file as long as it is now; marked not NULL: and marks what is there, or says that it could not. */
static enum turn_request
look(int fd, bool *marked, off_t *end)
{
	enum turn_request most = TURN_NONE;
	char piece[PIECE], begun[PIECE];
	struct stat st;
	ssize_t n;

	*end = 0;
	memset(begun, BEGUN, sizeof(begun));
	if (fstat(fd, &st) == -1)
		return TURN_NONE;
	for (; *end < st.st_size && (n = pread(fd, piece, sizeof(piece), *end)) > 0; *end += n) {
		if (memchr(piece, ASK_ALL, (size_t)n) != NULL)
			most = TURN_ALL;
		else if (most == TURN_NONE && memchr(piece, ASK_DUE, (size_t)n) != NULL)
			most = TURN_DUE;
		if (marked != NULL)
			*marked = disk_write(fd, (uint64_t)*end, begun, (size_t)n) == 0 && *marked;
	}
	return most;
}

enum turn_request
turn_wanted(int fd)
{
	off_t end;

	return look(fd, NULL, &end);
}

enum turn_request
turn_accept(int fd, bool *marked)
{
	off_t end;
	enum turn_request most;

	*marked = true;
	most = look(fd, marked, &end);

	if (end >= REQUESTS_MAX && ftruncate(fd, 0) == -1)	/* what came just now is done with the rest */
		errno = 0;	/* the file is longer than need be, no more */
	return most;
}
