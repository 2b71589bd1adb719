/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that move from one session to another while they are used: every
 * byte comes once and in order, ends are ends, resets are resets. */
#include "test.h"

#include "muxrig.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

static struct muxrig rig;
static struct flow_end *c, *s; /* the asker's end, and the other */

static void begin(int asker)
{
	muxrig_init_scheduled(&rig, 0, asker);
	c = muxrig_open(&rig, 0);
	muxrig_run(&rig);
	if (asker)
		c = flow_peer(c);
	s = flow_peer(c);
}

static void settle(void)
{
	muxrig_run(&rig);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(mux_streams(rig.link.side[i].m), 0);
		if (rig.bulk.side[i].m)
			assert_int_equal(mux_streams(rig.bulk.side[i].m), 0);
	}
	assert_true(c->closed && s->closed);
}

static void in_peace(void)
{
	settle();
	assert_true(c->ended && s->ended);
	assert_int_equal(c->error, 0);
	assert_int_equal(s->error, 0);
	assert_int_equal(c->got, s->give);
	assert_int_equal(s->got, c->give);
	muxrig_fini(&rig);
}

/* something waits to go over the second pair */
static bool bulk_is_used(void)
{
	bool used = false;

	while (muxrig_move(&rig, 0, 1000) || muxrig_move(&rig, 1, 1000))
		;
	for (int i = 0; i < 2; i++)
		while (muxrig_move_bulk(&rig, i, 1000))
			used = true;
	return used;
}

static void moves_both_ways(void **state)
{
	(void)state;
	for (int asker = 0; asker < 2; asker++) {
		begin(asker);
		flow_give(c, 100000, false);
		flow_give(s, 300000, false);
		muxrig_run(&rig);
		assert_true(muxrig_ask(c));
		assert_false(muxrig_ask(c)); /* once */
		muxrig_run(&rig);
		flow_give(c, 1000, false);
		assert_true(bulk_is_used());
		flow_give(s, 1000, false);
		assert_true(bulk_is_used());
		muxrig_run(&rig);
		assert_int_equal(c->got, 301000);
		assert_int_equal(s->got, 101000);
		/* half-close stays half-close */
		flow_give(c, 5, true);
		muxrig_run(&rig);
		assert_true(s->ended && !c->ended && !s->closed && !c->closed);
		flow_give(s, 700000, true);
		in_peace();
	}
}

/* the second stream overtakes the first, as its carrier is faster */
static void second_is_faster(void **state)
{
	(void)state;
	begin(0);
	assert_true(muxrig_ask(c));
	flow_give(s, 90000, false);
	/* a frame leaves on the first, and but for a byte is on its way */
	assert_true(muxrig_move(&rig, 1, 1));
	while (muxrig_move_bulk(&rig, 0, 1000))
		;
	flow_give(s, 50000, true);
	flow_give(c, 50000, true);
	while (muxrig_move_bulk(&rig, 1, 1000) ||
	       muxrig_move_bulk(&rig, 0, 1000))
		;
	assert_in_range(c->got, 0, 8192);
	assert_int_equal(c->tunnel_stream.received, c->got);
	assert_false(c->ended);
	assert_true(s->got == c->give && s->ended);
	assert_true(s->closed && !c->closed);
	in_peace();
}

/* either half may have ended before, or while it moves */
static void ends_around_the_move(void **state)
{
	(void)state;
	for (unsigned int when = 0; when < 4; when++)
		for (unsigned int who = 0; who < 4; who++) {
			begin(0);
			flow_give(c, 3000, (who & 1) && when < 2);
			flow_give(s, 4000, (who & 2) && when < 2);
			if (when == 0)
				muxrig_run(&rig);
			(void)!muxrig_ask(c); /* nothing to move for 0, 3 */
			if (when == 2)
				while (muxrig_move_bulk(&rig, 0, 7))
					;
			flow_give(c, 20, who & 1);
			flow_give(s, 30, who & 2);
			muxrig_run(&rig);
			flow_give(c, 200, true);
			flow_give(s, 300, true);
			in_peace();
		}
}

