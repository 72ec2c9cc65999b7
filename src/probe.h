/*
 * Asks the smarthost without sending: about recipients (-bv).
 */
#ifndef PROBE_H
#define PROBE_H

#include "submit.h"

/*
 * Says MAIL and, for each pending recipient of e, RCPT; then RSET and QUIT. Adds a line for each to out, "<a@x>... deliverable: ", "refused: " or "unknown: " and the
 * smarthost's words or the reason, in printable ASCII. Recipients that are refused are RCPT_FAILED as in submit(), the others RCPT_PENDING; r tells of the whole.
 * "deliverable" is what the smarthost promises: it takes mail for it.
 */
void probe_recipients(struct result *r, const struct config *c, struct envelope *e, struct trace *t, struct buf *out);

#endif
