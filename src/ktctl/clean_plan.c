/* SPDX-License-Identifier: Apache-2.0 */
#include "ktctl/clean_plan.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/managers.h"
#include "cluster/objects.h"
#include "cluster/program.h"
#include "cluster/route.h"
#include "cluster/takeover.h"
#include "env/hook_run.h"
#include "env/job.h"
#include "env/share_after.h"
#include "env/table.h"
#include "inbound/scale_list.h"
#include "kube/rest.h"
#include "local/owner.h"

#include <string.h>

/* --- facts about one object ----------------------------------------------- */

static bool is_role(const json_t *obj, const char *role)
{
	return str_eq(object_label(obj, KT_LABEL_ROLE), role);
}

/* Of an environment that is over, or gone. What is the environment's and has no
 * end of its own is removed with its Job. */
static bool clean_plan_is_of_ended(const struct clean_input *in,
				   const json_t *obj)
{
	if (!object_label(obj, KT_LABEL_ENV) || !is_role(obj, KT_ROLE_MESH))
		return false;
	if (envobject_has_expired(obj, in->now))
		return true;
	return in->live && !env_table_lives(in->live, obj);
}

static bool has_expired(const struct clean_input *in, const json_t *obj)
{
	const char *owner = object_annotation(obj, KT_ANNOTATION_OWNER);
	int64_t age = in->age ? MAX(in->age, object_kept(obj)) : 0;

	return clean_plan_is_of_ended(in, obj) ||
	       object_age(obj, KT_ANNOTATION_HEARTBEAT, in->now) >= age ||
	       (owner && in->dead && in->dead(in->user, owner));
}

/* --- who is alive --------------------------------------------------------- */

typedef bool (*object_test)(const struct clean_input *in, const json_t *obj,
			    const void *arg);

static bool clean_plan_is_ours(const json_t *obj)
{
	return str_eq(object_label(obj, KT_LABEL_CONTROL),
		      KT_LABEL_CONTROL_VALUE);
}

static bool any_of(const struct clean_input *in, const json_t *list,
		   object_test test, const void *arg)
{
	const json_t *obj;
	size_t i;

	json_array_foreach (list, i, obj)
		if (clean_plan_is_ours(obj) && test(in, obj, arg))
			return true;
	return false;
}

static bool any_workload(const struct clean_input *in, object_test test,
			 const void *arg)
{
	return any_of(in, in->pods, test, arg) ||
	       any_of(in, in->deployments, test, arg);
}

static bool is_live_mesh_of(const struct clean_input *in, const json_t *obj,
			    const void *prefix)
{
	return !has_expired(in, obj) && is_role(obj, KT_ROLE_MESH) &&
	       !object_annotation(obj, KT_ANNOTATION_ROUTE) &&
	       str_starts(object_name(obj), prefix);
}

static bool is_locked(const struct clean_input *in, const json_t *service)
{
	int64_t age = service_lock_age(service, in->now);
	auto_free char *owner = service_lock_owner(service);

	return age >= 0 && age < MIN(KT_LOCK_LIFE + 1, in->age) &&
	       !(owner && in->dead && in->dead(in->user, owner));
}

static const json_t *clean_plan_find(const json_t *list, const char *name)
{
	const json_t *obj;
	size_t i;

	json_array_foreach (list, i, obj)
		if (strcmp(object_name(obj), name) == 0)
			return obj;
	return NULL;
}

/* Of what has no heartbeat: whoever made it has taken it into use, or has lost
 * the lock */
static bool clean_plan_is_old(const struct clean_input *in, const json_t *obj)
{
	int64_t age = envobject_age(obj, in->now);

	return age >= 0 && age >= MIN(KT_LOCK_LIFE + 1, in->age);
}

/* It has no user of its own; who is about to use it has the lock */
static bool clean_plan_is_env_router(const struct clean_input *in,
				     const json_t *obj)
{
	auto_free char *name = NULL;
	const json_t *service;

	if (!envobject_is_router(obj) || !clean_plan_is_old(in, obj))
		return false;
	name = object_config(obj, "service");
	service = name ? clean_plan_find(in->services, name) : NULL;
	return !service || !is_locked(in, service);
}

