/*
 * What a header field holds, as far as encoding and folding have to know: text, addresses, phrases, parameters, or something else with
 * comments (RFC 5322 section 3.6, RFC 2045, RFC 2919 and the fields registered since).
 */
#ifndef MAIL_FIELDKIND_H
#define MAIL_FIELDKIND_H

#include "mail/header.h"

enum field_kind {
	FIELD_TEXT,		/* unstructured: Subject, Comments, and every field we do not know */
	FIELD_ADDRESSES,	/* From, To ...; also List-ID, which is a phrase and something in angle brackets */
	FIELD_PHRASES,		/* Keywords: phrases with commas between them */
	FIELD_PARAMETERS,	/* Content-Type, Content-Disposition */
	FIELD_STRUCTURED	/* nothing but comments is text for people: Received, Message-ID, Date ... */
};

/* The kind of a field, by its name. */
enum field_kind field_kind(const struct field *f);

#endif
