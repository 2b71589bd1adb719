/* SPDX-License-Identifier: Apache-2.0 */
#include "base/flows.h"

static size_t flows_bucket_of(const struct ipport *src,
			      const struct ipport *dst)
{
	return ipport_hash(src, dst) % FLOWS_BUCKETS;
}

void flows_init(struct flows *t, size_t max, flow_free_fn fn)
{
	for (size_t i = 0; i < FLOWS_BUCKETS; i++)
		list_init(&t->bucket[i]);
	list_init(&t->idle);
	t->n = 0;
	t->max = max;
	t->free = fn;
}

void flows_remove(struct flows *t, struct flow *f)
{
	list_del(&f->chain);
	list_del(&f->idle);
	t->n--;
	t->free(f);
}

static struct flow *oldest(struct flows *t)
{
	return container_of(t->idle.next, struct flow, idle);
}

void flows_fini(struct flows *t)
{
	while (!list_empty(&t->idle))
		flows_remove(t, oldest(t));
}

struct flow *flows_find(const struct flows *t, const struct ipport *src,
			const struct ipport *dst)
{
	const struct list *head = &t->bucket[flows_bucket_of(src, dst)];
	struct list *n;

	list_for_each (n, head) {
		struct flow *f = container_of(n, struct flow, chain);

		if (ipport_eq(&f->src, src) && ipport_eq(&f->dst, dst))
			return f;
	}
	return NULL;
}

void flows_add(struct flows *t, struct flow *f, const struct ipport *src,
	       const struct ipport *dst, int64_t now)
{
	if (t->n >= t->max)
		flows_remove(t, oldest(t));
	f->src = *src;
	f->dst = *dst;
	f->used = now;
	list_add_tail(&t->bucket[flows_bucket_of(src, dst)], &f->chain);
	list_add_tail(&t->idle, &f->idle);
	t->n++;
}

void flows_touch(struct flows *t, struct flow *f, int64_t now)
{
	f->used = now;
	list_del(&f->idle);
	list_add_tail(&t->idle, &f->idle);
}

void flows_expire(struct flows *t, int64_t before)
{
	while (!list_empty(&t->idle) && oldest(t)->used < before)
		flows_remove(t, oldest(t));
}
