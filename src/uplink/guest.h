/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UPLINK_GUEST_H
#define KT_UPLINK_GUEST_H

#include "cluster/pod_options.h"
#include "kube/client.h"

/**
 * DOC: A guest: the shadow in somebody's Pod
 *
 * An ephemeral container that is the far end of a tunnel and no more: what it
 * dials comes from the Pod's address, meets the Pod's NetworkPolicies, and the
 * sidecars on its 127.0.0.1. It has no capability and is nobody, so PodSecurity
 * "restricted" admits it. Kubernetes keeps the entry in the Pod's spec for
 * ever; the container ends when its user has left, or is away for long.
 */

struct shadow_pod;

/** struct guest_config - all borrowed */
struct guest_config {
	struct kube *kube;
	const char *ns;
	const json_t *pod; /* as it is now */
	const struct pod_options *options;
	int64_t keep_ns; /* its user may be away for so long */
	/* see struct ephemeral_guest */
	const struct strv *volumes;
	const char *digest;
	const json_t *container;
};

/** guest_check() - of what the user gave: an image is; 0, or -EINVAL with @err
 */
KT_CHECK int guest_check(const struct pod_options *o, struct kt_error *err);
/** guest_add() - add it, wait until it runs, and have @s adopt it; waits in the
 *  loop. 0, or -errno with @err */
KT_CHECK int guest_add(const struct guest_config *cfg, struct shadow_pod *s,
		       struct kt_error *err);

#endif
