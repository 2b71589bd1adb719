/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_AUTHZ_H
#define KT_KUBE_AUTHZ_H

#include "kube/client.h"

/**
 * authz_role_for() - the Role (ClusterRole at the cluster scope) and its
 * binding that would have allowed what @err says was refused, as YAML for
 * `kubectl apply -f -`
 * Return: the text (returned, caller frees), or NULL when @err is no refusal
 * of RBAC.
 */
char *authz_role_for(const struct kt_error *err);

/**
 * kube_can() - ask the API server whether we may (SelfSubjectAccessReview)
 * @ns: NULL for the cluster scope
 * @group: API group, "" for the core one
 * @resource: "pods" or with a subresource "pods/portforward"
 * Return: 1, 0, or -errno with @err; waits in the loop (top-level code)
 */
KT_CHECK int kube_can(struct kube *k, const char *ns, const char *verb,
		      const char *group, const char *resource,
		      struct kt_error *err);
/** kube_can_name() - the same of one object: a Role may name it
 *  (resourceNames). @name: NULL for all of them */
KT_CHECK int kube_can_name(struct kube *k, const char *ns, const char *verb,
			   const char *group, const char *resource,
			   const char *name, struct kt_error *err);

#endif
