/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/memlimit.h"

static void reads_what_the_kernel_writes(void **state)
{
	(void)state;
	assert_int_equal(memlimit_parse("33554432\n"), 33554432);
	assert_int_equal(memlimit_parse("33554432"), 33554432);
	assert_int_equal(memlimit_parse("max\n"), 0);
	assert_int_equal(memlimit_parse(""), 0);
	assert_int_equal(memlimit_parse("-5\n"), 0);
	assert_int_equal(memlimit_parse("12 apples"), 0);
	assert_int_equal(memlimit_parse("99999999999999999999999\n"), 0);
	/* no limit in cgroups 1 */
	assert_int_equal(memlimit_parse("9223372036854771712\n"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_the_kernel_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
