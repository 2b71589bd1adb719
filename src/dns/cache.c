/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/cache.h"

#include "base/list.h"
#include "base/loop.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define BUCKETS 1024

struct cache_entry {
	struct list bucket, used; /* @used: oldest use first */
	struct dns_key key;
	int64_t stored, expires; /* ns */
	size_t len;
	uint8_t msg[];
};

struct dns_cache {
	uint32_t max_ttl;
	size_t count, bytes;
	struct list used;
	struct list buckets[BUCKETS];
};

struct dns_key dns_key_of(const struct dns_query *q)
{
	return (struct dns_key){
		.name = q->name,
		.type = q->type,
		.klass = q->klass,
		.flags = q->flags & (DNS_RD | DNS_AD | DNS_CD),
		.edns = q->edns,
		.dnssec_ok = q->dnssec_ok,
	};
}

bool dns_key_eq(const struct dns_key *a, const struct dns_key *b)
{
	return a->type == b->type && a->klass == b->klass &&
	       a->flags == b->flags && a->edns == b->edns &&
	       a->dnssec_ok == b->dnssec_ok && dns_name_eq(&a->name, &b->name);
}

uint64_t dns_key_hash(const struct dns_key *k)
{
	return dns_name_hash(&k->name) ^ k->type * 2654435761u;
}

struct dns_cache *dns_cache_new(uint32_t max_ttl)
{
	struct dns_cache *c = xcalloc(1, sizeof(*c));

	c->max_ttl = max_ttl;
	list_init(&c->used);
	for (size_t i = 0; i < BUCKETS; i++)
		list_init(&c->buckets[i]);
	return c;
}

static void entry_free(struct dns_cache *c, struct cache_entry *e)
{
	list_del(&e->bucket);
	list_del(&e->used);
	c->count--;
	c->bytes -= sizeof(*e) + e->len;
	free(e);
}

void dns_cache_flush(struct dns_cache *c)
{
	struct list *p, *tmp;

	list_for_each_safe (p, tmp, &c->used)
		entry_free(c, container_of(p, struct cache_entry, used));
}

void dns_cache_free(struct dns_cache *c)
{
	if (!c)
		return;
	dns_cache_flush(c);
	free(c);
}

size_t dns_cache_count(const struct dns_cache *c)
{
	return c->count;
}

static struct list *cache_bucket_of(struct dns_cache *c,
				    const struct dns_key *k)
{
	return &c->buckets[dns_key_hash(k) % BUCKETS];
}

static struct cache_entry *cache_find(struct dns_cache *c,
				      const struct dns_key *k)
{
	struct list *p, *head = cache_bucket_of(c, k);

	list_for_each (p, head) {
		struct cache_entry *e =
			container_of(p, struct cache_entry, bucket);

		if (dns_key_eq(&e->key, k))
			return e;
	}
	return NULL;
}

void dns_cache_put(struct dns_cache *c, const struct dns_key *k,
		   const uint8_t *msg, size_t len, int64_t now)
{
	struct cache_entry *e = cache_find(c, k);
	uint32_t ttl;
	bool negative;

	if (e)
		entry_free(c, e);
	if (dns_lifetime(msg, len, &ttl, &negative) < 0)
		return;
	ttl = MIN(ttl, c->max_ttl);
	if (negative)
		ttl = MIN(ttl, DNS_NEGATIVE_MAX);
	if (!ttl)
		return;
	while (c->count && (c->count >= DNS_CACHE_ENTRIES ||
			    c->bytes + len > DNS_CACHE_BYTES))
		entry_free(c, container_of(c->used.next, struct cache_entry,
					   used));
	e = malloc(sizeof(*e) + len);
	if (!e)
		return; /* only a cache */
	e->key = *k;
	e->stored = now;
	e->expires = now + ttl * NS_SEC;
	e->len = len;
	memcpy(e->msg, msg, len);
	list_add_head(cache_bucket_of(c, k), &e->bucket);
	list_add_tail(&c->used, &e->used);
	c->count++;
	c->bytes += sizeof(*e) + len;
}

ssize_t dns_cache_get(struct dns_cache *c, const struct dns_key *k, int64_t now,
		      uint8_t *out)
{
	struct cache_entry *e = cache_find(c, k);

	if (!e)
		return -ENOENT;
	if (e->expires <= now) {
		entry_free(c, e);
		return -ENOENT;
	}
	list_del(&e->used);
	list_add_tail(&c->used, &e->used);
	memcpy(out, e->msg, e->len);
	dns_age(out, e->len, (uint32_t)((now - e->stored) / NS_SEC),
		UINT32_MAX);
	return (ssize_t)e->len;
}
