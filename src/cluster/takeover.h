/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_TAKEOVER_H
#define KT_CLUSTER_TAKEOVER_H

#include "base/error.h"
#include "cluster/pod_options.h"
#include "cluster/svcports.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: Taking over a Service
 *
 * While a shadow stands in front of a Service, the Service's selector leads to
 * the shadow (kt-role and kt-target) and the annotation kt-selector holds the
 * selector it had, as KT Connect writes it. A second Service, the stuntman,
 * has that selector: what it leads to is the origin. Who changes a Service
 * first writes the time into kt-lock, which is good for 180 s; kt-lock-owner
 * says whose it is, "TOKEN@TIME", with the time of the lock that it is about.
 *
 * Everything here is pure: a Service in, a changed copy out, which goes back
 * with the resourceVersion it came with, so that nobody's write is lost.
 */

#define KT_ANNOTATION_SELECTOR "kt-selector"
#define KT_ANNOTATION_LOCK "kt-lock"
#define KT_LOCK_LIFE 180 /* seconds */
#define KT_ANNOTATION_LOCK_OWNER "kt-lock-owner"
#define KT_STUNTMAN "-kt-stuntman"
#define KT_ROUTER "-kt-router"
#define KT_MESH "-kt-mesh-"
#define KT_MESH_SERVICE_MAX 48 /* of a Service's name; then it is cut */

/** stuntman_name() - SERVICE-kt-stuntman, made fit for a DNS label (returned,
 *  caller frees) */
char *stuntman_name(const char *service);
/** mesh_record_prefix() - what the names of the Service's records begin with,
 *  SERVICE-kt-mesh-; see mark_object_name() (returned, caller frees) */
char *mesh_record_prefix(const char *service);

/** service_original() - the selector without us: that of kt-selector, else the
 *  present one (returned, caller decrefs); NULL when neither can be it */
json_t *service_original(const json_t *service);
/** service_role() - kt-role in its selector: "router", ..., or NULL */
const char *service_role(const json_t *service);
const char *service_target(const json_t *service);

/** service_taken() - a copy that leads to @selector and remembers @original
 *  (returned, caller decrefs) */
json_t *service_taken(const json_t *service, const json_t *selector,
		      const json_t *original);
/** service_restored() - a copy with its own selector back (the recorded one, or
 *  what it leads to if that is nothing of ours) and without our annotations
 *  (returned, caller decrefs); NULL when kt-selector is missing or makes no
 *  sense */
json_t *service_restored(const json_t *service);
/** service_is_reverted() - it was taken, and somebody has put another selector
 *  there since */
bool service_is_reverted(const json_t *service);
/** service_restored_held() - the same, with the lock that it has */
json_t *service_restored_held(const json_t *service);

enum service_state {
	SERVICE_OURS,	    /* as it should be */
	SERVICE_CHANGED,    /* somebody wrote over it: take it again */
	SERVICE_GIVEN_BACK, /* the record is gone, and it leads elsewhere:
			     * perhaps somebody's `recover` */
};
/**
 * service_state() - is @service still the one that was taken with @selector?
 * @original: when it changed, the selector to remember from now on: what
 * somebody wrote, or the recorded one (returned, caller decrefs)
 */
enum service_state service_state(const json_t *service, const json_t *selector,
				 json_t **original);

/** service_lock_age() - seconds since it was locked, -1: it is not */
int64_t service_lock_age(const json_t *service, int64_t now);
/** service_locked() - a copy with kt-lock = @now; @owner: who has it, see
 *  local/owner.h, or NULL */
json_t *service_locked(const json_t *service, int64_t now, const char *owner);
/** service_lock_owner() - of the lock that is there (returned, caller frees);
 *  NULL: it does not say */
char *service_lock_owner(const json_t *service);
/** service_unlocked() - a copy without the lock; NULL when it has none, or not
 *  the one of @since (0: any) */
json_t *service_unlocked(const json_t *service, int64_t since);

