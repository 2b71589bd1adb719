/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_NSCHECK_H
#define KT_CLUSTER_NSCHECK_H

#include "base/error.h"

struct kube;

/** nscheck() - for when nothing was found in namespace @ns, as lists of one
 * that is not there are empty, too. -ENOENT with @err: there is no such
 * namespace; 0: there is, or it cannot be known */
KT_CHECK int nscheck(struct kube *k, const char *ns, struct kt_error *err);

#endif
