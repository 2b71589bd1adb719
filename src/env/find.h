/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_FIND_H
#define KT_ENV_FIND_H

#include "env/job.h"
#include "kube/client.h"

/** env_jobs() - the environments of @ns (array of Jobs: returned, caller
 *  decrefs), also those that have ended and are not gone yet. Sequential code:
 *  waits in the loop, as all here does. */
KT_CHECK int env_jobs(struct kube *k, const char *ns, json_t **out,
		      struct kt_error *err);
/** env_jobs_all() - likewise, and the Jobs that outlive their environment, or
 *  run for a member: hooks, and those of role env-ended */
KT_CHECK int env_jobs_all(struct kube *k, const char *ns, json_t **out,
			  struct kt_error *err);
/** env_pick_whole() - of @jobs the living environment with this whole name;
 *  false: none, @ended: one that is over has it. env_info_fini() in any case.
 *  Pure, as all picking. */
bool env_pick_whole(const json_t *jobs, const char *name, int64_t now,
		    bool *ended, struct env_info *info);
/** env_pick() - the one that is called @given: its whole name, or its last
 *  labels (with the header that names environments of the namespace) where only
 *  one has them, and none, ended or not, has them for its
 *  whole name. 0, or -ENOENT, -EEXIST (several) with @err; env_info_fini() in
 *  any case. */
KT_CHECK int env_pick(const json_t *jobs, const char *ns, const char *given,
		      int64_t now, struct env_info *info, struct kt_error *err);
/** env_find() - both, at the cluster's time */
KT_CHECK int env_find(struct kube *k, const char *ns, const char *given,
		      struct env_info *info, struct kt_error *err);
/** env_records() - the records (Services) of the environment's members, with
 *  @name NULL of all environments' (array: returned, caller decrefs) */
KT_CHECK int env_records(struct kube *k, const char *ns, const char *name,
			 json_t **out, struct kt_error *err);
/** env_record_service() - the Service that a record's member stands for:
 *  kt-config's "service" (returned, caller frees); NULL: it does not say */
char *env_record_service(const json_t *record);

/** env_mine() - may the caller change what has @owner's name (kt-user; NULL:
 *  nobody's)? @force: also another's. -EACCES with @err: no. @what: "member
 *  orders of environment dev.pr-42" */
KT_CHECK int env_mine(const char *owner, bool force, const char *what,
		      struct kt_error *err);

#endif
