/* SPDX-License-Identifier: Apache-2.0 */
#include "env/member.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/takeover.h"
#include "env/workload.h"
#include "kube/rest.h"
#include "uplink/shadow.h"

#include <errno.h>
#include <string.h>

/* Records that select by our labels alone find no copy but their own */
#define MEMBER_SELECTING                                                       \
	"labelSelector=" KT_LABEL_ENV_LEADS "%21%3D" KT_ENV_LEADS_OWN

static int member_list(const struct job *job, const char *api,
		       const char *resource, const char *query, json_t **items,
		       struct kt_error *err)
{
	auto_free char *path = kube_path(api, resource, job->ns, NULL, NULL);
	auto_json json_t *list = NULL;
	int rc = kube_list(job->kube, path, query, &list, err);

	*items = json_incref(json_object_get(list, "items"));
	return rc;
}

/* --- --image -------------------------------------------------------------- */

/* What admission and quota say to it, before anything is made */
static int member_try(const struct job *job, const json_t *deployment,
		      struct kt_error *err)
{
	auto_free char *path =
		kube_path("apps/v1", "deployments", job->ns, NULL, NULL);
	const struct kube_request req = {
		.method = "POST",
		.path = path,
		.query = "dryRun=All",
		.body = (json_t *)(uintptr_t)deployment
	};
	int rc = kube_call(job->kube, &req, NULL, err);

	/* one that is there belongs to the member whose place this takes */
	if (rc == -EEXIST) {
		*err = (struct kt_error){ 0 };
		return 0;
	}
	return rc < 0 ? kt_wrap(err, rc, "a copy of the workload of Service %s",
				job->name)
		      : 0;
}

static int member_copy(struct member *m, struct env_join *j,
		       const struct workload *w, const json_t *services,
		       const json_t *policies, struct kt_error *err)
{
	const struct job *job = &j->mesh.job;
	const struct env_options *e = &j->o->env;
	auto_free char *of = workload_text(w);
	char target[KT_TARGET_SIZE];
	const struct copy_spec spec = {
		.env = j->info.name,
		.service = job->service,
		.of = of,
		.template = w->template,
		.selector = w->selector,
		.claims = w->claims,
		.services = services,
		.policies = policies,
		.image = e->image,
		.set = &e->set,
		.env_from = &e->env_from,
		.replicas = e->replicas,
		.idle = e->idle,
		.wake_timeout = e->wake_timeout,
		.on_join = e->on_join,
		.on_delete = e->on_delete,
		.always_pull = job->global->pod.force_update,
		.target = target,
		.user = shadow_user(),
		.owner = j->owner,
	};
	int rc;

	target_make(target);
	if (w->others)
		log_warn("behind Service %s are also %s: the copy is of %s",
			 job->name, w->others, of);
	rc = copy_make(&m->copy, &spec, err);
	for (size_t i = 0; i < m->copy.warnings.n; i++)
		log_warn("%s", m->copy.warnings.v[i]);
	return rc;
}

static int member_of_image(struct member *m, struct env_join *j,
			   struct kt_error *err)
{
	struct job *job = &j->mesh.job;
	auto_json json_t *services = NULL, *policies = NULL;
	struct kt_error why = { 0 };
	struct workload w = { 0 };
	int rc = member_list(job, "v1", "services", MEMBER_SELECTING, &services,
			     err);

	if (rc == 0 &&
	    member_list(job, "networking.k8s.io/v1", "networkpolicies", NULL,
			&policies, &why) < 0)
		log_debug("%s", why.msg); /* not everybody may see them */
	if (rc == 0)
		rc = workload_find(job->kube, job->ns, job->name, job->original,
				   &w, err);
	if (rc == 0)
		rc = member_copy(m, j, &w, services, policies, err);
	workload_fini(&w);
	if (rc < 0)
		return rc;
	m->text = xasprintf("image %s", j->o->env.image);
	if (j->o->env.idle)
		rc = idle_plan(&m->idle, &m->copy, err);
	m->selector =
		json_incref(m->idle.name ? m->idle.selector : m->copy.selector);
	m->ports = json_incref(m->idle.name ? m->idle.ports : m->copy.ports);
	if (rc == 0)
		rc = member_try(job, m->copy.deployment, err);
	return rc == 0 && m->idle.name ? idle_try(j, err) : rc;
}

