/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/upstream.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define IN_FLIGHT_MAX 512

struct dns_upstream {
	struct loop *loop;
	uint32_t mark;
	size_t in_flight;
	uint8_t scratch[DNS_MSG_MAX];
};

struct dns_exchange {
	struct dns_upstream *up;
	struct watch watch;
	struct timer timer;
	int64_t began, step; /* @step: until the next repetition */
	int fd;
	bool tcp, stream;
	uint16_t client_id;
	dns_exchange_fn fn;
	void *user;
	size_t done; /* TCP: bytes written of @out, then read into @in */
	uint8_t *in; /* TCP: the reply, taken when its length is known */
	size_t in_len;
	uint8_t prefix[2];
	size_t len;    /* of the message */
	uint8_t out[]; /* TCP length prefix, then the message */
};

struct dns_upstream *dns_upstream_new(struct loop *l, uint32_t mark)
{
	struct dns_upstream *u = xcalloc(1, sizeof(*u));

	u->loop = l;
	u->mark = mark;
	return u;
}

void dns_upstream_free(struct dns_upstream *u)
{
	if (u)
		loop_defer_free(u->loop, u);
}

void dns_exchange_cancel(struct dns_exchange *x)
{
	if (!x)
		return;
	loop_watch_stop(&x->watch);
	loop_timer_stop(&x->timer);
	close(x->fd);
	free(x->in);
	x->up->in_flight--;
	loop_defer_free(x->up->loop, x);
}

