/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/probe.h"

#include "base/log.h"
#include "cli/app.h"
#include "inbound/job.h"
#include "uplink/uplink.h"

#include <errno.h>
#include <string.h>

#define PROBE_WAIT (3 * NS_SEC)

struct probe {
	struct tunnel_tcp *tcp;
	bool done;
	int error;
};

static void probe_on_dialed(void *user, int error)
{
	struct probe *p = user;

	p->done = true;
	p->error = error;
	if (error)
		p->tcp = NULL; /* it is gone */
}

/* The origin's address with a TCP port of it; false: there is none */
static bool probe_target(const struct job *job, struct ipport *at)
{
	if (!job->origin || ipaddr_parse(&at->addr, job->origin) < 0)
		return false;
	for (size_t i = 0; i < job->ports.n; i++)
		if (!job->ports.v[i].udp) {
			at->port = job->ports.v[i].port;
			return true;
		}
	return false;
}

/* A refusal is an answer, too: perhaps no Pod is ready */
static void probe_dial(struct job *job, struct uplink *u,
		       const struct ipport *at)
{
	struct probe p = { 0 };
	char text[IPPORT_STRLEN];
	int rc = 0;

	p.tcp = tunnel_tcp_dial(uplink_tunnel(u), at, probe_on_dialed, &p);
	if (!p.tcp)
		return;
	rc = loop_run_until(job->app->loop, &p.done, PROBE_WAIT);
	if (rc == -ETIMEDOUT || p.error == -ETIMEDOUT ||
	    p.error == -EHOSTUNREACH)
		log_warn("%s cannot reach the Pods of Service %s/%s (%s): does "
			 "a NetworkPolicy keep it from them? --withLabel gives "
			 "it a label that yours allow",
			 shadow_describe(job->shadow), job->ns, job->name,
			 ipport_str(at, text));
	else
		log_debug("the origin %s answers: %s", ipport_str(at, text),
			  strerror(-p.error));
	if (p.tcp)
		tunnel_tcp_cancel(p.tcp);
}

void probe_origin(struct job *job)
{
	struct uplink_config cfg = {
		.loop = job->app->loop,
		.kube = job->kube,
		.ns = job->ns,
		.shadow = job->shadow,
		.open_timeout_ns = PROBE_WAIT,
		.home = job->app->home,
		.carrier = job->global->carrier,
	};
	struct kt_error err = { 0 };
	struct ipport at = { 0 };
	struct uplink *u;

	if (!probe_target(job, &at))
		return;
	u = uplink_new(&cfg);
	if (uplink_connect(u, &err) == 0)
		probe_dial(job, u, &at);
	else
		log_debug("the origin was not tried: %s", err.msg);
	uplink_free(u);
}
