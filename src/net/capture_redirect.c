/* SPDX-License-Identifier: Apache-2.0 */
#include "net/capture_impl.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/bypass.h"
#include "net/conntrack.h"
#include "net/listener.h"
#include "net/nft.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

/**
 * DOC: Capture by redirect
 *
 * A table of nftables with an owner, whose output chain redirects TCP and UDP
 * for the captured prefixes to listeners on the loopback; connection tracking
 * knows the original destinations. Everything is gone with the process, as the
 * table belongs to its socket.
 *
 * The kernel accepts before the far side was asked: an attempt that fails is
 * reset. Answers to a datagram must go out of the socket it came in by, to the
 * address it came from; the kernel puts the original address back.
 */

#define TABLE "ktctl_capture"
#define BATCH_UDP 32
#define DATAGRAM_ROOM 65536
#define UDP_BUFFER (4 << 20)

struct capture_redirect {
	struct capture base;
	bool closed, ipv6;
	struct nft *nft;
	struct nft_last *last;
	struct conntrack *conntrack;
	struct listener tcp[2]; /* IPv4, IPv6 */
	int udp[2];		/* the same; -1: none */
	struct ipport udp_at[2];
	struct watch udp_watch[2];
	struct list attempts;
	size_t nattempts, max;
	uint64_t udp_in;
	uint8_t *datagram; /* DATAGRAM_ROOM */
};

/* A connection that waits for the owner's answer. */
struct capture_attempt {
	struct capture_tcp pub;
	struct capture_redirect *r;
	struct list node;
	struct watch watch;
	struct timer timer;
	int fd;
	bool answered;
};

static struct capture_redirect *redirect(struct capture *base)
{
	return container_of(base, struct capture_redirect, base);
}

static const struct capture_redirect *redirect_const(const struct capture *base)
{
	return (const void *)base; /* its first member */
}

static int capture_redirect_set_int(int fd, int level, int opt, int v)
{
	return setsockopt(fd, level, opt, &v, sizeof(v));
}

/* --- attempts ------------------------------------------------------------- */

/* Out of the list; the descriptor is closed, with a reset, if still there. */
static void attempt_end(struct capture_attempt *a)
{
	loop_watch_stop(&a->watch);
	loop_timer_stop(&a->timer);
	list_del(&a->node);
	a->r->nattempts--;
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	loop_defer_free(a->r->base.loop, a);
}

static void attempt_gone(struct capture_attempt *a)
{
	attempt_end(a);
	a->r->base.ops->tcp_gone(a->r->base.user, &a->pub);
}

static void capture_redirect_hand_over(struct timer *t)
{
	struct capture_attempt *a =
		container_of(t, struct capture_attempt, timer);
	int fd = steal_fd(&a->fd);

	attempt_end(a);
	a->r->base.ops->tcp_accepted(a->r->base.user, &a->pub, fd);
}

static void capture_redirect_tcp_answer(struct capture *base,
					struct capture_tcp *c, int errnum)
{
	struct capture_attempt *a =
		container_of(c, struct capture_attempt, pub);

	if (a->answered)
		return;
	a->answered = true;
	if (!errnum) {
		loop_watch_stop(&a->watch);
		loop_timer_start(base->loop, &a->timer, 0,
				 capture_redirect_hand_over);
		return;
	}
	attempt_end(a);
}

/* The program has closed; a half-close behind early data is no end. */
static void capture_redirect_on_hangup(struct watch *w, uint32_t events)
{
	struct capture_attempt *a =
		container_of(w, struct capture_attempt, watch);
	char byte;

	if (!(events & (EPOLLHUP | EPOLLERR)) &&
	    recv(a->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		loop_watch_mod(w, 0);
	else
		attempt_gone(a);
}

/* close() is to be an abort, until capture_redirect_tcp_finish() says
 * otherwise. */
static int capture_redirect_set_options(int fd)
{
	struct linger abort = { .l_onoff = 1, .l_linger = 0 };

	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)) < 0 ||
	    capture_redirect_set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1) < 0)
		return -errno;
	return 0;
}

static void redirect_accepted(void *user, int fd, const struct ipport *peer)
{
	struct capture_redirect *r = user;
	struct loop *loop = r->base.loop;
	struct capture_attempt *a = NULL;

	if (r->nattempts < r->max)
		a = calloc(1, sizeof(*a));
	if (!a || capture_redirect_set_options(fd) < 0 ||
	    conntrack_original_tcp(fd, &a->pub.dst) < 0 ||
	    loop_watch_start(loop, &a->watch, fd, EPOLLRDHUP,
			     capture_redirect_on_hangup) < 0) {
		close(fd);
		free(a);
		return;
	}
	a->r = r;
	a->fd = fd;
	a->pub.src = *peer;
	list_add_tail(&r->attempts, &a->node);
	r->nattempts++;
	r->base.ops->tcp_open(r->base.user, &a->pub);
}

