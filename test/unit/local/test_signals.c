/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/loop.h"
#include "base/mem.h"
#include "local/signals.h"

#include <errno.h>
#include <signal.h>

static struct signals *start(struct loop *l)
{
	struct kt_error err = { 0 };
	struct signals *s = signals_new(l, &err);

	assert_non_null(s);
	return s;
}

static int wait_a_little(struct loop *l)
{
	return loop_sleep(l, 50 * NS_MS);
}

static void first_interrupts(void **state)
{
	static const int signos[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(signos); i++) {
		struct loop *l = loop_new();
		struct signals *s = start(l);

		assert_int_equal(signals_seen(s), 0);
		raise(signos[i]);
		assert_int_equal(wait_a_little(l), -EINTR);
		assert_int_equal(signals_seen(s), signos[i]);
		assert_false(signals_forced(s));
		assert_int_equal(wait_a_little(l), -EINTR);
		signals_free(s);
		loop_free(l);
	}
}

/* As nohup starts us */
static void an_ignored_hup_is_none(void **state)
{
	struct loop *l = loop_new();
	struct signals *s;
	sigset_t hup;

	(void)state;
	signal(SIGHUP, SIG_IGN);
	/* a test before has it blocked */
	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	sigprocmask(SIG_UNBLOCK, &hup, NULL);
	s = start(l);
	raise(SIGHUP);
	assert_int_equal(wait_a_little(l), 0);
	assert_int_equal(signals_seen(s), 0);
	signals_divert(s, NULL, NULL);
	raise(SIGHUP);
	assert_int_equal(wait_a_little(l), 0);
	assert_int_equal(signals_seen(s), 0);
	signals_free(s);
	loop_free(l);
	signal(SIGHUP, SIG_DFL);
}

static void second_forces(void **state)
{
	struct loop *l = loop_new();
	struct signals *s = start(l);

	(void)state;
	raise(SIGTERM);
	assert_int_equal(wait_a_little(l), -EINTR);
	raise(SIGINT); /* before the clean-up began: not impatience */
	signals_clean_up(s);
	assert_int_equal(loop_once(l, 0), 0);
	loop_resume(l);
	signals_free(s);
	loop_free(l);

	l = loop_new();
	s = start(l);
	raise(SIGINT);
	assert_int_equal(wait_a_little(l), -EINTR);
	signals_clean_up(s);
	assert_int_equal(wait_a_little(l), 0);
	raise(SIGHUP); /* the terminal closes, the clean-up goes on */
	assert_int_equal(wait_a_little(l), 0);
	raise(SIGINT);
	assert_int_equal(wait_a_little(l), -EINTR);
	assert_true(signals_forced(s));
	assert_int_equal(signals_seen(s), SIGINT);
	signals_free(s);
	loop_free(l);
}

/* Clean-up after a failure is not ended by the first Ctrl-C */
static void failure(void **state)
{
	struct loop *l = loop_new();
	struct signals *s = start(l);

	(void)state;
	signals_clean_up(s);
	raise(SIGINT);
	assert_int_equal(wait_a_little(l), 0);
	assert_false(signals_forced(s));
	raise(SIGINT);
	assert_int_equal(wait_a_little(l), -EINTR);
	assert_true(signals_forced(s));
	signals_free(s);
	loop_free(l);
}

/* What is given back is given back: the second signal ends waits, the third
 * everything */
static void second_hurries(void **state)
{
	struct loop *l = loop_new();
	struct signals *s = start(l);
	int64_t began;

	(void)state;
	raise(SIGTERM);
	assert_int_equal(wait_a_little(l), -EINTR);
	signals_give_back(s);
	assert_int_equal(signals_sleep(s, 20 * NS_MS), 0);
	raise(SIGTERM); /* a program that sends it again is not impatient */
	raise(SIGHUP);
	assert_int_equal(wait_a_little(l), 0);
	assert_false(signals_forced(s));
	assert_int_equal(signals_sleep(s, 20 * NS_MS), 0);
	raise(SIGQUIT);
	assert_int_equal(wait_a_little(l), 0); /* as a request would */
	assert_true(signals_forced(s));
	began = clock_ns();
	assert_int_equal(signals_sleep(s, 10 * NS_SEC), -EINTR);
	assert_true(clock_ns() - began < NS_SEC);
	raise(SIGTERM);
	assert_int_equal(wait_a_little(l), 0);
	raise(SIGINT);
	assert_int_equal(wait_a_little(l), -EINTR);
	signals_free(s);
	loop_free(l);
}

static void second_ends_a_wait(void **state)
{
	struct loop *l = loop_new();
	struct signals *s = start(l);

	(void)state;
	raise(SIGTERM);
	assert_int_equal(wait_a_little(l), -EINTR);
	signals_give_back(s);
	raise(SIGINT);
	assert_int_equal(signals_sleep(s, 10 * NS_SEC), -EINTR);
	assert_int_equal(wait_a_little(l), 0);
	signals_free(s);
	loop_free(l);
}

static void leave(void **state)
{
	struct loop *l = loop_new();
	struct signals *s = start(l);

	(void)state;
	signals_leave(s, SIGTERM);
	assert_int_equal(wait_a_little(l), -EINTR);
	assert_int_equal(signals_seen(s), SIGTERM);
	signals_free(s);
	loop_free(l);
}

struct diverted {
	int seen[8];
	size_t n;
	bool take;
};

static bool divert(void *user, int signo)
{
	struct diverted *d = user;

	d->seen[d->n++] = signo;
	return d->take;
}

/* Of a program that gets them: USR1 and USR2 as well, and nothing ends */
static void others_may_have_them(void **state)
{
	static const int signos[] = { SIGUSR1, SIGINT, SIGTERM, SIGUSR2 };
	struct loop *l = loop_new();
	struct signals *s = start(l);
	struct diverted d = { .take = true };

	(void)state;
	signals_divert(s, divert, &d);
	for (size_t i = 0; i < ARRAY_SIZE(signos); i++) {
		raise(signos[i]);
		assert_int_equal(wait_a_little(l), 0);
		assert_int_equal(d.n, i + 1);
		assert_int_equal(d.seen[i], signos[i]);
	}
	assert_int_equal(signals_seen(s), 0);
	d.take = false;
	raise(SIGUSR1); /* nobody's: it does not end us either */
	assert_int_equal(wait_a_little(l), 0);
	raise(SIGHUP);
	assert_int_equal(wait_a_little(l), -EINTR);
	assert_int_equal(signals_seen(s), SIGHUP);
	signals_divert(s, NULL, NULL);
	signals_free(s);
	loop_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_interrupts),
		cmocka_unit_test(an_ignored_hup_is_none),
		cmocka_unit_test(second_forces),
		cmocka_unit_test(failure),
		cmocka_unit_test(second_hurries),
		cmocka_unit_test(second_ends_a_wait),
		cmocka_unit_test(leave),
		cmocka_unit_test(others_may_have_them),
	};

	signal(SIGHUP, SIG_DFL); /* of nohup */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
