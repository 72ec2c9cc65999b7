/*
 * Where a password or a token comes from. See secret.h.
 */
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>
#include "secret.h"

/* Takes one line end off; refuses what is empty, too long, or holds a NUL. */
static int
finish(struct buf *out, const char *what, const char *from, struct outcome *o)
{
	const char *why = NULL;

	if (out->len > 0 && out->data[out->len - 1] == '\n') {
		out->len--;
		if (out->len > 0 && out->data[out->len - 1] == '\r')
			out->len--;
		buf_end(out);
	}
	if (out->len == 0)
		why = "it is empty";
	else if (out->len > SECRET_MAX)
		why = "it is longer than 65536 octets";
	else if (memchr(out->data, '\0', out->len) != NULL)
		why = "it holds a NUL";
	if (why == NULL)
		return 0;
	return outcome_set(o, EX_CONFIG, STAGE_SECRET, CAUSE_SECRET_MISSING, why, "cannot use the %s from %s", what, from);
}

/* The file's full name. The caller frees it. */
static char *
full_name(const char *name)
{
	const char *directory = secure_getenv("CREDENTIALS_DIRECTORY");

	return directory != NULL && strchr(name, '/') == NULL ? mem_printf("%s/%s", directory, name) : mem_dup(name);
}

bool
secret_is_fleeting(const struct secret_source *src)
{
	struct stat st;
	char *path;
	bool regular;

	if (src->kind != SECRET_FILE)
		return src->kind == SECRET_COMMAND;
	path = full_name(src->value);
	regular = stat(path, &st) == -1 || !S_ISFIFO(st.st_mode);
	free(path);
	return !regular;
}

static int
from_file(struct buf *out, const char *name, const char *what, msec deadline, struct outcome *o)
{
	char *path = full_name(name);
	int fd = -1, r = 0, left = 1;
	ssize_t n = -1;
	bool waited = false;	/* something has come, or the end */

	if (*path == '/')
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	else {	/* never from the current directory, which is the caller's choice */
		r = outcome_set(o, EX_CONFIG, STAGE_SECRET, CAUSE_SECRET_UNREADABLE, "CREDENTIALS_DIRECTORY is not set", "cannot read the %s from %s",
		    what, path);
		free(path);
		return r;
	}
	/* A FIFO that somebody will fill is waited for, but not beyond the deadline: it looks like an empty file until somebody has opened it. */
	while (fd != -1 && out->len <= SECRET_MAX && (left = clock_left(deadline)) > 0) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		n = read(fd, buf_room(out, 4096), 4096);
		if (n > 0) {
			out->len += (size_t)n;
			buf_end(out);
			continue;
		}
		if (n == 0 ? out->len > 0 || waited : errno != EINTR && errno != EAGAIN)
			break;
		n = -1;
		errno = 0;
		waited = poll(&p, 1, left) > 0;
	}
	if (fd == -1 || n == -1)
		r = outcome_set(o, left > 0 ? EX_CONFIG : EX_TEMPFAIL, STAGE_SECRET, left > 0 ? CAUSE_SECRET_UNREADABLE : CAUSE_SECRET_LATE,
		    left > 0 ? strerror(errno) : "nothing came before the deadline",
		    "cannot read the %s from %s", what, path);
	else
		r = finish(out, what, path, o);
	if (fd != -1)
		(void)close(fd);
	free(path);
	return r;
}

/*
 * In the child: empty standard input, out and err into the pipes, a process group of its own. It ends with us. Of an environment that is not to be
 * trusted, since the program is setuid or setgid, it gets nothing.
 */
static _Noreturn void
run_command(const char *command, int out, int err)
{
	static const char *const clean[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGXFSZ, SIG_DFL);
	if (dup2(null, STDIN_FILENO) == -1 || dup2(out, STDOUT_FILENO) == -1 || dup2(err, STDERR_FILENO) == -1)
		_exit(126);
	closefrom(3);
	(void)execle("/bin/sh", "sh", "-c", command, (char *)NULL, getauxval(AT_SECURE) != 0 ? clean : (const char *const *)environ);
	_exit(127);
}

/* Reads what is there, up to a bound beyond which it is read and dropped; false once the other side has closed. */
static bool
collect(int fd, struct buf *into, size_t max)
{
	char block[4096];
	ssize_t n = read(fd, block, sizeof(block));

	if (n > 0 && into->len <= max)
		buf_add(into, block, (size_t)n);
	explicit_bzero(block, sizeof(block));
	return n > 0 || (n == -1 && (errno == EINTR || errno == EAGAIN));
}

