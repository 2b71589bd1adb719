/* SPDX-License-Identifier: Apache-2.0 */
/* The table in the cluster: read, changed, written back, told to routers. */
#include "env/table.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/declared.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "cluster/svcports.h"
#include "cluster/takeover.h"
#include "cluster/update.h"
#include "env/find.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define TABLE_ROUTERS "labelSelector=kt-role%3D" KT_ROLE_ROUTER

/* --- routers look at it now ----------------------------------------------- */

/* Only those of @service (NULL: all) */
static json_t *table_routers(struct kube *k, const char *ns,
			     const char *service, struct kt_error *err)
{
	auto_free char *pods = kube_path("v1", "pods", ns, NULL, NULL);
	auto_json json_t *list = NULL;
	auto_json json_t *svc = NULL;
	auto_free char *query = NULL;

	if (service) {
		auto_free char *path =
			kube_path("v1", "services", ns, service, NULL);

		if (kube_get(k, path, &svc, err) < 0)
			return NULL;
		if (!str_eq(service_role(svc), KT_ROLE_ROUTER) &&
		    !object_annotation(svc, KT_ANNOTATION_DECLARED))
			return NULL;
		query = selector_query(json_at(svc, "spec", "selector", NULL));
	}
	if (kube_list(k, pods, query ? query : TABLE_ROUTERS, &list, err) < 0)
		return NULL;
	return json_incref(json_object_get(list, "items"));
}

static void table_touch(struct kube *k, const char *ns, const char *service,
			const char *version)
{
	struct kt_error err = { 0 };
	auto_json json_t *pods = table_routers(k, ns, service, &err);
	auto_json json_t *patch =
		json_pack("{s:{s:{s:s}}}", "metadata", "annotations",
			  KT_ANNOTATION_TOUCH, version);
	const json_t *pod;
	size_t i;

	json_array_foreach (pods, i, pod) {
		auto_free char *path =
			kube_path("v1", "pods", ns, object_name(pod), NULL);

		if (envobject_is_router(pod) && !object_is_ending(pod) &&
		    kube_patch(k, path, patch, NULL, &err) < 0)
			log_debug("%s: not touched: %s", path, err.msg);
	}
}

/* --- the ConfigMap -------------------------------------------------------- */

static json_t *table_make(void)
{
	return json_pack("{s:s,s:s,s:{s:s,s:{s:s,s:s}}}", "apiVersion", "v1",
			 "kind", "ConfigMap", "metadata", "name", KT_ENV_TABLE,
			 "labels", KT_LABEL_CONTROL, KT_LABEL_CONTROL_VALUE,
			 KT_LABEL_ROLE, KT_ROLE_ENV_TABLE);
}

/* -ENOENT is no error: *@map is NULL then */
static int table_read(struct kube *k, const char *ns, json_t **map,
		      struct kt_error *err)
{
	auto_free char *path =
		kube_path("v1", "configmaps", ns, KT_ENV_TABLE, NULL);
	int rc = kube_get(k, path, map, err);

	if (rc == -ENOENT) {
		*err = (struct kt_error){ 0 };
		return 0;
	}
	if (rc == 0 &&
	    !str_eq(object_label(*map, KT_LABEL_ROLE), KT_ROLE_ENV_TABLE))
		return kt_fail(err, EEXIST,
			       "ConfigMap %s/" KT_ENV_TABLE
			       " exists, and ktctl has not made it",
			       ns);
	return rc;
}

/* A copy of @map, or a new one, with what it shall say */
static json_t *table_changed(const json_t *map, const char *text,
			     const json_t *live)
{
	json_t *then = map ? json_deep_copy(map) : table_make();
	json_t *meta = json_object_get(then, "metadata");
	json_t *owners = env_table_owners(
		json_object_get(meta, "ownerReferences"), text, live);

	if (json_array_size(owners))
		json_object_set(meta, "ownerReferences", owners);
	else
		json_object_del(meta, "ownerReferences");
	json_decref(owners);
	json_object_set_new(then, "data",
			    json_pack("{s:s}", KT_ENV_TABLE_KEY, text));
	return then;
}

