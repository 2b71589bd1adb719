/* SPDX-License-Identifier: Apache-2.0 */
#include "pipe/pipe_fd.h"

#include "base/mem.h"
#include "pipe/pipe.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/**
 * DOC: Theory of operation
 *
 * The socket is watched edge-triggered and registered once. What is read goes
 * to the user at once; when the user holds a window of it, nothing is read
 * until some is given back. The window grows while the user takes what comes at
 * once, and shrinks when something stays: hundreds of callers that read slowly
 * hold little each, one that is fast is served in large pieces. An idle pipe
 * has no buffer.
 */

#define READ_MIN ((size_t)8 << 10)
#define READ_MAX ((size_t)32 << 10)
#define ROUNDS 8 /* reads in a row; then others have their turn */

struct pipe_fd {
	struct pipe pipe;
	struct loop *loop;
	struct watch watch; /* owns the fd; -1 while opening */
	struct timer again;
	void (*cancel)(void *user);
	void *cancel_user;
	size_t window;
	size_t held;   /* given to the user and not yet back */
	bool reading;  /* in data() */
	bool readable; /* perhaps */
	bool hup;      /* the end is in the socket, or an error */
	bool ended;    /* eof() was called */
	bool blocked;  /* writable() is owed */
	int lost;      /* -errno that a send has taken from the socket */
	bool gone;
};

static struct pipe_fd *of(struct pipe *p)
{
	return container_of(p, struct pipe_fd, pipe);
}

static void pipe_fd_release(struct pipe_fd *s, bool reset)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	s->gone = true;
	loop_timer_stop(&s->again);
	loop_watch_stop(&s->watch);
	if (s->watch.fd >= 0 && reset)
		setsockopt(s->watch.fd, SOL_SOCKET, SO_LINGER, &now,
			   sizeof(now));
	if (s->watch.fd >= 0)
		close(s->watch.fd);
	loop_defer_free(s->loop, s);
}

static void pipe_fd_fail(struct pipe_fd *s, int error)
{
	const struct pipe_handler *h = s->pipe.handler;
	void *user = s->pipe.user;

	pipe_fd_release(s, true);
	if (h)
		h->closed(user, error);
}

/* 1: go on; 0: nothing more for now, or gone */
static int pipe_fd_read_some(struct pipe_fd *s)
{
	uint8_t mem[READ_MAX];
	size_t room;
	ssize_t n;

	if (s->ended || !s->readable || s->held >= s->window)
		return 0;
	room = s->window - s->held;
	n = recv(s->watch.fd, mem, room, MSG_DONTWAIT);
	if (n < 0 && errno == EINTR)
		return 1;
	if (n < 0) {
		s->readable = false;
		if (errno != EAGAIN)
			pipe_fd_fail(s, -errno);
		return 0;
	}
	if (n == 0 && s->lost) {
		pipe_fd_fail(s, s->lost);
		return 0;
	}
	if (n == 0) {
		s->ended = true;
		s->pipe.handler->eof(s->pipe.user);
		return 0;
	}
	if ((size_t)n < room && !s->hup)
		s->readable = false; /* the next byte is an edge */
	s->held += (size_t)n;
	s->reading = true;
	s->pipe.handler->data(s->pipe.user, mem, (size_t)n);
	s->reading = false;
	if (s->held)
		s->window = MAX(s->window / 2, READ_MIN);
	else if ((size_t)n == room)
		s->window = MIN(s->window * 2, READ_MAX);
	return !s->gone;
}

static void pipe_fd_again(struct timer *t);

static void pipe_fd_run(struct pipe_fd *s)
{
	int more = 1;

	if (!s->pipe.handler)
		return;
	for (int i = 0; i < ROUNDS && more; i++)
		more = pipe_fd_read_some(s);
	if (more)
		loop_timer_start(s->loop, &s->again, 0, pipe_fd_again);
}

static void pipe_fd_again(struct timer *t)
{
	pipe_fd_run(container_of(t, struct pipe_fd, again));
}

static int pipe_fd_socket_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return error ? -error : -ECONNRESET;
}

