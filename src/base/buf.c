/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_fini(struct buf *b)
{
	free(b->mem);
	*b = (struct buf){ .max = b->max };
}

void buf_reset(struct buf *b)
{
	b->off = 0;
	b->len = 0;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 256;
	uint8_t *mem;

	if (n > b->max || b->len > b->max - n)
		return NULL;
	if (b->off + b->len + n <= b->cap)
		return b->mem + b->off + b->len;
	if (b->off && b->len + n <= b->cap) {
		memmove(b->mem, b->mem + b->off, b->len);
		b->off = 0;
		return b->mem + b->len;
	}
	while (cap < b->len + n)
		cap *= 2;
	cap = MAX(MIN(cap, b->max), b->len + n);
	mem = malloc(cap);
	if (!mem)
		return NULL;
	if (b->len)
		memcpy(mem, b->mem + b->off, b->len);
	free(b->mem);
	b->mem = mem;
	b->cap = cap;
	b->off = 0;
	return b->mem + b->len;
}

void buf_commit(struct buf *b, size_t n)
{
	b->len += n;
}

int buf_put(struct buf *b, const void *data, size_t n)
{
	uint8_t *p;

	if (!n)
		return 0;
	if (n > b->max || b->len > b->max - n)
		return -ENOBUFS;
	p = buf_reserve(b, n);
	if (!p)
		return -ENOMEM;
	memcpy(p, data, n);
	b->len += n;
	return 0;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	auto_free char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0) {
		s = NULL;
		return -ENOMEM;
	}
	return buf_put(b, s, (size_t)n);
}

void buf_take(struct buf *b, size_t n)
{
	b->off += n;
	b->len -= n;
	if (!b->len)
		b->off = 0;
}

const uint8_t *rd_bytes(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (rd_left(r) < n)
		return NULL;
	r->p += n;
	return p;
}

bool rd_u8(struct rd *r, uint8_t *v)
{
	const uint8_t *p = rd_bytes(r, 1);

	if (p)
		*v = p[0];
	return p;
}

bool rd_u16(struct rd *r, uint16_t *v)
{
	const uint8_t *p = rd_bytes(r, 2);

	if (p)
		*v = (uint16_t)(p[0] << 8 | p[1]);
	return p;
}

bool rd_u32(struct rd *r, uint32_t *v)
{
	const uint8_t *p = rd_bytes(r, 4);

	if (p)
		*v = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
		     (uint32_t)p[2] << 8 | p[3];
	return p;
}

bool rd_u64(struct rd *r, uint64_t *v)
{
	uint32_t hi, lo;

	if (rd_left(r) < 8 || !rd_u32(r, &hi) || !rd_u32(r, &lo))
		return false;
	*v = (uint64_t)hi << 32 | lo;
	return true;
}

void wr_bytes(struct wr *w, const void *p, size_t n)
{
	if (w->full || (size_t)(w->end - w->p) < n) {
		w->full = true;
		return;
	}
	if (n)
		memcpy(w->p, p, n);
	w->p += n;
}

void wr_u8(struct wr *w, uint8_t v)
{
	wr_bytes(w, &v, 1);
}

void wr_u16(struct wr *w, uint16_t v)
{
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	wr_bytes(w, b, sizeof(b));
}

void wr_u32(struct wr *w, uint32_t v)
{
	uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16),
			 (uint8_t)(v >> 8), (uint8_t)v };

	wr_bytes(w, b, sizeof(b));
}

void wr_u64(struct wr *w, uint64_t v)
{
	if ((size_t)(w->end - w->p) < 8) {
		w->full = true;
		return;
	}
	wr_u32(w, (uint32_t)(v >> 32));
	wr_u32(w, (uint32_t)v);
}
