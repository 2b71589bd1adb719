/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_FAULT_UDP_H
#define KT_TUNNEL_FAULT_UDP_H

#include "tunnel/faults.h"

/**
 * DOC: Faults and datagrams
 *
 * Of one conversation of UDP. Each datagram is hit, or not, by itself: on its
 * way to the cluster by refuse, drop and rate, on its way back by latency and
 * rate. What has to wait is copied, up to 256 KiB in each direction; what is
 * more is lost, as in the queue of a link.
 */

struct fault_udp;

struct fault_udp_ops {
	/** out() - a datagram that had to wait goes to the cluster */
	void (*out)(void *user, const uint8_t *data, size_t len);
	/** back() - likewise, to the program */
	void (*back)(void *user, const uint8_t *data, size_t len);
};

/** fault_udp_new() - a conversation with @host, or (NULL, "") with @to->addr;
 *  NULL when there are no faults, which the functions below allow */
struct fault_udp *fault_udp_new(struct loop *loop, struct faults *f,
				const char *host, const struct ipport *to,
				const struct fault_udp_ops *ops, void *user);
void fault_udp_free(struct fault_udp *u);

/** fault_udp_out() - a datagram is about to be sent: 0: send it now; 1: it is
 *  sent later, or lost; -ECONNREFUSED: it is refused */
int fault_udp_out(struct fault_udp *u, const uint8_t *data, size_t len);
/** fault_udp_back() - one came back: 0: pass it on now; 1: later, or never */
int fault_udp_back(struct fault_udp *u, const uint8_t *data, size_t len);

#endif
