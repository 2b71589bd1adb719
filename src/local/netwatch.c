/* SPDX-License-Identifier: Apache-2.0 */
#include "local/netwatch.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define LOOK (1 * NS_SEC)   /* at the clocks */
#define SLEPT (500 * NS_MS) /* less is no suspension */

struct netwatch {
	struct loop *loop;
	void (*changed)(void *user);
	void *user;
	struct watch watch;
	int fd; /* -1: none */
	struct timer look, pause;
	int64_t apart;
	bool more; /* during the pause */
};

static int64_t netwatch_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * NS_SEC + ts.tv_nsec;
}

bool netwatch_slept(int64_t *apart, int64_t boottime, int64_t monotonic)
{
	int64_t before = *apart;

	*apart = boottime - monotonic;
	return *apart - before >= SLEPT;
}

static void netwatch_tell(struct netwatch *n);

static void netwatch_on_pause(struct timer *t)
{
	struct netwatch *n = container_of(t, struct netwatch, pause);

	if (n->more)
		netwatch_tell(n);
}

static void netwatch_tell(struct netwatch *n)
{
	n->more = loop_timer_active(&n->pause);
	if (n->more)
		return;
	loop_timer_start(n->loop, &n->pause, NETWATCH_PAUSE, netwatch_on_pause);
	n->changed(n->user);
}

static void netwatch_on_look(struct timer *t)
{
	struct netwatch *n = container_of(t, struct netwatch, look);

	loop_timer_start(n->loop, t, LOOK, netwatch_on_look);
	if (!netwatch_slept(&n->apart, netwatch_clock(CLOCK_BOOTTIME),
			    netwatch_clock(CLOCK_MONOTONIC)))
		return;
	log_debug("this machine was suspended");
	netwatch_tell(n);
}

static void netwatch_on_message(struct watch *w, uint32_t events)
{
	struct netwatch *n = container_of(w, struct netwatch, watch);
	char buf[8192];
	ssize_t got;
	bool any = false;

	(void)events;
	/* an overrun (ENOBUFS) is of many changes */
	while ((got = recv(n->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0 ||
	       (got < 0 && errno == ENOBUFS))
		any = true;
	if (any)
		netwatch_tell(n);
}

static int netwatch_open(struct netwatch *n)
{
	const struct sockaddr_nl at = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR |
			     RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
			     RTMGRP_IPV6_ROUTE,
	};

	n->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
		       NETLINK_ROUTE);
	if (n->fd < 0 ||
	    bind(n->fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return -errno;
	return loop_watch_start(n->loop, &n->watch, n->fd, EPOLLIN,
				netwatch_on_message);
}

struct netwatch *netwatch_new(struct loop *loop, void (*changed)(void *user),
			      void *user)
{
	struct netwatch *n = xcalloc(1, sizeof(*n));
	int rc;

	n->loop = loop;
	n->changed = changed;
	n->user = user;
	n->fd = -1;
	rc = netwatch_open(n);
	if (rc < 0)
		log_debug("changes of the network are not told: %s",
			  strerror(-rc));
	n->apart = netwatch_clock(CLOCK_BOOTTIME) -
		   netwatch_clock(CLOCK_MONOTONIC);
	loop_timer_start(loop, &n->look, LOOK, netwatch_on_look);
	return n;
}

void netwatch_free(struct netwatch *n)
{
	if (!n)
		return;
	loop_timer_stop(&n->look);
	loop_timer_stop(&n->pause);
	loop_watch_stop(&n->watch);
	if (n->fd >= 0)
		close(n->fd);
	loop_defer_free(n->loop, n);
}
