/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/mem.h"
#include "router/conn.h"
#include "router/http2_head.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <string.h>

/**
 * DOC: Theory of operation
 *
 * A caller that speaks HTTP/2. We are its server, and the client of each
 * backend its requests go to, over one connection per backend. A side is one
 * of these HTTP/2 sessions with its pipe; a call is one request: a stream of
 * the caller's side and one of a backend's. What comes on one stream is queued
 * and goes out on the other.
 *
 *   credit of a stream      given back when the other side took the bytes, so a
 *                           slow reader stops its own stream only
 *   credit of a connection  at once while little is queued, else likewise: what
 *                           one caller can make us hold is bounded
 *   RST_STREAM              goes over to the other stream, with its code
 *   trailers, 1xx           likewise
 *   PING, SETTINGS          each connection's own
 *   GOAWAY of a backend     its connection gets no new request; what it did not
 *                           take is refused (the caller may repeat it safely)
 *   a broken backend        502 where no response has begun, else RST_STREAM
 *   a broken caller         everything is reset
 *
 * Callbacks of nghttp2 only change state; run() sends afterwards.
 */

#define STREAM_WINDOW (256 << 10)
#define CONNECTION_WINDOW (1 << 20)
#define QUEUE_MAX ((size_t)1 << 20) /* credit is held back from here on */
#define STREAMS_MAX 256
#define OUT_SIZE ((size_t)16 << 10)
#define OUT_MAX ((size_t)128 << 10)

struct http2;

struct side {
	struct list node; /* of http2.ups */
	struct http2 *c;
	struct conn_end end; /* in: unused; pipe NULL: it broke */
	nghttp2_session *ng;
	struct backend_ref ref;
	struct buf out;
	size_t queued; /* bytes that came and have not gone on */
	size_t owed;   /* connection credit held back */
	size_t calls;
	bool opened, going, deaf;
};

/* one way of a call; bytes wait in it for the stream they go out on */
struct half {
	struct buf q;
	struct http2_head *trailer;
	bool ended;    /* nothing more comes */
	bool deferred; /* nghttp2 waits for bytes */
};

struct call {
	struct list node;
	struct http2 *c;
	struct side *up;	/* NULL: none (any more) */
	int32_t down_id, up_id; /* 0: closed */
	struct half ask, answer;
	struct http2_head *head;  /* that comes in from the caller */
	struct http2_head *reply; /* from the backend */
	bool begun; /* the final response's head went to the caller */
	bool cut;   /* reset the caller's stream behind the response */
};

struct http2 {
	struct router_conn *rc;
	struct side down;
	struct list ups, calls;
	bool dead;
};

static void run(struct http2 *c);

/* --- calls --------------------------------------------------------------- */

static void half_fini(struct half *h)
{
	buf_fini(&h->q);
	http2_head_free(h->trailer);
	h->trailer = NULL;
}

static void give_back(struct side *s)
{
	if (s->owed && s->queued < QUEUE_MAX) {
		nghttp2_session_consume_connection(s->ng, s->owed);
		s->owed = 0;
	}
}

/* @n queued bytes that came on stream @id of @s are gone */
static void taken(struct side *s, int32_t id, size_t n)
{
	if (!s || !s->ng)
		return;
	s->queued -= MIN(n, s->queued);
	if (id)
		nghttp2_session_consume_stream(s->ng, id, n);
	give_back(s);
}

static void drop_queue(struct half *h, struct side *s, int32_t id)
{
	size_t n = h->q.len;

	buf_fini(&h->q);
	if (n)
		taken(s, id, n);
}

static void call_free(struct call *k)
{
	list_del(&k->node);
	half_fini(&k->ask);
	half_fini(&k->answer);
	http2_head_free(k->head);
	http2_head_free(k->reply);
	loop_defer_free(k->c->rc->env->loop, k);
}

static void call_check(struct call *k)
{
	if (!k->down_id && !k->up_id)
		call_free(k);
}

static void rst(struct side *s, int32_t id, uint32_t code)
{
	if (s && s->ng && id)
		(void)!nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, id,
						 code);
}

