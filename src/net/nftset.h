/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_NFTSET_H
#define KT_NET_NFTSET_H

#include "net/nlmsg.h"

#include <stddef.h>

/**
 * nftset_ports() - put ports into a set of nftables (type inet_service), or
 * take them out; all of them or, as soon as one is refused, none
 * @s: of NETLINK_NETFILTER, in the network namespace of the set
 * @table: of the family inet
 * @ports: @n of them, host order
 * Return: 0 or -errno.
 */
KT_CHECK int nftset_ports(struct nlsock *s, const char *table, const char *set,
			  bool add, const uint16_t *ports, size_t n);

#endif
