/*
 * RFC 5322 address lists (section 3.4, with the obsolete forms of 4.4) into mailboxes, and mailboxes into RFC 5321 paths, checked.
 *
 * The parser is total and linear in the length of its input: any octets go in; what is no address comes out as such, named, and
 * never as a guess. It keeps the place of each part in the input, so that header fields can be completed and encoded in place
 * without rewriting the rest.
 */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#define ADDRESS_LOCAL_MAX	64	/* octets; RFC 5321 section 4.5.3.1 */
#define ADDRESS_DOMAIN_MAX	255
#define ADDRESS_PATH_MAX	256	/* with the angle brackets */

/* A stretch of the text that was parsed: octets [start, end). */
struct span {
	size_t start;
	size_t end;
};

struct mailbox {
	char *local;		/* local part, unquoted and with quoted pairs resolved: john doe */
	char *domain;		/* NULL: a bare name. As given, comments and blanks removed; a domain literal keeps its brackets */
	struct span element;	/* the whole element of the list, without its comma and outer blanks */
	struct span spec;	/* the addr-spec: where "@domain" is to be appended when domain is NULL, spec.end */
	struct span name;	/* the display name (phrase); empty span where there is none */
};

/* An element that could not be parsed as an address. */
struct address_error {
	struct span element;
	const char *reason;	/* static: "two addresses without a comma", "unbalanced quote", "no local part" ... */
};

struct address_list {
	struct mailbox *mailbox;
	size_t count;
	struct address_error *error;
	size_t errors;
	struct span *comment;	/* the outermost comments, parentheses included, in order; for encoding */
	size_t comments;
};

/*
 * Parses a field body (folded lines allowed: CRLF before a blank is a blank) or an argument. Groups give their members ("Group:;"
 * gives none), routes are dropped (<@a,@b:c@d> is c@d), <a@x,b@y> is two mailboxes (bcron writes it), empty elements are skipped,
 * "<>" is an error ("null sender") here. "a@x <a@x>" is one mailbox without a name; with two different addresses it is an error. UTF-8 and other octets above 127 count as atom text (RFC 6532). An element in error ends at the
 * next comma at top level; a quote, comment or domain literal that never ends makes the whole field an error: then count is 0 and
 * there is one error that spans the field. Of an address whose angle bracket is not closed, only that element is in error.
 * The caller frees the list with address_free(). Local parts and domains are not yet checked against RFC 5321: address_check().
 */
void address_parse(struct address_list *list, const char *text, size_t len);
void address_free(struct address_list *list);

/*
 * NULL if local@domain may stand in an SMTP command, else what is wrong with it (static text): empty, control characters, lengths,
 * a malformed domain literal or domain (labels of letters, digits, hyphens, underscores or octets above 127; no empty label, a trailing dot
 * is taken off by address_parse; valid UTF-8 where there are octets above 127). domain must not be NULL.
 */
const char *address_check(const char *local, const char *domain);

/* local@domain as it stands between < and > of a path: the local part quoted where it has to be. The caller frees it. */
char *address_path(const char *local, const char *domain);

/* True where the two paths name the same mailbox: local parts alike to the octet, domains without regard to case. */
bool address_same(const char *path_a, const char *path_b);

/* True where the domain means this host: none (NULL), localhost, localhost.localdomain, or the host's own name (may be NULL). */
bool address_is_local(const char *domain, const char *host);

/*
 * The same, but only where it is no name that anybody else could know the host by: without a dot, or localhost. Such an address is as good as a bare name, and is completed
 * like one.
 */
bool address_is_bare(const char *domain, const char *host);

/* True where the text may stand behind ORCPT=: a type, a semicolon, and an address in xtext, or where the type is utf-8 in UTF-8 (RFC 3461 section 4.2, RFC 6533 section 3). */
bool address_is_orcpt(const char *text);

/* True where the address needs SMTPUTF8: an octet above 127. */
bool address_is_utf8(const char *path);

/* A display name as it stands before <a@x>: a phrase of atoms, else a quoted string. ASCII names only; the caller frees it. */
char *address_phrase(const char *name);

#endif
