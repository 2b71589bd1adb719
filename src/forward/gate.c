/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/gate.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define TRIES 32 /* to find one number that is free at each address */

/* --- taking a port -------------------------------------------------------- */

static void gate_reuse(int fd, int on)
{
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
}

/*
 * Without SO_REUSEADDR, so that nobody can take the port while it is shut. But
 * connections of a predecessor that wait for their time to be over (TIME_WAIT)
 * hold it as well then: with it, if nobody listens there. They have it, too: a
 * gate that is open gives it to them.
 */
static int gate_bind_fd(int fd, const struct ipport *at, bool udp)
{
	const int one = 1;
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(at, &ss);

	if (at->addr.family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&ss, len) == 0)
		return 0;
	if (udp || errno != EADDRINUSE || !at->port)
		return -errno;
	gate_reuse(fd, true);
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		return -errno;
	gate_reuse(fd, false);
	return shutdown(fd, SHUT_RDWR) < 0 ? -errno : 0;
}

static int gate_socket(const struct ipport *at, bool udp)
{
	int type =
		(udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
	auto_close int fd = socket(at->addr.family, type, 0);
	int rc = fd < 0 ? -errno : gate_bind_fd(fd, at, udp);

	return rc < 0 ? rc : steal_fd(&fd);
}

/* A number that is free at @addr just now. It is bound by its number then: a
 * port that the kernel chose is lost when the socket stops to listen. */
static int gate_any_port(const struct ipaddr *addr, bool udp)
{
	const struct ipport any = { .addr = *addr };
	auto_close int fd = gate_socket(&any, udp);
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct ipport at;
	int rc;

	if (fd < 0)
		return fd;
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	rc = ipport_from_sockaddr(&at, (struct sockaddr *)&ss);
	return rc < 0 ? rc : at.port;
}

/* UDP: only what comes from itself finds the socket */
static int gate_mute(const struct gate_place *p, bool mute)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = ipport_to_sockaddr(&p->at, &ss);

	if (!mute)
		ss.ss_family = AF_UNSPEC;
	return connect(p->fd, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;
}

static void gate_close(struct gate *g)
{
	while (g->n)
		close(g->place[--g->n].fd);
}

static bool gate_is_missing(int rc)
{
	return rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT;
}

/* @optional: the last address may be one that this machine has not */
static int gate_try(struct gate *g, const struct ipaddr *addrs, size_t n,
		    uint16_t port, bool optional, struct ipport *failed)
{
	int rc = port ? port : gate_any_port(&addrs[0], g->udp);

	*failed = (struct ipport){ .addr = addrs[0], .port = port };
	if (rc < 0)
		return rc;
	g->port = (uint16_t)rc;
	for (size_t i = 0; i < n; i++) {
		struct gate_place *p = &g->place[g->n];

		*p = (struct gate_place){ .gate = g,
					  .at = { addrs[i], g->port } };
		*failed = p->at;
		rc = gate_socket(&p->at, g->udp);
		if (rc < 0 && optional && i && gate_is_missing(rc))
			continue;
		if (rc < 0) {
			gate_close(g);
			return rc;
		}
		p->fd = rc;
		g->n++;
		rc = g->udp ? gate_mute(p, true) : 0;
		if (rc < 0) {
			gate_close(g);
			return rc;
		}
	}
	return 0;
}

static void gate_hint(int rc, struct kt_error *err)
{
	if (rc == -EADDRINUSE)
		kt_hint(err, "choose another local port, as in LOCAL:REMOTE; "
			     "with 0 one that is free is taken");
	else if (rc == -EACCES)
		kt_hint(err, "ports below 1024 need root: choose another local "
			     "port, as in 8080:80");
	else if (rc == -EADDRNOTAVAIL)
		kt_hint(err, "--address must be addresses of this machine");
}

int gate_bind(struct gate *g, bool udp, uint16_t port,
	      const struct ipaddr *addrs, size_t n, struct kt_error *err)
{
	static const struct ipaddr loopback[] = {
		{ AF_INET, { 127, 0, 0, 1 } },
		{ AF_INET6, { [15] = 1 } },
	};
	bool usual = n == 0;
	struct ipport failed;
	char text[IPPORT_STRLEN];
	int rc = -EADDRINUSE;

	*g = (struct gate){ .udp = udp };
	if (usual) {
		addrs = loopback;
		n = ARRAY_SIZE(loopback);
	}
	if (n > GATE_ADDRS_MAX)
		return kt_fail(err, E2BIG, "more than %d addresses",
			       GATE_ADDRS_MAX);
	for (int i = 0; i < (port ? 1 : TRIES) && rc == -EADDRINUSE; i++)
		rc = gate_try(g, addrs, n, port, usual, &failed);
	if (rc == 0)
		return 0;
	gate_hint(rc, err);
	return kt_fail(err, -rc, "listen on %s%s: %s",
		       ipport_str(&failed, text), udp ? "/udp" : "",
		       strerror(-rc));
}

/* --- open and shut -------------------------------------------------------- */

static void gate_on_readable(struct watch *w, uint32_t events)
{
	struct gate_place *p = container_of(w, struct gate_place, watch);

	(void)events;
	p->gate->ops->readable(p->gate->user, p);
}

static void gate_on_accepted(void *user, int fd, const struct ipport *peer)
{
	struct gate *g = user;

	g->ops->accepted(g->user, fd, peer);
}

/* The listener owns a descriptor of its own of the same socket. */
static int gate_open_place(struct gate *g, struct gate_place *p)
{
	int fd, rc;

	if (g->udp) {
		rc = gate_mute(p, false);
		return rc < 0 ? rc
			      : loop_watch_start(g->loop, &p->watch, p->fd,
						 EPOLLIN, gate_on_readable);
	}
	gate_reuse(p->fd, true);
	if (listen(p->fd, SOMAXCONN) < 0)
		return -errno;
	fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
	rc = fd < 0 ? -errno
		    : listener_start(&p->listener, g->loop, fd,
				     gate_on_accepted, g);
	if (rc < 0)
		shutdown(p->fd, SHUT_RDWR);
	return rc;
}

static int gate_shut_place(struct gate *g, struct gate_place *p)
{
	if (g->udp) {
		loop_watch_stop(&p->watch);
		return gate_mute(p, true);
	}
	listener_stop(&p->listener);
	gate_reuse(p->fd, false);
	/* -ENOTCONN: it did not listen */
	return shutdown(p->fd, SHUT_RDWR) < 0 && errno != ENOTCONN ? -errno : 0;
}

void gate_start(struct gate *g, struct loop *loop, const struct gate_ops *ops,
		void *user)
{
	g->loop = loop;
	g->ops = ops;
	g->user = user;
}

int gate_set(struct gate *g, bool open, struct kt_error *err)
{
	char text[IPPORT_STRLEN];
	int rc = 0;

	for (size_t i = 0; rc == 0 && open != g->open && i < g->n; i++) {
		rc = open ? gate_open_place(g, &g->place[i])
			  : gate_shut_place(g, &g->place[i]);
		if (rc < 0)
			kt_fail(err, -rc, "%s %s%s: %s",
				open ? "listen on" : "leave",
				ipport_str(&g->place[i].at, text),
				g->udp ? "/udp" : "", strerror(-rc));
	}
	if (rc == 0)
		g->open = open;
	return rc;
}

void gate_stop(struct gate *g)
{
	for (size_t i = 0; i < g->n; i++) {
		loop_watch_stop(&g->place[i].watch);
		listener_stop(&g->place[i].listener);
	}
	gate_close(g);
}
