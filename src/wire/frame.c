/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/frame.h"

#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define HELLO_LEN (4 + 2 + 2 + FRAME_ID_LEN + 1 + 1 + 2 + 4)

static const char *const type_names[] = {
	"?",   "HELLO", "HELLO_ACK", "REFUSE", "DATA",
	"ACK", "PING",	"PONG",	     "CLOSE",
};
static_assert(ARRAY_SIZE(type_names) == FRAME_NTYPES_, "one name per type");

const char *frame_type_name(uint8_t type)
{
	return type_names[type < FRAME_NTYPES_ ? type : 0];
}

void frame_put_header(uint8_t out[FRAME_HEADER_LEN], const struct frame_hdr *h)
{
	struct wr w = wr_make(out, FRAME_HEADER_LEN);

	wr_u8(&w, h->type);
	wr_u8(&w, h->flags);
	wr_u16(&w, 0);
	wr_u32(&w, h->len);
	wr_u64(&w, h->seq);
	wr_u64(&w, h->ack);
}

/* room for one whole frame; the header is written, the payload to be filled */
static uint8_t *frame_put_frame(struct buf *out, struct frame_hdr *h,
				size_t len)
{
	uint8_t *p = buf_reserve(out, FRAME_HEADER_LEN + len);

	if (!p)
		return NULL;
	h->len = (uint32_t)len;
	frame_put_header(p, h);
	buf_commit(out, FRAME_HEADER_LEN + len);
	return p + FRAME_HEADER_LEN;
}

int frame_put_hello(struct buf *out, struct frame_hdr h,
		    const struct frame_hello *hello)
{
	size_t n = strnlen(hello->who, FRAME_WHO_MAX);
	uint8_t *p = frame_put_frame(out, &h, HELLO_LEN + 1 + n + 4);
	struct wr w;

	if (!p)
		return -ENOBUFS;
	w = wr_make(p, HELLO_LEN + 1 + n + 4);
	wr_u32(&w, FRAME_MAGIC);
	wr_u16(&w, hello->version_min);
	wr_u16(&w, hello->version_max);
	wr_bytes(&w, hello->id, FRAME_ID_LEN);
	wr_u8(&w, hello->role);
	wr_u8(&w, hello->flags);
	wr_u16(&w, 0);
	wr_u32(&w, hello->window);
	wr_u8(&w, (uint8_t)n);
	wr_bytes(&w, hello->who, n);
	wr_u32(&w, hello->keep_ms);
	return 0;
}

int frame_put_text(struct buf *out, struct frame_hdr h, uint16_t code,
		   const char *text)
{
	size_t n = strnlen(text, FRAME_TEXT_MAX);
	uint8_t *p = frame_put_frame(out, &h, 2 + n);
	struct wr w;

	if (!p)
		return -ENOBUFS;
	w = wr_make(p, 2 + n);
	wr_u16(&w, code);
	wr_bytes(&w, text, n);
	return 0;
}

int frame_put_number(struct buf *out, struct frame_hdr h, uint64_t number)
{
	uint8_t *p = frame_put_frame(out, &h, 8);
	struct wr w;

	if (!p)
		return -ENOBUFS;
	w = wr_make(p, 8);
	wr_u64(&w, number);
	return 0;
}

int frame_put_empty(struct buf *out, struct frame_hdr h)
{
	return frame_put_frame(out, &h, 0) ? 0 : -ENOBUFS;
}

/* Of an older end there is none; what cannot be shown is as none */
static void frame_get_who(struct rd *r, char who[FRAME_WHO_MAX + 1])
{
	const uint8_t *text;
	uint8_t n;

	who[0] = '\0';
	text = rd_u8(r, &n) ? rd_bytes(r, n) : NULL;
	for (size_t i = 0; text && i < n; i++)
		if (text[i] < ' ' || text[i] > '~')
			return;
	if (text) {
		memcpy(who, text, n);
		who[n] = '\0';
	}
}

