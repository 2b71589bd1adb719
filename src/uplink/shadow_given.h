/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UPLINK_SHADOW_GIVEN_H
#define KT_UPLINK_SHADOW_GIVEN_H

#include "kube/client.h"

/**
 * DOC: A shadow that an administrator made (--shadow)
 *
 *     NAME, pod/NAME     that Pod, which keeps its name when it is made anew
 *     deployment/NAME    a ready Pod of that Deployment
 *
 * Of a Pod nothing is asked: its port-forward says whether it is there, so the
 * one permission that is needed is for that. A Deployment's Pods are listed.
 */

/** shadow_given_pod() - the Pod's name in @text; NULL: it is a Deployment's */
const char *shadow_given_pod(const char *text);
/** shadow_given_pick() - the best of @pods (an array): of Deployment @name, and
 * ready; borrowed, or NULL. @any: there are Pods of it at all. Pure. */
const json_t *shadow_given_pick(const json_t *pods, const char *name,
				bool *any);
/** shadow_given_is_ready() - @pod is Ready and does not end */
bool shadow_given_is_ready(const json_t *pod);
/** shadow_given_find() - *@pod (returned) of the Deployment in @text */
KT_CHECK int shadow_given_find(struct kube *k, const char *ns, const char *text,
			       json_t **pod, struct kt_error *err);

#endif
