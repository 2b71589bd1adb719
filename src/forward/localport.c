/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/localport.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define TRIES 32 /* to find one number that is free at each address */

/* --- taking a port -------------------------------------------------------- */

static void localport_reuse(int fd, int on)
{
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
}

/*
 * Without SO_REUSEADDR, so that nobody can take the port while it is shut. But
 * connections of a predecessor that wait for their time to be over (TIME_WAIT)
 * hold it as well then: with it, if nobody listens there. They have it, too: a
 * port that is open gives it to them.
 */
static int localport_bind_fd(int fd, const struct ipport *at, bool udp)
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
	localport_reuse(fd, true);
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		return -errno;
	localport_reuse(fd, false);
	return shutdown(fd, SHUT_RDWR) < 0 ? -errno : 0;
}

static int localport_socket(const struct ipport *at, bool udp)
{
	int type =
		(udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
	auto_close int fd = socket(at->addr.family, type, 0);
	int rc = fd < 0 ? -errno : localport_bind_fd(fd, at, udp);

	return rc < 0 ? rc : steal_fd(&fd);
}

/* A number that is free at @addr just now. It is bound by its number then: a
 * port that the kernel chose is lost when the socket stops to listen. */
static int localport_any_port(const struct ipaddr *addr, bool udp)
{
	const struct ipport any = { .addr = *addr };
	auto_close int fd = localport_socket(&any, udp);
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
static int localport_mute(const struct localport_place *p, bool mute)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = ipport_to_sockaddr(&p->at, &ss);

	if (!mute)
		ss.ss_family = AF_UNSPEC;
	return connect(p->fd, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;
}

static void localport_close(struct localport *l)
{
	while (l->n)
		close(l->place[--l->n].fd);
}

static bool localport_is_missing(int rc)
{
	return rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT;
}

/* @optional: the last address may be one that this machine has not */
static int localport_try(struct localport *l, const struct ipaddr *addrs,
			 size_t n, uint16_t port, bool optional,
			 struct ipport *failed)
{
	int rc = port ? port : localport_any_port(&addrs[0], l->udp);

	*failed = (struct ipport){ .addr = addrs[0], .port = port };
	if (rc < 0)
		return rc;
	l->port = (uint16_t)rc;
	for (size_t i = 0; i < n; i++) {
		struct localport_place *p = &l->place[l->n];

		*p = (struct localport_place){ .port = l,
					       .at = { addrs[i], l->port } };
		*failed = p->at;
		rc = localport_socket(&p->at, l->udp);
		if (rc < 0 && optional && i && localport_is_missing(rc))
			continue;
		if (rc < 0) {
			localport_close(l);
			return rc;
		}
		p->fd = rc;
		l->n++;
		rc = l->udp ? localport_mute(p, true) : 0;
		if (rc < 0) {
			localport_close(l);
			return rc;
		}
	}
	return 0;
}

static void localport_hint(int rc, struct kt_error *err)
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

int localport_bind(struct localport *l, bool udp, uint16_t port,
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

	*l = (struct localport){ .udp = udp };
	if (usual) {
		addrs = loopback;
		n = ARRAY_SIZE(loopback);
	}
	if (n > LOCALPORT_ADDRS_MAX)
		return kt_fail(err, E2BIG, "more than %d addresses",
			       LOCALPORT_ADDRS_MAX);
	for (int i = 0; i < (port ? 1 : TRIES) && rc == -EADDRINUSE; i++)
		rc = localport_try(l, addrs, n, port, usual, &failed);
	if (rc == 0)
		return 0;
	localport_hint(rc, err);
	return kt_fail(err, -rc, "listen on %s%s: %s",
		       ipport_str(&failed, text), udp ? "/udp" : "",
		       strerror(-rc));
}

/* --- open and shut -------------------------------------------------------- */

static void localport_on_readable(struct watch *w, uint32_t events)
{
	struct localport_place *p =
		container_of(w, struct localport_place, watch);

	(void)events;
	p->port->ops->readable(p->port->user, p);
}

static void localport_on_accepted(void *user, int fd, const struct ipport *peer)
{
	struct localport *l = user;

	l->ops->accepted(l->user, fd, peer);
}

/* The listener owns a descriptor of its own of the same socket. */
static int localport_open_place(struct localport *l, struct localport_place *p)
{
	int fd, rc;

	if (l->udp) {
		rc = localport_mute(p, false);
		return rc < 0 ? rc
			      : loop_watch_start(l->loop, &p->watch, p->fd,
						 EPOLLIN,
						 localport_on_readable);
	}
	localport_reuse(p->fd, true);
	if (listen(p->fd, SOMAXCONN) < 0)
		return -errno;
	fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
	rc = fd < 0 ? -errno
		    : listener_start(&p->listener, l->loop, fd,
				     localport_on_accepted, l);
	if (rc < 0)
		shutdown(p->fd, SHUT_RDWR);
	return rc;
}

static int localport_shut_place(struct localport *l, struct localport_place *p)
{
	if (l->udp) {
		loop_watch_stop(&p->watch);
		return localport_mute(p, true);
	}
	listener_stop(&p->listener);
	localport_reuse(p->fd, false);
	/* -ENOTCONN: it did not listen */
	return shutdown(p->fd, SHUT_RDWR) < 0 && errno != ENOTCONN ? -errno : 0;
}

void localport_start(struct localport *l, struct loop *loop,
		     const struct localport_ops *ops, void *user)
{
	l->loop = loop;
	l->ops = ops;
	l->user = user;
}

int localport_set(struct localport *l, bool open, struct kt_error *err)
{
	char text[IPPORT_STRLEN];
	int rc = 0;

	for (size_t i = 0; rc == 0 && open != l->open && i < l->n; i++) {
		rc = open ? localport_open_place(l, &l->place[i])
			  : localport_shut_place(l, &l->place[i]);
		if (rc < 0)
			kt_fail(err, -rc, "%s %s%s: %s",
				open ? "listen on" : "leave",
				ipport_str(&l->place[i].at, text),
				l->udp ? "/udp" : "", strerror(-rc));
	}
	if (rc == 0)
		l->open = open;
	return rc;
}

void localport_stop(struct localport *l)
{
	for (size_t i = 0; i < l->n; i++) {
		loop_watch_stop(&l->place[i].watch);
		listener_stop(&l->place[i].listener);
	}
	localport_close(l);
}
