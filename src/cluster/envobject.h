/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_CLUSTER_ENVOBJECT_H
#define KT_CLUSTER_ENVOBJECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: Objects of environments
 *
 * An environment is a Job that never runs a Pod. It owns everything else of the
 * environment, and its deadline is the environment's end: the cluster removes
 * it then, and what it owns with it. See env/job.h.
 *
 *   Job         kt-env-NAME           role env
 *   Service     kt-env-NAME           role env-source: addresses of its Pods
 *   Service     SERVICE-kt-mesh-...   role shadow-mesh: the record of a member
 *   Service     RECORD-source         role env-source: addresses of its Pods,
 *                                     where somebody else has made them
 *   Deployment  of a member with an image; with --idle also one of its sleeper
 *               (role env-sleep), with what that needs (env/idle.h)
 *   Job         of a member with a hook, while that runs, or until it shall
 *                                     role env-hook
 *   HTTPRoute   kt-env-NAME.HOST      role env-share: a host name; or instead
 *   Ingress     kt-env-NAME.HOST      role env-share, with an entry, the
 *   Deployment, Service  kt-entry-... role env-share: who sets the mark
 *   Job         kt-entry-...          role env-ended: owns what says for a
 *                                     while that the environment has ended
 *   HTTPRoute   kt-env-NAME.HOST.ended  likewise; leads there then
 *   ConfigMap   kt-env                role env-table: what all routers read
 *
 * A Job for a member's end, and that of role env-ended with what it owns, are
 * not the environment's: they outlive it, the former so that who comes by next
 * sees what is to be done, the latter for a time of its own.
 *
 * All but the table and an entry's Deployment carry the label kt-env: NAME.
 * None but the record of a member on somebody's machine has a heartbeat: they
 * live as long as the Job.
 */

#define KT_LABEL_ENV "kt-env"
#define KT_LABEL_ENV_OF "kt-env-of" /* of a member's Pods: the Service */
/* of a member's record, so that who asks for few gets few: its Service; and
 * that no selector of a user's is in it ("own": it leads to nobody, or to a
 * copy) */
#define KT_LABEL_ENV_RECORD "kt-env-record"
#define KT_LABEL_ENV_LEADS "kt-env-leads"
#define KT_ENV_LEADS_OWN "own"
#define KT_ROLE_ENV "env"
#define KT_ROLE_ENV_SOURCE "env-source"
#define KT_ROLE_ENV_TABLE "env-table"
#define KT_ROLE_ENV_SHARE "env-share"
#define KT_ROLE_ENV_HOOK "env-hook"
#define KT_ROLE_ENV_ENDED "env-ended"
/* of a Job that outlives its environment: the uid of that one's */
#define KT_ANNOTATION_ENV_UID "kt-env-uid"
/* of a hook's Job: what it is, "onDelete /drop" */
#define KT_ANNOTATION_HOOK "kt-env-hook"
/* of a Job of role env-ended: how many seconds longer it lives; the host */
#define KT_ANNOTATION_ENDED_FOR "kt-ended-for"
#define KT_ANNOTATION_HOST "kt-env-host"
/* Unix seconds, "0": never; of the Job, and of each member's record */
#define KT_ANNOTATION_EXPIRES "kt-expires"
#define KT_ANNOTATION_STRICT "kt-strict" /* of the Job: "true" */
/* of the Job: the field that names environments of the namespace, too */
#define KT_ANNOTATION_HEADER "kt-header"
#define KT_ANNOTATION_FORCED "kt-forced-by" /* who used --force */
/* of a member's record: "local", "image IMAGE", "selector K=V,...",
 * "service NAME" */
#define KT_ANNOTATION_MEMBER "kt-env-member"
/* of a member's record: which join has made it; another one makes it anew, or
 * in its place */
#define KT_ANNOTATION_JOIN "kt-env-join"
/* of a member's record when another member follows: the kt-target of the copy
 * beside the one that it leads to, which is being made, or is to end */
#define KT_ANNOTATION_NEXT "kt-env-next"
/* of the Ingress of a host name: the Service that was meant */
#define KT_ANNOTATION_SHARED "kt-env-shared"
#define KT_ANNOTATION_TOUCH "kt-env-touch"

#define KT_ENV_PREFIX "kt-env-" /* of Jobs and Services */
#define KT_ENV_TABLE "kt-env"	/* the ConfigMap */
#define KT_ENV_TABLE_KEY "members"
#define KT_ENV_TABLE_FOLDER "/kt-env" /* where routers mount it */

/** envobject_expires() - kt-expires: Unix seconds, 0: never, -1: it does not
 *  say */
int64_t envobject_expires(const json_t *obj);
/** envobject_has_expired() - it says so, and that is over at @now */
bool envobject_has_expired(const json_t *obj, int64_t now);
/** envobject_has_finished() - a Job has failed (its deadline) or is complete */
bool envobject_has_finished(const json_t *job);
/** envobject_is_router() - a Pod or Deployment that reads the table: it has no
 *  user of its own, and lives for the members of its Service */
bool envobject_is_router(const json_t *obj);
/** envobject_age() - seconds since the last heartbeat of @obj, a router or the
 *  Service for an origin; without one, which is the rule, since it was made;
 *  -1: nothing says when that was */
int64_t envobject_age(const json_t *obj, int64_t now);

#endif
