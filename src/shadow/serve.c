/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/serve.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/listener.h"
#include "pipe/join.h"
#include "pipe/pipe_fd.h"
#include "router/router.h"
#include "router/table.h"
#include "shadow/envs.h"
#include "shadow/laptop.h"
#include "shadow/origin.h"
#include "shadow/redirector.h"
#include "shadow/serve_http.h"
#include "shadow/serve_udp.h"
#include "shadow/shadow.h"
#include "shadow/socket.h"
#include "shadow/source.h"
#include "tunnel/mux.h"
#include "tunnel/relay.h"
#include "tunnel/target.h"
#include "wire/gatehead.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define PORT_TRIES 20
#define SERVE_GATHER_NS (50 * NS_MS)

/**
 * DOC: Theory of operation
 *
 * A caller of a port where nobody looks inside ("tcp"; the others go to the
 * router, as soon as they are accepted). Nothing is read from it before its way
 * is open, so it may be sent another way until then:
 *
 *   accepted -> table: a laptop's   -> CONNECT stream -> 200: relay
 *                                        refused there -> reset
 *                                        laptop lost   -> table again
 *               nobody's, an origin -> connect -> join
 *               nobody's at all     -> reset
 *
 * What a listener has accepted cannot be refused any more. So a port whose
 * laptop is there to refuse everybody is not listened on meanwhile.
 *
 * A caller that resets meanwhile ends it; one that half-closes does not.
 */

struct port {
	struct serve *serve;
	struct serve_item item;
	uint16_t bound;	       /* item.port, or where callers are led to */
	struct origin *origin; /* NULL: none */
	struct listener listener;
	struct timer reopen; /* of one that could not be listened on again */
	struct serve_udp *udp;
	bool draining; /* the Service leads elsewhere */
	bool closed;   /* not listened on: its laptop refuses everybody */
};

struct serve {
	struct shadow *sh;
	struct port *port[SERVESPEC_MAX];
	size_t nports;
	struct serve_env env;
	struct redirector *redirector; /* NULL: no port is another's */
	struct list callers;
	size_t ncallers;
	uint64_t accepted; /* callers so far */
	bool ending;
};

struct serve_caller {
	struct list node;
	struct port *port;
	struct watch watch; /* while it waits */
	struct timer again;
	int fd; /* -1: given away */
	struct ipport from;
	struct tunnel_tcp *tcp;
	struct origin_dial *dial;
	struct join *join; /* with the origin */
	struct router_conn *router;
	struct source_use source; /* whose Pod it is */
};

static void serve_route(struct serve_caller *c);

struct origin *serve_origin(const struct serve *sv, uint16_t port)
{
	for (size_t i = 0; sv && i < sv->nports; i++)
		if (sv->port[i]->item.port == port && !sv->port[i]->item.udp)
			return sv->port[i]->origin;
	return NULL;
}

bool serve_has(const struct serve *sv, uint16_t port, bool udp)
{
	for (size_t i = 0; sv && i < sv->nports; i++)
		if (sv->port[i]->item.port == port &&
		    sv->port[i]->item.udp == udp)
			return true;
	return false;
}

size_t serve_callers(const struct serve *sv)
{
	return sv ? sv->ncallers : 0;
}

uint64_t serve_accepted(const struct serve *sv)
{
	return sv ? sv->accepted : 0;
}

/* --- callers -------------------------------------------------------------- */

static void serve_caller_free(struct serve_caller *c)
{
	loop_watch_stop(&c->watch);
	loop_timer_stop(&c->again);
	source_use_end(&c->source);
	tunnel_tcp_cancel(c->tcp);
	origin_cancel(c->dial);
	join_reset(c->join);
	router_conn_free(c->router);
	if (c->fd >= 0)
		fd_close_reset(c->fd);
	list_del(&c->node);
	c->port->serve->ncallers--;
	loop_defer_free(c->port->serve->sh->loop, c);
}

static int give_fd(struct serve_caller *c)
{
	loop_watch_stop(&c->watch);
	return steal_fd(&c->fd);
}

