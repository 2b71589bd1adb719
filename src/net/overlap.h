/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_OVERLAP_H
#define KT_NET_OVERLAP_H

#include "base/prefixset.h"
#include "net/netlink.h"

/**
 * DOC: Ranges that do not go where their route says
 *
 * A route to a range is of no use for the part of it that is a network of an
 * interface, or for which a rule names a table that comes before the table
 * main, as VPNs add them. Only the kernel knows: it is asked for an address of
 * the range and of each smaller network inside, in whatever table that is.
 */

/** struct overlap - addresses that go elsewhere */
struct overlap {
	struct prefixset part;
	uint32_t table;
	char ifname[IF_NAMESIZE]; /* "": nowhere (unreachable, prohibited) */
	char kind[IF_NAMESIZE];	  /* of the device: struct netlink_link */
};

#define OVERLAPS_MAX 8

struct overlaps {
	struct overlap v[OVERLAPS_MAX];
	size_t n;
	/* networks of other devices around a range (part has one each): they
	 * lose its addresses; not the default route */
	struct overlap around[OVERLAPS_MAX];
	size_t naround;
};

/** overlaps_find() - what of @ranges does not go to @ifindex, and who loses
 *  addresses to it; 0 or -errno. @out: overlaps_fini() */
KT_CHECK int overlaps_find(struct netlink *nl, int ifindex,
			   const struct prefixset *ranges,
			   struct overlaps *out);
void overlaps_fini(struct overlaps *o);

#endif
