/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_WIRE_SHA256_H
#define KT_WIRE_SHA256_H

#include <stddef.h>
#include <stdint.h>

/**
 * DOC: SHA-256 (FIPS 180-4)
 *
 * Of one piece of memory, for the loader, which has no C library
 * (shadow/start.c), and for who tells it what to expect.
 */

#define SHA256_SIZE 32
#define SHA256_HEX (2 * SHA256_SIZE + 1)

struct sha256 {
	uint32_t state[8];
	uint64_t len;
	uint8_t block[64];
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t len);
/** sha256_end() - the digest as lower-case hexadecimal text; returns @dst */
const char *sha256_end(struct sha256 *s, char dst[SHA256_HEX]);

#endif
