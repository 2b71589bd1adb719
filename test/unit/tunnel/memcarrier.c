/* SPDX-License-Identifier: Apache-2.0 */
#include "memcarrier.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>

#define ROOM 4000

struct memcarrier {
	struct carrier base;
	struct loop *loop;
	struct memcarrier *peer; /* NULL: closed */
	struct buf in;
	struct timer timer;
	long *budget;
	unsigned int seed;
	bool dead, refused, closed;
};

static struct memcarrier *mem_of(struct carrier *c)
{
	return container_of(c, struct memcarrier, base);
}

static void on_timer(struct timer *t);

static void wake(struct memcarrier *m)
{
	if (!m->closed && !loop_timer_active(&m->timer))
		loop_timer_start(m->loop, &m->timer, 0, on_timer);
}

static void on_timer(struct timer *t)
{
	struct memcarrier *m = container_of(t, struct memcarrier, timer);
	struct kt_error err = { 0 };

	if (m->in.len) {
		/* exact copies, so that a sanitizer sees a byte too far */
		size_t n = 1 + (size_t)rand_r(&m->seed) % m->in.len;
		uint8_t *copy = xmalloc(n);

		for (size_t i = 0; i < n; i++)
			copy[i] = buf_data(&m->in)[i];
		buf_take(&m->in, n);
		m->base.handler->data(m->base.user, copy, n);
		free(copy);
		if (m->peer)
			wake(m->peer);
		if (!m->dead) /* closed by the handler */
			wake(m);
		return;
	}
	if (m->refused) {
		m->refused = false;
		m->base.handler->writable(m->base.user);
	}
	if (!m->dead && (!m->peer || *m->budget == 0)) {
		m->dead = true;
		kt_fail(&err, EPIPE, "cut");
		m->base.handler->closed(m->base.user, &err);
	}
}

static ssize_t mem_send(struct carrier *c, const struct iovec *iov, int n)
{
	struct memcarrier *m = mem_of(c);
	ssize_t total = 0;

	if (m->dead)
		return -EPIPE;
	if (!m->peer || *m->budget == 0) {
		wake(m);
		return -EAGAIN;
	}
	for (int i = 0; i < n; i++) {
		size_t room = ROOM - MIN(m->peer->in.len, (size_t)ROOM);
		size_t part = MIN(iov[i].iov_len, room);

		if (rand_r(&m->seed) % 8 == 0) {
			size_t few = (size_t)rand_r(&m->seed) % 50;

			part = MIN(part, few);
		}
		if (*m->budget >= 0)
			part = MIN(part, (size_t)*m->budget);
		if (*m->budget >= 0)
			*m->budget -= (long)part;
		if (buf_put(&m->peer->in, iov[i].iov_base, part) < 0)
			abort();
		total += (ssize_t)part;
		if (part < iov[i].iov_len) {
			m->refused = true;
			wake(m);
			break;
		}
	}
	wake(m->peer);
	return total ? total : -EAGAIN;
}

static void mem_close(struct carrier *c)
{
	struct memcarrier *m = mem_of(c);

	m->dead = true;
	m->closed = true; /* perhaps by a handler that on_timer() called */
	loop_timer_stop(&m->timer);
	if (m->peer) {
		m->peer->peer = NULL;
		wake(m->peer);
	}
	buf_fini(&m->in);
	loop_defer_free(m->loop, m);
}

static const struct carrier_ops ops = { mem_send, mem_close };

void memcarrier_pair(struct loop *loop, long *budget, unsigned int seed,
		     struct carrier *out[2])
{
	struct memcarrier *m[2];

	for (int i = 0; i < 2; i++) {
		m[i] = xcalloc(1, sizeof(*m[i]));
		m[i]->base.ops = &ops;
		m[i]->loop = loop;
		m[i]->budget = budget;
		m[i]->seed = seed * 2 + (unsigned int)i;
		buf_init(&m[i]->in, ROOM);
		out[i] = &m[i]->base;
	}
	m[0]->peer = m[1];
	m[1]->peer = m[0];
	/* what an opening carrier would say */
	m[0]->refused = true;
	wake(m[0]);
}
