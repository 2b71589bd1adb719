/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fdlimit.h"
#include "base/log.h"
#include "base/mem.h"
#include "gate/sleep_inside.h"
#include "pipe/join.h"
#include "wire/h2.h"
#include "wire/observe.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define CONN_DIAL (2 * NS_SEC)
#define CONN_LINGER (2 * NS_SEC) /* for its last words */

/* --- its end -------------------------------------------------------------- */

static void sleep_conn_drop(struct sleep_conn *c, bool reset)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	loop_watch_stop(&c->watch);
	loop_timer_stop(&c->timer);
	sleep_dial_stop(&c->dial);
	join_reset(c->join);
	observer_free(c->observer);
	if (reset)
		setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &now,
			   sizeof(now));
	close(c->watch.fd);
	list_del(&c->node);
	c->sleep->nconns--;
	loop_defer_free(c->sleep->c.loop, c);
}

void sleep_conn_end(struct sleep_conn *c)
{
	bool used = sleep_conn_is_used(c);

	if (!used && c->join)
		join_close(steal_ptr(&c->join));
	sleep_conn_drop(c, used);
}

bool sleep_conn_is_used(const struct sleep_conn *c)
{
	if (c->phase == SLEEP_JOINED)
		return !observer_is_quiet(c->observer);
	return c->phase == SLEEP_HELD_ || c->phase == SLEEP_DIALLING;
}

/* --- before a Pod has it -------------------------------------------------- */

static void sleep_conn_on_late(struct timer *t)
{
	sleep_on_late(container_of(t, struct sleep_conn, timer));
}