/* The router of Service @name, which has no live record: its user is killed, or
 * has the lock and is about to write one. Of KT Connect's nobody can say. */
static bool clean_plan_is_left_router(const struct clean_input *in,
				      const json_t *obj, const char *name)
{
	const json_t *service = clean_plan_find(in->services, name);

	return object_annotation(obj, KT_ANNOTATION_HEARTBEAT) &&
	       object_is_of_ktctl(obj) && !(service && is_locked(in, service));
}

/* A router is as alive as its users: who makes or joins one has written his
 * record by then. KT Connect's users may have none, and it renews a router's
 * heartbeat only while its creator runs. */
static bool clean_plan_is_alive(const struct clean_input *in, const json_t *obj)
{
	auto_free char *service = NULL, *prefix = NULL;

	service = is_role(obj, KT_ROLE_ROUTER) ? object_config(obj, "service")
					       : NULL;
	if (service) {
		prefix = mesh_record_prefix(service);
		if (any_workload(in, is_live_mesh_of, prefix) ||
		    any_of(in, in->services, is_live_mesh_of, prefix))
			return true;
		if (clean_plan_is_left_router(in, obj, service))
			return false;
	}
	return !has_expired(in, obj) && !clean_plan_is_env_router(in, obj);
}

static bool is_live_target(const struct clean_input *in, const json_t *obj,
			   const void *selector)
{
	return selector_matches(selector, object_pod_labels(obj)) &&
	       clean_plan_is_alive(in, obj);
}

static bool is_live_name(const struct clean_input *in, const json_t *obj,
			 const void *name)
{
	return strcmp(object_name(obj), name) == 0 &&
	       clean_plan_is_alive(in, obj);
}

static const json_t *clean_plan_selector_of(const json_t *service)
{
	return json_at(service, "spec", "selector", NULL);
}

/* Somebody alive answers for @service */
static bool is_served(const struct clean_input *in, const json_t *service)
{
	return any_workload(in, is_live_target,
			    clean_plan_selector_of(service));
}

/* --- Services ------------------------------------------------------------- */

/* A Service of the user's that something of ours has taken over */
static bool is_taken(const json_t *service)
{
	return object_annotation(service, KT_ANNOTATION_SELECTOR) ||
	       (json_object_get(clean_plan_selector_of(service),
				KT_LABEL_ROLE) &&
		!object_label(service, KT_LABEL_CONTROL));
}

static void clean_plan_keep(struct clean_plan *p, const char *fmt,
			    const char *name)
{
	auto_free char *text = xasprintf("Service %s %s", name, fmt);

	json_array_append_new(p->kept, json_string(text));
}

static void plan_user_service(struct clean_plan *p,
			      const struct clean_input *in, json_t *service)
{
	json_t *whole;

	if (is_locked(in, service))
		return; /* somebody changes it at this moment */
	if (is_taken(service) && !is_served(in, service)) {
		whole = service_restored(service);
		if (whole) {
			json_array_append(p->recover, service);
			json_decref(whole);
			return;
		}
		clean_plan_keep(
			p,
			"points to a shadow whose user is gone, and its own "
			"selector is not known: set spec.selector by hand",
			object_name(service));
	}
	if (object_annotation(service, KT_ANNOTATION_LOCK) ||
	    object_annotation(service, KT_ANNOTATION_MANAGERS))
		json_array_append(p->unlock, service);
}

/* The Service that @stuntman is the stand-in (the origin) of */
static const json_t *clean_plan_stuntman_of(const struct clean_input *in,
					    const json_t *stuntman)
{
	const json_t *owner;
	size_t i;

	if (!str_ends(object_name(stuntman), KT_STUNTMAN))
		return NULL;
	json_array_foreach (in->services, i, owner) {
		auto_free char *name = stuntman_name(object_name(owner));

		if (strcmp(name, object_name(stuntman)) == 0)
			return owner;
	}
	return NULL;
}

static bool is_needed_stuntman(const struct clean_input *in,
			       const json_t *service)
{
	const json_t *owner = clean_plan_stuntman_of(in, service);

	/* whoever has the lock is about to use it */
	return owner && (is_locked(in, owner) ||
			 (is_taken(owner) && is_served(in, owner)));
}

