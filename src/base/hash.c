/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include "base/loop.h"

#include <stdbool.h>
#include <sys/random.h>

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t hash_rotl(uint64_t x, unsigned int n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = hash_rotl(s->v1, 13) ^ s->v0;
	s->v0 = hash_rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = hash_rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = hash_rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = hash_rotl(s->v1, 17) ^ s->v2;
	s->v2 = hash_rotl(s->v2, 32);
}

static void sip_word(struct sip *s, uint64_t m)
{
	s->v3 ^= m;
	sip_round(s);
	s->v0 ^= m;
}

/* the first @n bytes, at most 8, as a little-endian number */
static uint64_t hash_word(const uint8_t *p, size_t n)
{
	uint64_t m = 0;

	for (size_t i = 0; i < n; i++)
		m |= (uint64_t)p[i] << (8 * i);
	return m;
}

uint64_t hash_keyed(const struct hash_key *key, const void *p, size_t n)
{
	struct sip s = { key->a ^ 0x736f6d6570736575,	/* "somepseu", */
			 key->b ^ 0x646f72616e646f6d,	/* "dorandom", */
			 key->a ^ 0x6c7967656e657261,	/* "lygenera", */
			 key->b ^ 0x7465646279746573 }; /* "tedbytes" */
	const uint8_t *at = p;
	size_t left = n;

	for (; left >= 8; left -= 8, at += 8)
		sip_word(&s, hash_word(at, 8));
	sip_word(&s, hash_word(at, left) | (uint64_t)n << 56);
	s.v2 ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t hash_bytes(const void *p, size_t n)
{
	static struct hash_key key;
	static bool made;

	if (!made) {
		/* before the kernel has randomness the time must do */
		if (getrandom(&key, sizeof(key), GRND_NONBLOCK) !=
		    (ssize_t)sizeof(key))
			key.a = (uint64_t)clock_ns();
		made = true;
	}
	return hash_keyed(&key, p, n);
}
