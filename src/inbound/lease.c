/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/lease.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cluster/route.h"
#include "cluster/takeover.h"
#include "inbound/lease_scale.h"
#include "inbound/recover.h"
#include "kube/rest.h"
#include "local/owner.h"

#include <errno.h>
#include <string.h>

#define SECOND_LOOK (4 * NS_SEC) /* a lost Pod's owner makes another */

/* Of this program, not KT Connect's */
static bool is_of_ktctl(const json_t *obj)
{
	const json_t *of_template =
		json_at(obj, "spec", "template", "spec", "containers", NULL);
	const json_t *containers =
		of_template ? of_template
			    : json_at(obj, "spec", "containers", NULL);
	const json_t *c, *e;
	size_t i, k;

	if (!containers) /* a record */
		return object_annotation(obj, KT_ANNOTATION_USER);
	/* a service mesh may have put its own before ours */
	json_array_foreach (containers, i, c)
		json_array_foreach (json_object_get(c, "env"), k, e)
			if (str_eq(json_str(e, "name", NULL), KT_ENV_SERVE))
				return true;
	return false;
}

bool lease_is_alive(const struct job *job, const json_t *obj)
{
	int64_t age = object_age(obj, KT_ANNOTATION_HEARTBEAT, job_now(job));

	if (owner_is_dead(job->app->home,
			  object_annotation(obj, KT_ANNOTATION_OWNER)))
		return false;
	return age < 0 ||
	       age <= (is_of_ktctl(obj) ? LEASE_DEAD : LEASE_DEAD_KT);
}

char *lease_users(const json_t *objects)
{
	struct strv seen = { 0 };
	char *text = xstrdup("");
	const json_t *obj;
	size_t i;

	json_array_foreach (objects, i, obj) {
		const char *user = object_annotation(obj, KT_ANNOTATION_USER);
		char *more;

		if (!user || strv_has(&seen, user))
			continue;
		strv_add(&seen, user);
		more = xasprintf("%s%s%s", text, *text ? ", " : "", user);
		free(text);
		text = more;
	}
	strv_fini(&seen);
	if (!*text) {
		free(text);
		text = xstrdup("somebody");
	}
	return text;
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

int lease_clear_pods(struct job *job, const json_t *labels,
		     struct kt_error *err)
{
	auto_json json_t *all = json_copy((json_t *)(uintptr_t)labels);
	auto_json json_t *pods = json_array();
	json_t *pod;
	size_t i;
	int rc;

	json_object_set_new(all, KT_LABEL_CONTROL,
			    json_string(KT_LABEL_CONTROL_VALUE));
	rc = list_labels(job, "v1", "pods", all, &pods, err);
	json_array_foreach (pods, i, pod) {
		auto_free char *path = kube_path("v1", "pods", job->ns,
						 object_name(pod), NULL);

		if (rc < 0 || lease_is_alive(job, pod))
			continue;
		rc = kube_delete(job->kube, path, 0, err);
		if (rc == -ENOENT)
			rc = 0;
	}
	return rc;
}

int lease_meshes(struct job *job, const char *but, json_t **out,
		 struct kt_error *err)
{
	auto_json json_t *labels =
		json_pack("{s:s,s:s}", KT_LABEL_CONTROL, KT_LABEL_CONTROL_VALUE,
			  KT_LABEL_ROLE, KT_ROLE_MESH);
	auto_free char *prefix = mesh_record_prefix(job->name);
	auto_json json_t *all = json_array();
	json_t *obj, *live;
	size_t i;
	int rc = list_labels(job, "v1", "services", labels, &all, err);

	if (rc < 0)
		return rc;
	live = json_array();
	json_array_foreach (all, i, obj)
		if (str_starts(object_name(obj), prefix) &&
		    !str_eq(object_name(obj), but) &&
		    !object_annotation(obj, KT_ANNOTATION_ROUTE) &&
		    lease_is_alive(job, obj))
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
		if (lease_is_alive(job, obj) &&
		    !json_at(obj, "metadata", "deletionTimestamp", NULL) &&
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
	rc = recover_service(job->kube, job->ns, job->name, lease_say, NULL,
			     err);
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
	auto_free char *users = lease_users(by);

	kt_hint(err,
		"when their ktctl is gone, 'ktctl recover %s' gives it back",
		job->name);
	return workload ? kt_fail(err, EBUSY, "%s is %s by %s", workload, how,
				  users)
			: kt_fail(err, EBUSY, "Service %s/%s is %s by %s",
				  job->ns, job->name, how, users);
}

static int check_router(struct job *job, bool mesh, const json_t *routers,
			struct kt_error *err)
{
	auto_json json_t *users = NULL;
	const json_t *pod;
	size_t i;
	int rc = lease_meshes(job, NULL, &users, err);

	if (rc < 0)
		return rc;
	json_array_foreach (routers, i, pod)
		if (mesh && !is_of_ktctl(pod))
			return kt_fail(err, EBUSY,
				       "Service %s/%s is meshed with the "
				       "router of KT Connect, which cannot be "
				       "shared",
				       job->ns, job->name);
	if (mesh)
		return 1;
	if (json_array_size(users) || any_alive(job, routers))
		return held(job, "meshed",
			    json_array_size(users) ? users : routers, err);
	return take_from_dead(job, err);
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

int lease_check(struct job *job, bool mesh, struct kt_error *err)
{
	auto_json json_t *shadows = json_array();
	const char *role = service_role(job->service);
	bool record = object_annotation(job->service, KT_ANNOTATION_SELECTOR);
	int rc;

	if (!record && !role)
		return lease_check_scaled(job, err);
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
		return check_router(job, mesh, shadows, err);
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
