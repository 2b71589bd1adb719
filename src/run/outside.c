/* SPDX-License-Identifier: Apache-2.0 */
#include "run/outside.h"

#include "base/fdlimit.h"
#include "base/list.h"
#include "base/mem.h"
#include "pipe/join.h"
#include "run/outside_udp.h"

#include <errno.h>
#include <string.h>

#define DNS_PORT 53

struct outside {
	struct loop *loop;
	const struct connect_pod *pod; /* NULL: before, and after */
	struct outside_udp *udp;
	struct list dials; /* of outside_dial */
	struct list joins; /* of outside_join */
	bool forbidden;
};

/** struct outside_dial - the program waits for our connect() */
struct outside_dial {
	struct list node;
	struct outside *all;
	struct capture_tcp *attempt;
	struct watch watch; /* owns the fd; -1: it is a question to us */
};

/** struct outside_join - connected, both ways */
struct outside_join {
	struct list node;
	struct outside *all;
	struct join *join;
};

/* --- whose it is ---------------------------------------------------------- */

static bool outside_is_pod_server(const struct outside *o,
				  const struct ipaddr *a)
{
	char text[IPADDR_STRLEN];

	return strv_has(o->pod->nameservers, ipaddr_str(a, text));
}

/* The resolver's, whatever server it is meant for, but one of the cluster's
 * that is not the Pod's own */
static bool outside_is_question(const struct outside *o,
				const struct ipport *dst)
{
	return dst->port == DNS_PORT &&
	       (!prefixset_has(o->pod->ranges, &dst->addr) ||
		outside_is_pod_server(o, &dst->addr));
}

static bool outside_is_outside(void *user, const struct ipport *dst)
{
	const struct outside *o = user;

	return !o->pod || outside_is_question(o, dst) ||
	       !prefixset_has(o->pod->ranges, &dst->addr);
}

/* For the resolver: the Pod's own server is whatever we ask */
static struct ipport outside_server(const struct outside *o,
				    const struct ipport *dst)
{
	if (outside_is_pod_server(o, &dst->addr))
		return (struct ipport){ 0 };
	return *dst;
}

/* --- TCP ------------------------------------------------------------------ */

static void outside_dial_free(struct outside_dial *d)
{
	list_del(&d->node);
	loop_watch_stop(&d->watch);
	if (d->watch.fd >= 0)
		close(d->watch.fd);
	loop_defer_free(d->all->loop, d);
}

static void outside_answer(struct outside_dial *d, int error)
{
	struct capture *cap = d->all->pod->capture;
	struct capture_tcp *attempt = d->attempt;

	if (error) {
		attempt->user = NULL;
		outside_dial_free(d);
	}
	capture_tcp_answer(cap, attempt, error);
}

static void outside_on_connected(struct watch *w, uint32_t events)
{
	struct outside_dial *d = container_of(w, struct outside_dial, watch);
	socklen_t len = sizeof(int);
	int error = 0;

	(void)events;
	loop_watch_stop(w);
	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	outside_answer(d, error);
}

/* 0: outside_on_connected() follows; else a positive errno */
static int outside_connect(struct outside_dial *d, const struct ipport *dst)
{
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(dst, &ss);
	int rc = fdlimit_take(socket(dst->addr.family,
				     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
				     0));

	if (rc < 0)
		return -rc;
	d->watch.fd = rc;
	if (connect(d->watch.fd, (struct sockaddr *)&ss, len) < 0 &&
	    errno != EINPROGRESS)
		return errno;
	rc = loop_watch_start(d->all->loop, &d->watch, d->watch.fd, EPOLLOUT,
			      outside_on_connected);
	return -rc;
}

static void outside_tcp_open(void *user, struct capture_tcp *c)
{
	struct outside *o = user;
	struct outside_dial *d;
	bool question;
	int error = 0;

	if (!o->pod)
		return; /* as a network that is not there yet */
	question = outside_is_question(o, &c->dst);
	if (o->forbidden && !question) {
		capture_tcp_answer(o->pod->capture, c, ENETUNREACH);
		return;
	}
	d = xcalloc(1, sizeof(*d));
	d->all = o;
	d->attempt = c;
	d->watch.fd = -1;
	c->user = d;
	list_add_tail(&o->dials, &d->node);
	if (!question)
		error = outside_connect(d, &c->dst);
	if (question || error)
		outside_answer(d, error);
}

