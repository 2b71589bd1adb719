/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/h2.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

/* a peer may take so many streams before it has said how many (section 6.5.2
 * recommends that it be no fewer) */
#define STREAMS_UNSAID 100

/* heads leave so much of the buffer to what has to be said */
#define OUT_SPARE ((size_t)16 << 10)

/* --- frames --------------------------------------------------------------- */

static void frame_head(uint8_t *p, size_t n, enum h2_type type, uint8_t flags,
		       int32_t id)
{
	struct wr w = wr_make(p, H2_FRAME_HEAD);

	wr_u8(&w, (uint8_t)(n >> 16));
	wr_u16(&w, (uint16_t)n);
	wr_u8(&w, (uint8_t)type);
	wr_u8(&w, flags);
	wr_u32(&w, (uint32_t)id);
}

/* 0 or -errno, and nothing was written */
static int h2_put_frame(struct h2 *h, enum h2_type type, uint8_t flags,
			int32_t id, const void *payload, size_t n)
{
	uint8_t *p = buf_reserve(h->out, H2_FRAME_HEAD + n);

	if (!p)
		return -ENOBUFS;
	frame_head(p, n, type, flags, id);
	if (n)
		memcpy(p + H2_FRAME_HEAD, payload, n);
	buf_commit(h->out, H2_FRAME_HEAD + n);
	return 0;
}

void h2_control(struct h2 *h, enum h2_type type, uint8_t flags, int32_t id,
		const void *payload, size_t n)
{
	if (h2_put_frame(h, type, flags, id, payload, n) < 0)
		h->error = -ENOBUFS;
}

/* --- streams -------------------------------------------------------------- */

struct h2_stream *h2_find(struct h2 *h, int32_t id)
{
	struct list *n;

	list_for_each (n, &h->streams) {
		struct h2_stream *st = container_of(n, struct h2_stream, node);

		if (st->id != id)
			continue;
		/* the next frame is likely to be for it too */
		list_del(n);
		list_add_head(&h->streams, n);
		return st;
	}
	return NULL;
}

struct h2_stream *h2_stream_new(struct h2 *h, int32_t id)
{
	struct h2_stream *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->id = id;
	st->send_window = h->peer_window;
	st->receive_window = h->limits.stream_window;
	st->expects = -1;
	list_init(&st->ready);
	list_add_head(&h->streams, &st->node);
	h->nstreams++;
	return st;
}

void h2_stream_close(struct h2 *h, struct h2_stream *st, uint32_t code)
{
	if (st->closed)
		return;
	st->closed = true;
	st->code = code;
	list_del(&st->ready);
	list_del(&st->node);
	list_add_tail(&h->closed, &st->node);
	h->nstreams--;
}

static void free_streams(struct list *l)
{
	while (!list_empty(l)) {
		struct h2_stream *st =
			container_of(l->next, struct h2_stream, node);

		list_del(&st->node);
		free(st);
	}
}

bool h2_tell_closed(struct h2 *h)
{
	bool some = !list_empty(&h->closed);

	while (!list_empty(&h->closed)) {
		struct h2_stream *st =
			container_of(h->closed.next, struct h2_stream, node);

		list_del(&st->node);
		h->ops->closed(h->user, st);
		free(st);
	}
	return some;
}

static void local_end(struct h2 *h, struct h2_stream *st)
{
	st->local_done = true;
	st->source = false;
	list_del(&st->ready);
	h->ops->finished(h->user, st);
	if (st->remote_done)
		h2_stream_close(h, st, H2_NO_ERROR);
}

/* --- life ----------------------------------------------------------------- */

static void put_setting(struct wr *w, enum h2_setting id, uint32_t v)
{
	wr_u16(w, (uint16_t)id);
	wr_u32(w, v);
}

static void put_preface(struct h2 *h)
{
	const struct h2_limits *l = &h->limits;
	uint8_t p[5 * 6];
	struct wr w = wr_make(p, sizeof(p));

	if (!h->server && buf_put(h->out, H2_MAGIC, H2_MAGIC_LEN) < 0)
		h->error = -ENOBUFS;
	if (h->server) {
		put_setting(&w, H2_MAX_CONCURRENT_STREAMS, l->streams_max);
		put_setting(&w, H2_ENABLE_CONNECT_PROTOCOL, 1);
	} else {
		put_setting(&w, H2_ENABLE_PUSH, 0);
		put_setting(&w, H2_HEADER_TABLE_SIZE, 0);
	}
	put_setting(&w, H2_INITIAL_WINDOW_SIZE, (uint32_t)l->stream_window);
	put_setting(&w, H2_MAX_HEADER_LIST_SIZE, l->head_max);
	h2_control(h, H2_SETTINGS, 0, 0, p, wr_len(&w));
	h->owed = l->connection_window - H2_WINDOW;
	h->receive_window = H2_WINDOW;
	h2_consume_connection(h, 0);
}

