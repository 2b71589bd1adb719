/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/server.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "dns/resolver.h"
#include "net/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define CLIENTS_MAX 256
#define PIPELINE_MAX 64	    /* questions of one TCP client in flight */
#define OUT_MAX (4u << 17)  /* replies not yet taken by one TCP client */
#define OUT_STOP (1u << 17) /* with so many, no further question is read */
#define IDLE_LIMIT (10 * NS_SEC)
#define BATCH 64 /* datagrams a turn: others must get theirs */
#define PORT_TRIES 16

/* where the listeners are; from ANY on: on every address */
static const char *const dns_server_hosts[] = { "127.0.0.1", "::1", "0.0.0.0",
						"::" };
#define LISTENERS ARRAY_SIZE(dns_server_hosts)
#define ANY 2

struct dns_udp {
	struct dns_server *server;
	struct watch watch;
	struct ipport addr;
	int fd;
	bool any; /* on every address: each datagram tells which */
};

struct tcp {
	struct dns_server *server;
	struct listener listener;
	struct ipport addr;
};

/* a TCP connection; closed when its client goes, or is idle */
struct dns_server_client {
	struct dns_server *server;
	struct list node;
	struct watch watch;
	struct timer idle;
	struct dns_from from;
	int fd;
	size_t in_flight;
	bool eof;    /* no more questions; close when all is answered */
	bool broken; /* a reply is lost: close */
	struct buf in, out;
};

struct dns_server {
	struct loop *loop;
	struct dns_resolver *resolver;
	struct dns_server_config cfg;
	struct dns_udp udp[LISTENERS];
	struct tcp tcp[LISTENERS];
	struct list clients;
	size_t nclients;
	uint8_t scratch[DNS_MSG_MAX];
};

/* ask for the destination; our own address is none */
static void find_original(const struct dns_server *s, int fd,
			  struct dns_from *from)
{
	int rc = -ENOENT;

	if (s->cfg.original)
		rc = s->cfg.original(s->cfg.user, fd, from, &from->orig);
	if (rc < 0 || ipport_eq(&from->orig, &from->self))
		from->orig = (struct ipport){ 0 };
}

/* UDP */

union control {
	uint8_t room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	struct cmsghdr align;
};

/* The address of ours that the datagram came to: the answer comes from it. */
static void server_take_self(struct msghdr *m, struct ipport *self)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct in6_pktinfo in6;
		struct in_pktinfo in;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&in, CMSG_DATA(c), sizeof(in));
			self->addr = ipaddr_v4(&in.ipi_addr);
		} else if (c->cmsg_level == IPPROTO_IPV6 &&
			   c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&in6, CMSG_DATA(c), sizeof(in6));
			self->addr = ipaddr_v6(&in6.ipi6_addr);
		}
	}
}

static void server_put_self(struct msghdr *m, union control *ctl,
			    const struct dns_from *from)
{
	const struct ipaddr *self = &from->self.addr;
	bool four = self->family == AF_INET;
	struct in6_pktinfo in6 = { .ipi6_ifindex = from->peer.scope };
	struct in_pktinfo in = { 0 };
	size_t len = four ? sizeof(in) : sizeof(in6);
	struct cmsghdr *c;

	m->msg_control = ctl->room;
	m->msg_controllen = CMSG_SPACE(len);
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = four ? IPPROTO_IP : IPPROTO_IPV6;
	c->cmsg_type = four ? IP_PKTINFO : IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(&in.ipi_spec_dst, self->b, sizeof(in.ipi_spec_dst));
	memcpy(&in6.ipi6_addr, self->b, sizeof(in6.ipi6_addr));
	memcpy(CMSG_DATA(c), four ? (void *)&in : (void *)&in6, len);
}

