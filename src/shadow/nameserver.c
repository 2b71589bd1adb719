/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/nameserver.h"

#include "base/buf.h"
#include "wire/dns.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define TRY_NS (2 * NS_SEC)
#define ROUNDS 2
#define MAX_QUERIES 4096

struct nameserver {
	struct loop *loop;
	struct ipport server[NAMESERVER_MAX];
	size_t nservers;
	struct list queries;
	size_t nqueries;
};

/*
 * A query is a row of tries: server 0 by UDP (by TCP when it is truncated),
 * server 1, ..., again server 0, ... Each try has a socket and the time TRY_NS.
 */
struct nameserver_query {
	struct nameserver *ns;
	struct list node;
	struct watch watch;
	struct timer timer;
	struct buf in; /* TCP: what has arrived */
	nameserver_fn fn;
	void *user;
	int fd;
	unsigned int tries;
	size_t sent; /* TCP: bytes of the framed message */
	uint16_t id; /* the asker's */
	int last_error;
	bool tcp, tcp_only;
	size_t len;
	uint8_t framed[]; /* 2 bytes of length, then the message */
};

static void start_try(struct nameserver_query *q);

static void end_try(struct nameserver_query *q)
{
	loop_watch_stop(&q->watch);
	loop_timer_stop(&q->timer);
	if (q->fd >= 0)
		close(q->fd);
	q->fd = -1;
	buf_reset(&q->in);
	q->sent = 0;
}

void nameserver_cancel(struct nameserver_query *q)
{
	struct loop *loop = q->ns->loop;

	end_try(q);
	list_del(&q->node);
	q->ns->nqueries--;
	buf_fini(&q->in);
	loop_defer_free(loop, q);
}

/* The reply may lie in q->in: tell first, free then. The query is off the list
 * before, so the callback may free the whole nameserver. */
static void give(struct nameserver_query *q, int err, uint8_t *reply,
		 size_t len)
{
	struct loop *loop = q->ns->loop;

	if (reply)
		dns_set_id(reply, q->id);
	list_del(&q->node);
	q->ns->nqueries--;
	loop_watch_stop(&q->watch);
	loop_timer_stop(&q->timer);
	q->fn(q->user, err, reply, len);
	if (q->fd >= 0)
		close(q->fd);
	buf_fini(&q->in);
	loop_defer_free(loop, q);
}

static void next_try(struct nameserver_query *q, int err)
{
	if (err)
		q->last_error = err;
	end_try(q);
	q->tcp = q->tcp_only;
	q->tries++;
	start_try(q);
}

static void nameserver_on_timeout(struct timer *t)
{
	next_try(container_of(t, struct nameserver_query, timer), -ETIMEDOUT);
}

static void switch_to_tcp(struct nameserver_query *q)
{
	end_try(q);
	q->tcp = true;
	start_try(q);
}

static void nameserver_on_udp(struct nameserver_query *q)
{
	uint8_t reply[DNS_MSG_MAX];
	ssize_t n = recv(q->fd, reply, sizeof(reply), 0);
	struct dns_hdr h;

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			next_try(q, -errno);
		return;
	}
	/* a stray or forged answer is not ours: wait on */
	if (!dns_reply_matches(reply, (size_t)n, q->framed + 2, q->len) ||
	    dns_hdr_read(&h, reply, (size_t)n) < 0)
		return;
	if (h.flags & DNS_TC)
		switch_to_tcp(q);
	else
		give(q, 0, reply, (size_t)n);
}

static void on_tcp_reply(struct nameserver_query *q)
{
	uint8_t *p = buf_data(&q->in);
	size_t want;

	if (q->in.len < 2)
		return;
	want = (size_t)(p[0] << 8 | p[1]);
	if (q->in.len < 2 + want)
		return;
	if (dns_reply_matches(p + 2, want, q->framed + 2, q->len))
		give(q, 0, p + 2, want);
	else
		next_try(q, -EBADMSG);
}

