/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "wire/h2.h"

#include <errno.h>
#include <string.h>

#define BLOCK_FRAMES_MAX 64

/* a stream error that a peer in its senses does not cause */
static int wrong(struct h2 *h, struct h2_stream *st, uint32_t code)
{
	return h2_refuse(h, st, code, H2_GLITCH_WRONG);
}

/* for DATA and HEADERS on a stream that is not there: 0, if the peer may not
 * have known (it crossed a reset of ours) */
static int not_there(struct h2 *h)
{
	if (h2_is_idle(h, h->id))
		return h2_fail(h, H2_PROTOCOL_ERROR);
	if (h->server && h->id > h->newest_reset)
		return h2_fail(h, H2_STREAM_CLOSED);
	return 0;
}

static int remote_end(struct h2 *h, struct h2_stream *st)
{
	if (st->expects > 0)
		return wrong(h, st, H2_PROTOCOL_ERROR);
	st->remote_done = true;
	h->ops->end(h->user, st);
	if (st->local_done)
		h2_stream_close(h, st, H2_NO_ERROR);
	return 0;
}

/* --- DATA ----------------------------------------------------------------- */

/* the frame's bytes are no more than content-length leaves */
static int data_counts(struct h2 *h, struct h2_stream *st)
{
	int64_t n = (int64_t)h->left - h->unread;

	if (st->expects >= 0 && n > st->expects)
		return wrong(h, st, H2_PROTOCOL_ERROR);
	if (st->expects >= 0)
		st->expects -= n;
	return 0;
}

/* a frame that says nothing (CVE-2019-9518) */
static int data_empty(struct h2 *h)
{
	bool empty = h->left == h->unread && !(h->flags & H2_END_STREAM);

	return empty ? h2_glitch(h, H2_GLITCH_ODD) : 0;
}

static int data_on_stream(struct h2 *h, struct h2_stream *st)
{
	if (st->remote_done)
		return wrong(h, st, H2_STREAM_CLOSED);
	if (!st->headed)
		return wrong(h, st, H2_PROTOCOL_ERROR);
	st->receive_window -= (int32_t)h->left;
	if (st->receive_window < 0)
		return wrong(h, st, H2_FLOW_CONTROL_ERROR);
	return h->at == H2_AT_DATA ? data_counts(h, st) : 0;
}

static int data_begins(struct h2 *h)
{
	struct h2_stream *st;
	int rc;

	if (!h->id)
		return h2_fail(h, H2_PROTOCOL_ERROR);
	if ((h->flags & H2_PADDED) && !h->left)
		return h2_fail(h, H2_FRAME_SIZE_ERROR);
	h->receive_window -= (int32_t)h->left;
	if (h->receive_window < 0)
		return h2_fail(h, H2_FLOW_CONTROL_ERROR);
	h->at = h->flags & H2_PADDED ? H2_AT_PADDING : H2_AT_DATA;
	h->unread = 0;
	st = h2_find(h, h->id);
	rc = st ? data_on_stream(h, st) : not_there(h);
	if (rc < 0 || h->at == H2_AT_PADDING)
		return rc;
	return data_empty(h);
}

/* bytes that nobody wants are credit at once */
static void unwanted(struct h2 *h, size_t n)
{
	struct h2_stream *st = h2_find(h, h->id);

	h2_consume_connection(h, n);
	if (st)
		h2_consume(h, st, n);
}

static int data_padding(struct h2 *h, uint8_t n)
{
	struct h2_stream *st;
	int rc;

	h->left--;
	if (n > h->left)
		return h2_fail(h, H2_PROTOCOL_ERROR);
	h->unread = n;
	h->at = H2_AT_DATA;
	unwanted(h, 1);
	st = h2_find(h, h->id);
	rc = st && !st->remote_done ? data_counts(h, st) : 0;
	return rc < 0 ? rc : data_empty(h);
}

static void data_bytes(struct h2 *h, const uint8_t *p, size_t n)
{
	struct h2_stream *st = h2_find(h, h->id);

	if (st && !st->remote_done)
		h->ops->data(h->user, st, p, n);
	else
		h2_consume_connection(h, n);
}

