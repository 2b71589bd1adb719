/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/memtrim.h"

static struct memtrim m;
static uint64_t bytes;

static bool look(uint64_t moved)
{
	bytes += moved;
	return memtrim_due(&m, bytes);
}

static void at_the_end_of_a_busy_time(void **state)
{
	(void)state;
	m = (struct memtrim){ 0 };
	bytes = 0;
	assert_false(look(0));
	assert_false(look(10 << 20));
	assert_false(look(200 << 10));
	assert_true(look(0));
	assert_false(look(0));
	/* also a little one */
	assert_false(look(70000));
	assert_true(look(0));
	assert_false(look(0));
}

static void while_a_little_always_moves(void **state)
{
	(void)state;
	m = (struct memtrim){ 0 };
	bytes = 0;
	assert_false(look(50 << 20));
	assert_true(look(1000));
	/* not for that alone, until it is much */
	for (int i = 0; i < 1000; i++)
		assert_false(look(1000));
	for (int i = 0; i < 40; i++)
		assert_false(look(1000));
	assert_int_equal(m.since, 1040000);
	assert_false(look(8000));
	assert_true(look(8000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_the_end_of_a_busy_time),
		cmocka_unit_test(while_a_little_always_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
