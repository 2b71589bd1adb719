/* SPDX-License-Identifier: Apache-2.0 */
#include "inbound/handover.h"

#include "base/log.h"
#include "base/mem.h"
#include "cli/app.h"
#include "inbound/job.h"
#include "inbound/settle.h"
#include "uplink/uplink.h"

#include <errno.h>
#include <string.h>

#define LAST_WORDS (3 * NS_SEC)
#define TICK (50 * NS_MS)
#define AGAIN (3 * NS_SEC)

/* A shadow whose place was taken */
struct predecessor {
	struct predecessor *next;
	struct job *job;
	struct shadow_pod *shadow;
	struct uplink *uplink; /* NULL: it is over */
	struct timer tick;
	struct settle settle;
	int64_t end;
};

/* --- the old one ---------------------------------------------------------- */

static void predecessor_disconnect(struct predecessor *p)
{
	loop_timer_stop(&p->tick);
	uplink_free(p->uplink);
	p->uplink = NULL;
}

static void predecessor_on_tick(struct timer *t)
{
	struct predecessor *p = container_of(t, struct predecessor, tick);
	struct inbound *in = uplink_inbound(p->uplink);
	int64_t now = clock_ns();
	bool settled = settle_is_over(&p->settle, now, inbound_ever(in));

	if (now >= p->end - LAST_WORDS)
		inbound_end_quiet(in, job_quiet(p->end));
	if (!uplink_is_over(p->uplink) && now < p->end &&
	    (!settled || inbound_callers(in))) {
		loop_timer_start(p->job->app->loop, t, TICK,
				 predecessor_on_tick);
		return;
	}
	log_debug("%s is left: %zu connections are open",
		  shadow_describe(p->shadow), inbound_callers(in));
	predecessor_disconnect(p);
	uplink_wake(p->job->uplink);
}

/* @end: of its time */
static void handover_retire(struct job *job, int64_t end)
{
	struct predecessor *p = xcalloc(1, sizeof(*p));

	p->job = job;
	p->shadow = job->shadow;
	p->uplink = job->uplink;
	settle_begin(&p->settle, clock_ns(),
		     inbound_ever(uplink_inbound(p->uplink)));
	p->end = end;
	p->next = job->before;
	job->before = p;
	uplink_retire(p->uplink);
	loop_timer_start(job->app->loop, &p->tick, TICK, predecessor_on_tick);
}

static void predecessor_let_go(struct predecessor *p)
{
	struct kt_error err = { 0 };

	if (shadow_let_go(p->shadow, &err) < 0)
		log_debug("%s: %s", shadow_describe(p->shadow), err.msg);
}

static void predecessor_free(struct predecessor *p)
{
	predecessor_disconnect(p);
	shadow_free(p->shadow);
	free(p);
}

void handover_sweep(struct job *job)
{
	struct predecessor **at = &job->before;

	while (*at) {
		struct predecessor *p = *at;

		if (p->uplink) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		predecessor_let_go(p);
		predecessor_free(p);
	}
}

size_t handover_callers(const struct job *job)
{
	size_t all = 0;

	for (struct predecessor *p = job->before; p; p = p->next)
		if (p->uplink)
			all += inbound_callers(uplink_inbound(p->uplink));
	return all;
}

void handover_end_quiet(const struct job *job, int64_t quiet_ns)
{
	for (struct predecessor *p = job->before; p; p = p->next)
		if (p->uplink)
			inbound_end_quiet(uplink_inbound(p->uplink), quiet_ns);
}

void handover_watch(const struct job *job, bool on)
{
	for (struct predecessor *p = job->before; p; p = p->next)
		if (p->uplink)
			inbound_watch(uplink_inbound(p->uplink), on);
}

void handover_disconnect(struct job *job)
{
	for (struct predecessor *p = job->before; p; p = p->next)
		predecessor_disconnect(p);
}

/* --- the new one ---------------------------------------------------------- */

static void handover_drop(struct job *job, bool last)
{
	struct kt_error err = { 0 };
	int rc;

	if (!job->next_shadow)
		return;
	rc = job->shared ? shadow_leave(job->next_shadow, last, &err)
			 : shadow_give_up(job->next_shadow, &err);
	if (rc < 0)
		log_debug("%s: %s", shadow_describe(job->next_shadow), err.msg);
	shadow_free(job->next_shadow);
	job->next_shadow = NULL;
}

/* Where the old one may be well again: one that nobody uses does not stay, for
 * callers would be led to it */
