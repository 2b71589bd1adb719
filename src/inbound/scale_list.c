/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/scale_list.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "kube/rest.h"

#include <string.h>

#define MAX_REPLICAS 100000

void scale_list_add(json_t *list, const char *kind, const char *name,
		    long replicas)
{
	const json_t *obj;
	size_t i;

	json_array_foreach (list, i, obj)
		if (str_eq(json_str(obj, "kind", NULL), kind) &&
		    strcmp(object_name(obj), name) == 0)
			return;
	json_array_append_new(list,
			      json_pack("{s:s, s:{s:s}, s:i}", "kind", kind,
					"metadata", "name", name, "replicas",
					(int)MIN(replicas, MAX_REPLICAS)));
}

void scale_list_add_told(json_t *list, const json_t *shadow)
{
	auto_free char *app = object_config(shadow, "app");
	auto_free char *replicas = object_config(shadow, "replicas");
	long n;

	if (app && replicas && str_to_long(replicas, &n) == 0 && n > 0)
		scale_list_add(list, "Deployment", app, n);
}
