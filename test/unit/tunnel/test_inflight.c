/* SPDX-License-Identifier: Apache-2.0 */
/* The window on a path that is only arithmetic: a bottleneck with a queue
 * before it, and a way there and back. */
#include "test.h"

#include "base/loop.h"
#include "base/mem.h"
#include "tunnel/inflight.h"

#include <string.h>

#define CHUNK ((uint64_t)32 * 1024)
#define CHUNKS 4096
#define CAP ((size_t)64 * 1024 * 1024)
#define QUEUE (150 * NS_MS) /* the window's own, as flight.h says */

struct path {
	struct inflight f;
	int64_t now, busy; /* the bottleneck works until then */
	double rate;	   /* bytes/s */
	int64_t rtt;	   /* ns, without the queue */
	uint64_t sent, acked;
	int64_t ack_at[CHUNKS]; /* of the chunk that ends at that position */
	uint64_t delivered;	/* since run() began */
	int64_t longest;	/* round trip since run() began */
};

static struct path path_make(double mb_per_s, double rtt_ms)
{
	struct path p = { .rate = mb_per_s * 1e6,
			  .rtt = (int64_t)(rtt_ms * 1e6),
			  .now = 1000 * NS_SEC };

	inflight_init(&p.f, CAP);
	return p;
}

static void send_all(struct path *p)
{
	while (p->sent - p->acked + CHUNK <= inflight_window(&p->f)) {
		p->busy = MAX(p->busy, p->now) +
			  (int64_t)((double)CHUNK / p->rate * 1e9);
		p->sent += CHUNK;
		p->ack_at[p->sent / CHUNK % CHUNKS] = p->busy + p->rtt;
		p->longest = MAX(p->longest, p->busy + p->rtt - p->now);
		inflight_sent(&p->f, p->sent, p->acked, p->now);
	}
}

/* @seconds of a sender who always has more */
static void run(struct path *p, double seconds)
{
	int64_t end = p->now + (int64_t)(seconds * 1e9);

	p->delivered = 0;
	p->longest = 0;
	while (p->now < end) {
		send_all(p);
		p->now = p->ack_at[(p->acked / CHUNK + 1) % CHUNKS];
		p->acked += CHUNK;
		p->delivered += CHUNK;
		inflight_acked(&p->f, p->acked, p->now);
	}
}

/* full, and no longer a queue than the window's own; on a slow path that of
 * FLIGHT_MIN, and once more as it is taken for the path */
static void assert_good(struct path *p, double seconds)
{
	int64_t least = (int64_t)((double)INFLIGHT_MIN / p->rate * 1e9);

	run(p, seconds);
	assert_true((double)p->delivered > 0.95 * p->rate * seconds);
	assert_true(p->longest < 2 * p->rtt + MAX(QUEUE, 2 * least) * 3 / 2);
}

static void test_fills_the_path(void **state)
{
	static const double paths[][2] = {
		/* MB/s, ms */
		{ 300, 0.4 }, { 100, 1 }, { 100, 20 }, { 30, 80 },
		{ 1, 80 },    { 1, 300 }, { 30, 300 }
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct path p = path_make(paths[i][0], paths[i][1]);

		run(&p, 3); /* finding it out */
		assert_good(&p, 5);
		assert_good(&p, 60); /* a queue is never taken for the path */
	}
}

static void test_follows_the_path(void **state)
{
	struct path p = path_make(100, 20);

	(void)state;
	run(&p, 3);
	p.rate /= 10;
	run(&p, 8); /* the old rate is believed so long */
	assert_good(&p, 5);
	p.rate *= 20;
	run(&p, 3);
	assert_good(&p, 5);
	p.rtt *= 4;
	run(&p, 3);
	assert_good(&p, 60);
	p.rtt /= 8;
	run(&p, 5);
	assert_good(&p, 5);
}

/* From any round trip to any other the path is full again. */
static void test_longer_way(void **state)
{
	struct path p = path_make(20, 1);

	(void)state;
	run(&p, 30);
	p.rtt = 400 * NS_MS;
	run(&p, 60);
	run(&p, 10);
	assert_true((double)p.delivered > 0.9 * p.rate * 10);
}

/* A sender with little to say: the path is found again within a second. */
static void test_little_to_send(void **state)
{
	struct path p = path_make(50, 20);

	(void)state;
	run(&p, 3);
	for (int i = 0; i < 1000; i++) {
		p.now += p.rtt;
		p.acked = p.sent;
		inflight_acked(&p.f, p.acked, p.now);
		p.sent += CHUNK;
		p.ack_at[p.sent / CHUNK % CHUNKS] = p.now + p.rtt;
		inflight_sent(&p.f, p.sent, p.acked, p.now);
	}
	assert_true(inflight_window(&p.f) >= INFLIGHT_MIN);
	run(&p, 1);
	assert_good(&p, 2);
}

static void test_limits(void **state)
{
	struct inflight f;

	(void)state;
	inflight_init(&f, 1000);
	assert_int_equal(inflight_window(&f), 1000);
	inflight_init(&f, CAP);
	inflight_rtt(&f, -5, 1); /* a clock that went back */
	assert_int_equal(f.rtt_min, 1);
	inflight_sent(&f, 10, 0, 100);
	inflight_acked(&f, 5, 200); /* not yet */
	assert_int_equal(f.rate, 0);
	inflight_acked(&f, 10, 100); /* in no time */
	assert_int_equal(inflight_window(&f), CAP);
	inflight_sent(&f, 1ull << 60, 10, 300);
	inflight_acked(&f, 1ull << 60, 301);
	f.rtt_min = 3600 * NS_SEC;
	assert_int_equal(inflight_window(&f), CAP);
	inflight_reset(&f);
	assert_int_equal(f.rtt_min, 0);
	assert_int_equal(inflight_window(&f), INFLIGHT_MIN);
}

/* Eight of them on a slow path put no more into its queue than one does */
static void test_share_a_slow_path(void **state)
{
	struct path p = path_make(0.125, 30); /* an eighth of it */

	(void)state;
	run(&p, 20);
	assert_int_equal(inflight_window(&p.f), INFLIGHT_MIN);
	assert_true(inflight_window_of(&p.f, 8) < INFLIGHT_MIN / 4);
	/* where it is fast that is no bound */
	p = path_make(20, 30);
	run(&p, 5);
	assert_true(inflight_window_of(&p.f, 8) > 2 * INFLIGHT_MIN);
	assert_int_equal(inflight_window_of(&p.f, 8), inflight_window(&p.f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fills_the_path),
		cmocka_unit_test(test_follows_the_path),
		cmocka_unit_test(test_longer_way),
		cmocka_unit_test(test_little_to_send),
		cmocka_unit_test(test_share_a_slow_path),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
