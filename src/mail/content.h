/*
 * What a MIME header says of the octets that follow it: Content-Type and Content-Transfer-Encoding (RFC 2045 sections 5 and 6), as far
 * as it matters for what may be re-encoded.
 */
#ifndef MAIL_CONTENT_H
#define MAIL_CONTENT_H

#include <stdbool.h>
#include "mail/header.h"

#define CONTENT_BOUNDARY_MAX	256	/* octets; RFC 2046 section 5.1.1 allows 70 */

enum content_kind {
	CONTENT_TEXT,		/* text, or nothing said, with no encoding: may become quoted-printable */
	CONTENT_MULTIPART,	/* with a boundary, and parts that may be looked at */
	CONTENT_MESSAGE,	/* message/rfc822 */
	CONTENT_OPAQUE		/* anything else, also what is encoded, signed, encrypted or not understood */
};

/*
 * What the header says. digest: it is a part of a multipart/digest, where message/rfc822 is what nothing said means. boundary: of
 * CONTENT_MULTIPART, the caller's to free; else NULL. *in_digest: the parts are those of a digest.
 */
enum content_kind content_kind(const struct header *h, bool digest, char **boundary, bool *in_digest);

/* True where a Content-Transfer-Encoding of 8bit or binary is declared. */
bool content_is_wide(const struct header *h);

/* Sets the Content-Transfer-Encoding: in the place of the first field of that name, else after all others. */
void content_set_encoding(struct header *h, const char *encoding);

#endif