static void serve_on_again(struct timer *t)
{
	serve_route(container_of(t, struct serve_caller, again));
}

static void on_dialed(void *user, int error)
{
	struct serve_caller *c = user;
	struct tunnel_tcp *tcp = steal_ptr(&c->tcp);

	if (error == -ENETRESET) {
		/* the laptop is gone: whose is it now? When that is told
		 * the table may not know it yet. */
		loop_timer_start(c->port->serve->sh->loop, &c->again, 0,
				 serve_on_again);
		return;
	}
	/* on failure both ends are reset already */
	if (error == 0)
		(void)!tunnel_tcp_relay(tcp, give_fd(c), NULL, NULL);
	serve_caller_free(c);
}

static bool to_laptop(struct serve_caller *c, uint64_t id)
{
	struct shadow *sh = c->port->serve->sh;
	struct mux *m = laptop_mux(sh, id);
	char authority[TARGET_AUTHORITY_MAX], from[TARGET_FORWARDED_MAX];
	const struct mux_request req = { .method = "CONNECT",
					 .authority = authority,
					 .forwarded = from };

	target_inbound_authority(authority, c->port->item.port);
	target_forwarded(from, &c->from);
	if (m)
		c->tcp = tunnel_tcp_open(sh->loop, m, &req, on_dialed, c);
	return c->tcp;
}

static void serve_on_joined(void *user)
{
	struct serve_caller *c = user;

	c->join = NULL;
	serve_caller_free(c);
}

static void serve_on_origin(void *user, int fd)
{
	struct serve_caller *c = user;

	c->dial = NULL;
	if (fd >= 0)
		c->join = join_sockets(c->port->serve->sh->loop, give_fd(c), fd,
				       serve_on_joined, c);
	if (!c->join)
		serve_caller_free(c);
}

static bool to_origin(struct serve_caller *c)
{
	if (c->port->origin)
		c->dial = origin_connect(c->port->origin, serve_on_origin, c);
	return c->dial;
}

static void serve_route(struct serve_caller *c)
{
	uint64_t id = table_choose(c->port->serve->sh->table,
				   c->port->item.port, false, NULL, clock_ns());

	if (!(id ? to_laptop(c, id) : to_origin(c)))
		serve_caller_free(c);
}

/* --- into the router ------------------------------------------------------ */

static void on_routed(void *user)
{
	struct serve_caller *c = user;

	c->router = NULL;
	serve_caller_free(c);
}

/* requests are looked into: each goes its own way */
static void serve_hand_over(struct serve_caller *c)
{
	struct serve *sv = c->port->serve;
	struct pipe *p = pipe_fd_new(sv->sh->loop, give_fd(c));

	if (p)
		c->router = router_http_take(&sv->env.env, c->port->item.port,
					     c->port->item.proto == SERVE_HTTP
						     ? ROUTER_HTTP
						     : ROUTER_AUTO,
					     p, &c->from, on_routed, c);
	if (!c->router)
		serve_caller_free(c);
	else if (sv->ending || c->port->draining)
		router_conn_drain(c->router);
}

static void serve_await_laptops(struct serve_caller *c);

static void serve_on_gather(struct timer *t)
{
	serve_await_laptops(container_of(t, struct serve_caller, again));
}

static void serve_await_laptops(struct serve_caller *c)
{
	struct shadow *sh = c->port->serve->sh;

	if (sh->envs && envs_gathers(sh->envs))
		loop_timer_start(sh->loop, &c->again, SERVE_GATHER_NS,
				 serve_on_gather);
	else
		serve_hand_over(c);
}

static void serve_on_source(void *user)
{
	serve_await_laptops(user);
}

/* first it is found out whose Pod the caller is */
static void serve_find_source(struct serve_caller *c)
{
	const struct shadow *sh = c->port->serve->sh;

	if (!sh->envs || sources_use(envs_sources(sh->envs), &c->source,
				     &c->from.addr, serve_on_source, c))
		serve_await_laptops(c);
}

/* it gave up before its way was open */
static void on_caller_event(struct watch *w, uint32_t events)
{
	struct serve_caller *c = container_of(w, struct serve_caller, watch);

	if (events & (EPOLLERR | EPOLLHUP))
		serve_caller_free(c);
}