/* --- --selector ----------------------------------------------------------- */

/* One that the Service's own selector finds is in the trunk as well */
static void member_warn_trunk(const struct job *job, const json_t *pods)
{
	const json_t *pod;
	size_t i;

	json_array_foreach (pods, i, pod)
		if (selector_matches(job->original, object_pod_labels(pod))) {
			log_warn("Pod %s is one of Service %s's own, too: the "
				 "trunk's requests reach it as well",
				 object_name(pod), job->name);
			return;
		}
}

int member_check_pods(const json_t *pods, struct kt_error *err)
{
	const json_t *pod;
	size_t i;

	json_array_foreach (pods, i, pod) {
		if (!json_is_true(json_at(pod, "spec", "hostNetwork", NULL)))
			continue;
		kt_hint(err, "--image makes a copy with a network of its own");
		return kt_fail(err, EOPNOTSUPP,
			       "Pod %s has its node's network: by the node's "
			       "address nobody could tell its calls from "
			       "those of others there",
			       object_name(pod));
	}
	return 0;
}

static int member_of_selector(struct member *m, struct env_join *j,
			      struct kt_error *err)
{
	const struct job *job = &j->mesh.job;
	auto_free char *path = kube_path("v1", "pods", job->ns, NULL, NULL);
	auto_free char *query = NULL, *text = xstrdup("");
	auto_json json_t *list = NULL;
	const struct pairs *p = &j->o->env.selector;
	int rc;

	m->selector = objects_pairs(p);
	query = selector_query(m->selector);
	for (size_t i = 0; i < p->n; i++) {
		char *more = xasprintf("%s%s%s=%s", text, i ? "," : "",
				       p->v[i].key, p->v[i].value);

		free(text);
		text = more;
	}
	rc = kube_list(job->kube, path, query, &list, err);
	if (rc < 0)
		return rc;
	if (!json_array_size(json_object_get(list, "items")))
		return kt_fail(err, ENOENT,
			       "namespace %s has no Pod with the labels %s",
			       job->ns, text);
	rc = member_check_pods(json_object_get(list, "items"), err);
	if (rc < 0)
		return rc;
	member_warn_trunk(job, json_object_get(list, "items"));
	m->text = xasprintf("selector %s", text);
	m->ports = json_deep_copy(json_at(job->service, "spec", "ports", NULL));
	return 0;
}

/* --- --service ------------------------------------------------------------ */

static bool member_same_proto(const json_t *a, const json_t *b)
{
	const char *x = json_str(a, "protocol", NULL);
	const char *y = json_str(b, "protocol", NULL);

	return strcmp(x ? x : "TCP", y ? y : "TCP") == 0;
}

/* The port of @others that stands for @port; NULL: none, or not clear */
static const json_t *member_port(const json_t *port, const json_t *others,
				 bool alone)
{
	const char *name = json_str(port, "name", NULL);
	json_int_t number = json_integer_value(json_object_get(port, "port"));
	const json_t *o, *by_number = NULL;
	size_t i;

	json_array_foreach (others, i, o) {
		if (!member_same_proto(port, o))
			continue;
		if (name && str_eq(json_str(o, "name", NULL), name))
			return o;
		if (json_integer_value(json_object_get(o, "port")) == number)
			by_number = o;
	}
	if (!by_number && alone && json_array_size(others) == 1 &&
	    member_same_proto(port, json_array_get(others, 0)))
		return json_array_get(others, 0);
	return by_number;
}

json_t *member_ports(const json_t *service, const json_t *other,
		     struct kt_error *err)
{
	const json_t *ports = json_at(service, "spec", "ports", NULL), *port;
	const json_t *others = json_at(other, "spec", "ports", NULL);
	json_t *out = json_array();
	size_t i;

