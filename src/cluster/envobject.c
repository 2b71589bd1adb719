/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/envobject.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "kube/encode.h"
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

bool envobject_has_finished(const json_t *job)
{
	const json_t *c;
	size_t i;

	json_array_foreach (json_at(job, "status", "conditions", NULL), i, c) {
		const char *type = json_str(c, "type", NULL);

		if (str_eq(json_str(c, "status", NULL), "True") &&
		    (str_eq(type, "Failed") || str_eq(type, "Complete")))
			return true;
	}
	return false;
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

int64_t envobject_age(const json_t *obj, int64_t now)
{
	int64_t age = object_age(obj, KT_ANNOTATION_HEARTBEAT, now), made;
	const char *text = json_str(obj, "metadata", "creationTimestamp", NULL);

	if (age >= 0)
		return age;
	made = text ? rfc3339_parse(text) : -1;
	return made < 0 ? -1 : MAX(now - made, (int64_t)0);
}