/* Who it is that comes by the gate; the head is there (TCP_DEFER_ACCEPT) */
static bool serve_is_told(int fd, struct ipport *peer)
{
	uint8_t head[GATEHEAD_SIZE];

	return recv(fd, head, sizeof(head), MSG_DONTWAIT) == sizeof(head) &&
	       gatehead_get(head, peer) == GATEHEAD_CALLER;
}

static void serve_on_accepted(void *user, int fd, const struct ipport *peer)
{
	struct port *p = user;
	struct shadow *sh = p->serve->sh;
	struct ipport from = *peer;
	struct serve_caller *c =
		fd < sh->fd_limit ? calloc(1, sizeof(*c)) : NULL;

	if (!c || (p->item.gated && !serve_is_told(fd, &from)) ||
	    loop_watch_start(sh->loop, &c->watch, fd, 0, on_caller_event) < 0) {
		fd_close_reset(fd);
		free(c);
		return;
	}
	c->port = p;
	c->fd = fd;
	c->from = from;
	socket_keepalive(fd);
	list_add_tail(&p->serve->callers, &c->node);
	p->serve->ncallers++;
	p->serve->accepted++;
	if (p->item.proto == SERVE_TCP)
		serve_route(c);
	else
		serve_find_source(c);
}

/* --- ports ---------------------------------------------------------------- */

static int listen_at(struct port *p, uint16_t number, struct kt_error *err)
{
	static const uint8_t any[16] = { 0 }, here[4] = { 127, 0, 0, 1 };
	struct ipport at = { ipaddr_v6(any), number };
	struct shadow *sh = p->serve->sh;
	int rc;

	p->bound = number;
	if (p->item.gated)
		at.addr = ipaddr_v4(here);
	if (!p->item.udp) {
		rc = listener_open(&p->listener, sh->loop, &at,
				   serve_on_accepted, p, err);
		if (rc == 0 && p->item.gated)
			setsockopt(p->listener.watch.fd, IPPROTO_TCP,
				   TCP_DEFER_ACCEPT, &(int){ 5 }, sizeof(int));
		return rc;
	}
	p->udp = serve_udp_new(sh, p->item.port, number, p->origin, err);
	return p->udp ? 0 : -err->code;
}

static uint16_t any_port(void)
{
	uint16_t r = 0;

	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		r = 0;
	return (uint16_t)(REDIRECT_FIRST + r % REDIRECT_PORTS);
}

static int port_start(struct port *p, struct kt_error *err)
{
	int rc = -EADDRINUSE;

	if (p->item.host[0]) {
		p->origin = origin_new(p->serve->sh, p->item.host,
				       p->item.origin_port);
		if (!p->origin)
			return kt_fail(err, ENOMEM, "out of memory");
		if (p->item.gated)
			origin_set_gate(p->origin, p->item.port,
					GATEHEAD_ORIGIN);
	}
	if (!p->item.redirect)
		return listen_at(p, p->item.port, err);
	for (int i = 0; i < PORT_TRIES && rc == -EADDRINUSE; i++)
		rc = listen_at(p, any_port(), err);
	return rc;
}

/* --- ports that are another's --------------------------------------------- */

static int redirector_start(struct serve *sv, const struct exempt *exempt,
			    struct kt_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sv->nports; i++) {
		const struct serve_item *it = &sv->port[i]->item;

		if (!it->redirect)
			continue;
		if (!sv->redirector)
			sv->redirector = redirector_new(exempt, err);
		rc = sv->redirector ? redirector_forget(sv->redirector,
							it->port, it->udp, err)
				    : -err->code;
	}
	return rc;
}

/* --- the end of callers --------------------------------------------------- */

/* @port: NULL: of all */
static void each_router(struct serve *sv, const struct port *port,
			void (*fn)(struct router_conn *rc))
{
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &sv->callers) {
		struct serve_caller *c =
			container_of(n, struct serve_caller, node);

		if (c->router && (!port || c->port == port))
			fn(c->router);
	}
}