/* Reads both pipes to their end; false if the deadline passes first, or more comes than a secret may have. */
static bool
collect_both(int out_fd, struct buf *out, int err_fd, struct buf *err, msec deadline)
{
	struct pollfd p[2] = {{.fd = out_fd, .events = POLLIN}, {.fd = err_fd, .events = POLLIN}};

	while (p[0].fd != -1 || p[1].fd != -1) {
		int left = clock_left(deadline);

		if (left == 0 || out->len > SECRET_MAX)
			return false;
		if (poll(p, 2, left) <= 0)
			continue;
		if (p[0].revents != 0 && !collect(out_fd, out, SECRET_MAX))
			p[0].fd = -1;
		if (p[1].revents != 0 && !collect(err_fd, err, 256))
			p[1].fd = -1;
	}
	return true;
}

/* Waits for the child until the deadline, then kills its whole group. Its status, or -1 where it had to be killed. */
static int
reap(pid_t pid, bool in_time, msec deadline)
{
	int status = 0;

	while (in_time && waitpid(pid, &status, WNOHANG) != pid) {
		struct timespec nap = {.tv_nsec = 2000000};

		if (clock_left(deadline) == 0)
			in_time = false;
		else
			(void)nanosleep(&nap, NULL);
	}
	if (in_time)
		return status;
	(void)kill(-pid, SIGKILL);
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	return -1;
}

static int
command_failed(int status, const struct buf *err, const char *what, struct outcome *o)
{
	char why[400];
	size_t n = strcspn(buf_str(err), "\r\n");

	if (status == -1)
		return outcome_set(o, EX_TEMPFAIL, STAGE_SECRET, CAUSE_SECRET_COMMAND, "it did not end before the deadline",
		    "the command for the %s was stopped", what);
	(void)snprintf(why, sizeof(why), "%s %d%s%.*s", WIFSIGNALED(status) ? "signal" : "exit status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), n > 0 ? ", it says: " : "", (int)(n < 256 ? n : 256), buf_str(err));
	return outcome_set(o, EX_CONFIG, STAGE_SECRET, CAUSE_SECRET_COMMAND, why, "the command for the %s failed", what);
}

static int
from_command(struct buf *out, const char *command, const char *what, msec deadline, struct outcome *o)
{
	int out_pipe[2] = {-1, -1}, err_pipe[2] = {-1, -1}, status, r = 0;
	struct buf err = {0};
	pid_t pid = -1;

	if (pipe2(out_pipe, O_CLOEXEC) == 0 && pipe2(err_pipe, O_CLOEXEC) == 0)
		pid = fork();
	if (pid == 0)
		run_command(command, out_pipe[1], err_pipe[1]);
	if (pid == -1)
		r = outcome_set(o, EX_OSERR, STAGE_SECRET, CAUSE_SYSTEM, strerror(errno), "cannot run the command for the %s", what);
	if (out_pipe[1] != -1)
		(void)close(out_pipe[1]);
	if (err_pipe[1] != -1)
		(void)close(err_pipe[1]);
	if (pid != -1) {
		(void)setpgid(pid, pid);
		status = reap(pid, collect_both(out_pipe[0], out, err_pipe[0], &err, deadline), deadline);
		r = status == 0 || out->len > SECRET_MAX ? finish(out, what, "its command", o) : command_failed(status, &err, what, o);
	}
	if (out_pipe[0] != -1)
		(void)close(out_pipe[0]);
	if (err_pipe[0] != -1)
		(void)close(err_pipe[0]);
	buf_wipe(&err);
	return r;
}

int
secret_get(struct buf *out, const struct secret_source *src, const char *what, msec deadline, struct outcome *o)
{
	const char *value = src->kind == SECRET_ENV ? secure_getenv(src->value) : src->value;
	char from[300];

	*out = (struct buf){0};
	switch (src->kind) {
	case SECRET_FILE:
		return from_file(out, value, what, deadline, o);
	case SECRET_COMMAND:
		return from_command(out, value, what, deadline, o);
	case SECRET_TEXT:
		buf_puts(out, value);
		return finish(out, what, "the configuration", o);
	case SECRET_ENV:
		(void)snprintf(from, sizeof(from), "the environment variable %s", src->value);
		if (value == NULL)
			return outcome_set(o, EX_CONFIG, STAGE_SECRET, CAUSE_SECRET_MISSING, "it is not set", "cannot use the %s from %s", what, from);
		buf_puts(out, value);
		return finish(out, what, from, o);
	case SECRET_NONE:
		break;
	}
	return outcome_set(o, EX_CONFIG, STAGE_SECRET, CAUSE_SECRET_MISSING, "none is configured", "there is no %s", what);
}
