/* SPDX-License-Identifier: Apache-2.0 */
#include "env/share_header.h"

#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/find.h"
#include "env/share_entry.h"
#include "env/share_find.h"
#include "env/share_route.h"
#include "kube/rest.h"

#include <errno.h>

json_t *share_header_route(const json_t *route, const struct env_info *info)
{
	auto_json json_t *filters = share_filters(info);
	json_t *rule, *copy;

	if (!share_is_of(route, info->name))
		return NULL;
	rule = json_array_get(json_at(route, "spec", "rules", NULL), 0);
	if (!rule || json_equal(json_object_get(rule, "filters"), filters))
		return NULL;
	copy = json_deep_copy(route);
	rule = json_array_get(json_at(copy, "spec", "rules", NULL), 0);
	json_object_set(rule, "filters", filters);
	return copy;
}

static int header_routes(struct env_command *c, const json_t *routes,
			 const char *api, const struct env_info *info,
			 struct kt_error *err)
{
	const json_t *route;
	size_t i;
	int rc = 0;

	json_array_foreach (routes, i, route) {
		auto_json json_t *now = share_header_route(route, info);
		auto_free char *path = kube_path(api, "httproutes", c->ns,
						 object_name(route), NULL);

		if (rc == 0 && now)
			rc = kube_replace(c->kube, path, now, NULL, err);
	}
	return rc;
}

int share_header_all(struct env_command *c, struct kt_error *err)
{
	auto_json json_t *jobs = NULL, *routes = NULL;
	struct kt_error none = { 0 };
	const char *api = NULL;
	const json_t *job;
	size_t i;
	int rc = env_jobs(c->kube, c->ns, &jobs, err);

	/* who may not list them has shared none by them */
	if (rc == 0 &&
	    share_routes(c->kube, c->ns, &api, &routes, &none) == -EINTR)
		rc = kt_fail(err, EINTR, "interrupted");
	json_array_foreach (jobs, i, job) {
		struct env_info info = { 0 };
		const char *name = object_label(job, KT_LABEL_ENV);

		if (rc == 0 && name &&
		    env_pick(jobs, c->ns, name, env_command_now(c), &info,
			     &none) == 0) {
			rc = share_entry_extend(c, &info, err);
			if (rc == 0)
				rc = header_routes(c, routes, api, &info, err);
		}
		env_info_fini(&info);
	}
	return rc;
}