static void udp_reply(const struct dns_from *from, const uint8_t *msg,
		      size_t len)
{
	const struct dns_udp *u = from->owner;
	struct sockaddr_storage ss;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)msg,
			     .iov_len = len };
	struct msghdr m = { .msg_name = &ss,
			    .msg_namelen = ipport_to_sockaddr(&from->peer, &ss),
			    .msg_iov = &iov,
			    .msg_iovlen = 1 };
	union control ctl = { 0 };

	if (u->any)
		server_put_self(&m, &ctl, from);
	/* a full socket loses the datagram, as a network does */
	if (len && sendmsg(u->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("dns: reply to a program: %s", strerror(errno));
}

static void server_udp_readable(struct watch *w, uint32_t events)
{
	struct dns_udp *u = container_of(w, struct dns_udp, watch);
	struct dns_server *s = u->server;

	(void)events;
	for (int i = 0; i < BATCH; i++) {
		struct dns_from from = { .owner = u, .self = u->addr };
		struct sockaddr_storage ss;
		union control ctl;
		struct iovec iov = { .iov_base = s->scratch,
				     .iov_len = sizeof(s->scratch) };
		struct msghdr m = { .msg_name = &ss,
				    .msg_namelen = sizeof(ss),
				    .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = ctl.room,
				    .msg_controllen = sizeof(ctl.room) };
		ssize_t n = recvmsg(u->fd, &m, MSG_DONTWAIT);

		if (n < 0)
			return;
		if (ipport_from_sockaddr(&from.peer, (struct sockaddr *)&ss) <
		    0)
			continue;
		if (u->any)
			server_take_self(&m, &from.self);
		find_original(s, u->fd, &from);
		dns_resolver_ask(s->resolver, &from, s->scratch, (size_t)n,
				 udp_reply);
	}
}

/* TCP */

static void client_close(struct dns_server_client *c)
{
	struct dns_server *s = c->server;

	dns_resolver_cancel(s->resolver, c);
	loop_watch_stop(&c->watch);
	loop_timer_stop(&c->idle);
	close(c->fd);
	buf_fini(&c->in);
	buf_fini(&c->out);
	list_del(&c->node);
	s->nclients--;
	loop_defer_free(s->loop, c);
}

static void client_idle(struct timer *t)
{
	client_close(container_of(t, struct dns_server_client, idle));
}

static bool client_may_read(const struct dns_server_client *c)
{
	return !c->eof && c->in_flight < PIPELINE_MAX && c->out.len < OUT_STOP;
}

/* what to wait for now; false when the client is finished with */
static bool client_update(struct dns_server_client *c)
{
	if (c->eof && !c->in_flight && !c->out.len)
		return false;
	loop_watch_mod(&c->watch, (client_may_read(c) ? EPOLLIN : 0) |
					  (c->out.len ? EPOLLOUT : 0));
	loop_timer_start(c->server->loop, &c->idle, IDLE_LIMIT, client_idle);
	return true;
}

static int client_write(struct dns_server_client *c)
{
	while (c->out.len) {
		ssize_t n = send(c->fd, buf_data(&c->out), c->out.len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		buf_take(&c->out, (size_t)n);
	}
	return 0;
}

/*
 * Only the bytes are queued here: the reply may come from inside
 * dns_resolver_ask(), where the client must stay. The loop's next EPOLLOUT
 * sends them.
 */
static void tcp_reply(const struct dns_from *from, const uint8_t *msg,
		      size_t len)
{
	struct dns_server_client *c = from->owner;
	uint8_t prefix[2] = { (uint8_t)(len >> 8), (uint8_t)len };

	if (!from->more)
		c->in_flight--;
	if (len &&
	    (buf_put(&c->out, prefix, 2) < 0 || buf_put(&c->out, msg, len) < 0))
		c->broken = true; /* it does not read: end it, no gaps */
	loop_watch_mod(&c->watch, EPOLLOUT);
}

/* take whole questions from what was read */
static void client_parse(struct dns_server_client *c)
{
	struct dns_server *s = c->server;

	while (c->in_flight < PIPELINE_MAX && c->out.len < OUT_STOP &&
	       c->in.len >= 2) {
		const uint8_t *p = buf_data(&c->in);
		size_t len = (size_t)p[0] << 8 | p[1];

		if (c->in.len < len + 2)
			return;
		c->in_flight++;
		dns_resolver_ask(s->resolver, &c->from, p + 2, len, tcp_reply);
		buf_take(&c->in, len + 2);
	}
}

static int client_read(struct dns_server_client *c)
{
	uint8_t *room = buf_reserve(&c->in, 4096);
	ssize_t n;

	if (!room) /* whole questions wait: they are parsed first */
		return 0;
	n = recv(c->fd, room, 4096, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		c->eof = true;
	else
		buf_commit(&c->in, (size_t)n);
	return 0;
}

static void client_event(struct watch *w, uint32_t events)
{
	struct dns_server_client *c =
		container_of(w, struct dns_server_client, watch);
	int rc = 0;

	if (events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLIN))
		rc = -ECONNRESET;
	if (rc == 0 && client_may_read(c) && events & (EPOLLIN | EPOLLHUP))
		rc = client_read(c);
	if (rc == 0) {
		client_parse(c);
		rc = client_write(c);
	}
	if (rc < 0 || c->broken || !client_update(c))
		client_close(c);
}

/* NULL: there is no room for it */
static struct dns_server_client *client_new(struct dns_server *s, int taken,
					    const struct ipport *peer)
{
	auto_close int fd = taken;
	struct dns_server_client *c;

	if (s->nclients >= CLIENTS_MAX)
		return NULL; /* the client sees its connection closed */
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->server = s;
	c->from.owner = c;
	c->from.tcp = true;
	c->from.peer = *peer;
	buf_init(&c->in, 2 * (DNS_MSG_MAX + 2));
	buf_init(&c->out, OUT_MAX);
	if (loop_watch_start(s->loop, &c->watch, fd, EPOLLIN, client_event) <
	    0) {
		free(c);
		return NULL;
	}
	c->fd = steal_fd(&fd);
	list_add_tail(&s->clients, &c->node);
	s->nclients++;
	loop_timer_start(s->loop, &c->idle, IDLE_LIMIT, client_idle);
	return c;
}

static void dns_server_accepted(void *user, int fd, const struct ipport *peer)
{
	struct tcp *t = user;
	struct dns_server *s = t->server;
	struct dns_server_client *c = client_new(s, fd, peer);
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (!c)
		return;
	c->from.self = t->addr;
	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		(void)!ipport_from_sockaddr(&c->from.self,
					    (struct sockaddr *)&ss);
	find_original(s, fd, &c->from);
}

void dns_server_take(struct dns_server *s, int fd, const struct ipport *peer,
		     const struct ipport *orig)
{
	struct dns_server_client *c = client_new(s, fd, peer);

	if (c)
		c->from.orig = *orig;
}

/* Opening */

static int dns_server_bind_udp(struct ipport *addr)
{
	auto_close int fd = -1;
	struct sockaddr_storage ss;
	socklen_t n = ipport_to_sockaddr(addr, &ss);
	int one = 1;

	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (ss.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&ss, n) < 0)
		return -errno;
	n = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0)
		return -errno;
	return ipport_from_sockaddr(addr, (struct sockaddr *)&ss) < 0
		       ? -EAFNOSUPPORT
		       : steal_fd(&fd);
}

