/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "cluster/objects.h"
#include "env/command.h"
#include "env/find.h"
#include "env/hook_run.h"
#include "env/share_after.h"
#include "env/table.h"
#include "kube/rest.h"

#include <errno.h>

int env_remove(struct kube *k, const char *ns, const char *name,
	       const char *uid, struct kt_error *err)
{
	auto_free char *path = kube_path("batch/v1", "jobs", ns, name, NULL);
	auto_json json_t *body =
		json_pack("{s:s,s:{s:s*}}", "propagationPolicy", "Background",
			  "preconditions", "uid", uid);
	const struct kube_request req = { .method = "DELETE",
					  .path = path,
					  .body = body };
	int rc = kube_call(k, &req, NULL, err);

	if (rc == -ENOENT || rc == -EBUSY) { /* gone, or another by now */
		*err = (struct kt_error){ 0 };
		return 0;
	}
	return rc;
}

static void sweep_tell(const struct giveback *g, const char *name)
{
	auto_free char *text =
		xasprintf("removed environment %s, whose time is over", name);

	if (g->say)
		g->say(g->user, text);
}

static int sweep_one(const struct giveback *g, const json_t *job, int64_t now,
		     struct kt_error *err)
{
	struct env_info info;
	int rc = 0;

	if (env_info_read(&info, job) == 0 && !env_info_is_alive(&info, now) &&
	    !object_is_ending(job)) {
		rc = env_remove(g->kube, g->ns, object_name(job), info.uid,
				err);
		if (rc == 0)
			sweep_tell(g, info.name);
		rc = rc < 0 ? rc : 1;
	}
	env_info_fini(&info);
	return rc;
}

static int sweep_hooks(const struct giveback *g, const json_t *jobs,
		       int64_t now, struct kt_error *err)
{
	const struct hook_sweep s = { .kube = g->kube,
				      .ns = g->ns,
				      .jobs = jobs,
				      .now = now,
				      .say = g->say,
				      .user = g->user };

	return hook_sweep(&s, err);
}

int env_sweep(const struct giveback *g, struct kt_error *err)
{
	auto_json json_t *jobs = NULL;
	int rc = env_jobs_all(g->kube, g->ns, &jobs, err), n = 0;
	int64_t now = kube_cluster_time(g->kube); /* the answer's */
	const json_t *job;
	size_t i;

	json_array_foreach (jobs, i, job) {
		if (rc < 0)
			break;
		rc = sweep_one(g, job, now, err);
		n += rc > 0;
	}
	if (rc >= 0)
		rc = share_after_sweep(g->kube, g->ns, jobs, now, err);
	if (rc >= 0)
		rc = sweep_hooks(g, jobs, now, err);
	if (rc >= 0 && n)
		rc = env_table_refresh(g->kube, g->ns, err);
	if (rc >= 0)
		rc = env_give_back_idle(g, err);
	return rc < 0 ? rc : n;
}