/* 1: written, with *@done as it is now (NULL: it is gone); -EBUSY: somebody
 * was quicker */
static int table_write(struct kube *k, const char *ns, const json_t *map,
		       const json_t *then, json_t **done, struct kt_error *err)
{
	auto_free char *all = kube_path("v1", "configmaps", ns, NULL, NULL);
	auto_free char *path =
		kube_path("v1", "configmaps", ns, KT_ENV_TABLE, NULL);
	const char *text = json_str(then, "data", KT_ENV_TABLE_KEY, NULL);
	int rc;

	if (map ? json_equal(map, then) : !*text)
		return 0;
	if (!map)
		rc = kube_create(k, all, then, done, err);
	else if (!*text)
		rc = kube_delete_as(k, path, map, -1, err);
	else
		rc = kube_replace(k, path, then, done, err);
	/* another has made it, or the last environment has taken it along */
	if (rc == -EEXIST || (rc == -ENOENT && map))
		rc = -EBUSY;
	return rc < 0 ? rc : 1;
}

static int table_try(struct kube *k, const char *ns,
		     const struct env_table_change *change, json_t **done,
		     struct kt_error *err)
{
	auto_json json_t *jobs = NULL, *live = NULL, *map = NULL, *then = NULL;
	auto_json json_t *records = NULL;
	struct env_table_change now = *change;
	auto_free char *text = NULL;
	const char *old;
	int rc = table_read(k, ns, &map, err);

	if (rc == 0 && map)
		rc = env_records(k, ns, change->env, &records, err);
	if (rc == 0)
		rc = env_jobs(k, ns, &jobs, err);
	if (rc < 0)
		return rc;
	now.records = records;
	live = env_table_live(jobs, kube_cluster_time(k));
	if (change->put && !json_object_get(live, change->env))
		return kt_fail(err, ENOENT,
			       "environment '%s' of namespace %s has ended",
			       change->env, ns);
	old = json_str(map, "data", KT_ENV_TABLE_KEY, NULL);
	text = env_table_edit(old ? old : "", live, &now, err);
	if (!text)
		return -ENOSPC;
	then = table_changed(map, text, live);
	return table_write(k, ns, map, then, done, err);
}

static int table_change(struct kube *k, const char *ns,
			const struct env_table_change *change,
			struct kt_error *err)
{
	auto_json json_t *done = NULL;
	int rc;

	for (int tries = 1;; tries++) {
		rc = table_try(k, ns, change, &done, err);
		rc = update_retry(k, tries, rc, err);
		if (rc != -EBUSY)
			break;
	}
	if (rc > 0)
		table_touch(k, ns, change->service,
			    json_str(done, "metadata", "resourceVersion", NULL)
				    ?: "0");
	return rc < 0 ? kt_wrap(err, rc,
				"table of environments, ConfigMap %s/%s", ns,
				KT_ENV_TABLE)
		      : 0;
}

int env_table_put_member(struct kube *k, const char *ns, const char *env,
			 const char *service, const char *host,
			 const char *join, const char *source,
			 struct kt_error *err)
{
	const struct env_table_change change = { .env = env,
						 .service = service,
						 .put = true,
						 .host = host,
						 .join = join,
						 .source = source };

	return table_change(k, ns, &change, err);
}

int env_table_put_env(struct kube *k, const char *ns, const char *env,
		      struct kt_error *err)
{
	const struct env_table_change change = { .env = env, .put = true };

	return table_change(k, ns, &change, err);
}

int env_table_drop_member(struct kube *k, const char *ns, const char *env,
			  const char *service, struct kt_error *err)
{
	const struct env_table_change change = { .env = env,
						 .service = service };

	return table_change(k, ns, &change, err);
}

int env_table_drop_env(struct kube *k, const char *ns, const char *env,
		       struct kt_error *err)
{
	return table_change(
		k, ns, &(const struct env_table_change){ .env = env }, err);
}

int env_table_refresh(struct kube *k, const char *ns, struct kt_error *err)
{
	return table_change(k, ns, &(const struct env_table_change){ 0 }, err);
}
