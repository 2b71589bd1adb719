/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/dialer.h"

#include "base/log.h"
#include "base/mem.h"
#include "tunnel/internal.h"
#include "tunnel/pace.h"

#include <errno.h>
#include <string.h>

#define SILENCE (127 * NS_SEC) /* until Linux gives a SYN up */

struct attempt {
	struct dialer *d;
	struct list node; /* WAITING, DIALLING, or alone */
	struct tunnel_tcp *tcp;
	struct tunnel *in; /* that dials it */
	attempt_done_fn done;
	void *user, *conn;
	struct ipport to;
	char host[256]; /* or "" */
	/* of one that a fault hits */
	const struct fault *fault; /* NULL: none does */
	struct timer late;
	int error; /* that is told then, positive */
};

static void attempt_free(struct attempt *a)
{
	list_del(&a->node);
	loop_timer_stop(&a->late);
	loop_defer_free(a->d->loop, a);
}

/* --- faults --------------------------------------------------------------- */

static void dialer_on_late(struct timer *t)
{
	struct attempt *a = container_of(t, struct attempt, late);

	a->done(a->user, a->conn, a->error);
	if (a->error)
		attempt_free(a);
}

/* The answer comes as much later as the fault wants it */
static void dialer_tell_late(struct attempt *a, int error)
{
	int64_t delay = pace_delay(a->fault, faults_random(a->d->faults));

	if (a->fault->act == FAULT_DROP)
		delay = SILENCE;
	a->error = error;
	loop_timer_start(a->d->loop, &a->late, delay, dialer_on_late);
}

/* false: it is dialled as others are */
static bool dialer_fails(struct attempt *a)
{
	a->fault = faults_pick(a->d->faults, FAULT_TCP, FAULT_BOTH, a->host,
			       &a->to);
	if (!a->fault)
		return false;
	if (a->fault->act == FAULT_REFUSE)
		dialer_tell_late(a, ECONNREFUSED);
	else if (a->fault->act == FAULT_DROP)
		dialer_tell_late(a, ETIMEDOUT);
	else
		return false;
	return true;
}

/* false: no memory */
static bool dialer_slow_down(struct attempt *a)
{
	struct pace *p;

	if (!a->fault)
		return true;
	p = pace_new(a->d->loop, a->fault, faults_random(a->d->faults));
	tunnel_tcp_pace(a->tcp, p);
	return p;
}

/* --- dialling ------------------------------------------------------------- */

static void dialer_on_done(void *user, int error)
{
	struct attempt *a = user;

	list_del(&a->node);
	if (error == -ENETRESET) {
		a->tcp = NULL;
		list_add_tail(&a->d->waiting, &a->node);
		return;
	}
	if (error)
		a->tcp = NULL;
	if (a->fault) {
		dialer_tell_late(a, -error);
		return;
	}
	a->done(a->user, a->conn, -error);
	if (error)
		attempt_free(a);
}

/* 0, or -errno when it can neither be dialled nor wait. */
static int dialer_try(struct attempt *a)
{
	struct tunnel *t = a->d->tunnel;

	a->tcp = a->host[0] ? tunnel_tcp_dial_name(t, a->host, a->to.port,
						   dialer_on_done, a)
			    : tunnel_tcp_dial(t, &a->to, dialer_on_done, a);
	a->in = tunnel_led(t);
	if (a->tcp) {
		list_add_tail(&a->d->dialling, &a->node);
		return 0;
	}
	if (errno != ENOTCONN)
		return -errno;
	list_add_tail(&a->d->waiting, &a->node);
	return 0;
}

struct attempt *dialer_dial(struct dialer *d, const char *host,
			    const struct ipaddr *addr, uint16_t port,
			    attempt_done_fn done, void *user, void *conn)
{
	struct attempt *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return NULL;
	a->d = d;
	a->done = done;
	a->user = user;
	a->conn = conn;
	a->to = (struct ipport){ *addr, port };
	if (host)
		snprintf(a->host, sizeof(a->host), "%s", host);
	list_init(&a->node);
	if (dialer_fails(a))
		return a;
	rc = dialer_try(a);
	if (rc < 0) {
		log_debug("dial: %s", strerror(-rc));
		free(a);
		return NULL;
	}
	return a;
}

void dialer_cancel(struct attempt *a)
{
	if (a->tcp)
		tunnel_tcp_cancel(a->tcp);
	attempt_free(a);
}

void dialer_relay(struct attempt *a, int fd, const struct relay_hooks *hooks,
		  void *user)
{
	int rc;

	if (!dialer_slow_down(
		    a)) { /* no memory: not as if nothing were wrong */
		fd_close_reset(fd);
		dialer_cancel(a);
		return;
	}
	rc = tunnel_tcp_relay(a->tcp, fd, hooks, user);
	if (rc < 0)
		log_debug("relay: %s", strerror(-rc));
	attempt_free(a);
}

void dialer_init(struct dialer *d, struct tunnel *t)
{
	d->loop = tunnel_loop(t);
	d->tunnel = t;
	d->faults = NULL;
	list_init(&d->waiting);
	list_init(&d->dialling);
}

/* Nobody knows when the one that is lost will be there again */
static void dialer_take_back(struct dialer *d)
{
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &d->dialling) {
		struct attempt *a = container_of(n, struct attempt, node);

		if (!a->in || a->in == tunnel_led(d->tunnel) ||
		    tunnel_state(a->in) == TUNNEL_UP)
			continue;
		tunnel_tcp_cancel(steal_ptr(&a->tcp));
		list_del(&a->node);
		list_add_tail(&d->waiting, &a->node);
	}
}

void dialer_tunnel_up(struct dialer *d)
{
	struct list again;

	dialer_take_back(d);
	list_init(&again);
	while (!list_empty(&d->waiting)) {
		struct list *n = d->waiting.next;

		list_del(n);
		list_add_tail(&again, n);
	}
	while (!list_empty(&again)) {
		struct attempt *a =
			container_of(again.next, struct attempt, node);
		int rc;

		list_del(&a->node);
		rc = dialer_try(a);
		if (rc < 0) {
			a->done(a->user, a->conn, -rc);
			attempt_free(a);
		}
	}
}