static void handover_take_back(struct job *job)
{
	struct kt_error err = { 0 };

	if (shadow_give_up(job->next_shadow, &err) < 0)
		log_debug("%s: %s", shadow_describe(job->next_shadow), err.msg);
	shadow_free(steal_ptr(&job->next_shadow));
}

/* The one that did not answer is well again: no other is wanted */
static bool handover_is_off(void *user)
{
	const struct job *job = user;

	return uplink_is_up(job->uplink) && !uplink_needs_another(job->uplink);
}

static int handover_ensure(struct job *job, bool ill, struct kt_error *err)
{
	int rc;

	if (ill)
		shadow_set_stop(job->next_shadow, handover_is_off, job);
	rc = shadow_ensure(job->next_shadow, err);
	shadow_set_stop(job->next_shadow, NULL, NULL);
	return rc == 0 && ill && handover_is_off(job) ? -ECANCELED : rc;
}

static int handover_connect(struct job *job, struct uplink **up,
			    struct kt_error *err)
{
	struct uplink_config cfg;
	int rc;

	job_uplink_config(job, &cfg);
	cfg.shadow = job->next_shadow;
	*up = uplink_new(&cfg);
	rc = uplink_connect(*up, err);
	return rc < 0 ? rc : shadow_await_ready(job->next_shadow, err);
}

/* After an interruption the one that was being made is left to the clean-up */
static int handover_try(struct job *job, bool ill, struct kt_error *err)
{
	int64_t begin = clock_ns();
	struct uplink *up = NULL;
	long left_s = 0;
	int rc = shadow_successor(job->shadow, &job->next_shadow, &left_s, err);

	if (rc == -ENOENT)
		uplink_set_gone(job->uplink);
	if (rc < 0)
		return rc;
	if (ill) /* no caller of it waits longer */
		left_s = MIN(left_s, (long)job->opt->grace_time);
	rc = handover_ensure(job, ill, err);
	if (rc == 0)
		rc = handover_connect(job, &up, err);
	if (rc < 0) {
		uplink_free(up);
		if (rc != -EINTR && ill)
			handover_take_back(job);
		else if (rc != -EINTR)
			handover_drop(job, false);
		return rc;
	}
	handover_retire(job, begin + left_s * NS_SEC);
	log_info("%s has taken the place of %s",
		 shadow_describe(job->next_shadow),
		 shadow_pod_name(job->shadow));
	job->shadow = job->next_shadow;
	job->next_shadow = NULL;
	job->uplink = up;
	uplink_wake(up); /* what happened meanwhile was told to the old one */
	repeat_over(&job->handover);
	return 0;
}

/* The API server's words for a namespace whose end nobody can stop */
static bool handover_is_hopeless(const struct kt_error *why)
{
	return why->http_status == 403 && strstr(why->msg, "being terminated");
}

int handover_make(struct job *job, struct kt_error *err)
{
	struct kt_error why = { 0 };
	bool ill = uplink_is_ill(job->uplink);
	const char *trouble = ill ? "does not answer" : "is told to end";
	int rc = job->renew ? job->renew(job->change_user, err) : 0;

	if (rc < 0)
		return rc;
	log_debug("%s %s", shadow_describe(job->shadow), trouble);
	rc = handover_try(job, ill, &why);
	if (rc == 0 || (rc == -ENOENT && !uplink_needs_another(job->uplink)) ||
	    (rc != -EINTR && ill && handover_is_off(job)))
		return 0;
	if (handover_is_hopeless(&why)) /* waiting would hold it up */
		return kt_fail(err, ECANCELED, "Namespace %s is being deleted",
			       job->ns);
	if (rc != -EINTR) {
		repeat_warn(&job->handover,
			    "%s %s, and no other can take its place: %s",
			    shadow_describe(job->shadow), trouble, why.msg);
		rc = loop_sleep(job->app->loop, AGAIN);
		uplink_wake(job->uplink);
	}
	return rc < 0 ? kt_fail(err, EINTR, "interrupted") : 0;
}

/* --- the end -------------------------------------------------------------- */

void handover_leave(struct job *job, bool last)
{
	handover_drop(job, last);
	for (struct predecessor *p = job->before; p; p = p->next)
		predecessor_let_go(p);
}

void handover_free(struct job *job)
{
	while (job->before) {
		struct predecessor *p = job->before;

		job->before = p->next;
		predecessor_free(p);
	}
	shadow_free(job->next_shadow);
	job->next_shadow = NULL;
}
