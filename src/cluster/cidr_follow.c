/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/cidr_follow.h"

#include "base/log.h"
#include "base/mem.h"
#include "kube/rest.h"
#include "kube/watch.h"

#include <string.h>

#define FOLLOW_SETTLE (200 * NS_MS) /* changes in short order are told once */
#define MAX_NAMED 20000		    /* objects with ranges */
#define MAX_GUESSED 64 /* a guess of more ranges is none any more */

/** struct cidr_source - a collection whose objects name ranges */
struct cidr_source {
	struct cidr_follow *follow;
	struct kube_watch *watch;
	json_t *ranges; /* object's name: array of texts */
	bool synced;
};

struct cidr_follow {
	struct loop *loop;
	struct cidr_result *found;
	void (*changed)(void *user);
	void *user;
	struct cidr_source services, nodes;
	struct kube_watch *pods;
	struct timer settle;
	bool guess_grew;
};

/* --- ranges that objects name --------------------------------------------- */

static void follow_collect(const struct cidr_source *s, struct prefixset *out)
{
	const char *name;
	json_t *list, *text;
	size_t i;

	json_object_foreach (s->ranges, name, list)
		json_array_foreach (list, i, text) {
			struct ipprefix p;

			if (ipprefix_parse(&p, json_string_value(text)) == 0)
				prefixset_add(out, &p);
		}
}

static bool follow_equal(const struct prefixset *a, const struct prefixset *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].len != b->v[i].len ||
		    !ipaddr_eq(&a->v[i].addr, &b->v[i].addr))
			return false;
	return true;
}

/* Whether @known became another one. A cluster without ranges is none: its
 * objects are being made anew. */
static bool follow_update(const struct cidr_source *s, struct prefixset *known)
{
	struct prefixset now = { 0 };
	bool other;

	if (!s->synced)
		return false;
	follow_collect(s, &now);
	other = now.n && !follow_equal(&now, known);
	if (other) {
		prefixset_fini(known);
		*known = now;
	} else {
		prefixset_fini(&now);
	}
	return other;
}

static void follow_on_settled(struct timer *t)
{
	struct cidr_follow *f = container_of(t, struct cidr_follow, settle);
	bool other = f->guess_grew;

	f->guess_grew = false;
	other |= follow_update(&f->services, &f->found->services);
	other |= follow_update(&f->nodes, &f->found->pods);
	if (other)
		f->changed(f->user);
}

static void follow_settle(struct cidr_follow *f)
{
	if (!loop_timer_active(&f->settle))
		loop_timer_start(f->loop, &f->settle, FOLLOW_SETTLE,
				 follow_on_settled);
}

static void follow_on_object(struct cidr_source *s, enum kube_event type,
			     const json_t *obj, json_t *ranges)
{
	const char *name = json_str(obj, "metadata", "name", NULL);

	if (type == KUBE_SYNCED)
		s->synced = true;
	else if (name && type == KUBE_DELETED)
		json_object_del(s->ranges, name);
	else if (name && json_object_size(s->ranges) < MAX_NAMED)
		json_object_set(s->ranges, name, ranges);
	if (s->synced)
		follow_settle(s->follow);
}

static void follow_on_service_cidr(void *user, enum kube_event type,
				   json_t *obj)
{
	follow_on_object(user, type, obj, json_at(obj, "spec", "cidrs", NULL));
}

static void follow_on_node(void *user, enum kube_event type, json_t *obj)
{
	json_t *list = json_at(obj, "spec", "podCIDRs", NULL);
	auto_json json_t *one = json_array();
	json_t *single = json_at(obj, "spec", "podCIDR", NULL);

	if (!list && single)
		json_array_append(one, single);
	follow_on_object(user, type, obj, list ? list : one);
}

/* --- ranges that are guessed ---------------------------------------------- */

/* As if all had been seen at once: the ranges so far, and the new address */
static void follow_guess(struct cidr_follow *f, const struct ipaddr *ip)
{
	struct prefixset *known = &f->found->pods;
	struct ipaddr seen[MAX_GUESSED + 1];
	size_t n = known->n;

	if (prefixset_has(known, ip) || n > MAX_GUESSED)
		return;
	for (size_t i = 0; i < n; i++)
		seen[i] = known->v[i].addr;
	if (n == MAX_GUESSED)
		log_warn("Pods have addresses of more than %d networks: those "
			 "of further ones are not led into the cluster unless "
			 "--includeIps names them",
			 MAX_GUESSED);
	seen[n] = *ip;
	cidr_guess_pods(seen, n + 1, known);
	f->guess_grew = true;
	follow_settle(f);
}

static void follow_on_pod(void *user, enum kube_event type, json_t *obj)
{
	struct cidr_follow *f = user;
	json_t *ip;
	size_t i;

	if (type == KUBE_SYNCED || type == KUBE_DELETED ||
	    json_is_true(json_at(obj, "spec", "hostNetwork", NULL)))
		return;
	json_array_foreach (json_at(obj, "status", "podIPs", NULL), i, ip) {
		struct ipaddr a;
		const char *text = json_str(ip, "ip", NULL);

		if (text && ipaddr_parse(&a, text) == 0)
			follow_guess(f, &a);
	}
}

/* --- start and end -------------------------------------------------------- */

static void follow_on_failed(void *user, const struct kt_error *why)
{
	(void)user;
	log_debug("ranges are not followed: %s", why->msg);
}

static void follow_source(struct kube *k, struct cidr_source *s,
			  const char *api, const char *resource,
			  const struct kube_watch_handler *handler)
{
	auto_free char *path = kube_path(api, resource, NULL, NULL, NULL);

	s->ranges = json_object();
	s->watch = kube_watch_start(k, path, NULL, handler, s);
}

struct cidr_follow *cidr_follow_start(struct kube *k, const char *ns,
				      bool want_pods, struct cidr_result *found,
				      void (*changed)(void *user), void *user)
{
	static const struct kube_watch_handler on_services = {
		.event = follow_on_service_cidr, .failed = follow_on_failed
	};
	static const struct kube_watch_handler on_nodes = {
		.event = follow_on_node, .failed = follow_on_failed
	};
	static const struct kube_watch_handler on_pods = {
		.event = follow_on_pod, .failed = follow_on_failed
	};
	struct cidr_follow *f = xcalloc(1, sizeof(*f));

	f->loop = kube_loop(k);
	f->found = found;
	f->changed = changed;
	f->user = user;
	f->services.follow = f->nodes.follow = f;
	if (found->services_api)
		follow_source(k, &f->services, found->services_api,
			      "servicecidrs", &on_services);
	if (want_pods && found->pods_of_nodes) {
		follow_source(k, &f->nodes, "v1", "nodes", &on_nodes);
	} else if (want_pods) {
		auto_free char *path = kube_path("v1", "pods", ns, NULL, NULL);

		f->pods = kube_watch_start(k, path, NULL, &on_pods, f);
	}
	return f;
}

void cidr_follow_stop(struct cidr_follow *f)
{
	if (!f)
		return;
	kube_watch_stop(f->services.watch);
	kube_watch_stop(f->nodes.watch);
	kube_watch_stop(f->pods);
	loop_timer_stop(&f->settle);
	json_decref(f->services.ranges);
	json_decref(f->nodes.ranges);
	loop_defer_free(f->loop, f);
}
