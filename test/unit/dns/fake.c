/* SPDX-License-Identifier: Apache-2.0 */
#include "fake.h"

#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static const struct fake_rr *find(const struct fake_rr *zone, const char *name)
{
	for (; zone->name; zone++) {
		if (strcasecmp(zone->name, name) == 0 ||
		    (zone->name[0] == '*' && str_ends(name, zone->name + 1)))
			return zone;
	}
	return NULL;
}

static size_t add_soa(uint8_t *msg, size_t len)
{
	static const uint8_t soa[] = { 0, 0, 6, 0, 1, 0, 0, 0, 5, 0, 22,
				       0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0,
				       0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5 };

	memcpy(msg + len, soa, sizeof(soa));
	msg[9] = 1;
	return len + sizeof(soa);
}

size_t fake_answer(const struct fake_rr *zone, const uint8_t *msg, size_t len,
		   uint8_t out[DNS_MSG_MAX])
{
	const struct fake_rr *rr;
	char name[DNS_NAME_STRLEN];
	struct dns_query q;
	struct ipaddr ip;
	ssize_t n;

	if (dns_query_parse(&q, msg, len) < 0)
		return dns_reply_raw(msg, len, DNS_NOTIMP, out);
	q.edns = false;
	rr = find(zone, dns_name_str(&q.name, name));
	if (!rr || !rr->ip[0] || q.type != DNS_A) {
		n = dns_reply_empty(&q, rr ? DNS_NOERROR : DNS_NXDOMAIN, out,
				    DNS_MSG_MAX);
		assert_true(n > 0);
		return add_soa(out, (size_t)n);
	}
	assert_int_equal(ipaddr_parse(&ip, rr->ip), 0);
	n = dns_reply_addr(&q, ip.b, 4, 30, out, DNS_MSG_MAX);
	assert_true(n > 0);
	return (size_t)n;
}

/* The cluster */

struct held {
	struct fake_cluster *c;
	struct list node;
	struct timer timer;
	dns_cluster_done_fn done;
	void *arg;
	size_t len;
	uint8_t msg[512];
};

static void held_answer(struct timer *t)
{
	static uint8_t out[DNS_MSG_MAX];
	struct held *h = container_of(t, struct held, timer);
	size_t n = fake_answer(h->c->zone, h->msg, h->len, out);

	list_del(&h->node);
	loop_timer_stop(t);
	h->done(h->arg, 0, out, n);
	loop_defer_free(h->c->loop, h);
}

static int cluster_query(void *user, const uint8_t *msg, size_t len,
			 dns_cluster_done_fn done, void *arg)
{
	struct fake_cluster *c = user;
	struct held *h = calloc(1, sizeof(*h));
	struct dns_query q;

	assert_non_null(h);
	assert_in_range(len, 12, sizeof(h->msg));
	assert_int_equal(dns_query_parse(&q, msg, len), 0);
	dns_name_str(&q.name, c->last);
	c->asked++;
	h->c = c;
	h->done = done;
	h->arg = arg;
	h->len = len;
	memcpy(h->msg, msg, len);
	list_add_tail(&c->held, &h->node);
	if (!c->mute)
		loop_timer_start(c->loop, &h->timer, c->delay, held_answer);
	return 0;
}

static bool cluster_ready(void *user)
{
	const struct fake_cluster *c = user;

	return !c->down;
}

const struct dns_cluster_ops fake_cluster_ops = {
	.query = cluster_query,
	.ready = cluster_ready,
};

void fake_cluster_init(struct fake_cluster *c, struct loop *l,
		       const struct fake_rr *zone)
{
	*c = (struct fake_cluster){ .loop = l, .zone = zone };
	list_init(&c->held);
}

void fake_cluster_fini(struct fake_cluster *c)
{
	struct list *p, *tmp;

	list_for_each_safe (p, tmp, &c->held) {
		struct held *h = container_of(p, struct held, node);

		list_del(&h->node);
		loop_timer_stop(&h->timer);
		h->done(h->arg, -ECANCELED, NULL, 0);
		free(h);
	}
}

/* The other server */