static void upstream_finish(struct dns_exchange *x, int rc, uint8_t *msg,
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
static bool is_transient(int e)
{
	return e == EAGAIN || e == EINTR || e == ENOBUFS;
}

static void upstream_udp_readable(struct dns_exchange *x)
{
	uint8_t *buf = x->up->scratch;

	/* a datagram that is not the reply: wait on, but do not spin */
	for (int i = 0; i < 8; i++) {
		ssize_t n = recv(x->fd, buf, DNS_MSG_MAX, MSG_DONTWAIT);

		if (n < 0 && is_transient(errno))
			return;
		if (n < 0) {
			upstream_finish(x, -errno, NULL, 0);
			return;
		}
		if (dns_reply_matches(buf, (size_t)n, x->out + 2, x->len)) {
			upstream_finish(x, 0, buf, (size_t)n);
			return;
		}
	}
}

static int tcp_write(struct dns_exchange *x)
{
	ssize_t n = send(x->fd, x->out + x->done, x->len + 2 - x->done,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return is_transient(errno) ? 0 : -errno;
	x->done += (size_t)n;
	if (x->done == x->len + 2) {
		x->done = 0;
		loop_watch_mod(&x->watch, EPOLLIN);
	}
	return 0;
}

/* the length, then so many bytes; 1 when the reply is whole */
static int upstream_tcp_read(struct dns_exchange *x)
{
	for (;;) {
		bool head = x->done < 2;
		uint8_t *to = head ? x->prefix + x->done : x->in + x->done - 2;
		size_t want = head ? 2 - x->done : x->in_len + 2 - x->done;
		ssize_t n = recv(x->fd, to, want, MSG_DONTWAIT);

		if (n < 0)
			return is_transient(errno) ? 0 : -errno;
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
static void pass_on(struct dns_exchange *x)
{
	uint8_t *in = steal_ptr(&x->in);

	dns_set_id(in, x->client_id);
	x->done = 0;
	x->began = clock_ns();
	x->fn(x->user, 0, in, x->in_len);
	free(in);
}

/* messages of a transfer behind the first need no question (RFC 5936 2.2.1) */
static bool is_reply(const struct dns_exchange *x)
{
	return dns_reply_matches(x->in, x->in_len, x->out + 2, x->len) ||
	       (x->stream && dns_get_id(x->in) == dns_get_id(x->out + 2));
}

static void upstream_on_event(struct watch *w, uint32_t events)
{
	struct dns_exchange *x = container_of(w, struct dns_exchange, watch);
	int rc;

	if (!x->tcp) {
		upstream_udp_readable(x);
		return;
	}
	rc = events & EPOLLOUT ? tcp_write(x) : upstream_tcp_read(x);
	if (rc < 0)
		upstream_finish(x, rc, NULL, 0);
	else if (rc > 0 && !is_reply(x))
		upstream_finish(x, -EBADMSG, NULL, 0);
	else if (rc > 0 && x->stream)
		pass_on(x);
	else if (rc > 0)
		upstream_finish(x, 0, x->in, x->in_len);
}

static void upstream_on_timer(struct timer *t)
{
	struct dns_exchange *x = container_of(t, struct dns_exchange, timer);
	int64_t left = x->began + DNS_EXCHANGE_LIMIT - clock_ns();

	if (left <= 0) {
		upstream_finish(x, -ETIMEDOUT, NULL, 0);
		return;
	}
	if (x->tcp) {
		loop_timer_start(x->up->loop, t, left, upstream_on_timer);
		return;
	}
	if (send(x->fd, x->out + 2, x->len, MSG_NOSIGNAL) < 0 &&
	    !is_transient(errno)) {
		upstream_finish(x, -errno, NULL, 0);
		return;
	}
	x->step *= 2;
	loop_timer_start(x->up->loop, t, MIN(x->step, left), upstream_on_timer);
}

static int upstream_open_socket(const struct dns_upstream *u,
				const struct ipport *to, bool tcp)
{
	auto_close int fd = -1;
	struct sockaddr_storage ss;
	socklen_t n = ipport_to_sockaddr(to, &ss);

	fd = socket(ss.ss_family,
		    (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC |
			    SOCK_NONBLOCK,
		    0);
	if (fd < 0)
		return -errno;
	/* without the mark our question would come back to us for ever */
	if (u->mark &&
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &u->mark, sizeof(u->mark)) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&ss, n) < 0 && errno != EINPROGRESS)
		return -errno;
	return steal_fd(&fd);
}

static int send_first(struct dns_exchange *x)
{
	uint32_t events = x->tcp ? EPOLLOUT : EPOLLIN;
	int rc = loop_watch_start(x->up->loop, &x->watch, x->fd, events,
				  upstream_on_event);

	if (rc < 0)
		return rc;
	if (!x->tcp && send(x->fd, x->out + 2, x->len, MSG_NOSIGNAL) < 0 &&
	    !is_transient(errno)) {
		rc = -errno;
		loop_watch_stop(&x->watch);
		return rc;
	}
	x->step = NS_SEC;
	loop_timer_start(x->up->loop, &x->timer, x->step, upstream_on_timer);
	return 0;
}

int dns_exchange_start(struct dns_upstream *u, const struct ipport *to,
		       enum dns_transport transport, const uint8_t *msg,
		       size_t len, dns_exchange_fn fn, void *user,
		       struct dns_exchange **out)
{
	struct dns_exchange *x;
	uint16_t id;
	int rc;

	if (len < DNS_HDR_LEN || len > DNS_MSG_MAX || !to->port)
		return -EINVAL;
	if (u->in_flight >= IN_FLIGHT_MAX)
		return -EBUSY;
	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		return -EIO;
	x = calloc(1, sizeof(*x) + 2 + len);
	if (!x)
		return -ENOMEM;
	x->up = u;
	x->tcp = transport != DNS_OVER_UDP;
	x->stream = transport == DNS_OVER_STREAM;
	x->fn = fn;
	x->user = user;
	x->began = clock_ns();
	x->len = len;
	x->out[0] = (uint8_t)(len >> 8);
	x->out[1] = (uint8_t)len;
	memcpy(x->out + 2, msg, len);
	x->client_id = dns_get_id(msg);
	dns_set_id(x->out + 2, id);
	x->fd = rc = upstream_open_socket(u, to, x->tcp);
	if (rc < 0)
		goto fail_alloc;
	rc = send_first(x);
	if (rc < 0)
		goto fail_socket;
	u->in_flight++;
	*out = x;
	return 0;

fail_socket:
	close(x->fd);
fail_alloc:
	free(x);
	return rc;
}
