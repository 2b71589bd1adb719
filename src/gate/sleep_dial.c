/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/sleep_dial.h"

#include "base/fdlimit.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void sleep_dial_stop(struct sleep_dial *d)
{
	if (!d->active)
		return;
	d->active = false;
	loop_timer_stop(&d->timer);
	loop_watch_stop(&d->watch);
	if (d->watch.fd >= 0)
		close(d->watch.fd);
	d->watch.fd = -1;
}

/* The last thing that is done with @d */
static void sleep_dial_end(struct sleep_dial *d, int error)
{
	int fd = error ? -1 : d->watch.fd;

	if (!error)
		d->watch.fd = -1; /* given away */
	sleep_dial_stop(d);
	d->done(d->user, error ? error : fd);
}

static void sleep_dial_on_event(struct watch *w, uint32_t events)
{
	struct sleep_dial *d = container_of(w, struct sleep_dial, watch);
	int error = 0;
	socklen_t len = sizeof(error);

	(void)events;
	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	loop_watch_stop(w);
	sleep_dial_end(d, -error);
}

static void sleep_dial_on_timeout(struct timer *t)
{
	struct sleep_dial *d = container_of(t, struct sleep_dial, timer);

	sleep_dial_end(d, d->watch.fd < 0 ? -EMFILE : -ETIMEDOUT);
}

void sleep_dial_start(struct sleep_dial *d, struct loop *l,
		      const struct ipport *at, int64_t timeout_ns,
		      sleep_dialled_fn done, void *user)
{
	struct sockaddr_storage sa;
	socklen_t len = ipport_to_sockaddr(at, &sa);
	const int one = 1;
	int fd;

	d->active = true;
	d->done = done;
	d->user = user;
	fd = fdlimit_take(socket(at->addr.family,
				 SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
				 0));
	d->watch.fd = fd < 0 ? -1 : fd;
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, len) < 0 &&
	    errno != EINPROGRESS) {
		close(fd);
		d->watch.fd = fd = -1;
	}
	if (fd >= 0 && loop_watch_start(l, &d->watch, fd, EPOLLOUT,
					sleep_dial_on_event) < 0) {
		close(fd);
		d->watch.fd = fd = -1;
	}
	/* what failed at once is told from the loop, too */
	loop_timer_start(l, &d->timer, fd < 0 ? 0 : timeout_ns,
			 sleep_dial_on_timeout);
}
