/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "kube/proxy.h"

#include <stdlib.h>
#include <string.h>

static void parses_hosts(void **state)
{
	struct url_host u;

	(void)state;
	assert_int_equal(url_host_parse(&u, "https://api.x:6443/k8s/c"), 0);
	assert_string_equal(u.host, "api.x");
	assert_int_equal(u.port, 6443);
	assert_true(u.tls);
	assert_int_equal(url_host_parse(&u, "http://[fd00::1]"), 0);
	assert_string_equal(u.host, "fd00::1");
	assert_int_equal(u.port, 80);
	assert_false(u.tls);
	assert_int_equal(url_host_parse(&u, "socks5h://p"), 0);
	assert_int_equal(u.port, 1080);
	assert_true(url_host_parse(&u, "https://") < 0);
}

static void matches_no_proxy(void **state)
{
	(void)state;
	assert_true(no_proxy_match("*", "x", 1));
	assert_true(no_proxy_match("a, b.c", "b.c", 1));
	assert_true(no_proxy_match("b.c", "a.b.c", 1));
	assert_false(no_proxy_match("b.c", "ab.c", 1));
	assert_true(no_proxy_match(".b.c", "a.b.c", 1));
	assert_false(no_proxy_match(".b.c", "b.c", 1));
	assert_true(no_proxy_match("*.b.c", "a.b.c", 1));
	assert_true(no_proxy_match("10.0.0.0/8", "10.2.3.4", 1));
	assert_false(no_proxy_match("10.0.0.0/8", "11.2.3.4", 1));
	assert_true(no_proxy_match("fd00::/8", "fd00::1", 1));
	assert_true(no_proxy_match("fd00::1", "fd00::1", 1));
	assert_true(no_proxy_match("x:443", "x", 443));
	assert_false(no_proxy_match("x:443", "x", 80));
	assert_true(no_proxy_match("[fd00::1]:443", "fd00::1", 443));
	assert_false(no_proxy_match("", "x", 1));
}

static void check(const char *server, const char *explicit_url,
		  const char *want)
{
	auto_free char *got = proxy_for(server, explicit_url);

	if (want)
		assert_string_equal(got, want);
	else
		assert_null(got);
}

static void chooses_a_proxy(void **state)
{
	(void)state;
	setenv("HTTPS_PROXY", "http://p:3128", 1);
	setenv("http_proxy", "q:80", 1);
	unsetenv("HTTP_PROXY");
	setenv("NO_PROXY", "10.0.0.0/8,.corp", 1);
	check("https://api.example", NULL, "http://p:3128");
	check("http://api.example", NULL, "http://q:80");
	check("https://10.1.1.1:6443", NULL, NULL);
	check("https://api.corp", NULL, NULL);
	check("https://127.0.0.1:6443", NULL, NULL);
	check("https://localhost:6443", NULL, NULL);
	check("https://[::1]:6443", NULL, NULL);
	check("https://10.1.1.1", "socks5://s:1", "socks5h://s:1");
	unsetenv("HTTPS_PROXY");
	unsetenv("https_proxy");
	check("https://api.example", NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_hosts),
		cmocka_unit_test(matches_no_proxy),
		cmocka_unit_test(chooses_a_proxy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
