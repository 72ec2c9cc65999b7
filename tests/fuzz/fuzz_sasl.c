/*
 * Any octets as what a smarthost says in SCRAM: a challenge and, behind the first LF, its proof; and all of them as base64. A challenge is answered exactly
 * if it goes on from our nonce and has a salt and enough iterations; a proof is believed only if it is the signature that was computed. What goes through
 * base64 comes back.
 *
 * The first octet chooses hash, channel binding and names.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "must.h"
#include "iterations.h"
#include "base64.h"
#include "net/openssl.h"
#include "smtp/scram.h"

#define NONCE	"fyko+d2lbbFgONRv9qkxdawL"
#define DIGITS	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

enum { SHA_256 = 1, BINDING = 6, AUTHORIZATION_ID = 8, ODD_USER = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- base64 ---- */

static int
digit(char c)
{
	const char *place = c == '\0' ? NULL : strchr(DIGITS, c);

	return place == NULL ? -1 : (int)(place - DIGITS);
}

static bool
is_base64(const char *p, size_t n)
{
	size_t digits = n;

	while (digits > 0 && n - digits < 2 && p[digits - 1] == '=')
		digits--;
	for (size_t i = 0; i < digits; i++)
		if (digit(p[i]) == -1)
			return false;
	return n % 4 == 0;
}

/* As base64, where the last digit before padding may have bits that stand for nothing. */
static bool
same_base64(const char *a, const char *b, size_t n)
{
	size_t digits = n;
	int spare;

	while (digits > 0 && b[digits - 1] == '=')
		digits--;
	spare = 2 * (int)(n - digits);
	return memcmp(a + digits, b + digits, n - digits) == 0 &&
	    (digits == 0 || (memcmp(a, b, digits - 1) == 0 && digit(a[digits - 1]) >> spare == digit(b[digits - 1]) >> spare));
}

static void
check_decode(const char *p, size_t n)
{
	struct buf out = {0}, again = {0};
	char *text = must_copy(p, n);
	int r;

	buf_puts(&out, "before");
	r = base64_decode(&out, text, n);
	free(text);
	must((r == 0) == is_base64(p, n) && (r == 0 || r == -1), "base64 is what is decoded");
	must(strncmp(out.data, "before", 6) == 0 && (r == 0 || out.len == 6) && out.data[out.len] == '\0', "it is added to what was there");
	base64_encode(&again, out.data + 6, out.len - 6);
	must(r == -1 || (again.len == n && same_base64(p, again.data, n)), "it encodes to what it was");
	buf_free(&out);
	buf_free(&again);
}

static void
check_encode(const char *p, size_t n)
{
	struct buf out = {0}, again = {0};
	char *octets = must_copy(p, n);

	base64_encode(&out, octets, n);
	free(octets);
	must(out.len == (n + 2) / 3 * 4 && strlen(out.data) == out.len && is_base64(out.data, out.len), "base64 is what comes out");
	must(base64_decode(&again, out.data, out.len) == 0 && again.len == n && (n == 0 || memcmp(again.data, p, n) == 0), "it decodes to what it was");
	buf_free(&out);
	buf_free(&again);
}

/* ---- SCRAM ---- */

/* By a plain reading: r= that goes on from ours, s= in base64, i= of a number that is large enough, whatever follows. */
static bool
is_challenge(const char *p, size_t n)
{
	char *text = mem_ndup(p, n), *rest = text;
	const char *nonce = strsep(&rest, ","), *salt = strsep(&rest, ","), *count = strsep(&rest, ",");
	bool good = memchr(p, '\0', n) == NULL && count != NULL;

	good = good && strncmp(nonce, "r=" NONCE, sizeof("r=" NONCE) - 1) == 0 && strlen(nonce) > sizeof("r=" NONCE) - 1;
	good = good && strncmp(salt, "s=", 2) == 0 && salt[2] != '\0' && is_base64(salt + 2, strlen(salt + 2));
	good = good && strncmp(count, "i=", 2) == 0 && count[2] != '0' && strspn(count + 2, "0123456789") == strlen(count + 2) &&
	    strtol(count + 2, NULL, 10) >= SCRAM_ITERATIONS_MIN;
	free(text);
	return good;
}

/* What has to stand in client-final-message before the proof. */
static void
expect_final(struct buf *b, const struct scram *s, const char *challenge, size_t n)
{
	const char *comma = memchr(challenge, ',', n);
	struct buf bound = {0};

	buf_add(&bound, s->gs2.data, s->gs2.len);
	buf_add(&bound, buf_str(&s->bound), s->bound.len);
	buf_puts(b, "c=");
	base64_encode(b, bound.data, bound.len);
	buf_putc(b, ',');
	buf_add(b, challenge, (size_t)(comma - challenge));
	buf_puts(b, ",p=");
	buf_free(&bound);
}

