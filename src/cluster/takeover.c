/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/takeover.h"

#include "base/mem.h"
#include "base/str.h"
#include "cluster/lastapplied.h"
#include "cluster/objects.h"
#include "cluster/route.h"
#include "kube/rest.h"
#include "local/owner.h"

#include <inttypes.h>
#include <string.h>

static json_t *takeover_selector_of(const json_t *service)
{
	return json_at(service, "spec", "selector", NULL);
}

static json_t *recorded(const json_t *service)
{
	const char *text = object_annotation(service, KT_ANNOTATION_SELECTOR);
	json_t *selector = text ? json_loads(text, 0, NULL) : NULL;

	if (json_is_object(selector))
		return selector;
	json_decref(selector);
	return NULL;
}

/* @selector without what a takeover put in: "apply" of a manifest merges */
static json_t *without_ours(const json_t *selector, const json_t *ours)
{
	json_t *copy = json_copy((json_t *)(uintptr_t)selector);
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)ours, key, value)
		if (json_equal(json_object_get(copy, key), value))
			json_object_del(copy, key);
	json_object_del(copy, KT_LABEL_ROLE);
	json_object_del(copy, KT_LABEL_TARGET);
	return copy;
}

json_t *service_original(const json_t *service)
{
	json_t *original = recorded(service),
	       *selector = takeover_selector_of(service);

	if (original)
		return original;
	if (!json_object_size(selector) || service_role(service))
		return NULL;
	return json_copy(selector);
}

const char *service_role(const json_t *service)
{
	return json_str(takeover_selector_of(service), KT_LABEL_ROLE, NULL);
}

const char *service_target(const json_t *service)
{
	return json_str(takeover_selector_of(service), KT_LABEL_TARGET, NULL);
}

static json_t *takeover_annotations_of(json_t *service)
{
	json_t *meta = json_object_get(service, "metadata");
	json_t *a = json_object_get(meta, "annotations");

	if (!json_is_object(a)) {
		a = json_object();
		json_object_set_new(meta, "annotations", a);
	}
	return a;
}

/* Without annotations the object is again what its owner wrote */
static void drop_annotation(json_t *service, const char *key)
{
	json_t *a = takeover_annotations_of(service);

	json_object_del(a, key);
	if (!json_object_size(a))
		json_object_del(json_object_get(service, "metadata"),
				"annotations");
}

/* What "kubectl apply" goes by names @selector as well, or (NULL) not ours */
static void takeover_applied(json_t *service, const json_t *selector)
{
	const char *text =
		object_annotation(service, KT_ANNOTATION_LAST_APPLIED);
	auto_free char *own = text ? lastapplied_without(text) : NULL;
	auto_free char *whole =
		own && selector ? lastapplied_with(own, selector) : NULL;

	if (own)
		json_object_set_new(takeover_annotations_of(service),
				    KT_ANNOTATION_LAST_APPLIED,
				    json_string(whole ? whole : own));
}

json_t *service_taken(const json_t *service, const json_t *selector,
		      const json_t *original)
{
	json_t *copy = json_deep_copy(service);
	auto_free char *text =
		json_dumps(original, JSON_COMPACT | JSON_SORT_KEYS);

	json_object_set_new(takeover_annotations_of(copy),
			    KT_ANNOTATION_SELECTOR, json_string(text));
	json_object_set(json_object_get(copy, "spec"), "selector",
			(json_t *)(uintptr_t)selector);
	takeover_applied(copy, selector);
	return copy;
}

bool service_is_reverted(const json_t *service)
{
	return object_annotation(service, KT_ANNOTATION_SELECTOR) &&
	       !service_role(service);
}

json_t *service_restored(const json_t *service)
{
	json_t *selector = recorded(service), *copy;

	if (!selector)
		return NULL;
	copy = json_deep_copy(service);
	/* else its owner has written another one meanwhile, and nobody of ours
	 * was there to take it down */
	if (service_role(service) ||
	    !json_object_size(takeover_selector_of(service)))
		json_object_set(json_object_get(copy, "spec"), "selector",
				selector);
	json_decref(selector);
	takeover_applied(copy, NULL);
	drop_annotation(copy, KT_ANNOTATION_SELECTOR);
	drop_annotation(copy, KT_ANNOTATION_LOCK_OWNER);
	drop_annotation(copy, KT_ANNOTATION_LOCK);
	return copy;
}

