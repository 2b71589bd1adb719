/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "shadow/budget.h"

#define MIB ((size_t)1 << 20)

static size_t take(struct budget *b, struct session_config *cfg)
{
	*cfg = session_config_default();
	session_config_limit(cfg, 64 * MIB);
	return budget_take(b, cfg, 1);
}

/* 256 sessions, as many as there may be, hold no more than the total and the
 * least for each */
static void all_are_bounded(void **state)
{
	struct session_config cfg;
	struct budget b;
	size_t held = 0, first, before = 0;

	(void)state;
	budget_init(&b, 64 * MIB);
	first = take(&b, &cfg);
	assert_int_equal(first, 24 * MIB); /* all that it wants */
	assert_int_equal(cfg.buffers, 64 * MIB);
	held = first;
	before = first;
	for (int i = 1; i < 256; i++) {
		size_t got = take(&b, &cfg);

		assert_in_range(got, BUDGET_LEAST, before);
		assert_true(cfg.buffers / 4 + cfg.replay_max <= got);
		assert_true(cfg.inflight_max <= cfg.replay_max);
		held += got;
		before = got;
	}
	assert_true(b.told);
	assert_int_equal(b.taken, held);
	assert_true(held <= 64 * MIB + 256 * BUDGET_LEAST);
}

/* whom to give up for others is decided by what that brings */
static void what_would_be_enough_is_known(void **state)
{
	struct budget b;

	(void)state;
	budget_init(&b, 64 * MIB);
	b.taken = 70 * MIB; /* the least is more than there is */
	assert_true(budget_is_short(&b));
	assert_true(budget_is_short_without(&b, 0));
	assert_true(budget_is_short_without(&b, 7 * MIB));
	assert_false(budget_is_short_without(&b, 8 * MIB));
	assert_false(budget_is_short_without(&b, 80 * MIB));
	assert_int_equal(b.taken, 70 * MIB);
}

static void what_is_given_back_is_had_again(void **state)
{
	struct session_config cfg;
	struct budget b;
	size_t a, c;

	(void)state;
	budget_init(&b, 64 * MIB);
	a = take(&b, &cfg);
	c = take(&b, &cfg);
	assert_true(c < a);
	budget_give(&b, c);
	budget_give(&b, a);
	assert_int_equal(b.taken, 0);
	assert_int_equal(take(&b, &cfg), a);
}

/* who wants little gets that */
static void the_small_are_not_padded(void **state)
{
	struct session_config cfg = session_config_default();
	struct budget b;

	(void)state;
	budget_init(&b, 1 * MIB);
	cfg.buffers = 512 << 10;
	cfg.replay_max = 64 << 10;
	assert_int_equal(budget_take(&b, &cfg, 1), (128 + 64) << 10);
	assert_int_equal(cfg.buffers, 512 << 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_bounded),
		cmocka_unit_test(what_would_be_enough_is_known),
		cmocka_unit_test(what_is_given_back_is_had_again),
		cmocka_unit_test(the_small_are_not_padded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
