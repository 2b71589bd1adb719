/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DNS_ORDER_H
#define KT_DNS_ORDER_H

#include "base/ipaddr.h"
#include "base/str.h"

#define DNS_ORDER_MAX 8

enum dns_via {
	DNS_VIA_CLUSTER,  /* the cluster's DNS, through the tunnel */
	DNS_VIA_UPSTREAM, /* the server that the query was sent to */
	DNS_VIA_ADDR,	  /* a server given by address */
};

enum dns_proto { DNS_PROTO_ANY, DNS_PROTO_UDP, DNS_PROTO_TCP };

/** struct dns_source - one item of the order list */
struct dns_source {
	enum dns_via via;
	enum dns_proto proto; /* ANY: as the client asks */
	struct ipport addr;   /* VIA_ADDR; VIA_UPSTREAM: only a port, or 0 */
};

struct dns_order {
	struct dns_source v[DNS_ORDER_MAX];
	size_t n;
};

/**
 * dns_order_parse() - "cluster,upstream", "tcp:upstream,10.0.0.2:5353", ...
 *
 *   item = "cluster" | [proto ":"] ("upstream" | address) [":" port]
 *   proto = "udp" | "tcp"; an IPv6 address with a port stands in brackets
 *
 * Return: 0, or -EINVAL with the bad item named in @err.
 */
KT_CHECK int dns_order_parse(struct dns_order *o, const char *text,
			     struct kt_error *err);

/** dns_order_from() - the same from items that are already split */
KT_CHECK int dns_order_from(struct dns_order *o, const struct strv *items,
			    struct kt_error *err);

#endif
