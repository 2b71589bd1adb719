/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of the network are told, in a network namespace of the test's own. */
#include "test.h"

#include "base/loop.h"
#include "base/mem.h"
#include "local/netwatch.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static struct loop *loop;
static unsigned int told;

static void on_changed(void *user)
{
	(void)user;
	told++;
}

static void link_set(const char *name, bool up)
{
	struct ifreq req = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &req), 0);
	if (up)
		req.ifr_flags |= IFF_UP;
	else
		req.ifr_flags &= (short)~IFF_UP;
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &req), 0);
	close(fd);
}

static void lo_set(bool up)
{
	link_set("lo", up);
}

static void lo_mtu(int mtu)
{
	struct ifreq req = { .ifr_name = "lo", .ifr_mtu = mtu };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(ioctl(fd, SIOCSIFMTU, &req), 0);
	close(fd);
}

/* -1: this machine has none */
static int tun_new(const char *name)
{
	struct ifreq req = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &req) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void link_address(const char *name, const char *text)
{
	struct ifreq req = { 0 };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	inet_pton(AF_INET, text, &sin.sin_addr);
	memcpy(&req.ifr_addr, &sin, sizeof(sin));
	assert_int_equal(ioctl(fd, SIOCSIFADDR, &req), 0);
	close(fd);
}

static void lo_address(const char *text)
{
	link_address("lo", text);
}

static void wait_told(unsigned int n)
{
	for (int i = 0; i < 1000 && told < n; i++)
		loop_once(loop, 10 * NS_MS);
	assert_true(told >= n);
}

static void settle(void)
{
	int64_t end = clock_ns() + 2 * NETWATCH_PAUSE;

	while (clock_ns() < end)
		loop_once(loop, 10 * NS_MS);
}

static void tells_of_links_and_addresses(void **state)
{
	struct netwatch *n;
	int ours, other, none = 0;

	(void)state;
	loop = loop_new();
	if (unshare(CLONE_NEWNET) < 0 &&
	    unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		loop_free(loop);
		skip();
	}
	n = netwatch_new(loop, on_changed, NULL);
	settle();
	assert_int_equal(told, 0);
	lo_set(true);
	wait_told(1);
	settle();
	told = 0;
	lo_address("10.1.2.3");
	wait_told(1);
	settle();
	told = 0;
	/* what is no change of what works */
	lo_mtu(4000);
	settle();
	assert_int_equal(told, 0);
	ours = tun_new("kt0");
	if (ours >= 0) {
		link_set("kt0", true);
		link_address("kt0", "198.18.0.1");
		settle();
		close(ours);
		settle();
		assert_int_equal(told, 0);
	}
	other = tun_new("wlan0");
	if (other >= 0) {
		settle();
		assert_int_equal(told, 0);
		link_set("wlan0", true);
		wait_told(1);
		settle();
		told = 0;
		assert_int_equal(ioctl(other, TUNSETCARRIER, &none), 0);
		wait_told(1);
		settle();
		told = 0;
		close(other); /* and with it the link */
		wait_told(1);
		settle();
		told = 0;
	}
	/* a burst is told at its beginning, and at its end once more */
	for (int i = 0; i < 50; i++)
		lo_set(i % 2);
	settle();
	assert_in_range(told, 1, 2);
	netwatch_free(n);
	lo_set(false);
	told = 0;
	settle();
	assert_int_equal(told, 0);
	loop_free(loop);
}

static void knows_when_it_slept(void **state)
{
	int64_t apart = 10 * NS_SEC;

	(void)state;
	/* both go on alike: awake, be it after hours */
	assert_false(netwatch_slept(&apart, 25 * NS_SEC, 15 * NS_SEC));
	assert_false(
		netwatch_slept(&apart, 9000 * NS_SEC + 1000, 8990 * NS_SEC));
	/* the one alone: asleep */
	assert_true(netwatch_slept(&apart, 9005 * NS_SEC, 8991 * NS_SEC));
	/* told once */
	assert_false(netwatch_slept(&apart, 9006 * NS_SEC, 8992 * NS_SEC));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_of_links_and_addresses),
		cmocka_unit_test(knows_when_it_slept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