/* told where a datagram came to; IPv6 alone, as there is one for IPv4 */
static int server_set_any(int fd, int family)
{
	bool four = family == AF_INET;
	int one = 1;

	if (four)
		return setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one,
				  sizeof(one));
	return setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one,
			  sizeof(one));
}

/* UDP and TCP on one port; an ephemeral one that is free for both */
static int dns_server_open_pair(struct dns_server *s, int i,
				struct ipport *addr)
{
	uint16_t wanted = addr->port;

	for (int tries = 0;; tries++) {
		int udp, tcp;

		addr->port = wanted;
		udp = dns_server_bind_udp(addr);
		if (udp < 0)
			return udp;
		tcp = listener_bind(addr);
		if (tcp >= 0) {
			s->udp[i].fd = udp;
			s->udp[i].addr = s->tcp[i].addr = *addr;
			return listener_start(&s->tcp[i].listener, s->loop, tcp,
					      dns_server_accepted, &s->tcp[i]);
		}
		close(udp);
		if (tcp != -EADDRINUSE || wanted || tries == PORT_TRIES)
			return tcp;
	}
}

static int server_open_family(struct dns_server *s, int i, uint16_t *port)
{
	struct ipport addr = { .port = i < ANY ? s->cfg.port : 0 };
	int rc = ipaddr_parse(&addr.addr, dns_server_hosts[i]);

	if (rc == 0)
		rc = dns_server_open_pair(s, i, &addr);
	if (rc == 0 && i >= ANY) {
		s->udp[i].any = true;
		if (server_set_any(s->udp[i].fd, addr.addr.family) < 0)
			rc = -errno;
	}
	if (rc == 0)
		rc = loop_watch_start(s->loop, &s->udp[i].watch, s->udp[i].fd,
				      EPOLLIN, server_udp_readable);
	if (rc == 0)
		*port = addr.port;
	return rc;
}

