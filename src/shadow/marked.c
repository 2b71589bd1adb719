/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/marked.h"

#include "base/mem.h"
#include "pipe/pipe.h"
#include "pipe/pipe_fd.h"
#include "router/router.h"
#include "shadow/connector.h"
#include "shadow/pipe_stream.h"
#include "shadow/shadow.h"
#include "tunnel/mux.h"
#include "tunnel/relay.h"
#include "wire/envmark.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * The router between the two, with one backend. A client of HTTP/2 may need
 * another connection to it (its server has said GOAWAY): that is dialled to the
 * same address.
 */
struct marked {
	struct router_env env;
	struct shadow *sh;
	struct ipport to;
	struct envmark mark;
};

static struct backend_ref marked_choose(struct router_env *env, uint16_t port,
					const struct rule_request *req)
{
	(void)env;
	(void)port;
	(void)req;
	return (struct backend_ref){ .kind = BACKEND_ORIGIN };
}

static bool marked_serves(struct router_env *env, struct backend_ref ref)
{
	(void)env;
	(void)ref;
	return true;
}

static bool marked_mark(struct router_env *env, const struct ipport *from,
			const struct rule_request *req, char name[ENVMARK_MAX])
{
	const struct marked *m = container_of(env, struct marked, env);

	(void)from;
	(void)req;
	memcpy(name, m->mark.name, ENVMARK_MAX);
	return true;
}

static const char *marked_header(struct router_env *env)
{
	const struct marked *m = container_of(env, struct marked, env);

	return m->mark.header[0] ? m->mark.header : NULL;
}

/* --- another connection --------------------------------------------------- */

struct marked_opening {
	struct loop *loop;
	struct pipe *pipe;
	struct connector *connector;
};

static void marked_on_cancel(void *user)
{
	struct marked_opening *o = user;

	connector_cancel(o->connector);
	loop_defer_free(o->loop, o);
}

static void marked_on_connected(void *user, int fd, const struct ipport *last)
{
	struct marked_opening *o = user;

	(void)last;
	loop_defer_free(o->loop, o);
	pipe_fd_opened(o->pipe, fd);
}

static struct pipe *marked_open(struct router_env *env, uint16_t port,
				struct backend_ref ref,
				const struct ipport *from)
{
	const struct marked *m = container_of(env, struct marked, env);
	struct marked_opening *o = calloc(1, sizeof(*o));

	(void)port;
	(void)ref;
	(void)from;
	if (!o)
		return NULL;
	o->loop = env->loop;
	o->connector = connector_start(m->sh, &m->to.addr, 1, m->to.port,
				       marked_on_connected, o);
	if (o->connector)
		o->pipe = pipe_fd_opening(env->loop, marked_on_cancel, o);
	if (o->pipe)
		return o->pipe;
	marked_on_cancel(o);
	errno = ENOMEM;
	return NULL;
}

/* --- life ----------------------------------------------------------------- */

static void marked_on_done(void *user)
{
	struct marked *m = user;

	loop_defer_free(m->sh->loop, m);
}

static struct marked *marked_new(struct shadow *sh, const struct ipport *to,
				 const struct envmark *mark)
{
	struct marked *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->env = (struct router_env){ .loop = sh->loop,
				      .transparent = true,
				      .choose = marked_choose,
				      .open = marked_open,
				      .serves = marked_serves,
				      .mark = marked_mark,
				      .header = marked_header };
	m->sh = sh;
	m->to = *to;
	m->mark = *mark;
	return m;
}

void marked_serve(struct shadow *sh, struct mux_stream *s, int fd,
		  const struct ipport *to, const struct envmark *mark)
{
	struct marked *m = marked_new(sh, to, mark);
	struct pipe *up = NULL, *caller;

	if (m)
		up = pipe_fd_new(sh->loop, fd);
	else
		fd_close_reset(fd);
	if (!up) {
		mux_stream_reset(s, ENOMEM);
		free(m);
		return;
	}
	caller = pipe_stream_accept(sh->loop, s);
	if (!caller) {
		pipe_close(up, true);
		free(m);
		return;
	}
	if (!router_dialled_take(&m->env, to->port, caller, up, to,
				 marked_on_done, m))
		free(m);
}
