/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/prefixset.h"

#include <string.h>

static void change(struct prefixset *s, const char *text)
{
	struct ipprefix p;

	assert_int_equal(ipprefix_parse(&p, text + 1), 0);
	if (text[0] == '+')
		prefixset_add(s, &p);
	else
		prefixset_remove(s, &p);
}

static void expect(const struct prefixset *s, const char *want)
{
	char got[4096] = "", one[IPPREFIX_STRLEN];

	for (size_t i = 0; i < s->n; i++) {
		strncat(got, i ? " " : "", sizeof(got) - strlen(got) - 1);
		strncat(got, ipprefix_str(&s->v[i], one),
			sizeof(got) - strlen(got) - 1);
	}
	assert_string_equal(got, want);
}

static void unites_and_joins(void **state)
{
	struct prefixset s = { 0 };

	(void)state;
	change(&s, "+10.244.1.0/24");
	change(&s, "+10.96.0.0/12");
	change(&s, "+10.96.3.0/24");
	expect(&s, "10.96.0.0/12 10.244.1.0/24");
	change(&s, "+10.244.0.0/24");
	expect(&s, "10.96.0.0/12 10.244.0.0/23");
	change(&s, "+10.0.0.0/8");
	change(&s, "+fd00::/64");
	expect(&s, "10.0.0.0/8 fd00::/64");
	change(&s, "+0.0.0.0/0");
	expect(&s, "0.0.0.0/0 fd00::/64");
	prefixset_fini(&s);
}

static void takes_out_addresses_and_ranges(void **state)
{
	struct prefixset s = { 0 };
	struct ipaddr a;

	(void)state;
	change(&s, "+10.0.0.0/29");
	change(&s, "-10.0.0.1");
	expect(&s, "10.0.0.0/32 10.0.0.2/31 10.0.0.4/30");
	assert_int_equal(ipaddr_parse(&a, "10.0.0.1"), 0);
	assert_false(prefixset_has(&s, &a));
	change(&s, "+10.0.0.1");
	expect(&s, "10.0.0.0/29");
	change(&s, "-192.168.0.0/16");
	expect(&s, "10.0.0.0/29");
	change(&s, "-10.0.0.0/8");
	expect(&s, "");
	prefixset_fini(&s);
}

static void sees_overlaps(void **state)
{
	struct prefixset s = { 0 };
	struct ipprefix p;

	(void)state;
	change(&s, "+10.96.0.0/12");
	assert_int_equal(ipprefix_parse(&p, "10.0.0.0/8"), 0);
	assert_true(prefixset_overlaps(&s, &p));
	assert_int_equal(ipprefix_parse(&p, "10.97.1.1"), 0);
	assert_true(prefixset_overlaps(&s, &p));
	assert_int_equal(ipprefix_parse(&p, "10.112.0.0/16"), 0);
	assert_false(prefixset_overlaps(&s, &p));
	prefixset_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unites_and_joins),
		cmocka_unit_test(takes_out_addresses_and_ranges),
		cmocka_unit_test(sees_overlaps),
	};

	return cmocka_run_group_tests_name("prefixset", tests, NULL, NULL);
}
