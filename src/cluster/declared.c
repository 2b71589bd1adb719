/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/declared.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "cluster/takeover.h"
#include "kube/rest.h"

#include <string.h>

#define DECLARED_NAME_MAX 63 /* a label of DNS (RFC 1035) */
#define DECLARED_ROUTER "-kt-env-router"
#define DECLARED_ORIGIN "-kt-origin"

static char *declared_name(const char *service, const char *tail)
{
	auto_free char *of =
		str_shorten(service, DECLARED_NAME_MAX - strlen(tail));

	return xasprintf("%s%s", of, tail);
}

char *declared_router_name(const char *service)
{
	return declared_name(service, DECLARED_ROUTER);
}

char *declared_origin_name(const char *service)
{
	return declared_name(service, DECLARED_ORIGIN);
}

static bool declared_are_labels(const json_t *selector)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)selector, key, value)
		if (!json_is_string(value))
			return false;
	return json_object_size(selector) > 0;
}

json_t *declared_selector(const json_t *service)
{
	const char *text = object_annotation(service, KT_ANNOTATION_DECLARED);
	json_t *own;

	if (!text || !str_eq(json_str(service, "spec", "selector",
				      KT_LABEL_DECLARED, NULL),
			     object_name(service)))
		return NULL;
	own = json_loads(text, 0, NULL);
	if (declared_are_labels(own))
		return own;
	json_decref(own);
	return NULL;
}

/* --- as they are written down --------------------------------------------- */

/* Name, labels and annotations that are the user's */
static json_t *declared_meta(const json_t *obj, const char *name)
{
	json_t *meta =
		json_pack("{s:s,s:s*,s:O*}", "name", name, "namespace",
			  json_str(obj, "metadata", "namespace", NULL),
			  "labels", json_at(obj, "metadata", "labels", NULL));
	json_t *notes = json_object();
	const char *key;
	json_t *value;

	json_object_foreach (json_at(obj, "metadata", "annotations", NULL), key,
			     value)
		if (!str_starts(key, "kt-") &&
		    !str_starts(key, "kubectl.kubernetes.io/"))
			json_object_set(notes, key, value);
	json_object_set_new(meta, "annotations", notes);
	return meta;
}

/* What the API server chooses, or says for itself */
static void declared_strip(json_t *spec)
{
	static const char *const chosen[] = { "clusterIP", "clusterIPs",
					      "healthCheckNodePort",
					      "ipFamilies", "ipFamilyPolicy" };
	json_t *port;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(chosen); i++)
		json_object_del(spec, chosen[i]);
	json_array_foreach (json_object_get(spec, "ports"), i, port)
		json_object_del(port, "nodePort");
}

json_t *declared_service(const json_t *service, const json_t *selector)
{
	auto_free char *own = json_dumps(selector, JSON_SORT_KEYS);
	json_t *meta = declared_meta(service, object_name(service));
	json_t *spec = json_deep_copy(json_object_get(service, "spec"));

	declared_strip(spec);
	json_object_set_new(
		spec, "selector",
		json_pack("{s:s}", KT_LABEL_DECLARED, object_name(service)));
	json_object_set_new(json_object_get(meta, "annotations"),
			    KT_ANNOTATION_DECLARED, json_string(own));
	return json_pack("{s:s,s:s,s:o,s:o}", "apiVersion", "v1", "kind",
			 "Service", "metadata", meta, "spec", spec);
}

json_t *declared_origin(const json_t *service, const json_t *selector)
{
	const struct stuntman_spec spec = { .service = service,
					    .selector = selector };
	json_t *origin = stuntman_service(&spec);
	auto_free char *name = declared_origin_name(object_name(service));
	json_t *meta =
		json_pack("{s:s,s:s*}", "name", name, "namespace",
			  json_str(service, "metadata", "namespace", NULL));

	json_object_set_new(origin, "metadata", meta);
	declared_strip(json_object_get(origin, "spec"));
	return origin;
}

void declared_router(json_t *deployment, const json_t *service)
{
	const char *name = object_name(service);
	json_t *meta = json_object_get(deployment, "metadata");
	json_t *template = json_at(deployment, "spec", "template", NULL);
	auto_free char *config = xasprintf("service=%s", name);
	json_t *labels = json_pack("{s:s,s:s}", KT_LABEL_ROLE, KT_ROLE_ROUTER,
				   KT_LABEL_DECLARED, name);
	json_t *notes = json_pack("{s:s}", KT_ANNOTATION_CONFIG, config);

	json_object_set(meta, "labels", labels);
	json_object_set(meta, "annotations", notes);
	json_object_set(meta, "namespace",
			json_at(service, "metadata", "namespace", NULL));
	json_object_set_new(
		template, "metadata",
		json_pack("{s:o,s:o}", "labels", labels, "annotations", notes));
	json_object_set_new(
		json_object_get(deployment, "spec"), "selector",
		json_pack("{s:{s:s}}", "matchLabels", KT_LABEL_DECLARED, name));
}
