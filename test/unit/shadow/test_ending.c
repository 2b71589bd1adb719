/* SPDX-License-Identifier: Apache-2.0 */
/* A shadow that is told to end, and laptops that make another one: what is open
 * goes on, what is new begins there. */
#include "test.h"

#include "rig.h"

#include "base/mem.h"
#include "tunnel/fetch.h"
#include "tunnel/relay.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define ARG(s) ((char *)(uintptr_t)(s))
#define QUESTION "/.well-known/ktctl/ending"

static struct rig rig;

static bool shadow_is_there(void)
{
	return waitpid(rig.shadow, NULL, WNOHANG) == 0;
}

static void wait_gone(int64_t limit)
{
	int64_t start = clock_ns();

	while (shadow_is_there()) {
		loop_once(rig.loop, 10 * NS_MS);
		assert_true(clock_ns() - start < limit);
	}
}

struct answer {
	bool told;
	int error;
};

static void on_told(void *user, int error, const uint8_t *body, size_t len)
{
	struct answer *a = user;

	(void)body;
	(void)len;
	a->told = true;
	a->error = error;
}

static void ask(struct answer *a)
{
	*a = (struct answer){ 0 };
	assert_non_null(fetch_start(rig.tunnel, QUESTION, NULL, NULL, 0, 64,
				    on_told, a));
	(void)!loop_sleep(rig.loop, 200 * NS_MS);
}

/* --- connections ---------------------------------------------------------- */

struct ends {
	int near, far;
};

static void on_dialed(void *user, int error)
{
	assert_int_equal(error, 0);
	*(bool *)user = true;
}

static struct ends pair_open(struct tunnel *t)
{
	struct ipport dst;
	int l = local_listen(&dst), sv[2];
	bool done = false;
	struct tunnel_tcp *tcp = tunnel_tcp_dial(t, &dst, on_dialed, &done);
	struct ends p;

	assert_non_null(tcp);
	rig_wait(&rig, &done);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(tunnel_tcp_relay(tcp, sv[0], NULL, NULL), 0);
	p.near = sv[1];
	p.far = accept(l, NULL, NULL);
	assert_true(p.far >= 0);
	close(l);
	return p;
}

static void pair_close(struct ends *p)
{
	close(p->near);
	close(p->far);
}

/* a byte there and one back */
static void pair_works(const struct ends *p)
{
	char c = 0;

	assert_int_equal(send(p->near, "a", 1, 0), 1);
	for (int i = 0; i < 500 && recv(p->far, &c, 1, MSG_DONTWAIT) != 1; i++)
		loop_once(rig.loop, 10 * NS_MS);
	assert_int_equal(c, 'a');
	assert_int_equal(send(p->far, "b", 1, 0), 1);
	for (int i = 0; i < 500 && recv(p->near, &c, 1, 0) != 1; i++)
		loop_once(rig.loop, 10 * NS_MS);
	assert_int_equal(c, 'b');
}

/* --- tests ---------------------------------------------------------------- */

static void who_has_asked_is_served_until_it_leaves(void **state)
{
	struct ends before, after;
	struct answer a;

	(void)state;
	rig_start(&rig, NULL);
	ask(&a);
	before = pair_open(rig.tunnel);
	assert_false(a.told);
	kill(rig.shadow, SIGTERM);
	rig_wait(&rig, &a.told);
	assert_int_equal(a.error, 0);
	/* longer than a moment, and also what begins before another is there */
	(void)!loop_sleep(rig.loop, 2 * NS_SEC);
	pair_works(&before);
	after = pair_open(rig.tunnel);
	pair_works(&after);
	/* a carrier that is lost meanwhile is no goodbye */
	rig_connect(&rig);
	pair_works(&before);
	assert_true(shadow_is_there());
	tunnel_free(rig.tunnel);
	wait_gone(4 * NS_SEC);
	pair_close(&before);
	pair_close(&after);
	loop_free(rig.loop);
}

/* The time is the Pod's, whoever has something open */
static void not_beyond_its_time(void **state)
{
	static char *args[] = { ARG("--wait"), ARG("1"), NULL };
	struct ends p;
	struct answer a;

	(void)state;
	rig_start(&rig, args);
	ask(&a);
	p = pair_open(rig.tunnel);
	kill(rig.shadow, SIGTERM);
	rig_wait(&rig, &a.told);
	rig_wait(&rig, &rig.dead);
	assert_non_null(strstr(rig.why, "the shadow ends"));
	wait_gone(2 * NS_SEC);
	tunnel_free(rig.tunnel);
	pair_close(&p);
	loop_free(rig.loop);
}

/* A second question of one session, and one that comes when it is late */
static void one_question_and_a_late_one(void **state)
{
	struct answer a, b;

	(void)state;
	rig_start(&rig, NULL);
	ask(&a);
	ask(&b);
	assert_true(b.told);
	assert_true(b.error < 0);
	kill(rig.shadow, SIGTERM);
	rig_wait(&rig, &a.told);
	ask(&b);
	assert_true(b.told);
	assert_int_equal(b.error, 0);
	tunnel_free(rig.tunnel);
	wait_gone(4 * NS_SEC);
	loop_free(rig.loop);
}

static void a_front_leads_to_another(void **state)
{
	struct tunnel *front, *first;
	struct ends old, new;
	struct ipport dst = local_port(1);
	bool done = false;

	(void)state;
	rig_start(&rig, NULL);
	front = tunnel_front(rig.loop);
	assert_int_equal(tunnel_state(front), TUNNEL_DOWN);
	assert_null(tunnel_tcp_dial(front, &dst, on_dialed, &done));
	assert_int_equal(errno, ENOTCONN);

	tunnel_lead(front, rig.tunnel);
	assert_int_equal(tunnel_state(front), TUNNEL_UP);
	old = pair_open(front);
	assert_int_equal(tunnel_streams(front), 1);

	/* a second tunnel, and what is new is its */
	first = rig_second(&rig);
	tunnel_lead(front, rig.tunnel);
	assert_int_equal(tunnel_streams(front), 0);
	new = pair_open(front);
	assert_int_equal(tunnel_streams(front), 1);
	assert_int_equal(tunnel_streams(first), 1);
	pair_works(&old);
	pair_works(&new);
	tunnel_free(first);
	pair_works(&new);

	tunnel_lead(front, NULL);
	assert_int_equal(tunnel_state(front), TUNNEL_DOWN);
	tunnel_free(front);
	pair_close(&old);
	pair_close(&new);
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_asked_is_served_until_it_leaves),
		cmocka_unit_test(not_beyond_its_time),
		cmocka_unit_test(one_question_and_a_late_one),
		cmocka_unit_test(a_front_leads_to_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
