/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_CONNTRACK_H
#define KT_NET_CONNTRACK_H

#include "base/ipaddr.h"

/**
 * DOC: Connection tracking (ctnetlink)
 *
 * One question: where did a program send the packet that a redirect brought to
 * our listener? A TCP socket knows (conntrack_original_tcp()); for a datagram
 * the kernel's table is asked.
 */

struct conntrack;

/** conntrack_open() - in the present namespace; 0 or -errno */
KT_CHECK int conntrack_open(struct conntrack **out);
void conntrack_close(struct conntrack *ct);

/**
 * conntrack_original_udp() - the destination before the redirect
 * @client: the sender as our listener sees it
 * @listener: our address and port
 * Return: 0; -ENOENT when the kernel knows no such flow, or cannot be asked
 * (no nf_conntrack_netlink); -errno.
 */
KT_CHECK int conntrack_original_udp(struct conntrack *ct,
				    const struct ipport *client,
				    const struct ipport *listener,
				    struct ipport *orig);

/** conntrack_original_tcp() - of an accepted socket; 0 or -errno (-ENOENT) */
KT_CHECK int conntrack_original_tcp(int fd, struct ipport *orig);

#endif