static void resume(struct side *s, int32_t id, struct half *h)
{
	if (!h->deferred || !s || !s->ng || !id)
		return;
	h->deferred = false;
	(void)!nghttp2_session_resume_data(s->ng, id);
}

static ssize_t read_half(struct half *h, struct side *from, int32_t from_id,
			 struct side *to, int32_t to_id, uint8_t *buf,
			 size_t len, uint32_t *flags)
{
	size_t n = MIN(len, h->q.len);

	if (n) {
		memcpy(buf, buf_data(&h->q), n);
		buf_take(&h->q, n);
		taken(from, from_id, n);
	}
	if (!h->q.len)
		buf_fini(&h->q);
	if (h->q.len || !h->ended) {
		if (n)
			return (ssize_t)n;
		h->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (h->trailer) {
		nghttp2_nv nv[HTTP2_FIELDS_MAX];
		size_t nnv = http2_head_nv(h->trailer, nv);

		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		if (nghttp2_submit_trailer(to->ng, to_id, nv, nnv) != 0)
			return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	return (ssize_t)n;
}

static ssize_t read_ask(nghttp2_session *ng, int32_t id, uint8_t *buf,
			size_t len, uint32_t *flags, nghttp2_data_source *src,
			void *user)
{
	struct call *k = src->ptr;

	(void)ng;
	(void)user;
	return read_half(&k->ask, &k->c->down, k->down_id, k->up, id, buf, len,
			 flags);
}

static ssize_t read_answer(nghttp2_session *ng, int32_t id, uint8_t *buf,
			   size_t len, uint32_t *flags,
			   nghttp2_data_source *src, void *user)
{
	struct call *k = src->ptr;

	(void)ng;
	(void)user;
	return read_half(&k->answer, k->up, k->up_id, &k->c->down, id, buf, len,
			 flags);
}

/* an answer of ours */
static void refuse(struct call *k, const char *status, const char *text)
{
	const nghttp2_nv nv[] = {
		{ (uint8_t *)(uintptr_t) ":status",
		  (uint8_t *)(uintptr_t)status, 7, 3, 0 },
		{ (uint8_t *)(uintptr_t) "content-type",
		  (uint8_t *)(uintptr_t) "text/plain", 12, 10, 0 },
	};
	const nghttp2_data_provider dp = { .source.ptr = k,
					   .read_callback = read_answer };

	if (!k->down_id)
		return;
	if (k->begun) {
		rst(&k->c->down, k->down_id, NGHTTP2_INTERNAL_ERROR);
		return;
	}
	log_debug("router: port %u: %s: %s", k->c->rc->port, status, text);
	k->begun = true;
	k->cut = true;
	drop_queue(&k->ask, &k->c->down, k->down_id);
	half_fini(&k->answer);
	buf_init(&k->answer.q, STREAM_WINDOW);
	k->answer.ended = true;
	if (buf_printf(&k->answer.q, "%s\n", text) < 0 ||
	    nghttp2_submit_response(k->c->down.ng, k->down_id, nv,
				    ARRAY_SIZE(nv), &dp) != 0)
		rst(&k->c->down, k->down_id, NGHTTP2_INTERNAL_ERROR);
}

/* --- backends ------------------------------------------------------------ */

static void up_free(struct side *s)
{
	list_del(&s->node);
	if (s->end.pipe)
		pipe_close(s->end.pipe, true);
	s->end.pipe = NULL;
	nghttp2_session_del(s->ng);
	s->ng = NULL;
	buf_fini(&s->out);
	loop_defer_free(s->c->rc->env->loop, s);
}

/* its connection is over: so are the calls on it */
static void up_broke(struct side *s, int error)
{
	struct http2 *c = s->c;
	struct list *n, *tmp;
	char text[128];

	snprintf(text, sizeof(text), "%s: %s",
		 s->opened ? "the backend sent no answer"
			   : "no connection to the backend",
		 strerror(error ? -error : ECONNRESET));
	list_for_each_safe (n, tmp, &c->calls) {
		struct call *k = container_of(n, struct call, node);

		if (k->up != s)
			continue;
		k->up = NULL;
		k->up_id = 0;
		/* a response that was complete still goes out */
		if (!(k->begun && k->answer.ended))
			refuse(k, error == -ETIMEDOUT ? "504" : "502", text);
		drop_queue(&k->ask, &c->down, k->down_id);
		call_check(k);
	}
	up_free(s);
}

static int side_session(struct side *s, bool server);
static const struct pipe_handler up_handler;

static struct side *up_open(struct http2 *c, struct backend_ref ref)
{
	struct router_env *env = c->rc->env;
	struct side *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->c = c;
	s->ref = ref;
	buf_init(&s->out, OUT_MAX);
	list_init(&s->node);
	if (side_session(s, false) == 0)
		s->end.pipe = env->open(env, c->rc->port, ref, &c->rc->from);
	if (!s->end.pipe) {
		nghttp2_session_del(s->ng);
		free(s);
		return NULL;
	}
	pipe_set_handler(s->end.pipe, &up_handler, s);
	list_add_tail(&c->ups, &s->node);
	return s;
}

static struct side *up_for(struct http2 *c, struct backend_ref ref)
{
	struct list *n;

	list_for_each (n, &c->ups) {
		struct side *s = container_of(n, struct side, node);

		if (!s->going && !s->deaf && backend_same(s->ref, ref) &&
		    nghttp2_session_check_request_allowed(s->ng))
			return s;
	}
	return up_open(c, ref);
}

static bool is_connect(const struct rule_request *req)
{
	return req->method.n == 7 && memcmp(req->method.p, "CONNECT", 7) == 0;
}

/* the request's head is there */
static void route(struct call *k, bool last)
{
	struct http2 *c = k->c;
	struct router_env *env = c->rc->env;
	const nghttp2_data_provider dp = { .source.ptr = k,
					   .read_callback = read_ask };
	struct rule_field field[HTTP2_FIELDS_MAX];
	nghttp2_nv nv[HTTP2_FIELDS_MAX];
	struct rule_request req;
	struct backend_ref ref;
	size_t nnv;

	k->ask.ended = last;
	http2_head_rule(k->head, field, &req);
	if (is_connect(&req)) {
		refuse(k, "405", "CONNECT is not for a Service");
		return;
	}
	ref = env->choose(env, c->rc->port, &req);
	if (ref.kind == BACKEND_NONE) {
		refuse(k, "502", "nobody serves this request");
		return;
	}
	if (http2_head_forwarded(k->head, &c->rc->from) < 0) {
		refuse(k, "431", "the request's head is too large");
		return;
	}
	k->up = up_for(c, ref);
	nnv = http2_head_nv(k->head, nv);
	if (k->up)
		k->up_id = nghttp2_submit_request(k->up->ng, NULL, nv, nnv,
						  last ? NULL : &dp, k);
	if (!k->up || k->up_id < 0) {
		k->up = NULL;
		k->up_id = 0;
		refuse(k, "502", "no connection to the backend");
	}
	http2_head_free(k->head);
	k->head = NULL;
}

/* a head came from the backend */
static void reply(struct call *k, bool last)
{
	struct http2 *c = k->c;
	struct http2_head *h = steal_ptr(&k->reply);
	const nghttp2_data_provider dp = { .source.ptr = k,
					   .read_callback = read_answer };
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
		rst(&c->down, k->down_id, NGHTTP2_INTERNAL_ERROR);
}

/* --- what nghttp2 tells -------------------------------------------------- */

static struct call *call_of(struct side *s, int32_t id)
{
	return nghttp2_session_get_stream_user_data(s->ng, id);
}

static bool is_down(const struct side *s)
{
	return s == &s->c->down;
}

static struct call *call_new(struct side *s, int32_t id)
{
	struct call *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->c = s->c;
	k->down_id = id;
	buf_init(&k->ask.q, STREAM_WINDOW);
	buf_init(&k->answer.q, STREAM_WINDOW);
	list_add_tail(&s->c->calls, &k->node);
	nghttp2_session_set_stream_user_data(s->ng, id, k);
	return k;
}

static int begin_headers_cb(nghttp2_session *ng, const nghttp2_frame *frame,
			    void *user)
{
	struct side *s = user;
	int32_t id = frame->hd.stream_id;
	struct call *k = call_of(s, id);
	struct http2_head **h;

	(void)ng;
	if (!k && is_down(s) && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		k = call_new(s, id);
	if (!k)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	h = is_down(s) ? &k->head : &k->reply;
	http2_head_free(*h);
	*h = http2_head_new();
	return *h ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int header_cb(nghttp2_session *ng, const nghttp2_frame *frame,
		     const uint8_t *name, size_t nname, const uint8_t *value,
		     size_t nvalue, uint8_t flags, void *user)
{
	struct side *s = user;
	struct call *k = call_of(s, frame->hd.stream_id);
	struct http2_head *h = !k ? NULL : is_down(s) ? k->head : k->reply;

	(void)ng;
	if (!h)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (http2_head_add(h, name, nname, value, nvalue,
			   flags & NGHTTP2_NV_FLAG_NO_INDEX) < 0)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	return 0;
}

static void headers(struct side *s, struct call *k, const nghttp2_frame *frame)
{
	bool last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	if (!is_down(s)) {
		if (k->reply)
			reply(k, last);
	} else if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		route(k, last);
	} else {
		k->ask.trailer = steal_ptr(&k->head);
	}
}

static int frame_recv_cb(nghttp2_session *ng, const nghttp2_frame *frame,
			 void *user)
{
	struct side *s = user;
	struct call *k;

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
	if (is_down(s)) {
		k->ask.ended = true;
		resume(k->up, k->up_id, &k->ask);
	} else {
		k->answer.ended = true;
		resume(&k->c->down, k->down_id, &k->answer);
	}
	return 0;
}

static int data_cb(nghttp2_session *ng, uint8_t flags, int32_t id,
		   const uint8_t *p, size_t n, void *user)
{
	struct side *s = user;
	struct call *k = call_of(s, id);
	bool down = is_down(s);
	struct half *h = !k ? NULL : down ? &k->ask : &k->answer;
	bool taker = k && (down ? k->up_id && k->up : k->down_id != 0);

	(void)flags;
	if (!taker) { /* nobody wants it any more */
		nghttp2_session_consume(ng, id, n);
		return 0;
	}
	if (buf_put(&h->q, p, n) < 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	s->queued += n;
	s->owed += n;
	give_back(s);
	if (down)
		resume(k->up, k->up_id, h);
	else
		resume(&k->c->down, k->down_id, h);
	return 0;
}

static void down_closed(struct call *k, uint32_t code)
{
	k->down_id = 0;
	drop_queue(&k->answer, k->up, k->up_id);
	if (code || !k->ask.ended) {
		drop_queue(&k->ask, &k->c->down, 0);
		rst(k->up, k->up_id, code ? code : NGHTTP2_CANCEL);
	}
	call_check(k);
}

/* the response is whole, the request is not wanted whole: say so behind the
 * response, also when that is out already */
static void cut(struct call *k)
{
	struct side *down = &k->c->down;

	k->cut = true;
	if (nghttp2_session_get_stream_local_close(down->ng, k->down_id) == 1)
		rst(down, k->down_id, NGHTTP2_NO_ERROR);
}

static void up_closed(struct call *k, uint32_t code)
{
	k->up_id = 0; /* k->up stays: what is queued counts there */
	drop_queue(&k->ask, &k->c->down, k->down_id);
	if (k->down_id && !k->answer.ended)
		rst(&k->c->down, k->down_id,
		    code ? code : NGHTTP2_INTERNAL_ERROR);
	else if (k->down_id && !k->ask.ended)
		cut(k);
	call_check(k);
}

static int stream_close_cb(nghttp2_session *ng, int32_t id, uint32_t code,
			   void *user)
{
	struct side *s = user;
	struct call *k = call_of(s, id);

	(void)ng;
	if (!k)
		return 0;
	/* bytes of it that are queued are no longer owed to this stream */
	if (is_down(s))
		down_closed(k, code);
	else
		up_closed(k, code);
	return 0;
}

static int frame_send_cb(nghttp2_session *ng, const nghttp2_frame *frame,
			 void *user)
{
	struct side *s = user;
	struct call *k;

	(void)ng;
	if (!is_down(s) || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) ||
	    (frame->hd.type != NGHTTP2_HEADERS &&
	     frame->hd.type != NGHTTP2_DATA))
		return 0;
	k = call_of(s, frame->hd.stream_id);
	/* RFC 9113 section 8.1 */
	if (k && k->cut && !k->ask.ended)
		rst(s, frame->hd.stream_id, NGHTTP2_NO_ERROR);
	return 0;
}

/* --- sessions ------------------------------------------------------------ */

static void set_callbacks(nghttp2_session_callbacks *cbs)
{
	nghttp2_session_callbacks_set_on_begin_headers_callback(
		cbs, begin_headers_cb);
	nghttp2_session_callbacks_set_on_header_callback(cbs, header_cb);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cbs,
							     frame_recv_cb);
	nghttp2_session_callbacks_set_on_frame_send_callback(cbs,
							     frame_send_cb);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cbs, data_cb);
	nghttp2_session_callbacks_set_on_stream_close_callback(cbs,
							       stream_close_cb);
}

static int submit_settings(struct side *s, bool server)
{
	const nghttp2_settings_entry e[] = {
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP2_HEAD_MAX },
		{ server ? NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS
			 : NGHTTP2_SETTINGS_ENABLE_PUSH,
		  server ? STREAMS_MAX : 0 },
	};

	if (nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, e,
				    ARRAY_SIZE(e)) != 0 ||
	    nghttp2_session_set_local_window_size(s->ng, NGHTTP2_FLAG_NONE, 0,
						  CONNECTION_WINDOW) != 0)
		return -ENOMEM;
	return 0;
}

