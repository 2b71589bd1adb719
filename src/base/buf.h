/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KT_BASE_BUF_H
#define KT_BASE_BUF_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/**
 * struct buf - growing byte queue with a maximum
 *
 * Bytes are appended at the end and taken from the front. The maximum is set
 * once; an append past it fails with -ENOBUFS and changes nothing.
 */
struct buf {
	uint8_t *mem;
	size_t off; /* first byte not yet taken */
	size_t len; /* bytes queued */
	size_t cap;
	size_t max;
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
void buf_reset(struct buf *b); /* drop the bytes, keep the memory */
static inline uint8_t *buf_data(const struct buf *b)
{
	return b->off ? b->mem + b->off : b->mem; /* mem may be NULL */
}
/** buf_reserve() - room for @n bytes at the end, or NULL (maximum, memory) */
uint8_t *buf_reserve(struct buf *b, size_t n);
/** buf_commit() - @n bytes were written into the reserved room */
void buf_commit(struct buf *b, size_t n);
/** buf_put() - append; 0, -ENOBUFS (maximum) or -ENOMEM */
KT_CHECK int buf_put(struct buf *b, const void *data, size_t n);
KT_CHECK int buf_printf(struct buf *b, const char *fmt, ...) KT_PRINTF(2, 3);
/** buf_take() - drop @n (<= len) bytes from the front */
void buf_take(struct buf *b, size_t n);

/** struct rd - bounded reader over borrowed bytes; every read can fail */
struct rd {
	const uint8_t *p, *end;
};

static inline struct rd rd_make(const void *p, size_t n)
{
	return (struct rd){ p, n ? (const uint8_t *)p + n : p }; /* likewise */
}
static inline size_t rd_left(const struct rd *r)
{
	return (size_t)(r->end - r->p);
}
KT_CHECK bool rd_u8(struct rd *r, uint8_t *v);
KT_CHECK bool rd_u16(struct rd *r, uint16_t *v); /* network order -> host */
KT_CHECK bool rd_u32(struct rd *r, uint32_t *v);
KT_CHECK bool rd_u64(struct rd *r, uint64_t *v);
/** rd_bytes() - @n bytes in place, or NULL when fewer are left */
const uint8_t *rd_bytes(struct rd *r, size_t n);

/** struct wr - bounded writer; an overrun sets @full and writes nothing more */
struct wr {
	uint8_t *start, *p, *end;
	bool full;
};

static inline struct wr wr_make(void *p, size_t n)
{
	return (struct wr){ p, p, (uint8_t *)p + n, false };
}
static inline size_t wr_len(const struct wr *w)
{
	return (size_t)(w->p - w->start);
}
void wr_u8(struct wr *w, uint8_t v);
void wr_u16(struct wr *w, uint16_t v); /* host -> network order */
void wr_u32(struct wr *w, uint32_t v);
void wr_u64(struct wr *w, uint64_t v);
void wr_bytes(struct wr *w, const void *p, size_t n);

#endif
