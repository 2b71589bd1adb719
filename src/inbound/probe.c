/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/probe.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "cluster/netpolicy.h"
#include "inbound/job.h"
#include "kube/rest.h"
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

struct uplink *probe_open(struct job *job, struct shadow_pod *shadow)
{
	struct uplink_config cfg = {
		.loop = job->app->loop,
		.kube = job->kube,
		.ns = job->ns,
		.shadow = shadow,
		.open_timeout_ns = PROBE_WAIT,
		.home = job->app->home,
		.carrier = job->global->carrier,
	};
	struct uplink *u = uplink_new(&cfg);
	struct kt_error err = { 0 };

	if (uplink_connect(u, &err) == 0)
		return u;
	log_debug("nothing was tried: %s", err.msg);
	uplink_free(u);
	return NULL;
}

void probe_origin(struct job *job)
{
	struct ipport at = { 0 };
	struct uplink *u;

	if (!probe_target(job, &at))
		return;
	u = probe_open(job, job->shadow);
	if (u)
		probe_dial(job, u, &at);
	uplink_close(u);
}

/* --- the way of the callers ----------------------------------------------- */

static int probe_list(const struct job *job, const char *api,
		      const char *resource, const char *query, json_t **list)
{
	auto_free char *path = kube_path(api, resource, job->ns, NULL, NULL);
	struct kt_error err = { 0 };
	int rc = kube_list(job->kube, path, query, list, &err);

	if (rc < 0)
		log_debug("callers' way: %s", err.msg);
	return rc;
}

/* Labels of one of the Service's own Pods: policies may go by others than those
 * that the Service selects by (returned, caller decrefs); NULL: it has none */
static json_t *probe_own_labels(const struct job *job)
{
	auto_free char *query =
		job->original ? selector_query(job->original) : NULL;
	auto_json json_t *list = NULL;
	const json_t *pod;
	size_t i;

	if (!query)
		return NULL;
	if (probe_list(job, "v1", "pods", query, &list) == 0)
		json_array_foreach (json_object_get(list, "items"), i, pod)
			if (!object_label(pod, KT_LABEL_ROLE))
				return json_incref(json_at(pod, "metadata",
							   "labels", NULL));
	return json_incref(job->original);
}

void probe_callers(struct job *job)
{
	auto_free char *path = kube_path("v1", "pods", job->ns,
					 shadow_pod_name(job->shadow), NULL);
	auto_json json_t *policies = NULL, *pod = NULL, *own = NULL;
	struct kt_error err = { 0 };
	const json_t *items;
	const char *name;

	if (probe_list(job, "networking.k8s.io/v1", "networkpolicies", NULL,
		       &policies) < 0)
		return;
	items = json_object_get(policies, "items");
	if (!json_array_size(items) ||
	    kube_get(job->kube, path, &pod, &err) < 0)
		return;
	own = probe_own_labels(job);
	name = netpolicy_keeps_out(
		items, json_at(pod, "metadata", "labels", NULL), own);
	if (name)
		log_warn(
			"callers may not reach %s: NetworkPolicy %s/%s lets "
			"%s. Let it select the shadow's label kt-role, too, or "
			"give the shadow one that it selects: --withLabel",
			shadow_describe(job->shadow), job->ns, name,
			own ? "them reach the Service's own Pods only"
			    : "nobody in");
}
