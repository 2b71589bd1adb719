/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_JOB_H
#define KT_ENV_JOB_H

#include "wire/envmark.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * DOC: The Job that is an environment
 *
 * A Job of batch/v1 without Pods (parallelism 0): what it is there for is its
 * end. activeDeadlineSeconds, counted from status.startTime, fails it, and
 * ttlSecondsAfterFinished 0 removes it then (Kubernetes 1.21 and newer, by
 * default), with all that names it as its owner. No client has to be alive.
 * On older clusters it stays, failed, until somebody's ktctl removes it; so its
 * end is also in kt-expires, which is what counts for routers and for us.
 *
 * Pure: objects in, objects out.
 */

/** struct env_info - one environment, as its Job tells */
struct env_info {
	char name[ENVMARK_MAX];
	char parent[ENVMARK_MAX];	 /* "": none */
	char *user, *machine;		 /* or NULL */
	char *uid;			 /* of the Job */
	int64_t since;			 /* Unix seconds */
	int64_t started;		 /* its deadline is counted from then */
	int64_t expires;		 /* Unix seconds; 0: never */
	char header[ENVMARK_HEADER_MAX]; /* its own; "": none */
	/* the namespace's, its own or another's (env_pick()); "": none */
	char named_by[ENVMARK_HEADER_MAX];
	bool strict;
	bool ended; /* finished, or being deleted */
};

/** env_info_read() - 0, or -EINVAL: @job is no environment; all of @info is
 *  written. env_info_fini() in any case. */
int env_info_read(struct env_info *info, const json_t *job);
void env_info_fini(struct env_info *info);
/** env_info_mark() - what its requests carry */
void env_info_mark(const struct env_info *info, struct envmark *mark);
/** env_info_is_alive() - it has not ended at @now */
bool env_info_is_alive(const struct env_info *info, int64_t now);
/** env_span() - "12s", "3m", "2h05m", "5d3h" of seconds; returns @dst */
const char *env_span(int64_t s, char dst[24]);
/** env_info_left() - as env_span(): until it ends, "never ends", "ended";
 * returns
 *  @dst */
const char *env_info_left(const struct env_info *info, int64_t now,
			  char dst[24]);

/** struct env_spec - of a new one; all borrowed */
struct env_spec {
	const char *name;
	const char *user, *machine;
	int64_t now, ttl; /* seconds; ttl 0: it has no end */
	bool strict;
	const char *header; /* or NULL */
};

/** env_job_timer() - a Job without Pods that is there for its end: it and all
 *  that it owns are gone @ttl seconds from now; 0: it has no end. @annotations
 *  is taken. (returned, caller decrefs) */
json_t *env_job_timer(const char *name, const char *role, const char *env,
		      int64_t ttl, json_t *annotations);
/** env_job_make() - (returned, caller decrefs) */
json_t *env_job_make(const struct env_spec *s);
/** env_job_extend() - a merge patch (returned, caller decrefs) by which @info
 *  ends @ttl seconds after @now; 0: never */
json_t *env_job_extend(const struct env_info *info, int64_t now, int64_t ttl);
/** env_job_ref() - for metadata.ownerReferences of what a Job owns (returned,
 *  caller decrefs) */
json_t *env_job_ref(const char *name, const char *uid);
/** env_owner_ref() - for metadata.ownerReferences of what is the environment's
 *  (returned, caller decrefs) */
json_t *env_owner_ref(const struct env_info *info);
/** env_source_make() - the headless Service with the addresses of all Pods of
 *  the environment, for the source rule (returned, caller decrefs) */
json_t *env_source_make(const struct env_info *info);

#endif
