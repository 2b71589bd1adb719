/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_POD_FIND_H
#define KT_POD_FIND_H

#include "kube/client.h"

/**
 * DOC: Whose environment and files
 *
 *     NAME, NAME.NAMESPACE, service/NAME     a Pod of the Service
 *     deployment, statefulset, daemonset,    a Pod of it
 *     replicaset, job /NAME
 *     pod/NAME                               this one
 *
 * and the short forms of kubectl. Of several Pods one that runs is taken, of
 * those one that is Ready, of those the newest. A Pod of ours (a shadow that
 * stands in front of the Service) is none.
 */

struct pod_found {
	char ns[64];
	json_t *pod;
	const json_t *spec;    /* of the container; borrowed from @pod */
	const json_t *status;  /* likewise; or NULL */
	const char *name;      /* of the Pod; borrowed from @pod */
	const char *container; /* its name; borrowed from @pod */
};

/**
 * pod_find() - waits in the loop
 * @ns: where a name without a namespace is
 * @container: its name, or NULL: the Pod's annotation says it, else the first
 * Return: 0, or -errno with @err and nothing in @f; pod_found_fini() in any
 * case.
 */
KT_CHECK int pod_find(struct pod_found *f, struct kube *k, const char *ns,
		      const char *text, const char *container,
		      struct kt_error *err);
void pod_found_fini(struct pod_found *f);

/** pod_found_update() - @f as @pod, the same one, is now */
void pod_found_update(struct pod_found *f, json_t *pod);

/** pod_find_check() - @text can be such a name; 0, or -EINVAL with @err */
KT_CHECK int pod_find_check(const char *text, struct kt_error *err);

/* --- pure, for the tests -------------------------------------------------- */

/** pod_find_choose() - of @pods (array); borrowed; NULL: none runs */
const json_t *pod_find_choose(const json_t *pods);
/** pod_find_container() - into @f, whose pod is set; 0, or -errno with @err */
KT_CHECK int pod_find_container(struct pod_found *f, const char *container,
				struct kt_error *err);

#endif
