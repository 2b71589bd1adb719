/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/scale_list.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/managers.h"
#include "cluster/objects.h"
#include "cluster/takeover.h"
#include "kube/rest.h"

#include <string.h>

#define MAX_REPLICAS 100000

/* As KT Connect writes it, which knows Deployments only */
static const struct {
	const char *key, *kind;
} scale_list_kinds[] = {
	{ "app", "Deployment" },
	{ "statefulset", "StatefulSet" },
};

static char *scale_list_key(const char *kind, const char *name)
{
	return xasprintf("%s/%s", kind, name);
}

void scale_list_tell(json_t *told, const json_t *shadow)
{
	auto_free char *replicas = object_config(shadow, "replicas");
	long n;

	if (!str_eq(object_label(shadow, KT_LABEL_ROLE), KT_ROLE_EXCHANGE) ||
	    !replicas || str_to_long(replicas, &n) < 0 || n <= 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(scale_list_kinds); i++) {
		auto_free char *name =
			object_config(shadow, scale_list_kinds[i].key);
		auto_free char *key =
			name ? scale_list_key(scale_list_kinds[i].kind, name)
			     : NULL;

		if (key && json_integer_value(json_object_get(told, key)) < n)
			json_object_set_new(told, key,
					    json_integer(MIN(n, MAX_REPLICAS)));
	}
}

int scale_list_told(const json_t *told, const char *kind, const char *name)
{
	auto_free char *key = scale_list_key(kind, name);

	return (int)json_integer_value(json_object_get(told, key));
}

bool scale_list_tells_of(const json_t *shadow, const char *kind,
			 const char *name)
{
	auto_json json_t *told = json_object();

	scale_list_tell(told, shadow);
	return scale_list_told(told, kind, name) > 0;
}

static void scale_list_add(json_t *list, const char *kind, const char *name,
			   int replicas)
{
	json_array_append_new(list, json_pack("{s:s, s:{s:s}, s:i}", "kind",
					      kind, "metadata", "name", name,
					      "replicas", replicas));
}

static void scale_list_look(json_t *list, const struct scale_list_from *from,
			    const char *kind, const json_t *objects)
{
	const json_t *obj;
	size_t i;

	json_array_foreach (objects, i, obj) {
		int told = scale_list_told(from->told, kind, object_name(obj));
		int n = workload_wants(obj, told);

		if (!n && !object_annotation(obj, KT_ANNOTATION_REPLICAS) &&
		    !object_annotation(obj, KT_ANNOTATION_SCALED_BACK) &&
		    !object_annotation(obj, KT_ANNOTATION_MANAGERS))
			continue;
		if (from->wanted(from->user, obj, told > 0))
			scale_list_add(list, kind, object_name(obj), n);
	}
}

/* What is told of objects that may not be seen */
static void scale_list_believe(json_t *list, const json_t *told,
			       const char *kind)
{
	auto_free char *prefix = xasprintf("%s/", kind);
	const char *key;
	json_t *n;

	json_object_foreach ((json_t *)(uintptr_t)told, key, n)
		if (str_starts(key, prefix))
			scale_list_add(list, kind, key + strlen(prefix),
				       (int)json_integer_value(n));
}

json_t *scale_list_make(const struct scale_list_from *from)
{
	const json_t *objects[] = { from->deployments, from->statefulsets };
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(scale_list_kinds); i++) {
		const char *kind = scale_list_kinds[i].kind;

		if (objects[i])
			scale_list_look(list, from, kind, objects[i]);
		else
			scale_list_believe(list, from->told, kind);
	}
	return list;
}

json_t *scale_list_part(const json_t *list, bool scaled)
{
	json_t *out = json_array();
	const json_t *w;
	size_t i;

	json_array_foreach (list, i, w) {
		int n = (int)json_integer_value(json_object_get(w, "replicas"));
		const char *kind = json_str(w, "kind", NULL);
		auto_free char *text =
			n ? xasprintf("%s %s to %d", kind, object_name(w), n)
			  : xasprintf("%s %s", kind, object_name(w));

		if (scaled == (n > 0))
			json_array_append_new(out, json_string(text));
	}
	return out;
}
