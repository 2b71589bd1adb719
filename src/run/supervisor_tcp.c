/* SPDX-License-Identifier: Apache-2.0 */
/* The TCP connections of a supervised program; see supervisor.h. */
#include "run/supervisor_impl.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

/* A thread that asked not to wait waits no longer than this */
#define PATIENCE (100 * NS_MS)
#define JOIN_MS 1000

/* A connection that waits for its owner's answer */
struct supervisor_attempt {
	struct capture_tcp pub;
	struct list node;
	struct supervisor *s;
	struct supervised *k; /* NULL: it was connected before the answer */
	ino_t inode;
	uint64_t id;
	pid_t tid;
	int64_t end; /* SO_SNDTIMEO; 0: none */
	struct timer timer;
	int fd; /* our end, or -1 */
	bool answered;
};

/* --- our end -------------------------------------------------------------- */

static int supervisor_tcp_listen(struct supervisor *s, int f)
{
	static const struct ipport at[2] = {
		{ .addr = { AF_INET, { 127, 0, 0, 1 } } },
		{ .addr = { AF_INET6, { [15] = 1 } } },
	};
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(&at[f], &ss);
	auto_close int fd =
		socket(at[f].addr.family,
		       SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&ss, len) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		return -errno;
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	s->tcp[f] = steal_fd(&fd);
	return ipport_from_sockaddr(&s->tcp_at[f], (struct sockaddr *)&ss);
}

int supervisor_tcp_open(struct supervisor *s, struct kt_error *err)
{
	int rc = supervisor_tcp_listen(s, 0);

	if (rc < 0)
		return kt_fail(err, -rc, "listen for the program: %s",
			       strerror(-rc));
	(void)!supervisor_tcp_listen(s, 1); /* there may be no IPv6 */
	return 0;
}

/* Whoever else calls this port is nobody */
static int supervisor_tcp_accept(const struct supervisor *s, int f,
				 uint16_t port)
{
	struct pollfd pfd = { .fd = s->tcp[f], .events = POLLIN };

	while (poll(&pfd, 1, JOIN_MS) > 0) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		struct ipport peer;
		int fd = accept4(s->tcp[f], (struct sockaddr *)&ss, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return -errno;
		if (ipport_from_sockaddr(&peer, (struct sockaddr *)&ss) == 0 &&
		    peer.port == port)
			return fd;
		close(fd);
	}
	return -ETIMEDOUT;
}