#define KT_ANNOTATION_REPLICAS "kt-replicas"
#define KT_ANNOTATION_SCALED_BACK "kt-scaled-back"
/**
 * DOC: Scaled down
 *
 * A Deployment or StatefulSet that an exchange has scaled to 0 keeps its number
 * in the annotation kt-replicas of its own, where nothing sweeps it. KT Connect
 * knows it only from the shadow's kt-config. Of several numbers the largest one
 * counts.
 *
 * It is scaled back by two writes. The first one gives it its number, and says
 * in kt-scaled-back who has done so, by which an exchange that still runs knows
 * that it was recovered. Both annotations go with the second one, when its Pods
 * are ready: until then the number is known whatever happens to the shadow.
 */

/** workload_replicas() - spec.replicas */
int workload_replicas(const json_t *obj);
/** workload_record() - the number in kt-replicas; 0: there is none */
int workload_record(const json_t *obj);
/** workload_is_ready() - all its Pods are */
bool workload_is_ready(const json_t *obj);
/** workload_down() - the merge patch that scales @obj to 0 (returned, caller
 *  decrefs); NULL when somebody has it scaled down */
json_t *workload_down(const json_t *obj);
/** workload_kept_down() - the merge patch that scales @obj to 0 again, which
 *  was scaled down before and is somebody's again: what it stands at is what it
 *  shall be later. Or only records @replicas, when the record is lost. NULL:
 *  nothing to do */
json_t *workload_kept_down(const json_t *obj, int replicas);
/** workload_wants() - the number @obj is to be scaled back to: it stands at 0,
 *  and its record or @told (0: nothing) says more; else 0 */
int workload_wants(const json_t *obj, int told);
/** workload_up() - the merge patch that scales @obj back (returned, caller
 *  decrefs); @by: who does; NULL: nothing to do */
json_t *workload_up(const json_t *obj, int told, const char *by);
/** workload_done() - the merge patch that drops the record of a workload that
 *  does not need it any more (returned, caller decrefs); NULL: nothing to do */
json_t *workload_done(const json_t *obj);

/** struct stuntman_spec - all borrowed */
struct stuntman_spec {
	const json_t *service; /* the user's */
	const json_t *selector;
	const char *user;
	int64_t now; /* of its heartbeat; 0: it has none */
	const struct pod_options *options; /* labels, annotations; or NULL */
	const char *owner; /* whose death is known where he was; or NULL */
};
/** stuntman_service() - it has all of the Service's that decides which Pods
 *  answer, and how; always an address of its own (returned, caller decrefs) */
json_t *stuntman_service(const struct stuntman_spec *s);
/** service_drift() - a merge patch that gives @now, a Service of ours, the
 *  labels, selector, ports and whatever decides which Pods answer back that
 *  @want has, and the annotations that are missing (returned, caller decrefs);
 *  NULL: it has them */
json_t *service_drift(const json_t *now, const json_t *want);
/** labels_drift() - likewise of labels: what @want has, and nothing that only
 *  @former had; NULL is allowed for it */
json_t *labels_drift(const json_t *now, const json_t *want,
		     const json_t *former);
/** stuntman_patch() - a merge patch that makes of @old, a stuntman of former
 *  times, what @want is (returned, caller decrefs) */
json_t *stuntman_patch(const json_t *old, const json_t *want);

/** service_leading_to() - of the Services @items, the one that leads to Pods
 *  with @labels: the one called @name, else the first; borrowed, NULL: none */
json_t *service_leading_to(const json_t *items, const char *name,
			   const json_t *labels);
/** service_named_pod() - the name (with the Service's behind it, as in
 *  "db-0.db") that one of @pods has by a headless @service, and which nobody
 *  can resolve while a shadow stands in its place (returned, caller frees);
 *  NULL: none */
char *service_named_pod(const json_t *service, const json_t *pods);
/** service_caveat() - what is not as it was for callers of @service while it
 *  leads to one Pod, the @n'th such thing; NULL: no more. @origin: those
 * without a mark go on to its own Pods */
const char *service_caveat(const json_t *service, bool origin, size_t n);

#endif