static void udp_event(struct watch *w, uint32_t events)
{
	static uint8_t out[DNS_MSG_MAX];
	struct fake_upstream *u = container_of(w, struct fake_upstream, udp);
	struct sockaddr_storage ss;
	socklen_t slen = sizeof(ss);
	ssize_t n = recvfrom(u->udp_fd, u->last, sizeof(u->last), 0,
			     (struct sockaddr *)&ss, &slen);
	size_t len;

	(void)events;
	assert_true(n >= 12);
	u->last_len = (size_t)n;
	u->asked++;
	if (u->mute)
		return;
	len = fake_answer(u->zone, u->last, u->last_len, out);
	for (int i = 0; i < u->lies; i++) {
		out[0] ^= 0x55; /* a wrong id */
		sendto(u->udp_fd, out, len, 0, (struct sockaddr *)&ss, slen);
		out[0] ^= 0x55;
	}
	if (u->truncate) {
		out[2] |= DNS_TC >> 8;
		memset(out + 6, 0, 6);
		len = 12 + (u->last_len - 12);
	}
	sendto(u->udp_fd, out, len, 0, (struct sockaddr *)&ss, slen);
}

static void conn_close(struct fake_upstream *u)
{
	loop_watch_stop(&u->conn);
	close(u->conn_fd);
	u->conn_fd = -1;
}

/* three messages, the later ones without the question, and the end */
static void send_transfer(struct fake_upstream *u, uint8_t *out, size_t len)
{
	for (int i = 0; i < 3; i++) {
		out[0] = (uint8_t)(len >> 8);
		out[1] = (uint8_t)len;
		assert_int_equal(send(u->conn_fd, out, len + 2, 0), len + 2);
		len = DNS_HDR_LEN;
		memset(out + 2 + 4, 0, 8);
	}
	conn_close(u);
}

static void conn_event(struct watch *w, uint32_t events)
{
	static uint8_t in[1024], out[DNS_MSG_MAX + 2];
	struct fake_upstream *u = container_of(w, struct fake_upstream, conn);
	ssize_t n = recv(u->conn_fd, in, sizeof(in), 0);
	size_t len;

	(void)events;
	if (n <= 2) {
		conn_close(u);
		return;
	}
	u->asked_tcp++;
	assert_int_equal(in[0] << 8 | in[1], n - 2);
	len = fake_answer(u->zone, in + 2, (size_t)n - 2, out + 2);
	if (in[n - 3] == DNS_AXFR) {
		send_transfer(u, out, len);
		return;
	}
	out[0] = (uint8_t)(len >> 8);
	out[1] = (uint8_t)len;
	/* in two parts, as networks like to */
	assert_int_equal(send(u->conn_fd, out, 1, 0), 1);
	assert_int_equal(send(u->conn_fd, out + 1, len + 1, 0), len + 1);
}

static void tcp_event(struct watch *w, uint32_t events)
{
	struct fake_upstream *u = container_of(w, struct fake_upstream, tcp);

	(void)events;
	assert_int_equal(u->conn_fd, -1);
	u->conn_fd = accept(u->tcp_fd, NULL, NULL);
	assert_true(u->conn_fd >= 0);
	assert_int_equal(loop_watch_start(u->loop, &u->conn, u->conn_fd,
					  EPOLLIN, conn_event),
			 0);
}

static int listen_on(int type, struct ipport *addr)
{
	struct sockaddr_storage ss;
	socklen_t n = ipport_to_sockaddr(addr, &ss);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, n), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &n), 0);
	assert_int_equal(ipport_from_sockaddr(addr, (struct sockaddr *)&ss), 0);
	return fd;
}

void fake_upstream_init(struct fake_upstream *u, struct loop *l,
			const struct fake_rr *zone)
{
	*u = (struct fake_upstream){ .loop = l, .zone = zone, .conn_fd = -1 };
	assert_int_equal(ipaddr_parse(&u->addr.addr, "127.0.0.1"), 0);
	u->tcp_fd = listen_on(SOCK_STREAM, &u->addr);
	u->udp_fd = listen_on(SOCK_DGRAM, &u->addr);
	assert_int_equal(
		loop_watch_start(l, &u->udp, u->udp_fd, EPOLLIN, udp_event), 0);
	assert_int_equal(
		loop_watch_start(l, &u->tcp, u->tcp_fd, EPOLLIN, tcp_event), 0);
}

void fake_upstream_fini(struct fake_upstream *u)
{
	loop_watch_stop(&u->udp);
	loop_watch_stop(&u->tcp);
	loop_watch_stop(&u->conn);
	close(u->udp_fd);
	close(u->tcp_fd);
	if (u->conn_fd >= 0)
		close(u->conn_fd);
}
