/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions over several carriers at once, in time that is simulated: nothing
 * lost, nothing twice, nothing in another order, whichever dies, and faster. */
#include "test.h"

#include "memcarrier.h"
#include "pathcarrier.h"
#include "simtime.h"

#include "base/buf.h"
#include "base/mem.h"
#include "tunnel/acceptor.h"
#include "tunnel/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

struct end {
	struct session *s;
	size_t total, made, got;
	uint8_t key;
	size_t step; /* the most that it makes at a time */
	bool up, lost, dead;
	unsigned int losses;
	char why[256];
};

static struct loop *loop;
static struct acceptor *acceptor;
static struct session_config near_cfg, far_cfg;
static struct end near, far;
static struct path paths[SESSION_LANES + 2];
static unsigned int sessions; /* that the acceptor has asked for */

static uint8_t byte_at(uint8_t key, size_t i)
{
	return (uint8_t)(key + i * 7 + (i >> 8) * 13 + (i >> 16) * 5);
}

static int on_produce(void *user, size_t room)
{
	struct end *e = user;
	size_t want = MIN(room, e->total - e->made), got;
	uint8_t *p;

	want = MIN(want, e->step);
	if (!want)
		return 0;
	p = session_reserve(e->s, want, &got);
	if (!p)
		return -ENOMEM;
	for (size_t i = 0; i < want; i++)
		p[i] = byte_at(e->key, e->made++);
	session_commit(e->s, want);
	return 0;
}

static int on_data(void *user, const uint8_t *p, size_t n)
{
	const struct end *other = user == &near ? &far : &near;
	struct end *e = user;

	for (size_t i = 0; i < n; i++)
		if (p[i] != byte_at(other->key, e->got++))
			fail_msg("byte %zu is another", e->got - 1);
	return 0;
}

static void on_up(void *user, bool resumed)
{
	struct end *e = user;

	(void)resumed;
	e->up = true;
	e->lost = false;
}

static void on_lost(void *user, const struct kt_error *why)
{
	struct end *e = user;

	(void)why;
	e->lost = true;
	e->up = false;
	e->losses++;
}

static void on_dead(void *user, const struct kt_error *why)
{
	struct end *e = user;

	e->dead = true;
	e->up = false;
	snprintf(e->why, sizeof(e->why), "%.250s", why->msg);
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
	sessions++;
	far.s = session_new(loop, &far_cfg, hello->id, FRAME_ROLE_SERVER, &ops,
			    &far);
	return far.s;
}

static const struct acceptor_ops acceptor_ops = { .session = on_session };

static void begin(size_t up, size_t down, size_t step)
{
	loop = loop_new();
	acceptor = acceptor_new(loop, &far_cfg, &acceptor_ops, NULL);
	near = (struct end){ .total = up, .key = 3, .step = step };
	far = (struct end){ .total = down, .key = 101, .step = step };
	near.s = session_new(loop, &near_cfg, NULL, FRAME_ROLE_CLIENT, &ops,
			     &near);
}

static void finish(void)
{
	session_free(near.s);
	if (far.s)
		acceptor_remove(acceptor, far.s);
	session_free(far.s);
	acceptor_free(acceptor);
	loop_free(loop);
}

static bool all_there(void)
{
	return near.got == far.total && far.got == near.total &&
	       session_is_flushed(near.s) && session_is_flushed(far.s);
}

static void run_for(int64_t ns)
{
	int64_t end = clock_ns() + ns;

	while (clock_ns() < end)
		loop_once(loop, MIN(end - clock_ns(), 10 * NS_MS));
}

static void wait_for(const bool *flag)
{
	for (int i = 0; i < 100000 && !*flag; i++)
		loop_once(loop, 10 * NS_MS);
	assert_true(*flag);
}

static struct session_stats stats(const struct session *s)
{
	struct session_stats st;

	session_get_stats(s, &st);
	return st;
}

/* another carrier over paths[@i]: the first of the session, or one more */
static void add(size_t i, bool first)
{
	struct carrier *c[2];

	pathcarrier_pair(loop, &paths[i], c);
	acceptor_take(acceptor, c[1]);
	if (first)
		session_attach(near.s, c[0]);
	else
		assert_true(session_join(near.s, c[0]));
}

