/* SPDX-License-Identifier: Apache-2.0 */
#include "env/hops.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/declared.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "cluster/svcports.h"
#include "cluster/takeover.h"
#include "kube/rest.h"

#include <string.h>

/* --- who calls ------------------------------------------------------------ */

static const json_t *hops_pod(const struct hops_of *of, const char *ip)
{
	const json_t *pod, *one;
	size_t i, k;

	json_array_foreach (of->pods, i, pod) {
		if (json_is_true(json_at(pod, "spec", "hostNetwork", NULL)))
			continue; /* its address is the node's */
		if (str_eq(json_str(pod, "status", "podIP", NULL), ip))
			return pod;
		json_array_foreach (json_at(pod, "status", "podIPs", NULL), k,
				    one)
			if (str_eq(json_str(one, "ip", NULL), ip))
				return pod;
	}
	return NULL;
}

/* Not one of ours */
static bool hops_is_own(const json_t *service)
{
	return !object_label(service, KT_LABEL_ROLE) &&
	       !object_label(service, KT_LABEL_CONTROL);
}

/* The Service's own Pods, whoever stands before it */
static bool hops_selects(const json_t *service, const json_t *pod)
{
	auto_json json_t *own = declared_selector(service);

	if (!own)
		own = service_original(service);
	return own && selector_matches(own, object_pod_labels(pod));
}

/* The probe has been there */
static bool hops_is_reached(const struct hops_of *of, const json_t *hops,
			    const char *service)
{
	const json_t *hop;
	size_t i;

	if (str_eq(of->entry, service))
		return true;
	json_array_foreach (hops, i, hop)
		if (str_eq(json_str(hop, "service", NULL), service))
			return true;
	return false;
}

/* Of several Services with the same Pods the one that the probe came by */
static const char *hops_service(const struct hops_of *of, const json_t *hops,
				const json_t *pod)
{
	const char *some = object_label(pod, KT_LABEL_ENV_OF);
	const json_t *service;
	size_t i;

	if (some)
		return some; /* a member */
	json_array_foreach (of->services, i, service) {
		if (!hops_is_own(service) || !hops_selects(service, pod))
			continue;
		if (hops_is_reached(of, hops, object_name(service)))
			return object_name(service);
		if (!some)
			some = object_name(service);
	}
	return some;
}

struct hops_caller {
	char from[IPADDR_STRLEN];
	const char *name; /* a Service, else a Pod; NULL: not known */
	bool is_service;
};

static void hops_find_caller(const struct hops_of *of, const json_t *hops,
			     const struct event *ev, struct hops_caller *c)
{
	const json_t *pod;

	*c = (struct hops_caller){ 0 };
	if (!ev->from.family)
		return;
	ipaddr_str(&ev->from, c->from);
	pod = hops_pod(of, c->from);
	if (!pod)
		return;
	c->name = hops_service(of, hops, pod);
	c->is_service = c->name;
	if (!c->name)
		c->name = object_name(pod);
}

/* --- what became of the mark ---------------------------------------------- */

static bool hops_says_tls(const struct hops_of *of, const char *service,
			  uint16_t port)
{
	struct service_ports ports = { 0 };
	const json_t *one;
	bool tls = false;
	size_t i;

	json_array_foreach (of->services, i, one) {
		if (!str_eq(object_name(one), service) ||
		    service_ports_make(&ports, one, NULL, NULL) < 0)
			continue;
		for (size_t k = 0; k < ports.n; k++)
			tls = tls ||
			      (ports.v[k].port == port && ports.v[k].tls);
		service_ports_fini(&ports);
	}
	return tls;
}

static const char *hops_mark(const struct hops_of *of,
			     const struct hops_seen *s)
{
	if (s->event.kind == EVENT_CONNECTION)
		return hops_says_tls(of, s->service, s->port) ? "tls"
							      : "not http";
	if (!*s->event.env)
		return "lost";
	if (strcmp(s->event.env, of->env) != 0)
		return "rewritten";
	return s->event.env_added ? "added" : "arrived";
}

static const char *hops_answered(enum event_by by)
{
	switch (by) {
	case EVENT_ORIGIN:
		return "trunk";
	case EVENT_ROUTER:
		return "router";
	case EVENT_NOBODY:
		return "nobody";
	default:
		return "member";
	}
}

static json_t *hops_text(const char *text)
{
	json_t *t = text && *text ? json_string(text) : NULL;

	return t ? t : json_null(); /* also what is no UTF-8 */
}

static json_t *hops_one(const struct hops_of *of, const struct hops_seen *s,
			const struct hops_caller *c, bool sure)
{
	const struct event *ev = &s->event;

	return json_pack(
		"{s:o,s:o,s:s,s:i,s:s,s:o,s:b,s:s,s:o,s:o,s:o,s:o}", "from",
		hops_text(c->from), "caller", hops_text(c->name), "service",
		s->service, "port", s->port, "mark", hops_mark(of, s),
		"environment", hops_text(ev->env), "sure", sure, "answered",
		hops_answered(ev->by), "user", hops_text(ev->user), "status",
		ev->status ? json_integer(ev->status) : json_null(), "method",
		hops_text(ev->method), "path", hops_text(ev->path));
}

/* --- in their order ------------------------------------------------------- */

