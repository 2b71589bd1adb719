/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Own sockets past the capture, and ranges that do not come in, with a real
 * kernel: eth0 is the office, kt0 is what captures 10.96.0.0/12 and fd96::/64.
 */
#include "netns_test.h"

#include "base/mem.h"
#include "net/bypass.h"
#include "net/netlink.h"
#include "net/overlap.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

static struct netlink *nl;
static struct bypass *bypass;

static int setup(void **state)
{
	struct kt_error err = { 0 };

	(void)state;
	assert_int_equal(
		netns_test_shell(
			"ip link add eth0 type veth peer name eth1; "
			"ip link add kt0 type veth peer name kt1; "
			"for i in eth0 eth1 kt0 kt1; do ip link set $i up; "
			"done; ip addr add 192.0.2.1/24 dev eth0; "
			"ip addr add fd01::1/64 dev eth0 nodad; "
			"ip addr add 169.254.77.1/30 dev kt0; "
			"ip addr add fd77::1/64 dev kt0 nodad; "
			"ip route add default via 192.0.2.2; "
			"ip -6 route add default via fd01::2"),
		0);
	assert_int_equal(
		netns_test_shell("ip route add 10.96.0.0/12 via 169.254.77.2; "
				 "ip -6 route add fd96::/64 via fd77::2"),
		0);
	assert_int_equal(netlink_open(&nl, &err), 0);
	assert_int_equal(
		bypass_open(&bypass, netlink_link_index(nl, "kt0"), &err), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bypass_close(bypass);
	netlink_close(nl);
	assert_int_equal(netns_test_shell("ip link del eth0; ip link del kt0"),
			 0);
	return 0;
}

/* The device that a socket to @to is bound to; "" none, "!" no way. */
static const char *bound(const char *to, char name[IF_NAMESIZE])
{
	socklen_t len = IF_NAMESIZE;
	struct ipaddr a;
	int fd, rc;

	assert_int_equal(ipaddr_parse(&a, to), 0);
	fd = socket(a.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	rc = bypass_socket(bypass, fd, &a);
	memset(name, 0, IF_NAMESIZE);
	if (rc == 0)
		assert_int_equal(
			getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len),
			0);
	else
		assert_int_equal(rc, -ENETUNREACH);
	if (rc == 0 && name[0]) {
		struct ipport p = { .addr = a, .port = 9 };
		struct sockaddr_storage ss;

		len = ipport_to_sockaddr(&p, &ss);
		assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	}
	close(fd);
	return rc == 0 ? name : "!";
}

static void test_past(void **state)
{
	char name[IF_NAMESIZE];

	(void)state;
	/* not captured: nothing is done */
	assert_string_equal(bound("198.51.100.7", name), "");
	assert_string_equal(bound("127.0.0.1", name), "");
	assert_string_equal(bound("fe80::1", name), "");
	/* captured: the next best */
	assert_string_equal(bound("10.96.0.10", name), "eth0");
	assert_string_equal(bound("fd96::10", name), "eth0");
	/* which may be a VPN's, in a table of its own */
	assert_int_equal(netns_test_shell("ip link add vpn0 type veth peer "
					  "name vpn1; ip link set vpn0 up; ip "
					  "link set vpn1 up; ip addr add "
					  "100.64.0.1/32 dev vpn0; ip route "
					  "add 10.96.0.0/16 dev vpn0 table 52; "
					  "ip rule add lookup 52 priority "
					  "40000"),
			 0);
	assert_string_equal(bound("10.96.0.10", name), "vpn0");
	assert_string_equal(bound("10.97.0.10", name), "eth0");
	assert_int_equal(netns_test_shell("ip link del vpn0; ip rule del "
					  "priority 40000"),
			 0);
	/* no other way at all: not into the capture, for ever */
	assert_int_equal(netns_test_shell("ip route del default"), 0);
	assert_string_equal(bound("10.96.0.10", name), "!");
}

static void test_mark(void **state)
{
	struct kt_error err = { 0 };
	struct bypass *b;
	struct ipaddr a;
	uint32_t mark = 0;
	socklen_t len = sizeof(mark);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(bypass_open(&b, 0, &err), 0);
	assert_int_equal(ipaddr_parse(&a, "10.96.0.10"), 0);
	assert_int_equal(bypass_socket(b, fd, &a), 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &len), 0);
	assert_int_equal(mark, BYPASS_MARK);
	close(fd);
	bypass_close(b);
}

