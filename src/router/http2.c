/* SPDX-License-Identifier: Apache-2.0 */
#include "router/http2.h"

#include "base/mem.h"

#include <errno.h>

static void http2_free(void *part)
{
	struct http2 *c = part;

	c->dead = true;
	while (!list_empty(&c->calls))
		http2_call_free(
			container_of(c->calls.next, struct http2_call, node));
	while (!list_empty(&c->ups))
		http2_up_free(
			container_of(c->ups.next, struct http2_side, node));
	loop_timer_stop(&c->again);
	loop_timer_stop(&c->slow);
	loop_timer_stop(&c->leave);
	http2_side_fini(&c->down);
	pipe_end_reset(&c->down.end);
	loop_defer_free(c->rc->env->loop, c);
}

static void http2_over(struct http2 *c, bool reset)
{
	struct router_conn *rc = c->rc;
	struct pipe *caller;

	if (c->dead)
		return;
	caller = steal_ptr(&c->down.end.pipe);
	http2_free(c);
	if (caller && !reset && !c->down.end.eof) {
		linger_start(rc, caller);
		return;
	}
	if (caller)
		pipe_close(caller, reset);
	conn_over(rc);
}

/* --- time ----------------------------------------------------------------- */

static void http2_on_slow(struct timer *t)
{
	struct http2 *c = container_of(t, struct http2, slow);
	bool idle = list_empty(&c->calls);

	h2_end(&c->down.h2, idle ? H2_NO_ERROR : H2_ENHANCE_YOUR_CALM);
	http2_run(c);
}

static void http2_wait_for_caller(struct http2 *c, int64_t ns)
{
	struct router_env *env = c->rc->env;

	if (!c->dead && !env->transparent)
		loop_timer_start(env->loop, &c->slow, router_patience(env, ns),
				 http2_on_slow);
}

void http2_owes(struct http2 *c, int32_t id)
{
	c->owes = id;
	http2_wait_for_caller(c, ROUTER_HEAD_NS);
}

void http2_owes_not(struct http2 *c, int32_t id)
{
	if (c->owes != id)
		return;
	c->owes = 0;
	loop_timer_stop(&c->slow);
	if (list_empty(&c->calls))
		http2_rest(c);
}

void http2_rest(struct http2 *c)
{
	http2_wait_for_caller(c, ROUTER_IDLE_NS);
}

/* --- sending -------------------------------------------------------------- */

/* false: the caller's connection is over */
static bool send_all(struct http2 *c, int *some)
{
	struct list *n, *tmp;
	int rc = http2_side_send(&c->down);

	if (rc < 0 || c->down.write_failed || http2_side_finished(&c->down)) {
		http2_over(c, rc < 0 || c->down.write_failed);
		return false;
	}
	*some = rc;
	list_for_each_safe (n, tmp, &c->ups) {
		struct http2_side *s = container_of(n, struct http2_side, node);

		rc = http2_side_send(s);
		if (rc < 0 || http2_side_finished(s)) {
			http2_up_broke(s, rc < 0 ? rc : -ECONNRESET);
			*some = 1; /* answers of ours are to go out */
		} else {
			*some |= rc;
		}
	}
	return true;
}

void http2_run(struct http2 *c)
{
	int some = 1;

	/* credit that one side gets may let the other go on */
	while (some && !c->dead)
		if (!send_all(c, &some))
			return;
	if (c->swept && !c->dead)
		http2_up_sweep(c);
}

/* --- draining ------------------------------------------------------------- */

static void on_leave(struct timer *t)
{
	struct http2 *c = container_of(t, struct http2, leave);

	h2_goaway(&c->down.h2, c->down.h2.taken, H2_NO_ERROR);
	http2_run(c);
}

static void http2_drain(void *part)
{
	struct http2 *c = part;
	struct router_env *env = c->rc->env;

	loop_timer_start(env->loop, &c->leave,
			 router_patience(env, ROUTER_GOAWAY_NS), on_leave);
	h2_goaway(&c->down.h2, H2_ID_MAX, H2_NO_ERROR);
	http2_run(c);
}

static void http2_sweep(void *part)
{
	struct http2 *c = part;

	c->swept = true;
	http2_up_sweep(c);
}

static const struct part_ops part_ops = { http2_free, http2_drain,
					  http2_sweep };

/* --- the caller's pipe ---------------------------------------------------- */

static void http2_on_opened(void *user)
{
	(void)user;
}

static void http2_on_writable(void *user)
{
	struct http2_side *s = user;

	http2_run(s->c);
}

static void http2_on_data(void *user, const uint8_t *p, size_t n)
{
	struct http2_side *s = user;
	int rc = h2_receive(&s->h2, loop_now(s->c->rc->env->loop), p, n);

	if (s->end.pipe)
		pipe_consume(s->end.pipe, n);
	if (rc == 0) {
		http2_run(s->c);
		return;
	}
	(void)!http2_side_send(s);
	http2_over(s->c, false);
}

static void http2_on_eof(void *user)
{
	struct http2_side *s = user;

	s->end.eof = true;
	http2_over(s->c, false);
}

static void http2_on_closed(void *user, int error)
{
	struct http2_side *s = user;

	(void)error;
	s->end.pipe = NULL;
	http2_over(s->c, true);
}

static const struct pipe_handler handler = { http2_on_opened, http2_on_data,
					     http2_on_eof, http2_on_writable,
					     http2_on_closed };

void http2_start(struct router_conn *rc, struct pipe_end *caller,
		 struct pipe_end *up, struct backend_ref ref)
{
	struct http2 *c = calloc(1, sizeof(*c));
	struct buf in = caller->in;

	if (c) {
		c->rc = rc;
		c->down.c = c;
		list_init(&c->ups);
		list_init(&c->calls);
		list_init(&c->down.node);
	}
	if (!c || http2_side_start(&c->down, true) < 0) {
		if (c)
			http2_side_fini(&c->down);
		free(c);
		pipe_end_reset(caller);
		if (up)
			pipe_end_reset(up);
		conn_over(rc);
		return;
	}
	c->down.end.pipe = caller->pipe;
	c->down.opened = true;
	pipe_set_handler(caller->pipe, &handler, &c->down);
	conn_become(rc, c, &part_ops);
	http2_rest(c);
	if (up)
		http2_up_adopt(c, up, ref);
	if (in.len)
		http2_on_data(&c->down, buf_data(&in), in.len);
	else
		http2_run(c);
	buf_fini(&in);
	c->down.end.eof = caller->eof;
	if (!c->dead && caller->eof)
		http2_over(c, false);
	else if (!c->dead && rc->draining)
		http2_drain(c);
}
