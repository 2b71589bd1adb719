/* SPDX-License-Identifier: Apache-2.0 */
#include "net/capture_impl.h"

#include "base/fdlimit.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/capture_link.h"
#include "net/held.h"
#include "net/listener.h"
#include "wire/ippkt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

/**
 * DOC: Theory of operation
 *
 * An anonymous network namespace N, held by nothing but our descriptors, and a
 * veth pair: kt0 beside the programs, kt1 in N. Routes for the captured ranges
 * lead through kt0, so the programs' side sees a plain link, and all the rest
 * happens in N, where no foreign firewall, VPN or Docker rule exists. When the
 * process ends, however it ends, the kernel removes N, with it kt1, with it
 * kt0 and its routes.
 *
 *   program -SYN-> kt0 ~ kt1 -rule iif kt1-> t0, a TUN -> we hold it (held.h)
 *     answer 0: the same SYN, written into t0 -tproxy-> listener -> accept()
 *     refused:  RST written into t0 -main table: via kt1-> program
 *     else:     an ICMP error likewise, or nothing
 *   later segments -> kt1 -"socket transparent"-> mark -> their socket
 *   UDP            -> kt1 -tproxy-> one socket: the kernel reassembles
 *   ICMP           -> t0
 *   stray segments -> t0 -> RST, as a host would send (or once more, held.h)
 *
 * tproxy, not redirect: the accepted socket has the address that the program
 * dialled, there is no connection tracking in N, hence no table to overflow,
 * no time-out for a half-closed connection, and a port can be used again at
 * once. A SYN from kt1 is never matched with a socket, so that one which meets
 * an old TIME_WAIT is held like any other; tproxy then retires that socket.
 * The listeners sit on the loopback addresses, so that a program that dials
 * their port number on a cluster address does not reach them directly.
 *
 * What the kernel has accepted cannot be taken back. So a descriptor is
 * reserved before a SYN goes there; when none is left the SYN stays where it
 * is, and the program waits, as before a full queue.
 *
 * Accepted sockets have SO_LINGER 0: close() resets and leaves no orphan that
 * would keep N, and so kt0, alive after a kill -9.
 */

#define BATCH_PACKETS 64
#define UDP_VLEN 8
#define UDP_ROUNDS 4
#define PACKET_ROOM 65536
#define TICK (500 * NS_MS)
#define FINISH_TICK (50 * NS_MS)
#define FINISH_MAX (600 * NS_SEC)

struct finishing {
	struct list node;
	int fd;
	int64_t since;
};

struct ns_capture {
	struct capture base;
	bool closed; /* freed after the batch; callbacks must stop */

	struct capture_link link;
	struct watch tun, udp[2];
	struct listener tcp[2];
	struct held_table held;
	struct timer tick;
	struct list finishing;
	struct timer finish_tick;
	struct capture_stats stats;
	int *spare; /* descriptors: one for each HELD_INJECTED */
	size_t nspare, spare_cap;
	bool short_told; /* of descriptors: said once */
	bool waiting;	 /* an attempt may be HELD_WAITING */

	uint8_t *packet;  /* PACKET_ROOM */
	uint8_t *udp_mem; /* UDP_VLEN * PACKET_ROOM */
	struct mmsghdr udp_msg[UDP_VLEN];
	struct iovec udp_iov[UDP_VLEN];
	struct sockaddr_in6 udp_from[UDP_VLEN];
	union {
		uint8_t b[CMSG_SPACE(sizeof(struct sockaddr_in6))];
		struct cmsghdr align;
	} udp_ctl[UDP_VLEN];
};

static struct ns_capture *ns(struct capture *base)
{
	return container_of(base, struct ns_capture, base);
}

static const struct ns_capture *ns_const(const struct capture *base)
{
	return (const void *)base; /* its first member */
}

/* --- writing packets ------------------------------------------------------ */

static int inject(struct ns_capture *cap, const void *head, size_t head_len,
		  const void *data, size_t len)
{
	struct iovec iov[2] = { { (void *)(uintptr_t)head, head_len },
				{ (void *)(uintptr_t)data, len } };

	if (writev(cap->link.tun, iov, len ? 2 : 1) < 0) {
		log_debug("capture: write packet: %s", strerror(errno));
		return -errno;
	}
	return 0;
}

