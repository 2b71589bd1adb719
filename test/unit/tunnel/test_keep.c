/* SPDX-License-Identifier: Apache-2.0 */
/* How long a session lives without a carrier: as both ends have agreed, in time
 * that is simulated. */
#include "test.h"

#include "memcarrier.h"
#include "simtime.h"

#include "base/mem.h"
#include "tunnel/acceptor.h"
#include "tunnel/session.h"

#include <errno.h>
#include <string.h>

#define MINUTE (60 * NS_SEC)
#define USUAL (2 * MINUTE)
#define TOTAL ((size_t)64 << 20) /* more than may be in flight */

struct end {
	struct session *s;
	size_t total, made, got;
	bool up, dead;
};

static struct loop *loop;
static struct acceptor *acceptor;
static struct session_config near_cfg, far_cfg;
static struct end near, far;

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 7 + (i >> 8) * 13);
}

static int on_produce(void *user, size_t room)
{
	struct end *e = user;
	size_t want = MIN(room, e->total - e->made), got;
	uint8_t *p;

	if (!want)
		return 0;
	want = MIN(want, (size_t)65536);
	p = session_reserve(e->s, want, &got);
	if (!p)
		return -ENOMEM;
	for (size_t i = 0; i < want; i++)
		p[i] = byte_at(e->made++);
	session_commit(e->s, want);
	return 0;
}

static int on_data(void *user, const uint8_t *p, size_t n)
{
	struct end *e = user;

	for (size_t i = 0; i < n; i++)
		if (p[i] != byte_at(e->got++))
			fail_msg("byte %zu is another", e->got - 1);
	return 0;
}

static void on_up(void *user, bool resumed)
{
	struct end *e = user;

	(void)resumed;
	e->up = true;
}

static void on_lost(void *user, const struct kt_error *why)
{
	struct end *e = user;

	(void)why;
	e->up = false;
}

static void on_dead(void *user, const struct kt_error *why)
{
	struct end *e = user;

	assert_int_equal(why->code, ETIMEDOUT);
	e->dead = true;
	e->up = false;
}

static const struct session_ops ops = {
	.produce = on_produce,
	.data = on_data,
	.up = on_up,
	.lost = on_lost,
	.dead = on_dead,
};

static struct session *on_session(void *user, const struct frame_hello *hello)
{
	(void)user;
	far.s = session_new(loop, &far_cfg, hello->id, FRAME_ROLE_SERVER, &ops,
			    &far);
	return far.s;
}

static const struct acceptor_ops acceptor_ops = { .session = on_session };

static void run_for(int64_t ns)
{
	int64_t end = clock_ns() + ns;

	while (clock_ns() < end)
		loop_once(loop, MIN(end - clock_ns(), NS_SEC));
}

static struct carrier *carriers[2]; /* the last ones: ours, the other's */

static void join(long *budget)
{
	struct carrier **c = carriers;

	memcarrier_pair(loop, budget, 1, c);
	acceptor_take(acceptor, c[1]);
	session_attach(near.s, c[0]);
	for (int i = 0; i < 100000 && !(near.up && far.up); i++)
		loop_once(loop, NS_MS);
}

/* Both are up, and the carrier dies after @bytes. */
static void begin(size_t total, long bytes)
{
	static long budget;

	loop = loop_new();
	acceptor = acceptor_new(loop, &far_cfg, &acceptor_ops, NULL);
	near = (struct end){ .total = total };
	far = (struct end){ .total = total };
	near.s = session_new(loop, &near_cfg, NULL, FRAME_ROLE_CLIENT, &ops,
			     &near);
	budget = -1;
	join(&budget);
	assert_true(near.up && far.up);
	budget = bytes;
	while (near.up || far.up)
		loop_once(loop, NS_MS);
}

static void finish(void)
{
	session_free(near.s);
	acceptor_remove(acceptor, far.s);
	session_free(far.s);
	acceptor_free(acceptor);
	loop_free(loop);
}

/* The ends that wish for @ns and grant @far_ns, 0: as older ones do, keep it
 * for @kept */
static void keeps(int64_t ns, int64_t far_ns, int64_t kept)
{
	near_cfg.keep_ns = ns;
	far_cfg.keep_ns = far_ns;
	begin(0, 0);
	run_for(kept - 3 * NS_SEC);
	assert_false(near.dead || far.dead);
	run_for(6 * NS_SEC);
	assert_true(near.dead);
	assert_true(far.dead);
	finish();
}

static int setup(void **state)
{
	(void)state;
	near_cfg = far_cfg = session_config_default();
	return 0;
}

/* --- tests ---------------------------------------------------------------- */

static void is_kept_as_agreed(void **state)
{
	int64_t start = simtime_skipped();

	(void)state;
	keeps(10 * MINUTE, 1440 * MINUTE, 10 * MINUTE);
	keeps(20 * NS_SEC, 1440 * MINUTE, 20 * NS_SEC);
	/* it grants less */
	keeps(1440 * MINUTE, 30 * MINUTE, 30 * MINUTE);
	assert_true(simtime_skipped() - start > 40 * MINUTE);
}

/* It may resume a little after the session that it is beside has, which may be
 * in the last moment */
