/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_FLOWS_H
#define KT_BASE_FLOWS_H

#include "base/ipaddr.h"
#include "base/list.h"

/**
 * DOC: Flows
 *
 * A bounded table of flows by source and destination (UDP conversations,
 * pings). A flow is embedded in its owner's structure; the one that has been
 * idle the longest makes room when the table is full.
 */

#define FLOWS_BUCKETS 1024

struct flow {
	struct ipport src, dst;
	struct list chain; /* of its bucket */
	struct list idle;  /* least recently used first */
	int64_t used;	   /* ns, CLOCK_MONOTONIC */
};

typedef void (*flow_free_fn)(struct flow *f);

struct flows {
	struct list bucket[FLOWS_BUCKETS];
	struct list idle;
	size_t n, max;
	flow_free_fn free;
};

/** flows_init() - @fn ends a flow that expired, was pushed out or removed */
void flows_init(struct flows *t, size_t max, flow_free_fn fn);
/** flows_fini() - end all flows */
void flows_fini(struct flows *t);
struct flow *flows_find(const struct flows *t, const struct ipport *src,
			const struct ipport *dst);
void flows_add(struct flows *t, struct flow *f, const struct ipport *src,
	       const struct ipport *dst, int64_t now);
/** flows_touch() - @f is in use */
void flows_touch(struct flows *t, struct flow *f, int64_t now);
void flows_remove(struct flows *t, struct flow *f);
/** flows_expire() - end those not used since @before */
void flows_expire(struct flows *t, int64_t before);

#endif
