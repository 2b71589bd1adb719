/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/lease.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cluster/envobject.h"
#include "cluster/heartbeat.h"
#include "cluster/route.h"
#include "cluster/takeover.h"
#include "inbound/lease_env.h"
#include "inbound/lease_scale.h"
#include "inbound/recover.h"
#include "kube/rest.h"
#include "local/owner.h"

#include <errno.h>
#include <string.h>

#define SECOND_LOOK (4 * NS_SEC) /* a lost Pod's owner makes another */

static bool lease_beats(const struct job *job, const json_t *obj)
{
	int64_t age = object_age(obj, KT_ANNOTATION_HEARTBEAT, job_now(job));

	if (owner_is_dead(job->app->home,
			  object_annotation(obj, KT_ANNOTATION_OWNER)))
		return false;
	return age < 0 || age <= (object_is_of_ktctl(obj) ? HEARTBEAT_DEAD
							  : HEARTBEAT_DEAD_KT);
}

bool lease_is_alive(const struct job *job, const json_t *obj)
{
	return (!object_label(obj, KT_LABEL_ENV) ||
		lease_env_is_alive(job, obj)) &&
	       lease_beats(job, obj);
}

static int list_labels(struct job *job, const char *api, const char *resource,
		       const json_t *labels, json_t **items,
		       struct kt_error *err)
{
	auto_free char *path = kube_path(api, resource, job->ns, NULL, NULL);
	auto_free char *query = selector_query(labels);
	auto_json json_t *list = NULL;
	int rc = kube_list(job->kube, path, query, &list, err);

	if (rc == 0)
		json_array_extend(*items, json_object_get(list, "items"));
	return rc;
}

/* KT Connect keeps a key beside each shadow, under its name; who may not remove
 * it leaves it to `clean` */
static void lease_drop_key(struct job *job, const json_t *shadow)
{
	auto_free char *path = kube_path("v1", "configmaps", job->ns,
					 object_name(shadow), NULL);
	struct kt_error err = { 0 };

	if (!object_is_of_ktctl(shadow) &&
	    kube_delete(job->kube, path, -1, &err) < 0)
		log_debug("%s", err.msg);
}

static int lease_drop_shadow(struct job *job, const char *api,
			     const char *resource, const json_t *shadow,
			     struct kt_error *err)
{
	auto_free char *path =
		kube_path(api, resource, job->ns, object_name(shadow), NULL);
	int rc = kube_delete(job->kube, path, 0, err);

	if (rc == 0)
		lease_drop_key(job, shadow);
	return rc;
}

static int lease_drop_dead(struct job *job, const char *api,
			   const char *resource, const json_t *labels,
			   struct kt_error *err)
{
	auto_json json_t *list = json_array();
	json_t *obj;
	size_t i;
	int rc = list_labels(job, api, resource, labels, &list, err);

	json_array_foreach (list, i, obj)
		if (rc == 0 && !lease_is_alive(job, obj))
			rc = lease_drop_shadow(job, api, resource, obj, err);
	return rc;
}

int lease_clear(struct job *job, const json_t *labels, struct kt_error *err)
{
	auto_json json_t *all = json_copy((json_t *)(uintptr_t)labels);
	struct kt_error ignored = { 0 };

	json_object_set_new(all, KT_LABEL_CONTROL,
			    json_string(KT_LABEL_CONTROL_VALUE));
	/* not everybody may see Deployments */
	if (lease_drop_dead(job, "apps/v1", "deployments", all, &ignored) < 0)
		log_debug("%s", ignored.msg);
	return lease_drop_dead(job, "v1", "pods", all, err);
}