static void supervisor_tcp_options(int fd)
{
	const struct linger abort = { .l_onoff = 1, .l_linger = 0 };
	const int on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* The program's socket is connected to us; our end or -errno */
static int supervisor_tcp_join(struct supervisor *s, struct supervised *k,
			       const struct ipport *dst)
{
	int f = dst->addr.family == AF_INET6, fd;
	struct sockaddr_storage ss;
	struct ipport self;
	socklen_t len;

	if (s->tcp[f] < 0)
		return -ENETUNREACH;
	len = supervisor_sockaddr(&s->tcp_at[f], k->family, &ss);
	if (connect(k->copy, (struct sockaddr *)&ss, len) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	len = sizeof(ss);
	if (getsockname(k->copy, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	if (ipport_from_sockaddr(&self, (struct sockaddr *)&ss) < 0)
		return -EAFNOSUPPORT;
	fd = supervisor_tcp_accept(s, f, self.port);
	if (fd < 0)
		return fd;
	supervisor_tcp_options(fd);
	k->peer = *dst;
	supervised_give_up(k); /* or its end would never be sent */
	return fd;
}

/* --- attempts ------------------------------------------------------------- */

static void supervisor_attempt_end(struct supervisor_attempt *a)
{
	loop_timer_stop(&a->timer);
	list_del(&a->node);
	a->s->nattempts--;
	if (a->fd >= 0)
		close(a->fd); /* a reset */
	a->fd = -1;
	loop_defer_free(a->s->loop, a);
}

static void supervisor_tcp_hand_over(struct timer *t)
{
	struct supervisor_attempt *a =
		container_of(t, struct supervisor_attempt, timer);
	const struct capture *base = &a->s->base;
	int fd = steal_fd(&a->fd);

	supervisor_attempt_end(a);
	base->ops->tcp_accepted(base->user, &a->pub, fd);
}

static void supervisor_tcp_gone(struct supervisor_attempt *a)
{
	const struct capture *base = &a->s->base;

	supervisor_attempt_end(a);
	base->ops->tcp_gone(base->user, &a->pub);
}

/* false: that is the program's error, and it was told */
static bool supervisor_tcp_try_join(struct supervisor_attempt *a)
{
	struct supervised *k = supervised_find(a->s, a->inode);
	int fd = -EBADF;

	if (k == a->k && k->copy >= 0 && supervisor_is_there(a->s, a->id))
		fd = supervisor_tcp_join(a->s, k, &a->pub.dst);
	a->k = NULL;
	supervisor_answer(a->s, a->id, 0, fd < 0 ? -fd : 0);
	a->fd = fd < 0 ? -1 : fd;
	return fd >= 0;
}

/* It is told so early that it is connected; what becomes of it is an end */
static void supervisor_tcp_on_patience(struct timer *t)
{
	struct supervisor_attempt *a =
		container_of(t, struct supervisor_attempt, timer);

	if (!supervisor_tcp_try_join(a))
		supervisor_tcp_gone(a);
}

static void supervisor_tcp_on_gone(struct timer *t)
{
	supervisor_tcp_gone(container_of(t, struct supervisor_attempt, timer));
}

static void supervisor_tcp_fail(struct supervisor_attempt *a, int errnum)
{
	if (a->k)
		supervisor_answer(a->s, a->id, 0, errnum);
	supervisor_attempt_end(a);
}

/* Nobody waits for it any more */
static void supervisor_tcp_break(struct supervisor_attempt *a, int errnum)
{
	supervisor_answer(a->s, a->id, 0, errnum);
	a->k = NULL;
	supervisor_tcp_gone(a);
}

static void supervisor_tcp_on_tick(struct timer *t)
{
	struct supervisor_attempt *a =
		container_of(t, struct supervisor_attempt, timer);

	if (a->end && clock_ns() >= a->end)
		supervisor_tcp_break(a, EINPROGRESS); /* as the kernel says */
	else if (supervisor_is_interrupted(a->tid))
		supervisor_tcp_break(a, a->end ? EINTR : SUPERVISOR_RESTART);
	else
		loop_timer_start(a->s->loop, t, SUPERVISOR_TICK,
				 supervisor_tcp_on_tick);
}

static int64_t supervisor_tcp_end(const struct supervised *k)
{
	struct timeval tv = { 0 };
	socklen_t len = sizeof(tv);

	if (getsockopt(k->copy, SOL_SOCKET, SO_SNDTIMEO, &tv, &len) < 0 ||
	    (!tv.tv_sec && !tv.tv_usec))
		return 0;
	return clock_ns() + tv.tv_sec * NS_SEC + tv.tv_usec * 1000;
}

void supervisor_tcp_answer(struct capture *base, struct capture_tcp *c,
			   int errnum)
{
	struct supervisor_attempt *a =
		container_of(c, struct supervisor_attempt, pub);

	(void)base;
	if (a->answered)
		return;
	a->answered = true;
	loop_timer_stop(&a->timer);
	if (errnum) {
		supervisor_tcp_fail(a, errnum);
		return;
	}
	if (a->k)
		supervisor_tcp_try_join(a);
	loop_timer_start(a->s->loop, &a->timer, 0,
			 a->fd >= 0 ? supervisor_tcp_hand_over
				    : supervisor_tcp_on_gone);
}

void supervisor_tcp_connect(struct supervisor *s,
			    const struct supervised_call *c,
			    struct supervised *k, const struct ipport *dst)
{
	struct supervisor_attempt *a = xcalloc(1, sizeof(*a));

	a->s = s;
	a->k = k;
	a->inode = k->inode;
	a->id = c->id;
	a->tid = c->pid;
	a->fd = -1;
	a->pub.dst = *dst;
	/* nobody can tell two of them apart by it: it is for people */
	a->pub.src = s->tcp_at[0];
	list_add_tail(&s->attempts, &a->node);
	s->nattempts++;
	if (supervised_is_nonblocking(k))
		loop_timer_start(s->loop, &a->timer, PATIENCE,
				 supervisor_tcp_on_patience);
	else
		loop_timer_start(s->loop, &a->timer, SUPERVISOR_TICK,
				 supervisor_tcp_on_tick);
	a->end = supervisor_tcp_end(k);
	s->base.ops->tcp_open(s->base.user, &a->pub);
}

void supervisor_tcp_finish(struct capture *base, int fd)
{
	const struct linger in_peace = { 0 };

	(void)base;
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &in_peace,
			 sizeof(in_peace));
	close(fd);
}

void supervisor_tcp_close(struct supervisor *s)
{
	while (!list_empty(&s->attempts)) {
		struct supervisor_attempt *a = container_of(
			s->attempts.next, struct supervisor_attempt, node);

		if (a->k)
			supervisor_answer(s, a->id, 0, ENETUNREACH);
		supervisor_tcp_gone(a);
	}
	for (int f = 0; f < 2; f++)
		if (s->tcp[f] >= 0)
			close(steal_fd(&s->tcp[f]));
}
