/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/gather.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define PIECE (64 << 10)
#define LITTLE 1000
#define LONG (20 * NS_SEC)

static struct loop *loop;
static struct gather gather;
static struct watch watch;
static int near, far; /* read here, written there */
static size_t got;
static unsigned int wakes, looks;
static bool ended;

static void read_all(void)
{
	static char buf[PIECE];
	size_t n = 0;
	ssize_t rc;

	while ((rc = recv(near, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		n += (size_t)rc;
	ended = rc == 0;
	got += n;
	gather_took(&gather, n);
}

static void on_event(struct watch *w, uint32_t events)
{
	(void)w;
	(void)events;
	wakes++;
	read_all();
}

static void on_look(struct gather *g)
{
	assert_ptr_equal(g, &gather);
	looks++;
	read_all();
}

static int lowat(void)
{
	int n = 0;
	socklen_t len = sizeof(n);

	assert_int_equal(getsockopt(near, SOL_SOCKET, SO_RCVLOWAT, &n, &len),
			 0);
	return n;
}

static void put(size_t n)
{
	static const char buf[PIECE];

	while (n) {
		ssize_t rc = send(far, buf, MIN(n, sizeof(buf)), MSG_NOSIGNAL);

		assert_true(rc > 0);
		n -= (size_t)rc;
	}
}

/* as fast as it goes, until it gathers; true: it does */
static bool put_much(int64_t ns)
{
	int64_t end = clock_ns() + ns;

	while (!gather.on && clock_ns() < end) {
		put(PIECE);
		loop_once(loop, 0);
	}
	return gather.on;
}

static void run_for(int64_t ns)
{
	int64_t end = clock_ns() + ns;

	while (clock_ns() < end)
		loop_once(loop, MAX(end - clock_ns(), 0));
}

static int setup(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int one = 1;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(far, (struct sockaddr *)&at, len), 0);
	setsockopt(far, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	near = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(near >= 0);
	close(fd);
	loop = loop_new();
	loop_once(loop, 0);
	assert_int_equal(
		loop_watch_start(loop, &watch, near, EPOLLIN, on_event), 0);
	gather_start(&gather, loop, near, on_look);
	got = wakes = looks = 0;
	ended = false;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gather_stop(&gather);
	gather_stop(&gather);
	loop_watch_stop(&watch);
	loop_free(loop);
	close(near);
	close(far);
	return 0;
}

static void little_wakes_at_once(void **state)
{
	(void)state;
	for (unsigned int i = 1; i <= 30; i++) {
		put(LITTLE);
		while (got < i * LITTLE)
			loop_once(loop, LONG);
		assert_int_equal(loop_sleep(loop, NS_MS), 0);
	}
	assert_false(gather.on);
	assert_int_equal(lowat(), 1);
	assert_int_equal(looks, 0);
}

static void much_wakes_seldom(void **state)
{
	unsigned int before;

	(void)state;
	assert_true(put_much(LONG));
	assert_true(lowat() > PIECE);
	/* a quarter at a time: none of them wakes, all of them together do */
	before = wakes;
	for (int i = 0; i < 3; i++) {
		put((size_t)lowat() / 4);
		loop_timer_stop(&gather.timer); /* however slow this is */
		loop_once(loop, 0);
	}
	assert_int_equal(wakes, before);
	put((size_t)lowat() / 4);
	loop_once(loop, LONG);
	assert_int_equal(wakes, before + 1);
}

static void what_is_less_is_looked_for(void **state)
{
	size_t before;

	(void)state;
	assert_true(put_much(LONG));
	run_for(0); /* all that was written is read */
	before = got;
	looks = 0;
	put(LITTLE);
	while (got < before + LITTLE)
		loop_once(loop, LONG);
	assert_int_equal(looks, 1);
	assert_false(gather.on);
	assert_int_equal(lowat(), 1);
	/* it has waited: not again at once */
	assert_false(put_much(5 * NS_MS));
	assert_true(put_much(LONG));
}

static void an_end_wakes_at_once(void **state)
{
	(void)state;
	assert_true(put_much(LONG));
	loop_timer_stop(&gather.timer);
	shutdown(far, SHUT_WR);
	while (!ended)
		assert_int_equal(loop_once(loop, LONG), 0);
	assert_int_equal(looks, 0);
}

static void leaves_the_socket_as_it_was(void **state)
{
	(void)state;
	assert_true(put_much(LONG));
	gather_stop(&gather);
	assert_int_equal(lowat(), 1);
	gather_took(&gather, 100 << 20);
	assert_int_equal(lowat(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(little_wakes_at_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(much_wakes_seldom, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_less_is_looked_for,
						setup, teardown),
		cmocka_unit_test_setup_teardown(an_end_wakes_at_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(leaves_the_socket_as_it_was,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
