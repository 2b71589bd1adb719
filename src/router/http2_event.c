/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "router/http2.h"

static struct http2_call *call_of(struct http2_side *s, int32_t id)
{
	return nghttp2_session_get_stream_user_data(s->ng, id);
}

/* --- heads --------------------------------------------------------------- */

static int begin_headers_cb(nghttp2_session *ng, const nghttp2_frame *frame,
			    void *user)
{
	struct http2_side *s = user;
	int32_t id = frame->hd.stream_id;
	struct http2_call *k = call_of(s, id);
	struct http2_head **h;

	(void)ng;
	if (!k && http2_is_down(s) &&
	    frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		s->c->order.newest = MAX(s->c->order.newest, id);
		k = http2_call_new(s, id);
	}
	if (!k)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	h = http2_is_down(s) ? &k->head : &k->reply;
	http2_head_free(*h);
	*h = http2_head_new();
	if (http2_is_down(s))
		http2_owes(s->c, id);
	return *h ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int header_cb(nghttp2_session *ng, const nghttp2_frame *frame,
		     const uint8_t *name, size_t nname, const uint8_t *value,
		     size_t nvalue, uint8_t flags, void *user)
{
	struct http2_side *s = user;
	struct http2_call *k = call_of(s, frame->hd.stream_id);
	struct http2_head *h = !k		  ? NULL
			       : http2_is_down(s) ? k->head
						  : k->reply;

	(void)ng;
	if (!h)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (http2_head_add(h, name, nname, value, nvalue,
			   flags & NGHTTP2_NV_FLAG_NO_INDEX) < 0)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	return 0;
}

static void headers(struct http2_side *s, struct http2_call *k,
		    const nghttp2_frame *frame)
{
	bool last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	if (!http2_is_down(s)) {
		if (k->reply)
			http2_reply(k, last);
		return;
	}
	http2_owes_not(s->c, frame->hd.stream_id);
	if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		http2_route(k, last);
	else
		k->ask.trailer = steal_ptr(&k->head);
}

static int frame_recv_cb(nghttp2_session *ng, const nghttp2_frame *frame,
			 void *user)
{
	struct http2_side *s = user;
	struct http2_call *k;

	(void)ng;
	if (frame->hd.type == NGHTTP2_GOAWAY)
		s->going = true;
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	k = call_of(s, frame->hd.stream_id);
	if (!k)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS)
		headers(s, k, frame);
	if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	if (http2_is_down(s)) {
		k->ask.ended = true;
		http2_resume(k->up, k->up_id, &k->ask);
	} else {
		k->answer.ended = true;
		http2_resume(&k->c->down, k->down_id, &k->answer);
	}
	return 0;
}

/* --- bodies -------------------------------------------------------------- */

static int data_cb(nghttp2_session *ng, uint8_t flags, int32_t id,
		   const uint8_t *p, size_t n, void *user)
{
	struct http2_side *s = user;
	struct http2_call *k = call_of(s, id);
	bool down = http2_is_down(s);
	struct http2_half *h = !k ? NULL : down ? &k->ask : &k->answer;
	bool taker =
		k && (down ? (k->up_id && k->up) || k->lost : k->down_id != 0);

	(void)flags;
	if (!taker) { /* nobody wants it any more */
		nghttp2_session_consume(ng, id, n);
		return 0;
	}
	if (buf_put(&h->q, p, n) < 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	s->queued += n;
	s->owed += n;
	http2_give_back(s);
	if (down)
		http2_resume(k->up, k->up_id, h);
	else
		http2_resume(&k->c->down, k->down_id, h);
	return 0;
}

/* the bytes that a source has promised; nghttp2 holds none of them */
static int send_data_cb(nghttp2_session *ng, nghttp2_frame *frame,
			const uint8_t *head, size_t n, nghttp2_data_source *src,
			void *user)
{
	(void)ng;
	(void)frame;
	if (http2_data_take(user, src->ptr, head, n) < 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	return NGHTTP2_ERR_PAUSE; /* others look whether there is room */
}

/* --- ends ---------------------------------------------------------------- */

static int stream_close_cb(nghttp2_session *ng, int32_t id, uint32_t code,
			   void *user)
{
	struct http2_side *s = user;
	struct http2_call *k = call_of(s, id);

	(void)ng;
	if (http2_is_down(s))
		http2_owes_not(s->c, id);
	if (!k)
		return 0;
	/* bytes of it that are queued are no longer owed to this stream */
	if (http2_is_down(s))
		http2_down_closed(k, code);
	else
		http2_up_closed(k, code);
	return 0;
}

static int frame_send_cb(nghttp2_session *ng, const nghttp2_frame *frame,
			 void *user)
{
	struct http2_side *s = user;
	struct http2_call *k;

	(void)ng;
	if (http2_is_down(s) && frame->hd.type == NGHTTP2_RST_STREAM)
		s->c->order.reset = MAX(s->c->order.reset, frame->hd.stream_id);
	if (!http2_is_down(s) || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) ||
	    (frame->hd.type != NGHTTP2_HEADERS &&
	     frame->hd.type != NGHTTP2_DATA))
		return 0;
	k = call_of(s, frame->hd.stream_id);
	/* RFC 9113 section 8.1 */
	if (k && k->cut && !k->ask.ended)
		http2_rst(s, frame->hd.stream_id, NGHTTP2_NO_ERROR);
	return 0;
}

void http2_events(nghttp2_session_callbacks *cbs)
{
	nghttp2_session_callbacks_set_on_begin_headers_callback(
		cbs, begin_headers_cb);
	nghttp2_session_callbacks_set_on_header_callback(cbs, header_cb);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cbs,
							     frame_recv_cb);
	nghttp2_session_callbacks_set_on_frame_send_callback(cbs,
							     frame_send_cb);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cbs, data_cb);
	nghttp2_session_callbacks_set_send_data_callback(cbs, send_data_cb);
	nghttp2_session_callbacks_set_on_stream_close_callback(cbs,
							       stream_close_cb);
}
