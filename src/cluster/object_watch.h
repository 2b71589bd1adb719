/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_OBJECT_WATCH_H
#define KT_CLUSTER_OBJECT_WATCH_H

#include "kube/client.h"

/**
 * DOC: Watching one object
 *
 * Tells when an object was perhaps changed: by a watch, or where that is not
 * allowed every 5 s. What to do about it is the owner's, in sequential code.
 */
struct object_watch;

/** object_changed_fn - @object as the watch has it (borrowed), @gone: it is not
 *  there any more, or not what was asked for; NULL: nothing is known, look */
typedef void (*object_changed_fn)(void *user, const json_t *object, bool gone);

/** object_watch_start() - @path: of the collection; @query: what of it, or NULL
 */
struct object_watch *object_watch_start(struct kube *k, const char *path,
					const char *query,
					object_changed_fn changed, void *user);
/** object_watch_stop() - NULL is allowed */
void object_watch_stop(struct object_watch *g);

#endif
