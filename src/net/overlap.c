/* SPDX-License-Identifier: Apache-2.0 */
#include "net/overlap.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define ROUTES_MAX 65536
#define PROBES 4

/** struct overlap_search - the networks that a range may be cut up by */
struct overlap_search {
	const struct prefixset *ranges;
	struct ipprefix *v; /* the ranges, and smaller networks in them */
	size_t n;
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

static void overlap_take_route(void *user, const struct netlink_net *r)
{
	struct overlap_search *s = user;

	for (size_t i = 0; i < s->ranges->n; i++)
		if (ipprefix_covers(&s->ranges->v[i], &r->net))
			overlap_add(s, &r->net);
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

int overlaps_find(struct netlink *nl, int ifindex,
		  const struct prefixset *ranges, struct overlaps *out)
{
	struct overlap_search s = { .ranges = ranges };
	int rc;

	*out = (struct overlaps){ 0 };
	for (size_t i = 0; i < ranges->n; i++)
		overlap_add(&s, &ranges->v[i]);
	rc = netlink_table_each(nl, NETLINK_ALL_TABLES, overlap_take_route, &s);
	for (size_t i = 0; rc == 0 && i < s.n; i++)
		overlap_judge(nl, ifindex, &s, i, out);
	free(s.v);
	return rc;
}

void overlaps_fini(struct overlaps *o)
{
	for (size_t i = 0; i < o->n; i++)
		prefixset_fini(&o->v[i].part);
	o->n = 0;
}
