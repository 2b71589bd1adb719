/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/link.h"

#include "base/mem.h"

#include <errno.h>

struct link {
	struct loop *loop;
	struct session *session;
	struct mux *mux;
	const struct link_ops *ops;
	void *user;
	bool freed;
};

struct session *link_session(const struct link *l)
{
	return l->session;
}

struct mux *link_mux(const struct link *l)
{
	return l->mux;
}

/* --- the mux's transport -------------------------------------------------- */

static uint8_t *tr_reserve(void *user, size_t min, size_t *got)
{
	struct link *l = user;

	return session_reserve(l->session, min, got);
}

static void tr_commit(void *user, size_t n)
{
	struct link *l = user;

	session_commit(l->session, n);
}

static void tr_kick(void *user)
{
	struct link *l = user;

	session_kick(l->session);
}

static void link_renew(void *user);

static void tr_spent(void *user)
{
	struct link *l = user;

	loop_defer(l->loop, link_renew, l);
}

static const struct mux_transport transport = {
	.reserve = tr_reserve,
	.commit = tr_commit,
	.kick = tr_kick,
	.spent = tr_spent,
};

/* --- the session's owner -------------------------------------------------- */

static int on_produce(void *user, size_t room)
{
	struct link *l = user;

	return l->mux ? mux_produce(l->mux, room) : 0;
}

static int link_on_data(void *user, const uint8_t *p, size_t n)
{
	struct link *l = user;

	return l->mux ? mux_receive(l->mux, p, n) : 0;
}

static void link_on_up(void *user, bool resumed)
{
	struct link *l = user;

	if (l->ops->up)
		l->ops->up(l->user, resumed);
}

static void link_on_lost(void *user, const struct kt_error *why)
{
	struct link *l = user;

	if (l->ops->lost)
		l->ops->lost(l->user, why);
}

static void link_on_dead(void *user, const struct kt_error *why)
{
	struct link *l = user;
	struct mux *m = steal_ptr(&l->mux);

	mux_free(m, -ENETRESET);
	if (!l->freed && l->ops->dead)
		l->ops->dead(l->user, why);
}

/* A session has 2^30 streams. Its owner begins a fresh one when it is dead. */
static void link_renew(void *user)
{
	struct kt_error err = { 0 };
	struct link *l = user;

	if (l->freed || !l->mux)
		return;
	session_close(l->session, FRAME_CODE_BYE,
		      "the stream ids of the session are used up");
	kt_fail(&err, ENETRESET, "the stream ids of the session are used up");
	link_on_dead(l, &err);
}

static const struct session_ops session_ops = {
	.produce = on_produce,
	.data = link_on_data,
	.up = link_on_up,
	.lost = link_on_lost,
	.dead = link_on_dead,
};

struct link *link_new(struct loop *loop, const struct session_config *scfg,
		      const struct mux_config *mcfg, const uint8_t *id,
		      mux_request_fn on_request, const struct link_ops *ops,
		      void *user)
{
	enum frame_role role =
		mcfg->server ? FRAME_ROLE_SERVER : FRAME_ROLE_CLIENT;
	struct link *l = calloc(1, sizeof(*l));
	struct mux_config cfg = *mcfg;

	if (!l)
		return NULL;
	l->loop = loop;
	l->ops = ops;
	l->user = user;
	mux_config_limit(&cfg, scfg->buffers);
	l->session = session_new(loop, scfg, id, role, &session_ops, l);
	if (l->session)
		l->mux = mux_new(loop, &cfg, &transport, l, on_request, user);
	if (!l->mux) {
		session_free(l->session);
		free(l);
		return NULL;
	}
	return l;
}

void link_free(struct link *l)
{
	struct mux *m;

	if (!l || l->freed)
		return;
	l->freed = true;
	m = steal_ptr(&l->mux);
	session_free(l->session);
	mux_free(m, -ECANCELED);
	loop_defer_free(l->loop, l);
}
