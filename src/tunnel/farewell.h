/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_TUNNEL_FAREWELL_H
#define KT_TUNNEL_FAREWELL_H

#include "base/buf.h"
#include "base/carrier.h"
#include "base/loop.h"

/**
 * DOC: The last word
 *
 * Who writes and closes at once may not be heard: what came meanwhile and was
 * not read makes the kernel reset the connection, and a port-forward that ends
 * takes with it what its servers still hold. So who leaves for good says so,
 * sends what is left of it, and keeps reading until the other end, which has
 * heard it, closes.
 */

#define FAREWELL_NS NS_SEC

/** struct farewell - zeroed: there is nobody to wait for. It stays where it is
 *  from farewell_start() on. */
struct farewell {
	struct carrier *carrier; /* that has the last word, or NULL */
	struct buf rest;	 /* of what was to be sent */
	bool over;		 /* the other end has closed */
};

/** farewell_start() - of @c (taken), which is open; @rest (taken) is to be
 *  sent yet */
void farewell_start(struct farewell *f, struct carrier *c, struct buf *rest);

/** farewell_wait() - until the other end has closed, @limit_ns at most, and not
 *  beyond an interruption; @f is empty afterwards. Not from inside a handler.
 */
void farewell_wait(struct farewell *f, struct loop *loop, int64_t limit_ns);
/** farewell_drop() - close it now */
void farewell_drop(struct farewell *f);

#endif
