/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_BASE_IMAGE_H
#define KT_CLUSTER_BASE_IMAGE_H

#include "kube/client.h"

/**
 * DOC: An image that is there
 *
 * A Pod needs some image, and ours need nothing of it: any that the cluster
 * can pull will do. So it is that of a Pod that runs, with the secrets it is
 * pulled with; nothing else of that Pod is looked at.
 */

struct base_image {
	char *image;	 /* NULL: none was found */
	json_t *secrets; /* imagePullSecrets, or NULL */
	char *pod;	 /* whose it is */
};

void base_image_fini(struct base_image *b);

/** base_image_pick() - the best of @pods (an array), for nodes of @arch; those
 *  of other people before ours. False: there is none. Pure. */
bool base_image_pick(struct base_image *b, const json_t *pods,
		     const char *arch);

/** base_image_find() - a Running Pod of @ns: one that @selector ({"k": "v"} or
 *  NULL) finds, else any. -ENOENT with @err when there is none. Waits in the
 *  loop. */
KT_CHECK int base_image_find(struct kube *k, const char *ns,
			     const json_t *selector, const char *arch,
			     struct base_image *b, struct kt_error *err);

#endif
