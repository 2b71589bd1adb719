/* SPDX-License-Identifier: Apache-2.0 */
/* One caller of the inbound way: connected to a local port, or refused. */
#include "tunnel/inbound_call.h"

#include "base/mem.h"
#include "tunnel/status.h"
#include "tunnel/target.h"
#include "wire/observe.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define CONNECT_NS (10 * NS_SEC)

/* (held ->) connecting -> relay; the stream's close() ends it */
struct inbound_call {
	struct list node; /* while it is held */
	struct inbound_calls *calls;
	struct mux_stream *stream;
	struct watch watch;
	struct timer timer;
	int fd;	    /* -1: none */
	void *dial; /* of the dialer, or NULL */
	struct ipport to;
	struct inbound_caller who;
	bool again; /* ::1 was tried */
};

static void call_unhold(struct inbound_call *c)
{
	if (!c->who.held)
		return;
	c->who.held = false;
	list_del(&c->node);
	c->calls->nheld--;
}

static void call_free(struct inbound_call *c)
{
	call_unhold(c);
	if (c->dial)
		c->calls->dialer->cancel(c->calls->dialer_user, c->dial);
	c->dial = NULL;
	loop_watch_stop(&c->watch);
	loop_timer_stop(&c->timer);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	loop_defer_free(c->calls->loop, c);
}

/* --- what they ask for ---------------------------------------------------- */

/* A connection that is open */
struct inbound_observed {
	struct list node;
	struct inbound_calls *calls;
	struct observer *observer;
	struct inbound_caller who;
};

/* @begin: when it was; CLOCK_MONOTONIC */
static void inbound_call_event(struct inbound_calls *cs,
			       const struct inbound_caller *who,
			       const struct event *what, int64_t begin)
{
	struct event ev = *what;
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ev.when = ((int64_t)ts.tv_sec * NS_SEC + ts.tv_nsec -
		   (clock_ns() - begin)) /
		  1000;
	ev.port = who->remote;
	ev.from = who->from.addr;
	cs->event(cs->user, &ev);
}

static void inbound_call_on_event(void *user, const struct event *ev)
{
	struct inbound_observed *o = user;

	if (o->calls->event)
		inbound_call_event(o->calls, &o->who, ev, ev->when);
}

/* One whose way to the local program does not open */
static void inbound_call_event_refused(struct inbound_calls *cs,
				       const struct inbound_caller *who)
{
	static const struct event refused = { .latency = -1,
					      .kind = EVENT_CONNECTION,
					      .by = EVENT_NOBODY };

	if (cs->event && !who->udp)
		inbound_call_event(cs, who, &refused, clock_ns());
}

/* NULL: nobody wants to know, or memory is short */
static struct inbound_observed *
inbound_call_observe(struct inbound_calls *cs, const struct inbound_caller *who)
{
	struct inbound_observed *o = cs->event ? calloc(1, sizeof(*o)) : NULL;

	if (!o)
		return NULL;
	o->calls = cs;
	o->who = *who;
	o->observer = observer_new(inbound_call_on_event, o, clock_ns());
	if (!o->observer) {
		free(o);
		return NULL;
	}
	list_add_tail(&cs->observers, &o->node);
	return o;
}

static void inbound_call_observed_free(struct inbound_observed *o)
{
	struct loop *loop = o->calls->loop;

	observer_free(o->observer);
	list_del(&o->node);
	loop_defer_free(loop, o);
}

static void inbound_call_on_seen(void *user, bool asked, const uint8_t *p,
				 size_t n)
{
	const struct inbound_observed *o = user;
	int64_t now = clock_ns();

	if (asked)
		observer_ask(o->observer, p, n, now);
	else
		observer_answer(o->observer, p, n, now);
}

static void inbound_call_on_done(void *user, int error)
{
	(void)error;
	inbound_call_observed_free(user);
}

void inbound_calls_init(struct inbound_calls *cs)
{
	list_init(&cs->held);
	list_init(&cs->observers);
	relay_group_init(&cs->open);
	cs->hooks = (struct relay_hooks){ .group = &cs->open };
	cs->observed = (struct relay_hooks){ .group = &cs->open,
					     .seen = inbound_call_on_seen,
					     .done = inbound_call_on_done };
}

