/* SPDX-License-Identifier: Apache-2.0 */
#include "run/outside_udp.h"

#include "base/fdlimit.h"
#include "base/flows.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#define UDP_IDLE (300 * NS_SEC) /* RFC 4787 REQ-5 */
#define PING_IDLE (30 * NS_SEC)
#define SWEEP (5 * NS_SEC)
#define MAX_FLOWS 1024 /* a descriptor each */
#define BATCH 32
#define ROOM 65536

struct outside_udp {
	struct loop *loop;
	struct capture *cap;
	struct flows udp, ping;
	struct timer sweep;
	uint8_t room[ROOM];
};

/** struct outside_flow - of datagrams, or of pings: a connected socket */
struct outside_flow {
	struct flow flow;
	struct outside_udp *all;
	struct watch watch;
	uint16_t id; /* of the program's pings */
};

static void outside_flow_free(struct flow *f)
{
	struct outside_flow *o = container_of(f, struct outside_flow, flow);

	loop_watch_stop(&o->watch);
	close(o->watch.fd);
	loop_defer_free(o->all->loop, o);
}

static int outside_flow_socket(const struct ipport *dst, int type, int protocol)
{
	auto_close int fd = fdlimit_take(
		socket(dst->addr.family, type | SOCK_NONBLOCK | SOCK_CLOEXEC,
		       protocol));
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(dst, &ss);

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* NULL with errno */
static struct outside_flow *outside_flow_new(struct outside_udp *u,
					     struct flows *table,
					     const struct ipport *src,
					     const struct ipport *dst, int fd,
					     watch_fn fn)
{
	struct outside_flow *o;
	int rc;

	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	o = calloc(1, sizeof(*o));
	rc = o ? loop_watch_start(u->loop, &o->watch, fd, EPOLLIN, fn)
	       : -ENOMEM;
	if (rc < 0) {
		close(fd);
		free(o);
		errno = -rc;
		return NULL;
	}
	o->all = u;
	flows_add(table, &o->flow, src, dst, loop_now(u->loop));
	return o;
}

/* --- datagrams ------------------------------------------------------------ */

static void outside_on_datagram(struct watch *w, uint32_t events)
{
	struct outside_flow *o = container_of(w, struct outside_flow, watch);
	struct outside_udp *u = o->all;

	(void)events;
	for (int i = 0; i < BATCH; i++) {
		ssize_t n = recv(w->fd, u->room, ROOM, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			capture_udp_error(u->cap, &o->flow.src, &o->flow.dst,
					  errno);
			continue;
		}
		flows_touch(&u->udp, &o->flow, loop_now(u->loop));
		if (capture_udp_send(u->cap, &o->flow.dst, &o->flow.src,
				     u->room, (size_t)n) < 0)
			log_trace("datagram of %zd bytes dropped", n);
	}
}

void outside_udp_send(struct outside_udp *u, const struct ipport *src,
		      const struct ipport *dst, const uint8_t *data, size_t len)
{
	struct flow *f = flows_find(&u->udp, src, dst);
	struct outside_flow *o =
		f ? container_of(f, struct outside_flow, flow)
		  : outside_flow_new(u, &u->udp, src, dst,
				     outside_flow_socket(dst, SOCK_DGRAM, 0),
				     outside_on_datagram);
	int error;

	if (!o) {
		capture_udp_error(u->cap, src, dst, errno);
		return;
	}
	flows_touch(&u->udp, &o->flow, loop_now(u->loop));
	if (send(o->watch.fd, data, len, MSG_DONTWAIT) >= 0)
		return;
	error = errno; /* of one that was sent before, perhaps: like it */
	if (error == ECONNREFUSED || error == EHOSTUNREACH ||
	    error == ENETUNREACH || error == EACCES || error == EPERM)
		capture_udp_error(u->cap, src, dst, error);
}

/* --- pings ---------------------------------------------------------------- */

static bool outside_is_reply(const struct outside_flow *o, uint8_t type)
{
	return type == (o->flow.dst.addr.family == AF_INET ? ICMP_ECHOREPLY
							   : ICMP6_ECHO_REPLY);
}

static void outside_on_pong(struct watch *w, uint32_t events)
{
	struct outside_flow *o = container_of(w, struct outside_flow, watch);
	struct outside_udp *u = o->all;
	struct icmphdr h; /* ICMPv6 has the same */

	(void)events;
	for (int i = 0; i < BATCH; i++) {
		ssize_t n = recv(w->fd, u->room, ROOM, 0);
		struct capture_echo e = { .src = o->flow.src.addr,
					  .dst = o->flow.dst.addr,
					  .id = o->id,
					  .ttl = 64 };

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < (ssize_t)sizeof(h))
			continue;
		memcpy(&h, u->room, sizeof(h));
		e.seq = ntohs(h.un.echo.sequence);
		e.data = u->room + sizeof(h);
		e.len = (size_t)n - sizeof(h);
		if (outside_is_reply(o, h.type) &&
		    capture_echo_reply(u->cap, &e) < 0)
			log_trace("echo reply of %zd bytes dropped", n);
	}
}

void outside_udp_ping(struct outside_udp *u, const struct capture_echo *e)
{
	struct ipport src = { .addr = e->src, .port = e->id };
	struct ipport dst = { .addr = e->dst };
	bool four = e->dst.family == AF_INET;
	struct icmphdr h = { .type = four ? ICMP_ECHO : ICMP6_ECHO_REQUEST,
			     .un.echo.sequence = htons(e->seq) };
	struct flow *f = flows_find(&u->ping, &src, &dst);
	struct iovec iov[2] = { { &h, sizeof(h) },
				{ (void *)(uintptr_t)e->data, e->len } };
	struct outside_flow *o =
		f ? container_of(f, struct outside_flow, flow)
		  : outside_flow_new(u, &u->ping, &src, &dst,
				     outside_flow_socket(&dst, SOCK_DGRAM,
							 four ? IPPROTO_ICMP
							      : IPPROTO_ICMPV6),
				     outside_on_pong);

	if (!o) {
		capture_echo_error(u->cap, e, errno);
		return;
	}
	o->id = e->id;
	flows_touch(&u->ping, &o->flow, loop_now(u->loop));
	if (sendmsg(o->watch.fd,
		    &(struct msghdr){ .msg_iov = iov, .msg_iovlen = 2 },
		    MSG_DONTWAIT) < 0 &&
	    errno != EAGAIN)
		capture_echo_error(u->cap, e, errno);
}

/* --- all of it ------------------------------------------------------------ */

static void outside_udp_on_sweep(struct timer *t)
{
	struct outside_udp *u = container_of(t, struct outside_udp, sweep);
	int64_t now = loop_now(u->loop);

	flows_expire(&u->udp, now - UDP_IDLE);
	flows_expire(&u->ping, now - PING_IDLE);
	loop_timer_start(u->loop, t, SWEEP, outside_udp_on_sweep);
}

struct outside_udp *outside_udp_new(struct loop *l, struct capture *cap)
{
	struct outside_udp *u = xcalloc(1, sizeof(*u));

	u->loop = l;
	u->cap = cap;
	flows_init(&u->udp, MAX_FLOWS, outside_flow_free);
	flows_init(&u->ping, MAX_FLOWS, outside_flow_free);
	loop_timer_start(l, &u->sweep, SWEEP, outside_udp_on_sweep);
	return u;
}

void outside_udp_free(struct outside_udp *u)
{
	if (!u)
		return;
	loop_timer_stop(&u->sweep);
	flows_fini(&u->udp);
	flows_fini(&u->ping);
	loop_defer_free(u->loop, u);
}
