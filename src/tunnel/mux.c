/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/mux.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "tunnel/muxhead.h"
#include "tunnel/status.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <string.h>

/**
 * DOC: Theory of operation
 *
 * Sending is pulled. mux_produce() lets nghttp2 choose the next frame; for a
 * DATA frame nghttp2 asks the stream's read(), which puts the bytes (recv())
 * straight into the transport's memory behind room for the frame's nine-byte
 * head (NGHTTP2_DATA_FLAG_NO_COPY). A stream that has nothing says -EAGAIN
 * and is left alone until mux_stream_resume(). nghttp2 takes the streams that
 * have something by bytes already sent, so they share alike and a stream that
 * was silent goes first.
 *
 * Receiving is pushed. Credit is given back for bytes that the stream's user
 * really took. A stalled reader stops its own stream when its window is full,
 * and no other, as the window of the connection has room for many. That one
 * bounds the memory of all. When those who do not read hold three eighths of it
 * (nghttp2 tells the peer of new credit by halves), the one that holds the most
 * and took nothing for long is reset, and so on: else all would stand
 * still. A stream starts with a small window, which doubles each time its user
 * took a windowful, up to a maximum: only streams that flow get the large one.
 *
 * States of a stream: its user is set (ops), or gone (after
 * mux_stream_reset(), mux_stream_refuse()). When nghttp2 closes the stream the
 * user, if any, gets close() and the structure goes. Nothing is called after
 * that. Callbacks may do everything, mux_free() included: what nghttp2 still
 * uses is freed after the batch of events.
 */

#define HEAD_LEN 9	       /* of an HTTP/2 frame */
#define REQUEST_FIELDS 10      /* the most that a request of ours has */
#define READ_MIN 8192	       /* the least room worth a read() */
#define HELD_DEFAULT (1 << 30) /* of a mux without a session: no bound */
#define HELD_MAX (1 << 30)
#define HELD_MIN (256 << 10)
#define STALL_NS (10 * NS_SEC) /* a stream of which nothing is taken */
#define SHORT_TICKS 10	       /* looks in stall_ns */
#define RECV_FRAME_MAX (256 * 1024)

struct mux {
	struct loop *loop;
	struct mux_config cfg;
	const struct mux_transport *tr;
	void *tr_user;
	mux_request_fn on_request;
	void *user;
	struct stream_mover *mover; /* only kept for others */
	nghttp2_session *ng;
	struct list streams;
	size_t nstreams;
	size_t windows; /* sum of the streams' */
	size_t held;	/* bytes received and not taken */
	struct timer short_tick;
	bool short_told;
	bool dead;
	bool spent; /* no stream ids are left */

	size_t room, made; /* of the present mux_produce() */
	uint8_t *reserved; /* where the DATA frame under way begins */
};

struct mux_stream {
	struct list node;
	struct mux *mux;
	int32_t id;
	const struct mux_stream_ops *ops; /* NULL: no user */
	void *user;
	struct muxhead *head; /* while one comes in */
	uint32_t window, taken;
	size_t held;
	int64_t moved; /* when something was taken, or all was */
	int error;     /* why we ended it (positive errno), or 0 */
	bool deferred;
	bool answered; /* head() was called, or we answered */
	bool ended;    /* end() was called */
};

struct mux_config mux_config_default(bool server)
{
	return (struct mux_config){
		.server = server,
		.window = 256 * 1024,
		.window_max = 4 * 1024 * 1024,
		.window_more = 4 * 1024 * 1024,
		.frame_max = 64 * 1024,
		.streams_max = 100000,
		.stall_ns = STALL_NS,
		.share = 1,
		.most = 4,
		.grow = 2,
	};
}

struct mux_config mux_config_bulk(bool server)
{
	struct mux_config cfg = mux_config_default(server);

	cfg.window_more = MUX_WINDOW_BULK;
	cfg.frame_max = 128 * 1024;
	cfg.share = 3;
	return cfg;
}

struct mux_config mux_config_part(bool server)
{
	struct mux_config cfg = mux_config_bulk(server);

