/* SPDX-License-Identifier: Apache-2.0 */
/* Who wins of a range of the cluster and a network of this machine */
#include "test.h"

#include "doctor/ranges.h"
#include "kube/rest.h"
#include "net/device.h"

#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/resource.h>

/** judge() - what is said of 10.96.0.0/12 and a network; "" for nothing */
static const char *judge(const char *net, const char *ifname, const char *kind,
			 uint32_t table, bool main_first)
{
	static char text[1024];
	struct range_rival r = { .table = table, .main_first = main_first };
	struct ipprefix range;
	struct findings f;
	const json_t *one;
	bool told;

	assert_int_equal(ipprefix_parse(&range, "10.96.0.0/12"), 0);
	assert_int_equal(ipprefix_parse(&r.net, net), 0);
	snprintf(r.ifname, sizeof(r.ifname), "%s", ifname);
	snprintf(r.kind, sizeof(r.kind), "%s", kind);
	findings_init(&f, false);
	told = ranges_judge(&f, &range, &r);
	assert_int_equal(told, json_array_size(f.list));
	one = json_array_get(f.list, 0);
	snprintf(text, sizeof(text), "%s: %s -> %s",
		 one ? json_str(one, "state", NULL) : "",
		 one ? json_str(one, "text", NULL) : "",
		 one ? json_str(one, "remedy", NULL) : "");
	findings_fini(&f);
	return one ? text : "";
}

static void assert_said(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("no '%s' in '%s'", words, text);
}

static void devices(void **state)
{
	static const char *const all[][3] = {
		{ "docker0", "bridge", "docker0 (a bridge of Docker)" },
		{ "br-0a1b2c3d4e5f", "bridge",
		  "br-0a1b2c3d4e5f (a bridge of Docker)" },
		{ "virbr0", "bridge", "virbr0 (a bridge of libvirt)" },
		{ "lan", "bridge", "lan (a bridge)" },
		{ "wg0", "wireguard", "wg0 (a VPN, WireGuard)" },
		{ "tailscale0", "tun", "tailscale0 (a VPN, Tailscale)" },
		{ "tun0", "tun", "tun0 (a VPN, or another program's tunnel)" },
		{ "ppp0", "", "ppp0 (a VPN or modem, PPP)" },
		{ "ipsec1", "xfrm", "ipsec1 (a VPN, IPsec)" },
		{ "eth0", "", "eth0" },
		{ "docker0", "", "docker0" }, /* a name alone says nothing */
		{ "x", "macvlan", "x (macvlan)" },
	};
	char text[96];

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_string_equal(device_describe(text, sizeof(text),
						    all[i][0], all[i][1]),
				    all[i][2]);
}

static void inside(void **state)
{
	const char *text = judge("10.97.0.0/16", "docker0", "bridge",
				 RT_TABLE_MAIN, false);

	(void)state;
	assert_said(text, "warn: 10.97.0.0/16 of the cluster's range "
			  "10.96.0.0/12 is a network of this machine, too: "
			  "device docker0 (a bridge of Docker) wins");
	assert_said(text, "/etc/docker/daemon.json");
	text = judge("10.97.0.0/16", "wg0", "wireguard", RT_TABLE_MAIN, false);
	assert_said(text, "device wg0 (a VPN, WireGuard) wins");
	assert_said(text, "--excludeIps");
	assert_said(judge("10.96.0.0/12", "eth1", "", RT_TABLE_MAIN, false),
		    "eth1 wins");
}

static void around(void **state)
{
	const char *text =
		judge("10.0.0.0/8", "tun0", "tun", RT_TABLE_MAIN, false);

	(void)state;
	assert_said(text, "warn: the cluster's range 10.96.0.0/12 is a part of "
			  "10.0.0.0/8, which leads to device tun0 (a VPN");
	assert_said(text, "connect wins");
	assert_string_equal(
		judge("0.0.0.0/0", "eth0", "", RT_TABLE_MAIN, false), "");
	assert_string_equal(
		judge("192.168.0.0/16", "eth0", "", RT_TABLE_MAIN, false), "");
}

static void rules(void **state)
{
	const char *text = judge("10.0.0.0/8", "wg0", "wireguard", 52, false);

	(void)state;
	assert_said(text, "a rule leads the cluster's range 10.96.0.0/12 to "
			  "device wg0 (a VPN, WireGuard) by table 52");
	assert_said(text, "connect loses it");
	assert_said(text, "ip rule add");
	assert_said(judge("10.97.0.0/16", "wg0", "wireguard", 52, false),
		    "leads the cluster's range 10.97.0.0/16 to");
	assert_said(judge("0.0.0.0/0", "wg0", "wireguard", 52, false),
		    "a rule leads all traffic and so the cluster's range "
		    "10.96.0.0/12");
	/* wg-quick has main looked at first */
	assert_string_equal(judge("0.0.0.0/0", "wg0", "wireguard", 51820, true),
			    "");
}

/* No descriptor is left for the question */
static void not_to_be_asked(void **state)
{
	struct rlimit before, none;
	struct prefixset all = { 0 };
	struct findings f;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	findings_init(&f, false);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	ranges_check(&f, &all);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_string_equal(json_str(json_array_get(f.list, 0), "state", NULL),
			    "skip");
	findings_fini(&f);
	findings_init(&f, false);
	ranges_check(&f, &all);
	assert_string_equal(json_str(json_array_get(f.list, 0), "state", NULL),
			    "ok");
	findings_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices),	   cmocka_unit_test(inside),
		cmocka_unit_test(around),	   cmocka_unit_test(rules),
		cmocka_unit_test(not_to_be_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
