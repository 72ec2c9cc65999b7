/*
 * MAIL and RCPT that are plain. See plain.h.
 */
#include "mail/address.h"
#include "smtp/plain.h"

bool
plain_mail(struct envelope *e, const struct envelope_source *src, const struct path_command *mail)
{
	struct envelope_source own = *src;
	struct outcome o = {0};

	own.sender = mail->null ? "<>" : mail->path;
	if (mail->utf8 || address_is_utf8(mail->path) || envelope_begin(e, &own, &o) == -1)
		return false;
	e->ret = mail->ret;
	return !address_is_utf8(e->sender);
}

bool
plain_rcpt(struct envelope *e, const struct envelope_source *src, const char *argument, struct recipient **added)
{
	struct path_command p;
	struct outcome o = {0};
	struct recipient *r = NULL;
	const char *why;
	size_t before = e->count, first;
	bool plain = command_path(&p, VERB_RCPT, argument, &why) == 0 && !address_is_utf8(p.path) && envelope_add(e, src, p.path, &first, &o) == 0;

	if (plain && first < e->count) {
		r = &e->rcpt[first];
		plain = first == before && e->count == before + 1 && r->state == RCPT_PENDING && !address_is_utf8(r->path);
	}
	if (plain && r != NULL) {
		r->notify = p.notify;
		r->orcpt = p.orcpt;
		p.orcpt = NULL;
	}
	*added = r;
	command_free(&p);
	return plain;
}
