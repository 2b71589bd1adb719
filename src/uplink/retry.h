/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_UPLINK_RETRY_H
#define KT_UPLINK_RETRY_H

#include <stdint.h>

/**
 * DOC: When a lost carrier is tried again
 *
 * Soon at first, then less and less often, and never all clients of a cluster
 * at the same moment: an API server that comes back has enough to do.
 */

#define RETRY_MIN (50 * NS_MS)
#define RETRY_MAX (3 * NS_SEC)

/** retry_pause() - before the next try, after @failures (>= 1) in a row:
 *  RETRY_MIN to RETRY_MAX; @chance: any number, random */
int64_t retry_pause(unsigned int failures, uint32_t chance);
/** retry_patience() - how long a try may take, of @whole_ns: after a break
 *  each is short at first, since one that began in it waits for the kernel's
 *  retransmission when it is over; not always, since the way may be slow */
int64_t retry_patience(unsigned int failures, int64_t whole_ns);

#endif