json_t *service_restored_held(const json_t *service)
{
	static const char *const lock[] = { KT_ANNOTATION_LOCK,
					    KT_ANNOTATION_LOCK_OWNER };
	json_t *copy = service_restored(service);

	for (size_t i = 0; copy && i < ARRAY_SIZE(lock); i++) {
		const char *text = object_annotation(service, lock[i]);

		if (text)
			json_object_set_new(takeover_annotations_of(copy),
					    lock[i], json_string(text));
	}
	return copy;
}

enum service_state service_state(const json_t *service, const json_t *selector,
				 json_t **original)
{
	auto_json json_t *record = recorded(service);
	auto_json json_t *rest = NULL;

	*original = NULL;
	if (json_equal(takeover_selector_of(service), selector) && record)
		return SERVICE_OURS;
	rest = without_ours(takeover_selector_of(service), selector);
	if (json_object_size(rest))
		*original = json_incref(rest);
	else if (record)
		*original = json_incref(record);
	return record || json_equal(takeover_selector_of(service), selector)
		       ? SERVICE_CHANGED
		       : SERVICE_GIVEN_BACK;
}

/* --- the lock ------------------------------------------------------------- */

int64_t service_lock_age(const json_t *service, int64_t now)
{
	return object_age(service, KT_ANNOTATION_LOCK, now);
}

json_t *service_locked(const json_t *service, int64_t now, const char *owner)
{
	json_t *copy = json_deep_copy(service);
	json_t *a = takeover_annotations_of(copy);
	auto_free char *text = xasprintf("%" PRId64, now);
	auto_free char *who =
		owner ? xasprintf("%s@%" PRId64, owner, now) : NULL;

	json_object_set_new(a, KT_ANNOTATION_LOCK, json_string(text));
	if (who)
		json_object_set_new(a, KT_ANNOTATION_LOCK_OWNER,
				    json_string(who));
	else
		json_object_del(a, KT_ANNOTATION_LOCK_OWNER);
	return copy;
}

/* Another program may have written its own kt-lock over ours */
char *service_lock_owner(const json_t *service)
{
	const char *lock = object_annotation(service, KT_ANNOTATION_LOCK);
	const char *who = object_annotation(service, KT_ANNOTATION_LOCK_OWNER);
	const char *at = who ? strchr(who, '@') : NULL;

	return lock && at && strcmp(at + 1, lock) == 0
		       ? xstrndup(who, (size_t)(at - who))
		       : NULL;
}

static void drop_lock(json_t *service)
{
	drop_annotation(service, KT_ANNOTATION_LOCK_OWNER);
	drop_annotation(service, KT_ANNOTATION_LOCK);
}

json_t *service_unlocked(const json_t *service, int64_t since)
{
	const char *text = object_annotation(service, KT_ANNOTATION_LOCK);
	json_t *copy;
	long at;

	if (!text || (since && (str_to_long(text, &at) < 0 || at != since)))
		return NULL;
	copy = json_deep_copy(service);
	drop_lock(copy);
	return copy;
}

/* --- scaling -------------------------------------------------------------- */

#define MAX_REPLICAS 100000

/* @replicas: -1: they stay as they are */
static json_t *scale_patch(const json_t *obj, json_t *record, int replicas)
{
	json_t *p =
		json_pack("{s:{s:s*, s:{s:o}}}", "metadata", "resourceVersion",
			  json_str(obj, "metadata", "resourceVersion", NULL),
			  "annotations", KT_ANNOTATION_REPLICAS, record);

	if (replicas >= 0)
		json_object_set_new(p, "spec",
				    json_pack("{s:i}", "replicas", replicas));
	return p;
}

static json_t *scale_record(int replicas)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", replicas);
	return json_string(text);
}

int workload_replicas(const json_t *obj)
{
	const json_t *n = json_at(obj, "spec", "replicas", NULL);

	return json_is_integer(n) ? (int)json_integer_value(n) : 1;
}

int workload_record(const json_t *obj)
{
	const char *text = object_annotation(obj, KT_ANNOTATION_REPLICAS);
	long n = 0;

	return text && str_to_long(text, &n) == 0 && n > 0
		       ? (int)MIN(n, MAX_REPLICAS)
		       : 0;
}

