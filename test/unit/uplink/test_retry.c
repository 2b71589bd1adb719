/* SPDX-License-Identifier: Apache-2.0 */
/* When a lost carrier is tried again, and how long a try may take. */
#include "test.h"

#include "base/loop.h"
#include "base/mem.h"
#include "uplink/retry.h"

static void pauses_grow_and_differ(void **state)
{
	int64_t before = 0;

	(void)state;
	for (unsigned int failures = 1; failures < 40; failures++) {
		int64_t low = retry_pause(failures, 0);
		int64_t high = retry_pause(failures, 1023);

		assert_true(low >= RETRY_MIN);
		assert_true(high <= RETRY_MAX);
		assert_true(low < high);
		assert_true(retry_pause(failures, 511) > low);
		assert_true(retry_pause(failures, 511) < high);
		assert_true(high >= before);
		before = high;
	}
	assert_int_equal(retry_pause(1, 0), 50 * NS_MS);
	assert_int_equal(before, 3 * NS_SEC);
	assert_true(retry_pause(0, 7) >= RETRY_MIN);
}

static void tries_are_short_at_first(void **state)
{
	bool whole = false;

	(void)state;
	for (unsigned int failures = 0; failures < 9; failures++) {
		int64_t ns = retry_patience(failures, 10 * NS_SEC);

		assert_true(ns >= 2 * NS_SEC && ns <= 8 * NS_SEC);
		assert_int_equal(retry_patience(failures, NS_SEC), NS_SEC);
		whole |= ns == 8 * NS_SEC;
	}
	assert_true(whole); /* for a way that is slow */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pauses_grow_and_differ),
		cmocka_unit_test(tries_are_short_at_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
