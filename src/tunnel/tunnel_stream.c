/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/tunnel_stream.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

/**
 * DOC: Theory of operation
 *
 * A stream of the tunnel begins on its *first* stream. To move it, the laptop's
 * end opens a *second* stream, in another session, whose request names the
 * first one; the other end accepts. In the end each end sends on the second
 * only. There its first eight bytes say, in network order, how many bytes it
 * had sent on the first; so the receiver knows when the first has brought
 * everything, and holds back what the second brings before that (bounded by the
 * second's window, which grows only with what was consumed).
 *
 *   laptop                             shadow
 *     sends on the first                 sends on the first
 *     asks on the second     ------->
 *                            <-------    accepts; sends on the first
 *     sends on the second    ------->
 *                                        sends on the second
 *
 * No sender stops for that: each direction moves when its sender knows. The
 * shadow moves with the laptop's eight bytes, not with its own answer: should
 * the second be lost before the answer has arrived, then nothing was on it,
 * and both stay on the first.
 *
 * An end of a half (END_STREAM) is the real one, on whichever stream it comes:
 * who has moved does not end the first stream. That one stays open, idle, as
 * its anchor: when it is reset, or its session dies, it is over.
 * In peace it is closed last, by RST_STREAM(NO_ERROR) of whoever is done; the
 * other end may not be yet, and goes on with the second alone.
 *
 *   second refused, or lost before the      -> it stays on the first
 *   answer arrived
 *   second reset or lost after that         -> it is reset, when what
 *                                              came before is delivered
 *   first reset with an error               -> it is reset
 */

#define OFFSET_LEN 8

struct tunnel_stream_move {
	struct mux_stream *stream; /* the second; NULL: closed */
	bool asking;		   /* laptop: not answered yet */
	bool answering;		   /* shadow: the peer may not know yet */
	bool finished, ended;	   /* on it: our half, the peer's */
	bool closed;
	int error; /* with which it closed: 0 or -errno */
	uint8_t in[OFFSET_LEN];
	size_t in_got, out_sent;
	uint64_t from; /* the peer's bytes on the first; when in_got is full */
	struct buf held; /* of the second, until the first brought those */
};

static bool moved(const struct tunnel_stream *l)
{
	return l->move && !l->move->asking && !l->move->answering;
}

/* the first stream's part of what we receive is known, and complete */
static bool joined(const struct tunnel_stream *l)
{
	const struct tunnel_stream_move *m = l->move;

	return m && m->in_got == OFFSET_LEN && m->from == l->received;
}

/* --- the end -------------------------------------------------------------- */

/* callbacks further up the stack may still look at it: freed after the batch */
static void move_free(struct tunnel_stream *l)
{
	struct tunnel_stream_move *m = steal_ptr(&l->move);

	if (!m)
		return;
	buf_fini(&m->held);
	loop_defer_free(l->loop, m);
}

/* @first, @second: positive errno to reset them with, if they are open */
static void drop(struct tunnel_stream *l, int first, int second)
{
	struct mux_stream *s = steal_ptr(&l->first);

	l->ops = NULL;
	if (l->queued)
		l->queued->ops->forget(l->queued, l);
	if (s)
		mux_stream_reset(s, first);
	if (l->move && l->move->stream)
		mux_stream_reset(l->move->stream, second);
	move_free(l);
}

/* @error: 0 or -errno, for the user */
static void tunnel_stream_over(struct tunnel_stream *l, int error, int first,
			       int second)
{
	const struct mux_stream_ops *ops = l->ops;

	drop(l, first, second);
	if (ops)
		ops->close(l->user, error);
}

/* the peer does not keep to the rules above */
static void tunnel_stream_broken(struct tunnel_stream *l)
{
	log_debug("tunnel: the other end breaks the rules of moving");
	tunnel_stream_over(l, -EPROTO, EPROTO, EPROTO);
}

