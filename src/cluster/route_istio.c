/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: VirtualServices
 *
 * Istio takes one VirtualService for a host in the mesh and does not merge
 * several, and in it the first route that matches. So the entries go into the
 * user's own objects, each directly before the route that it narrows; where no
 * VirtualService is for the Service, one of ours is made that all users share.
 * Entries of several users before one route are sorted by name: every client
 * puts its own to the same place, whoever came first.
 */
#include "cluster/route.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/objects.h"
#include "cluster/takeover.h"
#include "kube/rest.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* --- whose is it ---------------------------------------------------------- */

/* A name without dots is one of the object's own namespace */
static bool route_istio_is_host(const char *host, const struct route_spec *s)
{
	size_t n = strlen(s->service), m = strlen(s->ns);

	if (!host || strncmp(host, s->service, n) != 0)
		return false;
	if (!host[n])
		return true;
	return host[n] == '.' && strncmp(host + n + 1, s->ns, m) == 0 &&
	       strncmp(host + n + 1 + m, ".svc.", 5) == 0;
}

/* "*.t.svc.cluster.local" */
static bool is_wider_host(const char *host, const struct route_spec *s)
{
	auto_free char *full =
		xasprintf("%s.%s.svc.cluster.local", s->service, s->ns);

	return host && host[0] == '*' && str_ends(full, host + 1);
}

static bool is_for_mesh(const json_t *vs)
{
	const json_t *list = json_at(vs, "spec", "gateways", NULL), *gateway;
	size_t i;

	json_array_foreach (list, i, gateway)
		if (str_eq(json_string_value(gateway), "mesh"))
			return true;
	return !json_array_size(list);
}

/* Does it decide about requests to the Service within the mesh? */
static bool is_for(const json_t *vs, const struct route_spec *s, bool exactly)
{
	const json_t *host;
	size_t i;

	if (!is_for_mesh(vs))
		return false;
	json_array_foreach (json_at(vs, "spec", "hosts", NULL), i, host)
		if (route_istio_is_host(json_string_value(host), s) ||
		    (!exactly && is_wider_host(json_string_value(host), s)))
			return true;
	return false;
}

static bool is_entry(const json_t *http)
{
	return route_is_record(json_str(http, "name", NULL));
}

/* --- one entry ------------------------------------------------------------ */

/* The destination whose place ours takes: the Service, or with @any the first
 */
static const json_t *place_of(const json_t *http, const struct route_spec *s,
			      bool any)
{
	const json_t *routes = json_object_get(http, "route"), *r;
	size_t i;

	json_array_foreach (routes, i, r)
		if (route_istio_is_host(
			    json_str(r, "destination", "host", NULL), s))
			return r;
	return any ? json_array_get(routes, 0) : NULL;
}

/* Can a header that @want (a StringMatch) takes be @value? Of a regular
 * expression nobody but Envoy knows. */
static bool can_be(const json_t *want, const char *value)
{
	const char *exact = json_str(want, "exact", NULL);
	const char *prefix = json_str(want, "prefix", NULL);

	return (!exact || strcmp(exact, value) == 0) &&
	       (!prefix || str_starts(value, prefix));
}

/* @match, and the mark in addition; NULL: no request has both */
static json_t *route_istio_narrow(const json_t *match,
				  const struct route_spec *s)
{
	json_t *copy = match ? json_deep_copy(match) : json_object();
	json_t *headers = json_object_get(copy, "headers"), *want;
	const char *key;
	bool never = false;
	void *next;

	json_object_foreach (json_object_get(copy, "withoutHeaders"), key, want)
		if (strcasecmp(key, s->header) == 0 &&
		    !json_object_get(want, "regex") && can_be(want, s->value))
			never = true;
	json_object_foreach_safe(headers, next, key, want)
	{
		if (strcasecmp(key, s->header) != 0)
			continue;
		if (!can_be(want, s->value))
			never = true;
		json_object_del(headers, key);
	}
	if (never || !json_is_object(copy)) {
		json_decref(copy);
		return NULL;
	}
	if (!json_is_object(headers)) {
		headers = json_object();
		json_object_set_new(copy, "headers", headers);
	}
	json_object_set_new(headers, s->header,
			    json_pack("{s:s}", "exact", s->value));
	return copy;
}