bool workload_is_ready(const json_t *obj)
{
	const json_t *seen = json_at(obj, "status", "observedGeneration", NULL);
	const json_t *now = json_at(obj, "metadata", "generation", NULL);
	const json_t *ready = json_at(obj, "status", "readyReplicas", NULL);

	/* before its controller has seen the write the status is an old one */
	if (json_integer_value(seen) < json_integer_value(now))
		return false;
	return json_integer_value(ready) >= workload_replicas(obj);
}

json_t *workload_down(const json_t *obj)
{
	int now = workload_replicas(obj);
	json_t *p;

	if (!now && object_annotation(obj, KT_ANNOTATION_REPLICAS))
		return NULL;
	p = scale_patch(obj, scale_record(now), 0);
	if (object_annotation(obj, KT_ANNOTATION_SCALED_BACK))
		json_object_set_new(json_at(p, "metadata", "annotations", NULL),
				    KT_ANNOTATION_SCALED_BACK, json_null());
	return p;
}

json_t *workload_kept_down(const json_t *obj, int replicas)
{
	int now = workload_replicas(obj);

	if (now > 0)
		return scale_patch(obj, scale_record(now), 0);
	if (workload_record(obj) >= replicas)
		return NULL;
	return scale_patch(obj, scale_record(replicas), -1);
}

int workload_wants(const json_t *obj, int told)
{
	return workload_replicas(obj) == 0 ? MAX(workload_record(obj), told)
					   : 0;
}

json_t *workload_up(const json_t *obj, int told, const char *by)
{
	int n = MIN(workload_wants(obj, told), MAX_REPLICAS);
	json_t *p;

	if (n <= 0)
		return NULL;
	p = scale_patch(obj, scale_record(n), n);
	json_object_set_new(json_at(p, "metadata", "annotations", NULL),
			    KT_ANNOTATION_SCALED_BACK,
			    json_string(by ? by : "somebody"));
	return p;
}

json_t *workload_done(const json_t *obj)
{
	bool by = object_annotation(obj, KT_ANNOTATION_SCALED_BACK);
	json_t *p;

	if (workload_wants(obj, 0) ||
	    (!by && !object_annotation(obj, KT_ANNOTATION_REPLICAS)))
		return NULL;
	p = scale_patch(obj, json_null(), -1);
	if (by)
		json_object_set_new(json_at(p, "metadata", "annotations", NULL),
				    KT_ANNOTATION_SCALED_BACK, json_null());
	return p;
}

/* --- the stuntman --------------------------------------------------------- */

/* Its ports have KT's names, and no node ports */
static json_t *stuntman_ports(const json_t *service)
{
	json_t *list = json_array();
	const json_t *port;
	size_t i;

	json_array_foreach (json_at(service, "spec", "ports", NULL), i, port) {
		const char *proto = json_str(port, "protocol", NULL);
		bool tcp = !proto || strcmp(proto, "TCP") == 0;
		int number =
			(int)json_integer_value(json_object_get(port, "port"));
		json_t *p = json_object();
		char name[32];

		snprintf(name, sizeof(name), "kt-%d%s", number,
			 tcp			     ? ""
			 : strcmp(proto, "UDP") == 0 ? "-udp"
						     : "-sctp");
		json_object_set_new(p, "name", json_string(name));
		json_object_set_new(p, "port", json_integer(number));
		json_object_set_new(p, "protocol",
				    json_string(proto ? proto : "TCP"));
		json_object_set(p, "targetPort",
				json_object_get(port, "targetPort"));
		json_array_append_new(list, p);
	}
	return list;
}

#define LABEL_MAX 63 /* RFC 1035: a Service's name is a label of DNS */

char *stuntman_name(const char *service)
{
	auto_free char *of =
		str_shorten(service, LABEL_MAX - strlen(KT_STUNTMAN));

	return xasprintf("%s" KT_STUNTMAN, of);
}

char *mesh_record_prefix(const char *service)
{
	auto_free char *of = str_shorten(service, KT_MESH_SERVICE_MAX);

	return xasprintf("%s" KT_MESH, of);
}

