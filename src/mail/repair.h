/*
 * What CONTRACT section 3 adds to, takes from and changes in the header on its way: nothing else is touched.
 */
#ifndef MAIL_REPAIR_H
#define MAIL_REPAIR_H

#include <stdbool.h>
#include <time.h>
#include "mail/message.h"

struct repair {
	const char *domain;		/* completes bare names, and the Message-ID */
	const char *host;		/* this host's name: addresses at it, where it has no dot, and at localhost get the domain as bare names do. NULL: not known */
	const char *sender;		/* address for a From that has to be made; not empty. NULL: none is known, and there is a From */
	const char *full_name;		/* its display name, raw; NULL or "": none */
	const char *override_from;	/* the address to put into From (override-from), or NULL */
	bool encode;			/* encode-headers */
	time_t now;			/* for Date */
};

/*
 * Repairs the header of m: Bcc, Resent-Bcc and Return-Path out; blanks before colons out; bare names in address fields completed; override-from (display name kept, the
 * original into Reply-To where there is none); raw 8-bit text encoded; over-long lines folded; Date, Message-ID, From added where missing (Resent-Date, Resent-Message-ID, Resent-From in a
 * message with Resent- fields), To: undisclosed-recipients:; where neither To nor Cc is left; MIME-Version, Content-Type and Content-Transfer-Encoding
 * for an 8-bit body without MIME-Version. With a DKIM-Signature nothing is re-encoded or folded (over-long lines excepted).
 */
void repair_header(struct message *m, const struct repair *r);

#endif
