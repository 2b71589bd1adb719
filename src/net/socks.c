/* SPDX-License-Identifier: Apache-2.0 */
#include "net/socks.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/listener.h"
#include "wire/proxyreq.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/uio.h>

/**
 * DOC: States of a client
 *
 *   GREETING -> REQUEST -> DIALLING -> ANSWERED -> handed over
 *   HTTP -----------------'   |           '-> closing
 *   REQUEST -> ASSOCIATED     '-> CLOSING
 *
 * GREETING    the first byte decides between SOCKS and HTTP
 * DIALLING    the owner has tcp_open(); nothing is read, as what comes now is
 *             the connection's first data
 * ANSWERED    success is told, the descriptor is handed over from the timer
 * ASSOCIATED  the UDP socket lives as long as this connection
 * CLOSING     failure is told; waits for the program to close, since a close
 *             with unread data would be a reset that overtakes the reply
 *
 * A message is read with MSG_PEEK first: not one byte behind it is taken.
 */

#define MAX_CLIENTS 4096
#define BATCH_UDP 32
#define HANDSHAKE_TIME (30 * NS_SEC)
#define CLOSING_TIME (2 * NS_SEC)
#define DATAGRAM_ROOM 65536

enum state { GREETING, REQUEST, HTTP, DIALLING, ANSWERED, ASSOCIATED, CLOSING };

struct socks_client {
	struct socks *socks;
	struct list node;
	enum state state;
	bool http;
	int fd;
	struct watch watch;
	struct timer timer;
	struct socks_tcp tcp;
	struct buf head; /* of a request that is forwarded */
	/* an association */
	int udp_fd; /* -1: none */
	struct watch udp_watch;
	struct socks_udp udp;
	struct ipport udp_peer; /* port 0 until its first datagram */
	size_t have;
	uint8_t msg[SOCKS_HTTP_MAX];
};

struct socks {
	struct loop *loop;
	const struct socks_ops *ops;
	void *user;
	struct ipport at;
	struct listener listener;
	struct list clients;
	size_t nclients;
	bool closed;
	uint8_t *datagram; /* DATAGRAM_ROOM */
};

/* --- the end of a client -------------------------------------------------- */

/* Forgets the client; its descriptor is closed unless it was given away. */
static void client_end(struct socks_client *c)
{
	enum state was = c->state;
	struct socks *s = c->socks;

	loop_watch_stop(&c->watch);
	loop_watch_stop(&c->udp_watch);
	loop_timer_stop(&c->timer);
	list_del(&c->node);
	s->nclients--;
	c->state = CLOSING;
	if (c->fd >= 0)
		close(c->fd);
	if (c->udp_fd >= 0)
		close(c->udp_fd);
	buf_fini(&c->head);
	loop_defer_free(s->loop, c);
	if (was == ASSOCIATED)
		s->ops->udp_gone(s->user, &c->udp);
	else if (was == DIALLING || (was == ANSWERED && c->fd >= 0))
		s->ops->tcp_gone(s->user, &c->tcp);
}

static void socks_on_timeout(struct timer *t)
{
	client_end(container_of(t, struct socks_client, timer));
}