/* Who answers, on which kind of address, and who answers whom */
static const char *const takeover_kept[] = { "publishNotReadyAddresses",
					     "ipFamilies", "ipFamilyPolicy",
					     "sessionAffinity",
					     "sessionAffinityConfig" };

static json_t *stuntman_spec_of(const struct stuntman_spec *s)
{
	json_t *spec = json_pack("{s:s,s:O,s:o}", "type", "ClusterIP",
				 "selector", (json_t *)(uintptr_t)s->selector,
				 "ports", stuntman_ports(s->service));

	for (size_t i = 0; i < ARRAY_SIZE(takeover_kept); i++) {
		json_t *v = json_at(s->service, "spec", takeover_kept[i], NULL);

		if (v)
			json_object_set(spec, takeover_kept[i], v);
	}
	return spec;
}

json_t *stuntman_service(const struct stuntman_spec *s)
{
	auto_free char *name = stuntman_name(object_name(s->service));
	json_t *obj;
	char now[24];

	snprintf(now, sizeof(now), "%" PRId64, s->now);
	obj = json_pack("{s:s,s:s,s:{s:s,s:{s:s},s:{s:s*,s:s*,s:s*}},s:o}",
			"apiVersion", "v1", "kind", "Service", "metadata",
			"name", name, "labels", KT_LABEL_CONTROL,
			KT_LABEL_CONTROL_VALUE, "annotations",
			KT_ANNOTATION_HEARTBEAT, s->now ? now : NULL,
			KT_ANNOTATION_USER, s->user, KT_ANNOTATION_OWNER,
			s->owner, "spec", stuntman_spec_of(s));
	object_add_options(obj, s->options);
	return obj;
}

/* RFC 7396: what is null goes */
static void takeover_merge(json_t *patch, const char *key, const json_t *old,
			   json_t *want)
{
	json_object_set_new(patch, key,
			    want  ? json_incref(want)
			    : old ? json_null()
				  : NULL);
}

json_t *stuntman_patch(const json_t *old, const json_t *want)
{
	const json_t *was = json_at(old, "spec", "selector", NULL);
	const json_t *shall = json_at(want, "spec", NULL);
	json_t *selector = json_object(), *spec, *value;
	const char *key;

	json_object_foreach ((json_t *)(uintptr_t)was, key, value)
		json_object_set_new(selector, key, json_null());
	json_object_update(selector, json_object_get(shall, "selector"));
	spec = json_pack("{s:o, s:O}", "selector", selector, "ports",
			 json_object_get(shall, "ports"));
	for (size_t i = 0; i < ARRAY_SIZE(takeover_kept); i++)
		/* the first address's family is for ever */
		if (!str_starts(takeover_kept[i], "ipFamil"))
			takeover_merge(
				spec, takeover_kept[i],
				json_at(old, "spec", takeover_kept[i], NULL),
				json_object_get(shall, takeover_kept[i]));
	return json_pack("{s:o}", "spec", spec);
}

/* --- what others have changed --------------------------------------------- */

/* What of @want is not in @have, or, with @exact, is another there */
static json_t *takeover_missing(const json_t *have, const json_t *want,
				bool exact)
{
	json_t *out = json_object(), *value;
	const char *key;

	json_object_foreach ((json_t *)(uintptr_t)want, key, value) {
		const json_t *is = json_object_get(have, key);

		if (!is || (exact && !json_equal(is, value)))
			json_object_set(out, key, value);
	}
	return out;
}

/* @part is taken; one that is empty is left out */
static void takeover_put(json_t *patch, const char *key, json_t *part)
{
	if (json_object_size(part))
		json_object_set(patch, key, part);
	json_decref(part);
}

/* RFC 7396: what is null goes */
static void takeover_drop_keys(json_t *patch, const json_t *have,
			       const json_t *want)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)have, key, value)
		if (!json_object_get(want, key))
			json_object_set_new(patch, key, json_null());
}

json_t *labels_drift(const json_t *now, const json_t *want,
		     const json_t *former)
{
	const json_t *have = json_at(now, "metadata", "labels", NULL);
	json_t *patch = takeover_missing(have, want, true), *value;
	const char *key;

	json_object_foreach ((json_t *)(uintptr_t)former, key, value)
		if (!json_object_get(want, key) &&
		    json_equal(json_object_get(have, key), value))
			json_object_set_new(patch, key, json_null());
	if (json_object_size(patch))
		return json_pack("{s:{s:o}}", "metadata", "labels", patch);
	json_decref(patch);
	return NULL;
}

