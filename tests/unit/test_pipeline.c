/*
 * Several messages in flight: whatever the smarthost says, refuses, leaves out or breaks off, each message is told what became of it and of no other. The smarthost notes
 * who got what from whom, and that is compared with what came out of the pipeline.
 */
#include <fcntl.h>
#include "smtp/pipeline.h"
#include "smtp_peer.h"

#define TEXT	"Subject: x\n\nhello\n.\n..x\n"
#define PLENTY	30000	/* milliseconds that a message may take where nobody is to wait for it */

static const char chunking[] = "250-hi\r\n250-PIPELINING\r\n250 CHUNKING", pipelining[] = "250-hi\r\n250 PIPELINING";
static const char *const dialects[] = {chunking, pipelining};

/* One message, and what came of it. */
struct letter {
	struct envelope e;
	struct message m;
	bool out;
	int status;
	bool again;
	struct outcome o;
	char reply[256];
};

struct mail {
	struct peer peer;
	struct smarthost host;
	struct client client;
	struct pipeline pipeline;
	struct letter *letter;
	size_t n;
	size_t came;		/* in this order */
	msec allowed;
	bool narrow;		/* little of it is kept on its way */
	struct outcome o;
};

/* ---- messages ---- */

/*
 * A letter for each character of kinds: 'o' to one, 't' to two, 'm' from one whose mail is refused, 'b' to a bad one and a good one, 'g' the same the other way round, 'a' to
 * bad ones alone, 'd' refused at its end, '3' to three. Its number is in all of its addresses.
 */
static void
write_letter(struct letter *l, char kind, size_t i)
{
	const char *name = kind == 'm' ? "no" : kind == 'd' ? "dot" : "s";
	char sender[60], list[200];

	(void)snprintf(sender, sizeof(sender), "%s%zu@x.org", name, i);
	(void)snprintf(list, sizeof(list), kind == 't' ? "r%zu@x.org,q%zu@x.org" : kind == 'b' ? "bad%zu@x.org,r%zu@x.org" : kind == 'g' ? "r%zu@x.org,bad%zu@x.org" :
	    kind == 'a' ? "bad%zu@x.org,bad%zu@y.org" : kind == '3' ? "r%zu@x.org,q%zu@x.org,p%zu@x.org" : "r%zu@x.org", i, i, i);
	envelope_of(&l->e, sender, list);
	message_of(&l->m, TEXT, sizeof(TEXT) - 1);
}

static struct mail *
new_mail(const char *ehlo, const char *kinds)
{
	struct mail *w = mem_alloc(sizeof(*w));

	w->peer.ehlo = ehlo;
	w->peer.strict = true;
	w->allowed = PLENTY;
	w->n = strlen(kinds);
	w->letter = mem_alloc(w->n * sizeof(*w->letter));
	for (size_t i = 0; i < w->n; i++)
		write_letter(&w->letter[i], kinds[i], i);
	return w;
}

static struct mail *
new_letters(const char *ehlo, size_t n)
{
	char *kinds = mem_alloc(n + 1);
	struct mail *w;

	memset(kinds, 'o', n);
	w = new_mail(ehlo, kinds);
	free(kinds);
	return w;
}

static void
add_rule(struct mail *w, const char *on, unsigned nth, const char *say, enum then then)
{
	size_t i = 0;

	while (w->peer.rule[i].on != NULL)
		i++;
	w->peer.rule[i] = (struct rule){.on = on, .nth = nth, .say = say, .then = then};
}

static void
add_refusals(struct mail *w)
{
	add_rule(w, "MAIL FROM:<no", 0, "550 5.7.1 not you", GO_ON);
	add_rule(w, "RCPT TO:<bad", 0, "550 5.1.1 no such user", GO_ON);
	add_rule(w, "END <dot", 0, "552 5.3.4 too large", GO_ON);
}

static void
free_mail(struct mail *w)
{
	peer_free(&w->peer);
	for (size_t i = 0; i < w->n; i++) {
		envelope_free(&w->letter[i].e);
		message_free(&w->letter[i].m);
	}
	free(w->letter);
	free(w);
}

/* ---- the way through the pipeline, as a run of the queue goes it ---- */

