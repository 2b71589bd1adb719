/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_PROBE_H
#define KT_INBOUND_PROBE_H

struct job;

/**
 * probe_origin() - can the shadow reach the Service's own Pods? It is asked to
 * connect to one of their ports, over a tunnel of its own; when there is no
 * answer in PROBE_WAIT a warning says so, before any caller depends on it.
 * What cannot be asked is not told.
 */
void probe_origin(struct job *job);
/** probe_callers() - do the NetworkPolicies of the namespace, where they may be
 *  read, let those in who may reach the Service's own Pods? If not: a warning
 */
void probe_callers(struct job *job);

/**
 * probe_arrival() - does a caller of job->service arrive here? The shadow is
 * asked to connect to the Service, over a tunnel of its own, until somebody
 * arrives: that is seen as it comes out of the tunnel. The local program sees a
 * connection without a byte. When nobody arrives in PROBE_ARRIVAL it is told
 * (job->unseen, and a warning), no error: there are clusters where a Pod cannot
 * reach itself through its Service. A Service without TCP is not asked.
 */
void probe_arrival(struct job *job);

#endif
