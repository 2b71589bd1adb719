/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_CIDR_FOLLOW_H
#define KT_CLUSTER_CIDR_FOLLOW_H

#include "cluster/cidr.h"

/**
 * DOC: Ranges that change
 *
 * What cidr_discover() has read of ServiceCIDR objects and Node specs is kept
 * up to date by watches. Where the Pods' ranges were guessed, the Pods of the
 * own namespace are watched: one with an address elsewhere widens the guess,
 * which never shrinks. What may not be watched stays as it was found; so do
 * ranges of the API server's validation: such a server has to be started anew
 * for others.
 */
struct cidr_follow;

/** cidr_follow_start() - keep @found (borrowed until the stop) true; @changed
 *  is called after it has changed, several changes in short order once
 *  @want_pods: as for cidr_discover() */
struct cidr_follow *cidr_follow_start(struct kube *k, const char *ns,
				      bool want_pods, struct cidr_result *found,
				      void (*changed)(void *user), void *user);
/** cidr_follow_stop() - at any time; NULL is allowed */
void cidr_follow_stop(struct cidr_follow *f);

#endif
