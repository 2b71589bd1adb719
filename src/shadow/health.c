/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/health.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "net/listener.h"
#include "wire/clientline.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/*
 * Anybody in the cluster can reach this port: a caller has a small fixed
 * buffer, a few seconds, and there are few of them at once.
 */
#define CALLERS_MAX 16
#define CALLER_NS (5 * NS_SEC)
#define HEAD_MAX 1024

struct health {
	struct loop *loop;
	struct listener listener;
	struct list callers;
	size_t ncallers;
	const struct health_ops *ops;
	void *user;
};

struct health_caller {
	struct list node;
	struct health *health;
	struct watch watch; /* owns the fd */
	struct timer timer;
	bool near;	/* it comes from this very Pod */
	struct buf out; /* what is still to be sent */
	size_t len;
	char head[HEAD_MAX + 1];
};

static const char good[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
			   "Connection: close\r\n\r\nok\n";
static const char bad[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"
			  "Connection: close\r\n\r\n";

static const char not_yet[] = "HTTP/1.1 503 Service Unavailable\r\n"
			      "Content-Length: 0\r\n"
			      "Connection: close\r\n\r\n";

static void health_caller_free(struct health_caller *c)
{
	loop_watch_stop(&c->watch);
	loop_timer_stop(&c->timer);
	close(c->watch.fd);
	buf_fini(&c->out);
	list_del(&c->node);
	c->health->ncallers--;
	loop_defer_free(c->health->loop, c);
}

static void health_on_timeout(struct timer *t)
{
	health_caller_free(container_of(t, struct health_caller, timer));
}

static int health_put_clients(struct health_caller *c)
{
	struct buf list;
	int rc;

	buf_init(&list, CLIENTLINE_TEXT_MAX);
	rc = c->health->ops->clients(c->health->user, &list);
	if (rc == 0)
		rc = buf_printf(&c->out,
				"HTTP/1.1 200 OK\r\nContent-Type: text/plain"
				"\r\nContent-Length: %zu\r\n"
				"Connection: close\r\n\r\n",
				list.len);
	if (rc == 0)
		rc = buf_put(&c->out, buf_data(&list), list.len);
	buf_fini(&list);
	return rc;
}

static bool health_asks_for(const struct health_caller *c, const char *path)
{
	size_t n = strlen(path);

	return strncmp(c->head, "GET ", 4) == 0 &&
	       strncmp(c->head + 4, path, n) == 0 && c->head[4 + n] == ' ';
}

/* Fills c->out; a full buffer or memory: it is closed without an answer */
static int health_answer(struct health_caller *c)
{
	const struct health *h = c->health;
	const char *answer = bad;

	if (c->near && health_asks_for(c, CLIENTLINE_PATH))
		return health_put_clients(c);
	if (health_asks_for(c, "/healthz"))
		answer = h->ops->ready(h->user) ? good : not_yet;
	return buf_put(&c->out, answer, strlen(answer));
}

/* 1: the head is whole; 0: not yet; -errno: the caller is gone */
static int health_read(struct health_caller *c)
{
	ssize_t n = recv(c->watch.fd, c->head + c->len, HEAD_MAX - c->len, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	c->len += (size_t)n;
	c->head[c->len] = 0;
	return strstr(c->head, "\r\n\r\n") || c->len == HEAD_MAX;
}

static void health_on_event(struct watch *w, uint32_t events)
{
	struct health_caller *c = container_of(w, struct health_caller, watch);
	int rc = c->out.len ? 1 : health_read(c);
	ssize_t n;

	(void)events;
	if (rc == 0)
		return;
	if (rc > 0 && !c->out.len)
		rc = health_answer(c);
	while (rc >= 0 && c->out.len) {
		n = send(w->fd, buf_data(&c->out), c->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			loop_watch_mod(w, EPOLLOUT);
			return;
		}
		if (n < 0)
			break;
		buf_take(&c->out, (size_t)n);
	}
	if (rc >= 0)
		shutdown(w->fd, SHUT_WR);
	health_caller_free(c);
}

/* It has had its time: the kubelet asks as soon as it is connected. What it
 * said meanwhile is answered. */
static void health_drop_oldest(struct health *h)
{
	struct health_caller *c =
		container_of(h->callers.next, struct health_caller, node);
	size_t n = h->ncallers;

	health_on_event(&c->watch, EPOLLIN);
	if (h->ncallers == n)
		health_caller_free(c);
}

static bool health_is_near(const struct ipport *peer)
{
	static const uint8_t one[16] = { [15] = 1 };

	return peer->addr.family == AF_INET
		       ? peer->addr.b[0] == 127
		       : memcmp(peer->addr.b, one, sizeof(one)) == 0;
}

static void health_on_caller(void *user, int fd, const struct ipport *peer)
{
	struct health *h = user;
	struct health_caller *c = calloc(1, sizeof(*c));

	if (c && h->ncallers >= CALLERS_MAX)
		health_drop_oldest(h);
	if (!c || loop_watch_start(h->loop, &c->watch, fd, EPOLLIN,
				   health_on_event)) {
		close(fd);
		free(c);
		return;
	}
	c->health = h;
	c->near = health_is_near(peer);
	buf_init(&c->out, CLIENTLINE_TEXT_MAX + HEAD_MAX);
	list_add_tail(&h->callers, &c->node);
	h->ncallers++;
	loop_timer_start(h->loop, &c->timer, CALLER_NS, health_on_timeout);
}

struct health *health_new(struct loop *loop, const struct ipport *at,
			  const struct health_ops *ops, void *user,
			  struct kt_error *err)
{
	struct health *h = xcalloc(1, sizeof(*h));
	struct ipport where = *at;

	h->loop = loop;
	h->ops = ops;
	h->user = user;
	list_init(&h->callers);
	if (listener_open(&h->listener, loop, &where, health_on_caller, h,
			  err) == 0)
		return h;
	free(h);
	return NULL;
}

void health_free(struct health *h)
{
	struct list *n, *tmp;

	if (!h)
		return;
	listener_stop(&h->listener);
	list_for_each_safe (n, tmp, &h->callers) {
		health_caller_free(container_of(n, struct health_caller, node));
	}
	loop_defer_free(h->loop, h);
}
