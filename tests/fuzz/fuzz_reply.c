/*
 * Any octets as all that a smarthost says in a session, in clear. The first octet chooses what there is to send. Whatever is said, a recipient counts as done
 * exactly if the dialogue that was traced says so: MAIL, RCPT and the end of the message were each answered 2xx in one transaction.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "loopback.h"
#include "mem.h"
#include "smtp/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The smarthost: says the octets to whoever comes, ends its side, and reads to the end. */
struct speaker {
	int listener;
	uint16_t port;
	const uint8_t *data;
	size_t size;
	sem_t gone;
};

/* The dialogue as the trace has it: which answers are due, and what they have come to. */
struct model {
	struct { char what; size_t rcpt; } due[4096];
	size_t asked, answered;
	bool mail;
	bool taken[64], done[64];
	char code[4];		/* of the reply that is being read; "": none is */
	unsigned lines;
};

static void *
speak(void *arg)
{
	struct speaker *s = arg;
	char block[4096];
	int fd;

	while ((fd = accept(s->listener, NULL, NULL)) != -1) {
		size_t done = 0;
		ssize_t n = 1;

		while (done < s->size && n > 0)
			if ((n = send(fd, s->data + done, s->size - done, MSG_NOSIGNAL)) > 0)
				done += (size_t)n;
		(void)shutdown(fd, SHUT_WR);
		while (recv(fd, block, sizeof(block), 0) > 0)
			;
		(void)close(fd);
		(void)sem_post(&s->gone);
	}
	return NULL;
}

static struct speaker *
speaker(void)
{
	static struct speaker s;

	if (s.port != 0)
		return &s;
	must(sem_init(&s.gone, 0, 0) == 0, "a semaphore");
	s.port = serve_loopback(&s.listener, speak, &s);
	return &s;
}

static void
ask(struct model *m, const char *line)
{
	must(m->asked < sizeof(m->due) / sizeof(m->due[0]), "few commands");
	m->due[m->asked].what = *line;
	m->due[m->asked++].rcpt = strncmp(line, "RCPT TO:<r", 10) == 0 ? strtoul(line + 10, NULL, 10) : 0;
}

static void
take_answer(struct model *m, bool yes)
{
	size_t i = m->answered;

	must(i < m->asked, "an answer to a command");
	m->answered++;
	if (m->due[i].what == 'M') {
		m->mail = yes;
		memset(m->taken, 0, sizeof(m->taken));
	} else if (m->due[i].what == 'R')
		m->taken[m->due[i].rcpt] = yes && m->mail;
	else if (m->due[i].what == 'B' || m->due[i].what == '!')
		for (size_t k = 0; k < 64; k++)
			m->done[k] = m->done[k] || (yes && m->taken[k]);
}

/* A line of a reply. False: it is none, and nothing after it counts. */
static bool
hear(struct model *m, const char *line)
{
	if (strspn(line, "0123456789") < 3 || *line < '2' || *line > '5' || (line[3] != '\0' && line[3] != ' ' && line[3] != '-'))
		return false;
	if ((m->code[0] != '\0' && strncmp(m->code, line, 3) != 0) || m->lines++ == REPLY_LINES_MAX)
		return false;
	memcpy(m->code, line, 3);
	if (line[3] == '-')
		return true;
	take_answer(m, *line == '2');
	m->code[0] = '\0';
	m->lines = 0;
	return true;
}

/* One line of the trace, from "C: ", "S: " or "*  " on. The greeting answers what nobody asked. */
static void
follow(struct model *m, const char *line, bool *usual)
{
	if (strncmp(line, "C: ", 3) == 0)
		ask(m, line + 3);
	else if (strncmp(line, "*  the message,", 15) == 0 && m->due[m->asked - 1].what != 'B')
		ask(m, "!");
	else if (strncmp(line, "S: ", 3) == 0 && *usual)
		*usual = hear(m, line + 3);
}

static void
check(const struct envelope *e, int fd)
{
	struct model *m = mem_alloc(sizeof(*m));
	char *text = mem_alloc(1 << 20), *rest = text, *line;
	bool usual = true;
	ssize_t n = pread(fd, text, (1 << 20) - 1, 0);

	must(n >= 0, "a trace");
	ask(m, "greeting");
	while ((line = strsep(&rest, "\n")) != NULL)
		if (strlen(line) > 16)
			follow(m, line + 16, &usual);
	for (size_t i = 0; i < e->count; i++)
		must((e->rcpt[i].state == RCPT_DONE) == m->done[i], "done is who was taken");
	free(text);
	free(m);
}

static void
make(struct envelope *e, struct message *m, uint8_t how)
{
	struct outcome o;

	*e = (struct envelope){.sender = mem_dup("a@x.org"), .count = 1 + how % 16};
	e->rcpt = mem_alloc(e->count * sizeof(*e->rcpt));
	for (size_t i = 0; i < e->count; i++)
		e->rcpt[i].path = mem_printf("r%zu@x.org", i);
	e->utf8 = (how & 16) != 0;
	e->notify = (how & 32) != 0 ? DSN_FAILURE : 0;
	memset(m, 0, sizeof(*m));
	header_parse(&m->header, "Subject: x\r\n", 12);
	store_init(&m->body, NULL);
	must(store_add(&m->body, ".\r\nhello\r\n", 10, &o) == 0, "a body");
	m->longest = 5;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct client client;
	static char address[] = "127.0.0.1", user[] = "user", password[] = "secret";
	static int fd = -1;
	struct speaker *s = speaker();
	struct smarthost host = {.host = address, .port = s->port, .tls = TLS_MODE_NONE};
	struct outcome o = {0};
	struct envelope e;
	struct message m;
	struct trace trace;

	if (size == 0)
		return 0;
	if (fd == -1)
		fd = memfd_create("trace", MFD_CLOEXEC);
	must(fd != -1 && ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0, "a file for the trace");
	if ((*data & 128) != 0) {
		host.user = user;
		host.password = (struct secret_source){.kind = SECRET_TEXT, .value = password};
	}
	s->data = data + 1;
	s->size = size - 1;
	make(&e, &m, *data);
	trace_init(&trace, fd, NULL);
	if (client_open(&client, &host, false, "c.example.com", clock_now() + 10000, &trace, &o) == 0) {
		client.last = (*data & 64) != 0;
		must(client_send(&client, &e, &m, &o) == 0 || (o.status != 0 && o.what[0] != '\0'), "a failure has a status and words");
		must(envelope_count(&e, RCPT_TAKEN) == 0, "nobody is left between");
		client_close(&client);
	}
	must(o.cause != CAUSE_TIMEOUT && o.cause != CAUSE_BUG, "no wait, no bug");
	while (sem_wait(&s->gone) == -1)
		;	/* the fuzzer's own timer interrupts it */
	check(&e, fd);
	envelope_free(&e);
	message_free(&m);
	return 0;
}