static enum ippkt_error error_kind(int errnum)
{
	switch (errnum) {
	case ECONNREFUSED:
		return IPPKT_PORT_UNREACHABLE;
	case ENETUNREACH:
		return IPPKT_NET_UNREACHABLE;
	case EACCES:
	case EPERM:
		return IPPKT_PROHIBITED;
	default:
		return IPPKT_HOST_UNREACHABLE;
	}
}

/* An ICMP error about @packet, from its destination or from our gateway. */
static void inject_error(struct ns_capture *cap, const uint8_t *packet,
			 size_t len, const struct ipaddr *dst, int errnum)
{
	const struct ipaddr *from = &cap->link.inner[capture_fam(dst->family)];
	uint8_t out[IPPKT_ERROR_MAX];
	int n;

	if (errnum == ETIMEDOUT)
		return;
	if (errnum == ECONNREFUSED)
		from = dst;
	n = ippkt_build_error(from, packet, len, error_kind(errnum), 0, out);
	if (n > 0)
		(void)inject(cap, out, (size_t)n, NULL, 0);
}

/* --- TCP: descriptors for what the kernel accepts ------------------------- */

static bool spare_add(struct ns_capture *cap)
{
	int fd = fdlimit_reserve(cap->link.tun);

	if (fd < 0)
		return false;
	if (cap->nspare == cap->spare_cap) {
		cap->spare_cap = MAX(2 * cap->spare_cap, (size_t)64);
		cap->spare = xrealloc(cap->spare,
				      cap->spare_cap * sizeof(*cap->spare));
	}
	cap->spare[cap->nspare++] = fd;
	return true;
}

/* Whichever: they are all the same. false: there is none */
static bool spare_drop(struct ns_capture *cap)
{
	if (!cap->nspare)
		return false;
	close(cap->spare[--cap->nspare]);
	return true;
}

/* --- TCP: attempts -------------------------------------------------------- */

static void capture_ns_tick(struct timer *t);
static void let_in(struct ns_capture *cap, struct held *h);

static bool is_wanted(const struct held *h)
{
	return h->state == HELD_DIALLING || h->state == HELD_WAITING ||
	       h->state == HELD_INJECTED;
}

/* Those that wait for a descriptor, in the order in which they came. */
static void let_in_waiting(struct ns_capture *cap)
{
	struct list *pos, *tmp;

	if (!cap->waiting)
		return;
	cap->waiting = false; /* let_in() says if it is still so */
	list_for_each_safe (pos, tmp, &cap->held.all) {
		struct held *h = container_of(pos, struct held, in_table);

		if (h->state == HELD_WAITING)
			let_in(cap, h);
		if (cap->waiting)
			return;
	}
}

static void capture_ns_start_tick(struct ns_capture *cap)
{
	if (!loop_timer_active(&cap->tick))
		loop_timer_start(cap->base.loop, &cap->tick, TICK,
				 capture_ns_tick);
}

static void capture_ns_tick(struct timer *t)
{
	struct ns_capture *cap = container_of(t, struct ns_capture, tick);
	struct list *pos, *tmp;
	struct list over;

	/* callbacks may answer other attempts: collect first */
	list_init(&over);
	list_for_each_safe (pos, tmp, &cap->held.all) {
		struct held *h = container_of(pos, struct held, in_table);

		if (!held_expired(h, loop_now(cap->base.loop)))
			continue;
		held_unlink(&cap->held, h);
		list_add_tail(&over, &h->in_table);
	}
	while (!list_empty(&over)) {
		struct held *h = container_of(over.next, struct held, in_table);

		list_del(&h->in_table);
		if (h->state == HELD_INJECTED)
			spare_drop(cap);
		if (is_wanted(h))
			cap->base.ops->tcp_gone(cap->base.user, &h->pub);
		free(h);
	}
	if (!cap->closed)
		let_in_waiting(cap);
	if (!list_empty(&cap->held.all) && !cap->closed)
		capture_ns_start_tick(cap);
}

/* Writes the answer to an attempt, which may be a repeated one. */
static void give_answer(struct ns_capture *cap, const struct held *h)
{
	struct ippkt_tcp t;
	uint8_t out[60];
	struct ippkt p;

	if (h->errnum == 0) {
		(void)inject(cap, h->syn, h->syn_len, NULL, 0);
		return;
	}
	if (h->errnum != ECONNREFUSED && h->errnum != ECONNRESET) {
		inject_error(cap, h->syn, h->syn_len, &h->pub.dst.addr,
			     h->errnum);
		return;
	}
	if (ippkt_parse(&p, h->syn, h->syn_len) == 0 && ippkt_tcp(&p, &t) == 0)
		(void)inject(cap, out, ippkt_build_rst(&p, &t, out), NULL, 0);
}

