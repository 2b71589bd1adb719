/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_HOLDER_H
#define KT_INBOUND_HOLDER_H

#include "inbound/inward.h"

/** A client of ours renews its objects every 30 s, one of KT's every 120 s */
#define HOLDER_DEAD 120	   /* seconds without a heartbeat */
#define HOLDER_DEAD_KT 300 /* of an object of KT Connect's */

/**
 * holder_check() - may we take in->service?
 * @mesh: a router in front of it is no hindrance: it can be joined
 * When who took it is gone, it is recovered on the way (in->service is new).
 * Return: 0; 1: there is a router to join; -errno with @err, which names the
 * holder.
 */
KT_CHECK int holder_check(struct inward *in, bool mesh, struct kt_error *err);

/** holder_is_alive() - by the heartbeat of one of our objects, unless its owner
 *  is known to be dead */
bool holder_is_alive(const struct inward *in, const json_t *obj);
/** holder_clear_pods() - delete the Pods with these labels that ktctl has made,
 *  and whose holder is gone; 0 or -errno with @err */
KT_CHECK int holder_clear_pods(struct inward *in, const json_t *labels,
			       struct kt_error *err);
/** holder_meshes() - the live users' records of the Service: list them (array,
 *  returned, caller decrefs), but for the one named @but (may be NULL) */
KT_CHECK int holder_meshes(struct inward *in, const char *but, json_t **out,
			   struct kt_error *err);
/** holder_users() - "alice, bob": kt-user of @objects (returned, caller frees)
 */
char *holder_users(const json_t *objects);

#endif
