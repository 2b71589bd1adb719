/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/takeover.h"
#include "cluster/update.h"
#include "inbound/lease.h"
#include "inbound/mesh.h"
#include "kube/rest.h"
#include "local/owner.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Does it lead to Pods that need no client? */
static bool record_is_led(const struct mesh *m)
{
	return m->env && m->env->selector;
}

/* It leads nowhere, unless there are routes that lead to it */
static json_t *record_selector(const struct mesh *m)
{
	if (record_is_led(m))
		return json_incref((json_t *)(uintptr_t)m->env->selector);
	if (m->route.api)
		return mesh_route_selector(&m->route);
	return json_pack("{s:s,s:s}", KT_LABEL_ROLE, KT_ROLE_MESH,
			 KT_LABEL_TARGET, m->nowhere);
}

static json_t *record_make(const struct mesh *m)
{
	const struct job *job = &m->job;
	const char *route = m->route.api ? m->route.api->name : NULL;
	bool led = record_is_led(m);
	char now[24], match[RULE_MATCH_MAX], machine[SHADOW_MACHINE_SIZE];
	char copy[8];

	snprintf(now, sizeof(now), "%" PRId64, job_now(job));
	snprintf(copy, sizeof(copy), "%d", job->copy);
	return json_pack(
		"{s:s,s:s,s:{s:s,s:{s:s,s:s},s:{s:s*,s:s,s:s,s:s*,s:s,"
		"s:s*,s:s*,s:s*}},s:{s:o,s:O}}",
		"apiVersion", "v1", "kind", "Service", "metadata", "name",
		m->name, "labels", KT_LABEL_CONTROL, KT_LABEL_CONTROL_VALUE,
		KT_LABEL_ROLE, KT_ROLE_MESH, "annotations",
		KT_ANNOTATION_HEARTBEAT, led ? NULL : now, KT_ANNOTATION_USER,
		shadow_user(), KT_ANNOTATION_MACHINE, shadow_machine(machine),
		KT_ANNOTATION_CONFIG, job->config_text, "kt-match",
		rule_match_print(&m->match, match), KT_ANNOTATION_ROUTE, route,
		KT_ANNOTATION_OWNER, led ? NULL : owner_token(job->owner),
		KT_ANNOTATION_COPY, job->copy ? copy : NULL, "spec", "selector",
		record_selector(m), "ports",
		led ? m->env->ports
		    : json_at(job->service, "spec", "ports", NULL));
}

static bool record_leads_own(const struct mesh_env *env)
{
	return env->member && (str_starts(env->member, "image ") ||
			       str_eq(env->member, "local"));
}

/* Whose it is, and until when */
static void record_add_env(json_t *record, const struct mesh *m)
{
	const struct mesh_env *env = m->env;
	json_t *meta = json_object_get(record, "metadata");
	auto_json json_t *more = json_pack(
		"{s:{s:s,s:s,s:s*},s:{s:s*,s:s*,s:s*,s:s*,s:s},s:[O]}",
		"labels", KT_LABEL_ENV, env->name, KT_LABEL_ENV_RECORD,
		m->job.name, KT_LABEL_ENV_LEADS,
		record_leads_own(env) ? KT_ENV_LEADS_OWN : NULL, "annotations",
		KT_ANNOTATION_EXPIRES, env->expires, KT_ANNOTATION_MEMBER,
		env->member, KT_ANNOTATION_NEXT, env->next,
		KT_ANNOTATION_FORCED, env->forced_by, KT_ANNOTATION_JOIN,
		m->nowhere, "ownerReferences", env->owner);

	json_object_update_recursive(meta, more);
}

/* Ports without what only the original can have */
static json_t *record_object(void *user)
{
	const struct mesh *m = user;
	auto_json json_t *all = record_make(m);
	json_t *copy = json_deep_copy(all), *port;
	size_t i;

	if (m->env)
		record_add_env(copy, m);
	object_add_options(copy, &m->job.global->pod);
	json_array_foreach (json_at(copy, "spec", "ports", NULL), i, port)
		json_object_del(port, "nodePort");
	return copy;
}

