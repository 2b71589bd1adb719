/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "muxrig.h"

#include "base/mem.h"
#include "tunnel/session.h"
#include "tunnel/status.h"

#include <errno.h>
#include <string.h>

static struct muxrig rig;

static int setup(void **state)
{
	(void)state;
	muxrig_init(&rig, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	muxrig_fini(&rig);
	return 0;
}

static void finished(struct flow_end *e)
{
	assert_true(e->closed && e->ended && e->fin_sent);
	assert_int_equal(e->error, 0);
	assert_int_equal(e->got, flow_peer(e)->give);
}

static void half_closes(void **state)
{
	struct flow_end *c = muxrig_open(&rig, 0), *s = flow_peer(c);

	(void)state;
	muxrig_run(&rig);
	assert_true(c->answered && s->asked);
	flow_give(c, 1000, true);
	muxrig_run(&rig);
	assert_true(s->ended && !c->ended && !c->closed && !s->closed);
	flow_give(s, 500000, true);
	muxrig_run(&rig);
	finished(c);
	finished(s);
	/* and the other end first */
	c = muxrig_open(&rig, 0);
	s = flow_peer(c);
	flow_give(s, 7, true);
	muxrig_run(&rig);
	assert_true(c->ended && !s->ended && !c->closed);
	flow_give(c, 300000, true);
	muxrig_run(&rig);
	finished(c);
	finished(s);
	assert_int_equal(mux_streams(rig.link.side[0].m), 0);
	assert_int_equal(mux_streams(rig.link.side[1].m), 0);
}

static void resets(void **state)
{
	static const int errors[][2] = { { ECONNRESET, -ECONNRESET },
					 { ECANCELED, -ECANCELED },
					 { ETIMEDOUT, -ECONNRESET },
					 { ENOMEM, -ENOBUFS } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		for (int side = 0; side < 2; side++) {
			struct flow_end *e = muxrig_open(&rig, 0);

			muxrig_run(&rig);
			e = side ? flow_peer(e) : e;
			flow_give(e, 50000, false);
			muxrig_run(&rig);
			flow_reset(e, errors[i][0]);
			muxrig_run(&rig);
			assert_true(flow_peer(e)->closed);
			assert_int_equal(flow_peer(e)->error, errors[i][1]);
			assert_int_equal(flow_peer(e)->got, 50000);
		}
	}
	assert_int_equal(mux_streams(rig.link.side[0].m), 0);
	assert_int_equal(mux_streams(rig.link.side[1].m), 0);
}

static void cancels_before_the_answer(void **state)
{
	struct flow_end *c;

	(void)state;
	rig.hold = true;
	c = muxrig_open(&rig, 0);
	flow_reset(c, ECANCELED); /* not even sent */
	muxrig_run(&rig);
	c = muxrig_open(&rig, 0);
	muxrig_run(&rig);
	assert_true(flow_peer(c)->asked && !flow_peer(c)->closed);
	flow_reset(c, ECANCELED);
	muxrig_run(&rig);
	assert_true(flow_peer(c)->closed);
	assert_int_equal(flow_peer(c)->error, -ECANCELED);
	assert_int_equal(mux_streams(rig.link.side[0].m), 0);
	assert_int_equal(mux_streams(rig.link.side[1].m), 0);
}

static void tells_why_it_refuses(void **state)
{
	static const int errors[] = { ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH,
				      ENETUNREACH,  EACCES,    ENOENT,
				      ETIME,	    EMFILE,    EINVAL,
				      EAFNOSUPPORT, ENOTSUP,   EADDRNOTAVAIL };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct flow_end *c = muxrig_open(&rig, errors[i]);

		muxrig_run(&rig);
		assert_true(c->answered && c->closed);
		assert_int_equal(c->head_error, errors[i]);
		assert_int_equal(c->error, -errors[i]);
	}
	assert_int_equal(mux_streams(rig.link.side[0].m), 0);
	assert_int_equal(mux_streams(rig.link.side[1].m), 0);
}

static void a_stalled_reader_stalls_itself(void **state)
{
	struct flow_end *slow[50], *c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(slow); i++) {
		slow[i] = muxrig_open(&rig, 0);
		slow[i]->stalled = true;
		flow_give(flow_peer(slow[i]), 2 << 20, true);
	}
	muxrig_run(&rig);
	for (size_t i = 0; i < ARRAY_SIZE(slow); i++)
		assert_int_equal(slow[i]->got, 256 * 1024);
	c = muxrig_open(&rig, 0);
	flow_give(flow_peer(c), 20 << 20, true);
	flow_give(c, 20 << 20, true);
	muxrig_run(&rig);
	finished(c);
	finished(flow_peer(c));
	/* they wake up, one after the other */
	for (size_t i = 0; i < ARRAY_SIZE(slow); i++) {
		slow[i]->stalled = false;
		flow_consume(slow[i], SIZE_MAX);
		flow_give(slow[i], 0, true);
		muxrig_run(&rig);
		finished(slow[i]);
	}
}

