/* SPDX-License-Identifier: Apache-2.0 */
/* The table of held SYNs: no kernel, and the test is the clock. */
#include "test.h"

#include "base/mem.h"
#include "net/held.h"

#include <errno.h>
#include <string.h>

#define SEC NS_SEC

static struct ipport at(const char *s)
{
	struct ipport p;

	assert_int_equal(ipport_parse(&p, s), 0);
	return p;
}

static struct held *add(struct held_table *t, uint16_t port, int64_t now)
{
	struct ipport src = at("192.0.2.1:1"), dst = at("10.96.0.1:80");

	src.port = port;
	return held_add(t, &src, &dst, 7, "syn", 3, now);
}

static void test_find(void **state)
{
	struct ipport src = at("192.0.2.1:1"), dst = at("10.96.0.1:80");
	struct ipport other = at("[fd00::1]:1");
	struct held_table t;
	struct held *h;

	(void)state;
	assert_int_equal(held_init(&t, 10), 0);
	assert_null(held_find(&t, &src, &dst));
	h = add(&t, 1, 100);
	assert_ptr_equal(held_find(&t, &src, &dst), h);
	assert_null(held_find(&t, &dst, &src));
	assert_null(held_find(&t, &other, &dst));
	assert_int_equal(h->state, HELD_DIALLING);
	assert_memory_equal(h->syn, "syn", 3);
	held_remove(&t, h);
	assert_null(held_find(&t, &src, &dst));
	assert_int_equal(t.n, 0);
	held_fini(&t);
}

static void test_limits(void **state)
{
	static const uint8_t big[HELD_MAX_SYN + 1];
	struct ipport src = at("192.0.2.1:1"), dst = at("10.96.0.1:80");
	struct held_table t;
	struct held *h;

	(void)state;
	assert_int_equal(held_init(&t, 3), 0);
	assert_null(held_add(&t, &src, &dst, 0, big, sizeof(big), 0));
	h = add(&t, 1, 0);
	assert_non_null(add(&t, 2, 0));
	assert_non_null(add(&t, 3, 0));
	assert_null(add(&t, 4, 0)); /* full */
	/* what is over makes room */
	held_done(&t, h, 2 * SEC);
	assert_int_equal(t.n, 3);
	assert_non_null(add(&t, 4, 3 * SEC));
	assert_int_equal(t.n, 3);
	held_fini(&t);
}

/* Nothing of a quick attempt can be repeated; a slow one is remembered, and a
 * connection until the kernel surely finds its socket. */
static void test_done(void **state)
{
	struct held_table t;
	struct held *h;

	(void)state;
	assert_int_equal(held_init(&t, 3), 0);
	h = add(&t, 1, 0);
	h->errnum = ECONNREFUSED;
	held_done(&t, h, SEC / 10);
	assert_int_equal(t.n, 0);
	h = add(&t, 1, 0);
	assert_false(held_settling(h, 0));
	h->state = HELD_INJECTED;
	assert_true(held_settling(h, SEC / 20));
	held_done(&t, h, SEC / 10);
	assert_int_equal(t.n, 1);
	assert_true(held_settling(h, SEC / 10));
	assert_false(held_settling(h, SEC));
	assert_true(held_expired(h, SEC / 2));
	held_remove(&t, h);
	h = add(&t, 1, 0);
	held_done(&t, h, SEC);
	assert_int_equal(t.n, 1);
	assert_int_equal(h->state, HELD_DONE);
	assert_false(held_expired(h, 2 * SEC));
	assert_true(held_expired(h, 4 * SEC));
	held_fini(&t);
}

/* The times at which Linux repeats a SYN, by doubling and each second first */
static void test_waits_for_repetitions(void **state)
{
	static const int times[2][8] = {
		{ 0, 1, 3, 7, 15, 31, 63, 127 },
		{ 0, 1, 2, 3, 4, 6, 10, 18 },
	};
	struct held_table t;

	(void)state;
	assert_int_equal(held_init(&t, 3), 0);
	for (int k = 0; k < 2; k++) {
		struct held *h = add(&t, 1, 0);

		for (int i = 1; i < 8; i++) {
			assert_false(held_expired(h, times[k][i] * SEC));
			h->last = times[k][i] * SEC;
		}
		assert_true(held_expired(h, 3 * h->last + 4 * SEC));
		held_remove(&t, h);
	}
	held_fini(&t);
}

static void test_expiry(void **state)
{
	struct held_table t;
	struct held *h;

	(void)state;
	assert_int_equal(held_init(&t, 3), 0);
	h = add(&t, 1, 0);
	assert_false(held_expired(h, 2 * SEC));
	assert_true(held_expired(h, 4 * SEC)); /* never repeated: gone */
	h->state = HELD_SILENT;
	assert_true(held_expired(h, 4 * SEC));
	h->state = HELD_INJECTED; /* answered late, accepted soon */
	h->answered = 10 * SEC;
	assert_false(held_expired(h, 12 * SEC));
	assert_true(held_expired(h, 14 * SEC));
	held_fini(&t);
}

static void test_many(void **state)
{
	struct held_table t;

	(void)state;
	assert_int_equal(held_init(&t, 40000), 0);
	for (uint16_t i = 1; i <= 30000; i++)
		assert_non_null(add(&t, i, 0));
	for (uint16_t i = 1; i <= 30000; i++) {
		struct ipport src = at("192.0.2.1:1");
		struct ipport dst = at("10.96.0.1:80");

		src.port = i;
		assert_non_null(held_find(&t, &src, &dst));
	}
	held_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_done),
		cmocka_unit_test(test_waits_for_repetitions),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