static bool socks_put(struct socks_client *c, const void *data, size_t len)
{
	/* a fresh connection has room for some bytes */
	return send(c->fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool put_reply(struct socks_client *c, int errnum,
		      const struct ipport *bound)
{
	uint8_t out[SOCKS_HEAD_MAX];
	const char *text;

	if (c->http) {
		text = socks_http_reply(errnum);
		return socks_put(c, text, strlen(text));
	}
	return socks_put(c, out, socks_build_reply(errnum, bound, out));
}

/* Tells the failure and waits for the program to close. */
static void client_refuse(struct socks_client *c, int errnum)
{
	bool told = put_reply(c, errnum, NULL);

	c->state = CLOSING;
	if (!told || shutdown(c->fd, SHUT_WR) < 0) {
		client_end(c);
		return;
	}
	loop_watch_mod(&c->watch, EPOLLIN);
	loop_timer_start(c->socks->loop, &c->timer, CLOSING_TIME,
			 socks_on_timeout);
}

/* --- UDP ------------------------------------------------------------------ */

/* Only the machine that holds the TCP connection may use the socket; the port
 * is that of its first datagram. */
static bool from_owner(struct socks_client *c, const struct ipport *src)
{
	if (!ipaddr_eq(&src->addr, &c->udp.src.addr))
		return false;
	if (!c->udp_peer.port)
		c->udp_peer = *src;
	return src->port == c->udp_peer.port;
}

static void socks_on_udp(struct watch *w, uint32_t events)
{
	struct socks_client *c =
		container_of(w, struct socks_client, udp_watch);
	struct socks *s = c->socks;

	(void)events;
	for (int i = 0; i < BATCH_UDP && c->state == ASSOCIATED; i++) {
		struct sockaddr_storage ss = { 0 };
		socklen_t len = sizeof(ss);
		struct socks_dst dst;
		struct ipport src;
		ssize_t n;
		int head;

		n = recvfrom(c->udp_fd, s->datagram, DATAGRAM_ROOM,
			     MSG_DONTWAIT, (struct sockaddr *)&ss, &len);
		if (n < 0)
			return;
		if (ipport_from_sockaddr(&src, (struct sockaddr *)&ss) < 0 ||
		    !from_owner(c, &src))
			continue;
		head = socks_parse_udp(s->datagram, (size_t)n, &dst);
		if (head > 0)
			s->ops->udp(s->user, &c->udp, &dst, s->datagram + head,
				    (size_t)(n - head));
	}
}

int socks_udp_send(struct socks_udp *a, const struct ipport *from,
		   const uint8_t *data, size_t len)
{
	struct socks_client *c = container_of(a, struct socks_client, udp);
	uint8_t head[SOCKS_HEAD_MAX];
	struct iovec iov[2] = {
		{ head, socks_build_udp(from, head) },
		{ (void *)(uintptr_t)data, len },
	};
	struct sockaddr_storage ss = { 0 };
	struct msghdr m = { .msg_name = &ss, .msg_iov = iov, .msg_iovlen = 2 };

	if (c->state != ASSOCIATED || !c->udp_peer.port)
		return -ENOTCONN;
	m.msg_namelen = ipport_to_sockaddr(&c->udp_peer, &ss);
	return sendmsg(c->udp_fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno
								       : 0;
}

/* A socket beside the TCP connection: on the address the program dialled. */
static int open_udp(struct socks_client *c, struct ipport *bound)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
	int rc;

	if (getsockname(c->fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	rc = ipport_from_sockaddr(bound, (struct sockaddr *)&ss);
	if (rc < 0)
		return rc;
	bound->port = 0;
	len = ipport_to_sockaddr(bound, &ss);
	c->udp_fd = socket(ss.ss_family, SOCK_DGRAM | flags, 0);
	if (c->udp_fd < 0 || bind(c->udp_fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	len = sizeof(ss);
	if (getsockname(c->udp_fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	rc = ipport_from_sockaddr(bound, (struct sockaddr *)&ss);
	if (rc < 0)
		return rc;
	return loop_watch_start(c->socks->loop, &c->udp_watch, c->udp_fd,
				EPOLLIN, socks_on_udp);
}

static void associate(struct socks_client *c)
{
	struct ipport bound;
	int rc = open_udp(c, &bound);

	if (rc < 0) {
		client_refuse(c, -rc);
		return;
	}
	c->state = ASSOCIATED;
	c->udp.src = c->tcp.src;
	c->udp_peer = (struct ipport){ .addr = c->tcp.src.addr };
	loop_timer_stop(&c->timer);
	if (!put_reply(c, 0, &bound))
		client_end(c);
}

/* --- TCP ------------------------------------------------------------------ */

static void start_dial(struct socks_client *c)
{
	struct socks *s = c->socks;

	c->state = DIALLING;
	loop_timer_stop(&c->timer); /* the owner's time-outs count now */
	loop_watch_mod(&c->watch, EPOLLRDHUP);
	s->ops->tcp_open(s->user, &c->tcp);
}

static void socks_hand_over(struct timer *t)
{
	struct socks_client *c = container_of(t, struct socks_client, timer);
	struct socks *s = c->socks;
	int fd;

	/* of what is forwarded the server's answer is the reply */
	if (!c->tcp.head_len && !put_reply(c, 0, NULL)) {
		client_end(c);
		return;
	}
	loop_watch_stop(&c->watch);
	fd = steal_fd(&c->fd);
	s->ops->tcp_accepted(s->user, &c->tcp, fd);
	if (!s->closed)
		client_end(c);
}

void socks_answer(struct socks *s, struct socks_tcp *c, int errnum)
{
	struct socks_client *client = container_of(c, struct socks_client, tcp);

	if (client->state != DIALLING)
		return;
	if (errnum) {
		client_refuse(client, errnum);
		return;
	}
	client->state = ANSWERED;
	loop_timer_start(s->loop, &client->timer, 0, socks_hand_over);
}

/* The program has closed, or has half-closed behind data it sent early. */
static void socks_on_hangup(struct socks_client *c, uint32_t events)
{
	char byte;

	if (!(events & (EPOLLHUP | EPOLLERR)) &&
	    recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		loop_watch_mod(&c->watch, 0);
	else
		client_end(c);
}

/* --- messages ------------------------------------------------------------- */

static void socks_take_request(struct socks_client *c,
			       const struct socks_request *r)
{
	c->tcp.dst = r->dst;
	if (r->command == SOCKS_CONNECT)
		start_dial(c);
	else if (r->command == SOCKS_UDP_ASSOCIATE && c->socks->ops->udp)
		associate(c);
	else
		client_refuse(c, EOPNOTSUPP);
}

static int socks_parse_any_http(struct socks_client *c, size_t len,
				struct socks_dst *dst)
{
	int used = socks_parse_http(c->msg, len, dst);

	if (used != -EOPNOTSUPP)
		return used;
	buf_reset(&c->head);
	used = proxyreq_parse(c->msg, len, dst, &c->head);
	if (used > 0) {
		c->tcp.head = buf_data(&c->head);
		c->tcp.head_len = c->head.len;
	}
	return used;
}

/* How many bytes of c->msg are a message; 0: not yet; -errno. */
static int socks_parse(struct socks_client *c, size_t len,
		       struct socks_request *r, bool *no_auth)
{
	if (c->state == GREETING && len && c->msg[0] >= 'A' &&
	    c->msg[0] <= 'Z') {
		c->state = HTTP;
		c->http = true;
	}
	switch (c->state) {
	case GREETING:
		return socks_parse_greeting(c->msg, len, no_auth);
	case REQUEST:
		return socks_parse_request(c->msg, len, r);
	case HTTP:
		r->command = SOCKS_CONNECT;
		return socks_parse_any_http(c, len, &r->dst);
	default:
		return -EPROTO;
	}
}

static void socks_act(struct socks_client *c, const struct socks_request *r,
		      bool no_auth)
{
	if (c->state != GREETING) {
		socks_take_request(c, r);
		return;
	}
	if (!socks_put(c, no_auth ? "\5\0" : "\5\377", 2) || !no_auth)
		client_end(c);
	else
		c->state = REQUEST;
}

/* One step: false when there is nothing more to do now. */
static bool read_message(struct socks_client *c)
{
	struct socks_request r = { 0 };
	bool no_auth = false;
	size_t take;
	ssize_t n;
	int used;

	n = recv(c->fd, c->msg + c->have, sizeof(c->msg) - c->have,
		 MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		client_end(c);
		return false;
	}
	used = socks_parse(c, c->have + (size_t)n, &r, &no_auth);
	/* a part of a message: all of it belongs to it */
	take = used > 0 ? (size_t)used - c->have : (size_t)n;
	if (recv(c->fd, c->msg + c->have, take, MSG_DONTWAIT) !=
	    (ssize_t)take) {
		client_end(c);
		return false;
	}
	c->have += take;
	if (used < 0) {
		if (c->state == GREETING)
			client_end(c); /* neither of both protocols */
		else
			client_refuse(c, -used);
		return false;
	}
	if (used > 0) {
		c->have = 0;
		socks_act(c, &r, no_auth);
	}
	return true;
}

static void socks_drain(struct socks_client *c)
{
	ssize_t n = recv(c->fd, c->msg, sizeof(c->msg), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		client_end(c);
}

static void on_client(struct watch *w, uint32_t events)
{
	struct socks_client *c = container_of(w, struct socks_client, watch);

	switch (c->state) {
	case GREETING:
	case REQUEST:
	case HTTP:
		while (c->watch.loop &&
		       (c->state == GREETING || c->state == REQUEST ||
			c->state == HTTP))
			if (!read_message(c))
				break;
		break;
	case DIALLING:
	case ANSWERED:
		socks_on_hangup(c, events);
		break;
	case ASSOCIATED: /* nothing is sent here: anything else is its end */
	case CLOSING:
		socks_drain(c);
		break;
	}
}

/* --- the listener --------------------------------------------------------- */

static void socks_accepted(void *user, int fd, const struct ipport *src)
{
	struct socks *s = user;
	struct socks_client *c =
		s->nclients < MAX_CLIENTS ? malloc(sizeof(*c)) : NULL;
	int on = 1;

	if (!c) {
		close(fd);
		return;
	}
	memset(c, 0, offsetof(struct socks_client, msg));
	c->socks = s;
	c->fd = fd;
	c->udp_fd = -1;
	c->tcp.src = *src;
	buf_init(&c->head, PROXYREQ_HEAD_MAX);
	list_add_tail(&s->clients, &c->node);
	s->nclients++;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	loop_timer_start(s->loop, &c->timer, HANDSHAKE_TIME, socks_on_timeout);
	if (loop_watch_start(s->loop, &c->watch, fd, EPOLLIN, on_client) < 0)
		client_end(c);
}

static void socks_free_now(void *user)
{
	struct socks *s = user;

	free(s->datagram);
	free(s);
}

int socks_open(struct socks **out, struct loop *loop, const struct ipport *at,
	       const struct socks_ops *ops, void *user, struct kt_error *err)
{
	struct socks *s = xcalloc(1, sizeof(*s));
	int rc;

	s->loop = loop;
	s->at = *at;
	s->ops = ops;
	s->user = user;
	s->datagram = xmalloc(DATAGRAM_ROOM);
	list_init(&s->clients);
	rc = listener_open(&s->listener, loop, &s->at, socks_accepted, s, err);
	if (rc < 0) {
		if (rc == -EADDRINUSE)
			kt_hint(err, "choose another port with --proxyPort");
		else if (rc == -EADDRNOTAVAIL)
			kt_hint(err, "--proxyAddr must be an address of this "
				     "machine");
		else if (rc == -EACCES)
			kt_hint(err, "ports below 1024 need root: choose "
				     "another with --proxyPort");
		socks_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

void socks_close(struct socks *s)
{
	if (!s || s->closed)
		return;
	s->closed = true;
	listener_stop(&s->listener);
	while (!list_empty(&s->clients))
		client_end(container_of(s->clients.next, struct socks_client,
					node));
	loop_defer(s->loop, socks_free_now, s);
}

struct ipport socks_addr(const struct socks *s)
{
	return s->at;
}
