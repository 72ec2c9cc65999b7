/*
 * The kinds of header fields, by name. See fieldkind.h.
 */
#include <string.h>
#include <strings.h>
#include "mail/fieldkind.h"

static const struct {
	const char *name;	/* a "-" at its end: all that begin so */
	enum field_kind kind;
} kinds[] = {
	{ "From", FIELD_ADDRESSES },
	{ "Sender", FIELD_ADDRESSES },
	{ "Reply-To", FIELD_ADDRESSES },
	{ "To", FIELD_ADDRESSES },
	{ "Cc", FIELD_ADDRESSES },
	{ "Bcc", FIELD_ADDRESSES },
	{ "Resent-From", FIELD_ADDRESSES },
	{ "Resent-Sender", FIELD_ADDRESSES },
	{ "Resent-Reply-To", FIELD_ADDRESSES },
	{ "Resent-To", FIELD_ADDRESSES },
	{ "Resent-Cc", FIELD_ADDRESSES },
	{ "Resent-Bcc", FIELD_ADDRESSES },
	{ "Disposition-Notification-To", FIELD_ADDRESSES },
	{ "Return-Receipt-To", FIELD_ADDRESSES },
	{ "Errors-To", FIELD_ADDRESSES },
	{ "Apparently-To", FIELD_ADDRESSES },
	{ "Mail-Followup-To", FIELD_ADDRESSES },
	{ "Mail-Reply-To", FIELD_ADDRESSES },
	{ "List-ID", FIELD_ADDRESSES },
	{ "Keywords", FIELD_PHRASES },
	{ "Content-Type", FIELD_PARAMETERS },
	{ "Content-Disposition", FIELD_PARAMETERS },
	{ "Content-Description", FIELD_TEXT },
	{ "Content-", FIELD_STRUCTURED },
	{ "List-", FIELD_STRUCTURED },
	{ "DKIM-", FIELD_STRUCTURED },
	{ "ARC-", FIELD_STRUCTURED },
	{ "DomainKey-Signature", FIELD_STRUCTURED },
	{ "Authentication-Results", FIELD_STRUCTURED },
	{ "Received", FIELD_STRUCTURED },
	{ "Received-SPF", FIELD_STRUCTURED },
	{ "Return-Path", FIELD_STRUCTURED },
	{ "Message-ID", FIELD_STRUCTURED },
	{ "Resent-Message-ID", FIELD_STRUCTURED },
	{ "References", FIELD_STRUCTURED },
	{ "In-Reply-To", FIELD_STRUCTURED },
	{ "Supersedes", FIELD_STRUCTURED },
	{ "Date", FIELD_STRUCTURED },
	{ "Resent-Date", FIELD_STRUCTURED },
	{ "MIME-Version", FIELD_STRUCTURED },
	{ "Auto-Submitted", FIELD_STRUCTURED },
	{ "Autocrypt", FIELD_STRUCTURED },
	{ "Autocrypt-", FIELD_STRUCTURED },
	{ "Delivered-To", FIELD_STRUCTURED },
	{ "Envelope-To", FIELD_STRUCTURED },
	{ "X-Original-To", FIELD_STRUCTURED },
	{ "Original-Recipient", FIELD_STRUCTURED },
	{ "Newsgroups", FIELD_STRUCTURED },
	{ "Followup-To", FIELD_STRUCTURED },
};

enum field_kind
field_kind(const struct field *f)
{
	size_t i, n;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		n = strlen(kinds[i].name);
		if (f->name_len < n || strncasecmp(f->text, kinds[i].name, n) != 0)
			continue;
		if (f->name_len == n || kinds[i].name[n - 1] == '-')
			return kinds[i].kind;
	}
	return FIELD_TEXT;
}