static bool
take_out(struct mail *w)
{
	const struct pipelined *x = pipeline_get(&w->pipeline);
	struct letter *l;

	if (x == NULL)
		return false;
	l = x->owner;
	assert_ptr_equal(l, &w->letter[w->came]);	/* in their order */
	assert_false(l->out);
	w->came++;
	l->out = true;
	l->status = x->status;
	l->again = x->again;
	l->o = x->o;
	(void)strlcpy(l->reply, x->reply, sizeof(l->reply));
	return true;
}

static void
put_in(struct mail *w, size_t i)
{
	struct letter *l = &w->letter[i];

	pipeline_put(&w->pipeline, &l->e, &l->m, w->allowed, l);
	if (!pipeline_is_full(&w->pipeline))
		return;
	for (size_t half = w->pipeline.count / 2; w->pipeline.count > half; )
		assert_true(take_out(w));
}

/* Sends them all over one connection; those that it is too late for come out as those which have to be sent again. */
static void
send_all(struct mail *w)
{
	static char address[] = "127.0.0.1";
	int small = 16384;
	size_t i = 0;

	peer_start(&w->peer);
	w->host = (struct smarthost){.host = address, .port = w->peer.port, .tls = TLS_MODE_NONE};
	if (client_open(&w->client, &w->host, true, "c.example.com", clock_now() + PATIENCE, NULL, &w->o) == 0) {
		for (int k = 0; w->narrow && k < 4; k++)
			(void)setsockopt(k < 2 ? w->client.stream.fd : w->peer.fd, SOL_SOCKET, k % 2 == 0 ? SO_SNDBUF : SO_RCVBUF, &small, sizeof(small));
		pipeline_begin(&w->pipeline, &w->client);
		for (; i < w->n && pipeline_takes(&w->pipeline, &w->letter[i].e, &w->letter[i].m); i++)
			put_in(w, i);
		while (take_out(w))
			;
		assert_int_equal(w->came, i);
		assert_true(i == w->n || w->pipeline.broken || (w->pipeline.stubborn && w->pipeline.reset));
		pipeline_end(&w->pipeline);
		client_close(&w->client);
	}
	for (; i < w->n; i++) {
		w->letter[i].status = -1;
		w->letter[i].again = true;
	}
	peer_stop(&w->peer);
}

/* ---- what must be so ---- */

static bool
was_taken(const struct mail *w, const struct letter *l, size_t r)
{
	char pair[300];

	(void)snprintf(pair, sizeof(pair), "%s %s\n", l->e.sender, l->e.rcpt[r].path);
	return strstr(buf_str(&w->peer.pairs), pair) != NULL;
}

static int
number_in(const char *address)
{
	return atoi(address + strcspn(address, "0123456789"));
}

/* Each went with its own sender, and once. */
static void
assert_pairs(const struct mail *w)
{
	size_t lines = 0, known = 0;

	for (const char *at = buf_str(&w->peer.pairs); *at != '\0'; at += strcspn(at, "\n") + 1, lines++)
		if (number_in(at) != number_in(strchr(at, ' ')))
			fail_msg("wrong envelope: %s", at);
	for (size_t i = 0; i < w->n; i++)
		for (size_t r = 0; r < w->letter[i].e.count; r++)
			known += was_taken(w, &w->letter[i], r);
	assert_int_equal(lines, known);
}

/*
 * What came out agrees with what the smarthost has done: nobody is told to have got it who has not, nobody is refused for good who was not; with exact, nobody who has got it
 * is tried again. Of at most one it is not known what became of it; all behind it are to be sent again.
 */
