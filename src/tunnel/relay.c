/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/relay.h"

#include "base/mem.h"
#include "tunnel/pace.h"
#include "tunnel/tunnel_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/**
 * DOC: Theory of operation
 *
 * The socket is watched edge-triggered and the relay remembers what it knows
 * of it (readable, writable), so that a running connection costs no epoll_ctl
 * and no futile recv: the mux asks for bytes, they are received straight into
 * the frame; when the socket is empty the stream sleeps until the next edge.
 * That it is readable at the start is the first edge; that it is writable is
 * taken for granted, and watched only when it has once not been.
 * Bytes from the stream come in the pieces in which the carrier cut them. They
 * gather in @out until it is worth a send or the batch of events ends: what is
 * sent in large pieces crosses the kernel in few packets. What the socket does
 * not take waits there, too; credit is given back only for what it took. @out
 * is bounded by the stream's window.
 *
 *   socket EOF         -> read() says 0: END_STREAM; rd_done
 *   END_STREAM         -> when @out is empty: shutdown(SHUT_WR); wr_done
 *   both               -> the stream closes (0); finish()
 *   socket reset       -> the stream is reset
 *   stream reset       -> when @out is empty: close with RST. What the peer
 *                         sent before its reset is still delivered, as a
 *                         kernel would deliver its receive queue.
 *
 * The stream may be over before the socket has taken everything: the relay
 * then lives on without it (tunnel_stream_alive() is false) until @out is
 * empty.
 *
 * A fault may slow it down (tunnel/pace.h): then bytes wait in @out until they
 * are due, ends and resets behind them, and less is read from the socket.
 */

#define GATHER ((size_t)128 << 10) /* worth a send; two full packets */
#define DIRECT ((size_t)32 << 10)  /* a piece not worth the copy */
#define KEEP ((size_t)4 << 10)	   /* of memory, while nothing waits */

#define EVENTS (EPOLLIN | EPOLLRDHUP | (uint32_t)EPOLLET)

struct relay {
	struct list node; /* of its group */
	struct loop *loop;
	struct watch watch;		    /* owns the fd */
	struct tunnel_stream tunnel_stream; /* the stream */
	const struct relay_hooks *hooks;
	void *user;
	struct pace *pace; /* NULL: as fast as it goes */
	struct buf out;
	bool readable, writable;
	bool flushing; /* relay_deferred_flush() comes */
	bool hup;      /* the socket's end or error is to be read */
	bool rd_done;  /* end of file was read */
	bool wr_done;  /* SHUT_WR was done */
	bool ended;    /* the stream's half is finished */
	bool over;
	int error; /* the stream was reset: -errno */
	/* for relay_group_end_quiet() */
	int64_t moved; /* when bytes last passed */
	bool asked;    /* they came from the stream */
	bool quit;     /* no more is read from the socket */
};

void fd_close_reset(int fd)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void relay_over(struct relay *r, int error)
{
	const struct relay_hooks *hooks = r->hooks;
	int fd = r->watch.fd;

	if (r->over)
		return;
	r->over = true;
	list_del(&r->node);
	loop_watch_stop(&r->watch);
	buf_fini(&r->out);
	pace_free(steal_ptr(&r->pace));
	if (error)
		fd_close_reset(fd);
	else if (hooks && hooks->finish)
		hooks->finish(r->user, fd);
	else
		close(fd);
	if (hooks && hooks->done)
		hooks->done(r->user, error);
	loop_defer_free(r->loop, r);
}

/* the socket is broken */
static void relay_fail(struct relay *r, int error)
{
	tunnel_stream_reset(&r->tunnel_stream, -error);
	relay_over(r, error);
}

/* What the stream brought has not all passed yet */
static bool relay_holds(const struct relay *r)
{
	return r->out.len || (r->pace && pace_holds(r->pace));
}

static void relay_seen(const struct relay *r, bool asked, const uint8_t *p,
		       size_t n)
{
	if (r->hooks && r->hooks->seen)
		r->hooks->seen(r->user, asked, p, n);
}

/* @out is empty: do what was put off until then */
static void drained(struct relay *r)
{
	if (r->error) {
		relay_over(r, r->error);
		return;
	}
	if (r->ended && !r->wr_done) {
		r->wr_done = true;
		shutdown(r->watch.fd, SHUT_WR);
	}
	if (!tunnel_stream_alive(&r->tunnel_stream))
		relay_over(r, r->rd_done ? 0 : -ECONNRESET);
}