/* The far side has connected: the SYN goes back into the kernel, which accepts,
 * once there is a descriptor for what it accepts. */
static void let_in(struct ns_capture *cap, struct held *h)
{
	h->state = HELD_WAITING;
	if (!spare_add(cap)) {
		cap->waiting = true;
		if (!cap->short_told)
			log_warn("the limit of descriptors (ulimit -Hn) is "
				 "reached, %d are for connections: others wait",
				 fdlimit_usable());
		cap->short_told = true;
		return;
	}
	h->state = HELD_INJECTED;
	h->answered = loop_now(cap->base.loop);
	give_answer(cap, h);
}

static void capture_ns_tcp_answer(struct capture *base, struct capture_tcp *c,
				  int errnum)
{
	struct ns_capture *cap = ns(base);
	struct held *h = container_of(c, struct held, pub);

	if (h->state != HELD_DIALLING)
		return;
	h->errnum = errnum;
	h->answered = loop_now(cap->base.loop);
	if (errnum == ETIMEDOUT) {
		h->state = HELD_SILENT;
		return;
	}
	if (errnum == 0) {
		let_in(cap, h);
		return;
	}
	give_answer(cap, h);
	held_done(&cap->held, h, h->answered);
}

static void repeated_syn(struct ns_capture *cap, struct held *h)
{
	cap->stats.repeated++;
	h->last = loop_now(cap->base.loop);
	if (h->state == HELD_WAITING)
		let_in(cap, h);
	/* the kernel may have dropped the first: full queue, busy socket */
	if (h->state == HELD_INJECTED || (h->state == HELD_DONE && h->errnum))
		give_answer(cap, h);
}

/* The program does not want it any more. */
static void give_up(struct ns_capture *cap, struct held *h)
{
	bool wanted = is_wanted(h);

	if (h->state == HELD_INJECTED)
		spare_drop(cap);
	held_unlink(&cap->held, h); /* whatever the callback does */
	if (wanted)
		cap->base.ops->tcp_gone(cap->base.user, &h->pub);
	free(h);
}

static void take_syn(struct ns_capture *cap, const struct ippkt *p,
		     const struct ippkt_tcp *t)
{
	struct ipport src = { p->src, t->sport }, dst = { p->dst, t->dport };
	struct held *h = held_find(&cap->held, &src, &dst);

	if (h && h->isn == t->seq) {
		repeated_syn(cap, h);
		return;
	}
	if (h) { /* the program gave up, and its port is used again */
		give_up(cap, h);
		if (cap->closed)
			return;
	}
	cap->stats.syns++;
	h = held_add(&cap->held, &src, &dst, t->seq, p->whole, p->whole_len,
		     loop_now(cap->base.loop));
	if (!h) { /* full: the program's kernel will try again */
		cap->stats.refused_full++;
		return;
	}
	capture_ns_start_tick(cap);
	cap->base.ops->tcp_open(cap->base.user, &h->pub);
}

static void take_tcp(struct ns_capture *cap, const struct ippkt *p)
{
	struct ippkt_tcp t;
	uint8_t out[60];
	struct held *h;

	if (ippkt_tcp(p, &t) < 0)
		return;
	if ((t.flags & (IPPKT_SYN | IPPKT_ACK | IPPKT_RST | IPPKT_FIN)) ==
	    IPPKT_SYN) {
		take_syn(cap, p, &t);
		return;
	}
	/* it belongs to no socket of ours: not yet, or not any more */
	cap->stats.strays++;
	if (t.flags & IPPKT_RST)
		return;
	h = held_find(&cap->held, &(struct ipport){ p->src, t.sport },
		      &(struct ipport){ p->dst, t.dport });
	if (h && held_settling(h, loop_now(cap->base.loop)))
		(void)inject(cap, p->whole, p->whole_len, NULL, 0);
	else
		(void)inject(cap, out, ippkt_build_rst(p, &t, out), NULL, 0);
}

/* --- TCP: accepted sockets ------------------------------------------------ */

