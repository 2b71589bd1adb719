/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/sources.h"

#include "base/mem.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>

static json_t *sources_read(const struct pod_sources *s, const char *key)
{
	return json_object_get(s->read, key);
}

/* Takes @object */
static void sources_keep(struct pod_sources *s, const char *key, json_t *object)
{
	if (!s->read)
		s->read = json_object();
	json_object_set_new(s->read, key, object);
}

static int sources_missing(const char *resource, const char *name,
			   struct kt_error *err)
{
	return kt_fail(err, ENOENT, "%s/%s: there is none", resource, name);
}

int pod_source(struct pod_sources *s, const char *resource, const char *name,
	       const json_t **out, struct kt_error *err)
{
	bool is_node = strcmp(resource, "nodes") == 0;
	auto_free char *key = xasprintf("%s/%s", resource, name);
	auto_free char *path =
		kube_path("v1", resource, is_node ? NULL : s->ns, name, NULL);
	json_t *object = sources_read(s, key);
	int rc;

	*out = object;
	if (object && !json_is_null(object))
		return 0;
	if (object || !s->kube)
		return sources_missing(resource, name, err);
	rc = kube_get(s->kube, path, &object, err);
	if (rc == -ENOENT)
		sources_keep(s, key, json_null());
	if (rc < 0)
		return rc;
	sources_keep(s, key, object);
	*out = object;
	return 0;
}

int pod_source_services(struct pod_sources *s, const char *ns,
			const json_t **out, struct kt_error *err)
{
	auto_free char *key = xasprintf("services/%s/", ns);
	auto_free char *path = kube_path("v1", "services", ns, NULL, NULL);
	auto_json json_t *list = NULL;
	int rc;

	*out = sources_read(s, key);
	if (*out)
		return 0;
	if (!s->kube)
		return sources_missing("services", ns, err);
	rc = kube_list(s->kube, path, NULL, &list, err);
	if (rc < 0)
		return rc;
	sources_keep(s, key, json_incref(json_object_get(list, "items")));
	*out = sources_read(s, key);
	return 0;
}

void pod_sources_fini(struct pod_sources *s)
{
	json_decref(s->read);
	s->read = NULL;
}
