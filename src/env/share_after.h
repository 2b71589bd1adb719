/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_ENV_SHARE_AFTER_H
#define KT_ENV_SHARE_AFTER_H

#include "env/command.h"

#include <jansson.h>

/**
 * DOC: A host name after the end of its environment
 *
 * Who follows a link to what has ended shall be told so (404), rather than get
 * the Gateway's or the controller's answer for any unknown host. Something has
 * to stay for that which the environment's Job does not own: the entry, and
 * what leads to it. These belong to a Job of the same kind, one for each host
 * name, whose deadline is later (--endedFor). `delete` takes it at once, as
 * does who makes an environment of this name again.
 *
 *   HTTPRoute   the environment's leads to the Service; a second one with the
 *               same host leads to an entry. Of two equal ones the older is
 *               asked (Gateway API), so the second counts when the first is
 *               gone.
 *   Ingress     leads to the entry all the time
 */

/** share_after_job() - the Job called @name, which lives @stay seconds longer
 *  than @info's environment (returned, caller decrefs). Pure, as the next. */
json_t *share_after_job(const char *name, const struct env_info *info,
			const char *host, const char *user, int64_t stay,
			int64_t now);
/** share_after_patch() - it lives @stay seconds longer than @info now says: a
 *  merge patch of @job (returned, caller decrefs) */
json_t *share_after_patch(const json_t *job, const struct env_info *info,
			  int64_t stay, int64_t now);
/** share_after_is() - @job is one */
bool share_after_is(const json_t *job);
/** share_after_env_lives() - the environment of @job is one of @envs (Jobs) */
bool share_after_env_lives(const json_t *job, const json_t *envs, int64_t now);
/** share_after_is_over() - nothing is to be said any longer: its time is over,
 *  or its environment was deleted before its own */
bool share_after_is_over(const json_t *job, const json_t *envs, int64_t now);

/** share_after_hold() - make the Job for @host, or bring the one that is there
 *  in line. *@owner: for metadata.ownerReferences (returned, caller decrefs);
 *  *@made: it was not there */
KT_CHECK int share_after_hold(struct env_command *c,
			      const struct env_info *info, const char *host,
			      int64_t stay, json_t **owner, bool *made,
			      struct kt_error *err);
/** share_after_extend() - those of @info's environment end later, too */
KT_CHECK int share_after_extend(struct env_command *c,
				const struct env_info *info,
				struct kt_error *err);
/** share_after_remove() - those of the environment @env; @host: of that one
 *  alone, or NULL */
KT_CHECK int share_after_remove(struct kube *k, const char *ns, const char *env,
				const char *host, struct kt_error *err);
/** share_after_end() - likewise, of the user's, where @env is over: how many
 * went
 */
KT_CHECK int share_after_end(struct env_command *c, const char *env,
			     struct kt_error *err);
/** share_after_yield() - @host is wanted by @info's environment: what says that
 *  another, or a former one of its name, has ended goes. @api: of HTTPRoutes;
 *  NULL: there are none. 1: something went */
KT_CHECK int share_after_yield(struct env_command *c,
			       const struct env_info *info, const char *host,
			       const char *api, struct kt_error *err);
/** share_after_sweep() - those of @jobs that are over */
KT_CHECK int share_after_sweep(struct kube *k, const char *ns,
			       const json_t *jobs, int64_t now,
			       struct kt_error *err);

#endif
