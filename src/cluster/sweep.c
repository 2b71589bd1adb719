/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/sweep.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "cluster/program.h"
#include "kube/rest.h"

#include <string.h>

#define PROGRAMS "labelSelector=kt-role%3D" KT_ROLE_PROGRAM
#define SHADOWS "labelSelector=kt-role" /* those of Deployments, too */
#define QUERY "labelSelector=control-by%3Dkt%2Ckt-role%3D" KT_ROLE_CONNECT

bool sweep_expired(const json_t *obj, int64_t now)
{
	const char *beat = object_annotation(obj, KT_ANNOTATION_HEARTBEAT);
	long at;

	return beat && str_to_long(beat, &at) == 0 &&
	       at < now - MAX(SWEEP_AGE, object_kept(obj));
}

static void on_deleted(void *user, const struct kube_reply *r)
{
	(void)user;
	if (r->err)
		log_debug("sweep: %s", r->err->msg);
}

static void delete_one(struct kube *k, const char *api, const char *resource,
		       const json_t *obj, const char *why)
{
	const char *ns = json_str(obj, "metadata", "namespace", NULL);
	const char *name = json_str(obj, "metadata", "name", NULL);
	auto_free char *path = kube_path(api, resource, ns, name, NULL);
	/* not the object that somebody has touched meanwhile */
	auto_json json_t *options = json_pack(
		"{s:i, s:{s:s*, s:s*}}", "gracePeriodSeconds", 0,
		"preconditions", "uid", json_str(obj, "metadata", "uid", NULL),
		"resourceVersion",
		json_str(obj, "metadata", "resourceVersion", NULL));
	struct kube_request req = { .method = "DELETE",
				    .path = path,
				    .body = options };

	log_info("removing %s %s/%s: %s", resource, ns, name, why);
	kube_request_start(k, &req, on_deleted, NULL);
}

static void sweep_sweep(struct kube *k, const struct kube_reply *r,
			const char *api, const char *resource)
{
	int64_t now = kube_cluster_time(k);
	json_t *item;
	size_t i;

	if (r->err) {
		log_debug("sweep: %s", r->err->msg);
		return;
	}
	json_array_foreach (json_object_get(r->json, "items"), i, item)
		if (sweep_expired(item, now))
			delete_one(k, api, resource, item, "its user is gone");
}

static void sweep_on_pods(void *user, const struct kube_reply *r)
{
	sweep_sweep(user, r, "v1", "pods");
}

static void on_deployments(void *user, const struct kube_reply *r)
{
	sweep_sweep(user, r, "apps/v1", "deployments");
}

static void sweep_dead_of(struct kube *k, const char *ns, const char *api,
			  const char *resource,
			  bool (*dead)(void *user, const json_t *obj),
			  void *user)
{
	auto_free char *path = kube_path(api, resource, ns, NULL, NULL);
	auto_json json_t *list = NULL;
	struct kt_error err = { 0 };
	json_t *obj;
	size_t i;

	if (kube_list(k, path, QUERY, &list, &err) < 0)
		log_debug("sweep: %s", err.msg);
	json_array_foreach (json_object_get(list, "items"), i, obj) {
		auto_free char *one =
			kube_path(api, resource, ns, object_name(obj), NULL);

		if (!dead(user, obj))
			continue;
		log_info("removing %s %s/%s, which a killed ktctl has left",
			 resource, ns, object_name(obj));
		if (kube_delete_as(k, one, obj, 0, &err) < 0)
			log_debug("sweep: %s", err.msg);
	}
}

void sweep_dead(struct kube *k, const char *ns,
		bool (*dead)(void *user, const json_t *obj), void *user)
{
	sweep_dead_of(k, ns, "v1", "pods", dead, user);
	sweep_dead_of(k, ns, "apps/v1", "deployments", dead, user);
}

void sweep_start(struct kube *k, const char *ns)
{
	auto_free char *pods = kube_path("v1", "pods", ns, NULL, NULL);
	auto_free char *deployments =
		kube_path("apps/v1", "deployments", ns, NULL, NULL);
	struct kube_request req = { .method = "GET",
				    .path = pods,
				    .query = QUERY };

	kube_request_start(k, &req, sweep_on_pods, k);
	req.path = deployments;
	kube_request_start(k, &req, on_deployments, k);
}

/* --- programs that no shadow uses ----------------------------------------- */

struct sweep_programs {
	struct kube *kube;
	char *ns;
	struct kube_op *op;
	json_t *old; /* those that could go */
};

static void sweep_on_users(void *user, const struct kube_reply *r)
{
	struct sweep_programs *s = user;
	const json_t *pods = json_object_get(r->json, "items"), *pod;
	json_t *obj;
	size_t i, k;

	s->op = NULL;
	if (r->err) {
		log_debug("sweep: %s", r->err->msg);
		return;
	}
	json_array_foreach (s->old, i, obj) {
		bool used = false;

		json_array_foreach (pods, k, pod)
			used |= program_used_by(pod, object_name(obj));
		if (!used)
			delete_one(s->kube, "v1", "configmaps", obj,
				   "no shadow uses it");
	}
}

static void sweep_on_programs(void *user, const struct kube_reply *r)
{
	struct sweep_programs *s = user;
	int64_t now = kube_cluster_time(s->kube);
	const struct program *own = program_for(objects_arch());
	auto_free char *path = kube_path("v1", "pods", s->ns, NULL, NULL);
	const struct kube_request req = { .method = "GET",
					  .path = path,
					  .query = SHADOWS };
	char name[PROGRAM_NAME_SIZE] = "";
	json_t *obj;
	size_t i;

	s->op = NULL;
	if (r->err) {
		log_debug("sweep: %s", r->err->msg);
		return;
	}
	if (own)
		program_name(own, name);
	json_array_foreach (json_object_get(r->json, "items"), i, obj)
		if (program_expired(obj, now, SWEEP_AGE) &&
		    strcmp(object_name(obj), name) != 0)
			json_array_append(s->old, obj);
	if (json_array_size(s->old))
		s->op = kube_request_start(s->kube, &req, sweep_on_users, s);
}

struct sweep_programs *sweep_programs_start(struct kube *k, const char *ns)
{
	struct sweep_programs *s = xcalloc(1, sizeof(*s));
	auto_free char *path = kube_path("v1", "configmaps", ns, NULL, NULL);
	const struct kube_request req = { .method = "GET",
					  .path = path,
					  .query = PROGRAMS,
					  .as = KUBE_METADATA_LIST };

	s->kube = k;
	s->ns = xstrdup(ns);
	s->old = json_array();
	s->op = kube_request_start(k, &req, sweep_on_programs, s);
	return s;
}

void sweep_programs_stop(struct sweep_programs *s)
{
	if (!s)
		return;
	kube_request_cancel(s->op);
	json_decref(s->old);
	free(s->ns);
	free(s);
}
