/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONNECT_PROXY_H
#define KT_CONNECT_PROXY_H

#include "base/ipaddr.h"
#include "tunnel/client.h"
#include "tunnel/faults.h"

/**
 * DOC: The proxy of --disableTunDevice
 *
 * Joins net/socks and tunnel/client, as connect_traffic does for captured
 * traffic. Names are resolved by the shadow, as in its Pod. UDP goes to
 * addresses only: a datagram to a name is dropped.
 */

struct proxy;

/** proxy_open() - a SOCKS5 server on @at that dials through @t; that and
 * @faults (or NULL) are borrowed */
KT_CHECK int proxy_open(struct proxy **out, struct loop *loop, struct tunnel *t,
			struct faults *faults, const struct ipport *at,
			struct kt_error *err);
/** proxy_at() - where it listens */
struct ipport proxy_at(const struct proxy *p);
/** proxy_close() - after tunnel_free(); NULL is allowed */
void proxy_close(struct proxy *p);
/** proxy_tunnel_up() - a fresh session: dial what has waited */
void proxy_tunnel_up(struct proxy *p);

#endif
