/*
 * The scriptable smarthost: listening, a child for each connection, the end.
 *
 * It always ends: with its time, a signal, its parent or the end of a
 * descriptor, as the options say; and its children with it.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "smarthost.h"

#define CHILDREN_MAX	512
#define BACKLOG		128

struct host {
	struct options	 opt;
	SSL_CTX		*ctx;
	struct tally	*tally;
	pid_t		 child[CHILDREN_MAX];
	size_t		 nchildren;
	unsigned	 connections;
	int		 signals;	/* signalfd: CHLD, TERM, INT, HUP */
	sigset_t	 before;	/* the mask that children have */
	int64_t		 end;		/* monotonic milliseconds */
	bool		 over;
};

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int
listen_on(const struct addrinfo *ai, int backlog)
{
	int fd, on = 1;

	fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    ai->ai_protocol);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 ||
	    listen(fd, backlog) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A connection of our own takes the one place of the queue; Linux then drops
 * the SYN of any other. */
static bool
fill_hole(struct listener *l, const struct sockaddr *sa, socklen_t len)
{
	l->filler = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return l->filler >= 0 && connect(l->filler, sa, len) == 0;
}

/* Opens the listener; its port, chosen by the system where it was 0, is then
 * in l->port. */
static bool
open_listener(struct listener *l)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICHOST |
	    AI_NUMERICSERV, .ai_socktype = SOCK_STREAM }, *ai;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int e;

	if ((e = getaddrinfo(l->host, l->port, &hints, &ai)) != 0) {
		fprintf(stderr, "smarthost: %s: %s\n", l->host, gai_strerror(e));
		return false;
	}
	l->fd = listen_on(ai, l->hole ? 0 : BACKLOG);
	freeaddrinfo(ai);
	if (l->fd < 0 || getsockname(l->fd, (struct sockaddr *)&ss, &len) < 0) {
		fprintf(stderr, "smarthost: %s:%s: %s\n", l->host, l->port,
		    strerror(errno));
		return false;
	}
	if (l->hole && !fill_hole(l, (struct sockaddr *)&ss, len))
		return false;
	return getnameinfo((struct sockaddr *)&ss, len, NULL, 0, l->port,
	    sizeof(l->port), NI_NUMERICSERV | NI_NUMERICHOST) == 0;
}

/* Written aside and renamed: what exists is complete. */
static bool
write_file(const struct options *opt, const char *name, const char *text)
{
	char path[PATH_MAX], aside[PATH_MAX];
	FILE *fp;

	snprintf(path, sizeof(path), "%s/%s", opt->dir, name);
	snprintf(aside, sizeof(aside), "%s/.%s.new", opt->dir, name);
	if ((fp = fopen(aside, "w")) == NULL || fputs(text, fp) == EOF ||
	    fclose(fp) == EOF || rename(aside, path) < 0) {
		perror(path);
		return false;
	}
	return true;
}

static bool
announce(const struct options *opt)
{
	char ports[LISTEN_MAX * 8 + 1] = "", pid[32];
	size_t i;

	for (i = 0; i < opt->nlisten; i++) {
		strlcat(ports, opt->listen[i].port, sizeof(ports));
		strlcat(ports, "\n", sizeof(ports));
	}
	snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	return write_file(opt, "pid", pid) && write_file(opt, "port", ports);
}

/* Files of an earlier run in the same directory would be mistaken for ours. */
static bool
clear_dir(const struct options *opt)
{
	static const char *const names[] = { "port", "pid", "dialogue",
	    "violations", "auth" };
	char path[PATH_MAX];
	unsigned n;
	size_t i;

	if (mkdir(opt->dir, 0755) < 0 && errno != EEXIST) {
		perror(opt->dir);
		return false;
	}
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", opt->dir, names[i]);
		unlink(path);
	}
	for (n = 1, i = 0; i == 0; n++) {
		snprintf(path, sizeof(path), "%s/%u.msg", opt->dir, n);
		unlink(path);
		snprintf(path, sizeof(path), "%s/%u.env", opt->dir, n);
		i = unlink(path) < 0;
	}
	return write_file(opt, "dialogue", "") &&
	    write_file(opt, "violations", "") && write_file(opt, "auth", "");
}

static void
peer_event(const struct conn *c, const struct sockaddr_storage *ss,
    socklen_t len)
{
	char host[64] = "?", port[8] = "?";

	getnameinfo((const struct sockaddr *)ss, len, host, sizeof(host), port,
	    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	record_event(c, '#', "connection from %s port %s", host, port);
}

static void
run_child(struct host *h, const struct listener *l, int fd, pid_t parent,
    const struct sockaddr_storage *ss, socklen_t len)
{
	struct conn *c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	sigprocmask(SIG_SETMASK, &h->before, NULL);
	if ((c = calloc(1, sizeof(*c))) == NULL)
		abort();
	c->opt = &h->opt;
	c->tally = h->tally;
	c->ctx = h->ctx;
	c->id = h->connections;
	c->fd = fd;
	c->tls = l->tls;
	peer_event(c, ss, len);
	session_run(c);
	SSL_free(c->ssl);
	free(c);
	_exit(0);
}

static void
stop_listening(struct host *h)
{
	size_t i;

	for (i = 0; i < h->opt.nlisten; i++) {
		if (h->opt.listen[i].fd >= 0)
			close(h->opt.listen[i].fd);
		h->opt.listen[i].fd = -1;
	}
}

static void
take_connection(struct host *h, const struct listener *l)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	pid_t parent = getpid(), pid;
	int fd, on = 1;

	if (h->nchildren == CHILDREN_MAX)
		return;
	fd = accept4(l->fd, (struct sockaddr *)&ss, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	h->connections++;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if ((pid = fork()) == 0)
		run_child(h, l, fd, parent, &ss, len);
	if (pid > 0)
		h->child[h->nchildren++] = pid;
	close(fd);
	if (h->opt.max_connections == h->connections)
		stop_listening(h);
}

static void
reap(struct host *h)
{
	pid_t pid;
	size_t i;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		for (i = 0; i < h->nchildren; i++) {
			if (h->child[i] == pid) {
				h->child[i] = h->child[--h->nchildren];
				break;
			}
		}
	}
	if (h->nchildren == 0 && h->opt.max_connections > 0 &&
	    h->connections >= h->opt.max_connections)
		h->over = true;
}

