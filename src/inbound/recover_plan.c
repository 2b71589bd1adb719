/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/recover_plan.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/managers.h"
#include "cluster/objects.h"
#include "cluster/takeover.h"
#include "inbound/scale_list.h"
#include "kube/rest.h"

#include <string.h>

static bool recover_plan_is_ours(const json_t *obj)
{
	return str_eq(object_label(obj, KT_LABEL_CONTROL),
		      KT_LABEL_CONTROL_VALUE);
}

static const char *role_of(const json_t *obj)
{
	return object_label(obj, KT_LABEL_ROLE);
}

/* "NAME-kt-mesh-..." of the Service @name */
static bool recover_plan_is_of(const json_t *obj, const char *name)
{
	auto_free char *prefix = mesh_record_prefix(name);

	return str_starts(object_name(obj), prefix);
}

/* Does @obj, one of our Pods or Deployments, serve the Service? By what it
 * says, by its name, or because the Service leads to it. */
bool recover_plan_serves(const json_t *obj, const json_t *service,
			 const json_t *original)
{
	const json_t *labels = object_pod_labels(obj);
	const char *name = object_name(service), *role = role_of(obj);
	auto_free char *config = object_config(obj, "service");

	/* a copy of its workload, which answers in an environment */
	if (str_eq(object_label(obj, KT_LABEL_ENV_OF), name))
		return true;
	if (!role || (strcmp(role, KT_ROLE_EXCHANGE) != 0 &&
		      strcmp(role, KT_ROLE_MESH) != 0 &&
		      strcmp(role, KT_ROLE_ROUTER) != 0))
		return false;
	return (config && strcmp(config, name) == 0) ||
	       recover_plan_is_of(obj, name) ||
	       selector_matches(json_at(service, "spec", "selector", NULL),
				labels) ||
	       selector_matches(original, labels);
}

/* It has the labels of the Service's Pods, for it stands in their place; but it
 * is there for another Service with the same Pods, whose name is returned */
static char *recover_plan_of_other(const json_t *obj, const json_t *service)
{
	auto_free char *config = object_config(obj, "service");

	if (!config || !str_eq(role_of(obj), KT_ROLE_EXCHANGE) ||
	    strcmp(config, object_name(service)) == 0 || service_role(service))
		return NULL;
	return xstrdup(config);
}

static void plan_shadows(struct recover_plan *p, json_t *told,
			 const json_t *list, const struct recover_input *job,
			 const json_t *original, json_t *out)
{
	json_t *obj;
	size_t i;

	json_array_foreach (list, i, obj) {
		auto_free char *other = NULL;

		if (!recover_plan_is_ours(obj) ||
		    !recover_plan_serves(obj, job->service, original))
			continue;
		scale_list_tell(told, obj);
		other = recover_plan_of_other(obj, job->service);
		if (other)
			json_object_set_new(p->also, other, json_true());
		else if (!object_is_ending(obj))
			json_array_append(out, obj);
	}
}

static bool recover_plan_scales(void *user, const json_t *obj, bool told)
{
	return told || selector_matches(user, object_pod_labels(obj));
}

static bool recover_plan_has(const json_t *list, const char *name)
{
	const json_t *obj;
	size_t i;

	json_array_foreach (list, i, obj)
		if (strcmp(object_name(obj), name) == 0)
			return true;
	return false;
}

/* The users' records first, the origin last: the list keeps its order */
static void plan_services(struct recover_plan *p,
			  const struct recover_input *job)
{
	const char *name = object_name(job->service);
	auto_free char *stuntman = stuntman_name(name);
	json_t *obj, *origin = NULL;
	size_t i;

	json_array_foreach (job->services, i, obj) {
		if (!recover_plan_is_ours(obj) || object_is_ending(obj))
			continue;
		if (strcmp(object_name(obj), stuntman) == 0)
			origin = obj;
		else if (recover_plan_is_of(obj, name))
			json_array_append(p->services, obj);
	}
	if (origin)
		json_array_append(p->services, origin);
}

void recover_plan_make(struct recover_plan *p, const struct recover_input *job)
{
	auto_json json_t *original = service_original(job->service);
	auto_json json_t *back = service_restored(job->service);
	auto_json json_t *told = json_object();
	const struct scale_list_from from = {
		.told = told,
		.deployments = job->deployments,
		.statefulsets = job->statefulsets,
		.wanted = recover_plan_scales,
		.user = original,
	};
	json_t *obj;
	size_t i;

	*p = (struct recover_plan){
		.restore = back != NULL,
		.unlock = !back && (object_annotation(job->service,
						      KT_ANNOTATION_LOCK) ||
				    object_annotation(job->service,
						      KT_ANNOTATION_MANAGERS)),
		.stuck = !back && service_role(job->service) &&
			 !recover_plan_is_ours(job->service),
		.also = json_object(),
		.pods = json_array(),
		.deployments = json_array(),
		.services = json_array(),
		.configmaps = json_array(),
	};
	if (recover_plan_is_ours(job->service))
		return;
	plan_shadows(p, told, job->pods, job, original, p->pods);
	plan_shadows(p, told, job->deployments, job, original, p->deployments);
	p->scale = scale_list_make(&from);
	plan_services(p, job);
	json_array_foreach (job->configmaps, i, obj)
		if (recover_plan_is_ours(obj) &&
		    (recover_plan_has(p->pods, object_name(obj)) ||
		     recover_plan_has(p->deployments, object_name(obj))))
			json_array_append(p->configmaps, obj);
}

void recover_plan_fini(struct recover_plan *p)
{
	json_decref(p->also);
	json_decref(p->scale);
	json_decref(p->pods);
	json_decref(p->deployments);
	json_decref(p->services);
	json_decref(p->configmaps);
	*p = (struct recover_plan){ 0 };
}

bool recover_plan_empty(const struct recover_plan *p)
{
	return !p->restore && !p->unlock && !json_object_size(p->also) &&
	       !json_array_size(p->scale) && !json_array_size(p->pods) &&
	       !json_array_size(p->deployments) &&
	       !json_array_size(p->services) && !json_array_size(p->configmaps);
}
