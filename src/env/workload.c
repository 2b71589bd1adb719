/* SPDX-License-Identifier: Apache-2.0 */
#include "env/workload.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "cluster/svcports.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

/* --- who makes a Pod ------------------------------------------------------ */

void workload_ref_fini(struct workload_ref *r)
{
	free(r->kind);
	free(r->name);
	*r = (struct workload_ref){ 0 };
}

static const json_t *workload_owner(const json_t *pod)
{
	const json_t *o;
	size_t i;

	json_array_foreach (json_at(pod, "metadata", "ownerReferences", NULL),
			    i, o)
		if (json_is_true(json_object_get(o, "controller")) &&
		    json_str(o, "kind", NULL) && json_str(o, "name", NULL))
			return o;
	return NULL;
}

/* A ReplicaSet that something else makes has that one's name, and behind it the
 * hash that its Pods have as a label: which label says what has made it */
static bool workload_ref_hashed(struct workload_ref *r, const json_t *pod,
				const char *set)
{
	static const struct {
		const char *label, *kind;
	} hashes[] = {
		{ "rollouts-pod-template-hash", "Rollout" },
		{ "pod-template-hash", "Deployment" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(hashes); i++) {
		const char *hash = object_label(pod, hashes[i].label);
		auto_free char *end = hash ? xasprintf("-%s", hash) : NULL;

		if (!end || strlen(set) <= strlen(end) || !str_ends(set, end))
			continue;
		r->kind = xstrdup(hashes[i].kind);
		r->name = xstrndup(set, strlen(set) - strlen(end));
		return true;
	}
	return false;
}

void workload_ref_of(struct workload_ref *r, const json_t *pod)
{
	const json_t *o = workload_owner(pod);
	const char *kind = o ? json_str(o, "kind", NULL) : "Pod";
	const char *name = o ? json_str(o, "name", NULL) : object_name(pod);

	*r = (struct workload_ref){ 0 };
	if (strcmp(kind, "ReplicaSet") == 0 &&
	    workload_ref_hashed(r, pod, name))
		return;
	r->kind = xstrdup(kind);
	r->name = xstrdup(name);
}

static bool workload_ref_same(const struct workload_ref *a,
			      const struct workload_ref *b)
{
	return strcmp(a->kind, b->kind) == 0 && strcmp(a->name, b->name) == 0;
}

/* --- which one ------------------------------------------------------------ */

struct candidate {
	struct workload_ref ref;
	const json_t *pod; /* ready rather than not, then the newest */
	bool pod_ready;
	int ready;
};

static bool workload_pod_is_ours(const json_t *pod)
{
	return object_label(pod, KT_LABEL_ROLE) ||
	       object_label(pod, KT_LABEL_ENV);
}

/* RFC 3339 in UTC, as the server writes it, sorts as text. Names decide when
 * that is the same, so that the answer is the same each time. */
static bool workload_pod_is_newer(const json_t *a, const json_t *b)
{
	const char *x = json_str(a, "metadata", "creationTimestamp", NULL);
	const char *y = json_str(b, "metadata", "creationTimestamp", NULL);
	int order = strcmp(x ? x : "", y ? y : "");

	return order ? order > 0 : strcmp(object_name(a), object_name(b)) < 0;
}

static bool candidate_before(const struct candidate *a,
			     const struct candidate *b)
{
	return a->ready != b->ready ? a->ready > b->ready
				    : workload_pod_is_newer(a->pod, b->pod);
}

static void candidate_add(struct candidate *c, const json_t *pod)
{
	bool ready = object_pod_is_ready(pod) && !object_is_ending(pod);

	c->ready += ready;
	if (!c->pod ||
	    (ready != c->pod_ready ? ready
				   : workload_pod_is_newer(pod, c->pod))) {
		c->pod = pod;
		c->pod_ready = ready;
	}
}

static struct candidate *candidate_of(struct candidate *all, size_t *n,
				      struct workload_ref *ref)
{
	for (size_t i = 0; i < *n; i++)
		if (workload_ref_same(&all[i].ref, ref)) {
			workload_ref_fini(ref);
			return &all[i];
		}
	all[*n] = (struct candidate){ .ref = *ref };
	return &all[(*n)++];
}

const json_t *workload_pick(const json_t *pods, char **others)
{
	size_t max = json_array_size(pods), n = 0, i;
	auto_free struct candidate *all = xcalloc(max + 1, sizeof(*all));
	const struct candidate *best = NULL;
	struct strv names = { 0 };
	const json_t *pod, *picked;

	json_array_foreach (pods, i, pod) {
		struct workload_ref ref;

		if (workload_pod_is_ours(pod))
			continue;
		workload_ref_of(&ref, pod);
		candidate_add(candidate_of(all, &n, &ref), pod);
	}
	for (i = 0; i < n; i++)
		if (!best || candidate_before(&all[i], best))
			best = &all[i];
	for (i = 0; i < n; i++)
		if (&all[i] != best)
			strv_take(&names, xasprintf("%s %s", all[i].ref.kind,
						    all[i].ref.name));
	*others = names.n ? strv_join(&names, ", ") : NULL;
	picked = best ? best->pod : NULL;
	for (i = 0; i < n; i++)
		workload_ref_fini(&all[i].ref);
	strv_fini(&names);
	return picked;
}

/* --- in the cluster ------------------------------------------------------- */

/* those that can be read, and are */
static const struct {
	const char *kind, *resource;
	bool listed; /* also without Pods: it may be scaled to 0 */
} readable[] = {
	{ "Deployment", "deployments", true },
	{ "StatefulSet", "statefulsets", true },
	{ "DaemonSet", "daemonsets", false },
};

static void workload_take_object(struct workload *w, const char *kind,
				 const json_t *obj)
{
	w->kind = w->kind ? w->kind : xstrdup(kind);
	w->name = w->name ? w->name : xstrdup(object_name(obj));
	w->template = json_incref(json_at(obj, "spec", "template", NULL));
	w->selector = json_incref(
		json_at(obj, "spec", "selector", "matchLabels", NULL));
	w->claims =
		json_incref(json_at(obj, "spec", "volumeClaimTemplates", NULL));
}

/* What may not be read, or is gone already, leaves the Pod's own template */
static int workload_read(struct kube *k, const char *ns, struct workload *w,
			 struct kt_error *err)
{
	struct kt_error why = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(readable); i++) {
		auto_free char *path = NULL;
		auto_json json_t *obj = NULL;
		int rc;

		if (strcmp(readable[i].kind, w->kind) != 0)
			continue;
		path = kube_path("apps/v1", readable[i].resource, ns, w->name,
				 NULL);
		rc = kube_get(k, path, &obj, &why);
		if (rc == -EPERM || rc == -ENOENT) {
			log_info("%s %s/%s cannot be read, its Pod is taken "
				 "instead: %s",
				 w->kind, ns, w->name, why.msg);
			return 0;
		}
		if (rc < 0) {
			*err = why;
			return kt_wrap(err, rc, "%s %s/%s", w->kind, ns,
				       w->name);
		}
		workload_take_object(w, w->kind, obj);
	}
	return 0;
}

