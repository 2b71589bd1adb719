/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_LEASE_H
#define KT_INBOUND_LEASE_H

#include "inbound/job.h"

/** enum lease_use - what a Service is wanted for */
enum lease_use {
	LEASE_ALL,    /* everybody's requests */
	LEASE_MARKED, /* marked ones: a router of ours can be joined */
	/* likewise, also when nobody is there: the router is a standing one */
	LEASE_STANDING,
	/* one more Pod of its own: a router, whoever's, leads to those */
	LEASE_BESIDE,
};

/**
 * lease_check() - may we take job->service?
 * When who took it is gone, it is recovered on the way (job->service is new).
 * Return: 0; 1: there is a router to join; -errno with @err, which names the
 * holder.
 */
KT_CHECK int lease_check(struct job *job, enum lease_use use,
			 struct kt_error *err);

/** lease_is_alive() - by the heartbeat of one of our objects, unless its owner
 *  is known to be dead */
bool lease_is_alive(const struct job *job, const json_t *obj);
/** lease_clear() - delete the Pods and Deployments with these labels that ktctl
 *  has made, and whose holder is gone; 0 or -errno with @err */
KT_CHECK int lease_clear(struct job *job, const json_t *labels,
			 struct kt_error *err);
/** lease_clear_name() - the same with what has the name @name that our shadow
 *  will have; -EEXIST with @err: its holder lives, or it is not ktctl's */
KT_CHECK int lease_clear_name(struct job *job, const char *name,
			      struct kt_error *err);
/** lease_meshes() - the live users' records of the Service: list them (array,
 *  returned, caller decrefs), but for the one named @but (may be NULL) */
KT_CHECK int lease_meshes(struct job *job, const char *but, json_t **out,
			  struct kt_error *err);
/** lease_user_of() - the same of one of our Services, or of the Pods that it
 *  leads to: KT Connect says it there. @service NULL: "somebody" */
char *lease_user_of(struct job *job, const json_t *service);

#endif