int lease_clear_name(struct job *job, const char *name, struct kt_error *err)
{
	bool deployment = job->global->pod.deployment;
	const char *api = deployment ? "apps/v1" : "v1";
	const char *resource = deployment ? "deployments" : "pods";
	const char *kind = deployment ? "Deployment" : "Pod";
	auto_free char *path = kube_path(api, resource, job->ns, name, NULL);
	auto_free char *users = NULL;
	auto_json json_t *obj = NULL, *list = NULL;
	int rc = kube_get(job->kube, path, &obj, err);

	if (rc == -ENOENT) {
		*err = (struct kt_error){ 0 };
		return 0;
	}
	if (rc < 0)
		return rc;
	if (!str_eq(object_label(obj, KT_LABEL_CONTROL),
		    KT_LABEL_CONTROL_VALUE))
		return kt_fail(err, EEXIST,
			       "%s %s/%s exists, and ktctl has not made it",
			       kind, job->ns, name);
	if (object_is_ending(obj) || !lease_is_alive(job, obj)) {
		log_info("%s %s/%s was left by a ktctl that is gone: it is "
			 "removed",
			 kind, job->ns, name);
		return lease_drop_shadow(job, api, resource, obj, err);
	}
	list = json_pack("[O]", obj);
	users = objects_users(list);
	return kt_fail(err, EEXIST, "%s %s/%s already exists: it is %s's", kind,
		       job->ns, name, users);
}

char *lease_user_of(struct job *job, const json_t *service)
{
	const json_t *selector = json_at(service, "spec", "selector", NULL);
	auto_json json_t *all = json_pack("[O*]", service);
	struct kt_error ignored = { 0 };

	if (json_object_size(selector) &&
	    list_labels(job, "v1", "pods", selector, &all, &ignored) < 0)
		log_debug("%s", ignored.msg);
	return objects_users(all);
}

int lease_meshes(struct job *job, const char *but, json_t **out,
		 struct kt_error *err)
{
	auto_free char *prefix = mesh_record_prefix(job->name);
	auto_json json_t *all = json_array(), *envs = NULL;
	json_t *obj, *live;
	size_t i;
	int rc = lease_env_records(job->kube, job->ns, job->name, &all, err);

	if (rc < 0)
		return rc;
	envs = lease_env_list(job, all);
	live = json_array();
	json_array_foreach (all, i, obj)
		if (str_starts(object_name(obj), prefix) &&
		    !str_eq(object_name(obj), but) &&
		    !object_annotation(obj, KT_ANNOTATION_ROUTE) &&
		    (!object_label(obj, KT_LABEL_ENV) ||
		     lease_env_is_among(job, obj, envs)) &&
		    lease_beats(job, obj))
			json_array_append(live, obj);
	*out = live;
	return 0;
}

/* The Pods or the Deployment that the Service leads to. Who may not see
 * Deployments is told of Pods only. */
static int find_shadows(struct job *job, json_t **out, struct kt_error *err)
{
	const json_t *selector =
		json_at(job->service, "spec", "selector", NULL);
	struct kt_error ignored = { 0 };
	int rc = list_labels(job, "v1", "pods", selector, out, err);

	if (rc == 0 && service_role(job->service) &&
	    list_labels(job, "apps/v1", "deployments", selector, out, &ignored))
		log_debug("%s", ignored.msg);
	return rc;
}

static bool any_alive(const struct job *job, const json_t *objects)
{
	const json_t *obj;
	size_t i;

	json_array_foreach (objects, i, obj)
		if (lease_is_alive(job, obj) && !object_is_ending(obj) &&
		    object_annotation(obj, KT_ANNOTATION_HEARTBEAT))
			return true;
	return false;
}

static void lease_say(void *user, const char *text)
{
	(void)user;
	log_debug("%s", text);
}

static int take_from_dead(struct job *job, struct kt_error *err)
{
	int rc;

	log_info("Service %s/%s was left by a ktctl that is gone: it is "
		 "recovered",
		 job->ns, job->name);
	if (job->wants_origin) {
		rc = recover_service_for_heir(job->kube, job->ns, job->name,
					      lease_say, NULL, err);
		job->stuntman = true; /* what goes wrong next removes it */
	} else {
		rc = recover_service(job->kube, job->ns, job->name, lease_say,
				     NULL, NULL, err);
	}
	if (rc < 0)
		return rc;
	rc = job_read(job, err);
	if (rc == 0 && job->locked) /* recovering drops any lock */
		rc = job_lock(job, err);
	return rc;
}

