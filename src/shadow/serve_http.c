/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/serve_http.h"

#include "base/mem.h"
#include "pipe/pipe.h"
#include "pipe/pipe_fd.h"
#include "router/copy.h"
#include "router/table.h"
#include "shadow/envs.h"
#include "shadow/events.h"
#include "shadow/laptop.h"
#include "shadow/origin.h"
#include "shadow/pipe_stream.h"
#include "shadow/shadow.h"
#include "shadow/share.h"
#include "shadow/source.h"
#include "tunnel/mux.h"
#include "tunnel/target.h"
#include "wire/gatehead.h"

#include <errno.h>
#include <time.h>

static struct shadow *shadow_of(struct router_env *env)
{
	return container_of(env, struct serve_env, env)->sh;
}

static struct origin *origin_of(struct router_env *env, uint16_t port)
{
	const struct serve_env *e = container_of(env, struct serve_env, env);

	return e->origin(e->user, port);
}

static struct backend_ref serve_http_by_rule(const struct shadow *sh,
					     uint16_t port,
					     const struct rule_request *req)
{
	uint64_t id = table_choose(sh->table, port, false, req, clock_ns());

	return (struct backend_ref){ id ? BACKEND_CLIENT : BACKEND_ORIGIN, id };
}

static struct backend_ref serve_http_find(struct router_env *env, uint16_t port,
					  const struct rule_request *req,
					  const struct backend_ref *was)
{
	struct shadow *sh = shadow_of(env);
	struct router_said *said = &env->said;
	struct backend_ref ref;

	said->served_by[0] = said->text[0] = said->mark[0] = '\0';
	said->absent = false;
	if (sh->share &&
	    !share_takes(sh->share, req, (int64_t)time(NULL), said))
		return (struct backend_ref){ .kind = req ? BACKEND_DOWN
							 : BACKEND_NONE };
	ref = sh->envs && req ? envs_choose(sh->envs, port, req, was, said)
			      : serve_http_by_rule(sh, port, req);
	if (ref.kind == BACKEND_ORIGIN && !origin_of(env, port))
		ref.kind = BACKEND_NONE;
	return ref;
}

static struct backend_ref serve_http_choose(struct router_env *env,
					    uint16_t port,
					    const struct rule_request *req)
{
	return serve_http_find(env, port, req, NULL);
}

static struct backend_ref serve_http_again(struct router_env *env,
					   uint16_t port,
					   const struct rule_request *req,
					   struct backend_ref was)
{
	return serve_http_find(env, port, req, &was);
}

static bool serve_http_serves(struct router_env *env, struct backend_ref ref)
{
	const struct shadow *sh = shadow_of(env);

	if (ref.kind == BACKEND_MEMBER)
		return sh->envs && envs_serves(sh->envs, ref.id);
	return ref.kind != BACKEND_CLIENT || table_serves(sh->table, ref.id);
}

static bool serve_http_mark(struct router_env *env, const struct ipport *from,
			    const struct rule_request *req,
			    char name[ENVMARK_MAX])
{
	struct shadow *sh = shadow_of(env);
	const char *of =
		sh->envs ? sources_env(envs_sources(sh->envs), &from->addr)
			 : NULL;

	(void)req;
	if (sh->share)
		of = sh->share->mark.name;
	if (of)
		snprintf(name, ENVMARK_MAX, "%s", of);
	return of;
}

static const char *serve_http_header(struct router_env *env)
{
	const struct shadow *sh = shadow_of(env);

	if (sh->share)
		return sh->share->mark.header[0] ? sh->share->mark.header
						 : NULL;
	return sh->envs ? envs_header(sh->envs) : NULL;
}

/* --- what became of requests ---------------------------------------------- */

static void serve_http_whose_member(struct router_env *env,
				    struct backend_ref ref, struct event *ev)
{
	const char *name = envs_env(shadow_of(env)->envs, ref.id);
	char mark[ENVMARK_MAX + 8];