static int side_session(struct side *s, bool server)
{
	nghttp2_session_callbacks *cbs = NULL;
	nghttp2_option *opt = NULL;
	int rc = -ENOMEM;

	if (nghttp2_session_callbacks_new(&cbs) == 0 &&
	    nghttp2_option_new(&opt) == 0) {
		set_callbacks(cbs);
		nghttp2_option_set_no_auto_window_update(opt, 1);
		nghttp2_option_set_no_closed_streams(opt, 1);
		/* a caller may give up many requests at once */
		nghttp2_option_set_stream_reset_rate_limit(opt, 10000, 1000);
		rc = server ? nghttp2_session_server_new2(&s->ng, cbs, s, opt)
			    : nghttp2_session_client_new2(&s->ng, cbs, s, opt);
	}
	nghttp2_option_del(opt);
	nghttp2_session_callbacks_del(cbs);
	if (rc != 0)
		return -ENOMEM;
	return submit_settings(s, server);
}

/* 1: something went out; 0: nothing to send, or no room; -errno */
static int side_send(struct side *s)
{
	int some = 0;

	while (s->opened && s->end.pipe && !s->deaf) {
		ssize_t n = 1;

		while (n > 0 && s->out.len < OUT_SIZE) {
			const uint8_t *p;

			n = nghttp2_session_mem_send(s->ng, &p);
			if (n < 0 || (n && buf_put(&s->out, p, (size_t)n) < 0))
				return -EPROTO;
		}
		if (!s->out.len)
			break;
		n = pipe_send(s->end.pipe, buf_data(&s->out), s->out.len);
		if (n < 0) {
			s->deaf = true;
			break;
		}
		some |= n > 0;
		buf_take(&s->out, (size_t)n);
		if (s->out.len)
			return some;
		buf_fini(&s->out);
	}
	return some;
}