void tunnel_stream_reset(struct tunnel_stream *l, int error)
{
	bool second = moved(l) && l->move->stream;

	if (!l->ops)
		return;
	/* the reset comes behind what was sent before it, where that is */
	drop(l, second ? 0 : error, second ? error : ECANCELED);
}

/* --- receiving ------------------------------------------------------------ */

static void tunnel_stream_end(struct tunnel_stream *l)
{
	if (l->ended)
		return;
	l->ended = true;
	l->ops->end(l->user);
}

/* the error of a stream whose session died here: the peer may not know */
static bool session_is_gone(int error)
{
	return error == -ENETRESET || error == -ECANCELED;
}

/* the second stream is closed, and what it brought is delivered, or never will
 * be */
static void second_is_over(struct tunnel_stream *l)
{
	const struct tunnel_stream_move *m = l->move;
	int error = m->error;
	bool alone = session_is_gone(error);

	if (!error && !m->ended)
		error = -ECONNRESET;
	tunnel_stream_over(l, error, alone ? ECONNRESET : 0, 0);
}

/* after either stream brought something */
static void tunnel_stream_join(struct tunnel_stream *l)
{
	struct tunnel_stream_move *m = l->move;

	if (!joined(l))
		return;
	if (m->held.len) {
		struct buf held = m->held;

		buf_init(&m->held, MUX_HELD_MAX);
		l->ops->data(l->user, buf_data(&held), held.len);
		buf_fini(&held);
	}
	if (l->ops && m->ended)
		tunnel_stream_end(l);
	if (l->ops && m->closed)
		second_is_over(l);
}

static void note(struct tunnel_stream *l, struct mux_stream *s, size_t n)
{
	struct stream_mover *mv = mux_stream_mover(s);

	if (mv && !l->move && !l->fixed)
		mv->ops->note(mv, l, n);
}

static void first_data(void *user, const uint8_t *p, size_t n)
{
	struct tunnel_stream *l = user;
	const struct tunnel_stream_move *m = l->move;

	l->received += n;
	l->owed += n;
	if (m && m->in_got == OFFSET_LEN && l->received > m->from) {
		tunnel_stream_broken(l);
		return;
	}
	note(l, l->first, n);
	l->ops->data(l->user, p, n);
	if (l->ops)
		tunnel_stream_join(l);
}

static void first_end(void *user)
{
	struct tunnel_stream *l = user;
	const struct tunnel_stream_move *m = l->move;

	if (m && m->in_got == OFFSET_LEN && l->received != m->from)
		tunnel_stream_broken(l);
	else
		tunnel_stream_end(l);
}

static void first_close(void *user, int error)
{
	struct tunnel_stream *l = user;
	const struct tunnel_stream_move *m = l->move;

	l->first = NULL;
	if (!m || error || (l->ended && l->finished)) {
		/* nothing is on the second, or all of it is void */
		tunnel_stream_over(l, error, 0, error ? -error : ECANCELED);
		return;
	}
	/* the peer has done with the first one */
	if (m->in_got == OFFSET_LEN && !joined(l))
		tunnel_stream_broken(l);
	else if (!m->stream)
		second_is_over(l);
}

/* true when the offset is complete; @p, @n: what follows it */
static bool take_offset(struct tunnel_stream *l, const uint8_t **p, size_t *n)
{
	struct tunnel_stream_move *m = l->move;
	size_t part = MIN(*n, OFFSET_LEN - m->in_got);
	struct rd in = rd_make(m->in, OFFSET_LEN);

	memcpy(m->in + m->in_got, *p, part);
	m->in_got += part;
	*p += part;
	*n -= part;
	mux_stream_consume(m->stream, part);
	return m->in_got == OFFSET_LEN && rd_u64(&in, &m->from);
}

