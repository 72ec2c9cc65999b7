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

bool
outcome_keeps(const struct outcome *o)
{
	if (outcome_temporary(o) || o->status == EX_PROTOCOL || o->stage == STAGE_SECRET || (o->stage >= STAGE_LOOKUP && o->stage <= STAGE_AUTH))
		return true;
	return o->stage >= STAGE_MAIL && o->code == 530 && o->cause != CAUSE_SENDER;	/* TLS or sign-in is missing */
}

bool
outcome_final(const struct outcome *o)
{
	switch (o->status) {
	case EX_NOINPUT:
	case EX_SOFTWARE:
	case EX_OSERR:
	case EX_OSFILE:
	case EX_CANTCREAT:
	case EX_IOERR:
	case EX_CONFIG:
		return false;
	default:
		return !outcome_keeps(o);
	}
}

const char *
outcome_stage_name(enum stage stage)
{
	static const char *const names[STAGE_COUNT] = {
		[STAGE_NONE] = "none", [STAGE_USAGE] = "usage", [STAGE_CONFIG] = "config", [STAGE_SECRET] = "secret",
		[STAGE_INPUT] = "input", [STAGE_MESSAGE] = "message", [STAGE_ENVELOPE] = "envelope",
		[STAGE_LOOKUP] = "lookup", [STAGE_CONNECT] = "connect", [STAGE_BANNER] = "banner", [STAGE_EHLO] = "ehlo",
		[STAGE_STARTTLS] = "starttls", [STAGE_TLS] = "tls", [STAGE_AUTH] = "auth", [STAGE_MAIL] = "mail",
		[STAGE_RCPT] = "rcpt", [STAGE_DATA] = "data", [STAGE_DOT] = "dot", [STAGE_QUEUE] = "queue",
	};

	return (unsigned)stage < STAGE_COUNT ? names[stage] : "none";
}

/* Class, subject and detail (RFC 3463, and the registry of RFC 5248) of what failed without a reply. */
static const char *const cause_status[CAUSE_COUNT] = {
	[CAUSE_CONFIG_MISSING] = "5.3.5", [CAUSE_CONFIG_UNREADABLE] = "5.3.5", [CAUSE_CONFIG_WRONG] = "5.3.5",
	[CAUSE_CONFIG_EXPOSED] = "5.3.5", [CAUSE_NO_DOMAIN] = "5.3.5", [CAUSE_CONFIG_FLAG] = "5.3.5",
	[CAUSE_SECRET_MISSING] = "5.3.5", [CAUSE_SECRET_UNREADABLE] = "5.3.5", [CAUSE_SECRET_COMMAND] = "5.3.5",
	[CAUSE_TLS_CLIENT_CERT] = "5.3.5", [CAUSE_NO_TRUST_STORE] = "5.3.5", [CAUSE_NO_OPENSSL] = "5.3.5",
	[CAUSE_INPUT] = "5.3.0", [CAUSE_CHANGED] = "4.3.0", [CAUSE_BUG] = "5.3.0", [CAUSE_SPACE] = "4.3.1", [CAUSE_QUEUE] = "4.3.0", [CAUSE_QUEUE_FULL] = "4.3.1", [CAUSE_QUEUE_LIMIT] = "4.3.1",
	[CAUSE_QUEUE_EXPOSED] = "4.3.0", [CAUSE_QUEUE_RUNNER] = "4.3.0", [CAUSE_QUEUE_BUSY] = "4.3.0", [CAUSE_QUEUE_BROKEN] = "4.3.0", [CAUSE_EXPIRED] = "5.4.7", [CAUSE_SYSTEM] = "4.3.0",
	[CAUSE_HEADER_TOO_LARGE] = "5.6.0", [CAUSE_NEEDS_8BITMIME] = "5.6.3", [CAUSE_NEEDS_SMTPUTF8] = "5.6.7", [CAUSE_TOO_LARGE] = "5.3.4",
	[CAUSE_BAD_ADDRESS] = "5.1.3", [CAUSE_ALIAS] = "5.1.1", [CAUSE_LOOP] = "5.4.6",
	[CAUSE_NO_HOST] = "5.4.4", [CAUSE_NO_SRV] = "5.4.4", [CAUSE_LOOKUP] = "4.4.3", [CAUSE_UNREACHABLE] = "4.4.1", [CAUSE_TIMEOUT] = "4.4.1", [CAUSE_LOST] = "4.4.2",
	[CAUSE_NONSENSE] = "5.5.0",
	[CAUSE_NO_STARTTLS] = "5.7.10", [CAUSE_INJECTED] = "5.7.0", [CAUSE_TLS] = "5.7.5", [CAUSE_CERT_CA] = "5.7.5",
	[CAUSE_CERT_EXPIRED] = "5.7.5", [CAUSE_CERT_NOT_YET] = "5.7.5", [CAUSE_CERT_NAME] = "5.7.5", [CAUSE_CERT_OTHER] = "5.7.5",
	[CAUSE_CERT_FINGERPRINT] = "5.7.5", [CAUSE_NO_REQUIRETLS] = "5.7.30",
	[CAUSE_CLEAR_AUTH] = "5.7.0", [CAUSE_NO_AUTH_OFFERED] = "5.7.0", [CAUSE_NO_COMMON_MECHANISM] = "5.7.0",
	[CAUSE_REFUSED_PROOF] = "5.7.8", [CAUSE_REFUSED_BOUND] = "5.7.8", [CAUSE_REFUSED_TOKEN] = "5.7.8", [CAUSE_REFUSED_CERTIFICATE] = "5.7.8",
	[CAUSE_NEEDS_AUTH] = "5.7.0", [CAUSE_SENDER] = "5.7.1", [CAUSE_SASL] = "5.5.0", [CAUSE_UNPROVEN] = "5.7.0", [CAUSE_DOWNGRADE] = "5.7.0",
};

