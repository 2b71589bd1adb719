/* SPDX-License-Identifier: Apache-2.0 */
#include "router/router.h"

#include "base/log.h"
#include "base/mem.h"
#include "router/conn.h"
#include "router/detect.h"
#include "router/note.h"

#include <errno.h>
#include <string.h>

/**
 * DOC: Theory of operation
 *
 * Its first bytes say what a caller speaks. In some protocols the server speaks
 * first: when the caller is silent for a while, the backend for all that is not
 * HTTP is connected, and whoever speaks first decides (not so where it is known
 * that HTTP is spoken):
 *
 *   caller: HTTP      -> http1, with that connection at hand
 *   caller: not HTTP  -> join
 *   caller: a line as HTTP has it  -> its version tells
 *   caller: so few bytes that nobody can tell, and then nothing  -> join
 *   backend           -> join
 *
 * Where that connection is there from the start, the same without the silence.
 */

#define SILENCE_NS (300 * NS_MS)

struct listen {
	struct router_conn *rc;
	struct pipe_end caller, up;
	struct backend_ref ref;
	bool opened, raw;
	bool line; /* a request line has begun */
	struct timer silence;
	struct timer slow; /* a beginning that tells nothing */
};

void router_conn_free(struct router_conn *rc)
{
	if (!rc)
		return;
	rc->ops->free(rc->part);
	loop_defer_free(rc->env->loop, rc);
}

void router_conn_drain(struct router_conn *rc)
{
	if (rc->draining)
		return;
	rc->draining = true;
	if (rc->ops->drain)
		rc->ops->drain(rc->part);
}

void router_conn_sweep(struct router_conn *rc)
{
	if (rc->ops->sweep)
		rc->ops->sweep(rc->part);
}

static void listen_drop(struct listen *l)
{
	loop_timer_stop(&l->silence);
	loop_timer_stop(&l->slow);
	loop_defer_free(l->rc->env->loop, l);
}

static void listen_free(void *part)
{
	struct listen *l = part;

	pipe_end_reset(&l->caller);
	pipe_end_reset(&l->up);
	listen_drop(l);
}

static void listen_reset(struct listen *l)
{
	struct router_conn *rc = l->rc;

	listen_free(l);
	conn_over(rc);
}

static const struct pipe_handler up_handler;
static void on_silence(struct timer *t);

/* true: it is being opened */
static bool open_raw(struct listen *l)
{
	struct router_env *env = l->rc->env;

	if (l->up.pipe)
		return true;
	l->ref = env->choose(env, l->rc->port, NULL);
	if (l->ref.kind != BACKEND_NONE)
		l->up.pipe = env->open(env, l->rc->port, l->ref, &l->rc->from);
	if (!l->up.pipe)
		return false;
	pipe_set_handler(l->up.pipe, &up_handler, l);
	return true;
}

static void go_raw(struct listen *l)
{
	struct router_conn *rc = l->rc;

	l->raw = true;
	if (!open_raw(l)) {
		listen_reset(l);
		return;
	}
	if (!l->opened)
		return;
	note_connection(rc, l->ref);
	listen_drop(l);
	conn_join(rc, &l->caller, &l->up);
}

static void go_http1(struct listen *l)
{
	struct router_conn *rc = l->rc;
	bool use = l->opened && !l->up.eof;

	if (!use)
		pipe_end_reset(&l->up);
	listen_drop(l);
	http1_start(rc, &l->caller, use ? &l->up : NULL, l->ref);
}

static void go_http2(struct listen *l)
{
	struct router_conn *rc = l->rc;
	/* nobody else's than that which was there from the start */
	bool use = rc->env->transparent && l->opened && !l->up.eof;

	if (!use)
		pipe_end_reset(&l->up);
	listen_drop(l);
	http2_start(rc, &l->caller, use ? &l->up : NULL, l->ref);
}

static enum detect what(const struct listen *l)
{
	return l->caller.in.len
		       ? detect(buf_data(&l->caller.in), l->caller.in.len)
		       : DETECT_MORE;
}

static void router_on_slow(struct timer *t);

/* what it speaks is in its last word; lines may be longer than a window */
static void router_wait_for_line(struct listen *l)
{
	struct router_env *env = l->rc->env;

	if (l->caller.eof) {
		go_raw(l);
		return;
	}
	pipe_end_more(&l->caller);
	if (l->line)
		return;
	l->line = true;
	loop_timer_stop(&l->silence);
	loop_timer_start(env->loop, &l->slow,
			 router_patience(env, ROUTER_HEAD_NS), router_on_slow);
}

static void router_look(struct listen *l)
{
	if (l->raw)
		return;
	switch (what(l)) {
	case DETECT_LINE:
		router_wait_for_line(l);
		break;
	case DETECT_MORE:
		if (l->caller.eof)
			go_raw(l);
		break;
	case DETECT_HTTP1:
		go_http1(l);
		break;
	case DETECT_HTTP2:
		go_http2(l);
		break;
	case DETECT_TLS:
	case DETECT_OTHER:
		go_raw(l);
	}
}

