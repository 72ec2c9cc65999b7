/*
 * TLS in words. See tls_words.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem.h"
#include "net/openssl.h"
#include "net/tls_words.h"
#include "printable.h"

#define NAMES_MAX	200	/* octets of a certificate's names that are told */

const char *
tls_error_words(int sys)
{
	unsigned long code = ERR_peek_error();
	const char *words;

	if (code == 0)
		return sys != 0 && sys != EPIPE ? strerror(sys) : "the smarthost closed the connection";
	if (ERR_SYSTEM_ERROR(code))
		return strerror(ERR_GET_REASON(code));
	words = openssl_reason(code);
	return words != NULL ? words : "unknown TLS error";
}

static void
distinguished_name(const X509_NAME *name, char *out, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int n;

	out[0] = '\0';
	if (bio == NULL)
		return;
	if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0) {
		n = BIO_read(bio, out, (int)size - 1);
		out[n > 0 ? n : 0] = '\0';
	}
	BIO_free(bio);
}

static void
date_words(const ASN1_TIME *when, char *out, size_t size)
{
	struct tm tm;

	if (when == NULL || ASN1_TIME_to_tm(when, &tm) != 1 || strftime(out, size, "%Y-%m-%d", &tm) == 0)
		(void)strlcpy(out, "a date that cannot be read", size);
}

/* One name of a certificate in text; "" where it is of a kind that no host has. */
static void
general_name(const GENERAL_NAME *name, char *out, size_t size)
{
	int type, len;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
	struct buf name_text = {0};

	out[0] = '\0';
	if (type != GEN_DNS && type != GEN_IPADD)
		return;
	len = ASN1_STRING_length(value);
	if (type == GEN_DNS) {	/* a NUL in it is no end */
		printable_add(&name_text, (const char *)ASN1_STRING_get0_data(value), (size_t)len, size - 4);
		(void)strlcpy(out, buf_str(&name_text), size);
		buf_free(&name_text);
	}
	else if (len == 4 || len == 16)
		(void)inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(value), out, (socklen_t)size);
}

/* The names that a certificate is for, as many as have room. */
static void
add_names(struct buf *b, const X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	char one[NAMES_MAX];

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && b->len <= NAMES_MAX; i++) {
		general_name(sk_GENERAL_NAME_value(names, i), one, sizeof(one));
		if (one[0] != '\0')
			buf_printf(b, "%s%s", b->len > 0 ? ", " : "", one);
	}
	if (b->len > NAMES_MAX) {
		b->len = NAMES_MAX;
		buf_puts(b, "...");
	}
	GENERAL_NAMES_free(names);
}

/* The same in a sentence. The caller frees it. */
static char *
names_of(const X509 *cert)
{
	struct buf b = {0};
	char one[NAMES_MAX];

	add_names(&b, cert);
	if (b.len == 0) {
		distinguished_name(X509_get_subject_name(cert), one, sizeof(one));
		buf_printf(&b, "no host by a subject alternative name (it is %s)", one[0] != '\0' ? one : "of nobody");
	}
	return b.data;
}

char *
tls_certificate_words(const X509 *bad, int error, int depth, const char *name, enum cause *cause)
{
	const char *whose = depth == 0 ? "certificate" : "certificate of an authority";
	char subject[NAMES_MAX] = "", issuer[NAMES_MAX] = "", date[40], *names, *why;

	*cause = CAUSE_CERT_OTHER;
	if (bad == NULL)
		return mem_dup(X509_verify_cert_error_string(error));
	distinguished_name(X509_get_subject_name(bad), subject, sizeof(subject));
	distinguished_name(X509_get_issuer_name(bad), issuer, sizeof(issuer));
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		*cause = CAUSE_CERT_EXPIRED;
		date_words(X509_get0_notAfter(bad), date, sizeof(date));
		return mem_printf("%s expired on %s (%s)", whose, date, subject);
	case X509_V_ERR_CERT_NOT_YET_VALID:
		*cause = CAUSE_CERT_NOT_YET;
		date_words(X509_get0_notBefore(bad), date, sizeof(date));
		return mem_printf("%s is not valid before %s (%s)", whose, date, subject);
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		*cause = CAUSE_CERT_NAME;
		names = names_of(bad);
		why = mem_printf("certificate is for %s, not for %s", names, name);
		free(names);
		return why;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		*cause = CAUSE_CERT_CA;
		return mem_printf("certificate is signed by itself, by no authority that is trusted: %s", subject);
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
	case X509_V_ERR_CERT_UNTRUSTED:
		*cause = CAUSE_CERT_CA;
		return mem_printf("certificate is signed by an authority that is not trusted: %s", issuer);
	default:
		return mem_printf("%s: %s (%s)", whose, X509_verify_cert_error_string(error), subject);
	}
}

void
tls_certificate(const X509 *cert, struct tls_certificate *c)
{
	struct buf names = {0};
	int seconds;

	*c = (struct tls_certificate){0};
	distinguished_name(X509_get_subject_name(cert), c->subject, sizeof(c->subject));
	distinguished_name(X509_get_issuer_name(cert), c->issuer, sizeof(c->issuer));
	date_words(X509_get0_notAfter(cert), c->until, sizeof(c->until));
	if (ASN1_TIME_diff(&c->days, &seconds, NULL, X509_get0_notAfter(cert)) != 1)
		c->days = 0;
	else if (seconds < 0)
		c->days--;
	add_names(&names, cert);
	(void)strlcpy(c->names, buf_str(&names), sizeof(c->names));
	buf_free(&names);
}