static void relay_blocked(struct relay *r)
{
	r->writable = false;
	loop_watch_mod(&r->watch, EVENTS | EPOLLOUT);
}

/* bytes the socket took, or -errno */
static ssize_t send_now(struct relay *r, const uint8_t *p, size_t n)
{
	size_t sent = 0;

	while (sent < n && r->writable) {
		ssize_t rc = send(r->watch.fd, p + sent, n - sent,
				  MSG_DONTWAIT | MSG_NOSIGNAL);

		if (rc >= 0)
			sent += (size_t)rc;
		else if (errno == EAGAIN)
			relay_blocked(r);
		else if (errno != EINTR)
			return -errno;
	}
	return (ssize_t)sent;
}

static void flush_out(struct relay *r)
{
	size_t most = r->pace ? pace_down(r->pace) : r->out.len;
	ssize_t n = send_now(r, buf_data(&r->out), most);

	if (n < 0) {
		relay_fail(r, (int)n);
		return;
	}
	buf_take(&r->out, (size_t)n);
	if (r->pace)
		pace_down_took(r->pace, (size_t)n, r->writable);
	tunnel_stream_consume(&r->tunnel_stream, (size_t)n);
	if (relay_holds(r))
		return;
	if (r->out.cap > KEEP)
		buf_fini(&r->out);
	drained(r);
}

static void relay_deferred_flush(void *user)
{
	struct relay *r = user;

	r->flushing = false;
	if (!r->over && r->out.len)
		flush_out(r);
}

/* now, if it is much; else when the batch of events is over */
static void flush_soon(struct relay *r)
{
	if (r->out.len >= GATHER)
		flush_out(r);
	if (r->over || !r->out.len || !r->writable || r->flushing)
		return;
	r->flushing = true;
	loop_defer(r->loop, relay_deferred_flush, r);
}

/* What had to wait may pass now. */
static void relay_on_pace(void *user)
{
	struct relay *r = user;

	if (relay_holds(r) || r->ended || r->error)
		flush_out(r);
	if (!r->over && !r->rd_done)
		tunnel_stream_resume(&r->tunnel_stream);
}

/* --- the stream's side ---------------------------------------------------- */

static ssize_t relay_read(void *user, uint8_t *buf, size_t len)
{
	struct relay *r = user;
	ssize_t n;

	if (r->quit) {
		r->rd_done = true;
		return 0;
	}
	if (!r->readable)
		return -EAGAIN;
	if (r->pace)
		len = pace_up(r->pace, len);
	if (!len)
		return -EAGAIN;
	do {
		n = recv(r->watch.fd, buf, len, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		r->moved = loop_now(r->loop);
		r->asked = false;
		relay_seen(r, false, buf, (size_t)n);
		/* a short read emptied it, unless its end is to follow */
		if ((size_t)n < len && !r->hup)
			r->readable = false;
		if (r->pace && pace_cuts(r->pace))
			return -ECONNRESET;
		if (r->pace)
			pace_up_took(r->pace, (size_t)n);
		return n;
	}
	if (n == 0) {
		r->rd_done = true;
		return 0;
	}
	if (errno == EAGAIN)
		r->readable = false;
	return -errno;
}

static void relay_data(void *user, const uint8_t *p, size_t n)
{
	struct relay *r = user;
	ssize_t sent = 0;

	r->moved = loop_now(r->loop);
	r->asked = true;
	relay_seen(r, true, p, n);
	if (r->pace && pace_cuts(r->pace)) {
		relay_fail(r, -ECONNRESET);
		return;
	}
	if (r->pace)
		pace_down_came(r->pace, n);
	else if (!r->out.len && n >= DIRECT)
		sent = send_now(r, p, n);
	if (sent < 0) {
		relay_fail(r, (int)sent);
		return;
	}
	tunnel_stream_consume(&r->tunnel_stream, (size_t)sent);
	n -= (size_t)sent;
	if (n >= KEEP && !r->out.cap) /* once, not in steps */
		(void)!buf_reserve(&r->out, GATHER + DIRECT);
	if (buf_put(&r->out, p + sent, n) < 0)
		relay_fail(r, -ENOBUFS);
	else
		flush_soon(r);
}

static void relay_end(void *user)
{
	struct relay *r = user;

	r->ended = true;
	if (r->pace)
		pace_down_came(r->pace, 0);
	if (!relay_holds(r))
		drained(r);
}

static void relay_close(void *user, int error)
{
	struct relay *r = user;

	r->error = error;
	if (r->pace && !pace_cuts(r->pace))
		pace_down_came(r->pace, 0);
	if (!relay_holds(r))
		drained(r);
}

static const struct mux_stream_ops stream_ops = {
	.read = relay_read,
	.data = relay_data,
	.end = relay_end,
	.close = relay_close,
};

/* --- the socket's side ---------------------------------------------------- */

static int relay_socket_error(int fd)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || !error)
		error = ECONNRESET;
	return -error;
}

