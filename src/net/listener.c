/* SPDX-License-Identifier: Apache-2.0 */
#include "net/listener.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH 64
#define PAUSE (100 * NS_MS)
#define TELL_AGAIN (60 * NS_SEC) /* without a shortage in between */

/* --- accepting ------------------------------------------------------------ */

static void listener_resume(struct timer *t)
{
	loop_watch_mod(&container_of(t, struct listener, pause)->watch,
		       EPOLLIN);
}

/* What accept(2) says of the connection it was to return, which is gone. */
static bool listener_lost_one(int error)
{
	switch (error) {
	case ECONNABORTED:
	case EINTR:
	case EPERM:
	case EPROTO:
	case ENOPROTOOPT:
	case EOPNOTSUPP:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENONET:
		return true;
	default:
		return false;
	}
}

/* EMFILE, ENFILE, ENOBUFS, ENOMEM; what is not known must not spin, either */
static void listener_run_short(struct listener *l, int error)
{
	int64_t now = clock_ns();

	if (!l->short_at || now - l->short_at > TELL_AGAIN)
		log_warn("new connections wait: accept: %s", strerror(error));
	l->short_at = now;
	loop_watch_mod(&l->watch, 0);
	loop_timer_start(l->watch.loop, &l->pause, PAUSE, listener_resume);
}

static void listener_event(struct watch *w, uint32_t events)
{
	struct listener *l = container_of(w, struct listener, watch);

	(void)events;
	for (int i = 0; i < BATCH && w->loop; i++) {
		struct sockaddr_storage ss = { 0 };
		socklen_t len = sizeof(ss);
		struct ipport peer;
		int fd = accept4(w->fd, (struct sockaddr *)&ss, &len,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0 && !listener_lost_one(errno)) {
			listener_run_short(l, errno);
			return;
		}
		if (fd < 0)
			continue;
		if (ipport_from_sockaddr(&peer, (struct sockaddr *)&ss) < 0)
			close(fd);
		else
			l->accepted(l->user, fd, &peer);
	}
}

/* --- life ----------------------------------------------------------------- */

static bool listener_is_any6(const struct ipport *at)
{
	static const uint8_t any[16] = { 0 };
	const struct ipaddr six = ipaddr_v6(any);

	return ipaddr_eq(&at->addr, &six);
}

static int listener_socket(struct ipport *at)
{
	static const uint8_t any[4] = { 0 };
	const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int fd = socket(at->addr.family, type, 0);

	/* booted with ipv6.disable=1 */
	if (fd < 0 && errno == EAFNOSUPPORT && listener_is_any6(at)) {
		at->addr = ipaddr_v4(any);
		fd = socket(AF_INET, type, 0);
	}
	return fd < 0 ? -errno : fd;
}

int listener_bind(struct ipport *at)
{
	const int one = 1, zero = 0;
	struct sockaddr_storage ss;
	auto_close int fd = listener_socket(at);
	socklen_t len = ipport_to_sockaddr(at, &ss);

	if (fd < 0)
		return fd;
	/* for any port it would allow one that is not quite free */
	if (at->port)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (listener_is_any6(at))
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		return -errno;
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	if (ipport_from_sockaddr(at, (struct sockaddr *)&ss) < 0)
		return -EADDRNOTAVAIL;
	return steal_fd(&fd);
}

int listener_start(struct listener *l, struct loop *loop, int fd,
		   listener_fn accepted, void *user)
{
	int rc;

	*l = (struct listener){ .accepted = accepted, .user = user };
	rc = loop_watch_start(loop, &l->watch, fd, EPOLLIN, listener_event);
	if (rc < 0)
		close(fd);
	return rc;
}

int listener_open(struct listener *l, struct loop *loop, struct ipport *at,
		  listener_fn accepted, void *user, struct kt_error *err)
{
	char text[IPPORT_STRLEN];
	int rc = listener_bind(at);

	if (rc >= 0)
		rc = listener_start(l, loop, rc, accepted, user);
	if (rc < 0)
		return kt_fail(err, -rc, "listen on %s: %s",
			       ipport_str(at, text), strerror(-rc));
	return 0;
}

void listener_stop(struct listener *l)
{
	if (!l->watch.loop)
		return;
	loop_watch_stop(&l->watch);
	loop_timer_stop(&l->pause);
	close(l->watch.fd);
}