/* for more askers, not for this machine's own: it goes on without */
static void server_open_any(struct dns_server *s,
			    struct dns_server_ports *ports)
{
	int rc = server_open_family(s, ANY, &ports->any4);

	if (rc == 0 && ports->v6)
		rc = server_open_family(s, ANY + 1, &ports->any6);
	if (rc < 0)
		log_debug("dns: no listener on every address: %s",
			  strerror(-rc));
}

struct dns_server *dns_server_new(struct loop *l, struct dns_resolver *r,
				  const struct dns_server_config *cfg)
{
	struct dns_server *s = xcalloc(1, sizeof(*s));

	s->loop = l;
	s->resolver = r;
	s->cfg = *cfg;
	list_init(&s->clients);
	for (size_t i = 0; i < LISTENERS; i++) {
		s->udp[i].server = s->tcp[i].server = s;
		s->udp[i].fd = -1;
	}
	return s;
}

int dns_server_open(struct dns_server **out, struct loop *l,
		    struct dns_resolver *r, const struct dns_server_config *cfg,
		    struct dns_server_ports *ports, struct kt_error *err)
{
	struct dns_server *s = dns_server_new(l, r, cfg);
	int rc;

	*ports = (struct dns_server_ports){ 0 };
	rc = server_open_family(s, 0, &ports->v4);
	if (rc < 0) {
		dns_server_close(s);
		return kt_fail(err, -rc, "listen on 127.0.0.1 for DNS: %s",
			       strerror(-rc));
	}
	if (!cfg->no_ipv6) {
		rc = server_open_family(s, 1, &ports->v6);
		if (rc < 0)
			log_debug("dns: no listener on ::1: %s", strerror(-rc));
	}
	if (cfg->any)
		server_open_any(s, ports);
	*out = s;
	return 0;
}

void dns_server_close(struct dns_server *s)
{
	struct list *p, *tmp;

	if (!s)
		return;
	list_for_each_safe (p, tmp, &s->clients)
		client_close(container_of(p, struct dns_server_client, node));
	for (size_t i = 0; i < LISTENERS; i++) {
		dns_resolver_cancel(s->resolver, &s->udp[i]);
		loop_watch_stop(&s->udp[i].watch);
		listener_stop(&s->tcp[i].listener);
		if (s->udp[i].fd >= 0)
			close(s->udp[i].fd);
	}
	loop_defer_free(s->loop, s);
}
