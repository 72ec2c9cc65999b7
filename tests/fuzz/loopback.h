/*
 * A smarthost in the process, for fuzz targets: a listener on loopback with a thread of its own.
 */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "must.h"

/* Listens, and starts speak(arg), which accepts on *listener for as long as the process lives. The port. */
static uint16_t
serve_loopback(int *listener, void *(*speak)(void *), void *arg)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	pthread_t thread;
	sigset_t all, before;

	*listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(*listener != -1 && bind(*listener, (struct sockaddr *)&sin, len) == 0 && listen(*listener, 8) == 0 &&
	    getsockname(*listener, (struct sockaddr *)&sin, &len) == 0, "a listener");
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &before);
	must(pthread_create(&thread, NULL, speak, arg) == 0 && pthread_detach(thread) == 0, "a thread");
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ntohs(sin.sin_port);
}

#endif
