/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KTCTL_CONNECT_PROXY_H
#define KT_KTCTL_CONNECT_PROXY_H

#include "base/ipaddr.h"
#include "tunnel/client.h"

struct proxy;

/** proxy_open() - a SOCKS5 server on @addr:@port that dials through @t */
KT_CHECK int proxy_open(struct proxy **out, struct loop *loop, struct tunnel *t,
			const struct ipaddr *addr, uint16_t port,
			struct kt_error *err);
void proxy_close(struct proxy *p);

#endif