static void add_many(size_t n)
{
	add(0, true);
	wait_for(&near.up);
	for (size_t i = 1; i < n; i++)
		add(i, false);
	for (int i = 0;
	     i < 10000 && (stats(near.s).joining || stats(far.s).lanes < n);
	     i++)
		loop_once(loop, 10 * NS_MS);
	assert_int_equal(stats(near.s).lanes, n);
	assert_int_equal(stats(far.s).lanes, n);
}

static int setup(void **state)
{
	(void)state;
	sessions = 0;
	near_cfg = session_config_default();
	near_cfg = session_config_bulk(&near_cfg);
	far_cfg = near_cfg;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		paths[i] = (struct path){ .delay_ns = 40 * NS_MS,
					  .rate = 5 << 20,
					  .queue = MIB };
	return 0;
}

/* --- tests ---------------------------------------------------------------- */

/* Any carrier dies at any byte, others come, sometimes all are gone */
static void survives_cuts(void **state)
{
	unsigned int most = 0;

	(void)state;
	for (unsigned int seed = 1; seed <= 150; seed++) {
		static long budgets[256];
		unsigned int n = 0;

		srand(seed);
		begin(60000, 60000, 1 + (size_t)rand() % 3000);
		near.lost = true;
		while (!all_there()) {
			struct carrier *c[2];
			bool first;

			loop_once(loop, NS_MS);
			first = near.lost;
			most = MAX(most, stats(near.s).lanes);
			assert_false(near.dead || far.dead);
			if (!first && (rand() % 10 ||
				       stats(near.s).lanes == SESSION_LANES))
				continue;
			assert_true(n < ARRAY_SIZE(budgets));
			budgets[n] = 1 + rand() % 20000;
			if (n > 200)
				budgets[n] = -1;
			memcarrier_pair(loop, &budgets[n], seed + n, c);
			n++;
			near.lost = false;
			acceptor_take(acceptor, c[1]);
			if (first)
				session_attach(near.s, c[0]);
			else
				session_join(near.s, c[0]);
		}
		assert_true(n > 3);
		finish();
	}
	assert_true(most > 3);
}

static int64_t time_of(size_t lanes, size_t up, size_t down)
{
	int64_t start;

	begin(up, down, 65536);
	add_many(lanes);
	start = clock_ns();
	while (!all_there())
		loop_once(loop, 10 * NS_MS);
	assert_false(near.losses || far.losses);
	start = clock_ns() - start;
	finish();
	return start;
}

/* One stream over eight carriers, each of which waits for its losses */
static void eight_carry_more_than_four_times(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		paths[i].loss = 300000;
	for (int up = 0; up < 2; up++) {
		size_t n = 40 * MIB;
		int64_t one = time_of(1, up ? n : 0, up ? 0 : n);
		int64_t eight = time_of(8, up ? n : 0, up ? 0 : n);

		print_message("# %s: one %lld ms, eight %lld ms\n",
			      up ? "up" : "down", (long long)(one / NS_MS),
			      (long long)(eight / NS_MS));
		assert_true(one > 4 * eight);
	}
}

/* What each gets follows its rate: no share is set */
static void a_slow_one_gets_little(void **state)
{
	int64_t both;

	(void)state;
	paths[1].rate = MIB / 4;
	both = time_of(2, 0, 30 * MIB);
	print_message("# %lld ms\n", (long long)(both / NS_MS));
	/* 5 MiB/s alone: six seconds */
	assert_true(both < 7 * NS_SEC);
}

/* One that says nothing any more is given up; the others need no one for what
 * it had, and until then no more waits than was agreed */
static void a_silent_one_is_done_without(void **state)
{
	(void)state;
	begin(0, 200 * MIB, 65536);
	add_many(4);
	while (near.got < 20 * MIB)
		loop_once(loop, 10 * NS_MS);
	paths[2].stuck = true;
	while (!all_there()) {
		loop_once(loop, 10 * NS_MS);
		assert_true(far.made - stats(far.s).acked <=
			    far_cfg.replay_max + MIB);
	}
	assert_false(near.losses || far.losses);
	assert_int_equal(stats(near.s).lanes, 3);
	assert_int_equal(stats(far.s).lanes, 3);
	finish();
}