/* --- what the laptops want ------------------------------------------------ */

static void serve_redirect(struct serve *sv)
{
	struct redirect_port v[SERVESPEC_MAX];
	size_t n = 0;

	if (!sv->redirector)
		return;
	for (size_t i = 0; i < sv->nports; i++) {
		const struct port *p = sv->port[i];

		if (p->item.redirect &&
		    table_choose(sv->sh->table, p->item.port, p->item.udp, NULL,
				 clock_ns()))
			v[n++] = (struct redirect_port){ p->item.port, p->bound,
							 p->item.udp };
	}
	redirector_set(sv->redirector, v, n);
}

static void serve_on_reopen(struct timer *t);

/* A connection of ours may have the port as its own meanwhile: tried again,
 * until it has ended */
static void serve_close(struct port *p, bool close)
{
	struct kt_error err = { 0 };

	if (close == p->closed || p->item.udp || p->item.redirect)
		return;
	if (close) {
		listener_stop(&p->listener);
	} else if (listen_at(p, p->bound, &err) < 0) {
		log_err("%s", err.msg);
		loop_timer_start(p->serve->sh->loop, &p->reopen, NS_SEC,
				 serve_on_reopen);
		return;
	}
	p->closed = close;
}

static void serve_on_reopen(struct timer *t)
{
	struct port *p = container_of(t, struct port, reopen);

	serve_close(p, laptop_port_closed(p->serve->sh, p->item.port));
}

void serve_rules_changed(struct serve *sv)
{
	if (!sv)
		return;
	serve_redirect(sv);
	for (size_t i = 0; i < sv->nports; i++) {
		struct port *p = sv->port[i];
		enum port_use use =
			laptop_port_use(sv->sh, p->item.port, p->item.udp);

		serve_close(p, laptop_port_closed(sv->sh, p->item.port));
		/* whoever has left may have said it: it holds until somebody
		 * serves the port again */
		if (use == PORT_UNUSED || p->draining == (use == PORT_DRAINED))
			continue;
		p->draining = use == PORT_DRAINED;
		if (p->draining)
			each_router(sv, p, router_conn_drain);
	}
}

void serve_end(struct serve *sv)
{
	if (!sv)
		return;
	sv->ending = true;
	each_router(sv, NULL, router_conn_drain);
}

void serve_sweep(struct serve *sv)
{
	if (sv)
		each_router(sv, NULL, router_conn_sweep);
}

static struct origin *on_env_origin(void *user, uint16_t port)
{
	return serve_origin(user, port);
}

struct serve *serve_new(struct shadow *sh, const struct servespec *spec,
			const struct exempt *exempt, struct kt_error *err)
{
	struct serve *sv = xcalloc(1, sizeof(*sv));

	sv->sh = sh;
	serve_env_init(&sv->env, sh, on_env_origin, sv);
	list_init(&sv->callers);
	for (size_t i = 0; i < spec->n; i++) {
		struct port *p = xcalloc(1, sizeof(*p));

		p->serve = sv;
		p->item = spec->item[i];
		sv->port[sv->nports++] = p;
		if (port_start(p, err) < 0) {
			serve_free(sv);
			return NULL;
		}
	}
	if (redirector_start(sv, exempt, err) < 0) {
		serve_free(sv);
		return NULL;
	}
	return sv;
}

void serve_free(struct serve *sv)
{
	if (!sv)
		return;
	for (size_t i = 0; i < sv->nports; i++) {
		listener_stop(&sv->port[i]->listener);
		loop_timer_stop(&sv->port[i]->reopen);
	}
	while (!list_empty(&sv->callers))
		serve_caller_free(container_of(sv->callers.next,
					       struct serve_caller, node));
	serve_env_fini(&sv->env);
	redirector_free(sv->redirector); /* now: resets find their way */
	for (size_t i = 0; i < sv->nports; i++) {
		serve_udp_free(sv->port[i]->udp);
		origin_free(sv->port[i]->origin);
		loop_defer_free(sv->sh->loop, sv->port[i]);
	}
	loop_defer_free(sv->sh->loop, sv);
}
