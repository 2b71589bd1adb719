/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/probe.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/app.h"
#include "inbound/job.h"
#include "kube/rest.h"
#include "uplink/uplink.h"
#include "wire/gatehead.h"
#include "wire/rulesample.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define PROBE_ARRIVAL (3 * NS_SEC)
#define PROBE_TRY (500 * NS_MS)
#define PROBE_AGAIN (150 * NS_MS) /* it was answered, but not by us */
#define PROBE_MARKED (2 * NS_SEC)
#define PROBE_GONE (2 * NS_SEC)	      /* ours has left by then, also far away */
#define PROBE_GONE_SOON (300 * NS_MS) /* of many: who waits there pays it */
#define PROBE_POLL (10 * NS_MS)
#define PROBE_REQUEST_MAX 8192

/* One try after the other, until somebody is seen */
struct arrival_probe {
	struct job *job;
	struct shadow_pod *from;
	struct uplink *uplink; /* NULL: it did not come up */
	struct ipport at;      /* what is connected to */
	bool router;	       /* who arrives is counted there, else here */
	struct inbound *place; /* of those who are held: of this one, or NULL */
	int64_t before, now;   /* arrivals; -1: not told */
	struct tunnel_tcp *tcp;
	bool dialed, told;
	int error;
};

/* --- what is tried -------------------------------------------------------- */

/* A TCP port that is exposed, or NULL */
static const struct service_port *arrival_port(const struct job *job)
{
	for (size_t i = 0; i < job->ports.n; i++) {
		const struct service_port *p = &job->ports.v[i];

		for (size_t k = 0; k < job->nlocal; k++)
			if (!p->udp && !job->local[k].udp &&
			    job->local[k].remote == p->target)
				return p;
	}
	return NULL;
}

/* @p of the shadow's Pod itself */
static bool arrival_at_pod(const struct job *job, const struct service_port *p,
			   struct ipport *at)
{
	static const uint8_t here[4] = { 127, 0, 0, 1 };

	at->port = p->target;
	at->addr = ipaddr_v4(here);
	/* behind its gate, where TLS has ended */
	return p->ended ||
	       ipaddr_parse(&at->addr, shadow_pod_ip(job->shadow)) == 0;
}

/* @p of the Service's own address; of the Pod where it has none */
static bool arrival_at_service(const struct job *job,
			       const struct service_port *p, struct ipport *at)
{
	const char *ip = json_str(job->service, "spec", "clusterIP", NULL);

	at->port = p->port;
	return (ip && ipaddr_parse(&at->addr, ip) == 0) ||
	       arrival_at_pod(job, p, at);
}

/* --- one try -------------------------------------------------------------- */

static void arrival_on_dialed(void *user, int error)
{
	struct arrival_probe *p = user;

	p->dialed = true;
	p->error = error;
	if (error)
		p->tcp = NULL; /* it is gone */
}

static void arrival_on_info(void *user, int error,
			    const struct tunnel_info *info)
{
	struct arrival_probe *p = user;

	p->told = true;
	if (!error)
		p->now = info->accepted;
}

/* How many have arrived so far; -1: not told */
static int64_t arrival_count(struct arrival_probe *p)
{
	if (p->place)
		return (int64_t)inbound_held_ever(p->place);
	if (!p->router)
		return (int64_t)p->job->arrivals;
	p->told = false;
	p->now = -1;
	/* an answer that comes too late finds @p still: the tunnel goes first
	 */
	if (tunnel_info_get(uplink_tunnel(p->uplink), arrival_on_info, p) < 0 ||
	    loop_run_until(p->job->app->loop, &p->told, PROBE_TRY) < 0)
		return -1;
	return p->now;
}

static bool arrival_seen(struct arrival_probe *p)
{
	return arrival_count(p) > p->before;
}