static bool finished(const struct side *s)
{
	return !nghttp2_session_want_read(s->ng) &&
	       !nghttp2_session_want_write(s->ng) && !s->out.len;
}

/* --- life ---------------------------------------------------------------- */

static void http2_free(void *part)
{
	struct http2 *c = part;

	c->dead = true;
	while (!list_empty(&c->calls))
		call_free(container_of(c->calls.next, struct call, node));
	while (!list_empty(&c->ups))
		up_free(container_of(c->ups.next, struct side, node));
	nghttp2_session_del(c->down.ng);
	c->down.ng = NULL;
	buf_fini(&c->down.out);
	conn_end_reset(&c->down.end);
	loop_defer_free(c->rc->env->loop, c);
}

static void over(struct http2 *c, bool reset)
{
	struct router_conn *rc = c->rc;

	if (c->dead)
		return;
	if (c->down.end.pipe)
		pipe_close(c->down.end.pipe, reset);
	c->down.end.pipe = NULL;
	http2_free(c);
	conn_over(rc);
}

/* false: the caller's connection is over */
static bool send_all(struct http2 *c, int *some)
{
	struct list *n, *tmp;
	int rc = side_send(&c->down);

	if (rc < 0 || c->down.deaf || finished(&c->down)) {
		over(c, rc < 0 || c->down.deaf);
		return false;
	}
	*some = rc;
	list_for_each_safe (n, tmp, &c->ups) {
		struct side *s = container_of(n, struct side, node);

		rc = side_send(s);
		if (rc < 0 || finished(s))
			up_broke(s, rc < 0 ? rc : -ECONNRESET);
		else
			*some |= rc;
	}
	return true;
}