static void capture_redirect_tcp_finish(struct capture *base, int fd)
{
	struct linger in_peace = { 0 };

	(void)base;
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &in_peace,
			 sizeof(in_peace));
	close(fd);
}

/* --- UDP ------------------------------------------------------------------ */

static void capture_redirect_udp_ready(struct capture_redirect *r, int f)
{
	for (int i = 0; i < BATCH_UDP && !r->closed; i++) {
		struct sockaddr_storage ss = { 0 };
		socklen_t len = sizeof(ss);
		struct ipport src, dst;
		ssize_t n;

		n = recvfrom(r->udp[f], r->datagram, DATAGRAM_ROOM,
			     MSG_DONTWAIT, (struct sockaddr *)&ss, &len);
		if (n < 0)
			return;
		if (ipport_from_sockaddr(&src, (struct sockaddr *)&ss) < 0 ||
		    conntrack_original_udp(r->conntrack, &src, &r->udp_at[f],
					   &dst) < 0 ||
		    ipport_eq(&dst, &r->udp_at[f]))
			continue;
		r->udp_in++;
		r->base.ops->udp(r->base.user, &src, &dst, r->datagram,
				 (size_t)n);
	}
}

static void capture_redirect_on_udp4(struct watch *w, uint32_t events)
{
	(void)events;
	capture_redirect_udp_ready(
		container_of(w, struct capture_redirect, udp_watch[0]), 0);
}

static void capture_redirect_on_udp6(struct watch *w, uint32_t events)
{
	(void)events;
	capture_redirect_udp_ready(
		container_of(w, struct capture_redirect, udp_watch[1]), 1);
}

static int capture_redirect_udp_send(struct capture *base,
				     const struct ipport *from,
				     const struct ipport *to,
				     const uint8_t *data, size_t len)
{
	int fd = redirect(base)->udp[to->addr.family == AF_INET6];
	struct sockaddr_storage ss = { 0 };
	socklen_t sslen = ipport_to_sockaddr(to, &ss);

	(void)from; /* connection tracking knows it */
	if (sendto(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		   (struct sockaddr *)&ss, sslen) < 0)
		return -errno;
	return 0;
}

/* --- the table ------------------------------------------------------------ */

static int capture_redirect_load_table(struct capture_redirect *r,
				       const uint16_t tcp[2],
				       struct kt_error *err)
{
	char text[1536];
	int rc;

	snprintf(text, sizeof(text),
		 "create table inet " TABLE " { flags owner; }\n"
		 "table inet " TABLE " {\nflags owner\n"
		 "set dst4 {\ntype ipv4_addr; flags interval; auto-merge\n}\n"
		 "set dst6 {\ntype ipv6_addr; flags interval; auto-merge\n}\n"
		 "chain output {\n"
		 "type nat hook output priority -105; policy accept\n"
		 "meta mark %d accept\n"
		 "ip daddr @dst4 meta l4proto tcp redirect to :%u\n"
		 "ip daddr @dst4 meta l4proto udp redirect to :%u\n",
		 BYPASS_MARK, tcp[0], r->udp_at[0].port);
	if (r->ipv6)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "ip6 daddr @dst6 meta l4proto tcp redirect to :%u\n"
			 "ip6 daddr @dst6 meta l4proto udp redirect to :%u\n",
			 tcp[1], r->udp_at[1].port);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "}\n}\n");
	rc = nft_run(r->nft, text, "redirect of captured traffic", err);
	if (rc == -EEXIST || rc == -EBUSY)
		kt_hint(err, "another ktctl connect is running here; end it "
			     "first");
	else if (rc == -EPERM || rc == -EACCES)
		kt_hint(err, "run it as root (CAP_NET_ADMIN), or with "
			     "--disableTunDevice as a SOCKS5 proxy");
	else if (rc < 0)
		kt_hint(err, "the kernel needs nf_tables with nft_redir and "
			     "tables that have an owner (Linux 5.12)");
	return rc;
}

static int capture_redirect_route(struct capture *base,
				  const struct ipprefix *p, bool add,
				  struct kt_error *err)
{
	struct capture_redirect *r = redirect(base);
	bool v6 = p->addr.family == AF_INET6;
	char prefix[IPPREFIX_STRLEN], text[160];

	if (v6 && !r->ipv6)
		return kt_fail(err, EAFNOSUPPORT,
			       "this machine has no IPv6 to capture");
	snprintf(text, sizeof(text), "%s element inet " TABLE " dst%d { %s }",
		 add ? "add" : "delete", v6 ? 6 : 4, ipprefix_str(p, prefix));
	return nft_run(r->nft, text, "capture of a network", err);
}

/* --- life ----------------------------------------------------------------- */

static struct ipport redirect_loopback(int family)
{
	struct ipport at = { .addr.family = (uint8_t)family };

	if (family == AF_INET) {
		at.addr.b[0] = 127;
		at.addr.b[3] = 1;
	} else {
		at.addr.b[15] = 1;
	}
	return at;
}

