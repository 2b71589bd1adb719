/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kubeconfig_merge.h"

#include "base/mem.h"
#include "kube/kubeconfig_entry.h"
#include "kube/yamltree.h"

#include <errno.h>
#include <string.h>

void kube_merged_init(struct kube_merged *m)
{
	*m = (struct kube_merged){
		.clusters = json_object(),
		.users = json_object(),
		.contexts = json_object(),
		.current = xstrdup(""),
	};
}

void kube_merged_fini(struct kube_merged *m)
{
	json_decref(m->clusters);
	json_decref(m->users);
	json_decref(m->contexts);
	free(m->current);
	strv_fini(&m->files);
	*m = (struct kube_merged){ 0 };
}

/* The folder that relative paths of @path belong to. */
static char *dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	return xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static int add_list(json_t *into, const json_t *doc, const char *list,
		    const char *item, const char *path, struct kt_error *err)
{
	const json_t *arr = json_object_get(doc, list);
	auto_free char *dir = dir_of(path);
	json_t *seen = json_object(), *e;
	size_t i;
	int rc = 0;

	if (arr && !json_is_array(arr) && !json_is_null(arr))
		rc = kt_fail(err, EINVAL, "%s: '%s' is not a list", path, list);
	json_array_foreach (arr, i, e) {
		auto_free char *name = kube_text_of(json_object_get(e, "name"));
		json_t *value = json_object_get(e, item);

		if (!json_is_object(e) ||
		    (value && !json_is_object(value) && !json_is_null(value))) {
			rc = kt_fail(err, EINVAL, "%s: %s[%zu] is not a map",
				     path, list, i);
			break;
		}
		if (!name)
			name = xstrdup("");
		if (json_object_get(seen, name)) {
			rc = kt_fail(err, EINVAL,
				     "%s: two entries named '%s' in %s", path,
				     name, list);
			break;
		}
		json_object_set_new(seen, name, json_true());
		if (!json_object_get(into, name))
			json_object_set_new(into, name,
					    json_pack("{s:s,s:s,s:o}", "dir",
						      dir, "file", path,
						      "value",
						      value ? json_incref(value)
							    : json_object()));
	}
	json_decref(seen);
	return rc;
}

static int add_doc(struct kube_merged *m, const json_t *doc, const char *path,
		   struct kt_error *err)
{
	auto_free char *current =
		kube_text_of(json_object_get(doc, "current-context"));
	int rc;

	if (json_is_null(doc)) /* an empty file is an empty configuration */
		return 0;
	if (!json_is_object(doc))
		return kt_fail(err, EINVAL, "%s:1: not a kubeconfig", path);
	rc = add_list(m->clusters, doc, "clusters", "cluster", path, err);
	if (!rc)
		rc = add_list(m->users, doc, "users", "user", path, err);
	if (!rc)
		rc = add_list(m->contexts, doc, "contexts", "context", path,
			      err);
	if (!rc && current && !*m->current) {
		free(m->current);
		m->current = steal_ptr(&current);
	}
	return rc;
}

int kube_merged_add(struct kube_merged *m, const char *path, const char *text,
		    size_t len, struct kt_error *err)
{
	json_t *doc = yaml_parse(text, len, path, err);
	int rc;

	if (!doc)
		return -EINVAL;
	rc = add_doc(m, doc, path, err);
	strv_add(&m->files, path);
	json_decref(doc);
	return rc;
}