static void
take_signal(struct host *h)
{
	struct signalfd_siginfo info;

	while (read(h->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap(h);
		else
			h->over = true;
	}
}

/* Whether nothing more can come; what came is dropped. */
static bool
at_eof(int fd)
{
	char buf[256];
	ssize_t n;

	n = read(fd, buf, sizeof(buf));
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void
serve(struct host *h)
{
	struct pollfd pfd[LISTEN_MAX + 2];
	size_t i, n = h->opt.nlisten;
	int64_t left;

	while (!h->over && (left = h->end - now_ms()) > 0) {
		for (i = 0; i < n; i++)
			pfd[i] = (struct pollfd){ .events = POLLIN,
			    .fd = h->opt.listen[i].hole ? -1 :
			    h->opt.listen[i].fd };
		pfd[n] = (struct pollfd){ .fd = h->signals, .events = POLLIN };
		pfd[n + 1] = (struct pollfd){ .fd = h->opt.until_eof,
		    .events = POLLIN };
		if (poll(pfd, n + 2, (int)left) < 0)
			continue;
		for (i = 0; i < n; i++) {
			if (pfd[i].revents != 0)
				take_connection(h, &h->opt.listen[i]);
		}
		if (pfd[n].revents != 0)
			take_signal(h);
		if (pfd[n + 1].revents != 0 && at_eof(h->opt.until_eof))
			h->over = true;
	}
	stop_listening(h);
}

static void
end_children(struct host *h)
{
	size_t i;

	for (i = 0; i < h->nchildren; i++)
		kill(h->child[i], SIGTERM);
	for (i = 0; i < h->nchildren; i++)
		waitpid(h->child[i], NULL, 0);
}

/* Signals arrive as data from now on, in this process alone. */
static bool
catch_signals(struct host *h)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigemptyset(&h->before);
	h->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return h->signals >= 0;
}

/* Leaves the caller's terminal and pipes alone.  *ready gets the descriptor
 * through which the caller's process learns that we listen.  True in the
 * caller's process, which has nothing more to do then. */
static bool
go_to_background(int *ready, int *status)
{
	int fd[2], null;
	char ok = 0;
	pid_t pid;

	*status = 71;
	if (pipe(fd) < 0 || (pid = fork()) < 0)
		return true;
	if (pid > 0) {
		close(fd[1]);
		*status = read(fd[0], &ok, 1) == 1 ? 0 : 71;
		return true;
	}
	*status = 0;
	close(fd[0]);
	setsid();
	*ready = fd[1];
	if ((null = open("/dev/null", O_RDWR)) >= 0) {
		dup2(null, STDOUT_FILENO);
		close(null);
	}
	return false;
}

static void
tell_ready(int ready)
{
	int null;

	if (ready < 0)
		return;
	if ((null = open("/dev/null", O_RDWR)) >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
	if (write(ready, "", 1) == 1)
		close(ready);
}

static int
run(struct host *h, int ready)
{
	char pid[PATH_MAX];
	size_t i;

	for (i = 0; i < h->opt.nlisten; i++)
		h->opt.listen[i].fd = -1;
	if (!clear_dir(&h->opt) || !certs_make(h->opt.certs) ||
	    (h->ctx = tls_context(&h->opt)) == NULL || !catch_signals(h))
		return 71;
	h->tally = mmap(NULL, sizeof(*h->tally), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (h->tally == MAP_FAILED)
		return 71;
	for (i = 0; i < h->opt.nlisten; i++) {
		if (!open_listener(&h->opt.listen[i]))
			return 71;
	}
	h->end = now_ms() + (int64_t)h->opt.lifetime * 1000;
	if (!announce(&h->opt))
		return 71;
	tell_ready(ready);
	serve(h);
	end_children(h);
	snprintf(pid, sizeof(pid), "%s/pid", h->opt.dir);
	unlink(pid);
	munmap(h->tally, sizeof(*h->tally));
	return 0;
}

int
main(int argc, char **argv)
{
	static struct host h;
	pid_t parent = getppid();
	int ready = -1, status;

	status = options_read(&h.opt, argc, argv);
	if (status == 0 && h.opt.background &&
	    go_to_background(&ready, &status)) {
		options_free(&h.opt);
		return status;
	}
	if (status == 0 && h.opt.die_with_parent) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			status = 71;
	}
	if (status == 0)
		status = run(&h, ready);
	SSL_CTX_free(h.ctx);
	options_free(&h.opt);
	return status < 0 ? 0 : status;
}
