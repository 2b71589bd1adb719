/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/inflate.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define HEAD 10 /* without optional fields */
#define TAIL 8	/* CRC-32, size */
#define MAX_BITS 15
#define LITERALS 288
#define DISTANCES 30
#define LENGTH_CODES 19
#define END_OF_BLOCK 256
#define FAST_BITS 9   /* codes up to here are looked up at once */
#define FAST_LENGTH 4 /* bits of an entry that tell the code's length */

/* A canonical code (RFC 1951, 3.2.2): the symbols in the order of their codes,
 * and how many have each length; and by the next bits of the input the symbol
 * and the length of its code, 0 where it is longer or there is none */
struct inflate_code {
	uint16_t count[MAX_BITS + 1];
	uint16_t symbol[LITERALS];
	uint16_t fast[1 << FAST_BITS];
};

struct inflate {
	const uint8_t *in, *end;
	uint32_t bits; /* read, not used yet */
	unsigned int nbits;
	uint8_t *out;
	size_t size, n; /* of @out, and written */
	bool bad;
	struct inflate_code literal, distance;
};

/* The next @n (at most 16) bits; 0 when there are no more */
static uint32_t inflate_bits(struct inflate *s, unsigned int n)
{
	uint32_t v;

	while (s->nbits < n) {
		if (s->in == s->end) {
			s->bad = true;
			return 0;
		}
		s->bits |= (uint32_t)*s->in++ << s->nbits;
		s->nbits += 8;
	}
	v = s->bits & ((1U << n) - 1);
	s->bits >>= n;
	s->nbits -= n;
	return v;
}

/* Bytes that were read ahead */
static void inflate_give_back(struct inflate *s)
{
	s->in -= s->nbits / 8;
	s->nbits %= 8;
	s->bits &= (1U << s->nbits) - 1;
}

/* Codes of one length are consecutive numbers; the first of the next length
 * follows the last of this one, one bit longer. */
static unsigned int inflate_long_symbol(struct inflate *s,
					const struct inflate_code *c)
{
	unsigned int code = 0, first = 0, before = 0;

	for (unsigned int len = 1; len <= MAX_BITS && !s->bad; len++) {
		unsigned int count = c->count[len];

		code |= inflate_bits(s, 1);
		if (code < first + count)
			return c->symbol[before + (code - first)];
		before += count;
		first = (first + count) << 1;
		code <<= 1;
	}
	s->bad = true;
	return 0;
}

static unsigned int inflate_symbol(struct inflate *s,
				   const struct inflate_code *c)
{
	unsigned int entry, n;

	while (s->nbits < FAST_BITS && s->in < s->end) {
		s->bits |= (uint32_t)*s->in++ << s->nbits;
		s->nbits += 8;
	}
	entry = c->fast[s->bits & ((1U << FAST_BITS) - 1)];
	n = entry & ((1U << FAST_LENGTH) - 1);
	if (!n || n > s->nbits)
		return inflate_long_symbol(s, c);
	s->bits >>= n;
	s->nbits -= n;
	return entry >> FAST_LENGTH;
}

/* Codes come with their first bit first: as numbers they are read backwards */
static void inflate_code_fast(struct inflate_code *c)
{
	unsigned int code = 0, at = 0;

	memset(c->fast, 0, sizeof(c->fast));
	for (unsigned int len = 1; len <= FAST_BITS; len++, code <<= 1)
		for (unsigned int i = 0; i < c->count[len]; i++, code++) {
			unsigned int entry = c->symbol[at++] << FAST_LENGTH;
			unsigned int k = 0;

			for (unsigned int bit = 0; bit < len; bit++)
				k |= (code >> bit & 1) << (len - 1 - bit);
			for (; k < 1U << FAST_BITS; k += 1U << len)
				c->fast[k] = (uint16_t)(entry | len);
		}
}

/* false: the lengths make no code. One that lacks words is allowed only where
 * it has one of one bit, or none. */
static bool inflate_code_make(struct inflate_code *c, const uint8_t *length,
			      unsigned int n)
{
	uint16_t next[MAX_BITS + 1];
	int left = 1;

	memset(c->count, 0, sizeof(c->count));
	for (unsigned int i = 0; i < n; i++)
		c->count[length[i]]++;
	for (unsigned int len = 1; len <= MAX_BITS; len++) {
		left = (left << 1) - c->count[len];
		if (left < 0)
			return false;
	}
	if (left > 0 && n - c->count[0] > 1)
		return false;
	if (left > 0 && n - c->count[0] == 1 && c->count[1] != 1)
		return false;
	next[1] = 0;
	for (unsigned int len = 1; len < MAX_BITS; len++)
		next[len + 1] = next[len] + c->count[len];
	for (unsigned int i = 0; i < n; i++)
		if (length[i])
			c->symbol[next[length[i]]++] = (uint16_t)i;
	c->count[0] = 0;
	inflate_code_fast(c);
	return true;
}

static void inflate_stored(struct inflate *s)
{
	size_t len, left;

	inflate_give_back(s);
	s->bits = s->nbits = 0; /* less than a byte is left there */
	left = (size_t)(s->end - s->in);
	if (left < 4) {
		s->bad = true;
		return;
	}
	len = s->in[0] | (size_t)s->in[1] << 8;
	if ((len ^ 0xffff) != (s->in[2] | (size_t)s->in[3] << 8) ||
	    len > left - 4 || len > s->size - s->n) {
		s->bad = true;
		return;
	}
	memcpy(s->out + s->n, s->in + 4, len);
	s->n += len;
	s->in += 4 + len;
}