	if (!name)
		return;
	snprintf(mark, sizeof(mark), "env:%s", name);
	event_set_mark(ev, mark);
	snprintf(ev->user, sizeof(ev->user), "%.120s", name);
}

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
	if (ref.kind == BACKEND_MEMBER)
		serve_http_whose_member(env, ref, ev);
	if (user)
		snprintf(ev->user, sizeof(ev->user), "%s", user);
	/* what choose() has said, which was asked just before */
	if (req && ref.kind != BACKEND_NONE && env->said.mark[0])
		event_set_mark(ev, env->said.mark);
	else if (rule && rule->match.n)
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

/* --- the origin, and members in the cluster ------------------------------- */

/* a connection while it is opening */
struct opening {
	struct shadow *sh;
	struct pipe *pipe;
	struct origin_dial *dial;
	struct timer limit; /* of a member */
	uint64_t member;    /* 0: it is the origin */
	int error;	    /* of a member, before anything was begun */
};

static void serve_http_on_connected(void *user, int fd);

static void on_cancel(void *user)
{
	struct opening *o = user;

	origin_cancel(o->dial);
	loop_timer_stop(&o->limit);
	loop_defer_free(o->sh->loop, o);
}

static void serve_http_on_limit(struct timer *t)
{
	struct opening *o = container_of(t, struct opening, limit);

	origin_cancel(o->dial);
	serve_http_on_connected(o, o->error ? o->error : -ETIMEDOUT);
}

static void serve_http_on_connected(void *user, int fd)
{
	struct opening *o = user;

	loop_timer_stop(&o->limit);
	if (o->member && o->sh->envs && fd < 0)
		envs_failed(o->sh->envs, o->member);
	else if (o->member && o->sh->envs)
		envs_worked(o->sh->envs, o->member);
	loop_defer_free(o->sh->loop, o);
	pipe_fd_opened(o->pipe, fd);
}

static struct opening *serve_http_opening(struct shadow *sh, uint64_t member)
{
	struct opening *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->sh = sh;
	o->member = member;
	o->pipe = pipe_fd_opening(sh->loop, on_cancel, o);
	if (o->pipe)
		return o;
	free(o);
	return NULL;
}

static struct pipe *serve_http_open_origin(struct shadow *sh,
					   struct origin *origin)
{
	struct opening *o = origin ? serve_http_opening(sh, 0) : NULL;

	if (!o)
		return NULL;
	o->dial = origin_connect(origin, serve_http_on_connected, o);
	if (o->dial)
		return o->pipe;
	pipe_close(o->pipe, true); /* frees it by on_cancel() */
	return NULL;
}

/* At the port that the Service's own Pods have for it. What fails at once is
 * told as if it had been tried: others answer in its place then. */
static struct pipe *serve_http_open_member(struct router_env *env,
					   uint16_t port, uint64_t id)
{
	struct shadow *sh = shadow_of(env);
	const struct origin *own = origin_of(env, port);
	struct opening *o = serve_http_opening(sh, id);
	struct origin *origin = NULL;

	if (!o)
		return NULL;
	if (sh->envs)
		origin = envs_origin(sh->envs, id,
				     own ? origin_port(own) : port);
	if (origin && own)
		origin_set_gate(origin, origin_gate(own), GATEHEAD_MEMBER);
	if (origin)
		o->dial = origin_connect(origin, serve_http_on_connected, o);
	if (!o->dial)
		o->error = -EHOSTUNREACH;
	loop_timer_start(sh->loop, &o->limit, o->dial ? ENVS_CONNECT_NS : 0,
			 serve_http_on_limit);
	return o->pipe;
}

static struct pipe *open_backend(struct router_env *env, uint16_t port,
				 struct backend_ref ref,
				 const struct ipport *from)
{
	struct shadow *sh = shadow_of(env);

	if (ref.kind == BACKEND_CLIENT)
		return open_laptop(sh, port, ref.id, from);
	if (ref.kind == BACKEND_MEMBER)
		return serve_http_open_member(env, port, ref.id);
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
					  .again = serve_http_again,
					  .open = open_backend,
					  .serves = serve_http_serves,
					  .report = serve_http_report,
					  .whose = serve_http_whose,
					  .mark = serve_http_mark,
					  .header = serve_http_header,
					  .outside = sh->share != NULL },
				 .sh = sh,
				 .origin = origin,
				 .user = user };
	e->env.copier = copier_new(&e->env, &copier_ops, e);
}
