/* SPDX-License-Identifier: Apache-2.0 */
#include "env/routers.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cluster/envobject.h"
#include "cluster/objects.h"
#include "kube/rest.h"
#include "uplink/shadow_ports.h"
#include "uplink/uplink.h"

#include <errno.h>
#include <string.h>

#define ROUTERS_QUERY "labelSelector=kt-role%3D" KT_ROLE_ROUTER
#define ROUTERS_OPEN (5 * NS_SEC)
#define ROUTERS_STEP (100 * NS_MS)
/* seconds; we have no rules that would outlive us */
#define ROUTERS_GRACE 10

struct router_seen {
	struct list node;
	struct env_routers *all;
	char *service;
	json_t *pod;
	struct shadow_pod *shadow;
	struct uplink *uplink;
	bool tells; /* it has said that it does */
	bool there; /* of the look that is under way */
};

struct env_routers {
	const struct env_command *c;
	env_router_fn *fn;
	void *user;
	struct list seen;
	size_t n, unreached;
};

/* --- what a router's Pod says --------------------------------------------- */

static const json_t *router_container(const json_t *pod)
{
	const json_t *c;
	size_t i;

	json_array_foreach (json_at(pod, "spec", "containers", NULL), i, c)
		if (str_eq(json_str(c, "name", NULL), KT_CONTAINER))
			return c;
	return NULL;
}

char *env_router_service(const json_t *pod)
{
	const json_t *args = json_object_get(router_container(pod), "args");

	for (size_t i = 0; i + 1 < json_array_size(args); i++) {
		const char *name = json_string_value(json_array_get(args, i));
		const char *value =
			json_string_value(json_array_get(args, i + 1));

		if (str_eq(name, "--env-service") && value)
			return xstrndup(value, strcspn(value, "."));
	}
	return NULL;
}

/* SHADOW_SERVE: "PORT=HOST:ORIGINPORT~http,...", and the origin has the
 * Service's ports */
uint16_t env_router_port(const json_t *pod, uint16_t port)
{
	const json_t *env = json_object_get(router_container(pod), "env"), *v;
	size_t i;

	json_array_foreach (env, i, v) {
		const char *at = json_str(v, "value", NULL);

		if (!str_eq(json_str(v, "name", NULL), KT_ENV_SERVE))
			continue;
		while (at) {
			char *end;
			unsigned long n = strtoul(at, &end, 10);
			size_t len = strcspn(end, ",");
			const char *colon = memrchr(end, ':', len);

			if (n == port && *end == '=' && colon)
				return (uint16_t)strtoul(colon + 1, NULL, 10);
			at = end[len] ? end + len + 1 : NULL;
		}
	}
	return 0;
}

/* --- one of them ---------------------------------------------------------- */

static void router_seen_free(struct router_seen *s)
{
	if (s->uplink)
		uplink_close(s->uplink);
	shadow_free(s->shadow);
	json_decref(s->pod);
	free(s->service);
	list_del(&s->node);
	s->all->n--;
	free(s);
}

static void router_on_event(void *user, const struct event *ev, uint64_t missed)
{
	const struct router_seen *s = user;
	const struct env_router_event e = {
		.pod = object_name(s->pod),
		.service = s->service,
		.port = env_router_port(s->pod, ev->port),
		.event = ev,
		.missed = missed,
	};

	s->all->fn(s->all->user, &e);
}

static void router_on_watching(void *user)
{
	struct router_seen *s = user;

	s->tells = true;
}

static struct uplink_config router_uplink(const struct env_routers *r,
					  struct shadow_pod *shadow)
{
	return (struct uplink_config){
		.loop = r->c->app->loop,
		.kube = r->c->kube,
		.ns = r->c->ns,
		.shadow = shadow,
		.open_timeout_ns = ROUTERS_OPEN,
		.home = r->c->app->home,
		.carrier = r->c->o->global.carrier,
	};
}

static int router_seen_open(struct router_seen *s, struct kt_error *err)
{
	const struct env_command *c = s->all->c;
	const struct shadow_config shadow = { .kube = c->kube,
					      .ns = c->ns,
					      .home = c->app->home,
					      .command = "env" };
	const struct inbound_spec spec = { .user = shadow_user(),
					   .grace_s = ROUTERS_GRACE,
					   .watch = true };
	struct uplink_config cfg;

	s->shadow = shadow_new(&shadow);
	shadow_adopt(s->shadow, object_name(s->pod), KT_CONTAINER,
		     shadow_ports_tunnel(s->pod));
	cfg = router_uplink(s->all, s->shadow);
	cfg.inbound = &spec;
	cfg.event = router_on_event;
	cfg.watching = router_on_watching;
	cfg.user = s;
	s->uplink = uplink_new(&cfg);
	return uplink_connect(s->uplink, err);
}