static void inflate_copy(struct inflate *s, unsigned int symbol)
{
	static const uint16_t base[] = { 3,   4,   5,	6,   7,	 8,  9,	 10,
					 11,  13,  15,	17,  19, 23, 27, 31,
					 35,  43,  51,	59,  67, 83, 99, 115,
					 131, 163, 195, 227, 258 };
	static const uint8_t extra[] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1,
					 1, 1, 2, 2, 2, 2, 3, 3, 3, 3,
					 4, 4, 4, 4, 5, 5, 5, 5, 0 };
	static const uint16_t far[] = { 1,    2,    3,	  4,	 5,	7,
					9,    13,   17,	  25,	 33,	49,
					65,   97,   129,  193,	 257,	385,
					513,  769,  1025, 1537,	 2049,	3073,
					4097, 6145, 8193, 12289, 16385, 24577 };
	unsigned int i = symbol - END_OF_BLOCK - 1, d;
	size_t len, back;

	if (i >= sizeof(extra)) {
		s->bad = true;
		return;
	}
	len = base[i] + inflate_bits(s, extra[i]);
	d = inflate_symbol(s, &s->distance);
	if (d >= DISTANCES) {
		s->bad = true;
		return;
	}
	back = far[d] + inflate_bits(s, d < 2 ? 0 : d / 2 - 1);
	if (s->bad || back > s->n || len > s->size - s->n) {
		s->bad = true;
		return;
	}
	for (; len; len--, s->n++) /* what is copied may be just being made */
		s->out[s->n] = s->out[s->n - back];
}

static void inflate_symbols(struct inflate *s)
{
	while (!s->bad) {
		unsigned int symbol = inflate_symbol(s, &s->literal);

		if (s->bad || symbol == END_OF_BLOCK)
			return;
		if (symbol > END_OF_BLOCK)
			inflate_copy(s, symbol);
		else if (s->n < s->size)
			s->out[s->n++] = (uint8_t)symbol;
		else
			s->bad = true;
	}
}

static void inflate_fixed(struct inflate *s)
{
	uint8_t length[LITERALS];

	memset(length, 8, 144);
	memset(length + 144, 9, 256 - 144);
	memset(length + 256, 7, 280 - 256);
	memset(length + 280, 8, LITERALS - 280);
	s->bad |= !inflate_code_make(&s->literal, length, LITERALS);
	memset(length, 5, 32);
	s->bad |= !inflate_code_make(&s->distance, length, 32);
	inflate_symbols(s);
}

/* The lengths of both codes, as one run (RFC 1951, 3.2.7) */
static void inflate_lengths(struct inflate *s, uint8_t *length, unsigned int n)
{
	unsigned int i = 0;

	while (i < n && !s->bad) {
		unsigned int symbol = inflate_symbol(s, &s->literal), times = 1;
		uint8_t value = (uint8_t)symbol;

		if (symbol == 16) {
			s->bad |= i == 0;
			value = i ? length[i - 1] : 0;
			times = 3 + inflate_bits(s, 2);
		} else if (symbol > 16) {
			value = 0;
			times = symbol == 17 ? 3 + inflate_bits(s, 3)
					     : 11 + inflate_bits(s, 7);
		}
		if (times > n - i)
			s->bad = true;
		else
			memset(length + i, value, times);
		i += times;
	}
}

static void inflate_dynamic(struct inflate *s)
{
	static const uint8_t order[LENGTH_CODES] = { 16, 17, 18, 0,  8, 7,  9,
						     6,	 10, 5,	 11, 4, 12, 3,
						     13, 2,  14, 1,  15 };
	uint8_t length[LITERALS + 32] = { 0 };
	unsigned int nliteral = 257 + inflate_bits(s, 5);
	unsigned int ndistance = 1 + inflate_bits(s, 5);
	unsigned int n = 4 + inflate_bits(s, 4);

	for (unsigned int i = 0; i < n; i++)
		length[order[i]] = (uint8_t)inflate_bits(s, 3);
	if (s->bad || nliteral > 286 || ndistance > DISTANCES ||
	    !inflate_code_make(&s->literal, length, LENGTH_CODES)) {
		s->bad = true;
		return;
	}
	memset(length, 0, sizeof(length));
	inflate_lengths(s, length, nliteral + ndistance);
	if (s->bad || !length[END_OF_BLOCK] ||
	    !inflate_code_make(&s->literal, length, nliteral) ||
	    !inflate_code_make(&s->distance, length + nliteral, ndistance)) {
		s->bad = true;
		return;
	}
	inflate_symbols(s);
}

static bool inflate_is_gzip(const uint8_t *in, size_t n)
{
	return n >= HEAD + TAIL && in[0] == 0x1f && in[1] == 0x8b &&
	       in[2] == 8 && in[3] == 0;
}

uint32_t gzip_size(const uint8_t *in, size_t n)
{
	const uint8_t *p;

	if (!inflate_is_gzip(in, n))
		return 0;
	p = in + n - 4;
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

int gzip_inflate(const uint8_t *in, size_t n, uint8_t *out, size_t size)
{
	struct inflate s = { .out = out, .size = size };
	bool last = false;

	if (!inflate_is_gzip(in, n) || gzip_size(in, n) != (uint32_t)size)
		return -EPROTO;
	s.in = in + HEAD;
	s.end = in + n - TAIL;
	while (!last && !s.bad) {
		last = inflate_bits(&s, 1);
		switch (inflate_bits(&s, 2)) {
		case 0:
			inflate_stored(&s);
			break;
		case 1:
			inflate_fixed(&s);
			break;
		case 2:
			inflate_dynamic(&s);
			break;
		default:
			s.bad = true;
		}
	}
	inflate_give_back(&s);
	return s.bad || s.n != size || s.in != s.end ? -EPROTO : 0;
}
