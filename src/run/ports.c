/* SPDX-License-Identifier: Apache-2.0 */
#include "run/ports.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/repeat.h"
#include "net/listener.h"
#include "net/sockdiag.h"
#include "pipe/join.h"
#include "run/sockcount.h"

#include <errno.h>
#include <string.h>

#define POOL_MAX (2 * KEEPER_BATCH)
#define POOL_LOW 4
#define WAITING_MAX 256

/** struct ports_pool - sockets of the namespace, of one family */
struct ports_pool {
	int fds[POOL_MAX];
	size_t n;
	bool asked; /* for more */
};

struct ports {
	struct loop *loop;
	struct keeper *keeper;
	struct nlsock diag;
	struct timer timer;
	int ends; /* has something to read when one may have gone; or -1 */
	struct watch ends_watch;
	bool soon;		   /* it had, and is looked at in a moment */
	struct ports_pool pool[2]; /* IPv4, IPv6 */
	struct list open;	   /* of ports_port */
	struct list calls;	   /* of ports_call */
	struct list joins;	   /* of ports_join */
	size_t nopen, ncalls;
	struct sockcount count;
	bool told;     /* it is said when somebody listens */
	int64_t hurry; /* until then it was just said */
	struct repeat trouble;
	bool full;					   /* said once */
	void (*watch)(void *user, uint16_t port, bool on); /* or NULL */
	void *watch_user;
	uint16_t not_those[2];
};

/** struct ports_port - one of them, here */
struct ports_port {
	struct list node;
	struct ports *all;
	struct ipport at; /* in the namespace, as a caller there names it */
	struct listener here[2];
	bool seen; /* in this round */
};

/** struct ports_call - somebody who called here, not yet connected there */
struct ports_call {
	struct list node;
	struct ports *all;
	struct ipport at;
	struct watch watch; /* of the socket there; -1: waits for one */
	int fd;
	struct timer timer; /* nobody listens there */
	/* of ports_dial(), in place of @fd; or NULL */
	void (*done)(void *user, uint32_t id, int fd);
	void *user;
	uint32_t id;
};

struct ports_join {
	struct list node;
	struct ports *all;
	struct join *join;
};

static void ports_look(struct timer *t);

/* --- connections ---------------------------------------------------------- */

static void ports_on_join_done(void *user)
{
	struct ports_join *j = user;

	list_del(&j->node);
	loop_defer_free(j->all->loop, j);
}

static void ports_join(struct ports *p, int a, int b)
{
	struct ports_join *j = xcalloc(1, sizeof(*j));

	j->all = p;
	list_add_tail(&p->joins, &j->node);
	j->join = join_sockets(p->loop, a, b, ports_on_join_done, j);
	if (!j->join)
		ports_on_join_done(j);
}

/* Without having been taken: the caller sees a reset */
static void ports_call_end(struct ports_call *c, int error)
{
	const struct linger now = { .l_onoff = 1 };

	list_del(&c->node);
	c->all->ncalls--;
	loop_watch_stop(&c->watch);
	loop_timer_stop(&c->timer);
	if (c->done)
		c->done(c->user, c->id, -error);
	c->done = NULL;
	if (c->watch.fd >= 0)
		close(c->watch.fd);
	if (c->fd >= 0) {
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now,
				 sizeof(now));
		close(c->fd);
	}
	loop_defer_free(c->all->loop, c);
}

static void ports_on_connected(struct watch *w, uint32_t events)
{
	struct ports_call *c = container_of(w, struct ports_call, watch);
	socklen_t len = sizeof(int);
	int error = 0;

	(void)events;
	loop_watch_stop(w);
	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) { /* it has gone, perhaps: that is to be known now */
		c->all->count.listed = 0;
		loop_timer_start(c->all->loop, &c->all->timer, 0, ports_look);
	} else if (c->done)
		c->done(c->user, c->id, steal_fd(&w->fd));
	else
		ports_join(c->all, steal_fd(&c->fd), steal_fd(&w->fd));
	if (!error)
		c->done = NULL;
	ports_call_end(c, error);
}

static struct ports_pool *ports_pool(struct ports *p, int family)
{
	return &p->pool[family == AF_INET6];
}

static struct ports_port *ports_find(const struct ports *p, uint16_t number)
{
	struct list *pos;

	list_for_each (pos, &p->open) {
		struct ports_port *port =
			container_of(pos, struct ports_port, node);

		if (port->at.port == number)
			return port;
	}
	return NULL;
}

static void ports_refill(struct ports *p, int family)
{
	struct ports_pool *pool = ports_pool(p, family);

	if (pool->n > POOL_LOW || pool->asked)
		return;
	pool->asked = keeper_more_sockets(p->keeper, family) == 0;
}

