/*
 * The alias file, the part of it that makes sense without local delivery (aliases(5) of Sendmail: "name: value, value", lines that begin
 * with a blank continue, # comments). Values are addresses, other names, and :include:/file of files owned by root that nobody else may
 * write. Pipes ("|command") and files (/path) are reported and skipped, never run or written.
 */
#ifndef MAIL_ALIASES_H
#define MAIL_ALIASES_H

#include <stddef.h>
#include "outcome.h"

struct alias {
	char *name;		/* lower case */
	char *value;		/* the values as written, unfolded */
	unsigned line;
};

struct aliases {
	const char *host;	/* this host's name, so that name@host in a value counts as the bare name; NULL: not known. Borrowed */
	char *path;
	struct alias *alias;	/* sorted by name */
	size_t count;
};

/* What reading and expanding has to say to a person: one call a problem. line 0: none. */
typedef void (*aliases_complain)(void *arg, const char *path, unsigned line, const char *text);

/* Reads the file; a line that makes no sense is complained of and skipped. -1 (78, CAUSE_CONFIG_UNREADABLE) if it cannot be read; NULL path: an empty table. */
int aliases_load(struct aliases *a, const char *path, aliases_complain complain, void *arg, struct outcome *o);

/*
 * Expands a bare name (unquoted, as address_parse gives a local part): the addresses (with domain) and the bare names that have no alias of
 * their own, each once, quoted where they have to be so that address_parse reads them back, in *out (the caller frees each and the array).
 * An alias that names itself keeps that name, as in Sendmail and Postfix; longer loops end where they begin; at most 10,000 results, 100
 * included files and a depth of 50. The number of results; 0 with *found set if there is an alias, but
 * it leads to nothing that mail can be submitted to; 0 and !*found if there is none. \name stops expansion. Names compare without regard to case.
 */
size_t aliases_expand(const struct aliases *a, const char *name, char ***out, bool *found, aliases_complain complain, void *arg);

void aliases_free(struct aliases *a);

#endif
