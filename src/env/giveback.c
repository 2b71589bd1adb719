/* SPDX-License-Identifier: Apache-2.0 */
#include "env/giveback.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/heartbeat.h"
#include "cluster/objects.h"
#include "cluster/route.h"
#include "cluster/svcports.h"
#include "cluster/takeover.h"
#include "cluster/update.h"
#include "env/find.h"
#include "env/table.h"
#include "inbound/lease_env.h"
#include "inbound/recover.h"
#include "inbound/recover_plan.h"
#include "kube/rest.h"
#include "local/owner.h"

#include <errno.h>
#include <string.h>

#define GIVEBACK_OURS "labelSelector=control-by%3Dkt"
/* who may live for a Service without a record; a member's copies do not */
#define GIVEBACK_USERS                                                         \
	GIVEBACK_OURS "%2Ckt-role%20in%20%28" KT_ROLE_MESH                     \
		      "%2C" KT_ROLE_EXCHANGE "%29"

bool env_record_is_alive(const json_t *record, const json_t *live, int64_t now,
			 const struct home *home)
{
	const char *env = object_label(record, KT_LABEL_ENV);
	const char *owner = object_annotation(record, KT_ANNOTATION_OWNER);
	int64_t age = object_age(record, KT_ANNOTATION_HEARTBEAT, now);

	if (object_is_ending(record) || envobject_has_expired(record, now))
		return false;
	if (env && !env_table_lives(live, record))
		return false;
	if (home && owner && owner_is_dead(home, owner))
		return false;
	return age < 0 ||
	       age <= (object_is_of_ktctl(record) ? HEARTBEAT_DEAD
						  : HEARTBEAT_DEAD_KT);
}

static int giveback_list(const struct giveback *g, const char *api,
			 const char *resource, const char *query, json_t **list,
			 struct kt_error *err)
{
	auto_free char *path = kube_path(api, resource, g->ns, NULL, NULL);

	return kube_list(g->kube, path, query, list, err);
}

/* What a Service is used by, looked at once */
struct giveback_seen {
	json_t *services; /* List; records of one Service, or all */
	json_t *live;	  /* see env_table_live() */
	int64_t now;
};

static void giveback_forget(struct giveback_seen *s)
{
	json_decref(s->services);
	json_decref(s->live);
}

/* The records of one; or, with @service NULL, all Services. giveback_forget()
 * in any case. */
static int giveback_look(const struct giveback *g, const char *service,
			 struct giveback_seen *s, struct kt_error *err)
{
	auto_json json_t *jobs = NULL, *records = NULL;
	int rc;

	*s = (struct giveback_seen){ 0 };
	if (service) {
		records = json_array();
		rc = lease_env_records(g->kube, g->ns, service, &records, err);
		s->services = json_pack("{s:O}", "items", records);
	} else {
		rc = giveback_list(g, "v1", "services", NULL, &s->services,
				   err);
	}
	/* later than its records: else the environment of one could be new */
	if (rc == 0)
		rc = env_jobs(g->kube, g->ns, &jobs, err);
	s->now = kube_cluster_time(g->kube);
	s->live = env_table_live(jobs, s->now);
	return rc;
}

/* Somebody alive has a record of it, by its router or by routes */
static bool giveback_has_record(const struct giveback *g,
				const struct giveback_seen *s,
				const char *service)
{
	auto_free char *prefix = mesh_record_prefix(service);
	const json_t *obj;
	size_t i;

	json_array_foreach (json_object_get(s->services, "items"), i, obj)
		if (str_eq(object_label(obj, KT_LABEL_CONTROL),
			   KT_LABEL_CONTROL_VALUE) &&
		    str_eq(object_label(obj, KT_LABEL_ROLE), KT_ROLE_MESH) &&
		    str_starts(object_name(obj), prefix) &&
		    env_record_is_alive(obj, s->live, s->now, g->home))
			return true;
	return false;
}

/* A Pod, or a Deployment of one, of somebody who lives: mesh by hand, exchange,
 * a user of KT Connect's. A router is nobody's. */
static bool giveback_is_living(const struct giveback *g,
			       const struct giveback_seen *s, const json_t *obj,
			       const json_t *service, const json_t *original)
{
	const char *role = object_label(obj, KT_LABEL_ROLE);

	return (str_eq(role, KT_ROLE_MESH) || str_eq(role, KT_ROLE_EXCHANGE)) &&
	       object_annotation(obj, KT_ANNOTATION_HEARTBEAT) &&
	       recover_plan_serves(obj, service, original) &&
	       env_record_is_alive(obj, s->live, s->now, g->home);
}

/* 1: one of them is there. Who may not list them would not remove them. */
static int giveback_any_living(const struct giveback *g,
			       const struct giveback_seen *s, const char *api,
			       const char *resource, const json_t *service,
			       struct kt_error *err)
{
	auto_json json_t *original = service_original(service), *list = NULL;
	const json_t *obj;
	size_t i;
	int rc = giveback_list(g, api, resource, GIVEBACK_USERS, &list, err);

	if (rc == -EPERM) {
		*err = (struct kt_error){ 0 };
		return 0;
	}
	json_array_foreach (json_object_get(list, "items"), i, obj)
		if (giveback_is_living(g, s, obj, service, original))
			return 1;
	return MIN(rc, 0);
}

