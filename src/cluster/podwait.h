/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_PODWAIT_H
#define KT_CLUSTER_PODWAIT_H

#include "kube/client.h"

/** struct pod_wait - what to wait for; all borrowed */
struct pod_wait {
	const char *ns;
	const char *pod;	/* this Pod, or NULL */
	const char *deployment; /* else any Pod of this Deployment, */
	const char *selector;	/* which has these labels ("k=v,k=v"), */
	const char *but;	/* only not this one; may be NULL */
	bool ready;		/* its readiness probe has to succeed, too */
	int64_t timeout_ns;	/* --podCreationTimeout */
	/** progress() - the Pod's state changed; may be NULL */
	void (*progress)(void *user, const char *text);
	/** slow() - every three seconds, with the Pod as it was seen last; from
	 *  the loop; may be NULL */
	void (*slow)(void *user, const json_t *pod);
	/** stop() - asked while it waits: nobody wants it any more; may be NULL
	 */
	bool (*stop)(void *user);
	void *user;
};

/**
 * pod_wait_running() - until the Pod's container runs; top-level code only
 *
 * Ends at once, with the Pod's own reason and message, when it cannot come:
 * image, crash, quota, admission; a Pod that no node takes gets a few seconds.
 * Watches where that is allowed, else asks every second.
 * @pod: the object (returned, caller decrefs)
 * Return: 0, or -errno with @err; -ETIMEDOUT, -EINTR, -ECANCELED: stop()
 */
KT_CHECK int pod_wait_running(struct kube *k, const struct pod_wait *w,
			      json_t **pod, struct kt_error *err);

/** pod_selector() - "k=v,k=v" of an object's spec.selector.matchLabels
 *  (returned, caller frees) */
char *pod_selector(const json_t *deployment);

#endif
