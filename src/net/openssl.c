/*
 * OpenSSL, loaded when it is first needed. See openssl.h.
 *
 * Never unloaded, and not tidied up at the end of the program: that costs, and nothing is left to be done then. Nor are the words of errors and the names of ciphers, a thousand of
 * each, told to it before somebody asks.
 */
#define OPENSSL_NAMES_ONLY
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include "net/openssl.h"

#define STRING(x)	STRING_OF(x)
#define STRING_OF(x)	#x
#ifdef __APPLE__
#define LIBRARY	"libssl." STRING(OPENSSL_SHLIB_VERSION) ".dylib"
#else
#define LIBRARY	"libssl.so." STRING(OPENSSL_SHLIB_VERSION)
#endif

/* Its thousands of symbols are looked for in itself first, which takes half the time; the sanitizers want to be asked before. */
#if defined(RTLD_DEEPBIND) && !defined(SANITIZED)
#define BINDING	(RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)
#else
#define BINDING	(RTLD_NOW | RTLD_LOCAL)
#endif

struct openssl openssl;

static const char *const functions[] = {
#define NAME(name) #name,
	OPENSSL_FUNCTIONS(NAME)
#undef NAME
};

static void *library;
static char trouble[200];	/* why it cannot be used, or "" */

static void
note_trouble(const char *why)
{
	(void)snprintf(trouble, sizeof(trouble), "%s", why != NULL ? why : "no reason is given");
}

static void
load(void)
{
	void **member = (void **)(void *)&openssl;

	library = dlopen(LIBRARY, BINDING);
	if (library == NULL) {
		note_trouble(dlerror());
		return;
	}
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if ((member[i] = dlsym(library, functions[i])) == NULL) {	/* libcrypto comes with libssl */
			note_trouble(dlerror());
			return;
		}
	if (openssl.OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_NO_ADD_ALL_CIPHERS | OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS, NULL) != 1 ||
	    openssl.OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_SSL_STRINGS, NULL) != 1)
		note_trouble("it cannot be initialised");
}

/* Those of the parts that are used. The functions are marked as deprecated, since all words are usually loaded at once. */
static void
load_words(void)
{
	static const char *const parts[] = {"SSL", "X509", "X509V3", "PEM", "ASN1", "EVP", "RSA", "EC", "BIO", "CRYPTO", "OBJ", "BN", "RAND", "DSO", "CONF", "PKCS12", "ERR"};
	char name[40];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int (*load_part)(void);
		void *found;

		(void)snprintf(name, sizeof(name), "ERR_load_%s_strings", parts[i]);
		found = dlsym(library, name);
		memcpy(&load_part, &found, sizeof(load_part));
		if (load_part != NULL)
			(void)load_part();
	}
}

const char *
openssl_reason(unsigned long code)
{
	const char *words = openssl.ERR_reason_error_string(code);

	if (words != NULL)
		return words;
	load_words();
	return openssl.ERR_reason_error_string(code);
}

void
openssl_know_ciphers(void)
{
	static const char *const names[] = {
		"EVP_aes_128_cbc", "EVP_aes_192_cbc", "EVP_aes_256_cbc", "EVP_des_ede3_cbc", "EVP_des_cbc", "EVP_camellia_128_cbc", "EVP_camellia_192_cbc", "EVP_camellia_256_cbc",
		"EVP_aria_128_cbc", "EVP_aria_192_cbc", "EVP_aria_256_cbc", "EVP_seed_cbc", "EVP_idea_cbc", "EVP_bf_cbc", "EVP_cast5_cbc",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const EVP_CIPHER *(*cipher)(void);
		void *found = dlsym(library, names[i]);	/* not all are in each library */

		memcpy(&cipher, &found, sizeof(cipher));
		if (cipher != NULL)
			(void)openssl.EVP_add_cipher(cipher());
	}
}

int
openssl_load(struct outcome *o)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, load);
	if (trouble[0] == '\0')
		return 0;
	return outcome_set(o, EX_PROTOCOL, STAGE_TLS, CAUSE_NO_OPENSSL, trouble, "cannot load OpenSSL (%s)", LIBRARY);
}
