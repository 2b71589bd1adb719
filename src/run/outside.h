/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_RUN_OUTSIDE_H
#define KT_RUN_OUTSIDE_H

#include "connect/connect.h"

/**
 * DOC: What is not for the cluster
 *
 * The program's namespace has one way out, the capture. What does not go to the
 * cluster's addresses is dialled from here, in this machine's own network, as
 * the program would have without us: TCP truthfully (the program is connected
 * when we are), UDP and ping by a socket for each flow. Questions to port 53
 * are the resolver's: names of the cluster are asked there, all others here.
 */

struct outside;

extern const struct traffic_outside outside_ops;

/** outside_new() - @forbidden: only DNS is served, all else is unreachable */
struct outside *outside_new(struct loop *l, bool forbidden);
/** outside_start() - all is up; @pod is borrowed until outside_stop() */
void outside_start(struct outside *o, const struct connect_pod *pod);
/** outside_stop() - end what is open; before the capture is closed */
void outside_stop(struct outside *o);
/** outside_free() - after the capture was; NULL is allowed */
void outside_free(struct outside *o);

#endif