static int arrival_dial(struct arrival_probe *p, int64_t limit)
{
	p->dialed = false;
	p->error = 0;
	p->tcp = tunnel_tcp_dial(uplink_tunnel(p->uplink), &p->at,
				 arrival_on_dialed, p);
	return p->tcp ? loop_run_until(p->job->app->loop, &p->dialed, limit)
		      : 0;
}

static bool arrival_try(struct arrival_probe *p)
{
	int64_t end = clock_ns() + PROBE_TRY;
	int rc = arrival_dial(p, PROBE_TRY);
	bool seen = arrival_seen(p);

	if (rc == 0)
		end = MIN(end, clock_ns() + PROBE_AGAIN);
	for (rc = 0; rc == 0 && !seen && clock_ns() < end;) {
		rc = loop_sleep(p->job->app->loop, PROBE_POLL);
		seen = arrival_seen(p);
	}
	tunnel_tcp_cancel(steal_ptr(&p->tcp));
	return seen;
}

static bool arrival_goes_on(const struct arrival_probe *p, int64_t end)
{
	return clock_ns() < end && !loop_interrupted(p->job->app->loop);
}

static void arrival_knock(struct arrival_probe *p)
{
	int64_t end = clock_ns() + PROBE_ARRIVAL;
	bool seen = false;

	p->before = arrival_count(p);
	if (p->before < 0) {
		log_debug("a router of an older version does not count");
		return;
	}
	while (!seen && arrival_goes_on(p, end))
		seen = arrival_try(p);
	p->job->arrival = seen ? ARRIVAL_SEEN : ARRIVAL_UNSEEN;
}

/* --- the whole ------------------------------------------------------------ */

/* Whoever is still held after @gone goes on: it is not ours */
static void arrival_release(const struct job *job, struct inbound *in,
			    int64_t gone)
{
	int64_t end = clock_ns() + gone;

	while (inbound_held(in) && clock_ns() < end &&
	       loop_sleep(job->app->loop, PROBE_POLL) == 0)
		;
	inbound_hold(in, false);
}

static void arrival_warn(const struct arrival_probe *p)
{
	const struct job *job = p->job;
	char at[IPPORT_STRLEN];

	log_warn("no connection to it (%s) from %s arrived: Service %s/%s is "
		 "set up, but that could not be proven. Perhaps a Pod cannot "
		 "reach itself through its Service in this cluster, or a "
		 "NetworkPolicy keeps it from that: try a caller of yours",
		 ipport_str(&p->at, at), shadow_describe(p->from), job->ns,
		 job->name);
}

/* @p->at, at its port; then @more, with the tunnel up, may be NULL */
static void arrival_run(struct arrival_probe *p,
			void (*more)(struct arrival_probe *p))
{
	struct job *job = p->job;
	struct inbound *in = uplink_inbound(job->uplink);

	p->from = job->shadow;
	p->uplink = probe_open(job, p->from);
	if (!p->uplink)
		return;
	inbound_hold(in, true);
	arrival_knock(p);
	if (job->arrival == ARRIVAL_SEEN && more)
		more(p);
	uplink_free(p->uplink);
	arrival_release(job, in, PROBE_GONE);
	if (job->arrival == ARRIVAL_UNSEEN && !loop_interrupted(job->app->loop))
		arrival_warn(p);
}

void probe_arrival(struct job *job)
{
	const struct service_port *port = arrival_port(job);
	struct arrival_probe p = { .job = job };

	if (port && arrival_at_service(job, port, &p.at))
		arrival_run(&p, NULL);
}

void probe_pod(struct job *job)
{
	const struct service_port *port = arrival_port(job);
	struct arrival_probe p = { .job = job };

	if (port && arrival_at_pod(job, port, &p.at))
		arrival_run(&p, NULL);
}

/* --- mode ephemeral: each Pod --------------------------------------------- */

/* From @from to each of the @n places of @v, until nobody arrives at one. Its
 * callers are held while it is its turn, and no others. */
