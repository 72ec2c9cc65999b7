/*
 * The one table of causes and remedies: why something is likely to have failed, and what to do about it.
 */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "outcome.h"

struct explanation {
	const char *cause;	/* a sentence: "The password is wrong, or ..." */
	const char *remedy;	/* a sentence: "Check user and password-file ..." */
};

/*
 * The explanation for a failure: by its cause, and for CAUSE_REPLY by stage, reply code, enhanced code and the words of the reply. Never NULL; its members may be
 * "" where nothing can be said.
 */
const struct explanation *explain(const struct outcome *o);

#endif
