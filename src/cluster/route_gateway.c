/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: HTTPRoutes
 *
 * Gateway API merges all HTTPRoutes of one parent, and the most specific match
 * wins: an exact path, the longest prefix, a method, the most headers; then the
 * older route. So the user's objects are left alone: for each that leads to the
 * Service one of ours has the same parents, host names and matches, each with
 * one header more, the mark. A Service that is nobody's parent gets a route for
 * each exposed port, with a second rule that leads everybody else to it.
 *
 * Objects of ours are called RECORD.WHAT, belong to the record (so Kubernetes
 * removes them with it), and say in kt-config what was written: the server adds
 * defaults.
 */
#include "cluster/route.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* --- references ----------------------------------------------------------- */

/* A parent or a backend: is it the Service? Without @kind it is @fallback. */
static bool is_service(const json_t *ref, const struct route_spec *s,
		       const char *fallback)
{
	const char *kind = json_str(ref, "kind", NULL);
	const char *ns = json_str(ref, "namespace", NULL);
	const char *group = json_str(ref, "group", NULL);

	return strcmp(kind ? kind : fallback, "Service") == 0 &&
	       (!group || !*group) && (!ns || strcmp(ns, s->ns) == 0) &&
	       str_eq(json_str(ref, "name", NULL), s->service);
}

static bool names_port(const json_t *parent, const struct route_port *p)
{
	const json_t *port = json_object_get(parent, "port");
	const char *section = json_str(parent, "sectionName", NULL);

	return (!port || json_integer_value(port) == p->number) &&
	       (!section || strcmp(section, p->name) == 0);
}

static bool names_exposed(const json_t *parent, const struct route_spec *s)
{
	for (size_t i = 0; i < s->nports; i++)
		if (names_port(parent, &s->ports[i]))
			return true;
	return false;
}

/* The parents that are the Service itself (@mesh), or all others */
static json_t *parents(const json_t *route, const struct route_spec *s,
		       bool mesh)
{
	json_t *out = json_array(), *parent;
	size_t i;

	json_array_foreach (json_at(route, "spec", "parentRefs", NULL), i,
			    parent)
		if (is_service(parent, s, "Gateway") == mesh &&
		    (!mesh || names_exposed(parent, s)))
			json_array_append(out, parent);
	return out;
}

/* --- rules ---------------------------------------------------------------- */

static json_t *route_gateway_mark_header(const struct route_spec *s)
{
	return json_pack("{s:s, s:s, s:s}", "type", "Exact", "name", s->header,
			 "value", s->value);
}

/* @match with the mark in addition; NULL: it has an opinion about that header
 * already, and none of ours would be more specific */
static json_t *route_gateway_narrow(const json_t *match,
				    const struct route_spec *s)
{
	json_t *copy = match ? json_deep_copy(match) : json_object();
	json_t *headers = json_object_get(copy, "headers"), *header;
	bool taken = !json_is_object(copy);
	size_t i;

	json_array_foreach (headers, i, header) {
		const char *name = json_str(header, "name", NULL);

		if (name && strcasecmp(name, s->header) == 0)
			taken = true;
	}
	if (taken) {
		json_decref(copy);
		return NULL;
	}
	if (!json_is_array(headers)) {
		headers = json_array();
		json_object_set_new(copy, "headers", headers);
	}
	json_array_append_new(headers, route_gateway_mark_header(s));
	return copy;
}

static json_t *route_gateway_matches(const json_t *rule,
				     const struct route_spec *s)
{
	const json_t *list = json_object_get(rule, "matches"), *match;
	json_t *out = json_array(), *one;
	size_t i;

	if (!json_array_size(list))
		json_array_append_new(out, route_gateway_narrow(NULL, s));
	json_array_foreach (list, i, match) {
		one = route_gateway_narrow(match, s);
		if (one)
			json_array_append_new(out, one);
	}
	return out;
}

/* Redirects stay the user's, copies of requests are for the original */
static bool filters(json_t *rule)
{
	json_t *list = json_object_get(rule, "filters"), *filter;
	size_t i;

	for (i = json_array_size(list); i-- > 0;) {
		const char *type;

		filter = json_array_get(list, i);
		type = json_str(filter, "type", NULL);
		if (str_eq(type, "RequestRedirect"))
			return false;
		if (str_eq(type, "RequestMirror"))
			json_array_remove(list, i);
	}
	if (list && !json_array_size(list))
		json_object_del(rule, "filters");
	return true;
}