static int data_ends(struct h2 *h)
{
	struct h2_stream *st;

	h->at = H2_AT_FRAME;
	st = h->flags & H2_END_STREAM ? h2_find(h, h->id) : NULL;
	return st && !st->remote_done ? remote_end(h, st) : 0;
}

/* --- HEADERS, CONTINUATION ------------------------------------------------ */

struct field_block {
	struct h2 *h;
	struct h2_stream *st; /* NULL: only the table is to be kept */
	struct h2_check check;
	bool refused;
	size_t size; /* of the list, as section 6.5.2 counts it */
};

#define FIELD_OVERHEAD 32

/* some bytes can stand for a table's worth of fields each: who goes far beyond
 * what it was told means no good, and the rest is not even decoded */
static int on_field(void *user, const struct hpack_field *f)
{
	struct field_block *b = user;

	b->size += f->nname + f->nvalue + FIELD_OVERHEAD;
	if (b->size > (size_t)b->h->limits.head_max * H2_LIST_FACTOR)
		return -E2BIG;
	if (!b->st || b->refused)
		return 0;
	h2_check_field(&b->check, f);
	if (!b->check.bad && b->h->ops->field(b->h->user, b->st, f) < 0)
		b->refused = true;
	return 0;
}

static int64_t body_length(const struct h2_stream *st, const struct h2_check *c)
{
	bool none = c->response &&
		    (st->asks_head || c->code == 204 || c->code == 304);

	return none ? -1 : c->length;
}

/* the head is well-formed */
static int head_ends(struct h2 *h, struct h2_stream *st,
		     const struct h2_check *c, bool last)
{
	bool interim = c->response && !c->trailer && c->code < 200;

	/* trailers end a message, interim answers do not (section 8.1) */
	if ((c->trailer && !last) || (interim && last))
		return wrong(h, st, H2_PROTOCOL_ERROR);
	if (!c->trailer && !interim) {
		st->headed = true;
		st->expects = body_length(st, c);
	}
	if (last && st->expects > 0)
		return wrong(h, st, H2_PROTOCOL_ERROR);
	h->ops->head(h->user, st, last);
	if (interim)
		return h2_glitch(h, H2_GLITCH_ODD);
	return last && !st->closed ? remote_end(h, st) : 0;
}

static int block_ends(struct h2 *h, const uint8_t *p, size_t n, bool last)
{
	struct field_block b = { .h = h, .st = h2_find(h, h->id) };
	int rc;

	if (b.st && b.st->remote_done)
		b.st = NULL;
	b.check.length = -1;
	b.check.response = !h->server;
	b.check.trailer = b.st && b.st->headed;
	rc = hpack_decode(&h->decoder, p, n, on_field, &b);
	if (rc < 0)
		return h2_fail(h, rc == -E2BIG ? H2_ENHANCE_YOUR_CALM
					       : H2_COMPRESSION_ERROR);
	if (!b.st || b.st->closed)
		return 0;
	if (b.refused)
		return h2_refuse(h, b.st, H2_INTERNAL_ERROR, H2_GLITCH_ODD);
	if (!h2_check_head(&b.check))
		return wrong(h, b.st, H2_PROTOCOL_ERROR);
	return head_ends(h, b.st, &b.check, last);
}

/* a new stream of the peer, unless it is not to be taken */
static int stream_begins(struct h2 *h, struct h2_stream **st)
{
	bool many = h->nstreams >= h->limits.streams_max;

	h->newest = h->id;
	if (h->leaving) { /* what comes on it crossed our GOAWAY */
		h->newest_reset = h->id;
		return h2_glitch(h, H2_GLITCH_ODD);
	}
	h->taken = h->id;
	*st = h2_stream_new(h, h->id);
	if (!*st)
		return h2_fail(h, H2_INTERNAL_ERROR);
	return many ? h2_refuse(h, *st, H2_REFUSED_STREAM, H2_GLITCH_ODD) : 0;
}

