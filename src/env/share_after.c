/* SPDX-License-Identifier: Apache-2.0 */
#include "env/share_after.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/find.h"
#include "env/share_entry.h"
#include "env/share_route.h"
#include "kube/encode.h"
#include "kube/rest.h"
#include "uplink/shadow.h"

#include <errno.h>
#include <inttypes.h>

#define AFTER_JOBS "labelSelector=kt-role%3D" KT_ROLE_ENV_ENDED
#define AFTER_WAIT (10 * NS_SEC) /* until one of that name is gone */
#define AFTER_LOOK (200 * NS_MS)

/* --- the Job -------------------------------------------------------------- */

static json_t *after_notes(const struct env_info *info, int64_t stay)
{
	return json_pack("{s:s,s:o,s:o}", KT_ANNOTATION_ENV_UID, info->uid,
			 KT_ANNOTATION_ENDED_FOR,
			 json_sprintf("%" PRId64, stay), KT_ANNOTATION_EXPIRES,
			 json_sprintf("%" PRId64, info->expires + stay));
}

json_t *share_after_job(const char *name, const struct env_info *info,
			const char *host, const char *user, int64_t stay,
			int64_t now)
{
	json_t *notes = after_notes(info, stay);

	json_object_set_new(notes, KT_ANNOTATION_HOST, json_string(host));
	json_object_set_new(notes, KT_ANNOTATION_USER, json_string(user));
	return env_job_timer(name, KT_ROLE_ENV_ENDED, info->name,
			     MAX(info->expires - now, (int64_t)0) + stay,
			     notes);
}

static int64_t after_started(const json_t *job)
{
	const char *text = json_str(job, "status", "startTime", NULL);

	if (!text)
		text = json_str(job, "metadata", "creationTimestamp", NULL);
	return text ? rfc3339_parse(text) : -1;
}

/* One whose environment has no end any more has none either */
json_t *share_after_patch(const json_t *job, const struct env_info *info,
			  int64_t stay, int64_t now)
{
	int64_t started = after_started(job);
	json_t *notes = after_notes(info, stay);

	if (!info->expires)
		json_object_set_new(notes, KT_ANNOTATION_EXPIRES,
				    json_string("0"));
	return json_pack("{s:{s:o},s:{s:o}}", "metadata", "annotations", notes,
			 "spec", "activeDeadlineSeconds",
			 info->expires
				 ? json_integer(info->expires + stay -
						(started > 0 ? started : now))
				 : json_null());
}

bool share_after_is(const json_t *job)
{
	return str_eq(object_label(job, KT_LABEL_ROLE), KT_ROLE_ENV_ENDED);
}

bool share_after_env_lives(const json_t *job, const json_t *envs, int64_t now)
{
	const char *uid = object_annotation(job, KT_ANNOTATION_ENV_UID);
	const json_t *env;
	size_t i;

	json_array_foreach (envs, i, env) {
		struct env_info info;
		bool lives = env_info_read(&info, env) == 0 &&
			     str_eq(info.uid, uid) &&
			     env_info_is_alive(&info, now);

		env_info_fini(&info);
		if (lives)
			return true;
	}
	return false;
}

static int64_t after_stay(const json_t *job)
{
	const char *text = object_annotation(job, KT_ANNOTATION_ENDED_FOR);
	long s;

	return text && str_to_long(text, &s) == 0 && s > 0 ? s : 0;
}

bool share_after_is_over(const json_t *job, const json_t *envs, int64_t now)
{
	int64_t end = envobject_expires(job);

	if (envobject_has_expired(job, now) || envobject_has_finished(job))
		return true;
	if (share_after_env_lives(job, envs, now))
		return false;
	return end <= 0 || now < end - after_stay(job);
}

/* --- the cluster ---------------------------------------------------------- */

static int after_list(struct kube *k, const char *ns, const char *env,
		      json_t **out, struct kt_error *err)
{
	auto_free char *path = kube_path("batch/v1", "jobs", ns, NULL, NULL);
	auto_free char *query =
		env ? xasprintf("%s%%2C" KT_LABEL_ENV "%%3D%s", AFTER_JOBS, env)
		    : xstrdup(AFTER_JOBS);
	auto_json json_t *list = NULL;
	int rc = kube_list(k, path, query, &list, err);

	*out = rc == 0 ? json_incref(json_object_get(list, "items")) : NULL;
	return rc;
}

static int after_drop(struct kube *k, const char *ns, const json_t *job,
		      struct kt_error *err)
{
	return env_remove(k, ns, object_name(job),
			  json_str(job, "metadata", "uid", NULL), err);
}

static int after_patch(struct env_command *c, const json_t *job,
		       const struct env_info *info, int64_t stay,
		       struct kt_error *err)
{
	auto_free char *path =
		kube_path("batch/v1", "jobs", c->ns, object_name(job), NULL);
	auto_json json_t *patch =
		share_after_patch(job, info, stay, env_command_now(c));

	return kube_patch(c->kube, path, patch, NULL, err);
}

/* One of @info's environment is kept, for what others have added to what it
 * owns; else it goes. 1: kept, with *@made */
static int after_keep(struct env_command *c, const char *name,
		      const struct env_info *info, int64_t stay, json_t **made,
		      struct kt_error *err)
{
	auto_free char *path = kube_path("batch/v1", "jobs", c->ns, name, NULL);
	auto_json json_t *there = NULL;
	int rc = kube_get(c->kube, path, &there, err);

