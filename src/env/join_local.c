/* SPDX-License-Identifier: Apache-2.0 */
/* A member of an environment that is a program of this machine. */
#include "env/join.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "cluster/object_watch.h"
#include "env/join_hook.h"
#include "env/join_tls.h"
#include "env/name.h"
#include "kube/rest.h"

#include <errno.h>
#include <inttypes.h>

struct local_member {
	struct env_join *join;
	struct object_watch *watch;
	struct timer end; /* when the environment's time is over */
	/* of the job's own, which is asked second */
	int (*on_change)(void *user, struct kt_error *err);
	int (*renew)(void *user, struct kt_error *err);
};

/* --- the environment may end before the member does ----------------------- */

static struct job *local_job(struct local_member *l)
{
	return &l->join->mesh.job;
}

static void local_on_end(struct timer *t)
{
	job_changed(local_job(container_of(t, struct local_member, end)));
}

static void local_await_end(struct local_member *l)
{
	struct job *job = local_job(l);
	int64_t left = l->join->info.expires - job_now(job);

	loop_timer_stop(&l->end);
	if (l->join->info.expires)
		loop_timer_start(job->app->loop, &l->end,
				 (MAX(left, 0) + 1) * NS_SEC, local_on_end);
}

static int local_ended(const struct local_member *l, const char *how,
		       struct kt_error *err)
{
	return kt_fail(err, ECANCELED, "environment %s %s", l->join->info.name,
		       how);
}

/* It may have been extended since */
static void local_follow(struct local_member *l, const struct env_info *now)
{
	struct env_join *j = l->join;

	if (now->expires == j->info.expires)
		return;
	j->info.expires = now->expires;
	snprintf(j->expires, sizeof(j->expires), "%" PRId64, now->expires);
	local_await_end(l);
}

/* 0, or -ECANCELED with @err. Whoever cannot be asked has not said no. */
static int local_check_env(struct local_member *l, struct kt_error *err)
{
	struct job *job = local_job(l);
	auto_free char *name = env_name_job(l->join->info.name);
	auto_free char *path =
		kube_path("batch/v1", "jobs", job->ns, name, NULL);
	auto_json json_t *obj = NULL;
	struct env_info now = { 0 };
	struct kt_error why = { 0 };
	int rc = kube_get(job->kube, path, &obj, &why);

	if (rc == -ENOENT)
		return local_ended(l, "was deleted", err);
	if (rc < 0) {
		log_debug("%s", why.msg);
		return 0;
	}
	rc = env_info_read(&now, obj);
	if (rc < 0 || !str_eq(now.uid, l->join->info.uid) ||
	    object_is_ending(obj))
		rc = local_ended(l, "was deleted", err);
	else if (!env_info_is_alive(&now, job_now(job)))
		rc = local_ended(l, "has ended: its time is over", err);
	else
		local_follow(l, &now);
	env_info_fini(&now);
	return rc;
}

static int local_attend(void *user, struct kt_error *err)
{
	struct local_member *l = user;
	int rc = local_check_env(l, err);

	return rc < 0 ? rc : l->on_change(local_job(l), err);
}

static int local_renew(void *user, struct kt_error *err)
{
	struct local_member *l = user;
	int rc = local_check_env(l, err);

	return rc < 0 ? rc : l->renew(local_job(l), err);
}

static void local_watch(struct local_member *l)
{
	struct job *job = local_job(l);
	auto_free char *path =
		kube_path("batch/v1", "jobs", job->ns, NULL, NULL);
	auto_free char *name = env_name_job(l->join->info.name);
	auto_free char *field = xasprintf("metadata.name=%s", name);
	auto_free char *query = kube_query(NULL, "fieldSelector", field);

	l->on_change = job->on_change;
	l->renew = job->renew;
	job->on_change = local_attend;
	job->renew = local_renew;
	job->change_user = l;
	l->watch =
		object_watch_start(job->kube, path, query, job_on_object, job);
	local_await_end(l);
}

/* --- the steps ------------------------------------------------------------ */

static int local_claim(struct job *job, struct kt_error *err)
{
	int rc = mesh_router_look(job, err);

	if (rc == 0)
		rc = env_join_tls_look(env_join_of(job), err);
	if (rc == 0)
		rc = env_join_replace(env_join_of(job), err);
	return rc == 0 ? env_join_hold(env_join_of(job), err) : rc;
}

static int local_switch(struct job *job, struct kt_error *err)
{
	struct env_join *j = env_join_of(job);
	int rc = env_join_tls_origin(j, err);

	if (rc == 0)
		rc = mesh_router_switch(job, err);
	/* its router looks at the table at once if the Service leads to it */
	if (rc == 0)
		rc = env_join_table(j, NULL, err);
	if (rc == 0 && j->replaced)
		env_join_hook_former(j);
	return rc;
}

static int local_serve(struct job *job, struct kt_error *err)
{
	struct local_member l = { .join = env_join_of(job) };
	int rc;

	local_watch(&l);
	rc = job_serve(job, err);
	object_watch_stop(l.watch);
	loop_timer_stop(&l.end);
	job->on_change = job->renew = NULL;
	return rc;
}

static void local_ready(struct job *job)
{
	const struct env_join *j = env_join_of(job);
	auto_free char *ports = job_text(job);
	char how[128], left[48];

	progress_note(job->app->progress,
		      "%s: requests to Service %s/%s in environment %s%s "
		      "are redirected to local, %s; all others reach "
		      "its own Pods. %s",
		      job_verdict(job), job->ns, job->name, j->info.name,
		      env_join_left(j, left), ports,
		      app_leave_how(job->app, how, sizeof(how)));
}

static void local_undo(struct job *job)
{
	env_join_untable(env_join_of(job));
	mesh_router_undo(job);
}

int env_join_local(struct env_join *j)
{
	static const struct job_plan plan = {
		.step = { env_join_open, local_claim, mesh_router_start,
			  job_tunnel, local_switch },
		.ready = local_ready,
		.serve = local_serve,
		.undo = local_undo,
		.role = "env",
	};

	j->env.member = "local";
	return job_run(&j->mesh.job, &plan);
}
