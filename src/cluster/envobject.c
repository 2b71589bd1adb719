/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/envobject.h"

#include "base/str.h"
#include "cluster/objects.h"
#include "kube/rest.h"

int64_t envobject_expires(const json_t *obj)
{
	const char *text = object_annotation(obj, KT_ANNOTATION_EXPIRES);
	long at;

	return text && str_to_long(text, &at) == 0 && at >= 0 ? at : -1;
}

bool envobject_has_expired(const json_t *obj, int64_t now)
{
	int64_t at = envobject_expires(obj);

	return at > 0 && at <= now;
}

bool envobject_is_router(const json_t *obj)
{
	const json_t *volumes =
		json_at(obj, "spec", "template", "spec", "volumes", NULL);
	const json_t *one;
	size_t i;

	if (!str_eq(object_label(obj, KT_LABEL_ROLE), KT_ROLE_ROUTER))
		return false;
	if (!volumes)
		volumes = json_at(obj, "spec", "volumes", NULL);
	json_array_foreach (volumes, i, one)
		if (str_eq(json_str(one, "configMap", "name", NULL),
			   KT_ENV_TABLE))
			return true;
	return false;
}