/* All wait for what is on one that stands still: that goes over another, too,
 * long before it is given up */
static void what_all_wait_for_is_hastened(void **state)
{
	int64_t start;

	(void)state;
	begin(0, 8 * MIB, 65536);
	add_many(3);
	while (near.got < 4 * MIB)
		loop_once(loop, 10 * NS_MS);
	paths[1].stuck = true;
	start = clock_ns();
	while (near.got < far.total)
		loop_once(loop, 10 * NS_MS);
	assert_true(clock_ns() - start < 2500 * NS_MS);
	assert_int_equal(stats(near.s).lanes, 3);
	paths[1].stuck = false;
	while (!all_there())
		loop_once(loop, 10 * NS_MS);
	finish();
}

/* With the last one the session is as with a single one */
static void all_die_at_once(void **state)
{
	(void)state;
	begin(20 * MIB, 20 * MIB, 65536);
	add_many(4);
	while (near.got < 5 * MIB)
		loop_once(loop, 10 * NS_MS);
	for (size_t i = 0; i < 4; i++)
		paths[i].dead = true;
	wait_for(&near.lost);
	add(4, true);
	wait_for(&near.up);
	assert_int_equal(stats(near.s).lanes, 1);
	while (!all_there())
		loop_once(loop, 10 * NS_MS);
	finish();
}

static void fewer_when_told(void **state)
{
	(void)state;
	begin(20 * MIB, 20 * MIB, 65536);
	add_many(6);
	while (near.got < 5 * MIB)
		loop_once(loop, 10 * NS_MS);
	session_narrow(near.s, 2);
	assert_int_equal(stats(near.s).lanes, 2);
	run_for(NS_SEC);
	assert_int_equal(stats(far.s).lanes, 2);
	assert_int_equal(stats(near.s).refused, 0);
	while (!all_there())
		loop_once(loop, 10 * NS_MS);
	assert_false(near.losses || far.losses);
	finish();
}

/* Who says nothing of it gets what is old, and is asked for no more */
static void an_older_end_has_one(void **state)
{
	struct carrier *c[2];

	(void)state;
	for (int which = 0; which < 2; which++) {
		near_cfg.lanes = which ? SESSION_LANES : 0;
		far_cfg.lanes = which ? 0 : SESSION_LANES;
		begin(MIB, MIB, 65536);
		add(0, true);
		if (which) /* it is not known yet how old */
			add(2, false);
		wait_for(&near.up);
		assert_int_equal(stats(near.s).lanes, 1);
		pathcarrier_pair(loop, &paths[1], c);
		acceptor_take(acceptor, c[1]);
		assert_false(session_join(near.s, c[0]));
		while (!all_there())
			loop_once(loop, 10 * NS_MS);
		finish();
	}
}

/* Those that are opened beside the first are up when that is; the first that
 * opens is the first, whichever that is */
static void several_are_opened_at_once(void **state)
{
	(void)state;
	for (size_t silent = 0; silent < 4; silent++) {
		int64_t start;

		for (size_t i = 0; i < 4; i++)
			paths[i].open_ns = i == silent ? 20 * NS_SEC : 0;
		begin(10 * MIB, 10 * MIB, 65536);
		start = clock_ns();
		add(0, true);
		for (size_t i = 1; i < 4; i++)
			add(i, false);
		wait_for(&near.up);
		/* to open it, and HELLO with its answer: a round trip each */
		assert_true(clock_ns() - start < 200 * NS_MS);
		run_for(100 * NS_MS);
		assert_int_equal(stats(near.s).lanes, 4);
		assert_int_equal(stats(near.s).joining, 1);
		assert_int_equal(stats(far.s).lanes, 3);
		while (!all_there())
			loop_once(loop, 10 * NS_MS);
		run_for(2 * near_cfg.hello_ns);
		assert_int_equal(stats(near.s).lanes, 3);
		assert_int_equal(stats(near.s).refused, 1);
		assert_false(near.losses || far.losses);
		assert_int_equal(sessions, 1);
		sessions = 0;
		finish();
	}
}