static int redirect_open_udp(struct ipport *at)
{
	auto_close int fd = socket(
		at->addr.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_storage ss = { 0 };
	socklen_t len = ipport_to_sockaddr(at, &ss);

	if (fd < 0 || bind(fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	if (capture_redirect_set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE,
				     UDP_BUFFER) < 0)
		(void)capture_redirect_set_int(fd, SOL_SOCKET, SO_RCVBUF,
					       UDP_BUFFER);
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0 ||
	    ipport_from_sockaddr(at, (struct sockaddr *)&ss) < 0)
		return -EADDRNOTAVAIL;
	return steal_fd(&fd);
}

static int capture_redirect_open_family(struct capture_redirect *r, int f,
					uint16_t *tcp_port)
{
	static const watch_fn udp_fn[2] = { capture_redirect_on_udp4,
					    capture_redirect_on_udp6 };
	struct loop *loop = r->base.loop;
	struct ipport at = redirect_loopback(f ? AF_INET6 : AF_INET);
	int rc;

	r->udp_at[f] = at;
	r->udp[f] = redirect_open_udp(&r->udp_at[f]);
	if (r->udp[f] < 0)
		return r->udp[f];
	rc = loop_watch_start(loop, &r->udp_watch[f], r->udp[f], EPOLLIN,
			      udp_fn[f]);
	if (rc < 0)
		return rc;
	rc = listener_bind(&at);
	if (rc >= 0)
		rc = listener_start(&r->tcp[f], loop, rc, redirect_accepted, r);
	*tcp_port = at.port;
	return rc;
}

static int capture_redirect_open_all(struct capture_redirect *r, bool ipv6,
				     struct kt_error *err)
{
	uint16_t tcp_port[2] = { 0 };
	int rc;

	rc = capture_redirect_open_family(r, 0, &tcp_port[0]);
	if (rc < 0)
		return kt_fail(err, -rc, "open capture socket: %s",
			       strerror(-rc));
	/* without ::1 there is nothing to redirect to */
	r->ipv6 = ipv6 && capture_redirect_open_family(r, 1, &tcp_port[1]) == 0;
	rc = conntrack_open(&r->conntrack);
	if (rc < 0)
		return kt_fail(err, -rc, "open connection tracking: %s",
			       strerror(-rc));
	rc = nft_new(&r->nft, err);
	if (rc == 0 && nft_follow(r->nft, r->base.loop) < 0)
		rc = kt_fail(err, ENOMEM, "open capture: no memory");
	return rc < 0 ? rc : capture_redirect_load_table(r, tcp_port, err);
}

static void capture_redirect_free_now(void *user)
{
	struct capture_redirect *r = user;

	free(r->datagram);
	free(r);
}

static void redirect_close(struct capture *base)
{
	struct capture_redirect *r = redirect(base);

	if (r->closed)
		return;
	r->closed = true;
	nft_free_last(r->nft, TABLE, r->last);
	conntrack_close(r->conntrack);
	for (int f = 0; f < 2; f++) {
		listener_stop(&r->tcp[f]);
		loop_watch_stop(&r->udp_watch[f]);
		if (r->udp[f] >= 0)
			close(r->udp[f]);
	}
	while (!list_empty(&r->attempts))
		attempt_gone(container_of(r->attempts.next,
					  struct capture_attempt, node));
	loop_defer(base->loop, capture_redirect_free_now, r);
}

static bool capture_redirect_has_ipv6(const struct capture *base)
{
	return redirect_const(base)->ipv6;
}

static void capture_redirect_get_stats(const struct capture *base,
				       struct capture_stats *s)
{
	s->held = redirect_const(base)->nattempts;
	s->udp_in = redirect_const(base)->udp_in;
}

static const struct capture_impl redirect_impl = {
	.close = redirect_close,
	.has_ipv6 = capture_redirect_has_ipv6,
	.route = capture_redirect_route,
	.tcp_answer = capture_redirect_tcp_answer,
	.tcp_finish = capture_redirect_tcp_finish,
	.udp_send = capture_redirect_udp_send,
	.get_stats = capture_redirect_get_stats,
};

int capture_redirect_open(struct capture **out, const struct capture *base,
			  const struct capture_config *cfg,
			  struct kt_error *err)
{
	struct capture_redirect *r = xcalloc(1, sizeof(*r));
	int rc;

	r->base = *base;
	r->base.impl = &redirect_impl;
	r->max = cfg->max_held ? cfg->max_held : 32768;
	r->datagram = xmalloc(DATAGRAM_ROOM);
	r->udp[0] = r->udp[1] = -1;
	list_init(&r->attempts);
	rc = capture_redirect_open_all(r, cfg->ipv6, err);
	if (rc < 0) {
		redirect_close(&r->base);
		return rc;
	}
	r->last = cfg->last; /* the table is ours */
	*out = &r->base;
	return 0;
}
