/* SPDX-License-Identifier: Apache-2.0 */
#include "router/http1_up.h"

#include "base/mem.h"

#include <errno.h>

#define IDLE_MAX 4
#define YOUNG_NS NS_SEC

static void up_free(struct up *up, bool reset)
{
	list_del(&up->node);
	if (up->end.pipe)
		pipe_close(up->end.pipe, reset);
	up->end.pipe = NULL;
	buf_fini(&up->end.in);
	loop_defer_free(up->ups->rc->env->loop, up);
}

static void event(struct up *up)
{
	struct ups *u = up->ups;

	if (u->used == up) {
		u->event(u->user);
		return;
	}
	u->nidle--;
	up_free(up, false);
	if (!u->rc->env->transparent)
		return;
	u->ended = true;
	u->event(u->user);
}

static void http1_up_on_opened(void *user)
{
	struct up *up = user;

	up->opened = true;
	event(up);
}

static void http1_up_on_data(void *user, const uint8_t *p, size_t n)
{
	struct up *up = user;

	if (buf_put(&up->end.in, p, n) < 0) {
		pipe_close(up->end.pipe, true);
		up->end.pipe = NULL;
		up->error = -ENOBUFS;
	}
	event(up);
}

static void http1_up_on_eof(void *user)
{
	struct up *up = user;

	up->end.eof = true;
	event(up);
}

static void http1_up_on_writable(void *user)
{
	struct up *up = user;

	if (up->ups->used == up)
		event(up);
}

static void http1_up_on_closed(void *user, int error)
{
	struct up *up = user;

	up->end.pipe = NULL;
	up->error = error ? error : -ECONNRESET;
	event(up);
}

static const struct pipe_handler handler = { http1_up_on_opened,
					     http1_up_on_data, http1_up_on_eof,
					     http1_up_on_writable,
					     http1_up_on_closed };

void ups_init(struct ups *u, struct router_conn *rc, void (*on_event)(void *),
	      void *user)
{
	*u = (struct ups){ .rc = rc, .event = on_event, .user = user };
	list_init(&u->idle);
}

void ups_fini(struct ups *u)
{
	ups_drop(u, true);
	while (!list_empty(&u->idle))
		up_free(container_of(u->idle.next, struct up, node), true);
	u->nidle = 0;
}

static struct up *up_new(struct ups *u, const struct pipe_end *end,
			 struct backend_ref ref)
{
	struct up *up = calloc(1, sizeof(*up));

	if (!up)
		return NULL;
	up->ups = u;
	up->end = *end;
	up->ref = ref;
	list_init(&up->node);
	pipe_set_handler(end->pipe, &handler, up);
	return up;
}

static struct up *find_idle(struct ups *u, struct backend_ref ref, bool young)
{
	int64_t oldest = loop_now(u->rc->env->loop) - YOUNG_NS;
	struct list *n;

	list_for_each (n, &u->idle) {
		struct up *up = container_of(n, struct up, node);

		if (backend_same(up->ref, ref) &&
		    (!young || u->rc->env->transparent ||
		     up->since >= oldest) &&
		    pipe_is_quiet(up->end.pipe))
			return up;
	}
	return NULL;
}

int ups_use(struct ups *u, struct backend_ref ref, bool young)
{
	struct router_env *env = u->rc->env;
	struct up *up = find_idle(u, ref, young);
	struct pipe_end end = { 0 };

	if (up) {
		list_del(&up->node);
		u->nidle--;
		up->reused = true;
		u->used = up;
		return 0;
	}
	end.pipe = env->open(env, u->rc->port, ref, &u->rc->from);
	if (!end.pipe)
		return errno ? -errno : -ECONNREFUSED;
	buf_init(&end.in, PIPE_END_MAX);
	u->used = up_new(u, &end, ref);
	if (u->used)
		return 0;
	pipe_close(end.pipe, true);
	return -ENOMEM;
}

static void wait(struct ups *u, struct up *up)
{
	up->since = loop_now(u->rc->env->loop);
	buf_fini(&up->end.in);
	list_add_head(&u->idle, &up->node);
	if (++u->nidle <= IDLE_MAX)
		return;
	u->nidle--;
	up_free(container_of(u->idle.prev, struct up, node), false);
}

void ups_adopt(struct ups *u, struct pipe_end *end, struct backend_ref ref)
{
	struct up *up = up_new(u, end, ref);

	if (!up) {
		pipe_end_reset(end);
		return;
	}
	up->opened = true;
	wait(u, up);
}

static bool is_of_use(const struct ups *u, const struct up *up)
{
	return u->rc->env->serves(u->rc->env, up->ref);
}

void ups_keep(struct ups *u)
{
	if (is_of_use(u, u->used))
		wait(u, steal_ptr(&u->used));
	else
		ups_drop(u, false);
}

void ups_sweep(struct ups *u)
{
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &u->idle) {
		struct up *up = container_of(n, struct up, node);

		if (is_of_use(u, up))
			continue;
		u->nidle--;
		up_free(up, false);
	}
}

void ups_drop(struct ups *u, bool reset)
{
	if (u->used)
		up_free(steal_ptr(&u->used), reset);
}