static void
assert_truth(const struct mail *w, const char *what, bool exact)
{
	size_t unknown = 0;

	assert_pairs(w);
	for (size_t i = 0; i < w->n; i++) {
		const struct letter *l = &w->letter[i];

		unknown += l->status == -1 && !l->again && l->o.code == 0;
		for (size_t r = 0; r < l->e.count; r++) {
			const struct recipient *to = &l->e.rcpt[r];
			bool got = was_taken(w, l, r);

			assert_int_not_equal(to->state, RCPT_TAKEN);
			if (to->state == RCPT_DONE && (!got || l->status != 0))
				fail_msg("%s: <%s> is told to have got it, and has not", what, to->path);
			if (exact && got && to->state != RCPT_DONE)
				fail_msg("%s: <%s> has got it, and is told %s (%s)", what, to->path, l->again ? "again" : "otherwise", w->peer.ehlo);
			if (to->state == RCPT_FAILED && !outcome_temporary(to->fate) && strncmp(to->path, "bad", 3) != 0)
				fail_msg("%s: <%s> is refused, and was not: %s", what, to->path, to->fate->why);
		}
		if (l->status == -1 && !l->again && !outcome_temporary(&l->o) && strncmp(l->e.sender, "no", 2) != 0 && strncmp(l->e.sender, "dot", 3) != 0)
			fail_msg("%s: <%s> has failed for good: %s: %s", what, l->e.sender, l->o.what, l->o.why);
	}
	if (unknown > 1)
		fail_msg("%s: of %zu it is not known what became of them", what, unknown);
}

/* Nobody is told to have got it who has not; with exact, all others have not got it. */
static void
assert_done(const struct mail *w, const char *what, bool exact)
{
	assert_pairs(w);
	for (size_t i = 0; i < w->n; i++)
		for (size_t r = 0; r < w->letter[i].e.count; r++) {
			bool done = w->letter[i].e.rcpt[r].state == RCPT_DONE, got = was_taken(w, &w->letter[i], r);

			if ((done && !got) || (exact && got && !done))
				fail_msg("%s: <%s> is told %s (%s)", what, w->letter[i].e.rcpt[r].path, done ? "to have got it" : "not to", w->peer.ehlo);
		}
}

/* It is nobody's fault: who was not refused is neither told so nor failed for good. */
static void
assert_blameless(const struct mail *w, const char *what)
{
	assert_pairs(w);
	for (size_t i = 0; i < w->n; i++) {
		const struct letter *l = &w->letter[i];

		if (l->status == -1 && !l->again && !outcome_temporary(&l->o))
			fail_msg("%s: <%s> has failed for good: %s: %s (%s)", what, l->e.sender, l->o.what, l->o.why, w->peer.ehlo);
		for (size_t r = 0; r < l->e.count; r++)
			if (l->e.rcpt[r].state == RCPT_FAILED && strncmp(l->e.rcpt[r].path, "bad", 3) != 0)
				fail_msg("%s: <%s> is refused, and was not", what, l->e.rcpt[r].path);
	}
}

static size_t
count_done(const struct mail *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++)
		n += w->letter[i].status == 0 && envelope_count(&w->letter[i].e, RCPT_DONE) == w->letter[i].e.count;
	return n;
}

/* What came of each: "D" all have got it, the fates where some have not, "A" again, else the status. */
static const char *
came_of(const struct mail *w)
{
	static char text[400];

	text[0] = '\0';
	for (size_t i = 0; i < w->n; i++) {
		const struct letter *l = &w->letter[i];
		char word[300];

		(void)snprintf(word, sizeof(word), "%d", l->o.status);
		if (l->status == 0)
			(void)snprintf(word, sizeof(word), "(%s)", fates(&l->e));
		if (i > 0)
			(void)strlcat(text, " ", sizeof(text));
		(void)strlcat(text, l->again ? "A" : word, sizeof(text));
	}
	return text;
}

/* ---- all goes well ---- */

static void
goes_well(void **state)
{
	static const size_t numbers[] = {1, 2, 5, 600};

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct mail *w = new_letters(dialects[i % 2], numbers[i / 2]);

		send_all(w);
		assert_truth(w, "plain", true);
		assert_int_equal(count_done(w), w->n);
		assert_int_equal(w->peer.messages, w->n);
		assert_int_equal(w->peer.connections, 1);
		assert_int_equal(w->client.due, 0);
		assert_string_equal(w->letter[w->n - 1].reply, "250 2.0.0 queued");
		assert_non_null(strstr(w->peer.commands.data, "\nQUIT\n"));
		free_mail(w);
	}
}

