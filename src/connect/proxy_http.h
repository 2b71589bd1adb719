/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONNECT_PROXY_HTTP_H
#define KT_CONNECT_PROXY_HTTP_H

#include "base/list.h"
#include "tunnel/relay.h"

#include <stddef.h>

struct attempt;
struct loop;

/**
 * DOC: A request that the proxy forwards
 *
 * The server gets another head than the program has sent (wire/proxyreq.h), and
 * then what is behind that: between the program's socket and the tunnel's relay
 * stands a pair of sockets, into which the head goes first. A reset of either
 * side is one of the other.
 */

/** struct proxy_http - those of one proxy; caller's memory */
struct proxy_http {
	struct loop *loop;
	struct list requests;
	struct relay_group relays;
	struct relay_hooks hooks;
};

void proxy_http_init(struct proxy_http *p, struct loop *l);
/** proxy_http_start() - @a is connected (taken), the program is at @fd (taken),
 *  the head of its request at @head (at most some KiB) */
void proxy_http_start(struct proxy_http *p, struct attempt *a, int fd,
		      const void *head, size_t n);
/** proxy_http_fini() - all are reset */
void proxy_http_fini(struct proxy_http *p);

#endif
