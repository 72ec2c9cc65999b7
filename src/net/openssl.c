/*
 * OpenSSL, loaded when it is first needed. See openssl.h.
 *
 * Never unloaded, and not tidied up at the end of the program: that costs, and nothing is left to be done then.
 */
#define OPENSSL_NAMES_ONLY
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <sysexits.h>
#include "net/openssl.h"

#define STRING(x)	STRING_OF(x)
#define STRING_OF(x)	#x
#ifdef __APPLE__
#define LIBRARY	"libssl." STRING(OPENSSL_SHLIB_VERSION) ".dylib"
#else
#define LIBRARY	"libssl.so." STRING(OPENSSL_SHLIB_VERSION)
#endif

struct openssl openssl;

static const char *const names[] = {
#define NAME(name) #name,
	OPENSSL_FUNCTIONS(NAME)
#undef NAME
};

static char trouble[200];	/* why it cannot be used, or "" */

static void
note_trouble(const char *why)
{
	(void)snprintf(trouble, sizeof(trouble), "%s", why != NULL ? why : "no reason is given");
}

static void
load(void)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL), **member = (void **)(void *)&openssl;

	if (library == NULL) {
		note_trouble(dlerror());
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((member[i] = dlsym(library, names[i])) == NULL) {	/* libcrypto comes with libssl */
			note_trouble(dlerror());
			return;
		}
	if (openssl.OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_NO_LOAD_SSL_STRINGS, NULL) != 1)
		note_trouble("it cannot be initialised");
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
