/* SPDX-License-Identifier: Apache-2.0 */
/* mesh --mode auto: one router stands in front of the Service for all its
 * users. */
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/progress.h"
#include "cluster/envobject.h"
#include "cluster/takeover.h"
#include "inbound/handover.h"
#include "inbound/lease.h"
#include "inbound/mesh.h"
#include "inbound/probe.h"
#include "kube/rest.h"
#include "local/owner.h"

#include <errno.h>

/* Who may not see Deployments sees whose a Pod is */
static int router_of_pods(struct job *job, struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "pods", job->ns, NULL, NULL);
	auto_free char *query =
		selector_query(json_at(job->service, "spec", "selector", NULL));
	auto_json json_t *list = NULL;
	const json_t *pod;
	size_t i;
	int rc;

	if (!service_role(job->service))
		return 0;
	rc = kube_list(job->kube, path, query, &list, err);
	json_array_foreach (json_object_get(list, "items"), i, pod)
		if (json_at(pod, "metadata", "ownerReferences", NULL))
			return 1;
	return MIN(rc, 0);
}

/* Is there a router that stands for itself? 1: @target is its, if the Service
 * does not lead to another */
static int router_find_standing(struct job *job, const char *name,
				struct kt_error *err)
{
	auto_free char *path =
		kube_path("apps/v1", "deployments", job->ns, name, NULL);
	auto_json json_t *obj = NULL;
	struct kt_error why = { 0 };
	const char *role = service_role(job->service), *target;
	int rc = kube_get(job->kube, path, &obj, &why);

	if (rc == -ENOENT)
		return 0;
	if (rc == -EPERM) {
		rc = router_of_pods(job, err);
		if (rc <= 0)
			return rc;
		rc = -EPERM;
	}
	if (rc < 0) {
		*err = why;
		return rc;
	}
	target = object_label(obj, KT_LABEL_TARGET);
	if (!target || object_is_ending(obj) || !object_is_of_ktctl(obj) ||
	    (role && !str_eq(target, service_target(job->service))))
		return 0;
	snprintf(job->target, sizeof(job->target), "%s", target);
	return 1;
}

/* Which form the router has, before its users are asked for */
static int router_find_form(struct mesh *m, struct kt_error *err)
{
	struct job *job = &m->job;
	int rc;

	m->router = xasprintf("%s" KT_ROUTER, job->name);
	m->served = xasprintf("%s.%s", job->name, job->ns);
	rc = router_find_standing(job, m->router, err);
	if (rc < 0)
		return rc;
	job->face.standing = rc > 0 || m->env;
	if (job->face.standing)
		job->face.env_service = m->served;
	return 0;
}

static void router_face(struct mesh *m, bool join)
{
	struct job *job = &m->job;
	const char *target = join ? service_target(job->service) : NULL;

	if (target)
		snprintf(job->target, sizeof(job->target), "%s", target);
	else if (!job->target[0])
		target_make(job->target);
	job->selector = json_pack("{s:s,s:s}", KT_LABEL_ROLE, KT_ROLE_ROUTER,
				  KT_LABEL_TARGET, job->target);
	job->face.name = m->router;
	job->face.role = KT_ROLE_ROUTER;
	job->face.target = job->target;
	job->face.config = job->config_text;
}

static int router_look(struct job *job, const char *name, char *target,
		       struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "pods", job->ns, name, NULL);
	auto_json json_t *pod = NULL;
	const char *label;
	int rc = kube_get(job->kube, path, &pod, err);

	if (rc == -ENOENT) {
		*err = (struct kt_error){ 0 };
		return 0;
	}
	if (rc < 0)
		return rc;
	label = object_label(pod, KT_LABEL_TARGET);
	if (json_at(pod, "metadata", "deletionTimestamp", NULL) || !label)
		return 0;
	snprintf(target, KT_TARGET_SIZE, "%s", label);
	return 1;
}

/* A router that is there without a Service leading to it (its maker broke off)
 * has a target of its own */
static int router_adopt_target(struct mesh *m, struct kt_error *err)
{
	struct job *job = &m->job;
	char twin[256];
	int rc;

	if (job->face.standing)
		return 0; /* it was found before */
	rc = router_look(job, m->router, job->target, err);
	shadow_twin(m->router, twin);
	if (rc == 0)
		rc = router_look(job, twin, job->target, err);
	if (rc > 0)
		json_object_set_new(job->selector, KT_LABEL_TARGET,
				    json_string(job->target));
	return MIN(rc, 0);
}

int mesh_router_look(struct job *job, struct kt_error *err)
{
	struct mesh *m = mesh_of(job);
	int rc = mesh_look(m, err);

	if (rc == 0)
		rc = mesh_declared_look(m, err);
	if (rc == 0)
		rc = job_rules(job, &m->match, err);
	return rc == 0 ? job_check_callers(job, true, err) : rc;
}