void inbound_calls_fini(struct inbound_calls *cs)
{
	relay_group_fini(&cs->open);
	cs->event = NULL;
	while (!list_empty(&cs->observers))
		inbound_call_observed_free(container_of(
			cs->observers.next, struct inbound_observed, node));
}

/* --- who they are --------------------------------------------------------- */

static void inbound_call_tell(struct inbound_calls *cs,
			      struct inbound_caller *who, int error)
{
	who->error = -error;
	cs->caller(cs->user, who);
}

/* @error: positive errno */
static void inbound_call_refuse(struct inbound_calls *cs, struct mux_stream *s,
				struct inbound_caller *who,
				const struct ipport *to, int error)
{
	char text[160], at[IPPORT_STRLEN];

	if (to)
		snprintf(text, sizeof(text), "connect %s: %s",
			 ipport_str(to, at), strerror(error));
	else
		snprintf(text, sizeof(text), "nothing is exposed at port %u",
			 who->remote);
	mux_stream_refuse(s, status_http(error), error, text);
	inbound_call_event_refused(cs, who);
	inbound_call_tell(cs, who, error);
}

/* the port and the caller that @req names, and where that is here */
static const struct inbound_port *
inbound_call_port_of(const struct inbound_calls *cs,
		     const struct mux_request *req, bool udp,
		     struct inbound_caller *who)
{
	int rc;

	*who = (struct inbound_caller){ .udp = udp };
	if (target_forwarded_parse(req->forwarded, &who->from) < 0)
		who->from = (struct ipport){ 0 };
	rc = udp ? target_inbound_udp_parse(req->path, &who->remote)
		 : target_inbound_authority_parse(req->authority, &who->remote);
	for (size_t i = 0; rc == 0 && i < cs->nports; i++)
		if (cs->ports[i].remote == who->remote &&
		    cs->ports[i].udp == udp)
			return &cs->ports[i];
	return NULL;
}

/* --- TCP ------------------------------------------------------------------ */

static void try_connect(struct inbound_call *c);
static void call_hold(struct inbound_call *c);

static bool is_localhost(const struct ipaddr *a)
{
	static const uint8_t lo[4] = { 127, 0, 0, 1 };
	const struct ipaddr v4 = ipaddr_v4(lo);

	return ipaddr_eq(a, &v4);
}

/* many servers of programmers listen at "localhost", and that is ::1 only */
static bool try_v6(struct inbound_call *c, int error)
{
	static const uint8_t lo[16] = { [15] = 1 };

	if (error != ECONNREFUSED || c->again || !is_localhost(&c->to.addr))
		return false;
	loop_watch_stop(&c->watch);
	close(c->fd);
	c->fd = -1;
	c->again = true;
	c->to.addr = ipaddr_v6(lo);
	try_connect(c);
	return true;
}

static void call_fail(struct inbound_call *c, int error)
{
	struct ipport to = c->to;

	if (try_v6(c, error))
		return;
	if (c->again) { /* what the user knows of */
		static const uint8_t v4[4] = { 127, 0, 0, 1 };

		to.addr = ipaddr_v4(v4);
		error = ECONNREFUSED;
	}
	call_free(c);
	inbound_call_refuse(c->calls, c->stream, &c->who, &to, error);
}

static void call_connected(struct inbound_call *c)
{
	struct inbound_calls *cs = c->calls;
	struct inbound_observed *o = inbound_call_observe(cs, &c->who);
	int fd = steal_fd(&c->fd);

	call_free(c);
	/* on failure the stream is reset already */
	if (relay_start(cs->loop, fd, c->stream, true, NULL,
			o ? &cs->observed : &cs->hooks, o) == 0)
		inbound_call_tell(cs, &c->who, 0);
	else if (o)
		inbound_call_observed_free(o);
}

static void inbound_call_on_connect(struct watch *w, uint32_t events)
{
	struct inbound_call *c = container_of(w, struct inbound_call, watch);
	socklen_t len = sizeof(int);
	int error = 0;

	(void)events;
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error)
		call_fail(c, error);
	else
		call_connected(c);
}

static void inbound_call_on_timeout(struct timer *t)
{
	call_fail(container_of(t, struct inbound_call, timer), ETIMEDOUT);
}

static void inbound_call_on_dialed(void *call, int fd)
{
	struct inbound_call *c = call;

	c->dial = NULL;
	c->fd = fd >= 0 ? fd : -1;
	if (fd >= 0)
		call_connected(c);
	else if (fd == -ECONNREFUSED)
		call_hold(c); /* as long as a connect may take */
	else
		call_fail(c, -fd);
}

