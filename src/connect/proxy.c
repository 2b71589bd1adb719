/* SPDX-License-Identifier: Apache-2.0 */
#include "connect/proxy.h"

#include "base/flows.h"
#include "base/mem.h"
#include "connect/proxy_http.h"
#include "net/socks.h"
#include "tunnel/dialer.h"
#include "tunnel/fault_udp.h"

#include <errno.h>

#define UDP_IDLE (300 * NS_SEC) /* RFC 4787 REQ-5 */
#define SWEEP (5 * NS_SEC)
#define MAX_FLOWS 1024

struct proxy {
	struct loop *loop;
	struct dialer dialer;
	struct socks *socks;
	struct proxy_http http;
	struct flows udp; /* by association (as src) and destination */
	struct timer sweep;
};

/* --- TCP ------------------------------------------------------------------ */

static void connect_proxy_on_dialled(void *user, void *conn, int error)
{
	struct proxy *p = user;

	socks_answer(p->socks, conn, error);
}

static void on_open(void *user, struct socks_tcp *c)
{
	struct proxy *p = user;

	c->user = dialer_dial(&p->dialer, c->dst.host, &c->dst.addr,
			      c->dst.port, connect_proxy_on_dialled, p, c);
	if (!c->user)
		socks_answer(p->socks, c, ECONNREFUSED);
}

static void on_gone(void *user, struct socks_tcp *c)
{
	(void)user;
	if (c->user)
		dialer_cancel(c->user);
}

static void connect_proxy_on_accepted(void *user, struct socks_tcp *c, int fd)
{
	struct proxy *p = user;

	if (c->head_len)
		proxy_http_start(&p->http, c->user, fd, c->head, c->head_len);
	else
		dialer_relay(c->user, fd, NULL, NULL);
}

/* --- UDP ------------------------------------------------------------------ */

struct proxy_flow {
	struct flow flow;
	struct proxy *proxy;
	struct socks_udp *assoc;
	struct tunnel_udp *udp;
	struct fault_udp *fault; /* NULL: none is in force */
};

static void flow_end(struct flow *f)
{
	struct proxy_flow *u = container_of(f, struct proxy_flow, flow);

	if (u->udp)
		tunnel_udp_close(u->udp);
	fault_udp_free(u->fault);
	free(u);
}

static void proxy_flow_out(void *user, const uint8_t *data, size_t len)
{
	struct proxy_flow *u = user;

	tunnel_udp_send(u->udp, data, len);
}

static void proxy_flow_back(void *user, const uint8_t *data, size_t len)
{
	struct proxy_flow *u = user;

	flows_touch(&u->proxy->udp, &u->flow, loop_now(u->proxy->loop));
	/* a datagram may be lost */
	if (socks_udp_send(u->assoc, &u->flow.dst, data, len) < 0)
		return;
}

static void connect_proxy_on_udp_back(void *user, const uint8_t *data,
				      size_t len)
{
	struct proxy_flow *u = user;

	if (!u->fault || fault_udp_back(u->fault, data, len) == 0)
		proxy_flow_back(u, data, len);
}

static void connect_proxy_on_udp_close(void *user, int error)
{
	struct proxy_flow *u = user;

	(void)error;
	u->udp = NULL;
	flows_remove(&u->proxy->udp, &u->flow);
}

static struct proxy_flow *flow_open(struct proxy *p, struct socks_udp *a,
				    const struct ipport *dst)
{
	static const struct tunnel_udp_ops ops = {
		.datagram = connect_proxy_on_udp_back,
		.close = connect_proxy_on_udp_close
	};
	static const struct fault_udp_ops slow = { proxy_flow_out,
						   proxy_flow_back };
	struct proxy_flow *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->proxy = p;
	u->assoc = a;
	u->udp = tunnel_udp_open(p->dialer.tunnel, dst, &ops, u);
	if (!u->udp) {
		free(u);
		return NULL;
	}
	u->fault =
		fault_udp_new(p->loop, p->dialer.faults, NULL, dst, &slow, u);
	flows_add(&p->udp, &u->flow, &a->src, dst, loop_now(p->loop));
	return u;
}

static void connect_proxy_on_udp(void *user, struct socks_udp *a,
				 const struct socks_dst *dst,
				 const uint8_t *data, size_t len)
{
	struct proxy *p = user;
	struct ipport to = { dst->addr, dst->port };
	struct flow *f;
	struct proxy_flow *u;

	if (dst->host[0])
		return;
	f = flows_find(&p->udp, &a->src, &to);
	u = f ? container_of(f, struct proxy_flow, flow) : flow_open(p, a, &to);
	if (!u)
		return;
	flows_touch(&p->udp, &u->flow, loop_now(p->loop));
	/* SOCKS has no word for "refused" here: it is lost */
	if (!u->fault || fault_udp_out(u->fault, data, len) == 0)
		tunnel_udp_send(u->udp, data, len);
}

static void on_udp_gone(void *user, struct socks_udp *a)
{
	struct proxy *p = user;
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &p->udp.idle) {
		struct flow *f = container_of(n, struct flow, idle);

		if (container_of(f, struct proxy_flow, flow)->assoc == a)
			flows_remove(&p->udp, f);
	}
}

/* --- begin and end * ------------------------------------------------------ */

static void connect_proxy_on_sweep(struct timer *t)
{
	struct proxy *p = container_of(t, struct proxy, sweep);

	flows_expire(&p->udp, loop_now(p->loop) - UDP_IDLE);
	loop_timer_start(p->loop, t, SWEEP, connect_proxy_on_sweep);
}

int proxy_open(struct proxy **out, struct loop *loop, struct tunnel *t,
	       struct faults *faults, const struct ipport *at,
	       struct kt_error *err)
{
	static const struct socks_ops ops = { .tcp_open = on_open,
					      .tcp_gone = on_gone,
					      .tcp_accepted =
						      connect_proxy_on_accepted,
					      .udp = connect_proxy_on_udp,
					      .udp_gone = on_udp_gone };
	struct proxy *p = xcalloc(1, sizeof(*p));
	int rc;

	p->loop = loop;
	proxy_http_init(&p->http, loop);
	dialer_init(&p->dialer, t);
	p->dialer.faults = faults;
	flows_init(&p->udp, MAX_FLOWS, flow_end);
	rc = socks_open(&p->socks, loop, at, &ops, p, err);
	if (rc < 0) {
		free(p);
		return rc;
	}
	loop_timer_start(loop, &p->sweep, SWEEP, connect_proxy_on_sweep);
	*out = p;
	return 0;
}

struct ipport proxy_at(const struct proxy *p)
{
	return socks_addr(p->socks);
}

void proxy_close(struct proxy *p)
{
	if (!p)
		return;
	loop_timer_stop(&p->sweep);
	flows_fini(&p->udp);
	proxy_http_fini(&p->http);
	socks_close(p->socks);
	loop_defer_free(p->loop, p);
}

void proxy_tunnel_up(struct proxy *p)
{
	dialer_tunnel_up(&p->dialer);
}