int mesh_router_hold(struct job *job, struct kt_error *err)
{
	struct mesh *m = mesh_of(job);
	int rc, join = 0;

	if (m->declared)
		return mesh_declared_hold(m, err);
	rc = job_lock(job, err);
	if (rc == 0)
		rc = router_find_form(m, err);
	if (rc == 0)
		rc = join = lease_check(
			job, m->env ? LEASE_STANDING : LEASE_MARKED, err);
	if (rc < 0)
		return rc;
	mesh_warn_unmarked(job);
	job->config_text = xasprintf("service=%s", job->name);
	router_face(m, join);
	rc = mesh_record_make(m, err);
	if (rc == 0)
		rc = job_stuntman(job, err);
	if (rc == 0 && !join)
		rc = router_adopt_target(m, err);
	if (rc < 0)
		return rc;
	progress_done(job->app->progress, "Service %s/%s%s", job->ns, job->name,
		      join ? ", which has a router already" : "");
	return 0;
}

int mesh_router_claim(struct job *job, struct kt_error *err)
{
	int rc = mesh_router_look(job, err);

	return rc == 0 ? mesh_router_hold(job, err) : rc;
}

int mesh_router_start(struct job *job, struct kt_error *err)
{
	return job_shadow(job, true, err);
}

int mesh_router_switch(struct job *job, struct kt_error *err)
{
	int rc;

	if (mesh_of(job)->declared) {
		mesh_declared_switch(mesh_of(job));
		return 0;
	}
	progress_step(job->app->progress, "Switch Service %s", job->name);
	mesh_record_keep(mesh_of(job));
	rc = job_take(job, err);
	if (rc < 0)
		return rc;
	job_unlock(job);
	progress_detail(job->app->progress, "until a caller arrives");
	/* what is copied from here would come to its own Pods, too */
	probe_marked(job, job->copy ? NULL : &mesh_of(job)->match);
	progress_done(job->app->progress, "Service %s/%s leads to the router",
		      job->ns, job->name);
	return 0;
}

/* --- the end -------------------------------------------------------------- */

/* Am I the last one? When nobody can say, it is better to stay. */
static bool router_is_last(struct mesh *m)
{
	/* what has our record's name may be another's by now: it counts, too */
	const char *own = mesh_record_is_foreign(m) ? NULL : m->name;
	auto_json json_t *others = NULL;
	struct kt_error err = { 0 };

	if (lease_meshes(&m->job, own, &others, &err) < 0) {
		log_warn("the router of Service %s stays: %s", m->job.name,
			 err.msg);
		return false;
	}
	return !json_array_size(others);
}

static void router_leave(struct mesh *m, bool last)
{
	struct kt_error err = { 0 };

	/* nobody has seen the switch, so nobody has let the nodes learn of it
	 */
	if (last && !m->job.uplink && m->job.face.standing)
		(void)!job_settle(&m->job);

	handover_leave(&m->job, last);
	if (m->job.shadow && shadow_leave(m->job.shadow, last, &err) < 0)
		job_unfinished(&m->job, "%s: %s",
			       shadow_describe(m->job.shadow), err.msg);
}

/* It is there still where nothing was to be given back; in the same second
 * another may have written his */
static bool router_has_lock(struct job *job)
{
	const char *text = object_annotation(job->service, KT_ANNOTATION_LOCK);
	auto_free char *owner = service_lock_owner(job->service);
	long at;

	return text && str_to_long(text, &at) == 0 && at == job->locked &&
	       (!owner || str_eq(owner, owner_token(job->owner)));
}

/* The lock went with the selector, and draining takes its time: whoever has
 * joined since goes on with the router. Who cannot be seen may have: what stays
 * then is removed by `clean`. */
static bool router_is_last_still(struct mesh *m)
{
	struct kt_error err = { 0 };
	int rc = job_read(&m->job, &err);

	if (rc == 0 && !router_has_lock(&m->job))
		m->job.locked = 0;
	if (rc == 0)
		rc = job_lock(&m->job, &err);
	if (rc < 0 && rc != -ENOENT) {
		log_warn("the router of Service %s stays: %s", m->job.name,
			 err.msg);
		return false;
	}
	return router_is_last(m);
}

void mesh_router_undo(struct job *job)
{
	struct mesh *m = mesh_of(job);
	struct kt_error err = { 0 };
	bool last;

	if (m->declared) {
		mesh_declared_undo(m);
		return;
	}
	if (!m->recorded) { /* nothing was made */
		job_unlock(job);
		return;
	}
	/* so that nobody joins what goes away; without the lock it is a risk,
	 * but staying is none */
	if (job_lock(job, &err) < 0)
		log_debug("%s", err.msg);
	if (router_is_last(m)) {
		job->taken = true; /* by another of us, perhaps */
		if (job_give_back(job)) {
			job_drain(job);
			job_disconnect(job);
			last = router_is_last_still(m);
			router_leave(m, last);
			if (last)
				job_stuntman_remove(job);
		}
	} else {
		job_withdraw(job);
		job_disconnect(job);
		router_leave(m, false);
	}
	mesh_record_remove(m);
	job_unlock(job);
}