/* With CHUNKING all of them come before the first is answered; without, the end of one and the envelope of the next. */
static void
several_in_flight(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct mail *w = new_letters(dialects[i], 5);

		send_all(w);
		if (i == 0) {
			assert_non_null(strstr(w->peer.commands.data, "BDAT 29 LAST\nRSET\nMAIL FROM:<s1@x.org>\nRCPT TO:<r1@x.org>\nBDAT 29 LAST\nRSET\n"));
			assert_true(w->peer.ahead >= 3 * 4);	/* BDAT is not counted */
		} else {
			assert_null(strstr(w->peer.commands.data, "RSET"));
			assert_non_null(strstr(w->peer.commands.data, "DATA\nMAIL FROM:<s1@x.org>\nRCPT TO:<r1@x.org>\nDATA\n"));
			assert_int_equal(w->peer.ahead, 5 * 2);
		}
		free_mail(w);
	}
}

/* ---- refusals ---- */

static void
refusals(void **state)
{
	static const struct { const char *kinds, *want; } rows[] = {
		{"omo", "(D) 77 (D)"}, {"oao", "(D) (67 67) (D)"}, {"obo", "(D) (67 D) (D)"}, {"ogo", "(D) (D 67) (D)"}, {"odo", "(D) 65 (D)"},
		{"mmm", "77 77 77"}, {"aaa", "(67 67) (67 67) (67 67)"}, {"ddd", "65 65 65"}, {"mado", "77 (67 67) 65 (D)"}, {"damo", "65 (67 67) 77 (D)"},
		{"amdbgto", "(67 67) 77 65 (67 D) (D 67) (D D) (D)"}, {"moaotdog", "77 (D) (67 67) (D) (D D) 65 (D) (D 67)"}, {"aod", "(67 67) (D) 65"},
		{"aoaaot", "(67 67) (D) (67 67) (67 67) (D) (D D)"},	/* MAIL stands, but no recipients are added to it */
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct mail *w = new_mail(dialects[i % 2], rows[i / 2].kinds);

		add_refusals(w);
		send_all(w);
		if (strcmp(came_of(w), rows[i / 2].want) != 0)
			fail_msg("%s: %s, not %s", rows[i / 2].kinds, came_of(w), rows[i / 2].want);
		assert_truth(w, rows[i / 2].kinds, true);
		assert_int_equal(w->peer.connections, 1);
		assert_int_equal(w->client.due, 0);
		assert_non_null(strstr(w->peer.commands.data, "\nQUIT\n"));
		free_mail(w);
	}
}

/* A 354 although nobody was taken: the lone dot sends nothing, and the next one is not mixed up with it. */
static void
all_refused_and_354(void **state)
{
	struct mail *w = new_mail(pipelining, "oaoa");

	(void)state;
	add_refusals(w);
	add_rule(w, "DATA", 2, "354 go on all the same", GO_ON);
	send_all(w);
	assert_string_equal(came_of(w), "(D) (67 67) (D) (67 67)");
	assert_truth(w, "354", true);
	free_mail(w);
}

/* Who is left for another transaction comes back pending, and the others have got it. */
static void
too_many_recipients(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct mail *w = new_mail(dialects[i], "3o3t");

		w->peer.max_rcpt = 2;
		send_all(w);
		assert_string_equal(came_of(w), "(D D P) (D) (D D P) (D D)");
		assert_truth(w, "452", true);
		free_mail(w);
	}
}

/* For now: what nobody has looked at may be tried elsewhere, what has gone with its envelope has had its answer. */
static void
not_now(void **state)
{
	static const struct { const char *on, *say, *want[2]; } rows[] = {
		{"MAIL FROM:<s1@", "451 4.3.0 later", {"(D) 75 (D)", "(D) A (D)"}},
		{"RCPT TO:<r1@", "450 4.2.0 greylisted", {"(D) (75) (D)", "(D) (75) (D)"}},
		{"END <s1@", "451 4.3.0 later", {"(D) 75 (D)", "(D) 75 (D)"}},
	};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct mail *w = new_mail(dialects[i % 2], "ooo");

		add_rule(w, rows[i / 2].on, 0, rows[i / 2].say, GO_ON);
		send_all(w);
		assert_string_equal(came_of(w), rows[i / 2].want[i % 2]);
		assert_truth(w, rows[i / 2].on, true);
		free_mail(w);
	}
}

/* ---- the session ends ---- */

#define MIX	"otbdagmgot"

