/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/listener.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#define ACCEPT_ROUNDS 32

static int open_spare(void)
{
	return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* take the caller off the queue and hang up, so that it does not wait there */
static void drop_one(struct listener *l)
{
	int fd;

	log_warn("out of descriptors: a connection is dropped");
	if (l->spare >= 0)
		close(l->spare);
	fd = accept4(l->watch.fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	l->spare = open_spare();
}

static void listener_on_event(struct watch *w, uint32_t events)
{
	struct listener *l = container_of(w, struct listener, watch);

	(void)events;
	for (int i = 0; i < ACCEPT_ROUNDS; i++) {
		int fd = accept4(w->fd, NULL, NULL,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			l->accepted(l->user, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE)
			drop_one(l);
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

/* a node that was booted with ipv6.disable=1 has no such sockets */
static bool listener_is_any6(const struct ipport *at)
{
	static const uint8_t any[16] = { 0 };
	const struct ipaddr six = ipaddr_v6(any);

	return ipaddr_eq(&at->addr, &six);
}

static int listener_bind(const struct ipport *at)
{
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(at, &ss);
	auto_close int fd = socket(
		at->addr.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int one = 1, zero = 0;

	if (fd < 0 && errno == EAFNOSUPPORT && listener_is_any6(at)) {
		static const uint8_t any[4] = { 0 };
		const struct ipport four = { ipaddr_v4(any), at->port };

		return listener_bind(&four);
	}
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (at->addr.family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		return -errno;
	return steal_fd(&fd);
}

int listener_start(struct listener *l, struct loop *loop,
		   const struct ipport *at,
		   void (*accepted)(void *user, int fd), void *user,
		   struct kt_error *err)
{
	char text[IPPORT_STRLEN];
	int fd = listener_bind(at);
	int rc = fd;

	*l = (struct listener){ .spare = -1,
				.accepted = accepted,
				.user = user };
	if (fd >= 0)
		rc = loop_watch_start(loop, &l->watch, fd, EPOLLIN,
				      listener_on_event);
	if (rc < 0) {
		if (fd >= 0)
			close(fd);
		return kt_fail(err, -rc, "listen on %s: %s",
			       ipport_str(at, text), strerror(-rc));
	}
	l->spare = open_spare();
	return 0;
}

void listener_stop(struct listener *l)
{
	if (!l->watch.loop)
		return;
	loop_watch_stop(&l->watch);
	close(l->watch.fd);
	if (l->spare >= 0)
		close(l->spare);
}