static void try_connect(struct inbound_call *c)
{
	const struct inbound_calls *cs = c->calls;
	struct sockaddr_storage ss;
	socklen_t len = ipport_to_sockaddr(&c->to, &ss);
	int rc = 0;

	if (cs->dialer) {
		c->dial = cs->dialer->dial(cs->dialer_user, c->to.port,
					   inbound_call_on_dialed, c);
		return;
	}
	c->fd = socket(c->to.addr.family,
		       SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || (connect(c->fd, (struct sockaddr *)&ss, len) < 0 &&
			  errno != EINPROGRESS))
		rc = -errno;
	if (rc == 0)
		rc = loop_watch_start(cs->loop, &c->watch, c->fd, EPOLLOUT,
				      inbound_call_on_connect);
	if (rc < 0)
		call_fail(c, -rc);
}

static void call_data(void *user, const uint8_t *p, size_t n)
{
	struct inbound_call *c = user;

	(void)p;
	(void)n;
	/* the shadow waits for the answer; who does not is refused */
	mux_stream_reset(c->stream, EPROTO);
	call_free(c);
}

static void call_close(void *user, int error)
{
	(void)error;
	call_free(user);
}

static const struct mux_stream_ops ops = {
	.data = call_data,
	.close = call_close,
};

static void call_start(struct inbound_call *c)
{
	if (!loop_timer_active(&c->timer))
		loop_timer_start(c->calls->loop, &c->timer, CONNECT_NS,
				 inbound_call_on_timeout);
	try_connect(c);
}

static void call_hold(struct inbound_call *c)
{
	struct inbound_calls *cs = c->calls;

	c->who.held = true;
	list_add_tail(&cs->held, &c->node);
	cs->nheld++;
	cs->held_ever++;
	inbound_call_tell(cs, &c->who, 0);
}

void inbound_call_tcp(struct inbound_calls *cs, struct mux_stream *s,
		      const struct mux_request *req)
{
	struct inbound_caller who;
	const struct inbound_port *port =
		inbound_call_port_of(cs, req, false, &who);
	struct inbound_call *c = port ? calloc(1, sizeof(*c)) : NULL;

	if (!c) {
		inbound_call_refuse(cs, s, &who, port ? &port->local : NULL,
				    port ? ENOMEM : ECONNREFUSED);
		return;
	}
	c->calls = cs;
	c->stream = s;
	c->fd = -1; /* one that is held has none, and may end like that */
	c->to = port->local;
	c->who = who;
	mux_stream_set_ops(s, &ops, c);
	if (cs->hold)
		call_hold(c);
	else
		call_start(c);
}

void inbound_call_release(struct inbound_calls *cs)
{
	while (!list_empty(&cs->held)) {
		struct inbound_call *c =
			container_of(cs->held.next, struct inbound_call, node);

		call_unhold(c);
		call_start(c);
	}
}

void inbound_call_pass(struct inbound_calls *cs)
{
	while (!list_empty(&cs->held)) {
		struct inbound_call *c =
			container_of(cs->held.next, struct inbound_call, node);
		struct mux_stream *s = c->stream;

		call_free(c);
		mux_stream_refuse(s, status_http(ENETRESET), ENETRESET,
				  "the program does not listen any more");
	}
}

/* --- UDP ------------------------------------------------------------------ */

void inbound_call_udp(struct inbound_calls *cs, struct mux_stream *s,
		      const struct mux_request *req)
{
	struct inbound_caller who;
	const struct inbound_port *port =
		inbound_call_port_of(cs, req, true, &who);
	struct sockaddr_storage ss;
	socklen_t len;
	int fd, error = 0;

	if (!port) {
		inbound_call_refuse(cs, s, &who, NULL, ECONNREFUSED);
		return;
	}
	len = ipport_to_sockaddr(&port->local, &ss);
	fd = socket(port->local.addr.family,
		    SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&ss, len) < 0) {
		error = errno;
		if (fd >= 0)
			close(fd);
		inbound_call_refuse(cs, s, &who, &port->local, error);
		return;
	}
	/* on failure the stream is refused already */
	if (udpserve_start(cs->loop, fd, cs->scratch, s) == 0)
		inbound_call_tell(cs, &who, 0);
}
