/*
 * What became of it: a failure as a value, and the one table of exit statuses. See outcome.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include "outcome.h"

int
outcome_set(struct outcome *o, int status, enum stage stage, enum cause cause, const char *why, const char *fmt, ...)
{
	va_list ap;

	memset(o, 0, sizeof(*o));
	o->status = status;
	o->stage = stage;
	o->cause = cause;
	if (why != NULL)
		(void)strlcpy(o->why, why, sizeof(o->why));
	va_start(ap, fmt);
	(void)vsnprintf(o->what, sizeof(o->what), fmt, ap);
	va_end(ap);
	return -1;
}

/* True where the enhanced code is that one, or begins with it if it ends in a dot: "5.1." */
static bool
is_enhanced(const char *enhanced, const char *code)
{
	size_t n = strlen(code);

	if (code[n - 1] == '.')
		return strncmp(enhanced, code, n) == 0;
	return strcmp(enhanced, code) == 0;
}

static int
mail_status(int code, const char *enhanced)
{
	if (code == 552 || is_enhanced(enhanced, "5.3.4"))
		return EX_DATAERR;
	if (code == 530 && is_enhanced(enhanced, "5.7.0"))
		return EX_PROTOCOL;
	return EX_NOPERM;
}

static int
rcpt_status(int code, const char *enhanced)
{
	if (code == 552)
		return EX_TEMPFAIL;	/* RFC 5321 section 4.5.3.1.10: an old way to say 452 */
	if (code == 530 || is_enhanced(enhanced, "5.7.1"))
		return EX_NOPERM;
	if (code == 550 || code == 551 || code == 553 || is_enhanced(enhanced, "5.1."))
		return EX_NOUSER;
	return EX_UNAVAILABLE;
}

static int
data_status(int code, const char *enhanced)
{
	if (code == 552 || is_enhanced(enhanced, "5.3.4") || is_enhanced(enhanced, "5.6."))
		return EX_DATAERR;
	return EX_UNAVAILABLE;
}

int
outcome_status(enum stage stage, int code, const char *enhanced)
{
	if (code >= 400 && code <= 499)
		return EX_TEMPFAIL;
	if (code < 500 || code > 599)
		return EX_PROTOCOL;
	switch (stage) {
	case STAGE_BANNER:
	case STAGE_EHLO:
		return EX_UNAVAILABLE;
	case STAGE_STARTTLS:
		return EX_PROTOCOL;
	case STAGE_AUTH:
		return EX_NOPERM;
	case STAGE_MAIL:
		return mail_status(code, enhanced);
	case STAGE_RCPT:
		return rcpt_status(code, enhanced);
	case STAGE_DATA:
	case STAGE_DOT:
		return data_status(code, enhanced);
	default:
		return EX_PROTOCOL;
	}
}

int
outcome_worse(int a, int b)
{
	static const int order[] = {
		EX_SOFTWARE, EX_OSERR, EX_USAGE, EX_NOINPUT, EX_CANTCREAT, EX_IOERR,
		EX_CONFIG, EX_NOPERM, EX_PROTOCOL, EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE, EX_NOHOST, EX_TEMPFAIL,
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (order[i] == a || order[i] == b)
			return order[i];
	return a != 0 ? a : b;
}

bool
outcome_temporary(const struct outcome *o)
{
	return o->status == EX_TEMPFAIL || o->status == EX_NOHOST;
}

const char *
outcome_stage_name(enum stage stage)
{
	static const char *const names[STAGE_COUNT] = {
		[STAGE_NONE] = "none", [STAGE_USAGE] = "usage", [STAGE_CONFIG] = "config", [STAGE_SECRET] = "secret",
		[STAGE_INPUT] = "input", [STAGE_MESSAGE] = "message", [STAGE_ENVELOPE] = "envelope",
		[STAGE_LOOKUP] = "lookup", [STAGE_CONNECT] = "connect", [STAGE_BANNER] = "banner", [STAGE_EHLO] = "ehlo",
		[STAGE_STARTTLS] = "starttls", [STAGE_TLS] = "tls", [STAGE_AUTH] = "auth", [STAGE_MAIL] = "mail",
		[STAGE_RCPT] = "rcpt", [STAGE_DATA] = "data", [STAGE_DOT] = "dot",
	};

	return (unsigned)stage < STAGE_COUNT ? names[stage] : "none";
}
