/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "base/mem.h"
#include "pipe/pipe_fd.h"
#include "router/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

static struct backend_ref choose(struct router_env *env, uint16_t port,
				 const struct rule_request *req)
{
	struct rig *r = container_of(env, struct rig, env);
	struct backend_ref ref = { BACKEND_ORIGIN, 0 };
	char name[ENVMARK_MAX];

	(void)port;
	r->chosen++;
	env->said = (struct router_said){ 0 };
	if (req && envmark_of(req, name) && strcmp(name, "dev.a") == 0)
		ref = (struct backend_ref){ BACKEND_CLIENT, 1 };
	else if (req && envmark_of(req, name) && strcmp(name, "dev.b") == 0)
		ref = (struct backend_ref){ BACKEND_CLIENT, 2 };
	for (size_t i = 0; req && i < req->nfields; i++) {
		struct slice v = req->field[i].value;

		if (slice_is(req->field[i].name, "cookie") &&
		    slice_is(v, "x=y; to=a"))
			ref = (struct backend_ref){ BACKEND_CLIENT, 1 };
		if (!slice_is(req->field[i].name, "to"))
			continue;
		if (slice_is(v, "a") || slice_is(v, "b"))
			ref = (struct backend_ref){
				BACKEND_CLIENT,
				slice_is(v, "a") && !r->moved ? 1 : 2
			};
		else if (slice_is(v, "none"))
			ref.kind = BACKEND_NONE;
		else if (slice_is(v, "m"))
			ref = (struct backend_ref){ BACKEND_MEMBER, 7 };
	}
	return ref;
}

static struct backend_ref rig_again(struct router_env *env, uint16_t port,
				    const struct rule_request *req,
				    struct backend_ref was)
{
	struct rig *r = container_of(env, struct rig, env);
	struct backend_ref ref = choose(env, port, req);

	if (was.kind != BACKEND_MEMBER)
		return ref;
	if (r->strict)
		snprintf(env->said.text, sizeof(env->said.text), "m is down");
	else
		snprintf(env->said.served_by, sizeof(env->said.served_by),
			 "trunk");
	return (struct backend_ref){ r->strict ? BACKEND_DOWN : BACKEND_ORIGIN,
				     0 };
}

static const char *rig_header(struct router_env *env)
{
	return container_of(env, struct rig, env)->header;
}

static bool rig_mark(struct router_env *env, const struct ipport *from,
		     const struct rule_request *req, char name[ENVMARK_MAX])
{
	struct rig *r = container_of(env, struct rig, env);
	char ip[IPADDR_STRLEN];

	ipaddr_str(&from->addr, ip);
	if (!r->mark || strcmp(ip, "10.9.8.7") != 0 || !req->method.n)
		return false;
	snprintf(name, ENVMARK_MAX, "%s", r->mark);
	return true;
}

static bool serves(struct router_env *env, struct backend_ref ref)
{
	struct rig *r = container_of(env, struct rig, env);

	return !r->gone || ref.id != r->gone;
}

static void rig_wanted(void *user, uint16_t port,
		       const struct rule_request *req, copier_want_fn *want,
		       void *arg)
{
	(void)user;
	(void)port;
	for (size_t i = 0; i < req->nfields; i++) {
		struct slice v = req->field[i].value;

		if (!slice_is_nocase(req->field[i].name, "copy"))
			continue;
		for (size_t k = 0; k < v.n; k++)
			want(arg, (uint64_t)(v.p[k] - 'a' + 1), v.p[k] != 'z');
	}
}

static void rig_counted(void *user, uint64_t id, bool sent)
{
	struct rig *r = user;

	(void)id;
	*(sent ? &r->sent : &r->dropped) += 1;
}

static const struct copier_ops rig_copier = { rig_wanted, rig_counted };

static void on_timer(struct timer *t)
{
	struct rig_open *o = container_of(t, struct rig_open, timer);
	int sv[2];

	if (o->error && o->rig->moves) {
		o->rig->moved = true;
		o->rig->refuse = 0;
	}
	if (o->error ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv) < 0) {
		pipe_fd_opened(o->pipe, o->error);
		return;
	}
	o->fd = sv[1];
	pipe_fd_opened(o->pipe, sv[0]);
}

static void cancel(void *user)
{
	struct rig_open *o = user;

	loop_timer_stop(&o->timer);
}

