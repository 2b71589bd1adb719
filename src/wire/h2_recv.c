/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "wire/h2.h"

#include <errno.h>
#include <string.h>

#define BLOCK_FRAMES_MAX 64

static int fail(struct h2 *h, uint32_t code)
{
	h2_end(h, code);
	return -EPROTO;
}

static int reset(struct h2 *h, struct h2_stream *st, uint32_t code)
{
	h2_reset(h, st, code);
	return 0;
}

static uint32_t u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

/* nobody has opened it yet (section 5.1) */
static bool is_idle(const struct h2 *h, int32_t id)
{
	if (h->server)
		return !(id & 1) || id > h->newest;
	return !(id & 1) || id >= h->next_id;
}

/* for DATA and HEADERS on a stream that is not there: 0, if the peer may not
 * have known (it crossed a reset of ours) */
static int not_there(struct h2 *h)
{
	if (is_idle(h, h->id))
		return fail(h, H2_PROTOCOL_ERROR);
	if (h->server && h->id > h->newest_reset)
		return fail(h, H2_STREAM_CLOSED);
	return 0;
}

static int remote_end(struct h2 *h, struct h2_stream *st)
{
	if (st->expects > 0)
		return reset(h, st, H2_PROTOCOL_ERROR);
	st->remote_done = true;
	h->ops->end(h->user, st);
	if (st->local_done)
		h2_stream_close(h, st, H2_NO_ERROR);
	return 0;
}

/* --- DATA ---------------------------------------------------------------- */

/* the frame's bytes are no more than content-length leaves */
static int data_counts(struct h2 *h, struct h2_stream *st)
{
	int64_t n = (int64_t)h->left - h->unread;

	if (st->expects >= 0 && n > st->expects)
		return reset(h, st, H2_PROTOCOL_ERROR);
	if (st->expects >= 0)
		st->expects -= n;
	return 0;
}