	cfg.most = 3; /* below the three eighths of mux_is_short() */
	cfg.frame_max = mux_config_default(server).frame_max;
	/* far away each step takes a round trip, and there are few streams */
	cfg.window = 2 * 1024 * 1024;
	cfg.grow = 4;
	return cfg;
}

struct mux_config mux_config_wide(bool server)
{
	struct mux_config cfg = mux_config_part(server);

	cfg.window_more = MUX_WINDOW_MAX;
	return cfg;
}

void mux_config_limit(struct mux_config *cfg, size_t buffers)
{
	size_t n = MIN(buffers / 4 * cfg->share, (size_t)HELD_MAX);

	cfg->held_max = MAX((uint32_t)n, (uint32_t)HELD_MIN);
	/* no stream alone takes it all */
	cfg->window_more = MIN(cfg->window_more, cfg->held_max / cfg->most);
	cfg->window_max = MIN(cfg->window_max, cfg->held_max / cfg->most);
	cfg->window = MIN(cfg->window, MAX(cfg->held_max / 8, 65536U));
}

size_t mux_streams(const struct mux *m)
{
	return m->nstreams;
}

uint32_t mux_stream_id(const struct mux_stream *s)
{
	return (uint32_t)s->id;
}

void mux_set_mover(struct mux *m, struct stream_mover *mover)
{
	m->mover = mover;
}

struct stream_mover *mux_stream_mover(const struct mux_stream *s)
{
	return s->mux->mover;
}

/* --- streams -------------------------------------------------------------- */

static struct mux_stream *stream_new(struct mux *m, int32_t id,
				     const struct mux_stream_ops *ops,
				     void *user)
{
	struct mux_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->mux = m;
	s->id = id;
	s->ops = ops;
	s->user = user;
	s->window = m->cfg.window;
	m->windows += s->window;
	list_add_tail(&m->streams, &s->node);
	m->nstreams++;
	return s;
}

static void kick(struct mux *m)
{
	if (!m->dead)
		m->tr->kick(m->tr_user);
}

/* what it held is nobody's now */
static void mux_stream_give_back(struct mux_stream *s)
{
	struct mux *m = s->mux;

	if (!s->held)
		return;
	m->held -= s->held;
	if (!m->dead) {
		nghttp2_session_consume_connection(m->ng, s->held);
		kick(m);
	}
	s->held = 0;
}

/* callbacks further up the stack may still hold it: freed after the batch */
static void mux_stream_free(struct mux_stream *s)
{
	mux_stream_give_back(s);
	list_del(&s->node);
	s->mux->nstreams--;
	s->mux->windows -= s->window;
	free(s->head);
	s->head = NULL;
	loop_defer_free(s->mux->loop, s);
}

static void stream_closed(struct mux_stream *s, int error)
{
	const struct mux_stream_ops *ops = s->ops;

	s->ops = NULL;
	mux_stream_free(s);
	if (ops && ops->close)
		ops->close(s->user, error);
}

static void stream_rst(struct mux_stream *s, int error)
{
	s->error = error;
	if (s->mux->dead)
		return;
	nghttp2_submit_rst_stream(s->mux->ng, NGHTTP2_FLAG_NONE, s->id,
				  status_rst_code(error));
	kick(s->mux);
}

void mux_stream_set_ops(struct mux_stream *s, const struct mux_stream_ops *ops,
			void *user)
{
	s->ops = ops;
	s->user = user;
}

void mux_stream_reset(struct mux_stream *s, int error)
{
	s->ops = NULL;
	stream_rst(s, error);
}

void mux_stream_resume(struct mux_stream *s)
{
	if (!s->deferred)
		return;
	s->deferred = false;
	nghttp2_session_resume_data(s->mux->ng, s->id);
	kick(s->mux);
}

