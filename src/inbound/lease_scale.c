/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/lease_scale.h"

#include "base/log.h"
#include "base/mem.h"
#include "cluster/takeover.h"
#include "inbound/scale_list.h"
#include "kube/rest.h"

#include <errno.h>

#define LEASE_SCALE_QUERY "labelSelector=kt-role%3D" KT_ROLE_EXCHANGE

/* Who may not see Deployments is told of Pods only. Those of a Deployment have
 * no heartbeat of their own. */
static int lease_scale_list(struct job *job, json_t *out, struct kt_error *err)
{
	static const char *const where[][2] = { { "v1", "pods" },
						{ "apps/v1", "deployments" } };
	struct kt_error why = { 0 };
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(where) && rc == 0; i++) {
		auto_free char *path = kube_path(where[i][0], where[i][1],
						 job->ns, NULL, NULL);
		auto_json json_t *list = NULL;

		rc = kube_list(job->kube, path, LEASE_SCALE_QUERY, &list, &why);
		json_array_extend(out, json_object_get(list, "items"));
		if (rc == -EPERM && i > 0) {
			log_debug("%s", why.msg);
			rc = 0;
		}
	}
	if (rc < 0)
		*err = why;
	return rc;
}

/* Those that have @labels, or (@kind not NULL) tell of @workload */
static int lease_scale_filter(struct job *job, const json_t *labels,
			      const char *kind, const json_t *workload,
			      json_t **out, struct kt_error *err)
{
	auto_json json_t *all = json_array();
	json_t *obj;
	size_t i;
	int rc = lease_scale_list(job, all, err);

	if (rc < 0)
		return rc;
	*out = json_array();
	json_array_foreach (all, i, obj)
		if ((kind &&
		     scale_list_tells_of(obj, kind, object_name(workload))) ||
		    selector_matches(labels, object_pod_labels(obj)))
			json_array_append(*out, obj);
	return 0;
}

int lease_find_scaled(struct job *job, json_t **out, struct kt_error *err)
{
	return lease_scale_filter(job, job->original, NULL, NULL, out, err);
}

int lease_find_scalers(struct job *job, const char *kind,
		       const json_t *workload, json_t **out,
		       struct kt_error *err)
{
	const json_t *labels =
		json_at(workload, "spec", "selector", "matchLabels", NULL);

	return lease_scale_filter(job, labels, kind, workload, out, err);
}

char *lease_scaled_text(const struct job *job, const json_t *shadows)
{
	const json_t *obj;
	size_t i;

	json_array_foreach (shadows, i, obj) {
		auto_free char *app = object_config(obj, "app");
		auto_free char *set = object_config(obj, "statefulset");

		if (app || set)
			return xasprintf("%s %s/%s",
					 app ? "Deployment" : "StatefulSet",
					 job->ns, app ? app : set);
	}
	return NULL;
}
