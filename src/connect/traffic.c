/* SPDX-License-Identifier: Apache-2.0 */
#include "connect/traffic.h"

#include "base/flows.h"
#include "base/log.h"
#include "tunnel/dialer.h"
#include "tunnel/fault_udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UDP_IDLE (300 * NS_SEC) /* RFC 4787 REQ-5 */
#define PING_IDLE (30 * NS_SEC)
#define SWEEP (5 * NS_SEC)
#define MAX_FLOWS 4096

struct traffic {
	struct loop *loop;
	struct dialer dialer;
	struct capture *cap;
	struct flows udp, ping;
	struct timer sweep;
	struct relay_hooks hooks;
	struct relay_group open; /* connections; some may outlive this */
	const struct traffic_outside *outside; /* or NULL */
	void *outside_user;
};

void traffic_set_outside(struct traffic *tr, const struct traffic_outside *o,
			 void *user)
{
	tr->outside = o;
	tr->outside_user = user;
}

static bool traffic_is_outside(const struct traffic *tr,
			       const struct ipport *dst)
{
	return tr->outside && tr->outside->is_outside(tr->outside_user, dst);
}

/* --- TCP ------------------------------------------------------------------ */

static void connect_traffic_on_dialled(void *user, void *conn, int error)
{
	struct traffic *tr = user;

	capture_tcp_answer(tr->cap, conn, error);
}

static void on_tcp_open(void *user, struct capture_tcp *c)
{
	struct traffic *tr = user;

	c->outside = traffic_is_outside(tr, &c->dst);
	if (c->outside) {
		tr->outside->ops.tcp_open(tr->outside_user, c);
		return;
	}
	c->user = dialer_dial(&tr->dialer, NULL, &c->dst.addr, c->dst.port,
			      connect_traffic_on_dialled, tr, c);
	if (!c->user)
		capture_tcp_answer(tr->cap, c, ECONNREFUSED);
}

static void on_tcp_gone(void *user, struct capture_tcp *c)
{
	struct traffic *tr = user;

	if (c->outside)
		tr->outside->ops.tcp_gone(tr->outside_user, c);
	else if (c->user)
		dialer_cancel(c->user);
}

static void on_relay_finish(void *user, int fd)
{
	struct traffic *tr = user;

	capture_tcp_finish(tr->cap, fd);
}

static void on_tcp_accepted(void *user, struct capture_tcp *c, int fd)
{
	struct traffic *tr = user;

	if (c->outside)
		tr->outside->ops.tcp_accepted(tr->outside_user, c, fd);
	else
		dialer_relay(c->user, fd, &tr->hooks, tr);
}

void traffic_tunnel_up(struct traffic *tr)
{
	dialer_tunnel_up(&tr->dialer);
}

/* --- UDP ------------------------------------------------------------------ */

struct udp_flow {
	struct flow flow;
	struct traffic *tr;
	struct tunnel_udp *udp;
	struct fault_udp *fault; /* NULL: none is in force */
};

static void udp_flow_free(struct flow *f)
{
	struct udp_flow *u = container_of(f, struct udp_flow, flow);

	if (u->udp)
		tunnel_udp_close(u->udp);
	fault_udp_free(u->fault);
	free(u);
}

static void udp_flow_out(void *user, const uint8_t *data, size_t len)
{
	struct udp_flow *u = user;

	tunnel_udp_send(u->udp, data, len);
}

static void udp_flow_back(void *user, const uint8_t *data, size_t len)
{
	struct udp_flow *u = user;
	int rc = capture_udp_send(u->tr->cap, &u->flow.dst, &u->flow.src, data,
				  len);

	flows_touch(&u->tr->udp, &u->flow, loop_now(u->tr->loop));
	if (rc < 0)
		log_trace("datagram of %zu bytes dropped: %s", len,
			  strerror(-rc));
}

static void connect_traffic_on_udp_back(void *user, const uint8_t *data,
					size_t len)
{
	struct udp_flow *u = user;

	if (!u->fault || fault_udp_back(u->fault, data, len) == 0)
		udp_flow_back(u, data, len);
}

static void connect_traffic_on_udp_close(void *user, int error)
{
	struct udp_flow *u = user;

	u->udp = NULL;
	if (error && error != -ENETRESET && error != -ECANCELED)
		capture_udp_error(u->tr->cap, &u->flow.src, &u->flow.dst,
				  -error);
	flows_remove(&u->tr->udp, &u->flow);
}

static struct udp_flow *udp_flow_open(struct traffic *tr,
				      const struct ipport *src,
				      const struct ipport *dst)
{
	static const struct tunnel_udp_ops ops = {
		.datagram = connect_traffic_on_udp_back,
		.close = connect_traffic_on_udp_close
	};
	static const struct fault_udp_ops slow = { udp_flow_out,
						   udp_flow_back };
	struct udp_flow *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->tr = tr;
	u->udp = tunnel_udp_open(tr->dialer.tunnel, dst, &ops, u);
	if (!u->udp) {
		free(u);
		return NULL;
	}
	u->fault =
		fault_udp_new(tr->loop, tr->dialer.faults, NULL, dst, &slow, u);
	flows_add(&tr->udp, &u->flow, src, dst, loop_now(tr->loop));
	return u;
}

