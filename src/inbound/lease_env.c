/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/lease_env.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "cluster/takeover.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define ENVS "labelSelector=kt-role%3D" KT_ROLE_ENV

int lease_env_records(struct kube *k, const char *ns, const char *service,
		      json_t **all, struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "services", ns, NULL, NULL);
	auto_free char *own = xasprintf(KT_LABEL_ENV_RECORD "=%s", service);
	const char *const which[] = { "!" KT_LABEL_ENV_RECORD, own };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(which); i++) {
		auto_free char *labels =
			xasprintf(KT_LABEL_CONTROL "=" KT_LABEL_CONTROL_VALUE
						   "," KT_LABEL_ROLE
						   "=" KT_ROLE_MESH ",%s",
				  which[i]);
		auto_free char *query =
			kube_query(NULL, "labelSelector", labels);
		auto_json json_t *list = NULL;

		rc = kube_list(k, path, query, &list, err);
		if (rc == 0)
			json_array_extend(*all, json_object_get(list, "items"));
	}
	return rc;
}

/* @batch: a Job that may be the one of the environment of @record */
static bool lease_env_lives(const struct job *job, const json_t *record,
			    const json_t *batch)
{
	return object_is_owned(record,
			       json_str(batch, "metadata", "uid", NULL)) &&
	       !object_is_ending(batch) && !envobject_has_finished(batch) &&
	       !envobject_has_expired(batch, job_now(job));
}

bool lease_env_is_alive(const struct job *job, const json_t *record)
{
	const char *env = object_label(record, KT_LABEL_ENV);
	auto_free char *name = xasprintf(KT_ENV_PREFIX "%s", env);
	auto_free char *path =
		kube_path("batch/v1", "jobs", job->ns, name, NULL);
	auto_json json_t *batch = NULL;
	struct kt_error err = { 0 };
	int rc = kube_get(job->kube, path, &batch, &err);

	if (rc == 0)
		return lease_env_lives(job, record, batch);
	if (rc != -ENOENT)
		log_debug("%s", err.msg);
	return rc != -ENOENT && !envobject_has_expired(record, job_now(job));
}

bool lease_env_is_among(const struct job *job, const json_t *record,
			const json_t *envs)
{
	const json_t *batch;
	size_t i;

	if (!envs)
		return !envobject_has_expired(record, job_now(job));
	json_array_foreach (envs, i, batch)
		if (lease_env_lives(job, record, batch))
			return true;
	return false;
}

json_t *lease_env_list(const struct job *job, const json_t *records)
{
	auto_free char *path =
		kube_path("batch/v1", "jobs", job->ns, NULL, NULL);
	auto_json json_t *list = NULL;
	struct kt_error err = { 0 };
	const json_t *record;
	bool needed = false;
	size_t i;

	json_array_foreach (records, i, record)
		needed |= object_label(record, KT_LABEL_ENV) != NULL;
	if (!needed)
		return json_array();
	if (kube_list(job->kube, path, ENVS, &list, &err) < 0) {
		log_debug("%s", err.msg);
		return NULL;
	}
	return json_incref(json_object_get(list, "items"));
}

char *lease_env_names(const json_t *objects)
{
	struct strv seen = { 0 };
	const json_t *obj;
	char *text;
	size_t i;

	json_array_foreach (objects, i, obj) {
		const char *env = object_label(obj, KT_LABEL_ENV);

		if (env && !strv_has(&seen, env))
			strv_add(&seen, env);
	}
	text = seen.n ? strv_join(&seen, ", ") : NULL;
	strv_fini(&seen);
	return text;
}
