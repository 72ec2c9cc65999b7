/*
 * URLs of a configuration: what is one, in its parts, and what is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "url.h"

static void
good(void **state)
{
	static const struct { const char *text; bool proxy; const char *host; unsigned port; const char *path; } cases[] = {
		{"https://login.example.com/a/b?c=d", false, "login.example.com", 443, "/a/b?c=d"}, {"HTTPS://x", false, "x", 443, "/"}, {"https://x:8443/", false, "x", 8443, "/"},
		{"https://127.0.0.1:1/t", false, "127.0.0.1", 1, "/t"}, {"https://[::1]:65535/t", false, "::1", 65535, "/t"}, {"https://[2001:db8::1]", false, "2001:db8::1", 443, "/"},
		{"http://proxy.example.com:3128", true, "proxy.example.com", 3128, "/"}, {"http://proxy", true, "proxy", 3128, "/"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct url u;

		if (!url_parse(&u, cases[i].text, cases[i].proxy) || strcmp(u.host, cases[i].host) != 0 || u.port != cases[i].port || strcmp(u.path, cases[i].path) != 0)
			fail_msg("%s: %s %u %s", cases[i].text, u.host, (unsigned)u.port, u.path);
	}
}

static void
bad(void **state)
{
	static const char *const none[] = {
		"", "x", "http://x/", "https://", "https:///x", "https://a@x/", "https://a:b@x/", "https://x#y", "https://x/#y", "https://x:0/", "https://x:65536/", "https://x:/", "https://x:+1/",
		"https://x:01/", "https://x y/", "https://x/\ty", "https://x/\r\nHost: y", "https://[::1", "https://[::1]x/", "https://\303\244/", "https://x?y", "ftp://x/", "https://x\"/",
	};
	char longer[2000];
	struct url u;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (url_parse(&u, none[i], false))
			fail_msg("%s is taken", none[i]);
	assert_false(url_parse(&u, "https://x", true));
	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	memcpy(longer, "https://", 8);
	assert_false(url_parse(&u, longer, false));
	longer[10] = '/';
	assert_false(url_parse(&u, longer, false));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(bad)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