/* One of them dies before it is up: nobody takes notice; the one that has said
 * HELLO: all are opened again */
static void one_dies_before_it_is_up(void **state)
{
	(void)state;
	for (int which = 0; which < 2; which++) {
		for (size_t i = 0; i < 4; i++)
			paths[i].dead = false;
		begin(5 * MIB, 5 * MIB, 65536);
		add(0, true);
		for (size_t i = 1; i < 4; i++)
			add(i, false);
		run_for(90 * NS_MS); /* the HELLO is on its way */
		paths[which ? 0 : 2].dead = true;
		run_for(NS_SEC);
		assert_int_equal(near.lost, which);
		assert_int_equal(stats(near.s).lanes, which ? 0 : 3);
		if (which) {
			add(4, true);
			add(5, false);
			wait_for(&near.up);
		}
		while (!all_there())
			loop_once(loop, 10 * NS_MS);
		assert_int_equal(near.losses, which);
		finish();
	}
}

/* One that does not come up takes nothing with it */
static void one_more_is_refused(void **state)
{
	struct carrier *c[2];

	(void)state;
	far_cfg.lanes = 2;
	paths[2].stuck = true;
	begin(30 * MIB, 30 * MIB, 65536);
	add_many(2);
	pathcarrier_pair(loop, &paths[1], c);
	acceptor_take(acceptor, c[1]);
	assert_true(session_join(near.s, c[0]));
	add(2, false); /* no answer */
	while (!all_there())
		loop_once(loop, 10 * NS_MS);
	assert_int_equal(stats(near.s).refused, 1);
	run_for(2 * near_cfg.hello_ns);
	assert_int_equal(stats(near.s).refused, 2);
	assert_int_equal(stats(near.s).lanes, 2);
	assert_false(near.losses || far.losses);
	finish();
}

/* The end that has too little of them hears of it, whoever sends */
static void tells_that_more_would_be_taken(void **state)
{
	(void)state;
	for (int up = 0; up < 2; up++) {
		begin(up ? 20 * MIB : 0, up ? 0 : 20 * MIB, 1 << 20);
		add_many(1);
		while (near.got + far.got < 10 * MIB)
			loop_once(loop, 10 * NS_MS);
		assert_true(session_limited(near.s));
		while (!all_there())
			loop_once(loop, 10 * NS_MS);
		(void)session_limited(near.s);
		/* little is not */
		near.total += 1000;
		far.total += 1000;
		session_kick(near.s);
		session_kick(far.s);
		run_for(NS_SEC);
		assert_true(all_there());
		assert_false(session_limited(near.s));
		finish();
	}
}

static void leaves_over_one(void **state)
{
	struct farewell f;

	(void)state;
	begin(30 * MIB, 30 * MIB, 65536);
	add_many(3);
	while (near.got < 5 * MIB)
		loop_once(loop, 10 * NS_MS);
	session_leave(near.s, FRAME_CODE_BYE, "it is late", &f);
	farewell_wait(&f, loop, 10 * NS_SEC);
	assert_true(far.dead);
	assert_non_null(strstr(far.why, "it is late"));
	finish();
}

/* One that takes nothing any more, though the other end is heard on it, makes
 * no more wait here than was agreed: then it is done without */
static void one_that_takes_nothing_is_done_without(void **state)
{
	size_t before;

	(void)state;
	near_cfg.dead_ns = 1000 * NS_SEC;
	begin(0, 300 * MIB, 65536);
	add_many(3);
	while (near.got < 20 * MIB)
		loop_once(loop, 10 * NS_MS);
	before = far.made;
	paths[1].one_way = paths[1].stuck = true;
	while (stats(far.s).lanes == 3) {
		loop_once(loop, 10 * NS_MS);
		assert_true(far.made - before <= 4 * far_cfg.replay_max + MIB);
	}
	while (!all_there())
		loop_once(loop, 10 * NS_MS);
	assert_false(near.losses || far.losses);
	finish();
}