/* True where it is the status code of a failure (RFC 3463 section 2). */
static bool
is_failure_code(const char *s)
{
	static const char digits[] = "0123456789";
	size_t subject, detail;

	if ((s[0] != '4' && s[0] != '5') || s[1] != '.')
		return false;
	subject = strspn(s + 2, digits);
	if (subject < 1 || subject > 3 || s[2 + subject] != '.')
		return false;
	detail = strspn(s + 3 + subject, digits);
	return detail >= 1 && detail <= 3 && s[3 + subject + detail] == '\0';
}

/* What a reply without an enhanced code comes to. */
static const char *
reply_status(const struct outcome *o)
{
	bool rcpt = o->stage == STAGE_RCPT;

	switch (o->code) {
	case 421:
		return "4.3.2";
	case 450:
		return "4.2.0";
	case 451:
		return "4.3.0";
	case 452:
		return "4.3.1";
	case 530:
		return "5.7.0";
	case 535:
		return "5.7.8";
	case 551:
		return "5.1.6";
	case 552:
		return rcpt ? "5.2.2" : "5.3.4";
	}
	if (o->status == EX_NOUSER)
		return o->code == 553 ? "5.1.3" : "5.1.1";
	if (o->status == EX_NOPERM)
		return rcpt || o->stage == STAGE_MAIL ? "5.7.1" : "5.7.0";
	if (o->status == EX_DATAERR)
		return "5.6.0";
	return o->code < 500 ? "4.0.0" : "5.0.0";
}

const char *
outcome_enhanced(const struct outcome *o)
{
	if (is_failure_code(o->enhanced) && (o->code == 0 || o->enhanced[0] == '0' + o->code / 100))
		return o->enhanced;
	if (o->code >= 400 && o->code <= 599)
		return reply_status(o);
	if ((unsigned)o->cause < CAUSE_COUNT && cause_status[o->cause] != NULL)
		return cause_status[o->cause];
	return outcome_temporary(o) ? "4.0.0" : "5.0.0";
}