static void second_data(void *user, const uint8_t *p, size_t n)
{
	struct tunnel_stream *l = user;
	struct tunnel_stream_move *m = l->move;

	if (m->in_got < OFFSET_LEN && !take_offset(l, &p, &n))
		return;
	if (m->answering) {
		m->answering = false;
		mux_stream_resume(m->stream);
	}
	if (m->from < l->received ||
	    (m->from != l->received && (!l->first || l->ended)) ||
	    (n && l->ended)) {
		tunnel_stream_broken(l);
		return;
	}
	if (!n)
		tunnel_stream_join(l);
	else if (joined(l) && !m->held.len)
		l->ops->data(l->user, p, n);
	else if (buf_put(&m->held, p, n) < 0)
		tunnel_stream_broken(l);
}

static void second_end(void *user)
{
	struct tunnel_stream *l = user;

	l->move->ended = true;
	if (l->move->in_got < OFFSET_LEN)
		tunnel_stream_broken(l);
	else
		tunnel_stream_join(l);
}

/* the first one goes on as if nothing had been */
static void stay(struct tunnel_stream *l)
{
	move_free(l);
	if (!l->first)
		tunnel_stream_over(l, -ECONNRESET, 0, 0);
}

static void second_head(void *user, const struct mux_head *h)
{
	struct tunnel_stream *l = user;
	struct tunnel_stream_move *m = l->move;
	struct stream_mover *mv = mux_stream_mover(m->stream);

	if (mv)
		mv->ops->answered(mv, h->status);
	if (h->error) {
		l->fixed = true;
		return; /* close() follows */
	}
	log_trace("tunnel: stream %u moved after %llu bytes sent",
		  l->first ? mux_stream_id(l->first) : 0,
		  (unsigned long long)l->sent);
	m->asking = false;
	mux_stream_resume(m->stream);
}

/* it is lost, and nothing of ours, or of the peer's, was on it */
static bool second_was_unused(const struct tunnel_stream_move *m,
			      const struct tunnel_stream *l)
{
	if (m->asking)
		return true;
	if (m->answering)
		return session_is_gone(m->error);
	return m->in_got < OFFSET_LEN && l->finished && !m->finished;
}

static void second_close(void *user, int error)
{
	struct tunnel_stream *l = user;
	struct tunnel_stream_move *m = l->move;

	m->stream = NULL;
	m->closed = true;
	m->error = error;
	if (second_was_unused(m, l))
		stay(l);
	else if (joined(l) || m->in_got < OFFSET_LEN || !l->first)
		second_is_over(l);
	/* else: the first one brings what came before */
}

/* --- sending -------------------------------------------------------------- */

static ssize_t read_user(struct tunnel_stream *l, struct mux_stream *s,
			 uint8_t *buf, size_t len)
{
	ssize_t n = l->ops->read(l->user, buf, len);

	if (n == 0)
		l->finished = true;
	if (n > 0 && l->ops)
		note(l, s, (size_t)n);
	return n;
}

static ssize_t first_read(void *user, uint8_t *buf, size_t len)
{
	struct tunnel_stream *l = user;
	ssize_t n;

	if (moved(l))
		return -EAGAIN; /* for ever */
	n = read_user(l, l->first, buf, len);
	if (n > 0)
		l->sent += (uint64_t)n;
	return n;
}

static ssize_t put_offset(struct tunnel_stream *l, uint8_t *buf, size_t len)
{
	struct tunnel_stream_move *m = l->move;
	size_t n = MIN(len, OFFSET_LEN - m->out_sent);
	uint8_t out[OFFSET_LEN];
	struct wr w = wr_make(out, sizeof(out));

	wr_u64(&w, l->sent);
	memcpy(buf, out + m->out_sent, n);
	m->out_sent += n;
	return (ssize_t)n;
}

static ssize_t second_read(void *user, uint8_t *buf, size_t len)
{
	struct tunnel_stream *l = user;
	ssize_t n;

	if (!moved(l))
		return -EAGAIN;
	if (l->move->out_sent < OFFSET_LEN)
		return put_offset(l, buf, len);
	if (l->finished)
		return 0; /* on the first */
	n = read_user(l, l->move->stream, buf, len);
	if (n == 0)
		l->move->finished = true;
	return n;
}

