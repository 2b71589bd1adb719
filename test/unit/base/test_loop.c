/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/loop.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct peer {
	struct watch watch;
	struct peer *other;
	int calls;
};

static void stop_both(struct watch *w, uint32_t events)
{
	struct peer *p = container_of(w, struct peer, watch);

	(void)events;
	p->calls++;
	loop_watch_stop(&p->watch);
	loop_watch_stop(&p->other->watch);
}

static void a_stopped_watch_is_not_called_in_the_same_batch(void **state)
{
	struct loop *l = loop_new();
	struct peer a = { 0 }, b = { 0 };
	int fa = eventfd(1, 0), fb = eventfd(1, 0);

	(void)state;
	a.other = &b;
	b.other = &a;
	assert_int_equal(loop_watch_start(l, &a.watch, fa, EPOLLIN, stop_both),
			 0);
	assert_int_equal(loop_watch_start(l, &b.watch, fb, EPOLLIN, stop_both),
			 0);
	assert_int_equal(loop_once(l, 0), 0);
	assert_int_equal(a.calls + b.calls, 1);
	assert_int_equal(loop_once(l, 0), 0);
	assert_int_equal(a.calls + b.calls, 1);
	close(fa);
	close(fb);
	loop_free(l);
}

struct tick {
	struct timer timer;
	int *order, *n, id;
};

static void on_tick(struct timer *t)
{
	struct tick *k = container_of(t, struct tick, timer);

	k->order[(*k->n)++] = k->id;
}

static void timers_run_in_order_and_stop(void **state)
{
	static const int delay[] = { 7, 3, 9, 1, 5, 8, 2, 6, 4 };
	struct loop *l = loop_new();
	struct tick tick[9] = { 0 };
	int order[16], n = 0;
	int64_t due[10] = { 0 }; /* this test may be stopped in between */

	(void)state;
	for (int i = 0; i < 9; i++) {
		tick[i].order = order;
		tick[i].n = &n;
		tick[i].id = delay[i];
		loop_timer_start(l, &tick[i].timer, delay[i] * 10 * NS_MS,
				 on_tick);
		due[delay[i]] = tick[i].timer.due;
	}
	loop_timer_stop(&tick[4].timer); /* 5 */
	loop_timer_stop(&tick[4].timer);
	/* re-armed: 9 comes first now */
	loop_timer_start(l, &tick[2].timer, 0, on_tick);
	assert_int_equal(loop_sleep(l, 300 * NS_MS), 0);
	assert_int_equal(n, 8);
	assert_int_equal(order[0], 9);
	for (int i = 2; i < 8; i++)
		assert_true(due[order[i]] >= due[order[i - 1]]);
	assert_false(loop_timer_active(&tick[0].timer));
	loop_free(l);
}

struct stopper {
	struct timer timer;
	struct loop *loop;
	bool done;
};

struct ticker {
	struct timer timer;
	struct loop *loop;
	int left;
	bool done;
};

static void on_ticker(struct timer *t)
{
	struct ticker *k = container_of(t, struct ticker, timer);

	if (k->left-- == 0)
		k->done = true;
	else /* due while the loop works out how long to wait */
		loop_timer_start(k->loop, t, k->left % 1000, on_ticker);
}

static void a_timer_that_is_due_right_now_is_not_missed(void **state)
{
	struct ticker k = { .loop = loop_new(), .left = 3000 };

	(void)state;
	loop_timer_start(k.loop, &k.timer, 0, on_ticker);
	alarm(60);
	assert_int_equal(loop_run_until(k.loop, &k.done, -1), 0);
	alarm(0);
	loop_free(k.loop);
}

static void on_stop(struct timer *t)
{
	struct stopper *s = container_of(t, struct stopper, timer);

	loop_interrupt(s->loop);
}

static void on_done(struct timer *t)
{
	container_of(t, struct stopper, timer)->done = true;
}

static void waiting_ends_by_done_timeout_and_interrupt(void **state)
{
	struct loop *l = loop_new();
	struct stopper s = { .loop = l };

	(void)state;
	loop_timer_start(l, &s.timer, NS_MS, on_done);
	assert_int_equal(loop_run_until(l, &s.done, NS_SEC), 0);
	s.done = false;
	assert_int_equal(loop_run_until(l, &s.done, NS_MS), -ETIMEDOUT);
	loop_timer_start(l, &s.timer, NS_MS, on_stop);
	assert_int_equal(loop_run_until(l, &s.done, NS_SEC), -EINTR);
	assert_int_equal(loop_sleep(l, NS_SEC), -EINTR);
	loop_resume(l);
	assert_int_equal(loop_sleep(l, NS_MS), 0);
	loop_free(l);
}

static void count(void *user)
{
	++*(int *)user;
}

static void deferred_work_runs_once(void **state)
{
	struct loop *l = loop_new();
	int n = 0;

	(void)state;
	loop_defer(l, count, &n);
	loop_defer_free(l, malloc(10));
	assert_int_equal(n, 0);
	assert_int_equal(loop_once(l, -1), 0);
	assert_int_equal(n, 1);
	loop_defer(l, count, &n);
	loop_free(l);
	assert_int_equal(n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_stopped_watch_is_not_called_in_the_same_batch),
		cmocka_unit_test(timers_run_in_order_and_stop),
		cmocka_unit_test(a_timer_that_is_due_right_now_is_not_missed),
		cmocka_unit_test(waiting_ends_by_done_timeout_and_interrupt),
		cmocka_unit_test(deferred_work_runs_once),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