	json_array_foreach (ports, i, port) {
		const json_t *o =
			member_port(port, others, json_array_size(ports) == 1);
		json_t *copy, *target;

		if (!o) {
			kt_fail(err, ENOENT,
				"Service %s has no port that stands for port "
				"%lld of Service %s",
				object_name(other),
				(long long)json_integer_value(
					json_object_get(port, "port")),
				object_name(service));
			json_decref(out);
			return NULL;
		}
		copy = json_deep_copy(port);
		target = json_object_get(o, "targetPort");
		json_object_set(copy, "targetPort",
				target ? target : json_object_get(o, "port"));
		json_array_append_new(out, copy);
	}
	return out;
}

static int member_check_service(const struct member *m, const struct job *job,
				struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "pods", job->ns, NULL, NULL);
	auto_free char *query = selector_query(m->selector);
	auto_json json_t *list = NULL;
	int rc = kube_list(job->kube, path, query, &list, err);

	return rc < 0 ? rc
		      : member_check_pods(json_object_get(list, "items"), err);
}

static int member_of_service(struct member *m, struct env_join *j,
			     struct kt_error *err)
{
	const struct job *job = &j->mesh.job;
	const char *name = j->o->env.service;
	auto_free char *path = kube_path("v1", "services", job->ns, name, NULL);
	auto_json json_t *other = NULL;
	int rc = kube_get(job->kube, path, &other, err);

	if (rc < 0)
		return kt_wrap(err, rc, "Service %s/%s", job->ns, name);
	if (strcmp(name, job->name) == 0)
		return kt_fail(err, EINVAL,
			       "--service %s: it is the Service itself", name);
	m->selector = service_original(other);
	if (!json_object_size(m->selector))
		return kt_fail(err, EINVAL,
			       "Service %s/%s has no selector: its Pods are "
			       "not known",
			       job->ns, name);
	m->text = xasprintf("service %s", name);
	m->ports = member_ports(job->service, other, err);
	return m->ports ? member_check_service(m, job, err) : -err->code;
}

/* --- all of them ---------------------------------------------------------- */

int member_prepare(struct member *m, struct env_join *j, struct kt_error *err)
{
	const struct env_options *e = &j->o->env;

	*m = (struct member){ 0 };
	return e->image	    ? member_of_image(m, j, err)
	       : e->service ? member_of_service(m, j, err)
			    : member_of_selector(m, j, err);
}

void member_fini(struct member *m)
{
	copy_fini(&m->copy);
	idle_fini(&m->idle);
	json_decref(m->selector);
	json_decref(m->ports);
	free(m->text);
	*m = (struct member){ 0 };
}

/* This one, whatever its controller writes into it; another of its name is the
 * next member's */
static int member_remove_copy(const struct member_place *at, const json_t *obj,
			      struct kt_error *err)
{
	auto_free char *path = kube_path("apps/v1", "deployments", at->ns,
					 object_name(obj), NULL);
	auto_json json_t *as =
		json_pack("{s:{s:s*}}", "metadata", "uid",
			  json_str(obj, "metadata", "uid", NULL));
	int rc = kube_delete_as(at->kube, path, as, -1, err);

	if (rc != -EBUSY)
		return rc;
	*err = (struct kt_error){ 0 };
	return 0;
}

static int member_remove(const struct member_place *at, const char *target,
			 bool but, struct kt_error *err)
{
	auto_free char *all =
		kube_path("apps/v1", "deployments", at->ns, NULL, NULL);
	auto_free char *labels = xasprintf(KT_LABEL_ENV "=%s", at->env);
	auto_free char *query = kube_query(NULL, "labelSelector", labels);
	auto_json json_t *list = NULL;
	const json_t *obj;
	size_t i;
	int rc = kube_list(at->kube, all, query, &list, err);

	json_array_foreach (json_object_get(list, "items"), i, obj)
		if (rc == 0 &&
		    str_eq(object_label(obj, KT_LABEL_ENV_OF), at->service) &&
		    (!target || but != str_eq(json_str(object_pod_labels(obj),
						       KT_LABEL_TARGET, NULL),
					      target)))
			rc = member_remove_copy(at, obj, err);
	return rc;
}

int member_remove_copies(const struct member_place *at, const char *target,
			 struct kt_error *err)
{
	return member_remove(at, target, false, err);
}

int member_remove_copies_but(const struct member_place *at, const char *target,
			     struct kt_error *err)
{
	return member_remove(at, target, true, err);
}