/* --- all of them ---------------------------------------------------------- */

struct env_routers *env_routers_new(const struct env_command *c,
				    env_router_fn *fn, void *user)
{
	struct env_routers *r = xcalloc(1, sizeof(*r));

	r->c = c;
	r->fn = fn;
	r->user = user;
	list_init(&r->seen);
	return r;
}

void env_routers_free(struct env_routers *r)
{
	struct list *n, *tmp;

	if (!r)
		return;
	list_for_each_safe (n, tmp, &r->seen) {
		router_seen_free(container_of(n, struct router_seen, node));
	}
	free(r);
}

static struct router_seen *routers_find(const struct env_routers *r,
					const json_t *pod)
{
	const char *uid = json_str(pod, "metadata", "uid", NULL);
	struct list *n;

	list_for_each (n, &r->seen) {
		struct router_seen *s =
			container_of(n, struct router_seen, node);

		if (str_eq(json_str(s->pod, "metadata", "uid", NULL), uid))
			return s;
	}
	return NULL;
}

/* One that cannot be reached now is tried again with the next look */
static int routers_take(struct env_routers *r, json_t *pod,
			struct kt_error *err)
{
	struct router_seen *s = routers_find(r, pod);
	struct kt_error why = { 0 };
	int rc;

	if (s) {
		s->there = true;
		return 0;
	}
	if (r->n == ENV_ROUTERS_MAX)
		return kt_fail(err, E2BIG,
			       "namespace %s has more than %d routers",
			       r->c->ns, ENV_ROUTERS_MAX);
	s = xcalloc(1, sizeof(*s));
	s->all = r;
	s->pod = json_incref(pod);
	s->service = env_router_service(pod);
	s->there = true;
	list_add_tail(&r->seen, &s->node);
	r->n++;
	rc = s->service ? router_seen_open(s, &why)
			: kt_fail(&why, EPROTO, "it names no Service");
	if (rc == 0)
		return 0;
	log_debug("router %s: %s", object_name(pod), why.msg);
	router_seen_free(s);
	r->unreached++;
	if (rc != -EINTR)
		return 0;
	*err = why;
	return rc;
}

static bool routers_is_there(const json_t *pod)
{
	return envobject_is_router(pod) && !object_is_ending(pod) &&
	       str_eq(json_str(pod, "status", "phase", NULL), "Running");
}

int env_routers_look(struct env_routers *r, struct kt_error *err)
{
	auto_free char *path = kube_path("v1", "pods", r->c->ns, NULL, NULL);
	auto_json json_t *list = NULL;
	struct list *n, *tmp;
	json_t *pod;
	size_t i;
	int rc = kube_list(r->c->kube, path, ROUTERS_QUERY, &list, err);

	if (rc < 0)
		return rc;
	r->unreached = 0;
	list_for_each (n, &r->seen)
		container_of(n, struct router_seen, node)->there = false;
	json_array_foreach (json_object_get(list, "items"), i, pod)
		if (rc == 0 && routers_is_there(pod))
			rc = routers_take(r, pod, err);
	list_for_each_safe (n, tmp, &r->seen) {
		struct router_seen *s =
			container_of(n, struct router_seen, node);

		if (!s->there)
			router_seen_free(s);
	}
	return rc;
}

size_t env_routers_unheard(const struct env_routers *r)
{
	size_t all = r->unreached;
	struct list *n;

	list_for_each (n, &r->seen)
		all += !container_of(n, struct router_seen, node)->tells;
	return all;
}

int env_routers_hear(struct env_routers *r, int64_t ns)
{
	int64_t end = clock_ns() + ns;
	int rc = 0;

	while (rc == 0 && env_routers_unheard(r)) {
		if (clock_ns() >= end)
			return -ETIMEDOUT;
		rc = loop_sleep(r->c->app->loop, ROUTERS_STEP);
	}
	return rc;
}

size_t env_routers_count(const struct env_routers *r)
{
	return r->n;
}

bool env_routers_has(const struct env_routers *r, const char *service)
{
	struct list *n;

	list_for_each (n, &r->seen)
		if (str_eq(container_of(n, struct router_seen, node)->service,
			   service))
			return true;
	return false;
}

struct uplink *env_routers_tunnel(const struct env_routers *r,
				  struct kt_error *err)
{
	const struct router_seen *s;
	struct uplink_config cfg;
	struct uplink *u;

	if (list_empty(&r->seen)) {
		kt_fail(err, ENOENT, "namespace %s: no router tells", r->c->ns);
		return NULL;
	}
	s = container_of(r->seen.next, struct router_seen, node);
	cfg = router_uplink(r, s->shadow);
	u = uplink_new(&cfg);
	if (uplink_connect(u, err) == 0)
		return u;
	uplink_free(u);
	return NULL;
}
