/* SPDX-License-Identifier: Apache-2.0 */
#include "env/spec.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/words.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "env/find.h"
#include "kube/rest.h"

#include <inttypes.h>
#include <string.h>

#define ENV_SPEC_SECOND ((int64_t)1000000000)
#define SPEC_YAML_MAX ((size_t)1 << 20)

json_t *env_spec_image(const char *image, const struct pairs *set,
		       const struct strv *env_from, int replicas)
{
	json_t *spec = json_pack("{s:s}", "image", image);
	json_t *map = set && set->n ? json_object() : NULL;
	json_t *list = env_from && env_from->n ? json_array() : NULL;

	for (size_t i = 0; map && i < set->n; i++)
		json_object_set_new(map, set->v[i].key,
				    json_string(set->v[i].value));
	for (size_t i = 0; list && i < env_from->n; i++)
		json_array_append_new(list, json_string(env_from->v[i]));
	if (map)
		json_object_set_new(spec, "set", map);
	if (list)
		json_object_set_new(spec, "envFrom", list);
	if (replicas > 1)
		json_object_set_new(spec, "replicas", json_integer(replicas));
	return spec;
}

json_t *env_spec_span(int64_t ns)
{
	int64_t s = MAX(ns / ENV_SPEC_SECOND, (int64_t)1);
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64 "%s",
		 s % 3600 == 0 ? s / 3600
		 : s % 60 == 0 ? s / 60
			       : s,
		 s % 3600 == 0 ? "h"
		 : s % 60 == 0 ? "m"
			       : "s");
	return json_string(text);
}

void env_spec_idle(json_t *spec, int64_t idle_ns, int64_t wake_ns)
{
	if (!idle_ns)
		return;
	json_object_set_new(spec, "idle", env_spec_span(idle_ns));
	if (wake_ns != ENV_WAKE_DEFAULT)
		json_object_set_new(spec, "wakeTimeout",
				    env_spec_span(wake_ns));
}

/* --- of what is there ----------------------------------------------------- */

static json_t *env_spec_of_copy(const char *env, const char *service,
				const json_t *deployments)
{
	const json_t *d;
	size_t i;

	json_array_foreach (deployments, i, d) {
		const char *text = object_annotation(d, KT_ANNOTATION_SPEC);
		json_t *spec = NULL;

		if (text && str_eq(object_label(d, KT_LABEL_ENV), env) &&
		    str_eq(object_label(d, KT_LABEL_ENV_OF), service))
			spec = json_loads(text, 0, NULL);
		if (json_is_object(spec) && json_str(spec, "image", NULL))
			return spec;
		json_decref(spec);
	}
	return NULL;
}

json_t *env_spec_map(const char *text, char between)
{
	struct strv parts = between == ',' ? strv_split(text, between)
					   : words_cut(text, between);
	json_t *map = json_object();

	for (size_t i = 0; i < parts.n; i++) {
		char *eq = strchr(parts.v[i], '=');

		if (!eq)
			continue;
		*eq = '\0';
		json_object_set_new(map, parts.v[i], json_string(eq + 1));
	}
	strv_fini(&parts);
	return map;
}

static json_t *env_spec_of_local(const json_t *record)
{
	const char *user = object_annotation(record, KT_ANNOTATION_USER);
	const char *at = object_annotation(record, KT_ANNOTATION_MACHINE);
	auto_free char *text =
		xasprintf("%s@%s", user ? user : "?", at ? at : "?");

	return json_pack("{s:s}", "local", text);
}

json_t *env_spec_of(const json_t *record, const json_t *deployments)
{
	const char *said = object_annotation(record, KT_ANNOTATION_MEMBER);
	auto_free char *service = env_record_service(record);
	json_t *spec = NULL;

	if (!said || !service)
		return NULL;
	if (strcmp(said, "local") == 0)
		return env_spec_of_local(record);
	if (str_starts(said, "selector "))
		return json_pack("{s:o}", "selector",
				 env_spec_map(said + strlen("selector "), ','));
	if (str_starts(said, "service "))
		return json_pack("{s:s}", "service", said + strlen("service "));
	if (!str_starts(said, "image "))
		return NULL;
	spec = env_spec_of_copy(object_label(record, KT_LABEL_ENV), service,
				deployments);
	return spec ? spec
		    : env_spec_image(said + strlen("image "), NULL, NULL, 1);
}

