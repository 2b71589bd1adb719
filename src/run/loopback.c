/* SPDX-License-Identifier: Apache-2.0 */
#include "run/loopback.h"

#include "base/fdlimit.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/repeat.h"
#include "net/listener.h"
#include "net/nftset.h"
#include "net/sockdiag.h"
#include "pipe/join.h"
#include "run/loopback_impl.h"
#include "run/sockcount.h"

#include <errno.h>
#include <string.h>

/** struct loopback_set - of one family: a bit for each port */
struct loopback_set {
	uint8_t now[LOOPBACK_PORTS / 8], before[LOOPBACK_PORTS / 8];
};

struct loopback {
	struct loop *loop;
	bool (*is_ours)(void *user, uint16_t port);
	void *user;
	struct loopback_far far; /* @ports NULL: there is nobody */
	bool outside;
	struct nlsock diag;  /* of this machine */
	struct nlsock rules; /* of the namespace */
	struct listener listener[2];
	struct loopback_set set[2];
	struct timer timer;
	struct sockcount count; /* of this machine */
	int64_t changed;	/* when a port came or went */
	struct repeat trouble;
	struct list calls; /* of loopback_call */
};

/** struct loopback_call - of the program: to be connected here, or it is */
struct loopback_call {
	struct list node;
	struct loopback *all;
	struct watch watch; /* of the socket here; -1: joined */
	int fd;		    /* the program's; -1: joined */
	struct join *join;
};

/* --- calls ---------------------------------------------------------------- */

static void loopback_call_end(struct loopback_call *c)
{
	const struct linger now = { .l_onoff = 1 };

	list_del(&c->node);
	loop_watch_stop(&c->watch);
	if (c->watch.fd >= 0)
		close(c->watch.fd);
	if (c->fd >= 0) { /* it has been accepted: a reset is what is left */
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now,
				 sizeof(now));
		close(c->fd);
	}
	loop_defer_free(c->all->loop, c);
}

static void loopback_on_join_done(void *user)
{
	struct loopback_call *c = user;

	c->join = NULL;
	loopback_call_end(c);
}

static void loopback_on_connected(struct watch *w, uint32_t events)
{
	struct loopback_call *c = container_of(w, struct loopback_call, watch);
	socklen_t len = sizeof(int);
	int error = 0;

	(void)events;
	loop_watch_stop(w);
	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 &&
	    !error)
		c->join = join_sockets(c->all->loop, steal_fd(&c->fd),
				       steal_fd(&w->fd), loopback_on_join_done,
				       c);
	if (!c->join)
		loopback_call_end(c);
}

static bool loopback_has(const uint8_t *bits, unsigned int port)
{
	return bits[port / 8] >> port % 8 & 1;
}

