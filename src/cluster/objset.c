/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/objset.h"

#include "base/log.h"
#include "base/mem.h"
#include "kube/rest.h"
#include "kube/watch.h"

#define SETTLE (200 * NS_MS) /* changes in short order are told once */

struct objset {
	struct loop *loop;
	struct kube_watch *watch;
	const struct objset_ops *ops;
	void *user;
	json_t *items;
	struct timer settle;
	bool synced;
};

static void on_settled(struct timer *t)
{
	struct objset *s = container_of(t, struct objset, settle);

	s->ops->changed(s->user);
}

static void apply(struct objset *s, enum kube_event type, json_t *obj)
{
	const char *ns = json_str(obj, "metadata", "namespace", NULL);
	const char *name = json_str(obj, "metadata", "name", NULL);
	auto_free char *key =
		xasprintf("%s/%s", ns ? ns : "", name ? name : "");

	if (type == KUBE_DELETED)
		json_object_del(s->items, key);
	else
		json_object_set(s->items, key, obj);
}

static void objset_on_event(void *user, enum kube_event type, json_t *obj)
{
	struct objset *s = user;

	if (type != KUBE_SYNCED) {
		apply(s, type, obj);
		if (s->synced && !loop_timer_active(&s->settle))
			loop_timer_start(s->loop, &s->settle, SETTLE,
					 on_settled);
		return;
	}
	s->synced = true;
	s->ops->changed(s->user);
}

static void objset_on_failed(void *user, const struct kt_error *why)
{
	struct objset *s = user;

	log_debug("watch: %s", why->msg);
	loop_timer_stop(&s->settle);
	s->ops->lost(s->user);
}

struct objset *objset_start(struct kube *k, const char *path,
			    const struct objset_ops *ops, void *user)
{
	static const struct kube_watch_handler handler = {
		.event = objset_on_event, .failed = objset_on_failed
	};
	struct objset *s = xcalloc(1, sizeof(*s));

	s->loop = kube_loop(k);
	s->ops = ops;
	s->user = user;
	s->items = json_object();
	s->watch = kube_watch_start(k, path, NULL, &handler, s);
	return s;
}

void objset_stop(struct objset *s)
{
	if (!s)
		return;
	kube_watch_stop(s->watch);
	loop_timer_stop(&s->settle);
	json_decref(s->items);
	loop_defer_free(s->loop, s);
}

void objset_names(const struct objset *s, struct strv *out)
{
	const char *key;
	json_t *obj;

	json_object_foreach (s->items, key, obj) {
		const char *name = json_str(obj, "metadata", "name", NULL);

		if (name)
			strv_add(out, name);
	}
}

const json_t *objset_items(const struct objset *s)
{
	return s->items;
}
