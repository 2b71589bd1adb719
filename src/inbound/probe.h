/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_PROBE_H
#define KT_INBOUND_PROBE_H

#include "base/ipaddr.h"

#include <stddef.h>

struct job;
struct rule_match;
struct shadow_pod;
struct uplink;

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
 * DOC: Does a caller arrive?
 *
 * The shadow is asked to connect to the Service, over a tunnel of its own,
 * until somebody arrives. Nothing is sent, so that one that still comes to the
 * Service's own Pods means nothing to them; and the local program sees nothing
 * of it: who comes meanwhile is held at our end of the tunnel (inbound_hold()),
 * ours is taken back, and those that are still there then go on.
 *
 * The outcome is in job->arrival, and a warning when nobody came in
 * PROBE_ARRIVAL, no error: there are clusters where a Pod cannot reach itself
 * through its Service.
 */

/** probe_arrival() - does a caller of job->service arrive here? */
void probe_arrival(struct job *job);
/** probe_pod() - the same for a caller of the shadow's Pod itself, where what
 *  leads to it is not ours to try */
void probe_pod(struct job *job);
/** probe_marked() - does a caller of job->service arrive at the router, and a
 *  request with the mark (@match; NULL: none is sent) that is there, here? */
void probe_marked(struct job *job, const struct rule_match *match);

/** struct probe_place - a Pod with a shadow inside; borrowed */
struct probe_place {
	struct shadow_pod *shadow;
	struct uplink *uplink; /* its callers come by it */
	struct ipport at;      /* where they go to */
};

/** probe_places() - does a caller of each place arrive here? It comes from
 *  another place; of one alone, from itself. */
void probe_places(struct job *job, const struct probe_place *v, size_t n);

/** probe_open() - a tunnel of its own into @shadow (returned, uplink_free());
 *  NULL: none */
struct uplink *probe_open(struct job *job, struct shadow_pod *shadow);

#endif
