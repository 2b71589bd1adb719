/* SPDX-License-Identifier: Apache-2.0 */
#include "run/pod_ports.h"

#include "base/list.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "connect/connect.h"
#include "tunnel/dialer.h"

#include <string.h>
#include <sys/socket.h>

struct pod_ports {
	struct loop *loop;
	const struct connect_pod *pod; /* NULL: it is over */
	uint16_t own;
	uint8_t ports[LOOPBACK_PORTS / 8];
	struct timer timer;
	struct list calls; /* of pod_ports_call */
	bool asked;	   /* an answer is to come, and frees it then */
};

struct pod_ports_call {
	struct list node;
	struct pod_ports *all;
	struct attempt *attempt;
	int fd;
};

/* --- which ---------------------------------------------------------------- */

static void pod_ports_ask(struct timer *t);

static void pod_ports_take(struct pod_ports *p, const struct strv *list)
{
	uint16_t port;

	memset(p->ports, 0, sizeof(p->ports));
	for (size_t i = 0; i < list->n; i++)
		if (str_to_port(list->v[i], &port) == 0 && port != p->own)
			p->ports[port / 8] |= (uint8_t)(1 << port % 8);
}

static void pod_ports_on_info(void *user, int error,
			      const struct tunnel_info *info)
{
	struct pod_ports *p = user;

	p->asked = false;
	if (!p->pod) {
		loop_defer_free(p->loop, p);
		return;
	}
	if (!error)
		pod_ports_take(p, &info->listening);
	loop_timer_start(p->loop, &p->timer, POD_PORTS_INTERVAL, pod_ports_ask);
}

/* Without a session the next one will do */
static void pod_ports_ask(struct timer *t)
{
	struct pod_ports *p = container_of(t, struct pod_ports, timer);

	p->asked = tunnel_info_get(p->pod->tunnel, pod_ports_on_info, p) == 0;
	if (!p->asked)
		loop_timer_start(p->loop, t, POD_PORTS_INTERVAL, pod_ports_ask);
}

/* --- calls ---------------------------------------------------------------- */

/* What was accepted can be reset only */
static void pod_ports_call_end(struct pod_ports_call *c)
{
	const struct linger now = { .l_onoff = 1 };

	list_del(&c->node);
	if (c->fd >= 0) {
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now,
				 sizeof(now));
		close(c->fd);
	}
	loop_defer_free(c->all->loop, c);
}

static void pod_ports_on_dialled(void *user, void *conn, int error)
{
	struct pod_ports_call *c = conn;

	(void)user;
	if (!error)
		dialer_relay(c->attempt, steal_fd(&c->fd), NULL, NULL);
	pod_ports_call_end(c);
}

static void pod_ports_on_call(void *user, uint16_t port, int fd)
{
	static const uint8_t here[4] = { 127, 0, 0, 1 };
	const struct ipaddr addr = ipaddr_v4(here);
	struct pod_ports *p = user;
	struct pod_ports_call *c = xcalloc(1, sizeof(*c));

	c->all = p;
	c->fd = fd;
	list_add_tail(&p->calls, &c->node);
	c->attempt = dialer_dial(traffic_dialer(p->pod->traffic), NULL, &addr,
				 port, pod_ports_on_dialled, p, c);
	if (!c->attempt)
		pod_ports_call_end(c);
}

struct loopback_far pod_ports_far(struct pod_ports *p)
{
	return (struct loopback_far){ p->ports, pod_ports_on_call, p };
}

/* --- life ----------------------------------------------------------------- */

struct pod_ports *pod_ports_new(struct loop *l, const struct connect_pod *pod,
				uint16_t own)
{
	struct pod_ports *p = xcalloc(1, sizeof(*p));

	p->loop = l;
	p->pod = pod;
	p->own = own;
	list_init(&p->calls);
	pod_ports_take(p, pod->listening);
	loop_timer_start(l, &p->timer, POD_PORTS_INTERVAL, pod_ports_ask);
	return p;
}

void pod_ports_free(struct pod_ports *p)
{
	if (!p)
		return;
	loop_timer_stop(&p->timer);
	while (!list_empty(&p->calls)) {
		struct pod_ports_call *c = container_of(
			p->calls.next, struct pod_ports_call, node);

		dialer_cancel(c->attempt);
		pod_ports_call_end(c);
	}
	p->pod = NULL;
	if (!p->asked)
		loop_defer_free(p->loop, p);
}
