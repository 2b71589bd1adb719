/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_NETLINK_H
#define KT_NET_NETLINK_H

#include "base/ipaddr.h"

#include <net/if.h>

/**
 * DOC: Links, addresses, routes and rules (rtnetlink)
 *
 * A struct netlink works on the network namespace in which it was opened, for
 * all its life, wherever the thread is later. Calls are synchronous and short.
 */

struct netlink;

/** netlink_open() - in the present namespace; returned (netlink_close()) */
KT_CHECK int netlink_open(struct netlink **out, struct kt_error *err);
/** netlink_adopt() - a socket that another process opened, in a namespace of
 *  its own, and passed on (netlink_fd()); @fd is taken. NULL: no memory */
struct netlink *netlink_adopt(int fd);
/** netlink_fd() - its descriptor, borrowed */
int netlink_fd(const struct netlink *nl);
void netlink_close(struct netlink *nl);

#define NETLINK_MAC 6

/**
 * struct netlink_veth - a pair to be made; the peer in another namespace
 *
 * Nobody asks for neighbours on it (NOARP), whatever the route: a frame is sent
 * to the sender's own address, so both ends have the same.
 */
struct netlink_veth {
	const char *name, *peer;
	int peer_netns; /* borrowed descriptor of a namespace */
	int mtu;
	uint8_t mac[NETLINK_MAC];
};

/** netlink_veth_add() - -EEXIST when there is a link of that name already */
KT_CHECK int netlink_veth_add(struct netlink *nl, const struct netlink_veth *v,
			      struct kt_error *err);
/** netlink_link_index() - the interface index (> 0), or -ENODEV, -errno */
KT_CHECK int netlink_link_index(struct netlink *nl, const char *name);
/** struct netlink_link - what is known of a device */
struct netlink_link {
	int ifindex;
	char kind[IF_NAMESIZE]; /* "veth", "tun", "bridge"; "": a real one */
	uint8_t mac[NETLINK_MAC];
};

/** netlink_link_look() - 0, -ENODEV, -errno */
KT_CHECK int netlink_link_look(struct netlink *nl, const char *name,
			       struct netlink_link *out);
/** netlink_link_up() - @mtu and @txqlen: 0 to leave them */
KT_CHECK int netlink_link_up(struct netlink *nl, int ifindex, int mtu,
			     int txqlen, struct kt_error *err);
/**
 * netlink_link_wait() - until a device that is up also sends
 *
 * The kernel begins to do so in the background, when it has seen the carrier
 * of both ends; what is sent before is lost without a trace. Blocks, for some
 * milliseconds as a rule, and never longer than 2 s.
 * Return: 0, -ETIMEDOUT or -errno.
 */
KT_CHECK int netlink_link_wait(struct netlink *nl, int ifindex,
			       struct kt_error *err);
/** netlink_link_alias() - the text that `ip link` shows beside the name */
int netlink_link_alias(struct netlink *nl, int ifindex, const char *text,
		       struct kt_error *err);
int netlink_link_del(struct netlink *nl, const char *name,
		     struct kt_error *err);
/**
 * netlink_addr_add() - IPv6 without duplicate detection
 *
 * Waits, as netlink_link_wait(), until packets to it arrive; the device must
 * be up.
 */
KT_CHECK int netlink_addr_add(struct netlink *nl, int ifindex,
			      const struct ipaddr *addr, unsigned int len,
			      struct kt_error *err);

/** struct netlink_route - a route; unset members are left to the kernel */
struct netlink_route {
	struct ipprefix dst;
	int ifindex;
	struct ipaddr via, src; /* family 0: none */
	uint32_t table;		/* 0: main */
	uint32_t metric;
	bool local; /* deliver to this namespace, whatever the address */
};

/** netlink_route_add() - -EEXIST when there is the same route already */
KT_CHECK int netlink_route_add(struct netlink *nl,
			       const struct netlink_route *r,
			       struct kt_error *err);
KT_CHECK int netlink_route_del(struct netlink *nl,
			       const struct netlink_route *r,
			       struct kt_error *err);

/** struct netlink_rule - policy: which packets use @table */
struct netlink_rule {
	int family;
	uint32_t priority, table;
	const char *iif; /* NULL: any */
	uint32_t mark;	 /* 0: any */
};

KT_CHECK int netlink_rule_add(struct netlink *nl, const struct netlink_rule *r,
			      struct kt_error *err);

/** struct netlink_net - an address with its network, or a unicast route */
struct netlink_net {
	struct ipprefix net;
	struct ipaddr addr; /* the address itself; family 0 for a route */
	int ifindex;	    /* of several next hops, the first's */
	uint32_t table;	    /* of a route */
	bool direct;	    /* no gateway: the network is on the link */
};

typedef void (*netlink_net_fn)(void *user, const struct netlink_net *n);

/** netlink_addr_each() - every address of every link, IPv4 and IPv6 */
KT_CHECK int netlink_addr_each(struct netlink *nl, netlink_net_fn fn,
			       void *user);
#define NETLINK_ALL_TABLES 0 /* but that of local addresses */

/** netlink_table_each() - every unicast route of @table */
KT_CHECK int netlink_table_each(struct netlink *nl, uint32_t table,
				netlink_net_fn fn, void *user);
/** netlink_route_each() - the same of the table main */
KT_CHECK int netlink_route_each(struct netlink *nl, netlink_net_fn fn,
				void *user);

/** struct netlink_rule_seen - a rule that names a table */
struct netlink_rule_seen {
	uint32_t priority, table;
	/* for packets of every kind, and a route of any length but that of
	 * the default one counts */
	bool all;
};

/** netlink_rule_each() - every rule of @family that leads to a table, in the
 *  kernel's order */
KT_CHECK int netlink_rule_each(struct netlink *nl, int family,
			       void (*fn)(void *user,
					  const struct netlink_rule_seen *r),
			       void *user);

/** struct netlink_hop - where a packet goes */
struct netlink_hop {
	int ifindex;
	char ifname[IF_NAMESIZE]; /* "" when the device has gone meanwhile */
	struct ipaddr via, src;	  /* family 0: none */
	uint32_t table;		  /* whose route it is */
	bool local;		  /* the address is one of this machine */
};

/** netlink_route_get() - the way to @dst; 0, -ENETUNREACH, ... */
KT_CHECK int netlink_route_get(struct netlink *nl, const struct ipaddr *dst,
			       struct netlink_hop *hop);
/** netlink_route_by() - the same for a socket that is bound to @ifindex */
KT_CHECK int netlink_route_by(struct netlink *nl, const struct ipaddr *dst,
			      int ifindex, struct netlink_hop *hop);

#endif
