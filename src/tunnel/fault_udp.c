/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/fault_udp.h"

#include "base/list.h"
#include "base/mem.h"
#include "tunnel/pace.h"

#include <errno.h>
#include <string.h>

#define QUEUE_MAX ((size_t)256 << 10) /* bytes, with what each costs */

/** struct fault_datagram - one that waits */
struct fault_datagram {
	struct list node;
	int64_t due;
	size_t len;
	uint8_t data[];
};

/** struct fault_queue - of one direction, in the order in which they are due */
struct fault_queue {
	struct fault_udp *owner;
	struct list list;
	size_t held;
	struct timer timer;
	int64_t free; /* when the line is */
	void (*pass)(void *user, const uint8_t *data, size_t len);
};

struct fault_udp {
	struct loop *loop;
	struct faults *faults;
	void *user;
	struct ipport to;
	char host[256];
	struct fault_queue out, back;
};

static void fault_queue_init(struct fault_queue *q, struct fault_udp *u,
			     void (*pass)(void *, const uint8_t *, size_t))
{
	q->owner = u;
	q->pass = pass;
	list_init(&q->list);
}

struct fault_udp *fault_udp_new(struct loop *loop, struct faults *f,
				const char *host, const struct ipport *to,
				const struct fault_udp_ops *ops, void *user)
{
	struct fault_udp *u;

	if (!f)
		return NULL;
	u = xcalloc(1, sizeof(*u));
	u->loop = loop;
	u->faults = f;
	u->user = user;
	u->to = *to;
	snprintf(u->host, sizeof(u->host), "%s", host ? host : "");
	fault_queue_init(&u->out, u, ops->out);
	fault_queue_init(&u->back, u, ops->back);
	return u;
}

static struct fault_datagram *fault_queue_first(struct fault_queue *q)
{
	return container_of(q->list.next, struct fault_datagram, node);
}

static void fault_queue_drop(struct fault_queue *q, struct fault_datagram *d)
{
	list_del(&d->node);
	q->held -= sizeof(*d) + d->len;
	free(d);
}

static void fault_queue_fini(struct fault_queue *q)
{
	loop_timer_stop(&q->timer);
	while (!list_empty(&q->list))
		fault_queue_drop(q, fault_queue_first(q));
}

void fault_udp_free(struct fault_udp *u)
{
	if (!u)
		return;
	fault_queue_fini(&u->out);
	fault_queue_fini(&u->back);
	loop_defer_free(u->loop, u);
}

/* --- what waits ----------------------------------------------------------- */

static void fault_queue_arm(struct fault_queue *q);

/* One at a time: whoever it is passed to may end the conversation. */
static void fault_queue_on_timer(struct timer *t)
{
	struct fault_queue *q = container_of(t, struct fault_queue, timer);
	struct fault_datagram *d = fault_queue_first(q);

	list_del(&d->node);
	q->held -= sizeof(*d) + d->len;
	fault_queue_arm(q);
	q->pass(q->owner->user, d->data, d->len);
	free(d);
}

static void fault_queue_arm(struct fault_queue *q)
{
	struct loop *loop = q->owner->loop;

	if (!list_empty(&q->list))
		loop_timer_start(
			loop, &q->timer,
			MAX(fault_queue_first(q)->due - loop_now(loop), 0),
			fault_queue_on_timer);
}

/* When a datagram of @len that comes @after is through */
static int64_t fault_queue_due(struct fault_queue *q, const struct fault *f,
			       int64_t after, size_t len)
{
	int64_t now = loop_now(q->owner->loop);

	if (f->rate) {
		q->free = MAX(q->free, now) +
			  (int64_t)((double)len * (double)NS_SEC /
				    (double)f->rate);
		return q->free + after;
	}
	return now + after;
}

/* Jitter may change the order, as on any network; the rate does not. What has
 * no room is lost, and takes no time of the line. */
static void fault_queue_put(struct fault_queue *q, const struct fault *f,
			    int64_t after, const uint8_t *data, size_t len)
{
	struct fault_datagram *d;
	struct list *at = q->list.prev;
	int64_t due;

	if (q->held + sizeof(*d) + len > QUEUE_MAX)
		return;
	d = malloc(sizeof(*d) + len);
	if (!d)
		return;
	due = fault_queue_due(q, f, after, len);
	d->due = due;
	d->len = len;
	memcpy(d->data, data, len);
	while (at != &q->list &&
	       container_of(at, struct fault_datagram, node)->due > due)
		at = at->prev;
	list_add_tail(at->next, &d->node);
	q->held += sizeof(*d) + len;
	fault_queue_arm(q);
}

/* --- who is hit ----------------------------------------------------------- */

int fault_udp_out(struct fault_udp *u, const uint8_t *data, size_t len)
{
	const struct fault *f = u ? faults_pick(u->faults, FAULT_UDP, FAULT_OUT,
						u->host, &u->to)
				  : NULL;

	if (!f)
		return 0;
	if (f->act == FAULT_REFUSE)
		return -ECONNREFUSED;
	if (f->act == FAULT_DROP)
		return 1;
	fault_queue_put(&u->out, f, 0, data, len);
	return 1;
}

int fault_udp_back(struct fault_udp *u, const uint8_t *data, size_t len)
{
	const struct fault *f = u ? faults_pick(u->faults, FAULT_UDP,
						FAULT_BACK, u->host, &u->to)
				  : NULL;

	if (!f)
		return 0;
	fault_queue_put(&u->back, f, pace_delay(f, faults_random(u->faults)),
			data, len);
	return 1;
}
