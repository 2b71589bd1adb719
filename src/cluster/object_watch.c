/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/object_watch.h"

#include "base/log.h"
#include "base/mem.h"
#include "kube/rest.h"
#include "kube/watch.h"

#define POLL (5 * NS_SEC)

struct object_watch {
	struct loop *loop;
	struct kube_watch *watch;
	struct timer poll;
	object_changed_fn changed;
	void *user;
};

static void object_watch_on_event(void *user, enum kube_event type, json_t *obj)
{
	struct object_watch *g = user;

	if (type != KUBE_SYNCED)
		g->changed(g->user, obj, type == KUBE_DELETED);
}

static void object_watch_on_poll(struct timer *t)
{
	struct object_watch *g = container_of(t, struct object_watch, poll);

	loop_timer_start(g->loop, t, POLL, object_watch_on_poll);
	g->changed(g->user, NULL, false);
}

static void object_watch_on_failed(void *user, const struct kt_error *why)
{
	struct object_watch *g = user;

	log_debug("it cannot be watched, asking instead: %s", why->msg);
	loop_timer_start(g->loop, &g->poll, POLL, object_watch_on_poll);
}

struct object_watch *object_watch_start(struct kube *k, const char *path,
					const char *query,
					object_changed_fn changed, void *user)
{
	static const struct kube_watch_handler handler = {
		.event = object_watch_on_event,
		.failed = object_watch_on_failed,
	};
	struct object_watch *g = xcalloc(1, sizeof(*g));

	g->loop = kube_loop(k);
	g->changed = changed;
	g->user = user;
	g->watch = kube_watch_start(k, path, query, &handler, g);
	return g;
}

void object_watch_stop(struct object_watch *g)
{
	if (!g)
		return;
	kube_watch_stop(g->watch);
	loop_timer_stop(&g->poll);
	loop_defer_free(g->loop, g);
}