/* Without Pods: whose Pods the Service would find */
static int workload_find_idle(struct kube *k, const char *ns,
			      const json_t *selector, struct workload *w,
			      struct kt_error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(readable) && !w->template; i++) {
		auto_free char *path = kube_path(
			"apps/v1", readable[i].resource, ns, NULL, NULL);
		auto_json json_t *list = NULL;
		const json_t *obj;
		size_t at;
		int rc;

		if (!readable[i].listed)
			continue;
		rc = kube_list(k, path, NULL, &list, err);
		if (rc == -EPERM) {
			*err = (struct kt_error){ 0 };
			continue;
		}
		if (rc < 0)
			return rc;
		json_array_foreach (json_object_get(list, "items"), at, obj) {
			const json_t *labels =
				json_at(obj, "spec", "template", "metadata",
					"labels", NULL);

			if (w->template ||
			    object_label(obj, KT_LABEL_CONTROL) ||
			    json_object_get(labels, KT_LABEL_ROLE) ||
			    json_object_get(labels, KT_LABEL_ENV) ||
			    !selector_matches(selector, labels))
				continue;
			workload_take_object(w, readable[i].kind, obj);
		}
	}
	return 0;
}

static int workload_find_pods(struct kube *k, const char *ns,
			      const json_t *selector, struct workload *w,
			      struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "pods", ns, NULL, NULL);
	auto_free char *query = selector_query(selector);
	auto_json json_t *list = NULL;
	const json_t *pod;
	size_t i;
	int rc = kube_list(k, path, query, &list, err);

	if (rc < 0)
		return rc;
	w->pods = json_array();
	json_array_foreach (json_object_get(list, "items"), i, pod)
		if (!workload_pod_is_ours(pod))
			json_array_append(w->pods, (json_t *)(uintptr_t)pod);
	return 0;
}

