/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/splice.h"

#include "base/buf.h"
#include "base/mem.h"
#include "shadow/shadow.h"
#include "tunnel/relay.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/**
 * DOC: Theory of operation
 *
 * Two sockets, watched edge-triggered. What is read from one goes through the
 * shadow's one scratch buffer to the other; only what that did not take is
 * kept, at most a bufferful each way, and nothing is read before it is gone. An
 * idle connection costs no buffer.
 *
 *   end of file of one    -> shutdown(SHUT_WR) of the other, when all is gone
 *   both                  -> over
 *   an error of either    -> both are reset
 */

#define ROUNDS 2 /* bufferfuls in a row; then others have their turn */

struct side {
	struct watch watch; /* owns the fd */
	struct splice *splice;
	struct side *other;
	struct buf out; /* read from the other, to be written here */
	bool readable, writable;
	bool ended; /* end of file was read */
	bool shut;  /* ... of the other, and passed on here */
};

struct splice {
	struct shadow *sh;
	struct side a, b;
	struct timer again;
	void (*done)(void *user);
	void *user;
	bool over;
};

static void side_close(struct side *s, bool reset)
{
	loop_watch_stop(&s->watch);
	buf_fini(&s->out);
	if (reset)
		fd_close_reset(s->watch.fd);
	else
		close(s->watch.fd);
}

static void splice_end(struct splice *s, bool reset)
{
	s->over = true;
	loop_timer_stop(&s->again);
	side_close(&s->a, reset);
	side_close(&s->b, reset);
	loop_defer_free(s->sh->loop, s);
}

static void splice_over(struct splice *s, bool reset)
{
	splice_end(s, reset);
	if (s->done)
		s->done(s->user);
}

void splice_reset(struct splice *s)
{
	if (s && !s->over)
		splice_end(s, true);
}

/* bytes that @to took, or -errno */
static ssize_t splice_put(struct side *to, const uint8_t *p, size_t n)
{
	size_t sent = 0;

	while (sent < n && to->writable) {
		ssize_t rc = send(to->watch.fd, p + sent, n - sent,
				  MSG_DONTWAIT | MSG_NOSIGNAL);

		if (rc >= 0)
			sent += (size_t)rc;
		else if (errno == EAGAIN)
			to->writable = false;
		else if (errno != EINTR)
			return -errno;
	}
	return (ssize_t)sent;
}

/* 1: go on; 0: nothing more for now; -errno */
static int move_one(struct side *from)
{
	struct side *to = from->other;
	uint8_t *mem = from->splice->sh->scratch;
	ssize_t n, sent;

	if (to->out.len) {
		sent = splice_put(to, buf_data(&to->out), to->out.len);
		if (sent < 0)
			return (int)sent;
		buf_take(&to->out, (size_t)sent);
		if (!to->out.len)
			buf_fini(&to->out);
		return to->out.len ? 0 : 1;
	}
	if (from->ended && !to->shut) {
		to->shut = true;
		shutdown(to->watch.fd, SHUT_WR);
	}
	if (from->ended || !from->readable || !to->writable)
		return 0;
	n = recv(from->watch.fd, mem, SHADOW_SCRATCH, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		from->readable = false;
	if (n < 0)
		return errno == EAGAIN ? 0 : errno == EINTR ? 1 : -errno;
	if (n == 0) {
		from->ended = true;
		return 1;
	}
	sent = splice_put(to, mem, (size_t)n);
	if (sent < 0)
		return (int)sent;
	return buf_put(&to->out, mem + sent, (size_t)(n - sent)) < 0 ? -ENOMEM
								     : 1;
}

static void splice_again(struct timer *t);

static void splice_run(struct splice *s)
{
	int rc[2] = { 1, 1 };

	for (int i = 0; i < ROUNDS && (rc[0] > 0 || rc[1] > 0); i++) {
		if (rc[0] > 0)
			rc[0] = move_one(&s->a);
		if (rc[1] > 0)
			rc[1] = move_one(&s->b);
		if (rc[0] < 0 || rc[1] < 0) {
			splice_over(s, true);
			return;
		}
	}
	if (s->a.shut && s->b.shut)
		splice_over(s, false);
	else if (rc[0] > 0 || rc[1] > 0)
		loop_timer_start(s->sh->loop, &s->again, 0, splice_again);
}

static void splice_again(struct timer *t)
{
	splice_run(container_of(t, struct splice, again));
}

static void splice_on_event(struct watch *w, uint32_t events)
{
	struct side *s = container_of(w, struct side, watch);

	/* an error that no read will find any more */
	if ((events & EPOLLERR) && s->ended) {
		splice_over(s->splice, true);
		return;
	}
	if (events & EPOLLOUT)
		s->writable = true;
	if (events & ~(uint32_t)EPOLLOUT)
		s->readable = true;
	splice_run(s->splice);
}

static int side_start(struct splice *s, struct side *side, struct side *other)
{
	const int one = 1;

	side->splice = s;
	side->other = other;
	side->readable = true;
	side->writable = true;
	setsockopt(side->watch.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return loop_watch_start(s->sh->loop, &side->watch, side->watch.fd,
				EPOLLIN | EPOLLOUT | EPOLLRDHUP |
					(uint32_t)EPOLLET,
				splice_on_event);
}

struct splice *splice_start(struct shadow *sh, int a, int b,
			    void (*done)(void *user), void *user)
{
	struct splice *s = calloc(1, sizeof(*s));
	int rc = -ENOMEM;

	if (!s) {
		fd_close_reset(a);
		fd_close_reset(b);
		errno = ENOMEM;
		return NULL;
	}
	s->sh = sh;
	s->done = done;
	s->user = user;
	s->a.watch.fd = a;
	s->b.watch.fd = b;
	buf_init(&s->a.out, SHADOW_SCRATCH);
	buf_init(&s->b.out, SHADOW_SCRATCH);
	rc = side_start(s, &s->a, &s->b);
	if (rc == 0)
		rc = side_start(s, &s->b, &s->a);
	if (rc == 0) /* bytes may be there already: no edge tells */
		loop_timer_start(sh->loop, &s->again, 0, splice_again);
	if (rc == 0)
		return s;
	splice_end(s, true);
	errno = -rc;
	return NULL;
}