/* a window was taken in full: it is worth a larger one */
static void grow_window(struct mux_stream *s)
{
	struct mux *m = s->mux;
	size_t more = (size_t)s->window * (m->cfg.grow - 1);
	bool few = m->windows + more <= MUX_WINDOWS;
	uint32_t bigger = MIN(s->window * m->cfg.grow,
			      few ? m->cfg.window_more : m->cfg.window_max);

	s->taken = 0;
	if (bigger <= s->window ||
	    nghttp2_session_set_local_window_size(m->ng, NGHTTP2_FLAG_NONE,
						  s->id, (int32_t)bigger) != 0)
		return;
	m->windows += bigger - s->window;
	s->window = bigger;
}

void mux_stream_consume(struct mux_stream *s, size_t n)
{
	struct mux *m = s->mux;

	n = MIN(n, s->held);
	if (!n || m->dead)
		return;
	s->held -= n;
	m->held -= n;
	s->moved = loop_now(m->loop);
	nghttp2_session_consume(m->ng, s->id, n);
	s->taken += (uint32_t)n;
	if (s->taken >= s->window)
		grow_window(s);
	if (nghttp2_session_want_write(m->ng))
		kick(m);
}

/* --- sending -------------------------------------------------------------- */

static ssize_t read_cb(nghttp2_session *ng, int32_t id, uint8_t *buf,
		       size_t length, uint32_t *flags, nghttp2_data_source *src,
		       void *user)
{
	struct mux_stream *s = src->ptr;
	struct mux *m = user;
	size_t got;
	ssize_t n;

	(void)ng;
	(void)id;
	(void)buf;
	if (!s->ops || !s->ops->read) {
		s->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	m->reserved = m->tr->reserve(
		m->tr_user, HEAD_LEN + MIN(length, (size_t)READ_MIN), &got);
	if (!m->reserved)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	n = s->ops->read(s->user, m->reserved + HEAD_LEN,
			 MIN(length, got - HEAD_LEN));
	if (n > 0) {
		*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
		return n;
	}
	if (n == 0) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		return 0;
	}
	s->deferred = true;
	if (n != -EAGAIN && s->ops)
		stream_rst(s, (int)-n);
	return NGHTTP2_ERR_DEFERRED;
}

static ssize_t read_length_cb(nghttp2_session *ng, uint8_t type, int32_t id,
			      int32_t session_window, int32_t stream_window,
			      uint32_t frame_max, void *user)
{
	const struct mux *m = user;
	uint32_t n = (uint32_t)MIN(session_window, stream_window);

	(void)ng;
	(void)type;
	(void)id;
	n = MIN(n, frame_max);
	return (ssize_t)MIN(n, m->cfg.frame_max);
}

static int send_data_cb(nghttp2_session *ng, nghttp2_frame *frame,
			const uint8_t *head, size_t length,
			nghttp2_data_source *src, void *user)
{
	struct mux *m = user;

	(void)ng;
	(void)frame;
	(void)src;
	memcpy(m->reserved, head, HEAD_LEN);
	m->tr->commit(m->tr_user, HEAD_LEN + length);
	m->made += HEAD_LEN + length;
	return m->made < m->room ? 0 : NGHTTP2_ERR_PAUSE;
}

static int mux_put(struct mux *m, const uint8_t *p, size_t n)
{
	while (n) {
		size_t got, part;
		uint8_t *to = m->tr->reserve(m->tr_user, 1, &got);

		if (!to)
			return -ENOMEM;
		part = MIN(got, n);
		memcpy(to, p, part);
		m->tr->commit(m->tr_user, part);
		m->made += part;
		p += part;
		n -= part;
	}
	return 0;
}

static int mux_over(const struct mux *m)
{
	if (nghttp2_session_want_read(m->ng) ||
	    nghttp2_session_want_write(m->ng))
		return 0;
	return -EPROTO; /* one of us said GOAWAY */
}

