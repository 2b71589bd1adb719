/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_OBJSET_H
#define KT_CLUSTER_OBJSET_H

#include "base/str.h"
#include "kube/client.h"

/**
 * struct objset - a live copy of a collection in the cluster, by a watch
 *
 * changed() is called when it is complete for the first time, and then after
 * changes, several in short order once. lost(): it may not be watched (any
 * more); the copy is of no use then.
 */
struct objset;

struct objset_ops {
	void (*changed)(void *user);
	void (*lost)(void *user);
};

/** objset_start() - @path of the collection; @ops and @user are borrowed */
struct objset *objset_start(struct kube *k, const char *path,
			    const struct objset_ops *ops, void *user);
/** objset_stop() - at any time; NULL is allowed */
void objset_stop(struct objset *s);

/** objset_names() - append metadata.name of every object */
void objset_names(const struct objset *s, struct strv *out);
/** objset_items() - "NAMESPACE/NAME" to object; borrowed */
const json_t *objset_items(const struct objset *s);

#endif
