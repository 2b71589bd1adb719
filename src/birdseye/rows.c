/* SPDX-License-Identifier: Apache-2.0 */
#include "birdseye/rows.h"

#include "base/mem.h"
#include "base/str.h"
#include "birdseye/session.h"
#include "cluster/envobject.h"
#include "cluster/ephemeral.h"
#include "cluster/objects.h"
#include "cluster/route.h"
#include "cluster/svcports.h"
#include "cluster/takeover.h"
#include "kube/rest.h"

#include <string.h>

#define ROWS_MATCH "kt-match" /* of a record: the canonical text */

struct rows {
	const struct rows_input *in;
	json_t *shadows; /* "NAMESPACE/TARGET": Pod */
	json_t *makers;	 /* "NAMESPACE/TARGET": Deployment */
	json_t *loose;	 /* "NAMESPACE": Pods that have a Service's labels */
	json_t *records; /* "NAMESPACE": Services of mesh users */
};

/* --- small things --------------------------------------------------------- */

static const char *rows_ns(const json_t *obj)
{
	const char *ns = json_str(obj, "metadata", "namespace", NULL);

	return ns ? ns : "";
}

static bool rows_is_kt(const json_t *obj)
{
	return str_eq(object_label(obj, KT_LABEL_CONTROL),
		      KT_LABEL_CONTROL_VALUE);
}

static bool rows_container_runs(const json_t *pod, const char *name)
{
	return name && str_starts(name, EPHEMERAL_PREFIX) &&
	       ephemeral_look(pod, name, NULL) == EPHEMERAL_RUNNING;
}

const json_t *rows_is_injected(const json_t *pod)
{
	const json_t *c;
	size_t i;

	json_array_foreach (json_at(pod, "spec", "ephemeralContainers", NULL),
			    i, c)
		if (rows_container_runs(pod, json_str(c, "name", NULL)))
			return c;
	return NULL;
}

bool rows_wants_pod(const json_t *pod)
{
	return object_label(pod, KT_LABEL_ROLE) || rows_is_injected(pod);
}

/* --- the lists, by what they are looked up by ----------------------------- */

static char *rows_target_key(const json_t *obj, const char *target)
{
	return xasprintf("%s/%s", rows_ns(obj), target);
}

static void rows_add_under(json_t *lists, const char *key, const json_t *obj)
{
	json_t *list = json_object_get(lists, key);

	if (!list) {
		list = json_array();
		json_object_set_new(lists, key, list);
	}
	json_array_append(list, (json_t *)(uintptr_t)obj);
}

/* Of two of one target one takes the other's place */
static void rows_add_shadow(struct rows *r, const json_t *pod,
			    const char *target)
{
	auto_free char *key = rows_target_key(pod, target);

	if (!json_object_get(r->shadows, key) || !object_is_ending(pod))
		json_object_set(r->shadows, key, (json_t *)(uintptr_t)pod);
}

static void rows_add_pod(struct rows *r, const json_t *pod)
{
	const char *target = object_label(pod, KT_LABEL_TARGET);
	const char *role = object_label(pod, KT_LABEL_ROLE);

	if (target)
		rows_add_shadow(r, pod, target);
	if (str_eq(role, KT_ROLE_EXCHANGE) || str_eq(role, KT_ROLE_MESH) ||
	    rows_is_injected(pod))
		rows_add_under(r->loose, rows_ns(pod), pod);
}

static void rows_init(struct rows *r, const struct rows_input *in)
{
	const json_t *obj;
	size_t i;

	*r = (struct rows){ in, json_object(), json_object(), json_object(),
			    json_object() };
	json_array_foreach (in->pods, i, obj)
		rows_add_pod(r, obj);
	json_array_foreach (in->deployments, i, obj) {
		const char *target =
			json_str(object_pod_labels(obj), KT_LABEL_TARGET, NULL);
		auto_free char *key =
			rows_target_key(obj, target ? target : "");

		if (target)
			json_object_set(r->makers, key,
					(json_t *)(uintptr_t)obj);
	}
	json_array_foreach (in->services, i, obj)
		if (rows_is_kt(obj) && strstr(object_name(obj), KT_MESH))
			rows_add_under(r->records, rows_ns(obj), obj);
}

