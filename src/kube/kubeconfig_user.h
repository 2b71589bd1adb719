/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_KUBECONFIG_USER_H
#define KT_KUBE_KUBECONFIG_USER_H

#include "kube/kubeconfig.h"
#include "kube/kubeconfig_entry.h"

/**
 * kubeconfig_user() - the credentials of @user into @c, whose cluster is
 * resolved already
 * @cluster: the plugin's request may tell of it
 * Return: 0, or -errno with @err
 */
KT_CHECK int kubeconfig_user(struct kube_config *c, const struct entry *user,
			     const struct entry *cluster, struct kt_error *err);
void kube_exec_free(struct kube_exec *x);

#endif
