/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "cli/options.h"
#include "run/proxied.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void says(const char *const *want)
{
	auto_strv struct strv got = { 0 };
	struct ipport at;
	size_t n = 0;

	assert_int_equal(ipport_parse(&at, "127.0.0.1:1234"), 0);
	proxied_vars(&got, &at);
	for (; want[n]; n++) {
		assert_true(n < got.n);
		assert_string_equal(got.v[n], want[n]);
	}
	assert_int_equal(got.n, n);
}

#define OF_PROXY                                                               \
	"ALL_PROXY=socks5h://127.0.0.1:1234",                                  \
		"all_proxy=socks5h://127.0.0.1:1234",                          \
		"HTTP_PROXY=http://127.0.0.1:1234",                            \
		"http_proxy=http://127.0.0.1:1234",                            \
		"HTTPS_PROXY=http://127.0.0.1:1234",                           \
		"https_proxy=http://127.0.0.1:1234"
#define NONE "localhost,127.0.0.1,::1"

static void both_spellings_and_what_was_there(void **state)
{
	static const char *const plain[] = { OF_PROXY, "NO_PROXY=" NONE,
					     "no_proxy=" NONE, NULL };
	static const char *const own[] = { OF_PROXY, "NO_PROXY=" NONE ",.corp",
					   "no_proxy=" NONE ",.corp", NULL };

	(void)state;
	unsetenv("NO_PROXY");
	unsetenv("no_proxy");
	says(plain);
	setenv("NO_PROXY", ".corp", 1);
	says(own);
	setenv("NO_PROXY", "other", 1);
	setenv("no_proxy", ".corp", 1);
	says(own);
	unsetenv("NO_PROXY");
	says(own);
}

static void nothing_keeps_a_program_to_it(void **state)
{
	const struct options o = { .run.no_outside = true };
	const struct kt_error why = { 0 };
	struct kt_error err = { 0 };

	(void)state;
	assert_int_equal(proxied_check(NULL, &o, &why, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "--noOutside"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_spellings_and_what_was_there),
		cmocka_unit_test(nothing_keeps_a_program_to_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
