/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/find.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/subject.h"
#include "cluster/objects.h"
#include "cluster/svcports.h"
#include "cluster/takeover.h"
#include "forward/target.h"
#include "kube/rest.h"
#include "pod/field.h"

#include <errno.h>
#include <string.h>

#define FIND_DEFAULT "kubectl.kubernetes.io/default-container"

/* --- what is meant -------------------------------------------------------- */

static const struct find_kind {
	const char *word, *kind, *api, *resource;
} find_kinds[] = {
	{ "daemonset", "DaemonSet", "apps/v1", "daemonsets" },
	{ "ds", "DaemonSet", "apps/v1", "daemonsets" },
	{ "replicaset", "ReplicaSet", "apps/v1", "replicasets" },
	{ "rs", "ReplicaSet", "apps/v1", "replicasets" },
	{ "job", "Job", "batch/v1", "jobs" },
};

static const struct find_kind find_subject[] = {
	[SUBJECT_SERVICE] = { "", "Service", "v1", "services" },
	[SUBJECT_DEPLOYMENT] = { "", "Deployment", "apps/v1", "deployments" },
	[SUBJECT_STATEFULSET] = { "", "StatefulSet", "apps/v1",
				  "statefulsets" },
	[SUBJECT_POD] = { "", "Pod", "v1", "pods" },
};

struct find_what {
	const struct find_kind *kind;
	char name[254], ns[64];
};

static int find_parse(struct find_what *w, const char *text,
		      struct kt_error *err)
{
	size_t n = strcspn(text, "/");
	auto_free char *as_pod = NULL;
	struct subject s;
	int rc;

	*w = (struct find_what){ 0 };
	for (size_t i = 0; text[n] && i < ARRAY_SIZE(find_kinds); i++)
		if (strlen(find_kinds[i].word) == n &&
		    memcmp(find_kinds[i].word, text, n) == 0)
			w->kind = &find_kinds[i];
	if (w->kind)
		as_pod = xasprintf("pod/%s", text + n + 1);
	rc = subject_parse(&s, as_pod ? as_pod : text, err);
	if (rc < 0) {
		kt_hint(err, "daemonset/NAME, replicaset/NAME and job/NAME are "
			     "taken as well");
		return rc;
	}
	if (!w->kind)
		w->kind = &find_subject[s.kind];
	snprintf(w->name, sizeof(w->name), "%s", s.name);
	snprintf(w->ns, sizeof(w->ns), "%s", s.ns);
	return 0;
}

int pod_find_check(const char *text, struct kt_error *err)
{
	struct find_what w;

	return find_parse(&w, text, err);
}

/* --- which Pod ------------------------------------------------------------ */

static bool find_runs(const json_t *pod)
{
	return str_eq(json_str(pod, "status", "phase", NULL), "Running") &&
	       !json_at(pod, "metadata", "deletionTimestamp", NULL) &&
	       !str_eq(object_label(pod, KT_LABEL_CONTROL),
		       KT_LABEL_CONTROL_VALUE) &&
	       !object_label(pod, KT_LABEL_ROLE);
}

/* @a is the better one */
static bool find_is_better(const json_t *a, const json_t *b)
{
	bool ready = object_pod_is_ready(a);
	const char *of_a, *of_b;

	if (ready != object_pod_is_ready(b))
		return ready;
	of_a = json_str(a, "metadata", "creationTimestamp", NULL);
	of_b = json_str(b, "metadata", "creationTimestamp", NULL);
	return of_a && of_b && strcmp(of_a, of_b) > 0;
}

const json_t *pod_find_choose(const json_t *pods)
{
	const json_t *pod, *best = NULL;
	size_t i;

	json_array_foreach (pods, i, pod)
		if (find_runs(pod) && (!best || find_is_better(pod, best)))
			best = pod;
	return best;
}

int pod_find_container(struct pod_found *f, const char *container,
		       struct kt_error *err)
{
	const json_t *all = json_at(f->pod, "spec", "containers", NULL), *c;
	const char *asked = container;
	auto_strv struct strv names = { 0 };
	auto_free char *list = NULL;
	size_t i;

