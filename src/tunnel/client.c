/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/client.h"

#include "base/mem.h"
#include "tunnel/internal.h"
#include "tunnel/scheduler.h"

#include <errno.h>

struct tunnel {
	struct loop *loop;
	struct session_config cfg;
	const struct tunnel_events *ev;
	void *user;
	struct link *link;	     /* NULL: no session */
	struct scheduler *scheduler; /* of the link; NULL: none */
	const struct envmark *mark;  /* NULL: none */
	struct tunnel *to;	     /* of a front: the one that it leads to */
	bool freed;
};

/* who does @t's work */
static const struct tunnel *client_of(const struct tunnel *t)
{
	return t->to ? t->to : t;
}

static void client_on_up(void *user, bool resumed)
{
	struct tunnel *t = user;
	void (*fn)(void *) = resumed ? t->ev->resumed : t->ev->up;

	if (fn)
		fn(t->user);
	scheduler_retry(t->scheduler);
}

static void client_on_lost(void *user, const struct kt_error *why)
{
	struct tunnel *t = user;

	if (t->ev->lost)
		t->ev->lost(t->user, why);
}

static void client_on_dead(void *user, const struct kt_error *why)
{
	struct tunnel *t = user;
	struct link *l = steal_ptr(&t->link);

	link_free(l);
	scheduler_free(steal_ptr(&t->scheduler));
	if (t->ev->dead)
		t->ev->dead(t->user, why);
}

static const struct link_ops link_ops = {
	.up = client_on_up,
	.lost = client_on_lost,
	.dead = client_on_dead,
};

struct tunnel *tunnel_new(struct loop *loop, const struct session_config *cfg,
			  const struct tunnel_events *ev, void *user)
{
	struct tunnel *t = xcalloc(1, sizeof(*t));

	t->loop = loop;
	t->cfg = cfg ? *cfg : session_config_default();
	t->ev = ev;
	t->user = user;
	return t;
}

struct tunnel *tunnel_front(struct loop *loop)
{
	static const struct tunnel_events none = { 0 };

	return tunnel_new(loop, NULL, &none, NULL);
}

void tunnel_lead(struct tunnel *front, struct tunnel *to)
{
	front->to = to;
}

struct tunnel *tunnel_led(const struct tunnel *front)
{
	return front->to;
}

void tunnel_free(struct tunnel *t)
{
	struct farewell f;

	tunnel_leave(t, &f);
	farewell_drop(&f);
}

void tunnel_leave(struct tunnel *t, struct farewell *f)
{
	struct link *l;

	*f = (struct farewell){ 0 };
	if (!t || t->freed)
		return;
	t->freed = true;
	l = steal_ptr(&t->link);
	if (l)
		session_leave(link_session(l), FRAME_CODE_BYE, "ktctl ends", f);
	link_free(l);
	scheduler_free(steal_ptr(&t->scheduler));
	loop_defer_free(t->loop, t);
}

static void client_open_link(struct tunnel *t)
{
	struct mux_config mcfg = mux_config_default(false);

	t->link = link_new(t->loop, &t->cfg, &mcfg, NULL, NULL, &link_ops, t);
	if (t->link && t->ev->bulk)
		t->scheduler = scheduler_new(t->loop, &t->cfg, t->link,
					     t->ev->bulk, t->user);
}

void tunnel_attach(struct tunnel *t, struct carrier *c)
{
	if (!t->link)
		client_open_link(t);
	if (t->link)
		session_attach(link_session(t->link), c);
	else
		carrier_close(c);
}

enum tunnel_state tunnel_state(const struct tunnel *t)
{
	struct session_stats st;

	t = client_of(t);
	if (!t->link)
		return TUNNEL_DOWN;
	switch (session_state(link_session(t->link))) {
	case SESSION_UP:
		return TUNNEL_UP;
	case SESSION_DEAD:
		return TUNNEL_DOWN;
	default:
		session_get_stats(link_session(t->link), &st);
		return st.carriers ? TUNNEL_LOST : TUNNEL_CONNECTING;
	}
}

void tunnel_stats(const struct tunnel *t, struct session_stats *st)
{
	*st = (struct session_stats){ 0 };
	if (t->link)
		session_get_stats(link_session(t->link), st);
}

void tunnel_bulk_stats(const struct tunnel *t, struct session_stats *st)
{
	scheduler_bulk(t->scheduler, st);
}

void tunnel_probe(struct tunnel *t)
{
	if (t->link)
		session_probe(link_session(t->link));
}

void tunnel_suspect(struct tunnel *t)
{
	if (t->link)
		session_suspect(link_session(t->link));
	scheduler_suspect(t->scheduler);
}

size_t tunnel_streams(const struct tunnel *t)
{
	t = client_of(t);
	return t->link && link_mux(t->link) ? mux_streams(link_mux(t->link))
					    : 0;
}

void tunnel_set_env(struct tunnel *t, const struct envmark *mark)
{
	t->mark = mark;
}

const struct envmark *tunnel_env(const struct tunnel *t)
{
	return t->mark;
}

struct loop *tunnel_loop(const struct tunnel *t)
{
	return t->loop;
}

struct mux *tunnel_mux(struct tunnel *t)
{
	const struct tunnel *to = client_of(t);
	struct mux *m = to->freed || !to->link ? NULL : link_mux(to->link);

	if (!m)
		errno = ENOTCONN;
	return m;
}

struct mux_stream *tunnel_open(struct tunnel *t, const struct mux_request *req,
			       const struct mux_stream_ops *ops, void *user)
{
	struct mux *m = tunnel_mux(t);

	return m ? mux_open(m, req, ops, user) : NULL;
}
