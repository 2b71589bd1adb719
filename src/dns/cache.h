/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_DNS_CACHE_H
#define KT_DNS_CACHE_H

#include "wire/dns.h"

/**
 * DOC: Cache of the cluster's replies
 *
 * Whole messages, by question and by the flags that change a reply. A message
 * lives as long as its TTLs say, never longer than the maximum; a negative one
 * at most DNS_NEGATIVE_MAX seconds, so that a fresh Service is soon seen. When
 * the table is full the message that was used longest ago goes.
 */

#define DNS_CACHE_ENTRIES 4096
#define DNS_CACHE_BYTES (8u << 20)
#define DNS_NEGATIVE_MAX 5 /* seconds */

struct dns_cache;

/** struct dns_key - what must be equal for a reply to be the same */
struct dns_key {
	struct dns_name name;
	uint16_t type, klass;
	uint16_t flags; /* RD, AD, CD of the query */
	bool edns, dnssec_ok;
};

struct dns_key dns_key_of(const struct dns_query *q);
bool dns_key_eq(const struct dns_key *a, const struct dns_key *b);
uint64_t dns_key_hash(const struct dns_key *k);

/** dns_cache_new() - @max_ttl: seconds, 0 stores nothing */
struct dns_cache *dns_cache_new(uint32_t max_ttl);
void dns_cache_free(struct dns_cache *c);
/** dns_cache_flush() - forget everything (the cluster changed) */
void dns_cache_flush(struct dns_cache *c);
size_t dns_cache_count(const struct dns_cache *c);

/** dns_cache_put() - keep a copy of @msg if it may be kept; @now in ns */
void dns_cache_put(struct dns_cache *c, const struct dns_key *k,
		   const uint8_t *msg, size_t len, int64_t now);
/**
 * dns_cache_get() - the reply with its TTLs as they are @now
 * @out: DNS_MSG_MAX bytes
 * Return: its length, or -ENOENT.
 */
KT_CHECK ssize_t dns_cache_get(struct dns_cache *c, const struct dns_key *k,
			       int64_t now, uint8_t *out);

#endif
