/* SPDX-License-Identifier: Apache-2.0 */
#include "env/share_find.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/share_entry.h"
#include "env/share_route.h"
#include "kube/rest.h"

#include <errno.h>

int share_routes(struct kube *k, const char *ns, const char **api, json_t **out,
		 struct kt_error *err)
{
	static const char *const apis[] = { SHARE_GROUP "/v1",
					    SHARE_GROUP "/v1beta1" };
	int rc = -ENOENT;

	for (size_t i = 0; rc == -ENOENT && i < ARRAY_SIZE(apis); i++) {
		auto_free char *path =
			kube_path(apis[i], "httproutes", ns, NULL, NULL);
		auto_json json_t *list = NULL;

		*err = (struct kt_error){ 0 };
		*api = apis[i];
		rc = kube_list(k, path, NULL, &list, err);
		if (rc == 0)
			*out = json_incref(json_object_get(list, "items"));
	}
	return rc;
}

static json_t *share_host(const json_t *route)
{
	const char *user = object_annotation(route, KT_ANNOTATION_USER);
	const json_t *rule =
		json_array_get(json_at(route, "spec", "rules", NULL), 0);
	const json_t *ref =
		json_array_get(json_object_get(rule, "backendRefs"), 0);

	return json_pack(
		"{s:s*,s:O*,s:s*,s:o}", "environment",
		object_label(route, KT_LABEL_ENV), "host",
		json_array_get(json_at(route, "spec", "hostnames", NULL), 0),
		"service", json_str(ref, "name", NULL), "user",
		user ? json_string(user) : json_null());
}

static json_t *share_ingress_host(const json_t *ingress)
{
	const char *user = object_annotation(ingress, KT_ANNOTATION_USER);
	const json_t *rule =
		json_array_get(json_at(ingress, "spec", "rules", NULL), 0);

	return json_pack("{s:s*,s:s*,s:s*,s:o}", "environment",
			 object_label(ingress, KT_LABEL_ENV), "host",
			 json_str(rule, "host", NULL), "service",
			 object_annotation(ingress, KT_ANNOTATION_SHARED),
			 "user", user ? json_string(user) : json_null());
}

static void share_add_hosts(json_t *all, const json_t *objects,
			    json_t *(*read)(const json_t *))
{
	const json_t *object;
	size_t i;

	json_array_foreach (objects, i, object) {
		json_t *one;

		if (!str_eq(object_label(object, KT_LABEL_ROLE),
			    KT_ROLE_ENV_SHARE))
			continue;
		one = read(object);
		/* somebody has altered it */
		if (json_str(one, "environment", NULL) &&
		    json_str(one, "host", NULL) &&
		    json_str(one, "service", NULL))
			json_array_append(all, one);
		json_decref(one);
	}
}

json_t *share_hosts(const json_t *routes, const json_t *ingresses)
{
	json_t *all = json_array();

	share_add_hosts(all, routes, share_host);
	share_add_hosts(all, ingresses, share_ingress_host);
	return all;
}

int share_ingresses(struct kube *k, const char *ns, json_t **out,
		    struct kt_error *err)
{
	auto_free char *path =
		kube_path(SHARE_INGRESS_API, "ingresses", ns, NULL, NULL);
	auto_json json_t *list = NULL;
	int rc = kube_list(k, path, NULL, &list, err);

	if (rc == 0)
		*out = json_incref(json_object_get(list, "items"));
	return rc;
}

const char *share_host_taken(const json_t *ingresses, const char *host,
			     const char *own)
{
	const json_t *one, *rule;
	size_t i, k;

	json_array_foreach (ingresses, i, one) {
		if (str_eq(object_name(one), own))
			continue;
		json_array_foreach (json_at(one, "spec", "rules", NULL), k,
				    rule)
			if (str_eq(json_str(rule, "host", NULL), host))
				return object_name(one);
	}
	return NULL;
}

int share_find(struct kube *k, const char *ns, json_t **out,
	       struct kt_error *err)
{
	auto_json json_t *routes = NULL, *ingresses = NULL;
	struct kt_error ignored = { 0 };
	const char *api;
	int rc = share_routes(k, ns, &api, &routes, err);
	int other = share_ingresses(k, ns, &ingresses, &ignored);

	/* who may list neither knows nothing */
	if (rc < 0 && rc != -ENOENT && other < 0)
		return rc;
	*err = (struct kt_error){ 0 };
	*out = share_hosts(routes, ingresses);
	return 0;
}