static void on_tcp(struct nameserver_query *q, uint32_t events)
{
	size_t total = q->len + 2;

	if (q->sent < total && (events & (EPOLLOUT | EPOLLERR))) {
		ssize_t n = send(q->fd, q->framed + q->sent, total - q->sent,
				 MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			next_try(q, -errno);
			return;
		}
		q->sent += n > 0 ? (size_t)n : 0;
		if (q->sent == total)
			loop_watch_mod(&q->watch, EPOLLIN);
	}
	if (events & (EPOLLIN | EPOLLHUP)) {
		uint8_t *p = buf_reserve(&q->in, 4096);
		ssize_t n = p ? recv(q->fd, p, 4096, 0) : -1;

		if (n < 0 && p && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			next_try(q, n < 0 && p ? -errno : -ECONNRESET);
			return;
		}
		buf_commit(&q->in, (size_t)n);
		on_tcp_reply(q);
	}
}

static void nameserver_on_event(struct watch *w, uint32_t events)
{
	struct nameserver_query *q =
		container_of(w, struct nameserver_query, watch);

	if (q->tcp)
		on_tcp(q, events);
	else
		nameserver_on_udp(q);
}

static int open_try(struct nameserver_query *q)
{
	const struct ipport *to = &q->ns->server[q->tries % q->ns->nservers];
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(to, &ss);
	uint16_t id;

	q->fd = socket(to->addr.family,
		       (q->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC |
			       SOCK_NONBLOCK,
		       0);
	if (q->fd < 0)
		return -errno;
	if (connect(q->fd, (struct sockaddr *)&ss, len) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		return -EIO;
	dns_set_id(q->framed + 2, id);
	if (!q->tcp && send(q->fd, q->framed + 2, q->len, MSG_NOSIGNAL) < 0)
		return -errno;
	return loop_watch_start(q->ns->loop, &q->watch, q->fd,
				q->tcp ? EPOLLIN | EPOLLOUT : EPOLLIN,
				nameserver_on_event);
}

/* A try that fails at once is followed by the next one from the timer, so that
 * the callback never comes from inside nameserver_ask(). */
static void start_try(struct nameserver_query *q)
{
	int64_t wait = TRY_NS;
	int rc;

	if (q->tries >= q->ns->nservers * ROUNDS) {
		give(q, q->last_error, NULL, 0);
		return;
	}
	rc = open_try(q);
	if (rc < 0) {
		q->last_error = rc;
		wait = 0;
	}
	loop_timer_start(q->ns->loop, &q->timer, wait, nameserver_on_timeout);
}

struct nameserver_query *nameserver_ask(struct nameserver *ns,
					const uint8_t *msg, size_t len,
					bool tcp, nameserver_fn fn, void *user)
{
	struct nameserver_query *q;

	if (len < DNS_HDR_LEN || len > DNS_MSG_MAX) {
		errno = EBADMSG;
		return NULL;
	}
	if (!ns->nservers || ns->nqueries >= MAX_QUERIES) {
		errno = ns->nservers ? EBUSY : ENOENT;
		return NULL;
	}
	q = calloc(1, sizeof(*q) + 2 + len);
	if (!q)
		return NULL;
	q->ns = ns;
	q->fn = fn;
	q->user = user;
	q->fd = -1;
	q->tcp = q->tcp_only = tcp;
	q->last_error = -ETIMEDOUT;
	q->len = len;
	q->framed[0] = (uint8_t)(len >> 8);
	q->framed[1] = (uint8_t)len;
	memcpy(q->framed + 2, msg, len);
	q->id = dns_get_id(msg);
	buf_init(&q->in, DNS_MSG_MAX + 2 + 4096);
	list_add_tail(&ns->queries, &q->node);
	ns->nqueries++;
	start_try(q);
	return q;
}

struct nameserver *nameserver_new(struct loop *loop,
				  const struct ipport *servers, size_t n)
{
	struct nameserver *ns = calloc(1, sizeof(*ns));

	if (!ns)
		return NULL;
	ns->loop = loop;
	ns->nservers = MIN(n, NAMESERVER_MAX);
	memcpy(ns->server, servers, ns->nservers * sizeof(*servers));
	list_init(&ns->queries);
	return ns;
}

void nameserver_free(struct nameserver *ns)
{
	if (!ns)
		return;
	while (!list_empty(&ns->queries))
		nameserver_cancel(container_of(ns->queries.next,
					       struct nameserver_query, node));
	free(ns);
}