static int hops_by_time(const void *a, const void *b)
{
	int64_t x = (*(const struct hops_seen *const *)a)->event.when;
	int64_t y = (*(const struct hops_seen *const *)b)->event.when;

	return x < y ? -1 : x > y;
}

static bool hops_has_trace(const struct hops_of *of, const struct hops_seen *s)
{
	return strcmp(s->event.trace, of->trace) == 0;
}

/* What the probe sends over TLS that nobody ends is a connection; of other
 * Services' Pods others come from there */
static bool hops_is_probe(const struct hops_of *of, const struct hops_seen *s,
			  const struct hops_caller *c)
{
	return of->tls && s->event.kind == EVENT_CONNECTION && !c->is_service &&
	       str_eq(s->service, of->entry) && s->port == of->port;
}

/* It has no trace, but came at that time from where the probe has been, or
 * with the mark */
static bool hops_may_be(const struct hops_of *of, const json_t *hops,
			const struct hops_seen *s, const struct hops_caller *c)
{
	const struct event *ev = &s->event;

	if (*ev->trace || ev->when < of->begin)
		return false;
	if (ev->kind == EVENT_REQUEST && strcmp(ev->env, of->env) == 0)
		return true;
	if (hops_is_probe(of, s, c))
		return true;
	return !*ev->env && c->is_service && hops_is_reached(of, hops, c->name);
}

/* This caller's call of this Service is there already */
static bool hops_is_known(const json_t *hops, const struct hops_seen *s,
			  const struct hops_caller *c)
{
	const json_t *hop;
	size_t i;

	json_array_foreach (hops, i, hop)
		if (str_eq(json_str(hop, "service", NULL), s->service) &&
		    str_eq(json_str(hop, "caller", NULL) ?: "", c->name ?: ""))
			return true;
	return false;
}

/* A caller whose other call has the trace passes it on: what it calls besides
 * at that time, without one, is another request's */
static bool hops_passes_trace(const struct hops_of *of,
			      const struct hops_seen **v,
			      const struct hops_seen *s)
{
	for (size_t i = 0; i < of->nseen; i++)
		if (hops_has_trace(of, v[i]) &&
		    str_eq(v[i]->service, s->service) &&
		    ipaddr_eq(&v[i]->event.from, &s->event.from))
			return true;
	return false;
}

json_t *hops_make(const struct hops_of *of)
{
	const struct hops_seen **v =
		xcalloc(MAX(of->nseen, (size_t)1), sizeof(*v));
	json_t *hops = json_array();

	for (size_t i = 0; i < of->nseen; i++)
		v[i] = &of->seen[i];
	qsort(v, of->nseen, sizeof(*v), hops_by_time);
	for (size_t i = 0; i < of->nseen; i++) {
		bool sure = hops_has_trace(of, v[i]);
		struct hops_caller c;

		hops_find_caller(of, hops, &v[i]->event, &c);
		if (sure || (hops_may_be(of, hops, v[i], &c) &&
			     !hops_is_known(hops, v[i], &c) &&
			     !hops_passes_trace(of, v, v[i])))
			json_array_append_new(hops,
					      hops_one(of, v[i], &c, sure));
	}
	free(v);
	return hops;
}

/* --- what there is to say ------------------------------------------------- */

static bool hops_is_good(const json_t *hop)
{
	const char *mark = json_str(hop, "mark", NULL);

	return str_eq(mark, "arrived") || str_eq(mark, "added");
}

const json_t *hops_broken(const json_t *hops)
{
	const json_t *hop;
	size_t i;

	json_array_foreach (hops, i, hop)
		if (!hops_is_good(hop))
			return hop;
	return NULL;
}

char *hops_why(const json_t *hop)
{
	const char *mark = json_str(hop, "mark", NULL);
	const char *service = json_str(hop, "service", NULL);
	const char *caller = json_str(hop, "caller", NULL) ?: "the caller";
	bool sure = json_is_true(json_object_get(hop, "sure"));

	if (str_eq(mark, "rewritten"))
		return xasprintf("%s calls %s with the mark of %s", caller,
				 service, json_str(hop, "environment", NULL));
	if (str_eq(mark, "tls"))
		return xasprintf("%s calls %s by TLS, which nobody ends before "
				 "its Pods: there is no mark to see (its "
				 "router can end it: --tlsSecret)",
				 caller, service);
	if (str_eq(mark, "not http"))
		return xasprintf("%s calls %s by what is no HTTP: there is no "
				 "mark to see",
				 caller, service);
	return sure ? xasprintf("%s calls %s with the trace, but without the "
				"mark: it passes on traceparent, and not "
				"baggage",
				caller, service)
		    : xasprintf("%s calls %s with neither trace nor mark: it "
				"passes on nothing",
				caller, service);
}

json_t *hops_without_router(const json_t *services,
			    bool (*has)(const void *user, const char *service),
			    const void *user)
{
	json_t *names = json_array();
	const json_t *one;
	size_t i;

	json_array_foreach (services, i, one)
		if (hops_is_own(one) &&
		    json_object_size(json_at(one, "spec", "selector", NULL)) &&
		    !has(user, object_name(one)))
			json_array_append_new(names,
					      json_string(object_name(one)));
	return names;
}
