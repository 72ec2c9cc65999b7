/*
 * An outcome as the reply that the caller of -bs gets: code, enhanced status code, words (CONTRACT section 3a, RFC 5321, RFC 3463).
 */
#ifndef SMTP_VERDICT_H
#define SMTP_VERDICT_H

#include "mem.h"
#include "outcome.h"

struct verdict {
	int code;
	char enhanced[12];
	struct buf text;	/* lines joined by LF, printable. The caller frees it */
};

/*
 * What the failure o is answered with. The smarthost's own verdict on sender, recipient or message goes on as it is, but for 421, which would end
 * the caller's session: 451. Whatever stands in the way of any mail is 451, with its cause and remedy: sign-in, TLS, configuration 4.3.5, network 4.4.1 and 4.4.2.
 */
void verdict_of(struct verdict *v, const struct outcome *o);

/* Adds what the smarthost said, lines joined by LF: printable, without the enhanced code, which stands before each line of a reply already. */
void verdict_add_words(struct buf *b, const char *text, const char *enhanced);

#endif