/* false: there is no socket for it yet */
static bool ports_connect(struct ports_call *c)
{
	struct ports *p = c->all;
	struct ports_pool *pool = ports_pool(p, c->at.addr.family);
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(&c->at, &ss);

	if (!pool->n)
		return false;
	c->watch.fd = pool->fds[--pool->n];
	ports_refill(p, c->at.addr.family);
	if ((connect(c->watch.fd, (struct sockaddr *)&ss, len) < 0 &&
	     errno != EINPROGRESS) ||
	    loop_watch_start(p->loop, &c->watch, c->watch.fd, EPOLLOUT,
			     ports_on_connected) < 0)
		ports_call_end(c, errno);
	return true;
}

static void ports_on_caller(void *user, int fd, const struct ipport *peer)
{
	struct ports_port *port = user;
	struct ports *p = port->all;
	struct ports_call *c = xcalloc(1, sizeof(*c));

	(void)peer;
	c->all = p;
	c->at = port->at;
	c->fd = fd;
	c->watch.fd = -1;
	list_add_tail(&p->calls, &c->node);
	if (p->ncalls++ >= WAITING_MAX)
		ports_call_end(c, ECONNREFUSED);
	else if (!ports_connect(c))
		ports_refill(p, c->at.addr.family);
}

static void ports_on_nobody(struct timer *t)
{
	ports_call_end(container_of(t, struct ports_call, timer), ECONNREFUSED);
}

void ports_dial(struct ports *p, uint16_t number, uint32_t id,
		void (*done)(void *user, uint32_t id, int fd), void *user)
{
	const struct ports_port *port = ports_find(p, number);
	struct ports_call *c = xcalloc(1, sizeof(*c));

	c->all = p;
	c->fd = c->watch.fd = -1;
	c->done = done;
	c->user = user;
	c->id = id;
	list_add_tail(&p->calls, &c->node);
	p->ncalls++;
	if (!port) {
		c->at.addr.family = AF_UNSPEC;
		loop_timer_start(p->loop, &c->timer, 0, ports_on_nobody);
		return;
	}
	c->at = port->at;
	if (!ports_connect(c))
		ports_refill(p, c->at.addr.family);
}

void ports_sockets(struct ports *p, int family, const int *fds, size_t n)
{
	struct ports_pool *pool = ports_pool(p, family);
	struct list *pos, *tmp;

	pool->asked = false;
	for (size_t i = 0; i < n; i++) {
		if (pool->n < POOL_MAX)
			pool->fds[pool->n++] = fds[i];
		else
			close(fds[i]);
	}
	list_for_each_safe (pos, tmp, &p->calls) {
		struct ports_call *c =
			container_of(pos, struct ports_call, node);

		if (c->watch.fd < 0 && c->at.addr.family == family &&
		    !ports_connect(c))
			break;
	}
}

/* --- who listens ---------------------------------------------------------- */

/* As a program beside it would call it: where it takes every address, this
 * machine's own */
static struct ipport ports_target(const struct ipport *at)
{
	static const uint8_t nothing[16] = { 0 };
	struct ipport to = *at;

	if (memcmp(at->addr.b, nothing, sizeof(nothing)) != 0)
		return to;
	if (to.addr.family == AF_INET)
		to.addr.b[0] = 127;
	to.addr.b[to.addr.family == AF_INET ? 3 : 15] = 1;
	return to;
}

void ports_watch(struct ports *p,
		 void (*fn)(void *user, uint16_t port, bool on), void *user)
{
	p->watch = fn;
	p->watch_user = user;
}

bool ports_has(const struct ports *p, uint16_t number)
{
	return ports_find(p, number);
}

/* Where a family is missing on this machine the other is enough */
static void ports_listen(struct ports_port *port)
{
	static const char *const host[2] = { "127.0.0.1", "::1" };

	for (int f = 0; f < 2; f++) {
		struct ipport at = { .port = port->at.port };
		struct kt_error err = { 0 };
		int rc = ipaddr_parse(&at.addr, host[f]);

		if (rc == 0)
			rc = listener_open(&port->here[f], port->all->loop, &at,
					   ports_on_caller, port, &err);
		if (rc < 0 && f == 0)
			log_warn("port %u of the program is not one of this "
				 "machine's: %s",
				 port->at.port, err.msg);
		else if (rc < 0)
			log_debug("%s", err.msg);
		if (rc < 0 && f == 0)
			return;
	}
}

