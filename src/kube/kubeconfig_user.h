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
/** kube_key_check() - can a client key be used as it is? -EINVAL with @err for
 *  one with a pass phrase; @whose is the sentence's beginning */
KT_CHECK int kube_key_check(const char *key_pem, const char *whose,
			    struct kt_error *err);
/** kube_token_check() - cuts blanks off @token in place; -EINVAL with @err when
 *  it holds what no HTTP field may */
KT_CHECK int kube_token_check(char *token, const char *whose,
			      struct kt_error *err);
void kube_exec_free(struct kube_exec *x);

#endif
