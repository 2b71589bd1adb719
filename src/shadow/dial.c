/* SPDX-License-Identifier: Apache-2.0 */
/* TCP for the clients: CONNECT (RFC 9113, section 8.5). */
#include "base/ipaddr.h"
#include "base/mem.h"
#include "base/str.h"
#include "shadow/resolve.h"
#include "shadow/shadow.h"
#include "tunnel/mux.h"
#include "tunnel/relay.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

/* Longer than the kernel's own SYN retries (127 s): what ends a dial to a
 * silent address is the kernel's time-out, or the program's that gave up. */
#define DIAL_NS (135 * NS_SEC)

/*
 * resolving (a host name only) -> connecting, address by address -> relay.
 * The stream's close() ends it in every state.
 */
struct dial {
	struct shadow *sh;
	struct mux_stream *stream;
	struct resolve *resolve;
	struct watch watch;
	struct timer timer;
	int fd; /* -1: none */
	uint16_t port;
	struct ipaddr addr[RESOLVE_MAX];
	size_t naddr, next;
};

static void dial_free(struct dial *d)
{
	if (d->resolve)
		resolve_cancel(d->resolve);
	loop_watch_stop(&d->watch);
	loop_timer_stop(&d->timer);
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	loop_defer_free(d->sh->loop, d);
}

static void dial_refuse(struct dial *d, int error, const char *act)
{
	char text[160], at[IPPORT_STRLEN] = "";
	struct ipport to;

	if (d->next) {
		to = (struct ipport){ d->addr[d->next - 1], d->port };
		ipport_str(&to, at);
	}
	snprintf(text, sizeof(text), "%s%s%s: %s", act, *at ? " " : "", at,
		 strerror(error));
	shadow_refuse(d->stream, error, text);
	dial_free(d);
}

/* A Pod that vanished without a word must not hold connections for ever: the
 * program's own keep-alive ends at the laptop's kernel. */
static void set_keepalive(int fd)
{
	const int on = 1, idle = 60, every = 15, times = 4;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
}

static void dial_next(struct dial *d, int error);

static void dial_connected(struct dial *d)
{
	struct mux_stream *s = d->stream;
	struct loop *loop = d->sh->loop;
	int fd = steal_fd(&d->fd);

	loop_watch_stop(&d->watch);
	dial_free(d);
	/* on failure the stream is reset already */
	(void)!relay_start(loop, fd, s, true, NULL, NULL, NULL);
}

static void on_connect(struct watch *w, uint32_t events)
{
	struct dial *d = container_of(w, struct dial, watch);
	socklen_t len = sizeof(int);
	int error = 0;

	(void)events;
	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error)
		dial_next(d, error);
	else
		dial_connected(d);
}

static void on_timeout(struct timer *t)
{
	dial_refuse(container_of(t, struct dial, timer), ETIMEDOUT, "connect");
}

/* 0, or a positive errno */
static int try_connect(struct dial *d, const struct ipaddr *addr)
{
	const struct ipport to = { *addr, d->port };
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(&to, &ss);
	int fd = shadow_socket(d->sh, addr->family, SOCK_STREAM, 0);

	if (fd < 0)
		return -fd;
	d->fd = fd;
	set_keepalive(fd);
	if (connect(fd, (struct sockaddr *)&ss, len) < 0 &&
	    errno != EINPROGRESS)
		return errno;
	return -loop_watch_start(d->sh->loop, &d->watch, fd, EPOLLOUT,
				 on_connect);
}

static void dial_next(struct dial *d, int error)
{
	while (d->next < d->naddr) {
		loop_watch_stop(&d->watch);
		if (d->fd >= 0)
			close(d->fd);
		d->fd = -1;
		error = try_connect(d, &d->addr[d->next++]);
		if (!error)
			return;
	}
	dial_refuse(d, error, "connect");
}

static void on_resolved(void *user, int error, const struct ipaddr *addr,
			size_t n)
{
	struct dial *d = user;

	d->resolve = NULL;
	if (error) {
		dial_refuse(d, -error, "resolve");
		return;
	}
	d->naddr = MIN(n, ARRAY_SIZE(d->addr));
	memcpy(d->addr, addr, d->naddr * sizeof(*addr));
	dial_next(d, EHOSTUNREACH);
}

/* --- the stream before it is answered ----------------------------------- */

static void dial_data(void *user, const uint8_t *p, size_t n)
{
	struct dial *d = user;

	(void)p;
	(void)n;
	/* our client waits for the answer; whoever does not is refused */
	mux_stream_reset(d->stream, EPROTO);
	dial_free(d);
}

static void dial_close(void *user, int error)
{
	(void)error;
	dial_free(user);
}

static const struct mux_stream_ops ops = {
	.data = dial_data,
	.close = dial_close,
};

static void dial_name(struct dial *d, const char *authority)
{
	const char *colon = strrchr(authority, ':');
	char host[256];
	long port;

	if (!colon || (size_t)(colon - authority) >= sizeof(host) ||
	    str_to_long(colon + 1, &port) < 0 || port < 1 || port > 65535) {
		dial_refuse(d, EINVAL, "read the address");
		return;
	}
	snprintf(host, sizeof(host), "%.*s", (int)(colon - authority),
		 authority);
	d->port = (uint16_t)port;
	d->resolve = resolve_start(d->sh, host, on_resolved, d);
	if (!d->resolve)
		dial_refuse(d, errno, "resolve");
}

void dial_serve(struct shadow *sh, struct mux_stream *s, const char *authority)
{
	struct dial *d = calloc(1, sizeof(*d));
	struct ipport to;

	if (!d) {
		shadow_refuse(s, ENOMEM, NULL);
		return;
	}
	d->sh = sh;
	d->stream = s;
	d->fd = -1;
	mux_stream_set_ops(s, &ops, d);
	loop_timer_start(sh->loop, &d->timer, DIAL_NS, on_timeout);
	if (ipport_parse(&to, authority) == 0) {
		d->addr[0] = to.addr;
		d->naddr = 1;
		d->port = to.port;
		dial_next(d, EHOSTUNREACH);
	} else {
		dial_name(d, authority);
	}
}