static int data_begins(struct h2 *h)
{
	struct h2_stream *st;

	if (!h->id)
		return fail(h, H2_PROTOCOL_ERROR);
	if ((h->flags & H2_PADDED) && !h->left)
		return fail(h, H2_FRAME_SIZE_ERROR);
	h->receive_window -= (int32_t)h->left;
	if (h->receive_window < 0)
		return fail(h, H2_FLOW_CONTROL_ERROR);
	h->at = h->flags & H2_PADDED ? H2_AT_PADDING : H2_AT_DATA;
	h->unread = 0;
	st = h2_find(h, h->id);
	if (!st)
		return not_there(h);
	if (st->remote_done)
		return reset(h, st, H2_STREAM_CLOSED);
	if (!st->headed)
		return reset(h, st, H2_PROTOCOL_ERROR);
	st->receive_window -= (int32_t)h->left;
	if (st->receive_window < 0)
		return reset(h, st, H2_FLOW_CONTROL_ERROR);
	return h->at == H2_AT_DATA ? data_counts(h, st) : 0;
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

	h->left--;
	if (n > h->left)
		return fail(h, H2_PROTOCOL_ERROR);
	h->unread = n;
	h->at = H2_AT_DATA;
	unwanted(h, 1);
	st = h2_find(h, h->id);
	return st && !st->remote_done ? data_counts(h, st) : 0;
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

/* --- HEADERS, CONTINUATION ----------------------------------------------- */

struct block {
	struct h2 *h;
	struct h2_stream *st; /* NULL: only the table is to be kept */
	struct h2_check check;
	bool refused;
};

static void on_field(void *user, const struct hpack_field *f)
{
	struct block *b = user;

	if (!b->st || b->refused)
		return;
	h2_check_field(&b->check, f);
	if (!b->check.bad && b->h->ops->field(b->h->user, b->st, f) < 0)
		b->refused = true;
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
		return reset(h, st, H2_PROTOCOL_ERROR);
	if (!c->trailer && !interim) {
		st->headed = true;
		st->expects = body_length(st, c);
	}
	if (last && st->expects > 0)
		return reset(h, st, H2_PROTOCOL_ERROR);
	h->ops->head(h->user, st, last);
	return last && !st->closed ? remote_end(h, st) : 0;
}

static int block_ends(struct h2 *h, const uint8_t *p, size_t n, bool last)
{
	struct block b = { .h = h, .st = h2_find(h, h->id) };

	if (b.st && b.st->remote_done)
		b.st = NULL;
	b.check.length = -1;
	b.check.response = !h->server;
	b.check.trailer = b.st && b.st->headed;
	if (hpack_decode(&h->decoder, p, n, on_field, &b) < 0)
		return fail(h, H2_COMPRESSION_ERROR);
	if (!b.st || b.st->closed)
		return 0;
	if (b.refused)
		return reset(h, b.st, H2_INTERNAL_ERROR);
	if (!h2_check_head(&b.check))
		return reset(h, b.st, H2_PROTOCOL_ERROR);
	return head_ends(h, b.st, &b.check, last);
}

/* a new stream of the peer, unless it is not to be taken */
static int stream_begins(struct h2 *h, struct h2_stream **st)
{
	bool many = h->nstreams >= h->limits.streams_max;

	h->newest = h->id;
	if (h->leaving) { /* what comes on it crossed our GOAWAY */
		h->newest_reset = h->id;
		return 0;
	}
	h->taken = h->id;
	*st = h2_stream_new(h, h->id);
	if (!*st)
		return fail(h, H2_INTERNAL_ERROR);
	return many ? reset(h, *st, H2_REFUSED_STREAM) : 0;
}

static int head_begins(struct h2 *h)
{
	struct h2_stream *st = h2_find(h, h->id);
	int rc = 0;

	h->at = H2_AT_PAYLOAD;
	if (!st && h->server && (h->id & 1) && h->id > h->newest)
		rc = stream_begins(h, &st);
	else if (!st)
		rc = not_there(h);
	else if (st->remote_done)
		rc = reset(h, st, H2_STREAM_CLOSED);
	if (rc < 0 || !st || st->closed)
		return rc;
	if (h->ops->begin(h->user, st) < 0)
		return reset(h, st, H2_INTERNAL_ERROR);
	return 0;
}

/* what is in a HEADERS frame beside the fields */
static int strip(struct h2 *h, const uint8_t **p, size_t *n)
{
	struct rd r = rd_make(*p, *n);
	uint8_t pad = 0, weight;
	uint32_t depends = 0;

	if ((h->flags & H2_PADDED) && !rd_u8(&r, &pad))
		return fail(h, H2_FRAME_SIZE_ERROR);
	if ((h->flags & H2_HAS_PRIORITY) &&
	    (!rd_u32(&r, &depends) || !rd_u8(&r, &weight)))
		return fail(h, H2_FRAME_SIZE_ERROR);
	if (pad > rd_left(&r) || ((h->flags & H2_HAS_PRIORITY) &&
				  (int32_t)(depends & INT32_MAX) == h->id))
		return fail(h, H2_PROTOCOL_ERROR);
	*p = r.p;
	*n = rd_left(&r) - pad;
	return 0;
}

static int block_goes_on(struct h2 *h, const uint8_t *p, size_t n)
{
	if (++h->block_more > BLOCK_FRAMES_MAX || buf_put(&h->block, p, n) < 0)
		return fail(h, H2_ENHANCE_YOUR_CALM);
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

	if (!h->block_id)
		return fail(h, H2_PROTOCOL_ERROR);
	rc = block_goes_on(h, p, n);
	if (rc < 0 || !(h->flags & H2_END_HEADERS))
		return rc;
	h->block_id = 0;
	rc = block_ends(h, buf_data(&h->block), h->block.len, h->block_last);
	buf_fini(&h->block);
	return rc;
}

/* --- the others ---------------------------------------------------------- */

static int on_priority(struct h2 *h, const uint8_t *p, size_t n)
{
	if (!h->id)
		return fail(h, H2_PROTOCOL_ERROR);
	if (n != 5)
		return fail(h, H2_FRAME_SIZE_ERROR);
	return (int32_t)(u32(p) & INT32_MAX) == h->id
		       ? fail(h, H2_PROTOCOL_ERROR)
		       : 0;
}

static int on_rst_stream(struct h2 *h, const uint8_t *p, size_t n)
{
	struct h2_stream *st;

	if (n != 4)
		return fail(h, H2_FRAME_SIZE_ERROR);
	if (is_idle(h, h->id))
		return fail(h, H2_PROTOCOL_ERROR);
	h->resets++;
	st = h2_find(h, h->id);
	if (st)
		h2_stream_close(h, st, u32(p));
	return 0;
}

/* all streams get what new ones have now more, or less (section 6.9.2) */
static int change_window(struct h2 *h, int32_t window)
{
	int64_t more = (int64_t)window - h->peer_window;
	struct list *n;

	h->peer_window = window;
	list_for_each (n, &h->streams) {
		struct h2_stream *st = container_of(n, struct h2_stream, node);
		int64_t v = st->send_window + more;

		if (v > INT32_MAX)
			return fail(h, H2_FLOW_CONTROL_ERROR);
		st->send_window = (int32_t)v;
	}
	h2_unblock(h);
	return 0;
}

static int on_setting(struct h2 *h, uint16_t id, uint32_t v)
{
	switch (id) {
	case H2_ENABLE_PUSH:
		return v > (h->server ? 1u : 0u) ? fail(h, H2_PROTOCOL_ERROR)
						 : 0;
	case H2_MAX_CONCURRENT_STREAMS:
		h->peer_streams = v;
		return 0;
	case H2_INITIAL_WINDOW_SIZE:
		return v > INT32_MAX ? fail(h, H2_FLOW_CONTROL_ERROR)
				     : change_window(h, (int32_t)v);
	case H2_MAX_FRAME_SIZE: /* ours are the smallest there are */
		return v < H2_FRAME_MAX || v > (1u << 24) - 1
			       ? fail(h, H2_PROTOCOL_ERROR)
			       : 0;
	default: /* of tables we need none; what we do not know means nothing */
		return 0;
	}
}

static int on_settings(struct h2 *h, const uint8_t *p, size_t n)
{
	int rc = 0;

	if (h->id)
		return fail(h, H2_PROTOCOL_ERROR);
	if (n % 6 || ((h->flags & H2_ACK) && n))
		return fail(h, H2_FRAME_SIZE_ERROR);
	if (h->flags & H2_ACK) {
		if (!h->server)
			hpack_decoder_limit(&h->decoder, 0);
		return 0;
	}
	h->settled = true;
	for (size_t i = 0; i < n && rc == 0; i += 6)
		rc = on_setting(h, (uint16_t)(p[i] << 8 | p[i + 1]),
				u32(p + i + 2));
	if (rc < 0)
		return rc;
	h2_control(h, H2_SETTINGS, H2_ACK, 0, NULL, 0);
	return 0;
}

static int on_ping(struct h2 *h, const uint8_t *p, size_t n)
{
	if (h->id)
		return fail(h, H2_PROTOCOL_ERROR);
	if (n != 8)
		return fail(h, H2_FRAME_SIZE_ERROR);
	if (h->flags & H2_ACK)
		return 0;
	h2_control(h, H2_PING, H2_ACK, 0, p, n);
	return 0;
}

static int on_goaway(struct h2 *h, const uint8_t *p, size_t n)
{
	struct list *l, *tmp;
	int32_t last;

	if (h->id)
		return fail(h, H2_PROTOCOL_ERROR);
	if (n < 8)
		return fail(h, H2_FRAME_SIZE_ERROR);
	h->going = true;
	last = (int32_t)(u32(p) & INT32_MAX);
	/* what it did not take may be asked for again, elsewhere */
	list_for_each_safe (l, tmp, &h->streams) {
		struct h2_stream *st = container_of(l, struct h2_stream, node);

		if (!h->server && st->id > last)
			h2_stream_close(h, st, H2_REFUSED_STREAM);
	}
	return 0;
}

static int stream_window(struct h2 *h, struct h2_stream *st, uint32_t more)
{
	if (!more)
		return reset(h, st, H2_PROTOCOL_ERROR);
	if ((int64_t)st->send_window + more > INT32_MAX)
		return reset(h, st, H2_FLOW_CONTROL_ERROR);
	st->send_window += (int32_t)more;
	h2_resume(h, st);
	return 0;
}

static int connection_window(struct h2 *h, uint32_t more)
{
	bool blocked = h->send_window <= 0;

	if (!more)
		return fail(h, H2_PROTOCOL_ERROR);
	if ((int64_t)h->send_window + more > INT32_MAX)
		return fail(h, H2_FLOW_CONTROL_ERROR);
	h->send_window += (int32_t)more;
	if (blocked)
		h2_unblock(h);
	return 0;
}

static int on_window_update(struct h2 *h, const uint8_t *p, size_t n)
{
	struct h2_stream *st;
	uint32_t more;

	if (n != 4)
		return fail(h, H2_FRAME_SIZE_ERROR);
	more = u32(p) & INT32_MAX;
	if (!h->id)
		return connection_window(h, more);
	if (is_idle(h, h->id))
		return fail(h, H2_PROTOCOL_ERROR);
	st = h2_find(h, h->id);
	return st ? stream_window(h, st, more) : 0;
}

static int on_payload(struct h2 *h, const uint8_t *p, size_t n)
{
	h->at = H2_AT_FRAME;
	switch (h->type) {
	case H2_HEADERS:
		return on_headers(h, p, n);
	case H2_PRIORITY:
		return on_priority(h, p, n);
	case H2_RST_STREAM:
		return on_rst_stream(h, p, n);
	case H2_SETTINGS:
		return on_settings(h, p, n);
	case H2_PING:
		return on_ping(h, p, n);
	case H2_GOAWAY:
		return on_goaway(h, p, n);
	case H2_WINDOW_UPDATE:
		return on_window_update(h, p, n);
	case H2_CONTINUATION:
		return on_continuation(h, p, n);
	default: /* PUSH_PROMISE: we have said no, and clients may not */
		return fail(h, H2_PROTOCOL_ERROR);
	}
}

/* --- frames -------------------------------------------------------------- */

static int frame_begins(struct h2 *h, const uint8_t *p)
{
	h->left = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
	h->type = p[3];
	h->flags = p[4];
	h->id = (int32_t)(u32(p + 5) & INT32_MAX);
	if (h->left > H2_FRAME_MAX)
		return fail(h, H2_FRAME_SIZE_ERROR);
	if (!h->settled && (h->type != H2_SETTINGS || (h->flags & H2_ACK)))
		return fail(h, H2_PROTOCOL_ERROR);
	/* nothing comes between the frames of a block (section 6.10) */
	if (h->block_id && (h->type != H2_CONTINUATION || h->id != h->block_id))
		return fail(h, H2_PROTOCOL_ERROR);
	if (h->type == H2_DATA)
		return data_begins(h);
	if (h->type == H2_HEADERS)
		return head_begins(h);
	h->at = h->type <= H2_CONTINUATION ? H2_AT_PAYLOAD : H2_AT_REST;
	return 0;
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

static int payload(struct h2 *h, const uint8_t **p, size_t *n)
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

static int step(struct h2 *h, const uint8_t **p, size_t *n)
{
	const uint8_t *head;

	switch (h->at) {
	case H2_AT_MAGIC:
		head = gather(h, p, n, H2_MAGIC_LEN);
		if (head && memcmp(head, H2_MAGIC, H2_MAGIC_LEN) != 0)
			return fail(h, H2_PROTOCOL_ERROR);
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
		return payload(h, p, n);
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

int h2_receive(struct h2 *h, const uint8_t *p, size_t n)
{
	int rc = 0;

	while (rc == 0 && (n || is_empty(h)) && !h->ended && !h->error) {
		rc = step(h, &p, &n);
		(void)h2_tell_closed(h);
	}
	return rc < 0 ? rc : h->error;
}
