/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_INBOUND_KEEP_H
#define KT_INBOUND_KEEP_H

#include "base/error.h"
#include "base/loop.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: What a job stands on is kept
 *
 * A job needs several objects: the Service that leads to the shadow, the
 * shadow's Pod, the Service for the origin, a mesh's record. Anybody may delete
 * or change one: each is watched, and what is not as it shall be is put right,
 * or made again with the address it had.
 *
 * The rule that tells this from a `recover`, whoever's: one object of the job
 * is its claim, the one that says that the job holds the Service (for exchange
 * and mesh the annotation kt-selector together with our selector, for preview
 * the new Service). The job was recovered when its claim and another of its
 * objects were taken away within KEEP_TOGETHER of each other, in any order. All
 * else was changed by somebody. A claim that is gone alone is waited with for
 * KEEP_PAUSE: who recovers takes the next object then.
 */

struct job;
struct object_watch;

#define KEEP_TOGETHER (10 * NS_SEC)
#define KEEP_PAUSE (2 * NS_SEC)

/** struct absence - of an object that somebody has taken away */
struct absence {
	bool now;
	int64_t since; /* the last time, CLOCK_MONOTONIC; 0: never */
};

/** struct kept - a Service of ours */
struct kept {
	char *name;
	json_t *(*make)(void *user); /* as it shall be (returned) */
	void *user;
	bool claim;
	bool foreign; /* somebody else's has its name now */
	char uid[64], ip[64];
	struct absence away; /* unless it is the claim */
};

#define KEEP_SERVICES 2

struct keep {
	struct absence claim, pod;
	char pod_uid[64];
	bool holds; /* the claim is in the user's Service */
	struct kept service[KEEP_SERVICES];
	size_t n;
	json_t *former; /* labels that the Pod does not have any more */
	/* of the user's Service, and of each of ours */
	struct object_watch *watch[1 + KEEP_SERVICES], *watch_pods;
	struct timer again;
	int64_t failing; /* since when something cannot be made; 0: it can */
	char since[32];	 /* of the cluster's clock */
};

/** absence_note() - it is there or not, at @now */
void absence_note(struct absence *a, bool away, int64_t now);
/** keep_recovered() - by the rule above */
bool keep_recovered(const struct keep *k);

/** keep_add() - a Service of ours that the job stands on; @make NULL: without
 *  it the job ends; @claim: it is the job's claim */
void keep_add(struct job *job, const char *name, json_t *(*make)(void *user),
	      void *user, bool claim);
/** keep_start() - watch; job_changed() from then on */
void keep_start(struct job *job);
void keep_stop(struct job *job);
/** keep_fini() - and forget what was added */
void keep_fini(struct job *job);

/** keep_objects() - the Services that were added, and the Pod's labels: put
 *  right what is not as it shall be. 0, or why the job ends: -errno with @err,
 *  -ECANCELED when it was recovered */
KT_CHECK int keep_objects(struct job *job, struct kt_error *err);
/** keep_await() - the claim is gone: 0: alone, take it again; -ECANCELED: it
 *  was recovered, @err is not filled in; -EINTR with @err */
KT_CHECK int keep_await(struct job *job, struct kt_error *err);
/** keep_user_service() - of a job that only reads the user's Service: 1: it
 *  has another selector now (job->original), 0: it has not; -ECANCELED with
 *  @err: it was deleted */
KT_CHECK int keep_user_service(struct job *job, struct kt_error *err);
/** keep_await_service() - it was deleted: 0: it is there again; -ECANCELED with
 *  @err: it is not */
KT_CHECK int keep_await_service(struct job *job, struct kt_error *err);
/** keep_is_foreign() - is what has the name of our Service somebody else's? */
bool keep_is_foreign(const struct job *job, const char *name);
/** keep_by() - " ('kubectl-edit')", for messages: who has written @field of
 *  @obj since the start (see managers_last()); "" when nothing says so */
const char *keep_by(const struct job *job, const json_t *obj, const char *field,
		    char dst[96]);

#endif
