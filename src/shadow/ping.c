/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP echo for the clients (wire/echo.h), by the kernel's ping sockets. */
#include "shadow/ping.h"

#include "base/mem.h"
#include "shadow/reply.h"
#include "shadow/shadow.h"
#include "shadow/socket.h"
#include "tunnel/capstream.h"
#include "tunnel/mux.h"
#include "tunnel/target.h"
#include "wire/echo.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>

#define ICMP_HEAD 8
#define SLOTS 1024 /* requests whose answer may still come */

/*
 * A ping socket sets the ICMP id itself, so several programs that ping one
 * destination share the socket, and the sequence number on the wire is ours:
 * it leads back to the program's own id and number.
 */
struct ping_slot {
	uint16_t wire, id, seq;
	bool used;
};

struct ping {
	struct shadow *sh;
	struct mux_stream *stream;
	struct watch watch; /* owns the fd; edge-triggered */
	struct capstream cs;
	struct ipaddr dst;
	uint16_t next;
	struct ping_slot slot[SLOTS];
};

static void ping_ping_free(struct ping *p)
{
	loop_watch_stop(&p->watch);
	close(p->watch.fd);
	capstream_fini(&p->cs);
	loop_defer_free(p->sh->loop, p);
}

static void ping_answer(struct ping *p, uint16_t wire, struct echo_answer *a,
			const uint8_t *payload, size_t len)
{
	struct ping_slot *sl = &p->slot[wire % SLOTS];
	uint8_t head[ECHO_ANSWER_HEAD];

	if (!sl->used || sl->wire != wire)
		return;
	a->id = sl->id;
	a->seq = sl->seq;
	echo_put_answer(head, a);
	(void)capstream_put(&p->cs, CAPSULE_DATAGRAM, head, sizeof(head),
			    payload, len);
}

static uint16_t seq_of(const uint8_t *icmp)
{
	return (uint16_t)(icmp[6] << 8 | icmp[7]);
}

/* a reply: the ICMP message from its header on; false when there is none */
static bool ping_take_reply(struct ping *p)
{
	uint8_t *mem = p->sh->scratch;
	struct sockaddr_storage ss;
	struct ipport from = { p->dst, 0 };
	socklen_t len = sizeof(ss);
	ssize_t n = recvfrom(p->watch.fd, mem, SHADOW_SCRATCH, MSG_DONTWAIT,
			     (struct sockaddr *)&ss, &len);
	struct echo_answer a;

	/* an error here is told by the error queue, with more detail */
	if (n < 0)
		return errno != EAGAIN;
	if (n < ICMP_HEAD)
		return true;
	if (ipport_from_sockaddr(&from, (struct sockaddr *)&ss) < 0)
		from.addr = p->dst;
	a = (struct echo_answer){ .type = mem[0],
				  .code = mem[1],
				  .from = from.addr };
	ping_answer(p, seq_of(mem), &a, mem + ICMP_HEAD, (size_t)n - ICMP_HEAD);
	return true;
}

static const struct sock_extended_err *find_error(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if ((c->cmsg_level == IPPROTO_IP &&
		     c->cmsg_type == IP_RECVERR) ||
		    (c->cmsg_level == IPPROTO_IPV6 &&
		     c->cmsg_type == IPV6_RECVERR))
			return (const void *)CMSG_DATA(c);
	return NULL;
}

/* an ICMP error about one of our requests; false when there is none */
static bool ping_take_error(struct ping *p)
{
	uint8_t sent[256], ctl[512] __attribute__((aligned(8)));
	struct iovec iov = { sent, sizeof(sent) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = ctl,
			      .msg_controllen = sizeof(ctl) };
	ssize_t n = recvmsg(p->watch.fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT);
	const struct sock_extended_err *ee;
	struct echo_answer a = { .from = p->dst };
	struct ipport from;

	if (n < 0)
		return false;
	ee = find_error(&msg);
	if (!ee || n < ICMP_HEAD || ee->ee_origin == SO_EE_ORIGIN_LOCAL)
		return true;
	if (ipport_from_sockaddr(&from, (const void *)(ee + 1)) == 0)
		a.from = from.addr;
	a.type = ee->ee_type;
	a.code = ee->ee_code;
	ping_answer(p, seq_of(sent), &a, NULL, 0);
	return true;
}

static void ping_on_event(struct watch *w, uint32_t events)
{
	struct ping *p = container_of(w, struct ping, watch);

	while (events & EPOLLERR && ping_take_error(p))
		;
	while (ping_take_reply(p))
		;
	if (p->cs.out.len)
		mux_stream_resume(p->stream);
}