static void run(struct http2 *c)
{
	int some = 1;

	/* credit that one side gets may let the other go on */
	while (some && !c->dead)
		if (!send_all(c, &some))
			return;
}

/* --- pipes --------------------------------------------------------------- */

static void on_opened(void *user)
{
	struct side *s = user;

	s->opened = true;
	run(s->c);
}

static void on_writable(void *user)
{
	struct side *s = user;

	run(s->c);
}

static void receive(struct side *s, const uint8_t *p, size_t n)
{
	struct http2 *c = s->c;
	ssize_t rc = nghttp2_session_mem_recv(s->ng, p, n);

	if (s->end.pipe)
		pipe_consume(s->end.pipe, n);
	if (rc < 0 && is_down(s)) {
		(void)side_send(s);
		over(c, false);
		return;
	}
	if (rc < 0)
		up_broke(s, -EPROTO);
	run(c);
}

static void on_data(void *user, const uint8_t *p, size_t n)
{
	receive(user, p, n);
}

static void on_down_eof(void *user)
{
	struct side *s = user;

	over(s->c, false);
}

static void on_down_closed(void *user, int error)
{
	struct side *s = user;

	(void)error;
	s->end.pipe = NULL;
	over(s->c, true);
}

static void on_up_eof(void *user)
{
	struct side *s = user;
	struct http2 *c = s->c;

	up_broke(s, -ECONNRESET);
	run(c);
}

