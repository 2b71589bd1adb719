/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_NET_LISTENER_H
#define KT_NET_LISTENER_H

#include "base/error.h"
#include "base/ipaddr.h"
#include "base/loop.h"

/**
 * DOC: Listener
 *
 * Accepts TCP connections. Where descriptors or memory run out, accept() fails
 * and the connection stays in the kernel's queue: the listener then looks the
 * other way for a moment, so that the loop does not spin, and the caller waits
 * until there is room, or gives up. A connection is never taken to be dropped.
 */

/** @fd is taken; @peer: who it is. It may stop the listener. */
typedef void (*listener_fn)(void *user, int fd, const struct ipport *peer);

/** struct listener - zeroed it is stopped; embedded, see base/loop.h */
struct listener {
	struct watch watch; /* owns the fd */
	struct timer pause;
	int64_t short_at; /* when accept() last ran short; 0: never */
	listener_fn accepted;
	void *user;
};

/**
 * listener_bind() - a socket that listens at @at, port 0: any
 * [::] takes IPv4 too, and is 0.0.0.0 where the kernel has no IPv6.
 * Return: the descriptor, and @at is where it is; or -errno.
 */
KT_CHECK int listener_bind(struct ipport *at);
/** listener_start() - accept from @fd (taken, also on failure); 0 or -errno */
KT_CHECK int listener_start(struct listener *l, struct loop *loop, int fd,
			    listener_fn accepted, void *user);
/** listener_open() - both; 0, or -errno with @err */
KT_CHECK int listener_open(struct listener *l, struct loop *loop,
			   struct ipport *at, listener_fn accepted, void *user,
			   struct kt_error *err);
/** listener_stop() - close it; who waits is refused. Safe when stopped. */
void listener_stop(struct listener *l);

#endif