static void relay_on_event(struct watch *w, uint32_t events)
{
	struct relay *r = container_of(w, struct relay, watch);

	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		r->hup = true;
	/* an error while somebody still reads is found by the read, after
	 * the bytes that came before it */
	if ((events & (EPOLLERR | EPOLLHUP)) && !r->wr_done &&
	    (r->rd_done || !tunnel_stream_alive(&r->tunnel_stream))) {
		relay_fail(r, relay_socket_error(w->fd));
		return;
	}
	if (events & EPOLLOUT) {
		r->writable = true;
		if (r->out.len)
			flush_out(r);
	}
	if (r->over || !(events & ~(uint32_t)EPOLLOUT))
		return;
	r->readable = true;
	if (!r->rd_done)
		tunnel_stream_resume(&r->tunnel_stream);
}

void relay_group_fini(struct relay_group *g)
{
	while (!list_empty(&g->relays)) {
		struct relay *r =
			container_of(g->relays.next, struct relay, node);

		r->hooks = NULL;
		list_del(&r->node);
	}
}

void relay_group_end_quiet(struct relay_group *g, int64_t quiet_ns)
{
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &g->relays) {
		struct relay *r = container_of(n, struct relay, node);

		if (r->quit || r->rd_done || r->asked || r->out.len ||
		    loop_now(r->loop) - r->moved < quiet_ns)
			continue;
		r->quit = true;
		tunnel_stream_resume(&r->tunnel_stream);
	}
}

static void take_early(struct relay *r, struct relay_early *early)
{
	if (!early)
		return;
	r->pace = steal_ptr(&early->pace);
	if (r->pace)
		pace_start(r->pace, relay_on_pace, r);
	buf_fini(&r->out);
	r->out = early->data;
	r->out.max = MUX_HELD_MAX;
	buf_init(&early->data, early->data.max);
	r->ended = early->ended;
	r->error = early->error;
	if (r->pace && r->out.len)
		pace_down_came(r->pace, r->out.len);
	if (r->pace && (r->ended || r->error))
		pace_down_came(r->pace, 0);
}

static int relay_begin(struct relay *r, struct mux_stream *s, bool accept)
{
	const int one = 1;
	int fd = r->watch.fd;
	int flags = fcntl(fd, F_GETFL);
	int rc;

	if (!(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	rc = loop_watch_start(r->loop, &r->watch, fd, EVENTS, relay_on_event);
	if (rc < 0 || !s)
		return rc;
	if (accept)
		return tunnel_stream_accept(&r->tunnel_stream, r->loop, s,
					    &stream_ops, r);
	tunnel_stream_begin(&r->tunnel_stream, r->loop, s, r->out.len, r->ended,
			    &stream_ops, r);
	tunnel_stream_resume(&r->tunnel_stream);
	return 0;
}

int relay_start(struct loop *loop, int fd, struct mux_stream *s, bool accept,
		struct relay_early *early, const struct relay_hooks *hooks,
		void *user)
{
	struct relay *r = calloc(1, sizeof(*r));
	int rc = -ENOMEM;

	if (r) {
		r->loop = loop;
		r->watch.fd = fd;
		r->hooks = hooks;
		r->user = user;
		r->writable = true;
		r->moved = loop_now(loop);
		list_init(&r->node);
		if (hooks && hooks->group)
			list_add_tail(&hooks->group->relays, &r->node);
		buf_init(&r->out, MUX_HELD_MAX);
		take_early(r, early);
		rc = relay_begin(r, s, accept);
	}
	if (rc < 0) {
		if (s)
			mux_stream_reset(s, -rc);
		if (r) {
			list_del(&r->node);
			loop_watch_stop(&r->watch);
			buf_fini(&r->out);
			pace_free(r->pace);
		}
		fd_close_reset(fd);
		free(r);
		return rc;
	}
	if (r->out.len && r->pace && pace_cuts(r->pace))
		relay_fail(r, -ECONNRESET);
	else if (r->out.len)
		flush_out(r);
	else if ((r->ended || !s) && !relay_holds(r))
		drained(r);
	return 0;
}
