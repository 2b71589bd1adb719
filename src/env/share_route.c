/* SPDX-License-Identifier: Apache-2.0 */
#include "env/share_route.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "kube/rest.h"

#include <stdlib.h>

char *share_name(const char *env, const char *host)
{
	return xasprintf(KT_ENV_PREFIX "%s.%s", env, host);
}

char *share_name_ended(const char *env, const char *host)
{
	return xasprintf(KT_ENV_PREFIX "%s.%s.ended", env, host);
}

/* Whoever calls from outside has no say in it: the whole of baggage goes, as it
 * may name another environment in any of its fields */
json_t *share_filters(const struct env_info *info)
{
	json_t *set = json_pack("[{s:s,s:o}]", "name", ENVMARK_FIELD, "value",
				json_sprintf(ENVMARK_MEMBER "=%s", info->name));

	if (info->named_by[0])
		json_array_append_new(set, json_pack("{s:s,s:s}", "name",
						     info->named_by, "value",
						     info->name));
	return json_pack("[{s:s,s:{s:o,s:[s,s]}},{s:s,s:{s:[{s:s,s:s}]}}]",
			 "type", "RequestHeaderModifier",
			 "requestHeaderModifier", "set", set, "remove",
			 "x-virtual-env", "version", "type",
			 "ResponseHeaderModifier", "responseHeaderModifier",
			 "set", "name", "cache-control", "value", "no-store");
}

/* @name, @owner and @rule are taken */
static json_t *share_route_object(const struct share_spec *s, const char *api,
				  char *name, const char *role, json_t *owner,
				  json_t *rule)
{
	json_t *route = json_pack(
		"{s:s,s:s,s:{s:s,s:s,s:{s:s,s:s,s:s},s:{s:s},s:[o]},"
		"s:{s:O,s:[s],s:[o]}}",
		"apiVersion", api, "kind", "HTTPRoute", "metadata", "name",
		name, "namespace", s->ns, "labels", KT_LABEL_CONTROL,
		KT_LABEL_CONTROL_VALUE, KT_LABEL_ROLE, role, KT_LABEL_ENV,
		s->info->name, "annotations", KT_ANNOTATION_USER, s->user,
		"ownerReferences", owner, "spec", "parentRefs", s->parents,
		"hostnames", s->host, "rules", rule);

	free(name);
	return route;
}

json_t *share_route(const struct share_spec *s, const char *api)
{
	json_t *rule = json_pack("{s:o,s:[{s:s,s:i}]}", "filters",
				 share_filters(s->info), "backendRefs", "name",
				 s->service, "port", s->port);

	return share_route_object(s, api, share_name(s->info->name, s->host),
				  KT_ROLE_ENV_SHARE, env_owner_ref(s->info),
				  rule);
}

json_t *share_route_ended(const struct share_spec *s, const char *api,
			  const char *entry, const json_t *owner)
{
	json_t *rule = json_pack("{s:[{s:s,s:i}]}", "backendRefs", "name",
				 entry, "port", 80);

	return share_route_object(
		s, api, share_name_ended(s->info->name, s->host),
		KT_ROLE_ENV_ENDED, json_incref((json_t *)(uintptr_t)owner),
		rule);
}

/* --- routes that are there ------------------------------------------------ */

static bool share_leads_to(const json_t *route, const char *service)
{
	const json_t *rule, *ref;
	size_t i, k;

	json_array_foreach (json_at(route, "spec", "rules", NULL), i, rule)
		json_array_foreach (json_object_get(rule, "backendRefs"), k,
				    ref) {
			const char *kind = json_str(ref, "kind", NULL);

			if (str_eq(kind ? kind : "Service", "Service") &&
			    str_eq(json_str(ref, "name", NULL), service))
				return true;
		}
	return false;
}

static bool share_has(const json_t *list, const json_t *one)
{
	const json_t *v;
	size_t i;

	json_array_foreach (list, i, v)
		if (json_equal(v, one))
			return true;
	return false;
}

json_t *share_parents(const json_t *routes, const char *service)
{
	json_t *all = json_array(), *route, *ref;
	size_t i, k;

	json_array_foreach (routes, i, route) {
		if (!share_leads_to(route, service))
			continue;
		json_array_foreach (json_at(route, "spec", "parentRefs", NULL),
				    k, ref) {
			const char *kind = json_str(ref, "kind", NULL);

			if (str_eq(kind ? kind : "Gateway", "Gateway") &&
			    !share_has(all, ref))
				json_array_append(all, ref);
		}
	}
	return all;
}

bool share_is_of(const json_t *route, const char *env)
{
	return str_eq(object_label(route, KT_LABEL_ROLE), KT_ROLE_ENV_SHARE) &&
	       str_eq(object_label(route, KT_LABEL_ENV), env);
}

const char *share_taken(const json_t *routes, const char *host, const char *own)
{
	auto_free char *behind = xasprintf("%s.ended", own);
	const json_t *route, *name;
	size_t i, k;

	json_array_foreach (routes, i, route) {
		if (str_eq(object_name(route), own) ||
		    str_eq(object_name(route), behind))
			continue;
		json_array_foreach (json_at(route, "spec", "hostnames", NULL),
				    k, name)
			if (str_eq(json_string_value(name), host))
				return object_name(route);
	}
	return NULL;
}
