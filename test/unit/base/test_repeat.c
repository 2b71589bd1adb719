/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/loop.h"
#include "base/repeat.h"

static void once_then_a_count(void **state)
{
	struct repeat r = { 0 };
	int told = 0, times = 0;

	(void)state;
	/* every 3 s for half an hour */
	for (int64_t s = 0; s <= 1800; s += 3) {
		int more = repeat_due(&r, "it fails", s * NS_SEC);

		if (more < 0)
			continue;
		told++;
		times += more + 1;
	}
	/* at 0, 1, 3, 7, 15 and 25 minutes */
	assert_int_equal(told, 6);
	assert_int_equal(times, 1500 / 3 + 1);
}

static void other_words_are_told(void **state)
{
	struct repeat r = { 0 };

	(void)state;
	assert_int_equal(repeat_due(&r, "a", NS_SEC), 0);
	assert_int_equal(repeat_due(&r, "a", 2 * NS_SEC), -1);
	assert_int_equal(repeat_due(&r, "b", 3 * NS_SEC), 0);
	assert_int_equal(repeat_due(&r, "b", 4 * NS_SEC), -1);
	repeat_over(&r);
	assert_int_equal(repeat_due(&r, "b", 5 * NS_SEC), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once_then_a_count),
		cmocka_unit_test(other_words_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
