/* SPDX-License-Identifier: Apache-2.0 */
/* UDP of a forwarding: a conversation per program's address and port. */
#include "forward/forwarding.h"

#include "base/flows.h"
#include "base/mem.h"
#include "forward/target.h"
#include "tunnel/fault_udp.h"

#include <errno.h>
#include <sys/socket.h>

#define IDLE (300 * NS_SEC) /* RFC 4787 REQ-5 */
#define SWEEP (5 * NS_SEC)
#define MAX_FLOWS 1024
#define BATCH 64
#define ROOM 65536

struct forwarding_udp {
	struct forwarding *owner;
	struct flows flows; /* by the program and the place it sends to */
	struct timer sweep;
	uint8_t room[ROOM]; /* for one datagram */
};

/** struct forward_flow - one conversation */
struct forward_flow {
	struct flow flow;
	struct forwarding_udp *owner;
	struct localport_place *place;
	struct tunnel_udp *udp;
	struct ipport to;	 /* family 0: a name */
	struct fault_udp *fault; /* NULL: none is in force */
};

static void forwarding_udp_end(struct flow *f)
{
	struct forward_flow *u = container_of(f, struct forward_flow, flow);

	if (u->udp)
		tunnel_udp_close(u->udp);
	fault_udp_free(u->fault);
	free(u);
}

/* --- from the cluster ----------------------------------------------------- */

static void forwarding_udp_pass(void *user, const uint8_t *data, size_t len)
{
	struct forward_flow *u = user;
	struct forwarding_udp *o = u->owner;
	struct sockaddr_storage ss;
	socklen_t n = ipport_to_sockaddr(&u->flow.src, &ss);

	flows_touch(&o->flows, &u->flow, loop_now(o->owner->loop));
	/* a datagram may be lost */
	if (o->owner->port.open &&
	    sendto(u->place->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		   (struct sockaddr *)&ss, n) < 0)
		return;
}

static void forwarding_udp_back(void *user, const uint8_t *data, size_t len)
{
	struct forward_flow *u = user;

	if (!u->fault || fault_udp_back(u->fault, data, len) == 0)
		forwarding_udp_pass(u, data, len);
}

/* The next datagram begins anew, perhaps elsewhere. */
static void forwarding_udp_closed(void *user, int error)
{
	struct forward_flow *u = user;
	struct forwarding_udp *o = u->owner;

	u->udp = NULL;
	flows_remove(&o->flows, &u->flow);
	if (error && error != -ENETRESET && error != -ECANCELED)
		forwarding_tell(o->owner, -error);
}

/* --- to the cluster ------------------------------------------------------- */

static void forwarding_udp_out(void *user, const uint8_t *data, size_t len)
{
	struct forward_flow *u = user;

	tunnel_udp_send(u->udp, data, len);
}

static struct tunnel_udp *forwarding_udp_open(struct forward_flow *u)
{
	static const struct tunnel_udp_ops ops = {
		.datagram = forwarding_udp_back,
		.close = forwarding_udp_closed,
	};
	static const struct fault_udp_ops slow = { forwarding_udp_out,
						   forwarding_udp_pass };
	struct forwarding *f = u->owner->owner;
	struct tunnel *t = f->dialer->tunnel;
	const char *host = NULL;
	int rc = target_reach(f->target, &f->choice, &u->to, &host);

	if (rc < 0) {
		forwarding_tell(f, -rc);
		return NULL;
	}
	u->fault = fault_udp_new(f->loop, f->dialer->faults, host, &u->to,
				 &slow, u);
	if (!host)
		return tunnel_udp_open(t, &u->to, &ops, u);
	u->to.addr = (struct ipaddr){ 0 };
	return tunnel_udp_open_name(t, host, u->to.port, &ops, u);
}

static struct forward_flow *forwarding_udp_begin(struct forwarding_udp *o,
						 struct localport_place *p,
						 const struct ipport *src)
{
	struct forward_flow *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->owner = o;
	u->place = p;
	u->udp = forwarding_udp_open(u);
	if (!u->udp) {
		fault_udp_free(u->fault);
		free(u);
		return NULL;
	}
	flows_add(&o->flows, &u->flow, src, &p->at, loop_now(o->owner->loop));
	return u;
}

static void forwarding_udp_take(struct forwarding_udp *o,
				struct localport_place *p,
				const struct ipport *src, size_t len)
{
	struct flow *f = flows_find(&o->flows, src, &p->at);
	struct forward_flow *u = f ? container_of(f, struct forward_flow, flow)
				   : forwarding_udp_begin(o, p, src);

	if (!u)
		return;
	flows_touch(&o->flows, &u->flow, loop_now(o->owner->loop));
	/* a socket that is not connected has no way to refuse: it is lost */
	if (!u->fault || fault_udp_out(u->fault, o->room, len) == 0)
		tunnel_udp_send(u->udp, o->room, len);
}

void forwarding_udp_readable(void *user, struct localport_place *p)
{
	struct forwarding *f = user;
	struct forwarding_udp *o = f->udp;

	for (int i = 0; i < BATCH; i++) {
		struct sockaddr_storage ss = { 0 };
		socklen_t len = sizeof(ss);
		struct ipport src;
		ssize_t n = recvfrom(p->fd, o->room, ROOM, MSG_DONTWAIT,
				     (struct sockaddr *)&ss, &len);

		/* an ICMP error of an answer that nobody wanted is no end */
		if (n < 0 && errno == EAGAIN)
			return;
		if (n >= 0 &&
		    ipport_from_sockaddr(&src, (struct sockaddr *)&ss) == 0)
			forwarding_udp_take(o, p, &src, (size_t)n);
	}
}

/* --- begin and end * ------------------------------------------------------ */

static void forwarding_udp_sweep(struct timer *t)
{
	struct forwarding_udp *o =
		container_of(t, struct forwarding_udp, sweep);
	struct loop *loop = o->owner->loop;

	flows_expire(&o->flows, loop_now(loop) - IDLE);
	loop_timer_start(loop, t, SWEEP, forwarding_udp_sweep);
}

struct forwarding_udp *forwarding_udp_start(struct forwarding *f)
{
	struct forwarding_udp *o = xcalloc(1, sizeof(*o));

	o->owner = f;
	flows_init(&o->flows, MAX_FLOWS, forwarding_udp_end);
	loop_timer_start(f->loop, &o->sweep, SWEEP, forwarding_udp_sweep);
	return o;
}

/* Nobody says of a Pod that is gone that it is: silence would last */
void forwarding_udp_follow(struct forwarding_udp *o)
{
	struct forwarding *f = o->owner;
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &o->flows.idle) {
		struct flow *flow = container_of(n, struct flow, idle);
		struct forward_flow *u =
			container_of(flow, struct forward_flow, flow);

		if (u->to.addr.family && !target_has(f->target, &u->to.addr))
			flows_remove(&o->flows, flow);
	}
}

void forwarding_udp_stop(struct forwarding_udp *o)
{
	if (!o)
		return;
	loop_timer_stop(&o->sweep);
	flows_fini(&o->flows);
	loop_defer_free(o->owner->loop, o);
}