int h2_init(struct h2 *h, bool server, const struct h2_limits *limits,
	    const struct h2_handler *ops, void *user, struct buf *out)
{
	*h = (struct h2){
		.ops = ops,
		.user = user,
		.out = out,
		.limits = *limits,
		.server = server,
		.next_id = 1,
		.send_window = H2_WINDOW,
		.peer_window = H2_WINDOW,
		.peer_streams = STREAMS_UNSAID,
		.at = server ? H2_AT_MAGIC : H2_AT_FRAME,
	};
	list_init(&h->streams);
	list_init(&h->ready);
	list_init(&h->closed);
	ratelim_init(&h->glitches, H2_GLITCH_BURST, H2_GLITCH_RATE);
	hpack_decoder_init(&h->decoder);
	buf_init(&h->in, H2_FRAME_MAX);
	buf_init(&h->block, limits->block_max
				    ? limits->block_max
				    : (size_t)limits->head_max + H2_FRAME_MAX);
	put_preface(h);
	return h->error;
}

void h2_fini(struct h2 *h)
{
	free_streams(&h->streams);
	free_streams(&h->closed);
	hpack_decoder_fini(&h->decoder);
	buf_fini(&h->in);
	buf_fini(&h->block);
}

bool h2_is_over(const struct h2 *h)
{
	return h->ended || (h->going && !h->nstreams && list_empty(&h->closed));
}

void h2_goaway(struct h2 *h, int32_t last, uint32_t code)
{
	uint8_t p[8];
	struct wr w = wr_make(p, sizeof(p));

	wr_u32(&w, (uint32_t)last);
	wr_u32(&w, code);
	h2_control(h, H2_GOAWAY, 0, 0, p, sizeof(p));
	if (last != H2_ID_MAX)
		h->leaving = h->going = true;
}

void h2_end(struct h2 *h, uint32_t code)
{
	if (h->ended)
		return;
	h2_goaway(h, h->taken, code);
	h->ended = true;
}

int h2_fail(struct h2 *h, uint32_t code)
{
	h2_end(h, code);
	return -EPROTO;
}

int h2_glitch(struct h2 *h, unsigned int cost)
{
	return ratelim_take(&h->glitches, h->now, cost)
		       ? 0
		       : h2_fail(h, H2_ENHANCE_YOUR_CALM);
}

int h2_refuse(struct h2 *h, struct h2_stream *st, uint32_t code,
	      unsigned int cost)
{
	h2_reset(h, st, code);
	return h2_glitch(h, cost);
}

/* --- credit --------------------------------------------------------------- */

static void put_window(struct h2 *h, int32_t id, int32_t *owed, int32_t *window)
{
	uint8_t p[4];
	struct wr w = wr_make(p, sizeof(p));

	wr_u32(&w, (uint32_t)*owed);
	h2_control(h, H2_WINDOW_UPDATE, 0, id, p, sizeof(p));
	*window += *owed;
	*owed = 0;
}

void h2_consume(struct h2 *h, struct h2_stream *st, size_t n)
{
	if (st->closed || st->remote_done)
		return;
	st->owed += (int32_t)n;
	if (st->owed && st->owed >= h->limits.stream_window / 2)
		put_window(h, st->id, &st->owed, &st->receive_window);
}

void h2_consume_connection(struct h2 *h, size_t n)
{
	h->owed += (int32_t)n;
	if (h->owed > 0 && h->owed >= h->limits.connection_window / 2)
		put_window(h, 0, &h->owed, &h->receive_window);
}

/* --- heads ---------------------------------------------------------------- */

static int h2_encode(struct h2 *h, const struct hpack_field *f, size_t n)
{
	const uint8_t no_table = HPACK_NO_TABLE;
	int rc = 0;

	if (!h->said_no_table)
		rc = buf_put(h->out, &no_table, 1);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = hpack_encode(h->out, &f[i]);
	return rc;
}

/* the block of @n bytes at the buffer's end is too long for a frame */
static int h2_split(struct h2 *h, int32_t id, uint8_t flags, size_t n)
{
	auto_free uint8_t *block = malloc(n);
	size_t len = h->out->len - n - H2_FRAME_HEAD;
	enum h2_type type = H2_HEADERS;
	int rc = 0;

	if (!block)
		return -ENOMEM;
	memcpy(block, buf_data(h->out) + h->out->len - n, n);
	h->out->len = len;
	for (size_t at = 0; at < n && rc == 0; type = H2_CONTINUATION) {
		size_t some = MIN(n - at, H2_FRAME_MAX);
		uint8_t end = at + some == n ? H2_END_HEADERS : 0;

		rc = h2_put_frame(h, type, end | flags, id, block + at, some);
		at += some;
		flags = 0;
	}
	return rc;
}