static void connect_traffic_on_udp(void *user, const struct ipport *src,
				   const struct ipport *dst,
				   const uint8_t *data, size_t len)
{
	struct traffic *tr = user;
	struct udp_flow *u;
	struct flow *f;
	int hit;

	if (traffic_is_outside(tr, dst)) {
		tr->outside->ops.udp(tr->outside_user, src, dst, data, len);
		return;
	}
	f = flows_find(&tr->udp, src, dst);
	u = f ? container_of(f, struct udp_flow, flow)
	      : udp_flow_open(tr, src, dst);
	if (!u) /* no session: as a network that loses a datagram */
		return;
	flows_touch(&tr->udp, &u->flow, loop_now(tr->loop));
	hit = u->fault ? fault_udp_out(u->fault, data, len) : 0;
	if (hit == 0)
		tunnel_udp_send(u->udp, data, len);
	else if (hit < 0)
		capture_udp_error(tr->cap, src, dst, -hit);
}

/* --- ping ----------------------------------------------------------------- */

struct ping_flow {
	struct flow flow;
	struct traffic *tr;
	struct tunnel_ping *ping;
};

static void ping_flow_free(struct flow *f)
{
	struct ping_flow *p = container_of(f, struct ping_flow, flow);

	if (p->ping)
		tunnel_ping_close(p->ping);
	free(p);
}

static bool is_echo_reply(const struct tunnel_echo *e, int family)
{
	return e->type == (family == AF_INET ? 0 : 129);
}

static void on_ping_answer(void *user, const struct tunnel_echo *e)
{
	struct ping_flow *p = user;
	struct capture_echo back = { .src = p->flow.src.addr,
				     .dst = p->flow.dst.addr,
				     .id = e->id,
				     .seq = e->seq,
				     .ttl = e->ttl,
				     .data = e->payload,
				     .len = e->len };

	if (!is_echo_reply(e, p->flow.dst.addr.family))
		capture_echo_error(p->tr->cap, &back, EHOSTUNREACH);
	else if (capture_echo_reply(p->tr->cap, &back) < 0)
		log_trace("echo reply of %zu bytes dropped", e->len);
}

static void on_ping_close(void *user, int error)
{
	struct ping_flow *p = user;

	if (error == -EACCES)
		log_debug("the shadow Pod may not ping");
	p->ping = NULL;
	flows_remove(&p->tr->ping, &p->flow);
}

static void on_echo(void *user, const struct capture_echo *e)
{
	static const struct tunnel_ping_ops ops = { .answer = on_ping_answer,
						    .close = on_ping_close };
	struct traffic *tr = user;
	struct ipport src = { .addr = e->src }, dst = { .addr = e->dst };
	struct flow *f = flows_find(&tr->ping, &src, &dst);
	struct tunnel_echo out = { .id = e->id,
				   .seq = e->seq,
				   .ttl = e->ttl,
				   .payload = e->data,
				   .len = e->len };
	struct ping_flow *p;

	if (traffic_is_outside(tr, &dst)) {
		tr->outside->ops.icmp_echo(tr->outside_user, e);
		return;
	}
	if (f) {
		p = container_of(f, struct ping_flow, flow);
	} else {
		p = calloc(1, sizeof(*p));
		if (!p)
			return;
		p->tr = tr;
		p->ping = tunnel_ping_open(tr->dialer.tunnel, &e->dst, &ops, p);
		if (!p->ping) {
			free(p);
			return;
		}
		flows_add(&tr->ping, &p->flow, &src, &dst, loop_now(tr->loop));
	}
	flows_touch(&tr->ping, &p->flow, loop_now(tr->loop));
	tunnel_ping_send(p->ping, &out);
}

/* --- all of it ------------------------------------------------------------ */

static void connect_traffic_on_sweep(struct timer *t)
{
	struct traffic *tr = container_of(t, struct traffic, sweep);
	int64_t now = loop_now(tr->loop);

	flows_expire(&tr->udp, now - UDP_IDLE);
	flows_expire(&tr->ping, now - PING_IDLE);
	loop_timer_start(tr->loop, t, SWEEP, connect_traffic_on_sweep);
}

int traffic_open(struct traffic **out, struct loop *loop, struct tunnel *t,
		 struct faults *faults, const struct capture_config *cfg,
		 struct kt_error *err)
{
	static const struct capture_ops ops = {
		.tcp_open = on_tcp_open,
		.tcp_gone = on_tcp_gone,
		.tcp_accepted = on_tcp_accepted,
		.udp = connect_traffic_on_udp,
		.icmp_echo = on_echo,
	};
	struct traffic *tr = xcalloc(1, sizeof(*tr));
	int rc;

	tr->loop = loop;
	relay_group_init(&tr->open);
	tr->hooks = (struct relay_hooks){ .group = &tr->open,
					  .finish = on_relay_finish };
	dialer_init(&tr->dialer, t);
	tr->dialer.faults = faults;
	flows_init(&tr->udp, MAX_FLOWS, udp_flow_free);
	flows_init(&tr->ping, MAX_FLOWS, ping_flow_free);
	rc = capture_open(&tr->cap, loop, cfg, &ops, tr, err);
	if (rc < 0) {
		free(tr);
		return rc;
	}
	loop_timer_start(loop, &tr->sweep, SWEEP, connect_traffic_on_sweep);
	*out = tr;
	return 0;
}

struct dialer *traffic_dialer(struct traffic *tr)
{
	return &tr->dialer;
}

struct capture *traffic_capture(struct traffic *tr)
{
	return tr->cap;
}

void traffic_close(struct traffic *tr)
{
	struct capture *cap;

	if (!tr)
		return;
	loop_timer_stop(&tr->sweep);
	relay_group_fini(&tr->open);
	flows_fini(&tr->udp);
	flows_fini(&tr->ping);
	cap = tr->cap;
	capture_close(cap); /* tcp_gone() for each attempt, waiting ones too */
	tr->cap = NULL;
	loop_defer_free(tr->loop, tr);
}
