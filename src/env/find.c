/* SPDX-License-Identifier: Apache-2.0 */
#include "env/find.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/name.h"
#include "kube/rest.h"
#include "uplink/shadow.h"

#include <errno.h>
#include <string.h>

#define ENV_JOBS "labelSelector=control-by%3Dkt%2Ckt-role%3D" KT_ROLE_ENV
#define ENV_JOBS_ALL                                                           \
	"labelSelector=kt-role%20in%20%28" KT_ROLE_ENV "%2C" KT_ROLE_ENV_ENDED \
	"%2C" KT_ROLE_ENV_HOOK "%29"
#define ENV_RECORDS                                                            \
	"labelSelector=control-by%3Dkt%2Ckt-role%3D" KT_ROLE_MESH              \
	"%2C" KT_LABEL_ENV

static int find_items(struct kube *k, const char *path, const char *query,
		      json_t **out, struct kt_error *err)
{
	auto_json json_t *list = NULL;
	int rc = kube_list(k, path, query, &list, err);
	json_t *items = json_object_get(list, "items");

	if (rc == 0)
		*out = items ? json_incref(items) : json_array();
	return rc;
}

int env_jobs(struct kube *k, const char *ns, json_t **out, struct kt_error *err)
{
	auto_free char *path = kube_path("batch/v1", "jobs", ns, NULL, NULL);

	return find_items(k, path, ENV_JOBS, out, err);
}

int env_jobs_all(struct kube *k, const char *ns, json_t **out,
		 struct kt_error *err)
{
	auto_free char *path = kube_path("batch/v1", "jobs", ns, NULL, NULL);

	return find_items(k, path, ENV_JOBS_ALL, out, err);
}

int env_records(struct kube *k, const char *ns, const char *name, json_t **out,
		struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "services", ns, NULL, NULL);
	auto_free char *query = name ? xasprintf("%s%%3D%s", ENV_RECORDS, name)
				     : xstrdup(ENV_RECORDS);

	return find_items(k, path, query, out, err);
}

char *env_record_service(const json_t *record)
{
	return object_config(record, "service");
}

/* "dev.pr-42, qa.pr-42" of those that end with @given */
static char *find_candidates(const json_t *jobs, const char *given, int64_t now)
{
	auto_strv struct strv names = { 0 };
	const json_t *job;
	size_t i;

	json_array_foreach (jobs, i, job) {
		struct env_info one;

		if (env_info_read(&one, job) == 0 &&
		    env_info_is_alive(&one, now) &&
		    env_name_is_tail(one.name, given))
			strv_add(&names, one.name);
		env_info_fini(&one);
	}
	return strv_join(&names, ", ");
}

static int find_none(const char *ns, const char *given, bool ended,
		     struct kt_error *err)
{
	kt_hint(err,
		"'ktctl env list -n %s' shows those that are there, 'ktctl env "
		"create' makes one",
		ns);
	return kt_fail(err, ENOENT,
		       ended ? "environment '%.80s' of namespace %s has ended"
			     : "no environment '%.80s' in namespace %s",
		       given, ns);
}

bool env_pick_whole(const json_t *jobs, const char *name, int64_t now,
		    bool *ended, struct env_info *info)
{
	json_t *job;
	size_t i;

	*ended = false;
	json_array_foreach (jobs, i, job) {
		bool is = env_info_read(info, job) == 0 &&
			  strcmp(info->name, name) == 0;

		if (is && env_info_is_alive(info, now))
			return true;
		*ended |= is;
		env_info_fini(info);
	}
	return false;
}

static int find_pick(const json_t *jobs, const char *ns, const char *given,
		     int64_t now, struct env_info *info, struct kt_error *err)
{
	auto_free char *names = NULL;
	bool ended = false;
	size_t i, n = 0;
	json_t *job;

	*info = (struct env_info){ 0 };
	if (env_pick_whole(jobs, given, now, &ended, info))
		return 0;
	if (ended)
		return find_none(ns, given, true, err);
	json_array_foreach (jobs, i, job) {
		struct env_info one;

		if (env_info_read(&one, job) < 0 ||
		    !env_name_is_tail(one.name, given) ||
		    !env_info_is_alive(&one, now)) {
			env_info_fini(&one);
			continue;
		}
		env_info_fini(info);
		*info = one;
		n++;
	}
	if (n == 1)
		return 0;
	env_info_fini(info);
	if (n == 0)
		return find_none(ns, given, false, err);
	names = find_candidates(jobs, given, now);
	kt_hint(err, "give the whole name");
	return kt_fail(err, EEXIST,
		       "'%.80s' is the end of several environments' names: %s",
		       given, names);
}

/* A field that names environments names all of the namespace */
static void find_header(const json_t *jobs, int64_t now, struct env_info *info)
{
	const json_t *job;
	size_t i;

	json_array_foreach (jobs, i, job) {
		struct env_info one = { 0 };

		if (!info->named_by[0] && env_info_read(&one, job) == 0 &&
		    env_info_is_alive(&one, now))
			memcpy(info->named_by, one.header,
			       sizeof(info->named_by));
		env_info_fini(&one);
	}
}

int env_pick(const json_t *jobs, const char *ns, const char *given, int64_t now,
	     struct env_info *info, struct kt_error *err)
{
	int rc = find_pick(jobs, ns, given, now, info, err);

	if (rc == 0)
		find_header(jobs, now, info);
	return rc;
}

int env_find(struct kube *k, const char *ns, const char *given,
	     struct env_info *info, struct kt_error *err)
{
	auto_json json_t *jobs = NULL;
	int rc = env_jobs(k, ns, &jobs, err);

	*info = (struct env_info){ 0 };
	return rc < 0 ? rc
		      : env_pick(jobs, ns, given, kube_cluster_time(k), info,
				 err);
}

int env_mine(const char *owner, bool force, const char *what,
	     struct kt_error *err)
{
	if (force || !owner || strcmp(owner, shadow_user()) == 0)
		return 0;
	kt_hint(err, "ask %s, or use --force", owner);
	return kt_fail(err, EACCES, "%s is %s's", what, owner);
}