static void ports_on_listener(void *user, const struct ipport *at)
{
	struct ports *p = user;
	struct ports_port *port = ports_find(p, at->port);

	if (at->port == p->not_those[at->addr.family == AF_INET6])
		return;
	if (port) {
		port->seen = true;
		return;
	}
	if (p->nopen == PORTS_MAX) {
		if (!p->full)
			log_warn("the program listens on more than %d ports: "
				 "the others are not this machine's",
				 PORTS_MAX);
		p->full = true;
		return;
	}
	port = xcalloc(1, sizeof(*port));
	port->all = p;
	port->at = ports_target(at);
	port->seen = true;
	list_add_tail(&p->open, &port->node);
	p->nopen++;
	ports_listen(port);
	if (p->watch)
		p->watch(p->watch_user, port->at.port, true);
}

static void ports_close(struct ports_port *port)
{
	for (int f = 0; f < 2; f++)
		listener_stop(&port->here[f]);
	list_del(&port->node);
	port->all->nopen--;
	if (port->all->watch)
		port->all->watch(port->all->watch_user, port->at.port, false);
	loop_defer_free(port->all->loop, port);
}

static void ports_list(struct ports *p)
{
	struct list *pos, *tmp;
	int rc;

	list_for_each (pos, &p->open)
		container_of(pos, struct ports_port, node)->seen = false;
	rc = sockdiag_listeners(&p->diag, ports_on_listener, p);
	if (rc < 0)
		repeat_warn(&p->trouble,
			    "ports of the program are not this machine's: "
			    "sock_diag: %s",
			    strerror(-rc));
	else
		repeat_over(&p->trouble);
	list_for_each_safe (pos, tmp, &p->open) {
		struct ports_port *port =
			container_of(pos, struct ports_port, node);

		if (rc == 0 && !port->seen)
			ports_close(port);
	}
}

static void ports_look(struct timer *t)
{
	struct ports *p = container_of(t, struct ports, timer);

	int64_t now = loop_now(p->loop);
	int64_t next = p->told && !p->watch ? PORTS_REST : PORTS_INTERVAL;

	/* who was told of may be slow to listen, on a machine that is busy */
	if (p->told && p->ends >= 0 && now >= p->hurry + PORTS_SLOW)
		next = PORTS_IDLE;
	p->soon = false;
	if (now < p->hurry)
		next = PORTS_SOON;
	if (sockcount_due(&p->count, now, now < p->hurry ? 0 : 2 * PORTS_REST))
		ports_list(p);
	loop_timer_start(p->loop, t, next, ports_look);
}

/* Programs that are refused close such sockets as well: not each at once */
static void ports_on_ends(struct watch *w, uint32_t events)
{
	struct ports *p = container_of(w, struct ports, ends_watch);

	(void)events;
	if (!sockdiag_ends_read(p->ends) || p->soon)
		return;
	p->soon = true;
	loop_timer_start(p->loop, &p->timer, PORTS_SOON, ports_look);
}

void ports_told(struct ports *p, bool first)
{
	p->told |= first;
	if (first)
		return;
	p->hurry = loop_now(p->loop) + PORTS_HURRY;
	loop_timer_start(p->loop, &p->timer, 0, ports_look);
}

/* --- life ----------------------------------------------------------------- */

struct ports *ports_new(struct loop *l, struct keeper *k, int diag, int ends,
			const uint16_t not_those[2])
{
	struct ports *p = xcalloc(1, sizeof(*p));

	p->loop = l;
	p->keeper = k;
	sockcount_init(&p->count, keeper_pid(k));
	memcpy(p->not_those, not_those, sizeof(p->not_those));
	nlsock_adopt(&p->diag, diag);
	p->ends = ends;
	if (ends >= 0 && loop_watch_start(l, &p->ends_watch, ends, EPOLLIN,
					  ports_on_ends) < 0)
		close(steal_fd(&p->ends));
	list_init(&p->open);
	list_init(&p->calls);
	list_init(&p->joins);
	loop_timer_start(l, &p->timer, 0, ports_look);
	return p;
}

void ports_free(struct ports *p)
{
	struct list *pos, *tmp;

	if (!p)
		return;
	loop_timer_stop(&p->timer);
	list_for_each_safe (pos, tmp, &p->open)
		ports_close(container_of(pos, struct ports_port, node));
	list_for_each_safe (pos, tmp, &p->calls)
		ports_call_end(container_of(pos, struct ports_call, node),
			       ECONNABORTED);
	list_for_each_safe (pos, tmp, &p->joins) {
		struct ports_join *j =
			container_of(pos, struct ports_join, node);

		join_reset(j->join);
		ports_on_join_done(j);
	}
	for (int f = 0; f < 2; f++)
		while (p->pool[f].n)
			close(p->pool[f].fds[--p->pool[f].n]);
	if (p->ends >= 0) {
		loop_watch_stop(&p->ends_watch);
		close(p->ends);
	}
	nlsock_close(&p->diag);
	sockcount_fini(&p->count);
	loop_defer_free(p->loop, p);
}
