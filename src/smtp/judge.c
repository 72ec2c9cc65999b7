/*
 * Replies that mean more than their code says. See judge.h.
 */
#include <string.h>
#include <sysexits.h>
#include "smtp/judge.h"

void
judge_530(struct outcome *o, const struct reply *r, bool secure, bool signed_in)
{
	bool tls = strcasestr(r->text, "tls") != NULL, authentication = strcasestr(r->text, "authentic") != NULL;

	if ((tls && !secure) || strcasestr(r->text, "starttls") != NULL)
		o->status = EX_PROTOCOL;
	else if (secure || authentication)
		o->status = EX_NOPERM;
	if (signed_in && !tls && !authentication)
		o->cause = CAUSE_SENDER;
	else if (secure && o->status == EX_NOPERM)
		o->cause = CAUSE_NEEDS_AUTH;
}

/* 552 is how it was said before RFC 5321; OpenSMTPD says 451 4.5.3. */
bool
judge_enough(const struct reply *r)
{
	if (r->enhanced[0] == '\0')
		return r->code == 452 || r->code == 552;
	return (r->code / 100 == 4 || r->code == 552) && strcmp(r->enhanced + 1, ".5.3") == 0;
}
