/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/serve_http.h"

#include "base/mem.h"
#include "pipe/pipe.h"
#include "pipe/pipe_fd.h"
#include "router/copy.h"
#include "router/table.h"
#include "shadow/events.h"
#include "shadow/laptop.h"
#include "shadow/origin.h"
#include "shadow/pipe_stream.h"
#include "shadow/shadow.h"
#include "tunnel/mux.h"
#include "tunnel/target.h"

#include <errno.h>

static struct shadow *shadow_of(struct router_env *env)
{
	return container_of(env, struct serve_env, env)->sh;
}

static struct origin *origin_of(struct router_env *env, uint16_t port)
{
	const struct serve_env *e = container_of(env, struct serve_env, env);

	return e->origin(e->user, port);
}

static struct backend_ref serve_http_choose(struct router_env *env,
					    uint16_t port,
					    const struct rule_request *req)
{
	struct shadow *sh = shadow_of(env);
	struct backend_ref ref = {
		.kind = BACKEND_CLIENT,
		.id = table_choose(sh->table, port, false, req, clock_ns()),
	};

	if (!ref.id)
		ref.kind = origin_of(env, port) ? BACKEND_ORIGIN : BACKEND_NONE;
	return ref;
}

static bool serve_http_serves(struct router_env *env, struct backend_ref ref)
{
	return ref.kind != BACKEND_CLIENT ||
	       table_serves(shadow_of(env)->table, ref.id);
}

/* --- what became of requests ---------------------------------------------- */

static void serve_http_whose(struct router_env *env, uint16_t port,
			     struct backend_ref ref,
			     const struct rule_request *req, struct event *ev)
{
	const struct rule *rule = NULL;
	const char *user = NULL;
	char match[RULE_MATCH_MAX];

	if (ref.kind == BACKEND_CLIENT)
		rule = table_whose(shadow_of(env)->table, ref.id, port, req,
				   &user);
	if (user)
		snprintf(ev->user, sizeof(ev->user), "%s", user);
	if (rule && rule->match.n)
		event_set_mark(ev, rule_match_print(&rule->match, match));
}

static void serve_http_report(struct router_env *env, struct backend_ref ref,
			      const struct event *ev)
{
	struct shadow *sh = shadow_of(env);

	events_add(sh->events, ev, ref.kind == BACKEND_CLIENT ? ref.id : 0);
	laptop_tell_events(sh);
}

/* --- a laptop ------------------------------------------------------------- */

static struct pipe *open_laptop(struct shadow *sh, uint16_t port, uint64_t id,
				const struct ipport *from)
{
	char authority[TARGET_AUTHORITY_MAX], forwarded[TARGET_FORWARDED_MAX];
	const struct mux_request req = { .method = "CONNECT",
					 .authority = authority,
					 .forwarded = forwarded };
	struct mux *m = laptop_mux(sh, id);

	target_inbound_authority(authority, port);
	target_forwarded(forwarded, from);
	errno = ENOTCONN;
	return m ? pipe_stream_open(sh->loop, m, &req) : NULL;
}

/* --- the origin ----------------------------------------------------------- */

/* an origin's connection while it is opening */
struct opening {
	struct shadow *sh;
	struct pipe *pipe;
	struct origin_dial *dial;
};

static void on_cancel(void *user)
{
	struct opening *o = user;

	origin_cancel(o->dial);
	loop_defer_free(o->sh->loop, o);
}

static void serve_http_on_connected(void *user, int fd)
{
	struct opening *o = user;

	loop_defer_free(o->sh->loop, o);
	pipe_fd_opened(o->pipe, fd);
}

static struct pipe *serve_http_open_origin(struct shadow *sh,
					   struct origin *origin)
{
	struct opening *o = origin ? calloc(1, sizeof(*o)) : NULL;

	if (!o)
		return NULL;
	o->sh = sh;
	o->pipe = pipe_fd_opening(sh->loop, on_cancel, o);
	if (o->pipe)
		o->dial = origin_connect(origin, serve_http_on_connected, o);
	if (o->dial)
		return o->pipe;
	if (o->pipe)
		pipe_close(o->pipe, true); /* frees it by on_cancel() */
	else
		free(o);
	return NULL;
}

static struct pipe *open_backend(struct router_env *env, uint16_t port,
				 struct backend_ref ref,
				 const struct ipport *from)
{
	struct shadow *sh = shadow_of(env);

	if (ref.kind == BACKEND_CLIENT)
		return open_laptop(sh, port, ref.id, from);
	return ref.kind == BACKEND_ORIGIN
		       ? serve_http_open_origin(sh, origin_of(env, port))
		       : NULL;
}

/* --- copies --------------------------------------------------------------- */

static void serve_http_wanted(void *user, uint16_t port,
			      const struct rule_request *req,
			      copier_want_fn *want, void *arg)
{
	const struct serve_env *e = user;

	table_copies(e->sh->table, port, req, clock_ns(), want, arg);
}

static void serve_http_counted(void *user, uint64_t id, bool sent)
{
	const struct serve_env *e = user;

	laptop_count_copy(e->sh, id, sent);
}

static const struct copier_ops copier_ops = { serve_http_wanted,
					      serve_http_counted };

void serve_env_fini(struct serve_env *e)
{
	copier_free(e->env.copier);
	e->env.copier = NULL;
}

void serve_env_init(struct serve_env *e, struct shadow *sh,
		    struct origin *(*origin)(void *user, uint16_t port),
		    void *user)
{
	*e = (struct serve_env){ .env = { .loop = sh->loop,
					  .choose = serve_http_choose,
					  .open = open_backend,
					  .serves = serve_http_serves,
					  .report = serve_http_report,
					  .whose = serve_http_whose },
				 .sh = sh,
				 .origin = origin,
				 .user = user };
	e->env.copier = copier_new(&e->env, &copier_ops, e);
}
