/* SPDX-License-Identifier: Apache-2.0 */
/* How long a shadow with ports lives when its laptops are gone, and their
 * rules.
 */
#include "test.h"

#include "inrig.h"

#include "tunnel/sockcarrier.h"

#include <errno.h>
#include <sys/wait.h>

static bool still_runs(int64_t ns)
{
	(void)!loop_sleep(rig.loop, ns);
	return waitpid(rig.shadow, NULL, WNOHANG) == 0;
}

static void lives_as_long_as_it_is_needed(void **state)
{
	char spec[80];
	struct laptop l;
	int64_t begin;

	(void)state;
	/* no origin: while a laptop is here */
	port = free_port();
	port2 = free_port();
	snprintf(spec, sizeof(spec), "%u", port);
	start_with(spec);
	laptop_new(&l, "ann", 1, all(port), NULL);
	tunnel_free(rig.tunnel);
	assert_true(still_runs(2500 * NS_MS));
	laptop_free(&l);
	begin = clock_ns();
	while (still_runs(50 * NS_MS))
		assert_true(clock_ns() - begin < 6 * NS_SEC);
	loop_free(rig.loop);
	/* an origin: for ever */
	snprintf(spec, sizeof(spec), "%u=127.0.0.1:1", port);
	start_with(spec);
	tunnel_free(rig.tunnel);
	assert_true(still_runs(3500 * NS_MS));
	rig.tunnel = NULL;
	rig_stop(&rig);
}

/* with one laptop, and somebody who only looked and whose goodbye was lost */
static void start_once(struct laptop *l, unsigned int grace)
{
	static char once[] = "--once";
	char spec[80];

	port = free_port();
	port2 = free_port();
	snprintf(spec, sizeof(spec), "%u=127.0.0.1:1", port);
	start_also = once;
	start_with(spec);
	start_also = NULL;
	laptop_new(l, "ann", grace, all(port), NULL);
	tunnel_attach(rig.tunnel, sockcarrier_new(rig.loop, dead_socket()));
}

static void it_ends(struct laptop *l)
{
	int64_t begin = clock_ns();

	while (still_runs(50 * NS_MS))
		assert_true(clock_ns() - begin < 10 * NS_SEC);
	if (l)
		laptop_free(l);
	tunnel_free(rig.tunnel);
	loop_free(rig.loop);
}

static void once_all_have_left(void **state)
{
	struct laptop l;

	(void)state;
	start_once(&l, 1);
	assert_true(still_runs(2500 * NS_MS));
	laptop_free(&l);
	it_ends(NULL);
}

/* who took his rules back has left, whatever became of his goodbye */
static void once_the_goodbye_is_lost(void **state)
{
	struct laptop l;

	(void)state;
	start_once(&l, 60);
	l.accepted = false;
	assert_int_equal(inbound_set_rules(l.in, NULL, 0), 0);
	rig_wait(&rig, &l.accepted);
	laptop_cut(&l);
	it_ends(&l);
}

/* Who is known to be dead needs no grace time; nobody else is inherited from */
static void an_heir_waits_for_nobody(void **state)
{
	struct laptop ann, bob;
	int64_t begin;
	char c;
	int a, b, d;

	(void)state;
	laptop_owner = "a1";
	laptop_new(&ann, "ann", 60, all(port), NULL);
	a = connect_to(port);
	b = accept_one(ann.listener);
	say(a, b, "x");
	/* it is here, whatever the other one says */
	laptop_owner = "b2";
	laptop_dead = "a1";
	laptop_new(&bob, "ann", 60, all(port), NULL);
	assert_true(bob.refused && !bob.accepted);
	laptop_free(&bob);
	say(a, b, "y");
	/* it is away, and nobody knows it to be dead */
	laptop_cut(&ann);
	laptop_dead = "c3";
	laptop_new(&bob, "ann", 60, all(port), NULL);
	assert_true(bob.refused && !bob.accepted);
	laptop_free(&bob);
	begin = clock_ns();
	laptop_dead = "a1";
	laptop_new(&bob, "ann", 60, all(port), NULL);
	assert_true(bob.accepted && !bob.refused);
	assert_int_equal(get(a, &c, 1), -ECONNRESET);
	d = connect_to(port);
	close(b);
	b = accept_one(bob.listener);
	say(d, b, "z");
	assert_true(clock_ns() - begin < 5 * NS_SEC);
	/* it was not dead: it is told, as after its grace time */
	laptop_attach(&ann);
	rig_wait(&rig, &ann.refused);
	assert_string_equal(ann.holder, "ann");
	close(a);
	close(b);
	close(d);
	laptop_owner = laptop_dead = NULL;
	laptop_free(&ann);
	laptop_free(&bob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lives_as_long_as_it_is_needed),
		cmocka_unit_test(once_all_have_left),
		cmocka_unit_test(once_the_goodbye_is_lost),
		cmocka_unit_test_setup_teardown(an_heir_waits_for_nobody, start,
						stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
