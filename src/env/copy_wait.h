/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_COPY_WAIT_H
#define KT_ENV_COPY_WAIT_H

#include "kube/client.h"

/** struct copy_wait - what to wait for; all borrowed */
struct copy_wait {
	const char *ns;
	const char *deployment;
	const json_t *selector; /* of struct env_copy */
	int replicas;
	int64_t timeout_ns; /* --podCreationTimeout */
	int64_t nowhere_ns; /* Pods that no node takes get so long; 0: as long
			     * as an autoscaler takes to say that it acts */
	/* the container whose log says why it is not ready; or NULL */
	const char *silent;
	/** progress() - the state changed; may be NULL */
	void (*progress)(void *user, const char *text);
	void *user;
};

/**
 * copy_wait_ready() - until so many Pods of the copy are ready; top-level code
 * only
 *
 * Ends at once when they cannot come, with the reason in the cluster's own
 * words: image, crash (its last lines are logged, where the Role allows to read
 * them), quota, policy; Pods that no node takes get some seconds, unless new
 * nodes are on their way.
 * It takes "list pods" and "get deployments"; "list events" and "get pods/log"
 * where it may.
 * Return: 0, or -errno with @err; -ETIMEDOUT, -EINTR
 */
KT_CHECK int copy_wait_ready(struct kube *k, const struct copy_wait *w,
			     struct kt_error *err);

#endif
