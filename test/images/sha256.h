// SPDX-License-Identifier: Apache-2.0
/*
 * sha256.h: SHA-256 (FIPS 180-4) in a few lines, for the test programs.
 */
#ifndef KT_TEST_SHA256_H
#define KT_TEST_SHA256_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct sha256 {
	uint32_t h[8];
	uint64_t total;
	uint8_t block[64];
};

static const uint32_t sha256_k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t sha256_ror(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

static inline void sha256_init(struct sha256 *s)
{
	static const uint32_t start[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};

	memset(s, 0, sizeof(*s));
	memcpy(s->h, start, sizeof(start));
}

/* One of 64 steps. Instead of moving the eight values, each step takes them
 * under names moved on by one: @i is known when this is compiled. */
#define SHA256_STEP(v, w, i)                                                   \
	do {                                                                   \
		uint32_t a = v[-(i)&7], b = v[(1 - (i)) & 7];                  \
		uint32_t c = v[(2 - (i)) & 7], e = v[(4 - (i)) & 7];           \
		uint32_t f = v[(5 - (i)) & 7], g = v[(6 - (i)) & 7];           \
		uint32_t t = v[(7 - (i)) & 7] + sha256_k[i] + w[i];            \
		t += sha256_ror(e, 6) ^ sha256_ror(e, 11) ^ sha256_ror(e, 25); \
		t += (e & f) ^ (~e & g);                                       \
		v[(3 - (i)) & 7] += t;                                         \
		t += sha256_ror(a, 2) ^ sha256_ror(a, 13) ^ sha256_ror(a, 22); \
		v[(7 - (i)) & 7] = t + ((a & b) ^ (a & c) ^ (b & c));          \
	} while (0)

static inline void sha256_block(struct sha256 *s, const uint8_t *p)
{
	uint32_t w[64], v[8];

	for (int i = 0; i < 16; i++, p += 4)
		w[i] = (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];

		a = sha256_ror(a, 7) ^ sha256_ror(a, 18) ^ a >> 3;
		b = sha256_ror(b, 17) ^ sha256_ror(b, 19) ^ b >> 10;
		w[i] = w[i - 16] + a + w[i - 7] + b;
	}
	memcpy(v, s->h, sizeof(v));
	for (int i = 0; i < 64; i += 8) {
		SHA256_STEP(v, w, i);
		SHA256_STEP(v, w, i + 1);
		SHA256_STEP(v, w, i + 2);
		SHA256_STEP(v, w, i + 3);
		SHA256_STEP(v, w, i + 4);
		SHA256_STEP(v, w, i + 5);
		SHA256_STEP(v, w, i + 6);
		SHA256_STEP(v, w, i + 7);
	}
	for (int i = 0; i < 8; i++)
		s->h[i] += v[i];
}

static inline void sha256_add(struct sha256 *s, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t have = s->total % 64, n;

	s->total += len;
	while (len) {
		if (!have && len >= 64) {
			sha256_block(s, p);
			n = 64;
		} else {
			n = len < 64 - have ? len : 64 - have;
			memcpy(s->block + have, p, n);
			have += n;
			if (have == 64) {
				sha256_block(s, s->block);
				have = 0;
			}
		}
		p += n;
		len -= n;
	}
}

/* End it, and write the digest as 64 hexadecimal digits and a NUL. */
static inline void sha256_hex(struct sha256 *s, char out[65])
{
	uint64_t bits = s->total * 8;
	uint8_t pad[72] = { 0x80 };
	size_t zeros = (119 - s->total % 64) % 64 + 1;

	for (int i = 0; i < 8; i++)
		pad[zeros + i] = bits >> (56 - 8 * i);
	sha256_add(s, pad, zeros + 8);
	for (int i = 0; i < 8; i++)
		snprintf(out + 8 * i, 9, "%08x", s->h[i]);
}

#endif