static void bulk_is_kept_a_little_longer(void **state)
{
	(void)state;
	near_cfg.keep_ns = 10 * MINUTE;
	near_cfg = session_config_bulk(&near_cfg);
	keeps(near_cfg.keep_ns, 1440 * MINUTE, 10 * MINUTE + 30 * NS_SEC);
}

static void older_ends_go_on_as_before(void **state)
{
	(void)state;
	keeps(10 * MINUTE, 0, USUAL);	  /* an older shadow */
	keeps(0, 1440 * MINUTE, USUAL);	  /* an older client */
	far_cfg.detached_ns = 5 * NS_SEC; /* a shadow that says less */
	near_cfg.detached_ns = 5 * NS_SEC;
	keeps(0, 5 * NS_SEC, 5 * NS_SEC);
}

/* Nothing is made that may not be sent, and nothing is lost */
static void a_long_cut_stalls_and_loses_nothing(void **state)
{
	struct session_stats st;
	long never = -1;
	size_t made;

	(void)state;
	near_cfg.keep_ns = far_cfg.keep_ns = 10 * MINUTE;
	begin(TOTAL, 3 << 20);
	session_get_stats(near.s, &st);
	made = near.made;
	assert_true(made - st.acked <= near_cfg.replay_max);
	run_for(10 * MINUTE - 5 * NS_SEC);
	assert_int_equal(near.made, made);
	assert_false(near.dead || far.dead);
	join(&never);
	for (int i = 0; i < 1000000 && near.got < TOTAL; i++)
		loop_once(loop, NS_MS);
	while (far.got < TOTAL)
		loop_once(loop, NS_MS);
	assert_int_equal(near.got, TOTAL);
	finish();
}

/* The time is that of one loss, not of all of them */
static void each_loss_has_the_whole_time(void **state)
{
	long never = -1, budget;

	(void)state;
	near_cfg.keep_ns = far_cfg.keep_ns = 10 * MINUTE;
	begin(0, 0);
	for (int i = 0; i < 4; i++) {
		run_for(9 * MINUTE);
		budget = never;
		join(&budget);
		assert_true(near.up && far.up);
		budget = 0;
		while (near.up || far.up)
			loop_once(loop, NS_MS);
	}
	assert_false(near.dead || far.dead);
	finish();
}

/* --- noticing ------------------------------------------------------------- */

/* as a network does that loses every packet: it takes them */
static ssize_t hole_send(struct carrier *c, const struct iovec *iov, int n)
{
	ssize_t all = 0;

	(void)c;
	for (int i = 0; i < n; i++)
		all += (ssize_t)iov[i].iov_len;
	return all;
}

static void open_hole(bool there, bool back)
{
	static struct carrier_ops hole[2];

	for (int i = 0; i < 2; i++) {
		hole[i] = *carriers[i]->ops;
		hole[i].send = hole_send;
	}
	if (there)
		carriers[0]->ops = &hole[0];
	if (back)
		carriers[1]->ops = &hole[1];
}

/* ns until @flag is false */
static int64_t lost_after(const bool *flag)
{
	int64_t start = clock_ns();

	while (*flag && clock_ns() - start < MINUTE)
		loop_once(loop, 100 * NS_MS);
	return clock_ns() - start;
}

static void come_up(void)
{
	static long never;

	loop = loop_new();
	acceptor = acceptor_new(loop, &far_cfg, &acceptor_ops, NULL);
	near = (struct end){ .total = 0 };
	far = (struct end){ .total = 0 };
	near.s = session_new(loop, &near_cfg, NULL, FRAME_ROLE_CLIENT, &ops,
			     &near);
	never = -1;
	join(&never);
	assert_true(near.up && far.up);
}

static void a_black_hole_is_noticed_in_four_seconds(void **state)
{
	(void)state;
	/* at any moment between two ticks, one way or both */
	for (int i = 0; i < 12; i++) {
		come_up();
		run_for(3 * NS_SEC + i * 123 * NS_MS);
		open_hole(i % 3 != 1, i % 3 != 2);
		assert_true(lost_after(&near.up) <= 4 * NS_SEC);
		finish();
	}
}

static void the_idle_and_answered_are_not_lost(void **state)
{
	(void)state;
	come_up();
	run_for(10 * MINUTE);
	assert_true(near.up && far.up);
	finish();
}

/* the network has changed: what works goes on, what does not is soon known */
static void the_suspected_answers_or_is_lost(void **state)
{
	(void)state;
	come_up();
	session_suspect(near.s);
	run_for(MINUTE);
	assert_true(near.up && far.up);
	open_hole(true, true);
	run_for(50 * NS_MS); /* what was under way arrives */
	session_suspect(near.s);
	assert_true(lost_after(&near.up) <= 2500 * NS_MS);
	session_suspect(near.s); /* of a session without a carrier: nothing */
	finish();
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		T(is_kept_as_agreed),
		T(bulk_is_kept_a_little_longer),
		T(older_ends_go_on_as_before),
		T(a_long_cut_stalls_and_loses_nothing),
		T(each_loss_has_the_whole_time),
		T(a_black_hole_is_noticed_in_four_seconds),
		T(the_idle_and_answered_are_not_lost),
		T(the_suspected_answers_or_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
