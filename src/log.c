/*
 * One line a run, to syslog, a file or standard error. See log.h.
 */
#include <sys/time.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>
#include "clock.h"
#include "json.h"
#include "log.h"
#include "printable.h"
#include "put.h"

#define LOG_VALUE_MAX	512	/* octets of a value */
#define TROUBLES	3
#define LOG_WAIT	2000	/* milliseconds that standard error may stand still */
#define LOG_LINE_MAX	8192	/* octets of a line, so that it is written whole by one write(2) */

/* The log handle, the one global of the program. */
static struct {
	enum log_kind kind;
	bool json;
	bool detached;
	const char *file;
	char tag[33];
	char caller[64];
	bool asked;		/* for the caller's name */
	char error[300];
	struct { const char *what; char why[100]; } trouble[TROUBLES];	/* of the log, and of other traces */
} handle;

void
log_open(enum log_kind kind, const char *file, const char *tag)
{
	size_t n = 0;

	if (tag == NULL || *tag == '\0')
		tag = "sendmail";
	handle.kind = kind;
	handle.json = handle.detached = handle.asked = false;
	handle.file = file;
	handle.error[0] = '\0';
	memset(handle.trouble, 0, sizeof(handle.trouble));
	/* The tag comes from a flag: nothing in it may look like the process id, or like the end of the tag. */
	for (; tag[n] != '\0' && n < sizeof(handle.tag) - 1; n++)
		handle.tag[n] = isalnum((unsigned char)tag[n]) || strchr("._/-", tag[n]) != NULL ? tag[n] : '_';
	handle.tag[n] = '\0';
}

const char *
log_caller(void)
{
	char path[40];
	ssize_t n;
	int fd;

	if (!handle.asked) {
		handle.asked = true;
		(void)snprintf(path, sizeof(path), "/proc/%ld/comm", (long)getppid());
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd == -1 ? 0 : read(fd, handle.caller, sizeof(handle.caller) - 1);
		if (fd != -1)
			(void)close(fd);
		handle.caller[n > 0 ? n : 0] = '\0';
		handle.caller[strcspn(handle.caller, "\n")] = '\0';
	}
	return handle.detached || handle.caller[0] == '\0' ? NULL : handle.caller;
}

void
log_as_json(bool json)
{
	handle.json = json;
}

void
log_detach(void)
{
	handle.detached = true;
	if (handle.kind == LOG_TO_STDERR)
		handle.kind = LOG_TO_SYSLOG;
}

/* What would not fit is left out, so that the line stays one object. */
static bool
is_full(const struct buf *line)
{
	return line->len > LOG_LINE_MAX - 2 * LOG_VALUE_MAX;
}

static void
begin_object(struct buf *line)
{
	if (line->len == 0)
		buf_putc(line, '{');
}

void
log_field(struct buf *line, const char *key, const char *value)
{
	size_t n = strlen(value);
	bool quote = n == 0 || strpbrk(value, " \"=\\") != NULL;

	if (handle.json) {
		begin_object(line);
		if (!is_full(line))
			json_outside(line, key, value, LOG_VALUE_MAX);
		return;
	}
	for (size_t i = 0; i < n && !quote; i++)
		quote = value[i] < 0x21 || value[i] > 0x7e;
	buf_printf(line, "%s%s=%s", line->len == 0 ? "" : " ", key, quote ? "\"" : "");
	printable_quoted(line, value, n, LOG_VALUE_MAX);
	if (quote)
		buf_putc(line, '"');
}

void
log_number(struct buf *line, const char *key, long long value)
{
	if (!handle.json)
		buf_printf(line, "%s%s=%lld", line->len == 0 ? "" : " ", key, value);
	else {
		begin_object(line);
		if (!is_full(line))
			json_number(line, key, value);
	}
}

static void
interrupted(int sig)
{
	(void)sig;	/* its only purpose is EINTR */
}

