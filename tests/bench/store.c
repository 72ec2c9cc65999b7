/*
 * The least that has to be done before a message is safe in a queue, for the
 * benchmark: what standard input has becomes a file of a directory, written
 * beside it, synced, renamed, and the directory synced.
 *
 *	store DIRECTORY < MESSAGE
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE	65536

static void
fail(const char *what)
{
	perror(what);
	exit(74);
}

static void
copy(int to)
{
	static char piece[PIECE];
	ssize_t got;

	while ((got = read(STDIN_FILENO, piece, sizeof piece)) > 0) {
		for (ssize_t done = 0, put; done < got; done += put) {
			put = write(to, piece + done, (size_t)(got - done));
			if (put == -1)
				fail("write");
		}
	}
	if (got == -1)
		fail("read");
}

int
main(int argc, char **argv)
{
	char new[32], name[32];
	int directory, file;

	if (argc != 2) {
		fputs("usage: store DIRECTORY\n", stderr);
		return 64;
	}
	directory = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory == -1)
		fail(argv[1]);
	snprintf(new, sizeof new, "new.%ld", (long)getpid());
	snprintf(name, sizeof name, "message.%ld", (long)getpid());
	file = openat(directory, new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	if (file == -1)
		fail(new);
	copy(file);
	if (fsync(file) != 0 || close(file) != 0)
		fail(new);
	if (renameat(directory, new, directory, name) != 0 ||
	    fsync(directory) != 0)
		fail(name);
	return 0;
}