int frame_get_hello(const uint8_t *p, size_t n, struct frame_hello *hello)
{
	struct rd r = rd_make(p, n);
	const uint8_t *id;
	uint32_t magic;
	uint16_t zero;

	if (!rd_u32(&r, &magic) || magic != FRAME_MAGIC ||
	    !rd_u16(&r, &hello->version_min) ||
	    !rd_u16(&r, &hello->version_max))
		return -EPROTO;
	id = rd_bytes(&r, FRAME_ID_LEN);
	if (!id || !rd_u8(&r, &hello->role) || !rd_u8(&r, &hello->flags) ||
	    !rd_u16(&r, &zero) || !rd_u32(&r, &hello->window))
		return -EPROTO;
	memcpy(hello->id, id, FRAME_ID_LEN);
	frame_get_who(&r, hello->who);
	if (!rd_u32(&r, &hello->keep_ms))
		hello->keep_ms = 0;
	return 0;
}

int frame_get_text(const uint8_t *p, size_t n, uint16_t *code,
		   char text[FRAME_TEXT_MAX + 1])
{
	struct rd r = rd_make(p, n);
	size_t len;

	if (!rd_u16(&r, code))
		return -EPROTO;
	len = MIN(rd_left(&r), (size_t)FRAME_TEXT_MAX);
	/* it goes to the user's terminal: no control characters */
	for (size_t i = 0; i < len; i++)
		text[i] = r.p[i] >= ' ' && r.p[i] < 0x7f ? (char)r.p[i] : '?';
	text[len] = 0;
	return 0;
}

int frame_get_number(const uint8_t *p, size_t n, uint64_t *number)
{
	struct rd r = rd_make(p, n);

	return rd_u64(&r, number) ? 0 : -EPROTO;
}

uint16_t frame_version_pick(uint16_t a_min, uint16_t a_max, uint16_t b_min,
			    uint16_t b_max)
{
	uint16_t top = MIN(a_max, b_max);

	return top >= MAX(a_min, b_min) ? top : 0;
}

static int parse_header(struct frame_parser *p)
{
	struct rd r = rd_make(p->raw, FRAME_HEADER_LEN);
	struct frame_hdr *h = &p->hdr;
	uint16_t zero;
	bool ok;

	ok = rd_u8(&r, &h->type) && rd_u8(&r, &h->flags) && rd_u16(&r, &zero) &&
	     rd_u32(&r, &h->len) && rd_u64(&r, &h->seq) && rd_u64(&r, &h->ack);
	if (!ok || h->type == 0 || h->type >= FRAME_NTYPES_)
		return -EPROTO;
	if (h->len > (h->type == FRAME_DATA ? FRAME_DATA_MAX : FRAME_CTL_MAX))
		return -EMSGSIZE;
	p->nraw = 0;
	p->got = 0;
	p->in_payload = true;
	return 0;
}

/* 1 when the header is whole */
static int take_header(struct frame_parser *p, struct rd *in)
{
	size_t n = MIN(rd_left(in), (size_t)(FRAME_HEADER_LEN - p->nraw));
	const uint8_t *b = rd_bytes(in, n);
	int rc;

	if (n)
		memcpy(p->raw + p->nraw, b, n);
	p->nraw += (uint32_t)n;
	if (p->nraw < FRAME_HEADER_LEN)
		return 0;
	rc = parse_header(p);
	return rc < 0 ? rc : 1;
}

int frame_parse(struct frame_parser *p, struct rd *in, struct frame_event *ev)
{
	const uint8_t *b;
	size_t n;

	if (!p->in_payload) {
		int rc = take_header(p, in);

		if (rc <= 0)
			return rc;
	}
	n = MIN(rd_left(in), (size_t)(p->hdr.len - p->got));
	if (!n && p->got < p->hdr.len)
		return 0;
	b = rd_bytes(in, n);
	*ev = (struct frame_event){
		.hdr = p->hdr, .data = b, .len = n, .seq = p->hdr.seq + p->got
	};
	if (p->hdr.type != FRAME_DATA) {
		if (n)
			memcpy(p->ctl + p->got, b, n);
		ev->data = p->ctl;
		ev->len = p->hdr.len;
	}
	p->got += (uint32_t)n;
	p->in_payload = p->got < p->hdr.len;
	if (p->in_payload && p->hdr.type != FRAME_DATA)
		return 0;
	return 1;
}