static void rows_fini(struct rows *r)
{
	json_decref(r->shadows);
	json_decref(r->makers);
	json_decref(r->loose);
	json_decref(r->records);
}

static const json_t *rows_maker(const struct rows *r, const json_t *pod)
{
	const char *target = pod ? object_label(pod, KT_LABEL_TARGET) : NULL;
	auto_free char *key = target ? rows_target_key(pod, target) : NULL;

	/* a bare Pod says for itself whose it is */
	return key && !rows_is_kt(pod) ? json_object_get(r->makers, key) : NULL;
}

/* The shadow that @service leads to */
static void rows_find_shadow(const struct rows *r, const json_t *service,
			     struct session_facts *f)
{
	const char *target = service_target(service);
	auto_free char *key = rows_target_key(service, target ? target : "");

	f->pod = json_object_get(r->shadows, key);
	f->deployment = f->pod ? rows_maker(r, f->pod)
			       : json_object_get(r->makers, key);
}

/* --- one Service ---------------------------------------------------------- */

static void rows_add(const struct rows *r, json_t *sessions,
		     const struct session_facts *f)
{
	json_array_append_new(sessions, session_row(r->in, f));
}

static void rows_exchanged(const struct rows *r, const json_t *service,
			   const char *command, const char *mode,
			   json_t *sessions)
{
	struct session_facts f = { .command = command, .mode = mode };

	rows_find_shadow(r, service, &f);
	rows_add(r, sessions, &f);
}

/* KT Connect's says by its name only which Service it belongs to */
static bool rows_record_is_of(const json_t *record, const json_t *service)
{
	auto_free char *of = object_config(record, "service");
	auto_free char *prefix = mesh_record_prefix(object_name(service));

	return of ? strcmp(of, object_name(service)) == 0
		  : str_starts(object_name(record), prefix);
}

/* Of a record that does not say it the mark's value is in the name alone */
static char *rows_record_rule(const json_t *record)
{
	const char *match = object_annotation(record, ROWS_MATCH);
	const char *copy = object_annotation(record, KT_ANNOTATION_COPY);
	const char *name = object_name(record);

	if (match && copy)
		return xasprintf("copy=%s %s", copy, match);
	if (match)
		return xstrdup(match);
	return xasprintf("*=%s", strstr(name, KT_MESH) + strlen(KT_MESH));
}

/* "image" of "image IMAGE" */
static const char *rows_member_kind(const json_t *record)
{
	static const char *const kinds[] = { "local", "image", "selector",
					     "service" };
	const char *text = object_annotation(record, KT_ANNOTATION_MEMBER);

	for (size_t i = 0; text && i < ARRAY_SIZE(kinds); i++)
		if (str_starts(text, kinds[i]))
			return kinds[i];
	return kinds[0];
}

static void rows_add_record(const struct rows *r, const json_t *record,
			    const json_t *router, json_t *sessions)
{
	const char *route = object_annotation(record, KT_ANNOTATION_ROUTE);
	auto_free char *rule = rows_record_rule(record);
	struct session_facts f = {
		.command = "mesh",
		.mode = route ? "manual" : "auto",
		.route = route,
		.rule = rule,
		.record = record,
	};

	if (object_label(record, KT_LABEL_ENV)) {
		f.command = "env";
		f.mode = rows_member_kind(record);
	}
	rows_find_shadow(r, record, &f);
	if (!route && !f.pod) { /* ours serve through the router */
		f.pod = router;
		f.match = object_annotation(record, ROWS_MATCH);
	}
	rows_add(r, sessions, &f);
}

