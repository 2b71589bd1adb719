/* SPDX-License-Identifier: Apache-2.0 */
/* What came too early is kept once, and ranges are forgotten byte by byte;
 * fuzz_reorder does the first with any pieces. */
#include "test.h"

#include "base/mem.h"
#include "tunnel/extents.h"
#include "tunnel/reorder.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static void put(struct reorder *r, uint64_t at, const char *text)
{
	assert_int_equal(
		reorder_put(r, at, (const uint8_t *)text, strlen(text), 0), 0);
}

static void take(struct reorder *r, uint64_t at, const char *text)
{
	struct reorder_piece *p = reorder_take(r, at);

	if (!text) {
		assert_null(p);
		return;
	}
	assert_non_null(p);
	assert_int_equal(p->at, at);
	assert_int_equal(p->len, strlen(text));
	assert_memory_equal(p->mem + p->off, text, p->len);
	free(p);
}

static void keeps_the_order(void **state)
{
	struct reorder r;

	(void)state;
	reorder_init(&r, 1 << 20);
	put(&r, 30, "xyz");
	put(&r, 10, "abc");
	put(&r, 13, "de"); /* behind it: the same piece */
	put(&r, 11, "bcdefg");
	take(&r, 9, NULL);
	take(&r, 12, "cdefg");
	take(&r, 17, NULL);
	put(&r, 17, "hijklmnopqrstuvw"); /* over what is there */
	take(&r, 17, "hijklmnopqrst");
	take(&r, 30, "xyz");
	assert_int_equal(r.used, 0);
	/* it came by another carrier meanwhile */
	put(&r, 40, "old");
	take(&r, 50, NULL);
	assert_int_equal(r.used, 0);
}

/* ns of processor time of a put before @behind pieces that wait already */
static double cost_of_a_put(size_t behind)
{
	struct timespec a, b;
	struct reorder r;

	reorder_init(&r, (size_t)64 << 20);
	for (size_t i = 0; i < behind; i++)
		put(&r, (1 << 20) + i * 10, "x");
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	for (uint64_t i = 0; i < 2000; i++)
		put(&r, i * 10, "x");
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	reorder_reset(&r);
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 +
		(double)(b.tv_nsec - a.tv_nsec)) /
	       2000;
}

static void many_that_wait_cost_nothing(void **state)
{
	double few = cost_of_a_put(1), many = cost_of_a_put(10000);

	(void)state;
	print_message("# %.0f ns, behind it 10,000: %.0f ns\n", few, many);
	assert_true(many < 10 * few + 1000);
}

static void bounds_its_memory(void **state)
{
	uint8_t page[4096] = { 0 };
	struct reorder r;
	int rc = 0, n = 0;

	(void)state;
	reorder_init(&r, 64 * 1024);
	for (; rc == 0; n++) {
		rc = reorder_put(&r, (uint64_t)n * 5000, page, sizeof(page), 0);
		assert_true(r.used <= 64 * 1024);
	}
	assert_int_equal(rc, -ENOBUFS);
	reorder_reset(&r);
	/* so little at a time that it is mostly overhead */
	for (n = 0, rc = 0; rc == 0; n++) {
		rc = reorder_put(&r, (uint64_t)n * 2, page, 1, 0);
		assert_true(r.used <= 64 * 1024);
	}
	assert_int_equal(rc, -ENOBUFS);
	reorder_reset(&r);
}

/* Frames of some pages with gaps between them take what they are, once they are
 * whole: what is agreed upon for their bytes is enough */
static void whole_frames_take_what_they_are(void **state)
{
	uint8_t page[4200] = { 0 };
	struct reorder r;

	(void)state;
	reorder_init(&r, 1 << 20);
	for (uint64_t at = 0; at < 200 * 10000; at += 10000)
		assert_int_equal(reorder_put(&r, at, page, sizeof(page), 0), 0);
	reorder_reset(&r);
	/* of one that is not the rest goes behind it */
	assert_int_equal(reorder_put(&r, 1, page, 10, 20000), 0);
	assert_int_equal(reorder_put(&r, 11, page, 4200, 15800), 0);
	assert_ptr_equal(r.pieces.next, r.pieces.prev);
	reorder_reset(&r);
}

static void ranges(void **state)
{
	struct extents e = { 0 }, f = { 0 };
	struct extent x;

	(void)state;
	assert_null(extents_first(&e));
	assert_int_equal(extents_put(&e, 100, 50), 0);
	assert_int_equal(extents_put(&e, 150, 50), 0); /* one range */
	assert_int_equal(extents_put(&e, 20, 10), 0);
	assert_int_equal(e.n, 2);
	extents_drop(&e, 60);
	assert_int_equal(extents_first(&e)->at, 160);
	assert_int_equal(extents_first(&e)->len, 40);
	assert_true(extents_find(&e, 0, &x));
	assert_int_equal(x.at, 20);
	assert_true(extents_find(&e, 25, &x));
	assert_int_equal(x.at, 25);
	assert_int_equal(x.len, 5);
	assert_true(extents_find(&e, 30, &x));
	assert_int_equal(x.at, 160);
	assert_false(extents_find(&e, 200, &x));
	assert_int_equal(extents_put(&f, 7, 3), 0);
	assert_int_equal(extents_move(&f, &e), 0);
	assert_true(extents_empty(&e));
	assert_int_equal(f.n, 3);
	extents_drop(&f, 3 + 40 + 5);
	assert_int_equal(extents_first(&f)->at, 25);
	extents_drop(&f, 1000);
	assert_true(extents_empty(&f));
	/* a queue through which much goes stays small */
	for (uint64_t i = 0; i < 100000; i++) {
		assert_int_equal(extents_put(&f, i * 10, 5), 0);
		if (i > 6)
			extents_drop(&f, 5);
	}
	assert_true(f.cap <= 16);
	for (uint64_t i = 0; i < EXTENTS_MAX; i++)
		if (extents_put(&f, i * 10, 5) < 0)
			break;
	assert_true(extents_full(&f));
	assert_int_equal(extents_put(&f, 5, 1), -ENOBUFS);
	extents_fini(&e);
	extents_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_order),
		cmocka_unit_test(many_that_wait_cost_nothing),
		cmocka_unit_test(bounds_its_memory),
		cmocka_unit_test(whole_frames_take_what_they_are),
		cmocka_unit_test(ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
