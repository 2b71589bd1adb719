/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_CAPTURE_LINK_H
#define KT_NET_CAPTURE_LINK_H

#include "net/capture.h"
#include "net/netlink.h"

/** struct capture_link - the kernel objects of a capture; see capture_ns.c */
struct capture_link {
	char ifname[IF_NAMESIZE];
	int ifindex;
	int mtu;
	bool ipv6;
	bool ipv6_addr;		 /* the device has its IPv6 address */
	bool elsewhere;		 /* adopted: files in /proc/sys are others' */
	struct ipaddr host[2];	 /* its addresses: IPv4, IPv6 */
	struct ipaddr inner[2];	 /* the other end's: the gateway */
	struct netlink *netlink; /* in the namespace of the programs */
	int tun;		 /* in the inner namespace, as all below */
	int tcp[2], udp[2];	 /* listeners: IPv4, IPv6; -1: none */
	struct nft *rules;	 /* they are being made; or NULL */
};

/** capture_link_open() - make them all; closes what it made on failure. @loop:
 *  runs while the kernel makes the rules; NULL: nothing does */
KT_CHECK int capture_link_open(struct capture_link *l, struct loop *loop,
			       const struct capture_config *cfg,
			       struct kt_error *err);
/** capture_link_move() - @to is what @from was, which is closed then */
void capture_link_move(struct capture_link *to, struct capture_link *from);

#define CAPTURE_LINK_FDS 6
/**
 * capture_link_pass() - its descriptors, in order, for another process, which
 * gets the bytes of @l as well and makes a link of its own of both with
 * capture_link_adopt()
 * @fds: borrowed; -1: there is none
 */
void capture_link_pass(const struct capture_link *l, int fds[CAPTURE_LINK_FDS]);
/** capture_link_adopt() - @l has the bytes of another process's link; @fds are
 *  taken, also on failure; 0 or -ENOMEM. May change routes only where this
 *  process has CAP_NET_ADMIN over the namespace's owner, as the parent of that
 *  user namespace with the same user id has. */
KT_CHECK int capture_link_adopt(struct capture_link *l,
				const int fds[CAPTURE_LINK_FDS]);
/** capture_link_close() - the namespace goes with the last descriptor */
void capture_link_close(struct capture_link *l);
KT_CHECK int capture_link_route(struct capture_link *l,
				const struct ipprefix *p, bool add,
				struct kt_error *err);

/** capture_link_families() - how many of the members [2] are in use */
static inline int capture_link_families(const struct capture_link *l)
{
	return l->ipv6 ? 2 : 1;
}

static inline int capture_fam(int family)
{
	return family == AF_INET6;
}

#endif