/* True: it was answered. */
static bool
check_final(struct scram *s, const char *p, size_t n)
{
	static const unsigned char nothing[sizeof(s->signature)];
	struct buf password = {0}, out = {0}, expected = {0};
	size_t proof = s->hash == SCRAM_SHA_1 ? 28 : 44;
	char *challenge = must_copy(p, n);
	const char *why;

	buf_puts(&password, "pencil");
	why = scram_final(s, challenge, n, &password, &out);
	free(challenge);
	must((why == NULL) == is_challenge(p, n), "a challenge is what is answered");
	if (why == NULL) {
		expect_final(&expected, s, p, n);
		must(out.len == expected.len + proof && memcmp(out.data, expected.data, expected.len) == 0, "channel and nonce come back");
		must(is_base64(out.data + expected.len, proof), "a proof");
		must(memcmp(s->signature, nothing, sizeof(nothing)) != 0, "and one that is expected");
	} else
		must(*why != '\0' && out.len == 0, "words, and nothing to send");
	buf_free(&password);
	buf_free(&out);
	buf_free(&expected);
	return why == NULL;
}

static void
check_verify(const struct scram *s, const char *p, size_t n)
{
	struct buf signature = {0};
	char error[16], *final = must_copy(p, n);
	int r = scram_verify(s, final, n, error, sizeof(error));
	size_t len = n >= 2 ? n - 2 : 0;
	bool same;

	free(final);
	base64_encode(&signature, s->signature, s->hash == SCRAM_SHA_1 ? 20 : 32);
	if (len > 0 && memchr(p + 2, ',', len) != NULL)
		len = (size_t)((const char *)memchr(p + 2, ',', len) - (p + 2));
	same = len == signature.len && strncmp(p, "v=", 2) == 0 && same_base64(p + 2, signature.data, len) && is_base64(p + 2, len);
	must((r == 1) == same, "the signature is what is believed");
	must((r == 0) == (n >= 2 && strncmp(p, "e=", 2) == 0) && r >= -1 && r <= 1, "e= says why it is refused");
	must(r != 0 || (memchr(error, '\0', sizeof(error)) != NULL && strlen(error) <= len && memcmp(error, p + 2, strlen(error)) == 0), "in the server's words");
	buf_free(&signature);
}

/* The first message, by the letter (RFC 5802 section 7). */
static void
begin(struct scram *s, uint8_t how)
{
	static const char *const channels[] = {NULL, NULL, "tls-exporter", "tls-server-end-point"};
	static const char *const flags[] = {"n", "y", "p=tls-exporter", "p=tls-server-end-point"};
	size_t kind = (how & BINDING) / 2;
	enum scram_binding binding = kind == 0 ? SCRAM_NOT_BOUND : kind == 1 ? SCRAM_NOT_OFFERED : SCRAM_BOUND;
	bool id = (how & AUTHORIZATION_ID) != 0, odd = (how & ODD_USER) != 0;
	struct buf bound = {0}, out = {0};
	char *expected = mem_printf("%s,%s,n=%s,r=" NONCE, flags[kind], id ? "a=b=2Cs" : "", odd ? "u=3Ds=2Cr" : "user");

	buf_add(&bound, "\0\1channel", 9);
	scram_first(s, (how & SHA_256) != 0 ? SCRAM_SHA_256 : SCRAM_SHA_1, binding, channels[kind], kind > 1 ? &bound : NULL, odd ? "u=s,r" : "user",
	    id ? "b,s" : NULL, NONCE, &out);
	must(strcmp(out.data, expected) == 0, "its form");
	buf_free(&bound);
	buf_free(&out);
	free(expected);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data + 1, *lf;
	size_t n = size - 1, first;
	struct scram s;
	struct outcome o;

	if (size == 0 || too_many_iterations(p, n))
		return 0;
	must(openssl_load(&o) == 0, "OpenSSL");
	lf = memchr(p, '\n', n);
	first = lf == NULL ? n : (size_t)(lf - p);
	begin(&s, data[0]);
	if (check_final(&s, p, first) && lf != NULL)
		check_verify(&s, lf + 1, n - first - 1);
	scram_wipe(&s);
	check_encode(p, n);
	check_decode(p, n);
	return 0;
}
