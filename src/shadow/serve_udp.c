/* SPDX-License-Identifier: Apache-2.0 */
/* UDP in the place of a Service's Pods: a flow for each caller. */
#include "shadow/serve_udp.h"

#include "base/list.h"
#include "base/mem.h"
#include "router/table.h"
#include "shadow/laptop.h"
#include "shadow/origin.h"
#include "shadow/shadow.h"
#include "shadow/socket.h"
#include "tunnel/mux.h"
#include "tunnel/streams.h"
#include "tunnel/target.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/*
 * A flow goes to a laptop (a connect-udp stream) or to the origin (a connected
 * socket); each datagram asks the table whether it still should. What comes
 * back leaves by the port's own socket.
 */
#define BUCKETS 256
#define ROUNDS 64

struct serve_udp {
	struct shadow *sh;
	uint16_t port;
	struct origin *origin;
	struct watch watch; /* owns the fd */
	struct list bucket[BUCKETS];
	struct list recent; /* flows, the longest silent first */
	size_t nflows;
};

struct serve_flow {
	struct list node, recent;
	struct serve_udp *udp;
	struct ipport from;
	uint64_t id;		   /* of the client; 0: the origin */
	struct tunnel_udp *stream; /* the client's */
	struct watch watch;	   /* the origin's; owns the fd */
	struct timer idle;
};

static void flow_free(struct serve_flow *f)
{
	loop_timer_stop(&f->idle);
	if (f->watch.loop) {
		loop_watch_stop(&f->watch);
		close(f->watch.fd);
	}
	tunnel_udp_close(f->stream);
	list_del(&f->node);
	list_del(&f->recent);
	f->udp->nflows--;
	loop_defer_free(f->udp->sh->loop, f);
}

static void serve_udp_on_idle(struct timer *t)
{
	flow_free(container_of(t, struct serve_flow, idle));
}

static void touch(struct serve_flow *f)
{
	list_del(&f->recent);
	list_add_tail(&f->udp->recent, &f->recent);
	loop_timer_start(f->udp->sh->loop, &f->idle, SERVE_UDP_IDLE_NS,
			 serve_udp_on_idle);
}

/* to the caller; what finds no room is lost, as in a network */
static void send_back(struct serve_flow *f, const uint8_t *p, size_t n)
{
	struct sockaddr_storage ss;
	struct ipport to = f->from;
	socklen_t len;
	int family = AF_INET;
	socklen_t flen = sizeof(family);

	getsockopt(f->udp->watch.fd, SOL_SOCKET, SO_DOMAIN, &family, &flen);
	if (family == AF_INET6 && to.addr.family == AF_INET) {
		uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff };

		memcpy(mapped + 12, to.addr.b, 4);
		to.addr = ipaddr_v6(mapped);
	}
	len = ipport_to_sockaddr(&to, &ss);
	(void)!sendto(f->udp->watch.fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL,
		      (struct sockaddr *)&ss, len);
	touch(f);
}

/* --- the client's end ----------------------------------------------------- */

static void on_datagram(void *user, const uint8_t *p, size_t n)
{
	send_back(user, p, n);
}

static void serve_udp_on_close(void *user, int error)
{
	struct serve_flow *f = user;

	(void)error;
	f->stream = NULL;
	flow_free(f);
}

static const struct tunnel_udp_ops ops = { .datagram = on_datagram,
					   .close = serve_udp_on_close };

static int open_stream(struct serve_flow *f)
{
	struct shadow *sh = f->udp->sh;
	struct mux *m = laptop_mux(sh, f->id);
	char path[TARGET_PATH_MAX], from[TARGET_FORWARDED_MAX];
	const struct mux_request req = { .method = "CONNECT",
					 .protocol = "connect-udp",
					 .path = path,
					 .forwarded = from };

	target_inbound_udp_path(path, f->udp->port);
	target_forwarded(from, &f->from);
	if (m)
		f->stream = tunnel_udp_request(sh->loop, m, &req, &ops, f);
	return f->stream ? 0 : -ENOTCONN;
}

/* --- the origin's end ----------------------------------------------------- */

static void serve_udp_on_origin(struct watch *w, uint32_t events)
{
	struct serve_flow *f = container_of(w, struct serve_flow, watch);
	uint8_t *mem = f->udp->sh->scratch;

	(void)events;
	for (int i = 0; i < ROUNDS; i++) {
		ssize_t n = recv(w->fd, mem, SHADOW_SCRATCH, MSG_DONTWAIT);

		if (n >= 0)
			send_back(f, mem, (size_t)n);
		else if (errno != EINTR)
			return;
	}
}