/* what came before a reset is delivered; then both ends see it */
static void resets_are_resets(void **state)
{
	(void)state;
	for (int who = 0; who < 2; who++)
		for (int moves = 0; moves < 4; moves++) {
			struct flow_end *from, *to;

			begin(0);
			from = who ? s : c;
			to = who ? c : s;
			if (moves)
				assert_true(muxrig_ask(c));
			if (moves == 2)
				while (muxrig_move_bulk(&rig, 0, 1000))
					;
			if (moves == 3)
				muxrig_run(&rig);
			flow_give(from, 60000, false);
			if (moves == 3)
				muxrig_run(&rig);
			flow_reset(from, ECONNRESET);
			settle();
			assert_true(to->error == -ECONNRESET ||
				    to->error == -ECANCELED);
			assert_false(to->ended);
			if (moves == 3)
				assert_int_equal(to->got, 60000);
			muxrig_fini(&rig);
		}
}

static void stalled_reader(void **state)
{
	(void)state;
	begin(0);
	c->stalled = true;
	flow_give(s, 10000000, true);
	muxrig_run(&rig);
	assert_true(muxrig_ask(c));
	muxrig_run(&rig);
	/* no more than the two streams' windows, and it does not grow */
	assert_in_range(c->got, 1, 2 * 256 * 1024);
	assert_int_equal(c->held, c->got);
	/* credit of either stream is given back in the end */
	c->stalled = false;
	while (c->got < s->give) {
		flow_consume(c, 1000);
		muxrig_run(&rig);
	}
	flow_give(c, 0, true);
	in_peace();
}

static void refused(void **state)
{
	(void)state;
	begin(0);
	s->tunnel_stream.fixed = true;
	assert_true(muxrig_ask(c));
	muxrig_run(&rig);
	/* it stays, and works */
	assert_true(c->tunnel_stream.fixed);
	assert_null(c->tunnel_stream.move);
	assert_false(muxrig_ask(c));
	flow_give(c, 100000, true);
	flow_give(s, 100000, true);
	in_peace();
}

static void second_dies(void **state)
{
	(void)state;
	for (int when = 0; when < 3; when++)
		for (int side = 0; side < 4; side++) {
			begin(side >> 1);
			assert_true(muxrig_ask(c));
			if (when == 1) /* accepted, and nobody else knows */
				while (muxrig_move_bulk(&rig, 0, 1000))
					;
			if (when == 2)
				muxrig_run(&rig);
			flow_give(s, 100000, false);
			flow_give(c, 100000, false);
			if (when == 1) /* the answer is lost, not the bytes */
				assert_int_equal(
					mux_produce(rig.bulk.side[1].m, 50000),
					0);
			muxrig_cut(&rig, side & 1);
			muxrig_run(&rig);
			muxrig_cut(&rig, !(side & 1));
			muxrig_run(&rig);
			if (when < 2) { /* it stayed where it was */
				flow_give(s, 0, true);
				flow_give(c, 0, true);
				in_peace();
				continue;
			}
			settle();
			assert_true(c->error && s->error);
			assert_false(c->ended || s->ended);
			muxrig_fini(&rig);
		}
}

static void first_dies(void **state)
{
	(void)state;
	begin(0);
	assert_true(muxrig_ask(c));
	muxrig_run(&rig);
	flow_give(s, 5000000, false);
	for (int i = 0; i < 20; i++)
		muxrig_move_bulk(&rig, 1, 1000);
	mux_end_streams(rig.link.side[1].m, NULL, ENETRESET);
	settle();
	assert_true(c->error && s->error);
	muxrig_fini(&rig);
}

/* what the fuzz target does, from fixed seeds */
static void at_random(void **state)
{
	(void)state;
	for (unsigned int seed = 0; seed < 400; seed++) {
		unsigned int r = seed;

		begin(seed & 1);
		for (int i = 0; i < 300; i++) {
			size_t n = 1 + (size_t)(rand_r(&r) % 3000);
			int side = rand_r(&r) & 1;

			switch (rand_r(&r) % 8) {
			case 0:
				flow_give(c, n, false);
				break;
			case 1:
				flow_give(s, n * 3, false);
				break;
			case 2:
				if (i > 30)
					(void)!muxrig_ask(c);
				break;
			case 3:
			case 4:
				muxrig_move(&rig, side, n);
				break;
			default:
				muxrig_move_bulk(&rig, side, n);
				break;
			}
		}
		flow_give(seed & 2 ? c : s, 1, true);
		muxrig_run(&rig);
		flow_give(c, 1, true);
		flow_give(s, 1, true);
		in_peace();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves_both_ways),
		cmocka_unit_test(second_is_faster),
		cmocka_unit_test(ends_around_the_move),
		cmocka_unit_test(resets_are_resets),
		cmocka_unit_test(stalled_reader),
		cmocka_unit_test(refused),
		cmocka_unit_test(second_dies),
		cmocka_unit_test(first_dies),
		cmocka_unit_test(at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
