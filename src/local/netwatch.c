/* SPDX-License-Identifier: Apache-2.0 */
#include "local/netwatch.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define LOOK (1 * NS_SEC)   /* at the clocks */
#define SLEPT (500 * NS_MS) /* less is no suspension */

#define LINKS 64U

/* what a link was when it was heard of last */
struct netwatch_link {
	int index; /* 0: none */
	unsigned int flags;
};

struct netwatch {
	struct loop *loop;
	void (*changed)(void *user);
	void *user;
	struct watch watch;
	int fd; /* -1: none */
	struct timer look, pause;
	int64_t apart;
	bool more;			  /* during the pause */
	struct netwatch_link link[LINKS]; /* by the last bits of the index */
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

/* --- messages ------------------------------------------------------------- */

/* kt0 and others like it: what happens to them is our own doing */
static bool netwatch_is_ours(const char *name)
{
	return strncmp(name, "kt", 2) == 0 && name[2] &&
	       !name[2 + strspn(name + 2, "0123456789")];
}

/* true also of a link that is gone: its end was told by itself */
static bool netwatch_is_our_index(unsigned int index)
{
	char name[IF_NAMESIZE];

	return !if_indextoname(index, name) || netwatch_is_ours(name);
}

static const void *netwatch_body(const struct nlmsghdr *h)
{
	return (const uint8_t *)h + NLMSG_HDRLEN;
}

static const void *netwatch_value(const struct rtattr *a)
{
	return (const uint8_t *)a + RTA_LENGTH(0);
}

static const struct rtattr *netwatch_attr(const struct nlmsghdr *h, size_t head,
					  unsigned short type)
{
	size_t at = NLMSG_LENGTH(NLMSG_ALIGN(head));

	while (at + sizeof(struct rtattr) <= h->nlmsg_len) {
		const struct rtattr *a =
			(const void *)((const uint8_t *)h + at);

		if (a->rta_len < sizeof(*a) || at + a->rta_len > h->nlmsg_len)
			break;
		if (a->rta_type == type)
			return a;
		at += RTA_ALIGN(a->rta_len);
	}
	return NULL;
}

/* Up, down, with or without a carrier: ifi_change does not tell of a carrier.
 * A scan of a radio, counters, a new name are no change; nor is a new link,
 * which is down at first, and one that goes went down before. */
static bool netwatch_link(struct netwatch *n, const struct nlmsghdr *h)
{
	const struct ifinfomsg *ifi = netwatch_body(h);
	const struct rtattr *name = netwatch_attr(h, sizeof(*ifi), IFLA_IFNAME);
	struct netwatch_link *l =
		&n->link[(unsigned int)ifi->ifi_index % LINKS];
	unsigned int flags = ifi->ifi_flags & (IFF_UP | IFF_RUNNING);
	bool changed = l->index != ifi->ifi_index || l->flags != flags;

	if (ifi->ifi_change == ~0U && !(flags & IFF_UP))
		changed = false; /* it is new, or gone */
	*l = (struct netwatch_link){ ifi->ifi_index, flags };
	return changed && !(name && netwatch_is_ours(netwatch_value(name)));
}

static bool netwatch_address(const struct nlmsghdr *h)
{
	const struct ifaddrmsg *ifa = netwatch_body(h);

	/* each link has one of its own, the containers' too */
	return ifa->ifa_scope < RT_SCOPE_LINK &&
	       !netwatch_is_our_index(ifa->ifa_index);
}

static bool netwatch_route(const struct nlmsghdr *h)
{
	const struct rtmsg *rtm = netwatch_body(h);
	const struct rtattr *to = netwatch_attr(h, sizeof(*rtm), RTA_OIF);
	unsigned int index;

	/* the kernel's own follow links and addresses */
	if (rtm->rtm_protocol == RTPROT_KERNEL ||
	    (rtm->rtm_flags & RTM_F_CLONED))
		return false;
	if (!to || to->rta_len < RTA_LENGTH(sizeof(index)))
		return true;
	memcpy(&index, netwatch_value(to), sizeof(index));
	return !netwatch_is_our_index(index);
}

/* is it one by which something may work that did not, or no more? */
static bool netwatch_counts(struct netwatch *n, const struct nlmsghdr *h)
{
	switch (h->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifinfomsg)) &&
		       netwatch_link(n, h);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifaddrmsg)) &&
		       netwatch_address(h);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct rtmsg)) &&
		       netwatch_route(h);
	default:
		return false;
	}
}

static bool netwatch_any_counts(struct netwatch *n, struct nlmsghdr *h,
				size_t len)
{
	bool any = false;

	for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len))
		any |= netwatch_counts(n, h);
	return any;
}

static void netwatch_on_message(struct watch *w, uint32_t events)
{
	struct netwatch *n = container_of(w, struct netwatch, watch);
	union {
		struct nlmsghdr h;
		char b[16384];
	} buf;
	ssize_t got;
	bool any = false;

	(void)events;
	/* an overrun (ENOBUFS) is of many changes */
	while ((got = recv(n->fd, &buf, sizeof(buf), MSG_DONTWAIT)) > 0 ||
	       (got < 0 && errno == ENOBUFS))
		any |= got < 0 || netwatch_any_counts(n, &buf.h, (size_t)got);
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
