/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/dialer.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

struct attempt {
	struct dialer *d;
	struct list node; /* on the waiting list, or alone */
	struct tunnel_tcp *tcp;
	attempt_done_fn done;
	void *user, *conn;
	struct ipport to;
	char host[256]; /* or "" */
};

static void attempt_free(struct attempt *a)
{
	list_del(&a->node);
	free(a);
}

static void dialer_on_done(void *user, int error)
{
	struct attempt *a = user;

	if (error == -ENETRESET) {
		a->tcp = NULL;
		list_add_tail(&a->d->waiting, &a->node);
		return;
	}
	if (error) {
		a->tcp = NULL;
		a->done(a->user, a->conn, -error);
		attempt_free(a);
		return;
	}
	a->done(a->user, a->conn, 0);
}

/* 0, or -errno when it can neither be dialled nor wait. */
static int dialer_try(struct attempt *a)
{
	struct tunnel *t = a->d->tunnel;

	a->tcp = a->host[0] ? tunnel_tcp_dial_name(t, a->host, a->to.port,
						   dialer_on_done, a)
			    : tunnel_tcp_dial(t, &a->to, dialer_on_done, a);
	if (a->tcp)
		return 0;
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
	int rc = tunnel_tcp_relay(a->tcp, fd, hooks, user);

	if (rc < 0)
		log_debug("relay: %s", strerror(-rc));
	attempt_free(a);
}

void dialer_init(struct dialer *d, struct tunnel *t)
{
	d->tunnel = t;
	list_init(&d->waiting);
}

void dialer_tunnel_up(struct dialer *d)
{
	struct list again;

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