static void arrival_visit(struct arrival_probe *p, struct shadow_pod *from,
			  const struct probe_place *v, size_t n)
{
	p->from = from;
	p->uplink = probe_open(p->job, from);
	if (!p->uplink)
		p->job->arrival = ARRIVAL_UNTRIED;
	for (size_t i = 0; p->uplink && i < n; i++) {
		p->at = v[i].at;
		p->place = uplink_inbound(v[i].uplink);
		inbound_hold(p->place, true);
		arrival_knock(p);
		arrival_release(p->job, p->place, PROBE_GONE_SOON);
		if (p->job->arrival != ARRIVAL_SEEN)
			break;
	}
	uplink_free(p->uplink);
}

void probe_places(struct job *job, const struct probe_place *v, size_t n)
{
	struct arrival_probe p = { .job = job };

	if (!n)
		return;
	arrival_visit(&p, v[n - 1].shadow, v, n > 1 ? n - 1 : 1);
	if (n > 1 && job->arrival == ARRIVAL_SEEN)
		arrival_visit(&p, v[0].shadow, &v[n - 1], 1);
	if (job->arrival == ARRIVAL_UNSEEN && !loop_interrupted(job->app->loop))
		arrival_warn(&p);
}

/* --- the mark ------------------------------------------------------------- */

/* @request at p->at; somebody arrives here, or not for PROBE_MARKED */
static bool arrival_ask(struct arrival_probe *p, const struct buf *request)
{
	int64_t end = clock_ns() + PROBE_MARKED;
	int fd[2], rc;

	rc = arrival_dial(p, PROBE_MARKED);
	if (rc < 0 || !p->tcp ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		       fd) < 0) {
		tunnel_tcp_cancel(steal_ptr(&p->tcp));
		return false;
	}
	if (tunnel_tcp_relay(steal_ptr(&p->tcp), fd[0], NULL, NULL) == 0 &&
	    send(fd[1], buf_data(request), request->len, MSG_NOSIGNAL) > 0)
		while (!arrival_seen(p) && arrival_goes_on(p, end))
			(void)!loop_sleep(p->job->app->loop, PROBE_POLL);
	close(fd[1]); /* the tunnel's end resets it, whatever it waits for */
	return arrival_seen(p);
}

struct arrival_mark {
	struct arrival_probe probe;
	const struct rule_match *match;
	const struct service_port *port;
};

/* To the router itself, which is the way from the Service on: no request of
 * ours shall ever come to the Service's own Pods */
static void arrival_ask_marked(struct arrival_probe *service)
{
	struct arrival_mark *m =
		container_of(service, struct arrival_mark, probe);
	struct job *job = service->job;
	struct arrival_probe p = { .job = job, .uplink = service->uplink };
	uint8_t head[GATEHEAD_SIZE];
	struct buf request;

	if (str_eq(m->port->proto, "tcp") ||
	    !arrival_at_pod(job, m->port, &p.at))
		return;
	buf_init(&request, PROBE_REQUEST_MAX);
	gatehead_put(head, GATEHEAD_CALLER, &p.at);
	p.before = arrival_count(&p);
	if (m->port->ended && buf_put(&request, head, sizeof(head)) < 0) {
		log_debug("out of memory");
	} else if (rulesample_put(&request, m->match, job->name) < 0) {
		log_debug("no request can be made that has the mark");
	} else if (!arrival_ask(&p, &request)) {
		service->at = p.at;
		job->arrival = ARRIVAL_UNSEEN;
	}
	buf_fini(&request);
}

void probe_marked(struct job *job, const struct rule_match *match)
{
	struct arrival_mark m = {
		.probe = { .job = job, .router = true },
		.match = match,
		.port = arrival_port(job),
	};

	if (m.port && arrival_at_service(job, m.port, &m.probe.at))
		arrival_run(&m.probe, match ? arrival_ask_marked : NULL);
}
