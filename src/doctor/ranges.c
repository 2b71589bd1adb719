/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/ranges.h"

#include "base/mem.h"
#include "base/str.h"
#include "net/capture.h"
#include "net/device.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define RANGES_MAX 64

/* --- who wins ------------------------------------------------------------- */

static bool ranges_is_main(uint32_t table)
{
	return table == RT_TABLE_MAIN || table == RT_TABLE_LOCAL;
}

static void ranges_tell_rule(struct findings *f, const char *range,
			     const struct range_rival *r, const char *device)
{
	bool all = r->net.len == 0;

	finding_add(f, "ranges", FINDING_WARN,
		    "'ip rule add to RANGE lookup main priority 100' puts the "
		    "table main first; connect --excludeIps leaves it out",
		    "%s the cluster's range %s to device %s by table "
		    "%u, which comes before the table main: connect loses it",
		    all ? "a rule leads all traffic and so" : "a rule leads",
		    range, device, r->table);
}

bool ranges_judge(struct findings *f, const struct ipprefix *range,
		  const struct range_rival *r)
{
	char in[IPPREFIX_STRLEN], net[IPPREFIX_STRLEN], device[96];
	bool inside = ipprefix_covers(range, &r->net);

	if (!inside && !ipprefix_covers(&r->net, range))
		return false;
	ipprefix_str(range, in);
	ipprefix_str(&r->net, net);
	device_describe(device, sizeof(device), r->ifname, r->kind);
	if (!ranges_is_main(r->table)) {
		if (r->main_first)
			return false;
		ranges_tell_rule(f, inside ? net : in, r, device);
		return true;
	}
	if (r->net.len == 0)
		return false;
	if (inside)
		finding_add(f, "ranges", FINDING_WARN,
			    str_starts(device, r->ifname) &&
					    strstr(device, "Docker")
				    ? "give Docker other addresses (bip, "
				      "default-address-pools in "
				      "/etc/docker/daemon.json), or leave it "
				      "out of connect: --excludeIps"
				    : "give that network other addresses, or "
				      "leave it out of connect: --excludeIps",
			    "%s of the cluster's range %s is a network of this "
			    "machine, too: device %s wins",
			    net, in, device);
	else
		finding_add(f, "ranges", FINDING_WARN,
			    "what you need of that network stays with it by "
			    "connect --excludeIps",
			    "the cluster's range %s is a part of %s, which "
			    "leads to device %s: connect wins, that network "
			    "loses these addresses",
			    in, net, device);
	return true;
}

/* --- the kernel ----------------------------------------------------------- */

struct ranges {
	struct findings *findings;
	struct netlink *nl;
	const struct prefixset *ranges;
	int own; /* the device of a connect that runs; < 0: there is none */
	struct netlink_net net[RANGES_MAX]; /* with addresses of @ranges */
	size_t nnets;
	struct range_rival rival[RANGES_MAX];
	int ifindex[RANGES_MAX];
	size_t n;
	/* of the rules that look at nothing but the table */
	uint32_t main_at; /* without its default route, or all of it */
	uint32_t before;  /* the table that is asked about */
	bool is_first;
};

/* The first rule that may lead to a table decides; a rule for some packets may
 * as well be for ours */
static void ranges_on_rule(void *user, const struct netlink_rule_seen *rule)
{
	struct ranges *r = user;

	if (rule->table == RT_TABLE_MAIN && rule->all)
		r->main_at = MIN(r->main_at, rule->priority);
	if (rule->table == r->before && rule->priority < r->main_at)
		r->is_first = true;
}

/* Whether a route of ours in main is found before @table is looked at. The
 * kernel lists rules in their order. */
static bool ranges_main_first(struct ranges *r, int family, uint32_t table)
{
	r->main_at = UINT32_MAX;
	r->before = table;
	r->is_first = false;
	if (netlink_rule_each(r->nl, family, ranges_on_rule, r) < 0)
		return false;
	return !r->is_first;
}

