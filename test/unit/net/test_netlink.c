/* SPDX-License-Identifier: Apache-2.0 */
/* Links, addresses and routes with a real kernel. */
#include "netns_test.h"

#include "base/mem.h"
#include "net/netlink.h"
#include "net/netns.h"

#include <errno.h>
#include <string.h>

static struct netlink *nl;
static int ns; /* of the peer; a device does not keep it alive */

static struct ipaddr addr(const char *s)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(&a, s), 0);
	return a;
}

static struct ipprefix prefix(const char *s)
{
	struct ipprefix p;

	assert_int_equal(ipprefix_parse(&p, s), 0);
	return p;
}

static int setup(void **state)
{
	struct netlink_veth v = { .name = "a0",
				  .peer = "b0",
				  .mtu = 1500,
				  .mac = { 2, 0, 0, 0, 0, 1 } };
	struct kt_error err = { 0 };
	struct ipaddr a4 = addr("192.0.2.1"), a6 = addr("fd01::1");
	int index;

	(void)state;
	ns = netns_new(&err);
	assert_true(ns >= 0);
	v.peer_netns = ns;
	assert_int_equal(netlink_veth_add(nl, &v, &err), 0);
	index = netlink_link_index(nl, "a0");
	assert_true(index > 0);
	assert_int_equal(netlink_link_up(nl, index, 9000, 0, &err), 0);
	assert_int_equal(netlink_link_alias(nl, index, "for a test", &err), 0);
	if (netlink_addr_add(nl, index, &a4, 24, &err) < 0 ||
	    netlink_addr_add(nl, index, &a6, 64, &err) < 0)
		fail_msg("%s", err.msg);
	return 0;
}

static int teardown(void **state)
{
	struct kt_error err = { 0 };

	(void)state;
	assert_int_equal(netlink_link_del(nl, "a0", &err), 0);
	close(ns);
	return 0;
}

static void test_link(void **state)
{
	struct netlink_veth v = { .name = "a0",
				  .peer = "b1",
				  .mtu = 1500,
				  .mac = { 2, 0, 0, 0, 0, 3 } };
	struct kt_error err = { 0 };

	(void)state;
	v.peer_netns = netns_current(&err);
	assert_int_equal(netlink_veth_add(nl, &v, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "a0"));
	close(v.peer_netns);
	assert_int_equal(netns_test_shell("ip link show a0 | grep 'mtu 9000'"),
			 0);
	assert_int_equal(netns_test_shell("ip link show a0 | "
					  "grep 'for a test'"),
			 0);
	assert_int_equal(netns_test_shell("ip link show b0"), 1);
	assert_int_equal(netlink_link_index(nl, "none"), -ENODEV);
	assert_int_equal(netlink_link_del(nl, "none", &err), -ENODEV);
	assert_non_null(strstr(err.msg, "none"));
}

static void test_route(void **state)
{
	struct netlink_route r = { .dst = prefix("10.96.0.0/12"),
				   .via = addr("192.0.2.2"),
				   .src = addr("192.0.2.1"),
				   .metric = 5 };
	struct ipaddr dst = addr("10.96.0.10");
	struct kt_error err = { 0 };
	struct netlink_hop hop;

	(void)state;
	r.ifindex = netlink_link_index(nl, "a0");
	assert_int_equal(netlink_route_get(nl, &dst, &hop), -ENETUNREACH);
	assert_int_equal(netlink_route_add(nl, &r, &err), 0);
	assert_int_equal(netlink_route_add(nl, &r, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "10.96.0.0/12"));
	assert_int_equal(netlink_route_get(nl, &dst, &hop), 0);
	assert_string_equal(hop.ifname, "a0");
	assert_true(ipaddr_eq(&hop.via, &r.via));
	assert_true(ipaddr_eq(&hop.src, &r.src));
	assert_false(hop.local);
	assert_int_equal(netlink_route_get(nl, &r.src, &hop), 0);
	assert_true(hop.local);
	assert_int_equal(netlink_route_del(nl, &r, &err), 0);
	assert_int_equal(netlink_route_del(nl, &r, &err), -ESRCH);
	assert_int_equal(netlink_route_get(nl, &dst, &hop), -ENETUNREACH);
	/* the kernel's own words are in the message */
	r.via = addr("203.0.113.1");
	assert_true(netlink_route_add(nl, &r, &err) < 0);
	assert_non_null(strstr(err.msg, "Nexthop"));
}

static void test_route6(void **state)
{
	struct netlink_route r = { .dst = prefix("fd96::/64"),
				   .via = addr("fd01::2") };
	struct ipaddr dst = addr("fd96::10");
	struct kt_error err = { 0 };
	struct netlink_hop hop;

	(void)state;
	r.ifindex = netlink_link_index(nl, "a0");
	assert_int_equal(netlink_route_add(nl, &r, &err), 0);
	assert_int_equal(netlink_route_get(nl, &dst, &hop), 0);
	assert_string_equal(hop.ifname, "a0");
	assert_int_equal(netlink_route_del(nl, &r, &err), 0);
}

struct seen {
	const char *want;
	int index;
	bool direct, found;
};

static void look(void *user, const struct netlink_net *n)
{
	char text[IPPREFIX_STRLEN];
	struct seen *s = user;

	if (strcmp(ipprefix_str(&n->net, text), s->want) == 0 &&
	    n->ifindex == s->index && n->direct == s->direct)
		s->found = true;
}