/* The backend in whose place the record comes: the Service, or with @any the
 * first (returned, caller decrefs) */
static json_t *backend(const json_t *rule, const struct route_spec *s, bool any)
{
	const json_t *list = json_object_get(rule, "backendRefs"), *ref;
	const json_t *found = NULL, *filter;
	json_int_t port = s->nports ? s->ports[0].number : 0;
	json_t *out;
	size_t i;

	json_array_foreach (list, i, ref)
		if (!found && is_service(ref, s, "Service"))
			found = ref;
	if (found)
		port = json_integer_value(json_object_get(found, "port"));
	else if (!any || !json_array_size(list))
		return NULL;
	if (!route_exposes(s, port))
		return NULL;
	out = json_pack("{s:s, s:I}", "name", s->record, "port", port);
	filter = json_object_get(found, "filters");
	if (filter)
		json_object_set(out, "filters", (json_t *)(uintptr_t)filter);
	return out;
}

static json_t *rules(const json_t *route, const struct route_spec *s, bool any)
{
	json_t *out = json_array(), *rule;
	size_t i;

	json_array_foreach (json_at(route, "spec", "rules", NULL), i, rule) {
		json_t *to = backend(rule, s, any);
		json_t *match = route_gateway_matches(rule, s);
		json_t *copy = json_deep_copy(rule);

		if (to && json_array_size(match) && filters(copy)) {
			json_object_set(copy, "matches", match);
			json_object_set_new(copy, "backendRefs",
					    json_pack("[O]", to));
			json_array_append(out, copy);
		}
		json_decref(copy);
		json_decref(match);
		json_decref(to);
	}
	return out;
}

/* --- objects -------------------------------------------------------------- */

/* Takes @name and @spec */
static void route_gateway_want(json_t *wanted, const char *api_version,
			       const struct route_spec *s, char *name,
			       json_t *spec)
{
	auto_free char *text = json_dumps(spec, JSON_COMPACT | JSON_SORT_KEYS);
	json_t *meta = route_metadata(s, name);
	const char *uid = json_str(s->owner, "metadata", "uid", NULL);

	json_object_set_new(json_object_get(meta, "annotations"),
			    KT_ANNOTATION_CONFIG, json_string(text));
	if (uid)
		json_object_set_new(meta, "ownerReferences",
				    json_pack("[{s:s, s:s, s:s, s:s}]",
					      "apiVersion", "v1", "kind",
					      "Service", "name", s->record,
					      "uid", uid));
	json_object_set_new(wanted, name,
			    json_pack("{s:s, s:s, s:o, s:o}", "apiVersion",
				      api_version, "kind", route_gateway.kind,
				      "metadata", meta, "spec", spec));
	free(name);
}

/* Our side of one of the user's */
static void want_copy(json_t *wanted, const char *api_version,
		      const struct route_spec *s, const json_t *route,
		      bool mesh)
{
	auto_json json_t *to = parents(route, s, mesh);
	auto_json json_t *what = rules(route, s, mesh);
	json_t *hosts = json_at(route, "spec", "hostnames", NULL), *spec;

	if (!json_array_size(to) || !json_array_size(what))
		return;
	spec = json_pack("{s:O, s:O}", "parentRefs", to, "rules", what);
	if (hosts)
		json_object_set(spec, "hostnames", hosts);
	route_gateway_want(wanted, api_version, s,
			   xasprintf("%s.%s.%s", s->record,
				     mesh ? "service" : "gateway",
				     object_name(route)),
			   spec);
}

/* For a port that no route of the user's is for */
static void want_own(json_t *wanted, const char *api_version,
		     const struct route_spec *s, unsigned int port)
{
	json_t *spec = json_pack(
		"{s:[{s:s,s:s,s:s,s:i}], s:[{s:[{s:[o]}],s:[{s:s,s:i}]},"
		"{s:[{s:s,s:i}]}]}",
		"parentRefs", "group", "", "kind", "Service", "name",
		s->service, "port", (int)port, "rules", "matches", "headers",
		route_gateway_mark_header(s), "backendRefs", "name", s->record,
		"port", (int)port, "backendRefs", "name", s->service, "port",
		(int)port);

	route_gateway_want(wanted, api_version, s,
			   xasprintf("%s.%u", s->record, port), spec);
}

