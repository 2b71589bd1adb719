/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/route.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "cluster/takeover.h"
#include "kube/rest.h"

#include <string.h>

const char *route_version(const struct route_api *api, const json_t *group)
{
	const json_t *v;
	size_t i;

	for (const char *const *known = api->versions; *known; known++)
		json_array_foreach (json_object_get(group, "versions"), i, v)
			if (str_eq(json_str(v, "version", NULL), *known))
				return *known;
	return NULL;
}

bool route_holds(const json_t *have, const json_t *want)
{
	const json_t *value;
	const char *key;
	size_t i;

	if (json_is_object(want)) {
		json_object_foreach ((json_t *)(uintptr_t)want, key, value)
			if (!route_holds(json_object_get(have, key), value))
				return false;
		return json_is_object(have);
	}
	if (!json_is_array(want) || !json_is_array(have) ||
	    json_array_size(have) != json_array_size(want))
		return json_equal(have, want);
	json_array_foreach (want, i, value)
		if (!route_holds(json_array_get(have, i), value))
			return false;
	return true;
}

void route_plan_add(json_t *plan, const char *verb, json_t *object)
{
	json_array_append_new(
		plan, json_pack("{s:s, s:o}", "verb", verb, "object", object));
}

bool route_is_ours(const json_t *object)
{
	return str_eq(object_label(object, KT_LABEL_CONTROL),
		      KT_LABEL_CONTROL_VALUE);
}

bool route_is_record(const char *name)
{
	return name && strstr(name, KT_MESH);
}

bool route_exposes(const struct route_spec *s, json_int_t port)
{
	for (size_t i = 0; i < s->nports; i++)
		if (s->ports[i].number == port)
			return true;
	return false;
}

json_t *route_metadata(const struct route_spec *s, const char *name)
{
	auto_json json_t *obj =
		json_pack("{s:{s:s, s:s, s:{s:s}, s:{s:s*}}}", "metadata",
			  "name", name, "namespace", s->ns, "labels",
			  KT_LABEL_CONTROL, KT_LABEL_CONTROL_VALUE,
			  "annotations", KT_ANNOTATION_USER, s->user);

	object_add_options(obj, s->options);
	return json_incref(json_object_get(obj, "metadata"));
}