/* the table wants its fields decoded, all the same */
static int head_on_none(struct h2 *h)
{
	int rc = not_there(h);

	return rc < 0 ? rc : h2_glitch(h, H2_GLITCH_ODD);
}

static int head_begins(struct h2 *h)
{
	struct h2_stream *st = h2_find(h, h->id);
	int rc = 0;

	h->at = H2_AT_PAYLOAD;
	if (!st && h->server && (h->id & 1) && h->id > h->newest)
		rc = stream_begins(h, &st);
	else if (!st)
		rc = head_on_none(h);
	else if (st->remote_done)
		rc = wrong(h, st, H2_STREAM_CLOSED);
	if (rc < 0 || !st || st->closed)
		return rc;
	if (h->ops->begin(h->user, st) < 0)
		return h2_refuse(h, st, H2_INTERNAL_ERROR, H2_GLITCH_ODD);
	return 0;
}

/* what is in a HEADERS frame beside the fields */
static int strip(struct h2 *h, const uint8_t **p, size_t *n)
{
	struct rd r = rd_make(*p, *n);
	uint8_t pad = 0, weight;
	uint32_t depends = 0;

	if ((h->flags & H2_PADDED) && !rd_u8(&r, &pad))
		return h2_fail(h, H2_FRAME_SIZE_ERROR);
	if ((h->flags & H2_HAS_PRIORITY) &&
	    (!rd_u32(&r, &depends) || !rd_u8(&r, &weight)))
		return h2_fail(h, H2_FRAME_SIZE_ERROR);
	if (pad > rd_left(&r) || ((h->flags & H2_HAS_PRIORITY) &&
				  (int32_t)(depends & INT32_MAX) == h->id))
		return h2_fail(h, H2_PROTOCOL_ERROR);
	*p = r.p;
	*n = rd_left(&r) - pad;
	return 0;
}

static int block_goes_on(struct h2 *h, const uint8_t *p, size_t n)
{
	if (++h->block_more > BLOCK_FRAMES_MAX || buf_put(&h->block, p, n) < 0)
		return h2_fail(h, H2_ENHANCE_YOUR_CALM);
	return 0;
}

static int on_headers(struct h2 *h, const uint8_t *p, size_t n)
{
	bool last = h->flags & H2_END_STREAM;

	if (strip(h, &p, &n) < 0)
		return -EPROTO;
	if (h->flags & H2_END_HEADERS)
		return block_ends(h, p, n, last);
	h->block_id = h->id;
	h->block_last = last;
	h->block_more = 0;
	return block_goes_on(h, p, n);
}

static int on_continuation(struct h2 *h, const uint8_t *p, size_t n)
{
	int rc;

	rc = block_goes_on(h, p, n);
	if (rc < 0 || !(h->flags & H2_END_HEADERS))
		return rc;
	h->block_id = 0;
	rc = block_ends(h, buf_data(&h->block), h->block.len, h->block_last);
	buf_fini(&h->block);
	return rc;
}

/* --- frames --------------------------------------------------------------- */

static int frame_begins(struct h2 *h, const uint8_t *p)
{
	struct rd r = rd_make(p, H2_FRAME_HEAD);
	uint8_t high;
	uint16_t low;
	uint32_t id;

	if (!rd_u8(&r, &high) || !rd_u16(&r, &low) || !rd_u8(&r, &h->type) ||
	    !rd_u8(&r, &h->flags) || !rd_u32(&r, &id))
		return -EPROTO;
	h->left = (uint32_t)high << 16 | low;
	h->id = (int32_t)(id & INT32_MAX);
	if (h->left > H2_FRAME_MAX)
		return h2_fail(h, H2_FRAME_SIZE_ERROR);
	if (!h->settled && (h->type != H2_SETTINGS || (h->flags & H2_ACK)))
		return h2_fail(h, H2_PROTOCOL_ERROR);
	/* nothing comes between the frames of a block (section 6.10) */
	if (h->block_id && (h->type != H2_CONTINUATION || h->id != h->block_id))
		return h2_fail(h, H2_PROTOCOL_ERROR);
	if (h->type == H2_DATA)
		return data_begins(h);
	if (h->type == H2_HEADERS)
		return head_begins(h);
	return h2_control_begin(h);
}

