/* SPDX-License-Identifier: Apache-2.0 */
#include "net/overlap.h"

#include "base/mem.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define ROUTES_MAX 65536
#define PROBES 4

/** struct overlap_search - the networks that a range may be cut up by */
struct overlap_search {
	const struct prefixset *ranges;
	struct ipprefix *v; /* the ranges, and smaller networks in them */
	size_t n;
	int ifindex; /* ours */
	struct netlink_net around[OVERLAPS_MAX];
	size_t naround;
};

static void overlap_add(struct overlap_search *s, const struct ipprefix *p)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].len == p->len && ipaddr_eq(&s->v[i].addr, &p->addr))
			return;
	if (s->n == ROUTES_MAX)
		return;
	s->v = xrealloc(s->v, (s->n + 1) * sizeof(*s->v));
	s->v[s->n++] = *p;
}

static void overlap_add_around(struct overlap_search *s,
			       const struct netlink_net *r)
{
	if (r->net.len == 0 || r->ifindex == s->ifindex ||
	    r->table != RT_TABLE_MAIN || s->naround == OVERLAPS_MAX)
		return;
	for (size_t i = 0; i < s->naround; i++)
		if (s->around[i].net.len == r->net.len &&
		    ipaddr_eq(&s->around[i].net.addr, &r->net.addr))
			return;
	s->around[s->naround++] = *r;
}

static void overlap_take_route(void *user, const struct netlink_net *r)
{
	struct overlap_search *s = user;

	for (size_t i = 0; i < s->ranges->n; i++) {
		const struct ipprefix *range = &s->ranges->v[i];

		if (ipprefix_covers(range, &r->net))
			overlap_add(s, &r->net);
		else if (ipprefix_covers(&r->net, range))
			overlap_add_around(s, r);
	}
}

/* An address of @p: the second, the last but one, one in the middle, the first.
 * Those of a smaller network say nothing about @p. */
static struct ipaddr overlap_address(const struct ipprefix *p, int which)
{
	unsigned int bits = ipaddr_bits(&p->addr);
	struct ipaddr a = p->addr;
	uint8_t *last = &a.b[bits / 8 - 1];

	if (p->len >= bits || which == 3)
		return a;
	for (unsigned int i = p->len; which == 1 && i < bits; i++)
		a.b[i / 8] |= (uint8_t)(0x80U >> (i % 8));
	if (which == 2)
		a.b[p->len / 8] |= (uint8_t)(0x80U >> (p->len % 8));
	if (bits - p->len > 1)
		*last ^= 1;
	return a;
}

static bool overlap_hidden(const struct overlap_search *s, size_t self,
			   const struct ipaddr *a)
{
	for (size_t i = 0; i < s->n; i++)
		if (i != self && s->v[i].len > s->v[self].len &&
		    ipprefix_has(&s->v[i], a))
			return true;
	return false;
}

static struct overlap *overlap_of(struct overlaps *o,
				  const struct netlink_hop *hop)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->v[i].table == hop->table &&
		    strcmp(o->v[i].ifname, hop->ifname) == 0)
			return &o->v[i];
	if (o->n == OVERLAPS_MAX)
		return &o->v[OVERLAPS_MAX - 1];
	o->v[o->n].table = hop->table;
	snprintf(o->v[o->n].ifname, sizeof(o->v[o->n].ifname), "%s",
		 hop->ifname);
	return &o->v[o->n++];
}

static void overlap_judge(struct netlink *nl, int ifindex,
			  const struct overlap_search *s, size_t i,
			  struct overlaps *out)
{
	for (int which = 0; which < PROBES; which++) {
		struct ipaddr a = overlap_address(&s->v[i], which);
		struct netlink_hop hop;
		int rc;

		if (overlap_hidden(s, i, &a))
			continue;
		rc = netlink_route_get(nl, &a, &hop);
		if (rc == 0 && hop.local)
			continue; /* our own address in that network */
		if (rc < 0)
			hop = (struct netlink_hop){ 0 };
		if (rc < 0 || hop.ifindex != ifindex)
			prefixset_add(&overlap_of(out, &hop)->part, &s->v[i]);
		return;
	}
}

static void overlap_set_kind(struct netlink *nl, struct overlap *o)
{
	struct netlink_link link;

	if (o->ifname[0] && netlink_link_look(nl, o->ifname, &link) == 0)
		snprintf(o->kind, sizeof(o->kind), "%s", link.kind);
}

static void overlap_tell_around(struct netlink *nl,
				const struct overlap_search *s,
				struct overlaps *out)
{
	for (size_t i = 0; i < s->naround; i++) {
		struct overlap *o = &out->around[out->naround];
		unsigned int ifindex = (unsigned int)s->around[i].ifindex;

		if (!ifindex || !if_indextoname(ifindex, o->ifname))
			continue;
		o->table = s->around[i].table;
		prefixset_add(&o->part, &s->around[i].net);
		overlap_set_kind(nl, o);
		out->naround++;
	}
}

int overlaps_find(struct netlink *nl, int ifindex,
		  const struct prefixset *ranges, struct overlaps *out)
{
	struct overlap_search s = { .ranges = ranges, .ifindex = ifindex };
	int rc;

	*out = (struct overlaps){ 0 };
	for (size_t i = 0; i < ranges->n; i++)
		overlap_add(&s, &ranges->v[i]);
	rc = netlink_table_each(nl, NETLINK_ALL_TABLES, overlap_take_route, &s);
	for (size_t i = 0; rc == 0 && i < s.n; i++)
		overlap_judge(nl, ifindex, &s, i, out);
	for (size_t i = 0; i < out->n; i++)
		overlap_set_kind(nl, &out->v[i]);
	if (rc == 0)
		overlap_tell_around(nl, &s, out);
	free(s.v);
	return rc;
}

void overlaps_fini(struct overlaps *o)
{
	for (size_t i = 0; i < o->n; i++)
		prefixset_fini(&o->v[i].part);
	for (size_t i = 0; i < o->naround; i++)
		prefixset_fini(&o->around[i].part);
	o->n = o->naround = 0;
}
