/*
 * A message and its envelope made ready to go, as the configuration asks: what every way in shares (standard input, -bs, a notice).
 */
#ifndef OUTGOING_H
#define OUTGOING_H

#include "config.h"
#include "mail/envelope.h"
#include "mail/message.h"

/* What the configuration says of envelopes. host: this host's name; all is borrowed. The flags, the complaints and -f are the caller's to add. */
void outgoing_source(struct envelope_source *src, const struct config *c, const char *host, const struct aliases *aliases);

/*
 * Puts the message right (CONTRACT section 3): loop refused, header repaired, over-long lines. full_name: -F, or NULL. -1: o (69 a loop, 65, 74, 78 a From has to be made,
 * and there is no domain).
 */
int outgoing_repair(struct message *m, struct envelope *e, const struct config *c, const char *host, const char *full_name, struct outcome *o);

/* Its Message-ID, cut to size, or "". */
void outgoing_message_id(const struct message *m, char *out, size_t size);

#endif
