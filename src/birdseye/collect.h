/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BIRDSEYE_COLLECT_H
#define KT_BIRDSEYE_COLLECT_H

#include "kube/client.h"

#include <jansson.h>
#include <stdbool.h>

/** struct collection - what is in the cluster; collection_fini() */
struct collection {
	json_t *services, *pods; /* arrays */
	json_t *deployments;	 /* control-by=kt; NULL: not permitted */
	/* connect shadows and their Deployments, of all namespaces where that
	 * is permitted; NULL: not wanted */
	json_t *connect_pods, *connect_deployments;
	struct strv notes; /* what is missing, and why: sentences */
};

/** collect() - a handful of lists at a time, page by page. @ns: NULL for all
 * namespaces;
 *  @connect_ns: where connectors are looked for when not everywhere; NULL: they
 *  are not wanted. 0 or -errno with @err */
KT_CHECK int collect(struct collection *c, struct kube *k, const char *ns,
		     const char *connect_ns, struct kt_error *err);
void collection_fini(struct collection *c);

struct collect_op;

/** collect_fn - it is there: 0, or -errno with @err; what is taken out of @c
 *  (and replaced by zeros) is the callee's */
typedef void (*collect_fn)(void *user, int rc, struct collection *c,
			   const struct kt_error *err);
/** collect_start() - the same, without connectors, in the background: @fn is
 *  called once, from the loop, unless collect_cancel() comes first */
struct collect_op *collect_start(struct kube *k, const char *ns, collect_fn fn,
				 void *user);
void collect_cancel(struct collect_op *op); /* NULL is allowed */

#endif