	if (!asked)
		asked = object_annotation(f->pod, FIND_DEFAULT);
	if (!asked || (!container && !pod_container(f->pod, asked)))
		asked = json_str(json_array_get(all, 0), "name", NULL);
	json_array_foreach (all, i, c) {
		const char *name = json_str(c, "name", NULL);

		if (str_eq(name, asked))
			f->spec = c;
		strv_add(&names, name ? name : "");
	}
	if (!f->spec) {
		list = strv_join(&names, ", ");
		return kt_fail(err, EINVAL,
			       "Pod %s/%s has no container '%s'; it has %s",
			       f->ns, object_name(f->pod), asked ? asked : "",
			       list);
	}
	f->name = object_name(f->pod);
	f->container = json_str(f->spec, "name", NULL);
	json_array_foreach (
		json_at(f->pod, "status", "containerStatuses", NULL), i, c)
		if (str_eq(json_str(c, "name", NULL), f->container))
			f->status = c;
	return 0;
}

/* --- in the cluster ------------------------------------------------------- */

static char *find_query(const struct find_what *w, const json_t *object)
{
	json_t *selector;
	char *query;

	if (w->kind != &find_subject[SUBJECT_SERVICE])
		return target_query(json_at(object, "spec", "selector", NULL));
	selector = service_original(object);
	query = selector_query(selector);
	json_decref(selector);
	return query;
}

static int find_pod_of(struct pod_found *f, struct kube *k,
		       const struct find_what *w, const json_t *object,
		       struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "pods", f->ns, NULL, NULL);
	auto_free char *query = find_query(w, object);
	auto_json json_t *list = NULL;
	const json_t *pod;
	int rc;

	if (!query)
		return kt_fail(err, ENOENT, "%s %s/%s selects no Pods",
			       w->kind->kind, f->ns, w->name);
	rc = kube_list(k, path, query, &list, err);
	if (rc < 0)
		return rc;
	pod = pod_find_choose(json_object_get(list, "items"));
	if (!pod) {
		kt_hint(err, "'kubectl -n %s get pods' shows how they are",
			f->ns);
		return kt_fail(err, ENOENT, "no Pod of %s %s/%s runs",
			       w->kind->kind, f->ns, w->name);
	}
	f->pod = json_deep_copy(pod);
	return 0;
}

static int find_object(struct pod_found *f, struct kube *k,
		       const struct find_what *w, struct kt_error *err)
{
	auto_free char *path = kube_path(w->kind->api, w->kind->resource, f->ns,
					 w->name, NULL);
	auto_json json_t *object = NULL;
	int rc = kube_get(k, path, &object, err);

	if (rc == -ENOENT)
		kt_hint(err, "'kubectl -n %s get %s' shows what there is%s",
			f->ns, w->kind->resource,
			w->kind == &find_subject[SUBJECT_SERVICE]
				? "; deployment/NAME and pod/NAME are taken, "
				  "too"
				: "");
	if (rc < 0)
		return kt_wrap(err, rc, "%s %s/%s", w->kind->kind, f->ns,
			       w->name);
	if (w->kind != &find_subject[SUBJECT_POD])
		return find_pod_of(f, k, w, object, err);
	if (!find_runs(object) &&
	    !str_eq(json_str(object, "status", "phase", NULL), "Running"))
		return kt_fail(
			err, ENOENT, "Pod %s/%s does not run: it is %s", f->ns,
			w->name,
			json_str(object, "status", "phase", NULL)
				? json_str(object, "status", "phase", NULL)
				: "nowhere");
	f->pod = json_incref(object);
	return 0;
}

int pod_find(struct pod_found *f, struct kube *k, const char *ns,
	     const char *text, const char *container, struct kt_error *err)
{
	struct find_what w;
	int rc = find_parse(&w, text, err);

	*f = (struct pod_found){ 0 };
	if (rc < 0)
		return rc;
	snprintf(f->ns, sizeof(f->ns), "%s", w.ns[0] ? w.ns : ns);
	rc = find_object(f, k, &w, err);
	if (rc == 0)
		rc = pod_find_container(f, container, err);
	if (rc < 0)
		return rc;
	log_debug("Pod %s/%s, container %s", f->ns, f->name, f->container);
	return 0;
}

void pod_found_update(struct pod_found *f, json_t *pod)
{
	auto_free char *container = xstrdup(f->container);
	json_t *old = f->pod;
	struct pod_found now = { .pod = json_deep_copy(pod) };
	struct kt_error err = { 0 };

	memcpy(now.ns, f->ns, sizeof(now.ns));
	if (pod_find_container(&now, container, &err) < 0) {
		json_decref(now.pod);
		return;
	}
	*f = now;
	json_decref(old);
}

void pod_found_fini(struct pod_found *f)
{
	json_decref(f->pod);
	*f = (struct pod_found){ 0 };
}
