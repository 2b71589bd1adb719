/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/sockcarrier.h"

#include "base/gather.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define READ_SIZE (256 * 1024)
#define READ_ROUNDS 2 /* then the other watches have their turn */

struct sockcarrier {
	struct carrier base;
	struct loop *loop;
	struct watch watch; /* owns the fd */
	struct gather gather;
	bool opened, full, dead;
	uint8_t *mem; /* READ_SIZE */
};

static struct sockcarrier *sock_of(struct carrier *c)
{
	return container_of(c, struct sockcarrier, base);
}

static void sockcarrier_update_events(struct sockcarrier *s)
{
	uint32_t events = EPOLLIN;

	if (s->full || !s->opened)
		events |= EPOLLOUT;
	loop_watch_mod(&s->watch, events);
}

static void sockcarrier_fail(struct sockcarrier *s, int code, const char *what)
{
	struct kt_error err = { 0 };

	if (s->dead)
		return;
	s->dead = true;
	gather_stop(&s->gather);
	loop_watch_stop(&s->watch);
	if (code)
		kt_fail(&err, code, "%s: %s", what, strerror(code));
	else
		kt_fail(&err, EPIPE, "%s", what);
	if (s->base.handler)
		s->base.handler->closed(s->base.user, &err);
}

static void sockcarrier_read_some(struct sockcarrier *s)
{
	size_t total = 0;

	for (int i = 0; i < READ_ROUNDS && !s->dead; i++) {
		ssize_t n = recv(s->watch.fd, s->mem, READ_SIZE, 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			sockcarrier_fail(s, n < 0 ? errno : 0,
					 "connection closed");
			return;
		}
		total += (size_t)n;
		s->base.handler->data(s->base.user, s->mem, (size_t)n);
		if (n < READ_SIZE)
			break;
	}
	if (!s->dead)
		gather_took(&s->gather, total);
}

static void sockcarrier_look(struct gather *g)
{
	sockcarrier_read_some(container_of(g, struct sockcarrier, gather));
}

static void sockcarrier_on_event(struct watch *w, uint32_t events)
{
	struct sockcarrier *s = container_of(w, struct sockcarrier, watch);
	bool was_open = s->opened;

	if (events & EPOLLOUT) {
		s->opened = true;
		s->full = false;
		sockcarrier_update_events(s);
		if (was_open)
			s->base.handler->writable(s->base.user);
		else
			s->base.handler->opened(s->base.user);
	}
	if (!s->dead && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		sockcarrier_read_some(s);
}

static ssize_t sock_send(struct carrier *c, const struct iovec *iov, int n)
{
	struct sockcarrier *s = sock_of(c);
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov,
			      .msg_iovlen = (size_t)n };
	ssize_t sent;
	size_t want = 0;

	if (s->dead)
		return -EPIPE;
	if (!s->opened)
		return -EAGAIN;
	for (int i = 0; i < n; i++)
		want += iov[i].iov_len;
	sent = sendmsg(s->watch.fd, &msg, MSG_NOSIGNAL);
	if (sent < 0 && errno == EINTR)
		sent = 0;
	if (sent < 0 && errno != EAGAIN)
		return -errno;
	if (sent < 0 || (size_t)sent < want) {
		s->full = true;
		sockcarrier_update_events(s);
	}
	return sent < 0 ? -EAGAIN : sent;
}

static void sock_free(void *user)
{
	struct sockcarrier *s = user;

	free(s->mem);
	free(s);
}

static void sock_close(struct carrier *c)
{
	struct sockcarrier *s = sock_of(c);
	int fd = s->watch.fd;

	s->dead = true;
	gather_stop(&s->gather);
	loop_watch_stop(&s->watch);
	/* bytes not read would turn our close into a reset, which could
	 * overtake what was sent last */
	shutdown(fd, SHUT_WR);
	while (recv(fd, s->mem, READ_SIZE, MSG_DONTWAIT) > 0)
		;
	close(fd);
	loop_defer(s->loop, sock_free, s);
}

static const struct carrier_ops ops = {
	.send = sock_send,
	.close = sock_close,
};

struct carrier *sockcarrier_new(struct loop *loop, int fd)
{
	struct sockcarrier *s = calloc(1, sizeof(*s));
	const int one = 1;
	int rc = -ENOMEM;

	if (s)
		s->mem = malloc(READ_SIZE);
	if (s && s->mem) {
		s->base.ops = &ops;
		s->loop = loop;
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		/* not a TCP socket: no delay to switch off */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		rc = loop_watch_start(loop, &s->watch, fd, EPOLLIN | EPOLLOUT,
				      sockcarrier_on_event);
	}
	if (rc == 0)
		gather_start(&s->gather, loop, fd, sockcarrier_look);
	if (rc == 0)
		return &s->base;
	close(fd);
	if (s)
		free(s->mem);
	free(s);
	errno = -rc;
	return NULL;
}
