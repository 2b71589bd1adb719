/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/connector.h"

#include "base/mem.h"
#include "shadow/resolve.h"
#include "shadow/shadow.h"
#include "shadow/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Longer than the kernel's own SYN retries (127 s): what ends a connect to a
 * silent address is the kernel's time-out, or whoever waits gives up. */
#define CONNECT_NS (135 * NS_SEC)

struct connector {
	struct shadow *sh;
	struct watch watch;
	struct timer timer; /* the whole */
	bool over;
	int fd; /* -1: none */
	uint16_t port;
	struct ipaddr addr[RESOLVE_MAX];
	size_t naddr, next;
	void (*done)(void *user, int fd, const struct ipport *last);
	void *user;
};

static void drop_socket(struct connector *c)
{
	loop_watch_stop(&c->watch);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void connector_cancel(struct connector *c)
{
	if (!c)
		return;
	c->over = true;
	drop_socket(c);
	loop_timer_stop(&c->timer);
	loop_defer_free(c->sh->loop, c);
}

/* @result: the socket or -errno */
static void connector_finish(struct connector *c, int result)
{
	const struct ipport last = {
		.addr = c->addr[c->next ? c->next - 1 : 0],
		.port = c->port,
	};

	connector_cancel(c);
	c->done(c->user, result, &last);
}

static void try_next(struct connector *c, int error);

static void connector_on_connect(struct watch *w, uint32_t events)
{
	struct connector *c = container_of(w, struct connector, watch);
	socklen_t len = sizeof(int);
	int error = 0;

	(void)events;
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	loop_watch_stop(&c->watch);
	if (error)
		try_next(c, error);
	else
		connector_finish(c, steal_fd(&c->fd));
}

static void connector_on_timeout(struct timer *t)
{
	connector_finish(container_of(t, struct connector, timer), -ETIMEDOUT);
}

/* 0, or a positive errno */
static int try_one(struct connector *c, const struct ipaddr *addr)
{
	const struct ipport to = { *addr, c->port };
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(&to, &ss);
	int fd = socket_open(c->sh, addr->family, SOCK_STREAM, 0);

	if (fd < 0)
		return -fd;
	c->fd = fd;
	socket_keepalive(fd);
	if (connect(fd, (struct sockaddr *)&ss, len) < 0 &&
	    errno != EINPROGRESS)
		return errno;
	return -loop_watch_start(c->sh->loop, &c->watch, fd, EPOLLOUT,
				 connector_on_connect);
}

static void try_next(struct connector *c, int error)
{
	while (c->next < c->naddr) {
		drop_socket(c);
		error = try_one(c, &c->addr[c->next++]);
		if (!error)
			return;
	}
	connector_finish(c, -error);
}

/* done() must not come from inside connector_start() */
static void connector_begin(void *user)
{
	struct connector *c = user;

	if (c->over)
		return;
	loop_timer_start(c->sh->loop, &c->timer, CONNECT_NS,
			 connector_on_timeout);
	try_next(c, EHOSTUNREACH);
}

struct connector *connector_start(
	struct shadow *sh, const struct ipaddr *addr, size_t n, uint16_t port,
	void (*done)(void *user, int fd, const struct ipport *last), void *user)
{
	struct connector *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->sh = sh;
	c->fd = -1;
	c->port = port;
	c->naddr = MIN(n, ARRAY_SIZE(c->addr));
	if (c->naddr)
		memcpy(c->addr, addr, c->naddr * sizeof(*addr));
	c->done = done;
	c->user = user;
	/* not a timer: that would be another turn of the loop */
	loop_defer(sh->loop, connector_begin, c);
	return c;
}
