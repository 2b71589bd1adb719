/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "cluster/cidr.h"

#include <string.h>

static void expect(struct prefixset *s, const char *want)
{
	char got[1024] = "", one[IPPREFIX_STRLEN];

	for (size_t i = 0; i < s->n; i++) {
		strncat(got, i ? " " : "", sizeof(got) - strlen(got) - 1);
		strncat(got, ipprefix_str(&s->v[i], one),
			sizeof(got) - strlen(got) - 1);
	}
	assert_string_equal(got, want);
	prefixset_fini(s);
}

static size_t addrs(const char *text, struct ipaddr out[16])
{
	struct strv v = strv_split(text, ' ');
	size_t n = v.n;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(ipaddr_parse(&out[i], v.v[i]), 0);
	strv_fini(&v);
	return n;
}

static void reads_the_servers_complaint(void **state)
{
	struct prefixset s = { 0 };

	(void)state;
	assert_int_equal(
		cidr_parse_valid_range(
			"Service \"x\" is invalid: spec.clusterIP: Invalid "
			"value: \"192.0.2.1\": provided IP is not in the valid "
			"range. The range of valid IPs is 10.96.0.0/12",
			&s),
		1);
	expect(&s, "10.96.0.0/12");
	assert_int_equal(cidr_parse_valid_range("The range of valid IPs is "
						"fd00:96::/112. more",
						&s),
			 1);
	expect(&s, "fd00:96::/112");
	assert_int_equal(
		cidr_parse_valid_range("The range of valid IPs is ", &s), 0);
	assert_int_equal(cidr_parse_valid_range("The range of valid IPs is "
						"99999999999999999999999999999"
						"99999999999999999999999999999",
						&s),
			 0);
	assert_int_equal(cidr_parse_valid_range("forbidden", &s), 0);
	prefixset_fini(&s);
}

static void guess(const char *seen, const char *first, const char *want)
{
	struct ipaddr v[16], f = { 0 };
	struct prefixset s = { 0 };
	size_t n = addrs(seen, v);

	if (*first)
		assert_int_equal(ipaddr_parse(&f, first), 0);
	cidr_guess_services(v, n, &f, &s);
	expect(&s, want);
}

static void guesses_service_ranges(void **state)
{
	(void)state;
	/* kubeadm: the first address and the name server are enough */
	guess("10.96.0.10", "10.96.0.1", "10.96.0.0/12");
	guess("10.0.0.10", "10.0.0.1", "10.0.0.0/16");
	guess("10.0.0.10 10.3.5.6", "10.0.0.1", "10.0.0.0/14");
	/* the range begins at the first address: alignment bounds it */
	guess("34.118.224.10", "34.118.224.1", "34.118.224.0/19");
	guess("10.43.0.10", "", "10.43.0.0/16");
	guess("fd00:96::a", "fd00:96::1", "fd00:96::/112");
	guess("10.96.0.10 fd00:96::a", "10.96.0.1",
	      "10.96.0.0/12 fd00:96::/112");
	guess("", "", "");
}

static void guesses_pod_ranges(void **state)
{
	static const struct {
		const char *seen, *want;
	} row[] = {
		{ "10.244.0.5 10.244.0.9", "10.244.0.0/24" },
		{ "10.244.0.5 10.244.7.9", "10.244.0.0/16" },
		{ "10.244.0.5 10.1.7.9", "10.1.7.0/24 10.244.0.0/24" },
		{ "fd00:244::5", "fd00:244::/64" },
		{ "fd00:244::5 fd00:244:0:1::5", "fd00:244::/48" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct prefixset s = { 0 };
		struct ipaddr v[16];
		size_t n = addrs(row[i].seen, v);

		cidr_guess_pods(v, n, &s);
		expect(&s, row[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_servers_complaint),
		cmocka_unit_test(guesses_service_ranges),
		cmocka_unit_test(guesses_pod_ranges),
	};

	return cmocka_run_group_tests_name("cidr", tests, NULL, NULL);
}
