/*
 * A call that cannot be interrupted. See aside.h.
 *
 * Whoever of the two is last, the thread or the one who waits, frees what they share.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include "mem.h"
#include "aside.h"

#define STACK	(512 * 1024)	/* octets; modules of the resolver keep answers on it */

struct aside {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool done;
	bool abandoned;		/* nobody waits */
	void (*work)(void *);
	void (*release)(void *);
	void *arg;
	pthread_t thread;
};

static struct aside *
aside_new(void (*work)(void *), void (*release)(void *), void *arg)
{
	struct aside *a = mem_alloc(sizeof(*a));
	pthread_condattr_t attr;

	a->work = work;
	a->release = release;
	a->arg = arg;
	(void)pthread_mutex_init(&a->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&a->ended, &attr);
	(void)pthread_condattr_destroy(&attr);
	return a;
}

static void
aside_free(struct aside *a)
{
	(void)pthread_cond_destroy(&a->ended);
	(void)pthread_mutex_destroy(&a->lock);
	free(a);
}

static void *
run(void *arg)
{
	struct aside *a = arg;
	bool abandoned;

	a->work(a->arg);
	(void)pthread_mutex_lock(&a->lock);
	a->done = true;
	abandoned = a->abandoned;
	(void)pthread_cond_signal(&a->ended);
	(void)pthread_mutex_unlock(&a->lock);
	if (abandoned) {
		a->release(a->arg);
		aside_free(a);
	}
	return NULL;
}

/* 0 or an errno. */
static int
start(struct aside *a)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int error;

	(void)sigfillset(&all);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK);
	(void)pthread_sigmask(SIG_BLOCK, &all, &old);
	error = pthread_create(&a->thread, &attr, run, a);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attr);
	return error;
}

/* True once the thread is done; false: the deadline has passed, and a is the thread's alone. */
static bool
wait_for(struct aside *a, msec deadline)
{
	struct timespec until = {.tv_sec = (time_t)(deadline / 1000), .tv_nsec = (long)(deadline % 1000) * 1000000};
	int error = 0;
	bool done;

	(void)pthread_mutex_lock(&a->lock);
	while (!a->done && error == 0)
		error = pthread_cond_timedwait(&a->ended, &a->lock, &until);
	done = a->done;
	a->abandoned = !done;
	(void)pthread_mutex_unlock(&a->lock);
	return done;
}

struct aside *
aside_begin(void (*work)(void *), void (*release)(void *), void *arg)
{
	struct aside *a = aside_new(work, release, arg);
	int error = start(a);

	if (error == 0)
		return a;
	aside_free(a);
	errno = error;
	return NULL;
}

int
aside_end(struct aside *a, msec deadline)
{
	pthread_t thread = a->thread;	/* once it is left behind, it may be gone at any time */

	if (!wait_for(a, deadline)) {
		(void)pthread_detach(thread);
		return 0;
	}
	(void)pthread_join(thread, NULL);
	aside_free(a);
	return 1;
}

int
aside_run(void (*work)(void *), void (*release)(void *), void *arg, msec deadline)
{
	struct aside *a = aside_begin(work, release, arg);

	return a == NULL ? -1 : aside_end(a, deadline);
}