/* Its users' records: those with routes, or those of the router */
static void rows_records(const struct rows *r, const json_t *service,
			 bool routes, const json_t *router, json_t *sessions)
{
	const json_t *record;
	size_t i;

	json_array_foreach (json_object_get(r->records, rows_ns(service)), i,
			    record) {
		bool has = object_annotation(record, KT_ANNOTATION_ROUTE);

		if (has == routes && rows_record_is_of(record, service))
			rows_add_record(r, record, router, sessions);
	}
}

static void rows_meshed(const struct rows *r, const json_t *service,
			json_t *sessions)
{
	struct session_facts f = { .command = "mesh",
				   .mode = "auto",
				   .rule = "unknown" };

	rows_find_shadow(r, service, &f);
	rows_records(r, service, false, f.pod, sessions);
	if (!json_array_size(sessions)) /* a router without a user */
		rows_add(r, sessions, &f);
}

/* The label that the Service does not ask for is the mark */
static char *rows_manual_rule(const json_t *pod, const json_t *service)
{
	const json_t *selector = json_at(service, "spec", "selector", NULL);
	json_t *labels = json_at(pod, "metadata", "labels", NULL), *value;
	const char *key, *name = object_name(pod);
	const char *mark = strstr(name, KT_MESH);

	json_object_foreach (labels, key, value)
		if (!str_starts(key, "kt-") &&
		    !json_object_get(selector, key) && mark &&
		    str_eq(json_string_value(value), mark + strlen(KT_MESH)))
			return xasprintf("label:%s=%s", key,
					 json_string_value(value));
	return xstrdup("label");
}

static const char *rows_env(const json_t *container, const char *name)
{
	const json_t *v;
	size_t i;

	json_array_foreach (json_object_get(container, "env"), i, v)
		if (str_eq(json_str(v, "name", NULL), name))
			return json_str(v, "value", NULL);
	return NULL;
}

static void rows_injected(const json_t *pod, json_t *sessions)
{
	const json_t *c = rows_is_injected(pod);
	const char *user = rows_env(c, EPHEMERAL_ENV_USER);
	const char *machine = rows_env(c, EPHEMERAL_ENV_MACHINE);
	json_t *row =
		json_pack("{s:s,s:s,s:n,s:s,s:s?,s:s?,s:n,s:s,s:s}", "command",
			  "exchange", "mode", "ephemeral", "route", "rule",
			  "all", "user", user, "machine", machine, "since",
			  "program", "ktctl", "pod", object_name(pod));

	/* it ends two minutes after its laptop at the latest */
	life_set(row, 1, "running", -1, "pod");
	json_array_append_new(sessions, row);
}

static void rows_add_loose(const struct rows *r, const json_t *service,
			   const json_t *pod, json_t *sessions)
{
	bool mesh = str_eq(object_label(pod, KT_LABEL_ROLE), KT_ROLE_MESH);
	auto_free char *rule = mesh ? rows_manual_rule(pod, service) : NULL;
	const struct session_facts f = {
		.command = mesh ? "mesh" : "exchange",
		.mode = mesh ? "manual" : "scale",
		.rule = rule,
		.pod = pod,
		.deployment = rows_maker(r, pod),
	};

	if (object_label(pod, KT_LABEL_ROLE))
		rows_add(r, sessions, &f);
	else if (!json_array_size(sessions)) /* once for all its Pods */
		rows_injected(pod, sessions);
}

static void rows_beside(const struct rows *r, const json_t *service,
			json_t *sessions)
{
	const json_t *selector = json_at(service, "spec", "selector", NULL);
	const json_t *pod;
	size_t i;

	json_array_foreach (json_object_get(r->loose, rows_ns(service)), i, pod)
		if (!object_is_ending(pod) &&
		    selector_matches(selector,
				     json_at(pod, "metadata", "labels", NULL)))
			rows_add_loose(r, service, pod, sessions);
	rows_records(r, service, true, NULL, sessions);
}