static int on_payload(struct h2 *h, const uint8_t *p, size_t n)
{
	h->at = H2_AT_FRAME;
	switch (h->type) {
	case H2_HEADERS:
		return on_headers(h, p, n);
	case H2_CONTINUATION:
		return on_continuation(h, p, n);
	default:
		return h2_control_frame(h, p, n);
	}
}

/* the @need bytes of a head, from @*p or gathered; NULL: not all there yet */
static const uint8_t *gather(struct h2 *h, const uint8_t **p, size_t *n,
			     size_t need)
{
	size_t some = MIN(*n, need - h->nhead);
	const uint8_t *at = *p;

	*p += some;
	*n -= some;
	if (!h->nhead && some == need)
		return at;
	memcpy(h->head + h->nhead, at, some);
	h->nhead += some;
	if (h->nhead < need)
		return NULL;
	h->nhead = 0;
	return h->head;
}

static int h2_recv_payload(struct h2 *h, const uint8_t **p, size_t *n)
{
	size_t some = MIN(*n, h->left);
	const uint8_t *at = *p;
	int rc;

	*p += some;
	*n -= some;
	h->left -= (uint32_t)some;
	if (!h->left && !h->in.len)
		return on_payload(h, at, some);
	if (buf_put(&h->in, at, some) < 0)
		return -ENOMEM;
	if (h->left)
		return 0;
	rc = on_payload(h, buf_data(&h->in), h->in.len);
	buf_fini(&h->in);
	return rc;
}

static int data(struct h2 *h, const uint8_t **p, size_t *n)
{
	size_t body = h->left - h->unread;
	size_t some = MIN(*n, body ? body : h->unread);

	if (body && some)
		data_bytes(h, *p, some);
	else if (some)
		unwanted(h, some);
	if (!body)
		h->unread -= (uint32_t)some;
	h->left -= (uint32_t)some;
	*p += some;
	*n -= some;
	return h->left ? 0 : data_ends(h);
}

static int h2_recv_step(struct h2 *h, const uint8_t **p, size_t *n)
{
	const uint8_t *head;

	switch (h->at) {
	case H2_AT_MAGIC:
		head = gather(h, p, n, H2_MAGIC_LEN);
		if (head && memcmp(head, H2_MAGIC, H2_MAGIC_LEN) != 0)
			return h2_fail(h, H2_PROTOCOL_ERROR);
		if (head)
			h->at = H2_AT_FRAME;
		return 0;
	case H2_AT_FRAME:
		head = gather(h, p, n, H2_FRAME_HEAD);
		return head ? frame_begins(h, head) : 0;
	case H2_AT_PADDING:
		(*n)--;
		return data_padding(h, *(*p)++);
	case H2_AT_DATA:
		return data(h, p, n);
	case H2_AT_PAYLOAD:
		return h2_recv_payload(h, p, n);
	case H2_AT_REST:
		break;
	}
	head = *p;
	*p += MIN(*n, h->left);
	*n -= (size_t)(*p - head);
	h->left -= (uint32_t)(*p - head);
	if (!h->left)
		h->at = H2_AT_FRAME;
	return 0;
}

/* a frame without a payload is whole with its head */
static bool is_empty(const struct h2 *h)
{
	return !h->left && (h->at == H2_AT_DATA || h->at == H2_AT_PAYLOAD ||
			    h->at == H2_AT_REST);
}

int h2_receive(struct h2 *h, int64_t now, const uint8_t *p, size_t n)
{
	int rc = 0;

	h->now = now;
	while (rc == 0 && (n || is_empty(h)) && !h->ended && !h->error) {
		rc = h2_recv_step(h, &p, &n);
		(void)h2_tell_closed(h);
	}
	return rc < 0 ? rc : h->error;
}