/* HEADERS, and CONTINUATION where they are long; or nothing, and -errno */
static int put_head(struct h2 *h, int32_t id, const struct hpack_field *f,
		    size_t n, bool last)
{
	const uint8_t flags = last ? H2_END_STREAM : 0;
	const uint8_t none[H2_FRAME_HEAD] = { 0 };
	size_t start = h->out->len, len;
	int rc = buf_put(h->out, none, sizeof(none));

	if (rc == 0)
		rc = h2_encode(h, f, n);
	len = h->out->len - start - H2_FRAME_HEAD;
	if (rc == 0 && h->out->len + OUT_SPARE > h->out->max)
		rc = -ENOBUFS;
	if (rc == 0 && len > H2_FRAME_MAX)
		rc = h2_split(h, id, flags, len);
	else if (rc == 0)
		frame_head(buf_data(h->out) + start, len, H2_HEADERS,
			   flags | H2_END_HEADERS, id);
	if (rc < 0)
		h->out->len = start;
	else
		h->said_no_table = true;
	return rc;
}

bool h2_may_request(const struct h2 *h)
{
	return !h->server && !h->going && !h->ended && !h->error &&
	       h->next_id < H2_ID_MAX && h->nstreams < h->peer_streams;
}

static bool asks_head(const struct hpack_field *f, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (f[i].nname == 7 && memcmp(f[i].name, ":method", 7) == 0)
			return f[i].nvalue == 4 &&
			       memcmp(f[i].value, "HEAD", 4) == 0;
	return false;
}

struct h2_stream *h2_request(struct h2 *h, const struct hpack_field *f,
			     size_t n, bool last, void *user)
{
	struct h2_stream *st;

	if (!h2_may_request(h))
		return NULL;
	st = h2_stream_new(h, h->next_id);
	if (!st)
		return NULL;
	if (put_head(h, st->id, f, n, last) < 0) {
		list_del(&st->node);
		h->nstreams--;
		free(st);
		return NULL;
	}
	h->next_id += 2;
	st->user = user;
	st->asks_head = asks_head(f, n);
	st->source = !last;
	if (last)
		local_end(h, st);
	return st;
}

int h2_head(struct h2 *h, struct h2_stream *st, const struct hpack_field *f,
	    size_t n, bool last, bool source)
{
	int rc;

	if (st->closed || st->local_done)
		return 0;
	rc = put_head(h, st->id, f, n, last);
	if (rc < 0)
		return rc;
	if (last)
		local_end(h, st);
	else if (source)
		st->source = true;
	if (source)
		h2_resume(h, st);
	return 0;
}

void h2_reset(struct h2 *h, struct h2_stream *st, uint32_t code)
{
	uint8_t p[4];
	struct wr w = wr_make(p, sizeof(p));

	if (st->closed)
		return;
	wr_u32(&w, code);
	h2_control(h, H2_RST_STREAM, 0, st->id, p, sizeof(p));
	if (h->server)
		h->newest_reset = MAX(h->newest_reset, st->id);
	h2_stream_close(h, st, code);
}

/* --- bodies --------------------------------------------------------------- */

void h2_resume(struct h2 *h, struct h2_stream *st)
{
	if (st->source && !st->closed && list_empty(&st->ready))
		list_add_tail(&h->ready, &st->ready);
}

void h2_unblock(struct h2 *h)
{
	struct list *n;

	list_for_each (n, &h->streams)
		h2_resume(h, container_of(n, struct h2_stream, node));
}

/* how much of a body may go out now */
static size_t h2_room(const struct h2 *h, const struct h2_stream *st)
{
	int32_t n = MIN(h->send_window, st->send_window);

	return n <= 0 ? 0 : MIN((size_t)n, H2_FRAME_MAX);
}

/* false: it has nothing, or may not */
static bool put_piece(struct h2 *h, struct h2_stream *st)
{
	struct h2_piece piece = { 0 };

	h->ops->piece(h->user, st, h2_room(h, st), &piece);
	if (st->closed || st->local_done)
		return true;
	if (!piece.n && !piece.last)
		return false;
	if (h2_put_frame(h, H2_DATA, piece.last ? H2_END_STREAM : 0, st->id,
			 piece.p, piece.n) < 0) {
		h->error = -ENOBUFS;
		return false;
	}
	h->send_window -= (int32_t)piece.n;
	st->send_window -= (int32_t)piece.n;
	if (piece.n)
		h->ops->sent(h->user, st, piece.n);
	if (piece.last)
		local_end(h, st);
	else
		h2_resume(h, st);
	return true;
}

size_t h2_write(struct h2 *h, struct h2_stream *st, const uint8_t *p, size_t n,
		size_t enough)
{
	size_t sent = 0;

	if (!st->source || st->closed || !list_empty(&h->ready))
		return 0;
	while (sent < n && h->out->len < enough) {
		size_t some = MIN(n - sent, h2_room(h, st));

		if (!some ||
		    h2_put_frame(h, H2_DATA, 0, st->id, p + sent, some) < 0)
			break;
		h->send_window -= (int32_t)some;
		st->send_window -= (int32_t)some;
		sent += some;
	}
	return sent;
}

int h2_send(struct h2 *h, size_t enough)
{
	bool some = h2_tell_closed(h);

	while (h->out->len < enough && !list_empty(&h->ready) && !h->ended &&
	       !h->error) {
		struct h2_stream *st =
			container_of(h->ready.next, struct h2_stream, ready);

		list_del(&st->ready);
		some |= put_piece(h, st);
	}
	return h->error ? h->error : some;
}
