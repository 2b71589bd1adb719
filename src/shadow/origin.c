/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/origin.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "shadow/connector.h"
#include "shadow/resolve.h"
#include "shadow/shadow.h"
#include "wire/gatehead.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRESH_NS (5 * NS_SEC)

struct origin {
	struct shadow *sh;
	char *host;
	uint16_t port, gate;
	char kind;    /* to the gate */
	bool literal; /* an address: nothing to ask */
	struct ipaddr addr[RESOLVE_MAX];
	size_t naddr;
	int64_t asked; /* when the addresses came */
	struct resolve *resolve;
	struct list waiting; /* dials, for the first addresses */
	size_t dials;	     /* all of them */
	bool freed;	     /* with the last of them */
};

/* waiting for addresses -> connecting (-> the gate is connecting) */
struct origin_dial {
	struct list node;
	struct origin *origin;
	struct connector *connector;
	struct watch gate; /* and its fd, while it connects */
	void (*done)(void *user, int fd);
	void *user;
};

static void origin_end(struct origin *o)
{
	if (o->resolve)
		resolve_cancel(o->resolve);
	free(o->host);
	loop_defer_free(o->sh->loop, o);
}

static void origin_dial_free(struct origin_dial *d)
{
	struct origin *o = d->origin;

	list_del(&d->node);
	connector_cancel(d->connector);
	if (d->gate.loop) {
		loop_watch_stop(&d->gate);
		close(d->gate.fd);
	}
	loop_defer_free(o->sh->loop, d);
	if (!--o->dials && o->freed)
		origin_end(o);
}

void origin_cancel(struct origin_dial *d)
{
	if (d)
		origin_dial_free(d);
}

static void origin_finish(struct origin_dial *d, int result)
{
	origin_dial_free(d);
	d->done(d->user, result);
}

/* It says one byte when it is connected, and else ends */
static void origin_on_gate(struct watch *w, uint32_t events)
{
	struct origin_dial *d = container_of(w, struct origin_dial, gate);
	char c = 0;
	int fd;

	(void)events;
	if (recv(w->fd, &c, 1, MSG_DONTWAIT) != 1 || c != GATEHEAD_OPEN) {
		origin_finish(d, -ECONNREFUSED);
		return;
	}
	loop_watch_stop(w);
	fd = w->fd;
	origin_finish(d, fd);
}

/* @fd: of the gate, which is told where to go */
static void origin_ask_gate(struct origin_dial *d, int fd)
{
	const struct ipport to = { d->origin->addr[0], d->origin->port };
	uint8_t head[GATEHEAD_SIZE];

	gatehead_put(head, d->origin->kind, &to);
	if (send(fd, head, sizeof(head), MSG_NOSIGNAL) == sizeof(head) &&
	    loop_watch_start(d->origin->sh->loop, &d->gate, fd, EPOLLIN,
			     origin_on_gate) == 0)
		return;
	close(fd);
	origin_finish(d, -ECONNREFUSED);
}

static void origin_on_connected(void *user, int fd, const struct ipport *last)
{
	struct origin_dial *d = user;
	char at[IPPORT_STRLEN];

	d->connector = NULL;
	if (fd < 0) {
		log_debug("origin %s: connect %s: %s", d->origin->host,
			  ipport_str(last, at), strerror(-fd));
		d->origin->asked = 0; /* perhaps it is elsewhere now */
	}
	if (fd >= 0 && d->origin->gate)
		origin_ask_gate(d, fd);
	else
		origin_finish(d, fd);
}

static int origin_start(struct origin_dial *d)
{
	static const uint8_t door[4] = { 127, 0, 0, 2 };
	const struct ipaddr at = ipaddr_v4(door);
	struct origin *o = d->origin;

	d->connector = connector_start(
		o->sh, o->gate ? &at : o->addr, o->gate ? 1 : o->naddr,
		o->gate ? o->gate : o->port, origin_on_connected, d);
	return d->connector ? 0 : -errno;
}

static void origin_on_resolved(void *user, int error, const struct ipaddr *addr,
			       size_t n)
{
	struct origin *o = user;

	o->resolve = NULL;
	if (error) {
		log_warn("origin %s: no address: %s", o->host,
			 strerror(-error));
	} else {
		o->naddr = MIN(n, ARRAY_SIZE(o->addr));
		memcpy(o->addr, addr, o->naddr * sizeof(*addr));
		o->asked = loop_now(o->sh->loop);
	}
	while (!list_empty(&o->waiting)) {
		struct origin_dial *d =
			container_of(o->waiting.next, struct origin_dial, node);
		int rc;

		list_del(&d->node);
		rc = o->naddr ? origin_start(d) : error;
		if (rc < 0)
			origin_finish(d, rc);
	}
}

/* have the addresses asked for, if it is time */
static int refresh(struct origin *o)
{
	if (o->literal || o->resolve ||
	    (o->asked && loop_now(o->sh->loop) - o->asked < FRESH_NS))
		return 0;
	o->resolve = resolve_start(o->sh, o->host, origin_on_resolved, o);
	return o->resolve ? 0 : -errno;
}

struct origin *origin_new(struct shadow *sh, const char *host, uint16_t port)
{
	struct origin *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->sh = sh;
	o->host = xstrdup(host);
	o->port = port;
	list_init(&o->waiting);
	if (ipaddr_parse(&o->addr[0], host) == 0) {
		o->literal = true;
		o->naddr = 1;
	}
	return o;
}

void origin_free(struct origin *o)
{
	if (!o)
		return;
	while (!list_empty(&o->waiting))
		origin_finish(
			container_of(o->waiting.next, struct origin_dial, node),
			-ECANCELED);
	o->freed = true;
	if (!o->dials)
		origin_end(o);
}

uint16_t origin_port(const struct origin *o)
{
	return o->port;
}

void origin_set_gate(struct origin *o, uint16_t gate, char kind)
{
	o->gate = gate;
	o->kind = kind;
}

uint16_t origin_gate(const struct origin *o)
{
	return o->gate;
}

struct origin_dial *origin_connect(struct origin *o,
				   void (*done)(void *user, int fd), void *user)
{
	struct origin_dial *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return NULL;
	d->origin = o;
	d->done = done;
	d->user = user;
	list_init(&d->node);
	rc = refresh(o);
	if (o->naddr)
		rc = origin_start(d);
	else if (rc == 0)
		list_add_tail(&o->waiting, &d->node);
	if (rc == 0) {
		o->dials++;
		return d;
	}
	free(d);
	errno = -rc;
	return NULL;
}

bool origin_addr(struct origin *o, struct ipport *at)
{
	(void)!refresh(o);
	*at = (struct ipport){ o->addr[0], o->port };
	return o->naddr > 0;
}
