/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/slice.h"

static const struct slice none = { NULL, 0 };

static void compares(void **state)
{
	struct slice s = slice_make("Host: x", 4);

	(void)state;
	assert_true(slice_is(s, "Host"));
	assert_false(slice_is(s, "host"));
	assert_false(slice_is(s, "Hos"));
	assert_false(slice_is(s, "Host:"));
	assert_true(slice_is_nocase(s, "hOST"));
	assert_false(slice_is_nocase(s, "hOS"));
	assert_true(slice_starts(s, "Ho"));
	assert_true(slice_starts(s, ""));
	assert_false(slice_starts(s, "Host:"));
	assert_true(slice_is(none, ""));
	assert_true(slice_is_nocase(none, ""));
	assert_true(slice_starts(none, ""));
	assert_false(slice_starts(none, "a"));
	assert_false(slice_is(slice_make("a\0b", 3), "a"));
}

static void trims(void **state)
{
	(void)state;
	assert_true(slice_is(slice_trim(slice_of(" \t a b\t ")), "a b"));
	assert_true(slice_is(slice_trim(slice_of(" \t ")), ""));
	assert_true(slice_is(slice_trim(none), ""));
	/* a line's end is no blank */
	assert_true(slice_is(slice_trim(slice_of("\na\r ")), "\na\r"));
}

static void cuts(void **state)
{
	struct slice s = slice_of("a,,b"), head = slice_of("as before");

	(void)state;
	assert_true(slice_cut(&s, ',', &head));
	assert_true(slice_is(head, "a") && slice_is(s, ",b"));
	assert_true(slice_cut(&s, ',', &head));
	assert_true(slice_is(head, "") && slice_is(s, "b"));
	assert_false(slice_cut(&s, ',', &head));
	assert_true(slice_is(head, "") && slice_is(s, "b"));
	assert_true(slice_is(slice_next(&s, ','), "b"));
	assert_int_equal(s.n, 0);
	assert_true(slice_is(slice_next(&s, ','), ""));
	s = none;
	assert_false(slice_cut(&s, ',', &head));
	s = slice_of("k=v=w");
	assert_true(slice_is(slice_next(&s, '='), "k"));
	assert_true(slice_is(s, "v=w"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares),
		cmocka_unit_test(trims),
		cmocka_unit_test(cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