static const char *rows_status(const json_t *sessions)
{
	const json_t *one = json_array_get(sessions, 0);
	const char *command = json_str(one, "command", NULL);

	if (!command)
		return "normal";
	return str_eq(command, "preview") ? "previewing"
	       : str_eq(command, "mesh") || str_eq(command, "env")
		       ? "meshed"
		       : "exchanged";
}

/* NULL: it is no Service of its own, but one that is there for another */
static json_t *rows_service(const struct rows *r, const json_t *service)
{
	const char *role = service_role(service);
	json_t *sessions;

	if (rows_is_kt(service) && !str_eq(role, KT_ROLE_PREVIEW))
		return NULL;
	sessions = json_array();
	if (rows_is_kt(service))
		rows_exchanged(r, service, "preview", "preview", sessions);
	else if (str_eq(role, KT_ROLE_ROUTER))
		rows_meshed(r, service, sessions);
	else if (role)
		rows_exchanged(r, service, "exchange", "selector", sessions);
	else
		rows_beside(r, service, sessions);
	return json_pack("{s:s,s:s,s:s,s:o}", "namespace", rows_ns(service),
			 "name", object_name(service), "status",
			 rows_status(sessions), "sessions", sessions);
}

/* --- all of them ---------------------------------------------------------- */

static int rows_compare_names(const json_t *a, const json_t *b)
{
	int rc = strcmp(json_str(a, "namespace", NULL),
			json_str(b, "namespace", NULL));

	return rc ? rc
		  : strcmp(json_str(a, "name", NULL),
			   json_str(b, "name", NULL));
}

static int rows_by_name(const void *a, const void *b)
{
	return rows_compare_names(*(json_t *const *)a, *(json_t *const *)b);
}

static int rows_by_status(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int rc = strcmp(json_str(x, "status", NULL),
			json_str(y, "status", NULL));

	return rc ? rc : rows_compare_names(x, y);
}

/* @list is taken */
static json_t *rows_sorted(json_t *list,
			   int (*compare)(const void *, const void *))
{
	size_t n = json_array_size(list), i;
	auto_free json_t **v = xcalloc(n + 1, sizeof(json_t *));
	json_t *out = json_array(), *one;

	json_array_foreach (list, i, one)
		v[i] = one;
	qsort(v, n, sizeof(json_t *), compare);
	for (i = 0; i < n; i++)
		json_array_append(out, v[i]);
	json_decref(list);
	return out;
}

json_t *rows_services(const struct rows_input *in)
{
	json_t *list = json_array();
	const json_t *service;
	struct rows r;
	size_t i;

	rows_init(&r, in);
	json_array_foreach (in->services, i, service) {
		json_t *row = rows_service(&r, service);

		if (row && in->hide_natural &&
		    str_eq(json_str(row, "status", NULL), "normal"))
			json_decref(row);
		else if (row)
			json_array_append_new(list, row);
	}
	rows_fini(&r);
	return rows_sorted(list, in->by_name ? rows_by_name : rows_by_status);
}

static int rows_by_user(const void *a, const void *b)
{
	const char *x = json_str(*(json_t *const *)a, "user", NULL);
	const char *y = json_str(*(json_t *const *)b, "user", NULL);

	return strcmp(x ? x : "", y ? y : "");
}

json_t *rows_connectors(const struct rows_input *in)
{
	json_t *list = json_array();
	const json_t *pod;
	struct rows r;
	size_t i;

	rows_init(&r, in);
	json_array_foreach (in->pods, i, pod)
		if (str_eq(object_label(pod, KT_LABEL_ROLE), KT_ROLE_CONNECT) &&
		    !object_is_ending(pod))
			json_array_append_new(
				list, session_connector(in, pod,
							rows_maker(&r, pod)));
	rows_fini(&r);
	return rows_sorted(list, rows_by_user);
}