/* Carriers that are slow, lose, stand still one way or both, go on, die, or do
 * not come up, while both ends have much to say: all is there in the end, and
 * no end gave up. LANES_SEEDS: how many runs */
static void survives_whatever_paths_do(void **state)
{
	const char *more = getenv("LANES_SEEDS");
	unsigned int seeds = more ? (unsigned int)strtoul(more, NULL, 10) : 4;

	(void)state;
	near_cfg.replay_max = far_cfg.replay_max = 2 * MIB;
	near_cfg.inflight_max = far_cfg.inflight_max = 2 * MIB;
	for (unsigned int seed = 1; seed <= seeds; seed++) {
		static struct path all[1000];
		size_t n = 0;

		srand(seed);
		begin(12 * MIB, 12 * MIB, 1 + (size_t)rand() % 50000);
		near.lost = true;
		while (!all_there()) {
			struct carrier *c[2];
			struct path *p;

			loop_once(loop, 10 * NS_MS);
			assert_false(near.dead || far.dead);
			/* it has an end: later ones are well */
			if (n && n < 600 && rand() % 40 == 0) {
				p = &all[n - 1 -
					 (size_t)rand() % MIN(n, (size_t)8)];
				p->one_way = rand() % 2;
				p->stuck = rand() % 2;
				p->dead = p->dead || rand() % 6 == 0;
			}
			if (n == ARRAY_SIZE(all) || (!near.lost && rand() % 30))
				continue;
			p = &all[n++];
			*p = (struct path){ .delay_ns = rand() % 60 * NS_MS,
					    .rate = 20000U << rand() % 10,
					    .queue = 4096U << rand() % 8,
					    .loss = (size_t)rand() % 200000,
					    .stuck = n < 600 &&
						     rand() % 10 == 0 };
			pathcarrier_pair(loop, p, c);
			acceptor_take(acceptor, c[1]);
			if (near.lost)
				session_attach(near.s, c[0]);
			else
				session_join(near.s, c[0]);
			near.lost = false;
		}
		if (more)
			print_message("# %u: %zu paths, %u and %u losses\n",
				      seed, n, near.losses, far.losses);
		finish();
	}
}

/* --- an end that says what it likes --------------------------------------- */

struct raw {
	struct carrier base;
	bool closed;
};

static ssize_t raw_send(struct carrier *c, const struct iovec *iov, int n)
{
	ssize_t all = 0;

	(void)c;
	for (int i = 0; i < n; i++)
		all += (ssize_t)iov[i].iov_len;
	return all;
}

static void raw_close(struct carrier *c)
{
	container_of(c, struct raw, base)->closed = true;
}

static const struct carrier_ops raw_ops = { raw_send, raw_close };
static struct raw raw[2];

static void raw_data(struct raw *r, uint64_t seq, size_t n)
{
	struct frame_hdr h = { .type = FRAME_DATA,
			       .len = (uint32_t)n,
			       .seq = seq };
	uint8_t *frame = xcalloc(1, FRAME_HEADER_LEN + n);

	frame_put_header(frame, &h);
	for (size_t i = 0; i < n; i++)
		frame[FRAME_HEADER_LEN + i] = byte_at(near.key, seq + i);
	if (!r->closed)
		r->base.handler->data(r->base.user, frame,
				      FRAME_HEADER_LEN + n);
	free(frame);
}

/* far.s has two carriers from somebody */
static void begin_raw(void)
{
	struct frame_hello hello = { .version_min = FRAME_VERSION_MIN,
				     .version_max = FRAME_VERSION_MAX,
				     .flags = FRAME_FLAG_LANES,
				     .window = (uint32_t)far_cfg.replay_max };
	struct kt_error err = { 0 };

	begin(0, 0, 1);
	(void)on_session(NULL, &hello);
	for (size_t i = 0; i < ARRAY_SIZE(raw); i++) {
		raw[i] = (struct raw){ .base.ops = &raw_ops };
		assert_int_equal(
			session_adopt(far.s, &raw[i].base, &hello, 0, &err), 0);
		hello.flags |= FRAME_FLAG_JOIN;
	}
}