/* Those that a StatefulSet has made for this Pod: VOLUME-POD */
static json_t *workload_pod_claims(const json_t *pod)
{
	json_t *claims = json_array();
	const json_t *v;
	size_t i;

	json_array_foreach (json_at(pod, "spec", "volumes", NULL), i, v) {
		const char *name = json_str(v, "name", NULL);
		const char *claim =
			json_str(v, "persistentVolumeClaim", "claimName", NULL);
		auto_free char *its =
			name ? xasprintf("%s-%s", name, object_name(pod))
			     : NULL;

		if (its && str_eq(claim, its))
			json_array_append_new(claims,
					      json_pack("{s:{s:s}}", "metadata",
							"name", name));
	}
	return claims;
}

static int workload_of_pod(struct kube *k, const char *ns, const json_t *pod,
			   struct workload *w, struct kt_error *err)
{
	struct workload_ref ref;
	int rc;

	workload_ref_of(&ref, pod);
	w->kind = ref.kind;
	w->name = ref.name;
	rc = workload_read(k, ns, w, err);
	if (rc == 0 && !w->template) {
		w->template = workload_pod_template(pod);
		w->claims = workload_pod_claims(pod);
		w->from_pod = true;
	}
	return rc;
}

int workload_find(struct kube *k, const char *ns, const char *service,
		  const json_t *selector, struct workload *w,
		  struct kt_error *err)
{
	const json_t *pod;
	int rc;

	*w = (struct workload){ 0 };
	if (!json_object_size(selector))
		return kt_fail(
			err, EINVAL,
			"Service %s/%s has no selector, so nothing tells "
			"which workload is behind it",
			ns, service);
	rc = workload_find_pods(k, ns, selector, w, err);
	pod = rc == 0 ? workload_pick(w->pods, &w->others) : NULL;
	if (pod)
		rc = workload_of_pod(k, ns, pod, w, err);
	else if (rc == 0)
		rc = workload_find_idle(k, ns, selector, w, err);
	if (rc == 0 && !w->template) {
		kt_hint(err,
			"'kubectl -n %s get pods' shows what there is; with "
			"--selector or --service the member is what runs "
			"already",
			ns);
		rc = kt_fail(err, ENOENT,
			     "Service %s/%s: there is no Pod behind it, and no "
			     "Deployment or StatefulSet that would make one, "
			     "so there is nothing to copy",
			     ns, service);
	}
	if (rc < 0)
		workload_fini(w);
	return rc;
}

void workload_fini(struct workload *w)
{
	free(w->kind);
	free(w->name);
	json_decref(w->template);
	json_decref(w->selector);
	json_decref(w->claims);
	json_decref(w->pods);
	free(w->others);
	*w = (struct workload){ 0 };
}

char *workload_text(const struct workload *w)
{
	return xasprintf("%s %s", w->kind, w->name);
}
