/* SPDX-License-Identifier: Apache-2.0 */
#include "router/copy.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/memlimit.h"
#include "pipe/pipe.h"
#include "router/conn.h"
#include "router/copy_inside.h"

#include <errno.h>
#include <string.h>

struct copier {
	struct router_env *env;
	const struct copier_ops *ops;
	void *user;
	struct list copies;  /* that are not over */
	struct list clients; /* that have some */
	size_t n, bytes, max_n, max_bytes;
};

static const struct pipe_handler copy_handler;

/* --- clients -------------------------------------------------------------- */

static struct copy_client *copy_client_of(struct copier *co, uint64_t id)
{
	struct copy_client *cl;
	struct list *n;

	list_for_each (n, &co->clients) {
		cl = container_of(n, struct copy_client, node);
		if (cl->id == id)
			return cl;
	}
	cl = calloc(1, sizeof(*cl));
	if (!cl)
		return NULL;
	cl->id = id;
	list_add_tail(&co->clients, &cl->node);
	return cl;
}

static void copy_client_leave(struct copy *c)
{
	struct copy_client *cl = steal_ptr(&c->client);

	c->copier->n--;
	c->copier->bytes -= c->bytes;
	cl->bytes -= c->bytes;
	c->bytes = 0;
	if (--cl->n)
		return;
	list_del(&cl->node);
	free(cl);
}

/* false: more waits than may */
static bool copy_account(struct copy *c)
{
	struct copier *co = c->copier;
	size_t now = c->out.len + (c->h2 ? copy_h2_waiting(c) : 0);

	co->bytes += now - c->bytes;
	c->client->bytes += now - c->bytes;
	c->bytes = now;
	return now <= COPY_BYTES && c->client->bytes <= COPY_CLIENT_BYTES &&
	       co->bytes <= co->max_bytes;
}

/* --- life ----------------------------------------------------------------- */

static void copy_free(struct copy *c)
{
	loop_defer_free(c->copier->env->loop, c);
}

/* nothing of it goes on */
static void copy_over(struct copy *c, bool reset)
{
	struct pipe *p = steal_ptr(&c->pipe);

	if (!c->client)
		return;
	loop_timer_stop(&c->timer);
	copy_h2_free(c);
	buf_fini(&c->out);
	list_del(&c->node);
	copy_client_leave(c);
	if (p)
		pipe_close(p, reset);
	if (!c->owned)
		copy_free(c);
}

static void copy_count(const struct copy *c, bool sent)
{
	c->copier->ops->counted(c->copier->user, c->client->id, sent);
}

static void copy_drop(struct copy *c)
{
	if (!c->client)
		return;
	if (!c->sent)
		copy_count(c, false);
	copy_over(c, true);
}

/* there is no more to hear */
static void copy_done(struct copy *c)
{
	if (c->sent)
		copy_over(c, false);
	else
		copy_drop(c);
}

static void copy_on_stall(struct timer *t)
{
	copy_drop(container_of(t, struct copy, timer));
}

/* A caller may pause in its request for as long as it likes; what waits for
 * the laptop may stand still for COPY_STALL_NS. @moved: it does not */
static void copy_wait(struct copy *c, bool moved)
{
	struct router_env *env = c->copier->env;

	if (c->opened && !c->whole && !c->bytes)
		loop_timer_stop(&c->timer);
	else if (moved || !loop_timer_active(&c->timer))
		loop_timer_start(env->loop, &c->timer,
				 router_patience(env, COPY_STALL_NS),
				 copy_on_stall);
}

/* --- sending -------------------------------------------------------------- */

/* 1: the pipe has taken some; 0: nothing; -errno: it takes nothing more */
static int copy_push(struct copy *c)
{
	int some = 0;

	while (c->opened) {
		int rc = c->h2 ? copy_h2_fill(c) : 0;
		ssize_t n = 0;

		if (rc == 0 && c->out.len)
			n = pipe_send(c->pipe, buf_data(&c->out), c->out.len);
		if (rc < 0 || n < 0)
			return rc < 0 ? rc : (int)n;
		if (!n)
			break;
		some = 1;
		buf_take(&c->out, (size_t)n);
	}
	return some;
}

static bool copy_has_gone(const struct copy *c)
{
	return c->whole && c->opened && !c->out.len &&
	       (!c->h2 || copy_h2_said(c));
}

static void copy_run(struct copy *c)
{
	int some = copy_push(c);

	if (some < 0 || !copy_account(c)) {
		copy_drop(c);
		return;
	}
	if (!c->sent && copy_has_gone(c)) {
		c->sent = true;
		buf_fini(&c->out);
		copy_count(c, true);
	}
	if (c->sent && c->h2 && copy_h2_is_over(c))
		copy_done(c);
	else
		copy_wait(c, some > 0);
}

/* --- the pipe ------------------------------------------------------------- */

static void copy_on_opened(void *user)
{
	struct copy *c = user;

	c->opened = true;
	copy_run(c);
}

static void copy_on_data(void *user, const uint8_t *p, size_t n)
{
	struct copy *c = user;
	struct loop *loop = c->copier->env->loop;

	pipe_consume(c->pipe, n);
	c->heard += n;
	if ((c->h2 && copy_h2_receive(c, loop_now(loop), p, n) < 0) ||
	    c->heard > COPY_ANSWER) {
		copy_drop(c);
		return;
	}
	copy_wait(c, true);
	copy_run(c);
}

static void copy_on_eof(void *user)
{
	copy_done(user);
}

static void copy_on_writable(void *user)
{
	copy_run(user);
}

