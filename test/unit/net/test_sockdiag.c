/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel tells of sockets that go, in a namespace of its own. */
#include "netns_test.h"

#include "base/ipaddr.h"
#include "base/mem.h"
#include "net/sockdiag.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static int listening(const char *addr, struct sockaddr_storage *ss,
		     socklen_t *len)
{
	struct ipport at = { 0 };
	int fd;

	assert_int_equal(ipaddr_parse(&at.addr, addr), 0);
	*len = ipport_to_sockaddr(&at, ss);
	fd = socket(ss->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)ss, *len), 0);
	assert_int_equal(listen(fd, 5), 0);
	*len = sizeof(*ss);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ss, len), 0);
	return fd;
}

static bool told(int ends, int ms)
{
	struct pollfd p = { .fd = ends, .events = POLLIN };

	return poll(&p, 1, ms) == 1 && sockdiag_ends_read(ends);
}

static void the_end_of_a_listener(void **state)
{
	static const char *const addrs[] = { "127.0.0.1", "::1", "::" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
		auto_close int ends = sockdiag_ends_open();
		struct sockaddr_storage ss;
		socklen_t len;
		int fd = listening(addrs[i], &ss, &len), copy = dup(fd);

		assert_true(ends >= 0);
		close(fd); /* somebody else still has it */
		assert_false(told(ends, 100));
		close(copy);
		assert_true(told(ends, 5000));
		assert_false(told(ends, 0));
	}
}

static void not_that_of_a_connection(void **state)
{
	auto_close int ends = sockdiag_ends_open();
	struct sockaddr_storage ss;
	socklen_t len;
	int server = listening("127.0.0.1", &ss, &len);

	(void)state;
	for (int i = 0; i < 20; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), in;

		assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
		in = accept(server, NULL, NULL);
		assert_true(in >= 0);
		close(fd);
		close(in);
	}
	assert_false(told(ends, 200));
	close(server);
	assert_true(told(ends, 5000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_end_of_a_listener),
		cmocka_unit_test(not_that_of_a_connection),
	};

	netns_test_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