/* 421 at each command, and then the end or not: nobody is told what another one was told. */
static void
ends_the_session(void **state)
{
	static const char *const places[] = {"RSET", "MAIL FROM:<s1@", "RCPT TO:<r1@", "RCPT TO:<q1@", "END <s1@", "DATA"};

	(void)state;
	for (size_t i = 0; i < 48; i++) {
		struct mail *w = new_mail(dialects[i % 2], i < 24 ? "otgogo" : MIX);
		char what[100];

		(void)snprintf(what, sizeof(what), "421 at %s, %s, %s", places[i / 4 % 6], i % 4 < 2 ? "the end" : "and it goes on", w->peer.ehlo == chunking ? "BDAT" : "DATA");
		add_rule(w, places[i / 4 % 6], i / 4 % 6 == 0 || i / 4 % 6 == 5 ? 2 : 0, "421 4.3.2 closing", i % 4 < 2 ? HANG_UP : GO_ON);
		add_refusals(w);
		send_all(w);
		if (w->came > 0)
			assert_truth(w, what, i % 4 < 2);
		free_mail(w);
	}
}

/* RSET is refused: that is no message's fault. */
static void
reset_is_refused(void **state)
{
	static const char *const words[] = {"502 5.5.1 not implemented", "451 4.3.0 not now", "500 what", "354 go on"};

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct mail *w = new_mail(dialects[i % 2], "oaott");

		add_refusals(w);
		add_rule(w, "RSET", 0, words[i / 2], GO_ON);
		send_all(w);
		assert_blameless(w, words[i / 2]);
		free_mail(w);
	}
}

/* One that does not read what it has refused, but takes it for commands. */
static void
message_taken_for_commands(void **state)
{
	struct mail *w = new_mail(chunking, "oaot");

	(void)state;
	w->peer.deaf = true;
	add_refusals(w);
	send_all(w);
	assert_truth(w, "the message is taken for commands", false);
	free_mail(w);
}

/* ---- the line breaks ---- */

static void
cut_at_each_octet(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		bool is_cut = true;

		for (size_t at = 1; is_cut; at++) {
			struct mail *w = new_mail(dialects[i], MIX);
			char what[60];

			(void)snprintf(what, sizeof(what), "%zu octets", at);
			w->peer.cut_in = at;
			add_refusals(w);
			send_all(w);
			assert_truth(w, what, true);
			is_cut = w->peer.heard > at;
			free_mail(w);
		}
	}
}

static void
cut_after_each_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (unsigned at = 1; at < 70; at++) {
			struct mail *w = new_mail(dialects[i], MIX);
			char what[60];

			(void)snprintf(what, sizeof(what), "%u answers", at);
			w->peer.cut_out = at;
			add_refusals(w);
			send_all(w);
			assert_truth(w, what, true);
			free_mail(w);
		}
}

/* A last word and then the end, at each place where it can come: what was said before counts. */
static void
refused_and_gone(void **state)
{
	static const char *const places[] = {"MAIL FROM:<s1@", "RCPT TO:<r1@", "END <s1@"};
	static const char *const words[] = {"554 5.7.0 go away", "451 4.3.0 later", NULL};

	(void)state;
	for (size_t i = 0; i < 18; i++) {
		struct mail *w = new_mail(dialects[i % 2], MIX);

		add_rule(w, places[i / 2 % 3], 0, words[i / 6], HANG_UP);
		add_refusals(w);
		send_all(w);
		assert_done(w, places[i / 2 % 3], true);
		assert_true(w->letter[2].again || w->letter[2].o.code == 0);	/* nobody knows what became of the first one without an answer */
		for (size_t k = 3; k < w->n; k++)
			assert_true(w->letter[k].again);
		free_mail(w);
	}
}

/* It says nothing any more: the first one's time, and no more than that. */
static void
falls_silent(void **state)
{
	static const char *const places[] = {"MAIL FROM:<s1@", "RCPT TO:<r1@", "END <s1@", "RSET"};

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		struct mail *w = new_mail(dialects[i % 2], "ototo");
		msec begun = clock_now();

		w->allowed = 300;
		add_rule(w, places[i / 2], 0, NULL, GO_ON);
		if (i / 2 == 0)
			add_rule(w, "RCPT TO:<r1@", 0, NULL, GO_ON);
		send_all(w);
		assert_true(clock_now() - begun < 3 * 300 + 2000);
		if (i / 2 == 3)	/* what follows is shifted by one, as nothing can show */
			assert_pairs(w);
		free_mail(w);
	}
}