static int held(struct job *job, const char *how, const json_t *by,
		struct kt_error *err)
{
	auto_free char *workload = lease_scaled_text(job, by);
	auto_free char *users = objects_users(by);
	auto_free char *envs = lease_env_names(by);

	if (envs) {
		kt_hint(err,
			"'ktctl env leave ENVIRONMENT %s' takes its member out",
			job->name);
		return kt_fail(err, EBUSY,
			       "Service %s/%s has members of environments "
			       "(%s), by %s",
			       job->ns, job->name, envs, users);
	}
	kt_hint(err,
		"when their ktctl is gone, 'ktctl recover %s' gives it back",
		job->name);
	return workload ? kt_fail(err, EBUSY, "%s is %s by %s", workload, how,
				  users)
			: kt_fail(err, EBUSY, "Service %s/%s is %s by %s",
				  job->ns, job->name, how, users);
}

/* KT Connect's users of its router: each has a shadow, and a Service that does
 * not say whose it is. Who may not see Deployments is told of Pods only. */
static int lease_add_kt_meshes(struct job *job, json_t *users,
			       struct kt_error *err)
{
	auto_json json_t *labels =
		json_pack("{s:s,s:s}", KT_LABEL_CONTROL, KT_LABEL_CONTROL_VALUE,
			  KT_LABEL_ROLE, KT_ROLE_MESH);
	auto_free char *prefix = mesh_record_prefix(job->name);
	auto_json json_t *all = json_array();
	struct kt_error ignored = { 0 };
	json_t *obj;
	size_t i;
	int rc = list_labels(job, "v1", "pods", labels, &all, err);

	if (rc < 0)
		return rc;
	if (list_labels(job, "apps/v1", "deployments", labels, &all, &ignored))
		log_debug("%s", ignored.msg);
	json_array_foreach (all, i, obj)
		if (str_starts(object_name(obj), prefix) &&
		    object_annotation(obj, KT_ANNOTATION_HEARTBEAT) &&
		    lease_is_alive(job, obj))
			json_array_append(users, obj);
	return 0;
}

/* Nothing on the Service says so, but its Pods are scaled away */
static int lease_check_scaled(struct job *job, struct kt_error *err)
{
	auto_json json_t *shadows = NULL;
	int rc = lease_find_scaled(job, &shadows, err);

	if (rc < 0 || !json_array_size(shadows))
		return rc;
	if (any_alive(job, shadows))
		return held(job, "exchanged", shadows, err);
	return take_from_dead(job, err);
}

static bool lease_any_of_kt(const json_t *objects)
{
	const json_t *obj;
	size_t i;

	json_array_foreach (objects, i, obj)
		if (!object_is_of_ktctl(obj))
			return true;
	return false;
}

static int lease_held_by_kt(struct job *job, const json_t *by,
			    struct kt_error *err)
{
	auto_free char *users = objects_users(by);

	kt_hint(err,
		"--mode manual needs no router; 'ktctl recover %s' ends the "
		"mesh of all of them, tell them before",
		job->name);
	return kt_fail(err, EBUSY,
		       "Service %s/%s is meshed with KT Connect's router, "
		       "which cannot be shared, by %s",
		       job->ns, job->name, users);
}

/* One that ends with its users cannot serve those who are not there */
static int lease_refuse_bare(struct job *job, const json_t *by,
			     struct kt_error *err)
{
	auto_free char *users = objects_users(by);

	kt_hint(err, "when they have left it can be joined; their ktctl mesh "
		     "finds the environment's router then");
	return kt_fail(err, EBUSY,
		       "Service %s/%s has a router that ends with its users: "
		       "it is meshed by %s",
		       job->ns, job->name, users);
}

