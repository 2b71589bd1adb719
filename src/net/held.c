/* SPDX-License-Identifier: Apache-2.0 */
#include "net/held.h"

#include "base/loop.h"

#include <errno.h>
#include <string.h>

#define NBUCKETS 16384
#define FIRST_GAP (3 * NS_SEC)
#define ACCEPT_WAIT (3 * NS_SEC)
/* A SYN is not repeated before 1 s: an attempt that was over sooner has no
 * repetition in any queue. */
#define NO_REPEAT (500 * NS_MS)
#define LINGER (2 * NS_SEC)
#define SETTLE (100 * NS_MS)

int held_init(struct held_table *t, size_t max)
{
	*t = (struct held_table){ .nbuckets = NBUCKETS, .max = max };
	list_init(&t->all);
	t->buckets = malloc(t->nbuckets * sizeof(*t->buckets));
	if (!t->buckets)
		return -ENOMEM;
	for (size_t i = 0; i < t->nbuckets; i++)
		list_init(&t->buckets[i]);
	return 0;
}

void held_fini(struct held_table *t)
{
	if (!t->buckets)
		return;
	while (!list_empty(&t->all))
		held_remove(t,
			    container_of(t->all.next, struct held, in_table));
	free(t->buckets);
	t->buckets = NULL;
}

static struct list *bucket(const struct held_table *t, const struct ipport *src,
			   const struct ipport *dst)
{
	return &t->buckets[ipport_hash(src, dst) % t->nbuckets];
}

struct held *held_find(const struct held_table *t, const struct ipport *src,
		       const struct ipport *dst)
{
	struct list *b = bucket(t, src, dst);
	struct list *pos;

	list_for_each (pos, b) {
		struct held *h = container_of(pos, struct held, in_bucket);

		if (ipport_eq(&h->pub.src, src) && ipport_eq(&h->pub.dst, dst))
			return h;
	}
	return NULL;
}

/* A full table forgets what is over first. */
static bool held_make_room(struct held_table *t)
{
	struct list *pos, *tmp;

	if (t->n < t->max)
		return true;
	list_for_each_safe (pos, tmp, &t->all) {
		struct held *h = container_of(pos, struct held, in_table);

		if (h->state == HELD_DONE || h->state == HELD_SILENT)
			held_remove(t, h);
	}
	return t->n < t->max;
}

struct held *held_add(struct held_table *t, const struct ipport *src,
		      const struct ipport *dst, uint32_t isn, const void *syn,
		      size_t len, int64_t now)
{
	struct held *h;

	if (len > HELD_MAX_SYN || !held_make_room(t))
		return NULL;
	h = calloc(1, sizeof(*h) + len);
	if (!h)
		return NULL;
	h->pub.src = *src;
	h->pub.dst = *dst;
	h->isn = isn;
	h->first = h->last = now;
	h->syn_len = len;
	memcpy(h->syn, syn, len);
	list_add_tail(bucket(t, src, dst), &h->in_bucket);
	list_add_tail(&t->all, &h->in_table);
	t->n++;
	return h;
}

void held_unlink(struct held_table *t, struct held *h)
{
	list_del(&h->in_bucket);
	list_del(&h->in_table);
	t->n--;
}

void held_remove(struct held_table *t, struct held *h)
{
	held_unlink(t, h);
	free(h);
}

/* How long an attempt that is over is remembered. */
static int64_t held_linger(const struct held *h)
{
	if (h->answered - h->first >= NO_REPEAT)
		return LINGER;
	return h->errnum ? 0 : SETTLE;
}

void held_done(struct held_table *t, struct held *h, int64_t now)
{
	h->state = HELD_DONE;
	h->answered = now;
	h->pub.user = NULL;
	if (held_linger(h) == 0)
		held_remove(t, h);
}

bool held_settling(const struct held *h, int64_t now)
{
	return h->state == HELD_INJECTED ||
	       (h->state == HELD_DONE && !h->errnum &&
		now - h->answered <= SETTLE);
}

bool held_expired(const struct held *h, int64_t now)
{
	switch (h->state) {
	case HELD_DIALLING:
	case HELD_WAITING:
	case HELD_SILENT:
		return now - h->last > FIRST_GAP + 2 * (h->last - h->first);
	case HELD_INJECTED:
		return now - MAX(h->answered, h->last) > ACCEPT_WAIT;
	case HELD_DONE:
		return now - h->answered > held_linger(h);
	}
	return true;
}
