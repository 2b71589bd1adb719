/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CONNECT_HOSTS_H
#define KT_CONNECT_HOSTS_H

#include "base/str.h"
#include "kube/client.h"
#include "local/home.h"

/**
 * DOC: --dnsMode hosts
 *
 * Keeps the block in the hosts file equal to the Services of some namespaces:
 * their ClusterIPs, or the address of the first running Pod of a headless one.
 * Changes are written as they are seen, several in short order at once.
 */

struct hosts_mode;

/** struct hosts_mode_config - borrowed during the call, but loop and kube */
struct hosts_mode_config {
	struct loop *loop;
	struct kube *kube;
	const struct home *home;
	const char *own_ns;
	const char *domain;	 /* cluster.local */
	const struct strv *list; /* namespaces; empty: only the own one */
};

/** hosts_mode_start() - write the block, keep it; waits in the loop until the
 *  first version is written */
KT_CHECK int hosts_mode_start(struct hosts_mode **out,
			      const struct hosts_mode_config *cfg,
			      struct kt_error *err);
/** hosts_mode_stop() - take the block out; NULL is allowed */
void hosts_mode_stop(struct hosts_mode *m);

/** hosts_mode_clean() - take out what a killed run left behind */
void hosts_mode_clean(struct loop *loop, const struct home *home);

#endif