/* ---- what is not as it should be ---- */

/* More than it was asked: what is said behind the last answer, and before the first command. */
static void
strays(void **state)
{
	struct mail *w = new_mail(chunking, "ooo");

	(void)state;
	add_rule(w, "END <s2@", 0, "250 2.0.0 queued\r\n250 2.0.0 and once more", GO_ON);
	send_all(w);
	assert_string_equal(came_of(w), "(D) (D) 75");
	free_mail(w);

	w = new_mail(pipelining, "ooo");	/* a yes before the message has gone */
	add_rule(w, "DATA", 2, "354 go on\r\n250 2.0.0 queued", GO_ON);
	send_all(w);
	assert_true(count_done(w) <= 2);
	assert_pairs(w);
	free_mail(w);
}

static void
nonsense(void **state)
{
	static const char *const places[] = {"RSET", "MAIL FROM:<s1@", "RCPT TO:<q1@", "END <s1@", "DATA"};
	static const char *const words[] = {"what?", "150 wait", "250-ok\r\n550 not ok", "354 go on", "650 x", ""};

	(void)state;
	for (size_t i = 0; i < 60; i++) {
		struct mail *w = new_mail(dialects[i % 2], "ottot");

		add_rule(w, places[i / 12], places[i / 12][0] == 'D' || places[i / 12][1] == 'S' ? 2 : 0, words[i / 2 % 6], GO_ON);
		send_all(w);
		assert_done(w, words[i / 2 % 6], false);
		free_mail(w);
	}
}

/* One cannot be read back: those ahead of it have gone, and their answers count. */
static void
cannot_be_read_back(void **state)
{
	(void)state;
	for (size_t i = 2; i-- > 0; ) {
		struct mail *w = new_letters(dialects[i], 6);
		struct store *body = &w->letter[3].m.body;
		static char place[] = "/tmp";

		body->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		body->place = place;
		body->length += 100;
		send_all(w);
		assert_int_equal(w->letter[3].status, -1);
		assert_int_equal(w->letter[3].o.status, EX_IOERR);
		assert_string_equal(w->letter[3].reply, i == 0 ? "" : "354 go on");
		w->letter[3].o.status = EX_TEMPFAIL;
		assert_truth(w, "unreadable", true);
		assert_int_equal(count_done(w), 3);
		free_mail(w);
	}
}

/* Answers in such a number that both sides could wait for the other one to read. */
static void
many_long_answers(void **state)
{
	struct mail *w = new_letters(chunking, 250);
	char text[500], to[60];

	(void)state;
	for (size_t i = 0; i < w->n; i++)
		for (size_t k = 1; k < 100; k++) {
			struct envelope *e = &w->letter[i].e;

			(void)snprintf(to, sizeof(to), "r%zu@h%zu.x.org", i, k);
			e->rcpt = mem_grow(e->rcpt, e->count + 1, sizeof(*e->rcpt));
			e->rcpt[e->count++] = (struct recipient){.path = mem_dup(to)};
		}
	memset(text, 'x', sizeof(text));
	memcpy(text, "250 2.1.5 ", 10);
	text[sizeof(text) - 1] = '\0';
	add_rule(w, "RCPT", 0, text, GO_ON);
	w->narrow = true;
	w->allowed = 5000;
	send_all(w);
	assert_int_equal(w->peer.messages, w->n);
	assert_int_equal(count_done(w), w->n);
	free_mail(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_well),
		cmocka_unit_test(several_in_flight),
		cmocka_unit_test(refusals),
		cmocka_unit_test(all_refused_and_354),
		cmocka_unit_test(too_many_recipients),
		cmocka_unit_test(not_now),
		cmocka_unit_test(ends_the_session),
		cmocka_unit_test(reset_is_refused),
		cmocka_unit_test(message_taken_for_commands),
		cmocka_unit_test(cut_at_each_octet),
		cmocka_unit_test(cut_after_each_answer),
		cmocka_unit_test(refused_and_gone),
		cmocka_unit_test(falls_silent),
		cmocka_unit_test(strays),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(cannot_be_read_back),
		cmocka_unit_test(many_long_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
