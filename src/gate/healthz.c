/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/healthz.h"

#include "base/list.h"
#include "base/mem.h"
#include "net/listener.h"

#include <string.h>
#include <unistd.h>

#define HEALTHZ_MAX 32 /* askers at once; a kubelet is one */
#define HEALTHZ_NS (3 * NS_SEC)

struct healthz {
	struct loop *loop;
	struct listener listener;
	struct list askers;
	size_t n;
	bool (*ready)(void *user); /* NULL: it is */
	void *user;
};

struct healthz_asker {
	struct list node;
	struct healthz *of;
	struct watch watch;
	struct timer limit;
};

static void healthz_asker_free(struct healthz_asker *a)
{
	loop_watch_stop(&a->watch);
	loop_timer_stop(&a->limit);
	close(a->watch.fd);
	list_del(&a->node);
	a->of->n--;
	loop_defer_free(a->of->loop, a);
}

static void healthz_on_limit(struct timer *t)
{
	healthz_asker_free(container_of(t, struct healthz_asker, limit));
}

/* Its head is one segment; nothing in it makes a difference */
static void healthz_on_readable(struct watch *w, uint32_t events)
{
	static const char good[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
				   "Connection: close\r\n\r\nok\n";
	static const char not_yet[] = "HTTP/1.1 503 Service Unavailable\r\n"
				      "Content-Length: 0\r\n"
				      "Connection: close\r\n\r\n";
	const struct healthz *h =
		container_of(w, struct healthz_asker, watch)->of;
	const char *text = !h->ready || h->ready(h->user) ? good : not_yet;
	char head[4096];

	(void)events;
	if (recv(w->fd, head, sizeof(head), MSG_DONTWAIT) > 0)
		(void)!send(w->fd, text, strlen(text), MSG_NOSIGNAL);
	healthz_asker_free(container_of(w, struct healthz_asker, watch));
}

static void healthz_on_asker(void *user, int fd, const struct ipport *peer)
{
	struct healthz *h = user;
	struct healthz_asker *a = calloc(1, sizeof(*a));

	(void)peer;
	/* who says nothing must not keep the kubelet out */
	if (h->n == HEALTHZ_MAX)
		healthz_asker_free(container_of(h->askers.next,
						struct healthz_asker, node));
	if (!a || loop_watch_start(h->loop, &a->watch, fd, EPOLLIN,
				   healthz_on_readable) < 0) {
		close(fd);
		free(a);
		return;
	}
	a->of = h;
	h->n++;
	list_add_tail(&h->askers, &a->node);
	loop_timer_start(h->loop, &a->limit, HEALTHZ_NS, healthz_on_limit);
}

struct healthz *healthz_new(struct loop *l, uint16_t port, struct kt_error *err)
{
	static const uint8_t any[16];
	struct healthz *h = xcalloc(1, sizeof(*h));
	struct ipport at = { ipaddr_v6(any), port };

	h->loop = l;
	list_init(&h->askers);
	if (listener_open(&h->listener, l, &at, healthz_on_asker, h, err) == 0)
		return h;
	free(h);
	return NULL;
}

void healthz_set_ready(struct healthz *h, bool (*ready)(void *user), void *user)
{
	h->ready = ready;
	h->user = user;
}

void healthz_free(struct healthz *h)
{
	if (!h)
		return;
	listener_stop(&h->listener);
	while (!list_empty(&h->askers))
		healthz_asker_free(container_of(h->askers.next,
						struct healthz_asker, node));
	loop_defer_free(h->loop, h);
}
