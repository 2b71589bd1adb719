/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/loop.h"
#include "inbound/settle.h"

static void ten_seconds_at_least(void **state)
{
	struct settle s;

	(void)state;
	settle_begin(&s, 5 * NS_SEC, 7);
	assert_false(settle_is_over(&s, 5 * NS_SEC, 7));
	assert_false(settle_is_over(&s, 10 * NS_SEC, 9));
	assert_false(settle_is_over(&s, 15 * NS_SEC - 1, 9));
	assert_true(settle_is_over(&s, 15 * NS_SEC, 9));
}

/* A node that is later than that leads callers here still */
static void as_long_as_somebody_comes(void **state)
{
	struct settle s;
	size_t came = 0;

	(void)state;
	settle_begin(&s, 0, 0);
	for (int64_t at = 0; at < 20 * NS_SEC; at += 2 * NS_SEC)
		assert_false(settle_is_over(&s, at, ++came));
	assert_false(settle_is_over(&s, 20 * NS_SEC, came));
	assert_true(settle_is_over(&s, 21 * NS_SEC, came));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_seconds_at_least),
		cmocka_unit_test(as_long_as_somebody_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
