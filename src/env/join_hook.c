/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs before a member's copy, and what is to run after it.
 *
 *     the Job for the end is made, which waits (nobody's: it outlives us)
 *          -> --onJoin runs -> the copy has its output, and so has that Job
 *
 * From the first of these on, what fails is undone by --onDelete: it has to
 * bear that nothing, or a part, was made. Only where the member before stays,
 * and has a hook of its own, its data may be the same: that is told instead.
 */
#include "env/join_hook.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "cluster/objects.h"
#include "env/hook.h"
#include "env/hook_run.h"
#include "env/member.h"
#include "kube/rest.h"

#include <errno.h>

/* NULL: it is on this machine */
static const char *join_hook_target(const struct env_join *j)
{
	return j->member ? json_str(j->member->selector, KT_LABEL_TARGET, NULL)
			 : NULL;
}

static json_t *join_hook_job(const struct env_join *j, bool end, bool again,
			     struct kt_error *err)
{
	const struct env_options *e = &j->o->env;
	const struct hook_spec s = {
		.what = end ? "onDelete" : "onJoin",
		.command = end ? e->on_delete : e->on_join,
		.copy = j->member->copy.deployment,
		.container = j->member->copy.container,
		.owner = end ? NULL : j->owner,
		.uid = j->info.uid,
		.waits = end,
		.again = again,
	};

	return hook_job(&s, err);
}

static void join_hook_on_progress(void *user, const char *text)
{
	struct job *job = user;

	progress_detail(job->app->progress, "%s", text);
}

bool env_join_has_hook(const struct env_join *j)
{
	return j->o->env.on_join || j->o->env.on_delete;
}

static int join_hook_try_one(const struct env_join *j, bool end,
			     struct kt_error *err)
{
	const struct member_place at = env_join_place(j);
	auto_json json_t *job = join_hook_job(j, end, false, err);

	return job ? hook_try(&at, job, err) : -err->code;
}

int env_join_hook_try(const struct env_join *j, struct kt_error *err)
{
	int rc = 0;

	if (j->o->env.on_join)
		rc = join_hook_try_one(j, false, err);
	if (rc == 0 && j->o->env.on_delete)
		rc = join_hook_try_one(j, true, err);
	return rc;
}

static json_t *join_hook_own(const struct env_join *j, const json_t *waiting)
{
	json_t *own = json_array(), *job;
	size_t i;

	json_array_foreach (waiting, i, job)
		if (str_eq(object_label(job, KT_LABEL_TARGET),
			   join_hook_target(j)))
			json_array_append(own, job);
	return own;
}

static int join_hook_keep(const struct env_join *j, bool again,
			  struct kt_error *err)
{
	const struct member_place at = env_join_place(j);
	auto_json json_t *end = join_hook_job(j, true, again, err);

	return end ? hook_keep(&at, end, err) : -err->code;
}

/* One with the output. The one without goes then: at no moment there is none,
 * and --onDelete bears to run twice. */
static int join_hook_keep_again(const struct env_join *j, struct kt_error *err)
{
	const struct member_place at = env_join_place(j);
	auto_json json_t *waiting = NULL, *own = NULL;
	int rc = hook_waiting(&at, &waiting, err);

	if (rc == 0)
		rc = join_hook_keep(j, true, err);
	own = join_hook_own(j, waiting);
	return rc < 0 ? rc : hook_end(&at, own, NULL, HOOK_FORGET, NULL, err);
}

static int join_hook_run(struct env_join *j, struct kt_error *err)
{
	struct job *job = &j->mesh.job;
	const struct hook_say say = { join_hook_on_progress, job };
	const struct member_place at = env_join_place(j);
	auto_json json_t *run = join_hook_job(j, false, false, err);
	auto_json json_t *vars = NULL;
	int rc = run ? hook_run(&at, run, &vars, &say, err) : -err->code;

	if (rc < 0)
		return rc;
	hook_set_output(j->member->copy.deployment, j->member->copy.container,
			vars);
	progress_done(job->app->progress,
		      "--onJoin has ended well, with %zu %s",
		      json_object_size(vars),
		      json_object_size(vars) == 1 ? "variable" : "variables");
	return json_object_size(vars) && j->o->env.on_delete
		       ? join_hook_keep_again(j, err)
		       : 0;
}

int env_join_hook(struct job *job, struct kt_error *err)
{
	struct env_join *j = env_join_of(job);
	int rc = 0;

	progress_step(job->app->progress, "Run --onJoin");
	j->hooked = true;
	if (j->o->env.on_delete)
		rc = join_hook_keep(j, false, err);
	if (rc == 0 && j->o->env.on_join)
		rc = join_hook_run(j, err);
	return rc;
}

/* --- the member before ---------------------------------------------------- */

/* Its data is ours now, if we say what becomes of it; else nobody's */
void env_join_hook_former(struct env_join *j)
{
	struct job *job = &j->mesh.job;
	const struct hook_say say = { join_hook_on_progress, job };
	const struct member_place at = env_join_place(j);
	auto_json json_t *waiting = NULL;
	struct kt_error err = { 0 };
	int rc = hook_waiting(&at, &waiting, &err);

	if (rc == 0)
		rc = hook_end(&at, waiting, join_hook_target(j),
			      j->o->env.on_delete ? HOOK_FORGET : HOOK_RUN,
			      &say, &err);
	if (rc < 0)
		log_warn("--onDelete of the member before: %s", err.msg);
}

/* --- undone --------------------------------------------------------------- */

/* Has the member before, that stays, a Job for its end? */
static bool join_hook_is_shared(const struct env_join *j, const json_t *waiting)
{
	const json_t *job;
	size_t i;

	json_array_foreach (waiting, i, job)
		if (j->beside && !str_eq(object_label(job, KT_LABEL_TARGET),
					 join_hook_target(j)))
			return true;
	return false;
}

void env_join_hook_undo(struct env_join *j)
{
	struct job *job = &j->mesh.job;
	const struct member_place at = env_join_place(j);
	auto_json json_t *waiting = NULL, *own = NULL;
	struct kt_error err = { 0 };
	bool shared;
	int rc;

	if (!j->hooked || !j->o->env.on_delete)
		return;
	rc = hook_waiting(&at, &waiting, &err);
	shared = join_hook_is_shared(j, waiting);
	own = join_hook_own(j, waiting);
	if (shared)
		log_warn("--onDelete is not run: the member before stays, and "
			 "what it uses may be the same");
	if (rc == 0)
		rc = hook_end(&at, own, NULL, shared ? HOOK_FORGET : HOOK_RUN,
			      NULL, &err);
	if (rc < 0)
		job_unfinished(job,
			       "what --onJoin has made was not taken back: %s",
			       err.msg);
}
