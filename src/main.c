/*
 * Where the process is put in order and where it ends: descriptors, signals, mask, core dumps; then run(). The only exit() of the program.
 */
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
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
	p->stdin_closed = fcntl(STDIN_FILENO, F_GETFD) == -1;
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDWR) != fd && open("/", O_RDONLY) != fd)
			exit(EX_OSERR);
	closefrom(3);
}

/*
 * Whatever was inherited is undone, but for an ignored HUP, INT or QUIT: nohup and shells mean it. PIPE and XFSZ are ignored: errors are
 * values here.
 * Real-time signals mean nothing to this program or its children.
 */
static void
settle_signals(void)
{
	struct sigaction normal = {.sa_handler = SIG_DFL}, ignore = {.sa_handler = SIG_IGN}, before;
	sigset_t none;

	(void)sigemptyset(&normal.sa_mask);
	(void)sigemptyset(&ignore.sa_mask);
	for (int sig = 1; sig < 32; sig++) {
		bool value = sig == SIGPIPE || sig == SIGXFSZ;

		if (sig == SIGKILL || sig == SIGSTOP || sigaction(sig, value ? &ignore : &normal, &before) == -1)
			continue;
		if ((sig == SIGHUP || sig == SIGINT || sig == SIGQUIT) && before.sa_handler == SIG_IGN)
			(void)sigaction(sig, &ignore, NULL);
	}
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

int
main(int argc, char **argv)
{
	struct process p = {.privileged = getauxval(AT_SECURE) != 0 || getuid() != geteuid() || getgid() != getegid()};

	settle_descriptors(&p);
	settle_signals();
	(void)umask(077);
	forbid_core();
	exit(run(argc, argv, &p));
}
