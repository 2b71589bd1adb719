/* SPDX-License-Identifier: Apache-2.0 */
/* A shadow's events: which are new, and how many are missing. */
#include "test.h"

#include "tunnel/watched.h"

static void take(struct watched *w, uint64_t seq, bool is_new, uint64_t missing)
{
	struct event ev = { .seq = seq, .when = 1 };
	uint64_t missed;

	assert_int_equal(watched_take(w, &ev, &missed), is_new);
	assert_int_equal(missed, missing);
	/* by that it is known when another session tells of it as well */
	assert_string_equal(ev.shadow, is_new ? w->id : "");
}

static void what_is_missing_is_counted(void **state)
{
	struct watched w = { 0 };

	(void)state;
	take(&w, 1, false, 0); /* nobody has said whose it is */
	assert_true(watched_begin(&w, "a", "5"));
	take(&w, 1, true, 0);
	take(&w, 2, true, 0);
	take(&w, 2, false, 0);
	take(&w, 5, true, 2);
	/* the same one tells again what it has */
	assert_true(watched_begin(&w, "a", "6"));
	take(&w, 4, false, 0);
	take(&w, 9, true, 3);
}

/* It has told of more than it keeps before anybody asked */
static void what_was_before_the_first_is_missing(void **state)
{
	struct watched w = { 0 };

	(void)state;
	assert_true(watched_begin(&w, "a", "5"));
	take(&w, 101, true, 100);
	assert_true(watched_begin(&w, "b", "5"));
	take(&w, 1, true, 0);
	assert_true(watched_begin(&w, "c", "5"));
	take(&w, 3, true, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_missing_is_counted),
		cmocka_unit_test(what_was_before_the_first_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