/* --- the stream ----------------------------------------------------------- */

static void set_hops(struct ping *p, struct msghdr *msg, void *ctl, int ttl)
{
	bool v6 = p->dst.family == AF_INET6;
	struct cmsghdr *c;

	msg->msg_control = ctl;
	msg->msg_controllen = CMSG_SPACE(sizeof(int));
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	c->cmsg_type = v6 ? IPV6_HOPLIMIT : IP_TTL;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &ttl, sizeof(ttl));
}

static void send_echo(struct ping *p, const struct echo_request *e,
		      const uint8_t *payload, size_t len)
{
	bool v6 = p->dst.family == AF_INET6;
	uint16_t wire = p->next++;
	uint8_t head[ICMP_HEAD] = { v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO };
	uint8_t ctl[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov[2] = { { head, sizeof(head) },
				{ (void *)(uintptr_t)payload, len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	head[6] = (uint8_t)(wire >> 8);
	head[7] = (uint8_t)wire;
	p->slot[wire % SLOTS] = (struct ping_slot){ wire, e->id, e->seq, true };
	memset(ctl, 0, sizeof(ctl));
	if (e->ttl)
		set_hops(p, &msg, ctl, e->ttl);
	/* a pending error of an earlier request is returned once: try again */
	if (sendmsg(p->watch.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		(void)!sendmsg(p->watch.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static bool ping_on_capsule(void *user, const struct capsule *c)
{
	struct echo_request e;

	if (c->type == CAPSULE_DATAGRAM &&
	    echo_get_request(c->value, c->len, &e) == 0)
		send_echo(user, &e, c->value + ECHO_REQUEST_HEAD,
			  c->len - ECHO_REQUEST_HEAD);
	return true;
}

static ssize_t ping_ping_read(void *user, uint8_t *buf, size_t len)
{
	struct ping *p = user;

	return capstream_read(&p->cs, buf, len);
}

static void ping_ping_data(void *user, const uint8_t *data, size_t n)
{
	struct ping *p = user;

	mux_stream_consume(p->stream, n);
	if (capstream_feed(&p->cs, data, n, ping_on_capsule, p) < 0)
		capstream_end(&p->cs, ENOMEM, NULL);
}

static void ping_ping_end(void *user)
{
	struct ping *p = user;

	p->cs.ending = true;
	mux_stream_resume(p->stream);
}

static void ping_ping_close(void *user, int error)
{
	(void)error;
	ping_ping_free(user);
}

static const struct mux_stream_ops ops = {
	.read = ping_ping_read,
	.data = ping_ping_data,
	.end = ping_ping_end,
	.close = ping_ping_close,
};

/* 0, or a positive errno */
static int ping_open_socket(struct ping *p)
{
	const struct ipport to = { p->dst, 0 };
	bool v6 = p->dst.family == AF_INET6;
	const int on = 1;
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(&to, &ss);
	int fd = socket_open(p->sh, p->dst.family, SOCK_DGRAM,
			     v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	int rc;

	if (fd < 0)
		return -fd;
	setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		   v6 ? IPV6_RECVERR : IP_RECVERR, &on, sizeof(on));
	rc = connect(fd, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;
	if (rc == 0)
		rc = loop_watch_start(p->sh->loop, &p->watch, fd,
				      EPOLLIN | (uint32_t)EPOLLET,
				      ping_on_event);
	p->watch.fd = fd;
	if (rc < 0)
		close(fd);
	return -rc;
}

static const char *why(int error)
{
	return error == EACCES || error == EPERM
		       ? "the Pod may not ping: its sysctl "
			 "net.ipv4.ping_group_range leaves group 65534 out"
		       : strerror(error);
}

void ping_serve(struct shadow *sh, struct mux_stream *s, const char *path)
{
	struct ping *p = calloc(1, sizeof(*p));
	int error = ENOMEM;

	if (p) {
		p->sh = sh;
		p->stream = s;
		error = target_echo_parse(path, &p->dst) < 0
				? EINVAL
				: ping_open_socket(p);
	}
	if (error) {
		reply_refuse(s, error, why(error));
		free(p);
		return;
	}
	capstream_init(&p->cs);
	if (mux_stream_accept(s, NULL, &ops, p) < 0) {
		mux_stream_reset(s, ENOMEM);
		ping_ping_free(p);
	}
}
