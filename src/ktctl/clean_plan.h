/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_KTCTL_CLEAN_PLAN_H
#define KT_KTCTL_CLEAN_PLAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: What clean does in the cluster
 *
 * An object that ktctl or KT Connect made (control-by=kt) has expired when its
 * heartbeat is older than the threshold (without a heartbeat it never does) and
 * than its kt-keep says, unless the threshold is 0, or
 * when its owner is known to be gone, which is so on the owner's machine. A
 * router whose creator left is alive as long as one of its mesh users is.
 *
 * What an environment has is alive as long as its Job (kt-expires is not over,
 * it has not ended); the Job of one that has ended, and which the cluster has
 * not removed, goes, and by it all that it owns. A router that reads the table
 * of environments has no user of its own: it is as alive as its records. It and
 * the Service for its origin have no heartbeat: nobody needs them, and they are
 * older than a lock lives (or the threshold), they go.
 *
 * In this order, so that no Service ever points to nothing:
 *   scale     Deployments that an expired exchange had scaled down; their Pods
 *             are waited for
 *   recover   Services whose selector was taken over (kt-selector) by something
 *             that is dead or gone get their own selector back
 *   unlock    Services with a lock (kt-lock) older than its life of 180 s, or
 *             than the threshold, or of an owner that is gone
 *   delete    environments that have ended, the expired Pods, Deployments,
 *             Services and ConfigMaps
 *   run       what is to be done at the end of members whose environment is
 * over
 *             (--onDelete: hook_sweep())
 *
 * What a Service points to and cannot be recovered from is kept, and told. Kept
 * is also a dead exchange's shadow which alone knows how many Pods a workload
 * had, as long as somebody alive has it scaled down.
 * This part is pure: lists in, lists out.
 */

/** struct clean_input - "items" of the lists, borrowed; NULL: not permitted */
struct clean_input {
	const json_t *pods;	    /* control-by=kt */
	const json_t *deployments;  /* all of the namespace */
	const json_t *statefulsets; /* all of the namespace */
	const json_t *configmaps;   /* control-by=kt */
	const json_t *services;	    /* all of the namespace */
	const json_t *jobs; /* env_jobs_all(), listed later than the services */
	const json_t *live; /* those that live: clean_plan_make() sets it */
	int64_t now;	    /* cluster time, Unix seconds */
	int64_t age;	    /* threshold, seconds */
	/* dead() - is the owner (kt-owner) known to be gone? NULL: of none */
	bool (*dead)(void *user, const char *owner);
	void *user;
};

/** struct clean_plan - arrays of the objects as they were listed */
struct clean_plan {
	json_t *recover;
	json_t *scale; /* see scale_list.h */
	json_t *unlock;
	json_t *jobs; /* of environments that have ended, and of what said so */
	json_t *hooks; /* sentences: of those that are to be run, or run */
	json_t *pods, *deployments, *services, *configmaps;
	json_t *kept; /* sentences */
};

void clean_plan_make(struct clean_plan *p, const struct clean_input *in);
void clean_plan_fini(struct clean_plan *p);
/** clean_plan_empty() - there is nothing to do */
bool clean_plan_empty(const struct clean_plan *p);

#endif
