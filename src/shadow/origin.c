/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/origin.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "shadow/connector.h"
#include "shadow/resolve.h"
#include "shadow/shadow.h"

#include <errno.h>
#include <string.h>

#define FRESH_NS (5 * NS_SEC)

struct origin {
	struct shadow *sh;
	char *host;
	uint16_t port;
	bool literal; /* an address: nothing to ask */
	struct ipaddr addr[RESOLVE_MAX];
	size_t naddr;
	int64_t asked; /* when the addresses came */
	struct resolve *resolve;
	struct list waiting; /* dials, for the first addresses */
	size_t dials;	     /* all of them */
	bool freed;	     /* with the last of them */
};

/* waiting for addresses -> connecting */
struct origin_dial {
	struct list node;
	struct origin *origin;
	struct connector *connector;
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
	origin_finish(d, fd);
}

static int origin_start(struct origin_dial *d)
{
	struct origin *o = d->origin;

	d->connector = connector_start(o->sh, o->addr, o->naddr, o->port,
				       origin_on_connected, d);
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
