/*
 * SCRAM: the examples of RFC 5802 and RFC 7677, and challenges that must not be answered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base64.h"
#include "net/openssl.h"
#include "smtp/scram.h"

#define NONCE "fyko+d2lbbFgONRv9qkxdawL"

static void
add_password(struct buf *b, const char *text)
{
	*b = (struct buf){0};
	buf_puts(b, text);
}

/* RFC 5802 section 5, RFC 7677 section 3. */
static void
examples(void **state)
{
	static const struct { enum scram_hash hash; const char *nonce, *first, *challenge, *final, *signature; } rows[] = {
		{SCRAM_SHA_1, NONCE, "n,,n=user,r=" NONCE, "r=" NONCE "3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
		    "c=biws,r=" NONCE "3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="},
		{SCRAM_SHA_256, "rOprNGfwEbeRWgbNEkqO", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
		    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scram s;
		struct buf out = {0}, password;
		char error[32], wrong[64];

		add_password(&password, "pencil");
		scram_first(&s, rows[i].hash, SCRAM_NOT_BOUND, NULL, NULL, "user", NULL, rows[i].nonce, &out);
		assert_string_equal(out.data, rows[i].first);
		buf_reset(&out);
		assert_null(scram_final(&s, rows[i].challenge, strlen(rows[i].challenge), &password, &out));
		assert_string_equal(out.data, rows[i].final);
		assert_int_equal(scram_verify(&s, rows[i].signature, strlen(rows[i].signature), error, sizeof(error)), 1);
		for (size_t k = 0; k < strlen(rows[i].signature); k++) {	/* any other is not taken, nor one cut short */
			(void)strlcpy(wrong, rows[i].signature, sizeof(wrong));
			wrong[k] = wrong[k] == 'A' ? 'B' : 'A';
			assert_int_equal(scram_verify(&s, wrong, strlen(wrong), error, sizeof(error)), -1);
			assert_int_equal(scram_verify(&s, rows[i].signature, k, error, sizeof(error)), -1);
		}
		buf_free(&out);
		buf_wipe(&password);
		scram_wipe(&s);
	}
}

/* The header of the first message, and how it comes back in the last. */
static void
headers(void **state)
{
	static const char bound[] = "\0\1binding";
	static const struct { enum scram_binding binding; const char *channel, *user, *id, *first, *coded; } rows[] = {
		{SCRAM_NOT_OFFERED, NULL, "user", NULL, "y,,n=user,r=" NONCE, "c=eSws,"},
		{SCRAM_NOT_BOUND, NULL, "a,b=c", "", "n,,n=a=2Cb=3Dc,r=" NONCE, "c=biws,"},
		{SCRAM_NOT_BOUND, NULL, "user", "b,s", "n,a=b=2Cs,n=user,r=" NONCE, "c=bixhPWI9MkNzLA==,"},
		{SCRAM_BOUND, "tls-exporter", "user", NULL, "p=tls-exporter,,n=user,r=" NONCE, "c=cD10bHMtZXhwb3J0ZXIsLAABYmluZGluZw==,"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static const char challenge[] = "r=" NONCE "x,s=QSXCR+Q6sek8bf92,i=4096";
		struct scram s;
		struct buf out = {0}, password, channel = {0};

		add_password(&password, "pencil");
		buf_add(&channel, bound, sizeof(bound) - 1);
		scram_first(&s, SCRAM_SHA_256, rows[i].binding, rows[i].channel, &channel, rows[i].user, rows[i].id, NONCE, &out);
		assert_string_equal(out.data, rows[i].first);
		buf_reset(&out);
		assert_null(scram_final(&s, challenge, sizeof(challenge) - 1, &password, &out));
		assert_memory_equal(out.data, rows[i].coded, strlen(rows[i].coded));
		buf_free(&out);
		buf_free(&channel);
		buf_wipe(&password);
		scram_wipe(&s);
	}
}

static void
challenges_not_answered(void **state)
{
	static const char *const rows[] = {
		"", "r", "r=", "r=" NONCE ",s=QQ==,i=4096" /* nothing of its own */, "r=other,s=QQ==,i=4096", "r=FYKO+d2lbbFgONRv9qkxdawLx,s=QQ==,i=4096",
		"m=must,r=" NONCE "x,s=QQ==,i=4096", "s=QQ==,r=" NONCE "x,i=4096", "r=" NONCE "x,s=,i=4096", "r=" NONCE "x,s=Q,i=4096", "r=" NONCE "x,s=Q Q=,i=4096",
		"r=" NONCE "x,s=QQ==", "r=" NONCE "x,s=QQ==,i=", "r=" NONCE "x,s=QQ==,i=0", "r=" NONCE "x,s=QQ==,i=4095", "r=" NONCE "x,s=QQ==,i=-1", "r=" NONCE "x,s=QQ==,i=01",
		"r=" NONCE "x,s=QQ==,i=1000001", "r=" NONCE "x,s=QQ==,i=99999999999999999999", "r=" NONCE "x,s=QQ==,i=4096x", "r=" NONCE "x,i=4096,s=QQ==",
		"e=other-error", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scram s;
		struct buf out = {0}, password;

		add_password(&password, "pencil");
		scram_first(&s, SCRAM_SHA_1, SCRAM_NOT_BOUND, NULL, NULL, "user", NULL, NONCE, &out);
		buf_reset(&out);
		if (scram_final(&s, rows[i], strlen(rows[i]), &password, &out) == NULL)
			fail_msg("\"%s\" was answered: %s", rows[i], out.data);
		assert_int_equal(out.len, 0);
		assert_non_null(scram_final(&s, "r=" NONCE "x\0,s=QQ==,i=4096", 43, &password, &out));
		buf_free(&out);
		buf_wipe(&password);
		scram_wipe(&s);
	}
}

/* An extension behind what is known is not looked at; errors of the server are told. */
static void
extensions_and_errors(void **state)
{
	static const char challenge[] = "r=" NONCE "x,s=QQ==,i=4096,x=new,y=";
	struct scram s;
	struct buf out = {0}, password;
	char error[16];

	(void)state;
	add_password(&password, "pencil");
	scram_first(&s, SCRAM_SHA_1, SCRAM_NOT_BOUND, NULL, NULL, "user", NULL, NONCE, &out);
	assert_null(scram_final(&s, challenge, sizeof(challenge) - 1, &password, &out));
	assert_int_equal(scram_verify(&s, "e=unknown-user", 14, error, sizeof(error)), 0);
	assert_string_equal(error, "unknown-user");
	assert_int_equal(scram_verify(&s, "e=invalid-username-encoding,x=1", 31, error, sizeof(error)), 0);
	assert_string_equal(error, "invalid-usernam");
	assert_int_equal(scram_verify(&s, "", 0, error, sizeof(error)), -1);
	assert_int_equal(scram_verify(&s, "v=", 2, error, sizeof(error)), -1);
	assert_int_equal(scram_verify(&s, "v", 1, error, sizeof(error)), -1);
	buf_free(&out);
	buf_wipe(&password);
	scram_wipe(&s);
}

/* Each exchange has a nonce of its own. */
static void
nonces(void **state)
{
	struct scram a, b;
	struct buf out = {0};

	(void)state;
	scram_first(&a, SCRAM_SHA_256, SCRAM_NOT_BOUND, NULL, NULL, "user", NULL, NULL, &out);
	scram_first(&b, SCRAM_SHA_256, SCRAM_NOT_BOUND, NULL, NULL, "user", NULL, NULL, &out);
	assert_int_equal(strlen(a.nonce), 32);
	assert_string_not_equal(a.nonce, b.nonce);
	assert_null(strpbrk(a.nonce, ",= "));
	buf_free(&out);
	scram_wipe(&a);
	scram_wipe(&b);
}

static void
base64(void **state)
{
	static const struct { const char *coded; int len; const char *octets; } rows[] = {
		{"", 0, ""}, {"QQ==", 1, "A"}, {"QUI=", 2, "AB"}, {"QUJD", 3, "ABC"}, {"AAEC", 3, "\0\1\2"}, {"//79", 3, "\377\376\375"},
		{"Q", -1, ""}, {"QQ=", -1, ""}, {"QQ", -1, ""}, {"Q===", -1, ""}, {"====", -1, ""}, {"QQ==QQ==", -1, ""}, {" QQ=", -1, ""},
		{"QQ=\n", -1, ""}, {"Q-_=", -1, ""}, {"=QQQ", -1, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf octets = {0}, coded = {0};

		assert_int_equal(base64_decode(&octets, rows[i].coded, strlen(rows[i].coded)), rows[i].len < 0 ? -1 : 0);
		if (rows[i].len >= 0) {
			assert_int_equal(octets.len, rows[i].len);
			assert_memory_equal(buf_str(&octets), rows[i].octets, octets.len);
			base64_encode(&coded, rows[i].octets, (size_t)rows[i].len);
			assert_string_equal(buf_str(&coded), rows[i].coded);
		}
		buf_free(&octets);
		buf_free(&coded);
	}
}

static int
load_openssl(void **state)
{
	struct outcome o;

	(void)state;
	return openssl_load(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples), cmocka_unit_test(headers), cmocka_unit_test(challenges_not_answered),
		cmocka_unit_test(extensions_and_errors), cmocka_unit_test(nonces), cmocka_unit_test(base64),
	};

	return cmocka_run_group_tests(tests, load_openssl, NULL);
}