/* One accepted socket; the attempt it belongs to, or NULL. */
static struct held *find_accepted(struct ns_capture *cap, int fd,
				  const struct ipport *src)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct ipport dst;
	struct held *h;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0 ||
	    ipport_from_sockaddr(&dst, (struct sockaddr *)&ss) < 0)
		return NULL;
	h = held_find(&cap->held, src, &dst);
	return h && h->state == HELD_INJECTED ? h : NULL;
}

/* The accepted socket gets the number of its reserved one, so that those kept
 * back stay free. */
static int take_place(struct ns_capture *cap, int fd)
{
	int low;

	spare_drop(cap);
	if (fd < fdlimit_usable())
		return fd;
	low = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (low < 0)
		return fd;
	close(fd);
	return low;
}

static void capture_ns_accepted(void *user, int fd, const struct ipport *peer)
{
	struct ns_capture *cap = user;
	struct held *h = find_accepted(cap, fd, peer);

	if (!h) {
		close(fd);
		return;
	}
	h->state = HELD_DONE;
	cap->base.ops->tcp_accepted(cap->base.user, &h->pub,
				    take_place(cap, fd));
	if (!cap->closed) /* that frees the attempts */
		held_done(&cap->held, h, loop_now(cap->base.loop));
}

static bool all_taken(int fd)
{
	int left = 0;

	return ioctl(fd, SIOCOUTQ, &left) < 0 || left == 0;
}

static void finish_tick(struct timer *t)
{
	struct ns_capture *cap =
		container_of(t, struct ns_capture, finish_tick);
	int64_t now = loop_now(cap->base.loop);
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &cap->finishing) {
		struct finishing *f = container_of(pos, struct finishing, node);

		if (!all_taken(f->fd) && now - f->since < FINISH_MAX)
			continue;
		close(f->fd);
		list_del(&f->node);
		free(f);
		cap->stats.finishing--;
	}
	if (!list_empty(&cap->finishing))
		loop_timer_start(cap->base.loop, t, FINISH_TICK, finish_tick);
}

static void capture_ns_tcp_finish(struct capture *base, int fd)
{
	struct ns_capture *cap = ns(base);
	struct finishing *f;

	if (cap->closed || all_taken(fd) || !(f = malloc(sizeof(*f)))) {
		close(fd);
		return;
	}
	f->fd = fd;
	f->since = loop_now(cap->base.loop);
	list_add_tail(&cap->finishing, &f->node);
	cap->stats.finishing++;
	if (!loop_timer_active(&cap->finish_tick))
		loop_timer_start(cap->base.loop, &cap->finish_tick, FINISH_TICK,
				 finish_tick);
}

/* --- UDP ------------------------------------------------------------------ */

static bool original_dst(struct msghdr *m, struct ipport *dst)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct sockaddr_storage ss = { 0 };

		if (!(c->cmsg_level == SOL_IP &&
		      c->cmsg_type == IP_ORIGDSTADDR) &&
		    !(c->cmsg_level == SOL_IPV6 &&
		      c->cmsg_type == IPV6_ORIGDSTADDR))
			continue;
		memcpy(&ss, CMSG_DATA(c),
		       MIN(c->cmsg_len - CMSG_LEN(0), sizeof(ss)));
		return ipport_from_sockaddr(dst, (struct sockaddr *)&ss) == 0;
	}
	return false;
}

static void udp_prepare(struct ns_capture *cap)
{
	for (int i = 0; i < UDP_VLEN; i++) {
		cap->udp_iov[i] =
			(struct iovec){ cap->udp_mem + i * PACKET_ROOM,
					PACKET_ROOM };
		cap->udp_msg[i].msg_hdr = (struct msghdr){
			.msg_name = &cap->udp_from[i],
			.msg_namelen = sizeof(cap->udp_from[i]),
			.msg_iov = &cap->udp_iov[i],
			.msg_iovlen = 1,
			.msg_control = cap->udp_ctl[i].b,
			.msg_controllen = sizeof(cap->udp_ctl[i].b),
		};
	}
}