/* these few bytes are all that it says: its backend knows what they mean */
static void router_on_slow(struct timer *t)
{
	struct listen *l = container_of(t, struct listen, slow);

	if (l->raw)
		return;
	if (l->caller.in.len && (!l->line || l->rc->env->transparent)) {
		go_raw(l);
		return;
	}
	pipe_close(steal_ptr(&l->caller.pipe), false);
	listen_reset(l);
}

static void router_on_opened(void *user)
{
	(void)user;
}

static void router_on_writable(void *user)
{
	(void)user;
}

static void router_on_data(void *user, const uint8_t *p, size_t n)
{
	struct listen *l = user;
	struct router_env *env = l->rc->env;

	if (!l->caller.in.len)
		loop_timer_start(env->loop, &l->slow,
				 router_patience(env, ROUTER_DETECT_NS),
				 router_on_slow);
	if (buf_put(&l->caller.in, p, n) < 0)
		listen_reset(l);
	else
		router_look(l);
}

static void router_on_eof(void *user)
{
	struct listen *l = user;

	l->caller.eof = true;
	router_look(l);
}

static void router_on_closed(void *user, int error)
{
	struct listen *l = user;

	(void)error;
	l->caller.pipe = NULL;
	listen_reset(l);
}

static const struct pipe_handler caller_handler = {
	router_on_opened, router_on_data, router_on_eof, router_on_writable,
	router_on_closed
};

static void on_up_opened(void *user)
{
	struct listen *l = user;

	l->opened = true;
	if (l->raw)
		go_raw(l);
}

static void on_up_data(void *user, const uint8_t *p, size_t n)
{
	struct listen *l = user;

	if (buf_put(&l->up.in, p, n) < 0)
		listen_reset(l);
	else
		go_raw(l);
}

static void on_up_eof(void *user)
{
	struct listen *l = user;

	l->up.eof = true;
	go_raw(l);
}

static void on_up_closed(void *user, int error)
{
	struct listen *l = user;

	log_debug("router: port %u: backend: %s", l->rc->port,
		  strerror(-error));
	l->up.pipe = NULL;
	/* a laptop that did not come back in time: whose is it now? */
	if (error == -ENETRESET && !l->opened)
		loop_timer_start(l->rc->env->loop, &l->silence, 0, on_silence);
	else
		listen_reset(l);
}

static const struct pipe_handler up_handler = { on_up_opened, on_up_data,
						on_up_eof, router_on_writable,
						on_up_closed };

static void on_silence(struct timer *t)
{
	struct listen *l = container_of(t, struct listen, silence);

	if (!open_raw(l))
		listen_reset(l);
}

static void listen_drain(void *part)
{
	struct listen *l = part;
	struct router_env *env = l->rc->env;

	if (!l->raw && !l->caller.in.len)
		loop_timer_start(env->loop, &l->slow,
				 router_patience(env, ROUTER_DRAIN_NS),
				 router_on_slow);
}

static const struct part_ops part_ops = { .free = listen_free,
					  .drain = listen_drain };

/* NULL: no memory, and the caller's pipe is gone */
static struct listen *listen_new(struct router_env *env, uint16_t port,
				 struct pipe *caller, const struct ipport *from,
				 void (*done)(void *user), void *user)
{
	struct router_conn *rc = calloc(1, sizeof(*rc));
	struct listen *l = calloc(1, sizeof(*l));

	if (!rc || !l) {
		free(rc);
		free(l);
		pipe_close(caller, true);
		errno = ENOMEM;
		return NULL;
	}
	*rc = (struct router_conn){ .env = env,
				    .port = port,
				    .from = *from,
				    .done = done,
				    .user = user };
	l->rc = rc;
	l->caller.pipe = caller;
	buf_init(&l->caller.in, PIPE_END_MAX);
	buf_init(&l->up.in, PIPE_END_MAX);
	pipe_set_handler(caller, &caller_handler, l);
	conn_become(rc, l, &part_ops);
	return l;
}

struct router_conn *router_http_take(struct router_env *env, uint16_t port,
				     enum router_proto proto,
				     struct pipe *caller,
				     const struct ipport *from,
				     void (*done)(void *user), void *user)
{
	struct listen *l = listen_new(env, port, caller, from, done, user);

	if (!l)
		return NULL;
	if (proto == ROUTER_AUTO)
		loop_timer_start(env->loop, &l->silence, SILENCE_NS,
				 on_silence);
	else
		loop_timer_start(env->loop, &l->slow,
				 router_patience(env, ROUTER_IDLE_NS),
				 router_on_slow);
	return l->rc;
}

struct router_conn *router_dialled_take(struct router_env *env, uint16_t port,
					struct pipe *caller, struct pipe *up,
					const struct ipport *from,
					void (*done)(void *user), void *user)
{
	struct listen *l = listen_new(env, port, caller, from, done, user);

	if (!l) {
		pipe_close(up, true);
		return NULL;
	}
	l->ref = env->choose(env, port, NULL);
	l->up.pipe = up;
	l->opened = true;
	pipe_set_handler(up, &up_handler, l);
	return l->rc;
}
