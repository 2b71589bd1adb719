/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DNS_LOOKUP_H
#define KT_DNS_LOOKUP_H

#include "base/list.h"
#include "base/loop.h"
#include "wire/dns.h"

/**
 * DOC: Questions to the cluster
 *
 * Between the resolver and the tunnel: one question in flight whoever asks it
 * how often, a cache, and a limit of time. Replies are for the lower-case
 * question; the resolver says them again for its client (wire/dns_rewrite.h).
 *
 * ask: IN FLIGHT -> answered (waiters called, freed)
 *                -> LATE (time-out: waiters called with -ETIMEDOUT). The tunnel
 *                   loses nothing: who asks again within 10 s waits for the
 *                   same question; its reply goes into the cache. Freed then.
 */

/** dns_cluster_done_fn - a reply (@rc 0, @msg borrowed), or @rc = -errno */
typedef void (*dns_cluster_done_fn)(void *arg, int rc, const uint8_t *msg,
				    size_t len);

/** struct dns_cluster_ops - how the cluster is asked; by the tunnel's owner */
struct dns_cluster_ops {
	/**
	 * query() - send @msg (borrowed) to the Pod's name server
	 * Return: 0: @done(@arg) is called exactly once, later, from the loop
	 * (at the latest when the tunnel ends); -errno: it is not called.
	 */
	int (*query)(void *user, const uint8_t *msg, size_t len,
		     dns_cluster_done_fn done, void *arg);
	/** ready() - false while the tunnel is down; may be NULL (always) */
	bool (*ready)(void *user);
};

struct dns_lookup;
struct dns_waiter;

/** dns_waiter_fn - called once, from the loop; @rc 0 with the reply, -errno */
typedef void (*dns_waiter_fn)(struct dns_waiter *w, int rc, const uint8_t *msg,
			      size_t len);

/** struct dns_waiter - embedded in its owner; idle when its list is empty */
struct dns_waiter {
	struct list node;
	dns_waiter_fn fn;
};

struct dns_lookup *dns_lookup_new(struct loop *l,
				  const struct dns_cluster_ops *ops, void *user,
				  uint32_t cache_ttl);
/** dns_lookup_free() - waiters are not called; replies may still arrive */
void dns_lookup_free(struct dns_lookup *lu);
void dns_lookup_flush(struct dns_lookup *lu);

/**
 * dns_lookup_ask() - ask the cluster @q
 * @limit_ns: give up after that long; who joins a question that others wait
 * for shares their limit
 * Return: > 0: the reply is at hand, so many bytes at *@msg (borrowed, until
 * the next call); 0: @w->fn will be called; -errno: nothing was sent
 * (-ENETDOWN: tunnel down).
 */
KT_CHECK ssize_t dns_lookup_ask(struct dns_lookup *lu,
				const struct dns_query *q, int64_t limit_ns,
				struct dns_waiter *w, dns_waiter_fn fn,
				const uint8_t **msg);
/** dns_lookup_cancel() - @w will not be called; safe when it is idle */
void dns_lookup_cancel(struct dns_waiter *w);

/** dns_lookup_rtt() - smoothed time of an answer, ns; 0: none yet */
int64_t dns_lookup_rtt(const struct dns_lookup *lu);
/** dns_lookup_suspect() - the tunnel is down, or the last question timed out */
bool dns_lookup_suspect(const struct dns_lookup *lu);

#endif
