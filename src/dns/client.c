/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/client.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

struct dns_client {
	struct loop *loop;
	struct dns_client_config cfg;
	struct list exchanges;
	size_t in_flight;
	uint8_t scratch[DNS_MSG_MAX];
};

struct dns_exchange {
	struct dns_client *client;
	struct list node;
	struct ipport to;
	enum dns_way way;
	struct watch watch;
	struct timer timer;
	int64_t began, step; /* @step: until the next repetition */
	int fd;
	bool tcp, stream;
	bool again; /* over TCP when the reply is cut */
	uint16_t client_id;
	uint16_t port; /* ours */
	dns_exchange_fn fn;
	void *user;
	size_t done; /* TCP: bytes written of @out, then read into @in */
	uint8_t *in; /* TCP: the reply, taken when its length is known */
	size_t in_len;
	uint8_t prefix[2];
	size_t len;    /* of the message */
	uint8_t out[]; /* TCP length prefix, then the message */
};

struct dns_client *dns_client_new(struct loop *l,
				  const struct dns_client_config *cfg)
{
	struct dns_client *c = xcalloc(1, sizeof(*c));

	c->loop = l;
	c->cfg = *cfg;
	list_init(&c->exchanges);
	return c;
}

void dns_client_free(struct dns_client *c)
{
	if (c)
		loop_defer_free(c->loop, c);
}

void dns_exchange_cancel(struct dns_exchange *x)
{
	if (!x)
		return;
	loop_watch_stop(&x->watch);
	loop_timer_stop(&x->timer);
	if (x->fd >= 0)
		close(x->fd);
	free(x->in);
	list_del(&x->node);
	x->client->in_flight--;
	loop_defer_free(x->client->loop, x);
}

static void exchange_finish(struct dns_exchange *x, int rc, uint8_t *msg,
			    size_t len)
{
	dns_exchange_fn fn = x->fn;
	void *user = x->user;
	uint8_t *in = x->in; /* @msg may be in it */

	if (rc == 0)
		dns_set_id(msg, x->client_id);
	x->in = NULL;
	dns_exchange_cancel(x);
	fn(user, rc, msg, len);
	free(in);
}

/* errors of a socket that say nothing about the server */
static bool exchange_is_transient(int e)
{
	return e == EAGAIN || e == EINTR || e == ENOBUFS;
}

static void exchange_over_tcp(struct dns_exchange *x);

static void exchange_udp_readable(struct dns_exchange *x)
{
	uint8_t *buf = x->client->scratch;

	/* a datagram that is not the reply: wait on, but do not spin */
	for (int i = 0; i < 8; i++) {
		ssize_t n = recv(x->fd, buf, DNS_MSG_MAX, MSG_DONTWAIT);

		if (n < 0 && exchange_is_transient(errno))
			return;
		if (n < 0) {
			exchange_finish(x, -errno, NULL, 0);
			return;
		}
		if (!dns_reply_matches(buf, (size_t)n, x->out + 2, x->len))
			continue;
		if (x->again && buf[2] & (DNS_TC >> 8))
			exchange_over_tcp(x);
		else
			exchange_finish(x, 0, buf, (size_t)n);
		return;
	}
}

static int exchange_tcp_write(struct dns_exchange *x)
{
	ssize_t n = send(x->fd, x->out + x->done, x->len + 2 - x->done,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return exchange_is_transient(errno) ? 0 : -errno;
	x->done += (size_t)n;
	if (x->done == x->len + 2) {
		x->done = 0;
		loop_watch_mod(&x->watch, EPOLLIN);
	}
	return 0;
}

/* the length, then so many bytes; 1 when the reply is whole */
static int exchange_tcp_read(struct dns_exchange *x)
{
	for (;;) {
		bool head = x->done < 2;
		uint8_t *to = head ? x->prefix + x->done : x->in + x->done - 2;
		size_t want = head ? 2 - x->done : x->in_len + 2 - x->done;
		ssize_t n = recv(x->fd, to, want, MSG_DONTWAIT);

		if (n < 0)
			return exchange_is_transient(errno) ? 0 : -errno;
		if (n == 0)
			return -ECONNRESET;
		x->done += (size_t)n;
		if (x->done == 2) {
			x->in_len = (size_t)x->prefix[0] << 8 | x->prefix[1];
			if (x->in_len < DNS_HDR_LEN)
				return -EBADMSG;
			x->in = malloc(x->in_len);
			if (!x->in)
				return -ENOMEM;
		}
		if (x->in && x->done == x->in_len + 2)
			return 1;
	}
}

/* one message of a stream; the time-out now counts for the next one */
static void exchange_pass_on(struct dns_exchange *x)
{
	uint8_t *in = steal_ptr(&x->in);

	dns_set_id(in, x->client_id);
	x->done = 0;
	x->began = clock_ns();
	x->fn(x->user, 0, in, x->in_len);
	free(in);
}

/* messages of a transfer behind the first need no question (RFC 5936 2.2.1) */
static bool exchange_is_reply(const struct dns_exchange *x)
{
	return dns_reply_matches(x->in, x->in_len, x->out + 2, x->len) ||
	       (x->stream && dns_get_id(x->in) == dns_get_id(x->out + 2));
}

static void exchange_on_event(struct watch *w, uint32_t events)
{
	struct dns_exchange *x = container_of(w, struct dns_exchange, watch);
	int rc;

	if (!x->tcp) {
		exchange_udp_readable(x);
		return;
	}
	rc = events & EPOLLOUT ? exchange_tcp_write(x) : exchange_tcp_read(x);
	if (rc < 0)
		exchange_finish(x, rc, NULL, 0);
	else if (rc > 0 && !exchange_is_reply(x))
		exchange_finish(x, -EBADMSG, NULL, 0);
	else if (rc > 0 && x->stream)
		exchange_pass_on(x);
	else if (rc > 0)
		exchange_finish(x, 0, x->in, x->in_len);
}

static void exchange_on_timer(struct timer *t)
{
	struct dns_exchange *x = container_of(t, struct dns_exchange, timer);
	int64_t left = x->began + x->client->cfg.limit_ns - clock_ns();

	if (left <= 0) {
		exchange_finish(x, -ETIMEDOUT, NULL, 0);
		return;
	}
	if (x->tcp) {
		loop_timer_start(x->client->loop, t, left, exchange_on_timer);
		return;
	}
	if (send(x->fd, x->out + 2, x->len, MSG_NOSIGNAL) < 0 &&
	    !exchange_is_transient(errno)) {
		exchange_finish(x, -errno, NULL, 0);
		return;
	}
	x->step *= 2;
	loop_timer_start(x->client->loop, t, MIN(x->step, left),
			 exchange_on_timer);
}

static int exchange_open_socket(const struct dns_client *c,
				const struct ipport *to, bool tcp,
				enum dns_way way)
{
	auto_close int fd = -1;
	struct sockaddr_storage ss;
	socklen_t n = ipport_to_sockaddr(to, &ss);
	int rc = 0;

	fd = socket(ss.ss_family,
		    (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC |
			    SOCK_NONBLOCK,
		    0);
	if (fd < 0)
		return -errno;
	/* without the mark our question would come back to us for ever */
	if (c->cfg.mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &c->cfg.mark,
				      sizeof(c->cfg.mark)) < 0)
		return -errno;
	if (way == DNS_WAY_PAST && c->cfg.past)
		rc = c->cfg.past(c->cfg.user, fd, to);
	if (rc < 0)
		return rc;
	if (connect(fd, (struct sockaddr *)&ss, n) < 0 && errno != EINPROGRESS)
		return -errno;
	return steal_fd(&fd);
}

static uint16_t exchange_port(int fd)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	struct ipport p;

	if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0 ||
	    ipport_from_sockaddr(&p, (struct sockaddr *)&ss) < 0)
		return 0;
	return p.port;
}