static void outside_tcp_gone(void *user, struct capture_tcp *c)
{
	(void)user;
	if (c->user)
		outside_dial_free(c->user);
}

static void outside_on_join_done(void *user)
{
	struct outside_join *j = user;

	list_del(&j->node);
	loop_defer_free(j->all->loop, j);
}

/* What the program has not read yet is to reach it also when the other end has
 * closed: so close() is none of the aborts that the capture has otherwise. */
static void outside_join(struct outside *o, int fd, int host)
{
	const struct linger calm = { 0 };
	struct outside_join *j = xcalloc(1, sizeof(*j));

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &calm, sizeof(calm));
	j->all = o;
	list_add_tail(&o->joins, &j->node);
	j->join = join_sockets(o->loop, fd, host, outside_on_join_done, j);
	if (!j->join)
		outside_on_join_done(j);
}

static void outside_tcp_accepted(void *user, struct capture_tcp *c, int fd)
{
	struct outside *o = user;
	struct outside_dial *d = c->user;
	int host = steal_fd(&d->watch.fd);
	struct ipport server;

	outside_dial_free(d);
	c->user = NULL;
	if (!o->pod) {
		close(fd);
		if (host >= 0)
			close(host);
		return;
	}
	if (host >= 0) {
		outside_join(o, fd, host);
		return;
	}
	server = outside_server(o, &c->dst);
	names_take(o->pod->names, fd, &c->src, &server);
}

/* --- UDP and ping --------------------------------------------------------- */

static void outside_on_reply(const struct dns_from *from, const uint8_t *msg,
			     size_t len)
{
	struct outside *o = from->owner;

	/* a full queue loses it, as a network does */
	if (len && o->pod)
		(void)!capture_udp_send(o->pod->capture, &from->self,
					&from->peer, msg, len);
}

static void outside_udp_in(void *user, const struct ipport *src,
			   const struct ipport *dst, const uint8_t *data,
			   size_t len)
{
	struct outside *o = user;
	struct dns_from from = { .owner = o, .peer = *src, .self = *dst };

	if (!o->pod)
		return;
	if (outside_is_question(o, dst)) {
		from.orig = outside_server(o, dst);
		names_ask(o->pod->names, &from, data, len, outside_on_reply);
	} else if (o->forbidden) {
		capture_udp_error(o->pod->capture, src, dst, ENETUNREACH);
	} else {
		outside_udp_send(o->udp, src, dst, data, len);
	}
}

static void outside_echo(void *user, const struct capture_echo *e)
{
	struct outside *o = user;

	if (!o->pod)
		return;
	if (o->forbidden)
		capture_echo_error(o->pod->capture, e, ENETUNREACH);
	else
		outside_udp_ping(o->udp, e);
}

const struct traffic_outside outside_ops = {
	.is_outside = outside_is_outside,
	.ops = { .tcp_open = outside_tcp_open,
		 .tcp_gone = outside_tcp_gone,
		 .tcp_accepted = outside_tcp_accepted,
		 .udp = outside_udp_in,
		 .icmp_echo = outside_echo },
};

/* --- life ----------------------------------------------------------------- */

struct outside *outside_new(struct loop *l, bool forbidden)
{
	struct outside *o = xcalloc(1, sizeof(*o));

	o->loop = l;
	o->forbidden = forbidden;
	list_init(&o->dials);
	list_init(&o->joins);
	return o;
}

void outside_start(struct outside *o, const struct connect_pod *pod)
{
	o->pod = pod;
	o->udp = outside_udp_new(o->loop, pod->capture);
}

void outside_stop(struct outside *o)
{
	struct list *pos, *tmp;

	if (!o->pod)
		return;
	names_cancel(o->pod->names, o);
	outside_udp_free(steal_ptr(&o->udp));
	list_for_each_safe (pos, tmp, &o->joins) {
		struct outside_join *j =
			container_of(pos, struct outside_join, node);

		join_reset(j->join);
		outside_on_join_done(j);
	}
	o->pod = NULL;
}

void outside_free(struct outside *o)
{
	struct list *pos, *tmp;

	if (!o)
		return;
	list_for_each_safe (pos, tmp, &o->dials)
		outside_dial_free(container_of(pos, struct outside_dial, node));
	loop_defer_free(o->loop, o);
}
