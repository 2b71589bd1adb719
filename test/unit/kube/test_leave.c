/* SPDX-License-Identifier: Apache-2.0 */
/* Who leaves waits for an API server that is away only for a short time. */
#include "test.h"

#include "fake.h"

#include "base/mem.h"
#include "kube/patience.h"
#include "kube/rest.h"

#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/socket.h>

/* The kernel drops what comes for @fd before TCP sees it: nobody acknowledges
 */
static void hole(int fd)
{
	struct sock_filter none = { BPF_RET | BPF_K, 0, 0, 0 };
	const struct sock_fprog prog = { 1, &none };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
				    sizeof(prog)),
			 0);
}

static int get(struct world *w, struct kt_error *err)
{
	*err = (struct kt_error){ 0 };
	return kube_get(w->kube, "/api/x", NULL, err);
}

static void answer_ok(struct fake_conn *c, const char *request)
{
	(void)request;
	fake_reply(c, 200, "", "{}");
}

static void answer_nothing(struct fake_conn *c, const char *request)
{
	(void)c;
	(void)request;
}

/* Seconds that a request took which was given up */
static double given_up(struct world *w)
{
	int64_t begin = clock_ns();
	struct kt_error err;

	assert_int_equal(get(w, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.msg, "cannot be reached: "));
	assert_true(kube_is_gone(w->kube));
	return (double)(clock_ns() - begin) / (double)NS_SEC;
}

static void a_black_hole_costs_three_seconds_once(void **state)
{
	struct world w;
	double first;

	(void)state;
	world_init(&w, answer_ok);
	hole(w.fake.watch.fd);
	kube_leave(w.kube, NULL);
	assert_false(kube_is_gone(w.kube));
	first = given_up(&w);
	assert_true(first > 2.8 && first < 6);
	assert_true(given_up(&w) < 0.5);
	world_fini(&w);
}

static void nobody_who_is_impatient_waits(void **state)
{
	bool hurried = true;
	struct world w;

	(void)state;
	world_init(&w, answer_ok);
	hole(w.fake.watch.fd);
	kube_leave(w.kube, &hurried);
	assert_true(given_up(&w) < 2);
	world_fini(&w);
}

/* What has been asked for over a connection of a network that is gone */
static void deaf_after_one(struct fake_conn *c, const char *request)
{
	answer_ok(c, request);
	if (c->number == 1)
		hole(c->watch.fd);
}

static void a_kept_connection_may_be_the_only_dead_one(void **state)
{
	int64_t begin = clock_ns();
	struct kt_error err;
	struct world w;

	(void)state;
	world_init(&w, deaf_after_one);
	assert_int_equal(get(&w, &err), 0);
	kube_leave(w.kube, NULL);
	assert_int_equal(get(&w, &err), 0);
	assert_true(clock_ns() - begin >= LEAVE_DEAF / 2);
	assert_false(kube_is_gone(w.kube));
	world_fini(&w);
}

/* --- a server that is there, and slow ------------------------------------- */

static struct fake_conn *waiting;
static struct timer late;

static void late_answer(struct timer *t)
{
	(void)t;
	answer_ok(waiting, NULL);
}

static void answer_late(struct fake_conn *c, const char *request)
{
	(void)request;
	waiting = c;
	loop_timer_start(c->fake->loop, &late, LEAVE_DEAF + NS_SEC,
			 late_answer);
}

static void a_slow_server_is_waited_for(void **state)
{
	struct kt_error err;
	struct world w;

	(void)state;
	world_init(&w, answer_late);
	kube_leave(w.kube, NULL);
	assert_int_equal(get(&w, &err), 0);
	assert_false(kube_is_gone(w.kube));
	world_fini(&w);
}

static void a_server_that_hangs_is_not(void **state)
{
	struct world w;
	double first;

	(void)state;
	world_init(&w, answer_nothing);
	kube_leave(w.kube, NULL);
	first = given_up(&w);
	assert_true(first > 9 && first < 14);
	assert_true(given_up(&w) < 0.5);
	world_fini(&w);
}

/* One that refuses is tried again, but not for each request anew */
static void one_that_refuses_is_gone_too(void **state)
{
	struct kt_error err;
	struct world w;
	int64_t begin;

	(void)state;
	world_init(&w, answer_ok);
	fake_stop(&w.fake);
	kube_leave(w.kube, NULL);
	assert_int_equal(get(&w, &err), -ECONNREFUSED);
	begin = clock_ns();
	assert_int_equal(get(&w, &err), -ETIMEDOUT);
	assert_true(clock_ns() - begin < NS_SEC / 2);
	fake_start(&w.fake, w.loop, answer_ok);
	world_fini(&w);
}

/* A watch that is cut, by whoever is between, is no word about the server */
static void cut_watches(struct fake_conn *c, const char *request)
{
	if (strstr(request, "watch=1"))
		fake_close(c);
	else
		answer_ok(c, request);
}

static void on_piece(void *user, const char *data, size_t len)
{
	(void)user;
	(void)data;
	(void)len;
}

static void on_end(void *user, const struct kube_reply *reply)
{
	bool *done = user;

	assert_non_null(reply->err);
	*done = true;
}

static void a_watch_that_is_cut_is_no_end(void **state)
{
	const struct kube_request watch = { .method = "GET",
					    .path = "/api/x",
					    .query = "watch=1",
					    .timeout_ns = -1,
					    .no_retry = true,
					    .stream = on_piece };
	struct kt_error err;
	bool done = false;
	struct world w;

	(void)state;
	world_init(&w, cut_watches);
	kube_leave(w.kube, NULL);
	kube_request_start(w.kube, &watch, on_end, &done);
	assert_int_equal(loop_run_until(w.loop, &done, 10 * NS_SEC), 0);
	assert_false(kube_is_gone(w.kube));
	assert_int_equal(get(&w, &err), 0);
	world_fini(&w);
}

static void who_does_not_leave_waits(void **state)
{
	struct kt_error err;
	struct world w;

	(void)state;
	world_init(&w, answer_late);
	assert_int_equal(get(&w, &err), 0);
	assert_false(kube_is_gone(w.kube));
	assert_false(kube_is_gone(NULL));
	kube_leave(NULL, NULL);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_black_hole_costs_three_seconds_once),
		cmocka_unit_test(nobody_who_is_impatient_waits),
		cmocka_unit_test(a_kept_connection_may_be_the_only_dead_one),
		cmocka_unit_test(a_slow_server_is_waited_for),
		cmocka_unit_test(a_server_that_hangs_is_not),
		cmocka_unit_test(one_that_refuses_is_gone_too),
		cmocka_unit_test(a_watch_that_is_cut_is_no_end),
		cmocka_unit_test(who_does_not_leave_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