static void test_lists(void **state)
{
	int index = netlink_link_index(nl, "a0");
	struct seen cases[] = {
		{ "192.0.2.0/24", index, true, false },
		{ "fd01::/64", index, true, false },
	};
	struct seen far = { "0.0.0.0/0", index, false, false };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(netlink_addr_each(nl, look, &cases[i]), 0);
		assert_true(cases[i].found);
		cases[i].found = false;
		assert_int_equal(netlink_route_each(nl, look, &cases[i]), 0);
		assert_true(cases[i].found);
	}
	netns_test_shell("ip route add default via 192.0.2.2");
	assert_int_equal(netlink_route_each(nl, look, &far), 0);
	assert_true(far.found);
}

/* More routes than one answer holds */
static void test_long_list(void **state)
{
	struct seen last = { "10.3.232.0/32", 0, true, false };
	struct kt_error err = { 0 };

	(void)state;
	last.index = netlink_link_index(nl, "a0");
	for (unsigned int i = 0; i <= 1000; i++) {
		struct netlink_route r = { .dst = prefix("10.0.0.0/32"),
					   .ifindex = last.index };

		r.dst.addr.b[1] = (uint8_t)(i >> 8);
		r.dst.addr.b[2] = (uint8_t)i;
		assert_int_equal(netlink_route_add(nl, &r, &err), 0);
	}
	assert_int_equal(netlink_route_each(nl, look, &last), 0);
	assert_true(last.found);
}

/* It stays in its namespace, wherever the thread is */
static int look_elsewhere(void *user, struct kt_error *err)
{
	struct netlink *other;

	(void)user;
	assert_int_equal(netlink_open(&other, err), 0);
	assert_int_equal(netlink_link_index(other, "a0"), -ENODEV);
	assert_true(netlink_link_index(nl, "a0") > 0);
	netlink_close(other);
	/* of this namespace, not of the test's */
	assert_int_equal(netns_sysctl_set("ipv4/ip_forward", "1", err), 0);
	return 5;
}

static void test_netns(void **state)
{
	struct kt_error err = { 0 };
	int other = netns_new(&err);

	(void)state;
	assert_true(other >= 0);
	assert_int_equal(netns_run(other, look_elsewhere, NULL, &err), 5);
	assert_int_equal(netns_test_shell("grep 1 "
					  "/proc/sys/net/ipv4/ip_forward"),
			 1);
	assert_int_equal(netns_sysctl_set("ipv4/nonsense", "1", &err), -ENOENT);
	close(other);
	assert_true(netns_run(other, look_elsewhere, NULL, &err) < 0);
}

static void test_hints(void **state)
{
	struct kt_error err = { 0 };

	(void)state;
	kt_fail(&err, EPERM, "x");
	netns_hint(&err);
	assert_non_null(strstr(err.hint, "CAP_NET_ADMIN"));
	err = (struct kt_error){ 0 };
	kt_fail(&err, ENOSPC, "x");
	netns_hint(&err);
	assert_non_null(strstr(err.hint, "max_net_namespaces"));
	err = (struct kt_error){ 0 };
	kt_fail(&err, EIO, "x");
	netns_hint(&err);
	assert_string_equal(err.hint, "");
}

struct rules_seen {
	uint32_t main_at, wg_at, mark_at;
	bool main_all, mark_all;
};

static void on_rule(void *user, const struct netlink_rule_seen *r)
{
	struct rules_seen *s = user;

	if (r->table == 254 && r->priority < 32766) {
		s->main_at = r->priority;
		s->main_all = r->all;
	} else if (r->table == 51820) {
		s->wg_at = r->priority;
	} else if (r->table == 77) {
		s->mark_at = r->priority;
		s->mark_all = r->all;
	}
}

/* As wg-quick makes them, and one for marked packets */
static void test_rules(void **state)
{
	struct rules_seen s = { 0 };

	(void)state;
	assert_int_equal(
		netns_test_shell(
			"ip rule add not fwmark 51820 table 51820 prio 200; "
			"ip rule add table main suppress_prefixlength 0 prio "
			"100; ip rule add fwmark 7 table 77 prio 50; "
			"ip rule add unreachable fwmark 8 prio 60"),
		0);
	assert_int_equal(netlink_rule_each(nl, AF_INET, on_rule, &s), 0);
	assert_int_equal(s.main_at, 100);
	assert_true(s.main_all);
	assert_int_equal(s.wg_at, 200);
	assert_int_equal(s.mark_at, 50);
	assert_false(s.mark_all);
	s = (struct rules_seen){ 0 };
	assert_int_equal(
		netns_test_shell("ip rule del prio 100; ip rule add table main "
				 "suppress_prefixlength 16 prio 100"),
		0);
	assert_int_equal(netlink_rule_each(nl, AF_INET, on_rule, &s), 0);
	assert_false(s.main_all); /* ours may be a shorter one */
	assert_int_equal(netns_test_shell("ip rule del prio 100; ip rule del "
					  "prio 200; ip rule del prio 50; ip "
					  "rule del prio 60"),
			 0);
}

#define LINK(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINK(test_link),
		LINK(test_route),
		LINK(test_route6),
		LINK(test_lists),
		LINK(test_long_list),
		LINK(test_netns),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_hints),
	};
	struct kt_error err = { 0 };
	int rc;

	netns_test_enter();
	if (netlink_open(&nl, &err) < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	netlink_close(nl);
	return rc;
}
