/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/mem.h"
#include "router/http2.h"

#include <errno.h>
#include <string.h>

#define FRAME_HEAD 9

/* --- queues and credit --------------------------------------------------- */

static void half_fini(struct http2_half *h)
{
	buf_fini(&h->q);
	http2_head_free(h->trailer);
	h->trailer = NULL;
}

/* credit is held back from here on */
#define QUEUE_MAX ((size_t)1 << 20)

void http2_give_back(struct http2_side *s)
{
	if (s->owed && s->queued < QUEUE_MAX) {
		nghttp2_session_consume_connection(s->ng, s->owed);
		s->owed = 0;
	}
}

/* @n queued bytes that came on stream @id of @s are gone */
static void taken(struct http2_side *s, int32_t id, size_t n)
{
	if (!s || !s->ng)
		return;
	s->queued -= MIN(n, s->queued);
	if (id)
		nghttp2_session_consume_stream(s->ng, id, n);
	http2_give_back(s);
}

void http2_drop(struct http2_half *h, struct http2_side *s, int32_t id)
{
	size_t n = h->q.len;

	buf_fini(&h->q);
	if (n)
		taken(s, id, n);
}

void http2_rst(struct http2_side *s, int32_t id, uint32_t code)
{
	if (s && s->ng && id)
		(void)!nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, id,
						 code);
}

void http2_resume(struct http2_side *s, int32_t id, struct http2_half *h)
{
	if (!h->deferred || !s || !s->ng || !id)
		return;
	h->deferred = false;
	(void)!nghttp2_session_resume_data(s->ng, id);
}