static json_t *takeover_spec_drift(const json_t *now, const json_t *want)
{
	json_t *selector =
		takeover_missing(json_object_get(now, "selector"),
				 json_object_get(want, "selector"), true);
	json_t *ports = json_object_get(want, "ports");
	json_t *spec = json_object();

	takeover_drop_keys(selector, json_object_get(now, "selector"),
			   json_object_get(want, "selector"));
	takeover_put(spec, "selector", selector);
	if (!route_holds(json_object_get(now, "ports"), ports))
		json_object_set(spec, "ports", ports);
	for (size_t i = 0; i < ARRAY_SIZE(takeover_kept); i++) {
		json_t *value = json_object_get(want, takeover_kept[i]);

		/* the addresses' families are for ever */
		if (value && !str_starts(takeover_kept[i], "ipFamil") &&
		    !json_equal(value, json_object_get(now, takeover_kept[i])))
			json_object_set(spec, takeover_kept[i], value);
	}
	return spec;
}

json_t *service_drift(const json_t *now, const json_t *want)
{
	json_t *meta = json_object(), *patch = json_object();

	takeover_put(meta, "labels",
		     takeover_missing(json_at(now, "metadata", "labels", NULL),
				      json_at(want, "metadata", "labels", NULL),
				      true));
	takeover_put(
		meta, "annotations",
		takeover_missing(json_at(now, "metadata", "annotations", NULL),
				 json_at(want, "metadata", "annotations", NULL),
				 false));
	takeover_put(patch, "metadata", meta);
	takeover_put(patch, "spec",
		     takeover_spec_drift(json_object_get(now, "spec"),
					 json_object_get(want, "spec")));
	if (json_object_size(patch))
		return patch;
	json_decref(patch);
	return NULL;
}

/* --- what is not the same meanwhile --------------------------------------- */

static bool service_leads_to(const json_t *service, const json_t *labels)
{
	auto_json json_t *original = service_original(service);

	return !str_eq(object_label(service, KT_LABEL_CONTROL),
		       KT_LABEL_CONTROL_VALUE) &&
	       selector_matches(original, labels);
}

json_t *service_leading_to(const json_t *items, const char *name,
			   const json_t *labels)
{
	json_t *service, *found = NULL;
	size_t i;

	json_array_foreach (items, i, service) {
		bool same = str_eq(object_name(service), name);

		if ((!found || same) && service_leads_to(service, labels))
			found = service;
	}
	return found;
}

char *service_named_pod(const json_t *service, const json_t *pods)
{
	const char *name = object_name(service);
	const json_t *pod;
	size_t i;

	if (!str_eq(json_str(service, "spec", "clusterIP", NULL), "None"))
		return NULL;
	json_array_foreach (pods, i, pod) {
		const char *host = json_str(pod, "spec", "hostname", NULL);

		if (host &&
		    str_eq(json_str(pod, "spec", "subdomain", NULL), name))
			return xasprintf("%s.%s", host, name);
	}
	return NULL;
}

const char *service_caveat(const json_t *service, bool origin, size_t n)
{
	static const struct {
		const char *field, *value;
		bool origin;
		const char *text;
	} all[] = {
		{ "clusterIP", "None", false,
		  "it is headless: callers have the addresses of its Pods, and "
		  "keep them until they ask DNS again" },
		{ "internalTrafficPolicy", "Local", false,
		  "internalTrafficPolicy is Local: only callers on the "
		  "shadow's node reach it" },
		{ "externalTrafficPolicy", "Local", false,
		  "externalTrafficPolicy is Local: callers from outside reach "
		  "it only by the shadow's node" },
		{ "sessionAffinity", "ClientIP", true,
		  "sessionAffinity is ClientIP: callers without the mark stay "
		  "with one of its Pods, all with the same one" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if ((origin || !all[i].origin) &&
		    str_eq(json_str(service, "spec", all[i].field, NULL),
			   all[i].value) &&
		    n-- == 0)
			return all[i].text;
	return NULL;
}
