/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_HEARTBEAT_H
#define KT_CLUSTER_HEARTBEAT_H

#include "kube/client.h"

/**
 * DOC: Heartbeat
 *
 * An object of ours that nobody cares for any more is removed by anybody's
 * `clean` when its annotation kt-last-heart-beat (Unix seconds, the cluster's
 * clock) is some minutes old. So it is renewed every 30 s. A failure is never
 * the end of anything: the first one is warned of.
 */

struct heartbeat;

/** who has not renewed it for so many seconds is dead */
#define HEARTBEAT_DEAD 120
#define HEARTBEAT_DEAD_KT 300 /* KT Connect renews it every 120 s only */
#define HEARTBEAT_INTERVAL (30 * NS_SEC)

/** heartbeat_start() - @path: the object (copied); @interval_ns: normally
 *  HEARTBEAT_INTERVAL; @local_time: our own clock (--useLocalTime) */
struct heartbeat *heartbeat_start(struct kube *k, const char *path,
				  int64_t interval_ns, bool local_time);
/** heartbeat_stop() - NULL is allowed */
void heartbeat_stop(struct heartbeat *h);

#endif