int mux_produce(struct mux *m, size_t room)
{
	m->room = room;
	m->made = 0;
	while (!m->dead && m->made < room) {
		const uint8_t *p;
		ssize_t n = nghttp2_session_mem_send(m->ng, &p);
		int rc;

		if (n < 0) {
			log_debug("mux: send: %s", nghttp2_strerror((int)n));
			return n == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPROTO;
		}
		if (n == 0)
			break;
		rc = mux_put(m, p, (size_t)n);
		if (rc < 0)
			return rc;
	}
	return m->dead ? 0 : mux_over(m);
}

/* --- receiving ------------------------------------------------------------ */

static struct mux_stream *stream_of(struct mux *m, int32_t id)
{
	return nghttp2_session_get_stream_user_data(m->ng, id);
}

void *mux_find_user(struct mux *m, uint32_t id,
		    const struct mux_stream_ops *ops)
{
	const struct mux_stream *s =
		m->dead || id > INT32_MAX ? NULL : stream_of(m, (int32_t)id);

	return s && s->ops == ops ? s->user : NULL;
}

static int begin_headers_cb(nghttp2_session *ng, const nghttp2_frame *frame,
			    void *user)
{
	struct mux *m = user;
	int32_t id = frame->hd.stream_id;
	struct mux_stream *s = stream_of(m, id);

	if (m->dead)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	if (m->cfg.server && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		s = stream_new(m, id, NULL, NULL);
		if (!s)
			return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
		nghttp2_session_set_stream_user_data(ng, id, s);
	}
	if (!s || s->answered)
		return 0; /* trailers */
	free(s->head);
	s->head = muxhead_new();
	return s->head ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int header_cb(nghttp2_session *ng, const nghttp2_frame *frame,
		     const uint8_t *name, size_t namelen, const uint8_t *value,
		     size_t len, uint8_t flags, void *user)
{
	struct mux_stream *s = stream_of(user, frame->hd.stream_id);

	(void)ng;
	(void)flags;
	if (!s || !s->head)
		return 0;
	if (muxhead_add(s->head, name, namelen, value, len) < 0)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	return 0;
}

static void mux_take_request(struct mux *m, struct mux_stream *s)
{
	struct muxhead *head = steal_ptr(&s->head);
	struct mux_request req;

	muxhead_request(head, &req);
	m->on_request(m->user, s, &req);
	free(head);
}

static void mux_take_answer(struct mux_stream *s)
{
	struct muxhead *mh = steal_ptr(&s->head);
	struct mux_head head;

	muxhead_answer(mh, &head);
	if (head.status >= 100 && head.status < 200) {
		free(mh); /* the real one follows */
		return;
	}
	s->answered = true;
	if (s->ops && s->ops->head)
		s->ops->head(s->user, &head);
	if (head.error && !s->error)
		stream_rst(s,
			   head.error == ECONNRESET ? ECANCELED : head.error);
	if (head.error)
		s->error = head.error;
	free(mh);
}

static int frame_recv_cb(nghttp2_session *ng, const nghttp2_frame *frame,
			 void *user)
{
	struct mux *m = user;
	struct mux_stream *s;

	(void)ng;
	if (frame->hd.type == NGHTTP2_GOAWAY)
		log_debug("mux: the other end says GOAWAY, code %u",
			  frame->goaway.error_code);
	if (m->dead || (frame->hd.type != NGHTTP2_HEADERS &&
			frame->hd.type != NGHTTP2_DATA))
		return 0;
	s = stream_of(m, frame->hd.stream_id);
	if (!s)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS && s->head) {
		if (m->cfg.server)
			mux_take_request(m, s);
		else
			mux_take_answer(s);
	}
	/* a refusal has no end: close() follows */
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM && !s->ended &&
	    !s->error) {
		s->ended = true;
		if (!m->dead && s->ops && s->ops->end)
			s->ops->end(s->user);
	}
	return 0;
}

static bool mux_is_short(const struct mux *m)
{
	return m->held > m->cfg.held_max / 8 * 3;
}

/* The one that holds the most of those of which nothing is taken. */
static struct mux_stream *mux_find_stalled(struct mux *m)
{
	int64_t before = loop_now(m->loop) - m->cfg.stall_ns;
	struct mux_stream *most = NULL;
	struct list *n;