static struct pipe *do_open(struct router_env *env, uint16_t port,
			    struct backend_ref ref, const struct ipport *from)
{
	struct rig *r = container_of(env, struct rig, env);
	struct rig_open *o = &r->open[r->nopen];

	(void)port;
	(void)from;
	if (r->nopen == RIG_OPENS) {
		errno = EMFILE;
		return NULL;
	}
	r->nopen++;
	*o = (struct rig_open){
		.ref = ref, .fd = -1, .error = r->refuse, .rig = r
	};
	if (ref.kind == BACKEND_MEMBER)
		o->error = r->refuse_member;
	o->pipe = pipe_fd_opening(env->loop, cancel, o);
	if (ref.kind == BACKEND_CLIENT && ref.id > 2 && r->hold_copies)
		return o->pipe;
	if (ref.kind == BACKEND_CLIENT && ref.id > 2)
		o->error = r->refuse_copies;
	loop_timer_start(env->loop, &o->timer, 0, on_timer);
	return o->pipe;
}

static void on_done(void *user)
{
	struct rig *r = user;

	r->conn = NULL;
}

/* one end of a new pair, in the test's hands; the other is *@pipe */
static int rig_pair(struct rig *r, struct pipe **pipe)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv) < 0)
		abort();
	*pipe = pipe_fd_new(r->env.loop, sv[0]);
	return sv[1];
}

static struct ipport rig_prepare(struct rig *r)
{
	struct ipport from = { .port = 5555 };

	memset(r, 0, sizeof(*r));
	if (ipaddr_parse(&from.addr, "10.9.8.7") < 0)
		abort();
	r->env = (struct router_env){ .loop = loop_new(),
				      .choose = choose,
				      .open = do_open,
				      .serves = serves,
				      .again = rig_again,
				      .mark = rig_mark,
				      .header = rig_header };
	r->env.copier = copier_new(&r->env, &rig_copier, r);
	return from;
}

void rig_init(struct rig *r, enum router_proto proto)
{
	struct ipport from = rig_prepare(r);
	struct pipe *caller;

	r->caller = rig_pair(r, &caller);
	r->conn =
		router_http_take(&r->env, 80, proto, caller, &from, on_done, r);
}

void rig_init_dialled(struct rig *r)
{
	struct ipport from = rig_prepare(r);
	struct pipe *caller, *up;

	r->env.transparent = true;
	r->mark = "dev.x";
	r->caller = rig_pair(r, &caller);
	r->open[0] = (struct rig_open){ .fd = rig_pair(r, &up), .rig = r };
	r->nopen = 1;
	r->conn =
		router_dialled_take(&r->env, 80, caller, up, &from, on_done, r);
}

void rig_fini(struct rig *r)
{
	router_conn_free(r->conn);
	copier_free(r->env.copier);
	rig_run(r);
	if (r->caller >= 0)
		close(r->caller);
	for (unsigned int i = 0; i < r->nopen; i++)
		if (r->open[i].fd >= 0)
			close(r->open[i].fd);
	loop_free(r->env.loop);
}

void rig_run(struct rig *r)
{
	for (int i = 0; i < 6; i++)
		loop_once(r->env.loop, 0);
}

void rig_write(struct rig *r, int fd, const void *p, size_t n)
{
	const uint8_t *from = p;

	for (int idle = 0; n && idle < 1000;) {
		ssize_t rc = send(fd, from, n, MSG_NOSIGNAL);

		if (rc < 0 && errno != EAGAIN)
			return;
		if (rc > 0) {
			from += rc;
			n -= (size_t)rc;
			idle = 0;
		}
		idle++;
		rig_run(r);
	}
	rig_run(r);
}

void rig_say(struct rig *r, int fd, const char *text)
{
	rig_write(r, fd, text, strlen(text));
}

ssize_t rig_read(struct rig *r, int fd, void *p, size_t n)
{
	ssize_t rc;

	rig_run(r);
	rc = recv(fd, p, n, 0);
	if (rc > 0)
		rig_run(r);
	if (rc == 0)
		return -1;
	return rc > 0 ? rc : errno == EAGAIN ? 0 : -2;
}

void rig_hear(struct rig *r, int fd, size_t least, char *got, size_t size)
{
	size_t n = 0;

	for (int i = 0; i < 50; i++) {
		ssize_t rc = rig_read(r, fd, got + n, size - 1 - n);

		if (rc > 0)
			n += (size_t)rc;
		else if (n >= least)
			break;
	}
	got[n] = 0;
}