/* "part device table; ..." of what does not come in */
static void elsewhere(const char *want)
{
	struct prefixset ranges = { 0 };
	struct overlaps o;
	struct ipprefix p;
	char text[256] = "", one[IPPREFIX_STRLEN];

	assert_int_equal(ipprefix_parse(&p, "10.96.0.0/12"), 0);
	prefixset_add(&ranges, &p);
	assert_int_equal(ipprefix_parse(&p, "fd96::/64"), 0);
	prefixset_add(&ranges, &p);
	assert_int_equal(
		overlaps_find(nl, netlink_link_index(nl, "kt0"), &ranges, &o),
		0);
	for (size_t i = 0; i < o.n; i++)
		for (size_t k = 0; k < o.v[i].part.n; k++)
			snprintf(text + strlen(text),
				 sizeof(text) - strlen(text), "%s %s %u;",
				 ipprefix_str(&o.v[i].part.v[k], one),
				 o.v[i].ifname, o.v[i].table);
	for (size_t i = 0; i < o.naround; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "around %s %s %s;",
			 ipprefix_str(&o.around[i].part.v[0], one),
			 o.around[i].ifname, o.around[i].kind);
	assert_string_equal(text, want);
	overlaps_fini(&o);
	prefixset_fini(&ranges);
}

static void test_overlap(void **state)
{
	(void)state;
	elsewhere("");
	/* a network of this machine inside the range, with its own address */
	assert_int_equal(netns_test_shell("ip addr add 10.96.0.1/16 dev eth0"),
			 0);
	elsewhere("10.96.0.0/16 eth0 254;");
	assert_int_equal(netns_test_shell("ip addr del 10.96.0.1/16 dev eth0"),
			 0);
	/* exactly the range, so that ours could not be added */
	assert_int_equal(netns_test_shell("ip route del 10.96.0.0/12; ip addr "
					  "add 10.96.0.1/12 dev eth0"),
			 0);
	elsewhere("10.96.0.0/12 eth0 254;");
	assert_int_equal(netns_test_shell("ip addr del 10.96.0.1/12 dev eth0; "
					  "ip route add 10.96.0.0/12 via "
					  "169.254.77.2"),
			 0);
	/* a network around it: the default route is none */
	assert_int_equal(
		netns_test_shell("ip link add br-1 type bridge; ip link set "
				 "br-1 up; ip route add 10.0.0.0/8 dev br-1"),
		0);
	elsewhere("around 10.0.0.0/8 br-1 bridge;");
	assert_int_equal(netns_test_shell("ip link del br-1"), 0);
	/* a table that comes first, as Tailscale's */
	assert_int_equal(
		netns_test_shell("ip route add 10.0.0.0/8 dev eth0 table 52; "
				 "ip rule add lookup 52 priority 5270; "
				 "ip -6 route add fd96::/64 dev eth0 table 52; "
				 "ip -6 rule add lookup 52 priority 5270"),
		0);
	elsewhere("10.96.0.0/12 eth0 52;fd96::/64 eth0 52;");
	/* what the warning advises */
	assert_int_equal(
		netns_test_shell(
			"ip rule add to 10.96.0.0/12 lookup main priority 100; "
			"ip -6 rule add to fd96::/64 lookup main priority 100"),
		0);
	elsewhere("");
	assert_int_equal(
		netns_test_shell("for f in -4 -6; do ip $f rule del priority "
				 "100; ip $f rule del priority 5270; ip $f "
				 "route flush table 52; done"),
		0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_past),
		T(test_mark),
		T(test_overlap),
	};

	netns_test_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
