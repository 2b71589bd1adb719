/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_LEASE_SCALE_H
#define KT_INBOUND_LEASE_SCALE_H

#include "inbound/job.h"

/*
 * Exchanges that have scaled the Pods away and put a shadow with the labels of
 * those in their place. KT Connect's leave no mark on the Service at all, only
 * the shadow (a Pod, or a Deployment) tells.
 */

/** lease_find_scaled() - the shadows that answer job->service with the labels
 *  of its own Pods, alive or not: array in *@out (returned, caller decrefs) */
KT_CHECK int lease_find_scaled(struct job *job, json_t **out,
			       struct kt_error *err);
/** lease_find_scalers() - likewise, those that say that they have scaled down
 *  this workload, or have its labels */
KT_CHECK int lease_find_scalers(struct job *job, const char *kind,
				const json_t *workload, json_t **out,
				struct kt_error *err);
/** lease_scaled_text() - "Deployment n/web", of which @shadows say that they
 *  have scaled it down (returned, caller frees); NULL: they do not */
char *lease_scaled_text(const struct job *job, const json_t *shadows);

#endif
