/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/loop.h"
#include "base/ratelim.h"

#include <stdint.h>

#define MS ((int64_t)1000000)

static void a_burst_and_then_a_rate(void **state)
{
	struct ratelim r;

	(void)state;
	ratelim_init(&r, 10, 100); /* one in 10 ms */
	for (int i = 0; i < 10; i++)
		assert_true(ratelim_take(&r, NS_SEC, 1));
	assert_false(ratelim_take(&r, NS_SEC, 1));
	assert_false(ratelim_take(&r, NS_SEC + 9 * MS, 1));
	assert_true(ratelim_take(&r, NS_SEC + 10 * MS, 1));
	assert_false(ratelim_take(&r, NS_SEC + 10 * MS, 1));
	assert_true(ratelim_take(&r, NS_SEC + 30 * MS, 2));
	assert_false(ratelim_take(&r, NS_SEC + 30 * MS, 1));
}

/* who asks often gains no less */
static void parts_of_a_token_add_up(void **state)
{
	struct ratelim r;
	int taken = 0;

	(void)state;
	ratelim_init(&r, 1, 100);
	assert_true(ratelim_take(&r, NS_SEC, 1));
	for (int i = 1; i <= 1000; i++)
		taken += ratelim_take(&r, NS_SEC + i * MS, 1);
	assert_int_equal(taken, 100);
}

static void never_more_than_the_burst(void **state)
{
	struct ratelim r;

	(void)state;
	ratelim_init(&r, 10, 1000);
	assert_true(ratelim_take(&r, 0, 10));
	assert_false(ratelim_take(&r, INT64_MAX, 11));
	assert_true(ratelim_take(&r, INT64_MAX, 10));
	assert_false(ratelim_take(&r, INT64_MAX, 1));
	/* a clock that stands still, or goes back, gives nothing */
	assert_false(ratelim_take(&r, 0, 1));
}

/* too much for what is left: nothing is taken */
static void all_or_nothing(void **state)
{
	struct ratelim r;

	(void)state;
	ratelim_init(&r, 10, 1);
	assert_true(ratelim_take(&r, 0, 8));
	assert_false(ratelim_take(&r, 0, 3));
	assert_true(ratelim_take(&r, 0, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_and_then_a_rate),
		cmocka_unit_test(parts_of_a_token_add_up),
		cmocka_unit_test(never_more_than_the_burst),
		cmocka_unit_test(all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
