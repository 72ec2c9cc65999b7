/*
 * Where the process is put in order and where it ends: descriptors, signals, mask, core dumps; then run(). The only exit() of the program.
 */
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "mem.h"
#include "run.h"

#define MEM_DRAIN 600	/* seconds */

static void
give_up(int sig)
{
	(void)sig;
	_exit(EX_OSERR);
}

void
mem_exhausted(void)
{
	static const char text[] = "sendmail: out of memory; nothing more was sent. Likely cause: a limit on this process or container. "
	    "Remedy: raise it.\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) == -1)
		errno = 0;	/* nobody is there to be told */
	(void)signal(SIGALRM, give_up);
	(void)alarm(MEM_DRAIN);	/* a caller of -bs writes no more until it is answered */
	run_drain();
	exit(EX_OSERR);
}

/*
 * What is opened later must never become descriptor 0, 1 or 2 of a caller that has closed them (CONTRACT section 3). Where there is no /dev/null,
 * in a bare chroot, a directory will do: nothing can be read from it or written to it.
 */
static void
settle_descriptors(struct process *p)
{
	struct pollfd all[3] = {{.fd = 0}, {.fd = 1}, {.fd = 2}};

	if (poll(all, 3, 0) == -1)
		exit(EX_OSERR);
	p->stdin_closed = (all[STDIN_FILENO].revents & POLLNVAL) != 0;
	for (int fd = 0; fd <= 2; fd++)
		if ((all[fd].revents & POLLNVAL) != 0 && open("/dev/null", O_RDWR) != fd && open("/", O_RDONLY) != fd)
			exit(EX_OSERR);
	closefrom(3);
}

/*
 * PIPE and XFSZ are ignored: errors are values here. What a caller may have left ignored and would keep this program from being ended, or from seeing its children end, is
 * undone; not an ignored HUP, INT or QUIT: nohup and shells mean it. The others mean nothing here, ignored or not.
 */
static void
settle_signals(void)
{
	static const int normal[] = {SIGTERM, SIGCHLD};
	struct sigaction action = {.sa_handler = SIG_IGN};
	sigset_t none;

	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(SIGPIPE, &action, NULL);
	(void)sigaction(SIGXFSZ, &action, NULL);
	action.sa_handler = SIG_DFL;
	for (size_t i = 0; i < sizeof(normal) / sizeof(normal[0]); i++)
		(void)sigaction(normal[i], &action, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A password must not end in a core dump. */
static void
forbid_core(void)
{
	struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__) && !defined(SANITIZED)
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* OpenSSL asks for half a MiB, in small pieces: the system is asked for it once. */
static void
settle_memory(void)
{
#ifdef M_TOP_PAD
	(void)mallopt(M_TOP_PAD, 1024 * 1024);
#endif
}

int
main(int argc, char **argv)
{
	struct process p = {.privileged = getauxval(AT_SECURE) != 0 || getauxval(AT_UID) != getauxval(AT_EUID) || getauxval(AT_GID) != getauxval(AT_EGID)};

	settle_descriptors(&p);
	settle_signals();
	(void)umask(077);
	forbid_core();
	settle_memory();
	exit(run(argc, argv, &p));
}