void tunnel_stream_resume(struct tunnel_stream *l)
{
	struct mux_stream *s = moved(l) ? l->move->stream : l->first;

	if (s)
		mux_stream_resume(s);
}

void tunnel_stream_consume(struct tunnel_stream *l, size_t n)
{
	size_t part = MIN(n, l->owed);

	l->owed -= part;
	if (part && l->first)
		mux_stream_consume(l->first, part);
	if (n > part && l->move && l->move->stream)
		mux_stream_consume(l->move->stream, n - part);
}

/* --- beginning ------------------------------------------------------------ */

static void first_head(void *user, const struct mux_head *h)
{
	struct tunnel_stream *l = user;

	if (l->ops->head)
		l->ops->head(l->user, h);
}

static const struct mux_stream_ops first_ops = {
	.read = first_read,
	.head = first_head,
	.data = first_data,
	.end = first_end,
	.close = first_close,
};

static const struct mux_stream_ops second_ops = {
	.read = second_read,
	.head = second_head,
	.data = second_data,
	.end = second_end,
	.close = second_close,
};

static void tunnel_stream_init(struct tunnel_stream *l, struct loop *loop,
			       const struct mux_stream_ops *ops, void *user)
{
	*l = (struct tunnel_stream){ .loop = loop, .ops = ops, .user = user };
}

void tunnel_stream_begin(struct tunnel_stream *l, struct loop *loop,
			 struct mux_stream *s, size_t received, bool ended,
			 const struct mux_stream_ops *ops, void *user)
{
	tunnel_stream_init(l, loop, ops, user);
	l->first = s;
	l->received = received;
	l->owed = received;
	l->ended = ended;
	mux_stream_set_ops(s, &first_ops, l);
}

int tunnel_stream_accept(struct tunnel_stream *l, struct loop *loop,
			 struct mux_stream *s, const struct mux_stream_ops *ops,
			 void *user)
{
	tunnel_stream_init(l, loop, ops, user);
	l->first = s;
	return mux_stream_accept(s, NULL, &first_ops, l);
}

int tunnel_stream_open(struct tunnel_stream *l, struct loop *loop,
		       struct mux *m, const struct mux_request *req,
		       const struct mux_stream_ops *ops, void *user)
{
	tunnel_stream_init(l, loop, ops, user);
	l->first = mux_open(m, req, &first_ops, l);
	return l->first ? 0 : -errno;
}

/* --- moving --------------------------------------------------------------- */

void tunnel_stream_fix(struct tunnel_stream *l)
{
	l->fixed = true;
}

struct tunnel_stream *tunnel_stream_find(struct mux *m, uint32_t id)
{
	return mux_find_user(m, id, &first_ops);
}

static struct tunnel_stream_move *move_new(struct tunnel_stream *l)
{
	struct tunnel_stream_move *m = calloc(1, sizeof(*m));

	if (m)
		buf_init(&m->held, MUX_HELD_MAX);
	l->move = m;
	return m;
}

int tunnel_stream_ask(struct tunnel_stream *l, struct mux *mux,
		      const struct mux_request *req)
{
	struct tunnel_stream_move *m;

	if (!l->ops || !l->first || l->move || l->fixed)
		return -EALREADY;
	m = move_new(l);
	if (!m)
		return -ENOMEM;
	m->asking = true;
	m->stream = mux_open(mux, req, &second_ops, l);
	if (m->stream)
		return 0;
	move_free(l);
	return -errno;
}

void tunnel_stream_continue(struct tunnel_stream *l, struct mux_stream *s)
{
	struct tunnel_stream_move *m;

	if (!l->ops || l->move || l->fixed) {
		mux_stream_refuse(s, 409, EALREADY, "it has moved before");
		return;
	}
	m = move_new(l);
	if (m && mux_stream_accept(s, NULL, &second_ops, l) == 0) {
		m->stream = s;
		m->answering = true;
		return;
	}
	move_free(l);
	mux_stream_reset(s, ENOMEM);
}