static void on_up_closed(void *user, int error)
{
	struct side *s = user;
	struct http2 *c = s->c;

	s->end.pipe = NULL;
	up_broke(s, error);
	run(c);
}

static const struct pipe_handler down_handler = { on_opened, on_data,
						  on_down_eof, on_writable,
						  on_down_closed };
static const struct pipe_handler up_handler = { on_opened, on_data, on_up_eof,
						on_writable, on_up_closed };

void http2_start(struct router_conn *rc, struct conn_end *caller)
{
	struct http2 *c = calloc(1, sizeof(*c));
	struct buf in = caller->in;

	if (c) {
		c->rc = rc;
		c->down.c = c;
		list_init(&c->ups);
		list_init(&c->calls);
		list_init(&c->down.node);
		buf_init(&c->down.out, OUT_MAX);
	}
	if (!c || side_session(&c->down, true) < 0) {
		if (c)
			nghttp2_session_del(c->down.ng);
		free(c);
		conn_end_reset(caller);
		conn_over(rc);
		return;
	}
	c->down.end.pipe = caller->pipe;
	c->down.opened = true;
	pipe_set_handler(caller->pipe, &down_handler, &c->down);
	conn_become(rc, c, http2_free);
	if (in.len)
		receive(&c->down, buf_data(&in), in.len);
	else
		run(c);
	buf_fini(&in);
	if (!c->dead && caller->eof)
		over(c, false);
}
