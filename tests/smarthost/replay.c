/*
 * A recorded dialogue spoken again: the recorded reply takes the place of the
 * usual one wherever the client says what was said then.
 *
 * A step that was refused then (a typing error, say) is passed over when the
 * client does not make it; a command that the dialogue has not, or that comes
 * after its end, gets the usual reply.  Form of the file: data/dialects/README.
 */
#include <stdlib.h>
#include <string.h>

#include "smarthost.h"

static struct exchange *
new_exchange(struct replay *r, const char *client)
{
	struct exchange *x;

	r->exchange = reallocarray(r->exchange, r->nexchanges + 1,
	    sizeof(*r->exchange));
	if (r->exchange == NULL)
		abort();
	x = &r->exchange[r->nexchanges++];
	x->client = client != NULL ? strdup(client) : NULL;
	x->reply = strdup("");
	if (x->reply == NULL || (client != NULL && x->client == NULL))
		abort();
	if (client != NULL && strncasecmp(client, "EHLO", 4) == 0)
		r->knows_ehlo = true;
	return x;
}

static void
add_reply(struct replay *r, const char *line)
{
	struct exchange *x;
	char *both;

	if (r->nexchanges == 0)
		new_exchange(r, NULL);
	x = &r->exchange[r->nexchanges - 1];
	if (asprintf(&both, "%s%s\r\n", x->reply, line) < 0)
		abort();
	free(x->reply);
	x->reply = both;
}

bool
replay_read(struct replay *r, const char *path)
{
	char line[LINE_SIZE];
	const char *text;
	bool ok = true;
	FILE *fp;

	if ((fp = fopen(path, "r")) == NULL) {
		perror(path);
		return false;
	}
	while (ok && fgets(line, sizeof(line), fp) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		text = strlen(line) > 3 ? line + 3 : "";
		if (strncmp(line, "S:", 2) == 0)
			add_reply(r, text);
		else if (strncmp(line, "C:", 2) == 0)
			new_exchange(r, text);
		else
			ok = line[0] == '\0' || strchr("#@B", line[0]) != NULL;
	}
	if (!ok)
		fprintf(stderr, "%s: what is this: %s\n", path, line);
	fclose(fp);
	return ok;
}

void
replay_free(struct replay *r)
{
	size_t i;

	for (i = 0; i < r->nexchanges; i++) {
		free(r->exchange[i].client);
		free(r->exchange[i].reply);
	}
	free(r->exchange);
}

void
replay_rewind(struct conn *c)
{
	c->replay_at = c->opt->replay.nexchanges > 0 &&
	    c->opt->replay.exchange[0].client == NULL;
}

/* "EHLO", "MAIL FROM", "." */
static size_t
verb_len(const char *line)
{
	bool two = strncasecmp(line, "MAIL ", 5) == 0 ||
	    strncasecmp(line, "RCPT ", 5) == 0;

	return strcspn(line, two ? ":" : " ");
}

static bool
same_verb(const char *a, const char *b)
{
	size_t n = verb_len(a);

	return n == verb_len(b) && strncasecmp(a, b, n) == 0;
}

/* The step that the client's line is, from where we stand on. */
static const struct exchange *
find(struct conn *c, enum stage stage)
{
	const struct replay *r = &c->opt->replay;
	const struct exchange *x;
	bool quit = same_verb(c->line, "QUIT");
	size_t i;

	for (i = c->replay_at; i < r->nexchanges; i++) {
		x = &r->exchange[i];
		if (x->client != NULL && (same_verb(x->client, c->line) ||
		    (i == c->replay_at && (stage == ST_AUTH_CONT ||
		    stage == ST_AUTH_DONE)))) {
			c->replay_at = i + 1;
			return x;
		}
		if (x->reply[0] < '4' && !quit)
			break;
	}
	return NULL;
}

/* A further recipient, or a further message: as the one before. */
static const struct exchange *
find_again(struct conn *c)
{
	const struct replay *r = &c->opt->replay;
	size_t i;

	if (c->replay_at == 0)
		return NULL;
	if (same_verb(c->line, "RCPT TO:")) {
		const struct exchange *x = &r->exchange[c->replay_at - 1];

		return x->client != NULL && same_verb(x->client, c->line) ? x :
		    NULL;
	}
	for (i = 0; same_verb(c->line, "MAIL FROM:") && i < r->nexchanges; i++) {
		if (r->exchange[i].client != NULL &&
		    same_verb(r->exchange[i].client, c->line) &&
		    r->exchange[i].reply[0] < '4') {
			c->replay_at = i + 1;
			return &r->exchange[i];
		}
	}
	return NULL;
}

const char *
replay_answer(struct conn *c, enum stage stage)
{
	const struct replay *r = &c->opt->replay;
	const struct exchange *x;

	if (r->nexchanges == 0 || stage == ST_CONNECT || stage == ST_TLS ||
	    stage == ST_BODY)
		return NULL;
	if (stage == ST_BANNER) {
		replay_rewind(c);
		return c->replay_at == 1 ? r->exchange[0].reply : NULL;
	}
	if (stage == ST_EHLO && !r->knows_ehlo)
		return "502 Command not implemented\r\n";
	if ((x = find(c, stage)) == NULL)
		x = find_again(c);
	if (c->opt->replay_exact && (x == NULL ||
	    strcmp(x->client, c->line) != 0))
		record_violation(c, "replay", "not as recorded: %s", c->line);
	return x != NULL ? x->reply : NULL;
}