static int giveback_is_used(const struct giveback *g, const json_t *service,
			    struct kt_error *err)
{
	struct giveback_seen s;
	int rc = giveback_look(g, object_name(service), &s, err);

	if (rc == 0)
		rc = giveback_has_record(g, &s, object_name(service));
	if (rc == 0)
		rc = giveback_any_living(g, &s, "v1", "pods", service, err);
	if (rc == 0)
		rc = giveback_any_living(g, &s, "apps/v1", "deployments",
					 service, err);
	giveback_forget(&s);
	return rc;
}

/* The lock goes last: who waits for it finds the Service as it was before all
 * of us */
static int giveback_locked(const struct giveback *g, const json_t *obj,
			   const struct update_lock *lock, struct kt_error *err)
{
	const char *service = object_name(obj);
	int rc = giveback_is_used(g, obj, err), used = rc > 0;

	if (rc == 0)
		rc = recover_service_held(g->kube, g->ns, service, lock->since,
					  g->say, g->user, err);
	if (update_unlock(g->kube, g->ns, service, lock->since,
			  &(struct kt_error){ 0 }) < 0)
		log_debug("Service %s/%s stays locked", g->ns, service);
	return rc < 0 ? rc : !used;
}

static int giveback_try(const struct giveback *g, const json_t *service,
			struct kt_error *err)
{
	struct update_lock lock = { .now = kube_cluster_time(g->kube) };
	int rc = giveback_is_used(g, service, err);

	if (rc != 0)
		return MIN(rc, 0);
	/* who joins in this moment has the lock, and will have a record */
	rc = update_lock(g->kube, g->ns, object_name(service), &lock, err);
	return rc < 0 ? rc : giveback_locked(g, service, &lock, err);
}

int env_leave_service(const struct giveback *g, const char *service,
		      struct kt_error *err)
{
	auto_free char *path =
		kube_path("v1", "services", g->ns, service, NULL);
	auto_json json_t *obj = NULL;
	int rc = kube_get(g->kube, path, &obj, err);

	if (rc == -ENOENT) {
		*err = (struct kt_error){ 0 };
		return 0;
	}
	if (rc < 0)
		return rc;
	if (!str_eq(service_role(obj), KT_ROLE_ROUTER) &&
	    !service_is_reverted(obj))
		return 0;
	return giveback_try(g, obj, err);
}

/* The router that reads the table, and that @service leads to or that was made
 * for it */
static const json_t *giveback_router(const json_t *deployments,
				     const json_t *service)
{
	const json_t *selector = json_at(service, "spec", "selector", NULL);
	bool taken = str_eq(service_role(service), KT_ROLE_ROUTER);
	const json_t *obj;
	size_t i;

	json_array_foreach (deployments, i, obj) {
		auto_free char *of = object_config(obj, "service");

		if (envobject_is_router(obj) &&
		    (taken ? selector_matches(selector, object_pod_labels(obj))
			   : str_eq(of, object_name(service))))
			return obj;
	}
	return NULL;
}

/* Who made it was killed before the switch, or while giving back, or somebody
 * has put another selector there: it goes when it is older than a lock. What
 * somebody else has taken is his. */
static bool giveback_is_left(const struct giveback_seen *s,
			     const json_t *router, const json_t *service)
{
	return !service_role(service) && !object_is_ending(router) &&
	       envobject_age(router, s->now) > KT_LOCK_LIFE;
}

/* It has a router that nobody needs, and nobody is changing that */
static bool giveback_is_idle(const struct giveback *g,
			     const struct giveback_seen *s,
			     const json_t *deployments, const json_t *service)
{
	const json_t *router = giveback_router(deployments, service);
	int64_t age = service_lock_age(service, s->now);

	return router &&
	       (str_eq(service_role(service), KT_ROLE_ROUTER) ||
		giveback_is_left(s, router, service)) &&
	       (age < 0 || age > KT_LOCK_LIFE) &&
	       !giveback_has_record(g, s, object_name(service));
}

/* As it was seen, but the lock: it is taken now, or it is not */
static int giveback_one(const struct giveback *g, const json_t *service,
			struct kt_error *err)
{
	return service_role(service)
		       ? env_leave_service(g, object_name(service), err)
		       : giveback_try(g, service, err);
}

int env_give_back_idle(const struct giveback *g, struct kt_error *err)
{
	auto_json json_t *list = NULL;
	const json_t *deployments, *obj;
	struct giveback_seen s;
	int n = 0;
	size_t i;
	int rc = giveback_list(g, "apps/v1", "deployments", GIVEBACK_OURS,
			       &list, err);

	deployments = json_object_get(list, "items");
	if (rc < 0 || !json_array_size(deployments))
		return rc;
	rc = giveback_look(g, NULL, &s, err);
	json_array_foreach (json_object_get(s.services, "items"), i, obj) {
		if (rc < 0 || !giveback_is_idle(g, &s, deployments, obj))
			continue;
		rc = giveback_one(g, obj, err);
		n += rc > 0;
	}
	giveback_forget(&s);
	return rc < 0 ? rc : n;
}