	if (rc == -ENOENT) {
		*err = (struct kt_error){ 0 };
		return 0;
	}
	if (rc < 0)
		return rc;
	if (!share_after_is(there))
		return kt_fail(err, EEXIST,
			       "Job %s/%s exists, and ktctl has not made it",
			       c->ns, name);
	if (!object_is_ending(there) && !envobject_has_finished(there) &&
	    str_eq(object_annotation(there, KT_ANNOTATION_ENV_UID),
		   info->uid)) {
		rc = after_patch(c, there, info, stay, err);
		*made = json_incref(there);
		return rc < 0 ? rc : 1;
	}
	return after_drop(c->kube, c->ns, there, err);
}

int share_after_hold(struct env_command *c, const struct env_info *info,
		     const char *host, int64_t stay, json_t **owner, bool *made,
		     struct kt_error *err)
{
	auto_free char *name = share_entry_name(info->name, host);
	auto_free char *all = kube_path("batch/v1", "jobs", c->ns, NULL, NULL);
	auto_json json_t *job = share_after_job(name, info, host, shadow_user(),
						stay, env_command_now(c));
	int64_t end = clock_ns() + AFTER_WAIT;
	auto_json json_t *it = NULL;
	int rc;

	for (;;) {
		rc = kube_create(c->kube, all, job, &it, err);
		*made = rc == 0;
		if (rc != -EEXIST || clock_ns() > end)
			break;
		*err = (struct kt_error){ 0 };
		rc = after_keep(c, name, info, stay, &it, err);
		if (rc != 0)
			break;
		rc = loop_sleep(c->app->loop, AFTER_LOOK);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
	}
	if (rc >= 0)
		*owner = env_job_ref(name,
				     json_str(it, "metadata", "uid", NULL));
	return MIN(rc, 0);
}

int share_after_extend(struct env_command *c, const struct env_info *info,
		       struct kt_error *err)
{
	auto_json json_t *jobs = NULL;
	const json_t *job;
	size_t i;
	int rc = after_list(c->kube, c->ns, info->name, &jobs, err);

	json_array_foreach (jobs, i, job)
		if (rc == 0 &&
		    str_eq(object_annotation(job, KT_ANNOTATION_ENV_UID),
			   info->uid))
			rc = after_patch(c, job, info, after_stay(job), err);
	return rc;
}

int share_after_remove(struct kube *k, const char *ns, const char *env,
		       const char *host, struct kt_error *err)
{
	auto_json json_t *jobs = NULL;
	const json_t *job;
	size_t i;
	int rc = after_list(k, ns, env, &jobs, err);

	json_array_foreach (jobs, i, job)
		if (rc == 0 &&
		    (!host ||
		     str_eq(object_annotation(job, KT_ANNOTATION_HOST), host)))
			rc = after_drop(k, ns, job, err);
	return rc;
}

int share_after_end(struct env_command *c, const char *env,
		    struct kt_error *err)
{
	auto_free char *what =
		xasprintf("what says that environment '%.80s' has ended", env);
	auto_json json_t *jobs = NULL;
	const json_t *job;
	size_t i;
	int n = 0, rc = after_list(c->kube, c->ns, NULL, &jobs, err);

	json_array_foreach (jobs, i, job) {
		if (rc < 0 || !str_eq(object_label(job, KT_LABEL_ENV), env))
			continue;
		rc = env_mine(object_annotation(job, KT_ANNOTATION_USER),
			      c->o->env.in.force, what, err);
		if (rc == 0)
			rc = after_drop(c->kube, c->ns, job, err);
		n += rc == 0;
	}
	return rc < 0 ? rc : n;
}

/* What has its host name goes now, the rest with the Job */
static int after_yield_one(struct env_command *c, const json_t *job,
			   const char *host, const char *api,
			   struct kt_error *err)
{
	const char *env = object_label(job, KT_LABEL_ENV);
	auto_free char *ingress = share_name(env, host);
	auto_free char *route = share_name_ended(env, host);
	char *paths[] = {
		kube_path(SHARE_INGRESS_API, "ingresses", c->ns, ingress, NULL),
		api ? kube_path(api, "httproutes", c->ns, route, NULL) : NULL,
	};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		auto_free char *path = paths[i];

		if (rc == 0 && path)
			rc = kube_delete(c->kube, path, -1, err);
	}
	rc = rc < 0 ? rc : after_drop(c->kube, c->ns, job, err);
	return rc < 0 ? rc : 1;
}

int share_after_yield(struct env_command *c, const struct env_info *info,
		      const char *host, const char *api, struct kt_error *err)
{
	auto_json json_t *jobs = NULL, *envs = NULL;
	const json_t *job;
	size_t i;
	int n = 0, rc = after_list(c->kube, c->ns, NULL, &jobs, err);

	/* later than these: else the environment of one could be new */
	if (rc == 0 && json_array_size(jobs))
		rc = env_jobs(c->kube, c->ns, &envs, err);
	json_array_foreach (jobs, i, job) {
		if (rc < 0)
			return rc;
		if (!str_eq(object_annotation(job, KT_ANNOTATION_HOST), host) ||
		    str_eq(object_annotation(job, KT_ANNOTATION_ENV_UID),
			   info->uid) ||
		    share_after_env_lives(job, envs, env_command_now(c)))
			continue;
		rc = after_yield_one(c, job, host, api, err);
		n += rc > 0;
	}
	return rc < 0 ? rc : n > 0;
}

int share_after_sweep(struct kube *k, const char *ns, const json_t *jobs,
		      int64_t now, struct kt_error *err)
{
	const json_t *job;
	size_t i;
	int rc = 0;

	json_array_foreach (jobs, i, job)
		if (rc == 0 && share_after_is(job) && !object_is_ending(job) &&
		    share_after_is_over(job, jobs, now))
			rc = after_drop(k, ns, job, err);
	return rc;
}