	list_for_each (n, &m->streams) {
		struct mux_stream *s = container_of(n, struct mux_stream, node);

		if (s->ops && s->held && s->moved <= before &&
		    (!most || s->held > most->held))
			most = s;
	}
	return most;
}

static void mux_on_short(struct timer *t)
{
	struct mux *m = container_of(t, struct mux, short_tick);
	struct mux_stream *s;

	while (!m->dead && mux_is_short(m) && (s = mux_find_stalled(m))) {
		const struct mux_stream_ops *ops = s->ops;

		if (!m->short_told)
			log_warn("connections of which nobody reads hold "
				 "%zu MiB, of %u: those that stand still are "
				 "reset (--bufferLimit)",
				 m->held >> 20, m->cfg.held_max >> 20);
		m->short_told = true;
		mux_stream_give_back(s);
		mux_stream_reset(s, ENOBUFS);
		if (ops->close)
			ops->close(s->user, -ENOBUFS);
	}
	if (!m->dead && mux_is_short(m))
		loop_timer_start(m->loop, t, m->cfg.stall_ns / SHORT_TICKS,
				 mux_on_short);
}

static void mux_watch_held(struct mux *m)
{
	if (mux_is_short(m) && !loop_timer_active(&m->short_tick))
		loop_timer_start(m->loop, &m->short_tick,
				 m->cfg.stall_ns / SHORT_TICKS, mux_on_short);
}

static int data_cb(nghttp2_session *ng, uint8_t flags, int32_t id,
		   const uint8_t *p, size_t n, void *user)
{
	struct mux *m = user;
	struct mux_stream *s = stream_of(m, id);

	(void)flags;
	if (m->dead)
		return 0;
	if (!s || !s->ops || !s->ops->data) {
		nghttp2_session_consume(ng, id, n);
		return 0;
	}
	if (!s->held)
		s->moved = loop_now(m->loop);
	s->held += n;
	m->held += n;
	mux_watch_held(m);
	s->ops->data(s->user, p, n);
	return 0;
}

static int stream_close_cb(nghttp2_session *ng, int32_t id, uint32_t code,
			   void *user)
{
	struct mux *m = user;
	struct mux_stream *s = stream_of(m, id);

	(void)ng;
	if (s && !m->dead)
		stream_closed(s, s->error ? -s->error : status_rst_errno(code));
	return 0;
}

int mux_receive(struct mux *m, const uint8_t *p, size_t n)
{
	ssize_t rc;

	if (m->dead)
		return 0;
	rc = nghttp2_session_mem_recv(m->ng, p, n);
	if (m->dead)
		return 0;
	if (rc < 0) {
		log_debug("mux: receive: %s", nghttp2_strerror((int)rc));
		return rc == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPROTO;
	}
	if (nghttp2_session_want_write(m->ng))
		kick(m);
	return mux_over(m);
}

void mux_end_streams(struct mux *m, const struct mux_stream *but, int error)
{
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &m->streams) {
		struct mux_stream *s = container_of(n, struct mux_stream, node);
		const struct mux_stream_ops *ops = s->ops;

		if (s == but || !ops)
			continue;
		mux_stream_reset(s, error);
		if (ops->close)
			ops->close(s->user, -error);
		if (m->dead)
			return; /* the list is gone */
	}
}

/* --- opening and answering ------------------------------------------------ */

static nghttp2_nv mux_field(const char *name, const char *value)
{
	return (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)name,
			     .value = (uint8_t *)(uintptr_t)value,
			     .namelen = strlen(name),
			     .valuelen = strlen(value) };
}