/* What the peer may send to who does not read: few windows are large. (Up to
 * half of one is credit that was not yet given back.) */
static void few_large_windows(void **state)
{
	size_t large = 0;

	(void)state;
	for (int i = 0; i < 6; i++) {
		struct flow_end *c = muxrig_open(&rig, 0);

		flow_give(flow_peer(c), 30 << 20, false);
		muxrig_run(&rig);
		assert_int_equal(c->got, 30 << 20);
		c->stalled = true;
		flow_give(flow_peer(c), 20 << 20, false);
		muxrig_run(&rig);
		assert_in_range(c->held, 2 << 20, MUX_WINDOW_BULK);
		large += c->held > 4 << 20;
	}
	assert_in_range(large, 3, MUX_WINDOWS / MUX_WINDOW_BULK);
}

/* both send for ever: neither gets far ahead of the other */
static void shares_alike(void **state)
{
	struct flow_end *a = muxrig_open(&rig, 0), *b = muxrig_open(&rig, 0);

	(void)state;
	muxrig_run(&rig);
	flow_give(flow_peer(a), 20 << 20, false);
	flow_give(flow_peer(b), 20 << 20, false);
	for (int i = 0; i < 100; i++) {
		muxrig_move(&rig, 1, 100000);
		muxrig_move(&rig, 0, 100000);
		assert_true(a->got < b->got + (300 << 10) &&
			    b->got < a->got + (300 << 10));
	}
	/* a newcomer with little is through at once */
	assert_true(a->got < 20 << 20);
	a = muxrig_open(&rig, 0);
	flow_give(flow_peer(a), 1000, true);
	for (int i = 0; i < 6; i++) {
		muxrig_move(&rig, 0, 100000);
		muxrig_move(&rig, 1, 100000);
	}
	assert_true(a->ended);
	assert_true(b->got < 20 << 20);
}

static void five_thousand(void **state)
{
	(void)state;
	for (int i = 0; i < 5000; i++)
		assert_non_null(muxrig_open(&rig, 0));
	muxrig_run(&rig);
	assert_int_equal(mux_streams(rig.link.side[1].m), 5000);
	for (int i = 0; i < 5000; i++) {
		flow_give(&rig.end[i][0], (size_t)i % 50 * 100, true);
		flow_give(&rig.end[i][1], (size_t)i % 70 * 100, true);
	}
	muxrig_run(&rig);
	for (int i = 0; i < 5000; i++) {
		finished(&rig.end[i][0]);
		finished(&rig.end[i][1]);
	}
	assert_int_equal(mux_streams(rig.link.side[0].m), 0);
}

static void garbage_ends_it(void **state)
{
	static const uint8_t junk[64] = { 1, 2, 3 };
	int rc = 0;

	(void)state;
	muxrig_run(&rig);
	for (int i = 0; i < 4 && rc == 0; i++) {
		rc = mux_receive(rig.link.side[0].m, junk, sizeof(junk));
		if (rc == 0)
			rc = mux_produce(rig.link.side[0].m, 100000);
	}
	assert_int_equal(rc, -EPROTO);
}

static void proxy_status(void **state)
{
	char field[STATUS_FIELD_MAX], detail[64];
	char huge[2000];

	(void)state;
	status_format(field, ECONNREFUSED, "say \"no\"\n");
	assert_string_equal(field, "shadow; error=connection_refused; "
				   "details=\"say 'no''\"");
	assert_int_equal(
		status_parse(field, strlen(field), detail, sizeof(detail)),
		ECONNREFUSED);
	assert_string_equal(detail, "say 'no''");
	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = 0;
	status_format(field, 12345, huge);
	assert_int_equal(
		status_parse(field, strlen(field), detail, sizeof(detail)),
		EIO);
	assert_int_equal(strlen(detail), sizeof(detail) - 1);
	assert_int_equal(status_parse("x", 1, detail, sizeof(detail)), EPROTO);
	assert_int_equal(status_parse("p; error=", 9, detail, sizeof(detail)),
			 EPROTO);
	assert_int_equal(status_parse("p; error=what", 13, detail, 0), EPROTO);
}