/* nghttp2 asks how much there is; http2_data_take() takes it */
static ssize_t read_half(struct http2_half *h, nghttp2_session *ng, int32_t id,
			 size_t len, uint32_t *flags)
{
	size_t n = MIN(len, h->q.len);

	if (n < h->q.len || !h->ended) {
		if (n) {
			*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
			return (ssize_t)n;
		}
		h->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY | NGHTTP2_DATA_FLAG_EOF;
	if (h->trailer) {
		nghttp2_nv nv[HTTP2_FIELDS_MAX];
		size_t nnv = http2_head_nv(h->trailer, nv);

		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		if (nghttp2_submit_trailer(ng, id, nv, nnv) != 0)
			return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	return (ssize_t)n;
}

static ssize_t read_ask(nghttp2_session *ng, int32_t id, uint8_t *buf,
			size_t len, uint32_t *flags, nghttp2_data_source *src,
			void *user)
{
	struct http2_call *k = src->ptr;

	(void)buf;
	(void)user;
	return read_half(&k->ask, ng, id, len, flags);
}

static ssize_t read_answer(nghttp2_session *ng, int32_t id, uint8_t *buf,
			   size_t len, uint32_t *flags,
			   nghttp2_data_source *src, void *user)
{
	struct http2_call *k = src->ptr;

	(void)buf;
	(void)user;
	return read_half(&k->answer, ng, id, len, flags);
}

nghttp2_data_provider http2_ask_source(struct http2_call *k)
{
	return (nghttp2_data_provider){ .source.ptr = k,
					.read_callback = read_ask };
}

nghttp2_data_provider http2_answer_source(struct http2_call *k)
{
	return (nghttp2_data_provider){ .source.ptr = k,
					.read_callback = read_answer };
}

int http2_data_take(struct http2_side *s, struct http2_call *k,
		    const uint8_t *frame_head, size_t n)
{
	bool down = http2_is_down(s);
	struct http2_half *h = down ? &k->answer : &k->ask;

	if (h->q.len < n)
		return -EPROTO;
	if (!buf_reserve(&s->out, FRAME_HEAD + n) ||
	    buf_put(&s->out, frame_head, FRAME_HEAD) < 0 ||
	    buf_put(&s->out, buf_data(&h->q), n) < 0)
		return -ENOMEM;
	buf_take(&h->q, n);
	if (!h->q.len)
		buf_fini(&h->q);
	if (n)
		taken(down ? k->up : &k->c->down, down ? k->up_id : k->down_id,
		      n);
	return 0;
}

/* --- life ---------------------------------------------------------------- */

struct http2_call *http2_call_new(struct http2_side *s, int32_t id)
{
	struct http2_call *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->c = s->c;
	k->down_id = id;
	buf_init(&k->ask.q, HTTP2_STREAM_WINDOW);
	buf_init(&k->answer.q, HTTP2_STREAM_WINDOW);
	list_add_tail(&s->c->calls, &k->node);
	nghttp2_session_set_stream_user_data(s->ng, id, k);
	return k;
}

void http2_call_free(struct http2_call *k)
{
	list_del(&k->node);
	half_fini(&k->ask);
	half_fini(&k->answer);
	http2_head_free(k->head);
	http2_head_free(k->sent);
	http2_head_free(k->reply);
	if (list_empty(&k->c->calls))
		http2_rest(k->c);
	loop_defer_free(k->c->rc->env->loop, k);
}

void http2_call_check(struct http2_call *k)
{
	if (!k->down_id && !k->up_id)
		http2_call_free(k);
}

void http2_down_closed(struct http2_call *k, uint32_t code)
{
	k->down_id = 0;
	http2_drop(&k->answer, k->up, k->up_id);
	if (code || !k->ask.ended) {
		http2_drop(&k->ask, &k->c->down, 0);
		http2_rst(k->up, k->up_id, code ? code : NGHTTP2_CANCEL);
	}
	http2_call_check(k);
}

/* the response is whole, the request is not wanted whole: say so behind the
 * response, also when that is out already */
static void cut(struct http2_call *k)
{
	struct http2_side *down = &k->c->down;

	k->cut = true;
	if (nghttp2_session_get_stream_local_close(down->ng, k->down_id) == 1)
		http2_rst(down, k->down_id, NGHTTP2_NO_ERROR);
}

void http2_up_closed(struct http2_call *k, uint32_t code)
{
	k->up_id = 0; /* k->up stays: what is queued counts there */
	http2_drop(&k->ask, &k->c->down, k->down_id);
	if (k->down_id && !k->answer.ended)
		http2_rst(&k->c->down, k->down_id,
			  code ? code : NGHTTP2_INTERNAL_ERROR);
	else if (k->down_id && !k->ask.ended)
		cut(k);
	http2_call_check(k);
}

/* --- answers ------------------------------------------------------------- */

void http2_refuse(struct http2_call *k, const char *status, const char *text)
{
	const nghttp2_nv nv[] = {
		{ (uint8_t *)(uintptr_t) ":status",
		  (uint8_t *)(uintptr_t)status, 7, 3, 0 },
		{ (uint8_t *)(uintptr_t) "content-type",
		  (uint8_t *)(uintptr_t) "text/plain", 12, 10, 0 },
	};
	const nghttp2_data_provider dp = http2_answer_source(k);

	if (!k->down_id)
		return;
	if (k->begun) {
		http2_rst(&k->c->down, k->down_id, NGHTTP2_INTERNAL_ERROR);
		return;
	}
	log_debug("router: port %u: %s: %s", k->c->rc->port, status, text);
	k->begun = true;
	k->cut = true;
	http2_drop(&k->ask, &k->c->down, k->down_id);
	half_fini(&k->answer);
	buf_init(&k->answer.q, HTTP2_STREAM_WINDOW);
	k->answer.ended = true;
	if (buf_printf(&k->answer.q, "%s\n", text) < 0 ||
	    nghttp2_submit_response(k->c->down.ng, k->down_id, nv,
				    ARRAY_SIZE(nv), &dp) != 0)
		http2_rst(&k->c->down, k->down_id, NGHTTP2_INTERNAL_ERROR);
}

void http2_reply(struct http2_call *k, bool last)
{
	struct http2 *c = k->c;
	struct http2_head *h = steal_ptr(&k->reply);
	const nghttp2_data_provider dp = http2_answer_source(k);
	nghttp2_nv nv[HTTP2_FIELDS_MAX];
	size_t nnv = http2_head_nv(h, nv);
	int status = http2_head_status(h), rc = 0;

	if (k->begun) { /* trailers */
		http2_head_free(k->answer.trailer);
		k->answer.trailer = h;
		return;
	}
	k->begun = status >= 200;
	if (k->begun)
		k->answer.ended = last;
	if (!k->down_id)
		rc = 0;
	else if (!k->begun)
		rc = nghttp2_submit_headers(c->down.ng, NGHTTP2_FLAG_NONE,
					    k->down_id, NULL, nv, nnv, NULL);
	else
		rc = nghttp2_submit_response(c->down.ng, k->down_id, nv, nnv,
					     last ? NULL : &dp);
	http2_head_free(h);
	if (rc < 0)
		http2_rst(&c->down, k->down_id, NGHTTP2_INTERNAL_ERROR);
}