static size_t request_fields(const struct mux_request *req,
			     nghttp2_nv nv[REQUEST_FIELDS])
{
	bool plain_connect = strcmp(req->method, "CONNECT") == 0 &&
			     (!req->protocol || !*req->protocol);
	size_t n = 0;

	nv[n++] = mux_field(":method", req->method);
	if (req->protocol && *req->protocol)
		nv[n++] = mux_field(":protocol", req->protocol);
	if (!plain_connect) {
		nv[n++] = mux_field(":scheme", "http");
		nv[n++] = mux_field(":path", req->path);
	}
	nv[n++] = mux_field(":authority", req->authority && *req->authority
						  ? req->authority
						  : "shadow");
	if (req->content_type && *req->content_type)
		nv[n++] = mux_field("content-type", req->content_type);
	if (req->protocol && *req->protocol)
		nv[n++] = mux_field("capsule-protocol", "?1");
	if (req->forwarded && *req->forwarded)
		nv[n++] = mux_field("forwarded", req->forwarded);
	if (req->env && *req->env)
		nv[n++] = mux_field("kt-env", req->env);
	if (req->env_header && *req->env_header)
		nv[n++] = mux_field("kt-env-header", req->env_header);
	return n;
}

int mux_skip_ids(struct mux *m, uint32_t id)
{
	if (id > INT32_MAX ||
	    nghttp2_session_set_next_stream_id(m->ng, (int32_t)id) != 0)
		return -EINVAL;
	return 0;
}

static void mux_is_spent(struct mux *m)
{
	if (m->spent)
		return;
	m->spent = true;
	log_debug("mux: the stream ids are used up");
	m->tr->spent(m->tr_user);
}

struct mux_stream *mux_open(struct mux *m, const struct mux_request *req,
			    const struct mux_stream_ops *ops, void *user)
{
	nghttp2_data_provider dp = { .read_callback = read_cb };
	nghttp2_nv nv[REQUEST_FIELDS];
	size_t n = request_fields(req, nv);
	struct mux_stream *s = NULL;
	int32_t id = NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE;

	if (m->dead || m->nstreams >= m->cfg.streams_max) {
		errno = m->dead ? ENOTCONN : EAGAIN;
		return NULL;
	}
	s = stream_new(m, 0, ops, user);
	if (s) {
		dp.source.ptr = s;
		id = nghttp2_submit_request(m->ng, NULL, nv, n,
					    ops->read ? &dp : NULL, s);
	}
	if (id < 0) {
		if (s)
			mux_stream_free(s);
		if (s && id == NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE)
			mux_is_spent(m);
		errno = id == NGHTTP2_ERR_NOMEM || !s ? ENOMEM : ENOTCONN;
		return NULL;
	}
	s->id = id;
	kick(m);
	return s;
}

int mux_stream_accept(struct mux_stream *s, const char *content_type,
		      const struct mux_stream_ops *ops, void *user)
{
	nghttp2_data_provider dp = { .source.ptr = s,
				     .read_callback = read_cb };
	nghttp2_nv nv[2];
	size_t n = 0;
	int rc;

	nv[n++] = mux_field(":status", "200");
	if (content_type)
		nv[n++] = mux_field("content-type", content_type);
	mux_stream_set_ops(s, ops, user);
	s->answered = true;
	rc = nghttp2_submit_response(s->mux->ng, s->id, nv, n,
				     ops->read ? &dp : NULL);
	if (rc < 0)
		return rc == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPROTO;
	kick(s->mux);
	return 0;
}

void mux_stream_refuse(struct mux_stream *s, int status, int error,
		       const char *detail)
{
	char code[12], why[STATUS_FIELD_MAX];
	nghttp2_nv nv[2];

	snprintf(code, sizeof(code), "%d", status);
	status_format(why, error, detail);
	nv[0] = mux_field(":status", code);
	nv[1] = mux_field("proxy-status", why);
	s->ops = NULL;
	s->answered = true;
	/* our half ends here; the client resets the other (mux_take_answer())
	 */
	if (nghttp2_submit_response(s->mux->ng, s->id, nv, 2, NULL) < 0)
		stream_rst(s, ENOMEM);
	kick(s->mux);
}

/* --- life ----------------------------------------------------------------- */

