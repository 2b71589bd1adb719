/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "router/conn.h"

/**
 * DOC: The end of a caller's connection
 *
 * All is said. What the caller has sent meanwhile, or sends before it knows, is
 * thrown away for a moment: a socket that is closed with something unread
 * answers with a reset, which can overtake what was said (RFC 9112
 * section 9.6).
 */

struct lingering {
	struct router_conn *rc;
	struct pipe *pipe;
	struct timer timer;
};

static void linger_free(void *part)
{
	struct lingering *l = part;

	loop_timer_stop(&l->timer);
	if (l->pipe)
		pipe_close(l->pipe, true);
	l->pipe = NULL;
	loop_defer_free(l->rc->env->loop, l);
}

static void linger_over(struct lingering *l)
{
	struct router_conn *rc = l->rc;

	if (l->pipe)
		pipe_close(l->pipe, false);
	l->pipe = NULL;
	linger_free(l);
	conn_over(rc);
}

static void on_time(struct timer *t)
{
	linger_over(container_of(t, struct lingering, timer));
}

static void on_nothing(void *user)
{
	(void)user;
}

static void linger_on_data(void *user, const uint8_t *p, size_t n)
{
	struct lingering *l = user;

	(void)p;
	pipe_consume(l->pipe, n);
}

static void linger_on_eof(void *user)
{
	linger_over(user);
}

static void linger_on_closed(void *user, int error)
{
	struct lingering *l = user;

	(void)error;
	l->pipe = NULL;
	linger_over(l);
}

static const struct pipe_handler handler = { on_nothing, linger_on_data,
					     linger_on_eof, on_nothing,
					     linger_on_closed };
static const struct part_ops part_ops = { .free = linger_free };

void linger_start(struct router_conn *rc, struct pipe *caller)
{
	struct lingering *l = calloc(1, sizeof(*l));

	if (!l) {
		pipe_close(caller, false);
		conn_over(rc);
		return;
	}
	l->rc = rc;
	l->pipe = caller;
	conn_become(rc, l, &part_ops);
	loop_timer_start(rc->env->loop, &l->timer, CONN_LINGER_NS, on_time);
	pipe_set_handler(caller, &handler, l);
	pipe_finish(caller);
}
