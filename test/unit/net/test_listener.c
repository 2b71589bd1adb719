/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting, and what happens when descriptors run out. */
#include "test.h"

#include "net/listener.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CALLERS 50

static struct loop *loop;
static struct listener l;
static struct ipport at;
static int got[CALLERS], ngot, stop_after;
static struct ipport last;

static void on_accepted(void *user, int fd, const struct ipport *peer)
{
	assert_ptr_equal(user, &at);
	assert_true(ngot < CALLERS);
	got[ngot++] = fd;
	last = *peer;
	if (ngot == stop_after)
		listener_stop(&l);
}

static int set_up(void **state)
{
	static const uint8_t lo[4] = { 127, 0, 0, 1 };
	struct kt_error err = { 0 };

	(void)state;
	loop = loop_new();
	ngot = stop_after = 0;
	at = (struct ipport){ ipaddr_v4(lo), 0 };
	assert_int_equal(listener_open(&l, loop, &at, on_accepted, &at, &err),
			 0);
	assert_int_not_equal(at.port, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	listener_stop(&l);
	listener_stop(&l);
	for (int i = 0; i < ngot; i++)
		close(got[i]);
	loop_free(loop);
	return 0;
}

static int call(struct ipport *me)
{
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(&at, &ss);
	int fd = socket(at.addr.family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	len = sizeof(ss);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(ipport_from_sockaddr(me, (struct sockaddr *)&ss), 0);
	return fd;
}

static void run(int64_t ns)
{
	assert_int_equal(loop_sleep(loop, ns), 0);
}

static void says_who_comes(void **state)
{
	struct ipport me;
	int fd = call(&me);

	(void)state;
	run(10 * NS_MS);
	assert_int_equal(ngot, 1);
	assert_true(ipport_eq(&me, &last));
	assert_true(fcntl(got[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
	close(fd);
}

static void stops_in_its_own_callback(void **state)
{
	struct ipport me;
	int fd[3];
	char c;

	(void)state;
	stop_after = 1;
	for (int i = 0; i < 3; i++)
		fd[i] = call(&me);
	run(10 * NS_MS);
	assert_int_equal(ngot, 1);
	/* the others are refused, they are not left waiting */
	assert_int_equal(recv(fd[2], &c, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
}

static int64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * NS_SEC + ts.tv_nsec;
}

/* what log.h writes meanwhile: how many lines have @word in them */
static int count_lines(FILE *f, const char *word)
{
	char line[512];
	int n = 0;

	rewind(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, word) != NULL;
	return n;
}

/* Who comes when there is no descriptor waits in the queue: nobody is taken
 * and dropped, the loop does not spin, and it is said once. */
static void waits_for_descriptors(void **state)
{
	struct rlimit old, few;
	int fd[CALLERS], spare = open("/", O_RDONLY | O_CLOEXEC);
	FILE *log = tmpfile();
	int err = dup(2);
	struct ipport me;
	int64_t cpu;
	char c;

	(void)state;
	for (int i = 0; i < CALLERS; i++)
		fd[i] = call(&me);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = (struct rlimit){ (rlim_t)spare + 1, old.rlim_max };
	for (int i = 0; i < spare; i++) /* all below are in use */
		if (fcntl(i, F_GETFD) < 0)
			dup2(spare, i);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	dup2(fileno(log), 2);
	cpu = cpu_ns();
	run(600 * NS_MS);
	cpu = cpu_ns() - cpu;
	dup2(err, 2);
	assert_int_equal(ngot, 0);
	assert_true(cpu < 100 * NS_MS);
	assert_int_equal(count_lines(log, "new connections wait"), 1);
	for (int i = 0; i < CALLERS; i++) {
		assert_int_equal(recv(fd[i], &c, 1, MSG_DONTWAIT), -1);
		assert_int_equal(errno, EAGAIN);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	run(300 * NS_MS);
	assert_int_equal(ngot, CALLERS);
	for (int i = 0; i < CALLERS; i++)
		close(fd[i]);
	fclose(log);
	close(err);
	close(spare);
}

static void any_address_takes_both(void **state)
{
	static const uint8_t any[16] = { 0 }, lo[4] = { 127, 0, 0, 1 };
	struct kt_error err = { 0 };
	struct ipport me;
	int fd;

	(void)state;
	listener_stop(&l);
	at = (struct ipport){ ipaddr_v6(any), 0 };
	assert_int_equal(listener_open(&l, loop, &at, on_accepted, &at, &err),
			 0);
	at.addr = ipaddr_v4(lo);
	fd = call(&me);
	run(10 * NS_MS);
	assert_int_equal(ngot, 1);
	assert_true(ipport_eq(&me, &last)); /* not as a mapped address */
	close(fd);
}

static void says_what_is_taken(void **state)
{
	struct kt_error err = { 0 };
	struct listener other = { 0 };

	(void)state;
	assert_int_equal(
		listener_open(&other, loop, &at, on_accepted, NULL, &err),
		-EADDRINUSE);
	assert_non_null(strstr(err.msg, "listen on 127.0.0.1:"));
	listener_stop(&other);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(says_who_comes),	  T(stops_in_its_own_callback),
		T(waits_for_descriptors), T(any_address_takes_both),
		T(says_what_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
