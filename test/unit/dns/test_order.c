/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "dns/order.h"

#include <errno.h>
#include <string.h>

#define TOO_MANY                                                               \
	"1.1.1.1,2.2.2.2,3.3.3.3,4.4.4.4,5.5.5.5,6.6.6.6,7.7.7.7,8.8.8.8,::9"

/* an item said again: "udp upstream :0", "any 10.0.0.1:53" */
static void describe(const struct dns_source *s, char *out, size_t n)
{
	static const char *const proto[] = { "any", "udp", "tcp" };
	char addr[IPPORT_STRLEN];

	if (s->via == DNS_VIA_CLUSTER)
		snprintf(out, n, "cluster");
	else if (s->via == DNS_VIA_UPSTREAM)
		snprintf(out, n, "%s upstream %d", proto[s->proto],
			 s->addr.port);
	else
		snprintf(out, n, "%s %s", proto[s->proto],
			 ipport_str(&s->addr, addr));
}

static void reads_items(void **state)
{
	static const char *const good[][2] = {
		{ "cluster", "cluster" },
		{ "upstream", "any upstream 0" },
		{ "tcp:upstream", "tcp upstream 0" },
		{ "udp:upstream", "udp upstream 0" },
		{ "upstream:5353", "any upstream 5353" },
		{ "tcp:upstream:5353", "tcp upstream 5353" },
		{ "10.0.0.2", "any 10.0.0.2:53" },
		{ "10.0.0.2:5353", "any 10.0.0.2:5353" },
		{ "udp:10.0.0.2", "udp 10.0.0.2:53" },
		{ "tcp:10.0.0.2:5353", "tcp 10.0.0.2:5353" },
		{ "2001:db8::1", "any [2001:db8::1]:53" },
		{ "[2001:db8::1]", "any [2001:db8::1]:53" },
		{ "tcp:[2001:db8::1]:54", "tcp [2001:db8::1]:54" },
		{ " cluster ", "cluster" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct kt_error err = { 0 };
		struct dns_order o;
		char text[80];

		assert_int_equal(dns_order_parse(&o, good[i][0], &err), 0);
		assert_int_equal(o.n, 1);
		describe(&o.v[0], text, sizeof(text));
		assert_string_equal(text, good[i][1]);
	}
}

static void refuses_bad_items(void **state)
{
	static const char *const bad[] = {
		"",
		"clutser",
		"tcp:cluster",
		"upstream:",
		"upstream:0",
		"upstream:65536",
		"upstream:x",
		"10.0.0.256",
		"10.0.0.2:",
		"10.0.0.2:x",
		"10.0.0.2:0",
		"http:10.0.0.2",
		"[10.0.0.2]",
		"[2001:db8::1",
		"[2001:db8::1]53",
		"tcp:",
		"tcp:udp:1.2.3.4",
		"cluster,cluster",
		"1.2.3.4,foo",
		"1.2.3.4,1.2.3.4:53",
		TOO_MANY,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct kt_error err = { 0 };
		struct dns_order o;

		assert_int_equal(dns_order_parse(&o, bad[i], &err), -EINVAL);
		assert_true(str_starts(err.msg, "dnsMode: "));
	}
}

static void keeps_the_order(void **state)
{
	struct kt_error err = { 0 };
	struct dns_order o;

	(void)state;
	assert_int_equal(dns_order_parse(&o, "1.1.1.1,upstream,cluster", &err),
			 0);
	assert_int_equal(o.n, 3);
	assert_int_equal(o.v[0].via, DNS_VIA_ADDR);
	assert_int_equal(o.v[1].via, DNS_VIA_UPSTREAM);
	assert_int_equal(o.v[2].via, DNS_VIA_CLUSTER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_items),
		cmocka_unit_test(refuses_bad_items),
		cmocka_unit_test(keeps_the_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
