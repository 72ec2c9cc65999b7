/*
 * The notice to a sender that a message of his could not be sent: a multipart/report (RFC 6522) with words for a person, a
 * message/delivery-status (RFC 3464; RFC 6533 section 3 where an address is not ASCII) and the message, or its header.
 */
#ifndef MAIL_NOTICE_H
#define MAIL_NOTICE_H

#include <stdbool.h>
#include <time.h>
#include "mail/envelope.h"
#include "mail/message.h"
#include "outcome.h"

/* What there is to tell: all borrowed. */
struct notice {
	const char *to;			/* whom: the envelope sender of the message that failed, or who is told in his place; not empty, checked */
	const char *from;		/* mailbox for From: MAILER-DAEMON@example.com; checked */
	const char *reporting_mta;	/* this host's name, as in EHLO */
	const char *remote_mta;		/* the smarthost, or NULL where none was reached */
	const struct envelope *envelope;	/* its recipients RCPT_FAILED, and bad[], are told */
	const struct outcome *run;	/* what became of the message as a whole, and of the failed recipients without a fate. Status 0 or NULL: nothing */
	const char *message_id;		/* of the message, with its angle brackets, or "" */
	const char *text;		/* what would have stood on stderr: lines of printable ASCII ended by \n; "": nothing */
	time_t until;			/* 0; else it has not failed: RCPT_QUEUED are told that it takes long, and until when it is tried */
	time_t arrival;
	time_t now;
};

/*
 * Makes the notice in m, which was not in use and which the caller ends with message_free() whatever is returned. It has From, To,
 * Subject, Auto-Submitted, In-Reply-To and References, and the MIME fields; Date and Message-ID are left to repair_header(), to which the
 * caller gives m as any message, and 8-bit content that cannot pass to mime_convert(). All but To, From and the returned message is ASCII.
 *
 * The header of about is returned always, without Bcc and Resent-Bcc, repaired or not; its body too where RET=FULL was asked for, or where
 * nothing was and the message has at most 64 KiB. Never where it was too large, for REQUIRETLS (RFC 8689 section 5), or where it failed because it
 * could not be made 7-bit; nor, unless asked for, where the smarthost refused it for good after it had seen it: it would refuse the same
 * words again. Of an empty message nothing is returned. Where no recipient failed (but addresses of the header were none, or the
 * run failed before) there is no delivery-status, which must have one, and the notice is a multipart/mixed.
 *
 * -1: 74, o; the body of about cannot be read, or that of m cannot be kept. Memory does not grow with the body.
 */
int notice_make(struct message *m, const struct notice *n, struct message *about, struct outcome *o);

/*
 * True where a notice may be sent about the message: not to the null sender, not where NOTIFY was given without FAILURE, not where the
 * message is itself an answer or a notice (Auto-Submitted: auto-replied, RFC 3834 section 5; multipart/report of a delivery-status). What
 * cron and the like send (auto-generated) is to be told of.
 */
bool notice_wanted(const struct envelope *e, const struct message *about);

/* The two parts of that: whether anybody may be told of it at all, and whether of recipient i and that event (enum dsn_notify), by his own NOTIFY or the envelope's. */
bool notice_may(const struct envelope *e, const struct message *about);
bool notice_asked(const struct envelope *e, size_t i, unsigned event);

#endif