/* the last id is used, and it is told once that there is none after it */
static void tells_when_ids_are_used_up(void **state)
{
	const struct mux_request req = { .method = "CONNECT",
					 .authority = "x:1" };
	static const struct mux_stream_ops no_ops = { 0 };
	struct mux *m = rig.link.side[0].m;
	struct flow_end *c = muxrig_open(&rig, 0);

	(void)state;
	muxrig_run(&rig);
	assert_int_equal(mux_skip_ids(m, INT32_MAX), 0);
	flow_give(muxrig_open(&rig, 0), 10, true);
	assert_int_equal(rig.link.side[0].spent, 0);
	for (int i = 0; i < 3; i++) {
		assert_null(mux_open(m, &req, &no_ops, NULL));
		assert_int_equal(errno, ENOTCONN);
		assert_int_equal(rig.link.side[0].spent, 1);
	}
	/* what is open goes on */
	flow_give(c, 5000, true);
	flow_give(flow_peer(c), 5000, true);
	muxrig_run(&rig);
	finished(c);
	finished(flow_peer(c));
}

/* Many of which nobody reads hold no more than all may; then those that stand
 * still go, so that the others go on. */
static void stalled_readers_are_bounded(void **state)
{
	struct flow_end *e[21];
	size_t held = 0, gone = 0;

	(void)state;
	muxlink_limit.held_max = 1 << 20;
	muxlink_limit.stall_ns =
		3 * NS_SEC; /* filling takes a while under valgrind */
	muxrig_init(&rig, 0);
	for (int i = 0; i < 20; i++) {
		e[i] = muxrig_open(&rig, 0);
		e[i]->stalled = true;
		muxrig_run(&rig);
		flow_give(flow_peer(e[i]), 1 << 20, true);
		muxrig_run(&rig);
	}
	for (int i = 0; i < 20; i++)
		held += e[i]->held;
	assert_in_range(held, 512 << 10, 1 << 20);
	/* one that reads: at once, or when somebody has gone */
	e[20] = muxrig_open(&rig, 0);
	flow_give(flow_peer(e[20]), 3 << 20, true);
	for (int i = 0; i < 2000 && !e[20]->ended; i++) {
		muxrig_run(&rig);
		loop_once(rig.loop, 10 * NS_MS);
	}
	assert_true(e[20]->ended);
	assert_int_equal(e[20]->got, 3 << 20);
	for (int i = 0; i < 20; i++) {
		if (!e[i]->closed)
			continue;
		assert_int_equal(e[i]->error, -ENOBUFS);
		assert_true(flow_peer(e[i])->closed);
		gone++;
	}
	assert_in_range(gone, 1, 20);
	muxrig_fini(&rig);
	muxlink_limit = (struct muxlink_limit){ 0 };
}

/* what was held by those who have gone, or take it late, is credit again */
static void credit_comes_back(void **state)
{
	(void)state;
	muxlink_limit.held_max = 1 << 20;
	muxrig_init(&rig, 0);
	for (int i = 0; i < 40; i++) {
		struct flow_end *c = muxrig_open(&rig, 0);

		c->stalled = true;
		muxrig_run(&rig);
		flow_give(flow_peer(c), 200000, true);
		muxrig_run(&rig);
		assert_int_equal(c->got, 200000);
		if (i & 1)
			flow_consume(c, 200000);
		flow_reset(i & 2 ? c : flow_peer(c), ECONNRESET);
		muxrig_run(&rig);
	}
	muxrig_fini(&rig);
	muxlink_limit = (struct muxlink_limit){ 0 };
}

/* One DATA frame of the session has two full frames of HTTP/2 and nothing of a
 * third, whose rest would be sent alone */
static void two_frames_fill_one_of_the_session(void **state)
{
	const size_t head = 9;
	struct session_config s = session_config_default();
	struct session_config bulk = session_config_bulk(&s);
	struct session_config wide = session_config_wide(&s);
	struct session_config part = session_config_part(&s);

	(void)state;
	assert_int_equal(s.frame_max,
			 2 * (mux_config_default(true).frame_max + head));
	assert_int_equal(bulk.frame_max,
			 2 * (mux_config_bulk(true).frame_max + head));
	assert_int_equal(wide.frame_max,
			 2 * (mux_config_wide(true).frame_max + head));
	assert_int_equal(part.frame_max,
			 2 * (mux_config_part(true).frame_max + head));
	assert_true(bulk.frame_max > s.frame_max);
	assert_true(bulk.frame_max <= FRAME_DATA_MAX);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_frames_fill_one_of_the_session),
		T(half_closes),
		T(resets),
		T(cancels_before_the_answer),
		T(tells_why_it_refuses),
		T(a_stalled_reader_stalls_itself),
		T(few_large_windows),
		T(shares_alike),
		T(five_thousand),
		T(tells_when_ids_are_used_up),
		T(garbage_ends_it),
		cmocka_unit_test(stalled_readers_are_bounded),
		cmocka_unit_test(credit_comes_back),
		cmocka_unit_test(proxy_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