static bool has_route(const json_t *objects, const struct route_spec *s,
		      const struct route_port *p, const char **name)
{
	const json_t *route, *parent;
	size_t i, j;

	json_array_foreach (objects, i, route)
		json_array_foreach (json_at(route, "spec", "parentRefs", NULL),
				    j, parent)
			if (!route_is_ours(route) &&
			    is_service(parent, s, "Gateway") &&
			    names_port(parent, p)) {
				*name = object_name(route);
				return true;
			}
	return false;
}

static json_t *wanted_of(const json_t *objects, const char *api_version,
			 const struct route_spec *s, struct kt_error *err)
{
	json_t *wanted = json_object(), *route;
	const char *closed = NULL;
	size_t i;

	json_array_foreach (objects, i, route) {
		if (route_is_ours(route))
			continue;
		want_copy(wanted, api_version, s, route, true);
		want_copy(wanted, api_version, s, route, false);
	}
	for (i = 0; i < s->nports; i++)
		if (!has_route(objects, s, &s->ports[i], &closed))
			want_own(wanted, api_version, s, s->ports[i].number);
	if (json_object_size(wanted))
		return wanted;
	json_decref(wanted);
	kt_hint(err, "choose another --versionMark; --mode auto needs no "
		     "routes");
	kt_fail(err, ENOENT,
		"HTTPRoute %s/%s decides about Service %s, and leaves no "
		"place for the header '%s: %s'",
		s->ns, closed ? closed : "", s->service, s->header, s->value);
	return NULL;
}

/* "RECORD.WHAT" */
static bool route_gateway_is_of(const json_t *route, const char *record)
{
	size_t n = strlen(record);
	const char *name = object_name(route);

	return route_is_ours(route) && strncmp(name, record, n) == 0 &&
	       name[n] == '.';
}

static bool is_as_wanted(const json_t *route, const json_t *object)
{
	return str_eq(object_annotation(route, KT_ANNOTATION_CONFIG),
		      object_annotation(object, KT_ANNOTATION_CONFIG)) &&
	       route_holds(json_object_get(route, "spec"),
			   json_object_get(object, "spec"));
}

static json_t *gateway_join(const json_t *objects, const char *api_version,
			    const struct route_spec *s, struct kt_error *err)
{
	auto_json json_t *wanted = wanted_of(objects, api_version, s, err);
	json_t *plan, *route, *object, *version;
	const char *name;
	size_t i;

	if (!wanted)
		return NULL;
	plan = json_array();
	json_array_foreach (objects, i, route) {
		if (!route_gateway_is_of(route, s->record))
			continue;
		object = json_object_get(wanted, object_name(route));
		version = json_at(route, "metadata", "resourceVersion", NULL);
		if (!object) {
			route_plan_add(plan, "delete", json_incref(route));
			continue;
		}
		if (!is_as_wanted(route, object)) {
			if (version)
				json_object_set(
					json_object_get(object, "metadata"),
					"resourceVersion", version);
			route_plan_add(plan, "replace", json_incref(object));
		}
		json_object_del(wanted, object_name(route));
	}
	json_object_foreach (wanted, name, object)
		route_plan_add(plan, "create", json_incref(object));
	return plan;
}

static json_t *gateway_drop(const json_t *objects, route_gone_fn gone,
			    void *arg)
{
	json_t *plan = json_array(), *route;
	size_t i;

	json_array_foreach (objects, i, route) {
		auto_free char *record = xstrdup(object_name(route));

		record[strcspn(record, ".")] = '\0';
		if (route_is_ours(route) && route_is_record(record) &&
		    gone(record, arg))
			route_plan_add(plan, "delete", json_incref(route));
	}
	return plan;
}

static const char *const versions[] = { "v1", "v1beta1", NULL };

const struct route_api route_gateway = {
	.name = "gateway",
	.group = "gateway.networking.k8s.io",
	.resource = "httproutes",
	.kind = "HTTPRoute",
	.versions = versions,
	.join = gateway_join,
	.drop = gateway_drop,
};
