/* SPDX-License-Identifier: Apache-2.0 */
/* What a job sees of requests, for "ktctl events": the router's own words, or
 * what is observed at this end where there is none. */
#include "base/mem.h"
#include "cli/app.h"
#include "control/control.h"
#include "control/eventjson.h"
#include "inbound/handover.h"
#include "inbound/job.h"

#define JOB_EVENTS_ANSWER                                                      \
	(2 * NS_SEC) /* a shadow that knows them has by then */

/* Callers know the Service's port, not its Pods' */
static uint16_t job_events_port(const struct job *job, uint16_t target)
{
	for (size_t i = 0; i < job->ports.n; i++)
		if (!job->ports.v[i].udp && job->ports.v[i].target == target)
			return job->ports.v[i].port;
	return target;
}

void job_on_event(void *user, const struct event *ev, uint64_t missed)
{
	const struct job *job = user;
	const struct event_place at = { .ns = job->ns,
					.service = job->name,
					.port = job_events_port(job,
								ev->port) };
	struct event mine = *ev;

	if (mine.by == EVENT_LOCAL && !*mine.user)
		snprintf(mine.user, sizeof(mine.user), "%s", shadow_user());
	control_event(job->app->control, &mine, &at, missed);
}

void job_on_watching(void *user)
{
	struct job *job = user;

	job->watched = true;
}

/* It has answered a ping that was sent after the question, and not the question
 */
static void job_events_on_timer(struct timer *t)
{
	struct job *job = container_of(t, struct job, watch_timer);
	struct control_report r = { 0 };

	/* without a router it is all seen here */
	if (job->watched || !job->spec.watch || (job->ready && !job->shared))
		return;
	uplink_report(job->uplink, &r);
	if (job->shared && r.up && r.answered > job->watch_since) {
		control_event_fail(job->app->control,
				   "the router is of an older ktctl, which "
				   "tells of no requests: it is a new one when "
				   "all of its users have left once");
		return;
	}
	uplink_probe(job->uplink);
	loop_timer_start(job->app->loop, t, JOB_EVENTS_ANSWER,
			 job_events_on_timer);
}

void job_watch(void *user, bool on)
{
	struct job *job = user;

	job->spec.watch = on; /* of tunnels that come, too */
	job->watched = false;
	loop_timer_stop(&job->watch_timer);
	if (job->uplink)
		inbound_watch(uplink_inbound(job->uplink), on);
	handover_watch(job, on);
	if (!on)
		return;
	job->watch_since = clock_ns();
	uplink_probe(job->uplink);
	loop_timer_start(job->app->loop, &job->watch_timer, JOB_EVENTS_ANSWER,
			 job_events_on_timer);
}