/* 1: it has said something; 0: not yet; -errno: it is gone */
static int sleep_conn_peek(const struct sleep_conn *c)
{
	char byte;
	ssize_t n = recv(c->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return n ? 1 : -ECONNRESET;
}

static void sleep_conn_hold(struct sleep_conn *c)
{
	struct sleep *s = c->sleep;

	c->phase = SLEEP_HELD_;
	c->tries = 0;
	loop_watch_mod(&c->watch, EPOLLRDHUP);
	loop_timer_start(s->c.loop, &c->timer, s->c.wake_ns,
			 sleep_conn_on_late);
	sleep_on_call(c);
}

/* What it says last is read, or its kernel would forget our words */
static void sleep_conn_drain(struct sleep_conn *c)
{
	char mem[4096];
	ssize_t n;

	do
		n = recv(c->watch.fd, mem, sizeof(mem), MSG_DONTWAIT);
	while (n > 0);
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		sleep_conn_drop(c, false);
}

/* One that has shut its half only still waits for the answer */
static void sleep_conn_on_event(struct watch *w, uint32_t events)
{
	struct sleep_conn *c = container_of(w, struct sleep_conn, watch);
	int rc;

	if (c->phase == SLEEP_ENDING) {
		sleep_conn_drain(c);
		return;
	}
	rc = events & (EPOLLERR | EPOLLHUP) ? -ECONNRESET : sleep_conn_peek(c);
	if (rc < 0)
		sleep_conn_drop(c, true);
	else if (rc && c->phase == SLEEP_FRESH)
		sleep_conn_hold(c);
	else if (rc)
		loop_watch_mod(w, 0);
}

static void sleep_conn_on_request(void *user, const struct event *ev)
{
	(void)user;
	(void)ev;
}

/* Who has said nothing for longest goes first, so that nobody is kept out by
 * those who never do */
static void sleep_conn_make_room(struct sleep *s)
{
	struct list *n, *tmp;

	if (s->nconns < SLEEP_CONNECTIONS)
		return;
	list_for_each_safe (n, tmp, &s->conns) {
		struct sleep_conn *c = container_of(n, struct sleep_conn, node);

		if (c->phase == SLEEP_FRESH) {
			sleep_conn_end(c);
			return;
		}
	}
}

void sleep_conn_take(struct sleep_port *p, int fd)
{
	struct sleep *s = p->sleep;
	struct sleep_conn *c = calloc(1, sizeof(*c));
	const int one = 1;

	sleep_conn_make_room(s);
	if (c)
		c->observer =
			observer_new(sleep_conn_on_request, NULL, clock_ns());
	if (!c || !c->observer || s->nconns >= SLEEP_CONNECTIONS ||
	    loop_watch_start(s->c.loop, &c->watch, fd, EPOLLIN,
			     sleep_conn_on_event) < 0) {
		observer_free(c ? c->observer : NULL);
		free(c);
		close(fd);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->sleep = s;
	c->port = p;
	list_add_tail(&s->conns, &c->node);
	s->nconns++;
}

/* --- connected ------------------------------------------------------------ */

static void sleep_conn_tap(void *user, bool of_caller, const uint8_t *p,
			   size_t n)
{
	struct sleep_conn *c = user;
	int64_t now = clock_ns();

	c->sleep->used = now;
	if (of_caller)
		observer_ask(c->observer, p, n, now);
	else
		observer_answer(c->observer, p, n, now);
}

static void sleep_conn_on_over(void *user)
{
	struct sleep_conn *c = user;

	c->join = NULL;
	c->sleep->used = clock_ns();
	sleep_conn_drop(c, false);
}

/* The caller's descriptor is kept: the join has a copy of it */
static void sleep_conn_join(struct sleep_conn *c, int pod)
{
	int caller = fcntl(c->watch.fd, F_DUPFD_CLOEXEC, 0);

	loop_watch_stop(&c->watch);
	loop_timer_stop(&c->timer);
	c->phase = SLEEP_JOINED;
	if (caller < 0)
		close(pod);
	else
		c->join = join_sockets(c->sleep->c.loop, caller, pod,
				       sleep_conn_on_over, c);
	if (c->join)
		join_tap(c->join, sleep_conn_tap);
	else
		sleep_conn_drop(c, true);
}

static void sleep_conn_on_dialled(void *user, int fd)
{
	struct sleep_conn *c = user;

	if (fd >= 0) {
		sleep_conn_join(c, fd);
		return;
	}
	log_debug("a Pod takes no connection: %s", strerror(-fd));
	c->phase = SLEEP_HELD_;
	c->tries++;
	sleep_on_refused(c);
}

void sleep_conn_dial(struct sleep_conn *c)
{
	struct sleep_port *p = c->port;

	c->phase = SLEEP_DIALLING;
	sleep_dial_start(&c->dial, c->sleep->c.loop,
			 &p->pods[p->next++ % p->npods], CONN_DIAL,
			 sleep_conn_on_dialled, c);
}

void sleep_conn_rest(struct sleep_conn *c)
{
	struct loop *l = c->sleep->c.loop;

	join_close(steal_ptr(&c->join));
	observer_free(c->observer);
	c->observer = observer_new(sleep_conn_on_request, NULL, clock_ns());
	c->phase = SLEEP_FRESH;
	if (!c->observer || loop_watch_start(l, &c->watch, c->watch.fd, EPOLLIN,
					     sleep_conn_on_event) < 0)
		sleep_conn_drop(c, true);
}

/* --- refused -------------------------------------------------------------- */

/* An empty SETTINGS, then GOAWAY: no stream was looked at, so each may be asked
 * for again elsewhere (RFC 9113 section 6.8) */
static const uint8_t sleep_conn_goaway[] = {
	0, 0, 0, 4, 0, 0, 0, 0, 0, /* SETTINGS */
	0, 0, 8, 7, 0, 0, 0, 0, 0, /* GOAWAY */
	0, 0, 0, 0, 0, 0, 0, 0	   /* NO_ERROR */
};

static size_t sleep_conn_answer(const struct sleep_conn *c, const char *why,
				char *dst, size_t size)
{
	char text[700], magic[H2_MAGIC_LEN];
	int n = snprintf(text, sizeof(text),
			 "ktctl: the member %s does not answer: %s\n",
			 c->sleep->c.member, why);
	ssize_t got = recv(c->watch.fd, magic, sizeof(magic),
			   MSG_PEEK | MSG_DONTWAIT);

	if (got == H2_MAGIC_LEN && memcmp(magic, H2_MAGIC, H2_MAGIC_LEN) == 0) {
		memcpy(dst, sleep_conn_goaway, sizeof(sleep_conn_goaway));
		return sizeof(sleep_conn_goaway);
	}
	n = MIN(n, (int)sizeof(text) - 1);
	n = snprintf(dst, size,
		     "HTTP/1.1 503 Service Unavailable\r\n"
		     "Content-Type: text/plain; charset=utf-8\r\n"
		     "Content-Length: %d\r\nCache-Control: no-store\r\n"
		     "Retry-After: 10\r\nConnection: close\r\n\r\n%s",
		     n, text);
	return (size_t)n;
}

static void sleep_conn_on_lingered(struct timer *t)
{
	sleep_conn_drop(container_of(t, struct sleep_conn, timer), true);
}

void sleep_conn_refuse(struct sleep_conn *c, const char *why)
{
	struct loop *l = c->sleep->c.loop;
	char answer[1200];
	size_t n = sleep_conn_answer(c, why, answer, sizeof(answer));

	sleep_dial_stop(&c->dial);
	c->phase = SLEEP_ENDING;
	if (send(c->watch.fd, answer, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		sleep_conn_drop(c, true);
		return;
	}
	shutdown(c->watch.fd, SHUT_WR);
	loop_watch_mod(&c->watch, EPOLLIN);
	loop_timer_start(l, &c->timer, CONN_LINGER, sleep_conn_on_lingered);
}