/* It keeps its address, which routers know */
static int record_replace(struct mesh *m, const char *path, const json_t *now,
			  const json_t *record, struct kt_error *err)
{
	auto_json json_t *next = json_deep_copy(now), *made = NULL;
	int rc;
	json_t *meta = json_object_get(next, "metadata");
	static const char *const of_meta[] = { "labels", "annotations",
					       "ownerReferences" };
	static const char *const of_spec[] = { "selector", "ports" };

	for (size_t i = 0; i < ARRAY_SIZE(of_meta); i++)
		json_object_set(meta, of_meta[i],
				json_at(record, "metadata", of_meta[i], NULL));
	for (size_t i = 0; i < ARRAY_SIZE(of_spec); i++)
		json_object_set(json_object_get(next, "spec"), of_spec[i],
				json_at(record, "spec", of_spec[i], NULL));
	rc = kube_replace(m->job.kube, path, next, &made, err);
	if (rc < 0)
		return rc;
	json_decref(m->route.made);
	m->route.made = steal_ptr(&made);
	return rc;
}

static bool record_is_as_seen(const json_t *now, const json_t *seen)
{
	static const char *const keys[] = { "uid", "resourceVersion" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!seen || !str_eq(json_str(now, "metadata", keys[i], NULL),
				     json_str(seen, "metadata", keys[i], NULL)))
			return false;
	return true;
}

/* Somebody has it; whoever is gone does not count. 1: it is ours now; -EBUSY:
 * it is not as it was looked at any more */
static int record_take(struct mesh *m, const char *path, const json_t *want,
		       struct kt_error *err)
{
	struct job *job = &m->job;
	auto_json json_t *record = NULL, *list = json_array();
	auto_free char *user = NULL;
	char text[1200];
	int rc = kube_get(job->kube, path, &record, err);

	if (rc == -ENOENT) {
		*err = (struct kt_error){ 0 };
		return 0;
	}
	if (rc < 0)
		return rc;
	job->successor = !lease_is_alive(job, record);
	if (job->successor)
		return kube_delete_as(job->kube, path, record, 0, err);
	if (m->env && record_is_as_seen(record, m->env->replaces)) {
		rc = record_replace(m, path, record, want, err);
		return rc < 0 ? rc : 1;
	}
	json_array_append(list, record);
	user = objects_users(list);
	if (m->env)
		kt_hint(err,
			"'ktctl env show %s' shows it; one on a machine "
			"ends with its ktctl there",
			m->env->name);
	if (m->env)
		return kt_fail(err, EEXIST,
			       "Service %s/%s has a member in environment %s "
			       "already: %s's",
			       job->ns, job->name, m->env->name, user);
	kt_hint(err, "choose another --versionMark");
	return kt_fail(err, EEXIST, "Service %s/%s is meshed with %s by %s",
		       job->ns, job->name,
		       mesh_mark_text(m, text, sizeof(text)), user);
}

int mesh_record_make(struct mesh *m, struct kt_error *err)
{
	struct job *job = &m->job;
	auto_free char *all = kube_path("v1", "services", job->ns, NULL, NULL);
	auto_free char *path =
		kube_path("v1", "services", job->ns, m->name, NULL);
	auto_json json_t *record = NULL;
	json_t **made = &m->route.made;
	int rc;

	target_make(m->nowhere);
	record = record_object(m);
	rc = kube_create(job->kube, all, record, made, err);

	for (int tries = 1; rc == -EEXIST || rc == -EBUSY; tries++) {
		*err = (struct kt_error){ 0 };
		rc = record_take(m, path, record, err);
		if (rc == -EEXIST) /* somebody alive has it */
			break;
		if (rc == 0)
			rc = kube_create(job->kube, all, record, made, err);
		if (rc == -EEXIST)
			rc = -EBUSY; /* another was quicker: look again */
		rc = update_retry(job->kube, tries, rc, err);
	}
	m->recorded = rc >= 0;
	if (rc >= 0 && !record_is_led(m))
		m->record = heartbeat_start(job->kube, path, HEARTBEAT_INTERVAL,
					    job->global->use_local_time);
	return MIN(rc, 0);
}

void mesh_record_keep(struct mesh *m)
{
	keep_add(&m->job, m->name, m->route.api ? NULL : record_object, m,
		 m->route.api != NULL);
}

/* --- whose is it now? ----------------------------------------------------- */

/* 0: ours; 1: another join's; or -errno */
static int record_look(const struct mesh *m, json_t **now, struct kt_error *err)
{
	auto_free char *path =
		kube_path("v1", "services", m->job.ns, m->name, NULL);
	int rc = kube_get(m->job.kube, path, now, err);

	if (rc < 0)
		return rc;
	return !str_eq(object_annotation(*now, KT_ANNOTATION_JOIN), m->nowhere);
}

bool mesh_record_is_foreign(const struct mesh *m)
{
	auto_json json_t *now = NULL;
	struct kt_error err = { 0 };

	return keep_is_foreign(&m->job, m->name) ||
	       (m->env && record_look(m, &now, &err) > 0);
}