static bool clean_plan_is_router_of(const struct clean_input *in,
				    const json_t *obj, const void *name)
{
	auto_free char *service = is_role(obj, KT_ROLE_ROUTER)
					  ? object_config(obj, "service")
					  : NULL;

	return str_eq(service, name) && clean_plan_is_alive(in, obj);
}

/* Made for a router of environments, and as that one it has no heartbeat. Who
 * may not list routers does not know whether it is needed. */
static bool clean_plan_is_left_stuntman(const struct clean_input *in,
					const json_t *service)
{
	const json_t *owner = clean_plan_stuntman_of(in, service);

	if (!in->deployments || !str_ends(object_name(service), KT_STUNTMAN) ||
	    object_annotation(service, KT_ANNOTATION_HEARTBEAT) ||
	    !clean_plan_is_old(in, service))
		return false;
	return !owner ||
	       !(is_locked(in, owner) ||
		 any_workload(in, clean_plan_is_router_of, object_name(owner)));
}

static void plan_own_service(struct clean_plan *p, const struct clean_input *in,
			     json_t *service)
{
	if ((has_expired(in, service) ||
	     clean_plan_is_left_stuntman(in, service)) &&
	    !object_is_ending(service) && !is_needed_stuntman(in, service) &&
	    !is_served(in, service))
		json_array_append(p->services, service);
}

/* --- Pods, Deployments, ConfigMaps ---------------------------------------- */

/* A Service that still leads to @obj and will not be recovered */
static bool is_stuck_on(const struct clean_plan *p,
			const struct clean_input *in, const json_t *obj)
{
	const json_t *service;
	size_t i;

	json_array_foreach (in->services, i, service)
		if (is_taken(service) &&
		    selector_matches(clean_plan_selector_of(service),
				     object_pod_labels(obj)) &&
		    !clean_plan_find(p->recover, object_name(service)))
			return true;
	return false;
}

static bool is_live_exchange_of(const struct clean_input *in, const json_t *obj,
				const void *labels)
{
	return !has_expired(in, obj) && is_role(obj, KT_ROLE_EXCHANGE) &&
	       selector_matches(labels, object_pod_labels(obj));
}

static bool clean_plan_scales(void *user, const json_t *obj, bool told)
{
	const struct clean_input *in = user;

	(void)told;
	return !any_workload(
		in, is_live_exchange_of,
		json_at(obj, "spec", "selector", "matchLabels", NULL));
}

/* The one thing that knows how many Pods a workload shall have, which somebody
 * alive has scaled down once more? */
static bool clean_plan_knows(const struct clean_input *in,
			     const json_t *workloads, const char *kind,
			     const json_t *shadow)
{
	auto_json json_t *told = json_object();
	const json_t *obj;
	size_t i;

	scale_list_tell(told, shadow);
	json_array_foreach (workloads, i, obj)
		if (scale_list_told(told, kind, object_name(obj)) >
			    workload_record(obj) &&
		    workload_replicas(obj) == 0 &&
		    !clean_plan_scales((void *)(uintptr_t)in, obj, true))
			return true;
	return false;
}

static void plan_workloads(struct clean_plan *p, const struct clean_input *in,
			   const json_t *list, json_t *told, json_t *out)
{
	json_t *obj;
	size_t i;

	json_array_foreach (list, i, obj) {
		if (!clean_plan_is_ours(obj) || clean_plan_is_alive(in, obj) ||
		    is_stuck_on(p, in, obj) || object_is_ending(obj) ||
		    clean_plan_knows(in, in->deployments, "Deployment", obj) ||
		    clean_plan_knows(in, in->statefulsets, "StatefulSet", obj))
			continue;
		scale_list_tell(told, obj);
		json_array_append(out, obj);
	}
}

/* What is removed now does not need it any more */
static bool clean_plan_program_used(const json_t *workloads,
				    const json_t *removed, const char *name)
{
	const json_t *obj;
	size_t i;

	json_array_foreach (workloads, i, obj)
		if (program_used_by(obj, name) &&
		    !clean_plan_find(removed, object_name(obj)))
			return true;
	return false;
}

