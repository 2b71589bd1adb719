/* SPDX-License-Identifier: Apache-2.0 */
/* The capture with fewer descriptors than connections. */
#include "netns_test.h"

#include "base/mem.h"
#include "net/capture.h"
#include "net/netns.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MORE 300 /* connections than the limit allows */
#define FEW 100	 /* descriptors */

struct world {
	struct capture *cap;
	int kept[MORE];
	size_t accepted, gone;
};

static void tcp_open(void *user, struct capture_tcp *c)
{
	struct world *w = user;

	capture_tcp_answer(w->cap, c, 0);
}

static void tcp_gone(void *user, struct capture_tcp *c)
{
	struct world *w = user;

	(void)c;
	w->gone++;
}

static void tcp_accepted(void *user, struct capture_tcp *c, int fd)
{
	struct world *w = user;

	(void)c;
	assert_true(w->accepted < MORE);
	w->kept[w->accepted++] = fd;
}

static const struct capture_ops ops = {
	.tcp_open = tcp_open,
	.tcp_gone = tcp_gone,
	.tcp_accepted = tcp_accepted,
};

static socklen_t address(struct sockaddr_storage *ss)
{
	struct ipport p = { .port = 80 };

	if (ipaddr_parse(&p.addr, "10.96.0.1") < 0)
		abort();
	return ipport_to_sockaddr(&p, ss);
}

/* how many are connected; -errno when one has failed */
static long connected(const struct pollfd *p, int n)
{
	long ok = 0;

	for (int i = 0; i < n; i++) {
		struct pollfd now = p[i];
		int e = 0;
		socklen_t len = sizeof(e);
		char c;

		if (poll(&now, 1, 0) != 1)
			continue;
		getsockopt(now.fd, SOL_SOCKET, SO_ERROR, &e, &len);
		if (!e && recv(now.fd, &c, 1, MSG_DONTWAIT) < 0)
			e = errno == EAGAIN ? 0 : errno;
		if (e)
			return -e;
		ok++;
	}
	return ok;
}

/* The programs have descriptors of their own; what is low is our limit. */
static long try_more_than_allowed(void *arg)
{
	auto_free struct pollfd *p = calloc(MORE, sizeof(*p));
	const struct rlimit *old = arg;
	struct rlimit few = { FEW, old->rlim_max };
	struct sockaddr_storage ss;
	socklen_t len = address(&ss);
	long first, all = 0;

	if (unshare(CLONE_FILES) < 0)
		return -errno;
	for (int i = 0; i < MORE; i++) {
		p[i].fd = socket(AF_INET,
				 SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		p[i].events = POLLOUT;
	}
	setrlimit(RLIMIT_NOFILE, &few);
	for (int i = 0; i < MORE; i++)
		if (connect(p[i].fd, (struct sockaddr *)&ss, len) < 0 &&
		    errno != EINPROGRESS)
			return -errno;
	usleep(4500000); /* longer than an accepted one is waited for */
	first = connected(p, MORE);
	setrlimit(RLIMIT_NOFILE, old);
	for (int i = 0; i < 400 && all >= 0 && all < MORE; i++) {
		usleep(100000);
		all = connected(p, MORE);
	}
	for (int i = 0; i < MORE; i++)
		close(p[i].fd);
	return first < 0 ? first : all < 0 ? all : first * 1000 + all;
}

/* a program is told that it is connected when that is so; others wait */
static void waits_for_a_descriptor(void **state)
{
	struct capture_config cfg = { 0 };
	struct loop *loop = loop_new();
	struct kt_error err = { 0 };
	struct ipprefix p;
	struct world w = { 0 };
	struct rlimit rl;
	long rc;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &rl), 0);
	rl.rlim_cur = rl.rlim_max;
	if (rl.rlim_cur < 2 * MORE)
		skip();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &rl), 0);
	if (capture_open(&w.cap, loop, &cfg, &ops, &w, &err) < 0)
		fail_msg("%s; %s", err.msg, err.hint);
	assert_int_equal(ipprefix_parse(&p, "10.96.0.0/12"), 0);
	assert_int_equal(capture_route_add(w.cap, &p, &err), 0);
	rc = netns_test_client(loop, try_more_than_allowed, &rl);
	assert_in_range(rc / 1000, 10, FEW); /* not accepted, not reset */
	assert_int_equal(rc % 1000, MORE);
	assert_int_equal(w.accepted, MORE);
	assert_int_equal(w.gone, 0);
	for (size_t i = 0; i < w.accepted; i++)
		close(w.kept[i]);
	capture_close(w.cap);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_for_a_descriptor),
	};

	netns_test_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