/* 0 and *@now, or -ECANCELED: it is not ours any more; or another -errno */
static int record_check(const struct mesh *m, json_t **now,
			struct kt_error *err)
{
	auto_json json_t *list = json_array();
	auto_free char *user = NULL;
	int rc = record_look(m, now, err);

	if (rc == -ENOENT)
		return kt_fail(err, ECANCELED,
			       "Service %s/%s was taken out of environment %s "
			       "by somebody",
			       m->job.ns, m->job.name, m->env->name);
	if (rc <= 0)
		return rc;
	json_array_append(list, *now);
	user = objects_users(list);
	return kt_fail(err, ECANCELED,
		       "Service %s/%s has another member in environment %s "
		       "by now: %s's",
		       m->job.ns, m->job.name, m->env->name, user);
}

int mesh_record_check(const struct mesh *m, struct kt_error *err)
{
	auto_json json_t *now = NULL;

	return record_check(m, &now, err);
}

/* --- in the place of another ---------------------------------------------- */

/* @want with the end that @now has: it may have been extended meanwhile */
static json_t *record_with_end(const json_t *want, const json_t *now)
{
	const char *end = object_annotation(now, KT_ANNOTATION_EXPIRES);
	json_t *copy = json_deep_copy(want);

	if (end)
		json_object_set_new(
			json_at(copy, "metadata", "annotations", NULL),
			KT_ANNOTATION_EXPIRES, json_string(end));
	return copy;
}

/* As @want says, if it is ours still; -ECANCELED: it is not */
static int record_write(struct mesh *m, const json_t *want,
			struct kt_error *err)
{
	auto_free char *path =
		kube_path("v1", "services", m->job.ns, m->name, NULL);

	for (int tries = 1;; tries++) {
		auto_json json_t *now = NULL, *next = NULL;
		int rc = record_check(m, &now, err);

		if (rc == 0) {
			next = record_with_end(want, now);
			rc = record_replace(m, path, now, next, err);
		}
		rc = update_retry(m->job.kube, tries, rc, err);
		if (rc != -EBUSY)
			return rc;
	}
}

int mesh_record_lead(struct mesh *m, struct kt_error *err)
{
	auto_json json_t *want = record_object(m);

	return record_write(m, want, err);
}

int mesh_record_restore(struct mesh *m, const json_t *former,
			struct kt_error *err)
{
	return m->recorded ? record_write(m, former, err) : -ECANCELED;
}

/* --- the end -------------------------------------------------------------- */

/* A client that has slept may have written its heartbeat into it: one that has
 * none lives without */
static int record_leave(const struct mesh *m, const char *path,
			const json_t *now, struct kt_error *err)
{
	auto_json json_t *patch =
		json_pack("{s:{s:{s:n}}}", "metadata", "annotations",
			  KT_ANNOTATION_HEARTBEAT);

	if (!object_annotation(now, KT_ANNOTATION_HEARTBEAT) ||
	    str_eq(object_annotation(now, KT_ANNOTATION_MEMBER), "local"))
		return 0;
	return kube_patch(m->job.kube, path, patch, NULL, err);
}

/* As it was looked at: another join may come at any time */
static int record_drop(const struct mesh *m, const char *path,
		       struct kt_error *err)
{
	for (int tries = 1;; tries++) {
		auto_json json_t *now = NULL;
		int rc = record_look(m, &now, err);

		if (rc > 0)
			return record_leave(m, path, now, err);
		if (rc == 0)
			rc = kube_delete_as(m->job.kube, path, now, -1, err);
		rc = update_retry(m->job.kube, tries, rc, err);
		if (rc == -ENOENT)
			*err = (struct kt_error){ 0 };
		if (rc != -EBUSY)
			return rc == -ENOENT ? 0 : rc;
	}
}

void mesh_record_remove(struct mesh *m)
{
	auto_free char *path =
		kube_path("v1", "services", m->job.ns, m->name, NULL);
	struct kt_error err = { 0 };
	int rc = 0;

	if (!m->recorded)
		return;
	heartbeat_stop(m->record);
	m->record = NULL;
	m->recorded = false;
	if (m->env)
		rc = record_drop(m, path, &err);
	else if (!keep_is_foreign(&m->job, m->name))
		rc = kube_delete(m->job.kube, path, -1, &err);
	if (rc < 0)
		job_unfinished(&m->job, "Service %s was not removed: %s",
			       m->name, err.msg);
}
