/* SPDX-License-Identifier: Apache-2.0 */
#include "pathcarrier.h"

#include "base/list.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define LOOK_NS (5 * NS_MS)

struct chunk {
	struct list node;
	int64_t due;
	size_t len;
	uint8_t mem[];
};

struct pathcarrier {
	struct carrier base;
	struct loop *loop;
	struct path *path;
	struct pathcarrier *peer; /* NULL: closed */
	struct list in;		  /* of struct chunk: on the way to us */
	size_t queued;		  /* bytes in it */
	int64_t begun;
	int64_t last;	  /* when the last of it has left */
	int64_t last_due; /* and arrives */
	size_t lost;	  /* bytes since the last loss */
	struct timer timer;
	bool opened, refused, dead, first; /* out[0] */
};

static struct pathcarrier *path_of(struct carrier *c)
{
	return container_of(c, struct pathcarrier, base);
}

static bool path_is_stuck(const struct pathcarrier *m)
{
	return m->path->stuck && (m->first || !m->path->one_way);
}

static void path_on_timer(struct timer *t);

static void path_wake(struct pathcarrier *m)
{
	struct chunk *c = list_empty(&m->in) ? NULL
					     : container_of(m->in.next,
							    struct chunk, node);
	int64_t wait = LOOK_NS;

	if (m->dead)
		return;
	if (c && m->opened && !path_is_stuck(m))
		wait = MIN(wait, MAX(c->due - clock_ns(), 0));
	loop_timer_start(m->loop, &m->timer, wait, path_on_timer);
}

static void path_deliver(struct pathcarrier *m)
{
	while (!m->dead && !path_is_stuck(m) && !list_empty(&m->in)) {
		struct chunk *c = container_of(m->in.next, struct chunk, node);

		if (c->due > clock_ns())
			return;
		list_del(&c->node);
		m->queued -= c->len;
		if (m->peer && m->peer->refused)
			path_wake(m->peer);
		m->base.handler->data(m->base.user, c->mem, c->len);
		free(c);
	}
}

static void path_on_timer(struct timer *t)
{
	struct pathcarrier *m = container_of(t, struct pathcarrier, timer);
	struct kt_error err = { 0 };

	if (!m->opened && m->first &&
	    clock_ns() < m->begun + m->path->open_ns) {
		path_wake(m);
		return;
	}
	if (!m->opened) {
		m->opened = true;
		m->base.handler->opened(m->base.user);
	}
	path_deliver(m);
	if (!m->dead && m->refused && m->peer &&
	    m->peer->queued < m->path->queue / 2) {
		m->refused = false;
		m->base.handler->writable(m->base.user);
	}
	if (!m->dead && (m->path->dead || (!m->peer && list_empty(&m->in)))) {
		m->dead = true;
		kt_fail(&err, EPIPE, "the path is gone");
		m->base.handler->closed(m->base.user, &err);
	}
	path_wake(m);
}

static void path_put(struct pathcarrier *to, const struct iovec *iov, size_t n)
{
	struct chunk *c = xmalloc(sizeof(*c) + n);
	struct path *p = to->path;

	memcpy(c->mem, iov->iov_base, n);
	c->len = n;
	to->last = MAX(to->last, clock_ns()) +
		   (int64_t)((double)n * (double)NS_SEC / (double)p->rate);
	c->due = MAX(to->last + p->delay_ns, to->last_due);
	to->lost += n;
	if (p->loss && to->lost >= p->loss) {
		to->lost = 0;
		c->due += 2 * p->delay_ns;
	}
	to->last_due = c->due;
	to->queued += n;
	list_add_tail(&to->in, &c->node);
	if (to->in.next == &c->node)
		path_wake(to);
}

static ssize_t path_send(struct carrier *c, const struct iovec *iov, int n)
{
	struct pathcarrier *m = path_of(c);
	ssize_t total = 0;

	if (m->dead || m->path->dead)
		return -EPIPE;
	if (m->first && !m->opened)
		return -EAGAIN;
	for (int i = 0; i < n; i++) {
		size_t room = m->path->queue -
			      MIN(m->peer ? m->peer->queued : m->path->queue,
				  m->path->queue);
		size_t part = MIN(iov[i].iov_len, room);

		if (part)
			path_put(m->peer, &iov[i], part);
		total += (ssize_t)part;
		if (part < iov[i].iov_len) {
			m->refused = true;
			break;
		}
	}
	return total ? total : -EAGAIN;
}

static void path_close(struct carrier *c)
{
	struct pathcarrier *m = path_of(c);

	m->dead = true;
	loop_timer_stop(&m->timer);
	while (!list_empty(&m->in)) {
		struct chunk *k = container_of(m->in.next, struct chunk, node);

		list_del(&k->node);
		free(k);
	}
	if (m->peer)
		m->peer->peer = NULL;
	loop_defer_free(m->loop, m);
}

static const struct carrier_ops ops = { path_send, path_close };

void pathcarrier_pair(struct loop *loop, struct path *p, struct carrier *out[2])
{
	struct pathcarrier *m[2];

	for (int i = 0; i < 2; i++) {
		m[i] = xcalloc(1, sizeof(*m[i]));
		m[i]->base.ops = &ops;
		m[i]->loop = loop;
		m[i]->path = p;
		m[i]->first = i == 0;
		m[i]->begun = clock_ns();
		list_init(&m[i]->in);
		out[i] = &m[i]->base;
	}
	m[0]->peer = m[1];
	m[1]->peer = m[0];
	path_wake(m[0]);
	path_wake(m[1]);
}