static void copy_on_closed(void *user, int error)
{
	struct copy *c = user;

	c->pipe = NULL;
	log_debug("router: a copy has ended: %s", strerror(-error));
	copy_drop(c);
}

static const struct pipe_handler copy_handler = { copy_on_opened, copy_on_data,
						  copy_on_eof, copy_on_writable,
						  copy_on_closed };

/* --- who gets one --------------------------------------------------------- */

struct copy_wish {
	struct copies *copies;
	struct router_conn *rc;
};

static struct copy *copy_new(struct router_conn *rc, uint64_t id)
{
	struct copier *co = rc->env->copier;
	struct copy_client *cl = copy_client_of(co, id);
	struct copy *c = NULL;
	const struct backend_ref ref = { BACKEND_CLIENT, id };

	if (cl && cl->n < COPY_CLIENT_N && co->n < co->max_n)
		c = calloc(1, sizeof(*c));
	if (c)
		c->pipe = rc->env->open(rc->env, rc->port, ref, &rc->from);
	if (c && c->pipe) {
		c->copier = co;
		c->client = cl;
		c->owned = true;
		buf_init(&c->out, 2 * COPY_BYTES);
		cl->n++;
		co->n++;
		list_add_tail(&co->copies, &c->node);
		pipe_set_handler(c->pipe, &copy_handler, c);
		copy_wait(c, true);
		return c;
	}
	free(c);
	if (cl && !cl->n) {
		list_del(&cl->node);
		free(cl);
	}
	return NULL;
}

static void copy_want(void *arg, uint64_t id, bool here)
{
	const struct copy_wish *w = arg;
	struct copier *co = w->rc->env->copier;
	struct copy *c = here ? copy_new(w->rc, id) : NULL;

	if (!c) {
		co->ops->counted(co->user, id, false);
		return;
	}
	c->next = w->copies->first;
	w->copies->first = c;
}

static bool copy_is_one(const struct rule_request *req)
{
	for (size_t i = 0; i < req->nfields; i++)
		if (slice_is_nocase(req->field[i].name, COPY_FIELD))
			return true;
	return false;
}

bool copies_begin(struct copies *cs, struct router_conn *rc,
		  struct backend_ref ref, const struct rule_request *req)
{
	struct copier *co = rc->env->copier;
	struct copy_wish wish = { cs, rc };

	cs->first = NULL;
	if (co && ref.kind == BACKEND_ORIGIN && !copy_is_one(req))
		co->ops->wanted(co->user, rc->port, req, copy_want, &wish);
	return cs->first;
}

/* --- the request ---------------------------------------------------------- */

static void copy_put(struct copy *c, const void *p, size_t n)
{
	int rc;

	if (!c->client || !n)
		return;
	rc = c->h2 ? copy_h2_body(c, p, n) : buf_put(&c->out, p, n);
	if (rc < 0)
		copy_drop(c);
	else
		copy_run(c);
}

void copies_head1(struct copies *cs, const void *head, size_t n)
{
	copies_body(cs, head, n);
}

void copies_head2(struct copies *cs, const struct hpack_field *f, size_t n,
		  bool last)
{
	for (struct copy *c = cs->first; c; c = c->next) {
		if (c->client && copy_h2_start(c, f, n, last) < 0)
			copy_drop(c);
		else if (c->client)
			copy_run(c);
	}
}

void copies_body(struct copies *cs, const void *p, size_t n)
{
	for (struct copy *c = cs->first; c; c = c->next)
		copy_put(c, p, n);
}

void copies_trailer(struct copies *cs, const struct hpack_field *f, size_t n)
{
	for (struct copy *c = cs->first; c; c = c->next)
		if (c->client)
			copy_h2_trailer(c, f, n);
}

void copies_end(struct copies *cs)
{
	struct copy *c;

	while ((c = cs->first)) {
		cs->first = c->next;
		c->owned = false;
		if (!c->client) {
			copy_free(c);
			continue;
		}
		c->whole = true;
		if (c->h2)
			copy_h2_end(c);
		copy_run(c);
	}
}

void copies_abort(struct copies *cs)
{
	struct copy *c;

	while ((c = cs->first)) {
		cs->first = c->next;
		c->owned = false;
		if (c->client)
			copy_over(c, true);
		else
			copy_free(c);
	}
}

/* --- all of them ---------------------------------------------------------- */

/* Where the Pod has little memory copies get a sixteenth of it for what waits,
 * and as much for their pipes */
static void copier_bound(struct copier *co)
{
	uint64_t part = memlimit_get() / 16;

	co->max_n = COPY_ALL_N;
	co->max_bytes = COPY_ALL_BYTES;
	if (!part)
		return;
	co->max_bytes = (size_t)MIN((uint64_t)co->max_bytes, part);
	co->max_n = (size_t)MIN((uint64_t)co->max_n,
				MAX(part / COPY_PIPE_BYTES, (uint64_t)1));
}

struct copier *copier_new(struct router_env *env, const struct copier_ops *ops,
			  void *user)
{
	struct copier *co = calloc(1, sizeof(*co));

	if (!co)
		return NULL;
	co->env = env;
	co->ops = ops;
	co->user = user;
	copier_bound(co);
	list_init(&co->copies);
	list_init(&co->clients);
	return co;
}

void copier_free(struct copier *co)
{
	if (!co)
		return;
	while (!list_empty(&co->copies))
		copy_over(container_of(co->copies.next, struct copy, node),
			  true);
	loop_defer_free(co->env->loop, co);
}
