/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/ipaddr.h"

#include <string.h>

static struct ipprefix prefix(const char *s)
{
	struct ipprefix p;

	assert_int_equal(ipprefix_parse(&p, s), 0);
	return p;
}

static void parses_and_prints(void **state)
{
	static const char *const good[] = { "10.0.0.0/8", "0.0.0.0/0",
					    "1.2.3.4/32", "fd00:96::/112",
					    "::/0" };
	static const char *const bad[] = { "", "10.0.0.0/33", "10.0.0/8",
					   "1.2.3.4/", "::/129", "x",
					   "1.2.3.4/-1",
					   /* 45 characters, and more */
					   "0000:0000:0000:0000:0000:ffff:"
					   "255.255.255.255x",
					   "0000:0000:0000:0000:0000:ffff:"
					   "255.255.255.255 and more/8" };
	char buf[IPPREFIX_STRLEN];
	struct ipprefix p;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		p = prefix(good[i]);
		assert_string_equal(ipprefix_str(&p, buf), good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_not_equal(ipprefix_parse(&p, bad[i]), 0);
	p = prefix("10.1.2.3/8");
	assert_string_equal(ipprefix_str(&p, buf), "10.0.0.0/8");
	p = prefix("0000:0000:0000:0000:0000:ffff:255.255.255.255/128");
	assert_int_equal(p.len, 128);
	p = prefix("10.1.2.3");
	assert_int_equal(p.len, 32);
}

static void subtracts(void **state)
{
	struct ipprefix from = prefix("10.96.0.0/12");
	struct ipprefix hole = prefix("10.96.0.1/32");
	struct ipprefix other = prefix("10.244.0.0/16");
	struct ipprefix out[128];
	struct ipaddr a;
	size_t n;

	(void)state;
	n = ipprefix_subtract(&from, &hole, out);
	assert_int_equal(n, 20);
	for (size_t i = 0; i < n; i++) {
		assert_true(ipprefix_covers(&from, &out[i]));
		assert_false(ipprefix_has(&out[i], &hole.addr));
	}
	assert_int_equal(ipaddr_parse(&a, "10.96.0.2"), 0);
	assert_true(ipprefix_has(&out[n - 2], &a) ||
		    ipprefix_has(&out[n - 1], &a));
	assert_int_equal(ipprefix_subtract(&from, &other, out), 1);
	assert_int_equal(ipprefix_subtract(&hole, &from, out), 0);
}

static void ports(void **state)
{
	char buf[IPPORT_STRLEN];
	struct sockaddr_storage ss;
	struct ipport p, q;

	(void)state;
	assert_int_equal(ipport_parse(&p, "1.2.3.4:80"), 0);
	assert_string_equal(ipport_str(&p, buf), "1.2.3.4:80");
	assert_int_equal(ipport_parse(&p, "[fd00::1]:65535"), 0);
	assert_string_equal(ipport_str(&p, buf), "[fd00::1]:65535");
	ipport_to_sockaddr(&p, &ss);
	assert_int_equal(ipport_from_sockaddr(&q, (struct sockaddr *)&ss), 0);
	assert_true(ipport_eq(&p, &q));
	assert_int_not_equal(ipport_parse(&p, "[1.2.3.4]:80"), 0);
	assert_int_not_equal(ipport_parse(&p, "fd00::1:80"), 0);
	assert_int_not_equal(ipport_parse(&p, "1.2.3.4:65536"), 0);
	assert_int_not_equal(ipport_parse(&p, "1.2.3.4"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_and_prints),
		cmocka_unit_test(subtracts),
		cmocka_unit_test(ports),
	};

	return cmocka_run_group_tests_name("ipaddr", tests, NULL, NULL);
}
