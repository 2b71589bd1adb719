/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_SWEEP_H
#define KT_CLUSTER_SWEEP_H

#include "kube/client.h"

#define SWEEP_AGE 300 /* seconds without heartbeat (clean's default) */

/**
 * sweep_start() - remove connect shadows of @ns whose users are gone
 *
 * Asynchronous; names what it removes, failures go to --debug. Ends with
 * kube_free() at the latest. Only objects with the role of a connect shadow and
 * an old heartbeat are touched: those of exchange and mesh may still carry
 * somebody's Service.
 */
void sweep_start(struct kube *k, const char *ns);

/** sweep_expired() - @obj has a heartbeat that is older than SWEEP_AGE, and
 *  than object_kept(), at @now (Unix seconds); without a heartbeat: false */
bool sweep_expired(const json_t *obj, int64_t now);

/** sweep_programs_start() - likewise ConfigMaps with a shadow's program that no
 *  Pod mounts, older than SWEEP_AGE and not of our version. Stop it before
 *  kube_free(). */
struct sweep_programs *sweep_programs_start(struct kube *k, const char *ns);
void sweep_programs_stop(struct sweep_programs *s);

/** sweep_dead() - waits until the Pods and Deployments of connect are removed
 *  that @dead knows to be left by somebody who is gone. What goes wrong is not
 *  told: a later sweep finds it. */
void sweep_dead(struct kube *k, const char *ns,
		bool (*dead)(void *user, const json_t *obj), void *user);

#endif
