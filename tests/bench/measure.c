/*
 * Runs a command and tells what it cost, for the benchmark: a small program,
 * so that the measuring itself costs next to nothing and the memory that is
 * told is the command's.
 *
 *	measure [OPTION VALUE]... -- PROGRAM [ARGUMENT]...
 *
 *	--stdin FILE, --stdout FILE, --stderr FILE	default: /dev/null
 *	--chroot DIR, --uid N		where and as whom it runs
 *	--repeat N			so many runs, one after the other (1)
 *	--deadline SECONDS		of each run; then it is killed (60)
 *	--until FILE NAME N		a run is over only when that counter of a
 *					sink is N more than before
 *	--daemon			(no value) it does not end by itself: it is
 *					ended when the counter is there
 *
 * For each run a line is printed:
 *
 *	WALL USER SYSTEM MEMORY STATUS [UNTIL]
 *
 * Nanoseconds from before fork() to the end of the process, microseconds of
 * processor time (its own and that of children it waited for), KiB at its
 * largest, the exit status (128 + N: ended by signal N), and nanoseconds until
 * the counter was there (0: it never was).
 */
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAMES_AT	512		/* see sink.c */
#define COUNTERS_SIZE	1024
#define POLL_NS		200000L		/* between two looks at the file */

struct options {
	const char	*files[3];
	const char	*root;
	const char	*counters;
	const char	*key;
	uint64_t	 step;
	long		 uid;
	long		 repeat;
	long		 deadline;
	bool		 daemon;
	char		**command;
};

static volatile sig_atomic_t running;	/* the process group to be killed */

static void
fail(const char *what)
{
	fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
	exit(71);
}

static uint64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void
on_alarm(int sig)
{
	(void)sig;
	if (running > 0)
		kill(-(pid_t)running, SIGKILL);
}

/*
 * A counter in the file of a sink: integers of 64 bits, and their names in the
 * same order, one a line, from octet NAMES_AT on.  0 where there is none.
 */
static uint64_t
counter(const char *path, const char *name)
{
	union {
		uint64_t	numbers[NAMES_AT / 8];
		char		text[COUNTERS_SIZE + 1];
	} file = { .text = { 0 } };
	const char *line = file.text + NAMES_AT;
	size_t length = strlen(name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return 0;
	if (read(fd, file.text, COUNTERS_SIZE) <= NAMES_AT)
		line = NULL;
	close(fd);
	for (size_t i = 0; line != NULL && *line != '\0' && i < NAMES_AT / 8;
	    i++) {
		if (strncmp(line, name, length) == 0 && line[length] == '\n')
			return file.numbers[i];
		line = strchr(line, '\n');
		line += line != NULL;
	}
	return 0;
}

static void
become(const struct options *o)
{
	static const int flags[] = { O_RDONLY, O_WRONLY | O_CREAT | O_APPEND,
	    O_WRONLY | O_CREAT | O_APPEND };

	setpgid(0, 0);
	for (int i = 0; i < 3; i++) {
		int fd = open(o->files[i], flags[i], 0644);

		if (fd == -1 || dup2(fd, i) == -1)
			fail(o->files[i]);
		if (fd > 2)
			close(fd);
	}
	if (o->root != NULL && (chroot(o->root) != 0 || chdir("/") != 0))
		fail(o->root);
	if (o->uid > 0 && (setgid((gid_t)o->uid) != 0 ||
	    setuid((uid_t)o->uid) != 0))
		fail("setuid");
	execvp(o->command[0], o->command);
	fail(o->command[0]);
}

static uint64_t
wait_until(const struct options *o, uint64_t begun, uint64_t wanted)
{
	const struct timespec pause = { 0, POLL_NS };
	uint64_t limit = begun + (uint64_t)o->deadline * 1000000000;

	while (counter(o->counters, o->key) < wanted) {
		if (now() > limit)
			return 0;
		nanosleep(&pause, NULL);
	}
	return now() - begun;
}

static void
run(const struct options *o, uint64_t wanted)
{
	struct rusage usage;
	uint64_t begun = now(), wall, until = 0;
	int status;
	pid_t pid = fork();

	if (pid == -1)
		fail("fork");
	if (pid == 0)
		become(o);
	running = pid;
	alarm((unsigned int)o->deadline);
	if (o->daemon) {
		until = wait_until(o, begun, wanted);
		kill(-pid, SIGTERM);
	}
	while (wait4(pid, &status, 0, &usage) == -1)
		if (errno != EINTR)
			fail("wait4");
	wall = now() - begun;
	alarm(0);
	running = 0;
	printf("%" PRIu64 " %ld %ld %ld %d", wall,
	    (long)(usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec),
	    (long)(usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec),
	    usage.ru_maxrss, WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status));
	if (o->counters != NULL)
		printf(" %" PRIu64, o->daemon ? until :
		    wait_until(o, begun, wanted));
	putchar('\n');
}

static void
usage(void)
{
	fputs("usage: measure [--stdin|--stdout|--stderr FILE] [--chroot DIR]"
	    " [--uid N] [--repeat N]\n               [--deadline SECONDS]"
	    " [--until FILE NAME N [--daemon]] -- PROGRAM [ARGUMENT]...\n", stderr);
	exit(64);
}

static bool
take(struct options *o, const char *name, char **value)
{
	static const char *const streams[] = { "--stdin", "--stdout",
	    "--stderr" };

	for (int i = 0; i < 3; i++) {
		if (strcmp(name, streams[i]) == 0) {
			o->files[i] = *value;
			return true;
		}
	}
	if (strcmp(name, "--chroot") == 0)
		o->root = *value;
	else if (strcmp(name, "--uid") == 0)
		o->uid = strtol(*value, NULL, 10);
	else if (strcmp(name, "--repeat") == 0)
		o->repeat = strtol(*value, NULL, 10);
	else if (strcmp(name, "--deadline") == 0)
		o->deadline = strtol(*value, NULL, 10);
	else if (strcmp(name, "--until") == 0 && value[1] != NULL &&
	    value[2] != NULL) {
		o->counters = value[0];
		o->key = value[1];
		o->step = strtoull(value[2], NULL, 10);
	} else
		return false;
	return true;
}

int
main(int argc, char **argv)
{
	struct options o = { .files = { "/dev/null", "/dev/null", "/dev/null" },
	    .repeat = 1, .deadline = 60 };
	struct sigaction action = { .sa_handler = on_alarm };
	uint64_t wanted = 0;
	int at = 1;

	while (at + 1 < argc && strcmp(argv[at], "--") != 0) {
		if (strcmp(argv[at], "--daemon") == 0) {
			o.daemon = true;
			at++;
			continue;
		}
		if (!take(&o, argv[at], argv + at + 1))
			usage();
		at += strcmp(argv[at], "--until") == 0 ? 4 : 2;
	}
	if (at + 1 >= argc || o.deadline <= 0 ||
	    (o.daemon && o.counters == NULL))
		usage();
	o.command = argv + at + 1;
	sigaction(SIGALRM, &action, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (o.counters != NULL)
		wanted = counter(o.counters, o.key);
	for (long i = 0; i < o.repeat; i++)
		run(&o, wanted += o.step);
	return 0;
}
