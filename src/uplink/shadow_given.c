/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/shadow_given.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

#define HASH_LABEL "pod-template-hash"

static const char deployment[] = "deployment/";

const char *shadow_given_pod(const char *text)
{
	if (str_starts(text, deployment))
		return NULL;
	return str_starts(text, "pod/") ? text + strlen("pod/") : text;
}

/* The Deployment itself need not be read: its ReplicaSets have its name and
 * the hash that their Pods have as a label */
static bool shadow_given_is_of(const json_t *pod, const char *name)
{
	const char *hash = object_label(pod, HASH_LABEL);
	auto_free char *set = hash ? xasprintf("%s-%s", name, hash) : NULL;
	const json_t *owner;
	size_t i;

	json_array_foreach (json_at(pod, "metadata", "ownerReferences", NULL),
			    i, owner)
		if (set &&
		    str_eq(json_str(owner, "kind", NULL), "ReplicaSet") &&
		    str_eq(json_str(owner, "name", NULL), set))
			return true;
	return false;
}

bool shadow_given_is_ready(const json_t *pod)
{
	return object_pod_is_ready(pod) && !object_is_ending(pod);
}

const json_t *shadow_given_pick(const json_t *pods, const char *name, bool *any)
{
	const json_t *pod, *best = NULL;
	size_t i;

	*any = false;
	json_array_foreach (pods, i, pod) {
		if (!shadow_given_is_of(pod, name))
			continue;
		*any = true;
		if (!best && shadow_given_is_ready(pod))
			best = pod;
	}
	return best;
}

int shadow_given_find(struct kube *k, const char *ns, const char *text,
		      json_t **pod, struct kt_error *err)
{
	const char *name = text + strlen(deployment);
	auto_free char *path = kube_path("v1", "pods", ns, NULL, NULL);
	auto_free char *query = kube_query(NULL, "labelSelector", HASH_LABEL);
	auto_json json_t *list = NULL;
	const json_t *found;
	bool any;
	int rc = kube_list(k, path, query, &list, err);

	if (rc < 0)
		return rc;
	found = shadow_given_pick(json_object_get(list, "items"), name, &any);
	if (found) {
		*pod = json_incref((json_t *)(uintptr_t)found);
		return 0;
	}
	if (!any)
		kt_hint(err, "an administrator makes it, see "
			     "deploy/shared-shadow.yaml; is the namespace "
			     "right (-n)?");
	return kt_fail(err, ENOENT, "Deployment %s/%s has no %s", ns, name,
		       any ? "Pod that is ready" : "Pods");
}
