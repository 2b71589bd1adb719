/* SPDX-License-Identifier: Apache-2.0 */
#include "env/share_find.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
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

json_t *share_hosts(const json_t *routes)
{
	json_t *all = json_array();
	const json_t *route;
	size_t i;

	json_array_foreach (routes, i, route) {
		json_t *one;

		if (!str_eq(object_label(route, KT_LABEL_ROLE),
			    KT_ROLE_ENV_SHARE))
			continue;
		one = share_host(route);
		/* somebody has altered it */
		if (json_str(one, "environment", NULL) &&
		    json_str(one, "host", NULL) &&
		    json_str(one, "service", NULL))
			json_array_append(all, one);
		json_decref(one);
	}
	return all;
}

int share_find(struct kube *k, const char *ns, json_t **out,
	       struct kt_error *err)
{
	auto_json json_t *routes = NULL;
	const char *api;
	int rc = share_routes(k, ns, &api, &routes, err);

	if (rc == -ENOENT)
		*err = (struct kt_error){ 0 };
	else if (rc < 0)
		return rc;
	*out = share_hosts(routes);
	return 0;
}
