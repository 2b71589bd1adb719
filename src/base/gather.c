/* SPDX-License-Identifier: Apache-2.0 */
#include "base/gather.h"

#include "base/mem.h"

#include <sys/socket.h>

#define GATHER_RATE (32 << 20)	 /* bytes/s */
#define GATHER_BYTES (128 << 10) /* what one wake-up is worth */
#define GATHER_NS (2 * NS_MS)
#define GATHER_PERIOD (5 * NS_MS)
#define GATHER_PAUSE (20 * NS_MS)

static void gather_set(struct gather *g, bool on)
{
	int bytes = on ? GATHER_BYTES : 1;
	int rc = setsockopt(g->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes,
			    sizeof(bytes));

	g->on = on && rc == 0;
}

static void gather_on_timer(struct timer *t)
{
	struct gather *g = container_of(t, struct gather, timer);
	int64_t now = loop_now(g->loop);

	gather_set(g, false);
	g->since = now;
	g->bytes = 0;
	g->look(g);
	if (g->loop && g->bytes) /* it has waited */
		g->since = now + GATHER_PAUSE;
}

static void gather_wait(struct gather *g)
{
	loop_timer_start(g->loop, &g->timer, GATHER_NS, gather_on_timer);
}

void gather_start(struct gather *g, struct loop *loop, int fd,
		  void (*look)(struct gather *g))
{
	*g = (struct gather){
		.loop = loop,
		.fd = fd,
		.look = look,
		.since = loop_now(loop),
	};
}

void gather_took(struct gather *g, size_t n)
{
	int64_t now, ns;

	if (!g->loop)
		return;
	if (g->on) {
		gather_wait(g);
		return;
	}
	now = loop_now(g->loop);
	ns = now - g->since;
	if (ns < 0)
		return;
	g->bytes += n;
	if (ns < GATHER_PERIOD)
		return;
	if ((double)g->bytes * (double)NS_SEC >=
	    (double)GATHER_RATE * (double)ns)
		gather_set(g, true);
	if (g->on)
		gather_wait(g);
	g->since = now;
	g->bytes = 0;
}

void gather_stop(struct gather *g)
{
	if (!g->loop)
		return;
	loop_timer_stop(&g->timer);
	if (g->on)
		gather_set(g, false);
	g->loop = NULL;
}