static void capture_ns_udp_ready(struct ns_capture *cap, int fd)
{
	for (int round = 0; round < UDP_ROUNDS; round++) {
		int n;

		udp_prepare(cap);
		n = recvmmsg(fd, cap->udp_msg, UDP_VLEN, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n && !cap->closed; i++) {
			struct msghdr *m = &cap->udp_msg[i].msg_hdr;
			struct ipport src, dst;

			if (ipport_from_sockaddr(&src, m->msg_name) < 0 ||
			    !original_dst(m, &dst))
				continue;
			cap->stats.udp_in++;
			cap->base.ops->udp(cap->base.user, &src, &dst,
					   cap->udp_iov[i].iov_base,
					   cap->udp_msg[i].msg_len);
		}
		if (n < UDP_VLEN || cap->closed)
			return;
	}
}

static void capture_ns_on_udp4(struct watch *w, uint32_t events)
{
	(void)events;
	capture_ns_udp_ready(container_of(w, struct ns_capture, udp[0]), w->fd);
}

static void capture_ns_on_udp6(struct watch *w, uint32_t events)
{
	(void)events;
	capture_ns_udp_ready(container_of(w, struct ns_capture, udp[1]), w->fd);
}

static int capture_ns_udp_send(struct capture *base, const struct ipport *from,
			       const struct ipport *to, const uint8_t *data,
			       size_t len)
{
	struct ns_capture *cap = ns(base);
	uint8_t head[IPPKT_HEAD_MAX];
	int n = ippkt_udp_head(from, to, data, len, head);

	return n < 0 ? n : inject(cap, head, (size_t)n, data, len);
}

static void udp_error(struct capture *base, const struct ipport *src,
		      const struct ipport *dst, int errnum)
{
	struct ns_capture *cap = ns(base);
	uint8_t head[IPPKT_HEAD_MAX];
	int n = ippkt_udp_head(src, dst, NULL, 0, head);

	if (n > 0)
		inject_error(cap, head, (size_t)n, &dst->addr, errnum);
}

/* --- ICMP ----------------------------------------------------------------- */

static void take_echo(struct ns_capture *cap, const struct ippkt *p)
{
	struct capture_echo e = { .src = p->src, .dst = p->dst, .ttl = p->ttl };
	struct ippkt_echo icmp;

	if (ippkt_echo(p, &icmp) < 0 || icmp.reply)
		return;
	e.id = icmp.id;
	e.seq = icmp.seq;
	e.data = icmp.data;
	e.len = icmp.len;
	cap->base.ops->icmp_echo(cap->base.user, &e);
}

static int echo_reply(struct capture *base, const struct capture_echo *e)
{
	struct ns_capture *cap = ns(base);
	struct ippkt_echo icmp = { .reply = true,
				   .id = e->id,
				   .seq = e->seq,
				   .data = e->data,
				   .len = e->len };
	uint8_t head[IPPKT_HEAD_MAX];
	int n = ippkt_echo_head(&e->dst, &e->src, &icmp, head);

	return n < 0 ? n : inject(cap, head, (size_t)n, e->data, e->len);
}

static void echo_error(struct capture *base, const struct capture_echo *e,
		       int errnum)
{
	struct ns_capture *cap = ns(base);
	struct ippkt_echo icmp = { .id = e->id, .seq = e->seq };
	uint8_t head[IPPKT_HEAD_MAX];
	int n = ippkt_echo_head(&e->src, &e->dst, &icmp, head);

	if (n > 0)
		inject_error(cap, head, (size_t)n, &e->dst, errnum);
}

/* --- the TUN -------------------------------------------------------------- */

static void on_tun(struct watch *w, uint32_t events)
{
	struct ns_capture *cap = container_of(w, struct ns_capture, tun);

	(void)events;
	for (int i = 0; i < BATCH_PACKETS && !cap->closed; i++) {
		ssize_t n = read(w->fd, cap->packet, PACKET_ROOM);
		struct ippkt p;

		if (n <= 0)
			return;
		cap->stats.packets++;
		if (ippkt_parse(&p, cap->packet, (size_t)n) < 0)
			continue;
		if (p.proto == IPPKT_PROTO_TCP)
			take_tcp(cap, &p);
		else
			take_echo(cap, &p);
	}
}

/* --- life ----------------------------------------------------------------- */

static void capture_ns_free_now(void *user)
{
	struct ns_capture *cap = user;

	held_fini(&cap->held);
	while (spare_drop(cap))
		;
	free(cap->spare);
	free(cap->packet);
	free(cap->udp_mem);
	free(cap);
}

static int start_watches(struct ns_capture *cap, struct loop *loop,
			 struct kt_error *err)
{
	static const watch_fn udp_fn[2] = { capture_ns_on_udp4,
					    capture_ns_on_udp6 };
	struct capture_link *l = &cap->link;
	int rc;