/* Only exposed ports: @match says which, or the destination (@known), or one
 * is made for each */
static void add_matches(json_t *out, const json_t *match, bool known,
			const struct route_spec *s)
{
	const json_t *port = json_object_get(match, "port");
	json_t *one = route_istio_narrow(match, s);

	if (!one)
		return;
	if (port ? route_exposes(s, json_integer_value(port))
		 : known || s->all_ports) {
		json_array_append_new(out, one);
		return;
	}
	for (size_t i = 0; i < s->nports && !port; i++) {
		json_t *copy = json_copy(one);

		json_object_set_new(copy, "port",
				    json_integer(s->ports[i].number));
		json_array_append_new(out, copy);
	}
	json_decref(one);
}

static json_t *route_istio_matches(const json_t *http, bool known,
				   const struct route_spec *s)
{
	const json_t *list = json_object_get(http, "match"), *match;
	json_t *out = json_array();
	size_t i;

	if (!json_array_size(list))
		add_matches(out, NULL, known, s);
	json_array_foreach (list, i, match)
		add_matches(out, match, known, s);
	if (json_array_size(out))
		return out;
	json_decref(out);
	return NULL;
}

/* What only the original does, or what would do it instead of a route */
static void drop_others(json_t *entry)
{
	static const char *const others[] = {
		"redirect", "delegate",	       "directResponse", "mirror",
		"mirrors",  "mirrorPercent",   "mirror_percent", "route",
		"match",    "mirrorPercentage"
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		json_object_del(entry, others[i]);
}

/* The copy of @http that wants the mark and leads to the record; NULL: it has
 * none */
static json_t *entry_of(const json_t *http, const struct route_spec *s,
			bool any)
{
	const json_t *place = place_of(http, s, any);
	json_t *port = json_at(place, "destination", "port", NULL);
	json_t *number = json_object_get(port, "number");
	json_t *entry, *to, *match;

	if (!json_is_object(place) || json_object_get(http, "redirect") ||
	    (number && !route_exposes(s, json_integer_value(number))))
		return NULL;
	match = route_istio_matches(http, number != NULL, s);
	if (!match)
		return NULL;
	entry = json_deep_copy(http);
	drop_others(entry);
	to = json_pack("{s:{s:s}}", "destination", "host", s->record);
	if (port)
		json_object_set(json_object_get(to, "destination"), "port",
				port);
	if (json_object_get(place, "headers"))
		json_object_set(to, "headers",
				json_object_get(place, "headers"));
	json_object_set_new(entry, "name", json_string(s->record));
	json_object_set_new(entry, "match", match);
	json_object_set_new(entry, "route", json_pack("[o]", to));
	return entry;
}

/* --- one object ----------------------------------------------------------- */

/* A copy whose spec.http is @http (taken) */
static json_t *with_http(const json_t *vs, json_t *http)
{
	json_t *copy = json_deep_copy(vs);

	json_object_set_new(json_object_get(copy, "spec"), "http", http);
	return copy;
}

json_t *istio_unmerged(const json_t *vs, route_gone_fn gone, void *arg)
{
	const json_t *list = json_at(vs, "spec", "http", NULL);
	json_t *http, *out;
	size_t i;

	if (!json_is_array(list))
		return json_deep_copy(vs);
	out = json_array();
	json_array_foreach (list, i, http)
		if (!is_entry(http) || !gone(json_str(http, "name", NULL), arg))
			json_array_append(out, http);
	return with_http(vs, out);
}

static bool route_istio_is_same(const char *record, void *arg)
{
	return str_eq(record, arg);
}

/* Takes @entry */
static void add_sorted(json_t *group, json_t *entry)
{
	const char *name = json_str(entry, "name", NULL);
	size_t i = 0;

	while (i < json_array_size(group) &&
	       strcmp(json_str(json_array_get(group, i), "name", NULL), name) <
		       0)
		i++;
	json_array_insert_new(group, i, entry);
}

json_t *istio_merged(const json_t *vs, const struct route_spec *s,
		     size_t *places)
{
	auto_json json_t *base = istio_unmerged(vs, route_istio_is_same,
						(void *)(uintptr_t)s->record);
	const json_t *list = json_at(base, "spec", "http", NULL);
	auto_json json_t *group = json_array(); /* ours before a route */
	bool any = is_for(vs, s, true);
	json_t *http, *entry, *out;
	size_t i;

	*places = 0;
	if (!json_is_array(list))
		return json_incref(base);
	out = json_array();
	json_array_foreach (list, i, http) {
		if (is_entry(http)) {
			json_array_append(group, http);
			continue;
		}
		entry = entry_of(http, s, any);
		if (entry) {
			++*places;
			add_sorted(group, entry);
		}
		json_array_extend(out, group);
		json_array_clear(group);
		json_array_append(out, http);
	}
	json_array_extend(out, group);
	return with_http(base, out);
}

/* --- all of them ---------------------------------------------------------- */

static bool has_entries(const json_t *vs)
{
	const json_t *http;
	size_t i;

	json_array_foreach (json_at(vs, "spec", "http", NULL), i, http)
		if (is_entry(http))
			return true;
	return false;
}

/* The one that is made when the user has none: everybody else as before */
static json_t *make_own(const char *api_version, const struct route_spec *s)
{
	auto_free char *name = xasprintf("%s-kt-mesh", s->service);

	return json_pack("{s:s, s:s, s:o, s:{s:[s], s:[{s:[{s:{s:s}}]}]}}",
			 "apiVersion", api_version, "kind", route_istio.kind,
			 "metadata", route_metadata(s, name), "spec", "hosts",
			 s->service, "http", "route", "destination", "host",
			 s->service);
}

/* Takes @then; what did not change is not written */
static void plan_replace(json_t *plan, const json_t *now, json_t *then)
{
	if (json_equal(now, then))
		json_decref(then);
	else
		route_plan_add(plan, "replace", then);
}

static void join_own(json_t *plan, json_t *own, const char *api_version,
		     const struct route_spec *s)
{
	auto_json json_t *made = own ? NULL : make_own(api_version, s);
	size_t places;
	json_t *then = istio_merged(own ? own : made, s, &places);

	if (own)
		plan_replace(plan, own, then);
	else
		route_plan_add(plan, "create", then);
}

static json_t *istio_join(const json_t *objects, const char *api_version,
			  const struct route_spec *s, struct kt_error *err)
{
	json_t *plan = json_array(), *vs, *then, *own = NULL;
	const char *closed = NULL, *open = NULL;
	size_t i, places;

	json_array_foreach (objects, i, vs) {
		if (route_is_ours(vs)) {
			if (is_for(vs, s, true))
				own = vs;
			continue;
		}
		then = istio_merged(vs, s, &places);
		plan_replace(plan, vs, then);
		if (is_for(vs, s, false))
			*(places ? &open : &closed) = object_name(vs);
	}
	if (closed && !open) {
		json_decref(plan);
		kt_hint(err, "--mode auto needs no routes");
		kt_fail(err, ENOENT,
			"VirtualService %s/%s decides about Service %s, and no "
			"HTTP route in it leads to an exposed port",
			s->ns, closed, s->service);
		return NULL;
	}
	if (!open)
		join_own(plan, own, api_version, s);
	else if (own) /* two for one host: the user's is the one */
		route_plan_add(plan, "delete", json_incref(own));
	return plan;
}

static json_t *istio_drop(const json_t *objects, route_gone_fn gone, void *arg)
{
	json_t *plan = json_array(), *vs, *then;
	size_t i;

	json_array_foreach (objects, i, vs) {
		then = istio_unmerged(vs, gone, arg);
		if (!route_is_ours(vs) || has_entries(then)) {
			plan_replace(plan, vs, then);
			continue;
		}
		json_decref(then);
		if (has_entries(vs))
			route_plan_add(plan, "delete", json_incref(vs));
	}
	return plan;
}

static const char *const versions[] = { "v1", "v1beta1", "v1alpha3", NULL };

const struct route_api route_istio = {
	.name = "istio",
	.group = "networking.istio.io",
	.resource = "virtualservices",
	.kind = "VirtualService",
	.versions = versions,
	.join = istio_join,
	.drop = istio_drop,
};
