/*
 * The recipients of an envelope: from the command line and the header, through aliases, each once. A part of envelope.c, which
 * alone calls it.
 */
#ifndef MAIL_RECIPIENTS_H
#define MAIL_RECIPIENTS_H

#include "mail/envelope.h"

/*
 * Adds the recipients to e, whose domain is set already (NULL: none is known). local_to: the checked path of the configuration, or NULL. -1: o,
 * as envelope_make() says.
 */
int recipients_collect(struct envelope *e, const struct envelope_source *src, const char *local_to, const struct message *m, struct outcome *o);

/* A bare name, and no domain to complete it with. -1: 78. */
int recipients_no_domain(struct outcome *o, const char *name);

#endif
