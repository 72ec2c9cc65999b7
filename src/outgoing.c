/*
 * A message and its envelope made ready to go. See outgoing.h.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include "mail/mime.h"
#include "mail/repair.h"
#include "outgoing.h"

/* The domain of a user name that is an address, or NULL. */
static const char *
user_domain(const struct config *c)
{
	const char *at = c->smarthosts > 0 && c->smarthost[0].user != NULL ? strrchr(c->smarthost[0].user, '@') : NULL;

	return at != NULL && at[1] != '\0' ? at + 1 : NULL;
}

void
outgoing_source(struct envelope_source *src, const struct config *c, const char *host, const struct aliases *aliases)
{
	*src = (struct envelope_source){
		.from = c->from, .override_from = c->override_from, .domain = c->domain, .host = host, .user_domain = user_domain(c),
		.local_to = c->local_to, .aliases = aliases,
	};
}

static int
check_loop(const struct message *m, struct outcome *o)
{
	size_t n = 0;

	for (size_t i = 0; i < m->header.count; i++)
		n += header_is(&m->header.field[i], "Received");
	if (n <= MESSAGE_RECEIVED_MAX)
		return 0;
	return outcome_set(o, EX_UNAVAILABLE, STAGE_MESSAGE, CAUSE_LOOP, "it has more than 50 Received fields", "the message is in a loop");
}

int
outgoing_repair(struct message *m, struct envelope *e, const struct config *c, const char *host, const char *full_name, struct outcome *o)
{
	struct repair how = {
		.domain = e->domain, .host = host, .override_from = c->override_from ? e->from : NULL, .encode = c->encode_headers, .now = time(NULL),
	};

	if (check_loop(m, o) == -1 || envelope_check_from(e, &m->header, o) == -1)
		return -1;
	how.sender = e->sender[0] != '\0' ? e->sender : e->default_sender;
	how.full_name = full_name != NULL ? full_name : e->full_name;
	repair_header(m, &how);
	return mime_needed(m, true) ? mime_convert(m, true, o) : 0;
}

void
outgoing_message_id(const struct message *m, char *out, size_t size)
{
	ptrdiff_t i = header_find(&m->header, "Message-ID", 0);
	const char *body;
	size_t len;

	out[0] = '\0';
	if (i < 0)
		return;
	body = header_body(&m->header.field[i], &len);
	while (len > 0 && (*body == ' ' || *body == '\t')) {
		body++;
		len--;
	}
	(void)snprintf(out, size, "%.*s", len < size ? (int)len : (int)size, body);
}