static int serve_udp_open_origin(struct serve_flow *f)
{
	struct shadow *sh = f->udp->sh;
	struct sockaddr_storage ss;
	struct ipport at;
	socklen_t len;
	int fd, rc = 0;

	/* the first datagrams may come before the address: lost, and sent
	 * again by whoever sent them */
	if (!f->udp->origin || !origin_addr(f->udp->origin, &at))
		return -ENOENT;
	fd = socket_open(sh, at.addr.family, SOCK_DGRAM, 0);
	if (fd < 0)
		return fd;
	len = ipport_to_sockaddr(&at, &ss);
	if (connect(fd, (struct sockaddr *)&ss, len) < 0)
		rc = -errno;
	if (rc == 0)
		rc = loop_watch_start(sh->loop, &f->watch, fd, EPOLLIN,
				      serve_udp_on_origin);
	if (rc < 0)
		close(fd);
	return rc;
}

/* --- flows ---------------------------------------------------------------- */

static struct list *serve_udp_bucket_of(struct serve_udp *u,
					const struct ipport *from)
{
	return &u->bucket[ipport_hash(from, NULL) % BUCKETS];
}

static struct serve_flow *flow_new(struct serve_udp *u,
				   const struct ipport *from, uint64_t id)
{
	struct serve_flow *f;

	if (u->nflows >= SERVE_UDP_FLOWS)
		flow_free(container_of(u->recent.next, struct serve_flow,
				       recent));
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->udp = u;
	f->from = *from;
	f->id = id;
	list_add_tail(serve_udp_bucket_of(u, from), &f->node);
	list_add_tail(&u->recent, &f->recent);
	u->nflows++;
	if ((id ? open_stream(f) : serve_udp_open_origin(f)) == 0)
		return f;
	flow_free(f);
	return NULL;
}

static struct serve_flow *flow_of(struct serve_udp *u,
				  const struct ipport *from)
{
	uint64_t id =
		table_choose(u->sh->table, u->port, true, NULL, clock_ns());
	struct list *n, *tmp, *b = serve_udp_bucket_of(u, from);

	list_for_each_safe (n, tmp, b) {
		struct serve_flow *f = container_of(n, struct serve_flow, node);

		if (!ipport_eq(&f->from, from))
			continue;
		if (f->id == id)
			return f;
		flow_free(f); /* somebody else's from now on */
	}
	return flow_new(u, from, id);
}

static void serve_udp_take(struct serve_udp *u, const struct ipport *from,
			   const uint8_t *p, size_t n)
{
	struct serve_flow *f = flow_of(u, from);

	if (!f)
		return;
	touch(f);
	if (f->stream)
		(void)tunnel_udp_send(f->stream, p, n);
	else
		(void)!send(f->watch.fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void serve_udp_on_event(struct watch *w, uint32_t events)
{
	struct serve_udp *u = container_of(w, struct serve_udp, watch);
	uint8_t *mem = u->sh->scratch;

	(void)events;
	for (int i = 0; i < ROUNDS; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		struct ipport from;
		ssize_t n = recvfrom(w->fd, mem, SHADOW_SCRATCH, MSG_DONTWAIT,
				     (struct sockaddr *)&ss, &len);

		if (n < 0 && errno != EINTR)
			return;
		if (n >= 0 &&
		    ipport_from_sockaddr(&from, (struct sockaddr *)&ss) == 0)
			serve_udp_take(u, &from, mem, (size_t)n);
	}
}

/* --- life ----------------------------------------------------------------- */

static int bind_any(uint16_t port)
{
	const struct sockaddr_in6 six = { .sin6_family = AF_INET6,
					  .sin6_port = htons(port) };
	const struct sockaddr_in four = { .sin_family = AF_INET,
					  .sin_port = htons(port) };
	const int zero = 0, big = 1 << 20;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd >= 0) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
		rc = bind(fd, (const struct sockaddr *)&six, sizeof(six));
	} else {
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			    0);
		rc = bind(fd, (const struct sockaddr *)&four, sizeof(four));
	}
	if (rc < 0) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return rc;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	return fd;
}

struct serve_udp *serve_udp_new(struct shadow *sh, uint16_t port,
				uint16_t bound, struct origin *origin,
				struct kt_error *err)
{
	struct serve_udp *u = xcalloc(1, sizeof(*u));
	int fd = bind_any(bound);
	int rc = fd;

	u->sh = sh;
	u->port = port;
	u->origin = origin;
	list_init(&u->recent);
	for (size_t i = 0; i < BUCKETS; i++)
		list_init(&u->bucket[i]);
	if (fd >= 0)
		rc = loop_watch_start(sh->loop, &u->watch, fd, EPOLLIN,
				      serve_udp_on_event);
	if (rc >= 0)
		return u;
	loop_watch_stop(&u->watch);
	if (fd >= 0)
		close(fd);
	free(u);
	kt_fail(err, -rc, "listen on UDP port %u: %s", bound, strerror(-rc));
	return NULL;
}

void serve_udp_free(struct serve_udp *u)
{
	if (!u)
		return;
	loop_watch_stop(&u->watch);
	close(u->watch.fd);
	for (size_t i = 0; i < BUCKETS; i++)
		while (!list_empty(&u->bucket[i]))
			flow_free(container_of(u->bucket[i].next,
					       struct serve_flow, node));
	loop_defer_free(u->sh->loop, u);
}
