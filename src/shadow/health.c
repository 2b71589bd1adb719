/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/health.h"

#include "base/list.h"
#include "base/mem.h"
#include "net/listener.h"

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
	bool (*ready)(void *user);
	void *user;
};

struct health_caller {
	struct list node;
	struct health *health;
	struct watch watch; /* owns the fd */
	struct timer timer;
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
	list_del(&c->node);
	c->health->ncallers--;
	loop_defer_free(c->health->loop, c);
}

static void health_on_timeout(struct timer *t)
{
	health_caller_free(container_of(t, struct health_caller, timer));
}

static void health_on_event(struct watch *w, uint32_t events)
{
	struct health_caller *c = container_of(w, struct health_caller, watch);
	ssize_t n = recv(w->fd, c->head + c->len, HEAD_MAX - c->len, 0);
	const char *answer = bad;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		c->len += (size_t)n;
		c->head[c->len] = 0;
		if (!strstr(c->head, "\r\n\r\n") && c->len < HEAD_MAX)
			return;
		if (strncmp(c->head, "GET /healthz ", 13) == 0)
			answer = c->health->ready(c->health->user) ? good
								   : not_yet;
		(void)!send(w->fd, answer, strlen(answer), MSG_NOSIGNAL);
		shutdown(w->fd, SHUT_WR);
	}
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

static void health_on_caller(void *user, int fd, const struct ipport *peer)
{
	struct health *h = user;
	struct health_caller *c = calloc(1, sizeof(*c));

	(void)peer;
	if (c && h->ncallers >= CALLERS_MAX)
		health_drop_oldest(h);
	if (!c || loop_watch_start(h->loop, &c->watch, fd, EPOLLIN,
				   health_on_event)) {
		close(fd);
		free(c);
		return;
	}
	c->health = h;
	list_add_tail(&h->callers, &c->node);
	h->ncallers++;
	loop_timer_start(h->loop, &c->timer, CALLER_NS, health_on_timeout);
}

struct health *health_new(struct loop *loop, const struct ipport *at,
			  bool (*ready)(void *user), void *user,
			  struct kt_error *err)
{
	struct health *h = xcalloc(1, sizeof(*h));
	struct ipport where = *at;

	h->loop = loop;
	h->ready = ready;
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
