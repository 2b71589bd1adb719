/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/capsule.h"

#include "base/mem.h"

#include <errno.h>

bool varint_get(struct rd *r, uint64_t *v)
{
	struct rd start = *r;
	uint8_t b;

	if (!rd_u8(r, &b))
		return false;
	*v = b & 0x3f;
	for (int more = (1 << (b >> 6)) - 1; more; more--) {
		if (!rd_u8(r, &b)) {
			*r = start;
			return false;
		}
		*v = *v << 8 | b;
	}
	return true;
}

void varint_put(struct wr *w, uint64_t v)
{
	if (v < 1u << 6) {
		wr_u8(w, (uint8_t)v);
	} else if (v < 1u << 14) {
		wr_u16(w, (uint16_t)(v | 0x4000));
	} else if (v < 1u << 30) {
		wr_u32(w, (uint32_t)(v | 0x80000000u));
	} else {
		wr_u64(w, v | 0xc000000000000000u);
	}
}

size_t capsule_put_head(uint8_t out[CAPSULE_HEAD_MAX], uint64_t type,
			uint64_t len)
{
	struct wr w = wr_make(out, CAPSULE_HEAD_MAX);

	varint_put(&w, type);
	varint_put(&w, len);
	return wr_len(&w);
}

int capsule_put(struct buf *out, uint64_t type, const void *a, size_t alen,
		const void *b, size_t blen)
{
	uint8_t head[CAPSULE_HEAD_MAX];
	size_t n = capsule_put_head(head, type, alen + blen);
	size_t all = n + alen + blen;
	struct wr w;
	uint8_t *p;

	if (all > out->max || out->len > out->max - all)
		return -ENOBUFS;
	p = buf_reserve(out, all);
	if (!p)
		return -ENOMEM;
	w = wr_make(p, all);
	wr_bytes(&w, head, n);
	wr_bytes(&w, a, alen);
	wr_bytes(&w, b, blen);
	buf_commit(out, all);
	return 0;
}

void capsule_parser_init(struct capsule_parser *p)
{
	*p = (struct capsule_parser){ 0 };
	buf_init(&p->part, CAPSULE_VALUE_MAX);
}

void capsule_parser_fini(struct capsule_parser *p)
{
	buf_fini(&p->part);
}

/* true when type and length are known */
static bool capsule_take_head(struct capsule_parser *p, struct rd *in)
{
	uint8_t b;

	/* byte by byte: two integers are at most 16 of them */
	while (p->nhead < CAPSULE_HEAD_MAX && rd_u8(in, &b)) {
		struct rd r;

		p->head[p->nhead++] = b;
		r = rd_make(p->head, p->nhead);
		if (!varint_get(&r, &p->type) || !varint_get(&r, &p->left))
			continue;
		p->nhead = 0;
		p->in_value = true;
		p->skip = p->left > CAPSULE_VALUE_MAX;
		return true;
	}
	return false;
}

static int capsule_take_value(struct capsule_parser *p, struct rd *in,
			      struct capsule *c)
{
	size_t n = (size_t)MIN((uint64_t)rd_left(in), p->left);
	const uint8_t *b = rd_bytes(in, n);

	p->left -= n;
	if (!p->left)
		p->in_value = false;
	if (p->skip)
		return 0;
	c->type = p->type;
	if (!p->left && !p->part.len) { /* all of it lies here */
		c->value = b;
		c->len = n;
		return 1;
	}
	if (buf_put(&p->part, b, n) < 0)
		return -ENOMEM;
	if (p->left)
		return 0;
	c->value = buf_data(&p->part);
	c->len = p->part.len;
	p->reset = true;
	return 1;
}

int capsule_parse(struct capsule_parser *p, struct rd *in, struct capsule *c)
{
	if (p->reset) {
		buf_fini(&p->part);
		p->reset = false;
	}
	for (;;) {
		int rc;

		if (!p->in_value && !capsule_take_head(p, in))
			return 0;
		rc = capsule_take_value(p, in, c);
		if (rc || !rd_left(in))
			return rc;
	}
}