/* A shadow's program has no user of its own: whoever mounts it needs it */
static bool clean_plan_drops_program(const struct clean_plan *p,
				     const struct clean_input *in,
				     const json_t *obj)
{
	const char *name = object_name(obj);

	return program_expired(obj, in->now, in->age) &&
	       !clean_plan_program_used(in->pods, p->pods, name) &&
	       !clean_plan_program_used(in->deployments, p->deployments, name);
}

static bool clean_plan_drops_map(const struct clean_plan *p,
				 const struct clean_input *in, json_t *obj)
{
	if (object_is_ending(obj))
		return false;
	if (is_role(obj, KT_ROLE_PROGRAM))
		return clean_plan_drops_program(p, in, obj);
	return has_expired(in, obj) &&
	       !any_workload(in, is_live_name, object_name(obj));
}

static void plan_configmaps(struct clean_plan *p, const struct clean_input *in)
{
	json_t *obj;
	size_t i;

	json_array_foreach (in->configmaps, i, obj)
		if (clean_plan_drops_map(p, in, obj))
			json_array_append(p->configmaps, obj);
}

static bool clean_plan_has_ended(const struct clean_input *in,
				 const json_t *job)
{
	struct env_info info;
	bool ended = env_info_read(&info, job) == 0 &&
		     !env_info_is_alive(&info, in->now);

	env_info_fini(&info);
	return ended || (share_after_is(job) &&
			 share_after_is_over(job, in->jobs, in->now));
}

static void plan_jobs(struct clean_plan *p, const struct clean_input *in)
{
	json_t *job;
	size_t i;

	json_array_foreach (in->jobs, i, job) {
		enum hook_left hook = hook_left(job, in->jobs, in->now);
		auto_free char *text = NULL;

		if (!object_is_ending(job) && clean_plan_has_ended(in, job))
			json_array_append(p->jobs, job);
		if (hook != HOOK_LEFT_WAITS && hook != HOOK_LEFT_RUNS)
			continue;
		text = hook_left_text(job);
		json_array_append_new(p->hooks, json_string(text));
	}
}

void clean_plan_make(struct clean_plan *p, const struct clean_input *input)
{
	auto_json json_t *live =
		input->jobs ? env_table_live(input->jobs, input->now) : NULL;
	struct clean_input all = *input, *in = &all;
	auto_json json_t *told = json_object();
	const struct scale_list_from from = {
		.told = told,
		.deployments = in->deployments,
		.statefulsets = in->statefulsets,
		.wanted = clean_plan_scales,
		.user = in,
	};
	json_t *service;
	size_t i;

	all.live = live;

	*p = (struct clean_plan){
		.recover = json_array(),
		.unlock = json_array(),
		.jobs = json_array(),
		.hooks = json_array(),
		.pods = json_array(),
		.deployments = json_array(),
		.services = json_array(),
		.configmaps = json_array(),
		.kept = json_array(),
	};
	json_array_foreach (in->services, i, service) {
		if (clean_plan_is_ours(service))
			plan_own_service(p, in, service);
		else
			plan_user_service(p, in, service);
	}
	plan_jobs(p, in);
	plan_workloads(p, in, in->pods, told, p->pods);
	plan_workloads(p, in, in->deployments, told, p->deployments);
	p->scale = scale_list_make(&from);
	plan_configmaps(p, in);
}

void clean_plan_fini(struct clean_plan *p)
{
	json_decref(p->recover);
	json_decref(p->scale);
	json_decref(p->unlock);
	json_decref(p->jobs);
	json_decref(p->hooks);
	json_decref(p->pods);
	json_decref(p->deployments);
	json_decref(p->services);
	json_decref(p->configmaps);
	json_decref(p->kept);
	*p = (struct clean_plan){ 0 };
}

bool clean_plan_empty(const struct clean_plan *p)
{
	return !json_array_size(p->recover) && !json_array_size(p->scale) &&
	       !json_array_size(p->unlock) && !json_array_size(p->jobs) &&
	       !json_array_size(p->pods) && !json_array_size(p->deployments) &&
	       !json_array_size(p->services) &&
	       !json_array_size(p->configmaps) && !json_array_size(p->hooks);
}