/* A Deployment stays; where there is none at all, one is made */
static bool lease_is_standing(const json_t *routers)
{
	const json_t *obj;
	size_t i;

	json_array_foreach (routers, i, obj)
		if (json_at(obj, "spec", "template", NULL))
			return true;
	return !json_array_size(routers);
}

static int check_router(struct job *job, enum lease_use use,
			const json_t *routers, struct kt_error *err)
{
	auto_json json_t *users = NULL;
	bool of_kt = lease_any_of_kt(routers);
	int rc = lease_meshes(job, NULL, &users, err);

	if (rc == 0 && of_kt)
		rc = lease_add_kt_meshes(job, users, err);
	if (rc < 0)
		return rc;
	if (!of_kt && (use == LEASE_MARKED ||
		       (use == LEASE_STANDING && lease_is_standing(routers))))
		return 1;
	if (use == LEASE_STANDING && !of_kt)
		return json_array_size(users)
			       ? lease_refuse_bare(job, users, err)
			       : take_from_dead(job, err);
	if (!json_array_size(users) && !any_alive(job, routers))
		return take_from_dead(job, err);
	if (use == LEASE_BESIDE)
		return 0;
	if (!json_array_size(users))
		json_array_extend(users, (json_t *)(uintptr_t)routers);
	return use != LEASE_ALL ? lease_held_by_kt(job, users, err)
				: held(job, "meshed", users, err);
}

/* KT Connect's router has the name that ours would have, and may be there
 * without a Service that leads to it: its maker has just begun, or broke off */
static int lease_check_idle_router(struct job *job, struct kt_error *err)
{
	auto_free char *name = xasprintf("%s" KT_ROUTER, job->name);
	auto_free char *path = kube_path("v1", "pods", job->ns, name, NULL);
	auto_json json_t *pod = NULL, *routers = NULL;
	int rc = kube_get(job->kube, path, &pod, err);

	if (rc == -ENOENT) {
		*err = (struct kt_error){ 0 };
		return 0;
	}
	if (rc < 0 || object_is_of_ktctl(pod))
		return rc;
	routers = json_pack("[O]", pod);
	return check_router(job, LEASE_MARKED, routers, err);
}

/* Nothing on the Service says that somebody has it */
static int lease_check_unmarked(struct job *job, enum lease_use use,
				struct kt_error *err)
{
	int rc = lease_check_scaled(job, err);

	return rc == 0 && (use == LEASE_MARKED || use == LEASE_STANDING)
		       ? lease_check_idle_router(job, err)
		       : rc;
}

int lease_check(struct job *job, enum lease_use use, struct kt_error *err)
{
	auto_json json_t *shadows = json_array();
	const char *role = service_role(job->service);
	bool record = object_annotation(job->service, KT_ANNOTATION_SELECTOR);
	int rc;

	if (!record && !role)
		return lease_check_unmarked(job, use, err);
	if (!record) {
		kt_hint(err,
			"set spec.selector by hand: kubectl -n %s edit "
			"service %s",
			job->ns, job->name);
		return kt_fail(err, EINVAL,
			       "Service %s/%s leads to a shadow, and nothing "
			       "says what its own selector was",
			       job->ns, job->name);
	}
	rc = find_shadows(job, &shadows, err);
	if (rc < 0)
		return rc;
	if (str_eq(role, KT_ROLE_ROUTER))
		return check_router(job, use, shadows, err);
	if (any_alive(job, shadows))
		return held(job, "exchanged", shadows, err);
	if (!json_array_size(shadows)) {
		rc = loop_sleep(job->app->loop, SECOND_LOOK);
		if (rc < 0)
			return kt_fail(err, -rc, "interrupted");
		rc = find_shadows(job, &shadows, err);
		if (rc < 0)
			return rc;
		if (any_alive(job, shadows))
			return held(job, "exchanged", shadows, err);
	}
	return take_from_dead(job, err);
}
