/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/patience.h"

#include "base/log.h"
#include "base/mem.h"
#include "kube/internal.h"
#include "kube/status.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* netinet/tcp.h has it, and has not what else is needed of linux/tcp.h */
#define ESTABLISHED 1
#define LOOK (100 * NS_MS)
#define LONG_MS 500 /* without an acknowledgement, of a way that is slow */

static const char *patience_why(const struct kube *k)
{
	return k->hurried && *k->hurried ? "it has not answered yet"
					 : "it does not answer";
}

/* Nothing of what was sent has arrived over there, as far as is known here:
 * there is no connection, or what it took with it is not acknowledged */
static bool patience_is_deaf(const struct patience *p)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (!p->transfer->easy) /* between two tries, or a plugin runs */
		return false;
	if (!p->transfer->sock ||
	    getsockopt(p->transfer->sock, IPPROTO_TCP, TCP_INFO, &info, &len))
		return true; /* a name is asked for */
	if (info.tcpi_state != ESTABLISHED)
		return true;
	return (info.tcpi_unacked || info.tcpi_notsent_bytes) &&
	       info.tcpi_last_ack_recv >= LONG_MS;
}

static int64_t patience_limit(const struct patience *p, bool deaf)
{
	const struct kube *k = p->kube;

	if (deaf && k->hurried && *k->hurried)
		return LEAVE_HURRIED;
	return deaf ? LEAVE_DEAF : LEAVE_SILENT;
}

static void patience_look(struct timer *t)
{
	struct patience *p = container_of(t, struct patience, timer);
	int64_t silent = clock_ns() - p->since;
	bool deaf = patience_is_deaf(p);
	struct kt_error err = { 0 };

	loop_timer_start(p->kube->loop, t, LOOK, patience_look);
	if (patience_is_over(p->kube, &err) < 0) {
		p->over(p, &err);
	} else if (silent >= patience_limit(p, deaf)) {
		p->kube->gone = true;
		(void)!patience_is_over(p->kube, &err);
		p->over(p, &err);
	} else if (deaf && !p->fresh && p->transfer->sock &&
		   silent >= LEAVE_DEAF / 2) {
		p->fresh = true;
		if (p->again(p))
			log_debug("no acknowledgement: over a new connection");
	}
}

void patience_start(struct patience *p, struct kube *k,
		    const struct transfer *t)
{
	p->kube = k;
	p->transfer = t;
	if (!k->leaving || loop_timer_active(&p->timer))
		return;
	p->since = clock_ns();
	loop_timer_start(k->loop, &p->timer, LOOK, patience_look);
}

void patience_heard(struct patience *p)
{
	p->since = clock_ns();
}

void patience_stop(struct patience *p)
{
	loop_timer_stop(&p->timer);
}

int patience_is_over(const struct kube *k, struct kt_error *err)
{
	return k->gone ? unreachable_fail(err, k, ETIMEDOUT, patience_why(k))
		       : 0;
}

void kube_leave(struct kube *k, const bool *hurried)
{
	if (!k)
		return;
	k->leaving = true;
	k->hurried = hurried;
}

bool kube_is_gone(const struct kube *k)
{
	return k && k->gone;
}