	rc = loop_watch_start(loop, &cap->tun, l->tun, EPOLLIN, on_tun);
	for (int f = 0; rc == 0 && f < capture_link_families(l); f++) {
		rc = listener_start(&cap->tcp[f], loop, steal_fd(&l->tcp[f]),
				    capture_ns_accepted, cap);
		if (rc == 0)
			rc = loop_watch_start(loop, &cap->udp[f], l->udp[f],
					      EPOLLIN, udp_fn[f]);
	}
	if (rc < 0)
		return kt_fail(err, -rc, "watch capture sockets: %s",
			       strerror(-rc));
	return 0;
}

static void ns_close(struct capture *base)
{
	struct ns_capture *cap = ns(base);
	if (cap->closed)
		return;
	cap->closed = true;
	loop_watch_stop(&cap->tun);
	for (int f = 0; f < 2; f++) {
		listener_stop(&cap->tcp[f]);
		loop_watch_stop(&cap->udp[f]);
	}
	loop_timer_stop(&cap->tick);
	loop_timer_stop(&cap->finish_tick);
	while (!list_empty(&cap->held.all))
		give_up(cap, container_of(cap->held.all.next, struct held,
					  in_table));
	while (!list_empty(&cap->finishing)) {
		struct finishing *f = container_of(cap->finishing.next,
						   struct finishing, node);

		close(f->fd);
		list_del(&f->node);
		free(f);
	}
	capture_link_close(&cap->link);
	loop_defer(cap->base.loop, capture_ns_free_now, cap);
}

static const char *ifname(const struct capture *base)
{
	return ns_const(base)->link.ifname;
}

static int ifindex(const struct capture *base)
{
	return ns_const(base)->link.ifindex;
}

static bool capture_ns_has_ipv6(const struct capture *base)
{
	return ns_const(base)->link.ipv6;
}

static struct ipaddr addr(const struct capture *base, int family)
{
	const struct ns_capture *cap = ns_const(base);

	if (family == AF_INET6 && !cap->link.ipv6_addr)
		return (struct ipaddr){ 0 };
	return cap->link.host[capture_fam(family)];
}

static int capture_ns_route(struct capture *base, const struct ipprefix *p,
			    bool add, struct kt_error *err)
{
	return capture_link_route(&ns(base)->link, p, add, err);
}

static void capture_ns_get_stats(const struct capture *base,
				 struct capture_stats *st)
{
	const struct ns_capture *cap = ns_const(base);

	*st = cap->stats;
	st->held = cap->held.n;
}

static const struct capture_impl ns_impl = {
	.close = ns_close,
	.ifname = ifname,
	.ifindex = ifindex,
	.has_ipv6 = capture_ns_has_ipv6,
	.addr = addr,
	.route = capture_ns_route,
	.tcp_answer = capture_ns_tcp_answer,
	.tcp_finish = capture_ns_tcp_finish,
	.udp_send = capture_ns_udp_send,
	.udp_error = udp_error,
	.echo_reply = echo_reply,
	.echo_error = echo_error,
	.get_stats = capture_ns_get_stats,
};

int capture_ns_open(struct capture **out, const struct capture *base,
		    const struct capture_config *cfg, struct kt_error *err)
{
	struct ns_capture *cap = xcalloc(1, sizeof(*cap));
	int rc;

	cap->base = *base;
	cap->base.impl = &ns_impl;
	list_init(&cap->finishing);
	cap->packet = xmalloc(PACKET_ROOM);
	cap->udp_mem = xmalloc((size_t)UDP_VLEN * PACKET_ROOM);
	rc = held_init(&cap->held, cfg->max_held ? cfg->max_held : 32768);
	if (rc < 0) {
		capture_ns_free_now(cap);
		return kt_fail(err, -rc, "capture: %s", strerror(-rc));
	}
	if (cfg->link)
		capture_link_move(&cap->link, cfg->link);
	else
		rc = capture_link_open(&cap->link, base->loop, cfg, err);
	if (rc < 0) {
		capture_ns_free_now(cap);
		return rc;
	}
	rc = start_watches(cap, base->loop, err);
	if (rc < 0) {
		ns_close(&cap->base);
		return rc;
	}
	*out = &cap->base;
	return 0;
}
