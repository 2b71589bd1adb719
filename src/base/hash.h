/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_HASH_H
#define KT_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/**
 * DOC: Hashes for tables
 *
 * SipHash-1-3 with a random key for each process: whoever chooses the names or
 * ports that go into a table cannot choose the bucket. Not for anything that
 * leaves the process: it is another one in the next.
 */

/** struct hash_key - secret */
struct hash_key {
	uint64_t a, b;
};

/** hash_bytes() - with the key of this process */
uint64_t hash_bytes(const void *p, size_t n);
/** hash_keyed() - SipHash-1-3 (Aumasson and Bernstein, 2012) */
uint64_t hash_keyed(const struct hash_key *key, const void *p, size_t n);

#endif