/* syslog(3) waits for ever on a logger that stands still, so a timer breaks its wait, and once more when it tries again. */
static void
to_syslog(int priority, const char *text)
{
	struct sigaction act = {.sa_handler = interrupted}, before;
	struct itimerval second = {{0, 500000}, {1, 0}}, off = {{0, 0}, {0, 0}};

	if (access(_PATH_LOG, F_OK) == -1 && errno == ENOENT)
		return;		/* there is no logger, as in most containers */
	(void)sigemptyset(&act.sa_mask);
	(void)sigaction(SIGALRM, &act, &before);
	(void)setitimer(ITIMER_REAL, &second, NULL);
	openlog(handle.tag, LOG_PID, LOG_MAIL);
	syslog(priority, "%.*s", LOG_LINE_MAX, text);
	closelog();
	(void)setitimer(ITIMER_REAL, &off, NULL);
	(void)sigaction(SIGALRM, &before, NULL);
}

/* "2026-11-22T03:14:15+0000 tag[pid]: " and the line, or both as one object, to a file in one write. */
static void
to_fd(int fd, const struct buf *line)
{
	struct buf b = {0};
	char stamp[40];
	ssize_t n;

	clock_stamp(stamp, sizeof(stamp));
	if (handle.json)
		buf_printf(&b, "{\"time\":\"%s\",\"tag\":\"%s\",\"pid\":%ld,%.*s\n", stamp, handle.tag, (long)getpid(), LOG_LINE_MAX, line->data + 1);
	else
		buf_printf(&b, "%s %s[%ld]: %.*s\n", stamp, handle.tag, (long)getpid(), LOG_LINE_MAX, line->data);
	if (handle.kind == LOG_TO_STDERR)
		n = put(fd, b.data, b.len, LOG_WAIT) == -1 ? -1 : (ssize_t)b.len;
	else
		do
			n = write(fd, b.data, b.len);
		while (n == -1 && errno == EINTR);
	if (n != (ssize_t)b.len)
		log_remember("the log", handle.kind == LOG_TO_FILE ? handle.file : "to standard error", n == -1 ? strerror(errno) : "no room for a whole line");
	buf_free(&b);
}

static void
to_file(const struct buf *line)
{
	int fd = open(handle.file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);

	if (fd == -1) {
		log_remember("the log", handle.file, strerror(errno));
		return;
	}
	to_fd(fd, line);
	(void)close(fd);
}

void
log_write(int priority, struct buf *line)
{
	if (handle.json)
		buf_putc(line, '}');
	switch (handle.kind) {
	case LOG_TO_SYSLOG:
		to_syslog(priority, line->data);
		break;
	case LOG_TO_FILE:
		to_file(line);
		break;
	case LOG_TO_STDERR:
		to_fd(STDERR_FILENO, line);
		break;
	}
}

const char *
log_where(void)
{
	return handle.kind == LOG_TO_FILE ? handle.file : handle.kind == LOG_TO_STDERR ? "standard error" : "syslog, facility mail";
}

const char *
log_lost(void)
{
	return handle.kind != LOG_TO_SYSLOG || access(_PATH_LOG, W_OK) == 0 ? NULL : strerror(errno);
}

void
log_remember(const char *what, const char *where, const char *why)
{
	for (size_t i = 0; i < TROUBLES; i++)
		if (handle.trouble[i].what == NULL || strcmp(handle.trouble[i].what, what) == 0) {
			handle.trouble[i].what = what;
			(void)strlcpy(handle.trouble[i].why, why, sizeof(handle.trouble[i].why));
			break;
		}
	if (handle.error[0] == '\0')
		(void)snprintf(handle.error, sizeof(handle.error), "cannot write %s %s: %s", what, where, why);
}

const char *
log_trouble(const char *what)
{
	for (size_t i = 0; i < TROUBLES; i++)
		if (handle.trouble[i].what != NULL && strcmp(handle.trouble[i].what, what) == 0)
			return handle.trouble[i].why;
	return NULL;
}

const char *
log_error(void)
{
	return handle.error[0] == '\0' ? NULL : handle.error;
}
