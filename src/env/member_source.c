/* SPDX-License-Identifier: Apache-2.0 */
#include "env/member_source.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "kube/rest.h"

#include <errno.h>

#define SOURCE_SUFFIX "-source"
#define SOURCE_NAME_MAX 63 /* a label (RFC 1123 section 2.1) */

char *member_source_name(const char *record)
{
	auto_free char *of = str_shorten(
		record, SOURCE_NAME_MAX - (sizeof(SOURCE_SUFFIX) - 1));

	return xasprintf("%s" SOURCE_SUFFIX, of);
}

json_t *member_source_make(const json_t *record, const char *env)
{
	auto_free char *name = member_source_name(object_name(record));
	const char *user = object_annotation(record, KT_ANNOTATION_USER);

	return json_pack(
		"{s:s,s:s,s:{s:s,s:{s:s,s:s,s:s},s:{s:s*},s:[{s:s,s:s,s:s,s:s*}"
		"]},s:{s:s,s:b,s:O*}}",
		"apiVersion", "v1", "kind", "Service", "metadata", "name", name,
		"labels", KT_LABEL_CONTROL, KT_LABEL_CONTROL_VALUE,
		KT_LABEL_ROLE, KT_ROLE_ENV_SOURCE, KT_LABEL_ENV, env,
		"annotations", KT_ANNOTATION_USER, user, "ownerReferences",
		"apiVersion", "v1", "kind", "Service", "name",
		object_name(record), "uid",
		json_str(record, "metadata", "uid", NULL), "spec", "clusterIP",
		"None", "publishNotReadyAddresses", 1, "selector",
		json_at(record, "spec", "selector", NULL));
}

static int member_source_delete(const struct member_place *at, const char *name,
				struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "services", at->ns, name, NULL);
	auto_json json_t *there = NULL;
	int rc = kube_get(at->kube, path, &there, err);

	if (rc == -ENOENT) {
		*err = (struct kt_error){ 0 };
		return 0;
	}
	if (rc < 0)
		return rc;
	if (!str_eq(object_label(there, KT_LABEL_ROLE), KT_ROLE_ENV_SOURCE) ||
	    !str_eq(object_label(there, KT_LABEL_ENV), at->env))
		return kt_fail(
			err, EEXIST,
			"Service %s/%s exists, and ktctl has not made it",
			at->ns, name);
	return kube_delete_as(at->kube, path, there, 0, err);
}

int member_source_put(const struct member_place *at, const json_t *record,
		      char **name, struct kt_error *err)
{
	auto_free char *all = kube_path("v1", "services", at->ns, NULL, NULL);
	auto_json json_t *obj = member_source_make(record, at->env);
	int rc = kube_create(at->kube, all, obj, NULL, err);

	if (rc == -EEXIST) { /* of a join that was killed */
		*err = (struct kt_error){ 0 };
		rc = member_source_delete(at, object_name(obj), err);
		if (rc == 0)
			rc = kube_create(at->kube, all, obj, NULL, err);
	}
	if (rc < 0)
		return rc;
	free(*name);
	*name = xstrdup(object_name(obj));
	return 0;
}

int member_source_remove(const struct member_place *at, const char *record,
			 struct kt_error *err)
{
	auto_free char *name = member_source_name(record);

	return member_source_delete(at, name, err);
}