static int set_callbacks(nghttp2_session_callbacks **cbs)
{
	if (nghttp2_session_callbacks_new(cbs) != 0)
		return -ENOMEM;
	nghttp2_session_callbacks_set_on_begin_headers_callback(
		*cbs, begin_headers_cb);
	nghttp2_session_callbacks_set_on_header_callback(*cbs, header_cb);
	nghttp2_session_callbacks_set_on_frame_recv_callback(*cbs,
							     frame_recv_cb);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(*cbs,
								  data_cb);
	nghttp2_session_callbacks_set_on_stream_close_callback(*cbs,
							       stream_close_cb);
	nghttp2_session_callbacks_set_send_data_callback(*cbs, send_data_cb);
	nghttp2_session_callbacks_set_data_source_read_length_callback(
		*cbs, read_length_cb);
	return 0;
}

static int mux_set_options(nghttp2_option **opt, const struct mux_config *cfg)
{
	if (nghttp2_option_new(opt) != 0)
		return -ENOMEM;
	nghttp2_option_set_no_auto_window_update(*opt, 1);
	nghttp2_option_set_peer_max_concurrent_streams(*opt, cfg->streams_max);
	nghttp2_option_set_no_closed_streams(*opt, 1);
	/* the peer is ourselves: many short connections end in resets, which
	 * nghttp2 would otherwise take for the "rapid reset" attack */
	nghttp2_option_set_stream_reset_rate_limit(*opt, UINT32_MAX,
						   UINT32_MAX);
	return 0;
}

static int submit_settings(struct mux *m)
{
	nghttp2_settings_entry s[] = {
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, m->cfg.window },
		{ NGHTTP2_SETTINGS_MAX_FRAME_SIZE, RECV_FRAME_MAX },
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, m->cfg.streams_max },
		{ m->cfg.server ? NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL
				: NGHTTP2_SETTINGS_ENABLE_PUSH,
		  m->cfg.server ? 1 : 0 },
	};

	if (nghttp2_submit_settings(m->ng, NGHTTP2_FLAG_NONE, s,
				    ARRAY_SIZE(s)) != 0 ||
	    nghttp2_session_set_local_window_size(
		    m->ng, NGHTTP2_FLAG_NONE, 0, (int32_t)m->cfg.held_max) != 0)
		return -ENOMEM;
	return 0;
}

static int mux_start(struct mux *m)
{
	nghttp2_session_callbacks *cbs = NULL;
	nghttp2_option *opt = NULL;
	int rc = -ENOMEM;

	if (set_callbacks(&cbs) == 0 && mux_set_options(&opt, &m->cfg) == 0) {
		int (*make)(nghttp2_session **,
			    const nghttp2_session_callbacks *, void *,
			    const nghttp2_option *);

		make = m->cfg.server ? nghttp2_session_server_new2
				     : nghttp2_session_client_new2;
		if (make(&m->ng, cbs, m, opt) == 0)
			rc = submit_settings(m);
	}
	nghttp2_option_del(opt);
	nghttp2_session_callbacks_del(cbs);
	return rc;
}

struct mux *mux_new(struct loop *loop, const struct mux_config *cfg,
		    const struct mux_transport *tr, void *tr_user,
		    mux_request_fn on_request, void *user)
{
	struct mux *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->loop = loop;
	m->cfg = *cfg;
	if (!m->cfg.held_max)
		m->cfg.held_max = HELD_DEFAULT;
	m->tr = tr;
	m->tr_user = tr_user;
	m->on_request = on_request;
	m->user = user;
	list_init(&m->streams);
	if (mux_start(m) < 0) {
		nghttp2_session_del(m->ng);
		free(m);
		return NULL;
	}
	kick(m);
	return m;
}

static void destroy(void *user)
{
	struct mux *m = user;

	nghttp2_session_del(m->ng);
	free(m);
}

void mux_free(struct mux *m, int error)
{
	if (!m || m->dead)
		return;
	m->dead = true;
	loop_timer_stop(&m->short_tick);
	while (!list_empty(&m->streams))
		stream_closed(
			container_of(m->streams.next, struct mux_stream, node),
			error);
	loop_defer(m->loop, destroy, m);
}