json_t *env_spec_all(const json_t *records, const json_t *deployments)
{
	json_t *all = json_object();
	const json_t *r;
	size_t i;

	json_array_foreach (records, i, r) {
		auto_free char *service = env_record_service(r);
		const char *user = object_annotation(r, KT_ANNOTATION_USER);
		json_t *spec = env_spec_of(r, deployments);

		if (spec && user)
			json_object_set_new(spec, "user", json_string(user));
		if (spec)
			json_object_set_new(all, service, spec);
	}
	return all;
}

/* --- as a file ------------------------------------------------------------ */

/* JSON is YAML, and quotes what YAML would take for something else */
static void env_spec_put(struct buf *b, const char *indent, const char *key,
			 const json_t *value)
{
	auto_free char *text =
		json_dumps(value, JSON_ENCODE_ANY | JSON_SORT_KEYS);

	if (text && buf_printf(b, "%s%s: %s\n", indent, key, text) < 0)
		return; /* it is full; what is there is looked at later */
}

/* In one line, whatever somebody has written into an annotation: as JSON has it
 * between its quotes (returned) */
static char *env_spec_plain(const char *value)
{
	auto_json json_t *v = json_string(value);
	auto_free char *text =
		v ? json_dumps(v, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;

	return text ? xstrndup(text + 1, strlen(text) - 2) : xstrdup("?");
}

static void env_spec_put_member(struct buf *b, const char *service,
				json_t *spec)
{
	static const char *const keys[] = {
		"image",       "set",	 "envFrom",  "replicas", "idle",
		"wakeTimeout", "onJoin", "onDelete", "selector", "service"
	};
	const char *local = json_str(spec, "local", NULL);
	auto_free char *name = env_spec_plain(service);
	auto_free char *whose = env_spec_plain(local ? local : "");

	/* whose machine it is on does not come with a file */
	if (local ? buf_printf(b, "  # %s: local, %s\n", name, whose) < 0
		  : buf_printf(b, "  %s:\n", name) < 0)
		return;
	for (size_t i = 0; !local && i < ARRAY_SIZE(keys); i++)
		if (json_object_get(spec, keys[i]))
			env_spec_put(b, "    ", keys[i],
				     json_object_get(spec, keys[i]));
}

/* How long it was made for, in whole minutes: the answer to it takes a moment
 */
static int64_t env_spec_ttl(const struct env_info *info)
{
	int64_t ttl = info->expires - info->since;

	return info->expires ? MAX((ttl + 30) / 60, 1) : 0;
}

static bool env_spec_any(const json_t *specs)
{
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)specs, key, v)
		if (!json_object_get(v, "local"))
			return true;
	return false;
}

char *env_spec_yaml(const struct env_info *info, const json_t *specs)
{
	auto_json json_t *name = json_string(info->name);
	int64_t minutes = env_spec_ttl(info);
	const char *service;
	json_t *spec;
	struct buf b;
	char *text;

	buf_init(&b, SPEC_YAML_MAX);
	env_spec_put(&b, "apiVersion: ktctl/v1\n", "environment", name);
	if (buf_printf(&b, "ttl: %" PRId64 "%s\n%s%s%s%smembers:%s\n",
		       minutes % 60 ? minutes : minutes / 60,
		       !minutes	      ? ""
		       : minutes % 60 ? "m"
				      : "h",
		       info->strict ? "strict: true\n" : "",
		       info->header[0] ? "header: " : "", info->header,
		       info->header[0] ? "\n" : "",
		       env_spec_any(specs) ? "" : " {}") == 0)
		json_object_foreach ((json_t *)(uintptr_t)specs, service, spec)
			env_spec_put_member(&b, service, spec);
	text = xstrndup((const char *)buf_data(&b), b.len);
	buf_fini(&b);
	return text;
}
