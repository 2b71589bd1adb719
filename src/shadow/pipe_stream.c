/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/pipe_stream.h"

#include "base/buf.h"
#include "base/mem.h"
#include "pipe/pipe.h"
#include "tunnel/tunnel_stream.h"

#include <errno.h>
#include <string.h>

/**
 * DOC: Theory of operation
 *
 * What is sent waits in @out, of bounded size, until the mux asks for it;
 * writable() comes when half of it is free again, from a timer, because the mux
 * asks in the middle of its own work. What is received goes to the handler as
 * it comes: the stream's window bounds it.
 *
 * Closed by its user without a reset it lives on (@handler NULL) until what was
 * sent is gone and the peer has ended too. A peer that goes on sending then, or
 * says nothing for PIPE_STREAM_LINGER_NS, is reset.
 *
 * One that was accepted may move to the client's session for bulk; what goes to
 * a laptop stays where it is. Closed with a reset, it is reset when what was
 * sent before is gone: a server's last words come before its reset, as they do
 * in a kernel's receive queue.
 */

#define OUT_MAX (128 * 1024)
#ifndef PIPE_STREAM_LINGER_NS /* the unit test has less time */
#define PIPE_STREAM_LINGER_NS (30 * NS_SEC)
#endif

struct pipe_stream {
	struct pipe pipe;
	struct loop *loop;
	struct tunnel_stream stream; /* not alive: closed, in peace */
	struct buf out;
	struct timer timer; /* writable(); later: the linger time */
	bool blocked;	    /* the user waits for writable() */
	bool finishing, ended, left;
	bool accepted;
	bool resetting; /* when @out is empty */
};

static void pipe_stream_stream_free(struct pipe_stream *s)
{
	loop_timer_stop(&s->timer);
	buf_fini(&s->out);
	loop_defer_free(s->loop, s);
}

/* --- the stream's side ---------------------------------------------------- */

static void on_room(struct timer *t)
{
	struct pipe_stream *s = container_of(t, struct pipe_stream, timer);

	if (!s->finishing)
		s->pipe.handler->writable(s->pipe.user);
}

static ssize_t stream_read(void *user, uint8_t *buf, size_t len)
{
	struct pipe_stream *s = user;
	size_t n = MIN(len, s->out.len);

	if (!n && s->resetting)
		return -ECONNRESET;
	if (!n)
		return s->finishing ? 0 : -EAGAIN;
	memcpy(buf, buf_data(&s->out), n);
	buf_take(&s->out, n);
	if (s->blocked && s->out.len <= OUT_MAX / 2) {
		s->blocked = false;
		loop_timer_start(s->loop, &s->timer, 0, on_room);
	}
	return (ssize_t)n;
}

static void stream_head(void *user, const struct mux_head *h)
{
	struct pipe_stream *s = user;

	if (!h->error) /* else close() follows */
		s->pipe.handler->opened(s->pipe.user);
}

static void stream_data(void *user, const uint8_t *p, size_t n)
{
	struct pipe_stream *s = user;

	if (!s->left) {
		s->pipe.handler->data(s->pipe.user, p, n);
		return;
	}
	tunnel_stream_reset(&s->stream, ECONNRESET);
	pipe_stream_stream_free(s);
}

static void pipe_stream_stream_end(void *user)
{
	struct pipe_stream *s = user;

	s->ended = true;
	if (!s->left)
		s->pipe.handler->eof(s->pipe.user);
}

static void stream_close(void *user, int error)
{
	struct pipe_stream *s = user;
	const struct pipe_handler *h = s->pipe.handler;

	if (s->left) {
		pipe_stream_stream_free(s);
		return;
	}
	if (error == 0 && s->ended && s->finishing)
		return; /* both halves are over; its user closes it */
	pipe_stream_stream_free(s);
	h->closed(s->pipe.user, error ? error : -ECONNRESET);
}

static const struct mux_stream_ops stream_ops = {
	.read = stream_read,
	.head = stream_head,
	.data = stream_data,
	.end = pipe_stream_stream_end,
	.close = stream_close,
};

/* --- the user's side ------------------------------------------------------ */

static ssize_t pipe_send_(struct pipe *p, const void *data, size_t n)
{
	struct pipe_stream *s = container_of(p, struct pipe_stream, pipe);
	size_t room = OUT_MAX - s->out.len;
	size_t part = MIN(n, room);

	if (!tunnel_stream_alive(&s->stream))
		return -EPIPE;
	if (part && buf_put(&s->out, data, part) < 0)
		return -ENOMEM;
	if (part < n)
		s->blocked = true;
	if (part)
		tunnel_stream_resume(&s->stream);
	return (ssize_t)part;
}

static void pipe_finish_(struct pipe *p)
{
	struct pipe_stream *s = container_of(p, struct pipe_stream, pipe);

	s->finishing = true;
	tunnel_stream_resume(&s->stream);
}

static void pipe_consume_(struct pipe *p, size_t n)
{
	struct pipe_stream *s = container_of(p, struct pipe_stream, pipe);

	tunnel_stream_consume(&s->stream, n);
}

static void on_linger(struct timer *t)
{
	struct pipe_stream *s = container_of(t, struct pipe_stream, timer);

	tunnel_stream_reset(&s->stream, ECONNRESET);
	pipe_stream_stream_free(s);
}

static void pipe_close_(struct pipe *p, bool reset)
{
	struct pipe_stream *s = container_of(p, struct pipe_stream, pipe);

	s->left = true;
	s->blocked = false; /* the timer is the linger time's from now on */
	s->resetting = reset;
	if (tunnel_stream_alive(&s->stream) &&
	    (!reset || (s->accepted && s->out.len))) {
		if (!reset)
			pipe_finish_(p);
		loop_timer_start(s->loop, &s->timer, PIPE_STREAM_LINGER_NS,
				 on_linger);
		return;
	}
	tunnel_stream_reset(&s->stream, ECONNRESET);
	pipe_stream_stream_free(s);
}

static const struct pipe_ops pipe_ops = {
	.send = pipe_send_,
	.finish = pipe_finish_,
	.consume = pipe_consume_,
	.close = pipe_close_,
};

static struct pipe_stream *pipe_stream_new(struct loop *loop)
{
	struct pipe_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->pipe.ops = &pipe_ops;
	s->loop = loop;
	buf_init(&s->out, OUT_MAX);
	return s;
}

struct pipe *pipe_stream_open(struct loop *loop, struct mux *m,
			      const struct mux_request *req)
{
	struct pipe_stream *s = pipe_stream_new(loop);
	int rc;

	if (!s)
		return NULL;
	rc = tunnel_stream_open(&s->stream, loop, m, req, &stream_ops, s);
	if (rc < 0) {
		pipe_stream_stream_free(s);
		errno = -rc;
		return NULL;
	}
	tunnel_stream_fix(&s->stream);
	return &s->pipe;
}

struct pipe *pipe_stream_accept(struct loop *loop, struct mux_stream *stream)
{
	struct pipe_stream *s = pipe_stream_new(loop);
	int rc = -ENOMEM;

	if (s)
		rc = tunnel_stream_accept(&s->stream, loop, stream, &stream_ops,
					  s);
	if (rc == 0) {
		s->accepted = true;
		return &s->pipe;
	}
	mux_stream_reset(stream, -rc);
	if (s)
		pipe_stream_stream_free(s);
	errno = -rc;
	return NULL;
}
