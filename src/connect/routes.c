/* SPDX-License-Identifier: Apache-2.0 */
#include "connect/routes.h"

#include "base/log.h"
#include "connect/ranges.h"
#include "net/device.h"
#include "net/overlap.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

static bool routes_have(const struct prefixset *s, const struct ipprefix *p)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].len == p->len && ipaddr_eq(&s->v[i].addr, &p->addr))
			return true;
	return false;
}

static bool routes_wanted(const struct routes *r, const struct ipprefix *p)
{
	return p->addr.family != AF_INET6 || capture_has_ipv6(r->cap);
}

/* New ones first: what is wanted before and after is never without. */
static size_t routes_change(struct routes *r, const struct prefixset *want,
			    struct prefixset *on, struct kt_error *err)
{
	size_t failed = 0;

	for (size_t i = 0; i < want->n; i++) {
		const struct ipprefix *p = &want->v[i];
		struct kt_error e = { 0 };
		int rc;

		if (!routes_wanted(r, p))
			continue;
		rc = routes_have(&r->on, p) ? 0
					    : capture_route_add(r->cap, p, &e);
		if (rc == 0) {
			prefixset_add(on, p);
			continue;
		}
		failed++;
		*err = e;
		/* who has it is said by routes_compare() */
		if (rc != -EEXIST || !capture_ifname(r->cap))
			log_warn("%s", e.msg);
	}
	for (size_t i = 0; i < r->on.n; i++) {
		struct kt_error e = { 0 };

		if (!routes_have(want, &r->on.v[i]) &&
		    capture_route_del(r->cap, &r->on.v[i], &e) < 0)
			log_debug("%s", e.msg);
	}
	return failed;
}

static void routes_warn(const struct overlap *o, const struct prefixset *known)
{
	char text[512], one[IPPREFIX_STRLEN], device[DEVICE_TEXT];
	bool news = false;

	for (size_t i = 0; i < o->part.n; i++)
		news = news || !prefixset_overlaps(known, &o->part.v[i]);
	if (!news)
		return;
	connect_ranges_text(&o->part, text, sizeof(text));
	ipprefix_str(&o->part.v[0], one);
	device_describe(device, sizeof(device), o->ifname, o->kind);
	if (!o->ifname[0])
		log_warn("%s: this machine has a rule or route that forbids "
			 "it; it is not led into the cluster (ip route get, ip "
			 "rule)",
			 text);
	else if (o->table == RT_TABLE_MAIN)
		log_warn("%s is a network of this machine, too (device %s): "
			 "it is not led into the cluster. Give that network "
			 "other addresses, or leave it out: --excludeIps %s",
			 text, device, one);
	else
		log_warn("%s is led to device %s by table %u, which comes "
			 "before ours: it is not led into the cluster. 'ip "
			 "%srule "
			 "add to %s lookup main priority 100' puts ours first, "
			 "--excludeIps %s leaves it out",
			 text, device, o->table,
			 o->part.v[0].addr.family == AF_INET6 ? "-6 " : "", one,
			 one);
}

/* A VPN or a company's network with the cluster's addresses in it */
static void routes_warn_around(struct routes *r, const struct overlap *o)
{
	char net[IPPREFIX_STRLEN], device[DEVICE_TEXT];

	if (prefixset_overlaps(&r->around, &o->part.v[0]))
		return;
	prefixset_add(&r->around, &o->part.v[0]);
	log_warn("%s, which leads to device %s, is without the cluster's "
		 "addresses until you leave: what you need of them there stays "
		 "with it by --excludeIps",
		 ipprefix_str(&o->part.v[0], net),
		 device_describe(device, sizeof(device), o->ifname, o->kind));
}

static void routes_compare(struct routes *r, const struct prefixset *want)
{
	struct prefixset lost = { 0 };
	struct netlink *nl = NULL;
	struct overlaps found = { 0 };
	struct kt_error err = { 0 };
	int rc = netlink_open(&nl, &err);

	if (rc == 0)
		rc = overlaps_find(nl, capture_ifindex(r->cap), want, &found);
	netlink_close(nl);
	if (rc < 0)
		log_debug("compare routes: %s", strerror(-rc));
	for (size_t i = 0; i < found.n; i++) {
		routes_warn(&found.v[i], &r->lost);
		for (size_t k = 0; k < found.v[i].part.n; k++)
			prefixset_add(&lost, &found.v[i].part.v[k]);
	}
	for (size_t i = 0; i < found.naround; i++)
		routes_warn_around(r, &found.around[i]);
	overlaps_fini(&found);
	prefixset_fini(&r->lost);
	r->lost = lost;
}

int routes_set(struct routes *r, const struct prefixset *want,
	       struct kt_error *err)
{
	struct prefixset on = { 0 }, mine = { 0 };
	struct kt_error why = { 0 };
	size_t failed = routes_change(r, want, &on, &why);

	prefixset_fini(&r->on);
	r->on = on;
	for (size_t i = 0; i < want->n; i++)
		if (routes_wanted(r, &want->v[i]))
			prefixset_add(&mine, &want->v[i]);
	if (capture_ifname(r->cap))
		routes_compare(r, &mine);
	prefixset_fini(&mine);
	if (!failed || on.n)
		return 0;
	*err = why;
	return -why.code;
}

struct prefixset routes_captured(const struct routes *r)
{
	struct prefixset out = prefixset_copy(&r->on);

	for (size_t i = 0; i < r->lost.n; i++)
		prefixset_remove(&out, &r->lost.v[i]);
	return out;
}

void routes_fini(struct routes *r)
{
	prefixset_fini(&r->on);
	prefixset_fini(&r->lost);
	prefixset_fini(&r->around);
}