static void pipe_fd_on_event(struct watch *w, uint32_t events)
{
	struct pipe_fd *s = container_of(w, struct pipe_fd, watch);

	/* an error that no read will find (soon) */
	if ((events & EPOLLERR) && (s->ended || s->held >= s->window)) {
		pipe_fd_fail(s, pipe_fd_socket_error(w->fd));
		return;
	}
	if (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP))
		s->hup = true;
	if (events & ~(uint32_t)EPOLLOUT)
		s->readable = true;
	if ((events & EPOLLOUT) && s->blocked && s->pipe.handler) {
		s->blocked = false;
		s->pipe.handler->writable(s->pipe.user);
	}
	if (!s->gone)
		pipe_fd_run(s);
}

/* --- the pipe ------------------------------------------------------------- */

/*
 * A reset is told once, and what was sent has heard it now: to the next read it
 * would look like the far side's end. Not so EPIPE, before which that end came.
 */
static int pipe_fd_lost(struct pipe_fd *s, int error)
{
	if (error != -EPIPE)
		s->lost = error;
	return error;
}

static ssize_t fd_send(struct pipe *p, const void *data, size_t n)
{
	struct pipe_fd *s = of(p);
	size_t sent = 0;

	while (sent < n && !s->blocked) {
		ssize_t rc = send(s->watch.fd, (const uint8_t *)data + sent,
				  n - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (rc >= 0)
			sent += (size_t)rc;
		else if (errno == EAGAIN)
			s->blocked = true;
		else if (errno != EINTR)
			return pipe_fd_lost(s, -errno);
	}
	return (ssize_t)sent;
}

static void fd_finish(struct pipe *p)
{
	shutdown(of(p)->watch.fd, SHUT_WR);
}

static void fd_consume(struct pipe *p, size_t n)
{
	struct pipe_fd *s = of(p);
	bool full = s->held >= s->window && !s->reading;

	s->held -= MIN(n, s->held);
	if (full && s->held < s->window && s->readable && !s->ended)
		loop_timer_start(s->loop, &s->again, 0, pipe_fd_again);
}

static void fd_close(struct pipe *p, bool reset)
{
	struct pipe_fd *s = of(p);

	if (s->watch.fd < 0 && s->cancel)
		s->cancel(s->cancel_user);
	pipe_fd_release(s, reset);
}

static bool pipe_fd_is_quiet(struct pipe *p)
{
	char c;

	return recv(of(p)->watch.fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       (errno == EAGAIN || errno == EINTR);
}

static const struct pipe_ops ops = { fd_send, fd_finish, fd_consume, fd_close,
				     pipe_fd_is_quiet };

static int pipe_fd_attach(struct pipe_fd *s, int fd)
{
	const int one = 1;

	s->watch.fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	s->readable = true;
	s->window = READ_MIN;
	return loop_watch_start(s->loop, &s->watch, fd,
				EPOLLIN | EPOLLOUT | EPOLLRDHUP |
					(uint32_t)EPOLLET,
				pipe_fd_on_event);
}

struct pipe *pipe_fd_opening(struct loop *l, void (*cancel)(void *user),
			     void *user)
{
	struct pipe_fd *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->pipe.ops = &ops;
	s->loop = l;
	s->watch.fd = -1;
	s->cancel = cancel;
	s->cancel_user = user;
	return &s->pipe;
}

void pipe_fd_opened(struct pipe *p, int fd)
{
	struct pipe_fd *s = of(p);
	int rc = fd < 0 ? fd : pipe_fd_attach(s, fd);

	if (rc < 0) {
		pipe_fd_fail(s, rc);
		return;
	}
	s->pipe.handler->opened(s->pipe.user);
}

struct pipe *pipe_fd_new(struct loop *l, int fd)
{
	struct pipe *p = pipe_fd_opening(l, NULL, NULL);
	int rc;

	if (!p) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	rc = pipe_fd_attach(of(p), fd);
	if (rc == 0)
		return p;
	fd_close(p, true);
	errno = -rc;
	return NULL;
}
