/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_GUARD_H
#define KT_CLUSTER_GUARD_H

#include "kube/client.h"

/**
 * DOC: Guard
 *
 * Tells when an object was perhaps changed: by a watch, or where that is not
 * allowed every 5 s. What to do about it is the owner's, in sequential code.
 */
struct guard;

/** guard_start() - @path: of the collection; @query: what of it, or NULL */
struct guard *guard_start(struct kube *k, const char *path, const char *query,
			  void (*changed)(void *user), void *user);
/** guard_stop() - NULL is allowed */
void guard_stop(struct guard *g);

#endif