static int exchange_send_first(struct dns_exchange *x)
{
	const struct dns_client_config *cfg = &x->client->cfg;
	uint32_t events = x->tcp ? EPOLLOUT : EPOLLIN;
	int rc = loop_watch_start(x->client->loop, &x->watch, x->fd, events,
				  exchange_on_event);

	if (rc < 0)
		return rc;
	if (!x->tcp && send(x->fd, x->out + 2, x->len, MSG_NOSIGNAL) < 0 &&
	    !exchange_is_transient(errno)) {
		rc = -errno;
		loop_watch_stop(&x->watch);
		return rc;
	}
	x->began = clock_ns();
	x->step = x->tcp || !cfg->repeat_ns ? cfg->limit_ns : cfg->repeat_ns;
	loop_timer_start(x->client->loop, &x->timer, x->step,
			 exchange_on_timer);
	return 0;
}

static void exchange_over_tcp(struct dns_exchange *x)
{
	int rc;

	loop_watch_stop(&x->watch);
	close(x->fd);
	x->tcp = true;
	x->fd = rc = exchange_open_socket(x->client, &x->to, true, x->way);
	x->port = rc < 0 ? 0 : exchange_port(x->fd);
	if (rc >= 0)
		rc = exchange_send_first(x);
	if (rc < 0)
		exchange_finish(x, rc, NULL, 0);
}

int dns_exchange_start(struct dns_client *c, const struct ipport *to,
		       enum dns_transport transport, enum dns_way way,
		       const uint8_t *msg, size_t len, dns_exchange_fn fn,
		       void *user, struct dns_exchange **out)
{
	struct dns_exchange *x;
	uint16_t id;
	int rc;

	if (len < DNS_HDR_LEN || len > DNS_MSG_MAX || !to->port)
		return -EINVAL;
	if (c->in_flight >= c->cfg.max)
		return -EBUSY;
	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		return -EIO;
	x = calloc(1, sizeof(*x) + 2 + len);
	if (!x)
		return -ENOMEM;
	x->client = c;
	x->to = *to;
	x->tcp = transport == DNS_OVER_TCP || transport == DNS_OVER_STREAM;
	x->stream = transport == DNS_OVER_STREAM;
	x->again = transport == DNS_OVER_ANY;
	x->fn = fn;
	x->user = user;
	x->len = len;
	x->out[0] = (uint8_t)(len >> 8);
	x->out[1] = (uint8_t)len;
	memcpy(x->out + 2, msg, len);
	x->client_id = dns_get_id(msg);
	dns_set_id(x->out + 2, id);
	x->way = way;
	x->fd = rc = exchange_open_socket(c, to, x->tcp, way);
	if (rc < 0)
		goto fail_alloc;
	x->port = exchange_port(x->fd);
	rc = exchange_send_first(x);
	if (rc < 0)
		goto fail_socket;
	list_add_tail(&c->exchanges, &x->node);
	c->in_flight++;
	*out = x;
	return 0;

fail_socket:
	close(x->fd);
fail_alloc:
	free(x);
	return rc;
}

bool dns_client_returned(struct dns_client *c, const struct ipport *from,
			 bool tcp, const uint8_t *msg, size_t len)
{
	struct list *p;

	if (len < DNS_HDR_LEN)
		return false;
	list_for_each (p, &c->exchanges) {
		struct dns_exchange *x =
			container_of(p, struct dns_exchange, node);

		if (x->tcp != tcp || x->port != from->port || len != x->len ||
		    memcmp(msg, x->out + 2, len) != 0)
			continue;
		exchange_finish(x, -ELOOP, NULL, 0);
		return true;
	}
	return false;
}