/* Bytes at the end of all numbers are as far ahead as any */
static void far_ahead_is_nonsense(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		static const uint64_t at[] = { UINT64_MAX - 99, UINT64_MAX,
					       64 * MIB };

		begin_raw();
		raw_data(&raw[1], at[i], 200);
		assert_true(far.dead);
		assert_true(raw[0].closed && raw[1].closed);
		finish();
	}
}

/* Who sends so little at a time that no room is left for it loses a carrier;
 * nothing of it was acknowledged, so it may come again */
static void a_full_reorder_buffer_costs_a_carrier(void **state)
{
	unsigned int i;

	(void)state;
	far_cfg.replay_max = MIB;
	begin_raw();
	for (i = 0; i < 10000 && !raw[1].closed; i++)
		raw_data(&raw[1], 1 + 2 * (uint64_t)i, 1);
	assert_true(raw[1].closed);
	assert_false(raw[0].closed || far.dead);
	assert_int_equal(stats(far.s).lanes, 1);
	raw_data(&raw[0], 0, 2 * i + 1);
	assert_int_equal(far.got, 2 * i + 1);
	finish();
}

/* What is said by one that has proven nothing yet concerns it alone */
static void nonsense_instead_of_an_answer(void **state)
{
	(void)state;
	begin(MIB, MIB, 65536);
	add_many(2);
	raw[0] = (struct raw){ .base.ops = &raw_ops };
	assert_true(session_join(near.s, &raw[0].base));
	raw_data(&raw[0], 0, 10);
	assert_true(raw[0].closed);
	assert_int_equal(stats(near.s).lanes, 2);
	assert_int_equal(stats(near.s).refused, 1);
	while (!all_there())
		loop_once(loop, 10 * NS_MS);
	assert_false(near.dead || near.losses);
	finish();
}

/* One more of a session that is not known begins none */
static void more_of_nothing_is_refused(void **state)
{
	(void)state;
	begin(0, 0, 1);
	add_many(1);
	assert_int_equal(sessions, 1);
	acceptor_remove(acceptor, far.s);
	add(1, false);
	run_for(NS_SEC);
	assert_int_equal(sessions, 1);
	assert_int_equal(stats(near.s).lanes, 1);
	assert_int_equal(stats(near.s).refused, 1);
	finish();
}

/* Nor does one that has already received something of what nobody has sent */
static void nothing_is_received_of_what_begins(void **state)
{
	struct frame_hello hello = { .version_min = FRAME_VERSION_MIN,
				     .version_max = FRAME_VERSION_MAX };
	struct buf b;

	(void)state;
	for (unsigned int first = 0; first < 2; first++) {
		begin(0, 0, 1);
		sessions = 0;
		raw[0] = (struct raw){ .base.ops = &raw_ops };
		acceptor_take(acceptor, &raw[0].base);
		buf_init(&b, 4096);
		assert_int_equal(frame_put_hello(&b,
						 (struct frame_hdr){
							 .type = FRAME_HELLO,
							 .ack = first ? 0 : 5 },
						 &hello),
				 0);
		raw[0].base.handler->data(raw[0].base.user, buf_data(&b),
					  b.len);
		buf_fini(&b);
		assert_int_equal(sessions, first);
		finish();
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		T(survives_cuts),
		T(eight_carry_more_than_four_times),
		T(a_slow_one_gets_little),
		T(a_silent_one_is_done_without),
		T(what_all_wait_for_is_hastened),
		T(all_die_at_once),
		T(fewer_when_told),
		T(an_older_end_has_one),
		T(several_are_opened_at_once),
		T(one_dies_before_it_is_up),
		T(one_more_is_refused),
		T(tells_that_more_would_be_taken),
		T(leaves_over_one),
		T(one_that_takes_nothing_is_done_without),
		T(survives_whatever_paths_do),
		T(far_ahead_is_nonsense),
		T(a_full_reorder_buffer_costs_a_carrier),
		T(nonsense_instead_of_an_answer),
		T(more_of_nothing_is_refused),
		T(nothing_is_received_of_what_begins),
	};

	simtime_freeze();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