static void loopback_on_call(void *user, int fd, const struct ipport *peer)
{
	struct loopback *l = user;
	struct loopback_call *c;
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct ipport at;

	(void)peer;
	if (l->far.ports &&
	    getsockname(fd, (struct sockaddr *)&ss, &len) == 0 &&
	    ipport_from_sockaddr(&at, (struct sockaddr *)&ss) == 0 &&
	    loopback_has(l->far.ports, at.port)) {
		l->far.take(l->far.user, at.port, fd);
		return;
	}
	len = sizeof(ss);
	c = xcalloc(1, sizeof(*c));
	c->all = l;
	c->fd = fd;
	c->watch.fd = -1;
	list_add_tail(&l->calls, &c->node);
	/* its own address there is the one that was called, and is called here
	 */
	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		c->watch.fd = fdlimit_take(
			socket(ss.ss_family,
			       SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
	if (c->watch.fd < 0 ||
	    (connect(c->watch.fd, (struct sockaddr *)&ss, len) < 0 &&
	     errno != EINPROGRESS) ||
	    loop_watch_start(l->loop, &c->watch, c->watch.fd, EPOLLOUT,
			     loopback_on_connected) < 0)
		loopback_call_end(c);
}

/* --- the sets ------------------------------------------------------------- */

/* A listener of this machine that a call to a loopback address of @f reaches */
static bool loopback_reaches(const struct ipaddr *a, int f)
{
	static const uint8_t nothing[16] = { 0 }, one[16] = { [15] = 1 };
	bool any = memcmp(a->b, nothing, sizeof(nothing)) == 0;

	if (a->family == AF_INET)
		return f == 0 && (any || a->b[0] == 127);
	/* [::] takes IPv4 as well, as a rule; where not, a reset says so */
	return any || (f == 1 && memcmp(a->b, one, sizeof(one)) == 0);
}

static void loopback_on_listener(void *user, const struct ipport *at)
{
	struct loopback *l = user;

	if (l->is_ours(l->user, at->port))
		return;
	for (int f = 0; f < 2; f++)
		if (loopback_reaches(&at->addr, f))
			l->set[f].now[at->port / 8] |=
				(uint8_t)(1 << at->port % 8);
}

/* The ports that are in @a and not in @b; returned, caller frees */
static uint16_t *loopback_difference(const uint8_t *a, const uint8_t *b,
				     size_t *n)
{
	uint16_t *ports = NULL;

	*n = 0;
	for (unsigned int i = 1; i < LOOPBACK_PORTS; i++) {
		if (i % 8 == 0 && a[i / 8] == b[i / 8]) {
			i += 7;
			continue;
		}
		if (!loopback_has(a, i) || loopback_has(b, i))
			continue;
		ports = xrealloc(ports, (*n + 1) * sizeof(*ports));
		ports[(*n)++] = (uint16_t)i;
	}
	return ports;
}

static void loopback_change(struct loopback *l, int f, bool add)
{
	struct loopback_set *s = &l->set[f];
	const char *name = f ? LOOPBACK_SET6 : LOOPBACK_SET4;
	size_t n;
	auto_free uint16_t *ports =
		add ? loopback_difference(s->now, s->before, &n)
		    : loopback_difference(s->before, s->now, &n);
	int rc = nftset_ports(&l->rules, LOOPBACK_TABLE, name, add, ports, n);

	if (rc < 0)
		log_debug("ports of this machine: %s", strerror(-rc));
}

static void loopback_list(struct loopback *l)
{
	int rc = 0;

	for (int f = 0; f < 2; f++)
		memset(l->set[f].now, 0, sizeof(l->set[f].now));
	if (l->outside)
		rc = sockdiag_listeners(&l->diag, loopback_on_listener, l);
	for (int f = 0; l->far.ports && f < 2; f++)
		for (size_t i = 0; i < sizeof(l->set[f].now); i++)
			l->set[f].now[i] |= l->far.ports[i];
	if (rc < 0)
		repeat_warn(&l->trouble,
			    "ports of this machine are not the program's: "
			    "sock_diag: %s",
			    strerror(-rc));
	else
		repeat_over(&l->trouble);
	for (int f = 0; rc == 0 && f < 2; f++) {
		struct loopback_set *s = &l->set[f];

		if (memcmp(s->now, s->before, sizeof(s->now)) == 0)
			continue;
		loopback_change(l, f, false);
		loopback_change(l, f, true);
		memcpy(s->before, s->now, sizeof(s->now));
		l->changed = loop_now(l->loop);
	}
}

static void loopback_look(struct timer *t)
{
	struct loopback *l = container_of(t, struct loopback, timer);

	int64_t now = loop_now(l->loop);

	if (sockcount_due(&l->count, now, LOOPBACK_LIST))
		loopback_list(l);
	loop_timer_start(l->loop, t,
			 now - l->changed < LOOPBACK_QUIET ? LOOPBACK_INTERVAL
							   : LOOPBACK_SLOW,
			 loopback_look);
}

/* --- life ----------------------------------------------------------------- */

static int loopback_start(struct loopback *l, struct loopback_link *link)
{
	int rc = nlsock_open(&l->diag, NETLINK_SOCK_DIAG);

	nlsock_adopt(&l->rules, steal_fd(&link->fds[2]));
	for (int f = 0; rc == 0 && f < 2; f++)
		if (link->fds[f] >= 0)
			rc = listener_start(&l->listener[f], l->loop,
					    steal_fd(&link->fds[f]),
					    loopback_on_call, l);
	return rc;
}

struct loopback *loopback_new(struct loop *loop, struct loopback_link *link,
			      bool (*is_ours)(void *user, uint16_t port),
			      void *user, const struct loopback_far *far,
			      bool outside)
{
	struct loopback *l = xcalloc(1, sizeof(*l));
	int rc;

	l->loop = loop;
	sockcount_init(&l->count, 0);
	l->is_ours = is_ours;
	l->user = user;
	l->outside = outside;
	if (far)
		l->far = *far;
	list_init(&l->calls);
	rc = loopback_start(l, link);
	loopback_link_close(link);
	if (rc < 0) {
		log_warn("ports of this machine are not the program's: %s",
			 strerror(-rc));
		loopback_free(l);
		return NULL;
	}
	loopback_look(&l->timer);
	return l;
}

void loopback_free(struct loopback *l)
{
	struct list *pos, *tmp;

	if (!l)
		return;
	loop_timer_stop(&l->timer);
	for (int f = 0; f < 2; f++)
		listener_stop(&l->listener[f]);
	list_for_each_safe (pos, tmp, &l->calls) {
		struct loopback_call *c =
			container_of(pos, struct loopback_call, node);

		join_reset(c->join);
		loopback_call_end(c);
	}
	nlsock_close(&l->diag);
	nlsock_close(&l->rules);
	sockcount_fini(&l->count);
	loop_defer_free(l->loop, l);
}