static void ranges_add(struct ranges *r, const struct ipprefix *net,
		       int ifindex, const char *ifname, uint32_t table)
{
	struct range_rival *new = &r->rival[r->n];
	struct netlink_link link;

	for (size_t i = 0; i < r->n; i++)
		if (r->ifindex[i] == ifindex && r->rival[i].table == table &&
		    r->rival[i].net.len == net->len &&
		    ipaddr_eq(&r->rival[i].net.addr, &net->addr))
			return;
	if (r->n == RANGES_MAX)
		return;
	*new = (struct range_rival){ .net = *net, .table = table };
	snprintf(new->ifname, sizeof(new->ifname), "%s", ifname);
	if (netlink_link_look(r->nl, ifname, &link) == 0)
		snprintf(new->kind, sizeof(new->kind), "%s", link.kind);
	new->main_first = !ranges_is_main(table) &&
			  ranges_main_first(r, net->addr.family, table);
	r->ifindex[r->n++] = ifindex;
}

/* From inside a dump: the kernel cannot be asked anything else there */
static void ranges_on_net(void *user, const struct netlink_net *n)
{
	struct ranges *r = user;

	if (n->net.len == 0 || n->ifindex == r->own || r->nnets == RANGES_MAX ||
	    !prefixset_overlaps(r->ranges, &n->net))
		return;
	r->net[r->nnets++] = *n;
}

/* Where an address of @n goes now: perhaps not to its own device */
static void ranges_ask_net(struct ranges *r, const struct netlink_net *n)
{
	struct ipaddr probe = n->net.addr;
	uint32_t table = n->table ? n->table : RT_TABLE_MAIN;
	char name[IF_NAMESIZE] = "";
	struct netlink_hop hop;

	if (ipaddr_bits(&probe) - n->net.len > 1)
		probe.b[ipaddr_bits(&probe) / 8 - 1] ^= 1;
	if (netlink_route_get(r->nl, &probe, &hop) == 0 && !hop.local &&
	    hop.ifindex != r->own)
		ranges_add(r, &n->net, hop.ifindex, hop.ifname, hop.table);
	else if (ranges_is_main(table) && n->ifindex &&
		 if_indextoname((unsigned int)n->ifindex, name))
		ranges_add(r, &n->net, n->ifindex, name, table);
}

/* A rule before the table main: what connect adds there is not looked at */
static void ranges_ask_way(struct ranges *r, const struct ipprefix *p)
{
	struct ipprefix all = { .addr = { .family = p->addr.family } };
	struct netlink_hop hop;

	if (netlink_route_get(r->nl, &p->addr, &hop) < 0 ||
	    ranges_is_main(hop.table) || hop.ifindex == r->own)
		return;
	for (size_t i = 0; i < r->n; i++)
		if (r->ifindex[i] == hop.ifindex &&
		    r->rival[i].table == hop.table)
			return;
	ranges_add(r, &all, hop.ifindex, hop.ifname, hop.table);
}

static int ranges_collect(struct ranges *r, struct kt_error *err)
{
	int rc = netlink_open(&r->nl, err);

	if (rc == 0)
		r->own = netlink_link_index(r->nl, CAPTURE_IFNAME);
	if (rc == 0)
		rc = netlink_addr_each(r->nl, ranges_on_net, r);
	if (rc == 0)
		rc = netlink_table_each(r->nl, NETLINK_ALL_TABLES,
					ranges_on_net, r);
	for (size_t i = 0; rc == 0 && i < r->nnets; i++)
		ranges_ask_net(r, &r->net[i]);
	for (size_t i = 0; rc == 0 && i < r->ranges->n; i++)
		ranges_ask_way(r, &r->ranges->v[i]);
	netlink_close(r->nl);
	return rc;
}

void ranges_check(struct findings *f, const struct prefixset *ranges)
{
	struct ranges r = { .findings = f, .ranges = ranges };
	struct kt_error err = { 0 };
	int rc = ranges_collect(&r, &err);
	size_t told = 0;

	if (rc < 0) {
		finding_add(f, "ranges", FINDING_SKIP, NULL,
			    "the routes of this machine: %s",
			    err.msg[0] ? err.msg : strerror(-rc));
		return;
	}
	for (size_t i = 0; i < r.n; i++)
		for (size_t k = 0; k < ranges->n; k++)
			told += ranges_judge(f, &ranges->v[k], &r.rival[i]);
	if (!told)
		finding_add(f, "ranges", FINDING_OK, NULL,
			    "no network of this machine is in the way");
}
