/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of a namespace, an array of whatever JSON: entries go in and come out
 * again, and what is the user's is as it was.
 */
#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "cluster/route.h"
#include "kube/rest.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct route_port ports[] = { { 80, "http" }, { 81, "" } };

static const struct route_spec ann = {
	.ns = "t",
	.service = "web",
	.record = "web-kt-mesh-ann",
	.header = "version",
	.value = "ann",
	.ports = ports,
	.nports = 2,
};

static const struct route_spec bob = {
	.ns = "t",
	.service = "web",
	.record = "web-kt-mesh-bob",
	.header = "user",
	.value = "bob",
	.ports = ports,
	.nports = 1,
	.all_ports = true,
};

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* takes both */
static void must_equal(json_t *a, json_t *b)
{
	must(json_equal(a, b));
	json_decref(a);
	json_decref(b);
}

static bool is_gone(const char *record, void *arg)
{
	return str_eq(record, arg);
}

static json_t *merge(const json_t *vs, const struct route_spec *s)
{
	size_t places;

	return istio_merged(vs, s, &places);
}

static json_t *unmerge(const json_t *vs, const struct route_spec *s)
{
	return istio_unmerged(vs, is_gone, (void *)(uintptr_t)s->record);
}

/* One object: in and out again, twice, two users in both orders */
static void check_merge(const json_t *vs)
{
	auto_json json_t *none = unmerge(vs, &ann);
	auto_json json_t *base = unmerge(none, &bob);
	auto_json json_t *a = merge(base, &ann), *b = merge(base, &bob);
	auto_json json_t *ab = merge(a, &bob), *in = merge(vs, &ann);

	must_equal(unmerge(a, &ann), json_incref(base));
	must_equal(merge(a, &ann), json_incref(a));
	must_equal(merge(b, &ann), json_incref(ab));
	must_equal(merge(ab, &ann), json_incref(ab));
	must_equal(unmerge(ab, &ann), json_incref(b));
	must_equal(unmerge(ab, &bob), json_incref(a));
	must_equal(unmerge(in, &ann), json_incref(none));
}

static size_t find(const json_t *objects, const char *name)
{
	size_t i = 0;

	while (i < json_array_size(objects) &&
	       strcmp(object_name(json_array_get(objects, i)), name) != 0)
		i++;
	return i;
}

/* What the API server would do; @user: no plan may touch those */
static void apply(json_t *objects, const json_t *plan, const json_t *user)
{
	const json_t *step;
	size_t i;

	json_array_foreach (plan, i, step) {
		json_t *obj = json_object_get(step, "object");
		const char *verb = json_str(step, "verb", NULL);
		size_t at = find(objects, object_name(obj));
		bool there = at < json_array_size(objects);

		must(there != (strcmp(verb, "create") == 0));
		must(!user ||
		     find(user, object_name(obj)) == json_array_size(user));
		if (!there)
			json_array_append(objects, obj);
		else if (strcmp(verb, "delete") == 0)
			json_array_remove(objects, at);
		else
			json_array_set(objects, at, obj);
	}
}

static void check_plans(const struct route_api *api, const json_t *start,
			bool untouched)
{
	auto_json json_t *objects = json_copy((json_t *)(uintptr_t)start);
	auto_json json_t *user = untouched ? json_copy(objects) : NULL;
	auto_json json_t *plan = NULL, *again = NULL, *drop = NULL;
	auto_free char *version = xasprintf("%s/v1", api->group);
	struct kt_error err = { 0 };
	size_t i;
	json_t *obj;

	plan = api->join(objects, version, &ann, &err);
	if (!plan) {
		must(err.code && err.msg[0]);
		return;
	}
	apply(objects, plan, user);
	again = api->join(objects, version, &ann, &err);
	must(again && !json_array_size(again));
	drop = api->drop(objects, is_gone, (void *)(uintptr_t)ann.record);
	apply(objects, drop, user);
	json_array_foreach (start, i, obj)
		if (!route_is_ours(obj))
			must_equal(untouched ? json_deep_copy(obj)
					     : unmerge(obj, &ann),
				   json_incref(json_array_get(
					   objects,
					   find(objects, object_name(obj)))));
}

/* Objects with names of their own */
static json_t *named(const json_t *v)
{
	json_t *out = json_array(), *obj, *meta;
	size_t i;

	json_array_foreach (v, i, obj) {
		auto_free char *name = xasprintf("x%zu", i);

		obj = json_deep_copy(obj);
		meta = json_object_get(obj, "metadata");
		if (!json_is_object(meta)) {
			meta = json_object();
			json_object_set_new(obj, "metadata", meta);
		}
		json_object_set_new(meta, "name", json_string(name));
		if (json_is_object(obj))
			json_array_append(out, obj);
		json_decref(obj);
	}
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_json json_t *v = json_loadb((const char *)data, size, 0, NULL);
	auto_json json_t *objects = named(v);
	json_t *obj;
	size_t i;

	json_array_foreach (v, i, obj)
		check_merge(obj);
	check_plans(&route_istio, objects, false);
	check_plans(&route_gateway, objects, true);
	return 0;
}
