/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_OUTSIDE_UDP_H
#define KT_RUN_OUTSIDE_UDP_H

#include "net/capture.h"

/** struct outside_udp - datagrams and pings to this machine's own network */
struct outside_udp;

/** outside_udp_new() - answers go to @cap, borrowed */
struct outside_udp *outside_udp_new(struct loop *l, struct capture *cap);
/** outside_udp_free() - before the capture; NULL is allowed */
void outside_udp_free(struct outside_udp *u);
void outside_udp_send(struct outside_udp *u, const struct ipport *src,
		      const struct ipport *dst, const uint8_t *data,
		      size_t len);
void outside_udp_ping(struct outside_udp *u, const struct capture_echo *e);

#endif
