/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_LEASE_H
#define KT_INBOUND_LEASE_H

#include "inbound/job.h"

/** A client of ours renews its objects every 30 s, one of KT's every 120 s */
#define LEASE_DEAD 120	  /* seconds without a heartbeat */
#define LEASE_DEAD_KT 300 /* of an object of KT Connect's */

/**
 * lease_check() - may we take job->service?
 * @mesh: a router in front of it is no hindrance: it can be joined
 * When who took it is gone, it is recovered on the way (job->service is new).
 * Return: 0; 1: there is a router to join; -errno with @err, which names the
 * holder.
 */
KT_CHECK int lease_check(struct job *job, bool mesh, struct kt_error *err);

/** lease_is_alive() - by the heartbeat of one of our objects, unless its owner
 *  is known to be dead */
bool lease_is_alive(const struct job *job, const json_t *obj);
/** lease_clear_pods() - delete the Pods with these labels that ktctl has made,
 *  and whose holder is gone; 0 or -errno with @err */
KT_CHECK int lease_clear_pods(struct job *job, const json_t *labels,
			      struct kt_error *err);
/** lease_meshes() - the live users' records of the Service: list them (array,
 *  returned, caller decrefs), but for the one named @but (may be NULL) */
KT_CHECK int lease_meshes(struct job *job, const char *but, json_t **out,
			  struct kt_error *err);
/** lease_users() - "alice, bob": kt-user of @objects (returned, caller frees)
 */
char *lease_users(const json_t *objects);

#endif
