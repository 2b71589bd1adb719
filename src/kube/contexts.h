/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KUBE_CONTEXTS_H
#define KT_KUBE_CONTEXTS_H

#include "kube/kubeconfig.h"

/** kube_config_contexts() - append the names of all contexts of the files; 0 or
 *  -errno with @err */
KT_CHECK int kube_config_contexts(const struct kube_config_source *src,
				  struct strv *out, struct kt_error *err);

#endif
